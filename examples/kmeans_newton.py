"""k-means by Newton's method: the Hessian is diagonal, and one step is Lloyd's step.

Half the sum of squared distances to the nearest centre is a quadratic function as long as no point
changes its cluster. Its Hessian holds the clusters' sizes, one number a centre.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg


def inertia(centres: Any, points: Any) -> Any:
    """½ Σᵢ minₖ ‖xᵢ − cₖ‖²."""
    squares = np.sum((points[:, None, :] - centres[None, :, :]) ** 2, axis=2)
    return 0.5 * np.sum(np.min(squares, axis=1))


def newton_step(centres: Any, points: Any) -> Any:
    """The centres after one step; a centre without points stays where it is."""
    gradient = wg.grad(inertia)(centres, points)
    hessian = wg.hessian(inertia, structured=True)(centres, points)
    empty = hessian.diagonal() == 0
    return centres - np.where(empty, 0.0, gradient / np.where(empty, 1.0, hessian.diagonal()))


def fit(centres: Any, points: Any, steps: int = 100) -> tuple[Any, int]:
    """The centres where Newton's method stops, and how many steps it took."""
    step = wg.compile(newton_step)
    for count in range(steps):
        after = step(centres, points)
        if np.allclose(after, centres, rtol=1e-12, atol=1e-12):
            return centres, count
        centres = after
    return centres, steps


def blobs(rng: np.random.Generator, count: int, groups: int) -> Any:
    """Points around some centres in the plane."""
    return 4 * rng.normal(size=(groups, 2))[rng.integers(groups, size=count)] + rng.normal(
        size=(count, 2)
    )


def main(count: int = 2000, groups: int = 6) -> float:
    """Cluster, and give the inertia of a point."""
    rng = np.random.default_rng(4)
    points = blobs(rng, count, groups)
    start = points[rng.choice(count, groups, replace=False)]
    print(wg.hessian(inertia, structured=True)(start, points))
    centres, steps = fit(start, points)
    before, after = (2 * inertia(c, points) / count for c in (start, centres))
    print(f"mean squared distance {before:.3f} → {after:.3f} after {steps} Newton steps")
    print(f"centres\n{np.round(centres, 2)}")
    return float(after)


if __name__ == "__main__":
    main()
