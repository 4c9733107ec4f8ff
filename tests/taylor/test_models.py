"""Linear and quadratic models: against dense algebra, and their minimisers against certificates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wengert as wg
from drawing import examples
from wengert.taylor.trust_region import cauchy_step, exact_step, steihaug_step

RNG = np.random.default_rng(0)
POINT = {"W": RNG.normal(size=(2, 3)), "b": 0.5}


def loss(p: Any) -> Any:
    return np.sum(np.tanh(p["W"] @ np.array([1.0, -1.0, 0.5]) + p["b"]) ** 2)


def step(scale: float) -> dict[str, Any]:
    return {"W": scale * RNG.normal(size=(2, 3)), "b": scale * 1.0}


def flat(tree: Any) -> Any:
    return np.concatenate([np.ravel(tree[k]) for k in sorted(tree)])


def test_models_agree_with_the_taylor_polynomials() -> None:
    linear, quadratic = wg.linear_model(loss, POINT), wg.quadratic_model(loss, POINT)
    s = step(0.3)
    moved = {k: POINT[k] + s[k] for k in POINT}
    assert float(linear(s)) == pytest.approx(float(wg.taylor(loss, POINT, order=1)(moved)))
    assert float(quadratic(s)) == pytest.approx(float(wg.taylor(loss, POINT, order=2)(moved)))
    assert quadratic.value == pytest.approx(loss(POINT))
    decrease = quadratic.value - quadratic(s)
    assert float(quadratic.predicted_decrease(s)) == pytest.approx(float(decrease))
    assert float(quadratic.actual_decrease(s)) == pytest.approx(loss(POINT) - loss(moved))


def test_products_and_the_matrix() -> None:
    model = wg.quadratic_model(loss, POINT)
    H = wg.hessian(loss)(POINT)
    dense = np.block(
        [[H[a][b].reshape(np.size(POINT[a]), np.size(POINT[b])) for b in POINT] for a in POINT]
    )
    np.testing.assert_allclose(model.matrix, dense, rtol=1e-12, atol=1e-14)
    s = step(1.0)
    np.testing.assert_allclose(flat(model.hvp(s)), dense @ flat(s), rtol=1e-12)


def test_the_ratio_goes_to_one_with_the_step() -> None:
    model = wg.quadratic_model(loss, POINT)
    s = step(1.0)
    ratios = [abs(model.ratio({k: h * v for k, v in s.items()}) - 1) for h in (1e-1, 1e-2, 1e-3)]
    assert ratios[0] > 5 * ratios[1] > 25 * ratios[2]


def test_gauss_newton_models() -> None:
    X, y = RNG.normal(size=(6, 2)), RNG.normal(size=6)

    def residuals(w: Any) -> Any:
        return np.tanh(X @ w) - y

    w = np.array([0.3, -0.2])
    model = wg.quadratic_model(residuals, w, hessian="gauss-newton")
    J = wg.jacobian(residuals)(w)
    np.testing.assert_allclose(model.matrix, J.T @ J, rtol=1e-12)
    np.testing.assert_allclose(model.gradient, J.T @ residuals(w), rtol=1e-12)
    assert float(model.value) == pytest.approx(np.sum(residuals(w) ** 2) / 2)
    np.testing.assert_allclose(model.minimizer(), np.linalg.lstsq(J, -residuals(w))[0], rtol=1e-8)


def test_formulas_and_own_matrices() -> None:
    data = {"X": RNG.normal(size=(5, 2)), "y": RNG.normal(size=5)}
    model = wg.quadratic_model("norm2(X*w - y)^2", {"w": np.zeros(2)}, given=data)
    found = model.minimizer()["w"]
    np.testing.assert_allclose(found, np.linalg.lstsq(data["X"], data["y"])[0], rtol=1e-9)
    identity = wg.quadratic_model(lambda x: np.sum(x**4), np.ones(2), hessian=lambda s: 4 * s)
    np.testing.assert_allclose(identity.minimizer(), [-1.0, -1.0])


def test_single_precision_stays() -> None:
    model = wg.quadratic_model(lambda x: np.sum(np.cos(x)), np.ones(3, dtype=np.float32))
    for method in ("exact", "steihaug"):
        assert model.minimizer(0.5, method=method).dtype == np.float32


def test_newtons_method_with_a_trust_region_arrives() -> None:
    """Rosenbrock's function from the usual start, by the models alone."""

    def f(x: Any) -> Any:
        return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2

    for method in ("exact", "steihaug"):
        x, radius = np.array([-1.2, 1.0]), 1.0
        for _ in range(60):
            model = wg.quadratic_model(f, x)
            if np.linalg.norm(model.gradient) < 1e-8:
                break
            move = model.minimizer(radius, method=method)
            ratio = model.ratio(move)
            radius = 0.25 * radius if ratio < 0.25 else (2 * radius if ratio > 0.75 else radius)
            x = x + move if ratio > 0.1 else x
        np.testing.assert_allclose(x, [1.0, 1.0], rtol=1e-6)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Any, Any, float]:
    """A gradient, a symmetric matrix and a radius; singular, indefinite and hard ones too."""
    n = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    A = rng.normal(size=(n, n))
    H, g = A + A.T, rng.normal(size=n)
    kind = draw(st.sampled_from(["indefinite", "definite", "singular", "hard", "flat", "diagonal"]))
    if kind == "definite":
        H = A @ A.T + 0.1 * np.eye(n)
    if kind == "singular":
        H = H - np.linalg.eigvalsh(H)[0] * np.eye(n)
    if kind == "hard":
        lowest = np.linalg.eigh(H)[1][:, 0]
        g = g - lowest * (lowest @ g)
    if kind == "flat":
        g = np.zeros(n)
    if kind == "diagonal":
        H = np.diag(rng.integers(-2, 3, size=n).astype(float))
        g = rng.integers(-1, 2, size=n).astype(float)
    return g, H, 10.0 ** draw(st.floats(-3, 2))


