"""Problems with known answers."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg


def rng(seed: int = 0) -> Any:
    return np.random.default_rng(seed)


def linear(theta: Any, x: Any) -> Any:
    return x @ theta["w"] + theta["b"]


def quadratic(spectrum: Any, seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """½ (x − c)ᵀA(x − c) of a given spectrum: f, A, c and a start."""
    n = len(spectrum)
    Q, _ = np.linalg.qr(rng(seed).normal(size=(n, n)))
    A = Q @ np.diag(spectrum) @ Q.T
    A = (A + A.T) / 2
    c = rng(seed + 1).normal(size=n)
    return lambda x: 0.5 * (x - c) @ A @ (x - c), A, c, c + rng(seed + 2).normal(size=n)


def rosenbrock(x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


ROSENBROCK = wg.LeastSquares(
    lambda x: (np.sqrt(200) * (x[1:] - x[:-1] ** 2), np.sqrt(2) * (1 - x[:-1]))
)


def labelled(n: int = 200, d: int = 4, seed: int = 3) -> tuple[Any, Any]:
    """Rows and labels that no line separates."""
    X = rng(seed).normal(size=(n, d))
    y = (X @ np.ones(d) + 2.0 * rng(seed + 1).normal(size=n) > 0).astype(int)
    return X, y


def logistic(regularizer: Any = 0.01, **more: Any) -> Any:
    return wg.EmpiricalRisk("logistic", linear, labelled(), regularizer, **more)


def start(d: int = 4) -> dict[str, Any]:
    return {"w": np.zeros(d), "b": 0.0}
