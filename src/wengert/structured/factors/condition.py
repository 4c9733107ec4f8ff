"""How far matrices are from singular, judged after scaling so that units do not decide."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import diags_array

_ALIKE = 1e3  # how many times larger rows may be than others without being scaled


def scales(matrix: Any) -> tuple[Any, Any]:
    """Powers of 2 by which the rows and the columns of a matrix, sparse or not, have size 1."""

    def largest(array: Any, axis: int) -> Any:
        if not array.shape[0]:
            return np.zeros(0, array.dtype)
        found = abs(array).max(axis=axis)
        return np.ravel(found.toarray() if hasattr(found, "toarray") else found)

    def power(size: Any) -> Any:
        if size.size and np.max(size) <= _ALIKE * np.min(size):
            return np.ones_like(size)
        exponent = np.where(size > 0, -np.round(np.log2(np.where(size > 0, size, 1))), 0)
        return np.ldexp(np.ones((), matrix.dtype), exponent.astype(int))

    diagonal = matrix.diagonal()
    if np.all(diagonal > 0):
        both = power(np.sqrt(diagonal))
        if np.all(both == 1) or _nearly_symmetric(matrix):
            return both, both
    rows = power(largest(matrix, 1))
    scaled = matrix * rows[:, None] if isinstance(matrix, np.ndarray) else (
        diags_array(rows) @ matrix
    )  # fmt: skip
    return rows, power(largest(scaled, 0))


def _nearly_symmetric(matrix: Any) -> bool:
    return abs(matrix - matrix.T).max() <= 1e-10 * abs(matrix).max()


def is_singular(solve: Any, norm: float, matrix: Any) -> tuple[bool, Any]:
    """Is a factorised matrix singular within rounding, and its nearly null direction.

    Parameters
    ----------
    solve : callable
        ``solve(b, transposed)`` of a vector, transposed being 0 or 1.
    norm : float
        The 1-norm of the matrix.
    matrix : array
        Of its size and dtype.

    Notes
    -----
    The 1-norm of the inverse is estimated from a few solutions (Hager, "Condition estimates",
    1984), as LAPACK's condition numbers are.
    """
    n = matrix.shape[0]
    if not n:
        return False, None
    x = np.full(n, 1 / n, matrix.dtype)
    y = solve(x, 0)
    for _ in range(4):
        z = solve(np.where(y < 0, -1, 1).astype(matrix.dtype), 1)
        at = int(np.argmax(np.abs(z)))
        if not np.abs(z[at]) > z @ x:
            break
        x = np.zeros(n, matrix.dtype)
        x[at] = 1
        other = solve(x, 0)
        if not np.sum(np.abs(other)) > np.sum(np.abs(y)):
            break
        y = other
    inverse = float(np.sum(np.abs(y)))
    return not inverse * norm * tiny(matrix) < 1, y


def tiny(matrix: Any) -> float:
    """The share of a matrix that rounding may be."""
    return 8 * float(np.finfo(matrix.dtype).eps)


def is_symmetric_sparse(matrix: Any) -> bool:
    """Is a sparse matrix symmetric, up to rounding?"""
    if matrix.shape[0] != matrix.shape[1] or not matrix.nnz:
        return False
    limit = 64 * np.finfo(matrix.dtype).eps * abs(matrix).max()
    return bool(abs(matrix - matrix.T).max() <= limit)


def is_symmetric(matrix: Any) -> bool:
    """Is the matrix (are all of several) symmetric, up to rounding?"""
    tiny = 64 * np.finfo(matrix.dtype).eps * np.max(np.abs(matrix), initial=0.0)
    return bool(np.max(np.abs(matrix - np.swapaxes(matrix, -1, -2)), initial=0.0) <= tiny)


def equilibrated(matrices: Any) -> Any:
    """Rows, then columns, over their largest entries: units do not make an array singular."""
    rows = np.max(np.abs(matrices), axis=-1, keepdims=True)
    scaled = matrices / np.where(rows > 0, rows, 1)
    columns = np.max(np.abs(scaled), axis=-2, keepdims=True)
    return scaled / np.where(columns > 0, columns, 1)


def condition_of(matrices: Any) -> Any:
    """Condition numbers in the Frobenius norm; infinite for singular matrices."""
    try:
        inverses = np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        values = np.linalg.svd(matrices, compute_uv=False)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(values[..., -1] > 0, values[..., 0] / values[..., -1], np.inf)
    norms = [np.sqrt(np.sum(m * m, axis=(-1, -2))) for m in (matrices, inverses)]
    return norms[0] * norms[1]
