"""A function near its minimum: its Hessian there, as far as a start's way to it can see.

On the quadratic model alone a method's path is known in closed form. The function's own gradients
at a few points of that path tell what the model leaves out; the path is then taken again with them
as a given force, and again, until it no longer moves (waveform relaxation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.convergence.facts import first_below
from wengert.convergence.forecasts.minimum import DENSE, Minimum
from wengert.convergence.forecasts.recursions import Linear, Powers, mean_path
from wengert.optimize.krylov import Ritz, lanczos
from wengert.optimize.methods import State
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector

_PRODUCTS = 60
_KNOTS = 14
_SWEEPS = 6
_POINTS = {"theta", "mean", "next"}  # of a state's own vectors, those that are not directions
_EXACT = 1e-5  # of a gradient: what the model leaves out that does not count
_CLOSE = 0.02  # relative change of steps at which sweeps end
_STILL = 0.02  # of a point's distance: a change at which its gradient is not asked for again
_SETTLED = 0.005  # relative change of times and of the largest eigenvalue at which products end
_LEVELS = 6  # gaps whose times are looked at


@dataclass(frozen=True, eq=False)
class Local:
    """The quadratic model of a function at its minimum.

    Attributes
    ----------
    minimum : Minimum
        The point.
    values : ndarray of shape (k,)
        Eigenvalues, or Ritz values of a displacement, ascending.
    vectors : ndarray of shape (d, k)
        Their vectors.
    whole : bool
        Whether these are all there are.
    """

    minimum: Minimum
    values: Any
    vectors: Any
    whole: bool

    def coordinates(self, x: Vector) -> Any:
        """A point's displacement from the minimum, in the basis of the vectors."""
        return self.vectors.T @ (x - self.minimum.x)

    def project(self, state: State) -> State:
        """A state in these coordinates: points relative to the minimum, directions as they are."""
        size = self.minimum.x.shape
        own = {
            name: (self.coordinates(v) if name in _POINTS else self.vectors.T @ v)
            if isinstance(v, np.ndarray) and v.shape == size
            else v
            for name, v in state.own.items()
        }
        x, gradient = self.coordinates(state.x), self.vectors.T @ state.gradient
        return replace(state, x=x, gradient=gradient, own=own)

    def start(self, method: Linear, state: State) -> Any:
        """What a recursion keeps of a state, of shape (k, p), without sums."""
        own = self.project(state)
        kept = [own.x if name == "x" else own.own[name] for name in method.keeps]
        return np.stack(kept, 1)

    def gap(self, points: Any) -> Any:
        """½ Σ λᵢ zᵢ² of points in coordinates."""
        return 0.5 * np.asarray(points) ** 2 @ self.values


def local_model(
    problem: Problem, minimum: Minimum, x: Vector, eps: float, patient: bool = False
) -> Local:
    """The quadratic model at a minimum, as a path from x to it sees it.

    Parameters
    ----------
    problem : Problem
        The function.
    minimum : Minimum
        Where.
    x : ndarray
        Where the path comes from.
    eps : float
        The smallest gap of interest.
    patient : bool
        Whether all products are taken: a path that swings shows more than times.
    """
    if problem.space.size <= DENSE or not np.any(x - minimum.x):
        values, vectors = np.linalg.eigh(np.asarray(problem.hessian(minimum.x), float))
        return Local(minimum, values, vectors, True)
    settled = None if patient else _Settled(eps)
    found = lanczos(problem.product(minimum.x), x - minimum.x, _PRODUCTS, settled)
    return Local(minimum, found.values, found.vectors, found.complete)


class _Settled:
    """Whether more products would change a path's times: those of the flow z' = −λz to gaps."""

    def __init__(self, eps: float) -> None:
        self.eps = eps
        self.last: Any = None

    def __call__(self, ritz: Ritz) -> bool:
        values, weights = ritz.values, 0.5 * ritz.values * ritz.coordinates**2
        largest = float(values[-1])
        if not values[0] > 0 or not np.all(np.isfinite(weights)):
            return False
        times = np.geomspace(0.01 / largest, 100 / float(values[0]), 600)
        gap = np.exp(-2 * np.outer(times, values)) @ weights
        levels = np.geomspace(0.3 * self.eps, 0.5 * float(np.sum(weights)), _LEVELS)
        if not levels[-1] > levels[0]:
            return False
        found = np.append([first_below(np.log(times), gap, e) for e in levels], np.log(largest))
        last, self.last = self.last, found
        return last is not None and bool(np.max(np.abs(found - last)) < _SETTLED)


