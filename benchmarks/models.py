"""The models of ``native.py`` and ``limit.py``: written once, for every array library.

A model is given the functions of a library as ``m`` and its arguments, of which the first ones are
derived by.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

# ---------------------------------------------------------------- regression, networks


def logistic(m: Any, w: Any, X: Any, y: Any) -> Any:
    """Mean logistic loss and a penalty."""
    return m.mean(m.softplus(-y * (X @ w))) + 0.01 * m.sum(w * w)


def classes(m: Any, W: Any, X: Any, Y: Any) -> Any:
    """Multinomial logistic regression."""
    Z = X @ W
    return m.mean(m.logsumexp(Z, 1) - m.sum(Z * Y, 1))


def network(m: Any, V: Any, b: Any, W: Any, c: Any, X: Any, T: Any) -> Any:
    """Two layers, mean squared error."""
    return m.mean((m.tanh(X @ V + b) @ W + c - T) ** 2)


def deep(m: Any, *given: Any) -> Any:
    """Four layers, cross-entropy of classes."""
    *parameters, X, Y = given
    for k in range(0, len(parameters) - 2, 2):
        X = m.tanh(X @ parameters[k] + parameters[k + 1])
    Z = X @ parameters[-2] + parameters[-1]
    return m.mean(m.logsumexp(Z, 1) - m.sum(Z * Y, 1))


def chain(m: Any, x: Any) -> Any:
    """Ten elementwise operations and a sum."""
    y = m.sin(x) * m.exp(-x * x) + m.tanh(x) / (1.0 + x * x)
    return m.sum(y * m.cos(y) + m.exp(-y))


def log_sum(m: Any, x: Any) -> Any:
    """log Σ exp."""
    return m.logsumexp(x, 0)


# ---------------------------------------------------------------- mixtures, processes


def mixture(m: Any, means: Any, scales: Any, weights: Any, X: Any) -> Any:
    """A mixture of Gaussians with diagonal covariances."""
    gaps = (X[:, None, :] - means) * m.exp(-scales)
    inner = weights - 0.5 * m.sum(gaps * gaps, 2) - m.sum(scales, 1)
    return -m.sum(m.logsumexp(inner, 1))


def full_mixture(
    m: Any, weights: Any, means: Any, logs: Any, lower: Any, below: Any, X: Any
) -> Any:
    """GradBench's mixture: full covariances, by factors of their inverses, with a prior."""
    L = lower * below
    diagonals = m.exp(logs)
    gaps = X[:, None, :] - means
    turned = diagonals * gaps + m.einsum("kij,nkj->nki", L, gaps)
    inner = weights + m.sum(logs, 1) - 0.5 * m.sum(turned * turned, 2)
    prior = 0.5 * (m.sum(diagonals * diagonals) + m.sum(L * L)) - m.sum(logs)
    return m.sum(m.logsumexp(inner, 1)) - len(X) * m.logsumexp(weights, 0) + prior


def process(m: Any, logs: Any, X: Any, y: Any, unit: Any) -> Any:
    """The evidence of a Gaussian process, by amplitude, lengths and noise."""
    Z = X * m.exp(-logs[2:])
    squares = m.sum(Z * Z, 1)
    gaps = squares[:, None] + squares - 2.0 * (Z @ Z.T)
    K = m.exp(logs[0] - 0.5 * gaps) + m.exp(logs[1]) * unit
    return 0.5 * y @ m.solve(K, y) + 0.5 * m.logdet(K)


# ---------------------------------------------------------------- steps


def kalman(m: Any, A: Any, C: Any, logs: Any, Y: Any, unit: Any, small: Any) -> Any:
    """The log-likelihood of a linear system's outputs, by Kalman's filter."""
    Q, R = m.exp(logs[0]) * unit, m.exp(logs[1]) * small

    def step(state: Any, y: Any) -> Any:
        x, P = state
        x, P = A @ x, A @ P @ A.T + Q
        S = C @ P @ C.T + R
        gain = m.solve(S, C @ P).T
        r = y - C @ x
        value = 0.5 * (m.logdet(S) + r @ m.solve(S, r))
        return (x + gain @ r, P - gain @ C @ P), value

    return m.sum(m.scan(step, (0.0 * unit[0], unit), Y)[1])


def lstm(m: Any, W: Any, U: Any, b: Any, V: Any, X: Any, T: Any) -> Any:
    """A long short-term memory, mean squared error of what it foretells."""
    size = len(U)

    def step(state: Any, x: Any) -> Any:
        h, c = state
        z = x @ W + h @ U + b
        gates = m.sigmoid(z[: 3 * size])
        c = gates[:size] * c + gates[size : 2 * size] * m.tanh(z[3 * size :])
        h = gates[2 * size : 3 * size] * m.tanh(c)
        return (h, c), h @ V

    return m.mean((m.scan(step, (0.0 * U[:, 0], 0.0 * U[:, 0]), X)[1] - T) ** 2)


