"""Whether a function is smooth where its arguments have their mass.

A logarithm or a root ends where its argument is zero, a quotient has a pole there, an absolute
value a kink: the series around the mean knows nothing of it. What is looked for are such zeros
within a few standard deviations of the mean, in the direction in which they are likeliest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from wengert.expectation.distributions import Independent
from wengert.expectation.polynomials import degrees_of
from wengert.expectation.subject import Group, Subject
from wengert.expr import Expr, topological
from wengert.operations import add, ones, plus, scale
from wengert.operations.scalar_functions import ABS, LOG, LOG1P, RELU, SIGN, STEP
from wengert.operations.structure import exponent_of, is_positive, is_power
from wengert.primitive import Primitive
from wengert.rewrite import recognise
from wengert.shapes import concrete
from wengert.transforms.jets import jets_along
from wengert.transforms.recording import Recorded

_DEVIATIONS = 4.0  # beyond it lies a ten-thousandth of the mass
_MOST = 10**7  # numbers that one look may take

_ENDS: Mapping[Primitive, Callable[[Expr], Expr]] = MappingProxyType(
    {LOG: lambda x: x, LOG1P: lambda x: add([ones(x.shape), x])}
)
_AT_ZERO = frozenset({ABS, RELU, SIGN, STEP})


def places_within(subject: Subject) -> list[str]:
    """Where the function ends, or has a pole or a kink, within the mass; in sentences."""
    roots = [recognise(r) for r in subject.recorded.roots]
    degrees = degrees_of(roots, subject.recorded.leaves)
    steps = _Steps(subject)
    found: dict[str, None] = {}
    for node in topological(*roots):
        if degrees[node] is not None:
            continue
        what, gaps = _places(node)
        for gap in gaps:
            deviations = steps.until_zero(gap)
            if deviations is not None:
                found[
                    f"{what} {deviations:.2g} standard deviations from the mean, within the mass "
                    "of the distribution, and the series does not know of it"
                ] = None
        if not (gaps or node.primitive.smooth):
            found[f"{node.name} is not smooth, and the series knows one smooth piece only"] = None
    return list(found)


def _places(node: Expr) -> tuple[str, list[Expr]]:
    """What is wrong with a node at a zero of some expressions, and these expressions."""
    if is_power(node):
        exponent = exponent_of(node)
        base = node.operands[0]
        if (exponent.denominator == 1 and exponent > 0) or is_positive(base):
            return "", []
        return ("a quotient has a pole" if exponent.denominator == 1 else "a root ends"), [base]
    if node.primitive in _ENDS:
        end = _ENDS[node.primitive](node.operands[0])
        return f"{node.name} ends", [] if is_positive(end) else [end]
    if node.primitive.smooth or not node.primitive.elementwise:
        return "", []
    first, *others = node.operands
    if node.primitive in _AT_ZERO:
        return f"{node.name} has a kink", [first]
    jump = "has a kink" if node.dtype == "real" else "jumps"
    return f"{node.name} {jump}", [plus(first, scale(-1, other)) for other in others]


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
        spread = np.sqrt(np.sum(slopes**2, axis=0))
        moving = np.flatnonzero(spread > 0)
        if not len(moving):
            return None
        nearest = moving[np.argmin(np.abs(values[moving]) / spread[moving])]
        slope = -slopes[:, nearest] * (1.0 if values[nearest] > 0 else -1.0)
        step = np.clip(_DEVIATIONS * slope / spread[nearest], -self.reach[0], self.reach[1])
        beyond = _moved(self.subject, recorded, step @ self.rows).reshape(-1)[nearest]
        if beyond * values[nearest] > 0:
            return None
        return float(abs(values[nearest]) / spread[nearest])


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


def _moved(subject: Subject, recorded: Recorded, by: Any) -> Any:
    """The value at the mean plus a step."""
    steps = subject.split(by[None, :])
    arguments = tuple(a + s[0] for a, s in zip(recorded.arguments, steps, strict=True))
    moved = replace(recorded, arguments=arguments)
    return np.asarray(moved.finish(moved.roots, moved.dtypes)[0])
