"""Dense matrices, and small dense blocks."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from scipy import linalg

from wengert.errors import SingularMatrixError
from wengert.structured.blocks import Blocks
from wengert.structured.factors.base import Factorization, singular_at
from wengert.structured.factors.condition import (
    condition_of,
    equilibrated,
    is_singular,
    is_symmetric,
    scales,
    tiny,
)


class DenseFactors(Factorization):
    """One matrix: Cholesky if it is symmetric positive definite, else LU.

    Rows and columns are scaled first, so that units do not decide what is singular.
    """

    def __init__(self, matrix: Any, where: Any, index: Any = None) -> None:
        self.method = "LU"
        self.lower: Any = None
        if not np.all(np.isfinite(matrix)):
            raise SingularMatrixError(
                f"the {_size(matrix)} matrix has entries that are not finite, so that it cannot be "
                "solved with; check the values at which it was taken"
            )
        self.rows, self.columns = scales(matrix)
        alike = bool(np.all(self.rows == 1) and np.all(self.columns == 1))
        scaled = matrix if alike else self.rows[:, None] * matrix * self.columns
        if is_symmetric(scaled):
            try:
                self.lower = np.linalg.cholesky(scaled)
                self.method = "Cholesky"
            except np.linalg.LinAlgError:
                self.lower = None
        if self.lower is None:
            getrf = linalg.lapack.get_lapack_funcs(("getrf",), (matrix,))[0]
            self.lu, self.swaps = getrf(scaled)[:2]
            if np.any(np.diag(self.lu) == 0):
                raise _singular(matrix, where, index)
        norm = float(np.max(np.sum(np.abs(scaled), axis=0), initial=0.0))
        if is_singular(self._solve_scaled, norm, matrix)[0]:
            raise _singular(matrix, where, index)

    def _solve_scaled(self, b: Any, transposed: int = 0) -> Any:
        if self.lower is not None:
            return linalg.cho_solve((self.lower, True), b, check_finite=False)
        return linalg.lu_solve((self.lu, self.swaps), b, transposed, check_finite=False)

    def solve(self, b: Any) -> Any:
        if not b.size:
            return b.copy()
        return self.columns[:, None] * self._solve_scaled(self.rows[:, None] * b)

    def slogdet(self) -> tuple[float, float]:
        scales = float(np.sum(np.log(self.rows)) + np.sum(np.log(self.columns)))
        if self.lower is not None:
            return 1.0, 2 * float(np.sum(np.log(np.diag(self.lower)))) - scales
        pivots = np.diag(self.lu)
        swapped = np.count_nonzero(self.swaps != np.arange(len(self.swaps)))
        sign = float(np.prod(np.sign(pivots))) * (-1.0) ** swapped
        return sign, float(np.sum(np.log(np.abs(pivots)))) - scales


def _size(matrix: Any) -> str:
    return "×".join(map(str, matrix.shape))


def _singular(matrix: Any, where: Any, index: Any = None) -> SingularMatrixError:
    """Names the entry on which the null direction is largest."""
    _, _, right = np.linalg.svd(matrix)
    direction = right[-1]
    entry = int(np.argmax(np.abs(direction)))
    spread = int(np.sum(np.abs(direction) > 0.1 * np.max(np.abs(direction))))
    return singular_at(
        index and index(entry),
        f"the array is singular: its null direction lies on {spread} of {len(direction)} entries "
        f"of {where()}, mostly on {where(entry)}; add a multiple of the identity, or fix what the "
        "function does not depend on",
    )


class BlockFactors(Factorization):
    """Small blocks along batched axes; equal ones are factorised once."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        array = blocks.array
        self.method = "diagonal" if blocks.size == 1 else "blocks"
        self.single: DenseFactors | None = None
        if blocks.size == 1:
            self._check_diagonal(array[..., 0, 0])
        elif prod(array.shape[:-2]) == 1:
            matrix = array.reshape(array.shape[-2:])
            self.single = DenseFactors(matrix, self._namer(()), self._index(()))
            self.method = self.single.method
        else:
            self._check_blocks(array)

    def _namer(self, block: Sequence[Any]) -> Any:
        def where(entry: int | None = None) -> str:
            if entry is None:
                return f"block {tuple(map(int, block))}" if block else "the array"
            return f"index {self._index(block)(entry)}"

        return where

    def _index(self, block: Sequence[Any]) -> Any:
        return lambda entry: self.blocks.where(block or (0,) * len(self.blocks.batch), entry)

    def _check_diagonal(self, diagonal: Any) -> None:
        bad = ~np.isfinite(diagonal) | (diagonal == 0)
        if np.any(bad):
            first = np.unravel_index(int(np.argmax(bad)), diagonal.shape)
            index = self.blocks.where([int(i) for i in first], 0)
            raise singular_at(
                index,
                f"the array is singular: its diagonal is {float(diagonal[first])} at index {index} "
                f"({int(np.sum(bad))} such of {bad.size}); add a multiple of the identity",
            )

    def _check_blocks(self, array: Any) -> None:
        if not array.size:
            return
        finite = np.all(np.isfinite(array), axis=(-1, -2))
        if not np.all(finite):
            block = self._first(~finite)
            raise SingularMatrixError(f"block {block} has entries that are not finite")
        bad = ~(condition_of(equilibrated(array)) * tiny(array) < 1)
        if np.any(bad):
            block = self._first(bad)
            raise _singular(array[block], self._namer(block), self._index(block))

    @staticmethod
    def _first(bad: Any) -> tuple[int, ...]:
        return tuple(int(k) for k in np.unravel_index(int(np.argmax(bad)), bad.shape))

    def solve(self, b: Any) -> Any:
        blocks, m = self.blocks, b.shape[1]
        stored = blocks.array.shape[:-2]
        full = b.reshape((*blocks.shape, m))
        own = [k for k, n in zip(blocks.batch, stored, strict=True) if n != 1]
        shared = [k for k in blocks.batch if k not in own]
        order = (*own, *blocks.rest, *shared, len(blocks.shape))
        moved = np.transpose(full, order)
        lead = tuple(blocks.shape[k] for k in own)
        n = blocks.size
        sides = moved.reshape((*lead, n, -1)) if b.size else moved.reshape((*lead, n, 0))
        array = blocks.array.reshape((*lead, n, n))
        if n == 1:
            solved = sides / array
        elif self.single is not None:
            solved = self.single.solve(sides.reshape(n, -1)).reshape(sides.shape)
        else:
            solved = _solved_blocks(array, sides)
        back = np.argsort(order)
        return np.transpose(solved.reshape(moved.shape), back).reshape(b.shape)

    def slogdet(self) -> tuple[float, float]:
        if self.single is not None:
            sign, log = self.single.slogdet()
        else:
            signs, logs = np.linalg.slogdet(self.blocks.array)
            sign, log = float(np.prod(signs)), float(np.sum(logs))
        copies = self.blocks.copies
        return sign**copies, log * copies


def _solved_blocks(array: Any, sides: Any) -> Any:
    """Solutions block by block: for many right-hand sides by inverses and one refinement.

    Products of small matrices are much faster than small solves with many right-hand sides.
    """
    if sides.shape[-1] <= array.shape[-1]:
        return np.linalg.solve(array, sides)
    inverse = np.linalg.inv(array)
    found = inverse @ sides
    found += inverse @ (sides - array @ found)
    return found
