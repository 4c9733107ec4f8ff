"""Powers and roots.

x**y is exp(y log x), the logarithm and the product with some seventy digits. cbrt begins with a
polynomial for m^(−1/3) and Halley's iteration without division. Sources: Muller et al., Handbook of
Floating-Point Arithmetic, 2nd ed., section 11; IEEE 754, section 9.2.1, for the special cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from wengert.backends.native.builder import Value
from wengert.backends.native.mathematics.coefficients import CBRT, LOG_TAIL
from wengert.backends.native.mathematics.constants import LN2, rounded, shortened
from wengert.backends.native.mathematics.exponentials import exp, exp_of_sum
from wengert.backends.native.mathematics.formats import (
    Pair,
    at_least,
    at_most,
    fast_two_sum,
    format_of,
    lifted,
    magnitude,
    polynomial,
    power_of_two,
    round_shifted,
    split,
    two_product,
    with_sign_of,
)
from wengert.backends.native.mathematics.logarithms import log
from wengert.backends.native.types import F64


def _log(x: Value) -> Pair:
    """log(x) of positive finite float64 numbers, in two parts."""
    b = x.builder
    added, normal = lifted(x)
    e, m = split(normal)
    e = e + added
    f = m - 1.0
    one = b.constant(1.0, x.type)
    d, d_rest = m + one, m - ((m + one) - one)
    inverse = 1.0 / d
    s = f * inverse
    product, error = two_product(s, d)
    s_rest = (((f - product) - error) - s * d_rest) * inverse
    z, z_rest = two_product(s, s)
    z_rest = b.fma(s + s, s_rest, z_rest)
    third, third_rest = rounded(Fraction(1, 3), "f64")
    w, w_rest = two_product(z, third)
    w_rest = w_rest + b.fma(z, third_rest, z_rest * third)
    w, more = fast_two_sum(w, z * z * polynomial(LOG_TAIL, z))
    w_rest = w_rest + more
    double = s + s
    high, low = two_product(double, w)
    low = low + b.fma(double, w_rest, 2.0 * s_rest * w)
    high, more = fast_two_sum(double, high)
    low = low + more + 2.0 * s_rest
    first, second = shortened(LN2, "f64")
    total, error = fast_two_sum(e * first, high)
    rest = error + (low + e * second)
    return fast_two_sum(total, rest)


def _power_of_positive(x: Value, y: Value) -> Value:
    """x**y for positive finite float64 numbers x."""
    b = x.builder
    high, low = _log(x)
    y = _bounded(y)
    product, rest = two_product(high, y)
    rest = b.fma(y, low, rest)
    sane = magnitude(product) < 760.0
    return exp_of_sum(product, b.select(sane, rest, 0.0))


def power(x: Value, y: Value) -> Value:
    """x**y."""
    b, short = x.builder, x.type
    if short.kind == "f32":
        long = F64.of(x.type.lanes)
        x, y = b.cast("fpext", x, long), b.cast("fpext", y, long)
        return b.cast("fptrunc", _with_cases(x, y, _short_power_of_positive), short)
    return _with_cases(x, y, _power_of_positive)


def _short_power_of_positive(x: Value, y: Value) -> Value:
    """The same where float32's digits are enough."""
    return exp(_bounded(y) * log(x))


def _bounded(y: Value) -> Value:
    """An exponent that is never infinite: powers by it are 0, 1 or infinite already."""
    return at_least(at_most(y, 2.0**66), -(2.0**66))


def _with_cases(x: Value, y: Value, of_positive: Callable[[Value, Value], Value]) -> Value:
    """x**y for any numbers, given how it is found for positive ones."""
    b = x.builder
    size = magnitude(x)
    ordinary = (size > 0.0) & (size < math.inf)
    result = of_positive(b.select(ordinary, size, 1.0), y)
    limit = b.select((y > 0.0) ^ size.equals(math.inf), b.constant(0.0, x.type), math.inf)
    result = b.select(size.equals(0.0) | size.equals(math.inf), limit, result)
    whole = b.intrinsic("floor", y.type, y).equals(y)
    half = 0.5 * y
    odd = whole & b.intrinsic("floor", y.type, half).differs(half)
    result = b.select(odd, with_sign_of(result, x), result)
    result = b.select((x < 0.0) & (x > -math.inf) & ~whole, math.nan, result)
    result = b.select(x.is_nan() | y.is_nan(), x + y, result)
    return b.select(y.equals(0.0) | x.equals(1.0), 1.0, result)


def cbrt(x: Value) -> Value:
    """The real cube root."""
    b, f = x.builder, format_of(x.type)
    size = magnitude(x)
    added, normal = lifted(size)
    e, m = split(normal)
    e = e + added
    third, shifted = round_shifted(e, 1.0 / 3.0)
    left = e - 3.0 * third
    m = m * power_of_two(left + f.magic)
    t = polynomial(CBRT, m)
    for _ in range(2 if x.type.kind == "f64" else 1):
        h = b.fma(-(m * t), t * t, 1.0)
        t = t + t * h * b.fma(h, 2.0 / 9.0, 1.0 / 3.0)
    y = m * t * t
    square, error = two_product(y, y)
    product, product_error = two_product(y, square)
    lacking = ((m - product) - product_error) - y * error
    y = y + lacking * (t * t) * (1.0 / 3.0)
    result = with_sign_of(y * power_of_two(shifted), x)
    return b.select((size > 0.0) & (size < math.inf), result, x)


def hypot(x: Value, y: Value) -> Value:
    """√(x² + y²), which overflows only if the result does."""
    b, f = x.builder, format_of(x.type)
    left, right = magnitude(x), magnitude(y)
    larger = b.select(left > right, left, right)
    smaller = b.select(left > right, right, left)
    big = larger > 2.0 ** (f.bias // 2 - 1)
    small = larger < 2.0 ** -(f.bias // 2 - f.digits)
    power_ = f.bias // 2 + f.digits // 2 + 12
    one = b.constant(1.0, x.type)
    up = b.select(big, b.constant(2.0**-power_, x.type), b.select(small, 2.0**power_, one))
    down = b.select(big, b.constant(2.0**power_, x.type), b.select(small, 2.0**-power_, one))
    u, v = larger * up, smaller * up
    u2, u2_rest = two_product(u, u)
    v2, v2_rest = two_product(v, v)
    total, error = fast_two_sum(u2, v2)
    rest = error + (u2_rest + v2_rest)
    root = b.intrinsic("sqrt", x.type, total)
    product, product_error = two_product(root, root)
    lacking = ((total - product) - product_error) + rest
    corrected = root + lacking / (root + root)
    result = b.select(total > 0.0, corrected, total) * down
    result = b.select(left.is_nan() | right.is_nan(), x + y, result)
    infinite = left.equals(math.inf) | right.equals(math.inf)
    return b.select(infinite, math.inf, result)
