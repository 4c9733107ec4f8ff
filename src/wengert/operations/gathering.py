"""Entries at places that are computed: gathering, and its transpose, adding up.

``take`` is NumPy's indexing by arrays of integers. Indices are discrete: no derivative passes
through them. Places that are hit twice add up in the transposes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from scipy import sparse

from wengert.errors import IndexRangeError, ShapeError
from wengert.expr import Expr, Params
from wengert.operations.algebra import contract
from wengert.operations.apply import apply
from wengert.operations.discrete import arange, int_array, known_values
from wengert.operations.enclosing import added_up, moved
from wengert.operations.intervals import Interval
from wengert.operations.structure import contraction_params, is_contraction, is_zero, zeros
from wengert.operations.trailing import (
    float_out,
    move_axis,
    rearrange,
    separable,
    with_axes_leading,
)
from wengert.primitive import (
    Domain,
    Linear,
    Notation,
    Place,
    Primitive,
    Route,
    Sample,
    register,
)
from wengert.shapes import Shape, Size, concrete, format_shape

_MANY = 8192  # entries from which on a sparse product of float64 rows beats counting
_WIDE = 4  # columns from which on it does of any precision (counting adds up in float64)

# ---------------------------------------------------------------- builders


def take(x: Expr, indices: Sequence[Expr], rank: int | None = None) -> Expr:
    """The entries of x at places that are given by integers.

    Parameters
    ----------
    x : Expr
        An array of any dtype.
    indices : sequence of Expr
        Integers for the first of the ``rank`` trailing axes of x; their shapes broadcast, and the
        common shape comes in the place of these axes. Negative ones count from the end.
    rank : int, optional
        All axes by default.

    Raises
    ------
    ShapeError
        If the shapes of the indices do not broadcast, or there are too many.
    IndexRangeError
        When evaluated, for an index that the axis does not have.
    """
    if not indices:
        return x
    return apply(TAKE, x, *indices, rank=x.ndim if rank is None else rank)


# ---------------------------------------------------------------- places


def broadcast_shape(shapes: Sequence[Shape]) -> Shape:
    """NumPy's broadcasting of shapes.

    Raises
    ------
    ShapeError
        If they do not broadcast; the message names them.
    """
    ndim = max(map(len, shapes), default=0)
    found: list[Size] = []
    for sizes in zip(*((1,) * (ndim - len(s)) + s for s in shapes), strict=True):
        distinct = {s for s in sizes if s != 1}
        if len(distinct) > 1:
            listed = " and ".join(map(format_shape, shapes))
            raise ShapeError(f"shapes {listed} cannot be broadcast together")
        found.append(distinct.pop() if distinct else 1)
    return tuple(found)


def _check_indices(indices: Sequence[Expr]) -> Shape:
    for index in indices:
        if index.dtype != "int":
            raise ShapeError(f"an index must be of integers; this one is {index.dtype}")
    return broadcast_shape([i.shape for i in indices])


def from_zero_up(given: Any, size: int) -> Any:
    """Indices from 0 up, all of them on the axis."""
    index: Any = np.asarray(given)
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < -size or high >= size:
            wrong = low if low < -size else high
            raise IndexRangeError(f"index {wrong} is outside an axis of {size} entries")
        if low < 0:
            return index + size * (index < 0)
    return index


def add_up(values: Any, places: Any, count: int) -> Any:
    """Rows of ``values`` added up at their places, in an array of ``count`` rows."""
    width: int = values.shape[1]
    if values.size > _MANY and width > (1 if values.dtype == np.float64 else _WIDE):
        ones = np.ones(len(places), values.dtype)
        where = sparse.csc_array((ones, places, np.arange(len(places) + 1)), (count, len(places)))
        return where @ values
    if width != 1:
        places = (places[:, None] * width + np.arange(width)).ravel()
    total = np.bincount(places, values.ravel(), count * width)
    return total.reshape(count, width).astype(values.dtype, copy=False)


# ---------------------------------------------------------------- how the entries move


def _route(indices: Sequence[Expr], sizes: Shape) -> Route | None:
    """From the indexed axes, and whole ones behind them, to the entries that are taken."""
    count = len(indices)
    if not all(isinstance(n, int) for n in sizes):
        return None
    shape = concrete(_check_indices(indices))
    inner = tuple(range(len(shape)))
    rest = tuple(Place((len(shape) + k,)) for k in range(len(sizes) - count))
    acted = concrete(sizes[:count])
    tables = [spread_index(i, n, shape) for i, n in zip(indices, acted, strict=True)]
    if any(table is None for table in tables):
        return None
    at = [Place(inner, table) for table in tables]
    taken = tuple(Place((k,)) for k in inner)
    return Route((*shape, *sizes[count:]), (*taken, *rest), (*at, *rest))


def spread_index(index: Expr, size: int, shape: tuple[int, ...]) -> Expr | None:
    """Indices in the shape that all broadcast to; from 0 up if they are known in advance."""
    known = known_values(index)
    if known is not None:
        return int_array(np.broadcast_to(from_zero_up(known, size), shape))
    return index if index.shape == shape else None


def back(route: Route | None) -> Route | None:
    """The way from a route's results to its operand."""
    return route and Route(route.sizes, route.operand, route.result)


