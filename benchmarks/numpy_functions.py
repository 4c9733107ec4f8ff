"""Value and gradient of six models written with NumPy, by wengert and by its peers.

Run ``python benchmarks/numpy_functions.py``: every model is written once, for a namespace ``np``
that is NumPy, ``autograd.numpy``, ``jax.numpy`` or torch with NumPy's names. All packages run in
one process on one thread in float64, in turns; times are medians in milliseconds, and ratios are
to wengert compiled (above 1: slower than it). Gradients are compared before they are timed. Peers
that are not installed are left out.
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy
import optree

import wengert as wg

Action = Callable[[], Any]
BUDGET = 6.0  # seconds for one model at one size
ROUNDS = 15
TURN = 0.004  # seconds that a turn lasts at least: fast calls are repeated


# ---------------------------------------------------------------- models


def logistic_regression(np: Any, w: Any, X: Any, y: Any) -> Any:
    return np.mean(np.log1p(np.exp(-y * (X @ w)))) + 0.01 * np.sum(w**2)


def two_layer_network(np: Any, p: Any, X: Any, Y: Any) -> Any:
    scores = np.tanh(X @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
    return np.mean(log_sum_exp(np, scores) - np.sum(Y * scores, axis=1))


def log_sum_exp(np: Any, a: Any) -> Any:
    top = np.max(a, axis=1, keepdims=True)
    return top[:, 0] + np.log(np.sum(np.exp(a - top), axis=1))


def gaussian_mixture(np: Any, p: Any, X: Any) -> Any:
    scaled = (X[None, :, :] - p["means"][:, None, :]) @ p["roots"]
    logs = np.linalg.slogdet(p["roots"])[1] - 0.5 * np.sum(scaled**2, axis=2).T + p["logits"]
    return np.sum(log_sum_exp(np, logs)) - X.shape[0] * log_sum_exp(np, p["logits"][None, :])[0]


def kalman_filter(np: Any, p: Any, Y: Any) -> Any:
    A, C, n = p["A"], p["C"], p["A"].shape[0]
    Q, R = np.exp(p["q"]) * np.eye(n), np.exp(p["r"]) * np.eye(Y.shape[1])
    m, P, total = np.zeros(n), np.eye(n), 0.0
    for t in range(Y.shape[0]):
        m, P = A @ m, A @ P @ A.T + Q
        S = C @ P @ C.T + R
        v = Y[t] - C @ m
        K = np.linalg.solve(S, C @ P).T
        total = total - 0.5 * (v @ np.linalg.solve(S, v) + np.linalg.slogdet(S)[1])
        m, P = m + K @ v, P - K @ C @ P
    return total


def lstm_step(np: Any, p: Any, x: Any, h: Any, c: Any) -> Any:
    n = h.shape[1]
    z = x @ p["W"] + h @ p["U"] + p["b"]
    keep, add, give = (1 / (1 + np.exp(-z[:, k * n : (k + 1) * n])) for k in range(3))
    c = keep * c + add * np.tanh(z[:, 3 * n :])
    return np.sum((give * np.tanh(c)) ** 2) + np.sum(c**2)


def bundle_adjustment(np: Any, p: Any, i: Any, j: Any, seen: Any) -> Any:
    camera, point = p["cameras"][i], p["points"][j]
    r = camera[:, :3]
    angle = np.sqrt(np.sum(r**2, axis=1))[:, None]
    w = r / angle
    x = point - camera[:, 3:6]
    cross = np.stack(
        [w[:, a] * x[:, b] - w[:, b] * x[:, a] for a, b in ((1, 2), (2, 0), (0, 1))], 1
    )
    along = np.sum(w * x, axis=1)[:, None]
    x = x * np.cos(angle) + cross * np.sin(angle) + w * along * (1 - np.cos(angle))
    flat = x[:, :2] / x[:, 2:]
    square = np.sum(flat**2, axis=1)
    bend = 1 + camera[:, 7] * square + camera[:, 8] * square**2
    return np.sum((flat * (bend * camera[:, 6])[:, None] - seen) ** 2)


# ---------------------------------------------------------------- data


def cases(rng: numpy.random.Generator) -> list[tuple[str, str, Any, tuple[Any, ...]]]:
    """Name, size, function, and arguments, of which the first is differentiated by."""
    normal = rng.normal
    found: list[tuple[str, str, Any, tuple[Any, ...]]] = []
    for size, n, d in (("tiny", 10, 3), ("large", 20000, 100)):
        y = numpy.sign(normal(size=n))
        found.append(
            ("logistic", size, logistic_regression, (normal(size=d), normal(size=(n, d)), y))
        )
    for size, n, d, h, k in (("tiny", 8, 4, 5, 3), ("large", 2000, 100, 200, 10)):
        p = {"W1": normal(size=(d, h)), "b1": normal(size=h),
             "W2": normal(size=(h, k)), "b2": normal(size=k)}  # fmt: skip
        Y = numpy.eye(k)[rng.integers(k, size=n)]
        found.append(("network", size, two_layer_network, (p, normal(size=(n, d)), Y)))
    for size, n, d, k in (("tiny", 10, 2, 2), ("large", 2000, 10, 10)):
        p = {"logits": normal(size=k), "means": normal(size=(k, d)),
             "roots": numpy.eye(d) + 0.1 * normal(size=(k, d, d))}  # fmt: skip
        found.append(("mixture", size, gaussian_mixture, (p, normal(size=(n, d)))))
    for size, n, k, steps in (("tiny", 2, 1, 3), ("large", 40, 20, 12)):
        p = {"A": 0.9 * numpy.eye(n) + 0.02 * normal(size=(n, n)),
             "C": normal(size=(k, n)), "q": -1.0, "r": -0.5}  # fmt: skip
        found.append(("Kalman", size, kalman_filter, (p, normal(size=(steps, k)))))
    for size, n, d in (("tiny", 1, 4), ("large", 64, 256)):
        p = {"W": normal(size=(d, 4 * d)), "U": normal(size=(d, 4 * d)), "b": normal(size=4 * d)}
        p = {key: a / numpy.sqrt(d) for key, a in p.items()}
        found.append(("LSTM step", size, lstm_step, (p, *normal(size=(3, n, d)))))
    for size, cameras, points, n in (("tiny", 2, 3, 6), ("large", 50, 1000, 10000)):
        lens = numpy.array([0.1, 0.2, 0.1, 0.0, 0.0, -5.0, 1.0, 0.01, 0.001])
        p = {"cameras": lens + 0.01 * normal(size=(cameras, 9)), "points": normal(size=(points, 3))}
        picks = rng.integers(cameras, size=n), rng.integers(points, size=n)
        found.append(("bundle", size, bundle_adjustment, (p, *picks, normal(size=(n, 2)))))
    return found


# ---------------------------------------------------------------- packages


@dataclass
class Contestant:
    """A way to run a model: ``action`` once, ``leaves`` of the gradient as NumPy arrays."""

    name: str
    action: Action
    leaves: Callable[[Any], list[Any]]


def contestants(f: Any, args: tuple[Any, ...]) -> list[Contestant]:
    """Everything that is installed; wengert compiled is the first."""

    def model(*a: Any) -> Any:
        return f(numpy, *a)

    plain, compiled = wg.value_and_grad(model), wg.compile(wg.value_and_grad(model))
    found = [
        Contestant("compiled", lambda: compiled(*args), _leaves),
        Contestant("traced", lambda: plain(*args), _leaves),
    ]
    for add in (_autograd, _jax, _torch):
        try:
            found.append(add(f, args))
        except ImportError:
            continue
    return found


def _leaves(result: Any) -> list[Any]:
    return [numpy.asarray(a) for a in optree.tree_leaves(result[1])]


def _autograd(f: Any, args: tuple[Any, ...]) -> Contestant:
    autograd, np = importlib.import_module("autograd"), importlib.import_module("autograd.numpy")
    both = autograd.value_and_grad(lambda *a: f(np, *a))
    return Contestant("autograd", lambda: both(*args), _leaves)


def _jax(f: Any, args: tuple[Any, ...]) -> Contestant:
    jax, np = importlib.import_module("jax"), importlib.import_module("jax.numpy")
    jax.config.update("jax_enable_x64", True)
    both = jax.jit(jax.value_and_grad(lambda *a: f(np, *a)))
    moved = jax.tree.map(np.asarray, args)
    return Contestant("jax jit", lambda: jax.block_until_ready(both(*moved)), _leaves)


def _torch(f: Any, args: tuple[Any, ...]) -> Contestant:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    names = ("exp", "log", "log1p", "tanh", "sin", "cos", "sqrt", "sum", "mean", "eye", "zeros",
             "stack", "linalg")  # fmt: skip
    np = SimpleNamespace(**{name: getattr(torch, name) for name in names}, max=torch.amax)
    moved = optree.tree_map(lambda a: torch.as_tensor(numpy.asarray(a)), args)
    wrt = [leaf.requires_grad_() for leaf in optree.tree_leaves(moved[0])]

    def both() -> Any:
        value = f(np, *moved)
        return value.detach(), torch.autograd.grad(value, wrt)

    return Contestant("torch", both, _leaves)


# ---------------------------------------------------------------- timing


def medians(actions: list[Action]) -> list[float]:
    """Milliseconds, each the median over rounds in which all take turns."""
    repeats: list[int] = []
    for action in actions:
        start = time.perf_counter()
        action()
        repeats.append(max(1, int(TURN / max(time.perf_counter() - start, 1e-7))))
    times: list[list[float]] = [[] for _ in actions]
    begin = time.perf_counter()
    for k in range(ROUNDS):
        if k >= 3 and time.perf_counter() - begin > BUDGET:
            break
        for action, count, kept in zip(actions, repeats, times, strict=True):
            start = time.perf_counter()
            for _ in range(count):
                action()
            kept.append((time.perf_counter() - start) / count)
    return [1e3 * statistics.median(t) for t in times]


def check(found: list[Contestant]) -> None:
    """All gradients agree."""
    first = found[0].leaves(found[0].action())
    for other in found[1:]:
        for a, b in zip(first, other.leaves(other.action()), strict=True):
            numpy.testing.assert_allclose(
                a, b, rtol=1e-7, atol=1e-9 * numpy.max(abs(b)), err_msg=other.name
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="models whose name contains this")
    chosen = parser.parse_args().only
    names: list[str] = []
    for name, size, f, args in cases(numpy.random.default_rng(0)):
        if chosen not in name:
            continue
        start = time.perf_counter()
        found = contestants(f, args)
        found[0].action()
        first = time.perf_counter() - start
        check(found)
        value: Action = lambda f=f, args=args: f(numpy, *args)  # noqa: E731
        times = medians([value, *(c.action for c in found)])
        if not names:
            names = [c.name for c in found]
            head = "".join(f"{n + ' ms':>13}" for n in names)
            ratios = "".join(f"{'÷ ' + n:>11}" for n in names[1:])
            print(f"{'model':10}{'size':6}{head}{ratios}{'to value':>10}{'first call s':>14}")
        columns = "".join(f"{t:13.3f}" for t in times[1:])
        ratios = "".join(f"{t / times[1]:11.2f}" for t in times[2:])
        print(
            f"{name:10}{size:6}{columns}{ratios}{times[1] / times[0]:10.2f}{first:14.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
