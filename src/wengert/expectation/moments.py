"""Central moments of scalar distributions, of any order, to nearly full precision.

Of a continuous one they are integrals over its quantiles x(u): with u = e^(−s)/2 on either side of
the median, ∫ (x(u) − μ)^k du is smooth and decays in s, whether the support ends in a pole of the
density, at a bound, or nowhere. Of a discrete one they are sums over the support.
"""

from __future__ import annotations

from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np

from wengert.errors import DomainError

_NEGLIGIBLE = 1e-13  # of a moment: what the outermost part of the tails may contribute
_FARTHEST = 600.0  # s: quantiles of e^(−600) are as far out as floats reach
_MOST_POINTS = 2**18  # of a discrete support
_ROUNDING = 64 * np.finfo(float).eps
_NODES = 20  # of Gauss and Legendre on a panel


def central_moments(component: Any, order: int) -> Any:
    """E[(X − E X)^k] for k = 0, ..., order of a frozen distribution of ``scipy.stats``.

    Parameters
    ----------
    component : frozen distribution
        Continuous or discrete; array parameters are an array of distributions.
    order : int
        The highest k.

    Returns
    -------
    ndarray of shape (order + 1, *shape)

    Raises
    ------
    DomainError
        If a moment does not exist, or lies so far out in the tails that floats do not reach it.

    Examples
    --------
    >>> from scipy import stats
    >>> central_moments(stats.expon(), 4).round(12)
    array([1., 0., 1., 2., 9.])
    """
    mean = np.asarray(component.mean(), float)
    if order <= 2:  # heavy tails have a variance that only a formula reaches
        known = [np.ones_like(mean), np.zeros_like(mean), np.asarray(component.var(), float)]
        return np.stack(known[: order + 1])
    deviations, weights = points_of(component, order)
    moments = np.empty((order + 1, *mean.shape))
    power = np.ones_like(deviations)
    for k in range(order + 1):
        parts = weights * power
        scale = np.abs(parts).sum(axis=0)
        total = parts.sum(axis=0)
        moments[k] = np.where(np.abs(total) > _ROUNDING * scale, total, 0.0)  # 0 by symmetry
        _check_tails(component, k, parts, scale)
        with np.errstate(over="ignore"):
            power = power * deviations
    moments[:2] = np.array([1.0, 0.0]).reshape(2, *([1] * mean.ndim))
    return moments


def points_of(component: Any, order: int) -> tuple[Any, Any]:
    """Points that stand for a distribution: E[g(X)] is the weighted sum of g over them.

    Parameters
    ----------
    component : frozen distribution
        As for :func:`central_moments`.
    order : int
        The highest power of X that is to be averaged.

    Returns
    -------
    tuple of ndarray
        Deviations from the mean, of shape ``(points, *shape)`` with both tails' ends first and
        last, and their weights. Where a moment does not exist its sum is of no use.

    Raises
    ------
    DomainError
        If a discrete distribution has too many values.
    """
    mean = np.asarray(component.mean(), float)
    if _is_discrete(component):
        return _support(component, mean, order)
    s, weights = _panels()
    probability = np.exp(-s) / 2
    column = probability.reshape(-1, *([1] * mean.ndim))
    with np.errstate(all="ignore"), catch_warnings():  # Boost's, of quantiles that underflow
        simplefilter("ignore", RuntimeWarning)
        low, high = component.ppf(column), component.isf(column)
    column_weights = (weights * probability).reshape(column.shape)
    reached = np.all(np.isfinite(low) & np.isfinite(high), axis=tuple(range(1, column.ndim)))
    kept = len(s) if np.all(reached) else int(np.argmin(reached)) // _NODES * _NODES
    deviations = np.concatenate([low[:kept][::-1], high[:kept]]) - mean
    own = np.broadcast_to(column_weights[:kept], low[:kept].shape)
    return deviations, np.concatenate([own[::-1], own])


def _panels() -> tuple[Any, Any]:
    """Nodes and weights on s from 0 to the farthest: panels that grow with s."""
    edges = np.concatenate([[0.0], np.geomspace(0.01, _FARTHEST, 48)])
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + half * (nodes + 1)).ravel(), (half * weights).ravel()


def _support(component: Any, mean: Any, order: int) -> tuple[Any, Any]:
    if mean.ndim:
        raise DomainError(
            "moments of a discrete distribution are of scalar ones; give a list of frozen "
            "distributions, one an entry"
        )
    low, high = component.support()
    if hasattr(component.dist, "xk"):  # values of the user's own, which need not be whole numbers
        values = np.asarray(component.dist.xk, float)
        return values - np.min(values) + low - float(mean), np.asarray(component.dist.pk, float)
    width = 8.0 * float(component.std()) + 8.0
    while True:
        first, last = max(low, np.floor(mean - width)), min(high, np.ceil(mean + width))
        if last - first > _MOST_POINTS:
            raise _without(component, order)
        points = np.arange(first, last + 1)
        weights = component.pmf(points)
        ends = np.abs(points[[0, -1]] - mean) ** order * weights[[0, -1]]
        total = np.sum(np.abs(points - mean) ** order * weights)
        done = [first == low, last == high] | (ends * width <= _NEGLIGIBLE * total)
        if np.all(done):
            return points - float(mean), weights
        width *= 2


def _check_tails(component: Any, k: int, parts: Any, total: Any) -> None:
    if _is_discrete(component):
        return
    size = np.abs(parts)
    outermost = size[:_NODES].sum(axis=0) + size[-_NODES:].sum(axis=0)
    if not np.all(np.isfinite(total)) or np.any(outermost > _NEGLIGIBLE * total):
        raise _without(component, k)


def _is_discrete(component: Any) -> bool:
    return hasattr(component, "pmf")


def _without(component: Any, k: int) -> DomainError:
    name = component.dist.name
    return DomainError(
        f"the moment of order {k} of the distribution {name!r} does not exist, or lies too far out "
        "in its tails to be computed; take a lower order"
    )
