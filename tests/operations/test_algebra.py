"""The contraction and the sum: every network equals what einsum makes of it, whatever the
constructor did on the way."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.oracle import richardson_jacobian
from drawing import examples
from operations.networks import (
    SIZES,
    N,
    Network,
    Operand,
    leaves,
    nested,
    networks,
    operands,
)
from operations.support import MODES, assert_close, evaluate, function_of
from wengert.derive import derivative
from wengert.errors import ShapeError
from wengert.expr import topological
from wengert.operations import (
    add,
    apply,
    broadcast,
    constant,
    contract,
    diag,
    einsum,
    elementwise,
    identity,
    inv,
    kron,
    matmul,
    matpow,
    mul,
    norm2,
    ones,
    power,
    reshape,
    scale,
    size,
    sub,
    sum_,
    trace,
    transpose,
    variable,
    vec,
    zeros,
)
from wengert.operations.algebra import (
    is_symmetric,
)
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import (
    Coefficients,
    is_positive,
    is_zero,
)
from wengert.primitive import registry
from wengert.shapes import symbol

VALUES, POOL = operands()
SYMBOLIC_VALUES, SYMBOLIC_POOL = operands(symbolic=True)
LEAVES = {k: o.expr for k, o in leaves()[1].items()}


def value(expr: Any) -> Any:
    return evaluate(expr, VALUES, lowered=False)


# ------------------------------------------------------------------ value


@given(networks(POOL))
@examples(600)
def test_a_network_equals_its_einsum(network: Network) -> None:
    node = network.build()
    assert node.shape == network.expected.shape
    network.check(value(node))


@given(networks(POOL))
@examples(300)
def test_a_deep_network_equals_its_einsum(network: Network) -> None:
    network.check(value(network.build(deep=True)))


@given(nested(POOL))
@examples(600)
def test_nested_networks_keep_their_value(operand: Operand) -> None:
    if not (np.isfinite(operand.array).all() and np.abs(operand.array).max(initial=0) < 1e100):
        return
    assert operand.expr.shape == operand.array.shape
    assert_close(value(operand.expr), operand.array, 1e-7)


@given(nested(POOL), nested(POOL), st.data())
@examples(300)
def test_flattening_nested_networks_keeps_their_value(
    first: Operand, second: Operand, data: st.DataObject
) -> None:
    network = data.draw(networks([first, second, first, *POOL[:6]], most=3))
    expected = network.expected
    if not (np.isfinite(expected).all() and np.abs(expected).max(initial=0) < 1e100):
        return
    assert_close(value(network.build(deep=True)), expected, 1e-7)
    node = network.build()
    for part in topological(node):
        if part.name == "contract":
            assert_close(value(with_operands(part, part.operands, deep=True)), value(part), 1e-7)


def test_sizes_of_ones_are_not_given_to_inner_labels() -> None:
    """Multiplied out and flat: Σ 1ᵤ (sI + ΣA I)ᵢⱼ, where u counts two entries and i three."""
    A, s = LEAVES["A"], LEAVES["s"]
    spread = [contract([x], [labels], (0, 0), sizes={0: 3}) for x, labels in ((A, (1, 2)), (s, ()))]
    total = contract([ones((2,)), add(spread, [1, 1])], [(5,), (0, 4)], (), deep=True)
    assert_close(value(total), 6 * (VALUES["A"].sum() + VALUES["s"]), 1e-14)


@given(networks(SYMBOLIC_POOL))
@examples(300)
def test_symbolic_sizes_are_bound_at_evaluation(network: Network) -> None:
    node = network.build(symbolic=True)
    got = evaluate(node, SYMBOLIC_VALUES, sizes=SIZES, lowered=False)
    network.check(got)


@given(networks(POOL, most=3), networks(POOL, most=3), st.data())
@examples(200)
def test_a_sum_of_networks(first: Network, second: Network, data: st.DataObject) -> None:
    """Sums of contractions, with the same shape by construction, in any scaling."""
    second = Network(second.operands, second.labels, first.out, first.kinds, second.coefficient)
    c, d = (data.draw(st.fractions(-3, 3, max_denominator=4)) for _ in range(2))
    total = add([first.build(), second.build(), first.build()], [c, d, 1])
    expected = float(c + 1) * first.expected + float(d) * second.expected
    assert total.shape == expected.shape
    assert np.abs(value(total) - expected).max(initial=0) <= 1e-9 * max(
        np.abs(first.expected).max(initial=1.0), np.abs(second.expected).max(initial=1.0)
    )


# ------------------------------------------------------------------ cancellation


def test_inverses_cancel() -> None:
    A, B, S, x = (LEAVES[k] for k in "ABSx")
    eye = identity(N)
    assert matmul(A, inv(A)) is eye
    assert matmul(inv(A), A) is eye
    assert matmul(transpose(A), inv(transpose(A))) is eye
    assert matmul(S, inv(S)) is eye
    assert matmul(transpose(inv(A)), transpose(A)) is eye
    assert matmul(matmul(A, B), transpose(matmul(A, B))) is not eye
    assert matmul(matmul(inv(A), A), x) is x
    assert contract([inv(A), A, x], [(0, 1), (1, 2), (2,)], (0,)) is x
    assert trace(matmul(A, inv(A))) is constant(N)
    assert contract([inv(A), A], [(0, 1), (0, 1)], ()) is not constant(N)
    gram = matmul(transpose(A), A)
    assert matmul(inv(gram), gram) is eye
    assert contract([inv(gram), A, A], [(0, 1), (2, 1), (2, 3)], (0, 3), deep=True).shape == (N, N)


def test_inverses_that_are_not_multiplied_do_not_cancel() -> None:
    """A ⊙ A⁻¹, Σⱼ Aᵢⱼ (A⁻¹)ₖⱼ, and a label that is also an output."""
    A = LEAVES["A"]
    a = VALUES["A"]
    b = np.linalg.inv(a)
    for labels, out in [
        ([(0, 1), (0, 1)], (0, 1)),
        ([(0, 1), (2, 1)], (0, 2)),
        ([(0, 1), (1, 2)], (0, 1, 2)),
        ([(0, 1), (1, 2)], (1,)),
        ([(0, 1), (1, 1)], (0,)),
        ([(0, 0), (0, 1)], (0, 1)),
    ]:
        node = contract([A, inv(A)], labels, out)
        assert_close(value(node), dense_pair(a, b, labels, out))
    x = LEAVES["x"]
    node = contract([A, inv(A), x], [(0, 1), (1, 2), (1,)], (0, 2))
    assert_close(value(node), a @ np.diag(VALUES["x"]) @ b)


def dense_pair(a: Any, b: Any, labels: Any, out: Any) -> Any:
    return np.einsum(a, list(labels[0]), b, list(labels[1]), list(out))


def test_orthogonal_matrices_cancel_with_their_transpose_only() -> None:
    Q, A = LEAVES["Q"], LEAVES["A"]
    q = VALUES["Q"]
    assert matmul(transpose(Q), Q) is identity(N)
    assert matmul(Q, transpose(Q)) is identity(N)
    assert matmul(matmul(transpose(Q), Q), A) is A
    assert inv(Q) is transpose(Q)
    assert sum_(mul(Q, Q)) is not constant(N) or np.isclose(np.sum(q * q), N)
    assert_close(value(sum_(power(Q, 2))), np.sum(q * q))
    assert_close(value(matmul(Q, Q)), q @ q)
    assert_close(value(matmul(matmul(Q, Q), transpose(Q))), q)
    assert_close(value(mul(Q, Q)), q * q)
    assert_close(value(matmul(Q, matmul(A, transpose(Q)))), q @ VALUES["A"] @ q.T)


def test_powers_merge() -> None:
    x, s, p, A = (LEAVES[k] for k in "xspA")
    half = Fraction(1, 2)
    assert mul(x, x, x) is power(x, 3)
    assert mul(power(p, half), power(p, half)) is p
    assert mul(power(p, -half), p) is power(p, half)
    assert power(power(p, 2), half) is p
    assert power(power(x, 2), half) is not x
    assert_close(value(power(power(x, 2), half)), np.abs(VALUES["x"]))
    assert power(constant(4), half) is constant(2)
    assert power(constant(Fraction(4, 9)), Fraction(-3, 2)) is constant(Fraction(27, 8))
    assert power(A, 0) is ones((N, N))
    assert_close(float(value(power(constant(2), half))), np.sqrt(2.0))
    for e, f in itertools.product((-2, -1, half, 1, 3), repeat=2):
        merged = mul(power(p, e), power(p, f))
        assert merged is power(p, Fraction(e) + f)
        assert_close(value(merged), VALUES["p"] ** float(Fraction(e) + f))
    assert mul(s, x, power(s, -1)) is x


@pytest.mark.parametrize(
    "exponent", [2, 3, -1, -2, Fraction(1, 2), Fraction(-1, 2), Fraction(5, 3)]
)
def test_powers_of_every_operand(exponent: int | Fraction) -> None:
    """power distributes over products and lets patterns out only where that is right."""
    for operand in POOL:
        with np.errstate(all="ignore"):
            expected = np.asarray(operand.array, dtype=float) ** float(exponent)
        got = value(power(operand.expr, exponent))
        expected, got = (np.where(np.isinf(e), np.inf, e) for e in (expected, got))
        np.testing.assert_allclose(got, expected, rtol=1e-9, err_msg=repr(operand.expr))


def test_only_norms_have_safe_powers() -> None:
    """Exponentials with negative arguments gather as powers, but are no subgradients."""
    x, y = LEAVES["x"], LEAVES["y"]
    decay = elementwise("exp", scale(-1, y))
    far = {"x": np.ones(N), "y": np.array([-800.0, 800.0, 0.0])}
    for node in (
        mul(x, decay),
        mul(x, x, decay),
        mul(x, x, decay, decay),
        mul(decay, elementwise("exp", scale(-2, y))),
    ):
        assert "safepower" not in {n.name for n in topological(node)}
        assert_close(value(node), evaluate_by_hand(node))
        got = evaluate(node, far)
        assert np.isposinf(got[0])
        assert got[1] == 0.0
    merged = mul(x, x, power(norm2(x), -2), power(norm2(y), -1), norm2(x))
    assert "safepower" not in {n.name for n in topological(merged)}


def evaluate_by_hand(node: Any) -> Any:
    """The product's factors evaluated one by one."""
    assert all(axes == (0,) for axes in node.params[0]) if node.name == "contract" else True
    parts = node.operands if node.name == "contract" else (node,)
    return np.prod([evaluate(p, VALUES, lowered=False) for p in parts], axis=0)


