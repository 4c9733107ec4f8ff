"""Models that are affine in their parameters, row by row: what bounds on their losses are made of.

The prediction for row i is Aᵢθ + bᵢ. With a loss whose second derivative is at most c, the Hessian
of the mean loss is at most c·(1/n) Σ AᵢᵀAᵢ, and that of one row's loss c·AᵢᵀAᵢ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod, sqrt
from typing import Any

import numpy as np

from wengert.convergence.constants.degrees import is_polynomial
from wengert.convergence.constants.ends import Ends, ends_of
from wengert.derive import jacobians
from wengert.expr import Expr
from wengert.operations import add, contract
from wengert.optimize.losses import Loss
from wengert.optimize.problem import Compiling, Derivatives, Problem
from wengert.optimize.risk import EmpiricalRisk
from wengert.optimize.sources import Arrays
from wengert.optimize.space import Vector
from wengert.rewrite import recognise
from wengert.shapes import concrete
from wengert.transforms.recording import record

_CACHED = 128
_MOST = 10**7  # numbers in the products of rows that are held at a time
_FEW = 64  # outputs up to which eigenvalues are computed row by row

Array = Any


@dataclass(frozen=True, eq=False)
class AffineModel:
    """A risk of a named loss whose predictions are affine in the parameters.

    Attributes
    ----------
    problem : Problem
        Of the risk.
    risk : EmpiricalRisk
        The risk.
    loss : Loss
        Its loss, by name.
    outputs : int
        Numbers that are predicted for a row.
    """

    problem: Problem
    risk: EmpiricalRisk
    loss: Loss
    outputs: int

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.risk.samples

    @cached_property
    def gram(self) -> Ends:
        """The ends of the spectrum of (1/n) Σ AᵢᵀAᵢ."""
        risk = self.risk

        def square(theta: Any, x: Any, *targets: Any) -> Any:
            prediction = risk.predictions_of(theta, x)
            return 0.5 * np.sum(prediction**2) / prediction.shape[0]

        p = self.problem
        zero = np.zeros(p.space.size, p.space.dtype)
        quadratic = Problem(Derivatives(square), p.space.tree(zero), p.source, p.seed)
        return ends_of(quadratic, zero)

    @cached_property
    def squares(self) -> Array:
        """The largest eigenvalue of AᵢᵀAᵢ, by row (a bound on it, for many outputs)."""
        theta = self.problem.space.tree(np.zeros(self.problem.space.size, self.problem.space.dtype))
        gram = Compiling(row_grams(self.risk.predictions_of))
        most = max(1, _MOST // self.outputs**2)
        parts: list[Any] = []
        for rows in self.problem.source.chunks():
            slices = Arrays(rows, most).chunks()
            parts += [_largest(np.asarray(gram(theta, part[0]), float)) for part in slices]
        return np.maximum(np.concatenate(parts), 0.0)

    def mean_power(self, power: int) -> float:
        """The mean of ‖Aᵢ‖ to a power over the rows."""
        return float(np.sum(self.squares ** (power / 2))) / self.rows

    @cached_property
    def homogeneous(self) -> bool:
        """Are all predictions 0 for θ = 0, so that cθ predicts c times what θ does?"""
        p = self.problem
        theta = p.space.tree(np.zeros(p.space.size, p.space.dtype))
        return not any(np.any(self.risk.predictions(theta, r[0])) for r in p.source.chunks())

    @property
    def largest(self) -> float:
        """The largest ‖Aᵢ‖."""
        return sqrt(float(np.max(self.squares)))

    @property
    def slope(self) -> float | None:
        """A bound on the norm of a row's loss's gradient in the prediction."""
        if self.loss.slope is None:
            return None
        return self.loss.slope * (1.0 if self.loss.joint else sqrt(self.outputs))

    @cached_property
    def deficient(self) -> bool:
        """Is there a direction in which no prediction changes?"""
        size = self.problem.space.size
        if self.rows * self.outputs < size:
            return True
        return self.gram.dense and self.gram.low <= self.gram.error


def affine_model(problem: Problem, x: Vector) -> AffineModel | None:
    """The problem's model, if it is affine under a named loss.

    Parameters
    ----------
    problem : Problem
        Any problem.
    x : ndarray
        Parameters.
    """
    risk = problem.origin
    if not isinstance(risk, EmpiricalRisk) or risk.named is None:
        return None
    theta = problem.space.tree(x)
    outputs = 1
    for rows in problem.source.chunks():
        given = rows[0]
        if not is_polynomial(lambda t, a=given: risk.predictions_of(t, a), theta, 1):
            return None
        outputs = prod(np.shape(risk.predictions(theta, given))[1:])
    return AffineModel(problem, risk, risk.named, outputs)


def row_grams(predict: Callable[..., Any]) -> Callable[..., Any]:
    """AᵢAᵢᵀ of each row, where Aᵢ is the Jacobian of its prediction.

    Parameters
    ----------
    predict : callable
        ``predict(theta, x)``, an array whose first axis is the row.

    Returns
    -------
    callable
        With the same arguments; gives an array of shape ``(rows, outputs, outputs)``.

    Examples
    --------
    >>> x = np.array([[3.0, 4.0], [1.0, 0.0]])
    >>> row_grams(lambda theta, x: x @ theta)(np.zeros(2), x).tolist()
    [[[25.0]], [[1.0]]]
    """

    def function(*args: Any) -> Any:
        recorded = record(predict, args, {}, 0, name="constants")
        (expr,) = _row_grams(recorded.roots[0], recorded.leaves)
        found = recorded.finish([expr], recorded.dtypes)[0]
        rows, *rest = concrete(recorded.roots[0].shape)
        return np.reshape(found, (rows, prod(rest), prod(rest)))

    return function


@lru_cache(maxsize=_CACHED)
def _row_grams(root: Expr, leaves: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Contractions, so that zeros and deltas of the Jacobian are never written out."""
    terms: list[Expr] = []
    (blocks,) = jacobians([recognise(root)], leaves, "auto")
    width = root.ndim - 1
    left, right = tuple(range(1, 1 + width)), tuple(range(1 + width, 1 + 2 * width))
    for leaf, block in zip(leaves, blocks, strict=True):
        own = tuple(range(1 + 2 * width, 1 + 2 * width + leaf.ndim))
        labels = [(0, *left, *own), (0, *right, *own)]
        terms.append(contract([block, block], labels, (0, *left, *right)))
    return (add(terms),)


def _largest(matrices: Any) -> Any:
    """The largest eigenvalue of each; of large ones the largest sum of a row, which is above it."""
    size = matrices.shape[-1]
    if size == 1:
        return matrices[:, 0, 0]
    if size > _FEW:
        return np.max(np.sum(np.abs(matrices), axis=2), axis=1)
    return np.linalg.eigvalsh(matrices)[:, -1]
