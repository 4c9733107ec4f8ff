"""The command ``taylor``: Taylor polynomials of formulas."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from wengert.cli.options import Assume, FormulaText, PlotFile, Shapes, Steps, Values
from wengert.cli.screen import Screen
from wengert.cli.taylor_report import TaylorReport, is_scalar, point_values
from wengert.cli.values import assignments
from wengert.formulas import formula as read_formula
from wengert.taylor import taylor as expand

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
