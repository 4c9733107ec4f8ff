"""Sparse Cholesky factors by SuiteSparse's CHOLMOD, where scikit-sparse is installed.

Chen, Davis, Hager and Rajamanickam, "Algorithm 887: CHOLMOD", ACM TOMS 35 (2008).
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from wengert.structured.factors.condition import is_symmetric_sparse


class SparseCholesky:
    """A factor L with L Lᵀ = P A Pᵀ, ready to be solved with."""

    method = "sparse Cholesky"

    def __init__(self, factor: Any, dtype: Any) -> None:
        self.factor = factor
        self.dtype = dtype

    def solve(self, b: Any, transposed: int = 0) -> Any:
        """x with A x = b; the transpose is the same."""
        return self.factor(np.asarray(b, np.float64)).astype(self.dtype, copy=False)

    def slogdet(self) -> tuple[float, float]:
        """1, and the logarithm of the determinant."""
        return 1.0, float(self.factor.logdet())


def sparse_cholesky(matrix: Any) -> SparseCholesky | None:
    """The factor of a sparse matrix in CSC form.

    None without scikit-sparse, or if the matrix is not symmetric positive definite.
    """
    if find_spec("sksparse") is None or not is_symmetric_sparse(matrix):
        return None
    cholmod: Any = import_module("sksparse.cholmod")
    wide = matrix.astype(np.float64)
    wide.indices, wide.indptr = wide.indices.astype(np.int32), wide.indptr.astype(np.int32)
    try:
        return SparseCholesky(cholmod.cholesky(wide, mode="supernodal"), matrix.dtype)
    except cholmod.CholmodNotPositiveDefiniteError:
        return None
