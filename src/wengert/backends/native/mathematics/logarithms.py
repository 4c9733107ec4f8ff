"""log and its kin.

x = 2**e m with √½ ≤ m < √2; with f = m − 1 and s = f/(2 + f), log m = log(1 + s) − log(1 − s) is
f − (f²/2 − s (f²/2 + R)), R a polynomial in s². Source: FreeBSD's msun describes the form, and
the correction of log1p.
"""

from __future__ import annotations

import math
from fractions import Fraction

from wengert.backends.native.builder import Value
from wengert.backends.native.mathematics.coefficients import LOG
from wengert.backends.native.mathematics.constants import LN2, LN10, rounded, shortened
from wengert.backends.native.mathematics.formats import (
    Pair,
    fast_two_sum,
    lifted,
    magnitude,
    polynomial,
    split,
    two_product,
    two_sum,
)


def _tail(f: Value) -> Value:
    """log(1 + f) − f, for √½ ≤ 1 + f < √2."""
    half = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    return s * (half + z * polynomial(LOG, z)) - half


def _where_positive(x: Value, result: Value) -> Value:
    """The result, and the values of logarithms at 0, below 0, at infinity and NaN."""
    b = x.builder
    outside = b.select(x > 0.0, x, b.select(x.equals(0.0), b.constant(-math.inf, x.type), math.nan))
    return b.select((x > 0.0) & (x < math.inf), result, outside)


def _split_any(x: Value) -> Pair:
    added, normal = lifted(x)
    e, m = split(normal)
    return e + added, m


def log(x: Value) -> Value:
    """log(x)."""
    b = x.builder
    first, second = shortened(LN2, x.type.kind)
    e, m = _split_any(x)
    f = m - 1.0
    return _where_positive(x, b.fma(e, first, f + b.fma(e, second, _tail(f))))


def _log_in_base(x: Value, unit: Fraction, factor: Fraction) -> Value:
    """e · unit + factor · log m, the last product with twice the digits."""
    b, kind = x.builder, x.type.kind
    e, m = _split_any(x)
    f = m - 1.0
    high, low = fast_two_sum(f, _tail(f))
    first, second = rounded(factor, kind)
    product, rest = two_product(high, first)
    rest = b.fma(high, second, b.fma(low, first, rest))
    above, below = shortened(unit, kind)
    total, error = fast_two_sum(e * above, product)
    return _where_positive(x, total + (error + b.fma(e, below, rest)))


def log2(x: Value) -> Value:
    """The logarithm to base 2."""
    return _log_in_base(x, Fraction(1), 1 / LN2)


def log10(x: Value) -> Value:
    """The logarithm to base 10."""
    return _log_in_base(x, LN2 / LN10, 1 / LN10)


def log1p(x: Value) -> Value:
    """log(1 + x)."""
    b = x.builder
    result = b.select(magnitude(x) < 2.0**-54, x, _log1p(x))
    outside = b.select(
        x > -1.0, x, b.select(x.equals(-1.0), b.constant(-math.inf, x.type), math.nan)
    )
    return b.select((x > -1.0) & (x < math.inf), result, outside)


def log1p_of_positive(x: Value) -> Value:
    """log(1 + x) for x ≥ 0, finite."""
    return _log1p(x)


def _log1p(x: Value) -> Value:
    """log(u) + (1 + x − u)/u, with u what 1 + x is rounded to."""
    b = x.builder
    first, second = shortened(LN2, x.type.kind)
    u, error = two_sum(b.constant(1.0, x.type), x)
    e, m = split(u)
    f = m - 1.0
    rest = b.fma(e, second, error / u)
    return b.fma(e, first, f + (rest + _tail(f)))


def xlogy(x: Value, y: Value) -> Value:
    """x log(y), and 0 where x is 0, unless y is NaN."""
    b = x.builder
    return b.select(x.equals(0.0) & ~y.is_nan(), 0.0, x * log(y))
