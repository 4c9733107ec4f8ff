"""Which method to use at which gap: forecasts at a ladder of gaps, with steps tuned to each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log
from typing import Any

import numpy as np

from wengert.convergence.report.outlook import Outlook
from wengert.convergence.report.words import count, span
from wengert.expectation.report import Table

_DECADES = (2, 1, 0, -1, -2)  # of the gaps beside eps

Foresee = Callable[[Outlook, float], float]
"""The steps to a gap, by a forecast of the method with the step size for that gap."""


@dataclass(frozen=True)
class Ladder:
    """Steps and seconds by forecast, at several gaps.

    Attributes
    ----------
    gaps : tuple of float
        Descending.
    labels : tuple of str
        The methods.
    steps : tuple of tuple of float
        By method, then by gap.
    pace, rows : tuple of float
        Seconds and rows of a step, by method.
    """

    gaps: tuple[float, ...]
    labels: tuple[str, ...]
    steps: tuple[tuple[float, ...], ...]
    pace: tuple[float, ...]
    rows: tuple[float, ...]

    def seconds(self, method: int, gap: int) -> float:
        """To a gap."""
        return self.steps[method][gap] * self.pace[method]

    def best(self, gap: int, costs: tuple[float, ...]) -> int | None:
        """The method with the least steps times costs to a gap; None if none gets there."""
        spent = [self.steps[k][gap] * cost for k, cost in enumerate(costs)]
        known = [(t, k) for k, t in enumerate(spent) if isfinite(t)]
        return min(known)[1] if known else None

    def changes(self, costs: tuple[float, ...]) -> list[tuple[float, int, int]]:
        """Gaps at which another method becomes the best: the gap, and both methods.

        Parameters
        ----------
        costs : tuple of float
            Of a step of each method: ``pace`` or ``rows``.
        """
        found: list[tuple[float, int, int]] = []
        for g in range(len(self.gaps) - 1):
            one, other = self.best(g, costs), self.best(g + 1, costs)
            if one is None or other is None or one == other:
                continue
            apart = [
                log(self.steps[one][k] * costs[one] / (self.steps[other][k] * costs[other]))
                if isfinite(self.steps[one][k]) and isfinite(self.steps[other][k])
                else inf
                for k in (g, g + 1)
            ]
            share = 0.5 if not all(map(isfinite, apart)) else apart[0] / (apart[0] - apart[1])
            level = (1 - share) * log(self.gaps[g]) + share * log(self.gaps[g + 1])
            found.append((exp(level), one, other))
        return found

    def growth(self, method: int) -> float:
        """The p with which steps grow as (1/ε)^p over all gaps; NaN if they are not known."""
        steps = np.array(self.steps[method])
        good = np.isfinite(steps) & (steps >= 1)
        if np.count_nonzero(good) < 2:
            return float("nan")
        return float(-np.polyfit(np.log(np.array(self.gaps)[good]), np.log(steps[good]), 1)[0])

    @property
    def table(self) -> Table:
        """A line for each gap."""
        heads = [head for label in self.labels for head in (label, "time")]
        rows = [
            (
                f"{gap:.2g}",
                *(cell for k in range(len(self.labels)) for cell in self._cells(k, g)),
                self._name(self.best(g, self.pace)),
            )
            for g, gap in enumerate(self.gaps)
        ]
        last = 2 * len(self.labels) + 1
        return Table(("ε", *heads, "fastest"), tuple(rows), words=frozenset({0, last}))

    def _cells(self, method: int, gap: int) -> tuple[str, str]:
        steps = self.steps[method][gap]
        if not isfinite(steps):
            return "–", "–"
        return count(steps), span(self.seconds(method, gap))

    def _name(self, method: int | None) -> str:
        return "–" if method is None else self.labels[method]

    @property
    def sentences(self) -> list[str]:
        """What the table says."""
        found: list[str] = []
        for costs, what in (
            (self.pace, "is the fastest"),
            (self.rows, "evaluates the fewest rows"),
        ):
            found += [
                f"{self.labels[one]} {what} down to ε = {gap:.2g}, {self.labels[other]} below"
                for gap, one, other in self.changes(costs)
            ]
            always = {self.best(g, costs) for g in range(len(self.gaps))}
            if len(always) == 1 and None not in always:
                found.append(f"{self._name(always.pop())} {what} at all of these gaps")
        powers = [(self.growth(k), label) for k, label in enumerate(self.labels)]
        known = [f"{label} p = {power:.2g}" for power, label in powers if isfinite(power)]
        if known and len(self.gaps) > 2:
            found.append(
                f"from ε = {self.gaps[0]:.2g} to {self.gaps[-1]:.2g} steps grow like (1/ε)^p: "
                f"{', '.join(known)} (in the lecture's worst cases gradient descent has p = 1 and "
                "SGD p = 2)"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Numbers and text, as JSON takes them."""
        return {
            "gaps": list(self.gaps),
            "methods": {
                label: {
                    "steps": [s if isfinite(s) else None for s in self.steps[k]],
                    "seconds_per_step": self.pace[k] if isfinite(self.pace[k]) else None,
                    "rows_per_step": self.rows[k] if isfinite(self.rows[k]) else None,
                }
                for k, label in enumerate(self.labels)
            },
            "changes": [
                {"gap": gap, "before": self.labels[one], "after": self.labels[other], "unit": unit}
                for unit, costs in (("seconds", self.pace), ("rows", self.rows))
                for gap, one, other in self.changes(costs)
            ],
        }


def ladder_of(
    outlooks: Sequence[Outlook],
    eps: float,
    first: float,
    least: float,
    foresee: Foresee,
    more: Callable[[], bool] = lambda: True,
) -> Ladder | None:
    """Forecasts at gaps around eps; None without two methods that have forecasts.

    Parameters
    ----------
    outlooks : sequence of Outlook
        The methods.
    eps, first, least : float
        The gap that is asked for, the one at the start, and the smallest that makes sense.
    foresee : callable
        ``foresee(outlook, gap)``: the steps to it.
    more : callable
        Whether there is time for another gap, after the first two.
    """
    known = [o for o in outlooks if o.forecast is not None]
    gaps = [eps * 10.0**k for k in _DECADES]
    gaps = [gap for gap in gaps if least < gap < first / 2]
    if len(known) < 2 or len(gaps) < 2:
        return None
    columns: list[list[float]] = []
    for gap in gaps:
        if len(columns) > 1 and not more():
            break
        columns.append([foresee(outlook, gap) for outlook in known])
    return Ladder(
        tuple(gaps[: len(columns)]),
        tuple(o.label for o in known),
        tuple(zip(*columns, strict=True)),
        tuple(o.seconds_per_step for o in known),
        tuple(o.samples_per_step for o in known),
    )
