"""A segment of a plan as one function: groups in order, and where their values are.

Values that are needed only while the function runs lie in the arena, memory that all functions
share: a function holds the GIL from its first instruction to its last, so that no two of them run
at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from wengert.backends.native import blas
from wengert.backends.native.builder import Builder, Module, Value
from wengert.backends.native.plans.blocking import Block, Part, blocked, written_by
from wengert.backends.native.plans.grouping import (
    MOST,
    Group,
    Nest,
    grouped,
    in_memory,
    read_from_memory,
)
from wengert.backends.native.plans.nests import REDUCTIONS, Rows, fill, write_nest
from wengert.backends.native.plans.products import write_product
from wengert.backends.native.plans.statements import Graph, Product
from wengert.backends.native.types import I64, PTR, VOID

_LINE = 64  # bytes that values are aligned to


@dataclass(frozen=True)
class Kernel:
    """What was written: the routines and known arrays that it needs, and bytes of the arena."""

    name: str
    routines: frozenset[str]
    tables: Mapping[int, Any]
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
            if len(self._buffer) < size + _LINE:
                self._buffer = np.empty(1 << (size + _LINE - 1).bit_length(), np.uint8)
            return self._buffer


_ARENA = _Arena()


def arena(size: int) -> tuple[int, Any]:
    """The address of so many bytes, aligned, and what keeps them."""
    buffer = _ARENA.of(size)
    return -(-buffer.ctypes.data // _LINE) * _LINE, buffer


def _places(
    graph: Graph, parts: Sequence[Part], local: set[int], same: Mapping[int, int]
) -> tuple[dict[int, int], int]:
    """Offsets in the arena; memory is used again after the last part that needs it."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    share: dict[int, tuple[int, int]] = {}
    for k, part in enumerate(parts):
        for group in part.groups if isinstance(part, Block) else (part,):
            for slot in (*written_by(group), *read_from_memory(group)):
                root = same.get(slot, slot)
                if root in local:
                    first.setdefault(root, k)
                    last[root] = k
        if isinstance(part, Block):
            share.update(dict.fromkeys(part.inner, (part.step, part.rows)))
    offsets: dict[int, int] = {}
    taken: list[tuple[int, int, int]] = []  # last group, begin, end
    top = 0
    for slot in sorted(first, key=lambda s: first[s]):
        some, rows = share.get(slot, (1, 1))
        size = prod(graph.shapes[slot]) // rows * some * graph.types[slot].size
        size = max(-(-size // _LINE) * _LINE, _LINE)
        begin = 0
        for _, low, high in sorted((t for t in taken if t[0] >= first[slot]), key=lambda t: t[1]):
            if begin + size <= low:
                break
            begin = max(begin, high)
        offsets[slot] = begin
        taken.append((last[slot], begin, begin + size))
        top = max(top, begin + size)
    return offsets, top


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
    given = _given_out(graph, {*inputs, *graph.tables}, outputs)
    groups = grouped(graph)
    same = _continued(groups)
    parts = blocked(groups, graph, given)
    named = [*inputs, *given]
    outside = {*named, *(base for slot, base in same.items() if slot in set(given))}
    local = {same.get(s, s) for s in in_memory(groups, given)} - outside - graph.tables.keys()
    offsets, size = _places(graph, parts, local, same)
    pointers = [PTR] * len(named)
    whole = module.function(name, pointers, I64, internal=True)
    chunks = list(_chunks(parts))
    routines: set[str] = set()
    for k, chunk in enumerate(chunks):
        b = whole
        if len(chunks) > 1:
            b = module.function(f"{name}_{k}", pointers, internal=True)
            whole.call(b.name, VOID, *whole.parameters)
        memory = _memory(b, named, offsets, same)
        memory.update({s: module.external(b, table_name(s)) for s in graph.tables})
        writer = _Writer(b, memory, graph, width)
        for part in chunk:
            writer.write(part)
        routines |= writer.routines
        if b is not whole:
            b.give()
    whole.give(whole.constant(0, I64))
    return Kernel(name, frozenset(routines), graph.tables, size)


def table_name(slot: int) -> str:
    """The symbol of a known array."""
    return f"table_{slot}"


def _memory(
    b: Builder, named: Sequence[int], offsets: Mapping[int, int], same: Mapping[int, int]
) -> dict[int, Value]:
    """Where slots are, in a function of the pointers to those that are named."""
    memory: dict[int, Value] = dict(zip(named, b.parameters, strict=True))
    for slot, base in same.items():  # a result that continues another slot is where it is
        if slot in memory:
            memory[base] = memory[slot]
    if offsets:
        start = b.module.external(b, "arena")
        memory.update({slot: b.offset(start, offset) for slot, offset in offsets.items()})
    memory.update({slot: memory[base] for slot, base in same.items() if base in memory})
    return memory


def _chunks(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Parts for one function each: the time to compile one grows faster than its length."""
    chunk: list[Part] = []
    size = 0
    for part in parts:
        chunk.append(part)
        groups = part.groups if isinstance(part, Block) else (part,)
        size += sum(len(g.statements) if isinstance(g, Nest) else 1 for g in groups)
        if size >= MOST:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _given_out(graph: Graph, inputs: set[int], outputs: Sequence[int]) -> list[int]:
    """The slots whose memory are the results: each an array of its own, without gaps."""
    taken = set(inputs)
    given: list[int] = []
    for output in outputs:
        slot = output
        if slot in graph.constants:
            slot = graph.copy(slot)
        root = graph.layouts[slot].slot
        whole = prod(graph.shapes[root]) == prod(graph.shapes[slot])
        if root in taken or not whole or not graph.in_a_row(slot) or graph.layouts[slot].offset:
            root = slot = graph.copy(slot)
        taken.add(root)
        given.append(root)
    return given


def _continued(groups: Sequence[Group]) -> dict[int, int]:
    """For slots that continue another one's memory, the first of them."""
    same: dict[int, int] = {}
    for group in groups:
        if isinstance(group, Nest):
            for s in group.statements:
                if s.into is not None:
                    same[s.target] = same.get(s.into, s.into)
    return same


@dataclass
class _Writer:
    b: Builder
    memory: Mapping[int, Value]
    graph: Graph
    width: int
    routines: set[str] = field(default_factory=set[str])

    def write(self, part: Part) -> None:
        """Write a group, or a block of them."""
        if isinstance(part, Nest):
            write_nest(self.b, part, self.memory, self.graph, self.width)
        elif isinstance(part, Product):
            self._product(part, None)
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
            else:
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


def _beginnings(group: Group, summed: Collection[int]) -> Iterator[tuple[int, float]]:
    """What the slots that are added up begin with."""
    if isinstance(group, Product):
        if group.target in summed:
            yield group.target, 0.0
        return
    for s in group.statements:
        if s.target in summed and s.reduction is not None:
            yield s.target, REDUCTIONS[s.reduction].identity


def symbols_of(kernels: Sequence[Kernel]) -> tuple[dict[str, int], tuple[object, ...]]:
    """The addresses that kernels need, and what keeps them valid."""
    names = sorted({name for kernel in kernels for name in kernel.routines})
    symbols = blas.addresses(names)
    keep: list[object] = []
    for kernel in kernels:
        for slot, array in kernel.tables.items():
            symbols[table_name(slot)] = array.ctypes.data
            keep.append(array)
    size = max((kernel.arena for kernel in kernels), default=0)
    if size:
        symbols["arena"], buffer = arena(size)
        keep.append(buffer)
    return symbols, tuple(keep)
