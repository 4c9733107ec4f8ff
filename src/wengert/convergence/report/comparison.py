"""Several methods side by side: steps, rows and seconds to eps, and for which eps they cross."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from wengert.convergence.facts import Curve
from wengert.convergence.report.outlook import Outlook
from wengert.convergence.report.words import count, span
from wengert.expectation.report import Table

_POINTS = 800


@dataclass(frozen=True)
class Crossing:
    """Two methods that change places as the gap falls.

    Attributes
    ----------
    before, after : str
        Labels: which one is ahead above this gap, and which below.
    unit : str
        "seconds" or "rows": what is spent.
    foreseen, measured : tuple of float or None
        The gap where they are equal, and what was spent there: by forecasts, and by runs.
    """

    before: str
    after: str
    unit: str
    foreseen: tuple[float, float] | None
    measured: tuple[float, float] | None

    def __str__(self) -> str:
        parts: list[str] = []
        for point, how in ((self.foreseen, "forecast"), (self.measured, "measured")):
            if point is not None:
                spent = span(point[1]) if self.unit == "seconds" else f"{count(point[1])} rows"
                parts.append(f"{point[0]:.2g} after {spent} ({how})")
        return (
            f"{self.before} is ahead down to a gap of {', '.join(parts)}; below it {self.after} is"
        )

    def to_dict(self) -> dict[str, Any]:
        """Numbers and text, as JSON takes them."""
        return {
            "before": self.before,
            "after": self.after,
            "unit": self.unit,
            "foreseen": self.foreseen and list(self.foreseen),
            "measured": self.measured and list(self.measured),
        }


@dataclass(frozen=True)
class Point:
    """Where two curves cross.

    Attributes
    ----------
    place : float
        What was spent.
    gap : float
        The gap there.
    first_before : bool
        Whether the first curve is the lower one before it.
    """

    place: float
    gap: float
    first_before: bool


def crossing_points(one: Curve, other: Curve, costs: Sequence[float]) -> list[Point]:
    """Where two curves cross.

    Parameters
    ----------
    one, other : Curve
        Gaps by step.
    costs : sequence of two floats
        What a step of each costs.

    Examples
    --------
    >>> t = np.arange(1.0, 200.0)
    >>> first, second = Curve(t, 1 / t), Curve(t, 4 / t**2)
    >>> found = crossing_points(first, second, (1.0, 1.0))[0]
    >>> round(found.place, 2), round(found.gap, 2), found.first_before
    (4.0, 0.25, True)
    """
    if not all(isfinite(c) and c > 0 for c in costs):
        return []
    curves = [_logarithms(c, s) for c, s in zip((one, other), costs, strict=True)]
    if min(len(x) for x, _ in curves) < 2:
        return []
    first = max(float(x[0]) for x, _ in curves)
    last = min(float(x[-1]) for x, _ in curves)
    if not first < last:
        return []
    at: Any = np.linspace(first, last, _POINTS)
    logs: list[Any] = [np.interp(at, x, y) for x, y in curves]
    apart: Any = logs[0] - logs[1]
    found: list[Point] = []
    for k in np.flatnonzero(np.sign(apart[1:]) * np.sign(apart[:-1]) < 0):
        share = apart[k] / (apart[k] - apart[k + 1])
        place = (1 - share) * at[k] + share * at[k + 1]
        level = (1 - share) * logs[0][k] + share * logs[0][k + 1]
        found.append(Point(float(np.exp(place)), float(np.exp(level)), bool(apart[k] < 0)))
    return found


def _logarithms(curve: Curve, cost: float) -> tuple[Any, Any]:
    steps, value = np.asarray(curve.steps, float), np.asarray(curve.value, float)
    good = (steps > 0) & (value > 0) & np.isfinite(value)
    return np.log(steps[good] * cost), np.log(value[good])


def crossings_of(
    outlooks: Sequence[Outlook], least: float = 0.0, unit: str = "seconds"
) -> list[Crossing]:
    """The last crossing of each two methods, as forecast and as measured.

    Parameters
    ----------
    outlooks : sequence of Outlook
        The methods.
    least : float
        Crossings at smaller gaps do not count.
    unit : str
        "seconds" or "rows".
    """
    found: list[Crossing] = []
    for k, one in enumerate(outlooks):
        for other in outlooks[k + 1 :]:
            foreseen = _last(one, other, unit, [_forecast(one), _forecast(other)], least)
            measured = _last(one, other, unit, [_measured(one), _measured(other)], least)
            if foreseen and measured and foreseen.first_before != measured.first_before:
                foreseen = None  # they tell of different crossings: the runs are believed
            known = measured or foreseen
            if known is None:
                continue
            first, second = (one, other) if known.first_before else (other, one)
            pairs = [p and (p.gap, p.place) for p in (foreseen, measured)]
            found.append(Crossing(first.label, second.label, unit, *pairs))
    return found


def _last(
    one: Outlook, other: Outlook, unit: str, curves: Sequence[Curve | None], least: float
) -> Point | None:
    if curves[0] is None or curves[1] is None:
        return None
    costs = [o.seconds_per_step if unit == "seconds" else o.samples_per_step for o in (one, other)]
    points = [p for p in crossing_points(curves[0], curves[1], costs) if p.gap >= least]
    return points[-1] if points else None


def _forecast(outlook: Outlook) -> Curve | None:
    return None if outlook.forecast is None else outlook.forecast.curve


def _measured(outlook: Outlook) -> Curve | None:
    return None if outlook.measured is None else outlook.measured.curve


def table_of(outlooks: Sequence[Outlook]) -> Table:
    """Steps, rows and seconds to eps, a line for each method."""
    columns = (
        "method", "theorem", "guarantee", "forecast", "measured", "rows", "a step", "time"
    )  # fmt: skip
    return Table(columns, tuple(map(_cells, outlooks)), words=frozenset({0, 1}))


def _cells(outlook: Outlook) -> tuple[str, ...]:
    steps = outlook.steps
    measured = outlook.measured
    shown = "–"
    if measured is not None:
        last = float(measured.curve.steps[-1])
        shown = count(measured.steps.value) if measured.reached else f"> {count(last)}"
        if measured.status == "diverged":
            shown = "diverged"
    known = isfinite(steps)
    best = outlook.theorem
    return (
        outlook.label,
        "–" if best is None else best.theorem.rate,
        count(outlook.guaranteed) if best is not None else "–",
        _foreseen(outlook),
        shown,
        count(steps * outlook.samples_per_step) if known else "–",
        span(outlook.seconds_per_step),
        span(steps * outlook.seconds_per_step) if known else "–",
    )


def _foreseen(outlook: Outlook) -> str:
    """Steps to eps; where the forecast ends above it and still falls, that they are more."""
    forecast, found = outlook.forecast, outlook.foreseen
    if forecast is None or found is None:
        return "–"
    value = np.asarray(forecast.curve.value, float)
    if isfinite(found.value) or forecast.floor > outlook.eps or not value[-1] < 0.9 * value[0]:
        return count(found.value)
    return f"> {count(float(forecast.curve.steps[-1]))}"


def fastest(outlooks: Sequence[Outlook]) -> Outlook | None:
    """The method that reaches eps in the least time; None if none does."""
    timed = [(o.steps * o.seconds_per_step, k) for k, o in enumerate(outlooks) if isfinite(o.steps)]
    timed = [pair for pair in timed if isfinite(pair[0])]
    return outlooks[min(timed)[1]] if timed else None
