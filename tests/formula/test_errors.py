"""Every kind of bad input, with the exact message and the exact place."""

from __future__ import annotations

import pytest

from wengert.errors import FormulaError, NameClashError, ShapeError, WengertError
from wengert.formula import elaborate
from wengert.formula.declarations import AssumptionLike, ShapeLike

# text -> (message, what the carets are under)
READING = {
    "": ("the formula is empty; write one, such as norm2(X*w - y)^2", ""),
    " \n ": ("the formula is empty; write one, such as norm2(X*w - y)^2", ""),
    "(a + b": ("( is never closed; add )", "("),
    "[a + b": ("[ is never closed; add ]", "["),
    "(a; b)": ("( is never closed; add )", "("),
    "a + b)": (") closes nothing; remove it", ")"),
    "(a + b]": ("( is closed by ]; write )", "]"),
    "()": ("there is nothing between the brackets", ")"),
    "a + ()*b": ("there is nothing between the brackets", ")"),
    "a +": ("+ needs an operand on its right", "+"),
    "a + *b": ("+ needs an operand on its right", "+"),
    "(a*)": ("* needs an operand on its right", "*"),
    "*a": ("* needs an operand on its left", "*"),
    "(./b)": ("./ needs an operand on its left", "./"),
    "2x": ("an operator is missing before x; for a product write 2*x", "x"),
    "X w": (
        "an operator is missing before w; for a product write X*w, for a function X(w)",
        "w",
    ),
    "sin x": (
        "an operator is missing before x; for a product write sin*x, for a function sin(x)",
        "x",
    ),
    "(a)(b)": ("an operator is missing before (; for a product write )*(", "("),
    "x[1]": ("indexing is not part of the language; for a product write *", "["),
    "a, b": ("a comma separates the arguments of a function; there is none here", ","),
    "sum(X,)": ("an argument is missing", ")"),
    "sum(,X)": ("an argument is missing", ","),
    "x' = 2": ("= defines a name at the start of a statement, as in r = X*w - y; r'*r", "="),
    "= 2": ("= needs a name on its left, as in r = X*w - y", "="),
    "r = ": ("r = needs an expression on its right", "r"),
    "; x": ("an expression is missing before ;", ";"),
    "x; y": (
        "only the last expression can be without a name; write r = ... here, or join it to the "
        "next line",
        "x",
    ),
    "''": ("a quoted text is the first argument of einsum only; a transpose is x'", "''"),
    "' + 1": ("there is nothing to transpose before '; write it after an operand: x'", "'"),
    "a $ b": ("$ is not part of the language; remove it", "$"),
    "a \x07 b": ("character U+0007 is not part of the language; remove it", "\x07"),
    "|x|": (
        "| is not part of the language; for an absolute value write abs(x), for a determinant "
        "det(A)",
        "|",
    ),
    "A \\ b": ("\\ is not part of the language; to solve A*x = b write solve(A, b)", "\\"),
    "a == b": ("== is not part of the language; a definition has one =", "=="),
    "x ⊗ y": ("⊗ is not part of the language; for a Kronecker product write kron(A, B)", "⊗"),
    "1e401": ("a number can have 400 digits and an exponent up to 400", "1e401"),
    "①": ("① is not a name; names have letters, digits and underscores", "①"),
    "(" * 201 + "x": ("brackets are nested deeper than 200; name the inner parts", "("),
}

NAMES = {
    "sim(x)": ("there is no function sim; did you mean sum?; for a product write sim*(...)", "sim"),
    "nrom2(x)": (
        "there is no function nrom2; did you mean norm2?; for a product write nrom2*(...)",
        "nrom2",
    ),
    "x(y)": ("there is no function x; for a product write x*(...)", "x"),
    "r = a; r(2)": ("r is no function but a value defined before; for a product write r*", "r"),
    "exp*2": ("exp is a function; write exp(x), or choose another name", "exp"),
    "sum": ("sum is a function; write sum(x, axis=None), or choose another name", "sum"),
    "exp = 2; a": ("exp is a word of the language; choose another name", "exp"),
    "pi = 3; pi": ("pi is a word of the language; choose another name", "pi"),
    "r = a; r = b; r": ("r is defined twice; choose another name", "r"),
    "r = r + 1; r": ("r is used before its definition is finished", "r"),
    "s = r; r = a; s + r": ("r is used before its definition is finished", "r"),
    "r = a; b": ("r is defined but not used; remove it", "r"),
    "res = X*w; ress'*y": ("res is defined but not used; remove it; did you mean ress?", "res"),
    "eye(n)*n": ("n is the name of a size; choose another name here", "n"),
    "X^T": ("T is a variable here; for the transpose write X'", "T"),
}

