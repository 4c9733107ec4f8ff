"""The points about which formulas are expanded: numbers, exact ones, names, or a mix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

import numpy as np

from wengert.errors import NameClashError, ShapeError, WengertError
from wengert.expr import Expr
from wengert.formula import variable_names
from wengert.formulas import Formula, formula
from wengert.operations.build import constant
from wengert.taylor.subject import Source, as_formula, only_variable, refuse_doubled
from wengert.tracing import TracedArray

Number = int | float | Fraction

_WHOLE = 1e15  # below it, floats hold all integers


@dataclass(frozen=True, eq=False)
class Point:
    """A formula with the point that it is expanded about, as they were written.

    Attributes
    ----------
    formula : Formula
        What is expanded.
    values : mapping of str to value
        Numbers and arrays, by variable; of exact expressions their nearest floats.
    given : mapping of str to value
        Of the formula's other variables, likewise.
    places : mapping of str to (str or Expr)
        Exact numbers and expressions as expressions, and the names of the points without a value.
    held : mapping of str to Expr
        Exact numbers among the given values.
    centres : mapping of str to (Fraction or Expr)
        Exact points as they are written in x − x₀.
    floats : tuple of str
        The variables, given ones included, whose values are not exact.
    is_symbolic : bool
        Does the point have names in it?
    """

    formula: Formula
    values: Mapping[str, Any]
    given: Mapping[str, Any]
    places: Mapping[str, str | Expr]
    held: Mapping[str, Expr]
    centres: Mapping[str, Fraction | Expr]
    floats: tuple[str, ...]
    is_symbolic: bool


@dataclass(frozen=True, eq=False)
class _Place:
    """One value: an exact expression, a name, or an array."""

    value: Any = None
    expr: Expr | None = None
    centre: Fraction | Expr | None = None
    name: str | None = None


def read_point(f: Source, x0: Any, given: Mapping[str, Any]) -> Point | None:
    """The point of a formula; None for a Python function.

    Raises
    ------
    WengertError
        For a point that is left out although it is needed, or a text that is no point.
    """
    if not isinstance(f, str | Formula):
        if x0 is None:
            raise WengertError("a function is expanded about a point: pass x0")
        return None
    names = variable_names(f) if isinstance(f, str) else [v.name for v in f.variables]
    point: Mapping[str, Any] = {name: name for name in names if name not in given}
    if isinstance(x0, Mapping):
        point = cast(Mapping[str, Any], x0)
    elif x0 is not None:
        point = {only_variable(f, dict(given)): x0}
    refuse_doubled(point, given)
    places = {name: _place(value) for name, value in point.items()}
    others = {name: _place(value) for name, value in given.items()}
    for name, place in others.items():
        if place.value is None:
            raise WengertError(
                f"the value of {name} in given must be a number or an array, not {given[name]!r}; "
                "without a value it stays a variable"
            )
    every = [*places.items(), *others.items()]
    if not places:
        raise NameClashError("the formula has no variable to expand it in")
    floats = tuple(x for x, p in every if p.expr is None and p.name is None)
    missing = [name for name in names if name not in places and name not in others]
    if missing and floats:
        raise NameClashError(
            f"no value is given for {missing[0]}: pass given={{{missing[0]!r}: ...}}"
        )
    shapes = {x: _known_shape(p, x) for x, p in every}
    read = as_formula(f, {x: np.zeros(s) for x, s in shapes.items() if s is not None})
    assert read is not None
    ranks = {v.name: len(v.shape) for v in read.variables}
    for x, place in places.items():
        if place.expr is not None and ranks.get(x, 0):
            raise ShapeError(
                f"the point of {x} is a number, and {x} has rank {ranks[x]}: declare it a scalar, "
                "or give an array or a name"
            )
    return Point(
        read,
        {x: p.value for x, p in places.items()},
        {x: p.value for x, p in others.items()},
        {x: p.expr or p.name or x for x, p in places.items()},
        {x: p.expr for x, p in others.items() if p.expr is not None},
        {x: p.centre for x, p in every if p.centre is not None},
        floats,
        any(p.name is not None or p.value is None for p in places.values()) or bool(missing),
    )


def _known_shape(place: _Place, x: str) -> tuple[int, ...] | None:
    """The shape that a place gives to its variable; None where the letter decides."""
    if place.name == x:
        return None
    if place.name is not None:
        rank = len(formula(place.name).shape)
        return () if rank == 0 else None
    return () if place.value is None else np.shape(place.value)


def _place(value: Any) -> _Place:
    if isinstance(value, str):
        return _from_text(value)
    if value is None:
        raise WengertError("a point must have a value or a name for every variable; got None")
    exact = _exact(value)
    if exact is None:
        return _Place(value if isinstance(value, TracedArray) else np.asarray(value))
    narrow = isinstance(value, np.floating)
    return _Place(value if narrow else float(exact), constant(exact), exact)


def _exact(value: Any) -> Fraction | None:
    """The rational number that was meant: of floats, the whole ones only."""
    if isinstance(value, int | Fraction | Decimal):
        return Fraction(value)
    if isinstance(value, float | np.floating | np.integer):
        number = float(value)  # pyright: ignore[reportUnknownArgumentType]
        return whole_number(number)
    return None


def whole_number(number: float) -> Fraction | None:
    """A float that was meant as an integer: one of at most 15 digits, as 1e24 is a rounded one."""
    return Fraction(int(number)) if abs(number) < _WHOLE and number.is_integer() else None


def _exact_place(text: str, exact: Fraction) -> _Place:
    try:
        return _Place(float(exact), constant(exact), exact)
    except OverflowError:
        raise WengertError(f"{text!r} is too large a number") from None


def _from_text(text: str) -> _Place:
    """A number, an expression of numbers, a name, or an expression of scalars."""
    try:
        exact = Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        pass
    else:
        return _exact_place(text, exact)
    if text.strip().lower().lstrip("+-") in ("nan", "inf", "infinity"):
        raise WengertError(f"{text!r} is no point: a series is about a finite number")
    if text.strip().isidentifier() and variable_names(text):
        return _Place(name=text.strip())
    read = formula(text)
    if read.shape:
        raise WengertError(
            f"{text!r} is no point: write a number, a name, or an expression of scalars"
        )
    return _Place(None if read.variables else float(read()), read.expr, read.expr)
