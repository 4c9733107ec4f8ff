"""Hessians that are constant: those of polynomials of degree 2, as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from wengert.derive import derivative
from wengert.expr import Expr, topological
from wengert.shapes import concrete
from wengert.structured import run

_MOST_PARAMETERS = 1500  # eigenvalues take seconds from here on
_MOST_ENTRIES = 4 * 10**6


def constant_hessians(node: Expr, leaves: Sequence[Expr], values: Mapping[Expr, Any]) -> Any | None:
    """The Hessians of the entries of a polynomial of degree 2, one after the other.

    Parameters
    ----------
    node : Expr
        The polynomial.
    leaves : sequence of Expr
        The parameters.
    values : mapping of Expr to ndarray
        The other variables.

    Returns
    -------
    ndarray or None
        Of shape (entries, parameters, parameters), in the order of the leaves; None if that is too
        large. Leaves that the polynomial does not depend on have rows of zeros.
    """
    sizes = [prod(concrete(leaf.shape)) for leaf in leaves]
    n, entries = sum(sizes), prod(concrete(node.shape))
    if n > _MOST_PARAMETERS or entries * n * n > max(_MOST_ENTRIES, n * n):
        return None
    below = set(topological(node))
    starts = np.cumsum([0, *sizes])
    used = [k for k, leaf in enumerate(leaves) if leaf in below]
    pairs = [(i, j) for i in used for j in used if i <= j]
    blocks = tuple(derivative(node, [leaves[i], leaves[j]]) for i, j in pairs)
    at = {leaf: np.zeros(concrete(leaf.shape)) for leaf in leaves}
    found = np.zeros((entries, n, n))
    for (i, j), block in zip(pairs, run(blocks, {**values, **at}), strict=True):
        rows, columns = (slice(starts[k], starts[k + 1]) for k in (i, j))
        matrix = np.reshape(np.asarray(block, float), (entries, sizes[i], sizes[j]))
        found[:, rows, columns] = matrix
        found[:, columns, rows] = np.swapaxes(matrix, 1, 2)
    return found


def is_never_negative(
    node: Expr, hessian: Any, leaves: Sequence[Expr], values: Mapping[Expr, Any]
) -> bool:
    """Is a polynomial of degree 2, one number, a sum of squares of affine functions?

    It is where the matrix of its coefficients, with a row and a column for the constant 1, is
    positive semidefinite.
    """
    below = set(topological(node))
    used = [leaf for leaf in leaves if leaf in below]
    at = {leaf: np.zeros(concrete(leaf.shape)) for leaf in leaves}
    slopes = tuple(derivative(node, [leaf]) for leaf in used)
    value, *found = run((node, *slopes), {**values, **at})
    by_leaf = dict(zip(used, found, strict=True))
    gradient = np.concatenate([np.ravel(by_leaf.get(leaf, at[leaf])) for leaf in leaves])
    corner = np.array([[2 * float(value)]])
    whole = np.block([[hessian, gradient[:, None]], [gradient[None, :], corner]])
    return signs_of(whole[None])[0] > 0


def eigenvalue_ends(hessians: Any) -> tuple[Any, Any, Any]:
    """The least and the largest eigenvalue of each matrix, and how wrong they may be."""
    found = np.linalg.eigvalsh(hessians)
    size = np.max(np.abs(found), axis=-1, initial=0.0)
    return found[..., 0], found[..., -1], 8 * hessians.shape[-1] * np.finfo(float).eps * size


def signs_of(hessians: Any) -> tuple[int, float, float]:
    """1 if all matrices are positive semidefinite, but for rounding, −1 if all are negative.

    Returns
    -------
    tuple of (int, float, float)
        The sign, 0 if neither is so, and the least and the largest eigenvalue of all.
    """
    if not np.all(np.isfinite(hessians)):
        return 0, float("nan"), float("nan")
    low, high, error = eigenvalue_ends(hessians)
    ends = float(np.min(low)), float(np.max(high))
    if np.all(low >= -error):
        return 1, *ends
    return (-1 if np.all(high <= error) else 0), *ends
