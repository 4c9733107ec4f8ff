"""Bounds on gradients, and the noise of a single row's gradient.

Sources: Garrigos and Gower, Handbook of convergence theorems for (stochastic) gradient methods
(2023), sections 4 and 9; Moulines and Bach (2011) for the noise at θ*.
"""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from wengert.convergence.constants.rows import AffineModel
from wengert.convergence.constants.setting import Found, Minimum, Setting, constant
from wengert.convergence.facts import Constant
from wengert.optimize.space import Vector

_GRADIENT = "bound on ‖∇f‖"
_STOCHASTIC = "bound on (E‖gᵢ‖²)^½, gᵢ the gradient of one row"
_NOISE = "gradient noise at θ₀, the trace of the covariance of one row's gradient"
_NOISE_STAR = "gradient noise at θ*"
_NONE = 1e-12  # of the noise at θ₀: none at θ*

Bound = tuple[float, str, str]
"""A bound, how it was found, and where it holds."""
_BALL = "within distance R of θ*"


def gradient_bound(s: Setting, L: Constant | None, R: Constant | None) -> Found:
    """G, a bound on the gradient within distance R of the minimiser."""
    bounds: list[Bound] = []
    model = s.model
    if model is not None and model.slope is not None:
        size = min(model.mean_power(1), sqrt(model.gram.ceiling))
        rest, more, where = _of_ridge(s, R)
        if rest < inf:
            how = f"{model.slope:.4g}·‖J‖/√n{more}, as |ℓ'| ≤ {model.slope:.4g}"
            bounds.append((model.slope * size + rest, how, where))
    if L is not None and L.proven and R is not None and R.proven and _at_minimum(s):
        bounds.append((L.value * _reach(R), "L·R", _BALL))
    if bounds:
        return _smallest("G", _GRADIENT, bounds)
    lengths = [float(np.linalg.norm(s.gradient(x)[1])) for _, x in s.points]
    if not np.all(np.isfinite(lengths)):
        return "G: the gradient is not finite on the way"
    how = _largest_of(len(lengths))
    return constant("G", _GRADIENT, max(lengths), "estimate", how)


def _smallest(symbol: str, name: str, bounds: list[Bound]) -> Constant:
    value, how, where = min(bounds)
    how = f"{how}, {where}" if where else how
    return constant(symbol, name, value, "bound", how, within=where)


def _at_minimum(s: Setting) -> bool:
    return s.convex is True and isinstance(s.minimum, Minimum)


def _reach(R: Constant) -> float:
    """R, not smaller than it may be."""
    return R.value if R.interval is None else max(R.value, R.interval[1])


def _of_ridge(s: Setting, R: Constant | None) -> Bound:
    """What the regulariser λ/2‖θ‖² adds to a gradient within distance R of θ*."""
    risk, minimum = s.risk, s.minimum
    assert risk is not None
    if risk.regularizer is None or risk.regularizer == 0:
        return 0.0, "", ""
    if callable(risk.regularizer) or R is None or not R.proven:
        return inf, "", ""
    largest = 2 * _reach(R) + float(np.linalg.norm(s.x0))
    if isinstance(minimum, Minimum):
        largest = float(np.linalg.norm(minimum.x)) + _reach(R)
    return float(risk.regularizer) * largest, " + λ‖θ‖", _BALL


def stochastic_bound(s: Setting, R: Constant | None, star: Constant | None) -> Found:
    """The root of a bound on E‖gᵢ‖² within distance R of the minimiser."""
    if not s.has_rows:
        return "Gstoch: the function is no mean over rows of data"
    bounds: list[Bound] = []
    model = s.model
    if model is not None and model.slope is not None:
        rest, more, where = _of_ridge(s, R)
        if rest < inf:
            square = _mean_square(model.slope, model.mean_power(1), model.mean_power(2), rest)
            bounds.append((sqrt(square), f"|ℓ'| ≤ {model.slope:.4g}{more}", where))
    if model is not None:
        bounds += _from_minimum(s, model, R, star)
    if bounds:
        return _smallest("Gstoch", _STOCHASTIC, bounds)
    found = [noise_at(s, x) + float(np.sum(s.gradient(x)[1] ** 2)) for _, x in s.points]
    if not np.all(np.isfinite(found)):
        return "Gstoch: a gradient is not finite on the way"
    how = _largest_of(len(found))
    return constant("Gstoch", _STOCHASTIC, sqrt(max(found)), "estimate", how)


def _from_minimum(
    s: Setting, model: AffineModel, R: Constant | None, star: Constant | None
) -> list[Bound]:
    """σ* + R·(mean Lᵢ²)^½, as gᵢ changes by at most LᵢR."""
    c, penalty = model.loss.smoothness, s.penalty
    known = c is not None and penalty is not None and R is not None and R.proven
    if not known or star is None or not star.proven or not _at_minimum(s):
        return []
    assert c is not None
    assert penalty is not None
    assert R is not None
    square = _mean_square(c, model.mean_power(2), model.mean_power(4), penalty.high)
    value = sqrt(star.value) + _reach(R) * sqrt(square)
    return [(value, "σ* + R·√(mean Lᵢ²)", _BALL)]


def _largest_of(count: int) -> str:
    return "at θ₀" if count == 1 else f"the largest of {count} points on the way"


def _mean_square(factor: float, first: float, second: float, rest: float) -> float:
    """The mean of (factor·x + rest)², from those of x and x²."""
    return factor**2 * second + 2 * factor * rest * first + rest**2


def noise_at(s: Setting, x: Vector) -> float:
    """The trace of the covariance of one row's gradient at a point, kept."""
    key = "noise", x.tobytes()
    if key not in s.kept:
        assert s.risk is not None
        s.kept[key] = s.risk.gradient_noise(s.problem.space.tree(x))
    return s.kept[key]


def noise(s: Setting) -> Found:
    """σ² at the start."""
    if not s.has_rows:
        return "sigma2: the function is no mean over rows of data"
    n = s.problem.source.length
    how = "one row has no noise" if n == 1 else f"the sum over all {n:,} rows"
    value = noise_at(s, s.x0)
    if not np.isfinite(value):
        return "sigma2: the gradient of a row at θ₀ is not finite"
    return constant("sigma2", _NOISE, value, "exact", how)


def noise_at_minimum(s: Setting, R: Constant | None) -> Found:
    """σ²* at the minimiser."""
    if not s.has_rows:
        return "sigma2_star: the function is no mean over rows of data"
    minimum = s.minimum
    if not isinstance(minimum, Minimum):
        return f"sigma2_star: {minimum}"
    n = s.problem.source.length
    value = noise_at(s, minimum.x)
    if not np.isfinite(value):
        return "sigma2_star: the gradient of a row at θ* is not finite"
    how = "one row has no noise" if n == 1 else f"the sum over all {n:,} rows, at θ*"
    kind = "exact" if R is not None and R.kind == "exact" else "estimate"
    return constant("sigma2_star", _NOISE_STAR, value, kind, how)


def interpolation(s: Setting, sigma2: Constant | None, star: Constant | None) -> str | None:
    """Words on interpolation, if the noise vanishes at the minimum."""
    if sigma2 is None or star is None or s.problem.source.length == 1 or not sigma2.value > 0:
        return None
    if star.value > max(_NONE, 1e3 * s.eps) * sigma2.value:
        return None
    return (
        f"interpolation: every row's gradient is zero at θ* (the noise there is {star.value:.1g}, "
        f"of {sigma2.value:.3g} at θ₀), so that SGD with a constant step converges"
    )
