"""Every declared operation: its value, its derivatives of orders 1 to 3 in every mode, what it
declares about itself. An operation declared later is tested without a line here; a parameter or
kind of matrix that the tests do not know asks for an entry in `operations.support`."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from corpus.oracle import richardson_jacobian
from operations.references import reference, scalar_derivative
from operations.support import (
    MODES,
    STRUCTURAL,
    Call,
    assert_close,
    batched_shapes,
    calls,
    check_adjoint,
    check_derivatives,
    check_derivatives_of,
    evaluate,
    small_shapes,
)
from wengert.assumptions import Assumption
from wengert.derive import derivative
from wengert.errors import MissingRuleError, ShapeError, SingularMatrixError, WengertError
from wengert.expr import Expr
from wengert.operations import (
    add,
    broadcast,
    constant,
    contract,
    diag,
    identity,
    ones,
    outer,
    pi,
    reshape,
    scale,
    size,
    transpose,
    variable,
)
from wengert.operations.algebra import (
    is_symmetric,
)
from wengert.operations.structure import (
    is_positive,
)
from wengert.primitive import Constant, Primitive, Undefined, registry
from wengert.shapes import symbol

GENERAL = [p for p in registry.values() if p.name not in STRUCTURAL]
ELEMENTWISE = [p for p in GENERAL if p.elementwise]
SMALL = [c for p in GENERAL for c in calls(p, small_shapes(p))]
BATCHED = [c for p in GENERAL for c in calls(p, batched_shapes(p))]


def rng_for(call: Call) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(call.id.encode()))


def differentiable(call: Call) -> bool:
    return not isinstance(call.primitive.derivative, Undefined)


def by_id(given: list[Call]) -> Any:
    return pytest.mark.parametrize("call", given, ids=[c.id for c in given])


def test_every_operation_is_called() -> None:
    called = {c.primitive.name for c in SMALL}
    assert called == {p.name for p in GENERAL}
    assert set(STRUCTURAL) <= set(registry)


# ------------------------------------------------------------------ values


@by_id(SMALL + BATCHED)
def test_value(call: Call) -> None:
    _skip_without_batches(call)
    expected = reference(call.primitive.name, dict(call.params))
    if expected is None:
        pytest.skip("no reference in operations.references")
    values = call.draw(rng_for(call))
    assert_close(evaluate(call.node(), values), expected(*values.values()), 1e-11)


@by_id(SMALL)
def test_float32_in_float32_out(call: Call) -> None:
    values = call.draw(rng_for(call))
    exprs = [call.node()]
    if differentiable(call):
        exprs += [derivative(exprs[0], [leaf]) for leaf in call.leaves()]
    for expr in exprs:
        single = evaluate(expr, values, np.float32)
        assert np.asarray(single).dtype == np.float32
        assert_close(np.asarray(single, np.float64), evaluate(expr, values), 1e-4)


def _empty_shapes(primitive: Primitive) -> list[tuple[int, ...]]:
    if primitive.elementwise:
        return [(0,), (0, 2), (1,), (1, 1)]
    if any(d.matrix for d in primitive.domains):
        return [(0, 0), (1, 1)]
    return [(0,), (0, 2), (2, 0), (1,), (1, 1)]


@by_id([c for p in GENERAL for c in calls(p, _empty_shapes(p))])
def test_empty_and_single_entries(call: Call) -> None:
    """Right, or refused with an error of ours; never NumPy's bare ValueError."""
    values = call.draw(rng_for(call))
    try:
        got = evaluate(call.node(), values)
    except WengertError:
        assert 0 in call.shapes[0]
        return
    expected = reference(call.primitive.name, dict(call.params))
    if expected is not None:
        np.testing.assert_allclose(got, expected(*values.values()), rtol=1e-12)
    if differentiable(call):
        for leaf in call.leaves():
            for mode in MODES:
                jacobian = evaluate(derivative(call.node(), [leaf], mode), values)
                assert np.shape(jacobian) == np.shape(got) + leaf.shape
                assert np.isfinite(jacobian).all()


