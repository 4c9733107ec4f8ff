"""Equal products and sums are one node, however they were written; found in time, and forgotten."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawing import examples
from operations.networks import (
    LABELS,
    M,
    N,
    Network,
    Operand,
    leaves,
    networks,
    operands,
)
from operations.support import assert_close, evaluate
from wengert.assumptions import Assumption
from wengert.derive import derivative
from wengert.expr import _interned, interned_count, topological
from wengert.operations import (
    add,
    constant,
    contract,
    diag,
    elementwise,
    identity,
    inv,
    matmul,
    mul,
    norm2,
    ones,
    power,
    reshape,
    scale,
    sub,
    sum_,
    trace,
    transpose,
    variable,
    zeros,
)
from wengert.rewrite import display

VALUES, POOL = operands()
SYMBOLIC_VALUES, SYMBOLIC_POOL = operands(symbolic=True)
LEAVES = {k: o.expr for k, o in leaves()[1].items()}


def value(expr: Any) -> Any:
    return evaluate(expr, VALUES, lowered=False)


# ------------------------------------------------------------------ one node


# Which of two reshaped deltas is applied to the other is a matter of their order.
ORDERED = [o for o in POOL if not any(n.name == "reshape" for n in topological(o.expr))]


@given(networks(ORDERED), st.randoms(use_true_random=False))
@examples(500)
def test_order_and_names_do_not_matter(network: Network, random: Any) -> None:
    order = random.sample(range(len(network.operands)), len(network.operands))
    renaming = random.sample(range(30), LABELS)
    assert network.permuted(order, renaming).build() is network.build()


@given(st.lists(st.sampled_from([o for o in POOL if o.kinds == "nn"]), min_size=1, max_size=6),
       st.randoms(use_true_random=False))  # fmt: skip
@examples(200)
def test_order_and_association_of_sums_do_not_matter(terms: list[Operand], random: Any) -> None:
    coefficients = [Fraction(random.randint(-3, 3), random.randint(1, 3)) for _ in terms]
    node = add([t.expr for t in terms], coefficients)
    expected = sum((float(c) * t.array for t, c in zip(terms, coefficients, strict=True)))
    assert np.abs(value(node) - expected).max() < 1e-9
    order = random.sample(range(len(terms)), len(terms))
    assert add([terms[k].expr for k in order], [coefficients[k] for k in order]) is node
    total = zeros((N, N))
    for k in order:
        total = add([scale(coefficients[k], terms[k].expr), total])
    assert total is node
    assert scale(Fraction(2, 3), scale(Fraction(3, 2), node)) is node
    assert transpose(transpose(node)) is node
    assert sub(node, node) is zeros((N, N))


@given(networks(POOL), st.data())
@examples(200)
def test_coefficients_come_out(network: Network, data: st.DataObject) -> None:
    c = data.draw(st.fractions(-3, 3, max_denominator=4))
    scaled = Network(network.operands, network.labels, network.out, network.kinds,
                     network.coefficient * c)  # fmt: skip
    assert scale(c, network.build()) is scaled.build()


@given(networks(POOL))
@examples(200)
def test_building_again_changes_nothing(network: Network) -> None:
    """The constructor on a node's own parts gives the node."""
    for node in topological(network.build()):
        if node.name == "contract":
            labels, out, coefficient = node.params
            sizes = dict(zip(out, node.shape, strict=True))
            again = contract(node.operands, labels, out, sizes=sizes, coefficient=coefficient)
            assert again is node


def test_equal_products_written_differently_are_one_node() -> None:
    A, B, x, y, s = (LEAVES[k] for k in "ABxys")
    exp = elementwise("exp", x)
    pairs = [
        (transpose(matmul(A, B)), matmul(transpose(B), transpose(A))),
        (matmul(x, matmul(A, y)), matmul(matmul(y, transpose(A)), x)),
        (trace(matmul(A, A)), sum_(mul(A, transpose(A)))),
        (mul(x, y), mul(y, x)),
        (mul(s, mul(x, s)), mul(power(s, 2), x)),
        (mul(x, power(x, -1)), ones((N,))),
        (mul(exp, exp, elementwise("exp", scale(2, x))), elementwise("exp", scale(4, x))),
        (matmul(diag(x), y), mul(x, y)),
        (matmul(diag(x), A), contract([x, A], [(0,), (0, 1)], (0, 1))),
        (trace(identity(N)), constant(N)),
        (mul(norm2(x), norm2(x)), matmul(x, x)),
        (mul(norm2(x), power(matmul(x, x), -1)), power(norm2(x), -1)),
        (sum_(contract([x, A, y], [(0,), (1, 2), (2,)], (0, 1)), 1), mul(x, sum_(matmul(A, y)))),
        (transpose(elementwise("sin", transpose(A))), elementwise("sin", A)),
        (inv(transpose(A)), transpose(inv(A))),
        (inv(scale(2, A)), scale(Fraction(1, 2), inv(A))),
        (inv(inv(A)), A),
        (power(scale(2, A), 3), scale(8, power(A, 3))),
        (power(power(x, 2), 3), power(x, 6)),
        (power(transpose(A), 2), transpose(power(A, 2))),
        (scale(2, add([A, identity(N)])), add([identity(N), A], [2, 2])),
        (sub(x, y), scale(-1, sub(y, x))),
    ]
    for k, (left, right) in enumerate(pairs):
        assert left is right, f"pair {k}: {left} {right}"


