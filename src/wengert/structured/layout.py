"""Where the entries of a structured array are, apart from their values.

A layout is found once for each expression or product of layouts, and kept: Newton steps and
iterative solvers only compute new values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np

from wengert.backends import common_dtype, program_of
from wengert.expr import Expr
from wengert.operations import add, contract, variable, zeros
from wengert.operations.discrete import int_array, known_values
from wengert.operations.indexing import route_of_slice
from wengert.operations.labelling import Labels
from wengert.operations.places import Specs
from wengert.operations.structure import ONE
from wengert.operations.tables import over
from wengert.primitive import Place
from wengert.rewrite.condense import array_of
from wengert.rewrite.cores import with_cores
from wengert.rewrite.piece import Piece, dense_piece
from wengert.rewrite.pieces import pieces_of, products_of, routed

_CACHED = 512  # layouts that are kept
_LEAF = "·s"  # no formula or traced program can have such a name

Shape = tuple[int, ...]
Places = tuple[Place, ...]


@dataclass(frozen=True, eq=False)
class Layout:
    """The pieces of an array, with leaves for the arrays that are stored.

    Attributes
    ----------
    shape : tuple of int
        Of the whole array.
    columns : int
        So many trailing axes are the columns of the linear map that the array is.
    pieces : tuple of Piece
        Their factors are the leaves.
    leaves : tuple of Expr
        Variables, in the order of the stored arrays. Tables of places that are known only when
        the arrays are computed are among these, as integers.
    """

    shape: Shape
    columns: int
    pieces: tuple[Piece, ...]
    leaves: tuple[Expr, ...]

    @property
    def row_shape(self) -> Shape:
        """The shape of the axes that are rows."""
        return self.shape[: len(self.shape) - self.columns]

    @property
    def column_shape(self) -> Shape:
        """The shape of the axes that are columns."""
        return self.shape[len(self.shape) - self.columns :]

    @property
    def is_open(self) -> bool:
        """Are there tables that are known only with the stored arrays?"""
        return any(leaf.dtype == "int" for leaf in self.leaves)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The pieces in numbers."""
        at = {leaf: k for k, leaf in enumerate(self.leaves)}
        return tuple(Term.of(piece, at, self.shape) for piece in self.pieces)

    def with_tables(self, values: Sequence[Any]) -> tuple[Piece, ...]:
        """The pieces with the tables that are among the stored arrays."""
        known = {e: v for e, v in zip(self.leaves, values, strict=True) if e.dtype == "int"}
        return tuple(
            Piece(
                p.coefficient,
                p.factors,
                tuple(
                    Place(place.labels, int_array(np.where((t := known[place.at]) < 0, t + n, t)))
                    if place.at in known
                    else place
                    for place, n in zip(p.places, self.shape, strict=True)
                ),
                p.sizes,
            )
            for p in self.pieces
        )


