"""A segment of a plan as one function: groups in order, and where their values are.

Values that are needed only while the function runs lie in the arena, memory that all functions
share: a function holds the GIL from its first instruction to its last, so that no two of them run
at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from wengert.backends.native import blas
from wengert.backends.native.builder import Builder, Module, Value
from wengert.backends.native.callables import of_python
from wengert.backends.native.plans.arranging import LINE, arranged, table_name
from wengert.backends.native.plans.blocking import Block, Part, groups_of
from wengert.backends.native.plans.grouping import (
    MOST,
    Group,
    Nest,
    read_from_memory,
    weight_of,
    written_by,
)
from wengert.backends.native.plans.nests import REDUCTIONS, Rows, fill, write_nest
from wengert.backends.native.plans.products import write_product
from wengert.backends.native.plans.statements import Graph, Product, Whole
from wengert.backends.native.types import I64, PTR


@dataclass(frozen=True)
class Kernel:
    """What was written: the routines and known arrays that it needs, and bytes of the arena."""

    name: str
    routines: frozenset[str]
    tables: Mapping[str, Any]
    arena: int


# ---------------------------------------------------------------- memory


class _Arena:
    """The memory; what was given out once stays valid as long as someone keeps it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._buffer: Any = np.empty(0, np.uint8)

    def of(self, size: int) -> Any:
        """At least so many bytes."""
        with self._lock:
            if len(self._buffer) < size + LINE:
                self._buffer = np.empty(1 << (size + LINE - 1).bit_length(), np.uint8)
            return self._buffer


_ARENA = _Arena()


