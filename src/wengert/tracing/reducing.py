"""NumPy's reductions, running sums and orders on traced arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ShapeError, UnsupportedFunctionError
from wengert.expr import Expr
from wengert.operations import (
    apply,
    argmax,
    argmin,
    argsort,
    as_int,
    as_real,
    contract,
    cumsum,
    rearrange,
    reshape,
    sort,
    sum_,
    take_along,
)
from wengert.primitive import registry
from wengert.tracing.array import TracedArray
from wengert.tracing.dispatch import implements, ufunc_methods, unsupported
from wengert.tracing.lifting import lift, stacked, trace_of
from wengert.tracing.places import with_axes
from wengert.tracing.trace import where as place

Axis = Any


def traced(x: Any) -> TracedArray:
    """A traced array, from one or from nested lists with some in them."""
    found = stacked(x)
    if isinstance(found, TracedArray):
        found.run.check_open()
        return found
    trace = trace_of()
    return TracedArray(lift(trace, found), trace, np.asarray(found).dtype)


def axes_of(x: Any, axis: Axis) -> tuple[int, ...]:
    """Axes as numbers from 0 on, in order."""
    if axis is None:
        return tuple(range(x.ndim))
    listed = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    for k in listed:
        if not -x.ndim <= int(k) < x.ndim:
            raise ShapeError(f"{place()}: there is no axis {k} in an array of shape {x.shape}")
    found = tuple(sorted({int(k) % x.ndim for k in listed}))
    if len(found) < len(listed):
        raise ShapeError(f"{place()}: an axis is named twice in {axis}")
    return found


def restored(reduced: Expr, axes: tuple[int, ...], ndim: int, keepdims: Any) -> Expr:
    """The reduced axes back with size 1, if wanted."""
    if keepdims is not True:
        return reduced
    kept = iter(range(reduced.ndim))
    return with_axes(reduced, [None if k in axes else next(kept) for k in range(ndim)])


def real_of(x: TracedArray) -> Expr:
    """The expression as real numbers."""
    return as_real(x.expr) if x.expr.dtype != "real" else x.expr


def float_dtype(x: TracedArray, dtype: Any = None) -> Any:
    """The dtype of a real result."""
    if dtype is None:
        return np.result_type(x.dtype, np.float32) if x.dtype.kind == "f" else np.dtype(float)
    if np.dtype(dtype).kind != "f":
        raise UnsupportedFunctionError(
            f"{place()}: dtype={np.dtype(dtype)} would cut a traced array to whole numbers, which "
            "have no derivative; use x.astype(int) if that is meant"
        )
    return np.dtype(dtype)


def trailing(name: str, x: Expr, axes: tuple[int, ...]) -> Expr:
    """A reduction of the registry over any axes."""
    if not x.ndim:
        x, axes = reshape(x, (1,)), (0,)
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    moved = rearrange(x, tuple(range(x.ndim)), (*rest, *axes))
    return apply(registry[name], moved, rank=len(axes))


def given(option: Any) -> bool:
    """Has the caller chosen something?"""
    return option is not None and option is not np._NoValue


def masked(x: TracedArray, where: Any, fill: Any) -> TracedArray:
    """The entries that ``where=`` leaves out, replaced by a number."""
    return traced(np.where(where, x, fill)) if given(where) and where is not True else x


# ---------------------------------------------------------------- sums


@implements(np.sum)
def _sum(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
         initial: Any = None, where: Any = None) -> Any:  # fmt: skip
    x = traced(a)
    whole = x.expr.dtype != "real" and (dtype is None or np.dtype(dtype).kind in "iu")
    x = masked(x, where, 0 if whole else 0.0)
    axes = axes_of(x, axis)
    total = restored(sum_(real_of(x), axes), axes, x.ndim, keepdims)
    if whole:
        found = TracedArray(as_int(total), x.run, np.dtype(int if dtype is None else dtype))
    else:
        found = TracedArray(total, x.run, float_dtype(x, dtype))
    return found + initial if given(initial) else found


@implements(np.mean)
def _mean(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
          *, where: Any = None) -> Any:  # fmt: skip
    x = traced(a)
    axes = axes_of(x, axis)
    count = _count(x, axes, where)
    total = sum_(real_of(masked(x, where, 0.0)), axes)
    kept = TracedArray(restored(total, axes, x.ndim, True), x.run, float_dtype(x, dtype))
    found = kept / count if np.all(count) else kept * np.where(count == 0, np.nan, 1 / (count or 1))
    return without(found, axes, keepdims)


def _count(x: TracedArray, axes: tuple[int, ...], where: Any) -> Any:
    """How many entries are taken together; with ``where=`` an array with the axes kept."""
    if not given(where) or where is True:
        return int(np.prod([x.shape[k] for k in axes]))
    mask = where.value if isinstance(where, TracedArray) else where
    return np.sum(np.broadcast_to(mask, x.shape), axis=axes, keepdims=True)


def without(kept: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    """The axes, which were kept, dropped if they are not wanted."""
    return kept if keepdims is True else np.squeeze(kept, axis=axes) if axes else kept


@implements(np.average)
def _average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *,
             keepdims: Any = False) -> Any:  # fmt: skip
    if weights is None:
        found = np.mean(a, axis=axis, keepdims=keepdims)
        return (found, np.full(np.shape(found), np.size(a) / np.size(found))) if returned else found
    if np.ndim(weights) == 1 and np.ndim(a) > 1 and axis is not None:
        shape = [1] * np.ndim(a)
        shape[int(axis)] = -1
        weights = np.reshape(weights, shape) * np.ones(np.shape(a))
    total = np.sum(weights * np.ones(np.shape(a)), axis=axis, keepdims=keepdims)
    found = np.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (found, total) if returned else found


def _spread(
    a: Any, axis: Axis, dtype: Any, ddof: Any, where: Any, mean: Any, correction: Any
) -> tuple[TracedArray, tuple[int, ...], Any, Any]:
    """The entries less their mean, the axes, how many there are and how many are free."""
    x = traced(a)
    x = TracedArray(real_of(x), x.run, float_dtype(x, dtype))
    axes = axes_of(x, axis)
    lost = correction if given(correction) else ddof
    centre = mean if given(mean) else np.mean(x, axis=axes, keepdims=True, where=where)
    count = _count(x, axes, where)
    return masked(traced(x - centre), where, 0.0), axes, count, count - lost


@implements(np.var)
def _var(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
         keepdims: Any = False, *, where: Any = None, mean: Any = None,
         correction: Any = None) -> Any:  # fmt: skip
    centred, axes, _, free = _spread(a, axis, dtype, ddof, where, mean, correction)
    total = np.sum(centred**2, axis=axes, keepdims=True)
    found = total / free if np.all(free > 0) else total * np.where(free > 0, 1 / free, np.nan)
    return without(found, axes, keepdims)


@implements(np.std)
def _std(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
         keepdims: Any = False, *, where: Any = None, mean: Any = None,
         correction: Any = None) -> Any:  # fmt: skip
    """The norm of what is centred: of equal entries it has the derivative 0, not 0 · ∞."""
    centred, axes, count, free = _spread(a, axis, dtype, ddof, where, mean, correction)
    found = length_of(centred, axes, 0 if given(mean) else count)
    found = found * np.where(free > 0, 1 / np.sqrt(np.where(free > 0, free, 1)), np.nan)
    return without(TracedArray(found.expr, found.run, centred.dtype), axes, keepdims)


def length_of(centred: Any, axes: tuple[int, ...], count: Any) -> Any:
    """The norms along the axes, which are kept; of one entry, which is its mean, the constant 0."""
    if not axes:
        return np.abs(centred)
    single = np.equal(count, 1)
    length = np.linalg.vector_norm(np.where(single, 1.0, centred), axis=axes, keepdims=True)
    return np.where(single, 0.0, length)


@implements(np.prod)
def _prod(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
          initial: Any = None, where: Any = None) -> Any:  # fmt: skip
    x = masked(traced(a), where, 1.0)
    axes = axes_of(x, axis)
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    moved = rearrange(real_of(x), tuple(range(x.ndim)), (*rest, *axes))
    count = int(np.prod([x.shape[k] for k in axes]))
    flat = reshape(moved, (*(x.shape[k] for k in rest), count))
    total = restored(apply(registry["prod"], flat), axes, x.ndim, keepdims)
    found = TracedArray(total, x.run, float_dtype(x, dtype))
    return found * initial if given(initial) else found


# ---------------------------------------------------------------- extrema


def _extremum(name: str, combine: Any) -> Callable[..., Any]:
    def implementation(a: Any, axis: Axis = None, out: Any = None, keepdims: Any = False,
                       initial: Any = None, where: Any = None) -> Any:  # fmt: skip
        x = traced(a)
        if given(where) and where is not True and not given(initial):
            raise ShapeError(f"{place()}: np.{name} with where= needs initial=, as in NumPy")
        x = masked(x, where, initial)
        axes = axes_of(x, axis)
        if given(initial) and not all(x.shape[k] for k in axes):
            return np.full([s for k, s in enumerate(x.shape) if k not in axes], initial, x.dtype)
        found = restored(trailing(name, real_of(x), axes), axes, x.ndim, keepdims)
        result = TracedArray(found if x.expr.dtype == "real" else as_int(found), x.run, x.dtype)
        return combine(result, initial) if given(initial) else result

    return implementation


implements(np.max, np.amax)(_extremum("max", np.maximum))
implements(np.min, np.amin)(_extremum("min", np.minimum))


@implements(np.ptp)
def _ptp(a: Any, axis: Axis = None, out: Any = None, keepdims: Any = False) -> Any:
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


def _place_of(find: Any) -> Callable[..., Any]:
    def implementation(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        x = traced(a)
        flat = x.ravel() if axis is None else x
        k = 0 if axis is None else axes_of(x, axis)[0]
        found = find(real_of(flat), k)
        axes = axes_of(x, None) if axis is None else (k,)
        return TracedArray(restored(found, axes, x.ndim, keepdims), x.run, np.dtype(int))

    return implementation


implements(np.argmax)(_place_of(argmax))
implements(np.argmin)(_place_of(argmin))


def _truth(name: str) -> Callable[..., Any]:
    def implementation(a: Any, axis: Axis = None, out: Any = None, keepdims: Any = False, *,
                       where: Any = None) -> Any:  # fmt: skip
        x = traced(a)
        x = x if x.expr.dtype == "bool" else x != 0
        axes = axes_of(x, axis)
        found = trailing(name, x.expr, axes) if x.ndim else x.expr
        return TracedArray(restored(found, axes, x.ndim, keepdims), x.run, np.dtype(bool))

    return implementation


implements(np.all)(_truth("all"))
implements(np.any)(_truth("any"))


@implements(np.count_nonzero)
def _count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    return np.sum(traced(a) != 0, axis=axis, keepdims=keepdims)


# ---------------------------------------------------------------- running


@implements(np.cumsum)
def _cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    x = traced(a)
    if axis is None:
        x, axis = x.ravel(), 0
    return TracedArray(cumsum(real_of(x), axes_of(x, axis)[0]), x.run, float_dtype(x, dtype))


@implements(np.cumprod)
def _cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """Products of ever longer runs by doubling: no division, so that zeros are right."""
    found = _doubling(np.multiply, traced(a), axis)
    return TracedArray(real_of(found), found.run, float_dtype(found, dtype))


def _with_start(function: Any, start: float) -> Any:
    def implementation(x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None,
                       include_initial: bool = False) -> Any:  # fmt: skip
        a = traced(x)
        if axis is None:
            if a.ndim != 1:
                raise ShapeError(f"{place()}: axis= must be given for an array of shape {a.shape}")
            axis = 0
        found = function(a, axis=axis, dtype=dtype)
        if not include_initial:
            return found
        shape = tuple(1 if k == axis % a.ndim else n for k, n in enumerate(a.shape))
        return np.concatenate([np.full(shape, start, found.dtype), found], axis=axis)

    return implementation


implements(np.cumulative_sum)(_with_start(np.cumsum, 0.0))
implements(np.cumulative_prod)(_with_start(np.cumprod, 1.0))


def _doubling(combine: Any, x: Any, axis: Any) -> Any:
    if axis is None:
        x, axis = x.ravel(), 0
    x = np.moveaxis(x, axis, 0)
    step = 1
    while step < x.shape[0]:
        x = np.concatenate([x[:step], combine(x[step:], x[:-step])])
        step *= 2
    return np.moveaxis(x, 0, axis)


@implements(np.diff)
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    x = traced(a)
    no = (None, np._NoValue)
    given = [p for p in (prepend, x, append) if not any(p is q for q in no)]
    if len(given) > 1:
        spread_out = [
            p if np.ndim(p) else np.broadcast_to(p, tuple(
                1 if k == axis % x.ndim else s for k, s in enumerate(x.shape)))
            for p in given
        ]  # fmt: skip
        x = np.concatenate(spread_out, axis=axis)
    for _ in range(n):
        x = np.moveaxis(x, axis, 0)
        x = np.moveaxis(x[1:] - x[:-1], 0, axis)
    return x


@implements(np.ediff1d)
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    parts = [to_begin, np.diff(np.ravel(ary)), to_end]
    return np.concatenate([np.ravel(p) for p in parts if p is not None])


@implements(np.trapezoid)
def _trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    y = np.moveaxis(y, axis, -1)
    if x is None:
        step: Any = dx
    else:
        step = np.diff(x) if np.ndim(x) == 1 else np.diff(np.moveaxis(x, axis, -1))
    return np.sum(step * (y[..., 1:] + y[..., :-1]) / 2, axis=-1)


@implements(np.gradient)
def _gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    x = traced(f)
    axes = axes_of(x, None) if axis is None else tuple(
        int(k) % x.ndim for k in (axis if isinstance(axis, tuple | list) else (axis,))
    )  # fmt: skip
    if len(varargs) not in (0, 1, len(axes)) or edge_order not in (1, 2):
        raise unsupported(np.gradient, "one step, or one an axis, and edge_order 1 or 2 are needed")
    steps = list(varargs) * (len(axes) if len(varargs) == 1 else 1) or [1.0] * len(axes)
    found = [_slopes(x, k, stacked(h), edge_order) for k, h in zip(axes, steps, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _slopes(x: TracedArray, axis: int, step: Any, edge_order: int) -> Any:
    """Central differences (of second order, for any steps), with one-sided ones at the ends."""
    y = np.moveaxis(x, axis, 0)
    if y.shape[0] <= edge_order:
        raise ShapeError(
            f"{place()}: np.gradient needs at least {edge_order + 1} entries along axis {axis}"
        )
    shape = (-1,) + (1,) * (y.ndim - 1)
    steps = np.diff(step) if np.ndim(step) else step * np.ones(y.shape[0] - 1)
    h = np.reshape(steps, shape)
    slope = (y[1:] - y[:-1]) / h
    inner = (h[:-1] * slope[1:] + h[1:] * slope[:-1]) / (h[:-1] + h[1:])
    first, last = slope[:1], slope[-1:]
    if edge_order == 2:
        first = 2 * first - inner[:1] if not np.ndim(step) else (
            first - h[:1] * (slope[1:2] - first) / (h[:1] + h[1:2])
        )  # fmt: skip
        last = 2 * last - inner[-1:] if not np.ndim(step) else (
            last + h[-1:] * (last - slope[-2:-1]) / (h[-1:] + h[-2:-1])
        )  # fmt: skip
    return np.moveaxis(np.concatenate([first, inner, last]), 0, axis)


# ---------------------------------------------------------------- order


@implements(np.sort)
def _sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    x = traced(a)
    if axis is None:
        x, axis = x.ravel(), -1
    return TracedArray(sort(x.expr, axes_of(x, axis)[0]), x.run, x.dtype)


@implements(np.partition)
def _partition(a: Any, kth: Any, axis: Any = -1, kind: Any = None, order: Any = None) -> Any:
    return np.sort(a, axis=axis)  # sorted is partitioned


@implements(np.argsort, np.argpartition)
def _argsort(a: Any, axis: Any = -1, *args: Any, **kwargs: Any) -> Any:
    x = traced(a)
    if axis is None:
        x, axis = x.ravel(), -1
    return TracedArray(argsort(real_of(x), axes_of(x, axis)[0]), x.run, np.dtype(int))


@implements(np.take_along_axis)
def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    x = traced(arr)
    if axis is None:
        x, axis = x.ravel(), 0
    axis = axes_of(x, axis)[0]
    ours, theirs = (tuple(1 if k == axis else n for k, n in enumerate(s))
                    for s in (x.shape, np.shape(indices)))  # fmt: skip
    if ours != theirs and len(ours) == len(theirs):  # all axes but the one are broadcast
        lead = np.broadcast_shapes(ours, theirs)
        wide = lambda n: (*lead[:axis], n, *lead[axis + 1 :])  # noqa: E731
        x = np.broadcast_to(x, wide(x.shape[axis]))
        indices = np.broadcast_to(indices, wide(np.shape(indices)[axis]))
    return TracedArray(take_along(x.expr, lift(x.run, indices), axis), x.run, x.dtype)


# The places among n sorted entries that q stands for, as NumPy has them: (α, β) of Hyndman and Fan.
_BETWEEN = {"linear": (1.0, 1.0), "weibull": (0.0, 0.0), "hazen": (0.5, 0.5),
            "median_unbiased": (1 / 3, 1 / 3), "normal_unbiased": (0.375, 0.375),
            "interpolated_inverted_cdf": (0.0, 1.0)}  # fmt: skip
_ROUNDED: dict[str, Callable[[Any], Any]] = {
    "lower": np.floor,
    "higher": np.ceil,
    "midpoint": lambda at: (np.floor(at) + np.ceil(at)) / 2,
    "nearest": np.rint,
}


@implements(np.quantile)
def _quantile(a: Any, q: Any, axis: Axis = None, out: Any = None, overwrite_input: bool = False,
              method: str = "linear", keepdims: bool = False, *, weights: Any = None,
              interpolation: Any = None) -> Any:  # fmt: skip
    if weights is not None:
        raise unsupported(np.quantile, "weights= is not supported")
    if method not in (*_BETWEEN, *_ROUNDED):
        known = ", ".join((*_BETWEEN, *_ROUNDED))
        raise unsupported(np.quantile, f"method={method!r} is not one of {known}")
    number = isinstance(q, float | int)
    q = stacked(q)
    q = q if isinstance(q, TracedArray) else np.asarray(q, dtype=float)
    x = traced(a)
    axes = axes_of(x, axis)
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    count = int(np.prod([x.shape[k] for k in axes]))
    flat = np.reshape(np.transpose(x, (*rest, *axes)), (*(x.shape[k] for k in rest), count))
    ordered = np.sort(flat, axis=-1)
    alpha, beta = _BETWEEN.get(method, (1.0, 1.0))
    at: Any = np.clip(q * (count + 1 - alpha - beta) + (alpha - 1), 0.0, count - 1.0)
    at = _ROUNDED[method](at) if method in _ROUNDED else at
    low = np.clip(np.floor(at), 0.0, max(count - 2.0, 0.0)).astype(int)
    w = at - low
    found = ordered[..., low] * (1 - w)
    if count > 1:
        found = found + ordered[..., low + 1] * w
    lead = np.ndim(q)
    found = np.moveaxis(found, range(len(rest), len(rest) + lead), range(lead)) if lead else found
    dtype = float_dtype(x) if number else np.result_type(x.dtype, q.dtype)
    kept = iter(range(lead, lead + len(rest)))
    wanted = [k for k in range(x.ndim) if keepdims or k not in axes]
    out_axes: list[int | None] = [
        *range(lead),
        *(None if k in axes else next(kept) for k in wanted),
    ]
    return TracedArray(with_axes(found.expr, out_axes), x.run, dtype)


@implements(np.percentile)
def _percentile(a: Any, q: Any, *args: Any, **kwargs: Any) -> Any:
    return np.quantile(a, np.true_divide(stacked(q), 100), *args, **kwargs)


@implements(np.median)
def _median(a: Any, axis: Axis = None, out: Any = None, overwrite_input: bool = False,
            keepdims: bool = False) -> Any:  # fmt: skip
    return np.quantile(a, 0.5, axis=axis, keepdims=keepdims)


# ---------------------------------------------------------------- methods of ufuncs


def _reduce(function: Any) -> Callable[..., Any]:
    def implementation(a: Any, axis: Axis = 0, dtype: Any = None, keepdims: Any = False,
                       initial: Any = None, where: Any = None) -> Any:  # fmt: skip
        options = {"dtype": dtype, "initial": initial, "where": where}
        return function(a, axis=axis, keepdims=keepdims,
                        **{k: v for k, v in options.items() if given(v)})  # fmt: skip

    return implementation


for _ufunc, _function in {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max,
                          np.minimum: np.min, np.logical_and: np.all,
                          np.logical_or: np.any}.items():  # fmt: skip
    ufunc_methods[_ufunc, "reduce"] = _reduce(_function)


def _in_pairs(ufunc: Any) -> Callable[..., Any]:
    """The reduction by an associative function, half and half again."""

    def implementation(a: Any, axis: Axis = 0, dtype: Any = None, keepdims: Any = False,
                       initial: Any = None, where: Any = None) -> Any:  # fmt: skip
        if given(initial) or given(where) or dtype is not None:
            raise unsupported(ufunc, "its reduce takes axis= and keepdims= only")
        x = traced(a)
        axes = axes_of(x, axis)
        rest = [k for k in range(x.ndim) if k not in axes]
        count = int(np.prod([x.shape[k] for k in axes]))
        if not count:
            raise ShapeError(f"{place()}: {ufunc.__name__}.reduce of no entries")
        lines = np.reshape(np.transpose(x, (*axes, *rest)), (count, *(x.shape[k] for k in rest)))
        while lines.shape[0] > 1:
            half, odd = divmod(lines.shape[0], 2)
            joined = ufunc(lines[:half], lines[half : 2 * half])
            lines = np.concatenate([joined, lines[2 * half :]]) if odd else joined
        return TracedArray(restored(lines[0].expr, axes, x.ndim, keepdims), x.run, lines.dtype)

    return implementation


for _ufunc in (np.logaddexp, np.logaddexp2, np.hypot, np.fmax, np.fmin):
    ufunc_methods[_ufunc, "reduce"] = _in_pairs(_ufunc)


def _no_method(name: str, remedy: str) -> Callable[..., Any]:
    def implementation(ufunc: Any, *args: Any, **kwargs: Any) -> Any:
        raise unsupported(ufunc, f"its method {name} is not supported; {remedy}")

    return implementation


_REDUCED = "it is for add, multiply, maximum, minimum, fmax, fmin, hypot, logaddexp, logaddexp2"
ufunc_methods[None, "reduce"] = _no_method("reduce", _REDUCED)
ufunc_methods[None, "reduceat"] = _no_method("reduceat", "use sums of slices or np.add.reduce")
ufunc_methods[None, "at"] = _no_method("at", "use wg.at(x)[index].add(values)")


def _accumulate(ufunc: Any, a: Any, axis: Any = 0, dtype: Any = None) -> Any:
    if ufunc is np.add:
        return np.cumsum(a, axis=axis)
    if ufunc in (np.multiply, np.maximum, np.minimum, np.logaddexp):
        return _doubling(ufunc, traced(a), axis)
    raise unsupported(ufunc, "accumulate is supported for add, multiply, maximum and minimum")


def _outer(ufunc: Any, a: Any, b: Any, **kwargs: Any) -> Any:
    return ufunc(np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b, **kwargs)


ufunc_methods[None, "accumulate"] = _accumulate
ufunc_methods[None, "outer"] = _outer


# ---------------------------------------------------------------- along lines, for SciPy


def log_sum_exp(a: Any, axis: Axis = None, b: Any = None, keepdims: bool = False,
                return_sign: bool = False) -> Any:  # fmt: skip
    """``scipy.special.logsumexp``."""
    if return_sign:
        raise unsupported(np.logaddexp, "logsumexp(return_sign=True) is not supported")
    if b is not None:
        a = a + np.log(b)
    x = traced(a)
    axes = axes_of(x, axis)
    found = restored(trailing("logsumexp", real_of(x), axes), axes, x.ndim, keepdims)
    return TracedArray(found, x.run, float_dtype(x))


def soft_max(x: Any, axis: Axis = None) -> Any:
    """``scipy.special.softmax``."""
    x = traced(x)
    if not x.ndim:
        return x * 0.0 + 1.0
    axes = axes_of(x, axis)
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    order = (*rest, *axes)
    moved = contract([real_of(x)], [tuple(range(x.ndim))], order)
    found = apply(registry["softmax"], moved, rank=len(axes))
    back = contract([found], [order], tuple(range(x.ndim)))
    return TracedArray(back, x.run, float_dtype(x))


def log_soft_max(x: Any, axis: Axis = None) -> Any:
    """``scipy.special.log_softmax``."""
    return x - log_sum_exp(x, axis=axis, keepdims=True)
