"""Views of arrays by labels: diagonals, and axes lined up for broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.lib.stride_tricks import as_strided

from wengert.plan.instructions import Labels

Index = tuple[Any, ...]


def diagonal_view(array: Any, labels: Labels) -> Any:
    """The entries whose indices agree on equal labels, one axis a distinct label (a view)."""
    strides: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for label, stride, size in zip(labels, array.strides, array.shape, strict=True):
        strides[label] = strides.get(label, 0) + stride
        sizes[label] = size
    return as_strided(array, tuple(sizes.values()), tuple(strides.values()), writeable=True)


def aligned(labels: Labels, out: Labels) -> tuple[Labels, Index]:
    """Permutation and index that line an array up with ``out`` for broadcasting."""
    order = tuple(labels.index(x) for x in out if x in labels)
    index = tuple(slice(None) if x in labels else None for x in out)
    return order, index


def reader(source: int, labels: Labels, out: Labels) -> Callable[[list[Any]], Any]:
    """What reads a slot lined up with ``out``, in as few calls as there are."""
    order, index = aligned(labels, out)
    straight = order == tuple(range(len(order)))
    if straight and (labels == out or labels == out[-len(labels) :]):
        return lambda slots: slots[source]
    if straight:
        return lambda slots: slots[source][index]
    if None not in index:
        return lambda slots: slots[source].transpose(order)
    return lambda slots: slots[source].transpose(order)[index]
