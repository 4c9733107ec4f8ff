"""Linear combinations: terms of one factor are added up first, and scaled together.

Terms that are constant along axes are broadcast, never spread; terms with a diagonal pattern are
added through diagonal views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.numpy_views import Index, aligned, diagonal_view
from wengert.plan.instructions import Combine, Labels, Placed, Term

Slots = list[Any]


@dataclass(frozen=True)
class _Part:
    """A term up to its factor: ± the array, lined up by a permutation and an index."""

    source: int
    negative: bool
    order: Labels
    index: Index | None
    plain: bool

    def read(self, slots: Slots) -> Any:
        if self.index is None:
            return slots[self.source]
        return slots[self.source].transpose(self.order)[self.index]


def _part(term: Term) -> _Part:
    if term.plain or not term.labels or term.labels == term.out[-len(term.labels) :]:
        return _Part(term.source, term.factor < 0, (), None, term.plain)
    return _Part(term.source, term.factor < 0, *aligned(term.labels, term.out), False)


@dataclass(frozen=True)
class _Group:
    """factor · (first ± rest): the terms whose factors differ in sign only."""

    factor: float
    first: _Part
    rest: tuple[_Part, ...]

    @property
    def parts(self) -> tuple[_Part, ...]:
        return (self.first, *self.rest)

    @property
    def plain(self) -> bool:
        return any(p.plain for p in self.parts)

    def evaluate(self, slots: Slots) -> Any:
        total = self.first.read(slots)
        for part in self.rest:
            value = part.read(slots)
            total = total - value if part.negative else total + value
        return total if self.factor == 1 else total * self.factor

    def write(self, slots: Slots, out: Any) -> Any:
        """The same with every operation's result in ``out``; a view if there is no operation."""
        total = self.first.read(slots)
        for part in self.rest:
            add = np.subtract if part.negative else np.add
            total = add(total, part.read(slots), out=out)
        return total if self.factor == 1 else np.multiply(total, self.factor, out=out)


def _group(size: float, terms: Sequence[Term]) -> _Group:
    parts = sorted(map(_part, terms), key=lambda p: (p.negative, not p.plain))
    if parts[0].negative:
        flipped = [_Part(p.source, False, p.order, p.index, p.plain) for p in parts]
        return _Group(-size, flipped[0], tuple(flipped[1:]))
    return _Group(size, parts[0], tuple(parts[1:]))


def _grouped(terms: Sequence[Term]) -> list[_Group]:
    """The groups, in the order in which they are added: first what needs no factor."""
    by_size: dict[float, list[Term]] = {}
    for t in terms:
        by_size.setdefault(abs(t.factor), []).append(t)
    groups = [_group(size, found) for size, found in by_size.items()]
    return sorted(groups, key=lambda g: (abs(g.factor) != 1, not g.plain, g.factor < 0))


def _split(i: Combine) -> tuple[list[_Group], list[Term]]:
    diagonal = [t for t in i.terms if len(set(t.out)) < len(t.out)]
    return _grouped([t for t in i.terms if len(set(t.out)) == len(t.out)]), diagonal


def combine_step(i: Combine, dtype: Any) -> Callable[[Slots], Any]:
    """A combination as a new array."""
    groups, diagonal = _split(i)
    if all(t.plain for t in i.terms) and not i.placed:
        return _difference(groups) or _total(groups)
    total_of = _total(groups) if groups else None
    shape, placed = i.shape, i.placed

    def run(slots: Slots) -> Any:
        total: Any = None if total_of is None else total_of(slots)
        if not diagonal and not placed and total.shape == shape and total.dtype == dtype:
            return total
        result = np.zeros(shape, dtype) if total is None else np.empty(shape, dtype)
        if total is not None:
            result[...] = total
        for term in diagonal:
            _add_through_pattern(result, slots[term.source], term)
        for part in placed:
            _add_placed(result, slots, part)
        return result

    return run


def _difference(groups: Sequence[_Group]) -> Callable[[Slots], Any] | None:
    """a + b or a − b, which most sums are."""
    if len(groups) > 1 or groups[0].factor != 1 or len(groups[0].rest) != 1:
        return None
    a, b = groups[0].first.source, groups[0].rest[0].source
    if groups[0].rest[0].negative:
        return lambda slots: slots[a] - slots[b]
    return lambda slots: slots[a] + slots[b]


def _total(groups: Sequence[_Group]) -> Callable[[Slots], Any]:
    first, *rest = groups

    def run(slots: Slots) -> Any:
        total = first.evaluate(slots)
        for group in rest:
            total = total + group.evaluate(slots)
        return total

    return run


def combine_writer(
    i: Combine,
) -> tuple[Callable[[Slots, Any, Any], Any], tuple[int, ...], bool]:
    """``write(slots, out, scratch)``, the sources that may be ``out``, and if a scratch is used."""
    groups, diagonal = _split(i)

    def write(slots: Slots, out: Any, scratch: Any) -> Any:
        total = None
        for group in groups:
            if total is None:
                total = group.write(slots, out)
            else:
                part = group.write(slots, scratch) if group.plain else group.evaluate(slots)
                total = np.add(total, part, out=out)
        if total is None:
            out.fill(0)
        elif total is not out:
            np.copyto(out, total)
        for term in diagonal:
            _add_through_pattern(out, slots[term.source], term)
        for part in i.placed:
            _add_placed(out, slots, part)
        return out

    late = {t.source for t in diagonal} | {s for p in i.placed for s in p.operands}
    over = _read_before_written(groups, late)
    return write, over, any(g.plain for g in groups[1:])


def _read_before_written(groups: Sequence[_Group], last: set[int]) -> tuple[int, ...]:
    """The sources that are not read again once something is written to the result.

    ``last`` are those that are read after the groups.
    """
    if not groups:
        return ()
    first, *rest = groups
    early = list(first.parts[:2])
    late = list(first.parts[2:])
    if not first.rest and first.factor == 1 and rest:  # written when the second group is added
        early += rest[0].parts
        rest = rest[1:]
    late += [p for g in rest for p in g.parts]
    again = {p.source for p in late} | last
    return tuple(p.source for p in early if p.source not in again)


def _add_placed(result: Any, slots: Slots, part: Placed) -> None:
    add = part.node.primitive.add_into
    assert add is not None
    add(part.node, result, part.factor, *(slots[s] for s in part.operands))


def _add_through_pattern(result: Any, core: Any, term: Term) -> None:
    view = diagonal_view(result, term.out)
    order, index = aligned(term.labels, tuple(dict.fromkeys(term.out)))
    if term.labels:
        core = core.transpose(order)[index]
    view += core if term.factor == 1 else term.factor * core
