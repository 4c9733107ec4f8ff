"""Mistakes that gave a wrong answer, or another's message, name the place and the remedy."""

# ruff: noqa: PLW0108 (a lambda is what is traced here)

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import wengert as wg
from wengert.tracing import current_trace

X = np.array([0.3, -0.7, 1.1])
S = wg.custom_derivative


def _escaped() -> Any:
    kept: list[Any] = []
    wg.grad(lambda v: (kept.append(v), v)[1])(1.0)
    return kept[0]


def _late_pull() -> Any:
    kept: list[Any] = []

    def f(a: Any) -> Any:
        value, pull = wg.vjp(lambda b: a * b, 2.0)
        kept.append(pull)
        return value

    wg.grad(f)(3.0)
    return kept[0](1.0)


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (lambda: wg.grad(3.0), TypeError, "takes a function, not a float"),
        (lambda: wg.compile(np.ones(2)), TypeError, "takes a function, not a ndarray"),
        (lambda: wg.grad(np.dot, argnums=(0, 0))(X, X), wg.TracingError, "twice"),
        (lambda: wg.grad(np.dot, argnums=(1, -1))(X, X), wg.TracingError, "twice"),
        (lambda: wg.grad(np.dot, argnums="a")(X, X), TypeError, "argnums must be"),
        (lambda: wg.grad(np.sum)(np.ma.array(X, mask=[0, 1, 0])),
         wg.UnsupportedFunctionError, "masked arrays"),
        (lambda: wg.grad(lambda v: np.sum(v * np.ma.array(X)))(X),
         wg.UnsupportedFunctionError, "masked arrays"),
        (lambda: wg.compile(np.sum)(np.ma.array(X)), wg.UnsupportedFunctionError, "masked"),
        (lambda: wg.vmap(np.sum)(np.matrix([X])), wg.UnsupportedFunctionError, "np.matrix"),
        (lambda: wg.grad(lambda v: np.sum(np.matrix([X]) * v))(X),
         wg.UnsupportedFunctionError, "np.matrix"),
        (lambda: wg.grad(lambda v: np.sum(scipy.sparse.eye(3).tocsr() @ v))(X),
         wg.UnsupportedFunctionError, "toarray"),
        (lambda: wg.grad(lambda o: 1.0)(object()), wg.UnsupportedFunctionError, "pytree"),
        (lambda: wg.vjp(lambda a: {"u": a, "v": a}, 1.0)[1]({"u": 1.0, "w": 1.0}),
         wg.ShapeError, "'v'"),
        (lambda: wg.jvp(lambda p: p["a"] * p["b"], ({"a": 1.0, "b": 2.0},),
                        ({"b": 1.0, "c": 0.0},)), wg.ShapeError, "'c'"),
        (lambda: wg.grad(lambda v: _escaped())(1.0), wg.EscapedValueError, "has_aux"),
        (lambda: wg.grad(lambda v: (v, _escaped()), has_aux=True)(1.0),
         wg.EscapedValueError, "has_aux"),
        (lambda: wg.scan(lambda c, _: (c, None), _escaped(), length=2),
         wg.EscapedValueError, "has_aux"),
        (_late_pull, wg.EscapedValueError, "has_aux"),
        (lambda: wg.scan(lambda c, _: ({**c, "vel": 1.0}, None), {"pos": 1.0, "vel": X}, length=2),
         wg.ShapeError, r"carry\['vel'\] is of shape \(3,\)"),
        (lambda: wg.scan(lambda c, _: (c * 2.5, None), 1, length=2), wg.ShapeError, "1.0 instead"),
        (lambda: wg.scan(lambda c, _: (c * np.ones(()), None), np.float32(1), length=2),
         wg.ShapeError, "float64"),
        (lambda: wg.scan(lambda c, _: (c, None), 1.0, length=-1), wg.ShapeError, "0 or more"),
        (lambda: wg.scan(lambda c, _: (c, None), 1.0, length=2.0), wg.TracingError, "integer"),
        (lambda: wg.fori_loop(0, 2, lambda i, s: {"b": s["a"]}, {"a": 1.0}),
         wg.TracingError, "'b'"),
        (lambda: wg.fori_loop(0.0, 2.0, lambda i, s: s, 1.0), wg.TracingError, "integers"),
        (lambda: wg.while_loop(lambda s: s[0] < 1, lambda s: [s[0] + 1], (0.0,)),
         wg.TracingError, "state"),
        (lambda: wg.while_loop(lambda s: s < 1, lambda s: s + 1, X),
         wg.TracingError, "one truth value"),
        (lambda: wg.cond(True, lambda v: (v, v), lambda v: v, 1.0), wg.TracingError, "structure"),
        (lambda: wg.cond(True, lambda v: {"a": v}, lambda v: {"b": v}, 1.0),
         wg.TracingError, "structure"),
        (lambda: wg.cond(True, lambda v: 0, lambda v: v, 1.0), wg.ShapeError, "0.0 instead of 0"),
        (lambda: wg.fori_loop(0, 3, lambda i, s: s + X[i], 0.0),
         wg.UnknownValueError, r"wg.at\(array\)\[index\].get"),
        (lambda: wg.vmap(np.sin, out_axes=5)(X), wg.ShapeError, "out_axes=5"),
        (lambda: wg.vmap(np.sin, in_axes="0")(X), TypeError, "integer or None"),
        (lambda: wg.vmap(lambda p: p["a"], in_axes=({"a": 0},))({"a": X, "b": X}),
         wg.ShapeError, "do not fit"),
        (lambda: wg.grad(S(np.sum, jvp=lambda p, t: p[0][0]))(X), wg.TracingError, "linear"),
        (lambda: wg.grad(S(np.sum, vjp=lambda c, y, v: c * c * v))(X), wg.TracingError, "linear"),
        (lambda: wg.grad(S(np.sum, jvp=lambda p, t: None))(X), wg.ShapeError, "gives nothing"),
        (lambda: S(np.sum, jvp=np.sum, vjp=np.sum), TypeError, "one of"),
    ],
)  # fmt: skip
def test_mistakes_get_the_remedy(mistake: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        mistake()
    assert current_trace() is None


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, RecursionError])
def test_an_exception_leaves_no_trace_open(error: Any) -> None:
    def fail(*_: Any) -> Any:
        raise error

    attempts: list[Any] = [
        lambda: wg.grad(fail)(1.0),
        lambda: wg.compile(fail)(1.0),
        lambda: wg.vmap(fail)(X),
        lambda: wg.trace(fail, 1.0),
        lambda: wg.grad(lambda a: wg.scan(fail, a, length=2)[0])(1.0),
        lambda: wg.cond(True, fail, fail, 1.0),
    ]
    for attempt in attempts:
        with pytest.raises(error):
            attempt()
        assert current_trace() is None


