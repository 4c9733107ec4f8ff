"""Sparse derivatives: colours and compressed sweeps against dense evaluation and against JAX.

    python benchmarks/sparsity.py            # wengert and NumPy
    python benchmarks/sparsity.py --jax      # and jit(jax.jacfwd), jit(jax.hessian), if installed

One case a line: entries, those that are stored, colours, the time of the first call (pattern,
colouring, compilation), and medians of the calls after it with their ratios. All in float64, the
calls interleaved. Set OPENBLAS_NUM_THREADS=1 and, for JAX, XLA_FLAGS for one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
from wengert.structured.coloring import color_columns, color_symmetric, count_colors


def heat(xp: Any, steps: int) -> Callable[[Any], Any]:
    def f(u: Any) -> Any:
        for _ in range(steps):
            u = u + 0.1 * (xp.roll(u, 1) - 2 * u + xp.roll(u, -1)) - 0.01 * u**3
        return u

    return f


def heat_plane(xp: Any, steps: int, n: int) -> Callable[[Any], Any]:
    def f(u: Any) -> Any:
        u = u.reshape(n, n)
        for _ in range(steps):
            around = xp.roll(u, 1, 0) + xp.roll(u, -1, 0) + xp.roll(u, 1, 1) + xp.roll(u, -1, 1)
            u = u + 0.1 * (around - 4 * u) + 0.01 * xp.sin(u)
        return u.reshape(-1)

    return f


def heat_scan(xp: Any, steps: int) -> Callable[[Any], Any]:
    def step(u: Any, _: Any) -> Any:
        return u + 0.1 * (xp.roll(u, 1) - 2 * u + xp.roll(u, -1)) - 0.01 * u**3, None

    if xp is np:
        return lambda u: wg.scan(step, u, None, length=steps)[0]
    from jax.lax import scan

    return lambda u: scan(step, u, None, length=steps)[0]


def burgers(xp: Any, steps: int) -> Callable[[Any], Any]:
    def f(u: Any) -> Any:
        for _ in range(steps):
            flux = u**2 / 2
            inner = u[1:-1] - 0.1 * (flux[2:] - flux[:-2])
            inner = inner + 0.01 * (u[2:] - 2 * u[1:-1] + u[:-2])
            u = xp.concatenate([u[:1], inner, u[-1:]])
        return u

    return f


def energy(xp: Any, steps: int) -> Callable[[Any], Any]:
    f = burgers(xp, steps)
    return lambda u: xp.sum(f(u) ** 2)


CASES: list[tuple[str, Callable[[Any], Callable[[Any], Any]], int, int]] = [
    ("heat, 5 steps", lambda xp: heat(xp, 5), 1000, 1),
    ("heat, 20 steps", lambda xp: heat(xp, 20), 1000, 1),
    ("heat by scan, 20 steps", lambda xp: heat_scan(xp, 20), 1000, 1),
    ("heat by scan, 5 steps", lambda xp: heat_scan(xp, 5), 4000, 1),
    ("heat in the plane, 3 steps", lambda xp: heat_plane(xp, 3, 40), 1600, 1),
    ("Burgers, 5 steps", lambda xp: burgers(xp, 5), 1000, 1),
    ("energy of Burgers, 3 steps: Hessian", lambda xp: energy(xp, 3), 600, 2),
]


def timed(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jax", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    for name, make, n, order in CASES:
        run_case(name, make, n, order, options.rounds, options.jax)


def run_case(name: str, make: Any, n: int, order: int, rounds: int, with_jax: bool) -> None:
    x = np.random.default_rng(0).uniform(0.5, 1.5, n)
    f = make(np)
    derive = wg.jacobian if order == 1 else wg.hessian
    structured, dense = wg.compile(derive(f, structured=True)), wg.compile(derive(f))
    pattern = wg.sparsity(f, order=order)(x)
    color = color_columns if order == 1 else color_symmetric
    first = timed(lambda: structured(x))
    calls: dict[str, Callable[[], Any]] = {"sparse": lambda: structured(x)}
    calls["dense"] = lambda: dense(x)
    if with_jax:
        import jax

        jax.config.update("jax_enable_x64", True)
        g = make(jax.numpy)
        compiled = jax.jit(jax.jacfwd(g) if order == 1 else jax.hessian(g))
        given = jax.numpy.asarray(x)
        calls["jax"] = lambda: compiled(given).block_until_ready()
    found, expected = structured(x).to_dense(), dense(x)
    gap = np.abs(found - expected).max() / np.abs(expected).max()
    assert gap < 1e-12, gap
    if with_jax:
        gap = np.abs(np.asarray(calls["jax"]()) - expected).max() / np.abs(expected).max()
        assert gap < 1e-9, gap
    times: dict[str, list[float]] = {k: [] for k in calls}
    for _ in range(rounds):
        for k, call in calls.items():
            times[k].append(timed(call))
    median = {k: statistics.median(t) for k, t in times.items()}
    stored = structured(x).nbytes // 8
    ratios = ", ".join(
        f"{k} {1e3 * t:.2f} ms ({t / median['sparse']:.1f}x)" for k, t in median.items()
    )
    print(
        f"{name}, {n}: {n * n} entries, {stored} stored, {count_colors(color(pattern))} colours, "
        f"first {first:.2f} s; {ratios}",
        flush=True,
    )


if __name__ == "__main__":
    main()
