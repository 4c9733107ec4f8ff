"""Every kind of structure: found, right, and every operation of the algebra equal to NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structured.kinds import KINDS
from structured.support import Problem, check

# Functions of each line along the last axis.
LINES: dict[str, Callable[[Any], Any]] = {
    "log-sum-exp": lambda x: np.sum(np.log(np.sum(np.exp(x), axis=-1))),
    "fourth power": lambda x: np.sum(np.einsum("...i,...i->...", x, x) ** 2),
    "sum": lambda x: np.sum(np.sin(np.sum(x, axis=-1))),
    "product": lambda x: np.sum(np.prod(x, axis=-1) ** 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind: str) -> None:
    @settings(max_examples=25)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        check(data.draw(KINDS[kind]()), data.draw(st.integers(0, 999)))

    run()


@pytest.mark.parametrize("name", LINES)
def test_axes_of_length_1_hide_no_structure(name: str) -> None:
    """Lines of one entry: a diagonal. One line: what the function of a vector has."""
    function, rng = LINES[name], np.random.default_rng(0)
    for shape in ((6, 1), (6, 1, 1), (1, 6, 1)):
        problem = Problem(function, rng.uniform(0.2, 2.0, shape), 2, 6)
        assert check(problem).kind == "diagonal"
    x = rng.uniform(0.2, 2.0, 6)
    expected = Problem(function, x, 2).structured()
    for shape in ((1, 6), (1, 1, 6)):
        found = check(Problem(function, x.reshape(shape), 2))
        assert (found.kind, found.nbytes) == (expected.kind, expected.nbytes)
