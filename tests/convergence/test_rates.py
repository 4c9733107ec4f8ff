"""Rates are those of known sequences, and those that the lecture names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.convergence import measured_rate
from wengert.convergence.report.rates import _Line
from wengert.convergence.theorems.worst_cases import huber, spread_quadratic

from .problems import logistic_ridge, measured, of_worst, random_quadratic


def noisy(n: int, correlation: float, rng: Any) -> Any:
    noise = rng.normal(size=n)
    found = np.zeros(n)
    found[0] = noise[0]
    for i in range(1, n):
        found[i] = correlation * found[i - 1] + math.sqrt(1 - correlation**2) * noise[i]
    return found


# ---------------------------------------------------------------- known sequences


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_powers(power: float) -> None:
    t = np.arange(0, 3000)
    found = measured_rate(t, 5 / (t + 1.0) ** power)
    assert found.kind == "power"
    assert found.slope == pytest.approx(-power, rel=0.02)
    assert found.interval[0] <= -power <= found.interval[1]


@pytest.mark.parametrize("factor", [0.5, 0.9, 0.999])
def test_constant_factors(factor: float) -> None:
    t = np.arange(0, 200)
    found = measured_rate(t, 3 * factor**t)
    assert found.kind == "linear"
    assert math.exp(found.slope) == pytest.approx(factor, rel=1e-9)
    assert f"{factor:.6g}" in found.words


@pytest.mark.parametrize("order", [1.6, 2.0, 3.0])
def test_orders(order: float) -> None:
    e = [0.5]
    while e[-1] > 1e-200:
        e.append(0.4 * e[-1] ** order)
    found = measured_rate(np.arange(len(e)), e)
    assert found.kind == "quadratic"
    assert found.slope == pytest.approx(order, rel=1e-6)


def test_a_gap_that_no_longer_falls_is_said() -> None:
    rng = np.random.default_rng(0)
    found = measured_rate(np.arange(500), 1 + 0.1 * rng.normal(size=500), "power")
    assert "cannot be told" in found.words


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_intervals_hold_the_slope_as_often_as_they_say(correlation: float) -> None:
    rng = np.random.default_rng(1)
    x = np.linspace(0, 1, 60)
    hits = 0
    for _ in range(300):
        low, high = _Line.through(x, -x + 0.1 * noisy(60, correlation, rng)).interval()
        hits += low <= -1 <= high
    assert 0.9 * 300 <= hits < 300


def test_what_rounding_leaves_is_left_out() -> None:
    t = np.arange(400)
    e = np.maximum(0.9**t, 1e-14)
    assert measured_rate(t, e, "linear", floor=2e-14).slope == pytest.approx(math.log(0.9))
    signed = 0.9**t - 1e-14
    signed[350:] = -1e-16
    assert measured_rate(t, signed, "linear").slope == pytest.approx(math.log(0.9), rel=0.05)


def test_what_cannot_be_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="5 records"):
        measured_rate([1, 2, 3], [1.0, 0.5, 0.3], "power")
    with pytest.raises(ValueError, match="4 records"):
        measured_rate(np.arange(9), 0.9 ** np.arange(9), "quadratic")
    with pytest.raises(ValueError, match="same length"):
        measured_rate([1, 2], [1.0])


def test_models_that_predict_equally_well_are_not_told_apart() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(10, 20)
    found = measured_rate(t, (1 + 0.3 * rng.normal(size=10)) / t)
    assert "equally well" in found.how
    assert found.to_dict()["how"] == found.how


# ---------------------------------------------------------------- measured runs


def test_gradient_descent_is_1_over_t_on_a_fixed_function() -> None:
    known = of_worst(spread_quadratic(6.0), "strongly convex", quadratic=True)
    steps, curves = measured(known, wg.GradientDescent(1.0), 1500)
    found = measured_rate(steps, curves["gap"])
    assert found.kind == "power"
    assert -1.05 < found.slope < -0.95
    assert found.interval[0] <= -1 <= found.interval[1]


def test_gradient_descent_is_1_over_t_on_the_slowest_functions() -> None:
    # Another function for each T: their envelope is the bound, LR²/(4T + 2).
    horizons = np.unique(np.geomspace(4, 400, 12).astype(int))
    last = [
        measured(of_worst(huber(int(n))), wg.GradientDescent(1.0), int(n), every=int(n))[1]["gap"]
        for n in horizons
    ]
    found = measured_rate(horizons, [gap[-1] for gap in last], "power", start=10)
    assert -1.02 < found.slope < -0.95
    np.testing.assert_allclose(
        [gap[-1] * (4 * n + 2) for gap, n in zip(last, horizons, strict=True)], 1
    )


def test_gradient_descent_is_linear_on_strongly_convex_functions() -> None:
    known = random_quadratic(0, 0.1)
    steps, curves = measured(known, wg.GradientDescent(0.5), 120)
    found = measured_rate(steps, curves["gap"])
    assert found.kind == "linear"
    assert math.exp(found.slope) == pytest.approx((1 - 0.05) ** 2, rel=2e-3)


def test_newton_is_quadratic() -> None:
    known = logistic_ridge(4)
    steps, curves = measured(known, wg.Newton(1.0), 8)
    found = measured_rate(steps, np.sqrt(curves["squared distance"]), floor=1e-11)
    assert found.kind == "quadratic"
    assert 1.8 < found.slope < 2.3


def test_sgd_is_1_over_root_t_on_a_stochastic_problem() -> None:
    # The mean of |θ| + tθ over t = ±0.8: a kink, and noise that is the same everywhere.
    t = np.array([-0.8, 0.8])
    risk = wg.EmpiricalRisk(lambda p, t: np.abs(p) + t * p, lambda w, x: x * w, (np.ones(2), t))
    R, G, seeds = 2.0, math.sqrt(1 + 0.8**2), 16
    horizons = np.array([16, 32, 64, 128, 256])
    gaps: list[float] = []
    errors: list[float] = []
    for n in horizons.tolist():
        method = wg.SGD(1, R / (G * math.sqrt(n)), replacement=True, average="all")
        stop = wg.Stop(steps=n)
        runs = [
            wg.minimize(risk, np.array(R), method=method, stop=stop, seed=seed, record=n)
            for seed in range(seeds)
        ]
        last = np.array([run.history.loss[-1] for run in runs])
        gaps.append(float(last.mean()))
        errors.append(float(last.std()) / math.sqrt(seeds))
    rate = measured_rate(horizons, gaps, "power", start=16)
    assert -0.6 < rate.slope < -0.4
    bound = R * G / np.sqrt(horizons) * (1 + 1 / (2 * horizons))  # without θ₀ in the average
    assert np.all(np.array(gaps) - 3 * np.array(errors) <= bound)
