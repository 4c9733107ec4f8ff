"""Results of transforms as structured arrays, nested as the dense ones would be."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from math import prod
from typing import Any

import numpy as np
import optree

from wengert.errors import TracingError
from wengert.expr import Expr, topological
from wengert.rewrite import recognise
from wengert.shapes import concrete
from wengert.structured import Layout, StructuredArray, StructuredBlocks, layout_of
from wengert.structured.compressed import choose, compressed, gradient, is_large
from wengert.transforms.patterns import (
    Supports,
    entries_of,
    first_order,
    second_order,
    with_outside_known,
)
from wengert.transforms.recording import Recorded, Tree

Row = tuple[Expr, ...]
Laid = tuple[Layout, tuple[Expr, ...]]

_LIMIT = 2 * 10**7  # entries of patterns that are held to find out whether one is sparse
_LEAST = 10**5  # entries of a pattern that are always few
_LONG = 300  # nodes of an expression whose pieces take long to find
_CACHED = 256  # compressed derivatives that are kept


def check_columns(order: int) -> None:
    """An error for what has no columns."""
    if order < 1:
        raise TracingError("structured=True is for derivatives: order must be 1 or more")


def structured_derivative(recorded: Recorded, exprs: Sequence[Expr], order: int) -> Tree:
    """The derivative of a given order as structured arrays.

    One array for one function of one array; a :class:`StructuredBlocks` for a Jacobian or a
    scalar function's Hessian by a pytree; a pytree of structured arrays otherwise.
    """
    scalar = len(recorded.roots) == 1 and recorded.roots[0].ndim == 0
    inputs, outputs = recorded.structure, recorded.output
    if order == 1 or (order == 2 and scalar):
        found = _layouts_or_colors(recorded, exprs, order)
    else:
        found = _layouts(exprs, [leaf.ndim for leaf in recorded.leaves])
    arrays = _arrays(recorded, found)
    if order == 1:
        return as_grid(arrays, outputs, inputs)
    if order == 2 and scalar and _is_leaf(outputs):
        return as_grid(arrays, inputs, inputs)
    flat: list[Any] = list(arrays)
    width = len(recorded.leaves)
    for _ in range(order):
        flat = [
            optree.tree_unflatten(inputs, flat[k : k + width]) for k in range(0, len(flat), width)
        ]
    return optree.tree_unflatten(outputs, flat)


def structured_arrays(
    recorded: Recorded, exprs: Sequence[Expr], columns: Sequence[int]
) -> list[StructuredArray]:
    """Structured arrays of expressions whose columns are those of the leaves, in turn."""
    return _arrays(recorded, _layouts(exprs, columns))


def _layouts(exprs: Sequence[Expr], columns: Sequence[int]) -> list[Laid]:
    return [layout_of(e, columns[k % len(columns)]) for k, e in enumerate(exprs)]


def _arrays(recorded: Recorded, found: Sequence[Laid]) -> list[StructuredArray]:
    cores = [core for _, stored in found for core in stored]
    dtype = np.result_type(*recorded.dtypes, *recorded.leaf_dtypes)
    dtypes = [dtype if core.dtype == "real" else np.dtype(int) for core in cores]
    values = recorded.finish(cores, dtypes)
    arrays: list[StructuredArray] = []
    start = 0
    for layout, stored in found:
        own = values[start : start + len(stored)]
        arrays.append(StructuredArray(layout, own, dtype))
        start += len(stored)
    return arrays


def as_grid(arrays: Sequence[StructuredArray], rows: Any, columns: Any) -> Tree:
    """One array as it is, several as a grid of blocks."""
    if _is_leaf(rows) and _is_leaf(columns):
        return arrays[0]
    width = columns.num_leaves
    grid = [arrays[k : k + width] for k in range(0, len(arrays), width)] if width else []
    if not grid:
        raise TracingError("structured=True: there is nothing to differentiate by")
    return StructuredBlocks(grid, rows, columns)


# ---------------------------------------------------------------- compression


def _layouts_or_colors(recorded: Recorded, exprs: Sequence[Expr], order: int) -> list[Laid]:
    """Layouts; of derivatives that would be stored whole, though they are sparse, by few sweeps.

    The rule: at least half of the entries would be stored, there are 4096 or more, a quarter of
    them at most can differ from zero, and the colours are at most a quarter of the shorter side.
    Long expressions are asked for their sparsity first, as their structure takes long to find.
    """
    leaves = recorded.leaves
    outside = cache(lambda: with_outside_known(recorded))

    def compressed_one(k: int) -> Laid | None:
        roots, supports = outside()
        i, j = divmod(k, len(leaves))
        if order == 1:
            return _compressed_jacobian(recorded.roots[i], roots, i, leaves, j, supports)
        return _compressed_hessian(recorded.roots[0], roots[0], leaves, i, j, supports)

    found: list[Laid] = []
    for k, expr in enumerate(exprs):
        long = is_large(concrete(expr.shape)) and _is_long(expr)
        made = compressed_one(k) if long else None
        if made is None:
            made = layout_of(expr, leaves[k % len(leaves)].ndim)
            if not long and _is_stored_whole(*made):
                made = compressed_one(k) or made
        found.append(made)
    return found


@lru_cache(maxsize=_CACHED)
def _is_long(expr: Expr) -> bool:
    return len(topological(expr)) > _LONG


def _is_stored_whole(layout: Layout, cores: Sequence[Expr]) -> bool:
    stored = [prod(concrete(core.shape)) for core in cores]
    return is_large(layout.shape) and 2 * sum(stored) >= prod(layout.shape)


@lru_cache(maxsize=_CACHED)
def _compressed_jacobian(
    root: Expr, roots: Row, i: int, leaves: Row, j: int, supports: Supports
) -> Laid | None:
    cut = entries_of(leaves)
    most = max(entries_of(roots)[-1] * cut[-1], _LEAST)  # those of the dense derivative
    patterns = first_order(roots, leaves, supports, _LIMIT, most)
    if patterns is None:
        return None
    choice = choose(patterns[i][:, cut[j] : cut[j + 1]])
    return choice and compressed(recognise(root), leaves[j], choice)


@lru_cache(maxsize=_CACHED)
def _compressed_hessian(
    root: Expr, known: Expr, leaves: Row, i: int, j: int, supports: Supports
) -> Laid | None:
    cut = entries_of(leaves)
    pattern = second_order(known, leaves, supports, _LIMIT, cut[-1] ** 2 // 4)
    if pattern is None:
        return None
    block = pattern[cut[i] : cut[i + 1], cut[j] : cut[j + 1]]
    choice = choose(block, symmetric=i == j)
    return choice and compressed(gradient(recognise(root), leaves[i]), leaves[j], choice)


def _is_leaf(spec: Any) -> bool:
    return optree.treespec_is_leaf(spec)
