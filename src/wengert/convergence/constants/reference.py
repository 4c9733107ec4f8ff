"""A trusted minimum: what gaps are measured from, and how far it can be off.

Sources: Boyd and Vandenberghe, Convex Optimization (2004), section 9.1.2, for the error by the
gradient; Nesterov, Smooth minimization of non-smooth functions (2005), for kinks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.convergence.facts import Convexity, Sureness
from wengert.optimize import (
    LBFGS,
    EmpiricalRisk,
    Newton,
    NewtonCG,
    Problem,
    Result,
    Stop,
    TrustRegion,
    minimize,
)
from wengert.optimize.krylov import gap_estimate
from wengert.optimize.separation import SEPARATED
from wengert.optimize.space import Vector

_DENSE = 500  # parameters up to which Newton's method solves with the Hessian
_NEARLY = 1e-6  # of the first gradient: a minimiser but for rounding
_FLAT = 4.0  # times ½gH⁻¹g, which is half of the gap at least where f goes as a power
_FINEST = 1e-9  # width in which a kink is rounded off in the end
_ROUNDING = 16.0  # times the spacing of numbers: how exact a loss is


@dataclass(frozen=True, eq=False)
class Reference:
    """A minimum that gaps are measured from.

    Attributes
    ----------
    x : ndarray or None
        θ*, a vector; None if there is no minimiser, or none was found.
    value : float
        f*; the infimum, if there is no minimiser.
    error : float
        How far ``value`` is probably off; NaN if nobody knows.
    kind : str
        "exact" (proven: strongly convex, within ``error``) or "estimate" (the lowest point found).
    how : str
        How it was found, a clause.
    missing : str or None
        Why there is no minimiser, and the remedy.
    run : Result or None
        The run that found it.
    """

    x: Any
    value: float
    error: float
    kind: Sureness
    how: str
    missing: str | None = None
    run: Result | None = None

    def __str__(self) -> str:
        if np.isinf(self.value):
            return f"f* = −∞ ({self.how})"
        off = "" if np.isnan(self.error) else f" ± {self.error:.1g}"
        return f"f* = {self.value:.10g}{off} ({self.kind}: {self.how})"

    def lowered(self, x: Vector, value: float) -> Reference:
        """The same, or the lower point that a run has found."""
        if self.missing or not value < self.value - max(self.error, 0.0):
            return self
        how = "the lowest point of all runs"
        return replace(self, x=x, value=value, error=float("nan"), kind="estimate", how=how)


@dataclass(frozen=True, eq=False)
class Shared:
    """A problem as an objective: what was compiled for it is used again.

    Attributes
    ----------
    one : Problem
        The problem.
    """

    one: Problem

    def problem(self, theta: Any, seed: int = 0) -> Problem:
        """The same function; counts and batches are its own."""
        p = self.one
        return Problem(p.derivatives, theta, p.source, seed, p.origin)


def rounding(problem: Problem, value: float) -> float:
    """The differences of a loss that are rounding."""
    return _ROUNDING * float(np.finfo(problem.space.dtype).eps) * abs(value)


def reference_of(
    problem: Problem, x0: Vector, convexity: Convexity | None = None, seconds: float = 60.0
) -> Reference:
    """Minimise as far as the arithmetic goes, and say how far off that can be.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    x0 : ndarray
        Where to begin.
    convexity : Convexity, optional
        What is proven of the function.
    seconds : float
        After which it ends with the lowest point found.
    """
    if convexity is not None and convexity.verdict == "affine":
        return _of_affine(problem, x0)
    if _is_hinge(problem):
        return _by_smoothing(problem, x0, convexity, seconds)
    found = _lowest(problem, x0, seconds)
    if found.status == "unbounded":
        return _without_minimiser(problem, found)
    x = problem.space.vector(found.theta)
    value, gradient = problem.value_and_gradient(x)
    norm = float(np.linalg.norm(gradient))
    gap, proof = _gap(problem, x, gradient, convexity)
    error = gap + rounding(problem, value)
    how = f"{type(found.inputs['method']).__name__}(), ‖∇f‖ = {norm:.1g}{proof}"
    reached = norm <= _NEARLY * float(found.history.gradient_norm[0]) or gap <= error / 2
    if not reached:
        how = f"the lowest point found, ‖∇f‖ = {norm:.1g}; {found.message}"
        error = error if proof else float("nan")
    elif convexity is not None and convexity.convex is False:
        how = f"a stationary point, there may be lower ones; {how}"
    return Reference(x, value, error, "exact" if reached and proof else "estimate", how, run=found)


def _lowest(problem: Problem, x0: Vector, seconds: float) -> Result:
    """The best of the methods that may do: the first that meets the goal is taken."""
    begun = time.perf_counter()
    small = problem.space.size <= _DENSE
    best: Result | None = None
    theta = problem.space.tree(x0)
    for method in (Newton() if small else LBFGS(), LBFGS() if small else NewtonCG(), TrustRegion()):
        left = max(seconds - (time.perf_counter() - begun), 0.01 * seconds)
        stop = Stop(relative=1e-13, steps=20_000, seconds=left)
        found = minimize(Shared(problem), theta, method=method, stop=stop, progress=False)
        if found.success or found.status in ("unbounded", "interrupted"):
            return found
        if best is None or found.loss < best.loss:
            best = found
    assert best is not None
    return best


def _gap(
    problem: Problem, x: Vector, gradient: Vector, convexity: Convexity | None
) -> tuple[float, str]:
    """How far above its minimum a function is where its gradient is small, and the proof."""
    square = float(gradient @ gradient)
    if convexity is not None and convexity.modulus is not None and convexity.modulus.value > 0:
        return square / (2 * convexity.modulus.value), ", so f − f* ≤ ‖∇f‖²/2μ"
    gap, _ = gap_estimate(problem.product(x), gradient) if square else (0.0, 0)
    return (_FLAT * gap if np.isfinite(gap) else 0.0), ""


def _without_minimiser(problem: Problem, found: Result) -> Reference:
    """An infimum that is not attained: of separated data it is 0."""
    known = found.message == SEPARATED
    value = 0.0 if known else -np.inf
    how = "the infimum, which no θ attains" if known else "the loss falls without bound"
    return Reference(None, value, 0.0, "exact", how, found.message)


def _of_affine(problem: Problem, x0: Vector) -> Reference:
    value, gradient = problem.value_and_gradient(x0)
    if not np.any(gradient):
        return Reference(x0, value, rounding(problem, value), "exact", "the function is constant")
    why = "the function is affine and falls without bound; constrain the parameters"
    return Reference(None, -np.inf, 0.0, "exact", "the function is affine", why)


# ---------------------------------------------------------------- kinks


def _is_hinge(problem: Problem) -> bool:
    risk = problem.origin
    return isinstance(risk, EmpiricalRisk) and risk.named is not None and risk.named.name == "hinge"


def rounded_hinge(width: float) -> Any:
    """The hinge loss with a parabola at its kink, which lies above it by width/4 at most.

    >>> loss = rounded_hinge(0.1)
    >>> loss(np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.0, 1.0]))
    array([0.025, 0.   , 1.   ])
    """

    def loss(prediction: Any, target: Any) -> Any:
        z: Any = 1.0 - (2.0 * target - 1.0) * prediction
        near: Any = (z + width) ** 2 / (4 * width)
        where: Any = np.where
        return where(np.abs(z) < width, near, where(z >= width, z, 0.0))

    return loss


def _by_smoothing(
    problem: Problem, x0: Vector, convexity: Convexity | None, seconds: float
) -> Reference:
    """The minimum of a hinge loss: of rounded ones, whose minima are near from above."""
    risk = problem.origin
    space = problem.space
    x = x0
    width = 0.1
    best, value = x0, problem.value(x0)
    lower = -np.inf
    while width >= _FINEST:
        smooth = EmpiricalRisk(
            rounded_hinge(width),
            risk.predictions_of,
            problem.source.chunks,
            risk.regularizer,
        )
        stop = Stop(relative=1e-12, steps=200, seconds=seconds / 9)
        method = Newton() if space.size <= _DENSE else LBFGS()
        found = minimize(smooth, space.tree(x), method=method, stop=stop, progress=False)
        x = space.vector(found.theta)
        if found.success:
            lower = max(lower, found.loss - width / 4)
        now = problem.value(x)
        if now < value:
            best, value = x, now
        width /= 10
    error = max(value - lower, 0.0) + rounding(problem, value)
    convex = convexity is not None and convexity.convex is True and np.isfinite(error)
    how = "Newton() on the loss with its kinks rounded off in narrower and narrower places"
    return Reference(best, value, error, "exact" if convex else "estimate", how)
