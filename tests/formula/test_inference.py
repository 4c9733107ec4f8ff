"""Types: letters, declarations, orientation, unification, names of sizes."""

from __future__ import annotations

import pytest

from wengert.assumptions import Assumption
from wengert.errors import FormulaError, NameClashError, ShapeError
from wengert.formula import FormulaShapeError, elaborate, function_names, lookup
from wengert.formula.declarations import ShapeLike, rank_by_letter
from wengert.formula.types import Solver, name_sizes
from wengert.shapes import format_shape, symbol


def shapes_of(text: str, shapes: dict[str, ShapeLike] | None = None) -> str:
    """All shapes of a formula on one line."""
    formula = elaborate(text, shapes)
    parts = [f"{v.name}: {format_shape(v.shape)}" for v in formula.variables]
    return f"{', '.join(parts)} -> {formula.orientation} {format_shape(formula.shape)}"


BY_USE = {
    "norm2(X*w - y)^2": "X: m×n, w: n, y: m -> scalar scalar",
    "X*w - y": "X: m×n, w: n, y: m -> column m",
    "x'*A*x": "x: n, A: n×n -> scalar scalar",
    "x*y'": "x: m, y: n -> matrix m×n",
    "x'": "x: n -> row n",
    "x'*A": "x: m, A: m×n -> row n",
    "A'": "A: m×n -> matrix n×m",
    "a'": "a: n -> row n",
    "exp(a'*x) + a'*c": "a: n, x: n, c: scalar -> row n",
    "(a*x)'": "a: scalar, x: n -> row n",
    "1 + x": "x: n -> column n",
    "2.^X": "X: m×n -> matrix m×n",
    "A*exp(x)": "A: m×n, x: n -> column m",
    "sum(log(exp(-y.*(X*w)) + vector(1)))": "y: m, X: m×n, w: n -> scalar scalar",
    "tr(A*X'*B*X*C)": "A: m×n, X: p×n, B: p×p, C: n×m -> scalar scalar",
    "A + 2*eye": "A: n×n -> matrix n×n",
    "X + matrix(1)": "X: m×n -> matrix m×n",
    "eye": " -> matrix n×n",
    "eye(3)": " -> matrix 3×3",
    "eye(k)*x": "x: k -> column k",
    "vector(1, 3) + x": "x: 3 -> column 3",
    "matrix(0, 2, k)*x": "x: k -> column 2",
    "vector(1)": " -> column n",
    "vec(X) - vec(Y)": "X: m×n, Y: m×n -> column m*n",
    "vec(X) - y": "X: m×n, y: m*n -> column m*n",
    "kron(A, B)*w": "A: m×n, B: p×k, w: k*n -> column m*p",
    "kron(x, y)": "x: m, y: n -> column m*n",
    "sum(X, 0)": "X: m×n -> column n",
    "sum(X, axis=1)": "X: m×n -> column m",
    "max(X, axis=-1)": "X: m×n -> column m",
    "mean(x')": "x: n -> scalar scalar",
    "softmax(X)": "X: m×n -> matrix m×n",
    "softmax(x')": "x: n -> row n",
    "diag(x)": "x: n -> matrix n×n",
    "diag(X)": "X: n×n -> column n",
    "pinv(A)": "A: m×n -> matrix n×m",
    "X^2": "X: n×n -> matrix n×n",
    "X^-1": "X: n×n -> matrix n×n",
    "tr(x'*A*x)": "x: n, A: n×n -> scalar scalar",
    "outer(x, y)": "x: m, y: n -> matrix m×n",
    "dot(x, y')": "x: n, y: n -> scalar scalar",
    "einsum('ij,j->i', A, x)": "A: m×n, x: n -> column m",
    "einsum('ij,jk', A, B)": "A: m×n, B: n×p -> matrix m×p",
    "einsum('i,j,k->ijk', x, y, z)": "x: m, y: n, z: p -> tensor m×n×p",
    "einsum('ii->', A)": "A: n×n -> scalar scalar",
    "maximum(x, 0)": "x: n -> column n",
    "r = X*w - y; r'*r": "X: m×n, w: n, y: m -> scalar scalar",
    "f = X*w": "X: m×n, w: n -> column m",
    "kron(x, x) - x": "x: 1 -> column 1",
}


@pytest.mark.parametrize(("text", "expected"), BY_USE.items())
def test_sizes_from_use(text: str, expected: str) -> None:
    assert shapes_of(text) == expected


