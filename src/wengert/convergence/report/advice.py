"""What follows from the constants and the curves: each piece with its number and its reason.

Sources: Polyak (1964) and Nesterov (2018) for momentum; McCandlish et al., An empirical model of
large-batch training (2018), for the batch where noise stops mattering; Bottou, Curtis and Nocedal,
Optimization methods for large-scale machine learning (2018), for the noise that a step leaves; van
der Sluis (1969) for scaling by the diagonal.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any

import numpy as np

from wengert.convergence.constants.reference import Reference, rounding
from wengert.convergence.facts import Constants, first_below
from wengert.convergence.report.outlook import Outlook
from wengert.convergence.report.words import count, factor, span
from wengert.convergence.report.words import steps as steps_of
from wengert.optimize import SGD, GradientDescent, Momentum, Nesterov, Newton, Problem
from wengert.optimize.sources import Nothing
from wengert.optimize.steps import factor as step_at

_DENSE = 1000  # parameters up to which eigenvalues of the Hessian are computed
_MILD = 10  # a condition number with which nothing is slow
_WORTH = 1.5  # an advantage that is worth a change


@dataclass(frozen=True)
class Advice:
    """A piece of advice.

    Attributes
    ----------
    topic : str
        A word or two.
    text : str
        What to do, or to leave, and why.
    value : float or None
        The number that it rests on.
    """

    topic: str
    text: str
    value: float | None = None

    def __str__(self) -> str:
        return f"{self.topic}: {self.text}"

    def to_dict(self) -> dict[str, Any]:
        """Text and the number, as JSON takes them."""
        value = self.value if self.value is not None and isfinite(self.value) else None
        return {"topic": self.topic, "text": self.text, "value": value}


@dataclass(frozen=True, eq=False)
class Situation:
    """What advice is drawn from.

    Attributes
    ----------
    problem : Problem
        What is minimised.
    x0 : ndarray
        Where it begins.
    eps, first : float
        The gap that is wanted, and the one at the start.
    constants : Constants
        Of the problem.
    reference : Reference or None
        The minimum.
    outlooks : sequence of Outlook
        The methods.
    convex : bool or None
        Whether the function is.
    """

    problem: Problem
    x0: Any
    eps: float
    first: float
    constants: Constants
    reference: Reference | None
    outlooks: Sequence[Outlook]
    convex: bool | None

    def value(self, symbol: str) -> float | None:
        """A constant, if it is a positive number."""
        found = self.constants.get(symbol)
        return found.value if found is not None and 0 < found.value < float("inf") else None

    def first_of(self, kind: type[Any]) -> Outlook | None:
        """The outlook of a method of a class."""
        return next((o for o in self.outlooks if isinstance(o.choice.method, kind)), None)


def advice_for(s: Situation) -> tuple[Advice, ...]:
    """All that there is to say, the most important first."""
    if s.first <= s.eps:
        return ()
    parts = (_precision, _spectrum_and_step, _newton, _batch, _noise, _interpolation)
    with np.errstate(all="ignore"):
        return tuple(one for part in parts for one in part(s))


# ---------------------------------------------------------------- arithmetic


def _precision(s: Situation) -> Iterator[Advice]:
    if s.reference is None or s.reference.x is None:
        return
    least = rounding(s.problem, s.reference.value)
    if s.eps < least:
        yield Advice(
            "precision",
            f"ε = {s.eps:g} is below what {s.problem.space.dtype} can tell apart at a loss of "
            f"{s.reference.value:.3g}, about {least:.1g}: ask for that, or stop by the gradient "
            "(wg.Stop(gradient=...))",
            least,
        )


# ---------------------------------------------------------------- step, momentum, scaling


@dataclass(frozen=True, eq=False)
class _Ends:
    """Of the Hessian's spectrum at the minimum."""

    low: float
    high: float
    scaled: float | None  # κ after scaling by the diagonal

    @property
    def condition(self) -> float:
        return self.high / self.low


