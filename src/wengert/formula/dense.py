"""Linear algebra for direct evaluation: NumPy's, and elimination where NumPy has none.

NumPy's linear algebra refuses extended precision (longdouble), which numerical derivatives need.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from wengert.formula.words import Array

_LINALG = cast(Any, np.linalg)


def _is_extended(x: Array) -> bool:
    return np.asarray(x).dtype.char in "gG"


def _eliminate(matrix: Array, right: Array) -> tuple[Array, Array]:
    """Gauss-Jordan with partial pivoting: the determinant, and the solution (or zeros)."""
    size = matrix.shape[0]
    work = np.concatenate([matrix, right], axis=1)
    determinant = work.dtype.type(1)
    for k in range(size):
        pivot = k + int(np.argmax(np.abs(work[k:, k])))
        if work[pivot, k] == 0:
            return work.dtype.type(0), np.zeros_like(right)
        if pivot != k:
            work[[k, pivot]] = work[[pivot, k]]
            determinant = -determinant
        determinant = determinant * work[k, k]
        work[k] = work[k] / work[k, k]
        others = [row for row in range(size) if row != k]
        work[others] = work[others] - np.outer(work[others, k], work[k])
    return determinant, work[:, size:]


def determinant(x: Array) -> Array:
    """det(x)."""
    return _eliminate(x, x[:, :0])[0] if _is_extended(x) else _LINALG.det(x)


def log_determinant(x: Array) -> Array:
    """log(det(x)); NaN for a negative determinant."""
    if _is_extended(x):
        return np.log(determinant(x))
    sign, logarithm = _LINALG.slogdet(x)
    return logarithm + np.log(sign)


def solve(x: Array, right: Array) -> Array:
    """The solution of x @ result = right.

    Raises
    ------
    numpy.linalg.LinAlgError
        If x is singular.
    """
    if not _is_extended(x) and not _is_extended(right):
        return _LINALG.solve(x, right)
    found, solution = _eliminate(x, right.reshape(len(x), -1))
    if found == 0:
        raise np.linalg.LinAlgError("Singular matrix")
    return solution.reshape(right.shape)


def inverse(x: Array) -> Array:
    """The inverse of x."""
    return solve(x, np.eye(len(x), dtype=x.dtype)) if _is_extended(x) else _LINALG.inv(x)


def matrix_power(x: Array, exponent: int) -> Array:
    """x multiplied with itself; a negative exponent multiplies the inverse."""
    return _LINALG.matrix_power(inverse(x) if exponent < 0 else x, abs(exponent))


def pseudo_inverse(x: Array) -> Array:
    """The Moore-Penrose inverse; in extended precision for full rank only."""
    if not _is_extended(x):
        return _LINALG.pinv(x)
    tall = x.shape[0] >= x.shape[1]
    gram = x.conj().T @ x if tall else x @ x.conj().T
    return solve(gram, x.conj().T) if tall else x.conj().T @ inverse(gram)


def adjugate(x: Array) -> Array:
    """The transposed matrix of cofactors, one minor after the other."""
    size = x.shape[0]
    result = np.ones_like(x)
    for i in range(size if size > 1 else 0):
        for j in range(size):
            minor = np.delete(np.delete(x, i, 0), j, 1)
            result[j, i] = (-1) ** (i + j) * determinant(minor)
    return result
