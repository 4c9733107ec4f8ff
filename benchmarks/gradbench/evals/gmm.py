"""The log posterior of a Gaussian mixture whose precisions have a Wishart prior."""

from math import log, pi
from typing import Any

import numpy as np
from measured import Measured
from scipy.special import logsumexp, multigammaln

import wengert as wg

NAMES = ("alpha", "mu", "q", "l")


def log_posterior(parameters: Any, x: Any, m: int, gamma: float) -> Any:
    """Of n points in d dimensions; a component has log weight, mean and factor of its precision.

    The factor is lower triangular, exp(q) on its diagonal and column for column below it.
    """
    alpha, mu, q, triangles = (parameters[name] for name in NAMES)
    (n, d), k = x.shape, len(alpha)
    columns, rows = np.triu_indices(d, 1)
    factors = wg.at(np.zeros((k, d, d)))[:, rows, columns].set(triangles)
    factors = wg.at(factors)[:, range(d), range(d)].set(np.exp(q))
    whitened = np.einsum("kij,nj->nki", factors, x) - np.einsum("kij,kj->ki", factors, mu)
    terms = alpha + np.sum(q, axis=1) - np.sum(whitened**2, axis=2) / 2
    likelihood = np.sum(logsumexp(terms, axis=1)) - n * logsumexp(alpha) - n * d / 2 * log(2 * pi)
    degrees = d + m + 1
    constant = degrees * d * log(gamma / 2**0.5) - multigammaln(degrees / 2, d)
    return likelihood + k * constant + m * np.sum(q) - gamma**2 / 2 * np.sum(factors**2)


def prepare(given: Any) -> tuple[Any, ...]:
    parameters = {name: np.array(given[name]) for name in NAMES}
    k, d = parameters["mu"].shape
    parameters["l"] = parameters["l"].reshape(k, d * (d - 1) // 2)
    return parameters, np.array(given["x"]), given["m"], given["gamma"]


def listed(gradient: Any) -> Any:
    return {name: gradient[name].tolist() for name in NAMES}


FIXED = (2, 3)
FUNCTIONS = {
    "objective": Measured(wg.compile(log_posterior, static_argnums=FIXED), prepare, float),
    "jacobian": Measured(wg.compile(wg.grad(log_posterior), static_argnums=FIXED), prepare, listed),
}
