"""Trees of a known structure, taken apart and put together quickly.

A general library has to find out what a tree is. Here that is known; what is another tree is only
noticed. Tuples, lists, dicts and None are known; of other containers nothing is said. What takes
them apart is Python that is written for the structure, as that of a dataclass is for its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from types import CodeType, NoneType
from typing import Any

import optree

_CONTAINERS = (tuple, list, dict)


class Source:
    """A Python function that is written line by line."""

    def __init__(self, head: str) -> None:
        self._lines = [head]
        self._names: dict[str, Any] = {}

    def line(self, text: str, depth: int = 1) -> None:
        """One more line, indented so often."""
        self._lines.append(" " * depth + text)

    def name(self, value: Any) -> str:
        """What the function may call an object."""
        self._names[name := f"v{len(self._names)}"] = value
        return name

    def key(self, value: Any) -> str:
        """The same of a key: texts as they are."""
        return repr(value) if type(value) is str else self.name(value)

    def function(self) -> Callable[..., Any]:
        """What was written."""
        space = dict(self._names)
        exec(_code("\n".join(self._lines)), space)
        return space["f"]


@lru_cache(maxsize=256)
def _code(text: str) -> CodeType:
    return compile(text, "<wengert>", "exec")


def template(structure: Any) -> Any:
    """A tree whose leaves are their numbers."""
    return optree.tree_unflatten(structure, range(structure.num_leaves))


# ---------------------------------------------------------------- apart


def read_trees(
    source: Source, trees: Iterable[tuple[Any, str]], otherwise: str
) -> list[str] | None:
    """Write what looks whether things are trees of a structure, in a ``try``.

    Parameters
    ----------
    trees : iterable of (tree, str)
        Trees whose leaves are all numbers from 0 on, and the text of the thing for each.
    otherwise : str
        What is done if one is another tree. A key that is not there raises a KeyError.

    Returns
    -------
    list of str or None
        What the leaves are called, in the order of their numbers; None if the structure has other
        containers.
    """
    parts = list(trees)  # then the parts of these in turn
    leaves: dict[int, str] = {}
    for part, where in parts:  # which grows
        kind = type(part)
        if kind is int:
            leaves[part] = where
        elif kind is NoneType:
            source.line(f"if {where} is not None: {otherwise}", 2)
        elif kind in _CONTAINERS:
            name = where if where.isidentifier() else f"t{len(parts)}"
            if name != where:
                source.line(f"{name} = {where}", 2)
            source.line(
                f"if type({name}) is not {kind.__name__} or len({name}) != {len(part)}: "
                f"{otherwise}", 2,
            )  # fmt: skip
            pairs = part.items() if kind is dict else enumerate(part)
            parts += [
                (child, f"{name}[{key if kind is not dict else source.key(key)}]")
                for key, child in pairs
            ]
        else:
            return None
    return [leaves[k] for k in range(len(leaves))]


def in_tuple(parts: Sequence[str]) -> str:
    """The text of a tuple."""
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


# ---------------------------------------------------------------- together


def putting_together(structure: Any) -> Callable[[Any], Any]:
    """A function that makes a tree of its leaves.

    Examples
    --------
    >>> _, structure = optree.tree_flatten({"b": 1.0, "a": (2.0, 3.0)})
    >>> putting_together(structure)([5, 6, 7])
    {'b': 7, 'a': (5, 6)}
    """
    source = Source("def f(leaves):")
    source.line(f"return {made_tree(source, structure, 'leaves')}")
    return source.function()


def written(structure: Any) -> Any:
    """A structure as JSON can write it; leaves are their numbers.

    Raises
    ------
    ValueError
        If there are other containers than tuples, lists and dicts with texts as keys.

    Examples
    --------
    >>> _, structure = optree.tree_flatten({"b": 1.0, "a": (2.0, None)})
    >>> written(structure)
    ['dict', [['b', 1], ['a', ['tuple', [0, None]]]]]
    >>> read(written(structure)) == structure
    True
    """
    return _written(template(structure))


def _written(part: Any) -> Any:
    kind = type(part)
    if kind is dict and all(type(key) is str for key in part):
        return ["dict", [[key, _written(inner)] for key, inner in part.items()]]
    if kind in (tuple, list):
        return [kind.__name__, [_written(inner) for inner in part]]
    if part is None or kind is int:
        return part
    raise ValueError(f"a container of type {kind.__name__}")


def read(text: Any) -> Any:
    """The structure that was written."""
    return optree.tree_structure(_read(text))


def _read(text: Any) -> Any:
    if text is None or isinstance(text, int):
        return text
    kind, parts = text
    if kind == "dict":
        return {key: _read(inner) for key, inner in parts}
    return (tuple if kind == "tuple" else list)(map(_read, parts))


def made_tree(source: Source, structure: Any, leaves: str) -> str:
    """What makes a tree of its leaves: the text of an expression."""
    found = _made(source, template(structure), leaves)
    if found is None:
        make = source.name(optree.tree_unflatten)
        return f"{make}({source.name(structure)}, {leaves})"
    return found


def _made(source: Source, tree: Any, leaves: str) -> str | None:
    kind = type(tree)
    if kind is int:
        return f"{leaves}[{tree}]"
    if tree is None:
        return "None"
    if kind not in _CONTAINERS:
        return None
    inner = [_made(source, part, leaves) for part in (tree.values() if kind is dict else tree)]
    parts = [part for part in inner if part is not None]
    if len(parts) < len(inner):
        return None
    if kind is dict:
        keys = map(source.key, tree)
        return f"{{{', '.join(f'{k}: {p}' for k, p in zip(keys, parts, strict=True))}}}"
    return in_tuple(parts) if kind is tuple else f"[{', '.join(parts)}]"
