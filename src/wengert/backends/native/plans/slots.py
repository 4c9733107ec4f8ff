"""Slots of a graph, and the statements that write them entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from wengert.backends.native.layout import DTYPES
from wengert.backends.native.plans.inside import Cell
from wengert.backends.native.plans.sources import partners, scaled
from wengert.backends.native.plans.statements import Graph, Layout, Shape, row_major
from wengert.backends.native.types import F64, I8, I64, Type
from wengert.plan.instructions import Instruction, Labels


class Slots:
    """Makes slots and statements of a graph.

    Parameters
    ----------
    real : Type
        Of real numbers.
    instructions, gives : sequence
        What is lowered, and the slots that are its results.
    """

    def __init__(
        self, real: Type, instructions: Sequence[Instruction] = (), gives: Sequence[int] = ()
    ) -> None:
        self.graph = Graph(real)
        self.memo: dict[Any, int] = {}
        self.runs: dict[Any, tuple[int, ...]] = {}
        self.real = real
        self.tuples: dict[int, list[int]] = {}
        self.tapes: dict[int, Cell] = {}
        self.outside: set[int] = set()
        self._types = {"real": real, "double": F64, "int": I64, "bool": I8}
        self._scaled = scaled(instructions, gives)
        self._partners = partners(instructions, gives)

    def type_of(self, kind: str) -> Type:
        """Of "real", "int" or "bool"."""
        return self._types[kind]

    def enter(self, slot: int, shape: Shape, kind: str) -> None:
        """A value that comes from outside."""
        self.outside.add(slot)
        self.graph.enter(slot, shape, self._types[kind])

    def know(self, slot: int, array: Any, kind: str) -> None:
        """A value that is known."""
        self.graph.enter(slot, array.shape, self._types[kind])
        dtype = DTYPES[self._types[kind]]
        self.graph.tables[slot] = np.ascontiguousarray(array, dtype).reshape(array.shape)

    def _in_memory_order(self, slot: int, labels: Labels) -> Labels:
        """Distinct labels, that of the longest step in memory first."""
        steps: dict[int, int] = {}
        for x, step in zip(labels, self.graph.layouts[slot].strides, strict=True):
            steps[x] = steps.get(x, 0) + step
        return tuple(sorted(steps, key=lambda x: -abs(steps[x])))

    def in_a_row(self, slot: int) -> int:
        """A slot whose entries lie in memory without gaps."""
        stored = self.stored(slot)
        return stored if self.graph.in_a_row(stored) else self.graph.copy(stored)

    def stored(self, slot: int) -> int:
        """A slot that is in memory: constants are written into it when they are needed so."""
        graph = self.graph
        if slot in graph.constants:
            value = graph.constants.pop(slot)
            graph.constant(slot, value)
        return slot

    def map(
        self,
        target: int,
        sources: Sequence[int],
        write: Callable[..., Any],
        axes: Sequence[Sequence[int]] | None = None,
    ) -> None:
        """Write a function of sources, entry by entry; ``axes[k]`` are those of source k."""
        graph = self.graph
        space = graph.shapes[target]
        places = axes or [range(len(space))] * len(sources)
        reads, filled = self.accesses(sources, places, len(space), write)
        graph.statement(target, space, reads, filled)

    def free_map(
        self,
        target: int,
        shape: Shape,
        sources: Sequence[int],
        write: Callable[..., Any],
        type_: Type,
        axes: Sequence[Sequence[int]],
    ) -> None:
        """Write a new slot entry by entry, in the order in which the sources lie in memory."""
        graph = self.graph
        order = self._common_order(shape, sources, axes)
        if order == tuple(range(len(shape))):
            graph.enter(target, shape, type_)
            self.map(target, sources, write, axes)
            return
        made = graph.new(tuple(shape[k] for k in order), type_)
        place = {axis: k for k, axis in enumerate(order)}
        self.map(made, sources, write, [[place[k] for k in own] for own in axes])
        steps = graph.layouts[made].strides
        strides = tuple(steps[place[k]] for k in range(len(shape)))
        graph.view(target, shape, Layout(made, strides), type_)

    def _common_order(
        self, shape: Shape, sources: Sequence[int], axes: Sequence[Sequence[int]]
    ) -> tuple[int, ...]:
        """The axes in the order of the sources that have all of them, if these agree."""
        graph, plain = self.graph, tuple(range(len(shape)))
        if len(plain) < 2:
            return plain
        found = set[tuple[int, ...]]()
        for slot, own in zip(sources, axes, strict=True):
            if slot in graph.constants or prod(graph.shapes[slot]) != prod(shape):
                continue
            steps = graph.access(slot, own, len(shape)).strides
            order = tuple(sorted(plain, key=lambda k: (shape[k] != 1, -steps[k])))
            dense = row_major(tuple(shape[k] for k in order))
            if any(shape[k] != 1 and steps[k] != d for k, d in zip(order, dense, strict=True)):
                return plain
            found.add(order if any(steps[k] != s for k, s in enumerate(row_major(shape))
                                   if shape[k] != 1) else plain)  # fmt: skip
        return found.pop() if len(found) == 1 else plain

    def mapped(
        self, write: Callable[..., Any], *values: int, kind: str = "real", last: bool = False
    ) -> int:
        """A function entry by entry, in a new slot.

        Shorter shapes are those of the first axes, or of the ``last``.
        """
        graph = self.graph
        key = write, values, kind, last
        if key in self.memo:
            return self.memo[key]
        shape = max((graph.shapes[v] for v in values), key=len)
        self.memo[key] = target = graph.new(shape, self._types[kind])
        skipped = [len(shape) - len(graph.shapes[v]) if last else 0 for v in values]
        axes = [
            [k + axis for axis in range(len(graph.shapes[v]))]
            for k, v in zip(skipped, values, strict=True)
        ]
        self.map(target, values, write, axes)
        return target

    def accesses(
        self,
        sources: Sequence[int],
        axes: Sequence[Sequence[int]],
        rank: int,
        write: Callable[..., Any],
    ) -> tuple[list[Any], Callable[..., Any]]:
        """Reads of what is in memory, and the writer with the constants filled in."""
        graph = self.graph
        constants = {k: graph.constants[s] for k, s in enumerate(sources) if s in graph.constants}
        reads = [
            graph.access(s, own, rank)
            for k, (s, own) in enumerate(zip(sources, axes, strict=True))
            if k not in constants
        ]
        if not constants:
            return reads, write
        count, real = len(sources), self.real

        def filled(lanes: Any, *entries: Any) -> Any:
            given = iter(entries)
            return write(lanes, *[
                lanes.constant(constants[k], real) if k in constants else next(given)
                for k in range(count)
            ])  # fmt: skip

        return reads, filled

    def reduce(
        self,
        target: int,
        space: Shape,
        reads: Sequence[Any],
        write: Callable[..., Any],
        labels: Labels,
        out: Labels,
        name: str = "sum",
    ) -> None:
        """Write entries that are put together over the labels that are not in ``out``."""
        strides = dict(zip(out, row_major(self.graph.shapes[target]), strict=True))
        places = tuple(strides.get(x, 0) for x in labels)
        reduction = None if set(labels) <= set(out) else name
        self.graph.statement(target, space, reads, write, places, reduction)