def test_matrix_powers() -> None:
    A, a = LEAVES["A"], VALUES["A"]
    for k in range(7):
        assert_close(value(matpow(A, k)), np.linalg.matrix_power(a, k))
        assert_close(value(matpow(A, -k)), np.linalg.matrix_power(a, -k))


# ------------------------------------------------------------------ sizes, zeros, errors


def test_lost_indices_count_once() -> None:
    """A sum over an index that nothing depends on multiplies by its size, once."""
    A, B, x = LEAVES["A"], LEAVES["S"], LEAVES["x"]
    a, b = VALUES["A"], VALUES["S"]
    product = matmul(A, B)
    wide = broadcast(product, (5, N, N))
    assert_close(value(contract([wide], [(0, 1, 1)], ())), 5 * np.trace(a @ b))
    assert_close(value(contract([wide], [(0, 1, 2)], (1, 2))), 5 * (a @ b))
    assert_close(value(contract([wide], [(0, 1, 1)], (1,))), 5 * np.diag(a @ b))
    node = contract([product, x, power(x, -1)], [(0, 0), (1,), (1,)], (0,))
    assert_close(value(node), N * np.diag(a @ b))
    node = contract([product, A, inv(A)], [(0, 0), (1, 2), (2, 1)], (0,))
    assert_close(value(node), N * np.diag(a @ b))


