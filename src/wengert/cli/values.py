"""The values of variables as they are given on the command line: ``--value X=data.csv``."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unicodedata import normalize

import numpy as np

from wengert.assumptions import Assumption
from wengert.cli.tables import read_table
from wengert.errors import NameClashError, ShapeError, WengertError
from wengert.formula import Variable
from wengert.shapes import Shape, concrete, format_shape, substitute, symbols_of

KINDS = (
    "a number, a list such as [1, 2], a .csv, .npy or .npz:key file, or zeros, ones, random, eye"
)
_MOST_ENTRIES = 200_000_000


def assignments(texts: Iterable[str], option: str, example: str) -> dict[str, str]:
    """``NAME=TEXT`` options by name.

    Raises
    ------
    WengertError
        Without ``=``, or for a name that is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        name = normalize("NFKC", name.strip())
        if not equals or not name:
            raise WengertError(f"{option} {text}: write NAME=..., as in {option} {example}")
        if name in found:
            raise WengertError(f"{option} {name} is given twice")
        found[name] = rest.strip()
    return found


@dataclass(frozen=True)
class Given:
    """The values of all variables, and how they were given."""

    arrays: dict[str, Any]
    specs: dict[str, str]

    def describe(self) -> str:
        """``X = X.csv (442×10), w = zeros (10)``."""
        parts: list[str] = []
        for name, array in self.arrays.items():
            size = f" ({format_shape(array.shape)})" if array.ndim else ""
            parts.append(f"{name} = {self.specs[name]}{size}")
        return ", ".join(parts)


def read_values(
    specs: Mapping[str, str],
    variables: Sequence[Variable],
    known: Mapping[str, Any] = MappingProxyType({}),
) -> Given:
    """Read the values of a formula's variables.

    Parameters
    ----------
    specs : mapping of str to str
        By name.
    variables : sequence of Variable
        All variables of the formula.
    known : mapping of str to ndarray
        Values that were read already.

    Returns
    -------
    Given
        An array for every variable, of its rank.

    Raises
    ------
    WengertError
        For a value that cannot be read or does not fit; a missing value; an unknown size.
    """
    declared = {v.name: v for v in variables}
    for name in specs:
        if name not in declared:
            near = get_close_matches(name, declared, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            there = ", ".join(declared) or "none"
            raise NameClashError(
                f"--value {name}: there is no such variable{hint} (variables: {there})"
            )
    missing = [name for name in declared if name not in specs and name not in known]
    if missing:
        options = " ".join(f"--value {name}=..." for name in missing)
        raise NameClashError(f"no value for {', '.join(missing)}; add {options} ({KINDS})")
    arrays = {
        name: _fitted(declared[name], _read(name, specs[name]), specs[name])
        for name in declared
        if name in specs and specs[name] not in MADE
    }
    arrays |= {name: _fitted(declared[name], known[name], "the data") for name in known}
    sizes = _sizes(arrays, declared)
    for name, variable in declared.items():
        if specs.get(name) == "eye" and len(variable.shape) == 2:
            _make_square(variable.shape, sizes)
    for name, variable in declared.items():
        if specs.get(name) in MADE:
            arrays[name] = _make(variable, specs[name], sizes, declared)
    return Given({name: arrays[name] for name in declared}, dict(specs))


# ---------------------------------------------------------------- reading


def _read(name: str, spec: str) -> Any:
    try:
        return np.float64(spec)
    except ValueError:
        pass
    try:
        array = _literal(spec) if spec[:1] in ("[", "(") else _file(spec)
    except WengertError as error:
        raise WengertError(f"--value {name}: {error}") from None
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "too large"
        raise WengertError(f"--value {name}: cannot read {spec}: {reason}") from None
    if array.dtype.kind not in "biuf":
        raise WengertError(f"--value {name}: {spec} has entries that are not real numbers")
    return array.astype(np.float64)


def _literal(spec: str) -> Any:
    try:
        value = _parsed(spec)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise WengertError(f"{_clipped(spec)} is not a list of numbers") from None
    try:
        return np.array(value)
    except ValueError:
        raise WengertError(f"the rows of {_clipped(spec)} have different lengths") from None


def _parsed(spec: str) -> Any:
    try:
        return json.loads(spec)
    except json.JSONDecodeError:
        return ast.literal_eval(spec)


def _clipped(spec: str) -> str:
    return spec if len(spec) <= 40 else spec[:40] + "..."


def _file(spec: str) -> Any:
    path, key = Path(spec), ""
    if not path.exists() and ".npz:" in spec:
        before, _, key = spec.rpartition(":")
        path = Path(before)
    if not path.is_file():
        what = f"{path} is a folder" if path.is_dir() else f"there is no file {_clipped(str(path))}"
        raise WengertError(f"{what}; a value is {KINDS}")
    match path.suffix.lower():
        case ".npy":
            return _numpy(path)
        case ".npz":
            return _archive(path, key)
        case _:
            return read_table(path)


def _numpy(path: Path) -> Any:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError):
        raise WengertError(f"{path} is not an array that NumPy has saved") from None