# ---------------------------------------------------------------- taking


def _shape_of_take(operands: tuple[Expr, ...], params: Params) -> Shape:
    x, *indices = operands
    (rank,) = params
    if not 0 < len(indices) <= rank <= x.ndim:
        raise ShapeError(
            f"{len(indices)} indices for {rank} axes of an array of shape {format_shape(x.shape)}"
        )
    cut = x.ndim - rank
    return (*x.shape[:cut], *_check_indices(indices), *x.shape[cut + len(indices) :])


def _take(node: Expr, x: Any, *indices: Any) -> Any:
    rest = (slice(None),) * (node.params[0] - len(indices))
    try:
        if len(indices) == 1:
            return np.take(x, indices[0], axis=x.ndim - node.params[0])
        return x[(..., *indices, *rest)]
    except IndexError:
        cut = x.ndim - node.params[0]
        for k, index in enumerate(indices):
            from_zero_up(index, x.shape[cut + k])
        raise


def _rewrite_take(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    x, *indices = operands
    (rank,) = params
    if is_zero(x):
        return zeros(_shape_of_take(operands, params))
    cut, count = x.ndim - rank, len(indices)
    if is_contraction(x):
        found = _take_of_ones(x, indices, cut) or _take_of_tied(x, indices, cut)
        if found is not None:
            return found
        passive = list(range(cut + count, x.ndim))
        if separable(x, range(cut, cut + count), passive):
            inner = len(_check_indices(indices))
            places = tuple(cut + inner + k for k in range(len(passive)))
            return with_axes_leading(
                x, passive, lambda t: apply(TAKE, t, *indices, rank=count), places
            )
    return float_out(x, rank, lambda t: apply(TAKE, t, *indices, rank=rank))


def _take_of_ones(x: Expr, indices: Sequence[Expr], cut: int) -> Expr | None:
    """Along axes on which x does not depend, other numbers of copies."""
    labels, out, coefficient = contraction_params(x)
    used = {a for axes in labels for a in axes}
    acted = out[cut : cut + len(indices)]
    if any(a in used or out.count(a) > 1 for a in acted):
        return None
    shape = _check_indices(indices)
    top = max(out) + 1 + sum(map(len, labels))
    fresh = tuple(range(top, top + len(shape)))
    whole = (*out[:cut], *fresh, *out[cut + len(indices) :])
    sizes = {a: s for a, s in zip(out, x.shape, strict=True) if a not in acted}
    sizes.update(zip(fresh, shape, strict=True))
    return contract(x.operands, labels, whole, sizes=sizes, coefficient=coefficient)


def _take_of_tied(x: Expr, indices: Sequence[Expr], cut: int) -> Expr | None:
    """An axis that a delta ties to a leading one: diag(v)[:, i] is v[i] added up at its places."""
    labels, out, coefficient = contraction_params(x)
    label = out[cut]
    if len(indices) != 1 or out.count(label) != 2 or label not in out[:cut]:
        return None
    (index,) = indices
    size = x.shape[cut]
    twin = out.index(label)
    fresh = tuple(range(max(out) + 1, max(out) + 1 + index.ndim))
    top = max((a for axes in (*labels, fresh, out) for a in axes), default=0) + 1
    fresh = tuple(range(top, top + index.ndim))
    operands: list[Expr] = []
    found: list[tuple[int, ...]] = []
    for operand, axes in zip(x.operands, labels, strict=True):
        if axes.count(label) > 1:
            return None
        if label in axes:
            at = axes.index(label)
            operands.append(apply(TAKE, operand, index, rank=operand.ndim - at))
            found.append((*axes[:at], *fresh, *axes[at + 1 :]))
        else:
            operands.append(operand)
            found.append(axes)
    others = (*out[:twin], *out[twin + 1 : cut], *fresh, *out[cut + 1 :])
    known = {a: s for a, s in zip(out, x.shape, strict=True) if a != label}
    known.update(zip(fresh, index.shape, strict=True))
    diagonal = contract(operands, found, (*others, *fresh), sizes=known, coefficient=coefficient)
    whole = apply(SCATTER, diagonal, index, sizes=(size,))
    n = whole.ndim
    return contract([whole], [range(n)], (*range(twin), n - 1, *range(twin, n - 1)))


def _scatter_back(node: Expr, cotangent: Expr) -> Expr:
    x, *indices = node.operands
    return apply(SCATTER, cotangent, *indices, sizes=x.shape[x.ndim - node.params[0] :])


def _batch_take(node: Expr, operands: tuple[Expr, ...], batched: tuple[bool, ...]) -> Expr:
    """The batch's axis becomes one of the indexed ones if an index has it."""
    x, *indices = operands
    (rank,) = node.params
    if not any(batched[1:]):
        return apply(TAKE, x, *indices, rank=rank)
    inner = max(i.ndim - b for i, b in zip(indices, batched[1:], strict=True))
    size = next(i.shape[0] for i, b in zip(indices, batched[1:], strict=True) if b)
    aligned = [
        _with_ones(i, 1, inner + 1 - i.ndim) if b else i
        for i, b in zip(indices, batched[1:], strict=True)
    ]
    cut = x.ndim - rank - batched[0]
    if batched[0]:
        if not isinstance(size, int):
            raise ShapeError(f"a batch of size {size} cannot have indices of its own; fix {size}")
        x = move_axis(x, 0, cut)
        place = arange(size)
        aligned = [_with_ones(place, 1, inner), *aligned]
    found = apply(TAKE, x, *aligned, rank=rank + batched[0])
    return move_axis(found, cut, 0)


def _with_ones(x: Expr, axis: int, count: int) -> Expr:
    """The array with axes of size 1 from an axis on."""
    labels = list(range(x.ndim))
    fresh = range(x.ndim, x.ndim + count)
    return rearrange(x, labels, [*labels[:axis], *fresh, *labels[axis:]], dict.fromkeys(fresh, 1))


def _notation_of_take(node: Expr) -> Notation:
    count, rank = len(node.operands) - 1, node.params[0]
    places = ", ".join(f"{{{k}}}" for k in range(1, count + 1))
    rest = ", :" * (rank - count)
    lead = "..., " if node.operands[0].ndim > rank else ""
    code = f"{{0:a}}[{lead}{places}{rest}]"
    return Notation(code, code, rf"{{0:a}}_{{{{{places}}}}}", code)


def _enclosed_take(node: Expr, x: Interval, *indices: Interval) -> Interval:
    """Of indices that are not known, the bounds of all entries."""
    if all(i.certain for i in indices):
        return moved(node, x, *indices)
    cut = x.lower.ndim - node.params[0]
    axes = tuple(range(cut, cut + len(indices)))
    inner = len(node.shape) - (x.lower.ndim - len(indices))
    place = (*(slice(None),) * cut, *(None,) * inner)
    shape = concrete(node.shape)
    return Interval(
        np.broadcast_to(x.lower.min(axis=axes)[place], shape),
        np.broadcast_to(x.upper.max(axis=axes)[place], shape),
    )


TAKE = register(
    Primitive(
        "take",
        None,
        _shape_of_take,
        _take,
        Linear(
            lambda node, dx: apply(TAKE, dx, *node.operands[1:], rank=node.params[0]),
            _scatter_back,
            lambda node: node.params[0],
        ),
        _notation_of_take,
        parameters=("rank",),
        rewrite=_rewrite_take,
        domains=(Domain(), Domain(-2, 1, dtype="int")),
        samples=(
            Sample(((3,), (4,)), (1,)),
            Sample(((2,), ()), (1,)),
            Sample(((2, 2), (3,)), (1,)),
            Sample(((3, 2), (2,)), (2,)),
            Sample(((2, 3), (2,), (2, 1)), (2,)),
            Sample(((2,), (0,)), (1,)),
        ),
        batch=_batch_take,
        source="entries are copied: a linear map of zeros and ones",
        route=lambda node, k: _route(
            node.operands[1:], node.operands[0].shape[node.operands[0].ndim - node.params[0] :]
        ),
        rule="indexing: the entries move, and their derivatives with them",
        dtype="same",
        enclosure=_enclosed_take,
    )
)

# ---------------------------------------------------------------- scattering


def _shape_of_scatter(operands: tuple[Expr, ...], params: Params) -> Shape:
    x, *indices = operands
    (sizes,) = params
    shape = _check_indices(indices)
    expected = (*shape, *sizes[len(indices) :])
    cut = x.ndim - len(expected)
    if cut < 0 or x.shape[cut:] != expected:
        raise ShapeError(
            f"cannot add an array of shape {format_shape(x.shape)} up at places of shape "
            f"{format_shape(expected)}"
        )
    for size in sizes[: len(indices)]:
        if not isinstance(size, int):
            raise ShapeError(f"an axis of size {size} cannot be indexed by arrays; fix {size}")
    return (*x.shape[:cut], *sizes)


def _scatter(node: Expr, x: Any, *indices: Any) -> Any:
    (sizes,) = node.params
    count = len(indices)
    acted = sizes[:count]
    wrapped = [from_zero_up(i, n) for i, n in zip(indices, acted, strict=True)]
    places = np.zeros((), np.intp)
    for index, size in zip(wrapped, acted, strict=True):
        places = places * size + index
    passive = len(sizes) - count
    cut = x.ndim - passive - places.ndim
    lead, rest = x.shape[:cut], x.shape[x.ndim - passive :]
    rows = np.moveaxis(x.reshape(prod(lead), places.size, prod(rest)), 1, 0)
    total = add_up(rows.reshape(places.size, prod(lead) * prod(rest)), places.ravel(), prod(acted))
    spread = np.moveaxis(total.reshape(prod(acted), prod(lead), prod(rest)), 0, 1)
    return spread.reshape(*lead, *acted, *rest)


def _rewrite_scatter(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    x, *indices = operands
    (sizes,) = params
    if is_zero(x):
        return zeros(_shape_of_scatter(operands, params))
    rank = len(_check_indices(indices)) + len(sizes) - len(indices)
    return float_out(x, rank, lambda t: apply(SCATTER, t, *indices, sizes=sizes), factors=False)


def _take_back(node: Expr, cotangent: Expr) -> Expr:
    return apply(TAKE, cotangent, *node.operands[1:], rank=len(node.params[0]))


def _batch_scatter(node: Expr, operands: tuple[Expr, ...], batched: tuple[bool, ...]) -> Expr:
    """With indices of its own, each member of the batch adds up in a row of its own."""
    x, *indices = operands
    (sizes,) = node.params
    if not any(batched[1:]):
        return apply(SCATTER, x, *indices, sizes=sizes)
    size = next(i.shape[0] for i, b in zip(indices, batched[1:], strict=True) if b)
    if not isinstance(size, int):
        raise ShapeError(f"a batch of size {size} cannot have indices of its own; fix {size}")
    inner = len(_check_indices(node.operands[1:]))
    aligned = [
        _with_ones(i, 1, inner + 1 - i.ndim) if b else i
        for i, b in zip(indices, batched[1:], strict=True)
    ]
    if not batched[0]:
        axes = range(x.ndim)
        x = rearrange(x, axes, [x.ndim, *axes], {x.ndim: size})
    cut = x.ndim - 1 - inner - (len(sizes) - len(indices))
    place = _with_ones(arange(size), 1, inner)
    moved = move_axis(x, 0, cut)
    return move_axis(apply(SCATTER, moved, place, *aligned, sizes=(size, *sizes)), cut, 0)


def _notation_of_scatter(node: Expr) -> Notation:
    count = len(node.operands) - 1
    sizes = node.params[0]
    places = ", ".join(f"{{{k}}}" for k in range(1, count + 1))
    shape = ", ".join(map(str, sizes))
    name = f"scatter({{0}}, [{places}], [{shape}])"
    lead = node.ndim - len(sizes)
    rest = ", :" * (len(sizes) - count)
    front = f"*t.shape[:{lead}], " if lead else ""
    where = f"(slice(None),) * {lead} + np.s_[{places}{rest},]"
    numpy = (
        f"(lambda t: (lambda z: (np.add.at(z, {where}, t), z)[1])"
        f"(np.zeros(({front}{shape},), t.dtype)))(np.asarray({{0}}))"
    )
    latex = rf"\operatorname{{{{scatter}}}}_{{{{{places}}}}}\left({{0}}\right)"
    return Notation(name, name, latex, numpy)


SCATTER = register(
    Primitive(
        "scatter",
        None,
        _shape_of_scatter,
        _scatter,
        Linear(
            lambda node, dx: apply(SCATTER, dx, *node.operands[1:], sizes=node.params[0]),
            _take_back,
            lambda node: (
                len(broadcast_shape([i.shape for i in node.operands[1:]]))
                + len(node.params[0])
                - len(node.operands)
                + 1
            ),
        ),
        _notation_of_scatter,
        parameters=("sizes",),
        rewrite=_rewrite_scatter,
        domains=(Domain(), Domain(-2, 1, dtype="int")),
        samples=(
            Sample(((4,), (4,)), ((3,),)),
            Sample(((), ()), ((2,),)),
            Sample(((2, 3), (3,)), ((2,),)),
            Sample(((2, 2), (2,)), ((3, 2),)),
            Sample(((2, 2), (2,), (2, 1)), ((2, 3),)),
            Sample(((0,), (0,)), ((2,),)),
        ),
        batch=_batch_scatter,
        source="the transpose of taking entries",
        route=lambda node, k: back(_route(node.operands[1:], node.params[0])),
        rule="scattering: the entries move, and their derivatives with them",
        enclosure=added_up,
    )
)