def test_trees_without_leaves() -> None:
    assert wg.grad(lambda p: 3.0)({}) == {}
    assert wg.jacobian(lambda p: X)({}) == {}
    assert wg.hessian(lambda p: (X, X))(()) == ((), ())
    assert wg.grad(lambda p: np.sum(p["a"]))({"a": X, "n": None})["n"] is None


def test_arrays_of_the_other_byte_order() -> None:
    found = wg.grad(lambda v: np.sum(v**2))(X.astype(">f8"))
    np.testing.assert_array_equal(found, 2 * X)


# ---------------------------------------------------------------- custom derivatives

RULES: dict[str, dict[str, Any]] = {
    "jvp": {"jvp": lambda p, t: np.cos(p[0]) * p[1] * t[0] + np.sin(p[0]) * t[1]},
    "vjp": {"vjp": lambda c, y, a, b: (c * np.cos(a) * b, c * np.sin(a))},
    "jacobian": {"jacobian": lambda a, b: (np.diag(np.cos(a) * b), np.diag(np.sin(a)))},
}


@pytest.mark.parametrize("mode", ["forward", "reverse", "cross-country"])
@pytest.mark.parametrize("rule", RULES)
def test_rules_beside_captured_arrays_and_outside_of_vmap(rule: str, mode: str) -> None:
    plain = lambda a, b: np.sin(a) * b  # noqa: E731
    custom = wg.custom_derivative(plain, **RULES[rule])
    rows, b = np.stack([X, 2 * X]), np.array([1.0, 2.0, -1.0])
    uses: list[Any] = [
        lambda f: lambda r: np.sum(f(r[0], b) * b),  # b is captured, and the rule makes arrays
        lambda f: wg.vmap(lambda a: f(a, b)),
        lambda f: lambda r: wg.vmap(lambda a: f(a, a), out_axes=1)(r),
        lambda f: lambda r: wg.vmap(lambda a: f(r[0], a))(r),
        lambda f: lambda r: wg.vmap(wg.grad(lambda a: np.sum(f(a, b))))(r),
        lambda f: lambda r: np.sum(wg.vmap(wg.vmap(lambda a: f(a, b)))(np.stack([r, r])) ** 2),
    ]
    for use in uses:
        for order in (1, 2):
            found = wg.derivative(use(custom), order=order, mode=mode)(rows)
            expected = wg.derivative(use(plain), order=order, mode=mode)(rows)
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_implicit_functions_inside_of_vmap() -> None:
    root = wg.implicit(np.sqrt, lambda x, a: x * x - a)
    a = np.array([1.0, 4.0])
    found = wg.hessian(lambda a: np.sum(wg.vmap(root)(a)))(a)
    np.testing.assert_allclose(found, np.diag(-0.25 * a**-1.5), atol=1e-15)


