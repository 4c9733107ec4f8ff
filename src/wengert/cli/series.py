"""The command ``series``: power series in one variable."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from wengert.cli.screen import Screen
from wengert.cli.values import assignments
from wengert.errors import WengertError
from wengert.taylor import Series
from wengert.taylor import series as expand

Text = Annotated[
    str, typer.Argument(metavar="FORMULA", help='As in "sin(x)/x".', show_default=False)
]
Variable = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The variable; not needed if there is one.", show_default=False
    ),
]
At = Annotated[
    str,
    typer.Option(
        metavar="POINT", help="Where it is expanded: 1/3, 0.3 and pi/4 are exact numbers."
    ),
]
Terms = Annotated[int, typer.Option(min=1, help="How many terms are written.")]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "--value",
        metavar="NAME=NUMBER",
        help="A number for another variable; those without one stay symbols.",
        show_default=False,
    ),
]
Latex = Annotated[bool, typer.Option("--latex", help="In LaTeX, with nothing around it.")]
Plot = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Draw it with its partial sums.", show_default=False),
]


def series(
    text: Text,
    wrt: Variable = None,
    at: At = "0",
    terms: Terms = 4,
    value: Given = None,
    latex: Latex = False,
    plot: Plot = None,
) -> None:
    """Expand a formula of one variable in a power series: all terms, and where it converges."""
    given = assignments(value or [], "--value", "a=1/2")
    found = expand(text, wrt, at, given)
    screen = Screen(sys.stdout)
    if latex:
        screen.line(found.latex(terms))
    else:
        _report(screen, text, found, terms)
    if plot is not None:
        _draw(found, plot)


def _report(screen: Screen, text: str, found: Series, terms: int) -> None:
    screen.line(f"{text.strip()} = {found.text(terms)}")
    if found.general_term is not None:
        screen.line(f"general term: {found.general_term.why}")
    screen.line(f"radius of convergence: {found.radius}")


def _draw(found: Series, path: str) -> None:
    try:
        found.plot(path)
    except ModuleNotFoundError as error:
        raise WengertError("--plot needs matplotlib: pip install 'wengert[plot]'") from error
