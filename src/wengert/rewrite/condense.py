"""Pieces at equal or neighbouring places put together: fewer pieces, no more room.

Derivatives of code that is written entry by entry (x[:, 0], x[:, 3:6]) come as many pieces, each
on a slice of an axis of its own. Those that differ in that axis only are one piece with the axis
as a label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, TypeVar

import numpy as np

from wengert.expr import Expr
from wengert.operations.algebra import add, contract
from wengert.operations.apply import apply
from wengert.operations.discrete import int_array, known_values
from wengert.operations.gathering import SCATTER
from wengert.operations.indexing import embed
from wengert.operations.joining import concatenate
from wengert.operations.labelling import Labels
from wengert.operations.structure import ONE, zeros
from wengert.operations.trailing import move_axis, rearrange
from wengert.primitive import Place
from wengert.rewrite.piece import Piece, numbered, placed_labels
from wengert.shapes import Shape, concrete

T = TypeVar("T")
Run = tuple[int, int]  # from, and up to

_MANY = 64  # slices of one axis that are put together
_ROOM = 2  # how many times the entries of the slices the whole axis may have


def condensed(pieces: Sequence[Piece], shape: Shape) -> list[Piece]:
    """The pieces with those at equal places added, and slices of an axis put together.

    Parameters
    ----------
    pieces : sequence of Piece
        Of one array.
    shape : tuple of Size
        Its shape.
    """
    found = _added(pieces)
    for axis in range(len(shape)):
        if len(found) < 2:
            break
        found = _put_together(found, axis, shape[axis])
    return _in_boxes(found, shape) if len(found) > 1 else found


def core_of(piece: Piece, out: Labels) -> Expr:
    """The product of a piece's factors, over some of its labels (spread along those it lacks)."""
    return contract(
        [e for e, _ in piece.factors],
        [axes for _, axes in piece.factors],
        out,
        sizes={x: piece.sizes[x] for x in out},
        coefficient=piece.coefficient,
    )


def stored_labels(piece: Piece) -> Labels:
    """The labels that stand on places and on factors."""
    inside = {x for _, axes in piece.factors for x in axes}
    return tuple(x for x in placed_labels(piece) if x in inside)


def is_plain(piece: Piece) -> bool:
    """Is the product of the factors hardly larger than the largest of them?"""
    sizes: list[Any] = [
        prod(int(piece.sizes[x]) for x in set(axes))  # pyright: ignore[reportArgumentType]
        for _, axes in piece.factors
    ]
    whole: Any = prod(int(piece.sizes[x]) for x in stored_labels(piece))  # pyright: ignore
    return whole <= _ROOM * max(sizes, default=1)


def _is_known(piece: Piece) -> bool:
    return all(isinstance(size, int) for size in piece.sizes.values())


# ---------------------------------------------------------------- equal places


def _added(pieces: Sequence[Piece]) -> list[Piece]:
    groups: dict[Any, list[Piece]] = {}
    found: list[Piece] = []
    for piece in map(numbered, pieces):
        if not _is_known(piece) or not is_plain(piece):
            found.append(piece)
            continue
        key = piece.places, tuple(piece.sizes[x] for x in placed_labels(piece))
        groups.setdefault(key, []).append(piece)
    for (places, _), members in groups.items():
        for labels, alike in _without_copies([(p, stored_labels(p)) for p in members]):
            if len(alike) == 1:
                found += alike
                continue
            core = add([core_of(piece, labels) for piece in alike])
            sizes = {x: members[0].sizes[x] for x in placed_labels(members[0])}
            found.append(Piece(ONE, ((core, labels),), places, sizes))
    return found


def _without_copies(members: Sequence[tuple[T, Labels]]) -> list[tuple[Labels, list[T]]]:
    """Members by the labels of their cores; all together if one of them has all labels."""
    every = tuple(sorted({x for _, labels in members for x in labels}))
    if any(set(labels) == set(every) for _, labels in members):
        return [(every, [member for member, _ in members])]
    groups: dict[Labels, list[T]] = {}
    for member, labels in members:
        groups.setdefault(tuple(sorted(labels)), []).append(member)
    return list(groups.items())


# ---------------------------------------------------------------- slices of one axis


