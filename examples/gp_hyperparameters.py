"""Newton's method on the kernel parameters of a Gaussian process, and how well they are known.

Shows the Hessian of a log marginal likelihood, through a Cholesky factor and its solves. At the
optimum its inverse is the covariance of the parameters (Laplace's approximation): the data say a
lot about some length scales and little about others. Kernel and data are those of
``gaussian_process.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gaussian_process import load, negative_log_likelihood

import wengert as wg


def objective(params: Any, x: Any, y: Any) -> Any:
    """−log p(y | x, θ) p(θ): the parameters, logarithms, have normal priors of deviation 1.5."""
    return negative_log_likelihood(params, x, y) + 0.5 * np.sum(params**2) / 1.5**2


def newton(start: Any, x: Any, y: Any, steps: int = 50) -> tuple[Any, Any, list[float]]:
    """The optimum, the Hessian there, and the gradient's norm at each step.

    Where the Hessian is indefinite, its eigenvalues are taken by their absolute values; a step is
    halved until the objective falls.
    """
    value_and_grad = wg.compile(wg.value_and_grad(objective))
    hessian = wg.compile(wg.hessian(objective))
    params, norms = start, []
    value, gradient = value_and_grad(params, x, y)
    for _ in range(steps):
        curvature = hessian(params, x, y)
        norms.append(float(np.linalg.norm(gradient)))
        if norms[-1] < 1e-8:
            break
        sizes, directions = np.linalg.eigh(curvature)
        step = -directions @ ((directions.T @ gradient) / np.maximum(np.abs(sizes), 1e-3))
        step *= min(1.0, 2.0 / np.linalg.norm(step))
        while (found := value_and_grad(params + step, x, y))[0] > value + 1e-10 * abs(value):
            step = step / 2
        params, (value, gradient) = params + step, found
    return params, hessian(params, x, y), norms


def main(rows: int = 120, features: int = 3) -> float:
    """Fit, and give the log of the evidence with the parameters integrated out."""
    x, y = load(rows, features)
    start = np.concatenate([[0.0, -0.5], np.zeros(features)])
    params, curvature, norms = newton(start, x, y)
    print("gradient's norm, step by step:", " ".join(f"{n:.1e}" for n in norms))
    deviation = np.sqrt(np.diag(np.linalg.inv(curvature)))
    names = ["log signal", "log noise", *(f"log scale {k + 1}" for k in range(features))]
    for name, value, spread in zip(names, params, deviation, strict=True):
        print(f"{name:12} {value:6.2f} ± {spread:.2f}")
    n = len(params)
    evidence = -objective(params, x, y) - 0.5 * np.linalg.slogdet(curvature)[1] - n * np.log(1.5)
    print(f"log evidence {evidence:.3f}")
    return float(evidence)


if __name__ == "__main__":
    main()
