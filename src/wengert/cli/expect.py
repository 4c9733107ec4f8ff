"""The command ``expect``: moments of formulas of random inputs."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from wengert.cli.expecting import Expecting, read_correlations, read_degrees
from wengert.cli.options import FormulaText, PlotFile, Values
from wengert.cli.screen import Screen
from wengert.cli.values import assignments
from wengert.errors import WengertError


class Convention(StrEnum):
    """What the second order is."""

    MODEL = "model"
    GUM = "gum"


Dists = Annotated[
    list[str] | None,
    typer.Option(
        "--dist",
        metavar="NAME=DISTRIBUTION",
        help="normal(mean, std), a distribution of scipy.stats with its parameters, as in "
        "expon(scale=0.5), a pair (value, uncertainty), or draws(FILE).",
        show_default=False,
    ),
]
Correlations = Annotated[
    list[str] | None,
    typer.Option(
        "--corr",
        metavar="NAME,NAME=NUMBER",
        help="The correlation of two inputs.",
        show_default=False,
    ),
]
Degrees = Annotated[
    list[str] | None,
    typer.Option(
        "--dof",
        metavar="NAME=NUMBER",
        help="Degrees of freedom of an input's standard uncertainty.",
        show_default=False,
    ),
]
Coverage = Annotated[
    float | None,
    typer.Option(
        metavar="PROBABILITY", help="Print the expanded uncertainty too.", show_default=False
    ),
]


def expect(
    text: FormulaText,
    dist: Dists = None,
    order: Annotated[int, typer.Option(help="1, 2, or higher for the mean alone.")] = 2,
    convention: Annotated[
        Convention, typer.Option(help="model: exact moments of the polynomial; gum: GUM 5.1.2.")
    ] = Convention.MODEL,
    value: Values = None,
    corr: Correlations = None,
    dof: Degrees = None,
    coverage: Coverage = None,
    budget: Annotated[
        bool, typer.Option("--budget", help="Which input contributes how much of the variance.")
    ] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Beside Monte Carlo and quadrature rules.")
    ] = False,
    samples: Annotated[int, typer.Option(help="Draws of Monte Carlo.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    plot: PlotFile = None,
) -> None:
    """Mean and standard deviation of a formula of random inputs; uncertainty budgets."""
    options = {
        "order": order,
        "convention": convention.value,
        "correlations": read_correlations(corr or []) or None,
    }
    dists = assignments(dist or [], "--dist", "x=normal(0,1)")
    values = assignments(value or [], "--value", "a=2")
    expecting = Expecting(Screen(sys.stdout), text, dists, values, options)
    if order > 2:
        if budget or compare or coverage is not None or plot is not None:
            raise WengertError(f"--order {order} gives the mean alone; the rest is of order 1 or 2")
        expecting.heading(expecting.mean_alone())
        return
    p = expecting.propagation(read_degrees(assignments(dof or [], "--dof", "x=18")))
    expecting.heading(p)
    if coverage is not None:
        expecting.coverage(p, coverage)
    if budget:
        expecting.budgets(p)
    if compare or plot is not None:
        found = expecting.comparison(samples, seed)
        if compare:
            expecting.screen.line()
            expecting.screen.line(str(found))
        if plot is not None:
            expecting.plot(found, plot)
