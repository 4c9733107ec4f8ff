"""Runs of a method, measured: the gap by step over all seeds, and what a step takes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.convergence.constants.reference import Reference, rounding
from wengert.convergence.facts import Curve, StepsTo, first_below
from wengert.optimize import Problem
from wengert.optimize.methods import Method, State
from wengert.optimize.space import Vector

_EVERY = 2000  # steps of which each is recorded, where a record costs a pass over the data
_DENSE = 30  # the same for methods that draw batches
_RATIO = 1.06  # of the steps of records after that
_FURTHER = 1.2  # how far a run goes on beyond eps: it must stay there
_RISE = 1e8  # as in minimize: a loss above the first one that is called divergence
_POINTS = 3000  # of a curve at most

Watch = Callable[[int, float], None]


@dataclass(frozen=True, eq=False)
class Measured:
    """What runs of a method have shown.

    Attributes
    ----------
    curve : Curve
        The gap by step (its mean over the seeds, with the smallest and the largest of them); the
        smallest squared gradient so far, for nonconvex functions.
    each : ndarray of shape (seeds, records)
        The gaps of every seed.
    steps : StepsTo
        To eps: where the mean stays at most eps, the fewest and the most steps of a single run;
        infinite where it was not reached.
    seconds_per_step, samples_per_step : float
        Of the steps alone, without the records.
    seconds : float
        In all, with the records.
    status : str
        "reached", "budget" (of steps or seconds), "stalled", "diverged", "interrupted", or
        "rounding" (smaller gaps cannot be told apart).
    message : str
        In words.
    lowest : tuple of ndarray and float
        The lowest point that was recorded, and its loss.
    """

    curve: Curve
    each: Any
    steps: StepsTo
    seconds_per_step: float
    samples_per_step: float
    seconds: float
    status: str
    message: str
    lowest: tuple[Any, float]

    @property
    def reached(self) -> bool:
        """Whether the gap has become eps."""
        return math.isfinite(self.steps.value)

    @property
    def seeds(self) -> int:
        """How many runs there were."""
        return len(self.each)

    @property
    def seconds_to(self) -> float:
        """To eps: steps, times the seconds of one."""
        return self.steps.value * self.seconds_per_step

    def to_dict(self) -> dict[str, Any]:
        """Numbers, lists and text, as JSON takes them."""
        return {
            "steps": {"value": _number(self.steps.value), "low": _number(self.steps.low),
                      "high": _number(self.steps.high)},
            "seconds_per_step": self.seconds_per_step,
            "samples_per_step": self.samples_per_step,
            "seconds": self.seconds,
            "runs": self.seeds,
            "status": self.status,
            "message": self.message,
            "curve": curve_dict(self.curve),
        }  # fmt: skip


def curve_dict(curve: Curve) -> dict[str, Any]:
    """A curve as JSON takes it; infinite values are None."""

    def listed(values: Any) -> Any:
        return None if values is None else [_number(v) for v in np.ravel(values)]

    return {
        "quantity": curve.quantity,
        "steps": listed(curve.steps),
        "value": listed(curve.value),
        "low": listed(curve.low),
        "high": listed(curve.high),
    }


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


@dataclass(frozen=True)
class Budget:
    """What a measurement may take.

    Attributes
    ----------
    seconds : float
        For all seeds together.
    steps : float
        Of each.
    """

    seconds: float = 30.0
    steps: float = 10_000_000


# ---------------------------------------------------------------- one run


class _Run:
    """One seed: its state, and the values at the steps that are recorded."""

    def __init__(self, problem: Problem, method: Method, x0: Vector, nonconvex: bool) -> None:
        self.problem = problem
        self.method = method
        self.nonconvex = nonconvex
        self.free = method.exact
        self.state: State = method.init(problem, x0)
        self.values: list[float] = []
        self.best: tuple[Any, float] = (x0, self.state.value)
        self.first = self.state.value
        self.ending: str | None = None
        self.times: list[float] = []  # of a step, in each stretch between two records
        self.samples, self.timed = 0, 0
        self.record()

    def record(self) -> None:
        """Note the loss, or the smallest squared gradient so far."""
        state = self.state
        x, value, gradient = state.x, state.value, state.gradient
        if not self.free:
            x = self.method.output(self.problem, state)
            if self.nonconvex:
                value, gradient = self.problem.value_and_gradient(x)
            else:
                value = self.problem.value(x)
        if value < self.best[1]:
            self.best = x, value
        if not math.isfinite(value) or value > self.first + _RISE * (1 + abs(self.first)):
            self.ending = "diverged"
            value = math.inf
        if self.nonconvex:
            square = float(gradient @ gradient)
            before = self.values[-1] if self.values else math.inf
            value = min(before, square if math.isfinite(square) else math.inf)
        self.values.append(value)

    def to(self, step: int) -> None:
        """Go on to a step; the first one, which compiles, is not timed."""
        if self.ending is not None:
            return
        before = self.state.step
        samples, start = self.problem.counts.samples, time.perf_counter()
        while self.state.step < step:
            found = self.method.terminate(self.problem, self.state)
            if found is not None:
                self.ending = found.status
                break
            self.state = self.method.advance(self.problem, self.state)
        taken = self.state.step - before
        if before and taken:
            self.times.append((time.perf_counter() - start) / taken)
            self.samples += self.problem.counts.samples - samples
            self.timed += taken


def _next_record(step: int, every: int) -> int:
    return step + 1 if step < every else max(step + 1, int(step * _RATIO))


def measure(
    problem: Problem,
    x0: Vector,
    method: Any,
    reference: Reference,
    eps: float,
    *,
    seeds: int = 5,
    budget: Budget | None = None,
    nonconvex: bool = False,
    watch: Watch | None = None,
) -> Measured:
    """Run a method until its gap stays at most eps, or the budget is spent.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    x0 : ndarray
        Where to begin.
    method : Method
        With steps of its own; SciPy's run in one go.
    reference : Reference
        With f*.
    eps : float
        The gap, or the squared gradient of nonconvex functions.
    seeds : int
        Runs of methods that draw batches, side by side.
    budget : Budget, optional
        When it ends at the latest.
    nonconvex : bool
        Whether the smallest squared gradient so far is measured instead of the gap.
    watch : callable, optional
        Called with the step and the value at every record.
    """
    budget = Budget() if budget is None else budget
    start = time.perf_counter()
    with np.errstate(all="ignore"):
        if not isinstance(method, Method):
            return _wrapped(problem, x0, method, reference, eps, budget, nonconvex, watch)
        count = seeds if method.stochastic else 1
        problems = [_with_seed(problem, problem.seed + k) for k in range(count)]
        runs = [_Run(p, method, x0, nonconvex) for p in problems]
        every = _DENSE if method.stochastic else 10**9 if runs[0].free else _EVERY
        offset = 0.0 if nonconvex else reference.value
        floor = 0.0 if nonconvex else rounding(problem, reference.value)
        steps = [0]
        status = "budget"
        try:
            goal = math.inf
            while True:
                mean = float(np.mean([run.values[-1] for run in runs])) - offset
                if watch is not None:
                    watch(steps[-1], mean)
                goal = min(goal, math.ceil(steps[-1] * _FURTHER)) if mean <= eps else math.inf
                if steps[-1] >= goal or mean == 0 == steps[-1]:
                    status = "reached"
                    break
                if mean <= floor and eps < floor:
                    status = "rounding"
                    break
                if all(run.ending for run in runs):
                    status = str(runs[0].ending)
                    break
                spent = time.perf_counter() - start
                if steps[-1] >= budget.steps or spent >= budget.seconds:
                    break
                step = int(min(_next_record(steps[-1], every), budget.steps))
                for run in runs:
                    run.to(step)
                for run in runs:
                    run.record()
                steps.append(step)
        except KeyboardInterrupt:
            status = "interrupted"
    kept = min(len(run.values) for run in runs)
    each = np.array([run.values[:kept] for run in runs]) - offset
    return _measured(np.array(steps[:kept]), each, runs, eps, status, time.perf_counter() - start,
                     floor, nonconvex)  # fmt: skip


def _with_seed(problem: Problem, seed: int) -> Problem:
    return Problem(
        problem.derivatives,
        problem.space.tree(np.zeros(problem.space.size, problem.space.dtype)),
        problem.source,
        seed,
        problem.origin,
    )


def _measured(
    steps: Any, each: Any, runs: list[_Run], eps: float, status: str, seconds: float,
    floor: float, nonconvex: bool,
) -> Measured:  # fmt: skip
    if eps < floor:
        each = np.maximum(each, floor)
    mean = each.mean(axis=0)
    crossed = first_below(steps, mean, eps)
    own = [first_below(steps, row, eps) for row in each]
    timed = sum(run.timed for run in runs)
    times = [t for run in runs for t in run.times]
    per_step = float(np.median(times)) if times else float("nan")
    samples = sum(run.samples for run in runs) / timed if timed else float("nan")
    shown = _thinned(steps, crossed)
    several = len(each) > 1
    curve = Curve(
        steps[shown],
        mean[shown],
        each.min(axis=0)[shown] if several else None,
        each.max(axis=0)[shown] if several else None,
        "squared gradient" if nonconvex else "gap",
        f"measured, mean of {len(each)} runs" if several else "measured",
    )
    if status == "budget" and math.isfinite(crossed):
        status = "reached"
    message = _message(status, eps, int(steps[-1]), seconds, float(mean[-1]), floor)
    lowest = min((run.best for run in runs), key=lambda pair: pair[1])
    found = StepsTo(eps, crossed, min(own), max(own))
    return Measured(
        curve, each[:, shown], found, per_step, samples, seconds, status, message, lowest
    )


def _message(status: str, eps: float, steps: int, seconds: float, last: float, floor: float) -> str:
    match status:
        case "reached":
            return f"the gap stays at most {eps:g}"
        case "diverged":
            return f"the loss grew without bound within {steps} steps"
        case "rounding":
            return (
                f"from step {steps} on the gap is below {floor:.1g}, which is rounding: smaller "
                "ones cannot be told apart"
            )
        case "interrupted":
            return f"stopped by the keyboard at step {steps}, where the gap was {last:.3g}"
        case "budget":
            return f"the gap was {last:.3g} after {steps} steps and {seconds:.3g} s, the budget"
        case _:
            small = f", which is rounding ({floor:.1g})" if abs(last) <= 10 * floor else ""
            return f"no step lowers the loss any more from step {steps} on: the gap is " \
                   f"{last:.3g}{small}"  # fmt: skip


def _thinned(steps: Any, crossed: float) -> Any:
    """Places of the records that a curve keeps: all at first, then evenly on a logarithm."""
    count = len(steps)
    if count <= _POINTS:
        return np.arange(count)
    even = np.unique(np.geomspace(1, count, _POINTS).astype(int)) - 1
    near = int(np.searchsorted(steps, crossed)) if math.isfinite(crossed) else 0
    more = np.arange(max(near - 1, 0), min(near + 2, count))
    return np.unique(np.concatenate([even, more, np.array([count - 1])]))


# ---------------------------------------------------------------- SciPy's


class _DoneError(Exception):
    """Leaves SciPy's loop."""


