"""Tables of places: arrays of indices over labels, one axis a label."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.operations.labelling import Labels


def counts_up(table: Any, size: Any) -> bool:
    """Does the table go through all indices of an axis in row order?"""
    return table.size == size > 0 and bool(np.array_equal(table.ravel(), np.arange(table.size)))


def distinct(table: Any) -> bool:
    """Is no index named twice?"""
    return len(np.unique(table)) == table.size


def over(table: Any, own: Labels, labels: Labels) -> Any:
    """A table over some labels, lined up with all of them for broadcasting."""
    order = [own.index(x) for x in labels if x in own]
    index = tuple(slice(None) if x in own else None for x in labels)
    return np.transpose(table, order)[index]


def agreements(one: Any, other: Any, one_labels: Labels, other_labels: Labels, sizes: Any) -> Any:
    """Where two tables name the same index.

    Parameters
    ----------
    one, other : ndarray
        Tables over ``one_labels`` and ``other_labels``, whose sizes are ``sizes``.

    Returns
    -------
    tuple of (labels, list of ndarray)
        All labels, and for each its values at the agreements.
    """
    labels = tuple(dict.fromkeys((*one_labels, *other_labels)))
    if set(one_labels) & set(other_labels):
        shape = tuple(sizes[x] for x in labels)
        agree = over(one, one_labels, labels) == over(other, other_labels, labels)
        return labels, list(np.nonzero(np.broadcast_to(agree, shape)))
    rows, columns = matches(one.ravel(), other.ravel())
    found = list(np.unravel_index(rows, one.shape)) if one.ndim else []
    found += list(np.unravel_index(columns, other.shape)) if other.ndim else []
    return labels, found if labels else [rows]


def count_matches(one: Any, other: Any) -> int:
    """How many pairs of positions there are at which two tables agree."""
    ranked = np.sort(other.ravel())
    flat = one.ravel()
    return int((np.searchsorted(ranked, flat, "right") - np.searchsorted(ranked, flat)).sum())


def matches(one: Any, other: Any) -> tuple[Any, Any]:
    """All pairs of positions at which two lists of integers agree."""
    order = np.argsort(other, kind="stable")
    ranked = other[order]
    first = np.searchsorted(ranked, one, "left")
    counts = np.searchsorted(ranked, one, "right") - first
    rows = np.repeat(np.arange(len(one)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, order[np.repeat(first, counts) + within]
