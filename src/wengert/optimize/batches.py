"""Batches of rows by the number of the step alone, so that a run can be taken up anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import optree

from wengert.errors import WengertError
from wengert.optimize.sources import Arrays, Nothing, Rows, Source, count_rows

_DRAWN = 1 << 16  # row numbers that are drawn at a time, with replacement


class Batches:
    """Batches of a source, each a function of the seed and of the number of the step.

    Parameters
    ----------
    source : Source
        The rows.
    size : int
        Of a batch; the last one of an epoch is smaller if it does not come out even.
    replacement : bool
        Whether each batch is drawn from all rows; otherwise every epoch goes through all rows once,
        in a new order.
    seed : int
        Of the order.

    Notes
    -----
    Chunks of a file or a stream come in their own order; rows are shuffled within a chunk.
    """

    def __init__(self, source: Source, size: int, replacement: bool, seed: int) -> None:
        if isinstance(source, Nothing):
            raise WengertError(
                "a method that draws batches needs data: minimise a wg.EmpiricalRisk, or use a "
                "method of the whole function (GradientDescent, LBFGS, Adam(batch_size=None))"
            )
        self.source = source
        self.replacement = replacement
        self.seed = seed
        self.size = min(size, source.length)
        if isinstance(source, Arrays):
            self.per_epoch = -(-source.length // self.size)
        else:
            self.per_epoch = sum(-(-n // self.size) for n in source.sizes)
            if replacement:
                raise WengertError(
                    "replacement=True draws from all rows, which needs arrays in memory; data "
                    "that are read in chunks are shuffled within each chunk: replacement=False"
                )
        self._kept: tuple[int, Any] = (-1, None)  # the order of an epoch, or drawn numbers
        self._at = -1
        self._run: Iterator[Rows] = iter(())

    def rows(self, step: int) -> Rows:
        """The batch of a step, counted from 0."""
        if not isinstance(self.source, Arrays):
            return self._streamed(step)
        if self.replacement:
            return self.source.part(self._drawn(step))
        epoch, k = divmod(step, self.per_epoch)
        return self.source.part(self._order(epoch)[k * self.size : (k + 1) * self.size])

    def _order(self, epoch: int) -> Any:
        if self._kept[0] != epoch:
            rng = np.random.default_rng([self.seed, 2, epoch])
            self._kept = epoch, rng.permutation(self.source.length)
        return self._kept[1]

    def _drawn(self, step: int) -> Any:
        block, k = divmod(step, max(1, _DRAWN // self.size))
        if self._kept[0] != block:
            rng = np.random.default_rng([self.seed, 3, block])
            shape = max(1, _DRAWN // self.size), self.size
            self._kept = block, rng.integers(self.source.length, size=shape)
        return self._kept[1][k]

    def _streamed(self, step: int) -> Rows:
        """The next batch of a pass; another step's by a new pass."""
        epoch, k = divmod(step, self.per_epoch)
        if step != self._at or k == 0:
            self._run = self._pass(epoch)
            for _ in range(k):
                next(self._run)
        self._at = step + 1
        return next(self._run)

    def _pass(self, epoch: int) -> Iterator[Rows]:
        for number, rows in enumerate(self.source.chunks()):
            count = count_rows(rows)
            order = np.random.default_rng([self.seed, 2, epoch, number]).permutation(count)
            for k in range(0, count, self.size):
                where = order[k : k + self.size]
                yield optree.tree_map(lambda a, at=where: np.take(a, at, axis=0), rows)
