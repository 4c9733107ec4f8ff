"""The commands: derive, explain and functions, and those that have files of their own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from wengert import __version__
from wengert.assumptions import Assumption
from wengert.cli.converge import converge
from wengert.cli.expect import expect
from wengert.cli.options import Assume, FormulaText, Shapes, Steps, Values
from wengert.cli.report import Notation, Report
from wengert.cli.screen import Screen, prepare, to_ascii
from wengert.cli.series import series
from wengert.cli.taylor import taylor
from wengert.cli.values import assignments, read_values
from wengert.errors import FormulaError, NameClashError, WengertError
from wengert.explanation import Row
from wengert.formula import function_names, lookup
from wengert.formula.operators import OPERATORS
from wengert.formula.vocabulary import ALIASES
from wengert.formulas import Formula
from wengert.formulas import formula as read_formula

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
Notations = Annotated[
    list[Notation] | None,
    typer.Option(
        help="Further notations, repeated. One alone is printed with nothing around it.",
        show_default=False,
    ),
]
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


app.command()(taylor)
app.command()(series)
app.command()(expect)
app.command()(converge)


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
