"""sin, cos and tan.

x = k π/2 + r with |r| ≤ π/4, by subtracting multiples of π/2 in parts (Cody and Waite, Software
Manual for the Elementary Functions, 1980); of large numbers by the digits of 2/π that matter
(Payne and Hanek, Radian reduction for trigonometric functions, 1983).
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

from wengert.backends.native.builder import Builder, Module, Value
from wengert.backends.native.mathematics.coefficients import COS, SIN
from wengert.backends.native.mathematics.constants import PI, rounded
from wengert.backends.native.mathematics.digits import TWO_OVER_PI
from wengert.backends.native.mathematics.formats import (
    FORMATS,
    Pair,
    fast_two_sum,
    magnitude,
    polynomial,
    quotient,
    round_shifted,
    two_product,
)
from wengert.backends.native.types import F64, I1, I64, I128, PTR, VOID

# The first parts of π/2 have so few digits that k times them is exact, or are multiplied in one
# rounding, for numbers up to the limit.
_LIMIT = {True: 2.0**36, False: 2.0**20}
_SHORT = 33  # bits
_ROUTINE = "wengert_large_angles"


def _short_parts(number: Fraction, count: int) -> tuple[float, ...]:
    found: list[float] = []
    for _ in range(count - 1):
        unit = Fraction(2) ** (math.frexp(float(number))[1] - _SHORT)
        found.append(float(math.floor(number / unit) * unit))
        number -= Fraction(found[-1])
    return (*found, float(number))


def _subtracted(x: Value) -> tuple[Value, Value, Value]:
    """(k + magic, r, rest) of float64 numbers up to the limit."""
    b = x.builder
    k, shifted = round_shifted(x, float(2 / PI))
    if b.fused:
        first, second, third = rounded(PI / 2, "f64", 3)
        near = b.fma(k, -first, x)
        r = b.fma(k, -second, near)
        return shifted, r, b.fma(k, -third, b.fma(k, -second, near - r))
    first, second, third, fourth = _short_parts(PI / 2, 4)
    near = x - k * first
    nearer = near - k * second
    error = (near - nearer) - k * second
    r = nearer - k * third
    return shifted, r, ((nearer - r) - k * third) + error - k * fourth


def _reduced(x: Value) -> tuple[Value, Value, Value]:
    """(k in the lowest bits, r, rest): x = k π/2 + r + rest."""
    if x.type.kind == "f64":
        return _reduced_long(x)
    b = x.builder
    k, r, rest = _reduced_long(b.cast("fpext", x, F64.of(x.type.lanes)))
    short = b.cast("fptrunc", r, x.type)
    rest = (r - b.cast("fpext", short, r.type)) + rest
    return b.cast("trunc", k, x.type.integers), short, b.cast("fptrunc", rest, x.type)


def _reduced_long(x: Value) -> tuple[Value, Value, Value]:
    b = x.builder
    limit = _LIMIT[b.fused]
    far = magnitude(x) >= limit
    near = _subtracted(b.select(far, 0.0, x))
    close = (near[0].bits(), near[1], near[2])

    def large() -> tuple[Value, ...]:
        count = max(x.type.lanes, 1)
        memory = b.slot(3 * 8 * count)
        places = [memory, b.offset(memory, 8 * count), b.offset(memory, 16 * count)]
        b.store(x, places[0])
        b.call(_large_angles(b.module), VOID, *places, b.constant(count, I64))
        found = [
            b.load(t, p) for t, p in zip((x.type.integers, x.type, x.type), places, strict=True)
        ]
        return tuple(b.select(far, new, old) for new, old in zip(found, close, strict=True))

    k, r, rest = b.branch(b.any(far), large, lambda: close)
    return k, r, rest


def _sine_and_cosine(r: Value, rest: Value) -> tuple[Pair, Pair]:
    """Of |r| ≤ π/4, each in two parts."""
    b = r.builder
    z = r * r
    half = 0.5 * z
    near = 1.0 - half
    sine = b.fma(r * z, polynomial(SIN, z), rest * near)
    cosine = ((1.0 - near) - half) + b.fma(z * z, polynomial(COS, z), -(r * rest))
    return (r, sine), (near, cosine)


def _turned(result: Value, k: Value) -> Value:
    """The result, its sign turned where bit 1 of k is set."""
    bits = 8 * result.type.size
    return (result.bits() ^ ((k & 2) << bits - 2)).as_float()


def _of_quadrant(x: Value, ahead: int) -> Value:
    b = x.builder
    k, r, rest = _reduced(x)
    (s, s_rest), (c, c_rest) = _sine_and_cosine(r, rest)
    k = k + ahead if ahead else k
    swap = (k & 1).differs(0)
    return _turned(b.select(swap, c + c_rest, s + s_rest), k)


def sin(x: Value) -> Value:
    """sin(x)."""
    return x.builder.select(x.equals(0.0), x, _of_quadrant(x, 0))


def cos(x: Value) -> Value:
    """cos(x)."""
    return _of_quadrant(x, 1)


def tan(x: Value) -> Value:
    """sin(x)/cos(x), with the roundings of both made good."""
    b = x.builder
    k, r, rest = _reduced(x)
    sine, cosine = (fast_two_sum(*parts) for parts in _sine_and_cosine(r, rest))
    swap = (k & 1).differs(0)
    above = (b.select(swap, cosine[0], sine[0]), b.select(swap, cosine[1], sine[1]))
    below = (b.select(swap, -sine[0], cosine[0]), b.select(swap, -sine[1], cosine[1]))
    result = quotient(above, below)
    return b.select(x.equals(0.0), x, result)


# ---------------------------------------------------------------- large numbers


def _large_angles(module: Module) -> str:
    """A function that reduces numbers in memory; gives its symbol.

    ``(k or x, r, rest, count)``: the numbers are read from the first place, and overwritten.
    """
    if not module.has(_ROUTINE):
        b = module.function(_ROUTINE, [PTR, PTR, PTR, I64], internal=True)
        first, second, third, count = b.parameters

        def body(index: Value, carried: tuple[Value, ...]) -> tuple[Value, ...]:
            place = b.offset(first, index, 8)
            k, r, rest = _large_angle(b, b.load(F64, place))
            b.store(k, place)
            b.store(r, b.offset(second, index, 8))
            b.store(rest, b.offset(third, index, 8))
            return ()

        b.loop(0, count, 1, body)
        b.give()
    return _ROUTINE


def _large_angle(b: Builder, x: Value) -> tuple[Value, Value, Value]:
    """(k, r, rest) of one number above 1, NaN where it is not finite.

    With x = n 2**e, only the digits of 2/π of weight below 2**(2 - e) matter: those above give
    multiples of 4.
    """
    f = FORMATS["f64"]
    bits = x.bits()
    exponent = (bits & f.exponent_mask) >> f.digits
    exponent = b.select(exponent < 2046, exponent, 2046)
    n = (bits & (1 << f.digits) - 1) | (1 << f.digits)
    start = exponent + (64 - 2 - f.bias - f.digits)  # the first digit, counted from the table's
    start = b.select(start > 0, start, 0)
    table = b.module.table(b, "two_over_pi", I64, [0, *TWO_OVER_PI])
    first = b.offset(table, start >> 6, 8)
    shift = start & 63
    words = [b.load(I64, b.offset(first, 8 * j)) for j in range(4)]
    digits = [b.intrinsic("fshl", I64, u, v, shift) for u, v in pairwise(words)]

    def long(value: Value) -> Value:
        return b.cast("zext", value, I128)

    high, middle, low = (long(n) * long(d) for d in digits)
    product = (high << 64) + middle + (low >> 64)  # quarter turns, of weight 2**126
    k = b.cast("trunc", (product + (1 << 125)) >> 126, I64)
    fraction = product << 2
    negative = fraction < 0
    size = b.select(negative, 0 - fraction, fraction)
    top = b.cast("trunc", size >> 64, I64)
    zeros = b.call("llvm.ctlz.i64", I64, top, b.constant(0, I1), pure=True)
    size = size << long(zeros)
    above = b.cast("trunc", size >> 75, I64)
    below = b.cast("trunc", size >> 22, I64) & (1 << 53) - 1
    scale = ((f.bias - 53 - zeros) << f.digits).as_float()
    large = b.cast("sitofp", above, F64) * scale
    small = b.cast("sitofp", below, F64) * (scale * 2.0**-53)
    one, two = rounded(PI / 2, "f64")
    r, rest = two_product(large, one)
    rest = b.fma(large, two, b.fma(small, one, rest))
    turn = negative ^ (x < 0.0)
    r, rest = b.select(turn, -r, r), b.select(turn, -rest, rest)
    k = b.select(x < 0.0, 0 - k, k)
    finite = magnitude(x) < math.inf
    return k, b.select(finite, r, math.nan), rest
