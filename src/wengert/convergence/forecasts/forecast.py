"""How many steps a method needs until the gap is eps, said before the run.

A short pilot of the method, and from its end Newton's steps to the minimum; there the Hessian, and
on it the method's own recursion, eigenvalue by eigenvalue, corrected by gradients on its path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.convergence.constants.reference import Reference
from wengert.convergence.facts import Curve, StepsTo, first_below
from wengert.convergence.forecasts.expected import companion, expected
from wengert.convergence.forecasts.extrapolation import Trend, trends
from wengert.convergence.forecasts.forecaster import Forecaster
from wengert.convergence.forecasts.local import Local, Path, followed, local_model
from wengert.convergence.forecasts.metered import Metered
from wengert.convergence.forecasts.minimum import DENSE, Minimum, find_minimum, lowest
from wengert.convergence.forecasts.pilot import Pilot, run_pilot
from wengert.convergence.forecasts.recursions import (
    RAISED,
    Linear,
    Powers,
    blocks,
    linear,
    mean_path,
    radius,
)
from wengert.convergence.forecasts.surrogate import simulated
from wengert.optimize.descent import GradientDescent
from wengert.optimize.minimize import posed
from wengert.optimize.newton import GaussNewton, LevenbergMarquardt, Newton, NewtonCG, TrustRegion
from wengert.optimize.space import Tree, Vector
from wengert.optimize.steps import Backtracking
from wengert.optimize.stochastic import SGD

_LONGEST = 10_000_000  # steps that are looked ahead
_SIMULATED = 20_000  # the same, of a method that is run step by step
_NEAR = 1e-2  # of eps: how exact f* has to be
_FEW = 4  # steps of the pilot of Newton's methods
_MORE = 5  # times as many steps where the pilot is all there is, or epochs
_MOST = 5000  # steps of such a pilot
_GUESSED = 2.0  # factor of the gap where nobody knows f*, or of a single run with batches
_LEAST = 0.03  # width of intervals, on each side
_STEPPED = 0.25  # the same for line searches
_SCATTERED = 0.1  # the same for batches
_FLAT = 1.0  # logarithm of the gap over the model's, at a point near the minimum
_SHAKY = 0.5  # change of the steps by the last correction
_SWINGING = 1.25  # factor of the gap where it may rise again: which wave is the last one?
_UNSURE = 1.3  # factor of the gap of batches
_SUPERLINEAR = (Newton, NewtonCG, TrustRegion, GaussNewton, LevenbergMarquardt)


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
    minimum, minimum_error : float
        f*, and about how far above the true one it is; infinite if it is a guess.
    pilot : int
        Steps of the method that were taken.
    cost : float
        What all of it cost, in gradients of all data; see :class:`Metered`.
    seconds : float
        The same, compiling included.
    seconds_per_step : float
        As measured in the pilot.
    confidence : str
        "high", "moderate" or "low", and why.
    how : tuple of str
        How it was made, a sentence each.
    floor : float
        The gap that the mean does not fall below (batches with a fixed step); otherwise 0.
    width : float
        The relative width of intervals of the steps after the pilot.
    factor : float
        What the gap may be off by besides.
    """

    method: Any
    eps: float
    curve: Curve
    gap0: float
    minimum: float
    minimum_error: float
    pilot: int
    cost: float
    seconds: float
    seconds_per_step: float
    confidence: str
    how: tuple[str, ...]
    floor: float = 0.0
    width: float = _LEAST
    factor: float = 1.0

    def steps_to(self, eps: float | None = None) -> StepsTo:
        """The steps until the gap stays at most eps (by default: what was asked for)."""
        eps = self.eps if eps is None else eps
        steps, gap = self.curve.steps, self.curve.value
        known = 0 if self.factor > 1 else self.pilot
        low = first_below(steps, gap / self.factor, eps)
        off = min(self.minimum_error, 0.5 * eps) if np.isfinite(self.minimum_error) else 0.0
        high = first_below(steps, gap * self.factor, eps - off)
        return StepsTo(
            eps,
            first_below(steps, gap, eps),
            max(0.0, min(low, known) + max(0.0, low - known) / (1 + self.width) - 1),
            min(high, known) + max(0.0, high - known) * (1 + self.width) + 1,
        )

    def seconds_to(self, eps: float | None = None) -> StepsTo:
        """The same in seconds."""
        found, pace = self.steps_to(eps), self.seconds_per_step
        return StepsTo(found.eps, found.value * pace, found.low * pace, found.high * pace)

    def forecaster(self) -> Forecaster:
        """What follows a run: ``wg.minimize(..., progress=found.forecaster())``."""
        noisy = getattr(self.method, "stochastic", False)
        pace = self.seconds_per_step
        return Forecaster(self.curve, self.minimum, self.steps_to, pace, noisy)

    def to_dict(self) -> dict[str, Any]:
        """Numbers and text, as JSON takes them; infinities as None."""
        found, c = self.steps_to(), self.curve
        return {
            "method": repr(self.method),
            "eps": self.eps,
            "steps": [_finite(v) for v in (found.value, found.low, found.high)],
            "seconds_per_step": _finite(self.seconds_per_step),
            "gap0": _finite(self.gap0),
            "minimum": _finite(self.minimum),
            "floor": _finite(self.floor),
            "pilot": self.pilot,
            "cost": self.cost,
            "seconds": self.seconds,
            "confidence": self.confidence,
            "how": list(self.how),
            "curve": {
                name: [_finite(v) for v in values]
                for name, values in (("steps", c.steps), ("gap", c.value))
            },
        }

    def __str__(self) -> str:
        found = self.steps_to()
        if np.isfinite(found.value):
            goal = f"gap {self.eps:g} after {_count(found.value)} steps"
            goal += f" ({_count(found.low)} to {_count(found.high)})"
            goal += f", {found.value * self.seconds_per_step:.2g} s"
        else:
            goal = f"gap {self.eps:g} is not reached within {_count(self.curve.steps[-1])} steps"
        lines = [f"forecast    {goal}"]
        if self.floor:
            lines.append(f"floor       {self.floor:.3g}: the mean gap stays above it at this step")
        sure = "" if np.isinf(self.minimum_error) else f" ± {self.minimum_error:.1g}"
        lines += [
            f"gap at θ₀   {self.gap0:.4g}, with f* = {self.minimum:.8g}{sure}",
            f"confidence  {self.confidence}",
            f"cost        {self.cost:.0f} gradients, {self.pilot} steps of the method included; "
            f"{self.seconds:.2g} s",
        ]
        return "\n".join([*lines, *(f"            {line}" for line in self.how)])


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _count(steps: float) -> str:
    return f"{steps:,.0f}" if np.isfinite(steps) else "∞"


