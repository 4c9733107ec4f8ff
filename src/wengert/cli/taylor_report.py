"""What ``wengert taylor`` prints: the polynomial, its terms, values, and a figure to a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wengert.cli.screen import Screen
from wengert.cli.values import MADE, read_values
from wengert.errors import NameClashError, WengertError
from wengert.explanation import Writer, function_row
from wengert.formulas import Formula, formula
from wengert.printing.names import superscript, unicode_name
from wengert.taylor import SymbolicPolynomial, TaylorPolynomial

Polynomial = TaylorPolynomial | SymbolicPolynomial


def point_values(
    texts: Mapping[str, str], others: Mapping[str, str], function: Formula
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The point and the other values: arrays where all are arrays, else texts as they are.

    Files, lists and ``zeros`` are read together, since sizes follow from one another.
    """
    specs = {**others, **texts}
    arrays = [name for name, text in specs.items() if _is_array(text)]
    if not arrays:
        return dict(texts), dict(others)
    given = read_values(specs, function.variables)
    ranks = {v.name: len(v.shape) for v in function.variables}
    values = {n: a if ranks[n] else specs[n] for n, a in given.arrays.items()}
    return {n: values[n] for n in texts}, {n: values[n] for n in others}


def is_scalar(text: str) -> bool:
    """Is this a number, or an expression of numbers such as pi/4?"""
    try:
        read = formula(text)
    except WengertError:
        return False
    return not read.shape and not read.variables


def _is_array(text: str) -> bool:
    known = text in MADE or text[:1] in ("[", "(")
    return known or (Path(text.split(":", maxsplit=1)[0]).suffix != "" and not is_scalar(text))


class TaylorReport:
    """Writes about a Taylor polynomial.

    Parameters
    ----------
    screen : Screen
        Where to.
    function : Formula
        What is expanded.
    polynomial : TaylorPolynomial or SymbolicPolynomial
        Of it.
    """

    def __init__(self, screen: Screen, function: Formula, polynomial: Polynomial) -> None:
        self.screen = screen
        self.function = function
        self.polynomial = polynomial

    def heading(self) -> None:
        """The function, and the polynomial."""
        self.screen.rows([function_row(self.function, Writer())])
        self.screen.line(f"{self._name} = {self.polynomial}")

    def latex(self) -> None:
        """The polynomial in LaTeX and nothing else."""
        self.screen.line(self.polynomial.latex())

    def terms(self) -> None:
        """The terms by degree."""
        self.screen.line()
        for k in range(self.polynomial.order + 1):
            mark = superscript(k)
            over = f"/{k}!" if k > 1 else ""
            self.screen.line(f"D{mark}f δ{mark}{over} = {self.polynomial.term(k)}")

    def steps(self) -> None:
        """The terms with the derivatives that they are made of."""
        self.screen.line()
        self.screen.line(self.polynomial.explain())

    def values(self, specs: Mapping[str, str]) -> None:
        """The polynomial at a point, the function there, and the error."""
        T = self.polynomial
        if isinstance(T, SymbolicPolynomial):
            raise WengertError("--x evaluates at numbers: give --at numbers instead of names")
        missing = sorted(set(T.point) - set(specs))
        if missing:
            raise NameClashError(f"no value for {', '.join(missing)}; add --x {missing[0]}=...")
        variables = [v for v in self.function.variables if v.name in T.point]
        given = read_values(specs, variables)
        value = T(given.arrays)
        truth = T.function(given.arrays)
        at = ", ".join(f"{unicode_name(n)} = {t}" for n, t in specs.items())
        self.screen.line()
        self.screen.line(f"at {at}")
        error = np.abs(np.asarray(truth) - np.asarray(value))
        if np.ndim(value):
            self.screen.line(f"largest error of {self._name}: {float(error.max()):.3g}")
            return
        for label, number in ((self._name, value), ("f", truth)):
            self.screen.line(f"{label} = {float(number):.10g}")
        self.screen.line(f"error = {float(error):.3g}")

    def plot(self, path: str) -> None:
        """A figure to a file."""
        if isinstance(self.polynomial, SymbolicPolynomial):
            raise WengertError("--plot draws numbers: give --at numbers instead of names")
        try:
            self.polynomial.plot(path)
        except ImportError:
            raise WengertError('figures need matplotlib: pip install "wengert[plot]"') from None
        except (OSError, ValueError) as error:
            raise WengertError(f"--plot {path}: {error}") from None
        self.screen.line()
        self.screen.line(f"figure written to {path}")

    @property
    def _name(self) -> str:
        return unicode_name(f"T{self.polynomial.order}")