ARGUMENTS = {
    "tr(A, B)": ("tr is called as tr(A); here it has 2 arguments", "tr(A, B)"),
    "exp()": ("exp is called as exp(x); here it has 0 arguments", "exp()"),
    "kron(A)": ("kron is called as kron(A, B); here it has 1 argument", "kron(A)"),
    "pi(2)": ("pi is called as pi(); here it has 1 argument", "pi(2)"),
    "max(x, 0)": (
        "max is called as max(x, axis=None); here it has 2 arguments; for the maximum of two, "
        "entry by entry, write maximum(x, 0)",
        "max(x, 0)",
    ),
    "sum(X, axes=0)": ("sum has no argument named axes; did you mean axis?", "0"),
    "tr(A, k=1)": ("tr has no argument named k; it is called as tr(A)", "1"),
    "sum(X, 0, axis=0)": ("axis is given twice", "0"),
    "sum(X, axis=0, axis=1)": ("axis is given twice", "1"),
    "sum(axis=0, X)": ("arguments by position come before those by name", "X"),
    "sum(X, b)": ("axis in sum(x, axis=None) is an integer, written out", "b"),
    "sum(X, 0.5)": ("axis in sum(x, axis=None) is an integer, written out", "0.5"),
    "sum(X, 2)": ("there is no axis 2 in X: its axes are 0 to 1", "sum(X, 2)"),
    "sum(x, 1)": ("there is no axis 1 in x: its only axis is 0", "sum(x, 1)"),
    "sum(a, 0)": ("there is no axis 0 in a: a scalar has no axes", "sum(a, 0)"),
    "eye(0)": ("n in eye(n=None) is a size: a positive integer or a name", "0"),
    "matrix(1, 2)": ("matrix takes all sizes or none", "matrix(1, 2)"),
    "matpow(A, 0.5)": ("k in matpow(A, k) is an integer, written out", "0.5"),
    "X^0.5": (
        "a matrix power has an integer as its exponent; entry by entry write X.^0.5",
        "0.5",
    ),
    "X^a": ("a matrix power has an integer as its exponent; entry by entry write X.^a", "a"),
    "a^2000": ("an exponent can be up to 1000", "2000"),
    "matpow(A, 2000)": ("an exponent can be up to 1000", "matpow(A, 2000)"),
    "1/0": ("division by zero", "0"),
    "x./(1 - 1)": ("division by zero", "(1 - 1)"),
    "0^-1": ("zero has no negative power", "0"),
    "polygamma(-1, x)": ("the order of polygamma is 0 or a positive integer", "polygamma(-1, x)"),
    "einsum(A, x)": (
        'einsum begins with a quoted text: einsum("ijk,k->ij", T, x)',
        "A",
    ),
    'einsum("i2", A)': (
        'the subscripts of einsum are letters, as in "ijk,k->ij"',
        'einsum("i2", A)',
    ),
    'einsum("ij,j->i", A)': (
        '"ij,j->i" has subscripts for 2 operands; einsum gets 1',
        'einsum("ij,j->i", A)',
    ),
    'einsum("i->j", x)': (
        "the output's subscript j is in no operand of einsum",
        'einsum("i->j", x)',
    ),
    'einsum("i->ii", x)': (
        "the output's subscript i is there twice; for a diagonal matrix write diag",
        'einsum("i->ii", x)',
    ),
}

