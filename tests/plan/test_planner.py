"""What plans cost: products in the right order, structure never densified before its time, shared
work once, buffers freed; and that plans say what they do."""

from __future__ import annotations

import itertools
import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import wengert as wg
from operations.support import MODES, assert_close, evaluate
from wengert.backends import compile_plan
from wengert.derive import derivative
from wengert.expr import Expr
from wengert.operations import (
    add,
    contract,
    diag,
    elementwise,
    identity,
    inv,
    matmul,
    mul,
    norm2,
    power,
    reshape,
    scale,
    softmax,
    sub,
    sum_,
    transpose,
    variable,
)
from wengert.plan import Instruction, Plan, make_plan
from wengert.plan.instructions import Apply, Combine, Fill, Input, Pair, Scale, Single
from wengert.rewrite import lower
from wengert.shapes import symbol


def plan_of(*roots: Expr, **sizes: int) -> Plan:
    return make_plan([lower(r) for r in roots], sizes)


def sums(plan: Plan) -> list[Pair]:
    """The products that sum over an index."""
    return [
        i
        for i in plan.instructions
        if isinstance(i, Pair) and (set(i.left_labels) | set(i.right_labels)) - set(i.out)
    ]


def intermediates(plan: Plan) -> list[Instruction]:
    return [
        i for i in plan.instructions if i.target not in plan.outputs and not isinstance(i, Input)
    ]


def largest_intermediate(plan: Plan) -> int:
    return max((i.size for i in intermediates(plan)), default=0)


# ------------------------------------------------------------------ least squares


@pytest.mark.parametrize("mode", MODES)
def test_the_hessian_of_least_squares_is_one_product(mode: str) -> None:
    m, n = 1000, 30
    X, w, y = variable("X", (m, n)), variable("w", (n,)), variable("y", (m,))
    r = sub(matmul(X, w), y)
    plan = plan_of(derivative(matmul(r, r), [w, w], mode))
    assert [i.flops for i in sums(plan)] == [2 * n * m * n]
    assert plan.flops <= 2 * n * m * n + 2 * n * n
    assert plan.largest == n * n


@pytest.mark.parametrize("mode", MODES)
def test_the_gradient_of_least_squares_costs_two_matrix_vector_products(mode: str) -> None:
    m, n = 1000, 30
    X, w, y = variable("X", (m, n)), variable("w", (n,)), variable("y", (m,))
    r = sub(matmul(X, w), y)
    plan = plan_of(derivative(matmul(r, r), [w], mode))
    assert plan.flops <= 4 * m * n + 10 * (m + n)
    assert plan.largest <= m


def test_symbolic_sizes_decide_at_evaluation() -> None:
    """ABC: (AB)C or A(BC), whichever is cheaper at the sizes given."""
    m, n, k = symbol("m"), symbol("n"), symbol("k")
    A, B, C = variable("A", (m, n)), variable("B", (n, k)), variable("C", (k, m))
    node = contract([A, B, C], [(0, 1), (1, 2), (2, 3)], (0, 3))
    for a, b, c in [(2, 50, 60), (60, 50, 2), (60, 2, 50), (5, 5, 5), (1, 70, 3)]:
        left = 2 * a * b * c + 2 * a * c * a
        right = 2 * b * c * a + 2 * a * b * a
        assert plan_of(node, m=a, n=b, k=c).flops == min(left, right)


# ------------------------------------------------------------------ structure


@pytest.mark.parametrize("mode", MODES)
def test_the_jacobian_of_a_gram_matrix_is_written_once(mode: str) -> None:
    """K = RᵀR: δ ⊗ R twice, added into the result through diagonal views."""
    m, n = 40, 20
    R = variable("R", (m, n))
    plan = plan_of(derivative(matmul(transpose(R), R), [R], mode))
    assert largest_intermediate(plan) <= m * n
    assert not any(isinstance(i, Pair | Fill) for i in plan.instructions)
    assert plan.flops <= 3 * n * n * m * n
    values = {"R": np.random.default_rng(0).standard_normal((m, n))}
    got = compile_plan(plan, np.dtype(float))(values)[0]
    r, eye = values["R"], np.eye(n)
    assert_close(got, np.einsum("jp,iq->pqij", eye, r) + np.einsum("jq,ip->pqij", eye, r))


