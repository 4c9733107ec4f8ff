"""Forecasts against runs: exact on quadratics, close on real data."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import wengert as wg
from optimize.support import linear, quadratic
from wengert.convergence import facts
from wengert.convergence.forecasts.expected import companion
from wengert.convergence.forecasts.metered import Metered
from wengert.convergence.forecasts.moments import second_moments
from wengert.convergence.forecasts.recursions import blocks, mean_path
from wengert.convergence.forecasts.recursions import linear as recursion_of

SPECTRUM = np.geomspace(0.02, 2.0, 12)


def measured(f: Any, x: Any, method: Any, eps: float, minimum: float, steps: int = 20_000) -> float:
    stop = wg.Stop(gap=1e-3 * eps, minimum=minimum, steps=steps)
    history = wg.minimize(f, x, method=method, stop=stop).history
    return facts.first_below(history.step, history.loss - minimum, eps)


# ---------------------------------------------------------------- quadratics


@pytest.mark.parametrize(
    "method",
    [
        wg.GradientDescent(0.4),
        wg.GradientDescent(),
        wg.Momentum(0.5, 0.8),
        wg.Nesterov(0.45),
        wg.Nesterov(0.45, strong_convexity=0.02),
        wg.GradientDescent(wg.Exact()),
        wg.GradientDescent(wg.Backtracking()),
    ],
    ids=repr,
)
@pytest.mark.parametrize("eps", [1e-2, 1e-6])
def test_quadratics_are_forecast_to_the_step(method: Any, eps: float):
    f, _, _, x = quadratic(SPECTRUM)
    found = wg.forecast(f, x, method, eps, pilot=5)
    steps = measured(f, x, method, eps, 0.0)
    assert found.steps_to().value == pytest.approx(steps, rel=0.01, abs=1)
    assert found.steps_to().low <= steps <= found.steps_to().high
    assert found.minimum == pytest.approx(0.0, abs=1e-3 * eps)
    assert found.gap0 == pytest.approx(f(x))


def test_large_quadratics_are_forecast_from_ritz_values():
    f, _, _, x = quadratic(np.geomspace(0.01, 1.0, 150))
    found = wg.forecast(f, x, wg.GradientDescent(1.0), 1e-5)
    assert "Ritz" in found.how[1]
    steps = measured(f, x, wg.GradientDescent(1.0), 1e-5, 0.0)
    assert found.steps_to().value == pytest.approx(steps, rel=0.02)


def test_the_run_of_an_unstable_step_is_said_not_to_end():
    f, _, _, x = quadratic(SPECTRUM)
    found = wg.forecast(f, x, wg.Momentum(2.5, 0.1), 1e-3)
    assert found.steps_to().value == np.inf
    assert "not stable" in found.confidence


# ---------------------------------------------------------------- recursions


@pytest.mark.parametrize("average", [None, "all", "tail", "weighted"])
@pytest.mark.parametrize("momentum", [0.0, 0.7])
@pytest.mark.parametrize("step", [0.3, wg.InverseSqrt(0.5), wg.Inverse(3.0, 8)])
def test_a_recursion_takes_the_methods_steps(average: Any, momentum: float, step: Any):
    """With all rows in a batch the mean is the run itself, and blocks are single steps."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    risk = wg.EmpiricalRisk("squared", linear, (X, X @ np.ones(3)), 0.1)
    theta = {"w": rng.normal(size=3), "b": 0.0}
    problem = Metered(risk.problem(theta))
    x = problem.space.vector(theta)
    method = wg.SGD(30, step, average=average, momentum=momentum)
    best = problem.space.vector(wg.minimize(risk, theta, method=wg.Newton()).theta)
    values, vectors = np.linalg.eigh(problem.hessian(best))
    recursion = recursion_of(method, 0.0)
    assert recursion is not None
    z = np.zeros((4, len(recursion.read)))
    z[:, 0] = vectors.T @ (x - best)
    at = blocks(recursion, 0, 30)
    answers = recursion.answers(mean_path(recursion, values, z, at), at)
    state = method.init(problem, x)
    for t in range(1, 31):
        state = method.advance(problem, state)
        own = vectors.T @ (method.output(problem, state) - best)
        assert answers[list(at).index(t)] == pytest.approx(own, abs=1e-9)
    lead = companion(problem, method, x, 13)
    trail = (lead.trail[1:] - best) @ vectors
    start = recursion.summed(
        trail, mean_path(recursion, values, z, at)[13][:, : 1 + bool(momentum)]
    )
    assert start == pytest.approx(mean_path(recursion, values, z, at)[13], abs=1e-9)


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("average", [None, "all", "tail", "weighted"])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_second_moments_are_those_of_many_runs(replacement: bool, average: Any, momentum: float):
    """Noise of variance 1 that does not depend on the point, in 4000 runs of one dimension."""
    method = wg.SGD(1, 0.1, replacement=replacement, average=average, momentum=momentum)
    recursion = recursion_of(method, 0.0)
    assert recursion is not None
    epoch, runs, last = 8, 4000, 64
    recursion = replace(recursion, unit=1 if replacement else epoch)
    at = np.arange(0, last + 1, 1 if replacement else epoch)
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(runs, last))
    factor = 1.0
    if not replacement:
        kinds = rng.permuted(np.tile(np.arange(epoch) - 3.5, (runs * last // epoch, 1)), axis=1)
        noise = kinds.reshape(runs, last) / np.std(np.arange(epoch))
    value = np.array([0.9])
    got = second_moments(
        recursion, value, at, lambda t, m: np.array([factor]), None if replacement else np.ones(8)
    )
    outs = np.array([recursion.out(int(t)) for t in at])
    got = np.einsum("mkij,mi,mj->m", got, outs, outs)
    x = v = np.zeros(runs)
    trail = []
    for t in range(last):
        v = momentum * v - 0.1 * (0.9 * x + noise[:, t])
        x = x + v
        trail.append(x)
    for t, expected in zip(at[1:], got[1:], strict=True):
        terms = t if average == "weighted" else round(1 / float(np.max(recursion.out(int(t)))))
        weights = np.arange(1, t + 1) if average == "weighted" else None
        answer = np.average(trail[t - terms : t], 0, weights) if average else trail[t - 1]
        assert np.mean(answer**2) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("average", [None, "all"])
def test_the_last_batch_of_an_epoch_may_be_smaller(average: Any):
    sizes, runs, epochs = np.array([4, 4, 2]), 4000, 6
    method = wg.SGD(4, 0.1, average=average)
    recursion = recursion_of(method, 0.0)
    assert recursion is not None
    at = np.arange(0, 3 * epochs + 1, 3)
    got = second_moments(
        replace(recursion, unit=3), np.array([0.9]), at, lambda t, m: np.ones(1), sizes
    )
    outs = np.array([recursion.out(int(t)) for t in at])
    got = np.einsum("mkij,mi,mj->m", got, outs, outs)
    rows = np.tile(np.arange(10) - 4.5, (runs * epochs, 1)) / np.std(np.arange(10))
    rows = np.random.default_rng(1).permuted(rows, axis=1)
    noise = np.add.reduceat(rows, [0, 4, 8], axis=1) / sizes
    noise = noise.reshape(runs, 3 * epochs)
    trail = [np.zeros(runs)]
    for t in range(3 * epochs):
        trail.append(trail[-1] - 0.1 * (0.9 * trail[-1] + noise[:, t]))
    for t, expected in zip(at[1:], got[1:], strict=True):
        answer = trail[t] if average is None else np.mean(trail[1 : t + 1], 0)
        assert np.mean(answer**2) == pytest.approx(expected, rel=0.12)


# ---------------------------------------------------------------- real data


@cache
def real(name: str) -> tuple[Any, Any]:
    data = pytest.importorskip("sklearn.datasets")
    loaded = getattr(data, f"load_{name}")()
    X = (loaded.data - loaded.data.mean(0)) / loaded.data.std(0)
    theta = {"w": np.zeros(X.shape[1]), "b": 0.0}
    if name == "diabetes":
        y = (loaded.target - loaded.target.mean()) / loaded.target.std()
        return wg.EmpiricalRisk("squared", linear, (X, y), 0.01), theta
    return wg.EmpiricalRisk("logistic", linear, (X, loaded.target > 0), 0.01), theta


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("diabetes", wg.GradientDescent()),
        ("breast_cancer", wg.GradientDescent()),
        ("wine", wg.Momentum(0.05, 0.5)),
    ],
    ids=repr,
)
def test_steps_of_descent_are_within_30_percent(name: str, method: Any):
    risk, theta = real(name)
    best = wg.minimize(risk, theta, method=wg.Newton(), stop=wg.Stop(gradient=1e-12)).loss
    found = wg.forecast(risk, theta, method, 1e-7)
    history = wg.minimize(
        risk, theta, method=method, stop=wg.Stop(gap=1e-8, minimum=best, steps=9000)
    ).history
    for eps in (1e-2, 1e-3, 1e-5, 1e-7):
        steps = facts.first_below(history.step, history.loss - best, eps)
        assert found.steps_to(eps).value == pytest.approx(steps, rel=0.3, abs=1)
    assert abs(found.minimum - best) <= 1e-9
    assert found.confidence.startswith("high")


@pytest.mark.parametrize(
    "method",
    [
        wg.SGD(16, 0.02, replacement=True),
        wg.SGD(16, 0.02),
        wg.SGD(16, wg.InverseSqrt(0.1), average="tail"),
        wg.SGD(16, wg.Inverse(10.0, 200.0), replacement=True),
    ],
    ids=repr,
)
def test_the_expected_gap_of_batches_is_within_a_factor_of_2(method: Any):
    risk, theta = real("diabetes")
    best = wg.minimize(risk, theta, method=wg.Newton(), stop=wg.Stop(gradient=1e-12)).loss
    found = wg.forecast(risk, theta, method, 1e-6)
    runs = [
        wg.minimize(risk, theta, method=method, stop=wg.Stop(steps=28 * 20), seed=seed).history
        for seed in range(10)
    ]
    gap = np.mean([run.loss for run in runs], 0) - best
    curve = np.interp(runs[0].step, found.curve.steps, found.curve.value)
    assert np.all(np.abs(np.log(curve / gap)) < np.log(2))


def test_the_floor_of_a_fixed_step_is_stated():
    risk, theta = real("diabetes")
    found = wg.forecast(risk, theta, wg.SGD(16, 0.05, replacement=True), 1e-5)
    assert 1e-3 < found.floor < 1e-2
    assert found.steps_to().value == np.inf
    assert "floor" in str(found)
    half = wg.forecast(risk, theta, wg.SGD(32, 0.05, replacement=True), 1e-5)
    assert half.floor == pytest.approx(found.floor / 2, rel=0.1)


def test_newtons_method_is_forecast_from_four_steps():
    risk, theta = real("breast_cancer")
    best = wg.minimize(risk, theta, method=wg.Newton(), stop=wg.Stop(gradient=1e-12)).loss
    found = wg.forecast(risk, theta, wg.Newton(), 1e-7)
    assert found.pilot == 4
    assert found.steps_to().value == pytest.approx(
        measured(risk, theta, wg.Newton(), 1e-7, best), abs=1
    )


# ---------------------------------------------------------------- what is not smooth, or not convex


def test_a_hinge_loss_is_extrapolated_and_said_so():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    risk = wg.EmpiricalRisk("hinge", linear, (X, X @ np.ones(3) + rng.normal(size=60) > 0), 0.01)
    found = wg.forecast(risk, {"w": np.zeros(3), "b": 0.0}, wg.GradientDescent(0.1), 1e-3)
    assert found.confidence.split(":")[0] in ("low", "none")
    assert found.minimum_error < 1e-4
    run = wg.minimize(
        risk,
        {"w": np.zeros(3), "b": 0.0},
        method=wg.SGD(60, wg.Inverse(20.0, 10.0), average="weighted"),
        stop=wg.Stop(steps=1000),
        record=1000,
    )
    assert found.minimum - 1e-4 <= run.loss <= found.minimum + 1e-2


@pytest.mark.parametrize(("average", "eps"), [(None, 1e-1), ("all", 1e-2)])
def test_batches_of_a_hinge_loss_are_held_against_its_minimum(average: Any, eps: float):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    risk = wg.EmpiricalRisk("hinge", linear, (X, X @ np.ones(3) + rng.normal(size=120) > 0), 0.01)
    theta = {"w": np.zeros(3), "b": 0.0}
    method = wg.SGD(20, wg.InverseSqrt(1.0), average=average)
    found = wg.forecast(risk, theta, method, eps)
    stop = wg.Stop(steps=200)
    runs = [
        wg.minimize(risk, theta, method=method, stop=stop, seed=s, record=2).history
        for s in range(4)
    ]
    gap = np.mean([run.loss for run in runs], 0) - found.minimum
    assert found.steps_to().low <= facts.first_below(runs[0].step, gap, eps)
    assert found.steps_to().high >= facts.first_below(runs[0].step, gap, eps)
    assert found.confidence.startswith("low")


FLAT: dict[str, Any] = {
    "x⁴": lambda x: np.sum(x**4),
    "|x|³": lambda x: np.sum(np.abs(x) ** 3),
    "x⁴ and x²": lambda x: np.sum(x[:2] ** 4) + x[2] ** 2 + 1,
}


@pytest.mark.parametrize("method", [wg.GradientDescent(0.05), wg.Momentum(0.02, 0.7)], ids=repr)
@pytest.mark.parametrize("name", FLAT)
def test_flat_minima_are_not_taken_for_quadratics(name: str, method: Any):
    f, x = FLAT[name], np.ones(3)
    minimum = float(name == "x⁴ and x²")
    stop = wg.Stop(gap=1e-4, minimum=minimum, steps=1000)
    history = wg.minimize(f, x, method=method, stop=stop).history
    for eps in (1e-2, 2e-4):
        found = wg.forecast(f, x, method, eps)
        steps = facts.first_below(history.step, history.loss - minimum, eps)
        guess = found.steps_to()
        assert guess.low <= steps <= guess.high
        assert found.minimum == pytest.approx(minimum, abs=0.02 * eps)
        assert not found.confidence.startswith("high") or steps <= found.pilot
        assert np.all(np.diff(found.curve.value[found.curve.steps > found.pilot]) <= 0)


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("method", [wg.GradientDescent(), wg.SGD(20, 0.5)], ids=repr)
def test_minima_at_infinity_and_nearly_so_are_no_quadratics(noise: float, method: Any):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    risk = wg.EmpiricalRisk(
        "logistic", linear, (X, X @ np.ones(3) + noise * rng.normal(size=80) > 0)
    )
    found = wg.forecast(risk, {"w": np.zeros(3), "b": 0.0}, method, 1e-2)
    assert found.confidence.startswith("low")
    assert found.steps_to().value > 1000


def redundant(kind: str) -> tuple[Any, Any]:
    """Risks with directions along which nothing changes."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    if kind == "softmax":
        theta = {"w": np.zeros((4, 3)), "b": np.zeros(3)}
        return wg.EmpiricalRisk("softmax", linear, (X, rng.integers(0, 3, 200))), theta
    twice = np.concatenate([X, X[:, :2]], 1)
    y = X @ np.ones(4) + rng.normal(size=200)
    return wg.EmpiricalRisk("squared", lambda w, x: x @ w, (twice, y)), np.zeros(6)


@pytest.mark.parametrize("kind", ["softmax", "squared"])
@pytest.mark.parametrize("method", [wg.GradientDescent(), wg.Newton()], ids=repr)
def test_directions_without_curvature_and_gradient_do_not_count(kind: str, method: Any):
    risk, theta = redundant(kind)
    best = wg.minimize(risk, theta, method=wg.NewtonCG(), stop=wg.Stop(gradient=1e-12)).loss
    for eps in (1e-3, 1e-7):
        found = wg.forecast(risk, theta, method, eps)
        steps = measured(risk, theta, method, eps, best)
        assert found.steps_to().value == pytest.approx(steps, rel=0.05, abs=1)
        assert found.confidence.startswith("high")


# ---------------------------------------------------------------- what ends in the pilot


@pytest.mark.parametrize("eps", [1e-3, 1e-5, 1e-6, 1e-9])
@pytest.mark.parametrize(
    "method", [wg.Newton(), wg.Newton(1.0), wg.NewtonCG(), wg.LBFGS(), wg.Scipy("BFGS")], ids=repr
)
def test_a_pilot_that_ends_is_the_answer(method: Any, eps: float):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    poisson = wg.EmpiricalRisk("poisson", linear, (X, rng.poisson(1.0, 60)), 0.01)
    theta = {"w": np.zeros(4), "b": 0.0}
    y = rng.normal(size=60)
    for f, start in ((lambda w: np.sum((X @ w - y) ** 2) / 60, np.zeros(4)), (poisson, theta)):
        best = wg.minimize(f, start, method=wg.Newton(), stop=wg.Stop(gradient=1e-12)).loss
        found = wg.forecast(f, start, method, eps)
        stop = wg.Stop(steps=20)
        history = wg.minimize(f, start, method=method, stop=stop).history
        steps = facts.first_below(history.step, history.loss - best, eps)
        assert found.steps_to().value == pytest.approx(steps, abs=1)
        assert found.confidence.startswith("high") or found.pilot < steps


@pytest.mark.parametrize("method", [wg.GradientDescent(0.1), wg.Newton(), wg.LBFGS()], ids=repr)
@pytest.mark.parametrize("f", [lambda x: np.sum(x**2), lambda x: 1.0 + 0.0 * np.sum(x)])
def test_a_start_at_the_minimum_takes_no_steps(f: Any, method: Any):
    found = wg.forecast(f, np.zeros(2), method, 1e-3)
    assert found.steps_to().value == 0
    assert found.confidence.startswith("high")


def test_newtons_steps_to_a_flat_minimum_gain_a_factor_each():
    f, x = FLAT["x⁴"], np.ones(3)
    for eps in (1e-6, 1e-12):
        found = wg.forecast(f, x, wg.Newton(), eps)
        assert found.steps_to().value == pytest.approx(measured(f, x, wg.Newton(), eps, 0.0), abs=1)


# ---------------------------------------------------------------- formulas, and what it costs


@pytest.mark.parametrize(
    "ask",
    [
        lambda f, z, g: wg.minimize(f, z, given=g).loss,
        lambda f, z, g: wg.forecast(f, z, wg.GradientDescent(0.1), 1e-6, given=g).steps_to().value,
        lambda f, z, g: wg.spectral_density(f, z, given=g).trace,
        lambda f, z, g: wg.constants(f, z, given=g)["L"].value,
        lambda f, z, g: wg.convexity(f, z, g).modulus.value,
        lambda f, z, g: wg.convergence(f, z, "gd", 1e-3, given=g, run=False).first,
    ],
)
def test_a_formulas_one_variable_needs_no_name(ask: Any):
    rng = np.random.default_rng(0)
    given = {"X": rng.normal(size=(60, 4)), "y": rng.normal(size=60)}
    f, z = "norm2(X*w-y)^2/60 + 0.1*norm2(w)^2", np.zeros(4)
    assert ask(f, z, given) == pytest.approx(ask(f, {"w": z}, given))


def test_the_cost_is_what_was_asked_at_prices_with_limits():
    risk, theta = real("diabetes")
    problem = Metered(risk.problem(theta))
    x = problem.space.vector(theta)
    assert problem.cost == 0
    for _ in range(3):
        problem.value_and_gradient(x)
    assert problem.cost == 3
    multiply = problem.product(x)
    problem.hessian(x)
    multiply(x)
    assert 0 < problem.price("product") <= 2
    assert 0 < problem.price("hessian") <= 2 * len(x)
    assert problem.cost == pytest.approx(3 + problem.price("product") + problem.price("hessian"))
    problem.charge(5)
    assert problem.cost > 8


def test_few_parameters_cost_few_gradients():
    risk, theta = real("breast_cancer")
    found = wg.forecast(risk, theta, wg.GradientDescent(), 1e-8)
    assert found.cost < 0.3 * found.steps_to().value
    assert found.seconds > 0
    assert " s\n" in str(found)


def test_a_saddle_is_no_minimum():
    def f(x: Any) -> Any:
        return (x[0] ** 2 - 1) ** 2 + x[1] ** 2

    found = wg.forecast(f, np.array([0.0, 1.0]), wg.GradientDescent(0.05), 1e-4)
    assert not found.confidence.startswith("high")


@pytest.mark.parametrize("method", [wg.LBFGS(), wg.Adam(0.1, batch_size=None)], ids=repr)
def test_methods_without_a_model_are_extrapolated(method: Any):
    risk, theta = real("diabetes")
    found = wg.forecast(risk, theta, method, 1e-3)
    assert np.isfinite(found.steps_to().value)
    assert "pilot" in found.confidence


@pytest.mark.parametrize(("name", "bad"), [("eps", 0.0), ("eps", np.inf), ("pilot", 0)])
def test_bad_input_is_refused(name: str, bad: Any):
    with pytest.raises(ValueError, match=name):
        wg.forecast(lambda x: np.sum(x**2), np.ones(2), wg.GradientDescent(0.1), **{name: bad})


# ---------------------------------------------------------------- while it runs


def test_the_time_left_follows_the_run():
    risk, theta = real("breast_cancer")
    method = wg.GradientDescent()
    found = wg.forecast(risk, theta, method, 1e-5)
    clock = found.forecaster()
    left: dict[int, float] = {}
    beside = found.forecaster()

    def note(moment: wg.convergence.Forecaster | Any) -> None:
        left[moment.step] = clock.steps_left(1e-5)
        beside.observe_gap(moment.step, moment.loss - found.minimum, moment.seconds)
        assert beside.steps_left(1e-5) == left[moment.step]

    stop = wg.Stop(gap=1e-5, minimum=found.minimum)
    run = wg.minimize(risk, theta, method=method, stop=stop, progress=clock, callback=note)
    assert run.status == "converged"
    for step in (50, 200, 400):
        assert left[step] == pytest.approx(run.steps - step, rel=0.1)
    assert left[run.steps] == 0
    assert clock.seconds_left(1e-5) == 0


def test_a_forecast_goes_into_json():
    import json

    f, _, _, x = quadratic([1.0, 4.0])
    found = wg.forecast(f, x, wg.GradientDescent(0.2), 1e-3)
    assert json.loads(json.dumps(found.to_dict()))["steps"][0] == found.steps_to().value
    worse = replace(found, minimum_error=np.inf)
    assert "±" not in str(worse)
    assert "forecast" in str(found)
