"""What code is linked with: routines, known arrays, and memory for what it has in between.

Values that are needed only while a function runs lie in the arena, memory that all functions share:
a function holds the GIL from its first instruction to its last, so that no two of them run at the
same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends.native import blas, threads
from wengert.backends.native.engine import Engine
from wengert.backends.native.layout import of_python
from wengert.locks import process_lock

LINE = 128  # bytes that arrays are aligned to: no two of them share what a thread has in its cache


@dataclass(frozen=True)
class Needs:
    """What is the same in every process.

    Attributes
    ----------
    routines : tuple of str
        Of BLAS, LAPACK and Python.
    tables : mapping of str to numpy.ndarray
        Known arrays.
    arena : int
        Bytes of memory.
    seat : int or None
        How many bytes more each thread needs for itself; None if there is one thread only.
    threads : int
        How many there may be.
    """

    routines: tuple[str, ...]
    tables: Mapping[str, Any]
    arena: int
    seat: int | None
    threads: int

    def symbols(self, engine: Engine) -> tuple[dict[str, int], tuple[object, ...]]:
        """The addresses in this process, and what keeps them valid."""
        python = of_python()
        symbols = {**blas.addresses(n for n in self.routines if n not in python), **python}
        symbols |= {name: array.ctypes.data for name, array in self.tables.items()}
        keep: list[object] = list(self.tables.values())
        if self.seat is not None:
            symbols.update(threads.symbols_of(engine, self.threads))
        own = (self.seat or 0) * self.threads
        if self.arena + own:
            symbols["arena"], buffer = arena(self.arena + own)
            symbols[threads.SEATS] = symbols["arena"] + self.arena
            keep.append(buffer)
        return symbols, tuple(keep)


# ---------------------------------------------------------------- memory


class _Arena:
    """The memory; what was given out once stays valid as long as someone keeps it."""

    def __init__(self) -> None:
        self._lock = process_lock()
        self._buffer: Any = np.empty(0, np.uint8)

    def of(self, size: int) -> Any:
        """At least so many bytes."""
        with self._lock:
            if len(self._buffer) < size + LINE:
                self._buffer = np.empty(1 << (size + LINE - 1).bit_length(), np.uint8)
            return self._buffer


_ARENA = _Arena()


def arena(size: int) -> tuple[int, Any]:
    """The address of so many bytes, aligned, and what keeps them."""
    buffer = _ARENA.of(size)
    return -(-buffer.ctypes.data // LINE) * LINE, buffer
