"""Hessians and Jacobians with structure, by wengert and by its peers.

Run ``python benchmarks/structure.py``: every function is written once for a namespace ``np`` that
is NumPy, ``jax.numpy`` or torch with NumPy's names. ``dense`` is ``wg.hessian`` (or
``wg.jacobian``) compiled, ``stored`` the same with ``structured=True``. All packages run in one
process on one thread in float64, in turns, on the NumPy back end; times are medians in
milliseconds, and ratios above 1 mean that the peer is slower. All results are compared before they
are timed. Peers that are not installed are left out, and so is one that would need more than
``LIMIT`` bytes for its result: the table says so.

``--memory`` runs each package in a process of its own instead, and prints how much memory a second
call takes at its most (Linux only).
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import argparse
import gc
import importlib
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy

import wengert as wg

BUDGET = 5.0  # seconds for one case
ROUNDS = 11
TURN = 0.004  # seconds that a turn lasts at least: fast calls are repeated
LIMIT = 2 * 10**9  # bytes of a dense result that is still asked for


# ---------------------------------------------------------------- functions


def quadratic_form(np: Any, x: Any, A: Any) -> Any:
    return x @ A @ x


def logistic(np: Any, w: Any, X: Any, y: Any) -> Any:
    return np.mean(np.log1p(np.exp(-y * (X @ w)))) + 0.01 * np.sum(w**2)


def log_sum_exp(np: Any, a: Any) -> Any:
    top = np.max(a, axis=1, keepdims=True)
    return top[:, 0] + np.log(np.sum(np.exp(a - top), axis=1))


def softmax_regression(np: Any, W: Any, X: Any, Y: Any) -> Any:
    return np.sum(log_sum_exp(np, X @ W)) - np.sum(Y * (X @ W))


def factorization(np: Any, U: Any, V: Any, T: Any) -> Any:
    return np.sum((T - U @ V.T) ** 2)


def masked_factorization(np: Any, U: Any, V: Any, T: Any, M: Any) -> Any:
    return np.sum(M * (T - U @ V.T) ** 2)


def network(np: Any, W: Any, X: Any, v: Any, y: Any) -> Any:
    return np.sum((np.tanh(X @ W) @ v - y) ** 2)


def deep_network(np: Any, x: Any, *weights: Any) -> Any:
    for W in weights:
        x = np.tanh(W @ x)
    return np.sum(x)


def log_det(np: Any, P: Any, C: Any) -> Any:
    return np.linalg.slogdet(P)[1] - np.sum(C * P)


def gram(np: Any, R: Any) -> Any:
    return R.T @ R


def chain(np: Any, x: Any) -> Any:
    return np.sum(np.exp(np.sin(x)) * np.tanh(x))


def mixture(np: Any, means: Any, X: Any) -> Any:
    return np.sum(log_sum_exp(np, -0.5 * np.sum((X[:, None, :] - means[None]) ** 2, axis=2)))


def rosenbrock(np: Any, x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def reprojection(np: Any, points: Any, cameras: Any, i: Any, j: Any) -> Any:
    camera, point = cameras[i], points[j]
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
    return flat * (bend * camera[:, 6])[:, None]


# ---------------------------------------------------------------- cases


@dataclass(frozen=True)
class Case:
    """A function, what it is derived by and its data."""

    name: str
    function: Any
    x: Any
    data: tuple[Any, ...]
    order: int = 2

    @property
    def entries(self) -> int:
        """Of the dense result."""
        value = numpy.asarray(self.function(numpy, self.x, *self.data))
        return value.size * self.x.size**self.order


def cases(rng: numpy.random.Generator) -> Iterator[Case]:
    normal = rng.normal
    for n in (500, 1000, 2000):
        yield Case(f"quadratic form {n}", quadratic_form, normal(size=n), (normal(size=(n, n)),))
    for m, n in ((200, 20), (5000, 200)):
        data = normal(size=(m, n)), numpy.sign(normal(size=m))
        yield Case(f"logistic {m}x{n}", logistic, normal(size=n), data)
    for m, n, k in ((100, 10, 4), (1000, 40, 10)):
        data = normal(size=(m, n)), numpy.eye(k)[rng.integers(k, size=m)]
        yield Case(f"softmax {m}x{n}x{k}", softmax_regression, 0.1 * normal(size=(n, k)), data)
    for m, n, k in ((100, 80, 4), (200, 150, 8), (20000, 1000, 10)):
        data = normal(size=(n, k)), normal(size=(m, n))
        yield Case(f"factors {m}x{n}x{k}", factorization, normal(size=(m, k)), data)
    for m, n, k in ((100, 80, 4), (200, 150, 8), (5000, 500, 10)):
        data = normal(size=(n, k)), normal(size=(m, n)), (normal(size=(m, n)) > 0) * 1.0
        yield Case(f"masked {m}x{n}x{k}", masked_factorization, normal(size=(m, k)), data)
    for m, n, k in ((100, 10, 20), (1000, 30, 40)):
        data = normal(size=(m, n)), normal(size=k), normal(size=m)
        yield Case(f"network {m}x{n}x{k}", network, 0.3 * normal(size=(n, k)), data)
    for n in (30, 100):
        data = (*(normal(size=(9, n, n)) / math.sqrt(n)), normal(size=(10, n)) / math.sqrt(n))
        yield Case(f"ten layers {n}", deep_network, normal(size=n), data)
    for n in (20, 50):
        S = normal(size=(n, n))
        S = S @ S.T + n * numpy.eye(n)
        yield Case(f"log det {n}", log_det, S, (numpy.eye(n),))
    for m, n in ((30, 20), (60, 50)):
        yield Case(f"RtR {m}x{n}", gram, normal(size=(m, n)), (), 1)
    for n in (300, 2000, 10**5):
        yield Case(f"chain {n}", chain, normal(size=n), ())
    for m, n, k in ((200, 3, 5), (1000, 8, 12)):
        yield Case(f"mixture {m}x{n}x{k}", mixture, normal(size=(k, n)), (normal(size=(m, n)),))
    for n in (200, 1500, 10**5):
        yield Case(f"Rosenbrock {n}", rosenbrock, normal(size=n), ())
    lens = numpy.array([0.1, 0.2, 0.1, 0.0, 0.0, -5.0, 1.0, 0.01, 0.001])
    for cameras, points, n in ((4, 30, 150), (20, 200, 1500), (50, 5000, 40000)):
        picks = rng.integers(cameras, size=n), rng.integers(points, size=n)
        data = (lens + 0.01 * normal(size=(cameras, 9)), *picks)
        yield Case(
            f"bundle {cameras}/{points}/{n}", reprojection, normal(size=(points, 3)), data, 1
        )


# ---------------------------------------------------------------- packages


Action = Callable[[], Any]


def dense(case: Case) -> Action:
    return _wengert(case, False)


def stored(case: Case) -> Action:
    return _wengert(case, True)


def _wengert(case: Case, structured: bool) -> Action:
    transform = wg.hessian if case.order == 2 else wg.jacobian
    run = wg.compile(transform(lambda x, *a: case.function(numpy, x, *a), structured=structured))
    return lambda: run(case.x, *case.data)


def jax_jit(case: Case) -> Action:
    jax, np = importlib.import_module("jax"), importlib.import_module("jax.numpy")
    jax.config.update("jax_enable_x64", True)
    transform = jax.hessian if case.order == 2 else jax.jacobian
    run = jax.jit(transform(lambda x, *a: case.function(np, x, *a)))
    x, data = np.asarray(case.x), [np.asarray(a) for a in case.data]
    return lambda: jax.block_until_ready(run(x, *data))


def torch_func(case: Case) -> Action:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    names = ("exp", "log", "log1p", "tanh", "sin", "cos", "sqrt", "sum", "mean", "stack", "linalg")
    np = SimpleNamespace(**{name: getattr(torch, name) for name in names}, max=torch.amax)
    transform = torch.func.hessian if case.order == 2 else torch.func.jacrev
    run = transform(lambda x, *a: case.function(np, x, *a))
    x, data = torch.as_tensor(case.x), [torch.as_tensor(a) for a in case.data]
    return lambda: run(x, *data)


PACKAGES: dict[str, Callable[[Case], Action]] = {
    "dense": dense,
    "stored": stored,
    "jax": jax_jit,
    "torch": torch_func,
}


# ---------------------------------------------------------------- timing


def medians(actions: dict[str, Action]) -> dict[str, float]:
    """Milliseconds, each the median over rounds in which all take turns."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    repeats: dict[str, int] = {}
    for name, action in actions.items():
        start = time.perf_counter()
        action()
        repeats[name] = max(1, int(TURN / max(time.perf_counter() - start, 1e-7)))
    begin = time.perf_counter()
    for k in range(ROUNDS):
        if k >= 3 and time.perf_counter() - begin > BUDGET:
            break
        for name, action in actions.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                action()
            times[name].append((time.perf_counter() - start) / repeats[name])
    return {name: 1e3 * statistics.median(t) for name, t in times.items()}


