"""Traces: what is known while a Python function runs on traced arrays.

A trace has *leaves*, the function's arguments, which may have values, and one level of nesting.
Arrays from outside (data in closures) enter the outermost trace as *constants*: leaves named by
order of appearance, so that a function traced again gives the same expression, and what was
derived and compiled for it is found again.
"""

from __future__ import annotations

import functools
import linecache
import sys
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

from wengert.errors import EscapedValueError, UnknownValueError
from wengert.expr import Expr, topological
from wengert.operations import variable
from wengert.operations.structure import is_variable

Evaluator = Callable[[Expr, Mapping[Expr, Any], MutableMapping[Expr, Any]], Any]

_active: ContextVar[tuple[Trace, ...]] = ContextVar("wengert_traces", default=())

_PACKAGE = str(Path(__file__).parent.parent)
_APART = 10_000
VALUE = object()  # stands for a question about a run, among its looks
_KINDS = {"f": "real", "i": "int", "u": "int", "b": "bool"}


class Trace:
    """One function's run on traced arrays.

    Attributes
    ----------
    level : int
        Depth of nesting, 0 for the outermost.
    root : Trace
        The outermost trace; it holds constants and the values that were asked for.
    values : dict
        The arrays (or functions that give them) of the leaves whose values are known.
    closed : bool
        Has the run ended?
    looks : list
        Of the outermost trace: the constants that were asked for, and ``VALUE`` for each question
        about the run itself, in order.
    """

    def __init__(self, parent: Trace | None, evaluator: Evaluator | None, level: int = 0) -> None:
        self.parent = parent
        self.level = level if parent is None else parent.level + 1
        self.root: Trace = self if parent is None else parent.root
        self.evaluator = evaluator
        self.closed = False
        self.leaves: list[Expr] = []
        self.values: ChainMap[Expr, Any] = _within(parent.values if parent else None)
        self.known: ChainMap[Expr, Any] = _within(parent.known if parent else None)
        self.captured: dict[tuple[int, str], tuple[Any, Expr]] = {}
        self.looks: list[Any] = []

    def leaf(self, shape: tuple[int, ...], dtype: str, value: Any = None) -> Expr:
        """A new argument; ``value`` is an array, a function that gives one, or None if unknown."""
        self.root.looks.append(VALUE)
        name = f"·{self.level}.{len(self.leaves)}"
        found = variable(name, shape, dtype=dtype)
        self.leaves.append(found)
        if value is not None:
            self.values[found] = value
        return found

    def constant(self, array: Any, dtype: str) -> Expr:
        """The leaf of an array from outside; the same array is the same leaf."""
        root = self.root
        key = (id(array), dtype)
        found = root.captured.get(key)
        if found is None:
            value = np.asarray(array)
            if dtype == "real" and value.dtype.kind != "f":
                value = value.astype(np.float64)
            apart = f"{root.level}." if root.level >= _APART else ""  # another trace's may be near
            leaf = variable(f"·c{apart}{len(root.captured)}", value.shape, dtype=dtype)
            root.captured[key] = found = (array, leaf)
            root.values[leaf] = value
        root.looks.append(found[1])
        return found[1]

    def value_of(self, expr: Expr) -> Any:
        """The array that an expression has in this run.

        Raises
        ------
        UnknownValueError
            If it depends on an argument without a value.
        """
        self.root.looks.append(VALUE)
        if expr in self.known:
            return self.known[expr]
        unknown = [n for n in topological(expr) if is_variable(n) and n not in self.values]
        evaluator = self.root.evaluator
        if unknown or evaluator is None:
            raise UnknownValueError(
                f"{where()}: the value of a traced array is asked for, but compiled and batched "
                "code runs for all values; use wg.cond, wg.where (np.where), wg.while_loop or "
                "wg.fori_loop instead of Python's if and while, or mark the argument with "
                "static_argnums"
            )
        return evaluator(expr, self.values, self.known)

    @property
    def is_concrete(self) -> bool:
        """Are the values of all arguments known?"""
        self.root.looks.append(VALUE)
        trace: Trace | None = self
        while trace is not None:
            if any(leaf not in self.values for leaf in trace.leaves):
                return False
            trace = trace.parent
        return True

    def check_open(self) -> None:
        """An error if the run has ended."""
        if self.closed:
            raise EscapedValueError(
                f"{where()}: a traced value is used after the function that it belongs to has "
                "returned; return it from the function (has_aux=True for extra results) instead "
                "of storing it elsewhere"
            )


def _within(outer: ChainMap[Expr, Any] | None) -> ChainMap[Expr, Any]:
    """A map of its own in front of the outer trace's: what it learns ends with it."""
    return ChainMap[Expr, Any]() if outer is None else outer.new_child()


@contextmanager
def new_trace(evaluator: Evaluator | None) -> Iterator[Trace]:
    """A trace inside the one that is running, if any."""
    with _running(Trace(current_trace(), evaluator)) as trace:
        yield trace


@contextmanager
def detached_trace() -> Iterator[Trace]:
    """A trace of its own, whatever runs: for rules that are traced while deriving.

    Its leaves' names are those of no other trace that may be running or have run.
    """
    outer = current_trace()
    with _running(Trace(None, None, (outer.level if outer else 0) + _APART)) as trace:
        yield trace


@contextmanager
def _running(trace: Trace) -> Iterator[Trace]:
    token = _active.set((*_active.get(), trace))
    try:
        yield trace
    finally:
        trace.closed = True
        _active.reset(token)


def current_trace() -> Trace | None:
    """The innermost trace that is running."""
    stack = _active.get()
    return stack[-1] if stack else None


def kind_of(dtype: Any) -> str | None:
    """The dtype of expressions for a NumPy dtype; None if it is none of theirs."""
    return _KINDS.get(np.dtype(dtype).kind)


def dtype_of_kind(kind: str) -> Any:
    """The NumPy dtype that expressions of a dtype have by default."""
    return np.dtype({"real": float, "int": int, "bool": bool}[kind])


def user_frame() -> Any:
    """The frame of the user's code that is running."""
    frame = sys._getframe(1)
    packages = Path(np.__file__).parent.parent
    numerical = (str(packages / "numpy"), str(packages / "scipy"))
    libraries = (_PACKAGE, *numerical, functools.__file__, "<frozen")
    while frame.f_back is not None and frame.f_code.co_filename.startswith(libraries):
        frame = frame.f_back
    return frame


def where() -> str:
    """File, line and text of the user's code that is running."""
    frame = user_frame()
    name, line = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(name, line).strip()
    return f"{Path(name).name}, line {line}" + (f" ({text})" if text else "")
