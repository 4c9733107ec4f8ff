"""Small values that stay in registers while a loop runs.

A step of a recurrence waits for the one before it. Where its carries are a few numbers, to write
them to memory and to read them again takes as long as the arithmetic does. So they are held, entry
by entry, where only nests of few entries read and write them; other nests may read single numbers
and sum them up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from math import prod

from wengert.backends.native.builder import Builder, Value
from wengert.backends.native.plans.arranging import Arranged
from wengert.backends.native.plans.blocking import chunks, groups_of
from wengert.backends.native.plans.grouping import Nest, touched_by, written_by
from wengert.backends.native.plans.nests import REDUCTIONS, Lanes, Registers
from wengert.backends.native.plans.statements import Access, Graph, Shape, Statement
from wengert.backends.native.types import I1, Type

_FEW = 4  # entries of a value
_POINTS = 16  # entries of a nest that is written out
_LENGTH = 400  # statements that it becomes


def held_type(type_: Type) -> Type:
    """Of a number in a register: truth values are bits there."""
    return I1 if type_.kind == "i8" else type_


# ---------------------------------------------------------------- which


def holdable(
    arrangement: Arranged, given: Collection[int | None], kept: Collection[int]
) -> frozenset[int]:
    """The slots of the varying parts that may be held.

    Parameters
    ----------
    given : collection of (int or None)
        The inputs that are in registers when the parts begin, if they may be held.
    kept : collection of int
        Slots that have to be in memory.
    """
    graph, parts, roots = arrangement.graph, arrangement.parts, arrangement.same
    if len(list(chunks(parts))) > 1:  # functions of their own
        return frozenset()
    seen: set[int] = set()
    begun: set[int | None] = set(given)
    bad = {*kept, *graph.tables}
    for part in parts:
        touched = touched_by(groups_of(part))
        seen |= touched
        if isinstance(part, Nest):
            begun.update(written_by(part))
            bad |= _unfit(part, graph)
        else:
            bad |= touched
    bad |= {s for s in seen if s not in begun or not 0 < prod(graph.shapes[s]) <= _FEW}
    bad |= {roots[s] for s in bad if s in roots}
    return frozenset(s for s in seen if s not in bad and roots.get(s, s) not in bad)


def written_out(nest: Nest) -> bool:
    """Are there so few entries that each is written for itself?"""
    points = prod(nest.space)
    return 0 < points <= _POINTS and points * len(nest.statements) <= _LENGTH


def _unfit(nest: Nest, graph: Graph) -> set[int]:
    """What a nest uses in another way than as single numbers."""
    if written_out(nest):
        return set()
    found: set[int] = set()
    for s in nest.statements:
        found |= {a.slot for a in s.reads if not is_single(a) or prod(graph.shapes[a.slot]) != 1}
        if s.reduction is None or s.into is not None or any(s.places) or not prod(nest.space):
            found |= {s.target} if s.into is None else {s.target, s.into}
    return found


def is_single(access: Access) -> bool:
    """Is it the first entry, wherever one is in the space?"""
    return not access.offset and not any(access.strides)


# ---------------------------------------------------------------- writing


def write_out(
    b: Builder, nest: Nest, memory: Mapping[int, Value], graph: Graph, registers: Registers
) -> None:
    """Write a nest entry by entry."""
    _Points(b, nest, memory, graph, registers).write()


class _Points:
    def __init__(
        self,
        b: Builder,
        nest: Nest,
        memory: Mapping[int, Value],
        graph: Graph,
        registers: Registers,
    ) -> None:
        self.b, self.nest, self.memory, self.graph = b, nest, memory, graph
        self.registers, self.entries = registers, registers.entries
        self.lanes = Lanes(b, 0, graph.real)
        self.totals: dict[tuple[int, int], Value] = {}

    def write(self) -> None:
        statements = self.nest.statements
        for s in statements:
            self._begin(s)
        for point in product(*map(range, self.nest.space)):
            here: dict[int, Value] = {}
            for k, s in enumerate(statements):
                value = s.write(self.lanes, *[self._read(a, point, here) for a in s.reads])
                if s.maps:
                    here[s.target] = value
                place = _place(s.places, s.offset, point)
                if s.reduction is not None:
                    total = self.totals.get((k, place))
                    if total is not None:
                        value = REDUCTIONS[s.reduction].combine(total, value)
                    self.totals[k, place] = value
                else:
                    self._write(s, place, value)
        for (k, place), value in self.totals.items():
            self._write(statements[k], place, value)

    def _begin(self, s: Statement) -> None:
        """Room for the entries of what is held."""
        if s.target not in self.registers.held:
            return
        unknown = self.b.zero(held_type(self.graph.types[s.target]))
        given = self.entries[s.into] if s.into is not None else None
        count = prod(self.graph.shapes[s.target])
        self.entries[s.target] = list(given) if given is not None else [unknown] * count

    def _read(self, access: Access, point: Shape, here: Mapping[int, Value]) -> Value:
        if access.slot in here and self.nest.holds(access):
            return here[access.slot]
        place = _place(access.strides, access.offset, point)
        if access.slot in self.registers.held:
            return self.entries[access.slot][place]
        return self._load(access.slot, place)

    def _load(self, slot: int, place: int) -> Value:
        type_ = self.graph.types[slot]
        pointer = self.b.offset(self.memory[slot], place, type_.size)
        return self.b.load(type_, pointer).as_mask()

    def _write(self, s: Statement, place: int, value: Value) -> None:
        held = s.target in self.registers.held
        if s.adds:
            value += self.entries[s.target][place] if held else self._load(s.target, place)
        if held:
            self.entries[s.target][place] = value.as_mask()
        elif s.target in self.memory:
            type_ = self.graph.types[s.target]
            at = self.b.offset(self.memory[s.target], place, type_.size)
            self.b.store(value.as_bytes(), at)


def _place(steps: Sequence[int], offset: int, point: Shape) -> int:
    return offset + sum(step * k for step, k in zip(steps, point, strict=True))


def load_entries(b: Builder, pointer: Value, count: int, type_: Type) -> list[Value]:
    """Entries from memory into registers."""
    return [b.load(type_, b.offset(pointer, k, type_.size)).as_mask() for k in range(count)]


def store_entries(b: Builder, entries: Sequence[Value], pointer: Value, type_: Type) -> None:
    """Entries from registers into memory."""
    for k, entry in enumerate(entries):
        b.store(entry.as_bytes(), b.offset(pointer, k, type_.size))
