"""Nests of loops, the innermost one over vectors."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

from wengert.backends.native.builder import Builder, Features, Module, Value
from wengert.backends.native.mathematics import routines
from wengert.backends.native.plans.grouping import Nest
from wengert.backends.native.plans.statements import Access, Graph, Shape, Statement, Strides
from wengert.backends.native.types import I64, PTR, Type
from wengert.backends.native.ufuncs import call_lanes
from wengert.backends.native.vectors import (
    MAXIMUM,
    MINIMUM,
    PRODUCT,
    SUM,
    Reduction,
    Stream,
    vector_loop,
)

REDUCTIONS = {"sum": SUM, "maximum": MAXIMUM, "minimum": MINIMUM, "product": PRODUCT}
_UNROLLED = 4  # accumulators of short bodies
_SHORT = 3  # statements of a body that is short
_SIMPLE = 12  # statements of a body that is written once more for what is left of a short loop
_LONG = 8  # vectors from which on what is left does not count


class Lanes:
    """What statements are written with (:class:`wengert.operations.written.Lanes`)."""

    def __init__(self, builder: Builder, width: int, real: Type) -> None:
        self._b = builder
        self._width = width
        self._real = real.of(width)

    def call(self, routine: Any, *values: Any) -> Any:
        """A routine by name, or a ufunc; several results as a tuple."""
        if isinstance(routine, str):
            return routines.call(routine, *values)
        found = call_lanes(routine, values)
        return found[0] if len(found) == 1 else found

    def select(self, mask: Value, yes: Any, no: Any) -> Value:
        """One of two values by a mask."""
        return self._b.select(mask, yes, no)

    def number(self, value: float, like: Value) -> Value:
        """A number of a value's type."""
        return self._b.constant(value, like.type)

    def constant(self, value: float, type_: Type) -> Value:
        """A number of a type, in every lane."""
        return self._b.constant(value, type_.of(self._width))

    def fma(self, x: Value, y: Any, z: Value) -> Value:
        """``x y + z``."""
        return self._b.fma(x, y, z)

    def real(self, value: Value) -> Value:
        """Integers or masks as real numbers."""
        if value.type.kind == "i1":
            return self._b.select(value, self._b.constant(1.0, self._real), 0.0)
        return self._b.cast("sitofp", value, self._real)

    def largest(self, like: Value) -> float:
        """The largest finite number of a value's type."""
        return 2.0**127 * (2 - 2.0**-23) if like.type.kind == "f32" else sys.float_info.max

    def integer(self, mask: Value) -> Value:
        """1 where a mask holds, else 0."""
        return self._b.cast("zext", mask, I64.of(self._width))


@dataclass(frozen=True)
class Rows:
    """Some rows of the space, and of the arrays that have as many.

    Attributes
    ----------
    start : Value
        The first one.
    count : int
        How many.
    inner : collection of int
        Slots that hold these rows only.
    summed : collection of int
        Slots that the sums over these rows are added to.
    """

    start: Value
    count: int
    inner: Collection[int]
    summed: Collection[int]


@dataclass
class Registers:
    """Small slots that are held in registers, and their entries as far as they are known."""

    held: frozenset[int] = frozenset()
    entries: dict[int, list[Value]] = field(default_factory=dict[int, list[Value]])

    def begin(self, slot: int | None, entries: list[Value]) -> None:
        """What a slot holds, if there is one that is read."""
        if slot is not None:
            self.entries[slot] = entries


@dataclass(frozen=True)
class _Place:
    """Entries of a slot over the space of a nest."""

    slot: int
    strides: Strides
    offset: int


def write_nest(
    b: Builder,
    nest: Nest,
    memory: Mapping[int, Value],
    graph: Graph,
    width: int,
    rows: Rows | None = None,
    registers: Registers | None = None,
) -> None:
    """Write the loops of a nest.

    Parameters
    ----------
    memory : mapping of int to Value
        Where slots are; the others stay in registers.
    graph : Graph
        What the slots hold.
    width : int
        Bytes of a vector.
    rows : Rows, optional
        Which of the first axis's indices; by default all.
    registers : Registers, optional
        Single numbers that are held, and are read, or added up over all of the space.
    """
    _Writer(b, nest, memory, graph, width, rows, registers or Registers()).write()


