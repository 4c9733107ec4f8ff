"""Inverses, Cholesky factors and eigenvalues that keep the structure."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from wengert.errors import ShapeError, SingularMatrixError
from wengert.operations import variable
from wengert.operations.structure import ONE
from wengert.primitive import Place
from wengert.rewrite.piece import Piece
from wengert.structured.blocks import Blocks, batched_axes, blocks_of
from wengert.structured.factors.condition import is_symmetric
from wengert.structured.factors.kronecker import Part, kronecker_parts, matrix_of
from wengert.structured.layout import Layout, Term

Matrices = Callable[[Any], Any]
Stored = tuple[Layout, tuple[Any, ...]]

_FEW = 500  # rows up to which all eigenvalues are computed


def mapped(layout: Layout, values: Any, dtype: Any, function: Matrices) -> Stored:
    """A function of square matrices that acts on blocks and Kronecker factors one by one.

    Parameters
    ----------
    layout, values, dtype
        Of a square array.
    function : callable
        From arrays of shape ``(..., n, n)`` to arrays of that shape, with ``f(A ⊗ B) = f(A) ⊗
        f(B)`` for factors on the same rows and columns (inverse, Cholesky factor).

    Returns
    -------
    tuple of Layout and arrays
        A structured array again.
    """
    cut = len(layout.row_shape)
    if not prod(layout.row_shape):
        return layout, tuple(values)
    if len(layout.terms) == 1 and (parts := _own_factors(layout.terms[0], cut)):
        term = layout.terms[0]
        labels_of = dict(term.cores)
        found = list(values)
        for k, rows, columns in parts:
            matrix = function(matrix_of(term, labels_of[k], rows, columns, values[k]))
            axis_of = {p.labels[0]: a for a, p in enumerate(term.places)}
            own = [axis_of[x] for x in labels_of[k]]
            sizes = [term.shape[a] for a in (*rows, *columns)]
            back = [(*rows, *columns).index(a) for a in own]
            found[k] = np.transpose(matrix.reshape(sizes), back)
        return layout, tuple(found)
    blocks = blocks_of(layout, layout.terms, values, dtype)
    changed = Blocks(function(blocks.array), blocks.batch, blocks.rest, blocks.shape)
    return of_blocks(changed)


def _own_factors(term: Term, cut: int) -> list[Part] | None:
    """Kronecker factors whose rows are their columns' axes, each once stored; else None."""
    parts = kronecker_parts(term, cut)
    if parts is None or any(tuple(a + cut for a in r) != tuple(sorted(c)) for _, r, c in parts):
        return None
    stored = [k for k, _, _ in parts]
    return parts if len(set(stored)) == len(stored) else None


def of_blocks(blocks: Blocks) -> Stored:
    """The array that consists of blocks."""
    rows = len(blocks.shape)
    stored = blocks.array.shape[:-2]
    used = [k for k, n in zip(blocks.batch, stored, strict=True) if n == blocks.shape[k]]
    label = {k: j for j, k in enumerate((*blocks.batch, *blocks.rest))}
    inner = {k: rows + j for j, k in enumerate(blocks.rest)}
    places = [Place((label[k],)) for k in range(rows)]
    places += [Place((inner.get(k, label[k]),)) for k in range(rows)]
    sizes: dict[int, Any] = {label[k]: blocks.shape[k] for k in label}
    sizes.update({inner[k]: blocks.shape[k] for k in inner})
    axes = (*(label[k] for k in used), *(label[k] for k in blocks.rest), *inner.values())
    shape = tuple(sizes[x] for x in axes)
    leaf = variable("·s0", shape)
    piece = Piece(ONE, ((leaf, axes),), tuple(places), sizes)
    layout = Layout((*blocks.shape, *blocks.shape), rows, (piece,), (leaf,))
    return layout, (np.ascontiguousarray(blocks.array).reshape(shape),)


def inverse(matrices: Any) -> Any:
    """Inverses of matrices.

    Raises
    ------
    SingularMatrixError
        If one has none.
    """
    if matrices.shape[-1] == 1:
        if np.any(matrices == 0):
            raise SingularMatrixError("an entry of the diagonal is 0: the array has no inverse")
        return 1 / matrices
    try:
        return np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        raise SingularMatrixError("a block of the array is singular: it has no inverse") from None


def cholesky(matrices: Any) -> Any:
    """Lower Cholesky factors of matrices.

    Raises
    ------
    SingularMatrixError
        If one is not positive definite.
    """
    if not is_symmetric(matrices):
        raise SingularMatrixError("a Cholesky factor needs a symmetric array; this one is not")
    try:
        return np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        raise SingularMatrixError(
            "the array is not positive definite: it has no Cholesky factor; add a multiple of the "
            "identity, or use solve, which takes indefinite ones"
        ) from None


def eigenvalues(
    layout: Layout, values: Any, dtype: Any, operator: LinearOperator, k: int | None, largest: bool
) -> Any:
    """Eigenvalues of a symmetric array in ascending order: all, or the k largest or smallest."""
    n = prod(layout.row_shape)
    if k is not None and not 0 < k <= n:
        raise ShapeError(f"an array of {n} rows has no {k} eigenvalues")
    cut = len(layout.row_shape)
    if len(layout.terms) == 1 and (parts := _own_factors(layout.terms[0], cut)):
        found = np.ones(1, dtype)
        term, copies = layout.terms[0], n
        for j, rows, columns in parts:
            matrix = matrix_of(term, dict(term.cores)[j], rows, columns, values[j])
            found = np.multiply.outer(found, np.linalg.eigvalsh(matrix)).ravel()
            copies //= len(matrix)
        found = np.repeat(found, copies)
    elif k is not None and n > _FEW and (k < n // 2):
        blocks = _cheap_blocks(layout, values, dtype)
        if blocks is None:
            which = "LA" if largest else "SA"
            return np.sort(eigsh(operator, k, which=which, return_eigenvectors=False))
        found = _of_blocks(blocks)
    else:
        found = _of_blocks(blocks_of(layout, layout.terms, values, dtype))
    found = np.sort(found)
    if k is None:
        return found
    return found[-k:] if largest else found[:k]


def _cheap_blocks(layout: Layout, values: Any, dtype: Any) -> Blocks | None:
    batch = batched_axes(layout, layout.terms)
    size = prod(n for k, n in enumerate(layout.row_shape) if k not in batch)
    return blocks_of(layout, layout.terms, values, dtype) if size <= _FEW else None


def _of_blocks(blocks: Blocks) -> Any:
    return np.repeat(np.linalg.eigvalsh(blocks.array).ravel(), blocks.copies)
