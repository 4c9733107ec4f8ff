"""Where rows of data come from: arrays, files, or batches that are made again at every pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import optree

from wengert.errors import DomainError, ShapeError, WengertError

Rows = Any  # a tuple (x,) or (x, y) of pytrees of arrays
Prepare = Callable[[Rows, int], Rows]


class Source(Protocol):
    """Rows of data, a chunk at a time.

    Attributes
    ----------
    length : int
        The number of rows.
    sizes : tuple of int
        Of the chunks.
    """

    @property
    def length(self) -> int:
        """The number of rows."""
        ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of the chunks."""
        ...

    def chunks(self) -> Iterator[Rows]:
        """Each chunk: a tuple of pytrees of arrays whose first axes are the rows."""
        ...


@dataclass(frozen=True, eq=False)
class Nothing:
    """No data: what a function of parameters alone has."""

    length: int = 1
    sizes: tuple[int, ...] = (1,)

    def chunks(self) -> Iterator[Rows]:
        """One chunk of nothing."""
        yield ()


@dataclass(frozen=True, eq=False)
class Arrays:
    """Rows of arrays in memory (or mapped into it).

    Attributes
    ----------
    rows : tuple of pytree
        Arrays with as many rows each.
    chunk : int or None
        How many rows are taken at a time; all without it.
    """

    rows: Rows
    chunk: int | None = None

    @cached_property
    def length(self) -> int:
        """The number of rows."""
        return count_rows(self.rows)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Rows of the chunks."""
        size = self.chunk or self.length
        return tuple(min(size, self.length - k) for k in range(0, self.length, size))

    def chunks(self) -> Iterator[Rows]:
        """The chunks, as views."""
        if len(self.sizes) == 1:
            yield self.rows
            return
        start = 0
        for size in self.sizes:
            yield self.part(slice(start, start + size))
            start += size

    def part(self, where: Any) -> Rows:
        """Some of the rows: a slice, or an array of their numbers."""
        if isinstance(where, slice):
            return optree.tree_map(lambda a: np.asarray(a[where]), self.rows)
        if self._plain:
            return tuple(a.take(where, 0) for a in self.rows)
        return optree.tree_map(lambda a: np.take(a, where, axis=0), self.rows)

    @cached_property
    def _plain(self) -> bool:
        return all(type(a) is np.ndarray for a in self.rows)


class Stream:
    """Chunks that are made again at every pass; one is in memory at a time.

    Parameters
    ----------
    make : callable
        Gives a new iterator over chunks.
    prepare : callable
        ``prepare(chunk, first)`` checks and encodes a chunk whose first row has that number.
    """

    def __init__(self, make: Callable[[], Iterable[Any]], prepare: Prepare) -> None:
        self._make = make
        self._prepare = prepare
        self.sizes = tuple(count_rows(rows) for rows in self._run())
        self.length = sum(self.sizes)

    def _run(self) -> Iterator[Rows]:
        first = 0
        for given in self._make():
            rows = self._prepare(as_rows(given), first)
            first += count_rows(rows)
            yield rows

    def chunks(self) -> Iterator[Rows]:
        """The chunks; an error if they are not those of the first pass."""
        found: list[int] = []
        for rows in self._run():
            found.append(count_rows(rows))
            if tuple(found) != self.sizes[: len(found)]:
                break
            yield rows
        if tuple(found) != self.sizes:
            raise WengertError(
                f"the data changed: the first pass had chunks of {self.sizes[:5]} rows, this one "
                f"of {tuple(found[:5])}; every pass must give the same batches"
            )


def as_rows(given: Any) -> Rows:
    """``(x, y)`` or ``(x,)`` as pytrees of arrays; an array alone is x."""
    parts: Any = tuple(given) if isinstance(given, tuple | list) else (given,)
    if any(hasattr(part, "toarray") for part in parts):
        raise ShapeError(
            "sparse matrices are not supported: pass a function that makes batches of "
            "X[start:stop].toarray()"
        )
    if len(parts) not in (1, 2):
        raise ShapeError(f"data are (x, y), or x alone; got {len(parts)} parts")
    return optree.tree_map(np.asanyarray, parts)


def count_rows(rows: Rows) -> int:
    """The number of rows that all arrays have.

    Raises
    ------
    ShapeError
        If they differ.
    """
    leaves = optree.tree_leaves(rows)
    counts = {np.shape(a)[0] if np.ndim(a) else None for a in leaves}
    if len(counts) != 1 or None in counts:
        shapes = ", ".join(str(np.shape(a)) for a in leaves)
        raise ShapeError(
            f"all arrays of the data need the same number of rows, the first axis; got shapes "
            f"{shapes}"
        )
    return int(counts.pop() or 0)


def count_of(rows: Rows) -> int:
    """The number of rows of what was checked before."""
    first = rows[0]
    return len(first if type(first) is np.ndarray else optree.tree_leaves(first)[0])


def check_finite(rows: Rows, first: int) -> None:
    """An error that names the first row with NaN or infinity."""
    for a in optree.tree_leaves(rows):
        if a.dtype.kind != "f" or np.isfinite(np.sum(a)):
            continue
        bad = ~np.isfinite(a.reshape(len(a), -1)).all(axis=1)
        if bad.any():
            row = int(np.argmax(bad))
            raise DomainError(
                f"row {first + row} of the data has an entry that is not finite; drop such rows, "
                "or fill them in"
            )


def length_checked(source: Any) -> Any:
    """A source with at least one row."""
    if not source.length:
        raise DomainError("the data have no rows: there is no risk to minimise")
    return source


def remade(data: Any) -> Callable[[], Iterable[Any]]:
    """A function that gives a new pass over batches.

    Raises
    ------
    WengertError
        For an iterator, which can be run through only once.
    """
    given: Any = data
    if callable(data):
        return given
    if iter(data) is data:
        raise WengertError(
            "data: a generator can be run through once only, and a minimiser makes many passes; "
            "give the function that makes it (data=make, without calling it), or a list"
        )
    return lambda: data
