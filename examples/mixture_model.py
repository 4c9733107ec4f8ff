"""A mixture of Gaussians fitted by gradients, with Hessian-vector products for Newton's method.

Shows a dict of parameters, ``scipy.special.logsumexp``, determinants of factors, and
``wg.hvp`` inside SciPy's trust-region optimiser.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import optree
from scipy.optimize import minimize
from scipy.special import logsumexp

import wengert as wg


def log_likelihood(params: Any, data: Any) -> Any:
    """Σᵢ log Σₖ πₖ N(xᵢ; μₖ, Σₖ), with Σₖ⁻¹ = Lₖ Lₖᵀ."""
    logits = params["logits"]
    weights = logits - logsumexp(logits)
    dimension = data.shape[1]
    terms: list[Any] = []
    for mean, root in zip(params["means"], params["roots"], strict=True):
        scaled = (data - mean) @ root
        determinant = np.linalg.slogdet(root)[1]
        terms.append(determinant - 0.5 * np.sum(scaled**2, axis=1))
    logs = np.stack(terms, axis=1) + weights - 0.5 * dimension * np.log(2 * np.pi)
    return np.sum(logsumexp(logs, axis=1))


def clusters(rng: np.random.Generator, count: int, groups: int) -> Any:
    """Points around the corners of a polygon."""
    angles = 2 * np.pi * rng.integers(groups, size=count) / groups
    centres = 3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return centres + 0.6 * rng.normal(size=(count, 2))


def init_params(rng: np.random.Generator, groups: int) -> Any:
    """Random centres, unit covariances, equal weights."""
    return {
        "logits": np.zeros(groups),
        "means": 2 * rng.normal(size=(groups, 2)),
        "roots": np.stack([np.eye(2)] * groups) + 0.01 * rng.normal(size=(groups, 2, 2)),
    }


def main(count: int = 200, groups: int = 3, steps: int = 25) -> float:
    """Fit, and give the mean log likelihood of a point."""
    rng = np.random.default_rng(1)
    data = clusters(rng, count, groups)
    start, unravel = _ravel(init_params(rng, groups))

    def objective(flat: Any) -> Any:
        return -log_likelihood(unravel(flat), data) / count

    found = minimize(
        wg.compile(wg.value_and_grad(objective)),
        start,
        jac=True,
        hessp=wg.compile(lambda p, v: wg.hvp(objective, (p,), (v,))),
        method="trust-ncg",
        options={"maxiter": steps},
    )
    print(f"mean log likelihood {-objective(start):.4f} → {-found.fun:.4f} in {found.nit} steps")
    print(f"centres\n{np.round(unravel(found.x)['means'], 2)}")
    return float(-found.fun)


def _ravel(tree: Any) -> tuple[Any, Any]:
    """A pytree as one vector, and the way back."""
    leaves, structure = optree.tree_flatten(tree)
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]

    def back(flat: Any) -> Any:
        parts = np.split(flat, ends)
        shaped = [np.reshape(p, x.shape) for p, x in zip(parts, leaves, strict=True)]
        return optree.tree_unflatten(structure, shaped)

    return np.concatenate([leaf.ravel() for leaf in leaves]), back


if __name__ == "__main__":
    main()
