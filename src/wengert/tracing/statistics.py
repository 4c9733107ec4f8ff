"""NumPy's covariances, counts and polynomials on traced arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.tracing.array import TracedArray
from wengert.tracing.dispatch import implements, unsupported
from wengert.tracing.lifting import stacked
from wengert.tracing.places import at
from wengert.tracing.reducing import given, traced

# ---------------------------------------------------------------- covariances


@implements(np.cov)
def _cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
         fweights: Any = None, aweights: Any = None, *, dtype: Any = None) -> Any:  # fmt: skip
    if fweights is not None or aweights is not None:
        raise unsupported(np.cov, "fweights= and aweights= are not supported")
    rows = _rows(m, rowvar)
    if y is not None:
        rows = np.concatenate([rows, _rows(y, rowvar)])
    lost = ddof if given(ddof) else 0 if bias else 1
    centred = rows - np.mean(rows, axis=1, keepdims=True)
    found = centred @ centred.T / (rows.shape[1] - lost)
    return np.squeeze(found if dtype is None else found.astype(dtype))


def _rows(x: Any, rowvar: bool) -> Any:
    rows = np.atleast_2d(traced(x))
    return rows if rowvar or rows.shape[0] == 1 else rows.T


@implements(np.corrcoef)
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    found = np.cov(x, y, rowvar, dtype=dtype)
    if not found.ndim:
        return found / found
    deviations = np.sqrt(np.diag(found))
    return found / deviations[:, None] / deviations[None, :]


# ---------------------------------------------------------------- counts and places


@implements(np.bincount)
def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    places = np.asarray(x.value if isinstance(x, TracedArray) else x)
    if weights is None:
        return np.bincount(places, minlength=minlength)
    size = max(int(places.max(initial=-1)) + 1, minlength)
    return at(np.zeros(size))[places].add(weights)


def _by_values(function: Any) -> None:
    """Places and truth values: whole numbers, which have no derivative, from the values."""

    def implementation(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_value, args), **{k: _value(v) for k, v in kwargs.items()})

    implements(function)(implementation)


def _value(x: Any) -> Any:
    found = stacked(x)
    return found.value if isinstance(found, TracedArray) else x


for _function in (np.searchsorted, np.digitize, np.isin, np.lexsort, np.nanargmax, np.nanargmin):
    _by_values(_function)

# ---------------------------------------------------------------- polynomials, highest power first


@implements(np.polyval)
def _polyval(p: Any, x: Any) -> Any:
    """Horner's rule."""
    found = 0.0 * x
    for coefficient in stacked(p):
        found = found * x + coefficient
    return found


@implements(np.vander)
def _vander(x: Any, N: Any = None, increasing: bool = False) -> Any:
    column = traced(x)[:, None]
    powers = np.arange(column.shape[0] if N is None else N)
    ones = np.ones_like(column)
    columns = [ones] * min(len(powers), 1)
    for _ in powers[1:]:
        columns.append(columns[-1] * column)
    return np.concatenate(columns if increasing else columns[::-1], axis=1)


def _together(sign: float) -> Callable[..., Any]:
    def implementation(a1: Any, a2: Any) -> Any:
        size = max(np.size(a1), np.size(a2))
        first, second = (np.pad(np.ravel(stacked(a)), (size - np.size(a), 0)) for a in (a1, a2))
        return first + sign * second

    return implementation


implements(np.polyadd)(_together(1.0))
implements(np.polysub)(_together(-1.0))


@implements(np.polymul)
def _polymul(a1: Any, a2: Any) -> Any:
    return np.convolve(np.ravel(stacked(a1)), np.ravel(stacked(a2)))


@implements(np.polyder)
def _polyder(p: Any, m: int = 1) -> Any:
    found = traced(p)
    for _ in range(m):
        found = found[:-1] * np.arange(found.shape[0] - 1, 0, -1)
    return found


@implements(np.polyint)
def _polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    """With the constants ``k``, 0 by default."""
    found = traced(p)
    constants = np.broadcast_to(0.0 if k is None else stacked(k), (m,))
    for j in range(m):
        whole = found / np.arange(found.shape[0], 0, -1)
        found = np.concatenate([whole, constants[j : j + 1]])
    return found


@implements(np.polyfit)
def _polyfit(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None,
             cov: Any = False) -> Any:  # fmt: skip
    if full or cov or np.ndim(deg):
        raise unsupported(np.polyfit, "full=, cov= and lists of degrees are not supported")
    matrix, right = np.vander(x, deg + 1), stacked(y)
    if w is not None:
        weights = stacked(w)
        matrix = matrix * weights[:, None]
        right = right * (weights[:, None] if np.ndim(right) > 1 else weights)
    return np.linalg.lstsq(matrix, right)[0]
