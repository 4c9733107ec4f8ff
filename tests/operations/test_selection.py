"""Masks, comparisons, integers, orders: values, what simplifies, 0 · ∞ where nothing is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from operations.support import MODES, assert_close, check_derivatives_of, evaluate
from wengert.backends import compile_plan
from wengert.derive import derivative
from wengert.errors import DomainError, ShapeError
from wengert.expr import Expr
from wengert.operations import (
    add,
    apply,
    arange,
    argmax,
    argmin,
    argsort,
    as_int,
    as_real,
    broadcast,
    broadcast_to,
    concatenate,
    constant,
    contract,
    elementwise,
    int_array,
    keep,
    matmul,
    max_,
    move_axis,
    mul,
    ones,
    power,
    rearrange,
    reshape,
    scale,
    slice_,
    sort,
    stack,
    sum_,
    take,
    transpose,
    variable,
    where,
    zeros,
)
from wengert.operations.discrete import Table
from wengert.plan import make_plan
from wengert.primitive import registry
from wengert.rewrite import display, lower, recognise

x, y, A = variable("x", (4,)), variable("y", (4,)), variable("A", (4, 4))
c = variable("c", (4,), dtype="bool")
VALUES: dict[str, Any] = {
    "x": np.array([0.5, -1.5, 2.0, 0.7]),
    "y": np.array([1.0, 0.3, -0.4, 2.2]),
    "A": np.cos(np.arange(16.0)).reshape(4, 4),
    "c": np.array([True, False, True, False]),
}


def call(name: str, *operands: Expr, **params: Any) -> Expr:
    return apply(registry[name], *operands, **params)


# ------------------------------------------------------------------ where and masks


def test_what_where_simplifies_to() -> None:
    no = call("logical_not", c)
    assert where(c, x, x) is x
    assert where(int_array([True] * 4), x, y) is x
    assert where(int_array([False] * 4), x, y) is y
    assert where(no, x, y) is where(c, y, x)
    assert where(c, x, constant(0)) is keep(x, c)
    assert where(c, constant(0), x) is keep(x, no)
    assert keep(keep(x, c), c) is keep(x, c)
    assert keep(keep(x, c), no) is zeros((4,))
    assert keep(where(c, x, y), c) is keep(x, c)
    assert keep(scale(3, x), c) is scale(3, keep(x, c))
    assert keep(zeros((4,)), c) is zeros((4,))
    assert call("logical_not", no) is c


def test_where_broadcasts() -> None:
    s = variable("s", ())
    column = variable("k", (4, 1), dtype="bool")
    values = {**VALUES, "s": 7.0, "k": VALUES["c"][:, None]}
    got = evaluate(where(column, x, s), values)
    np.testing.assert_array_equal(got, np.where(values["k"], values["x"], 7.0))
    with pytest.raises(ShapeError, match="cannot be broadcast"):
        where(c, variable("z", (3,)), y)
    with pytest.raises(ShapeError, match="truth values"):
        where(x, x, y)
    with pytest.raises(ShapeError, match="a mask of shape"):
        keep(variable("z", (3,)), c)


def _guarded() -> dict[str, tuple[Expr, Any, Any]]:
    """Expressions with a part that is infinite or NaN where it is not chosen."""
    positive = call("greater", x, zeros((4,)))
    root, log = power(x, "1/2"), elementwise("log", x)  # type: ignore[arg-type]
    p = np.array([0.0, 2.0, -1.0, 3.0])
    with np.errstate(all="ignore"):
        good = p > 0
        inverse, half = np.where(good, 1 / p, 0), np.where(good, 0.5 * p**-0.5, 0)
        logarithm = np.where(good, np.log(p), 0)
    return {
        "log": (where(positive, log, zeros((4,))), p, inverse),
        "log, not 0": (where(positive, log, y), p, inverse),
        "square root": (where(positive, root, y), p, half),
        "chain": (
            where(positive, elementwise("exp", scale(2, log)), y), p, np.where(good, 2 * p, 0)
        ),
        "product": (where(positive, mul(log, y), zeros((4,))), p, VALUES["y"] * inverse),
        "product with itself": (
            where(positive, mul(x, log), zeros((4,))), p, np.where(good, logarithm + 1, 0)
        ),
        "product outside": (mul(y, where(positive, log, zeros((4,)))), p, VALUES["y"] * inverse),
        "square": (power(where(positive, log, zeros((4,))), 2), p, 2 * logarithm * inverse),
    }  # fmt: skip


GUARDED = _guarded()


@pytest.mark.parametrize("case", GUARDED)
@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_chosen_has_no_derivative(case: str, mode: str) -> None:
    """Not even where it is 0 · ∞."""
    root, point, expected = GUARDED[case]
    values = {**VALUES, "x": point}
    gradient = derivative(sum_(root), [x], mode)
    np.testing.assert_allclose(evaluate(gradient, values), expected, rtol=1e-13)
    assert np.isfinite(evaluate(derivative(root, [x], mode), values)).all()
    assert np.isfinite(evaluate(derivative(gradient, [x], mode), values)).all()
    shown = display(gradient)
    np.testing.assert_allclose(evaluate(shown, values), expected, rtol=1e-12)


MASKED: dict[str, tuple[Expr, str]] = {
    "where of functions": (where(c, elementwise("sin", x), mul(x, x, y)), "x"),
    "product with a mask": (mul(keep(x, c), elementwise("exp", x)), "x"),
    "masked matrix": (sum_(mul(keep(matmul(A, A), c), transpose(A))), "A"),
    "masked rows": (
        contract([keep(transpose(A), c), A], [(1, 0), (0, 2)], (0, 2)), "A"
    ),
    "masked diagonal": (contract([keep(x, c), A], [(0,), (0, 1)], (0, 0, 1)), "x"),
    "masked sum": (keep(add([x, scale(2, y)], [2, 2]), c), "x"),
    "sorted": (mul(sort(x), y), "x"),
    "sorted columns": (elementwise("exp", sort(A, 0)), "A"),
    "largest": (take(x, [argmax(mul(x, x))]), "x"),
    "as max": (take(mul(x, y), [argmax(x)]), "x"),
}  # fmt: skip


@pytest.mark.parametrize("case", MASKED)
def test_derivatives_through_masks(case: str) -> None:
    root, name = MASKED[case]
    check_derivatives_of(root, variable(name, VALUES[name].shape), VALUES, orders=2)


@pytest.mark.parametrize("batched", [(True, False), (False, True), (True, True)], ids=str)
@pytest.mark.parametrize("lead", [(), (2,)], ids=str)
def test_batches_of_masks(batched: tuple[bool, bool], lead: tuple[int, ...]) -> None:
    shapes = ((*lead, 4), (4,))
    z, m = variable("z", shapes[0]), variable("m", shapes[1], dtype="bool")
    node = keep(z, m)
    wide = [((2,) if b else ()) + s for b, s in zip(batched, shapes, strict=True)]
    many = (variable("z", wide[0]), variable("m", wide[1], dtype="bool"))
    rng = np.random.default_rng(0)
    values = {"z": rng.standard_normal(wide[0]), "m": rng.random(wide[1]) < 0.5}
    assert node.primitive.batch is not None
    got = evaluate(node.primitive.batch(node, many, batched), values)
    for k in range(2):
        pairs = zip(values.items(), batched, strict=True)
        each = {n: v[k] if flag else v for (n, v), flag in pairs}
        np.testing.assert_array_equal(got[k], evaluate(node, each))


def test_float32_stays() -> None:
    mask = call("greater", x, y)
    for root in (where(mask, x, y), keep(x, mask), as_real(mask), mul(as_real(arange(4)), x)):
        for expr in (root, derivative(root, [x])):
            assert np.asarray(evaluate(expr, VALUES, np.float32)).dtype == np.float32


# ------------------------------------------------------------------ discrete


def test_patterns_stay_with_discrete_functions() -> None:
    """Products are of real numbers, so no pattern floats out of what is not real."""
    s = variable("s", ())
    wide = broadcast(s, (2, 3))
    values = {"s": 1.5}
    assert call("isnan", wide).dtype == "bool"
    assert evaluate(call("isnan", wide), values).dtype == np.bool_
    assert evaluate(call("as_int", wide), values).dtype == np.int64
    assert call("floor", wide) is broadcast(call("floor", s), (2, 3))


def test_moved_axes_of_masks_and_indices() -> None:
    k = variable("k", (2, 3), dtype="int")
    values = {"k": np.arange(6).reshape(2, 3)}
    cases = {
        "rearrange": (rearrange(k, (0, 1), (1, 2, 0), {2: 4}),
                      np.repeat(values["k"].T[:, None], 4, axis=1)),
        "move axis": (move_axis(k, 0, -1), values["k"].T),
        "broadcast": (broadcast_to(slice_(k, [slice(0, 1), None]), (5, 3)),
                      np.broadcast_to(values["k"][:1], (5, 3))),
        "reshape": (reshape(k, (3, 2)), values["k"].reshape(3, 2)),
        "reshape rows": (reshape(k, (2, 3, 1)), values["k"][..., None]),
        "stack": (stack([k, k]), np.stack([values["k"]] * 2)),
        "concatenate": (concatenate([k, k], 1), np.concatenate([values["k"]] * 2, 1)),
    }  # fmt: skip
    for name, (node, expected) in cases.items():
        assert node.dtype == "int", name
        assert node.shape == expected.shape, name
        got = evaluate(node, values)
        assert got.dtype.kind == "i", name
        np.testing.assert_array_equal(got, expected, err_msg=name)


def test_constants_of_integers_and_truth_values() -> None:
    assert int_array([1, 2]) is int_array(np.array([1, 2], np.int32))
    assert int_array([1, 0]) is not int_array([True, False])
    assert int_array([[1, 2]]) is not int_array([1, 2])
    assert int_array(3).shape == ()
    np.testing.assert_array_equal(evaluate(arange(5), {}), np.arange(5))
    assert evaluate(int_array([True]), {}).dtype == np.bool_
    assert evaluate(int_array([]), {}).dtype == np.int64
    with pytest.raises(ShapeError, match="integers or truth values"):
        int_array([0.5])
    values = np.arange(3)
    node = int_array(values)
    values[0] = 9
    np.testing.assert_array_equal(evaluate(node, {}), [0, 1, 2])
    assert len({Table([1, 2]), Table([1, 2]), Table([2, 1])}) == 2
    assert as_real(int_array([1, 1])) is ones((2,))
    assert call("int_add", arange(3), int_array([1, 1, 1])) is int_array([1, 2, 3])
    assert recognise(node) is lower(node) is node


def test_no_derivative_passes_through_what_is_discrete() -> None:
    for node in (
        call("floor", x), as_real(call("less", x, y)), as_real(as_int(x)), as_real(argsort(x))
    ):  # fmt: skip
        for mode in MODES:
            assert derivative(mul(node, y), [x], mode) is zeros((4, 4))
    root = sum_(mul(x, as_real(call("greater", x, y))))
    np.testing.assert_array_equal(
        evaluate(derivative(root, [x]), VALUES), VALUES["x"] > VALUES["y"]
    )


def test_comparisons_at_ties_and_nan() -> None:
    a, b = np.array([1.0, np.nan, -0.0, np.inf]), np.array([1.0, 1.0, 0.0, np.inf])
    for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"):
        got = evaluate(call(name, x, y), {"x": a, "y": b})
        np.testing.assert_array_equal(got, getattr(np, name)(a, b))
    for name in ("isnan", "isinf", "isfinite", "signbit"):
        np.testing.assert_array_equal(evaluate(call(name, x), {"x": a}), getattr(np, name)(a))


def test_comparisons_with_indices() -> None:
    k, m = variable("k", (3,), dtype="int"), arange(3)
    values = {"k": np.array([2, 1, 0])}
    np.testing.assert_array_equal(evaluate(call("less", k, m), values), [False, False, True])
    with pytest.raises(ShapeError, match="takes int operands, not real"):
        call("int_add", k, variable("z", (3,)))
    with pytest.raises(ShapeError, match="takes bool operands, not real"):
        call("logical_and", x, c)


def test_integers_have_no_infinity() -> None:
    k = variable("k", (2,), dtype="int")
    values = {"k": np.array([4, 0])}
    for name in ("int_floor_divide", "int_mod"):
        with pytest.raises(DomainError, match="divided by 0"):
            evaluate(call(name, int_array([1, 2]), k), values)
    for bad in (np.nan, np.inf, 1e300):
        with pytest.raises(DomainError, match="64-bit integers"):
            evaluate(as_int(x), {"x": np.array([1.0, bad, 0.0, 0.0])})
    assert as_int(k) is k


def test_halves_are_rounded_as_numpy_does() -> None:
    p = np.array([0.5, 1.5, -0.5, -2.5])
    for name in ("floor", "ceil", "rint", "trunc"):
        np.testing.assert_array_equal(evaluate(call(name, x), {"x": p}), getattr(np, name)(p))


# ------------------------------------------------------------------ orders


def test_places_at_ties() -> None:
    p = np.array([2.0, 1.0, 2.0, 1.0])
    assert evaluate(argmax(x), {"x": p}) == 0
    assert evaluate(argmin(x), {"x": p}) == 1
    np.testing.assert_array_equal(evaluate(argsort(x), {"x": p}), [1, 3, 0, 2])
    np.testing.assert_array_equal(evaluate(sort(x), {"x": p}), np.sort(p))
    jacobian = evaluate(derivative(sort(x), [x]), {"x": p})
    np.testing.assert_array_equal(jacobian, np.eye(4)[[1, 3, 0, 2]])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_orders_along_axes(axis: int) -> None:
    a = VALUES["A"]
    np.testing.assert_array_equal(evaluate(sort(A, axis), VALUES), np.sort(a, axis))
    np.testing.assert_array_equal(evaluate(argmax(A, axis), VALUES), np.argmax(a, axis))
    np.testing.assert_array_equal(evaluate(argmin(A, axis), VALUES), np.argmin(a, axis))
    np.testing.assert_array_equal(evaluate(argsort(A, axis), VALUES), np.argsort(a, axis))


def test_places_of_no_entries_are_errors() -> None:
    empty = variable("e", (2, 0))
    for place in (argmax, argmin):
        with pytest.raises(DomainError, match="of no entries"):
            evaluate(place(empty), {"e": np.zeros((2, 0))})
        with pytest.raises(ShapeError, match="scalar"):
            apply(place(x).primitive, variable("s", ()))
    assert evaluate(argsort(empty), {"e": np.zeros((2, 0))}).shape == (2, 0)


def test_the_derivative_of_a_gathered_maximum_is_the_maximums() -> None:
    gathered, plain = (derivative(r, [x]) for r in (take(x, [argmax(x)]), max_(x)))
    assert_close(evaluate(gathered, VALUES), evaluate(plain, VALUES))


def test_discrete_outputs_of_plans() -> None:
    plan = make_plan([argsort(x), call("less", x, y), arange(2), x], {})
    order, less, two, same = compile_plan(plan, np.dtype(np.float32))(
        {k: VALUES[k].astype(np.float32) for k in ("x", "y")}
    )
    assert order.dtype.kind == two.dtype.kind == "i"
    assert less.dtype == np.bool_
    assert same.dtype == np.float32
