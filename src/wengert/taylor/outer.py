"""Outer products of an array with itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.transforms.jets import check_order


def outer_power(delta: Any, k: int) -> Any:
    """δ^k = δ ⊗ ... ⊗ δ, k times: δ^k[i₁, ..., iₖ] = δ[i₁] ··· δ[iₖ].

    Parameters
    ----------
    delta : array_like
        δ, of any shape.
    k : int
        How many factors; none give the number 1.

    Returns
    -------
    ndarray
        Of shape ``delta.shape * k``.

    Examples
    --------
    >>> outer_power(np.array([1.0, 2.0]), 2)
    array([[1., 2.],
           [2., 4.]])
    """
    check_order(k)
    result = np.ones(())
    for _ in range(k):
        axes = (..., *[None] * np.ndim(delta))
        result = result[axes] * delta
    return result