def ode(m: Any, x: Any, rates: Any, steps: Any) -> Any:
    """Runge and Kutta's method for logistic growth."""

    def slope(x: Any) -> Any:
        return rates * x * (1.0 - x)

    def step(x: Any, h: Any) -> Any:
        a = slope(x)
        b = slope(x + 0.5 * h * a)
        c = slope(x + 0.5 * h * b)
        d = slope(x + h * c)
        return x + h / 6.0 * (a + 2.0 * b + 2.0 * c + d), h

    return m.sum(m.scan(step, x, steps)[0])


# ---------------------------------------------------------------- cases


@dataclass(frozen=True)
class Case:
    """A model, its arguments, and how many of them are derived by."""

    model: Callable[..., Any]
    arguments: tuple[Any, ...]
    by: int = 1


def draw(rng: np.random.Generator, *shape: int) -> Any:
    """Normal numbers; matrices whose products are about as large."""
    return rng.normal(size=shape) / math.sqrt(shape[-1] if len(shape) > 1 else 1)


def labels(rng: np.random.Generator, n: int, k: int) -> Any:
    """Classes as unit vectors."""
    return np.eye(k)[rng.integers(0, k, n)]


def _logistic(rng: Any, n: int, d: int) -> Case:
    return Case(logistic, (draw(rng, d), draw(rng, n, d), np.sign(draw(rng, n))))


def _network(rng: Any, n: int, i: int, h: int, o: int) -> Case:
    given = (draw(rng, i, h), draw(rng, h), draw(rng, h, o), draw(rng, o))
    return Case(network, (*given, draw(rng, n, i), draw(rng, n, o)), 4)


def _deep(rng: Any, n: int, *sizes: int) -> Case:
    pairs = [(draw(rng, a, b), 0.1 * draw(rng, b)) for a, b in pairwise(sizes)]
    parameters = [p for pair in pairs for p in pair]
    given = (*parameters, draw(rng, n, sizes[0]), labels(rng, n, sizes[-1]))
    return Case(deep, given, len(parameters))


def _mixture(rng: Any, n: int, d: int, k: int) -> Case:
    return Case(mixture, (draw(rng, k, d), draw(rng, k, d) / 9, draw(rng, k), draw(rng, n, d)), 3)


def _full_mixture(rng: Any, d: int, k: int, n: int) -> Case:
    given = (draw(rng, k), rng.normal(size=(k, d)), 0.1 * rng.normal(size=(k, d)))
    below = np.tril(np.ones((d, d)), -1)
    given = (*given, 0.1 * rng.normal(size=(k, d, d)), below, rng.normal(size=(n, d)))
    return Case(full_mixture, given, 4)


def _process(rng: Any, n: int, d: int) -> Case:
    logs = np.array([0.3, -2.0, *[0.5] * d])
    return Case(process, (logs, rng.normal(size=(n, d)), draw(rng, n), np.eye(n)))


def _kalman(rng: Any, steps: int, d: int, o: int) -> Case:
    given = (0.5 * draw(rng, d, d) + 0.4 * np.eye(d), draw(rng, o, d), np.array([-1.0, -0.5]))
    return Case(kalman, (*given, draw(rng, steps, o), np.eye(d), np.eye(o)), 3)


def _lstm(rng: Any, steps: int, inputs: int, size: int) -> Case:
    given = (draw(rng, inputs, 4 * size), draw(rng, size, 4 * size), 0.1 * draw(rng, 4 * size))
    given = (*given, draw(rng, size, inputs), draw(rng, steps, inputs), draw(rng, steps, inputs))
    return Case(lstm, given, 4)


def _ode(rng: Any, n: int, steps: int) -> Case:
    x, rates = rng.uniform(0.1, 0.9, size=n), rng.uniform(0.5, 2.0, size=n)
    return Case(ode, (x, rates, np.full(steps, 0.01)), 2)


def cases() -> dict[str, Case]:
    """The cases by name, drawn anew."""
    rng = np.random.default_rng(0)
    return {
        "chain 1000": Case(chain, (draw(rng, 1000),)),
        "logistic 20x5": _logistic(rng, 20, 5),
        "logistic 100x20": _logistic(rng, 100, 20),
        "logistic 10^4x100": _logistic(rng, 10_000, 100),
        "logistic 10^5x200": _logistic(rng, 100_000, 200),
        "network 100x20-32-4": _network(rng, 100, 20, 32, 4),
        "network 10^4x100-64-10": _network(rng, 10_000, 100, 64, 10),
        "deep 256x64-128-128-64-10": _deep(rng, 256, 64, 128, 128, 64, 10),
        "logsumexp 10^4": Case(log_sum, (draw(rng, 10_000),)),
        "logsumexp 640000": Case(log_sum, (draw(rng, 640_000),)),
        "classes 1000x20, 5": Case(
            classes, (draw(rng, 20, 5), draw(rng, 1000, 20), labels(rng, 1000, 5))
        ),
        "mixture 1000x10, 25": _mixture(rng, 1000, 10, 25),
        "gmm 10_50_1000": _full_mixture(rng, 10, 50, 1000),
        "gmm 32_50_1000": _full_mixture(rng, 32, 50, 1000),
        "process 200x3": _process(rng, 200, 3),
        "kalman 100x4": _kalman(rng, 100, 4, 2),
        "lstm 50x8-16": _lstm(rng, 50, 8, 16),
        "ode 1000, 100 steps": _ode(rng, 1000, 100),
    }