def _put_together(pieces: Sequence[Piece], axis: int, size: Any) -> list[Piece]:
    groups: dict[Any, list[tuple[tuple[Piece, Run], Labels]]] = {}
    found: list[Piece] = []
    for piece in pieces:
        run = _run_on(piece, axis, size) if _is_known(piece) and is_plain(piece) else None
        if run is None:
            found.append(piece)
            continue
        rest, stored, sizes = _without(piece, axis)
        groups.setdefault((rest, sizes), []).append(((piece, run), stored))
    for (rest, sizes), members in groups.items():
        for stored, alike in _without_copies(members):
            covered = sum(stop - start for _, (start, stop) in alike)
            if not 1 < len(alike) <= _MANY or _ROOM * covered < size:
                found += [piece for piece, _ in alike]
                continue
            found.append(_one_piece(alike, axis, size, rest, sizes, stored))
    return found


def _run_on(piece: Piece, axis: int, size: Any) -> Run | None:
    """The run of an axis that a piece lies on, if nothing else depends on the place there."""
    place = piece.places[axis]
    others = {x for k, p in enumerate(piece.places) if k != axis for x in p.labels}
    if others & set(place.labels) or len(place.labels) > 1:
        return None
    if place.at is None:
        return (0, size) if place.labels else None
    table = known_values(place.at)
    if table is None or not table.size:
        return None
    flat = table.ravel()
    start, stop = int(flat[0]), int(flat[-1]) + 1
    steady = len(flat) == stop - start and bool((flat[1:] - flat[:-1] == 1).all())
    return (start, stop) if steady else None


def _without(piece: Piece, axis: int) -> tuple[tuple[Place, ...], Labels, tuple[Any, ...]]:
    """The other places with their labels numbered, those of them that are stored, the sizes."""
    others = [p for k, p in enumerate(piece.places) if k != axis]
    labels = _labels_beside(piece, axis)
    name = {x: k for k, x in enumerate(labels)}
    rest = tuple(Place(tuple(name[x] for x in p.labels), p.at) for p in others)
    stored = tuple(name[x] for x in stored_labels(piece) if x in name)
    return rest, tuple(sorted(stored)), tuple(piece.sizes[x] for x in labels)


def _labels_beside(piece: Piece, axis: int) -> Labels:
    """The labels on the other axes, in the order of their first place."""
    others = (p for k, p in enumerate(piece.places) if k != axis)
    return tuple(dict.fromkeys(x for p in others for x in p.labels))


def _one_piece(
    members: Sequence[tuple[Piece, Run]],
    axis: int,
    size: int,
    rest: tuple[Place, ...],
    sizes: tuple[Any, ...],
    stored: Labels,
) -> Piece:
    parts: list[tuple[Expr, Run]] = []
    for piece, run in members:
        labels = _labels_beside(piece, axis)
        own = piece.places[axis].labels
        out = (*(labels[k] for k in stored), *own)
        core = core_of(piece, out)
        if not own:  # a single place
            axes = tuple(range(core.ndim))
            core = contract([core], [axes], (*axes, core.ndim), sizes={core.ndim: 1})
        parts.append((core, run))
    label = len(sizes)
    places = (*rest[:axis], Place((label,)), *rest[axis:])
    core = _side_by_side(parts, size)
    every = dict(enumerate((*sizes, size)))
    return numbered(Piece(ONE, ((core, (*stored, label)),), places, every))


def _side_by_side(parts: Sequence[tuple[Expr, Run]], size: int) -> Expr:
    """Arrays on runs of a last axis as one array, with zeros between; added where runs overlap."""
    ordered = sorted(parts, key=lambda part: part[1])
    joined: list[Expr] = []
    at = 0
    for part, (start, stop) in ordered:
        if start < at:
            lead = part.shape[:-1]
            spread = [embed(e, [slice(*run)], (size,)) for e, run in parts]
            assert all(s.shape == (*lead, size) for s in spread)
            return add(spread)
        if start > at:
            joined.append(zeros((*part.shape[:-1], start - at)))
        joined.append(part)
        at = stop
    if at < size:
        joined.append(zeros((*joined[-1].shape[:-1], size - at)))
    return concatenate(joined, -1)


# ---------------------------------------------------------------- inside of another piece


