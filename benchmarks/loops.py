"""Loops in one call: value, and value and gradient, natively beside NumPy's steps and JAX.

Run ``python benchmarks/loops.py [names]``. One thread, in turns: microseconds of processor time a
call (median), gradients over values, and how much slower the peers are. Recurrent networks and
filters are scans; Newton's iteration is a while loop, whose derivative JAX does not have. JAX is
left out if it is not installed.
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import importlib
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import wengert as wg

SECONDS = 0.3  # that one function is measured for, at least

Function = Callable[..., Any]


def jax_module() -> Any:
    """JAX in float64, or None."""
    try:
        jax = importlib.import_module("jax")
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    return jax


JAX = jax_module()


@dataclass(frozen=True)
class Tools:
    """What a model is written with: NumPy's functions, and loops."""

    np: Any
    scan: Function
    while_loop: Function


@dataclass(frozen=True)
class Model:
    """A function made for some tools, its arguments, and which of them it is derived in."""

    name: str
    make: Callable[[Tools], Function]
    arguments: tuple[Any, ...]
    argnums: tuple[int, ...]


# ---------------------------------------------------------------- models


def logistic_map(t: Tools) -> Function:
    """A thousand steps of a scalar."""

    def f(r: Any) -> Any:
        return t.scan(lambda c, _: (r * c * (1 - c), None), 0 * r + 1 / 3, None, length=1000)[0]

    return f


def runge_kutta(t: Tools, field: Function, steps: int, width: float) -> Function:
    """The classical method of order 4; states are tuples."""

    def moved(y: Any, k: Any, h: float) -> Any:
        return tuple(u + h * v for u, v in zip(y, k, strict=True))

    def solve(start: Any, parameters: Any) -> Any:
        def step(y: Any, _: Any) -> Any:
            a = field(y, parameters)
            b = field(moved(y, a, width / 2), parameters)
            c = field(moved(y, b, width / 2), parameters)
            d = field(moved(y, c, width), parameters)
            slope = tuple(p + 2 * q + 2 * r + s for p, q, r, s in zip(a, b, c, d, strict=True))
            return moved(y, slope, width / 6), None

        return t.scan(step, start, None, length=steps)[0]

    return solve


def lorenz(t: Tools) -> Function:
    """Three scalars, 200 steps."""

    def field(y: Any, p: Any) -> Any:
        a, b, c = y
        return p[0] * (b - a), a * (p[1] - c) - b, a * b - p[2] * c

    solve = runge_kutta(t, field, 200, 0.01)
    return lambda p: sum(solve((0 * p[0] + 1, 0 * p[0] + 1, 0 * p[0] + 1), p))


def chain(t: Tools) -> Function:
    """A thousand numbers, each driven by the one before it, 100 steps (GradBench's equation)."""

    def field(y: Any, x: Any) -> Any:
        return (x * t.np.concatenate([t.np.ones(1), y[0][:-1]]),)

    solve = runge_kutta(t, field, 100, 0.01)
    return lambda x: t.np.sum(solve((t.np.zeros(x.shape[0]),), x)[0] ** 2)


