"""What a forecast looks at before a run: some steps of the method, and where Newton's steps lead.

All that it asks of the problem is counted, in gradients of all data.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.optimize.matrices import Matrix
from wengert.optimize.methods import Method, State
from wengert.optimize.minimize import is_finite
from wengert.optimize.newton import NewtonCG
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector

_PRODUCT = 2.0  # gradients that a product with the Hessian costs at most
_ROUNDS = 40  # Newton steps


class Metered(Problem):
    """A problem that counts what is asked of it, in gradients of all data.

    A product with the Hessian counts as two, a Hessian as its columns' products, a value as one,
    and the gradient of a batch as its share of the rows.
    """

    def __init__(self, problem: Problem) -> None:
        self.__dict__.update(problem.__dict__)
        self.cost = 0.0

    def value(self, x: Vector) -> float:
        """As one gradient."""
        self.cost += 1
        return super().value(x)

    def value_and_gradient(self, x: Vector) -> tuple[float, Vector]:
        """As one."""
        self.cost += 1
        return super().value_and_gradient(x)

    def product(self, x: Vector) -> Callable[[Vector], Vector]:
        """As two for each product."""
        multiply = super().product(x)

        def counted(v: Vector) -> Vector:
            self.cost += _PRODUCT
            return multiply(v)

        return counted

    def hessian(self, x: Vector) -> Any:
        """As two for each column."""
        self.cost += _PRODUCT * self.space.size
        return super().hessian(x)

    def curvature(self, x: Vector, structured: bool) -> Matrix:
        """As two for each column; with structure it costs less."""
        if structured:
            self.cost += _PRODUCT * self.space.size
        return super().curvature(x, structured)

    def gauss_newton(self, x: Vector, structured: bool) -> Matrix:
        """As two for each column."""
        self.cost += _PRODUCT * self.space.size
        return super().gauss_newton(x, structured)

    def batch_gradient(self, x: Vector, rows: Any) -> Vector:
        """As the share of the rows."""
        before = self.counts.samples
        found = super().batch_gradient(x, rows)
        self.cost += (self.counts.samples - before) / self.source.length
        return found


@dataclass(frozen=True, eq=False)
class Pilot:
    """The first steps of a run.

    Attributes
    ----------
    state : State
        After the last step.
    steps, loss : ndarray
        The records, of the points that the method answers with.
    seconds_per_step : float
        The median but for the first step, which compiles.
    ended : str
        Why it took fewer steps than it was given; empty otherwise.
    """

    state: State
    steps: Any
    loss: Any
    seconds_per_step: float
    ended: str = ""


def run_pilot(problem: Problem, method: Any, x: Vector, steps: int, record: bool = False) -> Pilot:
    """The first steps of a method.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    method : Method
        Any.
    x : ndarray
        The start.
    steps : int
        How many at most.
    record : bool
        Whether a method that draws batches records the loss at all steps; otherwise at the first
        and the last.
    """
    diary = _Diary(problem, method, steps, record)
    state = method.init(problem, x)
    diary.note(state)
    if not isinstance(method, Method):
        try:
            ended = method.run(problem, state, diary.note).message
        except _EnoughError:
            ended = ""
        return diary.pilot(ended)
    for _ in range(steps):
        stop = method.terminate(problem, diary.state)
        if stop is not None:
            return diary.pilot(stop.message)
        after = method.advance(problem, diary.state)
        if not is_finite(after):
            return diary.pilot("the loss is not finite")
        diary.note(after, enough=False)
    return diary.pilot("")


class _EnoughError(Exception):
    """Leaves SciPy's loop."""


class _Diary:
    """What a pilot writes down."""

    def __init__(self, problem: Problem, method: Any, most: int, record: bool) -> None:
        self.problem, self.method, self.most = problem, method, most
        self.exact = getattr(method, "exact", True)
        self.every = record or not getattr(method, "stochastic", False)
        self.state: Any = None
        self.at: list[int] = []
        self.loss: list[float] = []
        self.times: list[float] = []

    def note(self, state: State, enough: bool = True) -> None:
        """A state; ``enough``: an exception after the last one."""
        if self.at and state.step == self.state.step:
            return
        self.times.append(time.perf_counter())
        self.state = state
        if self.every or state.step in (0, self.most):
            value = state.value
            if not self.exact:
                value = self.problem.value(self.method.output(self.problem, state))
            self.at.append(state.step)
            self.loss.append(float(value))
        if enough and state.step >= self.most:
            raise _EnoughError

    def pilot(self, ended: str) -> Pilot:
        """All of it."""
        pauses = np.diff(self.times)
        pace = float(np.median(pauses[1:] if len(pauses) > 1 else pauses)) if len(pauses) else 0.0
        return Pilot(self.state, np.array(self.at), np.array(self.loss), pace, ended)


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where Newton's steps led.

    Attributes
    ----------
    x : ndarray
        The point.
    value : float
        f there.
    error : float
        About how far f is above its minimum: what the next step would gain.
    found : bool
        Whether the error is small enough, on convex ground.
    why : str
        Why not.
    """

    x: Vector
    value: float
    error: float
    found: bool
    why: str = ""


def find_minimum(problem: Problem, x: Vector, tolerance: float, most: float) -> Minimum:
    """A minimum by Newton's method with conjugate gradients.

    Parameters
    ----------
    problem : Metered
        What is minimised.
    x : ndarray
        The start.
    tolerance : float
        Of f.
    most : float
        What it may cost.
    """
    method = NewtonCG()
    state = method.init(problem, x)
    begun = getattr(problem, "cost", 0.0)
    bent = 0
    for _ in range(_ROUNDS):
        if not np.any(state.gradient):
            return Minimum(state.x, state.value, 0.0, True)
        after = method.advance(problem, state)
        gain = state.value - after.value
        stuck = "ending" in after.own
        bent = after.own["indefinite"]
        if not is_finite(after):
            return Minimum(state.x, state.value, np.inf, False, "the loss is not finite")
        state = after
        rounding = 8 * float(np.finfo(x.dtype).eps) * (1 + abs(state.value))
        decrement = float(state.own["decrement"])
        if decrement <= max(tolerance, rounding) or stuck:
            error = max(0.0, gain if stuck else decrement * 1e-1)
            if decrement <= max(1e3 * tolerance, 1e3 * rounding):
                return Minimum(state.x, state.value, error, True)
            return Minimum(state.x, state.value, np.inf, False, "Newton's method stalled")
        if getattr(problem, "cost", 0.0) - begun > most:
            break
    why = (
        "the curvature is not positive on the way"
        if bent
        else "Newton's method needs more products than were granted"
    )
    return Minimum(state.x, state.value, np.inf, False, why)
