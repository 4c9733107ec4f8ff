"""Contractions by tiles in registers: batches of products, and products that are small.

A tile is some rows of one factor by some vectors of the other; its sums stay in registers while
what is summed over runs. Everything else is loops around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from wengert.backends.native.builder import Builder, Module, Value
from wengert.backends.native.plans.nests import simplified
from wengert.backends.native.plans.statements import Shape, Strides
from wengert.backends.native.types import I64, PTR, VOID, Type

_ROWS = {1: 8, 2: 6, 3: 4}  # of a tile of so many vectors: what 16 registers hold


@dataclass(frozen=True)
class _Axis:
    """Its length, and the steps of the factors and of the target along it.

    ``row`` is that of the factor of which single entries are read, ``column`` of the other one.
    """

    size: int
    row: int
    column: int
    target: int


@dataclass(frozen=True)
class Tiling:
    """What the axes of a contraction are for.

    Attributes
    ----------
    turned : bool
        Are the rows those of the right factor?
    rows, columns : _Axis
        The axes of a tile; entries follow each other along the columns.
    summed, outer : tuple of _Axis
        What is added up, and the rest.
    """

    turned: bool
    rows: _Axis
    columns: _Axis
    summed: tuple[_Axis, ...]
    outer: tuple[_Axis, ...]

    @property
    def packed(self) -> bool:
        """Do the entries of the factor with the columns follow each other along them?"""
        return self.columns.column == 1


_NONE = _Axis(1, 0, 0, 0)


def tiling(
    space: Shape, left: Strides, right: Strides, target: Strides, *, part: bool = False
) -> Tiling | None:
    """How a contraction is made of tiles; None if entries of a factor would not be used again.

    Of a ``part`` of the space that does not count.
    """
    sizes, (left, right, target) = simplified(space, [left, right, target])
    ends = [k for k, step in enumerate(target) if step == 1]
    if len(ends) != 1:
        return None
    (last,) = ends
    if bool(left[last]) == bool(right[last]):
        return None
    turned = bool(left[last])
    row, column = (right, left) if turned else (left, right)
    axes = [_Axis(*a) for a in zip(sizes, row, column, target, strict=True)]
    columns = axes[last]
    rest = [a for k, a in enumerate(axes) if k != last]
    found = [a for a in rest if a.target and a.row and not a.column]
    rows = max(found, key=lambda a: a.size, default=_NONE)
    summed = tuple(a for a in rest if not a.target)
    if not part and (rows is _NONE or not summed):
        return None
    outer = tuple(sorted((a for a in rest if a.target and a is not rows), key=lambda a: -a.target))
    return Tiling(turned, rows, columns, summed, outer)


def write_tiles(
    b: Builder,
    tiles: Tiling,
    left: Value,
    right: Value,
    target: Value,
    type_: Type,
    lanes: int,
    factor: float,
    *,
    added: bool = False,
) -> None:
    """Write a contraction, or add it to the target.

    Parameters
    ----------
    tiles : Tiling
        Of the contraction.
    left, right, target : Value
        Where the arrays begin.
    lanes : int
        Entries of a register.
    factor : float
        Of the result.
    """
    row, column = (right, left) if tiles.turned else (left, right)
    _Writer(b, tiles, type_, lanes, factor, added).write(_Places(row, column, target))


# ---------------------------------------------------------------- loops around panels


@dataclass(frozen=True)
class _Places:
    row: Value
    column: Value
    target: Value


@dataclass(frozen=True)
class _Writer:
    b: Builder
    tiles: Tiling
    type_: Type
    lanes: int
    factor: float
    added: bool

    def write(self, at: _Places) -> None:
        self._outer(self.tiles.outer, at)

    def _moved(self, at: _Places, axis: _Axis, index: Value) -> _Places:
        move, size = self.b.offset, self.type_.size
        return _Places(
            move(at.row, index, axis.row * size) if axis.row else at.row,
            move(at.column, index, axis.column * size) if axis.column else at.column,
            move(at.target, index, axis.target * size) if axis.target else at.target,
        )

    def _outer(self, axes: Sequence[_Axis], at: _Places) -> None:
        if axes:
            self._loop(axes[0], 1, axes[0].size, at, lambda here: self._outer(axes[1:], here))
            return
        columns = self.tiles.columns
        summed = sorted(self.tiles.summed, key=lambda a: -a.size) or [_NONE]
        for start, stop, lanes in _panels(columns.size, self.lanes):
            first = self._moved(at, columns, self.b.constant(start, I64))
            self._loop(
                columns, sum(lanes), stop - start, first,
                lambda here, lanes=lanes: self._sums(summed[1:], summed[0], here, lanes),
            )  # fmt: skip

    def _loop(
        self, axis: _Axis, step: int, stop: int, at: _Places, write: Callable[[_Places], None]
    ) -> None:
        if stop <= step:
            if stop:
                write(at)
            return

        self.b.each(0, stop, step, lambda index: write(self._moved(at, axis, index)))

    def _sums(
        self,
        axes: Sequence[_Axis],
        last: _Axis,
        at: _Places,
        lanes: tuple[int, ...],
        later: Value | None = None,
    ) -> None:
        """What is summed over but for the last axis: from the second index on it is added."""
        b = self.b
        if axes:

            def inside(index: Value) -> None:
                before = index if later is None else later + index
                self._sums(axes[1:], last, self._moved(at, axes[0], index), lanes, before)

            b.each(0, axes[0].size, 1, inside)
            return
        rows, size = self.tiles.rows, self.type_.size
        height = _height(rows.size, len(lanes))
        numbers = [
            rows.size - rows.size % height, rows.size, rows.row * size, rows.target * size,
            last.size, last.row * size, last.column * size,
        ]  # fmt: skip
        table = b.module.table(b, "panel_" + "_".join(map(str, numbers)), I64, numbers)
        added = b.constant(1, I64) if self.added or later is None else later
        if later is None and not self.added:
            added = b.constant(0, I64)
        symbol = f"wengert_panel_{self.type_.code}_{height}_{'_'.join(map(str, lanes))}"
        b.module.shared[symbol] = partial(_panel, type_=self.type_, lanes=lanes, height=height)
        factor = b.constant(self.factor, self.type_)
        b.call(symbol, VOID, at.row, at.column, at.target, table, added, factor)


def _panels(columns: int, lanes: int) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Columns from one to another by panels of some vectors, the last ones by shorter vectors."""
    whole, pieces = columns // lanes, _pieces(columns % lanes, lanes)
    if whole + len(pieces) <= max(_ROWS):
        yield 0, columns, (*[lanes] * whole, *pieces)
        return
    some = 3 if whole % 3 == 0 or (whole % 2 and len(pieces) < 2) else 2
    stop = whole // some * some * lanes
    yield 0, stop, (lanes,) * some
    left = (*[lanes] * (whole % some), *pieces)
    while left:
        part, left = left[: max(_ROWS)], left[max(_ROWS) :]
        yield stop, stop + sum(part), part
        stop += sum(part)


