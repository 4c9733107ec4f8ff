"""The command ``converge``: why a method works on a problem, and how long it takes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from wengert.cli.converging import (
    Subject,
    Values,
    formula_subject,
    linear_subject,
    loss_by_name,
    model_subject,
    show,
    show_json,
    write_plot,
)
from wengert.cli.datasets import Dataset, read_dataset
from wengert.cli.options import Assume, PlotFile, Shapes
from wengert.cli.options import Values as Given
from wengert.cli.screen import Screen
from wengert.cli.values import assignments
from wengert.convergence import convergence
from wengert.errors import WengertError

MaybeFormula = Annotated[
    str | None,
    typer.Argument(
        metavar="[FORMULA]",
        help='What is minimised, as in "norm2(X*w - y)^2/n + 0.1*norm2(w)^2"; with --loss the '
        'model\'s prediction, as in "X*w". Without it: a linear model.',
        show_default=False,
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Rows of a .csv, .npz or .parquet file: in a formula y is the target, X all other "
        "columns, n the number of rows, and a column's name that column.",
        show_default=False,
    ),
]
Methods = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="gd, sgd, newton, nesterov, momentum, adam, lbfgs, ...; several with commas.",
    ),
]
Start = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Where a parameter begins, as for --value; zeros without it.",
        show_default=False,
    ),
]


def converge(
    text: MaybeFormula = None,
    data: Data = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="What is predicted; the column y, target, label or class without it.",
            show_default=False,
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="squared, huber, logistic, hinge, softmax or poisson.",
            show_default=False,
        ),
    ] = None,
    method: Methods = "gd",
    eps: Annotated[float, typer.Option(help="The gap f(θ) - f* that is asked for.")] = 1e-3,
    regularizer: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="λ/2 ‖θ‖² beside a --loss.", show_default=False),
    ] = None,
    standardize: Annotated[
        bool, typer.Option("--standardize", help="Features of mean 0 and deviation 1.")
    ] = False,
    intercept: Annotated[
        bool, typer.Option("--intercept/--no-intercept", help="Of the linear model.")
    ] = True,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="A column to leave out.", show_default=False),
    ] = None,
    value: Given = None,
    start: Start = None,
    shape: Shapes = None,
    assume: Assume = None,
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Run the methods, or only forecast.")
    ] = True,
    seeds: Annotated[int, typer.Option(help="Runs of methods that draw batches.")] = 5,
    seconds: Annotated[float, typer.Option(help="For all runs together, at most.")] = 60.0,
    steps: Annotated[
        int | None, typer.Option(help="Of a run, at most.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    plot: PlotFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON alone.")] = False,
) -> None:
    """Why gradient descent, SGD or Newton's method works here, and how long it takes."""
    screen = Screen(sys.stdout)
    methods = [name.strip() for name in method.split(",") if name.strip()]
    named = None if loss is None else loss_by_name(loss)
    rows = None
    if data is not None:
        rows = read_dataset(data, target, drop or (), standardize, named is not None)
    values = Values(
        assignments(value or [], "--value", "a=2"),
        assignments(start or [], "--start", "w=zeros"),
        assignments(shape or [], "--shape", "X=m,n"),
        assignments(assume or [], "--assume", "W=symmetric"),
    )
    subject = _subject(text, rows, named, methods, values, regularizer, intercept)
    report = convergence(
        subject.objective,
        subject.start,
        methods,
        eps,
        given=subject.given,
        seeds=seeds,
        seconds=seconds,
        steps=steps,
        run=run,
        seed=seed,
    )
    if as_json:
        show_json(screen, report)
    else:
        show(screen, report, subject, () if rows is None else rows.notes)
    if plot is not None:
        write_plot(screen, report, plot, quiet=as_json)


def _subject(
    text: str | None,
    data: Dataset | None,
    loss: str | None,
    methods: list[str],
    values: Values,
    regularizer: float | None,
    intercept: bool,
) -> Subject:
    if loss is None:
        if text is None:
            raise WengertError(
                'what is minimised? Give a formula, as in "norm2(X*w - y)^2/n", or a linear model '
                "with --loss squared, logistic, ..."
            )
        if regularizer is not None:
            raise WengertError(
                "--regularizer is for --loss; write it into the formula, as in + 0.1*norm2(w)^2"
            )
        return formula_subject(text, data, methods, values)
    if data is None:
        raise WengertError("--loss needs rows: give them with --data FILE")
    if text is None:
        return linear_subject(data, loss, regularizer, intercept)
    return model_subject(text, data, loss, regularizer, values)
