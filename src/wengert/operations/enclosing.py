"""How declarations say in which interval an operation's value lies, given those of its operands.

Most functions take their extreme values at the ends of the intervals and at turning points that
are known. Values are computed by the operation itself and widened by the largest error that it
makes: 4 ulps for NumPy's functions (theirs are within 4, those of the system's library within 1),
and the ``relative`` and ``absolute`` errors of SciPy's, which state none: these are measured
against mpmath, with a reserve of a hundredfold at least, and not proved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product
from math import inf, pi
from typing import Any

import numpy as np

from wengert.expr import Expr
from wengert.operations.intervals import (
    EPS,
    Interval,
    clipped,
    down,
    point,
    up,
    whole,
    widened,
)
from wengert.shapes import concrete

Enclosure = Callable[..., Interval]
_SPECIAL = 1e-12
_FEW_TURNS = 1e5  # beyond, the rounding of a number is felt between turning points


@dataclass(frozen=True)
class Extremes:
    """Monotone in each operand between its turning points, whatever the others are.

    Attributes
    ----------
    turns : tuple of tuple of float
        The turning points, one tuple an operand.
    low, high : tuple of float
        Where each operand has to be; outside the result is NaN.
    within : tuple of float
        What the function never leaves.
    relative, absolute : float
        The largest errors of its evaluation.
    """

    turns: tuple[tuple[float, ...], ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    within: tuple[float, float] = (-inf, inf)
    relative: float = 4 * EPS
    absolute: float = 0.0

    def __call__(self, node: Expr, *operands: Interval) -> Interval:
        """The interval of the node's value."""
        padded = (*self.turns, *[()] * len(operands))
        choices = [
            [x.lower, x.upper, *(np.clip(t, x.lower, x.upper) for t in turns)]
            for x, turns in zip(operands, padded, strict=False)
        ]
        with np.errstate(all="ignore"):
            values = [evaluated(node, *chosen) for chosen in product(*choices)]
        found = Interval(reduce(np.minimum, values), reduce(np.maximum, values))
        if self.relative or self.absolute:
            found = widened(found.lower, found.upper, self.relative, self.absolute)
        if self.within != (-inf, inf):
            found = clipped(found, *self.within)
        return self._in_domain(found, operands)

    def _in_domain(self, found: Interval, operands: tuple[Interval, ...]) -> Interval:
        outside: Any = False
        for x, low in zip(operands, self.low, strict=False):
            outside = outside | (x.lower < low)
        for x, high in zip(operands, self.high, strict=False):
            outside = outside | (x.upper > high)
        return blanked(found, outside) if np.any(outside) else found

    def on(self, low: float = -inf, high: float = inf) -> Extremes:
        """The same for a function of one operand, between two numbers."""
        return replace(self, low=(low,), high=(high,))

    def turning(self, *places: float) -> Extremes:
        """The same for a function of one operand that turns there."""
        return replace(self, turns=(places,))


def ends_of(node: Expr) -> list[tuple[int, float]]:
    """The operands whose domain ends, as its enclosure declares, and the numbers where it does."""
    declared = node.primitive.enclosure
    if not isinstance(declared, Extremes):
        return []
    sides = (declared.low, declared.high)
    return [(k, end) for side in sides for k, end in enumerate(side) if np.isfinite(end)]


def evaluated(node: Expr, *arrays: Any) -> Any:
    """The operation's own values."""
    return np.asarray(node.primitive.evaluate(node, *(np.asarray(a) for a in arrays)))


def blanked(found: Interval, where: Any) -> Interval:
    """NaN at some entries: no enclosure there."""
    return Interval(np.where(where, np.nan, found.lower), np.where(where, np.nan, found.upper))


MONOTONE = Extremes()
EXACT = Extremes(relative=0)
SPECIAL = Extremes(relative=_SPECIAL)
CROSSING = Extremes(relative=_SPECIAL, absolute=1e-14)  # right at its zeros to the last place only
ROUGH = Extremes(relative=1e-8, absolute=1e-12)  # quadrature, and series that cancel


