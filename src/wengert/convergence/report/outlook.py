"""What is known of one method on one problem: theorem, forecast, measurement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite
from typing import Any

import numpy as np

from wengert.convergence.facts import Curve, StepsTo
from wengert.convergence.forecasts.forecast import Forecast
from wengert.convergence.report.choices import Choice
from wengert.convergence.report.measured import Measured
from wengert.convergence.report.rates import Rate
from wengert.convergence.theorems import Silence
from wengert.convergence.theorems.theorem import Applied

_SLACK = 1 + 1e-6  # of a bound, for rounding


@dataclass(frozen=True, eq=False)
class Outlook:
    """A method, with what theorems promise, what the forecast says, and what runs have shown.

    Attributes
    ----------
    choice : Choice
        The method, its name and label.
    eps : float
        The gap that is asked for.
    theorems : tuple of Applied
        Of this method, judged, the best first.
    silences : tuple of Silence
        Why there is none, of methods without theorems.
    forecast : Forecast or None
        Made before the run.
    unforeseen : str
        Why there is no forecast, if there is none.
    measured : Measured or None
        The runs, if there were any.
    rate : Rate or None
        Of the measured curve.
    samples_per_step : float
        Rows that a step evaluates.
    quantity : str
        "gap", or "squared gradient" of nonconvex functions.
    """

    choice: Choice
    eps: float
    theorems: tuple[Applied, ...] = ()
    silences: tuple[Silence, ...] = ()
    forecast: Forecast | None = None
    unforeseen: str = ""
    measured: Measured | None = None
    rate: Rate | None = None
    samples_per_step: float = float("nan")
    quantity: str = "gap"

    @property
    def label(self) -> str:
        """For a legend."""
        return self.choice.label

    @cached_property
    def bounds(self) -> tuple[Applied, ...]:
        """The theorems that apply and speak of the quantity that is asked for, the best first."""
        found = [t for t in self.theorems if t.applies and self._speaks(t)]
        return tuple(sorted(found, key=lambda t: not isfinite(t.steps_to(self.eps))))

    def _speaks(self, applied: Applied) -> bool:
        own = applied.theorem.quantity
        if self.quantity != "gap":
            return own == self.quantity
        return own in ("gap", "squared distance") and applied.steps_to(self.eps) > 0

    @cached_property
    def theorem(self) -> Applied | None:
        """The theorem that applies: the best that no run has contradicted; None without."""
        return next((t for t in self.bounds if self.broken_at(t) is None), None)

    def broken_at(self, applied: Applied) -> int | None:
        """The first step at which the measured curve lies above a theorem's bound, if it does."""
        measured = self.measured
        if measured is None or measured.curve.quantity != self.quantity:
            return None
        bound = self._curve(applied, measured.curve.steps)
        if bound is None:
            return None
        value = np.asarray(measured.curve.value, float)
        slack = np.asarray(bound.value, float) * _SLACK + 1e-6 * self.eps
        broken = np.flatnonzero(value > slack)
        return int(measured.curve.steps[broken[0]]) if len(broken) else None

    @property
    def guaranteed(self) -> float:
        """Steps to eps by the theorem; infinite without one."""
        return inf if self.theorem is None else float(self.theorem.steps_to(self.eps))

    @property
    def foreseen(self) -> StepsTo | None:
        """Steps to eps by the forecast."""
        return None if self.forecast is None else self.forecast.steps_to(self.eps)

    @property
    def seconds_per_step(self) -> float:
        """As measured, or as the pilot says."""
        if self.measured is not None and isfinite(self.measured.seconds_per_step):
            return self.measured.seconds_per_step
        return float("nan") if self.forecast is None else float(self.forecast.seconds_per_step)

    @property
    def steps(self) -> float:
        """To eps, measured; foreseen without a run, or where the run was ended by its budget."""
        if self.measured is not None and self.measured.reached:
            return self.measured.steps.value
        if self.measured is not None and self.measured.status not in ("budget", "interrupted"):
            return inf
        found = self.foreseen
        return inf if found is None else found.value

    def bound(self, steps: Any) -> Curve | None:
        """The guarantee at some steps."""
        return None if self.theorem is None else self._curve(self.theorem, steps)

    def _curve(self, applied: Applied, steps: Any) -> Curve | None:
        return applied.gap_curve(steps) if self.quantity == "gap" else applied.curve(steps)

    def shown_until(self) -> float:
        """Up to which step a figure shows this method."""
        found = self.foreseen
        ends = [10.0]
        if self.measured is not None:
            ends.append(float(self.measured.curve.steps[-1]))
        if found is not None and isfinite(found.value):
            ends.append(1.15 * found.value)
        elif self.measured is None and isfinite(self.guaranteed):
            ends.append(1.15 * self.guaranteed)
        return max(ends)
