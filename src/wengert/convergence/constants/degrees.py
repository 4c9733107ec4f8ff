"""Whether a function is a polynomial of a low degree, proven from its expression.

A function is affine where its derivative does not depend on the point, quadratic where the second
one does not. That holds of the function, and not only near a point, if nothing in it has a kink,
a branch, or a derivative that was declared apart from its value.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np

from wengert.derive import pushforward
from wengert.errors import WengertError
from wengert.expr import Expr, topological
from wengert.operations import variable
from wengert.primitive import Constant, Kind, Partials, Undefined
from wengert.rewrite import recognise
from wengert.transforms.recording import Recorded, record

_AGREEMENT = 10.0  # times √rounding: of values along a line, relative to the largest one


def is_polynomial(function: Callable[[Any], Any], theta: Any, degree: int) -> bool:
    """Is it proven that a function of a pytree is a polynomial of at most this degree?

    Parameters
    ----------
    function : callable
        Gives an array, or a pytree of arrays.
    theta : pytree
        An argument, for its nesting and shapes.
    degree : int
        1 for an affine function, 2 for a quadratic one.

    Examples
    --------
    >>> is_polynomial(lambda x: (x @ x) ** 2, np.ones(2), 2)
    False
    >>> is_polynomial(lambda x: x @ x - 3.0 * x[0], np.ones(2), 2)
    True
    """
    try:
        recorded = record(function, (theta,), {}, 0, name="constants", valued=False)
        return is_smooth(recorded) and _is_constant(recorded, degree) and _agrees(recorded, degree)
    except WengertError:
        return False


def is_smooth(recorded: Recorded, kinks: bool = False) -> bool:
    """Is the function what its expression's derivatives say, everywhere?

    What is discrete counts, too: an order of entries that depends on their values, for one. With
    ``kinks`` operations may declare some: who asks looks whether they are met.
    """
    moving = set(recorded.leaves)
    for node in topological(*recorded.roots):
        if any(operand in moving for operand in node.operands):
            if not _is_plain(node, moving, kinks):
                return False
            moving.add(node)
    return True


def _is_plain(node: Expr, moving: set[Expr], kinks: bool) -> bool:
    primitive = node.primitive
    rule = primitive.derivative
    programs = (Kind.BRANCH, Kind.SCAN, Kind.WHILE)
    if node.dtype != "real" or primitive.foreign or primitive.kind in programs:
        return False
    if isinstance(rule, Constant | Undefined):
        return False
    if isinstance(rule, Partials) and any(
        isinstance(partial, Constant | Undefined) and operand in moving
        for partial, operand in zip(rule.partials, node.operands, strict=False)
    ):
        return False
    return kinks or primitive.kinks is None or not primitive.kinks(node)


def _is_constant(recorded: Recorded, degree: int) -> bool:
    """Is the derivative of this order free of the arguments?"""
    found = [recognise(root) for root in recorded.roots]
    for order in range(degree):
        tangents = {
            leaf: variable(f"·way{order}.{k}", leaf.shape) for k, leaf in enumerate(recorded.leaves)
        }
        found = [t for t in pushforward(found, tangents) if t is not None]
    return not set(recorded.leaves) & set(topological(*found))


def _agrees(recorded: Recorded, degree: int) -> bool:
    """Do the values on a line have no difference of the next order? A check of the proof."""
    rng = np.random.default_rng(0)
    starts = [np.asarray(a, float) for a in recorded.arguments]
    ways = [rng.normal(size=np.shape(a)) for a in starts]
    offset = [rng.normal(size=np.shape(a)) for a in starts]
    total: list[Any] = [0.0] * len(recorded.roots)
    scale = 0.0
    for k in range(degree + 2):
        point = {
            leaf: a + o + k * w
            for leaf, a, o, w in zip(recorded.leaves, starts, offset, ways, strict=True)
        }
        values = recorded.finish(recorded.roots, recorded.dtypes, point)
        weight = (-1) ** k * comb(degree + 1, k)
        total = [t + weight * np.asarray(v, float) for t, v in zip(total, values, strict=True)]
        scale = max([scale, *(float(np.max(np.abs(v), initial=0.0)) for v in values)])
    rounding = float(np.finfo(np.result_type(np.float32, *recorded.leaf_dtypes)).eps)
    limit = _AGREEMENT * np.sqrt(rounding) * scale
    return all(bool(np.all(np.abs(t) <= limit)) for t in total)
