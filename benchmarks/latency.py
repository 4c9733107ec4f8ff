"""From a Python function to its first result, and what a call costs besides the work.

Run ``python benchmarks/latency.py [names]``. The first table has milliseconds of processor time,
tracing, differentiation and simplification included, each the median of fresh processes in which
the same model has run at another size: the native engine without what it keeps on disk and with
it, NumPy, jax.jit, and torch.compile (with ``--torch``: it takes minutes). The second one has
microseconds a call of small functions. Peers that are not installed are left out.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import native  # first of all: it chooses the number of threads
import numpy as np

import wengert as wg

PROCESSES, ROUNDS = 3, 15

Arguments = tuple[Any, ...]


# ---------------------------------------------------------------- the first result


def smaller(case: native.Case) -> native.Case:
    """The same model at another size: one entry less along axes as long as the data are."""
    length = max(map(len, case.arguments[case.by :] or case.arguments))

    def cut(array: Any) -> Any:
        for axis, n in enumerate(array.shape):
            if n == length:
                array = array.take(range(n - 1), axis)
        return np.ascontiguousarray(array)

    return native.Case(case.model, tuple(map(cut, case.arguments)), case.by)


def torch_compiled(case: native.Case) -> native.Call:
    """torch.compile of the model."""
    model, torch = case.model, native.TORCH
    compiled = torch.compile(model)
    return native.torch_call(native.Case(compiled, case.arguments, case.by))


MAKERS: dict[str, Callable[[native.Case], native.Call]] = {
    "native": lambda case: native.wengert_call(case, "native"),
    "kept": lambda case: native.wengert_call(case, "native"),
    "numpy": lambda case: native.wengert_call(case, "numpy"),
    "jax": native.jax_call,
    "torch": torch_compiled,
}


def first(maker: str, name: str) -> float:
    """Milliseconds of processor time to the first result of a case, in this process."""
    case = native.cases()[name]
    MAKERS[maker](smaller(case))()
    if maker == "native":
        native.engine().cache.folder = None
    make = MAKERS[maker]
    start = time.process_time()
    make(case)()
    return 1e3 * (time.process_time() - start)


def first_in_new_process(maker: str, name: str, cache: str) -> float:
    """The same in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--first", maker, name, "--peers", maker],  # and no other
        capture_output=True, text=True, check=False, env={**os.environ, "WENGERT_CACHE": cache},
    )  # fmt: skip
    try:
        return float(done.stdout.split()[-1])
    except (IndexError, ValueError):
        return float("nan")


def first_results(names: list[str], makers: list[str]) -> None:
    """The first table."""
    print(f"{'ms to the first result':24}" + "".join(f"{m:>9}" for m in makers), end="")
    print("   jax/native  jax/kept" if "jax" in makers else "")
    ratios: dict[str, list[float]] = {"native": [], "kept": []}
    for name in native.cases():
        if names and not any(part in name for part in names):
            continue
        with tempfile.TemporaryDirectory() as cache:
            for maker in ("native", "kept"):  # fills the folder
                first_in_new_process(maker, name, cache)
            found = {
                m: statistics.median(
                    first_in_new_process(m, name, cache)
                    for _ in range(1 if m == "torch" else PROCESSES)
                )
                for m in makers
            }
        print(f"{name:24}" + "".join(f"{found[m]:9.1f}" for m in makers), end="")
        if "jax" in found:
            for m, ratio in ratios.items():
                ratio.append(found["jax"] / found[m])
            print(f"{ratios['native'][-1]:13.1f}{ratios['kept'][-1]:10.1f}", end="")
        print(flush=True)
    if ratios["native"]:
        means = [statistics.geometric_mean(r) for r in ratios.values()]
        print(f"jax over ours, geometric means: {means[0]:.1f}, {means[1]:.1f}")


# ---------------------------------------------------------------- calls


def linear(x: Any, a: Any) -> Any:
    """Next to no work."""
    return a * x + 1.0


def step(weights: dict[str, Any], x: Any) -> Any:
    """A layer of four arrays and a sum."""
    inner = x * weights["scale"] + weights["shift"]
    return (inner * weights["left"] + weights["right"]).sum()


def calls() -> dict[str, tuple[Callable[..., Any], Arguments, dict[str, Any]]]:
    """Functions with arguments, by name."""
    x = np.linspace(0.0, 1.0, 4)
    weights = {name: x + k for k, name in enumerate(["left", "right", "scale", "shift"])}
    return {
        "two arrays": (linear, (x, x), {}),
        "an array, a float": (linear, (x, 2.0), {}),
        "two floats": (linear, (1.5, 2.0), {}),
        "an array, an integer": (linear, (x, 2), {}),
        "by keywords": (linear, (), {"x": x, "a": x}),
        "a dict of four arrays": (step, (weights, x), {}),
    }


def call_times() -> None:
    """The second table."""
    print(f"\n{'µs a call':24}{'native':>9}{'numpy':>9}{'jax':>9}{'plain':>9}")
    for name, (function, positional, named) in calls().items():
        makers: dict[str, Any] = {
            "native": wg.compile(function, engine="native"),
            "numpy": wg.compile(function, engine="numpy"),
        }
        if native.JAX is not None:
            makers["jax"] = _waiting(native.JAX.jit(function))
        makers["plain"] = function
        every = {m: _of(f, positional, named) for m, f in makers.items()}
        for call in every.values():
            for _ in range(1000):  # code that is called often is compiled again
                call()
        times = native.medians(every)
        columns = "".join(
            f"{times[m]:9.2f}" if m in times else f"{'':9}"
            for m in ("native", "numpy", "jax", "plain")
        )
        print(f"{name:24}{columns}")


def _of(function: Any, arguments: Arguments, named: dict[str, Any]) -> Callable[[], Any]:
    if named:
        return lambda: function(*arguments, **named)
    if len(arguments) == 2:
        x, y = arguments
        return lambda: function(x, y)
    return lambda: function(*arguments)


def _waiting(function: Any) -> Any:
    def call(*arguments: Any, **named: Any) -> Any:
        return native.JAX.block_until_ready(function(*arguments, **named))

    return call


def main(arguments: list[str]) -> None:
    """Print the tables."""
    if arguments[:1] == ["--first"]:
        with contextlib.redirect_stdout(sys.stderr):
            found = first(*arguments[1:])
        print(found)
        return
    makers = ["native", "kept", "numpy"]
    if native.JAX is not None:
        makers.append("jax")
    if "--torch" in arguments and native.TORCH is not None:
        makers.append("torch")
    first_results([a for a in arguments if not a.startswith("--")], makers)
    call_times()


if __name__ == "__main__":
    main(sys.argv[1:])
