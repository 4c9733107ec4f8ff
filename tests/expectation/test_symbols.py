"""Expectations in symbols, and closed forms, against Gauss rules."""

import warnings

import numpy as np
import pytest
from scipy import special, stats

import wengert as wg
from expectation.support import gauss_hermite, random_covariance
from wengert import Normal

X = {"x": Normal("u", "S")}
PRINTED = [
    ("exp(a'*x)", X, 2, "exp(aᵀu)(1 + aᵀSa/2)"),
    ("exp(a'*x)", X, 4, "exp(aᵀu)(1 + aᵀSa/2 + (aᵀSa)²/8)"),
    ("sin(a'*x)", X, 4, "sin(aᵀu)(1 − aᵀSa/2 + (aᵀSa)²/8)"),
    ("x'*A*x", X, 2, "uᵀAu + tr(AS)"),
    ("x'*A*x", X, 6, "uᵀAu + tr(AS)"),
    ("norm2(X*w - y)^2", {"w": Normal("u", "S")}, 2, "‖y − Xu‖² + tr(SXᵀX)"),
    ("X'*A*X", {"X": Normal("M", ("R", "C"))}, 2, "MᵀAM + tr(AR) C"),
    ("log(d)", {"d": Normal("m", "v")}, 4, "log(m) − v/(2m²) − 3v²/(4m⁴)"),
    ("exp(x)", {"x": Normal("u", "v")}, 2, "exp(u) ⊙ (1 + v/2)"),
    ("(x - u)'*inv(S)*(x - u)", X, 2, "n"),
    ("a'*x", X, 4, "aᵀu"),
    ("x - x", X, 4, "0"),
]


@pytest.mark.parametrize(("text", "dist", "order", "printed"), PRINTED)
def test_printed_as_on_paper(text, dist, order, printed):
    assert str(wg.expectation(text, dist, order=order)) == printed


def test_closed_form_beside_the_series():
    estimate = wg.expectation("exp(a'*x)", X, order=4)
    assert estimate.report().splitlines() == [
        "E f = exp(aᵀ(Sa + 2u)/2)   (exact: exp of a linear form of Gaussians)",
        "    ≈ exp(aᵀu)(1 + aᵀSa/2 + (aᵀSa)²/8)   (order 4)",
    ]
    values = {"a": [0.1, 0.2], "u": [1.0, 2.0], "S": [[2.0, 0.5], [0.5, 1.0]]}
    half = (0.02 + 0.02 + 0.04) / 2
    assert estimate(**values) == pytest.approx(np.exp(0.5 + half), rel=1e-14)
    series = np.exp(0.5) * (1 + half + half**2 / 2)
    assert estimate.series(**values) == pytest.approx(series, rel=1e-14)
    assert [float(t(**values)) for t in estimate.terms[1::2]] == [0.0, 0.0]
    assert estimate.latex().startswith(r"\exp\left(a^{\top}u\right)\left(1 + ")


SYMBOLIC = ["tanh(a'*x)", "logsumexp(x)", "x'*A*x*exp(a'*x)", "log(1 + x'*x)", "norm2(A*x)^4"]


@pytest.mark.parametrize("text", SYMBOLIC)
@pytest.mark.parametrize("order", [2, 4])
def test_symbols_agree_with_numbers(text, order):
    rng = np.random.default_rng(0)
    values = {"a": rng.normal(size=2), "A": rng.normal(size=(2, 2))}
    values = {k: v for k, v in values.items() if k in text}
    mean, cov = rng.normal(size=2) / 3, random_covariance(rng, 2, 0.1)
    symbolic = wg.expectation(text, X, order=order)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.ApproximationWarning)
        numeric = wg.expectation(
            text, {"x": Normal(mean, cov)}, order=order, given=values, method="taylor"
        )
    found = symbolic.series(u=mean, S=cov, **values)
    assert found == pytest.approx(float(numeric.series), rel=1e-10)


def test_numbers_beside_symbols():
    dist = {"x": Normal("u", "S"), "z": Normal([1.0, 2.0], np.eye(2)), "A": np.eye(2)}
    estimate = wg.expectation("x'*A*x + z'*z", dist)
    assert estimate(u=[1.0, 2.0], S=np.diag([1.0, 3.0])) == pytest.approx(5 + 4 + 5 + 2)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: wg.expectation(lambda x: x, X), wg.WengertError, "of formulas"),
        (lambda: wg.expectation("x'*x", {"y": Normal("u", "S")}), wg.NameClashError, "'y'"),
        (lambda: wg.expectation("a*x*S", X, shapes={"S": ()}), wg.NameClashError, "S"),
        (lambda: Normal("u", 1.0), wg.DomainError, "name"),
        (lambda: Normal(0.0, "S"), wg.DomainError, "name"),
        (
            lambda: wg.expectation("x'*x*a", {**X, "a": stats.expon()}),
            wg.WengertError,
            "Gaussian",
        ),
        (lambda: wg.expectation("X*v", {"X": Normal("M", ("R",))}), wg.NameClashError, "axes"),
        (lambda: wg.expectation("exp(x)", X, order=-2), ValueError, "order"),
        (lambda: wg.expectation("exp(x)", X, method="mean"), ValueError, "method"),
    ],
)
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()


# ---------------------------------------------------------------- closed forms in numbers

W = np.array([[0.3, -0.5], [0.2, 0.8]])
CLOSED = {
    "exp": lambda x: np.exp(W[0] @ x + 1),
    "sin": lambda x: 2 * np.sin(W[0] @ x),
    "cos": lambda x: np.cos(x[0] - 3 * x[1]),
    "erf": lambda x: special.erf(W[1] @ x),
    "a sum": lambda x: np.exp(W[0] @ x) - 3 * np.sin(W[1] @ x) + x @ x,
    "a product of exponentials": lambda x: 3 * np.exp(W[0] @ x) * np.exp(x[0]),
    "an array": lambda x: np.exp(W @ x),
    "a reduction": lambda x: np.sum(np.exp(W @ x)) / 7,
    "a reshaped array": lambda x: np.reshape(np.exp(x), (1, 2)),
}


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("kind", ["dense", "variances", "low rank"])
def test_closed_forms(name, kind):
    rng = np.random.default_rng(1)
    cov = {
        "dense": random_covariance(rng, 2),
        "variances": np.array([0.3, 0.4]),
        "low rank": wg.LowRankCovariance(rng.normal(size=(2, 1)), [0.1, 0.0]),
    }[kind]
    normal = Normal(rng.normal(size=2), cov)
    estimate = wg.expectation(CLOSED[name], normal)
    exact = gauss_hermite(CLOSED[name], normal.mean, normal.covariance.dense(), 60)
    assert estimate.exact
    assert np.allclose(estimate.value, exact, rtol=1e-10)
    assert np.all(estimate.error_estimate == 0)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.exp(x @ x),
        lambda x: x[0] * np.exp(x[1]),
        lambda x: np.exp(x[0]) * np.sin(x[1]),
        lambda x: np.exp(np.sin(x[0])),
        lambda x: np.where(x[0] > 0, np.exp(x[0]), 0.0),
        lambda x: np.abs(x[0]) + np.exp(x[0]),
    ],
)
def test_no_closed_form_is_made_up(f):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.ApproximationWarning)
        assert not wg.expectation(f, Normal([0.3, 0.2], 0.01)).exact


def test_taylor_is_there_on_request():
    estimate = wg.expectation(np.exp, Normal(0.0, 0.2), order=4, method="taylor")
    assert estimate.value == pytest.approx(1 + 0.1 + 0.005)
    assert not estimate.exact
