"""Carries of loops that stay in registers: the same results as NumPy's steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optree
import pytest

import wengert as wg
from backends.native.comparing import check
from wengert.backends.native.plans import loops

RNG = np.random.default_rng(7)


def held(function: Callable[..., Any], *args: Any) -> list[int]:
    """For each carry, entries in registers, or 0 if it is in memory."""
    found: list[int] = []

    class Writing(loops._LoopWriter):
        def write(self) -> None:
            found.extend(c.count if c.held else 0 for c in self.loop.carries)
            super().write()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "_LoopWriter", Writing)
        check(function, *args)
    return found


BIG = RNG.normal(size=37)
SMALL = RNG.normal(size=(2, 2))


def entries(c: Any, x: Any) -> Any:
    """Entries of a vector, read and written one by one, and all at once."""
    y = np.stack([c[1] - c[0], c[0] * (x - c[2]), np.tanh(c[1])]) * 0.1 + c[::-1]
    return y, (c[0] + x, y)


def whole_numbers(c: Any, x: Any) -> Any:
    n, odd, big = c
    more = n > 4
    return (7 - n * 2, more ^ odd, big + np.where(more, n, 2)), np.where(odd, x, -x)


def long_sums(c: Any, x: Any) -> Any:
    s, largest = c
    e = np.exp(BIG * s * 0.1)
    return (np.sum(e) / 37 + x, np.max(e * largest)), e


def changing_places(c: Any, x: Any) -> Any:
    return (c[1], np.exp(c[0]) * x, c[0]), (c[0] * c[1], c[1], x)


def small_matrices(c: Any, x: Any) -> Any:
    P, v = c
    P = SMALL @ P @ SMALL.T * 0.2 + np.eye(2)
    v = np.linalg.solve(P, v) + SMALL.T @ v + x
    return (P, v), v @ P @ v


def partly(c: Any, x: Any) -> Any:
    """One carry in registers, one in memory, and one that a branch reads."""
    s, v, r = c
    r = wg.cond(s > 0, lambda: r + x, lambda: r * 0.5)
    return (np.sin(s) + x, np.sin(v) * s, r), (s, v)


X0 = 0.3
CASES: dict[str, tuple[Callable[..., Any], Callable[[Any], Any], list[int]]] = {
    "a number": (lambda c, x: (np.sin(c) * x, c), lambda x: x, [1]),
    "one of one": (lambda c, x: (np.sin(c) * x + BIG[:1], c), lambda x: x * np.ones(1), [1]),
    "entries": (entries, lambda x: x * np.arange(1.0, 4.0), [3]),
    "long sums": (long_sums, lambda x: (x, 0 * x + 1), [1, 1]),
    "changing places": (changing_places, lambda x: (x, 2 * x, 3 * x), [1, 1, 1]),
    "small matrices": (small_matrices, lambda x: (x * np.eye(2), x * np.ones(2)), [0, 2]),
    "partly": (partly, lambda x: (x, x * BIG, x), [1, 0, 0]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("reverse", [False, True])
def test_carries_in_registers(name: str, reverse: bool) -> None:
    step, begin, expected = CASES[name]
    for length in (0, 1, 4):
        items = RNG.normal(size=length)

        def f(x: Any, items: Any = items) -> Any:
            return wg.scan(step, begin(x), items, reverse=reverse)

        def total(x: Any) -> Any:
            return sum(np.sum(leaf) for leaf in optree.tree_leaves(f(x)))

        assert not length or held(f, X0) == expected
        check(wg.value_and_grad(total), X0)
        if length == 4 and not reverse:
            check(wg.derivative(total, order=2), X0)


def test_other_types_in_registers() -> None:
    items = RNG.normal(size=9)
    begin = np.int64(5), np.bool_(False), np.int64(-3)
    assert held(lambda n: wg.scan(whole_numbers, (n, *begin[1:]), items), begin[0]) == [1, 1, 1]
    single = np.float32(0.3)
    step = lambda c, x: ((c[0] * x + c[1][0], np.stack([c[0], x])), c[1])  # noqa: E731
    f = lambda x, xs: wg.scan(step, (x, np.stack([x, -x])), xs)  # noqa: E731
    assert held(f, single, items.astype(np.float32)) == [1, 2]
    count = lambda n: wg.while_loop(lambda c: c[1], lambda c: (c[0] - 2, c[0] > 4), (n, n > 0))  # noqa: E731
    assert held(count, np.int64(11)) == [1, 1]
    check(count, np.int64(-1))


@pytest.mark.parametrize("limit", [None, 0, 3, 50])
def test_while_loops_in_registers(limit: int | None) -> None:
    def f(x: Any) -> Any:
        return wg.while_loop(
            lambda c: np.sum(c[0] ** 2) < 9,
            lambda c: (c[0] * 1.5 + np.stack([c[1], -c[1]]), c[1] * 0.9),
            (np.stack([x, 2 * x]), x),
            max_steps=limit,
        )

    assert held(f, X0) == [2, 1]
    for x in (X0, 40.0):
        check(wg.value_and_grad(lambda x: np.sum(f(x)[0]) * f(x)[1]), x)
