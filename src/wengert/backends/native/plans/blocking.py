"""Groups that go through the rows of large arrays together, some rows at a time.

Where several groups have the same long first axis, and what one reads of another is in the row
that it is at, a block of rows goes through all of them while it is in the cache: each large array
is read once, and what is needed within a block only has room for one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod

from wengert.backends.native.plans.grouping import (
    MOST,
    Group,
    Nest,
    in_memory,
    read_from_memory,
    touched_by,
    weight_of,
    written_by,
)
from wengert.backends.native.plans.statements import (
    Access,
    Contraction,
    Graph,
    Product,
    Shape,
    Whole,
)

LARGE = 1 << 18  # bytes of a pass from which on blocks are worth while
_BLOCK = 1 << 18  # bytes that a block should have
_FEWEST, _MOST = 16, 4096  # rows of a block
_LONG = 1 << 14  # rows from which on sums of sums of blocks have fewer rounding errors
_FEWEST_OF_PRODUCT = 128  # below it products of matrices are slow
_TRIALS = 4  # groups that are taken out of a block for the sake of others


@dataclass(frozen=True)
class Block:
    """Groups over the same rows.

    Attributes
    ----------
    rows : int
        The length of the axis.
    step : int
        Rows at a time.
    groups : tuple of Group
        In order.
    summed : frozenset of int
        Slots that are added up over all rows.
    inner : frozenset of int
        Slots of which a block's rows are needed only while it is worked on.
    """

    rows: int
    step: int
    groups: tuple[Group, ...]
    summed: frozenset[int]
    inner: frozenset[int]


Part = Group | Block


def groups_of(part: Part) -> tuple[Group, ...]:
    """The groups of a part."""
    return part.groups if isinstance(part, Block) else (part,)


def chunks(parts: Sequence[Part]) -> Iterator[list[Part]]:
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


def blocked(groups: Sequence[Group], graph: Graph, given: Iterable[int]) -> list[Part]:
    """The groups, with those that go through the rows of large arrays in blocks.

    Parameters
    ----------
    groups : sequence of Group
        In the order in which they run.
    graph : Graph
        What the slots hold.
    given : iterable of int
        The slots that are results.
    """
    kept = set(given)
    sizes = Counter[int]()
    for group in groups:
        if (rows := _rows(group)) is not None:
            for n in rows:
                sizes[n] += _bytes(group, graph)
    for n, size in sizes.most_common():
        if size < LARGE or n < 2 * _FEWEST:
            break
        found = _searched(groups, graph, n)
        if len(found.members) > 1 or (found.summed and n > _LONG):
            outside = {s for g in (*found.before, *found.after) for s in read_from_memory(g)}
            block = found.block(kept | outside)
            if block is not None:
                later = {s for g in (*found.members, *found.after) for s in read_from_memory(g)}
                return [
                    *blocked(found.before, graph, kept | later),
                    block,
                    *blocked(found.after, graph, kept),
                ]
    return list(groups)


def _rows(group: Group) -> list[int] | None:
    """The lengths of the axes that a group may go along."""
    if isinstance(group, Product):
        return [group.rows, group.summed]
    if isinstance(group, Whole):
        return None
    if isinstance(group, Contraction):
        return list(group.space)
    return [group.space[0]] if group.space else None


def _bytes(group: Group, graph: Graph) -> int:
    return sum(prod(graph.shapes[s]) * graph.types[s].size for s in touched_by([group]))


def _searched(groups: Sequence[Group], graph: Graph, n: int) -> _Search:
    """The search whose block has the most to do.

    A small group in the block may keep a large one out of it, which reads all of its rows: where
    another axis is as long, for instance. It is before the block then.
    """
    found = _Search(groups, graph, n)
    for _ in range(_TRIALS):
        tried = sorted(found.hindering)[:_TRIALS]
        trials = [_Search(groups, graph, n, found.outside | {k}) for k in tried]
        best = max(trials, key=lambda trial: trial.size, default=found)
        if best.size <= found.size:
            break
        found = best
    return found


class _Search:
    """Sorts groups: those before the block, in it, and after it.

    Attributes
    ----------
    outside : frozenset of int
        The groups that are not to be in the block.
    hindering : set of int
        Groups in it of which others that could be in it read all rows.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        graph: Graph,
        n: int,
        outside: frozenset[int] = frozenset(),
    ) -> None:
        self.graph, self.n, self.outside = graph, n, outside
        self.before: list[Group] = []
        self.members: list[Group] = []
        self.after: list[Group] = []
        self.summed: set[int] = set()
        self.by_row: set[int] = set()
        self.hindering: set[int] = set()
        writer: dict[int, int] = {}
        late: set[int] = set()
        for k, group in enumerate(groups):
            read = set(read_from_memory(group))
            ready = not read & (late | self.summed)
            joined = self._joined(group) if ready and k not in outside else None
            if joined is not None:
                self.members.append(joined)
                writer.update(dict.fromkeys(written_by(group), k))
                continue
            if ready and n in (_rows(group) or ()):
                self.hindering |= {writer[s] for s in read & self.by_row}
            if read & (late | self.summed | self.by_row):
                self.after.append(group)
                late.update(written_by(group))
            else:
                self.before.append(group)

    @property
    def size(self) -> int:
        """Bytes that the groups in the block read and write."""
        return sum(_bytes(group, self.graph) for group in self.members)

    def _joined(self, group: Group) -> Group | None:
        """The group as it is in the block; None if it cannot be."""
        if isinstance(group, Whole):
            return None
        for turned in _by_axis(group, self.n) if isinstance(group, Contraction) else (group,):
            if isinstance(turned, Product):
                by_row, summed = self._of_product(turned)
            elif isinstance(turned, Contraction):
                by_row, summed = self._of_contraction(turned)
            else:
                by_row, summed = self._of_nest(turned)
            if by_row or summed:
                self.by_row |= by_row
                self.summed |= summed
                return turned
        return None

    def _of_product(self, product: Product) -> tuple[set[int], set[int]]:
        """What it writes row by row, and what it adds up over the rows."""
        first, second = product.turned
        if any(product.offsets):
            return set(), set()
        if product.rows == self.n and not first and product.right not in self.by_row:
            if self._is_by_row(product.left):
                return {product.target}, set()
            return set(), set()
        by_rows = self._is_by_row(product.left) and self._is_by_row(product.right)
        if product.summed == self.n and first and not second and by_rows:
            return set(), {product.target}
        return set(), set()

    def _is_by_row(self, slot: int) -> bool:
        return slot not in self.by_row or self.graph.shapes[slot][0] == self.n

    def _of_contraction(self, work: Contraction) -> tuple[set[int], set[int]]:
        fits = work.space[0] == self.n and all(
            self._in_row(a, work.space) for a in (work.left, work.right)
        )
        if not fits:
            return set(), set()
        if work.places[0] == 0:
            return set(), {work.target}
        shape = self.graph.shapes[work.target]
        by_row = shape[0] == self.n and work.places[0] == prod(shape[1:])
        return {work.target} if by_row else set(), set()

    def _of_nest(self, nest: Nest) -> tuple[set[int], set[int]]:
        nothing: tuple[set[int], set[int]] = set(), set()
        if not nest.space or nest.space[0] != self.n:
            return nothing
        by_row: set[int] = set()
        summed: set[int] = set()
        for s in nest.statements:
            if s.into is not None or s.partial:
                return nothing
            if not all(nest.holds(a) or self._in_row(a, nest.space) for a in s.reads):
                return nothing
            shape = self.graph.shapes[s.target]
            if s.places[0] == 0:
                summed.add(s.target)
            elif shape[0] == self.n and s.places[0] == prod(shape[1:]):
                by_row.add(s.target)
            else:
                return nothing
        return by_row, summed

    def _in_row(self, access: Access, space: Shape) -> bool:
        """Are the entries that are read at a row in the same row of their array?"""
        if access.slot not in self.by_row:
            return True
        shape = self.graph.shapes[access.slot]
        row = prod(shape[1:])
        steps = [(n - 1) * s for n, s in zip(space[1:], access.strides[1:], strict=True)]
        least = access.offset + sum(s for s in steps if s < 0)
        most = access.offset + sum(s for s in steps if s > 0)
        return shape[0] == self.n and access.strides[0] == row and least >= 0 and most < row

    def block(self, needed: set[int]) -> Block | None:
        """The block; None if it would not have at least two parts."""
        inner = frozenset(self.by_row - needed)
        row = self._row(inner)
        of_matrices = any(isinstance(g, Product) and not g.vector for g in self.members)
        least = _FEWEST_OF_PRODUCT if of_matrices else _FEWEST
        step = step_near(self.n, min(max(_BLOCK // max(row, 1), least), _MOST))
        if 2 * step > self.n:
            return None
        return Block(self.n, step, tuple(self.members), frozenset(self.summed), inner)

    def _row(self, inner: Collection[int]) -> int:
        """Bytes that a row needs: what is in memory anyway, and the most of the rest at a time."""
        touched = [touched_by([g]) for g in self.members]
        sizes = {
            s: prod(shape) // self.n * self.graph.types[s].size
            for s in set[int]().union(*touched) & self._stored()
            if (shape := self.graph.shapes[s]) and self.n in shape
        }
        begin = {s: min(k for k, t in enumerate(touched) if s in t) for s in sizes}
        end = {s: max(k for k, t in enumerate(touched) if s in t) for s in sizes}
        most = max(
            sum(n for s, n in sizes.items() if s in inner and begin[s] <= k <= end[s])
            for k in range(len(touched))
        )
        return most + sum(n for s, n in sizes.items() if s not in inner)

    def _stored(self) -> set[int]:
        """The slots of the members that are in memory."""
        return in_memory(self.members, ())


def _by_axis(work: Contraction, n: int) -> Iterator[Contraction]:
    """The contraction with each axis of this length as its first one."""
    for k, size in enumerate(work.space):
        if size == n:
            order = (k, *(axis for axis in range(len(work.space)) if axis != k))
            yield replace(
                work, space=_ordered(work.space, order), places=_ordered(work.places, order),
                left=replace(work.left, strides=_ordered(work.left.strides, order)),
                right=replace(work.right, strides=_ordered(work.right.strides, order)),
            )  # fmt: skip


def _ordered(entries: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
    return tuple(entries[k] for k in order)


def step_near(rows: int, wanted: int) -> int:
    """A number of rows near the wanted one, which divides all of them if there is such a one."""
    wanted = max(wanted - wanted % 8, 8)
    near = [k for k in range(wanted // 2, min(2 * wanted, rows) + 1) if rows % k == 0]
    return min(near, key=lambda k: (k % 8 != 0, abs(k - wanted)), default=wanted)
