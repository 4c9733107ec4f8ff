"""Stochastic gradient descent: what holds for the mean over the draws of batches.

G, σ², L and Lmax are those of batches: drawn with replacement, a batch of b rows has noise σ²/b and
the expected smoothness (1 − 1/b) L + Lmax/b. Averages are over θ₁, ..., θ_T, as the optimiser takes
them; textbooks average θ₀, ..., θ_{T−1}, and their bounds differ from these in terms of order 1/T.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.convergence.theorems.judging import (
    CONSTANT_STEP,
    CONVEX,
    EVEN,
    GRADIENT_DOMINATED,
    GRADIENTS_BOUNDED,
    INDEPENDENT,
    INTERPOLATION,
    NOISE_BOUNDED,
    PLAIN,
    ROWS_CONVEX,
    ROWS_STRONGLY_CONVEX,
    SHUFFLED,
    SMOOTH,
    STRONGLY_CONVEX,
    step_below,
    sureness,
    written,
)
from wengert.convergence.theorems.schedules import last_iterate_sum, schedule_of, step_at, total
from wengert.convergence.theorems.theorem import Assumption, Facts, Judged, MissingError, Theorem
from wengert.optimize import SGD
from wengert.optimize.steps import Inverse, Schedule

_CLASSES = (SGD,)
_HANDBOOK = "Garrigos and Gower, Handbook of convergence theorems (2023)"
_GOWER = "Gower, Loizou, Qian, Sailanbayev, Shulgin and Richtárik, SGD: general analysis (2019)"


# ---------------------------------------------------------------- what is read off the facts


def _steps(facts: Facts) -> Schedule:
    return schedule_of(facts.method.step)


def _alpha(facts: Facts) -> float:
    return float(step_at(_steps(facts), 0.0))


def noise(facts: Facts) -> float:
    """σ² of a batch: the largest that is known of a row, over the size of the batch.

    Raises
    ------
    MissingError
        If none is known.
    """
    known = [c.value for c in map(facts.constants.get, ("sigma2", "sigma2_star")) if c is not None]
    if not known:
        raise MissingError("sigma2 is not known")
    return max(known) / facts.batch


def noise_at_optimum(facts: Facts) -> float:
    """σ*² of a batch that is drawn with replacement."""
    return facts["sigma2_star"] / facts.batch


def expected_smoothness(facts: Facts) -> float:
    """(1 − 1/b) L + Lmax/b."""
    share = 1 / facts.batch
    return (1 - share) * facts["L"] + share * facts["Lmax"]


def tail_start(t: Any) -> Any:
    """The first iterate of a tail average after t steps: 2^(k−1), for 2^k ≤ t < 2^(k+1).

    >>> tail_start(np.array([1.0, 2.0, 3.0, 4.0, 9.0])).tolist()
    [1.0, 1.0, 1.0, 2.0, 4.0]
    """
    k = np.floor(np.log2(np.maximum(t, 1.0)))
    return np.maximum(2.0 ** (k - 1), 1.0)


def _first(t: Any, facts: Facts) -> Any:
    return tail_start(t) if facts.method.average == "tail" else np.ones(np.shape(t))


def _averaged(method: Any) -> bool:
    return method.average in ("all", "tail")


def _last(method: Any) -> bool:
    return method.average is None


def _weighted(method: Any) -> bool:
    return method.average == "weighted"


def _after_first(t: Any, bound: Any) -> Any:
    """A bound on an average, which there is none of before the first step."""
    return np.where(t < 1, np.inf, bound)


def _average_bound(t: Any, facts: Facts, square: float) -> Any:
    """The mean of θ_a, ..., θ_T if E‖θₜ₊₁−θ*‖² ≤ E‖θₜ−θ*‖² − 2αₜ gapₜ + αₜ² square."""
    schedule = _steps(facts)
    a = _first(t, facts)
    n = np.maximum(t, 1.0)
    reach = facts["R"] ** 2
    first = reach + square * total(schedule, a, 2)  # of E‖θ_a − θ*‖², from above
    last = reach + square * total(schedule, n, 2)
    begin, end = 1 / (2 * step_at(schedule, a)), 1 / (2 * step_at(schedule, n))
    spent = total(schedule, n + 1) - total(schedule, a)
    bound = (first * begin + last * (end - begin) + square / 2 * spent) / (n - a + 1)
    return _after_first(t, bound)


def _last_bound(t: Any, facts: Facts, square: float) -> Any:
    """The last iterate, from the same inequality with any iterate before it in place of θ*."""
    schedule = _steps(facts)
    mean = (facts["R"] ** 2 + square * total(schedule, t + 1, 2)) / (2 * (t + 1))
    return (mean + square / 2 * last_iterate_sum(schedule, t)) / step_at(schedule, t)


def _known_gradient(facts: Facts) -> float:
    return facts["Gstoch"] ** 2


def _lacoste(facts: Facts) -> Judged:
    rule = facts.method.step
    offsets = (1,) if _weighted(facts.method) else (1, 2)
    if not isinstance(rule, Inverse) or rule.offset not in offsets:
        return Judged("violated", f"the step is {written(rule)}")
    try:
        mu = facts["mu"]
    except MissingError as error:
        return Judged("unknown", str(error))
    own = 2 / rule.scale
    why = f"the step is 2/({own:.4g} (t + {rule.offset:g})); μ = {mu:.4g}"
    if own <= mu * (1 + 1e-12):
        constant = facts.constant("mu")
        return Judged(sureness(constant), why)
    return Judged("violated", f"{why}, which must not be smaller")


_TWO_OVER_MU = Assumption(
    "αₜ = 2/(m(t + 1)) with m ≤ μ; for the last iterate also 2/(m(t + 2))", _lacoste
)


def _own_modulus(facts: Facts) -> float:
    """The m of αₜ = 2/(m(t + offset))."""
    return 2 / float(facts.method.step.scale)


def _weighted_bound(t: Any, facts: Facts) -> Any:
    return _after_first(t, 2 * _known_gradient(facts) / (_own_modulus(facts) * (t + 1)))


def _lacoste_distance(t: Any, facts: Facts) -> Any:
    more = float(facts.method.step.offset) - 1
    known = 4 * _known_gradient(facts) / (_own_modulus(facts) ** 2 * np.maximum(t + more, 1.0))
    return np.where(t < 1, facts["R"] ** 2, known)


def _is_inverse(facts: Facts) -> Judged:
    rule = facts.method.step
    if not isinstance(rule, Inverse):
        return Judged("violated", f"the step is {written(rule)}")
    try:
        product = 2 * rule.scale * facts["mu"]
    except MissingError as error:
        return Judged("unknown", str(error))
    constant = facts.constant("mu")
    if product > 1:
        return Judged(sureness(constant), f"2cμ = {product:.4g}")
    loose = constant is not None and constant.kind == "bound"
    return Judged("unknown" if loose else "violated", f"2cμ = {product:.4g}, which must be above 1")


_INVERSE = Assumption("αₜ = c/(t + o) with 2cμ > 1", _is_inverse)


def _inverse_distance(t: Any, facts: Facts) -> Any:
    c, o = float(facts.method.step.scale), float(facts.method.step.offset)
    product = 2 * c * facts["mu"]
    square = c * c * _known_gradient(facts)
    q = max(o * facts["R"] ** 2, square / (product - 1))
    if o < product:  # the first steps may go too far
        q = max(q, square * (o + 1) / o**2)
    return q / (t + o)


# ---------------------------------------------------------------- constant steps


def _ball(t: Any, facts: Facts) -> Any:
    alpha, mu = _alpha(facts), facts["mu"]
    away = max(0.0, 1 - alpha * mu) ** t
    return away * facts["R"] ** 2 + 2 * alpha * noise_at_optimum(facts) / mu


def _ball_by_noise(t: Any, facts: Facts) -> Any:
    alpha = _alpha(facts)
    rate = max(abs(1 - alpha * facts["mu"]), abs(1 - alpha * facts["L"])) ** 2
    left = rate**t
    return left * facts["R"] ** 2 + (1 - left) * alpha**2 * noise(facts) / (1 - rate)


def _convex_star(t: Any, facts: Facts) -> Any:
    alpha, smooth = _alpha(facts), expected_smoothness(facts)
    share = 1 - 2 * alpha * smooth
    star = noise_at_optimum(facts)
    # θ₁ is no farther from θ* than R² + 2α²σ*², as each step shows.
    reach = facts["R"] ** 2 + 2 * alpha**2 * star
    a = _first(t, facts)
    reach = reach + 2 * alpha**2 * star * (a - 1)
    bound = reach / (2 * alpha * share * (np.maximum(t, 1.0) - a + 1)) + alpha * star / share
    return _after_first(t, bound)


def _variance_factor(t: Any, facts: Facts) -> Any:
    alpha = _alpha(facts)
    share, sigma = 1 - alpha * facts["L"], noise(facts)
    reach = facts["R"] ** 2 + alpha**2 * sigma
    return reach / (2 * alpha * share * t) + alpha * sigma / (2 * share)


def _nonconvex(t: Any, facts: Facts) -> Any:
    schedule, smooth = _steps(facts), facts["L"]
    one, two = total(schedule, t), total(schedule, t, 2)
    return (facts["gap0"] + smooth * noise(facts) / 2 * two) / (one - smooth / 2 * two)


def _dominated(t: Any, facts: Facts) -> Any:
    alpha, smooth = _alpha(facts), facts["L"]
    loss = facts["PL"] * alpha * (2 - alpha * smooth)
    floor = smooth * alpha**2 * noise(facts) / (2 * loss)
    return max(0.0, 1 - loss) ** t * facts["gap0"] + floor


def _interpolating_linear(t: Any, facts: Facts) -> Any:
    alpha = _alpha(facts)
    loss = alpha * facts["mu"] * (2 - alpha * expected_smoothness(facts))
    return max(0.0, 1 - loss) ** t * facts["R"] ** 2


def _interpolating(t: Any, facts: Facts) -> Any:
    a = _first(t, facts)
    bound = facts["R"] ** 2 / (2 * _alpha(facts) * (np.maximum(t, 1.0) - a + 1))
    return _after_first(t, bound)


def _epochs(facts: Facts) -> tuple[int, float, float, float]:
    """Batches an epoch, the factor a step, the squared radius, and the way from θ* and back.

    The last is the largest E‖θ − θ*‖² of a run along the gradients at θ*, which starts there, and
    is there again after each epoch.
    """
    rows, modulus = facts.rows, facts.rows_modulus
    if rows is None or modulus is None:
        raise MissingError("the rows are not known")
    alpha, batches = _alpha(facts), rows // facts.batch
    away = alpha**2 * batches**2 * facts["sigma2_star"] / (4 * max(rows - 1, 1))
    return batches, max(0.0, 1 - alpha * modulus), facts["Lmax"] * away / modulus, away


def _reshuffled(t: Any, facts: Facts) -> Any:
    batches, rate, radius, away = _epochs(facts)
    whole = rate ** (batches * np.floor(t / batches)) * facts["R"] ** 2 + radius
    return np.where(t % batches == 0, np.asarray(whole, float), 2 * (whole + away))


def _reshuffled_steps(facts: Facts, eps: float) -> float:
    batches, rate, radius, _ = _epochs(facts)
    if eps <= radius:
        return math.inf
    left = (eps - radius) / facts["R"] ** 2
    if left >= 1:
        return 0.0
    return batches * math.ceil(math.log(left) / (batches * math.log(rate))) if rate else batches


def _batch_step_below(limit: float, strict: bool = False) -> Assumption:
    return step_below(limit, "L_b", strict, expected_smoothness, ("L", "Lmax"))


THEOREMS = (
    Theorem(
        name="SGD, convex, bounded gradients: average",
        methods=_CLASSES,
        variant=_averaged,
        rate="O(1/√T)",
        statement="E f(θ̄) − f* ≤ R²/(2αT) + αG²(T + 1)/(2T) for a constant α, RG/√T (1 + 1/(2T)) "
        "at α = R/(G√T); for decreasing αₜ: (S₁/(2α₁) + S_T(1/(2α_T) − 1/(2α₁)) + G²Σαₜ/2)/T, "
        "Sₜ = R² + G²(α₀² + ... + αₜ₋₁²)",
        latex=r"E f(\bar{\theta})-f^*\leq\frac{R^2}{2\alpha T}+\frac{\alpha G^2(T+1)}{2T}",
        quantity="gap",
        assumptions=(CONVEX, GRADIENTS_BOUNDED, INDEPENDENT, PLAIN),
        needs=("R", "Gstoch"),
        bound=lambda t, facts: _average_bound(t, facts, _known_gradient(facts)),
        source=f"Robbins and Monro (1951); {_HANDBOOK}, section 9; Nemirovski, Juditsky, Lan and "
        "Shapiro, Robust stochastic approximation (2009)",
        remark="O(log T/√T) for InverseSqrt: the plain average gives old iterates too much weight; "
        "a tail average starts at T/4 at the earliest",
    ),
    Theorem(
        name="SGD, convex, bounded gradients: last iterate",
        methods=_CLASSES,
        variant=_last,
        rate="O(log T/√T)",
        statement="E f(θ_T) − f* ≤ R²/(2α(T + 1)) + αG²(1 + H_T)/2 for a constant α, where "
        "H_T = 1 + 1/2 + ... + 1/T; for αₜ ~ 1/√t: O(log T/√T)",
        latex=r"E f(\theta_T)-f^*\leq\frac{R^2}{2\alpha(T+1)}+\frac{\alpha G^2}{2}(1+H_T)",
        quantity="gap",
        assumptions=(CONVEX, GRADIENTS_BOUNDED, INDEPENDENT, PLAIN),
        needs=("R", "Gstoch"),
        bound=lambda t, facts: _last_bound(t, facts, _known_gradient(facts)),
        source="Shamir and Zhang, Stochastic gradient descent for non-smooth optimization (2013); "
        "Orabona, Last iterate of SGD converges (2020)",
    ),
    Theorem(
        name="SGD, convex and smooth, bounded variance: average",
        methods=_CLASSES,
        variant=_averaged,
        rate="O(1/√T)",
        statement="E f(θ̄) − f* ≤ R²/(2αT) + ασ²(T + 1)/(2T), and as for bounded gradients with "
        "σ² for G² if αₜ decreases",
        latex=r"E f(\bar{\theta})-f^*\leq\frac{R^2}{2\alpha T}+\frac{\alpha\sigma^2(T+1)}{2T}",
        quantity="gap",
        assumptions=(CONVEX, SMOOTH, NOISE_BOUNDED, INDEPENDENT, PLAIN, step_below(1)),
        needs=("L", "R"),
        bound=lambda t, facts: _average_bound(t, facts, noise(facts)),
        source="Lan, An optimal method for stochastic composite optimization (2012)",
    ),
    Theorem(
        name="SGD, convex and smooth, bounded variance: average, the handbook's form",
        methods=_CLASSES,
        variant=lambda method: method.average == "all",
        rate="O(1/√T)",
        statement="E f(θ̄) − f* ≤ R²/(2α(1 − αL)T) + ασ²/(2(1 − αL)) (with R² + α²σ² for R², as θ₀ "
        "is not in the average)",
        latex=r"E f(\bar{\theta})-f^*\leq\frac{R^2}{2\alpha(1-\alpha L)T}"
        r"+\frac{\alpha\sigma^2}{2(1-\alpha L)}",
        quantity="gap",
        assumptions=(
            CONVEX,
            SMOOTH,
            NOISE_BOUNDED,
            CONSTANT_STEP,
            INDEPENDENT,
            PLAIN,
            step_below(1, strict=True),
        ),
        needs=("L", "R"),
        bound=_variance_factor,
        source=f"{_HANDBOOK}, section 5",
        remark="never below the form without 1 − αL",
    ),
    Theorem(
        name="SGD, convex rows: average",
        methods=_CLASSES,
        variant=_averaged,
        rate="O(1/T) to a floor",
        statement="E f(θ̄) − f* ≤ (R² + 2α²σ*²)/(2α(1 − 2αL_b)T) + ασ*²/(1 − 2αL_b), "
        "L_b = (1 − 1/b)L + Lmax/b, σ*² that of a batch",
        latex=r"E f(\bar{\theta})-f^*\leq\frac{R^2+2\alpha^2\sigma_*^2}"
        r"{2\alpha(1-2\alpha L_b)T}+\frac{\alpha\sigma_*^2}{1-2\alpha L_b}",
        quantity="gap",
        assumptions=(
            CONVEX,
            ROWS_CONVEX,
            SMOOTH,
            CONSTANT_STEP,
            INDEPENDENT,
            PLAIN,
            _batch_step_below(0.5, strict=True),
        ),
        needs=("L", "Lmax", "R", "sigma2_star"),
        bound=_convex_star,
        source=f"{_HANDBOOK}, theorem 5.5 and, for batches, section 6; {_GOWER}",
        remark="the floor α σ*²/(1 − 2αL_b) falls with the step and with the batch",
    ),
    Theorem(
        name="SGD, strongly convex rows' mean, constant step: noise ball",
        methods=_CLASSES,
        variant=_last,
        rate="linear to a noise ball",
        statement="E‖θ_T − θ*‖² ≤ (1 − αμ)^T R² + 2ασ*²/μ for α ≤ 1/(2L_b), with L_b and σ*² of a "
        "batch: linear to a ball of squared radius 2ασ*²/μ",
        latex=r"E\|\theta_T-\theta^*\|^2\leq (1-\alpha\mu)^TR^2+\frac{2\alpha\sigma_*^2}{\mu}",
        quantity="squared distance",
        assumptions=(
            STRONGLY_CONVEX,
            ROWS_CONVEX,
            SMOOTH,
            CONSTANT_STEP,
            INDEPENDENT,
            PLAIN,
            _batch_step_below(0.5),
        ),
        needs=("L", "Lmax", "mu", "R", "sigma2_star"),
        bound=_ball,
        source=f"{_HANDBOOK}, theorem 5.8; {_GOWER}, theorem 3.1; Needell, Srebro and Ward (2016)",
    ),
    Theorem(
        name="SGD, strongly convex, constant step, bounded variance: noise ball",
        methods=_CLASSES,
        variant=_last,
        rate="linear to a noise ball",
        statement="E‖θ_T − θ*‖² ≤ ρ^(2T) R² + (1 − ρ^(2T)) α²σ²/(1 − ρ²), "
        "ρ = max(|1 − αμ|, |1 − αL|)",
        latex=r"E\|\theta_T-\theta^*\|^2\leq\rho^{2T}R^2"
        r"+(1-\rho^{2T})\frac{\alpha^2\sigma^2}{1-\rho^2},\quad"
        r"\rho=\max(|1-\alpha\mu|,|1-\alpha L|)",
        quantity="squared distance",
        assumptions=(
            STRONGLY_CONVEX,
            SMOOTH,
            NOISE_BOUNDED,
            CONSTANT_STEP,
            INDEPENDENT,
            PLAIN,
            step_below(2, strict=True),
        ),
        needs=("L", "mu", "R"),
        bound=_ball_by_noise,
        tight=True,
        source="Bottou, Curtis and Nocedal, Optimization methods for large-scale machine learning "
        "(2018), section 4; exact by quadratics with noise that does not depend on θ",
    ),
    Theorem(
        name="SGD, strongly convex, 2/(μt) steps: weighted average",
        methods=_CLASSES,
        variant=_weighted,
        rate="O(1/T)",
        statement="E f(θ̄) − f* ≤ 2G²/(μ(T + 1)), θₜ with the weight t",
        latex=r"E f(\bar{\theta})-f^*\leq\frac{2G^2}{\mu(T+1)}",
        quantity="gap",
        assumptions=(STRONGLY_CONVEX, GRADIENTS_BOUNDED, INDEPENDENT, PLAIN, _TWO_OVER_MU),
        needs=("mu", "Gstoch"),
        bound=_weighted_bound,
        closed=lambda facts, eps: max(
            1.0, 2 * _known_gradient(facts) / (_own_modulus(facts) * eps) - 1
        ),
        source="Lacoste-Julien, Schmidt and Bach, A simpler approach to obtaining an O(1/t) "
        "convergence rate (2012)",
    ),
    Theorem(
        name="SGD, strongly convex, 2/(μt) steps: distance",
        methods=_CLASSES,
        variant=_last,
        rate="O(1/T)",
        statement="E‖θ_T − θ*‖² ≤ 4G²/(μ²(T + o − 1)) for αₜ = 2/(μ(t + o)), o = 1 or 2",
        latex=r"E\|\theta_T-\theta^*\|^2\leq\frac{4G^2}{\mu^2(T+o-1)}",
        quantity="squared distance",
        assumptions=(STRONGLY_CONVEX, GRADIENTS_BOUNDED, INDEPENDENT, PLAIN, _TWO_OVER_MU),
        needs=("mu", "Gstoch", "R"),
        bound=_lacoste_distance,
        source="Lacoste-Julien, Schmidt and Bach (2012), the last term of their sum",
    ),
    Theorem(
        name="SGD, strongly convex, c/t steps: distance",
        methods=_CLASSES,
        variant=_last,
        rate="O(1/T)",
        statement="E‖θ_T − θ*‖² ≤ Q/(T + o), Q = max(oR², c²G²/(2cμ − 1)), for αₜ = c/(t + o) with "
        "2cμ > 1; also at least c²G²(o + 1)/o² where o < 2cμ",
        latex=r"E\|\theta_T-\theta^*\|^2\leq\frac{Q}{T+o},\quad"
        r"Q=\max\left(oR^2,\frac{c^2G^2}{2c\mu-1}\right)",
        quantity="squared distance",
        assumptions=(STRONGLY_CONVEX, GRADIENTS_BOUNDED, INDEPENDENT, PLAIN, _INVERSE),
        needs=("mu", "Gstoch", "R"),
        bound=_inverse_distance,
        source="Nemirovski, Juditsky, Lan and Shapiro, Robust stochastic approximation (2009), "
        "section 2.1",
    ),
    Theorem(
        name="SGD, smooth: smallest gradient",
        methods=_CLASSES,
        variant=_last,
        rate="O(1/√T)",
        statement="min E‖∇f(θₜ)‖² ≤ (f(θ₀) − f* + Lσ²/2 Σαₜ²)/Σαₜ(1 − αₜL/2); "
        "2(f(θ₀) − f*)/(αT) + αLσ² at most for a constant α ≤ 1/L",
        latex=r"\min_{t<T}E\|\nabla f(\theta_t)\|^2\leq\frac{f(\theta_0)-f^*"
        r"+\frac{L\sigma^2}{2}\sum_t\alpha_t^2}{\sum_t\alpha_t(1-\alpha_tL/2)}",
        quantity="squared gradient",
        assumptions=(SMOOTH, NOISE_BOUNDED, INDEPENDENT, PLAIN, step_below(2, strict=True)),
        needs=("L", "gap0"),
        bound=_nonconvex,
        source="Ghadimi and Lan, Stochastic first- and zeroth-order methods (2013)",
    ),
    Theorem(
        name="SGD, Polyak-Łojasiewicz, constant step",
        methods=_CLASSES,
        variant=_last,
        rate="linear to a floor",
        statement="E f(θ_T) − f* ≤ (1 − PL·α(2 − αL))^T (f(θ₀) − f*) + αLσ²/(2PL(2 − αL))",
        latex=r"E f(\theta_T)-f^*\leq (1-\mu_{PL}\alpha(2-\alpha L))^T(f(\theta_0)-f^*)"
        r"+\frac{\alpha L\sigma^2}{2\mu_{PL}(2-\alpha L)}",
        quantity="gap",
        assumptions=(
            GRADIENT_DOMINATED,
            SMOOTH,
            NOISE_BOUNDED,
            CONSTANT_STEP,
            INDEPENDENT,
            PLAIN,
            step_below(2, strict=True),
        ),
        needs=("L", "PL", "gap0"),
        bound=_dominated,
        source="Karimi, Nutini and Schmidt (2016), theorem 4, with the variance for E‖g‖²",
    ),
    Theorem(
        name="SGD, interpolation, strongly convex",
        methods=_CLASSES,
        variant=_last,
        rate="linear",
        statement="E‖θ_T − θ*‖² ≤ (1 − αμ(2 − αL_b))^T R²; (1 − μ/L_b)^T R² at α = 1/L_b",
        latex=r"E\|\theta_T-\theta^*\|^2\leq (1-\alpha\mu(2-\alpha L_b))^TR^2",
        quantity="squared distance",
        assumptions=(
            STRONGLY_CONVEX,
            ROWS_CONVEX,
            SMOOTH,
            INTERPOLATION,
            CONSTANT_STEP,
            INDEPENDENT,
            PLAIN,
            _batch_step_below(2, strict=True),
        ),
        needs=("L", "Lmax", "mu", "R"),
        bound=_interpolating_linear,
        source="Needell, Srebro and Ward (2016); Ma, Bassily and Belkin, The power of "
        "interpolation (2018)",
    ),
    Theorem(
        name="SGD, interpolation, convex: average",
        methods=_CLASSES,
        variant=_averaged,
        rate="O(1/T)",
        statement="E f(θ̄) − f* ≤ R²/(2αT) for α ≤ 1/Lmax",
        latex=r"E f(\bar{\theta})-f^*\leq\frac{R^2}{2\alpha T}",
        quantity="gap",
        assumptions=(
            CONVEX,
            ROWS_CONVEX,
            INTERPOLATION,
            CONSTANT_STEP,
            INDEPENDENT,
            PLAIN,
            step_below(1, "Lmax"),
        ),
        needs=("Lmax", "R"),
        bound=_interpolating,
        source=f"Vaswani, Bach and Schmidt, Fast and faster convergence (2019); {_HANDBOOK}",
    ),
    Theorem(
        name="SGD, reshuffled every epoch, strongly convex rows",
        methods=_CLASSES,
        variant=lambda method: method.average is None and not method.replacement,
        rate="linear to a noise ball",
        statement="E‖θ_T − θ*‖² ≤ (1 − αm)^T R² + α²Lmax N²σ*²/(4(n − 1)m) after whole epochs of N "
        "batches, for α ≤ 1/Lmax, where each of n rows has an m-strongly convex loss",
        latex=r"E\|\theta_T-\theta^*\|^2\leq (1-\alpha m)^TR^2"
        r"+\frac{\alpha^2L_{\max}N^2\sigma_*^2}{4(n-1)m}",
        quantity="squared distance",
        assumptions=(
            ROWS_STRONGLY_CONVEX,
            SHUFFLED,
            EVEN,
            CONSTANT_STEP,
            PLAIN,
            step_below(1, "Lmax"),
        ),
        needs=("Lmax", "R", "sigma2_star"),
        bound=_reshuffled,
        closed=_reshuffled_steps,
        source="Mishchenko, Khaled and Richtárik, Random reshuffling (2020), theorem 1",
        remark="within an epoch twice that, and what the way from θ* and back may be; the squared "
        "radius is of order α², that of independent batches of order α",
    ),
)
