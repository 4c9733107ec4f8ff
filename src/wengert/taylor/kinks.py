"""Kinks: where a function is not smooth, at a point or within the mass of a distribution.

Operations declare their kinks (``Primitive.kinks``): expressions that are zero there, and the
smooth pieces on either side, if there are such. Whether a derivative of the whole function exists
at a kink is asked of the pieces: it does up to the order to which the series of all of them agree
(x·|x| has a first derivative at 0, and no second one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import inf, prod
from typing import Any

import numpy as np
import optree

from wengert.backends.intervals import INSIDE, Interval, enclose
from wengert.derive import jacobians, pushforward
from wengert.errors import (
    AssumptionError,
    KinkError,
    ShapeError,
    TracingError,
    WengertError,
)
from wengert.expr import Expr, depending, rebuild, topological
from wengert.operations import int_array, variable, where
from wengert.operations.intervals import down, point, up
from wengert.operations.rebuild import with_operands
from wengert.primitive import Kink
from wengert.printing import index_notation, matrix_notation
from wengert.shapes import concrete
from wengert.structured import run
from wengert.taylor.subject import Source, function_of
from wengert.tracing.trace import current_trace
from wengert.transforms.jets import jets_along
from wengert.transforms.recording import Recorded, Tree, record

_TRIED = 64  # combinations of pieces; beyond, every kink counts
_DIRECTIONS = 2  # drawn at random: where two polynomials agree on them they are equal
_AGREEMENT = 1e-13
_LONG = 60  # characters of an expression that are shown


@dataclass(frozen=True)
class AtKink:
    """A kink on which a point lies.

    Attributes
    ----------
    operation : str
        The operation that has it.
    condition : str
        Where that is: ``"x = 0"``.
    order : int
        The lowest derivative of the function that does not exist because of it.
    """

    operation: str
    condition: str
    order: int

    def __str__(self) -> str:
        return f"{self.operation} has a kink where {self.condition}"


@dataclass(frozen=True)
class NearKink:
    """A kink near the mean of a distribution.

    Attributes
    ----------
    operation : str
        The operation that has it.
    condition : str
        Where that is: ``"x = 0"``.
    deviations : float
        How many standard deviations of that expression, to first order, the kink is away.
    """

    operation: str
    condition: str
    deviations: float

    def __str__(self) -> str:
        return (
            f"{self.operation} has a kink where {self.condition}, "
            f"{self.deviations:.2g} standard deviations from the mean"
        )


# ---------------------------------------------------------------- at a point


def at_kink(
    f: Source, x0: Any, *, order: int = 1, given: Mapping[str, Any] | None = None
) -> list[AtKink]:
    """The kinks at a point because of which not all derivatives up to an order exist.

    Parameters
    ----------
    f : str, Formula or callable
        As :func:`wengert.taylor.function_of` takes it.
    x0 : tree of array_like
        The point.
    order : int
        The highest derivative that is asked about.
    given : mapping of str to array_like, optional
        Values of a formula's other variables.

    Examples
    --------
    >>> [str(k) for k in at_kink("abs(x)", 0.0)]
    ['abs has a kink where x = 0']
    >>> at_kink("x*abs(x)", 0.0), at_kink("x*abs(x)", 0.0, order=2)[0].order
    ([], 2)
    """
    return _kinks_at(*function_of(f, x0, given), order)


def check_kinks(function: Callable[[Any], Any], x0: Tree, order: int) -> None:
    """An error if a derivative up to an order does not exist at a point.

    Parameters
    ----------
    function, x0 : callable and tree of arrays
        As :func:`wengert.taylor.function_of` gives them.
    order : int
        The highest derivative.

    Raises
    ------
    KinkError
        Naming the kink, and up to which order derivatives exist.
    """
    found = _kinks_at(function, x0, order)
    if found:
        worst = min(found, key=lambda k: k.order)
        raise KinkError(
            f"order {order} is above what is defined at x0: {worst}, and the derivative of order "
            f"{worst.order} does not exist there; use order={worst.order - 1}, another x0, or "
            "check=False for the derivatives that the operations declare at their kinks"
        )


def _kinks_at(function: Callable[[Any], Any], x0: Tree, order: int) -> list[AtKink]:
    """Within code that is traced, where the point may not be known, there are none."""
    if current_trace() is not None or order < 1:
        return []
    recorded, _ = record_for_all(function, x0, "taylor")
    hits = _hits(recorded)
    inside = _inside_programs(recorded)
    if not hits:
        return inside
    rename = _Names(recorded)
    split = [h for h in hits if h.kink.pieces]
    joint = _lowest_disagreement(recorded, split, order) if split else inf
    lowest = [(h, joint if h.kink.pieces else h.kink.order) for h in hits]
    found = [
        AtKink(h.node.name, rename.condition(h.node, h.kink), int(k))
        for h, k in lowest
        if k <= order
    ]
    return list(dict.fromkeys([*found, *inside]))


@dataclass(frozen=True)
class _Hit:
    """A node's kink at which the point is, with the entries in which it is."""

    node: Expr
    number: int
    kink: Kink
    entries: Any


