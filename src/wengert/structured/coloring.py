"""Colourings of sparse matrices: columns that can be summed without mixing any entries.

Columns without a row in common get one colour, so that one product with the sum of the unit
vectors of a colour gives all of them (Curtis, Powell and Reid, 1974). Of a symmetric matrix an
entry may be read in its row or in its column, which takes fewer colours: a star colouring
(Coleman and Moré, 1984; Gebremedhin, Manne and Pothen, What color is your Jacobian?, 2005).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from scipy import sparse

Pattern = Any
Colors = Any
"""An array of colours from 0 on, one a column; −1 for columns without entries."""


def color_columns(pattern: Pattern) -> Colors:
    """Colours of columns such that no row has two entries in columns of one colour.

    Parameters
    ----------
    pattern : csr_array of bool
        Rows by columns.

    Returns
    -------
    ndarray of int
        One a column: the fewer of two greedy orders, the given one and largest first.

    Examples
    --------
    >>> near = np.abs(np.subtract.outer(np.arange(6), np.arange(6))) <= 1
    >>> color_columns(sparse.csr_array(near))
    array([0, 1, 2, 0, 1, 2])
    """
    rows_of = _lists(pattern.tocsc())
    counts = np.array([len(rows) for rows in rows_of])
    orders = _orders(counts, counts > 0)
    return min((_greedy(rows_of, pattern.shape[0], o) for o in orders), key=count_colors)


def color_symmetric(pattern: Pattern) -> Colors:
    """A colouring by which each entry of a symmetric matrix, or its mirror image, can be read.

    That is a star colouring (neighbours differ, and every path of four vertices has three colours
    or more), or a colouring of the columns if it has fewer colours.

    Parameters
    ----------
    pattern : csr_array of bool
        Symmetric.

    Returns
    -------
    ndarray of int
        One a column.

    Examples
    --------
    >>> arrow = np.eye(5, dtype=bool)
    >>> arrow[0] = arrow[:, 0] = True
    >>> color_symmetric(sparse.csr_array(arrow))
    array([0, 1, 1, 1, 1])
    """
    near = _lists(_without_diagonal(pattern))
    counts = np.diff(pattern.indptr)
    stars = [_star(near, order) for order in _orders(counts, counts > 0)]
    return min([*stars, color_columns(pattern)], key=count_colors)


def count_colors(colors: Colors) -> int:
    """The number of colours."""
    return int(colors.max(initial=-1)) + 1


def separates_columns(pattern: Pattern, colors: Colors) -> bool:
    """Is each entry the only one of its row in a column of its colour?"""
    return bool(_is_single(pattern, colors).all())


def separates_symmetric(pattern: Pattern, colors: Colors) -> bool:
    """Is each entry the only one of its colour in its row, or its mirror image in its own?"""
    single = _is_single(pattern, colors)
    return bool((single | _mirrored(pattern, single)).all())


def columns_to_read(pattern: Pattern, colors: Colors) -> tuple[Any, Any]:
    """For each entry of a symmetric pattern in CSR order, where it stands in a compressed array.

    Returns
    -------
    tuple of ndarray
        The colour, and the row of the array with one column a colour.
    """
    rows, columns = _places(pattern)
    own = _is_single(pattern, colors)
    return np.where(own, colors[columns], colors[rows]), np.where(own, rows, columns)


# ---------------------------------------------------------------- checks


def _places(pattern: Pattern) -> tuple[Any, Any]:
    return np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr)), pattern.indices


def _is_single(pattern: Pattern, colors: Colors) -> Any:
    """Is an entry the only one of its colour in its row? One truth value an entry."""
    rows, columns = _places(pattern)
    colored = colors[columns]
    key = rows * (count_colors(colors) + 1) + colored
    _, inverse, counts = np.unique(key, return_inverse=True, return_counts=True)
    return (counts[inverse] == 1) & (colored >= 0)


def _mirrored(pattern: Pattern, values: Any) -> Any:
    """What the entries hold at their mirror images."""
    held = sparse.csr_array((values.astype(np.int8) + 1, pattern.indices, pattern.indptr),
                            shape=pattern.shape)  # fmt: skip
    turned = held.T.tocsr()
    turned.sort_indices()
    order = np.lexsort((pattern.indices, _places(pattern)[0]))
    found = np.empty(len(order), np.int8)
    found[order] = turned.data
    return found == 2


def _without_diagonal(pattern: Pattern) -> Pattern:
    rows, columns = _places(pattern)
    off = rows != columns
    data = np.ones(int(off.sum()), bool)
    return sparse.csr_array((data, (rows[off], columns[off])), shape=pattern.shape)


# ---------------------------------------------------------------- greedy colouring


def _orders(counts: Any, wanted: Any) -> list[list[int]]:
    """The given order, and the largest first."""
    natural = np.flatnonzero(wanted)
    own = counts[natural]
    if not len(own) or own.min() == own.max():
        return [natural.tolist()]
    return [natural.tolist(), natural[np.argsort(-own, kind="stable")].tolist()]


def _lists(matrix: Pattern) -> list[list[int]]:
    indices, pointers = matrix.indices.tolist(), matrix.indptr.tolist()
    return [indices[a:b] for a, b in pairwise(pointers)]


def _first_free(taken: int) -> int:
    """The smallest number whose bit is not set."""
    return (~taken & (taken + 1)).bit_length() - 1


def _greedy(rows_of: list[list[int]], count: int, order: list[int]) -> Colors:
    """Each column the first colour that none of its rows has; sets of colours are bits."""
    colors = np.full(len(rows_of), -1)
    taken = [0] * count
    for v in order:
        together = 0
        for row in rows_of[v]:
            together |= taken[row]
        color = _first_free(together)
        colors[v] = color
        for row in rows_of[v]:
            taken[row] |= 1 << color
    return colors


def _star(near: list[list[int]], order: list[int]) -> Colors:
    """Each vertex the first colour with which no path of four vertices has two colours only.

    ``seen[w]`` are the colours next to w, ``twice[w]`` those that two neighbours have, and
    ``ended[w]`` those of neighbours x of w that have another neighbour of w's colour: a vertex
    next to w that took such a colour would complete the path v, w, x, y. Sets are bits.
    """
    n = len(near)
    colors = [-1] * n
    seen, twice, ended = [0] * n, [0] * n, [0] * n
    for v in order:
        taken = 0
        for w in near[v]:
            own = colors[w]
            if own >= 0:
                taken |= 1 << own
            taken |= seen[w] if own < 0 or twice[v] >> own & 1 else ended[w]
        color = _first_free(taken)
        bit = 1 << color
        colors[v] = color
        for x in near[v]:
            if not seen[x] & bit:
                seen[x] |= bit
                continue
            for w in (v,) if twice[x] & bit else near[x]:
                if colors[x] >= 0 and colors[w] == color:
                    ended[w] |= 1 << colors[x]
            twice[x] |= bit
        for w in near[v]:
            if colors[w] >= 0 and twice[v] >> colors[w] & 1:
                ended[w] |= bit
    return np.array(colors)
