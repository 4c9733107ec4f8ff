"""Random tensor networks: every notation means what the network means."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from drawing import examples
from wengert.assumptions import parse_assumptions
from wengert.expr import Expr, make
from wengert.operations import elementwise, neg, plus, power, sub, transpose, variable
from wengert.operations.structural import (
    CONTRACT,
)
from wengert.printing import index_notation, matrix_notation, numpy_code, text, to_matrix
from wengert.printing.numpy import NumpyRenderer

N = 3
LETTERS = "abcdefghijkl"
U, V, W = (variable(name, (N,)) for name in "uvw")
A, B = (variable(name, (N, N)) for name in "AB")
S = variable("S", (N, N), parse_assumptions("symmetric"))
C = variable("c", ())
OPERANDS = [
    *(U, V, W, A, B, S, C, sub(U, V), sub(transpose(A), B), neg(plus(V, W))),
    *(power(U, -1), elementwise("tanh", A)),
]
LEAVES = [U, V, W, A, B, S, C]

Network = tuple[list[Expr], list[tuple[int, ...]], tuple[int, ...], Fraction]


def _values() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    values: dict[str, Any] = {name: rng.normal(size=N) for name in "uvw"}
    values |= {name: rng.normal(size=(N, N)) for name in "AB"}
    half = rng.normal(size=(N, N))
    return {**values, "S": half + half.T, "c": 1.3}


VALUES = _values()
SPACE = {"np": np, "dtype": float, **VALUES}


@st.composite
def networks(draw: DrawFn, rank: int = 2) -> Network:
    """Operands, labels, output labels and coefficient."""
    operands = draw(st.lists(st.sampled_from(OPERANDS), min_size=1, max_size=5))
    label = st.integers(0, 3)
    labels = [tuple(draw(label) for _ in range(o.ndim)) for o in operands]
    out = tuple(draw(st.lists(label, max_size=rank)))
    coefficient = draw(st.sampled_from([Fraction(1), Fraction(-2), Fraction(1, 2)]))
    return operands, labels, out, coefficient


def make_node(network: Network) -> Expr:
    operands, labels, out, coefficient = network
    return make(CONTRACT, tuple(operands), (tuple(labels), out, coefficient), (N,) * len(out))


def _evaluate(expr: Expr) -> Any:
    tree = to_matrix(expr)
    assert tree is not None
    return eval(NumpyRenderer({}).render(tree), dict(SPACE))


def reference(network: Network) -> Any:
    operands, labels, out, coefficient = network
    arrays = [np.asarray(_evaluate(o)) for o in operands]
    terms = ["".join(LETTERS[a] for a in own) for own in labels]
    result = ""
    for k, label in enumerate(out):
        fresh = LETTERS[6 + k]
        terms.append(LETTERS[label] + fresh)
        arrays.append(np.eye(N))
        result += fresh
    return float(coefficient) * np.einsum(f"{','.join(terms)}->{result}", *arrays)


@examples(300)
@given(networks())
def test_matrix_notation_means_the_network(network: Network) -> None:
    value = _evaluate(make_node(network)) * np.ones((N,) * len(network[2]))
    np.testing.assert_allclose(value, reference(network), rtol=1e-9, atol=1e-9)


@examples(200)
@given(networks(rank=4))
def test_code_means_the_network(network: Network) -> None:
    module: dict[str, Any] = {}
    exec(numpy_code(make_node(network), LEAVES), module)
    value: Any = module["f"](*VALUES.values())
    expected = reference(network)
    assert np.shape(value) == expected.shape
    np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-9)


@examples(300)
@given(networks(rank=4), st.integers(1, 3))
def test_flattened_matrices_mean_the_network(network: Network, rows: int) -> None:
    expr = make_node(network)
    if expr.ndim < 3 or rows >= expr.ndim:
        return
    tree = to_matrix(expr, rows=rows)
    if tree is None:
        return
    value = np.asarray(eval(NumpyRenderer({}).render(tree), dict(SPACE)))
    expected = reference(network)
    np.testing.assert_allclose(value.ravel(), expected.ravel(), rtol=1e-9, atol=1e-9)


@examples(200)
@given(networks(), st.permutations(range(5)), st.permutations(range(4)))
def test_the_order_of_operands_does_not_matter(
    network: Network, order: list[int], names: list[int]
) -> None:
    operands, labels, out, coefficient = network
    places = [k for k in order if k < len(operands)]
    moved = (
        [operands[k] for k in places],
        [tuple(names[a] for a in labels[k]) for k in places],
        tuple(names[a] for a in out),
        coefficient,
    )
    first, second = make_node(network), make_node(moved)
    assert matrix_notation(first) == matrix_notation(second)
    assert index_notation(first) == index_notation(second)
    assert text(first) == text(second)