class _Writer:
    def __init__(
        self,
        b: Builder,
        nest: Nest,
        memory: Mapping[int, Value],
        graph: Graph,
        width: int,
        rows: Rows | None,
        registers: Registers,
    ) -> None:
        self.rows, self.registers, held = rows, registers, registers.held
        space = nest.space if rows is None else (rows.count, *nest.space[1:])
        self.b, self.nest, self.memory, self.graph = b, nest, memory, graph
        self.types = types = graph.types
        self.statements = nest.statements
        self.reads = list(
            dict.fromkeys(
                _Place(a.slot, a.strides, a.offset)
                for s in self.statements
                for a in s.reads
                if not nest.holds(a) and a.slot not in held
            )
        )
        self.written = [s for s in self.statements if s.target in memory or not s.maps]
        self.space, strides = simplified(
            space, [p.strides for p in self.reads] + [s.places for s in self.written]
        )
        used = [types[s.target] for s in self.statements] + [types[p.slot] for p in self.reads]
        self.lanes = width // max(t.size for t in used)
        if self._is_turned():
            self.space = (*self.space[:-2], *self.space[:-3:-1])
            strides = [(*s[:-2], *s[:-3:-1]) for s in strides]
        self.read_strides = strides[: len(self.reads)]
        self.write_strides = strides[len(self.reads) :]
        self.depth = [
            _depth(self.space, st) if s.reduction is not None else len(self.space)
            for s, st in zip(self.written, self.write_strides, strict=True)
        ]

    def _is_turned(self) -> bool:
        """Do vectors go across rows, as these are shorter than a vector, and work is worth it?"""
        return (
            len(self.space) > 1
            and 1 < self.space[-1] < self.lanes
            and self.space[-2] >= 2 * self.lanes
            and all(s.into is None and s.reduction in {None, "sum"} for s in self.statements)
            and not self._simple
        )

    # ------------------------------------------------ whole nest

    def write(self) -> None:
        self._clear()
        if prod(self.space) == 0:
            return
        bases = [self._base(p.slot, p.strides, p.offset) for p in self.reads]
        targets = [self._base(s.target, s.places, s.offset) for s in self.written]
        found = self._level(0, bases, targets)
        self._finish(0, found, targets)

    def _base(self, slot: int, strides: Strides, offset: int) -> Value:
        """Where the first of the rows begins."""
        if slot in self.registers.held:
            return self.b.zero(PTR)  # nowhere
        size, rows = self.types[slot].size, self.rows
        pointer = self.b.offset(self.memory[slot], offset, size)
        if rows is None or slot in rows.inner or not strides[0]:
            return pointer
        return self.b.offset(pointer, rows.start, strides[0] * size)

    def _clear(self) -> None:
        """What entries are added to begins at the number that changes nothing."""
        empty = prod(self.space) == 0
        for k, s in enumerate(self.written):
            if s.reduction is None or self._is_added(s.target):
                continue
            if empty or self._accumulates(k):
                count = prod(self.graph.shapes[s.target])
                if self.rows is not None:
                    count = count // self.nest.space[0] * self.rows.count
                fill(
                    self.b, self._base(s.target, s.places, 0), self.types[s.target], count,
                    REDUCTIONS[s.reduction].identity, self.lanes,
                )  # fmt: skip

    def _is_added(self, slot: int) -> bool:
        return self.rows is not None and slot in self.rows.summed

    def _accumulates(self, k: int) -> bool:
        """Is the target's memory read again while the loops run?"""
        if self.written[k].reduction is None:
            return False
        if self._is_added(self.written[k].target):
            return True
        strides, depth = self.write_strides[k], self.depth[k]
        return any(strides[axis] == 0 for axis in range(depth))

    # ------------------------------------------------ one loop

    def _level(
        self, axis: int, bases: Sequence[Value], targets: Sequence[Value]
    ) -> dict[int, Value]:
        """The loops from an axis on; gives what is reduced over all of them."""
        b = self.b
        if axis == len(self.space) - 1:
            return self._vectors(bases, targets)
        carried = [k for k in range(len(self.written)) if self.depth[k] <= axis]

        def inside(index: Value, totals: tuple[Value, ...]) -> list[Value]:
            here = self._moved(bases, self.reads, self.read_strides, axis, index)
            there = self._moved(targets, self.written, self.write_strides, axis, index)
            found = self._level(axis + 1, here, there)
            self._finish(axis + 1, found, there)
            return [
                self._reduction(k).combine(total, found[k])
                for k, total in zip(carried, totals, strict=True)
            ]

        first = [
            b.constant(self._reduction(k).identity, self.types[self.written[k].target])
            for k in carried
        ]
        ends = b.loop(0, self.space[axis], 1, inside, first)
        return dict(zip(carried, ends, strict=True))

    def _moved(
        self,
        pointers: Sequence[Value],
        of: Sequence[_Place | Statement],
        strides: Sequence[Strides],
        axis: int,
        index: Value,
    ) -> list[Value]:
        b = self.b
        moved: list[Value] = []
        for pointer, what, steps in zip(pointers, of, strides, strict=True):
            slot = what.slot if isinstance(what, _Place) else what.target
            step = steps[axis]
            size = self.types[slot].size
            moved.append(b.offset(pointer, index, step * size) if step else pointer)
        return moved

    def _reduction(self, k: int) -> Reduction:
        name = self.written[k].reduction
        assert name is not None
        return REDUCTIONS[name]

    def _finish(self, depth: int, found: Mapping[int, Value], targets: Sequence[Value]) -> None:
        """Write what is complete at a depth."""
        b = self.b
        for k, value in found.items():
            if self.depth[k] == depth:
                slot, total = self.written[k].target, value
                if slot in self.registers.held:
                    self.registers.entries[slot] = [value.as_mask()]
                    continue
                if self._accumulates(k):
                    total = self._reduction(k).combine(b.load(value.type, targets[k]), value)
                b.store(total, targets[k])

    # ------------------------------------------------ vectors

    def _vectors(self, bases: Sequence[Value], targets: Sequence[Value]) -> dict[int, Value]:
        """The innermost loop, in parts of whole vectors where it is short and simple."""
        count = self.space[-1]
        parts = [count]
        if count % self.lanes and count < _LONG * self.lanes and self._simple:
            left = count % self.lanes
            parts = [count - left] if count > left else []
            parts += [1 << k for k in reversed(range(left.bit_length())) if left >> k & 1]
        found = self._vectors_of(parts[0], bases, targets)
        for k, size in enumerate(parts[1:], 1):
            start = self.b.constant(sum(parts[:k]), I64)
            here = self._moved(bases, self.reads, self.read_strides, -1, start)
            there = self._moved(targets, self.written, self.write_strides, -1, start)
            more = self._vectors_of(size, here, there)
            found = {j: self._reduction(j).combine(found[j], more[j]) for j in found}
        return found

    @cached_property
    def _simple(self) -> bool:
        """Are there few statements, without calls?"""
        if len(self.statements) > _SIMPLE:
            return False
        b = Module(Features()).function("tried", ())
        entries = [Value(b, "poison", self.types[p.slot].of(2)) for p in self.reads]
        self._body(b, entries, 2)
        return not b.module.called

    def _vectors_of(
        self, count: int, bases: Sequence[Value], targets: Sequence[Value]
    ) -> dict[int, Value]:
        last = len(self.space) - 1
        lanes = min(self.lanes, 1 << max(count.bit_length() - 1, 0))
        reads = [
            Stream(base, self.types[p.slot], strides[-1])
            for base, p, strides in zip(bases, self.reads, self.read_strides, strict=True)
        ]
        reduced = [k for k in range(len(self.written)) if self.depth[k] <= last]
        adding = [
            k for k, s in enumerate(self.written)
            if k not in reduced and (s.adds or self._accumulates(k))
        ]  # fmt: skip
        plain = [k for k in range(len(self.written)) if k not in reduced and k not in adding]

        def stream(k: int) -> Stream:
            of = self.types[self.written[k].target]
            return Stream(targets[k], of, self.write_strides[k][-1] or 1)

        def body(entries: Sequence[Value]) -> tuple[list[Value], list[Value]]:
            results = self._body(self.b, entries, lanes if lanes > 1 else 0)
            stored = [results[k].as_bytes() for k in (*plain, *adding)]
            return stored, [results[k] for k in reduced]

        short = bool(reduced) and len(self.statements) <= _SHORT
        totals = vector_loop(
            self.b, count, reads, [stream(k) for k in plain], body, lanes=self.lanes,
            reductions=[
                (self._reduction(k), self.types[self.written[k].target]) for k in reduced
            ],
            adds=[stream(k) for k in adding],
            unroll=_UNROLLED if short and count >= 2 * _UNROLLED * self.lanes else 1,
        )  # fmt: skip
        return dict(zip(reduced, totals, strict=True))

    def _body(self, b: Builder, entries: Sequence[Value], width: int) -> dict[int, Value]:
        """The statements for some entries; gives what is written, by number."""
        lanes = Lanes(b, width, self.graph.real)
        given = {
            (p.slot, p.strides, p.offset): entry.as_mask()
            for p, entry in zip(self.reads, entries, strict=True)
        }
        held = self.registers.entries
        registers = {
            a.slot: b.spread(held[a.slot][0], width)
            for s in self.statements for a in s.reads if a.slot in self.registers.held
        }  # fmt: skip
        numbers = {id(s): k for k, s in enumerate(self.written)}
        results: dict[int, Value] = {}
        for s in self.statements:
            value = s.write(lanes, *[self._read(a, given, registers) for a in s.reads])
            if s.maps:
                registers[s.target] = value
            if id(s) in numbers:
                results[numbers[id(s)]] = value
        return results

    def _read(
        self,
        access: Access,
        given: Mapping[tuple[int, Strides, int], Value],
        registers: Mapping[int, Value],
    ) -> Value:
        if access.slot in registers and (
            self.nest.holds(access) or access.slot in self.registers.held
        ):
            return registers[access.slot]
        return given[access.slot, access.strides, access.offset]


