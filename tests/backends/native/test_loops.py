"""Loops and branches as native code: the same results as NumPy's steps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from backends.native.comparing import check
from wengert.backends import compile_plan, compile_with
from wengert.derive.linearize import pullback
from wengert.expr import Expr
from wengert.operations import apply, constant, elementwise, mul, plus, scale, sum_, variable
from wengert.operations.control import scan, switch, while_loop
from wengert.operations.discrete import ARITHMETIC, COMPARISONS, as_real, int_array
from wengert.plan import make_plan
from wengert.plan.instructions import Branch, Loop, Pair
from wengert.primitive import Notation, Primitive, Undefined

RNG = np.random.default_rng(5)


def all_orders(function: Callable[..., Any], x: Any) -> None:
    """The function of one array, and its derivatives up to the third."""
    check(function, x)
    for modes in (("forward",), ("reverse",), ("reverse", "forward"), ("reverse",) * 3):
        derived = function
        for mode in modes:
            derived = wg.jacobian(derived, mode=mode)
        check(derived, x)


# ---------------------------------------------------------------- scans

W = 0.6 * RNG.normal(size=(3, 3))


def cell(carry: Any, item: Any) -> Any:
    h, total = carry
    new = np.tanh(W @ h + item)
    return (new, total + np.sum(new * h)), (new * h, total)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_scans_of_vectors(length: int, reverse: bool) -> None:
    items = RNG.normal(size=(length, 3))

    def f(x: Any) -> Any:
        (h, total), (stacked, totals) = wg.scan(cell, (x, x[0]), items, reverse=reverse)
        return h, total, stacked, totals, np.sum(totals) * np.sum(stacked)

    check(f, RNG.normal(size=3))


@pytest.mark.parametrize("reverse", [False, True])
def test_derivatives_of_scans(reverse: bool) -> None:
    items = RNG.normal(size=(4, 3))

    def f(x: Any) -> Any:
        (h, total), (stacked, _) = wg.scan(cell, (x, x[0] * x[1]), items, reverse=reverse)
        return np.sum(h) * total + np.sum(stacked**2)

    if reverse:
        check(wg.hessian(f), RNG.normal(size=3))
    else:
        all_orders(f, RNG.normal(size=3))
    check(wg.grad(lambda x, u: np.sum(wg.scan(cell, (x, x[0]), u)[1][0]), (0, 1)),
          RNG.normal(size=3), items)  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_recurrent_networks(n: int, dtype: Any) -> None:
    """Small products are loops, large ones BLAS; both in the loop."""

    def loss(A: Any, B: Any, u: Any) -> Any:
        def step(h: Any, item: Any) -> Any:
            h = np.tanh(A @ h + B @ item)
            return h, np.sum(h * h)

        _, ys = wg.scan(step, np.zeros(n, u.dtype), u)
        return np.sum(ys)

    A, B = (0.5 * RNG.normal(size=(n, n)) / n**0.5 for _ in range(2))
    u = RNG.normal(size=(6, n))
    check(wg.value_and_grad(loss, (0, 1, 2)), *(v.astype(dtype) for v in (A, B, u)))


def test_batches_of_rows() -> None:
    """Carries and items are matrices, items of a view whose steps are not its first axis."""

    def loss(A: Any, u: Any) -> Any:
        def step(H: Any, item: Any) -> Any:
            H = np.tanh(H @ A + item)
            return H, H[:, 0]

        H, ys = wg.scan(step, np.zeros((5, 4)), np.transpose(u, (1, 0, 2)))
        return np.sum(H) + np.sum(ys**2)

    check(wg.value_and_grad(loss, (0, 1)), RNG.normal(size=(4, 4)), RNG.normal(size=(5, 6, 4)))


def test_carries_that_change_places() -> None:
    """A new carry that is another's old one, or its own, or an output's, is a copy."""

    def f(x: Any, y: Any, z: Any) -> Any:
        def step(c: Any, item: Any) -> Any:
            a, b, fixed, ones = c
            return (b, a, fixed, ones), (a, b, item, fixed)

        return wg.scan(step, (x, y, x, np.ones(3)), z)

    for length in (0, 1, 2, 3):
        check(f, np.arange(3.0), np.arange(3.0) + 10, RNG.normal(size=(length, 2)))
    x = np.arange(3.0)
    check(f, x, x, RNG.normal(size=(3, 2)))  # the same array twice


def test_results_are_arrays_of_their_own() -> None:
    def f(x: Any) -> Any:
        return wg.scan(lambda c, _: (c, c), x, length=2)

    x = np.arange(4.0)
    fast = wg.compile(f, engine="native")
    last, stacked = fast(x)
    again, _ = fast(x)
    last[...] = 7
    stacked[...] = 8
    assert x.tolist() == again.tolist() == [0, 1, 2, 3]


def test_integers_and_truth_values() -> None:
    s = variable("s", ())

    def step(c: list[Expr], _: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        k, even, total = c
        gained = mul(as_real(k), as_real(even), s)
        new = apply(ARITHMETIC["int_add"], k, int_array(1))
        return [new, elementwise("logical_not", even), plus(total, gained)], [k, even]

    init = [int_array(0), int_array(True), s]
    carry, ys = scan(step, init, length=5)
    plan = make_plan([*carry, *ys], {})
    program: Any = compile_with(plan, np.dtype(float), "native")
    assert program.function is not None
    k, even, total, ks, evens = program({"s": np.float64(0.5)})
    assert (k, even, total) == (5, False, 0.5 + 0.5 * 6)
    assert ks.dtype == np.int64
    assert evens.dtype == np.bool_
    assert ks.tolist() == [0, 1, 2, 3, 4]
    assert evens.tolist() == [True, False, True, False, True]


def test_nothing_varies() -> None:
    """Outputs from constants only, a carry that is a number, items that are not read."""

    def f(x: Any, u: Any) -> Any:
        def step(c: Any, item: Any) -> Any:
            return np.zeros(()) + 3, (np.exp(x), 2.5 * np.ones(2), np.sum(x) * np.ones(3))

        return wg.scan(step, np.zeros(()), u)

    for length in (0, 1, 3):
        check(f, RNG.normal(size=4), np.zeros((length, 2)))


def test_empty_arrays() -> None:
    def f(x: Any, u: Any) -> Any:
        return wg.scan(lambda c, item: (c * item, c + item), x, u)

    check(f, np.zeros(0), np.zeros((3, 0)))
    check(f, np.zeros((2, 0)), np.zeros((3, 2, 0)))
    check(f, np.zeros(0), np.zeros((0, 0)))


def test_nested_scans() -> None:
    def f(x: Any) -> Any:
        def outer(c: Any, row: Any) -> Any:
            def inner(d: Any, item: Any) -> Any:
                return np.sin(d * x) + item * np.sum(c), d * c

            last, stacked = wg.scan(inner, c * row[0], row)
            return last, np.sum(stacked, axis=0)

        last, stacked = wg.scan(outer, x, np.arange(6.0).reshape(3, 2))
        return np.sum(last) + np.sum(stacked**2)

    check(wg.value_and_grad(f), RNG.normal(size=2))
    check(wg.jacobian(wg.grad(f), mode="forward"), RNG.normal(size=2))


def test_known_arrays_inside() -> None:
    """Tables of two programs with the same slots are told apart."""

    def f(x: Any) -> Any:
        one, _ = wg.scan(lambda c, _: (c * np.array([1.0, 2.0]), None), x, length=2)
        other, _ = wg.scan(lambda c, _: (c + np.array([5.0, 7.0]), None), one, length=2)
        return other

    check(f, np.array([1.0, 1.0]))


def test_blocks_of_rows_in_loops() -> None:
    """Gradient descent: each step reads the large array once, some rows at a time."""

    def train(w: Any, X: Any, y: Any) -> Any:
        def step(w: Any, _: Any) -> Any:
            loss = lambda w: np.mean(np.logaddexp(0, -y * (X @ w)))  # noqa: E731
            value, gradient = wg.value_and_grad(loss)(w)
            return w - 0.5 * gradient, value

        return wg.scan(step, w, None, length=3)

    X = RNG.normal(size=(4001, 20))
    check(train, np.zeros(20), X, np.sign(X[:, 0]))
    check(wg.grad(lambda *a: np.sum(train(*a)[1])), np.zeros(20), X, np.sign(X[:, 0]))


def test_long_bodies_are_several_functions() -> None:
    def f(x: Any) -> Any:
        def step(c: Any, _: Any) -> Any:
            for k in range(70):
                c = np.sin(c) + np.sum(c) * (0.001 * k)
            return c, c[0]

        last, stacked = wg.scan(step, x, length=3)
        return np.sum(last) + np.sum(stacked)

    check(f, RNG.normal(size=5))


# ---------------------------------------------------------------- counts and conditions


def test_counted_loops() -> None:
    """Fewer steps than there is room for, none, and more."""

    def f(n: Any, x: Any) -> Any:
        return wg.fori_loop(0, n, lambda k, c: np.sin(c) * (k + 1.0), x)

    for n in (-3, 0, 1, 2, 7):
        check(f, np.int64(n), RNG.normal(size=5))


def heron(x: Any) -> Any:
    return wg.while_loop(
        lambda c: np.abs(c * c - x) > 1e-12, lambda c: 0.5 * (c + x / c), 0 * x + 1.0
    )


def test_while_loops() -> None:
    check(heron, 2.0)
    check(heron, 1.0)  # no step
    check(heron, np.nan)  # a comparison with NaN is false
    check(lambda x: wg.jvp(heron, (x,), (1.0,)), 3.0)
    check(lambda x: wg.jvp(lambda y: wg.jvp(heron, (y,), (1.0,))[1], (x,), (1.0,)), 3.0)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 40])
def test_while_loops_with_a_limit(limit: int) -> None:
    def f(x: Any) -> Any:
        h, total = wg.while_loop(
            lambda c: np.sum(c[0] ** 2) < 50,
            lambda c: (2 * c[0] + np.sin(W @ c[0]), c[1] + np.sum(c[0])),
            (x, x[0]),
            max_steps=limit,
        )
        return np.sum(h) * total

    check(f, RNG.normal(size=3))
    check(wg.grad(f), RNG.normal(size=3))
    check(wg.jacobian(wg.grad(f), mode="forward"), RNG.normal(size=3))
    check(wg.grad(f), 100 * np.ones(3))  # no step


def test_records_are_zero_after_the_last_step() -> None:
    """The gradient of a loop that ends early reads nothing of an earlier call."""

    def f(x: Any) -> Any:
        return np.sum(wg.while_loop(lambda c: np.sum(c) < 10, lambda c: c * c, x, max_steps=30))

    fast = wg.compile(wg.grad(f), engine="native")
    for x in (np.full(4, 1.1), np.full(4, 2.4), np.full(4, 5.0)):
        np.testing.assert_allclose(fast(x), wg.compile(wg.grad(f), engine="numpy")(x))


# ---------------------------------------------------------------- stacks of unknown length


def test_derivatives_of_while_loops_without_a_limit() -> None:
    """Their records are tapes that grow; between calls too, and back to few steps."""
    gradient = wg.compile(wg.value_and_grad(heron), engine="native")
    for x in (2.0, 1e30, 1.0, 3.0, 1e-40):
        expected = wg.compile(wg.value_and_grad(heron), engine="numpy")(x)
        np.testing.assert_allclose(gradient(x), expected, rtol=1e-10)
    check(wg.value_and_grad(heron), 2.0)
    check(lambda x: wg.jvp(wg.grad(heron), (x,), (1.0,)), 2.0)

    def many(x: Any) -> Any:
        y, z, _ = wg.while_loop(
            lambda c: c[2] < 1000, lambda c: (np.sin(c[0] + c[1]), c[0], c[2] + 1), (x, x, 0 * x[0])
        )
        return np.sum(y * z)

    check(wg.value_and_grad(many), RNG.normal(size=3))


def test_derivatives_of_counted_loops() -> None:
    def f(x: Any, n: Any) -> Any:
        return np.sum(wg.fori_loop(0, n, lambda k, c: np.sin(c * x) + 1 / (k + 1.0), x))

    for n in (0, 1, 5, 200):
        check(wg.value_and_grad(f), RNG.normal(size=3), np.int64(n))


def test_tapes_in_loops() -> None:
    def f(x: Any, u: Any) -> Any:
        def step(c: Any, item: Any) -> Any:
            c = wg.while_loop(lambda d: np.sum(d * d) < 9, lambda d: d * 1.5 + item, c + item)
            return c / 4, np.sum(c)

        last, sums = wg.scan(step, x, u)
        return np.sum(last) + np.sum(sums**2)

    check(wg.value_and_grad(f, (0, 1)), np.ones(2), RNG.normal(size=(5, 2)))


def test_stacks_of_unknown_length_that_others_read_are_numpys() -> None:
    """A tape between native loops only; what is between them by NumPy's steps breaks it."""
    x = variable("x", (2,))

    def small(c: list[Expr]) -> Expr:
        return apply(COMPARISONS["less"], sum_(mul(c[0], c[0])), constant(9))

    def step(c: list[Expr]) -> list[Expr]:
        return [plus(c[0], mul(c[0], c[0], c[0]))]

    (last,) = while_loop(small, step, [x])
    for cotangent, native in ((last, True), (apply(OPAQUE, last), False)):
        (gradient,) = pullback([last], [cotangent], [x])
        assert gradient is not None
        plan = make_plan([gradient], {})
        program: Any = compile_with(plan, np.dtype(float), "native")
        loops = [i.target for i in plan.instructions if isinstance(i, Loop)]
        assert len(loops) == 2
        assert (set(loops) <= program.native) == native
        for values in (np.array([0.5, 0.1]), np.array([4.0, 0.0])):
            (expected,) = compile_plan(plan, np.dtype(float))({"x": values})
            np.testing.assert_allclose(program({"x": values})[0], expected, rtol=1e-12)


