"""Parts in pieces: each is a call of one function, by whichever thread is free."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from math import prod

from wengert.backends.native import threads
from wengert.backends.native.builder import Builder, Value
from wengert.backends.native.plans.blocking import Block
from wengert.backends.native.plans.dividing import Divided, inner_places, places_of, used_by
from wengert.backends.native.plans.grouping import Group, Nest, written_by
from wengert.backends.native.plans.nests import REDUCTIONS, fill
from wengert.backends.native.plans.statements import Graph
from wengert.backends.native.types import I64, PTR, VOID
from wengert.backends.native.vectors import SUM, Reduction, Stream, vector_loop

Rows = Callable[[Builder, Mapping[int, Value], Value, int], None]


def begin_sums(
    b: Builder, block: Block, memory: Mapping[int, Value], graph: Graph, width: int
) -> None:
    """Write the numbers that change nothing into what is added up."""
    for slot, reduction in _reductions(block.groups, block.summed):
        type_ = graph.types[slot]
        lanes = width // type_.size
        fill(b, memory[slot], type_, prod(graph.shapes[slot]), reduction.identity, lanes)


def write_steps(b: Builder, block: Block, memory: Mapping[int, Value], write_rows: Rows) -> None:
    """Write all rows of a block, some at a time."""
    left = block.rows % block.step

    b.each(
        0, block.rows - left, block.step,
        lambda start: write_rows(b, memory, start, block.step),
    )  # fmt: skip
    if left:
        write_rows(b, memory, b.constant(block.rows - left, I64), left)


def write_pieces(
    b: Builder,
    block: Divided,
    memory: Mapping[int, Value],
    graph: Graph,
    width: int,
    write_rows: Rows,
) -> None:
    """Write a function of a piece, the call of who shares them out, and the sums of all sums.

    Parameters
    ----------
    write_rows : callable
        ``write_rows(builder, memory, start, count)`` writes some rows.
    """
    name = b.module.fresh(b.name)
    piece = b.module.function(name, [PTR, I64, I64], internal=True)
    shared = sorted(used_by([block]) & memory.keys() - block.inner)
    context = b.slot(8 * len(shared))
    for k, slot in enumerate(shared):
        b.store(memory[slot], b.offset(context, 8 * k))
    _write_piece(piece, block, shared, graph, width, write_rows)
    function = Value(b, f"@{piece.name}", PTR)
    many = b.pure(I64, f"ptrtoint ptr {b.module.external(b, threads.COUNT).text} to i64")
    b.call(threads.RUN, VOID, function, context, b.constant(block.pieces, I64), many)
    if block.summed:
        _add_up(b, block, memory, graph, width)


def _write_piece(
    b: Builder,
    block: Divided,
    shared: Sequence[int],
    graph: Graph,
    width: int,
    write_rows: Rows,
) -> None:
    context, number, seat = b.parameters
    memory = {slot: b.load(PTR, b.offset(context, 8 * k)) for k, slot in enumerate(shared)}
    own, size = inner_places(block, graph)
    if own:
        start = b.offset(b.module.external(b, threads.SEATS), seat, size)
        memory.update({slot: b.offset(start, place) for slot, place in own.items()})
    if block.summed:
        start = b.offset(memory[block.totals], number, block.room)
        places = places_of(block, graph)
        memory.update({slot: b.offset(start, place) for slot, place in places.items()})
    begin_sums(b, block, memory, graph, width)
    whole, left = divmod(block.rows, block.step)
    steps = whole + bool(left)
    first = _share(b, number, steps, block.pieces)
    last = _share(b, number + 1, steps, block.pieces)
    if left:
        last = b.select(last < whole, last, whole)

    b.each(first, last, 1, lambda step: write_rows(b, memory, step * block.step, block.step))
    if left:

        def rest() -> tuple[Value, ...]:
            write_rows(b, memory, b.constant(whole * block.step, I64), left)
            return ()

        b.branch(number.equals(block.pieces - 1), rest)
    b.give()


def _share(b: Builder, number: Value, steps: int, pieces: int) -> Value:
    """The first step of a piece."""
    return b.pure(I64, f"udiv i64 {(number * steps).text}, {pieces}")


def _add_up(
    b: Builder, block: Divided, memory: Mapping[int, Value], graph: Graph, width: int
) -> None:
    """Put the sums of all pieces together, in their order."""
    begin_sums(b, block, memory, graph, width)
    places = places_of(block, graph)
    for slot, reduction in _reductions(block.groups, block.summed):
        type_ = graph.types[slot]
        count, target = prod(graph.shapes[slot]), Stream(memory[slot], type_)
        start = b.offset(memory[block.totals], places[slot])

        def add(
            piece: Value,
            reduction: Reduction = reduction,
            start: Value = start,
            target: Stream = target,
            count: int = count,
        ) -> None:
            of_piece = Stream(b.offset(start, piece, block.room), target.type)
            vector_loop(
                b, count, [target, of_piece], [target],
                lambda entries: ([reduction.combine(entries[0], entries[1])], []),
                lanes=width // target.type.size, in_place=True,
            )  # fmt: skip

        b.each(0, block.pieces, 1, add)


def _reductions(
    groups: Sequence[Group], summed: Collection[int]
) -> Iterator[tuple[int, Reduction]]:
    """How the slots that are added up are put together."""
    for group in groups:
        if not isinstance(group, Nest):
            yield from ((slot, SUM) for slot in written_by(group) if slot in summed)
            continue
        for s in group.statements:
            if s.target in summed and s.reduction is not None:
                yield s.target, REDUCTIONS[s.reduction]
