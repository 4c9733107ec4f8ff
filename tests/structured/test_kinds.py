"""Every kind of structure: found, right, and every operation of the algebra equal to NumPy's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structured.kinds import KINDS
from structured.support import check


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind: str) -> None:
    @settings(max_examples=25)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        check(data.draw(KINDS[kind]()), data.draw(st.integers(0, 999)))

    run()