@pytest.mark.parametrize(
    ("text", "shapes", "expected"),
    [
        ("X*w", {"X": (5, "d")}, "X: 5×d, w: d -> column 5"),
        ("X*w - y", {"y": 7}, "X: 7×n, w: n, y: 7 -> column 7"),
        ("T", {"T": ("n", "n", 3)}, "T: n×n×3 -> tensor n×n×3"),
        ("x*a", {"x": ()}, "x: scalar, a: scalar -> scalar scalar"),
        ("x*a", {"x": "scalar", "a": "vector"}, "x: scalar, a: n -> column n"),
        ("A + b", {"b": "matrix"}, "A: m×n, b: m×n -> matrix m×n"),
        ("einsum('ijk,k->ij', T, x)", {"T": "tensor3"}, "T: m×n×p, x: p -> matrix m×n"),
        ("X", {"X": "3, n"}, "X: 3×n -> matrix 3×n"),
        ("vec(X) - y", {"y": 12, "X": (3, "matrix")}, ""),
        ("vec(X) - y", {"y": 12, "X": (3, "k")}, ""),
        ("vec(X) - y", {"y": "p*q", "X": ("p", "q")}, "X: p×q, y: p*q -> column p*q"),
        ("vec(X) - y", {"y": 12, "w": 4}, ""),
        ("vec(X*w') - y", {"y": 12, "w": 4, "X": "vector"}, "X: 3, w: 4, y: 12 -> column 12"),
        ("solve(A, b)", {"b": "n"}, "A: n×n, b: n -> column n"),
        ("solve(A, B)", {}, "A: m×m, B: m×n -> matrix m×n"),
        ("p*x", {"p": ()}, "p: scalar, x: n -> column n"),
        ("n*x + X*w", {"n": (), "X": "m,m"}, "n: scalar, x: m, X: m×m, w: m -> column m"),
        ("α*x", {"x": "α₁"}, "α: scalar, x: α1 -> column α1"),
    ],
)
def test_declared_shapes(text: str, shapes: dict[str, ShapeLike], expected: str) -> None:
    if expected:
        assert shapes_of(text, shapes) == expected
    else:
        with pytest.raises((ShapeError, NameClashError)):
            shapes_of(text, shapes)


def test_names_of_sizes_avoid_variables_and_declared_sizes() -> None:
    assert shapes_of("m'*X*n") == "m: p, X: p×k, n: k -> scalar scalar"
    assert shapes_of("X*w + y", {"y": "n"}) == "X: n×m, w: m, y: n -> column n"


def test_many_names_of_sizes() -> None:
    unknown = [(symbol(f"?{k}"),) for k in range(1, 31)]
    names = list(name_sizes(unknown, frozenset()).values())
    assert len(set(names)) == 30
    assert str(names[-1]) == "n16"


@pytest.mark.parametrize(
    ("name", "rank"),
    [("a", 0), ("g1", 0), ("h", 1), ("z", 1), ("alpha", 0), ("W", 2), ("π2", 0), ("Σ", 2),
     ("ж", 0), ("Ж", 2), ("é", 0), ("x̂", 1), ("_x", 1), ("Å", 2), ("_", 0)],
)  # fmt: skip
def test_first_letter(name: str, rank: int) -> None:
    assert rank_by_letter(name) == rank


def test_assumptions_make_square() -> None:
    formula = elaborate("W*x", assume={"W": "positive definite"})
    assert format_shape(formula.variables[0].shape) == "n×n"
    assert Assumption.SYMMETRIC in formula.variables[0].assumptions
    positive = elaborate("x", assume={"x": "positive"})
    assert positive.variables[0].assumptions == {Assumption.POSITIVE}


def test_definitions_are_shared() -> None:
    formula = elaborate("h = tanh(A*x); z = h + h; z'*z")
    assert len([n for n in formula.nodes if n.word.name == "tanh"]) == 1
    assert [name for name, _ in formula.definitions] == ["h", "z"]
    assert formula.nodes[-1] is formula.root


def test_constants_fold_exactly() -> None:
    root = elaborate("1/3 + 2^-1 - 0.1*(-2)").root
    assert str(root.value) == "31/30"
    assert elaborate("pi").root.value is None


def test_a_name_is_one_variable() -> None:
    formula = elaborate("x'*x + x₁'*x1")
    assert [v.name for v in formula.variables] == ["x", "x1"]


def test_solver_waits_for_products() -> None:
    solver = Solver()
    m, n = solver.fresh(), solver.fresh()
    assert solver.unify(m * n, 12, (0, 1))
    assert solver.unify(m, 3, (0, 1))
    assert solver.settle() is None
    assert solver.resolve(n) == 4


def test_solver_does_not_guess_among_named_sizes() -> None:
    solver = Solver()
    unknown = solver.fresh() * solver.fresh()
    assert solver.unify(unknown, symbol("p") * symbol("q"), (0, 1))
    assert solver.settle() is not None


def test_solver_refuses_circles() -> None:
    solver = Solver()
    n = solver.fresh()
    assert solver.unify(n, n * solver.fresh(), (0, 1))
    assert not Solver().unify(symbol("m"), symbol("n"), (0, 1))
    assert not Solver().unify(symbol("m"), 3, (0, 1))


def test_shape_errors_are_both_kinds() -> None:
    with pytest.raises(FormulaShapeError) as caught:
        elaborate("X*w", {"X": (2, 3), "w": 4})
    assert isinstance(caught.value, FormulaError)
    assert isinstance(caught.value, ShapeError)


def test_every_word_is_documented() -> None:
    for name in function_names():
        word = lookup(name)
        assert word is not None, name
        assert word.doc.strip(), name
        assert word.name.isidentifier()
