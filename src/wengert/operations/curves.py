"""Truncated power series in one array: products of curves x(t) = x₀ + x₁ t + x₂ t² + ...

A curve is held as its value x₀ and its *tail*, the coefficients from order 1 on. The axes of the
tail are the order, then any extra axes (directions, the same for all curves), then those of x. It
ends with the last coefficient that may not be 0.

Source: Griewank and Walther, Evaluating Derivatives, chapter 13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from wengert.expr import Expr
from wengert.operations.algebra import add, contract
from wengert.operations.apply import apply
from wengert.operations.indexing import SLICE, embed, slice_
from wengert.operations.joining import stack
from wengert.operations.labelling import Labels
from wengert.operations.places import spec_for
from wengert.shapes import Size


def coefficient_of(tail: Expr, k: int) -> Expr | None:
    """Coefficient k of a tail; None beyond its end."""
    return slice_(tail, [k - 1, *[None] * (tail.ndim - 1)]) if k <= degree_of(tail) else None


def degree_of(tail: Expr) -> int:
    """How many coefficients a tail has."""
    count = tail.shape[0]
    assert isinstance(count, int)
    return count


def _some(tail: Expr, orders: range) -> Expr:
    specs = (spec_for(range(orders.start - 1, orders.stop - 1, orders.step)),)
    return apply(SLICE, tail, slices=(*specs, *(None,) * (tail.ndim - 1)))


@dataclass(frozen=True)
class Curve:
    """A factor of a product: its value, its labels and its tail (None for a constant)."""

    value: Expr
    labels: Labels
    tail: Expr | None

    @property
    def degree(self) -> int:
        """How many coefficients the tail has."""
        return 0 if self.tail is None else degree_of(self.tail)

    @property
    def lead(self) -> int:
        """How many extra axes the tail has."""
        return 0 if self.tail is None else self.tail.ndim - 1 - self.value.ndim


def multiply(
    factors: Sequence[Curve],
    out: Labels,
    order: int,
    *,
    sizes: Mapping[int, Size] | None = None,
    coefficient: Fraction | int = 1,
) -> Expr | None:
    """The tail of a contraction of curves; None if all factors are constant.

    Of two factors that move, the products of tails are summed by one contraction for each order;
    constant factors are joined to one of them first where that makes it no larger.
    """
    constant = [f for f in factors if f.tail is None]
    moving = [f for f in factors if f.tail is not None]
    if not moving:
        return None
    while len(moving) > 1:
        a, b, *moving = moving
        b, constant = _absorb(
            b, constant, {*out, *a.labels, *(x for f in moving for x in f.labels)}
        )
        used = {x for f in (*constant, *moving) for x in f.labels} | set(out)
        kept = tuple(x for x in dict.fromkeys((*a.labels, *b.labels)) if x in used)
        moving = [_pair(a, b, kept, order), *moving]
    (last,) = moving
    assert last.tail is not None
    lead = tuple(range(-1 - last.lead, 0))
    shift = 1 + last.lead
    return contract(
        [last.tail, *(f.value for f in constant)],
        [
            [x + shift for x in (*lead, *last.labels)],
            *([x + shift for x in f.labels] for f in constant),
        ],
        [x + shift for x in (*lead, *out)],
        sizes={x + shift: s for x, s in (sizes or {}).items()},
        coefficient=coefficient,
    )


def _absorb(b: Curve, constant: list[Curve], needed: set[int]) -> tuple[Curve, list[Curve]]:
    """Constant factors that make the curve no larger, as a matrix times a vector does."""
    rest = list(constant)
    for f in constant:
        others = needed | {x for g in rest if g is not f for x in g.labels}
        both = dict.fromkeys((*b.labels, *f.labels))
        kept = tuple(x for x in both if x in others)
        new = set(kept) - set(b.labels)
        gone = set(b.labels) - set(kept)
        if not set(f.labels) & set(b.labels) or len(new) > len(gone):
            continue
        assert b.tail is not None
        rest.remove(f)
        shift = 1 + b.lead
        lead = tuple(range(shift))
        moved = [[x + shift for x in axes] for axes in (b.labels, f.labels, kept)]
        b = Curve(
            contract([b.value, f.value], [b.labels, f.labels], kept),
            kept,
            contract([b.tail, f.value], [(*lead, *moved[0]), moved[1]], (*lead, *moved[2])),
        )
    return b, rest


def _pair(a: Curve, b: Curve, kept: Labels, order: int) -> Curve:
    """The product of two curves."""
    assert a.tail is not None
    assert b.tail is not None
    value = contract([a.value, b.value], [a.labels, b.labels], kept)
    degree = min(order, a.degree + b.degree)
    extra = a.lead
    shift = extra + 1
    lead = tuple(range(1, shift))
    left, right, to = ([x + shift for x in axes] for axes in (a.labels, b.labels, kept))
    first = [
        contract([a.tail, b.value], [(0, *lead, *left), right], (0, *lead, *to)),
        contract([a.value, b.tail], [left, (0, *lead, *right)], (0, *lead, *to)),
    ]
    inner: list[Expr] = []
    for k in range(2, degree + 1):
        low, high = max(1, k - b.degree), min(k - 1, a.degree)
        inner.append(
            contract(
                [
                    _some(a.tail, range(low, high + 1)),
                    _some(b.tail, range(k - low, k - high - 1, -1)),
                ],
                [(0, *lead, *left), (0, *lead, *right)],
                (*lead, *to),
            )
        )
    parts = [extended(x, degree) for x in first]
    if inner:
        parts.append(extended(stack(inner), degree, at=1))
    return Curve(value, kept, add(parts))


def extended(tail: Expr, degree: int, *, at: int = 0) -> Expr:
    """The coefficients from place ``at`` on among ``degree`` ones, the others zero."""
    count = degree_of(tail)
    if count == degree:
        return tail
    return embed(
        tail, [slice(at, at + count), *[None] * (tail.ndim - 1)], (degree, *tail.shape[1:])
    )