def _in_boxes(pieces: Sequence[Piece], shape: Shape) -> list[Piece]:
    """Pieces that lie among the entries that another one stores are added to that one."""
    left: list[Piece] = sorted(pieces, key=_stored_entries, reverse=True)
    found: list[Piece] = []
    while left:
        box: Piece = left[0]
        others: list[Piece] = left[1:]
        inside = {k: part for k, p in enumerate(others) if (part := _within(p, box)) is not None}
        left = [p for k, p in enumerate(others) if k not in inside]
        if inside:
            labels = stored_labels(box)
            sizes = tuple(box.sizes[x] for x in labels)
            parts = [core_of(box, labels), *(array_of(part, sizes) for part in inside.values())]
            box = Piece(ONE, ((add(parts), labels),), box.places, box.sizes)
        found.append(box)
    return found


def _stored_entries(piece: Piece) -> int:
    if not _is_known(piece) or not is_plain(piece):
        return 0
    return prod(int(piece.sizes[x]) for x in stored_labels(piece))  # pyright: ignore


def _within(piece: Piece, box: Piece) -> Piece | None:
    """The piece as an array over the labels that the other one stores; None if it is not inside.

    On axes of which the other one stores all places, anything goes; on the others the places must
    be the same.
    """
    if not (_is_known(piece) and is_plain(piece) and _is_known(box) and is_plain(box)):
        return None
    stored = stored_labels(box)
    free = {
        p.labels[0]: k
        for k, p in enumerate(box.places)
        if p.plain and p.labels[0] in stored and _uses(box, p.labels[0]) == 1
    }
    same: dict[int, int] = {}  # the other one's labels, and this one's
    for k, (mine, theirs) in enumerate(zip(piece.places, box.places, strict=True)):
        if k in free.values():
            continue
        if mine.at is not theirs.at or len(mine.labels) != len(theirs.labels):
            return None
        for a, b in zip(mine.labels, theirs.labels, strict=True):
            if same.setdefault(b, a) != a or box.sizes[b] != piece.sizes[a]:
                return None
    if len(set(same.values())) < len(same):
        return None
    varied = {*stored_labels(piece), *(x for k in free.values() for x in piece.places[k].labels)}
    if varied & set(same.values()) - {same.get(x) for x in stored}:
        return None  # it depends on a place, or is tied to one, along which the other is constant
    places = tuple(piece.places[free[x]] if x in free else Place((same[x],)) for x in stored)
    used = {x for place in places for x in place.labels} | {x for _, a in piece.factors for x in a}
    return Piece(
        piece.coefficient, piece.factors, places, {x: piece.sizes[x] for x in sorted(used)}
    )


def _uses(piece: Piece, label: int) -> int:
    return sum(place.labels.count(label) for place in piece.places)


def array_of(piece: Piece, shape: Shape) -> Expr:
    """The whole array that a piece is, as one expression."""
    labels = placed_labels(piece)
    if all(place.plain for place in piece.places):
        return core_of(piece, tuple(place.labels[0] for place in piece.places))
    runs = {
        k: run
        for k, place in enumerate(piece.places)
        if not place.plain and (run := _run_on(piece, k, shape[k])) is not None
    }
    if len(runs) == sum(not place.plain for place in piece.places):
        return _embedded(piece, shape, runs)
    indices = [_index(piece, place, labels) for place in piece.places]
    return apply(SCATTER, core_of(piece, labels), *indices, sizes=tuple(shape))


def _embedded(piece: Piece, shape: Shape, runs: Mapping[int, Run]) -> Expr:
    """A core that is written among zeros, along one axis after the other."""
    labels = placed_labels(piece)
    array = core_of(piece, labels)
    axes = list(labels)
    fresh = max(labels, default=-1) + 1
    name: dict[int, int] = {}
    for k, run in runs.items():
        own = piece.places[k].labels
        if own:
            at = axes.index(own[0])
            array = move_axis(array, at, -1) if array.ndim > 1 else array
            del axes[at]
        else:
            every = tuple(range(array.ndim))
            array = contract([array], [every], (*every, array.ndim), sizes={array.ndim: 1})
        array = embed(array, [slice(*run)], (shape[k],))
        axes.append(fresh)
        name[k] = fresh
        fresh += 1
    out = tuple(name[k] if k in name else p.labels[0] for k, p in enumerate(piece.places))
    return contract([array], [axes], out)


def _index(piece: Piece, place: Place, labels: Labels) -> Expr:
    """The index on an axis, as an array over all labels."""
    shape = concrete(tuple(piece.sizes[x] for x in place.labels))
    at = int_array(np.arange(prod(shape)).reshape(shape)) if place.at is None else place.at
    return rearrange(at, place.labels, labels, {x: piece.sizes[x] for x in labels})
