"""R, gap₀ and the curvature at the minimum: how far the start is from it, and how it looks there.

Sources: Boyd and Vandenberghe, Convex Optimization (2004), section 9.1.2; for a minimum without a
modulus, the argument of Newton and Kantorovich: where ∇²f(x) ≥ m, its Lipschitz constant is M and
‖∇f(x)‖ ≤ m²/4M, the curvature is at least m/2 within 2‖∇f(x)‖/m, and so a minimiser is there.
"""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from wengert.convergence.constants.setting import Found, Minimum, Setting, constant
from wengert.convergence.facts import Constant

_DISTANCE = "distance of the start, ‖θ₀ − θ*‖"
_GAP = "gap at the start, f(θ₀) − f*"
_SUBLEVEL = "distance of all θ with f(θ) ≤ f(θ₀) from a minimiser"
_LOCAL = "the smallest curvature at θ*"
_CLOSE = 1e-4  # relative errors up to which a number is called exact


def error_of_minimum(s: Setting, mu: Constant | None, third: Constant | None) -> tuple[float, str]:
    """How far the minimiser that was found is from the true one, and why; infinite if unknown.

    Parameters
    ----------
    s : Setting
        The problem, with a minimum.
    mu, third : Constant, optional
        The strong convexity, and the Lipschitz constant of the Hessian.
    """
    modulus, why = modulus_at_minimum(s, mu, third)
    if modulus <= 0:
        return inf, ""
    norm = _norm(s)
    return norm / modulus, why


def modulus_at_minimum(
    s: Setting, mu: Constant | None, third: Constant | None
) -> tuple[float, str]:
    """A proven bound from below on the curvature around the minimiser, and why; 0 if unknown."""
    minimum = s.minimum
    assert isinstance(minimum, Minimum)
    best, why = 0.0, ""
    if mu is not None and mu.proven and mu.value > 0:
        best, why = mu.value, "error ≤ ‖∇f‖/μ"
    if third is None or not third.proven or not s.convex:
        return best, why
    ends = s.ends(minimum.x)
    if not ends.dense or not ends.finite:
        return best, why
    m = ends.low - ends.error
    if m > 2 * best and 4 * third.value * _norm(s) <= m * m:
        return m / 2, "error ≤ 2‖∇f‖/m, with m the smallest curvature there"
    return best, why


def _norm(s: Setting) -> float:
    """‖∇f‖ at the minimum, with its rounding."""
    minimum = s.minimum
    assert isinstance(minimum, Minimum)
    return minimum.norm + 4 * s.eps * s.scale(minimum.x)


def distance(s: Setting, mu: Constant | None, third: Constant | None, gap0: Found) -> Found:
    """R, the distance from the start to the nearest minimiser that is known."""
    minimum = s.minimum
    if not isinstance(minimum, Minimum):
        return _distance_bound(s, mu, gap0, minimum)
    value = float(np.linalg.norm(s.x0 - minimum.x))
    if minimum.exact:
        return constant("R", _DISTANCE, value, "exact", f"θ* {minimum.how}, the nearest one")
    error, why = error_of_minimum(s, mu, third)
    if error <= max(_CLOSE * value, 1e3 * s.eps * float(np.linalg.norm(minimum.x))):
        pair = (max(value - error, 0.0), value + error)
        return constant("R", _DISTANCE, value, "exact", f"θ* {minimum.how}, {why}", pair)
    if error < inf:
        other = _distance_bound(s, mu, gap0, "")
        if isinstance(other, Constant) and other.value < value + error:
            return other
        pair = (max(value - error, 0.0), value + error)
        how = f"θ* {minimum.how}, {why}"
        return constant("R", _DISTANCE, value + error, "bound", how, pair)
    how = f"θ* {minimum.how}, ‖∇f‖ = {minimum.norm:.2g} there"
    if not s.convex:
        how += "; a stationary point, which need not be the lowest one"
    return constant("R", _DISTANCE, value, "estimate", how)


def _distance_bound(s: Setting, mu: Constant | None, gap0: Found, why: str) -> Found:
    if mu is None or not mu.proven or mu.value <= 0:
        return f"R: {why}"
    value = float(np.linalg.norm(s.start[1])) / mu.value
    how = "‖∇f(θ₀)‖/μ"
    if isinstance(gap0, Constant) and gap0.proven and sqrt(2 * gap0.value / mu.value) < value:
        value, how = sqrt(2 * gap0.value / mu.value), "√(2·gap0/μ)"
    return constant("R", _DISTANCE, value, "bound", how, (0.0, value))


