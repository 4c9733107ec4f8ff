"""Derivative tensors by their distinct entries, against repeated derivatives and SymPy."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest
import sympy

import wengert as wg
from wengert.errors import ShapeError, TracingError
from wengert.taylor import interpolation, tensors
from wengert.taylor.monomials import count, monomials, multiplicities, of_dense, ranks
from wengert.taylor.tensors import METHODS, SymmetricTensor, derivative_tensor

rng = np.random.default_rng(0)
A, B = rng.normal(size=(2, 4)), rng.normal(size=(4, 3))
FUNCTIONS = {
    "logsumexp": lambda x: np.log(np.sum(np.exp(x))),
    "network": lambda x: A @ np.tanh(B @ x),
    "product": lambda x: np.prod(np.sin(x) + 2) * x,
    "inverse": lambda x: np.linalg.inv(np.diag(x) + 3 * np.eye(3)) @ x,
    "powers": lambda x: x**2.5 * np.cumsum(x),
    "elementwise": lambda x: np.outer(np.exp(x), np.ones(2)),
    "constant": lambda x: np.ones(2),
    "linear": lambda x: B @ x,
}
X = np.array([0.7, 1.1, 0.4])


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("method", METHODS)
def test_all_methods_agree_with_repeated_derivatives(name: str, method: str) -> None:
    f = FUNCTIONS[name]
    for k in (1, 2, 3, 4, 5):
        expected = wg.derivative(f, order=k)(X)
        T = derivative_tensor(f, X, k, method=method)
        assert T.shape == expected.shape
        assert np.allclose(T.to_dense(), expected, rtol=1e-9, atol=1e-9)


def polynomial(x: Any) -> Any:
    return x[0] ** 5 * x[1] ** 2 * x[2] + 3 * x[1] ** 4 * x[2] ** 4 - 2 * x[0] ** 8 + x[0] * x[2]


@pytest.mark.parametrize("k", range(1, 9))
@pytest.mark.parametrize("method", ["interpolation", "mixed", "auto"])
def test_a_polynomial_to_order_8(k: int, method: str) -> None:
    x = sympy.symbols("x:3")
    at = dict(zip(x, (1, -1, 2), strict=True))
    expected = [
        float(sympy.diff(polynomial(x), *(x[i] for i in m)).subs(at)) for m in monomials(3, k)
    ]
    T = derivative_tensor(polynomial, np.array([1.0, -1.0, 2.0]), k, method=method)
    size = np.max(np.abs(expected))
    assert np.max(np.abs(T.entries - expected)) <= 2e-12 * size


@pytest.mark.parametrize("k", [2, 3, 6, 8, 9])
def test_weights_reproduce_every_monomial_exactly(k: int) -> None:
    """γ as it is stored against monomials, whose Taylor coefficients are integers."""
    for d in (1, 2, 3) if k > 3 else (1, 2, 3, 5):
        along = interpolation.directions(d, k)
        for m, row in zip(monomials(d, k), np.eye(count(d, k)), strict=True):
            values = np.prod(along[:, m], axis=1)
            repeats = math.prod(math.factorial(e) for e in np.bincount(m, minlength=d))
            found, summed = interpolation.entries_from(values[:, None], d, k)
            spread = interpolation.amplification(found, summed)
            assert np.max(np.abs(found[:, 0] - row * repeats)) <= 1e-13 * repeats * spread


def test_a_wrong_weight_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = interpolation.weights(3, 3)
    wrong = right.copy()
    wrong.data[5] *= 1 + 1e-6
    monkeypatch.setattr(interpolation, "weights", lambda d, k: wrong)
    T = derivative_tensor(FUNCTIONS["logsumexp"], X, 3, method="interpolation")
    expected = wg.derivative(FUNCTIONS["logsumexp"], order=3)(X)
    assert not np.allclose(T.to_dense(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("k", [4, 6, 8])
def test_digits_of_interpolation(k: int) -> None:
    """Of exp(a·x): relative to the largest entry, to 1e-11 at order 8."""
    a = np.array([0.7, -0.4, 1.1, 0.2])

    def f(x):
        return np.exp(a @ x)

    x = np.array([0.1, 0.5, -0.3, 0.2])
    expected = np.exp(a @ x) * np.prod(a[monomials(4, k)], axis=1)
    for method in ("interpolation", "mixed"):
        T = derivative_tensor(f, x, k, method=method)
        error = np.max(np.abs(T.entries - expected)) / np.max(np.abs(expected))
        assert error < 1e-15 * 20 ** (k / 2)


def test_amplified_rounding_is_said_or_avoided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "_SAFE", 0.0)
    f = FUNCTIONS["logsumexp"]
    with pytest.warns(RuntimeWarning, match="amplifies rounding errors .* times; use method="):
        derivative_tensor(f, X, 4, method="interpolation")
    monkeypatch.setattr(tensors, "_cheapest", lambda *_: ("interpolation", 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        T = derivative_tensor(f, X, 4)
    assert np.allclose(T.to_dense(), wg.derivative(f, order=4)(X), rtol=1e-12)


def test_the_choice_at_real_sizes() -> None:
    """Few dimensions and a high order: interpolation; a network of many inputs: collapsed."""
    from wengert.taylor.tensors import recorded_at_point

    def choice(f: Any, x: Any, k: int) -> str:
        recorded = recorded_at_point(f, x, "")
        return tensors._cheapest(recorded.roots[0], recorded.leaves[0], k)[0]

    W, V = rng.normal(size=(64, 20)), rng.normal(size=(5, 64))

    def net(x):
        return V @ np.tanh(W @ x)

    assert choice(net, np.zeros(20), 3) == "collapsed"

    def small(x):
        return np.sum(np.tanh(rng_weights @ np.tanh(rng_inputs @ x)))

    assert choice(small, np.zeros(3), 7) in {"interpolation", "mixed"}


rng_weights, rng_inputs = rng.normal(size=(6, 6)), rng.normal(size=(6, 3))


# ------------------------------------------------------------------ points, results, precisions


def test_a_matrix_as_the_point_and_as_the_result() -> None:
    x = rng.normal(size=(2, 3))

    def f(x):
        return np.tanh(x.T @ x)

    for method in METHODS:
        T = derivative_tensor(f, x, 3, method=method)
        assert T.outputs == (3, 3)
        assert T.point == (2, 3)
        assert np.allclose(T.to_dense(), wg.derivative(f, order=3)(x))
    assert np.allclose(T[(0, 1), 5, (1, 0)], wg.derivative(f, order=3)(x)[:, :, 0, 1, 1, 2, 1, 0])


def test_a_tree_as_the_point_is_one_vector_and_a_tree_as_the_result_is_kept() -> None:
    point = {"a": np.array([1.0, 2.0]), "b": 0.5}

    def f(p):
        return {"y": np.sum(p["a"] ** 2) * p["b"], "z": (p["a"] * p["b"] ** 2,)}

    T = derivative_tensor(f, point, 2)
    assert set(T) == {"y", "z"}
    expected = [[1.0, 0.0, 2.0], [0.0, 1.0, 4.0], [2.0, 4.0, 0.0]]
    assert np.allclose(T["y"].to_dense(), expected)
    assert T["z"][0].shape == (2, 3, 3)
    assert np.allclose(T["z"][0][2, 2], 2 * point["a"])


def test_formulas() -> None:
    T = derivative_tensor("a*x^3", {"x": 2}, 2, given={"a": 5.0})
    assert float(T[0, 0]) == 60.0


@pytest.mark.parametrize("method", METHODS)
def test_empty_and_single_dimensions(method: str) -> None:
    T = derivative_tensor(lambda x: np.sum(x**2) * np.ones(2), np.zeros(0), 3, method=method)
    assert T.entries.shape == (2, 0)
    assert T.to_dense().shape == (2, 0, 0, 0)
    T = derivative_tensor(lambda x: x**4, np.array([2.0]), 3, method=method)
    assert np.allclose(T.to_dense(), 48.0)
    T = derivative_tensor(lambda x: x**4, 2.0, 3, method=method)
    assert T.shape == ()
    assert np.allclose(T.to_dense(), 48.0)
    T = derivative_tensor(lambda x: np.zeros((0, 2)) * np.sum(x), np.ones(2), 2, method=method)
    assert T.shape == (0, 2, 2, 2)


@pytest.mark.parametrize("method", METHODS)
def test_float32_stays(method: str) -> None:
    x = X.astype(np.float32)
    T = derivative_tensor(FUNCTIONS["logsumexp"], x, 3, method=method)
    assert T.entries.dtype == np.float32
    expected = wg.derivative(FUNCTIONS["logsumexp"], order=3)(X)
    assert np.allclose(T.to_dense(), expected, atol=1e-5)


# ------------------------------------------------------------------ the tensor itself


def test_numbers_of_entries() -> None:
    for d, k in itertools.product((1, 2, 5), (1, 2, 3, 4)):
        table = monomials(d, k)
        expected = list(itertools.combinations_with_replacement(range(d), k))
        assert table.tolist() == [list(m) for m in expected]
        assert len(table) == count(d, k)
        assert np.array_equal(ranks(table[:, ::-1], d), np.arange(len(table)))
        assert np.array_equal(np.bincount(of_dense(d, k)), multiplicities(d, k))


def test_symmetric_tensors() -> None:
    dense = rng.normal(size=(2, 3, 3, 3))
    T = SymmetricTensor.from_dense(dense, (3,), 3)
    part = sum(np.transpose(dense, (0, *p)) for p in itertools.permutations((1, 2, 3))) / 6
    assert np.allclose(T.to_dense(), part)
    assert np.allclose(np.asarray(T), part)
    for i in itertools.product(range(3), repeat=3):
        assert np.array_equal(T[i], T[tuple(sorted(i))])
        assert np.allclose(T[i], part[(slice(None), *i)])
    assert np.array_equal(T[-1, 0, 0], T[2, 0, 0])
    u, v, w = rng.normal(size=(3, 3))
    assert np.allclose(T.contract(u, v, w), np.einsum("aijk,i,j,k->a", part, u, v, w))
    assert np.allclose(T.contract(u, v).to_dense(), np.einsum("aijk,i,j->ak", part, u, v))
    assert np.allclose(T.norm(), np.linalg.norm(part.reshape(2, -1), axis=1))
    S = SymmetricTensor.from_dense(rng.integers(0, 5, (3, 3, 3)), (3,), 3)
    assert np.allclose(T.inner(S), np.einsum("aijk,ijk->a", part, S.to_dense()))
    assert repr(T) == (
        "SymmetricTensor(outputs (2,), order 3 in 3 dimensions: 10 distinct of 27 entries)"
    )


# ------------------------------------------------------------------ errors


def test_errors() -> None:
    f = FUNCTIONS["logsumexp"]
    for order in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="order must be an integer from 1 on"):
            derivative_tensor(f, X, order)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown method 'jets'; the methods are auto, collapsed"):
        derivative_tensor(f, X, 2, method="jets")
    with pytest.raises(ShapeError, match=r"order 4 has 4,444,781,055 entries, too many"):
        derivative_tensor(f, np.ones(570), 4)
    with pytest.raises(ShapeError, match="the dense tensor has 1,000,000,000 entries"):
        SymmetricTensor(np.zeros(count(1000, 3)), (1000,), 3).to_dense()
    with pytest.raises(TracingError, match=r"use wg\.derivative there"):
        wg.grad(lambda x: derivative_tensor(f, x, 2).entries[0])(X)
    with pytest.raises(TracingError, match="nothing to differentiate by"):
        derivative_tensor(lambda p: 1.0, {}, 1)
    with pytest.raises(ShapeError, match="6 distinct entries; these have shape"):
        SymmetricTensor(np.zeros(5), (3,), 2)
    with pytest.raises(ShapeError, match="ends with the axes"):
        SymmetricTensor.from_dense(np.zeros((3, 2)), (3,), 2)
    T = derivative_tensor(f, X, 2)
    with pytest.raises(IndexError, match="has 2 indices; 3 are given"):
        T[0, 0, 0]
    with pytest.raises(IndexError, match="out of range"):
        T[0, 3]
    with pytest.raises(ShapeError, match="takes no 3 vectors"):
        T.contract(X, X, X)
    with pytest.raises(ShapeError, match=r"\(2,\) where \(3,\) is needed"):
        T.contract(np.ones(2))
    with pytest.raises(ShapeError, match="no inner product"):
        T.inner(derivative_tensor(f, X, 3))


def gravity(p):
    return 6.67e-11 * p[0] * p[1] / p[2] ** 2


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("method", ["auto", "interpolation", "mixed"])
def test_interpolation_keeps_entries_in_very_different_units(k: int, method: str) -> None:
    """Physics in SI units: entries from 1e-28 to 1e4, each to ten digits, and exact zeros."""
    x = np.array([5.97e24, 7.3e22, 3.8e8])
    expected = derivative_tensor(gravity, x, k, method="collapsed").entries
    found = derivative_tensor(gravity, x, k, method=method).entries
    assert np.count_nonzero(expected) > k
    assert np.allclose(found, expected, rtol=1e-10, atol=0)


def test_interpolation_leaves_no_noise_where_derivatives_vanish() -> None:
    def f(x):
        return np.exp(x[0]) + np.sin(3 * x[1]) + x[2] ** 2 * x[0]

    T = derivative_tensor(f, np.array([0.3, 0.7, -1.1]), 3, method="interpolation")
    mixed = [e for e, m in zip(T.entries, monomials(3, 3), strict=True) if len(set(m)) > 1]
    assert np.count_nonzero(mixed) == 1


def test_a_high_order_in_few_variables_does_not_repeat_derivatives() -> None:
    with pytest.warns(RuntimeWarning, match="amplifies rounding errors"):
        T = derivative_tensor(lambda p: np.exp(p[0] + p[1]), np.zeros(2), 24)
    assert T.entries[0] == pytest.approx(1.0)
