"""Newton's method: near the minimum, and from anywhere with a line search."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.convergence.theorems.judging import (
    LIPSCHITZ_HESSIAN,
    SMOOTH,
    STRONGLY_CONVEX,
    sureness,
)
from wengert.convergence.theorems.theorem import Assumption, Facts, Judged, MissingError, Theorem
from wengert.optimize import Backtracking, Newton
from wengert.optimize.newton import GaussNewton

_BOYD = "Boyd and Vandenberghe, Convex optimization (2004)"
_ITERATED = 100_000  # steps with α < 1 that are followed one by one


def _plain(method: Any) -> bool:
    return not isinstance(method, GaussNewton) and not isinstance(method.step, Backtracking)


def _searched(method: Any) -> bool:
    return not isinstance(method, GaussNewton) and isinstance(method.step, Backtracking)


# ---------------------------------------------------------------- near the minimum


def basin(facts: Facts, alpha: float = 1.0) -> float:
    """The distance from θ* within which steps α of Newton's method come closer to it."""
    third = facts["M"]
    room = 1 - abs(1 - alpha)
    return math.inf if third == 0 else 2 * facts["mu"] * room / (third * alpha)


def _near(facts: Facts) -> Judged:
    try:
        alpha = float(facts.method.step)
        reach, limit = facts["R"], basin(facts, alpha)
    except MissingError as error:
        return Judged("unknown", str(error))
    if not 0 < alpha < 2:
        return Judged("violated", f"α = {alpha:g} is not between 0 and 2")
    why = f"R = {reach:.4g}; the basin's radius is {limit:.4g}"
    used = [c for c in map(facts.constant, ("R", "mu", "M")) if c is not None]
    if reach < limit:
        return Judged(sureness(*used), why)
    loose = any(c.kind == "bound" for c in used)
    return Judged("unknown" if loose else "violated", why)


_BASIN = Assumption("θ₀ is in the basin: R < 2μ/M at α = 1", _near)


def _local(t: Any, facts: Facts) -> Any:
    alpha = float(facts.method.step)
    ratio = facts["M"] / (2 * facts["mu"])
    if alpha == 1:
        e = facts["R"] * ratio
        if ratio == 0:
            return np.where(t > 0, 0.0, facts["R"] ** 2)
        return (e ** (2.0 ** np.minimum(t, 1000.0)) / ratio) ** 2
    return _followed(t, facts["R"], abs(1 - alpha), alpha * ratio) ** 2


def _followed(t: Any, start: float, linear: float, quadratic: float) -> Any:
    """e ← linear·e + quadratic·e², as often as t says; by its slope at 0 where t is very large."""
    most = int(min(np.max(t, initial=0.0), _ITERATED))
    values = [start]
    for _ in range(most):
        e = values[-1]
        values.append(linear * e + quadratic * e * e)
    last = linear + quadratic * values[-1]
    return np.array(values)[np.minimum(t, most).astype(int)] * last ** np.maximum(t - most, 0.0)


# ---------------------------------------------------------------- with a line search


def _phases(t: Any, gap0: float, fall: float, scale: float) -> Any:
    """At least ``fall`` a step at first; then scale·2^−2^(k+1), k steps later."""
    far = math.ceil(gap0 / fall) if math.isfinite(fall) else 0
    damped = np.minimum(np.maximum(gap0 - fall * t, scale / 4), gap0)
    later = np.minimum(np.maximum(t - far + 1.0, 0.0), 1000.0)
    fast = np.minimum(scale * 0.5 ** (2.0**later), gap0)
    return np.where(t < far, np.asarray(damped, float), fast)


def _one_step(t: Any, facts: Facts) -> Any:
    return np.where(t > 0, 0.0, facts["gap0"])


def _damped(t: Any, facts: Facts) -> Any:
    rule = facts.method.step
    mu, smooth, third = facts["mu"], facts["L"], facts["M"]
    if third == 0:
        return _one_step(t, facts)
    near = min(1.0, 3 * (1 - 2 * rule.decrease)) * mu**2 / third
    fall = rule.decrease * rule.shrink * near**2 * mu / smooth**2
    return _phases(t, facts["gap0"], fall, 2 * mu**3 / third**2)


def self_concordance(facts: Facts) -> float:
    """κ with |D³f[u,u,u]| ≤ 2κ (uᵀ∇²f u)^(3/2); M/(2μ^(3/2)) if no better one is known.

    Raises
    ------
    MissingError
        If neither is known.
    """
    known = facts.constants.get("SC")
    if known is not None:
        return known.value
    third, mu = facts["M"], facts["mu"]
    if not mu > 0:
        raise MissingError("no μ > 0 is known")
    return third / (2 * mu**1.5)