def _hits(recorded: Recorded) -> list[_Hit]:
    """Kinks within the rounding of x₀ to its neighbours."""
    declared = kinks_of(recorded.roots, recorded.leaves)
    if not declared:
        return []
    gaps = tuple(kink.gap for _, _, kink in declared)
    enclosed = enclose(gaps, _around(recorded)).intervals
    exact = run(gaps, _values(recorded))
    hits: list[_Hit] = []
    for (node, number, kink), x, value in zip(declared, enclosed, exact, strict=True):
        known = np.isfinite(x.lower) & np.isfinite(x.upper)
        near = (x.lower <= 0) & (x.upper >= 0)
        at = (known & near) | (~known & np.equal(value, 0))
        if np.any(at):
            hits.append(_Hit(node, number, kink, at))
    return hits


def kinks_of(roots: Sequence[Expr], leaves: Sequence[Expr]) -> list[tuple[Expr, int, Kink]]:
    """The declared kinks of all nodes that depend on the leaves.

    Returns
    -------
    list of (Expr, int, Kink)
        The node, the number among its kinks, and the kink. Programs of loops are not entered.
    """
    moving = set(leaves)
    found: list[tuple[Expr, int, Kink]] = []
    for node in topological(*roots):
        if any(o in moving for o in node.operands):
            moving.add(node)
            declared = node.primitive.kinks
            for number, kink in enumerate(declared(node) if declared is not None else ()):
                if moves(kink.gap, leaves):
                    found.append((node, number, kink))
    return found


def moves(gap: Expr, leaves: Sequence[Expr]) -> bool:
    """Has it a derivative? Masks as numbers, and whole numbers, are not kinks where they are 0."""
    if gap not in depending(topological(gap), set(leaves)):
        return False
    (slope,) = pushforward([gap], {x: variable(f"·way{k}", x.shape) for k, x in enumerate(leaves)})
    return slope is not None


def _inside_programs(recorded: Recorded) -> list[AtKink]:
    """Kinks in loops and branches, which are run on intervals around x₀."""
    programs = [n for n in topological(*recorded.roots) if _holds_program(n)]
    if not programs:
        return []
    said = enclose(programs, _around(recorded)).rough
    names = dict.fromkeys(s.split()[0] for s in said if s.endswith(INSIDE))
    return [AtKink(name, f"its operand has one {INSIDE}", 1) for name in names]


def _holds_program(node: Expr) -> bool:
    return node.primitive.parameters[:1] in (("program",), ("programs",))


# ---------------------------------------------------------------- pieces


def _lowest_disagreement(recorded: Recorded, hits: Sequence[_Hit], order: int) -> float:
    """The lowest order at which the series of the pieces differ; ∞ if none up to ``order``."""
    places = [(k, i) for k, h in enumerate(hits) for i in np.argwhere(h.entries)]
    if 2 ** len(places) > _TRIED:
        return min(h.kink.order for h in hits)
    rng = np.random.default_rng(0)
    shapes = [(_DIRECTIONS, *concrete(leaf.shape)) for leaf in recorded.leaves]
    directions = tuple(rng.standard_normal(shape) for shape in shapes)
    base: list[Any] | None = None
    lowest: float = inf
    for choice in product((0, 1), repeat=len(places)):
        sides = _sides(hits, places, choice)
        roots = tuple(_with_sides(root, hits, sides) for root in recorded.roots)
        series = jets_along(replace(recorded, roots=roots), directions, order)
        if base is None:
            base = series
        for one, other in zip(base, series, strict=True):
            scale = np.max(np.abs(one), initial=0.0) + np.max(np.abs(other), initial=0.0)
            differ = ~(np.abs(one - other) <= _AGREEMENT * scale)
            at = [k for k in range(order + 1) if np.any(differ[k])]
            lowest = min([lowest, *(max(k, 1) for k in at)])
    return lowest


