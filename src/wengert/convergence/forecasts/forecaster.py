"""A forecast that follows a run: how many steps, and how much time, are left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.convergence.facts import Curve, StepsTo, first_below

_RECENT = 200  # records that the pace is taken from


class Forecaster:
    """Holds a run against its forecast.

    Where the run is on the forecast's curve is told by its gap; what is left of the curve from
    there is stretched by how the run has gone along it so far.

    Parameters
    ----------
    curve : Curve
        The forecast.
    minimum : float
        f*.
    steps_to : callable
        The forecast's interval for a gap.
    pace : float
        Seconds per step, until the run shows its own.
    noisy : bool
        Whether single records scatter around the curve; then the step alone tells where the run is.

    Examples
    --------
    >>> t = np.arange(101)
    >>> curve = Curve(t, 0.9**t)
    >>> found = Forecaster(curve, 0.0, lambda e: StepsTo(e, 44, 40, 50), 0.1)
    >>> for step in range(0, 11, 2):  # half as fast as it was forecast
    ...     found.observe(step, 0.9 ** (step / 2), 1.0, 0.2 * step)
    >>> round(found.steps_left(0.01)), round(found.seconds_left(0.01), 1)
    (78, 15.6)
    """

    def __init__(
        self,
        curve: Curve,
        minimum: float,
        steps_to: Callable[[float], StepsTo],
        pace: float,
        noisy: bool = False,
    ) -> None:
        self.curve = curve
        self.minimum = minimum
        self._steps_to = steps_to
        self._pace = pace
        self._noisy = noisy
        self._seen: list[tuple[float, ...]] = []

    def observe(self, step: int, loss: float, gradient_norm: float, seconds: float) -> None:
        """A record of the run."""
        self.observe_gap(step, loss - self.minimum, seconds)

    def observe_gap(self, step: int, gap: float, seconds: float) -> None:
        """The same, where the gap is known."""
        if self._seen and step <= self._seen[-1][0]:
            self._seen.clear()
        at = float(step) if self._noisy else self._place(gap)
        self._seen.append((step, gap, at, seconds))
        del self._seen[: -2 * _RECENT]

    def _place(self, gap: float) -> float:
        """The step at which the curve has a gap."""
        steps, value = np.asarray(self.curve.steps), np.asarray(self.curve.value)
        if not gap > 0:
            return float(steps[-1])
        return min(first_below(steps, value, gap), float(steps[-1]))

    def steps_left(self, eps: float) -> float:
        """Until the gap is at most eps; infinite where it is never."""
        whole = self._steps_to(eps).value
        if not self._seen:
            return whole
        _, gap, at, _ = self._seen[-1]
        if gap <= eps:
            return 0.0
        if not self._noisy and at >= whole:
            return 1.0
        return max(1.0, (whole - at) * self._stretch())

    def _stretch(self) -> float:
        """Steps of the run for each of the curve."""
        seen = np.array(self._seen)
        later = seen[len(seen) // 2 :]
        first = later[0] if len(later) > 2 else seen[0]
        run, curve = seen[-1][0] - first[0], seen[-1][2] - first[2]
        return float(np.clip(run / curve, 0.2, 5.0)) if run > 0 and curve > 0 else 1.0

    def seconds_left(self, eps: float) -> float | None:
        """The same in seconds; None where the gap is never reached."""
        left = self.steps_left(eps) * self._seconds_per_step()
        return left if np.isfinite(left) else None

    def _seconds_per_step(self) -> float:
        if len(self._seen) < 3:
            return self._pace
        seen: Any = np.array(self._seen[1:])  # the first step compiles
        steps = seen[-1][0] - seen[0][0]
        return float((seen[-1][3] - seen[0][3]) / steps) if steps > 0 else self._pace
