"""Forecasts of the steps to a gap, made before the run, against the run.

Run ``python benchmarks/forecast.py [--only BEGINNING] [--set tuned|fresh] [--seeds N]``: a table
for each method, and a summary of each set of problems. The intervals were chosen by looking at the
"tuned" problems; the "fresh" ones were not looked at for that. Losses are convex, with an ℓ₂
penalty. A ratio is forecast over measured steps; a star marks a measured value outside of the
forecast's interval. The gap is held against f* of Newton's method, which the forecast does not
know. Of methods that draw batches the measured curve is the mean over seeds, and its logarithm a
running mean over up to 17 records: single records of few seeds scatter, and a forecast is of the
expected curve. Gaps below twice the measured floor, the mean of the last eighth of the run, are
left out: there the mean of few runs says when noise ends. The forecast's time is that of a second
call in the same process; the run's is its steps to the smallest gap times the pilot's seconds per
step.
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
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


def squares(X: Any) -> Any:
    """Columns, and all products of two."""
    X = standard(X)
    pairs = [X[:, i] * X[:, j] for i in range(X.shape[1]) for j in range(i + 1)]
    return np.column_stack([X, *pairs])


def fresh() -> dict[str, tuple[Any, Any]]:
    """Problems on which nothing was tuned."""
    import sklearn.datasets as data

    diabetes, cancer, digits = data.load_diabetes(), data.load_breast_cancer(), data.load_digits()
    wine = data.load_wine()
    pair = np.isin(digits.target, (3, 8))
    hard = data.make_classification(1000, 20, n_informative=6, n_redundant=8, random_state=1)
    three = data.make_classification(
        800, 15, n_informative=7, n_classes=3, class_sep=0.7, random_state=2
    )
    low = data.make_regression(500, 30, effective_rank=5, noise=1.0, random_state=3)
    wide = data.make_regression(800, 100, n_informative=30, noise=20.0, random_state=4)
    friedman = data.make_friedman1(600, 10, noise=1.0, random_state=5)
    rates = data.make_regression(700, 8, noise=0.0, random_state=6)
    counts = np.random.default_rng(7).poisson(np.exp(standard(rates[1][:, None])[:, 0] / 2))
    target = standard(diabetes.target[:, None])[:, 0]
    return {
        "diabetes, all products, ridge": risk("squared", squares(diabetes.data), target, 1e-2),
        "breast cancer, products of 8, logistic": risk(
            "logistic", squares(cancer.data[:, :8]), cancer.target, 3e-3
        ),
        "digits, 3 or 8, logistic": risk(
            "logistic", digits.data[pair], digits.target[pair] > 5, 1e-3
        ),
        "wine, softmax, little penalty": risk("softmax", wine.data, wine.target, 1e-3, 3),
        "wine, softmax, large penalty": risk("softmax", wine.data, wine.target, 0.1, 3),
        "classification, 20 columns, logistic": risk("logistic", *hard, 3e-3),
        "classification, 3 classes, softmax": risk("softmax", *three, 3e-3, 3),
        "regression of low rank, ridge": risk(
            "squared", low[0], standard(low[1][:, None])[:, 0], 1e-3
        ),
        "regression, 100 columns, ridge": risk(
            "squared", wide[0], standard(wide[1][:, None])[:, 0], 1e-2
        ),
        "Friedman, products, Huber": risk(
            "huber", squares(friedman[0][:, :6]), standard(friedman[1][:, None])[:, 0] * 2, 1e-2
        ),
        "counts, Poisson": risk("poisson", rates[0], counts, 1e-3),
    }


SETS = {"tuned": problems, "fresh": fresh}


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
        found = wg.minimize(task, theta0, method=method, stop=stop)
        if isinstance(method, wg.Momentum | wg.Nesterov):  # a gap that fell may rise again
            stop = wg.Stop(steps=2 * found.steps)
            found = wg.minimize(task, theta0, method=method, stop=stop)
        return found.history.step, found.history.loss - best
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


@dataclass
class Score:
    """What a method's forecasts came to."""

    name: str
    problems: int = 0
    ratios: list[float] = field(default_factory=list[float])
    inside: list[bool] = field(default_factory=list[bool])
    cost: list[float] = field(default_factory=list[float])
    share: list[float] = field(default_factory=list[float])

    def line(self) -> str:
        r = np.array(self.ratios)
        near, double = np.mean(np.abs(r - 1) <= 0.3), np.mean((r >= 0.5) & (r <= 2))
        return (
            f"| {self.name} | {self.problems} | {len(r)} | {np.median(r):.2f} | {near:.0%} | "
            f"{double:.0%} | {np.mean(self.inside):.0%} | {np.median(self.cost):.0f} | "
            f"{np.median(self.share):.2g} |"
        )


