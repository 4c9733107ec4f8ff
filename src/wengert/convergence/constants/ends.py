"""The ends of a Hessian's spectrum, and how sure they are.

Source: Kuczyński and Woźniakowski, Estimating the largest eigenvalue by the power and Lanczos
algorithms with a random start (1992), theorem 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np

from wengert.optimize.krylov import Extremes, extremes
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector

DENSE = 1500  # parameters up to which all eigenvalues are computed
_RISK = 1e-9  # the probability with which the upper end is above what is said
_PRODUCTS = 150
_HELD = 5 * 10**7  # numbers in the vectors that Lanczos' method keeps


@dataclass(frozen=True, eq=False)
class Ends:
    """The smallest and the largest eigenvalue of a symmetric matrix.

    Attributes
    ----------
    low, high : float
        The eigenvalues; by Lanczos' method ``low`` is never below the smallest one.
    error : float
        What rounding may change, of all eigenvalues; by Lanczos' method, of ``high``.
    values : ndarray or None
        All eigenvalues, if they were computed.
    ceiling : float
        A bound on the largest eigenvalue of a positive semidefinite matrix.
    """

    low: float
    high: float
    error: float
    values: Any
    ceiling: float

    @property
    def dense(self) -> bool:
        """Were all eigenvalues computed?"""
        return self.values is not None

    @property
    def how(self) -> str:
        """A clause."""
        return "all eigenvalues" if self.dense else "Lanczos' method"

    @property
    def finite(self) -> bool:
        """Are they numbers?"""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def smallest_positive(self) -> float:
        """The smallest eigenvalue that is not zero but for rounding."""
        assert self.values is not None
        above = self.values[self.values > self.error]
        return float(above[0]) if len(above) else 0.0


def ends_of(problem: Problem, x: Vector, dense: int = DENSE) -> Ends:
    """The ends of a problem's Hessian's spectrum at a point.

    Parameters
    ----------
    problem : Problem
        The function.
    x : ndarray
        The point.
    dense : int
        Parameters up to which the Hessian is written out.

    Examples
    --------
    >>> from wengert.optimize import problem_of
    >>> problem = problem_of(lambda x: x[0] ** 2 + 3 * x[1] ** 2, np.zeros(2))
    >>> found = ends_of(problem, np.zeros(2))
    >>> round(found.low, 9), round(found.high, 9)
    (2.0, 6.0)
    """
    size = problem.space.size
    if size > dense:
        most = max(20, min(_PRODUCTS, _HELD // size))
        found = extremes(problem.product(x), size, problem.seed, most, 0.0)
        ceiling = _ceiling(found, size, found.products < most)
        return Ends(found.smallest, found.largest, found.error, None, ceiling)
    matrix = np.asarray(problem.hessian(x), float)
    if not np.all(np.isfinite(matrix)):
        nan = float("nan")
        return Ends(nan, nan, nan, None, nan)
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    eps = float(np.finfo(problem.space.dtype).eps)
    error = 4 * sqrt(size) * eps * float(np.max(np.abs(values)))
    return Ends(float(values[0]), float(values[-1]), error, values, float(values[-1]) + error)


def _ceiling(found: Extremes, size: int, exhausted: bool) -> float:
    """What the largest eigenvalue exceeds with probability 10⁻⁹ at most.

    Where the vectors span all that there is to span, the eigenvalues are those of the matrix.
    """
    if exhausted:
        return found.largest * (1 + 1e-9) + found.error
    root = log(1.648 * sqrt(size) / _RISK) / (2 * found.products - 1)
    return found.largest / (1 - root**2) if root < 1 else float("inf")
