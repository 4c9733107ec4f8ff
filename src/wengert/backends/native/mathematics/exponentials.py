"""exp and what is made of it.

x = k log 2 + r, with |r| ≤ log(2)/2 and log 2 in two parts, so that r is almost exact; then
2**k times a polynomial in r. Source: Muller et al., Handbook of Floating-Point Arithmetic, 2nd
ed., section 11.
"""

from __future__ import annotations

from collections.abc import Callable

from wengert.backends.native.builder import Value
from wengert.backends.native.mathematics.coefficients import COSH, EXP, SINH
from wengert.backends.native.mathematics.constants import LN2, LN10, rounded, shortened
from wengert.backends.native.mathematics.formats import (
    Pair,
    at_least,
    at_most,
    fast_two_sum,
    format_of,
    magnitude,
    polynomial,
    power_of_two,
    quotient,
    round_shifted,
    scaled,
    two_product,
    two_sum,
    with_sign_of,
)
from wengert.backends.native.mathematics.logarithms import log1p_of_positive

Unary = Callable[[Value], Value]

_LOG2_E = float(1 / LN2)
# Below and above exp is 0 and infinite; so are the powers of 2 and 10.
_BOUNDS = {"f64": (-746.0, 710.0), "f32": (-104.5, 89.0)}
_BOUNDS_2 = {"f64": (-1076.0, 1025.0), "f32": (-151.0, 129.0)}
_BOUNDS_10 = {"f64": (-325.0, 309.0), "f32": (-46.0, 39.0)}
_HYPERBOLIC = {"f64": 710.48, "f32": 89.42}  # from here on sinh and cosh are infinite
# Beyond it expm1 is -1 and exp(-x) is nothing beside exp(x).
_LEVEL = {"f64": 40.0, "f32": 20.0}


def _within(x: Value, bounds: tuple[float, float]) -> Value:
    return at_least(at_most(x, bounds[1]), bounds[0])


def _reduced(x: Value) -> tuple[Value, Value, Value]:
    """(k + magic, r, rest) with x = k log 2 + r + rest."""
    b = x.builder
    first, second = shortened(LN2, x.type.kind)
    k, shifted = round_shifted(x, _LOG2_E)
    high = b.fma(k, -first, x)
    low = k * second
    r = high - low
    return shifted, r, (high - r) - low


def exp(x: Value) -> Value:
    """exp(x)."""
    b = x.builder
    first, second = shortened(LN2, x.type.kind)
    inside = _within(x, _BOUNDS[x.type.kind])
    k, shifted = round_shifted(inside, _LOG2_E)
    r = b.fma(k, -second, b.fma(k, -first, inside))
    return scaled(1.0 + b.fma(r * r, polynomial(EXP, r), r), shifted)


def exp_of_sum(x: Value, rest: Value) -> Value:
    """exp(x + rest), where the rest is as small as the last digits of x."""
    inside = _within(x, _BOUNDS[x.type.kind])
    shifted, r, low = _reduced(inside)
    r, more = two_sum(r, rest)
    tail = x.builder.fma(r * r, polynomial(EXP, r), low + more)
    return scaled(1.0 + (r + tail), shifted)


def exp2(x: Value) -> Value:
    """2**x."""
    b, kind = x.builder, x.type.kind
    inside = _within(x, _BOUNDS_2[kind])
    k, shifted = round_shifted(inside, 1.0)
    first, second = rounded(LN2, kind)
    r, rest = two_product(inside - k, first)
    rest = b.fma(inside - k, second, rest)
    return scaled(1.0 + (r + b.fma(r * r, polynomial(EXP, r), rest)), shifted)


def exp10(x: Value) -> Value:
    """10**x."""
    kind = x.type.kind
    inside = _within(x, _BOUNDS_10[kind])
    first, second = rounded(LN10, kind)
    product, rest = two_product(inside, first)
    return exp_of_sum(product, x.builder.fma(inside, second, rest))


