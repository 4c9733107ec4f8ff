"""The structure of an expression: a sum of pieces, each with its entries at places that are known.

A *piece* is Σ coefficient · Π factors over all its labels, where each axis of the result has its
index as a function of the labels (a :class:`~wengert.primitive.Place`). Deltas are places that
share a label, ones are labels on no factor, gathers and slices are tables of places. Contractions
and operations that only move entries map pieces to pieces, exactly; where that cannot be said, a
node is one dense factor, which is always right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np

from wengert.expr import Expr, topological
from wengert.operations.algebra import add, contract
from wengert.operations.discrete import int_array, known_values
from wengert.operations.gathering import take
from wengert.operations.labelling import Factor, Labels
from wengert.operations.reshaping import reshape
from wengert.operations.structure import (
    ONE,
    coefficients_of,
    contraction_params,
    has_delta,
    is_contraction,
    is_sum,
    is_zero,
)
from wengert.operations.tables import agreements, count_matches, counts_up, distinct, over
from wengert.operations.trailing import move_axis
from wengert.primitive import Place, Route
from wengert.rewrite.condense import condensed
from wengert.rewrite.piece import Piece, dense_piece
from wengert.shapes import Shape, Size

_FEW = 4  # pieces from which on they are put together where they can be
_PIECE_CAP = 64  # pieces of one node; beyond it the node is one dense factor
_PRODUCT_CAP = 256  # likewise, before they are put together
_TABLE_CAP = 10**7  # entries of a table of places


class NotInPiecesError(Exception):
    """A product whose places cannot be told in advance."""


def pieces_of(root: Expr) -> tuple[Piece, ...]:
    """The pieces of an expression; one dense factor if it has no structure."""
    found: dict[Expr, tuple[Piece, ...]] = {}
    for node in _structured(root):
        operands = [found[o] if o in found else (dense_piece(o),) for o in node.operands]
        try:
            found[node] = _capped(_pieces(node, operands), node.shape)
        except NotInPiecesError:
            continue
    return found.get(root, (dense_piece(root),))


def has_tables(pieces: Iterable[Piece]) -> bool:
    """Are entries at places that no delta describes?"""
    return any(not place.plain for piece in pieces for place in piece.places)


def _structured(root: Expr) -> list[Expr]:
    """The nodes through which structure reaches the root, operands first."""
    order = topological(root)
    carry: set[Expr] = set()
    for node in order:
        if node.dtype == "real" and (
            _brings_structure(node)
            or (_keeps_structure(node) and any(o in carry for o in node.operands))
        ):
            carry.add(node)
    wanted = {root} & carry
    for node in reversed(order):
        if node in wanted:
            wanted.update(o for o in node.operands if o in carry)
    return [node for node in order if node in wanted]


def _keeps_structure(node: Expr) -> bool:
    return is_contraction(node) or is_sum(node) or node.primitive.route is not None


def _brings_structure(node: Expr) -> bool:
    """Does it put zeros between its operands' entries?"""
    if has_delta(node):
        return True
    if node.primitive.route is None:
        return False
    route = node.primitive.route(node, 0)
    return route is not None and any(place.at is not None for place in route.result)


def _pieces(node: Expr, operands: Sequence[tuple[Piece, ...]]) -> list[Piece]:
    if is_zero(node):
        return []
    if is_sum(node):
        return _of_sum(node, operands)
    if is_contraction(node):
        labels, out, coefficient = contraction_params(node)
        sizes = dict(zip(out, node.shape, strict=True))
        return products_of(operands, labels, out, sizes, coefficient)
    found: list[Piece] = []
    assert node.primitive.route is not None
    for k, operand in enumerate(node.operands):
        if operand.dtype == "real":
            route = node.primitive.route(node, k)
            if route is None:
                raise NotInPiecesError
            found += routed(operands[k], operand.ndim, route)
    return found


def _of_sum(node: Expr, operands: Sequence[tuple[Piece, ...]]) -> list[Piece]:
    found: list[Piece] = []
    dense: list[tuple[Expr, Fraction]] = []
    for term, coefficient, pieces in zip(
        node.operands, coefficients_of(node), operands, strict=True
    ):
        if pieces == (dense_piece(term),):
            dense.append((term, coefficient))
        else:
            found += [
                Piece(p.coefficient * coefficient, p.factors, p.places, p.sizes) for p in pieces
            ]
    if dense:
        found.append(dense_piece(add([t for t, _ in dense], [c for _, c in dense])))
    return found


