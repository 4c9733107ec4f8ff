"""Tables of places that go in steps, which are told from others in parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wengert.backends.native.plans import moving


@pytest.mark.parametrize("shape", [(), (1,), (7,), (0, 3), (5, 1), (1, 6), (4, 5), (3, 2, 4)])
@pytest.mark.parametrize("part", [1, 6, 1 << 16])
def test_steps_are_told_from_other_tables(
    shape: tuple[int, ...], part: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(moving, "_PART", part)
    rng = np.random.default_rng(0)
    steps = [int(s) for s in rng.integers(-3, 4, len(shape))]
    table: Any = np.asarray(40)
    for n, step in zip(shape, steps, strict=True):
        table = table[..., None] + step * np.arange(n)
    assert table.shape == shape
    assert moving._goes_in_steps(table, 40, steps)
    for place in np.ndindex(shape if len(shape) else (0,)):
        changed = table.copy()
        changed[place] += 1
        assert not moving._goes_in_steps(changed, 40, steps)
