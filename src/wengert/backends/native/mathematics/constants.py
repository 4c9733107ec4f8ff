"""Constants with more digits than a number holds, in parts."""

from __future__ import annotations

import math
from fractions import Fraction

LN2 = Fraction("0.693147180559945309417232121458176568075500134360255254120680009493393621969694")
LN10 = Fraction("2.302585092994045684017991454684364207601101488628772976033327900967572609677352")
PI = Fraction("3.141592653589793238462643383279502884197169399375105820974944592307816406286209")
SQRT_HALF = Fraction(
    "0.707106781186547524400844362104849039284835937688474036588339868995366239231"
)

# Multiples of it, by the largest exponents that numbers have, are exact.
_SHORT = {"f64": 41, "f32": 15}
_DIGITS = {"f64": 53, "f32": 24}


def shortened(number: Fraction, kind: str) -> tuple[float, float]:
    """A number below 1 in two parts, of which the first has few digits."""
    bits = _SHORT[kind]
    high = math.floor(number * 2**bits) / 2**bits
    return high, float(number - Fraction(high))


def rounded(number: Fraction, kind: str, parts: int = 2) -> tuple[float, ...]:
    """A number as a sum of ``parts`` numbers of a format, each what the ones before leave."""
    found: list[float] = []
    for _ in range(parts):
        unit = Fraction(2) ** (math.frexp(float(number))[1] - _DIGITS[kind])
        found.append(float(round(number / unit) * unit))
        number -= Fraction(found[-1])
    return tuple(found)
