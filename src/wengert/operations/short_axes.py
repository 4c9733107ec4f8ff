"""Reductions along a short last axis, for which NumPy's own make one small loop a row."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

SHORT = 128  # entries up to which a plain sum is as exact as NumPy's pairwise one
MANY = 64  # rows from which on the ways below are faster


def is_short(shape: tuple[int, ...]) -> bool:
    """Has an array of the shape many rows with few entries, and at least one?"""
    return bool(shape) and 0 < shape[-1] <= SHORT and prod(shape[:-1]) >= MANY


def sums_along(a: Any) -> Any:
    """Sums along the last axis: a product with ones."""
    if is_short(a.shape) and a.dtype.kind == "f" and a.flags.c_contiguous:
        ones = np.ones(a.shape[-1], a.dtype)
        if a.ndim == 2:
            return np.dot(a, ones)
        return np.dot(a.reshape(-1, a.shape[-1]), ones).reshape(a.shape[:-1])
    return a.sum(axis=-1)


def largest_along(a: Any) -> Any:
    """The largest entries along the last axis: that axis is put in front, as rows of a copy."""
    if is_short(a.shape) and a.flags.c_contiguous:
        return np.max(np.ascontiguousarray(np.moveaxis(a, -1, 0)), axis=0)
    return np.max(a, axis=-1)
