"""Entries at places along an axis, line by line: gathering, and its transpose, adding up."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.expr import Expr, Params
from wengert.operations.apply import apply
from wengert.operations.enclosing import added_up, moved
from wengert.operations.gathering import add_up, back, from_zero_up, spread_index
from wengert.operations.intervals import Interval
from wengert.operations.structure import is_zero, zeros
from wengert.operations.trailing import (
    float_out,
    move_axis,
    rearrange,
)
from wengert.primitive import (
    Domain,
    Linear,
    Notation,
    Ordered,
    Place,
    Primitive,
    Route,
    Sample,
    register,
    registry,
)
from wengert.shapes import Shape, Size, concrete, format_shape


def take_along(x: Expr, indices: Expr, axis: int = -1) -> Expr:
    """``np.take_along_axis``: for each line along the axis, its entries at that line's indices."""
    if not x.ndim:
        raise ShapeError("a scalar has no axis to take entries along")
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"there is no axis {axis} in an array of shape {format_shape(x.shape)}")
    found = apply(TAKE_ALONG, move_axis(x, axis, -1), move_axis(indices, axis, -1))
    return move_axis(found, -1, axis)


def _route_along(index: Expr, size: Size) -> Route | None:
    """From lines along the last axis to the entries that are taken from each."""
    if not isinstance(size, int):
        return None
    labels = tuple(range(index.ndim))
    lines = tuple(Place((k,)) for k in labels[:-1])
    at = Place(labels, spread_index(index, size, concrete(index.shape)))
    return Route(index.shape, (*lines, Place(labels[-1:])), (*lines, at))


def _shape_along(x: Expr, index: Expr) -> None:
    lead = x.ndim - index.ndim
    if index.dtype != "int":
        raise ShapeError(f"an index must be of integers; this one is {index.dtype}")
    if not index.ndim or lead < 0 or x.shape[lead:-1] != index.shape[:-1]:
        raise ShapeError(
            f"indices of shape {format_shape(index.shape)} do not go with an array of shape "
            f"{format_shape(x.shape)}: all axes but the last must be the same"
        )


def _shape_of_take_along(operands: tuple[Expr, ...], params: Params) -> Shape:
    x, index = operands
    _shape_along(x, index)
    return (*x.shape[:-1], index.shape[-1])


def _take_along(node: Expr, x: Any, index: Any) -> Any:
    index = from_zero_up(index, x.shape[-1])
    whole = np.broadcast_to(index, (*x.shape[:-1], index.shape[-1]))
    return np.take_along_axis(x, whole, axis=-1)


