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
    assert found.minimum_error < 1e-6
    run = wg.minimize(
        risk,
        {"w": np.zeros(3), "b": 0.0},
        method=wg.SGD(60, wg.Inverse(20.0, 10.0), average="weighted"),
        stop=wg.Stop(steps=3000),
    )
    assert found.minimum - 1e-6 <= run.loss <= found.minimum + 1e-3


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

    def note(moment: wg.convergence.Forecaster | Any) -> None:
        left[moment.step] = clock.steps_left(1e-5)

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
