"""Text to syntax: precedence, spellings, and the traps."""

from __future__ import annotations

from fractions import Fraction

import pytest

from wengert.errors import FormulaError
from wengert.formula.lexer import tokenize
from wengert.formula.parser import parse, to_brackets
from wengert.formula.syntax import Call, Number, Operation

PRECEDENCE = {
    # sums and products, from the left
    "a + b - c": "(a+b-c)",
    "a - (b - c)": "(a-(b-c))",
    "a*b/c": "((a*b)/c)",
    "a + b*c": "(a+(b*c))",
    "a*b + c*d": "((a*b)+(c*d))",
    "a .* b ./ c": "((a.*b)./c)",
    # signs: looser than powers, tighter than products
    "-x^2": "(-(x^2))",
    "-a*b": "((-a)*b)",
    "-a + b": "((-a)+b)",
    "a*-b": "(a*(-b))",
    "a - -b": "(a-(-b))",
    "+a": "a",
    "--a": "(-(-a))",
    # powers, from the left; a sign in an exponent binds tightest
    "2^3^4": "((2^3)^4)",
    "x.^2.^3": "((x.^2).^3)",
    "2^-1": "(2^(-1))",
    "2^-1^3": "((2^(-1))^3)",
    "2^-x'": "((2^(-x))')",
    "a*b^2": "(a*(b^2))",
    "(a*b)^2": "((a*b)^2)",
    # transposes
    "x'": "(x')",
    "x'^2": "((x')^2)",
    "x'*y": "((x')*y)",
    "x*y'": "(x*(y'))",
    "(A*B)'": "((A*B)')",
    "[A*B]'": "((A*B)')",
    "A''": "((A')')",
    "-x'": "(-(x'))",
    "A.^B'": "((A.^B)')",
    "x '": "(x')",
    "f(x)'*y": "((f(x)')*y)",
}


@pytest.mark.parametrize(("text", "expected"), PRECEDENCE.items())
def test_precedence(text: str, expected: str) -> None:
    assert to_brackets(parse(text).result.body) == expected


SPELLINGS = {
    "A@x": "A*x",
    "a**2": "a^2",
    "X.T*y": "X'*y",
    "x.'": "x'",
    "Xᵀ*y": "X'*y",
    "X⊤": "X'",
    "x′*y": "x'*y",
    "x⊙y": "x.*y",
    "x⊘y": "x./y",
    "a²": "a^2",
    "a¹²": "a^12",
    "A⁻¹": "A^(-1)",
    "a·b": "a*b",
    "a×b": "a*b",
    "a − b": "a - b",
    "[a + b]*c": "(a+b)*c",
    "\u00a0a +\tb": "a+b",
    "x₁ + x̂": "x1+x̂",
}


@pytest.mark.parametrize(("text", "plain"), SPELLINGS.items())
def test_spellings(text: str, plain: str) -> None:
    written, expected = parse(text).result.body, parse(plain).result.body
    assert to_brackets(written).replace("-1", "(-1)") == to_brackets(expected).replace(
        "(-1)", "-1"
    ).replace("-1", "(-1)")


NUMBERS = {
    "2": Fraction(2),
    "0.5": Fraction(1, 2),
    ".5": Fraction(1, 2),
    "5.": Fraction(5),
    "0.1": Fraction(1, 10),
    "1e-3": Fraction(1, 1000),
    "1.5E+2": Fraction(150),
    "2.e1": Fraction(20),
}


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_numbers_are_exact(text: str, value: Fraction) -> None:
    body = parse(text).result.body
    assert isinstance(body, Number)
    assert body.value == value


@pytest.mark.parametrize("operator", [".*", "./", ".^"])
def test_dot_after_a_number_belongs_to_the_operator(operator: str) -> None:
    body = parse(f"2{operator}x").result.body
    assert isinstance(body, Operation)
    assert body.operator == operator


def test_number_with_a_dot_and_a_space() -> None:
    assert to_brackets(parse("2. *x").result.body) == "(2*x)"


def test_quotes_are_texts_only_where_an_operand_is_due() -> None:
    kinds = [t.kind for t in tokenize("""einsum('ij,j->i', A', x')""")]
    assert kinds == ["name", "(", "text", ",", "name", "'", ",", "name", "'", ")", "$"]


@pytest.mark.parametrize("closing", ["x'", "(x)'", "[x]'", "x''", "2'", "x²'"])
def test_quotes_after_operands_are_transposes(closing: str) -> None:
    body = parse(closing).result.body
    assert isinstance(body, Operation)
    assert body.operator == "'"


def test_calls() -> None:
    body = parse("sum(X, axis=0)").result.body
    assert isinstance(body, Call)
    assert (body.function, len(body.arguments), body.keywords[0][0]) == ("sum", 1, "axis")
    assert to_brackets(parse("eye()").result.body) == "eye()"


@pytest.mark.parametrize(
    "text",
    [
        "r = X*w - y; r'*r",
        "r = X*w - y\nr'*r",
        "r = X*w - y;\nr'*r;",
        "\n r = X*w -\n y\n\n r'*r \n",
        "r = (X*w\n - y)\n r'*r",
        "r = X*w - y;; r'*r;",
    ],
)
def test_definitions(text: str) -> None:
    program = parse(text)
    assert [d.name for d in program.definitions] == ["r"]
    assert to_brackets(program.definitions[0].body) == "((X*w)-y)"
    assert to_brackets(program.result.body) == "((r')*r)"


def test_named_result() -> None:
    program = parse("f = a + b")
    assert (program.result.name, to_brackets(program.result.body)) == ("f", "(a+b)")


def test_ranges_cover_brackets() -> None:
    text = "2*(a + b)'"
    body = parse(text).result.body
    assert isinstance(body, Operation)
    right = body.operands[1]
    assert text[right.start : right.end] == "(a + b)'"
    assert text[body.start : body.end] == text


@pytest.mark.parametrize("text", ["(" * 199 + "x" + ")" * 199, "((x))"])
def test_nested_brackets_within_the_limit(text: str) -> None:
    assert to_brackets(parse(text).result.body) == "x"


def test_caret_is_under_the_place() -> None:
    with pytest.raises(FormulaError) as caught:
        parse("a + X w")
    assert str(caught.value).splitlines()[1:] == ["  a + X w", "        ^"]
