"""Operations that move entries by fixed steps: slices, their transposes, concatenations.

They say themselves how the entries move (:class:`wengert.primitive.Route`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from wengert.backends.native.plans.statements import Shape, row_major, without_gaps
from wengert.errors import IndexRangeError
from wengert.expr import Expr
from wengert.operations.discrete import known_values
from wengert.primitive import Place, Route

_LARGEST = 1 << 20  # entries of results whose places are looked at one by one
_STRETCHES = 3  # that are filled one after the other
_PART = 1 << 16  # entries of a table that are looked at together


@dataclass(frozen=True)
class Steps:
    """Where entries are: from one on, with a step for each axis of a space."""

    offset: int
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Move:
    """Entries of an operand go to places of the result, over a space."""

    space: Shape
    source: Steps
    target: Steps


def moving_operands(node: Expr) -> list[int]:
    """The operands whose entries move; the others, if there are some, are indices."""
    domains = node.primitive.domains
    last = len(domains) - 1
    return [k for k in range(len(node.operands)) if domains[min(k, last)].dtype == "real"]


def sized_route(
    node: Expr, k: int, operand: Shape, result: Shape
) -> tuple[Route, Shape, int] | None:
    """How the entries of operand k move: its route, the sizes, and how many axes lead.

    None if the node does not say so. An index that is known to be outside of its axis is an error
    when it is evaluated.
    """
    try:
        route = None if node.primitive.route is None else node.primitive.route(node, k)
    except IndexRangeError:
        return None
    if route is None or not all(isinstance(n, int) for n in route.sizes):
        return None
    lead = len(result) - len(route.result)
    if lead != len(operand) - len(route.operand) or lead < 0:
        return None
    return route, tuple(int(str(n)) for n in route.sizes), lead


def moves_of(node: Expr, operands: Sequence[Shape], result: Shape) -> list[Move] | None:
    """How the entries of the operands move; None if not by fixed steps, or two to one place.

    Parameters
    ----------
    node : Expr
        An operation with a route.
    operands : sequence of tuple of int
        The shapes of those that :func:`moving_operands` names.
    result : tuple of int
        The result's shape.
    """
    moves: list[Move] = []
    for k, shape in zip(moving_operands(node), operands, strict=True):
        found = sized_route(node, k, shape, result)
        if found is None:
            return None
        route, sizes, lead = found
        space = (*result[:lead], *sizes)
        source = _steps(route.operand, sizes, shape, lead)
        target = _steps(route.result, sizes, result, lead)
        if source is None or target is None or not _apart(target.strides, space):
            return None
        moves.append(Move(space, source, target))
    return moves


def _steps(places: Sequence[Place], sizes: Shape, shape: Shape, lead: int) -> Steps | None:
    if any(affine(place, sizes) is None for place in places):
        return None
    return strided(places, sizes, row_major(shape), lead)


def strided(
    places: Sequence[Place | None], sizes: Shape, strides: Sequence[int], lead: int
) -> Steps:
    """Places that are steps along labels, in an array of these strides; None stands for index 0."""
    offset = 0
    steps = [*strides[:lead], *[0] * len(sizes)]
    for place, stride in zip(places, strides[lead:], strict=True):
        found = None if place is None else affine(place, sizes)
        if found is None:
            continue
        start, slopes = found
        offset += start * stride
        for label, slope in slopes.items():
            steps[lead + label] += slope * stride
    return Steps(offset, tuple(steps))


def affine(place: Place, sizes: Shape) -> tuple[int, dict[int, int]] | None:
    """A place as a number and a multiple of each label; None if it is not of this kind."""
    shape = tuple(sizes[x] for x in place.labels)
    if place.at is None:
        return 0, dict(zip(place.labels, row_major(shape), strict=True))
    table: Any = known_values(place.at)
    if table is None or table.shape != shape:
        return None
    if not table.size:
        return 0, dict.fromkeys(place.labels, 0)
    start = int(table[(0,) * table.ndim])
    slopes: dict[int, int] = {}
    steps: list[int] = []
    for axis, label in enumerate(place.labels):
        second = tuple(int(k == axis) for k in range(table.ndim))
        slope = int(table[second]) - start if shape[axis] > 1 else 0
        slopes[label] = slopes.get(label, 0) + slope
        steps.append(slope)
    return (start, slopes) if start >= 0 and _goes_in_steps(table, start, steps) else None


def _goes_in_steps(table: Any, start: int, steps: Sequence[int]) -> bool:
    """Is a table a number and a multiple of each index? Looked at in parts: it may be large."""
    if not steps:
        return True
    lengths: Shape = table.shape[1:]
    axes = np.ix_(*(step * np.arange(n) for n, step in zip(lengths, steps[1:], strict=True)))
    inner = start + sum(axes)
    rows = max(_PART // max(prod(lengths), 1), 1)
    for at in range(0, len(table), rows):
        part = table[at : at + rows]
        first = np.arange(at, at + len(part)).reshape(-1, *[1] * len(lengths))
        if not np.array_equal(part, steps[0] * first + inner):
            return False
    return True


def _apart(strides: Sequence[int], space: Shape) -> bool:
    """Do all indices lead to different places?"""
    reach = 0
    for step, n in sorted((abs(s), n) for s, n in zip(strides, space, strict=True) if n > 1):
        if step <= reach:
            return False
        reach += (n - 1) * step
    return True


def unwritten(moves: Sequence[Move], result: Shape) -> list[tuple[int, int]] | None:
    """The stretches of the result that moves leave out, as first entries and lengths.

    None if there are many, if two moves write to one place, or if that is not known.
    """
    size = prod(result)
    if size > _LARGEST:
        return None
    written = np.zeros(size + 2, bool)  # one more at each end
    for move in moves:
        index: Any = np.asarray(move.target.offset + 1)
        for n, step in zip(move.space, move.target.strides, strict=True):
            index = index[..., None] + step * np.arange(n)
        written[index] = True
    if np.count_nonzero(written) != sum(prod(m.space) for m in moves):
        return None
    written[[0, -1]] = True
    changes = np.flatnonzero(written[1:] != written[:-1])
    if len(changes) > 2 * _STRETCHES:
        return None
    return [(int(a), int(b - a)) for a, b in zip(changes[::2], changes[1::2], strict=True)]


def is_view(move: Move, result: Shape) -> bool:
    """Does every entry of the result come from one of the operand, axis by axis?"""
    return (
        prod(move.space) == prod(result)
        and not move.target.offset
        and [n for n in move.space if n != 1] == [n for n in result if n != 1]
        and without_gaps(move.space, move.target.strides)
    )


def strides_of_view(move: Move, result: Shape) -> tuple[int, ...]:
    """The strides of the result's axes in the operand."""
    moving = [s for n, s in zip(move.space, move.source.strides, strict=True) if n != 1]
    found = iter(moving)
    return tuple(next(found) if n != 1 else 0 for n in result)
