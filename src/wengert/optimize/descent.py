"""Gradient descent, and its accelerated relatives.

Sources: Polyak, Some methods of speeding up the convergence of iteration methods (1964); Nesterov,
Lectures on convex optimization (2018), section 2.2; Beck and Teboulle (2009) for the momentum tₖ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, ClassVar

import numpy as np

from wengert.optimize.methods import Method, State, moved, stuck
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector
from wengert.optimize.steps import Backtracking, Exact, checked_step, rounding, search, taken

_RAISED = 1.01  # what Lanczos' estimate of L is multiplied by, as it comes from below


@dataclass(frozen=True)
class GradientDescent(Method):
    """θ ← θ − α ∇f(θ).

    Attributes
    ----------
    step : float or "1/L" or Backtracking or Exact
        α. ``"1/L"``: of the largest eigenvalue L of the Hessian at the start, estimated by Lanczos'
        method, and again wherever a step breaks the bound f(θ − α∇f) ≤ f(θ) − α/2 ‖∇f‖² that L
        gives.

    Examples
    --------
    >>> import wengert as wg
    >>> found = wg.minimize(
    ...     lambda x: np.sum((x - 1) ** 2), np.zeros(2), method=wg.GradientDescent(0.25)
    ... )
    >>> found.theta.round(6)
    array([1., 1.])
    """

    step: float | str | Backtracking | Exact = "1/L"

    def __post_init__(self) -> None:
        check_rule(self.step, (Backtracking, Exact))

    def init(self, problem: Problem, x: Vector) -> State:
        """With the step size."""
        return with_length(super().init(problem, x), problem, self.step)

    def advance(self, problem: Problem, state: State) -> State:
        """One step along −∇f."""
        g = state.gradient
        rule = self.step
        if isinstance(rule, Backtracking):
            first = state.length * rule.grow if state.step or rule.first is None else rule.first
            trial = search(problem, state, -g, first, rule)
            if trial is None:
                return stuck(state)
            return taken(state, trial)
        if isinstance(rule, Exact):
            curvature = float(g @ problem.product(state.x)(g))
            if not curvature > 0:
                return stuck(
                    state,
                    "the curvature along the gradient is not positive: Exact() is for convex "
                    "functions; use Backtracking()",
                )
            length = float(g @ g) / curvature
            x = state.x - length * g
            return moved(state, x, *problem.value_and_gradient(x), length)
        if rule == "1/L":
            return self._within_bound(problem, state)
        x = state.x - state.length * g
        return moved(state, x, *problem.value_and_gradient(x), state.length)

    def _within_bound(self, problem: Problem, state: State) -> State:
        g = state.gradient
        square = float(g @ g)
        slack = rounding(state)
        length = state.length
        limit: float | None = None  # 1/L here, which is asked for once
        for _ in range(60):
            x = state.x - length * g
            value, gradient = problem.value_and_gradient(x)
            if value <= state.value - 0.5 * length * square + slack:
                return moved(state, x, value, gradient, length)
            if limit is None:
                there = problem.spectrum(state.x).largest * _RAISED
                limit = 1 / there if there > 0 else np.inf
            length = min(length / 2, limit)
        return stuck(state)

    def stable_step(self, largest: float) -> float | None:
        """2/L."""
        return 2 / largest if largest > 0 else None


@dataclass(frozen=True)
class Momentum(Method):
    """The heavy ball: θ ← θ − α ∇f(θ) + β (θ − θ₋).

    Attributes
    ----------
    step : float or "1/L"
        α.
    momentum : float
        β, from 0 on and below 1. On a quadratic with eigenvalues from μ to L the best is
        β = ((√L − √μ)/(√L + √μ))², with α = 4/(√L + √μ)².
    """

    step: float | str = "1/L"
    momentum: float = 0.9

    def __post_init__(self) -> None:
        check_rule(self.step)
        check_momentum(self.momentum)

    def init(self, problem: Problem, x: Vector) -> State:
        """At rest."""
        start = with_length(super().init(problem, x), problem, self.step)
        return replace(start, own={"velocity": np.zeros_like(x)})

    def advance(self, problem: Problem, state: State) -> State:
        """One step."""
        v = float(self.momentum) * state.own["velocity"] - state.length * state.gradient
        x = state.x + v
        return moved(state, x, *problem.value_and_gradient(x), state.length, velocity=v)

    def stable_step(self, largest: float) -> float | None:
        """2(1 + β)/L."""
        return 2 * (1 + self.momentum) / largest if largest > 0 else None


@dataclass(frozen=True)
class Nesterov(Method):
    """Accelerated gradient descent: from y = θ + β (θ − θ₋), θ ← y − α ∇f(y).

    Attributes
    ----------
    step : float or "1/L"
        α.
    strong_convexity : float or None
        μ, for β = (1 − √(αμ))/(1 + √(αμ)). Without it β grows towards 1 as convex functions need
        it: β = (tₖ − 1)/tₖ₊₁, with tₖ₊₁ = (1 + √(1 + 4tₖ²))/2.
    momentum : float or None
        β itself, instead.
    """

    exact: ClassVar[bool] = False

    step: float | str = "1/L"
    strong_convexity: float | None = None
    momentum: float | None = None

    def __post_init__(self) -> None:
        check_rule(self.step)
        if self.strong_convexity is not None:
            checked_step(self.strong_convexity, "strong_convexity")
        if self.momentum is not None:
            check_momentum(self.momentum)

    def init(self, problem: Problem, x: Vector) -> State:
        """At rest; the state's point is y, where the gradient is taken."""
        start = with_length(super().init(problem, x), problem, self.step)
        return replace(start, own={"theta": x, "t": 1.0})

    def advance(self, problem: Problem, state: State) -> State:
        """One step."""
        t = state.own["t"]
        grown = (1 + sqrt(1 + 4 * t * t)) / 2
        theta = state.x - state.length * state.gradient
        y = theta + self._beta(state.length, t, grown) * (theta - state.own["theta"])
        value, gradient = problem.value_and_gradient(y)
        return moved(state, y, value, gradient, state.length, theta=theta, t=grown)

    def _beta(self, length: float, t: float, grown: float) -> float:
        if self.momentum is not None:
            return float(self.momentum)
        if self.strong_convexity is not None:
            root = sqrt(min(1.0, float(length * self.strong_convexity)))
            return (1 - root) / (1 + root)
        return (t - 1) / grown

    def output(self, problem: Problem, state: State) -> Vector:
        """θ, not y."""
        return state.own["theta"]

    def stable_step(self, largest: float) -> float | None:
        """(2 + 2β)/((1 + 2β) L), with β = 1 if it grows."""
        beta = 1.0 if self.momentum is None else self.momentum
        return (2 + 2 * beta) / (1 + 2 * beta) / largest if largest > 0 else None


