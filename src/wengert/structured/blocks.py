"""A square structured array as small dense blocks: the part of solving that everything ends in.

A *batched* axis is one whose row index equals its column index in every term. What is left of the
array is, for each index on these axes, a dense block; blocks that are all the same are stored
once. Diagonals are blocks of size 1, a dense array is one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from wengert.operations.labelling import Labels
from wengert.primitive import Place
from wengert.structured import assembly
from wengert.structured.layout import Layout, Term

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Blocks:
    """The blocks of a square array.

    Attributes
    ----------
    array : ndarray
        Shape ``(*batch, n, n)``; a batched axis on which nothing depends has size 1.
    batch : tuple of int
        The row axes that are batched.
    rest : tuple of int
        The row axes that a block runs over, merged in row order.
    shape : tuple of int
        Of the rows (and of the columns).
    """

    array: Any
    batch: tuple[int, ...]
    rest: tuple[int, ...]
    shape: Shape

    @property
    def size(self) -> int:
        """Rows of a block."""
        return int(self.array.shape[-1])

    @property
    def copies(self) -> int:
        """How often each stored block stands in the array."""
        stored = self.array.shape[:-2]
        return prod(self.shape[k] // n for k, n in zip(self.batch, stored, strict=True) if n)

    def where(self, block: Sequence[int], entry: int) -> tuple[int, ...]:
        """The row index of an entry of a block."""
        found = [0] * len(self.shape)
        for k, index in zip(self.batch, block, strict=True):
            found[k] = int(index)
        inner = np.unravel_index(entry, tuple(self.shape[k] for k in self.rest))
        for k, index in zip(self.rest, inner, strict=True):
            found[k] = int(index)
        return tuple(found)


def batched_axes(layout: Layout, terms: Sequence[Term]) -> tuple[int, ...]:
    """The row axes whose index is that of the same column axis in all terms."""
    if layout.row_shape != layout.column_shape:
        return ()
    cut = layout.columns
    return tuple(
        k
        for k in range(cut)
        if all(t.places[k] == t.places[cut + k] and t.places[k].plain for t in terms)
    )


def block_entries(layout: Layout, terms: Sequence[Term]) -> int:
    """How many entries :func:`blocks_of` stores."""
    batch = batched_axes(layout, terms)
    used = [k for k in batch if any(_depends(t, k) for t in terms)]
    rest = prod(n for k, n in enumerate(layout.row_shape) if k not in batch)
    return prod(layout.row_shape[k] for k in used) * rest**2


def blocks_of(layout: Layout, terms: Sequence[Term], values: Sequence[Any], dtype: Any) -> Blocks:
    """The blocks that some terms of a square array make up."""
    batch = batched_axes(layout, terms)
    shape = layout.row_shape
    rows = len(shape)
    rest = tuple(k for k in range(rows) if k not in batch)
    used = [k for k in batch if any(_depends(t, k) for t in terms)]
    moved = tuple(_within(t, batch, used, rest, layout) for t in terms)
    small = tuple(shape[k] if k in used else 1 for k in batch)
    whole = (*small, *(shape[k] for k in rest), *(layout.column_shape[k] for k in rest))
    n = prod(shape[k] for k in rest)
    array = assembly.dense(whole, moved, values, dtype).reshape((*small, n, n))
    return Blocks(array, batch, rest, shape)


def _depends(term: Term, axis: int) -> bool:
    (label,) = term.places[axis].labels
    return any(label in axes for _, axes in term.cores)


def _within(
    term: Term, batch: tuple[int, ...], used: list[int], rest: tuple[int, ...], layout: Layout
) -> Term:
    """The term with its batched axes once, and in front."""
    cut = len(layout.row_shape)
    dropped = {term.places[k].labels[0] for k in batch if k not in used}
    none: Labels = ()
    lead = [k if k in used else None for k in batch]
    axes = [*lead, *rest, *(cut + k for k in rest)]
    places = tuple(Place(none) if k is None else term.places[k] for k in axes)
    tables = tuple(None if k is None else term.tables[k] for k in axes)
    sizes = tuple(1 if k is None else term.shape[k] for k in axes)
    labels = tuple(dict.fromkeys(x for place in places for x in place.labels))
    assert not dropped & set(labels)
    return Term(term.cores, term.sizes, labels, places, tables, sizes)
