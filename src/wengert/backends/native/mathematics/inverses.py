"""arcsin, arccos, arctan, arctan2, and the inverse hyperbolic functions.

arcsin x for |x| > 1/2 is π/2 − 2 arcsin √((1 − |x|)/2); arctan of a quotient is reduced by
arctan t − π/4 = arctan((t − 1)/(t + 1)), with one division for both. Source: Muller, Elementary
Functions, 3rd ed., chapter 11.
"""

from __future__ import annotations

import math

from wengert.backends.native.builder import Value
from wengert.backends.native.mathematics.coefficients import ARCSIN, ARCTAN
from wengert.backends.native.mathematics.constants import LN2, PI, rounded
from wengert.backends.native.mathematics.formats import (
    Pair,
    at_most,
    fast_two_sum,
    format_of,
    magnitude,
    polynomial,
    two_product,
    two_sum,
    with_sign_of,
)
from wengert.backends.native.mathematics.logarithms import log, log1p
from wengert.backends.native.mathematics.simple import sqrt


def _half_angle(size: Value) -> tuple[Value, Pair, Value]:
    """Of |x|: whether it is above 1/2, t in two parts, and arcsin(t) − t.

    t is |x|, or √((1 − |x|)/2) where |x| is above 1/2.
    """
    b = size.builder
    large = size > 0.5
    square = b.select(large, 0.5 * (1.0 - size), size * size)
    root = sqrt(square)
    product, error = two_product(root, root)
    rest = ((square - product) - error) / (root + root)
    t = b.select(large, root, size)
    low = b.select(large & (root > 0.0), rest, 0.0)
    return large, (t, low), t * square * polynomial(ARCSIN, square)


def arcsin(x: Value) -> Value:
    """arcsin(x)."""
    b = x.builder
    large, (t, low), tail = _half_angle(magnitude(x))
    half, rest = rounded(PI / 2, x.type.kind)
    near = t + tail
    high, error = fast_two_sum(b.constant(half, x.type), -2.0 * t)
    far = high + (error + (rest - 2.0 * (low + tail)))
    return with_sign_of(b.select(large, far, near), x)


def arccos(x: Value) -> Value:
    """arccos(x)."""
    b = x.builder
    large, (t, low), tail = _half_angle(magnitude(x))
    half, rest = rounded(PI / 2, x.type.kind)
    whole, rest2 = rounded(PI, x.type.kind)
    negative = x < 0.0
    signed = b.select(negative, -t, t)
    high, error = fast_two_sum(b.constant(half, x.type), -signed)
    near = high + (error + (rest - b.select(negative, -tail, tail)))
    double = 2.0 * (low + tail)
    right = 2.0 * t + double
    high, error = fast_two_sum(b.constant(whole, x.type), -2.0 * t)
    left = high + (error + (rest2 - double))
    return b.select(large, b.select(negative, left, right), near)


def _angle(above: Value, below: Value, negative: Value | None) -> Value:
    """arctan(above/below) of positive numbers; π minus it where ``negative``."""
    b, kind = above.builder, above.type.kind
    steep = above > below
    n = b.select(steep, below, above)
    d = b.select(steep, above, below)
    middle = n > math.tan(math.pi / 8) * d
    numerator = b.select(middle, n - d, n)
    total, error = two_sum(n, d)
    denominator = b.select(middle, total, d)
    inverse = 1.0 / denominator
    t = numerator * inverse
    # What the quotient lacks, to first order.
    product, product_error = two_product(t, denominator)
    lacking = ((numerator - product) - product_error) - b.select(middle, t * error, 0.0)
    low = lacking * inverse
    z = t * t
    tail = b.fma(t * z, polynomial(ARCTAN, z), low)
    # The angle is base ± (t + tail), with base a multiple of π/4.
    quarters = b.select(middle, b.constant(1.0, above.type), 0.0)
    turned = steep
    quarters = b.select(steep, 2.0 - quarters, quarters)
    if negative is not None:
        quarters = b.select(negative, 4.0 - quarters, quarters)
        turned = steep ^ negative
    t, tail = b.select(turned, -t, t), b.select(turned, -tail, tail)
    first, second = rounded(PI / 4, kind)
    base, base_error = two_product(quarters, first)
    high, error = fast_two_sum(base, t)
    return high + (error + (tail + b.fma(quarters, second, base_error)))


def arctan(x: Value) -> Value:
    """arctan(x)."""
    b = x.builder
    size = magnitude(x)
    inside = at_most(size, 2.0 ** (format_of(x.type).digits + 20))
    result = with_sign_of(_angle(inside, b.constant(1.0, x.type), None), x)
    # The products above lose what is subnormal; the cube of what is small is nothing.
    return b.select(size < 2.0 ** -(format_of(x.type).digits // 2 + 2), x, result)


def arctan2(y: Value, x: Value) -> Value:
    """The angle of the point (x, y)."""
    b, f = x.builder, format_of(x.type)
    above, below = magnitude(y), magnitude(x)
    one = b.constant(1.0, x.type)
    infinite = above.equals(math.inf) | below.equals(math.inf)
    above = b.select(infinite, b.select(above.equals(math.inf), one, 0.0), above)
    below = b.select(infinite, b.select(below.equals(math.inf), one, 0.0), below)
    nothing = above.equals(0.0) & below.equals(0.0)
    below = b.select(nothing, 1.0, below)
    largest = b.select(above > below, above, below)
    big, small = 2.0 ** (f.bias - 3), 2.0 ** (2 * f.digits - f.bias)
    factor = b.select(
        largest > big, b.constant(2.0**-4, x.type), b.select(largest < small, 2.0**f.digits, one)
    )
    negative = x.bits() < 0
    result = _angle(above * factor, below * factor, negative)
    # A quotient that is not a normal number has an angle that is not one either.
    tiny = ~negative & (above < below * 2.0**-f.digits)
    result = b.select(tiny, above / below, result)
    result = with_sign_of(result, y)
    return b.select(y.is_nan() | x.is_nan(), x + y, result)


def arcsinh(x: Value) -> Value:
    """arcsinh(x) = log1p(|x| + x²/(1 + √(1 + x²))), with the sign of x."""
    b, f = x.builder, format_of(x.type)
    size = magnitude(x)
    large = size > 2.0 ** (f.digits // 2 + 4)
    inside = b.select(large, 1.0, size)
    square = inside * inside
    near = log1p(inside + square / (1.0 + sqrt(1.0 + square)))
    far = log(size) + float(LN2)
    return with_sign_of(b.select(large, far, near), x)


def arccosh(x: Value) -> Value:
    """arccosh(x) = log1p(t + √(2t + t²)), with t = x − 1."""
    b, f = x.builder, format_of(x.type)
    large = x > 2.0 ** (f.digits // 2 + 4)
    t = b.select(large, 1.0, b.select(x < 1.0, math.nan, x - 1.0))
    near = log1p(t + sqrt(t * (t + 2.0)))
    return b.select(large, log(x) + float(LN2), near)


def arctanh(x: Value) -> Value:
    """arctanh(x) = log1p(2|x|/(1 − |x|))/2, with the sign of x."""
    size = magnitude(x)
    return with_sign_of(0.5 * log1p((size + size) / (1.0 - size)), x)
