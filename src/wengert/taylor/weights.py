"""Symmetric tensors as weights of derivatives: by rank-one terms, or whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import comb, factorial, gcd, prod
from typing import Any, cast

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from wengert.errors import ShapeError, UnsupportedFunctionError
from wengert.structured import Layout, StructuredArray
from wengert.taylor.monomials import monomials, multiplicities
from wengert.taylor.tensors import SymmetricTensor
from wengert.tracing import TracedArray

Shape = tuple[int, ...]
_TINY = 1e-14  # eigenvalues below it, relative to the largest, are those of zero
_TERMS = 50_000  # rank-one terms up to which a tensor is taken apart
_WRITTEN = 2 * 10**6  # entries up to which a tensor is also contracted as it is


@dataclass(frozen=True, eq=False)
class RankOneTerms:
    """The symmetric tensor Σᵣ wᵣ δᵣ ⊗ ... ⊗ δᵣ.

    Attributes
    ----------
    weights : array
        Of shape ``(r,)``.
    directions : array
        Of shape ``(r, *x.shape)``.
    """

    weights: Any
    directions: Any

    def __post_init__(self) -> None:
        if np.ndim(self.weights) != 1 or np.shape(self.directions)[:1] != np.shape(self.weights):
            raise ShapeError(
                "rank-one terms are weights of shape (r,) with directions of shape (r, *x.shape); "
                f"these have shapes {np.shape(self.weights)} and {np.shape(self.directions)}"
            )


def rank_one_terms(terms: Sequence[tuple[float, Any]]) -> RankOneTerms:
    """The tensor Σ w δ⊗...⊗δ, from pairs of a weight and a direction.

    Examples
    --------
    >>> rank_one_terms([(0.5, [1.0, 0.0]), (2.0, [1.0, 1.0])]).weights
    array([0.5, 2. ])
    """
    if not terms:
        raise ShapeError("rank_one_terms: at least one term is needed, of weight 0 if need be")
    weights = np.array([float(w) for w, _ in terms])
    arrays = [np.asarray(v, float) for _, v in terms]
    shapes = sorted({a.shape for a in arrays})
    if len(shapes) > 1:
        raise ShapeError(f"rank_one_terms: the directions have different shapes: {shapes}")
    return RankOneTerms(weights, np.array(arrays))


@dataclass(frozen=True, eq=False)
class Terms:
    """Σᵣ wᵣ δᵣ⊗...⊗δᵣ with flat directions, one a row, or with all unit vectors if none are given.

    The directions are an array or a sparse one.
    """

    weights: Any
    directions: Any


@dataclass(frozen=True, eq=False)
class Whole:
    """A tensor as it is: by its layout and stored arrays, or dense.

    ``symmetric`` is False if its symmetric part is yet to be taken.
    """

    layout: Layout | None
    values: tuple[Any, ...]
    symmetric: bool = True


def ways_to_weigh(tensor: Any, point: Shape, k: int) -> list[Terms | Whole]:
    """A tensor by its rank-one terms, as a whole, or both.

    Parameters
    ----------
    tensor : see :func:`wengert.contract_derivative`
        The weight.
    point : tuple of int
        The shape of one argument.
    k : int
        The order.

    Raises
    ------
    ShapeError
        If it does not fit.
    """
    if isinstance(tensor, RankOneTerms) or _is_pairs(tensor):
        return [_of_rank_one(tensor, point)]
    if isinstance(tensor, SymmetricTensor):
        return _of_symmetric(tensor, prod(point), k)
    if sparse.issparse(tensor):  # pyright: ignore[reportUnknownMemberType]
        return [_of_sparse(tensor, prod(point), k)]
    if isinstance(tensor, TracedArray):
        _check_shape(tensor.shape, point, k)
        return [Whole(None, (tensor,), symmetric=False)]
    if isinstance(tensor, StructuredArray) and k == 2 and tensor.columns == len(point):
        _check_shape(tensor.shape, point, k)
        half = (tensor + tensor.T) / 2
        terms = terms_of_matrix(half.to_scipy_sparse())
        return [terms] if half.layout.is_open else [terms, Whole(half.layout, half.values)]
    return _of_array(np.asarray(tensor), point, k)


def _is_pairs(tensor: Any) -> bool:
    return isinstance(tensor, list | tuple) and any(isinstance(t, tuple) for t in tensor)  # pyright: ignore[reportUnknownVariableType]


def _of_rank_one(tensor: Any, point: Shape) -> Terms:
    given = tensor if isinstance(tensor, RankOneTerms) else rank_one_terms(tensor)
    rows: Any = np.asarray(given.directions, float)
    if rows.shape[1:] not in {point, (prod(point),)}:
        raise ShapeError(
            f"contract_derivative: a direction has shape {rows.shape[1:]} where x has {point}"
        )
    return Terms(np.asarray(given.weights, float), rows.reshape(len(rows), prod(point)))


def _of_symmetric(tensor: SymmetricTensor, d: int, k: int) -> list[Terms | Whole]:
    if tensor.outputs or tensor.order != k or tensor.dimension != d:
        raise ShapeError(
            f"contract_derivative: the weight must be a symmetric tensor of order {k} in {d} "
            f"dimensions, without outputs; this one is {tensor!r}"
        )
    return _entrywise(tensor)


def _of_sparse(tensor: Any, d: int, k: int) -> Terms:
    if tensor.shape != (d,) * k or k != 2:
        raise ShapeError(
            f"contract_derivative: a sparse matrix of shape {tensor.shape} where the weight "
            f"has shape {(d,) * k}"
        )
    return terms_of_matrix(tensor)


def _of_array(array: Any, point: Shape, k: int) -> list[Terms | Whole]:
    if array.dtype.kind not in "fiub":
        raise UnsupportedFunctionError(
            f"contract_derivative: the weight must be an array of real numbers, not of dtype "
            f"{array.dtype}; rank-one terms are a list of pairs (weight, direction)"
        )
    d = prod(point)
    if array.shape != (d,) * k:
        _check_shape(array.shape, point, k)
    array = array.astype(float, copy=False)
    if k == 1:
        return [Terms(np.ones(1), array.reshape(1, d))]
    if k == 2:
        return [terms_of_matrix(sparse.csr_array(array.reshape(d, d)))]
    return _entrywise(SymmetricTensor.from_dense(array.reshape(point * k), point, k))


def _check_shape(shape: Shape, point: Shape, k: int) -> None:
    if shape != point * k:
        raise ShapeError(
            f"contract_derivative: the weight must have the shape {point * k} of the derivative "
            f"of order {k} by x of shape {point}, not {shape}"
        )


def terms_of_matrix(matrix: Any) -> Terms:
    """The eigenvectors of the symmetric part, block by block."""
    half: Any = sparse.csr_array((matrix + matrix.T) / 2)
    half.eliminate_zeros()
    d = half.shape[0]
    diagonal = half.diagonal()
    if half.nnz == np.count_nonzero(diagonal) and 4 * half.nnz > d:
        return Terms(diagonal, None)
    label = _components(half)
    order = np.argsort(label, kind="stable")
    blocks = np.split(order, np.flatnonzero(np.diff(label[order])) + 1) if d else []
    values: list[Any] = []
    rows: list[Any] = []
    columns: list[Any] = []
    entries: list[Any] = []
    found = 0
    for block in blocks:
        if len(block) == 1:
            eigenvalues: Any = diagonal[block]
            vectors: Any = np.ones((1, 1))
        else:
            eigenvalues, vectors = np.linalg.eigh(half[block][:, block].toarray())
        values.append(eigenvalues)
        number = np.arange(found, found + len(block))
        rows.append(np.repeat(number, len(block)))
        columns.append(np.tile(block, len(block)))
        entries.append(vectors.T.ravel())
        found += len(block)
    if not values:
        return Terms(np.zeros(0), sparse.csr_array((0, d)))
    weights = np.concatenate(values)
    place = (np.concatenate(rows), np.concatenate(columns))
    directions = sparse.csr_array((np.concatenate(entries), place), shape=(found, d))
    kept = np.abs(weights) > _TINY * np.max(np.abs(weights), initial=0.0)
    return Terms(weights[kept], directions[np.flatnonzero(kept)])


def _components(matrix: Any) -> Any:
    """For each index the number of the block that it is in."""
    return cast(Any, csgraph).connected_components(matrix, directed=False)[1]


def _entrywise(tensor: SymmetricTensor) -> list[Terms | Whole]:
    """By its polarised nonzero entries; also as a whole, if it is not too large."""
    d, k = tensor.dimension, tensor.order
    nonzero = np.flatnonzero(tensor.entries)
    small = d**k <= _WRITTEN and len(nonzero) > d
    whole: list[Terms | Whole] = [Whole(None, (tensor.to_dense(),))] if small else []
    if small and len(nonzero) * 2 ** (k - 1) > _TERMS:
        return whole
    table = monomials(d, k)[nonzero]
    weights = (tensor.entries * multiplicities(d, k))[nonzero]
    if np.all(table == table[:, :1]) and 4 * len(nonzero) > d:
        diagonal = np.zeros(d)
        diagonal[table[:, 0]] = weights
        return [Terms(diagonal, None)]
    return [polarised(table, weights, d), *whole]


def polarised(table: Any, weights: Any, d: int) -> Terms:
    """Σ w D^k f[e_{i₁}, ..., e_{iₖ}] by derivatives along single directions.

    Parameters
    ----------
    table : array of int
        The sorted indices, one a row.
    weights : array
        One a row.
    d : int
        The dimension.
    """
    k = table.shape[1]
    found: defaultdict[tuple[tuple[int, int], ...], float] = defaultdict(float)
    for indices, weight in zip(table.tolist(), weights.tolist(), strict=True):
        support = sorted(set(indices))
        exponents = [indices.count(i) for i in support]
        for m in product(*(range(e + 1) for e in exponents)):
            direction = [e - 2 * x for e, x in zip(exponents, m, strict=True)]
            common = gcd(*direction)
            if not common:
                continue
            first = next(c for c in direction if c)
            unit = common if first > 0 else -common
            key = tuple((i, c // unit) for i, c in zip(support, direction, strict=True) if c)
            sign = (-1) ** sum(m) * prod(comb(e, x) for e, x in zip(exponents, m, strict=True))
            found[key] += weight * sign * unit**k / (2**k * factorial(k))
    kept = [(key, w) for key, w in found.items() if w]
    rows = [r for r, (key, _) in enumerate(kept) for _ in key]
    columns = [i for key, _ in kept for i, _ in key]
    entries = [float(c) for key, _ in kept for _, c in key]
    directions = sparse.csr_array((entries, (rows, columns)), shape=(len(kept), d))
    return Terms(np.array([w for _, w in kept]), directions)