_A = "(a matrix by its capital letter)"
_V = "(a vector by its letter)"
SHAPES = {
    "x*y": (
        f"two columns have no product *: x is a vector of size m {_V}, y is a vector of size n "
        f"{_V}. Write x'*y for the inner product, x*y' for the outer product, x.*y entry by entry",
        "x*y",
    ),
    "x'*y'": (
        "two rows have no product *: x' is a row of size m, y' is a row of size n; here x is a "
        f"vector of size m {_V}, y is a vector of size n {_V}. Write x'*y'' for the inner "
        "product, x''*y' for the outer product, x'.*y' entry by entry",
        "x'*y'",
    ),
    "x*A": (
        f"a column has no product * with a matrix: x is a vector of size m {_V}, A is a matrix of "
        f"size n×p {_A}. Write x'*A or A*x",
        "x*A",
    ),
    "A*x'": (
        f"a matrix has no product * with a row: A is a matrix of size m×n {_A}, x' is a row of "
        f"size p; here x is a vector of size p {_V}. Write A*x'' or x'*A",
        "A*x'",
    ),
    "X/A": (
        f"/ divides by scalars only: X is a matrix of size m×n {_A}, A is a matrix of size p×k "
        f"{_A}. Write X*inv(A) for the product with the inverse, X./A entry by entry",
        "X/A",
    ),
    "1/x": (
        f"/ divides by scalars only: 1 is a scalar, x is a vector of size n {_V}. To divide entry "
        "by entry write 1./x",
        "1/x",
    ),
    "x^2": (
        f"^ is for scalars and square matrices: x is a vector of size n {_V}, 2 is a scalar. "
        "Entry by entry write x.^2",
        "x^2",
    ),
    "2^x": (
        f"the exponent of ^ is a scalar: 2 is a scalar, x is a vector of size n {_V}. Entry by "
        "entry write 2.^x",
        "2^x",
    ),
    "x' + y": (
        "+ and - need equal shapes: x' is a row of size m, y is a vector of size n "
        f"{_V}; here x is a vector of size m {_V}. Transpose one of them",
        "x' + y",
    ),
    "X - y": (
        f"+ and - need equal shapes: X is a matrix of size m×n {_A}, y is a vector of size p {_V}. "
        "To have the vector in every column write y*vector(1)'",
        "X - y",
    ),
    "X.*y'": (
        f".* needs equal shapes: X is a matrix of size m×n {_A}, y' is a row of size p; here y is "
        f"a vector of size p {_V}. To have the row in every row write vector(1)*y'",
        "X.*y'",
    ),
    "maximum(x, A)": (
        f"maximum needs equal shapes: x is a vector of size m {_V}, A is a matrix of size n×p "
        f"{_A}. To have the vector in every column write x*vector(1)'",
        "maximum(x, A)",
    ),
    "tr(x)": (f"tr is of a square matrix: x is a vector of size n {_V}", "tr(x)"),
    "vec(a)": ("vec is of a matrix: a is a scalar (a scalar by its letter)", "vec(a)"),
    "kron(A, x)": (
        f"kron is of two matrices, two columns or two rows: A is a matrix of size m×n {_A}, x is "
        f"a vector of size p {_V}",
        "kron(A, x)",
    ),
    "dot(A, B)": (
        f"dot is of two vectors: A is a matrix of size m×n {_A}, B is a matrix of size p×k {_A}. "
        "For matrices write A*B or sum(A.*B)",
        "dot(A, B)",
    ),
    "vector(x)": (f"vector fills with a scalar: x is a vector of size n {_V}", "vector(x)"),
    "softmax(a)": (
        "softmax is of a vector, or along an axis of an array: a is a scalar (a scalar by its "
        "letter)",
        "softmax(a)",
    ),
    "solve(a, b)": (
        "solve(A, b) takes a square matrix and a column or a matrix: a is a scalar (a scalar by "
        "its letter), b is a scalar (a scalar by its letter)",
        "solve(a, b)",
    ),
    'einsum("ijk->i", A)': (
        f'"ijk" has 3 subscripts for A of rank 2: A is a matrix of size m×n {_A}',
        'einsum("ijk->i", A)',
    ),
}

GOLDEN = {**READING, **NAMES, **ARGUMENTS, **SHAPES}


@pytest.mark.parametrize("text", GOLDEN)
def test_message_and_place(text: str) -> None:
    message, place = GOLDEN[text]
    with pytest.raises(FormulaError) as caught:
        elaborate(text)
    assert caught.value.reason == message
    if place:
        assert text[caught.value.start : caught.value.end] == place


@pytest.mark.parametrize("text", SHAPES)
def test_clashes_are_shape_errors(text: str) -> None:
    with pytest.raises(ShapeError):
        elaborate(text)


