"""Constants against dense eigenvalues and brute force: bounds are safe, and not far off."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

import wengert as wg
from wengert.convergence import Constants, Convexity
from wengert.convergence.constants.bends import composite_of
from wengert.convergence.constants.degrees import is_polynomial
from wengert.convergence.constants.ends import ends_of
from wengert.convergence.constants.finding import constants_of
from wengert.convergence.constants.lipschitz import largest_third, third_derivative
from wengert.convergence.constants.rows import row_grams
from wengert.errors import DomainError
from wengert.optimize import problem_of
from wengert.optimize.losses import LOSSES

# ---------------------------------------------------------------- problems


def rng(seed: int = 0) -> Any:
    return np.random.default_rng(seed)


def linear(theta: Any, x: Any) -> Any:
    return x @ theta["w"] + theta["b"]


def classes(theta: Any, x: Any) -> Any:
    return x @ theta["W"] + theta["b"]


def standard(X: Any) -> Any:
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)


def start(d: int) -> dict[str, Any]:
    return {"w": np.zeros(d), "b": 0.0}


def risk(loss: str, n: int = 40, d: int = 3, regularizer: Any = 0.05, seed: int = 1) -> Any:
    """A small problem of a loss, with a start."""
    X = rng(seed).normal(size=(n, d))
    z = X @ np.ones(d) + 1.5 * rng(seed + 1).normal(size=n)
    if loss == "softmax":
        y = np.digitize(z, [-1.0, 1.0])
        theta = {"W": 0.3 * rng(seed + 2).normal(size=(d, 3)), "b": np.zeros(3)}
        return wg.EmpiricalRisk(loss, classes, (X, y), regularizer), theta
    y = {"logistic": z > 0, "hinge": z > 0, "poisson": np.floor(np.abs(z))}.get(loss, 2 * z)
    theta = {"w": 0.3 * rng(seed + 2).normal(size=d), "b": 0.1}
    return wg.EmpiricalRisk(loss, linear, (X, np.asarray(y, float)), regularizer), theta


def real(name: str, regularizer: Any = 0.01) -> Any:
    """A real problem, standardised."""
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        theta = {"W": np.zeros((64, 10)), "b": np.zeros(10)}
        return wg.EmpiricalRisk("softmax", classes, (X / 16, y), regularizer), theta
    if name == "cancer":
        X, y = load_breast_cancer(return_X_y=True)
        return wg.EmpiricalRisk("logistic", linear, (standard(X), y), regularizer), start(30)
    X, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    return wg.EmpiricalRisk("squared", linear, (standard(X), y), regularizer), start(10)


def vectors(problem: Any, theta: Any, count: int, size: float, seed: int = 5) -> Any:
    x0 = problem.space.vector(theta)
    return [x0 + size * rng(seed + k).normal(size=x0.size) for k in range(count)]


SMOOTH = ("squared", "huber", "logistic", "softmax")

# ---------------------------------------------------------------- degrees


@pytest.mark.parametrize(
    ("function", "degree"),
    [
        (lambda x: np.concatenate([x, x[:1]]) * 3, 1),
        (lambda x: np.where(np.array([True, False, True]), x, 1.0), 1),
        (lambda x: np.linalg.solve(np.diag([1.0, 2.0, 3.0]), x), 1),
        (lambda x: np.cumsum(x)[::-1] - x[0], 1),
        (lambda x: np.linalg.norm(x) ** 2, 2),
        (np.var, 2),
        (lambda x: np.trace(np.outer(x, x)), 2),
    ],
)
def test_low_degrees_are_proven(function: Any, degree: int) -> None:
    x = np.array([1.0, 2.0, -3.0])
    assert is_polynomial(function, x, degree)
    assert degree == 1 or not is_polynomial(function, x, 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(np.abs(x)),  # its second derivative is 0 where it exists
        lambda x: np.sum(np.sqrt(x**2)),
        lambda x: np.sum(np.maximum(x, 0.0) ** 2),
        lambda x: np.sum(np.floor(x)) + x[0],
        lambda x: wg.stop_gradient(x[0]) ** 3 * x[1],
        lambda x: np.sum(np.where(x > 0, 0.5 * x**2, x)),
        lambda x: x[0] * x[1] * x[2],
        lambda x: x[0] if x[1] > 0 else 2 * x[0],
        lambda x: np.sum(np.sort(x)[:1]),
        np.max,
    ],
)
def test_kinks_and_branches_are_not_taken_for_quadratics(function: Any) -> None:
    assert not is_polynomial(function, np.array([1.0, 2.0, -3.0]), 2)


def test_a_derivative_of_ones_own_is_not_believed() -> None:
    def cube(x: Any) -> Any:
        return x**3

    mine = wg.custom_derivative(cube, jvp=lambda primals, tangents: tangents[0])
    assert not is_polynomial(lambda x: np.sum(mine(x)), np.ones(2), 2)


# ---------------------------------------------------------------- curves of affine expressions

Y = np.sign(rng(9).normal(size=40))
DATA = rng(8).normal(size=(40, 3))


@pytest.mark.parametrize(
    ("function", "top", "third"),
    [
        (lambda w: np.mean(np.log1p(np.exp(-Y * (DATA @ w)))) + 0.1 * w @ w, 0.25, 0.0963),
        (
            lambda w: np.mean(np.logaddexp(0.0, DATA @ w) - DATA @ w) + 0.1 * w @ w,
            0.25,
            0.0963,
        ),
        (lambda w: -np.sum(np.log(1 / (1 + np.exp(-DATA @ w)))) / 40 + 0.1 * w @ w, 0.25, 0.0963),
        (lambda w: np.mean(np.tanh(DATA @ w - Y) ** 2) + 2 * w @ w, 2.0, 4.08),
    ],
)
def test_curves_of_affine_expressions_are_bounded(function: Any, top: float, third: float) -> None:
    """By intervals, and near what the suprema of the derivatives give."""
    problem = problem_of(function, np.zeros(3))
    found = composite_of(problem, np.zeros(3))
    assert found is not None
    ridge = 4.0 if top == 2 else 0.2
    gram = np.linalg.eigvalsh(DATA.T @ DATA / 40)[-1]
    assert top * gram + ridge <= found.high <= 1.01 * top * gram + ridge
    size = np.sqrt(np.max(np.sum(DATA**2, axis=1)))
    assert 0.97 * third * gram * size <= found.third <= 1.1 * third * gram * size
    assert found.low == pytest.approx(0.2) if top < 2 else found.low < 4
    for x in vectors(problem, np.zeros(3), 8, 1.0):
        values = np.linalg.eigvalsh(problem.hessian(x))
        assert found.low - 1e-12 <= values[0]
        assert values[-1] <= found.high


@pytest.mark.parametrize(
    "function",
    [
        lambda w: -np.mean(np.logaddexp(0.0, DATA @ w)),  # a weight below 0
        lambda w: np.mean(Y * np.tanh(DATA @ w)),
        lambda w: np.mean(np.abs(DATA @ w)),
        lambda w: np.sum(np.exp(w)),  # not bounded
        lambda w: np.mean(np.logaddexp(DATA @ w, DATA @ w**2)),
        lambda w: np.mean(np.log1p(np.exp((DATA @ w) ** 2))),
        lambda w: np.mean(np.log1p(np.exp(DATA @ w)) * w[0]),
        lambda w: np.sum(np.sort(np.log1p(np.exp(w)))[:2]),
        lambda w: np.sum(np.tanh(w) * np.tanh(w[::-1])),
    ],
)
def test_what_is_no_sum_of_curves_is_not_taken_for_one(function: Any) -> None:
    assert composite_of(problem_of(function, np.zeros(3)), np.zeros(3)) is None


def test_a_logistic_loss_that_is_written_out_has_proven_constants() -> None:
    objective, theta = risk("logistic")
    x, y = objective.source.rows
    written = "sum(log(1 + exp(X*w)) - y.*(X*w))/40 + 0.025*norm2(w)^2"
    given_values = {"X": np.hstack([x, np.ones((40, 1))]), "y": y}
    w0 = np.append(theta["w"], theta["b"])
    named, plain = wg.constants(objective, theta), wg.constants(written, w0, given=given_values)
    own = wg.EmpiricalRisk(lambda p, t: np.logaddexp(0.0, p) - t * p, linear, (x, y), 0.05)
    custom = wg.constants(own, theta)
    for symbol in ("L", "mu", "R", "gap0", "D", "G"):
        for one in (plain, custom):
            assert one[symbol].proven
            assert one[symbol].value >= named[symbol].value * (1 - 1e-6)
    for symbol in ("L", "mu", "R", "gap0"):
        assert plain[symbol].value == pytest.approx(named[symbol].value, rel=0.01)
    assert plain["M"].proven


# ---------------------------------------------------------------- rows and losses


def test_row_grams_are_products_of_jacobians() -> None:
    x = rng().normal(size=(5, 3))
    theta = {"W": rng(1).normal(size=(3, 2)), "b": rng(2).normal(size=2)}
    found = row_grams(classes)(theta, x)
    blocks = wg.jacobian(classes)(theta, x)
    J = np.concatenate([blocks["W"].reshape(5, 2, -1), blocks["b"]], axis=2)
    assert np.allclose(found, np.einsum("ika,ila->ikl", J, J))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_declared_bounds_of_losses_hold_and_are_met(name: str) -> None:
    """Derivatives along random directions, by jets: never above, and within 3 % of the bound."""
    loss = LOSSES[name]
    r, n = rng(4), 6000
    if loss.joint:
        target = np.tile(np.eye(3)[1], (n, 1))
        z = r.normal(size=(n, 3)) * 10 ** r.uniform(-2, 1, size=(n, 1))
        u = r.normal(size=(n, 3))
        z[::2, 1] -= 30.0  # two logits that stand out, and the way between them
        u[::2] = [1.0, 0.0, -1.0]
        z[::4, 0], u[::4] = z[::4, 1] + 60.0, [1.0, -1.0, 0.0]
        u /= np.linalg.norm(u, axis=1, keepdims=True)
    else:
        target, z, u = np.ones(n), r.normal(size=n) * 10 ** r.uniform(-2, 1, size=n), np.ones(n)
    series = wg.jet(lambda p: loss.function(p, target), z, u, order=3)
    largest = np.max(np.abs(series), axis=1) * [1, 1, 2, 6]
    for bound, reached in zip((loss.slope, loss.smoothness, loss.third), largest[1:], strict=True):
        if bound is not None:
            assert 0.97 * bound - 1e-12 <= reached <= bound * (1 + 1e-9) + 1e-9
    if loss.concordance is not None:
        seen = np.abs(series[2]) > 1e-6
        ratio = np.max(3 * np.abs(series[3]) / np.where(seen, np.abs(series[2]), np.inf))
        assert 0.97 * loss.concordance - 1e-12 <= ratio <= loss.concordance * (1 + 1e-9)
    lowest = -np.inf if loss.lowest is None else loss.lowest
    assert np.min(series[0]) >= lowest


# ---------------------------------------------------------------- smoothness and convexity


@pytest.mark.parametrize("loss", SMOOTH)
@pytest.mark.parametrize("regularizer", [0.0, 0.3, lambda theta: 0.1 * theta["b"] @ theta["b"]])
def test_smoothness_is_above_all_hessians(loss: str, regularizer: Any) -> None:
    if loss != "softmax" and callable(regularizer):
        regularizer = lambda theta: 0.1 * theta["w"] @ theta["w"]  # noqa: E731
    objective, theta = risk(loss, regularizer=regularizer)
    found = wg.constants(objective, theta)
    assert found["L"].proven
    assert found["L"].kind == ("exact" if loss == "squared" else "bound")
    problem = problem_of(objective, theta)
    tops = []
    for x in vectors(problem, theta, 5, 1.0) + vectors(problem, theta, 5, 0.0):
        values = np.linalg.eigvalsh(problem.hessian(x))
        tops.append(values[-1])
        assert values[-1] <= found["L"].value * (1 + 1e-12)
        if found["mu"].proven:
            assert values[0] >= found["mu"].value - 1e-12
    assert found["L"].value <= 2.5 * max(tops) + 1e-9  # and not silly


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), loss=st.sampled_from(SMOOTH), ridge=st.sampled_from([0.01, 1.0]))
def test_proven_constants_hold_on_random_problems(seed: int, loss: str, ridge: float) -> None:
    objective, theta = risk(loss, n=12, d=2, regularizer=ridge, seed=seed)
    found = wg.constants(objective, theta)
    problem = problem_of(objective, theta)
    best = problem.space.vector(wg.minimize(objective, theta, stop=wg.Stop(relative=1e-11)).theta)
    x0 = problem.space.vector(theta)
    assert found["R"].value >= np.linalg.norm(x0 - best) * (1 - 1e-4)
    assert found["R"].value <= np.linalg.norm(x0 - best) * (1 + 1e-4)
    gap = problem.value(x0) - problem.value(best)
    assert found["gap0"].value == pytest.approx(gap, rel=1e-4, abs=1e-9)
    r = rng(seed)
    for _ in range(4):
        way = r.normal(size=x0.size)
        x = best + r.uniform() * found["R"].value * way / np.linalg.norm(way)
        H = problem.hessian(x)
        values = np.linalg.eigvalsh(H)
        assert values[-1] <= found["L"].value * (1 + 1e-12)
        assert values[0] >= found["mu"].value * (1 - 1e-9)
        gradient = problem.value_and_gradient(x)[1]
        assert np.linalg.norm(gradient) <= found["G"].value * (1 + 1e-9)
        rows = _row_gradients(objective, problem, x)
        assert np.sqrt(np.mean(np.sum(rows**2, axis=1))) <= found["Gstoch"].value * (1 + 1e-9)
        assert gradient @ gradient >= 2 * found["PL"].value * (
            problem.value(x) - problem.value(best)
        )
        assert np.linalg.norm(x0 - best) <= found["D"].value * (1 + 1e-9)
        if "SC" in found:
            u = r.normal(size=x.size)
            third = third_derivative(problem)(x, u) @ u
            assert abs(third) <= 2 * found["SC"].value * (u @ H @ u) ** 1.5 * (1 + 1e-9) + 1e-12
        if "M" in found:
            y = x + 0.1 * r.normal(size=x.size)
            change = np.linalg.norm(problem.hessian(y) - H, 2)
            assert change <= found["M"].value * np.linalg.norm(y - x) * (1 + 1e-9) + 1e-12


def _row_gradients(objective: Any, problem: Any, x: Any) -> Any:
    theta = problem.space.tree(x)
    parts = objective.per_sample_gradients(theta)
    n = objective.samples
    flat = np.concatenate([np.reshape(parts[k], (n, -1)) for k in sorted(parts)], axis=1)
    return flat + objective.regularizer * x


@pytest.mark.parametrize("loss", SMOOTH)
def test_row_smoothness_is_above_every_row(loss: str) -> None:
    objective, theta = risk(loss, n=15)
    found = wg.constants(objective, theta)["Lmax"]
    x, y = objective.source.rows
    tops = []
    for k in range(15):
        one = wg.EmpiricalRisk(loss, objective.predict, (x[k : k + 1], y[k : k + 1]), 0.05)
        problem = problem_of(one, theta)
        points = vectors(problem, theta, 6, 2.0)
        tops.append(max(np.linalg.eigvalsh(problem.hessian(p))[-1] for p in points))
    assert max(tops) <= found.value * (1 + 1e-12)
    assert found.value <= 3 * max(tops)
    if loss == "squared":
        assert found.kind == "exact"
        assert found.value == pytest.approx(max(tops))


def test_quadratics_are_exact() -> None:
    spectrum = np.array([0.01, 0.5, 2.0, 7.0])
    Q, _ = np.linalg.qr(rng().normal(size=(4, 4)))
    A = (Q * spectrum) @ Q.T
    c = rng(1).normal(size=4)
    found = wg.constants(lambda x: 0.5 * (x - c) @ A @ (x - c), np.zeros(4))
    assert {found[k].kind for k in ("L", "mu", "PL", "R", "gap0", "M")} == {"exact"}
    assert found["L"].value == pytest.approx(7.0)
    assert found["mu"].value == pytest.approx(0.01)
    assert found["R"].value == pytest.approx(np.linalg.norm(c))
    assert found["gap0"].value == pytest.approx(0.5 * c @ A @ c)
    assert found["M"].value == 0
    assert "no mean over rows" in str(found)


def test_fewer_rows_than_parameters() -> None:
    """μ = 0, the smallest curvature that is not 0 is PL, and the nearest minimiser counts."""
    X, y = rng().normal(size=(5, 9)), rng(1).normal(size=5)
    x0 = rng(2).normal(size=9)
    found = wg.constants(wg.EmpiricalRisk("squared", lambda t, x: x @ t, (X, y)), x0)
    assert (found["mu"].value, found["mu"].kind) == (0.0, "exact")
    values = np.linalg.eigvalsh(X @ X.T / 5)
    assert found["PL"].value == pytest.approx(values[0])
    assert found["PL"].kind == "exact"
    nearest = x0 + np.linalg.pinv(X) @ (y - X @ x0)
    assert found["R"].value == pytest.approx(np.linalg.norm(x0 - nearest))
    assert found["sigma2_star"].value <= 1e-20
    assert "interpolation" in str(found)
    ridge = wg.constants(wg.EmpiricalRisk("squared", lambda t, x: x @ t, (X, y), 0.1), x0)
    assert ridge["mu"].value == pytest.approx(0.1)
    assert "interpolation" not in str(ridge)


def test_rank_deficient_losses_have_exactly_the_regularisers_modulus() -> None:
    X = rng().normal(size=(30, 2))
    X = np.hstack([X, X[:, :1]])
    y = rng(1).integers(0, 2, 30)
    found = wg.constants(wg.EmpiricalRisk("logistic", linear, (X, y), 0.2), start(3))
    assert (found["mu"].kind, found["mu"].value) == ("exact", 0.2)
    bare = wg.constants(wg.EmpiricalRisk("logistic", linear, (X, y)), start(3))
    assert (bare["mu"].kind, bare["mu"].value) == ("exact", 0.0)


def test_a_large_quadratic_is_bounded_by_lanczos() -> None:
    """2,000 parameters: above the largest eigenvalue, and near it."""
    n, d = 60, 2000
    X = sparse.random(n, d, 0.1, random_state=0).toarray() * np.linspace(1, 3, d)
    objective = wg.EmpiricalRisk("squared", lambda t, x: x @ t, (X, np.ones(n)), 0.01)
    problem = problem_of(objective, np.zeros(d))
    top = np.linalg.norm(X, 2) ** 2 / n
    ends = ends_of(problem, np.zeros(d))
    assert not ends.dense
    assert top <= ends.ceiling - 0.01 + 1e-9 <= 1.05 * top
    found = wg.constants(objective, np.zeros(d))
    assert found["L"].kind == "bound"
    assert top <= found["L"].value <= 1.05 * top
    assert (found["mu"].kind, found["mu"].value) == ("exact", 0.01)


def test_curvature_is_estimated_where_nothing_is_proven() -> None:
    objective, theta = risk("poisson")
    found = wg.constants(objective, theta)
    assert found["L"].kind == "estimate"
    assert "no bound for all" in found["L"].how
    problem = problem_of(objective, theta)
    best = problem.space.vector(wg.minimize(objective, theta).theta)
    at_best = np.linalg.eigvalsh(problem.hessian(best))
    assert found["L"].value >= at_best[-1] * (1 - 1e-6)
    assert found["mu_star"].value == pytest.approx(at_best[0], rel=1e-6)
    path = [theta, {"w": np.full(3, 2.0), "b": 1.0}]
    assert wg.constants(objective, theta, path=path)["L"].value > found["L"].value
    pilot = wg.constants(objective, theta, method=wg.GradientDescent(0.01))
    assert pilot["L"].kind == "estimate"


# ---------------------------------------------------------------- the Hessian's Lipschitz constant


def test_third_derivatives_equal_those_of_the_tensor() -> None:
    f = lambda x: np.sum(np.sin(x)) * x[0] * x[1]  # noqa: E731
    x, u = rng(1).normal(size=3), rng(2).normal(size=3)
    tensor = wg.derivative(f, order=3)(x)
    third = third_derivative(problem_of(f, x))
    assert np.allclose(third(x, u), np.einsum("ijk,i,j->k", tensor, u, u))
    u = rng(3).normal(size=(4000, 3))
    u /= np.linalg.norm(u, axis=1)[:, None]
    brute = np.max(np.abs(np.einsum("ijk,ni,nj,nk->n", tensor, u, u, u)))
    found = largest_third(lambda v: third(x, v), [rng(k).normal(size=3) for k in range(3)])
    assert 0.97 * brute <= found <= 1.02 * brute


@pytest.mark.parametrize("loss", ["logistic", "softmax"])
def test_the_bound_on_third_derivatives_is_above_power_iterations(loss: str) -> None:
    objective, theta = risk(loss)
    found = wg.constants(objective, theta)["M"]
    assert found.kind == "bound"
    problem = problem_of(objective, theta)
    third = third_derivative(problem)
    size = problem.space.size
    reached = [
        largest_third(lambda u, x=x: third(x, u), [rng(k).normal(size=size) for k in range(3)])
        for x in vectors(problem, theta, 4, 0.7)
    ]
    assert max(reached) <= found.value
    assert found.value <= 15 * max(reached)  # rows do not point one way: the bound says they do


# ---------------------------------------------------------------- noise


def test_noise_is_the_trace_of_a_covariance() -> None:
    objective, theta = risk("logistic")
    found = wg.constants(objective, theta)
    problem = problem_of(objective, theta)
    rows = _row_gradients(objective, problem, problem.space.vector(theta))
    assert found["sigma2"].value == pytest.approx(np.trace(np.cov(rows.T, bias=True)))
    best = problem.space.vector(wg.minimize(objective, theta, stop=wg.Stop(relative=1e-10)).theta)
    rows = _row_gradients(objective, problem, best)
    star = np.trace(np.cov(rows.T, bias=True))
    assert found["sigma2_star"].value == pytest.approx(star, rel=1e-6)
    assert found["sigma2_star"].kind == "exact"


def test_one_row() -> None:
    objective = wg.EmpiricalRisk("squared", linear, (np.ones((1, 2)), np.ones(1)), 0.1)
    found = wg.constants(objective, start(2))
    assert found["sigma2"].value == found["sigma2_star"].value == 0
    assert "there is one row" in str(found)


# ---------------------------------------------------------------- real data


@pytest.mark.parametrize("name", ["diabetes", "cancer", "digits"])
def test_real_data(name: str) -> None:
    objective, theta = real(name)
    found = wg.constants(objective, theta)
    assert all(found[k].proven for k in ("L", "Lmax", "mu", "PL", "R", "gap0", "D", "G", "M", "SC"))
    x = objective.source.rows[0]
    J = np.hstack([x, np.ones((len(x), 1))])
    top = np.linalg.eigvalsh(J.T @ J / len(J))[-1]
    factor = {"diabetes": 1.0, "cancer": 0.25, "digits": 0.5}[name]
    assert found["L"].value == pytest.approx(factor * top + 0.01)
    assert found["Lmax"].value == pytest.approx(factor * np.max(np.sum(J**2, axis=1)) + 0.01)
    assert found["R"].kind == "exact"
    assert found["mu"].value >= 0.01
    # what gradient descent's bounds rest on: LR²/2 ≥ gap₀ ≥ μR²/2
    half = found["R"].value ** 2 / 2
    assert found["mu"].value * half <= found["gap0"].value <= found["L"].value * half


def test_the_smoothness_of_logistic_and_softmax_regression_is_met() -> None:
    objective, theta = real("cancer")
    top = np.linalg.eigvalsh(objective.hessian(theta))[-1]
    assert wg.constants(objective, theta)["L"].value == pytest.approx(top)
    objective, theta = risk("softmax")
    even = {"W": np.zeros((3, 3)), "b": np.array([0.0, 0.0, -60.0])}
    top = np.linalg.eigvalsh(objective.hessian(even))[-1]
    assert wg.constants(objective, theta)["L"].value == pytest.approx(top)


def test_a_minimum_without_a_modulus_is_certain_by_its_curvature() -> None:
    X, y = load_breast_cancer(return_X_y=True)
    objective = wg.EmpiricalRisk("logistic", linear, (standard(X[:, :4]), y))
    found = wg.constants(objective, start(4))
    assert found["mu"].kind == "estimate"
    assert found["R"].kind == "exact"
    assert "2‖∇f‖/m" in found["R"].how


def test_separated_data_have_no_minimum() -> None:
    found = wg.constants(*real("cancer", None))
    assert "R" not in found
    assert "separated" in str(found)
    assert found["gap0"].value == pytest.approx(np.log(2))
    assert found["gap0"].kind == "exact"
    data = np.array([[1.0], [2.0]]), np.ones(2)
    shifted = wg.EmpiricalRisk("logistic", lambda t, x: x @ t + 1.0, data)
    assert wg.constants(shifted, np.zeros(1))["gap0"].kind == "bound"


def test_streams_give_the_same_constants() -> None:
    objective, theta = risk("logistic")
    x, y = objective.source.rows
    parts = [(x[k : k + 15], y[k : k + 15]) for k in range(0, len(x), 15)]
    stream = wg.EmpiricalRisk("logistic", linear, lambda: iter(parts), 0.05)
    whole, chunked = wg.constants(objective, theta), wg.constants(stream, theta)
    assert list(whole) == list(chunked)
    for symbol, one in whole.items():
        assert chunked[symbol].value == pytest.approx(one.value, rel=1e-6)
        assert chunked[symbol].kind == one.kind


# ---------------------------------------------------------------- what goes wrong


def test_hinge_has_bounds_but_no_smoothness() -> None:
    objective, theta = risk("hinge")
    found = wg.constants(objective, theta)
    assert "L" not in found
    assert "kink" in str(found)
    assert found["R"].kind == found["gap0"].kind == found["G"].kind == "bound"
    problem = problem_of(objective, theta)
    slow = wg.SGD(step=wg.InverseSqrt(0.1))
    known = wg.minimize(objective, theta, method=slow, stop=wg.Stop(steps=300))
    best = problem.space.vector(known.theta)
    assert np.linalg.norm(problem.space.vector(theta) - best) <= found["R"].value
    given = wg.constants(objective, theta, optimum=known.theta)
    assert given["R"].value <= found["R"].value * (1 + 1e-9)


def test_kinks_of_functions() -> None:
    found = wg.constants(lambda x: np.sum(np.abs(x)), np.array([1.0, 2.0]))
    assert "L" not in found
    assert "M" not in found
    assert "jumps" in str(found)
    relu = lambda t, x: np.maximum(x @ t["A"], 0.0) @ t["v"]  # noqa: E731
    X = rng().normal(size=(30, 3))
    objective = wg.EmpiricalRisk("squared", relu, (X, X[:, 0]), 0.1)
    theta = {"A": rng(1).normal(size=(3, 4)), "v": rng(2).normal(size=4)}
    found = wg.constants(objective, theta)
    assert found["L"].kind == "estimate"
    assert "maximum may have kinks" in found["L"].how


def test_nonconvex_functions() -> None:
    rosenbrock = lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2  # noqa: E731
    found = wg.constants(rosenbrock, np.array([-1.2, 1.0]))
    assert found["L"].kind == found["R"].kind == found["gap0"].kind == "estimate"
    assert "not convex" in str(found)
    assert "need not be the lowest" in found["R"].how
    assert found["R"].value == pytest.approx(2.2)
    assert found["L"].value >= np.linalg.eigvalsh(wg.hessian(rosenbrock)(np.array([-1.2, 1.0])))[-1]


@pytest.mark.parametrize("function", [lambda x: x[0] - x[1] ** 2, lambda x: x[0] + x[1] ** 2])
def test_unbounded_quadratics(function: Any) -> None:
    found = wg.constants(function, np.ones(2))
    assert "R" not in found
    assert "gap0" not in found
    assert "not bounded from below" in str(found)


def test_at_the_minimum_there_is_nothing_to_do() -> None:
    objective, theta = risk("logistic")
    best = wg.minimize(objective, theta, method=wg.Newton(), stop=wg.Stop(relative=1e-14)).theta
    found = wg.constants(objective, best)
    assert found["R"].value <= 1e-12
    assert "nothing to do" in str(found)


def test_bad_starts() -> None:
    with pytest.raises(DomainError, match="not finite"):
        wg.constants(lambda x: np.log(x[0]), np.array([np.nan]))
    with pytest.raises(DomainError, match="start where"):
        wg.constants(lambda x: np.sum(np.log(x)), np.array([0.0, 1.0]))
    with pytest.raises(DomainError, match="no rows"):
        wg.constants(wg.EmpiricalRisk("squared", linear, (np.ones((0, 2)), np.ones(0))), start(2))


def test_formulas_and_least_squares() -> None:
    A, b = rng().normal(size=(6, 3)), rng(1).normal(size=6)
    top = np.linalg.norm(A, 2) ** 2
    found = wg.constants("norm2(A*x - b)^2", np.zeros(3), given={"A": A, "b": b})
    assert found["L"].value == pytest.approx(2 * top)
    found = wg.constants(wg.LeastSquares(lambda x: A @ x - b), np.zeros(3))
    assert (found["L"].kind, found["mu"].kind) == ("exact", "exact")
    assert found["L"].value == pytest.approx(top)


def test_float32() -> None:
    objective, theta = risk("logistic")
    single = {name: np.asarray(value, np.float32) for name, value in theta.items()}
    whole, half = wg.constants(objective, theta), wg.constants(objective, single)
    for symbol in ("L", "Lmax", "mu", "G", "sigma2", "M"):
        assert half[symbol].value == pytest.approx(whole[symbol].value, rel=1e-3)


def test_a_proven_modulus_is_used() -> None:
    objective, theta = risk("logistic", regularizer=lambda t: 0.3 * np.sum(np.cosh(t["w"])))
    problem = problem_of(objective, theta)
    x0 = problem.space.vector(theta)
    plain = constants_of(problem, x0)
    assert not plain["mu"].proven
    modulus = wg.constants(lambda x: 0.1 * x @ x, np.ones(2))["mu"]
    verdict = Convexity("strongly convex", (), modulus)
    assert constants_of(problem, x0, convexity=verdict)["mu"].value == pytest.approx(0.2)


def test_results_are_data() -> None:
    found = wg.constants(*risk("squared"))
    assert isinstance(found, Constants)
    for one in found.values():
        assert one.to_dict()["value"] == one.value
        assert type(one.value) is float


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(np.logaddexp(x, -x)) + 1e-3 * np.sum(x**2),
        lambda x: np.sum(np.sqrt(1 + x**2)) + 1e-3 * x[0] ** 4,
        lambda x: np.sum(x**4) + 0.01 * np.sum(x**2),
        lambda x: (x[0] - x[1]) ** 2 + (x[0] - x[1]) ** 4,
    ],
)
def test_an_estimate_of_gradient_domination_is_not_above_the_least_curvature(function: Any) -> None:
    """Near θ* no constant above the least curvature there holds; directions without any aside."""
    found = wg.constants(function, np.array([3.0, -2.0]))
    problem = problem_of(function, np.ones(2))
    values = np.linalg.eigvalsh(np.asarray(problem.hessian(np.zeros(2))))
    least = values[values > 1e-9 * values[-1]][0]
    assert found["PL"].value <= least * (1 + 1e-6)
