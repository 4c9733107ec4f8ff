"""Oracles without Monte Carlo: Gauss rules over products of scalar distributions."""

from itertools import product

import numpy as np


def gauss_hermite(f, mean, cov, nodes=40):
    """E f(X) of a Gaussian vector by the tensor rule; exact for degree 2 nodes − 1."""
    mean, cov = np.atleast_1d(mean), np.atleast_2d(cov)
    values, vectors = np.linalg.eigh(cov)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    total = 0.0
    for index in product(range(nodes), repeat=len(mean)):
        at = mean + root @ z[list(index)]
        total = total + np.prod(w[list(index)]) * f(at)
    return total


def isserlis(direction, cov, order):
    """E (a·δ)^k of a centred Gaussian."""
    variance = direction @ cov @ direction
    return 0.0 if order % 2 else variance ** (order // 2) * np.prod(np.arange(order - 1, 0, -2.0))


def random_covariance(rng, n, scale=1.0):
    factor = rng.normal(size=(n, n + 1))
    return scale * factor @ factor.T / n
