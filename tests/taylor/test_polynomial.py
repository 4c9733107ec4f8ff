"""Taylor polynomials about numbers: against SymPy and nested derivatives, and their properties."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.parsing.sympy_parser import (
    convert_xor,
    implicit_multiplication_application,
    parse_expr,
    standard_transformations,
)

import wengert as wg

# ---------------------------------------------------------------- against SymPy

_SERIES = [
    # formula, the same in SymPy where it is written in another way, point, order
    ("tan(x)", "", {"x": "0"}, 9),
    ("exp(sin(x))", "", {"x": "0"}, 8),
    ("log(1+x+x^2)", "", {"x": "0"}, 7),
    ("1/(2-x)^3", "", {"x": "0"}, 6),
    ("1/(2-x)^3", "", {"x": "1"}, 6),
    ("sqrt(1+sin(x))", "", {"x": "0"}, 6),
    ("x/(exp(x)+1)", "", {"x": "0"}, 6),
    ("tanh(x)", "", {"x": "0"}, 9),
    ("arctan(x)", "atan(x)", {"x": "0"}, 9),
    ("arctan(x)", "atan(x)", {"x": "1/2"}, 5),
    ("arcsin(x)", "asin(x)", {"x": "0"}, 7),
    ("cosh(x)*cos(x)", "", {"x": "0"}, 8),
    ("exp(-x^2)", "", {"x": "0"}, 8),
    ("log(cos(x))", "", {"x": "0"}, 8),
    ("(1+x)^(1/3)", "", {"x": "0"}, 6),
    ("(1+x)^(1/3)", "", {"x": "7"}, 4),
    ("1/cos(x)", "", {"x": "0"}, 8),
    ("sinh(x)/(1+x)", "", {"x": "0"}, 6),
    ("erf(x)", "", {"x": "0"}, 7),
    ("exp(x)/(1-x)", "", {"x": "0"}, 7),
    ("sigmoid(x)", "1/(1+exp(-x))", {"x": "0"}, 7),
    ("softplus(x)", "log(1+exp(x))", {"x": "0"}, 6),
    ("log1p(x)", "log(1+x)", {"x": "0.25"}, 5),
    ("x^x", "", {"x": "1"}, 6),
    ("exp(x)", "", {"x": "1"}, 5),
    ("sin(x)*log(x)", "", {"x": "3/2"}, 5),
    ("exp(x*y)", "", {"x": "0", "y": "0"}, 6),
    ("sin(x+y^2)", "", {"x": "0", "y": "0"}, 5),
    ("log(1+x*y)", "", {"x": "1", "y": "0"}, 4),
    ("1/(1-x-y)", "", {"x": "0", "y": "0"}, 4),
    ("1/(1-x-y)", "", {"x": "1/4", "y": "1/4"}, 4),
    ("cos(x)*sin(y)", "", {"x": "pi/3", "y": "0"}, 4),
    ("sqrt(1+x^2+y^2)", "", {"x": "0", "y": "0"}, 5),
    ("x*exp(y)/(1+x)", "", {"x": "1", "y": "-1"}, 4),
    ("x*y*z/(1+x+y+z)", "", {"x": "1", "y": "2", "z": "-1"}, 3),
]

_FLOATS = {"x^x"}  # rational in truth, but 1^1 is a function's value that is computed


def sympy_terms(text: str, point: dict[str, str], order: int) -> list[dict[Any, Any]]:
    """Coefficients by exponents, by degree, from SymPy's derivatives along a line."""
    names = list(point)
    symbols = sympy.symbols(names)
    increments = sympy.symbols([f"d{n}" for n in names])
    t = sympy.Symbol("t")
    f = sympy.sympify(text.replace("^", "**"), locals=dict(zip(names, symbols, strict=True)))
    centres = [sympy.sympify(point[n], rational=True) for n in names]
    found = []
    moved = f.subs(
        {s: c + t * d for s, c, d in zip(symbols, centres, increments, strict=True)},
        simultaneous=True,
    )
    for k in range(order + 1):
        term = sympy.expand(sympy.simplify(moved.diff(t, k).subs(t, 0)) / sympy.factorial(k))
        found.append(dict(sympy.Poly(term, *increments).terms()) if term != 0 else {})
    return [{m: c for m, c in term.items() if c != 0} for term in found]


