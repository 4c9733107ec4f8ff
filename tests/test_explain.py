"""The steps of a derivation: golden texts, the mathematics in them, and their bounds."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser

import wengert as wg
from corpus.case import Case
from corpus.formulas import CASES
from corpus.oracle import relative_error, sample
from wengert.explanation.identities import IDENTITIES, identity_of
from wengert.explanation.rules import operation_rule
from wengert.explanation.steps import _Derivation
from wengert.explanation.writing import Writer
from wengert.expr import Expr, rebuild, topological
from wengert.formula import build, elaborate
from wengert.operations.rebuild import with_operands
from wengert.operations.structural import (
    VARIABLE,
)
from wengert.primitive import Undefined, registry
from wengert.rewrite import display, recognise

GOLDEN = Path(__file__).parent / "golden" / "explain"
UPDATE = "WENGERT_UPDATE_GOLDEN" in os.environ  # write the files instead of comparing

NETWORK = "h = tanh(A*x + k); z = B*h + l; norm2(z - y)^2"
CHAIN = "x1 = cos(t); x2 = exp(t); x1^2*x2 + x1*x2^3"

TEXTS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "least-squares": ("norm2(X*w - y)^2", ("w",), {}),
    "least-squares-matrix": ("norm2(X*w - y)^2", ("X",), {}),
    "least-squares-hessian": ("norm2(X*w - y)^2", ("w", "w"), {}),
    "quadratic-form": ("x'*B*x", ("x",), {}),
    "weighted-residual": (
        "(x - A*s)'*W*(x - A*s)",
        ("s",),
        {"assume": {"W": "symmetric"}},
    ),
    "log-determinant": ("log(det(A*X*B))", ("X",), {}),
    "softmax": ("softmax(A*x)", ("x",), {}),
    "network-reverse": (NETWORK, ("A",), {"mode": "reverse"}),
    "network-forward": (NETWORK, ("A",), {"mode": "forward"}),
    "network-cross-country": (NETWORK, ("A",), {"mode": "cross-country"}),
    "two-inner-functions": (CHAIN, ("t",), {"shapes": {"t": ()}}),
    "two-inner-functions-forward": (CHAIN, ("t",), {"shapes": {"t": ()}, "mode": "forward"}),
    "determinant": ("det(X)", ("X",), {}),
    "inverse": ("a'*inv(X)*b", ("X",), {"shapes": {"a": ("n",), "b": ("n",)}}),
    "gram": ("R'*R", ("R",), {}),
    "direction": ("x/norm2(x)", ("x",), {}),
    "tensor": ('exp(einsum("ijk,k->ij", T, x))', ("x",), {"shapes": {"T": ("l", "m", "n")}}),
    "symmetric": ("tr(W*A) + x'*W*x", ("W",), {"assume": {"W": "symmetric"}}),
}


def derived(name: str) -> wg.Formula:
    text, names, settings = TEXTS[name]
    mode = settings.get("mode", "auto")
    f = wg.formula(text, settings.get("shapes"), settings.get("assume"))
    return f.derivative(*names, mode=mode)


@pytest.mark.parametrize("name", TEXTS)
def test_the_text_is_the_golden_one(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    text = derived(name).explain() + "\n"
    if UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["network-reverse", "inverse"])
def test_the_latex_is_the_golden_one(name: str) -> None:
    path = GOLDEN / f"{name}.md"
    text = derived(name).explain(latex=True) + "\n"
    if UPDATE:
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TEXTS)
def test_every_formula_of_the_latex_can_be_set(name: str) -> None:
    formulas = re.findall(r"\$([^$]+)\$", derived(name).explain(latex=True))
    assert formulas
    parser = MathTextParser("path")
    for formula in formulas:
        parser.parse(f"${formula}$")


# ---------------------------------------------------------------- the mathematics


def expanded(expr: Expr, derivation: _Derivation) -> Expr:
    """An expression of the chain rule with all parts put in."""
    memo: dict[Expr, Expr] = {}
    for part in derivation.parts:
        memo[part.symbol] = rebuild(part.step, with_operands, memo)
    return rebuild(expr, with_operands, memo)


def totals(derivation: _Derivation) -> Iterator[tuple[str, Expr]]:
    """The derivative as each of the three products of the chain rule has it."""
    chain = derivation.chain
    yield "reverse", chain.reverse(10**6)[derivation.leaf]
    yield "forward", chain.forward(10**6)[chain.root.symbol]
    last = [
        step.value
        for step in chain.eliminations()
        if step.upper is chain.root and step.lower is derivation.leaf
    ]
    if last:
        yield "cross-country", last[-1]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("case", CASES[::5], ids=lambda c: c.id)
def test_the_chain_rule_over_the_parts_gives_the_derivative(case: Case, order: int) -> None:
    name = case.wrt[0]
    g = wg.formula(case.text, case.shapes, case.assume).derivative(name, order=order)
    assert g.source is not None
    derivation = _Derivation(g, g.source, Writer())
    values = sample(case, np.random.default_rng(2))
    expected = g(**values)
    if not derivation.root.inputs:
        assert not np.any(expected)
        return
    for mode, expr in totals(derivation):
        found = replace(g, expr=expanded(expr, derivation), _programs={})(**values)
        assert np.shape(found) == np.shape(expected)
        assert relative_error(found, expected) < 1e-9, mode


@pytest.mark.parametrize("case", CASES[::3], ids=lambda c: c.id)
def test_every_formula_can_be_explained(case: Case) -> None:
    f = wg.formula(case.text, case.shapes, case.assume)
    assert str(f.explain()).startswith(("f", "g", "F", "G", "y", "L"))
    for name in case.wrt:
        text = f.derivative(name).explain()
        assert f"/∂{name[0]}" in text
        assert "None" not in text
        assert max(map(len, text.splitlines())) < 8000


# ---------------------------------------------------------------- names and rules


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda i: f"{i.number} {i.text} {i.wrt}")
def test_identities_are_recognised_under_other_names_and_sizes(identity: Any) -> None:
    names = {v: v + "9" for v in "XABCDWxsabc"}
    text = re.sub(r"\b[A-Za-z]\b", lambda m: names[m[0]], identity.text)
    shapes = {names[v]: "vector" for v in identity.vectors}
    assume = dict.fromkeys((names[v] for v in identity.symmetric), "symmetric")
    read = elaborate(text, shapes, assume)
    expr = recognise(build(read))
    function = display(expr, [expr])
    leaf = next(
        n
        for n in topological(function)
        if n.primitive is VARIABLE and n.params[0] == names[identity.wrt]
    )
    found = identity_of(function, leaf)
    assert found is identity
    assert found.statement().startswith(identity.number)


def test_identities_hold_in_the_general_case_only() -> None:
    whole = "As a whole this is (5.108)"
    assert whole in derived("weighted-residual").explain()
    general = wg.formula("(x - A*s)'*W*(x - A*s)").derivative("s").explain()
    assert whole not in general
    assert "(5.107): ∂(xᵀBx)/∂x = xᵀ(B + Bᵀ)" in general


@pytest.mark.parametrize("name", registry)
def test_every_operation_has_a_rule_with_a_name(name: str) -> None:
    primitive = registry[name]
    if primitive.arity == 0 or isinstance(primitive.derivative, Undefined):
        return
    node = _Sample(primitive)
    rule = operation_rule(node, [True] * (primitive.arity or 1))  # type: ignore[arg-type]
    assert rule
    assert rule != f"derivative of {name}"


class _Sample:
    """What a rule's name depends on."""

    def __init__(self, primitive: Any) -> None:
        self.primitive = primitive
        self.params = tuple(1 for _ in primitive.parameters)
        self.ndim = 0


