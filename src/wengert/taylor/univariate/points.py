"""Points, and expansions of expressions around them, with what is wrong said in full."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.errors import DomainError, NameClashError
from wengert.expr import Expr
from wengert.formula import variable_names
from wengert.formulas import formula
from wengert.taylor.univariate.expand import Expansion
from wengert.taylor.univariate.lazy import (
    Checked,
    Lazy,
    without_pole,
)
from wengert.taylor.univariate.numbers import (
    Exact,
    Number,
    number_of,
)

_ONE = Fraction(1)


def point_of(at: Any, what: str = "the point") -> Number:
    """A number as an exact one, or a float.

    Raises
    ------
    DomainError
        If it is not finite.
    TypeError
        If it is no number.
    """
    if isinstance(at, str):
        names = variable_names(at)
        if names:
            raise NameClashError(f"{what} is a number; {at!r} has the variable {names[0]}")
        number = number_of(formula(at).expr)
        if isinstance(number, Exact):
            float(number)
        return number
    if hasattr(at, "item") and np.ndim(at) == 0:
        at = at.item()
    if isinstance(at, bool) or not isinstance(at, int | float | Fraction):
        raise TypeError(f"{what} is one number or its text; got {at!r}")
    if isinstance(at, float):
        if not math.isfinite(at):
            raise DomainError(f"{what} must be finite; got {at}")
        return Fraction(int(at)) if at.is_integer() and abs(at) < 2**53 else at
    return Fraction(at)


def expanded(expr: Expr, leaf: Expr, point: Number, floats: Mapping[Expr, Any] | None) -> Lazy:
    """The series of an expression; of floats, checked for rounding errors.

    Raises
    ------
    DomainError
        If the expression is not analytic at the point.
    """
    one: Number = 1.0 if isinstance(point, float) else _ONE
    try:
        found = regular(Expansion(leaf, Lazy(0, [point, one]), floats).series(expr))
        if floats is None:
            return found
        other = Expansion(leaf, Lazy(0, [point, one]), floats, shaken=True)
        return Checked(found, regular(other.series(expr)))
    except DomainError as error:
        raise DomainError(
            f"no power series at {leaf.params[0]} = {shown(point)}: {error}"
        ) from error


def regular(series: Lazy) -> Lazy:
    """The series, which must have no terms with negative exponents."""
    found = without_pole(series)
    if found is None:
        order = next(-k for k in range(series.start, 0) if series[k] != 0)
        raise DomainError(f"the function has a pole of order {order} there")
    _ = found[1]
    return found


def shown(point: Number) -> str:
    """A point in messages."""
    return f"{point:g}" if isinstance(point, float) else str(point)
