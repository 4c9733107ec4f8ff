"""NumPy's reductions, running sums and orders on traced arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import ShapeError
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
    return (
        np.dtype(dtype)
        if dtype is not None
        else np.result_type(x.dtype, np.float32)
        if (x.dtype.kind == "f")
        else np.dtype(float)
    )


def trailing(name: str, x: Expr, axes: tuple[int, ...]) -> Expr:
    """A reduction of the registry over any axes."""
    if not x.ndim:
        x, axes = reshape(x, (1,)), (0,)
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    moved = rearrange(x, tuple(range(x.ndim)), (*rest, *axes))
    return apply(registry[name], moved, rank=len(axes))


def _only(function: Any, where: Any, initial: Any) -> None:
    if where is not None and where is not np._NoValue and where is not True:
        raise unsupported(function, "where= is not supported; use np.where")
    if initial is not None and initial is not np._NoValue:
        raise unsupported(function, "initial= is not supported; combine it with the result")


# ---------------------------------------------------------------- sums


@implements(np.sum)
def _sum(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
         initial: Any = None, where: Any = None) -> Any:  # fmt: skip
    x = traced(a)
    if where is not None and where is not np._NoValue and where is not True:
        x = traced(np.where(where, x, 0.0))
    axes = axes_of(x, axis)
    total = restored(sum_(real_of(x), axes), axes, x.ndim, keepdims)
    if initial is not None and initial is not np._NoValue:
        return TracedArray(total, x.run, float_dtype(x, dtype)) + initial
    if x.expr.dtype != "real" and dtype is None:
        return TracedArray(as_int(total), x.run, np.dtype(int))
    return TracedArray(total, x.run, float_dtype(x, dtype))


@implements(np.mean)
def _mean(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
          *, where: Any = None) -> Any:  # fmt: skip
    _only(np.mean, where, None)
    x = traced(a)
    axes = axes_of(x, axis)
    count = int(np.prod([x.shape[k] for k in axes]))
    total = TracedArray(sum_(real_of(x), axes), x.run, float_dtype(x, dtype)) / max(count, 1)
    if not count:
        total = total * np.nan
    return TracedArray(restored(total.expr, axes, x.ndim, keepdims), x.run, total.dtype)


@implements(np.average)
def _average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *,
             keepdims: Any = False) -> Any:  # fmt: skip
    if returned:
        raise unsupported(np.average, "returned=True is not supported; use np.sum(weights)")
    if weights is None:
        return np.mean(a, axis=axis, keepdims=keepdims)
    if np.ndim(weights) == 1 and np.ndim(a) > 1 and axis is not None:
        shape = [1] * np.ndim(a)
        shape[int(axis)] = -1
        weights = np.reshape(weights, shape) * np.ones(np.shape(a))
    return np.sum(a * weights, axis=axis, keepdims=keepdims) / np.sum(
        weights * np.ones(np.shape(a)), axis=axis, keepdims=keepdims
    )


@implements(np.var)
def _var(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
         keepdims: Any = False, *, where: Any = None, mean: Any = None,
         correction: Any = None) -> Any:  # fmt: skip
    _only(np.var, where, None)
    x = traced(a)
    lost = ddof if correction is None or correction is np._NoValue else correction
    centred = x - np.mean(x, axis=axis, keepdims=True)
    count = int(np.prod([x.shape[k] for k in axes_of(x, axis)]))
    scaled = np.sum(centred**2, axis=axis, keepdims=keepdims)
    return scaled / (count - lost) if count > lost else scaled * np.nan


@implements(np.std)
def _std(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
         keepdims: Any = False, **kwargs: Any) -> Any:  # fmt: skip
    """The norm of what is centred: of equal entries it has the derivative 0, not 0 · ∞."""
    unused = (None, np._NoValue)
    _only(np.std, kwargs.get("where"), None)
    correction = kwargs.get("correction")
    lost = ddof if any(correction is u for u in unused) else correction
    x = traced(a)
    axes = axes_of(x, axis)
    count = int(np.prod([x.shape[k] for k in axes]))
    if count == 1 and not lost:
        return np.sum(0.0 * x, axis=axes, keepdims=keepdims)  # constant, not a norm at its kink
    if count <= lost:
        return np.sqrt(np.var(x, axis=axes, ddof=lost, keepdims=keepdims))
    rest = [k for k in range(x.ndim) if k not in axes]
    centred = np.transpose(x - np.mean(x, axis=axes, keepdims=True), (*rest, *axes))
    flat = np.reshape(centred, (*(x.shape[k] for k in rest), count))
    found = np.linalg.norm(flat, axis=-1) / float(np.sqrt(count - lost))
    return TracedArray(restored(found.expr, axes, x.ndim, keepdims), x.run, found.dtype)


@implements(np.prod)
def _prod(a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: Any = False,
          initial: Any = None, where: Any = None) -> Any:  # fmt: skip
    _only(np.prod, where, initial)
    x = traced(a)
    axes = axes_of(x, axis)
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    moved = rearrange(real_of(x), tuple(range(x.ndim)), (*rest, *axes))
    count = int(np.prod([x.shape[k] for k in axes]))
    flat = reshape(moved, (*(x.shape[k] for k in rest), count))
    return TracedArray(
        restored(apply(registry["prod"], flat), axes, x.ndim, keepdims), x.run, float_dtype(x)
    )


# ---------------------------------------------------------------- extrema


def _extremum(name: str, function: Any) -> Callable[..., Any]:
    def implementation(a: Any, axis: Axis = None, out: Any = None, keepdims: Any = False,
                       initial: Any = None, where: Any = None) -> Any:  # fmt: skip
        _only(function, where, initial)
        x = traced(a)
        axes = axes_of(x, axis)
        found = restored(trailing(name, real_of(x), axes), axes, x.ndim, keepdims)
        return TracedArray(found if x.expr.dtype == "real" else as_int(found), x.run, x.dtype)

    return implementation


implements(np.max, np.amax)(_extremum("max", np.max))
implements(np.min, np.amin)(_extremum("min", np.min))


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
    return _doubling(np.multiply, traced(a), axis)


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
    axes = axes_of(x, axis)
    if edge_order != 1 or any(np.ndim(v) for v in varargs) or len(varargs) not in (0, 1, len(axes)):
        raise unsupported(np.gradient, "only constant steps and edge_order=1 are supported")
    steps = list(varargs) * (len(axes) if len(varargs) == 1 else 1) or [1.0] * len(axes)
    found: list[Any] = []
    for k, h in zip(axes, steps, strict=True):
        y = np.moveaxis(x, k, 0)
        inner = (y[2:] - y[:-2]) / (2.0 * h)
        parts = [(y[1:2] - y[:1]) / h, inner, (y[-1:] - y[-2:-1]) / h]
        found.append(np.moveaxis(np.concatenate(parts), 0, k))
    return found[0] if len(found) == 1 else tuple(found)


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
    return TracedArray(take_along(x.expr, lift(x.run, indices), axis), x.run, x.dtype)


@implements(np.quantile)
def _quantile(a: Any, q: Any, axis: Axis = None, out: Any = None, overwrite_input: bool = False,
              method: str = "linear", keepdims: bool = False, **kwargs: Any) -> Any:  # fmt: skip
    x = traced(a)
    axes = axes_of(x, axis)
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    count = int(np.prod([x.shape[k] for k in axes]))
    flat = np.reshape(np.transpose(x, (*rest, *axes)), (*(x.shape[k] for k in rest), count))
    ordered = np.sort(flat, axis=-1)
    at = np.asarray(q, dtype=float) * (count - 1)
    low, high = np.floor(at).astype(int), np.ceil(at).astype(int)
    weights = {"linear": at - low, "lower": 0.0 * at, "higher": np.ceil(at - low),
               "midpoint": 0.5 * np.ceil(at - low), "nearest": np.round(at) - low}  # fmt: skip
    if method not in weights:
        raise unsupported(np.quantile, f"method={method!r} is not one of {', '.join(weights)}")
    w = weights[method]
    found = ordered[..., low] * (1 - w) + ordered[..., high] * w
    found = np.moveaxis(found, -1, 0) if np.ndim(q) else found
    if not keepdims:
        return found
    lead = np.ndim(q)
    kept = iter(range(lead, lead + len(rest)))
    out_axes: list[int | None] = [*range(lead)]
    out_axes += [None if k in axes else next(kept) for k in range(x.ndim)]
    return TracedArray(with_axes(found.expr, out_axes), x.run, found.dtype)


@implements(np.percentile)
def _percentile(a: Any, q: Any, *args: Any, **kwargs: Any) -> Any:
    return np.quantile(a, np.asarray(q) / 100, *args, **kwargs)


@implements(np.median)
def _median(a: Any, axis: Axis = None, out: Any = None, overwrite_input: bool = False,
            keepdims: bool = False) -> Any:  # fmt: skip
    return np.quantile(a, 0.5, axis=axis, keepdims=keepdims)


# ---------------------------------------------------------------- methods of ufuncs


def _reduce(function: Any) -> Callable[..., Any]:
    def implementation(a: Any, axis: Axis = 0, dtype: Any = None, keepdims: Any = False,
                       **kwargs: Any) -> Any:  # fmt: skip
        return function(a, axis=axis, keepdims=keepdims)

    return implementation


for _ufunc, _function in {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max,
                          np.minimum: np.min, np.logical_and: np.all,
                          np.logical_or: np.any}.items():  # fmt: skip
    ufunc_methods[_ufunc, "reduce"] = _reduce(_function)


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
