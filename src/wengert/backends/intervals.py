"""Expressions evaluated on intervals: bounds of every node's value, rounded outwards.

Each operation says how it encloses its value (``Primitive.enclosure``). Contractions are products
of intervals where they are small; larger ones go by midpoint and radius through the same products
as numbers do (Rump 1999, Fast and parallel interval arithmetic). A smooth elementwise function
that says nothing is enclosed by its partial derivatives: at the ends where these have one sign, by
the mean value theorem elsewhere. What has no enclosure is unbounded, with a sentence that says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import opt_einsum

from wengert.backends.numpy_views import diagonal_view
from wengert.expr import Expr, make, topological
from wengert.operations import variable
from wengert.operations.control.programs import Program
from wengert.operations.intervals import (
    EPS,
    Array,
    Interval,
    clipped,
    down,
    hull,
    plus,
    point,
    scaled,
    summed,
    times,
    up,
    whole,
    widened,
)
from wengert.operations.structure import coefficients_of, contraction_params, is_positive
from wengert.primitive import Kind, Partials
from wengert.shapes import concrete

INSIDE = "(in a loop or branch)"
"""What is said of operations in programs ends with this."""
_EXACT_VOLUME = 1 << 14  # products of a contraction that are taken one by one
_NESTED = 3  # derivatives of derivatives that are asked for
_STEPS = 4096  # of loops that are unrolled


@dataclass(frozen=True)
class Enclosed:
    """What an evaluation on intervals gave.

    Attributes
    ----------
    intervals : tuple of Interval
        One a root.
    gaps : tuple of str
        Which operations have no enclosure there, and why.
    rough : tuple of str
        Which operations may not be smooth there, and why.
    """

    intervals: tuple[Interval, ...]
    gaps: tuple[str, ...]
    rough: tuple[str, ...]

    @property
    def bounded(self) -> bool:
        """Are all bounds finite?"""
        return all(
            bool(np.all(np.isfinite(x.lower)) and np.all(np.isfinite(x.upper)))
            for x in self.intervals
        )


def enclose(roots: Sequence[Expr], leaves: Mapping[Expr, Interval]) -> Enclosed:
    """Bounds of expressions whose leaves are anywhere in intervals.

    Parameters
    ----------
    roots : sequence of Expr
        Of known sizes.
    leaves : mapping of Expr to Interval
        Finite bounds, of the leaves' shapes.

    Returns
    -------
    Enclosed
        Every value that the roots have at some point of the intervals lies between the bounds.

    Examples
    --------
    >>> from wengert.operations import elementwise, variable
    >>> x = variable("x", ())
    >>> found = enclose([elementwise("cos", x)], {x: Interval(np.float64(-0.1), np.float64(4.0))})
    >>> [(float(i.lower), float(i.upper)) for i in found.intervals]
    [(-1.0, 1.0)]
    """
    run = _Run({leaf: _in_double(leaf, x) for leaf, x in leaves.items()}, _NESTED)
    found = run.all(roots)
    gaps, rough = (tuple(dict.fromkeys(said)) for said in (run.gaps, run.rough))
    return Enclosed(tuple(found), gaps, rough)


def _in_double(leaf: Expr, x: Interval) -> Interval:
    """Real bounds in the precision in which operations are widened."""
    if leaf.dtype != "real":
        return x
    return Interval(np.asarray(x.lower, np.float64), np.asarray(x.upper, np.float64))


@dataclass
class _Run:
    """One evaluation: the intervals so far, and what had none."""

    known: dict[Expr, Interval]
    depth: int
    gaps: list[str] = field(default_factory=list[str])
    rough: list[str] = field(default_factory=list[str])

    def all(self, roots: Sequence[Expr]) -> list[Interval]:
        for node in topological(*roots):
            if node not in self.known:
                self.known[node] = self.settled(node, self.of(node))
                if not all(self.known[o].certain for o in node.operands):
                    self.examine(node)
        return [self.known[root] for root in roots]

    def examine(self, node: Expr) -> None:
        """Note where a derivative may jump, or is not the function's own."""
        if node.primitive.kinks is None:
            if not node.primitive.smooth:
                self.rough.append(f"{node.name} is not smooth")
            return
        for kink in node.primitive.kinks(node):
            inner = _Run(self.known, 0)
            (gap,) = inner.all([kink.gap])
            if np.any((gap.lower <= 0) & (gap.upper >= 0)):
                self.rough.append(f"{node.name} may have a kink there")

    def of(self, node: Expr) -> Interval | None:
        """An enclosure, NaN where there is none; None if the operation has none at all."""
        operands = [self.known[o] for o in node.operands]
        match node.primitive.kind:
            case Kind.CONTRACTION:
                return contraction(node, operands)
            case Kind.SUM:
                return _sum(node, operands)
            case Kind.BRANCH:
                return self.branch(node, operands)
            case Kind.SCAN:
                return self.scan(node, operands)
            case _:
                pass
        if node.primitive.enclosure is not None:
            with np.errstate(all="ignore"):
                return node.primitive.enclosure(node, *operands)
        if node.primitive.elementwise and node.primitive.smooth:
            return self.by_partials(node, operands)
        return None

    def settled(self, node: Expr, found: Interval | None) -> Interval:
        """Unbounded, and noted, where there is no enclosure."""
        shape = concrete(node.shape)
        if found is None:
            self.note(node, "has no enclosure")
            if node.dtype == "bool":
                return Interval(np.zeros(shape, bool), np.ones(shape, bool))
            return whole(shape)
        if node.dtype != "real":
            return Interval(
                np.broadcast_to(found.lower, shape), np.broadcast_to(found.upper, shape)
            )
        lower, upper = (
            np.broadcast_to(np.asarray(x, np.float64), shape) for x in (found.lower, found.upper)
        )
        lost = np.isnan(lower) | np.isnan(upper)
        if not lost.any():
            if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
                self.note_unbounded(node)
            return Interval(lower, upper)
        if all(_finite(self.known[o]) for o in node.operands):
            self.note(node, "has no bounds there: its operand may reach outside of its domain")
        return Interval(np.where(lost, -np.inf, lower), np.where(lost, np.inf, upper))

    def note_unbounded(self, node: Expr) -> None:
        if node.operands and all(_finite(self.known[o]) for o in node.operands):
            self.note(node, "is unbounded there")

    def note(self, node: Expr, what: str) -> None:
        self.gaps.append(f"{node.name} {what}")

    # ------------------------------------------------------------ by derivatives

    def by_partials(self, node: Expr, operands: list[Interval]) -> Interval | None:
        """From the signs and sizes of the partial derivatives."""
        rule = node.primitive.derivative
        if not isinstance(rule, Partials) or not self.depth:
            return self.loose(node, operands)
        moving = [k for k, x in enumerate(operands) if not x.certain]
        slopes: dict[int, Interval] = {}
        leaves = [variable(f"·{k}", o.shape) for k, o in enumerate(node.operands)]
        y = make(node.primitive, tuple(leaves), node.params, node.shape)
        base = self.loose(node, operands) or whole(concrete(node.shape))
        for k in moving:
            partial = rule.partials[k]
            if not callable(partial):
                return self.loose(node, operands)
            inner = _Run({**dict(zip(leaves, operands, strict=True)), y: base}, self.depth - 1)
            (slopes[k],) = inner.all([partial(y, *leaves)])
            if not _finite(slopes[k]):
                return self.loose(node, operands)
        return _between(node, operands, slopes, base)

    def loose(self, node: Expr, operands: list[Interval]) -> Interval | None:
        """The declared bounds, and what is known of the sign."""
        bounds = node.primitive.bounds
        found = None if bounds is None else bounds(node, *operands)
        if is_positive(node):
            found = clipped(found or whole(concrete(node.shape)), 0.0, np.inf)
        return found

    # ------------------------------------------------------------ programs

    def program(self, program: Program, arguments: Sequence[Interval]) -> list[Interval]:
        inner = _Run(dict(zip(program.leaves, arguments, strict=True)), self.depth, self.gaps)
        found = inner.all(program.roots)
        self.rough += [said if INSIDE in said else f"{said} {INSIDE}" for said in inner.rough]
        return found

    def branch(self, node: Expr, operands: list[Interval]) -> Interval:
        """Of all programs that may be chosen."""
        index, *arguments = operands
        programs: Sequence[Program] = node.param("programs")
        part: int = node.param("part")
        last = len(programs) - 1
        first, final = (int(np.clip(int(i), 0, last)) for i in (index.lower, index.upper))
        return hull([self.program(p, arguments)[part] for p in programs[first : final + 1]])

    def scan(self, node: Expr, operands: list[Interval]) -> Interval | None:
        """Step by step, if the number of steps is known and not large."""
        length: Any = node.param("length")
        carries: int = node.param("carries")
        part: int = node.param("part")
        program: Program = node.param("program")
        _, _, sequences, _, reverse, counted, _ = node.params
        if counted or not isinstance(length, int) or length > _STEPS:
            return None
        carry, inputs = operands[:carries], operands[carries : carries + sequences]
        constants = operands[carries + sequences :]
        kept: dict[int, Interval] = {}
        roots = len(program.roots)
        for t in reversed(range(length)) if reverse else range(length):
            items = [Interval(x.lower[t], x.upper[t]) for x in inputs]
            found = self.program(program, [*carry, *items, *constants])
            if part >= carries:
                kept[t] = found[part] if part < roots else carry[part - roots]
            carry = found[:carries]
        if part < carries:
            return carry[part]
        if not length:
            return whole(concrete(node.shape))
        rows = [kept[t] for t in range(length)]
        return Interval(np.stack([r.lower for r in rows]), np.stack([r.upper for r in rows]))


