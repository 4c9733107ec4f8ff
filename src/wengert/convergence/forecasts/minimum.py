"""Where Newton's steps lead from a pilot's end: f* and θ*, without the method that is forecast."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from wengert.convergence.constants.reference import Reference, reference_of
from wengert.convergence.forecasts.metered import PRODUCT, Metered
from wengert.optimize.krylov import Product, Solution, conjugate_gradients
from wengert.optimize.methods import State
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector
from wengert.optimize.steps import Backtracking, search

DENSE = 64  # parameters up to which whole Hessians are cheap
_ROUNDS = 40  # Newton steps
_MOST = 200  # products a step
_FINE = 1e-2  # of the residual, where a gap is believed
_SHARE = 0.3  # of the gap before a Newton step that is left after it, at most
_NEAR = 10.0  # times the tolerance, that is accepted where no step goes down
_SECONDS = 10.0  # that other methods may take
_FALL = 1e6  # of what a pilot gains: a loss that has no minimum
_NOTHING = 1e-9  # of the first gradient: as good as zero


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
        About how far f is above its minimum.
    found : bool
        Whether the error is small enough, on convex ground.
    why : str
        Why not.
    how : str
        How f* was found.
    trail : tuple of float
        f at the start and after each of Newton's steps.
    """

    x: Vector
    value: float
    error: float
    found: bool
    why: str = ""
    how: str = "Newton's steps to the minimum from there"
    trail: tuple[float, ...] = ()


def find_minimum(
    problem: Problem, x: Vector, tolerance: float, most: float, scale: float = 0.0
) -> Minimum:
    """A minimum by Newton's method: with whole Hessians of few parameters, otherwise by products.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    x : ndarray
        The start.
    tolerance : float
        Of f.
    most : float
        What products may cost, in gradients.
    scale : float
        The size of a gradient that is not small, if that at x is.

    Examples
    --------
    >>> from wengert.optimize import problem_of
    >>> problem = problem_of(lambda x: np.sum(np.cosh(x - 2.0)), np.zeros(3))
    >>> found = find_minimum(problem, np.zeros(3), 1e-9, 100)
    >>> found.x.round(6), found.found
    (array([2., 2., 2.]), True)
    """
    value, gradient = problem.value_and_gradient(x)
    state = State(x, value, gradient)
    first = float(np.linalg.norm(gradient))
    trail = [value]
    spent, bent = 0.0, False
    for _ in range(_ROUNDS):
        if not np.any(state.gradient):
            return Minimum(state.x, state.value, 0.0, True, trail=tuple(trail))
        rounding = 8 * float(np.finfo(x.dtype).eps) * (1 + abs(state.value))
        goal = max(tolerance, rounding)
        solved = _newton(problem, state, first, goal)
        trial = search(problem, state, -solved.step, 1.0, Backtracking())
        spent += 1 + (PRODUCT * solved.products if len(x) > DENSE else 0.0)
        gap = solved.decrement if solved.convex else np.inf
        bent = bent or not solved.convex
        if trial is None:
            small = float(np.linalg.norm(state.gradient)) <= _NOTHING * max(scale, first)
            if small or gap <= _NEAR * goal:
                error = max(rounding, min(gap, goal))
                return Minimum(state.x, state.value, error, True, trail=tuple(trail))
            return Minimum(state.x, state.value, np.inf, False, "Newton's method stalled")
        state = State(trial.x, trial.value, trial.gradient)
        trail.append(trial.value)
        left = max(_left(trail), min(_SHARE * gap, goal))
        if gap <= goal and left <= goal:
            return Minimum(state.x, state.value, max(left, rounding), True, trail=tuple(trail))
        if spent > most:
            break
    why = "Newton's steps do not come to rest"
    if spent > most:
        why = "Newton's method needs more products than were granted"
    if bent:
        why = "the curvature is not positive on the way"
    return Minimum(state.x, state.value, np.inf, False, why)


def _left(trail: list[float]) -> float:
    """How far a loss still falls, if each step goes on to gain so much less than the one before."""
    if len(trail) < 3:
        return 0.0
    before, last = trail[-3] - trail[-2], trail[-2] - trail[-1]
    if not last > 0:
        return 0.0
    share = last / before if before > 0 else 1.0
    return last * share / (1 - share) if share < 1 else np.inf


def lowest(
    problem: Metered, x: Vector, seen: Any, why: str, reference: Reference | None = None
) -> Minimum:
    """f* of a function that Newton's steps do not minimise: kinks, no minimiser, a saddle.

    Parameters
    ----------
    problem : Metered
        What is minimised.
    x : ndarray
        A start.
    seen : ndarray
        Losses that some method has found, from the start's on.
    why : str
        Why Newton's steps do not lead there.
    reference : Reference, optional
        If it is known.

    Returns
    -------
    Minimum
        Whose error is infinite if nobody knows; ``value`` is -inf where there is no minimum.
    """
    if reference is None:
        begun = time.perf_counter()
        reference = reference_of(problem, x, seconds=_SECONDS)
        problem.charge_seconds(time.perf_counter() - begun)
    least, error = reference.value, float(reference.error)
    low = float(np.min(seen))
    if np.isnan(error) or low < least - error:
        least, error = min(least, low), np.inf
    if np.isinf(error) and seen[0] - least > _FALL * max(seen[0] - low, 1.0):
        least = -np.inf
    at = x if reference.x is None else reference.x
    return Minimum(at, least, error, False, why, f"f* by {reference.how}")


def _newton(problem: Problem, state: State, first: float, goal: float) -> Solution:
    """Newton's step, as exact as it pays."""
    g = state.gradient
    multiply: Product = problem.product(state.x)
    if len(state.x) <= DENSE:
        matrix = problem.hessian(state.x)
        return conjugate_gradients(lambda v: matrix @ v, g, 1e-8)
    loose = min(0.5, sqrt(float(np.linalg.norm(g)) / first))
    found = conjugate_gradients(multiply, g, loose, _MOST)
    if found.decrement > goal or loose <= _FINE or not found.convex:
        return found
    return conjugate_gradients(multiply, g, _FINE, _MOST)
