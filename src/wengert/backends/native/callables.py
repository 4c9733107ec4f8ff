"""Machine code as Python functions: the arguments are checked inside, and nothing is in between.

What is made is a builtin function. It looks at its arguments; where they are the arrays that the
code was written for, it makes the results, runs the code and returns, else it calls a Python
function with the same arguments. It holds the GIL, and knows how CPython and NumPy lay out their
objects; that is tried out once, and a layout that differs is refused.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from wengert.backends.native.builder import Builder, Module, Value
from wengert.backends.native.engine import Engine
from wengert.backends.native.host import UnsupportedHostError
from wengert.backends.native.types import F32, F64, I8, I32, I64, PTR, VOID, Type

DTYPES: dict[Type, Any] = {F64: np.float64, F32: np.float32, I64: np.int64, I8: np.bool_}

# Offsets in objects of CPython and NumPy, in bytes.
_TYPE, _BODY, _TUPLE_ITEMS = 8, 16, 24
_DATA, _AXES, _SHAPE, _DTYPE, _FLAGS = 16, 24, 32, 56, 64
_IN_A_ROW = 0x0001 | 0x0100  # C-contiguous and aligned
_NUMPY_TYPE, _NUMPY_SCALAR, _NUMPY_NEW = 2, 60, 93  # in NumPy's table of functions
INTERRUPTED = "python_interrupted"  # the symbol of a function that says so once
_FAST_WITH_KEYWORDS = 0x0080 | 0x0002


@dataclass(frozen=True)
class Array:
    """An argument or a result.

    Attributes
    ----------
    type : Type
        Of its entries: ``F64``, ``F32``, ``I64``, or ``I8`` for booleans.
    shape : tuple of int
        Its shape. A number may be given where an argument has the shape ``()``, and is what a
        result of that shape is returned as.
    """

    type: Type
    shape: tuple[int, ...] = ()


class _Method(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("code", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


@dataclass(frozen=True, eq=False)
class Owner:
    """What a builtin function needs as long as it lives; it is its ``__self__``."""

    code: object
    slow: Callable[..., Any]
    method: Any = field(repr=False)


# ---------------------------------------------------------------- what Python and NumPy look like


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
    array, number = np.arange(6.0).reshape(2, 3), 0.1 + 0.2
    long, short = np.float64(number), np.float32(number)
    sizes = object.__basicsize__ == 16 and tuple.__basicsize__ == _TUPLE_ITEMS
    fits = sizes and (
        _word(id(array) + _TYPE) == id(np.ndarray) == _numpy(_NUMPY_TYPE)
        and _word(id(array) + _DATA) == array.ctypes.data
        and _word(id(array) + _AXES, ctypes.c_int) == 2
        and [_word(_word(id(array) + _SHAPE) + 8 * k) for k in (0, 1)] == [2, 3]
        and _word(id(array) + _DTYPE) == id(np.dtype(np.float64))
        and _word(id(array) + _FLAGS, ctypes.c_int) & _IN_A_ROW == _IN_A_ROW
        and not _word(id(array.T) + _FLAGS, ctypes.c_int) & 1
        and ctypes.c_double.from_address(id(number) + _BODY).value == number
        and ctypes.c_double.from_address(id(long) + _BODY).value == number
        and ctypes.c_float.from_address(id(short) + _BODY).value == short
    )
    if not fits:
        raise UnsupportedHostError("objects of Python or NumPy are laid out in another way")


@cache
def _common_symbols() -> dict[str, int]:
    """Addresses of this process, by the names under which code knows them."""
    symbols = {
        "numpy_array": id(np.ndarray),
        "numpy_new": _numpy(_NUMPY_NEW),
        "numpy_scalar": _numpy(_NUMPY_SCALAR),
        "python_call": _python("PyObject_Vectorcall"),
        "python_tuple": _python("PyTuple_New"),
        "python_drop": _python("Py_DecRef"),
        "python_float": id(float),
        "python_interrupt": _python("PyErr_SetInterrupt"),
        "python_signals": _python("PyErr_CheckSignals"),
    }
    for type_, dtype in DTYPES.items():
        symbols[f"numpy_dtype_{type_.code}"] = id(np.dtype(dtype))
        symbols[f"numpy_number_{type_.code}"] = id(dtype)
    return symbols


def interrupted() -> int:
    """The address of what says whether the user has interrupted; then it forgets it."""
    return _python("PyOS_InterruptOccurred")


# ---------------------------------------------------------------- the code around the code


@dataclass(frozen=True)
class _Entry:
    """Writes the function that Python calls: checks, results, the kernel, and the slow way."""

    b: Builder
    kernel: str
    arguments: Sequence[Array]
    results: Sequence[Array]
    tupled: bool
    interruptible: bool
    used: set[str] = field(default_factory=set[str])

    def symbol(self, name: str) -> Value:
        self.used.add(name)
        return self.b.module.external(self.b, name)

    def call(self, name: str, result: Type, *operands: Value | int) -> Value:
        b = self.b
        values = [o if isinstance(o, Value) else b.constant(o, I32) for o in operands]
        self.used.add(name)
        return b.call(name, result, *values)

    def write(self) -> None:
        b = self.b
        _, arguments, count, names = b.parameters
        expected = len(self.arguments)
        b.leave_if(count.differs(expected) | names.differs(0), "slow")
        pointers = [
            self._data(b.load(PTR, b.offset(arguments, 8 * k)), argument)
            for k, argument in enumerate(self.arguments)
        ]
        objects: list[Value | None] = []
        for result in self.results:
            objects.append(self._result(result, objects))
        places = [
            b.slot(8) if made is None else b.load(PTR, b.offset(made, _DATA)) for made in objects
        ]
        status = b.call(self.kernel, I64, *pointers, *places)
        b.branch(status.differs(0), lambda: self._forget(objects))
        if self.interruptible:
            b.leave_if(status.equals(2), "interrupted")
        b.leave_if(status.differs(0), "slow")
        found = [
            self._number(place, result) if made is None else made
            for made, place, result in zip(objects, places, self.results, strict=True)
        ]
        b.give(self._tuple(found) if self.tupled else found[0])
        slow = self.symbol("slow")
        if self.interruptible:
            self._raise(slow)
        b.land("slow")
        b.give(self.call("python_call", PTR, slow, arguments, count, names))
        b.land("failed")
        b.give(b.constant(0, PTR))

    def _raise(self, slow: Value) -> None:
        """What the handler of the signal raises; if that is nothing, the slow way.

        The kernel itself must not run handlers: they may run kernels, in the same memory.
        """
        b = self.b
        _, arguments, count, names = b.parameters
        b.land("interrupted")
        self.call("python_interrupt", VOID)
        b.leave_if(self.call("python_signals", I32).differs(0), "failed")
        b.give(self.call("python_call", PTR, slow, arguments, count, names))

    def _forget(self, objects: Iterable[Value | None]) -> tuple[Value, ...]:
        for made in objects:
            if made is not None:
                self.call("python_drop", VOID, made)
        return ()

    def _data(self, argument: Value, expected: Array) -> Value:
        """Where an argument's entries are, if it is what is expected."""
        b = self.b
        of = b.load(PTR, b.offset(argument, _TYPE))
        array = of.equals(self.symbol("numpy_array"))
        if expected.shape:
            return self._entries(argument, expected, array)
        number = of.equals(self.symbol(f"numpy_number_{expected.type.code}"))
        if expected.type is F64:
            number = number | of.equals(self.symbol("python_float"))
        (place,) = b.branch(
            number,
            lambda: [b.offset(argument, _BODY)],
            lambda: [self._entries(argument, expected, array)],
        )
        return place

    def _entries(self, argument: Value, expected: Array, array: Value) -> Value:
        b = self.b
        b.leave_if(~array, "slow")
        axes = b.load(I32, b.offset(argument, _AXES))
        flags = b.load(I32, b.offset(argument, _FLAGS))
        dtype = b.load(PTR, b.offset(argument, _DTYPE))
        good = (
            axes.equals(len(expected.shape))
            & dtype.equals(self.symbol(f"numpy_dtype_{expected.type.code}"))
            & (flags & _IN_A_ROW).equals(_IN_A_ROW)
        )
        b.leave_if(~good, "slow")
        if expected.shape:
            sizes = b.load(PTR, b.offset(argument, _SHAPE))
            differing = [
                b.load(I64, b.offset(sizes, 8 * k)) ^ size for k, size in enumerate(expected.shape)
            ]
            total = differing[0]
            for one in differing[1:]:
                total = total | one
            b.leave_if(total.differs(0), "slow")
        return b.load(PTR, b.offset(argument, _DATA))

    def _result(self, result: Array, before: Sequence[Value | None]) -> Value | None:
        """A new array; None of a number. If there is no memory, those before are given back."""
        b = self.b
        if not result.shape:
            return None
        sizes = b.module.table(b, "shape_" + "_".join(map(str, result.shape)), I64, result.shape)
        null = b.constant(0, PTR)
        made = self.call(
            "numpy_new", PTR, self.symbol("numpy_array"), len(result.shape), sizes,
            np.dtype(DTYPES[result.type]).num, null, null, 0, 0, null,
        )  # fmt: skip
        if any(one is not None for one in before):
            b.branch(made.equals(0), lambda: self._forget(before))
        b.leave_if(made.equals(0), "failed")
        return made

    def _number(self, place: Value, result: Array) -> Value:
        b = self.b
        dtype = self.symbol(f"numpy_dtype_{result.type.code}")
        made = self.call("numpy_scalar", PTR, place, dtype, b.constant(0, PTR))
        b.leave_if(made.equals(0), "failed")
        return made

    def _tuple(self, found: Sequence[Value]) -> Value:
        b = self.b
        made = self.call("python_tuple", PTR, b.constant(len(found), I64))
        b.leave_if(made.equals(0), "failed")
        for k, item in enumerate(found):
            b.store(item, b.offset(made, _TUPLE_ITEMS + 8 * k))
        return made