@pytest.mark.parametrize(("text", "other", "point", "order"), _SERIES)
def test_coefficients_are_those_of_sympy(
    text: str, other: str, point: dict[str, str], order: int
) -> None:
    T = wg.taylor(text, point, order=order)
    expected = sympy_terms(other or text, point, order)
    for found, wanted in zip(T.polynomials, expected, strict=True):
        own = {m: c for m, c in found[(0,)].items() if abs(c) > 1e-14}
        assert set(own) == set(wanted)
        for monomial, c in own.items():
            exact = wanted[monomial]
            if isinstance(c, Fraction):
                assert sympy.Rational(c.numerator, c.denominator) == exact
            else:
                assert c == pytest.approx(float(exact), rel=1e-12)
    if all(c.is_Rational for term in expected for c in term.values()) and text not in _FLOATS:
        assert all(isinstance(c, Fraction) for t in T.polynomials for c in t[(0,)].values())


_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_MATHEMATICS = (*standard_transformations, implicit_multiplication_application, convert_xor)


def parsed(text: str) -> Any:
    """What is printed, read by SymPy."""
    plain = ""
    raised = False
    for character in text:
        above = character in "⁰¹²³⁴⁵⁶⁷⁸⁹"
        plain += ("^" if above and not raised else "") + character.translate(_SUPERSCRIPTS)
        raised = above
    plain = plain.replace("−", "-").replace("π", "pi")
    names = {n: sympy.Symbol(n) for n in "xyz"}
    for pair in ("xy", "xz", "yz", "xyz"):
        plain = plain.replace(pair, "*".join(pair))
    return parse_expr(plain, local_dict=names, transformations=_MATHEMATICS)


@pytest.mark.parametrize(("text", "other", "point", "order"), _SERIES)
def test_what_is_printed_reads_as_the_polynomial(
    text: str, other: str, point: dict[str, str], order: int
) -> None:
    T = wg.taylor(text, point, order=order)
    read = parsed(str(T))
    for shift in (0.3, -0.2):
        at = {
            n: float(sympy.sympify(v)) + shift * (k + 1) for k, (n, v) in enumerate(point.items())
        }
        # six digits are printed of what is no rational number
        assert float(read.subs(at)) == pytest.approx(float(T(at)), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "point", "order", "printed"),
    [
        ("exp(x)*cos(y)", {"x": 0, "y": 0}, 2, "1 + x + (x² − y²)/2"),
        ("log(x)", {"x": 1}, 3, "(x − 1) − (x − 1)²/2 + (x − 1)³/3"),
        ("cos(x)", {"x": 0}, 4, "1 − x²/2 + x⁴/24"),
        ("x^3 - 2*x", {"x": -1}, 3, "1 + (x + 1) − 3(x + 1)² + (x + 1)³"),
        ("x^2", {"x": Fraction(1, 2)}, 2, "1/4 + (x − 1/2) + (x − 1/2)²"),
        ("x^2", {"x": 0.3}, 2, "0.09 + 0.6 (x − 0.3) + (x − 0.3)²"),
        ("-x*y", {"x": 0, "y": 0}, 2, "−xy"),
        ("1e-9*exp(100*x)", {"x": 0.1}, 1, "2.20265·10⁻⁵ + 0.00220265 (x − 0.1)"),
        ("x - x", {"x": 0}, 3, "0"),
        ("a*sin(x)", {"x": 0}, 3, "ax − ax³/6"),
    ],
)
def test_how_it_is_printed(text: str, point: dict[str, Any], order: int, printed: str) -> None:
    assert str(wg.taylor(text, point, order=order)) == printed


def test_terms_print_alone() -> None:
    assert str(wg.taylor("cos(x)", "pi/2", order=2).term(2)) == "0"  # 6e-17 is no term
    T = wg.taylor("exp(x)*cos(y)", {"x": 0, "y": 0}, order=4)
    assert [str(T.term(k)) for k in range(3)] == ["1", "x", "(x² − y²)/2"]
    assert T.term(2).latex() == r"\frac{x^{2}-y^{2}}{2}"


def test_functions_print_by_entries_and_large_ones_in_short() -> None:
    T = wg.taylor(lambda p: np.array([p[0] * p[1], np.exp(p[0])]), np.zeros(2), order=2)
    assert str(T) == "[p₁p₂, 1 + p₁ + 0.5 p₁²]"
    large = str(wg.taylor(lambda x: np.sum(np.sin(x)), np.zeros(50), order=3))
    assert large.startswith("Taylor polynomial of order 3 in x ∈ ℝ⁵⁰, with values in ℝ\n")
    assert len(large.splitlines()) == 5