@dataclass(frozen=True, eq=False)
class Term:
    """A piece in numbers.

    Attributes
    ----------
    cores : tuple of (int, labels)
        Which stored arrays are multiplied, with their labels.
    sizes : dict of int to int
        How far each label runs.
    labels : tuple of int
        Those on places, in the order of their first one.
    places : tuple of Place
        One an axis.
    tables : tuple of (array or None)
        The tables of the places.
    shape : tuple of int
        Of the whole array.
    """

    cores: tuple[tuple[int, Labels], ...]
    sizes: dict[int, int]
    labels: Labels
    places: tuple[Place, ...]
    tables: tuple[Any, ...]
    shape: Shape

    @staticmethod
    def of(piece: Piece, at: dict[Expr, int], shape: Shape) -> Term:
        """The term of a piece whose factors are stored as ``at`` says."""
        return Term(
            tuple((at[e], axes) for e, axes in piece.factors),
            {x: int(size) for x, size in piece.sizes.items()},  # pyright: ignore
            tuple(dict.fromkeys(x for place in piece.places for x in place.labels)),
            piece.places,
            tuple(None if p.at is None else known_values(p.at) for p in piece.places),
            shape,
        )

    @cached_property
    def extent(self) -> Shape:
        """The sizes of the placed labels."""
        return tuple(self.sizes[x] for x in self.labels)

    @property
    def count(self) -> int:
        """How many entries it has."""
        return prod(self.extent)

    @property
    def rank_labels(self) -> Labels:
        """Labels on no place: those that low-rank factors share."""
        return tuple(
            dict.fromkeys(x for _, axes in self.cores for x in axes if x not in self.labels)
        )

    def core(self, values: Sequence[Any]) -> Any:
        """The product of the stored arrays over the labels; axes of size 1 where it is constant."""
        if not self.cores:
            return np.ones((1,) * len(self.labels))
        if len(self.cores) == 1:
            ((k, axes),) = self.cores
            array = np.asarray(values[k])
        else:
            axes = tuple(x for x in self.labels if any(x in own for _, own in self.cores))
            arrays = [np.asarray(values[k]) for k, _ in self.cores]
            program = program_of((self._product,), common_dtype(arrays))
            (array,) = program({f"{_LEAF}{k}": a for k, a in enumerate(arrays)})
        return over(array, axes, self.labels)

    @cached_property
    def _product(self) -> Expr:
        """The product of the cores over the labels, as an expression."""
        axes = tuple(x for x in self.labels if any(x in own for _, own in self.cores))
        labels = [own for _, own in self.cores]
        shapes = [tuple(self.sizes[x] for x in own) for own in labels]
        leaves = [variable(f"{_LEAF}{k}", shape) for k, shape in enumerate(shapes)]
        return contract(leaves, labels, axes)

    def index(self, axis: int) -> Any:
        """The index on an axis, over the labels (axes of size 1 where it is constant)."""
        place, table = self.places[axis], self.tables[axis]
        if table is None:
            sizes = tuple(self.sizes[x] for x in place.labels)
            table = np.arange(prod(sizes)).reshape(sizes)
        return over(table, place.labels, self.labels)

    def flat_index(self, start: int, stop: int) -> Any:
        """The row-order index over some of the axes, for all values of the labels."""
        total: Any = np.zeros((1,) * len(self.labels), np.intp)
        for axis in range(start, stop):
            total = total * self.shape[axis] + self.index(axis)
        return np.broadcast_to(total, self.extent)

    @cached_property
    def strides(self) -> tuple[int, tuple[int, ...]] | None:
        """Offset and step in row order by which the labels walk, if they walk in equal steps."""
        steps = dict.fromkeys(self.labels, 0)
        offset, unit = 0, prod(self.shape)
        for size, place, table in zip(self.shape, self.places, self.tables, strict=True):
            unit //= max(size, 1)
            if table is None:
                inner = 1
                for x in reversed(place.labels):
                    steps[x] += unit * inner
                    inner *= self.sizes[x]
                continue
            if table.ndim > 1 or not table.size:
                return None
            flat = table.ravel()
            step = int(flat[1] - flat[0]) if table.size > 1 else 0
            if step < 0 or np.any(np.diff(flat) != step) or (step == 0 and table.size > 1):
                return None
            offset += unit * int(flat[0])
            for x in place.labels:
                steps[x] += unit * step
        return offset, tuple(steps[x] for x in self.labels)

    @cached_property
    def places_once(self) -> Any:
        """The row-order index of each entry, and whether no two agree."""
        flat = self.flat_index(0, len(self.shape)).ravel()
        read_off = {x for place in self.places if place.at is None for x in place.labels}
        once = set(self.labels) <= read_off or len(np.unique(flat)) == len(flat)
        return flat, once


def written_out(layout: Layout, stored: Sequence[Expr]) -> Expr:
    """The whole array as one expression of the stored arrays."""
    pieces = _renewed(layout.pieces, dict(zip(layout.leaves, stored, strict=True)))
    terms = [array_of(piece, layout.shape) for piece in pieces]
    return add(terms) if terms else zeros(layout.shape)


# ---------------------------------------------------------------- making layouts


def laid_out(
    pieces: Sequence[Piece], shape: Shape, columns: int
) -> tuple[Layout, tuple[Expr, ...]]:
    """The layout of pieces, and the expressions whose values are to be stored."""
    leaves: dict[Expr, Expr] = {}

    def leaf(stored: Expr) -> Expr:
        if stored not in leaves:
            leaves[stored] = variable(f"{_LEAF}{len(leaves)}", stored.shape, dtype=stored.dtype)
        return leaves[stored]

    found: list[Piece] = []
    for piece in with_cores(pieces, shape, columns):
        factors = tuple((leaf(core), axes) for core, axes in piece.factors)
        places = tuple(
            place if place.at is None or known_values(place.at) is not None
            else Place(place.labels, leaf(place.at))
            for place in piece.places
        )  # fmt: skip
        found.append(Piece(ONE, factors, places, piece.sizes))
    return Layout(shape, columns, tuple(found), tuple(leaves.values())), tuple(leaves)


