"""Values and gradients in one call: native code beside NumPy and its peers.

Run ``python benchmarks/native.py [names] [--threads N] [--peers jax,torch,compile,autograd]``. In
turns: microseconds a call with the median of the rounds, the native call's time over that of the
native function alone, where the quickest of the peers stands, and milliseconds of processor time
from a Python function to its first result (tracing and differentiation included): compiled, and
taken from disk. The last lines are the geometric means of the peers' times over ours. Peers that
are not installed are left out; ``compile`` is PyTorch's compiler. For one core: ``taskset -c 0
python benchmarks/native.py``.
"""

from __future__ import annotations

import os
import sys


def option(name: str, default: str) -> str:
    """What stands after an option; it is taken out."""
    if name not in sys.argv:
        return default
    place = sys.argv.index(name)
    found = sys.argv[place + 1]
    del sys.argv[place : place + 2]
    return found


THREADS = int(option("--threads", "1"))
PEERS = option("--peers", "jax,torch").split(",")
for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = str(THREADS)
_eigen = str(THREADS > 1).lower()
os.environ["XLA_FLAGS"] = (
    f"--xla_cpu_multi_thread_eigen={_eigen} intra_op_parallelism_threads={THREADS}"
)
os.environ["JAX_PLATFORMS"] = "cpu"

import importlib
import math
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from models import Case, cases
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


JAX = optional("jax") if "jax" in PEERS else None
TORCH = optional("torch") if {"torch", "compile"} & set(PEERS) else None
AUTOGRAD = optional("autograd") if "autograd" in PEERS else None
if JAX is not None:
    JAX.config.update("jax_enable_x64", True)
if TORCH is not None:
    TORCH.set_num_threads(THREADS)


# ---------------------------------------------------------------- the engines


def log_sum_exp(x: Any, axis: int) -> Any:
    """SciPy's, looked up when it is called: tracing replaces it in its module."""
    return special.logsumexp(x, axis)


def of_numpy() -> Any:
    """NumPy's functions, by the names that the models have for them."""
    return SimpleNamespace(
        mean=np.mean, sum=np.sum, exp=np.exp, tanh=np.tanh, sin=np.sin, cos=np.cos,
        softplus=lambda x: np.logaddexp(0.0, x), einsum=np.einsum, solve=np.linalg.solve,
        logsumexp=log_sum_exp, sigmoid=special.expit, scan=wg.scan,
        logdet=lambda A: np.linalg.slogdet(A)[1],
    )  # fmt: skip


def derived(case: Case) -> tuple[int, ...]:
    """The arguments that a model is derived by."""
    return tuple(range(case.by))


def wengert_call(case: Case, name: str, *, alone: bool = False) -> Call:
    """Compiled by one of our engines; the function alone, or with its gradient."""
    m, model = of_numpy(), case.model

    def function(*arguments: Any) -> Any:
        return model(m, *arguments)

    called = function if alone else wg.value_and_grad(function, argnums=derived(case))
    compiled, arguments = wg.compile(called, engine=name, threads=THREADS), case.arguments
    return lambda: compiled(*arguments)


def jax_call(case: Case) -> Call:
    """jax.jit."""
    np_, nn = JAX.numpy, JAX.nn
    m = SimpleNamespace(
        mean=np_.mean, sum=np_.sum, exp=np_.exp, tanh=np_.tanh, sin=np_.sin, cos=np_.cos,
        softplus=nn.softplus, logsumexp=nn.logsumexp, sigmoid=nn.sigmoid, einsum=np_.einsum,
        solve=np_.linalg.solve, logdet=lambda A: np_.linalg.slogdet(A)[1], scan=JAX.lax.scan,
    )  # fmt: skip
    model = case.model
    compiled = JAX.jit(JAX.value_and_grad(lambda *a: model(m, *a), argnums=derived(case)))
    arguments = [np_.asarray(a) for a in case.arguments]
    return lambda: JAX.block_until_ready(compiled(*arguments))


