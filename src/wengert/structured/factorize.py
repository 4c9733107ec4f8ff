"""Solving and determinants, each by the cheapest method that the structure allows.

In this order: low rank added to something cheap by Woodbury's identity; Kronecker products factor
by factor; equal or small blocks; a sparse LU; one dense block.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from wengert.errors import ShapeError, SingularMatrixError
from wengert.structured import assembly
from wengert.structured.blocks import Blocks, block_entries, blocks_of
from wengert.structured.describe import is_low_rank, term_rank
from wengert.structured.factors.base import Factorization, Product
from wengert.structured.factors.dense import BlockFactors, DenseFactors
from wengert.structured.factors.kronecker import Kronecker, kronecker_parts
from wengert.structured.factors.low_rank import Woodbury
from wengert.structured.factors.sparse import Sparse
from wengert.structured.layout import Layout, Term

SPARSE_SHARE = 8  # a sparse factorisation if fewer than one in so many entries is stored
_SMALL = 64  # rows up to which everything is dense
_LARGEST = 30_000  # rows up to which a matrix is factorised densely


def factorize(layout: Layout, values: Sequence[Any], dtype: Any, product: Product) -> Factorization:
    """The factorisation of a square structured array.

    Parameters
    ----------
    layout, values, dtype
        Of the array.
    product : callable
        The array times a matrix of one row for each of its columns.

    Raises
    ------
    ShapeError
        If it is not square, or too large for the methods that it allows.
    SingularMatrixError
        If it has no inverse; the message names where its null direction lies.
    """
    n = prod(layout.row_shape)
    if n != prod(layout.column_shape):
        raise ShapeError(
            f"solve needs a square array; this one has {n} rows (shape {layout.row_shape}) and "
            f"{prod(layout.column_shape)} columns (shape {layout.column_shape})"
        )
    terms = layout.terms
    if not n:
        return DenseFactors(np.zeros((0, 0), dtype), lambda entry=None: "the array")
    if not terms:
        raise SingularMatrixError("the array is zero, so it has no inverse")
    cut = len(layout.row_shape)
    low = [t for t in terms if is_low_rank(t, cut)]
    rest = [t for t in terms if not is_low_rank(t, cut)]
    if low and rest and 2 * sum(map(term_rank, low)) < n:
        try:
            base = _without_low_rank(layout, rest, values, dtype)
        except SingularMatrixError:
            pass  # the rest alone may be singular
        else:
            found = Woodbury(base, layout, low, values, product)
            if found.accurate:
                return found
    return _without_low_rank(layout, terms, values, dtype)


def _without_low_rank(
    layout: Layout, terms: Sequence[Term], values: Sequence[Any], dtype: Any
) -> Factorization:
    n = prod(layout.row_shape)
    if len(terms) == 1 and (parts := kronecker_parts(terms[0], len(layout.row_shape))):
        return Kronecker(layout, terms[0], parts, values)
    dense = block_entries(layout, terms) if layout.row_shape == layout.column_shape else n * n
    stored = sum(t.count for t in terms)
    if n > _SMALL and dense > SPARSE_SHARE * stored:
        return Sparse(layout, terms, values, dtype)
    if layout.row_shape != layout.column_shape:
        flat = assembly.dense(layout.shape, terms, values, dtype).reshape(n, n)
        return BlockFactors(Blocks(flat, (), (0,), (n,)))
    if dense > _LARGEST**2:
        raise ShapeError(
            f"the array is dense in blocks of {dense:,} entries in all, too many to factorise; use "
            'solve(b, method="cg") for a positive definite one'
        )
    return BlockFactors(blocks_of(layout, terms, values, dtype))
