"""Values and gradients in one call: native code beside NumPy, JAX and PyTorch.

Run ``python benchmarks/native.py [names]``. One thread, in turns: microseconds a call with the
median of the rounds, where the quickest of the peers stands, and milliseconds of processor time
from a Python function to its first result (tracing and differentiation included): compiled, and
taken from disk. The last line is the geometric mean of JAX's time over ours. Peers that are not
installed are left out. For one core: ``taskset -c 0 python benchmarks/native.py``.
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
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import special

import wengert as wg
from wengert.backends import programs
from wengert.backends.native.engine import engine
from wengert.structured import running

ROUNDS, LONG = 15, 0.02  # seconds that a round of one peer takes at most

Call = Callable[[], Any]


def optional(name: str) -> Any:
    """A module, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


JAX, TORCH = optional("jax"), optional("torch")
if JAX is not None:
    JAX.config.update("jax_enable_x64", True)
if TORCH is not None:
    TORCH.set_num_threads(1)


# ---------------------------------------------------------------- the models


def logistic(m: Any, w: Any, X: Any, y: Any) -> Any:
    """Mean logistic loss and a penalty."""
    return m.mean(m.softplus(-y * (X @ w))) + 0.01 * m.sum(w * w)


def network(m: Any, V: Any, b: Any, W: Any, c: Any, X: Any, T: Any) -> Any:
    """Two layers, mean squared error."""
    return m.mean((m.tanh(X @ V + b) @ W + c - T) ** 2)


def log_sum(m: Any, x: Any) -> Any:
    """log Σ exp."""
    return m.logsumexp(x, 0)


def mixture(m: Any, means: Any, scales: Any, weights: Any, X: Any) -> Any:
    """A mixture of Gaussians with diagonal covariances."""
    gaps = (X[:, None, :] - means) * m.exp(-scales)
    inner = weights - 0.5 * m.sum(gaps * gaps, 2) - m.sum(scales, 1)
    return -m.sum(m.logsumexp(inner, 1))


def classes(m: Any, W: Any, X: Any, Y: Any) -> Any:
    """Multinomial logistic regression."""
    Z = X @ W
    return m.mean(m.logsumexp(Z, 1) - m.sum(Z * Y, 1))


def chain(m: Any, x: Any) -> Any:
    """Ten elementwise operations and a sum."""
    y = m.sin(x) * m.exp(-x * x) + m.tanh(x) / (1.0 + x * x)
    return m.sum(y * m.cos(y) + m.exp(-y))


@dataclass(frozen=True)
class Case:
    """A model, its arguments, and how many of them are derived by."""

    model: Callable[..., Any]
    arguments: tuple[Any, ...]
    by: int = 1


def cases() -> dict[str, Case]:
    """The cases by name, drawn anew."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return rng.normal(size=shape) / math.sqrt(shape[-1] if len(shape) > 1 else 1)

    def logistic_case(n: int, d: int) -> Case:
        return Case(logistic, (draw(d), draw(n, d), np.sign(draw(n))))

    def network_case(n: int, i: int, h: int, o: int) -> Case:
        given = (draw(i, h), draw(h), draw(h, o), draw(o), draw(n, i), draw(n, o))
        return Case(network, given, 4)

    def mixture_case(n: int, d: int, k: int) -> Case:
        return Case(mixture, (draw(k, d), draw(k, d) / 9, draw(k), draw(n, d)), 3)

    return {
        "chain 1000": Case(chain, (draw(1000),)),
        "logistic 20x5": logistic_case(20, 5),
        "logistic 100x20": logistic_case(100, 20),
        "logistic 10^4x100": logistic_case(10_000, 100),
        "logistic 10^5x200": logistic_case(100_000, 200),
        "network 100x20-32-4": network_case(100, 20, 32, 4),
        "network 10^4x100-64-10": network_case(10_000, 100, 64, 10),
        "logsumexp 10^4": Case(log_sum, (draw(10_000),)),
        "logsumexp 640000": Case(log_sum, (draw(640_000),)),
        "mixture 1000x10, 25": mixture_case(1000, 10, 25),
        "classes 1000x20, 5": Case(
            classes, (draw(20, 5), draw(1000, 20), np.eye(5)[rng.integers(0, 5, 1000)])
        ),
    }


# ---------------------------------------------------------------- the engines


def of_numpy() -> Any:
    """NumPy's functions, by the names that the models have for them."""
    return SimpleNamespace(
        mean=np.mean, sum=np.sum, exp=np.exp, tanh=np.tanh, sin=np.sin, cos=np.cos,
        softplus=lambda x: np.logaddexp(0.0, x), logsumexp=special.logsumexp,
    )  # fmt: skip


