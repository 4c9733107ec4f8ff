"""Whole derivative tensors of functions of 20 variables, by wengert and by its peers.

Run ``python benchmarks/tensors.py``: D³ and D⁴ by ``wg.derivative_tensor`` (the distinct entries;
``dense`` adds writing all of them), by nested ``jax.jacfwd`` under ``jit`` and by nested
``torch.func.jacfwd``. One thread, float64, in turns; ``first`` is the first call, with tracing,
derivation and compilation, ``run`` the median of later ones, in milliseconds; ratios above 1 mean
that the peer is slower than ``dense``. Results are compared before they are timed. Peers that are
not installed are left out.
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy

import wengert as wg

D = 20
ROUNDS = 7
BUDGET = 6.0  # seconds for the rounds of one case
rng = numpy.random.default_rng(0)


# ---------------------------------------------------------------- functions


def network(np: Any, x: Any, U: Any, V: Any, W: Any, b: Any) -> Any:
    return W @ np.tanh(V @ np.tanh(U @ x + b) + b)


def polynomial(np: Any, x: Any, A: Any) -> Any:
    return (x @ A @ x) ** 2 + np.sum(x) ** 3


def log_sum_exp(np: Any, x: Any, A: Any) -> Any:
    return np.log(np.sum(np.exp(A @ x)))


def log_likelihood(np: Any, x: Any, y: Any, Z: Any) -> Any:
    """Of normal observations with linear means and log-variances, 10 parameters each."""
    means, logs = Z @ x[:10], Z @ x[10:]
    return -0.5 * np.sum(logs + (y - means) ** 2 * np.exp(-logs))


def _cases() -> list[tuple[str, Callable[..., Any], list[Any]]]:
    def normal(*shape: int) -> Any:
        return rng.normal(size=shape) / numpy.sqrt(shape[-1])

    return [
        (
            "network 64×64, R²⁰→R⁵",
            network,
            [normal(64, D), normal(64, 64), normal(5, 64), normal(64)],
        ),
        ("network 64×64, R²⁰→R", network, [normal(64, D), normal(64, 64), normal(64), normal(64)]),
        ("polynomial of degree 4", polynomial, [normal(D, D)]),
        ("logsumexp of 50", log_sum_exp, [normal(50, D)]),
        ("normal log-likelihood, 100", log_likelihood, [normal(100), normal(100, 10)]),
    ]


# ---------------------------------------------------------------- packages


def wengert_calls(f: Any, data: list[Any], k: int) -> dict[str, Callable[[Any], Any]]:
    def g(x: Any) -> Any:
        return f(numpy, x, *data)

    return {
        "distinct": lambda x: wg.derivative_tensor(g, x, k),
        "dense": lambda x: wg.derivative_tensor(g, x, k).to_dense(),
    }


def jax_calls(f: Any, data: list[Any], k: int) -> dict[str, Callable[[Any], Any]]:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    given = [jax.numpy.asarray(a) for a in data]

    def g(x: Any) -> Any:
        return f(jax.numpy, x, *given)

    for _ in range(k):
        g = jax.jacfwd(g)
    compiled = jax.jit(g)
    return {"jax": lambda x: compiled(x).block_until_ready()}


def torch_calls(f: Any, data: list[Any], k: int) -> dict[str, Callable[[Any], Any]]:
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    given = [torch.as_tensor(a) for a in data]

    def g(x: Any) -> Any:
        return f(torch, x, *given)

    for _ in range(k):
        g = torch.func.jacfwd(g)
    nested = g
    return {"torch": lambda x: nested(torch.as_tensor(x)).numpy()}


# ---------------------------------------------------------------- timing


def timed(call: Callable[[Any], Any], x: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call(x)
    return 1e3 * (time.perf_counter() - start), result


def compare(name: str, f: Any, data: list[Any], k: int) -> None:
    x = rng.normal(size=D)
    calls: dict[str, Callable[[Any], Any]] = {}
    for maker in (wengert_calls, jax_calls, torch_calls):
        try:
            calls |= maker(f, data, k)
        except ImportError:
            continue
    first: dict[str, float] = {}
    reference: Any = None
    for own, call in calls.items():
        first[own], result = timed(call, x)
        array = numpy.asarray(result)
        reference = array if reference is None else reference
        assert numpy.allclose(array, reference, atol=1e-9 * numpy.max(numpy.abs(reference))), own
    times: dict[str, list[float]] = {own: [] for own in calls}
    stop = time.perf_counter() + BUDGET
    for _ in range(ROUNDS):
        for own, call in calls.items():
            times[own].append(timed(call, x)[0])
        if time.perf_counter() > stop:
            break
    medians = {own: statistics.median(values) for own, values in times.items()}
    cells = [f"{first[own]:8.0f} {medians[own]:9.2f}" for own in calls]
    ratios = [f"{medians[own] / medians['dense']:7.1f}" for own in calls if own in {"jax", "torch"}]
    print(f"{name:28} D{k} " + " ".join(cells) + "  " + " ".join(ratios))


def main() -> None:
    print(
        f"{'first and run in ms of':31} "
        + " ".join(f"{own:>18}" for own in ("distinct", "dense", "jax", "torch"))
        + "  jax/, torch/dense"
    )
    for name, f, data in _cases():
        for k in (3, 4):
            compare(name, f, data, k)


if __name__ == "__main__":
    main()
