"""Lengths of steps: line searches, and schedules for methods that draw batches.

Sources: Nocedal and Wright, Numerical Optimization (2nd ed.), section 3.1; Hager and Zhang, A new
conjugate gradient method with guaranteed descent and an efficient line search (2005), for the
conditions that hold within rounding; Garrigos and Gower, Handbook of convergence theorems for
(stochastic) gradient methods (2023), for the schedules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.optimize.methods import State, moved
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector


@dataclass(frozen=True)
class Backtracking:
    """A step that is shortened until the loss falls by a share of what its slope promises (Armijo).

    Attributes
    ----------
    first : float or None
        Where the search begins; by default where the last one ended, times ``grow`` (for Newton's
        methods: 1).
    shrink, grow : float
        The factors.
    decrease : float
        The share c of the promised fall: f(x + αd) ≤ f(x) + cα ∇f(x)·d.
    most : int
        How many times the step is shortened at most.
    """

    first: float | None = None
    shrink: float = 0.5
    grow: float = 2.0
    decrease: float = 1e-4
    most: int = 60

    def __post_init__(self) -> None:
        if not 0 < self.shrink < 1 <= self.grow or not 0 < self.decrease < 0.5:
            raise ValueError(
                "Backtracking: shrink is between 0 and 1, grow 1 or more, and decrease between 0 "
                "and 1/2"
            )
        if self.first is not None:
            checked_step(self.first, "Backtracking(first=...)")


@dataclass(frozen=True)
class Exact:
    """The minimiser of the quadratic model along the gradient, ‖g‖² / gᵀHg."""


@dataclass(frozen=True)
class Fixed:
    """The same step always: α."""

    scale: float

    def __call__(self, step: int) -> float:
        """The factor of a step, counted from 0."""
        return float(self.scale)


@dataclass(frozen=True)
class InverseSqrt:
    """α / √(t + 1) at step t = 0, 1, ...

    >>> InverseSqrt(0.5)(3)
    0.25
    """

    scale: float

    def __call__(self, step: int) -> float:
        """The factor of a step, counted from 0."""
        return float(self.scale / math.sqrt(step + 1))


@dataclass(frozen=True)
class Inverse:
    """α / (t + offset) at step t = 0, 1, ...: α = 2/μ and offset 1 for a strongly convex risk.

    >>> Inverse(1.0, offset=4)(1)
    0.2
    """

    scale: float
    offset: float = 1.0

    def __call__(self, step: int) -> float:
        """The factor of a step, counted from 0."""
        return float(self.scale / (step + self.offset))


Schedule = Fixed | InverseSqrt | Inverse


def factor(rule: float | Schedule, step: int) -> float:
    """The factor of a step, of a number or a schedule."""
    return float(rule) if isinstance(rule, int | float) else rule(step)


def check_schedule(step: float | Schedule, name: str) -> None:
    """An error unless this is a number or a schedule.

    Raises
    ------
    ValueError
        For a step that is not positive.
    """
    found = step if isinstance(step, Fixed | InverseSqrt | Inverse) else Fixed(step)
    checked_step(found.scale, name)
    if isinstance(found, Inverse):
        checked_step(found.offset, "Inverse(offset=...)")


def checked_step(step: Any, name: str) -> float:
    """A positive number.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(step, bool) or not isinstance(step, int | float) or not 0 < step < np.inf:
        raise ValueError(f"{name} must be a positive number; got {step!r}")
    return float(step)


@dataclass(frozen=True, eq=False)
class Trial:
    """A point along a direction that was accepted."""

    length: float
    x: Vector
    value: float
    gradient: Vector


def taken(state: State, trial: Trial, **own: Any) -> State:
    """The state after a trial was accepted."""
    return moved(state, trial.x, trial.value, trial.gradient, trial.length, **own)


def rounding(state: State) -> float:
    """What a loss may be wrong by: a sum over many rows is less exact than one number."""
    return 32 * float(np.finfo(state.gradient.dtype).eps) * abs(state.value)


def search(
    problem: Problem, state: State, direction: Vector, first: float, rule: Backtracking
) -> Trial | None:
    """The first of shorter and shorter steps with a sufficient decrease; None if there is none.

    Where the decrease is lost in rounding, the slope at the new point decides instead.
    """
    slope = float(state.gradient @ direction)
    if not slope < 0:
        return None
    slack = rounding(state)
    length = first
    for _ in range(rule.most + 1):
        x = state.x + length * direction
        value, gradient = problem.value_and_gradient(x)
        if value <= state.value + rule.decrease * length * slope and value < state.value:
            return Trial(length, x, value, gradient)
        if value <= state.value + slack and np.all(np.isfinite(gradient)):
            new = float(gradient @ direction)
            shorter = np.linalg.norm(gradient) < np.linalg.norm(state.gradient)
            if new <= (2 * rule.decrease - 1) * slope and shorter:
                return Trial(length, x, value, gradient)
        if np.array_equal(x, state.x):
            return None
        length *= rule.shrink
    return None