@by_id([c for c in BATCHED if not c.primitive.elementwise])
def test_leading_axes_are_a_batch(call: Call) -> None:
    inner = Call(call.primitive, tuple(s[1:] for s in call.shapes), call.params)
    params = dict(call.params)
    if len(call.shapes[0]) == (2 if _takes_matrix(call) else params.get("rank")):
        pytest.skip("no axis is left for a batch")
    try:
        node = call.node()
    except ShapeError:
        return  # refused, not silently wrong
    values = call.draw(rng_for(call))
    expected = [evaluate(inner.node(), {"x0": x}) for x in values["x0"]]
    assert tuple(node.shape) == np.shape(expected)
    assert_close(evaluate(node, values), np.array(expected), 1e-12)


def _takes_matrix(call: Call) -> bool:
    return any(d.matrix for d in call.primitive.domains)


# ------------------------------------------------------------------ derivatives


@by_id([c for c in SMALL if differentiable(c)])
def test_derivatives_of_orders_1_to_3(call: Call) -> None:
    check_derivatives(call, call.draw(rng_for(call)), orders=3)


def _skip_without_batches(call: Call) -> None:
    try:
        call.node()
    except ShapeError:
        pytest.skip("takes no batches")


@by_id([c for c in BATCHED if differentiable(c) and not c.primitive.elementwise])
def test_derivatives_of_batches(call: Call) -> None:
    _skip_without_batches(call)
    check_derivatives(call, call.draw(rng_for(call)), orders=1)
    inner = sum(np.prod(s) for s in call.shapes)
    if inner <= 6:
        check_derivatives(call, call.draw(rng_for(call)), orders=2, modes=("forward", "reverse"))


@by_id([c for c in SMALL + BATCHED if differentiable(c)])
def test_pullback_is_the_transpose_of_the_pushforward(call: Call) -> None:
    _skip_without_batches(call)
    rng = rng_for(call)
    check_adjoint(call, call.draw(rng), rng)


@pytest.mark.parametrize(
    "primitive", [p for p in GENERAL if isinstance(p.derivative, Undefined)], ids=repr
)
def test_undefined_derivatives_are_errors(primitive: Primitive) -> None:
    call = next(calls(primitive, small_shapes(primitive)))
    for mode in MODES:
        with pytest.raises(MissingRuleError, match=primitive.name):
            derivative(call.node(), call.leaves()[:1], mode)


@pytest.mark.parametrize(
    "primitive", [p for p in GENERAL if isinstance(p.derivative, Constant)], ids=repr
)
def test_constant_operations_have_a_reason(primitive: Primitive) -> None:
    """A derivative that is zero everywhere is declared with the reason, and is no smooth one."""
    assert isinstance(primitive.derivative, Constant)
    assert primitive.derivative.reason
    assert not primitive.smooth


# ------------------------------------------------------------------ boundary points

AT_BOUNDARIES = [
    (p, x)
    for p in ELEMENTWISE
    for x in dict.fromkeys(b for d in p.domains for b in d.boundary)
    if p.arity == 1
]
SUBGRADIENTS = {"abs": 0.0, "relu": 0.0}


@pytest.mark.parametrize(("primitive", "x"), AT_BOUNDARIES)
@pytest.mark.parametrize("offset", [0.0, 1e-13, -1e-13])
def test_boundary_of_elementwise_functions(primitive: Primitive, x: float, offset: float) -> None:
    if not primitive.smooth and offset:
        pytest.skip("on the kink only")
    x = x + offset
    for call in calls(primitive, [()]):
        params = dict(call.params)
        values = {"x0": x}
        expected = reference(primitive.name, params)
        assert expected is not None
        value = evaluate(call.node(), values)
        assert float(value) == pytest.approx(float(expected(x)), rel=1e-13, abs=0)
        for mode in MODES:
            first = derivative(call.node(), call.leaves(), mode)
            if primitive.smooth:
                slope = scalar_derivative(primitive.name, x, **params)
            else:
                slope = SUBGRADIENTS[primitive.name]
            assert float(evaluate(first, values)) == pytest.approx(slope, rel=1e-12, abs=1e-300)
            second = derivative(first, call.leaves(), mode)
            assert np.isfinite(evaluate(second, values))
            if primitive.smooth:
                curve = scalar_derivative(primitive.name, x, order=2, **params)
                assert float(evaluate(second, values)) == pytest.approx(curve, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "normcdf", "erfc", "expm1", "log1p"])
