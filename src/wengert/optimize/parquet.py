"""Parquet files, read by pyarrow (the extra ``parquet``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from wengert.errors import DomainError


def tables(path: Path, chunk: int) -> Iterator[tuple[list[str], Any]]:
    """The names of the columns and an array of numbers, for some rows at a time.

    Raises
    ------
    DomainError
        For a column that has no numbers, or misses some.
    """
    file: Any = parquet.ParquetFile(path)
    first = 0
    for batch in file.iter_batches(batch_size=chunk):
        names = list(batch.schema.names)
        yield names, np.column_stack([_numbers(batch, n, path, first) for n in names])
        first += batch.num_rows


def _numbers(batch: Any, name: str, path: Path, first: int) -> Any:
    column = batch.column(name)
    if column.null_count:
        row = first + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
        raise DomainError(f"{path}: row {row} has nothing in the column {name!r}; fill it in")
    array = column.to_numpy(zero_copy_only=False)
    if array.dtype.kind not in "fiub":
        raise DomainError(f"{path}: the column {name!r} has entries that are no numbers")
    return array.astype(float)
