"""Taylor mode on Python functions: all directional derivatives up to an order, in one sweep."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from wengert.derive.series import series_of_curves
from wengert.expr import Expr
from wengert.operations import stack, variable
from wengert.rewrite import recognise
from wengert.tracing import TracedArray
from wengert.transforms.differentiate import Function
from wengert.transforms.directional import matching
from wengert.transforms.recording import Recorded, Tree, check_callable, record

_CACHED = 512


def jet(
    f: Function,
    x0: Tree,
    direction: Tree = None,
    order: int = 8,
    *,
    curve: Sequence[Tree] | None = None,
) -> Tree:
    """The power series of f(x₀ + tδ) in t: D^k f(x₀)·δ^k / k! for k = 0, 1, ..., order.

    Parameters
    ----------
    f : callable
        Of one argument, written with NumPy.
    x0 : tree of arrays
        The argument.
    direction : tree of arrays
        δ, nested and shaped as x₀.
    order : int
        The highest k.
    curve : sequence of trees, optional
        In place of a direction, the coefficients x₁, x₂, ... of a curve x₀ + x₁t + x₂t² + ..., each
        nested and shaped as x₀; those beyond are 0. The result is the series of f along it. (These
        are Taylor coefficients, not derivatives: x₂ is half of the second derivative.)

    Returns
    -------
    tree of arrays
        Like the function's result, with one more axis in front, of ``order + 1`` entries.

    Raises
    ------
    ShapeError
        If the direction, or a coefficient of the curve, does not fit.
    ValueError
        For an order that is no number from 0 on.
    TypeError
        If there is neither a direction nor a curve, or both.

    Notes
    -----
    One sweep over the function, of O(order²) for what is not linear. Branches and loops take the
    way that they take at x₀.

    Examples
    --------
    >>> jet(np.exp, 0.0, 1.0, order=3)
    array([1.        , 1.        , 0.5       , 0.16666667])
    >>> jet(np.exp, 0.0, curve=[0.0, 1.0], order=4)  # exp(t²)
    array([1. , 0. , 1. , 0. , 0.5])
    """
    check_callable(f, "jet")
    check_order(order)
    if (direction is None) == (curve is None):
        raise TypeError("jet: give either a direction or curve=")
    recorded = record(f, (x0,), {}, 0, name="jet")
    what = "a direction" if curve is None else "a coefficient of the curve"
    points = [direction] if curve is None else list(curve)
    given = [matching(point, recorded.structure, recorded.leaves, what) for point in points]
    moving = _moving(list(zip(*given, strict=True)))
    leaves = tuple(recorded.leaves[k] for k in moving)
    seeds = tuple(
        tuple(variable(f"·direction{k}.{j}", recorded.leaves[k].shape) for k in moving)
        for j in range(len(given))
    )
    exprs = _series(recorded.roots, leaves, seeds, order)
    extra = {
        seed: values[k]
        for own, values in zip(seeds, given, strict=True)
        for seed, k in zip(own, moving, strict=True)
    }
    return recorded.unflatten(recorded.finish(exprs, recorded.dtypes, extra))


def jets_along(recorded: Recorded, directions: tuple[Any, ...], order: int) -> list[Any]:
    """The series along many directions, in one sweep, for what is built on them.

    Parameters
    ----------
    recorded : Recorded
        The function's run at x₀.
    directions : tuple of array
        One a leaf, of shape ``(directions, *leaf.shape)``. A leaf whose directions are all 0
        costs nothing.
    order : int
        The highest k.

    Returns
    -------
    list of array
        One a result, of shape ``(order + 1, directions, *result.shape)``.
    """
    count = np.shape(directions[0])[0]
    moved = _moving([(d,) for d in directions]) or [0]
    leaves = tuple(recorded.leaves[k] for k in moved)
    seeds = tuple(variable(f"·direction{k}", (count, *recorded.leaves[k].shape)) for k in moved)
    exprs = _series(recorded.roots, leaves, (seeds,), order)
    extra = {seed: directions[k] for seed, k in zip(seeds, moved, strict=True)}
    return recorded.finish(exprs, recorded.dtypes, extra)


def _moving(curves: Sequence[Sequence[Any]]) -> list[int]:
    """The numbers of the leaves whose curves' coefficients are not all 0, as far as is known."""
    return [
        k
        for k, parts in enumerate(curves)
        if any(isinstance(d, TracedArray) or np.any(d) for d in parts)
    ]


def check_order(order: object) -> None:
    """An error unless this is a whole number from 0 on.

    Raises
    ------
    ValueError
        Saying what it is.
    """
    if not isinstance(order, int | np.integer) or isinstance(order, bool) or order < 0:
        raise ValueError(f"order must be an integer from 0 on; got {order!r}")


@lru_cache(maxsize=_CACHED)
def _series(
    roots: tuple[Expr, ...],
    leaves: tuple[Expr, ...],
    seeds: tuple[tuple[Expr, ...], ...],
    order: int,
) -> tuple[Expr, ...]:
    """The series of the roots; ``seeds[j]`` are coefficients j + 1 of the leaves' curves."""
    tails = dict(zip(leaves, map(stack, zip(*seeds, strict=True)), strict=True))
    return tuple(series_of_curves(list(map(recognise, roots)), tails, order))
