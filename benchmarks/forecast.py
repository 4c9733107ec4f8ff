"""Forecasts of the steps to a gap, made before the run, against the run.

Run ``python benchmarks/forecast.py [--only BEGINNING] [--seeds N]``: a table for each method.
Problems
are of data that scikit-learn ships, standardised; losses are convex, with an ℓ₂ penalty. A ratio is
forecast over measured steps; a star marks a measured value outside of the forecast's interval. The
gap is held against f* of Newton's method, which the forecast does not know. Of methods that draw
batches the measured curve is the mean over seeds (two epochs of it smoothed over), and gaps
below twice the forecast's floor are left out: there the mean of few runs says when noise ends.
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
from wengert.convergence.facts import first_below

EPS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
EPS_NOISY = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4)
STEPS = 40_000
EPOCHS = 40


def linear(theta: Any, x: Any) -> Any:
    return x @ theta["w"] + theta["b"]


def standard(X: Any) -> Any:
    X = np.asarray(X, float)
    size = X.std(0)
    return ((X - X.mean(0)) / np.where(size > 0, size, 1.0))[:, size > 0]


def risk(loss: str, X: Any, y: Any, penalty: float, outputs: int = 0) -> tuple[Any, Any]:
    X = standard(X)
    shape = (X.shape[1], outputs) if outputs else (X.shape[1],)
    theta0 = {"w": np.zeros(shape), "b": np.zeros(outputs) if outputs else 0.0}
    return wg.EmpiricalRisk(loss, linear, (X, y), penalty), theta0


def problems() -> dict[str, tuple[Any, Any]]:
    """Risks and starts by name."""
    import sklearn.datasets as data

    diabetes, cancer, digits = data.load_diabetes(), data.load_breast_cancer(), data.load_digits()
    wine, iris, linnerud = data.load_wine(), data.load_iris(), data.load_linnerud()
    two = iris.target > 0
    return {
        "diabetes, ridge": risk(
            "squared", diabetes.data, standard(diabetes.target[:, None])[:, 0], 1e-2
        ),
        "diabetes, Huber": risk(
            "huber", diabetes.data, standard(diabetes.target[:, None])[:, 0] * 3, 1e-2
        ),
        "diabetes, Poisson": risk("poisson", diabetes.data, np.round(diabetes.target / 50), 1e-2),
        "breast cancer, logistic": risk("logistic", cancer.data, cancer.target, 1e-2),
        "breast cancer, logistic, little penalty": risk(
            "logistic", cancer.data, cancer.target, 1e-3
        ),
        "breast cancer, ridge": risk("squared", cancer.data, 2.0 * cancer.target - 1, 1e-2),
        "digits, softmax": risk("softmax", digits.data, digits.target, 1e-2, 10),
        "digits, odd or even, logistic": risk("logistic", digits.data, digits.target % 2, 1e-2),
        "wine, softmax": risk("softmax", wine.data, wine.target, 1e-2, 3),
        "wine, alcohol, ridge": risk(
            "squared", wine.data[:, 1:], standard(wine.data[:, :1])[:, 0], 1e-2
        ),
        "iris, softmax": risk("softmax", iris.data, iris.target, 1e-2, 3),
        "iris, logistic": risk("logistic", iris.data[two], iris.target[two] - 1, 1e-2),
        "linnerud, ridge": risk("squared", linnerud.data, standard(linnerud.target), 1e-2, 3),
    }


# ---------------------------------------------------------------- methods

Make = Callable[[float, float], Any]  # of L at the start and μ at the minimum

DESCENT: dict[str, Make] = {
    "GD, 1/L": lambda L, mu: wg.GradientDescent(),
    "GD, 0.3/L": lambda L, mu: wg.GradientDescent(0.3 / L),
    "GD, backtracking": lambda L, mu: wg.GradientDescent(wg.Backtracking()),
    "GD, exact steps": lambda L, mu: wg.GradientDescent(wg.Exact()),
    "heavy ball": lambda L, mu: wg.Momentum(0.3 / L, 0.8),
    "Nesterov": lambda L, mu: wg.Nesterov(0.3 / L),
    "Nesterov, known mu": lambda L, mu: wg.Nesterov(0.3 / L, strong_convexity=mu),
    "Newton": lambda L, mu: wg.Newton(),
}
BATCHES: dict[str, Make] = {
    "SGD, fixed, with replacement": lambda L, mu: wg.SGD(16, 0.1 / L, replacement=True),
    "SGD, fixed, without": lambda L, mu: wg.SGD(16, 0.1 / L),
    "SGD, 1/sqrt(t)": lambda L, mu: wg.SGD(16, wg.InverseSqrt(0.3 / L), replacement=True),
    "SGD, 1/t": lambda L, mu: wg.SGD(16, wg.Inverse(2 / mu, 20 * L / mu), replacement=True),
    "SGD, fixed, tail average": lambda L, mu: wg.SGD(16, 0.1 / L, average="tail"),
    "SGD, momentum": lambda L, mu: wg.SGD(16, 0.03 / L, momentum=0.7, replacement=True),
}


def run(task: Any, theta0: Any, method: Any, best: float, seeds: int) -> tuple[Any, Any]:
    """Steps, and the measured gap."""
    if not getattr(method, "stochastic", False):
        stop = wg.Stop(gap=1e-10, minimum=best, steps=STEPS)
        history = wg.minimize(task, theta0, method=method, stop=stop).history
        return history.step, history.loss - best
    per = -(-task.samples // method.batch_size)
    every = per if not method.replacement else max(1, per // 4)
    stop = wg.Stop(steps=EPOCHS * per)
    gaps = []
    for seed in range(seeds):
        found = wg.minimize(task, theta0, method=method, stop=stop, seed=seed, record=every)
        if found.status != "steps":
            return found.history.step, np.full(len(found.history.step), np.inf)
        gaps.append(found.history.loss - best)
    return found.history.step, np.mean(gaps, 0)


def smooth(steps: Any, gap: Any, width: int) -> Any:
    """A running mean of the logarithm over records, wider as the run goes on."""
    logs = np.log(gap)
    found = logs.copy()
    for k in range(len(logs)):
        w = min(k // 8, width, len(logs) - 1 - k)
        found[k] = np.mean(logs[k - w : k + w + 1])
    return np.exp(found)


def table(name: str, make: Make, seeds: int) -> tuple[list[float], list[bool]]:
    ratios: list[float] = []
    inside: list[bool] = []
    print(f"\n{name}\n{'problem':42s} {'pilot':>5s} {'cost':>5s} {'s':>5s}  eps: measured, ratio")
    for title, (task, theta0) in problems().items():
        problem = task.problem(theta0)
        x = problem.space.vector(theta0)
        newton = wg.minimize(
            task, theta0, method=wg.Newton(), stop=wg.Stop(gradient=1e-12, steps=60)
        )
        L = problem.spectrum(x).largest
        method = make(L, MU)
        noisy = getattr(method, "stochastic", False)
        begun = time.perf_counter()
        found = wg.forecast(task, theta0, method, 1e-4 if noisy else 1e-8)
        seconds = time.perf_counter() - begun
        steps, gap = run(task, theta0, method, newton.loss, seeds)
        if not np.isfinite(gap[-1]) or gap[-1] > gap[0]:
            print(f"{title:42s} the run diverges; forecast: {found.confidence}")
            continue
        if noisy:
            gap = smooth(steps, gap, 8)
        cells = []
        for eps in EPS_NOISY if noisy else EPS:
            measured = first_below(steps, gap, eps)
            if not 1 <= measured < np.inf or eps < 2 * found.floor:
                continue
            guess = found.steps_to(eps)
            ratios.append(guess.value / measured)
            inside.append(guess.low <= measured <= guess.high)
            star = "" if inside[-1] else "*"
            cells.append(f"{eps:g}: {measured:.0f}, {ratios[-1]:.2f}{star}")
        line = "  ".join(cells)
        print(f"{title:42s} {found.pilot:5d} {found.cost:5.0f} {seconds:5.2f}  {line}", flush=True)
    return ratios, inside


MU = 1e-2  # about the penalties


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=10)
    chosen = parser.parse_args()
    summary: list[str] = []
    for name, make in {**DESCENT, **BATCHES}.items():
        if not name.startswith(chosen.only):
            continue
        ratios, inside = table(name, make, chosen.seeds)
        if not ratios:
            continue
        r = np.array(ratios)
        summary.append(
            f"| {name} | {len(r)} | {np.median(r):.2f} | {np.mean(np.abs(r - 1) <= 0.3):.0%} | "
            f"{np.mean((r >= 0.5) & (r <= 2)):.0%} | {np.mean(inside):.0%} |"
        )
    print("\n| method | forecasts | median ratio | within 30% | within factor 2 | inside |")
    print("|---|---|---|---|---|---|")
    print("\n".join(summary))


if __name__ == "__main__":
    main()