@lru_cache(maxsize=_CACHED)
def layout_of(root: Expr, columns: int) -> tuple[Layout, tuple[Expr, ...]]:
    """The layout of an expression with known sizes, and what is to be stored of it."""
    shape: Any = root.shape
    return laid_out(pieces_of(root), shape, columns)


@lru_cache(maxsize=_CACHED)
def layout_of_product(
    operands: tuple[Layout | Shape, ...],
    labels: tuple[Labels, ...],
    out: Labels,
    columns: int,
) -> tuple[Layout, tuple[Expr, ...]]:
    """The layout of a contraction of structured arrays and dense ones (given by their shapes).

    The stored array ``j`` of operand ``k`` has the name :func:`name_of` gives.
    """
    pieces = [named_pieces(operand, k) for k, operand in enumerate(operands)]
    sizes = {
        x: size
        for operand, axes in zip(operands, labels, strict=True)
        for x, size in zip(axes, _shape_of(operand), strict=True)
    }
    return laid_out(products_of(pieces, labels, out), tuple(sizes[x] for x in out), columns)


@lru_cache(maxsize=_CACHED)
def layout_of_sum(
    operands: tuple[Layout | Shape, ...], factors: tuple[Any, ...], columns: int
) -> tuple[Layout, tuple[Expr, ...]]:
    """The layout of a linear combination with rational factors."""
    pieces = [
        Piece(p.coefficient * factor, p.factors, p.places, p.sizes)
        for k, (operand, factor) in enumerate(zip(operands, factors, strict=True))
        for p in named_pieces(operand, k)
    ]
    return laid_out(pieces, _shape_of(operands[0]), columns)


@lru_cache(maxsize=_CACHED)
def layout_of_slice(layout: Layout, specs: Specs, columns: int) -> tuple[Layout, tuple[Expr, ...]]:
    """The layout of the entries that integers and slices name, one an axis."""
    route = route_of_slice(specs, layout.shape)
    shape: Any = tuple(route.sizes)
    return laid_out(routed(named_pieces(layout, 0), len(layout.shape), route), shape, columns)


@lru_cache(maxsize=_CACHED)
def closed_layout(layout: Layout, pieces: tuple[Places, ...]) -> tuple[Layout, tuple[Expr, ...]]:
    """An open layout laid out again, now that the places of its pieces are known."""
    known = [
        Piece(p.coefficient, p.factors, places, p.sizes)
        for p, places in zip(named_pieces(layout, 0), pieces, strict=True)
    ]
    return laid_out(known, layout.shape, layout.columns)


@lru_cache(maxsize=_CACHED)
def diagonal_layout(rows: Shape, stored: bool) -> Layout:
    """A diagonal array with the given rows: of stored entries, or a multiple of the identity."""
    labels = tuple(range(len(rows)))
    leaf = variable(f"{_LEAF}0", rows if stored else ())
    places = tuple(Place((x,)) for x in labels) * 2
    piece = Piece(ONE, ((leaf, labels if stored else ()),), places, dict(enumerate(rows)))
    return Layout((*rows, *rows), len(rows), (piece,), (leaf,))


def name_of(operand: int, leaf: int) -> str:
    """The name of a stored array of an operand."""
    return f"{_LEAF}{operand}.{leaf}"


def _shape_of(operand: Layout | Shape) -> Shape:
    return operand.shape if isinstance(operand, Layout) else operand


def named_pieces(operand: Layout | Shape, k: int) -> tuple[Piece, ...]:
    """The pieces of operand ``k``, its stored arrays named by :func:`name_of`."""
    if not isinstance(operand, Layout):
        return (dense_piece(variable(name_of(k, 0), operand)),)
    fresh: dict[Expr, Expr] = {
        leaf: variable(name_of(k, j), leaf.shape, dtype=leaf.dtype)
        for j, leaf in enumerate(operand.leaves)
    }
    return _renewed(operand.pieces, fresh)


def _renewed(pieces: Sequence[Piece], fresh: Mapping[Expr, Expr]) -> tuple[Piece, ...]:
    """Pieces with other expressions for their leaves."""
    return tuple(
        Piece(
            p.coefficient,
            tuple((fresh[e], axes) for e, axes in p.factors),
            tuple(
                place if place.at is None else Place(place.labels, fresh.get(place.at, place.at))
                for place in p.places
            ),
            p.sizes,
        )
        for p in pieces
    )
