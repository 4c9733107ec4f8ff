"""Pieces put together: any list of pieces is the same array before and after."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drawing import examples
from wengert.backends import run
from wengert.expr import Expr
from wengert.operations import add, variable
from wengert.operations.discrete import int_array
from wengert.primitive import Place
from wengert.rewrite.condense import array_of, condensed
from wengert.rewrite.cores import with_cores
from wengert.rewrite.piece import Piece

Shape = tuple[int, ...]
Drawn = tuple[Shape, list[Piece], dict[Expr, Any]]


@st.composite
def lists_of_pieces(draw: Any) -> Drawn:
    """Pieces of one shape: deltas, ones, slices, single places, tables, summed labels."""
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=2, max_size=4)))
    values: dict[Expr, Any] = {}
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    pieces: list[Piece] = []
    for _ in range(draw(st.integers(2, 7))):
        sizes: dict[int, int] = {}
        places = tuple(draw(_places(n, sizes)) for n in shape)
        if draw(st.integers(0, 3)) == 0:
            sizes[len(sizes)] = 2  # summed, if a factor has it
        factors: list[tuple[Expr, tuple[int, ...]]] = []
        for _ in range(draw(st.integers(1, 2))):
            axes = tuple(draw(st.lists(st.sampled_from(sorted(sizes)), unique=True, max_size=3)
                              if sizes else st.just([])))  # fmt: skip
            leaf = variable(f"v{len(values) % 4}", tuple(sizes[x] for x in axes))
            if leaf not in values:
                names = {str(v.params[0]) for v in values}
                leaf = variable(f"v{len(names)}", leaf.shape)
                values[leaf] = rng.normal(size=leaf.shape)
            factors.append((leaf, axes))
        used = {x for p in places for x in p.labels} | {x for _, a in factors for x in a}
        coefficient = draw(st.sampled_from([Fraction(1), Fraction(-1, 2), Fraction(3)]))
        kept = {x: sizes[x] for x in sorted(used)}
        pieces.append(Piece(coefficient, tuple(factors), places, kept))
    return shape, pieces, values


@st.composite
def _places(draw: Any, size: int, sizes: dict[int, int]) -> Place:
    kind = draw(st.sampled_from(["new", "old", "old", "one", "run", "table"]))
    same = [x for x, n in sizes.items() if n == size]
    if kind == "old" and same:
        return Place((draw(st.sampled_from(same)),))
    if kind == "one":
        return Place((), int_array(draw(st.integers(0, size - 1))))
    label = len(sizes)
    if kind == "run":
        start = draw(st.integers(0, size - 1))
        sizes[label] = draw(st.integers(1, size - start))
        return Place((label,), int_array(np.arange(start, start + sizes[label])))
    if kind == "table":
        length = draw(st.integers(1, 4))
        sizes[label] = length
        table = draw(st.lists(st.integers(0, size - 1), min_size=length, max_size=length))
        return Place((label,), int_array(table))
    sizes[label] = size
    return Place((label,))


def _value(pieces: list[Piece], shape: Shape, values: dict[Expr, Any]) -> Any:
    if not pieces:
        return np.zeros(shape)
    return run((add([array_of(p, shape) for p in pieces]),), values)[0]


def _by_hand(pieces: list[Piece], shape: Shape, values: dict[Expr, Any]) -> Any:
    """Entry by entry, from the definition of a piece."""
    total = np.zeros(shape)
    for piece in pieces:
        labels = sorted(piece.sizes)
        for at in np.ndindex(*(int(piece.sizes[x]) for x in labels)):  # type: ignore[arg-type]
            where = dict(zip(labels, at, strict=True))
            entry = float(piece.coefficient)
            for leaf, axes in piece.factors:
                entry *= values[leaf][tuple(where[x] for x in axes)]
            index = []
            for place in piece.places:
                own = tuple(where[x] for x in place.labels)
                table = None if place.at is None else place.at.params[0].array
                index.append(own[0] if table is None else int(table[own]))
            total[tuple(index)] += entry
    return total


@examples(600)
@given(lists_of_pieces())
def test_pieces_put_together_are_the_same_array(drawn: Drawn) -> None:
    shape, pieces, values = drawn
    expected = _by_hand(pieces, shape, values)
    scale = max(1.0, float(np.max(np.abs(expected))))
    for found in (pieces, condensed(pieces, shape), with_cores(pieces, shape)):
        got = _value(list(found), shape, values)
        np.testing.assert_allclose(got, expected, atol=1e-9 * scale, err_msg=str(found))
    assert len(condensed(pieces, shape)) <= len(pieces)


def test_a_delta_between_a_stored_and_a_constant_axis_is_no_part_of_a_box() -> None:
    """δ_jk does not fit among entries that are the same for all k."""
    n = 2
    wide = Piece(
        Fraction(1), ((variable("v0", (n,)), (0,)),), (Place((0,)), Place((1,))), {0: n, 1: n}
    )
    tied = Piece(Fraction(1), ((variable("v1", ()), ()),), (Place((0,)), Place((0,))), {0: n})
    values = {variable("v0", (n,)): np.array([1.0, 2.0]), variable("v1", ()): np.array(5.0)}
    found = condensed([wide, tied], (n, n))
    assert len(found) == 2
    np.testing.assert_array_equal(_value(found, (n, n), values), [[6, 1], [2, 7]])