def _sides(
    hits: Sequence[_Hit], places: Sequence[tuple[int, Any]], choice: Sequence[int]
) -> dict[int, tuple[Any, Any]]:
    """By hit, the entries that take the first and the second piece."""
    masks = {
        k: (np.zeros(h.entries.shape, bool), np.zeros(h.entries.shape, bool))
        for k, h in enumerate(hits)
    }
    for (k, index), side in zip(places, choice, strict=True):
        masks[k][side][tuple(index)] = True
    return masks


def _with_sides(root: Expr, hits: Sequence[_Hit], sides: Mapping[int, tuple[Any, Any]]) -> Expr:
    """The root with the nodes at kinks replaced by their pieces."""
    by_node: dict[Expr, list[tuple[_Hit, tuple[Any, Any]]]] = {}
    for k, hit in enumerate(hits):
        by_node.setdefault(hit.node, []).append((hit, sides[k]))

    def transform(node: Expr, operands: tuple[Expr, ...]) -> Expr:
        fresh = with_operands(node, operands)
        kinks = fresh.primitive.kinks
        found = fresh
        for hit, masks in by_node.get(node, ()):
            declared = kinks(fresh) if kinks is not None else ()
            if fresh.primitive is not node.primitive or hit.number >= len(declared):
                return fresh  # the pieces of its operands have made it another operation
            for piece, mask in zip(declared[hit.number].pieces, masks, strict=True):
                found = where(int_array(mask), piece, found) if np.any(mask) else found
        return found

    return rebuild(root, transform, {})


# ---------------------------------------------------------------- near a mean


def kinks_within(
    f: Source,
    mean: Any,
    cov: Any = None,
    *,
    std: Any = None,
    deviations: float = 3.0,
    given: Mapping[str, Any] | None = None,
) -> list[NearKink]:
    """The kinks within some standard deviations of a mean, nearest first.

    Parameters
    ----------
    f : str, Formula or callable
        As :func:`wengert.taylor.function_of` takes it.
    mean : tree of array_like
        The mean of its argument.
    cov : array_like, optional
        The covariance of all entries of the argument, in their order when flattened.
    std : tree of array_like, optional
        In place of the covariance: the standard deviations of independent entries, nested as the
        mean, or one number for all.
    deviations : float
        How far a kink counts.
    given : mapping of str to array_like, optional
        Values of a formula's other variables.

    Returns
    -------
    list of NearKink
        A kink's distance is that of the expression that is zero there, over its standard
        deviation to first order. Loops and branches are not entered.

    Raises
    ------
    ShapeError
        If the covariance or the standard deviations do not fit the mean.
    AssumptionError
        If a variance is negative.

    Examples
    --------
    >>> [str(k) for k in kinks_within("maximum(x, 0)", 1.0, std=0.5)]
    ['maximum has a kink where x = 0, 2 standard deviations from the mean']
    """
    recorded, _ = record_for_all(*function_of(f, mean, given), "expectation")
    covariance = _covariance(recorded, cov, std)
    declared = kinks_of(recorded.roots, recorded.leaves)
    if not declared:
        return []
    rename = _Names(recorded)
    gaps = [kink.gap for _, _, kink in declared]
    slopes = jacobians(gaps, recorded.leaves, "auto")
    flat = run((*gaps, *(s for row in slopes for s in row)), _values(recorded))
    values, rest = flat[: len(gaps)], iter(flat[len(gaps) :])
    found: list[NearKink] = []
    for (node, _, kink), value in zip(declared, values, strict=True):
        size = np.size(value)
        rows = np.hstack([np.reshape(next(rest), (size, -1)) for _ in recorded.leaves])
        deviation = np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", rows, covariance, rows), 0))
        gap = np.abs(np.reshape(value, -1))
        away = np.where(deviation > 0, gap / np.where(deviation > 0, deviation, 1), inf)
        nearest = float(np.min(away, initial=inf))
        if nearest <= deviations:
            found.append(NearKink(node.name, rename.condition(node, kink), nearest))
    return sorted(dict.fromkeys(found), key=lambda k: k.deviations)


