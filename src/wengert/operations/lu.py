"""The LU factorisation, which inverses, determinants and linear systems of one matrix share."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import lapack

from wengert.expr import Expr
from wengert.operations.algebra import orient
from wengert.primitive import Shared


class Factors:
    """P L U = A of a square matrix in float64 or float32, by LAPACK."""

    def __init__(self, a: Any) -> None:
        self.a = a
        self._letter = "s" if a.dtype == np.float32 else "d"
        self._lu, self._pivots, self._info = self._call("getrf", a)

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        return getattr(lapack, self._letter + name)(*arguments, **options)

    @property
    def exactly_singular(self) -> bool:
        """Is a pivot 0?"""
        return self._info > 0

    @cached_property
    def condition(self) -> float:
        """LAPACK's estimate of the condition number in the 1-norm."""
        norm = np.abs(self.a).sum(axis=0).max()
        reciprocal = float(self._call("gecon", self._lu, norm)[0])
        return np.inf if reciprocal == 0 else 1 / reciprocal

    @cached_property
    def lost(self) -> bool:
        """Is the matrix singular, or so near to that no digit of a solution is right?"""
        if self.exactly_singular:
            return True
        n = self.a.shape[-1]
        if self.condition * n * np.finfo(self.a.dtype).eps < 0.01:
            return False
        return is_numerically_singular(self.a, self.inverse())

    def inverse(self) -> Any:
        """A⁻¹, if no pivot is 0."""
        return np.ascontiguousarray(self._call("getri", self._lu, self._pivots)[0])

    def solve(self, columns: Any, *, turned: bool = False) -> Any:
        """The solution X of A X = B, or of Aᵀ X = B."""
        return self._call("getrs", self._lu, self._pivots, columns, trans=int(turned))[0]

    def sign_and_log(self) -> tuple[Any, Any]:
        """The sign of the determinant and the logarithm of its size: 0 and −∞ for 0."""
        kind = self.a.dtype.type
        if self.exactly_singular:
            return kind(0), kind(-np.inf)
        diagonal = np.diagonal(self._lu)
        swaps = np.count_nonzero(self._pivots != np.arange(len(self._pivots)))
        negative = (np.count_nonzero(diagonal < 0) + swaps) % 2
        return kind(-1 if negative else 1), kind(np.log(np.abs(diagonal)).sum())


def factorise(a: Any) -> Factors | None:
    """The factors of a matrix; None if it has no entries."""
    return Factors(a) if a.size and a.dtype in (np.float64, np.float32) else None


def shared_factors(node: Expr, evaluate: Any) -> Shared | None:
    """The factorisation of the first operand of an operation, or of its transpose.

    ``evaluate(node, factors, turned, *arrays)`` gives the value; ``factors`` is None for a matrix
    without entries.
    """
    a = node.operands[0]
    if a.ndim != 2:
        return None
    core, turned = orient(a)
    return Shared(
        factorise, (), core,
        lambda node, factors, out, *arrays: evaluate(node, factors, turned, *arrays),
    )  # fmt: skip


def is_numerically_singular(a: Any, inverse: Any) -> bool:
    """Is a matrix so ill-conditioned that its computed inverse has no right digit?

    The condition number is that of the matrix with rows, then columns, scaled to a largest entry
    of 1: units of measurement, however far apart, do not make a matrix singular.
    """
    if a.size == 0:
        return False
    eps = np.finfo(a.dtype).eps
    if np.abs(a).max() * np.abs(inverse).max() * a.shape[-1] ** 2 * eps < 1:
        return False  # no scaling is needed to see it
    rows: Any = np.max(np.abs(a), axis=-1, keepdims=True)
    scaled: Any = np.abs(a) / rows
    columns: Any = np.max(scaled, axis=-2, keepdims=True)
    back: Any = np.abs(inverse) * np.swapaxes(columns, -1, -2) * np.swapaxes(rows, -1, -2)
    norm: Any = np.max(np.sum(scaled / columns, axis=-1), axis=-1)
    condition: Any = norm * np.max(np.sum(back, axis=-1), axis=-1)
    return bool(np.any(condition * eps > 1))  # NaN compares false, and passes
