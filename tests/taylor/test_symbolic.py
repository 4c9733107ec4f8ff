"""Taylor polynomials about points with names: how they print, and that they are right."""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("text", "x0", "order", "printed"),
    [
        ("exp(h'*x)", {"x": "u"}, 2, "exp(hᵀu) (1 + hᵀδ + (hᵀδ)²/2)"),
        ("exp(x)", "a", 3, "exp(a) (1 + δ + δ²/2 + δ³/6)"),
        ("norm2(X*w - y)^2", {"w": "w0"}, 2, "‖Xw₀ − y‖² + 2(Xw₀ − y)ᵀXδ + ‖Xδ‖²"),
        ("norm2(y - X*w)^2", {"w": "w0"}, 2, "‖y − Xw₀‖² − 2(y − Xw₀)ᵀXδ + ‖Xδ‖²"),
        ("logdet(X)", None, 3, "log det(X) + tr(X⁻¹δ) − tr(X⁻¹δX⁻¹δ)/2 + tr(X⁻¹δX⁻¹δX⁻¹δ)/3"),
        ("inv(X)", None, 2, "X⁻¹ − X⁻¹δX⁻¹ + X⁻¹δX⁻¹δX⁻¹"),
        ("x'*A*x", {"x": "u"}, 2, "uᵀAu + uᵀ(A + Aᵀ)δ + δᵀAδ"),
        ("exp(a*x)", {"x": 0}, 2, "1 + ax + a²x²/2"),
        ("exp(a*x)", {"x": "1/2"}, 2, "exp(a/2) (1 + a(x − 1/2) + a²(x − 1/2)²/2)"),
        ("sin(x)*b", {"x": "pi/4", "b": "c"}, 1, None),
        ("A*x", {"x": "u"}, 2, "Au + Aδ"),
        ("x - x", {"x": "u"}, 2, "0"),
    ],
)
def test_how_it_is_printed(text: str, x0: Any, order: int, printed: str | None) -> None:
    T = wg.taylor(text, x0, order=order)
    assert isinstance(T, wg.SymbolicPolynomial)
    assert printed is None or str(T) == printed
    assert T.latex()


_CASES: list[tuple[str, dict[str, str], dict[str, Any]]] = [
    ("exp(h'*x)", {"x": "u"}, {"h": RNG.normal(size=3), "u": RNG.normal(size=3)}),
    ("tanh(A*x)", {"x": "u"}, {"A": RNG.normal(size=(2, 3)), "u": RNG.normal(size=3)}),
    ("logdet(X)", {"X": "U"}, {"U": np.eye(3) + 0.1 * RNG.normal(size=(3, 3))}),
    ("inv(X)*y", {"X": "U"}, {"U": np.eye(3) + 0.1 * RNG.normal(size=(3, 3)), "y": np.ones(3)}),
    ("log(x'*x + 1)", {"x": "u"}, {"u": RNG.normal(size=4)}),
    ("x*exp(x*y)", {"x": "a", "y": "b"}, {"a": 0.3, "b": 0.2}),
    (
        "norm2(X*w - y)^3",
        {"w": "u", "y": "v"},
        {"X": np.ones((3, 2)), "u": np.ones(2), "v": np.zeros(3)},
    ),
    ("softmax(x)", {"x": "u"}, {"u": RNG.normal(size=3)}),
]


@pytest.mark.parametrize(("text", "x0", "values"), _CASES)
def test_values_are_those_of_the_polynomial_about_numbers(
    text: str, x0: dict[str, str], values: dict[str, Any]
) -> None:
    order = 3
    T = wg.taylor(text, x0, order=order)
    assert isinstance(T, wg.SymbolicPolynomial)
    rest = {n: v for n, v in values.items() if n not in x0.values()}
    at = {x: np.asarray(values[u]) for x, u in x0.items()}
    numbers = wg.taylor(text, at, order=order, given=rest)
    moved = {x: v + 0.1 * RNG.normal(size=v.shape) for x, v in at.items()}
    np.testing.assert_allclose(T(**values, **moved), numbers(moved), rtol=1e-10)
    deltas = {d: moved[x] - at[x] for x, d in zip(T.sources, T.increments, strict=True)}
    for k, term in enumerate(numbers.terms(moved)):
        np.testing.assert_allclose(T.term(k)(**values, **deltas), term, rtol=1e-9, atol=1e-13)
    if len(x0) == 1:
        for k in range(3):
            np.testing.assert_allclose(
                T.coefficient(k)(**values), numbers.coefficient(k), rtol=1e-9, atol=1e-12
            )


def test_terms_and_coefficients_are_formulas() -> None:
    T = wg.taylor("norm2(X*w - y)^2", {"w": "u"}, order=3)
    assert str(T.term(1).derivative("δ")) == "2(Xu − y)ᵀX"
    assert str(T.coefficient(1)) == "2(Xu − y)ᵀX"
    assert str(T.coefficient(2)) == "XᵀX"
    assert T.term(3).is_zero
    assert T.coefficient(2).space == "ℝⁿˣⁿ"
    assert str(T.formula.derivative("δ", order=2)) == "2XᵀX"


def test_symmetric_variables_have_symmetric_increments() -> None:
    f = wg.formula("logdet(S)", assume={"S": "positive definite"})
    T = wg.taylor(f, {"S": "R"}, order=2)
    R = np.array([[2.0, 0.3], [0.3, 1.0]])
    D = np.array([[0.1, 0.2], [0.2, -0.1]])
    expected = np.trace(np.linalg.solve(R, D))
    assert float(T.term(1)(R=R, δ=D)) == pytest.approx(expected)


