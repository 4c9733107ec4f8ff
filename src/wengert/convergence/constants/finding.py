"""The constants of convergence theorems, found on a user's own problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wengert.convergence.constants.distance import (
    distance,
    initial_gap,
    local_convexity,
    sublevel_radius,
)
from wengert.convergence.constants.lipschitz import hessian_lipschitz, self_concordance
from wengert.convergence.constants.noise import (
    gradient_bound,
    interpolation,
    noise,
    noise_at_minimum,
    stochastic_bound,
)
from wengert.convergence.constants.setting import Found, Minimum, Setting
from wengert.convergence.constants.smoothness import (
    polyak_lojasiewicz,
    row_smoothness,
    smoothness,
    strong_convexity,
)
from wengert.convergence.facts import Constant, Constants, Convexity
from wengert.errors import DomainError
from wengert.optimize.minimize import minimize, posed, vector_of
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector
from wengert.optimize.stop import Stop

_PILOT = 50  # steps of a method whose path is looked at


def constants(
    objective: Any,
    theta0: Any,
    *,
    given: Mapping[str, Any] | None = None,
    method: Any = None,
    path: Sequence[Any] | None = None,
    optimum: Any = None,
    seed: int = 0,
) -> Constants:
    """The constants that convergence theorems ask for, each with how it was found.

    Parameters
    ----------
    objective, theta0, given
        As in :func:`wengert.minimize`.
    method : Method, optional
        Whose first 50 steps are the path that estimates look at.
    path : sequence of pytree, optional
        Such a path, if there is one already. By default points between θ₀ and θ*.
    optimum : pytree, optional
        θ*, if it is known; by default it is found.
    seed : int
        Of everything random.

    Returns
    -------
    Constants
        By symbol: ``L``, ``Lmax``, ``mu``, ``mu_star``, ``PL``, ``R``, ``gap0``, ``D``, ``G``,
        ``Gstoch``, ``sigma2``, ``sigma2_star``, ``M`` and ``SC``. What does not exist, or is not
        known, is absent, and a note says why.

    Raises
    ------
    DomainError
        If the loss or the gradient at ``theta0`` is not finite.

    Examples
    --------
    >>> found = constants(lambda x: x[0] ** 2 + 3.0 * x[1] ** 2, np.array([3.0, 4.0]))
    >>> print(found["L"])
    L = 6 (exact: the largest eigenvalue of the Hessian, which does not depend on θ)
    >>> round(found["R"].value, 9), round(found["gap0"].value, 9)
    (5.0, 57.0)
    """
    problem, x0 = posed(objective, theta0, given, seed)
    points = [vector_of(problem, objective, theta, given) for theta in path or ()]
    if method is not None and not points:
        points = _steps_of(objective, theta0, given, method, seed, problem)
    known = None if optimum is None else vector_of(problem, objective, optimum, given)
    return constants_of(problem, x0, optimum=known, path=tuple(points))


def _steps_of(
    objective: Any, theta0: Any, given: Any, method: Any, seed: int, problem: Problem
) -> list[Vector]:
    points: list[Vector] = []

    def note(moment: Any) -> None:
        points.append(problem.space.vector(moment.theta))

    minimize(
        objective,
        theta0,
        given=given,
        method=method,
        seed=seed,
        stop=Stop(steps=_PILOT),
        record=1,
        callback=note,
        progress=False,
    )
    return points


def constants_of(
    problem: Problem,
    x0: Vector,
    *,
    convexity: Convexity | None = None,
    optimum: Vector | None = None,
    path: tuple[Vector, ...] = (),
) -> Constants:
    """The same of a problem and vectors.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    x0 : ndarray
        θ₀.
    convexity : Convexity, optional
        What is proven of the function.
    optimum : ndarray, optional
        θ*.
    path : tuple of ndarray
        Points of a run.
    """
    s = Setting(problem, np.asarray(x0, problem.space.dtype), convexity, optimum, path)
    value, gradient = s.start
    if not np.isfinite(value) or not np.all(np.isfinite(gradient)):
        raise DomainError(f"the loss at theta0 is {value}: start where it and ∇f are finite")
    with np.errstate(all="ignore"):
        found = _all_of(s)
    known = tuple(one for one in found.values() if isinstance(one, Constant))
    return Constants(known, (*_remarks(s, found), *_missing(found)))


def _all_of(s: Setting) -> dict[str, Found]:
    """All constants, in the order of a report; later ones use earlier ones."""
    L, mu, third = smoothness(s), strong_convexity(s), hessian_lipschitz(s)
    gap0 = initial_gap(s, _known(mu), _known(third))
    R = distance(s, _known(mu), _known(third), gap0)
    pl = polyak_lojasiewicz(s, _known(mu))
    sigma2, star = noise(s), noise_at_minimum(s, _known(R))
    return {
        "L": L,
        "Lmax": row_smoothness(s),
        "mu": mu,
        "mu_star": local_convexity(s, _known(mu), _known(third)),
        "PL": pl,
        "R": R,
        "gap0": gap0,
        "D": sublevel_radius(s, _known(gap0), _known(pl)),
        "G": gradient_bound(s, _known(L), _known(R)),
        "Gstoch": stochastic_bound(s, _known(R), _known(star)),
        "sigma2": sigma2,
        "sigma2_star": star,
        "M": third,
        "SC": self_concordance(s, _known(mu)),
    }


def _missing(found: Mapping[str, Found]) -> list[str]:
    """Why constants are absent, each reason once."""
    reasons: dict[str, list[str]] = {}
    for one in found.values():
        if isinstance(one, str):
            symbol, _, reason = one.partition(": ")
            reasons.setdefault(reason, []).append(symbol)
    return [f"{', '.join(symbols)}: {reason}" for reason, symbols in reasons.items()]


def _known(one: Found) -> Constant | None:
    return one if isinstance(one, Constant) else None


def _remarks(s: Setting, found: Mapping[str, Found]) -> list[str]:
    notes = [interpolation(s, _known(found["sigma2"]), _known(found["sigma2_star"]))]
    R = found["R"]
    if isinstance(R, Constant) and isinstance(s.minimum, Minimum):
        at = float(np.linalg.norm(s.minimum.x))
        if R.value <= 1e3 * s.eps * max(at, 1.0):
            notes.append("θ₀ is the minimum but for rounding: there is nothing to do")
    if s.has_rows and s.problem.source.length == 1:
        notes.append("there is one row: its gradient is the whole one, and SGD gradient descent")
    return [note for note in notes if note]
