"""The noise of a batch's gradient: its variance along eigenvectors, and how it grows off the mean.

Without replacement and with it, the variance of a batch's mean is that of one row times a factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from wengert.convergence.forecasts.local import Local
from wengert.convergence.forecasts.metered import Metered
from wengert.optimize.krylov import lanczos
from wengert.optimize.space import Vector

_MOST = 20_000_000  # entries of rows' gradients at a time
_ROWS = 4000  # rows that noise is estimated from
_FEW = 500  # rows that its growth is estimated from
_PROBES = 4
_PRODUCTS = 20


class RowGradients:
    """The gradients of single rows of an empirical risk, of a sample of rows if there are many.

    Parameters
    ----------
    problem : Metered
        With a risk as its origin.
    """

    def __init__(self, problem: Metered) -> None:
        self.problem = problem
        self.risk = problem.origin
        n = problem.source.length
        self.most = min(_ROWS, max(1, _MOST // problem.space.size))
        rng = np.random.default_rng([problem.seed, 5])
        indexed = hasattr(problem.source, "part")
        self.rows = rng.permutation(n)[: self.most] if indexed and n > self.most else None

    def __call__(self, x: Vector, few: bool = False) -> Any:
        """Of shape (rows, d), without the regulariser."""
        rows = self.rows
        if few and self.problem.source.length > _FEW and hasattr(self.problem.source, "part"):
            rows = np.arange(self.problem.source.length) if rows is None else rows
            rows = rows[np.linspace(0, len(rows) - 1, _FEW).astype(int)]
        tree = self.risk.per_sample_gradients(self.problem.space.views(x), rows)
        leaves = [np.reshape(leaf, (len(leaf), -1)) for leaf in optree.tree_leaves(tree)]
        found = np.concatenate(leaves, 1)
        self.problem.charge(2 * len(found) / self.problem.source.length)
        return found


@dataclass(frozen=True, eq=False)
class BatchNoise:
    """Variances of one row's gradient, by eigenvalue.

    Attributes
    ----------
    values : ndarray of shape (k,)
        Eigenvalues.
    least : ndarray of shape (k,)
        The variances at the minimum.
    growth : ndarray of shape (k, k)
        What a unit of second moment in one direction adds to the variance in another.
    rows : RowGradients
        For other points.
    vectors : ndarray of shape (d, k) or None
        Where the eigenvalues' vectors are known; otherwise the noise elsewhere is the same but for
        a factor.
    """

    values: Any
    least: Any
    growth: Any
    rows: RowGradients
    vectors: Any = None

    def at(self, x: Vector) -> Any:
        """The variances at a point."""
        found = self.rows(x)
        if self.vectors is not None:
            return np.var(found @ self.vectors, axis=0)
        whole = float(np.sum(self.least))
        return self.least * (np.sum(np.var(found, axis=0)) / whole if whole else 1.0)


def batch_noise(problem: Metered, local: Local) -> BatchNoise:
    """The noise around a minimum.

    Parameters
    ----------
    problem : Metered
        An empirical risk's.
    local : Local
        Its model at the minimum.
    """
    rows = RowGradients(problem)
    x = local.minimum.x
    found = rows(x)
    if local.whole and len(local.values) == len(x):
        least = np.var(found @ local.vectors, axis=0)
        return BatchNoise(local.values, least, _growth(rows, local), rows, local.vectors)
    centred = found - np.mean(found, axis=0)
    rng = np.random.default_rng([problem.seed, 6])
    signs = rng.choice([-1.0, 1.0], size=(_PROBES, len(centred)))
    starts = signs @ centred / np.sqrt(len(centred))
    product = problem.product(x)
    probes = [lanczos(product, w, _PRODUCTS) for w in starts if np.any(w)]
    if not probes:
        return BatchNoise(np.ones(1), np.zeros(1), np.zeros((1, 1)), rows)
    values = np.concatenate([one.values for one in probes])
    least = np.concatenate([one.coordinates**2 for one in probes]) / len(probes)
    whole = np.sum(np.var(found, axis=0))
    least = least * (whole / np.sum(least))
    positive = np.maximum(values, 0.0)
    return BatchNoise(values, least, _overall_growth(rows, x, least, positive), rows)


def _growth(rows: RowGradients, local: Local) -> Any:
    """The variance, over rows, of products of a row's Hessian with each vector."""
    x = local.minimum.x
    base = rows(x, few=True) @ local.vectors
    size = 1e-4 * max(1.0, float(np.linalg.norm(x)) / np.sqrt(len(x)))
    columns = [
        np.var((rows(x + size * v, few=True) @ local.vectors - base) / size, axis=0)
        for v in local.vectors.T
    ]
    return np.array(columns).T


def _overall_growth(rows: RowGradients, x: Vector, least: Any, values: Any) -> Any:
    """The same where only few vectors are known: along a row's gradient, as for all of them."""
    found = rows(x, few=True)
    v = found[len(found) // 2] - np.mean(found, axis=0)
    length = float(np.linalg.norm(v))
    if not length:
        return np.zeros((len(least), len(least)))
    size = 1e-4 * max(1.0, float(np.linalg.norm(x)) / np.sqrt(len(x)))
    added = float(np.sum(np.var((rows(x + size * v / length, few=True) - found) / size, axis=0)))
    share = least / (float(np.sum(least)) or 1.0)
    return np.outer(share * added, np.ones(len(values)))
