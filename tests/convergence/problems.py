"""Problems with all constants known, and runs that record what theorems speak of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import wengert as wg
from wengert.convergence import Constant, Constants, Convexity, Facts, first_step
from wengert.convergence.theorems.worst_cases import WorstCase
from wengert.optimize import problem_of


def constants(**values: float) -> Constants:
    return Constants(tuple(Constant(s, s, float(v), "exact", "known") for s, v in values.items()))


@dataclass(frozen=True, eq=False)
class Known:
    """An objective with its minimum and its constants."""

    objective: Any
    theta0: Any
    minimizer: Any
    constants: Constants
    verdict: str = "convex"
    quadratic: bool = False
    rows: int | None = None
    rows_modulus: float | None = None

    def facts(self, method: Any) -> Facts:
        problem = problem_of(self.objective, self.theta0)
        return Facts(
            method,
            self.constants,
            Convexity(self.verdict),
            first_step(method, problem, np.asarray(self.theta0, float)),
            rows=self.rows,
            shuffled=True,
            quadratic=self.quadratic,
            rows_convex=self.rows is not None or None,
            rows_modulus=self.rows_modulus,
        )

    def values(self, theta: Any) -> tuple[float, float, float]:
        """f, ‖θ − θ*‖² and ‖∇f‖²."""
        problem = problem_of(self.objective, self.theta0)
        value, gradient = problem.value_and_gradient(np.asarray(theta, float))
        return value, float(np.sum((theta - self.minimizer) ** 2)), float(gradient @ gradient)

    def given(self, **more: float) -> dict[str, float]:
        return {s: c.value for s, c in self.constants.items()} | more


def of_worst(case: WorstCase, verdict: str = "convex", quadratic: bool = False) -> Known:
    return Known(
        case.function, case.theta0, case.minimizer, case.constants, verdict, quadratic=quadratic
    )


def random_quadratic(seed: int, low: float, high: float = 2.0, size: int = 8) -> Known:
    """With known ends of the spectrum, in random coordinates."""
    rng = np.random.default_rng(seed)
    values = np.concatenate([[low, high], rng.uniform(low, high, size - 2)])
    Q = np.linalg.qr(rng.normal(size=(size, size)))[0]
    A = Q * values @ Q.T
    best, start = rng.normal(size=size), rng.normal(size=size)
    d = start - best
    if low == 0:  # the minimiser that is nearest to the start
        best = best + Q[:, 0] * (Q[:, 0] @ d)
        d = start - best
    known = constants(L=high, mu=low, R=np.linalg.norm(d), gap0=d @ A @ d / 2, M=0.0)
    verdict = "strongly convex" if low > 0 else "convex"
    return Known(lambda x: 0.5 * (x - best) @ A @ (x - best), start, best, known, verdict, True)


def random_huber(seed: int, rows: int = 12, size: int = 3) -> Known:
    """Huber regression."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(rows, size))
    b = A @ rng.normal(size=size) + rng.standard_t(2, size=rows)

    def f(x: Any) -> Any:
        r = np.abs(A @ x - b)
        far = np.maximum(r - 0.5, 0.0)
        return np.mean(0.5 * (r - far) ** 2 + 0.5 * far)

    return _solved(f, rng.normal(size=size), np.linalg.eigvalsh(A.T @ A)[-1] / rows)


def _solved(f: Callable[[Any], Any], start: Any, smooth: float, **more: float) -> Known:
    found = wg.minimize(f, start, method=wg.Newton(), stop=wg.Stop(gradient=1e-11, steps=500))
    best = found.theta
    distance = np.linalg.norm(start - best)
    known = constants(L=smooth, R=distance, gap0=float(f(start)) - found.loss, **more)
    return Known(f, start, best, known, "strongly convex" if "mu" in more else "convex")


