"""Whole functions that are kept on disk, to be linked and called without being traced again.

What is kept is a heading in JSON and bytes after it: what the function takes and gives, under which
keys its objects are kept, the names of all that it is linked with, its known arrays, and the texts
to compile with care later. Addresses are those of the process that reads it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from wengert.backends.native import blas
from wengert.backends.native.cache import key_of
from wengert.backends.native.callables import Code, Recipe, function_of
from wengert.backends.native.engine import Engine, engine
from wengert.backends.native.entrance import Array
from wengert.backends.native.layout import check_layout
from wengert.backends.native.needs import Needs
from wengert.backends.native.packing import packed
from wengert.backends.native.types import F32, F64, I8, I64
from wengert.backends.native.ufuncs import UfuncLoop, loop_named

LIMIT = 1 << 20  # bytes that are kept of a function at most
_FORMAT = 1
_TYPES = {t.code: t for t in (F64, F32, I64, I8)}
_UFUNCS = ("numpy", "scipy.special", "scipy.special._ufuncs", "numpy.linalg._umath_linalg")
_LONG = 8  # bytes of the number that says how long the heading is

Function = Callable[..., Any]


@dataclass(frozen=True)
class Kept:
    """A function from disk.

    Attributes
    ----------
    function : builtin function
        As a native program has it; it also gives NotImplemented where NumPy would be asked.
    facts : object
        What was kept with it.
    arrays : tuple of numpy.ndarray
        Arrays that were kept with it.
    """

    function: Function
    facts: Any
    arrays: tuple[Any, ...]


class Keeper:
    """Keeps functions of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def on(self) -> bool:
        """Is anything kept?"""
        return self._engine.cache.folder is not None

    def key(self, *parts: str) -> str:
        """The key of what is made from these texts by this version."""
        return self._engine.key(key_of(_versions(), *parts))

    def read(self, key: str) -> Kept | None:
        """What was kept under a key, if all that it needs is there."""
        data = self._engine.cache.read(key)
        if data is None:
            return None
        try:
            return _read(self._engine, data)
        except (ValueError, LookupError, TypeError, AttributeError, ImportError):
            self._engine.cache.drop(key)
            return None

    def write(self, key: str, function: Function, facts: Any, arrays: Sequence[Any]) -> None:
        """Keep a function of a native program, with facts that JSON can write, if it can be."""
        code: Code = getattr(function, "__self__").code  # noqa: B009 - a builtin's owner
        data = _written(self._engine, code, facts, arrays)
        if data is not None and len(data) <= LIMIT:
            self._engine.cache.write(key, data)


def keeper() -> Keeper:
    """What keeps functions for this machine.

    Raises
    ------
    UnsupportedHostError
        If native code cannot run here.
    """
    check_layout()
    return Keeper(engine())


@cache
def _versions() -> str:
    """Of the format, of the packages, and of this one's files, which may be somebody's own."""
    root = str(Path(__file__).parents[2])
    files = sorted(
        f"{folder.removeprefix(root)} {name} {status.st_size} {status.st_mtime_ns}"
        for folder, _, names in os.walk(root)
        for name in names
        if name.endswith(".py")
        for status in (os.stat(f"{folder}/{name}"),)
    )
    packages = [
        f"{name} {importlib.import_module(name).__version__}"
        for name in ("numpy", "scipy", "optree")
    ]
    return key_of(str(_FORMAT), sys.version, *packages, *files)


# ---------------------------------------------------------------- written


class _Blobs:
    """Bytes one after the other, and where they are."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    def put(self, data: bytes) -> tuple[int, int]:
        """Where the bytes will be."""
        place = self._size, len(data)
        self.parts.append(data)
        self._size += len(data)
        return place

    def array(self, array: Any) -> tuple[str, tuple[int, ...], tuple[int, int]]:
        """An array's dtype, shape and place."""
        return array.dtype.str, array.shape, self.put(array.tobytes())


