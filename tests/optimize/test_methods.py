"""Every method on functions whose minimisers, and whose rates, are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import WengertError

from .support import ROSENBROCK, labelled, linear, logistic, quadratic, rng, rosenbrock, start

MU, L = 0.1, 10.0
SPECTRUM = np.geomspace(MU, L, 12)
_ROOTS = np.sqrt(L) + np.sqrt(MU)

DETERMINISTIC = {
    "1/L": wg.GradientDescent(),
    "fixed": wg.GradientDescent(2 / (L + MU)),
    "backtracking": wg.GradientDescent(wg.Backtracking()),
    "exact": wg.GradientDescent(wg.Exact()),
    "momentum": wg.Momentum(4 / _ROOTS**2, ((np.sqrt(L) - np.sqrt(MU)) / _ROOTS) ** 2),
    "nesterov": wg.Nesterov(),
    "nesterov strongly convex": wg.Nesterov(strong_convexity=MU),
    "nesterov fixed": wg.Nesterov(1 / L, momentum=0.8),
    "adam": wg.Adam(wg.InverseSqrt(0.3), None),
    "newton": wg.Newton(),
    "newton pure": wg.Newton(1.0),
    "newton structured": wg.Newton(structured=True),
    "newton damped": wg.Newton(0.5),
    "newton cg": wg.NewtonCG(),
    "trust region": wg.TrustRegion(),
    "lbfgs": wg.LBFGS(),
    "bfgs": wg.Scipy("BFGS"),
    "trust-exact": wg.Scipy("trust-exact"),
    "trust-ncg": wg.Scipy("trust-ncg"),
    "dogleg": wg.Scipy("dogleg"),
    "cg": wg.Scipy("CG"),
    "newton-cg of scipy": wg.Scipy("Newton-CG"),
}

TOLERANCE = {"adam": 1e-4, "newton-cg of scipy": 1e-6}  # the latter's search ends before rounding


@pytest.mark.parametrize("name", sorted(DETERMINISTIC))
def test_quadratics(name: str) -> None:
    f, _, c, x0 = quadratic(SPECTRUM)
    stop = wg.Stop(gradient=1e-10, steps=8000)
    found = wg.minimize(f, x0, method=DETERMINISTIC[name], stop=stop)
    np.testing.assert_allclose(found.theta, c, atol=TOLERANCE.get(name, 1e-7))
    assert found.success or name == "adam"
    h = found.history
    assert (h.step[0], h.step[-1]) == (0, found.steps)
    assert np.all(np.diff(h.seconds) >= 0)
    assert np.all(np.diff(h.samples) >= 0)
    assert found.loss == pytest.approx(np.min(h.loss), rel=1e-14, abs=1e-18)


def run(f: Any, x0: Any, method: Any, steps: int) -> Any:
    return wg.minimize(f, x0, method=method, stop=wg.Stop(steps=steps))


def test_gradient_descent_follows_its_matrix() -> None:
    f, A, c, x0 = quadratic(SPECTRUM)
    found = run(f, x0, wg.GradientDescent(0.15), 30)
    expected = c + np.linalg.matrix_power(np.eye(12) - 0.15 * A, 30) @ (x0 - c)
    np.testing.assert_allclose(found.last, expected, rtol=1e-10, atol=1e-12)


def test_momentum_follows_its_recurrence() -> None:
    f, A, c, x0 = quadratic(SPECTRUM)
    found = run(f, x0, wg.Momentum(0.05, 0.7), 25)
    before = x = x0
    for _ in range(25):
        before, x = x, x - 0.05 * A @ (x - c) + 0.7 * (x - before)
    np.testing.assert_allclose(found.last, x, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("convexity", [None, MU])
def test_nesterov_follows_its_recurrence(convexity: float | None) -> None:
    f, A, c, x0 = quadratic(SPECTRUM)
    found = run(f, x0, wg.Nesterov(1 / L, strong_convexity=convexity), 25)
    before = x = x0
    t, last = 1.0, 0.0
    for k in range(25):
        grown = (1 + np.sqrt(1 + 4 * t * t)) / 2
        q = np.sqrt(MU / L)
        beta = 0.0 if k == 0 else (1 - q) / (1 + q) if convexity else last
        last, t = (t - 1) / grown, grown
        y = x + beta * (x - before)
        before, x = x, y - A @ (y - c) / L
    np.testing.assert_allclose(found.last, x, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.history.loss[-1], f(x), rtol=1e-10)
    np.testing.assert_allclose(
        found.history.gradient_norm[-1], np.linalg.norm(A @ (x - c)), rtol=1e-9
    )


def test_rates_on_a_known_spectrum() -> None:
    """GD contracts by (L−μ)/(L+μ) at most, and exactly so in the long run; momentum by the root."""
    f, _, c, x0 = quadratic(SPECTRUM)
    distances: list[float] = []
    wg.minimize(
        f, x0, method=wg.GradientDescent(2 / (L + MU)), stop=wg.Stop(steps=400),
        callback=lambda m: distances.append(float(np.linalg.norm(m.theta - c))) and None,
    )  # fmt: skip
    factors = np.array(distances[1:]) / np.array(distances[:-1])
    assert np.all(factors <= (L - MU) / (L + MU) + 1e-9)
    np.testing.assert_allclose(factors[-1], (L - MU) / (L + MU), rtol=1e-6)
    fast = run(f, x0, DETERMINISTIC["momentum"], 200)
    expected = ((np.sqrt(L) - np.sqrt(MU)) / _ROOTS) ** 200
    assert np.linalg.norm(fast.last - c) < 400 * expected * np.linalg.norm(x0 - c)


def test_newton_takes_one_step_on_a_quadratic_and_doubles_its_digits_elsewhere() -> None:
    f, _, c, x0 = quadratic(SPECTRUM)
    np.testing.assert_allclose(run(f, x0, wg.Newton(1.0), 1).last, c, atol=1e-10)
    halved = run(f, x0, wg.Newton(0.5), 3)
    np.testing.assert_allclose(halved.last - c, (x0 - c) / 8, atol=1e-10)
    errors: list[float] = []
    wg.minimize(
        lambda x: np.sum(np.exp(x) - 2 * x), np.full(2, 1.2), method=wg.Newton(1.0),
        callback=lambda m: errors.append(float(np.max(np.abs(m.theta - np.log(2))))) and None,
    )  # fmt: skip
    e = np.array(errors)
    e = e[(e > 1e-9) & (e < 0.3)]
    assert len(e) >= 2
    assert np.all(e[1:] <= 0.6 * e[:-1] ** 2)


@pytest.mark.parametrize(
    "method",
    [
        wg.LBFGS(), wg.Newton(), wg.Newton(structured=True), wg.NewtonCG(), wg.TrustRegion(),
        wg.GaussNewton(),
        wg.LevenbergMarquardt(), wg.LevenbergMarquardt(structured=True),
        wg.GaussNewton(structured=True), wg.Scipy("trust-exact"), wg.Scipy("trust-ncg"),
        wg.Scipy("BFGS"), wg.Scipy("Newton-CG"),
    ],
    ids=repr,
)  # fmt: skip
def test_rosenbrock(method: Any) -> None:
    x0 = np.array([-1.2, 1.0])
    assert ROSENBROCK(x0) == pytest.approx(rosenbrock(x0))
    found = wg.minimize(ROSENBROCK, x0, method=method, stop=wg.Stop(gradient=1e-7, steps=500))
    assert found.success, found
    np.testing.assert_allclose(found.theta, np.ones(2), atol=1e-7)


def test_line_search_methods_never_go_up() -> None:
    for method in (
        wg.Newton(),
        wg.NewtonCG(),
        wg.GradientDescent(wg.Backtracking()),
        wg.GradientDescent(),
    ):
        found = wg.minimize(
            rosenbrock, np.array([-1.2, 1.0]), method=method, stop=wg.Stop(steps=60)
        )
        assert np.all(np.diff(found.history.loss) <= 1e-12), method


def test_indefinite_hessians() -> None:
    """The pure method goes to the saddle; the others downhill, and say so."""

    def f(x: Any) -> Any:
        return x[0] ** 2 + x[1] ** 4 / 4 - x[1] ** 2 / 2

    x0 = np.array([1.0, 0.1])
    pure = wg.minimize(f, x0, method=wg.Newton(1.0))
    np.testing.assert_allclose(pure.last, [0, 0], atol=1e-6)
    for structured in (True, False):
        found = wg.minimize(f, x0, method=wg.Newton(structured=structured))
        np.testing.assert_allclose(found.theta, [0, 1], atol=1e-6)
        assert "not positive definite" in found.notes[0]
    for method in (wg.NewtonCG(), wg.TrustRegion(0.1)):
        free = wg.minimize(f, x0, method=method)
        np.testing.assert_allclose(free.theta, [0, 1], atol=1e-6)
        assert "not positive definite" in free.notes[0]


def test_singular_hessians() -> None:
    def f(x: Any) -> Any:
        return (x[0] + x[1] - 1) ** 2

    for method in (wg.Newton(), wg.Newton(structured=True), wg.NewtonCG(), wg.LBFGS()):
        found = wg.minimize(f, np.zeros(2), method=method)
        assert found.success
        assert np.sum(found.theta) == pytest.approx(1, abs=1e-8)
    pure = wg.minimize(f, np.zeros(2), method=wg.Newton(1.0))
    assert pure.status == "failed"
    assert "singular" in pure.message
    assert "Backtracking" in pure.message


def factorisation(n: int = 30, m: int = 12, k: int = 2) -> tuple[Any, Any]:
    T = rng(5).normal(size=(n, k)) @ rng(6).normal(size=(k, m))
    M = (rng(8).random((n, m)) < 0.7) * 1.0

    def f(p: Any) -> Any:
        rest = np.sum(p["U"] ** 2) + np.sum(p["V"] ** 2)
        return np.sum(M * (T - p["U"] @ p["V"].T) ** 2) + 0.01 * rest

    return f, {"U": rng(1).normal(size=(n, k)), "V": rng(2).normal(size=(m, k))}


def test_structured_newton_of_a_matrix_factorisation() -> None:
    f, theta0 = factorisation()
    kept, dense = (
        wg.minimize(
            f, theta0, method=wg.Newton(structured=s), stop=wg.Stop(relative=1e-9, steps=300)
        )
        for s in (True, False)
    )
    assert kept.success
    assert dense.success
    gradient = wg.grad(f)(kept.theta)
    assert max(np.max(np.abs(g)) for g in gradient.values()) < 1e-5
    smallest = min(kept.loss, dense.loss)
    assert kept.loss == pytest.approx(smallest, rel=0.2)


def test_structure_is_chosen_by_what_it_saves() -> None:
    f, theta0 = factorisation(100, 40)
    problem = wg.optimize.problem_of(f, theta0)
    assert wg.Newton().init(problem, problem.space.vector(theta0)).own["structured"] == 1
    f, theta0 = factorisation()
    problem = wg.optimize.problem_of(f, theta0)  # too small to pay
    assert wg.Newton().init(problem, problem.space.vector(theta0)).own["structured"] == 0
    dense, *_, x0 = quadratic(np.linspace(1, 2, 300))
    problem = wg.optimize.problem_of(dense, x0)
    assert wg.Newton().init(problem, x0).own["structured"] == 0


@pytest.mark.parametrize("average", [None, "all", "tail"])
@pytest.mark.parametrize("replacement", [False, True])
def test_sgd_comes_near_the_minimum(average: str | None, replacement: bool) -> None:
    risk = logistic(0.1)
    best = wg.minimize(risk, start(), method=wg.Newton()).loss
    method = wg.SGD(20, wg.InverseSqrt(0.5), replacement=replacement, average=average)
    found = wg.minimize(risk, start(), method=method, stop=wg.Stop(steps=2000))
    assert found.history.step[1] == 10  # an epoch
    assert 0 <= found.history.loss[-1] - best < (0.01 if average == "all" else 2e-3)


def test_sgd_steps_by_hand() -> None:
    X, y = labelled()
    risk = wg.EmpiricalRisk("logistic", linear, (X, y), 0.1)
    problem = risk.problem(start(), seed=7)
    x = np.zeros(5)
    iterates = []
    for t in range(37):
        rows = problem.batches(20, False).rows(t)
        slopes = 1 / (1 + np.exp(-(rows[0] @ x[:4] + x[4]))) - rows[1]
        g = np.append(rows[0].T @ slopes, np.sum(slopes)) / 20 + 0.1 * x
        x = x - 2 / (t + 3) * g
        iterates.append(x)
    stop = wg.Stop(steps=37)
    for average, expected in (
        (None, x),
        ("all", np.mean(iterates, axis=0)),
        ("tail", np.mean(iterates[15:], axis=0)),
        ("weighted", np.average(iterates, axis=0, weights=np.arange(1.0, 38))),
    ):
        method = wg.SGD(20, wg.Inverse(2, offset=3), average=average)
        found = wg.minimize(risk, start(), method=method, stop=stop, seed=7)
        np.testing.assert_allclose(found.last["w"], expected[:4], rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(found.last["b"], expected[4], rtol=1e-10, atol=1e-13)


def test_adam_by_hand() -> None:
    f, A, c, x0 = quadratic(SPECTRUM)
    method = wg.Adam(0.05, None, weight_decay=0.1)
    found = run(f, x0, method, 20)
    x, m, v = x0, 0.0, 0.0
    for t in range(1, 21):
        g = A @ (x - c)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        x = x - 0.05 * step - 0.05 * 0.1 * x
    np.testing.assert_allclose(found.last, x, rtol=1e-9)


def test_schedules() -> None:
    assert [wg.InverseSqrt(0.5)(t) for t in (0, 3, 8)] == pytest.approx([0.5, 0.25, 1 / 6])
    assert [wg.Inverse(2.0, offset=2)(t) for t in (0, 2)] == [1.0, 0.5]
    assert wg.Fixed(0.3)(100) == 0.3


def test_the_exact_step_needs_curvature() -> None:
    found = wg.minimize(lambda x: -np.sum(x**2), np.ones(2), method=wg.GradientDescent(wg.Exact()))
    assert found.status == "failed"
    assert "convex" in found.message


@pytest.mark.parametrize(
    "name", ["1/L", "newton", "newton cg", "trust region", "lbfgs", "nesterov", "momentum"]
)
def test_float32_and_numbers(name: str) -> None:
    method = DETERMINISTIC[name]
    c = np.array([1.0, -2.0], np.float32)
    found = wg.minimize(
        lambda x: np.sum((x - c) ** 2), np.zeros(2, np.float32), method=method,
        stop=wg.Stop(gradient=1e-5, steps=300),
    )  # fmt: skip
    assert found.theta.dtype == np.float32
    np.testing.assert_allclose(found.theta, c, atol=1e-5)
    one = wg.minimize(
        lambda x: (x - 2) ** 2, 0, method=method, stop=wg.Stop(gradient=1e-9, steps=900)
    )
    assert one.theta == pytest.approx(2.0, abs=1e-7)


def test_formulas() -> None:
    X, y = labelled()
    given = {"X": X, "y": y.astype(float)}
    expected = np.linalg.lstsq(X, y, rcond=None)[0]
    found = wg.minimize("norm2(X*w - y)^2", np.zeros(4), given=given, method=wg.Newton())
    np.testing.assert_allclose(found.theta["w"], expected, atol=1e-10)
    f = wg.formula("norm2(X*w - y)^2 + c^2")
    both = wg.minimize(f, {"w": np.zeros(4), "c": 3.0}, given=given)
    np.testing.assert_allclose(both.theta["w"], expected, atol=1e-5)
    assert both.theta["c"] == pytest.approx(0, abs=1e-5)


def test_functions_that_branch_in_python() -> None:
    def f(x: Any) -> Any:
        return np.sum(x**2) if x[0] > 0 else np.sum(x**4 + x**2)

    for method in (wg.LBFGS(), wg.Newton(), wg.NewtonCG()):
        found = wg.minimize(f, np.array([3.0, -1.0]), method=method)
        np.testing.assert_allclose(found.theta, 0, atol=1e-6)


def test_gauss_newton_needs_residuals() -> None:
    for method in (wg.GaussNewton(), wg.LevenbergMarquardt(), wg.GaussNewton(structured=False)):
        with pytest.raises(WengertError, match="LeastSquares"):
            wg.minimize(rosenbrock, np.ones(2) * 2, method=method)


def test_batches_need_data() -> None:
    for method in (wg.SGD(8, 0.1), wg.Adam()):
        with pytest.raises(WengertError, match="needs data"):
            wg.minimize(rosenbrock, np.ones(2) * 2, method=method)


def test_generalised_gauss_newton_of_a_network() -> None:
    X, y = labelled()

    def predict(p: Any, x: Any) -> Any:
        return np.tanh(x @ p["A"]) @ p["b"]

    theta0 = {"A": rng(1).normal(size=(4, 3)), "b": rng(2).normal(size=3)}
    risk = wg.EmpiricalRisk("logistic", predict, (X, y), 0.01, chunk=64)
    for method in (wg.GaussNewton(), wg.LevenbergMarquardt(), wg.GaussNewton(structured=True)):
        found = wg.minimize(risk, theta0, method=method, stop=wg.Stop(gradient=1e-8, steps=500))
        assert found.success, found
        gradient = risk.gradient(found.theta)
        assert max(np.max(np.abs(g)) for g in gradient.values()) < 1e-7


def test_bounds_are_handed_to_scipy() -> None:
    for method in (wg.LBFGS(bounds=[(0, 1)] * 2), wg.Scipy("TNC", bounds=[(0, 1)] * 2)):
        found = wg.minimize(lambda x: np.sum((x - 3) ** 2), np.zeros(2) + 0.5, method=method)
        np.testing.assert_allclose(found.theta, 1, atol=1e-8)
