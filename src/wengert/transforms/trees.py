"""Trees of a known structure, taken apart and put together quickly.

A general library has to find out what a tree is. Here that is known; what is another tree is only
noticed. Tuples, lists, dicts and None are known; of other containers nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from types import NoneType
from typing import Any

import optree

_CONTAINERS = (tuple, list, dict)


def taking_apart(structure: Any) -> Callable[[Any], tuple[Any, ...] | None] | None:
    """A function that gives the leaves of a tree, or None if it is another tree.

    There is none if the structure has other containers. A leaf may be anything.

    Examples
    --------
    >>> _, structure = optree.tree_flatten({"b": 1.0, "a": (2.0, 3.0)})
    >>> leaves = taking_apart(structure)
    >>> leaves({"a": (5, 6), "b": 7})
    (5, 6, 7)
    >>> leaves({"a": (5, 6), "c": 7}) is None
    True
    """
    parts = [_template(structure)]  # the tree, then the parts of its parts in turn
    opened: list[tuple[int, Any, int, Callable[[Any], Any] | None]] = []
    absent: list[int] = []
    places: dict[int, int] = {}
    for at, part in enumerate(parts):  # which grows
        kind = type(part)
        if kind is int:
            places[part] = at
        elif kind is NoneType:
            absent.append(at)
        elif kind in _CONTAINERS:
            opened.append((at, kind, len(part), _several(list(part)) if kind is dict else None))
            parts += part.values() if kind is dict else part
        else:
            return None
    leaves_of = _several([places[k] for k in range(len(places))])

    def leaves(tree: Any) -> tuple[Any, ...] | None:
        found = [tree]
        for at, kind, count, get in opened:
            part = found[at]
            if type(part) is not kind or len(part) != count:
                return None
            try:
                found += part if get is None else get(part)
            except KeyError:
                return None
        for at in absent:
            if found[at] is not None:
                return None
        return leaves_of(found)

    return leaves


def _several(keys: list[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that gives a tuple of entries, however many."""
    if len(keys) > 1:
        return itemgetter(*keys)
    return lambda container: tuple([container[k] for k in keys])


def putting_together(structure: Any) -> Callable[[Any], Any]:
    """A function that makes a tree of its leaves.

    Examples
    --------
    >>> _, structure = optree.tree_flatten({"b": 1.0, "a": (2.0, 3.0)})
    >>> putting_together(structure)([5, 6, 7])
    {'b': 7, 'a': (5, 6)}
    """
    make = _making(_template(structure))
    return make or (lambda leaves: optree.tree_unflatten(structure, leaves))


def _template(structure: Any) -> Any:
    """A tree whose leaves are their numbers."""
    return optree.tree_unflatten(structure, range(structure.num_leaves))


def _making(template: Any) -> Callable[[Any], Any] | None:
    kind = type(template)
    if kind is int:
        return itemgetter(template)
    if template is None:
        return lambda leaves: None
    if kind not in _CONTAINERS:
        return None
    inner = list(template.values() if kind is dict else template)
    found = [_making(part) for part in inner]
    parts = [make for make in found if make is not None]
    if len(parts) < len(found):
        return None
    keys = tuple(template) if kind is dict else ()
    if kind is dict:
        return lambda leaves: {k: make(leaves) for k, make in zip(keys, parts, strict=True)}
    return lambda leaves: kind([make(leaves) for make in parts])