# ---------------------------------------------------------------- what they share


def with_length(state: State, problem: Problem, rule: Any) -> State:
    """The state with its first step's length; ``"1/L"`` asks Lanczos' method."""
    if rule == "1/L":
        found = problem.spectrum(state.x)
        size = max(found.largest, -found.smallest) * _RAISED
        return replace(state, length=1 / size if size > 0 else 1.0)
    if isinstance(rule, Backtracking):
        return replace(state, length=rule.first or _first_guess(state))
    return replace(state, length=0.0 if isinstance(rule, Exact) else float(rule))


def _first_guess(state: State) -> float:
    """A step as long as a hundredth of the point, or of 1."""
    size = float(np.linalg.norm(state.gradient))
    return 0.01 * max(1.0, float(np.linalg.norm(state.x))) / size if size else 1.0


def check_rule(rule: Any, kinds: tuple[type[Any], ...] = ()) -> None:
    """An error unless this is a step size.

    Raises
    ------
    ValueError
        With what is possible.
    """
    if isinstance(rule, str) and rule != "1/L":
        raise ValueError(f"step is a number or '1/L'; got {rule!r}")
    if not isinstance(rule, (str, *kinds)):
        checked_step(rule, "step")


def check_momentum(momentum: float) -> None:
    """An error unless 0 ≤ β < 1."""
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be from 0 on and below 1; got {momentum!r}")
