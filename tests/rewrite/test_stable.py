"""Stable forms: what is recognised has the same value where both are accurate, and the right one
where the naive form overflows, cancels or is 0/0; lowering keeps every value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wengert as wg
from drawing import examples
from operations.expressions import Sample, samples
from operations.support import MODES, assert_close, evaluate
from wengert.derive import derivative
from wengert.expr import Expr, topological
from wengert.operations import (
    add,
    broadcast,
    constant,
    contract,
    det,
    diag,
    divide,
    elementwise,
    logsumexp,
    matmul,
    max_,
    mul,
    norm2,
    plus,
    power,
    scale,
    softmax,
    sub,
    sum_,
    transpose,
    variable,
)
from wengert.rewrite import lower, recognise

HALF = Fraction(1, 2)
x3, A23, A22 = variable("x", (3,)), variable("A", (2, 3)), variable("B", (2, 2))
s = variable("s", ())


def exp(x: Expr) -> Expr:
    return elementwise("exp", x)


def log(x: Expr) -> Expr:
    return elementwise("log", x)


def one_plus(x: Expr) -> Expr:
    return plus(constant(1), x) if not x.ndim else add([broadcast(constant(1), x.shape), x])


def precise(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """A function of one array evaluated with 400 digits."""

    def evaluate_(x: Any) -> Any:
        with mp.workdps(400):
            exact = np.vectorize(lambda v: mp.mpf(float(v)), otypes=[object])(x)
            result = function(exact)
            return np.vectorize(float, otypes=[float])(result)

    return evaluate_


_exp = np.vectorize(mp.exp, otypes=[object])
_log = np.vectorize(mp.log, otypes=[object])


SHIFT = max_(x3)


def broadcast_rows(v: Expr) -> Expr:
    return contract([v], [(1,)], (0, 1), sizes={0: 2, 1: 3})


@dataclass(frozen=True)
class Rule:
    """What a person writes, the operation that it is recognised as, and what it should give."""

    written: Expr
    name: str
    exact: Callable[[Any], Any]
    extreme: tuple[Any, ...]


RULES = {
    "log(1 + exp(x))": Rule(
        log(one_plus(exp(x3))), "softplus", precise(lambda x: _log(1 + _exp(x))),
        ([800.0, -800.0, 0.0], [1e5, -40.0, 36.0], [-745.0, 1e-20, 500.0]),
    ),
    "log(exp(x) + 1), of a matrix": Rule(
        log(one_plus(exp(transpose(A23)))), "softplus", precise(lambda x: _log(1 + _exp(x)).T),
        ([[800.0, -800.0, 0.0], [40.0, -40.0, 1e4]],),
    ),
    "log1p(exp(x))": Rule(
        elementwise("log1p", exp(x3)), "softplus", precise(lambda x: _log(1 + _exp(x))),
        ([800.0, -800.0, 0.0],),
    ),
    "1/(1 + exp(x))": Rule(
        power(one_plus(exp(x3)), -1), "sigmoid", precise(lambda x: 1 / (1 + _exp(x))),
        ([800.0, -800.0, 0.0], [40.0, -40.0, 700.0]),
    ),
    "1/(1 + exp(-x))": Rule(
        power(one_plus(exp(scale(-1, x3))), -1), "sigmoid", precise(lambda x: 1 / (1 + _exp(-x))),
        ([800.0, -800.0, 0.0], [40.0, -40.0, -700.0]),
    ),
    "1/(1 + exp(x))^2": Rule(
        power(one_plus(exp(x3)), -2), "sigmoid", precise(lambda x: 1 / (1 + _exp(x)) ** 2),
        ([800.0, -800.0, 0.0], [40.0, -40.0, 300.0]),
    ),
    "max(x) + log(sum(exp(x - max(x))))": Rule(
        add([SHIFT, log(sum_(exp(add([x3, broadcast(SHIFT, (3,))], [1, -1]))))]), "logsumexp",
        precise(lambda x: _log(_exp(x).sum())),
        ([800.0, 800.0, 0.0], [-1000.0, -1001.0, -1002.0], [1e6, 0.0, -1e6]),
    ),
    "softmax(x - max(x))": Rule(
        softmax(add([x3, broadcast(SHIFT, (3,))], [1, -1])), "softmax",
        precise(lambda x: _exp(x) / _exp(x).sum()),
        ([400.0, 400.0, 0.0], [800.0, -800.0, 0.0], [-1000.0, -1000.0, -1001.0]),
    ),
    "exp(x)/(1 + exp(x))": Rule(
        divide(exp(x3), one_plus(exp(x3))), "sigmoid", precise(lambda x: _exp(x) / (1 + _exp(x))),
        ([800.0, -800.0, 0.0], [400.0, -40.0, 40.0]),
    ),
    "exp(x)/sum(exp(x))": Rule(
        divide(exp(x3), sum_(exp(x3))), "softmax", precise(lambda x: _exp(x) / _exp(x).sum()),
        ([400.0, 400.0, 0.0], [800.0, -800.0, 0.0], [-1000.0, -1000.0, -1001.0]),
    ),
    "rows of exp(A)/sum": Rule(
        contract([exp(A23), power(sum_(exp(A23), 1), -1)], [(0, 1), (0,)], (0, 1)), "softmax",
        precise(lambda x: _exp(x) / _exp(x).sum(axis=1, keepdims=True)),
        ([[800.0, -800.0, 0.0], [400.0, 400.0, 0.0]],),
    ),
    "columns of exp(A)/sum": Rule(
        contract([exp(A23), power(sum_(exp(A23), 0), -1)], [(0, 1), (1,)], (0, 1)), "softmax",
        precise(lambda x: _exp(x) / _exp(x).sum(axis=0, keepdims=True)),
        ([[800.0, -800.0, 0.0], [400.0, 400.0, 0.0]],),
    ),
    "exp(A)/sum of all": Rule(
        divide(exp(A23), sum_(exp(A23))), "softmax", precise(lambda x: _exp(x) / _exp(x).sum()),
        ([[800.0, -800.0, 0.0], [400.0, 400.0, 0.0]],),
    ),
    "log(sum(exp(x)))": Rule(
        log(sum_(exp(x3))), "logsumexp", precise(lambda x: _log(_exp(x).sum())),
        ([800.0, 800.0, 0.0], [-1000.0, -1001.0, -1002.0], [1e6, 0.0, -1e6]),
    ),
    "log(sum(exp(A), rows))": Rule(
        log(sum_(exp(A23), 1)), "logsumexp", precise(lambda x: _log(_exp(x).sum(axis=1))),
        ([[800.0, -800.0, 0.0], [-1000.0, -1001.0, -1002.0]],),
    ),
    "log(sum(exp(A), columns))": Rule(
        log(sum_(exp(A23), 0)), "logsumexp", precise(lambda x: _log(_exp(x).sum(axis=0))),
        ([[800.0, -800.0, 0.0], [-1000.0, -1001.0, -1002.0]],),
    ),
    "log(sum(exp(A)))": Rule(
        log(sum_(exp(A23))), "logsumexp", precise(lambda x: _log(_exp(x).sum())),
        ([[800.0, -800.0, 0.0], [-1000.0, -1001.0, -1002.0]],),
    ),
    "log(softmax(x))": Rule(
        log(softmax(x3)), "logsumexp", precise(lambda x: x - _log(_exp(x).sum())),
        ([800.0, -800.0, 0.0], [0.0, -2000.0, 1.0]),
    ),
    "log(softmax(A, rows))": Rule(
        log(softmax(A23, 1)), "logsumexp",
        precise(lambda x: x - _log(_exp(x).sum(axis=1, keepdims=True))),
        ([[800.0, -800.0, 0.0], [0.0, -2000.0, 1.0]],),
    ),
    "log(softmax(A, columns))": Rule(
        log(softmax(A23, 0)), "logsumexp",
        precise(lambda x: x - _log(_exp(x).sum(axis=0, keepdims=True))),
        ([[800.0, -800.0, 0.0], [0.0, -2000.0, 1.0]],),
    ),
    "log(sigmoid(x))": Rule(
        log(elementwise("sigmoid", x3)), "softplus", precise(lambda x: -_log(1 + _exp(-x))),
        ([800.0, -800.0, 0.0], [-745.0, 40.0, 1e-9]),
    ),
    "log(exp(x)/(1 + exp(x)))": Rule(
        log(divide(exp(x3), one_plus(exp(x3)))), "softplus", precise(lambda x: -_log(1 + _exp(-x))),
        ([800.0, -800.0, 0.0],),
    ),
    "log(exp(x)/sum(exp(x)))": Rule(
        log(divide(exp(x3), sum_(exp(x3)))), "logsumexp",
        precise(lambda x: x - _log(_exp(x).sum())), ([800.0, -800.0, 0.0],),
    ),
    "sqrt(sum(x^2))": Rule(
        power(sum_(power(x3, 2)), HALF), "norm2",
        precise(lambda x: np.vectorize(mp.sqrt, otypes=[object])((x * x).sum())),
        ([3e200, 4e200, 0.0], [3e-200, 4e-200, 0.0], [0.0, 0.0, 0.0]),
    ),
    "sqrt(x'x)": Rule(
        power(matmul(x3, x3), HALF), "norm2",
        precise(lambda x: np.vectorize(mp.sqrt, otypes=[object])((x * x).sum())),
        ([3e200, 4e200, 0.0], [3e-200, 4e-200, 0.0], [0.0, 0.0, 0.0]),
    ),
    "sqrt(tr(A'A))": Rule(
        power(contract([A23, A23], [(0, 1), (0, 1)], ()), HALF), "norm2",
        precise(lambda x: np.vectorize(mp.sqrt, otypes=[object])((x * x).sum())),
        ([[3e200, 4e200, 0.0], [0.0, 0.0, 0.0]],),
    ),
    "log(det(A))": Rule(
        log(det(A22)), "logdet",
        precise(lambda x: _log(x[0, 0] * x[1, 1] - x[0, 1] * x[1, 0])),
        ([[1e200, 1.0], [2.0, 1e200]], [[1e-200, 0.0], [0.0, 1e-200]]),
    ),
}  # fmt: skip


def leaf_of(written: Expr) -> Expr:
    (leaf,) = [n for n in topological(written) if n.name == "variable"]
    return leaf


def at(leaf: Expr, x: Any) -> dict[str, Any]:
    return {leaf.params[0]: np.asarray(x, dtype=float)}


@pytest.mark.parametrize("name", RULES)
def test_recognised_forms_have_the_value_of_what_was_written(name: str) -> None:
    rule = RULES[name]
    found = recognise(rule.written)
    assert rule.name in {n.name for n in topological(found)}, found
    assert found.shape == rule.written.shape
    assert recognise(found) is found
    leaf = leaf_of(rule.written)
    rng = np.random.default_rng(0)
    for _ in range(5):
        x = rng.uniform(-2.0, 2.0, leaf.shape)
        if rule.name == "logdet":
            x = x + 4 * np.eye(2)
        plain = evaluate(rule.written, at(leaf, x), lowered=False)
        assert_close(evaluate(found, at(leaf, x)), plain, 1e-12)
        assert_close(plain, rule.exact(x), 1e-12)


@pytest.mark.parametrize("name", RULES)
def test_recognised_forms_are_right_at_extreme_inputs(name: str) -> None:
    rule = RULES[name]
    found, leaf = recognise(rule.written), leaf_of(rule.written)
    for x in rule.extreme:
        np.testing.assert_allclose(
            evaluate(found, at(leaf, x)), rule.exact(np.asarray(x)), rtol=1e-12, atol=1e-320
        )


def _exact_jacobian(rule: Rule, x: Any) -> Any:
    """By central differences with 400 digits."""
    x = np.asarray(x, dtype=float)
    shape = np.shape(rule.exact(x))
    with mp.workdps(400):
        exact = np.vectorize(lambda v: mp.mpf(float(v)), otypes=[object])(x)
        h = mp.mpf(10) ** -120 * max(mp.mpf(10) ** -210, abs(exact).max())
        columns = []
        inner = _MP_FUNCTIONS[rule.name]
        for index in np.ndindex(x.shape):
            ahead, behind = exact.copy(), exact.copy()
            ahead[index] += h
            behind[index] -= h
            gap = (inner(rule, ahead) - inner(rule, behind)) / (2 * h)
            columns.append(np.vectorize(float, otypes=[float])(gap))
    return np.stack(columns, axis=-1).reshape(shape + x.shape)


def _raw(rule: Rule, x: Any) -> Any:
    closure = rule.exact.__closure__
    assert closure is not None
    (function,) = [c.cell_contents for c in closure]
    return function(x)


_MP_FUNCTIONS = dict.fromkeys(
    ("softplus", "sigmoid", "softmax", "logsumexp", "norm2", "logdet"), _raw
)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("mode", MODES)
def test_derivatives_of_recognised_forms_are_right_at_extreme_inputs(name: str, mode: str) -> None:
    rule = RULES[name]
    found, leaf = recognise(rule.written), leaf_of(rule.written)
    jacobian = derivative(found, [leaf], mode)
    for x in rule.extreme:
        if rule.name == "norm2" and not np.any(x):
            expected = np.zeros(leaf.shape)
        else:
            expected = _exact_jacobian(rule, x)
        np.testing.assert_allclose(
            evaluate(jacobian, at(leaf, x)), expected, rtol=1e-11, atol=1e-15
        )
        second = evaluate(derivative(jacobian, [leaf], mode), at(leaf, x))
        if rule.name not in ("norm2", "logdet"):
            assert np.isfinite(second).all()


@pytest.mark.parametrize("mode", MODES)
def test_softmax_at_the_prototypes_trap(mode: str) -> None:
    """(400, 400, 0): flattening exp(x)/Σ gave 0.5 for the Jacobian's entries of ±0.25, and NaN."""
    f = wg.formula("exp(x)/sum(exp(x))")
    jacobian = f.derivative("x", mode=mode)(x=[400.0, 400.0, 0.0])
    expected = np.array([[0.25, -0.25, 0.0], [-0.25, 0.25, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(jacobian, expected, atol=1e-15)


@pytest.mark.parametrize(
    ("text", "at_", "expected"),
    [
        ("log(1 + exp(x))", 1000.0, 1000.0),
        ("log(1 + exp(-x))", -1000.0, 1000.0),
        ("log(exp(x) + 1)", -800.0, 0.0),
        ("1/(1 + exp(-x))", -1000.0, 0.0),
        ("log(sigmoid(x))", -1000.0, -1000.0),
        ("log(1 + x)", 1e-18, 1e-18),
        ("log(x + 1)", -1e-18, -1e-18),
        ("exp(x) - 1", 1e-18, 1e-18),
        ("1 - exp(x)", 1e-18, -1e-18),
        ("2*exp(x) - 2", 1e-18, 2e-18),
        ("1 - sigmoid(x)", 60.0, 8.75651076269652e-27),
        ("sigmoid(x) - 1", 60.0, -8.75651076269652e-27),
        ("3 - 3*sigmoid(x)", 60.0, 3 * 8.75651076269652e-27),
    ],
)
def test_scalar_formulas_at_extreme_inputs(text: str, at_: float, expected: float) -> None:
    f = wg.formula(text, {"x": ()})
    assert float(f(x=at_)) == pytest.approx(expected, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("x", [-1e-18, 0.3, 40.0, 800.0, -800.0])
@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives_of_the_logistic_loss(x: float, mode: str) -> None:
    f = wg.formula("log(1 + exp(-x))", {"x": ()})
    with mp.workdps(60):
        p = 1 / (1 + mp.exp(mp.mpf(x)))
        first, second = float(-p), float(p * (1 - p))
    assert float(f.derivative("x", mode=mode)(x=x)) == pytest.approx(first, rel=1e-12, abs=0.0)
    assert float(f.derivative("x", order=2, mode=mode)(x=x)) == pytest.approx(
        second, rel=1e-12, abs=0.0
    )


# ------------------------------------------------------------------ what is not recognised


def test_near_misses_are_left_alone() -> None:
    """Forms that look like a rule's and are not: other axes, coefficients, arguments."""
    y = variable("y", (3,))
    misses = [
        (log(add([broadcast(constant(2), (3,)), exp(x3)])), "softplus"),
        (log(add([broadcast(constant(1), (3,)), exp(x3)], [1, 2])), "softplus"),
        (log(add([broadcast(constant(1), (3,)), exp(x3)], [1, -1])), "softplus"),
        (log(scale(2, sum_(exp(x3)))), "logsumexp"),
        (divide(exp(x3), sum_(exp(y))), "softmax"),
        (power(sum_(exp(x3)), -1), "softmax"),
        (contract([exp(A23), power(sum_(exp(A23), 1), -2)], [(0, 1), (0,)], (0, 1)), "softmax"),
        (contract([exp(A22), power(sum_(exp(A22), 1), -1)], [(0, 1), (1,)], (0, 1)), "softmax"),
        (contract([exp(A22), power(sum_(exp(A22), 0), -1)], [(0, 1), (0,)], (0, 1)), "softmax"),
        (contract([exp(x3), power(sum_(exp(x3)), -1), exp(y)], [(0,), (), (1,)], (1, 0)), ""),
        (power(sum_(power(x3, 3)), HALF), "norm2"),
        (power(sum_(power(x3, 2)), -1), "norm2"),
        (power(one_plus(exp(x3)), 2), "sigmoid"),
        (softmax(add([A23, broadcast_rows(sum_(exp(A23), 0))]), 1), ""),
        (add([SHIFT, logsumexp(add([x3, broadcast(SHIFT, (3,))], [1, -2]))]), ""),
        (divide(exp(x3), one_plus(exp(y))), ""),
        (divide(exp(y), one_plus(exp(x3))), ""),
        (power(contract([A22], [(0, 0)], ()), HALF), "norm2"),
        (power(sum_(power(contract([A22], [(0, 0)], (0,)), 2)), HALF), ""),
        (power(contract([power(A22, 2)], [(0, 0)], ()), HALF), "norm2"),
        (log(contract([exp(A22)], [(0, 0)], ())), "logsumexp"),
        (log(contract([exp(A22)], [(0, 0)], (0,))), "logsumexp"),
    ]
    rng = np.random.default_rng(1)
    draw = lambda *shape: rng.uniform(0.2, 1.5, shape)  # noqa: E731
    values = {"x": draw(3), "y": draw(3), "A": draw(2, 3), "B": draw(2, 2)}
    for node, name in misses:
        found = recognise(node)
        if name:
            assert name not in {n.name for n in topological(found)}, f"{node}: {found}"
        plain = evaluate(node, values, lowered=False)
        np.testing.assert_allclose(evaluate(found, values), plain, rtol=1e-12)


# ------------------------------------------------------------------ lowering


@given(samples(kinks=True, depth=5), st.booleans())
@examples(150)
def test_lowering_and_recognising_keep_the_value(sample: Sample, first: bool) -> None:
    if not sample.tame:
        return
    root = sample.pair.expr
    node = lower(recognise(root)) if first else recognise(lower(root))
    assert node.shape == root.shape
    assert_close(evaluate(node, sample.values, lowered=False), sample.expected, 1e-7)
    assert lower(lower(root)) is lower(root)
    assert recognise(recognise(root)) is recognise(root)


@pytest.mark.parametrize(
    ("build", "exact"),
    [
        (lambda x: log(one_plus(x)), mp.log1p),
        (lambda x: log(add([broadcast(constant(1), (3,)), x], [1, -1])), lambda v: mp.log1p(-v)),
        (lambda x: sub(exp(x), broadcast(constant(1), (3,))), mp.expm1),
        (lambda x: add([exp(x), broadcast(constant(1), (3,)), x], [-2, 2, 1]),
         lambda v: v - 2 * mp.expm1(v)),
        (lambda x: sub(broadcast(constant(1), (3,)), elementwise("sigmoid", x)),
         lambda v: 1 / (1 + mp.exp(v))),
        (lambda x: mul(elementwise("sigmoid", x),
                       sub(broadcast(constant(1), (3,)), elementwise("sigmoid", x))),
         lambda v: mp.exp(v) / (1 + mp.exp(v)) ** 2),
    ],
)  # fmt: skip
def test_lowered_forms_do_not_cancel(
    build: Callable[[Expr], Expr], exact: Callable[[Any], Any]
) -> None:
    node = build(x3)
    for x in ([1e-18, -1e-12, 1e-5], [0.3, -0.5, 0.25]):
        with mp.workdps(60):
            expected = [float(exact(mp.mpf(v))) for v in x]
        np.testing.assert_allclose(evaluate(node, {"x": x}), expected, rtol=1e-12)


def test_lowering_keeps_poles_that_were_written() -> None:
    """1/‖x‖ is infinite at 0 and x/‖x‖ has no value there: only a norm's own derivative is 0."""
    zero = {"x": np.zeros(3)}
    assert np.isinf(evaluate(power(norm2(x3), -1), zero))
    assert not np.isfinite(evaluate(divide(x3, norm2(x3)), zero)).any()
    assert not np.isfinite(evaluate(mul(power(norm2(x3), -3), x3), zero)).any()
    assert_close(evaluate(derivative(norm2(x3), [x3]), zero), np.zeros(3))


def test_recognition_reaches_inside() -> None:
    """Under sums, products, functions and other recognised forms."""
    inner = log(one_plus(exp(x3)))
    node = elementwise("sin", matmul(A23, mul(inner, x3)))
    assert "softplus" in {n.name for n in topological(recognise(node))}
    nested = log(sum_(exp(elementwise("log1p", exp(x3)))))
    names = {n.name for n in topological(recognise(nested))}
    assert {"softplus", "logsumexp"} <= names
    assert recognise(nested) is logsumexp(elementwise("softplus", x3))
    assert recognise(diag(divide(exp(x3), sum_(exp(x3))))) is diag(softmax(x3))
    weighted = mul(s, divide(exp(x3), sum_(exp(x3))), x3)
    assert "softmax" in {n.name for n in topological(recognise(weighted))}