def recurrent(t: Tools) -> Function:
    """A recurrent network, the states of all steps in the loss."""

    def f(W: Any, U: Any, b: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = t.np.tanh(W @ h + U @ x + b)
            return h, h

        return t.np.sum(t.scan(step, t.np.zeros(W.shape[0]), xs)[1] ** 2)

    return f


def batched(t: Tools) -> Function:
    """The same for several sequences at once."""

    def f(W: Any, U: Any, b: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            return t.np.tanh(h @ W + x @ U + b), None

        return t.np.sum(t.scan(step, t.np.zeros((xs.shape[1], W.shape[0])), xs)[0] ** 2)

    return f


def long_short(t: Tools) -> Function:
    """An LSTM cell."""

    def sigmoid(x: Any) -> Any:
        return 1 / (1 + t.np.exp(-x))

    def f(W: Any, b: Any, xs: Any) -> Any:
        d = W.shape[0] // 4

        def step(carry: Any, x: Any) -> Any:
            h, s = carry
            g = W @ t.np.concatenate([h, x]) + b
            s = sigmoid(g[d : 2 * d]) * s + sigmoid(g[:d]) * t.np.tanh(g[3 * d :])
            h = sigmoid(g[2 * d : 3 * d]) * t.np.tanh(s)
            return (h, s), h

        return t.np.sum(t.scan(step, (t.np.zeros(d), t.np.zeros(d)), xs)[1] ** 2)

    return f


def kalman(t: Tools) -> Function:
    """The log-likelihood of a linear Gaussian model: 4 states, 2 observations, 200 steps."""
    m = t.np

    def f(q: Any, zs: Any) -> Any:
        A, H = m.eye(4) + 0.1 * m.eye(4, k=2), m.eye(2, 4)

        def step(carry: Any, z: Any) -> Any:
            mean, P, total = carry
            mean, P = A @ mean, A @ P @ A.T + m.exp(q[0]) * m.eye(4)
            S = H @ P @ H.T + m.exp(q[1]) * m.eye(2)
            gap = z - H @ mean
            K = m.linalg.solve(S, H @ P).T
            total = total - 0.5 * (gap @ m.linalg.solve(S, gap) + m.linalg.slogdet(S)[1])
            return (mean + K @ gap, P - K @ S @ K.T, total), None

        return t.scan(step, (m.zeros(4), m.eye(4), 0 * q[0]), zs)[0][2]

    return f


def heron(t: Tools) -> Function:
    """A square root by Newton's iteration."""

    def f(x: Any) -> Any:
        return t.while_loop(
            lambda c: t.np.abs(c * c - x) > 1e-12, lambda c: 0.5 * (c + x / c), 0 * x + 1
        )

    return f


def models() -> Iterator[Model]:
    """All of them with their arguments."""
    rng = np.random.default_rng(0)

    def normal(*shape: int, scale: float = 1.0) -> Any:
        return scale * rng.normal(size=shape)

    yield Model("logistic map, 1000 steps", logistic_map, (0.9,), (0,))
    yield Model("Lorenz, 200 steps", lorenz, (np.array([10.0, 28, 8 / 3]),), (0,))
    yield Model("ODE 1000, 100 steps", chain, (normal(1000),), (0,))
    for n, m in ((8, 4), (32, 16), (128, 64)):
        given = (normal(n, n, scale=n**-0.5), normal(n, m, scale=m**-0.5), normal(n))
        yield Model(f"RNN {n}, 100 steps", recurrent, (*given, normal(100, m)), (0, 1, 2))
    given = normal(64, 64, scale=1 / 8), normal(32, 64, scale=1 / 8), normal(64)
    yield Model("RNN 32x64, 50 steps", batched, (*given, normal(50, 32, 32)), (0, 1, 2))
    for d, m, steps in ((14, 14, 256), (64, 32, 100)):
        given = normal(4 * d, d + m, scale=(d + m) ** -0.5), normal(4 * d)
        yield Model(f"LSTM {d}, {steps} steps", long_short, (*given, normal(steps, m)), (0, 1))
    yield Model("Kalman filter", kalman, (np.array([-1.0, -1]), normal(200, 2)), (0,))
    yield Model("square root", heron, (2.0,), (0,))


# ---------------------------------------------------------------- measuring


def processor_time(call: Callable[[], Any]) -> float:
    """Of one call, in microseconds: the median."""
    call()
    found: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() - start < SECONDS or len(found) < 5:
        begin = time.process_time()
        call()
        found.append(time.process_time() - begin)
    return 1e6 * statistics.median(found)


def ours(model: Model, engine: str) -> tuple[float, float]:
    """Value, and value and gradient."""
    f = model.make(Tools(np, wg.scan, wg.while_loop))
    value = wg.compile(f, engine=engine)
    both = wg.compile(wg.value_and_grad(f, model.argnums), engine=engine)
    return (
        processor_time(lambda: value(*model.arguments)),
        processor_time(lambda: both(*model.arguments)),
    )


def of_jax(model: Model) -> tuple[float, float]:
    """The same; NaN where there is no gradient."""
    if JAX is None:
        return math.nan, math.nan
    tools = Tools(JAX.numpy, JAX.lax.scan, JAX.lax.while_loop)
    f = model.make(tools)
    arguments = [JAX.numpy.asarray(a) for a in model.arguments]
    value, both = JAX.jit(f), JAX.jit(JAX.value_and_grad(f, model.argnums))
    ready = JAX.block_until_ready
    first = processor_time(lambda: ready(value(*arguments)))
    try:
        return first, processor_time(lambda: ready(both(*arguments)))
    except ValueError:
        return first, math.nan


def main(names: list[str]) -> None:
    """Print the table."""
    print(f"{'':26}{'native, µs':>20}{'ratio':>7}{'NumPy, times':>20}{'JAX, times':>20}")
    ahead: list[float] = []
    for model in models():
        if names and not any(name in model.name for name in names):
            continue
        native, numpy, jax = ours(model, "native"), ours(model, "numpy"), of_jax(model)
        ahead += [j / n for j, n in zip(jax, native, strict=True) if not math.isnan(j)]
        times = "".join(
            f"{peer[0] / native[0]:10.1f}{peer[1] / native[1]:10.1f}" for peer in (numpy, jax)
        )
        print(
            f"{model.name:26}{native[0]:10.1f}{native[1]:10.1f}{native[1] / native[0]:7.2f}{times}",
            flush=True,
        )
    if ahead:
        print(f"geometric mean, JAX over native: {statistics.geometric_mean(ahead):.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
