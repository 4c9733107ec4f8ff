"""Steps of stochastic gradient descent with which a theorem promises a gap, in finitely many steps.

A constant step leaves a floor, and a theorem on it reaches ε only if the floor is below. So each
plan takes its step from ε. For the mean of the last iterates, of convex rows, that is
α = 1/(4L_b + σ*²/0.4bε): the floor ασ*²/(b(1 − 2αL_b)) is 0.4 ε then, what the noise before these
iterates adds is no more, and a few times R²/(αε) = R²(4L_b + σ*²/0.4bε)/ε steps make the rest. That
is the lecture's 1/ε² once the noise counts, and 1/ε before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from wengert.convergence.facts import Constants
from wengert.optimize import SGD, EmpiricalRisk, Inverse, InverseSqrt, Problem
from wengert.optimize.sources import Arrays

BATCH = 32
NO_PROMISE = "no promise"
_FLOOR = 0.4  # of eps that noise leaves in theorems on means; a tail's beginning adds as much
_SHARE = 1 / 3  # of eps that the noise of steps may leave, where nothing is promised
_NO_NOISE = 1e-12  # of the noise at the start: what rounding leaves at the minimum


@dataclass(frozen=True)
class Plan:
    """SGD with its step.

    Attributes
    ----------
    kind : str
        What kind of a schedule it is, the same for every ε.
    method : SGD
        The method.
    why : str
        Where its step comes from.
    """

    kind: str
    method: SGD
    why: str


@dataclass(frozen=True)
class Known:
    """What plans, and steps of other methods, are made from.

    Attributes
    ----------
    problem : Problem
        What is minimised.
    constants : Constants
        Of it.
    eps : float
        What is to be reached.
    convex : bool or None
        Whether the function is; without convexity ε is of the squared gradient.
    """

    problem: Problem
    constants: Constants
    eps: float
    convex: bool | None = None

    def value(self, symbol: str) -> float | None:
        """A constant's value, if it is a positive number."""
        found = self.constants.get(symbol)
        return found.value if found is not None and 0 < found.value < inf else None

    def noise(self, largest: bool = False) -> float:
        """σ*² of a row, or what is known instead; 0 where it is rounding, or nothing is known.

        With ``largest``, σ² at θ₀ if that is more.
        """
        start, star = self.constants.get("sigma2"), self.constants.get("sigma2_star")
        found = star or start
        if largest and start is not None and star is not None and start.value > star.value:
            found = start
        if found is None or not found.value < inf:
            return 0.0
        least = 0.0 if start is None else _NO_NOISE * start.value
        return found.value if found.value > least else 0.0

    @property
    def batch(self) -> int:
        """Rows of a batch."""
        return min(BATCH, self.problem.source.length)

    @property
    def smooth(self) -> float | None:
        """L_b = (1 − 1/b)L + Lmax/b; None for a loss with kinks, or if L is not known."""
        L, most = self.value("L"), self.value("Lmax")
        risk = self.problem.origin
        named = risk.named if isinstance(risk, EmpiricalRisk) else None
        if L is None or (named is not None and named.kinked):
            return None
        return L if most is None else L + (most - L) / self.batch

    def sgd(self, step: float | Inverse | InverseSqrt, average: str | None) -> SGD:
        """Of batches that are drawn as theorems ask, where the data allow it."""
        replacement = isinstance(self.problem.source, Arrays)
        return SGD(self.batch, step, replacement=replacement, average=average)


def plans_for(known: Known) -> tuple[Plan, ...]:
    """Ways to run SGD for this ε; the last one is what is taken where no theorem applies."""
    smooth = known.smooth
    if smooth is None:
        return tuple(_by_gradients(known))
    if known.convex is False:
        return tuple(_for_gradients(known, smooth))
    return (*_smooth(known, smooth), _quiet(known, smooth))


def _smooth(known: Known, smooth: float) -> Iterator[Plan]:
    """Convex or strongly convex, of smooth rows."""
    noise = known.noise() / known.batch
    L, mu = known.value("L"), known.value("mu")
    step = 1 / (4 * smooth + noise / (_FLOOR * known.eps))
    yield Plan(
        "the mean of the last iterates",
        known.sgd(step, "tail"),
        f"α = 1/(4L_b + σ*²/{_FLOOR}bε) = {step:.3g}, with which the theorem's floor is below ε, "
        "and the mean of the last iterates",
    )
    if L is not None and mu is not None:
        most = 2 * _FLOOR * known.eps * mu / (L * noise) if noise else inf
        step = min(1 / (2 * smooth), most)
        yield Plan(
            "the last iterate",
            known.sgd(step, None),
            f"α = {step:.3g}, with which the theorem's noise ball is below ε, and the last iterate",
        )
    largest = known.noise(largest=True) / known.batch
    if L is not None and largest > 0:
        step = min(1 / L, 2 * _FLOOR * known.eps / largest)
        yield Plan(
            "the mean of the last iterates by σ²",
            known.sgd(step, "tail"),
            f"α = min(1/L, {2 * _FLOOR}bε/σ²) = {step:.3g}, with which the theorem's floor is "
            "below ε, and the mean of the last iterates",
        )


def _quiet(known: Known, smooth: float) -> Plan:
    """By what the noise leaves on a quadratic, about ασ*²/4b."""
    step = 1 / (2 * smooth)
    why = f"α = {step:.3g}, which is 1/2L_b with the expected smoothness L_b of a batch"
    noise = known.noise()
    quiet = 4 * _SHARE * known.batch * known.eps / noise if noise else inf
    if quiet < step:
        step = quiet
        why = f"α = {step:.3g}, whose noise leaves a gap of about ασ*²/4b = ε/{1 / _SHARE:.0f}"
    return Plan(NO_PROMISE, known.sgd(step, None), f"{why}; no theorem promises ε")


def _for_gradients(known: Known, smooth: float) -> Iterator[Plan]:
    """Of functions that are not convex: the squared gradient."""
    L = known.value("L") or smooth
    noise = known.noise() / known.batch
    step = min(1 / L, known.eps / (2 * L * noise)) if noise else 1 / L
    why = f"α = {step:.3g}, " + (
        "with which noise leaves a squared gradient of ε/2" if step < 1 / L else "which is 1/L"
    )
    yield Plan("smallest gradient", known.sgd(step, None), why)


def _by_gradients(known: Known) -> Iterator[Plan]:
    """Of functions that are convex and no more: R/(G√T), and steps that need no T."""
    R, G = known.value("R"), known.value("Gstoch") or known.value("G")
    if G is not None:
        step = known.eps / G**2
        why = f"α = ε/G² = {step:.3g} and the mean of all iterates: (RG/ε)² steps"
        yield Plan("a fixed step", known.sgd(step, "all"), why)
    mu = known.value("mu")
    if mu is not None:
        yield Plan(
            "the weighted mean",
            known.sgd(Inverse(2 / mu, 1.0), "weighted"),
            f"α = 2/(μ(t + 1)) with μ = {mu:.3g}, and θₜ has the weight t in the mean: 2G²/με "
            "steps",
        )
    scale = R / G if R and G else 0.1
    named = f"R/G = {scale:.3g}" if R and G else "0.1, as R or G is not known"
    for average, words in (("tail", "the last"), ("all", "all")):
        why = f"α/√(t + 1) with α = {named}, and the mean of {words} iterates, as in the lecture"
        yield Plan(f"1/√t steps, {words} averaged", known.sgd(InverseSqrt(scale), average), why)
