"""Every declared operation: its value, its derivatives of orders 1 to 3 in every mode, what it
declares about itself. An operation declared later is tested without a line here; a parameter or
kind of matrix that the tests do not know asks for an entry in `operations.support`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from corpus.oracle import richardson_jacobian
from operations.references import reference
from operations.support import (
    BATCHED,
    ELEMENTWISE,
    GENERAL,
    MODES,
    PROGRAMS,
    REAL,
    SMALL,
    STRUCTURAL,
    Call,
    assert_close,
    by_id,
    calls,
    check_adjoint,
    check_derivatives,
    check_derivatives_of,
    differentiable,
    evaluate,
    rng_for,
    small_shapes,
)
from wengert.assumptions import Assumption
from wengert.derive import derivative
from wengert.errors import MissingRuleError, ShapeError, WengertError
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
        if expr.dtype == "real":
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


# ------------------------------------------------------------------ what operations declare


@pytest.mark.parametrize("primitive", [p for p in ELEMENTWISE if p.zero_at_zero], ids=repr)
def test_zero_at_zero_is_true(primitive: Primitive) -> None:
    for call in calls(primitive, [()]):
        at = dict.fromkeys(call.names, 0.0)
        assert float(evaluate(call.node(), at)) == 0.0


def _of_square_matrices(call: Call) -> bool:
    square = all(len(s) == 2 and s[0] == s[1] for s in call.shapes)
    return square and set(call.dtypes) == {"real"}


@by_id([c for p in GENERAL for c in calls(p, [(3, 3)]) if _of_square_matrices(c)])
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


@pytest.mark.parametrize("primitive", REAL, ids=repr)
def test_elementwise_functions_of_patterns(primitive: Primitive) -> None:
    """The pattern floats out of f only where f allows it: values and Jacobians stay the same."""
    rng = np.random.default_rng(5)
    domain = primitive.domains[0]
    low, high = max(domain.low, -1.0), min(domain.high, 1.5)
    if high <= low:
        low, high = domain.low, domain.high
    draw = lambda *shape: rng.uniform(low, high, shape)  # noqa: E731
    values = {"v": draw(3), "w": draw(3), "A": draw(3, 3), "s": draw()}
    for call in calls(primitive, [(3, 3)]):
        for name, (pattern, dense) in PATTERNS.items():
            array = np.asarray(dense(**values), dtype=np.float64) + 0.0  # no zero is negative
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
    [p for p in REAL if p.smooth and not isinstance(p.derivative, Undefined)],
    ids=repr,
)
@pytest.mark.parametrize(
    "pattern", ["diag", "transpose", "rows", "outer", "product times a vector"]
)
def test_jacobians_through_patterns(primitive: Primitive, pattern: str) -> None:
    rng = np.random.default_rng(6)
    call = next(calls(primitive, [(3, 3)]))
    slot = next(k for k in range(len(call.shapes)) if k not in call.undefined)
    domain = primitive.domains[slot]
    if pattern in ("diag",) and not domain.low < 0 < domain.high:
        pytest.skip("0 is outside the domain")
    low, high = max(domain.low, 0.3), min(domain.high, 1.2)
    scale_ = 0.4 if pattern == "product times a vector" and high < 1 else 1.0
    if domain.low > 1:
        low, high = 1.3, 1.5
    if high <= low:
        pytest.skip("products leave the domain")
    draw = lambda *shape: scale_ * rng.uniform(low, high, shape)  # noqa: E731
    values = {"v": draw(3), "w": draw(3), "A": draw(3, 3), "s": draw()}
    operands = [variable(name, (3, 3)) for name in call.names]
    drawn = call.draw(rng)
    values |= {n: x for k, (n, x) in enumerate(drawn.items()) if k != slot}
    operands[slot] = PATTERNS[pattern][0]
    node = call.on(*operands)
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
    assert {case.partition(":")[0] for case in STRUCTURAL_CASES} == set(STRUCTURAL) - set(PROGRAMS)


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