def test_formulas_of_arrays_print_in_matrix_notation() -> None:
    rng = np.random.default_rng(0)
    data = {"X": rng.normal(size=(4, 2)), "y": rng.normal(size=4)}
    T = wg.taylor("norm2(X*w - y)^2", {"w": np.ones(2)}, order=2, given=data)
    assert str(T) == "‖Xw₀ − y‖² + 2(Xw₀ − y)ᵀXδ + ‖Xδ‖²"
    assert str(T.term(1)) == "2(Xw₀ − y)ᵀXδ"


# ---------------------------------------------------------------- values


def tree_function(p: Any) -> Any:
    inner = np.tanh(p["W"] @ p["v"] + p["b"])
    return {"all": inner, "one": np.sum(inner**2) * np.exp(p["b"])}


POINT = {
    "W": np.random.default_rng(1).normal(size=(3, 2)),
    "b": 0.3,
    "v": np.array([0.5, -0.2]),
}


def direction(scale: float) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    return {k: np.asarray(v) + scale * rng.normal(size=np.shape(v)) for k, v in POINT.items()}


def test_trees_of_any_shapes() -> None:
    T = wg.taylor(tree_function, POINT, order=4)
    near, far = (T.error(direction(h)) for h in (0.003, 0.006))
    for name in ("all", "one"):
        ratio = np.linalg.norm(far[name]) / np.linalg.norm(near[name])
        assert ratio == pytest.approx(2**5, rel=0.1)
    at = direction(0.1)
    terms = T.terms(at)
    assert terms["all"].shape == (5, 3)
    np.testing.assert_allclose(terms["all"].sum(axis=0), T(at)["all"], rtol=1e-14)
    np.testing.assert_allclose(T.partial_sums(at)["all"][-1], T(at)["all"], rtol=1e-14)
    np.testing.assert_allclose(T.term(2)(at)["all"], terms["all"][2], rtol=1e-13)


def test_terms_are_contractions_of_the_coefficients() -> None:
    def f(x: Any) -> Any:
        return np.exp(np.sin(x) @ np.array([1.0, -0.5, 2.0])) * np.cos(x[:2])

    x0 = np.array([0.1, 0.2, -0.3])
    T = wg.taylor(f, x0, order=4)
    delta = np.array([0.3, -0.1, 0.2])
    terms = T.terms(x0 + delta)
    for k in range(5):
        C = T.coefficient(k)
        assert C.shape == (2, *(3,) * k)
        contracted = (C.reshape(2, -1) * np.ravel(wg.outer_power(delta, k))).sum(axis=1)
        np.testing.assert_allclose(contracted, terms[k], rtol=1e-12)
        for order in permutations(range(k)):
            moved = np.transpose(C, (0, *(1 + i for i in order)))
            np.testing.assert_allclose(moved, C, rtol=1e-10, atol=1e-13)


def test_formulas_of_one_and_of_several_variables() -> None:
    T = wg.taylor("sin(x)", 0, order=5)
    assert float(T(0.1)) == float(T(x=0.1)) == float(T({"x": 0.1}))
    assert float(T.coefficient(3)) == pytest.approx(-1 / 6)
    both = wg.taylor(
        "x'*A*y", {"x": np.ones(2), "y": np.ones(3)}, order=2, given={"A": np.ones((2, 3))}
    )
    np.testing.assert_allclose(both.coefficient(2)["x"]["y"], np.full((2, 3), 0.5))
    assert float(both(x=np.zeros(2), y=np.ones(3))) == pytest.approx(0.0, abs=1e-14)


def test_single_precision_stays() -> None:
    T = wg.taylor(lambda x: np.sum(np.exp(x)), np.zeros(3, dtype=np.float32), order=3)
    value = T(np.full(3, 0.1, dtype=np.float32))
    assert value.dtype == np.float32
    assert T.coefficient(2).dtype == np.float32
    assert float(value) == pytest.approx(3 * np.exp(0.1), rel=1e-5)


def test_lists_are_arrays_in_formulas_and_trees_in_functions() -> None:
    T = wg.taylor("x'*A*x", {"x": [1.0, 2.0]}, given={"A": [[1, 2], [3, 4]]}, order=2)
    assert float(T([1.0, 1.0])) == float(T({"x": [1, 1]})) == 10.0
    assert str(wg.taylor(lambda p: p[0] * p[1], (0.0, 2.0))) == "2 p₁ + p₁(p₂ − 2)"


def test_integers_are_made_real() -> None:
    T = wg.taylor(lambda x: np.sum(x**3), np.array([1, 2]), order=3)
    assert float(T(np.array([2, 3]))) == pytest.approx(35.0)