class _Wrapped(_Run):
    """Fed by SciPy's callbacks."""

    def __init__(self, problem: Problem, method: Any, x0: Vector, nonconvex: bool) -> None:
        self.steps: list[int] = [0]
        super().__init__(problem, _Given(method), x0, nonconvex)
        self.free = True


@dataclass(frozen=True)
class _Given(Method):
    """SciPy's method as far as a run needs it."""

    inner: Any = None

    def init(self, problem: Problem, x: Vector) -> State:
        """The state before the first step."""
        return self.inner.init(problem, x)


def _wrapped(
    problem: Problem, x0: Vector, method: Any, reference: Reference, eps: float, budget: Budget,
    nonconvex: bool, watch: Watch | None,
) -> Measured:  # fmt: skip
    offset = 0.0 if nonconvex else reference.value
    own = _with_seed(problem, problem.seed)
    run = _Wrapped(own, method, x0, nonconvex)
    start = last = time.perf_counter()
    goal = math.inf
    status = "stalled"

    def report(state: State) -> None:
        nonlocal goal, status, last
        if state.step <= run.steps[-1]:
            return
        now = time.perf_counter()
        if run.steps[-1]:
            run.times.append((now - last) / (state.step - run.steps[-1]))
            run.timed += state.step - run.steps[-1]
        run.state = state
        run.record()
        run.steps.append(state.step)
        value = run.values[-1] - offset
        if watch is not None:
            watch(state.step, value)
        goal = min(goal, math.ceil(state.step * _FURTHER)) if value <= eps else math.inf
        spent = now - start
        if state.step >= goal or run.ending or state.step >= budget.steps:
            status = run.ending or ("reached" if state.step >= goal else "budget")
            raise _DoneError
        if spent >= budget.seconds:
            status = "budget"
            raise _DoneError
        last = time.perf_counter()

    samples = own.counts.samples
    try:
        if run.values[0] - offset > 0:
            method.run(own, replace(run.state), report)
    except _DoneError:
        pass
    except KeyboardInterrupt:
        status = "interrupted"
    run.samples = int((own.counts.samples - samples) / max(run.steps[-1], 1) * run.timed)
    kept = min(len(run.steps), len(run.values))
    each = np.array([run.values[:kept]]) - offset
    if status == "stalled" and each[0, -1] <= eps:
        status = "reached"
    return _measured(np.array(run.steps[:kept]), each, [run], eps, status, last - start,
                     rounding(problem, reference.value), nonconvex)  # fmt: skip
