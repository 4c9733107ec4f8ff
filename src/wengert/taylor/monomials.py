"""The distinct entries of symmetric tensors: numbered by their sorted indices."""

from __future__ import annotations

from functools import lru_cache
from math import comb
from typing import Any

import numpy as np

_TABLES = 32  # tables that are kept


def count(d: int, k: int) -> int:
    """How many distinct entries a symmetric tensor of order k in d dimensions has.

    Examples
    --------
    >>> count(20, 4), 20**4
    (8855, 160000)
    """
    return comb(d + k - 1, k)


@lru_cache(maxsize=_TABLES)
def monomials(d: int, k: int) -> Any:
    """The sorted indices i₁ ≤ ... ≤ iₖ of all distinct entries, in lexicographic order.

    Examples
    --------
    >>> monomials(2, 3).tolist()
    [[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]]
    """
    table = np.zeros((1, 0), np.intp)
    first = np.zeros(1, np.intp)  # the least index that may follow
    for _ in range(k):
        times = d - first
        starts = np.cumsum(times) - times
        total = int(times.sum())
        step = np.arange(total) - np.repeat(starts, times)
        first = np.repeat(first, times) + step
        table = np.concatenate([np.repeat(table, times, axis=0), first[:, None]], axis=1)
    table.flags.writeable = False
    return table


def ranks(indices: Any, d: int) -> Any:
    """The numbers of entries with these indices, in any order along the last axis.

    Examples
    --------
    >>> ranks(np.array([[1, 0, 1], [1, 1, 1]]), 2)
    array([2, 3])
    """
    k = indices.shape[-1]
    top = d + k - 1
    below = [np.array([comb(n, j) for n in range(top + 1)], np.intp) for j in range(k + 1)]
    ordered: Any = np.sort(indices, axis=-1)
    after: list[Any] = [below[k - j][top - 1 - j - ordered[..., j]] for j in range(k)]
    return comb(top, k) - 1 - np.sum(after, axis=0, dtype=np.intp)


@lru_cache(maxsize=_TABLES)
def of_dense(d: int, k: int) -> Any:
    """For each entry of the dense tensor in row order, the number of the distinct one."""
    grid = np.indices((d,) * k, np.intp).reshape(k, -1)
    table = ranks(grid.T, d)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=_TABLES)
def multiplicities(d: int, k: int) -> Any:
    """How often each distinct entry stands in the dense tensor."""
    table = monomials(d, k)
    run = np.ones(len(table), np.intp)
    repeats = np.ones(len(table))
    for j in range(1, k):
        same = table[:, j] == table[:, j - 1]
        run = np.where(same, run + 1, 1)
        repeats *= np.where(same, run, 1)
    times = np.round(float(np.prod(np.arange(1, k + 1, dtype=float))) / repeats)
    times.flags.writeable = False
    return times


@lru_cache(maxsize=_TABLES)
def with_one_more(d: int, k: int) -> Any:
    """For each entry of order k and each index, the number of the entry that has it, too."""
    table = monomials(d, k)
    wide = np.repeat(table[:, None, :], d, axis=1)
    last = np.broadcast_to(np.arange(d)[None, :, None], (len(table), d, 1))
    found = ranks(np.concatenate([wide, last], axis=2), d)
    found.flags.writeable = False
    return found
