"""Derivative tensors from directional derivatives: Σⱼ γ(i, j) D^k f[j, ..., j] / k!.

Source: A. Griewank, J. Utke, A. Walther, Evaluating higher derivative tensors by forward
propagation of univariate Taylor series, Mathematics of Computation 69 (2000).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import comb, factorial, prod
from typing import Any

import numpy as np
from scipy import sparse

from wengert.taylor.monomials import count, monomials, ranks

_TABLES = 16  # tables that are kept


def directions(d: int, k: int) -> Any:
    """The directions j with |j| = k, one a row: as many as there are distinct entries.

    Examples
    --------
    >>> directions(2, 2).tolist()
    [[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]]
    """
    table = monomials(d, k)
    found = np.zeros((len(table), d))
    np.add.at(found, (np.arange(len(table))[:, None], table), 1.0)
    return found


@lru_cache(maxsize=_TABLES)
def weights(d: int, k: int) -> Any:
    """γ as a sparse matrix: distinct entries of D^k f from Taylor coefficients along directions.

    A row has an entry only for directions within the indices of its own monomial, and these depend
    on the exponents alone.

    Examples
    --------
    >>> weights(2, 2).toarray()
    array([[ 0.5 ,  0.  ,  0.  ],
           [-0.25,  1.  , -0.25],
           [ 0.  ,  0.  ,  0.5 ]])
    """
    table = monomials(d, k)
    n = len(table)
    rows: list[Any] = []
    columns: list[Any] = []
    values: list[Any] = []
    starts: Any = np.ones((n, k), bool)
    starts[:, 1:] = table[:, 1:] != table[:, :-1]
    codes = starts @ (1 << np.arange(k))  # equal exponents have equal codes
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        first = np.flatnonzero([bool(code >> j & 1) for j in range(k)])
        exponents = tuple(np.diff(first, append=k).tolist())
        support = table[own][:, first]
        within, gammas = weights_of(exponents)
        columns.append(ranks(support[:, within], d).ravel())
        rows.append(np.repeat(own, len(gammas)))
        values.append(np.tile(gammas, len(own)))
    if not rows:
        return sparse.csr_array((n, n))
    found = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_array(found, shape=(n, n))


@lru_cache(maxsize=1024)
def weights_of(exponents: tuple[int, ...]) -> tuple[Any, Any]:
    """γ(i, j) for one i of positive exponents: the directions as sorted indices, and the weights.

    k^k Π jₗ! γ(i, j) = Σ_{0<m≤i} (−1)^|i−m| Π C(iₗ, mₗ) Πₗ Π_{q<jₗ} (k mₗ − q|m|) is summed in
    integers, so that each weight is rounded once.

    Examples
    --------
    >>> within, gammas = weights_of((1, 1))
    >>> within.tolist(), gammas.tolist()
    ([[0, 0], [0, 1], [1, 1]], [-0.25, 1.0, -0.25])
    """
    k, p = sum(exponents), len(exponents)
    kind = np.int64 if k <= 8 else object  # they stay below 64^8 · 2^8 = 2^56
    table = monomials(p, k)
    powers = np.sum(table[:, :, None] == np.arange(p), axis=1)
    totals = np.zeros(len(table), kind)
    for m in product(*(range(e + 1) for e in exponents)):
        total = sum(m)
        if total:
            sign = (-1) ** (k - total)
            term: Any = sign * prod(comb(e, x) for e, x in zip(exponents, m, strict=True))
            for axis, x in enumerate(m):
                falling = [prod(k * x - q * total for q in range(j)) for j in range(k + 1)]
                term = term * np.array(falling, kind)[powers[:, axis]]
            totals = totals + term
    gammas = [
        int(value) / (k**k * prod(factorial(int(e)) for e in own))
        for value, own in zip(totals, powers, strict=True)
    ]
    nonzero = np.flatnonzero(gammas)
    return table[nonzero], np.array(gammas)[nonzero]


def entries_from(values: Any, d: int, k: int) -> tuple[Any, Any]:
    """The distinct entries from Taylor coefficients of order k along all directions.

    Parameters
    ----------
    values : array
        One row a direction.
    d, k : int
        The dimension and the order.

    Returns
    -------
    tuple of array
        The entries, one a row, and of each Σ |γ| |values|: rounding makes an error of about a
        unit in the last place of that.
    """
    matrix = weights(d, k)
    flat = values.reshape(count(d, k), prod(values.shape[1:]))
    shape = values.shape
    return (matrix @ flat).reshape(shape), (abs(matrix) @ np.abs(flat)).reshape(shape)


def amplification(entries: Any, summed: Any) -> float:
    """By how much rounding is amplified: the largest sum relative to the largest entry."""
    largest = np.max(np.abs(entries), initial=0.0)
    return float(np.max(summed, initial=0.0) / largest) if largest else 1.0
