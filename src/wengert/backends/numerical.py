"""Derivatives by differences, independent of every rule: what derivatives are checked against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np

_FIRST_STEPS = (1e-1, 1e-2, 1e-3)
_HALVINGS = 9
_COLUMNS = 4  # of the tableau: differences of order 8
_ENOUGH = 1e-12  # of the largest entry: a smaller difference between two orders is rounding
_GROWTH = 10.0  # by how much the difference may grow until rounding has taken over
_pick = cast(Callable[..., Any], np.where)
_ALL_DIRECTIONS = 48  # entries up to which every unit direction is taken
_RANDOM_DIRECTIONS = 12


def directional_derivative(function: Callable[[Any], Any], x: Any, direction: Any) -> Any:
    """The derivative of ``function`` at ``x`` along ``direction``, by extrapolated differences.

    Central differences, extrapolated to order 8 (Richardson), with steps that are halved until
    rounding takes over; steps that leave the function's domain are passed over. Each entry takes
    the step at which it changed least, and is NaN if there is none.

    Examples
    --------
    >>> round(float(directional_derivative(np.sum, np.ones(3), np.ones(3))), 9)
    3.0
    """
    best: Any = np.nan
    error: Any = np.inf
    for step in _FIRST_STEPS:
        with np.errstate(all="ignore"):
            value, gap = _extrapolated(function, x, direction, step)
        best = _pick(gap < error, value, best)
        error = np.minimum(gap, error)
        if np.all(error <= 1e-11 * (np.abs(best) + 1e-3)):
            break
    return best


def _extrapolated(
    function: Callable[[Any], Any], x: Any, direction: Any, first: float
) -> tuple[Any, Any]:
    """The best value that begins with a step, and for each entry by how much it changed last."""
    best: Any = np.nan
    error: Any = np.inf
    last: Any = np.inf
    going: Any = True  # entries that rounding has not reached
    before: list[Any] = []  # a row of the tableau: orders 2, 4, 6, 8
    for halving in range(_HALVINGS + 1):
        h = first / 2**halving
        ahead = np.asarray(function(x + h * direction), dtype=np.float64)
        row = [(ahead - function(x - h * direction)) / (2 * h)]
        for k, older in enumerate(before[: _COLUMNS - 1], start=1):
            row.append(row[-1] + (row[-1] - older) / (4.0**k - 1.0))
        if len(before) == _COLUMNS:
            gap = np.abs(row[-1] - before[-1])
            gap = _pick(np.isfinite(gap), gap, np.inf)
            going = going & ~(gap > _GROWTH * last)
            better = going & (gap < error)
            best = _pick(better, row[-1], best)
            error = _pick(better, gap, error)
            last = gap
            enough = _ENOUGH * np.max(np.abs(best), initial=0.0)
            if np.all(~going | (error <= enough)):
                break
        before = row
    return best, error


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
