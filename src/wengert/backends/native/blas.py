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


def arity(name: str) -> int:
    """How many arguments a routine has."""
    return _routine(name)[1]


def addresses(names: Iterable[str]) -> dict[str, int]:
    """The symbols of routines, for linking."""
    return {name: _routine(name)[0] for name in names}
