"""L, μ and the Polyak-Łojasiewicz constant: how much a function curves, at most and at least.

Sources: Nesterov, Lectures on Convex Optimization (2018), section 2.1; Böhning, Multinomial
logistic regression algorithm (1992), for the softmax loss; Karimi, Nutini and Schmidt, Linear
convergence of gradient and proximal-gradient methods under the Polyak-Łojasiewicz condition
(2016); Gower, Loizou, Qian, Sailanbayev, Shulgin and Richtárik, SGD: general analysis and improved
rates (2019), for the expected smoothness.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.convergence.constants.ends import Ends
from wengert.convergence.constants.rows import AffineModel
from wengert.convergence.constants.setting import Found, Minimum, Penalty, Setting, constant
from wengert.convergence.facts import Constant
from wengert.optimize.problem import Problem
from wengert.optimize.sources import Arrays

_SMOOTHNESS = "smoothness, ‖∇f(a) − ∇f(b)‖ ≤ L‖a − b‖"
_ROW = "smoothness of one row's loss, the largest; also the expected smoothness of one row"
_CONVEXITY = "strong convexity, ∇²f ≥ μ"
_ROWS = 32  # rows whose curvature is looked at
_PL = "Polyak-Łojasiewicz, ‖∇f‖² ≥ 2·PL·(f − f*)"


# ---------------------------------------------------------------- from above


def smoothness(s: Setting) -> Found:
    """L, the Lipschitz constant of the gradient."""
    if s.quadratic:
        found = _of_quadratic(s)
        if found is not None:
            return found
    model, penalty = s.model, s.penalty
    if model is not None:
        c = model.loss.smoothness
        if c is not None and penalty is not None and np.isfinite(model.gram.ceiling):
            value = max(c * model.gram.ceiling + penalty.high, -penalty.low)
            return constant("L", _SMOOTHNESS, value, "bound", _stated(c, model, penalty))
        if model.loss.kinked:
            kink = "has a kink, at which its gradient jumps; no L bounds that"
            return f"L: the {model.loss.name} loss {kink}"
    if s.composite is not None and (s.convex or np.isfinite(s.composite.low)):
        value = max(s.composite.high, 0.0 if s.convex else -s.composite.low)
        how = f"the Hessian with a bound on the second derivative of {s.composite.names}, all θ"
        return constant("L", _SMOOTHNESS, value, "bound", how)
    return _estimated(s)


def _stated(c: float, model: AffineModel, penalty: Penalty) -> str:
    rest = f" + {penalty.high:.4g}" if penalty.high else ""
    sure = "" if model.gram.dense else ", by Lanczos' method, with probability 1 − 10⁻⁹"
    return f"{c:g}·λmax(JᵀJ)/n{rest}, J the Jacobian of the predictions{sure}"


def _of_quadratic(s: Setting) -> Constant | None:
    ends = s.ends(s.x0)
    if not ends.finite:
        return None
    how = "the largest eigenvalue of the Hessian, which does not depend on θ"
    largest = max(abs(ends.low), abs(ends.high))
    if ends.dense:
        return constant("L", _SMOOTHNESS, largest, "exact", how)
    if s.convex and np.isfinite(ends.ceiling):
        how += ": Lanczos' method, with probability 1 − 10⁻⁹"
        return constant("L", _SMOOTHNESS, ends.ceiling, "bound", how, (ends.high, ends.ceiling))
    interval = (largest, largest + ends.error)
    return constant("L", _SMOOTHNESS, largest, "estimate", f"{how}: Lanczos' method", interval)


def _estimated(s: Setting) -> Found:
    """The largest curvature at points on the way."""
    name, ends, value = "", None, -np.inf
    values: list[float] = []
    for where, x in s.points:
        here = s.ends(x)
        if not here.finite:
            return f"L: the Hessian is not finite at a point ({where}), so that nothing is known"
        values.append(max(abs(here.low), abs(here.high)))
        if values[-1] > value:
            name, ends, value = where, here, values[-1]
    assert ends is not None
    how = f"the largest curvature at {len(values)} points, {ends.how}; it was at {name}"
    if s.kinks:
        value = max(value, _steepest(s))
        how += f"; {', '.join(s.kinks)} may have kinks on the way, across which no L holds"
        if not value > 0:
            return "L: all curvature is in kinks, at which the gradient jumps; no L bounds that"
    if s.model is not None and s.model.loss.smoothness is None:
        how += f"; the {s.model.loss.name} loss has no bound for all θ"
    spread = max(values) - min(values)
    return constant("L", _SMOOTHNESS, value, "estimate", how, (value, value + spread + ends.error))


def _steepest(s: Setting) -> float:
    """The largest change of the gradient between two points on the way, by their distance."""
    slopes = [0.0]
    for (_, a), (_, b) in zip(s.points, s.points[1:], strict=False):
        way = float(np.linalg.norm(a - b))
        if way > 0:
            change = np.linalg.norm(s.gradient(a)[1] - s.gradient(b)[1])
            slopes.append(float(change) / way)
    return max(slopes)


def row_smoothness(s: Setting) -> Found:
    """Lmax, the largest smoothness of a single row's loss with the regulariser."""
    model, penalty = s.model, s.penalty
    if not s.has_rows:
        return "Lmax: the function is no mean over rows of data"
    if model is None or penalty is None or model.loss.smoothness is None:
        if model is not None and model.loss.kinked:
            return f"Lmax: the {model.loss.name} loss has a kink, at which its gradient jumps"
        return _of_some_rows(s)
    c = model.loss.smoothness
    value = max(c * model.largest**2 + penalty.high, -penalty.low)
    rest = f" + {penalty.high:.4g}" if penalty.high else ""
    kind = "exact" if model.loss.third == 0 and not callable(model.risk.regularizer) else "bound"
    return constant("Lmax", _ROW, value, kind, f"{c:g}·max ‖Jᵢ‖²{rest}, Jᵢ the Jacobian of a row")


