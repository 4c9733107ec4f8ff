"""What products with a Hessian tell: its largest eigenvalue, Newton's step, the gap that is left.

Sources: Golub and Van Loan, Matrix Computations (4th ed.), sections 10.1 and 11.3; Nocedal and
Wright, Numerical Optimization (2nd ed.), section 7.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh_tridiagonal

Vector = Any
Product = Callable[[Vector], Vector]


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
    v = np.random.default_rng([seed, 1]).normal(size=size)
    v /= np.linalg.norm(v)
    basis, diagonal, beside = [v], [], []
    values, error = np.zeros(1), 0.0
    for k in range(min(most, size)):
        w = np.asarray(product(basis[-1]), float)
        if not np.all(np.isfinite(w)):
            return Extremes(float("nan"), float("nan"), float("nan"), k + 1)
        diagonal.append(float(basis[-1] @ w))
        Q = np.array(basis)
        for _ in range(2):
            w = w - Q.T @ (Q @ w)
        length = float(np.linalg.norm(w))
        values, vectors = eigh_tridiagonal(diagonal, beside)
        error = length * abs(float(vectors[-1, -1]))
        scale = float(np.max(np.abs(values)))
        if length <= 1e-12 * scale or (k > 1 and error <= tolerance * scale):
            break
        beside.append(length)
        basis.append(w / length)
    return Extremes(float(values[0]), float(values[-1]), error, len(diagonal))


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
