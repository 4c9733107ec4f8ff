"""The usual losses by name, with the labels that they are of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from wengert.errors import DomainError, ShapeError

Array = Any


@dataclass(frozen=True)
class Loss:
    """A loss ℓ(prediction, target), row by row.

    Attributes
    ----------
    name : str
        Its name.
    function : callable
        ``function(predictions, targets)``: a number for each row.
    inside : callable
        Which targets are in the domain: an array of booleans like the targets.
    domain : str
        The domain in words.
    encode : callable
        Targets as ``function`` takes them.
    smoothness : float or None
        A bound on its second derivative in the prediction, where there is one.
    attained : bool
        Whether it has a minimum for each target; the others only come near their infimum 0.
    slope : float or None
        A bound on its first derivative in the prediction, where there is one.
    third : float or None
        A bound on its third derivative along a unit vector, where there is one.
    concordance : float or None
        A bound on its third derivative along a unit vector by the second one.
    joint : bool
        The numbers of a row's prediction enter together, and the bounds are of all of them: the
        norm of the gradient, the largest eigenvalue of the Hessian. Otherwise a row's loss is the
        sum over them, and the bounds are of one.
    lowest : float or None
        A bound from below, for all predictions and targets.
    """

    name: str
    function: Callable[[Array, Array], Array]
    inside: Callable[[Array], Array]
    domain: str
    encode: Callable[[Array], Array]
    smoothness: float | None
    attained: bool = True
    slope: float | None = None
    third: float | None = None
    concordance: float | None = None
    joint: bool = False
    lowest: float | None = 0.0

    @property
    def kinked(self) -> bool:
        """Does its gradient jump? It is bounded then, and its derivative is not."""
        return self.slope is not None and self.smoothness is None

    def targets(self, y: Array, first: int = 0) -> Array:
        """Targets as the loss takes them.

        Parameters
        ----------
        y : ndarray
            Of the rows.
        first : int
            The number of the first row, for messages.

        Raises
        ------
        DomainError
            Naming the first row whose target is outside of the domain.
        """
        if y.dtype.kind not in "fiub":
            raise DomainError(
                f"the {self.name} loss takes {self.domain}; the targets are of dtype {y.dtype}"
            )
        bad = ~np.asarray(self.inside(y))
        if bad.any():
            row = int(np.argwhere(bad)[0][0])
            raise DomainError(
                f"row {first + row} has the target {_shown(y[row])}; the {self.name} loss takes "
                f"{self.domain}"
            )
        return self.encode(y)


def named_loss(name: str) -> Loss:
    """The loss of a name.

    Raises
    ------
    ValueError
        For an unknown one, with the list.

    Examples
    --------
    >>> named_loss("squared").function(np.array([1.0, 3.0]), np.array([0.0, 1.0]))
    array([0.5, 2. ])
    """
    if name not in LOSSES:
        raise ValueError(
            f"there is no loss {name!r}; the losses are {', '.join(LOSSES)}, and any function of "
            "(predictions, targets)"
        )
    return LOSSES[name]


def _shown(value: Any) -> str:
    return np.array2string(np.asarray(value), threshold=6)


def _alike(prediction: Array, target: Array) -> None:
    """Predictions and targets that broadcast are a trap: (n, 1) and (n,) make n².

    Raises
    ------
    ShapeError
        If their shapes differ.
    """
    if prediction.shape != target.shape:
        raise ShapeError(
            f"predict gives an array of shape {prediction.shape} for targets of shape "
            f"{target.shape}; they must be alike (predictions[:, 0] drops an axis of length 1)"
        )


def _by_row(a: Array) -> Array:
    return a if a.ndim == 1 else np.sum(a.reshape(a.shape[0], -1), axis=1)


def _squared(prediction: Array, target: Array) -> Array:
    _alike(prediction, target)
    return _by_row(0.5 * (prediction - target) ** 2)


def _huber(prediction: Array, target: Array) -> Array:
    _alike(prediction, target)
    size = np.abs(prediction - target)
    return _by_row(np.where(size <= 1, 0.5 * size**2, size - 0.5))


def _logistic(prediction: Array, target: Array) -> Array:
    _alike(prediction, target)
    return _by_row(np.logaddexp(0.0, prediction) - target * prediction)


def _hinge(prediction: Array, target: Array) -> Array:
    _alike(prediction, target)
    return _by_row(np.maximum(0.0, 1.0 - (2.0 * target - 1.0) * prediction))


def _poisson(prediction: Array, target: Array) -> Array:
    _alike(prediction, target)
    return _by_row(np.exp(prediction) - target * prediction)


def _softmax(prediction: Array, target: Array) -> Array:
    if prediction.ndim != 2:
        raise ShapeError(
            f"the softmax loss takes predictions of shape (rows, classes); predict gives shape "
            f"{prediction.shape}"
        )
    top = np.max(prediction, axis=1, keepdims=True)
    whole = np.log(np.sum(np.exp(prediction - top), axis=1)) + top[:, 0]
    if target.ndim == 2:
        _alike(prediction, target)
        return whole - np.sum(target * prediction, axis=1)
    chosen = target[:, None] == np.arange(prediction.shape[1])
    return whole - np.sum(np.where(chosen, prediction, 0.0), axis=1)


def _two_labels(y: Array) -> Array:
    """0 and 1, or −1 and 1, but not all three."""
    known = (y == 0) | (np.abs(y) == 1)
    return known & ~((y == -1) & np.any(y == 0))


def _classes(y: Array) -> Array:
    if y.ndim == 2:
        sums = np.abs(np.sum(y, axis=1, keepdims=True) - 1) <= 1e-6
        return (y >= 0) & sums
    return (y >= 0) & (y == np.floor(y)) & np.isfinite(y)


def _as_classes(y: Array) -> Array:
    return y if y.ndim == 2 else y.astype(np.int64)


def _floats(y: Array) -> Array:
    return y if y.dtype.kind == "f" else y.astype(float)


def _zero_or_one(y: Array) -> Array:
    return (y > 0).astype(y.dtype if y.dtype.kind == "f" else float)


def _counts(y: Array) -> Array:
    return np.isfinite(y) & (y >= 0)


_LABELS = "the labels 0 and 1, or -1 and 1"
LOSSES = {
    loss.name: loss
    for loss in (
        Loss(
            "squared",
            _squared,
            np.isfinite,
            "finite numbers",
            _floats,
            1.0,
            third=0.0,
            concordance=0.0,
        ),
        Loss("huber", _huber, np.isfinite, "finite numbers", _floats, 1.0, slope=1.0),
        Loss(
            "logistic",
            _logistic,
            _two_labels,
            _LABELS,
            _zero_or_one,
            0.25,
            False,
            slope=1.0,
            third=1 / (6 * sqrt(3)),
            concordance=1.0,
        ),
        Loss("hinge", _hinge, _two_labels, _LABELS, _zero_or_one, None, slope=1.0),
        Loss(
            "poisson",
            _poisson,
            _counts,
            "numbers from 0 on",
            _floats,
            None,
            False,
            concordance=1.0,
            lowest=None,
        ),
        Loss(
            "softmax",
            _softmax,
            _classes,
            "class numbers 0, 1, 2, ..., or rows of probabilities",
            _as_classes,
            0.5,
            False,
            slope=sqrt(2),
            third=sqrt(2 / 27),  # a third central moment is at most (range)³/6√3
            concordance=sqrt(2),  # and at most range times the second
            joint=True,
        ),
    )
}
