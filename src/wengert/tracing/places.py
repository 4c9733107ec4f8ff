"""Indexing of traced arrays, and functional updates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import ShapeError, UnknownValueError
from wengert.expr import Expr
from wengert.operations import (
    add,
    apply,
    int_array,
    ones,
    rearrange,
    reshape,
    slice_,
    take,
    where,
)
from wengert.primitive import registry
from wengert.shapes import total_size
from wengert.tracing.array import TracedArray
from wengert.tracing.dispatch import implements
from wengert.tracing.lifting import broadcast_to, lift, spread, stacked, trace_of
from wengert.tracing.trace import where as place


def with_axes(x: Expr, out: list[int | None]) -> Expr:
    """The axes in another order; None is a new axis of size 1."""
    if out == list(range(x.ndim)):
        return x
    fresh = x.ndim
    labels: list[int] = []
    sizes: dict[int, Any] = {}
    for axis in out:
        if axis is None:
            labels.append(fresh)
            sizes[fresh] = 1
            fresh += 1
        else:
            labels.append(axis)
    return rearrange(x, tuple(range(x.ndim)), tuple(labels), sizes)


@implements("getitem")
def _getitem(x: TracedArray, index: Any) -> Any:
    x.run.check_open()
    if isinstance(index, bool | np.bool_):  # a new axis of size 1, or of none
        return np.expand_dims(x, 0)[: int(index)]
    entries = _entries(x, index if isinstance(index, tuple) else (index,))
    advanced = any(isinstance(e, Expr | np.ndarray) for e in entries)
    parts = index if isinstance(index, tuple) else (index,)
    trace = trace_of(x, *parts)
    expr = _advanced(x, entries) if advanced else _basic(x.expr, entries)
    return TracedArray(expr, trace, x.dtype)


def _entries(x: TracedArray, index: tuple[Any, ...]) -> list[Any]:
    """One entry an axis (slice, int, index array or expression), and None for a new axis."""
    found: list[Any] = []
    for item in index:
        found.extend(_prepared(item))
    taken = sum(e is not None and e is not Ellipsis for e in found)
    if taken > x.ndim:
        raise IndexError(f"{place()}: {taken} indices for an array of shape {x.shape}")
    whole: list[Any] = [slice(None)] * (x.ndim - taken)
    at = next((k for k, e in enumerate(found) if e is Ellipsis), len(found))
    return [*found[:at], *whole, *found[at + 1 :]]


def _prepared(item: Any) -> list[Any]:
    if item is None or item is Ellipsis or isinstance(item, slice):
        if isinstance(item, slice):
            return [slice(*(None if p is None else int(p) for p in _bounds(item)))]
        return [item]
    if isinstance(item, TracedArray):
        if item.expr.dtype == "bool":
            return _mask(_known_mask(item))
        if item.expr.dtype == "real":
            raise IndexError(f"{place()}: an index must be an integer; use .astype(int)")
        return [item.expr]
    if isinstance(item, bool | np.bool_):
        return _mask(np.asarray(item))
    if isinstance(item, int | np.integer):
        return [int(item)]
    item = stacked(item)
    if isinstance(item, TracedArray):
        return _prepared(item)
    array = np.asarray(item)
    if array.size == 0 and not isinstance(item, np.ndarray):
        array = array.astype(int)
    if array.dtype.kind == "b":
        return _mask(array)
    if array.dtype.kind not in "iu":
        raise IndexError(
            f"{place()}: an index must be an integer or truth values, not {array.dtype}"
        )
    return [array]


def _bounds(item: slice) -> tuple[Any, Any, Any]:
    return item.start, item.stop, item.step


def _known_mask(mask: TracedArray) -> Any:
    try:
        return mask.value
    except UnknownValueError:
        raise UnknownValueError(
            f"{place()}: x[mask] has a shape that depends on values, which compiled and batched "
            "code does not know; use np.where(mask, x, 0)"
        ) from None


def _mask(mask: Any) -> list[Any]:
    if not mask.ndim:
        raise IndexError(
            f"{place()}: True and False among other indices are not supported; use x[mask] alone"
        )
    return list(np.nonzero(mask))


def _basic(x: Expr, entries: list[Any]) -> Expr:
    cut = slice_(x, [e for e in entries if e is not None]) if x.ndim else x
    if None not in entries:
        return cut
    out: list[int | None] = []
    axis = 0
    for e in entries:
        if e is None:
            out.append(None)
        elif isinstance(e, slice):
            out.append(axis)
            axis += 1
    return with_axes(cut, out)


def _advanced(x: TracedArray, entries: list[Any]) -> Expr:
    """NumPy's rule: index arrays broadcast, and their shape comes where they stood together."""
    full = [e for e in entries if e is not None]
    cut = slice_(x.expr, [e if isinstance(e, slice) else slice(None) for e in full])
    at = [k for k, e in enumerate(full) if not isinstance(e, slice)]
    rest = [k for k in range(len(full)) if k not in at]
    indices = [_index_expr(full[k], x.shape[k]) for k in at]
    taken = take(with_axes(cut, [*at, *rest]), indices, cut.ndim)
    width = taken.ndim - len(rest)
    places = [k for k, e in enumerate(entries) if e is not None and not isinstance(e, slice)]
    together = places == list(range(places[0], places[-1] + 1))
    out: list[int | None] = [] if together else list(range(width))
    axis = width
    for k, e in enumerate(entries):
        if e is None:
            out.append(None)
        elif isinstance(e, slice):
            out.append(axis)
            axis += 1
        elif together and k == places[0]:
            out.extend(range(width))
    return with_axes(taken, out)


