"""The rate of a measured run: how fast its gap falls, with an interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["power", "linear", "quadratic"]
_POINTS = 200  # records that a line is fitted to at most, evenly spread
_FEWEST = 5
_STEADY = 0.5  # of the variance that a line explains: the gap falls
_FASTER = 0.25  # of the gap before: steps that count for the order of convergence
_SUPERLINEAR = 1.5  # an order above this, with an interval that excludes 1
_APART = 1.5  # by what factor one model must predict better than the other to be told apart


@dataclass(frozen=True)
class Rate:
    """How fast a gap falls.

    Attributes
    ----------
    kind : str
        "power": as T^slope. "linear": by the factor e^slope a step. "quadratic": the logarithm of
        the gap is multiplied by ``slope`` a step, the order of convergence.
    slope : float
        The estimate.
    interval : tuple of float
        Where the slope lies with 95 % confidence, if its residuals are what they seem.
    r2 : float
        The share of the variance of the logarithm that the line explains.
    how : str
        From which records, and how the kind was chosen.
    monotone : bool
        Whether each of these records is below the one before.
    """

    kind: Kind
    slope: float
    interval: tuple[float, float]
    r2: float
    how: str
    monotone: bool = False

    @property
    def trend(self) -> str:
        """What can be said where the interval of the slope holds 0."""
        if self.monotone or self.r2 > _STEADY:
            return "the gap falls, but neither like a power of T nor by a constant factor yet"
        return "it cannot be told whether the gap still falls"

    @property
    def words(self) -> str:
        """A sentence."""
        low, high = self.interval
        if self.kind == "quadratic":
            what = f"each step multiplies the number of digits by {self.slope:.3g}"
            return f"{what} (95 %: {low:.3g} to {high:.3g})"
        if low <= 0 <= high:
            return f"{self.trend} (slope {self.slope:.2g}, 95 %: {low:.2g} to {high:.2g})"
        if self.kind == "power":
            return f"the gap goes as T^{self.slope:.3g} (95 %: {low:.3g} to {high:.3g})"
        factors = (math.exp(v) for v in (self.slope, low, high))
        return "each step multiplies the gap by {:.6g} (95 %: {:.6g} to {:.6g})".format(*factors)

    def __str__(self) -> str:
        return f"{self.words}; {self.how}"

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers, as JSON takes them."""
        return {
            "kind": self.kind,
            "slope": self.slope,
            "interval": list(self.interval),
            "r2": self.r2,
            "words": self.words,
            "how": self.how,
        }


def measured_rate(
    steps: Any,
    gap: Any,
    kind: Kind | None = None,
    *,
    start: float | None = None,
    floor: float = 0.0,
) -> Rate:
    """The rate at which a gap falls at the end of a run.

    Parameters
    ----------
    steps, gap : array_like
        Records, in order; another positive quantity that falls will do as well.
    kind : str, optional
        "power", "linear" or "quadratic". By default quadratic if the order of convergence, from one
        step to the next, is above 1.5 with an interval that excludes 1; otherwise of power and
        linear the one that predicts the second half of the run better from what came before.
    start : float, optional
        From which step on; by default the latter half of the steps, of their logarithms for
        "power".
    floor : float
        Where rounding begins: the records from the first gap on that is not above it are left out.

    Returns
    -------
    Rate
        With an interval that allows for residuals that follow each other: by their correlation r
        from one record to the next, n of them count as n(1 − r)/(1 + r).

    Raises
    ------
    ValueError
        With fewer than 5 records to use (for "quadratic": 4).

    Examples
    --------
    >>> t = np.arange(1, 1001)
    >>> measured_rate(t, 3 / t).words
    'the gap goes as T^-1 (95 %: -1 to -1)'
    >>> measured_rate(t, 3 * 0.9**t).kind
    'linear'
    """
    t, e = _usable(steps, gap, floor)
    why = "as asked for"
    if kind is None:
        kind, why = _chosen(t, e)
    if kind == "quadratic":
        return _order(t, e, why)
    first = _beginning(t, kind) if start is None else start
    late = t >= first
    if kind == "power":
        late &= t > 0
    t, e = t[late], e[late]
    if len(t) < _FEWEST:
        raise ValueError(
            f"a rate needs {_FEWEST} records or more of a positive gap; there are {len(t)} from "
            f"step {first:g} on"
        )
    t, e = _thinned(t, e, logarithmic=kind == "power")
    x = np.log(t) if kind == "power" else t
    line = _Line.through(x, np.log(e))
    how = f"{len(t)} records from step {t[0]:g} to {t[-1]:g}, {why}"
    return Rate(kind, line.slope, line.interval(), line.r2, how, bool(np.all(np.diff(e) < 0)))


def _usable(steps: Any, gap: Any, floor: float) -> tuple[Any, Any]:
    t, e = np.asarray(steps, float), np.asarray(gap, float)
    if t.ndim != 1 or t.shape != e.shape:
        raise ValueError(
            f"steps and gaps are vectors of the same length; got {t.shape} and {e.shape}"
        )
    over = np.flatnonzero(~(e > floor) | ~np.isfinite(e))
    end = over[0] if len(over) else len(e)
    return t[:end], e[:end]


