"""The short way into native code: arguments go in as they are, results come out as they should be.

The native function looks at the arguments itself. What it was not written for it does not take;
then the call goes the usual way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import optree

from wengert.structured import Running
from wengert.transforms.surroundings import Surroundings
from wengert.transforms.trees import putting_together, taking_apart

Direct = Callable[[Any], Any]  # of the arguments' leaves; NotImplemented if they are others
Quick = Callable[[Any, Any], Any]  # of the positional arguments and those by keywords


class Entry(Protocol):
    """A traced and compiled version of a function."""

    @property
    def surroundings(self) -> Surroundings:
        """What the function read from around it."""
        ...

    @property
    def running(self) -> Running:
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
    names = (*entry.names, *(name for name, _ in entry.captured))
    order = tuple(names.index(name) for name in entry.running.names)
    captured = tuple(array for _, array in entry.captured)
    formed = _forming(entry)
    if order == tuple(range(len(entry.names))):
        if formed is None:
            return lambda flat: function(*flat)
        return lambda flat: formed(function(*flat))

    def call(flat: Any) -> Any:
        given = (*flat, *captured)
        found = function(*[given[k] for k in order])
        return found if formed is None else formed(found)

    return call


def quick_of(entry: Entry) -> Quick | None:
    """A function of the arguments, which makes sure that the code is still the right one."""
    direct, changed = direct_of(entry), entry.surroundings.changed
    if direct is None:
        return None
    only: tuple[Any, ...] = ((0,) * len(entry.names), {})
    if entry.structure == optree.tree_structure(only):

        def arrays(args: Any, kwargs: Any) -> Any:
            return NotImplemented if kwargs or changed() is not None else direct(args)

        return arrays
    leaves = taking_apart(entry.structure)
    if leaves is None:
        return None

    def trees(args: Any, kwargs: Any) -> Any:
        flat = leaves((args, kwargs))
        return NotImplemented if flat is None or changed() is not None else direct(flat)

    return trees


def _forming(entry: Entry) -> Direct | None:
    """What makes the tree of a tuple of results, if it is none; NotImplemented stays as it is."""
    several: Any = (0,) * len(entry.dtypes)
    if entry.output == optree.tree_structure(several):
        return None
    form = putting_together(entry.output)
    return lambda found: found if found is NotImplemented else form(found)
