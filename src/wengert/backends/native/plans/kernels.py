"""A segment of a plan as one function: groups in order, and where their values are.

Values that are needed only while the function runs lie in the arena
(:mod:`wengert.backends.native.needs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from wengert.backends.native import blas
from wengert.backends.native.builder import Builder, Module, Value
from wengert.backends.native.needs import Needs
from wengert.backends.native.plans.arranging import arranged, table_name
from wengert.backends.native.plans.blocking import Block, Part, chunks, groups_of
from wengert.backends.native.plans.dividing import Divided, used_by
from wengert.backends.native.plans.grouping import Nest, touched_by
from wengert.backends.native.plans.holding import write_out, written_out
from wengert.backends.native.plans.nests import Registers, Rows, write_nest
from wengert.backends.native.plans.pieces import begin_sums, write_pieces, write_steps
from wengert.backends.native.plans.products import is_halved, mirror, write_product
from wengert.backends.native.plans.statements import Access, Contraction, Graph, Product, Whole
from wengert.backends.native.plans.tiles import tiling, write_tiles
from wengert.backends.native.types import I32, I64, PTR, VOID

_TOLD = 8192  # multiplications of a product from which on BLAS might take several threads


@dataclass(frozen=True)
class Kernel:
    """What was written: the routines and known arrays that it needs, and bytes of the arena.

    ``cut`` are the slots that are written in pieces, and ``seat`` is how many bytes more each
    thread needs for itself; None if there is one thread only.
    """

    name: str
    routines: frozenset[str]
    tables: Mapping[str, Any]
    arena: int
    seat: int | None
    cut: frozenset[int]


# ---------------------------------------------------------------- the function


def write_kernel(
    module: Module,
    name: str,
    graph: Graph,
    inputs: Sequence[int],
    outputs: Sequence[int],
    width: int,
) -> Kernel:
    """Write a function of a table of pointers: to the inputs, then to the outputs.

    Parameters
    ----------
    graph : Graph
        What is computed. Copies to the outputs are added where they are needed.
    width : int
        Bytes of a vector.
    """
    arrangement = arranged(graph, inputs, outputs)
    named = [*inputs, *arrangement.given]
    whole = module.function(name, [PTR], I64)
    pieces = list(chunks(arrangement.parts))
    routines: set[str] = set()
    ends = _Ends(whole)
    for k, chunk in enumerate(pieces):
        b, used = whole, None
        if len(pieces) > 1:
            b = module.function(f"{name}_{k}", [PTR], I64, internal=True)
            used = arrangement.used(chunk)
        (table,) = b.parameters
        outside = {
            slot: b.load(PTR, b.offset(table, 8 * place))
            for place, slot in enumerate(named)
            if used is None or slot in used
        }
        start = module.external(b, "arena") if arrangement.size else None
        memory = arrangement.memory(b, outside, start, used)
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
    seats = [g.seat for g in (graph, *graph.inner) if g.seat is not None]
    return Kernel(
        name, frozenset(routines), tables, arrangement.size, max(seats, default=None),
        frozenset(slot for slot, layout in graph.layouts.items() if layout.slot in graph.cut),
    )  # fmt: skip


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
    registers: Registers | None = None

    @property
    def b(self) -> Builder:
        return self.ends.b

    def leave(self, condition: Value, status: int) -> None:
        """Return a status from the whole kernel if a condition holds."""
        self.ends.leave(condition, status)

    def inner(
        self,
        graph: Graph,
        parts: Sequence[Part],
        memory: Mapping[int, Value],
        registers: Registers | None = None,
    ) -> None:
        """Write parts of another graph here; as functions if they are long, with nothing held."""
        pieces = list(chunks(parts))
        if len(pieces) == 1:
            _Writer(self.ends, memory, graph, self.width, self.routines, registers).write_all(parts)
            return
        for chunk in pieces:
            used = sorted(used_by(chunk) & memory.keys())
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
        """Write a group, or a block of them; here BLAS has one thread."""
        if any(isinstance(g, Product) and g.volume >= _TOLD for g in groups_of(part)):
            self._with_one_thread(partial(self._write, part))
        else:
            self._write(part)

    def _with_one_thread(self, write: Callable[[], None]) -> None:
        if not blas.can_be_told():
            write()
            return
        b = self.b
        self.routines |= {blas.THREADS, blas.TELL_THREADS}
        before = b.call(blas.THREADS, I32)
        b.call(blas.TELL_THREADS, VOID, b.constant(1, I32))
        write()
        b.call(blas.TELL_THREADS, VOID, before)

    def _write(self, part: Part) -> None:
        if isinstance(part, Nest):
            self._nest(part)
        elif isinstance(part, Product):
            self._product(part, None)
        elif isinstance(part, Contraction):
            self._contraction(part, None)
        elif isinstance(part, Whole):
            part.write(self)
        else:
            self._block(part)

    def _nest(self, nest: Nest) -> None:
        registers = self.registers
        if registers and written_out(nest) and not registers.held.isdisjoint(touched_by([nest])):
            write_out(self.b, nest, self.memory, self.graph, registers)
        else:
            write_nest(self.b, nest, self.memory, self.graph, self.width, registers=registers)

    def _block(self, block: Block) -> None:
        b, memory, graph, width = self.b, self.memory, self.graph, self.width
        if isinstance(block, Divided):
            write_pieces(b, block, memory, graph, width, partial(self._rows, block))
        else:
            begin_sums(b, block, memory, graph, width)
            write_steps(b, block, memory, partial(self._rows, block))
        for group in block.groups:
            if isinstance(group, Product) and group.target in block.summed and is_halved(group):
                mirror(b, group, memory[group.target], graph.types[group.target])

    def _rows(
        self, block: Block, b: Builder, memory: Mapping[int, Value], start: Value, count: int
    ) -> None:
        """Write some rows of a block, here or in the function of its pieces."""
        rows = Rows(start, count, block.inner, block.summed)
        writer = _Writer(_Ends(b), memory, self.graph, self.width, self.routines)
        for group in block.groups:
            if isinstance(group, Nest):
                write_nest(b, group, memory, self.graph, self.width, rows)
            elif isinstance(group, Contraction):
                writer._contraction(group, rows)
            elif isinstance(group, Product):
                writer._product(group, rows)

    def _product(self, product: Product, rows: Rows | None) -> None:
        """Of some rows of the left factor, or of both if these are what is summed over."""
        type_ = self.graph.types[product.target]
        slots = (product.left, product.right, product.target)
        begins = (*product.offsets, 0)
        left, right, target = places = [
            self.b.offset(self.memory[s], begin, type_.size)
            for s, begin in zip(slots, begins, strict=True)
        ]
        added = rows is not None and product.target in rows.summed
        if rows is not None:
            if added:
                lengths = [product.rows, product.columns, 0]
                product = replace(product, summed=rows.count)
            else:
                turned = product.turned[0]
                lengths = [1 if turned else product.summed, 0, product.columns]
                ahead = product.rows if turned else None
                product = replace(product, rows=rows.count, ahead=ahead, symmetric=False)
            left, right, target = (
                self._moved(place, slot, length, rows)
                for place, slot, length in zip(places, slots, lengths, strict=True)
            )
        lanes = self.width // type_.size
        self.routines.add(
            write_product(self.b, product, left, right, target, type_, lanes, added=added)
        )

    def _contraction(self, work: Contraction, rows: Rows | None) -> None:
        """Of some indices of the first axis."""
        space = work.space if rows is None else (rows.count, *work.space[1:])
        tiles = tiling(
            space, work.left.strides, work.right.strides, work.places, part=rows is not None
        )
        assert tiles is not None
        type_ = self.graph.types[work.target]
        write_tiles(
            self.b, tiles, self._begin(work.left, rows), self._begin(work.right, rows),
            self._begin(Access(work.target, work.places), rows), type_,
            self.width // (2 * type_.size), work.factor,
            added=rows is not None and work.target in rows.summed,
        )  # fmt: skip

    def _begin(self, access: Access, rows: Rows | None) -> Value:
        """Where what is read or written begins."""
        size = self.graph.types[access.slot].size
        place = self.b.offset(self.memory[access.slot], access.offset, size)
        if rows is None:
            return place
        return self._moved(place, access.slot, access.strides[0], rows)

    def _moved(self, place: Value, slot: int, length: int, rows: Rows) -> Value:
        if not length or slot in rows.inner:
            return place
        return self.b.offset(place, rows.start, length * self.graph.types[slot].size)


def needs_of(kernels: Sequence[Kernel], count: int) -> Needs:
    """What kernels are linked with, for so many threads."""
    seats = [kernel.seat for kernel in kernels if kernel.seat is not None]
    return Needs(
        tuple(sorted({name for kernel in kernels for name in kernel.routines})),
        {name: array for kernel in kernels for name, array in kernel.tables.items()},
        max((kernel.arena for kernel in kernels), default=0),
        max(seats) if seats else None,
        count,
    )
