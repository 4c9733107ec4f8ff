"""Loops as native code.

The program of a step is a graph of its own, whose groups are written into the loop. What it reads
is where it is: items of sequences in the sequence, constants outside, and carries in registers if
they are a few numbers (:mod:`wengert.backends.native.plans.holding`), else in the record of their
values if that is wanted, or in one of two buffers, of which a step reads one and writes the other.
Outputs are written into the stacked array. What depends on constants only is computed before the
loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from wengert.backends.native.builder import Value
from wengert.backends.native.layout import INTERRUPTED, REALLOCATE
from wengert.backends.native.plans.holding import load_entries, store_entries
from wengert.backends.native.plans.inside import Cell, Program
from wengert.backends.native.plans.nests import Registers
from wengert.backends.native.plans.statements import Layout, Whole, Writer
from wengert.backends.native.types import I1, I8, I32, I64, PTR, Type
from wengert.backends.native.vectors import Stream, vector_loop

_TAPE = 64  # entries that there is room for at first


@dataclass(frozen=True)
class Carry:
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
    held: bool

    @property
    def bytes(self) -> int:
        """Of one value."""
        return self.count * self.type.size


@dataclass(frozen=True)
class Items:
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
class Steps(Whole):
    """A loop.

    Attributes
    ----------
    body, decide : Program
        A step, and whether to make it.
    carries, sequences, outputs
        What goes through it.
    count : Layout or None
        Where the number of steps is, if it is not ``length``.
    length : int or None
        The most steps there are; None if that is not known.
    steps : int or None
        The slot that the number of steps is written to.
    room : int
        Memory to work in: ``begins`` says where in it are what ``body`` and ``decide`` need, and
        the answer of ``decide``.
    patience : int
        The steps between two looks at interruptions; 0 if there need be none.
    tapes : tuple of (Cell, int)
        Stacks of unknown length, and the bytes of an entry.
    held : tuple of (frozenset of int)
        The slots of ``body`` and of ``decide`` that are held in registers.
    """

    body: Program
    decide: Program | None
    carries: tuple[Carry, ...]
    sequences: tuple[Items, ...]
    outputs: tuple[Items, ...]
    count: Layout | None
    length: int | None
    reverse: bool
    steps: int | None
    room: int
    begins: tuple[int, int, int]
    patience: int
    tapes: tuple[tuple[Cell, int], ...]
    held: tuple[frozenset[int], frozenset[int]]

    @property
    def reads(self) -> tuple[int, ...]:
        """What the programs read, and where carries begin."""
        programs = (self.body,) if self.decide is None else (self.body, self.decide)
        return (
            *(() if self.count is None else (self.count.slot,)),
            *(c.begins.slot for c in self.carries),
            *(s.slot for s in self.sequences),
            *(c.place.slot for p in programs for c in p.constants),
        )

    @property
    def writes(self) -> tuple[int, ...]:
        """Results, tables of tapes and the room."""
        kept = [s for c in self.carries for s in (c.record, c.ends) if s is not None]
        steps = () if self.steps is None else (self.steps,)
        tables = tuple(cell.table for cell, _ in self.tapes[:1])
        outputs = (o.slot for o in self.outputs)
        return (*dict.fromkeys((*kept, *outputs, *steps, *tables)), self.room)

    @property
    def weight(self) -> int:
        """That of the programs, and of the loop."""
        return 2 + self.body.weight + (0 if self.decide is None else self.decide.weight)

    def write(self, writer: Writer) -> None:
        """Write the loop."""
        _LoopWriter(self, writer).write()


class _LoopWriter:
    def __init__(self, loop: Steps, writer: Writer) -> None:
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
            self._makeroom_for(count)
            self._note(count)
        self.records = [self._record(c) for c in loop.carries]
        first = b.constant(0, I64) if not loop.reverse else count - 1
        self._begin_records(count, first)
        fixed = self._fixed()
        if fixed == 0:
            for k in range(len(loop.carries)):
                self._copy(k, self.inits[k], self.ends[k])
            return

        def inside(t: Value, state: tuple[Value, ...]) -> list[Value]:
            index = count - 1 - t if loop.reverse else t
            return self._step(t, index, count, state)

        last = b.loop(0, count, 1, inside, self._first(count, first))
        self._end(last)
        if fixed is None and loop.length is not None:
            self._fill_zeros(count)

    def _record(self, c: Carry) -> Value | None:
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

    def _before(self, program: Program, outside: Mapping[int, Value], room: Value) -> None:
        """What does not vary."""
        arrangement = program.arrangement
        memory = arrangement.memory(self.b, outside, room)
        self.writer.inner(arrangement.graph, arrangement.before, memory)

    def _first(self, count: Value, index: Value) -> list[Value]:
        """What is known of each carry before the first step: see :meth:`_parted`."""
        b, fixed = self.b, self._fixed()
        state: list[Value] = []
        for k, c in enumerate(self.loop.carries):
            record = self.records[k]
            if c.held:
                state += load_entries(b, self.inits[k], c.count, c.type)
            elif record is None:
                odd = fixed is None or fixed % 2 == 1
                state += [self.inits[k], self.ends[k] if odd else self.others[k]]
            else:
                at = b.offset(record, index, c.bytes) if c.bytes else record
                state.append(at if fixed is not None else b.select(count > 0, at, self.inits[k]))
        return state

    def _parted(self, state: Sequence[Value]) -> list[list[Value]]:
        """For each carry: its entries if it is held; else where it is, and where the next goes.

        The latter is not there for one on record.
        """
        given = iter(state)
        return [
            list(islice(given, c.count if c.held else 1 if record else 2))
            for c, record in zip(self.loop.carries, self.records, strict=True)
        ]

    def _step(self, t: Value, index: Value, count: Value, state: Sequence[Value]) -> list[Value]:
        """One step; gives what is known of each carry after it."""
        loop, b, writer = self.loop, self.b, self.writer
        self._look(t)
        outside = dict(self.body_outside)
        outside.update({s.inside: s.at(writer, index) for s in loop.sequences})
        outside.update({o.inside: o.at(writer, index) for o in loop.outputs})
        following: list[list[Value]] = []
        targets: list[Value | None] = []
        registers = Registers(loop.held[0])
        for k, (c, now) in enumerate(zip(loop.carries, self._parted(state), strict=True)):
            target, record = None, self.records[k]
            if record is not None:
                later = index - 1 if loop.reverse else index + 1
                at = b.offset(record, later, c.bytes) if c.bytes else record
                target = b.select(t < count - 1, at, self.ends[k])
                following.append([target])
            elif not c.held:
                target = now[1]
                odd = self._fixed() is None or (self._fixed() or 0) % 2 == 1
                other = self.others[k] if odd else self.ends[k]
                following.append([target, b.select(t.equals(0), other, now[0])])
            else:
                following.append([])
            targets.append(target)
            if c.held:
                registers.begin(c.inside, now)
                continue
            assert target is not None
            outside[c.following] = target
            if c.inside is not None:
                outside[c.inside] = now[0]
        arrangement = loop.body.arrangement
        memory = arrangement.memory(b, outside, self.body_room)
        writer.inner(arrangement.graph, arrangement.parts, memory, registers)
        for k, (c, target) in enumerate(zip(loop.carries, targets, strict=True)):
            if c.held:
                following[k] = registers.entries[c.following]
                if target is not None:
                    store_entries(b, following[k], target, c.type)
        return [value for values in following for value in values]

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

    def _end(self, state: Sequence[Value]) -> None:
        """The last values, where they are wanted."""
        b = self.b
        for k, (c, now) in enumerate(zip(self.loop.carries, self._parted(state), strict=True)):
            if c.ends is None:
                continue
            if c.held:
                store_entries(b, now, self.ends[k], c.type)
            elif self._fixed() is None:
                b.branch(now[0].differs(self.ends[k]), self._copying(k, now[0], self.ends[k]))

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

            def zero(index: Value, start: Value = start) -> None:
                b.store(b.constant(0, I8), b.offset(start, index))

            b.each(count * size, (loop.length or 0) * size, 1, zero)

    # ------------------------------------------------ while

    def _while(self) -> None:
        b, loop = self.b, self.loop
        limit = loop.length
        zero = b.constant(0, I64)
        largest = b.constant(limit if limit is not None else (1 << 63) - 1, I64)
        self._begin_records(largest, zero)
        first = self._first(largest, zero)

        def goes_on(carried: tuple[Value, ...]) -> Value:
            t, *state = carried
            if limit is None:
                return self._decide(state)
            (answer,) = b.branch(
                t < limit, lambda: [self._decide(state)], lambda: [b.constant(0, I1)]
            )
            return answer

        def inside(carried: tuple[Value, ...]) -> list[Value]:
            t, *state = carried
            if loop.tapes:
                self._tape(t, state)
            return [t + 1, *self._step(t, t, largest, state)]

        count, *last = b.repeat(goes_on, inside, [zero, *first])
        self._end(last)
        if loop.tapes:
            self._note(count)
        if limit is not None:
            self._fill_zeros(count)
        if loop.steps is not None:
            b.store(count, self.writer.memory[loop.steps])

    # ------------------------------------------------ tapes

    def _tape(self, t: Value, state: Sequence[Value]) -> None:
        """Write down the carries before a step."""
        b = self.b
        self._makeroom_for(t + 1)
        for k, (c, now) in enumerate(zip(self.loop.carries, self._parted(state), strict=True)):
            if c.tape is None:
                continue
            start = c.tape.at(self.writer)
            at = b.offset(start, t, c.bytes) if c.bytes else start
            if c.held:
                store_entries(b, now, at, c.type)
            else:
                self._copy(k, now[0], at)

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

    def _makeroom_for(self, count: Value) -> None:
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

    def _decide(self, state: Sequence[Value]) -> Value:
        """Is the next step made?"""
        b, program = self.b, self.loop.decide
        assert program is not None
        outside = dict(self.decide_outside)
        registers = Registers(self.loop.held[1])
        for c, now in zip(self.loop.carries, self._parted(state), strict=True):
            if c.held:
                registers.begin(c.deciding, now)
            elif c.deciding is not None:
                outside[c.deciding] = now[0]
        arrangement = program.arrangement
        outside[arrangement.given[0]] = self.answer
        memory = arrangement.memory(b, outside, self.decide_room)
        self.writer.inner(arrangement.graph, arrangement.parts, memory, registers)
        return b.load(I8, self.answer).differs(0)


def _number(value: Value) -> int | None:
    """A constant's number."""
    return int(value.text) if value.text.lstrip("-").isdigit() else None
