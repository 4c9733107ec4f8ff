"""Arrays that are put together of parts, read where the parts are.

Where a vector is made of parts (a shifted one with a number before it, say) and only read entry by
entry, it need not be made: its readers go over the stretches of the parts, one after the other,
and read what the parts are made of. What such readers read of each other stays in registers, as
all of them go over the same stretches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

from wengert.backends.native.plans.grouping import read_from_memory
from wengert.backends.native.plans.statements import (
    Access,
    Graph,
    Statement,
    Whole,
    Work,
    itself,
)

_FEWEST, _LARGEST = 64, 1 << 14  # entries: longer ones go in blocks, or to several threads
_PARTS = 4
_LENGTH = 200  # statements that are written for all stretches together


@dataclass(frozen=True)
class _Vector:
    """A vector made of parts, which are in order and fill it."""

    slot: int
    parts: tuple[Statement, ...]


def stretched(graph: Graph, works: Sequence[Work], kept: Collection[int]) -> list[Work]:
    """The works without vectors of parts, as far as they need not be in memory.

    Parameters
    ----------
    kept : collection of int
        Inputs and outputs.
    """
    if not any(isinstance(w, Statement) and w.partial for w in works):
        return list(works)
    return _Stretching(graph, works, kept).works


class _Stretching:
    def __init__(self, graph: Graph, works: Sequence[Work], kept: Collection[int]) -> None:
        self.graph, self.works, self.kept = graph, list(works), set(kept)
        self.maps = {
            w.target: w for w in works if isinstance(w, Statement) and w.maps and w.places == (1,)
        }
        self.continued = {slot for w in works for slot in _continued_by(w)}
        self.readers: dict[int, list[Work]] = {}
        for work in works:
            for slot in set(_read_by(work)):
                self.readers.setdefault(slot, []).append(work)
        vectors = {v.slot: v for v in self._vectors()}
        families = self._families(vectors) if vectors else []
        while True:
            chosen = [f for f in families if self._is_worth_while(f, vectors)]
            self.changed = {s.target for f in chosen for s in f}
            whole = {slot: v for slot, v in vectors.items() if self._read_in(slot) <= self.changed}
            if len(whole) == len(vectors):
                break
            vectors = whole
        for family in chosen:
            used = _used(family, vectors)
            self._rewrite(family, used, _stretches(family, used))

    def _read_in(self, slot: int) -> set[int]:
        """What is written by those that read a vector."""
        return {w.target for w in self.readers.get(slot, ()) if isinstance(w, Statement)}

    def _is_worth_while(self, family: Sequence[Statement], vectors: Mapping[int, _Vector]) -> bool:
        count = len(_stretches(family, _used(family, vectors)))
        return 1 < count <= _PARTS and count * len(family) <= _LENGTH

    # ------------------------------------------------ what there is

    def _vectors(self) -> Iterator[_Vector]:
        """Those that are only read entry by entry."""
        chains: dict[int, list[Statement]] = {}
        for s in self.works:
            if isinstance(s, Statement) and s.partial:
                chain = [] if s.into is None else chains.pop(s.into, None)
                if chain is not None:
                    chain.append(s)
                    chains[s.target] = chain
        continued = self.continued
        for slot, chain in chains.items():
            shape = self.graph.shapes[slot]
            right = len(shape) == 1 and _FEWEST <= shape[0] <= _LARGEST and len(chain) <= _PARTS
            if not right or slot in continued:
                continue
            parts = tuple(sorted(chain, key=lambda s: s.offset))
            slots = {s.target for s in parts}
            ends = [s.offset + prod(s.space) for s in parts]
            fills = [s.offset for s in parts] == [0, *ends[:-1]] and ends[-1] == shape[0]
            simple = all(
                len(s.space) < 2 and (s.places == (1,) or prod(s.space) == 1)
                and not continued.intersection(a.slot for a in s.reads)
                for s in parts
            )  # fmt: skip
            read = [w for other in slots for w in self.readers.get(other, ())]
            alone = self.kept.isdisjoint(slots)
            if fills and simple and alone and all(self._takes(w, slots, slot) for w in read):
                yield _Vector(slot, parts)

    def _takes(self, work: Work, slots: Collection[int], slot: int) -> bool:
        """Does a work read the vector entry by entry?"""
        return (
            isinstance(work, Statement)
            and work.maps
            and work.space == self.graph.shapes[slot]
            and all(
                a.slot == slot and _in_place(a) for a in work.reads if a.slot in slots
            )
        )  # fmt: skip

    def _families(self, vectors: Collection[int]) -> list[list[Statement]]:
        """Statements that read vectors, with those that they share registers with.

        Not those of which something else, a sum, would share them too.
        """
        above: dict[int, int] = {}

        def root(slot: int) -> int:
            while slot in above:
                slot = above[slot]
            return slot

        vector_maps = [s for s in self.maps.values() if len(s.space) == 1]
        for s in vector_maps:
            for a in s.reads:
                if a.slot in self.maps and self._joined(a, s):
                    one, other = root(a.slot), root(s.target)
                    if one != other:
                        above[other] = one
        found: dict[int, list[Statement]] = {}
        for s in vector_maps:
            found.setdefault(root(s.target), []).append(s)
        return [
            members
            for members in found.values()
            if any(a.slot in vectors for s in members for a in s.reads)
            and not any(self._is_summed(s) for s in members)
        ]

    def _joined(self, access: Access, s: Statement) -> bool:
        return _in_place(access) and self.maps[access.slot].space == s.space

    def _is_summed(self, s: Statement) -> bool:
        """Does something that is no map read it where it is written, in the same loop?"""
        return any(
            isinstance(w, Statement) and not w.maps and not w.partial and w.space == s.space
            for w in self.readers.get(s.target, ())
        )

    def is_only_for(self, s: Statement, reader: Statement, access: Access) -> bool:
        """Is a statement there for one reader, which could compute it itself?"""
        elsewhere = s.target in self.kept or s.target in self.continued or s.target in self.changed
        return (
            not elsewhere
            and all(w is reader for w in self.readers[s.target])
            and s.space == reader.space
            and _in_place(access)
        )

    # ------------------------------------------------ what is made of it

    def _rewrite(
        self,
        members: Sequence[Statement],
        vectors: Mapping[int, _Vector],
        stretches: Sequence[tuple[int, int]],
    ) -> None:
        own = {s.target for s in members}
        inner = [_Stretch(self, own, vectors, a, b) for a, b in stretches]
        made = {id(s): [w for part in inner for w in part.statements(s)] for s in members}
        gone = {id(p) for v in vectors.values() for p in v.parts}
        self.works = [
            w for old in self.works if id(old) not in gone for w in made.get(id(old), [old])
        ]
        self._drop(vectors.values())
        wanted = self._wanted()
        self.works = [
            w
            for old in self.works
            for w in (old, *self._stored(old, inner, wanted))
        ]  # fmt: skip

    def _wanted(self) -> set[int]:
        """What is read or continued, and what is kept."""
        return self.kept | {slot for w in self.works for slot in (*_read_by(w), *_continued_by(w))}

    def _drop(self, vectors: Iterable[_Vector]) -> None:
        """What was needed for parts only."""
        sources = {a.slot for v in vectors for p in v.parts for a in p.reads}
        while sources:
            wanted = self._wanted()
            dead = {s for s in sources if s in self.maps and s not in wanted}
            sources = {a.slot for s in dead for a in self.maps[s].reads}
            self.works = [
                w for w in self.works if not (isinstance(w, Statement) and w.target in dead)
            ]

    def _stored(
        self, work: Work, inner: Sequence[_Stretch], wanted: Collection[int]
    ) -> Iterator[Statement]:
        """After a stretch of a value that is wanted in memory: the entries, where they belong."""
        if not isinstance(work, Statement):
            return
        for k, part in enumerate(inner):
            slot = part.values.get(work.target)
            if slot is None or slot not in wanted:
                continue
            into = None if k == 0 else inner[k - 1].stored[slot]
            target = slot
            if k < len(inner) - 1:
                target = self.graph.new(self.graph.shapes[slot], self.graph.types[slot])
            part.stored[slot] = target
            yield Statement(
                target, work.space, (Access(work.target, (1,)),), itself, (1,), into=into,
                offset=part.first, partial=True,
            )  # fmt: skip


class _Stretch:
    """Some entries of all vectors of a family."""

    def __init__(
        self,
        of: _Stretching,
        own: Collection[int],
        vectors: Mapping[int, _Vector],
        first: int,
        end: int,
    ) -> None:
        self.of, self.own, self.vectors = of, own, vectors
        self.first, self.space = first, (end - first,)
        self.slots: dict[int, int] = {}
        self.values: dict[int, int] = {}  # which member a slot has the entries of
        self.stored: dict[int, int] = {}  # for a member, the slot that has these and those before

    def statements(self, s: Statement) -> list[Statement]:
        """A member's for this stretch, with those for the parts that it reads."""
        found: list[Statement] = []
        reads: list[Access] = []
        for a in s.reads:
            if a.slot in self.own and _in_place(a):
                reads.append(Access(self.slots[a.slot], (1,)))
            elif a.slot in self.vectors:
                parts = self.vectors[a.slot].parts
                part = next(p for p in reversed(parts) if p.offset <= self.first)
                reads.append(Access(self._inlined(a.slot, part, part.offset, found), (1,)))
            else:
                reads.append(_moved(a, self.first))
        slot = self._new(s)
        self.slots[s.target] = slot
        self.values[slot] = s.target
        found.append(replace(s, target=slot, space=self.space, reads=tuple(reads), places=(1,)))
        return found

    def _new(self, s: Statement) -> int:
        return self.of.graph.new(self.space, self.of.graph.types[s.target])

    def _inlined(self, key: int, s: Statement, begin: int, found: list[Statement]) -> int:
        """The slot for a part here, or for what a part is made of; written once."""
        if key in self.slots:
            return self.slots[key]
        reads: list[Access] = []
        for a in s.reads:
            inner = self.of.maps.get(a.slot)
            if inner is not None and self.of.is_only_for(inner, s, a):
                reads.append(Access(self._inlined(a.slot, inner, begin, found), (1,)))
            else:
                reads.append(_moved(a, self.first - begin))
        slot = self._new(s)
        self.slots[key] = slot
        found.append(Statement(slot, self.space, tuple(reads), s.write, (1,)))
        return slot


