"""Functions of an instruction or a few, with NumPy's rules for NaN and signed zeros."""

from __future__ import annotations

import math

from wengert.backends.native.builder import Value
from wengert.backends.native.mathematics.formats import magnitude, with_sign_of


def absolute(x: Value) -> Value:
    """|x|."""
    return magnitude(x)


def sqrt(x: Value) -> Value:
    """√x."""
    return x.builder.intrinsic("sqrt", x.type, x)


def square(x: Value) -> Value:
    """x²."""
    return x * x


def reciprocal(x: Value) -> Value:
    """1/x."""
    return 1.0 / x


def floor(x: Value) -> Value:
    """The next integer below."""
    return x.builder.intrinsic("floor", x.type, x)


def ceil(x: Value) -> Value:
    """The next integer above."""
    return x.builder.intrinsic("ceil", x.type, x)


def trunc(x: Value) -> Value:
    """The next integer towards 0."""
    return x.builder.intrinsic("trunc", x.type, x)


def rint(x: Value) -> Value:
    """The nearest integer, of two the even one."""
    return x.builder.intrinsic("rint", x.type, x)


def sign(x: Value) -> Value:
    """−1, 0 or 1; NaN of NaN."""
    b = x.builder
    positive = b.select(x > 0.0, b.constant(1.0, x.type), 0.0)
    return b.select(x.is_nan(), x, b.select(x < 0.0, -1.0, positive))


def step(x: Value) -> Value:
    """1 where x is positive, 0 elsewhere; NaN of NaN."""
    b = x.builder
    return b.select(x.is_nan(), x, b.select(x > 0.0, b.constant(1.0, x.type), 0.0))


def relu(x: Value) -> Value:
    """max(x, 0); NaN of NaN."""
    return x.builder.select(x <= 0.0, 0.0, x)


def finite(x: Value) -> Value:
    """1 where x is finite, 0 elsewhere."""
    b = x.builder
    return b.select(magnitude(x) < math.inf, b.constant(1.0, x.type), 0.0)


def maximum(x: Value, y: Value) -> Value:
    """The larger; NaN if one is NaN."""
    b = x.builder
    return b.select(x.is_nan(), x, b.select(x > y, x, y))


def minimum(x: Value, y: Value) -> Value:
    """The smaller; NaN if one is NaN."""
    b = x.builder
    return b.select(x.is_nan(), x, b.select(x < y, x, y))


def fmax(x: Value, y: Value) -> Value:
    """The larger; the other if one is NaN."""
    b = x.builder
    return b.select(y.is_nan(), x, b.select(x > y, x, y))


def fmin(x: Value, y: Value) -> Value:
    """The smaller; the other if one is NaN."""
    b = x.builder
    return b.select(y.is_nan(), x, b.select(x < y, x, y))


def copysign(x: Value, y: Value) -> Value:
    """|x| with the sign of y."""
    return with_sign_of(x, y)


def heaviside(x: Value, at_zero: Value) -> Value:
    """0 below 0, 1 above it, and at 0 the second number; NaN of NaN."""
    b = x.builder
    above = b.select(x > 0.0, b.constant(1.0, x.type), at_zero)
    return b.select(x.is_nan(), x, b.select(x < 0.0, 0.0, above))
