"""Loops of NumPy's and SciPy's ufuncs as routines: what has no code here is called by address.

A ufunc holds a loop for each combination of types, ``loop(arrays, sizes, steps, data)``. Native
code calls it for a vector of entries in memory of its own, so that the numbers are exactly those
that Python gets.

    >>> import numpy as np
    >>> from wengert.backends.native.types import F64
    >>> loop_of(np.fmod, (F64, F64)).types
    ('d', 'd', 'd')
    >>> loop_of(np.fmod, (F64,)) is None
    True

Source: NumPy's C API, ``PyUFuncObject``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from wengert.backends.native.builder import Value
from wengert.backends.native.types import F32, F64, I32, I64, VOID, Type

_COUNTS, _LOOPS, _DATA, _NUMBER, _TYPES = 16, 32, 40, 48, 64  # offsets in a ufunc, in bytes
_LONG = I64 if np.dtype("l").itemsize == I64.size else I32
_KINDS: dict[str, Type] = {"d": F64, "f": F32, "l": _LONG, "q": I64, "i": I32}
_CHARACTERS = {F64: np.dtype(np.float64), F32: np.dtype(np.float32), I64: np.dtype(np.int64)}


@dataclass(frozen=True)
class UfuncLoop:
    """One loop of a ufunc.

    Attributes
    ----------
    symbol : str
        Under which code knows it.
    types : tuple of str
        NumPy's characters for the types of operands and results.
    address, data : int
        Where the loop is, and the data that it is given.
    operands : int
        How many of the types are operands'.
    ufunc : ufunc
        Whose loop it is.
    """

    symbol: str
    types: tuple[str, ...]
    address: int
    data: int
    operands: int
    ufunc: Any

    @property
    def kinds(self) -> tuple[Type, ...]:
        """The types as code has them."""
        return tuple(_KINDS[c] for c in self.types)


@cache
def loop_of(ufunc: Any, given: tuple[Type | type, ...]) -> UfuncLoop | None:
    """The loop that NumPy would run; None if there is none of numbers.

    Parameters
    ----------
    ufunc : ufunc
        Any, generalised ones too.
    given : tuple of Type or type
        What it is called with; ``int`` and ``float`` for numbers of Python.
    """
    if not isinstance(ufunc, np.ufunc) or len(given) != ufunc.nin:
        return None
    dtypes = [_CHARACTERS[g] if isinstance(g, Type) else g for g in given]
    try:
        found: Any = ufunc.resolve_dtypes((*dtypes, *(None,) * ufunc.nout))
    except TypeError:
        return None
    types = tuple(d.char for d in found)
    return loop_named(ufunc, types) if set(types) <= _KINDS.keys() else None


def loop_named(ufunc: Any, types: tuple[str, ...]) -> UfuncLoop | None:
    """The loop of certain types; None if there is none."""
    signature = f"{''.join(types[: ufunc.nin])}->{''.join(types[ufunc.nin :])}"
    if signature not in ufunc.types:
        return None
    place = ufunc.types.index(signature)
    loops, data = _fields(ufunc)
    name = "".join(c if c.isalnum() else "_" for c in ufunc.__name__)
    address = _word(loops + 8 * place)
    if not address:
        return None
    where = _word(data + 8 * place) if data else 0
    return UfuncLoop(f"ufunc_{name}_{''.join(types)}", types, address, where, ufunc.nin, ufunc)


def _word(address: int) -> int:
    return ctypes.c_void_p.from_address(address).value or 0


def _fields(ufunc: np.ufunc) -> tuple[int, int]:
    """Where the tables of loops and of their data are.

    Raises
    ------
    ValueError
        If the object is laid out in another way.
    """
    start = id(ufunc)
    number = ctypes.c_int.from_address(start + _NUMBER).value
    counts = [ctypes.c_int.from_address(start + _COUNTS + 4 * k).value for k in range(3)]
    if counts != [ufunc.nin, ufunc.nout, ufunc.nargs] or number != ufunc.ntypes:
        raise ValueError(f"{ufunc!r} is laid out in another way")
    return _word(start + _LOOPS), _word(start + _DATA)


# ---------------------------------------------------------------- calls


def call_lanes(ufunc: Any, values: Sequence[Value | float]) -> tuple[Value, ...]:
    """The results for the lanes of values; numbers of Python are the same in every lane."""
    first = next(v for v in values if isinstance(v, Value))
    b, lanes = first.builder, first.type.lanes
    given = tuple(v.type.scalar if isinstance(v, Value) else type(v) for v in values)
    loop = loop_of(ufunc, given)
    if loop is None:
        raise TypeError(f"{ufunc!r} has no loop for {given}")
    count = max(lanes, 1)
    places: list[Value] = []
    for kind, value in zip(loop.kinds, values, strict=False):
        place = b.slot(kind.size * count)
        entry = value if isinstance(value, Value) else b.constant(value, kind.of(lanes))
        b.store(converted(entry, kind.of(lanes)), place)
        places.append(place)
    results = loop.kinds[loop.operands :]
    places += [b.slot(kind.size * count) for kind in results]
    steps = [kind.size for kind in loop.kinds]
    call_loop(loop, places, [count], steps)
    return tuple(
        converted(b.load(kind.of(lanes), place), first.type)
        for kind, place in zip(results, places[loop.operands :], strict=True)
    )


def call_loop(
    loop: UfuncLoop, places: Sequence[Value], sizes: Sequence[Value | int], steps: Sequence[int]
) -> None:
    """Call a loop over arrays: ``sizes`` are the count and any core sizes, ``steps`` in bytes."""
    b = places[0].builder
    arrays = b.slot(8 * len(places))
    for k, place in enumerate(places):
        b.store(place, b.offset(arrays, 8 * k))
    extents = b.slot(8 * len(sizes))
    for k, size in enumerate(sizes):
        value = size if isinstance(size, Value) else b.constant(size, I64)
        b.store(value, b.offset(extents, 8 * k))
    table = b.module.table(b, "steps_" + "_".join(map(str, steps)), I64, steps)
    known, symbol = b.module.addresses, loop.symbol
    while known.get(symbol, loop.address) != loop.address:  # another ufunc has the same name
        symbol += "_"
    data = b.module.external(b, f"{symbol}_data", loop.data)
    known[symbol] = loop.address
    b.module.loops[symbol] = loop
    b.call(symbol, VOID, arrays, extents, table, data)


def converted(value: Value, type_: Type) -> Value:
    """A number in another precision, or an integer as a real number."""
    b = value.builder
    if value.type is type_:
        return value
    if not value.type.floating:
        return b.cast("sitofp", value, type_)
    return b.cast("fpext" if type_.size > value.type.size else "fptrunc", value, type_)
