"""Loops and branches as native code.

The program of a step is a graph of its own, whose groups are written into the loop. What it reads
is where it is: items of sequences in the sequence, constants outside, and carries in one of two
buffers, of which a step reads one and writes the other, or in the record of their values if that
is wanted. Outputs are written into the stacked array. What depends on constants only is computed
before the loop.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np

from wengert.backends.native.builder import Value
from wengert.backends.native.callables import DTYPES, INTERRUPTED, REALLOCATE
from wengert.backends.native.plans.arranging import LINE, Arranged, arranged
from wengert.backends.native.plans.blocking import groups_of
from wengert.backends.native.plans.grouping import weight_of
from wengert.backends.native.plans.sources import is_known
from wengert.backends.native.plans.statements import Graph, Layout, Shape, Whole, Writer, row_major
from wengert.backends.native.types import I1, I8, I32, I64, PTR, Type
from wengert.backends.native.vectors import Stream, vector_loop
from wengert.backends.numpy_steps import step_of
from wengert.plan.instructions import Body, Branch, Input, Instruction, Item, Loop, Prepare

STACKED = frozenset(("output", "record"))  # kinds of results
_TAPE = 64  # entries that there is room for at first
_PATIENCE = 1 << 20  # operations between two looks whether the user has interrupted
_OWN = 50  # operations that a step counts at least


@dataclass(frozen=True)
class Cell:
    """Where the address of a tape is: in the entry ``number`` of a table."""

    table: int
    number: int

    def at(self, writer: Writer) -> Value:
        """The tape's address."""
        b = writer.b
        return b.load(PTR, b.offset(writer.memory[self.table], 8 * self.number))


class Lowers(Protocol):
    """A lowering, as loops see it."""

    graph: Graph
    real: Type
    tuples: dict[int, list[int]]
    tapes: dict[int, Cell]

    def within(self, name: str, body: Body) -> Lowers:
        """The lowering of a program inside."""
        ...

    def type_of(self, kind: str) -> Type:
        """Of "real", "int" or "bool"."""
        ...

    def know(self, slot: int, array: Any, kind: str) -> None:
        """A value that is known."""
        ...

    def lower(self, i: Instruction) -> None:
        """Add an instruction's statements."""
        ...

    def stored(self, slot: int) -> int:
        """A slot that is in memory."""
        ...

    def in_a_row(self, slot: int) -> int:
        """A slot whose entries lie in memory without gaps."""
        ...


# ---------------------------------------------------------------- programs inside


@dataclass(frozen=True)
class _Constant:
    """A value from outside: where it is there, and the slot inside that stands for it."""

    place: Layout
    inside: int
    size: int

    def at(self, writer: Writer) -> Value:
        """Its address."""
        return writer.b.offset(writer.memory[self.place.slot], self.place.offset, self.size)


@dataclass(frozen=True)
class _Program:
    """A program: its graph in order, the slots of its arguments, and the constants among them.

    An argument has no slot if the program does not read it from memory.
    """

    arrangement: Arranged
    arguments: tuple[int | None, ...]
    constants: tuple[_Constant, ...]

    @property
    def weight(self) -> int:
        """How long its code is, in statements."""
        whole = (*self.arrangement.before, *self.arrangement.parts)
        return sum(weight_of(g) for part in whole for g in groups_of(part))

    def outside(self, writer: Writer) -> dict[int, Value]:
        """Where the constants are."""
        return {c.inside: c.at(writer) for c in self.constants}


def _program(
    low: Lowers, name: str, body: Body, varying: Sequence[Layout | None], constants: Sequence[int]
) -> _Program:
    """Lower a program.

    Parameters
    ----------
    varying : sequence of (Layout or None)
        How the arguments that change from step to step lie in memory; None without gaps.
    constants : sequence of int
        The slots outside of the other arguments.
    """
    outer, inner = low.graph, low.within(name, body)
    graph = inner.graph
    inputs = {i.name: i for i in body.plan.instructions if isinstance(i, Input)}
    layouts = [*varying, *(outer.layouts[slot] for slot in constants)]
    numbers = [None] * len(varying) + [outer.constants.get(slot) for slot in constants]
    arguments: list[int | None] = []
    for argument, layout, number in zip(body.arguments, layouts, numbers, strict=True):
        i = inputs.get(argument)
        arguments.append(None if i is None or number is not None else i.target)
        if i is None:
            continue
        graph.enter(i.target, i.shape, inner.type_of(i.dtype))
        if number is not None:
            graph.constants[i.target] = number
        elif layout is not None:
            graph.layouts[i.target] = Layout(i.target, layout.strides)
    for i in body.plan.instructions:
        if is_known(i):
            value = np.asarray(step_of(i, np.dtype(DTYPES[low.real]))([]))
            inner.know(i.target, value, i.node.dtype)
        elif not isinstance(i, Input | Prepare):
            inner.lower(i)
    count = len(varying)
    found = arranged(
        graph,
        [a for a in arguments if a is not None],
        body.plan.outputs,
        [a for a in arguments[:count] if a is not None],
    )
    outer.inner += [graph, *graph.inner]
    held = tuple(
        _Constant(outer.layouts[slot], inside, outer.types[slot].size)
        for slot, inside in zip(constants, arguments[count:], strict=True)
        if inside is not None
    )
    return _Program(found, tuple(arguments), held)


