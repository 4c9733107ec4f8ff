"""Scalars by scalars: the univariate rules, and every elementwise function once."""

from __future__ import annotations

from corpus.case import Case, case

# Each row: name, formula, derivative, and the domain of x ("real" if there is none).
_POWERS = (
    ("0", "x^0", "0"),
    ("1", "x^1", "1"),
    ("2", "x^2", "2*x"),
    ("3", "x^3", "3*x^2"),
    ("5", "x^5", "5*x^4"),
    ("10", "x^10", "10*x^9"),
    ("minus-1", "x^-1", "-x^-2"),
    ("minus-2", "x^-2", "-2*x^-3"),
    ("minus-3", "x^(-3)", "-3/x^4"),
    ("0.5", "x^0.5", "0.5*x^-0.5", "positive"),
    ("1.5", "x^1.5", "1.5*sqrt(x)", "positive"),
    ("2.5", "x^(5/2)", "5/2*x^(3/2)", "positive"),
    ("third", "x^(1/3)", "1/3*x^(-2/3)", "positive"),
    ("minus-0.5", "x^-0.5", "-0.5*x^-1.5", "positive"),
    ("minus-two-thirds", "x^(-2/3)", "-2/3*x^(-5/3)", "positive"),
    ("python", "x**4", "4*x**3"),
    ("superscript", "x² + 3*x", "2*x + 3"),
    ("negated", "-x^2", "-2*x"),
    ("exponential", "2^x", "log(2)*2^x"),
)

_RULES = (
    ("product-1", "x^2*sin(x)", "2*x*sin(x) + x^2*cos(x)"),
    ("product-2", "exp(x)*log(x)", "exp(x)*log(x) + exp(x)/x", "positive"),
    ("product-3", "(x^2 + 1)*(x^3 - 2*x)", "2*x*(x^3 - 2*x) + (x^2 + 1)*(3*x^2 - 2)"),
    ("product-4", "x*sin(x)*exp(x)", "sin(x)*exp(x) + x*cos(x)*exp(x) + x*sin(x)*exp(x)"),
    ("quotient-1", "sin(x)/x", "(cos(x)*x - sin(x))/x^2"),
    ("quotient-2", "x/(1 + x^2)", "(1 - x^2)/(1 + x^2)^2"),
    ("quotient-3", "(x^2 + 1)/(x - 3)", "(2*x*(x - 3) - (x^2 + 1))/(x - 3)^2"),
    ("quotient-4", "sin(x)/cos(x)", "1/cos(x)^2", "unit"),
    ("quotient-5", "log(x)/x", "(1 - log(x))/x^2", "positive"),
    ("reciprocal", "1/x", "-1/x^2"),
    ("sum-1", "x^4 + 3*x^2 - 2*x + 7", "4*x^3 + 6*x - 2"),
    ("sum-2", "exp(x) + exp(-x)", "exp(x) - exp(-x)"),
    ("sum-cancels", "(x + 1)^2 - x^2 - 2*x - 1", "0"),
    ("chain-1", "sin(x^2)", "2*x*cos(x^2)"),
    ("chain-2", "exp(-x^2/2)", "-x*exp(-x^2/2)"),
    ("chain-3", "log(1 + x^2)", "2*x/(1 + x^2)"),
    ("chain-4", "sqrt(1 + x^2)", "x/sqrt(1 + x^2)"),
    ("chain-5", "sin(cos(x))", "-cos(cos(x))*sin(x)"),
    ("chain-6", "exp(sin(x^2))", "exp(sin(x^2))*cos(x^2)*2*x"),
    ("chain-7", "(3*x^2 - 1)^5", "30*x*(3*x^2 - 1)^4"),
    ("chain-8", "log(exp(x))", "1"),
    ("chain-definitions", "u = x^2 + 1; v = sin(u); exp(v)", "exp(sin(x^2 + 1))*cos(x^2 + 1)*2*x"),
    ("self-power", "x^x", "x^x*(log(x) + 1)", "positive"),
    ("pythagoras", "sin(x)^2 + cos(x)^2", "0"),
    ("constant", "3 + 0*x", "0"),
    ("fraction", "3/4*x^2 - x/2", "3/2*x - 1/2"),
    ("scalar-transpose", "x'*x", "2*x"),
    ("number-before-dot-operator", "2.*x + 3.*x.^2", "2 + 6*x"),
    ("number-formats", "2.5e-1*x^2 + .5*x + 1E1", "0.5*x + 0.5"),
)

