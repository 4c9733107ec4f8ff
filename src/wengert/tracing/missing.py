"""NumPy's functions that pass over NaN, on traced arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.tracing.dispatch import implements
from wengert.tracing.reducing import axes_of, length_of, traced, without


def _filled(a: Any, fill: float) -> tuple[Any, Any]:
    """The array with its NaNs replaced, whose derivative is 0 there, and where there are none."""
    x = traced(a)
    missing = np.isnan(x)
    return np.where(missing, fill, x), np.logical_not(missing)


def _reduction(function: Any, fill: float) -> Callable[..., Any]:
    def implementation(a: Any, axis: Any = None, dtype: Any = None, out: Any = None,
                       keepdims: Any = False, **options: Any) -> Any:  # fmt: skip
        return function(_filled(a, fill)[0], axis=axis, dtype=dtype, keepdims=keepdims, **options)

    return implementation


implements(np.nansum)(_reduction(np.sum, 0.0))
implements(np.nanprod)(_reduction(np.prod, 1.0))


def _running(function: Any, fill: float) -> Callable[..., Any]:
    def implementation(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        return function(_filled(a, fill)[0], axis=axis, dtype=dtype)

    return implementation


implements(np.nancumsum)(_running(np.cumsum, 0.0))
implements(np.nancumprod)(_running(np.cumprod, 1.0))


def _extremum(function: Any, fill: float) -> Callable[..., Any]:
    def implementation(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
        filled, there = _filled(a, fill)
        some = np.any(there, axis=axis, keepdims=keepdims)
        return np.where(some, function(filled, axis=axis, keepdims=keepdims), np.nan)

    return implementation


implements(np.nanmax)(_extremum(np.max, -np.inf))
implements(np.nanmin)(_extremum(np.min, np.inf))


def _counts(there: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    return np.sum(there, axis=axes, keepdims=keepdims)


@implements(np.nanmean)
def _nanmean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None,
             keepdims: Any = False) -> Any:  # fmt: skip
    filled, there = _filled(a, 0.0)
    axes = axes_of(filled, axis)
    total = np.sum(filled, axis=axes, dtype=dtype, keepdims=keepdims)
    return _over(total, _counts(there, axes, keepdims))


def _over(total: Any, count: Any) -> Any:
    """The quotient in the dtype of the total; NaN where nothing is left."""
    some = count > 0
    found = total / np.where(some, count, 1).astype(total.dtype)
    return np.where(some, found, np.nan)


def _centred(a: Any, axis: Any, dtype: Any) -> tuple[Any, Any, tuple[int, ...]]:
    filled, there = _filled(a, 0.0)
    filled = filled if dtype is None else filled.astype(dtype)
    axes = axes_of(filled, axis)
    mean = _over(np.sum(filled, axis=axes, keepdims=True), _counts(there, axes, True))
    return np.where(there, filled - mean, 0.0), there, axes


@implements(np.nanvar)
def _nanvar(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
            keepdims: Any = False) -> Any:  # fmt: skip
    centred, there, axes = _centred(a, axis, dtype)
    total = np.sum(centred**2, axis=axes, keepdims=keepdims)
    return _over(total, _counts(there, axes, keepdims) - ddof)


@implements(np.nanstd)
def _nanstd(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
            keepdims: Any = False) -> Any:  # fmt: skip
    """A norm, as the deviation itself: of equal entries it has the derivative 0."""
    centred, there, axes = _centred(a, axis, dtype)
    count = _counts(there, axes, True)
    free = count - ddof
    root = np.sqrt(np.where(free > 0, free, 1).astype(centred.dtype))
    found = np.where(free > 0, length_of(centred, axes, count) / root, np.nan)
    return without(found, axes, keepdims)
