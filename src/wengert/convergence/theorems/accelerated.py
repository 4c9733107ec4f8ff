"""Accelerated gradient descent, and the heavy ball."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from wengert.convergence.theorems.judging import (
    CONVEX,
    QUADRATIC,
    SMOOTH,
    STRONGLY_CONVEX,
    step_below,
    sureness,
)
from wengert.convergence.theorems.theorem import Assumption, Facts, Judged, MissingError, Theorem
from wengert.optimize import Momentum, Nesterov

_COUNTED = 1 << 16  # momenta tₖ that are computed one by one


def _growing(method: Any) -> bool:
    return method.momentum is None and method.strong_convexity is None


def inertia(t: Any) -> Any:
    """tₖ of Nesterov's method at steps k = 1, 2, ...: t₁ = 1, tₖ₊₁ = (1 + √(1 + 4tₖ²))/2.

    Above 65536, where it is more than that, tₖ ≥ t_j + (k − j)/2.

    >>> inertia(np.array([1.0, 2.0])).round(4)
    array([1.    , 1.618])
    """
    k = np.maximum(np.asarray(t, float), 1.0)
    known = _momenta()[np.minimum(k, _COUNTED).astype(int) - 1]
    return known + np.maximum(k - _COUNTED, 0.0) / 2


@cache
def _momenta() -> Any:
    values = [1.0]
    for _ in range(_COUNTED - 1):
        values.append((1 + math.sqrt(1 + 4 * values[-1] ** 2)) / 2)
    return np.array(values)


def _nesterov(t: Any, facts: Facts) -> Any:
    square = facts["R"] ** 2
    return np.where(t < 1, facts["L"] * square / 2, square / (2 * facts.alpha * inertia(t) ** 2))


def travelled(steps: int) -> float:
    """How many steps' length θ_T is from θ₀ if the gradient is the same all along.

    >>> travelled(1), round(travelled(3), 4)
    (1.0, 3.2818)
    """
    before = x = y = 0.0
    t = 1.0
    for _ in range(steps):
        before, x = x, y + 1
        grown = (1 + math.sqrt(1 + 4 * t * t)) / 2
        y, t = x + (t - 1) / grown * (x - before), grown
    return x


def _nesterov_attained(t: Any, facts: Facts) -> Any:
    """What Huber's function reaches whose gradient changes at the last step only."""
    counts = np.asarray(t, float)
    far = np.array([travelled(int(k)) for k in counts.flat]).reshape(counts.shape)
    smooth = facts["L"]
    return smooth * facts["R"] ** 2 / (2 * (2 * facts.alpha * smooth * far + 1))


def assumed_modulus(facts: Facts) -> float:
    """The μ that belongs to the momentum of Nesterov's method: √(αμ) = (1 − β)/(1 + β)."""
    method = facts.method
    if method.momentum is None:
        return float(method.strong_convexity)
    return ((1 - method.momentum) / (1 + method.momentum)) ** 2 / facts.alpha


def _modulus_below(facts: Facts) -> Judged:
    try:
        own, true = assumed_modulus(facts), facts["mu"]
    except MissingError as error:
        return Judged("unknown", str(error))
    constant = facts.constant("mu")
    why = f"β is for {own:.4g}; μ = {true:.4g}"
    if own <= true * (1 + 1e-12):
        return Judged(sureness(constant), why)
    return Judged("unknown" if constant and constant.kind == "bound" else "violated", why)


_MODULUS = Assumption("the momentum is for a strong convexity of at most μ", _modulus_below)


def _nesterov_strongly(t: Any, facts: Facts) -> Any:
    own = assumed_modulus(facts)
    factor = 1 - math.sqrt(min(1.0, own * facts.alpha))
    return factor**t * (facts["gap0"] + own * facts["R"] ** 2 / 2)


# ---------------------------------------------------------------- the heavy ball


def _polynomial(t: Any, alpha: float, beta: float, eigenvalue: float) -> Any:
    """|p_T|, by what the error along an eigenvector is multiplied, with real roots."""
    half = (1 + beta - alpha * eigenvalue) / 2
    root = math.sqrt(max(half * half - beta, 0.0))
    one, two = half + root, half - root
    # p_T = c₁ r₁^T + c₂ r₂^T with p₀ = 1 and p₁ = 1 − αλ.
    first = 1 - alpha * eigenvalue
    if one == two:
        return np.abs(one**t + t * (first - one) * one ** np.maximum(t - 1, 0.0))
    c = (first - two) / (one - two)
    return np.abs(c * _signed(one, t) + (1 - c) * _signed(two, t))


def _signed(root: float, t: Any) -> Any:
    sign = np.where((root < 0) & (np.asarray(t) % 2 == 1), -1.0, 1.0)
    return sign * abs(root) ** t


