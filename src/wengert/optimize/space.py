"""Parameters as one vector: a pytree of arrays, leaf after leaf."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import optree

from wengert.errors import DomainError, ShapeError, UnsupportedFunctionError
from wengert.transforms.recording import shown

Vector = Any
Tree = Any


@dataclass(frozen=True, eq=False)
class Space:
    """Where vectors of parameters live: how a pytree is nested, its shapes and its precision.

    Attributes
    ----------
    structure : optree.PyTreeSpec
        The nesting.
    shapes : tuple of tuple of int
        Of the leaves.
    starts : tuple of int
        Where each leaf begins in the vector; the last entry is the vector's length.
    dtype : numpy.dtype
        float64, or float32 if all leaves are.
    """

    structure: Any
    shapes: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]
    dtype: Any

    @staticmethod
    def of(tree: Tree) -> Space:
        """The space of a pytree of real numbers.

        Raises
        ------
        UnsupportedFunctionError
            For leaves that are no real numbers.
        DomainError
            For NaN and infinity, or no parameters at all.
        """
        leaves, structure = optree.tree_flatten(tree)
        arrays = [_real(leaf) for leaf in leaves]
        shapes = tuple(a.shape for a in arrays)
        starts = np.cumsum([0, *map(prod, shapes)])
        if not starts[-1]:
            raise DomainError("theta0 has no entries: there is nothing to minimise over")
        for path, array in zip(structure.paths(), arrays, strict=True):
            if not np.all(np.isfinite(array)):
                where = "".join(f"[{key!r}]" for key in path)
                raise DomainError(f"theta0{where} has an entry that is not finite")
        return Space(structure, shapes, tuple(map(int, starts)), np.result_type(*arrays))

    @cached_property
    def _is_leaf(self) -> bool:
        return optree.treespec_is_leaf(self.structure)

    @property
    def size(self) -> int:
        """The number of parameters."""
        return self.starts[-1]

    def vector(self, tree: Tree) -> Vector:
        """A new vector of a pytree that is nested like this space's.

        Raises
        ------
        ShapeError
            If it is not.
        """
        leaves, structure = optree.tree_flatten(tree)
        shapes = tuple(np.shape(leaf) for leaf in leaves)
        if structure != self.structure or shapes != self.shapes:
            raise ShapeError(
                f"parameters nested as {shown(self.structure)} of shapes {self.shapes} are needed; "
                f"got {shown(structure)} of shapes {shapes}"
            )
        return np.array(self.joined(leaves))

    def joined(self, tree: Tree) -> Vector:
        """A vector of a pytree that is known to be nested like this space's, and is not kept."""
        if type(tree) is np.ndarray and tree.dtype == self.dtype:
            return tree.reshape(-1)
        given: Any = tree
        leaves = optree.tree_leaves(given)
        found = np.empty(self.size, self.dtype)
        for k, leaf in enumerate(leaves):
            found[self.starts[k] : self.starts[k + 1]] = np.ravel(leaf)
        return found

    def views(self, x: Vector) -> Tree:
        """The pytree of a vector, whose arrays are views of it."""
        if self._is_leaf:
            return x if len(self.shapes[0]) == 1 else x.reshape(self.shapes[0])
        if len(self.shapes) == 1:
            return optree.tree_unflatten(self.structure, [x.reshape(self.shapes[0])])
        parts = [
            x[self.starts[k] : self.starts[k + 1]].reshape(s) for k, s in enumerate(self.shapes)
        ]
        return optree.tree_unflatten(self.structure, parts)

    def tree(self, x: Vector) -> Tree:
        """The pytree of a vector, as a copy; numbers where the space has numbers."""
        return optree.tree_map(lambda leaf: leaf[()], self.views(np.array(x)))

    def matrix(self, blocks: Tree) -> Any:
        """A Hessian's nested blocks as one matrix."""
        flat = optree.tree_leaves(blocks)
        width = len(self.shapes)
        sizes = [prod(s) for s in self.shapes]
        lines = [
            np.concatenate(
                [np.reshape(flat[i * width + j], (sizes[i], sizes[j])) for j in range(width)], 1
            )
            for i in range(width)
        ]
        return lines[0] if width == 1 else np.concatenate(lines)


def _real(leaf: Any) -> Any:
    array = np.asarray(leaf)
    if array.dtype.kind in "iub":
        return array.astype(float)
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise UnsupportedFunctionError(
            f"theta0 has a leaf of dtype {array.dtype} ({type(leaf).__name__}); parameters are "
            "float64 or float32 arrays and numbers, in tuples, lists and dicts"
        )
    return array
