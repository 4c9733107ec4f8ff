"""Arguments that only lie in memory in another way than code reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.backends.native.entrance import Array
from wengert.backends.native.layout import DTYPES

_REPEATED = 1 << 28  # bytes from which on an array that repeats its entries is not written out
_NUMBERS: Any = (np.float64, np.float32, np.int64, np.bool_)


def packed(arguments: Sequence[Any], expected: Sequence[Array]) -> list[Any] | None:
    """The arguments as native code reads them, copied where they must be; None for others."""
    if len(arguments) != len(expected):
        return None
    found = [_packed(a, e) for a, e in zip(arguments, expected, strict=True)]
    return None if any(p is None for p in found) else found


def _packed(array: Any, expected: Array) -> Any:
    """The array as native code reads it; None if it is another one."""
    if not expected.shape and isinstance(array, _NUMBERS):
        array = np.asarray(array)
    if type(array) is not np.ndarray or array.shape != expected.shape:
        return None
    if array.dtype != DTYPES[expected.type]:
        return None
    found = in_a_row(array)
    return found if found.flags.c_contiguous else None


def in_a_row(array: Any) -> Any:
    """The array, or a copy whose entries lie in order; not of one that repeats very many."""
    if array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative:
        return array
    if array.nbytes > _REPEATED and 0 in array.strides:
        return array
    return np.array(array, array.dtype.newbyteorder("="), order="C")
