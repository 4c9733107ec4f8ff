"""Where in one piece of memory values are, that are needed for some time each."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wengert.backends.native.needs import LINE

_WORD = 8  # bytes that single numbers are aligned to


@dataclass(frozen=True)
class Span:
    """So many bytes from a step on to another one, both included."""

    first: int
    last: int
    size: int


def offsets_of(spans: Mapping[int, Span]) -> tuple[dict[int, int], int]:
    """Offsets of slots, and the bytes in all: arrays begin lines, single numbers share some."""
    offsets: dict[int, int] = {}
    top = 0
    for unit, small in ((_WORD, True), (LINE, False)):
        chosen = [slot for slot, span in spans.items() if (span.size <= _WORD) is small]
        rounded = [_rounded(spans[slot], unit) for slot in chosen]
        places, size = packed(rounded)
        offsets.update({slot: top + at for slot, at in zip(chosen, places, strict=True)})
        top += -(-size // LINE) * LINE
    return offsets, top


def in_lines(sizes: Iterable[int]) -> tuple[list[int], int]:
    """Offsets, one after the other, each at the beginning of a line, and the bytes in all."""
    offsets: list[int] = []
    top = 0
    for size in sizes:
        offsets.append(top)
        top += -(-size // LINE) * LINE
    return offsets, top


def _rounded(span: Span, unit: int) -> Span:
    return replace(span, size=max(-(-span.size // unit), 1) * unit)


def packed(spans: Sequence[Span]) -> tuple[list[int], int]:
    """Offsets, so that what is needed at the same time does not overlap, and the bytes in all.

    Each gets the smallest gap that is large enough at its first step. What is free after the last
    of its users joins its free neighbours, so that the time is that of sorting.

    Parameters
    ----------
    spans : sequence of Span
        In any order.

    Examples
    --------
    >>> packed([Span(0, 1, 64), Span(1, 2, 64), Span(2, 3, 64)])
    ([0, 64, 0], 128)
    """
    offsets = [0] * len(spans)
    gaps = _Gaps()
    held: list[tuple[int, int]] = []  # last step and number, sorted from the latest one
    for k in sorted(range(len(spans)), key=lambda k: spans[k].first):
        span = spans[k]
        while held and -held[-1][0] < span.first:
            _, j = held.pop()
            gaps.free(offsets[j], spans[j].size)
        offsets[k] = gaps.take(span.size)
        insort(held, (-span.last, k))
    return offsets, gaps.top


class _Gaps:
    """Free memory below the top, by place and by size."""

    def __init__(self) -> None:
        self.top = 0
        self._ends: dict[int, int] = {}  # begin of the gap that ends there
        self._begins: dict[int, int] = {}  # end of the gap that begins there
        self._sizes: list[tuple[int, int]] = []

    def take(self, size: int) -> int:
        """The smallest gap that fits, the first of them; else what is at the top."""
        k = bisect_left(self._sizes, (size, 0))
        if k < len(self._sizes):
            length, begin = self._sizes[k]
            self._forget(begin, begin + length)
            if length > size:
                self._keep(begin + size, begin + length)
            return begin
        begin = self._ends.get(self.top, self.top)  # what is free at the top grows
        if begin < self.top:
            self._forget(begin, self.top)
        self.top = begin + size
        return begin

    def free(self, begin: int, size: int) -> None:
        """Give memory back."""
        end = begin + size
        if (before := self._ends.get(begin)) is not None:
            self._forget(before, begin)
            begin = before
        if (after := self._begins.get(end)) is not None:
            self._forget(end, after)
            end = after
        self._keep(begin, end)

    def _keep(self, begin: int, end: int) -> None:
        self._begins[begin], self._ends[end] = end, begin
        insort(self._sizes, (end - begin, begin))

    def _forget(self, begin: int, end: int) -> None:
        del self._begins[begin], self._ends[end]
        del self._sizes[bisect_left(self._sizes, (end - begin, begin))]
