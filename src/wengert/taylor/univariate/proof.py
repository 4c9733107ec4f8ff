"""Proof of a recurrence: the function satisfies the differential equation that it stands for.

With θ = t d/dt, a recurrence Σⱼ pⱼ(n) aₙ₊ₘⱼ = 0 from n = s on says that a sum of the
t^(m(r−j)) pⱼ(θ − mj) f is a polynomial, which is known. The library derives f, and the difference
is multiplied out; if nothing is left, then the equation, and with it the recurrence, holds for
every n.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from wengert.derive import derivative
from wengert.errors import WengertError
from wengert.expr import Expr
from wengert.operations import add, mul, power
from wengert.operations.structure import (
    constant_like,
    exponent_of,
    is_contraction,
    is_power,
    is_sum,
)
from wengert.taylor.univariate.numbers import UNIT, Exact, Number, expr_of, number_of, terms_of
from wengert.taylor.univariate.sequences import Polynomial, evaluate, translated

_TERMS = 400  # longer expressions are not multiplied out
_ROUNDS = 6
_TESTED = 100_000


def satisfies(
    function: Expr,
    leaf: Expr,
    moved: Expr,
    polynomials: Sequence[Polynomial],
    step: int,
    first: int,
    coefficient: Callable[[int], Number],
    growth: Expr = UNIT,
) -> bool:
    """Does the function satisfy the differential equation of a recurrence, provably?

    Parameters
    ----------
    function, leaf, moved : Expr
        f, its variable x, and t = x − x₀.
    polynomials : sequence of Polynomial
        The pⱼ, as functions of the exponent n.
    step, first : int
        m and s.
    coefficient : callable
        n to aₙ.
    growth : Expr
        A constant g: the recurrence is that of aₙ₊ₘₖ/gᵏ.
    """
    order = len(polynomials) - 1
    if not _determined(polynomials[-1], first):
        return False
    degree = max(len(p) for p in polynomials) - 1
    try:
        euler = [function]
        for _ in range(degree):
            euler.append(mul(moved, derivative(euler[-1], [leaf])))
        terms: list[Expr] = []
        for j, p in enumerate(polynomials):
            lifted = mul(power(moved, step * (order - j)), power(growth, order - j))
            for e, c in zip(euler, translated(p, -step * j), strict=False):
                terms.append(mul(lifted, constant_like(c, ()), e))
            for i in range(first + step * j):
                value = coefficient(i)
                assert not isinstance(value, float)
                known = value * -evaluate(p, i - step * j)
                assert not isinstance(known, float)
                terms.append(mul(lifted, expr_of(known), power(moved, i)))
        gap = add(terms)
        return vanishes(gap) or _is_constant(gap, leaf, moved)
    except (WengertError, RecursionError):
        return False


def is_power_of(
    function: Expr, leaf: Expr, moved: Expr, step: int, first: int, ratio: Number, top: Number
) -> bool:
    """Is the function c tˢ (1 + ratio·tᵐ) ** top, provably: t f' (1 + u) = f (s (1 + u) + m top u).

    Here u = ratio·tᵐ; the constant c, the first coefficient, is known.
    """
    if isinstance(ratio, float) or isinstance(top, float):
        return False
    try:
        u = mul(expr_of(ratio), power(moved, step))
        one = add([constant_like(1, ()), u])
        left = mul(moved, derivative(function, [leaf]), one)
        right = add([one, mul(expr_of(top), u)], [first, step])
        return vanishes(add([left, mul(function, right)], [1, -1]))
    except (WengertError, RecursionError):
        return False


def _is_constant(gap: Expr, leaf: Expr, moved: Expr) -> bool:
    """Is the derivative zero, after division by a power of t? The terms that are known are zero."""
    return any(vanishes(derivative(mul(power(moved, -j), gap), [leaf])) for j in range(4))


def _determined(top: Polynomial, first: int) -> bool:
    """Is the leading coefficient zero at no whole number from the first exponent on?"""
    bound = 1 + max((abs(c / top[-1]) for c in top[:-1]), default=Fraction(0))
    return bound < _TESTED and all(evaluate(top, n) for n in range(first, int(bound) + 1))


def vanishes(expr: Expr) -> bool:
    """Is the expression identically zero? Only yes is certain.

    It is multiplied out; sums below a fraction line are multiplied with, until none is left.
    """
    number = number_of(expr)
    for _ in range(_ROUNDS):
        if not isinstance(number, Exact) or len(number.terms) > _TERMS:
            break
        lowest: dict[Expr, Fraction] = {}
        for m in terms_of(number):
            for base, exponent in _sums_in(m):
                lowest[base] = min(lowest.get(base, Fraction(0)), exponent)
        lowest = {b: e for b, e in lowest.items() if e < 0}
        if not lowest:
            break
        lift = [power(base, -exponent) for base, exponent in lowest.items()]
        total: Number = Fraction(0)
        for m, q in terms_of(number).items():
            total = total + number_of(mul(m, *lift)) * q
        number = total
    return number == 0


def _sums_in(monomial: Expr) -> list[tuple[Expr, Fraction]]:
    """The sums among a product's factors, with their exponents."""
    factors = monomial.operands if is_contraction(monomial) else (monomial,)
    return [
        (f.operands[0], exponent_of(f)) for f in factors if is_power(f) and is_sum(f.operands[0])
    ]
