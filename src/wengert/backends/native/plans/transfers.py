"""Entries that move to or from places that tables say: gathers, and scatters that add up.

An operation's route (:class:`wengert.primitive.Route`) has places that are steps along labels, and
others that are looked up, in arrays that are known or that come as operands. Indices that are not
on their axis are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.native.builder import Builder, Value
from wengert.backends.native.plans.moving import (
    Steps,
    affine,
    moving_operands,
    sized_route,
    strided,
)
from wengert.backends.native.plans.nests import Lanes
from wengert.backends.native.plans.routines import Cells, Code
from wengert.backends.native.plans.statements import Shape, Strides, row_major, without_gaps
from wengert.backends.native.vectors import Stream, vector_loop
from wengert.expr import Expr
from wengert.operations.discrete import known_values
from wengert.primitive import Place


@dataclass(frozen=True)
class Lookup:
    """An index from a table.

    Attributes
    ----------
    table : array or int
        Offsets that are known, or the number of an operand with indices.
    axes : tuple of int
        The space's axes that the table has.
    stride : int
        Entries from one index to the next; 1 for offsets.
    size : int
        Of the axis that the indices are for; 0 for offsets.
    """

    table: Any
    axes: tuple[int, ...]
    stride: int = 1
    size: int = 0


@dataclass(frozen=True)
class Side:
    """Where entries are read, or written."""

    steps: Steps
    lookups: tuple[Lookup, ...]


@dataclass(frozen=True)
class Transfer:
    """``result[places] += operand[places]`` over a space; ``whole`` if every place is hit once."""

    space: Shape
    source: Side
    target: Side

    @property
    def whole(self) -> bool:
        """Is the result written in order?"""
        return (
            not self.target.lookups
            and not self.target.steps.offset
            and without_gaps(self.space, self.target.steps.strides)
        )


def transfers_of(
    node: Expr, operands: Sequence[tuple[Shape, Strides]], result: Shape
) -> list[Transfer] | None:
    """How the entries of the operands move; None if that is not known.

    Parameters
    ----------
    node : Expr
        An operation with a route.
    operands : sequence of (tuple of int, tuple of int)
        Shapes and strides of those whose entries move.
    result : tuple of int
        The result's shape.
    """
    found: list[Transfer] = []
    for k, (shape, strides) in zip(moving_operands(node), operands, strict=True):
        sized = sized_route(node, k, shape, result)
        if sized is None:
            return None
        route, sizes, lead = sized
        source = _side(node, route.operand, sizes, shape, strides, lead)
        target = _side(node, route.result, sizes, result, row_major(result), lead)
        if source is None or target is None:
            return None
        found.append(Transfer((*result[:lead], *sizes), source, target))
    return found


def _side(
    node: Expr, places: Sequence[Place], sizes: Shape, shape: Shape, strides: Strides, lead: int
) -> Side | None:
    known: dict[tuple[int, ...], Any] = {}
    lookups: list[Lookup] = []
    plain: list[Place | None] = []
    for place, stride, size in zip(places, strides[lead:], shape[lead:], strict=True):
        if affine(place, sizes) is not None:
            plain.append(place)
            continue
        plain.append(None)
        axes = tuple(lead + x for x in place.labels)
        if place.at is None or place.at.shape != tuple(sizes[x] for x in place.labels):
            return None
        table = known_values(place.at)
        if table is not None:
            known[axes] = known.get(axes, 0) + np.asarray(table, np.int64) * stride
        elif place.at in node.operands and size:
            lookups.append(Lookup(node.operands.index(place.at), axes, stride, size))
        else:
            return None
    tables = [Lookup(table, axes) for axes, table in known.items()]
    return Side(strided(plain, sizes, strides, lead), (*tables, *lookups))


# ---------------------------------------------------------------- code

Tables = Sequence[tuple[Lookup, Cells]]


def write_transfer(
    code: Code,
    results: Sequence[Cells],
    operands: Sequence[Cells],
    *,
    transfer: Transfer,
    write: Callable[..., Any],
) -> None:
    """Write the loops.

    Parameters
    ----------
    results : sequence of Cells
        The result.
    operands : sequence of Cells
        The operand, then the tables of the source's side and of the target's.
    write : callable
        ``write(lanes, x)``: what becomes of an entry.
    """
    count = len(transfer.source.lookups)
    _Writer(
        code, transfer, operands[0], results[0],
        list(zip(transfer.source.lookups, operands[1 : count + 1], strict=True)),
        list(zip(transfer.target.lookups, operands[count + 1 :], strict=True)), write,
    ).write()  # fmt: skip


@dataclass(frozen=True)
class _Writer:
    code: Code
    transfer: Transfer
    source: Cells
    target: Cells
    reading: Tables
    writing: Tables
    change: Callable[..., Any]

    @property
    def b(self) -> Builder:
        return self.code.builder

    def write(self) -> None:
        size = self.source.type.size
        first = self.b.offset(self.source.pointer, self.transfer.source.steps.offset, size)
        second = self.b.offset(self.target.pointer, self.transfer.target.steps.offset, size)
        if all(self.transfer.space):
            self._level(0, (), first, second)

    def _level(self, axis: int, index: tuple[Any, ...], source: Value, target: Value) -> None:
        """The loops from an axis on, from the places of the axes before it."""
        source = self._looked_up(self.reading, axis, index, source)
        target = self._looked_up(self.writing, axis, index, target)
        space = self.transfer.space
        if axis == len(space):
            self._entry(source, target)
            return
        steps = [side.steps.strides[axis] for side in (self.transfer.source, self.transfer.target)]
        tabled = {a for lookup, _ in (*self.reading, *self.writing) for a in lookup.axes}
        if axis == len(space) - 1 and axis not in tabled and steps[1]:
            self._row(space[axis], steps[0], steps[1], source, target)
            return
        size = self.source.type.size

        def inside(i: Value) -> None:
            here, there = (
                self.b.offset(p, i, s * size) if s else p
                for p, s in zip((source, target), steps, strict=True)
            )
            self._level(axis + 1, (*index, i), here, there)

        self.code.loop(space[axis], inside)

    def _looked_up(
        self, tables: Tables, axis: int, index: tuple[Any, ...], pointer: Value
    ) -> Value:
        """The place, after the look-ups whose axes have come to an end."""
        b, size = self.b, self.source.type.size
        for lookup, cells in tables:
            if max(lookup.axes, default=-1) + 1 != axis:
                continue
            found = cells[tuple(index[a] for a in lookup.axes)]
            if lookup.size:
                found = b.select(found < 0, found + lookup.size, found)
                self.code.refuse((found < 0) | (found >= lookup.size))
            pointer = b.offset(pointer, found, lookup.stride * size)
        return pointer

    def _entry(self, source: Value, target: Value) -> None:
        b, type_ = self.b, self.source.type
        found = self.change(Lanes(b, 0, type_), b.load(type_, source))
        if not self.transfer.whole:
            found = b.load(type_, target) + found
        b.store(found, target)

    def _row(self, count: int, step: int, ahead: int, source: Value, target: Value) -> None:
        """The entries along the last axis, several at once."""
        b, type_ = self.b, self.source.type
        lanes = min(self.code.width // type_.size, 1 << max(count.bit_length() - 1, 0))
        here, there = Stream(source, type_, step), Stream(target, type_, ahead)

        def body(entries: Sequence[Value]) -> tuple[list[Value], list[Value]]:
            one = Lanes(b, lanes if lanes > 1 else 0, type_)
            return [self.change(one, entries[0])], []

        whole = self.transfer.whole
        vector_loop(
            b, count, [here], [there] if whole else [], body, lanes=lanes,
            adds=[] if whole else [there],
        )  # fmt: skip