def heavy_ball_factor(t: Any, alpha: float, beta: float, mu: float, smooth: float) -> Any:
    """By what the error of the heavy ball is multiplied at most, on eigenvalues from μ to L.

    Where the roots of z² − (1 + β − αλ)z + β are complex, |p_T| ≤ β^(T/2) (T + 1 + √β T), as
    p_T = β^(T/2) (U_T − √β U_{T−1}) with Chebyshev's polynomials; where they are real it grows
    with the distance from there, so that the ends of the spectrum decide.

    >>> float(heavy_ball_factor(3, 0.1, 0.0, 1.0, 4.0).round(3))  # (1 − αμ)³
    0.729
    """
    root = math.sqrt(beta)
    factors = [np.zeros(np.shape(t))]
    inside = (alpha * mu <= (1 + root) ** 2) and (alpha * smooth >= (1 - root) ** 2)
    if beta > 0 and inside:
        factors.append(root**t * (t + 1 + root * t))
    if beta == 0 or alpha * mu < (1 - root) ** 2:
        factors.append(_polynomial(t, alpha, beta, mu))
    if beta == 0 or alpha * smooth > (1 + root) ** 2:
        factors.append(_polynomial(t, alpha, beta, smooth))
    return np.max(factors, axis=0)


def _heavy(t: Any, facts: Facts) -> Any:
    return heavy_ball_factor(t, facts.alpha, float(facts.method.momentum), facts["mu"], facts["L"])


def _heavy_stable(facts: Facts) -> Judged:
    beta = float(facts.method.momentum)
    return step_below(2 * (1 + beta), strict=True).of(facts)


_STABLE = Assumption("α < 2(1 + β)/L", _heavy_stable)

THEOREMS = (
    Theorem(
        name="Nesterov's method, convex and smooth",
        methods=(Nesterov,),
        variant=_growing,
        rate="O(1/T²)",
        statement="f(θ_T) − f* ≤ R²/(2α t_T²) ≤ 2R²/(α(T + 1)²), t₁ = 1, t = (1 + √(1 + 4t₋²))/2; "
        "below 2LR²/(T(T + 1)) at α = 1/L",
        latex=r"f(\theta_T)-f^*\leq\frac{R^2}{2\alpha t_T^2}\leq\frac{2R^2}{\alpha(T+1)^2}",
        quantity="gap",
        assumptions=(CONVEX, SMOOTH, step_below(1)),
        needs=("L", "R"),
        bound=_nesterov,
        attained=_nesterov_attained,
        source="Beck and Teboulle, A fast iterative shrinkage-thresholding algorithm (2009), "
        "theorem 4.4; Nesterov (1983)",
        remark="of θ, not of the points y where gradients are taken",
    ),
    Theorem(
        name="Nesterov's method, strongly convex",
        methods=(Nesterov,),
        variant=lambda method: not _growing(method),
        rate="linear",
        statement="f(θ_T) − f* ≤ (1 − √(αm))^T (f(θ₀) − f* + mR²/2), with √(αm) = (1 − β)/(1 + β)",
        latex=r"f(\theta_T)-f^*\leq (1-\sqrt{\alpha m})^T"
        r"\left(f(\theta_0)-f^*+\frac{m}{2}R^2\right)",
        quantity="gap",
        assumptions=(STRONGLY_CONVEX, SMOOTH, _MODULUS, step_below(1)),
        needs=("L", "mu", "R", "gap0"),
        bound=_nesterov_strongly,
        source="Nesterov, Lectures on convex optimization (2018), section 2.2; d'Aspremont, Scieur "
        "and Taylor, Acceleration methods (2021), corollary 4.15",
    ),
    Theorem(
        name="the heavy ball on quadratics: gap",
        methods=(Momentum,),
        rate="linear",
        statement="f(θ_T) − f* ≤ max p_T(λ)² (f(θ₀) − f*) over λ from μ to L, where "
        "p = (1 + β − αλ) p₋ − β p₋₋; β^T (T + 1 + √β T)² if (1 − √β)² ≤ αμ, αL ≤ (1 + √β)²",
        latex=r"f(\theta_T)-f^*\leq\max_{\mu\leq\lambda\leq L}p_T(\lambda)^2\,(f(\theta_0)-f^*)",
        quantity="gap",
        assumptions=(QUADRATIC, STRONGLY_CONVEX, SMOOTH, _STABLE),
        needs=("L", "mu", "gap0"),
        bound=lambda t, facts: _heavy(t, facts) ** 2 * facts["gap0"],
        source="Polyak, Some methods of speeding up the convergence of iteration methods (1964)",
        remark="for quadratics only: Lessard, Recht and Packard (2016) give a smooth, strongly "
        "convex function on which the heavy ball with the best step for quadratics never converges",
    ),
    Theorem(
        name="the heavy ball on quadratics: distance",
        methods=(Momentum,),
        rate="linear",
        statement="‖θ_T − θ*‖² ≤ max p_T(λ)² R², with p as for the gap",
        latex=r"\|\theta_T-\theta^*\|^2\leq\max_{\mu\leq\lambda\leq L}p_T(\lambda)^2\,R^2",
        quantity="squared distance",
        assumptions=(QUADRATIC, STRONGLY_CONVEX, SMOOTH, _STABLE),
        needs=("L", "mu", "R"),
        bound=lambda t, facts: _heavy(t, facts) ** 2 * facts["R"] ** 2,
        source="Polyak (1964)",
    ),
)