def prepared(case: Case) -> tuple[dict[str, Action], dict[str, float]]:
    """What is compared, after all results agreed, and the seconds to each first result."""
    actions: dict[str, Action] = {}
    first: dict[str, float] = {}
    reference: Any = None
    too_large = 8 * case.entries > LIMIT
    for name, package in PACKAGES.items():
        if too_large and name != "stored":
            continue
        try:
            start = time.perf_counter()
            action = package(case)
            result = action()
            first[name] = time.perf_counter() - start
        except ImportError:
            continue
        actions[name] = action
        if not too_large:
            found = numpy.asarray(result)
            reference = found if reference is None else reference
            scale = numpy.max(numpy.abs(reference))
            numpy.testing.assert_allclose(found, reference, rtol=1e-7, atol=1e-8 * scale)
    return actions, first


def speed(chosen: str) -> None:
    head = f"{'case':24}{'dense ms':>10}{'stored ms':>11}{'jax ms':>10}{'torch ms':>10}"
    print(f"{head}{'jax/dense':>11}{'torch/dense':>12}{'jax/stored':>11}{'first s':>9}{'jax s':>8}")
    ratios: list[float] = []
    for case in cases(numpy.random.default_rng(0)):
        if chosen not in case.name:
            continue
        actions, first = prepared(case)
        t = medians(actions)
        cells = "".join(
            f"{t[n]:{w}.3f}" if n in t else f"{'-':>{w}}"
            for n, w in (("dense", 10), ("stored", 11), ("jax", 10), ("torch", 10))
        )
        for top, below, width in (
            ("jax", "dense", 11),
            ("torch", "dense", 12),
            ("jax", "stored", 11),
        ):
            known = top in t and below in t
            cells += f"{t[top] / t[below]:{width}.2f}" if known else f"{'-':>{width}}"
        cells += f"{first.get('dense', first['stored']):9.2f}"
        cells += f"{first['jax']:8.2f}" if "jax" in first else f"{'-':>8}"
        if 8 * case.entries > LIMIT:
            cells += f"  dense: {8 * case.entries / 1e9:,.0f} GB"
        elif "jax" in t:
            ratios.append(t["jax"] / t["dense"])
        print(f"{case.name:24}{cells}", flush=True)
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(
            f"jax over dense: geometric mean {mean:.1f}, least {min(ratios):.2f}, of {len(ratios)}"
        )


