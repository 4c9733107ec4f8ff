"""A call that is remembered is what it was, and only if nothing but expressions decides it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import optree
import pytest

import wengert as wg
from corpus.oracle import relative_error
from tracing.support import Row
from tracing.table import TABLE
from wengert.errors import EscapedValueError
from wengert.tracing import calls
from wengert.transforms.recording import record

each = pytest.mark.parametrize("row", TABLE, ids=[r.id for r in TABLE])


def _run(call: Callable[..., Any], args: list[Any]) -> tuple[Any, list[Any]]:
    """What a call is traced to, and its values."""
    recorded = record(call, tuple(args), {}, tuple(range(len(args))))
    return recorded.roots, recorded.finish(recorded.roots, recorded.dtypes)


@each
def test_a_function_traced_again_is_the_same(row: Row) -> None:
    args = row.draw()
    calls.forget()
    first, _ = _run(row.call, args)
    second, _ = _run(row.call, args)
    assert first == second


@each
def test_other_values_are_not_mistaken(row: Row) -> None:
    """What was remembered at some values is right at others, in another order of size."""
    args = row.draw()
    other = [a[::-1] if a.ndim == 1 else 1.125 * a for a in args]
    _run(row.call, args)
    _, found = _run(row.call, other)
    expected = optree.tree_leaves(row.call(*other))
    for f, e in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        assert f.shape == e.shape
        assert relative_error(f, e) <= 1e-12 if e.dtype.kind == "f" else np.array_equal(f, e)


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    made: list[Any] = []
    first = calls.Calls._first

    def counted(self: Any, trace: Any, key: Any, compute: Any) -> Any:
        made.append(key)
        return first(self, trace, key, compute)

    monkeypatch.setattr(calls.Calls, "_first", counted)
    return made


def test_ordinary_calls_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4, 3)), rng.normal(size=4)

    def loss(w: Any) -> Any:
        z = X @ w[:3] * np.float64(0.5) - y * 2 + w[3] * np.pi
        h = np.stack([np.tanh(z), np.where(z > 0, z, 0.01 * z)], axis=1)
        return np.mean(np.log1p(np.exp(-h))) + np.sum(w**2) + np.linalg.slogdet(h.T @ h)[1]

    calls.forget()
    made = _counted(monkeypatch)
    gradient = wg.grad(loss)
    first = gradient(np.array([0.1, 0.2, 0.3, 0.4]))
    assert len(made) > 15
    made.clear()
    assert np.array_equal(gradient(np.array([0.1, 0.2, 0.3, 0.4])), first)
    assert len(made) <= 2, made  # np.where and what looks at a mask


def test_branches_follow_the_values() -> None:
    def f(x: Any) -> Any:
        return np.sum(x * x) if np.sum(x) > 0 else -np.sum(x)

    for _ in range(2):
        assert wg.grad(f)(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]
        assert wg.grad(f)(np.array([-1.0, -2.0])).tolist() == [-1.0, -1.0]


def test_arrays_and_numbers_from_outside_are_read_at_each_call() -> None:
    data, index, number = np.array([1.0, 2.0]), np.array([0, 1]), [1 / 3]

    def f(x: Any) -> Any:
        return np.sum(x[index] * data * number[0]) + np.sum(np.where(data > 1.5, x, 2 * x))

    x = np.array([1.0, 1.0])
    for shown in ([1.0, 2.0], [2.0, 1.0], [3.0, 5.0]):
        for scale in (1 / 3, 1 / 7, 0.5):
            data[:], number[0] = shown, scale
            index[:] = index[::-1]
            expected = np.zeros(2)
            np.add.at(expected, index, data * scale)
            expected += np.where(data > 1.5, 1.0, 2.0)
            np.testing.assert_allclose(wg.grad(f)(x), expected, rtol=1e-15)


def test_constants_in_another_order_are_not_confused() -> None:
    """Constants are named by appearance: the same call may mean another array."""
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])

    def f(x: Any, first: Any, second: Any) -> Any:
        return np.sum(x * first) + np.sum(np.clip(x, first, second) * 0.0) + np.sum(x * x * second)

    x = np.array([2.0, 3.0])
    for one, other in ((a, b), (b, a), (a, a), (b, b)):
        np.testing.assert_allclose(wg.grad(f)(x, one, other), one + 2 * x * other, rtol=1e-15)
    for step in (1 / 3, 1 / 7, 1 / 3):
        found = wg.grad(lambda x, h=step: np.sum(np.degrees(x * h) ** 2) * (1 / 9))(x)
        np.testing.assert_allclose(found, 2 * x * np.degrees(step) ** 2 / 9, rtol=1e-14)


def test_numbers_of_other_types_are_other_calls() -> None:
    x = np.array([1.0, 2.0, 3.0], np.float32)
    for _ in range(2):
        found = [wg.derivative(lambda x, c=c: x * c, order=0)(x) for c in (2, 2.0, np.float64(2.0))]
        assert [a.dtype for a in found] == [np.float32, np.float32, np.float64]
        assert wg.derivative(lambda x: np.sum(x, keepdims=True), order=0)(x).shape == (1,)
        assert np.shape(wg.derivative(lambda x: np.sum(x, keepdims=False), order=0)(x)) == ()


def test_compiled_and_plain_traces_share_what_is_remembered() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.tanh(x) * x)

    x = np.array([0.5, -0.25])
    expected = np.tanh(x) + x / np.cosh(x) ** 2
    for transform in (wg.grad(f), wg.compile(wg.grad(f)), wg.grad(f)):
        np.testing.assert_allclose(transform(x), expected, rtol=1e-14)
    np.testing.assert_allclose(wg.vmap(wg.grad(f))(x[None]), expected[None], rtol=1e-14)


def test_nested_runs_give_values_of_their_own() -> None:
    def outer(x: Any) -> Any:
        inner = wg.grad(lambda y: np.sum(np.sin(y) * x))(x)
        return np.sum(inner * np.sin(x))

    x = np.array([0.3, 0.7])
    expected = np.cos(2 * x) * x + np.sin(2 * x) / 2
    for _ in range(2):
        np.testing.assert_allclose(wg.grad(outer)(x), expected, rtol=1e-13)


def test_what_has_left_its_run_is_an_error_again() -> None:
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(x)
        return np.sum(np.sin(x))

    wg.grad(f)(np.ones(2))
    with pytest.raises(EscapedValueError, match="after the function"):
        np.sin(kept[0])


def test_threads_do_not_disturb_each_other() -> None:
    failures: list[Any] = []

    def work(k: int) -> None:
        x = np.arange(1.0, 4.0) * k
        for n in range(30):
            found = wg.grad(lambda x, n=n: np.sum(np.sin(x) * (k + n) * x))(x)
            expected = (k + n) * (np.cos(x) * x + np.sin(x))
            if not np.allclose(found, expected, rtol=1e-12):
                failures.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []
