"""Methods by name, with step sizes and batches that follow from a problem's constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from math import sqrt
from typing import Any

from wengert.convergence.facts import Constant
from wengert.convergence.report.plans import Known, plans_for
from wengert.errors import WengertError
from wengert.optimize import (
    LBFGS,
    SGD,
    Adam,
    GaussNewton,
    GradientDescent,
    LevenbergMarquardt,
    Momentum,
    Nesterov,
    Newton,
    NewtonCG,
    Problem,
    TrustRegion,
)
from wengert.optimize.sources import Nothing


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
    kind : str
        Which of the ways to choose them it is, if there are several.
    """

    name: str
    label: str
    method: Any
    why: str = ""
    kind: str = ""


def choose(given: Any, known: Known) -> tuple[Choice, ...]:
    """A method by its name, or the one that was given; several where theorems have to choose.

    Parameters
    ----------
    given : str or Method
        A name as in ``names()``, or a method.
    known : Known
        The problem, its constants, and the gap that is to be reached.

    Returns
    -------
    tuple of Choice
        The last one is for problems that no theorem chooses for.

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
        _check_rows(given, known.problem, type(given).__name__)
        name, label = _named(given)
        return (Choice(name, label, given),)
    key = given.strip().lower().replace("_", "-")
    if key not in names():
        near = get_close_matches(key, names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise WengertError(f"there is no method {given!r}{hint} The names are {', '.join(names())}")
    if key == "sgd":
        _check_rows(SGD(), known.problem, key)
        plans = plans_for(known)
        return tuple(Choice(key, _named(p.method)[1], p.method, p.why, p.kind) for p in plans)
    method, why = _CHOICES[key](known)
    _check_rows(method, known.problem, key)
    return (Choice(key, _named(method)[1], method, why),)


def names() -> tuple[str, ...]:
    """The names of methods."""
    return ("gd", "sgd", *(name for name in _CHOICES if name != "gd"))


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


def _smoothness(known: Known) -> tuple[float | None, str]:
    found = known.constants.get("L")
    if found is None or not 0 < found.value < float("inf"):
        return None, ""
    return found.value, f"L = {found.value:.4g}, {_sure(found)}"


def _sure(found: Constant) -> str:
    return {"exact": "exact", "bound": "a proven bound", "estimate": "an estimate"}[found.kind]


def _descent(known: Known) -> _Made:
    found = known.constants.get("L")
    L, words = _smoothness(known)
    if L is None or found is None or not found.proven:
        return GradientDescent("1/L"), "α = 1/L with L as Lanczos' method sees it along the way"
    return GradientDescent(1 / L), f"α = 1/L = {1 / L:.4g} ({words})"


def _nesterov(known: Known) -> _Made:
    L, words = _smoothness(known)
    mu = known.constants.get("mu")
    step: float | str = "1/L" if L is None else 1 / L
    why = "α = 1/L" + (f" = {1 / L:.4g} ({words})" if L else " by Lanczos' method")
    if mu is not None and mu.proven and mu.value > 0:
        return Nesterov(step, strong_convexity=mu.value), (
            f"{why}, momentum for the proven μ = {mu.value:.3g}"
        )
    return Nesterov(step), f"{why}, momentum for convex functions (no μ > 0 is proven)"


def _momentum(known: Known) -> _Made:
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


def _adam(known: Known) -> _Made:
    if isinstance(known.problem.source, Nothing):
        return Adam(0.01, None), "α = 0.01, of the whole function"
    return Adam(0.01, known.batch), "α = 0.01, the usual size; no theorem chooses it"


_CHOICES: dict[str, Callable[[Known], _Made]] = {
    "gd": _descent,
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
