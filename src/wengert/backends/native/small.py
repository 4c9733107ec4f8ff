"""Routines of LAPACK for matrices of few rows: written out, compiled once, and kept on disk.

They take and give what LAPACK's routines do, by columns. All entries are in registers, so that a
system of two unknowns costs some nanoseconds and not the ten times as much that a call costs.

Source: Golub and Van Loan 2013, Matrix Computations, sections 3.4 and 4.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from wengert.backends.native.builder import Builder, Module, Value
from wengert.backends.native.mathematics.simple import absolute, sqrt
from wengert.backends.native.types import I32, I64, PTR, Type

LARGEST = 6  # rows: more would be slow to compile

Entries = list[list[Value]]  # by rows


@dataclass(frozen=True)
class Small:
    """A routine: its symbol, what writes it, and the arguments of LAPACK's that it takes."""

    symbol: str
    write: Callable[[Module, str], None]
    taken: tuple[Any, ...]
    info: bool


def small_routine(name: str, type_: Type, arguments: Sequence[Any]) -> Small | None:
    """What takes the place of a routine of LAPACK, for arguments like these.

    Parameters
    ----------
    name : str
        Without the letter of the precision.
    arguments : sequence
        Letters and integers as they are, and anything else.
    """
    match name, *arguments:
        case "getrf", int(m), int(n), a, int(ahead), pivots if m == n == ahead <= LARGEST:
            return _small(name, type_, n, "", _write_getrf, (a, pivots), info=True)
        case "getrs", str(turned), int(n), int(count), a, int(ahead), pivots, x, int(step) if (
            n == ahead <= LARGEST
        ):
            write = partial(_write_getrs, turned=turned == "T")
            return _small(name, type_, n, turned, write, (a, pivots, x, count, step), info=True)
        case "getri", int(n), a, int(ahead), pivots, _, int() if n == ahead <= LARGEST:
            return _small(name, type_, n, "", _write_getri, (a, pivots), info=True)
        case "potrf", "U", int(n), a, int(ahead) if n == ahead <= LARGEST:
            return _small(name, type_, n, "", _write_potrf, (a,), info=True)
        case "potrs", "U", int(n), int(count), a, int(ahead), x, int(step) if n == ahead <= LARGEST:
            return _small(name, type_, n, "", _write_potrs, (a, x, count, step), info=True)
        case "trsm", "L", str(part), str(turned), str(unit), int(n), int(count), _, a, int(
            ahead
        ), x, int(step) if n == ahead <= LARGEST:
            write = partial(_write_trsm, upper=part == "U", turned=turned == "T", unit=unit == "U")
            kind = part + turned + unit
            return _small(name, type_, n, kind, write, (a, x, count, step), info=False)
        case _:
            return None


def _small(
    name: str,
    type_: Type,
    n: int,
    kind: str,
    write: Callable[..., None],
    taken: tuple[Any, ...],
    *,
    info: bool,
) -> Small:
    symbol = f"wengert_{name}{kind}_{n}_{type_.code}"
    return Small(symbol, partial(write, type_=type_, n=n), taken, info)


# ---------------------------------------------------------------- entries


def _load(b: Builder, a: Value, type_: Type, n: int) -> Entries:
    return [
        [b.load(type_, b.offset(a, (j * n + i) * type_.size)) for j in range(n)] for i in range(n)
    ]


def _store(b: Builder, a: Value, entries: Entries, type_: Type) -> None:
    n = len(entries)
    for i, row in enumerate(entries):
        for j, entry in enumerate(row):
            b.store(entry, b.offset(a, (j * n + i) * type_.size))


def _pivots(b: Builder, pivots: Value, n: int) -> list[Value]:
    """The rows that are exchanged with rows 0, 1, ..., from 1 on."""
    return [b.load(I32, b.offset(pivots, 4 * k)) for k in range(n)]


def _over_columns(
    b: Builder,
    x: Value,
    count: Value,
    step: Value,
    type_: Type,
    n: int,
    change: Callable[[list[Value]], list[Value]],
) -> None:
    """Change vectors where they are."""

    def body(k: Value) -> None:
        place = b.offset(x, k * step, type_.size)
        entries = [b.load(type_, b.offset(place, i * type_.size)) for i in range(n)]
        for i, entry in enumerate(change(entries)):
            b.store(entry, b.offset(place, i * type_.size))

    b.each(0, count, 1, body)


def _minus(b: Builder, x: Value, y: Value, z: Value) -> Value:
    """x − y z."""
    return b.fma(-y, z, x)


def _forward(b: Builder, t: Entries, x: list[Value], *, unit: bool) -> list[Value]:
    """The solution of T x = b for a lower triangular T."""
    found: list[Value] = []
    for i, given in enumerate(x):
        value = given
        for j, known in enumerate(found):
            value = _minus(b, value, t[i][j], known)
        found.append(value if unit else value / t[i][i])
    return found


def _backward(b: Builder, t: Entries, x: list[Value], *, unit: bool) -> list[Value]:
    """The same for an upper triangular T."""
    n = len(x)
    found: dict[int, Value] = {}
    for i in reversed(range(n)):
        value = x[i]
        for j in range(i + 1, n):
            value = _minus(b, value, t[i][j], found[j])
        found[i] = value if unit else value / t[i][i]
    return [found[i] for i in range(n)]


