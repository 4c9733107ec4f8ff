"""What objects of CPython and NumPy look like in memory, and where their functions are.

Machine code reads them directly. The layout is tried out once, and one that differs is refused.
"""

from __future__ import annotations

import ctypes
import importlib
from functools import cache
from typing import Any

import numpy as np

from wengert.backends.native.host import UnsupportedHostError
from wengert.backends.native.types import F32, F64, I8, I64, Type

DTYPES: dict[Type, Any] = {F64: np.float64, F32: np.float32, I64: np.int64, I8: np.bool_}

# Offsets in objects, in bytes.
TYPE, BODY, TUPLE_ITEMS = 8, 16, 24
DATA, AXES, SHAPE, DTYPE, FLAGS = 16, 24, 32, 56, 64
INTERRUPTED = "python_interrupted"  # the symbol of a function that says so once
REALLOCATE = "python_reallocate"  # of CPython's realloc
IN_A_ROW = 0x0001 | 0x0100  # C-contiguous and aligned
# Whether a kernel runs. Python's code may run within, where SciPy warns, and call another one,
# whose values between would lie in the same memory.
_RUNS = ctypes.c_int64(0)
_NUMPY_TYPE, _NUMPY_SCALAR, _NUMPY_NEW = 2, 60, 93  # in NumPy's table of functions


def _python(name: str) -> int:
    """The address of a function of CPython."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0


def _word(address: int, kind: Any = ctypes.c_void_p) -> int:
    return kind.from_address(address).value or 0


@cache
def _numpy_table() -> int:
    core = importlib.import_module("numpy._core._multiarray_umath")
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    return pointer(core._ARRAY_API, None) or 0


def _numpy(place: int) -> int:
    return _word(_numpy_table() + 8 * place)


@cache
def check_layout() -> None:
    """Try out on a few objects what the code will count on.

    Raises
    ------
    UnsupportedHostError
        If an object looks different.
    """
    array, number, pair = np.arange(6.0).reshape(2, 3), 0.1 + 0.2, (object(), object())
    long, short = np.float64(number), np.float32(number)
    sizes = object.__basicsize__ == 16 and tuple.__basicsize__ == TUPLE_ITEMS
    fits = sizes and (
        _word(id(array) + TYPE) == id(np.ndarray) == _numpy(_NUMPY_TYPE)
        and _word(id(array) + DATA) == array.ctypes.data
        and _word(id(array) + AXES, ctypes.c_int) == 2
        and [_word(_word(id(array) + SHAPE) + 8 * k) for k in (0, 1)] == [2, 3]
        and _word(id(array) + DTYPE) == id(np.dtype(np.float64))
        and _word(id(array) + FLAGS, ctypes.c_int) & IN_A_ROW == IN_A_ROW
        and not _word(id(array.T) + FLAGS, ctypes.c_int) & 1
        and [_word(id(pair) + TUPLE_ITEMS + 8 * k) for k in (0, 1)] == [id(p) for p in pair]
        and ctypes.c_double.from_address(id(number) + BODY).value == number
        and ctypes.c_double.from_address(id(long) + BODY).value == number
        and ctypes.c_float.from_address(id(short) + BODY).value == short
    )
    if not fits:
        raise UnsupportedHostError("objects of Python or NumPy are laid out in another way")


@cache
def symbols() -> dict[str, int]:
    """Addresses of this process, by the names under which code knows them."""
    return {
        "numpy_array": id(np.ndarray),
        "numpy_new": _numpy(_NUMPY_NEW),
        "numpy_scalar": _numpy(_NUMPY_SCALAR),
        "kernel_runs": ctypes.addressof(_RUNS),
        "python_call": _python("PyObject_Vectorcall"),
        "python_call_alone": _python("PyObject_CallNoArgs"),
        "python_clear": _python("PyErr_Clear"),
        "python_exception": id(Exception),
        "python_interrupt": _python("PyErr_SetInterrupt"),
        "python_matches": _python("PyErr_ExceptionMatches"),
        "python_occurred": _python("PyErr_Occurred"),
        "python_signals": _python("PyErr_CheckSignals"),
        "python_tuple": _python("PyTuple_New"),
        "python_drop": _python("Py_DecRef"),
        "python_int": id(int),
        "python_whole": _python("PyLong_AsLongLongAndOverflow"),
    }


def of_python() -> dict[str, int]:
    """The functions of CPython that kernels call.

    One says whether the user has interrupted, and forgets it.
    """
    return {
        INTERRUPTED: _python("PyOS_InterruptOccurred"),
        REALLOCATE: _python("PyMem_RawRealloc"),
    }
