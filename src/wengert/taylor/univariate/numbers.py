"""Exact coefficients: rational numbers, and rational combinations of constants such as e and √2.

A number is a ``Fraction``, an :class:`Exact` or a ``float``; sums and products of different kinds
are of the less exact one. A constant is an expression without the variable of the series, so that
the constructors of expressions simplify: e·e is exp(2), √2·√2 is 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

import numpy as np

from wengert.backends import program_of
from wengert.errors import DomainError
from wengert.expr import Expr, topological
from wengert.operations import add, mul, power
from wengert.operations.structure import (
    coefficients_of,
    constant_like,
    constant_value,
    exponent_of,
    is_contraction,
    is_power,
    is_sum,
    is_variable,
    rational_power,
    strip_coefficient,
)
from wengert.printing import matrix_notation

_CACHED = 4096  # products of constants that are kept
_MULTIPLIED_OUT = 8  # the highest power of a sum that is
UNIT = constant_like(1, ())


class Exact:
    """A rational combination of constants, Σ q · m; never a rational number alone.

    Attributes
    ----------
    terms : dict of Expr to Fraction
        q by m; the m are scalar expressions without a rational factor, the number one among them.
    """

    __slots__ = ("terms",)

    def __init__(self, terms: dict[Expr, Fraction]) -> None:
        self.terms = terms

    @property
    def expr(self) -> Expr:
        """The number as an expression."""
        return add(list(self.terms), list(self.terms.values()))

    def __add__(self, other: Number) -> Number:
        if isinstance(other, float):
            return float(self) + other
        total = dict(self.terms)
        for m, q in terms_of(other).items():
            total[m] = total.get(m, Fraction(0)) + q
        return _number(total)

    def __mul__(self, other: Number) -> Number:
        if isinstance(other, float):
            return float(self) * other
        if isinstance(other, Fraction | int):
            return _number({m: q * other for m, q in self.terms.items()})
        total: dict[Expr, Fraction] = {}
        for m, q in self.terms.items():
            for n, r in other.terms.items():
                for key, factor in _product(m, n).items():
                    total[key] = total.get(key, Fraction(0)) + q * r * factor
        return _number(total)

    def __neg__(self) -> Number:
        return self * Fraction(-1)

    def __sub__(self, other: Number) -> Number:
        return self + (-other)

    def __rsub__(self, other: Number) -> Number:
        return (-self) + other

    def __truediv__(self, other: Number) -> Number:
        if isinstance(other, float):
            return float(self) / other
        return self * raised(other, Fraction(-1))

    def __rtruediv__(self, other: Number) -> Number:
        return raised(self, Fraction(-1)) * other

    __radd__ = __add__
    __rmul__ = __mul__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Exact) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __float__(self) -> float:
        return math.fsum(float(q) * value_of(m) for m, q in self.terms.items())

    def __str__(self) -> str:
        return matrix_notation(self.expr) or repr(self.expr)

    __repr__ = __str__


Number = Fraction | Exact | float


def _number(terms: dict[Expr, Fraction]) -> Number:
    left = {m: q for m, q in terms.items() if q}
    if not left:
        return Fraction(0)
    if len(left) == 1 and UNIT in left:
        return left[UNIT]
    return Exact(left)


def terms_of(number: Fraction | Exact | int) -> Mapping[Expr, Fraction]:
    """The rational coefficients of a number by constant."""
    if isinstance(number, Exact):
        return number.terms
    return {UNIT: Fraction(number)} if number else {}


def expr_of(number: Fraction | Exact | int) -> Expr:
    """A number as an expression."""
    return number.expr if isinstance(number, Exact) else constant_like(number, ())


def number_of(expr: Expr) -> Number:
    """A constant expression as a number, products of sums multiplied out."""
    value = constant_value(expr)
    if value is not None:
        return value
    if is_sum(expr):
        total: Number = Fraction(0)
        for q, term in zip(coefficients_of(expr), expr.operands, strict=True):
            total = total + number_of(term) * q
        return total
    factor, rest = strip_coefficient(expr)
    if is_contraction(rest) and any(_is_composite(o) for o in rest.operands):
        product: Number = factor
        for operand in rest.operands:
            product = product * number_of(operand)
        return product
    if is_power(rest) and exponent_of(rest) < 0 and constant_value(rest.operands[0]) == 0:
        raise DomainError("division by zero")
    if _is_composite(rest) and is_power(rest):
        base = number_of(rest.operands[0])
        product = factor
        for _ in range(int(exponent_of(rest))):
            product = product * base
        return product
    return _number({rest: factor})


def _is_composite(expr: Expr) -> bool:
    if is_power(expr) and 1 < exponent_of(expr) <= _MULTIPLIED_OUT:
        return exponent_of(expr).denominator == 1 and is_sum(expr.operands[0])
    return is_sum(expr)


@lru_cache(maxsize=_CACHED)
def _product(one: Expr, other: Expr) -> Mapping[Expr, Fraction]:
    found = number_of(mul(one, other))
    assert not isinstance(found, float)
    return terms_of(found)


def raised(number: Number, exponent: Fraction) -> Number:
    """number ** exponent.

    Raises
    ------
    DomainError
        Where that is not a real number.
    """
    whole = exponent.denominator == 1
    if number == 0 and exponent < 0:
        raise DomainError("division by zero")
    if isinstance(number, float):
        return _raised_float(number, exponent)
    if isinstance(number, Fraction | int):
        number = Fraction(number)
        if whole:
            return number**exponent.numerator
        if number < 0:
            raise DomainError(f"{number} has no real power {exponent}")
        found = rational_power(number, exponent)
        return number_of(power(constant_like(number, ()), exponent)) if found is None else found
    if len(number.terms) == 1:
        ((m, q),) = number.terms.items()
        if whole or q > 0:
            return number_of(power(m, exponent)) * raised(q, exponent)
    return number_of(power(number.expr, exponent))


def _raised_float(number: float, exponent: Fraction) -> float:
    if exponent.denominator == 1:
        return float(number**exponent.numerator)
    if number < 0:
        raise DomainError(f"{number:g} has no real power {exponent}")
    return float(number ** float(exponent))


def symbols_in(number: Number) -> list[str]:
    """The names of the symbols that a number holds."""
    if not isinstance(number, Exact):
        return []
    order = topological(*number.terms)
    return sorted({str(node.params[0]) for node in order if is_variable(node)})


@lru_cache(maxsize=_CACHED)
def value_of(expr: Expr) -> float:
    """The floating-point value of a constant expression.

    Raises
    ------
    DomainError
        If it is no real number, or holds a symbol.
    """
    names = [str(node.params[0]) for node in topological(expr) if is_variable(node)]
    if names:
        raise DomainError(
            f"the value depends on {names[0]}, which is a symbol: give it a number with "
            "given={...}"
        )
    try:
        (value,) = program_of((expr,), np.dtype(np.float64))({})
    except ZeroDivisionError:
        value = np.nan
    if not np.isfinite(value):
        raise DomainError(f"{matrix_notation(expr)} is not a real number")
    return float(value)
