"""The checker itself: it must fail on every kind of wrong rule, and a missing rule must be an
error. The operations here are made for the test and never enter the registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from operations.support import MODES, Call, check_adjoint, check_derivatives
from wengert.derive import derivative
from wengert.errors import MissingRuleError
from wengert.expr import Expr
from wengert.operations import (
    apply,
    contract,
    elementwise,
    mul,
    neg,
    ones,
    power,
    scale,
    softmax,
    sub,
    variable,
    zeros,
)
from wengert.operations.apply import same_shape
from wengert.primitive import (
    Constant,
    Derivative,
    Domain,
    Linear,
    Multilinear,
    Notation,
    Partials,
    Primitive,
    Pushforward,
    Undefined,
    registry,
)

X = np.array([0.4, -0.7, 1.1])


def made(
    derivative: Derivative, evaluate: Callable[..., Any], arity: int = 1, elementwise: bool = True
) -> Call:
    """A call of an operation with that rule on vectors of three entries."""
    primitive = Primitive(
        "made",
        arity,
        same_shape,
        lambda node, *arrays: evaluate(*arrays),
        derivative,
        Notation.function("made"),
        elementwise=elementwise,
        domains=(Domain(),) * arity,
    )
    return Call(primitive, ((3,),) * arity, ())


def sine(*partials: Callable[..., Expr]) -> Call:
    return made(Partials(partials), np.sin)


def cos(y: Expr, x: Expr) -> Expr:
    return elementwise("cos", x)


def test_a_right_rule_passes() -> None:
    check_derivatives(sine(cos), {"x0": X})
    check_adjoint(sine(cos), {"x0": X}, np.random.default_rng(0))


WRONG_PARTIALS: dict[str, Callable[[Expr, Expr], Expr]] = {
    "sign": lambda y, x: neg(elementwise("cos", x)),
    "factor": lambda y, x: scale(2, elementwise("cos", x)),
    "another function": lambda y, x: elementwise("cosh", x),
    "a thousandth": lambda y, x: sub(elementwise("cos", x), scale(0.001, power(x, 3))),  # type: ignore[arg-type]
    "silently zero": lambda y, x: zeros(x.shape),
    "one": lambda y, x: ones(x.shape),
}


@pytest.mark.parametrize("wrong", WRONG_PARTIALS)
@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_partial_is_found(wrong: str, mode: str) -> None:
    with pytest.raises(AssertionError, match="order 1"):
        check_derivatives(sine(WRONG_PARTIALS[wrong]), {"x0": X}, 1, (mode,))


def test_a_partial_that_is_wrong_in_the_second_order_only_is_found() -> None:
    """cos x spelt by a node whose own rule is silently zero: order 1 is right, order 2 is not."""
    frozen = made(Constant("wrong"), np.cos).primitive
    call = sine(lambda y, x: apply(frozen, x))
    check_derivatives(call, {"x0": X}, 1)
    with pytest.raises(AssertionError, match="order 2"):
        check_derivatives(call, {"x0": X}, 2)


def test_a_constant_that_is_none_is_found() -> None:
    with pytest.raises(AssertionError, match="order 1"):
        check_derivatives(made(Constant("wrong"), np.sin), {"x0": X})


def test_partials_in_the_wrong_order_are_found() -> None:
    call = made(Partials((lambda y, x, z: x, lambda y, x, z: z)), lambda x, z: x * z, arity=2)
    with pytest.raises(AssertionError, match="order 1"):
        check_derivatives(call, {"x0": X, "x1": X[::-1] + 0.3})


def test_a_missing_second_partial_is_found() -> None:
    """The partial in the second operand is silently zero."""
    call = made(
        Partials((lambda y, x, z: z, lambda y, x, z: zeros(z.shape))), lambda x, z: x * z, arity=2
    )
    with pytest.raises(AssertionError, match="order 1 in x1"):
        check_derivatives(call, {"x0": X, "x1": X[::-1] + 0.3})


def test_a_wrong_mixed_derivative_is_found() -> None:
    """Right in each operand, wrong in one after the other."""
    frozen = made(Constant("wrong"), np.copy).primitive
    call = made(
        Partials((lambda y, x, z: apply(frozen, z), lambda y, x, z: x)), lambda x, z: x * z, arity=2
    )
    with pytest.raises(AssertionError, match="in x1"):
        check_derivatives(call, {"x0": X, "x1": X[::-1] + 0.3}, 2)


# ------------------------------------------------------------------ rules on whole arrays


def cumulated(x: Any) -> Any:
    return np.cumsum(x, axis=-1)


def lower_triangle() -> Expr:
    """A variable that stands for the matrix of cumsum."""
    return variable("L", (3, 3))


LEFT = np.tril(np.ones((3, 3)))


def push_cumsum(y: Expr, k: int, dx: Expr) -> Expr:
    lead = tuple(range(dx.ndim - 1))
    n = dx.ndim
    return contract([lower_triangle(), dx], [(n, n + 1), (*lead, n + 1)], (*lead, n))


def push_turned(y: Expr, k: int, dx: Expr) -> Expr:
    lead = tuple(range(dx.ndim - 1))
    n = dx.ndim
    return contract([lower_triangle(), dx], [(n + 1, n), (*lead, n + 1)], (*lead, n))


def test_a_right_pushforward_passes() -> None:
    call = made(Pushforward(push_cumsum), cumulated, elementwise=False)
    check_derivatives(call, {"x0": X, "L": LEFT}, 2)
    check_adjoint(call, {"x0": X, "L": LEFT}, np.random.default_rng(0))


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_pushforward_is_found(mode: str) -> None:
    call = made(Pushforward(push_turned), cumulated, elementwise=False)
    with pytest.raises(AssertionError, match="order 1"):
        check_derivatives(call, {"x0": X, "L": LEFT}, 1, (mode,))


def test_a_pushforward_that_forgets_a_term_is_found() -> None:
    """Softmax with diag(p) alone."""
    wrong = Pushforward(
        lambda p, k, dx: contract(
            [p, dx], [(dx.ndim - 1,), tuple(range(dx.ndim))], tuple(range(dx.ndim))
        )
    )
    call = made(wrong, lambda x: np.exp(x) / np.exp(x).sum(), elementwise=False)
    with pytest.raises(AssertionError, match="order 1"):
        check_derivatives(call, {"x0": X}, 1)
    assert softmax(variable("x", (3,))).name == "softmax"


def test_a_pushforward_that_mixes_extra_axes_is_found() -> None:
    """Right for one tangent, wrong for several: only the adjoint check sees it in every mode."""

    def push(y: Expr, k: int, dx: Expr) -> Expr:
        if dx.ndim < 2 or dx.shape[0] != 4:
            return dx
        lead = tuple(range(dx.ndim))
        return contract([dx], [lead], lead, coefficient=2)

    call = made(Pushforward(push), np.copy, elementwise=False)
    with pytest.raises(AssertionError, match="push"):
        check_adjoint(call, {"x0": X}, np.random.default_rng(0))


def test_a_wrong_transpose_is_found() -> None:
    """A Linear whose transpose is not that of its map: reverse fails, and so does the adjoint."""
    rule = Linear(
        lambda node, dx: push_cumsum(node, 0, dx),
        lambda node, ct: push_cumsum(node, 0, ct),
        lambda node: 1,
    )
    call = made(rule, cumulated, elementwise=False)
    values = {"x0": X, "L": LEFT}
    check_derivatives(call, values, 1, ("forward",))
    with pytest.raises(AssertionError, match="order 1"):
        check_derivatives(call, values, 1, ("reverse",))
    with pytest.raises(AssertionError, match="adjoint"):
        check_adjoint(call, values, np.random.default_rng(0))


def test_a_multilinear_with_a_wrong_pull_is_found() -> None:
    rule = Multilinear(lambda node, k, t: t, lambda node, k, ct: scale(2, ct))
    call = made(rule, np.copy, elementwise=False)
    with pytest.raises(AssertionError, match="adjoint"):
        check_adjoint(call, {"x0": X}, np.random.default_rng(0))
    with pytest.raises(AssertionError, match="order 1"):
        check_derivatives(call, {"x0": X}, 1, ("reverse",))


def test_a_rule_that_is_not_linear_in_its_tangent_is_refused() -> None:
    """The pullback is the transpose of the pushforward, so a nonlinear one has none."""
    rule = Pushforward(lambda y, k, dx: elementwise("sin", dx))
    call = made(rule, np.copy, elementwise=False)
    with pytest.raises(MissingRuleError, match="not linear"):
        derivative(call.node(), call.leaves(), "reverse")


# ------------------------------------------------------------------ missing rules


@pytest.mark.parametrize("mode", [*MODES, "auto", "backward"])
@pytest.mark.parametrize("order", [1, 2])
def test_a_missing_rule_is_an_error(mode: str, order: int) -> None:
    call = made(Undefined("nobody knows it"), np.sin)
    x = variable("x", (3,))
    for root in (
        call.on(x),
        contract([call.on(x)], [(0,)], ()),
        mul(x, call.on(elementwise("sin", x))),
        elementwise("log", call.on(x)),
    ):
        with pytest.raises(MissingRuleError, match=r"made has no derivative: nobody knows it"):
            derivative(root, [x] * order, mode)


def test_a_missing_rule_off_the_way_is_no_error() -> None:
    call = made(Undefined("nobody knows it"), np.sin)
    x, y = variable("x", (3,)), variable("y", (3,))
    for mode in MODES:
        assert derivative(mul(x, call.on(y)), [x], mode).shape == (3, 3)


def test_nothing_was_registered() -> None:
    assert "made" not in registry
