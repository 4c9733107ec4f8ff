"""Lanczos' method: a symmetric matrix as it acts on one vector, by products.

Sources: Golub and Meurant, Matrices, Moments and Quadrature (2010), chapters 4 and 6; Golub and
Van Loan, Matrix Computations (4th ed.), section 10.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh_tridiagonal

from wengert.optimize.krylov import Product, Vector

_LOOK, _FARTHER = 8, 1.4  # after how many products it is asked whether they will do
_NEGLIGIBLE = 1e-12  # relative to the matrix: a space that products do not leave


@dataclass(frozen=True, eq=False)
class Ritz:
    """A symmetric matrix in the space of a vector v and its products, diagonal.

    Attributes
    ----------
    values : ndarray of shape (k,)
        Ritz values, ascending.
    vectors : ndarray of shape (d, k)
        Ritz vectors, of length 1 and orthogonal.
    coordinates : ndarray of shape (k,)
        v in this basis: the squares are weights of Gauss' quadrature for v·F(A)v.
    complete : bool
        Whether products do not leave the space, so that all of this is exact.
    products : int
        How many products were taken.
    """

    values: Any
    vectors: Any
    coordinates: Any
    complete: bool
    products: int


def lanczos(
    product: Product, start: Vector, most: int, settled: Callable[[Ritz], bool] | None = None
) -> Ritz:
    """The Ritz values and vectors of a start, with full reorthogonalisation.

    Parameters
    ----------
    product : callable
        A symmetric matrix times a vector.
    start : ndarray of shape (d,)
        Not zero.
    most : int
        Products at most.
    settled : callable, optional
        Asked now and then, with what is known: whether that will do.

    Examples
    --------
    >>> found = lanczos(lambda v: np.array([1.0, 2.0, 5.0]) * v, np.array([1.0, 0.0, 2.0]), 10)
    >>> found.values.round(6), np.abs(found.coordinates).round(6), found.complete
    (array([1., 5.]), array([1., 2.]), True)
    """
    length = float(np.linalg.norm(start))
    basis = [np.asarray(start, float) / length]
    diagonal: list[float] = []
    beside: list[float] = []
    complete, looked = False, _LOOK

    def ritz() -> Ritz:
        k = len(diagonal)
        values, turns = eigh_tridiagonal(diagonal, beside[: k - 1])
        return Ritz(values, np.array(basis[:k]).T @ turns, length * turns[0], complete, k)

    for _ in range(min(most, start.size)):
        w = np.asarray(product(basis[-1]), float)
        diagonal.append(float(basis[-1] @ w))
        Q = np.array(basis)
        for _ in range(2):
            w = w - Q.T @ (Q @ w)
        size = float(np.linalg.norm(w))
        scale = max(map(abs, diagonal)) + max(beside, default=0.0)
        complete = size <= _NEGLIGIBLE * scale or len(basis) == start.size
        if complete:
            break
        if settled is not None and len(diagonal) == looked:
            if settled(ritz()):
                break
            looked = int(_FARTHER * looked)
        beside.append(size)
        basis.append(w / size)
    return ritz()
