"""Where operations declare that they are convex or concave, rising or falling: they are.

Every region of every declaration is held against values on segments within it: second differences,
steps of one operand, the bounds of second derivatives. A region with its sign turned must fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from operations.support import GENERAL, SMALL, Call, calls, evaluate, rng_for, small_shapes
from wengert.expr import Expr
from wengert.operations import power, variable
from wengert.primitive import Curved, Linear, registry

WIDE = 6.0
EDGE = 1e-3  # from an end that is finite: values there may be infinite
POWERS = [Fraction(p) for p in ("1/3", "2/3", "4/3", "5/2", "-1/3", "-5/2", "4", "5", "-3", "-4")]


@dataclass(frozen=True)
class Case:
    """A region of one call."""

    call: Call
    node: Expr
    number: int
    region: Curved

    @property
    def id(self) -> str:
        return f"{self.call.id}-{self.number}"


def _cases() -> Iterator[Case]:
    for primitive in [registry["power"], *(p for p in GENERAL if p.name != "power")]:
        if not primitive.curvature:
            continue
        shapes = [(400,)] if primitive.elementwise else small_shapes(primitive)
        for drawn in calls(primitive, shapes):
            large = replace(drawn, shapes=((400,),) * len(drawn.shapes))
            call = large if primitive.elementwise else drawn
            yield from _regions(call, call.node())
    for exponent in POWERS:
        call = Call(registry["power"], ((400,),), (("exponent", exponent),))
        yield from _regions(call, power(variable("x0", (400,)), exponent))


def _regions(call: Call, node: Expr) -> Iterator[Case]:
    if node.primitive is call.primitive:  # power(x, 1) is x
        for k, region in enumerate(node.primitive.curvature_of(node)):
            yield Case(call, node, k, region)


CASES = list({case.id: case for case in _cases()}.values())
by_id = pytest.mark.parametrize("case", CASES, ids=[c.id for c in CASES])


class _Drawn:
    """Segments within a region, on which the operands that move do so together."""

    def __init__(self, case: Case, repeat: int) -> None:
        self.case, region = case, case.region
        self.rng = np.random.default_rng(int(rng_for(case.call).integers(1 << 30)) + repeat)
        count = len(case.call.shapes)
        discrete = [k for k, d in enumerate(case.call.dtypes) if d != "real"]
        moving = range(count) if region.moving is None else region.moving
        self.moving = [k for k in moving if k not in discrete]
        self.start = [self._point(k) for k in range(count)]
        self.end = [self._point(k) if k in self.moving else self.start[k] for k in range(count)]

    def _point(self, k: int) -> Any:
        region, shape = self.case.region, self.case.call.shapes[k]
        if self.case.call.dtypes[k] == "bool":
            return self.rng.random(shape) < 0.5
        if region.definite:
            root = self.rng.normal(size=shape)
            return root @ np.swapaxes(root, -1, -2) + 0.1 * np.eye(shape[-1])
        low, high = ends(region, k)
        found = self.rng.uniform(low, high, shape)
        if region.of_logarithm:  # of exp(±x²), see `values`: its logarithm is bent so
            found = self.rng.uniform(0, 2, shape)
        return found

    def values(self, share: float, change: dict[int, Any] | None = None) -> Any:
        at = [
            a if a is b else (1 - share) * a + share * b
            for a, b in zip(self.start, self.end, strict=True)
        ]
        for k, x in (change or {}).items():
            at[k] = x
        if self.case.region.of_logarithm:
            at = [np.exp(self.case.region.sign * x**2) for x in at]
        found = evaluate(
            self.case.node, dict(zip(self.case.call.names, at, strict=True)), lowered=False
        )
        if self.case.region.logarithm:
            with np.errstate(all="ignore"):
                return np.log(found)
        return found

    def square(self) -> Any:
        """The squared length of the segments, for each entry of the value."""
        total: Any = 0.0
        for k in self.moving:
            change = (self.end[k] - self.start[k]) ** 2
            extra = change.ndim - self.case.node.ndim
            total = total + (change.sum(axis=tuple(range(-extra, 0))) if extra else change)
        return total


def ends(region: Curved, k: int) -> tuple[float, float]:
    """Numbers between which an operand is drawn."""
    low = region.low[k] if k < len(region.low) else -np.inf
    high = region.high[k] if k < len(region.high) else np.inf
    if np.isfinite(low) and np.isfinite(high):
        edge = min(EDGE, (high - low) / 10)
        return low + edge, high - edge
    if np.isfinite(low):
        return low + EDGE, low + WIDE
    return (high - WIDE, high - EDGE) if np.isfinite(high) else (-WIDE, WIDE)


def bends_so(case: Case, sign: int | None = None) -> bool:
    """Are second differences on segments within the region of the sign?"""
    sign = case.region.sign if sign is None else sign
    for repeat in range(1 if case.node.primitive.elementwise else 40):
        drawn = _Drawn(case, repeat)
        a, m, b = (drawn.values(s) for s in (0.0, 0.5, 1.0))
        if not np.all(np.isfinite(a + m + b)):
            continue
        size = 1e-9 * (np.abs(a) + np.abs(b) + 1e-3)
        if not np.all(sign * (a - 2 * m + b) >= -size):
            return False
    return True


def goes_so(case: Case, turn: int = 1) -> bool:
    """Do steps of one operand change the value in the declared direction?"""
    for repeat in range(1 if case.node.primitive.elementwise else 20):
        drawn = _Drawn(case, repeat)
        for k in drawn.moving:
            slope = turn * (case.region.slopes[k] if k < len(case.region.slopes) else 0)
            slope *= case.region.sign if case.region.of_logarithm else 1
            if not slope:
                continue
            share = drawn.rng.random(case.call.shapes[k])
            _, high = (0.0, 2.0) if case.region.of_logarithm else ends(case.region, k)
            x = drawn.start[k]
            further = x + share * (np.maximum(high, x) - x)
            before, after = drawn.values(0.0), drawn.values(0.0, {k: further})
            size = 1e-9 * (np.abs(before) + np.abs(after) + 1e-3)
            known = np.isfinite(before) & np.isfinite(after)
            if not np.all((slope * (after - before) >= -size) | ~known):
                return False
    return True


@by_id
def test_convex_and_concave_where_they_say(case: Case) -> None:
    assert bends_so(case)


@by_id
def test_rising_and_falling_where_they_say(case: Case) -> None:
    assert goes_so(case)


@pytest.mark.parametrize("case", [c for c in CASES if c.region.domain], ids=lambda c: c.id)
def test_the_domain_ends_where_they_say(case: Case) -> None:
    """Beyond a region that is the domain the value is no number, or infinite."""
    drawn = _Drawn(case, 0)
    for k in drawn.moving:
        for side, away in ((case.region.low, -0.01), (case.region.high, 0.01)):
            if k < len(side) and np.isfinite(side[k]):
                outside = np.full(case.call.shapes[k], side[k] + away)
                with np.errstate(all="ignore"):
                    found = drawn.values(0.0, {k: outside})
                assert not np.any(np.isfinite(found)) or _is_constant_there(drawn, k), found


def _is_constant_there(drawn: _Drawn, k: int) -> bool:
    """0 · log z is 0 whatever z is."""
    return bool(np.all(drawn.values(0.0) == 0))


@by_id
def test_second_derivatives_are_between_their_bounds(case: Case) -> None:
    low, high = case.region.second
    if case.region.definite or case.region.logarithm or case.region.of_logarithm:
        return
    for repeat in range(1 if case.node.primitive.elementwise else 40):
        drawn = _Drawn(case, repeat)
        square = 0.0 if low == high == 0 else drawn.square()
        a, m, b = (drawn.values(s) for s in (0.0, 0.5, 1.0))
        known = np.isfinite(a + m + b)
        bent, size = 4 * (a - 2 * m + b), 1e-8 * (np.abs(a) + np.abs(b) + 1e-3)
        if np.isfinite(low):
            assert np.all((bent >= low * square - size) | ~known)
        if np.isfinite(high):
            assert np.all((bent <= high * square + size) | ~known)


STRAIGHT = {"exp": 2, "exp2": 2, "exp10": 2, "abs": 2, "norm1": 2}
"""Regions on which the function, or its logarithm where that counts, is affine: the first ones."""


def _is_straight(case: Case) -> bool:
    if case.region.second == (0.0, 0.0) or case.call.shapes[0] in ((1, 1), (1,), ()):
        return True
    return case.number < STRAIGHT.get(case.call.primitive.name, 0)


TURNED: list[tuple[str, Callable[[Case], bool], Case]] = [
    *(("bent", lambda c: bends_so(c, -c.region.sign), c) for c in CASES
      if not _is_straight(c)),
    *(("slope", lambda c: goes_so(c, -1), c) for c in CASES if any(c.region.slopes)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "check", "case"), TURNED, ids=[f"{k}-{c.id}" for k, _, c in TURNED]
)
def test_a_declaration_with_its_sign_turned_fails(
    kind: str, check: Callable[[Case], bool], case: Case
) -> None:
    assert not check(case), f"{kind}: {case.id}"


@pytest.mark.parametrize(
    "call", [c for c in SMALL if isinstance(c.primitive.derivative, Linear)], ids=lambda c: c.id
)
def test_linear_operations_keep_what_is_not_negative(call: Call) -> None:
    drawn = call.draw(rng_for(call))
    name = call.names[0]
    if drawn[name].dtype.kind == "f":
        assert np.all(evaluate(call.node(), {**drawn, name: np.abs(drawn[name])}) >= 0)
