"""Points outside of a function's domain: which operation, on what, and the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.operations import variable
from wengert.taylor.domain import first_failure


@pytest.mark.parametrize(
    ("text", "point", "order", "words"),
    [
        ("log(x)", {"x": -1}, 1, r"its value is not finite: log\(x\) is nan where x = -1"),
        ("log(x - 1)", {"x": 1}, 0, r"log\(x − 1\) is -inf where x − 1 = 0"),
        ("exp(log(x) + 1)", {"x": 0}, 2, r"log\(x\) is -inf where x = 0"),
        ("1/x", {"x": 0}, 2, "1/x is inf where x = 0; choose another point"),
        ("sqrt(x)", {"x": 0}, 2, "order 1 at the point.*take an order of at most 0"),
        ("x^(3/2)", {"x": 0}, 3, "order 2 at the point.*take an order of at most 1"),
        ("arcsin(x)", {"x": 1}, 1, "order 1 at the point"),
        ("arcsin(x)", {"x": 2}, 1, r"arcsin\(x\) is nan where x = 2"),
        ("sum(log(x))", {"x": np.array([1.0, -2.0])}, 1, r"at index \(1,\) where x = -2"),
        ("logdet(X)", {"X": np.diag([1.0, -1.0])}, 1, "is nan where X = an array of shape"),
    ],
)
def test_formulas(text: str, point: dict[str, Any], order: int, words: str) -> None:
    with pytest.raises(wg.DomainError, match=words):
        wg.taylor(text, point, order=order)


def test_functions_by_the_names_of_their_arguments() -> None:
    with pytest.raises(wg.DomainError, match=r"log\(‖weights‖²\) is -inf where ‖weights‖² = 0"):
        wg.taylor(lambda weights: np.log(weights @ weights), np.zeros(3), order=1)
    with pytest.raises(wg.DomainError, match="where b = -1"):
        wg.taylor(lambda p: np.sqrt(p["b"]) * p["a"], {"a": 1.0, "b": -1.0}, order=1)


def test_orders_that_exist_are_fine() -> None:
    assert float(wg.taylor("sqrt(x)", {"x": 0}, order=0)(x=4.0)) == 0.0
    assert float(wg.taylor("x^(3/2)", {"x": 0}, order=1)(x=4.0)) == 0.0


def test_large_series_that_are_finite_are_no_errors() -> None:
    T = wg.taylor("exp(1000*x)", {"x": 0}, order=30)
    assert float(T(x=0.001)) == pytest.approx(np.e)
    single = wg.taylor(lambda x: np.exp(100 * x), np.float32(0.0), order=25)
    assert float(single(np.float32(0.01))) == pytest.approx(np.e, rel=1e-5)


def test_numbers_among_names_are_checked() -> None:
    with pytest.raises(wg.DomainError, match="is inf"):
        wg.taylor("a/b", {"b": 0})
    with pytest.raises(wg.DomainError, match="nan"):
        wg.taylor("a*log(b)", {"b": -1}, order=1)
    with pytest.raises(wg.DomainError, match="1/x is inf where x = 0"):
        wg.taylor("a*sin(x)/x", {"x": 0})  # 0/0, not 0
    with pytest.raises(wg.DomainError, match=r"log\(x\) is -inf where x = 0"):
        wg.taylor("a*x*log(x)", {"x": 0}, order=0)
    assert str(wg.taylor("exp(b)*mean(x)", {"b": 0}, order=1)) == "sum(x) (1/n + b/n)"
    assert str(wg.taylor("a/b", {"b": 2}, order=1)) == "a/2 − a(b − 2)/4"


def test_the_first_failure_is_the_first() -> None:
    f = wg.formula("exp(log(x) - log(1 - x)) + sqrt(-x)", {"x": ()})
    found = first_failure([f.expr], {variable("x", ()): np.array(0.0)})
    assert found is not None
    assert found.node.name == "log"
    assert found.describe({}) == "log(x) is -inf where x = 0"


def test_nothing_fails_where_all_is_finite() -> None:
    f = wg.formula("exp(x) + log(x)", {"x": ()})
    assert first_failure([f.expr], {variable("x", ()): np.array(2.0)}) is None
