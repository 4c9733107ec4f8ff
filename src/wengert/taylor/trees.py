"""Trees of arrays, leaf by leaf and as one vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree

Tree = Any


def leaves_of(tree: Tree) -> list[Any]:
    """The arrays of a tree."""
    return optree.tree_leaves(tree)


def mapped(f: Callable[[Any], Any], tree: Tree) -> Tree:
    """A tree of the results of a function of each array."""
    flat, structure = optree.tree_flatten(tree)
    return optree.tree_unflatten(structure, [f(leaf) for leaf in flat])


def subtracted(one: Tree, other: Tree) -> Tree:
    """The difference of two trees that are nested alike."""
    flat, structure = optree.tree_flatten(one)
    rest = leaves_of(other)
    return optree.tree_unflatten(
        structure, [np.subtract(a, b) for a, b in zip(flat, rest, strict=True)]
    )


def flattened(tree: Tree) -> Any:
    """All entries of a tree as one vector, leaf after leaf.

    >>> flattened({"a": 1.0, "b": np.ones(2)})
    array([1., 1., 1.])
    """
    return np.concatenate([np.ravel(leaf) for leaf in leaves_of(tree)])


def unflattened(flat: Any, like: Tree) -> Tree:
    """The tree whose entries are a vector's; axes in front of the vector's stay in front.

    Parameters
    ----------
    flat : ndarray
        Of shape ``(*lead, entries)``.
    like : tree of arrays
        Its nesting and the shapes of its arrays are the result's.
    """
    leaves, structure = optree.tree_flatten(like)
    lead = flat.shape[:-1]
    found: list[Any] = []
    start = 0
    for leaf in leaves:
        stop = start + int(np.size(leaf))
        found.append(flat[..., start:stop].reshape(lead + np.shape(leaf))[()])
        start = stop
    return optree.tree_unflatten(structure, found)
