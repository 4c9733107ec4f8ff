"""Minimisers, by wengert and by its peers.

Run ``python benchmarks/optimize.py [--large] [--only NAME|none]``: four tables, each in one
process on one thread in float64, all packages in turns; times are medians, and ratios above 1 mean
that the peer is slower. Peers that are not installed are left out.

``logistic``: time until f − f* is at most 1e-8 on ℓ₂-regularised logistic regression (10⁴×100;
10⁵×200 with ``--large``). scikit-learn's solvers get the loosest tolerance, of powers of 10, that
reaches the gap; sag and saga are left out of the large problem. "first" is a first call, with
compilation; "again" one more call.

``steps``: steps of SGD per second at batch size 64, drawing the batch included.

``structure``: Newton's method on a matrix factorisation, with structure and without.

``memory``: the largest memory of one gradient of a file, in chunks and at once (Linux only).
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import argparse
import contextlib
import importlib
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize

import wengert as wg

GAP = 1e-8
ROUNDS = 5


def optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def jax() -> Any:
    found = optional("jax")
    if found is not None:
        found.config.update("jax_enable_x64", True)
    return found


def timed(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def in_turns(runs: dict[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """Medians of rounds in which each runs once."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(timed(run))
    return {name: statistics.median(times) for name, times in found.items()}


# ---------------------------------------------------------------- logistic regression


