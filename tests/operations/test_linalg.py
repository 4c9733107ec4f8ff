"""Linear systems, factorisations, matrix functions and norms: what holds between them, batches,
ties, singular matrices, and that derivatives keep their structure."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np
import pytest
import scipy.linalg

from corpus.oracle import richardson_jacobian, symmetric_part
from operations.support import MODES, assert_close, check_derivatives_of, evaluate
from wengert.derive import derivative
from wengert.errors import DomainError, ShapeError, SingularMatrixError
from wengert.expr import Expr, topological
from wengert.operations import (
    apply,
    block_diag,
    cholesky,
    contract,
    diag,
    eigh,
    eigvalsh,
    expm,
    inv,
    logdet,
    logm,
    lstsq,
    matmul,
    matrix_norm,
    matrix_power,
    mul,
    pinv,
    power,
    qr,
    slogdet,
    solve,
    solve_sylvester,
    sqrtm,
    sum_,
    svd,
    svdvals,
    transpose,
    tril,
    triu,
    variable,
    vector_norm,
)
from wengert.operations.matrix_functions import EXPM
from wengert.operations.matrix_parts import product, swapped
from wengert.operations.solving import SOLVE
from wengert.operations.sylvester import SYLVESTER
from wengert.primitive import Primitive, registry
from wengert.shapes import symbol

RNG = np.random.default_rng(3)
START = RNG.bit_generator.state
KINDS = ("general", "lower", "upper", "unit lower", "unit upper", "positive")


@pytest.fixture(autouse=True)
def _same_numbers_for_every_order_of_tests() -> None:
    RNG.bit_generator.state = START


def well_conditioned(*shape: int) -> Any:
    n = shape[-1]
    return RNG.uniform(-1, 1, shape) + 2.0 * n * np.eye(n)


def definite(*shape: int) -> Any:
    x = RNG.uniform(-1, 1, shape)
    return x @ np.swapaxes(x, -1, -2) + np.diag(np.arange(1.0, shape[-1] + 1))


def read(kind: str, a: Any) -> Any:
    unit = np.eye(a.shape[-1])
    return {
        "general": a,
        "lower": np.tril(a),
        "upper": np.triu(a),
        "unit lower": np.tril(a, -1) + unit,
        "unit upper": np.triu(a, 1) + unit,
        "positive": np.tril(a) + np.swapaxes(np.tril(a, -1), -1, -2),
    }[kind]


# ------------------------------------------------------------------ linear systems


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("of_a", "of_b"),
    [((3, 3), (3,)), ((3, 3), (3, 2)), ((3, 3), (4, 3, 2)), ((2, 3, 3), (2, 3, 1)),
     ((2, 3, 3), (5, 2, 3, 2)), ((2, 3, 3), (3, 2)), ((2, 3, 3), (3,))],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_solve(kind: str, turned: bool, of_a: Any, of_b: Any, dtype: Any) -> None:
    a, b = definite(*of_a) + (0 if kind == "positive" else np.triu(np.ones((3, 3)))), RNG.normal(
        size=of_b
    )  # fmt: skip
    node = solve(variable("a", of_a), variable("b", of_b), kind, turned=turned)
    matrix = read(kind, a)
    matrix = np.swapaxes(matrix, -1, -2) if turned else matrix
    right = b[..., None] if b.ndim == 1 else b
    expected = np.linalg.solve(matrix, np.broadcast_to(right, np.broadcast_shapes(
        right.shape, (*matrix.shape[:-1], right.shape[-1]))))  # fmt: skip
    expected = expected[..., 0] if b.ndim == 1 else expected
    got = evaluate(node, {"a": a, "b": b}, dtype)
    assert got.dtype == dtype
    assert_close(got, expected, 1e-12 if dtype == np.float64 else 1e-5)


def test_derivatives_of_positive_definite_systems() -> None:
    a, b = variable("a", (2, 2)), variable("b", (2,))
    values = {"a": definite(2, 2), "b": np.array([1.0, -0.5])}
    check_derivatives_of(solve(a, b, "positive"), a, values, 2, projection=symmetric_part)
    check_derivatives_of(solve(a, b, "positive"), b, values, 2)


def test_derivatives_through_systems() -> None:
    """Of a formula around solve, matrices on both sides, by a matrix that both sides hold."""
    a, b = variable("a", (2, 2)), variable("b", (2, 3))
    x = solve(matmul(a, a), matmul(a, b))
    values = {"a": well_conditioned(2, 2) / 2, "b": RNG.normal(size=(2, 3))}
    check_derivatives_of(x, a, values, 2)
    check_derivatives_of(sum_(power(x, 3)), a, values, 3)
    assert_close(evaluate(x, values), np.linalg.solve(values["a"], values["b"]), 1e-12)


def systems_in(root: Expr) -> list[Expr]:
    return [node for node in topological(root) if node.primitive is SOLVE]


def test_deltas_stay_outside_of_systems() -> None:
    """A Jacobian needs A⁻¹, or as many systems as it has columns, never n² of them."""
    n = 40
    a, b = variable("a", (n, n)), variable("b", (n,))
    for kind in ("general", "lower"):
        x = solve(a, b, kind)
        for leaf, mode in itertools.product((a, b), MODES):
            root = derivative(x, [leaf], mode)
            assert all(node.ndim <= 2 for node in systems_in(root))
    by_b = derivative(solve(a, b), [b])
    assert by_b is inv(a)
    v = variable("v", (n,))
    assert solve(diag(v), b) is mul(b, power(v, -1))
    (system,) = systems_in(solve(a, contract([b, v], [(0,), (1,)], (0, 1))))
    assert system.shape == (n,)


@pytest.mark.parametrize(
    "build",
    [cholesky, eigvalsh, lambda x: eigh(x)[1], *(lambda x, k=k: qr(x)[k] for k in (0, 1)),
     *(lambda x, k=k: svd(x)[k] for k in range(3))],
)  # fmt: skip
def test_derivatives_of_batches_of_factors(build: Any) -> None:
    x, a = variable("a", (2, 2, 2)), definite(2, 2, 2)
    moves = lambda d: (d + np.swapaxes(d, -1, -2)) / 2  # noqa: E731
    symmetric = build(x).name in ("cholesky", "eigvalsh", "eigenvectors")
    check_derivatives_of(build(x), x, {"a": a}, 1, projection=moves if symmetric else None)


@pytest.mark.parametrize("kind", ["general", "lower", "upper"])
def test_singular_systems_are_errors(kind: str) -> None:
    node = solve(variable("a", (2, 2)), variable("b", (2,)), kind)
    with pytest.raises(SingularMatrixError, match="singular"):
        evaluate(node, {"a": np.array([[1.0, 0.0], [0.0, 0.0]]), "b": np.ones(2)})


def test_singular_within_rounding_is_an_error() -> None:
    a = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]])
    for lead, matrix in (((), a), ((2,), np.array([np.eye(3), a]))):
        node = solve(variable("a", (*lead, 3, 3)), variable("b", (*lead, 3, 1)))
        with pytest.raises(SingularMatrixError):
            evaluate(node, {"a": matrix, "b": matrix @ np.ones((3, 1))})
    units = np.diag([1e-12, 1.0, 1e12]) @ well_conditioned(3, 3) @ np.diag([1e9, 1.0, 1e-9])
    x = np.array([1e-9, 1.0, 1e9])
    node = solve(variable("a", (3, 3)), variable("b", (3,)))
    got = evaluate(node, {"a": units, "b": units @ x})
    np.testing.assert_allclose(got, x, rtol=1e-9)


def test_what_is_not_positive_definite_is_an_error() -> None:
    a = np.array([[1.0, 2.0], [2.0, 1.0]])
    for node in (cholesky(variable("a", (2, 2))), solve(variable("a", (2, 2)), variable("b", (2,)),
                                                        "positive")):  # fmt: skip
        with pytest.raises(DomainError, match="least eigenvalue is -1"):
            evaluate(node, {"a": a, "b": np.ones(2)})


def test_shapes_that_do_not_fit_are_errors() -> None:
    a, wide, b = variable("a", (2, 2)), variable("w", (2, 3)), variable("b", (3,))
    for build in (
        lambda: solve(wide, b),
        lambda: solve(a, b),
        lambda: solve(a, b, "diagonal"),
        lambda: cholesky(wide),
        lambda: eigvalsh(wide),
        lambda: expm(wide),
        lambda: svdvals(variable("s", (symbol("m"), symbol("n")))),
        lambda: qr(b),
        lambda: solve_sylvester(a, a, wide),
        lambda: apply(EXPM, a, wide),
        lambda: tril(b),
        block_diag,
        lambda: block_diag(a, b),
        lambda: vector_norm(variable("t", ())),
        lambda: matrix_norm(b),
    ):
        with pytest.raises(ShapeError):
            build()
    with pytest.raises(ValueError, match="no matrix norm"):
        matrix_norm(a, 3)


@pytest.mark.parametrize("marked", [m for m in itertools.product((0, 1), repeat=2) if any(m)])
@pytest.mark.parametrize("primitive", [SOLVE, EXPM])
def test_batch_rules(primitive: Primitive, marked: tuple[int, int]) -> None:
    """One more leading axis on some operands is one call after another."""
    batches: list[tuple[int, ...]] = [(), (2,)]
    for lead, extra in itertools.product(batches, batches):
        of_b = (*extra, *lead, 3) if primitive is SOLVE else (*extra, *lead, 3, 3)
        shapes = [(*lead, 3, 3), of_b]
        _check_batch_rule(primitive, shapes, marked)


@pytest.mark.parametrize("marked", [m for m in itertools.product((0, 1), repeat=3) if any(m)])
def test_batch_rule_of_sylvester(marked: tuple[int, ...]) -> None:
    for lead, extra in itertools.product([(), (2,)], repeat=2):
        _check_batch_rule(SYLVESTER, [(*lead, 3, 3), (*lead, 2, 2), (*extra, *lead, 3, 2)], marked)


def _check_batch_rule(primitive: Primitive, shapes: Any, marked: tuple[int, ...]) -> None:
    params = {"kind": "general"} if primitive is SOLVE else {}
    drawn = [
        RNG.uniform(-1, 1, (4,) * m + s) / 4 + (np.eye(s[-1]) if s[-2:] == (s[-1],) * 2 else 0)
        for s, m in zip(shapes, marked, strict=True)
    ]
    plain = [variable(f"x{k}", s) for k, s in enumerate(shapes)]
    wide = [variable(f"x{k}", d.shape) for k, d in enumerate(drawn)]
    node = apply(primitive, *plain, **params)
    assert primitive.batch is not None
    got = primitive.batch(node, tuple(wide), tuple(map(bool, marked)))
    expected = [
        evaluate(node, {f"x{k}": d[j] if m else d
                        for k, (d, m) in enumerate(zip(drawn, marked, strict=True))})
        for j in range(4)
    ]  # fmt: skip
    values = {f"x{k}": d for k, d in enumerate(drawn)}
    assert_close(evaluate(got, values), np.array(expected), 1e-12)


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3), (2, 4, 2)])
def test_least_squares(shape: tuple[int, ...]) -> None:
    a, b = RNG.normal(size=shape), RNG.normal(size=shape[-2])
    node = lstsq(variable("a", shape), variable("b", b.shape))
    matrices = a.reshape(-1, *shape[-2:])
    expected = np.array([np.linalg.lstsq(m, b, rcond=None)[0] for m in matrices])
    got = evaluate(node, {"a": a, "b": b})
    assert_close(got, expected.reshape(got.shape), 1e-11)
    check_derivatives_of(node, variable("a", shape), {"a": a, "b": b}, 1, tolerance=1e-5)
    columns = lstsq(variable("a", shape), variable("b", (*b.shape, 2)))
    got = evaluate(columns, {"a": a, "b": np.stack([b, 2 * b], axis=-1)})
    assert_close(got[..., 1], 2 * expected.reshape(got[..., 1].shape), 1e-11)


def test_pseudo_inverse_of_batches() -> None:
    a = RNG.normal(size=(2, 3, 2))
    node = pinv(variable("a", a.shape))
    assert_close(evaluate(node, {"a": a}), np.linalg.pinv(a), 1e-12)
    check_derivatives_of(node, variable("a", a.shape), {"a": a}, 1)


# ------------------------------------------------------------------ factorisations


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3), (1, 1)])
def test_factors_multiply_to_the_matrix(shape: tuple[int, ...]) -> None:
    a, x = definite(*shape), variable("a", shape)
    factor, (w, v) = cholesky(x), eigh(x)
    u, s, vt = svd(x)
    q, r = qr(x)
    scaled = lambda m, d: product(m, _diagonals(d))  # noqa: E731
    for whole in (
        product(factor, swapped(factor)),
        product(scaled(v, w), swapped(v)),
        product(scaled(u, s), vt),
        product(q, r),
        solve_sylvester(x, x, product(x, x)),
    ):
        factors = 2 if whole.primitive is SYLVESTER else 1
        assert_close(factors * evaluate(whole, {"a": a}), a, 1e-12)
    assert_close(evaluate(v, {"a": a}), np.linalg.eigh(a)[1], 1e-12)


def _diagonals(d: Expr) -> Expr:
    axes = tuple(range(d.ndim))
    return contract([d], [axes], (*axes, axes[-1]))


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (2, 2, 3), (2, 2)])
def test_qr_and_svd_of_rectangles(shape: tuple[int, ...]) -> None:
    a, x = RNG.normal(size=shape), variable("a", shape)
    for got, expected in zip(qr(x), np.linalg.qr(a), strict=True):
        assert_close(evaluate(got, {"a": a}), expected, 1e-12)
        if len(shape) == 2:
            check_derivatives_of(got, x, {"a": a}, 1, tolerance=1e-5)
    for got, expected in zip(svd(x), np.linalg.svd(a, full_matrices=False), strict=True):
        assert_close(evaluate(got, {"a": a}), expected, 1e-12)


def test_lower_triangles_only_are_read() -> None:
    a = definite(3, 3)
    lower = np.tril(a)
    x = variable("a", (3, 3))
    for node in (cholesky(x), eigvalsh(x), eigh(x)[1]):
        assert_close(evaluate(node, {"a": lower}), evaluate(node, {"a": a}), 1e-12)


REPEATED = {"identity": np.eye(3), "twice": np.diag([2.0, 1.0, 2.0]), "single": np.eye(1)}


@pytest.mark.parametrize("name", REPEATED)
@pytest.mark.parametrize("mode", MODES)
def test_repeated_eigenvalues(name: str, mode: str) -> None:
    """What does not depend on their order has its gradient; bases of their space are irrelevant."""
    turn = np.linalg.qr(RNG.normal(size=REPEATED[name].shape))[0]
    a = turn @ REPEATED[name] @ turn.T
    a = (a + a.T) / 2
    x = variable("a", a.shape)
    w, s = eigvalsh(x), svdvals(x)
    cases = {
        "trace": (sum_(w), np.eye(len(a))),
        "squares": (sum_(power(w, 2)), 2 * a),
        "log-determinant": (sum_(apply(registry["log"], w)), np.linalg.inv(a)),
        "singular squares": (sum_(power(s, 2)), 2 * a),
        "nuclear": (sum_(s), np.eye(len(a))),
    }
    for what, (node, gradient) in cases.items():
        got = evaluate(derivative(node, [x], mode), {"a": a})
        assert_close(got, gradient, 1e-12, what)


def test_projection_on_a_repeated_space() -> None:
    """The space of the two equal eigenvalues, and the vector of the third, have derivatives."""
    a = np.diag([1.0, 1.0, 3.0])
    x = variable("a", (3, 3))
    _, v = eigh(x)
    last = contract([v, variable("e", (3,))], [(0, 1), (1,)], (0,))
    node = contract([last, last], [(0,), (1,)], (0, 1))
    values = {"a": a, "e": np.array([0.0, 0.0, 1.0])}
    check_derivatives_of(node, x, values, 1, projection=symmetric_part)


def test_svd_of_order_two_in_all_parts() -> None:
    a = np.array([[2.0, 0.3], [-0.4, 0.9], [0.2, 0.1]])
    x = variable("a", (3, 2))
    u, s, vt = svd(x)
    node = sum_(mul(power(matmul(u, contract([s, vt], [(0,), (0, 1)], (0, 1))), 3)))
    check_derivatives_of(node, x, {"a": a}, 3, tolerance=1e-5)
    expected = richardson_jacobian(lambda m: np.sum(m**3), a)
    assert_close(evaluate(derivative(node, [x]), {"a": a}), expected, 1e-8)


@pytest.mark.parametrize("swap", [False, True])
def test_slogdet(swap: bool) -> None:
    a = definite(3, 3)[::-1] if swap else definite(3, 3)
    x = variable("a", (3, 3))
    sign, size = slogdet(x)
    expected = np.linalg.slogdet(a)
    assert (evaluate(sign, {"a": a}), pytest.approx(expected[1])) == (
        expected[0],
        evaluate(size, {"a": a}),
    )
    check_derivatives_of(size, x, {"a": a}, 2)
    assert not np.any(evaluate(derivative(sign, [x]), {"a": a}))
    if not swap:
        assert_close(evaluate(logdet(x), {"a": a}), expected[1], 1e-13)


# ------------------------------------------------------------------ functions of matrices


@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 2)])
def test_functions_of_matrices(shape: tuple[int, ...]) -> None:
    a = RNG.uniform(-0.5, 0.5, shape) + np.eye(shape[-1])
    x = variable("a", shape)
    for node, expected in (
        (expm(x), scipy.linalg.expm(a)),
        (logm(expm(x)), a),
        (expm(logm(x)), a),
        (product(sqrtm(x), sqrtm(x)), a),
        (matrix_power(x, 3), a @ a @ a),
        (matrix_power(x, -2), np.linalg.inv(a @ a)),
        (matrix_power(x, 0), np.broadcast_to(np.eye(shape[-1]), shape)),
        (matrix_power(x, 1), a),
    ):
        assert_close(evaluate(node, {"a": a}), expected, 1e-11)
    for node in (expm(x), logm(x), sqrtm(x), matrix_power(x, 5)):
        check_derivatives_of(node, x, {"a": a}, 1)


def test_fourth_derivative_of_the_exponential() -> None:
    """Of an exponential on a line: exp(tA) derives to A⁴ exp(tA)."""
    a = RNG.uniform(-0.5, 0.5, (2, 2))
    t = variable("t", ())
    node = expm(contract([t, variable("a", (2, 2))], [(), (0, 1)], (0, 1)))
    for mode in MODES:
        got = evaluate(derivative(node, [t] * 4, mode), {"a": a, "t": 0.7})
        assert_close(got, np.linalg.matrix_power(a, 4) @ scipy.linalg.expm(0.7 * a), 1e-11)


@pytest.mark.parametrize("name", ["expm", "logm"])
def test_derivatives_of_frechet_derivatives(name: str) -> None:
    a, e = variable("a", (2, 2)), variable("e", (2, 2))
    node = apply(registry[name], a, e)
    values = {"a": np.eye(2) + RNG.uniform(-0.4, 0.4, (2, 2)), "e": RNG.normal(size=(2, 2))}
    check_derivatives_of(node, a, values, 2)
    check_derivatives_of(node, e, values, 2)
    check_derivatives_of(derivative(node, [a]), e, values, 1)


def test_mixed_directions_meet() -> None:
    """The Fréchet derivative is symmetric in its directions: one node for both orders."""
    a, d, e = (variable(n, (2, 2)) for n in "ade")
    assert apply(EXPM, a, d, e) is apply(EXPM, a, e, d)


@pytest.mark.parametrize("function", [sqrtm, logm])
def test_values_that_are_not_real_are_errors(function: Any) -> None:
    with pytest.raises(DomainError, match=r"eigenvalue|singular"):
        evaluate(function(variable("a", (2, 2))), {"a": np.diag([1.0, -2.0])})


def test_triangles_and_blocks() -> None:
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=(1, 2))
    x, y = variable("a", (2, 3)), variable("b", (1, 2))
    node = block_diag(x, y)
    assert_close(evaluate(node, {"a": a, "b": b}), scipy.linalg.block_diag(a, b))
    check_derivatives_of(node, x, {"a": a, "b": b}, 1)
    for k in (-1, 0, 1):
        assert_close(evaluate(tril(x, k), {"a": a}), np.tril(a, k))
        assert_close(evaluate(triu(x, k), {"a": a}), np.triu(a, k))
    assert tril(tril(x, 1), -1) is tril(x, -1)
    assert triu(triu(x, 1), -1) is triu(x, 1)


# ------------------------------------------------------------------ norms


@pytest.mark.parametrize("order", [2, 1, 0, inf, -inf, 3, 1.5, 0.5, -1, -2.5, Fraction(7, 3)])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (1,)])
def test_vector_norms(order: Any, shape: tuple[int, ...]) -> None:
    x = RNG.uniform(0.5, 1.5, shape) * np.resize([1.0, -1.0, 1.0], shape)
    node = vector_norm(variable("x", shape), order)
    expected = np.linalg.norm(x, float(order), axis=-1)
    assert_close(evaluate(node, {"x": x}), expected, 1e-13)
    assert evaluate(node, {"x": x}, np.float32).dtype == np.float32
    check_derivatives_of(node, variable("x", shape), {"x": x}, 2, tolerance=1e-5)


@pytest.mark.parametrize("order", [2, 1, 0, inf, 3, 1.5, 0.5, Fraction(7, 3)])
@pytest.mark.parametrize("mode", MODES)
def test_norms_at_zero_entries(order: Any, mode: str) -> None:
    """An entry of 0 takes no part; at the origin the subgradient is 0."""
    x = np.array([0.0, 2.0, 0.0])
    node = derivative(vector_norm(variable("x", (3,)), order), [variable("x", (3,))], mode)
    assert_close(evaluate(node, {"x": x}), np.array([0.0, float(order != 0), 0.0]), 1e-14)
    assert_close(evaluate(node, {"x": np.zeros(3)}), np.zeros(3))


def test_norms_of_extreme_numbers() -> None:
    for size in (1e-250, 1e250):
        got = evaluate(vector_norm(variable("x", (2,)), 3), {"x": np.array([size, size])})
        assert float(got) == pytest.approx(2 ** (1 / 3) * size)


@pytest.mark.parametrize("kind", ["fro", "nuc", 2, -2, 1, -1, inf, -inf])
@pytest.mark.parametrize("shape", [(3, 2), (2, 2, 3), (1, 1)])
def test_matrix_norms(kind: Any, shape: tuple[int, ...]) -> None:
    size = int(np.prod(shape))  # entries and sums off the kinks
    a = (RNG.permutation(2.0 ** np.arange(size)) * RNG.choice([-0.2, 0.2], size)).reshape(shape)
    node = matrix_norm(variable("a", shape), kind)
    assert_close(
        evaluate(node, {"a": a}), np.linalg.norm(a, kind, axis=(-2, -1)), 1e-12
    )  # fmt: skip
    check_derivatives_of(node, variable("a", shape), {"a": a}, 1, tolerance=1e-5)


def test_transposes_meet() -> None:
    """solve with Aᵀ and turned with A are one node."""
    a, b = variable("a", (2, 2)), variable("b", (2,))
    assert solve(a, b, turned=True) is solve(transpose(a), b)
    assert solve(a, b, "lower", turned=True) is solve(transpose(a), b, "upper")
