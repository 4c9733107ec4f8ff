"""Sparse derivatives from few sweeps: columns of one colour share one, all in one evaluation.

The seeds are one constant with the colours as a leading axis. What comes out has one row a colour;
the entries are read from it at places that the colouring fixes, and are the only stored array of
the layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from wengert.derive import pullback, pushforward
from wengert.expr import Expr
from wengert.operations import ones, take, variable, zeros
from wengert.operations.discrete import as_real, int_array
from wengert.operations.reshaping import reshape
from wengert.operations.structure import ONE
from wengert.primitive import Place
from wengert.rewrite.pieces import Piece
from wengert.structured.coloring import (
    color_columns,
    color_symmetric,
    columns_to_read,
    count_colors,
)
from wengert.structured.dependence import Pattern
from wengert.structured.layout import Layout

_GAIN = 4  # times fewer sweeps, and times fewer entries, from which on it is worth it
_LEAST = 2**12  # entries of a derivative below which it is written out


@dataclass(frozen=True, eq=False)
class Colored:
    """How a sparse derivative is to be evaluated.

    Attributes
    ----------
    mode : str
        ``"forward"``, ``"reverse"`` or ``"symmetric"``: which side the colours are of.
    pattern : csr_array of bool
        Rows by columns.
    colors : ndarray of int
        Of the columns (``"reverse"``: of the rows).
    """

    mode: str
    pattern: Pattern
    colors: Any

    @property
    def sweeps(self) -> int:
        """The number of colours."""
        return count_colors(self.colors)


def is_large(shape: Sequence[int]) -> bool:
    """Has a derivative so many entries that its sparsity is worth a look?"""
    return prod(shape) >= _LEAST


def choose(pattern: Pattern, *, symmetric: bool = False) -> Colored | None:
    """The cheapest way to evaluate a derivative by colours; None if it is not worth it.

    Parameters
    ----------
    pattern : csr_array of bool
        Rows by columns.
    symmetric : bool
        Of a Hessian in one variable.
    """
    rows, columns = pattern.shape
    shorter = min(rows, columns)
    if _GAIN * pattern.nnz > rows * columns:
        return None
    if symmetric:
        found = [Colored("symmetric", pattern, color_symmetric(pattern))]
    else:
        found = _colored(pattern, shorter // _GAIN)
    best = min(found, key=lambda c: c.sweeps, default=None)
    return best if best is not None and _GAIN * best.sweeps <= shorter else None


def _colored(pattern: Pattern, most: int) -> list[Colored]:
    """By columns and by rows, where that can take few enough colours."""
    found: list[Colored] = []
    turned = pattern.T.tocsr()
    for mode, own in (("forward", pattern), ("reverse", turned)):
        fewest = int(np.diff(own.indptr).max(initial=0))  # all of a row differ in colour
        if fewest <= min([most, *(c.sweeps - 1 for c in found)]):
            found.append(Colored(mode, pattern, color_columns(own)))
    return found


# ---------------------------------------------------------------- evaluation


def compressed(root: Expr, leaf: Expr, choice: Colored) -> tuple[Layout, tuple[Expr, ...]]:
    """The layout of a derivative, and the expression of its entries.

    Parameters
    ----------
    root, leaf : Expr
        The function and the variable. With ``"symmetric"`` colours the function is the gradient.
    choice : Colored
        Of the function's derivative.

    Returns
    -------
    tuple of Layout and (Expr,)
        As :func:`~wengert.structured.layout.layout_of` gives.
    """
    rows, columns = _places(choice.pattern)
    if choice.mode == "reverse":
        swept = _pulled(root, leaf, _seeds(choice.colors, root))
        at, place = choice.colors[rows], columns
    else:
        swept = _pushed(root, leaf, _seeds(choice.colors, leaf))
        at, place = choice.colors[columns], rows
        if choice.mode == "symmetric":
            at, place = columns_to_read(choice.pattern, choice.colors)
    flat = reshape(swept, (prod(swept.shape),), swept.ndim)  # pyright: ignore
    width = prod(swept.shape[1:])  # pyright: ignore
    entries = take(flat, [int_array(at * width + place)], 1)
    return _layout(root, leaf, rows, columns), (entries,)


def _seeds(colors: Any, like: Expr) -> Expr:
    """One truth value array a colour, as numbers."""
    shape: Any = like.shape
    table = colors[None, :] == np.arange(count_colors(colors))[:, None]
    return as_real(int_array(table.reshape(-1, *shape)))


def _pushed(root: Expr, leaf: Expr, seeds: Expr) -> Expr:
    (found,) = pushforward([root], {leaf: seeds})
    return zeros((seeds.shape[0], *root.shape)) if found is None else found


def _pulled(root: Expr, leaf: Expr, seeds: Expr) -> Expr:
    (found,) = pullback([root], [seeds], [leaf])
    return zeros((seeds.shape[0], *leaf.shape)) if found is None else found


def gradient(root: Expr, leaf: Expr) -> Expr:
    """The gradient of a scalar function."""
    (found,) = pullback([root], [ones(())], [leaf])
    return zeros(leaf.shape) if found is None else found


def _places(pattern: Pattern) -> tuple[Any, Any]:
    return np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr)), pattern.indices


def _layout(root: Expr, leaf: Expr, rows: Any, columns: Any) -> Layout:
    row_shape: Any = root.shape
    column_shape: Any = leaf.shape
    index = [*np.unravel_index(rows, row_shape), *np.unravel_index(columns, column_shape)]
    places = tuple(Place((0,), int_array(i)) for i in index)
    stored = variable("·s0", (len(rows),))
    piece = Piece(ONE, ((stored, (0,)),), places, {0: len(rows)})
    return Layout((*row_shape, *column_shape), leaf.ndim, (piece,), (stored,))