def _of_some_rows(s: Setting) -> Found:
    """The largest curvature of rows drawn at random, at the start and at the minimum."""
    source, risk = s.problem.source, s.risk
    if not isinstance(source, Arrays):
        return "Lmax: estimates need arrays in memory, without chunks of a file"
    assert risk is not None
    drawn = np.random.default_rng([s.problem.seed, 4]).permutation(source.length)[:_ROWS]
    theta = s.problem.space.tree(s.x0)
    points = (s.points[0], s.points[-1])
    found: list[float] = []
    for row in drawn:
        one: Any = Arrays(source.part(np.array([row])))
        own = Problem(s.problem.derivatives, theta, one, s.problem.seed, risk)
        for _, x in points:
            ends = own.spectrum(x, 20, 1e-2)
            found.append(max(abs(ends.largest), abs(ends.smallest)))
    value = max(found)
    if not np.isfinite(value):
        return "Lmax: the Hessian of a row's loss is not finite"
    how = f"the largest of {len(drawn)} of {source.length:,} rows at {points[-1][0]} and θ₀"
    return constant("Lmax", _ROW, value, "estimate", f"{how}, by Lanczos' method, from below")


# ---------------------------------------------------------------- from below


def strong_convexity(s: Setting) -> Found:
    """μ, the smallest curvature."""
    if s.quadratic and s.ends(s.x0).dense:
        return _lowest_of_quadratic(s, s.ends(s.x0))
    proven = _proven_modulus(s)
    if proven is not None and proven.value > 0:
        return proven
    if proven is not None and proven.kind == "exact":
        how = "there are directions in which no prediction changes, and no regulariser"
        return constant("mu", _CONVEXITY, 0.0, "exact", how)
    return _lowest_on_the_way(s)


def _lowest_of_quadratic(s: Setting, ends: Ends) -> Found:
    how = "the smallest eigenvalue of the Hessian, which does not depend on θ"
    if ends.low < -ends.error:
        return f"mu: the function is not convex, as its Hessian has the eigenvalue {ends.low:.3g}"
    if ends.low > ends.error:
        pair = (ends.low - ends.error, ends.low + ends.error)
        return constant("mu", _CONVEXITY, ends.low, "exact", how, pair)
    if s.penalty is not None and s.penalty.low > 0:
        how = "the regulariser; the data's part of the Hessian is singular but for rounding"
        return constant("mu", _CONVEXITY, s.penalty.low, "exact", how)
    return constant("mu", _CONVEXITY, 0.0, "exact", f"{how} (singular but for rounding)")