def _archive(path: Path, key: str) -> Any:
    try:
        with np.load(path, allow_pickle=False) as archive:
            keys = list(archive.files)
            if not key and len(keys) == 1:
                key = keys[0]
            if key in keys:
                return np.asarray(archive[key])
    except (ValueError, EOFError, OSError) as error:
        if isinstance(error, PermissionError):
            raise
        raise WengertError(f"{path} is not an archive that NumPy has saved") from None
    wanted = f"there is no {key} in {path}" if key else f"{path} has several arrays"
    raise WengertError(f"{wanted}; write {path}:KEY with a KEY of {', '.join(keys)}")


# ---------------------------------------------------------------- shapes


def _fitted(variable: Variable, array: Any, spec: str) -> Any:
    """The array with the variable's rank."""
    rank = len(variable.shape)
    if array.ndim == rank:
        return array
    if rank == 1 and array.ndim == 2 and 1 in array.shape:
        return array.reshape(-1)
    if rank == 0 and array.size == 1:
        return array.reshape(())
    has = f"has size {format_shape(array.shape)}" if array.ndim else "is one number"
    raise ShapeError(
        f"--value {variable.name}: {_clipped(spec)} {has}, but {variable.name} is "
        f"{_described(variable)}{_remedy(variable, array)}"
    )


def _described(variable: Variable) -> str:
    shape = format_shape(variable.shape)
    match len(variable.shape):
        case 0:
            return "a scalar"
        case 1:
            return f"a vector of size {shape}"
        case 2:
            return f"a matrix of size {shape}"
        case _:
            return f"a tensor of size {shape}"


def _remedy(variable: Variable, array: Any) -> str:
    rank = len(variable.shape)
    if array.ndim == 1 and rank == 2:
        return "; write rows in brackets: [[1, 2], [3, 4]]"
    if array.ndim == 0 or rank > 2:
        return ""
    words = {0: "scalar", 1: "vector", 2: "matrix"}
    return f"; if it is meant to be: --shape {variable.name}={words.get(array.ndim, 'tensor3')}"


def _sizes(arrays: Mapping[str, Any], declared: Mapping[str, Variable]) -> dict[str, int]:
    """The sizes that the arrays have; contradictions are found when the formula is evaluated."""
    sizes: dict[str, int] = {}
    for name, array in arrays.items():
        for size, actual in zip(declared[name].shape, array.shape, strict=True):
            if not isinstance(size, int) and str(size) in size.symbols():
                sizes.setdefault(str(size), int(actual))
    return sizes


def _make_square(shape: Shape, sizes: dict[str, int]) -> None:
    """Let both sizes of an identity matrix be the one that is known."""
    for this, other in (shape, shape[::-1]):
        (known,) = substitute((this,), sizes)
        if isinstance(known, int) and not isinstance(other, int) and str(other) in other.symbols():
            sizes.setdefault(str(other), known)


def _make(
    variable: Variable, word: str, sizes: Mapping[str, int], declared: Mapping[str, Variable]
) -> Any:
    name = variable.name
    shape = substitute(variable.shape, sizes)
    unknown = sorted(symbols_of(shape))
    if unknown:
        others = [v.name for v in declared.values() if v.name != name]
        sharing = [o for o in others if unknown[0] in symbols_of(declared[o].shape)]
        instead = f"give {' or '.join(sharing)} a value with entries, or " if sharing else ""
        example = ",".join("10" if s in map(str, unknown) else str(s) for s in map(str, shape))
        raise ShapeError(
            f"--value {name}={word}: the size {unknown[0]} is not known from the other values; "
            f"{instead}declare it: --shape {name}={example}"
        )
    if _entries(shape) > _MOST_ENTRIES:
        raise ShapeError(f"--value {name}={word}: {format_shape(shape)} is too large")
    return MADE[word](variable, concrete(shape))


def _entries(shape: Shape) -> int:
    total = 1
    for size in concrete(shape):
        total *= size
    return total


def _random(variable: Variable, shape: tuple[int, ...]) -> Any:
    """Standard normal entries, the same in every run, within what is assumed."""
    rng = np.random.default_rng(list(variable.name.encode()))
    array = rng.standard_normal(shape)
    assumed = variable.assumptions
    if Assumption.ORTHOGONAL in assumed:
        return np.linalg.qr(array)[0]
    if Assumption.POSITIVE in assumed:
        array = np.abs(array) + 0.1
    if Assumption.DIAGONAL in assumed:
        positive = Assumption.POSITIVE_DEFINITE in assumed
        return np.diag(np.diag(np.abs(array) + 0.1 if positive else array))
    if Assumption.POSITIVE_DEFINITE in assumed:
        return array @ array.T / shape[0] + np.eye(shape[0])
    return (array + array.T) / 2 if Assumption.SYMMETRIC in assumed else array


def _eye(variable: Variable, shape: tuple[int, ...]) -> Any:
    if len(shape) != 2:
        raise ShapeError(f"--value {variable.name}=eye: {variable.name} is {_described(variable)}")
    return np.eye(*shape)


MADE: dict[str, Callable[[Variable, tuple[int, ...]], Any]] = {
    "zeros": lambda variable, shape: np.zeros(shape),
    "ones": lambda variable, shape: np.ones(shape),
    "random": _random,
    "eye": _eye,
}
