"""Covariances that keep their structure: what is needed of them is directions and variances.

A covariance is held as Σ = Σ_r d_r d_rᵀ over few directions d_r, which it gives without forming Σ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol, runtime_checkable

import numpy as np
import scipy.linalg
import scipy.sparse

from wengert.errors import DomainError, ShapeError
from wengert.structured import StructuredArray

_TOLERANCE = 1e-8  # of asymmetry and negative eigenvalues, relative to the largest entry


@runtime_checkable
class Covariance(Protocol):
    """The covariance of a flattened variable of n entries."""

    @property
    def size(self) -> int:
        """The number n of entries."""
        ...

    @property
    def diagonal(self) -> bool:
        """Are the entries uncorrelated?"""
        ...

    def variances(self) -> Any:
        """The diagonal, of shape ``(n,)``."""
        ...

    def directions(self) -> Any:
        """Rows d_r with Σ = Σ_r d_r d_rᵀ, of shape ``(rank, n)``; none is zero."""
        ...

    def dense(self) -> Any:
        """Σ itself, of shape ``(n, n)``."""
        ...


@dataclass(frozen=True, eq=False)
class DiagonalCovariance:
    """Uncorrelated entries: Σ = diag(v)."""

    entries: Any

    @property
    def size(self) -> int:
        """The number of entries."""
        return len(self.entries)

    @property
    def diagonal(self) -> bool:
        """Always."""
        return True

    def variances(self) -> Any:
        """The diagonal."""
        return self.entries

    def directions(self) -> Any:
        """√vᵢ eᵢ, for the entries that vary."""
        (moving,) = np.nonzero(self.entries)
        rows = np.zeros((len(moving), self.size))
        rows[np.arange(len(moving)), moving] = np.sqrt(self.entries[moving])
        return rows

    def dense(self) -> Any:
        """The diagonal matrix."""
        return np.diag(self.entries)


@dataclass(frozen=True, eq=False)
class DenseCovariance:
    """Any covariance, through its eigenvectors."""

    matrix: Any

    @property
    def size(self) -> int:
        """The number of entries."""
        return len(self.matrix)

    @property
    def diagonal(self) -> bool:
        """Is nothing off the diagonal?"""
        return np.count_nonzero(self.matrix - np.diag(np.diag(self.matrix))) == 0

    def variances(self) -> Any:
        """The diagonal."""
        return np.diag(self.matrix).copy()

    def directions(self) -> Any:
        """Eigenvectors scaled by the roots of their eigenvalues, the largest first."""
        values, vectors = np.linalg.eigh(self.matrix)
        kept = values > max(values[-1], 0.0) * len(values) * np.finfo(float).eps
        return (vectors[:, kept] * np.sqrt(values[kept])).T[::-1]

    def dense(self) -> Any:
        """The matrix."""
        return self.matrix


@dataclass(frozen=True, eq=False)
class LowRankCovariance:
    """Σ = F Fᵀ + diag(v), for many entries that follow few factors.

    Parameters
    ----------
    factor : array_like of shape (n, r)
        F.
    diagonal_entries : array_like of shape (n,) or number
        v, by default 0.
    """

    factor: Any
    diagonal_entries: Any = 0.0

    @property
    def size(self) -> int:
        """The number of entries."""
        return len(self.factor)

    @property
    def diagonal(self) -> bool:
        """Only without factors."""
        return not np.any(self.factor)

    def _own(self) -> Any:
        return np.broadcast_to(np.asarray(self.diagonal_entries, float), (self.size,))

    def variances(self) -> Any:
        """The diagonal."""
        return np.sum(np.square(self.factor), axis=1) + self._own()

    def directions(self) -> Any:
        """The columns of F, then √vᵢ eᵢ."""
        columns = np.asarray(self.factor, float).T
        columns = columns[np.any(columns, axis=1)]
        return np.concatenate([columns, DiagonalCovariance(self._own()).directions()])

    def dense(self) -> Any:
        """F Fᵀ + diag(v)."""
        return np.asarray(self.factor) @ np.transpose(self.factor) + np.diag(self._own())


@dataclass(frozen=True, eq=False)
class KroneckerCovariance:
    """Σ = Σ₁ ⊗ Σ₂ ⊗ ...: one factor an axis of the variable."""

    factors: tuple[Any, ...]

    @property
    def size(self) -> int:
        """The number of entries."""
        return prod(len(f) for f in self.factors)

    @property
    def diagonal(self) -> bool:
        """Are all factors diagonal?"""
        return all(DenseCovariance(f).diagonal for f in self.factors)

    def variances(self) -> Any:
        """Products of the factors' variances."""
        return _kron([np.diag(f) for f in self.factors])

    def directions(self) -> Any:
        """Kronecker products of the factors' directions."""
        return _kron([DenseCovariance(f).directions() for f in self.factors])

    def dense(self) -> Any:
        """The Kronecker product."""
        return _kron(self.factors)


