"""Solving a grid of blocks by eliminating one part first: the Schur complement."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from scipy import sparse

from wengert.structured.array import StructuredArray
from wengert.structured.blocks import batched_axes, block_entries
from wengert.structured.factorize import SPARSE_SHARE
from wengert.structured.factors.base import Factorization, Product
from wengert.structured.factors.dense import DenseFactors
from wengert.structured.factors.low_rank import LOST, refined

Grid = Sequence[Sequence[StructuredArray]]

_BLOCK = 64  # rows of a block that is inverted
_REST = 6000  # rows of the dense matrix that is left
_WRITTEN = 2**25  # entries of coupling blocks that are written out; larger ones keep structure


def part_to_eliminate(grid: Grid) -> int | None:
    """The largest part whose own block is made of small ones; None if that does not pay."""
    sizes = [prod(line[0].layout.row_shape) for line in grid]
    best: int | None = None
    for k, line in enumerate(grid):
        layout = line[k].layout
        if not layout.terms or layout.row_shape != layout.column_shape:
            continue
        batch = batched_axes(layout, layout.terms)
        rest = prod(n for a, n in enumerate(layout.row_shape) if a not in batch)
        small = rest <= _BLOCK and block_entries(layout, layout.terms) < sizes[k] ** 2
        if small and (best is None or sizes[k] > sizes[best]):
            best = k
    if best is None or len(grid) < 2:
        return None
    left = sum(sizes) - sizes[best]
    return best if left <= min(_REST, 2 * sizes[best]) else None


class Elimination(Factorization):
    """A = [[D, B], [C, E]]: x of E's part from S = E − C D⁻¹ B, then that of D's part."""

    def __init__(self, grid: Grid, part: int, product: Product) -> None:
        self.method = "Schur complement"
        self.part = part
        self.others = [k for k in range(len(grid)) if k != part]
        self.sizes = [prod(line[0].layout.row_shape) for line in grid]
        own = grid[part][part]
        self.own = own.factors
        self.product = product
        above, beside = ([grid[part][k] for k in self.others], [grid[k][part] for k in self.others])
        written = all(_is_sparse(b) or b.size <= _WRITTEN for b in (*above, *beside))
        self.above = [_matrix(b) for b in above] if written else above
        self.beside = [_matrix(b) for b in beside] if written else beside
        spread = [self._reached(own, block) for block in self.above]
        taken = _joined([[_entries(block @ s) for s in spread] for block in self.beside])
        kept = _joined([[matrix_form(grid[i][j]) for j in self.others] for i in self.others])
        size = float(np.max(np.abs(taken), initial=0.0))
        size /= max(float(np.max(np.abs(kept), initial=0.0)), 1e-300)
        self.lost = float(np.finfo(taken.dtype).eps) * (1 + size)
        self.small = DenseFactors(
            kept - taken,
            lambda entry=None: "the other parts" if entry is None else f"row {entry} of these",
        )

    def _reached(self, own: StructuredArray, block: Any) -> Any:
        """D⁻¹ B, sparse or structured if B is."""
        if isinstance(block, StructuredArray):
            return own.inverse() @ block
        if sparse.issparse(block):
            return own.inverse().to_scipy_sparse() @ block
        return self.own.solve(block)

    @property
    def accurate(self) -> bool:
        """Is what is taken from the other parts not so large that it leaves mere rounding?"""
        return not self.lost > LOST

    def solve(self, b: Any) -> Any:
        return refined(self._solve_once, self.product, b, self.lost)

    def _solve_once(self, b: Any) -> Any:
        parts = np.split(b, np.cumsum(self.sizes)[:-1])
        first = self.own.solve(parts[self.part])
        ends = np.cumsum([self.sizes[k] for k in self.others])[:-1]
        right = [
            parts[k] - _times(block, first)
            for k, block in zip(self.others, self.beside, strict=True)
        ]
        rest = np.split(self.small.solve(np.concatenate(right)), ends)
        correction = sum(_times(block, x) for block, x in zip(self.above, rest, strict=True))
        found: list[Any] = [None] * len(parts)
        found[self.part] = first - self.own.solve(correction)
        for k, x in zip(self.others, rest, strict=True):
            found[k] = x
        return np.concatenate(found)

    def slogdet(self) -> tuple[float, float]:
        (s, one), (t, other) = self.own.slogdet(), self.small.slogdet()
        return s * t, one + other


def _joined(lines: list[list[Any]]) -> Any:
    return np.concatenate([np.concatenate(line, axis=1) for line in lines], axis=0)


def _is_sparse(array: StructuredArray) -> bool:
    return SPARSE_SHARE * sum(t.count for t in array.layout.terms) < array.size


def _matrix(array: StructuredArray) -> Any:
    """The rows times columns: sparse where most entries are zeros, else dense."""
    return array.to_scipy_sparse() if _is_sparse(array) else matrix_form(array)


def matrix_form(array: StructuredArray) -> Any:
    """The dense matrix of rows times columns."""
    return array.to_dense().reshape(prod(array.layout.row_shape), prod(array.layout.column_shape))


def _entries(matrix: Any) -> Any:
    if isinstance(matrix, StructuredArray):
        return matrix_form(matrix)
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def _times(block: Any, x: Any) -> Any:
    if not isinstance(block, StructuredArray):
        return block @ x
    vectors = x.reshape((*block.layout.column_shape, x.shape[1]))
    return (block @ vectors).reshape(prod(block.layout.row_shape), x.shape[1])
