"""Contractions of derivatives, against the contracted whole derivatives."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import wengert as wg
from wengert.errors import ShapeError, UnsupportedFunctionError
from wengert.taylor import operators
from wengert.taylor.operators import _by_terms, contract_derivative
from wengert.taylor.tensors import SymmetricTensor
from wengert.taylor.weights import Terms, ways_to_weigh

rng = np.random.default_rng(1)
A, B = rng.normal(size=(2, 4)), rng.normal(size=(4, 5))
FUNCTIONS = {
    "logsumexp": lambda x: np.log(np.sum(np.exp(x))),
    "network": lambda x: A @ np.tanh(B @ x),
    "product": lambda x: np.prod(np.sin(x) + 2) * x,
    "inverse": lambda x: np.linalg.inv(np.diag(x) + 3 * np.eye(5)),
    "elementwise": lambda x: np.exp(x) + x**3,
    "linear": lambda x: B @ x,
}
X = np.array([0.7, 1.1, 0.4, 0.9, 1.3])


def weights_of(k: int) -> dict[str, Any]:
    dense = rng.normal(size=(5,) * k)
    few = np.where(rng.random((5,) * k) < 0.2, dense, 0)
    diagonal, two = np.zeros((5,) * k), np.zeros((5,) * k)
    diagonal[tuple([np.arange(5)] * k)] = rng.normal(size=5)
    two[(0,) * k], two[(3,) * k] = 2.0, -1.0
    return {"dense": dense, "few": few, "diagonal": diagonal, "two": two, "zero": 0 * dense}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_weights(name: str, k: int) -> None:
    f = FUNCTIONS[name]
    derivative = wg.derivative(f, order=k)(X)
    for weight in weights_of(k).values():
        expected = np.tensordot(derivative, weight, k)
        got = contract_derivative(f, X, k, weight)
        assert np.shape(got) == expected.shape
        assert np.allclose(got, expected, rtol=1e-10, atol=1e-10)
        packed = SymmetricTensor.from_dense(weight, (5,), k)
        assert np.allclose(contract_derivative(f, X, k, packed), expected, rtol=1e-10, atol=1e-10)
        if k == 2:
            got = contract_derivative(f, X, k, sparse.coo_array(weight))
            assert np.allclose(got, expected, rtol=1e-10, atol=1e-10)
    terms = [(0.5, rng.normal(size=5)), (-2.0, rng.normal(size=5))]
    tensor = sum(w * _power(v, k) for w, v in terms)
    expected = np.tensordot(derivative, tensor, k)
    assert np.allclose(contract_derivative(f, X, k, terms), expected, rtol=1e-10)
    own = wg.rank_one_terms(terms)
    assert np.allclose(contract_derivative(f, X, k, own), expected, rtol=1e-10)


def _power(v: Any, k: int) -> Any:
    found = np.ones(())
    for _ in range(k):
        found = np.multiply.outer(found, v)
    return found


def test_both_ways_agree() -> None:
    """By rank-one terms and as a whole, at order 3."""
    from dataclasses import replace

    from wengert.rewrite import recognise
    from wengert.taylor.operators import _as_whole
    from wengert.taylor.tensors import recorded_at_point

    f = FUNCTIONS["network"]
    weight = rng.normal(size=(5, 5, 5))
    terms, whole = ways_to_weigh(weight, (5,), 3)
    recorded = recorded_at_point(f, X, "")
    recorded = replace(recorded, roots=tuple(map(recognise, recorded.roots)))
    one, other = _by_terms(terms, recorded, 3), _as_whole(whole, recorded, 3)
    assert np.allclose(one[0], other[0], rtol=1e-12)


def test_as_many_directions_as_needed() -> None:
    def directions(weight: Any, k: int = 2) -> int:
        (terms,) = [w for w in ways_to_weigh(weight, (50,), k) if isinstance(w, Terms)]
        return 50 if terms.directions is None else len(terms.weights)

    v = rng.normal(size=(2, 50))
    assert directions(v.T @ v) == 2
    assert directions(sparse.csr_array(np.zeros((50, 50)))) == 0
    diagonal = np.zeros(50)
    diagonal[:3] = 1
    assert directions(np.diag(diagonal)) == 3
    pair = np.zeros((50, 50))
    pair[3, 7] = 1.0
    assert directions(pair) == 2
    cube = np.zeros((50,) * 3)
    cube[1, 2, 3] = 1.0
    assert directions(cube, 3) == 4


def test_structured_weights() -> None:
    def f(x):
        return np.tanh(x @ x.T)

    x = rng.normal(size=(3, 4))
    derivative = wg.hessian(f)(x)
    for g in (
        lambda x: np.sum((x @ B.T[:4]) ** 2),
        lambda x: np.sum(x**4),
        lambda x: np.sum(x**3) + np.sum(x) ** 2,
    ):
        weight = wg.hessian(g, structured=True)(x)
        expected = np.tensordot(derivative, weight.to_dense(), 4)
        assert np.allclose(contract_derivative(f, x, 2, weight), expected)
    third = wg.derivative(lambda x: np.sum(x**4), order=3, structured=True)(x)
    expected = np.tensordot(wg.derivative(f, order=3)(x), third.to_dense(), 6)
    assert np.allclose(contract_derivative(f, x, 3, third), expected)


def test_batches_of_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "_CHUNK", 1)
    weight = rng.normal(size=(40, 40))
    x = rng.normal(size=40)

    def f(x):
        return np.log(np.sum(np.exp(x))) * np.ones(2)

    expected = np.tensordot(wg.hessian(f)(x), weight, 2)
    assert np.allclose(contract_derivative(f, x, 2, weight), expected)


def test_points_and_results() -> None:
    x = rng.normal(size=(2, 3))

    def f(x):
        return {"a": np.sum(x**3), "b": (np.tanh(x.T @ x),)}

    weight = rng.normal(size=(2, 3, 2, 3))
    got = contract_derivative(f, x, 2, weight)
    assert np.allclose(got["a"], np.tensordot(wg.hessian(f)(x)["a"], weight, 4))
    assert np.allclose(got["b"][0], np.tensordot(wg.hessian(f)(x)["b"][0], weight, 4))
    flat = contract_derivative(f, x, 2, weight.reshape(6, 6))
    assert np.allclose(flat["a"], got["a"])
    tree = {"u": np.ones(2), "v": 2.0}
    assert np.isclose(
        contract_derivative(lambda p: np.sum(p["u"]) * p["v"], tree, 2, np.ones((3, 3))), 4
    )
    assert np.isclose(
        contract_derivative("exp(a'*x)", {"x": np.zeros(3)}, 2, np.eye(3), given={"a": np.ones(3)}),
        3,
    )
    single = contract_derivative(lambda x: x.astype(x.dtype) ** 3, np.float32([2.0]), 2, np.eye(1))
    assert single.dtype == np.float32
    assert contract_derivative(lambda x: np.sum(x**2), np.zeros(0), 2, np.zeros((0, 0))) == 0


def test_within_other_transforms() -> None:
    f, W = FUNCTIONS["network"], np.diag(np.arange(1.0, 6.0)) + 0.3
    points = rng.normal(size=(4, 5))

    def inner(x):
        return contract_derivative(f, x, 2, W)

    expected = np.array([np.tensordot(wg.hessian(f)(x), W, 2) for x in points])
    assert np.allclose(wg.vmap(inner)(points), expected)
    assert np.allclose(wg.compile(wg.vmap(inner))(points), expected)
    g = FUNCTIONS["logsumexp"]
    traced = wg.grad(lambda W: contract_derivative(g, X, 2, W))(W)
    assert np.allclose(traced, wg.hessian(g)(X))
    over = wg.grad(lambda x: contract_derivative(g, x, 2, W))(X)
    assert np.allclose(over, np.einsum("ijk,ij->k", wg.derivative(g, order=3)(X), W))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_laplacian_and_biharmonic(name: str) -> None:
    f = FUNCTIONS[name]
    assert np.allclose(wg.laplacian(f)(X), np.einsum("...ii", wg.hessian(f)(X)))
    expected = np.einsum("...iijj", wg.derivative(f, order=4)(X))
    assert np.allclose(wg.biharmonic(f)(X), expected, rtol=1e-9)


def test_laplacian_of_trees_of_matrices_and_under_vmap() -> None:
    def f(p, s):
        return np.tanh(p["W"] @ p["b"]) * s

    p = {"W": rng.normal(size=(2, 3)), "b": rng.normal(size=3)}
    H = wg.hessian(f)(p, 2.0)
    expected = np.einsum("aijij->a", H["W"]["W"]) + np.einsum("aii->a", H["b"]["b"])
    assert np.allclose(wg.laplacian(f)(p, 2.0), expected)
    points = rng.normal(size=(6, 5))
    each = [wg.laplacian(FUNCTIONS["network"])(x) for x in points]
    assert np.allclose(wg.vmap(wg.laplacian(FUNCTIONS["network"]))(points), each)


def test_errors() -> None:
    f = FUNCTIONS["logsumexp"]
    for order in (0, -1, 2.0, True):
        with pytest.raises(ValueError, match="order must be an integer from 1 on"):
            contract_derivative(f, X, order, np.eye(5))  # type: ignore[arg-type]
    for weight, k in ((np.eye(4), 2), (np.eye(5), 3), (np.ones(5), 2)):
        with pytest.raises(ShapeError, match="the weight must have the shape"):
            contract_derivative(f, X, k, weight)
    with pytest.raises(ShapeError, match="sparse matrix of shape"):
        contract_derivative(f, X, 2, sparse.eye_array(4))
    with pytest.raises(ShapeError, match="symmetric tensor of order 3 in 5 dimensions"):
        contract_derivative(f, X, 3, SymmetricTensor.from_dense(np.eye(5), (5,), 2))
    with pytest.raises(ShapeError, match=r"a direction has shape \(4,\) where x has \(5,\)"):
        contract_derivative(f, X, 2, [(1.0, np.ones(4))])
    with pytest.raises(ShapeError, match="different shapes"):
        wg.rank_one_terms([(1.0, np.ones(4)), (1.0, np.ones(3))])
    with pytest.raises(ShapeError, match="at least one term"):
        wg.rank_one_terms([])
    with pytest.raises(ShapeError, match=r"weights of shape \(r,\)"):
        wg.RankOneTerms(np.ones(2), np.ones((3, 5)))
    with pytest.raises(UnsupportedFunctionError, match="real numbers"):
        contract_derivative(f, X, 2, np.eye(5) * 1j)


def test_polarised_monomials() -> None:
    """Each distinct entry on its own, on a polynomial with one derivative that is not zero."""
    for k in (2, 3, 4):
        for m in itertools.combinations_with_replacement(range(3), k):
            weight = np.zeros((3,) * k)
            weight[m] = 1.0

            def f(x, m=m):
                return np.prod(x[list(m)])

            for point in (np.zeros(3), np.ones(3)):
                expected = wg.derivative(f, order=k)(point)[m]
                assert np.isclose(contract_derivative(f, point, k, weight), expected)


@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_the_trace_of_a_hessian_is_that_of_the_dense_one(shape: tuple[int, ...]) -> None:
    def f(x: Any) -> Any:
        return np.sum(np.exp(np.sin(x))) * np.sum(x**3) + np.sum(x * np.cumsum(x).reshape(shape))

    x = np.linspace(0.2, 0.9, math.prod(shape)).reshape(shape)
    hessian = wg.hessian(f)(x)
    axes = tuple(range(len(shape)))
    expected = np.einsum(hessian, [*axes, *axes], [])
    assert wg.hessian_trace(f)(None, x) == pytest.approx(expected, rel=1e-12)
    assert wg.compile(lambda x: wg.hessian_trace(f)(None, x))(x) == pytest.approx(expected)
    slope = wg.grad(lambda x: wg.hessian_trace(f)(None, x))(x)
    third = wg.derivative(f, order=3)(x)
    rest = tuple(range(len(shape), 2 * len(shape)))
    assert np.allclose(slope, np.einsum(third, [*axes, *axes, *rest], rest), rtol=1e-10)