@given(problems())
@examples(200)
def test_exact_steps_satisfy_the_conditions_of_a_global_minimum(
    problem: tuple[Any, Any, float],
) -> None:
    """(H + λI)s = −g with λ ≥ 0, H + λI ⪰ 0 and λ(Δ − ‖s‖) = 0 (Conn, Gould, Toint, 7.2.1)."""
    g, H, radius = problem
    s = exact_step(g, H, radius)
    length, size = np.linalg.norm(s), max(np.abs(H).max(), np.linalg.norm(g), 1e-3)
    assert length <= radius * (1 + 1e-9)
    on_boundary = length > radius * (1 - 1e-6)
    shift = max(0.0, -(s @ (H @ s + g)) / (s @ s)) if on_boundary and length else 0.0
    if length or np.linalg.norm(g):
        np.testing.assert_allclose(H @ s + shift * s, -g, atol=1e-6 * size * max(1, radius))
    assert np.linalg.eigvalsh(H)[0] + shift >= -1e-6 * size


@given(problems())
@examples(200)
def test_approximate_steps_lie_between_cauchys_and_the_exact_one(
    problem: tuple[Any, Any, float],
) -> None:
    g, H, radius = problem

    def value(s: Any) -> float:
        return float(g @ s + s @ H @ s / 2)

    def multiply(v: Any) -> Any:
        return H @ v

    exact = exact_step(g, H, radius)
    cauchy = cauchy_step(g, multiply, radius)
    steihaug = steihaug_step(g, multiply, radius)
    slack = 1e-8 * (abs(value(exact)) + 1e-12)
    assert value(exact) <= value(steihaug) + slack
    assert value(steihaug) <= value(cauchy) + slack
    assert np.linalg.norm(steihaug) <= radius * (1 + 1e-9)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.minimizer(), wg.WengertError, "no minimum"),
        (lambda m: m.minimizer(method="steihaug"), wg.WengertError, "no minimum"),
        (lambda m: m.minimizer(-1.0), wg.WengertError, "must be positive"),
        (lambda m: m.minimizer(1.0, method="qr"), ValueError, "method"),
        (lambda m: m(np.ones(3)), wg.ShapeError, "like the point"),
        (lambda m: wg.quadratic_model(np.sum, np.ones(2), hessian="bfgs"), ValueError, "hessian"),
        (lambda m: wg.linear_model(np.exp, np.ones(2)), wg.TracingError, "one real number"),
    ],
)
def test_mistakes_are_explained(call: Any, error: type[Exception], words: str) -> None:
    model = wg.quadratic_model(lambda x: np.sum(np.cos(x)), np.array([0.1, 0.2]))
    with pytest.raises(error, match=words):
        call(model)


def test_ratios_of_steps_that_move_nothing() -> None:
    model = wg.quadratic_model(lambda x: x @ x, np.zeros(2))
    assert model.ratio(np.zeros(2)) == 1.0
    still = wg.linear_model(lambda x: x @ x, np.zeros(2))
    assert still.ratio(np.ones(2)) == -np.inf
