"""What the operations on matrices should give, by mpmath with 50 digits or plain loops."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np

DIGITS = 50
READ: dict[str, Callable[[Any], Any]] = {
    "general": lambda a: a,
    "lower": np.tril,
    "upper": np.triu,
    "unit lower": lambda a: np.tril(a, -1) + np.eye(len(a)),
    "unit upper": lambda a: np.triu(a, 1) + np.eye(len(a)),
    "positive": lambda a: np.tril(a) + np.tril(a, -1).T,
}


def _floats(a: Any) -> Any:
    return np.array([[float(mp.re(x)) for x in row] for row in a.tolist()]).reshape(a.rows, a.cols)


def _stacked(function: Callable[..., Any], *ranks: int) -> Callable[..., Any]:
    """A function of arrays with so many axes, on arrays with leading axes aligned at the end."""

    def on_batches(*arrays: Any, **params: Any) -> Any:
        own = [*ranks, *ranks[-1:] * (len(arrays) - len(ranks))]
        leads = [np.shape(a)[: np.ndim(a) - r] for a, r in zip(arrays, own, strict=True)]
        lead = np.broadcast_shapes(*leads)
        wide = [
            np.broadcast_to(a, lead + np.shape(a)[np.ndim(a) - r :])
            for a, r in zip(arrays, own, strict=True)
        ]
        with mp.workdps(DIGITS):
            parts = [
                np.asarray(function(*(w[index] for w in wide), **params))
                for index in np.ndindex(lead)
            ]
        if not parts:
            return np.zeros_like(wide[-1])
        return np.array(parts).reshape(lead + parts[0].shape)

    return on_batches


def _inverse_times(a: Any, b: Any) -> Any:
    return _floats(mp.lu_solve(mp.matrix(a.tolist()), mp.matrix(b.tolist()))).ravel()


def _solve(a: Any, b: Any, kind: str) -> Any:
    return _inverse_times(READ[kind](a), b) if b.size else b


def _sylvester(a: Any, b: Any, c: Any) -> Any:
    m, n = c.shape
    system = np.zeros((m, n, m, n))
    for i, j, k in itertools.product(range(m), range(n), range(max(m, n))):
        if k < m:
            system[i, j, k, j] += a[i, k]
        if k < n:
            system[i, j, i, k] += b[k, j]
    return _inverse_times(system.reshape(m * n, m * n), c.ravel()).reshape(m, n)


def _part(keep: Callable[[int, int], bool]) -> Callable[..., Any]:
    def part(a: Any, k: int) -> Any:
        result = np.zeros_like(a)
        for i, j in np.ndindex(a.shape):
            if keep(j - i, k):
                result[i, j] = a[i, j]
        return result

    return part


def _cholesky(a: Any) -> Any:
    return _floats(mp.cholesky(mp.matrix(READ["positive"](a).tolist()))) if a.size else a


def _eigenvalues(a: Any) -> Any:
    if not a.size:
        return np.zeros(len(a))
    values = mp.eigsy(mp.matrix(READ["positive"](a).tolist()), eigvals_only=True)
    return np.array(sorted(map(float, values)))


def _general_eigenvalues(a: Any) -> Any:
    """In LAPACK's order, which nothing else can tell."""
    if len(a) < 2:
        return np.diag(a)
    found = mp.eig(mp.matrix(a.tolist()), left=False, right=False)
    values = np.array([float(mp.re(v)) for v in found])
    order = np.argsort(np.argsort(np.linalg.eigvals(a)))
    return np.sort(values)[order]


def _singular_values(a: Any) -> Any:
    if not a.size:
        return np.zeros(min(a.shape))
    x = mp.matrix(a.tolist())
    gram = x.T * x if a.shape[0] >= a.shape[1] else x * x.T
    return np.array(sorted((float(mp.sqrt(abs(v))) for v in mp.eigsy(gram, eigvals_only=True)),
                           reverse=True))  # fmt: skip


def _gaps(w: Any, sums: bool) -> Any:
    result = np.zeros((len(w), len(w)))
    for i, j in itertools.permutations(range(len(w)), 2):
        result[i, j] = 1 / (w[j] + w[i] if sums else w[j] - w[i])
    return result


def _determinant(a: Any) -> Any:
    return mp.det(mp.matrix(a.tolist())) if a.size else mp.mpf(1)


def _function(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function of matrices, or its Fréchet derivative, by differences with many digits."""

    def derivative(a: Any, *directions: Any) -> Any:
        if not a.size:
            return a
        count = len(directions)
        with mp.workdps(40 * (count + 1)):
            h = mp.mpf(10) ** -20
            total = mp.zeros(len(a))
            for signs in itertools.product((1, -1), repeat=count):
                x = mp.matrix(a.tolist())
                for s, e in zip(signs, directions, strict=True):
                    x += s * h * mp.matrix(e.tolist())
                total += math.prod(signs) * function(x)
            return _floats(total / (2 * h) ** count)

    return derivative


def _pnorm(x: Any, order: Any) -> float:
    p = mp.mpf(order.numerator) / order.denominator
    return float(mp.fsum(abs(mp.mpf(float(v))) ** p for v in x) ** (1 / p))


MATRIX: dict[str, Callable[..., Any]] = {
    "solve": _stacked(_solve, 2, 1),
    "solve_sylvester": _stacked(_sylvester, 2),
    "tril": _stacked(_part(lambda d, k: d <= k), 2),
    "triu": _stacked(_part(lambda d, k: d >= k), 2),
    "cholesky": _stacked(_cholesky, 2),
    "eigvalsh": _stacked(_eigenvalues, 2),
    "eigvals": _stacked(_general_eigenvalues, 2),
    "svdvals": _stacked(_singular_values, 2),
    "gaps": _stacked(_gaps, 1),
    "logabsdet": _stacked(lambda a: float(mp.log(abs(_determinant(a)))), 2),
    "signdet": _stacked(lambda a: float(mp.sign(_determinant(a))), 2),
    "expm": _stacked(_function(mp.expm), 2),
    "logm": _stacked(_function(mp.logm), 2),
    "sqrtm": _stacked(_function(mp.sqrtm), 2),
    "pnorm": _stacked(_pnorm, 1),
}
