"""Products of matrices on axes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from wengert.structured.factors.base import Factorization
from wengert.structured.factors.dense import DenseFactors
from wengert.structured.layout import Layout, Term

Part = tuple[int, tuple[int, ...], tuple[int, ...]]  # a stored array, its row and column axes


def kronecker_parts(term: Term, cut: int) -> list[Part] | None:
    """Each stored array with the row and column axes it maps between; None if it is no product."""
    if len(term.cores) < 2 or not all(place.plain for place in term.places):
        return None
    axis_of: dict[int, list[int]] = {}
    for axis, place in enumerate(term.places):
        axis_of.setdefault(place.labels[0], []).append(axis)
    parts: list[Part] = []
    for k, labels in term.cores:
        if any(x not in axis_of or len(axis_of[x]) != 1 for x in labels):
            return None
        axes = [axis_of[x][0] for x in labels]
        rows, columns = tuple(a for a in axes if a < cut), tuple(a for a in axes if a >= cut)
        if prod(term.shape[a] for a in rows) != prod(term.shape[a] for a in columns):
            return None
        parts.append((k, rows, columns))
    loose = [axes for x, axes in axis_of.items() if not any(x in own for _, own in term.cores)]
    if any(len(axes) != 2 or axes[0] >= cut or axes[1] < cut for axes in loose):
        return None
    return parts


class Kronecker(Factorization):
    """A product of matrices on axes of their own, and of identities: one solve for each."""

    def __init__(
        self, layout: Layout, term: Term, parts: list[Part], values: Sequence[Any]
    ) -> None:
        self.method = "Kronecker"
        self.layout = layout
        self.cut = len(layout.row_shape)
        self.parts: list[tuple[DenseFactors, tuple[int, ...], tuple[int, ...]]] = []
        labels_of = dict(term.cores)
        self.paired = {
            axes[0]: axes[1]
            for x in term.labels
            if len(axes := [a for a, p in enumerate(term.places) if p.labels == (x,)]) == 2
        }
        for k, rows, columns in parts:
            matrix = matrix_of(term, labels_of[k], rows, columns, values[k])
            self.parts.append((DenseFactors(matrix, _axes_namer(rows)), rows, columns))

    def solve(self, b: Any) -> Any:
        m = b.shape[1]
        axes: list[int] = [*range(self.cut), -1]  # what each axis of x stands for
        x = b.reshape((*self.layout.row_shape, m))
        for factors, rows, columns in self.parts:
            at = [axes.index(a) for a in rows]
            others = [k for k in range(x.ndim) if k not in at]
            moved = np.transpose(x, (*at, *others))
            rest = moved.shape[len(at) :]
            n = prod(moved.shape[: len(at)])
            solved = factors.solve(moved.reshape(n, -1))
            x = solved.reshape((*(self.layout.shape[a] for a in columns), *rest))
            axes = [*columns, *(axes[k] for k in others)]
        axes = [self.paired.get(a, a) for a in axes]
        order = [axes.index(a) for a in (*range(self.cut, len(self.layout.shape)), -1)]
        return np.transpose(x, order).reshape(len(b), m)

    def slogdet(self) -> tuple[float, float]:
        n = prod(self.layout.row_shape)
        sign, log = sign_of_permutation(self._permutation()), 0.0
        for factors, rows, _ in self.parts:
            own = prod(self.layout.shape[a] for a in rows)
            s, part = factors.slogdet()
            sign *= s ** (n // own)
            log += part * (n // own)
        return sign, log

    def _permutation(self) -> Any:
        """Where the entries go if all matrices are identities."""
        axes: list[int] = list(range(self.cut))
        index = np.arange(prod(self.layout.row_shape)).reshape(self.layout.row_shape)
        for _, rows, columns in self.parts:
            at = [axes.index(a) for a in rows]
            others = [k for k in range(index.ndim) if k not in at]
            moved = np.transpose(index, (*at, *others))
            index = moved.reshape(
                (*(self.layout.shape[a] for a in columns), *moved.shape[len(at) :])
            )
            axes = [*columns, *(axes[k] for k in others)]
        axes = [self.paired.get(a, a) for a in axes]
        order = [axes.index(a) for a in range(self.cut, len(self.layout.shape))]
        return np.transpose(index, order).ravel()


def matrix_of(
    term: Term, labels: Sequence[int], rows: Sequence[int], columns: Sequence[int], array: Any
) -> Any:
    """A stored array as the matrix from its column axes to its row axes."""
    axis_of = {p.labels[0]: a for a, p in enumerate(term.places)}
    own = [axis_of[x] for x in labels]
    order = [own.index(a) for a in (*rows, *columns)]
    n = prod(term.shape[a] for a in rows)
    return np.transpose(array, order).reshape(n, n)


def _axes_namer(rows: Sequence[int]) -> Any:
    def where(entry: int | None = None) -> str:
        if entry is None:
            return f"the factor on axes {tuple(rows)}"
        return f"place {entry} of it"

    return where


def sign_of_permutation(permutation: Any) -> float:
    """1 for an even number of exchanges, −1 for an odd one."""
    seen = np.zeros(len(permutation), bool)
    sign = 1.0
    for start in range(len(permutation)):
        length, k = 0, start
        while not seen[k]:
            seen[k] = True
            k = int(permutation[k])
            length += 1
        if length and length % 2 == 0:
            sign = -sign
    return sign
