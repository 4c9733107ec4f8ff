"""When a run ends."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from wengert.optimize.krylov import gap_estimate
from wengert.optimize.methods import Ending
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector


@dataclass(frozen=True)
class Stop:
    """The criteria that end a run: the first one that is met does.

    Attributes
    ----------
    gap : float, optional
        f(θ) − f* at most so much. f* is ``minimum``, if it is given; otherwise the gap is
        estimated by ½ ∇f·H⁻¹∇f, what Newton's step would gain, which near a minimum with positive
        curvature is the gap.
    gradient : float, optional
        ‖∇f(θ)‖ at most so much.
    relative : float, optional
        ‖∇f(θ)‖ at most so much times ‖∇f(θ₀)‖.
    target : float, optional
        f(θ) at most so much.
    steps : int, optional
        So many steps.
    seconds : float, optional
        So many seconds, those before a run was resumed included.
    minimum : float, optional
        f*, if it is known.

    Notes
    -----
    What regards the loss or the gradient is tested whenever the loss of all data is recorded.
    Without any of ``gap``, ``gradient``, ``relative`` and ``target`` a run ends by its steps or
    seconds, or where the method does.
    """

    gap: float | None = None
    gradient: float | None = None
    relative: float | None = None
    target: float | None = None
    steps: int | None = None
    seconds: float | None = None
    minimum: float | None = None

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or np.isnan(value):
                raise ValueError(f"Stop({one.name}=...) must be a number; got {value!r}")
            if one.name not in ("target", "minimum") and value < 0:
                raise ValueError(f"Stop({one.name}=...) must be 0 or more; got {value!r}")
        if self.steps is not None and self.steps != int(self.steps):
            raise ValueError(f"Stop(steps=...) must be a whole number; got {self.steps!r}")

    @property
    def bounded(self) -> bool:
        """Whether a run ends for certain."""
        return self.steps is not None or self.seconds is not None


USUAL = Stop(relative=1e-8, steps=10_000)


@dataclass
class Judge:
    """Holds a run against its criteria.

    Attributes
    ----------
    stop : Stop
        The criteria.
    first : float
        ‖∇f(θ₀)‖.
    trigger : float
        The gap is estimated when the gradient's norm is below this.
    gap : float
        The last estimate.
    """

    stop: Stop
    first: float
    trigger: float = field(default=np.inf)
    gap: float = field(default=np.inf)

    def at_limit(self, step: int, seconds: float) -> Ending | None:
        """Why there is no time for another step, if there is none."""
        stop = self.stop
        if stop.steps is not None and step >= stop.steps:
            return Ending("steps", f"all {stop.steps} steps were taken")
        if stop.seconds is not None and seconds >= stop.seconds:
            return Ending("seconds", f"{stop.seconds:g} seconds have passed")
        return None

    def at_goal(self, problem: Problem, x: Vector, value: float, gradient: Vector) -> Ending | None:
        """The criterion that a point meets, if it meets one."""
        stop = self.stop
        norm = float(np.linalg.norm(gradient))
        if stop.target is not None and value <= stop.target:
            return Ending("converged", f"the loss {value:.6g} reached the target {stop.target:g}")
        if stop.gradient is not None and norm <= stop.gradient:
            return _goal(f"‖∇f‖ = {norm:.3g} is at most {stop.gradient:g}")
        if stop.relative is not None and norm <= stop.relative * self.first:
            return _goal(f"‖∇f‖ = {norm:.3g} is at most {stop.relative:g} of ‖∇f(θ₀)‖")
        if norm == 0:
            return _goal("the gradient is zero")
        if stop.gap is not None and self._gap(problem, x, value, gradient, norm) <= stop.gap:
            how = "the" if stop.minimum is not None else "the estimated"
            return _goal(f"{how} gap {self.gap:.3g} is at most {stop.gap:g}")
        return None

    def _gap(
        self, problem: Problem, x: Vector, value: float, gradient: Vector, norm: float
    ) -> float:
        """The gap, which is estimated anew only where it may have become small enough."""
        stop = self.stop
        assert stop.gap is not None
        if stop.minimum is not None:
            self.gap = value - stop.minimum
            return self.gap
        if norm > self.trigger:
            return np.inf
        self.gap, _ = gap_estimate(problem.product(x), gradient)
        nearer = np.sqrt(stop.gap / self.gap) if 0 < self.gap < np.inf else 0.5
        self.trigger = norm * min(0.9, max(nearer, 0.05))
        return self.gap


def _goal(message: str) -> Ending:
    return Ending("converged", message)


def stated(stop: Stop) -> dict[str, Any]:
    """The criteria that were given."""
    return {
        f.name: getattr(stop, f.name) for f in fields(stop) if getattr(stop, f.name) is not None
    }
