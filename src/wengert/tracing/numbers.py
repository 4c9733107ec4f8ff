"""Numbers as expressions have them: exact ones, if they are short."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from wengert.expr import Expr
from wengert.operations.structure import constant_like

_PLAIN = 10**6  # numbers whose digits fit below this are part of the expression


def rational(value: Any) -> Fraction | None:
    """The decimal number that a float prints as; None for infinities and NaN."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return Fraction(repr(value)) if np.isfinite(value) else None
    return Fraction(int(value))


@lru_cache(maxsize=4096)
def plain_number(value: float) -> Expr | None:
    """The constant that a number is in expressions; None if it has too many digits for that."""
    plain = rational(value)
    if plain is None or abs(plain.numerator) * plain.denominator >= _PLAIN:
        return None
    return constant_like(plain, ())
