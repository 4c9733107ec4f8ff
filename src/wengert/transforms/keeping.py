"""Results of transforms as structured arrays, nested as the dense ones would be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optree

from wengert.errors import TracingError
from wengert.expr import Expr
from wengert.structured import StructuredArray, StructuredBlocks, layout_of
from wengert.transforms.recording import Recorded, Tree

Row = Sequence[Expr]


def check_order(order: int) -> None:
    """An error for what has no columns."""
    if order < 1:
        raise TracingError("structured=True is for derivatives: order must be 1 or more")


def structured_derivative(recorded: Recorded, exprs: Sequence[Expr], order: int) -> Tree:
    """The derivative of a given order as structured arrays.

    One array for one function of one array; a :class:`StructuredBlocks` for a Jacobian or a
    scalar function's Hessian by a pytree; a pytree of structured arrays otherwise.
    """
    arrays = structured_arrays(recorded, exprs, [leaf.ndim for leaf in recorded.leaves])
    scalar = len(recorded.roots) == 1 and recorded.roots[0].ndim == 0
    inputs, outputs = recorded.structure, recorded.output
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
    found = [layout_of(e, columns[k % len(columns)]) for k, e in enumerate(exprs)]
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


def _is_leaf(spec: Any) -> bool:
    return optree.treespec_is_leaf(spec)
