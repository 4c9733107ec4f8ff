"""The report: the answer, what it rests on, what it refuses, and what it says of bad input."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

import wengert as wg
from wengert.convergence import Report
from wengert.convergence.constants.reference import reference_of, rounded_hinge
from wengert.convergence.facts import Constants, Curve
from wengert.convergence.report.choices import choose, names
from wengert.convergence.report.comparison import crossing_points
from wengert.convergence.report.ladder import Ladder
from wengert.convergence.report.measured import Budget, measure
from wengert.convergence.report.plans import Known
from wengert.convergence.report.study import above_bound
from wengert.errors import DomainError, WengertError
from wengert.optimize import problem_of


def linear(w: Any, x: Any) -> Any:
    return x @ w


def rng(seed: int = 0) -> Any:
    return np.random.default_rng(seed)


def noisy(n: int = 100, d: int = 3, seed: int = 0) -> tuple[Any, Any]:
    """Rows and labels that no line separates."""
    X = rng(seed).normal(size=(n, d))
    return X, (X @ np.ones(d) + 2 * rng(seed + 1).normal(size=n) > 0).astype(float)


@cache
def cancer(regularizer: float = 0.01) -> wg.EmpiricalRisk:
    X, y = load_breast_cancer(return_X_y=True)
    return wg.EmpiricalRisk("logistic", linear, ((X - X.mean(0)) / X.std(0), y), regularizer)


@cache
def cancer_report() -> Report:
    return wg.convergence(cancer(), np.zeros(30), ["gd", "sgd", "newton"], 1e-3, seconds=20)


@cache
def diabetes() -> wg.EmpiricalRisk:
    X, y = load_diabetes(return_X_y=True)
    X = (X - X.mean(0)) / X.std(0)
    return wg.EmpiricalRisk("squared", linear, (X, (y - y.mean()) / y.std()), 0.1)


# ---------------------------------------------------------------- on real data


def test_answer_comes_first_and_is_right():
    report = cancer_report()
    first, why = str(report).split("\n\n")[0].replace("\n", " ").split(" The function is ", 1)
    assert first.startswith("To a gap of 0.001 on the logistic loss of 569 rows")
    assert "is the fastest" in first
    assert why.startswith("strongly convex (proven)")
    direct = wg.minimize(
        cancer(),
        np.zeros(30),
        method=report["gd"].choice.method,
        stop=wg.Stop(gap=1e-3, minimum=report.reference.value),  # pyright: ignore
    )
    assert np.ceil(report["gd"].steps) == direct.steps
    assert f"gradient descent takes {direct.steps} steps" in first


def test_every_method_has_theorem_forecast_and_measurement():
    for outlook in cancer_report().outlooks:
        assert outlook.theorem is not None
        assert outlook.theorem.status == "proven"
        assert outlook.measured is not None
        assert outlook.measured.reached
        assert outlook.foreseen is not None
        ratio = outlook.foreseen.value / outlook.steps
        assert 0.5 < ratio < 2


def test_guarantee_lies_above_the_measured_curve():
    for outlook in cancer_report().outlooks:
        assert above_bound(outlook) == ""
        curve = outlook.measured.curve  # pyright: ignore
        bound = outlook.bound(curve.steps)
        assert bound is not None
        assert np.all(bound.value >= curve.value * (1 - 1e-9))


def test_a_bound_that_is_broken_is_said():
    outlook = cancer_report()["gd"]
    curve = outlook.measured.curve  # pyright: ignore
    raised = Curve(curve.steps, curve.value * 1e4, quantity="gap")
    from dataclasses import replace

    broken = replace(outlook, measured=replace(outlook.measured, curve=raised))  # pyright: ignore
    assert "please report this" in above_bound(broken)


def test_sections_and_advice_have_their_numbers():
    text = str(cancer_report())
    for title in (
        "Methods",
        "Which method at which gap (forecasts)",
        "Constants",
        "Convexity",
        "Theorems for gradient descent",
        "Forecast and measurement",
        "Advice",
    ):
        assert f"\n{title}\n{'─' * len(title)}\n" in text
    topics = [one.topic for one in cancer_report().advice]
    for topic in (
        "step size",
        "condition and momentum",
        "scaling",
        "Newton",
        "batch size",
        "noise",
    ):
        assert topic in topics
    assert "Source: " in text
    assert "[proven] ∇f is Lipschitz with L" in text


def test_advice_is_computed_right():
    report = cancer_report()
    problem = problem_of(cancer(), np.zeros(30))
    H = problem.hessian(report.reference.x)  # pyright: ignore
    values = np.linalg.eigvalsh(H)
    advice = {one.topic: one.value for one in report.advice}
    assert advice["condition and momentum"] == pytest.approx(values[-1] / values[0])
    assert advice["step size"] == pytest.approx(2 / (values[-1] + values[0]))
    d = np.sqrt(np.diag(H))
    scaled = np.linalg.eigvalsh(H / np.outer(d, d))
    assert advice["scaling"] == pytest.approx(scaled[-1] / scaled[0])
    g = cancer().gradient(np.zeros(30))
    assert advice["batch size"] == pytest.approx(
        cancer().gradient_noise(np.zeros(30)) / float(g @ g)
    )


def test_report_is_data():
    data = json.loads(json.dumps(cancer_report().to_dict(), allow_nan=False))
    assert data["status"] == "done"
    assert {c["symbol"] for c in data["constants"]} >= {"L", "mu", "R", "gap0", "sigma2_star"}
    gd = data["methods"][0]
    assert gd["name"] == "gd"
    assert gd["guaranteed_steps"] > gd["steps"]
    assert gd["measured"]["curve"]["quantity"] == "gap"
    assert gd["theorems"][0]["assumptions"]
    assert "<pre>" in cancer_report()._repr_html_()


def test_unknown_names_are_listed():
    with pytest.raises(KeyError, match="gd, sgd, newton"):
        cancer_report()["lbfgs"]


def test_without_a_run_there_is_a_forecast():
    report = wg.convergence(diabetes(), np.zeros(10), "gd", 1e-4, run=False)
    assert report.status == "forecast"
    assert report["gd"].measured is None
    assert "Gradient descent will reach a gap of 0.0001" in str(report).replace("\n", " ")
    run = wg.convergence(diabetes(), np.zeros(10), "gd", 1e-4)
    assert report["gd"].steps == pytest.approx(run["gd"].steps, rel=0.3)


def test_a_forecast_that_grows_is_not_spoken_of():
    report = wg.convergence(lambda x: np.sum(x**2), np.ones(2), wg.GradientDescent(1.5))
    assert report["gd"].foreseen is None
    assert "grows" in report["gd"].unforeseen
    assert "forecast  none" in str(report)


def test_plots_are_written(tmp_path: Path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "curve.png"
    single = wg.convergence(diabetes(), np.zeros(10), "gd", 1e-4).plot(str(path))
    assert path.stat().st_size > 10_000
    several = cancer_report().plot()
    assert len(single.axes) == 1
    assert len(several.axes) == 2
    for axes in (*single.axes, *several.axes):
        low, high = axes.get_ylim()
        assert low < 1e-4 if axes in single.axes else low < 1e-3
        assert high > 0.1


# ---------------------------------------------------------------- parts


def test_the_reference_is_the_minimum():
    problem = problem_of(diabetes(), np.zeros(10))
    x0 = np.zeros(10)
    found = reference_of(problem, x0, wg.convexity(diabetes(), x0))
    H = problem.hessian(x0)
    exact = np.linalg.solve(H, -problem.value_and_gradient(x0)[1])
    np.testing.assert_allclose(found.x, exact, atol=1e-10)
    assert found.kind == "exact"
    assert abs(found.value - problem.value(exact)) <= found.error


@pytest.mark.parametrize("width", [0.5, 1e-3])
def test_rounded_hinge_is_near_from_above(width: float):
    z = np.union1d(np.linspace(-3, 3, 2001), 1 + np.linspace(-width, width, 101))
    plain = np.maximum(0, 1 - z)
    rounded = rounded_hinge(width)(z, np.ones_like(z))
    assert np.all(rounded >= plain - 1e-15)
    assert np.max(rounded - plain) == pytest.approx(width / 4, rel=0.05)


def test_the_minimum_of_a_hinge_loss_is_certain():
    X, y = noisy()
    risk = wg.EmpiricalRisk("hinge", linear, (X, y), 0.1)
    problem = problem_of(risk, np.zeros(3))
    found = reference_of(problem, np.zeros(3), wg.convexity(risk, np.zeros(3)))
    assert found.kind == "exact"
    assert found.error < 1e-8
    for k in range(50):
        assert problem.value(found.x + 0.01 * rng(k).normal(size=3)) >= found.value - found.error


def test_runs_stay_below_eps_where_they_reach_it():
    problem = problem_of(cancer(), np.zeros(30))
    reference = reference_of(problem, np.zeros(30))
    for method in (wg.GradientDescent(), wg.Nesterov(), wg.LBFGS(), wg.SGD(64, 0.1)):
        found = measure(problem, np.zeros(30), method, reference, 1e-2, budget=Budget(5), seeds=3)
        assert found.reached, method
        curve = found.curve
        after = np.asarray(curve.steps) >= found.steps.value
        assert np.all(np.asarray(curve.value)[after] <= 1e-2)
        assert found.samples_per_step >= (64 if method == wg.SGD(64, 0.1) else 569) * 0.9
        assert found.seconds_per_step > 0


def test_seeds_differ_and_their_band_holds_the_mean():
    problem = problem_of(cancer(), np.zeros(30))
    reference = reference_of(problem, np.zeros(30))
    method = wg.SGD(8, 0.05, replacement=True)
    found = measure(problem, np.zeros(30), method, reference, 1e-9, budget=Budget(5, 200), seeds=4)
    assert found.status == "budget"
    assert found.each.shape[0] == 4
    assert len({float(row[-1]) for row in found.each}) == 4
    assert np.all(found.curve.low <= found.curve.value)
    assert np.all(found.curve.value <= found.curve.high)
    single = wg.minimize(
        cancer(), np.zeros(30), method=method, stop=wg.Stop(steps=200), seed=problem.seed + 1
    )
    assert single.history.loss[-1] - reference.value == pytest.approx(found.each[1, -1])


@pytest.mark.parametrize("name", names())
def test_every_name_is_a_method_that_runs(name: str):
    problem = problem_of(diabetes(), np.zeros(10))
    known = Known(problem, wg.constants(diabetes(), np.zeros(10)), 1e-2, True)
    for choice in choose(name, known):
        assert choice.why
        assert choice.name == name
        found = wg.minimize(
            diabetes(), np.zeros(10), method=choice.method, stop=wg.Stop(steps=300, seconds=5)
        )
        assert found.loss < diabetes().value(np.zeros(10))


@pytest.mark.parametrize(
    ("loss", "regularizer", "power"),
    [("logistic", None, 2), ("squared", 0.1, 1), ("hinge", None, 2), ("hinge", 0.1, 1)],
)  # fmt: skip
def test_sgd_by_name_has_a_finite_guarantee(loss: str, regularizer: float | None, power: int):
    """With kinks or without: (1/ε)² where noise counts, about 1/ε with strong convexity."""
    X, y = noisy()
    risk = wg.EmpiricalRisk(loss, linear, (X, y), regularizer)
    far, near = (
        wg.convergence(risk, np.zeros(3), "sgd", eps, run=False)["sgd"] for eps in (1e-3, 1e-4)
    )
    growth = np.log10(near.guaranteed / far.guaranteed)
    assert power - 0.3 < growth < power + 0.25  # a logarithm besides
    assert "guarantee" in near.choice.why


def test_sgd_by_name_says_what_a_step_without_a_promise_would_take():
    sgd = cancer_report()["sgd"]
    found = re.search(r"with α = ([\d.]+) takes ([\d,]+) steps", sgd.choice.why)
    assert found is not None
    alone = wg.forecast(cancer(), np.zeros(30), wg.SGD(32, float(found[1]), replacement=True), 1e-3)
    assert alone.steps_to().value == pytest.approx(float(found[2].replace(",", "")), rel=0.02)
    assert alone.steps_to().value < sgd.foreseen.value  # pyright: ignore


def test_sgd_by_name_on_a_formula_stays_finite():
    """Of rows whose convexity is not proven the noise at θ₀ counts too, and steps are below 1/L."""
    X, y = noisy()
    risk = wg.EmpiricalRisk(lambda r, t: r, lambda w, x: (x[0] @ w - x[1]) ** 2,
                            ((X, y), y), per_sample=True)  # fmt: skip
    sgd = wg.convergence(risk, np.zeros(3), "sgd", 1e-2, seconds=3)["sgd"]
    assert np.isfinite(sgd.guaranteed)
    assert sgd.measured.reached  # pyright: ignore


def test_curves_cross_where_they_do():
    t = np.geomspace(1, 1e4, 300)
    one, other = Curve(t, 1 / t), Curve(t, 100 / t**2)
    (point,) = crossing_points(one, other, (1.0, 1.0))
    assert point.place == pytest.approx(100, rel=1e-3)
    assert point.gap == pytest.approx(0.01, rel=1e-3)
    assert point.first_before
    assert crossing_points(one, one, (1.0, 2.0)) == []


def test_a_ladder_knows_who_is_best_where():
    gaps = (1e-1, 1e-2, 1e-3)
    found = Ladder(
        gaps, ("a", "b"), ((1.0, 100.0, 1e4), (20.0, 40.0, 60.0)), (1.0, 1.0), (1.0, 1.0)
    )
    ((gap, one, other),) = found.changes(found.pace)
    assert (one, other) == (0, 1)
    # a takes (1/10ε)², and b rises by 20 a decade: on logarithms they meet between 0.1 and 0.01
    assert 1e-2 < gap < 1e-1
    assert found.growth(0) == pytest.approx(2)
    assert "a is the fastest down to" in found.sentences[0]


# ---------------------------------------------------------------- what it says of bad input


def test_separated_data_have_no_minimum():
    X, _ = noisy()
    risk = wg.EmpiricalRisk("logistic", linear, (X, (X @ np.ones(3) > 0).astype(float)))
    report = wg.convergence(risk, np.zeros(3), "gd", 0.1, seconds=5)
    assert report.status == "no minimum"
    assert str(report).startswith("There is no minimum: the data are separated")
    assert "regularizer=" in str(report)
    assert "R" not in report.constants
    assert report["gd"].measured is not None
    assert report["gd"].measured.reached


def test_a_network_is_not_under_a_convex_theorem():
    X, _ = noisy(40)

    def net(p: Any, x: Any) -> Any:
        return np.tanh(x @ p["A"]) @ p["v"]

    theta = {"A": rng().normal(size=(3, 2)), "v": rng(1).normal(size=2)}
    risk = wg.EmpiricalRisk("squared", net, (X, X @ np.ones(3)), 0.01)
    report = wg.convergence(risk, theta, "gd", 1e-3, seconds=5)
    assert report.quantity == "squared gradient"
    assert report.convexity.verdict == "nonconvex"
    best = report["gd"].theorem
    assert best is not None
    assert best.theorem.quantity == "squared gradient"
    text = str(report).replace("\n", " ")
    assert "The function is not convex" in text
    broken = [t for t in report["gd"].theorems if t.status == "violated"]
    assert any("convex" in j.text for t in broken for j in t.judged if j.verdict == "violated")
    squares = np.asarray(report["gd"].measured.curve.value)  # pyright: ignore
    assert np.all(np.diff(squares) <= 0)


@pytest.mark.parametrize(
    ("objective", "theta", "message"),
    [
        (lambda x: -np.sum(x**2), np.ones(2), "falls without bound"),
        (np.sum, np.ones(2), "affine"),
    ],
)
def test_unbounded_functions_are_said_to_be(objective: Any, theta: Any, message: str):
    report = wg.convergence(objective, theta, "gd")
    assert report.status == "no minimum"
    first = str(report).split("\n\n")[0].replace("\n", " ")
    assert first.startswith("There is no minimum")
    assert message in first
    with pytest.raises(WengertError, match="no curve to draw"):
        report.plot()


@pytest.mark.parametrize("start", ["above", "at"])
def test_nothing_has_to_be_done(start: str):
    X, y = noisy()
    risk = wg.EmpiricalRisk("logistic", linear, (X, y), 0.1)
    at = wg.minimize(risk, np.zeros(3), method=wg.Newton()).theta
    eps, theta = (10.0, np.zeros(3)) if start == "above" else (1e-3, at)
    report = wg.convergence(risk, theta, ["gd", "sgd"], eps)
    assert str(report).startswith("Nothing has to be done")
    assert "(0 steps)" in str(report).replace("\n", " ")
    json.dumps(report.to_dict(), allow_nan=False)


def test_eps_below_rounding_is_not_reached():
    X, y = noisy()
    risk = wg.EmpiricalRisk("logistic", linear, (X, y), 0.1)
    report = wg.convergence(risk, np.zeros(3), "gd", 1e-25, seconds=5)
    assert not report["gd"].measured.reached  # pyright: ignore
    assert "rounding" in str(report).split("\n\n")[0]
    assert report.advice[0].topic == "precision"


def test_a_step_that_is_too_large_has_its_remedy():
    X, y = noisy()
    risk = wg.EmpiricalRisk("squared", linear, (X, y), 0.1)
    report = wg.convergence(risk, np.zeros(3), wg.GradientDescent(10.0), seconds=5)
    first = str(report).split("\n\n")[0].replace("\n", " ")
    assert "does not reach" in first
    L = report.constants["L"].value
    assert f"largest stable step is {2 / L:.3g}" in first
    assert "No theorem guarantees gradient descent here" in first


def test_one_row_has_no_noise():
    X, y = noisy()
    risk = wg.EmpiricalRisk("squared", linear, (X[:1], y[:1] + 1))
    report = wg.convergence(risk, np.zeros(3), ["gd", "sgd"], 1e-3, seconds=5)
    assert report.constants["sigma2"].value == 0
    assert report["sgd"].measured.reached  # pyright: ignore


def test_precisions_integers_and_streams():
    X, y = noisy()
    whole = wg.convergence(lambda x: np.sum((x - 3) ** 2), np.array([1, 2]), "gd", 1e-6)
    assert whole["gd"].measured.reached  # pyright: ignore
    short = wg.EmpiricalRisk("logistic", linear, (X.astype(np.float32), y), 0.1)
    single = wg.convergence(short, np.zeros(3, np.float32), "gd", 1e-3, seconds=5)
    batches = [(X[k : k + 30], y[k : k + 30]) for k in range(0, 100, 30)]
    stream = wg.EmpiricalRisk("logistic", linear, batches, 0.1)
    streamed = wg.convergence(stream, np.zeros(3), "gd", 1e-3, seconds=5)
    assert single["gd"].steps == pytest.approx(streamed["gd"].steps, abs=0.1)


def test_errors_say_what_is_wrong():
    X, y = noisy()
    risk = wg.EmpiricalRisk("logistic", linear, (X, y), 0.1)
    with pytest.raises(WengertError, match="did you mean 'sgd'"):
        wg.convergence(risk, np.zeros(3), "sdg")
    with pytest.raises(WengertError, match="needs a finite sum"):
        wg.convergence(lambda x: np.sum(x**2), np.ones(2), "sgd")
    with pytest.raises(DomainError, match="start where it is finite"):
        wg.convergence(lambda x: np.sum(np.log(x)), -np.ones(2))
    with pytest.raises(DomainError, match="no rows"):
        wg.EmpiricalRisk("squared", linear, (X[:0], y[:0]))
    for eps in (0.0, -1.0, float("nan"), float("inf"), True):
        with pytest.raises(ValueError, match="eps is a gap"):
            wg.convergence(risk, np.zeros(3), "gd", eps)
    with pytest.raises(WengertError, match="method must be"):
        choose(wg.SGD, Known(problem_of(risk, np.zeros(3)), Constants(), 1e-3))
    with pytest.raises(WengertError, match="name a method"):
        wg.convergence(risk, np.zeros(3), [])


@pytest.mark.parametrize("where", ["convexity_of", "constants_of", "forecast_of", "measure"])
def test_the_keyboard_keeps_what_is_known(where: str, monkeypatch: pytest.MonkeyPatch):
    import sys

    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["wengert.convergence.report.study"], where, interrupt)
    X, y = noisy()
    risk = wg.EmpiricalRisk("logistic", linear, (X, y), 0.1)
    report = wg.convergence(risk, np.zeros(3), "gd", 1e-3)
    assert report.status == "interrupted"
    assert "The report was interrupted" in str(report)
    if where in ("forecast_of", "measure"):
        assert report.constants["L"].value > 0
        assert report["gd"].theorem is not None
    if where == "measure":
        assert report["gd"].foreseen is not None
    json.dumps(report.to_dict(), allow_nan=False)


# ---------------------------------------------------------------- words


@pytest.mark.parametrize("labels", [True, False])
def test_what_is_not_known_is_said_once(labels: bool):
    """A number that does not exist, with why: not "R known is unknown (R is not known)"."""
    X, _ = noisy()
    risk = wg.EmpiricalRisk("logistic", linear, (X, np.full(100, float(labels))))
    split = wg.EmpiricalRisk("logistic", linear, (X, X[:, 0] > 0))
    for one in (risk, split):
        report = wg.convergence(one, np.zeros(3), "gd", 0.1, run=False)
        text = " ".join(str(report).split())
        assert "is unknown" not in text
        if report.status == "no minimum":
            assert "R is not known: the data are separated" in text


def test_numbers_in_sentences_are_short():
    import re

    method = wg.SGD(32, 0.07663469251806723, replacement=True, average="weighted")
    report = wg.convergence(diabetes(), np.zeros(10), method, 0.1, seconds=3)
    assert "the step is 0.07663" in " ".join(str(report).split())
    assert not re.search(r"is \d*\.\d{7,}", str(report))


def test_a_constant_function_asks_for_nothing():
    report = wg.convergence(lambda x: np.sum(x - x) + 3.0, np.ones(3), ["gd", "newton"], 1e-4)
    assert "Nothing has to be done" in str(report)
    assert "Theorems" not in str(report)


def test_the_line_follows_the_forecast():
    """The time left is the forecast's, stretched by how the run goes."""
    from wengert.convergence import Forecaster, StepsTo
    from wengert.convergence.report.stages import Stages

    t = np.arange(101)
    clock = Forecaster(Curve(t, 0.9**t), -2.0, lambda e: StepsTo(e, 44, 40, 50), 60.0)
    stages = Stages(False)
    stages.stage("gradient descent", clock, 0.01)
    assert "about 44 min left" in stages.words(0, 1.0)
    clock.observe(22, -2.0 + 0.9**22, 0.0, 22 * 60.0)
    assert "about 22 min left" in stages.words(22, 0.9**22)


def test_a_ladder_ends_when_its_time_is_spent():
    from wengert.convergence.report.ladder import ladder_of

    outlooks = wg.convergence(diabetes(), np.zeros(10), ["gd", "newton"], 1e-2, run=False).outlooks
    whole = ladder_of(outlooks, 1e-6, 1.0, 1e-12, lambda outlook, gap: 1.0)
    short = ladder_of(outlooks, 1e-6, 1.0, 1e-12, lambda outlook, gap: 1.0, lambda: False)
    assert len(whole.gaps) == 5  # pyright: ignore
    assert len(short.gaps) == 2  # pyright: ignore
    assert [len(s) for s in short.steps] == [2, 2]  # pyright: ignore
