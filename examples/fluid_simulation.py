"""The first velocities of a fluid are chosen so that its smoke ends up as a given picture.

Shows a gradient through a whole simulation: every step advects along the flow and removes the
divergence by Jacobi iterations (Stam 1999, "Stable fluids"), on a periodic grid by ``np.roll``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

import wengert as wg


def project(vx: Any, vy: Any, iterations: int = 4) -> tuple[Any, Any]:
    """The velocities less a gradient, so that nearly nothing flows in or out of a cell."""
    divergence = 0.5 * (
        np.roll(vx, -1, axis=0) - np.roll(vx, 1, axis=0)
        + np.roll(vy, -1, axis=1) - np.roll(vy, 1, axis=1)
    )  # fmt: skip
    pressure = np.zeros_like(divergence)
    for _ in range(iterations):
        around = (
            np.roll(pressure, 1, axis=0) + np.roll(pressure, -1, axis=0)
            + np.roll(pressure, 1, axis=1) + np.roll(pressure, -1, axis=1)
        )  # fmt: skip
        pressure = (around - divergence) / 4
    vx = vx - 0.5 * (np.roll(pressure, -1, axis=0) - np.roll(pressure, 1, axis=0))
    vy = vy - 0.5 * (np.roll(pressure, -1, axis=1) - np.roll(pressure, 1, axis=1))
    return vx, vy


def advect(field: Any, vx: Any, vy: Any) -> Any:
    """The field moved along the flow: the upwind neighbours' share flows in."""
    for v, axis in ((vx, 0), (vy, 1)):
        forward, backward = np.maximum(v, 0.0), np.maximum(-v, 0.0)
        before, after = np.roll(field, 1, axis=axis), np.roll(field, -1, axis=axis)
        field = field + forward * (before - field) + backward * (after - field)
    return field


def simulate(vx: Any, vy: Any, smoke: Any, steps: int) -> Any:
    """The smoke after some steps; the loop is one node of the program, and so is its derivative."""

    def step(_: Any, state: Any) -> Any:
        vx, vy, smoke = state
        vx, vy = project(advect(vx, vx, vy), advect(vy, vx, vy))
        return vx, vy, advect(smoke, vx, vy)

    return wg.fori_loop(0, steps, step, (vx, vy, smoke))[2]


def distance(velocities: Any, smoke: Any, target: Any, steps: int) -> Any:
    """How far the last smoke is from the target."""
    return np.mean((simulate(velocities[0], velocities[1], smoke, steps) - target) ** 2)


def pictures(size: int) -> tuple[Any, Any]:
    """A square of smoke, and a ring."""
    x, y = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    radius = np.hypot(x - size / 2 + 0.5, y - size / 2 + 0.5) / size
    square = np.maximum(abs(x - size / 2 + 0.5), abs(y - size / 2 + 0.5)) < size / 4
    return square.astype(float), np.exp(-(((radius - 0.25) / 0.08) ** 2))


def main(size: int = 16, steps: int = 20, iterations: int = 25) -> float:
    """Optimise the velocities and give the distance that is left."""
    smoke, target = pictures(size)
    rng = np.random.default_rng(2)
    start = 0.01 * rng.normal(size=(2, size, size))
    both = wg.compile(wg.value_and_grad(distance), static_argnums=3)

    def objective(flat: Any) -> tuple[float, Any]:
        value, gradient = both(flat.reshape(start.shape), smoke, target, steps)
        return float(value), gradient.ravel()

    before = objective(start.ravel())[0]
    found = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B",
                     options={"maxiter": iterations})  # fmt: skip
    print(f"grid {size}×{size}, {steps} time steps, {start.size} unknowns")
    print(f"distance {before:.5f} → {found.fun:.5f} after {found.nit} iterations")
    return float(found.fun)


if __name__ == "__main__":
    main()