def _written(engine: Engine, code: Code, facts: Any, arrays: Sequence[Any]) -> bytes | None:
    recipe = code.recipe
    if recipe is None:
        return None
    loops = {symbol: _place(loop) for symbol, loop in recipe.loops.items()}
    routines = {symbol: engine.routines[symbol].key for symbol in recipe.routines}
    if None in loops.values() or "" in routines.values():
        return None
    size = sum(array.nbytes for array in (*recipe.needs.tables.values(), *arrays))
    if size + sum(map(len, code.texts)) > LIMIT:
        return None
    blobs = _Blobs()
    needs = recipe.needs
    heading = {
        "kernel": recipe.kernel,
        "arguments": [(a.type.code, a.shape) for a in recipe.arguments],
        "results": [(a.type.code, a.shape) for a in recipe.results],
        "calls": recipe.calls,
        "keys": [engine.key(code.text(k)) for k in range(len(code.texts))],
        "quick": code.libraries[0].key if code.libraries[0].quick else None,
        "texts": [blobs.put(text) for text in code.texts],
        "needs": (needs.routines, needs.arena, needs.seat, needs.threads),
        "tables": {name: blobs.array(array) for name, array in needs.tables.items()},
        "routines": routines,
        "loops": loops,
        "outside": recipe.outside,
        "facts": facts,
        "arrays": [blobs.array(array) for array in arrays],
    }
    text = json.dumps(heading).encode()
    return b"".join((len(text).to_bytes(_LONG, "little"), text, *blobs.parts))


def _place(loop: UfuncLoop) -> tuple[str, str, str] | None:
    """Where the ufunc is, and the types of the loop."""
    name = loop.ufunc.__name__
    for module in _UFUNCS:
        if getattr(importlib.import_module(module), name, None) is loop.ufunc:
            return module, name, "".join(loop.types)
    return None


# ---------------------------------------------------------------- read


def _read(engine: Engine, data: bytes) -> Kept | None:
    begin = _LONG + int.from_bytes(data[:_LONG], "little")
    heading = json.loads(data[_LONG:begin])

    def blob(place: tuple[int, int]) -> bytes:
        return data[begin + place[0] : begin + sum(place)]

    def array(of: Any) -> Any:
        dtype, shape, place = of
        return np.frombuffer(blob(place), dtype).reshape(shape).copy()

    names, size, seat, threads = heading["needs"]
    tables = {name: array(of) for name, of in heading["tables"].items()}
    recipe = Recipe(
        heading["kernel"],
        tuple(Array(_TYPES[code], tuple(shape)) for code, shape in heading["arguments"]),
        tuple(Array(_TYPES[code], tuple(shape)) for code, shape in heading["results"]),
        heading["calls"],
        Needs(tuple(names), tables, size, seat, threads),
        tuple(heading["routines"]),
        {symbol: _loop(*place) for symbol, place in heading["loops"].items()},
        tuple(heading["outside"]),
    )
    symbols, keep = recipe.needs.symbols(engine)
    symbols |= blas.addresses(recipe.outside)
    for symbol, loop in recipe.loops.items():
        symbols |= {symbol: loop.address, f"{symbol}_data": loop.data}
    for symbol, key in heading["routines"].items():
        address = _routine(engine, symbol, key)
        if address is None:
            return None
        symbols[symbol] = address
    kernel, quick = recipe.kernel, heading["quick"]
    library = engine.load_kept(heading["keys"], [kernel], symbols, keep)
    if library is None and quick is not None:
        library = engine.load_kept([quick], [kernel], symbols, keep)
    if library is None:
        return None
    texts = [blob(place) for place in heading["texts"]]
    code = Code(engine, texts, kernel, symbols, keep, [library], recipe=recipe)
    slow = _Repacked(recipe.arguments)
    function = function_of(code, recipe.arguments, recipe.results, slow, recipe.calls)
    slow.function = function
    return Kept(function, heading["facts"], tuple(array(of) for of in heading["arrays"]))


def _loop(module: str, name: str, types: str) -> UfuncLoop:
    found = loop_named(getattr(importlib.import_module(module), name), tuple(types))
    if found is None:
        raise ValueError(f"{name} has no loop of {types}")
    return found


def _routine(engine: Engine, symbol: str, key: str) -> int | None:
    """The address of a function that is compiled once for all, if it is loaded or on disk."""
    with engine.lock:
        found = engine.routines.get(symbol)
        if found is None:
            found = engine.load_kept([key], [symbol])
            if found is None:
                return None
            engine.routines[symbol] = found
        return found[symbol]


class _Repacked:
    """Calls a function with arguments that lie in memory as it reads them."""

    function: Function

    def __init__(self, expected: Sequence[Array]) -> None:
        self._expected = expected

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """The results; NotImplemented for other arguments, and where NumPy has to be asked."""
        found = None if named else packed(arguments, self._expected)
        if found is None or all(p is a for p, a in zip(found, arguments, strict=True)):
            return NotImplemented
        return self.function(*found)
