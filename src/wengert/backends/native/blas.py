"""Where the routines of BLAS and LAPACK are that SciPy comes with.

SciPy hands out their addresses for Cython. All arguments are pointers, integers are 32-bit ones,
and matrices are stored by columns.

    >>> arity("dgemv")
    11
    >>> addresses(["ddot"]).keys()
    dict_keys(['ddot'])
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Iterable
from functools import cache

from wengert.backends.native.builder import Builder, Value
from wengert.backends.native.types import I8, I32

THREADS, TELL_THREADS = "blas_threads", "blas_tell_threads"
_MODULES = ("scipy.linalg.cython_blas", "scipy.linalg.cython_lapack")


@cache
def _routine(name: str) -> tuple[int, int]:
    """Address and number of arguments."""
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = (ctypes.py_object,)
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    for module in _MODULES:
        capsule = importlib.import_module(module).__pyx_capi__.get(name)
        if capsule is not None:
            signature: bytes = api.PyCapsule_GetName(capsule)
            address = api.PyCapsule_GetPointer(capsule, signature)
            return address, signature.count(b"*")
    raise ValueError(f"neither BLAS nor LAPACK has a routine {name!r}")


@cache
def _telling() -> dict[str, int]:
    """The addresses of what tells the library how many threads it may have, if it is OpenBLAS.

    Those that SciPy comes with are OpenBLAS under names of their own, or a system's.
    """
    try:
        library = ctypes.CDLL(importlib.import_module(_MODULES[0]).__file__)
    except OSError:
        return {}
    for prefix in ("scipy_openblas", "openblas"):
        try:
            found = [getattr(library, f"{prefix}_{verb}_num_threads") for verb in ("get", "set")]
        except AttributeError:
            continue
        places = [ctypes.cast(f, ctypes.c_void_p).value or 0 for f in found]
        return {THREADS: places[0], TELL_THREADS: places[1]}
    return {}


def can_be_told() -> bool:
    """Can BLAS be told how many threads it may have?

    If so, :data:`THREADS` is a routine without arguments that gives the number, a 32-bit integer,
    and :data:`TELL_THREADS` one of that number.
    """
    return bool(_telling())


def arity(name: str) -> int:
    """How many arguments a routine has."""
    return _routine(name)[1]


def letter(b: Builder, which: str) -> Value:
    """A letter as routines take it."""
    return b.module.table(b, f"letter_{which}", I8, [ord(which)])


def integer(b: Builder, number: int) -> Value:
    """An integer as routines take it."""
    return b.module.table(b, f"integer_{number}", I32, [number])


def addresses(names: Iterable[str]) -> dict[str, int]:
    """The symbols of routines, for linking."""
    telling = _telling()
    return {name: telling[name] if name in telling else _routine(name)[0] for name in names}
