"""A piece: entries of an array at places that are known, as a product of smaller arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from wengert.expr import Expr
from wengert.operations.labelling import Factor, Labels
from wengert.operations.structure import ONE
from wengert.primitive import Place
from wengert.shapes import Size


@dataclass(frozen=True)
class Piece:
    """Σ coefficient · Π factors over all labels, at ``places``, one an axis of the result.

    ``sizes`` says how far each label runs.
    """

    coefficient: Fraction
    factors: tuple[Factor, ...]
    places: tuple[Place, ...]
    sizes: Mapping[int, Size]


def placed_labels(piece: Piece) -> Labels:
    """The labels that stand on places, in the order of their first one."""
    return tuple(dict.fromkeys(x for place in piece.places for x in place.labels))


def numbered(piece: Piece) -> Piece:
    """The piece with its labels numbered by their first place."""
    used = dict.fromkeys(placed_labels(piece))
    used.update(dict.fromkeys(x for _, axes in piece.factors for x in axes))
    name = {x: k for k, x in enumerate(used)}
    return Piece(
        piece.coefficient,
        tuple((e, tuple(name[x] for x in axes)) for e, axes in piece.factors),
        tuple(Place(tuple(name[x] for x in p.labels), p.at) for p in piece.places),
        {name[x]: piece.sizes[x] for x in used},
    )


def dense_piece(node: Expr) -> Piece:
    """An expression as one dense factor."""
    axes = tuple(range(node.ndim))
    sizes = dict(enumerate(node.shape))
    return Piece(ONE, ((node, axes),), tuple(Place((x,)) for x in axes), sizes)
