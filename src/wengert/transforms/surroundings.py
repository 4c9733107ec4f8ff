"""What a Python function reads from around it, and whether that has changed.

A function is written down once and its expression used again; what it took from around it must be
the same then. A snapshot holds the names that its code mentions (in closures, modules, defaults,
attributes of objects, entries of lists and dicts), also through the functions that it calls, and
the contents of arrays where they may have become numbers of the expression. The code of installed
packages is taken as fixed, and so is what code reads in ways that its names do not show
(``getattr`` with a computed name, files, clocks).
"""

from __future__ import annotations

import functools
import sys
import sysconfig
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter, is_, itemgetter, methodcaller
from typing import Any

import numpy as np

_SCALARS = (bool, int, float, complex, str, bytes, type(None))
_OWN = ("numpy", "scipy", "wengert", "optree", "opt_einsum")
_LIBRARIES = tuple(
    {sysconfig.get_paths()[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_MISSING = object()
_NO_NAMES: frozenset[str] = frozenset()

Read = Callable[[], Any]


class Surroundings:
    """A snapshot of what functions read from around them.

    Attributes
    ----------
    arrays : list of numpy.ndarray
        The arrays among it; their contents are compared once :meth:`guard` names them.
    generators : list
        Random generators among it.
    """

    def __init__(self, *functions: Any) -> None:
        names = _NO_NAMES
        while True:  # names found late may be attributes of what was found before
            self._entries: list[tuple[Any, Any, Any]] = []  # dict, key, value
            self._cells: list[tuple[str, Any, Any]] = []
            self._reads: list[tuple[str, Read, Any]] = []
            self._sequences: list[tuple[Any, tuple[Any, ...]]] = []
            self._contents: list[tuple[Any, bytes]] = []
            self.arrays: list[Any] = []
            self.generators: list[Any] = []
            self._seen: dict[int, Any] = {}
            self._code: set[types.CodeType] = set()
            self._names = names
            for function in functions:
                self._visit(function)
            found = frozenset(n for code in self._code for n in code.co_names)
            if found == names:
                return
            names = found

    # ------------------------------------------------------------ questions

    def changed(self) -> str | None:
        """The name of something that is not as it was; None if all is."""
        try:
            for get, container, values in self._names_at_once:
                if not all(map(is_, get(container), values)):
                    break
            else:
                return self._changed_contents()
        except (KeyError, ValueError):  # a name is gone, a cell empty
            pass
        return self._changed_name() or self._changed_contents()

    def looks(self) -> tuple[list[tuple[str, tuple[Any, ...], Any]], bool]:
        """How Python finds each thing, of which objects, and what it is; and whether this is all.

        A thing may also be found changed in ways that only :meth:`changed` sees.
        """
        found: list[tuple[str, tuple[Any, ...], Any]] = []
        found += (("{}[{}]", (space, key), value) for space, key, value in self._entries)
        found += (("{}.cell_contents", (cell,), value) for _, cell, value in self._cells)
        found += (("{}()", (read,), value) for _, read, value in self._reads)
        return found, not (self._sequences or self._contents)

    @functools.cached_property
    def _names_at_once(self) -> list[tuple[Callable[[Any], Iterable[Any]], Any, tuple[Any, ...]]]:
        """For each container, what reads all of its names, and their values."""
        spaces: dict[int, tuple[Any, dict[str, Any]]] = {}
        for container, key, value in self._entries:
            spaces.setdefault(id(container), (container, {}))[1][key] = value
        found: list[tuple[Callable[[Any], Iterable[Any]], Any, tuple[Any, ...]]] = []
        for container, named in spaces.values():
            keys, values = tuple(named), tuple(named.values())
            found.append((itemgetter(*keys, keys[0]), container, (*values, values[0])))  # a tuple
        if self._cells:
            cells, values = zip(*((cell, value) for _, cell, value in self._cells), strict=True)
            found.append((functools.partial(map, attrgetter("cell_contents")), cells, values))
        if self._reads:
            reads, values = zip(*((read, value) for _, read, value in self._reads), strict=True)
            found.append((functools.partial(map, methodcaller("__call__")), reads, values))
        return found

    def _changed_name(self) -> str | None:
        for container, key, value in self._entries:
            now = container.get(key, _MISSING)
            if now is not value and not _same(now, value):
                return key
        for name, cell, value in self._cells:
            now = _content(cell)
            if now is not value and not _same(now, value):
                return name
        for name, read, value in self._reads:
            now = read()
            if now is not value and not _same(now, value):
                return name
        return None

    def _changed_contents(self) -> str | None:
        for sequence, values in self._sequences:
            items = _items(sequence)
            if len(items) != len(values):
                return f"a {type(sequence).__name__}"
            for now, value in zip(items, values, strict=True):
                if now is not value and not _same(now, value):
                    return f"an entry of a {type(sequence).__name__}"
        for array, content in self._contents:
            if array.tobytes() != content:
                return f"an array of shape {array.shape}"
        return None

    def guard(self, arrays: list[Any]) -> None:
        """From now on also compare the contents of these arrays."""
        self._contents = [(a, a.tobytes()) for a in arrays]

    # ------------------------------------------------------------ the walk

    def _visit(self, value: Any) -> None:
        if isinstance(value, _SCALARS) or id(value) in self._seen:
            return
        self._seen[id(value)] = value  # kept, so that nothing else gets its id
        if isinstance(value, np.ndarray):
            if value.dtype == object:
                self._sequence(value.ravel())
            self.arrays.append(value)
        elif isinstance(value, tuple | list | dict | set | frozenset | deque):
            self._sequence(value)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self._visit(value.__func__)
            self._visit(value.__self__)
        elif isinstance(value, functools.partial):
            for part in (value.func, value.args, value.keywords):
                self._visit(part)
        elif isinstance(value, np.random.Generator | np.random.RandomState):
            self.generators.append(value)
        elif isinstance(value, types.ModuleType):
            if value.__name__.split(".")[0] not in _OWN and not _is_standard(value):
                self._attributes(vars(value))
        else:
            self._object(value)

    def _sequence(self, value: Any) -> None:
        items = tuple(_items(value))
        self._sequences.append((value, items))
        for item in items:
            self._visit(item)

    def _function(self, function: types.FunctionType) -> None:
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self._visit(wrapped)
        if is_library(function.__code__.co_filename):
            if wrapped is None:  # ours may hold functions of the user: those of wg.vjp, say
                self._closure(function)
            return
        self._closure(function)
        self._visit(function.__defaults__)
        self._visit(function.__kwdefaults__)
        space = function.__globals__
        for code in _codes(function.__code__):
            self._code.add(code)
            for name in code.co_names:
                if name in space:
                    self._entry(space, name)
        self._attributes(vars(function))

    def _closure(self, function: types.FunctionType) -> None:
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=True
        ):
            value = _content(cell)
            self._cells.append((name, cell, value))
            self._visit(value)

    def _object(self, value: Any) -> None:
        """The attributes that code mentions: the object's own, and its class's."""
        own = attributes_of(value)
        for name in ("__wrapped__", "_read_besides"):
            self._visit(own.get(name))
        classes = value.__mro__ if isinstance(value, type) else type(value).__mro__
        if not isinstance(value, type):
            self._attributes(own)
        for cls in classes:
            if is_fixed(cls):
                continue
            for name in cls.__dict__.keys() & (self._names | {"__call__", "__init__"}):
                member = cls.__dict__[name]
                if isinstance(member, types.MemberDescriptorType):
                    if not isinstance(value, type):
                        read = functools.partial(getattr, value, name, _MISSING)
                        self._reads.append((name, read, read()))
                        self._visit(read())
                    continue
                self._reads.append((name, functools.partial(cls.__dict__.get, name), member))
                if isinstance(member, property):
                    member = member.fget
                elif isinstance(member, functools.cached_property):
                    member = member.func
                elif isinstance(member, staticmethod | classmethod):
                    member = member.__func__
                self._visit(member)

    def _attributes(self, space: Any) -> None:
        for name in space.keys() & self._names:
            self._entry(space, name)

    def _entry(self, space: dict[str, Any], name: str) -> None:
        value = space[name]
        self._entries.append((space, name, value))
        self._visit(value)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A function's code, and that of the functions that it makes."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return _MISSING


def _items(value: Any) -> Any:
    if isinstance(value, dict):
        return [part for pair in value.items() for part in pair]
    return value if isinstance(value, tuple | list | np.ndarray) else list(value)


def _same(now: Any, then: Any) -> bool:
    """Equal numbers and texts are the same; of other things only the very one."""
    if isinstance(then, types.MethodType) and isinstance(now, types.MethodType):
        return now.__func__ is then.__func__ and now.__self__ is then.__self__
    if type(now) is not type(then) or not isinstance(then, (*_SCALARS, np.generic)):
        return False
    return repr(now) == repr(then)  # 0.0 is not -0.0, and NaN is NaN


def attributes_of(value: Any) -> Any:
    """An object's own attributes; it is not asked, as it may make some up."""
    try:
        return object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}


def is_fixed(cls: type) -> bool:
    """Is a class one of Python's, or of an installed package?"""
    module = sys.modules.get(cls.__module__)
    return cls.__module__ == "builtins" or (module is not None and _is_fixed_module(module))


def _is_fixed_module(module: Any) -> bool:
    return _is_standard(module) or is_library(getattr(module, "__file__", None) or "")


def _is_standard(module: Any) -> bool:
    return (
        module.__name__.split(".")[0] in sys.stdlib_module_names and module.__name__ != "__main__"
    )


@functools.lru_cache(maxsize=4096)
def is_library(filename: str) -> bool:
    """Is a file of code one of Python's, or of an installed package?"""
    return filename.startswith((*_LIBRARIES, _PACKAGE, "<frozen"))


_PACKAGE = __file__.rpartition("transforms")[0]


# ---------------------------------------------------------------- arrays


def owner(array: Any) -> int:
    """The identity of the array that owns the memory that this one looks at."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return id(array)


_SMALL = 1 << 16  # bytes that are compared at every call, whatever they are used for


def to_compare(arrays: list[Any], captured: list[Any]) -> list[Any]:
    """The arrays whose contents may be numbers in an expression.

    Parameters
    ----------
    arrays : list of numpy.ndarray
        What the function reads.
    captured : list of numpy.ndarray
        The constants of its expression. Those that share the memory of an array are read anew at
        every call; others were computed while tracing, perhaps from arrays.
    """
    owners = {owner(a) for a in arrays}
    live = {owner(c) for c in captured}
    computed = not live <= owners
    return [
        a
        for a in arrays
        if _can_change(a) and (computed or a.nbytes <= _SMALL or owner(a) not in live)
    ]


def _can_change(array: Any) -> bool:
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return True
        array = array.base
    return array is not None  # a buffer of someone else