def forecast(
    objective: Any,
    theta0: Tree,
    method: Any,
    eps: float = 1e-3,
    *,
    given: Mapping[str, Any] | None = None,
    pilot: int = 20,
    budget: float = 400.0,
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
        What finding the minimum by Newton's method may cost, in gradients of all data. If it does
        not suffice, the pilot is extrapolated.

    Raises
    ------
    ValueError
        For a gap that is not positive, or a pilot without steps.

    Examples
    --------
    >>> import wengert as wg
    >>> a = np.array([1.0, 10.0, 100.0])
    >>> found = forecast(lambda x: np.sum(a * x**2) / 2, np.ones(3), wg.GradientDescent(0.01), 1e-6)
    >>> round(found.steps_to().value)
    653
    """
    if isinstance(eps, bool) or not isinstance(eps, int | float) or not 0 < eps < np.inf:
        raise ValueError(f"eps is a gap, a positive number; got {eps!r}")
    if isinstance(pilot, bool) or not isinstance(pilot, int) or pilot < 1:
        raise ValueError(f"pilot is a number of steps, 1 or more; got {pilot!r}")
    problem, x = posed(objective, theta0, given, seed)
    with np.errstate(all="ignore"):
        return forecast_of(Metered(problem), x, method, eps, pilot, budget)


def forecast_of(
    problem: Metered,
    x: Vector,
    method: Any,
    eps: float,
    pilot: int = 20,
    budget: float = 400.0,
    reference: Reference | None = None,
) -> Forecast:
    """The same for a problem and a vector.

    Parameters
    ----------
    problem, x, method, eps, pilot, budget
        As in :func:`forecast`.
    reference : Reference, optional
        A minimum for functions that Newton's steps do not minimise, if one is known.
    """
    begun = run_pilot(problem, method, x, min(pilot, _FEW) if _is_newton(method) else pilot)
    task = _Task(problem, x, method, float(eps), pilot, begun, reference)
    if isinstance(method, SGD):
        return task.stochastic(budget)
    minimum = task.minimum(begun.state.x, budget)
    if not minimum.found:
        return task.extrapolated(minimum)
    if begun.ended:
        return task.over(minimum)
    if _is_newton(method):
        return task.superlinear(minimum)
    exact = isinstance(method, GradientDescent) and not isinstance(method.step, int | float | str)
    recursion = linear(method, 1.0)
    if not exact and recursion is None:
        return task.extrapolated(minimum)
    swings = recursion is not None and len(recursion.keeps) > 1 and not recursion.constant
    local = local_model(problem, minimum, begun.state.x, eps, swings)
    if local.values[0] < -1e-8 * abs(local.values[-1]):
        return task.extrapolated(replace(minimum, found=False, why="it is a saddle"))
    return task.searched(local) if exact else task.linear(local)


def _is_newton(method: Any) -> bool:
    return isinstance(method, _SUPERLINEAR)


@dataclass(frozen=True, eq=False)
class _Task:
    """A forecast to be made, after its pilot."""

    problem: Metered
    x: Vector
    method: Any
    eps: float
    pilot: int
    begun: Pilot
    reference: Reference | None = None

    def minimum(self, x: Vector, budget: float) -> Minimum:
        """f* and θ*, from a point."""
        return find_minimum(self.problem, x, _NEAR * self.eps, budget, self.begun.scale)

    def over(self, minimum: Minimum) -> Forecast:
        """A method that has come to its end in the pilot: that is all there is to say."""
        measured = self.begun.loss - minimum.value
        how = (f"the method ends by itself: {self.begun.ended}",)
        gap = np.maximum(measured, 0.0)
        return self.made(self.begun.steps, gap, minimum, "high: the pilot is the run", how, 0.0)

    def made(
        self,
        steps: Any,
        gap: Any,
        minimum: Minimum,
        confidence: str,
        how: tuple[str, ...],
        width: float,
        factor: float = 1.0,
        floor: float = 0.0,
    ) -> Forecast:
        """The forecast of a curve."""
        known = self.begun.state.step
        curve = banded(steps, gap, 0 if factor > 1 else known, width, factor)
        taken = f"{known} steps of the method, and {minimum.how}"
        return Forecast(
            self.method,
            self.eps,
            curve,
            float(gap[0]),
            minimum.value,
            minimum.error,
            known,
            self.problem.cost,
            self.problem.seconds,
            self.begun.seconds_per_step,
            confidence,
            (taken, *how),
            floor,
            width,
            factor,
        )

    def joined(self, steps: Any, gap: Any, minimum: Minimum) -> tuple[Any, Any]:
        """The pilot's curve, and what follows it."""
        measured = np.maximum(self.begun.loss - minimum.value, 0.0)
        later = steps > self.begun.steps[-1]
        return (
            np.concatenate([self.begun.steps, steps[later]]),
            np.concatenate([measured, gap[later]]),
        )

    def linear(self, local: Local) -> Forecast:
        """A method whose steps are linear on a quadratic."""
        state, minimum = self.begun.state, local.minimum
        length = state.length
        if isinstance(self.method, GradientDescent) and self.method.step == "1/L":
            largest = float(local.values[-1])
            length = length if length * largest < 2 else 1 / (RAISED * largest)  # as the run will
        recursion = linear(self.method, length)
        assert recursion is not None
        if radius(recursion, local.values, state.step) > 1 + 1e-9:
            why = (
                f"high: the step {length:.3g} is not stable at the minimum, where the largest "
                f"eigenvalue is {local.values[-1]:.3g}; the run does not come to rest there"
            )
            steps, gap = self.joined(np.zeros(0), np.zeros(0), minimum)
            steps, gap = np.append(steps, steps[-1] + 1), np.append(gap, np.inf)
            return self.made(steps, gap, minimum, why, (), _LEAST)
        z = local.start(recursion, state)
        at = _horizon(recursion, local, z, state.step, self.eps)
        path = followed(self.problem, local, recursion, z, at, self.eps)
        how = (
            f"{_nodes(local)}, and the method's recursion on each",
            _corrected(path),
        )
        if _is_flat(path):
            return self.flat(local, path)
        sure = _sureness(path.change, "a smooth minimum that Newton's method found")
        steps, gap = self.joined(path.at, path.gap, minimum)
        factor = 1.0 if len(recursion.keeps) == 1 else _SWINGING
        return self.made(steps, gap, minimum, sure, how, _LEAST + path.change, factor)

    def searched(self, local: Local) -> Forecast:
        """Gradient descent with a search for each step."""
        start = local.project(self.begun.state)
        steps, gap = simulated(self.method, local.values, start, 0.1 * self.eps, _SIMULATED)
        here = float(self.begun.loss[-1]) - local.minimum.value
        gap = gap * (here / gap[0] if here > 0 and gap[0] > 0 else 1.0)
        steps, gap = self.joined(steps, gap, local.minimum)
        how = (f"{_nodes(local)}; the method run on that quadratic",)
        return self.made(
            steps, gap, local.minimum, "moderate: a search reacts to details", how, _STEPPED
        )

    def superlinear(self, minimum: Minimum) -> Forecast:
        """Newton's methods: the steps that led to the minimum from the pilot's end are theirs."""
        begun = self.begun
        values = np.array(minimum.trail)
        steps = begun.state.step + np.arange(len(values))
        gap = np.maximum(values - minimum.value, 0.0)
        joined = self.joined(steps, gap, minimum)
        if begun.loss[-1] - minimum.value <= self.eps:
            return self.made(*joined, minimum, "high: the pilot got there", (), _LEAST)
        same = isinstance(self.method, Newton) and isinstance(self.method.step, Backtracking)
        if same and len(self.x) <= DENSE:
            return self.made(*joined, minimum, "high: these are the steps of this method", (), 0.5)
        sure = "moderate: these are steps of another of Newton's methods"
        return self.made(*joined, minimum, sure, (), 1.0)

    def flat(self, local: Local, path: Path) -> Forecast:
        """A model that does not hold: the pilot goes on as it has begun, towards the known f*."""
        least, most = float(local.values[0]), float(local.values[-1])
        why = f"the curvature at the minimum ({least:.2g} to {most:.2g}) is not that of the way"
        return self.extrapolated(local.minimum, why)

    def stochastic(self, budget: float) -> Forecast:
        """Batches: the mean's path, and the scatter around it."""
        method = self.method
        lead = companion(self.problem, method, self.x, self.pilot)
        minimum = self.minimum(lead.state.x, budget)
        if not minimum.found:
            return self.extrapolated(minimum)
        local = local_model(self.problem, minimum, self.x, self.eps)
        if local.values[0] < -1e-8 * abs(local.values[-1]):
            return self.extrapolated(replace(minimum, found=False, why="it is a saddle"))
        recursion = linear(method, 0.0)
        assert recursion is not None
        found = expected(self.problem, local, method, recursion, lead, self.eps)
        if _is_flat(found.path):
            return self.flat(local, found.path)
        drawn = "with" if method.replacement else "without"
        how = (
            f"{_nodes(local)}; the mean's path, and the second moments of the scatter around it",
            f"the noise of single rows' gradients, of batches of {method.batch_size} {drawn} "
            "replacement",
        )
        sure = _sureness(found.path.change, "the expected curve; single runs scatter around it")
        if sure.startswith("high"):
            sure = "moderate" + sure.removeprefix("high")
        return self.made(
            found.at, found.mean + found.scatter, minimum, sure, how,
            _SCATTERED + found.path.change, _UNSURE, found.floor,
        )  # fmt: skip

    def extrapolated(self, minimum: Minimum, why: str = "") -> Forecast:
        """A longer pilot, and what its curve looks like."""
        begun = run_pilot(self.problem, self.method, self.x, self._longer(), record=True)
        task = replace(self, begun=begun)
        why = why or minimum.why or "the method is not linear on a quadratic"
        if not minimum.found:
            minimum = lowest(self.problem, self.x, begun.loss, why, self.reference)
        unsure = 0.0 if np.isinf(minimum.error) else 3 * minimum.error
        gap = np.maximum(begun.loss - minimum.value, 0.0)
        clear = gap > unsure
        known = minimum.value if np.isfinite(minimum.value) else None
        fits = trends(begun.steps[clear], begun.loss[clear], known)
        if begun.ended or not fits:
            return task.measured(minimum, gap, why)
        return task.continued(minimum, fits, why)

    def _longer(self) -> int:
        """Steps of a pilot that is all there is: epochs, for methods that draw batches."""
        steps = _MORE * self.pilot
        if not getattr(self.method, "stochastic", False):
            return steps
        return max(steps, min(_MORE * self.method.interval(self.problem), _MOST))

    def measured(self, minimum: Minimum, gap: Any, why: str) -> Forecast:
        """A pilot whose curve cannot be continued, as it is."""
        begun = self.begun
        if minimum.found and begun.ended:
            return self.over(minimum)
        if np.isfinite(minimum.value) and gap[-1] <= self.eps:
            sure = f"low: {why}; the pilot got there, if f* is as it seems"
            return self.made(begun.steps, gap, minimum, sure, (), 1.0)
        known = minimum if np.isfinite(minimum.value) else replace(minimum, value=min(begun.loss))
        gap = np.maximum(np.maximum(begun.loss - known.value, 0.0), 2 * self.eps)
        sure = f"none: {why}, and the loss does not fall steadily"
        return self.made(begun.steps, gap, known, sure, (), 10.0)

    def continued(self, minimum: Minimum, fits: list[Trend], why: str) -> Forecast:
        """A pilot's curve that goes on as it has begun."""
        begun, best = self.begun, fits[0]
        end = int(begun.steps[-1])
        limit = replace(minimum, value=best.limit)
        last = float(begun.loss[-1]) - best.limit
        at = np.unique(np.geomspace(max(end, 1), _LONGEST, 400).astype(int))
        later = best.gap(at) * (max(last, 0.0) / float(best.gap(end)))
        steps, gap = self.joined(at, later, limit)
        reach = [first_below(at, one.gap(at), self.eps) for one in fits]
        spread = max(reach) / max(min(reach), 1.0) if np.all(np.isfinite(reach)) else 10.0
        words = "exponential" if best.kind == "exponential" else f"power (t⁻ᵖ, p = {best.rate:.2g})"
        how = (f"{end} steps of the method, continued by an {words} law",)
        noisy = getattr(self.method, "stochastic", False)
        if last <= self.eps and minimum.found and not noisy:
            return self.made(steps, gap, limit, "high: the pilot got there", how, _LEAST)
        got = "got there, if f* is as it seems" if last <= self.eps else "is extrapolated"
        factor = _GUESSED if noisy or np.isinf(limit.error) else 1.0
        return self.made(
            steps, gap, limit, f"low: {why}; the pilot {got}", how, max(1.0, spread), factor
        )


def _nodes(local: Local) -> str:
    if local.whole:
        return f"all {len(local.values)} eigenvalues at the minimum"
    return f"{len(local.values)} Ritz values at the minimum"


def _corrected(path: Path) -> str:
    if not path.sweeps:
        return "gradients on the path are those of the model"
    times = "1 correction" if path.sweeps == 1 else f"{path.sweeps} corrections"
    return (
        f"{times} of the path by gradients on it; the last one moved the steps by {path.change:.1%}"
    )


def _is_flat(path: Path) -> bool:
    """Whether the quadratic model says nothing of the function, even near the minimum."""
    if not np.any(path.gap):
        return False
    return not path.change < _SHAKY or abs(path.misfit) > _FLAT or not path.gap[-1] < path.gap[0]


def _sureness(change: float, why: str) -> str:
    if change < 0.1:
        return f"high: {why}"
    return f"moderate: the curvature changes on the way (by {change:.0%} of the steps)"


def _horizon(method: Linear, local: Local, z: Any, first: int, eps: float) -> Any:
    """Ends of blocks until the model's gap is well below eps."""
    last = 64
    powers: Powers = {}
    while True:
        at = blocks(method, first, first + last)
        gap = local.gap(mean_path(method, local.values, z, at, None, powers) @ method.last)
        after = first_below(at, gap, 0.1 * eps)
        if np.isfinite(after):
            return at[: int(np.searchsorted(at, after)) + 2]
        if last >= _LONGEST:
            return at
        last *= 4


def banded(steps: Any, gap: Any, known: int, width: float, factor: float = 1.0) -> Curve:
    """A curve with a band.

    Parameters
    ----------
    steps, gap : ndarray
        The curve.
    known : int
        The step up to which it is measured.
    width : float
        The share of the steps after it by which it may be off, and one step.
    factor : float
        What the gap may be off by besides.
    """
    after = np.maximum(steps - known, 0.0)
    logs = np.log(np.maximum(gap, 1e-300))

    def at(when: Any) -> Any:
        return np.where(after > 0, np.exp(np.interp(when, steps, logs)), gap)

    soon = known + after * (1 + width) + 1
    late = np.maximum(known, known + (after - 1) / (1 + width))
    return Curve(steps, gap, at(soon) / factor, at(late) * factor, label="forecast")
