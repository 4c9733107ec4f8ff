"""The user's arrays, checked: names, shapes, dtypes, assumptions; sizes read from all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np

from wengert.assumptions import Assumption
from wengert.errors import AssumptionError, NameClashError, ShapeError
from wengert.shapes import Shape, Size, format_shape

_TOLERANCE = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-4}


class Declared(Protocol):
    """A variable with its declared shape and assumptions."""

    @property
    def name(self) -> str:
        """The name."""
        ...

    @property
    def shape(self) -> Shape:
        """The sizes, integers or symbols."""
        ...

    @property
    def assumptions(self) -> frozenset[Assumption]:
        """What is promised of the values."""
        ...


@dataclass(frozen=True)
class Arguments:
    """Checked arrays of one dtype, the sizes read from them, and what identifies a plan."""

    arrays: dict[str, Any]
    sizes: dict[str, int]
    dtype: Any

    @property
    def key(self) -> tuple[object, ...]:
        """What a plan depends on: the sizes and the dtype."""
        return (tuple(sorted(self.sizes.items())), self.dtype)


def bind(
    variables: Sequence[Declared], needed: Iterable[str], values: Mapping[str, Any]
) -> Arguments:
    """Check values against the variables that they are for.

    Parameters
    ----------
    variables : sequence of Declared
        All variables of the formula.
    needed : iterable of str
        Those without which there is no value; the others may be left out.
    values : mapping of str to array_like
        Integers become float64; float32 stays if all are float32.

    Raises
    ------
    NameClashError
        For unknown and missing names; the message lists the variables.
    ShapeError
        For shapes that do not fit, and for values that are not real numbers.
    AssumptionError
        For a value that breaks a declared assumption.
    """
    declared = {v.name: v for v in variables}
    _check_names(declared, set(needed), values)
    raw = {name: _real(name, values[name]) for name in declared if name in values}
    single = all(a.dtype in (np.float32, np.float16) for a in raw.values()) and bool(raw)
    dtype = np.dtype(np.float32 if single else np.float64)
    arrays = {name: np.asarray(a, dtype=dtype) for name, a in raw.items()}
    sizes: dict[str, int] = {}
    source: dict[str, str] = {}
    unsure = [n for n, a in arrays.items() if not _bind_shape(declared[n], a, sizes, source)]
    for name in unsure:  # again, with every symbol known
        _bind_shape(declared[name], arrays[name], sizes, source)
    for name, array in arrays.items():
        for assumption in sorted(declared[name].assumptions):
            _check_assumption(name, array, assumption)
    return Arguments(arrays, sizes, dtype)


def _check_names(
    declared: Mapping[str, Declared], needed: set[str], values: Mapping[str, Any]
) -> None:
    for name in values:
        if name not in declared:
            close = get_close_matches(name, declared, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            raise NameClashError(
                f"there is no variable {name!r}{hint} The variables are: {_listed(declared)}"
            )
    missing = sorted(needed - set(values))
    if missing:
        names = ", ".join(missing)
        raise NameClashError(
            f"no value is given for {names}. The variables are: {_listed(declared)}"
        )


def _listed(declared: Mapping[str, Declared]) -> str:
    return ", ".join(f"{v.name} ({format_shape(v.shape)})" for v in declared.values())


def _real(name: str, value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "biuf" and array.dtype != np.longdouble:
        return array
    if array.dtype.kind == "f":
        return array.astype(np.float64)
    if array.dtype.kind == "c":
        raise ShapeError(
            f"{name} is complex; wengert calculates with real numbers: pass {name}.real"
        )
    raise ShapeError(f"{name} is not an array of real numbers (its dtype is {array.dtype})")


def _bind_shape(
    variable: Declared, array: Any, sizes: dict[str, int], source: dict[str, str]
) -> bool:
    """Check an array's shape, learning sizes from it; False if a size could not be compared yet."""
    name, shape = variable.name, variable.shape
    if array.ndim != len(shape):
        remedy = _rank_remedy(name, len(shape), array.shape)
        raise ShapeError(
            f"{name} is {format_shape(shape)} (rank {len(shape)}); the value has shape "
            f"{array.shape}{remedy}"
        )
    known = True
    for axis, (size, actual) in enumerate(zip(shape, array.shape, strict=True)):
        expected = _solve(size, actual, sizes, source, f"{name} (axis {axis})")
        if expected is None:
            known = False
        elif expected != actual:
            origin = _origin(size, source)
            raise ShapeError(
                f"{name} is {format_shape(shape)} with {size} = {expected}{origin}; "
                f"the value has shape {array.shape}"
            )
    return known


