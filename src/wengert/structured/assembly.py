"""Stored arrays written out: as a dense array, or as a sparse matrix."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from scipy import sparse

from wengert.backends.numpy_views import strided
from wengert.structured.layout import Layout, Term


def dense(
    shape: tuple[int, ...],
    terms: Sequence[Term],
    values: Sequence[Any],
    dtype: Any,
    out: Any = None,
) -> Any:
    """The dense array; the entries are written through strided views where they lie evenly.

    ``out`` is a C-contiguous array of that shape and dtype to write into.
    """
    result: Any = None
    for term in sorted(terms, key=lambda t: not _covers(t)):
        core = term.core(values)
        if result is None:
            if _covers(term):
                result = np.empty(shape, dtype) if out is None else out
                _view(result, term)[...] = core
                continue
            result = _zeros(shape, dtype, out)
        _add(result, term, core)
    return _zeros(shape, dtype, out) if result is None else result


def _zeros(shape: tuple[int, ...], dtype: Any, out: Any) -> Any:
    if out is None:
        return np.zeros(shape, dtype)
    out[...] = 0
    return out


def sparse_matrix(layout: Layout, terms: Sequence[Term], values: Sequence[Any], dtype: Any) -> Any:
    """The entries as a sparse matrix in CSR form, rows and columns in row order."""
    cut = len(layout.shape) - layout.columns
    rows: list[Any] = []
    columns: list[Any] = []
    entries: list[Any] = []
    for term in terms:
        rows.append(term.flat_index(0, cut).ravel())
        columns.append(term.flat_index(cut, len(layout.shape)).ravel())
        entries.append(np.broadcast_to(term.core(values), term.extent).ravel())
    shape = (prod(layout.row_shape), prod(layout.column_shape))
    if not entries:
        return sparse.csr_array(shape, dtype=dtype)
    triple = (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.coo_array(triple, shape=shape, dtype=dtype).tocsr()


def _covers(term: Term) -> bool:
    """Does the term write every entry, each once?"""
    return term.strides is not None and term.count == prod(term.shape)


def _view(array: Any, term: Term) -> Any:
    assert term.strides is not None
    offset, steps = term.strides
    size = array.itemsize
    return strided(array, term.extent, tuple(s * size for s in steps), offset * size)


def _add(array: Any, term: Term, core: Any) -> None:
    if not term.count:
        return
    if term.strides is not None:
        view = _view(array, term)
        view += core
        return
    flat, once = term.places_once
    entries = np.broadcast_to(core, term.extent).ravel()
    target = array.reshape(-1)
    if once:
        target[flat] += entries
    else:
        np.add.at(target, flat, entries)
