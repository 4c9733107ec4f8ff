"""Losses that come near their infimum but have no minimum: data that are separated."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.optimize.problem import Problem
from wengert.optimize.risk import EmpiricalRisk
from wengert.optimize.space import Vector

SEPARATED = (
    "the data are separated, so that the loss has no minimum: it falls towards 0 as ‖θ‖ grows "
    "without bound (like log t in gradient descent). Add regularizer=, or choose where to end "
    "with Stop(target=...) or Stop(steps=...)"
)


def is_separated(problem: Problem, x: Vector) -> bool:
    """Do these parameters predict every label right, with a loss that falls as they grow?

    For predictions that are linear in θ this proves that there is no minimum: cθ has a smaller
    loss for every c > 1.
    """
    risk = problem.origin
    if not isinstance(risk, EmpiricalRisk) or risk.named is None or risk.regularizer:
        return False
    if risk.named.name not in ("logistic", "softmax"):
        return False
    theta = problem.space.views(x)
    for rows in risk.source.chunks():
        if not np.all(_margins(risk.predictions(theta, rows[0]), rows[1]) > 0):
            return False
    with np.errstate(all="ignore"):
        return problem.value(2 * x) < problem.value(x)


def _margins(prediction: Any, target: Any) -> Any:
    """How far each row is on the right side."""
    if prediction.shape == target.shape and prediction.ndim == 1:
        return np.where(target > 0, prediction, -prediction)
    if prediction.shape == target.shape:
        whole = np.all((target == 0) | (target == 1))
        return _margins(prediction, np.argmax(target, axis=1)) if whole else np.zeros(1)
    own = np.take_along_axis(prediction, target[:, None], axis=1)[:, 0]
    others = prediction.copy()
    np.put_along_axis(others, target[:, None], -np.inf, axis=1)
    return own - np.max(others, axis=1)
