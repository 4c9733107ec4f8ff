"""Power series in one variable against SymPy, mpmath, and what textbooks say."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from scipy import special

import wengert as wg
from corpus.oracle import cauchy_coefficients
from wengert.cli import main
from wengert.primitive import Constant, Partials, registry
from wengert.taylor.univariate.closed_form import bernoulli, euler

X = sympy.Symbol("x")

# ---------------------------------------------------------------- coefficients against SymPy

FUNCTIONS = [
    ("sin(x)", 0), ("cos(3*x)", 0), ("exp(-x)", 0), ("exp(x^2)", 0), ("sinh(x)*cosh(x)", 0),
    ("tan(x)", 0), ("tanh(2*x)", 0), ("1/cos(x)", 0), ("1/cosh(x)", 0), ("log(1+x)", 0),
    ("log(1-x^2)", 0), ("log((1+x)/(1-x))", 0), ("arctan(x)", 0), ("arcsin(x)", 0),
    ("arccos(x)", 0), ("arcsinh(x)", 0), ("arctanh(x)", 0), ("sqrt(1+x)", 0),
    ("(1+x)^(1/3)", 0), ("(1-2*x)^(-3/2)", 0), ("1/(1+x+x^2)", 0), ("1/(1-x-x^2)", 0),
    ("x/(1-x)^2", 0), ("(1+x)/(1-3*x+2*x^2)", 0), ("sin(x)/x", 0), ("(exp(x)-1)/x", 0),
    ("(1-cos(x))/x^2", 0), ("x/(exp(x)-1)", 0), ("x/sin(x)", 0), ("cos(x)/sin(x)-1/x", 0),
    ("1/sin(x)-1/x", 0), ("log(1+x)/x", 0), ("(tan(x)-sin(x))/x^3", 0), ("exp(sin(x))", 0),
    ("exp(exp(x)-1)", 0), ("sin(sin(x))", 0), ("log(cos(x))", 0), ("exp(x)/(1-x)", 0),
    ("exp(x)*sin(x)", 0), ("sqrt(1+sin(x))", 0), ("cos(sqrt(1+x))", 0), ("(1+x)^x", 0),
    ("exp(1/(1-x))", 0), ("erf(x)", 0), ("arctan(x)/(1+x^2)", 0), ("x^3-2*x+5", 0),
    ("log(x)", 1), ("log(x)", 3), ("1/x", 2), ("sqrt(x)", 4), ("sqrt(x)", 2), ("exp(x)", 1),
    ("sin(x)", 1), ("x^x", 1), ("x^4-x", 2), ("arctan(x)", 1), ("1/(1+x^2)", -1),
    ("log(x)/(x-1)", 1),
    ("(x^3-8)/(x-2)", 2), ("tan(x)", 1), ("x*log(x)", 2), ("cosh(log(x))", 1), ("2^x", 0),
    ("gamma(x)", 1), ("digamma(x)", 1), ("abs(x)*x", -2),
]  # fmt: skip
SYMPY = {"arctan": "atan", "arcsinh": "asinh", "arctanh": "atanh", "arcsin": "asin",
         "arccos": "acos", "abs": "Abs", "^": "**"}  # fmt: skip


def by_sympy(text: str, at: int, count: int) -> list[Any]:
    """The coefficients by SymPy's own means."""
    for ours, theirs in SYMPY.items():
        text = text.replace(ours, theirs)
    f = sympy.sympify(text, rational=True).subs(sympy.Symbol("x"), X + at)
    if "Abs" in text:
        f = f.subs(sympy.Abs(X + at), -(X + at))
    expanded = sympy.series(f, X, 0, count).removeO()
    return [expanded.coeff(X, n) for n in range(count)]


@pytest.mark.parametrize(("text", "at"), FUNCTIONS)
def test_coefficients_are_those_of_sympy(text: str, at: int) -> None:
    count = 5 if "gamma" in text else 8
    found = wg.series(text, "x", at=at)
    for ours, theirs in zip(found.coefficients(count), by_sympy(text, at, count), strict=True):
        if isinstance(ours, Fraction):
            exactly = sympy.nsimplify(theirs) if theirs.is_Rational else sympy.simplify(theirs)
            assert Fraction(int(exactly.p), int(exactly.q)) == ours
        else:
            assert float(ours) == pytest.approx(float(theirs), rel=1e-12)


