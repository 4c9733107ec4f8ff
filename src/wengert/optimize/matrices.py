"""Symmetric matrices that Newton's method solves with: dense ones and those with structure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from wengert.errors import SingularMatrixError
from wengert.optimize.krylov import extremes

Vector = Any

_PRODUCTS = 30  # by which a structured matrix is tested for negative eigenvalues
_LEAST = 1e-10  # of the largest eigenvalue, that the others are raised to


class Matrix(Protocol):
    """A symmetric matrix at a point."""

    def newton_step(self, g: Vector) -> Vector:
        """H⁻¹g; an error if H is singular, or no numbers."""
        ...

    def descent_step(self, g: Vector) -> tuple[Vector, bool]:
        """M⁻¹g with a positive definite M, which is H if that is; and whether it is."""
        ...

    def damped_step(self, g: Vector, damping: Vector) -> Vector:
        """(H + diag(damping))⁻¹g."""
        ...

    def diagonal(self) -> Vector:
        """The diagonal as a vector."""
        ...


@dataclass(frozen=True, eq=False)
class Dense:
    """A matrix of all its entries."""

    array: Any

    def newton_step(self, g: Vector) -> Vector:
        """H⁻¹g by Cholesky's factors, or by eigenvalues if H is not positive definite."""
        factors = _cholesky(self.array)
        if factors is not None:
            return cho_solve(factors, g, check_finite=False)
        check_numbers(self.array)
        values, vectors = np.linalg.eigh(self.array)
        size = float(np.max(np.abs(values)))
        if np.min(np.abs(values)) <= size * values.size * np.finfo(values.dtype).eps:
            at = int(np.argmax(np.abs(vectors[:, np.argmin(np.abs(values))])))
            raise SingularMatrixError(
                f"the Hessian is singular; its null direction is largest at parameter {at}"
            )
        return vectors @ ((vectors.T @ g) / values)

    def descent_step(self, g: Vector) -> tuple[Vector, bool]:
        """With |λ| for each eigenvalue λ, if H is not positive definite."""
        factors = _cholesky(self.array)
        if factors is not None:
            return cho_solve(factors, g, check_finite=False), True
        check_numbers(self.array)
        values, vectors = np.linalg.eigh(self.array)
        size = float(np.max(np.abs(values))) or 1.0
        raised = np.maximum(np.abs(values), max(_LEAST, np.finfo(values.dtype).eps * 8) * size)
        return vectors @ ((vectors.T @ g) / raised), False

    def damped_step(self, g: Vector, damping: Vector) -> Vector:
        """By Cholesky's factors."""
        array = self.array.copy()
        array[np.diag_indices(len(array))] += damping
        factors = _cholesky(array)
        if factors is None:
            raise SingularMatrixError("the damped matrix is not positive definite")
        return cho_solve(factors, g, check_finite=False)

    def diagonal(self) -> Vector:
        """The diagonal."""
        return np.diag(self.array)


def check_numbers(entries: Any) -> None:
    """An error for NaN and infinity."""
    if not np.all(np.isfinite(entries)):
        raise SingularMatrixError("the Hessian has entries that are not finite")


def _cholesky(array: Any) -> Any:
    """Cholesky's factors; None unless the matrix is positive definite beyond rounding."""
    try:
        factors = cho_factor(array, lower=True, check_finite=False)
    except LinAlgError:
        return None
    pivots = np.diag(factors[0]) ** 2
    rounding = len(pivots) * np.finfo(array.dtype).eps
    return factors if np.all(pivots > rounding * np.diag(array)) else None


@dataclass(frozen=True, eq=False)
class Structured:
    """A structured array (or blocks of them), which solves by its structure.

    Attributes
    ----------
    array : StructuredArray or StructuredBlocks
        Acting on flat vectors.
    space : Space
        Of the parameters.
    product : callable or None
        A cheap way to multiply, for the test of definiteness; None for a matrix that is known to
        have no negative eigenvalues.
    """

    array: Any
    space: Any
    product: Callable[[Vector], Vector] | None = None

    def newton_step(self, g: Vector) -> Vector:
        """H⁻¹g."""
        return self.array.solve(g.reshape(self._shape)).reshape(-1)

    def descent_step(self, g: Vector) -> tuple[Vector, bool]:
        """With a multiple of the identity added, if Lanczos' method finds H indefinite."""
        check_numbers(self.diagonal())
        size, shift = float(np.max(np.abs(self.diagonal()))) or 1.0, 0.0
        if self.product is not None:
            found = extremes(self.product, g.size, most=_PRODUCTS, tolerance=0.0)
            size = max(found.largest, -found.smallest) or 1.0
            if found.smallest < -_LEAST * size:
                shift = -1.1 * found.smallest + 1e-6 * size
        for _ in range(40):
            try:
                step = (
                    self.newton_step(g) if not shift else self.damped_step(g, shift * np.ones(()))
                )
            except SingularMatrixError:
                step = None
            if step is not None and np.all(np.isfinite(step)) and g @ step > 0:
                return step, not shift
            shift = max(8 * shift, 1e-6 * size)
        return g / size, False

    def damped_step(self, g: Vector, damping: Vector) -> Vector:
        """The diagonal keeps the structure."""
        entries: Any = float(damping) if np.ndim(damping) == 0 else self.space.views(damping)
        damped = self.array.add_diagonal(entries)
        return damped.solve(g.reshape(self._shape)).reshape(-1)

    def diagonal(self) -> Vector:
        """The diagonal as a vector."""
        return self.space.vector(self._as_tree(self.array.diagonal()))

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.space.shapes[0] if len(self.space.shapes) == 1 else (-1,)

    def _as_tree(self, found: Any) -> Any:
        if len(self.space.shapes) > 1:
            return found
        return self.space.views(np.reshape(found, -1))
