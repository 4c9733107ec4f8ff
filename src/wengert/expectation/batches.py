"""A function of the inputs at many points: batched where the function allows it, else in a loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
import optree

from wengert.errors import DomainError, WengertError
from wengert.expectation.inputs import Inputs
from wengert.transforms import compile as compiled
from wengert.transforms import vmap

_ENTRIES = 2**20  # of the inputs in one chunk
_MOST_ROWS = 2**14


class Batches:
    """Evaluates a function of a vector at rows, in chunks of bounded memory.

    Parameters
    ----------
    inputs : Inputs
        With the function.

    Attributes
    ----------
    batched : bool
        Whether the function runs on many rows at once; known after the first call.
    """

    def __init__(self, inputs: Inputs) -> None:
        self._function = inputs.function
        self._mean = inputs.mean
        self._program = compiled(vmap(inputs.function))
        self.batched = True
        self.rows = int(np.clip(_ENTRIES // max(inputs.size, 1), 1, _MOST_ROWS))

    def __call__(self, points: Any) -> Any:
        """Values at all rows, of shape ``(rows, m)``; NaN where the function is not defined."""
        chunks = [self.chunk(part) for part in self.parts(points)]
        return np.concatenate(chunks)

    @cached_property
    def _width(self) -> int:
        return _flattened(self._function(self._mean), 1).shape[1]

    def parts(self, points: Any) -> Iterator[Any]:
        """The rows by chunks."""
        for start in range(0, len(points), self.rows):
            yield points[start : start + self.rows]

    def chunk(self, points: Any) -> Any:
        """Values at the rows of one chunk."""
        with np.errstate(all="ignore"):
            if self.batched:
                try:
                    return _flattened(self._program(points), len(points))
                except (WengertError, TypeError, ValueError):
                    self.batched = False  # it branches on values, say; one by one, it may run
            return self._one_by_one(points)

    def _one_by_one(self, points: Any) -> Any:
        found = np.full((len(points), self._width), np.nan)
        for k, point in enumerate(points):
            with suppress(DomainError, ArithmeticError, np.linalg.LinAlgError):
                found[k] = _flattened(self._function(point), 1)
        return found


def _flattened(result: Any, rows: int) -> Any:
    leaves = optree.tree_leaves(result)
    return np.concatenate([np.reshape(np.asarray(a, float), (rows, -1)) for a in leaves], axis=1)