def by_steps(stack: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    """Scan as a Python loop."""

    def scan(step: Callable[..., Any], state: Any, xs: Any) -> Any:
        found: list[Any] = []
        for x in xs:
            state, y = step(state, x)
            found.append(y)
        return state, stack(found)

    return scan


def torch_call(case: Case, *, compiled: bool = False) -> Call:
    """PyTorch, eagerly or by its compiler."""
    m = SimpleNamespace(
        mean=TORCH.mean, sum=TORCH.sum, exp=TORCH.exp, tanh=TORCH.tanh, sin=TORCH.sin,
        cos=TORCH.cos, softplus=TORCH.nn.functional.softplus, logsumexp=TORCH.logsumexp,
        sigmoid=TORCH.sigmoid, einsum=TORCH.einsum, solve=TORCH.linalg.solve,
        logdet=lambda A: TORCH.linalg.slogdet(A)[1], scan=by_steps(TORCH.stack),
    )  # fmt: skip
    tensors = [TORCH.tensor(a) for a in case.arguments]
    leaves = [t.requires_grad_(True) for t in tensors[: case.by]]

    def function(*arguments: Any) -> Any:
        return case.model(m, *arguments)

    chosen = TORCH.compile(function) if compiled else function

    def call() -> Any:
        value = chosen(*tensors)
        return value.detach(), TORCH.autograd.grad(value, leaves)

    return call


def autograd_call(case: Case) -> Call:
    """autograd."""
    np_ = importlib.import_module("autograd.numpy")
    lse = importlib.import_module("autograd.scipy.special").logsumexp
    m = SimpleNamespace(
        mean=np_.mean, sum=np_.sum, exp=np_.exp, tanh=np_.tanh, sin=np_.sin, cos=np_.cos,
        softplus=lambda x: np_.logaddexp(0.0, x), logsumexp=lse, einsum=np_.einsum,
        sigmoid=lambda x: 0.5 + 0.5 * np_.tanh(0.5 * x), solve=np_.linalg.solve,
        logdet=lambda A: np_.linalg.slogdet(A)[1], scan=by_steps(np_.stack),
    )  # fmt: skip
    split = case.by
    rest = case.arguments[split:]
    pair = AUTOGRAD.value_and_grad(lambda given: case.model(m, *given, *rest))
    return lambda: pair(case.arguments[:split])


def callers(case: Case) -> dict[str, Call]:
    """The engines that are there."""
    found = {"native": wengert_call(case, "native"), "numpy": wengert_call(case, "numpy")}
    if JAX is not None:
        found["jax"] = jax_call(case)
    if TORCH is not None and "torch" in PEERS:
        found["torch"] = torch_call(case)
    if TORCH is not None and "compile" in PEERS:
        found["compile"] = torch_call(case, compiled=True)
    if AUTOGRAD is not None:
        found["autograd"] = autograd_call(case)
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
    ratios: dict[str, list[float]] = {}
    shown = ["native", "numpy", *PEERS]
    head = "".join(f"{name:>10}" for name in ("native", "/ value", *shown[1:]))
    print(f"{'':26}{head}  first: native  kept    jax")
    for name, case in cases().items():
        if names and not any(part in name for part in names):
            continue
        calls = callers(case)
        expected = flat(calls["numpy"]())
        for other, call in list(calls.items()):
            for one, another in zip(expected, flat(call()), strict=True):
                np.testing.assert_allclose(another, one, rtol=1e-7, atol=1e-9, err_msg=other)
        calls["value"] = wengert_call(case, "native", alone=True)
        calls["value"]()
        time_of = medians(calls)
        first = first_calls(case)
        columns = [f"{time_of[k]:10.2f}" if k in time_of else f"{'':10}" for k in shown]
        columns.insert(1, f"{time_of['native'] / time_of['value']:10.2f}")
        jax_first = f"{first['jax']:7.0f}" if "jax" in first else ""
        print(
            f"{name:26}{''.join(columns)}{first['native']:15.1f}{first['kept']:6.1f}{jax_first}",
            flush=True,
        )
        for peer in time_of.keys() - {"native", "value"}:
            ratios.setdefault(peer, []).append(time_of[peer] / time_of["native"])
    for peer, found in sorted(ratios.items()):
        mean = math.exp(statistics.mean(map(math.log, found)))
        print(f"{peer} / native, geometric mean: {mean:.2f}, least: {min(found):.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