def _used(family: Sequence[Statement], vectors: Mapping[int, _Vector]) -> dict[int, _Vector]:
    """The vectors that a family reads."""
    return {a.slot: vectors[a.slot] for s in family for a in s.reads if a.slot in vectors}


def _stretches(
    family: Sequence[Statement], vectors: Mapping[int, _Vector]
) -> list[tuple[int, int]]:
    """From one beginning of a part of any vector to the next; the longest first.

    Others are added to memory that a longer one has begun: their loops may come late.
    """
    cuts = {p.offset for v in vectors.values() for p in v.parts}
    found = pairwise(sorted({0, *cuts, *family[0].space}))
    return sorted(found, key=lambda stretch: stretch[0] - stretch[1])


def _in_place(access: Access) -> bool:
    return not access.offset and access.strides == (1,)


def _moved(access: Access, by: int) -> Access:
    """What an access to a vector, or a number, reads from an index on."""
    if not access.strides:
        return replace(access, strides=(0,))
    return replace(access, offset=access.offset + by * access.strides[0])


def _continued_by(work: Work) -> Iterable[int]:
    slot = work.continues if isinstance(work, Whole) else getattr(work, "into", None)
    return () if slot is None else (slot,)


def _read_by(work: Work) -> Iterable[int]:
    return [a.slot for a in work.reads] if isinstance(work, Statement) else read_from_memory(work)
