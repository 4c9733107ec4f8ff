"""What float64 and float32 look like, and arithmetic with twice their digits.

Sources: IEEE 754; Dekker, A floating-point technique for extending the available precision, 1971;
Ogita, Rump and Oishi, Accurate sum and dot product, 2005.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from wengert.backends.native.builder import Value
from wengert.backends.native.mathematics.coefficients import Coefficients
from wengert.backends.native.types import Number, Type

Pair = tuple[Value, Value]


@dataclass(frozen=True)
class Format:
    """A floating-point format.

    ``digits`` are the stored bits of the significand, ``exponents`` those of the exponent.
    """

    digits: int
    exponents: int

    @cached_property
    def bias(self) -> int:
        """What is added to a stored exponent."""
        return (1 << self.exponents - 1) - 1

    @cached_property
    def one(self) -> int:
        """The bits of 1."""
        return self.bias << self.digits

    @cached_property
    def sign(self) -> int:
        """The bit of the sign."""
        return 1 << self.digits + self.exponents

    @cached_property
    def exponent_mask(self) -> int:
        """The bits of the exponent."""
        return (1 << self.exponents) - 1 << self.digits

    @cached_property
    def magic(self) -> float:
        """Adding it rounds to an integer, which then stands in the lowest bits."""
        return 1.5 * 2.0**self.digits

    @cached_property
    def smallest_normal(self) -> float:
        """Below it digits are lost."""
        return 2.0 ** (1 - self.bias)

    @cached_property
    def lift(self) -> int:
        """A power of two, divisible by 3, that makes every number normal."""
        return 54 if self.digits == 52 else 24


FORMATS = {"f64": Format(52, 11), "f32": Format(23, 8)}


def format_of(type_: Type) -> Format:
    """The format of a type."""
    return FORMATS[type_.kind]


# ---------------------------------------------------------------- parts of numbers


def magnitude(x: Value) -> Value:
    """|x|, the same value for x and −x."""
    known = x.builder.unsigned
    while x.text in known:
        x = known[x.text]
    value = x.builder.intrinsic("fabs", x.type, x)
    known[value.text] = x
    return value


def with_sign_of(x: Value, sign: Value) -> Value:
    """|x| with the sign of another number."""
    return x.builder.intrinsic("copysign", x.type, x, sign)


def at_most(x: Value, bound: Value | Number) -> Value:
    """The smaller of the two; NaN stays."""
    b = x.builder
    bound = bound if isinstance(bound, Value) else b.constant(bound, x.type)
    return b.select(bound < x, bound, x)


def at_least(x: Value, bound: Value | Number) -> Value:
    """The larger of the two; NaN stays."""
    b = x.builder
    bound = bound if isinstance(bound, Value) else b.constant(bound, x.type)
    return b.select(bound > x, bound, x)


def round_shifted(x: Value, factor: Number) -> Pair:
    """The integer k nearest to ``factor x``, as a number, and the number k + magic."""
    f = format_of(x.type)
    shifted = x.builder.fma(x, factor, f.magic)
    return shifted - f.magic, shifted


def power_of_two(shifted: Value) -> Value:
    """2**k of k + magic, where that is a normal number."""
    f = format_of(shifted.type)
    return ((shifted.bits() << f.digits) + f.one).as_float()


def scaled(y: Value, shifted: Value) -> Value:
    """``y 2**k`` of k + magic, into the subnormal numbers and up to infinity."""
    f = format_of(y.type)
    whole = shifted.bits()
    half = whole >> 1
    first = ((half << f.digits) + f.one).as_float()
    second = ((whole - half << f.digits) + f.one).as_float()
    return y * first * second


def split(x: Value) -> Pair:
    """Exponent and significand of normal positive numbers: x = 2**e m, √½ ≤ m < √2."""
    f = format_of(x.type)
    root = int(0.5**0.5 * 2.0 ** (f.digits + 1)) - (1 << f.digits) + (f.bias - 1 << f.digits)
    bits = x.bits()
    moved = bits + (f.one - root)
    significand = (bits - (moved & f.exponent_mask) + f.one).as_float()
    unit = 1 << f.digits
    above = (moved >> f.digits) | (f.bias + f.digits << f.digits)
    return above.as_float() - float(unit + f.bias), significand


def lifted(x: Value) -> Pair:
    """Small positive numbers made normal: what is added to the exponent again, and the number."""
    b, f = x.builder, format_of(x.type)
    small = x < f.smallest_normal
    return (
        b.select(small, b.constant(-f.lift, x.type), 0.0),
        b.select(small, x * 2.0**f.lift, x),
    )


# ---------------------------------------------------------------- polynomials


def polynomial(table: Coefficients, x: Value) -> Value:
    """A polynomial, its even and odd parts apart so that they run at the same time."""
    coefficients = table[x.type.kind]
    if len(coefficients) < 6:
        return _horner(coefficients, x)
    square = x * x
    even, odd = _horner(coefficients[::2], square), _horner(coefficients[1::2], square)
    return x.builder.fma(odd, x, even)


def _horner(coefficients: tuple[float, ...], x: Value) -> Value:
    b = x.builder
    total = b.constant(coefficients[-1], x.type)
    for coefficient in coefficients[-2::-1]:
        total = b.fma(total, x, coefficient)
    return total


# ---------------------------------------------------------------- twice the digits


def fast_two_sum(x: Value, y: Value) -> Pair:
    """x + y and its error, where |x| ≥ |y| or x = 0."""
    total = x + y
    return total, y - (total - x)


def two_sum(x: Value, y: Value) -> Pair:
    """x + y and its error."""
    total = x + y
    left = total - y
    return total, (x - left) + (y - (total - left))


def _upper(x: Value) -> Value:
    """The number with the lower half of its digits cut off."""
    f = format_of(x.type)
    kept = f.digits // 2 + 1
    return (x.bits() & -(1 << kept)).as_float()


def two_product(x: Value, y: Value | Number) -> Pair:
    """``x y`` and its error."""
    b = x.builder
    y = y if isinstance(y, Value) else b.constant(y, x.type)
    product = x * y
    if b.fused:
        return product, b.fma(x, y, -product)
    x1, y1 = _upper(x), _upper(y)
    x2, y2 = x - x1, y - y1
    return product, ((x1 * y1 - product) + x1 * y2 + x2 * y1) + x2 * y2


def quotient(above: Pair, below: Pair) -> Value:
    """A quotient of sums of two numbers, hardly more than rounded."""
    (n, n_rest), (d, d_rest) = above, below
    inverse = 1.0 / d
    q = n * inverse
    product, error = two_product(q, d)
    rest = ((n - product) - error) + (n_rest - q * d_rest)
    return n.builder.fma(rest, inverse, q)
