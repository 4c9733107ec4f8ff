"""Cumulants of a quadratic function of random inputs, exactly, at the cost of matrix products.

Q(δ) = gᵀδ + ½ δᵀHδ is a sum of products of entries of δ, and the r-th cumulant of a sum of products
is a sum over the connected ways to pair its factors up (Leonov and Shiryaev 1959): every partition
of the slots of r factors, linear ones with one slot and quadratic ones with two, into blocks of at
least two that together hold the factors together. A block stands for the joint cumulant of its
slots: Σᵢⱼ for two, κ_q of one entry for q of them, since entries with cumulants beyond the second
are independent of all others. Each partition is a contraction over one index a block; the entries
are never enumerated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from math import comb
from typing import Any

import numpy as np
import opt_einsum

Diagram = tuple[tuple[int, ...], ...]  # blocks, each of the factors whose slots it holds


@dataclass(frozen=True)
class Term:
    """One way to connect the factors, and how often it occurs.

    Attributes
    ----------
    coefficient : float
        With the binomials and halves of the factors.
    linear : int
        The factors 0, 1, ..., linear − 1 are linear, the others quadratic.
    blocks : tuple of tuple of int
        The factors of the slots in each block.
    """

    coefficient: float
    linear: int
    blocks: Diagram


def quadratic_cumulant(g: Any, H: Any | None, covariance: Any, higher: Any, r: int) -> float:
    """The r-th cumulant of gᵀδ + ½ δᵀHδ for E δ = 0, from the second on.

    Parameters
    ----------
    g : ndarray of shape (n,)
        The linear part.
    H : ndarray of shape (n, n), or None
        The quadratic part; None for none.
    covariance : ndarray of shape (n, n)
        Of δ.
    higher : ndarray of shape (orders, n)
        Row q has the q-th cumulants of the entries, for q from 3 on; where they are not zero, the
        entry is independent of the others. At least 2r + 1 rows if there is a quadratic part.
    r : int
        Which cumulant.

    Examples
    --------
    The third cumulant of δ² for a standard Gaussian δ is that of χ² with one degree, 8:

    >>> quadratic_cumulant(np.zeros(1), np.array([[2.0]]), np.eye(1), np.zeros((7, 1)), 3)
    8.0
    """
    sizes = frozenset([2, *(q for q in range(3, len(higher)) if np.any(higher[q] != 0.0))])
    uncorrelated = np.count_nonzero(covariance - np.diag(np.diag(covariance))) == 0
    total = 0.0
    for term in terms_of(r, H is not None, sizes):
        total += term.coefficient * _contracted(term, g, H, covariance, higher, uncorrelated)
    return float(total)


def _contracted(
    term: Term, g: Any, H: Any | None, covariance: Any, higher: Any, uncorrelated: bool
) -> float:
    slots: dict[int, list[int]] = {}  # the indices of each factor
    operands: list[Any] = []
    fresh = 0
    for block in term.blocks:
        q = len(block)
        if q == 2 and not uncorrelated:
            indices = [fresh, fresh + 1]
            operands += [covariance, indices]
            fresh += 2
        else:
            indices = [fresh] * q
            operands += [np.diag(covariance) if q == 2 else higher[q], [fresh]]
            fresh += 1
        for factor, index in zip(block, indices, strict=True):
            slots.setdefault(factor, []).append(index)
    for factor, indices in slots.items():
        operands += [g if factor < term.linear else H, indices]
    # r factors are r edges between the blocks: two open indices at a time are enough, n³ in all.
    return float(opt_einsum.contract(*operands, [], optimize="greedy"))


@lru_cache(maxsize=64)
def terms_of(r: int, quadratic: bool, sizes: frozenset[int]) -> tuple[Term, ...]:
    """The connected diagrams of the r-th cumulant whose blocks have one of some sizes."""
    found: list[Term] = []
    for linear in range(r + 1) if quadratic else (r,):
        slots = [*range(linear), *(f for f in range(linear, r) for _ in range(2))]
        kinds: Counter[Diagram] = Counter()
        for blocks in _partitions(tuple(slots), sizes):
            if _connected(blocks, r):
                kinds[tuple(sorted(tuple(sorted(b)) for b in blocks))] += 1
        weight = comb(r, linear) * 0.5 ** (r - linear)
        merged: Counter[Diagram] = Counter()
        for blocks, count in kinds.items():
            merged[_canonical(blocks, linear, r)] += count
        found += [Term(weight * count, linear, blocks) for blocks, count in merged.items()]
    return tuple(found)


def _partitions(slots: tuple[int, ...], sizes: frozenset[int]) -> Iterator[Diagram]:
    """Partitions of the slots into blocks of the given sizes, by the factors of the slots."""
    if not slots:
        yield ()
        return
    first, rest = slots[0], slots[1:]
    for chosen in _subsets(len(rest), {q - 1 for q in sizes}):
        block = (first, *(rest[k] for k in chosen))
        left = tuple(s for k, s in enumerate(rest) if k not in chosen)
        for others in _partitions(left, sizes):
            yield (block, *others)


def _subsets(n: int, sizes: set[int]) -> Iterator[frozenset[int]]:
    for mask in range(1 << n):
        if mask.bit_count() in sizes:
            yield frozenset(k for k in range(n) if mask >> k & 1)


def _connected(blocks: Diagram, r: int) -> bool:
    reached, before = {0}, 0
    while len(reached) != before:
        before = len(reached)
        for block in blocks:
            if reached & set(block):
                reached |= set(block)
    return len(reached) == r


def _canonical(blocks: Diagram, linear: int, r: int) -> Diagram:
    """The least of the diagrams that differ in the numbering of equal factors only."""
    return min(
        tuple(sorted(tuple(sorted((*first, *second)[f] for f in b)) for b in blocks))
        for first in permutations(range(linear))
        for second in permutations(range(linear, r))
    )


def quadratic_covariance(J: Any, H: Any | None, covariance: Any, higher: Any) -> Any:
    """The covariance matrix of several quadratic functions, of shape ``(m, m)``.

    Parameters
    ----------
    J : ndarray of shape (m, n)
        The linear parts.
    H : ndarray of shape (m, n, n), or None
        The quadratic parts.
    covariance, higher
        As for :func:`quadratic_cumulant`.
    """
    found = J @ covariance @ J.T
    if H is None:
        return found
    turned = H @ covariance
    found = found + 0.5 * np.einsum("aij,bji->ab", turned, turned, optimize=True)
    if np.any(higher[3:5] != 0.0):
        own = np.diagonal(H, axis1=1, axis2=2)
        mixed = 0.5 * (J * higher[3]) @ own.T
        found = found + mixed + mixed.T + 0.25 * (own * higher[4]) @ own.T
    return found
