"""NumPy's functions that move, join and repeat entries, on traced arrays."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from wengert.errors import ShapeError, UnsupportedFunctionError
from wengert.operations import (
    broadcast_to,
    concatenate,
    diag,
    embed,
    reshape,
    stack,
    sum_,
    take,
    tril,
    triu,
)
from wengert.tracing.array import TracedArray
from wengert.tracing.dispatch import implements, unsupported
from wengert.tracing.lifting import lift, stacked, trace_of
from wengert.tracing.places import moved, with_axes
from wengert.tracing.reducing import axes_of, traced
from wengert.tracing.trace import kind_of
from wengert.tracing.trace import where as place


def _like(x: TracedArray, expr: Any) -> TracedArray:
    return TracedArray(expr, x.run, x.dtype)


@implements(np.reshape)
def _reshape(a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None,
             copy: Any = None) -> Any:  # fmt: skip
    x = traced(a)
    given = newshape if shape is None else shape
    listed = (
        [int(s) for s in given] if isinstance(given, tuple | list | np.ndarray) else [int(given)]
    )
    if listed.count(-1) == 1:
        known = int(np.prod([s for s in listed if s != -1]))
        listed[listed.index(-1)] = x.size // known if known else 0
    if int(np.prod(listed)) != x.size or min(listed, default=0) < 0:
        raise ShapeError(f"{place()}: cannot reshape {x.shape} to {given}")
    _row_major(x, order)
    if order == "F":
        return np.transpose(np.reshape(np.transpose(x), tuple(listed[::-1])))
    if tuple(listed) == x.shape:
        return x
    return _like(x, reshape(x.expr, tuple(listed)))


@implements(np.ravel)
def _ravel(a: Any, order: str = "C") -> Any:
    return np.reshape(traced(a), (-1,) if traced(a).size else (0,), order=order)


def _row_major(x: TracedArray, order: str) -> None:
    """Orders that depend on how NumPy keeps an array in memory are refused."""
    if order not in ("C", "F") and x.ndim > 1:
        raise UnsupportedFunctionError(
            f"{place()}: order={order!r} depends on how an array lies in memory, and a traced "
            "array lies nowhere; use order='C' or order='F'"
        )


@implements(np.transpose, np.permute_dims)
def _transpose(a: Any, axes: Any = None) -> Any:
    x = traced(a)
    order = range(x.ndim)[::-1] if axes is None else [int(k) % x.ndim for k in axes]
    if sorted(order) != list(range(x.ndim)):
        raise ShapeError(f"{place()}: axes {axes} do not fit an array of shape {x.shape}")
    return _like(x, with_axes(x.expr, list(order)))


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def _matrix_transpose(x: Any, /) -> Any:
    return np.swapaxes(x, -1, -2)


@implements(np.swapaxes)
def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    x = traced(a)
    order = list(range(x.ndim))
    i, j = axes_of(x, axis1)[0], axes_of(x, axis2)[0]
    order[i], order[j] = order[j], order[i]
    return np.transpose(x, order)


@implements(np.moveaxis)
def _moveaxis(a: Any, source: Any, destination: Any) -> Any:
    x = traced(a)
    sources = [int(s) % x.ndim for s in np.atleast_1d(source)]
    targets = [int(t) % x.ndim for t in np.atleast_1d(destination)]
    order = [k for k in range(x.ndim) if k not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return np.transpose(x, order)


@implements(np.rollaxis)
def _rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    x = traced(a)
    axis, start = axis % x.ndim, start + x.ndim if start < 0 else start
    return np.moveaxis(x, axis, start - 1 if axis < start else start)


@implements(np.expand_dims)
def _expand_dims(a: Any, axis: Any) -> Any:
    x = traced(a)
    listed = axis if isinstance(axis, tuple | list) else (axis,)
    total = x.ndim + len(listed)
    new = {int(k) % total for k in listed}
    kept = iter(range(x.ndim))
    return _like(x, with_axes(x.expr, [None if k in new else next(kept) for k in range(total)]))


@implements(np.squeeze)
def _squeeze(a: Any, axis: Any = None) -> Any:
    x = traced(a)
    axes = (
        axes_of(x, axis) if axis is not None else tuple(k for k, s in enumerate(x.shape) if s == 1)
    )
    if any(x.shape[k] != 1 for k in axes):
        raise ShapeError(f"{place()}: cannot squeeze axes {axes} of an array of shape {x.shape}")
    if x.expr.dtype == "real":
        return _like(x, sum_(x.expr, axes))
    return np.reshape(x, tuple(s for k, s in enumerate(x.shape) if k not in axes))


@implements(np.broadcast_to)
def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    x = traced(array)
    target = tuple(int(s) for s in shape) if isinstance(shape, tuple | list) else (int(shape),)
    return _like(x, broadcast_to(x.expr, target))


@implements(np.broadcast_arrays)
def _broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    shape = np.broadcast_shapes(*(np.shape(a) for a in args))
    return tuple(np.broadcast_to(a, shape) for a in args)


def _at_least(rank: int) -> Any:
    def implementation(*arrays: Any) -> Any:
        found = tuple(_raised(traced(a), rank) for a in arrays)
        return found[0] if len(found) == 1 else found

    return implementation


def _raised(x: TracedArray, rank: int) -> Any:
    if x.ndim >= rank:
        return x
    if rank == 3:
        return {0: lambda: x[None, None, None], 1: lambda: x[None, :, None],
                2: lambda: x[:, :, None]}[x.ndim]()  # fmt: skip
    return np.reshape(x, (1,) * (rank - x.ndim) + x.shape)


implements(np.atleast_1d)(_at_least(1))
implements(np.atleast_2d)(_at_least(2))
implements(np.atleast_3d)(_at_least(3))


# ---------------------------------------------------------------- joining and splitting


def _parts(arrays: Any) -> tuple[Any, list[Any], Any]:
    listed = [stacked(a) for a in arrays]
    trace = trace_of(*listed)
    dtype = np.result_type(
        *(a.dtype if hasattr(a, "dtype") else np.asarray(a).dtype for a in listed)
    )
    return trace, [lift(trace, a, kind_of(dtype)) for a in listed], dtype


@implements(np.concatenate)
def _concatenate(arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None,
                 casting: Any = None) -> Any:  # fmt: skip
    trace, parts, gives = _parts(arrays)
    if axis is None:
        parts, axis = [reshape(p, (int(np.prod(p.shape)),)) for p in parts], 0
    if any(not p.ndim for p in parts):
        raise ShapeError(f"{place()}: scalars cannot be concatenated; use np.stack")
    return TracedArray(concatenate(parts, int(axis)), trace, dtype or gives)


@implements(np.stack)
def _stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None,
           casting: Any = None) -> Any:  # fmt: skip
    trace, parts, gives = _parts(arrays)
    return TracedArray(stack(parts, int(axis)), trace, dtype or gives)


@implements(np.vstack)
def _vstack(tup: Any, **kwargs: Any) -> Any:
    return np.concatenate([np.atleast_2d(a) for a in tup])


@implements(np.hstack)
def _hstack(tup: Any, **kwargs: Any) -> Any:
    parts = [np.atleast_1d(a) for a in tup]
    return np.concatenate(parts, axis=0 if parts[0].ndim == 1 else 1)


@implements(np.dstack)
def _dstack(tup: Any) -> Any:
    return np.concatenate([np.atleast_3d(a) for a in tup], axis=2)


@implements(np.column_stack)
def _column_stack(tup: Any) -> Any:
    return np.concatenate(
        [a if np.ndim(a) > 1 else np.reshape(a, (-1, 1)) for a in map(stacked, tup)], axis=1
    )


@implements(np.block)
def _block(arrays: Any) -> Any:
    """Along the last axis innermost, along the one before around that, and so on."""
    depth = _depth(arrays)
    rank = max(depth, *(np.ndim(a) for a in _leaves(arrays)))
    raised = lambda a: np.reshape(a, (1,) * (rank - np.ndim(a)) + np.shape(a))  # noqa: E731

    def joined(part: Any, axis: int) -> Any:
        if not isinstance(part, list):
            return raised(part)
        return np.concatenate([joined(p, axis + 1) for p in part], axis=axis)

    return joined(arrays, -depth) if depth else traced(arrays)


def _depth(arrays: Any) -> int:
    return 1 + max(map(_depth, arrays)) if isinstance(arrays, list) else 0


def _leaves(arrays: Any) -> list[Any]:
    return [x for a in arrays for x in _leaves(a)] if isinstance(arrays, list) else [arrays]


@implements(np.unstack)
def _unstack(x: Any, /, *, axis: int = 0) -> Any:
    return tuple(np.moveaxis(x, axis, 0))


@implements(np.append)
def _append(arr: Any, values: Any, axis: Any = None) -> Any:
    if axis is None:
        arr, values, axis = np.ravel(arr), np.ravel(values), 0
    return np.concatenate([arr, values], axis=axis)


@implements(np.array_split, np.split)
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    x = traced(ary)
    axis = axes_of(x, axis)[0]
    pieces = np.array_split(np.arange(x.shape[axis]), indices_or_sections)
    lead = (slice(None),) * axis
    starts = np.cumsum([0, *(len(p) for p in pieces)])
    return [x[(*lead, slice(int(a), int(b)))] for a, b in pairwise(starts)]


@implements(np.vsplit)
def _vsplit(ary: Any, sections: Any) -> Any:
    return np.split(ary, sections, axis=0)


@implements(np.hsplit)
def _hsplit(ary: Any, sections: Any) -> Any:
    return np.split(ary, sections, axis=0 if np.ndim(ary) == 1 else 1)


@implements(np.dsplit)
def _dsplit(ary: Any, sections: Any) -> Any:
    return np.split(ary, sections, axis=2)


# ---------------------------------------------------------------- moving entries


def _mover(function: Any) -> None:
    def implementation(x: Any, *args: Any, **kwargs: Any) -> Any:
        return moved(function, traced(x), *args, **kwargs)

    implements(function)(implementation)


for _function in (np.tile, np.repeat, np.rot90, np.delete, np.resize, np.take):
    _mover(_function)


@implements(np.lib.stride_tricks.sliding_window_view)
def _sliding_window_view(x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False,
                         writeable: bool = False) -> Any:  # fmt: skip
    return moved(np.lib.stride_tricks.sliding_window_view, traced(x), window_shape, axis)


@implements(np.compress)
def _compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    chosen = condition.value if isinstance(condition, TracedArray) else condition
    return moved(lambda n: np.compress(chosen, n, axis=axis), traced(a))


@implements(np.extract)
def _extract(condition: Any, arr: Any) -> Any:
    return np.compress(np.ravel(condition), np.ravel(arr))


@implements(np.trim_zeros)
def _trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    x = traced(filt)
    if x.ndim != 1:
        raise unsupported(np.trim_zeros, "only vectors are supported")
    kept = np.flatnonzero((x != 0).value)
    if not len(kept):
        return x[:0]
    start = int(kept[0]) if "f" in trim.lower() else 0
    return x[start : int(kept[-1]) + 1 if "b" in trim.lower() else None]


@implements(np.flip)
def _flip(m: Any, axis: Any = None) -> Any:
    x = traced(m)
    axes = axes_of(x, axis)
    return x[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(x.ndim))]


@implements(np.fliplr)
def _fliplr(m: Any) -> Any:
    return m[:, ::-1]


@implements(np.flipud)
def _flipud(m: Any) -> Any:
    return m[::-1]


@implements(np.roll)
def _roll(a: Any, shift: Any, axis: Any = None) -> Any:
    x = traced(a)
    if axis is None:
        return np.reshape(np.roll(np.ravel(x), shift, 0), x.shape)
    shifts, axes = np.broadcast_arrays(shift, axis)
    for s, k in zip(shifts.ravel(), axes.ravel(), strict=True):
        size = x.shape[int(k)]
        if size and int(s) % size:
            cut = size - int(s) % size
            lead = (slice(None),) * (int(k) % x.ndim)
            x = np.concatenate(
                [x[(*lead, slice(cut, None))], x[(*lead, slice(None, cut))]], axis=int(k)
            )
    return x


@implements(np.fft.fftshift)
def _fftshift(x: Any, axes: Any = None) -> Any:
    return moved(np.fft.fftshift, traced(x), axes)


@implements(np.fft.ifftshift)
def _ifftshift(x: Any, axes: Any = None) -> Any:
    return moved(np.fft.ifftshift, traced(x), axes)


@implements(np.pad)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    x = traced(array)
    if isinstance(pad_width, dict):
        widths_of = {int(k) % x.ndim: v for k, v in pad_width.items()}
        pad_width = [np.broadcast_to(widths_of.get(k, 0), (2,)).tolist() for k in range(x.ndim)]
    if mode != "constant":
        if kwargs.get("reflect_type", "even") != "even":
            raise unsupported(np.pad, "reflect_type='odd' is not supported")
        if mode not in ("edge", "reflect", "symmetric", "wrap"):
            raise unsupported(np.pad, f"mode={mode!r} is not supported")
        return moved(np.pad, x, pad_width, mode=mode, **kwargs)
    fill = kwargs.get("constant_values", 0)
    widths = np.pad(np.zeros(x.shape, bool), pad_width, constant_values=True)
    wide = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2))
    slices = [slice(int(a), int(a) + s) for (a, _), s in zip(wide, x.shape, strict=True)]
    placed = _like(x, embed(x.expr, slices, widths.shape))
    if not isinstance(fill, TracedArray) and np.ndim(fill) == 0 and fill == 0:
        return placed
    if isinstance(stacked(fill), TracedArray):
        if np.ndim(fill):
            raise unsupported(np.pad, "constant_values= must be one traced value, or numbers")
        return np.where(widths, fill, placed)
    around = np.pad(np.zeros(x.shape, x.dtype), pad_width, constant_values=fill)
    return np.where(widths, around, placed)


@implements(np.diagonal)
def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return moved(np.diagonal, traced(a), offset, axis1, axis2)


@implements(np.linalg.diagonal)
def _diagonal_of_matrix(x: Any, /, *, offset: int = 0) -> Any:
    return np.diagonal(x, offset, -2, -1)


@implements(np.diag)
def _diag(v: Any, k: int = 0) -> Any:
    x = traced(v)
    if x.ndim == 2:
        return np.diagonal(x, k)
    size = x.size + abs(k)
    if k:
        rows = np.arange(x.size) + max(-k, 0)
        numbers = np.full((size, size), x.size)
        numbers[rows, rows + k] = np.arange(x.size)
        return np.concatenate([x, np.zeros(1)])[numbers]
    return TracedArray(diag(lift(x.run, x, "real")), x.run, np.result_type(x.dtype, 0.0))


@implements(np.diagflat)
def _diagflat(v: Any, k: int = 0) -> Any:
    return np.diag(np.ravel(v), k)


def _square_of(m: Any) -> TracedArray:
    """The matrix; of a vector, as in NumPy, the matrix with it as each row."""
    x = traced(m)
    return traced(np.broadcast_to(x, (x.size, x.size))) if x.ndim == 1 else x


@implements(np.tril)
def _tril(m: Any, k: int = 0) -> Any:
    x = _square_of(m)
    return _like(x, tril(x.expr, int(k)))


@implements(np.triu)
def _triu(m: Any, k: int = 0) -> Any:
    x = _square_of(m)
    return _like(x, triu(x.expr, int(k)))


@implements(np.select)
def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    found = default
    for condition, choice in list(zip(condlist, choicelist, strict=True))[::-1]:
        found = np.where(condition, choice, found)
    return found


@implements(np.choose)
def _choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    places = np.asarray(a.value if isinstance(a, TracedArray) else a)
    count = len(choices)
    if mode == "raise" and places.size and not (places.min() >= 0 and places.max() < count):
        raise ShapeError(f"{place()}: np.choose among {count} arrays by {places.max()}")
    places = places % count if mode == "wrap" else np.clip(places, 0, count - 1)
    found = choices[0] + np.zeros(places.shape, choices[0].dtype)
    for k in range(1, count):
        found = np.where(places == k, choices[k], found)
    return found


@implements(np.insert)
def _insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    """By what NumPy does to the numbers of the entries of both."""
    count, more = int(np.size(arr)), int(np.size(values))
    places = np.insert(
        np.arange(count).reshape(np.shape(arr)),
        obj,
        count + np.arange(more).reshape(np.shape(values)),
        axis,
    )
    return np.concatenate([np.ravel(arr), np.ravel(values)])[places]


@implements(np.copy)
def _copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    return a


@implements(np.astype)
def _np_astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    return x.astype(dtype)


@implements(np.meshgrid)
def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    n = len(xi)
    shaped = [np.reshape(x, (1,) * k + (-1,) + (1,) * (n - 1 - k)) for k, x in enumerate(xi)]
    found = list(shaped) if sparse else list(np.broadcast_arrays(*shaped))
    swapped = indexing == "xy" and n > 1
    return tuple(np.swapaxes(f, 0, 1) if swapped else f for f in found)


@implements(np.linspace)
def _linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
              dtype: Any = None, axis: int = 0, *, device: Any = None) -> Any:  # fmt: skip
    if dtype is not None and np.dtype(dtype).kind != "f":
        raise unsupported(np.linspace, f"dtype={dtype} has no derivative")
    t = np.linspace(0.0, 1.0, num, endpoint=endpoint)
    shape = np.broadcast_shapes(np.shape(start), np.shape(stop))
    t = np.reshape(t, (num,) + (1,) * len(shape))
    found = np.moveaxis(start + (stop - start) * t, 0, axis)
    found = found if dtype is None else found.astype(dtype)
    parts = num - 1 if endpoint else num
    return (found, (stop - start) / parts if parts > 0 else np.nan) if retstep else found


@implements(np.logspace)
def _logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0,
              dtype: Any = None, axis: int = 0) -> Any:  # fmt: skip
    return np.power(base, np.linspace(start, stop, num, endpoint=endpoint, axis=axis, dtype=dtype))


@implements(np.geomspace)
def _geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None,
               axis: int = 0) -> Any:  # fmt: skip
    """Of bounds with one sign, as NumPy has it for real numbers."""
    t = np.linspace(0.0, 1.0, num, endpoint=endpoint)
    shape = np.broadcast_shapes(np.shape(start), np.shape(stop))
    ratio = stop / start
    found = np.moveaxis(start * ratio ** np.reshape(t, (num,) + (1,) * len(shape)), 0, axis)
    return found if dtype is None else found.astype(dtype)


@implements(np.interp)
def _interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    if period is not None:
        raise unsupported(np.interp, "period= is not supported")
    if np.size(xp) == 1:  # a constant between the ends
        xp, fp = np.repeat(np.ravel(xp), 2) + np.array([0.0, 1.0]), np.repeat(np.ravel(fp), 2)
    knots = np.asarray(xp.value if isinstance(xp, TracedArray) else xp, dtype=float)
    trace = trace_of(x, xp, fp)
    given = TracedArray(lift(trace, x, "real"), trace, np.dtype(float))
    count = len(knots)
    below = np.sum(given[..., None] >= knots[1:-1], axis=-1)  # the interval, by counting
    low = TracedArray(lift(trace, below), trace, np.dtype(int)).expr
    ends = [TracedArray(lift(trace, v, "real"), trace, np.dtype(float)) for v in (xp, fp)]
    pick = [(_at(e, low, 0, count), _at(e, low, 1, count)) for e in ends]
    (x0, x1), (f0, f1) = pick
    inside = f0 + (f1 - f0) * (given - x0) / (x1 - x0)
    f = ends[1]
    inside = np.where(given < knots[0], f[0] if left is None else left, inside)
    return np.where(given > knots[-1], f[-1] if right is None else right, inside)


def _at(values: TracedArray, low: Any, offset: int, count: int) -> TracedArray:
    part = values[offset : count - 1 + offset]
    return TracedArray(take(part.expr, [low], 1), values.run, values.dtype)


@implements(np.convolve)
def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    a, v = (a, v) if np.size(a) >= np.size(v) else (v, a)
    n, m = np.size(a), np.size(v)
    padded = np.pad(a, (m - 1, m - 1))
    windows = padded[np.arange(n + m - 1)[:, None] + np.arange(m)[None, :]]
    full = windows @ np.flip(v)
    if mode == "full":
        return full
    if mode == "valid":
        return full[m - 1 : n]
    start = (m - 1) // 2
    return full[start : start + n]


@implements(np.correlate)
def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    if np.size(a) >= np.size(v):
        return np.convolve(a, np.flip(v), mode)
    return np.flip(np.convolve(v, np.flip(a), mode))
