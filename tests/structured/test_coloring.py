"""Colourings: valid on random patterns, and of the known size on well-known ones."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from wengert.structured.coloring import (
    color_columns,
    color_symmetric,
    columns_to_read,
    count_colors,
    separates_columns,
    separates_symmetric,
)


@st.composite
def patterns(draw: st.DrawFn, symmetric: bool = False) -> Any:
    m, n = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    full = rng.random((n if symmetric else m, n)) < draw(st.floats(0, 0.7))
    if symmetric:
        full |= full.T
    if symmetric and draw(st.booleans()):
        full |= np.eye(n, dtype=bool)
    return sparse.csr_array(full)


def by_definition(pattern: Any, colors: Any) -> bool:
    """No row has two entries in columns of one colour."""
    rows = [np.flatnonzero(r) for r in pattern.toarray()]
    return all(len(set(colors[r])) == len(r) and (colors[r] >= 0).all() for r in rows)


def is_star(pattern: Any, colors: Any) -> bool:
    """Neighbours differ in colour, and no path of four vertices has two colours."""
    A = pattern.toarray() & ~np.eye(pattern.shape[0], dtype=bool)
    n = len(A)
    if any(A[i, j] and colors[i] == colors[j] for i, j in product(range(n), repeat=2)):
        return False
    for a, b in np.argwhere(A):
        for c in np.flatnonzero(A[b]):
            if c == a or colors[c] != colors[a]:
                continue
            for d in np.flatnonzero(A[c]):
                if d not in (a, b) and colors[d] == colors[b]:
                    return False
    return True


@given(patterns())
def test_columns(pattern: Any):
    colors = color_columns(pattern)
    assert by_definition(pattern, colors)
    assert separates_columns(pattern, colors)


@given(patterns(), st.integers(0, 10**6))
def test_the_check_of_columns_is_the_definition(pattern: Any, seed: int):
    colors = np.random.default_rng(seed).integers(-1, 5, pattern.shape[1])
    assert separates_columns(pattern, colors) == by_definition(pattern, colors)


@given(patterns(symmetric=True))
def test_symmetric(pattern: Any):
    colors = color_symmetric(pattern)
    assert is_star(pattern, colors) or by_definition(pattern, colors)
    assert separates_symmetric(pattern, colors)
    n = pattern.shape[0]
    matrix = np.random.default_rng(n).standard_normal((n, n))
    matrix = (matrix + matrix.T) * pattern.toarray()
    seeds = (colors[None] == np.arange(count_colors(colors))[:, None]).astype(float)
    color, row = columns_to_read(pattern, colors)
    rows = np.repeat(np.arange(n), np.diff(pattern.indptr))
    assert np.allclose((seeds @ matrix)[color, row], matrix[rows, pattern.indices])


@given(patterns(symmetric=True), st.integers(0, 10**6))
def test_the_symmetric_check_accepts_what_can_be_read_only(pattern: Any, seed: int):
    n = pattern.shape[0]
    colors = np.random.default_rng(seed).integers(0, 4, n)
    A = pattern.toarray()

    def alone(i: int, j: int) -> bool:
        return np.count_nonzero(colors[A[i]] == colors[j]) == 1

    readable = all(alone(i, j) or alone(j, i) for i, j in np.argwhere(A))
    assert separates_symmetric(pattern, colors) == readable
    if is_star(pattern, colors):
        assert readable


def grid(n: int) -> Any:
    size = n * n
    full = band(n, 1)
    one = sparse.eye_array(n, dtype=bool)
    found = sparse.kron(full, one) + sparse.kron(one, full)
    assert found.shape == (size, size)
    return sparse.csr_array(found.astype(bool))


def band(n: int, width: int) -> Any:
    offsets = range(-width, width + 1)
    ones = [1.0] * len(offsets)
    return sparse.diags_array(ones, offsets=offsets, shape=(n, n)).astype(bool).tocsr()


def arrow(n: int) -> Any:
    full = np.eye(n, dtype=bool)
    full[-1] = full[:, -1] = True
    return sparse.csr_array(full)


@pytest.mark.parametrize("width", [0, 1, 2, 5])
def test_bands_take_as_many_colours_as_a_row_has_entries(width: int):
    for color in (color_columns, color_symmetric):
        assert count_colors(color(band(40, width))) == 2 * width + 1


def test_grids_and_arrows():
    assert count_colors(color_columns(grid(12))) <= 7
    assert count_colors(color_symmetric(grid(12))) <= 7
    assert count_colors(color_symmetric(arrow(50))) == 2
    assert count_colors(color_columns(arrow(50))) == 50


def test_nothing():
    for shape in ((0, 0), (3, 0), (0, 3), (3, 3)):
        pattern = sparse.csr_array(shape, dtype=bool)
        assert count_colors(color_columns(pattern)) == 0
    assert count_colors(color_symmetric(sparse.csr_array((4, 4), dtype=bool))) == 0


def test_large_ones_are_colored_in_linear_time():
    for pattern in (arrow(20000), band(20000, 2)):
        assert separates_symmetric(pattern, color_symmetric(pattern))
