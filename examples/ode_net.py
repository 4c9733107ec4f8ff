"""A differential equation learned from its trajectory: the slope is a small network.

Shows ``wg.scan``: the loop of Runge-Kutta steps is one node of the program, whatever its length,
and its derivative is a loop that runs backwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

import wengert as wg

HIDDEN = 10
SIZES = ((2, HIDDEN), (HIDDEN,), (HIDDEN, 2), (2,))


def network(params: Any, state: Any) -> Any:
    """The slope at a state."""
    return np.tanh(state**3 @ params["W1"] + params["b1"]) @ params["W2"] + params["b2"]


def rk4(slope: Any, state: Any, dt: float) -> Any:
    """One step of the classical Runge-Kutta method."""
    k1 = slope(state)
    k2 = slope(state + 0.5 * dt * k1)
    k3 = slope(state + 0.5 * dt * k2)
    k4 = slope(state + dt * k3)
    return state + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def trajectory(params: Any, start: Any, dt: float, steps: int) -> Any:
    """The states after each step, one a row."""

    def step(state: Any, _: Any) -> tuple[Any, Any]:
        after = rk4(lambda s: network(params, s), state, dt)
        return after, after

    return wg.scan(step, start, length=steps)[1]


def loss(params: Any, start: Any, observed: Any, dt: float) -> Any:
    """Mean absolute distance, smooth at zero."""
    difference = trajectory(params, start, dt, len(observed)) - observed
    return np.mean(np.sqrt(difference**2 + 1e-4))


def spiral(start: Any, dt: float, steps: int) -> Any:
    """The true trajectory: dx/dt = x³ A."""
    A = np.array([[-0.1, 2.0], [-2.0, -0.1]])
    states = [start]
    for _ in range(steps):
        states.append(rk4(lambda s: s**3 @ A, states[-1], dt))
    return np.array(states[1:])


def init_params(rng: np.random.Generator) -> Any:
    """Small random weights."""
    names = ("W1", "b1", "W2", "b2")
    return {k: 0.1 * rng.normal(size=s) for k, s in zip(names, SIZES, strict=True)}


def unravel(flat: Any) -> Any:
    """A vector as the dict of parameters."""
    W1, b1, W2, b2 = np.split(flat, np.cumsum([int(np.prod(s)) for s in SIZES])[:-1])
    return {"W1": W1.reshape(2, HIDDEN), "b1": b1, "W2": W2.reshape(HIDDEN, 2), "b2": b2}


def main(steps: int = 40, dt: float = 0.05, iterations: int = 60) -> float:
    """Fit, and give the loss that is left."""
    start = np.array([2.0, 0.0])
    observed = spiral(start, dt, steps)
    params = init_params(np.random.default_rng(3))
    flat = np.concatenate([params[k].ravel() for k in ("W1", "b1", "W2", "b2")])
    objective = wg.compile(wg.value_and_grad(lambda p: loss(unravel(p), start, observed, dt)))
    before = objective(flat)[0]
    found = minimize(objective, flat, jac=True, method="BFGS", options={"maxiter": iterations})
    print(f"{steps} Runge-Kutta steps, {flat.size} parameters")
    print(f"loss {before:.4f} → {found.fun:.4f} after {found.nit} iterations")
    return float(found.fun)


if __name__ == "__main__":
    main()
