"""Loops of a plan as work of a graph."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from wengert.backends.native.needs import LINE
from wengert.backends.native.plans.holding import holdable
from wengert.backends.native.plans.inside import Cell, Lowers, Program, program_of, room_for
from wengert.backends.native.plans.loops import Carry, Items, Steps
from wengert.backends.native.plans.statements import Graph, Layout
from wengert.backends.native.types import I64
from wengert.plan.instructions import Loop

STACKED = frozenset(("output", "record"))  # kinds of results
_PATIENCE = 1 << 20  # operations between two looks whether the user has interrupted
_OWN = 50  # operations that a step counts at least


def lower_loop(low: Lowers, i: Loop) -> None:
    """A loop."""
    graph, n = low.graph, len(i.inits)
    inits = [low.in_a_row(s) for s in i.inits]
    sequences = [low.stored(s) for s in i.sequences]
    items = [_dropped(graph.layouts[s]) for s in sequences]
    name = f"{graph.name}{i.target}_"
    body = program_of(low, name, i.body, [*[None] * n, *items], i.constants)
    decide = None
    if i.decide is not None:
        decide = program_of(low, f"{name}d", i.decide, [None] * n, i.constants)
    results: dict[tuple[str, int], int] = {}
    low.tuples[i.target] = []
    taped: list[int] = []
    for r in i.results:
        stacked = (1 if i.length is None else i.length,) if r.kind in STACKED else ()
        slot = graph.new((*stacked, *r.shape), low.type_of(r.dtype))
        low.tuples[i.target].append(slot)
        results[r.kind, r.index] = slot
        if stacked and i.length is None:
            taped.append(slot)
    tapes = _tapes(low, taped)
    sizes = [_bytes(graph, s) for s in inits]
    working = 0 if decide is None else decide.arrangement.size
    room, rooms = room_for(
        low, body.arrangement.size, working, LINE, *(s for size in sizes for s in (size, size))
    )
    given = body.arrangement.given
    held, slots = _held(body, decide, n)
    carries = tuple(
        Carry(
            begins=graph.layouts[init],
            count=prod(graph.shapes[init]),
            type=graph.types[init],
            inside=body.arguments[k],
            deciding=None if decide is None else decide.arguments[k],
            following=given[k],
            record=results.get(("record", k)),
            tape=low.tapes.get(results.get(("record", k), -1)),
            ends=results.get(("final", k)),
            room=rooms[3 + 2 * k],
            other=rooms[4 + 2 * k],
            held=held[k],
        )
        for k, init in enumerate(inits)
    )
    read = tuple(
        Items(graph.layouts[s], inside, graph.types[s].size, low.tapes.get(graph.layouts[s].slot))
        for s, inside in zip(sequences, body.arguments[n : n + len(sequences)], strict=True)
        if inside is not None
    )
    written = tuple(
        Items(graph.layouts[s], slot, graph.types[s].size, low.tapes.get(s))
        for k, slot in enumerate(given[n:])
        for s in [results["output", k]]
    )
    count = None if i.count is None else graph.layouts[low.stored(i.count)]
    graph.works.append(
        Steps(
            body, decide, carries, read, written, count, i.length, i.reverse,
            results.get(("steps", 0)), room, (rooms[0], rooms[1], rooms[2]), _patience(i),
            tapes, slots,
        )
    )  # fmt: skip


def _held(
    body: Program, decide: Program | None, count: int
) -> tuple[list[bool], tuple[frozenset[int], frozenset[int]]]:
    """Which carries stay in registers, and which slots of the two programs do so."""
    inside, following = body.arguments[:count], body.arrangement.given[:count]
    outputs = body.arrangement.given[count:]
    deciding = (None,) * count if decide is None else decide.arguments[:count]
    answer = () if decide is None else decide.arrangement.given
    first = holdable(body.arrangement, inside, outputs)
    second = None if decide is None else holdable(decide.arrangement, deciding, answer)
    held = [
        f in first and i in {None, *first} and (second is None or d in {None, *second})
        for i, f, d in zip(inside, following, deciding, strict=True)
    ]
    if not any(held):
        return held, (frozenset(), frozenset())
    others = [f for f, h in zip(following, held, strict=True) if not h]
    own = [i for i, h in zip(inside, held, strict=True) if h]
    first = holdable(body.arrangement, own, (*outputs, *others))
    if decide is not None:
        own = [d for d, h in zip(deciding, held, strict=True) if h]
        second = holdable(decide.arrangement, own, answer)
    return held, (first, second or frozenset())


def _tapes(low: Lowers, slots: Sequence[int]) -> tuple[tuple[Cell, int], ...]:
    """Tapes for stacks whose length is not known, with the bytes of an entry.

    Their table has the number of entries that there is room for, that of entries that were
    written, then the addresses.
    """
    graph = low.graph
    if not slots:
        return ()
    table = graph.new((2 + len(slots),), I64)
    graph.tables[table] = _memory_of_tapes(2 + len(slots))
    found: list[tuple[Cell, int]] = []
    for k, slot in enumerate(slots):
        low.tapes[slot] = Cell(table, k + 2)
        found.append((low.tapes[slot], max(_bytes(graph, slot), 1)))
    return tuple(found)


def _memory_of_tapes(count: int) -> Any:
    """A table of addresses; what they point to goes with it."""
    cells: Any = (ctypes.c_int64 * count)()
    table: Any = np.frombuffer(cells, np.int64)
    weakref.finalize(table, _free, cells).atexit = False
    return table


def _free(cells: Any) -> None:
    for address in cells[2:]:
        ctypes.pythonapi.PyMem_RawFree(ctypes.c_void_p(address))


def _bytes(graph: Graph, slot: int) -> int:
    return prod(graph.shapes[slot]) * graph.types[slot].size


def _patience(i: Loop) -> int:
    """The steps, a power of two, between two looks at interruptions; 0 if there need be none."""
    step = _OWN + sum(j.flops + j.size for body in i.bodies for j in body.plan.instructions)
    if i.length is not None and i.length * step < _PATIENCE:
        return 0
    return 1 << max(_PATIENCE // step, 1).bit_length() - 1


def _dropped(layout: Layout) -> Layout:
    """How an item of a sequence lies in memory."""
    return Layout(layout.slot, layout.strides[1:])
