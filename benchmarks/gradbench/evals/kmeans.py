"""The cost of a clustering, and Newton's direction from the diagonal of its Hessian."""

from typing import Any

import numpy as np
from measured import Measured

import wengert as wg


def cost(centroids: Any, points: Any) -> Any:
    """The sum of squared distances of points to their nearest centroid."""
    squares = np.sum(points**2, axis=1)[:, None] + np.sum(centroids**2, axis=1)
    return np.sum(np.min(squares - 2 * points @ centroids.T, axis=1))


def direction(centroids: Any, points: Any) -> Any:
    """The gradient over the Hessian's diagonal."""
    return wg.grad(cost)(centroids, points) / wg.hessian_diagonal(cost)(centroids, points)


def prepare(given: Any) -> tuple[Any, Any]:
    return np.array(given["centroids"]), np.array(given["points"])


FUNCTIONS = {
    "cost": Measured(wg.compile(cost), prepare, float),
    "dir": Measured(wg.compile(direction), prepare, np.ndarray.tolist),
}
