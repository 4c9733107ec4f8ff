"""The radius of convergence estimated from coefficients, with an error estimate.

Sources: Domb and Sykes 1957 (ratios against 1/n, for one singularity nearest by); Mercer and
Roberts 1990 (a complex conjugate pair of them); the root test with the coefficients' envelope.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

_FEWEST = 12
_NOISE = 1e-9
_SURE = 1e-6  # an extrapolation as sharp as this needs no second opinion
_STAGES = 4  # of extrapolation in 1/n
_GROWTH = 1.15  # by which an entire function's radii grow when the order doubles


@dataclass(frozen=True)
class Estimated:
    """An estimate.

    Attributes
    ----------
    value : float
        The radius.
    error : float
        What it may be off by: how much the estimate moves with the number of coefficients.
    method : str
        Which one.
    """

    value: float
    error: float
    method: str


def estimate(coefficients: Sequence[float]) -> Estimated | None:
    """The radius of convergence of Σ cₙ tⁿ by its first coefficients; None if these are too few."""
    support = _without_noise(coefficients)
    if len(support) < _FEWEST:
        return None
    envelope = _envelope(coefficients, support)
    if _entire(coefficients, support):
        return Estimated(math.inf, math.inf, "the coefficients fall faster than any power")
    found = [envelope]
    steps = {b - a for a, b in pairwise(support)}
    if len(steps) == 1:
        (step,) = steps
        terms = np.array([coefficients[n] for n in support])
        for method, name in ((_ratios, "ratios of the coefficients"), (_pairs, "their quadruples")):
            radius = _extrapolated(method, terms, step, f"extrapolated {name}")
            if radius is not None:
                found.append(radius)
    best, *others = sorted(found, key=lambda e: e.error)
    if not others or best.error < _SURE * best.value:
        return best
    apart = abs(best.value - others[0].value)
    return Estimated(best.value, max(best.error, min(apart, others[0].error)), best.method)


def _without_noise(coefficients: Sequence[float]) -> list[int]:
    """Where the coefficients are not zero, but for rounding errors beside their neighbours."""
    logs = {n: math.log(abs(c)) for n, c in enumerate(coefficients) if c and math.isfinite(c)}
    kept: list[int] = []
    for n, value in logs.items():
        near = [logs[m] for m in (n - 1, n + 1) if m in logs]
        around = sum(near) / len(near) if len(near) == 2 else value
        if value > around + math.log(_NOISE):
            kept.append(n)
    return kept


def _envelope(coefficients: Sequence[float], support: Sequence[int]) -> Estimated:
    """log |cₙ| = −n log R − α log n + β, for the largest coefficients of short ranges."""
    values: list[float] = []
    for last in (3 * len(support) // 4, len(support)):
        used = support[last // 3 : last]
        width = max(1, len(used) // 12)
        tops = [
            max(used[i : i + width], key=lambda n: abs(coefficients[n]))
            for i in range(0, len(used), width)
        ]
        n = np.array(tops, dtype=float)
        logs = np.array([math.log(abs(coefficients[t])) for t in tops])
        matrix = np.stack([-n, -np.log(n + 1), np.ones_like(n)], axis=1)
        solution, *_ = np.linalg.lstsq(matrix, logs, rcond=None)
        values.append(math.exp(min(float(solution[0]), 700.0)))
    before, value = values
    return Estimated(value, abs(value - before) + 1e-3 * value, "a fit to the largest coefficients")


def _entire(coefficients: Sequence[float], support: Sequence[int]) -> bool:
    """Does the local radius keep growing?"""
    logs = [(n, math.log(abs(coefficients[n]))) for n in support if n]
    half = len(logs) // 2
    slopes: list[float] = []
    for part in (logs[half // 3 : half], logs[half:]):
        n = np.array([a for a, _ in part], dtype=float)
        y = np.array([b for _, b in part])
        slopes.append(-float(np.polyfit(n, y, 1)[0]))
    return slopes[1] - slopes[0] > math.log(_GROWTH) * 2


Method = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _ratios(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|cₙ/cₙ₋₁| → 1/R, with a series in 1/n."""
    return np.arange(1, len(terms), dtype=float), np.abs(terms[1:] / terms[:-1])


def _pairs(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(cₙ₊₁cₙ₋₁ − cₙ²)/(cₙcₙ₋₂ − cₙ₋₁²) → 1/R², for a conjugate pair of singularities."""
    scaled = terms / np.abs(terms).max()
    above = scaled[3:] * scaled[1:-2] - scaled[2:-1] ** 2
    below = scaled[2:-1] * scaled[:-3] - scaled[1:-2] ** 2
    with np.errstate(all="ignore"):
        return np.arange(2, len(terms) - 1, dtype=float), np.sqrt(np.abs(above / below))


def _extrapolated(method: Method, terms: np.ndarray, step: int, name: str) -> Estimated | None:
    """The limit by Richardson's extrapolation in 1/n: of all stages, the one that moves least."""
    with np.errstate(all="ignore"):
        n, values = method(terms)
        best: tuple[float, float] | None = None
        before = float("nan")
        for stage in range(_STAGES + 1):
            tail = values[-5:]
            if len(tail) < 5 or not np.all(np.isfinite(tail)):
                break
            spread = float(np.ptp(tail)) + 1e-15 * abs(float(tail[-1]))
            if not math.isnan(before):
                spread += abs(float(tail[-1]) - before)
            before = float(tail[-1])
            if best is None or spread < best[1]:
                best = before, spread
            weight = n[1:] / (stage + 1)
            values = values[1:] + (values[1:] - values[:-1]) * (weight - 1)
            n = n[1:]
    if best is None or best[0] <= 0:
        return None
    limit, spread = best
    radius = limit ** (-1 / step)
    return Estimated(radius, radius * 3 * spread / (limit * step), name)
