"""Low rank added to what is solved with cheaply."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from wengert.structured import assembly
from wengert.structured.factors.base import Factorization, Product, singular_at
from wengert.structured.factors.condition import tiny
from wengert.structured.factors.dense import DenseFactors
from wengert.structured.layout import Layout, Term

LOST = 1e-6  # the share of a solution that rounding may take: beyond it, another method


def refined(solve: Product, product: Product, b: Any, lost: float) -> Any:
    """Solutions corrected by those of their residuals until the share ``lost`` is made good."""
    x = solve(b)
    share = lost
    while share > 10 * np.finfo(b.dtype).eps:
        x = x + solve(b - product(x))
        share *= lost
    return x


class Woodbury(Factorization):
    """D + U Vᵀ: (D + UVᵀ)⁻¹ = D⁻¹ − D⁻¹U (I + VᵀD⁻¹U)⁻¹ VᵀD⁻¹, and the determinant lemma."""

    def __init__(
        self,
        base: Factorization,
        layout: Layout,
        terms: Sequence[Term],
        values: Sequence[Any],
        product: Product,
    ) -> None:
        self.method = f"Woodbury on {base.method}"
        self.base = base
        self.product = product
        pairs = [_sides(layout, t, values) for t in terms]
        self.left = np.concatenate([u for u, _ in pairs], axis=1)
        self.right = np.concatenate([v for _, v in pairs], axis=1)
        self.solved = base.solve(self.left)
        added = self.right.T @ self.solved
        small = np.eye(len(added), dtype=added.dtype) + added
        size = 1.0 + float(np.max(np.abs(added), initial=0.0))
        self.lost = float(np.finfo(added.dtype).eps) * size
        if not self.accurate:
            return
        self._check(small, size, layout)
        self.small = DenseFactors(small, lambda entry=None: "the low-rank part")

    @property
    def accurate(self) -> bool:
        """Is what the two parts of a solution leave of each other more than rounding?"""
        return not self.lost > LOST

    def _check(self, small: Any, size: float, layout: Layout) -> None:
        """If I + VᵀD⁻¹U has the null vector z, the array has D⁻¹Uz."""
        if not np.all(np.isfinite(small)):
            return  # DenseFactors says so
        _, values, right = np.linalg.svd(small)
        if len(values) and values[-1] <= tiny(small) * size:
            entry = int(np.argmax(np.abs(self.solved @ right[-1])))
            index = tuple(int(i) for i in np.unravel_index(entry, layout.column_shape))
            raise singular_at(
                index,
                "the array is singular: the low-rank part takes away what the rest has; its null "
                f"direction is largest at index {index}; add a multiple of the identity",
            )

    def solve(self, b: Any) -> Any:
        return refined(self._solve_once, self.product, b, self.lost)

    def _solve_once(self, b: Any) -> Any:
        first = self.base.solve(b)
        return first - self.solved @ self.small.solve(self.right.T @ first)

    def slogdet(self) -> tuple[float, float]:
        (s, one), (t, other) = self.base.slogdet(), self.small.slogdet()
        return s * t, one + other


def _sides(layout: Layout, term: Term, values: Sequence[Any]) -> tuple[Any, Any]:
    """A low-rank term as U and V of shapes (rows, r) and (columns, r)."""
    cut = len(layout.row_shape)
    rank = term.rank_labels
    row_labels = {x for p in term.places[:cut] for x in p.labels}

    def side(start: int, stop: int, cores: list[tuple[int, Any]]) -> Any:
        places, tables = term.places[start:stop], term.tables[start:stop]
        labels = tuple(dict.fromkeys([*(x for p in places for x in p.labels), *rank]))
        ranks = tuple(type(places[0])((x,)) for x in rank)
        sizes = tuple(term.sizes[x] for x in rank)
        inner = Term(
            tuple(cores), term.sizes, labels, (*places, *ranks), (*tables, *(None for _ in rank)),
            (*term.shape[start:stop], *sizes),
        )  # fmt: skip
        return assembly.dense(inner.shape, (inner,), values, np.result_type(*values)).reshape(
            prod(term.shape[start:stop]), prod(sizes)
        )

    left = [(k, axes) for k, axes in term.cores if set(axes) & row_labels]
    right = [(k, axes) for k, axes in term.cores if not set(axes) & row_labels]
    return side(0, cut, left), side(cut, len(layout.shape), right)
