"""Sums over the steps of a schedule, to any horizon."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.optimize.steps import Fixed, Inverse, InverseSqrt, Schedule

_EULER = 0.5772156649015329
_ZETA_HALF = -1.4603545088095868  # ζ(1/2)
_EXACT = 64  # terms that are added one by one before asymptotic series take over


def schedule_of(rule: float | Schedule) -> Schedule:
    """A schedule; a number is the same step always."""
    return Fixed(float(rule)) if isinstance(rule, int | float) else rule


def step_at(schedule: Schedule, t: Any) -> Any:
    """αₜ, of an array of steps t = 0, 1, ..."""
    t = np.asarray(t, float)
    if isinstance(schedule, InverseSqrt):
        return schedule.scale / np.sqrt(t + 1)
    if isinstance(schedule, Inverse):
        return schedule.scale / (t + schedule.offset)
    return np.full(t.shape, float(schedule.scale))


def total(schedule: Schedule, count: Any, power: int = 1) -> Any:
    """The sum of αₜ, or of its square, over t = 0, 1, ..., count − 1.

    Parameters
    ----------
    schedule : Fixed, InverseSqrt or Inverse
        The steps.
    count : array
        How many.
    power : int
        1 or 2.

    Examples
    --------
    >>> total(Inverse(2.0), np.array([1.0, 3.0])).round(6)
    array([2.      , 3.666667])
    """
    n = np.asarray(count, float)
    scale = float(schedule.scale) ** power
    if isinstance(schedule, InverseSqrt):
        return scale * (_inverse_roots(n) if power == 1 else _inverse_powers(n, 1.0, 1))
    if isinstance(schedule, Inverse):
        return scale * _inverse_powers(n, float(schedule.offset), power)
    return scale * n


def _inverse_roots(n: Any) -> Any:
    """Σ 1/√k over k = 1, ..., n."""
    few = np.concatenate([[0.0], np.cumsum(1 / np.sqrt(np.arange(1.0, _EXACT + 1)))])
    m = np.maximum(n, 1.0)
    many = 2 * np.sqrt(m) + _ZETA_HALF + 0.5 / np.sqrt(m) - m**-1.5 / 24
    return np.where(n <= _EXACT, few[np.clip(n, 0, _EXACT).astype(int)], many)


def _inverse_powers(n: Any, offset: float, power: int) -> Any:
    """Σ 1/(k + offset)^power over k = 0, ..., n − 1."""
    from scipy import special as functions  # noqa: PLC0415

    special: Any = functions
    if power == 1:
        return special.digamma(n + offset) - special.digamma(offset)
    return special.zeta(2.0, offset) - special.zeta(2.0, n + offset)


def last_iterate_sum(schedule: Schedule, steps: Any) -> Any:
    """Σ over k = 1, ..., N of (αₙ₋ₖ² + ... + αₙ²)/(k(k + 1)), from above, for each N of ``steps``.

    Of the theorem on the last iterate. Exact for the 512 smallest and largest k; between them k
    goes by blocks, each with its largest term.
    """
    counts = np.asarray(steps, float)
    sums = [_last_iterate_sum(schedule, float(n)) for n in counts.flat]
    return np.array(sums).reshape(counts.shape)


def _last_iterate_sum(schedule: Schedule, n: float) -> float:
    if n < 1:
        return 0.0
    edges = np.arange(1.0, min(n, 512.0) + 2)
    if n > 512:
        more = np.floor(513 * 1.02 ** np.arange(math.ceil(math.log(n / 513 + 1, 1.02)) + 1))
        from_first = np.concatenate([edges, more[more <= n]])
        # The oldest steps may be the longest: fine blocks at that end too.
        edges = np.unique(np.concatenate([from_first, n + 2 - from_first]))
    first, end = edges[:-1], edges[1:]
    squares = total(schedule, n + 1, 2) - total(schedule, np.maximum(n - end + 1, 0.0), 2)
    return float(np.sum((1 / first - 1 / end) * squares))
