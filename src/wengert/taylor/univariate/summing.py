"""Sums of power series at a point, with an estimate of the error."""

from __future__ import annotations

import math
from dataclasses import dataclass

from wengert.errors import ConvergenceError
from wengert.taylor.univariate.lazy import Lazy

_MOST_TERMS = 5_000
_WINDOW = 16  # terms of which the largest is compared with that of the ones before
_EPSILON = 2.0**-52


@dataclass(frozen=True)
class Sum:
    """The sum of a series at a point.

    Attributes
    ----------
    value : float
        The sum.
    error : float
        An estimate of its error: the rest of the series as a geometric one, and rounding.
    terms : int
        How many terms were added.
    """

    value: float
    error: float
    terms: int

    def __float__(self) -> float:
        return self.value


def summed(series: Lazy, t: float, radius: float, tol: float) -> Sum:
    """The sum at x₀ + t, until the rest of it is below a tolerance.

    Raises
    ------
    ConvergenceError
        If rounding errors are larger than the tolerance, or the terms fall too slowly.
    """
    terms: list[float] = []
    power, size = 1.0, 0.0
    for n in range(_MOST_TERMS):
        term = float(series[n]) * power
        terms.append(term)
        power *= t
        size += abs(term)
        if (n + 1) % _WINDOW or n < 2 * _WINDOW - 1:
            continue
        total = math.fsum(terms)
        allowed = tol * max(1.0, abs(total))
        rest = _rest(terms, abs(t) / radius)
        error = rest + _EPSILON * size
        if error <= allowed:
            return Sum(total, error, n + 1)
        if _EPSILON * size > allowed:
            raise ConvergenceError(
                f"terms of size {max(map(abs, terms)):.2g} cancel: rounding errors are about "
                f"{_EPSILON * size:.1g}; expand at a nearer point or allow a larger tol"
            )
    raise ConvergenceError(
        f"{_MOST_TERMS} terms are not enough at {abs(t):g} of a radius of {radius:g}; expand at a "
        "nearer point or allow a larger tol"
    )


def _rest(terms: list[float], ratio: float) -> float:
    """The rest of the series as a geometric one, whose ratio is that of the last terms."""
    before = max(map(abs, terms[-2 * _WINDOW : -_WINDOW]))
    last = max(map(abs, terms[-_WINDOW:]))
    if last == 0:
        return 0.0
    measured = (last / before) ** (1 / _WINDOW) if before else math.inf
    q = max(measured, ratio)
    return math.inf if q >= 1 else last * q / (1 - q)