def test_traces_of_the_identity_are_sizes() -> None:
    n = symbol("n")
    eye = identity(n)
    assert trace(eye) is size(n)
    assert float(evaluate(trace(eye), {}, sizes={"n": 7})) == 7.0
    assert sum_(ones((n, symbol("m")))) is mul(size(n), size(symbol("m")))
    assert contract([eye, eye], [(0, 1), (1, 0)], ()) is size(n)
    assert float(evaluate(size(n * n + 1), {}, sizes={"n": 3})) == 10.0
    x = variable("x", (n,))
    node = contract([x, power(x, -1)], [(0,), (0,)], ())
    assert float(evaluate(node, {"x": np.arange(1.0, 5.0)}, sizes={"n": 4})) == 4.0


def test_coefficient_zero() -> None:
    A, x = LEAVES["A"], LEAVES["x"]
    assert contract([A, x], [(0, 1), (1,)], (0,), coefficient=0) is zeros((N,))
    assert contract([A, zeros((N,))], [(0, 1), (1,)], (0,)) is zeros((N,))
    assert scale(0, A) is zeros((N, N))
    assert matmul(zeros((N, N)), A) is zeros((N, N))
    assert is_zero(add([A, A], [1, -1]))
    assert add([A, A], [1, -1]) is zeros((N, N))
    assert add([zeros((N,)), x]) is x
    assert power(zeros((N,)), 2) is zeros((N,))
    assert_close(value(contract([A], [(0, 1)], (0, 0, 1), coefficient=0)), np.zeros((N, N, N)))
    assert np.isposinf(value(power(zeros((N,)), -1))).all()


