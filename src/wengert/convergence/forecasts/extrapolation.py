"""Where a curve goes on, if nothing is known but its beginning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_LIMITS = 60  # guesses of the limit
_FEWEST = 4  # records that a fit needs


@dataclass(frozen=True, eq=False)
class Trend:
    """A fit of the later half of a curve.

    Attributes
    ----------
    limit : float
        What it falls to.
    kind : str
        "exponential" or "power".
    rate : float
        r of exp(−r t), or p of (t + 1)⁻ᵖ.
    scale : float
        The factor before it.
    error : float
        Of the logarithm of the gap, root mean square.
    """

    limit: float
    kind: str
    rate: float
    scale: float
    error: float

    def gap(self, steps: Any) -> Any:
        """What is left at steps."""
        t = np.asarray(steps, float)
        if self.kind == "exponential":
            return self.scale * np.exp(-self.rate * t)
        return self.scale * (t + 1) ** -self.rate


def trends(steps: Any, values: Any, limit: float | None = None) -> list[Trend]:
    """Fits of a falling curve, the best first; none where it does not fall.

    Parameters
    ----------
    steps, values : ndarray
        The curve.
    limit : float, optional
        What it falls to, if it is known; otherwise it is fitted, at most 10 times as far below as
        the later half has fallen.

    Examples
    --------
    >>> t = np.arange(40)
    >>> best = trends(t, 1 + 2 / (t + 1))[0]
    >>> best.kind, abs(best.limit - 1) < 0.01, abs(best.rate - 1) < 0.05
    ('power', True, True)
    """
    half = len(steps) // 2
    t, f = np.asarray(steps[half:], float), np.asarray(values[half:], float)
    if len(t) < _FEWEST or not np.all(np.isfinite(f)) or not f[-1] < f[0]:
        return []
    fall = float(f[0] - f[-1])
    below = np.geomspace(1e-4, 10, _LIMITS) * fall
    limits = [limit] if limit is not None else list(np.min(f) - below)
    found: list[Trend] = []
    for kind, axis in (("exponential", t), ("power", np.log1p(t))):
        fits = [fit for c in limits if (fit := _fit(kind, axis, f, float(c))) is not None]
        if fits:
            found.append(min(fits, key=lambda one: one.error))
    return sorted(found, key=lambda one: one.error)


def _fit(kind: str, axis: Any, values: Any, limit: float) -> Trend | None:
    gap = values - limit
    if np.min(gap) <= 0:
        return None
    slope, start = np.polyfit(axis, np.log(gap), 1)
    if not slope < 0:
        return None
    error = float(np.sqrt(np.mean((np.log(gap) - slope * axis - start) ** 2)))
    return Trend(limit, kind, -float(slope), float(np.exp(start)), error)
