"""Enclosures of functions of matrices: inverses, solutions, determinants, eigenvalues.

An inverse is verified: with R near the inverse of the midpoint, E = I − RA has a norm below 1, and
A⁻¹ = R + ER + E²R + ... (Rump 2010, Verification methods, section 10). Determinants go by
elimination on intervals, in the order of rows that suits the midpoint. Eigenvalues and singular
values move by no more than the norm of what is added (Weyl).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from wengert.expr import Expr
from wengert.operations.enclosing import Enclosure, blanked, whole_of
from wengert.operations.intervals import (
    EPS,
    Array,
    Interval,
    down,
    minus,
    multiplied,
    raised,
    summed,
    times,
    up,
    widened,
)

_ELIMINATED = 64  # rows of a matrix whose determinant is enclosed
_READ: dict[str, tuple[Any, bool]] = {  # what a solver reads, and whether its diagonal is one
    "general": (np.asarray, False),
    "lower": (np.tril, False),
    "upper": (np.triu, False),
    "unit lower": (np.tril, True),
    "unit upper": (np.triu, True),
}


def enclosed_inverse(node: Expr, a: Interval) -> Interval:
    """A⁻¹; NaN where a singular matrix cannot be excluded."""
    middle, radius = a.middle()
    n = middle.shape[-1]
    if not n:
        return a
    with np.errstate(all="ignore"):
        near = _near_inverse(middle)
        size = np.abs(near)
        product = near @ middle
        rounding = (2 * n + 4) * EPS
        off = np.abs(np.eye(n) - product) + size @ radius
        off = up(off + rounding * (size @ (np.abs(middle) + radius) + 1))
        norm = up(off.sum(axis=-1).max(axis=-1) * (1 + rounding))[..., None, None]
        first = up((off @ size) * (1 + rounding))
        rest = up(norm / (1 - norm) * first.max(axis=-2, keepdims=True) * (1 + rounding))
        reach = up(first + rest)
        found = Interval(down(near - reach), up(near + reach))
    return blanked(found, ~(norm < 1))


def _near_inverse(a: Array) -> Array:
    """The inverse as it is computed; NaN for matrices that have none."""
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return np.full(a.shape, np.nan)


def enclosed_solution(node: Expr, a: Interval, b: Interval) -> Interval:
    """A⁻¹ b for the matrices that are read, on trailing axes; b may have more in front."""
    kind = node.params[0]
    if kind not in _READ:
        return whole_of(node)
    part, unit = _READ[kind]
    ends = [part(x) for x in (a.lower, a.upper)]
    if unit:
        ones = np.eye(ends[0].shape[-1])
        ends = [x * (1 - ones) + ones for x in ends]
    inverse = enclosed_inverse(node, Interval(*ends))
    row = Interval(b.lower[..., None, :], b.upper[..., None, :])
    return summed(times(inverse, row), (-1,))


def enclosed_determinant(node: Expr, a: Interval) -> Interval:
    """det(A), by elimination on intervals."""
    n, lead = a.lower.shape[-1], a.lower.shape[:-2]
    if n > _ELIMINATED:
        return whole_of(node)
    lower, upper = np.empty(lead), np.empty(lead)
    for index in np.ndindex(lead):
        found = _determinant(Interval(a.lower[index], a.upper[index]))
        lower[index], upper[index] = found.lower, found.upper
    return Interval(lower, upper)


def _determinant(a: Interval) -> Interval:
    n = a.lower.shape[-1]
    middle, _ = a.middle()
    if not np.isfinite(middle).all():
        return Interval(np.float64(np.nan), np.float64(np.nan))
    order, sign = _rows(middle)
    left = Interval(a.lower[order], a.upper[order])
    pivots: list[Interval] = []
    for _ in range(n):
        pivot = Interval(left.lower[0, 0], left.upper[0, 0])
        pivots.append(pivot)
        if len(pivots) == n:
            break
        column = Interval(left.lower[1:, :1], left.upper[1:, :1])
        row = Interval(left.lower[:1, 1:], left.upper[:1, 1:])
        below = Interval(left.lower[1:, 1:], left.upper[1:, 1:])
        left = minus(below, times(times(column, raised(pivot, -1)), row))
    stacked = Interval(
        np.array([sign, *(p.lower for p in pivots)]), np.array([sign, *(p.upper for p in pivots)])
    )
    return multiplied(stacked, 0)


def _rows(a: Array) -> tuple[Array, float]:
    """The order of rows that elimination with pivots takes, and its sign."""
    n = a.shape[-1]
    order = np.arange(n)
    if not n:
        return order, 1.0
    swaps: Any = linalg.lu_factor(a, check_finite=False)[1] if np.any(a) else order
    sign = 1.0
    for k, swap in enumerate(swaps):
        if k != swap:
            order[[k, swap]] = order[[swap, k]]
            sign = -sign
    return order, sign


def by_determinant(read: Enclosure) -> Enclosure:
    """A function of the determinant."""
    return lambda node, a: read(node, enclosed_determinant(node, a))


def log_of_positive(node: Expr, d: Interval) -> Interval:
    """The logarithm; NaN unless the determinant is positive."""
    with np.errstate(all="ignore"):
        found = widened(np.log(d.lower), np.log(d.upper), 4 * EPS)
    return blanked(found, ~(d.lower > 0))


def log_of_size(node: Expr, d: Interval) -> Interval:
    """The logarithm of the absolute value; NaN if the determinant may be 0."""
    return log_of_positive(node, Interval(d.least_magnitude, d.magnitude))


def sign_of(node: Expr, d: Interval) -> Interval:
    """−1, 0 or 1."""
    return Interval(np.sign(d.lower), np.sign(d.upper))


def enclosed_adjugate(node: Expr, a: Interval) -> Interval:
    """det(A) A⁻¹."""
    d = enclosed_determinant(node, a)
    spread = Interval(d.lower[..., None, None], d.upper[..., None, None])
    return times(spread, enclosed_inverse(node, a))


def enclosed_eigenvalues(node: Expr, a: Interval) -> Interval:
    """Of symmetric matrices, whose lower triangles are read, in ascending order."""
    middle, radius = a.middle()
    symmetric = np.tril(radius) + np.swapaxes(np.tril(radius, -1), -1, -2)
    return _moved_by(np.linalg.eigvalsh, middle, symmetric.sum(axis=-1).max(axis=-1, initial=0.0))


def enclosed_singular_values(node: Expr, a: Interval) -> Interval:
    """In descending order."""
    middle, radius = a.middle()
    found = _moved_by(
        lambda x: np.linalg.svd(x, compute_uv=False), middle, np.sqrt((radius**2).sum((-1, -2)))
    )
    return Interval(np.maximum(found.lower, 0), found.upper)


def _moved_by(values: Any, middle: Array, reach: Array) -> Interval:
    """Values of the midpoint, moved by a norm, and by LAPACK's errors: ulps of the matrix's."""
    if not np.isfinite(middle).all():
        shape = values(np.zeros_like(middle)).shape
        return Interval(np.full(shape, np.nan), np.full(shape, np.nan))
    found = values(middle)
    n = max(middle.shape[-2:], default=0)
    size = np.sqrt((middle**2).sum((-1, -2)))
    total = up(reach * (1 + n * EPS) + 16 * (n + 1) * EPS * size)[..., None]
    return Interval(down(found - total), up(found + total))
