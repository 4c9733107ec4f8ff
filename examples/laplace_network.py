"""Laplace's approximation of a small network: how strong its prior should be, and error bars.

The diabetes data again. The network's weights are found by Gauss-Newton for each strength of the
prior; the determinant of the Gauss-Newton matrix gives the evidence of that strength (MacKay 1992,
"A practical Bayesian framework for backpropagation networks"), its inverse the variance of a
prediction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gaussian_process import load

import wengert as wg


def network(params: Any, x: Any) -> Any:
    """One hidden layer; one output a row of x."""
    return np.tanh(x @ params["W"] + params["b"]) @ params["v"] + params["c"]


def init_params(rng: np.random.Generator, features: int, hidden: int) -> Any:
    """Small random weights."""
    return {
        "W": 0.3 * rng.normal(size=(features, hidden)),
        "b": np.zeros(hidden),
        "v": 0.3 * rng.normal(size=hidden),
        "c": 0.0,
    }


def penalised(params: Any, x: Any, y: Any, noise: float, prior: float) -> Any:
    """−log p(y | params) − log p(params), without their constants."""
    squares = sum(np.sum(p**2) for p in params.values())
    return 0.5 * noise * np.sum((network(params, x) - y) ** 2) + 0.5 * prior * squares


def posterior_precision(params: Any, x: Any, noise: float, prior: float) -> Any:
    """The Hessian of the above, with the Gauss-Newton matrix in the place of the likelihood's."""
    return (wg.gauss_newton(network)(params, x) * noise).add_diagonal(prior)


def fit(params: Any, x: Any, y: Any, noise: float, prior: float, steps: int = 100) -> Any:
    """The most probable parameters, by Levenberg and Marquardt's method."""
    damping = 1.0
    value_and_grad = wg.compile(wg.value_and_grad(penalised))
    precision_of = wg.compile(posterior_precision)
    value, gradient = value_and_grad(params, x, y, noise, prior)
    precision = precision_of(params, x, noise, prior)
    for _ in range(steps):
        step = precision.add_diagonal(damping).solve(gradient)
        moved = {name: params[name] - step[name] for name in params}
        after, slope = value_and_grad(moved, x, y, noise, prior)
        if not after < value:
            damping *= 4
            if damping > 1e12:
                break
            continue
        gain = value - after
        params, value, gradient, damping = moved, after, slope, damping / 3
        if gain < 1e-10 * abs(value):
            break
        precision = precision_of(params, x, noise, prior)
    return params


def log_evidence(params: Any, x: Any, y: Any, noise: float, prior: float) -> float:
    """log p(y | prior), the parameters integrated out by a normal density around the optimum."""
    precision = posterior_precision(params, x, noise, prior)
    count = precision.shape[0]
    constants = len(y) * np.log(noise / (2 * np.pi)) + count * np.log(prior)
    return float(0.5 * constants - penalised(params, x, y, noise, prior) - 0.5 * precision.logdet())


def predictive_variance(params: Any, x: Any, new: Any, noise: float, prior: float) -> Any:
    """Var f(new) + 1/noise, with Var f = J H⁻¹ Jᵀ."""
    jacobian = wg.jacobian(network, structured=True)(params, new).to_dense()
    solved = posterior_precision(params, x, noise, prior).solve(jacobian.T)
    return np.sum(jacobian.T * solved, axis=0) + 1 / noise


def main(rows: int = 442, features: int = 8, hidden: int = 6) -> float:
    """Print the evidence of each prior, and how good the best one's error bars are."""
    x, y = load(rows, features)
    order = np.random.default_rng(0).permutation(rows)
    train, test = np.split(order, [3 * rows // 4])
    linear = np.linalg.lstsq(x[train], y[train], rcond=None)[0]
    noise = float(1 / np.mean((y[train] - x[train] @ linear) ** 2))
    params = init_params(np.random.default_rng(1), features, hidden)
    found: dict[float, tuple[float, Any]] = {}
    print("prior precision   log evidence   test error")
    for prior in (100.0, 30.0, 10.0, 3.0, 1.0, 0.3):
        params = fit(params, x[train], y[train], noise, prior)
        evidence = log_evidence(params, x[train], y[train], noise, prior)
        found[prior] = evidence, params
        error = np.mean((network(params, x[test]) - y[test]) ** 2)
        print(f"{prior:15} {evidence:14.2f} {error:12.3f}")
    best = max(found, key=lambda prior: found[prior][0])
    evidence, params = found[best]
    variance = predictive_variance(params, x[train], x[test], noise, best)
    scores = (y[test] - network(params, x[test])) / np.sqrt(variance)
    print(f"best prior precision {best}, linear least squares' test error "
          f"{np.mean((x[test] @ linear - y[test]) ** 2):.3f}")  # fmt: skip
    print(f"share of test points within one deviation {np.mean(np.abs(scores) < 1):.2f} (0.68)")
    return evidence


if __name__ == "__main__":
    main()