@dataclass(frozen=True, eq=False)
class BlockCovariance:
    """A block diagonal of covariances: groups of entries that do not know of each other."""

    blocks: tuple[Covariance, ...]

    @property
    def size(self) -> int:
        """The number of entries."""
        return sum(b.size for b in self.blocks)

    @property
    def diagonal(self) -> bool:
        """Are all blocks diagonal?"""
        return all(b.diagonal for b in self.blocks)

    def variances(self) -> Any:
        """The blocks' variances, one after the other."""
        return np.concatenate([b.variances() for b in self.blocks] or [np.zeros(0)])

    def directions(self) -> Any:
        """Each block's directions, zero elsewhere."""
        return scipy.linalg.block_diag(*(b.directions() for b in self.blocks))

    def dense(self) -> Any:
        """The block diagonal matrix."""
        return scipy.linalg.block_diag(*(b.dense() for b in self.blocks))


def _kron(factors: Sequence[Any]) -> Any:
    product = np.asarray(factors[0])
    for factor in factors[1:]:
        product = np.kron(product, factor)
    return product


# ---------------------------------------------------------------- reading


def covariance_of(given: Any, shape: tuple[int, ...], name: str = "cov") -> Covariance:
    """A covariance as users write it.

    Parameters
    ----------
    given : object
        A number v (v times the identity); variances of the variable's shape; the matrix, of shape
        ``(n, n)`` or ``shape + shape``, also as a StructuredArray or a sparse matrix; a tuple of
        one matrix an axis (Kronecker); a list of matrices, the blocks of a diagonal; or a
        covariance.
    shape : tuple of int
        Of the variable, n entries in all.
    name : str
        For messages.

    Raises
    ------
    ShapeError
        If the sizes do not fit.
    DomainError
        If it is not symmetric, not positive semidefinite, or not finite.
    """
    n = prod(shape)
    if isinstance(given, Covariance):
        found = given
    elif isinstance(given, tuple):
        factors = tuple(_checked(f, f"factor {k} of {name}") for k, f in enumerate(given))
        if tuple(len(f) for f in factors) != shape:
            raise ShapeError(
                f"{name}: a Kronecker covariance needs one square matrix an axis of {shape}; got "
                f"sizes {tuple(len(f) for f in factors)}"
            )
        found = KroneckerCovariance(factors)
    elif _is_blocks(given):
        blocks = [_block(b, f"block {k} of {name}") for k, b in enumerate(given)]
        found = BlockCovariance(tuple(blocks))
    else:
        found = _from_array(given, shape, name)
    if found.size != n:
        raise ShapeError(f"{name} is for {found.size} entries; the variable has {n}")
    if not np.all(np.isfinite(found.variances())):
        raise DomainError(f"{name} has entries that are not finite")
    return found


def _is_blocks(given: Any) -> bool:
    """Is this a list with a matrix or a covariance in it? Nested numbers are one matrix."""
    return isinstance(given, list) and any(
        isinstance(b, Covariance | StructuredArray) or (hasattr(b, "shape") and np.ndim(b) == 2)
        for b in given  # pyright: ignore[reportUnknownVariableType]
    )


def _block(given: Any, name: str) -> Covariance:
    if isinstance(given, Covariance):
        return given
    array = np.atleast_1d(np.asarray(given, float))
    return covariance_of(array, (len(array),), name)


def _from_array(given: Any, shape: tuple[int, ...], name: str) -> Covariance:
    n = prod(shape)
    if isinstance(given, StructuredArray):
        given = given.to_dense()
    elif scipy.sparse.issparse(given):
        given = given.toarray()
    array = np.asarray(given)
    if array.dtype.kind not in "biuf":
        raise DomainError(f"{name} must be of real numbers; its dtype is {array.dtype}")
    array = array.astype(float)
    if array.ndim == 0 or array.shape == shape:
        entries = np.broadcast_to(array, shape).reshape(n)
        if np.any(entries < 0):
            raise DomainError(f"{name} has a negative variance, {entries.min():g}")
        return DiagonalCovariance(entries)
    if array.shape in ((n, n), shape + shape):
        return DenseCovariance(_checked(array.reshape(n, n), name))
    raise ShapeError(
        f"{name} of shape {array.shape} for a variable of shape {shape}: give a number, variances "
        f"of shape {shape}, or a matrix of shape {(n, n)}"
    )


def _checked(given: Any, name: str) -> Any:
    """A matrix that is a covariance.

    Raises
    ------
    ShapeError, DomainError
        Saying what it is not, and by how much.
    """
    matrix = np.asarray(given, float)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(f"{name} must be a square matrix; its shape is {matrix.shape}")
    if not np.all(np.isfinite(matrix)):
        raise DomainError(f"{name} has entries that are not finite")
    largest = float(np.max(np.abs(matrix), initial=0.0))
    gap = float(np.max(np.abs(matrix - matrix.T), initial=0.0))
    if gap > _TOLERANCE * largest:
        i, j = np.unravel_index(np.argmax(np.abs(matrix - matrix.T)), matrix.shape)
        raise DomainError(
            f"{name} is not symmetric: entries [{i}, {j}] and [{j}, {i}] are {matrix[i, j]:g} and "
            f"{matrix[j, i]:g}"
        )
    matrix = (matrix + matrix.T) / 2
    lowest = float(np.linalg.eigvalsh(matrix)[0]) if len(matrix) else 0.0
    if lowest < -_TOLERANCE * largest:
        raise DomainError(
            f"{name} is not positive semidefinite: its lowest eigenvalue is {lowest:g}"
        )
    return matrix