def test_sizes_that_clash_are_errors() -> None:
    A, x, z = LEAVES["B"], LEAVES["x"], LEAVES["z"]
    with pytest.raises(ShapeError, match=r"3.*2|2.*3"):
        contract([x, z], [(0,), (0,)], ())
    with pytest.raises(ShapeError):
        contract([A], [(0, 0)], ())
    with pytest.raises(ShapeError):
        matmul(A, x)
    with pytest.raises(ShapeError):
        contract([A], [(0,)], (0,))
    with pytest.raises(ShapeError):
        add([x, A])
    with pytest.raises(ShapeError):
        einsum("ij,jk->ik", A, A)
    with pytest.raises(ShapeError):
        einsum("ij->i", x)
    with pytest.raises(ShapeError):
        contract([x], [(0,)], (0,), sizes={0: 7})


def test_sums_and_entrywise_operations_of_different_sizes_are_errors() -> None:
    """(3,) + (2,) and (3,) + (1,): NumPy's broadcasting would make a wrong answer of the second."""
    x, z, one = LEAVES["x"], LEAVES["z"], variable("one", (1,))
    for other in (z, one):
        with pytest.raises(ShapeError):
            add([x, other])
        for name in ("maximum", "xlogy", "pow"):
            with pytest.raises(ShapeError):
                elementwise(name, x, other)


def test_operand_counts_are_checked() -> None:
    with pytest.raises(ShapeError, match="sin takes 1"):
        apply(registry["sin"], LEAVES["x"], LEAVES["y"])


def test_scalars_times_reshaped_patterns() -> None:
    """a vec(I), a (I ⊗ A): the scalar stays outside of the reshape, once."""
    A, x, s = LEAVES["A"], LEAVES["x"], LEAVES["s"]
    a, xx, ss = (VALUES[k] for k in "Axs")
    eye = np.eye(N)
    pairs = [
        (mul(s, vec(identity(N))), ss * eye.ravel()),
        (mul(s, reshape(diag(x), (N * N,))), ss * np.diag(xx).ravel()),
        (reshape(mul(s, diag(x)), (N * N,)), ss * np.diag(xx).ravel()),
        (mul(s, kron(identity(N), A)), ss * np.kron(eye, a)),
        (mul(s, kron(diag(x), A)), ss * np.kron(np.diag(xx), a)),
        (mul(s, elementwise("exp", s), vec(identity(N))), ss * np.exp(ss) * eye.ravel()),
        (mul(s, sum_(x), kron(A, identity(2))), ss * xx.sum() * np.kron(a, np.eye(2))),
        (
            contract([s, x, vec(identity(N))], [(), (0,), (1,)], (0, 1)),
            ss * np.outer(xx, eye.ravel()),
        ),
        (mul(s, matmul(kron(identity(N), A), vec(A))), ss * np.kron(eye, a) @ a.T.ravel()),
        (scale(2, vec(mul(s, identity(N)))), 2 * ss * eye.ravel()),
    ]
    for node, expected in pairs:
        assert_close(value(node), expected)
        for mode in MODES:
            assert_close(value(derivative(node, [s], mode)), jacobian_of(node, s), 1e-6)


