"""What products with a Hessian tell: its largest eigenvalue, Newton's step, the gap that is left.

Sources: Golub and Van Loan, Matrix Computations (4th ed.), sections 10.1 and 11.3; Golub and
Meurant, Matrices, Moments and Quadrature (2010), chapters 4 and 6; Nocedal and Wright, Numerical
Optimization (2nd ed.), section 7.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh_tridiagonal

Vector = Any
Product = Callable[[Vector], Vector]

_LOOK, _FARTHER = 8, 1.4  # after how many products it is asked whether they will do
_NEGLIGIBLE = 1e-12  # relative to the matrix: a space that products do not leave


@dataclass(frozen=True, eq=False)
class Space:
    """What Lanczos' method has of a matrix: orthonormal vectors, and the matrix there.

    Attributes
    ----------
    basis : list of ndarray
        The vectors.
    diagonal, beside : list of float
        Of the tridiagonal matrix.
    """

    basis: list[Vector]
    diagonal: list[float]
    beside: list[float]


def _growing(product: Product, start: Vector, most: int) -> Iterator[tuple[Space, float]]:
    """The space after each product, and how far the product leaves it; fully reorthogonalised."""
    space = Space([np.asarray(start, float) / np.linalg.norm(start)], [], [])
    basis = space.basis
    for _ in range(min(most, start.size)):
        w = np.asarray(product(basis[-1]), float)
        space.diagonal.append(float(basis[-1] @ w))
        Q = np.array(basis)
        for _ in range(2):
            w = w - Q.T @ (Q @ w)
        length = float(np.linalg.norm(w))
        yield space, length
        space.beside.append(length)
        basis.append(w / length)


@dataclass(frozen=True)
class Extremes:
    """The ends of a symmetric matrix's spectrum, as Lanczos' method found them.

    Attributes
    ----------
    smallest, largest : float
        Ritz values: the largest is never above the matrix's largest eigenvalue (but for rounding).
    error : float
        An eigenvalue lies within so much of ``largest``.
    products : int
        How many products were taken.
    """

    smallest: float
    largest: float
    error: float
    products: int


def extremes(
    product: Product, size: int, seed: int = 0, most: int = 60, tolerance: float = 1e-3
) -> Extremes:
    """The ends of the spectrum by Lanczos' method with full reorthogonalisation.

    Parameters
    ----------
    product : callable
        A symmetric matrix times a vector.
    size : int
        Of the matrix.
    seed : int
        Of the random start.
    most : int
        Products at most.
    tolerance : float
        The relative error of the largest eigenvalue at which it ends.

    Examples
    --------
    >>> A = np.diag([1.0, 2.0, 5.0])
    >>> found = extremes(lambda v: A @ v, 3)
    >>> round(found.smallest, 6), round(found.largest, 6)
    (1.0, 5.0)
    """
    start = np.random.default_rng([seed, 1]).normal(size=size)
    values, error, products = np.zeros(1), 0.0, 0
    for space, length in _growing(product, start, most):
        products = len(space.diagonal)
        if not np.isfinite(length):
            return Extremes(float("nan"), float("nan"), float("nan"), products)
        values, vectors = eigh_tridiagonal(space.diagonal, space.beside)
        error = length * abs(float(vectors[-1, -1]))
        scale = float(np.max(np.abs(values)))
        if length <= _NEGLIGIBLE * scale or (products > 2 and error <= tolerance * scale):
            break
    return Extremes(float(values[0]), float(values[-1]), error, products)


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
    complete, looked = False, _LOOK
    space = Space([], [], [])

    def ritz() -> Ritz:
        k = len(space.diagonal)
        values, turns = eigh_tridiagonal(space.diagonal, space.beside[: k - 1])
        return Ritz(values, np.array(space.basis[:k]).T @ turns, length * turns[0], complete, k)

    for space, size in _growing(product, start, most):
        diagonal, beside = space.diagonal, space.beside
        if not np.isfinite(size):
            raise ValueError("Lanczos' method: a product with the matrix is not finite")
        scale = max(map(abs, diagonal)) + max(beside, default=0.0)
        complete = size <= _NEGLIGIBLE * scale or len(diagonal) == start.size
        if complete:
            break
        if settled is not None and len(diagonal) == looked:
            if settled(ritz()):
                break
            looked = int(_FARTHER * looked)
    return ritz()


@dataclass(frozen=True)
class Solution:
    """Where conjugate gradients ended.

    Attributes
    ----------
    step : ndarray
        About H⁻¹b; the direction b itself if the first curvature is not positive.
    convex : bool
        False where a direction of curvature zero or below ended it.
    decrement : float
        ½ bᵀ·step: by how much a quadratic falls.
    products : int
        How many products were taken.
    """

    step: Vector
    convex: bool
    decrement: float
    products: int


def conjugate_gradients(
    product: Product, b: Vector, tolerance: float = 1e-8, most: int | None = None
) -> Solution:
    """A solution of H s = b for a positive definite H, by products.

    Parameters
    ----------
    product : callable
        H times a vector.
    b : ndarray
        The right-hand side.
    tolerance : float
        Of the residual, relative to b.
    most : int, optional
        Products at most; twice the number of entries by default.
    """
    step = np.zeros_like(b)
    residual, direction = b, b
    square = float(b @ b)
    goal = tolerance**2 * square
    taken = 0
    for _ in range(2 * b.size if most is None else most):
        if square <= goal:
            break
        image = product(direction)
        taken += 1
        curvature = float(direction @ image)
        if not curvature > np.finfo(b.dtype).eps * float(direction @ direction) * 1e-2:
            start = direction if taken == 1 else step
            return Solution(start, False, 0.5 * float(b @ start), taken)
        length = square / curvature
        step = step + length * direction
        residual = residual - length * image
        before, square = square, float(residual @ residual)
        direction = residual + (square / before) * direction
    return Solution(step, True, 0.5 * float(b @ step), taken)


def gap_estimate(product: Product, gradient: Vector, most: int = 100) -> tuple[float, int]:
    """½ gᵀH⁻¹g, the gap of the quadratic model, and the products that it took.

    Infinite where the curvature is not positive: then nothing is known. A direction along which the
    Hessian is zero (a parameter that the loss does not depend on) does not count, as the gradient
    has no part in it.
    """
    found = conjugate_gradients(product, gradient, 1e-2, most)
    return (found.decrement if found.convex else np.inf), found.products