# ---------------------------------------------------------------- branches


def test_branches() -> None:
    def f(x: Any) -> Any:
        a, b = wg.cond(np.sum(x) > 0, lambda y: (np.exp(y), y[0]), lambda y: (y**3, y[1]), x)
        return np.sum(a) * b

    for x in (np.array([0.3, 0.4]), np.array([-0.3, -0.4]), np.array([np.nan, 1.0])):
        check(f, x)
        check(wg.grad(f), x)
        check(wg.hessian(f), x)


def test_indices_out_of_range_are_the_nearest() -> None:
    index, x = variable("k", (), dtype="int"), variable("x", (3,))
    found = switch(index, [lambda o, n=n: [scale(n + 1, plus(o[0], x))] for n in range(4)], [x])
    plan = make_plan(found, {})
    program: Any = compile_with(plan, np.dtype(float), "native")
    assert program.function is not None
    values = np.arange(3.0)
    for k, n in ((-9, 0), (-1, 0), (0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (1 << 40, 3)):
        (result,) = program({"k": np.int64(k), "x": values})
        assert result.tolist() == (2 * (n + 1) * values).tolist()


def test_many_branches() -> None:
    """More than Python has frames for, if each were within the one before."""
    i, x = variable("i", (), dtype="int"), variable("x", (3,))
    factors = [lambda c, k=k: [scale(k, c[0])] for k in range(350)]
    plan = make_plan(switch(i, factors, [x]), {})
    program: Any = compile_with(plan, np.dtype(float), "native")
    assert any(isinstance(j, Branch) and j.target in program.native for j in plan.instructions)
    for k in (-1, 0, 1, 174, 175, 348, 349, 350):
        (found,) = program({"i": np.int64(k), "x": np.arange(3.0)})
        assert found.tolist() == (min(max(k, 0), 349) * np.arange(3.0)).tolist()


def test_branches_in_loops_and_loops_in_branches() -> None:
    def f(x: Any) -> Any:
        def step(c: Any, item: Any) -> Any:
            def loop(d: Any) -> Any:
                return wg.fori_loop(0, 3, lambda k, e: np.sin(e) + k * item, d)

            new = wg.cond(np.sum(c) + item > 0, loop, lambda d: d * d * item, c)
            return new, np.sum(new)

        last, sums = wg.scan(step, x, np.array([0.5, -2.0, 1.5]))
        return np.sum(last) + np.sum(sums**2)

    for x in (RNG.normal(size=2), -np.ones(2)):
        check(f, x)
        check(wg.grad(f), x)
        check(wg.jacobian(wg.grad(f), mode="forward"), x)


# ---------------------------------------------------------------- what is NumPy's


def test_what_has_no_native_code_is_run_by_numpy() -> None:
    """A loop as a whole, if one of its instructions has none."""
    x = variable("x", (3,))
    (last,), _ = scan(lambda c, _: ([mul(apply(OPAQUE, c[0]), x)], []), [x], length=3)
    plan = make_plan([last, mul(x, x)], {})
    program: Any = compile_with(plan, np.dtype(float), "native")
    loops = {i.target for i in plan.instructions if isinstance(i, Loop)}
    assert loops
    assert program.native
    assert not loops & program.native
    values = np.arange(3.0)
    found, square = program({"x": values})
    assert found.tolist() == (values**4).tolist()
    assert square.tolist() == (values**2).tolist()


OPAQUE = Primitive(
    "opaque", 1, lambda operands, params: operands[0].shape, lambda node, x: x,
    Undefined("none for the test"), Notation.function("opaque"),
)  # fmt: skip


def test_sums_that_begin_with_nothing_beside_a_loop_of_numpys() -> None:
    """The gradient's first value, zero, was all that native code had to begin with."""

    def gradient(W: Any, u: Any, h: Any, v: Any) -> Any:
        def loss(W: Any) -> Any:
            def step(h: Any, x: Any) -> Any:
                h = np.tanh(W @ h + x) + np.linalg.pinv(np.eye(2) * (1 + h[0] ** 2))[0, 0]
                return h, np.sum(h)

            return np.sum(wg.scan(step, h, u)[0] * v)

        return wg.grad(loss)(W)

    args = [RNG.normal(size=shape) for shape in ((10, 10), (8, 10), (10,), (10,))]
    expected = wg.compile(gradient, engine="numpy")(*args)
    compiled = wg.compile(gradient, engine="native")
    np.testing.assert_allclose(compiled(*args), expected, rtol=1e-10, atol=1e-12)


def test_the_plan_that_is_shown_is_the_one_that_runs() -> None:
    """Its loops and products are the changed ones, all native."""

    def loss(W: Any, u: Any) -> Any:
        last, _ = wg.scan(lambda h, x: (np.tanh(W @ h + x), None), np.zeros(10), u)
        return np.sum(last)

    compiled = wg.compile(wg.grad(loss), engine="native")
    compiled(W := RNG.normal(size=(10, 10)), u := RNG.normal(size=(6, 10)))
    plan = compiled.plan(W, u)
    assert any(isinstance(i, Pair) for i in plan.instructions)  # it was in the loop
    assert "NumPy" not in str(plan)


# ---------------------------------------------------------------- interruptions


def long_loop(n: int) -> Any:
    def f(x: Any) -> Any:
        return wg.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, np.sin(c[1])), (0 * x, x))

    return wg.compile(f, engine="native")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as at a terminal: a process that was started in the background may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_long_loops_can_be_interrupted() -> None:
    """The signal comes from another process: threads of this one wait for the GIL."""
    fast = long_loop(10**12)
    small = long_loop(10)
    expected = small(0.5)
    code = f"import os, time, signal; time.sleep(0.2); os.kill({os.getpid()}, signal.SIGINT)"
    for _ in range(2):
        with (
            subprocess.Popen([sys.executable, "-S", "-c", code]),
            pytest.raises(KeyboardInterrupt),
        ):
            fast(0.5)
    assert small(0.5) == expected