def _concordant(facts: Facts) -> Judged:
    known = facts.constants.get("SC")
    if known is not None:
        return Judged(sureness(known), f"κ = {known.value:.4g}, {known.kind}: {known.how}")
    try:
        found = self_concordance(facts)
    except MissingError as error:
        return Judged("unknown", str(error))
    sure = sureness(facts.constant("mu"), facts.constant("M"))
    return Judged(sure, f"κ = M/(2μ^(3/2)) = {found:.4g}")


_SELF_CONCORDANT = Assumption("|D³f[u,u,u]| ≤ 2κ(uᵀ∇²f u)^(3/2)", _concordant)


def _self_concordant(t: Any, facts: Facts) -> Any:
    rule = facts.method.step
    c, s = rule.decrease, rule.shrink
    kappa = self_concordance(facts)
    if kappa == 0:
        return _one_step(t, facts)
    fall = c * s * (1 - 2 * c) ** 2 / (20 - 8 * c)
    return _phases(t, facts["gap0"] * kappa**2, fall, 1.0) / kappa**2


def _first_is_one(facts: Facts) -> Judged:
    first = facts.method.step.first
    if first in (None, 1):
        return Judged("proven", "the search begins at 1")
    return Judged("violated", f"the search begins at {first:g}")


_FROM_ONE = Assumption("the line search begins at α = 1", _first_is_one)

THEOREMS = (
    Theorem(
        name="Newton's method, near the minimum",
        methods=(Newton,),
        variant=_plain,
        rate="quadratic",
        statement="‖θ₊ − θ*‖ ≤ |1 − α| ‖θ − θ*‖ + α M/(2μ) ‖θ − θ*‖²; at α = 1: "
        "‖θ_T − θ*‖ ≤ (2μ/M) (MR/(2μ))^(2^T)",
        latex=r"\|\theta_{t+1}-\theta^*\|\leq |1-\alpha|\,\|\theta_t-\theta^*\|"
        r"+\alpha\frac{M}{2\mu}\|\theta_t-\theta^*\|^2",
        quantity="squared distance",
        assumptions=(STRONGLY_CONVEX, LIPSCHITZ_HESSIAN, _BASIN),
        needs=("mu", "M", "R"),
        bound=_local,
        source="Nesterov, Lectures on convex optimization (2018), section 1.2.4; with μ everywhere "
        "instead of at θ*",
        remark="linear for α ≠ 1, with the factor |1 − α|",
    ),
    Theorem(
        name="Newton's method with a line search",
        methods=(Newton,),
        variant=_searched,
        rate="quadratic after a damped phase",
        statement="at most (f(θ₀) − f*)/γ + log₂ log₂(ε₀/ε) steps, ε₀ = 2μ³/M², "
        "γ = cs η² μ/L², η = min(1, 3(1 − 2c)) μ²/M",
        latex=r"\frac{f(\theta_0)-f^*}{\gamma}+\log_2\log_2\frac{\epsilon_0}{\epsilon},\quad"
        r"\epsilon_0=\frac{2\mu^3}{M^2},\quad\gamma=cs\,\eta^2\frac{\mu}{L^2}",
        quantity="gap",
        assumptions=(STRONGLY_CONVEX, SMOOTH, LIPSCHITZ_HESSIAN, _FROM_ONE),
        needs=("L", "mu", "M", "gap0"),
        bound=_damped,
        source=f"{_BOYD}, section 9.5.3",
        remark="c is Backtracking's decrease and s its shrink",
    ),
    Theorem(
        name="Newton's method with a line search, self-concordant",
        methods=(Newton,),
        variant=_searched,
        rate="quadratic after a damped phase",
        statement="at most κ²(f(θ₀) − f*)/γ + log₂ log₂(1/(κ²ε)) steps, "
        "γ = cs(1 − 2c)²/(20 − 8c), where κ²f is self-concordant",
        latex=r"\frac{\kappa^2(f(\theta_0)-f^*)}{\gamma}"
        r"+\log_2\log_2\frac{1}{\kappa^2\epsilon},\quad\gamma=\frac{cs(1-2c)^2}{20-8c}",
        quantity="gap",
        assumptions=(STRONGLY_CONVEX, _SELF_CONCORDANT, _FROM_ONE),
        needs=("gap0",),
        bound=_self_concordant,
        source=f"{_BOYD}, section 9.6.4; Nesterov and Nemirovski (1994)",
        remark="the same in all coordinates: independent of L and of the condition number",
    ),
)