def _pieces(columns: int, lanes: int) -> tuple[int, ...]:
    """Fewer columns than a register has lanes, as powers of two."""
    powers = [1 << k for k in reversed(range(lanes.bit_length()))]
    return tuple(p for p in powers if columns & p)


# ---------------------------------------------------------------- one panel


def _height(rows: int, vectors: int) -> int:
    """Rows of a tile: as many as registers hold, unless fewer leave less over.

    A row alone waits for its own sums, four cycles each; a tile makes two additions a cycle.
    """

    def cycles(height: int) -> float:
        return rows // height * max(height * vectors / 2, 4) + rows % height * 4

    return min(range(_ROWS[vectors], 0, -1), key=cycles)


def _panel(module: Module, symbol: str, type_: Type, lanes: tuple[int, ...], height: int) -> None:
    """Write the routine of a panel: rows of one factor by a few vectors of the other.

    Its parameters are where these and the target begin, a table of sizes and steps in bytes,
    whether the result is added to the target, and its factor.
    """
    b = module.function(symbol, [PTR, PTR, PTR, PTR, I64, type_])
    row, column, target, table, added, factor = b.parameters
    whole, rows, row_step, target_step, summed, *steps = (
        b.load(I64, b.offset(table, 8 * k)) for k in range(7)
    )
    types = [type_.of(n if n > 1 else 0) for n in lanes]
    places = [sum(lanes[:k]) * type_.size for k in range(len(lanes))]

    def tile(count: int, index: Value) -> None:
        lines = [b.constant(0, I64)]
        below = [b.offset(target, index * target_step, 1)]
        for _ in range(count - 1):
            lines.append(lines[-1] + row_step)
            below.append(b.offset(below[-1], target_step, 1))

        def multiplied(_: Value, carried: tuple[Value, ...]) -> list[Value]:
            at, beside, *totals = carried
            vectors = [b.load(t, b.offset(beside, p)) for t, p in zip(types, places, strict=True)]
            sums: list[Value] = []
            for k, line in enumerate(lines):
                entry = b.load(type_, b.offset(at, line) if k else at)
                spread = b.spread(entry, types[0].lanes)
                sums += [
                    b.fma(_first_lanes(b, spread, v.type.lanes), v, total)
                    for v, total in zip(vectors, totals[k * len(types) :], strict=False)
                ]
            return [b.offset(at, steps[0]), b.offset(beside, steps[1]), *sums]

        zeros = [b.zero(t) for t in types] * count
        begin = b.offset(row, index * row_step)
        _, _, *totals = b.loop(0, summed, 1, multiplied, [begin, column, *zeros])
        spread = [b.spread(factor, t.lanes) for t in types] * count
        results = [total * f for total, f in zip(totals, spread, strict=True)]
        where = [b.offset(line, p) for line in below for p in places]

        def store(*, more: bool) -> tuple[Value, ...]:
            for result, place in zip(results, where, strict=True):
                b.store(b.load(result.type, place) + result if more else result, place)
            return ()

        b.branch(added.differs(0), lambda: store(more=True), lambda: store(more=False))

    b.each(0, whole, height, partial(tile, height))
    if height > 1:
        b.each(whole, rows, 1, partial(tile, 1))
    b.give()


def _first_lanes(b: Builder, vector: Value, lanes: int) -> Value:
    """A part of a register is no instruction, as a further one that is spread would be."""
    if vector.type.lanes == lanes:
        return vector
    return b.shuffle(vector, vector, range(lanes)) if lanes else b.extract(vector, 0)
