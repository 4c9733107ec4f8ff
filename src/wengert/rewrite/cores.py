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

from wengert.operations.algebra import add, contract, scale
from wengert.operations.discrete import int_array, known_values
from wengert.operations.gathering import SCATTER
from wengert.operations.apply import apply
from wengert.operations.labelling import Factor, Labels
from wengert.operations.structure import (
    ONE,
    coefficients_of,
    contraction_params,
    has_delta,
    is_contraction,
    is_sum,
)
from wengert.primitive import Place
from wengert.rewrite.pieces import Piece
from wengert.shapes import Shape


def with_cores(pieces: Iterable[Piece], shape: Shape) -> list[Piece]:
    """Pieces with what is to be computed of them as their factors.

    Parameters
    ----------
    pieces : iterable of Piece
        With known sizes.
    shape : tuple of int
        Of the array that they make up.

    Returns
    -------
    list of Piece
        With coefficient one. The factors of a piece share no labels but those of low rank, which
        are on no place. Empty for zero.
    """
    found = [_with_cores(part) for piece in pieces for part in _opened(piece)]
    return _gathered(_merged([_added_up(piece, shape) for piece in found]))


# ---------------------------------------------------------------- factors to cores


def _opened(piece: Piece) -> list[Piece]:
    """A single factor that is a product, or a sum of such, by its own factors."""
    if len(piece.factors) != 1:
        return [piece]
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
    return [Piece(piece.coefficient * coefficient, tuple(factors), piece.places, sizes)]


def _with_cores(piece: Piece) -> Piece:
    placed = tuple(dict.fromkeys(x for place in piece.places for x in place.labels))
    groups = _summed_together(piece.factors, set(placed))
    cores: list[Factor] = []
    for group in groups:
        cores += _cores_of(group, placed, piece.sizes)
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


def _cores_of(group: Sequence[Factor], placed: Labels, sizes: Any) -> list[Factor]:
    """The product of factors, or the factors where they are smaller."""
    labels = {x for _, axes in group for x in axes}
    out = tuple(x for x in placed if x in labels)
    apart = _absorbed(list(group), tuple(sorted(labels)))
    whole = prod(int(sizes[x]) for x in out)
    if sum(prod(int(sizes[x]) for x in set(axes)) for _, axes in apart) < whole:
        return apart
    return [(contract([e for e, _ in group], [a for _, a in group], out), out)]


def _absorbed(factors: list[Factor], order: Labels) -> list[Factor]:
    """Factors whose labels are all on another one are multiplied into it."""
    left = sorted(factors, key=lambda f: (-len(set(f[1])), f[0].digest))
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
        touched = [k for k, place in enumerate(piece.places) if label in place.labels]
        tables = [known_values(at) for k in touched if (at := piece.places[k].at) is not None]
        single = all(piece.places[k].labels == (label,) for k in touched)
        if not touched or not single or len(tables) < len(touched):
            continue
        if any(t is None for t in tables):
            continue
        rows, inverse = np.unique(np.stack(tables), axis=1, return_inverse=True)
        sizes = [int(shape[k]) for k in touched]
        whole = [np.array_equal(r, np.arange(n)) for r, n in zip(rows, sizes, strict=True)]
        if rows.shape[1] == piece.sizes[label] and not any(whole):
            continue
        ((core, axes),) = piece.factors
        rest = tuple(x for x in axes if x != label)
        last = contract(
            [core], [axes], (*rest, label), sizes={label: piece.sizes[label]}
        )
        summed = apply(SCATTER, last, int_array(inverse.ravel()), sizes=(rows.shape[1],))
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


# ---------------------------------------------------------------- pieces at equal places


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Pieces of one core at equal places as one, where that takes no more room."""
    found: list[Piece] = []
    for piece in map(_numbered, pieces):
        if len(piece.factors) == 1:
            twin = next((k for k, other in enumerate(found) if _fits(piece, other)), None)
            if twin is not None:
                found[twin] = _sum(found[twin], piece)
                continue
        found.append(piece)
    return found


def _gathered(pieces: list[Piece]) -> list[Piece]:
    """Where a piece stores every entry, deltas and low ranks are added into it."""
    whole = next((k for k, p in enumerate(pieces) if _is_whole(p)), None)
    if whole is None:
        return pieces
    axes = tuple(range(len(pieces[whole].places)))
    loose = [k for k, p in enumerate(pieces) if all(place.plain for place in p.places)]
    terms = [
        contract(
            [e for e, _ in pieces[k].factors],
            [own for _, own in pieces[k].factors],
            tuple(place.labels[0] for place in pieces[k].places),
            sizes=pieces[k].sizes,
        )
        for k in loose
    ]
    places = pieces[whole].places
    dense = Piece(ONE, ((add(terms), axes),), places, pieces[whole].sizes)
    return [dense, *(p for k, p in enumerate(pieces) if k not in loose)]


def _is_whole(piece: Piece) -> bool:
    labels = [place.labels for place in piece.places]
    if not all(place.plain for place in piece.places) or len(set(labels)) < len(labels):
        return False
    return len(piece.factors) == 1 and len(piece.factors[0][1]) == len(labels) > 0


def _numbered(piece: Piece) -> Piece:
    """The labels numbered by their first place."""
    used = dict.fromkeys(x for place in piece.places for x in place.labels)
    used.update(dict.fromkeys(x for _, axes in piece.factors for x in axes))
    name = {x: k for k, x in enumerate(used)}
    factors: list[Factor] = []
    for core, axes in piece.factors:
        order = tuple(sorted(axes, key=name.__getitem__))
        turned = core if order == axes else contract([core], [axes], order)
        factors.append((turned, tuple(name[x] for x in order)))
    places = tuple(Place(tuple(name[x] for x in p.labels), p.at) for p in piece.places)
    return Piece(ONE, tuple(factors), places, {name[x]: piece.sizes[x] for x in used})


def _fits(one: Piece, other: Piece) -> bool:
    if one.places != other.places or len(other.factors) != 1 or one.sizes != other.sizes:
        return False
    mine, theirs = set(one.factors[0][1]), set(other.factors[0][1])
    return mine <= theirs or theirs <= mine


def _sum(one: Piece, other: Piece) -> Piece:
    (a, mine), (b, theirs) = one.factors[0], other.factors[0]
    wide = mine if len(mine) >= len(theirs) else theirs
    sizes = {x: one.sizes[x] for x in wide}
    terms = [contract([e], [axes], wide, sizes=sizes) for e, axes in ((a, mine), (b, theirs))]
    return Piece(ONE, ((add(terms), wide),), one.places, one.sizes)
