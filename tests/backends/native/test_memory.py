"""Memory that values share: nothing overlaps, and little is lost."""

from __future__ import annotations

import time

import numpy as np
import pytest

from wengert.backends.native.plans.memory import LINE, Span, in_lines, offsets_of, packed


def _random(seed: int, count: int) -> list[Span]:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, count, count)
    last = first + rng.geometric(0.1, count)
    sizes = 64 * rng.integers(1, 20, count)
    return [Span(*map(int, s)) for s in zip(first, last, sizes, strict=True)]


def _peak(spans: list[Span]) -> int:
    """The most bytes that are needed at one step."""
    steps = range(max(s.last for s in spans) + 1)
    return max(sum(s.size for s in spans if s.first <= k <= s.last) for k in steps)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_needed_at_the_same_time_is_apart(seed: int):
    spans = _random(seed, 200)
    offsets, top = packed(spans)
    assert all(at + s.size <= top for at, s in zip(offsets, spans, strict=True))
    for k, (at, one) in enumerate(zip(offsets, spans, strict=True)):
        for place, other in zip(offsets[:k], spans[:k], strict=True):
            if one.first <= other.last and other.first <= one.last:
                assert at + one.size <= place or place + other.size <= at
    assert top <= 1.5 * _peak(spans)


def test_values_of_one_size_take_no_more_than_they_must():
    spans = [Span(s.first, s.last, 64) for s in _random(9, 300)]
    assert packed(spans)[1] == _peak(spans)


def test_arrays_begin_lines_and_numbers_lie_close():
    offsets, top = offsets_of({1: Span(0, 9, 8), 2: Span(0, 9, 65), 3: Span(0, 9, 4)})
    assert sorted((offsets[1], offsets[3])) == [0, 8]
    assert offsets[2] % LINE == 0
    assert top == 2 * LINE
    assert in_lines([8, LINE + 1, 0, 1]) == ([0, LINE, 3 * LINE, 3 * LINE], 4 * LINE)
    assert packed([]) == ([], 0)


def test_the_time_is_that_of_sorting():
    def seconds(count: int) -> float:
        spans = _random(1, count)
        begin = time.process_time()
        packed(spans)
        return time.process_time() - begin

    least = min(seconds(1000) for _ in range(3))
    assert min(seconds(10_000) for _ in range(2)) < 60 * least  # 100 times if all met all others