def initial_gap(s: Setting, mu: Constant | None, third: Constant | None) -> Found:
    """gap₀, how far the start is above the minimum."""
    value = s.start[0]
    minimum = s.minimum
    lowest = s.lowest
    if s.separated:
        how = "the infimum is 0, and no θ attains it"
        exact = s.model is not None and s.model.homogeneous
        return constant("gap0", _GAP, value, "exact" if exact else "bound", how)
    if not isinstance(minimum, Minimum):
        return _gap_bound(s, mu, lowest, minimum)
    gap = max(value - minimum.value, 0.0)
    if minimum.exact:
        return constant("gap0", _GAP, gap, "exact", f"f* {minimum.how}")
    modulus, _ = modulus_at_minimum(s, mu, third)
    error = _norm(s) ** 2 / (2 * modulus) if modulus > 0 else inf
    error += 8 * s.eps * (abs(value) + abs(minimum.value))
    if error <= max(_CLOSE * gap, 1e3 * s.eps * abs(value)):
        how = f"f* {minimum.how}, error ≤ ‖∇f‖²/2μ"
        return constant("gap0", _GAP, gap, "exact", how, (gap, gap + error))
    if error < inf:
        other = _gap_bound(s, mu, lowest, "")
        if isinstance(other, Constant) and other.value < gap + error:
            return other
        how = f"f* {minimum.how}, error ≤ ‖∇f‖²/2μ"
        return constant("gap0", _GAP, gap + error, "bound", how, (gap, gap + error))
    how = f"f* {minimum.how}, ‖∇f‖ = {minimum.norm:.2g} there"
    if not s.convex:
        how += "; a stationary point, which need not be the lowest one"
    pair = None if lowest is None else (gap, value - lowest)
    return constant("gap0", _GAP, gap, "estimate", how, pair)


def sublevel_radius(s: Setting, gap0: Constant | None, pl: Constant | None) -> Found:
    """D, how far from the minimisers the points with f ≤ f(θ₀) are."""
    if gap0 is None or not gap0.proven or pl is None or not pl.proven or not s.convex:
        return "D: a proven PL and gap0 of a convex function give it"
    largest = gap0.value if gap0.interval is None else max(gap0.value, gap0.interval[1])
    return constant("D", _SUBLEVEL, sqrt(2 * largest / pl.value), "bound", "√(2·gap0/PL)")


def _gap_bound(s: Setting, mu: Constant | None, lowest: float | None, why: str) -> Found:
    value, gradient = s.start
    bounds: list[tuple[float, str]] = []
    if mu is not None and mu.proven and mu.value > 0:
        bounds.append((float(gradient @ gradient) / (2 * mu.value), "‖∇f(θ₀)‖²/2μ"))
    if lowest is not None:
        bounds.append((value - lowest, f"f ≥ {lowest:g}"))
    if not bounds:
        return f"gap0: {why}"
    best, how = min(bounds)
    return constant("gap0", _GAP, best, "bound", how, (0.0, best))


def local_convexity(s: Setting, mu: Constant | None, third: Constant | None) -> Found:
    """The smallest eigenvalue of the Hessian at the minimiser."""
    minimum = s.minimum
    if not isinstance(minimum, Minimum):
        return f"mu_star: {minimum}"
    ends = s.ends(minimum.x)
    if not ends.finite:
        return "mu_star: the Hessian is not finite at θ*"
    if not ends.dense:
        how = "a Ritz value, which is above the smallest eigenvalue"
        return constant("mu_star", _LOCAL, ends.low, "estimate", how, (0.0, max(ends.low, 0.0)))
    value = 0.0 if abs(ends.low) <= ends.error else ends.low
    off, _ = error_of_minimum(s, mu, third)
    moved = third.value * off if third is not None and third.proven else inf
    moved = 0.0 if s.quadratic else moved
    pair = (ends.low - ends.error, ends.low + ends.error)
    if moved <= _CLOSE * abs(ends.low):
        pair = (pair[0] - moved, pair[1] + moved)
        return constant("mu_star", _LOCAL, value, "exact", "all eigenvalues of the Hessian", pair)
    how = "all eigenvalues of the Hessian at the θ* that was found"
    return constant("mu_star", _LOCAL, value, "estimate", how, pair)