def _beginning(t: Any, kind: Kind) -> float:
    """Where the latter half begins."""
    if not len(t):
        return 0.0
    if kind == "linear":
        return float(t[0] + t[-1]) / 2
    return math.sqrt(max(float(t[0]), 1.0) * max(float(t[-1]), 1.0))


def _thinned(t: Any, e: Any, logarithmic: bool) -> tuple[Any, Any]:
    """At most 200 records, evenly spread."""
    if len(t) <= _POINTS and not logarithmic:
        return t, e
    x: Any = np.log(t) if logarithmic else t
    targets = np.linspace(float(x[0]), float(x[-1]), min(_POINTS, len(x)))
    where = np.unique(np.rint(np.interp(targets, x, np.arange(len(x)))).astype(int))
    return t[where], e[where]


# ---------------------------------------------------------------- the line


@dataclass(frozen=True)
class _Line:
    """A line by least squares, with how sure its slope is."""

    slope: float
    error: float
    freedom: float
    r2: float

    @staticmethod
    def through(x: Any, y: Any) -> _Line:
        """With residuals that are taken to follow an autoregression of order 1."""
        n = len(x)
        dx, dy = x - x.mean(), y - y.mean()
        square = float(dx @ dx)
        slope = float(dx @ dy) / square
        residual = dy - slope * dx
        left = float(residual @ residual)
        count = n / _inflation(residual, left)
        freedom = max(count - 2, 1.0)
        error = math.sqrt(left / freedom / square)
        whole = float(dy @ dy)
        return _Line(slope, error, freedom, 1 - left / whole if whole else 1.0)

    def interval(self) -> tuple[float, float]:
        """With 95 % confidence."""
        from scipy import special  # noqa: PLC0415

        quantile: Any = special.stdtrit
        half = float(quantile(self.freedom, 0.975)) * self.error
        return self.slope - half, self.slope + half


def _inflation(residual: Any, left: float) -> float:
    """By what the variance of a slope is larger than with independent residuals; at least 1.

    (1 + r)/(1 − r), with the correlation r of neighbours, which residuals of a line show as too
    small by about (2 + 4r)/n.
    """
    n = len(residual)
    if left <= 0 or n < 4:
        return 1.0
    r = float(residual[1:] @ residual[:-1]) / left
    r += (2 + 4 * r) / n
    r = min(max(r, 0.0), 1 - 4 / (n + 2))  # at least about two that count
    return (1 + r) / (1 - r)


# ---------------------------------------------------------------- the order of convergence


def _pairs(t: Any, e: Any) -> tuple[Any, Any]:
    """Logarithms of the gap before and after each of the last steps that shrink it much."""
    if len(e) < 3 or np.any(np.diff(t) != t[1] - t[0]):
        return np.zeros(0), np.zeros(0)
    fast = e[1:] < _FASTER * e[:-1]
    slow = np.flatnonzero(~fast)
    first = slow[-1] + 1 if len(slow) else 0
    return np.log(e[first:-1]), np.log(e[first + 1 :])


def _order(t: Any, e: Any, why: str) -> Rate:
    before, after = _pairs(t, e)
    if len(before) < 3:
        raise ValueError(
            "the order of convergence needs 4 records of consecutive steps, each with less than "
            f"{_FASTER:g} times the gap before; there are {len(before) + 1}"
        )
    line = _Line.through(before, after)
    how = f"the last {len(before)} steps, {why}"
    return Rate("quadratic", line.slope, line.interval(), line.r2, how)


def _chosen(t: Any, e: Any) -> tuple[Kind, str]:
    before, after = _pairs(t, e)
    if len(before) >= 3:
        line = _Line.through(before, after)
        if line.slope > _SUPERLINEAR and line.interval()[0] > 1:
            return "quadratic", "as the order is above 1"
    power, linear = _misses(t, e, logarithmic=True), _misses(t, e, logarithmic=False)
    kind: Kind = "power" if power <= linear else "linear"
    best, other = min(power, linear), max(power, linear)
    if other <= _APART * best:
        return kind, "though a power and a constant factor predict the run about equally well"
    missed = f"{best:.2g} against {other:.2g}"
    return kind, f"which predicts the logarithm of the latter half better ({missed})"


def _misses(t: Any, e: Any, logarithmic: bool) -> float:
    """How far a line through t/16 to t/2 is from the logarithm of the gap after that."""
    keep = t > 0
    t, e = t[keep], e[keep]
    if len(t) < _FEWEST:
        return math.inf
    end = t[-1]
    known, rest = (t >= end / 16) & (t <= end / 2), t > end / 2
    if np.sum(known) < 3 or not np.any(rest):
        half = len(t) // 2 + 1
        known, rest = np.arange(len(t)) < half, np.arange(len(t)) >= half
    x: Any = np.log(t) if logarithmic else t
    y: Any = np.log(e)
    line = _Line.through(x[known], y[known])
    missed: Any = y[rest] - y[known].mean() - line.slope * (x[rest] - x[known].mean())
    return math.sqrt(float(missed @ missed) / len(missed))
