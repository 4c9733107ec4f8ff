"""Transforms of NumPy functions against closed forms and differences, nested and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(0)
PARAMS = {"W1": RNG.normal(size=(3, 4)), "b1": RNG.normal(size=4), "w2": RNG.normal(size=4)}
X = RNG.normal(size=(20, 3))
Y = np.sign(RNG.normal(size=20))


def loss(params: Any, X: Any, y: Any) -> Any:
    h = np.tanh(X @ params["W1"] + params["b1"])
    p = h @ params["w2"]
    return np.mean(np.log1p(np.exp(-y * p)))


def test_gradient_of_a_network_is_the_same_dict() -> None:
    value, gradient = wg.value_and_grad(loss)(PARAMS, X, Y)
    assert value == pytest.approx(loss(PARAMS, X, Y), rel=1e-14)
    assert list(gradient) == list(PARAMS)
    wg.check_derivatives(lambda p: loss(p, X, Y), (PARAMS,))


def test_hessian_blocks_are_symmetric() -> None:
    H = wg.hessian(loss)(PARAMS, X, Y)
    np.testing.assert_allclose(H["W1"]["b1"], np.moveaxis(H["b1"]["W1"], 0, -1), atol=1e-14)


def test_traced_expression_reads_derives_and_checks() -> None:
    f = wg.trace(loss, PARAMS, X, Y)
    assert str(f) == "sum(softplus(−(y ⊙ tanh(XW₁ + 1b₁ᵀ) w₂)))/20"
    assert f(**PARAMS, X=X, y=Y) == pytest.approx(loss(PARAMS, X, Y))
    assert f.derivative("b1").check(**PARAMS, X=X, y=Y) < 1e-7
    assert "np." in f.code("numpy")


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse", "cross-country"])
def test_jacobian_modes_agree(mode: str) -> None:
    x = np.array([0.5, 1.5, 2.0])
    found = wg.jacobian(lambda x: np.cumprod(np.sin(x)), mode=mode)(x)
    expected = wg.jacobian(lambda x: np.cumprod(np.sin(x)))(x)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_no_perturbation_confusion() -> None:
    assert wg.grad(lambda x: x * wg.grad(lambda y: x + y)(1.0))(2.0) == 1.0
    assert wg.grad(lambda x: wg.grad(lambda z: z**3 * x)(x))(2.0) == 36.0


@pytest.mark.parametrize("order", [1, 2])
def test_an_argument_that_a_compiled_function_reads_from_outside_too_is_a_constant_there(
    order: int,
) -> None:
    x, z = np.array([0.5, 2.0]), np.array([1.5, 3.0])

    def of(read: Any, y: Any) -> Any:
        return np.sum(np.sin(read) * y**3)

    def looped(read: Any, y: Any) -> Any:
        return np.sum(wg.fori_loop(0, 2, lambda _, c: c * y * np.sin(read), y))

    through = wg.grad if order == 1 else wg.hessian
    cube = 3 * x**2 if order == 1 else np.diag(6 * x)
    scale = np.sin(x) if order == 1 else np.diag(np.sin(x))
    for f, power in ((of, 1), (looped, 2)):
        expected = cube * scale**power
        outside = wg.compile(lambda x, f=f: through(lambda y: f(x, y))(x))(x)
        passed = wg.compile(lambda x, f=f: through(lambda y, x: f(x, y))(x, x))(x)
        np.testing.assert_allclose(outside, expected, rtol=1e-13)
        np.testing.assert_allclose(passed, expected, rtol=1e-13)
    both = wg.compile(lambda x: wg.grad(lambda u, v: np.sum(u * u * v), (0, 1))(x, x))(x)
    np.testing.assert_allclose(both, (2 * x * x, x * x), rtol=1e-14)
    apart = wg.compile(lambda x, z: wg.grad(lambda u, v: np.sum(u * u * v), (0, 1))(z, x))(x, z)
    np.testing.assert_allclose(apart, (2 * z * x, z * z), rtol=1e-14)


def test_branches_on_values() -> None:
    def f(x: Any) -> Any:
        return np.sum(x[1:] * x[:-1]) if x[0] > 0 else np.sum(np.sort(x) ** 2)

    np.testing.assert_array_equal(wg.grad(f)(np.array([1.0, 2, 3])), [2, 4, 2])
    np.testing.assert_array_equal(wg.grad(f)(np.array([-1.0, 2, 3])), [-2, 4, 6])


def test_where_does_not_leak_nan() -> None:
    g = wg.grad(lambda x: np.sum(np.where(x > 0, np.log(x), 0.0)))(np.array([1.0, 0.0, 3.0]))
    np.testing.assert_allclose(g, [1, 0, 1 / 3])


def test_arrays_of_traced_entries() -> None:
    g = wg.grad(lambda x: np.linalg.norm(np.array([x[0] ** 2, x[1] * 3])))(np.array([1.0, 2.0]))
    np.testing.assert_allclose(g, np.array([2.0, 18.0]) / np.sqrt(37))


def test_in_place_addition_to_a_plain_array_is_kept() -> None:
    def f(x: Any) -> Any:
        total = np.zeros(2)
        for k in range(3):
            total += x * k
        return total.sum()

    np.testing.assert_array_equal(wg.grad(f)(np.ones(2)), [3, 3])


def test_products_with_vectors() -> None:
    x, v = np.array([1.0, 2.0]), np.array([0.5, -1.0])
    value, tangent = wg.jvp(np.sin, (x,), (v,))
    np.testing.assert_allclose(tangent, np.cos(x) * v)
    _, pull = wg.vjp(lambda a, b: a @ b, np.ones((2, 3)), np.ones(3))
    np.testing.assert_array_equal(pull(np.ones(2))[1], [2, 2, 2])
    np.testing.assert_allclose(wg.hvp(lambda x: np.sum(x**3), (x,), (v,)), 6 * x * v)
    _, linear = wg.linearize(np.exp, x)
    np.testing.assert_allclose(linear(v), np.exp(x) * v)
    assert value.shape == (2,)


def test_captured_arrays_are_not_taken_for_cotangents() -> None:
    A = np.arange(6.0).reshape(3, 2)
    _, pull = wg.vjp(lambda x: (A @ x) ** 2, np.ones(2))
    np.testing.assert_allclose(pull(np.ones(3))[0], 2 * A.T @ A @ np.ones(2))


def test_vmap_and_its_derivatives() -> None:
    xs = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(wg.vmap(wg.grad(lambda x: np.sum(x**2)))(xs), 2 * xs)
    got = wg.vmap(np.dot, in_axes=(1, None), out_axes=0)(xs.T, np.ones(2))
    np.testing.assert_array_equal(got, xs.sum(1))
    g = wg.grad(lambda w: np.sum(wg.vmap(lambda x: np.tanh(x @ w))(xs)))(np.ones(2))
    np.testing.assert_allclose(g, wg.grad(lambda w: np.sum(np.tanh(xs @ w)))(np.ones(2)))
    with pytest.raises(wg.ShapeError, match="examples"):
        wg.vmap(np.dot)(np.ones((3, 2)), np.ones((2, 2)))


def test_compiled_transforms_give_the_same() -> None:
    fast = wg.compile(wg.value_and_grad(loss))
    for _ in range(2):
        value, gradient = fast(PARAMS, X, Y)
        expected_value, expected = wg.value_and_grad(loss)(PARAMS, X, Y)
        assert value == pytest.approx(expected_value)
        for name in PARAMS:
            np.testing.assert_allclose(gradient[name], expected[name], rtol=1e-12)
    assert "FLOPs" in str(fast.plan(PARAMS, X, Y))


def test_compiled_code_reads_captured_arrays_at_every_call() -> None:
    data = np.ones(2)
    fast = wg.compile(lambda x: np.sum(x * data))
    assert fast(np.ones(2)) == 2.0
    data[:] = 5.0
    assert fast(np.ones(2)) == 10.0


def test_compiled_code_sees_a_rebound_name() -> None:
    factor = 2.0

    def f(x: Any) -> Any:
        return factor * x

    fast = wg.compile(f)
    assert fast(1.0) == 2.0
    factor = 3.0
    assert fast(1.0) == 3.0


def test_static_arguments() -> None:
    fast = wg.compile(lambda x, n: sum(x**k for k in range(n)), static_argnums=1)
    assert fast(2.0, 3) == 7.0
    assert fast(2.0, 4) == 15.0


def test_static_arguments_that_are_equal_are_told_apart() -> None:
    fast = wg.compile(lambda x, n: x * len(repr(n)), static_argnums=1)
    given: list[Any] = [
        1,
        True,
        1.0,
        0,
        False,
        0.0,
        -0.0,
        (1, 0.0),
        (True, 0.0),
        (1, -0.0),
        "1",
        10**9,
    ]
    for _ in range(10):
        for n in (*given, *reversed(given), int("1000000000")):
            assert fast(1.0, n) == len(repr(n))


def test_control_flow_in_compiled_code() -> None:
    pick = wg.compile(wg.grad(lambda x: wg.cond(x > 0, np.sin, np.cos, x)))
    assert pick(1.0) == pytest.approx(np.cos(1.0))
    assert pick(-1.0) == pytest.approx(np.sin(1.0))
    power = wg.derivative(lambda x: wg.scan(lambda c, _: (c * x, None), 1.0, length=5)[0], order=3)
    assert power(2.0) == pytest.approx(240.0)
    double = wg.grad(lambda x: wg.while_loop(lambda s: s < 100.0, lambda s: s * x, 1.0))
    assert double(2.0) == pytest.approx(7 * 64)
    loop = wg.grad(lambda x: wg.fori_loop(0, 4, lambda i, s: s * x + i, 1.0))
    assert loop(2.0) == pytest.approx(38.0)


@pytest.mark.parametrize("checkpoint", [False, True])
def test_scan_derivatives(checkpoint: bool) -> None:
    def rollout(x: Any, steps: Any) -> Any:
        step = lambda c, a: (np.tanh(c + a * x), c)  # noqa: E731
        last, states = wg.scan(step, x, steps, checkpoint=checkpoint)
        return last + np.sum(states**2)

    wg.check_derivatives(rollout, (np.array([0.3, -0.2]), np.linspace(0.1, 0.9, 7)))


def test_functional_updates() -> None:
    J = wg.jacobian(lambda x: wg.at(x)[1:].set(x[:-1] ** 2))(np.ones(3))
    np.testing.assert_array_equal(J, [[1, 0, 0], [2, 0, 0], [0, 2, 0]])
    places = np.array([0, 0, 1])
    g = wg.grad(lambda x: wg.at(np.zeros(3))[places].add(x) @ np.arange(3.0))(np.ones(3))
    np.testing.assert_array_equal(g, [0, 0, 1])


def test_gradient_through_a_newton_step() -> None:
    def f(a: Any) -> Any:
        objective = lambda u: np.sum((u**2 - a) ** 2)  # noqa: E731
        z = np.ones(2)
        return np.sum(z - np.linalg.solve(wg.hessian(objective)(z), wg.grad(objective)(z)))

    wg.check_derivatives(f, (2.0,), order=1)


def test_custom_derivatives_by_each_rule() -> None:
    x = np.array([0.3, 0.7])
    rules = [
        {"jvp": lambda p, t: np.cos(p[0]) * t[0]},
        {"vjp": lambda c, y, x: c * np.cos(x)},
        {"jacobian": lambda x: np.diag(np.cos(x))},
    ]
    for rule in rules:
        sine = wg.custom_derivative(np.sin, **rule)
        wg.check_derivatives(lambda x, s=sine: np.sum(s(x) * x), (x,))
    wrong = wg.custom_derivative(np.sin, vjp=lambda c, y, x: c * np.sin(x))
    with pytest.raises(wg.DerivativeMismatchError, match="FAIL"):
        wg.check_derivatives(wrong, (x,))
    with pytest.raises(wg.MissingRuleError, match="custom_derivative"):
        wg.grad(wg.custom_derivative(np.sum))(x)


def test_a_rules_arrays_are_not_the_functions_own() -> None:
    mine, theirs = np.array([2.0, 3.0]), np.array([5.0, 7.0])
    f = wg.custom_derivative(lambda x: theirs * x, vjp=lambda c, y, x: c * theirs)
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(f(x) * mine))(np.ones(2)), mine * theirs)


def test_implicit_functions() -> None:
    root = wg.implicit(np.sqrt, lambda x, a: x * x - a)
    assert wg.derivative(root, order=3)(4.0) == pytest.approx(3 / 8 * 4.0**-2.5)
    least = wg.implicit(lambda a: a / 2, objective=lambda x, a: np.sum(x**2 - a * x))
    np.testing.assert_allclose(wg.jacobian(least)(np.ones(2)), np.eye(2) / 2)


def test_laplacian_and_divergence() -> None:
    x = np.array([1.0, 2.0])
    assert wg.laplacian(lambda x: np.sum(x**3))(x) == pytest.approx(18.0)
    assert wg.divergence(lambda x: x**2)(x) == pytest.approx(6.0)


def test_aux_and_argnums() -> None:
    (value, aux), g = wg.value_and_grad(lambda x: (x**2, {"y": x * 3}), has_aux=True)(2.0)
    assert (value, aux["y"], g) == (4.0, 6.0, 4.0)
    a, b = wg.grad(lambda x, y: x * y, argnums=(0, 1))(2.0, 3.0)
    assert (a, b) == (3.0, 2.0)


def test_stop_gradient() -> None:
    assert wg.grad(lambda x: x * wg.stop_gradient(x))(3.0) == 3.0


def test_float32_stays() -> None:
    g = wg.grad(lambda x: np.sum(x**2 * 0.1 + 0.123456789 * x))(np.ones(2, np.float32))
    assert g.dtype == np.float32


def test_long_python_loops() -> None:
    def euler(x: Any) -> Any:
        for _ in range(300):
            x = x + 0.01 * np.sin(x)
        return x

    slope = 1.0
    x = 1.0
    for _ in range(300):
        slope, x = slope * (1 + 0.01 * np.cos(x)), x + 0.01 * np.sin(x)
    assert wg.grad(euler)(1.0) == pytest.approx(slope, rel=1e-12)


# ------------------------------------------------------------------ mistakes

leaked: list[Any] = []


def _leak(x: Any) -> Any:
    leaked.append(x)
    return x * 2.0


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        (lambda: wg.grad(lambda x: x * 2)(np.ones(2)), wg.TracingError, "wg.jacobian"),
        (lambda: wg.grad(lambda x: x * 2)(3), wg.UnsupportedFunctionError, "3.0 instead of 3"),
        (lambda: wg.grad(lambda x: np.unique(x).sum())(np.ones(3)),
         wg.UnsupportedFunctionError, "np.unique"),
        (lambda: wg.grad(lambda x: x.__setitem__(0, 1.0))(np.ones(2)),
         wg.InPlaceWriteError, "wg.at"),
        (lambda: wg.grad(float)(1.0), wg.TracingError, "stop_gradient"),
        (lambda: wg.compile(lambda x: x if x > 0 else -x)(1.0), wg.UnknownValueError, "wg.cond"),
        (lambda: wg.grad(lambda x: np.add(x, x, out=np.zeros(2)).sum())(np.ones(2)),
         wg.InPlaceWriteError, "out="),
        (lambda: wg.grad(lambda x: np.sum(x + np.ones(3)))(np.ones(2)), wg.ShapeError, "broadcast"),
        (lambda: wg.grad(lambda x: np.sum(x * 1j))(np.ones(2)),
         wg.UnsupportedFunctionError, "real"),
        (lambda: (wg.grad(_leak)(1.0), wg.grad(lambda x: x + leaked[0])(1.0)),
         wg.EscapedValueError, "has_aux"),
        (lambda: wg.grad(lambda x: x, argnums=1)(1.0), wg.TracingError, "argnums"),
    ],
)  # fmt: skip
def test_mistakes_get_the_remedy(mistake: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        mistake()


def test_errors_name_the_line() -> None:
    with pytest.raises(wg.UnknownValueError, match=r"test_transforms.py, line \d+"):
        wg.compile(lambda x: 1.0 if x > 0 else 2.0)(1.0)


def test_arrays_in_rules_are_apart_from_those_of_the_function() -> None:
    """Both are captured: they must not be taken for each other, whatever their shapes."""
    weights, mask = np.array([1.0, 2.0]), np.array([True, False])
    rule = np.array([10.0, 20.0])
    bent = wg.custom_derivative(
        lambda x: np.where(mask, rule * x * x / 2, x),
        vjp=lambda cotangent, y, x: cotangent * np.where(mask, rule * x, 1.0),
    )
    found = wg.jacobian(lambda x: bent(weights * np.where(~mask, x, 3 * x)))(np.ones(2))
    assert np.array_equal(found, np.diag([90.0, 2.0]))
    root = wg.implicit(lambda a: a / rule, lambda x, a: rule * x - a)
    assert np.allclose(
        wg.jacobian(lambda a: weights * root(weights * a))(np.ones(2)),
        np.diag(weights * weights / rule),
    )


@pytest.mark.parametrize("steps", [50, 200, 600])
def test_coefficients_of_long_loops_stay_within_the_floats(steps: int) -> None:
    """Each step has its ½; taken out of all steps together these would be 0, and the rest ∞."""

    def function(v: Any) -> Any:
        s = v
        for _ in range(steps):
            s = s * s * 0.5 + v
        return s

    value, slope = 0.1, 1.0
    for _ in range(steps):
        value, slope = value * value * 0.5 + 0.1, value * slope + 1
    np.testing.assert_allclose(wg.value_and_grad(function)(0.1), (value, slope), rtol=1e-12)


def test_a_long_product_of_multiples_neither_vanishes_nor_overflows() -> None:
    def function(x: Any) -> Any:
        total = 1.0
        for k in range(len(x)):
            total = total * (0.5 * x[k])
        return total

    np.testing.assert_allclose(wg.grad(function)(np.full(1500, 2.0)), 0.5, rtol=1e-12)
    np.testing.assert_allclose(wg.grad(lambda x: 3 * function(x) * x[0])(np.full(100, 2.0))[1], 3.0)


def test_integers_in_a_loop_within_a_derivative_are_not_known() -> None:
    def f(x: Any) -> Any:
        count = wg.while_loop(lambda k: np.mod(k, 5) < 3, lambda k: k + 1, 0)
        return wg.fori_loop(0, count, lambda k, u: u * 2.0, x)

    assert np.array_equal(wg.jacobian(f)(np.ones(2)), 8 * np.eye(2))


def test_formulas_take_traced_arrays() -> None:
    f = wg.formula("norm2(X*w - y)^2 + sum(A)")
    w, A = RNG.normal(size=3), np.ones((2, 2))
    gradient = wg.grad(lambda w: f(X=X, w=w, y=Y, A=A))(w)
    np.testing.assert_allclose(gradient, f.derivative("w")(X=X, w=w, y=Y), rtol=1e-13)
    slope = f.derivative("w")
    jacobian = wg.jacobian(lambda w: slope(X=X, w=w, y=Y))(w)
    np.testing.assert_allclose(jacobian, 2 * X.T @ X, rtol=1e-12)
    traced = wg.trace(lambda w: np.sum(np.tanh(X @ w)), w)  # X is captured
    np.testing.assert_allclose(wg.grad(lambda w: traced(w=w))(w), traced.derivative("w")(w=w))
    with pytest.raises(wg.ShapeError, match="w"):
        wg.grad(lambda w: f(X=X, w=w, y=Y, A=A))(np.ones(2))
    with pytest.raises(wg.NameClashError, match="no value is given for y"):
        wg.grad(lambda w: f(X=X, w=w, A=A))(w)


def test_jet_is_the_series_along_a_line() -> None:
    x, d = np.array([0.3, -0.7]), np.array([1.0, 2.0])
    found = wg.jet(lambda x: np.sum(np.exp(x)), x, d, order=4)
    terms = [np.sum(np.exp(x) * d**k) / f for k, f in enumerate((1, 1, 2, 6, 24))]
    np.testing.assert_allclose(found, terms, rtol=1e-14)
    with pytest.raises(wg.ShapeError, match="direction"):
        wg.jet(np.sum, x, 1.0)
    with pytest.raises(ValueError, match="order"):
        wg.jet(np.sum, x, d, order=-1)