@pytest.mark.parametrize("mode", MODES)
def test_the_hessian_of_a_factorisation_has_a_small_core(mode: str) -> None:
    """‖T − UVᵀ‖² in U: I ⊗ 2VᵀV, with a k×k core."""
    m, n, k = 60, 50, 4
    T, U, V = variable("T", (m, n)), variable("U", (m, k)), variable("V", (n, k))
    loss = power(norm2(sub(T, matmul(U, transpose(V)))), 2)
    hessian = derivative(loss, [U, U], mode)
    plan = plan_of(hessian)
    assert [i.shape for i in sums(plan)] == [(k, k)]
    assert largest_intermediate(plan) == k * k
    assert sum(i.flops for i in sums(plan)) == 2 * k * n * k
    rng = np.random.default_rng(0)
    values = {"T": rng.random((m, n)), "U": rng.random((m, k)), "V": rng.random((n, k))}
    expected = np.einsum("ij,ab->iajb", np.eye(m), 2 * values["V"].T @ values["V"])
    assert_close(evaluate(hessian, values), expected)


@pytest.mark.parametrize("mode", MODES)
def test_the_hessian_of_a_masked_factorisation_keeps_its_delta(mode: str) -> None:
    """‖W ⊙ (T − UVᵀ)‖² in U: one k×k block a row, never an array of (mk)² before the result."""
    m, n, k = 30, 20, 3
    W, T = variable("W", (m, n)), variable("T", (m, n))
    U, V = variable("U", (m, k)), variable("V", (n, k))
    loss = power(norm2(mul(W, sub(T, matmul(U, transpose(V))))), 2)
    plan = plan_of(derivative(loss, [U, U], mode))
    assert largest_intermediate(plan) <= m * n * k


@pytest.mark.parametrize("mode", MODES)
def test_jacobians_of_elementwise_functions_stay_diagonal(mode: str) -> None:
    n = 500
    x = variable("x", (n,))
    root = elementwise("tanh", elementwise("sin", mul(x, x)))
    plan = plan_of(derivative(root, [x], mode))
    assert largest_intermediate(plan) <= n
    hessian = plan_of(derivative(sum_(root), [x, x], mode))
    assert largest_intermediate(hessian) <= n


@pytest.mark.parametrize("mode", MODES)
def test_the_hessian_of_the_logistic_loss_is_one_weighted_product(mode: str) -> None:
    """XᵀDX with D diagonal: n²m, and no m×m matrix."""
    m, n = 400, 20
    X, w = variable("X", (m, n)), variable("w", (n,))
    loss = sum_(elementwise("softplus", matmul(X, w)))
    plan = plan_of(derivative(loss, [w, w], mode))
    assert plan.largest <= m * n
    assert plan.flops <= 2 * m * n * n + 10 * m * n


@pytest.mark.parametrize("mode", MODES)
def test_the_hessian_of_logsumexp_of_a_product_never_has_a_diagonal_matrix(mode: str) -> None:
    m, n = 300, 10
    A, x = variable("A", (m, n)), variable("x", (n,))
    from wengert.operations import logsumexp

    plan = plan_of(derivative(logsumexp(matmul(A, x)), [x, x], mode))
    assert plan.largest <= m * n
    assert plan.flops <= 2 * m * n * n + 20 * m * n


def test_jacobians_of_reshapes_never_densify() -> None:
    A = variable("A", (20, 30))
    x = variable("x", (600,))
    root = contract([reshape(A, (600,)), x], [(0,), (0,)], ())
    for mode in MODES:
        plan = plan_of(derivative(root, [A], mode))
        assert plan.largest <= 600
        assert plan.flops <= 600


