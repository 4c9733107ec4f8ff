"""The expression of a formula has the formula's value, found by a separate evaluator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from formula.cases import CASES, SHAPES, VALUES
from wengert.backends.numpy_backend import compile_plan
from wengert.expr import Expr
from wengert.formula import build, build_all, elaborate, evaluate_directly, function_names
from wengert.formula.direct import sizes_of
from wengert.plan.planner import make_plan
from wengert.primitive import registry


def evaluate(expr: Expr, values: dict[str, Any], sizes: dict[str, int]) -> Any:
    program = compile_plan(make_plan([expr], sizes), np.dtype(np.float64))
    arrays = {name: np.asarray(value, np.float64) for name, value in values.items()}
    return np.asarray(program(arrays)[0])


def _both(text: str) -> tuple[Any, Any]:
    formula = elaborate(text, SHAPES if "T" in text else None)
    values = {v.name: VALUES[v.name] for v in formula.variables}
    expr = build(formula)
    assert expr.shape == formula.shape
    return evaluate(expr, values, sizes_of(formula, values)), evaluate_directly(formula, values)


@pytest.mark.parametrize("text", CASES)
def test_value(text: str) -> None:
    found, expected = _both(text)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_same_expression_for_the_same_formula() -> None:
    spellings = ["norm2(X*w - y)^2", "r = X@w - y; norm2(r)²", "norm2(-y + X*w)**2"]
    assert len({build(elaborate(text)) for text in spellings}) == 1


def test_scalar_transposes_vanish() -> None:
    assert build(elaborate("w'*r + r'*w")) is build(elaborate("2*(w'*r)"))


def test_every_part_has_an_expression() -> None:
    formula = elaborate("h = A*x; h'*h")
    parts = build_all(formula)
    assert all(parts[node].shape == node.shape for node in formula.nodes)


SPECIAL = {
    "pi": "pi", "eye": "eye(3)", "identity": "eye(3)", "π": "π", "einsum": 'einsum("i->i", x)',
    "vector": "vector(a, 3)", "matrix": "matrix(a, 3, 3)", "matpow": "matpow(A, 3)",
    "polygamma": "polygamma(2, x)", "solve": "solve(A, x)", "dot": "dot(x, z)",
    "outer": "outer(x, z)", "kron": "kron(A, B)", "arccosh": "arccosh(x + 1)",
    "acosh": "acosh(x + 1)",
}  # fmt: skip
OF_MATRICES = {"tr", "trace", "det", "inv", "pinv", "adj", "vec", "logdet"}
OF_TWO = {"maximum", "minimum", "xlogy", "pow"}


def _sample(name: str) -> str:
    if name in SPECIAL:
        return SPECIAL[name]
    if name in OF_MATRICES:
        return f"{name}(A'*A)"
    if name in OF_TWO:
        return f"{name}(x, z)"
    arity = registry[name].arity if name in registry else 1
    return f"{name}({', '.join(['x/3', 'z/4', 'x/5', 'z/6'][:arity])})"


@pytest.mark.parametrize("name", function_names())
def test_every_function(name: str) -> None:
    found, expected = _both(_sample(name))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