def test_derivatives_of_the_polynomial_are_polynomials_of_the_derivative() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.sin(x) * x[::-1])

    T = wg.taylor(f, np.ones(3), order=4)
    x = np.array([1.1, 0.8, 1.3])
    np.testing.assert_allclose(wg.grad(T)(x), T.derivative()(x), rtol=1e-13)
    np.testing.assert_allclose(wg.hessian(T)(x), T.derivative().derivative()(x), rtol=1e-12)


def test_inside_transforms() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.exp(x) * np.cos(x[::-1]))

    T = wg.taylor(f, np.zeros(2), order=5)
    x = np.array([0.3, -0.2])
    rows = np.stack([x, 2 * x])
    np.testing.assert_allclose(wg.vmap(T)(rows), [T(x), T(2 * x)], rtol=1e-14)
    assert float(wg.compile(T)(x)) == pytest.approx(float(T(x)), rel=1e-14)

    def moving(x0: Any) -> Any:  # the point is what is differentiated by
        return wg.taylor(f, x0, order=2)(x)

    wg.check_derivatives(moving, (np.array([0.1, 0.2]),))


# ---------------------------------------------------------------- properties

coefficients = st.integers(-4, 4).map(float)


@given(st.lists(coefficients, min_size=10, max_size=10), st.data())
@settings(max_examples=25)
def test_exact_on_polynomials(numbers: list[float], data: st.DataObject) -> None:
    """All cubic polynomials in two variables: T₃ is the polynomial, everywhere."""
    powers = [(i, j) for i in range(4) for j in range(4 - i)]

    def f(x: Any) -> Any:
        return sum(c * x[0] ** i * x[1] ** j for c, (i, j) in zip(numbers, powers, strict=True))

    x0 = np.array(data.draw(st.tuples(coefficients, coefficients)))
    x = np.array(data.draw(st.tuples(coefficients, coefficients)))
    T = wg.taylor(f, x0, order=3)
    assert float(T(x)) == pytest.approx(float(f(x)), rel=1e-9, abs=1e-9)
    assert float(wg.taylor(f, x0, order=5)(x)) == pytest.approx(float(f(x)), rel=1e-9, abs=1e-9)


@given(st.floats(-2, 2), st.integers(0, 5), st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=40)
def test_terms_are_homogeneous(c: float, k: int, a: float, b: float) -> None:
    x0 = np.array([a, b])
    T = wg.taylor(lambda x: np.exp(np.sin(x[0]) - x[1] * x[0]), x0, order=5)
    delta = np.array([0.7, -0.4])
    scaled = float(T.term(k)(x0 + c * delta))
    # the rounding of x0 + cδ is relative to x0
    assert scaled == pytest.approx(c**k * float(T.term(k)(x0 + delta)), rel=1e-7, abs=1e-13)


def test_small_coefficients_are_written_where_they_are_no_rounding() -> None:
    """Variables in very different units, beside what is left of zeros."""
    text = str(wg.taylor(lambda p: 3e8 * p[0] + 6.67e-11 * p[1], np.zeros(2), order=1))
    assert text == "3·10⁸ p₁ + 6.67·10⁻¹¹ p₂"
    text = str(wg.taylor("c*x + g*y", {"x": 0, "y": 0}, order=1, given={"c": 3e8, "g": 6.67e-11}))
    assert text == "3·10⁸ x + 6.67·10⁻¹¹ y"

    def gravity(p):
        return 6.67e-11 * p[0] * p[1] / p[2] ** 2

    found = wg.taylor(gravity, np.array([5.97e24, 7.3e22, 3.8e8]), order=2)
    assert str(found).count("p₁") == 3
    assert str(found).count("p₂") == 3
    assert "(p₁ − 5.97·10²⁴)(p₂ − 7.3·10²²)" in str(found)
    assert str(wg.taylor("x^2", 5.97e24, order=1)).endswith("(x − 5.97·10²⁴)")
    at = float(np.pi / 2)
    text = str(wg.taylor("exp(x)*cos(y)", {"x": 0.0, "y": at}, order=2))
    assert text == "−(y − 1.5708) − x(y − 1.5708)"


