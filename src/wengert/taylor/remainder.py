"""How far a Taylor polynomial is from its function: a bound where there is one, else an estimate.

The remainder of order n is ∫₀¹ (n + 1)(1 − s)ⁿ D^{n+1} f(x₀ + sδ)[δ, ..., δ]/(n + 1)! ds. With the
integrand enclosed on pieces of [0, 1], and δ on pieces of a box, that is an enclosure of the
remainder, by interval arithmetic over the expression of the derivative: Lagrange's form, with as
many pieces as it takes. It holds where the function is smooth, which is checked first: every
operation must stay within its domain and off its kinks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import optree

from wengert.backends.intervals import Enclosed, Interval, enclose
from wengert.derive.series import directional_terms
from wengert.errors import ShapeError, UnsupportedFunctionError
from wengert.expr import Expr
from wengert.operations import variable
from wengert.operations.batching import batch
from wengert.operations.intervals import EPS, minus, plus, point, times
from wengert.rewrite import recognise
from wengert.taylor.kinks import constant_intervals, record_for_all
from wengert.taylor.subject import Source, function_of
from wengert.tracing.trace import current_trace
from wengert.transforms.jets import check_order, jets_along
from wengert.transforms.recording import Recorded, Tree, shown

_CACHED = 256
_CERTIFIED = 256  # boxes on which smoothness is checked before that is given up
_HALVINGS = 12  # of one box, on the way there
_SPLIT = 16  # boxes that are halved in a round
_ROUNDS = 18
_PIECES = 8  # of the segment, in each box of a region
_TIGHT = 1.02  # a bound so close to what is reached is not made tighter
_SAMPLED = 24  # directions for an estimate in several dimensions
_CORNERS = 6  # dimensions of which all corners are tried


@dataclass(frozen=True)
class Remainder:
    """How large f − T_n is, entry by entry of the function's value.

    Attributes
    ----------
    value : tree of float or ndarray
        The largest |f − T_n|, nested as the function's value.
    kind : str
        ``"bound"``: it holds in exact arithmetic. ``"estimate"``: the size of the next terms,
        and of what is found at points of the region.
    reason : str
        Why it is a bound, or why there is none.
    order : int
        n.
    where : str
        The point, ball or box.
    interval : tuple of trees or None
        Of a bound, the least and the largest f − T_n.

    Examples
    --------
    >>> import numpy as np
    >>> print(remainder(np.exp, 0.0, 0.5, order=3))
    |f − T_3| ≤ 0.0029 at x (a bound: the derivative of order 4 is enclosed by intervals)
    """

    value: Tree
    kind: str
    reason: str
    order: int
    where: str
    interval: tuple[Tree, Tree] | None = None

    @property
    def is_bound(self) -> bool:
        """Does it hold, rather than being likely?"""
        return self.kind == "bound"

    def __float__(self) -> float:
        """The largest over all entries."""
        return max(
            (float(np.max(v, initial=0.0)) for v in optree.tree_leaves(self.value)), default=0.0
        )

    def __str__(self) -> str:
        sign = "≤" if self.is_bound else "≈"
        article = "a bound" if self.is_bound else "an estimate"
        size = _rounded_up(float(self))
        return f"|f − T_{self.order}| {sign} {size} {self.where} ({article}: {self.reason})"


def _rounded_up(value: float) -> str:
    """Three digits, not less than the value."""
    text = f"{value:.3g}"
    if float(text) < value:
        text = f"{value * 1.01:.3g}" if value else text
    return text


def remainder(
    f: Source,
    x0: Any,
    x: Any = None,
    *,
    order: int,
    ball: float | None = None,
    box: tuple[Any, Any] | None = None,
    given: dict[str, Any] | None = None,
) -> Remainder:
    """How far the Taylor polynomial of an order is from its function: at x, or on a ball or box.

    Parameters
    ----------
    f : str, Formula or callable
        As :func:`wengert.taylor.function_of` takes it.
    x0 : tree of array_like
        The centre of the expansion.
    x : tree of array_like, optional
        Where the polynomial is evaluated, nested as x₀.
    order : int
        Of the polynomial.
    ball : float, optional
        In place of x: all points no farther from x₀, in the Euclidean norm of all entries.
    box : tuple of trees, optional
        In place of x: the lowest and the highest point.
    given : dict, optional
        Values of a formula's other variables.

    Returns
    -------
    Remainder
        A bound where interval arithmetic gives one, elsewhere an estimate: the larger of the next
        two terms, and of |f − T_n| at some points of the region. It says which.

    Raises
    ------
    ValueError
        Unless one of x, ball and box is given, or for an order that is none.
    ShapeError
        If x or the box does not fit x₀.

    Examples
    --------
    >>> import numpy as np
    >>> bound = remainder(np.sin, 0.0, ball=0.1, order=2)
    >>> bound.kind, f"{float(bound):.2g}"
    ('bound', '0.00017')
    >>> remainder(lambda x: 1 / x, 1.0, ball=2.0, order=2).kind
    'estimate'
    """
    check_order(order)
    if sum(given_one is not None for given_one in (x, ball, box)) != 1:
        raise ValueError("the remainder is taken at x, on a ball or on a box: give one of them")
    function, centre = function_of(f, x0, given)
    if current_trace() is not None:
        raise UnsupportedFunctionError(
            "a remainder is a report about numbers: it cannot be taken in code that is traced"
        )
    recorded, everywhere = record_for_all(function, centre, "remainder")
    region = _region(f, given, recorded, x, ball, box)
    subject = _Subject(recorded, order)
    reason = subject.obstacle(region)
    if reason is None and not everywhere:
        reason = "the function asks for values: elsewhere it may be another one"
    if reason is None:
        found = subject.enclosure(region)
        if all(_is_finite(i) for i in found):
            return _bound(recorded, order, region, found)
        reason = f"the derivative of order {order + 1} may be unbounded {region.where}"
    return _estimate(function, recorded, order, region, reason)


# ---------------------------------------------------------------- regions


@dataclass(frozen=True)
class _Region:
    """Differences δ from the centre, one interval a leaf; within a ball if there is a radius."""

    deltas: tuple[Interval, ...]
    where: str
    radius: float | None = None

    @property
    def is_point(self) -> bool:
        return self.where == "at x"


def _region(
    f: Source, given: Any, recorded: Recorded, x: Any, ball: float | None, box: Any
) -> _Region:
    centres = [point(np.asarray(a, np.float64)) for a in recorded.arguments]
    if ball is not None:
        radius = float(ball)
        if not 0 <= radius < np.inf:
            raise ValueError(f"a ball has a finite radius from 0 on; got {ball!r}")
        deltas = tuple(Interval(np.full(c.lower.shape, -radius), np.full(c.lower.shape, radius))
                       for c in centres)  # fmt: skip
        return _Region(deltas, f"on the ball of radius {radius:g}", radius)
    low, high = (x, x) if box is None else box
    ends = [
        [point(a) for a in _leaves_like(recorded, function_of(f, end, given)[1])]
        for end in (low, high)
    ]
    lowest, highest = ([minus(a, c) for a, c in zip(end, centres, strict=True)] for end in ends)
    for a, b in zip(lowest, highest, strict=True):
        if np.any(a.lower > b.upper):
            raise ValueError("a box is its lowest and its highest point, in that order")
    deltas = tuple(Interval(a.lower, b.upper) for a, b in zip(lowest, highest, strict=True))
    return _Region(deltas, "at x" if box is None else "on the box")


def _leaves_like(recorded: Recorded, tree: Tree) -> list[Any]:
    leaves, structure = optree.tree_flatten(tree)
    if structure != recorded.structure:
        raise ShapeError(
            f"a point nested as {shown(structure)} does not fit x0, {shown(recorded.structure)}"
        )
    arrays = [np.asarray(a, np.float64) for a in leaves]
    for a, leaf in zip(arrays, recorded.leaves, strict=True):
        if a.shape != leaf.shape:
            raise ShapeError(f"a point of shape {a.shape} does not fit x0 of shape {leaf.shape}")
    return arrays


# ---------------------------------------------------------------- the enclosure


class _Subject:
    """A recorded function, and the derivative of one more order than its polynomial."""

    def __init__(self, recorded: Recorded, order: int) -> None:
        self.recorded = recorded
        self.order = order
        self.roots = tuple(map(recognise, recorded.roots))
        self.constants = constant_intervals(recorded)
        self.centres = [point(np.asarray(a, np.float64)) for a in recorded.arguments]

    def obstacle(self, region: _Region) -> str | None:
        """Why there is no bound, though derivatives may have one."""
        pending = [(tuple(_segment(d) for d in region.deltas), 0)]
        tried = 0
        while pending:
            deltas, depth = pending.pop()
            found = self._on(deltas)
            tried += 1
            if found.rough or found.gaps or not found.bounded:
                halves = _halved(deltas)
                if halves is None or depth >= _HALVINGS or tried >= _CERTIFIED:
                    return (*found.rough, *found.gaps, "the function may be unbounded there")[0]
                pending += [(half, depth + 1) for half in halves]
        return None

    def _on(self, deltas: Sequence[Interval]) -> Enclosed:
        at = [plus(c, d) for c, d in zip(self.centres, deltas, strict=True)]
        return enclose(
            self.roots, {**self.constants, **dict(zip(self.recorded.leaves, at, strict=True))}
        )

    def enclosure(self, region: _Region) -> list[Interval]:
        """f − T_n on the region."""
        if region.is_point:
            return self._at(region)
        boxes: list[tuple[Interval, ...]] = [region.deltas]
        bounds = self._remainders(boxes, _PIECES)
        for turn in range(_ROUNDS):
            sizes = list(map(_size, bounds))
            order = sorted(range(len(boxes)), key=sizes.__getitem__, reverse=True)
            if sizes[order[0]] <= _TIGHT * _reached(bounds):
                break
            cut = {k: _halved(boxes[k]) for k in order[:_SPLIT]}
            split = {k: pair for k, pair in cut.items() if pair is not None}
            halves = [half for pair in split.values() for half in pair]
            fresh = [half for half in halves if _touches(half, region.radius)]
            if not fresh:
                break
            left = [k for k in range(len(boxes)) if k not in split]
            pieces = _PIECES if turn < _ROUNDS // 3 else 4 * _PIECES
            boxes = [boxes[k] for k in left] + fresh
            bounds = [bounds[k] for k in left] + self._remainders(fresh, pieces)
        return _joined(bounds)

    def _at(self, region: _Region) -> list[Interval]:
        """At a point: more and more pieces, to a tight bound."""
        found: list[Interval] = []
        for pieces in (1, 8, 64, 512):
            found = self._remainders([region.deltas], pieces)[0]
            if all(_is_tight(i) for i in found):
                break
        return found

    def _remainders(
        self, boxes: Sequence[tuple[Interval, ...]], pieces: int
    ) -> list[list[Interval]]:
        """The remainder's enclosures on boxes of δ, a list of one a root for each box."""
        count = 1 << (len(boxes) * pieces - 1).bit_length() if len(boxes) * pieces > 1 else 1
        padded = [boxes[min(k // pieces, len(boxes) - 1)] for k in range(count)]
        places, weights = _pieces(pieces, self.order)
        s = Interval(*(np.resize(ends, count) for ends in (places[:-1], places[1:])))
        terms, leaves, seeds = _terms(self.roots, self.recorded.leaves, self.order, count)
        known = dict(self.constants)
        for k, (leaf, seed) in enumerate(zip(leaves, seeds, strict=True)):
            delta = Interval(
                np.stack([b[k].lower for b in padded]), np.stack([b[k].upper for b in padded])
            )
            spread = (slice(None), *(None,) * (leaf.ndim - 1))
            moved = times(Interval(s.lower[spread], s.upper[spread]), delta)
            known[leaf] = plus(
                Interval(self.centres[k].lower[None], self.centres[k].upper[None]), moved
            )
            known[seed] = delta
        found = enclose(terms, known)
        return [
            [_weighted(i, weights, k * pieces, self.order) for i in found.intervals]
            for k in range(len(boxes))
        ]


@lru_cache(maxsize=_CACHED)
def _terms(
    roots: tuple[Expr, ...], leaves: tuple[Expr, ...], order: int, count: int
) -> tuple[list[Expr], list[Expr], list[Expr]]:
    """D^{n+1} f(x)[δ, ..., δ]/(n + 1)! for many x and δ at once."""
    seeds = [variable(f"·direction{k}", leaf.shape) for k, leaf in enumerate(leaves)]
    directions = dict(zip(leaves, seeds, strict=True))
    terms = [directional_terms(root, directions, order + 1)[-1] for root in roots]
    many = [variable(f"·many{k}", (count, *leaf.shape)) for k, leaf in enumerate(leaves)]
    ways = [variable(f"·ways{k}", (count, *leaf.shape)) for k, leaf in enumerate(leaves)]
    wide = {**dict(zip(leaves, many, strict=True)), **dict(zip(seeds, ways, strict=True))}
    return batch(terms, wide), many, ways


def _pieces(count: int, order: int) -> tuple[Any, Any]:
    """Places on [0, 1], half of them even, half of equal weight; and (1 − s)ⁿ⁺¹ over each."""
    share = np.linspace(0.0, 1.0, count // 2 + 1)
    balanced = 1 - (1 - share) ** (1 / (order + 1))
    places = np.sort(
        np.concatenate([np.linspace(0.0, 1.0, count - count // 2 + 1), balanced[1:-1]])
    )
    places = np.concatenate([places[:1], places[1:-1], [1.0]])
    while len(places) < count + 1:
        places = np.sort(np.append(places, (places[0] + places[1]) / 2))
    return places, -np.diff((1 - places) ** (order + 1))


def _weighted(x: Interval, weights: Any, start: int, order: int) -> Interval:
    """Σ w C over the pieces, with the rounding of weights and sum."""
    rows = slice(start, start + len(weights))
    lower, upper = x.lower[rows], x.upper[rows]
    error = (
        8 * (order + 2 + len(weights)) * EPS * np.maximum(np.abs(lower), np.abs(upper)).sum(axis=0)
    )
    with np.errstate(invalid="ignore"):
        low = np.tensordot(weights, lower, 1) - error
        high = np.tensordot(weights, upper, 1) + error
    return Interval(np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high))


def _segment(delta: Interval) -> Interval:
    """All of [0, 1]·δ."""
    return Interval(np.minimum(delta.lower, 0), np.maximum(delta.upper, 0))


def _halved(box: Sequence[Interval]) -> list[tuple[Interval, ...]] | None:
    """A box cut across its longest side; None if it is a point."""
    widths = [x.upper - x.lower for x in box]
    k = max(range(len(box)), key=lambda j: np.max(widths[j], initial=0.0))
    if not np.max(widths[k], initial=0.0) > 0:
        return None
    index = np.unravel_index(np.argmax(widths[k]), widths[k].shape)
    middle = (box[k].lower[index] + box[k].upper[index]) / 2
    upper, lower = np.array(box[k].upper), np.array(box[k].lower)
    upper[index] = lower[index] = middle
    below, above = Interval(box[k].lower, upper), Interval(lower, box[k].upper)
    return [(*box[:k], half, *box[k + 1 :]) for half in (below, above)]


def _touches(box: Sequence[Interval], radius: float | None) -> bool:
    if radius is None:
        return True
    nearest = sum(float(np.sum(x.least_magnitude**2)) for x in box)
    return nearest <= radius**2 * (1 + 1e-9)


def _is_finite(x: Interval) -> bool:
    return bool(np.all(np.isfinite(x.lower)) and np.all(np.isfinite(x.upper)))


def _is_tight(x: Interval) -> bool:
    return bool(np.all(x.upper - x.lower <= (_TIGHT - 1) * x.magnitude))


def _size(intervals: Sequence[Interval]) -> float:
    return max((float(np.max(x.magnitude, initial=0.0)) for x in intervals), default=0.0)


def _reached(bounds: Sequence[Sequence[Interval]]) -> float:
    """What |f − T_n| is at least, somewhere."""
    return max(float(np.max(x.least_magnitude, initial=0.0)) for b in bounds for x in b)


def _joined(bounds: Sequence[Sequence[Interval]]) -> list[Interval]:
    return [
        Interval(np.min([x.lower for x in parts], axis=0), np.max([x.upper for x in parts], axis=0))
        for parts in zip(*bounds, strict=True)
    ]


# ---------------------------------------------------------------- results


def _bound(recorded: Recorded, order: int, region: _Region, found: Sequence[Interval]) -> Remainder:
    if all(np.all(x.magnitude == 0) for x in found):
        reason = f"the derivatives of order {order + 1} are 0"
    else:
        reason = f"the derivative of order {order + 1} is enclosed by intervals"
    value, low, high = (
        recorded.unflatten([a[()] for a in arrays])
        for arrays in (
            [x.magnitude for x in found], [x.lower for x in found], [x.upper for x in found]
        )
    )  # fmt: skip
    return Remainder(value, "bound", reason, order, region.where, (low, high))


def _estimate(
    function: Callable[[Any], Any], recorded: Recorded, order: int, region: _Region, reason: str
) -> Remainder:
    """The larger of the next two terms (one of them may be 0 by symmetry) and of what is found."""
    rows = list(_directions(region))
    directions = tuple(np.stack([row[k] for row in rows]) for k in range(len(recorded.leaves)))
    every = jets_along(recorded, directions, order + 2)
    found: list[Any] = [_largest(series[order + 1 :]) for series in every]
    for k, row in enumerate(rows):
        at = [np.asarray(a) + d for a, d in zip(recorded.arguments, row, strict=True)]
        with np.errstate(all="ignore"):
            values = optree.tree_leaves(function(optree.tree_unflatten(recorded.structure, at)))
        for j, (value, series) in enumerate(zip(values, every, strict=True)):
            gap = _largest(np.asarray(value) - series[: order + 1, k].sum(axis=0), axes=())
            found[j] = np.maximum(found[j], gap)
    values = [f[()] for f in found]
    return Remainder(recorded.unflatten(values), "estimate", reason, order, region.where)


def _largest(terms: Any, axes: tuple[int, ...] = (0, 1)) -> Any:
    """Of the absolute values; infinite where there is none."""
    largest = np.max(np.abs(terms), axis=axes) if axes else np.abs(terms)
    return np.where(np.isnan(largest), np.inf, largest)


def _directions(region: _Region) -> Iterator[list[Any]]:
    """The one δ, or ends of a region: corners of a small box, and directions drawn at random."""
    deltas = region.deltas
    if region.is_point:
        yield [d.lower for d in deltas]
        return
    sizes = [d.lower.size for d in deltas]
    if region.radius is None and sum(sizes) <= _CORNERS:
        for corner in product((False, True), repeat=sum(sizes)):
            parts = np.split(np.array(corner), np.cumsum(sizes)[:-1])
            yield [
                np.where(part.reshape(d.lower.shape), d.upper, d.lower)
                for part, d in zip(parts, deltas, strict=True)
            ]
        return
    rng = np.random.default_rng(0)
    for _ in range(2 if sum(sizes) == 1 else _SAMPLED):
        drawn: list[Any] = [rng.standard_normal(d.lower.shape) for d in deltas]
        if region.radius is not None:
            length = np.sqrt(sum(float(np.sum(v * v)) for v in drawn))
            yield [v * (region.radius / length) for v in drawn]
        else:
            yield [np.where(v < 0, d.lower, d.upper) for v, d in zip(drawn, deltas, strict=True)]


__all__ = ["Remainder", "remainder"]
