"""The commands: derive, explain, taylor, expect, functions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from wengert import __version__
from wengert.assumptions import Assumption
from wengert.cli.expecting import Expecting, read_correlations, read_degrees
from wengert.cli.report import Notation, Report
from wengert.cli.screen import Screen, prepare, to_ascii
from wengert.cli.taylor_report import TaylorReport, is_scalar, point_values
from wengert.cli.values import assignments, read_values
from wengert.errors import FormulaError, NameClashError, WengertError
from wengert.explanation import Row
from wengert.formula import function_names, lookup
from wengert.formula.operators import OPERATORS
from wengert.formula.vocabulary import ALIASES
from wengert.formulas import Formula
from wengert.formulas import formula as read_formula
from wengert.taylor import taylor as expand

app = typer.Typer(
    name="wengert",
    help="Derivatives of formulas of vectors, matrices and tensors.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Mode(StrEnum):
    """A mode of differentiation."""

    AUTO = "auto"
    FORWARD = "forward"
    REVERSE = "reverse"
    BACKWARD = "backward"
    CROSS_COUNTRY = "cross-country"


FormulaText = Annotated[
    str, typer.Argument(metavar="FORMULA", help='As in "norm2(X*w - y)^2".', show_default=False)
]
Wrt = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="The variable to derive by; several, repeated or with commas, are derived by one "
        "after the other. Without it: every variable in turn.",
        show_default=False,
    ),
]
Order = Annotated[
    int | None, typer.Option(help="The order; repeats the last variable.", show_default=False)
]
ModeOption = Annotated[Mode, typer.Option(help="How it is found; the result is the same.")]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="X=m,n",
        help="The shape of a variable, instead of its letter's: sizes, or scalar, vector, matrix.",
        show_default=False,
    ),
]
Assume = Annotated[
    list[str] | None,
    typer.Option(
        metavar="W=PROPERTY",
        help="symmetric, positive definite, diagonal, orthogonal or positive.",
        show_default=False,
    ),
]
Values = Annotated[
    list[str] | None,
    typer.Option(
        "--value",
        metavar="NAME=VALUE",
        help="A number, a list such as [1, 2], a .csv, .npy or .npz:key file, or zeros, ones, "
        "random, eye, whose sizes follow from the other values.",
        show_default=False,
    ),
]
Notations = Annotated[
    list[Notation] | None,
    typer.Option(
        help="Further notations, repeated. One alone is printed with nothing around it.",
        show_default=False,
    ),
]
Steps = Annotated[bool, typer.Option("--steps", help="Show the steps, with their rules.")]
Check = Annotated[
    bool, typer.Option("--check/--no-check", help="Compare values with numerical differences.")
]


def _show_version(wanted: bool) -> None:
    if wanted:
        Screen(sys.stdout).line(f"wengert {__version__}")
        raise typer.Exit


@app.callback()
def _base(  # pyright: ignore[reportUnusedFunction]
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="The version."),
    ] = False,
) -> None:
    """Derivatives of formulas of vectors, matrices and tensors."""


@app.command()
def derive(
    text: FormulaText,
    wrt: Wrt = None,
    order: Order = None,
    mode: ModeOption = Mode.AUTO,
    shape: Shapes = None,
    assume: Assume = None,
    value: Values = None,
    notation: Notations = None,
    steps: Steps = False,
    check: Check = True,
) -> None:
    """Derive a formula; print, evaluate and check the derivative."""
    function = read_formula(
        text,
        assignments(shape or [], "--shape", "X=m,n"),
        assignments(assume or [], "--assume", "W=symmetric"),
    )
    specs = assignments(value or [], "--value", "X=data.csv")
    given = read_values(specs, function.variables) if specs else None
    derivatives = _derivatives(function, _names(wrt), order, mode)
    report = Report(Screen(sys.stdout), function, derivatives)
    wanted = _notations(notation)
    alone = len(wanted) == 1 and len(derivatives) == 1 and Notation.MATRIX not in wanted
    if alone:
        report.raw(wanted[0])
    else:
        report.heading()
        others = [n for n in wanted if n is not Notation.MATRIX]
        if others:
            report.notations(others)
    if steps:
        report.steps()
    if given is not None and not report.values(given, check=check):
        raise typer.Exit(1)


@app.command()
def explain(
    text: FormulaText,
    wrt: Wrt = None,
    order: Order = None,
    mode: ModeOption = Mode.AUTO,
    shape: Shapes = None,
    assume: Assume = None,
) -> None:
    """Derive a formula step by step, with the rule of each step."""
    derive(text, wrt, order, mode, shape, assume, None, None, True, True)


At = Annotated[
    list[str] | None,
    typer.Option(
        "--at",
        metavar="NAME=POINT",
        help="Where a variable is expanded: a number (1/3 and pi/4 are exact), an array as for "
        "--value, or a name, for a polynomial of formulas. Without it: about the variables.",
        show_default=False,
    ),
]
Evaluate = Annotated[
    list[str] | None,
    typer.Option(
        "--x", metavar="NAME=VALUE", help="Evaluate there, beside the function.", show_default=False
    ),
]
PlotFile = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE", help="Write a figure to it.", show_default=False),
]


@app.command()
def taylor(
    text: FormulaText,
    at: At = None,
    order: Annotated[int, typer.Option(help="The degree.")] = 4,
    x: Evaluate = None,
    value: Values = None,
    shape: Shapes = None,
    assume: Assume = None,
    latex: Annotated[bool, typer.Option("--latex", help="The polynomial in LaTeX alone.")] = False,
    steps: Steps = False,
    plot: PlotFile = None,
) -> None:
    """Expand a formula in its Taylor polynomial about a point."""
    points = assignments(at or [], "--at", "x=0")
    others = assignments(value or [], "--value", "a=2")
    shapes = assignments(shape or [], "--shape", "X=m,n")
    assumptions = assignments(assume or [], "--assume", "W=symmetric")
    scalars = {n: "scalar" for n, t in {**points, **others}.items() if is_scalar(t)}
    function = read_formula(text, {**scalars, **shapes}, assumptions)
    point, given = point_values(points, others, function)
    polynomial = expand(function, point or None, order, given=given)
    report = TaylorReport(Screen(sys.stdout), function, polynomial)
    if latex:
        report.latex()
    else:
        report.heading()
        report.terms()
    if steps:
        report.steps()
    if x:
        report.values(assignments(x, "--x", "x=0.1"))
    if plot is not None:
        report.plot(plot)


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


@app.command()
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


@app.command()
def functions() -> None:
    """List the operators and functions of the formula language."""
    screen = Screen(sys.stdout)
    screen.line("Operators")
    screen.rows([Row(_spelled(word.name), word.doc) for word in OPERATORS.values()], "  ")
    screen.line()
    screen.line("Functions")
    also: dict[str, list[str]] = {}
    for alias, name in ALIASES.items():
        also.setdefault(name, []).append(alias)
    rows: list[Row] = []
    for name in function_names():
        word = lookup(name)
        if word is None or name in ALIASES:
            continue
        others = ", ".join(a for a in sorted(also.get(name, [])) if a not in word.doc)
        others = f" Also {others}." if others else ""
        rows.append(Row(word.name if word.bare else word.signature, word.doc + others))
    screen.rows(rows, "  ")


def _spelled(operator: str) -> str:
    return {"neg": "-x", "'": "x'", "+": "x + y, x - y"}.get(operator, f"x {operator} y")


def _names(wrt: Sequence[str] | None) -> list[str]:
    return [name.strip() for text in wrt or [] for name in text.split(",") if name.strip()]


def _notations(wanted: Sequence[Notation] | None) -> list[Notation]:
    if not wanted:
        return [Notation.MATRIX]
    if Notation.ALL in wanted:
        return [n for n in Notation if n is not Notation.ALL]
    return list(dict.fromkeys(wanted))


def _derivatives(
    function: Formula, names: list[str], order: int | None, mode: Mode
) -> list[Formula]:
    if order is not None and order < max(1, len(names)):
        least = max(1, len(names))
        raise WengertError(f"--order {order}: the order is at least {least} here")
    if names:
        return [function.derivative(*names, order=order, mode=mode)]
    chosen = [v.name for v in function.variables if Assumption.ORTHOGONAL not in v.assumptions]
    if not chosen:
        raise NameClashError("the formula has no variable to derive by")
    return [function.derivative(name, order=order, mode=mode) for name in chosen]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``wengert``.

    Exits with 0; with 1 if a check fails; with 2 for an input that is wrong.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of those of the process.
    """
    prepare(sys.stdout)
    prepare(sys.stderr)
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        app(args=[_protected(a) for a in given], prog_name="wengert")
    except (WengertError, ValueError) as error:
        _complain(error)
        sys.exit(2)
    except MemoryError:
        _complain(WengertError("there is not enough memory for these values"))
        sys.exit(2)


def _protected(argument: str) -> str:
    """A formula that begins with a minus sign is no option."""
    is_formula = argument[:1] == "-" and argument[1:2] not in ("", "-") and argument != "-h"
    return f" {argument}" if is_formula else argument


def _complain(error: Exception) -> None:
    screen = Screen(sys.stderr)
    message = str(error).replace("shapes={...}", "--shape NAME=SIZES")
    if isinstance(error, FormulaError) and not screen.unicode:
        reason, *place = message.split("\n")
        shown = [line.encode("ascii", "replace").decode() for line in place]
        message = "\n".join([to_ascii(reason), *shown])
    screen.line(f"error: {message}", "red")
