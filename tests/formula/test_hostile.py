"""Inputs of hostile size or form: an error or an answer, never a crash."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wengert.errors import FormulaError, WengertError
from wengert.formula import MAX_LENGTH, build, elaborate, evaluate_directly, function_names

MANY = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "(" * MANY + "x" + ")" * MANY,
        "(" * MANY,
        ")" * MANY,
        "[" * (MANY - 1),
        "'" * MANY,
        "x" + "'" * MANY,
        "f(" * 40_000,
        "exp(" * 20_000 + "x" + ")" * 20_000,
        "x" * (10 * 1024 * 1024),
        "x + " * (3 * 1024 * 1024),
        "9" * 99_999,
        "1e999999999",
        "1e-99999",
        "x^" * 40_000,
        "2^" * 40_000 + "2^-",
        ";" * MANY,
        "\n" * MANY,
        "= " * 40_000,
        "a b " * 20_000,
        "a,b" * 20_000,
        '"' * MANY,
        "x" * 99_999 + "(",
        "\x00",
        "\ud800",
        "x.^1e400",
        "X^1001",
        "eye(99999999999999999999)",
    ],
)
def test_error(text: str) -> None:
    with pytest.raises(FormulaError) as caught:
        elaborate(text)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("operator", ["+", "-", ".*", "*", "/"])
def test_long_chains_work(operator: str) -> None:
    count = 5_000
    formula = elaborate(operator.join(["a"] * count))
    value = evaluate_directly(formula, {"a": 1.0})
    assert value == {"+": count, "-": 2 - count}.get(operator, 1)
    assert build(formula).shape == ()


def test_sum_of_the_greatest_length() -> None:
    text = "+".join(["x"] * (MAX_LENGTH // 2))
    assert elaborate(text).orientation == "column"


@pytest.mark.parametrize("text", ["a" + "'" * 50_000, "-" * 50_000 + "a", "a" + "^1" * 30_000])
def test_deep_trees_work(text: str) -> None:
    formula = elaborate(text, {"a": ()})
    assert evaluate_directly(formula, {"a": 2.0}) == 2
    assert repr(formula.root).startswith("<")


def test_long_chains_of_definitions_are_linear() -> None:
    lines = ["h0 = x"] + [f"h{k + 1} = 0.5*(h{k} + h{k})" for k in range(1000)] + ["h1000"]
    formula = elaborate("\n".join(lines))
    assert len(formula.nodes) < 5000
    np.testing.assert_allclose(evaluate_directly(formula, {"x": [1.0, 2.0]}), [1.0, 2.0])


def test_products_of_long_numbers_stay_small() -> None:
    formula = elaborate("*".join(["9" * 300] * 300))
    assert formula.root.value is None


def test_a_clash_in_a_long_sum_is_short() -> None:
    with pytest.raises(FormulaError) as caught:
        elaborate("+".join(["x"] * 5000) + "+ X")
    assert len(str(caught.value)) < 1000


# ---------------------------------------------------------------- random text

PIECES = st.sampled_from(
    [*"abxyXYAW()[]+-*/^'=;,.\n 0129\"πα²ᵀ", ".*", "./", ".^", "**", ".T", "⊙", "⁻¹", "->", "==",
     "'ij,j->i'", "axis=0", "r = ", "r", *(f"{name}(" for name in function_names())]
)  # fmt: skip


def _either_works_or_explains(text: str) -> None:
    try:
        formula = elaborate(text)
    except WengertError:
        return
    assert formula.nodes[-1] is formula.root
    if len(formula.shape) < 3:
        assert build(formula).shape == formula.shape


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    _either_works_or_explains(text)


@given(st.lists(PIECES, max_size=25).map("".join))
def test_any_words(text: str) -> None:
    _either_works_or_explains(text)


_ATOMS = st.sampled_from(["a", "b", "x", "y", "X", "A", "2", "0.5", "eye", "vector(1)", "pi"])


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(inner, st.sampled_from(["+", "-", "*", ".*", "./", "/", ".^", "^"]), inner)
    unary = st.sampled_from(
        ["({})'", "-({})", "sum({})", "exp({})", "tr({})", "norm2({})", "diag({})", "vec({})",
         "inv({})", "({})^2", "sum({}, axis=0)", "softmax({})", "kron({0}, {0})", "({})²"]
    )  # fmt: skip
    return binary.map(lambda t: f"({t[0]}){t[1]}({t[2]})") | st.tuples(unary, inner).map(
        lambda t: t[0].format(t[1])
    )


@given(st.recursive(_ATOMS, _grown, max_leaves=8))
def test_any_formula(text: str) -> None:
    _either_works_or_explains(text)