def routed(pieces: tuple[Piece, ...], ndim: int, route: Route) -> list[Piece]:
    """The pieces of an array of rank ``ndim`` after its entries have moved."""
    moves = Piece(ONE, (), (*route.result, *route.operand), dict(enumerate(route.sizes)))
    lead = tuple(range(ndim - len(route.operand)))
    after = tuple(range(len(lead), len(lead) + len(route.result)))
    top = len(lead) + len(after)
    before = tuple(range(top, top + len(route.operand)))
    return products_of([(moves,), pieces], [(*after, *before), (*lead, *before)], (*lead, *after))


def products_of(
    operands: Sequence[tuple[Piece, ...]],
    labels: Sequence[Labels],
    out: Labels,
    sizes: Mapping[int, Size] | None = None,
    coefficient: Fraction = ONE,
) -> list[Piece]:
    """The contraction of arrays that are given by their pieces.

    Parameters
    ----------
    operands : sequence of tuple of Piece
        The factors.
    labels, out, sizes, coefficient
        As in :func:`~wengert.operations.algebra.contract`.
    """
    if prod(map(len, operands)) > _PRODUCT_CAP:
        raise NotInPiecesError
    found: list[Piece] = []
    for chosen in product(*operands):
        network = _Network(coefficient)
        for piece, axes in zip(chosen, labels, strict=True):
            network.admit(piece, axes)
        if not network.empty:
            found.append(network.piece(out, sizes or {}))
    return found


def _capped(pieces: list[Piece], shape: Shape) -> tuple[Piece, ...]:
    if len(pieces) > _FEW:
        pieces = condensed(pieces, shape)
    if len(pieces) > _PIECE_CAP:
        raise NotInPiecesError
    return tuple(pieces)


# ---------------------------------------------------------------- products of pieces