def test_names_that_are_taken_are_avoided() -> None:
    text = wg.formula("exp(f*v1)", {"v1": ()}).derivative("v1").explain()
    assert text.startswith("g = exp(fv₁)")
    assert "   u₁ = fv₁" in text


def test_a_result_with_a_name_keeps_it() -> None:
    text = wg.formula("r = X*w - y; loss = r'*r").derivative("w").explain()
    assert "loss = ‖r‖²" in text
    assert "∂loss/∂w = 2(Xw − y)ᵀX" in text


def test_a_definition_that_does_not_depend_on_the_variable_is_no_part() -> None:
    text = wg.formula("z = B*y; norm2(A*x - z)^2").derivative("x").explain()
    assert "   z = " not in text
    assert re.search("   v₁ = (Ax − By|By − Ax) ", text)


def test_a_function_that_does_not_depend_on_the_variable() -> None:
    text = wg.formula("x'*x").derivative("x", order=3).explain()
    assert "g does not depend on x, so the derivative is 0." in text
    assert "∂³f/∂x³ = 0" in text


def test_a_formula_that_was_not_derived_shows_its_parts() -> None:
    assert wg.formula(NETWORK).explain().split("computed\n")[1].split("\n") == [
        "   v₁ = Ax + k       ∈ ℝᵐ",
        "   h = tanh(v₁)      ∈ ℝᵐ",
        "   z = Bh + l        ∈ ℝᵖ",
        "   v₂ = z − y        ∈ ℝᵖ",
        "   f = ‖v₂‖²         ∈ ℝ",
    ]


def test_mixed_derivatives_begin_with_the_one_before() -> None:
    text = wg.formula("norm2(X*w - y)^2").derivative("w", "X").explain()
    assert "g = ∂f/∂w = 2(Xw − y)ᵀX" in text
    assert "Wanted: ∂²f/∂w∂X = ∂g/∂X, in reverse mode" in text


# ---------------------------------------------------------------- bounds


@pytest.mark.parametrize("mode", ["forward", "reverse", "cross-country"])
def test_long_chains_are_cut_short_and_say_so(mode: str) -> None:
    layers = "; ".join(f"h{k + 1} = tanh(A{k}*h{k})" for k in range(150))
    g = wg.formula(f"{layers}; norm2(h150 - y)^2").derivative("A0", mode=mode)
    start = time.perf_counter()
    text = g.explain()
    assert time.perf_counter() - start < 10
    assert len(text.splitlines()) < 80
    assert "… (290 more parts are left out)" in text
    assert "are left out" in text.split("3. The chain rule")[1] or "too many" in text


def test_wide_sums_are_cut_short_and_say_so() -> None:
    text = wg.formula("+".join(f"sin({k}*a)" for k in range(2, 90))).derivative("a").explain()
    assert "more derivatives of f are left out" in text
    assert "… (88 terms)" in text
    assert len(text.splitlines()) < 80