# ---------------------------------------------------------------- checks


def _near_a_singularity(v: Any) -> Any:
    return np.sum(np.log(v))


@pytest.mark.parametrize(
    ("f", "at"),
    [
        (lambda v: np.sum(v**2), X * 1e9),
        (lambda v: np.sum(v**2), X * 1e-9),
        (lambda v: 1e-12 * np.sum(np.sin(v)), X),
        (lambda v: 1e12 * np.sum(np.sin(v)), X),
        (_near_a_singularity, np.array([1e-3, 2.0])),
        (lambda v: 1 / v, 1e-5),
        (np.sqrt, 1e-6),
        (lambda v: np.sum(np.sin(v)), X.astype(np.float32)),
        (lambda v: 3.0, X),
    ],
)
def test_right_derivatives_pass_at_every_scale(f: Any, at: Any) -> None:
    assert wg.check_derivatives(f, (at,))


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1.0, 1e6])
def test_wrong_derivatives_fail_at_every_scale(scale: float) -> None:
    wrong = wg.custom_derivative(
        lambda v: scale * np.sum(np.sin(v)), vjp=lambda c, y, v: 1.001 * scale * c * np.cos(v)
    )
    assert not wg.check_derivatives(wrong, (X,), order=1, raises=False)
    assert "The derivative is wrong" in str(wg.check_derivatives(wrong, (X,), raises=False))


def test_reports_say_what_may_be_the_matter() -> None:
    outside = str(wg.check_derivatives(np.log, (-1.0,), raises=False))
    assert "not finite" in outside
    assert "kink" in str(wg.check_derivatives(np.abs, (0.0,), raises=False))


# ---------------------------------------------------------------- long loops


def test_checkpoints_save_memory() -> None:
    """Of 900 steps with 1000 numbers each, about 60 are kept."""

    def peak(checkpoint: bool) -> int:
        def f(a: Any) -> Any:
            step = lambda c, _: (np.tanh(c * a), None)  # noqa: E731
            return np.sum(wg.scan(step, np.ones(1000) * a, length=900, checkpoint=checkpoint)[0])

        gradient = wg.compile(wg.grad(f), engine="numpy")  # native code's memory is not traced
        gradient(0.9)
        tracemalloc.start()
        gradient(0.9)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(False) > 900 * 8000
    assert peak(True) < 200 * 8000


def test_long_products_of_steps_stay_linear() -> None:
    """A chain's cotangent is the product of all slopes: not flattened anew at each step."""

    def chain(x: Any) -> Any:
        for _ in range(1500):
            x = np.sin(x)
        return x

    slope = x = 1.0
    for _ in range(1500):
        slope, x = slope * np.cos(x), np.sin(x)
    assert wg.grad(chain)(1.0) == pytest.approx(slope, rel=1e-10)


def test_plain_tables_are_read_at_traced_places() -> None:
    total = wg.compile(lambda n: wg.fori_loop(0, n, lambda i, s: s + wg.at(X)[i].get(), 0.0))
    assert total(2) == pytest.approx(X[:2].sum())
    rows = wg.vmap(lambda k: wg.at(np.eye(3))[k].get())(np.array([2, 0]))
    np.testing.assert_array_equal(rows, np.eye(3)[[2, 0]])


@pytest.mark.parametrize("function", [np.mod, np.floor_divide, np.maximum])
def test_functions_of_indices_are_indices(function: Any) -> None:
    def f(x: Any) -> Any:
        places = function(np.floor(x).astype(int), 3)
        return x @ wg.at(np.arange(10.0))[places].get() + x[function(places, 2) % 2] @ x

    x = np.array([0.5, 4.2, 7.4])
    places = function(np.floor(x).astype(int), 3)
    again = function(places, 2) % 2
    expected = places + x[again] + np.eye(3)[again].T @ x
    np.testing.assert_allclose(wg.grad(f)(x), expected)


@pytest.mark.parametrize("function", [np.mod, np.floor_divide])
def test_quotients_of_indices_in_compiled_code(function: Any) -> None:
    pick = wg.compile(lambda k: wg.at(X)[function(k, 3)].get())
    assert pick(5) == X[function(5, 3)]
