"""Gaussian-process regression of diabetes progression; kernel parameters by marginal likelihood.

Shows derivatives through a Cholesky factor and triangular solves, and SciPy's optimiser fed by
``wg.value_and_grad``. The data are a few rows of ``examples/diabetes``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

import wengert as wg

DATA = Path(__file__).parent / "diabetes"


def kernel(params: Any, a: Any, b: Any) -> Any:
    """Squared exponential with one length scale a feature; parameters are logarithms."""
    scaled_a, scaled_b = a / np.exp(params[2:]), b / np.exp(params[2:])
    squares = np.sum((scaled_a[:, None, :] - scaled_b[None, :, :]) ** 2, axis=2)
    return np.exp(2 * params[0]) * np.exp(-0.5 * squares)


def negative_log_likelihood(params: Any, x: Any, y: Any) -> Any:
    """−log p(y | x) = ½ yᵀ K⁻¹ y + ½ log det K + ½ n log 2π (Rasmussen and Williams 2006, 2.30)."""
    n = len(y)
    covariance = kernel(params, x, x) + (np.exp(2 * params[1]) + 1e-8) * np.eye(n)
    factor = np.linalg.cholesky(covariance)
    whitened = np.linalg.solve(factor, y)
    logs = np.sum(np.log(np.diag(factor)))
    return 0.5 * np.sum(whitened**2) + logs + 0.5 * n * np.log(2 * np.pi)


def predict(params: Any, x: Any, y: Any, new: Any) -> Any:
    """The mean at new points."""
    covariance = kernel(params, x, x) + (np.exp(2 * params[1]) + 1e-8) * np.eye(len(y))
    return kernel(params, new, x) @ np.linalg.solve(covariance, y)


def load(rows: int, features: int) -> tuple[Any, Any]:
    """Standardised rows of the diabetes data."""
    x = np.loadtxt(DATA / "X.csv", delimiter=",", skiprows=1)[:rows, 2 : 2 + features]
    y = np.loadtxt(DATA / "y.csv", delimiter=",", skiprows=1)[:rows]
    return (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()


def main(rows: int = 80, features: int = 3, steps: int = 30) -> float:
    """Fit, and give the log marginal likelihood."""
    x, y = load(rows, features)
    start = np.concatenate([[0.0, -0.5], np.zeros(features)])
    objective = wg.compile(wg.value_and_grad(negative_log_likelihood))
    found = minimize(objective, start, args=(x, y), jac=True, method="L-BFGS-B",
                     options={"maxiter": steps})  # fmt: skip
    residual = y - predict(found.x, x, y, x)
    print(f"log likelihood {-objective(start, x, y)[0]:.3f} → {-found.fun:.3f}")
    print(f"noise {np.exp(found.x[1]):.3f}, length scales {np.round(np.exp(found.x[2:]), 2)}")
    print(f"unexplained variance {np.mean(residual**2):.3f}")
    return float(-found.fun)


if __name__ == "__main__":
    main()