class _Network:
    """A product under construction: ``held`` says where each index of the product is."""

    def __init__(self, coefficient: Fraction) -> None:
        self.coefficient = coefficient
        self.factors: list[Factor] = []
        self.sizes: dict[int, Size] = {}
        self.held: dict[int, Place] = {}
        self.fresh = 0
        self.empty = False

    def admit(self, piece: Piece, axes: Labels) -> None:
        """Multiply by a piece whose axes are these indices of the product."""
        renamed = {x: self.fresh + k for k, x in enumerate(piece.sizes)}
        self.fresh += len(renamed)
        self.sizes.update((renamed[x], size) for x, size in piece.sizes.items())
        self.coefficient *= piece.coefficient
        self.factors += [(e, tuple(renamed[x] for x in own)) for e, own in piece.factors]
        waiting = [_renamed(place, renamed) for place in piece.places]
        offset = -1 - len(waiting)  # keys below 0: places on their way, seen by substitutions
        self.held.update((offset + k, place) for k, place in enumerate(waiting))
        for k, axis in enumerate(axes):
            self._meet(axis, offset + k)

    def piece(self, out: Labels, sizes: Mapping[int, Size]) -> Piece:
        """The product as a piece, its labels numbered by their first place."""
        for x in out:
            if x not in self.held:
                self.held[x] = Place((self._new(sizes[x]),))
        places = [self.held[x] for x in out]
        used = dict.fromkeys(x for place in places for x in place.labels)
        used.update(dict.fromkeys(x for _, axes in self.factors for x in axes))
        coefficient = self.coefficient
        for x, size in self.sizes.items():
            if x not in used:
                if not isinstance(size, int):
                    raise NotInPiecesError
                coefficient *= size  # summed over without standing anywhere
        renamed = {x: k for k, x in enumerate(used)}
        return Piece(
            coefficient,
            tuple((e, tuple(renamed[x] for x in axes)) for e, axes in self.factors),
            tuple(_renamed(place, renamed) for place in places),
            {renamed[x]: self.sizes[x] for x in used},
        )

    def _new(self, size: Size) -> int:
        self.sizes[self.fresh] = size
        self.fresh += 1
        return self.fresh - 1

    # ------------------------------------------------------------ one index, two places

    def _meet(self, axis: int, waiting: int) -> None:
        """The index ``axis`` is where ``waiting`` is, too."""
        if axis not in self.held:
            self.held[axis] = self.held.pop(waiting)
            return
        one, other = self.held[axis], self.held[waiting]
        if one != other:
            if one.plain and one.labels[0] not in other.labels:
                self._substitute({one.labels[0]: other})
            elif other.plain and other.labels[0] not in one.labels:
                self._substitute({other.labels[0]: one})
            elif self._alike(one, other):
                self._unify(one.labels, other.labels)
            else:
                self._join(one, other)
        del self.held[waiting]

    def _alike(self, one: Place, other: Place) -> bool:
        """Are equal labels the only way in which the places agree?"""
        sizes = [[self.sizes[x] for x in place.labels] for place in (one, other)]
        if one.at is not other.at or sizes[0] != sizes[1]:
            return False
        return one.at is None or distinct(self._table(one))

    def _unify(self, ones: Labels, others: Labels) -> None:
        same: dict[int, int] = {}
        for a, b in zip(ones, others, strict=True):
            a, b = same.get(a, a), same.get(b, b)  # noqa: PLW2901
            if a != b:
                self._substitute({b: Place((a,))})
                same[b] = a
                same = {k: a if v == b else v for k, v in same.items()}

    def _join(self, one: Place, other: Place) -> None:
        """One label over all ways in which two places agree."""
        mine, theirs = self._table(one), self._table(other)
        if set(one.labels) & set(other.labels):
            _check_table(prod(self._shape(tuple({*one.labels, *other.labels}))))
        else:
            _check_table(count_matches(mine, theirs))
        labels, found = agreements(mine, theirs, one.labels, other.labels, self.sizes)
        count = len(found[0])
        self.empty |= count == 0
        if labels:
            label = self._new(count)
            places = [
                _placed((label,), at, self.sizes[x]) for x, at in zip(labels, found, strict=True)
            ]
            self._substitute(dict(zip(labels, places, strict=True)))

    # ------------------------------------------------------------ labels as functions of others

    def _substitute(self, places: Mapping[int, Place]) -> None:
        """Each label is the index at a place, from now on."""
        self.factors = [self._substituted(e, axes, places) for e, axes in self.factors]
        for key, place in self.held.items():
            if any(x in places for x in place.labels):
                self.held[key] = self._composed(place, places)
        for x in places:
            del self.sizes[x]

    def _substituted(self, node: Expr, axes: Labels, places: Mapping[int, Place]) -> Factor:
        while True:
            hit = [k for k, x in enumerate(axes) if x in places]
            if not hit:
                return node, axes
            first = places[axes[hit[0]]]
            if first.plain:
                axes = tuple(first.labels[0] if x == axes[hit[0]] else x for x in axes)
            elif first.at is None:
                k = hit[0]
                node = move_axis(node, k, -1) if node.ndim > 1 else node
                node = reshape(node, tuple(self.sizes[x] for x in first.labels), 1)
                axes = (*axes[:k], *axes[k + 1 :], *first.labels)
            else:
                together = [
                    k for k in hit
                    if (p := places[axes[k]]).at is not None and p.labels == first.labels
                ]  # fmt: skip
                rest = [k for k in range(len(axes)) if k not in together]
                moved = contract([node], [range(node.ndim)], (*rest, *together))
                indices = [at for k in together if (at := places[axes[k]].at) is not None]
                node = take(moved, indices, len(together))
                axes = (*(axes[k] for k in rest), *first.labels)

    def _composed(self, place: Place, places: Mapping[int, Place]) -> Place:
        if place.plain:
            return places[place.labels[0]]
        inner = [places.get(x, Place((x,))) for x in place.labels]
        if all(p.plain or (p.at is None and place.at is None) for p in inner):
            labels = tuple(x for p in inner for x in p.labels)
            if len(set(labels)) == len(labels):
                return Place(labels, place.at)
        at = inner[0].at if len(inner) == 1 else None
        if at is not None and place.at is not None and not _known(place.at, at):
            return Place(inner[0].labels, take(place.at, [at]))
        labels = tuple(dict.fromkeys(x for p in inner for x in p.labels))
        shape = self._shape(labels)
        _check_table(prod(shape))
        index = tuple(over(self._table(p), p.labels, labels) for p in inner)
        table = np.broadcast_to(self._table(place)[index], shape)
        return Place(labels, int_array(table))

    def _shape(self, labels: Labels) -> tuple[int, ...]:
        sizes = [self.sizes[x] for x in labels]
        if not all(isinstance(s, int) for s in sizes):
            raise NotInPiecesError
        return tuple(int(s) for s in sizes)  # pyright: ignore[reportArgumentType]

    def _table(self, place: Place) -> Any:
        """The index for all values of the labels, one axis a label."""
        if place.at is None:
            shape = self._shape(place.labels)
            _check_table(prod(shape))
            return np.arange(prod(shape)).reshape(shape)
        known = known_values(place.at)
        if known is None:
            raise NotInPiecesError
        return known


def _known(*tables: Expr) -> bool:
    return all(known_values(table) is not None for table in tables)


def _renamed(place: Place, renamed: Mapping[int, int]) -> Place:
    return Place(tuple(renamed[x] for x in place.labels), place.at)


def _placed(labels: Labels, at: Any, size: Size) -> Place:
    """A place with a table, or without one where the table counts."""
    return Place(labels) if counts_up(at, size) else Place(labels, int_array(at))


def _check_table(count: int) -> None:
    if count > _TABLE_CAP:
        raise NotInPiecesError
