"""Where Newton's steps lead from a pilot's end: f* and θ*, without the method that is forecast."""

from __future__ import annotations

import time
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from wengert.convergence.constants.reference import reference_of
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
_SECONDS = 5.0  # that other methods may take
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
    """

    x: Vector
    value: float
    error: float
    found: bool
    why: str = ""


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
    scale = max(scale, first)
    spent, bent = 0.0, False
    for _ in range(_ROUNDS):
        if not np.any(state.gradient):
            return Minimum(state.x, state.value, 0.0, True)
        rounding = 8 * float(np.finfo(x.dtype).eps) * (1 + abs(state.value))
        goal = max(tolerance, rounding)
        solved = _newton(problem, state, first, goal)
        trial = search(problem, state, -solved.step, 1.0, Backtracking())
        spent += 1 + (PRODUCT * solved.products if len(x) > DENSE else 0.0)
        gap = solved.decrement if solved.convex else np.inf
        bent = bent or not solved.convex
        if trial is None:
            if gap <= _NEAR * goal:
                return Minimum(state.x, state.value, max(gap, rounding), True)
            if float(np.linalg.norm(state.gradient)) <= _NOTHING * scale:
                return Minimum(state.x, state.value, goal, True)
            return Minimum(state.x, state.value, np.inf, False, "Newton's method stalled")
        state = State(trial.x, trial.value, trial.gradient)
        if gap <= goal:
            return Minimum(state.x, state.value, max(_SHARE * gap, rounding), True)
        if spent > most:
            break
    why = (
        "the curvature is not positive on the way"
        if bent
        else "Newton's method needs more products than were granted"
    )
    return Minimum(state.x, state.value, np.inf, False, why)


def lowest(problem: Metered, x: Vector, seen: Any, why: str) -> Minimum:
    """f* of a function that Newton's steps do not minimise: kinks, no minimiser, a saddle.

    Parameters
    ----------
    problem : Metered
        What is minimised.
    x : ndarray
        A start.
    seen : ndarray
        Losses that some method has found.
    why : str
        Why Newton's steps do not lead there.

    Returns
    -------
    Minimum
        Whose error is infinite if nobody knows; ``value`` is -inf where there is no minimum.
    """
    begun = time.perf_counter()
    found = reference_of(problem, x, seconds=_SECONDS)
    problem.charge_seconds(time.perf_counter() - begun)
    least, error = found.value, float(found.error)
    if np.isnan(error) or np.min(seen) < least - error:
        least, error = min(least, float(np.min(seen))), np.inf
    return Minimum(x if found.x is None else found.x, least, error, False, why)


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
