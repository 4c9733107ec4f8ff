"""The exact constants are those that semidefinite programs find (PEPit)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.convergence import Convexity, Facts
from wengert.convergence.theorems import THEOREMS
from wengert.convergence.theorems.accelerated import inertia

from .problems import constants

BY_NAME = {one.name: one for one in THEOREMS}
GD = "gradient descent, "


def worst(
    smooth: float,
    mu: float | None,
    run: Callable[[Any, Any], list[Any]],
    measure: str,
    start: str,
) -> float:
    """The largest value of ``measure`` for f with L and μ (None: not convex) and ``start`` = 1."""
    pytest.importorskip("PEPit")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from PEPit import PEP
        from PEPit.functions import SmoothFunction, SmoothStronglyConvexFunction

        program = PEP()
        if mu is None:
            f = program.declare_function(SmoothFunction, L=smooth)
        else:
            f = program.declare_function(SmoothStronglyConvexFunction, L=smooth, mu=mu)
        best = f.stationary_point()
        first = program.set_initial_point()
        square, gap = (first - best) ** 2, f(first) - f(best)
        points = run(f, first)
        if mu is None:  # a stationary point is no minimum, unless all other points say so
            for x in points:
                f.add_constraint(f(best) <= f(x) - f.gradient(x) ** 2 / (2 * smooth))
        program.set_initial_condition((square if start == "R" else gap) <= 1)
        for x in points if mu is None else points[-1:]:
            values = {"gap": f(x) - f(best), "distance": (x - best) ** 2}
            program.set_performance_metric(values.get(measure, f.gradient(x) ** 2))
        return float(program.solve(wrapper="cvxpy", solver="CLARABEL", verbose=0))


def descent(alpha: float, steps: int) -> Callable[[Any, Any], list[Any]]:
    def run(f: Any, x: Any) -> list[Any]:
        points = [x]
        for _ in range(steps):
            points.append(points[-1] - alpha * f.gradient(points[-1]))
        return points

    return run


def accelerated(alpha: float, steps: int) -> Callable[[Any, Any], list[Any]]:
    def run(f: Any, x: Any) -> list[Any]:
        theta = y = x
        t = inertia(np.arange(1, steps + 2))
        for k in range(steps):
            before, theta = theta, y - alpha * f.gradient(y)
            y = theta + (t[k] - 1) / t[k + 1] * (theta - before)
        return [theta]

    return run


def stated(name: str, method: Any, smooth: float, mu: float | None, steps: int) -> float:
    own = constants(L=smooth, R=1.0, gap0=1.0, **({} if mu is None else {"mu": mu}))
    facts = Facts(method, own, Convexity("undecided"), float(method.step))
    return float(BY_NAME[name].at(steps, facts))


# The theorem, what it bounds, by what, μ, α with L = 2, T.
CASES = [
    ("convex and smooth: exact", "gap", "R", 0.0, 0.5, 4),
    ("convex and smooth: exact", "gap", "R", 0.0, 0.2, 3),
    ("convex and smooth: exact", "gap", "R", 0.0, 0.9, 2),
    ("convex and smooth: gradient by the gap", "gradient", "gap", 0.0, 0.5, 3),
    ("convex and smooth: gradient by the gap", "gradient", "gap", 0.0, 0.8, 2),
    ("convex and smooth: gradient by the distance", "gradient", "R", 0.0, 0.5, 4),
    ("convex and smooth: gradient by the distance", "gradient", "R", 0.0, 0.3, 2),
    ("strongly convex: gap by the distance", "gap", "R", 0.2, 0.5, 3),
    ("strongly convex: gap by the distance", "gap", "R", 0.2, 0.9, 2),
    ("strongly convex: distance", "distance", "R", 0.2, 0.5, 2),
    ("strongly convex: distance", "distance", "R", 0.2, 2 / 2.2, 2),
    ("strongly convex: gap", "gap", "gap", 0.2, 0.4, 2),
    ("smooth: smallest gradient, any step below 2/L", "gradient", "gap", None, 0.5, 3),
    ("smooth: smallest gradient, any step below 2/L", "gradient", "gap", None, 0.2, 2),
    ("smooth: smallest gradient, any step below 2/L", "gradient", "gap", None, 0.8, 2),
]


@pytest.mark.parametrize(("name", "measure", "start", "mu", "alpha", "steps"), CASES)
def test_gradient_descent(
    name: str, measure: str, start: str, mu: float | None, alpha: float, steps: int
) -> None:
    found = worst(2.0, mu, descent(alpha, steps), measure, start)
    bound = stated(GD + name, wg.GradientDescent(alpha), 2.0, mu, steps)
    assert found == pytest.approx(bound, rel=1e-4)


@pytest.mark.parametrize(("alpha", "steps"), [(0.5, 1), (0.5, 4), (0.25, 3)])
def test_nesterov(alpha: float, steps: int) -> None:
    name = "Nesterov's method, convex and smooth"
    method = wg.Nesterov(alpha)
    found = worst(2.0, 0.0, accelerated(alpha, steps), "gap", "R")
    assert found <= stated(name, method, 2.0, 0.0, steps) * (1 + 1e-6)
    facts = Facts(method, constants(L=2.0, R=1.0), Convexity("convex"), alpha)
    attained = BY_NAME[name].attained
    assert attained is not None
    assert found == pytest.approx(float(attained(np.array(steps), facts)), rel=1e-4)
