"""The logarithm of a sum of exponentials."""

from typing import Any

import numpy as np
from measured import Measured
from scipy.special import logsumexp

import wengert as wg


def prepare(given: Any) -> tuple[Any]:
    return (np.array(given["x"]),)


FUNCTIONS = {
    "primal": Measured(wg.compile(logsumexp), prepare, float),
    "gradient": Measured(wg.compile(wg.grad(logsumexp)), prepare, np.ndarray.tolist),
}
