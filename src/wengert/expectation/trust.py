"""Whether a function is smooth where its arguments have their mass.

A logarithm or a root ends where its argument is zero, a quotient has a pole there, an absolute
value a kink: the series around the mean knows nothing of it. Operations declare where that is, by
expressions that are zero there (``Primitive.kinks``) and by the ends of their domains
(``Primitive.enclosure``). What is looked for are such zeros within a few standard deviations of the
mean: where the sign changes in the direction in which that is likeliest, else by descent, as a
norm touches its zero and does not cross it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import optree

from wengert.expectation.distributions import Independent
from wengert.expectation.subject import Group, Subject
from wengert.expr import Expr, depending, topological
from wengert.operations import plus, scale
from wengert.operations.enclosing import ends_of
from wengert.operations.structure import constant_like, exponent_of, is_positive, is_power
from wengert.primitive import Constant
from wengert.rewrite import recognise
from wengert.shapes import concrete
from wengert.taylor.kinks import kinks_of, moves
from wengert.transforms.jets import jets_along
from wengert.transforms.recording import Recorded

BY_VALUES = (
    "the function decides by values (if, while, indices), and the branch at the mean is all that "
    "the series knows; np.where and wg.cond say both"
)

_DEVIATIONS = 4.0  # beyond it lies a ten-thousandth of the mass
_MOST = 10**7  # numbers that one look may take
_FEW = 3  # entries of an expression that are followed
_LOOKS = 8  # on the way to four standard deviations
_HALVINGS = 24  # of a way to a zero
_DESCENTS = 48
_AXES = 16  # directions that are tried where no slope says which
_ZERO = 1e-6  # of the value at the mean


def places_within(subject: Subject) -> list[str]:
    """Where the function ends, or has a pole or a kink, within the mass; in sentences."""
    roots = [recognise(r) for r in subject.recorded.roots]
    steps = _Steps(subject)
    found: dict[str, None] = {}
    for what, gap in _places(roots, subject.recorded.leaves):
        deviations = steps.until_zero(gap)
        if deviations is not None:
            found[
                f"{what} {deviations:.2g} standard deviations from the mean, within the mass "
                "of the distribution, and the series does not know of it"
            ] = None
    return list(found)


def other_branch(subject: Subject) -> list[str]:
    """Does a function that decides by values decide otherwise within the mass? In a sentence."""
    steps = _Steps(subject)
    if subject.whole or not steps.affordable or not len(steps.rows):
        return []
    rng = np.random.default_rng(0)
    ways = rng.standard_normal((_AXES, len(steps.rows)))
    ways = np.concatenate([np.eye(len(steps.rows))[:_AXES], ways])
    ways = (
        np.concatenate([ways, -ways])
        / np.linalg.norm(np.concatenate([ways, ways]), axis=1)[:, None]
    )
    for deviations in (0.25, 0.5, 1.0, 2.0, 3.0, _DEVIATIONS):
        for way in ways:
            z = np.clip(deviations * way, -steps.reach[0], steps.reach[1])
            if _decides_otherwise(subject, z @ steps.rows):
                return [f"{BY_VALUES}: {deviations:.2g} standard deviations away it is another"]
    return []


def _decides_otherwise(subject: Subject, by: Any) -> bool:
    recorded = replace(subject.recorded, arguments=_placed(subject, by))
    point: Any = optree.tree_unflatten(recorded.structure, recorded.arguments)
    with np.errstate(all="ignore"):
        known = recorded.finish(recorded.roots, recorded.dtypes)
        try:
            given = optree.tree_leaves(subject.function(point))
        except Exception:  # of any kind: the function refuses values that the series takes
            return True
        return len(given) != len(known) or not all(
            np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-6, equal_nan=True)
            for a, b in zip(given, known, strict=True)
        )


def _places(roots: Sequence[Expr], leaves: Sequence[Expr]) -> list[tuple[str, Expr]]:
    """What can be wrong, and the expressions that are zero where it is."""
    found: list[tuple[str, Expr]] = []
    for node in _spelled(roots, leaves):
        if is_power(node):
            exponent = exponent_of(node)
            if exponent.denominator > 1 or exponent < 0:
                what = "a root ends" if exponent.denominator > 1 else "a quotient has a pole"
                found.append((what, node.operands[0]))
            continue
        for k, end in ends_of(node):
            operand = node.operands[k]
            shift = constant_like(Fraction(end), operand.shape)
            found.append((f"{node.name} ends", plus(operand, scale(-1, shift)) if end else operand))
    found = [(what, gap) for what, gap in found if not is_positive(gap) and moves(gap, leaves)]
    for node, _, kink in kinks_of(roots, leaves):
        if not is_power(node) and not is_positive(kink.gap):
            flat = node.dtype != "real" or isinstance(node.primitive.derivative, Constant)
            found.append((f"{node.name} {'jumps' if flat else 'has a kink'}", kink.gap))
    return found


def _spelled(roots: Sequence[Expr], leaves: Sequence[Expr]) -> list[Expr]:
    """All nodes, and those that they stand for: xᶻ is exp(z log x) where the exponent moves."""
    nodes = topological(*roots)
    moving = depending(nodes, set(leaves))
    meant = [
        node.primitive.defined(node)
        for node in nodes
        if node.primitive.defined is not None and all(o in moving for o in node.operands[1:])
        if len(node.operands) > 1
    ]
    return topological(*roots, *meant)


@dataclass(frozen=True, eq=False)
class _Line:
    """An entry of an expression along a step of some standard deviations."""

    steps: _Steps
    recorded: Recorded
    entry: int

    def value(self, z: Any) -> float:
        """At the mean plus a step."""
        return float(_moved(self.steps.subject, self.recorded, z @ self.steps.rows)[self.entry])

    def jet(self, z: Any) -> tuple[float, Any]:
        """Value and slopes at the mean plus a step."""
        subject = self.steps.subject
        placed = replace(self.recorded, arguments=_placed(subject, z @ self.steps.rows))
        (series,) = jets_along(placed, subject.split(self.steps.rows), 1)
        slopes = series[1].reshape(len(self.steps.rows), -1)[:, self.entry]
        return float(series[0][0].reshape(-1)[self.entry]), slopes

    def crossing(self, start: float, z: Any) -> float | None:
        """How far on the way to z the sign is another; None if it stays."""

        def stays(share: float) -> bool:
            return self.value(share * z) * start > 0

        changed = [share for share in np.linspace(0, 1, _LOOKS + 1)[1:] if not stays(share)]
        if not changed:
            return None
        low, high = changed[0] - 1 / _LOOKS, changed[0]
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if stays(middle) else (low, middle)
        return high * float(np.linalg.norm(z))

    def touching(self, start: float) -> float | None:
        """How far away descent comes to a zero; None if that is far (Polyak's steps)."""
        z = np.zeros(len(self.steps.rows))
        for _ in range(_DESCENTS):
            value, slopes = self.jet(z)
            if abs(value) <= _ZERO * abs(start):
                return float(np.linalg.norm(z))
            squared = float(slopes @ slopes)
            if not 0 < squared < np.inf:
                return None
            z = np.clip(z - value / squared * slopes, -self.steps.reach[0], self.steps.reach[1])
            if not np.linalg.norm(z) <= _DEVIATIONS:
                return None
        return None


class _Steps:
    """Steps of one standard deviation in independent directions, and how many there are."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.affordable = sum(g.covariance.size for g in subject.groups) <= 2000
        if not self.affordable:
            return
        rows = [np.zeros((0, subject.size))]
        reaches = [np.zeros((2, 0))]
        for group in subject.groups:
            own = group.covariance.directions()
            placed = np.zeros((len(own), subject.size))
            placed[:, subject.columns(group)] = own
            rows.append(placed)
            reaches.append(_reach(group, len(own)))
        self.rows = np.concatenate(rows)
        self.reach = np.concatenate(reaches, axis=1)

    def until_zero(self, gap: Expr) -> float | None:
        """How many standard deviations away an expression is zero; None if that is far."""
        if not self.affordable or not len(self.rows):
            return None
        if len(self.rows) * (prod(concrete(gap.shape)) + self.subject.size) > _MOST:
            return None
        recorded = replace(self.subject.recorded, roots=(gap,), dtypes=(np.dtype(float),))
        (series,) = jets_along(recorded, self.subject.split(self.rows), 1)
        values, slopes = series[0][0].reshape(-1), series[1].reshape(len(self.rows), -1)
        if np.any(values == 0):
            return 0.0
        spread = np.sqrt(np.sum(slopes**2, axis=0))
        with np.errstate(divide="ignore", invalid="ignore"):
            away = np.where(np.isfinite(spread), np.abs(values) / spread, np.inf)
        found = [
            self._of_entry(_Line(self, recorded, int(k)), float(values[k]), slopes[:, k])
            for k in np.argsort(away)[:_FEW]
        ]
        return min((d for d in found if d is not None), default=None)

    def _of_entry(self, line: _Line, value: float, slopes: Any) -> float | None:
        spread = float(np.linalg.norm(slopes))
        if not np.isfinite(value):
            return None
        if not 0 < spread < np.inf:  # it turns at the mean: both ways along each direction
            ways = [sign * _DEVIATIONS * e for e in np.eye(len(slopes))[:_AXES] for sign in (-1, 1)]
        else:
            ways = [-_DEVIATIONS * np.sign(value) * slopes / spread]
        ways = [np.clip(z, -self.reach[0], self.reach[1]) for z in ways]
        crossed = [d for d in (line.crossing(value, z) for z in ways) if d is not None]
        if crossed:
            return min(crossed)
        near = 0 < spread < np.inf and abs(value) <= _DEVIATIONS * spread
        return line.touching(value) if near else None


def _reach(group: Group, number: int) -> Any:
    """How far down and up the mass goes along each direction, in standard deviations."""
    reach = np.full((2, number), _DEVIATIONS)
    if isinstance(group.distribution, Independent):
        low, high = group.distribution.support()
        variances = group.covariance.variances()
        mean = group.distribution.mean.reshape(-1)[variances > 0]
        ends = np.stack(
            [mean - low.reshape(-1)[variances > 0], high.reshape(-1)[variances > 0] - mean]
        )
        return np.minimum(reach, ends / np.sqrt(variances[variances > 0]))
    return reach


def _placed(subject: Subject, by: Any) -> tuple[Any, ...]:
    """The mean plus a step."""
    steps = subject.split(by[None, :])
    return tuple(a + s[0] for a, s in zip(subject.recorded.arguments, steps, strict=True))


def _moved(subject: Subject, recorded: Recorded, by: Any) -> Any:
    """The entries of the value at the mean plus a step."""
    moved = replace(recorded, arguments=_placed(subject, by))
    with np.errstate(all="ignore"):
        return np.reshape(moved.finish(moved.roots, moved.dtypes)[0], -1)
