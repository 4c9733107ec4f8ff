"""The formula language says what the expression means: it parses back."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given

import wengert as wg
from drawing import examples
from printing.samples import SAMPLES, Sample
from printing.test_networks import VALUES, Network, make_node, networks, reference
from wengert.expr import Expr, topological
from wengert.formula import Elaborated, build, elaborate, evaluate_directly
from wengert.printing import text

ASSUMED = {"S": "symmetric", "D": "diagonal"}


def _elaborated(written: str, expr: Expr) -> Elaborated:
    leaves = [leaf for leaf in topological(expr) if leaf.name == "variable"]
    shapes = {str(leaf.param("name")): leaf.shape for leaf in leaves}
    shapes = {name: shape for name, shape in shapes.items() if re.search(rf"\b{name}\b", written)}
    return elaborate(written, shapes, {k: a for k, a in ASSUMED.items() if k in shapes})


@examples(300)
@given(networks(rank=3))
def test_text_means_the_network(network: Network) -> None:
    expr = make_node(network)
    formula = _elaborated(text(expr), expr)
    values = {v.name: VALUES[v.name] for v in formula.variables}
    value = evaluate_directly(formula, values)
    np.testing.assert_allclose(value, reference(network), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_samples_parse_back(sample: Sample) -> None:
    used = text(sample.expr, sample.orientation)
    formula = _elaborated(used, sample.expr)
    assert text(build(formula), sample.orientation) == used


@pytest.mark.parametrize(
    "text",
    [
        "1/sqrt(x^2)",
        "sqrt(x^2)",
        "(x^2)^(3/2)",
        "x/sqrt(x^4)",
        "3*x^2/(x^2)^(3/2)",
        "(x^6)^(1/3)/x",
        "(x - 1)/sqrt((x - 1)^2)",
        "sqrt(x^2)*x",
    ],
)
def test_roots_of_even_powers_are_not_cancelled(text: str) -> None:
    """√(x²) is |x|: neither the formula nor its derivatives may be written as powers of x."""
    own = wg.formula(text, {"x": ()})
    for f in (own, own.derivative("x"), own.derivative("x", order=2)):
        back = wg.formula(f.to_text(), {"x": ()} if f.variables and "x" in f.to_text() else {})
        for x in (-2.0, 3.0):
            values = {v.name: x for v in back.variables}
            assert back(**values) == pytest.approx(f(x=x), abs=1e-12), f.to_text()
