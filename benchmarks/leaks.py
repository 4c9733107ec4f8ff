"""What compiling and calling leave behind: memory of the process by compilations and calls.

    python benchmarks/leaks.py [--compilations 20000] [--calls 1000000]

Each program is another one (other constants), is called once and dropped. The caches that keep
programs on purpose (1,024 of each kind, 4,096 numbers) are full after the first rows; from then
on the memory should stay where it is. Calls on traced arrays are remembered too, 32,768 of them,
before all are forgotten at once (some 40 MiB, half of it holes between them); here they are
forgotten with each row. Nothing is kept on disk.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["WENGERT_CACHE"] = "off"

import numpy as np

import wengert as wg
from wengert.tracing import calls as remembered

ROWS = 10


def resident() -> float:
    """MiB of the process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def row(what: str, count: int, begun: float) -> None:
    remembered.forget()
    gc.collect()
    blocks = sys.getallocatedblocks()
    each = 1e6 * (time.perf_counter() - begun) / max(count, 1)
    print(
        f"{what:14} {count:>10,} {resident():>9.1f} MiB {blocks:>11,} blocks {each:>9.1f} us each"
    )
    sys.stdout.flush()


def compilations(total: int) -> None:
    x = np.linspace(0, 1, 5)
    begun = time.perf_counter()
    row("compilations", 0, begun)
    for k in range(1, total + 1):
        factor = 1.0 + k / 2  # short enough to be part of the program
        wg.compile(lambda x, factor=factor: np.sum(x * factor) + factor, engine="native")(x)
        if k % max(total // ROWS, 1) == 0:
            row("compilations", k, begun)


def calls(total: int) -> None:
    x, w = np.linspace(0, 1, 5), np.ones(5)
    whole = wg.compile(wg.value_and_grad(lambda w, x: np.sum(np.tanh(w * x))), engine="native")
    stepwise = wg.compile(lambda w, x: np.exp(np.sort(w * x)) + 1, engine="native")
    begun = time.perf_counter()
    row("calls", 0, begun)
    for k in range(1, total + 1):
        whole(w, x)
        if k % 10 == 0:
            whole(w[::-1], x)  # goes the slow way
            stepwise(w, x)
        if k % max(total // ROWS, 1) == 0:
            row("calls", k, begun)
    found = [sys.getrefcount(a) for a in (x, w)]
    print(f"references to the arguments: {found}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compilations", type=int, default=20_000)
    parser.add_argument("--calls", type=int, default=1_000_000)
    options = parser.parse_args()
    calls(options.calls)
    compilations(options.compilations)


if __name__ == "__main__":
    main()
