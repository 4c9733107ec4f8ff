"""How far native code is from the machine's limits, model by model.

Run ``python benchmarks/limit.py [names] [--threads N]``. The limits are measured first: copies of
arrays (of the size of the model's, from the cache or from memory), a product of matrices, and exp
of numbers in the cache. Then, for each model of ``models.py`` with its gradient: microseconds a
call (the quickest of the rounds), the bytes of its arguments and results over that time as a share
of the copy's, the FLOPs of its plan as a share of the product's, and the least time that the three
limits together allow (arguments and results moved once, products at the product's speed, one exp
for every entry of a function that is not algebra) as a share of the time.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import native  # reads --threads, and sets the environment
import numpy as np
from models import Case, cases

import wengert as wg
from wengert.backends.native.mathematics.routines import FUNCTIONS
from wengert.plan import Plan
from wengert.plan.instructions import Apply, Instruction, Loop, Pair

_SECONDS, _LEAST = 0.3, 7  # what is measured runs so long, and so often


def quickest(call: Callable[[], Any]) -> float:
    """Seconds of the quickest call."""
    best, end, count = np.inf, time.perf_counter() + _SECONDS, 0
    while count < _LEAST or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best, count = min(best, time.perf_counter() - start), count + 1
    return float(best)


@cache
def copying(size: int) -> float:
    """Bytes a second of copies of arrays that have so many bytes together, from where they are.

    Arrays longer than a piece are copied piece by piece, so that nobody interrupts.
    """
    long, other = np.ones(max(size // 16, 64)), np.ones(max(size // 16, 64))
    piece = 1 << 18
    parts = [slice(k, k + piece) for k in range(0, long.size, piece)]
    if len(parts) > 1 and long.size % piece:
        parts.pop()
    turns = itertools.cycle(parts)

    def copy() -> None:
        part = next(turns)
        np.copyto(other[part], long[part])

    return 16 * min(piece, long.size) / quickest(copy)


@dataclass(frozen=True)
class Machine:
    """FLOPs a second of products, and seconds of an exp."""

    product: float
    exp: float


def measured() -> Machine:
    """This machine's limits."""
    n = 384
    A, B, C = np.ones((n, n)), np.ones((n, n)), np.ones((n, n))
    product = 2 * n**3 / quickest(lambda: np.matmul(A, B, out=C))
    x = np.linspace(-3.0, 3.0, 2000)
    exp = wg.compile(np.exp, engine="native")
    exp(x)
    return Machine(product, quickest(lambda: exp(x)) / x.size)


def steps(plan: Plan) -> Iterable[tuple[Instruction, int]]:
    """The instructions, and how often each one runs."""
    for i in plan.instructions:
        yield i, 1
        times = (i.length or 1) if isinstance(i, Loop) else 1
        for body in i.bodies:
            yield from ((inner, times * n) for inner, n in steps(body.plan))


def _is_function(i: Instruction) -> bool:
    """Is it a function that takes about as long as exp?"""
    if not isinstance(i, Apply):
        return False
    primitive = i.node.primitive
    if primitive.by_rows is not None and primitive.name in {"softmax", "logsumexp"}:
        return True
    form = primitive.written or primitive.name
    known = FUNCTIONS.get(form) if isinstance(form, str) else None
    return primitive.elementwise and not (known is not None and known.short)


def least(machine: Machine, plan: Plan, moved: int) -> float:
    """Seconds that the limits allow."""
    products = sum(n * i.flops for i, n in steps(plan) if isinstance(i, Pair))
    functions = sum(n * max(prod(i.shape), 1) for i, n in steps(plan) if _is_function(i))
    busy = products / machine.product + functions * machine.exp
    return max(moved / copying(near(moved)), busy)


def near(size: int) -> int:
    """The next power of two, so that few copies are measured."""
    return 1 << (size - 1).bit_length()


def row(machine: Machine, case: Case) -> str:
    """One model's line."""
    m, model = native.of_numpy(), case.model
    gradient = wg.value_and_grad(lambda *a: model(m, *a), argnums=native.derived(case))
    compiled = wg.compile(gradient, engine="native", threads=native.THREADS)
    results = native.flat(compiled(*case.arguments))
    plan = compiled.plan(*case.arguments)
    flops = sum(n * i.flops for i, n in steps(plan))
    moved = sum(a.nbytes for a in (*case.arguments, *results))
    seconds = quickest(lambda: compiled(*case.arguments))
    share = least(machine, plan, moved) / seconds
    return (
        f"{1e6 * seconds:12.1f} {moved / seconds / 1e9:8.2f} "
        f"{moved / seconds / copying(near(moved)):6.0%} {flops / seconds / 1e9:8.2f} "
        f"{flops / seconds / machine.product:6.0%} {share:8.0%}"
    )


def main(names: list[str]) -> None:
    """Print the table."""
    machine = measured()
    print(
        f"copy {copying(1 << 28) / 1e9:.1f} GB/s from memory, "
        f"product {machine.product / 1e9:.1f} GFLOP/s, exp {1e9 * machine.exp:.2f} ns"
    )
    print(f"{'':26}{'µs':>12} {'GB/s':>8} {'':6} {'GFLOP/s':>8} {'':6} {'of limit':>8}")
    for name, case in cases().items():
        if not names or any(part in name for part in names):
            print(f"{name:26}{row(machine, case)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
