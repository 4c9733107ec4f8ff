"""Vectors made of parts, read where the parts are: the same results as NumPy's steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from backends.native.comparing import agree
from wengert.backends.native.plans import arranging
from wengert.backends.native.plans.statements import Statement

N = 70
RNG = np.random.default_rng(11)
X = RNG.normal(size=N)


def parts_left(function: Callable[..., Any], *args: Any) -> list[int]:
    """For each graph that has vectors of parts: statements that write parts by copying only."""
    found: list[int] = []
    original = arranging.stretched

    def counted(graph: Any, works: Any, kept: Any) -> Any:
        result = original(graph, works, kept)
        if any(isinstance(w, Statement) and w.partial for w in works):
            found.append(sum(w not in works for w in result))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arranging, "stretched", counted)
        agree(function, *args)
    return found


def before(x: Any, first: Any) -> Any:
    return np.concatenate([np.stack([first]), x[:-1]])


def chain(x: Any, y: Any) -> Any:
    """Each entry driven by the one before it, in two stages."""
    k = x * before(y, 1.0)
    return y + 0.1 * x * before(y + 0.05 * k, 1.0), k


def diffusion(x: Any, y: Any) -> Any:
    left, right = np.roll(y, 1), np.roll(y, -1)
    return y + 0.1 * np.exp(-x * x) * (left - 2 * y + right), left


def reflected(x: Any, y: Any) -> Any:
    padded = np.concatenate([y[1:3][::-1], y, y[-3:-1][::-1]])
    return (padded[:-4] + padded[4:] - 2 * padded[2:-2]) * x, padded * padded


def halves(x: Any, y: Any) -> Any:
    """Parts that are computed, one of them twice as often as it is read."""
    a, b = np.sin(y[: N // 2]), np.cos(y[N // 2 :])
    z = np.concatenate([b, a]) * x
    return z + np.concatenate([a * a, b]), a


def summed(x: Any, y: Any) -> Any:
    """A sum shares the loop."""
    z = before(y, 2.0) * x
    return z, np.sum(z * y), np.max(z)


def kept(x: Any, y: Any) -> Any:
    """The vector itself is a result, and is read in another order."""
    z = before(y, 2.0)
    return z, z[::-1] * x, z * y


def products(x: Any, y: Any) -> Any:
    z = before(y, x[0])
    return np.outer(z, x) @ z, z * x


def nested(x: Any, y: Any) -> Any:
    """What a part is made of reads a vector of parts itself."""
    inner = before(y[:-4], 0.5) * x[4:]
    z = np.concatenate([y[:4], inner]) * x
    return z + np.concatenate([inner * inner, y[:4]]), z


STEPS = [chain, diffusion, reflected, halves, summed, kept, products, nested]


@pytest.mark.parametrize("step", STEPS)
def test_vectors_of_parts(step: Any) -> None:
    def total(x: Any, y: Any) -> Any:
        found = step(x, y)
        return sum(np.sum(np.sin(part)) for part in found)

    def loop(x: Any, y: Any) -> Any:
        return wg.fori_loop(0, 3, lambda _, c: 0.5 * step(x, c)[0] + 0.1 * c, y)

    agree(step, X, X[::-1].copy())
    agree(wg.grad(total, argnums=(0, 1)), X, X[::-1].copy())
    agree(wg.value_and_grad(lambda x, y: np.sum(loop(x, y) ** 2), argnums=(0, 1)), X, X + 1)


def test_second_derivatives_and_single_precision() -> None:
    def loop(x: Any, y: Any) -> Any:
        return np.sum(wg.fori_loop(0, 2, lambda _, c: halves(x, diffusion(x, c)[0])[0], y) ** 2)

    agree(lambda x, v: wg.hvp(lambda u: loop(u, X + 1), (x,), (v,)), X, X[::-1].copy())
    single = X.astype(np.float32)
    agree(wg.grad(loop, argnums=(0, 1)), single, single + np.float32(1))


def test_which_vectors_are_made() -> None:
    loop = lambda x, y: wg.fori_loop(0, 3, lambda _, c: chain(x, c)[0], y)  # noqa: E731
    assert max(parts_left(loop, X, X)) > 0  # read where the parts are
    assert parts_left(lambda x, y: kept(x, y)[:2], X, X) == [0]  # is wanted as it is
    assert parts_left(lambda x, y: np.sum(before(x, 1.0) * y), X, X) == [0]  # summed at once
    assert parts_left(chain, X[:9], X[:9]) == [0]  # a few entries


OPERATIONS: list[Callable[..., Any]] = [
    lambda a, b, cut: a * b,
    lambda a, b, cut: a - 0.5 * b,
    lambda a, b, cut: np.tanh(a),
    lambda a, b, cut: np.roll(a, cut),
    lambda a, b, cut: np.concatenate([a[cut:], b[:cut]]),
    lambda a, b, cut: np.concatenate([np.sin(a[:cut]), b[cut:]]),
    lambda a, b, cut: np.concatenate([np.zeros(cut), 2 * a[cut:]]),
    lambda a, b, cut: before(a, np.sum(b) / N),
    lambda a, b, cut: np.where(a > b, a, b[::-1]),
    lambda a, b, cut: np.concatenate([a[:1], np.diff(b)]),
]


@pytest.mark.parametrize("seed", range(6))
def test_random_programs(seed: int) -> None:
    def straight(x: Any, y: Any) -> Any:
        rng = np.random.default_rng(seed)
        values = [x, y]
        for _ in range(9):
            a, b = (values[k] for k in rng.integers(len(values), size=2))
            cut = int(rng.integers(1, N - 1))
            values.append(OPERATIONS[int(rng.integers(len(OPERATIONS)))](a, b, cut))
        return sum(values[2:]) / 4, values[int(rng.integers(2, len(values)))]

    def loop(x: Any, y: Any) -> Any:
        step = lambda c, _: (np.tanh(straight(x, c)[0]), straight(c, x)[1])  # noqa: E731
        last, stacked = wg.scan(step, y, length=3)
        return np.sum(last) + np.sum(np.cos(stacked))

    given = np.random.default_rng(seed).normal(size=(2, N))
    agree(straight, *given)
    agree(wg.value_and_grad(loop, argnums=(0, 1)), *given)