def _room(low: Lowers, *sizes: int) -> tuple[int, list[int]]:
    """A slot for memory to work in, and where in it each part begins."""
    begins: list[int] = []
    total = 0
    for size in sizes:
        begins.append(total)
        total += -(-size // LINE) * LINE
    return low.graph.new((total,), I8), begins


def _dropped(layout: Layout) -> Layout:
    """How an item of a sequence lies in memory."""
    return Layout(layout.slot, layout.strides[1:])


# ---------------------------------------------------------------- loops


@dataclass(frozen=True)
class _Carry:
    """A carry: its slots in the programs, and where it begins, is kept and ends outside.

    ``ends`` is the slot of its last value, or None for room of its own, at ``room``; ``other`` is
    where the second buffer is. ``tape`` is where the record is if its length is not known.
    """

    begins: Layout
    count: int
    type: Type
    inside: int | None
    deciding: int | None
    following: int
    record: int | None
    tape: Cell | None
    ends: int | None
    room: int
    other: int

    @property
    def bytes(self) -> int:
        """Of one value."""
        return self.count * self.type.size


@dataclass(frozen=True)
class _Items:
    """Items of a sequence, or outputs: the array, how far they are apart, and the slot inside.

    A tape is where its cell says.
    """

    place: Layout
    inside: int
    size: int
    cell: Cell | None

    @property
    def slot(self) -> int:
        """What has to be there before."""
        return self.place.slot if self.cell is None else self.cell.table

    def at(self, writer: Writer, index: Value) -> Value:
        """Where an item is."""
        b = writer.b
        start = writer.memory[self.place.slot] if self.cell is None else self.cell.at(writer)
        begin = b.offset(start, self.place.offset, self.size)
        step = self.place.strides[0] * self.size
        return b.offset(begin, index, step) if step else begin


@dataclass(frozen=True)
class _Steps(Whole):
    """A loop."""

    body: _Program
    decide: _Program | None
    carries: tuple[_Carry, ...]
    sequences: tuple[_Items, ...]
    outputs: tuple[_Items, ...]
    count: Layout | None
    length: int | None
    reverse: bool
    steps: int | None
    room: int
    begins: tuple[int, int, int]
    patience: int
    tapes: tuple[tuple[Cell, int], ...]

    @property
    def reads(self) -> tuple[int, ...]:
        programs = (self.body,) if self.decide is None else (self.body, self.decide)
        return (
            *(() if self.count is None else (self.count.slot,)),
            *(c.begins.slot for c in self.carries),
            *(s.slot for s in self.sequences),
            *(c.place.slot for p in programs for c in p.constants),
        )

    @property
    def writes(self) -> tuple[int, ...]:
        kept = [s for c in self.carries for s in (c.record, c.ends) if s is not None]
        steps = () if self.steps is None else (self.steps,)
        tables = tuple(cell.table for cell, _ in self.tapes[:1])
        outputs = (o.slot for o in self.outputs)
        return (*dict.fromkeys((*kept, *outputs, *steps, *tables)), self.room)

    @property
    def weight(self) -> int:
        return 2 + self.body.weight + (0 if self.decide is None else self.decide.weight)

    def write(self, writer: Writer) -> None:
        _LoopWriter(self, writer).write()


def lower_loop(low: Lowers, i: Loop) -> None:
    """A loop."""
    graph, n = low.graph, len(i.inits)
    inits = [low.in_a_row(s) for s in i.inits]
    sequences = [low.stored(s) for s in i.sequences]
    items = [_dropped(graph.layouts[s]) for s in sequences]
    name = f"{graph.name}{i.target}_"
    body = _program(low, name, i.body, [*[None] * n, *items], i.constants)
    decide = None
    if i.decide is not None:
        decide = _program(low, f"{name}d", i.decide, [None] * n, i.constants)
    results: dict[tuple[str, int], int] = {}
    low.tuples[i.target] = []
    taped: list[int] = []
    for r in i.results:
        stacked = (1 if i.length is None else i.length,) if r.kind in STACKED else ()
        slot = graph.new((*stacked, *r.shape), low.type_of(r.dtype))
        low.tuples[i.target].append(slot)
        results[r.kind, r.index] = slot
        if stacked and i.length is None:
            taped.append(slot)
    tapes = _tapes(low, taped)
    sizes = [_bytes(graph, s) for s in inits]
    working = 0 if decide is None else decide.arrangement.size
    room, rooms = _room(
        low, body.arrangement.size, working, LINE, *(s for size in sizes for s in (size, size))
    )
    given = body.arrangement.given
    carries = tuple(
        _Carry(
            begins=graph.layouts[init],
            count=prod(graph.shapes[init]),
            type=graph.types[init],
            inside=body.arguments[k],
            deciding=None if decide is None else decide.arguments[k],
            following=given[k],
            record=results.get(("record", k)),
            tape=low.tapes.get(results.get(("record", k), -1)),
            ends=results.get(("final", k)),
            room=rooms[3 + 2 * k],
            other=rooms[4 + 2 * k],
        )
        for k, init in enumerate(inits)
    )
    read = tuple(
        _Items(graph.layouts[s], inside, graph.types[s].size, low.tapes.get(graph.layouts[s].slot))
        for s, inside in zip(sequences, body.arguments[n : n + len(sequences)], strict=True)
        if inside is not None
    )
    written = tuple(
        _Items(graph.layouts[s], slot, graph.types[s].size, low.tapes.get(s))
        for k, slot in enumerate(given[n:])
        for s in [results["output", k]]
    )
    count = None if i.count is None else graph.layouts[low.stored(i.count)]
    graph.works.append(
        _Steps(
            body, decide, carries, read, written, count, i.length, i.reverse,
            results.get(("steps", 0)), room, (rooms[0], rooms[1], rooms[2]), _patience(i),
            tapes,
        )
    )  # fmt: skip


def _tapes(low: Lowers, slots: Sequence[int]) -> tuple[tuple[Cell, int], ...]:
    """Tapes for stacks whose length is not known, with the bytes of an entry.

    Their table has the number of entries that there is room for, that of entries that were
    written, then the addresses.
    """
    graph = low.graph
    if not slots:
        return ()
    table = graph.new((2 + len(slots),), I64)
    graph.tables[table] = _memory_of_tapes(2 + len(slots))
    found: list[tuple[Cell, int]] = []
    for k, slot in enumerate(slots):
        low.tapes[slot] = Cell(table, k + 2)
        found.append((low.tapes[slot], max(_bytes(graph, slot), 1)))
    return tuple(found)


def _memory_of_tapes(count: int) -> Any:
    """A table of addresses; what they point to goes with it."""
    cells: Any = (ctypes.c_int64 * count)()
    table: Any = np.frombuffer(cells, np.int64)
    weakref.finalize(table, _free, cells).atexit = False
    return table


def _free(cells: Any) -> None:
    for address in cells[2:]:
        ctypes.pythonapi.PyMem_RawFree(ctypes.c_void_p(address))


def _bytes(graph: Graph, slot: int) -> int:
    return prod(graph.shapes[slot]) * graph.types[slot].size


def _patience(i: Loop) -> int:
    """The steps, a power of two, between two looks at interruptions; 0 if there need be none."""
    step = _OWN + sum(j.flops + j.size for body in i.bodies for j in body.plan.instructions)
    if i.length is not None and i.length * step < _PATIENCE:
        return 0
    return 1 << max(_PATIENCE // step, 1).bit_length() - 1


class _LoopWriter:
    def __init__(self, loop: _Steps, writer: Writer) -> None:
        self.loop, self.writer, self.b = loop, writer, writer.b
        memory = writer.memory
        room = memory[loop.room]
        self.body_room, self.decide_room, self.answer = (
            self.b.offset(room, begin) for begin in loop.begins
        )
        carries = loop.carries
        self.inits = [
            self.b.offset(memory[c.begins.slot], c.begins.offset, c.type.size) for c in carries
        ]
        self.ends = [
            self.b.offset(room, c.room) if c.ends is None else memory[c.ends] for c in carries
        ]
        self.others = [self.b.offset(room, c.other) for c in carries]
        self.records: list[Value | None] = [None] * len(carries)
        self.body_outside = loop.body.outside(writer)
        self.decide_outside = {} if loop.decide is None else loop.decide.outside(writer)

    def write(self) -> None:
        loop, b = self.loop, self.b
        self._before(loop.body, self.body_outside, self.body_room)
        if loop.decide is not None:
            self._before(loop.decide, self.decide_outside, self.decide_room)
            if not loop.tapes:
                self.records = [self._record(c) for c in loop.carries]
            self._while()
            return
        count = self._count()
        self._check(count)
        if loop.tapes:
            self._make_room(count)
            self._note(count)
        self.records = [self._record(c) for c in loop.carries]
        first = b.constant(0, I64) if not loop.reverse else count - 1
        self._begin_records(count, first)
        fixed = self._fixed()
        if fixed == 0:
            for k in range(len(loop.carries)):
                self._copy(k, self.inits[k], self.ends[k])
            return

        def inside(t: Value, pointers: tuple[Value, ...]) -> list[Value]:
            index = count - 1 - t if loop.reverse else t
            return self._step(t, index, count, pointers)

        last = b.loop(0, count, 1, inside, self._first(count, first))
        self._end(last)
        if fixed is None and loop.length is not None:
            self._fill_zeros(count)

    def _record(self, c: _Carry) -> Value | None:
        """Where the values of a carry are written."""
        if c.tape is not None:
            return c.tape.at(self.writer)
        return None if c.record is None else self.writer.memory[c.record]

    # ------------------------------------------------ how many steps

    def _fixed(self) -> int | None:
        """The number of steps if it is known."""
        loop = self.loop
        return loop.length if loop.count is None and loop.decide is None else None

    def _count(self) -> Value:
        b, loop = self.b, self.loop
        if loop.count is None:
            assert loop.length is not None
            return b.constant(loop.length, I64)
        count = b.load(I64, b.offset(self.writer.memory[loop.count.slot], loop.count.offset, 8))
        count = b.select(count > 0, count, 0)
        if loop.length is not None:
            count = b.select(count < loop.length, count, loop.length)
        return count

    # ------------------------------------------------ a step

    def _before(self, program: _Program, outside: Mapping[int, Value], room: Value) -> None:
        """What does not vary."""
        arrangement = program.arrangement
        memory = arrangement.memory(self.b, outside, room)
        self.writer.inner(arrangement.graph, arrangement.before, memory)

    def _first(self, count: Value, index: Value) -> list[Value]:
        """For each carry, where it is now and where its next value goes."""
        b, fixed = self.b, self._fixed()
        pointers: list[Value] = []
        for k, c in enumerate(self.loop.carries):
            record = self.records[k]
            if record is None:
                odd = fixed is None or fixed % 2 == 1
                pointers += [self.inits[k], self.ends[k] if odd else self.others[k]]
                continue
            at = b.offset(record, index, c.bytes) if c.bytes else record
            pointers.append(at if fixed is not None else b.select(count > 0, at, self.inits[k]))
        return pointers

    def _step(self, t: Value, index: Value, count: Value, pointers: Sequence[Value]) -> list[Value]:
        """One step; gives where carries are after it, and where their next values go."""
        loop, b, writer = self.loop, self.b, self.writer
        self._look(t)
        outside = dict(self.body_outside)
        outside.update({s.inside: s.at(writer, index) for s in loop.sequences})
        outside.update({o.inside: o.at(writer, index) for o in loop.outputs})
        following: list[Value] = []
        given = iter(pointers)
        for k, c in enumerate(loop.carries):
            now, record = next(given), self.records[k]
            if record is None:
                target = next(given)
                odd = self._fixed() is None or (self._fixed() or 0) % 2 == 1
                other = self.others[k] if odd else self.ends[k]
                following += [target, b.select(t.equals(0), other, now)]
            else:
                later = index - 1 if loop.reverse else index + 1
                at = b.offset(record, later, c.bytes) if c.bytes else record
                target = b.select(t < count - 1, at, self.ends[k])
                following.append(target)
            outside[c.following] = target
            if c.inside is not None:
                outside[c.inside] = now
        arrangement = loop.body.arrangement
        memory = arrangement.memory(b, outside, self.body_room)
        writer.inner(arrangement.graph, arrangement.parts, memory)
        return following

    def _look(self, t: Value) -> None:
        """Has the user interrupted? Asked every so many steps."""
        b, often = self.b, self.loop.patience
        if not often:
            return

        def ask() -> tuple[Value, ...]:
            self.writer.routines.add(INTERRUPTED)
            found = b.call(INTERRUPTED, I32)
            self.writer.leave(found.differs(0), 2)
            return ()

        b.branch((t & (often - 1)).equals(often - 1), ask)

    # ------------------------------------------------ before and after

    def _begin_records(self, count: Value, index: Value) -> None:
        """The first value of each record."""
        recorded = [k for k, record in enumerate(self.records) if record is not None]
        if not recorded:
            return

        def copy() -> tuple[Value, ...]:
            for k in recorded:
                record, size = self.records[k], self.loop.carries[k].bytes
                assert record is not None
                at = self.b.offset(record, index, size) if size else record
                self._copy(k, self.inits[k], at)
            return ()

        if _number(count) is None:
            self.b.branch(count > 0, copy)
        elif _number(count):
            copy()

    def _end(self, pointers: Sequence[Value]) -> None:
        """The last values, where they are wanted."""
        b = self.b
        given = iter(pointers)
        for k, c in enumerate(self.loop.carries):
            now = next(given)
            if self.records[k] is None:
                next(given)
            if c.ends is not None and self._fixed() is None:
                b.branch(now.differs(self.ends[k]), self._copying(k, now, self.ends[k]))

    def _copying(self, k: int, source: Value, target: Value) -> Callable[[], tuple[Value, ...]]:
        def copy() -> tuple[Value, ...]:
            self._copy(k, source, target)
            return ()

        return copy

    def _copy(self, k: int, source: Value, target: Value) -> None:
        c = self.loop.carries[k]
        vector_loop(
            self.b, c.count, [Stream(source, c.type)], [Stream(target, c.type)],
            lambda entries: (entries, ()), lanes=self.writer.width // c.type.size,
        )  # fmt: skip

    def _fill_zeros(self, count: Value) -> None:
        """What is stacked is zero after the last step."""
        b, loop, memory = self.b, self.loop, self.writer.memory
        stacked = [(r, c.bytes) for r, c in zip(self.records, loop.carries, strict=True) if r]
        stacked += [(memory[o.place.slot], o.place.strides[0] * o.size) for o in loop.outputs]
        for start, size in stacked:

            def zero(index: Value, carried: tuple[Value, ...], start: Value = start) -> Any:
                b.store(b.constant(0, I8), b.offset(start, index))
                return carried

            b.loop(count * size, b.constant((loop.length or 0) * size, I64), 1, zero)

    # ------------------------------------------------ while

    def _while(self) -> None:
        b, loop = self.b, self.loop
        limit = loop.length
        zero = b.constant(0, I64)
        largest = b.constant(limit if limit is not None else (1 << 63) - 1, I64)
        self._begin_records(largest, zero)
        first: list[Value] = []
        for k in range(len(loop.carries)):
            record = self.records[k]
            if record is None:
                first += [self.inits[k], self.ends[k]]
            else:
                first.append(record if limit != 0 else self.inits[k])

        def goes_on(carried: tuple[Value, ...]) -> Value:
            t, *pointers = carried
            if limit is None:
                return self._decide(pointers)
            (answer,) = b.branch(
                t < limit, lambda: [self._decide(pointers)], lambda: [b.constant(0, I1)]
            )
            return answer

        def inside(carried: tuple[Value, ...]) -> list[Value]:
            t, *pointers = carried
            if loop.tapes:
                self._tape(t, pointers)
            return [t + 1, *self._step(t, t, largest, pointers)]

        count, *last = b.repeat(goes_on, inside, [zero, *first])
        self._end(last)
        if loop.tapes:
            self._note(count)
        if limit is not None:
            self._fill_zeros(count)
        if loop.steps is not None:
            b.store(count, self.writer.memory[loop.steps])

    # ------------------------------------------------ tapes

    def _tape(self, t: Value, pointers: Sequence[Value]) -> None:
        """Write down the carries before a step."""
        b = self.b
        self._make_room(t + 1)
        for k, c in enumerate(self.loop.carries):
            if c.tape is not None:
                start = c.tape.at(self.writer)
                self._copy(k, pointers[2 * k], b.offset(start, t, c.bytes) if c.bytes else start)

    def _note(self, count: Value) -> None:
        """How many entries the tapes have."""
        b = self.b
        b.store(count, b.offset(self.writer.memory[self.loop.tapes[0][0].table], 8))

    def _check(self, count: Value) -> None:
        """Tapes that are read have as many entries as there are steps; else NumPy says so."""
        b = self.b
        for table in dict.fromkeys(s.cell.table for s in self.loop.sequences if s.cell):
            entries = b.load(I64, b.offset(self.writer.memory[table], 8))
            self.writer.leave(entries.differs(count), 1)

    def _make_room(self, count: Value) -> None:
        """Room for so many entries on each tape; it is kept for the next call."""
        b, tapes = self.b, self.loop.tapes
        table = self.writer.memory[tapes[0][0].table]
        room = b.load(I64, table)

        def grow() -> tuple[Value, ...]:
            twice = b.select(room > 0, room << 1, _TAPE)
            wanted = b.select(twice < count, count, twice)
            self.writer.routines.add(REALLOCATE)
            for cell, size in tapes:
                place = b.offset(table, 8 * cell.number)
                found = b.call(REALLOCATE, PTR, b.load(PTR, place), wanted * size)
                self.writer.leave(found.equals(0), 1)
                b.store(found, place)
            b.store(wanted, table)
            return ()

        b.branch(count > room, grow)

    def _decide(self, pointers: Sequence[Value]) -> Value:
        """Is the next step made?"""
        b, program = self.b, self.loop.decide
        assert program is not None
        outside = dict(self.decide_outside)
        given = iter(pointers)
        for k, c in enumerate(self.loop.carries):
            now = next(given)
            if self.records[k] is None:
                next(given)
            if c.deciding is not None:
                outside[c.deciding] = now
        arrangement = program.arrangement
        outside[arrangement.given[0]] = self.answer
        memory = arrangement.memory(b, outside, self.decide_room)
        self.writer.inner(arrangement.graph, arrangement.parts, memory)
        return b.load(I8, self.answer).differs(0)


def _number(value: Value) -> int | None:
    """A constant's number."""
    return int(value.text) if value.text.lstrip("-").isdigit() else None


# ---------------------------------------------------------------- branches


@dataclass(frozen=True)
class _Choice(Whole):
    """The program that an index chooses."""

    index: Layout
    index_type: Type
    programs: tuple[_Program, ...]
    targets: tuple[int, ...]
    room: int

    @property
    def reads(self) -> tuple[int, ...]:
        return (self.index.slot, *(c.place.slot for p in self.programs for c in p.constants))

    @property
    def writes(self) -> tuple[int, ...]:
        return (*self.targets, self.room)

    @property
    def weight(self) -> int:
        return 1 + sum(p.weight for p in self.programs)

    def write(self, writer: Writer) -> None:
        b = writer.b
        place = b.offset(writer.memory[self.index.slot], self.index.offset, self.index_type.size)
        index = b.load(self.index_type, place)

        def write(k: int) -> tuple[Value, ...]:
            if k < len(self.programs) - 1:
                b.branch(index <= k, lambda: self._write(writer, k), lambda: write(k + 1))
                return ()
            return self._write(writer, k)

        write(0)

    def _write(self, writer: Writer, k: int) -> tuple[Value, ...]:
        program = self.programs[k]
        arrangement = program.arrangement
        outside = program.outside(writer)
        for slot, target in zip(arrangement.given, self.targets, strict=True):
            outside[slot] = writer.memory[target]
        memory = arrangement.memory(writer.b, outside, writer.memory[self.room])
        for parts in (arrangement.before, arrangement.parts):
            writer.inner(arrangement.graph, parts, memory)
        return ()


def lower_branch(low: Lowers, i: Branch) -> None:
    """A branch."""
    graph = low.graph
    index = low.stored(i.index)
    programs = tuple(
        _program(low, f"{graph.name}{i.target}_{k}_", body, (), i.operands)
        for k, body in enumerate(i.programs)
    )
    inner = programs[0].arrangement
    targets = tuple(
        graph.new(inner.graph.shapes[slot], inner.graph.types[slot]) for slot in inner.given
    )
    room, _ = _room(low, max(p.arrangement.size for p in programs))
    low.tuples[i.target] = list(targets)
    graph.works.append(_Choice(graph.layouts[index], graph.types[index], programs, targets, room))


def lower_item(low: Lowers, i: Item) -> None:
    """One of the results of a loop or branch: where it is."""
    graph = low.graph
    slot = low.tuples[i.source][i.index]
    shape: Shape = graph.shapes[slot]
    graph.view(i.target, shape, Layout(slot, row_major(shape)), graph.types[slot])