def _finite(x: Interval) -> bool:
    return bool(np.all(np.isfinite(x.lower)) and np.all(np.isfinite(x.upper)))


def _between(
    node: Expr, operands: list[Interval], slopes: dict[int, Interval], base: Interval
) -> Interval:
    """Values at the ends where slopes have one sign, and around the middle where they have not."""
    low: list[Any] = [operand.lower for operand in operands]
    high: list[Any] = list(low)
    reach: Any = 0.0
    for k, slope in slopes.items():
        x: Interval = operands[k]
        rising, falling = slope.lower >= 0, slope.upper <= 0
        middle, radius = x.middle()
        low[k] = np.select([rising, falling], [x.lower, x.upper], middle)
        high[k] = np.select([rising, falling], [x.upper, x.lower], middle)
        reach = reach + np.where(rising | falling, 0.0, up(slope.magnitude * radius))
    with np.errstate(all="ignore"):
        evaluate = node.primitive.evaluate
        below, above = evaluate(node, *map(np.asarray, low)), evaluate(node, *map(np.asarray, high))
        found = widened(below - reach, above + reach, 1e-10, 1e-13)
    return Interval(np.maximum(found.lower, base.lower), np.minimum(found.upper, base.upper))


# ---------------------------------------------------------------- sums and contractions


