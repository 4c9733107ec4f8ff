"""Runge and Kutta's method for y' = f(x, y), and the derivative of the last component."""

from typing import Any

import numpy as np
from measured import Measured

import wengert as wg

END = 2.0


def solution(x: Any, steps: int) -> Any:
    """y(2) of y₀' = x₀, yᵢ' = xᵢ yᵢ₋₁, y(0) = 0."""
    h = END / steps

    def slope(y: Any) -> Any:
        return x * np.concatenate([np.ones(1), y[:-1]])

    def step(_: Any, y: Any) -> Any:
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return wg.fori_loop(0, steps, step, np.zeros_like(x))


def last(x: Any, steps: int) -> Any:
    return solution(x, steps)[-1]


def prepare(given: Any) -> tuple[Any, int]:
    return np.array(given["x"]), given["s"]


FUNCTIONS = {
    "primal": Measured(wg.compile(solution, static_argnums=1), prepare, np.ndarray.tolist),
    "gradient": Measured(wg.compile(wg.grad(last), static_argnums=1), prepare, np.ndarray.tolist),
}
