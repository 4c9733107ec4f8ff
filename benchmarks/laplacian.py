"""The Laplacian of a network in 100 dimensions, by wengert and by its peers.

Run ``python benchmarks/laplacian.py``: three layers of tanh, 64 or 256 wide, at one point and at
64. ``wengert`` is ``wg.compile(wg.vmap(wg.laplacian(f)))``; ``hessian`` the trace of
``jax.hessian``; ``forward`` one nested ``jax.jvp`` a direction; ``folx`` the forward Laplacian of
the package of that name; all under ``vmap`` and ``jit``. One thread, float64, in turns; ``first``
is the first call, ``run`` the median of later ones, in milliseconds; ratios above 1 mean that the
peer is slower. Results are compared before they are timed. Peers that are not installed are left
out.
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import contextlib
import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy

import wengert as wg

D = 100
ROUNDS = 9
rng = numpy.random.default_rng(0)


def network(np: Any, x: Any, weights: list[Any], last: Any) -> Any:
    for W in weights:
        x = np.tanh(W @ x)
    return last @ x


def wengert_calls(weights: list[Any], last: Any) -> dict[str, Callable[[Any], Any]]:
    own = wg.laplacian(lambda x: network(numpy, x, weights, last))
    return {"wengert": wg.compile(wg.vmap(own))}


def jax_calls(weights: list[Any], last: Any) -> dict[str, Callable[[Any], Any]]:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    np = jax.numpy
    given, end = [np.asarray(W) for W in weights], np.asarray(last)

    def f(x: Any) -> Any:
        return network(np, x, given, end)

    def forward(x: Any) -> Any:
        def along(v: Any) -> Any:
            return jax.jvp(lambda y: jax.jvp(f, (y,), (v,))[1], (x,), (v,))[1]

        return np.sum(jax.vmap(along)(np.eye(D)))

    found = {"hessian": lambda x: np.trace(jax.hessian(f)(x)), "forward": forward}
    try:
        folx = importlib.import_module("folx")
        folded = folx.forward_laplacian(f)
        found["folx"] = lambda x: folded(x).laplacian
    except ImportError:
        pass
    compiled = {own: jax.jit(jax.vmap(g)) for own, g in found.items()}
    return {
        own: lambda x, g=g: numpy.asarray(g(x).block_until_ready()) for own, g in compiled.items()
    }


def timed(call: Callable[[Any], Any], x: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call(x)
    return 1e3 * (time.perf_counter() - start), result


def compare(width: int, batch: int) -> None:
    def normal(*shape: int) -> Any:
        return rng.normal(size=shape) / numpy.sqrt(shape[-1])

    weights = [normal(width, D), normal(width, width), normal(width, width)]
    last, x = normal(width), rng.normal(size=(batch, D))
    calls = wengert_calls(weights, last)
    with contextlib.suppress(ImportError):
        calls |= jax_calls(weights, last)
    first: dict[str, float] = {}
    reference: Any = None
    for own, call in calls.items():
        first[own], result = timed(call, x)
        reference = result if reference is None else reference
        assert numpy.allclose(result, reference, rtol=1e-8, atol=1e-10), own
    times: dict[str, list[float]] = {own: [] for own in calls}
    for _ in range(ROUNDS):
        for own, call in calls.items():
            times[own].append(timed(call, x)[0])
    medians = {own: statistics.median(values) for own, values in times.items()}
    cells = [
        f"{own} {first[own]:5.0f} {medians[own]:8.2f} ({medians[own] / medians['wengert']:.1f})"
        for own in calls
    ]
    print(f"width {width:3}, batch {batch:2}: " + "  ".join(cells))


def main() -> None:
    print("first and run in ms, and run relative to wengert's")
    for width in (64, 256):
        for batch in (1, 64):
            compare(width, batch)


if __name__ == "__main__":
    main()
