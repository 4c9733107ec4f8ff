"""The order of a graph's groups, and where its values are.

Values that are needed only while a function runs lie in memory of its own, which is used again
after the last part that needs it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from wengert.backends.native.builder import Builder, Value
from wengert.backends.native.plans.blocking import Block, Part, blocked, groups_of
from wengert.backends.native.plans.dividing import Divided, divided, used_by
from wengert.backends.native.plans.grouping import (
    Group,
    Nest,
    grouped,
    in_memory,
    read_from_memory,
    written_by,
)
from wengert.backends.native.plans.memory import Span, offsets_of
from wengert.backends.native.plans.statements import Graph, Statement, Whole, Work
from wengert.backends.native.plans.stretching import stretched


@dataclass(frozen=True)
class Arranged:
    """A graph to be written.

    Attributes
    ----------
    graph : Graph
        What is computed.
    before : tuple of Part
        What does not vary; it runs once.
    parts : tuple of Part
        The others.
    given : tuple of int
        The slots whose memory are the outputs.
    offsets : mapping of int to int
        Where in the working memory slots are.
    same : mapping of int to int
        For slots that continue another one's memory, the first of them.
    size : int
        Bytes of the working memory.
    """

    graph: Graph
    before: tuple[Part, ...]
    parts: tuple[Part, ...]
    given: tuple[int, ...]
    offsets: Mapping[int, int]
    same: Mapping[int, int]
    size: int

    def used(self, parts: Sequence[Part]) -> set[int] | None:
        """The slots that parts name, and those in the same memory; None if that might be any."""
        if any(isinstance(part, Block) for part in parts):
            return None
        found = used_by(parts)
        roots = {self.same.get(s, s) for s in found}
        return found | roots | {s for s, base in self.same.items() if base in roots}

    def memory(
        self,
        b: Builder,
        outside: Mapping[int, Value],
        start: Value | None,
        used: set[int] | None = None,
    ) -> dict[int, Value]:
        """Where slots are, from those outside and the address of the working memory.

        Only of those that are used, if that is known: a long plan has many functions and slots.
        """
        near = self.offsets.keys() if used is None else sorted(used & self.offsets.keys())
        here = self.same.keys() if used is None else sorted(used & self.same.keys())
        memory = dict(outside)
        for slot in here:  # a result that continues another slot is where it is
            if slot in memory:
                memory[self.same[slot]] = memory[slot]
        if start is not None:
            memory.update({slot: b.offset(start, self.offsets[slot]) for slot in near})
        memory.update({slot: memory[self.same[slot]] for slot in here if self.same[slot] in memory})
        for slot in self.graph.tables:
            memory[slot] = b.module.external(b, table_name(self.graph, slot))
        return memory


def table_name(graph: Graph, slot: int) -> str:
    """The symbol of a known array."""
    return f"table_{graph.name}{slot}"


def arranged(
    graph: Graph,
    inputs: Sequence[int],
    outputs: Sequence[int],
    varying: Collection[int] | None = None,
) -> Arranged:
    """Put a graph in order.

    Parameters
    ----------
    graph : Graph
        What is computed. Copies to the outputs are added where they are needed.
    inputs, outputs : sequence of int
        Slots whose memory is given. Each output is an array of its own, without gaps.
    varying : collection of int, optional
        The inputs that change when the graph runs again; by default all, and nothing runs once.
    """
    given = _given_out(graph, {*inputs, *graph.tables}, outputs)
    works = stretched(graph, graph.works, {*inputs, *given})
    once, often = _split(works, {*given, *varying} if varying is not None else None)
    first, second = grouped(once), grouped(often)
    groups = [*first, *second]
    same = _continued(groups)
    lasting = {same.get(s, s) for g in second for s in read_from_memory(g)}
    stored = in_memory(groups, given)
    kept = {*stored, *inputs, *graph.tables}
    before = divided(blocked(first, graph, lasting), graph, kept) if first else []
    parts = divided(blocked(second, graph, given), graph, kept)
    outside = {*inputs, *given}
    outside |= {base for slot, base in same.items() if slot in outside}
    local = {same.get(s, s) for s in stored} - outside - graph.tables.keys()
    whole = [*before, *parts]
    offsets, size = _places(graph, whole, local, same, len(before), lasting)
    return Arranged(graph, tuple(before), tuple(parts), tuple(given), offsets, same, size)


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
        elif isinstance(group, Whole) and group.continues is not None:
            same[group.writes[0]] = same.get(group.continues, group.continues)
    return same


# ---------------------------------------------------------------- what does not vary


def _split(works: Sequence[Work], varying: Collection[int] | None) -> tuple[list[Work], list[Work]]:
    """The works that depend on nothing that varies, and the others.

    What is added to where it is has to begin anew each time.
    """
    if varying is None:
        return [], list(works)
    found = set(varying)
    before = -1
    while before != len(found):
        before = len(found)
        for work in works:
            written = _written_by(work)
            if not found.isdisjoint((*_read_by(work), *written)):
                found.update(written)
    often = [not found.isdisjoint(_written_by(work)) for work in works]
    return (
        [w for w, again in zip(works, often, strict=True) if not again],
        [w for w, again in zip(works, often, strict=True) if again],
    )


def _read_by(work: Work) -> Iterable[int]:
    if isinstance(work, Statement):
        return [a.slot for a in work.reads]
    return read_from_memory(work)


def _written_by(work: Work) -> tuple[int, ...]:
    """The slots that it writes, with the one that it continues."""
    if not isinstance(work, Statement | Whole):
        return written_by(work)
    own = (work.target,) if isinstance(work, Statement) else work.writes
    slot = work.into if isinstance(work, Statement) else work.continues
    return own if slot is None else (*own, slot)


# ---------------------------------------------------------------- memory


def _places(
    graph: Graph,
    parts: Sequence[Part],
    local: set[int],
    same: Mapping[int, int],
    once: int,
    lasting: Collection[int],
) -> tuple[dict[int, int], int]:
    """Offsets; memory is used again after the last group that needs it.

    What a block needs at all of its rows is needed from its beginning to its end. What the first
    parts, which run ``once``, leave to the others lasts to the end.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    share: dict[int, tuple[int, int]] = {}
    early: set[int] = set()
    end = 0
    for number, part in enumerate(parts):
        begin, end = end, end + len(groups_of(part))
        for k, group in enumerate(groups_of(part), begin):
            for slot in (*written_by(group), *read_from_memory(group)):
                root = same.get(slot, slot)
                if root in local:
                    inner = not isinstance(part, Block) or slot in part.inner
                    first.setdefault(root, k if inner else begin)
                    last[root] = k if inner else end - 1
                    if number < once:
                        early.add(root)
        if isinstance(part, Divided):
            if part.summed:
                first[part.totals], last[part.totals] = begin, end - 1
            for slot in part.inner:  # each thread has its own
                first.pop(slot, None)
        elif isinstance(part, Block):
            share.update(dict.fromkeys(part.inner, (part.step, part.rows)))
    last.update(dict.fromkeys(early & set(lasting), end))
    spans: dict[int, Span] = {}
    for slot, begin in first.items():
        some, rows = share.get(slot, (1, 1))
        size = prod(graph.shapes[slot]) // rows * some * graph.types[slot].size
        spans[slot] = Span(begin, last[slot], size)
    return offsets_of(spans)
