"""Compiling leaves nothing behind but what caches of a limited size keep."""

from __future__ import annotations

import gc
import importlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import _lru_cache_wrapper  # pyright: ignore[reportPrivateUsage]
from inspect import signature
from pkgutil import walk_packages
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.backends.native.later import worker
from wengert.expr import interned_count
from wengert.tracing import calls

X = np.linspace(0.1, 1.0, 5)
ROUND = 25  # programs of each kind


def _gradient(factor: float) -> Callable[..., Any]:
    return wg.value_and_grad(lambda x: np.sum(np.tanh(factor * x)) + factor)


def _in_steps(factor: float) -> Callable[..., Any]:
    """Native code, NumPy, and native code again."""
    return lambda x: np.cumsum(np.exp(np.sort(factor * x)) + 1)


def _loop(factor: float) -> Callable[..., Any]:
    return lambda x: wg.scan(lambda c, t: (np.sin(c) + factor * t, c), x, X)[1]


def _branches(factor: float) -> Callable[..., Any]:
    return lambda x: wg.cond(x[0] > 0, lambda y: factor * y, lambda y: y - factor, x)


def _solution(factor: float) -> Callable[..., Any]:
    return lambda x: np.linalg.solve(np.outer(x, x) + factor * np.eye(5), x)


KINDS = (_gradient, _in_steps, _loop, _branches, _solution)
FEW = {  # caches without a limit, as there are few things that they are asked for
    "wengert.backends.native.blas._routine",
    "wengert.backends.native.callables._described",  # entrances
    "wengert.backends.native.threads._addresses",  # engines
    "wengert.backends.native.types.Type",
    "wengert.backends.native.ufuncs.loop_of",
    "wengert.explanation.identities._read",
    "wengert.operations.quotients._rule",
    "wengert.operations.written_matrices._calling",
    "wengert.taylor.univariate.closed_form.bernoulli",
    "wengert.taylor.univariate.closed_form.euler",
}


def _caches() -> Iterator[Any]:
    """The caches of functions of all modules."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "wengert":
            for value in vars(module).values():
                if isinstance(value, _lru_cache_wrapper) and value.__module__ == name:
                    yield value


def _emptied() -> Counter[str]:
    """What is alive when the caches of a limited size are empty, by type."""
    worker().finish()
    calls.forget()
    for cached in _caches():
        if cached.cache_info().maxsize is not None:
            cached.cache_clear()
    gc.collect()
    alive = Counter(str(type(o)) for o in gc.get_objects())
    return Counter({**alive, "nodes": interned_count()})


@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_nothing_is_left_of_programs(engine: str):
    def some(first: int) -> None:
        for k in range(first, first + ROUND):
            for kind in KINDS:
                function = wg.compile(kind(1 + k / 2), engine=engine)
                assert np.all(np.isfinite(function(X)[0]))

    some(0)
    before = _emptied()
    some(ROUND)
    assert interned_count() > before["nodes"] + ROUND * len(KINDS)  # they were other programs
    left = _emptied() - before
    assert left.total() < ROUND // 2, left.most_common(5)


def test_calls_are_forgotten_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch):
    calls.forget()
    monkeypatch.setattr(calls, "_CACHED", 20)
    sizes: list[int] = []
    for k in range(30):
        _gradient(1 + k / 2)(X)
        sizes.append(len(calls._remembered))  # pyright: ignore[reportPrivateUsage]
    assert 10 < max(sizes) <= 20
    calls.forget()


def test_what_keeps_programs_is_limited():
    """A cache without a limit is asked for things of which there are few."""
    for found in walk_packages(wg.__path__, "wengert."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    unlimited = {
        f"{c.__module__}.{c.__qualname__}"
        for c in _caches()
        if c.cache_info().maxsize is None and signature(c).parameters
    }
    assert unlimited <= FEW, unlimited - FEW


def test_of_very_many_shapes_the_last_are_kept(monkeypatch: pytest.MonkeyPatch):
    """Texts of every length, say, that go through one function for days."""
    compiling = importlib.import_module("wengert.transforms.compiling")
    monkeypatch.setattr(compiling, "_SHAPES", 3)
    fast = wg.compile(lambda x: np.sum(x * x), engine="numpy")
    for n in (1, 2, 3, 4, 5, 5, 4, 3):
        assert fast(np.ones(n)) == n
    assert [k[1][0][0] for k in fast._entries] == [(3,), (4,), (5,)]
    assert list(fast._traced.values()) == [1, 1, 1]
    assert fast(np.ones(1)) == 1
    assert [k[1][0][0] for k in fast._entries] == [(4,), (5,), (1,)]
