"""Sparse matrices, and those of which only products are cheap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import diags_array, eye_array
from scipy.sparse.linalg import cg, splu

from wengert.errors import ConvergenceError, SingularMatrixError
from wengert.structured import assembly
from wengert.structured.factors.base import Factorization, singular_at
from wengert.structured.factors.cholmod import sparse_cholesky
from wengert.structured.factors.condition import is_singular, scales
from wengert.structured.factors.kronecker import sign_of_permutation
from wengert.structured.layout import Layout, Term


class _SparseLU:
    """A sparse LU with a fill-reducing order."""

    method = "sparse LU"

    def __init__(self, matrix: Any) -> None:
        self.lu = splu(matrix)

    def solve(self, b: Any, transposed: int = 0) -> Any:
        return self.lu.solve(b, "T" if transposed else "N")

    def slogdet(self) -> tuple[float, float]:
        pivots = self.lu.U.diagonal()
        sign = float(np.prod(np.sign(pivots)))
        sign *= sign_of_permutation(self.lu.perm_r) * sign_of_permutation(self.lu.perm_c)
        return sign, float(np.sum(np.log(np.abs(pivots))))


class Sparse(Factorization):
    """A sparse factorisation: Cholesky where CHOLMOD is installed and it exists, else LU."""

    def __init__(
        self, layout: Layout, terms: Sequence[Term], values: Sequence[Any], dtype: Any
    ) -> None:
        self.layout = layout
        matrix = assembly.sparse_matrix(layout, terms, values, dtype).tocsc()
        if not np.all(np.isfinite(matrix.data)):
            raise SingularMatrixError("the array has entries that are not finite")
        self.rows, self.columns = scales(matrix)
        scaled = (diags_array(self.rows) @ matrix @ diags_array(self.columns)).tocsc()
        try:
            self.solver = sparse_cholesky(scaled) or _SparseLU(scaled)
        except RuntimeError:
            raise self._singular(matrix) from None
        norm = float(np.max(abs(scaled).sum(axis=0), initial=0.0))
        self.method = self.solver.method
        singular, direction = is_singular(self.solver.solve, norm, matrix)
        if singular:
            raise self._singular(matrix, self.columns * direction)

    def _singular(self, matrix: Any, direction: Any = None) -> SingularMatrixError:
        empty = np.flatnonzero(abs(matrix).sum(axis=0) == 0)
        if len(empty):
            index = self._index(empty[0])
            where = f"nothing depends on index {index} ({len(empty)} such)"
        else:
            if direction is None:
                unit = eye_array(matrix.shape[0], dtype=matrix.dtype)
                shifted = matrix + 1e-10 * abs(matrix).max() * unit
                direction = splu(shifted.tocsc()).solve(np.ones(matrix.shape[0], matrix.dtype))
            index = self._index(np.argmax(np.abs(direction)))
            where = f"its null direction is largest at index {index}"
        return singular_at(
            index,
            f"the array is singular: {where}; add a multiple of the identity, or fix what the "
            "function does not depend on",
        )

    def _index(self, flat: Any) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(flat, self.layout.column_shape))

    def solve(self, b: Any) -> Any:
        if not b.size:
            return b.copy()
        scaled = np.ascontiguousarray(self.rows[:, None] * b)
        return self.columns[:, None] * self.solver.solve(scaled)

    def slogdet(self) -> tuple[float, float]:
        sign, log = self.solver.slogdet()
        return sign, log - float(np.sum(np.log(self.rows)) + np.sum(np.log(self.columns)))


def conjugate_gradients(operator: Any, b: Any, tolerance: float) -> Any:
    """Solutions for the columns of b by products only.

    Raises
    ------
    ConvergenceError
        If the tolerance is not reached in ten times as many steps as there are rows.
    """
    found = np.empty_like(b)
    for k in range(b.shape[1]):
        with np.errstate(all="ignore"):
            found[:, k], steps = cg(operator, b[:, k], rtol=tolerance, atol=0.0)
        if steps or not np.all(np.isfinite(found[:, k])):
            raise ConvergenceError(
                f"conjugate gradients did not reach {tolerance:g} in {steps} steps: the array may "
                'be indefinite or badly conditioned; use method="direct", or add a multiple of the '
                "identity"
            )
    return found