# ---------------------------------------------------------------- many terms against mpmath

ANALYTIC = [
    (lambda m: m.exp, np.exp, 0.3), (lambda m: m.sin, np.sin, 1.0), (lambda m: m.tan, np.tan, 0.4),
    (lambda m: m.gamma, special.gamma, 1.0), (lambda m: m.gamma, special.gamma, 2.5),
    (lambda m: m.erf, special.erf, 0.5), (lambda m: m.lambertw, special.lambertw, 0.2),
    (lambda m: m.loggamma, special.gammaln, 3.0), (lambda m: m.atan, np.arctan, 2.0),
    (lambda m: lambda x: m.besselj(0, x), special.j0, 1.5),
    (lambda m: lambda x: m.log(1 + m.exp(x)), lambda x: np.logaddexp(x, 0), 0.7),
    (lambda m: lambda x: m.sqrt(1 + x * x), lambda x: np.sqrt(1 + x * x), 0.3),
    (lambda m: lambda x: m.exp(m.sin(x)) / (2 - x), lambda x: np.exp(np.sin(x)) / (2 - x), 0.5),
    (lambda m: lambda x: 1 / (1 + 25 * x * x), lambda x: 1 / (1 + 25 * x * x), 0.3),
    (lambda m: lambda x: m.erfc(-x / m.sqrt(2)) / 2, special.ndtr, 0.2),
    (lambda m: lambda x: x**m.mpf("2.5"), lambda x: x**2.5, 1.7),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(ANALYTIC)))
def test_a_hundred_coefficients_are_those_of_mpmath(k: int) -> None:
    reference, function, at = ANALYTIC[k]
    numbers = cauchy_coefficients(
        reference(mpmath), at, 100, radius=0.05, count=160, digits=320
    )  # with digits to spare
    found = wg.series(function, at=at).floats(101)
    size = _envelope(numbers)
    assert np.all(np.abs(np.array(found) - numbers) <= 1e-11 * size)


def _envelope(numbers: np.ndarray) -> np.ndarray:
    """The size of the coefficients around each: single ones may be small by cancellation."""
    logs = np.log(np.maximum(np.abs(numbers), 1e-300))
    n = np.arange(len(logs))
    slope = np.polyfit(n[20:], logs[20:], 1)[0]
    flat = logs - slope * n
    near = np.array([flat[max(0, k - 4) : k + 5].max() for k in n])
    return np.exp(near + slope * n)


def test_coefficients_that_rounding_has_spoiled_are_refused() -> None:
    """sinh(x)/x around 0.001 in floats: the error is that of a pole at 0, 1e-16 · 1000ⁿ."""
    found = wg.series("sinh(x)/x", at=1e-3)
    assert found[2] == pytest.approx(1 / 6, rel=1e-6)
    with pytest.raises(wg.ConvergenceError, match="lost to rounding"):
        found.partial_sum(20)(0.5)
    assert wg.series("sin(x)/x", at=1.5).radius.value == math.inf
    with pytest.raises(wg.ConvergenceError, match="lost to rounding"):
        found[30]


def test_deep_coefficients_need_no_recursion() -> None:
    assert wg.series("sin(x)")[501] == Fraction(1, math.factorial(501))
    assert wg.series("sin(x)")[500] == 0
    assert wg.series("1/(1-x)^2")[3000] == 3001
    tangent = wg.series("tan(x)")
    n = 51
    assert tangent[2 * n - 1] == (-1) ** (n - 1) * 4**n * (4**n - 1) * bernoulli(2 * n) / Fraction(
        math.factorial(2 * n)
    )
    nearest = 1.5**-151  # of the pole of Γ at 0, whose residue is 1
    assert wg.series(special.gamma, at=1.5)[150] == pytest.approx(nearest, rel=1e-10)


