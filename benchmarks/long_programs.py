"""Straight-line programs of many scalar operations: native code beside NumPy, JAX and CasADi.

Run ``python benchmarks/long_programs.py [names] [sizes]``. Loops of Python are traced away: steps
of
Runge and Kutta for a pendulum, and Gaussian elimination for a determinant, each for its value, and
with its gradient. A line has the processor's seconds from the Python function to its first result
(tracing, differentiation and compilation included, nothing from disk), and microseconds a call at
first and, for native code, when it has been compiled with care, which happens while the program
goes on. Each figure is of a process of its own, which is given up after two minutes. Peers that are
not installed are left out.
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["WENGERT_CACHE"] = "off"

import importlib
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

LIMIT = 120  # seconds of a figure
ENGINES = ("native", "numpy", "jax", "casadi")
SIZES = (1000, 10_000, 100_000)


# ---------------------------------------------------------------- the programs


def pendulum(sin: Any, n: int) -> tuple[Callable[..., Any], list[float]]:
    """Steps of 33 operations."""

    def slope(a: Any, v: Any) -> Any:
        return v, -sin(a) - 0.1 * v

    def program(a: Any, v: Any) -> Any:
        h = 0.01
        for _ in range(max(n // 33, 1)):
            p = slope(a, v)
            q = slope(a + h / 2 * p[0], v + h / 2 * p[1])
            r = slope(a + h / 2 * q[0], v + h / 2 * q[1])
            s = slope(a + h * r[0], v + h * r[1])
            a = a + h / 6 * (p[0] + 2 * q[0] + 2 * r[0] + s[0])
            v = v + h / 6 * (p[1] + 2 * q[1] + 2 * r[1] + s[1])
        return a * a + v

    return program, [0.5, 0.7]


def determinant(sin: Any, n: int) -> tuple[Callable[..., Any], list[float]]:
    """Elimination without pivots, of as many rows as give so many operations."""
    rows = max(round((1.5 * n) ** (1 / 3)), 2)
    matrix = np.random.default_rng(0).normal(size=(rows, rows)) / rows + np.eye(rows)

    def program(*entries: Any) -> Any:
        M = [list(entries[rows * k : rows * (k + 1)]) for k in range(rows)]
        result = 1.0
        for k in range(rows):
            result = result * M[k][k]
            for i in range(k + 1, rows):
                factor = M[i][k] / M[k][k]
                for j in range(k + 1, rows):
                    M[i][j] = M[i][j] - factor * M[k][j]
        return result

    return program, [float(x) for x in matrix.ravel()]


PROGRAMS = {"pendulum": pendulum, "determinant": determinant}


# ---------------------------------------------------------------- the engines


def of_wengert(make: Any, n: int, gradient: bool, engine: str) -> Callable[[], Any]:
    import wengert as wg

    program, given = make(np.sin, n)
    every = tuple(range(len(given)))
    f = wg.value_and_grad(program, argnums=every) if gradient else program
    fast = wg.compile(f, engine=engine)
    arguments = [np.float64(x) for x in given]
    return lambda: fast(*arguments)


def of_jax(make: Any, n: int, gradient: bool) -> Callable[[], Any]:
    import jax

    jax.config.update("jax_enable_x64", True)
    program, given = make(jax.numpy.sin, n)
    every = tuple(range(len(given)))
    fast = jax.jit(jax.value_and_grad(program, argnums=every) if gradient else program)
    arguments = [jax.numpy.float64(x) for x in given]
    return lambda: jax.block_until_ready(fast(*arguments))


def of_casadi(make: Any, n: int, gradient: bool) -> Callable[[], Any]:
    import casadi

    program, given = make(casadi.sin, n)
    names = [casadi.SX.sym(f"x{k}") for k in range(len(given))]
    value = program(*names)
    stacked = casadi.vertcat(*names)
    outputs = [value, casadi.gradient(value, stacked)] if gradient else [value]
    function = casadi.Function("f", [stacked], outputs)
    buffer, run = function.buffer()
    arguments, results = np.array(given), [np.zeros(o.numel()) for o in outputs]
    buffer.set_arg(0, memoryview(arguments))
    kept = buffer, arguments, results
    for k, result in enumerate(results):
        buffer.set_res(k, memoryview(result))

    def call() -> Any:
        assert kept  # CasADi keeps the addresses only
        run()
        return results

    return call


def of(engine: str, make: Any, n: int, gradient: bool) -> Callable[[], Any]:
    if engine == "jax":
        return of_jax(make, n, gradient)
    return (
        of_casadi(make, n, gradient)
        if engine == "casadi"
        else of_wengert(make, n, gradient, engine)
    )


def steady(call: Callable[[], Any]) -> float:
    """Microseconds a call."""
    times: list[float] = []
    end = time.perf_counter() + 1
    while len(times) < 5 or (time.perf_counter() < end and len(times) < 300):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(times)


def measure(engine: str, name: str, n: int, gradient: bool) -> str:
    """A first result, calls, and for native code calls of what was compiled with care."""
    sys.setrecursionlimit(10**6)
    importlib.import_module("wengert" if engine in ("native", "numpy") else engine)
    of(engine, PROGRAMS[name], 10, gradient)()  # what every first call needs
    begin = time.process_time()
    call = of(engine, PROGRAMS[name], n, gradient)
    first = call()
    seconds = time.process_time() - begin
    value = float(np.ravel(np.asarray(first[0] if isinstance(first, tuple | list) else first))[0])
    found = [f"{seconds:9.3f} s {steady(call):10.1f} µs"]
    if engine == "native":
        for _ in range(600):
            call()
        importlib.import_module("wengert.backends.native.later").worker().finish()
        found.append(f"{steady(call):10.1f} µs with care")
    return f"{' '.join(found):46}  {value:.12g}"


def main(words: list[str]) -> None:
    names = [w for w in words if w in PROGRAMS] or list(PROGRAMS)
    sizes = [int(w) for w in words if w.isdigit()] or list(SIZES)
    engines = [e for e in ENGINES if e in ("native", "numpy") or importlib.util.find_spec(e)]
    for name in names:
        for n in sizes:
            for gradient in (False, True):
                print(f"{name}, {n} operations{', with gradient' if gradient else ''}")
                for engine in engines:
                    line = [sys.executable, __file__, "one", engine, name, str(n), str(gradient)]
                    try:
                        done = subprocess.run(
                            line, capture_output=True, text=True, timeout=LIMIT, check=False
                        )
                        said = done.stdout.strip() or done.stderr.strip().splitlines()[-1:]
                    except subprocess.TimeoutExpired:
                        said = f"more than {LIMIT} s"
                    print(f"    {engine:7} {said}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        _, _, chosen, which, count, with_gradient = sys.argv
        print(measure(chosen, which, int(count), with_gradient == "True"))
    else:
        main(sys.argv[1:])
