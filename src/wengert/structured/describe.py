"""A structured array in words and indices: what is stored, and what it stands for."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from wengert.structured.layout import Layout, Term

_ORDER = ("scaled identity", "diagonal", "block diagonal", "banded", "Kronecker")
_LETTERS = "ijklmnopqrstuvwxyzabcdefgh"


def kind_of(layout: Layout) -> str:
    """The kinds of the terms, each once: "diagonal plus low rank"."""
    cut = len(layout.shape) - layout.columns
    kinds = sorted({term_kind(t, cut) for t in layout.terms}, key=_place_in_order)
    if not kinds:
        return "zero"
    if not layout.shape:
        return "a number"
    if "dense" in kinds:
        return "dense"
    return " plus ".join(kinds)


def _place_in_order(kind: str) -> tuple[int, str]:
    return next((k for k, word in enumerate(_ORDER) if kind.startswith(word)), len(_ORDER)), kind


def term_kind(term: Term, cut: int) -> str:
    """The kind of one term whose first ``cut`` axes are rows."""
    rows, columns = term.places[:cut], term.places[cut:]
    if any(place.at is not None for place in term.places):
        return _kind_with_tables(term, cut)
    tied = {x for p in rows for x in p.labels} & {x for p in columns for x in p.labels}
    stored = {x for _, axes in term.cores for x in axes}
    if not tied:
        if is_low_rank(term, cut):
            return f"rank {term_rank(term)}"
        return "dense" if len(term.cores) < 2 else "Kronecker product"
    if tied == set(term.labels) and rows == columns:
        return "diagonal" if tied & stored else "scaled identity"
    if rows != columns and len(rows) != len(columns):
        return "copies of a core"
    return "block diagonal" if tied & stored else "Kronecker product with an identity"


def is_low_rank(term: Term, cut: int) -> bool:
    """Is it a product of arrays of the rows and arrays of the columns?"""
    rows = {x for p in term.places[:cut] for x in p.labels}
    columns = {x for p in term.places[cut:] for x in p.labels}
    if rows & columns:
        return False
    return all(not (set(axes) & rows and set(axes) & columns) for _, axes in term.cores)


def term_rank(term: Term) -> int:
    """The number of products that the term sums."""
    return prod(term.sizes[x] for x in term.rank_labels)


def _kind_with_tables(term: Term, cut: int) -> str:
    rows = {x for p in term.places[:cut] for x in p.labels}
    columns = {x for p in term.places[cut:] for x in p.labels}
    if not rows & columns:
        return "a block" if term.strides is not None else "row-sparse"
    if rows == columns and term.strides is not None:
        return "banded"
    if rows == columns and cut == len(term.shape) - cut == 1:
        offsets = np.unique(term.index(cut) - term.index(0))
        if 4 * len(offsets) <= min(term.shape):
            return "banded"
    return "index-sparse"


def describe(layout: Layout, nbytes: int, dtype: Any) -> str:
    """Shape, kind, the terms in index notation, and the room they take."""
    shape = "×".join(map(str, layout.shape)) or "scalar"
    whole = prod(layout.shape) * np.dtype(dtype).itemsize
    share = f", dense {whole:,}" if whole else ""
    lines = [f"{shape} ({kind_of(layout)}), {nbytes:,} bytes{share}"]
    lines += [f"  {_written(term)}" for term in layout.terms]
    return "\n".join(lines)


def _written(term: Term) -> str:
    """A term in index notation: deltas, tables of places, and the cores with their sizes."""
    names = _LETTERS[: len(term.places)]
    name_of: dict[int, str] = {}
    deltas: list[str] = []
    for letter, place in zip(names, term.places, strict=True):
        if place.plain:
            (label,) = place.labels
            if label in name_of:
                deltas.append(f"δ_{name_of[label]}{letter}")
            else:
                name_of[label] = letter
    spare = iter("αβγεζηθικλμνξπρστυφχψω")
    for label in term.sizes:
        if label not in name_of:
            name_of[label] = next(spare, "…")
    tables: list[str] = []
    for letter, place, table in zip(names, term.places, term.tables, strict=True):
        if not place.plain:
            inner = "".join(name_of[x] for x in place.labels)
            how = "merged" if table is None else f"p({inner})" if inner else str(int(table))
            tables.append(f"{letter} = {inner if how == 'merged' else how}")
    cores = [
        f"{chr(ord('A') + (j % 26))}_{''.join(name_of[x] for x in axes)}" if axes else "c"
        for j, axes in term.cores
    ]
    stored = " · ".join("×".join(str(term.sizes[x]) for x in axes) or "1" for _, axes in term.cores)
    text = " ".join([*deltas, *cores])
    places = f" at {', '.join(tables)}" if tables else ""
    return f"{text}{places}  [{stored}]"