def simplified(space: Shape, strides: Sequence[Strides]) -> tuple[Shape, list[Strides]]:
    """The space without axes of one entry, and axes that everything goes through as one merged."""
    axes = [k for k, n in enumerate(space) if n != 1]
    sizes = [space[k] for k in axes]
    columns = [[s[k] for s in strides] for k in axes]
    k = 0
    while k + 1 < len(sizes):
        following = sizes[k + 1]
        if all(a == c * following for a, c in zip(columns[k], columns[k + 1], strict=True)):
            sizes[k : k + 2] = [sizes[k] * following]
            del columns[k]
        else:
            k += 1
    if not sizes:
        sizes, columns = [1], [[0] * len(strides)]
    return tuple(sizes), [tuple(c[j] for c in columns) for j in range(len(strides))]


def _depth(space: Shape, strides: Strides) -> int:
    """The first axis from which on all are reduced."""
    depth = len(space)
    while depth and strides[depth - 1] == 0:
        depth -= 1
    return depth


def fill(b: Builder, where: Value, type_: Type, count: int, number: float, lanes: int) -> None:
    """Write one number into so many entries."""
    few = min(lanes, 1 << max(count.bit_length() - 1, 0))

    def body(entries: Sequence[Value]) -> tuple[list[Value], list[Value]]:
        return [b.constant(number, type_.of(few if few > 1 else 0))], []

    vector_loop(b, count, [], [Stream(where, type_)], body, lanes=lanes)
