"""What parts of a plan cost, to a factor of two or three: whether several threads are worth while.

The numbers are those of a core of some 3 GHz with vectors of 256 bits. They decide how work is
cut, and so have to be the same wherever the results should be: nothing is measured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import prod

from wengert.backends.native.builder import Features, Module
from wengert.backends.native.plans.blocking import Block, Part, groups_of
from wengert.backends.native.plans.grouping import Group, touched_by
from wengert.backends.native.plans.nests import Lanes
from wengert.backends.native.plans.statements import Contraction, Graph, Product, Statement, Whole

# Nanoseconds for float64; float32 takes half of them.
_BYTE = 0.06  # from memory
_FLOP = 0.04  # of a product
_INSTRUCTION, _ROUTINE = 0.06, 1.5  # for each entry of a loop
_DEAREST = 20.0  # of a statement, for each entry


def nanoseconds(part: Part, graph: Graph, kept: Collection[int], least: float) -> float | None:
    """About what a part takes on one thread, if ``kept`` are the slots that are in memory.

    None if it is less than ``least``, or cannot leave the thread: code of others that it calls may
    ask for the GIL.
    """
    groups = groups_of(part)
    inner = part.inner if isinstance(part, Block) else frozenset[int]()
    moved = _BYTE * bytes_of(groups, graph, {s for s in kept if s not in inner})
    if moved + sum(_bound(g) for g in groups) < least:
        return None
    total = moved
    for group in groups:
        found = _arithmetic(group, graph)
        if found is None:
            return None
        total += found
    return total if total >= least else None


def bytes_of(groups: Iterable[Group], graph: Graph, kept: Collection[int]) -> int:
    """Of what is read, and of what is written and kept."""
    slots = [s for s in touched_by(groups) if s in kept]
    return sum(prod(graph.shapes[s]) * graph.types[s].size for s in slots)


def _bound(group: Group) -> float:
    """At most what its arithmetic takes; nothing of what is not cut."""
    if isinstance(group, Whole):
        return 0.0
    if isinstance(group, Product):
        return _FLOP * 2 * group.rows * group.columns * group.summed
    if isinstance(group, Contraction):
        return _FLOP * 2 * prod(group.space)
    return _DEAREST * prod(group.space) * len(group.statements)


def _arithmetic(group: Group, graph: Graph) -> float | None:
    if isinstance(group, Whole):
        return None
    part = graph.real.size / 8
    if isinstance(group, Product | Contraction):
        return part * _bound(group)
    total = 0.0
    for s in group.statements:
        found = _of_entry(s, graph)
        if found is None:
            return None
        total += found
    return part * total * prod(group.space)


def _of_entry(s: Statement, graph: Graph) -> float | None:
    """The statement is written once for one entry, and its instructions are counted."""
    module = Module(Features())
    types = [graph.types[a.slot] for a in s.reads]
    b = module.function("entry", types)
    entries = [p.as_mask() for p in b.parameters]
    s.write(Lanes(b, 0, graph.real), *entries)
    if not module.called <= module.routines.keys():
        return None
    return _INSTRUCTION * b.length + _ROUTINE * len(module.called)
