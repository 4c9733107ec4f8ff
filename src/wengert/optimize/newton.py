"""Newton's method, with its Hessian's structure, by conjugate gradients, or in a trust region.

Sources: Nocedal and Wright, Numerical Optimization (2nd ed.), chapters 3, 4, 7 and 10; Eisenstat
and Walker, Choosing the forcing terms in an inexact Newton method (1996); Dembo and Steihaug
(1983); Marquardt (1963); Nielsen, Damping parameter in Marquardt's method (1999).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import Any, ClassVar

import numpy as np

from wengert.errors import SingularMatrixError
from wengert.optimize.krylov import conjugate_gradients
from wengert.optimize.matrices import Matrix
from wengert.optimize.methods import Method, State, moved, stuck
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector
from wengert.optimize.steps import Backtracking, checked_step, rounding, search, taken
from wengert.taylor.trust_region import steihaug_step

_SEARCH = Backtracking()


@dataclass(frozen=True)
class Newton(Method):
    """θ ← θ − α ∇²f(θ)⁻¹ ∇f(θ).

    Attributes
    ----------
    step : float or Backtracking
        α. A number is the pure method, which goes to any point with ∇f = 0, also a saddle; with a
        line search an indefinite Hessian is replaced by a positive definite matrix (its eigenvalues
        by their absolute values; with structure, by adding a multiple of the identity), so that
        every step goes downhill.
    structured : bool or "auto"
        Whether the Hessian is kept and solved with by its structure; ``"auto"``: if that stores
        less than half of it, from 256 parameters on.

    Examples
    --------
    >>> import wengert as wg
    >>> found = wg.minimize(lambda x: np.sum(np.cosh(x - 2.0)), np.zeros(3), method=wg.Newton())
    >>> found.theta
    array([2., 2., 2.])
    """

    step: float | Backtracking = _SEARCH
    structured: bool | str = "auto"

    square: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.step, Backtracking):
            checked_step(self.step, "step")
        check_structured(self.structured)

    def init(self, problem: Problem, x: Vector) -> State:
        """Decides on structure."""
        kept = self.structured
        if kept == "auto":
            kept = problem.keeps_structure(x, self.square)
        own = {"structured": int(bool(kept)), "indefinite": 0, "decrement": np.inf}
        return replace(super().init(problem, x), own=own)

    def matrix(self, problem: Problem, state: State) -> Matrix:
        """What is solved with."""
        return problem.curvature(state.x, bool(state.own["structured"]))

    def advance(self, problem: Problem, state: State) -> State:
        """One step."""
        matrix = self.matrix(problem, state)
        g = state.gradient
        if not isinstance(self.step, Backtracking):
            try:
                direction = -matrix.newton_step(g)
            except SingularMatrixError as error:
                return stuck(state, f"{error}; use Newton(step=Backtracking()), or LBFGS()")
            x = state.x + float(self.step) * direction
            value, gradient = problem.value_and_gradient(x)
            decrement = -0.5 * float(g @ direction)
            return moved(state, x, value, gradient, float(self.step), decrement=decrement)
        try:
            solved, definite = matrix.descent_step(g)
        except SingularMatrixError as error:
            return stuck(state, f"{error}; use LBFGS()")
        trial = search(problem, state, -solved, self.step.first or 1.0, self.step)
        if trial is None:
            return stuck(state)
        count = state.own["indefinite"] + (not definite)
        decrement = 0.5 * float(g @ solved) if definite else np.inf
        return taken(state, trial, decrement=decrement, indefinite=count)


@dataclass(frozen=True)
class GaussNewton(Newton):
    """θ ← θ − α (JᵀJ)⁻¹ ∇f(θ), for :class:`LeastSquares`; Jᵀ ∇²ℓ J for an :class:`EmpiricalRisk`.

    Attributes
    ----------
    step : float or Backtracking
        α.
    structured : bool or "auto"
        As in :class:`Newton`.
    """

    square: ClassVar[bool] = True

    def matrix(self, problem: Problem, state: State) -> Matrix:
        """The Gauss-Newton matrix."""
        return problem.gauss_newton(state.x, bool(state.own["structured"]))


@dataclass(frozen=True)
class LevenbergMarquardt(Method):
    """θ ← θ − (JᵀJ + λ D)⁻¹ ∇f(θ), where λ follows how well the model predicted the last step.

    Attributes
    ----------
    damping : float
        λ at the start, relative to D: the largest diagonals of JᵀJ so far.
    structured : bool or "auto"
        As in :class:`Newton`.
    """

    damping: float = 1e-3
    structured: bool | str = "auto"

    def __post_init__(self) -> None:
        checked_step(self.damping, "damping")
        check_structured(self.structured)

    def init(self, problem: Problem, x: Vector) -> State:
        """Decides on structure."""
        kept = self.structured
        if kept == "auto":
            kept = problem.keeps_structure(x, square=True)
        own = {
            "structured": int(bool(kept)),
            "damping": self.damping,
            "growth": 2.0,
            "scales": np.zeros_like(x),
        }
        return replace(super().init(problem, x), own=own)

    def advance(self, problem: Problem, state: State) -> State:
        """Tries larger and larger damping until the loss falls."""
        own = state.own
        matrix = problem.gauss_newton(state.x, bool(own["structured"]))
        scales = np.maximum(own["scales"], matrix.diagonal())
        least = float(np.max(scales, initial=0.0)) * 1e-12 or 1.0
        damping, growth = own["damping"], own["growth"]
        for _ in range(60):
            shift = damping * np.maximum(scales, least)
            try:
                s = -matrix.damped_step(state.gradient, shift)
            except SingularMatrixError:
                damping, growth = damping * growth, growth * 2
                continue
            x = state.x + s
            if np.array_equal(x, state.x):
                return stuck(state)
            value, gradient = problem.value_and_gradient(x)
            promised = 0.5 * float(s @ (shift * s - state.gradient))
            ratio = (state.value - value) / promised if promised > 0 else -1.0
            if ratio > 0 or _is_rounding(state, value, gradient):
                shorter = max(1 / 3, 1 - (2 * min(ratio, 1.0) - 1) ** 3)
                return moved(
                    state,
                    x,
                    value,
                    gradient,
                    1.0,
                    damping=max(damping * shorter, 1e-15),
                    growth=2.0,
                    scales=scales,
                )
            damping, growth = damping * growth, growth * 2
        return stuck(state)


def _is_rounding(state: State, value: float, gradient: Vector) -> bool:
    """Is the loss the same but for rounding, and the gradient smaller?"""
    return bool(
        value <= state.value + rounding(state)
        and np.linalg.norm(gradient) < 0.9 * np.linalg.norm(state.gradient)
    )


@dataclass(frozen=True)
class NewtonCG(Method):
    """Newton's method by products with the Hessian: conjugate gradients, as far as they pay.

    Attributes
    ----------
    step : Backtracking
        The line search.
    most : int
        Products a step at most.

    Notes
    -----
    A step ends where its residual is below min(½, √‖g‖/√‖g₀‖)·‖g‖, so that convergence is faster
    than linear, and at a direction of negative curvature, so that it goes downhill.
    """

    step: Backtracking = _SEARCH
    most: int = 200

    def init(self, problem: Problem, x: Vector) -> State:
        """Remembers the first gradient's size."""
        start = super().init(problem, x)
        size = float(np.linalg.norm(start.gradient))
        return replace(start, own={"size": size, "indefinite": 0, "decrement": np.inf})

    def advance(self, problem: Problem, state: State) -> State:
        """One step."""
        g = state.gradient
        relative = float(np.linalg.norm(g)) / (state.own["size"] or 1.0)
        found = conjugate_gradients(
            problem.product(state.x), g, min(0.5, sqrt(relative)), self.most
        )
        trial = search(problem, state, -found.step, self.step.first or 1.0, self.step)
        if trial is None:
            return stuck(state)
        count = state.own["indefinite"] + (not found.convex)
        decrement = found.decrement if found.convex else np.inf
        return taken(state, trial, decrement=decrement, indefinite=count)