def jacobian_of(node: Any, leaf: Any) -> Any:
    function = function_of(node, VALUES, leaf.params[0])
    return richardson_jacobian(function, VALUES[leaf.params[0]])


# ------------------------------------------------------------------ facts


def test_positive_is_never_said_of_a_pattern_with_zeros() -> None:
    x = LEAVES["x"]
    exp = elementwise("exp", x)
    assert is_positive(exp)
    assert is_positive(broadcast(exp, (2, N)))
    assert not is_positive(diag(exp))
    assert not is_positive(identity(N))
    assert not is_positive(scale(-1, exp))
    assert not is_positive(zeros((N,)))
    assert_close(value(elementwise("sign", diag(exp))), np.eye(N))
    assert_close(value(elementwise("sign", identity(N))), np.eye(N))
    assert_close(value(elementwise("abs", diag(exp))), np.diag(np.exp(VALUES["x"])))


@given(networks(POOL, rank=2))
@examples(300)
def test_what_is_said_of_a_network_is_true(network: Network) -> None:
    node, expected = network.build(), network.expected
    if is_symmetric(node):
        assert_close(expected, expected.T)
    if is_positive(node):
        assert expected.min(initial=1.0) > 0
    if is_zero(node):
        assert not expected.any()


def test_symmetry_is_found() -> None:
    A, B, S, x, Q = (LEAVES[k] for k in "ABSxQ")
    symmetric = [
        S, inv(S), matmul(transpose(A), A), matmul(B, transpose(B)), add([A, transpose(A)]),
        contract([A, S, A], [(1, 0), (1, 2), (2, 3)], (0, 3)),
        contract([x, x], [(0,), (1,)], (0, 1)),
        identity(N),
        diag(x), elementwise("exp", S), power(S, 2), matmul(S, S), matmul(A, transpose(A)),
        inv(matmul(transpose(A), A)),
    ]  # fmt: skip
    for node in symmetric:
        assert is_symmetric(node), node
        assert transpose(node) is node
    for node in (A, Q, sub(A, transpose(A)), matmul(A, S), matmul(S, inv(A)), matmul(A, A)):
        assert not is_symmetric(node), node
    assert mul(S, transpose(S)) is power(S, 2)
    left = contract([x, S, LEAVES["y"]], [(0,), (0, 1), (1,)], ())
    assert left is contract([x, S, LEAVES["y"]], [(0,), (1, 0), (1,)], ())


def test_a_reshaped_multiple_of_a_scalar_keeps_the_scalar() -> None:
    t, x = variable("t", ()), variable("x", (2,))
    for scalar, value in ((scale(-1, t), -3.0), (scale(2, t), 6.0), (power(scale(2, t), 2), 36.0),
                          (contract([t, x], [(), (0,)], (), coefficient=5), 75.0)):  # fmt: skip
        found = evaluate(reshape(scalar, (1, 1)), {"t": 3.0, "x": np.array([1.0, 4.0])})
        np.testing.assert_allclose(found, [[value]])


FRACTIONS = st.fractions(-50, 50, max_denominator=50).filter(bool)


@given(st.lists(FRACTIONS, min_size=1, max_size=5), FRACTIONS)
def test_coefficients_are_tuples_of_fractions_that_are_compared_as_integers(
    numbers: list[Fraction], factor: Fraction
) -> None:
    found, again = Coefficients(numbers), Coefficients([n * factor / factor for n in numbers])
    other = Coefficients([*numbers[:-1], numbers[-1] + factor])
    assert found == again
    assert hash(found) == hash(again)
    assert found != other
    assert not found == other  # noqa: SIM201 - Python asks two methods
    assert repr(found) == repr(tuple(numbers))  # the digests of nodes are made of it
    assert found.scaled(factor) == tuple(n * factor for n in numbers)
    coprime = found.scaled(1 / found.content)
    assert all(n.denominator == 1 for n in coprime)
    assert math.gcd(*map(int, coprime)) == 1
    assert coprime[0] > 0
