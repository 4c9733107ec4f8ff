"""Verdicts on convexity: proofs that hold, refutations that can be checked, and no wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

import wengert as wg
from convergence.convex_functions import KNOWN, LABELS, NONCONVEX, SQUARE, STRONG, Known, X, Y, x3
from wengert.convergence import NegativeCurvature, convexity_of
from wengert.errors import ShapeError
from wengert.optimize.losses import LOSSES
from wengert.optimize.minimize import problem_of

by_name = pytest.mark.parametrize("known", KNOWN, ids=str)


@by_name
def test_what_is_known(known: Known) -> None:
    found = wg.convexity(known.function, known.theta)
    assert found.verdict == known.verdict, str(found)
    assert found.proof


@pytest.mark.parametrize("known", NONCONVEX, ids=str)
def test_a_refutation_is_three_points(known: Known) -> None:
    """Evaluated again, without the library."""
    found = wg.convexity(known.function, known.theta)
    certificate = found.certificate
    assert isinstance(certificate, NegativeCurvature)
    space = problem_of(known.function, known.theta).space
    with np.errstate(all="ignore"):
        a, m, b = (
            float(known.function(space.tree(certificate.point + s * certificate.step * v)))
            for s, v in zip((-1, 0, 1), [certificate.direction] * 3, strict=True)
        )
    assert m > (a + b) / 2
    assert certificate.excess == pytest.approx(m - (a + b) / 2, rel=1e-6)
    assert np.linalg.norm(certificate.direction) == pytest.approx(1)
    assert certificate.curvature < 0
    assert "above the mean" in str(found)


@pytest.mark.parametrize("known", STRONG, ids=str)
def test_bounds_hold_for_the_hessian_at_points(known: Known) -> None:
    found = wg.convexity(known.function, known.theta)
    assert found.modulus is not None
    for k in range(6):
        x = np.abs(np.random.default_rng(k).normal(size=3)) + 0.01
        values = np.linalg.eigvalsh(wg.hessian(known.function)(x))
        assert found.modulus.value <= values[0] * (1 + 1e-9) + 1e-12
        if found.smoothness is not None:
            assert found.smoothness.value >= values[-1] * (1 - 1e-9)


# ------------------------------------------------------------------ risks


def _risk(loss: str, regularizer: float | None, **more: Any) -> tuple[wg.EmpiricalRisk, Any]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(12, 3))
    targets = {
        "squared": rng.normal(size=12),
        "huber": rng.normal(size=12),
        "logistic": np.arange(12) % 2,
        "hinge": np.where(np.arange(12) % 3, 1, -1),
        "poisson": np.arange(12) % 5,
        "softmax": np.arange(12) % 4,
    }
    y = more.pop("y", targets[loss])
    outputs = (4,) if loss == "softmax" else ()
    theta = {"w": np.zeros((3, *outputs)), "b": np.zeros(outputs)}
    risk = wg.EmpiricalRisk(
        loss, lambda theta, x: x @ theta["w"] + theta["b"], (x, y), regularizer, **more
    )
    return risk, theta


@pytest.mark.parametrize("per_sample", [False, True])
@pytest.mark.parametrize("regularizer", [None, 0.1])
@pytest.mark.parametrize("loss", LOSSES)
def test_named_losses_of_affine_predictions(
    loss: str, regularizer: float | None, per_sample: bool
) -> None:
    risk, theta = _risk(loss, regularizer, per_sample=per_sample)
    found = wg.convexity(risk, theta)
    strong = regularizer is not None or loss == "squared"
    assert found.verdict == ("strongly convex" if strong else "convex"), str(found)
    if regularizer and loss != "squared":
        assert found.modulus is not None
        assert found.modulus.value == pytest.approx(regularizer, rel=1e-9)
    if LOSSES[loss].smoothness is not None:
        assert found.smoothness is not None
        largest = np.linalg.eigvalsh(risk.hessian(theta))[-1]
        assert largest * (1 - 1e-9) <= found.smoothness.value


def test_smoothness_of_logistic_regression_is_the_closed_form() -> None:
    """‖X‖²/4n + λ, with a column of ones for the intercept."""
    risk, theta = _risk("logistic", 0.1)
    (x, _), n = risk.source.rows, 12
    wide = np.column_stack([x, np.ones(n)])
    found = wg.convexity(risk, theta).smoothness
    assert found is not None
    assert found.value == pytest.approx(np.linalg.norm(wide, 2) ** 2 / (4 * n) + 0.1, rel=1e-9)


def test_rows_of_probabilities() -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(4), size=12)
    assert wg.convexity(*_risk("softmax", None, y=shares)).verdict == "convex"


def test_chunks_are_judged_one_by_one() -> None:
    whole, theta = _risk("logistic", 0.1)
    parts, _ = _risk("logistic", 0.1, chunk=5)
    one, many = wg.convexity(whole, theta), wg.convexity(parts, theta)
    assert many.verdict == "strongly convex"
    assert many.proof[0] == "for each of the 3 chunks of rows:"
    assert many.smoothness is not None
    assert one.smoothness is not None
    assert many.smoothness.value >= one.smoothness.value * (1 - 1e-9)


def test_signs_of_data_count() -> None:
    """exp(p) − y p with weights: negative ones make it concave in part."""
    for sign, verdict in ((1.0, "convex"), (-1.0, "nonconvex")):
        weights = np.array([1.0, 1.0, sign])
        found = wg.convexity(lambda w, c=weights: np.sum(c * np.exp(w)), x3)
        assert found.verdict == verdict


def test_least_squares_and_problems() -> None:
    fit = wg.LeastSquares(lambda w: X @ w - Y)
    assert wg.convexity(fit, x3).verdict == "strongly convex"
    assert convexity_of(problem_of(fit, x3), x3).verdict == "strongly convex"
    curved = wg.LeastSquares(lambda w: np.tanh(X @ w) - Y)
    assert wg.convexity(curved, x3).verdict == "nonconvex"


# ------------------------------------------------------------------ formulas


def test_formulas_by_text_and_with_names() -> None:
    data = {"X": X, "y": Y}
    found = wg.convexity("norm2(X*w - y)^2 + a*norm2(w)^2", {"w": x3}, {**data, "a": 0.5})
    assert found.verdict == "strongly convex"
    assert any("Xw" in line and "affine in w" in line for line in found.proof)
    assert wg.convexity("norm2(X*w - y)", x3, data).verdict == "convex"


def test_what_a_formula_assumes_counts() -> None:
    free = wg.formula("sum(1 ./ x)")
    assert wg.convexity(free, {"x": x3}).verdict == "nonconvex"
    positive = wg.formula("sum(1 ./ x)", assume={"x": "positive"})
    assert wg.convexity(positive, {"x": x3}).verdict == "convex"
    over = wg.formula("norm2(x)^2/b", {"b": ()}, {"b": "positive"})
    assert wg.convexity(over, {"x": x3, "b": 2.0}).verdict == "convex"
    for text, verdict in {
        "-(a*b)^(1/2)": "convex",
        "-(a*b*c)^(1/3)": "convex",
        "a^2/b^(1/2)": "convex",
        "a^(3/2)/b^(1/2)": "convex",
        "a^(5/4)/b^(1/2)": "nonconvex",
        "1/(a*b)": "convex",
        "a*b": "nonconvex",
        "a^(1/2)*b": "nonconvex",
        "-a^(1/3)*b^(1/2)": "convex",
        "-a^(2/3)*b^(1/2)": "nonconvex",
    }.items():
        f = wg.formula(text, assume={name: "positive" for name in "abc" if name in text})
        at = {v.name: 0.5 + k for k, v in enumerate(f.variables)}
        assert wg.convexity(f, at).verdict == verdict, text
    definite = wg.formula("trace(S*A) - logdet(A)", assume={"A": "positive definite"})
    assert wg.convexity(definite, {"A": np.eye(3)}, {"S": SQUARE}).verdict == "convex"


def test_the_proof_reads_like_a_textbook() -> None:
    found = wg.convexity(
        lambda w: np.mean(np.logaddexp(0, -LABELS * (X @ w))) + 0.05 * w @ w, {"w": x3}["w"]
    )
    text = str(found)
    assert text.startswith("strongly convex\n")
    assert "affine in θ" in text
    assert "softplus(" in text or "logaddexp(" in text
    assert "λ/2 ‖θ‖² is a term, with λ = 0.1" in text


# ------------------------------------------------------------------ boxes


def test_on_a_box() -> None:
    def well(x: Any) -> Any:
        return np.sum(x**4 - x**2)

    high = np.full(2, 3.0)
    right = wg.convexity(well, np.ones(2), box=(np.full(2, 0.5), high))
    assert right.verdict == "strongly convex"
    assert right.where == "on the box"
    assert wg.convexity(well, np.ones(2), box=(np.full(2, 0.3), high)).verdict == "nonconvex"
    mixed = wg.convexity(
        lambda x: np.sum(x**4) - x[0] * x[1], np.ones(2), box=(np.full(2, 0.5), high)
    )
    assert mixed.modulus is not None
    assert mixed.modulus.value > 0
    with pytest.raises(ValueError, match="lowest and its highest"):
        wg.convexity(well, np.ones(2), box=(high, np.ones(2)))


@pytest.mark.parametrize("low", [-0.4, 0.0, 0.2])
def test_a_proof_on_a_box_agrees_with_hessians_there(low: float) -> None:
    def f(x: Any) -> Any:
        return np.exp(x[0] * x[1]) + 2 * x[0] ** 2 + 2 * x[1] ** 2

    found = wg.convexity(f, np.full(2, 0.3), box=(np.full(2, low), np.full(2, 0.6)))
    assert found.convex
    assert found.modulus is not None
    for x in np.random.default_rng(0).uniform(low, 0.6, (30, 2)):
        assert np.linalg.eigvalsh(wg.hessian(f)(x))[0] >= found.modulus.value


# ------------------------------------------------------------------ what is not decided


def test_branches_in_python_are_not_proven() -> None:
    def f(x: Any) -> Any:
        return x @ x if x[0] > 0 else -x @ x

    found = wg.convexity(f, x3)
    assert found.convex is not True
    assert "decides by values in Python" in found.proof[0]


def test_a_value_at_one_point_only_is_not_overlooked() -> None:
    found = wg.convexity(lambda x: np.sum(np.where(x == 0.0, 5.0, x**2)), x3)
    assert found.convex is not True


def test_poles_between_convex_branches() -> None:
    for f in (lambda x: np.sum(x**-2.0), lambda x: np.sum(-np.log(x**2))):
        assert wg.convexity(f, x3).convex is not True


def test_what_hides_that_there_is_no_number_is_not_trusted() -> None:
    """Outside of the domain of the logarithm these are numbers again."""
    for f in (
        lambda x: np.sum(np.where(x * np.log(x) > -0.3, x * np.log(x), -0.3)),
        lambda x: np.sum(np.fmax(-np.log(x), 0.0)),
        lambda x: np.sum(special.expit(special.entr(x))),
    ):
        assert wg.convexity(f, x3).convex is not True


def test_functions_of_arrays_are_refused() -> None:
    with pytest.raises(ShapeError, match="one number"):
        wg.convexity(lambda x: x**2, x3)


# ------------------------------------------------------------------ random functions

INNER = [
    np.exp, np.log, np.sqrt, np.abs, np.tanh, np.cosh, np.cumsum, np.sort, np.cbrt,
    special.expit, special.log_expit, special.entr, special.softmax, special.ndtr,
    lambda x: x**2, lambda x: x**3, lambda x: x**1.5, lambda x: 1 / x, lambda x: -x,
    lambda x: 1 - x, lambda x: 2 * x + 0.7, lambda x: SQUARE @ x, lambda x: x[::-1],
    lambda x: np.maximum(x, 0), lambda x: np.minimum(x, 1), lambda x: np.logaddexp(0, x),
    lambda x: 0 * x + np.linalg.norm(x), lambda x: 0 * x + special.logsumexp(x),
    lambda x: np.where(x > 0, x, 0.2 * x), lambda x: np.where(np.abs(x) < 1, x**2, np.abs(x)),
]  # fmt: skip
JOINING = [
    np.add, np.subtract, np.multiply, np.maximum, np.minimum, np.logaddexp, np.hypot,
    special.xlogy, special.rel_entr, lambda a, b: a / b, lambda a, b: np.where(a > b, a, b),
]  # fmt: skip


@st.composite
def functions(draw: Any, depth: int = 3) -> Any:
    """A random function of three numbers, as a tree of the ones above."""
    if depth == 0 or draw(st.integers(0, 6)) == 0:
        return lambda x: x
    if draw(st.integers(0, 2)):
        outer, inner = draw(st.sampled_from(INNER)), draw(functions(depth - 1))
        return lambda x: outer(inner(x))
    join, a, b = draw(st.sampled_from(JOINING)), draw(functions(depth - 1)), draw(functions(0))
    return lambda x: join(a(x), b(x))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(functions())
def test_no_proof_of_a_random_function_is_refuted(f: Any) -> None:
    """Where a proof is found, chords lie above the function on random segments."""
    weights = np.array([1.0, 0.3, 2.0])

    def total(x: Any) -> Any:
        return np.sum(weights * f(x))

    with np.errstate(all="ignore"):
        try:
            problem = problem_of(total, x3)
            subject = _proof_only(problem)
        except (wg.WengertError, ZeroDivisionError):
            return
        if not subject.convex:
            return
        rng = np.random.default_rng(0)
        for size in (0.1, 1.0, 3.0):
            for _ in range(60):
                middle, step = size * rng.normal(size=3), size * rng.normal(size=3)
                a, m, b = (float(total(middle + s * step)) for s in (-1, 0, 1))
                if np.isfinite(a + b):
                    slack = 1e-8 * (1 + abs(a) + abs(b))
                    assert m <= (a + b) / 2 + slack, (subject, middle, step)


def _proof_only(problem: Any) -> Any:
    """The verdict of the rules, without a search for refutations."""
    from unittest.mock import patch

    with patch("wengert.convergence.convexity.verdict.negative_curvature", return_value=None):
        return convexity_of(problem, x3)