@dataclass(frozen=True)
class TrustRegion(Method):
    """Steps to where the quadratic Taylor model is smallest within a radius.

    Attributes
    ----------
    radius : float
        The first radius; it grows where the model predicts well and shrinks where it does not.

    Notes
    -----
    The model is minimised by Steihaug's conjugate gradients, which go to the boundary along
    directions of negative curvature.
    """

    radius: float = 1.0

    def __post_init__(self) -> None:
        checked_step(self.radius, "radius")

    def init(self, problem: Problem, x: Vector) -> State:
        """With the first radius."""
        start = super().init(problem, x)
        own = {"size": float(np.linalg.norm(start.gradient)), "indefinite": 0}
        return replace(start, length=float(self.radius), own=own)

    def advance(self, problem: Problem, state: State) -> State:
        """Tries smaller and smaller radii until the loss falls."""
        g, radius = state.gradient, state.length
        product = problem.product(state.x)
        relative = float(np.linalg.norm(g)) / (state.own["size"] or 1.0)
        tolerance = min(0.5, sqrt(relative))
        for _ in range(60):
            s = steihaug_step(g, product, radius, tolerance)
            x = state.x + s
            if np.array_equal(x, state.x):
                break
            value, gradient = problem.value_and_gradient(x)
            curvature = float(s @ product(s))
            promised = -float(g @ s) - 0.5 * curvature
            ratio = (state.value - value) / promised if promised > 0 else -1.0
            size = float(np.linalg.norm(s))
            exact = _is_rounding(state, value, gradient)
            if ratio > 0.75 and size > 0.99 * radius:
                radius *= 2
            elif not ratio >= 0.25 and not exact:
                radius = 0.25 * size
            if ratio > 1e-4 or exact:
                count = state.own["indefinite"] + (not curvature > 0)
                return moved(state, x, value, gradient, radius, indefinite=count)
        return stuck(state)


def check_structured(structured: Any) -> None:
    """An error unless this is True, False or "auto"."""
    if structured not in (True, False, "auto"):
        raise ValueError(f"structured is True, False or 'auto'; got {structured!r}")


def modified(state: State) -> str | None:
    """What a result says of steps whose Hessian was not positive definite."""
    count = state.own.get("indefinite", 0)
    if not count:
        return None
    return f"the Hessian was not positive definite at {count} of {state.step} steps, and modified"
