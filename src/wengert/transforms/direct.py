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

Direct = Callable[[Any], Any]  # of the arguments; NotImplemented if they are others


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
        return lambda flat: formed(function(*flat))

    def call(flat: Any) -> Any:
        given = (*flat, *captured)
        return formed(function(*[given[k] for k in order]))

    return call


def quick_of(entry: Entry) -> Direct | None:
    """A function of the arguments, which makes sure that the code is still the right one."""
    direct, changed = direct_of(entry), entry.surroundings.changed
    if direct is None:
        return None
    structure = entry.structure

    def arrays(args: Any) -> Any:
        return NotImplemented if changed() is not None else direct(args)

    def trees(args: Any) -> Any:
        flat, found = optree.tree_flatten((args, {}))
        if found != structure or changed() is not None:
            return NotImplemented
        return direct(flat)

    leaves: tuple[Any, ...] = ((0,) * len(entry.names), {})
    return arrays if structure == optree.tree_structure(leaves) else trees


def _forming(entry: Entry) -> Callable[[Any], Any]:
    """What makes the tree of a tuple of results; NotImplemented stays as it is."""
    output = entry.output
    several: Any = (0,) * len(entry.dtypes)
    if output == optree.tree_structure(several):
        return lambda found: found
    if output == optree.tree_structure(several[0] if several else None):
        return lambda found: found if found is NotImplemented else found[0]
    return lambda found: found if found is NotImplemented else optree.tree_unflatten(output, found)
