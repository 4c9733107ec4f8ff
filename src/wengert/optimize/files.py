"""Data in files: NumPy archives, tables of comma-separated values, and Parquet."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from wengert.errors import DomainError, NameClashError, WengertError

Table = dict[str, Any]

_ROWS = 50_000  # of a table that are read at a time, if all are wanted


def split(table: Mapping[str, Any], target: str | None) -> tuple[Any, ...]:
    """Named arrays as ``(x, y)``: y is the target, x the rest; one array alone is no dict.

    Raises
    ------
    NameClashError
        If there is no such target.
    """
    name = target if target is not None else ("y" if "y" in table else None)
    if name is not None and name not in table:
        raise NameClashError(f"there is no {name!r} in the data; there are {', '.join(table)}")
    rest = {key: value for key, value in table.items() if key != name}
    if not rest:
        raise NameClashError(f"the data have nothing besides {name!r}")
    x = next(iter(rest.values())) if len(rest) == 1 else rest
    return (x,) if name is None else (x, table[name])


def reader(path: Path, target: str | None, chunk: int | None) -> Callable[[], Iterator[Any]]:
    """What makes a pass over a file's rows, ``(x, y)`` for each chunk.

    Raises
    ------
    WengertError
        For a missing file or one of another kind.
    """
    if not path.is_file():
        raise WengertError(f"there is no file {path}")
    match path.suffix.lower():
        case ".npz":
            return lambda: (split(t, target) for t in _archive(path, chunk))
        case ".csv" | ".tsv" | ".txt":
            return lambda: _columns(_text(path, chunk or _ROWS), target, path)
        case ".parquet":
            tables = _parquet()

            return lambda: _columns(tables(path, chunk or _ROWS), target, path)
        case _:
            raise WengertError(
                f"{path}: data are read from .npz, .csv and .parquet files; load others yourself "
                "and pass arrays"
            )


def _parquet() -> Any:
    try:
        from wengert.optimize.parquet import tables  # noqa: PLC0415, an optional package
    except ImportError:
        raise WengertError(
            "Parquet files are read by pyarrow: pip install 'wengert[parquet]'"
        ) from None
    return tables


def joined(parts: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Chunks of arrays as one."""
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


# ---------------------------------------------------------------- tables


def _columns(
    tables: Iterator[tuple[list[str], Any]], target: str | None, path: Path
) -> Iterator[tuple[Any, ...]]:
    for names, array in tables:
        if target is None:
            raise NameClashError(
                f"{path}: name the column to be predicted with target=; the columns are "
                f"{', '.join(names)}"
            )
        if target not in names:
            raise NameClashError(
                f"{path} has no column {target!r}; the columns are {', '.join(names)}"
            )
        at = names.index(target)
        yield np.delete(array, at, axis=1), np.ascontiguousarray(array[:, at])


def _text(path: Path, chunk: int) -> Iterator[tuple[list[str], Any]]:
    """Chunks of rows of a table with a heading."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        heading = file.readline()
        if not heading.strip():
            raise WengertError(f"{path} is empty; its first line names the columns")
        mark = max(",;\t", key=heading.count)
        names = [n.strip() for n in next(csv.reader([heading], delimiter=mark))]
        if all(_is_number(n) for n in names):
            raise WengertError(f"{path}: the first line names the columns; this one has numbers")
        first = 0
        while lines := [line for line in islice(file, chunk) if line.strip()]:
            yield names, _numbers(lines, mark, names, path, first)
            first += len(lines)


def _numbers(lines: list[str], mark: str, names: list[str], path: Path, first: int) -> Any:
    try:
        array = np.loadtxt(lines, delimiter=mark, ndmin=2)
    except ValueError:
        array = None
    if array is not None and array.shape[1] == len(names):
        return array
    for k, cells in enumerate(csv.reader(lines, delimiter=mark)):
        if len(cells) != len(names):
            raise WengertError(f"{path}: row {first + k} has {len(cells)} of {len(names)} columns")
        for name, cell in zip(names, cells, strict=True):
            if not _is_number(cell):
                raise DomainError(
                    f"{path}: row {first + k} has {cell.strip()!r} in the column {name!r}, which "
                    "is no number; encode words as numbers, and fill in what is missing"
                )
    return np.array([[float(c) for c in cells] for cells in csv.reader(lines, delimiter=mark)])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


# ---------------------------------------------------------------- archives


def _archive(path: Path, chunk: int | None) -> Iterator[Table]:
    """The arrays of an archive, all rows or a chunk of rows at a time.

    The rows of each array are read from the archive as they are needed.
    """
    if chunk is None:
        with np.load(path, allow_pickle=False) as archive:
            yield {name: archive[name] for name in archive.files}
        return
    with zipfile.ZipFile(path) as archive:
        members = {n.removesuffix(".npy"): _Member(archive.open(n), n) for n in archive.namelist()}
        counts = {m.shape[0] for m in members.values()}
        if len(counts) != 1:
            shapes = ", ".join(f"{name}: {m.shape}" for name, m in members.items())
            raise WengertError(f"{path}: the arrays have different numbers of rows ({shapes})")
        for start in range(0, counts.pop(), chunk):
            yield {name: m.read(start, chunk) for name, m in members.items()}


class _Member:
    """An array in an archive, read row by row."""

    def __init__(self, stream: Any, name: str) -> None:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        self.shape, fortran, self.dtype = read(stream)
        self.stream = stream
        if self.dtype.hasobject or not self.shape or (fortran and len(self.shape) > 1):
            raise WengertError(
                f"{name}: arrays that are read in chunks have rows, numbers, and C order "
                "(np.ascontiguousarray)"
            )

    def read(self, start: int, chunk: int) -> Any:
        """The next rows."""
        count = min(chunk, self.shape[0] - start)
        shape = (count, *self.shape[1:])
        size = int(np.prod(shape)) * self.dtype.itemsize
        return np.frombuffer(self.stream.read(size), self.dtype).reshape(shape)