# ------------------------------------------------------------------ chains


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_chains_cost_matrix_vector_products_only(mode: str) -> None:
    """‖A₁₉ ⋯ A₀ x‖² in x at n = 50: 40 products of 2n² each, 2·10⁵; never a matrix product."""
    n, layers = 50, 20
    x = variable("x", (n,))
    node = x
    for k in range(layers):
        node = matmul(variable(f"A{k}", (n, n)), node)
    gradient = derivative(power(norm2(node), 2), [x], mode)
    plan = plan_of(gradient)
    assert plan.flops <= 1.1 * 2 * layers * 2 * n * n
    assert plan.largest <= n
    rng = np.random.default_rng(0)
    values = {f"A{k}": rng.standard_normal((n, n)) / np.sqrt(n) for k in range(layers)}
    values["x"] = rng.standard_normal(n)
    product = np.linalg.multi_dot([values[f"A{k}"] for k in reversed(range(layers))])
    assert_close(evaluate(gradient, values), 2 * product.T @ (product @ values["x"]), 1e-10)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_gradients_of_layers_are_linear_in_their_number(mode: str) -> None:
    costs = []
    for layers in (5, 10, 20):
        n = 30
        x = variable("x", (n,))
        node = x
        for k in range(layers):
            node = elementwise("tanh", matmul(variable(f"A{k}", (n, n)), node))
        costs.append(plan_of(derivative(sum_(node), [x], "reverse")).flops)
        if mode == "forward":  # tangents of all inputs at once: matrix products, still linear
            costs[-1] = plan_of(derivative(node, [x], mode)).flops
    assert costs[1] < 2.5 * costs[0]
    assert costs[2] < 2.2 * costs[1]


def test_gradients_by_every_layer_share_the_forward_pass() -> None:
    """One plan for value and all gradients: about three times the cost of the value."""
    n, layers = 40, 8
    x = variable("x", (n,))
    weights = [variable(f"A{k}", (n, n)) for k in range(layers)]
    node = x
    for A in weights:
        node = elementwise("tanh", matmul(A, node))
    loss = sum_(power(node, 2))
    value = plan_of(loss)
    everything = plan_of(loss, *[derivative(loss, [A], "reverse") for A in weights])
    assert everything.flops <= 3.5 * value.flops
    assert (
        sum(isinstance(i, Apply) and i.node.name == "tanh" for i in everything.instructions)
        == layers
    )


def test_the_greedy_order_of_long_products_is_good() -> None:
    """Twelve matrices, then a vector: far beyond what dynamic programming is used for."""
    n = 30
    factors = [variable(f"B{k}", (n, n)) for k in range(14)]
    x = variable("x", (n,))
    labels = [(k, k + 1) for k in range(14)]
    node = contract([*factors, x], [*labels, (14,)], (0,))
    assert plan_of(node).flops <= 14 * 2 * n * n


def test_a_hadamard_product_with_a_product_is_no_bigger_than_its_factors() -> None:
    n = 60
    A, B, C = (variable(k, (n, n)) for k in "ABC")
    node = sum_(mul(A, matmul(B, C)))
    plan = plan_of(node)
    assert plan.largest <= n * n
    assert plan.flops <= 2 * n**3 + 3 * n * n


# ------------------------------------------------------------------ sharing and memory


def test_shared_nodes_are_computed_once() -> None:
    A, x = variable("A", (30, 30)), variable("x", (30,))
    h = elementwise("exp", matmul(A, x))
    S = matmul(A, transpose(A))
    root = add([matmul(h, h), sum_(mul(h, matmul(S, h))), sum_(elementwise("sin", S))])
    plan = plan_of(root, h)
    applied = [i.node for i in plan.instructions if isinstance(i, Apply)]
    assert len(applied) == len(set(applied))
    assert sum(i.shape == (30, 30) for i in sums(plan)) == 1
    assert len({i.target for i in plan.instructions}) == len(plan.instructions)


def test_inputs_are_read_once_and_roots_may_repeat() -> None:
    x = variable("x", (3,))
    plan = plan_of(x, x, mul(x, x))
    assert sum(isinstance(i, Input) for i in plan.instructions) == 1
    values = {"x": np.array([1.0, 2.0, 3.0])}
    one, two, square = compile_plan(plan, np.dtype(float))(values)
    assert_close(one, values["x"])
    assert_close(two, values["x"])
    assert_close(square, values["x"] ** 2)


