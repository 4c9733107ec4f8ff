"""How runs begin, end, are repeated and taken up again."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.progress import Progress

import wengert as wg
from wengert.errors import DomainError, ShapeError, UnsupportedFunctionError, WengertError
from wengert.optimize.progress import time_left
from wengert.optimize.separation import SEPARATED

from .support import labelled, linear, logistic, quadratic, rng, rosenbrock, start

METHODS = {
    "gd": wg.GradientDescent(),
    "backtracking": wg.GradientDescent(wg.Backtracking()),
    "momentum": wg.Momentum(0.1, 0.9),
    "nesterov": wg.Nesterov(),
    "sgd": wg.SGD(16, wg.InverseSqrt(0.5)),
    "sgd with replacement": wg.SGD(16, 0.1, replacement=True, average="all", momentum=0.5),
    "sgd tail": wg.SGD(16, 0.1, average="tail"),
    "adam": wg.Adam(0.01, 16),
    "adam of all": wg.Adam(0.01, None),
    "newton": wg.Newton(wg.Backtracking(first=0.1)),
    "newton structured": wg.Newton(0.1, structured=True),
    "newton cg": wg.NewtonCG(wg.Backtracking(first=0.1)),
    "trust region": wg.TrustRegion(0.01),
    "gauss-newton": wg.GaussNewton(0.1),
    "levenberg-marquardt": wg.LevenbergMarquardt(10.0),
}


def same(one: Any, other: Any) -> None:
    """Bit for bit."""
    for a, b in ((one.last, other.last), (one.theta, other.theta)):
        np.testing.assert_array_equal(a["w"], b["w"])
        assert a["b"] == b["b"]
    for name in ("step", "loss", "gradient_norm", "length", "samples"):
        np.testing.assert_array_equal(getattr(one.history, name), getattr(other.history, name))
    assert (one.status, one.steps) == (other.status, other.steps)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_runs_repeat_and_resume_bit_for_bit(name: str, tmp_path: Path) -> None:
    method = METHODS[name]
    steps = 37 if method.stochastic else 11
    whole = wg.minimize(logistic(), start(), method=method, stop=wg.Stop(steps=steps), seed=5)
    same(whole, whole.rerun())
    path = tmp_path / "run.npz"
    part = wg.minimize(
        logistic(), start(), method=method, stop=wg.Stop(steps=steps - 5), seed=5, checkpoint=path
    )
    if method.stochastic:  # the record at a stop between epochs is the one thing that differs
        assert part.steps % 13
    rest = wg.minimize(
        logistic(), start(), method=method, stop=wg.Stop(steps=steps), seed=5, resume=path
    )
    np.testing.assert_array_equal(rest.last["w"], whole.last["w"])
    assert rest.last["b"] == whole.last["b"]
    kept = np.isin(rest.history.step, whole.history.step)
    np.testing.assert_array_equal(rest.history.loss[kept], whole.history.loss)
    if not method.stochastic:
        same(rest, whole)
    other = wg.minimize(logistic(), start(), method=method, stop=wg.Stop(steps=steps), seed=6)
    if method.stochastic:
        assert not np.array_equal(other.last["w"], whole.last["w"])
    assert list(tmp_path.iterdir()) == [path]


def test_resuming_streams_and_scipy(tmp_path: Path) -> None:
    X, y = labelled()
    risk = wg.EmpiricalRisk(
        "logistic", linear, lambda: ((X[k : k + 30], y[k : k + 30]) for k in range(0, 200, 30))
    )
    path = tmp_path / "run.npz"
    more: dict[str, Any] = {"method": wg.SGD(16, 0.1), "seed": 1}
    whole = wg.minimize(risk, start(), stop=wg.Stop(steps=33), **more)
    wg.minimize(risk, start(), stop=wg.Stop(steps=20), checkpoint=path, **more)
    rest = wg.minimize(risk, start(), stop=wg.Stop(steps=33), resume=path, **more)
    np.testing.assert_array_equal(rest.last["w"], whole.last["w"])
    wg.minimize(logistic(), start(), stop=wg.Stop(steps=3), checkpoint=path)
    fresh = wg.minimize(logistic(), start(), resume=path)
    assert fresh.success
    assert fresh.history.step[:5].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["gd", "nesterov", "newton", "sgd tail"])
def test_a_run_that_met_its_goal_is_over(name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    more: dict[str, Any] = {"method": METHODS[name], "stop": wg.Stop(gradient=1e-2, steps=2000)}
    done = wg.minimize(logistic(), start(), checkpoint=path, **more)
    assert done.status == "converged"
    again = wg.minimize(logistic(), start(), resume=path, **more)
    same(again, done)
    assert again.message == done.message
    half = float(done.history.gradient_norm[-1]) / 2
    tighter = {**more, "stop": wg.Stop(gradient=half, steps=done.steps + 30)}
    assert wg.minimize(logistic(), start(), resume=path, **tighter).steps > done.steps


def test_checkpoints_of_other_runs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    wg.minimize(logistic(), start(), method=wg.Newton(), checkpoint=path)
    with pytest.raises(WengertError, match="with method = Newton"):
        wg.minimize(logistic(), start(), method=wg.NewtonCG(), resume=path)
    with pytest.raises(WengertError, match="seed = 0, not 3"):
        wg.minimize(logistic(), start(), method=wg.Newton(), resume=path, seed=3)
    with pytest.raises(WengertError, match="shapes"):
        wg.minimize(rosenbrock, np.ones(3), method=wg.Newton(), resume=path)
    with pytest.raises(WengertError, match="no file"):
        wg.minimize(logistic(), start(), resume=tmp_path / "none.npz")
    path.write_bytes(b"nothing")
    with pytest.raises(WengertError, match="not a checkpoint"):
        wg.minimize(logistic(), start(), resume=path)


def test_checkpoints_are_written_as_often_as_asked(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    seen: list[bool] = []
    wg.minimize(
        logistic(), start(), method=wg.GradientDescent(), stop=wg.Stop(steps=5),
        checkpoint=wg.Checkpoint(path, every=0.0),
        callback=lambda m: seen.append(path.exists()) and None,
    )  # fmt: skip
    assert seen == [False, True, True, True, True, True]


def test_a_failing_write_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.npz"
    wg.minimize(logistic(), start(), checkpoint=path)
    before = path.read_bytes()

    def broken(*args: Any, **kwargs: Any) -> None:
        args[0].write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(OSError, match="no space"):
        wg.minimize(logistic(), start(), checkpoint=path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("method", [wg.SGD(16, 0.1), wg.Newton(0.1), wg.LBFGS()], ids=repr)
def test_ctrl_c_keeps_the_best(method: Any, tmp_path: Path) -> None:
    def press(moment: Any) -> None:
        if moment.step >= 4:
            raise KeyboardInterrupt

    found = wg.minimize(
        logistic(), start(), method=method, callback=press, record=1, checkpoint=tmp_path / "c.npz"
    )
    assert found.status == "interrupted"
    assert found.steps == 4
    assert found.loss == np.min(found.history.loss)
    assert logistic().value(found.theta) == pytest.approx(found.loss, rel=1e-12)
    assert (tmp_path / "c.npz").exists()


def test_ctrl_c_within_the_function() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        if len(calls) > 12:
            raise KeyboardInterrupt
        return np.sum(x**2) if x[0] > -10 else np.sum(x)

    found = wg.minimize(f, np.ones(2), method=wg.GradientDescent(0.1))
    assert found.status == "interrupted"
    assert found.loss < 2


def test_criteria() -> None:
    risk = logistic(0.1)
    minimum = wg.minimize(risk, start(), method=wg.Newton(), stop=wg.Stop(gradient=1e-12)).loss
    gd = wg.GradientDescent()
    run = lambda stop: wg.minimize(risk, start(), method=gd, stop=stop)  # noqa: E731
    found = run(wg.Stop(gap=1e-4))
    assert found.status == "converged"
    assert 0 <= found.loss - minimum <= 1.1e-4
    assert found.loss - minimum > 1e-6  # not later than need be
    assert "estimated gap" in found.message
    found = run(wg.Stop(gap=1e-4, minimum=minimum))
    assert 0 <= found.loss - minimum <= 1e-4 < found.history.loss[-2] - minimum
    found = run(wg.Stop(gradient=1e-3))
    assert found.history.gradient_norm[-1] <= 1e-3 < found.history.gradient_norm[-2]
    found = run(wg.Stop(relative=1e-3))
    norms = found.history.gradient_norm
    assert norms[-1] <= 1e-3 * norms[0] < norms[-2]
    found = run(wg.Stop(target=0.6))
    assert found.history.loss[-1] <= 0.6 < found.history.loss[-2]
    assert (run(wg.Stop(steps=3)).status, run(wg.Stop(steps=3)).steps) == ("steps", 3)
    assert run(wg.Stop(steps=0)).steps == 0
    found = run(wg.Stop(seconds=0.0))
    assert (found.status, found.steps) == ("seconds", 0)
    at_minimum = wg.minimize(lambda x: np.sum(x**2), np.zeros(2), stop=wg.Stop(steps=5))
    assert at_minimum.status == "converged"


def test_the_gap_of_a_batch_method() -> None:
    risk = logistic(0.1)
    minimum = wg.minimize(risk, start(), method=wg.Newton(), stop=wg.Stop(gradient=1e-12)).loss
    method = wg.SGD(20, wg.Inverse(20.0, offset=40), average="tail")
    found = wg.minimize(risk, start(), method=method, stop=wg.Stop(gap=1e-3, steps=5000))
    assert found.status == "converged"
    assert found.loss - minimum <= 1.1e-3
    assert found.steps % 10 == 0


def test_the_gap_is_unknown_where_the_curvature_is_negative() -> None:
    found = wg.minimize(
        lambda x: np.sum(np.cos(x)), np.array([0.1]), method=wg.GradientDescent(0.1),
        stop=wg.Stop(gap=0.3, steps=10_000),
    )  # fmt: skip
    assert found.status == "converged"
    assert np.cos(found.theta[0]) < -0.7  # by its slope alone, it would have ended at once


def test_callbacks_stop_and_see() -> None:
    moments: list[Any] = []

    def callback(moment: Any) -> bool:
        moments.append((moment.step, moment.loss, moment.theta["w"].copy()))
        moment.theta["w"][:] = 0  # a copy
        return moment.step == 3

    found = wg.minimize(logistic(), start(), method=wg.GradientDescent(), callback=callback)
    assert (found.status, found.steps) == ("stopped", 3)
    np.testing.assert_array_equal([loss for _, loss, _ in moments], found.history.loss)
    np.testing.assert_array_equal(moments[-1][2], found.last["w"])


def test_recording_less_often() -> None:
    found = wg.minimize(
        logistic(), start(), method=wg.GradientDescent(), stop=wg.Stop(steps=25), record=10
    )
    assert found.history.step.tolist() == [0, 10, 20, 25]


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("method", "limit"),
    [
        (wg.GradientDescent(0.25), 0.2),
        (wg.Momentum(0.5, 0.9), 0.38),
        (wg.Nesterov(0.25, momentum=0.5), 0.15),
        (wg.Nesterov(0.25), 4 / 3 / 10),
    ],
    ids=repr,
)
def test_divergence_states_the_largest_stable_step(method: Any, limit: float) -> None:
    f, *_, x0 = quadratic(np.geomspace(0.1, 10, 12))
    found = wg.minimize(f, x0, method=method, stop=wg.Stop(gradient=1e-9, steps=5000))
    assert found.status == "diverged"
    assert f"larger than {limit:.3g}, the largest stable one (L = 10" in found.message
    assert "step=0.1" in found.message
    assert found.loss == np.min(found.history.loss)
    stable = wg.minimize(
        f, x0, method=type(method)(**{**vars(method), "step": 0.97 * limit}),
        stop=wg.Stop(gradient=1e-6, steps=20_000), record=100,
    )  # fmt: skip
    assert stable.status == "converged"


def test_divergence_of_batches() -> None:
    X, y = labelled()
    risk = wg.EmpiricalRisk("squared", linear, (X, y.astype(float)))
    found = wg.minimize(risk, start(), method=wg.SGD(16, 50.0), stop=wg.Stop(steps=1000))
    assert found.status == "diverged"
    assert "largest stable" in found.message
    assert np.isfinite(found.loss)


def test_nan_on_the_way() -> None:
    found = wg.minimize(
        lambda x: np.sum(x - np.log(x)), np.array([0.1]), method=wg.GradientDescent(0.5),
        stop=wg.Stop(steps=50),
    )  # fmt: skip
    assert found.status in ("diverged", "converged", "steps")
    steep = wg.minimize(
        lambda x: np.sum(x**2 - np.sqrt(x)), np.array([4.0]), method=wg.GradientDescent(1.0)
    )
    assert steep.status == "diverged"
    assert "nan at step 1" in steep.message
    assert steep.theta == pytest.approx(4.0)
    searched = wg.minimize(
        lambda x: np.sum(x**2 - np.sqrt(x)), np.array([4.0]),
        method=wg.GradientDescent(wg.Backtracking(first=1.0)),
    )  # fmt: skip
    assert searched.success


def test_kinks_are_no_rounding() -> None:
    """Where −∇f does not go downhill a line search fails, and does not say that all is well."""

    def f(x: Any) -> Any:
        return np.abs(x[0]) + 10 * np.abs(x[1])

    x0 = np.array([3.0, 1.0])
    for method in (wg.LBFGS(), wg.GradientDescent(wg.Backtracking()), wg.NewtonCG()):
        found = wg.minimize(f, x0, method=method, stop=wg.Stop(gradient=1e-9, steps=2000))
        assert (found.status, found.success) == ("failed", False)
        assert "kinks" in found.message


def test_hessians_that_are_no_numbers() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.abs(x) ** 1.5)

    for structured in (True, False):
        for step in (wg.Backtracking(), 1.0):
            found = wg.minimize(f, np.array([0.0, 1.0]), method=wg.Newton(step, structured))
            assert found.status == "failed"
            assert "not finite" in found.message or "nan" in found.message


def test_scipys_own_limits() -> None:
    method = wg.Scipy("BFGS", {"maxiter": 2})
    found = wg.minimize(rosenbrock, np.array([-1.2, 1.0]), method=method)
    assert found.status == "steps"
    assert not found.success


def test_functions_without_a_minimum() -> None:
    for method in (wg.GradientDescent(0.5), wg.Momentum(0.5)):
        found = wg.minimize(
            lambda x: -np.sum(x**2), np.ones(2), method=method, stop=wg.Stop(steps=10_000)
        )
        assert found.status == "unbounded"
        assert "no minimum" in found.message


def separated() -> tuple[Any, Any]:
    X = rng(3).normal(size=(60, 4))
    X = X[np.abs(X @ np.ones(4)) > 0.5]
    return X, (X @ np.ones(4) > 0).astype(int)


@pytest.mark.parametrize("method", [wg.LBFGS(), wg.Newton(), wg.NewtonCG()], ids=repr)
def test_separable_data_without_a_regularizer(method: Any) -> None:
    risk = wg.EmpiricalRisk("logistic", linear, separated())
    found = wg.minimize(risk, start(), method=method, stop=wg.Stop(gradient=1e-6, steps=500))
    assert (found.status, found.message) == ("unbounded", SEPARATED)
    assert not found.success
    ended = wg.minimize(risk, start(), method=method, stop=wg.Stop(target=0.05))
    assert ended.status == "converged"
    assert SEPARATED in ended.notes
    held = wg.EmpiricalRisk("logistic", linear, separated(), regularizer=1e-3)
    found = wg.minimize(held, start(), method=method, stop=wg.Stop(gradient=1e-6, steps=500))
    assert found.status == "converged"
    assert SEPARATED not in found.notes


def test_separable_classes_and_overlapping_ones() -> None:
    X, y = separated()

    def predict(W: Any, x: Any) -> Any:
        return x @ W

    stop = wg.Stop(gradient=1e-6, steps=500)
    for target in (y, np.eye(2)[y]):
        risk = wg.EmpiricalRisk("softmax", predict, (X, target))
        assert wg.minimize(risk, np.zeros((4, 2)), stop=stop).status == "unbounded"
    mixed = y.copy()
    mixed[:10] = 1 - mixed[:10]
    risk = wg.EmpiricalRisk("softmax", predict, (X, mixed))
    assert wg.minimize(risk, np.zeros((4, 2)), stop=stop).status == "converged"


def test_gradient_descent_on_separable_data_says_so_at_the_limit() -> None:
    risk = wg.EmpiricalRisk("logistic", linear, separated())
    found = wg.minimize(risk, start(), method=wg.GradientDescent(), stop=wg.Stop(steps=200))
    assert found.status == "steps"
    assert found.notes == (SEPARATED,)


def test_starts_that_cannot_be_used() -> None:
    with pytest.raises(DomainError, match="the loss at theta0 is nan"):
        wg.minimize(lambda x: np.sum(np.log(x)), np.array([-1.0]))
    with pytest.raises(DomainError, match="the loss at theta0 is inf"):
        wg.minimize(lambda x: np.sum(np.exp(x)), np.array([1e4]))
    with pytest.raises(DomainError, match=r"theta0\['w'\] has an entry that is not finite"):
        wg.minimize(logistic(), {"w": np.full(4, np.nan), "b": 0.0})
    with pytest.raises(DomainError, match="nothing to minimise over"):
        wg.minimize(np.sum, np.zeros(0))
    with pytest.raises(UnsupportedFunctionError, match="dtype complex128"):
        wg.minimize(np.sum, np.zeros(2, complex))
    with pytest.raises(UnsupportedFunctionError, match="dtype <U"):
        wg.minimize(logistic(), {"w": "zeros", "b": 0.0})
    with pytest.raises(WengertError, match="must return one real number"):
        wg.minimize(lambda x: x**2, np.ones(2))
    with pytest.raises((ShapeError, WengertError)):
        wg.minimize(logistic(), {"w": np.zeros(3), "b": 0.0})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: wg.Stop(gap=-1.0), "0 or more"),
        (lambda: wg.Stop(gap="small"), "must be a number"),
        (lambda: wg.Stop(steps=1.5), "whole number"),
        (lambda: wg.Stop(gradient=float("nan")), "must be a number"),
        (lambda: wg.GradientDescent(-1.0), "positive number"),
        (lambda: wg.GradientDescent("1/K"), "'1/L'"),
        (lambda: wg.GradientDescent(wg.InverseSqrt(1.0)), "positive number"),
        (lambda: wg.Momentum(0.1, 1.0), "below 1"),
        (lambda: wg.Nesterov(strong_convexity=0.0), "positive number"),
        (lambda: wg.SGD(0), "batch_size"),
        (lambda: wg.SGD(8, 0.0), "positive number"),
        (lambda: wg.SGD(8, 0.1, average="mean"), "'all', 'tail' or 'weighted'"),
        (lambda: wg.SGD(8, wg.Inverse(1.0, offset=0)), "positive number"),
        (lambda: wg.Adam(decay=(0.9, 1.0)), "below 1"),
        (lambda: wg.Adam(weight_decay=-1.0), "0 or more"),
        (lambda: wg.Newton(0.0), "positive number"),
        (lambda: wg.Newton(structured="yes"), "'auto'"),
        (lambda: wg.LevenbergMarquardt(0.0), "positive number"),
        (lambda: wg.LBFGS(0), "memory"),
        (lambda: wg.TrustRegion(0.0), "positive number"),
        (lambda: wg.Scipy("lbfgs"), "no method 'lbfgs'; the methods are Nelder-Mead"),
        (lambda: wg.Backtracking(shrink=1.5), "shrink"),
        (lambda: logistic(-1.0), "regularizer must be 0 or more"),
        (lambda: logistic(chunk=0), "chunk must be 1"),
        (lambda: wg.minimize(logistic(), start(), method=wg.Newton), "method must be a method"),
        (lambda: wg.minimize(logistic(), start(), stop=100), r"stop must be wg\.Stop"),
        (lambda: wg.minimize(logistic(), start(), seed=-1), "seed"),
        (lambda: wg.minimize(logistic(), start(), record=0), "record"),
        (lambda: wg.minimize(3.0, start()), "this is a float"),
        (lambda: wg.minimize(logistic(), start(), given={"a": 1}), "given= is for formulas"),
    ],
)
def test_arguments_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises((ValueError, WengertError), match=message):
        make()


# ---------------------------------------------------------------- results


def test_results_as_data(tmp_path: Path) -> None:
    found = wg.minimize(logistic(), start(), method=wg.GradientDescent(), stop=wg.Stop(steps=4))
    data = json.loads(json.dumps(found.to_dict()))
    assert data["status"] == "steps"
    assert data["theta"]["w"] == found.theta["w"].tolist()
    assert data["history"]["loss"] == found.history.loss.tolist()
    assert data["stop"] == {"steps": 4}
    found.history.to_csv(tmp_path / "h.csv")
    with (tmp_path / "h.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(r["loss"]) for r in rows] == found.history.loss.tolist()
    text = str(found)
    assert "GradientDescent(step='1/L')" in text
    assert "all 4 steps were taken" in text
    assert found.history.seconds_per_step() > 0
    changed = found.rerun(stop=wg.Stop(steps=6))
    assert changed.steps == 6
    np.testing.assert_array_equal(changed.history.loss[:5], found.history.loss)


def test_samples_are_counted() -> None:
    found = wg.minimize(logistic(), start(), method=wg.GradientDescent(0.1), stop=wg.Stop(steps=4))
    assert found.history.samples.tolist() == [200, 400, 600, 800, 1000]
    found = wg.minimize(logistic(), start(), method=wg.SGD(50, 0.1), stop=wg.Stop(steps=4))
    assert found.history.samples.tolist() == [400, 800]  # two passes at the start, then an epoch


def test_time_left() -> None:
    rows = [(k, 1.0, 0.5**k, 0.1, 0.2 * k, 10) for k in range(11)]
    assert time_left(rows, wg.Stop(steps=20)) == pytest.approx(2.0)
    assert time_left(rows, wg.Stop(gradient=0.5**15)) == pytest.approx(1.0)
    assert time_left(rows, wg.Stop(relative=0.5**15, steps=100)) == pytest.approx(1.0)
    assert time_left(rows, wg.Stop(seconds=2.5)) == pytest.approx(0.5)
    assert time_left(rows, wg.Stop(target=0.1)) is None
    assert time_left(rows, wg.Stop(gap=0.1)) is None  # nothing is known of f*


def test_time_left_until_a_gap() -> None:
    rows = [(k, 3 + 0.25**k, 0.5**k, 0.1, 0.2 * k, 10) for k in range(11)]
    assert time_left(rows, wg.Stop(gap=0.25**15, minimum=3.0)) == pytest.approx(1.0, rel=1e-3)
    assert time_left(rows, wg.Stop(gap=0.25**15), gap=0.25**10) == pytest.approx(1.0)
    assert time_left(rows, wg.Stop(gap=0.25**15, minimum=4.0)) is None  # that cannot be f*


def test_no_time_is_left_without_records() -> None:
    rows = [(k, 1.0, 0.5**k, 0.1, 0.2 * k, 10) for k in range(11)]
    assert time_left(rows[:2], wg.Stop(steps=20)) is None


def test_the_progress_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wg.minimize(logistic(), start())
    assert capsys.readouterr() == ("", "")  # no terminal, no line
    shown: list[str] = []
    update = Progress.update
    monkeypatch.setattr(
        Progress,
        "update",
        lambda self, task, **k: (shown.append(k["text"]), update(self, task, **k)),
    )
    wg.minimize(logistic(), start(), progress=True, stop=wg.Stop(steps=5))
    assert shown[0].startswith("step 0  loss 0.693")
