"""Gradient descent: with a fixed step, with steps that are searched, and exact ones.

The constants of fixed steps are exact: no smaller ones hold for all functions of the class. They
are functions of the user's own step α, not of 1/L only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.convergence.theorems.judging import (
    CONVEX,
    FIRST_STEP,
    GRADIENT_DOMINATED,
    QUADRATIC,
    SMOOTH,
    STRONGLY_CONVEX,
    step_below,
    sureness,
)
from wengert.convergence.theorems.theorem import Assumption, Facts, Judged, MissingError, Theorem
from wengert.optimize import Backtracking, Exact, GradientDescent

_CLASSES = (GradientDescent,)
_DRORI = "Drori and Teboulle, Performance of first-order methods (2014), theorem 3.1"
_KIM = (
    "conjectured by Taylor, Hendrickx and Glineur, Smooth strongly convex interpolation (2017); "
    "proven by Kim, A proof of the exact convergence rate of gradient descent (2024)"
)
_PROXIMAL = (
    "Taylor, Hendrickx and Glineur, Exact worst-case convergence rates of the proximal gradient "
    "method (2018)"
)
_HANDBOOK = "Garrigos and Gower, Handbook of convergence theorems (2023)"


def _fixed(method: Any) -> bool:
    return isinstance(method.step, int | float | str)


def _searched(method: Any) -> bool:
    return isinstance(method.step, Backtracking | str)


def _stays(facts: Facts) -> Judged:
    if not isinstance(facts.method.step, str):
        return Judged("proven", "α is a number")
    try:
        if facts.alpha * facts["L"] <= 1 + 1e-12:
            sure = sureness(facts.constant("L"))
            return Judged(sure, f"'1/L' never shortens α = {facts.alpha:.4g}, as it is at most 1/L")
    except MissingError as error:
        return Judged("unknown", str(error))
    return Judged("unknown", f"'1/L' may shorten α = {facts.alpha:.4g}, which is above 1/L")


STAYS = Assumption("the step stays the same", _stays)


def contraction(facts: Facts) -> float:
    """The factor max(|1 − αμ|, |1 − αL|) of the distance, a step."""
    return max(abs(1 - facts.alpha * facts["mu"]), abs(1 - facts.alpha * facts["L"]))


def exact_factor(t: Any, alpha: float, smooth: float, mu: float) -> Any:
    """By what the worst gap after t steps is below LR²/2, for μ-strongly convex functions.

    >>> float(exact_factor(10, 0.5, 2.0, 0.0))  # 1/(2TαL + 1)
    0.047619047619047616
    """
    x = abs(1 - alpha * mu)
    if mu == 0:
        slow = 1 / (1 + 2 * t * alpha * smooth)
    else:
        with np.errstate(divide="ignore", over="ignore"):
            growth = np.expm1(-2 * t * np.log(x)) if x else np.where(t > 0, np.inf, 0.0)
        slow = 1 / (1 + growth * smooth / mu)
    return np.maximum(slow, abs(1 - alpha * smooth) ** (2 * t))


def _gap_from_distance(t: Any, facts: Facts, mu: float) -> Any:
    smooth = facts["L"]
    return smooth * facts["R"] ** 2 / 2 * exact_factor(t, facts.alpha, smooth, mu)


def _half(t: Any) -> tuple[Any, Any]:
    return np.floor(t / 2), np.ceil(t / 2)


def _gradient_from_distance(t: Any, facts: Facts) -> Any:
    h = facts.alpha * facts["L"]
    one, two = _half(t)
    return (facts["L"] * facts["R"]) ** 2 / ((2 * one * h + 1) * (2 * two * h + 1))


def nonconvex_decrease(h: float) -> float:
    """By what multiple of min ‖∇f‖²/L the loss falls a step at least, with α = h/L, 0 < h < 2.

    >>> nonconvex_decrease(1.0)
    0.75
    """
    if h <= 1:
        return h * (4 - h) / 4
    if h * h <= 3:
        return h * (4 - h * h) / 4
    return h * (1 - h / 2)


def _nonconvex(t: Any, facts: Facts) -> Any:
    smooth = facts["L"]
    a = nonconvex_decrease(facts.alpha * smooth)
    return smooth * facts["gap0"] / (t * a + 0.5)


def sufficient_decrease(facts: Facts) -> float:
    """δ, with f(θₜ₊₁) ≤ f(θₜ) − δ‖∇f(θₜ)‖² at each step.

    Of a search that is satisfied with the share c: steps are never below min(α₀, 2(1 − c)s/L), with
    the factor s by which they are shortened, and the loss falls by max(cα, α − α²L/2) at least. Of
    ``"1/L"``: c = ½, and s = ½.
    """
    rule = facts.method.step
    smooth, first = facts["L"], facts.alpha
    share, shrink = (rule.decrease, rule.shrink) if isinstance(rule, Backtracking) else (0.5, 0.5)
    least = min(first, 2 * (1 - share) * shrink / smooth)
    return min(least * (1 - least * smooth / 2), 2 * share * (1 - share) / smooth)


def checked_step_least(facts: Facts) -> float:
    """How short steps of "1/L" can become: min(α₀, 1/(2L))."""
    return min(facts.alpha, 1 / (2 * facts["L"]))


THEOREMS = (
    Theorem(
        name="gradient descent, convex and smooth: exact",
        methods=_CLASSES,
        variant=_fixed,
        rate="O(1/T)",
        statement="f(θ_T) − f* ≤ LR²/2 · max(1/(2TαL + 1), (1 − αL)^(2T)); LR²/(4T + 2) at α = 1/L",
        latex=r"f(\theta_T)-f^*\leq\frac{LR^2}{2}"
        r"\max\left(\frac{1}{2T\alpha L+1},(1-\alpha L)^{2T}\right)",
        quantity="gap",
        assumptions=(CONVEX, SMOOTH, step_below(2, strict=True), STAYS),
        needs=("L", "R"),
        bound=lambda t, facts: _gap_from_distance(t, facts, 0.0),
        tight=True,
        source=f"{_DRORI}, for α ≤ 1/L; for α < 2/L {_KIM}",
    ),
    Theorem(
        name="gradient descent, convex and smooth",
        methods=_CLASSES,
        variant=_fixed,
        rate="O(1/T)",
        statement="f(θ_T) − f* ≤ R²/(2αT); LR²/(2T) at α = 1/L",
        latex=r"f(\theta_T)-f^*\leq\frac{R^2}{2\alpha T}",
        quantity="gap",
        assumptions=(CONVEX, SMOOTH, step_below(1), STAYS),
        needs=("L", "R"),
        bound=lambda t, facts: facts["R"] ** 2 / (2 * facts.alpha * t),
        closed=lambda facts, eps: facts["R"] ** 2 / (2 * facts.alpha * eps),
        source=f"{_HANDBOOK}, theorem 3.4; Nesterov, Lectures on convex optimization (2018)",
        remark="at most twice the exact bound",
    ),
    Theorem(
        name="gradient descent, strongly convex: distance",
        methods=_CLASSES,
        variant=_fixed,
        rate="linear",
        statement="‖θ_T − θ*‖² ≤ max(|1 − αμ|, |1 − αL|)^(2T) R²; "
        "((L − μ)/(L + μ))^(2T) R² at α = 2/(L + μ)",
        latex=r"\|\theta_T-\theta^*\|^2\leq\max(|1-\alpha\mu|,|1-\alpha L|)^{2T}R^2",
        quantity="squared distance",
        assumptions=(STRONGLY_CONVEX, SMOOTH, step_below(2, strict=True), STAYS),
        needs=("L", "mu", "R"),
        bound=lambda t, facts: contraction(facts) ** (2 * t) * facts["R"] ** 2,
        tight=True,
        source="Polyak, Introduction to optimization (1987), section 1.4; exact by quadratics",
    ),
    Theorem(
        name="gradient descent, strongly convex: gap",
        methods=_CLASSES,
        variant=_fixed,
        rate="linear",
        statement="f(θ_T) − f* ≤ max(|1 − αμ|, |1 − αL|)^(2T) (f(θ₀) − f*)",
        latex=r"f(\theta_T)-f^*\leq\max(|1-\alpha\mu|,|1-\alpha L|)^{2T}(f(\theta_0)-f^*)",
        quantity="gap",
        assumptions=(STRONGLY_CONVEX, SMOOTH, step_below(2, strict=True), STAYS),
        needs=("L", "mu", "gap0"),
        bound=lambda t, facts: contraction(facts) ** (2 * t) * facts["gap0"],
        tight=True,
        source=_PROXIMAL,
    ),
    Theorem(
        name="gradient descent, strongly convex: gap by the distance",
        methods=_CLASSES,
        variant=_fixed,
        rate="linear",
        statement="f(θ_T) − f* ≤ LR²/2 · max(μ/(μ + L((1 − αμ)^(−2T) − 1)), (1 − αL)^(2T))",
        latex=r"f(\theta_T)-f^*\leq\frac{LR^2}{2}\max\left("
        r"\frac{\mu}{\mu+L((1-\alpha\mu)^{-2T}-1)},(1-\alpha L)^{2T}\right)",
        quantity="gap",
        assumptions=(STRONGLY_CONVEX, SMOOTH, step_below(2, strict=True), STAYS),
        needs=("L", "mu", "R"),
        bound=lambda t, facts: _gap_from_distance(t, facts, facts["mu"]),
        tight=True,
        source=_KIM,
    ),
    Theorem(
        name="gradient descent, strongly convex: gradient",
        methods=_CLASSES,
        variant=_fixed,
        rate="linear",
        statement="‖∇f(θ_T)‖² ≤ 2L max(|1 − αμ|, |1 − αL|)^(2T) (f(θ₀) − f*)",
        latex=r"\|\nabla f(\theta_T)\|^2\leq 2L\max(|1-\alpha\mu|,|1-\alpha L|)^{2T}"
        r"(f(\theta_0)-f^*)",
        quantity="squared gradient",
        assumptions=(STRONGLY_CONVEX, SMOOTH, step_below(2, strict=True), STAYS),
        needs=("L", "mu", "gap0"),
        bound=lambda t, facts: 2 * facts["L"] * contraction(facts) ** (2 * t) * facts["gap0"],
        source=f"{_PROXIMAL}, with ‖∇f(θ₀)‖² ≤ 2L(f(θ₀) − f*)",
    ),
    Theorem(
        name="gradient descent, convex and smooth: gradient by the gap",
        methods=_CLASSES,
        variant=_fixed,
        rate="O(1/T)",
        statement="‖∇f(θ_T)‖² ≤ 2L (f(θ₀) − f*) max(1/(2TαL + 1), (1 − αL)^(2T))",
        latex=r"\|\nabla f(\theta_T)\|^2\leq 2L(f(\theta_0)-f^*)"
        r"\max\left(\frac{1}{2T\alpha L+1},(1-\alpha L)^{2T}\right)",
        quantity="squared gradient",
        assumptions=(CONVEX, SMOOTH, step_below(2, strict=True), STAYS),
        needs=("L", "gap0"),
        bound=lambda t, facts: (
            2 * facts["L"] * facts["gap0"] * exact_factor(t, facts.alpha, facts["L"], 0.0)
        ),
        tight=True,
        source=_KIM,
    ),
    Theorem(
        name="gradient descent, convex and smooth: gradient by the distance",
        methods=_CLASSES,
        variant=_fixed,
        rate="O(1/T²)",
        statement="‖∇f(θ_T)‖² ≤ L²R²/((2⌊T/2⌋αL + 1)(2⌈T/2⌉αL + 1)); L²R²/(T + 1)² at α = 1/L, "
        "T even",
        latex=r"\|\nabla f(\theta_T)\|^2\leq\frac{L^2R^2}"
        r"{(2\lfloor T/2\rfloor\alpha L+1)(2\lceil T/2\rceil\alpha L+1)}",
        quantity="squared gradient",
        assumptions=(CONVEX, SMOOTH, step_below(1), STAYS),
        needs=("L", "R"),
        bound=_gradient_from_distance,
        source=f"the two bounds before one after the other: {_KIM}",
        remark="exact for even T",
    ),
    Theorem(
        name="gradient descent, smooth: smallest gradient, any step below 2/L",
        methods=_CLASSES,
        variant=_fixed,
        rate="O(1/T)",
        statement="min ‖∇f(θₜ)‖² ≤ 4L (f(θ₀) − f*)/(TαL(4 − αL) + 2) for α ≤ 1/L; for α ≤ √3/L "
        "with 4 − (αL)² for 4 − αL; 4L (f(θ₀) − f_T)/(3T) at α = 1/L",
        latex=r"\min_{t\leq T}\|\nabla f(\theta_t)\|^2\leq "
        r"\frac{4L(f(\theta_0)-f^*)}{T\alpha L(4-\alpha L)+2}",
        quantity="squared gradient",
        assumptions=(SMOOTH, step_below(2, strict=True), STAYS),
        needs=("L", "gap0"),
        bound=_nonconvex,
        tight=True,
        tight_if=lambda facts: (facts.alpha * facts["L"]) ** 2 <= 3,
        source="Abbaszadehpeivasti, de Klerk and Zamani, The exact worst-case convergence rate of "
        "the gradient method with fixed step lengths for L-smooth functions (2022)",
        remark="exact up to α = √3/L; above by the descent lemma, and not exact",
    ),
    Theorem(
        name="gradient descent, smooth: smallest gradient",
        methods=_CLASSES,
        variant=_fixed,
        rate="O(1/T)",
        statement="min ‖∇f(θₜ)‖² ≤ 2 (f(θ₀) − f*)/(αT)",
        latex=r"\min_{t<T}\|\nabla f(\theta_t)\|^2\leq\frac{2(f(\theta_0)-f^*)}{\alpha T}",
        quantity="squared gradient",
        assumptions=(SMOOTH, step_below(1), STAYS),
        needs=("L", "gap0"),
        bound=lambda t, facts: 2 * facts["gap0"] / (facts.alpha * t),
        closed=lambda facts, eps: 2 * facts["gap0"] / (facts.alpha * eps),
        source="Nesterov, Lectures on convex optimization (2018), section 1.2.3",
    ),
    Theorem(
        name="gradient descent, Polyak-Łojasiewicz",
        methods=_CLASSES,
        variant=_fixed,
        rate="linear",
        statement="f(θ_T) − f* ≤ (1 − PL·α(2 − αL))^T (f(θ₀) − f*); (1 − PL/L)^T at α = 1/L",
        latex=r"f(\theta_T)-f^*\leq (1-\mu_{PL}\alpha(2-\alpha L))^T(f(\theta_0)-f^*)",
        quantity="gap",
        assumptions=(GRADIENT_DOMINATED, SMOOTH, step_below(2, strict=True), STAYS),
        needs=("L", "PL", "gap0"),
        bound=lambda t, facts: (
            facts["gap0"]
            * max(0.0, 1 - facts["PL"] * facts.alpha * (2 - facts.alpha * facts["L"])) ** t
        ),
        source="Polyak (1963); Karimi, Nutini and Schmidt, Linear convergence of gradient and "
        "proximal-gradient methods under the Polyak-Łojasiewicz condition (2016), theorem 1",
    ),
    Theorem(
        name="gradient descent with checked steps, convex",
        methods=_CLASSES,
        variant=lambda method: isinstance(method.step, str),
        rate="O(1/T)",
        statement="f(θ_T) − f* ≤ R²/(2Tα), α = min(α₀, 1/(2L))",
        latex=r"f(\theta_T)-f^*\leq\frac{R^2}{2T\min(\alpha_0,1/(2L))}",
        quantity="gap",
        assumptions=(CONVEX, SMOOTH, FIRST_STEP),
        needs=("L", "R"),
        bound=lambda t, facts: facts["R"] ** 2 / (2 * t * checked_step_least(facts)),
        source=f"as {_HANDBOOK}, theorem 3.4, which uses L only for the decrease that "
        "step='1/L' checks",
        remark="for a start whose Hessian is much smaller than L: the step is above 1/L there",
    ),
    Theorem(
        name="gradient descent with searched steps, Polyak-Łojasiewicz",
        methods=_CLASSES,
        variant=_searched,
        rate="linear",
        statement="f(θ_T) − f* ≤ (1 − 2PLδ)^T (f(θ₀) − f*), where each step lowers f by δ‖∇f‖² "
        "at least: δ = min(α(1 − αL/2), 2c(1 − c)/L), α = min(α₀, 2(1 − c)s/L)",
        latex=r"f(\theta_T)-f^*\leq (1-2\mu_{PL}\delta)^T(f(\theta_0)-f^*)",
        quantity="gap",
        assumptions=(GRADIENT_DOMINATED, SMOOTH, FIRST_STEP),
        needs=("L", "PL", "gap0"),
        bound=lambda t, facts: (
            facts["gap0"] * max(0.0, 1 - 2 * facts["PL"] * sufficient_decrease(facts)) ** t
        ),
        source="Boyd and Vandenberghe, Convex optimization (2004), section 9.3.1",
        remark="c is Backtracking's decrease and s its shrink: c of 1e-4 guarantees little, though "
        "the search usually does well",
    ),
    Theorem(
        name="gradient descent with searched steps, convex",
        methods=_CLASSES,
        variant=_searched,
        rate="O(1/T)",
        statement="f(θ_T) − f* ≤ 1/(1/(f(θ₀) − f*) + Tδ/D²), with δ as for Polyak-Łojasiewicz and "
        "D the radius of {f ≤ f(θ₀)} about θ*",
        latex=r"f(\theta_T)-f^*\leq\left(\frac{1}{f(\theta_0)-f^*}+\frac{T\delta}{D^2}\right)^{-1}",
        quantity="gap",
        assumptions=(CONVEX, SMOOTH, FIRST_STEP),
        needs=("L", "gap0", "D"),
        bound=lambda t, facts: (
            1 / (1 / facts["gap0"] + t * sufficient_decrease(facts) / facts["D"] ** 2)
        ),
        source="Nesterov, Lectures on convex optimization (2018), section 2.1.5",
    ),
    Theorem(
        name="gradient descent with searched steps, smooth",
        methods=_CLASSES,
        variant=_searched,
        rate="O(1/T)",
        statement="min ‖∇f(θₜ)‖² ≤ (f(θ₀) − f*)/(δT), with δ as for Polyak-Łojasiewicz",
        latex=r"\min_{t<T}\|\nabla f(\theta_t)\|^2\leq\frac{f(\theta_0)-f^*}{\delta T}",
        quantity="squared gradient",
        assumptions=(SMOOTH, FIRST_STEP),
        needs=("L", "gap0"),
        bound=lambda t, facts: facts["gap0"] / (sufficient_decrease(facts) * t),
        source="Nocedal and Wright, Numerical optimization (2006), theorem 3.2",
    ),
    Theorem(
        name="steepest descent with exact steps",
        methods=_CLASSES,
        variant=lambda method: isinstance(method.step, Exact),
        rate="linear",
        statement="f(θ_T) − f* ≤ ((L − μ)/(L + μ))^(2T) (f(θ₀) − f*)",
        latex=r"f(\theta_T)-f^*\leq\left(\frac{L-\mu}{L+\mu}\right)^{2T}(f(\theta_0)-f^*)",
        quantity="gap",
        assumptions=(QUADRATIC, STRONGLY_CONVEX, SMOOTH),
        needs=("L", "mu", "gap0"),
        bound=lambda t, facts: (
            ((facts["L"] - facts["mu"]) / (facts["L"] + facts["mu"])) ** (2 * t) * facts["gap0"]
        ),
        tight=True,
        source="Kantorovich (1948); de Klerk, Glineur and Taylor, On the worst-case complexity of "
        "the gradient method with exact line search (2017), also where f is not quadratic",
        remark="Exact() minimises the quadratic model along the gradient, which is the line search "
        "where f is quadratic",
    ),
)