# ---------------------------------------------------------------- memory


def memory(chosen: str) -> None:
    print(f"{'case':24}{'result MB':>11}" + "".join(f"{n + ' MB':>11}" for n in PACKAGES))
    for case in cases(numpy.random.default_rng(0)):
        if chosen not in case.name:
            continue
        size = 8 * case.entries
        cells = f"{size / 1e6:11,.1f}"
        for name in PACKAGES:
            if size > LIMIT and name != "stored":
                cells += f"{'-':>11}"
                continue
            command = [sys.executable, __file__, "--peak", name, "--only", case.name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            cells += f"{float(done.stdout):11,.1f}" if not done.returncode else f"{'failed':>11}"
        print(f"{case.name:24}{cells}", flush=True)


def peak(name: str, chosen: str) -> None:
    """Print the megabytes that a second call holds at its most, above what is resident before."""
    case = next(c for c in cases(numpy.random.default_rng(0)) if c.name == chosen)
    action = PACKAGES[name](case)
    action()
    gc.collect()
    with open("/proc/self/clear_refs", "w") as file:  # the peak begins anew
        file.write("5")
    before = _resident("VmRSS")
    result = action()
    print((_resident("VmHWM") - before) / 1e3)
    del result


def _resident(name: str) -> int:
    """Kilobytes, as Linux counts them."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of times")
    parser.add_argument("--peak", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        peak(given.peak, given.only)
    else:
        (memory if given.memory else speed)(given.only)


if __name__ == "__main__":
    main()
