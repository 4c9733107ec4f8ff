"""Expressions on many operands at once against one after another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from operations import test_control as control
from operations.support import SMALL, Call, assert_close, by_id, evaluate, rng_for
from wengert.derive import derivative
from wengert.expr import Expr
from wengert.operations import (
    add,
    constant,
    contract,
    det,
    elementwise,
    inv,
    matmul,
    mul,
    plus,
    reshape,
    scale,
    softmax,
    sum_,
    variable,
)
from wengert.operations.batching import batch, batch_dependent
from wengert.operations.control import cond, fori_loop, scan, switch, while_loop
from wengert.operations.discrete import as_real

COUNT = 3
WIDE = "wide_"


def check(
    root: Expr,
    leaves: Sequence[Expr],
    values: Mapping[str, Any],
    rng: np.random.Generator,
    draws: Mapping[str, Any] | None = None,
    tolerance: float = 1e-9,
) -> None:
    """The batched expression is the expression at each entry of the batch."""
    wide = {x: variable(WIDE + x.param("name"), (COUNT, *x.shape), dtype=x.dtype) for x in leaves}
    (found,) = batch([root], wide)
    assert found.shape == (COUNT, *root.shape)
    assert found.dtype == root.dtype
    many = {}
    for x in leaves:
        name = x.param("name")
        if draws is not None and name in draws:
            many[name] = draws[name]
        else:
            noise = 1e-2 * rng.normal(size=(COUNT, *np.shape(values[name])))
            many[name] = values[name] + noise
    one_by_one = [
        evaluate(root, {**values, **{n: v[k] for n, v in many.items()}}) for k in range(COUNT)
    ]
    together = evaluate(found, {**values, **{WIDE + n: v for n, v in many.items()}})
    assert_close(np.asarray(together, float), np.asarray(one_by_one, float), tolerance)


# ------------------------------------------------------------------ every operation


@by_id(SMALL)
def test_every_operation(call: Call) -> None:
    rng = rng_for(call)
    draws = [call.draw(rng) for _ in range(COUNT)]
    values = draws[0]
    many = {name: np.stack([d[name] for d in draws]) for name in call.names}
    leaves = [
        variable(n, s, dtype=d)
        for n, s, d in zip(call.names, call.shapes, call.dtypes, strict=True)
    ]
    root = call.node()
    for count in range(1, len(leaves) + 1):
        for chosen in itertools.combinations(leaves, count):
            check(root, chosen, values, rng, many)


# ------------------------------------------------------------------ compositions

X, A, S = variable("x", (2,)), variable("A", (2, 2)), variable("s", ())
VALUES = {"x": np.array([0.3, -0.8]), "A": np.array([[2.0, 0.5], [-0.3, 1.5]]), "s": np.array(0.7)}
COMPOSED = {
    "bilinear": sum_(mul(X, matmul(A, X))),
    "delta": contract([X], [(0,)], (0, 0)),
    "ones": contract([X, S], [(0,), ()], (1, 0), sizes={1: 3}),
    "inverse": matmul(inv(A), plus(X, S)),
    "determinant": mul(det(A), softmax(X)),
    "reshape": sum_(reshape(contract([A, X], [(0, 1), (2,)], (0, 1, 2)), (2, 4)), 0),
    "independent": add([X, scale(0, X), X]),
    "elementwise": elementwise("exp", add([mul(S, X), elementwise("sin", X)])),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_compositions_and_their_derivatives(name: str) -> None:
    rng = np.random.default_rng(3)
    root = COMPOSED[name]
    for leaves in ([X], [A], [S], [X, A], [X, A, S]):
        check(root, leaves, VALUES, rng)
        for wrt in (X, A):
            check(derivative(root, [wrt]), leaves, VALUES, rng)
    check(derivative(root, [X, X]), [X, S], VALUES, rng)


def test_what_does_not_depend_stays() -> None:
    root = matmul(inv(A), X)
    wide = variable("xs", (COUNT, 2))
    (found,) = batch([root], {X: wide})
    assert inv(A) in found.operands
    assert batch_dependent([det(A), root], {X: wide})[0] is None
    assert batch([det(A)], {X: wide})[0].shape == (COUNT,)


def test_twice() -> None:
    root = matmul(A, X)
    xs, As = variable("xs", (4, 2)), variable("As", (3, 2, 2))
    (once,) = batch([root], {X: xs})
    (twice,) = batch([once], {A: As})
    rng = np.random.default_rng(0)
    values = {"xs": rng.normal(size=(4, 2)), "As": rng.normal(size=(3, 2, 2))}
    assert_close(evaluate(twice, values), np.einsum("aij,bj->abi", values["As"], values["xs"]))


# ------------------------------------------------------------------ programs


def programs() -> dict[str, Expr]:
    bound = variable("n", (), dtype="int")
    carry, ys = scan(control.cell, [control.VECTOR, control.SCALAR], [control.INPUTS])
    counted = fori_loop(
        0, bound, lambda i, c: [plus(mul(c[0], control.SCALAR), as_real(i))], [control.SCALAR]
    )
    grown = while_loop(control.bounded, control.growing, [control.VECTOR, control.SCALAR])
    limited = while_loop(control.bounded, control.growing, [control.VECTOR, control.SCALAR], 9)
    chosen = cond(
        control.less(constant(0), control.SCALAR),
        lambda o: [control.tanh(o[0])],
        lambda o: [mul(o[0], o[0], control.SCALAR)],
        [control.VECTOR],
    )
    switched = switch(
        bound,
        [lambda o, n=n: [scale(n + 1, mul(o[0], control.SCALAR))] for n in range(3)],
        [control.VECTOR],
    )
    return {
        "scan": add([sum_(carry[0]), carry[1], sum_(ys[0])]),
        "outputs": ys[0],
        "counted": counted[0],
        "while": mul(grown[1], sum_(grown[0])),
        "limited": mul(limited[1], sum_(limited[0])),
        "cond": sum_(mul(chosen[0], control.VECTOR)),
        "switch": sum_(mul(switched[0], switched[0])),
    }


@pytest.mark.parametrize("name", programs())
@pytest.mark.parametrize("order", [0, 1, 2])
def test_programs(name: str, order: int) -> None:
    """Batches of derivatives too: of different numbers of steps, of different branches."""
    rng = np.random.default_rng(5)
    s, x, W, u = control.SCALAR, control.VECTOR, control.MATRIX, control.INPUTS
    n = variable("n", (), dtype="int")
    draws = {
        "s": np.array([0.7, -0.4, 0.9]),
        "x": np.array([[0.3, -0.8], [2.0, 1.0], [9.0, 1.0]]),
        "n": np.array([3, 0, 5]),
    }
    values = {**control.VALUES, "n": np.int64(2)}
    for modes in itertools.product(("forward", "reverse"), repeat=order):
        root = programs()[name]
        for mode in modes:
            root = derivative(root, [s], mode)
        for leaves in ([s], [x], [n], [W, u], [s, x, n]):
            check(root, leaves, values, rng, draws, 1e-8)


@pytest.mark.parametrize("name", ["scan", "while", "limited", "cond", "counted", "switch"])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_derivatives_of_batches(name: str, mode: str) -> None:
    """Deriving the batched program is batching the derivative."""
    s = control.SCALAR
    root = programs()[name]
    xs, ss = variable("xs", (COUNT, 2)), variable("ss", (COUNT,))
    ns = variable("ns", (COUNT,), dtype="int")
    wide = {control.VECTOR: xs, s: ss, variable("n", (), dtype="int"): ns}
    (together,) = batch([root], wide)
    found = derivative(sum_(together), [ss], mode)
    (expected,) = batch([derivative(root, [s])], wide)
    values = {
        **control.VALUES,
        "xs": np.array([[0.3, -0.8], [2.0, 1.0], [9.0, 1.0]]),
        "ss": np.array([0.7, -0.4, 0.9]),
        "ns": np.array([3, 0, 5]),
    }
    assert_close(evaluate(found, values), evaluate(expected, values), 1e-8)
    second = derivative(sum_(found), [ss], mode)
    (expected,) = batch([derivative(derivative(root, [s]), [s])], wide)
    assert_close(evaluate(second, values), evaluate(expected, values), 1e-8)
