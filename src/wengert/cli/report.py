"""What ``wengert derive`` prints: the derivatives, their notations, steps, values and checks."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from textwrap import indent
from typing import Any

import numpy as np

from wengert.cli.screen import Screen
from wengert.cli.values import Given
from wengert.errors import ShapeError, WengertError
from wengert.explanation import (
    Row,
    Writer,
    derivative_row,
    derived_by,
    function_name,
    function_row,
)
from wengert.formulas import Formula
from wengert.shapes import concrete, format_shape, format_space, substitute

TOLERANCE = 1e-6
_MOST_ENTRIES = 100_000_000
_LONGEST_LINE = 96


class Notation(StrEnum):
    """A way to write a derivative."""

    ALL = "all"
    MATRIX = "matrix"
    INDEX = "index"
    LATEX = "latex"
    CODE = "code"
    TEXT = "text"


class Report:
    """Writes about a formula and some of its derivatives.

    Parameters
    ----------
    screen : Screen
        Where to.
    formula : Formula
        The function.
    derivatives : sequence of Formula
        Of it.
    """

    def __init__(self, screen: Screen, formula: Formula, derivatives: Sequence[Formula]) -> None:
        self.screen = screen
        self.formula = formula
        self.derivatives = derivatives
        self.writer = Writer()

    def label(self, derivative: Formula) -> str:
        """``∂f/∂w``."""
        return self.writer.partial(function_name(derivative), derived_by(derivative))

    def heading(self) -> None:
        """The function with its variables, and each derivative with its space."""
        rows = [function_row(self.formula, self.writer)]
        rows += [derivative_row(d, self.writer) for d in self.derivatives]
        self.screen.rows(rows)

    def raw(self, notation: Notation) -> None:
        """One derivative in one notation and nothing else."""
        self.screen.line(self._written(self.derivatives[0], notation).rstrip("\n"))

    def notations(self, wanted: Sequence[Notation]) -> None:
        """Every derivative in several notations, with their names."""
        for derivative in self.derivatives:
            self.screen.line()
            if len(self.derivatives) > 1:
                self.screen.line(self.label(derivative))
            for notation in wanted:
                try:
                    text = self._written(derivative, notation).rstrip("\n")
                except WengertError as error:
                    text = f"({error})"
                if notation is Notation.CODE:
                    self.screen.line(notation)
                    self.screen.line(indent(text, "    "))
                else:
                    self.screen.line(f"{notation:<8}{text}")

    def _written(self, derivative: Formula, notation: Notation) -> str:
        match notation:
            case Notation.INDEX:
                return derivative.index()
            case Notation.LATEX:
                return derivative.latex()
            case Notation.CODE:
                return derivative.code()
            case Notation.TEXT:
                return derivative.to_text()
            case _:
                return str(derivative)

    def steps(self) -> None:
        """The steps that lead to each derivative."""
        for derivative in self.derivatives:
            heading, _, text = derivative.explain().partition("\n\n")
            _, _, previous = heading.partition("\n")
            for part in (previous, text):
                if part:
                    self.screen.line()
                    self.screen.line(part)

    # ------------------------------------------------------------ values

    def values(self, given: Given, *, check: bool) -> bool:
        """The values of function and derivatives, and whether all checks passed."""
        items = [self.formula, *self.derivatives]
        with np.errstate(all="ignore"):
            for item in items:
                self._afford(item, given)
            values = [np.asarray(item(**given.arrays)) for item in items]
            errors = [d.check(**given.arrays) for d in self.derivatives] if check else []
        self.screen.line()
        self.screen.line(f"at {given.describe()}")
        for item, value in zip(items, values, strict=True):
            self._value(item, value)
        passed = [self._judge(d, e) for d, e in zip(self.derivatives, errors, strict=False)]
        return all(passed)

    def _afford(self, formula: Formula, given: Given) -> None:
        """Refuse a value that does not fit into memory."""
        sizes: dict[str, int] = {}
        for variable in self.formula.variables:
            for size, actual in zip(variable.shape, given.arrays[variable.name].shape, strict=True):
                sizes.setdefault(str(size), int(actual))
        shape = substitute(formula.shape, sizes)
        if all(isinstance(size, int) for size in shape):
            entries = int(np.prod([float(s) for s in concrete(shape)]))
            if entries > _MOST_ENTRIES:
                what = self.label(formula) if formula.source else "the value"
                raise ShapeError(
                    f"{what} has {entries} entries ({format_shape(shape)}), too many to compute "
                    "here; pass smaller values, or derive by fewer or smaller variables"
                )

    def _value(self, formula: Formula, value: Any) -> None:
        label = self.label(formula)
        if not value.ndim:
            self.screen.line(f"{label} = {float(value):.10g}")
            return
        shape = (1, *value.shape) if formula.orientation == "row" else value.shape
        text = _array_text(value)
        space = f"∈ {format_space(shape)}"
        if "\n" in text:
            self.screen.line(f"{label} {space}")
            self.screen.line(indent(text, "    "))
        else:
            self.screen.rows([Row(f"{label} = {text}", space)])

    def _judge(self, derivative: Formula, error: float) -> bool:
        """Write whether a derivative agrees with differences."""
        label = self.label(derivative)
        if np.isnan(error):
            self.screen.line(
                f"FAIL {label}: the value or its differences are not finite here; "
                "choose values at which the formula is smooth",
                "bold red",
            )
            return False
        passed = error <= TOLERANCE
        judgement = f"{error:.1g} against extrapolated differences"
        if passed:
            self.screen.line(f"PASS {label}: largest relative error {judgement}", "green")
        else:
            self.screen.line(
                f"FAIL {label}: largest relative error {judgement} (more than {TOLERANCE:g}); "
                "at a kink or a pole of the formula differences are of no use",
                "bold red",
            )
        return passed


def _array_text(value: Any) -> str:
    """An array in a few lines: all of a small one, the corners of a large one."""
    text = np.array2string(
        value + 0.0, precision=6, threshold=36, edgeitems=3, max_line_width=_LONGEST_LINE
    )
    return "\n".join(line.rstrip() for line in text.split("\n"))
