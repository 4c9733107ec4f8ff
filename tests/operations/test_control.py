"""Loops and branches: values and derivatives against unrolled expressions and differences."""

from __future__ import annotations

import gc
import itertools
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from operations.support import MODES, assert_close, check_derivatives_of, evaluate
from wengert.backends import compile_plan
from wengert.derive import derivative
from wengert.derive.linearize import pullback
from wengert.errors import MissingRuleError, ShapeError
from wengert.expr import Expr, interned_count, topological
from wengert.operations import (
    add,
    apply,
    constant,
    contract,
    divide,
    elementwise,
    inv,
    matmul,
    mul,
    ones,
    plus,
    reshape,
    scale,
    sub,
    sum_,
    variable,
    zeros,
)
from wengert.operations.control import (
    close_over,
    cond,
    fori_loop,
    scan,
    switch,
    while_loop,
)
from wengert.operations.discrete import ARITHMETIC, COMPARISONS, as_real, int_array
from wengert.operations.indexing import slice_
from wengert.plan import make_plan
from wengert.plan.instructions import Loop
from wengert.primitive import Notation, Primitive, Undefined
from wengert.rewrite import lower, recognise
from wengert.shapes import symbol

RNG = np.random.default_rng(7)
SCALAR = variable("s", ())
VECTOR = variable("x", (2,))
MATRIX = variable("W", (2, 2))
INPUTS = variable("u", (3, 2))
VALUES = {
    "s": np.array(0.7),
    "x": RNG.normal(size=2),
    "W": 0.6 * RNG.normal(size=(2, 2)),
    "u": RNG.normal(size=(3, 2)),
}


def row(x: Expr, k: int) -> Expr:
    return slice_(x, [k, *[None] * (x.ndim - 1)])


def tanh(x: Expr) -> Expr:
    return elementwise("tanh", x)


def less(a: Expr, b: Expr) -> Expr:
    return apply(COMPARISONS["less"], a, b)


def unrolled(
    body: Callable[[list[Expr], list[Expr]], tuple[Sequence[Expr], Sequence[Expr]]],
    init: Sequence[Expr],
    xs: Sequence[Expr],
    length: int,
    reverse: bool = False,
) -> tuple[list[Expr], list[list[Expr]]]:
    """The steps written out: the carry, and the outputs of each step in the items' order."""
    carry, outputs = list(init), []
    for t in range(length - 1, -1, -1) if reverse else range(length):
        carry, ys = body(list(carry), [row(x, t) for x in xs])
        carry = list(carry)
        outputs.append(list(ys))
    return carry, outputs[::-1] if reverse else outputs


def check_equal(
    found: Expr,
    expected: Expr,
    leaves: Sequence[Expr],
    orders: int = 3,
    values: Mapping[str, Any] = VALUES,
    tolerance: float = 1e-9,
) -> None:
    """Values and derivatives agree, in all modes one after the other (all modes for order 3)."""
    assert_close(evaluate(found, values), evaluate(expected, values), tolerance)
    for leaf in leaves:
        reference = expected
        compositions: dict[tuple[str, ...], Expr] = {(): found}
        for order in range(1, orders + 1):
            reference = derivative(reference, [leaf], "reverse")
            target = evaluate(reference, values)
            last = ("forward", "reverse") if order == 3 else MODES
            compositions = {
                (*modes, mode): derivative(expr, [leaf], mode)
                for modes, expr in compositions.items()
                for mode in last
                if order < 3 or "cross-country" not in modes
            }
            for modes, expr in compositions.items():
                what = f"{leaf.param('name')} {modes}"
                assert_close(evaluate(expr, values), target, tolerance, what)


# ------------------------------------------------------------------ scan


