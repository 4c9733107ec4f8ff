"""The error function and the normal distribution's.

Near 0 a polynomial; from 3/4 on erfc(x) is exp(−x²) times a slowly varying function, a polynomial
in (x − 4)/(x + 4) over 1 + 2x. The square is taken with twice the digits. Source: Shepherd and
Laframboise, Chebyshev approximation of (1 + 2x) exp(x²) erfc(x), 1981.
"""

from __future__ import annotations

from fractions import Fraction

from wengert.backends.native.builder import Value
from wengert.backends.native.mathematics.coefficients import ERF, ERFC
from wengert.backends.native.mathematics.constants import SQRT_HALF, rounded
from wengert.backends.native.mathematics.exponentials import exp_of_sum
from wengert.backends.native.mathematics.formats import (
    Pair,
    at_least,
    at_most,
    fast_two_sum,
    magnitude,
    polynomial,
    quotient,
    two_product,
    with_sign_of,
)

_CENTRE = 0.75
_DENSITY = Fraction("0.398942280401432677939946059934381868475858631164934657666")  # 1/√(2π)


def _scaled(x: Value) -> Value:
    """exp(x²) erfc(x), for x from 3/4 to 28."""
    one = x.builder.constant(1.0, x.type)
    above = fast_two_sum(one, polynomial(ERFC, (x - 4.0) / (x + 4.0)))
    return quotient(above, fast_two_sum(x + x, one))


def _tail(x: Value, square: Pair) -> Value:
    """erfc(x) from 3/4 on, given the square of x."""
    inside = at_least(at_most(x, 27.9), _CENTRE)
    return exp_of_sum(-square[0], -square[1]) * _scaled(inside)


def _square(x: Value) -> Pair:
    return two_product(at_most(x, 28.0), at_most(x, 28.0))


def erf(x: Value) -> Value:
    """erf(x)."""
    b = x.builder
    size = magnitude(x)
    inside = at_most(size, _CENTRE)
    near = b.fma(inside, polynomial(ERF, inside * inside), inside)
    far = 1.0 - _tail(size, _square(size))
    return with_sign_of(b.select(size > _CENTRE, far, near), x)


def erfc(x: Value) -> Value:
    """1 − erf(x)."""
    return _complement(x, _square(magnitude(x)))


def _complement(x: Value, square: Pair) -> Value:
    """erfc(x), given the square of x."""
    b = x.builder
    size = magnitude(x)
    inside = at_most(size, _CENTRE)
    signed = with_sign_of(inside, x)
    small = signed * polynomial(ERF, inside * inside)
    high, error = fast_two_sum(b.constant(1.0, x.type), -signed)
    near = high + (error - small)
    tail = _tail(size, square)
    return b.select(size > _CENTRE, b.select(x < 0.0, 2.0 - tail, tail), near)


def normcdf(x: Value) -> Value:
    """The normal distribution function, erfc(−x/√2)/2."""
    size = at_most(magnitude(x), 39.0)
    first, second = two_product(size, 0.5 * size)
    turned = -float(SQRT_HALF) * x
    return 0.5 * _complement(turned, (first, second))


def gelu(x: Value) -> Value:
    """x times the normal distribution function."""
    return x * normcdf(x)


def normpdf(x: Value) -> Value:
    """exp(−x²/2)/√(2π)."""
    size = at_most(magnitude(x), 39.0)
    first, second = two_product(size, 0.5 * size)
    above, below = rounded(_DENSITY, x.type.kind)
    height = exp_of_sum(-first, -second)
    return x.builder.fma(height, above, height * below)
