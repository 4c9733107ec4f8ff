"""Branches as native code, and the results of loops and branches."""

from __future__ import annotations

from dataclasses import dataclass

from wengert.backends.native.builder import Value
from wengert.backends.native.plans.inside import Lowers, Program, program_of, room_for
from wengert.backends.native.plans.statements import Layout, Shape, Whole, Writer, row_major
from wengert.backends.native.types import Type
from wengert.plan.instructions import Branch, Item


@dataclass(frozen=True)
class _Choice(Whole):
    """The program that an index chooses."""

    index: Layout
    index_type: Type
    programs: tuple[Program, ...]
    targets: tuple[int, ...]
    room: int

    @property
    def reads(self) -> tuple[int, ...]:
        """The index, and what the programs read."""
        return (self.index.slot, *(c.place.slot for p in self.programs for c in p.constants))

    @property
    def writes(self) -> tuple[int, ...]:
        """Results and the room."""
        return (*self.targets, self.room)

    @property
    def weight(self) -> int:
        """That of all programs."""
        return 1 + sum(p.weight for p in self.programs)

    def write(self, writer: Writer) -> None:
        """Write forks, each of half of the programs."""
        b = writer.b
        place = b.offset(writer.memory[self.index.slot], self.index.offset, self.index_type.size)
        index = b.load(self.index_type, place)

        def write(first: int, last: int) -> tuple[Value, ...]:
            if first == last:
                return self._write(writer, first)
            middle = (first + last) // 2
            b.branch(index <= middle, lambda: write(first, middle), lambda: write(middle + 1, last))
            return ()

        write(0, len(self.programs) - 1)

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
        program_of(low, f"{graph.name}{i.target}_{k}_", body, (), i.operands)
        for k, body in enumerate(i.programs)
    )
    inner = programs[0].arrangement
    targets = tuple(
        graph.new(inner.graph.shapes[slot], inner.graph.types[slot]) for slot in inner.given
    )
    room, _ = room_for(low, max(p.arrangement.size for p in programs))
    low.tuples[i.target] = list(targets)
    graph.works.append(_Choice(graph.layouts[index], graph.types[index], programs, targets, room))


def lower_item(low: Lowers, i: Item) -> None:
    """One of the results of a loop or branch: where it is."""
    graph = low.graph
    slot = low.tuples[i.source][i.index]
    shape: Shape = graph.shapes[slot]
    graph.view(i.target, shape, Layout(slot, row_major(shape)), graph.types[slot])
