"""Data for ``wengert converge``: columns by name, of tables and archives."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from wengert.cli.tables import is_number
from wengert.errors import DomainError, NameClashError, ShapeError, WengertError
from wengert.optimize.files import reader

_TARGETS = ("y", "target", "label", "class")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows as numbers, with a target.

    Attributes
    ----------
    names : tuple of str
        Of the columns of X.
    X : ndarray
        The features, rows first.
    y : ndarray or None
        The target.
    target : str or None
        Its name.
    notes : tuple of str
        What was done to the data.
    """

    names: tuple[str, ...]
    X: Any
    y: Any
    target: str | None
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Their number."""
        return len(self.X)


def read_dataset(
    spec: str,
    target: str | None,
    drop: Sequence[str] = (),
    standardize: bool = False,
    predicts: bool = False,
) -> Dataset:
    """The rows of a file.

    Parameters
    ----------
    spec : str
        A ``.csv``, ``.tsv``, ``.npz`` or ``.parquet`` file.
    target : str, optional
        The column to be predicted; by default the one with the name y, target, label or class.
    drop : sequence of str
        Columns to leave out.
    standardize : bool
        Whether the features are shifted and scaled to mean 0 and deviation 1.
    predicts : bool
        Whether there has to be a target.

    Raises
    ------
    WengertError
        For what cannot be read; names the row and the column.
    """
    path = Path(spec)
    if not path.is_file():
        raise WengertError(f"--data {spec}: there is no such file")
    if path.suffix.lower() == ".npz":
        found = _archive(path, target)
    elif path.suffix.lower() == ".parquet":
        found = _parquet(path, target)
    else:
        found = _table(path, target, drop, predicts)
    for part in (found.X, *(() if found.y is None else (found.y,))):
        _check_finite(path, part)
    return _standardized(found) if standardize else found


def _check_finite(path: Path, array: Any) -> None:
    bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    if bad.any():
        raise DomainError(
            f"--data {path}: row {int(np.argmax(bad)) + 1} has an entry that is not finite; drop "
            "such rows, or fill them in"
        )


def _standardized(data: Dataset) -> Dataset:
    centred = data.X - data.X.mean(axis=0)
    scale = centred.std(axis=0)
    constant = scale <= 1e-12 * (1 + np.abs(data.X).max(axis=0, initial=0.0))
    X = centred / np.where(constant, 1.0, scale)
    notes = ("the features have mean 0 and deviation 1",)
    if constant.any():
        names = ", ".join(np.array(data.names)[constant])
        notes += (f"the features that are the same in all rows became 0: {names}",)
    return Dataset(data.names, X, data.y, data.target, data.notes + notes)


# ---------------------------------------------------------------- archives


def _archive(path: Path, target: str | None) -> Dataset:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except (ValueError, OSError, EOFError):
        raise WengertError(f"--data {path} is not an archive that NumPy has saved") from None
    name = _target(target, list(arrays), path)
    rest = [key for key in arrays if key != name]
    if len(rest) != 1:
        raise NameClashError(
            f"--data {path} has the arrays {', '.join(arrays)}; it must have one of features and "
            "one of targets"
        )
    features = np.asarray(arrays[rest[0]], float)
    X = features.reshape(len(features), -1)
    y = None if name is None else arrays[name]
    if y is not None and len(y) != len(X):
        raise ShapeError(f"--data {path}: {rest[0]} has {len(X)} rows, {name} {len(y)}")
    return Dataset(tuple(f"{rest[0]}[{k}]" for k in range(X.shape[1])), X, y, name)


def _parquet(path: Path, target: str | None) -> Dataset:
    if target is None:
        raise NameClashError(f"--data {path}: name the column to be predicted with --target")
    parts = list(reader(path, target, None)())
    if not parts:
        raise DomainError(f"--data {path} has no rows")
    X, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Dataset(tuple(str(k + 1) for k in range(X.shape[1])), X, y, target)


# ---------------------------------------------------------------- tables


def _table(path: Path, target: str | None, drop: Sequence[str], predicts: bool) -> Dataset:
    names, rows = _cells(path)
    unknown = [name for name in drop if name not in names]
    if unknown:
        raise NameClashError(f"--drop {unknown[0]}: {_unknown(unknown[0], names, path)}")
    name = _target(target, [n for n in names if n not in drop], path)
    if predicts and name is None:
        raise NameClashError(
            f"name the column to be predicted: --target NAME (columns: {', '.join(names)})"
        )
    notes: list[str] = []
    y = None
    if name is not None:
        y, note = _labels([row[names.index(name)] for row in rows], name, path)
        notes += note
    kept = [k for k, n in enumerate(names) if n != name and n not in drop]
    if not kept:
        raise NameClashError(f"--data {path} has no columns besides {name}")
    X = np.array([[_number(row[k], i, names[k], path) for k in kept] for i, row in enumerate(rows)])
    return Dataset(tuple(names[k] for k in kept), X, y, name, tuple(notes))


def _cells(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise WengertError(f"--data {path} is not a text file (it is not UTF-8)") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise DomainError(f"--data {path} has no rows")
    mark = max(",;\t", key=lines[0].count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
    names, rows = rows[0], rows[1:]
    if all(map(is_number, names)):
        rows.insert(0, names)
        names = [str(k + 1) for k in range(len(names))]
    if not rows:
        raise DomainError(f"--data {path} has a heading and no rows")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(names):
            raise ShapeError(
                f"--data {path}: row {number} has {len(row)} cells, and there are {len(names)} "
                "columns"
            )
    return names, rows


def _labels(cells: Sequence[str], name: str, path: Path) -> tuple[Any, list[str]]:
    """Numbers, or words as class numbers in their order."""
    words = sorted({cell for cell in cells if not is_number(cell)})
    if not words:
        return np.array([float(cell) for cell in cells]), []
    if "" in words:
        row = cells.index("") + 1
        raise DomainError(f"--data {path}: row {row} has nothing in the column {name!r}")
    kinds = sorted(set(cells))
    if len(kinds) > max(20, len(cells) // 10):
        row = next(k for k, cell in enumerate(cells) if not is_number(cell))
        raise DomainError(
            f"--data {path}: row {row + 1} has {cells[row]!r} in the column {name!r}, which is no "
            "number"
        )
    shown = ", ".join(f"{kind} = {k}" for k, kind in enumerate(kinds))
    return np.array([float(kinds.index(cell)) for cell in cells]), [f"{name}: {shown}"]


def _number(cell: str, row: int, name: str, path: Path) -> float:
    if not is_number(cell):
        what = f"has {cell!r}, which is no number," if cell else "has nothing"
        raise DomainError(
            f"--data {path}: row {row + 1} {what} in the column {name!r}; encode it, fill it in, "
            f"or leave the column out with --drop {name}"
        )
    return float(cell)


def _target(target: str | None, names: Sequence[str], path: Path) -> str | None:
    if target is None:
        return next((name for name in _TARGETS if name in names), None)
    if target not in names:
        raise NameClashError(f"--target {target}: {_unknown(target, names, path)}")
    return target


def _unknown(name: str, names: Iterable[str], path: Path) -> str:
    known = list(names)
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{path} has no such column{hint} (columns: {', '.join(known)})"


def as_variables(data: Dataset, names: Sequence[str]) -> Mapping[str, Any]:
    """The data for a formula's variables: X, y, n, and single columns by their names.

    Parameters
    ----------
    data : Dataset
        The rows.
    names : sequence of str
        Of the formula's variables.
    """
    columns = {name: data.X[:, k] for k, name in enumerate(data.names)}
    single = {name: columns[name] for name in names if name in columns and name != "X"}
    found: dict[str, Any] = dict(single)
    if "X" in names:
        kept = [k for k, name in enumerate(data.names) if name not in single]
        found["X"] = data.X[:, kept]
    if data.y is not None:
        for name in ("y", data.target):
            if name in names and name not in found:
                found[str(name)] = data.y
    if "n" in names and "n" not in found:
        found["n"] = np.float64(data.rows)
    return found
