"""Taylor mode on Python functions: all directional derivatives up to an order, in one sweep."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from wengert.derive.series import series_along
from wengert.expr import Expr
from wengert.operations import variable
from wengert.rewrite import recognise
from wengert.transforms.differentiate import Function
from wengert.transforms.directional import matching
from wengert.transforms.recording import Recorded, Tree, check_callable, record

_CACHED = 512


def jet(f: Function, x0: Tree, direction: Tree, order: int = 8) -> Tree:
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

    Returns
    -------
    tree of arrays
        Like the function's result, with one more axis in front, of ``order + 1`` entries.

    Raises
    ------
    ShapeError
        If the direction does not fit.
    ValueError
        For an order that is no number from 0 on.

    Examples
    --------
    >>> jet(np.exp, 0.0, 1.0, order=3)
    array([1.        , 1.        , 0.5       , 0.16666667])
    """
    check_callable(f, "jet")
    check_order(order)
    recorded = record(f, (x0,), {}, 0, name="jet")
    given = matching(direction, recorded.structure, recorded.leaves, "a direction")
    seeds = _seeds(recorded.leaves)
    exprs = _series(recorded.roots, recorded.leaves, seeds, order)
    extra = dict(zip(seeds, given, strict=True))
    return recorded.unflatten(recorded.finish(exprs, recorded.dtypes, extra))


def jets_along(recorded: Recorded, directions: tuple[Any, ...], order: int) -> list[Any]:
    """The series along many directions, for what is built on them.

    Parameters
    ----------
    recorded : Recorded
        The function's run at x₀.
    directions : tuple of array
        One a leaf, of shape ``(directions, *leaf.shape)``.
    order : int
        The highest k.

    Returns
    -------
    list of array
        One a result, of shape ``(order + 1, directions, *result.shape)``.
    """
    seeds = _seeds(recorded.leaves)
    exprs = _series(recorded.roots, recorded.leaves, seeds, order)
    rows = [
        recorded.finish(exprs, recorded.dtypes, dict(zip(seeds, one, strict=True)))
        for one in zip(*directions, strict=True)
    ]
    return [np.stack(parts, axis=1) for parts in zip(*rows, strict=True)]


def check_order(order: object) -> None:
    """An error unless this is a whole number from 0 on.

    Raises
    ------
    ValueError
        Saying what it is.
    """
    if not isinstance(order, int | np.integer) or isinstance(order, bool) or order < 0:
        raise ValueError(f"order must be an integer from 0 on; got {order!r}")


def _seeds(leaves: tuple[Expr, ...]) -> tuple[Expr, ...]:
    return tuple(variable(f"·direction{k}", leaf.shape) for k, leaf in enumerate(leaves))


@lru_cache(maxsize=_CACHED)
def _series(
    roots: tuple[Expr, ...], leaves: tuple[Expr, ...], seeds: tuple[Expr, ...], order: int
) -> tuple[Expr, ...]:
    directions = dict(zip(leaves, seeds, strict=True))
    return tuple(series_along(list(map(recognise, roots)), directions, order))