def _index_expr(index: Any, size: int) -> Expr:
    if isinstance(index, Expr):
        return index
    array = np.asarray(index)
    if array.size and (array.max() >= size or array.min() < -size):
        raise IndexError(
            f"{place()}: index {array.min()}..{array.max()} for an axis of size {size}"
        )
    return int_array(array)


def moved(function: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    """A function that only moves, repeats or drops entries, by what it does to their numbers."""
    order = function(np.arange(x.size).reshape(x.shape), *args, **kwargs)
    return gathered(x, order)


def gathered(x: Any, order: Any) -> Any:
    """The entries of x, counted through, in the order of an array of numbers."""
    flat = reshape(x.expr, (x.size,)) if x.ndim != 1 else x.expr
    return TracedArray(take(flat, [int_array(order)], 1), x.run, x.dtype)


# ---------------------------------------------------------------- updates


@dataclass(frozen=True)
class At:
    """Places of an array; see :func:`at`."""

    array: Any

    def __getitem__(self, index: Any) -> Places:
        return Places(self.array, index)


@dataclass(frozen=True)
class Places:
    """Chosen places of an array, to make changed copies of it."""

    array: Any
    index: Any

    def set(self, values: Any) -> Any:
        """A copy with these values at the places (the last one where a place is named twice)."""
        return _updated(self.array, self.index, values, "set")

    def add(self, values: Any) -> Any:
        """A copy with these values added (all of them where a place is named twice)."""
        return _updated(self.array, self.index, values, "add")

    def multiply(self, values: Any) -> Any:
        """A copy with the places multiplied by these values."""
        return self.set(self.get() * values)

    def get(self) -> Any:
        """The entries at the places, which may be traced when the array is not."""
        parts = self.index if isinstance(self.index, tuple) else (self.index,)
        places = [p for p in parts if isinstance(p, TracedArray)]
        array = self.array
        if places and not isinstance(array, TracedArray):
            trace = trace_of(*places)
            array = TracedArray(lift(trace, array), trace, array.dtype)
        return array[self.index]


def at(array: Any) -> At:
    """Changed copies of an array: ``at(x)[index].set(values)``, also ``add`` and ``multiply``.

    ``at(x)[index].get()`` reads entries, also those of a plain array at traced places.

    Parameters
    ----------
    array : array_like
        Traced or not.

    Examples
    --------
    >>> import numpy as np
    >>> at(np.zeros(3))[1].set(5.0)
    array([0., 5., 0.])
    """
    return At(array if isinstance(array, TracedArray) else np.asarray(array))


def _updated(array: Any, index: Any, values: Any, how: str) -> Any:
    values = stacked(values)
    index_traced = [i for i in (index if isinstance(index, tuple) else (index,))
                    if isinstance(i, TracedArray) and i.expr.dtype == "int"]  # fmt: skip
    if not any(isinstance(v, TracedArray) for v in (array, values, *index_traced)):
        return _updated_plain(array, index, values, how)
    trace = trace_of(array, values, *index_traced)
    x = lift(trace, array)
    dtype = array.dtype if array.dtype.kind == "f" else np.dtype(float)
    x = lift(trace, array, "real")
    numbers = np.arange(total_size(x.shape)).reshape(x.shape)  # pyright: ignore
    if index_traced:
        base = TracedArray(int_array(numbers), trace, np.dtype(int))
        chosen = base[index].expr
        plain, known = None, None
    else:
        plain = _plain_index(index)
        known = numbers[plain]
        chosen = int_array(np.asarray(known))
    v = lift(trace, values, "real")
    v = broadcast_to(v, chosen.shape) if v.shape != chosen.shape else v
    flat_v, places = reshape(v, (total_size(v.shape),)), _flat(chosen)
    if how == "set" and known is not None:
        flat_v, places = _without_repeats(flat_v, np.asarray(known))
    sent = _scattered(flat_v, places, x)
    if how == "add":
        return TracedArray(add([x, sent]), trace, dtype)
    if known is not None:
        hit = np.zeros(numbers.shape, bool)
        hit[plain] = True
        mask = int_array(hit)
    else:
        hits = _scattered(ones(places.shape), places, x)
        mask = apply(registry["greater"], *spread(hits, lift(trace, 0.0)))
    return TracedArray(where(mask, sent, x), trace, dtype)


def _flat(x: Expr) -> Expr:
    return reshape(x, (total_size(x.shape),))


def _scattered(values: Expr, places: Expr, x: Expr) -> Expr:
    primitive = registry["scatter"]
    size = total_size(x.shape)
    (name,) = primitive.parameters
    sent = apply(primitive, values, places, **{name: (size,)})
    return reshape(sent, x.shape) if x.ndim != 1 else sent


def _without_repeats(values: Expr, places: Any) -> tuple[Expr, Expr]:
    """Where a place is named twice, the last value."""
    flat = places.ravel()
    _, last = np.unique(flat[::-1], return_index=True)
    keep = np.sort(len(flat) - 1 - last)
    if len(keep) == len(flat):
        return values, int_array(flat)
    return take(values, [int_array(keep)], 1), int_array(flat[keep])


def _plain_index(index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    plain = tuple(p.value if isinstance(p, TracedArray) else p for p in parts)
    return plain if isinstance(index, tuple) else plain[0]


def _updated_plain(array: Any, index: Any, values: Any, how: str) -> Any:
    result = np.array(array)
    plain = _plain_index(index)
    try:
        if how == "add":
            np.add.at(result, plain, values)
        else:
            result[plain] = values
    except ValueError as error:
        raise ShapeError(f"{place()}: {error}") from None
    return result
