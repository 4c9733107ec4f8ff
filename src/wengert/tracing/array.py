"""The traced array: stands for an array while a function is traced, through NumPy's protocols."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any, final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from wengert.errors import (
    InPlaceWriteError,
    TracingError,
    UnknownValueError,
    UnsupportedFunctionError,
)
from wengert.expr import Expr
from wengert.tracing.calls import Calls
from wengert.tracing.dispatch import (
    elementwise_functions,
    entrywise,
    implementations,
    ufunc_methods,
    unsupported,
)
from wengert.tracing.trace import Trace, user_frame, where

_OBJECT_CAP = 10_000  # entries that np.array([...]) may take apart


@final
class TracedArray(NDArrayOperatorsMixin):
    """An array whose computation is being written down; users meet it inside their functions.

    It has NumPy's attributes, operators and methods, and goes through NumPy's functions. It is a
    value: it cannot be written to (``wg.at`` makes a changed copy).

    Attributes
    ----------
    expr : Expr
        How it is computed.
    run : Trace
        The run it belongs to.
    dtype : numpy.dtype
        What NumPy would give.
    """

    __slots__ = ("dtype", "expr", "run")
    __array_priority__ = 1000.0

    def __init__(self, expr: Expr, run: Trace, dtype: Any) -> None:
        self.expr = expr
        self.run = run
        self.dtype = np.dtype(dtype)

    # ------------------------------------------------------------ facts

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return self.expr.shape  # pyright: ignore[reportReturnType]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.expr.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        total = 1
        for s in self.shape:
            total *= s
        return total

    @property
    def itemsize(self) -> int:
        """Bytes of an entry."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all entries."""
        return self.size * self.dtype.itemsize

    @property
    def value(self) -> Any:
        """The array that this is in the present run (read it, do not compute with it)."""
        self.run.check_open()
        found = np.asarray(self.run.value_of(self.expr))
        return found.astype(self.dtype, copy=False)

    # ------------------------------------------------------------ protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and "out" not in kwargs:
            known = ufunc in entrywise
            return _calls(ufunc, inputs, kwargs, partial(_ufunc, ufunc, method), entrywise=known)
        return _ufunc(ufunc, method, *inputs, **kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _calls(func, args, kwargs, partial(_function, func))

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return np

    @property
    def device(self) -> str:
        """Always the CPU (Array API)."""
        return "cpu"

    def to_device(self, device: str, /, *, stream: Any = None) -> TracedArray:
        """The array itself (Array API)."""
        if device != "cpu":
            raise ValueError(f"the only device is 'cpu', not {device!r}")
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if self.expr.dtype != "real" and self._has_value():
            return np.array(self.value, dtype=dtype)
        if self.expr.dtype != "real" and _is_subscript():
            raise UnknownValueError(
                f"{where()}: a plain array is indexed by a traced value, which compiled and "
                "batched code does not know; use wg.at(array)[index].get()"
            )
        if dtype is not None and np.dtype(dtype).kind in "iub" and self._has_value():
            return np.array(self.value, dtype=dtype)  # cut to integers there is no derivative
        if dtype is not None and np.dtype(dtype) != object:
            raise TracingError(
                f"{where()}: a traced array would become a plain array and lose its derivative; "
                "use the function without dtype=, np.stack or np.concatenate instead of np.array "
                "and of a list of traced values, "
                "wg.at instead of writing into an array, or wg.stop_gradient if no derivative "
                "is wanted"
            )
        if sys._getframe(1).f_globals.get("__name__", "").startswith("scipy.sparse"):
            raise UnsupportedFunctionError(
                f"{where()}: sparse matrices do not take traced arrays; use A.toarray(), or give "
                "the product a derivative with wg.custom_derivative"
            )
        if self.size > _OBJECT_CAP:
            raise TracingError(
                f"{where()}: np.array of a traced array with {self.size} entries would take it "
                "apart entry by entry; leave np.array (np.asarray) out, or use np.stack"
            )
        entries = np.empty(self.shape, dtype=object)
        for index in np.ndindex(self.shape):
            entries[index] = self[index] if index else self
        return entries

    # ------------------------------------------------------------ values

    def _has_value(self) -> bool:
        try:
            return self.value is not None
        except UnknownValueError:
            return False

    def __bool__(self) -> bool:
        return bool(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        if self.expr.dtype != "int":
            raise TypeError(f"{where()}: only integer arrays can be an index")
        return int(self.value)

    def __float__(self) -> float:
        if self.expr.dtype != "real" or not self._has_value():
            return float(self.value)
        raise TracingError(
            f"{where()}: float() of a traced value would lose its derivative; use NumPy's "
            "functions instead of math's, wg.at instead of writing into an array, and "
            "wg.stop_gradient(x) to print the number or to compute without a derivative"
        )

    def item(self, *index: Any) -> Any:
        """The entry itself, still traced."""
        return self[index] if index else self.reshape(())

    def tolist(self) -> Any:
        """Nested lists of traced entries."""
        return [x.tolist() for x in self] if self.ndim else self

    # ------------------------------------------------------------ container

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TypeError("iteration over an array without axes")
        return (self[k] for k in range(self.shape[0]))

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    def __getitem__(self, index: Any) -> Any:
        return _calls("getitem", (self, index), {}, implementations["getitem"])

    def __setitem__(self, index: Any, value: Any) -> None:
        raise InPlaceWriteError(
            f"{where()}: a traced array cannot be written to; make a changed copy with "
            "x = wg.at(x)[index].set(value) (also .add, .multiply)"
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = f" = {self.value}" if not self.run.closed and self._has_value() else ""
        return f"TracedArray(shape={self.shape}, dtype={self.dtype}{shown})"

    def __format__(self, spec: str) -> str:
        return format(self.value[()], spec) if self._has_value() else repr(self)

    # In-place operators give the variable a new value: nothing else can refer to it.

    def __iadd__(self, other: Any) -> Any:
        return self + other

    def __isub__(self, other: Any) -> Any:
        return self - other

    def __imul__(self, other: Any) -> Any:
        return self * other

    def __itruediv__(self, other: Any) -> Any:
        return self / other

    def __ipow__(self, other: Any) -> Any:
        return self**other

    def __imatmul__(self, other: Any) -> Any:
        return self @ other

    # ------------------------------------------------------------ NumPy's attributes and methods

    @property
    def T(self) -> Any:  # noqa: N802
        """The axes in reverse order."""
        return np.transpose(self)  # pyright: ignore

    @property
    def mT(self) -> Any:  # noqa: N802
        """The last two axes swapped."""
        return np.swapaxes(self, -1, -2)  # pyright: ignore

    @property
    def real(self) -> Any:
        """The array itself: all numbers are real."""
        return self

    @property
    def imag(self) -> Any:
        """Zeros."""
        return self * 0.0

    @property
    def flat(self) -> Any:
        """The entries in order, as one axis."""
        return self.ravel()

    def conj(self) -> Any:
        """The array itself."""
        return self

    conjugate = conj

    def copy(self, order: str = "C") -> Any:
        """The array itself, which cannot change."""
        return self

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> Any:
        return self

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """The array in another dtype."""
        return implementations["astype"](self, dtype)

    def flatten(self, order: str = "C") -> Any:
        """One axis."""
        return np.ravel(self, order=order)  # pyright: ignore

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        """Another shape."""
        target = shape[0] if len(shape) == 1 else shape
        return np.reshape(self, target, **kwargs)  # pyright: ignore

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order."""
        order = axes[0] if len(axes) == 1 else axes or None
        return np.transpose(self, order)  # pyright: ignore

    def compress(self, condition: Any, axis: Any = None) -> Any:
        """``np.compress``, whose order of arguments is another."""
        return np.compress(condition, self, axis)  # pyright: ignore

    def dot(self, other: Any) -> Any:
        """``np.dot``."""
        return np.dot(self, other)  # pyright: ignore


def _ufunc(ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    out = kwargs.pop("out", None)
    if out is not None and not (method == "__call__" and _is_operator(out, inputs)):
        raise InPlaceWriteError(
            f"{where()}: out= would write a traced value into an array; use the result that "
            "the function returns"
        )
    if kwargs.get("where") is True:
        kwargs.pop("where")
    if method == "__call__" and ufunc in implementations:
        return implementations[ufunc](*inputs, **kwargs)
    if (ufunc, method) in ufunc_methods:
        return ufunc_methods[ufunc, method](*inputs, **kwargs)
    if (None, method) in ufunc_methods:
        return ufunc_methods[None, method](ufunc, *inputs, **kwargs)
    if method == "__call__":
        if _on_discrete_values(inputs, kwargs):  # indices stay integers: np.mod, np.abs
            return at_once(ufunc, inputs, kwargs)
        for attempt in elementwise_functions:
            result = attempt(ufunc, inputs, dict(kwargs))
            if result is not NotImplemented:
                return result
    return at_once(ufunc if method == "__call__" else getattr(ufunc, method), inputs, kwargs)


def _function(func: Any, *args: Any, **kwargs: Any) -> Any:
    if _on_discrete_values(args, kwargs):
        return at_once(func, args, kwargs)
    found = implementations.get(func)
    if found is None:
        return at_once(func, args, kwargs)
    if kwargs.get("out") is not None:
        raise InPlaceWriteError(
            f"{where()}: out= would write a traced value into an array; use the result that "
            "the function returns"
        )
    return found(*args, **kwargs)


def _is_operator(out: Any, inputs: tuple[Any, ...]) -> bool:
    """Is this ``a += x`` on a plain array, whose name then gets the traced result?"""
    if len(out) != 1 or out[0] is not inputs[0]:
        return False
    frame = user_frame()
    code, at = frame.f_code.co_code, frame.f_lasti
    return dis.opname[code[at]] == "BINARY_OP" and code[at + 1] >= _FIRST_IN_PLACE


def _is_subscript() -> bool:
    """Is this ``array[x]`` in the user's code?"""
    frame = user_frame()
    code, at = frame.f_code.co_code, frame.f_lasti
    name = dis.opname[code[at]]
    return name == "BINARY_SUBSCR" or (name == "BINARY_OP" and code[at + 1] == _SUBSCRIPT)


_SUBSCRIPT = 26  # from Python 3.14 on
_FIRST_IN_PLACE = 13 if sys.version_info >= (3, 11) else 0


def _traced_in(value: Any) -> Iterator[TracedArray]:
    if isinstance(value, TracedArray):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _traced_in(part)
    elif isinstance(value, dict):
        for part in value.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _traced_in(part)


def _on_discrete_values(args: Any, kwargs: Any) -> bool:
    """Are all traced arguments indices and masks whose values are known?"""
    return all(t.expr.dtype != "real" and t.run.is_concrete for t in _traced_in((args, kwargs)))


def at_once(function: Any, args: Any, kwargs: Any) -> Any:
    """A function of known indices and masks, computed by NumPy itself: it has no derivative."""
    traced = list(_traced_in((args, kwargs)))
    if any(t.expr.dtype == "real" for t in traced):
        raise unsupported(function)
    if not all(t.run.is_concrete for t in traced):
        raise UnsupportedFunctionError(
            f"{unsupported(function)} (of indices and masks it works in code that is not compiled)"
        )
    return function(*_plain(args), **_plain(kwargs))


def _plain(value: Any) -> Any:
    if isinstance(value, TracedArray):
        return value.value
    if isinstance(value, list | tuple):
        return type(value)(_plain(v) for v in value)  # pyright: ignore
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}  # pyright: ignore
    return value


# Methods that are NumPy's functions of the same name.
_METHODS = (
    "sum mean var std prod cumsum cumprod max min argmax argmin all any ravel squeeze "
    "swapaxes take repeat trace diagonal clip sort argsort round nonzero "
    "searchsorted partition "
)
# NumPy's loops over object arrays, np.array([x, y]) of traced values, call these.
_OF_ENTRIES = (
    "exp exp2 expm1 log log2 log10 log1p sqrt cbrt square absolute fabs sign reciprocal sin "
    "cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh floor ceil trunc "
    "rint isnan isfinite isinf degrees radians arctan2 hypot logaddexp logaddexp2 deg2rad "
    "rad2deg "
)


def _method(function: Any) -> Any:
    def method(self: TracedArray, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = function.__name__
    method.__doc__ = f"``np.{function.__name__}``."
    return method


for _name in (_METHODS + _OF_ENTRIES).split():
    setattr(TracedArray, _name, _method(getattr(np, _name)))

_calls = Calls(TracedArray)