def test_names_do_not_clash() -> None:
    T = wg.taylor("δ*x^2", {"x": "a"}, order=1)
    assert T.increments == ("η",)
    with pytest.raises(wg.NameClashError, match="another variable"):
        wg.taylor("a*x^2", {"x": "a"})
    with pytest.raises(wg.NameClashError, match="another variable"):
        wg.taylor("x*y", {"x": "c", "y": "c"})


def test_values_that_are_missing() -> None:
    T = wg.taylor("x^2", {"x": "a"})
    with pytest.raises(wg.NameClashError, match="a and x, or a and δ"):
        T(x=1.0)
    itself = wg.taylor("exp(h'*x)", {"x": "x"})
    with pytest.raises(wg.NameClashError, match="δ"):
        itself(x=np.ones(2), h=np.ones(2))
    exact = wg.taylor("exp(a*x)", {"x": 1})
    assert float(exact(x=1.1, a=2.0)) == pytest.approx(np.exp(2) * (1 + 0.2 + 0.02))
    assert float(exact(δ=0.1, a=2.0)) == pytest.approx(float(exact(x=1.1, a=2.0)))


def test_points_that_are_expressions() -> None:
    T = wg.taylor("x^2*y", {"x": "2*a", "y": "b"}, order=3)
    assert float(T(x=1.3, y=2.0, a=0.4, b=1.0)) == pytest.approx(1.3**2 * 2)


def test_formulas_of_named_sizes_are_differentiated_by_tracing() -> None:
    """Sizes that are symbols get their numbers, in shapes, identities and SIZE nodes."""
    U = np.eye(3) + 0.1 * RNG.normal(size=(3, 3))
    T = wg.taylor("logdet(X) + tr(X)*norm2(X)^2 + sum(X)", {"X": "U"}, order=2)
    wg.check_derivatives(lambda U: np.sum(T.coefficient(2)(U=U) ** 2), (U,))
    wg.check_derivatives(lambda U: np.sum(T.coefficient(1)(U=U) ** 2), (U,))
    D = RNG.normal(size=(3, 3))
    wg.check_derivatives(lambda U: T.formula(U=U, δ=D), (U,))
    wg.check_derivatives(lambda D: T(U=U, δ=D), (D,))


def test_terms_of_derivatives_print_as_derivatives() -> None:
    row = wg.formula("exp(h'*x)").derivative("x")
    assert str(wg.taylor(row, {"x": "u"}, order=1)) == "exp(hᵀu) hᵀ + exp(hᵀu) (hᵀδ)hᵀ"


def test_traced_functions_have_symbolic_polynomials() -> None:
    X, y = RNG.normal(size=(5, 2)), RNG.normal(size=5)
    T = wg.taylor(lambda w: np.sum((X @ w - y) ** 2), np.zeros(2), order=2)
    assert isinstance(T, wg.TaylorPolynomial)
    assert "w₀" in str(T.symbolic)
    assert r"c_{0}\delta" in T.symbolic.latex()


def test_the_terms_as_the_lecture_writes_them() -> None:
    text = wg.taylor("norm2(X*w - y)^2", {"w": "w0"}, order=3).explain()
    assert text.splitlines() == [
        "f(w) = Σₖ Dᵏf(w₀) δᵏ/k!      δ = w − w₀ ∈ ℝⁿ",
        "",
        "k = 0   D⁰f(w₀) δ⁰ = f(w₀) = ‖Xw₀ − y‖²",
        "",
        "k = 1   D¹f(w₀) δ¹ = ∇f(w₀) δ = 2(Xw₀ − y)ᵀXδ",
        "        ∇f(w₀) = 2(Xw₀ − y)ᵀX ∈ ℝ¹ˣⁿ",
        "",
        "k = 2   D²f(w₀) δ²/2! = tr(H δδᵀ)/2! = δᵀHδ/2! = ‖Xδ‖²",
        "        H = ∇²f(w₀) = 2XᵀX ∈ ℝⁿˣⁿ",
        "",
        "k = 3   D³f(w₀) δ³/3! = Σᵢ Σⱼ Σₖ D³f(w₀)[i, j, k] δ[i] δ[j] δ[k]/3! = 0",
        "        D³f(w₀) = 0 ∈ ℝⁿˣⁿˣⁿ",
    ]


@pytest.mark.parametrize("text", ["tanh(A*x)", "logdet(X)", "x'*y*exp(a)", "sin(b)", "A*X"])
def test_everything_can_be_explained(text: str) -> None:
    T = wg.taylor(text, order=3)
    assert isinstance(T, wg.SymbolicPolynomial)
    assert T.explain().count("k = ") == 4


def test_the_factors_of_k_are_right() -> None:
    """Σ over the tensor is k! times the term."""
    T = wg.taylor("exp(h'*x)", {"x": "u"}, order=4)
    values = {"h": RNG.normal(size=2), "u": RNG.normal(size=2)}
    delta = RNG.normal(size=2)
    for k in range(5):
        tensor = T.function.derivative("u", order=k)(**values) if k else T.function(**values)
        total = np.sum(tensor * wg.outer_power(delta, k))
        assert float(T.term(k)(δ=delta, **values)) == pytest.approx(total / factorial(k))
