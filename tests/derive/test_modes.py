"""Forward, reverse and cross-country: one value and one printed form, at orders 1 and 2; what is
projected for symmetric and diagonal variables; mixed derivatives; zeros."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import wengert as wg
from corpus.oracle import diagonal_part, richardson_jacobian, symmetric_part
from operations.support import MODES, assert_close, evaluate
from wengert.assumptions import Assumption
from wengert.derive import cheapest_mode, derivative, resolve_mode
from wengert.errors import WengertError
from wengert.operations import (
    elementwise,
    matmul,
    max_,
    norm1,
    ones,
    sum_,
    trace,
    transpose,
    variable,
    zeros,
)
from wengert.shapes import Shape, substitute, symbols_of


@dataclass(frozen=True)
class Case:
    text: str
    wrt: str = "x"
    shapes: dict[str, Any] = field(default_factory=dict)
    assume: dict[str, str] = field(default_factory=dict)
    positive: bool = False

    @property
    def formula(self) -> wg.Formula:
        mentioned = {k: shape for k, shape in self.shapes.items() if k in self.text}
        return wg.formula(self.text, mentioned or None, self.assume or None)


T = {"T": ("n", "n", "m")}
CASES = [
    # linear and quadratic
    Case("a'*x", shapes={"a": ("n",)}),
    Case("A*x"),
    Case("A*x", "A"),
    Case("x'*A*x"),
    Case("x'*A*x", "A"),
    Case("x'*A*y", "A"),
    Case("x'*A*x", assume={"A": "symmetric"}),
    Case("x'*A*x", "A", assume={"A": "symmetric"}),
    Case("norm2(X*w - y)^2", "w"),
    Case("norm2(X*w - y)^2", "X"),
    Case("norm2(X*w - y)^2 + c*norm2(w)^2", "w"),
    Case("(X*w - y)'*W*(X*w - y)", "w", assume={"W": "symmetric"}),
    Case("(x'*A*x)^2"),
    Case("(A*x + b)'*C*(D*x + e)",
         shapes={"b": ("m",), "e": ("m",), "A": ("m", "n"), "D": ("m", "n"),
                                           "C": ("m", "m")}),
    # matrix products
    Case("R'*R", "R"),
    Case("R*R'", "R"),
    Case("A*B*C", "B"),
    Case("A*B*A", "A"),
    Case("tr(A*B)", "A"),
    Case("tr(A'*A)", "A"),
    Case("tr(A*X*B*X')", "X"),
    Case("tr(A*A*A)", "A"),
    Case("x'*A*A*y", "A"),
    Case("norm2(T - U*V')^2", "U"),
    Case("norm2(W.*(T - U*V'))^2", "U"),
    Case("A .* B", "A"),
    Case("(A*x) .* (B*x)"),
    Case("diag(x)*A*diag(x)"),
    Case("x*x'"),
    Case("diag(A)" , "A"),
    Case("sum(A*B)", "A"),
    Case("kron(A, B)", "A"),
    Case("vec(A)'*vec(A*B)", "A", shapes={"A": ("n", "n"), "B": ("n", "n")}),
    Case("einsum(\"ijk,i,j->k\", T, x, x)", shapes=T),
    Case("einsum(\"ijk,i,j,k->\", T, x, x, z)", "x", shapes={**T, "z": ("m",)}),
    Case("einsum(\"ijk,k->ij\", T, z)", "T", shapes={**T, "z": ("m",)}),
    # inverses and determinants
    Case("inv(A)", "A"),
    Case("x'*inv(A)*x", "A"),
    Case("x'*inv(A)*x", "A", assume={"A": "symmetric"}),
    Case("inv(A)*x", "A"),
    Case("inv(X'*X)*X'*y", "y"),
    Case("y'*inv(A + c*eye(n))*y", "c", shapes={"A": ("n", "n"), "y": ("n",)}),
    Case("det(A)", "A"),
    Case("logdet(A)", "A"),
    Case("logdet(A)", "A", assume={"A": "positive definite"}),
    Case("log(det(A'*A))", "A"),
    Case("tr(inv(A)*B)", "A"),
    Case("adj(A)", "A"),
    Case("pinv(X)*y", "X"),
    # elementwise
    Case("exp(x)"),
    Case("sin(x)'*cos(x)"),
    Case("tanh(A*x)"),
    Case("sum(exp(A*x + y))"),
    Case("sum(log(1 + exp(-y.*(X*w))))", "w"),
    Case("x ./ y"),
    Case("1 ./ (1 + exp(-x))"),
    Case("x.^3"),
    Case("x.^y", positive=True),
    Case("x.^y", "y", positive=True),
    Case("sqrt(x)", positive=True),
    Case("a^2*sin(b)/c", "a"),
    Case("log(x)'*x", positive=True),
    Case("exp(-norm2(x)^2/2)"),
    Case("exp(A)", "A"),
    Case("gelu(x)"),
    Case("erf(x)"),
    Case("gammaln(x)", positive=True),
    Case("exp(x*y')"),
    # reductions
    Case("norm2(x)"),
    Case("norm2(A*x - b)", shapes={"b": ("m",)}),
    Case("x/norm2(x)"),
    Case("norm2(x)^3"),
    Case("softmax(x)"),
    Case("softmax(A*x)'*y"),
    Case("logsumexp(x)"),
    Case("logsumexp(A*x)"),
    Case("log(sum(exp(x)))"),
    Case("exp(x)/sum(exp(x))"),
    Case("prod(x)"),
    Case("mean(x.^2)"),
    Case("sum((x - mean(x)).^2)"),
    Case("norm1(x)"),
    Case("max(x)"),
    Case("maximum(A*x, y)"),
    Case("relu(A*x)"),
    # layered
    Case("h = tanh(A*x + b); k = tanh(B*h + c); k'*k",
         shapes={"A": ("p", "n"), "b": ("p",), "B": ("q", "p"), "c": ("q",)}),
    Case("h = tanh(A*x + b); norm2(B*h - y)^2", "A",
         shapes={"A": ("p", "n"), "b": ("p",), "B": ("q", "p"), "y": ("q",)}),
    Case("h = tanh(A*x + b); norm2(B*h - y)^2", "B",
         shapes={"A": ("p", "n"), "b": ("p",), "B": ("q", "p"), "y": ("q",)}),
    Case("h = sigmoid(A*x); h.*(1 - h)"),
    Case("h = A*x; g = h + A*h; g'*g", shapes={"A": ("n", "n")}),
    Case("r = X*w - y; s = r'*r; log(s)", "w"),
    Case("r = x - A*x; r'*B*r", shapes={"A": ("n", "n"), "B": ("n", "n")}),
    # of sums that cancel or gather
    Case("(x + y)'*(x - y) + y'*y"),
    Case("x'*x + 2*x'*y + y'*y - norm2(x + y)^2 + x'*A*x"),
    Case("x'*A*x + x'*A'*x"),
    Case("tr((A + A')*(A - A')) + sum(A)", "A"),
    Case("a*x'*x + b*x'*x", "x"),
]  # fmt: skip


def values_for(case: Case, seed: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    f = case.formula
    names = sorted(frozenset[str]().union(*(symbols_of(v.shape) for v in f.variables)))
    sizes = {name: {"n": 2, "m": 3}.get(name, 2) for name in names}
    values: dict[str, Any] = {}
    for v in f.variables:
        shape = tuple(int(s) for s in substitute(v.shape, sizes))  # type: ignore[arg-type]
        drawn = rng.uniform(0.3, 1.3, shape)
        if not case.positive:
            drawn = drawn * rng.choice([-1.0, 1.0], shape)
        if len(shape) == 2 and shape[0] == shape[1]:
            drawn = drawn + 4 * np.eye(shape[0])
        if case.assume.get(v.name) in ("symmetric", "positive definite"):
            drawn = (drawn + drawn.T) / 2
        values[v.name] = drawn
    return values


def ids(case: Case) -> str:
    assumed = "".join(f"[{k} {v}]" for k, v in case.assume.items())
    return f"{case.text} by {case.wrt}{assumed}"


def test_there_are_at_least_60_cases() -> None:
    assert len({ids(c) for c in CASES}) == len(CASES) >= 60


@pytest.mark.parametrize("case", CASES, ids=ids)
@pytest.mark.parametrize("order", [1, 2])
def test_modes_agree_in_value_and_in_print(case: Case, order: int) -> None:
    f = case.formula
    values = values_for(case)
    before = f.derivative(case.wrt, order=order - 1) if order > 1 else f
    project = (
        symmetric_part if case.assume.get(case.wrt) in ("symmetric", "positive definite") else None
    )

    def function(x: Any) -> Any:
        return before._unchecked({**values, case.wrt: x})

    expected = richardson_jacobian(function, values[case.wrt], project)
    found = {mode: f.derivative(case.wrt, order=order, mode=mode) for mode in MODES}
    sizes = found["reverse"]._bind(values).sizes
    for mode, g in found.items():
        assert tuple(substitute(g.shape, sizes)) == expected.shape
        assert_close(g(**values), expected, 1e-7, mode)
        assert_close(evaluate(g.shown, values, sizes=sizes), expected, 1e-7, f"shown, {mode}")
    shown = {g.shown for g in found.values()}
    assert len(shown) == 1, "\n".join(f"{mode}: {g}" for mode, g in found.items())


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_mixed_modes_agree(case: Case) -> None:
    """The first derivative in one mode, the second in another."""
    values = values_for(case)
    f = case.formula
    second = [
        f.derivative(case.wrt, mode=first).derivative(case.wrt, mode=then)
        for first, then in itertools.product(("forward", "reverse"), repeat=2)
    ]
    expected = second[0](**values)
    for g in second[1:]:
        assert_close(g(**values), expected, 1e-9)


PAIRS = [
    ("norm2(X*w - y)^2", "w", "X"),
    ("norm2(X*w - y)^2", "y", "X"),
    ("x'*A*y", "x", "A"),
    ("tanh(A*x)'*y", "A", "x"),
    ("tanh(A*x)", "A", "x"),
    ("x.^y", "x", "y"),
    ("inv(A)*x", "A", "x"),
    ("softmax(A*x)", "A", "x"),
    ("tr(A*B*A*B)", "A", "B"),
    ("logdet(A + x*x')", "A", "x"),
    ("a*exp(b*x)", "a", "x"),
    ("norm2(x - y)", "x", "y"),
    ("R'*R*x", "R", "x"),
    ("maximum(x, y)'*x", "x", "y"),
]


@pytest.mark.parametrize(("text", "u", "w"), PAIRS)
@pytest.mark.parametrize("mode", MODES)
def test_equality_of_mixed_partials(text: str, u: str, w: str, mode: str) -> None:
    case = Case(text, positive=True)
    f, values = case.formula, values_for(case)
    one, two = f.derivative(u, w, mode=mode), f.derivative(w, u, mode=mode)
    p, q = np.ndim(values[u]), np.ndim(values[w])
    r = len(f.shape)
    axes = [*range(r), *range(r + q, r + q + p), *range(r, r + q)]
    assert_close(one(**values), np.transpose(two(**values), axes), 1e-10)


# ------------------------------------------------------------------ projections


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "text",
    [
        "tr(A*B)",
        "logdet(A)",
        "x'*inv(A)*y",
        "A*B",
        "det(A)",
        "exp(A)*x",
        "norm2(A)",
        "tr(A*A*B)",
        "inv(A)",
    ],
)
@pytest.mark.parametrize("order", [1, 2])
def test_symmetric_variables_are_projected(text: str, mode: str, order: int) -> None:
    """(G + Gᵀ)/2, and the same again at the next order."""
    case = Case(text, "A", {"A": ("n", "n"), "B": ("n", "n")}, {"A": "symmetric"})
    f, values = case.formula, values_for(case)
    before = f.derivative("A", order=order - 1, mode=mode) if order > 1 else f
    g = f.derivative("A", order=order, mode=mode)
    expected = richardson_jacobian(
        lambda x: before._unchecked({**values, "A": x}), values["A"], symmetric_part
    )
    got = g(**values)
    assert_close(got, expected, 1e-7)
    assert_close(got, np.swapaxes(got, -1, -2), 1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "text", ["tr(A*B)", "det(A)", "x'*inv(A)*y", "A*B", "exp(A)*x", "inv(A)", "sin(A)"]
)
@pytest.mark.parametrize("order", [1, 2])
def test_diagonal_variables_are_projected(text: str, mode: str, order: int) -> None:
    case = Case(text, "A", {"A": ("n", "n"), "B": ("n", "n")}, {"A": "diagonal"})
    f = case.formula
    values = values_for(case)
    values["A"] = np.diag([0.7, -1.3])
    before = f.derivative("A", order=order - 1, mode=mode) if order > 1 else f
    g = f.derivative("A", order=order, mode=mode)
    expected = richardson_jacobian(
        lambda x: before._unchecked({**values, "A": x}), values["A"], diagonal_part
    )
    got = g(**values)
    assert_close(got, expected, 1e-7)
    off = ~np.eye(2, dtype=bool)
    assert not got[..., off].any()


def test_the_derivative_of_a_symmetric_variable_in_itself_is_the_projection() -> None:
    S = variable("S", (3, 3), frozenset({Assumption.SYMMETRIC}))
    eye = np.eye(3)
    expected = (np.einsum("ik,jl->ijkl", eye, eye) + np.einsum("il,jk->ijkl", eye, eye)) / 2
    for mode in MODES:
        assert_close(evaluate(derivative(S, [S], mode), {"S": eye}), expected)
        assert_close(evaluate(derivative(transpose(S), [S], mode), {"S": eye}), expected)


def test_derivatives_by_orthogonal_variables_are_refused() -> None:
    f = wg.formula("x'*Q*x", assume={"Q": "orthogonal"})
    with pytest.raises(WengertError, match="orthogonal"):
        f.derivative("Q")


# ------------------------------------------------------------------ zeros and edges

ZEROS = [
    ("y'*y + 0*sum(x)", "x", 1),
    ("A*x", "x", 2),
    ("x'*A*x", "x", 3),
    ("tr(A)", "A", 2),
    ("x'*x - norm2(x)^2", "x", 1),
    ("sign(x)'*y", "x", 1),
    ("norm1(x)", "x", 2),
    ("max(x)", "x", 2),
    ("relu(A*x)", "x", 2),
    ("x.*y", "x", 2),
    ("tr(A*B) - tr(B*A) + a", "A", 1),
    ("x'*A*x - x'*A'*x", "x", 1),
    ("pi*a", "a", 2),
    ("a^3", "a", 4),
    ("vec(A)'*vec(B)", "A", 2),
    ("kron(A, B)", "A", 2),
    ("A'", "A", 2),
]


@pytest.mark.parametrize(("text", "wrt", "order"), ZEROS)
@pytest.mark.parametrize("mode", [*MODES, "auto"])
def test_zero_derivatives_are_zero(text: str, wrt: str, order: int, mode: str) -> None:
    case = Case(text, wrt, {"A": ("n", "n"), "B": ("n", "n")} if "x" not in text else {})
    f, values = case.formula, values_for(case)
    g = f.derivative(wrt, order=order, mode=mode)
    got = g(**values)
    assert np.shape(got) == np.shape(f(**values)) + np.shape(values[wrt]) * order
    assert not np.any(got)
    assert g.is_zero, str(g)
    assert str(g) == "0"


def test_derivatives_by_what_is_not_there_are_zero() -> None:
    x, y = variable("x", (3,)), variable("y", (2,))
    A = variable("A", (2, 2))
    for root in (x, sum_(x), ones((2, 2)), elementwise("exp", x)):
        for leaf in (y, A):
            for mode in MODES:
                assert derivative(root, [leaf], mode) is zeros(root.shape + leaf.shape)
                assert derivative(root, [leaf, x], mode) is zeros(root.shape + leaf.shape + (3,))


@pytest.mark.parametrize(
    "shape", [(), (1,), (3,), (2, 3), (1, 1), (2, 1, 2), (0,), (0, 2)], ids=str
)
@pytest.mark.parametrize("mode", MODES)
def test_the_derivative_of_a_variable_in_itself_is_the_identity(shape: Shape, mode: str) -> None:
    x = variable("x", shape)
    n = int(np.prod(np.array(shape, dtype=int)))
    got = evaluate(derivative(x, [x], mode), {"x": np.zeros(shape)})  # type: ignore[arg-type]
    assert_close(got, np.eye(n).reshape(shape + shape))  # type: ignore[arg-type]
    assert derivative(x, [x, x], mode) is zeros(shape * 3)


def test_modes_by_name() -> None:
    x = variable("x", (3,))
    assert resolve_mode("backward") == "reverse"
    assert derivative(sum_(x), [x], "backward") is derivative(sum_(x), [x], "reverse")
    with pytest.raises(ValueError, match="forward"):
        derivative(x, [x], "sideways")
    assert cheapest_mode(sum_(x), x) == "reverse"
    assert cheapest_mode(variable("Y", (9, 9)), x) == "forward"


def test_a_node_that_is_used_twice_by_one_operation() -> None:
    A = variable("A", (2, 2))
    values = {"A": np.array([[1.0, 2.0], [-0.5, 3.0]])}
    S = elementwise("sin", A)
    node = trace(matmul(S, matmul(S, S)))
    expected = richardson_jacobian(
        lambda a: np.trace(np.linalg.matrix_power(np.sin(a), 3)), values["A"]
    )
    for mode in MODES:
        assert_close(evaluate(derivative(node, [A], mode), values), expected, 1e-8)


@pytest.mark.parametrize("mode", MODES)
def test_kinks_pass_through_compositions(mode: str) -> None:
    x = variable("x", (3,))
    values = {"x": np.array([0.5, -1.5, 2.0])}
    for node, numpy in [
        (norm1(elementwise("sin", x)), lambda v: np.abs(np.sin(v)).sum()),
        (max_(elementwise("cos", x)), lambda v: np.cos(v).max()),
        (
            sum_(elementwise("relu", elementwise("sin", x))),
            lambda v: np.maximum(np.sin(v), 0).sum(),
        ),
    ]:
        expected = richardson_jacobian(numpy, values["x"])
        assert_close(evaluate(derivative(node, [x], mode), values), expected, 1e-8)


@pytest.mark.parametrize("layers", [50, 300])
def test_deep_chains_need_no_recursion(layers: int) -> None:
    x = variable("x", (4,))
    A = variable("A", (4, 4))
    node = x
    for _ in range(layers):
        node = elementwise("tanh", matmul(A, node))
    rng = np.random.default_rng(0)
    values = {"x": rng.standard_normal(4), "A": rng.standard_normal((4, 4))}
    found = [evaluate(derivative(sum_(node), [x], mode), values) for mode in ("forward", "reverse")]
    assert_close(found[0], found[1], 1e-7)