def test_buffers_are_freed_as_soon_as_they_are_not_needed() -> None:
    """Forty steps on a large array keep two or three of them alive, not forty."""
    n = 200_000
    x = variable("x", (n,))
    node = x
    for k in range(40):
        node = elementwise("sin", add([node, scale(k + 1, x)]))
    program = compile_plan(plan_of(node), np.dtype(float))
    values = {"x": np.linspace(-1, 1, n)}
    program(values)
    tracemalloc.start()
    program(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 8 * n


def test_plans_keep_one_buffer_for_a_chain_and_nothing_else_between_calls() -> None:
    n = 100_000
    x = variable("x", (n,))
    program = compile_plan(
        plan_of(sum_(elementwise("exp", elementwise("sin", x)))), np.dtype(float)
    )
    values = {"x": np.zeros(n)}
    program(values)
    tracemalloc.start()
    program(values)
    first = tracemalloc.get_traced_memory()[0]
    for _ in range(3):
        program(values)
    kept = tracemalloc.get_traced_memory()[0]
    del program
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert first < 8 * n + 8 * n / 4
    assert kept - first < 8 * n / 100
    assert left < 8 * n / 4


def test_programs_do_not_change_their_inputs() -> None:
    rng = np.random.default_rng(0)
    A, x = variable("A", (4, 4)), variable("x", (4,))
    roots = [
        A, transpose(A), add([A, identity(4)]), add([scale(2, A), diag(x)]), matmul(A, x), inv(A),
        softmax(x),
        contract([x], [(0,)], (0, 0)), reshape(A, (16,)), add([A, diag(x), transpose(A)]),
        derivative(matmul(matmul(x, A), x), [x]), derivative(inv(A), [A]),
    ]  # fmt: skip
    values = {"A": rng.random((4, 4)), "x": rng.random(4)}
    before = {k: v.copy() for k, v in values.items()}
    program = compile_plan(plan_of(*roots), np.dtype(float))
    first = [np.array(r) for r in program(values)]
    second = program(values)
    for name, array in values.items():
        assert np.array_equal(array, before[name]), name
    for one, two in zip(first, second, strict=True):
        assert np.array_equal(one, two)


# ------------------------------------------------------------------ what plans say


def test_plans_print_their_costs() -> None:
    X, w = variable("X", (100, 5)), variable("w", (5,))
    plan = plan_of(derivative(power(norm2(matmul(X, w)), 2), [w, w]))
    text = str(plan)
    lines = text.splitlines()
    assert len(lines) == len(plan.instructions) + 1
    assert "5×5" in text
    assert "5,000 FLOPs" in text
    assert lines[-1].startswith(f"total {plan.flops:,} FLOPs")
    assert f"{8 * plan.largest:,} bytes" in lines[-1]
    assert "Pair" in text
    assert "scalar" in str(plan_of(sum_(w)))


def test_formulas_plan_at_their_arrays() -> None:
    f = wg.formula("norm2(X*w - y)^2")
    small = f.plan(X=np.zeros((4, 3)), w=np.zeros(3), y=np.zeros(4))
    large = f.plan(X=np.zeros((40, 30)), w=np.zeros(30), y=np.zeros(40))
    assert isinstance(small, Plan)
    assert 50 < large.flops / small.flops < 150


def test_flops_and_sizes_of_instructions() -> None:
    A, B, x = variable("A", (3, 4)), variable("B", (4, 5)), variable("x", (4,))
    (product,) = [i for i in plan_of(matmul(A, B)).instructions if isinstance(i, Pair)]
    assert (product.flops, product.size, product.shape) == (2 * 3 * 4 * 5, 15, (3, 5))
    (hadamard,) = [
        i for i in plan_of(mul(x, variable("y", (4,)))).instructions if isinstance(i, Pair)
    ]
    assert hadamard.flops == 4
    (total,) = [i for i in plan_of(sum_(A)).instructions if isinstance(i, Single)]
    assert (total.flops, total.shape) == (12, ())
    (turned,) = [i for i in plan_of(transpose(A)).instructions if isinstance(i, Single)]
    assert turned.flops == 0
    (scaled,) = [i for i in plan_of(scale(3, A)).instructions if isinstance(i, Scale)]
    assert scaled.flops == 12
    (added,) = [
        i for i in plan_of(add([A, variable("C", (3, 4))])).instructions if isinstance(i, Combine)
    ]
    assert added.flops == 36
    assert plan_of(A).flops == plan_of(A).largest == 0


def test_sources_come_before_targets() -> None:
    A, x = variable("A", (4, 4)), variable("x", (4,))
    root = derivative(softmax(matmul(A, mul(x, elementwise("tanh", matmul(A, x))))), [x])
    plan = plan_of(root)
    known: set[int] = set()
    for i in plan.instructions:
        assert set(i.sources) <= known
        known.add(i.target)
    assert set(plan.outputs) <= known
    assert len(known) <= plan.slots


# ------------------------------------------------------------------ limits


def test_long_chains_of_products_are_planned() -> None:
    """Beyond opt_einsum's letters and NumPy's 52 subscripts."""
    n = 3
    rng = np.random.default_rng(0)
    factors = [variable(f"B{k}", (n, n)) for k in range(70)]
    values = {f"B{k}": np.linalg.qr(rng.standard_normal((n, n)))[0] for k in range(70)}
    T = variable("T", (n, n, n))
    values["T"] = rng.standard_normal((n, n, n))
    labels = [(k, k + 1) for k in range(70)]
    chain = contract(factors, labels, (0, 70))
    product = np.linalg.multi_dot([values[f"B{k}"] for k in range(70)])
    assert_close(evaluate(chain, values), product, 1e-10)
    with_trace = contract([*factors, T], [*labels, (70, 71, 71)], (0,))
    expected = product @ np.einsum("abb->a", values["T"])
    assert_close(evaluate(with_trace, values), expected, 1e-10)
    head = contract(
        [T, *factors], [(200, 71, 71), *[(a + 80, b + 80) for a, b in labels]], (80, 150, 200)
    )
    assert_close(
        evaluate(head, values),
        np.einsum("ab,c->abc", product, np.einsum("abb->a", values["T"])),
        1e-10,
    )


def test_merged_chains_are_planned() -> None:
    """Sixty nested products, merged into one region by the planner."""
    n = 3
    rng = np.random.default_rng(0)
    node: Expr = variable("T", (n, n, n))
    node = contract([node], [(0, 1, 1)], (0,))
    values: dict[str, Any] = {"T": rng.standard_normal((n, n, n))}
    expected = np.einsum("abb->a", values["T"])
    for k in range(60):
        values[f"B{k}"] = np.linalg.qr(rng.standard_normal((n, n)))[0]
        node = matmul(variable(f"B{k}", (n, n)), node)
        expected = values[f"B{k}"] @ expected
    assert_close(evaluate(node, values), expected, 1e-10)


@pytest.mark.parametrize("sizes", list(itertools.product((0, 1, 3), repeat=2)), ids=str)
def test_empty_and_single_sizes(sizes: tuple[int, int]) -> None:
    m, n = sizes
    M, N = symbol("m"), symbol("n")
    X, w, y = variable("X", (M, N)), variable("w", (N,)), variable("y", (M,))
    r = sub(matmul(X, w), y)
    rng = np.random.default_rng(0)
    values = {"X": rng.random((m, n)), "w": rng.random(n), "y": rng.random(m)}
    bound = {"m": m, "n": n}
    x = values["X"]
    residual = x @ values["w"] - values["y"]
    loss = matmul(r, r)
    assert_close(evaluate(loss, values, sizes=bound), residual @ residual)
    for mode in MODES:
        gradient = derivative(loss, [w], mode)
        assert_close(evaluate(gradient, values, sizes=bound), 2 * residual @ x)
        assert_close(evaluate(derivative(gradient, [w], mode), values, sizes=bound), 2 * x.T @ x)
        by_matrix = derivative(loss, [X], mode)
        assert_close(evaluate(by_matrix, values, sizes=bound), 2 * np.outer(residual, values["w"]))


def test_coefficients_beyond_the_floats_are_infinite() -> None:
    """1e300 · 1e300 · x is ±inf as IEEE has it, not Python's OverflowError; tiny ones are 0."""
    x, y = variable("x", (2,)), variable("y", (2,))
    huge = Fraction(10) ** 600
    values = {"x": np.array([1.0, -2.0]), "y": np.ones(2)}
    infinite = np.array([np.inf, -np.inf])
    np.testing.assert_array_equal(evaluate(scale(huge, x), values), infinite)
    np.testing.assert_array_equal(evaluate(add([x, y], [huge, 1]), values), infinite)
    np.testing.assert_array_equal(evaluate(scale(huge, identity(1)), values), [[np.inf]])
    assert evaluate(add([diag(x), identity(2)], [1, -huge]), values)[0, 0] == -np.inf
    np.testing.assert_array_equal(evaluate(scale(1 / huge, x), values), [0.0, -0.0])
    assert float(wg.formula("1e300*1e300*a")(a=1.0)) == np.inf


def test_half_of_a_symmetric_product_is_computed() -> None:
    """XᵀDX of a logistic regression is one product, of which the lower half is computed."""
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(60, 300)), np.sign(rng.normal(size=60)), rng.normal(size=300)
    compiled = wg.compile(wg.hessian(lambda w: np.sum(np.log1p(np.exp(-y * (X @ w))))))
    plan = compiled.plan(w)
    large = [i for i in plan.instructions if i.flops > 60 * 300 * 10]
    assert len(large) == 1
    assert large[0].flops == 60 * 300 * 300
    p = 1 / (1 + np.exp(-y * (X @ w)))
    np.testing.assert_allclose(compiled(w), (X.T * (p * (1 - p))) @ X, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(compiled(w), compiled(w).T, rtol=1e-12, atol=1e-13)


def test_products_of_several_empty_arrays_have_an_order() -> None:
    """The exact search finds none in these, as no product costs anything."""
    for labels, out, sizes in (
        (((0, 1, 2), (3,), (1,)), (0,), {0: 1, 1: 3, 2: 0, 3: 3}),
        (((0, 3, 4), (2,), (0, 1, 2)), (0,), {0: 2, 1: 1, 2: 2, 3: 1, 4: 0}),
        (((), (0, 1), (2, 3, 4), (2, 3)), (0, 1), {0: 1, 1: 0, 2: 1, 3: 3, 4: 1}),
    ):
        shapes = [tuple(sizes[x] for x in own) for own in labels]
        leaves = [variable(f"x{k}", s) for k, s in enumerate(shapes)]
        values = {f"x{k}": np.ones(s) for k, s in enumerate(shapes)}
        found = evaluate(contract(leaves, labels, out), values)
        np.testing.assert_array_equal(found, np.zeros(tuple(sizes[x] for x in out)))


def spread(x: Expr, second: Expr, *, share: bool = False) -> tuple[Plan, Expr]:
    """Σₙ r (x W + second) by component, and its plan."""
    r, W = variable("r", (40,)), variable("W", (12, 12))
    total = add([matmul(x, W), second], [3, -1])
    found = contract([r, total], [(0,), (0, 1)], (1,), coefficient=2)
    return plan_of(*([found, total] if share else [found])), found


def test_sums_of_products_are_contracted_term_by_term() -> None:
    """(Σ r x) W is a product of a vector, Σ r (x W) one of a matrix; the factors are kept."""
    x, y = variable("x", (40, 12)), variable("y", (12,))
    plan, found = spread(x, scale(5, mul(x, contract([y], [(1,)], (0, 1), sizes={0: 40}))))
    assert max(i.flops for i in plan.instructions) <= 2 * 40 * 12
    rng = np.random.default_rng(0)
    values = {
        "x": rng.normal(size=(40, 12)), "y": rng.normal(size=12),
        "r": rng.normal(size=40), "W": rng.normal(size=(12, 12)),
    }  # fmt: skip
    expected = 2 * values["r"] @ (3 * values["x"] @ values["W"] - 5 * values["x"] * values["y"])
    assert_close(evaluate(found, values), expected)


def test_sums_of_given_numbers_and_sums_of_which_others_read_stay_sums() -> None:
    """What cancels in each difference is not left to cancel in the sums."""
    x = variable("x", (40, 12))
    for plan, _ in (spread(x, variable("z", (40, 12))), spread(x, mul(x, x), share=True)):
        assert any(isinstance(i, Combine) and i.shape == (40, 12) for i in plan.instructions)
    mean = variable("m", (12,))
    gaps = sub(x, contract([mean], [(1,)], (0, 1), sizes={0: 40}))
    plan = plan_of(contract([gaps], [(0, 1)], (1,)))
    assert any(isinstance(i, Combine) and i.shape == (40, 12) for i in plan.instructions)


def test_a_sum_and_its_transpose_are_computed_once() -> None:
    """S + N and (S + N)ᵀ = S + Nᵀ: the second one is a view, and they share a factorisation."""
    X, N = variable("X", (6, 6)), variable("N", (6, 6))
    total = add([elementwise("exp", matmul(X, transpose(X))), N])
    plan = plan_of(inv(total), inv(transpose(total)))
    assert sum(isinstance(i, Combine) for i in plan.instructions) == 1
    rng = np.random.default_rng(0)
    values = {"X": rng.normal(size=(6, 6)), "N": rng.normal(size=(6, 6))}
    K = np.exp(values["X"] @ values["X"].T) + values["N"]
    plan = plan_of(total, elementwise("tanh", transpose(total)))
    assert_close(evaluate(total, values), K)
    found = compile_plan(plan, np.dtype(np.float64))(values)
    assert_close(found[1], np.tanh(K.T))
