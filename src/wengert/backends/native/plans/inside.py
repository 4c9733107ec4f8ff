"""Programs inside: the graphs of what loops and branches run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from wengert.backends.native.builder import Value
from wengert.backends.native.layout import DTYPES
from wengert.backends.native.plans.arranging import Arranged, arranged
from wengert.backends.native.plans.blocking import groups_of
from wengert.backends.native.plans.grouping import weight_of
from wengert.backends.native.plans.memory import in_lines
from wengert.backends.native.plans.sources import is_known
from wengert.backends.native.plans.statements import Graph, Layout, Writer
from wengert.backends.native.types import I8, PTR, Type
from wengert.backends.numpy_steps import step_of
from wengert.plan.instructions import Body, Input, Instruction, Prepare


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


@dataclass(frozen=True)
class Constant:
    """A value from outside: where it is there, and the slot inside that stands for it."""

    place: Layout
    inside: int
    size: int

    def at(self, writer: Writer) -> Value:
        """Its address."""
        return writer.b.offset(writer.memory[self.place.slot], self.place.offset, self.size)


@dataclass(frozen=True)
class Program:
    """A program: its graph in order, the slots of its arguments, and the constants among them.

    An argument has no slot if the program does not read it from memory.
    """

    arrangement: Arranged
    arguments: tuple[int | None, ...]
    constants: tuple[Constant, ...]

    @property
    def weight(self) -> int:
        """How long its code is, in statements."""
        whole = (*self.arrangement.before, *self.arrangement.parts)
        return sum(weight_of(g) for part in whole for g in groups_of(part))

    def outside(self, writer: Writer) -> dict[int, Value]:
        """Where the constants are."""
        return {c.inside: c.at(writer) for c in self.constants}


def program_of(
    low: Lowers, name: str, body: Body, varying: Sequence[Layout | None], constants: Sequence[int]
) -> Program:
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
        Constant(outer.layouts[slot], inside, outer.types[slot].size)
        for slot, inside in zip(constants, arguments[count:], strict=True)
        if inside is not None
    )
    return Program(found, tuple(arguments), held)


def room_for(low: Lowers, *sizes: int) -> tuple[int, list[int]]:
    """A slot for memory to work in, and where in it each part begins."""
    begins, total = in_lines(sizes)
    return low.graph.new((total,), I8), begins