def _covariance(recorded: Recorded, cov: Any, std: Any) -> Any:
    shapes = [concrete(leaf.shape) for leaf in recorded.leaves]
    sizes = list(map(prod, shapes))
    total = sum(sizes)
    if (cov is None) == (std is None):
        raise ValueError("give the covariance or the standard deviations of the argument")
    if cov is not None:
        array = np.asarray(cov, np.float64)
        if array.size != total * total:
            raise ShapeError(
                f"a covariance of shape {array.shape} does not fit an argument of {total} entries"
            )
        found = array.reshape(total, total)
    else:
        parts: list[Any] = optree.tree_leaves(std)
        if len(parts) == 1 and np.ndim(parts[0]) == 0:
            parts = [np.full(shape, parts[0]) for shape in shapes]
        if [np.size(p) for p in parts] != sizes:
            raise ShapeError("standard deviations must be nested and shaped as the mean")
        if any(np.any(np.asarray(p) < 0) for p in parts):
            raise AssumptionError("a standard deviation is negative")
        found = np.diag(np.concatenate([np.reshape(p, -1) for p in parts]).astype(float) ** 2)
    if np.any(np.diag(found) < 0):
        raise AssumptionError("a variance, on the diagonal of the covariance, is negative")
    return found


# ---------------------------------------------------------------- what stands for the leaves


def _values(recorded: Recorded) -> dict[Expr, Any]:
    captured = recorded.trace.root.captured.values()
    known = {leaf: recorded.trace.values[leaf] for _, leaf in captured}
    return {**known, **dict(zip(recorded.leaves, recorded.arguments, strict=True))}


def record_for_all(function: Callable[[Any], Any], x0: Tree, name: str) -> tuple[Recorded, bool]:
    """A run that holds for all values, and True; else the run at x₀, and False.

    A function that decides by values in Python's own words (``if x > 0``) is known on the side of
    x₀ only: the kink there is not seen.
    """
    try:
        return record(function, (x0,), {}, 0, name=name, valued=False), True
    except TracingError:
        return record(function, (x0,), {}, 0, name=name), False


def constant_intervals(recorded: Recorded) -> dict[Expr, Interval]:
    """The arrays that a run captured, as intervals."""
    captured = recorded.trace.root.captured.values()
    return {leaf: point(np.asarray(recorded.trace.values[leaf])) for _, leaf in captured}


def _around(recorded: Recorded) -> dict[Expr, Interval]:
    """x₀ between its neighbours, and the constants."""
    at = zip(recorded.leaves, recorded.arguments, strict=True)
    arrays = {leaf: np.asarray(a, np.float64) for leaf, a in at}
    near = {leaf: Interval(down(a), up(a)) for leaf, a in arrays.items()}
    return {**constant_intervals(recorded), **near}


class _Names:
    """Expressions of a run in words: arguments by the names that they have."""

    def __init__(self, recorded: Recorded) -> None:
        paths: list[Tree] = optree.treespec_paths(recorded.structure)
        self.memo: dict[Expr, Expr] = {}
        for path, leaf in zip(paths, recorded.leaves, strict=True):
            named = "".join(str(p) if isinstance(p, str) else f"_{p}" for p in path)
            name = named if path and isinstance(path[0], str) else f"x{named}"
            self.memo[leaf] = variable(name, leaf.shape)
        for k, (_, leaf) in enumerate(recorded.trace.root.captured.values()):
            self.memo[leaf] = variable(f"c{k}", leaf.shape, dtype=leaf.dtype)

    def condition(self, node: Expr, kink: Kink) -> str:
        """Where a kink is, in words."""
        if kink.said:
            return kink.said.format(*map(self.text, node.operands))
        return f"{self.text(kink.gap)} = 0"

    def text(self, expr: Expr) -> str:
        """The expression as it is written; dots in place of its middle if it is long."""
        placed = rebuild(expr, with_operands, dict(self.memo))
        try:
            written = matrix_notation(placed) or index_notation(placed)
        except WengertError:
            return f"its {expr.name}"
        if len(written) > _LONG:
            return f"{written[: _LONG // 2]}...{written[-_LONG // 2 :]}"
        return written


__all__ = [
    "AtKink",
    "NearKink",
    "at_kink",
    "check_kinks",
    "constant_intervals",
    "kinks_of",
    "kinks_within",
    "moves",
]
