"""Functions of one number, entry by entry: convex where their second derivative is not negative.

What no rule of composition sees (x log x, where(|r| ≤ 1, r²/2, |r| − 1/2)) often depends on the
parameters through one array only. Its second derivative is enclosed by intervals on all of the line
in pieces, between the places where a piece begins; there the slopes must not fall.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from wengert.backends.intervals import Interval, enclose
from wengert.derive import pushforward
from wengert.errors import WengertError
from wengert.expr import Expr, rebuild, topological
from wengert.operations import ones, sub, variable, where, zeros
from wengert.operations.enclosing import Extremes, Periodic, ends_of
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import (
    contraction_params,
    exponent_of,
    is_contraction,
    is_power,
    is_sum,
)
from wengert.shapes import concrete
from wengert.structured import run

_TRIED = 6  # arguments
_LARGEST = 60  # operations of a function
_GRID = (-np.inf, -40.0, -10.0, -4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0, 10.0, 40.0, np.inf)
_HALVINGS = 5
_NESTED = 4  # kinks of kinks
_ROUNDING = 1e-12
_SAMPLES = (-31.0, -7.3, -2.9, -1.37, -0.71, -0.13, 0.0, 0.17, 0.63, 1.19, 2.3, 6.1, 29.0)
_STEP = 1e-3
_SHOWN = {"affine": "which is affine", "convex": "which is convex", "concave": "which is concave"}


class Part(Protocol):
    """What is known of a part already."""

    @property
    def bend(self) -> str:
        """As :class:`wengert.convergence.convexity.curvature.Known` has it."""
        ...

    @property
    def interval(self) -> Interval:
        """Around its value."""
        ...

    @property
    def partial(self) -> bool:
        """May it be no number somewhere?"""
        ...

    @property
    def moves(self) -> bool:
        """Does it depend on the parameters?"""
        ...


@dataclass(frozen=True)
class OneArgument:
    """What a function of one argument was found to be.

    Attributes
    ----------
    sign : int
        1 if it is convex, −1 if it is concave.
    why : str
        In words.
    argument : Expr
        What it is a function of.
    second : tuple of float or None
        Bounds of its second derivative by the argument, if that is affine.
    """

    sign: int
    why: str
    argument: Expr
    second: tuple[float, float] | None


def one_argument(
    node: Expr, known: Mapping[Expr, Part], values: Mapping[Expr, Any]
) -> OneArgument | None:
    """A proof that a node is convex or concave as a function of one array, entry by entry.

    Parameters
    ----------
    node : Expr
        Of which nothing is known.
    known : mapping of Expr to Part
        What is below it.
    values : mapping of Expr to ndarray
        Of the variables that are no parameters.
    """
    for argument in _arguments(node, known):
        try:
            found = _Function(node, argument, known, values).judged()
        except WengertError:
            continue  # what cannot be derived or evaluated is not proven
        if found is not None:
            return found
    return None


def _arguments(node: Expr, known: Mapping[Expr, Part]) -> list[Expr]:
    """Parts through which alone the node depends on the parameters, affine ones first."""
    found: list[Expr] = []
    for candidate in topological(node):
        part = known.get(candidate)
        if candidate is node or part is None or candidate.shape != node.shape or part.partial:
            continue
        if part.bend in ("affine", "convex", "concave") and _is_all(node, candidate, known):
            found.append(candidate)
    found.sort(key=lambda c: known[c].bend != "affine")
    return found[:_TRIED]


def _is_all(node: Expr, argument: Expr, known: Mapping[Expr, Part]) -> bool:
    """Does the node depend on the parameters through the argument only, entry by entry?"""
    stack, seen = [node], {argument}
    while stack:
        inner = stack.pop()
        if inner in seen:
            continue
        seen.add(inner)
        part = known.get(inner)
        if part is not None and not part.moves:
            continue
        if not inner.operands or not _is_entrywise(inner, known) or len(seen) > _LARGEST:
            return False
        stack.extend(inner.operands)
    return True


def _is_entrywise(node: Expr, known: Mapping[Expr, Part]) -> bool:
    if is_sum(node) or node.primitive.elementwise:
        return True
    if node.primitive.masking:
        return all(o.shape == node.shape for o in node.operands)
    if not is_contraction(node):
        return False
    labels, out, _ = contraction_params(node)
    moving = [a for o, a in zip(node.operands, labels, strict=True) if known[o].moves]
    used = {x for axes in labels for x in axes}
    return len(set(out)) == len(out) and used <= set(out) and all(a == out for a in moving)


class _Function:
    """A node as a function of one argument, on the interval in which that lies."""

    def __init__(
        self, node: Expr, argument: Expr, known: Mapping[Expr, Part], values: Mapping[Expr, Any]
    ) -> None:
        self.argument = argument
        self.bend = known[argument].bend
        self.at = variable("·argument", argument.shape)
        self.shape = concrete(argument.shape)
        self.body = rebuild(node, with_operands, {argument: self.at})
        below = set(topological(self.body))
        self.values = {leaf: np.asarray(v) for leaf, v in values.items() if leaf in below}
        interval = known[argument].interval
        self.low = np.broadcast_to(interval.lower, self.shape)
        self.high = np.broadcast_to(interval.upper, self.shape)
        self.cut = self._cut_to_domain()

    def _cut_to_domain(self) -> bool:
        """Leave out what is outside of the domain of an operation on the argument itself."""
        low, high = self.low, self.high
        for node in topological(self.body):
            for k, operand in enumerate(node.operands):
                regions = node.primitive.curvature_of(node) if operand is self.at else ()
                for r in regions:
                    if r.domain and (r.moving is None or k in r.moving):
                        low = np.maximum(low, r.low[k] if k < len(r.low) else -np.inf)
                        high = np.minimum(high, r.high[k] if k < len(r.high) else np.inf)
        cut = bool(np.any(low > self.low) or np.any(high < self.high))
        self.low, self.high = low, high
        return cut

    # ------------------------------------------------------------ the proof

    def judged(self) -> OneArgument | None:
        if (
            (self.cut and self._is_finite_outside())
            or not self._is_regular()
            or not self._may_be_bent()
        ):
            return None
        pieces = self._pieces(_Piece(self, self.body, {}, self.low, self.high), _NESTED)
        if pieces is None:
            return None
        sign, second = self._sign_of(pieces, 2)
        if not sign or not self._joins(pieces, sign):
            return None
        if self.bend != "affine":
            slope, _ = self._sign_of(pieces, 1)
            if self.cut or slope * sign != (1 if self.bend == "convex" else -1):
                return None
        ends = "[{:.4g}, {:.4g}]".format(*second)
        words = f"in one argument, {_SHOWN[self.bend]}, its second derivative is in {ends}"
        if len(pieces) > 1:
            words += (
                f", and the slopes of its {len(pieces)} pieces {'rise' if sign > 0 else 'fall'}"
            )
        return OneArgument(sign, words, self.argument, self._bounds(pieces, second))

    def _bounds(
        self, pieces: Sequence[_Piece], second: tuple[float, float]
    ) -> tuple[float, float] | None:
        """Of the second derivative, where there is one everywhere."""
        smooth = all(
            np.allclose(a.values(1, a.high), b.values(1, a.high), rtol=_ROUNDING, atol=_ROUNDING)
            for a, b in pairwise(pieces)
        )
        return second if smooth and self.bend == "affine" else None

    def _is_finite_outside(self) -> bool:
        """Is the value a number where that of an operation within it is infinite?"""
        for end, away in ((self.low, -1.0), (self.high, 1.0)):
            with np.errstate(all="ignore"):
                beyond = np.where(np.isfinite(end), end, 0.0) + away
                values = self.run(self.body, beyond)
            if np.any(np.isfinite(values) & np.isfinite(end)):
                return True
        return False

    def _is_regular(self) -> bool:
        """Has it no pole within the interval, on whose sides it may be convex without being so?"""
        for node in topological(self.body):
            if node.dtype != "real" or self.at not in topological(node):
                continue
            singular = _singular(node)
            if singular is None:
                return False
            for k, number in singular:
                if self._reaches(node.operands[k], number):
                    return False
        return True

    def _reaches(self, operand: Expr, number: float) -> bool:
        """May an operand be this number within the interval?"""
        if operand is self.at:
            return bool(np.any((self.low < number) & (number < self.high)))
        low, high = self.enclosed(operand, self.low, self.high, {})
        return low <= number <= high

    def enclosed(
        self, expr: Expr, low: Any, high: Any, masks: Mapping[Expr, Any]
    ) -> tuple[float, float]:
        """The bounds of an expression with the argument between two numbers."""
        inputs = {**self.values, **masks}
        leaves = {leaf: Interval(np.asarray(v), np.asarray(v)) for leaf, v in inputs.items()}
        with np.errstate(all="ignore"):
            found = enclose([expr], {**leaves, self.at: Interval(low, high)}).intervals[0]
        return float(np.min(found.lower, initial=np.inf)), float(
            np.max(found.upper, initial=-np.inf)
        )

    def _may_be_bent(self) -> bool:
        """Second differences at some points, so that what bends both ways is found at once."""
        middles = [np.clip(np.full(self.shape, x), self.low, self.high) for x in _SAMPLES]
        signs: set[int] = set()
        for x in middles:
            h = np.minimum(_STEP, np.minimum(x - self.low, self.high - x))
            h = np.where(h > 0, h, 0.0)
            with np.errstate(all="ignore"):
                a, m, b = (self.run(self.body, y) for y in (x - h, x, x + h))
                bent = a - 2 * m + b
                size = 1e-10 * (np.abs(a) + np.abs(m) + np.abs(b))
            signs |= {1} if np.any(bent > size) else set()
            signs |= {-1} if np.any(bent < -size) else set()
        return len(signs) < 2

    def run(self, expr: Expr, x: Any, more: Mapping[Expr, Any] | None = None) -> Any:
        (found,) = run((expr,), {**self.values, **(more or {}), self.at: np.asarray(x, float)})
        return np.broadcast_to(found, self.shape)

    # ------------------------------------------------------------ pieces

    def _pieces(self, piece: _Piece, nested: int) -> list[_Piece] | None:
        """Smooth pieces, from left to right; None if where they begin is not known.

        Where |x| − 1 turns is known once the pieces of |x| are: each piece is looked at again.
        """
        breaks: list[Any] = []
        unknown = False
        for node in piece.turning():
            for gap, has_sides in _gaps(node) or [(None, False)]:
                place = None if gap is None else piece.zero(gap)
                if place is None:
                    unknown = True
                elif not np.all((place <= piece.low) | (place >= piece.high)):
                    if not has_sides:
                        return None
                    breaks.append(np.clip(place, piece.low, piece.high))
        if not breaks:
            return None if unknown else [piece]
        if not nested:
            return None
        ends = [piece.low, *np.sort(np.array(breaks), axis=0), piece.high]
        found: list[_Piece] = []
        for low, high in pairwise(ends):
            if np.any(low < high):
                inner = self._pieces(piece.between(low, high), nested - 1)
                if inner is None:
                    return None
                found += inner
        return found

    def _sign_of(self, pieces: Sequence[_Piece], order: int) -> tuple[int, tuple[float, float]]:
        """The sign that a derivative has on all pieces, 0 if it has both, and its bounds."""
        bounds = [b for b in (piece.bounds(order) for piece in pieces) if b is not None]
        if len(bounds) < len(pieces):
            return 0, (-np.inf, np.inf)
        low, high = min(b[0] for b in bounds), max(b[1] for b in bounds)
        return (1 if low >= 0 else -1 if high <= 0 else 0), (low, high)

    def _joins(self, pieces: Sequence[_Piece], sign: int) -> bool:
        """Do values agree where pieces meet, and slopes go the way of the sign?"""
        for one, other in pairwise(pieces):
            at = one.high
            inside = np.isfinite(at)
            x = np.where(inside, at, 0.0)
            values = one.values(0, x), other.values(0, x), self.run(self.body, x)
            size = _ROUNDING * (1 + np.abs(values[0]) + np.abs(x))
            for value in values[1:]:
                if not np.all((np.abs(value - values[0]) <= size) | ~inside):
                    return False
            jump = sign * (other.values(1, x) - one.values(1, x))
            if not np.all((jump >= -_ROUNDING * (1 + np.abs(one.values(1, x)))) | ~inside):
                return False
        return True


def _gaps(node: Expr) -> list[tuple[Expr, bool]] | None:
    """What is 0 where a node turns, and whether pieces on both sides are known."""
    if node.dtype == "bool":
        if any(o.dtype == "bool" for o in node.operands):
            return []
        if len(node.operands) != 2 or not node.primitive.elementwise:
            return None
        return [(sub(*node.operands), True)]
    if node.dtype != "real":
        return None
    if node.primitive.kinks is not None:
        kinks = node.primitive.kinks(node)
        return [(kink.gap, bool(kink.pieces)) for kink in kinks]
    return [] if node.primitive.smooth else None


@dataclass(frozen=True, eq=False)
class _Piece:
    """A smooth function of the argument between two numbers, entry by entry."""

    whole: _Function
    body: Expr
    masks: Mapping[Expr, Any]
    low: Any
    high: Any

    def turning(self) -> list[Expr]:
        """The nodes that may turn within the piece."""
        at = self.whole.at
        found = [n for n in topological(self.body) if at in topological(n)]
        return [n for n in found if self.may_turn(n)]

    def may_turn(self, node: Expr) -> bool:
        """Is one of its gaps 0 within the piece, or unknown?"""
        gaps = _gaps(node)
        return gaps is None or any(self._reaches_zero(gap) for gap, _ in gaps)

    def _reaches_zero(self, gap: Expr) -> bool:
        place = self.zero(gap)
        if place is not None:
            return bool(np.any((self.low < place) & (place < self.high)))
        low, high = self.whole.enclosed(gap, self.low, self.high, self.masks)
        return low <= 0 <= high

    def zero(self, gap: Expr) -> Any | None:
        """Where an affine function of the argument is 0; infinity for a constant."""
        whole = self.whole
        (slope,) = pushforward([gap], {whole.at: ones(whole.at.shape)})
        if slope is None:
            return np.full(whole.shape, np.inf)
        if whole.at in topological(slope):
            return None
        nothing = np.zeros(whole.shape)
        offset, rise = (whole.run(e, nothing, self.masks) for e in (gap, slope))
        return None if np.any(rise == 0) else -offset / rise

    def between(self, low: Any, high: Any) -> _Piece:
        """A part of the piece, with what does not turn within it settled."""
        with np.errstate(all="ignore"):
            middle = np.select(
                [np.isfinite(low) & np.isfinite(high), np.isfinite(low), np.isfinite(high)],
                [low / 2 + high / 2, low + 1, high - 1],
                0.0,
            )
        masks = dict(self.masks)
        whole = self.whole
        part = _Piece(whole, self.body, masks, low, high)

        def mask(value: Any) -> Expr:
            leaf = variable(f"·mask{len(masks)}", whole.at.shape, dtype="bool")
            masks[leaf] = np.asarray(value, bool)
            return leaf

        def settle(node: Expr, operands: tuple[Expr, ...]) -> Expr:
            fresh = with_operands(node, operands)
            if whole.at not in topological(fresh) or part.may_turn(fresh):
                return fresh
            if fresh.dtype == "bool":
                return mask(whole.run(fresh, middle, masks))
            for kink in fresh.primitive.kinks(fresh) if fresh.primitive.kinks else ():
                if kink.pieces:
                    value = whole.run(fresh, middle, masks)
                    first = whole.run(kink.pieces[0], middle, masks) == value
                    fresh = where(mask(first), *kink.pieces)
            return fresh

        return _Piece(whole, rebuild(self.body, settle, {}), masks, low, high)

    def _derivative(self, order: int) -> Expr:
        found: Expr | None = self.body
        at = self.whole.at
        for _ in range(order):
            (found,) = pushforward([found], {at: ones(at.shape)}) if found is not None else (None,)
        return zeros(at.shape) if found is None else found

    def values(self, order: int, x: Any) -> Any:
        """A derivative at points."""
        return self.whole.run(self._derivative(order), x, self.masks)

    def bounds(self, order: int) -> tuple[float, float] | None:
        """Of a derivative, on pieces of the piece as small as its sign needs; None without sign."""
        expr = self._derivative(order)
        found = self._enclosed(expr, self.low, self.high)
        if _has_sign(found):
            return found
        parts = [
            (np.clip(a, self.low, self.high), np.clip(b, self.low, self.high))
            for a, b in pairwise(_GRID)
        ]
        return self._pieced(expr, [p for p in parts if np.any(p[0] < p[1])])

    def _pieced(self, expr: Expr, parts: list[tuple[Any, Any]]) -> tuple[float, float] | None:
        low, high = np.inf, -np.inf
        for depth in range(_HALVINGS + 1):
            left: list[tuple[Any, Any]] = []
            for a, b in parts:
                found = self._enclosed(expr, a, b)
                if not _has_sign(found):
                    left.append((a, b))
                    continue
                low, high = min(low, found[0]), max(high, found[1])
                if low < 0 < high:
                    return None
            if not left:
                return low, high
            if depth == _HALVINGS or not all(np.all(np.isfinite([a, b])) for a, b in left):
                return None
            parts = [half for a, b in left for half in ((a, a / 2 + b / 2), (a / 2 + b / 2, b))]
        return None

    def _enclosed(self, expr: Expr, low: Any, high: Any) -> tuple[float, float]:
        return self.whole.enclosed(expr, low, high, self.masks)


def _singular(node: Expr) -> list[tuple[int, float]] | None:
    """Numbers at which the operands of a node may have a pole; None if that is not known."""
    if not node.operands or is_sum(node) or is_contraction(node) or node.primitive.masking:
        return []
    if is_power(node):
        exponent = exponent_of(node)
        return [] if exponent.denominator == 1 and exponent > 0 else [(0, 0.0)]
    regions = node.primitive.curvature_of(node)
    if not regions and not isinstance(node.primitive.enclosure, Extremes | Periodic):
        return None
    ends = [
        (k, end)
        for region in regions
        if region.domain
        for side in (region.low, region.high)
        for k, end in enumerate(side)
        if np.isfinite(end)
    ]
    return [*ends_of(node), *ends]


def _has_sign(bounds: tuple[float, float]) -> bool:
    return bounds[0] >= 0 or bounds[1] <= 0
