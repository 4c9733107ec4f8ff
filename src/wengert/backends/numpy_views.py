"""Views of arrays by labels: diagonals, and axes lined up for broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
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
    return strided(array, tuple(sizes.values()), tuple(strides.values()))


def strided(array: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Any:
    """A view of a C-contiguous array that walks in steps of bytes; cheaper than as_strided."""
    if array.flags.c_contiguous and array.size:
        return np.ndarray(shape, array.dtype, array, offset, strides)
    flat = array if not offset else array.reshape(-1)[offset // array.itemsize :]
    return as_strided(flat, shape, strides, writeable=True)


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
