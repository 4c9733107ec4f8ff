"""Loops over arrays, several entries at once.

The body is written once: the last vector overlaps the one before it, and what is shorter than a
vector goes through a buffer of its own. Where arrays are read and written in place, entries must
not be computed twice, and the last few go through the buffer too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from wengert.backends.native.builder import Builder, Value
from wengert.backends.native.mathematics.simple import maximum, minimum
from wengert.backends.native.types import I64, Type

Count = Value | int


@dataclass(frozen=True)
class Stream:
    """An array that a loop reads or writes.

    Attributes
    ----------
    pointer : Value
        Its first entry.
    type : Type
        Of one entry.
    step : int or Value
        Entries from one to the next: 1 in a row, 0 for one entry that stands for all.
    """

    pointer: Value
    type: Type
    step: Count = 1


@dataclass(frozen=True)
class Reduction:
    """How entries are put together, and the number that changes nothing."""

    combine: Callable[[Value, Value], Value]
    identity: float


SUM = Reduction(lambda x, y: x + y, 0.0)
PRODUCT = Reduction(lambda x, y: x * y, 1.0)
MAXIMUM = Reduction(maximum, -math.inf)
MINIMUM = Reduction(minimum, math.inf)

Body = Callable[[Sequence[Value]], tuple[Sequence[Value], Sequence[Value]]]


def vector_loop(
    b: Builder,
    count: Count,
    reads: Sequence[Stream],
    writes: Sequence[Stream],
    body: Body,
    *,
    lanes: int,
    reductions: Sequence[tuple[Reduction, Type]] = (),
    adds: Sequence[Stream] = (),
    unroll: int = 1,
    in_place: bool = False,
) -> tuple[Value, ...]:
    """Write a loop.

    Parameters
    ----------
    b : Builder
        The function.
    count : int or Value
        Number of entries.
    reads, writes : sequence of Stream
        The arrays.
    body : callable
        ``body(entries)`` gives the entries to write, and those to be reduced. It is called for
        vectors of ``lanes`` entries, or of fewer where the count is known to be smaller.
    lanes : int
        Entries at once, a power of two.
    reductions : sequence of (Reduction, Type)
        How the body's second results are put together. The order depends on the count alone.
    adds : sequence of Stream
        Arrays that entries are added to: the last of the body's first results.
    unroll : int
        How often the body is written in the main loop, each with its own accumulators: for short
        bodies, which wait for each other otherwise.
    in_place : bool
        Whether a written array may be a read one. They may not overlap in another way.

    Returns
    -------
    tuple of Value
        The reductions' results, scalars.

    Raises
    ------
    ValueError
        If ``lanes`` or ``unroll`` is no power of two, or a written array has step 0.
    """
    if lanes & (lanes - 1) or unroll & (unroll - 1):
        raise ValueError(f"lanes and unroll are powers of two, not {lanes} and {unroll}")
    if any(_is(stream.step, 0) for stream in (*writes, *adds)):
        raise ValueError("one entry cannot be written for all")
    if isinstance(count, int):
        lanes = min(lanes, 1 << max(count.bit_length() - 1, 0))
    return _Loop(
        b, count, (*reads, *adds), (*writes, *adds), body, lanes, tuple(reductions), tuple(adds),
        unroll, in_place,
    ).write()  # fmt: skip


@dataclass(frozen=True)
class _Loop:
    b: Builder
    count: Count
    reads: tuple[Stream, ...]
    writes: tuple[Stream, ...]
    body: Body
    lanes: int
    reductions: tuple[tuple[Reduction, Type], ...]
    adds: tuple[Stream, ...]
    unroll: int
    in_place: bool

    def write(self) -> tuple[Value, ...]:
        b, lanes = self.b, self.lanes
        singles = {
            k: b.spread(b.load(s.type, s.pointer), self._width)
            for k, s in enumerate(self.reads)
            if _is(s.step, 0)
        }
        if _is(self.count, 0):
            return tuple(b.constant(r.identity, t) for r, t in self.reductions)
        totals = [self._identity(r, t) for r, t in self.reductions]
        begin: Count = 0
        if self.unroll > 1 and not (isinstance(self.count, int) and self.count < 2 * lanes):
            begin, totals = self._unrolled(totals, singles)
        if _is(self.count, lanes):
            totals = self._step(self._const(0), None, totals, singles, self.reads, self.writes)
        else:
            totals = self._phases(begin, totals, singles)
        return tuple(
            self._across(r, total) for (r, _), total in zip(self.reductions, totals, strict=True)
        )

    # ------------------------------------------------ pieces

    @property
    def _width(self) -> int:
        """Lanes of the vectors; 0 for scalars."""
        return self.lanes if self.lanes > 1 else 0

    def _const(self, number: int) -> Value:
        return self.b.constant(number, I64)

    @property
    def _counted(self) -> Value:
        """How many entries there are."""
        return self.count if isinstance(self.count, Value) else self._const(self.count)

    def _identity(self, reduction: Reduction, type_: Type) -> Value:
        return self.b.constant(reduction.identity, type_.of(self._width))

    def _unrolled(
        self, totals: list[Value], singles: dict[int, Value]
    ) -> tuple[Count, list[Value]]:
        """Whole groups of vectors, each vector with its accumulators."""
        b, group = self.b, self.lanes * self.unroll
        full: Count
        if isinstance(self.count, int):
            full = self.count - self.count % group
        else:
            full = self.count - (self.count & (group - 1))
        width = len(totals)

        def inside(index: Value, carried: tuple[Value, ...]) -> list[Value]:
            found: list[Value] = []
            for j in range(self.unroll):
                at = index + j * self.lanes if j else index
                mine = list(carried[j * width : (j + 1) * width])
                found += self._step(at, None, mine, singles, self.reads, self.writes)
            return found

        ends = b.loop(0, full, group, inside, totals * self.unroll)
        parts = [list(ends[j * width : (j + 1) * width]) for j in range(self.unroll)]
        while len(parts) > 1:
            half = (len(parts) + 1) // 2
            for j in range(half, len(parts)):
                parts[j - half] = [
                    r.combine(x, y)
                    for (r, _), x, y in zip(self.reductions, parts[j - half], parts[j], strict=True)
                ]
            parts = parts[:half]
        return full, parts[0]

    def _phases(self, begin: Count, totals: list[Value], singles: dict[int, Value]) -> list[Value]:
        """First the arrays themselves, then a buffer for what is left.

        In place that is what comes after the whole vectors, else all of less than a vector.
        """
        b, lanes = self.b, self.lanes
        if isinstance(self.count, int) and isinstance(begin, int):
            if begin == self.count:
                return totals
            if not self.in_place or self.count % lanes == 0:
                stop = self._const(self.count)
                even = (self.count - begin) % lanes == 0
                return self._steps(
                    self._const(begin), stop, totals, singles, self.reads, self.writes, even=even
                )
        count = self._counted
        begin = begin if isinstance(begin, Value) else self._const(begin)
        if self.in_place:
            stop = count - (count & (lanes - 1))
            left = count - stop
        else:
            enough = count >= lanes
            stop = b.select(enough, count, self._const(0))
            left = b.select(enough, self._const(0), count)
        moving = [s for s in (*self.reads, *self.writes) if not _is(s.step, 0)]
        buffers = [b.slot(lanes * s.type.size) for s in moving]

        def phase(index: Value, carried: tuple[Value, ...]) -> list[Value]:
            second = index > 0
            first = b.select(second, lanes - left, begin)
            last = b.select(second, self._const(lanes), stop)
            last = b.select(second & left.equals(0), self._const(0), last)
            needed = second & (left > 0)
            reads = [s for s in self.reads if not _is(s.step, 0)]
            b.branch(needed, lambda: self._fill(reads, buffers[: len(reads)], left))
            switched = iter(
                Stream(
                    b.select(second, buffer, s.pointer),
                    s.type,
                    1 if _is(s.step, 1) else self._switch(second, s),
                )
                for s, buffer in zip(moving, buffers, strict=True)
            )
            here = [s if _is(s.step, 0) else next(switched) for s in self.reads]
            there = list(switched)
            ends = self._steps(first, last, list(carried), singles, here, there)
            b.branch(needed, lambda: self._empty(self.writes, buffers[len(reads) :], stop, left))
            return ends

        return list(b.loop(0, 2, 1, phase, totals))

    def _switch(self, second: Value, stream: Stream) -> Value:
        step = stream.step if isinstance(stream.step, Value) else self._const(stream.step)
        return self.b.select(second, self._const(1), step)

    def _fill(
        self, streams: Sequence[Stream], buffers: Sequence[Value], left: Value
    ) -> tuple[Value, ...]:
        """The last entries, at the end of the buffers; before them, the first of them again."""
        b, lanes = self.b, self.lanes
        start = self._counted - left

        def copy(stream: Stream, buffer: Value, index: Value) -> None:
            place = index - (lanes - left)
            entry = b.load(stream.type, self._at(stream, start + b.select(place < 0, 0, place)))
            b.store(entry, b.offset(buffer, index, stream.type.size))

        return self._move(streams, buffers, lanes, copy)

    def _empty(
        self, streams: Sequence[Stream], buffers: Sequence[Value], start: Value, left: Value
    ) -> tuple[Value, ...]:
        """What the ends of the buffers hold, to the entries from the start on."""
        b, lanes = self.b, self.lanes

        def copy(stream: Stream, buffer: Value, index: Value) -> None:
            place = b.offset(buffer, index + (lanes - left), stream.type.size)
            b.store(b.load(stream.type, place), self._at(stream, start + index))

        return self._move(streams, buffers, left, copy)

    def _move(
        self,
        streams: Sequence[Stream],
        buffers: Sequence[Value],
        count: Count,
        copy: Callable[[Stream, Value, Value], None],
    ) -> tuple[Value, ...]:
        for stream, buffer in zip(streams, buffers, strict=True):
            self.b.each(0, count, 1, partial(copy, stream, buffer))
        return ()

    def _at(self, stream: Stream, index: Value) -> Value:
        if not _is(stream.step, 1):
            index = index * stream.step
        return self.b.offset(stream.pointer, index, stream.type.size)

    def _steps(
        self,
        first: Value,
        last: Value,
        totals: list[Value],
        singles: dict[int, Value],
        reads: Sequence[Stream],
        writes: Sequence[Stream],
        *,
        even: bool = False,
    ) -> list[Value]:
        """From the first index below the last; the last vector begins so that it ends there.

        It does so by itself if the vectors come out ``even``.
        """
        b, lanes = self.b, self.lanes
        final = last if even else last - lanes

        def inside(index: Value, carried: tuple[Value, ...]) -> list[Value]:
            if even:
                return self._step(index, None, list(carried), singles, reads, writes)
            at = b.select(index < final, index, final)
            fresh = None
            if (self.reductions or self.adds) and self._width:
                places = b.spread(at, lanes) + b.lanes(I64.of(lanes), range(lanes))
                fresh = places >= b.spread(index, lanes)
            return self._step(at, fresh, list(carried), singles, reads, writes)

        return list(b.loop(first, last, lanes, inside, totals))

    def _step(
        self,
        at: Value,
        fresh: Value | None,
        totals: list[Value],
        singles: dict[int, Value],
        reads: Sequence[Stream],
        writes: Sequence[Stream],
    ) -> list[Value]:
        """One vector; only the entries that are fresh are reduced."""
        b = self.b
        entries = [singles[k] if k in singles else self._read(s, at) for k, s in enumerate(reads)]
        known = len(entries) - len(self.adds)
        results, terms = self.body(entries[:known])
        plain = len(results) - len(self.adds)
        sums = [
            entry + (term if fresh is None else b.select(fresh, term, 0.0))
            for entry, term in zip(entries[known:], results[plain:], strict=True)
        ]
        results = [*results[:plain], *sums]
        for stream, result in zip(writes, results, strict=True):
            self._write(stream, at, result)
        following: list[Value] = []
        for (reduction, type_), total, term in zip(self.reductions, totals, terms, strict=True):
            kept = term
            if fresh is not None:
                kept = b.select(fresh, term, self._identity(reduction, type_))
            following.append(reduction.combine(total, kept))
        return following

    def _read(self, stream: Stream, at: Value) -> Value:
        b = self.b
        if _is(stream.step, 1):
            return b.load(stream.type.of(self._width), self._at(stream, at))
        if not self._width:
            return b.load(stream.type, self._at(stream, at))
        vector = Value(b, "poison", stream.type.of(self._width))
        for k in range(self.lanes):
            vector = b.insert(vector, b.load(stream.type, self._at(stream, at + k)), k)
        return vector

    def _write(self, stream: Stream, at: Value, entries: Value) -> None:
        b = self.b
        if _is(stream.step, 1) or not self._width:
            b.store(entries, self._at(stream, at))
            return
        for k in range(self.lanes):
            b.store(b.extract(entries, k), self._at(stream, at + k))

    def _across(self, reduction: Reduction, vector: Value) -> Value:
        """All lanes put together, by halves."""
        b, lanes = self.b, vector.type.lanes
        while lanes > 2:
            lanes //= 2
            low = b.shuffle(vector, vector, range(lanes))
            high = b.shuffle(vector, vector, range(lanes, 2 * lanes))
            vector = reduction.combine(low, high)
        if not lanes:
            return vector
        return reduction.combine(b.extract(vector, 0), b.extract(vector, 1))


def _is(count: Count, number: int) -> bool:
    return isinstance(count, int) and count == number