def expm1(x: Value) -> Value:
    """exp(x) − 1."""
    b, kind = x.builder, x.type.kind
    inside = _within(x, (-_LEVEL[kind], _BOUNDS[kind][1]))
    shifted, r, low = _reduced(inside)
    tail = b.fma(r * r, polynomial(EXP, r), low)
    half = power_of_two(shifted - 1.0)  # 2**k itself may be too large
    high, rest = fast_two_sum(half - 0.5, r * half)
    result = high + b.fma(tail, half, rest)
    return _or_tiny(x, with_sign_of(result + result, x))


def _or_tiny(x: Value, result: Value) -> Value:
    """The number itself where it is so small that halves of it may be lost."""
    return x.builder.select(magnitude(x) < 2.0 ** -(format_of(x.type).digits + 2), x, result)


def _hyperbolic(x: Value) -> tuple[Pair, Pair]:
    """Halves of sinh(x) and cosh(x), each in two parts, for positive numbers.

    With exp(r) = C + S, even and odd in r, and ups and downs 2**k and 2**-k:
    2 sinh(x) = (up − down) C + (up + down) S, and 2 cosh(x) with the two factors exchanged.
    """
    b, kind, magic = x.builder, x.type.kind, format_of(x.type).magic
    inside = at_most(x, _HYPERBOLIC[kind])
    shifted, r, low = _reduced(inside)
    z = r * r
    odd_tail = b.fma(r * z, polynomial(SINH, z), low)  # of S beyond r
    even_tail = b.fma(z, polynomial(COSH, z), r * low)  # of C beyond 1
    up = power_of_two(shifted - 2.0)
    down = power_of_two((magic - 2.0) - at_most(shifted - magic, _LEVEL[kind] * 1.5))
    total, total_rest = fast_two_sum(up, down)
    difference, difference_rest = fast_two_sum(up, -down)

    def part(first: Value, second: Value, missing: Value) -> Pair:
        product, error = two_product(second, r)
        high, rest = fast_two_sum(first, product)
        tail = b.fma(first, even_tail, b.fma(second, odd_tail, missing))
        return high, (rest + error) + tail

    return part(difference, total, difference_rest), part(total, difference, total_rest)


def sinh(x: Value) -> Value:
    """sinh(x)."""
    (high, low), _ = _hyperbolic(magnitude(x))
    half = high + low
    return _or_tiny(x, with_sign_of(half + half, x))


def cosh(x: Value) -> Value:
    """cosh(x)."""
    _, (high, low) = _hyperbolic(magnitude(x))
    half = high + low
    return half + half


def tanh(x: Value) -> Value:
    """tanh(x) = E/(E + 2) with E = exp(2 |x|) − 1."""
    b = x.builder
    inside = at_most(magnitude(x), _LEVEL[x.type.kind] / 2)
    shifted, r, low = _reduced(inside + inside)
    scale = power_of_two(shifted)
    high, rest = fast_two_sum(scale - 1.0, r * scale)
    tail = b.fma(r * r, polynomial(EXP, r), low)
    grown, lost = fast_two_sum(high, b.fma(tail, scale, rest))
    below, more = fast_two_sum(b.constant(2.0, x.type), grown)
    return with_sign_of(quotient((grown, lost), (below, more + lost)), x)


def sigmoid(x: Value, exp: Unary = exp) -> Value:
    """1/(1 + exp(−x)), of exp(−|x|) so that nothing overflows."""
    b = x.builder
    small = exp(-magnitude(x))
    below = fast_two_sum(b.constant(1.0, x.type), small)
    return quotient((b.select(x >= 0.0, 1.0, small), b.zero(x.type)), below)


def softplus(x: Value, exp: Unary = exp, log1p: Unary = log1p_of_positive) -> Value:
    """log(1 + exp(x)) = max(x, 0) + log1p(exp(−|x|))."""
    return at_least(x, 0.0) + log1p(exp(-magnitude(x)))


def log_sigmoid(x: Value, exp: Unary = exp, log1p: Unary = log1p_of_positive) -> Value:
    """The logarithm of the sigmoid, −softplus(−x)."""
    return -softplus(-x, exp, log1p)
