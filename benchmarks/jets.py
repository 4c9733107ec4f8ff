"""Taylor coefficients of a network along a line, by wengert and by nested and Taylor-mode JAX.

Run ``python benchmarks/jets.py``: for each width and order the mean output of a network of three
tanh layers is developed along one direction of its batch of inputs. ``jet`` is
``jax.experimental.jet``, ``nested jvp`` and ``nested grad`` derive t ↦ f(x + tδ) order by order.
Everything is in float64 on one thread; run times are medians in milliseconds of calls in turns in
one process, ratios above 1 mean that wengert is faster. ``--first`` prints instead the time to
the first result in seconds, each in a fresh process, without the imports.
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy

BATCH, LAYERS = 32, 3
GRAD_LIMIT = 5  # the highest order for nested reverse mode, whose code explodes
JVP_LIMIT = 9  # and for nested forward mode
ENGINES = ("wengert", "uncompiled", "jet", "nested jvp", "nested grad")


def problem(width: int) -> tuple[list[Any], Any, Any]:
    """The weights, the inputs and a direction."""
    rng = numpy.random.default_rng(0)
    weights = [rng.normal(size=(width, width)) / math.sqrt(width) for _ in range(LAYERS)]
    x, d = rng.normal(size=(2, BATCH, width))
    return weights, x, d


def network(np: Any, weights: list[Any], x: Any) -> Any:
    for w in weights:
        x = np.tanh(x @ w)
    return np.mean(x)


def developed(engine: str, width: int, order: int) -> Callable[[], Any]:
    """What computes the coefficients from the arrays."""
    weights, x, d = problem(width)
    if engine in ("wengert", "uncompiled"):
        import wengert as wg

        def along(weights: Any, x: Any, d: Any) -> Any:
            return wg.jet(lambda x: network(numpy, weights, x), x, d, order=order)

        run = wg.compile(along) if engine == "wengert" else along
        return lambda: run(weights, x, d)
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    if engine == "jet":
        from jax.experimental.jet import jet

        def taylor(weights: Any, x: Any, d: Any) -> Any:
            zeros = [jnp.zeros_like(d)] * (order - 1)
            value, terms = jet(lambda x: network(jnp, weights, x), (x,), ([d, *zeros],))
            return [value, *(c / math.factorial(k) for k, c in enumerate(terms, 1))]

    else:
        step = (
            (lambda h: lambda t: jax.jvp(h, (t,), (1.0,))[1])
            if engine == "nested jvp"
            else jax.grad
        )

        def taylor(weights: Any, x: Any, d: Any) -> Any:
            h: Any = lambda t: network(jnp, weights, x + t * d)  # noqa: E731
            found = [h(0.0)]
            for k in range(1, order + 1):
                h = step(h)
                found.append(h(0.0) / math.factorial(k))
            return found

    compiled = jax.jit(taylor)
    given = jax.tree.map(jnp.asarray, (weights, x, d))
    return lambda: numpy.array([numpy.asarray(c) for c in jax.block_until_ready(compiled(*given))])


def engines(order: int) -> list[str]:
    """Those that can be asked at that order."""
    limits = {"nested grad": GRAD_LIMIT, "nested jvp": JVP_LIMIT}
    return [e for e in ENGINES if order <= limits.get(e, order)]


def run_times(width: int, order: int, rounds: int) -> dict[str, float]:
    """Medians in milliseconds, of calls in turns."""
    calls = {e: developed(e, width, order) for e in engines(order)}
    expected = calls["wengert"]()
    for call in calls.values():
        numpy.testing.assert_allclose(call(), expected, rtol=1e-8, atol=1e-12)
    times: dict[str, list[float]] = {e: [] for e in calls}
    for _ in range(rounds):
        for e, call in calls.items():
            call()
            start = time.perf_counter()
            call()
            times[e].append(1e3 * (time.perf_counter() - start))
    return {e: statistics.median(t) for e, t in times.items()}


def first_time(engine: str, width: int, order: int) -> float:
    """Seconds to the first result in a fresh process, after the imports."""
    code = (
        "import sys, time; sys.argv = ['jets']; import runpy; import numpy\n"
        f"m = runpy.run_path({__file__!r})\n"
        f"import {'wengert' if engine in ('wengert', 'uncompiled') else 'jax'}\n"
        "start = time.perf_counter()\n"
        f"m['developed']({engine!r}, {width}, {order})()\n"
        "print(time.perf_counter() - start)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def table(width: int, orders: list[int], first: bool, rounds: int) -> None:
    unit = "s, first result" if first else "ms, run"
    print(f"width {width}, batch {BATCH}, {LAYERS} layers ({unit})")
    print(f"{'order':>5}" + "".join(f"{e:>14}" for e in ENGINES) + f"{'best/wengert':>14}")
    for order in orders:
        if first:
            found = {e: first_time(e, width, order) for e in engines(order)}
        else:
            found = run_times(width, order, rounds)
        best = min(t for e, t in found.items() if e not in ("wengert", "uncompiled"))
        cells = "".join(f"{found[e]:14.3f}" if e in found else f"{'–':>14}" for e in ENGINES)
        print(f"{order:5}{cells}{best / found['wengert']:14.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--widths", type=int, nargs="*", default=[64, 512])
    parser.add_argument("--orders", type=int, nargs="*", default=[2, 3, 4, 6, 8, 10, 12])
    parser.add_argument("--rounds", type=int, default=31)
    given = parser.parse_args()
    for width in given.widths:
        table(width, given.orders, given.first, given.rounds)


if __name__ == "__main__":
    main()
