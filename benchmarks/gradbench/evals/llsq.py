"""The least squares fit of a polynomial to the sign function."""

from typing import Any

import numpy as np
from measured import Measured

import wengert as wg


def loss(x: Any, n: int) -> Any:
    """½ Σᵢ (sign(tᵢ) − Σⱼ xⱼ tᵢʲ)² at n equidistant points."""
    t = np.linspace(-1, 1, n)
    powers = np.vander(t, len(x), increasing=True)
    return np.sum((np.sign(t) - powers @ x) ** 2) / 2


def prepare(given: Any) -> tuple[Any, int]:
    return np.array(given["x"]), given["n"]


FUNCTIONS = {
    "primal": Measured(wg.compile(loss, static_argnums=1), prepare, float),
    "gradient": Measured(wg.compile(wg.grad(loss), static_argnums=1), prepare, np.ndarray.tolist),
}