# ------------------------------------------------------------------ speed and memory


def seconds(build: Callable[[], Any]) -> float:
    start = time.perf_counter()
    build()
    return time.perf_counter() - start


def test_large_products_are_canonical_in_time() -> None:
    """Powers of a sum as factors, a cycle of 32 equal matrices, 64 equal vectors."""
    A, x, s = LEAVES["A"], LEAVES["x"], sum_(LEAVES["x"])
    assert seconds(lambda: mul(*[s] * 256)) < 1.0
    assert_close(value(mul(*[s] * 16)), np.sum(VALUES["x"]) ** 16)
    labels = [(k, (k + 1) % 32) for k in range(32)]
    assert seconds(lambda: contract([A] * 32, labels, ())) < 2.0
    cycle = contract([A] * 32, labels, ())
    assert_close(value(cycle), np.trace(np.linalg.matrix_power(VALUES["A"], 32)))
    turned = [((k + 1) % 32, k) for k in range(32)][::-1]
    assert contract([transpose(A)] * 32, turned, ()) is cycle
    shifted = [((k * 5) % 32, (k * 5 + 5) % 32) for k in range(32)]
    assert contract([A] * 32, shifted, ()) is cycle
    assert seconds(lambda: sum_(power(matmul(A, x), 64))) < 1.0


def test_a_cycle_of_symmetric_matrices_is_canonical_in_time() -> None:
    S = LEAVES["S"]
    labels = [(k, (k + 1) % 16) for k in range(16)]
    flipped = [labels[k] if k % 3 else labels[k][::-1] for k in range(16)][::-1]
    assert seconds(lambda: contract([S] * 16, labels, ())) < 2.0
    assert contract([S] * 16, labels, ()) is contract([S] * 16, flipped, ())


def test_identical_twins_are_interchangeable() -> None:
    """Σᵢ (Σⱼ Aᵢⱼ)⁸ as one network: eight labels that can be exchanged, not 8! trials."""
    A = LEAVES["A"]

    def build() -> Any:
        return contract([A] * 8, [(0, k) for k in range(1, 9)], ())

    assert seconds(build) < 1.0
    assert_close(value(build()), np.sum(VALUES["A"].sum(axis=1) ** 8))


def test_identical_branches_are_interchangeable() -> None:
    """Σᵢ (Σⱼₖ Aᵢⱼ Sⱼₖ)⁷ as one network: seven branches of two labels each, not 7! trials."""
    A, S = LEAVES["A"], LEAVES["S"]
    labels = [pair for k in range(7) for pair in ((0, 2 * k + 1), (2 * k + 1, 2 * k + 2))]

    def build() -> Any:
        return contract([A, S] * 7, labels, ())

    assert seconds(build) < 1.0
    assert_close(value(build()), np.sum((VALUES["A"] @ VALUES["S"].sum(axis=1)) ** 7))


def test_interning_keeps_nothing_alive() -> None:
    def leaked() -> list[str]:
        for _ in range(4):  # a node and its transpose know each other: a cycle
            gc.collect()
        return [str(n.params[0]) for n in _interned.values() if n.name == "variable"]

    def work() -> None:
        x = variable("leak", (4,))
        A = variable("leak matrix", (4, 4))
        for k in range(50):
            node = matmul(A, mul(x, elementwise("sin", scale(k + 2, x))))
            node = add([transpose(inv(add([A, scale(k, identity(4))]))), diag(node)])
            assert transpose(node) is not node
            assert reshape(node, (16,)).shape == (16,)
            assert display(derivative(node, [x])).shape == (4, 4, 4)

    before = interned_count()
    work()
    assert not any("leak" in name for name in leaked())
    assert interned_count() <= before


def test_nodes_are_frozen() -> None:
    x = LEAVES["x"]
    with pytest.raises(AttributeError):
        x.shape = (7,)  # type: ignore[misc]
    with pytest.raises(TypeError):
        type(x)()


def test_diagonal_variables_are_their_diagonal() -> None:
    D = variable("D", (N, N), frozenset({Assumption.SYMMETRIC, Assumption.DIAGONAL}))
    d = np.diag([1.0, -2.0, 3.0])
    assert_close(evaluate(D, {"D": d}), d)
    assert transpose(D) is D
    assert_close(evaluate(inv(D), {"D": d}), np.linalg.inv(d))
    assert_close(evaluate(matmul(D, inv(D)), {"D": d}), np.eye(N))
    assert M == 2