@pytest.mark.parametrize("x", [1e-300, 1e-20, 1e-5, 3.0, 20.0, 35.0, -0.5, -20.0, -36.0])
def test_relative_accuracy(name: str, x: float) -> None:
    """Value and slope to 12 digits where the value is tiny too."""
    if name == "log1p" and x <= -1:
        pytest.skip("outside the domain")
    node = Call(registry[name], ((),), ()).node()
    expected = float(reference(name, {})(x))  # type: ignore[misc]
    assert float(evaluate(node, {"x0": x})) == pytest.approx(expected, rel=1e-12, abs=0)
    slope = scalar_derivative(name, x)
    found = evaluate(derivative(node, [variable("x0", ())]), {"x0": x})
    assert float(found) == pytest.approx(slope, rel=1e-12, abs=0)


def _boundary_vectors(name: str) -> list[Any]:
    special = [b for d in registry[name].domains for b in d.boundary]
    found = [np.full(3, b) for b in special]
    found += [np.array([b, 0.5, b]) for b in special] + [np.array([-0.7, b, 0.3]) for b in special]
    return [np.array([a, b, 0.0]) for a in special for b in special] + found


@pytest.mark.parametrize("name", ["softmax", "logsumexp"])
def test_boundary_of_softmax_and_logsumexp(name: str) -> None:
    call = Call(registry[name], ((3,),), (("rank", 1),))
    p_of = reference("softmax", {"rank": 1})
    expected = reference(name, {"rank": 1})
    assert p_of is not None
    assert expected is not None
    for x in [*_boundary_vectors(name), np.array([400.0, 400.0, 0.0]), np.array([1e5, -1e5, 1e5])]:
        p = p_of(x)
        assert_close(evaluate(call.node(), {"x0": x}), expected(x), 1e-13)
        jacobian = np.diag(p) - np.outer(p, p)
        third = (
            np.einsum("ij,ik->ijk", np.eye(3), jacobian)
            - np.einsum("ik,j->ijk", jacobian, p)
            - np.einsum("i,jk->ijk", p, jacobian)
        )
        slopes = {"logsumexp": [p, jacobian], "softmax": [jacobian, third]}[name]
        for mode in MODES:
            node = call.node()
            for slope in slopes:
                node = derivative(node, call.leaves(), mode)
                assert_close(evaluate(node, {"x0": x}), slope, 1e-12, f"{mode} at {x}")


