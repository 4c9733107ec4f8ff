"""M, the Lipschitz constant of the Hessian: the largest third derivative along a direction.

Sources: Banach (1938): of a symmetric form the largest value over three unit vectors is the
largest over one taken three times; Kolda and Mayo, Shifted power method for computing tensor
eigenpairs (2011), for the iteration; Bach, Self-concordant analysis for logistic regression (2010);
Sun and Tran-Dinh, Generalized self-concordant functions (2019).
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, sqrt
from typing import Any

import numpy as np
import optree

from wengert.convergence.constants.setting import Found, Setting, constant
from wengert.convergence.facts import Constant
from wengert.optimize.problem import Compiling, Problem
from wengert.optimize.space import Vector
from wengert.transforms import grad, hvp

_NAME = "Lipschitz constant of the Hessian"
_CONCORDANT = "self-concordance, |D³f[u,u,u]| ≤ 2·SC·(uᵀ∇²f u)^(3/2)"
_STARTS = 1  # random directions a point, besides the gradient's
_STEPS = 20
_STILL = 1e-4  # relative change at which an iteration ends


def hessian_lipschitz(s: Setting) -> Found:
    """M, the Lipschitz constant of the Hessian."""
    if s.quadratic:
        return constant("M", _NAME, 0.0, "exact", "the Hessian does not depend on θ")
    proven = _proven(s)
    if proven is not None:
        return proven
    if s.model is not None and s.model.loss.third is None and s.model.loss.slope is not None:
        return f"M: the Hessian of the {s.model.loss.name} loss jumps; no M bounds that"
    return _estimated(s)


def _proven(s: Setting) -> Constant | None:
    """By the loss's third derivative, and the sizes of the rows."""
    if s.composite is not None and isfinite(s.composite.third):
        how = f"a bound on the third derivative of {s.composite.names}"
        return constant("M", _NAME, s.composite.third, "bound", how)
    model = s.model
    if model is None or model.loss.third is None or s.penalty is None:
        return None
    cubes = model.mean_power(3)
    spread = model.largest * model.gram.ceiling
    how = "mean ‖Jᵢ‖³" if cubes <= spread else "max ‖Jᵢ‖·λmax(JᵀJ)/n"
    value = model.loss.third * min(cubes, spread)
    return constant("M", _NAME, value, "bound", f"{model.loss.third:.4g}·{how}, as |ℓ'''| is less")


def self_concordance(s: Setting, mu: Constant | None) -> Found:
    """SC, κ with D³f[u, u, u] ≤ 2κ (uᵀ∇²f u)^(3/2); for losses of affine models with μ > 0.

    A third derivative is at most c‖Aᵢu‖ times a second one, and ‖u‖² at most uᵀ∇²f u / μ.
    """
    if s.quadratic:
        return constant("SC", _CONCORDANT, 0.0, "exact", "the Hessian does not depend on θ")
    c = None if s.model is None else s.model.loss.concordance
    if s.model is None or c is None or s.penalty is None or s.penalty.low < 0:
        return "SC: known for losses with a name, of affine models"
    if mu is None or not mu.proven or not mu.value > 0:
        return "SC: a proven μ gives it"
    value = c * s.model.largest / (2 * sqrt(mu.value))
    return constant("SC", _CONCORDANT, value, "bound", f"{c:.4g}·max ‖Jᵢ‖/2√μ")


def third_derivative(problem: Problem) -> Callable[[Vector, Vector], Vector]:
    """The function of x and v that gives D³f(x)[v, v, ·], a vector.

    Parameters
    ----------
    problem : Problem
        The function.

    Examples
    --------
    >>> from wengert.optimize import problem_of
    >>> third = third_derivative(problem_of(lambda x: np.sum(x**3), np.zeros(2)))
    >>> third(np.zeros(2), np.array([1.0, 2.0]))
    array([ 6., 24.])
    """
    function, space = problem.derivatives.function, problem.space

    def run(theta: Any, v: Any, *rows: Any) -> Any:
        def value(t: Any) -> Any:
            return function(t, *rows)

        def curvature(t: Any) -> Any:
            product = hvp(value, (t,), (v,))
            pairs: Any = zip(optree.tree_leaves(v), optree.tree_leaves(product), strict=True)
            return sum(np.sum(a * b) for a, b in pairs)

        return grad(curvature)(theta)

    compiled = Compiling(run)

    def apply(x: Vector, v: Vector) -> Vector:
        theta, tree = space.views(x), space.views(np.asarray(v, space.dtype))
        total: Any = 0.0
        sizes = problem.source.sizes
        for size, rows in zip(sizes, problem.source.chunks(), strict=False):
            part = np.array(space.joined(compiled(theta, tree, *rows)), float)
            total = total + size / problem.source.length * part
        return total

    return apply


def largest_third(third: Callable[[Vector], Vector], starts: list[Vector]) -> float:
    """A bound from below on max ‖D³f[u, v, w]‖ over unit vectors, mostly near it.

    Parameters
    ----------
    third : callable
        u to D³f[u, u, ·].
    starts : list of ndarray
        Where power iterations begin.

    Examples
    --------
    >>> round(largest_third(lambda u: 6 * np.array([1.0, 2.0]) * u * u, [np.ones(2)]), 3)
    12.0
    """
    best = 0.0
    for start in starts:
        u, before = start / np.linalg.norm(start), 0.0
        for _ in range(_STEPS):
            image = third(u)
            size = float(np.linalg.norm(image))
            if not np.isfinite(size):
                return float("nan")
            best = max(best, size)
            if size == 0 or abs(size - before) <= _STILL * size:
                break
            u, before = image / size, size
    return best


def _estimated(s: Setting) -> Found:
    third = third_derivative(s.problem)
    rng = np.random.default_rng([s.problem.seed, 3])
    values: list[float] = []
    for _, x in s.points:
        starts = [rng.normal(size=s.size) for _ in range(_STARTS)]
        gradient = s.gradient(x)[1]
        if np.any(gradient):
            starts.append(np.asarray(gradient, float))
        values.append(largest_third(lambda u, x=x: third(x, u), starts))
    if not np.all(np.isfinite(values)):
        return "M: a third derivative is not finite on the way"
    value = max(values)
    if s.kinks and not value > 0:
        return "M: all curvature is in kinks, at which the gradient jumps; no M bounds that"
    how = f"power iterations on third derivatives at {len(values)} points, from below"
    if s.kinks:
        how += f"; {', '.join(s.kinks)} may have kinks on the way, where the Hessian jumps"
    pair = (value, value + max(values) - min(values))
    return constant("M", _NAME, value, "estimate", how, pair)
