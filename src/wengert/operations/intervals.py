"""Intervals: arrays of lower and upper bounds, with arithmetic that rounds outwards.

A sum, difference, product or quotient of two numbers is rounded to the nearest one (IEEE 754), so
that the next number outwards is a bound, whether it over- or underflows or not. A sum of n numbers
in any order is wrong by no more than n·2⁻⁵³/(1 − n·2⁻⁵³) times the sum of their absolute values
(Higham 2002, section 4.2); n·2⁻⁵² times that is added, which covers the rounding of the bound
itself. Infinite bounds are allowed, infinite values are not: 0 times an unbounded interval is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

Array = Any
EPS = 2.0**-52
LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, eq=False)
class Interval:
    """Bounds of an array's entries.

    Attributes
    ----------
    lower, upper : ndarray
        Of one shape; of truth values or integers for what is discrete.
    """

    lower: Array
    upper: Array

    @property
    def certain(self) -> bool:
        """Is every entry one number?"""
        return bool(np.all(self.lower == self.upper))

    @property
    def magnitude(self) -> Array:
        """The largest absolute value of each entry."""
        return np.maximum(np.abs(self.lower), np.abs(self.upper))

    @property
    def least_magnitude(self) -> Array:
        """The least absolute value of each entry."""
        return np.maximum(np.maximum(self.lower, -self.upper), 0)

    def middle(self) -> tuple[Array, Array]:
        """A number inside and how far the bounds are from it at most; NaN where unbounded."""
        with np.errstate(all="ignore"):
            middle = self.lower / 2 + self.upper / 2
            middle = np.where(self.lower == self.upper, self.lower, middle)
            radius = np.maximum(self.upper - middle, middle - self.lower)
            return middle, np.where(radius == 0, 0, np.nextafter(radius, np.inf))


def point(values: Any) -> Interval:
    """One number an entry."""
    array = np.asarray(values)
    return Interval(array, array)


def whole(shape: tuple[int, ...]) -> Interval:
    """Any number."""
    return Interval(np.full(shape, -np.inf), np.full(shape, np.inf))


def down(x: Array) -> Array:
    """The next number below; the largest one for what has overflowed upwards."""
    return np.nextafter(x, -np.inf)


def up(x: Array) -> Array:
    """The next number above."""
    return np.nextafter(x, np.inf)


def widened(lower: Array, upper: Array, relative: float, absolute: Any = 0.0) -> Interval:
    """Computed bounds of what is wrong by so much, relative to the bound and besides.

    Parameters
    ----------
    lower, upper : array
        Values that were computed at the places of least and largest value.
    relative, absolute : float
        The largest errors.
    """
    low, high = np.minimum(lower, LARGEST), np.maximum(upper, -LARGEST)
    with np.errstate(all="ignore"):
        return Interval(
            down(low - (relative * np.abs(low) + absolute)),
            up(high + (relative * np.abs(high) + absolute)),
        )


def clipped(x: Interval, low: Any, high: Any) -> Interval:
    """The part between two numbers, which is known to hold the value."""
    return Interval(np.clip(x.lower, low, high), np.clip(x.upper, low, high))


def hull(parts: Sequence[Interval]) -> Interval:
    """The least interval around all."""
    return Interval(
        reduce(np.minimum, [p.lower for p in parts]), reduce(np.maximum, [p.upper for p in parts])
    )


def negated(x: Interval) -> Interval:
    """−x."""
    return Interval(-x.upper, -x.lower)


# ---------------------------------------------------------------- arithmetic


def plus(x: Interval, z: Interval) -> Interval:
    """x + z, exact where the sum is a number."""
    with np.errstate(all="ignore"):
        return Interval(_added(x.lower, z.lower, down), _added(x.upper, z.upper, up))


def _added(a: Array, b: Array, outwards: Any) -> Array:
    """The sum, moved outwards only if it was rounded inwards: Knuth's error of a sum."""
    total = a + b
    part = total - a
    error = (a - (total - part)) + (b - part)
    inwards = error < 0 if outwards is down else error > 0
    exact = np.isinf(a) | np.isinf(b) | ((error == 0) | ~inwards) & np.isfinite(error)
    return np.where(exact, total, outwards(total))


def minus(x: Interval, z: Interval) -> Interval:
    """x − z."""
    return plus(x, negated(z))


def times(x: Interval, z: Interval) -> Interval:
    """x · z, entry by entry, exact where the products are numbers; shapes broadcast."""
    with np.errstate(all="ignore"):
        ends = [_product(a, b) for a in (x.lower, x.upper) for b in (z.lower, z.upper)]
    return Interval(
        reduce(np.minimum, [low for low, _ in ends]), reduce(np.maximum, [high for _, high in ends])
    )