@pytest.mark.parametrize("x", _boundary_vectors("norm2"), ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_boundary_of_norm2(x: Any, mode: str) -> None:
    """At 0 the subgradient 0; the direction for entries whose squares under- or overflow."""
    largest = np.max(np.abs(x))
    unit = x / largest / np.linalg.norm(x / largest) if largest else np.zeros(3)
    call = Call(registry["norm2"], ((3,),), (("rank", 1),))
    expected = reference("norm2", {"rank": 1})
    assert expected is not None
    assert float(evaluate(call.node(), {"x0": x})) == pytest.approx(float(expected(x)), rel=1e-14)
    assert_close(evaluate(derivative(call.node(), call.leaves(), mode), {"x0": x}), unit, 1e-14)


def _norm_arguments() -> dict[str, tuple[Expr, Any]]:
    x, w = variable("x", (3,)), variable("w", (3,))
    X = variable("X", (3, 2))
    s = variable("s", ())
    return {
        "transpose": (transpose(X), X),
        "product": (contract([w, x], [(0,), (0,)], (0,)), x),
        "multiple": (contract([s, x], [(), (0,)], (0,)), x),
        "negative": (scale(-3, x), x),
        "matrix-vector": (contract([X, x], [(0, 1), (0,)], (1,)), x),
        "diagonal": (contract([w, x], [(0,), (0,)], (0, 0)), x),
        "sum": (add([scale(2, x), scale(-2, w)]), x),
        "broadcast": (broadcast(x, (2, 3)), x),
        "reshape": (reshape(X, (6,)), X),
        "outer": (outer(x, w), x),
        "sum of products": (add([contract([w, x], [(0,), (0,)], (0,)), x]), x),
    }


@pytest.mark.parametrize("case", sorted(_norm_arguments()))
@pytest.mark.parametrize("mode", MODES)
def test_subgradient_of_norms_of_expressions(case: str, mode: str) -> None:
    """‖A(x)‖ has derivative 0 where A(x) = 0, whatever linear function A is."""
    argument, leaf = _norm_arguments()[case]
    values = {"x": np.zeros(3), "w": np.array([1.0, 2.0, 3.0]), "X": np.zeros((3, 2)), "s": 2.0}
    if case == "sum":
        values["x"] = values["w"]
    if case == "matrix-vector":
        values["X"] = np.arange(6.0).reshape(3, 2)
    from wengert.operations import norm2

    jacobian = evaluate(derivative(norm2(argument), [leaf], mode), values)
    assert_close(jacobian, np.zeros(leaf.shape))


def test_norms_in_float32_neither_overflow_nor_underflow() -> None:
    call = Call(registry["norm2"], ((2,),), (("rank", 1),))
    for size_ in (1e-30, 1e-22, 1e22, 1e30):
        x = size_ * np.array([3.0, 4.0])
        assert float(evaluate(call.node(), {"x0": x}, np.float32)) == pytest.approx(
            5 * size_, rel=1e-6
        )
        slope = evaluate(derivative(call.node(), call.leaves()), {"x0": x}, np.float32)
        assert_close(slope, np.array([0.6, 0.8]), 1e-6)


def test_norms_of_a_batch_with_infinity_and_large_entries() -> None:
    call = Call(registry["norm2"], ((3, 2),), (("rank", 1),))
    x = np.array([[3e200, 4e200], [np.inf, 1.0], [3e-200, 4e-200]])
    got = evaluate(call.node(), {"x0": x})
    assert got[0] == pytest.approx(5e200, rel=1e-14)
    assert got[1] == np.inf
    assert got[2] == pytest.approx(5e-200, rel=1e-14)


ZERO_PATTERNS = ([0.0, 2.0, -3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [1.0, -0.0, 1.0])


@pytest.mark.parametrize("x", ZERO_PATTERNS, ids=str)
@pytest.mark.parametrize("name", ["prod", "prodexcept"])
def test_products_with_zeros(name: str, x: list[float]) -> None:
    for call in calls(registry[name], [(3,)]):
        check_derivatives(call, {"x0": np.array(x)}, orders=3)


def test_ties_share_the_derivative() -> None:
    x = np.array([1.0, 3.0, 3.0, 0.0])
    for name, expected in (("max", [0, 0.5, 0.5, 0]), ("min", [0, 0, 0, 1])):
        call = Call(registry[name], ((4,),), (("rank", 1),))
        for mode in MODES:
            assert_close(
                evaluate(derivative(call.node(), call.leaves(), mode), {"x0": x}), expected
            )
    for name in ("maximum", "minimum"):
        call = Call(registry[name], ((), ()), ())
        for leaf in call.leaves():
            for mode in MODES:
                slope = evaluate(derivative(call.node(), [leaf], mode), {"x0": 2.0, "x1": 2.0})
                assert float(slope) == 0.5


SINGULAR = {
    "zero": np.zeros((3, 3)),
    "diagonal": np.diag([1.0, 2.0, 0.0]),
    "1 to 9": np.arange(1.0, 10.0).reshape(3, 3),
    "rank 1": np.outer([0.3, -1.1, 0.7], [0.9, 0.4, -1.3]),  # det is 0, but for rounding
    **{f"2×2, {k}": np.outer(*np.random.default_rng(k).random((2, 2))) for k in range(8)},
}


@pytest.mark.parametrize("a", SINGULAR.values(), ids=SINGULAR)
@pytest.mark.parametrize("mode", MODES)
def test_determinants_of_singular_matrices(a: Any, mode: str) -> None:
    """det is a polynomial: its first derivative is right at once, the second right or refused."""
    call = Call(registry["det"], (a.shape,), ())
    adjugate = reference("adj", {})
    assert adjugate is not None
    values = {"x0": a}
    first = derivative(call.node(), call.leaves(), mode)
    assert_close(evaluate(first, values), adjugate(a).T, 1e-12)
    expected = richardson_jacobian(lambda x: adjugate(x).T, a)
    try:
        second = evaluate(derivative(first, call.leaves(), mode), values)
    except SingularMatrixError:
        return
    assert_close(second, expected, 1e-8)


@pytest.mark.parametrize("a", SINGULAR.values(), ids=SINGULAR)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_inverses_of_singular_matrices_are_refused(a: Any, kind: Any) -> None:
    """Those that are singular but for rounding too: their inverse would be noise."""
    call = Call(registry["inv"], (a.shape,), ())
    with pytest.raises(SingularMatrixError, match=r"singular \(rank"):
        evaluate(call.node(), {"x0": a}, kind)
    batch = np.stack([np.eye(len(a)), a])
    call = Call(registry["inv"], (batch.shape,), ())
    with pytest.raises(SingularMatrixError):
        evaluate(call.node(), {"x0": batch}, kind)


def test_inverses_of_badly_scaled_matrices_are_right() -> None:
    """Entries of very different size are no singularity; nor is NaN."""
    call = Call(registry["inv"], ((3, 3),), ())
    core = np.array([[2.0, -1.0, 0.5], [1.0, 3.0, 0.2], [-0.4, 0.3, 1.0]])
    for left in ([1e-150, 1.0, 1e150], [1e-9, 1e9, 1.0], [1.0, 1.0, 1.0]):
        for right in ([1.0, 1e-100, 1e100], [1e8, 1.0, 1e-12]):
            a = np.diag(left) @ core @ np.diag(right)
            got = evaluate(call.node(), {"x0": a})
            expected = (
                np.diag(1 / np.array(right)) @ np.linalg.inv(core) @ np.diag(1 / np.array(left))
            )
            np.testing.assert_allclose(got, expected, rtol=1e-12)
    hilbert = 1 / (np.arange(8)[:, None] + np.arange(8) + 1.0)  # condition number 1.5e10
    wide = Call(registry["inv"], ((8, 8),), ())
    assert_close(evaluate(wide.node(), {"x0": hilbert}) @ hilbert, np.eye(8), 1e-5)
    assert np.isnan(evaluate(call.node(), {"x0": np.full((3, 3), np.nan)})).all()


def test_sign_of_zero_and_norm1_at_zero() -> None:
    call = Call(registry["norm1"], ((3,),), (("rank", 1),))
    slope = evaluate(derivative(call.node(), call.leaves()), {"x0": np.array([0.0, -1.0, 2.0])})
    assert_close(slope, [0.0, -1.0, 1.0])


def test_xlogy_and_pow_where_the_base_is_zero() -> None:
    """0 log 0 = 0; the derivative of xᶻ in z is 0 where x = 0 < z; in x it is 1 where z = 1."""
    xlogy, pow_ = (Call(registry[name], ((), ()), ()) for name in ("xlogy", "pow"))
    x, z = xlogy.leaves()
    at = {"x0": 0.0, "x1": 0.0}
    assert float(evaluate(xlogy.node(), at)) == 0.0
    at = {"x0": 0.0, "x1": 2.0}
    assert float(evaluate(xlogy.node(), at)) == 0.0
    assert float(evaluate(derivative(xlogy.node(), [z]), at)) == 0.0
    assert float(evaluate(derivative(xlogy.node(), [x]), at)) == pytest.approx(np.log(2.0))
    assert float(evaluate(pow_.node(), at)) == 0.0
    assert float(evaluate(derivative(pow_.node(), [z]), at)) == 0.0
    assert float(evaluate(derivative(pow_.node(), [x]), at)) == 0.0
    assert float(evaluate(derivative(pow_.node(), [x]), {"x0": 0.0, "x1": 1.0})) == 1.0
    assert float(evaluate(derivative(pow_.node(), [x, x]), {"x0": 0.0, "x1": 2.0})) == 2.0


def test_pow_of_negative_bases_with_whole_exponents() -> None:
    call = Call(registry["pow"], ((), ()), ())
    at = {"x0": -2.0, "x1": 3.0}
    assert float(evaluate(call.node(), at)) == -8.0
    assert float(evaluate(derivative(call.node(), call.leaves()[:1]), at)) == 12.0


@pytest.mark.parametrize("exponent", [1, 2, 3, 4, 5])
def test_powers_at_zero(exponent: int) -> None:
    """xⁿ at 0, of every order up to n + 1: no 0/0."""
    from wengert.operations import power

    x = variable("x", (2,))
    node = power(x, exponent)
    factor = 1.0
    for order in range(exponent + 2):
        expected = np.zeros((2,) * (order + 1))
        if order == exponent:
            for k in range(2):
                expected[(k,) * (order + 1)] = factor
        for mode in MODES:
            assert_close(
                evaluate(derivative(power(x, exponent), [x] * order, mode), {"x": np.zeros(2)}),
                expected,
            )
        factor *= order + 1
        node = derivative(node, [x])


# ------------------------------------------------------------------ what operations declare


@pytest.mark.parametrize("primitive", ELEMENTWISE, ids=repr)
def test_zero_at_zero_is_true(primitive: Primitive) -> None:
    if not primitive.zero_at_zero:
        pytest.skip("not declared")
    for call in calls(primitive, [()]):
        at = dict.fromkeys(call.names, 0.0)
        assert float(evaluate(call.node(), at)) == 0.0


@by_id([c for p in GENERAL for c in calls(p, [(3, 3)])])
def test_symmetric_is_true(call: Call) -> None:
    """What is said to be symmetric for a symmetric operand is."""
    rng = rng_for(call)
    values = {k: x + x.T for k, x in call.draw(rng).items()}
    if any(d.matrix == "spd" for d in call.primitive.domains):
        values = {k: x @ x.T + np.eye(3) for k, x in values.items()}
    if not any(d.matrix for d in call.primitive.domains):
        values = {k: x / 2 for k, x in values.items()}
    for assumptions in (frozenset[Assumption](), frozenset({Assumption.SYMMETRIC})):
        node = call.node(assumptions)
        drawn = call.draw(rng) if not assumptions else values
        if is_symmetric(node):
            got = evaluate(node, drawn)
            assert_close(got, np.swapaxes(got, 0, 1), 1e-12)


def test_symmetric_by_itself() -> None:
    """prodexcept of order 2 is a symmetric matrix whatever its operand."""
    call = Call(registry["prodexcept"], ((3,),), (("order", 2),))
    assert is_symmetric(call.node())
    got = evaluate(call.node(), {"x0": np.array([1.5, -2.0, 3.0])})
    assert_close(got, got.T)


@by_id(SMALL)
def test_positive_is_true(call: Call) -> None:
    for assumptions in (frozenset[Assumption](), frozenset({Assumption.POSITIVE})):
        node = call.node(assumptions)
        if is_positive(node):
            values = call.draw(rng_for(call))
            if assumptions:
                values = {k: np.abs(x) for k, x in values.items()}
            assert np.min(evaluate(node, values), initial=1.0) > 0


# ------------------------------------------------------------------ elementwise patterns


def _patterned() -> dict[str, tuple[Expr, Callable[..., Any]]]:
    v, w, A, s = variable("v", (3,)), variable("w", (3,)), variable("A", (3, 3)), variable("s", ())
    return {
        "diag": (diag(v), lambda v, w, A, s: np.diag(v)),
        "diagonal of a matrix": (
            contract([A], [(0, 0)], (0, 0)),
            lambda v, w, A, s: np.diag(np.diag(A)),
        ),
        "identity": (identity(3), lambda v, w, A, s: np.eye(3)),
        "multiple of the identity": (
            contract([s], [()], (0, 0), sizes={0: 3}),
            lambda v, w, A, s: s * np.eye(3),
        ),
        "transpose": (transpose(A), lambda v, w, A, s: A.T),
        "rows": (broadcast(v, (3, 3)), lambda v, w, A, s: np.tile(v, (3, 1))),
        "columns": (transpose(broadcast(v, (3, 3))), lambda v, w, A, s: np.tile(v, (3, 1)).T),
        "scalar": (broadcast(s, (3, 3)), lambda v, w, A, s: np.full((3, 3), s)),
        "ones": (ones((3, 3)), lambda v, w, A, s: np.ones((3, 3))),
        "halves": (scale(Fraction(1, 2), ones((3, 3))), lambda v, w, A, s: np.full((3, 3), 0.5)),
        "zeros": (scale(0, ones((3, 3))), lambda v, w, A, s: np.zeros((3, 3))),
        "scaled": (scale(Fraction(1, 2), A), lambda v, w, A, s: A / 2),
        "outer": (outer(v, w), lambda v, w, A, s: np.outer(v, w)),
        "product": (
            contract([A, A], [(0, 1), (1, 2)], (2, 0)),
            lambda v, w, A, s: (A @ A).T,
        ),
        "product times a vector": (
            contract([A, A, v], [(0, 1), (1, 2), (0,)], (0, 2)),
            lambda v, w, A, s: v[:, None] * (A @ A),
        ),
        "diagonal of a product": (
            contract([A, A], [(0, 1), (1, 0)], (0, 0)),
            lambda v, w, A, s: np.diag(np.diag(A @ A)),
        ),
        "sum with the identity": (
            add([A, identity(3)], [1, Fraction(1, 2)]),
            lambda v, w, A, s: A + np.eye(3) / 2,
        ),
        "negative diagonal": (scale(-1, diag(v)), lambda v, w, A, s: -np.diag(v)),
        "vector": (v, lambda v, w, A, s: v),
    }


PATTERNS = _patterned()


@pytest.mark.parametrize("primitive", ELEMENTWISE, ids=repr)
def test_elementwise_functions_of_patterns(primitive: Primitive) -> None:
    """The pattern floats out of f only where f allows it: values and Jacobians stay the same."""
    rng = np.random.default_rng(5)
    domain = primitive.domains[0]
    low, high = max(domain.low, -1.0), min(domain.high, 1.5)
    draw = lambda *shape: rng.uniform(low, high, shape)  # noqa: E731
    values = {"v": draw(3), "w": draw(3), "A": draw(3, 3), "s": draw()}
    for call in calls(primitive, [(3, 3)]):
        for name, (pattern, dense) in PATTERNS.items():
            array = np.asarray(dense(**values), dtype=np.float64)
            others = [variable(f"y{k}", pattern.shape) for k in range(1, len(call.shapes))]
            more = {o.params[0]: draw(*pattern.shape) for o in others}
            node = call.on(pattern, *others)
            assert node.shape == pattern.shape
            got = evaluate(node, {**values, **more})
            plain = Call(primitive, (array.shape,) * len(call.shapes), call.params)
            everything = dict(zip(plain.names, [array, *more.values()], strict=True))
            expected = evaluate(plain.node(), everything)
            got, expected = _unsigned_infinity(got), _unsigned_infinity(expected)
            np.testing.assert_allclose(got, expected, rtol=1e-12, err_msg=name)
            if len(call.shapes) == 2:
                flipped = evaluate(call.on(*others, pattern), {**values, **more})
                swapped = dict(zip(plain.names, [*more.values(), array], strict=True))
                np.testing.assert_allclose(flipped, evaluate(plain.node(), swapped), rtol=1e-12)


def _unsigned_infinity(x: Any) -> Any:
    """At a pole the sign of the zero decides, and -diag(v) may have either."""
    return np.where(np.isinf(x), np.inf, x)


@pytest.mark.parametrize(
    "primitive",
    [p for p in ELEMENTWISE if p.smooth and not isinstance(p.derivative, Undefined)],
    ids=repr,
)
@pytest.mark.parametrize(
    "pattern", ["diag", "transpose", "rows", "outer", "product times a vector"]
)
def test_jacobians_through_patterns(primitive: Primitive, pattern: str) -> None:
    rng = np.random.default_rng(6)
    call = next(calls(primitive, [(3, 3)]))
    domain = primitive.domains[0]
    if pattern in ("diag",) and not domain.low < 0 < domain.high:
        pytest.skip("0 is outside the domain")
    low, high = max(domain.low, 0.3), min(domain.high, 1.2)
    scale_ = 0.4 if pattern == "product times a vector" and high < 1 else 1.0
    if domain.low > 1:
        low, high = 1.3, 1.5
    draw = lambda *shape: scale_ * rng.uniform(low, high, shape)  # noqa: E731
    values = {"v": draw(3), "w": draw(3), "A": draw(3, 3), "s": draw(), "y": draw(3, 3)}
    operand = PATTERNS[pattern][0]
    node = call.on(operand, *[variable("y", (3, 3))] * (len(call.shapes) - 1))
    for name in ("v", "A"):
        leaf = variable(name, np.shape(values[name]))
        check_derivatives_of(node, leaf, values, orders=1)


# ------------------------------------------------------------------ the structural ones


def _structural() -> dict[str, tuple[Expr, str]]:
    x, y = variable("x", (3,)), variable("y", (2,))
    A, B, T = variable("A", (3, 2)), variable("B", (3, 2)), variable("T", (2, 2, 3))
    S = variable("S", (2, 2))
    return {
        "contract: product": (contract([A, y], [(0, 1), (1,)], (0,)), "A"),
        "contract: quadratic": (contract([y, S, y], [(0,), (0, 1), (1,)], ()), "y"),
        "contract: cube": (contract([S, S, S], [(0, 1), (1, 2), (2, 3)], (0, 3)), "S"),
        "contract: trace of a cube": (contract([S, S, S], [(0, 1), (1, 2), (2, 0)], ()), "S"),
        "contract: diagonal": (contract([S], [(0, 0)], (0,)), "S"),
        "contract: diag": (contract([x], [(0,)], (0, 0)), "x"),
        "contract: diag, permuted and spread": (
            contract([T, T], [(0, 1, 2), (1, 0, 3)], (3, 0, 3, 4), sizes={4: 2}),
            "T",
        ),
        "contract: ones summed": (contract([y], [(0,)], (), sizes={1: 5}, coefficient=-2), "y"),
        "contract: nothing left": (contract([], [], (0, 0, 1), sizes={0: 2, 1: 3}), "y"),
        "add": (
            add([A, B, contract([A, S], [(0, 1), (1, 2)], (0, 2))], [2, -3, Fraction(1, 3)]),
            "A",
        ),
        "add: of deltas": (add([S, identity(2)], [1, -1]), "S"),
        "reshape": (reshape(A, (2, 3)), "A"),
        "reshape: merged": (reshape(A, (6,)), "A"),
        "reshape: trailing axes": (reshape(T, (6,), axes=2), "T"),
        "reshape: of a product": (reshape(contract([A, S], [(0, 1), (1, 2)], (2, 0)), (3, 2)), "S"),
        "reshape: times": (
            contract([reshape(A, (2, 3)), x, reshape(A, (2, 3))], [(0, 1), (1,), (2, 1)], (0, 2)),
            "A",
        ),
        "variable": (x, "x"),
        "size": (size(symbol("n")), "x"),
        "constant": (pi(), "x"),
        "constant: times": (contract([pi(), x, x], [(), (0,), (0,)], ()), "x"),
    }


STRUCTURAL_CASES = _structural()


@pytest.mark.parametrize("case", STRUCTURAL_CASES)
def test_derivatives_of_structural_operations(case: str) -> None:
    node, name = STRUCTURAL_CASES[case]
    if case == "size":
        for mode in MODES:
            leaf = variable(name, (3,))
            assert derivative(node, [leaf], mode) is scale(0, ones((3,)))
        assert float(evaluate(node, {}, sizes={"n": 7})) == 7.0
        return
    rng = np.random.default_rng(2)
    shapes = {"x": (3,), "y": (2,), "A": (3, 2), "B": (3, 2), "T": (2, 2, 3), "S": (2, 2)}
    values = {k: rng.standard_normal(s) for k, s in shapes.items()}
    check_derivatives_of(node, variable(name, shapes[name]), values, orders=3)


def test_every_structural_operation_has_cases() -> None:
    assert {case.partition(":")[0] for case in STRUCTURAL_CASES} == set(STRUCTURAL)


def test_constant_is_pi() -> None:
    assert float(evaluate(pi(), {})) == np.pi


@pytest.mark.parametrize("name", ["sqrt", "exp", "log", "reciprocal"])
def test_functions_of_constants_keep_float32(name: str) -> None:
    from wengert.operations import elementwise, mul, power

    values = {"x": np.ones(3, np.float32)}
    of_pi = {
        "sqrt": power(pi(), Fraction(1, 2)),
        "exp": elementwise("exp", pi()),
        "log": elementwise("log", pi()),
        "reciprocal": power(pi(), -1),
    }[name]
    got = evaluate(mul(of_pi, variable("x", (3,))), values, np.float32)
    assert got.dtype == np.float32


def test_linear_operations_do_not_densify_deltas() -> None:
    """The Jacobian of a reshape keeps its deltas, so its derivative costs nothing."""
    A = variable("A", (3, 2))
    jacobian = derivative(reshape(A, (6,)), [A])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = evaluate(jacobian, {"A": np.zeros((3, 2))})
    assert_close(got, np.eye(6).reshape(6, 3, 2))
    expected = richardson_jacobian(lambda a: a.reshape(6), np.ones((3, 2)))
    assert_close(got, expected, 1e-8)
    assert derivative(constant(3), [A]) is scale(0, ones((3, 2)))
