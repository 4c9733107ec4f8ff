"""Which statements are computed in one nest of loops: those over the same space."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from wengert.backends.native.plans.statements import (
    Access,
    Contraction,
    Product,
    Shape,
    Statement,
    Whole,
    Work,
    without_gaps,
)


@dataclass
class Nest:
    """Statements over one space, in order.

    What one of them writes and another one reads at the same place stays in a register; ``reads``
    are the slots that are read from memory.
    """

    space: Shape
    statements: list[Statement] = field(default_factory=list[Statement])
    own: set[int] = field(default_factory=set[int])
    reads: list[int] = field(default_factory=list[int])

    def add(self, statement: Statement) -> None:
        """One more at the end."""
        self.statements.append(statement)
        self.reads += [a.slot for a in statement.reads if not self.holds(a)]
        if statement.into is not None:
            self.reads.append(statement.into)
        if statement.maps:
            self.own.add(statement.target)

    def holds(self, access: Access) -> bool:
        """Is it the entry that a statement of the nest has just written?"""
        return access.slot in self.own and same_place(access, self.space)


Group = Nest | Product | Contraction | Whole

MOST = 200  # statements of a nest: long bodies run out of registers and compile slowly


def same_place(access: Access, space: Shape) -> bool:
    """Does an access go through an array of the space's shape in its order?"""
    return not access.offset and without_gaps(space, access.strides)


def grouped(works: Sequence[Work]) -> list[Group]:
    """The groups in the order in which they run.

    A statement joins the first nest over its space after which, or within which, all that it
    reads is there.
    """
    groups: list[Group] = []
    where: dict[int, int] = {}
    nests: dict[Shape, list[int]] = {}
    for work in works:
        if not isinstance(work, Statement):
            where.update(dict.fromkeys(written_by(work), len(groups)))
            groups.append(work)
            continue
        first = 0 if work.into is None else where[work.into] + 1
        for access in work.reads:
            if access.slot in where:
                place = where[access.slot]
                group = groups[place]
                inside = isinstance(group, Nest) and _joins(group, work, access)
                first = max(first, place if inside else place + 1)
        places = nests.setdefault(work.space, [])
        k = bisect_left(places, first)
        if k == len(places):
            places.append(len(groups))
            groups.append(Nest(work.space))
        place = places[k]
        group = groups[place]
        assert isinstance(group, Nest)
        group.add(work)
        where[work.target] = place
        if len(group.statements) >= MOST:
            del places[k]
    return groups


def _joins(group: Nest, work: Statement, access: Access) -> bool:
    return group.space == work.space and group.holds(access)


def written_by(group: Group) -> tuple[int, ...]:
    """The slots that a group writes, in memory or not."""
    if isinstance(group, Nest):
        return tuple([s.target for s in group.statements])
    return group.writes if isinstance(group, Whole) else (group.target,)


def weight_of(group: Group) -> int:
    """How long its code is, in statements."""
    if isinstance(group, Nest):
        return len(group.statements)
    return group.weight if isinstance(group, Whole) else 1


def read_from_memory(group: Group) -> Sequence[int]:
    """The slots that a group reads from memory."""
    if isinstance(group, Product):
        return group.left, group.right
    if isinstance(group, Contraction):
        return group.left.slot, group.right.slot
    return group.reads


def touched_by(groups: Iterable[Group]) -> set[int]:
    """The slots that groups write, in memory or not, or read from memory."""
    found = set[int]()
    for group in groups:
        found.update(written_by(group), read_from_memory(group))
    return found


def in_memory(groups: Iterable[Group], given_out: Iterable[int]) -> set[int]:
    """The slots that need memory."""
    found = set(given_out)
    for group in groups:
        found.update(read_from_memory(group))
        if isinstance(group, Nest):
            found.update(s.target for s in group.statements if not s.maps)
        else:
            found.update(written_by(group))
    return found