def _rewrite_take_along(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    x, index = operands
    if is_zero(x):
        return zeros(_shape_of_take_along(operands, params))
    return float_out(x, index.ndim, lambda t: apply(TAKE_ALONG, t, index))


def batch_along(node: Expr, operands: tuple[Expr, ...], batched: tuple[bool, ...]) -> Expr:
    """An array without the batch's axis is repeated along it if the indices have it."""
    x, index = operands
    params = dict(zip(node.primitive.parameters, node.params, strict=True))
    extra = node.operands[0].ndim - node.operands[1].ndim
    if batched[1] and not batched[0]:
        axes = range(x.ndim)
        x = rearrange(x, axes, [x.ndim, *axes], {x.ndim: index.shape[0]})
    if batched[1] and extra:  # the batch's axis stands before the array's further ones
        moved = move_axis(x, 0, extra)
        return move_axis(apply(node.primitive, moved, index, **params), extra, 0)
    return apply(node.primitive, x, index, **params)


def _enclosed_take_along(node: Expr, x: Interval, index: Interval) -> Interval:
    """Of indices that are not known, the bounds of all entries along the axis.

    Entries in order lie between their lower bounds in order and their upper bounds in order.
    """
    ranks = node.operands[1]
    if ranks.primitive is registry["argsort"] and ranks.operands[0] is node.operands[0]:
        return Interval(np.sort(x.lower, axis=-1), np.sort(x.upper, axis=-1))
    if index.certain:
        return moved(node, x, index)
    shape = concrete(node.shape)
    return Interval(
        np.broadcast_to(x.lower.min(axis=-1, keepdims=True), shape),
        np.broadcast_to(x.upper.max(axis=-1, keepdims=True), shape),
    )


def _sorted(node: Expr) -> Ordered | None:
    x, places = node.operands
    return Ordered(1) if places.primitive.ranking and places.operands == (x,) else None


TAKE_ALONG = register(
    Primitive(
        "take_along",
        2,
        _shape_of_take_along,
        _take_along,
        Linear(
            lambda node, dx: apply(TAKE_ALONG, dx, node.operands[1]),
            lambda node, ct: apply(
                SCATTER_ALONG, ct, node.operands[1], size=node.operands[0].shape[-1]
            ),
            lambda node: node.operands[1].ndim,
        ),
        Notation(
            "take_along({0}, {1})",
            "take_along({0}, {1})",
            r"{0:a}_{{{1}}}",
            "np.take_along_axis({0}, {1}, axis=-1)",
        ),
        rewrite=_rewrite_take_along,
        domains=(Domain(), Domain(-2, 1, dtype="int")),
        samples=(
            Sample(((3,), (2,))),
            Sample(((2, 2), (2, 3))),
            Sample(((2, 2), (2,))),
            Sample(((2,), (0,))),
        ),
        batch=batch_along,
        ordered=_sorted,
        source="entries are copied: a linear map of zeros and ones",
        route=lambda node, k: _route_along(node.operands[1], node.operands[0].shape[-1]),
        rule="indexing: the entries move, and their derivatives with them",
        dtype="same",
        enclosure=_enclosed_take_along,
    )
)


def _shape_of_scatter_along(operands: tuple[Expr, ...], params: Params) -> Shape:
    x, index = operands
    (size,) = params
    _shape_along(x, index)
    if x.shape[-1] != index.shape[-1]:
        raise ShapeError(
            f"{x.shape[-1]} entries a line cannot be added up at {index.shape[-1]} places"
        )
    if not isinstance(size, int):
        raise ShapeError(f"an axis of size {size} cannot be indexed by arrays; fix {size}")
    return (*x.shape[:-1], size)


def _scatter_along(node: Expr, x: Any, index: Any) -> Any:
    (size,) = node.params
    places = np.broadcast_to(from_zero_up(index, size), x.shape)
    lines = prod(x.shape[:-1])
    offsets = (np.arange(lines) * size).reshape(*x.shape[:-1], 1)
    total = add_up(x.reshape(-1, 1), (places + offsets).ravel(), lines * size)
    return total.reshape(*x.shape[:-1], size)


def _rewrite_scatter_along(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    x, index = operands
    if is_zero(x):
        return zeros(_shape_of_scatter_along(operands, params))
    return float_out(
        x, index.ndim, lambda t: apply(SCATTER_ALONG, t, index, size=params[0]), factors=False
    )


SCATTER_ALONG = register(
    Primitive(
        "scatter_along",
        2,
        _shape_of_scatter_along,
        _scatter_along,
        Linear(
            lambda node, dx: apply(SCATTER_ALONG, dx, node.operands[1], size=node.params[0]),
            lambda node, ct: apply(TAKE_ALONG, ct, node.operands[1]),
            lambda node: node.operands[1].ndim,
        ),
        Notation(
            "scatter_along({0}, {1}, {size})",
            "scatter_along({0}, {1}, {size})",
            r"\operatorname{{scatter}}_{{{1}}}\left({0}\right)",
            "np.einsum('...i,...ij->...j', {0}, {1:a}[..., None] % {size} == np.arange({size}))",
        ),
        parameters=("size",),
        rewrite=_rewrite_scatter_along,
        domains=(Domain(), Domain(-2, 1, dtype="int")),
        samples=(
            Sample(((3,), (3,)), (2,)),
            Sample(((2, 2), (2, 2)), (3,)),
            Sample(((2, 2), (2,)), (2,)),
            Sample(((0,), (0,)), (2,)),
        ),
        batch=batch_along,
        source="the transpose of taking entries along an axis",
        route=lambda node, k: back(_route_along(node.operands[1], node.params[0])),
        rule="scattering: the entries move, and their derivatives with them",
        enclosure=added_up,
    )
)