@dataclass(frozen=True)
class Periodic:
    """Turning points at equal distances, as those of sine and cosine.

    Attributes
    ----------
    phase, distance : float
        The turning points are ``phase + k · distance``.
    within : tuple of float
        The least and the largest value.
    slope : float
        The largest derivative.
    """

    phase: float
    distance: float = pi
    within: tuple[float, float] = (-1.0, 1.0)
    slope: float = 1.0

    def __call__(self, node: Expr, x: Interval) -> Interval:
        """The interval of the node's value."""
        wide = ~(x.magnitude <= _FEW_TURNS * self.distance) | ~(
            x.upper - x.lower <= 2 * self.distance
        )
        lower, upper = np.where(wide, 0, x.lower), np.where(wide, 0, x.upper)
        k = np.ceil((lower - self.phase) / self.distance)
        turns = [np.clip(self.phase + (k + j) * self.distance, lower, upper) for j in (0, 1, 2)]
        values = [evaluated(node, at) for at in (lower, upper, *turns)]
        found = widened(reduce(np.minimum, values), reduce(np.maximum, values), 4 * EPS, EPS * EPS)
        middle, radius = x.middle()
        bounded = np.isfinite(radius)
        at = evaluated(node, np.where(bounded, middle, 0))
        reach = np.where(bounded, up(self.slope * radius), inf)
        far = widened(at - reach, at + reach, 4 * EPS)
        return clipped(
            Interval(
                np.where(wide, far.lower, found.lower), np.where(wide, far.upper, found.upper)
            ),
            *self.within,
        )


@dataclass(frozen=True)
class Branches:
    """Increasing between poles at equal distances: tangents."""

    pole: float
    distance: float

    def __call__(self, node: Expr, x: Interval) -> Interval:
        """The interval of the node's value; NaN across a pole, or too close to one to tell."""
        margin = 8 * EPS * (x.magnitude + self.distance)
        with np.errstate(all="ignore"):
            k = np.floor((x.lower - self.pole) / self.distance)
            before = self.pole + k * self.distance
            inside = (x.lower > before + margin) & (x.upper < before + self.distance - margin)
        found = MONOTONE(node, Interval(np.where(inside, x.lower, 0), np.where(inside, x.upper, 0)))
        return blanked(found, ~inside)


# ---------------------------------------------------------------- arrays


def moved(node: Expr, *operands: Interval) -> Interval:
    """Entries move, or are zero: bounds move with them. Indices must be known.

    Also for what is monotone in all entries at once and exact, such as a maximum.
    """
    if not all(x.certain for x in operands[1:]):
        return whole_of(node)
    rest = [x.lower for x in operands[1:]]
    return Interval(
        evaluated(node, operands[0].lower, *rest), evaluated(node, operands[0].upper, *rest)
    )


def joined(node: Expr, *operands: Interval) -> Interval:
    """Entries of several arrays."""
    return Interval(
        evaluated(node, *(x.lower for x in operands)), evaluated(node, *(x.upper for x in operands))
    )


def added_up(node: Expr, *operands: Interval) -> Interval:
    """Entries are moved and added up."""
    found = moved(node, *operands)
    sizes = evaluated(node, operands[0].magnitude, *(x.lower for x in operands[1:]))
    with np.errstate(all="ignore"):
        error = np.where(sizes == 0, 0.0, up(operands[0].lower.size * EPS * sizes))
        return Interval(
            np.where(sizes == 0, found.lower, down(found.lower - error)),
            np.where(sizes == 0, found.upper, up(found.upper + error)),
        )


def by_magnitude(node: Expr, x: Interval) -> Interval:
    """Increasing in every absolute value: norms."""
    with np.errstate(all="ignore"):
        low, high = evaluated(node, x.least_magnitude), evaluated(node, x.magnitude)
    found = widened(low, high, (x.lower.size + 16) * EPS)
    return Interval(np.maximum(found.lower, 0), found.upper)


def whole_of(node: Expr) -> Interval:
    """NaN: nothing is known of the node's value."""
    return blanked(whole(concrete(node.shape)), True)


def always(low: float | bool, high: float | bool) -> Enclosure:
    """A range that does not depend on the operands."""

    def bounds(node: Expr, *operands: Interval) -> Interval:
        shape = concrete(node.shape)
        return Interval(np.full(shape, low), np.full(shape, high))

    return bounds


def constant(node: Expr) -> Interval:
    """A number that its evaluation rounds."""
    value = evaluated(node)
    return Interval(down(value), up(value)) if value.dtype.kind == "f" else point(value)


def unchanged(node: Expr, x: Interval, *others: Interval) -> Interval:
    """The operand itself, of real numbers."""
    return x


def cancelling(enclosure: Enclosure, power: int = 1) -> Enclosure:
    """Sums of terms as large as the operands (to a power): wrong by ulps of those."""

    def widened_by_operands(node: Expr, *operands: Interval) -> Interval:
        found = enclosure(node, *operands)
        with np.errstate(all="ignore"):
            size: Any = sum(x.magnitude**power for x in operands)
        return widened(found.lower, found.upper, 0.0, 8 * EPS * size)

    return widened_by_operands
