"""Both engines on the same function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree

import wengert as wg
from wengert.plan.instructions import Branch, Loop


def check(function: Callable[..., Any], *args: Any) -> Any:
    """Both engines agree, and all loops are native."""
    by_native = wg.compile(function, engine="native")
    found = _agree(function, by_native, args)
    plan = by_native.plan(*args)
    loops = [i for i in plan.instructions if isinstance(i, Loop | Branch)]
    assert loops
    assert all(i.target in plan.native for i in loops)
    return found


def agree(function: Callable[..., Any], *args: Any) -> Any:
    """Both engines agree."""
    return _agree(function, wg.compile(function, engine="native"), args)


def _agree(function: Callable[..., Any], by_native: Any, args: Any) -> Any:
    by_numpy = wg.compile(function, engine="numpy")
    expected, found = optree.tree_leaves(by_numpy(*args)), optree.tree_leaves(by_native(*args))
    for one, other in zip(map(np.asarray, expected), map(np.asarray, found), strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        scale = np.abs(one).max(initial=1, where=np.isfinite(one))
        precision = 1e-4 if one.dtype == np.float32 else 1e-11
        np.testing.assert_allclose(other, one, rtol=precision, atol=precision * scale)
    return found
