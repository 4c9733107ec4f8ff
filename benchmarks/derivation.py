"""Time from the text of a formula to its simplified derivative, orders 1 to 4.

Run ``python benchmarks/derivation.py``: every formula of the test corpus (those of one variable
chosen once each), then chains of 10, 100 and 1000 layers. Times are wall-clock on this machine,
the best of three; nothing is cached between repetitions but the intern table of live nodes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import wengert as wg
from corpus.case import Case
from corpus.formulas import CASES

MAX_RANK = 6  # of a derivative; beyond it nobody reads the formula


def best_of(action: Callable[[], object], repetitions: int = 3) -> float:
    """The shortest time in milliseconds."""
    times: list[float] = []
    for _ in range(repetitions):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def derive(case: Case, name: str, order: int) -> object:
    """From the text to the simplified derivative."""
    return wg.formula(case.text, case.shapes, case.assume).derivative(name, order=order).shown


def formulas(limit: int) -> None:
    """One line an order: median, 90th percentile, slowest, and what is slow."""
    print(f"{'order':>5} {'formulas':>8} {'median':>8} {'90 %':>8} {'max':>8}  ms; over 100 ms")
    for order in range(1, 5):
        times: list[tuple[float, str]] = []
        for case in CASES[:limit]:
            name = case.wrt[0]
            f = wg.formula(case.text, case.shapes, case.assume)
            rank = len(f.shape) + order * next(len(v.shape) for v in f.variables if v.name == name)
            if rank <= MAX_RANK:
                times.append((best_of(partial(derive, case, name, order)), case.id))
        values = sorted(t for t, _ in times)
        slow = ", ".join(f"{name} {t:.0f}" for t, name in sorted(times, reverse=True) if t > 100)
        print(
            f"{order:>5} {len(values):>8} {statistics.median(values):>8.2f} "
            f"{values[int(0.9 * len(values))]:>8.2f} {values[-1]:>8.1f}  {slow}"
        )


def chains() -> None:
    """Backpropagation through many layers: how the time grows."""
    print(f"\n{'layers':>6} {'text':>8} {'derive':>8} {'simplify':>8}  ms")
    for layers in (10, 100, 1000):
        parts = ["h1 = tanh(A0*x)", *(f"h{k + 1} = tanh(A{k}*h{k})" for k in range(1, layers))]
        text = "; ".join([*parts, f"norm2(h{layers} - y)^2"])
        start = time.perf_counter()
        f = wg.formula(text)
        read = time.perf_counter()
        g = f.derivative("A0")
        derived = time.perf_counter()
        _ = g.shown
        shown = time.perf_counter()
        steps = (read - start, derived - read, shown - derived)
        print(f"{layers:>6} " + " ".join(f"{1e3 * s:>8.1f}" for s in steps))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=len(CASES), help="how many formulas")
    formulas(parser.parse_args().limit)
    chains()
