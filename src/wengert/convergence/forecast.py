"""How many steps a method needs until the gap is eps, said before the run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.convergence.expected import companion, expected
from wengert.convergence.facts import Curve, StepsTo, first_below
from wengert.convergence.local import Local, followed, local_model
from wengert.convergence.pilot import Metered, Minimum, Pilot, find_minimum, run_pilot
from wengert.convergence.recursions import Linear, blocks, linear, mean_path
from wengert.optimize.minimize import problem_of
from wengert.optimize.problem import Problem
from wengert.optimize.space import Tree, Vector
from wengert.optimize.stochastic import SGD

_PILOT = 20
_BUDGET = 400.0
_LONGEST = 10_000_000  # steps that are looked ahead
_LEAST = 0.03  # relative width of the interval on each side


@dataclass(frozen=True, eq=False)
class Forecast:
    """The gap of a run by step, before it is run.

    Attributes
    ----------
    method : Method
        What is forecast.
    eps : float
        The gap that was asked for.
    curve : Curve
        The gap (its mean, if runs are random), with a band; the pilot's part is measured.
    gap0 : float
        f(θ₀) − f*.
    minimum : float
        f*.
    minimum_error : float
        Of it.
    pilot : int
        Steps of the method that were taken.
    cost : float
        What all of it cost, in gradients of all data.
    seconds_per_step : float
        As measured in the pilot.
    confidence : str
        "high", "moderate" or "low", and why.
    how : tuple of str
        How it was made, a sentence each.
    floor : float
        The gap below which the mean does not fall (methods with noise and a fixed step).
    """

    method: Any
    eps: float
    curve: Curve
    gap0: float
    minimum: float
    minimum_error: float
    pilot: int
    cost: float
    seconds_per_step: float
    confidence: str
    how: tuple[str, ...]
    floor: float = 0.0

    def steps_to(self, eps: float | None = None) -> StepsTo:
        """The steps until the gap stays at most eps (by default: what was asked for)."""
        eps = self.eps if eps is None else eps
        c = self.curve
        low, high = (first_below(c.steps, side, eps) for side in (c.low, c.high))
        return StepsTo(eps, c.first_below(eps), low, high)

    def seconds_to(self, eps: float | None = None) -> StepsTo:
        """The same in seconds."""
        found, pace = self.steps_to(eps), self.seconds_per_step
        return StepsTo(found.eps, found.value * pace, found.low * pace, found.high * pace)

    def __str__(self) -> str:
        found = self.steps_to()
        if np.isfinite(found.value):
            goal = f"gap {self.eps:g} after {_count(found.value)} steps"
            goal += f" ({_count(found.low)} to {_count(found.high)})"
            goal += f", {found.value * self.seconds_per_step:.3g} s"
        else:
            goal = f"gap {self.eps:g} is not reached in {_count(self.curve.steps[-1])} steps"
        lines = [
            f"forecast    {goal}",
            f"gap at θ₀   {self.gap0:.4g}, with f* = {self.minimum:.8g} ± {self.minimum_error:.1g}",
            f"confidence  {self.confidence}",
            f"cost        {self.cost:.0f} gradients, of which {self.pilot} steps of the method",
        ]
        if self.floor:
            lines.insert(2, f"floor       {self.floor:.3g}")
        return "\n".join([*lines, *(f"            {line}" for line in self.how)])


def _count(steps: float) -> str:
    return f"{steps:,.0f}" if np.isfinite(steps) else "∞"


def forecast(
    objective: Any,
    theta0: Tree,
    method: Any,
    eps: float = 1e-3,
    *,
    given: Mapping[str, Any] | None = None,
    pilot: int = _PILOT,
    budget: float = _BUDGET,
    seed: int = 0,
) -> Forecast:
    """How many steps a method will need until f(θ) − f* is eps.

    Parameters
    ----------
    objective, theta0, given, seed
        As for :func:`wengert.minimize`.
    method : Method
        What is to be run.
    eps : float
        The gap.
    pilot : int
        Steps of the method that are taken to look at it.
    budget : float
        What finding the minimum by Newton's method may cost, in gradients of all data.

    Raises
    ------
    ValueError
        For a gap that is not positive.

    Examples
    --------
    >>> import wengert as wg
    >>> a = np.array([1.0, 10.0, 100.0])
    >>> found = forecast(lambda x: np.sum(a * x**2) / 2, np.ones(3), wg.GradientDescent(0.01), 1e-6)
    >>> round(found.steps_to().value)
    653
    """
    if not 0 < eps < np.inf:
        raise ValueError(f"eps is a gap, a positive number; got {eps!r}")
    problem = Metered(problem_of(objective, theta0, given, seed))
    with np.errstate(all="ignore"):
        return forecast_of(problem, problem.space.vector(theta0), method, eps, pilot, budget)


def forecast_of(
    problem: Metered, x: Vector, method: Any, eps: float, pilot: int, budget: float
) -> Forecast:
    """The same for a problem and a vector."""
    begun = run_pilot(problem, method, x, pilot)
    if isinstance(method, SGD):
        return _stochastic(problem, x, method, eps, begun, pilot, budget)
    minimum = find_minimum(problem, begun.state.x, 1e-4 * eps, budget)
    local = local_model(problem, minimum, begun.state.x)
    recursion = linear(method, begun.state.length)
    assert recursion is not None
    z = local.start(recursion, begun.state)
    first = begun.state.step
    at = _horizon(recursion, local, z, first, eps)
    path = followed(problem, local, recursion, z, at, eps)
    width = _LEAST + path.change
    steps = np.concatenate([begun.steps, at[1:]])
    gap = np.concatenate([begun.loss - minimum.value, path.gap[1:]])
    curve = banded(steps, gap, first, width)
    return Forecast(
        method, eps, curve, float(gap[0]), minimum.value, minimum.error, first, problem.cost,
        begun.seconds_per_step, "high", (f"{path.sweeps} sweeps, change {path.change:.2g}",)
    )


def _stochastic(problem, x, method, eps, begun, pilot, budget):
    lead = companion(problem, method, x, pilot)
    minimum = find_minimum(problem, lead.state.x, 1e-4 * eps, budget)
    local = local_model(problem, minimum, x)
    recursion = linear(method, 0.0)
    found = expected(problem, local, method, recursion, lead, eps)
    curve = banded(found.at, found.mean + found.scatter, 0, 0.3 + found.change)
    return Forecast(
        method, eps, curve, float(found.mean[0]), minimum.value, minimum.error, begun.state.step, problem.cost,
        begun.seconds_per_step, "moderate", (f"change {found.change:.2g}",), found.floor
    )


def _horizon(method: Linear, local: Local, z: Any, first: int, eps: float) -> Any:
    """Ends of blocks until the model's gap is well below eps."""
    last = 64
    while True:
        at = blocks(method, first, first + last)
        gap = local.gap(mean_path(method, local.values, z, at) @ method.last)
        after = first_below(at, gap, 0.1 * eps)
        if np.isfinite(after):
            return at[: int(np.searchsorted(at, after)) + 2]
        if last >= _LONGEST:
            return at
        last *= 4


def banded(steps: Any, gap: Any, known: int, width: float) -> Curve:
    """A curve whose steps may be off by a share of those after the known ones, and by one more."""
    after = np.maximum(steps - known, 0.0)
    logs = np.log(np.maximum(gap, 1e-300))

    def at(when: Any) -> Any:
        return np.exp(np.interp(when, steps, logs))

    soon = np.where(after > 0, known + after * (1 + width) + 1, steps)
    late = np.where(after > 0, np.maximum(known, known + (after - 1) / (1 + width)), steps)
    return Curve(steps, gap, at(soon), at(late))