def _sum(node: Expr, operands: list[Interval]) -> Interval:
    total: Interval | None = None
    for coefficient, x in zip(coefficients_of(node), operands, strict=True):
        term = scaled(coefficient, x)
        total = term if total is None else plus(total, term)
    assert total is not None
    return total


def contraction(node: Expr, operands: Sequence[Interval]) -> Interval:
    """A contraction of intervals, with its deltas and ones."""
    labels, out, coefficient = contraction_params(node)
    shape = concrete(node.shape)
    sizes: dict[int, int] = dict(zip(out, shape, strict=True))
    parts: list[tuple[tuple[int, ...], Interval]] = []
    for x, axes in zip(operands, labels, strict=True):
        sizes.update(zip(axes, x.lower.shape, strict=True))
        distinct = tuple(dict.fromkeys(axes))
        if len(distinct) < len(axes):
            ends = [diagonal_view(np.ascontiguousarray(a), axes) for a in (x.lower, x.upper)]
            parts.append((distinct, Interval(*ends)))
        else:
            parts.append((distinct, x))
    used = dict.fromkeys(a for axes, _ in parts for a in axes)
    kept = tuple(a for a in dict.fromkeys(out) if a in used)
    volume = prod(sizes[a] for a in used)
    multiply = _one_by_one if volume <= _EXACT_VOLUME else _by_radius
    core = multiply(parts, kept, sizes) if parts else point(np.float64(1.0))
    return _spread(scaled(coefficient, core), kept, out, shape)


def _one_by_one(
    parts: Sequence[tuple[tuple[int, ...], Interval]], kept: tuple[int, ...], sizes: dict[int, int]
) -> Interval:
    order = (
        *kept,
        *(a for a in dict.fromkeys(a for axes, _ in parts for a in axes) if a not in kept),
    )
    product: Interval | None = None
    for axes, x in parts:
        turn = tuple(axes.index(a) for a in order if a in axes)
        index = tuple(slice(None) if a in axes else None for a in order)
        lined = Interval(x.lower.transpose(turn)[index], x.upper.transpose(turn)[index])
        product = lined if product is None else times(product, lined)
    assert product is not None
    full = tuple(sizes[a] for a in order)
    whole_product = Interval(
        np.broadcast_to(product.lower, full), np.broadcast_to(product.upper, full)
    )
    return summed(whole_product, tuple(range(len(kept), len(order))))


def _by_radius(
    parts: Sequence[tuple[tuple[int, ...], Interval]], kept: tuple[int, ...], sizes: dict[int, int]
) -> Interval:
    """|Π(m + e) − Π m| ≤ Π(|m| + r) − Π |m|, and n ulps of Π(|m| + r) for rounding."""
    middles, radii = zip(*(x.middle() for _, x in parts), strict=True)
    labels = [axes for axes, _ in parts]
    tops = [up(np.abs(m) + r) for m, r in zip(middles, radii, strict=True)]
    with np.errstate(all="ignore"):
        middle, base, top = (
            _einsum(arrays, labels, kept) for arrays in (middles, [abs(m) for m in middles], tops)
        )
        summed_over = {a for axes in labels for a in axes} - set(kept)
        count = prod(sizes[a] for a in summed_over) + 4 * len(parts)
        radius = up(np.maximum(top - base, 0) + 4 * count * EPS * top + count * 5e-324)
        return Interval(down(middle - radius), up(middle + radius))


def _einsum(
    arrays: Sequence[Array], labels: Sequence[tuple[int, ...]], out: tuple[int, ...]
) -> Array:
    operands: list[Any] = []
    for array, axes in zip(arrays, labels, strict=True):
        operands += [array, axes]
    return np.asarray(opt_einsum.contract(*operands, out))


def _spread(
    core: Interval, kept: tuple[int, ...], out: tuple[int, ...], shape: tuple[int, ...]
) -> Interval:
    """The core with its deltas and along the axes on which it does not depend."""
    if kept == out:
        return core
    distinct = tuple(dict.fromkeys(out))
    index = tuple(slice(None) if a in kept else None for a in distinct)
    found: list[Array] = []
    for array in (core.lower, core.upper):
        whole_array = np.zeros(shape)
        diagonal_view(whole_array, out)[...] = np.asarray(array)[index]
        found.append(whole_array)
    return Interval(*found)
