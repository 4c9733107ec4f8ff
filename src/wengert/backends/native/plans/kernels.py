"""A segment of a plan as one function: groups in order, and where their values are.

Values that are needed only while the function runs lie in the arena, memory that all functions
share: a function holds the GIL from its first instruction to its last, so that no two of them run
at the same time.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from wengert.backends.native import blas
from wengert.backends.native.builder import Builder, Module, Value
from wengert.backends.native.plans.grouping import Group, Nest, grouped, in_memory, read_from_memory
from wengert.backends.native.plans.nests import write_nest
from wengert.backends.native.plans.products import write_product
from wengert.backends.native.plans.statements import Graph, Product
from wengert.backends.native.types import I64, PTR

_LINE = 64  # bytes that values are aligned to


@dataclass(frozen=True)
class Kernel:
    """What was written: the symbols that it needs, and the bytes of the arena."""

    name: str
    routines: frozenset[str]
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
    graph: Graph, groups: Sequence[Group], local: set[int], same: Mapping[int, int]
) -> tuple[dict[int, int], int]:
    """Offsets in the arena; memory is used again after the last group that needs it."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for k, group in enumerate(groups):
        written = [group.target] if isinstance(group, Product) else [
            s.target for s in group.statements
        ]  # fmt: skip
        for slot in (*written, *read_from_memory(group)):
            root = same.get(slot, slot)
            if root in local:
                first.setdefault(root, k)
                last[root] = k
    offsets: dict[int, int] = {}
    taken: list[tuple[int, int, int]] = []  # last group, begin, end
    top = 0
    for slot in sorted(first, key=lambda s: first[s]):
        size = prod(graph.shapes[slot]) * graph.types[slot].size
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
    given = _given_out(graph, set(inputs), outputs)
    groups = grouped(graph)
    same = _continued(groups)
    b = module.function(name, [PTR] * (len(inputs) + len(outputs)), I64, internal=True)
    memory: dict[int, Value] = dict(zip([*inputs, *given], b.parameters, strict=True))
    for slot, base in same.items():  # an output that continues another slot is where it is
        if slot in memory:
            memory[base] = memory[slot]
    local = {same.get(s, s) for s in in_memory(groups, given)} - memory.keys()
    offsets, size = _places(graph, groups, local, same)
    if offsets:
        start = module.external(b, "arena")
        memory.update({slot: b.offset(start, offset) for slot, offset in offsets.items()})
    memory.update({slot: memory[base] for slot, base in same.items() if base in memory})
    routines = {r for group in groups if (r := _write_group(b, group, memory, graph, width))}
    b.give(b.constant(0, I64))
    return Kernel(name, frozenset(routines), size)


def _given_out(graph: Graph, inputs: set[int], outputs: Sequence[int]) -> list[int]:
    """The slots whose memory are the results: each an array of its own, without gaps."""
    taken = set(inputs)
    given: list[int] = []
    for output in outputs:
        slot = output
        if slot in graph.constants:
            slot = graph.copy(slot)
        root = graph.layouts[slot].slot
        if not graph.in_a_row(slot) or root in taken or prod(graph.shapes[root]) != prod(
            graph.shapes[slot]
        ):  # fmt: skip
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


def _write_group(
    b: Builder, group: Group, memory: Mapping[int, Value], graph: Graph, width: int
) -> str | None:
    if isinstance(group, Nest):
        write_nest(b, group, memory, graph, width)
        return None
    type_ = graph.types[group.target]
    return write_product(
        b, group, memory[group.left], memory[group.right], memory[group.target], type_,
        width // type_.size,
    )  # fmt: skip


def symbols_of(kernels: Sequence[Kernel]) -> tuple[dict[str, int], tuple[object, ...]]:
    """The addresses that kernels need, and what keeps them valid."""
    names = sorted({name for kernel in kernels for name in kernel.routines})
    symbols = blas.addresses(names)
    size = max((kernel.arena for kernel in kernels), default=0)
    if not size:
        return symbols, ()
    address, buffer = arena(size)
    return {**symbols, "arena": address}, (buffer,)
