"""Methods by name, with step sizes and batches that follow from a problem's constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from math import sqrt
from typing import Any

from wengert.convergence.facts import Constant, Constants
from wengert.errors import WengertError
from wengert.optimize import (
    LBFGS,
    SGD,
    Adam,
    EmpiricalRisk,
    GaussNewton,
    GradientDescent,
    InverseSqrt,
    LevenbergMarquardt,
    Momentum,
    Nesterov,
    Newton,
    NewtonCG,
    Problem,
    TrustRegion,
)
from wengert.optimize.sources import Arrays, Nothing

_BATCH = 32
_SHARE = 1 / 3  # of eps that the noise of steps may leave


@dataclass(frozen=True)
class Choice:
    """A method, and why it is as it is.

    Attributes
    ----------
    name : str
        A short one.
    label : str
        For a legend, in words.
    method : object
        The method.
    why : str
        Where its step size and batches come from; empty for a method that was given.
    """

    name: str
    label: str
    method: Any
    why: str = ""


@dataclass(frozen=True)
class _Known:
    """What a choice is made from."""

    problem: Problem
    constants: Constants
    eps: float

    def value(self, symbol: str) -> float | None:
        """A constant's value, if it is a positive number."""
        found = self.constants.get(symbol)
        return found.value if found is not None and 0 < found.value < float("inf") else None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.problem.source.length


