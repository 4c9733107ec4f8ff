"""What is computed and kept of an expression's pieces: cores, no larger than they need be.

The factors of a piece are multiplied into *cores*, arrays over labels of the places. A product that
sums over a short index stays in two or more cores where these have fewer entries than their product
(low rank). Pieces at equal places are added, and places that several labels share are added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np

from wengert.expr import Expr
from wengert.operations.algebra import add, contract, scale
from wengert.operations.apply import apply
from wengert.operations.discrete import int_array, known_values
from wengert.operations.gathering import SCATTER
from wengert.operations.indexing import embed
from wengert.operations.labelling import Factor, Labels
from wengert.operations.structure import (
    ONE,
    coefficients_of,
    contraction_params,
    has_delta,
    is_contraction,
    is_sum,
    is_zero,
)
from wengert.primitive import Place
from wengert.rewrite.condense import array_of, condensed
from wengert.rewrite.piece import Piece, dense_piece, numbered, placed_labels
from wengert.rewrite.unit_axes import unit_axes, with_axes, without_axes
from wengert.shapes import Shape, concrete

_GAIN = 2  # how many times smaller factors must be than their product to be stored apart


def with_cores(pieces: Iterable[Piece], shape: Shape, columns: int = 0) -> list[Piece]:
    """Pieces with what is to be computed of them as their factors.

    Parameters
    ----------
    pieces : iterable of Piece
        With known sizes.
    shape : tuple of int
        Of the array that they make up.
    columns : int
        How many of its axes are columns, which says how axes of length 1 are labelled.

    Returns
    -------
    list of Piece
        With coefficient one. The factors of a piece share no labels but those of low rank, which
        are on no place. Empty for zero.
    """
    pieces = list(pieces)
    if unit := unit_axes(pieces, shape):
        short = [without_axes(piece, unit) for piece in pieces]
        found = with_cores(short, tuple(s for k, s in enumerate(shape) if k not in unit))
        return [_in_order(with_axes(piece, unit, shape, columns)) for piece in found]
    found = condensed([part for piece in pieces for part in _opened(piece)], shape)
    cores = [_in_order(_added_up(_with_cores(piece), shape)) for piece in found]
    gathered = _factored(_gathered(cores))
    kept = [p for p in gathered if not any(is_zero(e) for e, _ in p.factors)]
    return _whole(kept, shape) if _store_more_than(kept, shape) else kept


def _store_more_than(pieces: Sequence[Piece], shape: Shape) -> bool:
    """Do several cores have no fewer entries than the dense array?"""
    cores = [core for piece in pieces for core, _ in piece.factors]
    entries = sum(prod(concrete(core.shape)) for core in cores)
    return len(cores) > 1 and entries >= prod(concrete(shape))


def _whole(pieces: Sequence[Piece], shape: Shape) -> list[Piece]:
    """The dense array as the only core."""
    return [dense_piece(add([array_of(piece, shape) for piece in pieces]))]


# ---------------------------------------------------------------- factors to cores


def _opened(piece: Piece) -> list[Piece]:
    """A single factor that is a product, or a sum of such, by its own factors."""
    if len(piece.factors) != 1:
        return [_outer_products_opened(piece)]
    ((node, axes),) = piece.factors
    if is_sum(node):
        parts = zip(node.operands, coefficients_of(node), strict=True)
        return [
            opened
            for term, c in parts
            for opened in _opened(
                Piece(piece.coefficient * c, ((term, axes),), piece.places, piece.sizes)
            )
        ]
    if not is_contraction(node) or has_delta(node):
        return [piece]
    opened = _with_factors_of(piece, 0)
    return _opened(opened) if len(opened.factors) == 1 else [_outer_products_opened(opened)]


def _outer_products_opened(piece: Piece) -> Piece:
    """Factors that are larger than all that they are products of, by their own factors."""
    for k, (node, _) in enumerate(piece.factors):
        if not is_contraction(node) or has_delta(node) or len(node.operands) < 2:
            continue
        parts = sum(prod(concrete(o.shape)) for o in node.operands)
        if prod(concrete(node.shape)) > parts:
            return _outer_products_opened(_with_factors_of(piece, k))
    return piece


def _with_factors_of(piece: Piece, k: int) -> Piece:
    """The piece with factor ``k``, a product, replaced by its own factors."""
    node, axes = piece.factors[k]
    labels, out, coefficient = contraction_params(node)
    fresh = max(piece.sizes, default=-1) + 1
    name = dict(zip(out, axes, strict=True))
    sizes = dict(piece.sizes)
    factors: list[Factor] = []
    for operand, own in zip(node.operands, labels, strict=True):
        for x, size in zip(own, operand.shape, strict=True):
            if x not in name:
                name[x] = fresh
                sizes[fresh] = size
                fresh += 1
        factors.append((operand, tuple(name[x] for x in own)))
    opened = (*piece.factors[:k], *factors, *piece.factors[k + 1 :])
    coefficient *= piece.coefficient
    for x in set(axes) - {x for _, own in opened for x in own} - set(placed_labels(piece)):
        coefficient *= prod(concrete((sizes.pop(x),)))  # summed over copies of one entry
    return Piece(coefficient, opened, piece.places, sizes)


def _with_cores(piece: Piece) -> Piece:
    placed = tuple(dict.fromkeys(x for place in piece.places for x in place.labels))
    groups = _summed_together(piece.factors, set(placed))
    sizes = {x: _distinct_places(piece, x) for x in piece.sizes}
    cores: list[Factor] = []
    for group in groups:
        cores += _cores_of(group, placed, piece.sizes, sizes)
    cores = _absorbed(cores, placed)
    if piece.coefficient != 1 or not cores:
        first, *rest = cores or [(contract([], [], ()), ())]
        cores = [(scale(piece.coefficient, first[0]), first[1]), *rest]
    return Piece(ONE, tuple(cores), piece.places, piece.sizes)


def _summed_together(factors: Sequence[Factor], placed: set[int]) -> list[list[Factor]]:
    """Factors that are tied by labels that are summed over."""
    groups: list[tuple[set[int], list[Factor]]] = []
    for factor in factors:
        inner = set(factor[1]) - placed
        tied = [g for g in groups if g[0] & inner]
        groups = [g for g in groups if not g[0] & inner]
        members = [f for g in tied for f in g[1]]
        groups.append((inner.union(*(g[0] for g in tied)), [*members, factor]))
    return [members for _, members in groups]


def _cores_of(group: Sequence[Factor], placed: Labels, sizes: Any, distinct: Any) -> list[Factor]:
    """The product of factors, or the factors where they are smaller."""
    labels = {x for _, axes in group for x in axes}
    out = tuple(x for x in placed if x in labels)
    apart = _absorbed(list(group), placed)
    whole = prod(int(distinct[x]) for x in out)
    stored = sum(prod(int(sizes[x]) for x in set(axes)) for _, axes in apart)
    if len(apart) > 1 and _GAIN * stored <= whole:
        return apart
    return [(contract([e for e, _ in group], [a for _, a in group], out), out)]


def _distinct_places(piece: Piece, label: int) -> Any:
    """How far a label runs when what lies at the same places is added up."""
    tables = _tables_of(piece, label)
    return piece.sizes[label] if tables is None else np.unique(np.stack(tables), axis=1).shape[1]


def _tables_of(piece: Piece, label: int) -> list[Any] | None:
    """The tables of the places on which a label stands, if it stands on nothing else."""
    touched = [place for place in piece.places if label in place.labels]
    tables = [known_values(p.at) for p in touched if p.at is not None and p.labels == (label,)]
    whole = touched and len(tables) == len(touched) and all(t is not None for t in tables)
    return tables if whole else None


def _absorbed(factors: list[Factor], order: Labels) -> list[Factor]:
    """Factors whose labels are all on another one are multiplied into it.

    The first that has room by the order of the places, so that equal terms end in equal cores.
    """
    rank = {x: k for k, x in enumerate(order)}

    def key(factor: Factor) -> tuple[int, list[int], int]:
        labels = set(factor[1])
        return -len(labels), sorted(rank.get(x, len(rank)) for x in labels), factor[0].digest

    left = sorted(factors, key=key)
    found: list[tuple[set[int], list[Factor]]] = []
    for factor in left:
        home = next((g for g in found if set(factor[1]) <= g[0]), None)
        if home is None:
            found.append((set(factor[1]), [factor]))
        else:
            home[1].append(factor)
    cores: list[Factor] = []
    for labels, members in found:
        out = tuple(x for x in order if x in labels)
        out += tuple(sorted(labels - set(out)))
        cores.append((contract([e for e, _ in members], [a for _, a in members], out), out))
    return cores


# ---------------------------------------------------------------- places that are shared


def _added_up(piece: Piece, shape: Shape) -> Piece:
    """A label that stands in tables only runs over the places, each once."""
    if len(piece.factors) != 1:
        return piece
    for label in piece.sizes:
        tables = _tables_of(piece, label)
        if tables is None:
            continue
        touched = [k for k, place in enumerate(piece.places) if label in place.labels]
        sizes = concrete(tuple(shape[k] for k in touched))
        rows, inverse = np.unique(np.stack(tables), axis=1, return_inverse=True)
        same = len(set(sizes)) == 1 and all(np.array_equal(rows[0], row) for row in rows)
        if same and sizes[0] <= 2 * rows.shape[1]:  # one index, most of whose values occur
            inverse = rows[0][inverse.ravel()]
            rows = np.tile(np.arange(sizes[0]), (len(touched), 1))
        whole = [np.array_equal(r, np.arange(n)) for r, n in zip(rows, sizes, strict=True)]
        if rows.shape[1] == piece.sizes[label] and not any(whole):
            continue
        ((core, axes),) = piece.factors
        rest = tuple(x for x in axes if x != label)
        last = contract([core], [axes], (*rest, label), sizes={label: piece.sizes[label]})
        summed = _moved(last, inverse.ravel(), rows.shape[1])
        places = list(piece.places)
        for k, row, full in zip(touched, rows, whole, strict=True):
            places[k] = Place((label,), None if full else int_array(row))
        return _added_up(
            Piece(
                ONE,
                ((summed, (*rest, label)),),
                tuple(places),
                {**piece.sizes, label: rows.shape[1]},
            ),
            shape,
        )
    return piece


def _moved(array: Expr, to: Any, size: int) -> Expr:
    """The entries along the last axis added up at other places."""
    run: Any = np.arange(len(to))
    if len(to) and np.array_equal(to - to[0], run):
        return embed(array, [slice(int(to[0]), int(to[0]) + len(to))], (size,))
    return apply(SCATTER, array, int_array(to), sizes=(size,))


# ---------------------------------------------------------------- pieces at equal places


def _gathered(pieces: list[Piece]) -> list[Piece]:
    """Where a core stores all entries at some places, others that lie there are added into it."""
    found: list[Piece] = []
    left = sorted(pieces, key=lambda p: (len(p.factors) > 1, -_stored(p)))
    while left:
        piece, *others = left
        inside = [p for p in others if _lies_within(p, piece)]
        left = [p for p in others if not any(p is q for q in inside)]
        found.append(_with_terms(piece, inside) if inside else piece)
    return found


def _factored(pieces: list[Piece]) -> list[Piece]:
    """Products at equal places that differ in one core only are one: A ⊗ B + C ⊗ B."""
    found: list[Piece] = []
    for piece in pieces:
        for k, other in enumerate(found):
            shared = _with_one_core_added(other, piece)
            if shared is not None:
                found[k] = shared
                break
        else:
            found.append(piece)
    return found if len(found) == len(pieces) else _factored(found)


def _with_one_core_added(piece: Piece, other: Piece) -> Piece | None:
    if piece.places != other.places or piece.sizes != other.sizes:
        return None
    mine, theirs = list(piece.factors), list(other.factors)
    for factor in piece.factors:
        if factor in theirs:
            mine.remove(factor)
            theirs.remove(factor)
    if len(mine) != 1 or len(theirs) != 1 or mine[0][1] != theirs[0][1]:
        return None
    ((one, axes),), ((more, _),) = mine, theirs
    kept = [f for f in piece.factors if f != mine[0]]
    return Piece(ONE, ((add([one, more]), axes), *kept), piece.places, piece.sizes)


def _stored(piece: Piece) -> int:
    return len({x for _, axes in piece.factors for x in axes})


def _lies_within(piece: Piece, other: Piece) -> bool:
    """Does the other one's only core have room for it?"""
    if len(other.factors) != 1:
        return False
    if piece.places == other.places:
        placed = {x for place in piece.places for x in place.labels}
        if any(piece.sizes[x] != other.sizes[x] for x in placed):
            return False  # an axis of 12 is 3 by 4 in one, and 4 by 3 in the other
        return {x for _, axes in piece.factors for x in axes} & placed <= set(other.factors[0][1])
    plain = all(place.plain for p in (piece, other) for place in p.places)
    return plain and _stored(other) == len(other.places) > 0


def _with_terms(piece: Piece, inside: list[Piece]) -> Piece:
    ((_, axes),) = piece.factors
    same = all(p.places == piece.places for p in inside)
    terms: list[Expr] = []
    for p in (piece, *inside):
        out = axes if same else tuple(place.labels[0] for place in p.places)
        sizes = {x: p.sizes[x] for x in out}
        cores, labels = [e for e, _ in p.factors], [own for _, own in p.factors]
        terms.append(contract(cores, labels, out, sizes=sizes))
    out = axes if same else tuple(place.labels[0] for place in piece.places)
    return Piece(ONE, ((add(terms), out),), piece.places, piece.sizes)


def _in_order(piece: Piece) -> Piece:
    """The piece with its labels numbered, and its cores' axes in that order."""
    piece = numbered(piece)
    factors: list[Factor] = []
    for core, axes in piece.factors:
        order = tuple(sorted(axes))
        factors.append((core if order == axes else contract([core], [axes], order), order))
    return Piece(ONE, tuple(factors), piece.places, piece.sizes)
