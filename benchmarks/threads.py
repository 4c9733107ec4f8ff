"""One thread and two: native code beside JAX, and from which length on a second thread helps.

Run ``python benchmarks/threads.py``. The first table has milliseconds a call (the median of rounds
in turns; ×: one thread over two); JAX runs in processes of its own, one of them held on one core.
The second has microseconds of a loop of several lengths in pieces, by one thread, by two that had
work just before, and by two of which one sleeps. Other work on the machine spoils both: the least
of the rounds is said too. Peers that are not installed are left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

PEER = len(sys.argv) > 1 and sys.argv[1] == "--jax"
if PEER:  # before JAX looks how many cores there are
    if sys.argv[2] == "1":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.devices()

import native
import numpy as np

import wengert as wg
from wengert.backends.native.plans import dividing

ROUNDS, LONG = 21, 0.02  # seconds that a round takes at most
SLEEP = 2e-3  # seconds after which a thread sleeps
LENGTHS = (1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)

Call = Callable[[], Any]


def entries(m: Any, x: Any) -> Any:
    """Several functions, entry by entry; the gradient is as long as the argument."""
    return m.sum(m.sin(x) * m.exp(-x * x) + m.tanh(x))


def squares(m: Any, x: Any) -> Any:
    """A sum alone."""
    return m.sum(x * x)


def product(m: Any, A: Any, B: Any) -> Any:
    """A product of matrices, and two for its gradients."""
    return m.sum((A @ B) ** 2)


def cases() -> dict[str, native.Case]:
    """The cases by name."""
    rng = np.random.default_rng(1)
    found = native.cases()
    k, d, n = 25, 10, 10_000
    mixture = (rng.normal(size=(k, d)), np.zeros((k, d)), np.zeros(k), rng.normal(size=(n, d)))
    return {
        "entries 10^6": native.Case(entries, (rng.normal(size=1_000_000),)),
        "squares 4·10^6": native.Case(squares, (rng.normal(size=4_000_000),)),
        "logsumexp 640000": found["logsumexp 640000"],
        "product 700": native.Case(product, tuple(rng.normal(size=(2, 700, 700))), 2),
        "logistic 10^4x100": found["logistic 10^4x100"],
        "logistic 10^5x200": found["logistic 10^5x200"],
        "network 10^4x100-64-10": found["network 10^4x100-64-10"],
        "mixture 10^4x10, 25": native.Case(native.mixture, mixture, 3),
    }


def ours(case: native.Case, threads: int) -> Call:
    """Native code with so many threads."""
    m, model = native.of_numpy(), case.model
    gradient = wg.value_and_grad(lambda *a: model(m, *a), argnums=tuple(range(case.by)))
    compiled, arguments = wg.compile(gradient, engine="native", threads=threads), case.arguments
    return lambda: compiled(*arguments)


def seconds(call: Call, count: int) -> float:
    """A call, in a round of so many."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def count_of(call: Call) -> int:
    """Calls of a round."""
    call()
    return max(1, int(LONG / max(seconds(call, 1), 1e-6)))


# ---------------------------------------------------------------- JAX, in a process of its own


def serve() -> None:
    """Read names of cases, answer with the time of a round each."""
    every, calls = cases(), {}
    for line in sys.stdin:
        name = json.loads(line)
        if name not in calls:
            call = native.jax_call(every[name])
            calls[name] = call, count_of(call)
        print(json.dumps(seconds(*calls[name])), flush=True)


class Peer:
    """JAX with one core or all."""

    def __init__(self, cores: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--jax", cores], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, name: str) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(name) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


# ---------------------------------------------------------------- tables


def of_models() -> None:
    """Milliseconds by one thread and two."""
    peers = {f"jax {k}": Peer(k) for k in "12"} if native.JAX is not None else {}
    columns = ["one", "two", *peers]
    print(f"{'ms: median (least)':24}" + "".join(f"{c:>18}" for c in columns) + "      ×  jax ×")
    for name, case in cases().items():
        calls = {"one": ours(case, 1), "two": ours(case, 2)}
        for a, b in zip(*(native.flat(call()) for call in calls.values()), strict=True):
            np.testing.assert_array_equal(a, b)
        counts = {who: count_of(call) for who, call in calls.items()}
        times: dict[str, list[float]] = {c: [] for c in columns}
        for _ in range(ROUNDS):
            for who, call in calls.items():
                times[who].append(seconds(call, counts[who]))
            for who, peer in peers.items():
                times[who].append(peer(name))
        shown = "".join(f"{1e3 * median(t):10.3f} ({1e3 * min(t):5.3g})" for t in times.values())
        gain = median(times["one"]) / median(times["two"])
        of_jax = f"{median(times['jax 1']) / median(times['jax 2']):7.2f}" if peers else ""
        print(f"{name:24}{shown}{gain:7.2f}{of_jax}")
    for peer in peers.values():
        peer.close()


def of_lengths() -> None:
    """Microseconds of loops in pieces, whatever their length."""
    worth, dividing.WORTH = dividing.WORTH, 0.0
    print(f"\n{'µs: median (least)':24}{'one':>16}{'two, awake':>16}{'two, asleep':>16}")
    for n in LENGTHS:
        case = native.Case(entries, (np.random.default_rng(n).normal(size=n),))
        one, two = ours(case, 1), ours(case, 2)
        count = count_of(one)
        count_of(two)
        columns: list[list[float]] = [[], [], []]
        for _ in range(ROUNDS):
            columns[0].append(seconds(one, count))
            columns[1].append(seconds(two, count))
            time.sleep(SLEEP)
            columns[2].append(seconds(two, 1))
        print(
            f"{n:<24}" + "".join(f"{1e6 * median(t):8.1f} ({1e6 * min(t):5.4g})" for t in columns)
        )
    dividing.WORTH = worth


if __name__ == "__main__":
    if PEER:
        serve()
    else:
        of_models()
        of_lengths()
