"""Tables in text files: CSV with or without a header, separated by commas, semicolons or spaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from wengert.errors import WengertError

_SHOWN = 24
_SEPARATORS = (";", ",", "\t")


def read_table(path: Path) -> Any:
    """The numbers of a file, one row a line.

    A first line without any number in it is a header. Blank lines and lines that begin with #
    are skipped.

    Returns
    -------
    ndarray
        Of rank 2.

    Raises
    ------
    WengertError
        For a row that is longer or shorter, or a cell that is not a number; says where.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise WengertError(f"{path} is not a text file (it is not UTF-8)") from None
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise WengertError(f"{path} has no numbers in it")
    separator = next((s for s in _SEPARATORS if s in lines[0][1]), None)
    first = _cells(lines[0][1], separator)
    if not any(is_number(cell) for cell in first) and any(first):
        lines = lines[1:]
        if not lines:
            raise WengertError(f"{path} has a header and no numbers")
    return _numbers(path, lines, separator, len(_cells(lines[0][1], separator)))


def _numbers(path: Path, lines: list[tuple[int, str]], separator: str | None, width: int) -> Any:
    rows = [_cells(line, separator) for _, line in lines]
    try:
        return np.array(rows, dtype=np.float64).reshape(len(rows), width)
    except ValueError:
        pass
    for (number, _), row in zip(lines, rows, strict=True):
        if len(row) != width:
            first = lines[0][0]
            raise WengertError(
                f"{path}, line {number}: {len(row)} values, but line {first} has {width}"
            )
        for column, cell in enumerate(row, start=1):
            if not is_number(cell):
                what = f"{cell[:_SHOWN]!r} is not a number" if cell else "the cell is empty"
                raise WengertError(f"{path}, line {number}, column {column}: {what}")
    raise WengertError(f"{path} is not a table of numbers")


def _cells(line: str, separator: str | None) -> list[str]:
    return [cell.strip().strip('"').strip() for cell in line.strip().split(separator)]


def is_number(cell: str) -> bool:
    """Is this text a number?"""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