HEAD = (
    "| method | problems | forecasts | median ratio | within 30% | within a factor of 2 | inside | "
    "cost, gradients | cost, of the run's seconds |\n|---|---|---|---|---|---|---|---|---|"
)


def table(name: str, make: Make, tasks: dict[str, tuple[Any, Any]], seeds: int) -> Score:
    score = Score(name)
    print(f"\n{name}\n{'problem':42s} {'pilot':>5s} {'cost':>5s} {'s':>5s}  eps: measured, ratio")
    for title, (task, theta0) in tasks.items():
        problem = task.problem(theta0)
        x = problem.space.vector(theta0)
        newton = wg.minimize(
            task, theta0, method=wg.Newton(), stop=wg.Stop(gradient=1e-12, steps=60)
        )
        L = problem.spectrum(x).largest
        method = make(L, MU)
        noisy = getattr(method, "stochastic", False)
        wg.forecast(task, theta0, method, 1e-4 if noisy else 1e-8)  # compiles
        found = wg.forecast(task, theta0, method, 1e-4 if noisy else 1e-8)
        steps, gap = run(task, theta0, method, newton.loss, seeds)
        if not np.isfinite(gap[-1]) or gap[-1] > gap[0]:
            print(f"{title:42s} the run diverges; forecast: {found.confidence}")
            continue
        floor = 0.0
        if noisy:
            floor = float(np.mean(gap[-max(1, len(gap) // 8) :]))
            gap = smooth(steps, gap, 8)
        cells = []
        measured = np.nan
        for eps in EPS_NOISY if noisy else EPS:
            if not 1 <= first_below(steps, gap, eps) < np.inf or eps < 2 * floor:
                continue
            measured = first_below(steps, gap, eps)
            guess = found.steps_to(eps)
            score.ratios.append(guess.value / measured)
            score.inside.append(guess.low <= measured <= guess.high)
            star = "" if score.inside[-1] else "*"
            cells.append(f"{eps:g}: {measured:.0f}, {score.ratios[-1]:.2f}{star}")
        if not cells:
            continue
        score.problems += 1
        score.cost.append(found.cost)
        score.share.append(found.seconds / (measured * found.seconds_per_step))
        line = "  ".join(cells)
        print(
            f"{title:42s} {found.pilot:5d} {found.cost:5.0f} {found.seconds:5.2f}  {line}",
            flush=True,
        )
    return score


MU = 1e-2  # about the penalties


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--set", default="", choices=["", *SETS])
    parser.add_argument("--seeds", type=int, default=10)
    chosen = parser.parse_args()
    summary: list[str] = []
    for title, tasks in SETS.items():
        if chosen.set not in ("", title):
            continue
        summary += ["", title, HEAD]
        for name, make in {**DESCENT, **BATCHES}.items():
            if name.startswith(chosen.only):
                score = table(name, make, tasks(), chosen.seeds)
                summary += [score.line()] if score.ratios else []
    print("\n".join(summary))


if __name__ == "__main__":
    main()
