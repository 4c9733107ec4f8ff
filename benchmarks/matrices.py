"""Matrices and indices natively: Gaussian processes, a Kalman filter, gathers, beside JAX.

Run ``python benchmarks/matrices.py [names]``. Value and gradient in one call, one thread, in turns:
microseconds, the median over rounds of each round's best call, and JAX's time over ours. Without
JAX its column is left out.
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import importlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import linalg

import wengert as wg

ROUNDS, LONG = 9, 0.05  # seconds of a round


def ours() -> Any:
    return SimpleNamespace(np=np, solve_triangular=linalg.solve_triangular, scan=wg.scan)


def theirs(jax: Any) -> Any:
    scipy = importlib.import_module("jax.scipy.linalg")
    return SimpleNamespace(np=jax.numpy, solve_triangular=scipy.solve_triangular, scan=jax.lax.scan)


# ---------------------------------------------------------------- the models


def gaussian_process(m: Any, s: Any, X: Any, y: Any) -> Any:
    np = m.np
    square = np.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2)
    K = np.exp(s[0]) * np.exp(-0.5 * square * np.exp(s[1])) + np.exp(s[2]) * np.eye(len(y))
    L = np.linalg.cholesky(K)
    z = m.solve_triangular(L, y, lower=True)
    return 0.5 * np.sum(z * z) + np.sum(np.log(np.diag(L)))


def kalman(m: Any, q: Any, F: Any, H: Any, R: Any, ys: Any) -> Any:
    np, n = m.np, len(F)

    def step(carry: Any, y: Any) -> Any:
        mean, P = carry
        mean, P = F @ mean, F @ P @ F.T + q * np.eye(n)
        S, r = H @ P @ H.T + R, y - H @ mean
        gain = np.linalg.solve(S, H @ P).T
        loss = 0.5 * (r @ np.linalg.solve(S, r) + np.linalg.slogdet(S)[1])
        return (mean + gain @ r, P - gain @ (H @ P)), loss

    return np.sum(m.scan(step, (np.zeros(n), np.eye(n)), ys)[1])


def embedding(m: Any, W: Any, rows: Any, y: Any) -> Any:
    np = m.np
    return np.sum((np.tanh(W[rows]) - y) ** 2)


def classes(m: Any, Z: Any, labels: Any) -> Any:
    np = m.np
    top = np.max(Z, axis=1)
    total = np.log(np.sum(np.exp(Z - top[:, None]), axis=1)) + top
    return np.sum(total - Z[np.arange(len(labels)), labels])


def cases() -> Iterator[tuple[str, Callable[..., Any], tuple[Any, ...]]]:
    rng = np.random.default_rng(0)
    draw = rng.normal
    for n in (5, 10, 20, 50, 100, 200, 500):
        arguments = (np.array([0.1, 0.2, -0.3]), draw(size=(n, 3)), draw(size=n))
        yield f"process {n}", gaussian_process, arguments
    for n in (2, 4, 6):
        F, H = np.eye(n) + 0.1 * draw(size=(n, n)) / n, draw(size=(2, n))
        arguments = (np.array(0.1), F, H, 0.5 * np.eye(2), draw(size=(50, 2)))
        yield f"kalman {n}", kalman, arguments
    rows = rng.integers(0, 1000, 2000)
    yield "embedding", embedding, (draw(size=(1000, 32)), rows, draw(size=(2000, 32)))
    yield "classes", classes, (draw(size=(2000, 10)), rng.integers(0, 10, 2000))


# ---------------------------------------------------------------- measuring


def best(call: Callable[[], Any]) -> float:
    """Seconds of the quickest call of a round."""
    found, until = float("inf"), time.perf_counter() + LONG
    while (start := time.perf_counter()) < until:
        call()
        found = min(found, time.perf_counter() - start)
    return found


def main(names: list[str]) -> None:
    try:
        jax: Any = importlib.import_module("jax")
        jax.config.update("jax_enable_x64", True)
    except ImportError:
        jax = None
    print(f"{'':>14}{'native':>10}{'NumPy':>10}{'JAX':>10}{'JAX/native':>12}")
    for name, model, arguments in cases():
        if names and not any(name.startswith(n) for n in names):
            continue
        calls: dict[str, Callable[[], Any]] = {}
        for engine in ("native", "numpy"):
            f: Any = wg.compile(
                wg.value_and_grad(lambda *a, model=model: model(ours(), *a)), engine=engine
            )
            calls[engine] = lambda f=f, given=arguments: f(*given)
        if jax is not None:
            g = jax.jit(jax.value_and_grad(lambda *a, model=model: model(theirs(jax), *a)))
            given = [jax.numpy.asarray(a) for a in arguments]
            calls["jax"] = lambda g=g, given=given: jax.block_until_ready(g(*given))
        values = [float(call()[0]) for call in calls.values()]
        assert np.allclose(values, values[0])
        times: dict[str, list[float]] = {key: [] for key in calls}
        for _ in range(ROUNDS):
            for key, call in calls.items():
                times[key].append(best(call))
        found = {key: 1e6 * statistics.median(t) for key, t in times.items()}
        line = f"{name:>14}" + "".join(f"{t:10.1f}" for t in found.values())
        print(line + (f"{found['jax'] / found['native']:12.1f}" if jax is not None else ""))


if __name__ == "__main__":
    main(sys.argv[1:])