_HALF_DIGITS = 2.0**27 + 1
_SAFE = 2.0**450  # numbers between this and its inverse have products whose error is a number


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """The neighbours between which a product lies; Dekker's error of a product says on which side.

    0 times an unbounded number is 0.
    """
    found = a * b
    (a_high, a_low), (b_high, b_low) = _split(a), _split(b)
    error = ((a_high * b_high - found) + a_high * b_low + a_low * b_high) + a_low * b_low
    sizes = np.abs(a), np.abs(b)
    trusted = (np.minimum(*sizes) > 1 / _SAFE) & (np.maximum(*sizes) < _SAFE)
    zero = (a == 0) | (b == 0)
    low = np.where(trusted & (error >= 0), found, down(found))
    high = np.where(trusted & (error <= 0), found, up(found))
    return np.where(zero, 0.0, low), np.where(zero, 0.0, high)


def _split(x: Array) -> tuple[Array, Array]:
    """A number as the sum of two with half of its digits each."""
    scaled_up = _HALF_DIGITS * x
    high = scaled_up - (scaled_up - x)
    return high, x - high


def number(value: Fraction) -> Interval:
    """A rational number."""
    found = _as_float(value)
    if Fraction(found) == value:
        return point(found)
    return Interval(down(np.float64(found)), up(np.float64(found)))


def _as_float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return LARGEST if value > 0 else -LARGEST


def scaled(factor: Fraction, x: Interval) -> Interval:
    """A rational multiple."""
    if factor == 1:
        return x
    return negated(x) if factor == -1 else times(number(factor), x)


def summed(x: Interval, axes: tuple[int, ...]) -> Interval:
    """The sum over some axes."""
    if not axes:
        return x
    count = int(np.prod([x.lower.shape[k] for k in axes]))
    lower, upper = x.lower.sum(axis=axes), x.upper.sum(axis=axes)
    if count <= 1:
        return Interval(lower, upper)
    with np.errstate(all="ignore"):
        size = x.magnitude.sum(axis=axes)
        error = np.where(size == 0, 0.0, up(count * EPS * size))
        low, high = np.minimum(lower, LARGEST), np.maximum(upper, -LARGEST)
        return Interval(
            np.where(size == 0, 0.0, down(low - error)), np.where(size == 0, 0.0, up(high + error))
        )


def multiplied(x: Interval, axis: int) -> Interval:
    """The product along an axis."""
    parts = [
        Interval(np.take(x.lower, k, axis), np.take(x.upper, k, axis))
        for k in range(x.lower.shape[axis])
    ]
    shape = np.delete(np.array(x.lower.shape, int), axis)
    return reduce(times, parts, point(np.ones(tuple(shape))))


def raised(x: Interval, exponent: Fraction | int) -> Interval:
    """x to a rational power: unbounded around 0 for a negative one, NaN outside of the domain."""
    exponent = Fraction(exponent)
    if exponent.denominator == 1 and exponent.numerator % 2 == 0:
        return _monotone_power(Interval(x.least_magnitude, x.magnitude), exponent)
    if exponent.denominator > 1:
        inside = x.lower >= 0
        found = _monotone_power(Interval(np.where(inside, x.lower, 1), x.upper), exponent)
        return Interval(
            np.where(inside, found.lower, np.nan), np.where(inside, found.upper, np.nan)
        )
    if exponent > 0:
        found = widened(_signed_power(x.lower, exponent), _signed_power(x.upper, exponent), 4 * EPS)
        return _signed_like(x, found)
    return _odd_reciprocal(x, exponent)


def _signed_power(x: Array, exponent: Fraction) -> Array:
    with np.errstate(all="ignore"):
        return np.sign(x) * np.abs(x) ** float(exponent)


def _signed_like(x: Interval, found: Interval) -> Interval:
    """An odd power has the sign of its operand, unless that is only 0."""
    positive, negative = (x.lower >= 0) & (x.upper > 0), (x.upper <= 0) & (x.lower < 0)
    return Interval(
        np.where(positive, np.maximum(found.lower, 0), found.lower),
        np.where(negative, np.minimum(found.upper, 0), found.upper),
    )


def _monotone_power(x: Interval, exponent: Fraction) -> Interval:
    """Of numbers from 0 on."""
    with np.errstate(all="ignore"):
        at = [x.lower ** float(exponent), x.upper ** float(exponent)]
    low, high = at if exponent > 0 else at[::-1]
    found = widened(low, high, _error_of_power(exponent))
    return Interval(np.maximum(found.lower, 0), found.upper)


def _error_of_power(exponent: Fraction) -> float:
    """4 ulps for pow, and what rounding the exponent changes: |p| 2⁻⁵³ |log x|, |log x| < 746."""
    exact = Fraction(float(exponent)) == exponent
    return 4 * EPS if exact else (4 + 400 * abs(float(exponent))) * EPS


def _odd_reciprocal(x: Interval, exponent: Fraction) -> Interval:
    """x⁻¹, x⁻³, ...: decreasing on either side of 0."""
    with np.errstate(all="ignore"):
        at_lower = np.where(x.lower == 0, np.inf, _signed_power(x.lower, exponent))
        at_upper = np.where(x.upper == 0, -np.inf, _signed_power(x.upper, exponent))
    found = _signed_like(x, widened(at_upper, at_lower, 4 * EPS))
    crossing = (x.lower < 0) & (x.upper > 0)
    return Interval(
        np.where(crossing, -np.inf, found.lower), np.where(crossing, np.inf, found.upper)
    )