def arena(size: int) -> tuple[int, Any]:
    """The address of so many bytes, aligned, and what keeps them."""
    buffer = _ARENA.of(size)
    return -(-buffer.ctypes.data // LINE) * LINE, buffer


# ---------------------------------------------------------------- the function


def write_kernel(
    module: Module,
    name: str,
    graph: Graph,
    inputs: Sequence[int],
    outputs: Sequence[int],
    width: int,
) -> Kernel:
    """Write a function of pointers: to the inputs, then to the outputs.

    Parameters
    ----------
    graph : Graph
        What is computed. Copies to the outputs are added where they are needed.
    width : int
        Bytes of a vector.
    """
    arrangement = arranged(graph, inputs, outputs)
    named = [*inputs, *arrangement.given]
    pointers = [PTR] * len(named)
    whole = module.function(name, pointers, I64, internal=True)
    chunks = list(_chunks(arrangement.parts))
    routines: set[str] = set()
    ends = _Ends(whole)
    for k, chunk in enumerate(chunks):
        b = whole
        if len(chunks) > 1:
            b = module.function(f"{name}_{k}", pointers, I64, internal=True)
        outside = dict(zip(named, b.parameters, strict=True))
        start = module.external(b, "arena") if arrangement.size else None
        memory = arrangement.memory(b, outside, start)
        own = _Ends(b) if b is not whole else ends
        _Writer(own, memory, graph, width, routines).write_all(chunk)
        if own is not ends:
            own.close()
            ends.pass_on(whole.call(b.name, I64, *whole.parameters), own)
    ends.close()
    tables = {
        table_name(g, slot): array
        for g in (graph, *graph.inner)
        for slot, array in g.tables.items()
    }
    return Kernel(name, frozenset(routines), tables, arrangement.size)


def _chunks(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Parts for one function each: the time to compile one grows faster than its length."""
    chunk: list[Part] = []
    size = 0
    for part in parts:
        chunk.append(part)
        size += sum(weight_of(g) for g in groups_of(part))
        if size >= MOST:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


@dataclass
class _Ends:
    """How a function returns: with 0 at its end, or before it with a status."""

    b: Builder
    statuses: set[int] = field(default_factory=set[int])

    def leave(self, condition: Value, status: int) -> None:
        """Return a status if a condition holds."""
        self.statuses.add(status)
        self.b.leave_if(condition, f"status{status}")

    def pass_on(self, status: Value, called: _Ends) -> None:
        """Return what a function that was called returned, if it is not 0."""
        for expected in sorted(called.statuses):
            self.leave(status.equals(expected), expected)

    def close(self) -> None:
        """Write the ends."""
        self.b.give(self.b.constant(0, I64))
        for status in sorted(self.statuses):
            self.b.land(f"status{status}")
            self.b.give(self.b.constant(status, I64))


@dataclass
class _Writer:
    ends: _Ends
    memory: Mapping[int, Value]
    graph: Graph
    width: int
    routines: set[str]

    @property
    def b(self) -> Builder:
        return self.ends.b

    def leave(self, condition: Value, status: int) -> None:
        """Return a status from the whole kernel if a condition holds."""
        self.ends.leave(condition, status)

    def inner(self, graph: Graph, parts: Sequence[Part], memory: Mapping[int, Value]) -> None:
        """Write parts of another graph here; as functions if they are long."""
        chunks = list(_chunks(parts))
        if len(chunks) == 1:
            _Writer(self.ends, memory, graph, self.width, self.routines).write_all(parts)
            return
        for chunk in chunks:
            used = sorted(_used(chunk) & memory.keys())
            name = self.b.module.fresh(self.b.name)
            b = self.b.module.function(name, [PTR] * len(used), I64, internal=True)
            ends, where = _Ends(b), dict(zip(used, b.parameters, strict=True))
            _Writer(ends, where, graph, self.width, self.routines).write_all(chunk)
            ends.close()
            status = self.b.call(b.name, I64, *[memory[s] for s in used])
            self.ends.pass_on(status, ends)

    def write_all(self, parts: Iterable[Part]) -> None:
        """Write parts in their order."""
        for part in parts:
            self.write(part)

    def write(self, part: Part) -> None:
        """Write a group, or a block of them."""
        if isinstance(part, Nest):
            write_nest(self.b, part, self.memory, self.graph, self.width)
        elif isinstance(part, Product):
            self._product(part, None)
        elif isinstance(part, Whole):
            part.write(self)
        else:
            self._block(part)

    def _block(self, block: Block) -> None:
        b = self.b
        for group in block.groups:
            for slot, number in _beginnings(group, block.summed):
                type_ = self.graph.types[slot]
                count = prod(self.graph.shapes[slot])
                fill(b, self.memory[slot], type_, count, number, self.width // type_.size)
        left = block.rows % block.step

        def inside(start: Value, carried: tuple[Value, ...]) -> tuple[Value, ...]:
            self._rows(block, start, block.step)
            return carried

        b.loop(0, block.rows - left, block.step, inside)
        if left:
            self._rows(block, b.constant(block.rows - left, I64), left)

    def _rows(self, block: Block, start: Value, count: int) -> None:
        rows = Rows(start, count, block.inner, block.summed)
        for group in block.groups:
            if isinstance(group, Nest):
                write_nest(self.b, group, self.memory, self.graph, self.width, rows)
            elif isinstance(group, Product):
                self._product(group, rows)

    def _product(self, product: Product, rows: Rows | None) -> None:
        """Of some rows of the left factor, or of both if these are what is summed over."""
        type_ = self.graph.types[product.target]
        slots = (product.left, product.right, product.target)
        begins = (*product.offsets, 0)
        left, right, target = (
            self.b.offset(self.memory[s], begin, type_.size)
            for s, begin in zip(slots, begins, strict=True)
        )
        added = rows is not None and product.target in rows.summed
        if rows is not None:
            if added:
                lengths = [product.rows, product.columns, 0]
                product = replace(product, summed=rows.count)
            else:
                lengths = [product.summed, 0, product.columns]
                product = replace(product, rows=rows.count)
            left, right, target = (
                self._moved(self.memory[slot], slot, length, rows)
                for slot, length in zip(slots, lengths, strict=True)
            )
        lanes = self.width // type_.size
        self.routines.add(
            write_product(self.b, product, left, right, target, type_, lanes, added=added)
        )

    def _moved(self, place: Value, slot: int, length: int, rows: Rows) -> Value:
        if not length or slot in rows.inner:
            return place
        return self.b.offset(place, rows.start, length * self.graph.types[slot].size)


def _used(parts: Sequence[Part]) -> set[int]:
    """The slots that parts read and write."""
    groups = [g for part in parts for g in groups_of(part)]
    return {s for g in groups for s in (*read_from_memory(g), *written_by(g))}


def _beginnings(group: Group, summed: Collection[int]) -> Iterator[tuple[int, float]]:
    """What the slots that are added up begin with."""
    if not isinstance(group, Nest):
        yield from ((slot, 0.0) for slot in written_by(group) if slot in summed)
        return
    for s in group.statements:
        if s.target in summed and s.reduction is not None:
            yield s.target, REDUCTIONS[s.reduction].identity


def symbols_of(kernels: Sequence[Kernel]) -> tuple[dict[str, int], tuple[object, ...]]:
    """The addresses that kernels need, and what keeps them valid."""
    own = of_python()
    names = sorted({name for kernel in kernels for name in kernel.routines} - own.keys())
    symbols = {**blas.addresses(names), **own}
    keep: list[object] = []
    for kernel in kernels:
        for name, array in kernel.tables.items():
            symbols[name] = array.ctypes.data
            keep.append(array)
    size = max((kernel.arena for kernel in kernels), default=0)
    if size:
        symbols["arena"], buffer = arena(size)
        keep.append(buffer)
    return symbols, tuple(keep)
