"""Contractions as native code: batches of products, short axes, symmetric ones, in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.backends import compile_plan, compile_with
from wengert.backends.native.plans.arranging import arranged
from wengert.backends.native.plans.blocking import Block
from wengert.backends.native.plans.grouping import Nest
from wengert.backends.native.plans.lowering import Lowering
from wengert.backends.native.plans.statements import Product
from wengert.backends.native.plans.tiles import tiling
from wengert.backends.native.types import F64
from wengert.operations import contract, variable
from wengert.plan import make_plan
from wengert.plan.instructions import Input, Prepare
from wengert.rewrite import lower

SPECS = [
    "kij,nkj->nki", "nki,kij->nkj", "nki,nkj->kij", "nij,njk->nik", "nij,nkj->nik",
    "nij,njk->ikn", "ij,nkj->nik", "abij,bjk->abik", "nk,kj,nkj->nj", "iab,jab->ij",
    "nki,nkj,nk->kij", "ni,nj->nij", "nkj,nk->kjn", "nkj,nkj->kj", "nji,n->ij", "kji,njk->ink",
]  # fmt: skip
SIZES = [
    {"n": 37, "k": 6, "i": 10, "j": 10, "a": 5, "b": 4},
    {"n": 700, "k": 9, "i": 7, "j": 6, "a": 30, "b": 20},
    {"n": 1, "k": 1, "i": 64, "j": 70, "a": 1, "b": 2},
    {"n": 65, "k": 3, "i": 33, "j": 4, "a": 4, "b": 33},
    {"n": 0, "k": 3, "i": 5, "j": 4, "a": 4, "b": 3},
]


def draw(*shape: int) -> Any:
    return np.random.default_rng(len(shape) + sum(shape)).normal(size=shape)


def assert_same(native: Any, expected: Any, tolerance: float) -> None:
    assert native.shape == expected.shape
    assert native.dtype == expected.dtype
    scale = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(native, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize(
    ("case", "dtype"), [(k, "float64") for k in range(len(SIZES))] + [(0, "float32")]
)
def test_contractions(case: int, dtype: str):
    """By themselves, scaled, and in a sum that goes through rows in blocks."""
    sizes, tolerance = SIZES[case], 1e-13 if dtype == "float64" else 1e-5
    roots: list[Any] = []
    values: dict[str, Any] = {}
    for k, spec in enumerate(SPECS[case % 2 :: 2]):
        inputs, out = spec.split("->")
        labels = inputs.split(",")
        names = [f"x{k}_{j}" for j in range(len(labels))]
        shapes = [tuple(sizes[x] for x in own) for own in labels]
        values |= {n: draw(*s).astype(dtype) for n, s in zip(names, shapes, strict=True)}
        number = {x: j for j, x in enumerate(dict.fromkeys(inputs.replace(",", "")))}
        leaves = [variable(n, s) for n, s in zip(names, shapes, strict=True)]
        roots.append(
            contract(
                leaves, [tuple(number[x] for x in own) for own in labels],
                tuple(number[x] for x in out), coefficient=1 if k % 2 else -3,
            )
        )  # fmt: skip
    plan = make_plan([lower(root) for root in roots], {})
    expected = compile_plan(plan, np.dtype(dtype))(values)
    program: Any = compile_with(plan, np.dtype(dtype), "native")
    assert program.function is not None
    for _ in range(2):
        for got, one in zip(program(values), expected, strict=True):
            assert_same(got, np.asarray(one), tolerance)


def test_tiles_are_for_products():
    """What reads every entry once only is a plain loop."""
    assert tiling((37, 6, 10, 10), (600, 10, 0, 1), (0, 100, 1, 10), (60, 10, 1, 0)) is not None
    assert tiling((37, 10), (10, 1), (0, 1), (1, 0)) is None
    assert tiling((37, 10), (10, 1), (10, 1), (0, 1)) is None
    assert tiling((37, 10), (1, 0), (0, 1), (10, 1)) is None


def mixture(means: Any, logs: Any, lower: Any, X: Any) -> Any:
    gaps = X[:, None, :] - means
    turned = np.exp(logs) * gaps + np.einsum("kij,nkj->nki", lower, gaps)
    inner = np.sum(logs, axis=1) - 0.5 * np.sum(turned * turned, axis=2)
    return np.sum(np.exp(inner))


def attention(Q: Any, K: Any, V: Any) -> Any:
    S = np.einsum("hid,hjd->hij", Q, K) / 4
    P = np.exp(S) / np.sum(np.exp(S), axis=2, keepdims=True)
    return np.sum(np.tanh(np.einsum("hij,hjd->hid", P, V)))


def products(A: Any, B: Any) -> Any:
    return np.sum(np.tanh(A @ B) @ np.swapaxes(B, 1, 2))


def short_rows(W: Any, X: Any) -> Any:
    """Functions of rows of a few entries, added up along both axes."""
    Z = X @ W
    E = np.exp(np.sin(Z)) + np.max(Z, axis=1)[:, None]
    return np.sum(np.log(np.sum(E * E, axis=1))) + np.sum(np.sum(np.tanh(E), axis=0) ** 2)


def clusters(centres: Any, X: Any) -> Any:
    """Squared distances of rows to the nearest of the centres."""
    squares = np.sum(X * X, axis=1)[:, None] + np.sum(centres * centres, axis=1)
    return np.sum(np.min(squares - 2 * X @ centres.T, axis=1))


def layers(*given: Any) -> Any:
    *weights, X = given
    for W in weights[:-1]:
        X = np.tanh(X @ W)
    return np.sum((X @ weights[-1]) ** 2)


GRADIENTS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "mixture": (mixture, (draw(5, 10), draw(5, 10) / 9, draw(5, 10, 10) / 9, draw(403, 10))),
    "mixture, few": (mixture, (draw(2, 3), draw(2, 3) / 9, draw(2, 3, 3) / 9, draw(7, 3))),
    "attention": (attention, (draw(3, 20, 8), draw(3, 22, 8), draw(3, 22, 8))),
    "short rows": (short_rows, (draw(4, 3), draw(100, 4))),
    "short rows, in blocks": (short_rows, (draw(11, 5), draw(5003, 11))),
    "clusters": (clusters, (draw(60, 7), draw(1003, 7))),
    "clusters, as many as rows": (clusters, (draw(300, 5), draw(300, 5) / 2)),
    "clusters, on a grid": (clusters, (np.round(draw(40, 2)), np.round(2 * draw(900, 2)) / 2)),
    "layers": (layers, (draw(30, 40), draw(40, 50) / 9, draw(50, 8) / 9, draw(400, 30))),
    "layers, square": (layers, (draw(70, 70), draw(70, 70) / 9, draw(70, 70) / 9, draw(70, 70))),
    "products": (products, (draw(11, 9, 12), draw(11, 12, 7))),
}


@pytest.mark.parametrize("name", list(GRADIENTS))
def test_gradients(name: str):
    function, arguments = GRADIENTS[name]
    argnums = tuple(range(len(arguments)))
    found, expected = (
        wg.compile(wg.value_and_grad(function, argnums=argnums), engine=engine)(*arguments)
        for engine in ("native", "numpy")
    )
    assert_same(np.asarray(found[0]), np.asarray(expected[0]), 1e-12)
    for one, other in zip(found[1], expected[1], strict=True):
        assert_same(one, other, 1e-12)


def parts_of(function: Any, *arguments: Any) -> Any:
    """The parts of the gradient's code, and what the slots hold."""
    plan = wg.compile(wg.grad(function, argnums=tuple(range(len(arguments))))).plan(*arguments)
    instructions = [i for i in plan.instructions if not isinstance(i, Prepare)]
    lowering = Lowering(F64, instructions, plan.outputs)
    lowering.graph.fresh = plan.slots
    inputs = [i.target for i in instructions if isinstance(i, Input)]
    for i in instructions:
        if isinstance(i, Input):
            lowering.enter(i.target, i.shape, i.dtype)
        else:
            lowering.lower(i)
    return arranged(lowering.graph, inputs, plan.outputs).parts, lowering.graph


