"""Enclosures hold: of every operation, on tight and wide boxes, at random points inside."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np
import pytest

from operations.references import DIGITS, SCALAR
from operations.support import Call, by_id, calls, rng_for
from wengert.backends.intervals import Enclosed, enclose
from wengert.expr import Expr
from wengert.operations.intervals import Interval
from wengert.primitive import Domain, registry

ELEMENTWISE = [p for p in registry.values() if p.elementwise and p.arity]
WIDTHS = (0.0, 1e-12, 1e-6, 1e-2, 0.3, 1.0)
LOOSE = {  # in which no enclosure is declared, and slopes give none
    "ive", "drgamma", "dgammainc", "dbetainc", "binom", "poch", "hyp0f1", "hyp1f1", "hyp2f1",
    "rgamma", "gammasgn",
}  # fmt: skip


def entries(domain: Domain, width: float, rng: np.random.Generator, count: int) -> Interval:
    """Intervals of that share of the operand's domain."""
    if domain.dtype == "bool":
        low = rng.random(count) < 0.5
        return Interval(low, low | (rng.random(count) < width))
    if domain.dtype == "int":
        low = rng.integers(int(domain.low), int(domain.high) + 1, count)
        high = np.minimum(low + int(2 * width), int(domain.high))
        return Interval(low, high)
    span = domain.high - domain.low
    low = domain.low + span * rng.random(count)
    return Interval(low, np.minimum(low + width * span, domain.high))


def boxes(call: Call, width: float, rng: np.random.Generator, count: int) -> list[Interval]:
    domains = call.primitive.domains
    padded = [*domains, *domains[-1:] * len(call.shapes)][: len(call.shapes)]
    return [entries(d, width, rng, count) for d in padded]


def inside(box: Interval, rng: np.random.Generator) -> Any:
    """A point of a box: mostly random, now and then an end."""
    share = np.clip(rng.random(box.lower.shape) * 1.4 - 0.2, 0, 1)
    if box.lower.dtype.kind == "b":
        return np.where(share < 0.5, box.lower, box.upper)
    if box.lower.dtype.kind == "i":
        return np.rint(box.lower + share * (box.upper - box.lower)).astype(int)
    return np.clip(box.lower + share * (box.upper - box.lower), box.lower, box.upper)


def enclosed(call: Call, operands: list[Interval]) -> tuple[Expr, Enclosed]:
    node = call.node()
    leaves = dict(zip(node.operands, operands, strict=True))
    return node, enclose([node], leaves)


def vector_calls() -> list[Call]:
    found = []
    for p in ELEMENTWISE:
        for call in calls(p, [(40,)]):
            shapes = ((40,),) * len(call.shapes)
            fresh = Call(p, shapes, call.params)
            if fresh not in found and fresh.node().primitive is p:
                found.append(fresh)
    return found


CALLS = vector_calls()


@pytest.mark.parametrize("width", WIDTHS)
@by_id(CALLS)
def test_values_of_elementwise_operations_are_inside(call: Call, width: float) -> None:
    rng = rng_for(call)
    operands = boxes(call, width, rng, 40)
    node, result = enclosed(call, operands)
    (found,) = result.intervals
    for _ in range(20):
        at = [inside(x, rng) for x in operands]
        with np.errstate(all="ignore"):
            value = np.asarray(node.primitive.evaluate(node, *at))
        check(found, value)
    exact = SCALAR.get(call.primitive.name)
    if exact is not None and node.dtype == "real" and call.primitive.name not in SLOW:
        at = [inside(x, rng) for x in operands]
        with mp.workdps(DIGITS):
            for k in range(0, 40, 10):
                value = exact(*(mp.mpf(float(a[k])) for a in at), **dict(call.params))
                assert found.lower[k] <= value <= found.upper[k], (at, k, value)
    if call.primitive.name not in LOOSE and node.dtype == "real":
        assert result.bounded, result.gaps


SLOW = {"dgammainc", "dbetainc", "gammaincinv", "gammainccinv", "betaincinv", "drgamma"}


def check(found: Interval, value: Any) -> None:
    ok = np.isnan(value.astype(float)) if value.dtype.kind == "f" else np.zeros(value.shape, bool)
    ok |= (found.lower <= value) & (value <= found.upper)
    bad = np.argmin(ok)
    assert ok.all(), (found.lower.flat[bad], value.flat[bad], found.upper.flat[bad])