def cell(carry: list[Expr], items: list[Expr]) -> tuple[list[Expr], list[Expr]]:
    """A recurrent cell with two carries, closures and an output."""
    h, total = carry
    new = tanh(add([matmul(MATRIX, h), items[0], mul(SCALAR, VECTOR)]))
    return [new, plus(total, sum_(mul(new, h)))], [mul(new, new)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", [False, 2, True])
def test_scan_is_its_steps(reverse: bool, checkpoint: bool | int) -> None:
    init = [VECTOR, SCALAR]
    carry, ys = scan(cell, init, [INPUTS], reverse=reverse, checkpoint=checkpoint)
    last, outputs = unrolled(cell, init, [INPUTS], 3, reverse)
    weights = [constant(k + 2) for k in range(3)]
    found = add(
        [
            mul(carry[1], sum_(mul(carry[0], carry[0]))),
            *(mul(weights[t], sum_(row(ys[0], t))) for t in range(3)),
        ]
    )
    expected = add(
        [
            mul(last[1], sum_(mul(last[0], last[0]))),
            *(mul(weights[t], sum_(outputs[t][0])) for t in range(3)),
        ]
    )
    orders = 3 if checkpoint is False else 2
    leaves = [SCALAR, VECTOR] if reverse or checkpoint else [SCALAR, VECTOR, MATRIX]
    check_equal(found, expected, leaves, orders)
    check_equal(found, expected, [MATRIX, INPUTS], 1)


def test_stacked_outputs_with_array_cotangents() -> None:
    init = [VECTOR, SCALAR]
    _, ys = scan(cell, init, [INPUTS])
    _, outputs = unrolled(cell, init, [INPUTS], 3)
    for t in range(3):
        check_equal(row(ys[0], t), outputs[t][0], [VECTOR, INPUTS], 2)


def test_derivatives_are_those_of_differences() -> None:
    carry, ys = scan(cell, [VECTOR, SCALAR], [INPUTS])
    check_derivatives_of(plus(carry[1], sum_(ys[0])), VECTOR, VALUES, 3)
    check_derivatives_of(carry[0], INPUTS, VALUES, 2)


def test_third_derivative_of_a_power() -> None:
    (power,), _ = scan(lambda c, _: ([mul(c[0], SCALAR)], []), [constant(1)], length=7)
    s = float(VALUES["s"])
    for modes in itertools.product(MODES, repeat=3):
        found = power
        for mode in modes:
            found = derivative(found, [SCALAR], mode)
        assert_close(evaluate(found, VALUES), 7 * 6 * 5 * s**4)


def test_fourth_order_and_mixed() -> None:
    def step(c: list[Expr], _: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        return [elementwise("sin", mul(c[0], SCALAR))], []

    (found,), _ = scan(step, [SCALAR], length=3)
    (expected,), _ = unrolled(step, [SCALAR], [], 3)
    for modes in (("forward",) * 4, ("reverse",) * 4, ("reverse", "forward") * 2):
        f, e = found, expected
        for mode in modes:
            f, e = derivative(f, [SCALAR], mode), derivative(e, [SCALAR], "reverse")
        assert_close(evaluate(f, VALUES), evaluate(e, VALUES), 1e-9)


def test_no_steps() -> None:
    carry, ys = scan(cell, [VECTOR, SCALAR], [zeros((0, 2))])
    assert ys[0].shape == (0, 2)
    check_equal(carry[0], VECTOR, [VECTOR, MATRIX], 1)
    assert evaluate(ys[0], VALUES).shape == (0, 2)


def test_integers_and_truth_values_are_carried() -> None:
    """Σ k s over the even steps k, the step counted in the carry."""

    def step(c: list[Expr], _: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        k, even, total = c
        new = apply(ARITHMETIC["int_add"], k, int_array(1))
        gained = mul(as_real(k), as_real(even), mul(SCALAR, SCALAR))
        return [new, elementwise("logical_not", even), plus(total, gained)], [k]

    (k, even, total), (seen,) = scan(step, [int_array(0), int_array(True), constant(0)], length=5)
    assert (k.dtype, even.dtype, total.dtype, seen.dtype) == ("int", "bool", "real", "int")
    assert evaluate(k, VALUES) == 5
    assert not evaluate(even, VALUES)
    assert evaluate(seen, VALUES).dtype == np.int64
    assert evaluate(seen, VALUES).tolist() == [0, 1, 2, 3, 4]
    check_equal(total, scale(6, mul(SCALAR, SCALAR)), [SCALAR])


def test_nested_scans() -> None:
    """Closures of the inner loop are the outer loop's carry and items."""

    def outer(c: list[Expr], i: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        def inner(d: list[Expr], j: list[Expr]) -> tuple[list[Expr], list[Expr]]:
            return [tanh(plus(mul(d[0], SCALAR), mul(j[0], sum_(c[0]))))], [d[0]]

        (last,), (ys,) = scan(inner, [sum_(mul(c[0], i[0]))], [i[0]])
        return [mul(last, c[0])], [sum_(ys)]

    def outer_by_steps(c: list[Expr], i: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        def inner(d: list[Expr], j: list[Expr]) -> tuple[list[Expr], list[Expr]]:
            return [tanh(plus(mul(d[0], SCALAR), mul(j[0], sum_(c[0]))))], [d[0]]

        (last,), ys = unrolled(inner, [sum_(mul(c[0], i[0]))], [i[0]], 2)
        return [mul(last, c[0])], [add([y[0] for y in ys])]

    carry, ys = scan(outer, [VECTOR], [INPUTS])
    last, outputs = unrolled(outer_by_steps, [VECTOR], [INPUTS], 3)
    found = plus(sum_(carry[0]), sum_(ys[0]))
    expected = add([sum_(last[0]), *(y[0] for y in outputs)])
    check_equal(found, expected, [SCALAR, VECTOR])
    check_equal(found, expected, [INPUTS], 2)


def test_expressions_from_outside_are_computed_once() -> None:
    heavy = inv(plus(MATRIX, scale(3, contract([], [], (0, 0), sizes={0: 2}))))
    body = lambda c, _: ([matmul(heavy, c[0])], [])  # noqa: E731
    (found,), _ = scan(body, [VECTOR], length=3)
    assert heavy in found.operands
    (expected,), _ = unrolled(body, [VECTOR], [], 3)
    check_equal(sum_(found), sum_(expected), [MATRIX], 2)


def test_equal_bodies_are_equal_nodes() -> None:
    def build() -> Expr:
        return scan(cell, [VECTOR, SCALAR], [INPUTS])[0][0]

    one, other = build(), build()
    assert one is other
    assert derivative(one, [MATRIX]) is derivative(other, [MATRIX])


def test_one_loop_back_for_all_cotangents() -> None:
    carry, ys = scan(cell, [VECTOR, SCALAR], [INPUTS])
    loss = add([sum_(carry[0]), carry[1], sum_(ys[0])])
    leaves = [SCALAR, VECTOR, MATRIX, INPUTS]
    gradients = [g for g in pullback([loss], [ones(())], leaves) if g is not None]
    plan = make_plan([loss, *gradients], {})
    assert sum(isinstance(i, Loop) for i in plan.instructions) == 2
    plan = make_plan([loss], {})
    (loop,) = (i for i in plan.instructions if isinstance(i, Loop))
    assert all(r.kind != "record" for r in loop.results)


def test_only_what_is_asked_for_is_run() -> None:
    def body(c: list[Expr], _: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        return [mul(c[0], SCALAR), matmul(MATRIX, c[1])], []

    (found, _), _ = scan(body, [constant(1), VECTOR], length=4)
    plan = make_plan([found], {})
    (loop,) = (i for i in plan.instructions if isinstance(i, Loop))
    assert len(loop.inits) == 1
    assert_close(evaluate(found, {"s": np.array(2.0)}), 16.0)


def test_symbolic_sizes() -> None:
    n, t = symbol("n"), symbol("t")
    x, u = variable("x", (n,)), variable("u", (t, n))
    (found,), _ = scan(lambda c, i: ([tanh(plus(c[0], i[0]))], []), [x], [u])
    gradient = derivative(sum_(found), [u])
    assert gradient.shape == (t, n)
    value = evaluate(gradient, {k: VALUES[k] for k in ("x", "u")}, sizes={"n": 2, "t": 3})
    (expected,), _ = unrolled(lambda c, i: ([tanh(plus(c[0], i[0]))], []), [VECTOR], [INPUTS], 3)
    assert_close(value, evaluate(derivative(sum_(expected), [INPUTS]), VALUES))


def test_float32_stays() -> None:
    carry, ys = scan(cell, [VECTOR, SCALAR], [INPUTS])
    for e in (carry[0], ys[0], derivative(carry[1], [MATRIX])):
        assert evaluate(e, VALUES, np.float32).dtype == np.float32


def test_stable_forms_inside() -> None:
    """log(1 + exp(x)) in a body is evaluated without overflow."""
    step = lambda c, _: ([elementwise("log", plus(constant(1), elementwise("exp", c[0])))], [])  # noqa: E731
    (found,), _ = scan(step, [SCALAR], length=2)
    assert_close(evaluate(recognise(found), {"s": np.array(1000.0)}), 1000.0)


# ------------------------------------------------------------------ counting loops


def test_fori_loop() -> None:
    def body(i: Expr, c: list[Expr]) -> list[Expr]:
        return [plus(mul(c[0], SCALAR), as_real(i))]

    def expected(first: int, stop: int) -> Expr:
        total: Expr = SCALAR
        for k in range(first, stop):
            total = plus(mul(total, SCALAR), constant(k))
        return total

    for first, stop in ((0, 4), (2, 5), (3, 3), (5, 2)):
        (found,) = fori_loop(first, stop, body, [SCALAR])
        check_equal(found, expected(first, stop), [SCALAR])
    bound = variable("n", (), dtype="int")
    (found,) = fori_loop(1, bound, body, [SCALAR])
    for n in (0, 1, 2, 5):
        check_equal(found, expected(1, n), [SCALAR], values={**VALUES, "n": np.int64(n)})


# ------------------------------------------------------------------ while


def newton(limit: int | None = None, checkpoint: bool | int = False) -> Expr:
    """The square root of s by Heron's steps from 1."""

    def going(c: list[Expr]) -> Expr:
        gap = elementwise("abs", sub(mul(c[0], c[0]), SCALAR))
        return less(constant(Fraction(1, 10**13)), gap)

    def step(c: list[Expr]) -> list[Expr]:
        half = constant(Fraction(1, 2))
        return [mul(half, plus(c[0], divide(SCALAR, c[0])))]

    return while_loop(going, step, [constant(1)], limit, checkpoint=checkpoint)[0]


@pytest.mark.parametrize("limit", [None, 50])
@pytest.mark.parametrize("checkpoint", [False, True, 2])
def test_while_finds_a_root_and_its_derivatives(limit: int | None, checkpoint: bool | int) -> None:
    found = newton(limit, checkpoint)
    s = float(VALUES["s"])
    expected = [s**0.5, 0.5 * s**-0.5]
    assert_close(evaluate(found, VALUES), expected[0])
    for mode in MODES:
        assert_close(evaluate(derivative(found, [SCALAR], mode), VALUES), expected[1], 1e-6)


def bounded(c: list[Expr]) -> Expr:
    return less(sum_(mul(c[0], c[0])), constant(50))


def growing(c: list[Expr]) -> list[Expr]:
    h, total = c
    new = plus(scale(2, h), mul(SCALAR, elementwise("sin", matmul(MATRIX, h))))
    return [new, plus(total, sum_(mul(h, new)))]


def while_by_steps(values: Mapping[str, Any], limit: int = 100) -> tuple[list[Expr], int]:
    carry: list[Expr] = [VECTOR, SCALAR]
    steps = 0
    while evaluate(bounded(carry), values) and steps < limit:
        carry = growing(carry)
        steps += 1
    return carry, steps


@pytest.mark.parametrize("limit", [None, 2, 10])
@pytest.mark.parametrize("checkpoint", [False, 2])
def test_while_is_its_steps(limit: int | None, checkpoint: bool | int) -> None:
    carry = while_loop(bounded, growing, [VECTOR, SCALAR], limit, checkpoint=checkpoint)
    last, steps = while_by_steps(VALUES, 100 if limit is None else limit)
    assert steps >= 2
    found, expected = mul(carry[1], sum_(carry[0])), mul(last[1], sum_(last[0]))
    check_equal(found, expected, [SCALAR, VECTOR], 2 if checkpoint else 3, tolerance=1e-8)
    check_equal(found, expected, [MATRIX], 1)


def test_while_without_a_step() -> None:
    values = {**VALUES, "x": np.array([10.0, 20.0])}
    carry = while_loop(bounded, growing, [VECTOR, SCALAR])
    for found, leaf in zip(carry, (VECTOR, SCALAR), strict=True):
        check_equal(found, leaf, [VECTOR, SCALAR, MATRIX], 2, values)


def test_while_within_a_scan() -> None:
    def body(c: list[Expr], i: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        carry = while_loop(bounded, growing, [plus(c[0], i[0]), SCALAR])
        return [scale(Fraction(1, 30), carry[0])], [carry[1]]

    def by_steps(c: list[Expr], i: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        carry: list[Expr] = [plus(c[0], i[0]), SCALAR]
        while evaluate(bounded(carry), VALUES):
            carry = growing(carry)
        return [scale(Fraction(1, 30), carry[0])], [carry[1]]

    carry, ys = scan(body, [VECTOR], [INPUTS])
    last, outputs = unrolled(by_steps, [VECTOR], [INPUTS], 3)
    found = plus(sum_(carry[0]), sum_(ys[0]))
    expected = add([sum_(last[0]), *(y[0] for y in outputs)])
    check_equal(found, expected, [SCALAR], 3, tolerance=1e-8)
    check_equal(found, expected, [VECTOR], 2, tolerance=1e-8)


# ------------------------------------------------------------------ branches


def test_cond_takes_the_branch() -> None:
    positive = less(constant(0), SCALAR)
    true = lambda o: [mul(o[0], sum_(matmul(MATRIX, o[1]))), o[1]]  # noqa: E731
    false = lambda o: [elementwise("exp", o[0]), scale(3, o[1])]  # noqa: E731
    found = cond(positive, true, false, [mul(SCALAR, SCALAR), VECTOR])
    for s, branch in ((0.7, true), (-0.7, false)):
        expected = branch([mul(SCALAR, SCALAR), VECTOR])
        values = {**VALUES, "s": np.array(s)}
        combined = mul(found[0], sum_(mul(found[1], found[1])))
        reference = mul(expected[0], sum_(mul(expected[1], expected[1])))
        check_equal(combined, reference, [SCALAR, VECTOR], 3, values)
        check_equal(combined, reference, [MATRIX], 2, values)


def test_the_other_branch_is_not_computed() -> None:
    """Neither its value nor its derivative: at 0 both would be infinite or NaN."""
    log = lambda o: [mul(o[0], elementwise("log", o[0]))]  # noqa: E731
    (found,) = cond(less(constant(0), SCALAR), log, lambda o: [mul(o[0], o[0])], [SCALAR])
    values = {"s": np.array(0.0)}
    for modes in itertools.product(("forward", "reverse"), repeat=2):
        first = derivative(found, [SCALAR], modes[0])
        assert evaluate(first, values) == 0
        assert evaluate(derivative(first, [SCALAR], modes[1]), values) == 2

    def endless(o: list[Expr]) -> list[Expr]:
        return while_loop(lambda c: less(constant(-1), mul(c[0], c[0])), lambda c: c, o)

    (found,) = cond(less(constant(0), SCALAR), endless, lambda o: [scale(2, o[0])], [SCALAR])
    assert evaluate(derivative(found, [SCALAR]), values) == 2


def test_switch_clamps() -> None:
    index = variable("k", (), dtype="int")
    branches = [lambda o, n=n: [scale(n + 1, mul(o[0], SCALAR))] for n in range(3)]
    (found,) = switch(index, branches, [VECTOR])
    for k, n in ((-1, 0), (0, 0), (1, 1), (2, 2), (7, 2)):
        values = {**VALUES, "k": np.int64(k)}
        check_equal(found, scale(n + 1, mul(VECTOR, SCALAR)), [SCALAR, VECTOR], 2, values)


def test_cond_within_a_scan() -> None:
    def body(c: list[Expr], i: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        (new,) = cond(
            less(constant(0), sum_(i[0])),
            lambda o: [tanh(mul(SCALAR, o[0]))],
            lambda o: [mul(o[0], o[1])],
            [c[0], i[0]],
        )
        return [new], []

    def by_steps(c: list[Expr], i: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        if evaluate(sum_(i[0]), VALUES) > 0:
            return [tanh(mul(SCALAR, c[0]))], []
        return [mul(c[0], i[0])], []

    (found,), _ = scan(body, [VECTOR], [INPUTS])
    (expected,), _ = unrolled(by_steps, [VECTOR], [INPUTS], 3)
    check_equal(sum_(found), sum_(expected), [SCALAR, VECTOR, INPUTS], 2)


# ------------------------------------------------------------------ programs


def test_programs_are_closed() -> None:
    own = variable("own", (2,))
    outside = matmul(MATRIX, VECTOR)
    program, operands = close_over([mul(own, outside), plus(own, mul(VECTOR, SCALAR))], [own])
    assert set(operands) == {outside, VECTOR, SCALAR}
    leaves = {n for n in topological(*program.roots) if not n.operands and n.name == "variable"}
    assert leaves == set(program.leaves)
    assert program(own, *operands)[0] is mul(own, outside)
    renamed = variable("renamed", (2,))
    again, _ = close_over([mul(renamed, outside), plus(renamed, mul(VECTOR, SCALAR))], [renamed])
    assert again == program
    assert hash(again) == hash(program)
    assert repr(again) == repr(program)
    program, operands = close_over([mul(own, outside)], [own], hoist=False)
    assert set(operands) == {MATRIX, VECTOR}


def test_undefined_derivatives_inside_are_refused() -> None:
    """Only if the derivative asked for passes through them."""
    body = lambda c, _: ([apply(OPAQUE, c[0]), mul(c[1], SCALAR)], [])  # noqa: E731
    (opaque, plain), _ = scan(body, [SCALAR, SCALAR], length=2)
    for mode in MODES:
        with pytest.raises(MissingRuleError, match="for the test"):
            derivative(opaque, [SCALAR], mode)
        assert_close(evaluate(derivative(plain, [SCALAR], mode), VALUES), 3 * 0.7**2)
    opaque, plain = cond(
        less(constant(0), SCALAR),
        lambda o: [apply(OPAQUE, o[0]), mul(o[0], o[0])],
        lambda o: [o[0], o[0]],
        [SCALAR],
    )
    for mode in MODES:
        with pytest.raises(MissingRuleError, match="for the test"):
            derivative(opaque, [SCALAR], mode)
        assert_close(evaluate(derivative(plain, [SCALAR], mode), VALUES), 2 * 0.7)


OPAQUE = Primitive(
    "opaque", 1, lambda operands, params: operands[0].shape, lambda node, x: x,
    Undefined("none for the test"), Notation.function("opaque"),
)  # fmt: skip


# ------------------------------------------------------------------ errors


def test_a_carry_that_changes_is_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"part 1 of the carry after a step is real 3.*real scalar"
    ):
        scan(lambda c, _: ([c[0], zeros((3,))], []), [VECTOR, SCALAR], length=2)
    with pytest.raises(ShapeError, match=r"part 0 of the carry after a step is real.*int"):
        scan(lambda c, _: ([as_real(c[0])], []), [int_array(0)], length=2)
    with pytest.raises(ShapeError, match="parts of the carry after a step: 1 are given, 2"):
        scan(lambda c, _: ([c[0]], []), [VECTOR, SCALAR], length=2)
    with pytest.raises(ShapeError, match="needs its length"):
        scan(lambda c, _: (c, []), [VECTOR])
    with pytest.raises(ShapeError, match="differ in length"):
        scan(lambda c, _: (c, []), [VECTOR], [INPUTS, zeros((2,))])
    with pytest.raises(ShapeError, match="differ in length"):
        scan(lambda c, _: (c, []), [VECTOR], [INPUTS], 4)
    with pytest.raises(ShapeError, match="a scalar has none"):
        scan(lambda c, _: (c, []), [VECTOR], [SCALAR])
    with pytest.raises(ShapeError, match="one truth value"):
        while_loop(lambda c: c[0], lambda c: c, [SCALAR])
    with pytest.raises(ShapeError, match="0 or more"):
        while_loop(bounded, growing, [VECTOR, SCALAR], -1)
    with pytest.raises(ShapeError, match="result 0 of branch 1 is real 2"):
        cond(less(constant(0), SCALAR), lambda o: [VECTOR], lambda o: o, [SCALAR])
    with pytest.raises(ShapeError, match="chosen by one truth value"):
        cond(SCALAR, lambda o: o, lambda o: o, [SCALAR])
    with pytest.raises(ShapeError, match="at least one function"):
        switch(int_array(0), [], [SCALAR])
    with pytest.raises(ShapeError, match="length as a number"):
        scan(lambda c, _: (c, []), [VECTOR], length=symbol("t"), checkpoint=True)


# ------------------------------------------------------------------ long loops


def _logistic(length: int, checkpoint: bool | int = False) -> Expr:
    def step(c: list[Expr], _: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        return [mul(SCALAR, c[0], sub(constant(1), c[0]))], []

    return scan(step, [constant(Fraction(1, 3))], length=length, checkpoint=checkpoint)[0][0]


def test_long_loops_neither_recurse_nor_leak() -> None:
    length = 100_000
    values = {"s": np.array(0.9)}
    reverse = derivative(_logistic(length), [SCALAR], "reverse")
    forward = derivative(_logistic(length), [SCALAR], "forward")
    assert_close(evaluate(reverse, values), evaluate(forward, values))
    c, dc = 1 / 3, 0.0
    for _ in range(length):
        c, dc = 0.9 * c * (1 - c), c * (1 - c) + 0.9 * dc * (1 - 2 * c)
    assert abs(evaluate(forward, values) - dc) < 1e-12
    del reverse, forward
    gc.collect()
    before = interned_count()
    for _ in range(3):
        derivative(derivative(_logistic(length), [SCALAR], "reverse"), [SCALAR], "forward")
    gc.collect()
    assert interned_count() <= before + 5


@pytest.mark.parametrize("order", [1, 2])
def test_checkpoints_save_memory(order: int) -> None:
    """Carries of 1000 numbers over 400 steps: 3.2 MB of records, or those of about 40 steps."""
    x = variable("x", (1000,))

    def run(checkpoint: bool) -> tuple[int, Any]:
        step = lambda c, _: ([elementwise("sin", mul(c[0], SCALAR))], [])  # noqa: E731
        (last,), _ = scan(step, [x], length=400, checkpoint=checkpoint)
        root = sum_(last)
        for _ in range(order):
            root = derivative(root, [SCALAR], "reverse")
        program = compile_plan(make_plan([lower(root)], {}), np.dtype(float))
        values = {"s": np.array(1.1), "x": np.linspace(-1, 1, 1000)}
        tracemalloc.start()
        result = program(values)[0]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, result

    full, expected = run(False)
    small, found = run(True)
    assert_close(found, expected)
    assert full > 3_000_000
    assert small < full / 5


def test_steps_are_cheap() -> None:
    program = compile_plan(make_plan([_logistic(20_000)], {}), np.dtype(float))
    start = time.perf_counter()
    program({"s": np.array(0.9)})
    assert (time.perf_counter() - start) / 20_000 < 100e-6


def test_reshaped_items() -> None:
    """Items of a matrix reshaped inside, with extra axes of tangents and cotangents."""
    u = variable("u", (3, 4))
    body = lambda c, i: ([matmul(reshape(i[0], (2, 2)), c[0])], [])  # noqa: E731
    (found,), _ = scan(body, [VECTOR], [u])
    (expected,), _ = unrolled(body, [VECTOR], [u], 3)
    check_equal(found, expected, [u, VECTOR], 2, {**VALUES, "u": RNG.normal(size=(3, 4))})


def test_programs_are_written() -> None:
    """The notation of a node with a program has places for its operands only."""
    carry, _ = scan(cell, [VECTOR, SCALAR], [INPUTS])
    (grown, _) = while_loop(bounded, growing, [VECTOR, SCALAR])
    (chosen,) = cond(less(constant(0), SCALAR), lambda o: o, lambda o: o, [VECTOR])
    for node in (carry[0], grown, chosen):
        notation = node.primitive.notation_of(node)
        names = "abcdefgh"[: len(node.operands)]
        for template in (notation.text, notation.unicode, notation.latex, notation.numpy):
            assert ", ".join(names) in template.format(*names)
    assert "Loop" in str(make_plan([carry[0]], {}))
