"""Derivatives by differences, independent of every rule: what derivatives are checked against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from scipy import differentiate

_EXTRAPOLATED = cast(Callable[..., Any], differentiate.derivative)  # pyright: ignore[reportUnknownMemberType]
_ALL_DIRECTIONS = 48  # entries up to which every unit direction is taken
_RANDOM_DIRECTIONS = 12


def directional_derivative(function: Callable[[Any], Any], x: Any, direction: Any) -> Any:
    """The derivative of ``function`` at ``x`` along ``direction``, by extrapolated differences.

    Central differences of order 8 with shrinking steps (``scipy.differentiate``); steps that leave
    the function's domain are shrunk away.

    Examples
    --------
    >>> round(float(directional_derivative(np.sum, np.ones(3), np.ones(3))), 9)
    3.0
    """
    shape = np.shape(function(x))

    def along(steps: Any) -> Any:
        steps = np.asarray(steps)
        values = np.asarray([function(x + t * direction) for t in steps.ravel()])
        values = values.reshape(steps.shape + shape)
        return np.moveaxis(values, range(steps.ndim), range(-steps.ndim, 0))

    best: Any = np.zeros(shape)
    error: Any = np.full(shape, np.inf)
    for step in (1e-1, 1e-2, 1e-3):
        with np.errstate(all="ignore"):
            found = _EXTRAPOLATED(
                along, 0.0, preserve_shape=True, order=8, initial_step=step,
                tolerances={"rtol": 1e-14, "atol": 0.0}, maxiter=6,
            )  # fmt: skip
        value: Any = np.asarray(found.df)
        gap: Any = np.asarray(found.error)
        gap = np.where(np.isfinite(value) & np.isfinite(gap), gap, np.inf)
        best = cast(Any, np.where(gap < error, value, best))
        error = np.minimum(gap, error)
        if np.all(error <= 1e-11 * (np.abs(best) + 1e-3)):
            break
    return cast(Any, np.where(np.isfinite(error), best, np.nan))


def directions(x: Any, project: Callable[[Any], Any]) -> Iterator[Any]:
    """Unit directions for a small array, random ones for a large, in the space it may move in."""
    if x.size <= _ALL_DIRECTIONS:
        for index in np.ndindex(x.shape):
            unit = np.zeros(x.shape)
            unit[index] = 1
            yield project(unit)
        return
    rng = np.random.default_rng(0)
    for _ in range(_RANDOM_DIRECTIONS):
        drawn = project(rng.standard_normal(x.shape))
        yield drawn / np.linalg.norm(drawn)


def largest_relative_error(
    function: Callable[[Any], Any], x: Any, derivative: Any, project: Callable[[Any], Any]
) -> float:
    """How far a derivative (outputs first) is from the differences of its function.

    The error is relative to the largest entry that is compared; where that is no more than the
    rounding of the function's values, it is relative to these.
    """
    x = np.asarray(x, dtype=np.float64)
    worst, entries = 0.0, 0.0
    for direction in directions(x, project):
        expected = directional_derivative(function, x, direction)
        got = np.tensordot(derivative, direction, axes=x.ndim) if x.ndim else derivative * direction
        gap = float(np.max(np.abs(got - expected), initial=0.0))
        if not np.isfinite(gap):
            return float("nan")
        worst = max(worst, gap)
        entries = max(entries, float(np.max(np.abs(expected), initial=0.0)),
                      float(np.max(np.abs(got), initial=0.0)))  # fmt: skip
    return relative_to(worst, entries, float(np.max(np.abs(function(x)), initial=0.0)))


def relative_to(gap: float, entries: float, values: float) -> float:
    """The gap relative to the entries, or to 1 and the values where the entries are rounding."""
    floor = max(1.0, values)
    return gap / entries if entries > 1e-9 * floor else gap / floor