def _ends(s: Situation) -> _Ends | None:
    if s.reference is None or s.reference.x is None or s.problem.space.size > _DENSE:
        return None
    H = np.asarray(s.problem.hessian(s.reference.x), float)
    if not np.all(np.isfinite(H)):
        return None
    values = np.linalg.eigvalsh((H + H.T) / 2)
    least = 1e-12 * abs(float(values[-1]))
    if not values[0] > least:
        return None
    d = np.diag(H)
    scaled = None
    if np.all(d > 0) and len(d) > 1:
        after = np.linalg.eigvalsh(H / np.sqrt(np.outer(d, d)))
        scaled = float(after[-1] / after[0]) if after[0] > 0 else None
    return _Ends(float(values[0]), float(values[-1]), scaled)


def _spectrum_and_step(s: Situation) -> Iterator[Advice]:
    ends = _ends(s)
    if ends is None:
        yield from _global_step(s)
        return
    kappa = ends.condition
    outlook = s.first_of(GradientDescent)
    step = None if outlook is None else outlook.choice.method.step
    best = 2 / (ends.high + ends.low)
    if outlook is not None:
        used = f", where α = {step:.3g} was used" if isinstance(step, int | float) else ""
        yield Advice(
            "step size",
            f"near the minimum the Hessian's eigenvalues go from {ends.low:.3g} to "
            f"{ends.high:.3g}: gradient descent is stable there up to α = 2/L = {2 / ends.high:.3g}"
            f" and fastest at 2/(L + μ) = {best:.3g}{used}",
            best,
        )
    if kappa < _MILD:
        text = f"κ = L/μ = {kappa:.3g} at the minimum is small: momentum saves little there"
    else:
        text = (
            f"κ = L/μ = {kappa:,.3g} at the minimum: gradient descent's steps grow like κ, and "
            f"with the right momentum like √κ = {sqrt(kappa):,.3g}"
        )
    yield Advice("condition and momentum", f"{text}{_seen(s)}", kappa)
    if ends.scaled is not None:
        yield _scaling(kappa, ends.scaled)


def _seen(s: Situation) -> str:
    """What momentum has saved, if it was run."""
    plain, fast = s.first_of(GradientDescent), s.first_of(Nesterov) or s.first_of(Momentum)
    if plain is None or fast is None or not isfinite(plain.steps) or not isfinite(fast.steps):
        return ""
    return (
        f"; here {fast.label} takes {count(fast.steps)} steps and {plain.label} "
        f"{count(plain.steps)}"
    )


def _scaling(kappa: float, scaled: float) -> Advice:
    gain = kappa / scaled
    if gain > _WORTH:
        return Advice(
            "scaling",
            f"a scale for each parameter (its diagonal entry of the Hessian becomes 1; of linear "
            f"models: standardised columns) brings κ from {kappa:,.3g} to {scaled:,.3g}, so that "
            f"gradient descent needs about {factor(gain)} times fewer steps",
            scaled,
        )
    return Advice(
        "scaling",
        f"a scale for each parameter would bring κ from {kappa:,.3g} to {scaled:,.3g}: it does not "
        "pay here",
        scaled,
    )


def _global_step(s: Situation) -> Iterator[Advice]:
    L, mu = s.value("L"), s.value("mu")
    if L is None or s.first_of(GradientDescent) is None:
        return
    more = "" if mu is None else f", and fastest at 2/(L + μ) = {2 / (L + mu):.3g}"
    yield Advice(
        "step size", f"gradient descent is stable up to α = 2/L = {2 / L:.3g}{more}", 2 / L
    )


# ---------------------------------------------------------------- Newton


def _pace(s: Situation, method: Newton) -> float:
    """Seconds of a step, of two the faster one: everything is compiled already."""
    state = method.init(s.problem, s.x0)
    times: list[float] = []
    for _ in range(2):
        begun = time.perf_counter()
        state = method.advance(s.problem, state)
        times.append(time.perf_counter() - begun)
    return min(times)