def logistic_ridge(seed: int, rows: int = 30, size: int = 4, ridge: float = 0.05) -> Known:
    """L, μ, M from ‖X‖ and λ; a function without rows."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, size))
    y = np.sign(X @ rng.normal(size=size) + rng.normal(size=rows))

    def f(w: Any) -> Any:
        return np.mean(np.logaddexp(0.0, -y * (X @ w))) + ridge / 2 * np.sum(w**2)

    smooth = np.linalg.eigvalsh(X.T @ X)[-1] / (4 * rows) + ridge
    third = np.mean(np.linalg.norm(X, axis=1) ** 3) / (6 * np.sqrt(3))
    return _solved(f, rng.normal(size=size), smooth, mu=ridge, M=float(third))


def rows_problem(seed: int, loss: str = "squared", rows: int = 20, ridge: float = 0.1) -> Known:
    """A risk of rows, with the constants of single rows too."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 2))
    y = X @ rng.normal(size=2) + 0.5 * rng.normal(size=rows)
    curve = 1.0
    if loss == "logistic":
        y, curve = (y + rng.normal(size=rows) > 0).astype(float), 0.25
    risk = wg.EmpiricalRisk(loss, lambda w, x: x @ w, (X, y), ridge)
    start = rng.normal(size=2)
    stop = wg.Stop(gradient=1e-11, steps=200)
    found = wg.minimize(risk, start, method=wg.Newton(), stop=stop)
    best = found.theta
    problem = problem_of(risk, start)
    each = np.array(
        [problem.batch_gradient(best, (X[i : i + 1], y[i : i + 1])) for i in range(rows)]
    )
    squares = np.sum(X**2, axis=1)
    gram = np.linalg.eigvalsh(X.T @ X / rows)
    known = {
        "L": curve * gram[-1] + ridge,
        "Lmax": curve * squares.max() + ridge,
        "mu": ridge + (gram[0] if loss == "squared" else 0.0),
        "R": np.linalg.norm(start - best),
        "gap0": problem.value(start) - found.loss,
        "sigma2_star": np.sum((each - each.mean(axis=0)) ** 2) / rows,
    }
    if loss == "logistic" and not ridge:
        known["Gstoch"] = np.sqrt(squares.mean())
        del known["mu"]
    verdict = "strongly convex" if known.get("mu") else "convex"
    own = constants(**known)
    return Known(risk, start, best, own, verdict, loss == "squared", rows, ridge or None)


def measured(known: Known, method: Any, steps: int, seed: int = 0, every: int = 1) -> Any:
    """Steps, and the gap, the squared distance and the smallest squared gradient so far at each."""
    rows: list[Any] = []

    def note(moment: Any) -> None:
        far = float(np.sum((moment.theta - known.minimizer) ** 2))
        rows.append((moment.step, moment.loss, far, moment.gradient_norm**2))

    wg.minimize(
        known.objective,
        known.theta0,
        method=method,
        stop=wg.Stop(steps=steps),
        callback=note,
        seed=seed,
        record=every,
        progress=False,
    )
    step, loss, far, square = np.array(rows).T
    best = known.values(known.minimizer)[0]
    return step, {
        "gap": loss - best,
        "squared distance": far,
        "squared gradient": np.minimum.accumulate(square),
    }


def mean_of(known: Known, method: Any, steps: int, seeds: int, every: int) -> Any:
    """Means over seeds, with their standard errors."""
    runs = [measured(known, method, steps, seed, every) for seed in range(seeds)]
    found: dict[str, tuple[Any, Any]] = {}
    for name in runs[0][1]:
        values = np.array([run[1][name] for run in runs])
        found[name] = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(seeds)
    return runs[0][0], found


def exceeds(bound: Any, values: Any, slack: float = 1e-9) -> bool:
    """Is a measured curve above its bound anywhere, beyond rounding?

    A check that must fail where the bound is wrong: see test_a_wrong_bound_is_seen.
    """
    return bool(np.any(values > bound * (1 + 1e-9) + slack))