@dataclass(frozen=True, eq=False)
class Path:
    """Where a method goes, by the model with its corrections.

    Attributes
    ----------
    at : ndarray of shape (m,)
        Steps.
    states : ndarray of shape (m, k, p)
        What the method keeps.
    gap : ndarray of shape (m,)
        f − f* of the answers.
    change : float
        By how much the last correction moved the number of steps to a gap, relatively.
    sweeps : int
        Corrections.
    misfit : float
        The logarithm of the gap over the model's at the last point where that is not rounding: 0
        where the model is the function.
    """

    at: Any
    states: Any
    gap: Any
    change: float
    sweeps: int
    misfit: float = 0.0


def followed(problem: Problem, local: Local, method: Linear, z: Any, at: Any, eps: float) -> Path:
    """The path of a linear method from z, corrected by gradients of the function on it.

    Parameters
    ----------
    problem : Problem
        The function.
    local : Local
        Its model.
    method : Linear
        The recursion.
    z : ndarray of shape (k, p)
        At the first step.
    at : ndarray of shape (m,)
        Steps: ends of blocks.
    eps : float
        The smallest gap of interest.
    """
    time = np.log1p(at - at[0])
    knots = np.unique(np.searchsorted(time, np.linspace(0, time[-1], _KNOTS)))
    middles = np.log1p((at[:-1] + at[1:] - 1) / 2 - at[0])
    asked, told = _Asked(problem, local, eps), _Asked(problem, local, eps)
    extra: Any = 0.0
    forcing: Any = None
    last: Any = None
    change, sweep, ratios = np.inf, 0, np.ones(1)
    states, gap = np.zeros(0), np.zeros(0)
    powers: Powers = {}
    for sweep in range(_SWEEPS):
        states = mean_path(method, local.values, z, at, forcing, powers)
        points = answers = states @ method.last
        ratios, new = asked(points[knots])
        if method.average is not None:
            answers = method.answers(states, at)
            ratios, _ = told(answers[knots])
        gap = local.gap(answers) * np.exp(np.interp(time, time[knots], np.log(ratios)))
        change = np.inf if last is None else _moved(at, last, gap, eps)
        if not np.any(new):
            change = 0.0
        if change < _CLOSE or not np.all(np.isfinite(gap)):
            break
        extra = new if sweep == 0 else (extra + new) / 2
        forcing = np.array([np.interp(middles, time[knots], e) for e in extra.T]).T
        last = gap
    off = np.log(ratios[ratios != 1])
    return Path(at, states, gap, change, sweep, float(off[-1]) if len(off) else 0.0)


class _Asked:
    """By what the model's gap is to be multiplied, and added to its gradient, at points.

    A point that has hardly moved since it was asked for is not asked for again.
    """

    def __init__(self, problem: Problem, local: Local, eps: float) -> None:
        self.problem, self.local = problem, local
        self.rounding = max(
            1e3 * float(np.finfo(problem.space.dtype).eps) * abs(local.minimum.value),
            10 * local.minimum.error,
            1e-3 * eps,
        )
        self.seen: dict[int, tuple[Any, float, Any]] = {}

    def __call__(self, points: Any) -> tuple[Any, Any]:
        ratios = np.ones(len(points))
        extra = np.zeros(points.shape)
        for j, z in enumerate(points):
            model = float(self.local.gap(z))
            if j and model <= self.rounding:  # the first point is asked for in any case
                continue
            if j not in self.seen or not self.local.gap(z - self.seen[j][0]) < _STILL**2 * model:
                self.seen[j] = (z, *self._at(z, model))
            _, ratios[j], extra[j] = self.seen[j]
        return ratios, extra

    def _at(self, z: Any, model: float) -> tuple[float, Any]:
        local = self.local
        value, gradient = self.problem.value_and_gradient(local.minimum.x + local.vectors @ z)
        gap = value - local.minimum.value
        if not np.isfinite(gap):
            return 1.0, np.nan
        if gap <= self.rounding:
            return 1.0, 0.0
        own = local.vectors.T @ gradient
        rest = own - local.values * z
        small = np.linalg.norm(rest) <= _EXACT * np.linalg.norm(own)
        return gap / model, 0.0 if small else rest


def _moved(at: Any, before: Any, after: Any, eps: float) -> float:
    """The largest relative change of the steps to a gap, over gaps down to eps."""
    high = min(float(before[0]), float(after[0]))
    if not high > eps:
        return 0.0
    changes = [0.0]
    for level in np.geomspace(eps, high, 8)[:-1]:
        a, b = first_below(at, before, level), first_below(at, after, level)
        if np.isfinite(a) and np.isfinite(b):
            changes.append(abs(a - b) / max(a, b, 1.0))
        elif np.isfinite(a) != np.isfinite(b):
            changes.append(1.0)
    return max(changes)
