"""Operations at the edge: boundary points, zeros, ties, infinities, singular matrices. Value and
derivative are right there, or refused, never silently wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from corpus.oracle import richardson_jacobian
from operations.references import reference, scalar_derivative
from operations.support import (
    ELEMENTWISE,
    MODES,
    Call,
    assert_close,
    calls,
    check_derivatives,
    evaluate,
)
from wengert.derive import derivative
from wengert.errors import SingularMatrixError
from wengert.expr import Expr
from wengert.operations import (
    add,
    broadcast,
    contract,
    outer,
    reshape,
    scale,
    transpose,
    variable,
)
from wengert.primitive import Primitive, registry

AT_BOUNDARIES = [
    (p, x)
    for p in ELEMENTWISE
    for x in dict.fromkeys(b for d in p.domains for b in d.boundary)
    if p.arity == 1
]
SUBGRADIENTS = {"abs": 0.0, "relu": 0.0, "i0e": 0.0}


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
                curve = scalar_derivative(primitive.name, x, 2, **params)
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
    for wrt in ([z, z], [z, z, z], [x, z], [x, z, z], [x, x, z]):
        found = evaluate(derivative(pow_.node(), wrt), {"x0": 0.0, "x1": 3.5})
        assert float(found) == 0.0, wrt


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
