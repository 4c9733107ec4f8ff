"""Which theorems hold for a problem and a method, and what they say."""

from __future__ import annotations

import math
from typing import Any

from wengert.convergence.theorems import SILENCES, THEOREMS, Silence
from wengert.convergence.theorems.judging import needed
from wengert.convergence.theorems.theorem import Applied, Facts, Judged, Theorem, Verdict

_ORDER: dict[Verdict, int] = {"proven": 0, "estimated": 1, "unknown": 2, "violated": 3}


def theorems_for(facts: Facts, eps: float = 1e-3) -> tuple[Applied, ...]:
    """The theorems on a method with its options, those first that are proven to apply.

    Parameters
    ----------
    facts : Facts
        What is known of the problem and the method.
    eps : float
        The gap by which those of the same status are ordered: the fewest steps to it first, and
        bounds on gradients after bounds on gaps.

    Returns
    -------
    tuple of Applied
        Also those that do not apply, last, with the assumption that is violated.

    Examples
    --------
    >>> import wengert as wg
    >>> from wengert.convergence import Constant, Constants, Convexity
    >>> L = Constant("L", "smoothness", 2.0, "exact", "given")
    >>> R = Constant("R", "distance", 1.0, "exact", "given")
    >>> facts = Facts(wg.GradientDescent(0.5), Constants((L, R)), Convexity("convex"), step=0.5)
    >>> best = theorems_for(facts)[0]
    >>> print(best.theorem.name, best.status, best.steps_to(0.01))
    gradient descent, convex and smooth: exact proven 50.0
    """
    found = [applied(one, facts) for one in THEOREMS if one.about(facts.method)]
    return tuple(sorted(found, key=lambda one: _rank(one, eps)))


def applied(theorem: Theorem, facts: Facts) -> Applied:
    """A theorem with its assumptions judged."""
    judged = [one.of(facts) for one in theorem.assumptions]
    covered = {symbol for one in theorem.assumptions for symbol in one.symbols}
    judged += [needed(s).of(facts) for s in theorem.needs if s not in covered]
    return Applied(theorem, tuple(judged), _status(judged), facts)


def _status(judged: list[Judged]) -> Verdict:
    """The worst verdict."""
    return max(judged, key=lambda one: _ORDER[one.verdict]).verdict


def _rank(one: Applied, eps: float) -> tuple[Any, ...]:
    steps = one.steps_to(eps)
    gradient = one.theorem.quantity == "squared gradient"
    return _ORDER[one.status], gradient, math.inf if math.isnan(steps) else steps


def silences_for(method: Any) -> tuple[Silence, ...]:
    """Why there is no theorem with constants for a method, and what is known instead.

    >>> import wengert as wg
    >>> print(silences_for(wg.LBFGS())[0].known)  # doctest: +ELLIPSIS
    R-linear convergence for smooth, strongly convex functions; ...
    """
    return tuple(one for one in SILENCES if one.about(method))


def first_step(method: Any, problem: Any, x: Any) -> float | None:
    """The first step α of a method as it is, for :class:`Facts`; None if it has none.

    Parameters
    ----------
    method : Method
        With a step that may have to be asked of the problem, as ``"1/L"``.
    problem : Problem
        As :func:`wengert.optimize.problem_of` gives it.
    x : ndarray
        Where the run begins.
    """
    rule = getattr(method, "step", None)
    if rule is None:
        return None
    if isinstance(rule, int | float):
        return float(rule)
    if getattr(method, "stochastic", False):
        return float(rule(0))
    return float(method.init(problem, x).length) or None