def test_printing_needs_no_repeated_derivatives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their expressions grow without bound: five steps of an ODE took minutes."""
    from wengert.taylor import polynomial

    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("a derivative was repeated")

    def step(x):
        for _ in range(3):
            r = np.sqrt(x[0] ** 2 + x[1] ** 2)
            x = x + 0.1 * np.array([x[2], x[3], -x[0] / r**3, -x[1] / r**3])
        return x

    T = wg.taylor(step, np.array([1.0, 0.0, 0.0, 1.1]), order=3)
    expected = wg.derivative(step, order=2)(T.point) / 2
    monkeypatch.setattr(polynomial, "derivative", refused)
    assert "(x₁ − 1)²" in str(T)
    assert np.allclose(T.coefficient(2), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("f", [np.linalg.norm, np.std, lambda x: np.hypot(x[0], x[1])])
def test_a_kink_comes_before_what_is_infinite(f: Any) -> None:
    """Their second derivatives are infinite, and the first ones do not exist either."""
    with pytest.raises(wg.KinkError, match="use order=0"):
        wg.taylor(f, np.zeros(2), order=2)


def test_outer_powers() -> None:
    delta = np.array([1.0, 2.0, 3.0])
    cube = wg.outer_power(delta, 3)
    assert cube.shape == (3, 3, 3)
    assert cube[0, 1, 2] == 6.0
    assert wg.outer_power(delta, 0) == 1.0
    assert wg.outer_power(np.ones((2, 3)), 2).shape == (2, 3, 2, 3)
    wg.check_derivatives(lambda x: wg.outer_power(x, 3), (delta,))


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: wg.taylor("sin(x)", 0, order=-1), ValueError, "order must be"),
        (lambda: wg.taylor("sin(x)", 0, order=1.5), ValueError, "order must be"),
        (lambda: wg.taylor("sin(x)", {"z": 0}), wg.NameClashError, "no variable z"),
        (lambda: wg.taylor("a*x*y", 0), wg.NameClashError, "dict of values by name"),
        (lambda: wg.taylor("a*x", {"x": 0.5}), wg.NameClashError, "given={'a'"),
        (lambda: wg.taylor(np.sin), wg.WengertError, "pass x0"),
        (lambda: wg.taylor(lambda p: 1.0, {}), wg.WengertError, "nothing to expand in"),
        (lambda: wg.taylor(np.sin, 1.0, given={"a": 2}), wg.NameClashError, "are for formulas"),
        (lambda: wg.taylor("x'*x", {"x": np.ones(2)})(np.ones(3)), wg.ShapeError, r"\(3,\)"),
        (lambda: wg.taylor(np.sin, 1.0)(x=2.0), wg.NameClashError, "are for formulas"),
        (lambda: wg.taylor("x*y", {"x": 1, "y": 1})(1.0), wg.NameClashError, "by name: x, y"),
        (lambda: wg.taylor("x*y", {"x": 1, "y": 1})(x=1.0), wg.NameClashError, "y is missing"),
        (lambda: wg.taylor(tree_function, POINT)({"W": 1.0}), wg.ShapeError, "nested as"),
        (lambda: wg.taylor("sin(x)", 0).coefficient(3), ValueError, "from 0 to 2"),
        (lambda: wg.taylor("sin(x)", 0).term(-1), ValueError, "from 0 to 2"),
        (lambda: wg.taylor("sin(x)", 0, order=0).derivative(), ValueError, "order 0"),
        (lambda: wg.taylor("x'*x", {"x": 0, "y": "u"}), wg.WengertError, "y"),
        (lambda: wg.taylor("sin(x)", {"x": "u+"}), wg.FormulaError, "u"),
        (lambda: wg.taylor("sin(x)*y", {"x": 0.5, "y": "b"}), wg.WengertError, "exact number"),
        (lambda: wg.taylor("2 + 3"), wg.NameClashError, "no variable to expand"),
        (lambda: wg.taylor("sin(x)", "nan"), wg.WengertError, "no point"),
        (lambda: wg.taylor("sin(x)", "1e400"), wg.WengertError, "too large"),
        (lambda: wg.taylor("sin(x)", np.nan), wg.DomainError, "x is nan"),
        (lambda: wg.taylor("sin(x)", {"x": None}), wg.WengertError, "None"),
        (lambda: wg.taylor("a*x", {"x": 0}, given={"a": "b"}), wg.WengertError, "stays a variable"),
        (lambda: wg.taylor("a*x", {"x": 0}, given={"x": 1}), wg.NameClashError, "x"),
        (lambda: wg.taylor("a*x", {"x": 0}, given={"z": 1}), wg.NameClashError, "z"),
        (lambda: wg.taylor(3, 1.0), TypeError, "takes a function"),
        (lambda: wg.taylor(lambda x: None, 1.0), wg.WengertError, "no array"),
        (lambda: wg.taylor(np.sin, 1j), wg.UnsupportedFunctionError, "complex"),
        (lambda: wg.taylor(wg.formula("x'*x"), {"x": 0}), wg.ShapeError, "rank 1"),
    ],
)
def test_mistakes_are_explained(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