def _proven_modulus(s: Setting) -> Constant | None:
    """The regulariser's, or what was proven of the expression; the larger one."""
    found: list[Constant] = []
    penalty, model = s.penalty, s.model
    if penalty is not None and model is not None:
        exact = model.deficient and penalty.low == penalty.high
        how = "of the regulariser; the loss is convex"
        if exact:
            how += ", and there are directions in which no prediction changes"
        found.append(constant("mu", _CONVEXITY, penalty.low, "exact" if exact else "bound", how))
    if s.composite is not None and s.composite.low > 0:
        how = f"the Hessian with the least second derivative of {s.composite.names}"
        found.append(constant("mu", _CONVEXITY, s.composite.low, "bound", how))
    if s.convexity is not None and s.convexity.modulus is not None:
        one = s.convexity.modulus
        found.append(constant("mu", _CONVEXITY, one.value, one.kind, one.how))
    return max(found, key=lambda one: one.value, default=None)


def _lowest_on_the_way(s: Setting) -> Found:
    lows: list[tuple[float, Ends, str]] = []
    for where, x in s.points:
        here = s.ends(x)
        if not here.finite:
            return f"mu: the Hessian is not finite at a point ({where})"
        lows.append((here.low, here, where))
    low, ends, where = min(lows, key=lambda one: one[0])
    if low < -max(ends.error, 1e-9 * abs(ends.high)) and not s.convex:
        return (
            f"mu: the function is not convex, as its Hessian has the eigenvalue {low:.3g} "
            f"at a point ({where})"
        )
    value = low if low > 1e-12 * abs(ends.high) and low > ends.error else 0.0
    how = f"the smallest curvature at {len(lows)} points, {ends.how}; it was at {where}"
    if not ends.dense:
        how += "; a Ritz value, which is above the smallest eigenvalue"
    return constant("mu", _CONVEXITY, value, "estimate", how, (0.0, max(value, 0.0)))


def polyak_lojasiewicz(s: Setting, mu: Constant | None) -> Found:
    """PL: μ implies it, and functions that are not strongly convex may have it."""
    if mu is not None and mu.proven and mu.value > 0:
        return constant("PL", _PL, mu.value, mu.kind, "μ implies it")
    if s.quadratic and s.convex and isinstance(s.minimum, Minimum):
        ends = s.ends(s.x0)
        if ends.dense and ends.smallest_positive > 0:
            how = "the smallest eigenvalue of the Hessian that is not zero"
            return constant("PL", _PL, ends.smallest_positive, "exact", how)
    if not isinstance(s.minimum, Minimum):
        return f"PL: {s.minimum}"
    ratios: list[float] = []
    for _, x in s.points[:-1]:
        value, gradient = s.gradient(x)
        gap = value - s.minimum.value
        if gap > 1e6 * s.eps * abs(value):
            ratios.append(float(gradient @ gradient) / (2 * gap))
    if not ratios:
        return "PL: all points that were looked at are minima but for rounding"
    low = min(ratios)
    how = f"the smallest ‖∇f‖²/2(f − f*) at {len(ratios)} points, from above"
    limit = _least_near_minimum(s, s.minimum)
    if limit < low:
        low, how = limit, "the least curvature at θ* but for directions without any, from above"
    return constant("PL", _PL, low, "estimate", how, (0.0, low))


def _least_near_minimum(s: Setting, minimum: Minimum) -> float:
    """The limit of ‖∇f‖²/2(f − f*) towards θ*, along the direction where it is smallest.

    Directions without curvature do not count: mostly f does not change along them. Where it does,
    as x⁴ at 0, no constant holds.
    """
    ends = s.ends(minimum.x)
    if not ends.finite:
        return float("inf")
    least = ends.smallest_positive if ends.dense else ends.low
    return least if least > 0 else float("inf")
