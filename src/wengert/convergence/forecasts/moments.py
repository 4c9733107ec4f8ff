"""How far batches scatter a method: second moments by eigenvalue, step by step.

With replacement the noise of every batch is independent. Without, the batches of an epoch add up to
all n rows: the means of batches i and j, of sᵢ and sⱼ rows, have covariance (δᵢⱼ n/sᵢ − 1)/(n − 1),
so that at the end of an epoch most of it has cancelled.

Sources: Bach and Moulines, Non-strongly-convex smooth stochastic approximation (2013);
Gürbüzbalaban, Ozdaglar and Parrilo, Why random reshuffling beats stochastic gradient descent
(2021).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from wengert.convergence.forecasts.recursions import Linear, middle, step_matrices

Noise = Callable[[float, Any], Any]
"""Of a step and of the second moments of the displacement (k,): the variances (k,) of a batch."""


def second_moments(
    method: Linear, values: Any, at: Any, noise: Noise, sizes: Any | None = None
) -> Any:
    """E z zᵀ without the mean at the ends of blocks, of shape (m, k, p, p); zero at the start.

    Parameters
    ----------
    method : Linear
        The recursion.
    values : ndarray of shape (k,)
        Eigenvalues.
    at : ndarray of shape (m,)
        Steps from 0, ascending; without replacement ends of epochs.
    noise : callable
        The variances of a batch's gradient; without replacement of a row's.
    sizes : ndarray, optional
        Of the batches of an epoch that goes through all rows; None: drawn with replacement.
    """
    k, p = len(values), len(method.read)
    moments = np.zeros((k, p, p))
    found = [moments]
    kept: tuple[Any, Any] | None = None
    for begin, end in pairwise(map(int, at)):
        turn = method.reset(begin)
        if turn is not None:
            moments = turn @ moments @ turn.T
        variance = noise(middle(begin, end), np.einsum("kij,i,j->k", moments, *[method.read] * 2))
        if sizes is None:
            matrices, b = step_matrices(method, values, middle(begin, end))
            added, times = np.broadcast_to(np.outer(b, b), (k, p, p)), end - begin
        else:
            epoch = len(sizes)
            if kept is None or not method.constant:
                start = begin + ((end - begin) // epoch - 1) // 2 * epoch
                kept = _epoch(method, values, start, sizes)
            (matrices, added), times = kept, (end - begin) // epoch
        moments = _repeated(matrices, variance[:, None, None] * added, moments, times)
        found.append(moments)
    return np.array(found)


def _epoch(method: Linear, values: Any, start: int, sizes: Any) -> tuple[Any, Any]:
    """What an epoch multiplies z by, and the covariance that unit noise of its rows adds."""
    k, p = len(values), len(method.read)
    if p == 1:
        return _plain_epoch(method, values, start, sizes)
    whole = np.broadcast_to(np.eye(p), (k, p, p))
    squares, total = np.zeros((k, p, p)), np.zeros((k, p))
    for j in range(len(sizes) - 1, -1, -1):
        matrices, b = step_matrices(method, values, start + j)
        w = whole @ b
        squares = squares + w[:, :, None] * w[:, None, :] / sizes[j]
        total = total + w
        whole = whole @ matrices
    return whole, _cancelled(squares, total[:, :, None] * total[:, None, :], sizes)


def _plain_epoch(method: Linear, values: Any, start: int, sizes: Any) -> tuple[Any, Any]:
    """The same for a method without memory, at once for all steps."""
    lengths = np.array([method.coefficients(start + j)[1][0] for j in range(len(sizes))])
    factors = 1 - lengths[:, None] * values
    after = np.cumprod(np.vstack([np.ones(len(values)), factors[:0:-1]]), axis=0)[::-1]
    w = after * lengths[:, None]
    added = _cancelled(np.sum(w**2 / sizes[:, None], 0), np.sum(w, 0) ** 2, sizes)
    return (after[0] * factors[0])[:, None, None], added[:, None, None]


def _cancelled(squares: Any, other: Any, sizes: Any) -> Any:
    """The variance of a weighted sum of batches' means, if that of a row is 1."""
    n = int(np.sum(sizes))
    return (n * squares - other) / (n - 1) if n > 1 else np.zeros_like(squares)


def _repeated(matrices: Any, added: Any, moments: Any, times: int) -> Any:
    """P ← A P Aᵀ + Q, so many times."""
    k, p, _ = moments.shape
    size = p * p
    whole = np.zeros((k, size + 1, size + 1))
    whole[:, :size, :size] = np.einsum("kab,kcd->kacbd", matrices, matrices).reshape(k, size, size)
    whole[:, :size, size] = added.reshape(k, size)
    whole[:, size, size] = 1.0
    start = np.concatenate([moments.reshape(k, size), np.ones((k, 1))], 1)
    done = np.einsum("kij,kj->ki", np.linalg.matrix_power(whole, times), start)
    return done[:, :size].reshape(k, p, p)
