"""The short way into native code: arguments go in as they are, results come out as they should be.

The native function looks at the arguments itself. What it was not written for it does not take;
then the call goes the usual way. What is between Python and it, the look at trees, at static
arguments and at what the traced function read from around it, is written for each entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import optree

from wengert.transforms.surroundings import Surroundings
from wengert.transforms.trees import (
    Source,
    in_tuple,
    made_tree,
    putting_together,
    read_trees,
    template,
)

Direct = Callable[[Any], Any]  # of the arguments' leaves; NotImplemented if they are others
Quick = Callable[[Any, Any], Any]  # of the positional arguments and those by keywords


class Program(Protocol):
    """What runs it; see :class:`wengert.structured.Running`."""

    @property
    def function(self) -> Callable[..., Any] | None:
        """The native function that gives all results, if there is such a one."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What it takes, in order."""
        ...

    @property
    def dtypes(self) -> tuple[Any, ...]:
        """Of what it gives."""
        ...


class Entry(Protocol):
    """A traced and compiled version of a function."""

    @property
    def surroundings(self) -> Surroundings:
        """What the function read from around it."""
        ...

    @property
    def running(self) -> Program:
        """Its program."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The arguments."""
        ...

    @property
    def captured(self) -> tuple[tuple[str, Any], ...]:
        """Other arrays that the program takes."""
        ...

    @property
    def static(self) -> tuple[tuple[int, Any], ...]:
        """The places and values of static arguments."""
        ...

    @property
    def dtypes(self) -> tuple[Any, ...]:
        """Of the results."""
        ...

    @property
    def output(self) -> Any:
        """The tree that they form."""
        ...

    @property
    def structure(self) -> Any:
        """The tree of the arguments."""
        ...


def direct_of(entry: Entry) -> Direct | None:
    """A function of the arguments' leaves, if the whole program is native."""
    function = entry.running.function
    if function is None or entry.running.dtypes != entry.dtypes:
        return None
    order = _order(entry)
    captured = tuple(array for _, array in entry.captured)
    form = None if _is_flat(entry) else putting_together(entry.output)

    def call(flat: Any) -> Any:
        given = (*flat, *captured)
        found = function(*[given[k] for k in order])
        return found if form is None or found is NotImplemented else form(found)

    return call


def brief_of(entry: Entry, direct: Direct, calls: Iterator[int]) -> Quick | None:
    """The same as :func:`quick_of`, made at once, for so many calls with leaves by position."""
    count, changed = len(entry.names), entry.surroundings.changed
    only: tuple[Any, ...] = ((0,) * count, {})
    if entry.static or entry.structure != optree.tree_structure(only):
        return None

    def call(args: Any, kwargs: Any) -> Any:
        if kwargs or len(args) != count or next(calls, None) is None or changed() is not None:
            return NotImplemented
        return direct(args)

    return call


def quick_of(entry: Entry) -> Quick | None:
    """A function of the arguments, which makes sure that the code is still the right one."""
    function = entry.running.function
    if function is None or entry.running.dtypes != entry.dtypes:
        return None
    source = Source("def f(args, kwargs):")
    no = f"return {source.name(NotImplemented)}"
    source.line("try:")
    leaves = _read_arguments(entry, source, no)
    if leaves is None:
        return None
    if changed := _changed(entry.surroundings, source):
        source.line(f"if {changed}: {no}", 2)
    given = [*leaves, *(source.name(array) for _, array in entry.captured)]
    taken = in_tuple([f"a{k}" for k in range(len(given))])
    source.line(f"{taken} = {in_tuple(given)}", 2)
    source.line("except (KeyError, ValueError):")  # a name is gone, a cell is empty
    source.line(no, 2)
    ordered = ", ".join(f"a{k}" for k in _order(entry))
    source.line(f"found = {source.name(function)}({ordered})")
    if not _is_flat(entry):
        source.line(f"if found is not {source.name(NotImplemented)}:")
        source.line(f"return {made_tree(source, entry.output, 'found')}", 2)
    source.line("return found")
    return source.function()


def _read_arguments(entry: Entry, source: Source, no: str) -> list[str] | None:
    """Write what looks for the entry's arguments; what leaves are called, if that can be known."""
    dynamic, named = template(entry.structure)
    static = dict(entry.static)
    count = len(dynamic) + len(static)
    others = f"len(kwargs) != {len(named)}" if named else "kwargs"
    source.line(f"if len(args) != {count} or {others}: {no}", 2)
    for k, value in static.items():
        one, other = f"args[{k}]", source.name(value)
        alike = f"{source.name(alike_numbers)}({one}, {other})"
        source.line(f"if {one} is not {other} and not {alike}: {no}", 2)
    places = [k for k in range(count) if k not in static]
    trees = [(tree, f"args[{k}]") for tree, k in zip(dynamic, places, strict=True)]
    trees += [(tree, f"kwargs[{source.key(key)}]") for key, tree in named.items()]
    return read_trees(source, trees, no)


def alike_numbers(one: Any, other: Any) -> bool:
    """Are they the same integers, texts, numbers other than 0.0, or tuples of them?

    Other things that are equal may be used differently, as :func:`exactly` says.
    """
    if type(one) is not type(other):
        return False
    if type(one) is tuple:
        return len(one) == len(other) and all(map(alike_numbers, one, other))
    if type(one) is float:
        return one == other != 0
    return type(one) in {int, str, bool} and one == other


def exactly(value: Any) -> Any:
    """What tells a value from others that are equal to it.

    Examples
    --------
    >>> 1 == True and 0.0 == -0.0
    True
    >>> exactly((1, 0.0)) in (exactly((True, 0.0)), exactly((1, -0.0)))
    False
    """
    if type(value) is tuple:
        return tuple(map(exactly, value))
    return repr(value) if isinstance(value, float | complex) else type(value)


def _changed(surroundings: Surroundings, source: Source) -> str:
    """The text of the question whether something around has changed; empty if nothing can."""
    looks, alone = surroundings.looks()
    changed = f"{source.name(surroundings.changed)}() is not None"
    if not alone:
        return changed
    same = [
        f"{text.format(*map(source.name, of))} is {source.name(value)}" for text, of, value in looks
    ]
    return f"not ({' and '.join(same)}) and {changed}" if same else ""


def _order(entry: Entry) -> tuple[int, ...]:
    """Which of the leaves and captured arrays the program takes."""
    names = (*entry.names, *(name for name, _ in entry.captured))
    return tuple(names.index(name) for name in entry.running.names)


def _is_flat(entry: Entry) -> bool:
    """Are the results a tuple?"""
    several: Any = (0,) * len(entry.dtypes)
    return entry.output == optree.tree_structure(several)