def native_callable(
    engine: Engine,
    module: Module,
    kernel: str,
    arguments: Sequence[Array],
    results: Sequence[Array],
    slow: Callable[..., Any],
    *,
    name: str = "compiled",
    doc: str | None = None,
    tupled: bool | None = None,
    symbols: Mapping[str, int] | None = None,
    keep: Iterable[object] = (),
    interruptible: bool = False,
) -> Callable[..., Any]:
    """A builtin function that runs a kernel.

    Parameters
    ----------
    engine : Engine
        What compiles and links.
    module : Module
        Where the kernel is. The function that Python calls is written into it too.
    kernel : str
        A function of the module: of a pointer for each argument, then one for each result,
        which it fills; its result is 0, or another 64-bit integer, as 1, if ``slow`` has to be
        asked (a matrix is singular, say). Arguments may share memory with each other, results with
        nothing.
    arguments, results : sequence of Array
        What they are.
    slow : callable
        Is called with the function's arguments, whatever they are, where these are others.
    name, doc : str
        Of the function.
    tupled : bool, optional
        Whether results come as a tuple; by default where there are several.
    symbols : mapping
        Addresses for the symbols that the kernel needs.
    keep : iterable
        What must live as long as the function.
    interruptible : bool
        Whether the kernel's result may be 2: the user has interrupted it.

    Raises
    ------
    UnsupportedHostError
        If this Python, or this NumPy, has objects of another layout.
    """
    check_layout()
    if not results:
        raise ValueError("a compiled function has a result")
    entry = _Entry(
        module.function("entry", [PTR, PTR, I64, PTR], PTR), kernel, arguments, results,
        len(results) > 1 if tupled is None else tupled, interruptible,
    )  # fmt: skip
    entry.write()
    common = {**_common_symbols(), "slow": id(slow)}
    wanted = {used: common[used] for used in entry.used}
    library = engine.load_module(module, ["entry"], {**(symbols or {}), **wanted}, keep)
    method = _Method(
        name.encode(), library["entry"], _FAST_WITH_KEYWORDS, doc.encode() if doc else None
    )
    make = ctypes.pythonapi.PyCMethod_New
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object, ctypes.c_void_p)
    return make(ctypes.addressof(method), Owner(library, slow, method), "wengert", None)