def test_a_short_axis_as_long_as_the_rows_does_not_break_their_block():
    """The centres' norms are before the block, though there are as many as rows."""
    parts, graph = parts_of(clusters, draw(500, 5), draw(500, 5))
    (block,) = [part for part in parts if isinstance(part, Block)]
    inner = [graph.shapes[s] for s in block.inner]
    assert inner.count((500, 500)) >= 3
    assert not any(isinstance(group, Product) for group in block.groups)


def test_backward_passes_go_through_the_rows_of_forward_ones():
    """All of a network is one block of rows; entries are read in the order of memory."""
    weights = draw(30, 140), draw(140, 150) / 9, draw(150, 20) / 9
    parts, _ = parts_of(layers, *weights, draw(2000, 30))
    (block,) = [part for part in parts if isinstance(part, Block)]
    for group in block.groups:
        if isinstance(group, Nest):
            assert all(a.strides[-1] in {0, 1} for s in group.statements for a in s.reads)
    assert len(block.summed) == 3


@pytest.mark.parametrize("axis", [2, 8, 10, 12, 13])
def test_products_with_a_short_axis(axis: int):
    """Of any orientation, of small and large arrays, given and computed ones."""

    def function(A: Any, B: Any, C: Any) -> Any:
        D = np.sin(C)
        return A @ B, A @ (2 * D)[:axis], D @ A, C.T @ A, np.exp(-A).T @ D, 3 * (B @ D), B @ C.T

    n = 310  # C has more bytes than stay in the cache
    arguments = draw(n, axis), draw(axis, n), draw(n, n)
    found, expected = (wg.compile(function, engine=e)(*arguments) for e in ("native", "numpy"))
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other, 1e-13)