def test_every_operation_of_one_number_has_the_series_of_its_differences() -> None:
    """The class: whatever is declared elementwise, with one operand, at a point of its domain."""
    tried = 0
    for primitive in registry.values():
        rule = primitive.derivative
        plain = primitive.elementwise and primitive.arity == 1 and not primitive.parameters
        plain = plain and primitive.smooth and primitive.dtype == "real"
        if not plain or not isinstance(rule, Partials | Constant) or not primitive.ufuncs:
            continue
        low, high = primitive.domains[0].low, primitive.domains[0].high
        at = low + 0.37 * (high - low)
        function = primitive.ufuncs[0]
        try:
            found = wg.series(function, at=at)
        except wg.MissingRuleError:  # no rule for the derivative
            continue
        step = 0.01 * (high - low)
        for t in (-step, step):
            value = function(at + t)
            assert found.partial_sum(8)(at + t) == pytest.approx(value, rel=1e-8, abs=1e-9), (
                primitive
            )
        tried += 1
    assert tried > 50


# ---------------------------------------------------------------- general terms

TEXTBOOK = [
    ("sin(x)", 0, "Σ_{k≥0} (−1)^k x^{2k+1}/(2k+1)!"),
    ("cos(x)", 0, "Σ_{k≥0} (−1)^k x^{2k}/(2k)!"),
    ("exp(x)", 0, "Σ_{k≥0} x^k/k!"),
    ("exp(-x^2)", 0, "Σ_{k≥0} (−1)^k x^{2k}/k!"),
    ("log(1+x)", 0, "Σ_{k≥1} (−1)^{k+1} x^k/k"),
    ("arctan(x)", 0, "Σ_{k≥0} (−1)^k x^{2k+1}/(2k+1)"),
    ("1/(1-x)", 0, "Σ_{k≥0} x^k"),
    ("1/(2-x)", 0, "Σ_{k≥0} x^k/2^{k+1}"),
    ("sqrt(1+x)", 0, "Σ_{k≥0} binom(1/2, k) x^k"),
    ("(1+x)^a", 0, "Σ_{k≥0} binom(a, k) x^k"),
    ("arcsin(x)", 0, "Σ_{k≥0} (2k)! x^{2k+1}/(4^k (2k+1)(k!)²)"),
    ("1/((1-x)*(1-2*x))", 0, "Σ_{k≥0} (2^{k+1} − 1) x^k"),
    ("log(x)", 2, "log(2) + Σ_{k≥1} (−1)^{k+1} (x − 2)^k/(2^k k)"),
    ("exp(x)", 1, "exp(1) Σ_{k≥0} (x − 1)^k/k!"),
    ("erf(x)", 0, "2/√π Σ_{k≥0} (−1)^k x^{2k+1}/((2k+1) k!)"),
    ("2^x", 0, "Σ_{k≥0} log(2)^k x^k/k!"),
    ("1/(1-a*x)", 0, "Σ_{k≥0} a^k x^k"),
    ("sin(a+x)", 0,
     "sin(a) Σ_{k≥0} (−1)^k x^{2k}/(2k)! + cos(a) Σ_{k≥0} (−1)^k x^{2k+1}/(2k+1)!"),
    ("1/(1-x-x^2)", 0, "a_{n+2} = a_{n+1} + a_n"),
    ("exp(x)/(1-x)", 0, "a_{n+2} = ((n + 3) a_{n+1} − a_n)/(n + 2)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "at", "rule"), TEXTBOOK)
def test_the_general_term_is_the_textbooks_and_proven(text: str, at: int, rule: str) -> None:
    found = wg.series(text, "x", at=at)
    assert rule in str(found)
    assert found.general_term is not None
    assert found.general_term.proven


KNOWN_NUMBERS = [
    ("tan(x)", "Σ_{k≥1} ((−4)^k − (−16)^k) B_{2k} x^{2k−1}/(2k)!"),
    ("x/(exp(x)-1)", "1 − x/2 + Σ_{k≥1} B_{2k} x^{2k}/(2k)!"),
    ("1/cos(x)", "Σ_{k≥0} (−1)^k E_{2k} x^{2k}/(2k)!"),
    ("1/cosh(x)", "Σ_{k≥0} E_{2k} x^{2k}/(2k)!"),
]


@pytest.mark.parametrize(("text", "rule"), KNOWN_NUMBERS)
def test_series_by_numbers_of_bernoulli_and_euler_are_said_to_be_unproven(
    text: str, rule: str
) -> None:
    found = wg.series(text)
    assert f"{rule} (not proven)" in str(found)
    assert found.general_term is not None
    assert not found.general_term.proven
    assert "not proven" in found.general_term.why


@pytest.mark.parametrize(("text", "at"), FUNCTIONS)
def test_a_rule_gives_coefficients_that_it_was_not_made_from(text: str, at: int) -> None:
    found = wg.series(text, "x", at=at)
    general = found.general_term
    if general is None or not general.components:
        return
    total: dict[int, Any] = dict(general.single)
    last = 0
    for component in general.components:
        count = (general.checked + 24) // component.step
        for n, value in component.coefficients(count).items():
            total[n] = total.get(n, Fraction(0)) + value
            last = max(last, n)
    for n in range(min(last, general.checked + 16)):
        assert total.get(n, Fraction(0)) == found[n]


def test_a_false_recurrence_is_not_proven() -> None:
    """exp(x) + x⁷⁰: the first coefficients look like those of exp."""
    found = wg.series("exp(x) + x^70/10")
    assert found.general_term is not None
    assert not found.general_term.proven
    assert wg.series("exp(x)").general_term.proven  # type: ignore[union-attr]


def test_numbers_of_bernoulli_and_euler() -> None:
    for n in range(40):
        b, e = sympy.bernoulli(n), sympy.euler(n)
        assert bernoulli(n) == (Fraction(-1, 2) if n == 1 else Fraction(int(b.p), int(b.q)))
        assert euler(n) == int(e)


# ---------------------------------------------------------------- radii

RADII = [
    ("1/(1+x^2)", 0, 1), ("tan(x)", 0, math.pi / 2), ("1/(1+25*x^2)", 0.3, math.hypot(0.3, 0.2)),
    ("x/(exp(x)-1)", 0, 2 * math.pi), ("arctan(x)", 1, 2**0.5), ("sqrt(1+x)", 0, 1),
    ("exp(sin(x))", 0, math.inf), ("tanh(x)", 0, math.pi / 2), ("1/cos(x)", 0, math.pi / 2),
    ("log(1+x^2)", 0, 1), ("log(1+exp(x))", 0, math.pi), ("exp(1/(1-x))", 0, 1),
    ("tan(exp(x))", 0, math.log(math.pi / 2)), ("sin(x)/x", 2, math.inf),
    ("(x^2-1)/(x-1)", 0, math.inf), ("x^x", 1, 1), ("arcsin(x)", 0.5, 0.5),
    ("1/(1-x-x^2)", 0, (5**0.5 - 1) / 2), ("exp(x)/(1-x)", 0, 1), ("sqrt(x)", 4, 4),
    ("1/(x-cos(x))", 0, 0.7390851332151607), ("log(2+sin(x))", 0, None),
    ("exp(exp(x))", 0, math.inf),
    ("sqrt(cosh(x))", 0, math.pi / 2), ("1/(1-x)-1/(1-x^2)", 0.5, 0.5), ("x^3", 1, math.inf),
    ("1/(1+x^4)", 0.5, abs(complex(2**-0.5 - 0.5, 2**-0.5))), ("erf(x)", 0, math.inf),
    ("1/sin(x)-1/x", 1, math.pi - 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "at", "value"), RADII)
def test_radii_that_are_known(text: str, at: float, value: float | None) -> None:
    if value is None:
        value = math.hypot(math.pi / 2, math.log(2 + 3**0.5))
    radius = wg.series(text, "x", at=at).radius
    assert radius.kind == "exact"
    assert radius.value == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize(
    ("function", "at", "value"),
    [
        (special.gamma, 1, 1.0), (lambda x: np.real(special.lambertw(x)), 0, math.exp(-1)),
        (special.digamma, 1.5, 1.5), (special.gammaln, 3, 3.0),
        (lambda x: np.arctan(np.tan(x) / 2), 0.1, None),
    ],
)  # fmt: skip
def test_estimated_radii_say_so_and_are_within_their_errors(
    function: Any, at: float, value: float | None
) -> None:
    radius = wg.series(function, at=at).radius
    if value is None:  # tan(x) = ±2i
        value = abs(0.1 - (math.pi / 2 + 1j * math.atanh(0.5)))
    assert radius.kind == "estimated"
    assert "estimated" in str(radius)
    assert abs(radius.value - value) <= 3 * radius.error + 1e-13
    assert radius.error < 0.03 * value


def test_radii_are_written_in_closed_form() -> None:
    assert str(wg.series("tan(x)")).endswith("|x| < π/2 (exact)")
    assert "|x − 1| < √2 (exact)" in str(wg.series("arctan(x)", at=1))
    assert "|x| < |a| (exact)" in str(wg.series("1/(a-x)", "x"))
    assert "|x| < ∞ (exact)" in str(wg.series("sin(x)"))


# ---------------------------------------------------------------- values


def test_partial_sums_evaluate_and_print() -> None:
    found = wg.series("sin(x)").partial_sum(5)
    assert str(found) == "x − x³/6 + x⁵/120"
    x = np.linspace(-1, 1, 7)
    assert found(x) == pytest.approx(x - x**3 / 6 + x**5 / 120)
    assert wg.series("sin(a*x)", "x", given={"a": 2}).partial_sum(40)(1.0) == pytest.approx(
        math.sin(2)
    )


@pytest.mark.parametrize(
    ("text", "x"), [("sin(x)", 2.0), ("log(1+x)", 0.9), ("exp(x)", -3.0), ("1/(1-x)", -0.5)]
)
def test_sums_are_within_their_errors(text: str, x: float) -> None:
    found = wg.series(text).sum(x)
    value = float(wg.formula(text, {"x": ()})(x=x))
    assert abs(found.value - value) <= found.error + 4e-16 * abs(value)
    assert found.error <= 1e-12 * max(1.0, abs(value))


def test_sums_refuse_what_they_cannot_give() -> None:
    with pytest.raises(wg.DomainError, match=r"converges for \|x\| < 1 \(exact\); 1.5"):
        wg.series("log(1+x)").sum(1.5)
    with pytest.raises(wg.ConvergenceError, match="cancel"):
        wg.series("exp(x)").sum(-40)
    with pytest.raises(wg.ConvergenceError, match="not enough"):
        wg.series("log(1+x)").sum(0.99999)


# ---------------------------------------------------------------- arithmetic


def test_arithmetic_of_series() -> None:
    s, c, e = wg.series("sin(x)"), wg.series("cos(x)"), wg.series("exp(x)")
    x = wg.series("x")
    pairs = [
        (s / c, "tan(x)"), (s * s + c * c, "1+0*x"), (e - 1, "exp(x)-1"),
        ((e - 1) / x, "(exp(x)-1)/x"),
        (1 / (1 - x), "1/(1-x)"), (2 * s * c, "sin(2*x)"), (-s + 3, "3-sin(x)"),
        (e.compose(s), "exp(sin(x))"),
        (s.derivative(), "cos(x)"), (c.integral(), "sin(x)"), (s.reversion(), "arcsin(x)"),
        (wg.series("tan(x)").reversion(), "arctan(x)"),
        (wg.series("exp(x)-1").reversion(), "log(1+x)"),
        (s.reversion().derivative() * s.reversion().derivative(), "1/(1-x^2)"),
    ]  # fmt: skip
    for found, text in pairs:
        assert found.coefficients(16) == wg.series(text, "x").coefficients(16), text
    assert s.reversion()[9] == Fraction(35, 1152)


def test_reversion_of_x_exp_x_is_lamberts_function() -> None:
    found = wg.series("x*exp(x)").reversion()
    for n in range(1, 20):
        assert found[n] == Fraction((-n) ** (n - 1), math.factorial(n))
    moved = wg.series("exp(x)").reversion()  # around exp(0) = 1
    assert moved.point == 1
    assert moved.coefficients(6) == wg.series("log(x)", at=1).coefficients(6)


def test_series_that_do_not_go_together() -> None:
    one, other = wg.series("exp(x)"), wg.series("exp(x)", at=1)
    with pytest.raises(wg.DomainError, match="different points: 0 and 1"):
        _ = one + other
    with pytest.raises(wg.DomainError, match="expanded at 0"):
        one.compose(one)
    with pytest.raises(wg.DomainError, match="branch point"):
        wg.series("cos(x)").reversion()
    with pytest.raises(wg.DomainError, match="pole"):
        _ = one / wg.series("x")


# ---------------------------------------------------------------- exact numbers


def test_points_are_exact_or_floats() -> None:
    assert wg.series("x^2", at="0.1").coefficients(3) == [
        Fraction(1, 100),
        Fraction(1, 5),
        Fraction(1),
    ]
    assert wg.series("sin(x)", at="pi/6")[0] == Fraction(1, 2)
    assert wg.series("cos(x)", at="pi/2").coefficients(3) == [0, -1, 0]
    assert isinstance(wg.series("sin(x)", at=0.5)[3], float)
    assert wg.series("arctan(x)", at=1)[1] == Fraction(1, 2)
    assert str(wg.series("exp(x)", at=1)[2]) == "exp(1)/2"
    assert str(wg.series("sqrt(x)", at=2)[1]) == "√(2)/4"


def test_symbols_stay_symbols() -> None:
    found = wg.series("exp(a*x)*b", "x")
    assert str(found[2]) == "a²b/2"
    with pytest.raises(wg.DomainError, match="which is a symbol"):
        found.floats(3)
    assert wg.series("exp(a*x)", "x", given={"a": "1/2"})[2] == Fraction(1, 8)
    assert wg.series("exp(a*x)", "x", given={"a": 0.5})[2] == pytest.approx(0.125)


def test_functions_with_arrays_inside_are_expanded_by_jets() -> None:
    weights = np.array([1.0, 2.0])
    found = wg.series(lambda x: np.sum(np.sin(weights * x)), at=0.3)
    for n, c in enumerate(found.coefficients(7)):
        value = sum(w**n * math.sin(w * 0.3 + n * math.pi / 2) for w in weights) / math.factorial(n)
        assert c == pytest.approx(value, rel=1e-12)


# ---------------------------------------------------------------- refusals

NOT_ANALYTIC = [
    ("1/x", 0, "pole of order 1"), ("1/sin(x)^2", 0, "pole of order 2"),
    ("sqrt(x)", 0, "branch point"),
    ("sqrt(x^2)", 0, "kink"), ("sqrt(x^3)", 0, "branch point"), ("x^(5/2)", 0, "branch point"),
    ("abs(x)", 0, "kink or a jump"), ("relu(x)", 0, "kink or a jump"),
    ("sign(x)", 0, "kink or a jump"),
    ("exp(-1/x^2)", 0, "pole"), ("sin(1/x)", 0, "pole"), ("log(x)", 0, "not a real number"),
    ("log(x)", -1, "not a real number"), ("arcsin(x)", 1, "branch point"), ("arcsin(x)", 2, "real"),
    ("sqrt(x)", -1, "no real power"), ("x^x", 0, "not a real number"),
    ("1/(x-x)", 1, "division by zero"),
    ("gamma(x)", 0, "not a real number"), ("arctan(1/x)", 0, "pole"),
    ("tan(x)", "pi/2", "tan has a pole"),
    ("log(cos(x))", "pi/2", "not a real number"), ("1/x", 0.0, "pole"), ("abs(x-1/2)", 0.5, "kink"),
    ("maximum(x, x^2)", 1, "kink"), ("sqrt(1-cos(x))", 0, "kink"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "at", "reason"), NOT_ANALYTIC)
def test_what_is_not_analytic_is_refused(text: str, at: Any, reason: str) -> None:
    with pytest.raises((wg.DomainError, wg.FormulaError), match=reason):
        wg.series(text, "x", at=at)


@pytest.mark.parametrize(
    ("f", "at"),
    [  # of parts that have no recurrence: by jets, which know one side
        (lambda x: np.where(x > 0, x, x**2), 0),
        (lambda x: np.where(x > 0, x**3, 0.0), 0),
        (lambda x: np.max(np.stack([x, x**2])), 1),
        (lambda x: np.sum(np.sort(np.stack([x, 2 * x]))[:1]), 0.0),
        (lambda x: np.linalg.norm(np.stack([x, 2 * x])), 0),
    ],
)
def test_kinks_are_refused_where_there_are_no_recurrences(f: Any, at: Any) -> None:
    with pytest.raises(wg.DomainError, match="no power series at x = "):
        wg.series(f, at=at)
    assert np.isfinite(float(wg.series(f, at=0.5).coefficients(2)[1]))


@pytest.mark.parametrize("f", [special.j0, special.j1, special.i0, special.i1])
@pytest.mark.parametrize("at", [0, 1])
def test_functions_in_each_others_derivatives_have_a_radius(f: Any, at: int) -> None:
    radius = wg.series(f, at=at).radius
    assert radius.value == math.inf


def test_wrong_input() -> None:
    with pytest.raises(TypeError, match="one number"):
        wg.series("exp(x)").sum(np.array([0.1, 0.2]))
    for call in (wg.series("sin(x)").coefficients, wg.series("sin(x)").partial_sum):
        with pytest.raises(IndexError, match="from 0 on; got -1"):
            call(-1)
    with pytest.raises(wg.NameClashError, match="which variable"):
        wg.series("x*y")
    with pytest.raises(wg.NameClashError, match="z is no variable"):
        wg.series("x*y", "x", given={"z": 1})
    with pytest.raises(wg.NameClashError, match="t is no variable"):
        wg.series("sin(x)", "t")
    with pytest.raises(wg.NameClashError, match="y is not given"):
        wg.series("x*y", "x", at=0.5)
    with pytest.raises(wg.NameClashError, match="has the variable y"):
        wg.series("x", at="y")
    with pytest.raises(wg.FormulaError, match="no function foo"):
        wg.series("foo(x)")
    with pytest.raises(wg.ShapeError, match="x is an array"):
        wg.series(wg.formula("norm2(x)^2"))
    with pytest.raises(wg.ShapeError, match="one number"):
        wg.series(lambda x: np.array([1.0, 2.0]) * x)
    with pytest.raises(wg.DomainError, match="finite"):
        wg.series("x", at=math.inf)
    with pytest.raises(TypeError, match="one number"):
        wg.series("x", at=[1, 2])
    with pytest.raises(TypeError, match="a formula or a function"):
        wg.series(3)  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="from 0 on"):
        wg.series("x")[-1]
    with pytest.raises(wg.NameClashError, match="where it is written"):
        wg.series(np.sin, given={"a": 1})


# ---------------------------------------------------------------- writing


def test_latex() -> None:
    assert wg.series("sin(x)").latex() == (
        r"x - \frac{x^{3}}{6} + \frac{x^{5}}{120} + \cdots = "
        r"\sum_{k=0}^{\infty} \frac{(-1)^{k} x^{2k+1}}{(2k+1)!},\quad |x| < \infty\;\text{(exact)}"
    )
    assert r"|x| < \frac{\pi}{2}" in wg.series("tan(x)").latex()


def test_polynomials_are_written_whole() -> None:
    assert str(wg.series("(1+x)^3")) == "1 + 3x + 3x² + x³,  |x| < ∞ (exact)"
    assert str(wg.series("x^2", at=2)).startswith("4 + 4(x − 2) + (x − 2)²,")


def test_plot(tmp_path: Any) -> None:
    path = tmp_path / "arctan.png"
    figure = wg.series("arctan(x)").plot(str(path), degrees=[1, 3, 9])
    assert path.stat().st_size > 10_000
    labels = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert labels == ["$|x| < 1$", "$T_{1}$", "$T_{3}$", "$T_{9}$", "$f$"]


# ---------------------------------------------------------------- command line


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return int(stopped.value.code or 0)


def test_command(capsys: Any, tmp_path: Any) -> None:
    assert _run("series", "log(x)", "--at", "2", "--terms", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("log(x) = log(2) + (x − 2)/2 + ... = log(2) + Σ_{k≥1}")
    assert lines[1].startswith("general term: proven")
    assert lines[2] == "radius of convergence: 2 (exact: by the ratio of successive terms)"
    assert _run("series", "exp(a*x)", "--wrt", "x", "--value", "a=1/2", "--latex") == 0
    assert capsys.readouterr().out.startswith(r"1 + \frac{x}{2}")
    path = tmp_path / "tan.png"
    assert _run("series", "tan(x)", "--plot", str(path)) == 0
    assert path.stat().st_size > 10_000
    assert _run("series", "1/x") == 2
    assert "pole of order 1" in capsys.readouterr().err