def _origin(size: Size, source: Mapping[str, str]) -> str:
    if isinstance(size, int):
        return " declared"
    named = [f"{s} from {source[s]}" for s in sorted(size.symbols()) if s in source]
    return f" ({', '.join(named)})" if named else ""


def _solve(
    size: Size, actual: int, sizes: dict[str, int], source: dict[str, str], place: str
) -> int | None:
    """The size's value, learning the only unknown symbol from the actual one (``2*n + 1``)."""
    if isinstance(size, int):
        return size
    unknown = size.symbols() - sizes.keys()
    if len(unknown) == 1:
        (name,) = unknown
        base, once, twice = (size.substitute({**sizes, name: k}) for k in range(3))
        assert isinstance(base, int)
        assert isinstance(once, int)
        step = once - base
        if step > 0 and twice == once + step:  # linear in the symbol
            found, rest = divmod(actual - base, step)
            if rest or found < 0:
                return base + step * max(found, 0)  # another size: the caller says so
            sizes[name] = found
            source[name] = place
            return actual
    value = size.substitute(sizes)
    return value if isinstance(value, int) else None


def _rank_remedy(name: str, rank: int, shape: tuple[int, ...]) -> str:
    if rank == 1 and len(shape) == 2 and 1 in shape:
        return f": pass {name}.ravel()"
    if rank == 2 and len(shape) == 1:
        return f": pass {name}[:, None] for a column or {name}[None, :] for a row"
    if rank == 0:
        return ": pass one number, or declare the shape with shapes={...}"
    return ": declare another shape with shapes={...}"


def _check_assumption(name: str, array: Any, assumption: Assumption) -> None:
    if not np.all(np.isfinite(array)):
        return  # NaN and infinity pass through as IEEE has them
    tolerance = _TOLERANCE[array.dtype] * max(1.0, float(np.max(np.abs(array), initial=0.0)))
    problem = _PROBLEMS[assumption](array, tolerance)
    if problem:
        raise AssumptionError(f"{name} is assumed {assumption}, but {problem}")


def _asymmetry(a: Any, tolerance: float) -> str:
    gap = np.abs(a - np.swapaxes(a, -1, -2))
    return _worst("differs from its transpose", gap, tolerance)


def _worst(what: str, gap: Any, tolerance: float) -> str:
    if gap.size == 0 or gap.max() <= tolerance:
        return ""
    place = tuple(int(k) for k in np.unravel_index(int(np.argmax(gap)), gap.shape))
    return f"it {what} by {gap.max():.2g} at {place}"


def _indefinite(a: Any, tolerance: float) -> str:
    if a.size == 0:
        return ""
    smallest = float(np.linalg.eigvalsh(a).min())
    return "" if smallest > 0 else f"its smallest eigenvalue is {smallest:.2g}"


def _off_diagonal(a: Any, tolerance: float) -> str:
    return _worst("is off the diagonal", np.abs(a - np.diag(np.diag(a))), tolerance)


def _skew(a: Any, tolerance: float) -> str:
    gap = np.abs(a.T @ a - np.eye(a.shape[0]))
    return _worst("has QᵀQ different from I", gap, tolerance)


def _nonpositive(a: Any, tolerance: float) -> str:
    return "" if a.size == 0 or a.min() > 0 else f"its smallest entry is {a.min():.2g}"


_PROBLEMS = {
    Assumption.SYMMETRIC: _asymmetry,
    Assumption.POSITIVE_DEFINITE: _indefinite,
    Assumption.DIAGONAL: _off_diagonal,
    Assumption.ORTHOGONAL: _skew,
    Assumption.POSITIVE: _nonpositive,
}
