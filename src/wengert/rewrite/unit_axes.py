"""Axes of length 1: left out while pieces are put together, and put back when that is done.

A label on such an axis says nothing, as it is always 0. Left there, it would tie or part pieces
that lie at the same places: of rows with one entry each, a block on the diagonal is the diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.expr import Expr
from wengert.operations.algebra import contract
from wengert.operations.labelling import Factor, Labels
from wengert.primitive import Place
from wengert.rewrite.piece import Piece
from wengert.shapes import Shape, concrete


def unit_axes(pieces: Sequence[Piece], shape: Shape) -> tuple[int, ...]:
    """The axes of length 1, if there are others, but for those that a label ties to a table.

    Entries that lie apart along such a label would be taken for slices of one axis without it.
    """
    unit = [k for k, size in enumerate(shape) if size == 1]
    for piece in pieces:
        read = {
            x
            for place, size in zip(piece.places, shape, strict=True)
            if size != 1 and place.at is not None
            for x in place.labels
        }
        unit = [k for k in unit if read.isdisjoint(piece.places[k].labels)]
    return tuple(unit) if len(unit) < len(shape) else ()


def without_axes(piece: Piece, axes: tuple[int, ...]) -> Piece:
    """The piece of the array without axes of length 1, and without labels of that size there."""
    places = [place for k, place in enumerate(piece.places) if k not in axes]
    read = {x for place in places if place.at is not None for x in place.labels}
    gone = {x for x, size in piece.sizes.items() if size == 1} - read
    used = {x for place in places for x in place.labels}
    used.update(x for _, own in piece.factors for x in own)
    coefficient = piece.coefficient
    for x in piece.sizes.keys() - used:
        coefficient *= concrete((piece.sizes[x],))[0]  # all at the one place of an axis
    return Piece(
        coefficient,
        tuple(_over(e, own, _left(own, gone)) for e, own in piece.factors),
        tuple(p if p.at is not None else Place(_left(p.labels, gone)) for p in places),
        {x: size for x, size in piece.sizes.items() if x in used - gone},
    )


def with_axes(piece: Piece, axes: tuple[int, ...], shape: Shape, columns: int) -> Piece:
    """The piece of the whole array, which it is without these axes of length 1.

    The axes of rows and of columns have labels of their own there, which are stored with the
    factor that has others of that side. Where rows and columns run over the same labels they share
    them too, as on a diagonal.
    """
    cut = len(shape) - columns
    outer = sum(k < cut for k in axes)
    inner = cut - outer
    sides = piece.places[:inner], piece.places[inner:]
    run = [{x for place in side for x in place.labels} for side in sides]
    fresh = max(piece.sizes, default=-1) + 1
    rows = tuple(range(fresh, fresh + outer))
    fresh += len(rows)
    if shape[:cut] == shape[cut:] and run[0] == run[1]:
        own = rows, rows
        stored = (rows, ())
    else:
        own = rows, tuple(range(fresh, fresh + len(axes) - outer))
        stored = own
    added: dict[int, Labels] = {}
    for units, labels in zip(stored, run, strict=True):
        home = _home(piece, labels)
        if home is not None:
            added[home] = (*added.get(home, ()), *units)
    factors = tuple(
        _over(node, axes, (*axes, *added.get(k, ())))
        for k, (node, axes) in enumerate(piece.factors)
    )
    units = iter((*own[0], *own[1]))
    left = iter(piece.places)
    places = tuple(Place((next(units),)) if k in axes else next(left) for k in range(len(shape)))
    sizes = {**piece.sizes, **dict.fromkeys((*own[0], *own[1]), 1)}
    return Piece(piece.coefficient, factors, places, sizes)


def _home(piece: Piece, side: set[int]) -> int | None:
    """The factor for labels on the side of others; None for what stores no entries."""
    has_labels = [k for k, (_, axes) in enumerate(piece.factors) if side & set(axes)]
    if not has_labels:
        has_labels = [k for k, (_, axes) in enumerate(piece.factors) if axes or not piece.places]
    return has_labels[0] if has_labels else None


def _left(axes: Labels, gone: set[int]) -> Labels:
    if gone.isdisjoint(axes):
        return axes
    return tuple(dict.fromkeys(x for x in axes if x not in gone))


def _over(node: Expr, axes: Labels, out: Labels) -> Factor:
    """The factor with axes of length 1 more or less."""
    if axes == out:
        return node, axes
    return contract([node], [axes], out, sizes={x: 1 for x in out if x not in axes}), out