_FUNCTIONS = (
    ("exp", "exp(x)", "exp(x)"),
    ("log", "log(x)", "1/x", "positive"),
    ("log1p", "log1p(x)", "1/(1 + x)", "positive"),
    ("expm1", "expm1(x)", "exp(x)"),
    ("sqrt", "sqrt(x)", "1/(2*sqrt(x))", "positive"),
    ("abs", "abs(x)", "sign(x)"),
    ("sign", "sign(x)*x^2", "2*abs(x)"),
    ("sin", "sin(x)", "cos(x)"),
    ("cos", "cos(x)", "-sin(x)"),
    ("tan", "tan(x)", "1 + tan(x)^2", "unit"),
    ("arcsin", "arcsin(x)", "1/sqrt(1 - x^2)", "unit"),
    ("arccos", "arccos(x)", "-1/sqrt(1 - x^2)", "unit"),
    ("arctan", "arctan(x)", "1/(1 + x^2)"),
    ("sinh", "sinh(x)", "cosh(x)"),
    ("cosh", "cosh(x)", "sinh(x)"),
    ("tanh", "tanh(x)", "1 - tanh(x)^2"),
    ("sigmoid", "sigmoid(x)", "sigmoid(x)*(1 - sigmoid(x))"),
    ("softplus", "softplus(x)", "sigmoid(x)"),
    ("softplus-spelt-out", "log(1 + exp(x))", "sigmoid(x)"),
    ("relu", "relu(x)", "(1 + sign(x))/2"),
    ("gelu", "gelu(x)", "(1 + erf(x/sqrt(2)))/2 + 0.3989422804014327*x*exp(-x^2/2)"),
    ("erf", "erf(x)", "1.1283791670955126*exp(-x^2)"),
    ("gammaln", "gammaln(x)", "digamma(x)", "positive"),
    ("maximum", "maximum(x, x^2)", "(1 + 2*x)/2 + (1 - 2*x)/2*sign(x - x^2)", "unit"),
    ("minimum", "minimum(x, x^2)", "(1 + 2*x)/2 - (1 - 2*x)/2*sign(x - x^2)", "unit"),
    ("swish", "x*sigmoid(x)", "sigmoid(x) + x*sigmoid(x)*(1 - sigmoid(x))"),
)


def _table(rows: tuple[tuple[str, ...], ...], prefix: str, source: str) -> tuple[Case, ...]:
    return tuple(
        case(
            f"{prefix}-{name}",
            text,
            "x",
            "x()",
            source,
            shapes="x()",
            domain={"x": domain[0]} if domain else None,
            known={"x": known},
        )
        for name, text, known, *domain in rows
    )


SEVERAL = (
    case(
        "power-general",
        "a^b",
        "a b",
        "a() b()",
        "lecture, power rule with a symbolic exponent; matrixcalculus.org documentation",
        domain={"a": "positive"},
        known={"a": "b*a^(b - 1)", "b": "a^b*log(a)"},
    ),
    case(
        "tanh-affine",
        "tanh(a*x + b)",
        "a b x",
        "a() b() x()",
        "lecture, chain rule",
        shapes="x()",
        known={
            "a": "x*(1 - tanh(a*x + b)^2)",
            "b": "1 - tanh(a*x + b)^2",
            "x": "a*(1 - tanh(a*x + b)^2)",
        },
    ),
    case(
        "distance-from-origin",
        "sqrt(a^2 + b^2)",
        "a b",
        "a() b()",
        "lecture, partial derivatives",
        known={"a": "a/sqrt(a^2 + b^2)", "b": "b/sqrt(a^2 + b^2)"},
    ),
    case("digamma", "digamma(a)", "a", "a()", "elementwise functions", domain={"a": "positive"}),
    case(
        "left-to-right",
        "a/b/c - a*b/c",
        "a b c",
        "a() b() c()",
        "MATLAB precedence",
        domain={"a": "positive", "b": "positive", "c": "positive"},
        known={"a": "1/(b*c) - b/c", "b": "-a/(b^2*c) - a/c", "c": "(a*b - a/b)/c^2"},
    ),
)

CASES: tuple[Case, ...] = (
    _table(_POWERS, "power", "lecture, d xⁿ = n xⁿ⁻¹")
    + _table(_RULES, "rule", "lecture, univariate rules")
    + _table(_FUNCTIONS, "function", "elementwise functions")
    + SEVERAL
)
