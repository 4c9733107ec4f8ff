"""Direct evaluation against NumPy written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from formula.cases import CASES, SHAPES, VALUES
from wengert.errors import NameClashError, ShapeError, SingularMatrixError
from wengert.formula import elaborate, evaluate_directly


@pytest.mark.parametrize("text", CASES)
def test_against_numpy(text: str) -> None:
    formula = elaborate(text, SHAPES if "T" in text else None)
    values = {v.name: VALUES[v.name] for v in formula.variables}
    result = evaluate_directly(formula, values)
    expected = np.asarray(CASES[text]())
    assert result.shape == expected.shape
    assert len(formula.shape) == expected.ndim
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "text", ["norm2(X*w - y)^2/3", "log(det(A'*A)) + logdet(A'*A)", "x'*inv(A)*solve(A, x)",
             "sum(pinv(X)) + sum(adj(A)) + sum(A^-2)", "sigmoid(x)'*softmax(x) + 0.1"]
)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.longdouble, np.complex128, np.float32, np.int64])
def test_precisions(text: str, dtype: Any) -> None:
    formula = elaborate(text)
    values = {v.name: VALUES[v.name] for v in formula.variables}
    cast = {k: np.asarray(v).round(2 if dtype != np.int64 else 0) for k, v in values.items()}
    given = {k: v.astype(dtype) for k, v in cast.items()}
    if dtype == np.int64 and "A" in given:
        given["A"] = given["A"] + 5 * np.eye(3, dtype=np.int64)
    result = evaluate_directly(formula, given)
    if dtype == np.longdouble:
        assert result.dtype == np.longdouble
    plain = {k: v.astype(np.float64) for k, v in given.items()} if dtype != np.complex128 else cast
    np.testing.assert_allclose(
        np.asarray(result, dtype=complex),
        evaluate_directly(formula, plain),
        rtol=1e-5 if dtype == np.float32 else 1e-10,
    )


def test_tenths_are_exact_in_extended_precision() -> None:
    value = evaluate_directly(elaborate("0.1*x"), {"x": np.ones(1, np.longdouble)})
    assert value[0] == np.longdouble(1) / 10


def test_complex_step() -> None:
    formula = elaborate("x'*inv(A)*exp(x) + norm2(x) + logsumexp(x)")
    step = VALUES["x"] + 0j
    step[1] += 1e-30j
    slope = evaluate_directly(formula, {"x": step, "A": VALUES["A"]}).imag / 1e-30
    h = 1e-6
    low, high = VALUES["x"].copy(), VALUES["x"].copy()
    low[1] -= h
    high[1] += h
    values = [evaluate_directly(formula, {"x": x, "A": VALUES["A"]}) for x in (low, high)]
    np.testing.assert_allclose(slope, (values[1] - values[0]) / (2 * h), rtol=1e-7)


@pytest.mark.parametrize(
    ("text", "values", "kind", "message"),
    [
        ("x + y", {"x": [1.0]}, NameClashError, "no value for y; the variables are: x, y"),
        ("x", {"x": [1.0], "q": 1}, NameClashError, "the formula has no variable q; it has: x"),
        ("x", {"x": 1.0}, ShapeError, "x is n, its value is scalar"),
        ("X*w", {"X": np.ones((2, 3)), "w": np.ones(2)}, ShapeError,
         "w is n with m = 2, n = 3, its value is 2"),
        ("sum(vector(1)) + sum(x)", {"x": [1.0]}, ShapeError,
         "the size n of vector is in no variable; give it as an argument: vector(c, n=None)"),
        ("tr(eye)", {}, ShapeError,
         "the size n of eye is in no variable; give it as an argument: eye(n=None)"),
        ("inv(A)", {"A": np.ones((2, 2))}, SingularMatrixError, "inv: Singular matrix"),
        ("inv(A)", {"A": np.ones((2, 2), np.longdouble)}, SingularMatrixError,
         "inv: Singular matrix"),
    ],
)  # fmt: skip
def test_refusals(text: str, values: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        evaluate_directly(elaborate(text), values)
    assert str(caught.value) == message


def test_sizes_may_be_products() -> None:
    formula = elaborate("vec(X)'*y")
    x, y = np.arange(6.0).reshape(2, 3), np.ones(6)
    assert evaluate_directly(formula, {"X": x, "y": y}) == 15
    with pytest.raises(ShapeError):
        evaluate_directly(formula, {"X": x, "y": np.ones(5)})


def test_infinities_and_nans_pass() -> None:
    values = {"x": np.array([0.0, np.inf, np.nan])}
    result = evaluate_directly(elaborate("log(x) + relu(x)"), values)
    np.testing.assert_array_equal(result, [-np.inf, np.inf, np.nan])