def test_nothing_equals_a_minimum_that_is_nan():
    X = np.array([[1.0, 2.0, 1.0], [np.nan, 1.0, 0.0], [np.inf, np.inf, np.inf]])
    slopes = wg.grad(lambda X: np.sum(np.min(X, axis=1)))
    found, expected = (wg.compile(slopes, engine=engine)(X) for engine in ("native", "numpy"))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found[0], [0.5, 0.0, 0.5])


@pytest.mark.parametrize(("n", "d"), [(30, 97), (700, 130), (2, 200)])
def test_symmetric_products(n: int, d: int):
    """Hessians of sums over rows, and products with oneself, are exactly symmetric."""
    X, w = draw(n, d), draw(d) / d**0.5

    def loss(w: Any) -> Any:
        return np.sum(np.logaddexp(0, X @ w))

    def gram(X: Any) -> Any:
        return X.T @ X, X @ X.T, 2 * (X.T @ X)

    H = wg.compile(wg.hessian(loss), engine="native")(w)
    assert np.array_equal(H, H.T)
    assert_same(H, wg.compile(wg.hessian(loss), engine="numpy")(w), 1e-13)
    found, expected = (wg.compile(gram, engine=engine)(X) for engine in ("native", "numpy"))
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one, one.T)
        assert_same(one, other, 1e-13)


def test_values_in_another_order_are_written_in_the_order_of_memory():
    """A permuted product is what its factors are in memory; reshaped and returned it is itself."""

    def function(X: Any, v: Any) -> Any:
        Y = np.einsum("nkj,nk->kjn", X, v)
        Z = np.tanh(Y) - 2 * Y
        return Y, Z.reshape(-1), np.sum(Z, axis=0), np.exp(Z[1:, ::2]), Z @ v, np.diagonal(Z)

    arguments = draw(9, 4, 5), draw(9, 4)
    found, expected = (wg.compile(function, engine=e)(*arguments) for e in ("native", "numpy"))
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other, 1e-14)
        assert one.flags.c_contiguous


def test_exp_is_shared():
    """Softplus, log-add-exp and sigmoid of one number, or of its negative, compute one exp."""

    def loss(x: Any) -> Any:
        return (
            np.sum(np.logaddexp(0, -x)),
            1 / (1 + np.exp(x)),
            wg.grad(lambda x: np.sum(np.logaddexp(0, -x)))(x),
        )

    x = np.array([0.0, -0.0, 1e-300, 3.0, -3.0, 700.0, -700.0, 1e5, -1e5, np.inf, -np.inf, np.nan])
    with np.errstate(all="ignore"):
        found, expected = (wg.compile(loss, engine=e)(x) for e in ("native", "numpy"))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14, atol=0)