def choose(given: Any, problem: Problem, constants: Constants, eps: float) -> Choice:
    """A method by its name, or the one that was given.

    Parameters
    ----------
    given : str or Method
        A name as in ``names()``, or a method.
    problem : Problem
        What is minimised.
    constants : Constants
        Of it.
    eps : float
        The gap that is to be reached.

    Raises
    ------
    WengertError
        For an unknown name, and for a method that draws batches where there are no rows.
    """
    if not isinstance(given, str):
        if isinstance(given, type) or not hasattr(given, "init"):
            raise WengertError(
                f"method must be a name ({', '.join(names())}) or a method such as "
                f"wg.GradientDescent(0.1); got {given!r}"
            )
        _check_rows(given, problem, type(given).__name__)
        name, label = _named(given)
        return Choice(name, label, given)
    key = given.strip().lower().replace("_", "-")
    if key not in _CHOICES:
        near = get_close_matches(key, _CHOICES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise WengertError(f"there is no method {given!r}{hint} The names are {', '.join(names())}")
    method, why = _CHOICES[key](_Known(problem, constants, eps))
    _check_rows(method, problem, key)
    return Choice(key, _named(method)[1], method, why)


def names() -> tuple[str, ...]:
    """The names of methods."""
    return tuple(_CHOICES)


def _check_rows(method: Any, problem: Problem, name: str) -> None:
    if getattr(method, "stochastic", False) and isinstance(problem.source, Nothing):
        raise WengertError(
            f"{name} draws batches of rows, which needs a finite sum: give a wg.EmpiricalRisk"
        )


def _named(method: Any) -> tuple[str, str]:
    kind = type(method).__name__
    name, label = _LABELS.get(kind, (kind.lower(), kind))
    if isinstance(method, SGD):
        mean = {
            "all": ", averaged",
            "tail": ", tail averaged",
            "weighted": ", weighted average",
        }.get(method.average or "", "")
        label += f" (batches of {method.batch_size}{mean})"
    return name, label


_LABELS = {
    "GradientDescent": ("gd", "gradient descent"),
    "Momentum": ("momentum", "heavy ball"),
    "Nesterov": ("nesterov", "Nesterov"),
    "SGD": ("sgd", "SGD"),
    "Adam": ("adam", "Adam"),
    "Newton": ("newton", "Newton"),
    "NewtonCG": ("newton-cg", "Newton-CG"),
    "GaussNewton": ("gauss-newton", "Gauss-Newton"),
    "LevenbergMarquardt": ("levenberg-marquardt", "Levenberg-Marquardt"),
    "TrustRegion": ("trust-region", "trust region"),
    "LBFGS": ("lbfgs", "L-BFGS"),
}


# ---------------------------------------------------------------- one by one

_Made = tuple[Any, str]


def _smoothness(known: _Known) -> tuple[float | None, str]:
    found = known.constants.get("L")
    if found is None or not 0 < found.value < float("inf"):
        return None, ""
    return found.value, f"L = {found.value:.4g}, {_sure(found)}"


def _sure(found: Constant) -> str:
    return {"exact": "exact", "bound": "a proven bound", "estimate": "an estimate"}[found.kind]


def _descent(known: _Known) -> _Made:
    found = known.constants.get("L")
    L, words = _smoothness(known)
    if L is None or found is None or not found.proven:
        return GradientDescent("1/L"), "α = 1/L with L as Lanczos' method sees it along the way"
    return GradientDescent(1 / L), f"α = 1/L = {1 / L:.4g} ({words})"


def _nesterov(known: _Known) -> _Made:
    L, words = _smoothness(known)
    mu = known.constants.get("mu")
    step: float | str = "1/L" if L is None else 1 / L
    why = "α = 1/L" + (f" = {1 / L:.4g} ({words})" if L else " by Lanczos' method")
    if mu is not None and mu.proven and mu.value > 0:
        return Nesterov(step, strong_convexity=mu.value), (
            f"{why}, momentum for the proven μ = {mu.value:.3g}"
        )
    return Nesterov(step), f"{why}, momentum for convex functions (no μ > 0 is proven)"


def _momentum(known: _Known) -> _Made:
    L, mu = known.value("L"), known.value("mu")
    M = known.constants.get("M")
    quadratic = M is not None and M.value == 0 and M.proven
    if L is not None and mu is not None and quadratic:
        root = sqrt(L), sqrt(mu)
        beta = min(((root[0] - root[1]) / sum(root)) ** 2, 1 - 1e-12)
        return Momentum(4 / sum(root) ** 2, beta), (
            f"the best α and β for a quadratic with eigenvalues from {mu:.3g} to {L:.3g}"
        )
    step: float | str = "1/L" if L is None else 1 / L
    return Momentum(step, 0.9), "α = 1/L and β = 0.9, the usual choice"


def _sgd(known: _Known) -> _Made:
    batch = min(_BATCH, known.rows)
    replacement = isinstance(known.problem.source, Arrays)
    L, most = known.value("L"), known.value("Lmax")
    noise = known.constants.get("sigma2_star") or known.constants.get("sigma2")
    if L is None or not _is_smooth(known):
        return _lecture(known, batch, replacement)
    expected = L if most is None else (1 - 1 / batch) * L + most / batch
    step = 1 / (2 * expected)
    why = f"α = {step:.3g}, which is 1/2𝓛 with the expected smoothness 𝓛 of batches of {batch}"
    if noise is not None and noise.value > 0:
        quiet = 4 * _SHARE * batch * known.eps / noise.value
        if quiet < step:
            step = quiet
            why = (
                f"α = {step:.3g}, whose noise leaves a gap of about ασ*²/4b = ε/{1 / _SHARE:.0f} "
                f"with b = {batch}"
            )
    return SGD(batch, step, replacement=replacement), why


def _is_smooth(known: _Known) -> bool:
    risk = known.problem.origin
    named = risk.named if isinstance(risk, EmpiricalRisk) else None
    return named is None or named.name != "hinge"


def _lecture(known: _Known, batch: int, replacement: bool) -> _Made:
    """R/(G√T), for functions that are convex and no more."""
    R, G = known.value("R"), known.value("G")
    scale = R / G if R and G else 0.1
    made = SGD(batch, InverseSqrt(scale), replacement=replacement, average="all")
    named = f"R/G = {scale:.3g}" if R and G else "0.1, as R or G is not known"
    return made, f"α/√(t + 1) with α = {named}, and the mean of all iterates, as in the lecture"


def _adam(known: _Known) -> _Made:
    if isinstance(known.problem.source, Nothing):
        return Adam(0.01, None), "α = 0.01, of the whole function"
    return Adam(0.01, min(_BATCH, known.rows)), "α = 0.01, the usual size; no theorem chooses it"


_CHOICES: dict[str, Callable[[_Known], _Made]] = {
    "gd": _descent,
    "sgd": _sgd,
    "newton": lambda known: (Newton(), "full steps, shortened by a line search where needed"),
    "nesterov": _nesterov,
    "momentum": _momentum,
    "adam": _adam,
    "lbfgs": lambda known: (LBFGS(), "SciPy's, ten gradients remembered"),
    "newton-cg": lambda known: (NewtonCG(), "products with the Hessian, as many as pay"),
    "gauss-newton": lambda known: (GaussNewton(), "full steps, with a line search"),
    "levenberg-marquardt": lambda known: (LevenbergMarquardt(), "damping by how well it predicts"),
    "trust-region": lambda known: (TrustRegion(), "a radius that follows how well it predicts"),
}