def _transposed(t: Entries) -> Entries:
    return [list(row) for row in zip(*t, strict=True)]


def _exchanged(
    b: Builder, x: list[Value], pivots: Sequence[Value], *, back: bool = False
) -> list[Value]:
    """The entries after all exchanges, or before them."""
    x = list(x)
    n = len(x)
    order = reversed(range(n)) if back else range(n)
    for k in order:
        first = x[k]
        chosen = first
        for i in range(k + 1, n):
            here = pivots[k].equals(i + 1)
            chosen = b.select(here, x[i], chosen)
            x[i] = b.select(here, first, x[i])
        x[k] = chosen
    return x


# ---------------------------------------------------------------- routines


def _write_getrf(module: Module, symbol: str, *, type_: Type, n: int) -> None:
    b = module.function(symbol, [PTR, PTR], I32)
    a, pivots = b.parameters
    rows = _load(b, a, type_, n)
    info = b.constant(0, I32)
    for k in range(n):
        place, largest = b.constant(k + 1, I32), absolute(rows[k][k])
        for i in range(k + 1, n):
            size = absolute(rows[i][k])
            more = size > largest
            largest, place = b.select(more, size, largest), b.select(more, i + 1, place)
        b.store(place, b.offset(pivots, 4 * k))
        first = chosen = rows[k]
        for i in range(k + 1, n):
            here = place.equals(i + 1)
            chosen = [b.select(here, x, y) for x, y in zip(rows[i], chosen, strict=True)]
            rows[i] = [b.select(here, x, y) for x, y in zip(first, rows[i], strict=True)]
        rows[k] = chosen
        zero = chosen[k].equals(0.0) & info.equals(0)
        info = b.select(zero, k + 1, info)
        for i in range(k + 1, n):
            factor = rows[i][k] / chosen[k]
            rows[i] = [
                *rows[i][:k], factor,
                *(_minus(b, rows[i][j], factor, chosen[j]) for j in range(k + 1, n)),
            ]  # fmt: skip
    _store(b, a, rows, type_)
    b.give(info)


def _write_getrs(module: Module, symbol: str, *, type_: Type, n: int, turned: bool) -> None:
    b = module.function(symbol, [PTR, PTR, PTR, I64, I64], I32)
    a, pivots, x, count, step = b.parameters
    t, exchanges = _load(b, a, type_, n), _pivots(b, pivots, n)
    columns = _transposed(t)

    def change(entries: list[Value]) -> list[Value]:
        if not turned:
            half = _forward(b, t, _exchanged(b, entries, exchanges), unit=True)
            return _backward(b, t, half, unit=False)
        half = _forward(b, columns, entries, unit=False)
        return _exchanged(b, _backward(b, columns, half, unit=True), exchanges, back=True)

    _over_columns(b, x, count, step, type_, n, change)
    b.give(b.constant(0, I32))


def _write_getri(module: Module, symbol: str, *, type_: Type, n: int) -> None:
    b = module.function(symbol, [PTR, PTR], I32)
    a, pivots = b.parameters
    t, exchanges = _load(b, a, type_, n), _pivots(b, pivots, n)
    columns: Entries = []
    for j in range(n):
        unit = [b.constant(float(i == j), type_) for i in range(n)]
        half = _forward(b, t, _exchanged(b, unit, exchanges), unit=True)
        columns.append(_backward(b, t, half, unit=False))
    _store(b, a, _transposed(columns), type_)
    b.give(b.constant(0, I32))


def _write_potrf(module: Module, symbol: str, *, type_: Type, n: int) -> None:
    """Of Uᵀ U = A the upper triangle; what is below it stays."""
    b = module.function(symbol, [PTR], I32)
    (a,) = b.parameters
    rows = _load(b, a, type_, n)
    info = b.constant(0, I32)
    for k in range(n):
        square = rows[k][k]
        for p in range(k):
            square = _minus(b, square, rows[p][k], rows[p][k])
        bad = ~(square > 0.0) & info.equals(0)
        info = b.select(bad, k + 1, info)
        rows[k][k] = root = sqrt(square)
        for j in range(k + 1, n):
            value = rows[k][j]
            for p in range(k):
                value = _minus(b, value, rows[p][k], rows[p][j])
            rows[k][j] = value / root
    for i in range(n):
        for j in range(i, n):
            b.store(rows[i][j], b.offset(a, (j * n + i) * type_.size))
    b.give(info)


def _write_potrs(module: Module, symbol: str, *, type_: Type, n: int) -> None:
    b = module.function(symbol, [PTR, PTR, I64, I64], I32)
    a, x, count, step = b.parameters
    t = _load(b, a, type_, n)
    turned = _transposed(t)

    def change(entries: list[Value]) -> list[Value]:
        return _backward(b, t, _forward(b, turned, entries, unit=False), unit=False)

    _over_columns(b, x, count, step, type_, n, change)
    b.give(b.constant(0, I32))


def _write_trsm(
    module: Module, symbol: str, *, type_: Type, n: int, upper: bool, turned: bool, unit: bool
) -> None:
    b = module.function(symbol, [PTR, PTR, I64, I64])
    a, x, count, step = b.parameters
    t = _load(b, a, type_, n)
    t = _transposed(t) if turned else t
    solve = _backward if upper != turned else _forward
    _over_columns(b, x, count, step, type_, n, lambda entries: solve(b, t, entries, unit=unit))
    b.give()
