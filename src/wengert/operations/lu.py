"""The LU factorisation, which inverses, determinants and linear systems of one matrix share."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import lapack

from wengert.expr import Expr
from wengert.operations.algebra import orient
from wengert.primitive import Shared

_NAMES = ("getrf", "getrs", "getri", "gecon", "lange")
_CALLS = {
    "d": {name: getattr(lapack, "d" + name) for name in _NAMES},
    "f": {name: getattr(lapack, "s" + name) for name in _NAMES},
}


class Factors:
    """P L U = A of a square matrix in float64 or float32, by LAPACK."""

    def __init__(self, a: Any) -> None:
        self.a = a
        self._calls = _CALLS[a.dtype.char]
        self._lu, self._pivots, self._info = self._calls["getrf"](a)

    @property
    def exactly_singular(self) -> bool:
        """Is a pivot 0?"""
        return self._info > 0

    @cached_property
    def condition(self) -> float:
        """LAPACK's estimate of the condition number in the 1-norm."""
        norm = self._calls["lange"]("1", self.a)
        reciprocal = float(self._calls["gecon"](self._lu, norm)[0])
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
        return np.ascontiguousarray(self._calls["getri"](self._lu, self._pivots)[0])

    def solve(self, columns: Any, *, turned: bool = False) -> Any:
        """The solution X of A X = B, or of Aᵀ X = B."""
        return self._calls["getrs"](self._lu, self._pivots, columns, trans=int(turned))[0]

    def sign(self) -> Any:
        """The sign of the determinant; 0 if a pivot is."""
        if self.exactly_singular:
            return 0
        swaps = np.count_nonzero(self._pivots != np.arange(len(self._pivots)))
        return -1 if (np.count_nonzero(self._lu.diagonal() < 0) + swaps) % 2 else 1

    def log(self) -> Any:
        """The logarithm of the size of the determinant; −∞ if a pivot is 0."""
        return -np.inf if self.exactly_singular else np.log(np.abs(self._lu.diagonal())).sum()


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
