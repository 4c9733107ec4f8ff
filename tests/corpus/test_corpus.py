"""Every formula of the corpus: value, derivatives of orders 1 and 2, modes, and what it prints."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import wengert as wg
from corpus.case import Case
from corpus.formulas import CASES
from corpus.oracle import numerical_derivative, relative_error, sample
from wengert.errors import WengertError
from wengert.formula import elaborate, evaluate_directly

DERIVATIVES = [(case, name) for case in CASES for name in case.wrt]
MODES = ("forward", "reverse", "cross-country")

# Second derivatives of half a page, whose modes agree in value but not in print.
PRINTS_DIFFER = {
    ("batch-norm", "X"),
    ("mc-multinomial-simplex", "theta"),
    ("lecture-chain-5-shared-width", "A"),
    ("physics-residual", "a"),
    ("physics-residual", "t"),
    ("attention", "c"),
    ("ridge-residual", "c"),
}


def identify(item: tuple[Case, str]) -> str:
    return f"{item[0].id}-{item[1]}"


def formula(case: Case) -> wg.Formula:
    return wg.formula(case.text, case.shapes, case.assume)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_the_value_is_that_of_a_direct_evaluation(case: Case) -> None:
    assert formula(case).check(**sample(case, np.random.default_rng(0))) < 1e-9


@pytest.mark.parametrize("item", DERIVATIVES, ids=identify)
def test_orders_one_and_two_match_differences_in_every_mode(item: tuple[Case, str]) -> None:
    case, name = item
    values = sample(case, np.random.default_rng(1))
    f = formula(case)
    for order in (1, 2):
        found = {mode: f.derivative(name, order=order, mode=mode) for mode in MODES}
        reference = found["reverse"](**values)
        for mode in ("forward", "cross-country"):
            assert relative_error(found[mode](**values), reference) < 1e-8, mode
        if order == 1 or (case.id, name) not in PRINTS_DIFFER:
            distinct = {(g.printed, g.orientation): g for g in found.values()}
            assert len({str(g) for g in distinct.values()}) == 1
        listed = f"{identify(item)}-{order}" in WITHOUT_MATRIX_NOTATION
        g = found["reverse"]
        assert len(g.shape) > 2 or g.has_matrix_notation != listed
    assert f.derivative(name, order=2, mode="reverse").check(**values) < 1e-6  # both orders


@pytest.mark.parametrize("item", DERIVATIVES, ids=identify)
def test_the_first_derivative_matches_the_oracle(item: tuple[Case, str]) -> None:
    """Differences of the direct evaluation alone, with no code of the library in between."""
    case, name = item
    values = sample(case, np.random.default_rng(2))
    f = formula(case)
    read = elaborate(case.text, case.shapes, case.assume)
    expected = numerical_derivative(case, lambda v: evaluate_directly(read, v), values, name)
    assert relative_error(f.derivative(name)(**values), expected) < 1e-6


KNOWN = [(case, name) for case in CASES for name in case.known]


@pytest.mark.parametrize("item", KNOWN, ids=identify)
def test_the_derivative_is_the_one_in_the_literature(item: tuple[Case, str]) -> None:
    case, name = item
    values = sample(case, np.random.default_rng(3))
    text = case.known[name]
    shapes, assume = case.declarations_for(text)
    known = wg.formula(text, shapes, assume)
    mine = formula(case).derivative(name)
    needed = {v.name: values[v.name] for v in known.variables}
    assert relative_error(np.asarray(mine(**values)), np.asarray(known(**needed))) < 1e-9


@pytest.mark.parametrize("item", DERIVATIVES, ids=identify)
def test_what_is_printed_reads_back(item: tuple[Case, str]) -> None:
    """The formula language gives the same function; the NumPy code runs and agrees."""
    case, name = item
    values = sample(case, np.random.default_rng(4))
    f = formula(case)
    g = f.derivative(name)
    expected = np.asarray(g(**values))
    namespace: dict[str, object] = {}
    exec(g.code("numpy"), namespace)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = namespace["f"](*(values[v.name] for v in g.variables))
    assert relative_error(np.asarray(got), expected) < 1e-8
    try:
        text = g.to_text()
    except WengertError:
        assert len(g.shape) > 2 or "reshape" in g.index() or "prodexcept" in g.index()
        return
    again = wg.formula(
        text,
        {v.name: v.shape for v in f.variables if v.name in _names(text, f)},
        {v.name: v.assumptions for v in f.variables if v.assumptions and v.name in _names(text, f)},
    )
    needed = {v.name: values[v.name] for v in again.variables}
    try:
        value = np.asarray(again(**needed))
    except wg.ShapeError as error:  # ones or an identity whose size no variable tells
        if "is not known from the values given" not in str(error):
            raise
        return
    assert relative_error(value.reshape(expected.shape), expected) < 1e-8


def _names(text: str, f: wg.Formula) -> set[str]:
    sized = re.sub(r"\"[^\"]*\"|(eye\(|(vector|matrix)\(1)[^()]*\)", "", text)  # names of sizes
    words = set(re.findall(r"[^\W\d]\w*", sized))
    return {v.name for v in f.variables} & words


def test_those_without_matrix_notation_are_in_the_corpus() -> None:
    named = {f"{identify(item)}-{order}" for item in DERIVATIVES for order in (1, 2)}
    assert set(WITHOUT_MATRIX_NOTATION) <= named


# Rank two and below has matrix notation, but for these, each with its reason:
# a factor of rank 3 or more, but for the two Kronecker products of vectors
WITHOUT_MATRIX_NOTATION = (
    "lecture-taylor-3-x-1",
    "lecture-taylor-3-x-2",
    "matrix-kron-vectors-x-1",
    "matrix-kron-vectors-y-1",
    "tensor-trilinear-x-1",
    "tensor-trilinear-y-1",
    "tensor-trilinear-z-1",
    "tensor-symmetric-cubic-x-1",
    "tensor-symmetric-cubic-x-2",
    "tensor-bilinear-layer-x-1",
    "tensor-bilinear-layer-y-1",
    "tensor-cp-A-1",
    "tensor-cp-B-1",
    "tensor-cp-C-1",
    "tensor-fourth-order-X-1",
    "tensor-nonlinear-sum-x-1",
    "tensor-nonlinear-sum-x-2",
)