def classified(n: int, d: int) -> tuple[Any, Any]:
    """Correlated features of different sizes, and labels with noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) @ (np.eye(d) + 0.5 * rng.normal(size=(d, d)) / np.sqrt(d))
    X *= np.geomspace(1, 0.1, d)
    y = (X @ rng.normal(size=d) + 2 * rng.normal(size=n) > 0).astype(float)
    return X, y


def logistic(n: int, d: int) -> None:
    X, y = classified(n, d)
    penalty = 1e-3
    make = lambda: wg.EmpiricalRisk("logistic", lambda w, x: x @ w, (X, y), penalty)  # noqa: E731
    risk = make()
    best = wg.minimize(risk, np.zeros(d), method=wg.Newton(), stop=wg.Stop(gradient=1e-13))
    stop = wg.Stop(gap=GAP, minimum=best.loss)
    firsts: dict[str, float] = {}
    runs: dict[str, Callable[[], Any]] = {}

    def add(name: str, run: Callable[[], Any]) -> None:
        """``run`` gives the w that it found."""
        firsts[name] = timed(run)
        gap = risk.value(np.asarray(run())) - best.loss
        assert gap <= 1.01 * GAP, (name, gap)
        runs[name] = run

    for name, method in (
        ("Newton", wg.Newton()), ("NewtonCG", wg.NewtonCG()), ("LBFGS", wg.LBFGS()),
        *([("Nesterov", wg.Nesterov())] if n <= 50_000 else []),
    ):  # fmt: skip
        own = make()
        add(
            f"wengert {name}",
            lambda m=method, r=own: wg.minimize(r, np.zeros(d), method=m, stop=stop).theta,
        )
    add_scikit(add, X, y, penalty, lambda w: risk.value(w) - best.loss)
    add_jax(add, X, y, penalty, best.loss)
    times = in_turns(runs)
    ours = min(t for name, t in times.items() if name.startswith("wengert"))
    print(f"\nlogistic regression {n}×{d}, to a gap of {GAP:g}")
    print(f"{'':32}{'first':>10}{'again':>10}{'ratio':>8}")
    for name, t in sorted(times.items(), key=lambda item: item[1]):
        print(f"{name:32}{firsts[name] * 1e3:8.0f}ms{t * 1e3:8.1f}ms{t / ours:8.2f}")


def add_scikit(add: Any, X: Any, y: Any, penalty: float, gap: Callable[[Any], float]) -> None:
    models = optional("sklearn.linear_model")
    if models is None:
        return
    slow = () if len(y) > 50_000 else ("sag", "saga")  # minutes, to find their tolerance
    for solver in ("lbfgs", "newton-cholesky", "newton-cg", *slow):

        def fit(tol: float, solver: str = solver) -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = models.LogisticRegression(
                    C=1 / (penalty * len(y)), solver=solver, tol=tol, max_iter=3000,
                    fit_intercept=False, random_state=0,
                )  # fmt: skip
                return model.fit(X, y).coef_[0]

        for digits in range(1, 13):
            if gap(fit(10.0**-digits)) <= GAP:
                add(f"scikit-learn {solver}", lambda t=10.0**-digits, f=fit: f(t))
                break


def add_jax(add: Any, X: Any, y: Any, penalty: float, minimum: float) -> None:
    j = jax()
    if j is None:
        return
    jnp = j.numpy
    Xj, yj = jnp.asarray(X), jnp.asarray(y)

    def loss(w: Any) -> Any:
        z = Xj @ w
        return jnp.mean(jnp.logaddexp(0.0, z) - yj * z) + 0.5 * penalty * jnp.sum(w**2)

    both = j.jit(j.value_and_grad(loss))

    def by_scipy() -> Any:
        last = np.zeros(X.shape[1])

        class ReachedError(Exception):
            pass

        def function(w: Any) -> Any:
            value, gradient = both(w)
            return float(value), np.asarray(gradient)

        def after(intermediate_result: Any) -> None:
            nonlocal last
            last = intermediate_result.x.copy()
            if intermediate_result.fun - minimum <= GAP:
                raise ReachedError

        with contextlib.suppress(ReachedError):
            scipy.optimize.minimize(
                function, last, jac=True, method="L-BFGS-B", callback=after,
                options={"ftol": 0, "gtol": 0, "maxiter": 10_000},
            )  # fmt: skip
        return last

    add("scipy L-BFGS, JAX gradients", by_scipy)
    optax = optional("optax")
    if optax is None:
        return
    solver = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    @j.jit
    def step(w: Any, state: Any) -> Any:
        value, gradient = value_and_grad(w, state=state)
        change, state = solver.update(gradient, state, w, value=value, grad=gradient, value_fn=loss)
        return optax.apply_updates(w, change), state, value

    def by_optax() -> Any:
        w = jnp.zeros(X.shape[1])
        state = solver.init(w)
        value = np.inf
        while value - minimum > GAP:
            before = w
            w, state, value = step(w, state)
        return before

    add("optax lbfgs, JAX", by_optax)


# ---------------------------------------------------------------- steps per second


def steps() -> None:
    X, y = classified(10_000, 100)
    count, size, rate = 2000, 64, 0.1
    digits = np.random.default_rng(1)
    images, labels = digits.normal(size=(4000, 64)), digits.integers(0, 10, 4000)
    network = {
        "A": digits.normal(size=(64, 32)) / 8, "a": np.zeros(32),
        "B": digits.normal(size=(32, 10)) / 6, "b": np.zeros(10),
    }  # fmt: skip

    def predict(p: Any, x: Any) -> Any:
        return np.tanh(x @ p["A"] + p["a"]) @ p["B"] + p["b"]

    problems: dict[str, dict[str, Callable[[], Any]]] = {}
    for name, risk, theta0 in (
        ("logistic, 100", wg.EmpiricalRisk("logistic", lambda w, x: x @ w, (X, y)), np.zeros(100)),
        ("network 64-32-10", wg.EmpiricalRisk("softmax", predict, (images, labels)), network),
    ):
        method = wg.SGD(size, rate)
        problems[name] = {
            "wengert": lambda r=risk, t=theta0, m=method: wg.minimize(
                r, t, method=m, stop=wg.Stop(steps=count), record=count
            )
        }
    add_jax_steps(problems, X, y, images, labels, network, count, size, rate)
    add_torch_steps(problems, X, y, images, labels, network, count, size, rate)
    print(f"\nSGD at batch size {size}: steps per second, and time over wengert's")
    for name, runs in problems.items():
        for run in runs.values():
            run()  # compiles
        times = in_turns(runs)
        for package, t in times.items():
            print(f"{name:20}{package:16}{count / t:10,.0f}/s{t / times['wengert']:8.2f}")


def add_jax_steps(
    problems: Any, X: Any, y: Any, images: Any, labels: Any, network: Any, count: int, size: int,
    rate: float,
) -> None:  # fmt: skip
    j = jax()
    if j is None:
        return
    jnp = j.numpy

    def logistic_loss(w: Any, x: Any, t: Any) -> Any:
        z = x @ w
        return jnp.mean(jnp.logaddexp(0.0, z) - t * z)

    def network_loss(p: Any, x: Any, t: Any) -> Any:
        z = jnp.tanh(x @ p["A"] + p["a"]) @ p["B"] + p["b"]
        return jnp.mean(j.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, t[:, None], 1)[:, 0])

    def runner(loss: Any, theta0: Any, a: Any, b: Any) -> Callable[[], Any]:
        @j.jit
        def step(theta: Any, x: Any, t: Any) -> Any:
            gradient = j.grad(loss)(theta, x, t)
            return j.tree.map(lambda p, g: p - rate * g, theta, gradient)

        def run() -> Any:
            theta = j.tree.map(jnp.asarray, theta0)
            rng = np.random.default_rng(0)
            order = rng.permutation(len(a))
            for k in range(count):
                at = (k * size) % (len(a) - size)
                rows = order[at : at + size]
                theta = step(theta, a[rows], b[rows])
            return j.block_until_ready(theta)

        return run

    one, two = problems.values()
    one["JAX, jit"] = runner(logistic_loss, np.zeros(100), X, y)
    two["JAX, jit"] = runner(network_loss, network, images, labels)


def add_torch_steps(
    problems: Any, X: Any, y: Any, images: Any, labels: Any, network: Any, count: int, size: int,
    rate: float,
) -> None:  # fmt: skip
    torch = optional("torch")
    if torch is None:
        return
    torch.set_num_threads(1)
    functional = torch.nn.functional

    def logistic_loss(p: Any, x: Any, t: Any) -> Any:
        return functional.binary_cross_entropy_with_logits(x @ p[0], t)

    def network_loss(p: Any, x: Any, t: Any) -> Any:
        return functional.cross_entropy(torch.tanh(x @ p[0] + p[1]) @ p[2] + p[3], t)

    def runner(loss: Any, theta0: Any, a: Any, b: Any) -> Callable[[], Any]:
        a, b = torch.as_tensor(a), torch.as_tensor(b)

        def run() -> Any:
            theta = [torch.tensor(p, requires_grad=True) for p in theta0]
            optimizer = torch.optim.SGD(theta, lr=rate)
            order = torch.randperm(len(a))
            for k in range(count):
                at = (k * size) % (len(a) - size)
                rows = order[at : at + size]
                optimizer.zero_grad()
                loss(theta, a[rows], b[rows]).backward()
                optimizer.step()
            return theta

        return run

    one, two = problems.values()
    one["torch"] = runner(logistic_loss, [np.zeros(100)], X, y)
    two["torch"] = runner(network_loss, list(network.values()), images, labels)


# ---------------------------------------------------------------- structure


def structure() -> None:
    print("\nNewton's method on a masked matrix factorisation: seconds a step")
    print(f"{'':12}{'parameters':>11}{'structure':>12}{'dense':>10}{'ratio':>8}")
    for n, m, k in ((100, 30, 3), (200, 50, 3), (300, 60, 4)):
        rng = np.random.default_rng(0)
        U, V = rng.normal(size=(n, k)), rng.normal(size=(m, k))
        M = (rng.random((n, m)) < 0.5) * 1.0
        T = U @ V.T + 0.1 * rng.normal(size=(n, m))

        def f(p: Any, M: Any = M, T: Any = T) -> Any:
            rest = np.sum(p["U"] ** 2) + np.sum(p["V"] ** 2)
            return np.sum(M * (T - p["U"] @ p["V"].T) ** 2) + 0.1 * rest

        near = wg.minimize(f, {"U": U, "V": V}, stop=wg.Stop(relative=1e-4)).theta
        start = {key: a + 0.01 * rng.normal(size=a.shape) for key, a in near.items()}
        found: dict[bool, list[float]] = {True: [], False: []}
        losses: dict[bool, float] = {}
        for _ in range(3):
            for kept, seconds in found.items():
                run = wg.minimize(
                    f, start, method=wg.Newton(structured=kept), stop=wg.Stop(steps=6)
                )
                seconds.append(run.history.seconds_per_step())
                losses[kept] = run.loss
        assert np.isclose(losses[True], losses[False], rtol=1e-2), losses
        stored, dense = (statistics.median(found[s]) for s in (True, False))
        size = (n + m) * k
        print(f"{n}×{m}×{k:<6}{size:>10}{stored:>11.4f}s{dense:>9.4f}s{dense / stored:>8.2f}")


# ---------------------------------------------------------------- memory

_GRADIENT = """
import sys
import numpy as np
import wengert as wg
path, chunk = sys.argv[1], int(sys.argv[2]) or None
predict = lambda w, x: x @ w
small = wg.EmpiricalRisk("squared", predict, (np.ones((8, 50)), np.ones(8)))
small.gradient(np.zeros(50))
def most():  # kilobytes; getrusage's would be the parent's too
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
before = most()
risk = wg.EmpiricalRisk("squared", predict, path, chunk=chunk)
risk.gradient(np.zeros(50))
print(most() - before)
"""


def memory() -> None:
    rows = 500_000
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, x=rng.normal(size=(rows, 50)), y=rng.normal(size=rows))
        print(f"\none gradient of a file of {path.stat().st_size / 1e6:.0f} MB: memory it takes")
        for chunk in (0, 50_000, 5_000):
            done = subprocess.run(
                [sys.executable, "-c", _GRADIENT, str(path), str(chunk)],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            name = f"chunk={chunk}" if chunk else "at once"
            print(f"{name:16}{int(done.stdout) / 1e3:8.0f} MB")


TABLES: dict[str, Callable[[], None]] = {
    "logistic": lambda: logistic(10_000, 100),
    "steps": steps,
    "structure": structure,
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[*TABLES, "none"])
    parser.add_argument("--large", action="store_true", help="10⁵×200 too")
    given = parser.parse_args()
    for name, run in TABLES.items():
        if given.only in (None, name):
            run()
    if given.large:
        logistic(100_000, 200)


if __name__ == "__main__":
    main()
