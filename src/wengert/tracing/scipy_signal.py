"""SciPy's convolutions and correlations of any number of axes, on traced arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.tracing.dispatch import unsupported
from wengert.tracing.lifting import stacked
from wengert.tracing.replacing import version_of
from wengert.tracing.trace import where as place

# What np.pad calls the boundaries of convolve2d.
_BOUNDARIES = {"fill": "constant", "wrap": "wrap", "symm": "symmetric"}


def _pair(a: Any, b: Any) -> tuple[Any, Any]:
    x, y = (v if hasattr(v, "ndim") else np.asarray(v) for v in map(stacked, (a, b)))
    if x.ndim != y.ndim:
        raise ShapeError(
            f"{place()}: arrays of shapes {x.shape} and {y.shape} differ in their axes"
        )
    return x, y


def _sums(padded: Any, kernel: Any) -> Any:
    """The sums over all windows of the array times the reversed kernel."""
    n = kernel.ndim
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    return np.tensordot(windows, np.flip(kernel), axes=(range(n, 2 * n), range(n)))


@version_of("scipy.signal", "convolve", "fftconvolve", "oaconvolve")
def _convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto",
              axes: Any = None) -> Any:  # fmt: skip
    x, y = _pair(in1, in2)
    if axes is not None:
        raise unsupported("scipy.signal.convolve", "axes= is not supported; use wg.vmap")
    if not x.ndim:
        return x * y
    if not x.size or not y.size:
        return np.zeros(0)
    if mode == "valid":
        return _valid(x, y)
    if mode not in ("full", "same"):
        raise ValueError(f"{place()}: mode must be full, same or valid, not {mode!r}")
    large, small = (x, y) if x.size >= y.size else (y, x)  # the windows are of the smaller one
    full = _sums(np.pad(large, [(m - 1, m - 1) for m in small.shape]), small)
    return full if mode == "full" else full[_middle(full.shape, x.shape)]


def _valid(x: Any, y: Any) -> Any:
    if all(m >= n for m, n in zip(x.shape, y.shape, strict=True)):
        return _sums(x, y)
    if all(m <= n for m, n in zip(x.shape, y.shape, strict=True)):
        return _sums(y, x)
    raise ShapeError(
        f"{place()}: for mode='valid' one of the shapes {x.shape} and {y.shape} must hold the other"
    )


def _middle(full: tuple[int, ...], kept: tuple[int, ...]) -> tuple[slice, ...]:
    starts = [(n - m) // 2 for n, m in zip(full, kept, strict=True)]
    return tuple(slice(s, s + m) for s, m in zip(starts, kept, strict=True))


@version_of("scipy.signal", "correlate")
def _correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    x, y = _pair(in1, in2)
    return _convolve(x, np.flip(y), mode)


@version_of("scipy.signal", "convolve2d")
def _convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill",
                fillvalue: Any = 0) -> Any:  # fmt: skip
    x, y = _pair(in1, in2)
    if boundary not in _BOUNDARIES:
        raise ValueError(f"{place()}: boundary must be fill, wrap or symm, not {boundary!r}")
    if mode == "valid":
        return _valid(x, y)
    options = {"constant_values": fillvalue} if boundary == "fill" else {}
    widths = [(m - 1, m - 1) for m in y.shape]
    full = _sums(np.pad(x, widths, mode=_BOUNDARIES[boundary], **options), y)
    return full if mode == "full" else full[_middle(full.shape, x.shape)]


@version_of("scipy.signal", "correlate2d")
def _correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill",
                 fillvalue: Any = 0) -> Any:  # fmt: skip
    """Where a kernel's size is even, SciPy's middle is one further than that of a convolution."""
    x, y = _pair(in1, in2)
    found = _convolve2d(x, np.flip(y), "full" if mode == "same" else mode, boundary, fillvalue)
    return found[_middle(tuple(n + 1 for n in found.shape), x.shape)] if mode == "same" else found
