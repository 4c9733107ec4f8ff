"""Differential operators that collapse: contractions of D^k f, none of which forms D^k f."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, wraps
from itertools import chain, permutations
from math import prod
from typing import Any

import numpy as np

from wengert.backends import plan_of
from wengert.derive import collapsed, contracted, deltas
from wengert.expr import Expr
from wengert.operations import add, contract, variable, zeros
from wengert.rewrite import recognise
from wengert.shapes import concrete
from wengert.structured.layout import Layout, written_out
from wengert.taylor.subject import Source, function_of
from wengert.taylor.tensors import check_positive, recorded_at_point
from wengert.taylor.weights import Terms, Whole, ways_to_weigh
from wengert.transforms import laplacian
from wengert.transforms.recording import Recorded, Tree, check_callable

Roots = tuple[Expr, ...]
_CHUNK = 2**20  # entries of an intermediate array for one batch of directions
_CACHED = 256


def contract_derivative(f: Source, x0: Tree, k: int, tensor: Any, *, given: Any = None) -> Tree:
    """The sum Σ D^k f(x₀)[i₁...iₖ] tensor[i₁...iₖ], without D^k f.

    Parameters
    ----------
    f : str, Formula or callable
        Of one argument x; with results of any shape, which are kept.
    x0 : tree of arrays
        The argument. Several arrays are taken as one flat vector.
    k : int
        The order, from 1 on.
    tensor : array, scipy.sparse array, StructuredArray, SymmetricTensor, RankOneTerms or list
        Of shape ``x.shape * k``. Its symmetric part counts, as D^k f is symmetric. A list has
        pairs of a weight and a direction, see :func:`rank_one_terms`.
    given : mapping of str to array, optional
        Values of a formula's other variables.

    Returns
    -------
    tree of arrays
        Nested and shaped as the result of ``f``.

    Raises
    ------
    ShapeError
        If the tensor does not fit.
    ValueError
        For an order that is no number from 1 on.

    Notes
    -----
    The tensor becomes a sum of rank-one terms, one or several a nonzero entry, and the power series
    of f is propagated along their directions: of the highest coefficient only the weighted sum
    (collapsed Taylor mode, Dangel et al. 2025). A matrix (k = 2) falls into blocks that do not
    touch, and each into its eigenvectors: a diagonal one into its nonzero entries, one of low rank
    into as many as its rank. From k = 3 on each distinct nonzero entry is polarised:
    2^k k! Π xₗ^iₗ = Σ_{m≤i} (−1)^|m| Π C(iₗ, mₗ) (Σ (iₗ − 2mₗ) xₗ)^k. Where the plan of the whole
    tensor's contraction takes fewer FLOPs than that of its terms, it is used instead: it is for
    structured tensors, and for those with more terms than entries.

    Examples
    --------
    >>> f = lambda x: x[0] ** 2 * x[1]
    >>> x = np.array([1.0, 2.0])
    >>> float(contract_derivative(f, x, 2, np.diag([1.0, 2.0])))
    4.0
    >>> float(contract_derivative(f, x, 3, [(1.0, [1.0, 1.0])]))
    6.0
    """
    check_positive(k)
    recorded = recorded_at_point(*function_of(f, x0, given), "contract_derivative")
    (leaf,) = recorded.leaves
    ways = ways_to_weigh(tensor, concrete(leaf.shape), int(k))
    roots = tuple(map(recognise, recorded.roots))
    dtypes = tuple(np.result_type(d, *recorded.leaf_dtypes) for d in recorded.dtypes)
    recorded = replace(recorded, roots=roots, dtypes=dtypes)
    if len(ways) > 1:
        ways.sort(key=lambda way: _flops(way, roots, leaf, int(k)))
    way = ways[0]
    found = (
        _by_terms(way, recorded, int(k))
        if isinstance(way, Terms)
        else _as_whole(way, recorded, int(k))
    )
    return recorded.unflatten(found)


# ---------------------------------------------------------------- by rank-one terms, or as it is


def _flops(way: Terms | Whole, roots: Roots, leaf: Expr, k: int) -> float:
    if isinstance(way, Whole):
        return plan_of(_exprs_of_whole(roots, leaf, way.layout, k, way.symmetric)[0]).flops
    size = _size(way, roots, leaf)
    batches = -(-len(way.weights) // size) if size else 1
    return batches * plan_of(_exprs_of_terms(roots, leaf, size, k)[0]).flops


def _size(terms: Terms, roots: Roots, leaf: Expr) -> int:
    """How many directions go together; 0 for the unit vectors, which all do."""
    if terms.directions is None:
        return 0
    room = max(16, _CHUNK // max(plan_of(roots).largest, prod(concrete(leaf.shape)), 1))
    return max(1, min(len(terms.weights), room))


def _by_terms(terms: Terms, recorded: Recorded, k: int) -> list[Any]:
    """By as many directions at a time as memory has room for."""
    (leaf,) = recorded.leaves
    dtype = recorded.leaf_dtypes[0]
    size = _size(terms, recorded.roots, leaf)
    if terms.directions is None:
        exprs, weights, _ = _exprs_of_terms(recorded.roots, leaf, 0, k)
        extra = {weights: terms.weights.reshape(weights.shape).astype(dtype)}
        return recorded.finish(exprs, recorded.dtypes, extra)
    total: list[Any] | None = None
    for start in range(0, len(terms.weights), size):
        part = terms.weights[start : start + size].astype(dtype)
        rows = terms.directions[start : start + size]
        along: Any = rows.toarray() if hasattr(rows, "toarray") else rows
        exprs, weights, seeds = _exprs_of_terms(recorded.roots, leaf, len(part), k)
        extra = {weights: part, seeds: along.astype(dtype).reshape(concrete(seeds.shape))}
        found = recorded.finish(exprs, recorded.dtypes, extra)
        total = found if total is None else [a + b for a, b in zip(total, found, strict=True)]
    if total is None:  # a tensor of zeros
        exprs = tuple(zeros(root.shape) for root in recorded.roots)
        return recorded.finish(exprs, recorded.dtypes)
    return total


def _as_whole(whole: Whole, recorded: Recorded, k: int) -> list[Any]:
    (leaf,) = recorded.leaves
    exprs, stored = _exprs_of_whole(recorded.roots, leaf, whole.layout, k, whole.symmetric)
    return recorded.finish(exprs, recorded.dtypes, dict(zip(stored, whole.values, strict=True)))


@lru_cache(maxsize=_CACHED)
def _exprs_of_terms(roots: Roots, leaf: Expr, size: int, k: int) -> tuple[Roots, Expr, Expr]:
    """The contraction with rank-one terms, and what stands for their weights and directions."""
    weights = variable("·weights", (size,) if size else leaf.shape)
    seeds = variable("·directions", (size, *leaf.shape)) if size else deltas(leaf)
    return tuple(collapsed(roots, {leaf: seeds}, weights, k)), weights, seeds


@lru_cache(maxsize=_CACHED)
def _exprs_of_whole(
    roots: Roots, leaf: Expr, layout: Layout | None, k: int, symmetric: bool
) -> tuple[Roots, tuple[Expr, ...]]:
    """The contraction with a whole tensor, and what stands for its stored arrays."""
    if layout is None:
        stored = (variable("·weight", leaf.shape * k),)
        (weight,) = stored
    else:
        stored = tuple(
            variable(f"·weight{j}", e.shape, dtype=e.dtype) for j, e in enumerate(layout.leaves)
        )
        weight = written_out(layout, stored)
    if not symmetric:
        n = leaf.ndim
        axes = [range(j * n, j * n + n) for j in range(k)]
        every = range(n * k)
        turned = [contract([weight], [every], tuple(chain(*o))) for o in permutations(axes)]
        weight = add(turned, [Fraction(1, len(turned))] * len(turned))
    return tuple(contracted(roots, leaf, weight, k)), stored


# ---------------------------------------------------------------- named operators


def biharmonic(f: Callable[..., Any], argnums: int = 0) -> Callable[..., Any]:
    """The biharmonic operator Δ²f = Σᵢⱼ ∂⁴f/∂xᵢ²∂xⱼ², of the shape of ``f``.

    Parameters
    ----------
    f, argnums
        As for :func:`wengert.laplacian`.

    Returns
    -------
    callable
        With the arguments of ``f``.

    Notes
    -----
    The Laplacian of the Laplacian, each collapsed.

    Examples
    --------
    >>> float(biharmonic(lambda x: np.sum(x**2) ** 2)(np.ones(3)))
    120.0
    """
    check_callable(f, "biharmonic")
    twice = laplacian(laplacian(f, argnums), argnums)

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        return twice(*args, **kwargs)

    return function