def _newton(s: Situation) -> Iterator[Advice]:
    run = None if s.reference is None else s.reference.run
    if run is None or s.reference is None or not isinstance(run.inputs["method"], Newton):
        return
    gap = run.history.loss - s.reference.value
    steps = first_below(run.history.step, gap, s.eps)
    if not isfinite(steps) or steps == 0:
        return
    seconds = float(np.ceil(steps)) * _pace(s, run.inputs["method"])
    others = [o for o in s.outlooks if not isinstance(o.choice.method, Newton)]
    timed = [(o.steps * o.seconds_per_step, o.label) for o in others]
    timed = [pair for pair in timed if isfinite(pair[0])]
    text = f"Newton's method, by which f* was found, had this gap after {steps_of(steps)} "
    text += f"and {span(seconds)}"
    if timed:
        best, label = min(timed)
        pays = "it pays" if seconds * _WORTH < best else "it does not pay"
        if best <= seconds * _WORTH and seconds <= best * _WORTH:
            pays = "there is little between them"
        text += f"; {label} takes {span(best)} to ε = {s.eps:g}: {pays} here"
    yield Advice("Newton", text, seconds)


# ---------------------------------------------------------------- batches


def _batch(s: Situation) -> Iterator[Advice]:
    outlook = s.first_of(SGD)
    if outlook is None or isinstance(s.problem.source, Nothing):
        return
    noise = s.constants.get("sigma2")
    last = s.constants.get("sigma2_star") or noise
    if noise is None or last is None or not noise.value > 0:
        return
    _, gradient = s.problem.value_and_gradient(s.x0)
    square = float(gradient @ gradient)
    if not square > 0:
        return
    rows = s.problem.source.length
    start = noise.value / square
    text = (
        "a batch tells more than it hides once its noise σ²/b is below ‖∇f‖²: at θ₀ from "
        f"b = σ²/‖∇f‖² = {_rows(start, rows)} on"
    )
    L, mu = s.value("L"), s.value("mu")
    if L is not None and last.value > 0:
        text += f", at the gap ε from b = σ*²/2Lε = {_rows(last.value / (2 * L * s.eps), rows)} on"
        if mu is not None:
            text += f" (σ*²/2με, where f is flattest: {_rows(last.value / (2 * mu * s.eps), rows)})"
    yield Advice("batch size", f"{text}; larger batches cost rows and save few steps", start)


def _rows(number: float, rows: int) -> str:
    return count(number) if number <= rows else f"more than all {count(rows)} rows"


def _noise(s: Situation) -> Iterator[Advice]:
    outlook = s.first_of(SGD)
    noise = s.constants.get("sigma2_star")
    if outlook is None or noise is None or not noise.value > 0:
        return
    method = outlook.choice.method
    first, later = step_at(method.step, 0), step_at(method.step, 10**6)
    if first != later:
        return
    batch = min(method.batch_size, s.problem.source.length)
    left = first * noise.value / (4 * batch)
    if method.average is not None:
        yield Advice(
            "noise",
            f"with α = {first:.3g} and b = {batch} the last iterate would keep a gap of about "
            f"ασ*²/4b = {left:.2g}; the mean of iterates has no such floor near the minimum, so "
            "that larger steps than theorems allow may do (the forecast tells)",
            left,
        )
        return
    floor = getattr(outlook.forecast, "floor", None)
    known = floor is not None and isfinite(floor) and floor > 0
    left = float(floor) if known and floor is not None else left
    how = "by the forecast" if known else "about ασ*²/4b"
    if left > s.eps:
        smaller = first * s.eps / (2 * left)
        yield Advice(
            "noise",
            f"with α = {first:.3g} and b = {batch} the noise leaves a gap of {left:.2g} ({how}), "
            f"which is above ε = {s.eps:g}: take α ≤ {smaller:.2g}, batches of "
            f"{count(2 * batch * left / s.eps)} rows, steps that shrink (wg.InverseSqrt, "
            'wg.Inverse), or average="tail"',
            left,
        )
        return
    yield Advice(
        "noise",
        f'the steps\' noise leaves a gap of {left:.2g} ({how}), below ε; average="tail" would '
        "lower it further at no cost",
        left,
    )


def _interpolation(s: Situation) -> Iterator[Advice]:
    noise, first = s.constants.get("sigma2_star"), s.constants.get("sigma2")
    if noise is None or first is None or s.first_of(SGD) is None or not first.value > 0:
        return
    if noise.value <= 1e-6 * first.value:
        yield Advice(
            "interpolation",
            f"the gradients of all rows vanish at θ* (σ*² = {noise.value:.1g}): SGD with a fixed "
            "step converges linearly, and needs no smaller steps",
            noise.value,
        )
