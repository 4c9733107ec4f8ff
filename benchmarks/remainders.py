"""How tight the bounds of remainders are: bound / truth, at a point and on a ball, and their cost.

    PYTHONPATH=src python benchmarks/remainders.py

The truth at a point is f − T_n; on a ball it is the largest |f − T_n| at 2000 of its points.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

import wengert as wg
from wengert.taylor import remainder

RNG = np.random.default_rng(5)
W1, W2 = RNG.standard_normal((5, 3)) / 2, RNG.standard_normal(5)
ORDER, RADIUS = 3, 0.3

SUBJECTS: dict[str, tuple[Callable[..., Any], Any]] = {
    "exp": (np.exp, 0.0),
    "sin": (np.sin, 0.4),
    "1/(1 - x)": (lambda x: 1 / (1 - x), 0.0),
    "tanh": (np.tanh, 0.3),
    "logsumexp of 3": (lambda x: np.log(np.sum(np.exp(x))), np.array([0.1, -0.2, 0.15])),
    "network 3-5-1": (lambda x: W2 @ np.tanh(W1 @ x + 0.1), np.array([0.1, -0.2, 0.15])),
    "quadratic": (lambda x: x @ x, np.ones(3)),
}


def gap(f: Callable[..., Any], x0: Any, delta: Any) -> float:
    return abs(float(f(x0 + delta) - np.sum(wg.jet(f, x0, delta, order=ORDER))))


def main() -> None:
    print(f"order {ORDER}, at distance {RADIUS}; bound / truth, seconds of the second call")
    for name, (f, x0) in SUBJECTS.items():
        drawn = RNG.standard_normal((2000 if np.ndim(x0) else 200, *np.shape(x0)))
        length = np.abs(drawn) if not np.ndim(x0) else np.linalg.norm(drawn, axis=1)[:, None]
        deltas = RADIUS * drawn / length
        cells = []
        for arguments, truth in (
            ({"x": x0 + deltas[0]}, gap(f, x0, deltas[0])),
            ({"ball": RADIUS}, max(gap(f, x0, d) for d in deltas)),
        ):
            remainder(f, x0, order=ORDER, **arguments)
            start = perf_counter()
            found = remainder(f, x0, order=ORDER, **arguments)
            seconds = perf_counter() - start
            ratio = "0/0" if not float(found) else f"{float(found) / truth:.3f}"
            cells.append(f"{found.kind} {ratio:>6} {seconds:6.3f} s")
        print(f"{name:16} at a point: {cells[0]}   on the ball: {cells[1]}")


if __name__ == "__main__":
    main()