def wengert_call(case: Case, name: str) -> Call:
    """Compiled by one of our engines."""
    m, model = of_numpy(), case.model
    gradient = wg.value_and_grad(lambda *a: model(m, *a), argnums=tuple(range(case.by)))
    compiled, arguments = wg.compile(gradient, engine=name), case.arguments
    return lambda: compiled(*arguments)


def jax_call(case: Case) -> Call:
    """jax.jit."""
    np_, nn = JAX.numpy, JAX.nn
    m = SimpleNamespace(
        mean=np_.mean, sum=np_.sum, exp=np_.exp, tanh=np_.tanh, sin=np_.sin, cos=np_.cos,
        softplus=nn.softplus, logsumexp=nn.logsumexp,
    )  # fmt: skip
    model = case.model
    compiled = JAX.jit(JAX.value_and_grad(lambda *a: model(m, *a), argnums=tuple(range(case.by))))
    arguments = [np_.asarray(a) for a in case.arguments]
    return lambda: JAX.block_until_ready(compiled(*arguments))


def torch_call(case: Case) -> Call:
    """PyTorch, eagerly."""
    m = SimpleNamespace(
        mean=TORCH.mean, sum=TORCH.sum, exp=TORCH.exp, tanh=TORCH.tanh, sin=TORCH.sin,
        cos=TORCH.cos, softplus=TORCH.nn.functional.softplus, logsumexp=TORCH.logsumexp,
    )  # fmt: skip
    tensors = [TORCH.tensor(a) for a in case.arguments]
    leaves = [t.requires_grad_(True) for t in tensors[: case.by]]

    def call() -> Any:
        value = case.model(m, *tensors)
        return value.detach(), TORCH.autograd.grad(value, leaves)

    return call


def callers(case: Case) -> dict[str, Call]:
    """The engines that are there."""
    found = {"native": wengert_call(case, "native"), "numpy": wengert_call(case, "numpy")}
    if JAX is not None:
        found["jax"] = jax_call(case)
    if TORCH is not None:
        found["torch"] = torch_call(case)
    return found


# ---------------------------------------------------------------- measuring


def flat(result: Any) -> list[Any]:
    """All numbers of a value and its gradients."""
    value, gradients = result
    return [np.asarray(value), *(np.asarray(g) for g in gradients)]


def medians(calls: dict[str, Call]) -> dict[str, float]:
    """Microseconds a call, in turns."""
    counts: dict[str, int] = {}
    for name, call in calls.items():
        start = time.perf_counter()
        call()
        counts[name] = max(1, int(LONG / max(time.perf_counter() - start, 1e-7)))
        counts[name] = min(counts[name], 2000)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(counts[name]):
                call()
            times[name].append((time.perf_counter() - start) / counts[name])
    return {name: 1e6 * statistics.median(found) for name, found in times.items()}


def forget() -> None:
    """What was compiled in this process, so that the next call begins anew."""
    programs._program_of.cache_clear()  # pyright: ignore[reportPrivateUsage]
    programs.plan_of.cache_clear()
    sys.modules[running.__module__]._running.cache_clear()


def first_calls(case: Case) -> dict[str, float]:
    """Milliseconds of processor time to the first result."""
    found: dict[str, float] = {}
    kept, engine().cache.folder = engine().cache.folder, None
    makers = {"native": lambda: wengert_call(case, "native")}
    if JAX is not None:
        makers["jax"] = lambda: jax_call(case)
    for name, make in makers.items():
        found[name] = statistics.median(_first(make) for _ in range(3))
    engine().cache.folder = kept
    _first(makers["native"])
    found["kept"] = statistics.median(_first(makers["native"]) for _ in range(3))
    return found


def _first(make: Callable[[], Call]) -> float:
    forget()
    start = time.process_time()
    make()()
    return 1e3 * (time.process_time() - start)


def main(names: list[str]) -> None:
    """Print the table."""
    ratios: list[float] = []
    print(f"{'':24}{'native':>10}{'numpy':>10}{'jax':>10}{'torch':>10}  first: native  kept    jax")
    for name, case in cases().items():
        if names and not any(part in name for part in names):
            continue
        calls = callers(case)
        expected = flat(calls["numpy"]())
        for other, call in calls.items():
            for one, another in zip(expected, flat(call()), strict=True):
                np.testing.assert_allclose(another, one, rtol=1e-7, atol=1e-9, err_msg=other)
        time_of = medians(calls)
        first = first_calls(case)
        columns = "".join(
            f"{time_of[k]:10.2f}" if k in time_of else f"{'':10}"
            for k in ("native", "numpy", "jax", "torch")
        )
        jax_first = f"{first['jax']:7.0f}" if "jax" in first else ""
        print(f"{name:24}{columns}{first['native']:15.1f}{first['kept']:6.1f}{jax_first}")
        if "jax" in time_of:
            ratios.append(time_of["jax"] / time_of["native"])
    if ratios:
        print(
            f"jax / native, geometric mean: {math.exp(statistics.mean(map(math.log, ratios))):.2f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