DECLARED: list[tuple[str, dict[str, ShapeLike], str]] = [
    (
        "X*w",
        {"X": (3, 4), "w": 5},
        "* needs equal inner sizes: X is a matrix of size 3×4 (declared), w is a vector of size 5 "
        "(declared)",
    ),
    (
        "X*w - y",
        {"X": (3, "n"), "y": 5},
        "+ and - need equal shapes: X*w is a vector of size 3, y is a vector of size 5 (declared); "
        "here X is a matrix of size 3×n (declared), w is a vector of size n (a vector by its "
        "letter, sized by X*w)",
    ),
    (
        "X*w + y'*z",
        {"X": ("m", "n"), "w": "m"},
        "* needs equal inner sizes: X is a matrix of size m×n (declared), w is a vector of size m "
        "(declared)",
    ),
    (
        "det(A'*B)",
        {"A": (2, 3), "B": (2, 4)},
        "det needs a square matrix: A'*B is a matrix of size 3×4; here A is a matrix of size 2×3 "
        "(declared), B is a matrix of size 2×4 (declared)",
    ),
    (
        "T*x",
        {"T": (2, 3, 4)},
        "tensors have no product *: T is a tensor of size 2×3×4 (declared), x is a vector of size "
        f'n {_V}. Name the axes: einsum("ijk,k->ij", T, x)',
    ),
    (
        "T'",
        {"T": (2, 3, 4)},
        "a tensor has no transpose: T is a tensor of size 2×3×4 (declared). Name the axes: "
        'einsum("ijk->kij", T)',
    ),
    (
        "T + x",
        {"T": (2, 3, 4)},
        "+ and - need equal shapes: T is a tensor of size 2×3×4 (declared), x is a vector of size "
        f"n {_V}. Only scalars are spread over arrays",
    ),
    (
        "vec(X) - y",
        {"y": 12},
        "the sizes m*n and 12 have to be equal here; declare the shapes",
    ),
    (
        'einsum("ij,jk", A, B)',
        {"A": (2, 3), "B": (4, 5)},
        "einsum needs one size for the subscript j: A is a matrix of size 2×3 (declared), B is a "
        "matrix of size 4×5 (declared)",
    ),
    ("x*n'", {"x": "n"}, "n is the name of a size; choose another name here"),
]


@pytest.mark.parametrize(("text", "shapes", "message"), DECLARED)
def test_declared_shapes_that_clash(text: str, shapes: dict[str, ShapeLike], message: str) -> None:
    with pytest.raises(FormulaError) as caught:
        elaborate(text, shapes)
    assert caught.value.reason == message


BAD_DECLARATIONS: list[tuple[dict[str, ShapeLike], type[WengertError], str]] = [
    ({"z": 3}, NameClashError, "the formula has no variable z; it has: X, w"),
    (
        {"r": 3},
        NameClashError,
        "r is defined in the formula; its shape follows from there",
    ),
    (
        {"w": 0},
        ShapeError,
        "the shape of w has the size 0; a size is a positive integer or a name such as 'n'",
    ),
    (
        {"w": 2.5},  # type: ignore[dict-item]
        ShapeError,
        "the shape of w has the size 2.5; a size is a positive integer or a name such as 'n'",
    ),
    (
        {"w": "n-1"},
        ShapeError,
        "the shape of w has the size 'n-1'; a size is a positive integer or a name such as 'n'",
    ),
    (
        {"w": True},
        ShapeError,
        "the shape of w has the size True; a size is a positive integer or a name such as 'n'",
    ),
    ({"w": (2,) * 33}, ShapeError, "w has 33 axes; the limit is 32"),
]


@pytest.mark.parametrize(("shapes", "kind", "message"), BAD_DECLARATIONS)
def test_bad_declarations(
    shapes: dict[str, ShapeLike], kind: type[WengertError], message: str
) -> None:
    with pytest.raises(kind) as caught:
        elaborate("r = X*w; r", shapes)
    assert str(caught.value) == message


ASSUMPTIONS: list[tuple[dict[str, AssumptionLike], dict[str, ShapeLike], str]] = [
    (
        {"x": "symmetric"},
        {},
        f"only square matrices can be symmetric: x is a vector of size p {_V}. Declare its shape",
    ),
    (
        {"W": "orthogonal"},
        {"W": (2, 3)},
        "only square matrices can be orthogonal: W is a matrix of size 2×3 (declared). Declare its "
        "shape",
    ),
    (
        {"W": "symetric"},
        {},
        "W: unknown assumption 'symetric'; the known ones are: symmetric, positive definite, "
        "diagonal, orthogonal, positive",
    ),
    ({"V": "symmetric"}, {}, "the formula has no variable V; it has: W, x"),
]


@pytest.mark.parametrize(("assume", "shapes", "message"), ASSUMPTIONS)
def test_bad_assumptions(
    assume: dict[str, AssumptionLike], shapes: dict[str, ShapeLike], message: str
) -> None:
    with pytest.raises(WengertError) as caught:
        elaborate("W*x", shapes, assume)
    assert str(caught.value).splitlines()[0] == message


def test_the_whole_message() -> None:
    with pytest.raises(FormulaError) as caught:
        elaborate("a = 2\nb = sim(x)\na*b")
    assert str(caught.value) == (
        "there is no function sim; did you mean sum?; for a product write sim*(...)\n"
        "  b = sim(x)\n"
        "      ^^^"
    )
