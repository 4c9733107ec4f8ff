"""compile: a function traced once for each combination of shapes, then run as a program."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

import numpy as np
import optree

from wengert.backends import bound, common_dtype, owned
from wengert.errors import TracingError
from wengert.expr import Expr
from wengert.plan import Plan
from wengert.rewrite import recognise
from wengert.structured import Running, running
from wengert.tracing import TracedArray, current_trace, kind_of, new_trace, replaced
from wengert.transforms.recording import output_of


@dataclass(frozen=True)
class _Entry:
    """A traced and compiled version."""

    running: Running
    names: tuple[str, ...]
    captured: tuple[tuple[str, Any], ...]
    dtypes: tuple[Any, ...]
    output: Any
    precision: Any

    def __call__(self, flat: list[Any]) -> Any:
        values = dict(zip(self.names, flat, strict=True))
        values.update(self.captured)
        arrays = self.running(bound(values, self.precision))
        results = [owned(a, d, values.values()) for a, d in zip(arrays, self.dtypes, strict=True)]
        return optree.tree_unflatten(self.output, results)


class Compiled:
    """A function compiled by :func:`compile`; call it like the function itself."""

    def __init__(self, function: Callable[..., Any], static_argnums: tuple[int, ...]) -> None:
        self.function = function
        self.static_argnums = static_argnums
        self._entries: dict[Any, _Entry] = {}
        update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's value."""
        flat, structure, static = self._arguments(args, kwargs)
        if current_trace() is not None and any(isinstance(a, TracedArray) for a in flat):
            return self.function(*args, **kwargs)
        return self._entry(flat, structure, static)(flat)

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """The instructions for arguments of these shapes; prints with FLOPs and bytes."""
        return self._entry(*self._arguments(args, kwargs)).running.plan

    def __str__(self) -> str:
        name = getattr(self.function, "__name__", "function")
        if not self._entries:
            return f"{name}: not called yet, so nothing is compiled"
        return "\n\n".join(f"{name}\n{entry.running.plan}" for entry in self._entries.values())

    def _arguments(self, args: Any, kwargs: Any) -> tuple[list[Any], Any, tuple[Any, ...]]:
        static: tuple[Any, ...] = ()
        dynamic = args
        if self.static_argnums:
            chosen = {k % len(args) for k in self.static_argnums if k < len(args)}
            static = tuple((k, args[k]) for k in sorted(chosen))
            dynamic = tuple(a for k, a in enumerate(args) if k not in chosen)
        flat, structure = optree.tree_flatten((dynamic, kwargs))
        prepared = [
            a if isinstance(a, np.ndarray | float | TracedArray) else np.asarray(a) for a in flat
        ]
        return prepared, structure, static

    def _entry(self, flat: list[Any], structure: Any, static: tuple[Any, ...]) -> _Entry:
        shapes = tuple("float" if type(a) is float else (a.shape, a.dtype) for a in flat)
        key = (structure, shapes, static, tuple(_surroundings(self.function)))
        try:
            found = self._entries.get(key)
        except TypeError:
            raise TracingError(
                f"static arguments must be hashable; {static!r} is not: pass arrays as usual "
                "arguments"
            ) from None
        if found is None:
            self._entries[key] = found = self._compile(flat, structure, static)
        return found

    def _compile(self, flat: list[Any], structure: Any, static: tuple[Any, ...]) -> _Entry:
        with new_trace(None) as trace:
            leaves: list[Expr] = []
            given: list[Any] = []
            for a in flat:
                dtype = np.dtype(float) if isinstance(a, float) else a.dtype
                kind = kind_of(dtype)
                if kind is None:
                    raise TracingError(
                        f"compile: an argument of dtype {dtype} cannot be traced; name it in "
                        "static_argnums"
                    )
                leaves.append(trace.leaf(np.shape(a), kind))
                given.append(TracedArray(leaves[-1], trace, dtype))
            dynamic, kwargs = optree.tree_unflatten(structure, given)
            args = list(dynamic)
            for k, value in static:
                args.insert(k, value)
            flat_result, output = optree.tree_flatten(replaced(self.function)(*args, **kwargs))
            lifted = [output_of(trace, o, self.function) for o in flat_result]
        roots = tuple(recognise(e) for e, _ in lifted)
        captured = tuple(
            (str(leaf.params[0]), trace.values[leaf]) for _, leaf in trace.captured.values()
        )
        values = [*flat, *(a for _, a in captured)]
        precision = common_dtype(values)
        return _Entry(
            running(roots, precision),
            tuple(str(leaf.params[0]) for leaf in leaves),
            captured,
            tuple(d for _, d in lifted),
            output,
            precision,
        )


def compile(f: Callable[..., Any], *, static_argnums: int | tuple[int, ...] = ()) -> Compiled:
    """The function as a program: traced once for each combination of shapes and dtypes.

    Parameters
    ----------
    f : callable
        Written with NumPy, or a transform of such a function. Its arguments have no values while
        it is traced: use :func:`cond`, :func:`scan` and so on where Python would branch on them.
    static_argnums : int or tuple of int
        Positional arguments that are no arrays (sizes, flags); each value is traced anew.

    Returns
    -------
    Compiled
        Call it like ``f``; ``.plan(*args)`` shows its instructions. Arrays that ``f`` captures
        are read at every call; a name that is bound to another array or number is traced anew.

    Raises
    ------
    UnknownValueError
        If the function needs a value: the message names the line and the remedy.

    Examples
    --------
    >>> fast = compile(lambda x: np.sum(x * x))
    >>> float(fast(np.array([1.0, 2.0])))
    5.0
    """
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    return Compiled(f, numbers)


def _surroundings(function: Any) -> Iterator[Any]:
    """What the function reads from around it: numbers by value, arrays by identity."""
    while function is not None:
        code = getattr(function, "__code__", None)
        if code is not None:
            cells = function.__closure__ or ()
            for cell in cells:
                try:
                    yield from _identity(cell.cell_contents)
                except ValueError:
                    continue
            names = function.__globals__
            for name in code.co_names:
                if name in names:
                    yield from _identity(names[name])
        function = getattr(function, "__wrapped__", None)


def _identity(value: Any) -> Iterator[Any]:
    if isinstance(value, int | float | str | bool):
        yield value
    elif isinstance(value, np.ndarray) or (
        inspect.isfunction(value) and not value.__module__.startswith(("numpy", "scipy", "wengert"))
    ):
        yield id(value)
