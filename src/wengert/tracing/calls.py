"""What is remembered of calls on traced arrays, so that a function traced again costs little.

The expression of a call is a pure function of the expressions, dtypes and plain arguments that it
is given, unless its traced version looked at something else: the value of an array, or an array
from outside. A run notes such looks (:class:`~wengert.tracing.trace.Trace`), and the calls that
made them are not remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from types import EllipsisType
from typing import Any

import numpy as np

from wengert.tracing.numbers import plain_number
from wengert.tracing.trace import Trace

_CACHED = 32768  # calls that are kept
_SMALL = 16  # entries of a list that a key takes in
_ITSELF = frozenset({int, bool, str, type(None), float, EllipsisType, np.float64, np.int64, type})
_REAL = frozenset({np.ndarray, np.float64, np.float32})
_ARRAYS = frozenset({np.dtype(np.float64), np.dtype(np.float32)})

_remembered: dict[tuple[Any, ...], Any] = {}


class Calls:
    """Looks calls up, and enters what they gave.

    Parameters
    ----------
    traced : type
        The class of traced arrays, with ``expr``, ``run`` and ``dtype``.
    """

    def __init__(self, traced: type[Any]) -> None:
        self.traced = traced

    def __call__(
        self,
        function: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        compute: Callable[..., Any],
        *,
        entrywise: bool = False,
    ) -> Any:
        """``compute(*args, **kwargs)``, or what it gave before for the same expressions.

        Parameters
        ----------
        function : hashable
            What is called.
        args, kwargs
            Of the call.
        compute : callable
            The traced version.
        entrywise : bool
            Does it take numbers and arrays as they are, as ufuncs do, whatever is in them?
        """
        trace = self._run_of(args)
        if trace is None:
            return compute(*args, **kwargs)
        parts: list[Any] = [function]
        known = all(self._enter(a, parts, trace if entrywise else None) for a in args)
        for name, value in kwargs.items():
            parts.append(name)
            known = known and self._enter(value, parts, None)
        if not known:
            return compute(*args, **kwargs)
        key = tuple(parts)
        found = _remembered.get(key)
        if found is None:
            return self._first(trace, key, lambda: compute(*args, **kwargs))
        kind, exprs, dtypes = found
        if kind is None:
            return self.traced(exprs, trace, dtypes)
        return kind([self.traced(e, trace, d) for e, d in zip(exprs, dtypes, strict=True)])

    def _run_of(self, args: Any) -> Trace | None:
        """The innermost run of the traced arrays, if one of them is real and all runs go on."""
        found: Trace | None = None
        real = False
        for a in args:
            if type(a) is self.traced:
                run = a.run
                if run.closed:
                    return None  # an error, which is not the matter here
                real = real or a.expr.dtype == "real"
                if found is None or run.level > found.level:
                    found = run
            elif type(a) in (list, tuple):
                inner = self._run_of(a)
                if inner is not None:
                    real = True
                    if found is None or inner.level > found.level:
                        found = inner
        return found if real else None

    def _enter(self, value: Any, parts: list[Any], entrywise: Trace | None) -> bool:
        """Append what stands for an argument; False if nothing does.

        Within ``entrywise`` arrays and long numbers are constants of that run. Numbers of
        different types are different, although 1, 1.0 and True are equal.
        """
        kind = type(value)
        if kind is self.traced:
            parts.append(value.expr)
            parts.append(value.dtype)
            return not value.run.closed
        if entrywise is not None:
            if kind in _REAL and value.dtype in _ARRAYS:
                parts.append(entrywise.constant(value, "real"))
                parts.append(value.dtype)
                return True
            if kind is float and plain_number(value) is None:
                parts.append(float)
                parts.append(entrywise.constant(value, "real"))
                return True
        if kind in _ITSELF:
            parts.append(kind)
            parts.append(value)
            return True
        if kind is slice:
            inner: Any = (value.start, value.stop, value.step)
        elif kind in (tuple, list) and len(value) <= _SMALL:
            inner = value
        else:
            return False
        parts.append(kind)
        parts.append(len(inner))
        return all(self._enter(v, parts, None) for v in inner)

    def _first(self, trace: Trace, key: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        """Carry a call out, and remember it if it looked at nothing but what is in the key."""
        looks = trace.root.looks
        before = len(looks)
        result = compute()
        if all(any(look is part for part in key) for look in looks[before:]):
            entry = self._entry(trace, result)
            if entry is not None:
                if len(_remembered) >= _CACHED:
                    _remembered.clear()
                _remembered[key] = entry
        return result

    def _entry(self, trace: Trace, result: Any) -> tuple[Any, Any, Any] | None:
        if type(result) is self.traced:
            return (None, result.expr, result.dtype) if result.run is trace else None
        if not isinstance(result, tuple | list):
            return None
        parts: list[Any] = list(result)  # pyright: ignore[reportUnknownArgumentType]
        if not all(type(r) is self.traced and r.run is trace for r in parts):
            return None
        make = getattr(type(result), "_make", type(result))
        return make, [r.expr for r in parts], [r.dtype for r in parts]


def forget() -> None:
    """Forget all calls."""
    _remembered.clear()
