"""Refutations: a point and a direction along which a function lies above its chord."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import WengertError
from wengert.optimize.krylov import lanczos
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector

Value = Callable[[Vector], float]
Confirm = Callable[[Vector, Vector, Vector], bool | None]

_POINTS = 12
_PRODUCTS = 40
_DIRECTIONS = 2
_STEPS = (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0)
_MARGIN = 1e-9  # of the size of the values: what rounding may have made
_SHOWN = 6  # entries that are printed


@dataclass(frozen=True)
class Domain:
    """A convex set of parameters, within a linear space.

    Attributes
    ----------
    project : callable
        The nearest vector of the linear space.
    contains : callable
        Is such a vector in the set?
    """

    project: Callable[[Vector], Vector] = lambda x: x
    contains: Callable[[Vector], bool] = lambda x: True


EVERYTHING = Domain()


@dataclass(frozen=True, eq=False)
class NegativeCurvature:
    """Three points on a line, of which the middle one has more than the mean of the others' values.

    Attributes
    ----------
    point : ndarray
        The one in the middle, as a vector of all parameters, leaf after leaf.
    direction : ndarray
        Of unit length; the ends are ``point ± step · direction``.
    step : float
        Half of the distance of the ends.
    curvature : float
        The second difference (f(a) − 2f(m) + f(b))/step², negative.
    values : tuple of float
        f at the ends and, between them, in the middle.
    rigorous : bool
        Was it enclosed by intervals, rounding included? Else it is far beyond rounding.
    """

    point: Any
    direction: Any
    step: float
    curvature: float
    values: tuple[float, float, float]
    rigorous: bool = False

    @property
    def excess(self) -> float:
        """How far the middle is above the mean of the ends."""
        a, m, b = self.values
        return m - (a + b) / 2

    def __str__(self) -> str:
        a, m, b = self.values
        h = f"{self.step:g}v"
        sure = "enclosed by intervals" if self.rigorous else "far beyond rounding"
        return "\n".join(
            [
                f"curvature {self.curvature:.4g} at θ = {_listed(self.point)}",
                f"along v = {_listed(self.direction)}:",
                f"f(θ − {h}) = {a:.10g}, f(θ) = {m:.10g}, f(θ + {h}) = {b:.10g}",
                f"so f(θ) is {self.excess:.4g} above the mean of the other two ({sure})",
            ]
        )


def _listed(vector: Any) -> str:
    shown = ", ".join(f"{v:.4g}" for v in vector[:_SHOWN])
    more = f", ... ({len(vector)} entries)" if len(vector) > _SHOWN else ""
    return f"({shown}{more})"


def negative_curvature(
    problem: Problem,
    x: Vector,
    *,
    seed: int = 0,
    confirm: Confirm | None = None,
    box: tuple[Vector, Vector] | None = None,
    domain: Domain = EVERYTHING,
) -> NegativeCurvature | None:
    """Look for a refutation of convexity, at x and around it; None if none was found.

    Parameters
    ----------
    problem : Problem
        The function.
    x : ndarray
        Where to begin.
    seed : int
        Of the points and directions that are drawn.
    confirm : callable, optional
        ``confirm(a, m, b)``: does f(m) exceed the mean of f(a) and f(b) for certain? None if that
        cannot be told.
    box : tuple of ndarray, optional
        The lowest and the highest point that count.
    domain : Domain
        Where points have to be.
    """
    rng = np.random.default_rng([seed, 7])
    value = _guarded(problem, domain)
    for point in map(domain.project, _points(problem, x, rng, box)):
        if not np.isfinite(value(point)):
            continue
        for drawn in map(domain.project, _directions(problem, point, rng)):
            found = _along(value, point, drawn / np.linalg.norm(drawn), box)
            if found is None:
                continue
            a, b = (point + s * found.step * found.direction for s in (-1, 1))
            sure = None if confirm is None else confirm(a, point, b)
            if sure is not False:
                return NegativeCurvature(
                    found.point, found.direction, found.step, found.curvature, found.values,
                    sure is True,
                )  # fmt: skip
    return None


def _guarded(problem: Problem, domain: Domain) -> Value:
    """The value, NaN where there is none."""

    def value(x: Vector) -> float:
        if not domain.contains(x):
            return float("nan")
        try:
            with np.errstate(all="ignore"):
                return problem.value(x)
        except (WengertError, ArithmeticError, ValueError, np.linalg.LinAlgError):
            return float("nan")

    return value


def _points(
    problem: Problem, x: Vector, rng: np.random.Generator, box: tuple[Vector, Vector] | None
) -> Iterator[Vector]:
    """x, points around it, and points down the gradient."""
    if box is not None:
        yield np.clip(x, *box)
        for _ in range(_POINTS):
            yield rng.uniform(*box)
        return
    yield x
    for k in range(_POINTS):
        size = (0.1, 1.0, 3.0)[k % 3]
        yield x + size * (1 + np.abs(x)) * rng.normal(size=x.size)
        if k == 1:
            yield from _downhill(problem, x)


def _downhill(problem: Problem, x: Vector) -> Iterator[Vector]:
    try:
        with np.errstate(all="ignore"):
            gradient = problem.value_and_gradient(x)[1]
    except (WengertError, ArithmeticError):
        return
    length = float(np.linalg.norm(gradient))
    if 0 < length < np.inf:
        for far in (0.3, 3.0):
            yield x - far * (1 + float(np.linalg.norm(x))) * gradient / length


def _directions(problem: Problem, point: Vector, rng: np.random.Generator) -> Iterator[Vector]:
    """That of the least curvature, if it is negative, and some that are drawn."""
    try:
        with np.errstate(all="ignore"):
            least, largest, vector = lowest(problem.product(point), point.size, rng)
    except (WengertError, ArithmeticError):
        least, largest, vector = 0.0, 0.0, None
    if vector is not None and least < -1e-9 * max(largest, -least):
        yield vector
    for _ in range(_DIRECTIONS):
        yield rng.standard_normal(point.size)


def lowest(
    product: Callable[[Vector], Vector], size: int, rng: np.random.Generator
) -> tuple[float, float, Vector | None]:
    """The least and the largest Ritz value of Lanczos' method, and the vector of the least."""
    try:
        ritz = lanczos(product, rng.normal(size=size), _PRODUCTS)
    except ValueError:  # what is no number has no curvature
        return 0.0, 0.0, None
    found = ritz.vectors[:, 0]
    return float(ritz.values[0]), float(ritz.values[-1]), found / np.linalg.norm(found)


def _along(
    value: Value, point: Vector, direction: Vector, box: tuple[Vector, Vector] | None
) -> NegativeCurvature | None:
    """The step at which the middle is farthest above the chord, for the size of the values."""
    best: NegativeCurvature | None = None
    most = 1.0
    middle = value(point)
    for share in _STEPS:
        step = share * (1 + float(np.linalg.norm(point)))
        ends = [point - step * direction, point + step * direction]
        if box is not None and not all(np.all((box[0] <= e) & (e <= box[1])) for e in ends):
            continue
        a, b = map(value, ends)
        if not np.isfinite(a + b):
            continue
        excess = middle - (a / 2 + b / 2)
        margin = _MARGIN * max(abs(a), abs(b), abs(middle)) + 1e-300
        if excess > most * margin:
            most = excess / margin
            curvature = -2 * excess / step**2
            best = NegativeCurvature(point, direction, step, curvature, (a, middle, b))
    return best
