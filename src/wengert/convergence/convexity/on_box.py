"""Convexity on a box: the Hessian's entries as intervals, box by box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from wengert.backends.intervals import enclose
from wengert.derive import derivative
from wengert.errors import WengertError
from wengert.expr import Expr
from wengert.operations.intervals import Interval, point
from wengert.shapes import concrete

_MOST_PARAMETERS = 40
_MOST_BOXES = 256


@dataclass(frozen=True)
class OnBox:
    """Bounds of the Hessian's eigenvalues on a box, and of how many boxes they are.

    Attributes
    ----------
    least, largest : float
        The bounds; the least is 0 or more.
    boxes : int
        In how many parts the box was taken.
    """

    least: float
    largest: float
    boxes: int


def convex_on_box(
    root: Expr,
    leaves: Sequence[Expr],
    values: Mapping[Expr, Any],
    ranges: Mapping[Expr, Interval],
) -> OnBox | None:
    """A proof that the Hessian is positive semidefinite on a box; None if there is none.

    The eigenvalues of a symmetric matrix of intervals are within the spectral radius of its radii
    of those of its midpoint (Weyl); the box is halved along its longest edge where that is too far.
    """
    sizes = [prod(concrete(leaf.shape)) for leaf in leaves]
    if sum(sizes) > _MOST_PARAMETERS:
        return None
    try:
        blocks = [derivative(root, [a, b]) for a in leaves for b in leaves]
    except WengertError:
        return None
    constants = {leaf: point(np.asarray(v)) for leaf, v in values.items()}
    low, high = (
        np.concatenate([np.ravel(end(ranges[leaf])) for leaf in leaves]) for end in (_low, _high)
    )
    pending = [(low.astype(float), high.astype(float))]
    least, largest, taken = np.inf, -np.inf, 0
    while pending:
        a, b = pending.pop()
        taken += 1
        if taken > _MOST_BOXES:
            return None
        known = {**constants, **_boxes(leaves, sizes, a, b)}
        with np.errstate(all="ignore"):
            found = enclose([root, *blocks], known)
        if found.rough:
            return None
        ends = _eigenvalues(found.intervals[1:], sizes)
        if ends is not None and ends[0] >= 0:
            least, largest = min(least, ends[0]), max(largest, ends[1])
            continue
        k = int(np.argmax(b - a))
        middle = (a[k] + b[k]) / 2
        if not a[k] < middle < b[k]:
            return None
        left, right = b.copy(), a.copy()
        left[k] = right[k] = middle
        pending += [(a, left), (right, b)]
    return OnBox(float(least), float(largest), taken)


def _low(x: Interval) -> Any:
    return x.lower


def _high(x: Interval) -> Any:
    return x.upper


def _boxes(
    leaves: Sequence[Expr], sizes: Sequence[int], low: Any, high: Any
) -> dict[Expr, Interval]:
    starts = np.cumsum([0, *sizes])
    return {
        leaf: Interval(
            *(np.reshape(x[starts[k] : starts[k + 1]], concrete(leaf.shape)) for x in (low, high))
        )
        for k, leaf in enumerate(leaves)
    }


def _eigenvalues(blocks: Sequence[Interval], sizes: Sequence[int]) -> tuple[float, float] | None:
    """Bounds of the eigenvalues of all symmetric matrices within intervals."""
    width = len(sizes)

    def matrix(part: Any) -> Any:
        rows = [
            np.concatenate(
                [np.reshape(part(blocks[i * width + j]), (m, n)) for j, n in enumerate(sizes)], 1
            )
            for i, m in enumerate(sizes)
        ]
        return np.concatenate(rows)

    low, high = matrix(_low), matrix(_high)
    if not (np.all(np.isfinite(low)) and np.all(np.isfinite(high))):
        return None
    middle, radius = (low + high) / 2, (high - low) / 2
    middle = (middle + middle.T) / 2
    radius = np.maximum(radius, radius.T) + 8 * np.finfo(float).eps * np.abs(middle)
    values = np.linalg.eigvalsh(middle)
    reach = float(np.max(np.sum(radius, axis=1)))
    reach += 8 * len(middle) * np.finfo(float).eps * float(np.max(np.abs(values)))
    return float(values[0]) - reach, float(values[-1]) + reach
