"""Convexity by rules: what each part of an expression is, from what its operands are.

The rules are those of disciplined convex programming (Grant, Boyd and Ye 2006; Boyd and
Vandenberghe 2004, section 3.2), on expressions as they are written: operations declare where they
are convex and which way they go (``Primitive.curvature``), contractions are affine in a factor that
alone moves, and polynomials of degree 2 are judged by their constant Hessian. Signs come from
intervals around every node's value, with the data as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from wengert.assumptions import Assumption
from wengert.backends.intervals import enclose
from wengert.convergence.hessians import constant_hessians, signs_of
from wengert.convergence.one_argument import one_argument
from wengert.derive import derivative
from wengert.expr import Expr, make, rebuild, topological
from wengert.operations import contract, variable
from wengert.operations.intervals import Interval, whole
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import (
    coefficients_of,
    constant_value,
    contraction_params,
    exponent_of,
    is_contraction,
    is_positive,
    is_power,
    is_sum,
    is_variable,
    strip_coefficient,
)
from wengert.primitive import Curved, Kind, Linear, Multilinear, Ordered, PartlyLinear
from wengert.shapes import concrete
from wengert.structured import run

CONSTANT, AFFINE, CONVEX, CONCAVE, UNKNOWN = "constant", "affine", "convex", "concave", "unknown"
_FLAT = (CONSTANT, AFFINE)
_MOST_WEIGHTS = 10**6  # of sums of entries in order
_NEGATED = {CONVEX: CONCAVE, CONCAVE: CONVEX}


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of a part.

    Attributes
    ----------
    bend : str
        "constant", "affine", "convex", "concave" or "unknown", entry by entry.
    interval : Interval
        Around the value.
    why : str
        The rule, a clause.
    degree : int or None
        As a polynomial in the parameters: 0, 1 or 2; None if it is none, or a higher one.
    squares : bool
        Is it a sum of squares of affine functions, plus a number from 0 on?
    logarithm : bool
        Is it positive, with a convex logarithm?
    log_concave : bool
        Is it positive, with a concave logarithm?
    ordered : Expr or None
        Entries in order of which it is a linear map, plus what is affine.
    second : tuple of float or None
        Bounds of the second derivative in its argument, for curved operations.
    argument : Expr or None
        The affine argument; by default the one operand that moves.
    """

    bend: str
    interval: Interval
    why: str = ""
    degree: int | None = None
    squares: bool = False
    logarithm: bool = False
    log_concave: bool = False
    ordered: Expr | None = None
    second: tuple[float, float] | None = None
    argument: Expr | None = None

    @property
    def moves(self) -> bool:
        """Does it depend on the parameters?"""
        return self.bend != CONSTANT


@dataclass
class Calculus:
    """The rules, applied to a function of leaves.

    Parameters
    ----------
    root : Expr
        The function, of known sizes.
    leaves : sequence of Expr
        The parameters.
    ranges : mapping of Expr to Interval
        What parameters are known to be between; any number by default.
    values : mapping of Expr to ndarray
        The other variables.

    Attributes
    ----------
    known : dict
        What was found, by node.
    """

    root: Expr
    leaves: Sequence[Expr]
    values: Mapping[Expr, Any]
    ranges: Mapping[Expr, Interval] = field(default_factory=dict[Expr, Interval])
    known: dict[Expr, Known] = field(default_factory=dict[Expr, Known])

    def __post_init__(self) -> None:
        for node in topological(self.root):
            self.known[node] = self._of(node)

    def __getitem__(self, node: Expr) -> Known:
        """What is known of a part, found now if need be."""
        for inner in topological(node):
            if inner not in self.known:
                self.known[inner] = self._of(inner)
        return self.known[node]

    # ------------------------------------------------------------ one node

    def _of(self, node: Expr) -> Known:
        if node in self.leaves:
            found = self.ranges.get(node, whole(concrete(node.shape)))
            if is_positive(node):
                found = Interval(np.maximum(found.lower, 0.0), found.upper)
            return Known(AFFINE, found, "the parameters", 1)
        if node in self.values:
            value = np.asarray(self.values[node])
            return self._constant(Interval(value, value))
        moving = [k for k, o in enumerate(node.operands) if self.known[o].moves]
        interval = self._interval(node, moving)
        if not moving:
            return self._constant(interval)
        found = self._moving(node, moving, interval)
        if found.bend == UNKNOWN and found.ordered is not None:
            found = self._by_order(node, found)
        if found.bend == UNKNOWN and found.degree == 2:
            found = self._by_hessian(node, found)
        if found.bend == UNKNOWN and node.dtype == "real":
            found = self._by_argument(node, found)
        if found.squares or found.logarithm or found.log_concave or is_positive(node):
            bounds = found.interval
            found = replace(found, interval=Interval(np.maximum(bounds.lower, 0.0), bounds.upper))
        if found.bend in (AFFINE, CONCAVE) and _is_nonnegative(found.interval):
            found = replace(found, log_concave=True)
        return found

    def _constant(self, interval: Interval) -> Known:
        nonnegative = _is_nonnegative(interval)
        return Known(CONSTANT, interval, "a constant", 0, nonnegative, nonnegative, nonnegative)

    def _moving(self, node: Expr, moving: list[int], interval: Interval) -> Known:
        unknown = Known(UNKNOWN, interval)
        if node.dtype != "real":
            return replace(unknown, why="it decides by the parameters")
        if node.primitive.kind is Kind.SUM:
            return self._sum(node, unknown)
        if node.primitive.kind is Kind.CONTRACTION:
            return self._product(node, moving, unknown)
        found = self._declared(node, moving, unknown)
        if found.bend == UNKNOWN:
            found = self._linear(node, moving, found)
        if node.primitive.ordered is not None and node.primitive.ordered(node) is not None:
            flat = all(self.known[node.operands[k]].bend in _FLAT for k in moving if k == 0)
            why = "entries in order"
            found = replace(found, bend=UNKNOWN, why=why, ordered=node if flat else None)
        return found if found.why else replace(found, why=f"there is no rule for {node.name}")

    # ------------------------------------------------------------ intervals

    def _interval(self, node: Expr, moving: Sequence[int]) -> Interval:
        """Around the value, where operands are in the domain of the operation."""
        operands = [self.known[o].interval for o in node.operands]
        shape = concrete(node.shape)
        if is_contraction(node) and any(_is_unbounded(operands[k]) for k in moving):
            return self._interval_of_product(node, shape)
        for region in node.primitive.curvature_of(node):
            if region.domain:
                free = set(moving) & set(region.moving or moving)
                operands = [
                    _within(region, k, x) if k in free else x for k, x in enumerate(operands)
                ]
                break
        leaves = [variable(f"·{k}", o.shape, dtype=o.dtype) for k, o in enumerate(node.operands)]
        alone = make(node.primitive, tuple(leaves), node.params, node.shape, node.dtype)
        with np.errstate(all="ignore"):
            return enclose([alone], dict(zip(leaves, operands, strict=True))).intervals[0]

    def _interval_of_product(self, node: Expr, shape: tuple[int, ...]) -> Interval:
        """Its sign, where the factors have signs."""
        signs = [_sign(self.known[o].interval) for o in node.operands]
        sign = int(np.prod(signs)) * (1 if contraction_params(node)[2] > 0 else -1)
        low = np.full(shape, 0.0 if sign > 0 else -np.inf)
        return Interval(low, np.full(shape, 0.0 if sign < 0 else np.inf))

    # ------------------------------------------------------------ sums

    def _sum(self, node: Expr, unknown: Known) -> Known:
        opposite = self._complement(node)
        if opposite is not None:
            return opposite
        terms = [self.known[o] for o in node.operands]
        coefficients = coefficients_of(node)
        degree = _largest([t.degree for t in terms])
        rising = all(c > 0 for c in coefficients)
        bend = joined(_times(t.bend, c) for t, c in zip(terms, coefficients, strict=True))
        why = "a sum" if bend in _FLAT else _words_of_sum(bend, terms)
        if bend == UNKNOWN:
            bend, why = self._with_quadratics(node)
        return replace(
            unknown,
            bend=bend,
            why=why,
            degree=degree,
            squares=_all_squares(terms, coefficients),
            logarithm=rising and all(t.logarithm for t in terms),
            ordered=_the_one([t for t in terms if t.bend not in _FLAT]),
        )

    def _complement(self, node: Expr) -> Known | None:
        """1 − σ(x) as σ(−x), where an operation knows what 1 less its value is."""
        pairs = dict(zip(coefficients_of(node), node.operands, strict=True))
        if len(node.operands) != 2 or set(pairs) != {1, -1}:
            return None
        less = pairs[Fraction(-1)].primitive.complement
        if less is None or constant_value(pairs[Fraction(1)]) != 1:
            return None
        return self[less(pairs[Fraction(-1)])]

    def _with_quadratics(self, node: Expr) -> tuple[str, str]:
        """The terms of degree 2 as one, whose Hessian decides."""
        pairs = list(zip(node.operands, coefficients_of(node), strict=True))
        quadratic = [(o, c) for o, c in pairs if self.known[o].degree == 2]
        rest = [(o, c) for o, c in pairs if self.known[o].degree != 2]
        if len(quadratic) < 2 or not rest:
            return UNKNOWN, self._clash(node)
        whole_bend = joined(_times(self.known[o].bend, c) for o, c in rest)
        if whole_bend == UNKNOWN:
            return UNKNOWN, self._clash(node)
        terms = make(
            node.primitive,
            tuple(o for o, _ in quadratic),
            (tuple(c for _, c in quadratic),),
            node.shape,
        )
        together = self[terms]
        bend = joined([whole_bend, together.bend])
        if bend == UNKNOWN:
            return UNKNOWN, self._clash(node)
        return bend, f"a sum of {bend} terms, those of degree 2 together ({together.why})"

    def _clash(self, node: Expr) -> str:
        bends = {
            _times(self.known[o].bend, c)
            for o, c in zip(node.operands, coefficients_of(node), strict=True)
        }
        if UNKNOWN in bends:
            return "a sum with a term of which nothing is known"
        return "a sum of a convex and a concave term"

    # ------------------------------------------------------------ products

    def _product(self, node: Expr, moving: list[int], unknown: Known) -> Known:
        factors = [self.known[o] for o in node.operands]
        weight = self.weight(node, moving)
        degree = _total([factors[k].degree for k in moving])
        if len(moving) == 1:
            found = self._scaled(
                factors[moving[0]], weight, unknown, degree, self._is_one_term(node)
            )
            return replace(found, ordered=factors[moving[0]].ordered)
        if weight > 0 and all(factors[k].logarithm for k in moving):
            why = "a product of functions with convex logarithms"
            return replace(unknown, bend=CONVEX, why=why, logarithm=True)
        if weight > 0 and all(factors[k].log_concave for k in moving):
            unknown = replace(unknown, log_concave=self._is_one_term(node))
        over = self._over(node, moving)
        if over and weight:
            bend = CONVEX if weight > 0 else CONCAVE
            squares = degree == 2 and weight > 0
            return replace(unknown, bend=bend, why=over, degree=degree, squares=squares)
        inner = self._entries(node, moving)
        if inner is not None:
            entries = self[inner]
            found = self._scaled(entries, weight, unknown, degree)
            if found.bend != UNKNOWN:
                return replace(found, why=f"{entries.why}, summed")
        product = "a product of functions of the parameters"
        return replace(unknown, degree=degree, why=product)

    def weight(self, node: Expr, moving: Sequence[int]) -> int:
        """The sign of what a contraction multiplies the factors that move with; 0 for both."""
        sign = 1 if contraction_params(node)[2] > 0 else -1
        for k, o in enumerate(node.operands):
            sign *= 1 if k in moving else _sign(self.known[o].interval)
        return sign

    def _scaled(
        self,
        factor: Known,
        weight: int,
        unknown: Known,
        degree: int | None,
        one_term: bool = False,
    ) -> Known:
        if factor.bend in _FLAT:
            why = "a linear map of an affine function"
            return replace(unknown, bend=AFFINE, why=why, degree=degree)
        found = replace(unknown, degree=degree)
        if not weight:
            return replace(found, why=f"weights of both signs on {_a(factor.bend)} function")
        bend = factor.bend if weight > 0 else _NEGATED.get(factor.bend, UNKNOWN)
        return replace(
            found,
            bend=bend,
            why=_words_of_scaling(factor, weight),
            squares=weight > 0 and factor.squares,
            logarithm=weight > 0 and factor.logarithm,
            log_concave=weight > 0 and factor.log_concave and one_term,
        )

    def _over(self, node: Expr, moving: Sequence[int]) -> str:
        """A square of an affine part, or such a square over an affine part that is positive."""
        labels = contraction_params(node)[0]
        count: dict[Any, int] = {}
        for k in moving:
            key = (node.operands[k], labels[k])
            count[key] = count.get(key, 0) + 1
        squares, divisors = 0, 0
        for (factor, _), times in count.items():
            base, exponent = _base(factor)
            exponent *= times
            known = self.known[base]
            if known.bend not in _FLAT:
                return ""
            if exponent == 2:
                squares += 1
            elif exponent == -1 and _is_nonnegative(known.interval):
                divisors += 1
            else:
                return ""
        if squares != 1 or divisors > 1:
            return ""
        return "the square of an affine function" + (
            " over a positive affine one" if divisors else ""
        )

    def _is_one_term(self, node: Expr) -> bool:
        """Is every entry one product, and no sum of them?"""
        labels, out, _ = contraction_params(node)
        return {x for axes in labels for x in axes} <= set(out) and len(set(out)) == len(out)

    def _entries(self, node: Expr, moving: Sequence[int]) -> Expr | None:
        """The product before it is summed, if the factors that move have the same axes."""
        labels = contraction_params(node)[0]
        axes = labels[moving[0]]
        if len(set(axes)) < len(axes) or any(set(labels[k]) != set(axes) for k in moving):
            return None
        inner = contract([node.operands[k] for k in moving], [labels[k] for k in moving], axes)
        return None if inner is node else inner

    # ------------------------------------------------------------ declared

    def _declared(self, node: Expr, moving: list[int], unknown: Known) -> Known:
        """By the regions that an operation declares."""
        operands = [self.known[o] for o in node.operands]
        if is_power(node) and operands[0].squares and exponent_of(node) >= Fraction(1, 2):
            why = "a norm of an affine function, or a power of one"
            degree = 2 if exponent_of(node) == 1 else None
            return replace(unknown, bend=CONVEX, why=why, degree=degree)
        if is_power(node) and operands[0].logarithm and exponent_of(node) > 0:
            why = "a power of a function whose logarithm is convex"
            return replace(unknown, bend=CONVEX, why=why, logarithm=True)
        if is_power(node) and operands[0].log_concave:
            if exponent_of(node) < 0:
                why = "a negative power of a function whose logarithm is concave"
                return replace(unknown, bend=CONVEX, why=why, logarithm=True)
            unknown = replace(unknown, log_concave=True)
        found: dict[int, Curved] = {}
        for region in node.primitive.curvature_of(node):
            if region.sign < 0 and region.logarithm:
                holds = unknown.log_concave or self._holds(region, node, moving)
                unknown = replace(unknown, log_concave=holds)
            elif region.sign not in found and self._holds(region, node, moving):
                found[region.sign] = region
        degree = self._degree(node, moving)
        flat = all(operands[k].bend in _FLAT for k in moving)
        if len(found) == 2:
            return replace(unknown, bend=AFFINE, why="of affine functions", degree=degree)
        if not found:
            return replace(unknown, degree=degree, why=self._obstacle(node, moving))
        (region,) = found.values()
        return replace(
            unknown,
            bend=CONVEX if region.sign > 0 else CONCAVE,
            why=_words(node, region, [operands[k] for k in moving]),
            degree=degree,
            squares=flat and degree == 2,
            logarithm=region.sign > 0 and region.logarithm,
            second=region.second if flat else None,
        )

    def _holds(self, region: Curved, node: Expr, moving: Sequence[int]) -> bool:
        if region.moving is not None and not set(moving) <= set(region.moving):
            return False
        if region.definite:
            return self._is_definite(node.operands[0])
        for k, operand in enumerate(node.operands):
            known = self.known[operand]
            if not _is_inside(region, k, known):
                return False
            if known.ordered is operand and _suits_order(region, node, operand):
                continue
            slope = region.sign * (region.slopes[k] if k < len(region.slopes) else 0)
            convex_enough = known.bend == CONVEX and slope == 1
            if region.of_logarithm and known.moves:
                if not (known.logarithm if region.sign > 0 else known.log_concave):
                    return False
            elif not (
                known.bend in _FLAT or convex_enough or (known.bend == CONCAVE and slope == -1)
            ):
                return False
        return True

    def _is_definite(self, matrix: Expr) -> bool:
        """Is it an affine matrix that is positive definite wherever it is defined?"""
        known = self.known[matrix]
        if not known.moves:
            value = known.interval.lower
            return bool(np.allclose(value, value.T) and np.min(np.linalg.eigvalsh(value)) >= 0)
        if matrix in self.leaves:
            return Assumption.POSITIVE_DEFINITE in matrix.param("assumptions")
        if is_sum(matrix):
            rising = all(c > 0 for c in coefficients_of(matrix))
            return rising and all(map(self._is_definite, matrix.operands))
        factor, core = strip_coefficient(matrix)
        return core is not matrix and factor > 0 and self._is_definite(core)

    def _obstacle(self, node: Expr, moving: Sequence[int]) -> str:
        bends = [self.known[node.operands[k]].bend for k in moving]
        if UNKNOWN in bends:
            return "of a function of which nothing is known"
        inner = " and ".join(dict.fromkeys(bends))
        regions = node.primitive.curvature_of(node)
        if not regions:
            return ""
        return f"no rule for {node.name} of {_a(inner)} function there"

    def _degree(self, node: Expr, moving: Sequence[int]) -> int | None:
        if is_power(node):
            exponent = exponent_of(node)
            degree = self.known[node.operands[0]].degree
            total = None if degree is None else degree * exponent
            return int(total) if total in (1, 2) and exponent > 0 else None
        if node.primitive.curvature_of(node)[:1] and all(
            r.second == (0.0, 0.0) for r in node.primitive.curvature_of(node)
        ):
            return _largest([self.known[node.operands[k]].degree for k in moving])
        return None

    def _linear(self, node: Expr, moving: list[int], found: Known) -> Known:
        """Operations that move and add up entries, and those that are linear in one operand."""
        operand = self.known[node.operands[moving[0]]]
        rule = node.primitive.derivative
        if len(moving) > 1:
            return found
        if isinstance(rule, Linear) and moving == [0]:
            return replace(
                found,
                bend=operand.bend,
                why="entries of it" if operand.bend != UNKNOWN else operand.why,
                degree=operand.degree,
                squares=operand.squares,
                logarithm=operand.logarithm,
                log_concave=operand.log_concave or found.log_concave,
                ordered=operand.ordered,
            )
        linear = isinstance(rule, Multilinear) or (
            isinstance(rule, PartlyLinear) and rule.linear(moving[0])
        )
        if linear and operand.bend == AFFINE and node.primitive.kind is Kind.FUNCTION:
            return replace(found, bend=AFFINE, why="a linear map of an affine function", degree=1)
        return found

    # ------------------------------------------------------------ second routes

    def _by_order(self, node: Expr, found: Known) -> Known:
        """A linear map of entries in order: by whether weights go the way of the entries."""
        assert found.ordered is not None
        source = found.ordered
        order = source.primitive.ordered(source) if source.primitive.ordered else None
        place = variable("·ordered", source.shape)
        linear = rebuild(node, with_operands, {source: place})
        size = prod(concrete(node.shape)) * prod(concrete(source.shape))
        if order is None or source is node or size > _MOST_WEIGHTS:
            return found
        below = set(topological(linear))
        at = {n: self.values.get(n, np.zeros(concrete(n.shape))) for n in below if is_variable(n)}
        (weights,) = run((derivative(linear, [place]),), at)
        sign = _sign_of_weights(np.asarray(weights), order)
        if not sign:
            return replace(found, why="entries in order, with weights that are not")
        bend = CONVEX if sign > 0 else CONCAVE
        return replace(found, bend=bend, why="weights that go with the order of the entries")

    def _by_hessian(self, node: Expr, found: Known) -> Known:
        """Of a polynomial of degree 2: its Hessians are constant matrices."""
        hessians = constant_hessians(node, self.leaves, self.values)
        if hessians is None:
            return found
        sign, least, largest = signs_of(hessians)
        if sign:
            bend = CONVEX if sign > 0 else CONCAVE
            why = f"of degree 2, eigenvalues of the Hessian in [{least:.4g}, {largest:.4g}]"
            return replace(found, bend=bend, why=why)
        why = f"of degree 2, eigenvalues of the Hessian from {least:.4g} to {largest:.4g}"
        return replace(found, why=why)

    def _by_argument(self, node: Expr, found: Known) -> Known:
        """As a function of one number, entry by entry, by its second derivative."""
        one = one_argument(node, self.known, self.values)
        if one is None:
            return found
        bend = CONVEX if one.sign > 0 else CONCAVE
        return replace(found, bend=bend, why=one.why, second=one.second, argument=one.argument)


# ---------------------------------------------------------------- parts of the rules


def joined(bends: Any) -> str:
    """What a sum of such terms is."""
    kinds = set(bends)
    if UNKNOWN in kinds or {CONVEX, CONCAVE} <= kinds:
        return UNKNOWN
    for bend in (CONVEX, CONCAVE, AFFINE):
        if bend in kinds:
            return bend
    return CONSTANT


def _the_one(terms: Sequence[Known]) -> Expr | None:
    """The entries in order of which all these are linear maps."""
    sources = {t.ordered for t in terms}
    return sources.pop() if len(sources) == 1 else None


def _suits_order(region: Curved, node: Expr, operand: Expr) -> bool:
    """Is it a reduction of entries that are in order, for which order does not matter?"""
    order = operand.primitive.ordered and operand.primitive.ordered(operand)
    if node.primitive.elementwise or not order or node.ndim != operand.ndim - 1:
        return False
    return not order.sizes or (region.sign > 0 and region.slopes == (1,))


def _sign_of_weights(weights: Any, order: Ordered) -> int:
    """1 if the sum with these weights is convex, −1 if it is concave, 0 if it may be neither."""
    steps = order.sign * np.diff(weights, axis=-1)
    for sign in (1, -1):
        if np.all(sign * steps >= 0) and (not order.sizes or np.all(sign * weights >= 0)):
            return sign
    return 0


def _times(bend: str, coefficient: Fraction) -> str:
    return bend if coefficient > 0 else _NEGATED.get(bend, bend)


def _is_nonnegative(x: Interval) -> bool:
    return bool(np.all(x.lower >= 0))


def _is_unbounded(x: Interval) -> bool:
    return not (np.any(np.isfinite(x.lower)) or np.any(np.isfinite(x.upper)))


def _sign(x: Interval) -> int:
    """1 if no entry is negative, −1 if none is positive, 0 if neither is known."""
    if _is_nonnegative(x):
        return 1
    return -1 if np.all(x.upper <= 0) else 0


def _largest(degrees: Sequence[int | None]) -> int | None:
    found = [d for d in degrees if d is not None]
    return max(found) if len(found) == len(degrees) else None


def _total(degrees: Sequence[int | None]) -> int | None:
    found = [d for d in degrees if d is not None]
    total = sum(found)
    return total if len(found) == len(degrees) and total <= 2 else None


def _all_squares(terms: Sequence[Known], coefficients: Sequence[Fraction]) -> bool:
    """Squares with positive coefficients; of constants the sign counts."""
    for term, c in zip(terms, coefficients, strict=True):
        if term.moves:
            if c < 0 or not term.squares:
                return False
        elif not np.all((term.interval.lower if c > 0 else -term.interval.upper) >= 0):
            return False
    return True


def _base(factor: Expr) -> tuple[Expr, Fraction]:
    return (factor.operands[0], exponent_of(factor)) if is_power(factor) else (factor, Fraction(1))


def _within(region: Curved, k: int, x: Interval) -> Interval:
    """The part of an operand's interval in the domain."""
    low, high = _ends(region, k)
    lower, upper = np.clip(x.lower, low, high), np.clip(x.upper, low, high)
    return Interval(lower, upper) if np.asarray(x.lower).dtype.kind == "f" else x


def _ends(region: Curved, k: int) -> tuple[float, float]:
    low = region.low[k] if k < len(region.low) else -np.inf
    return low, region.high[k] if k < len(region.high) else np.inf


def _is_inside(region: Curved, k: int, known: Known) -> bool:
    """In the region; or moving so that where it is in there is a convex set."""
    low, high = _ends(region, k)
    free = region.domain and known.moves
    below = np.all(known.interval.lower >= low) or (free and known.bend in (AFFINE, CONCAVE))
    above = np.all(known.interval.upper <= high) or (free and known.bend in (AFFINE, CONVEX))
    return bool(below and above)


def _words(node: Expr, region: Curved, operands: Sequence[Known]) -> str:
    """The rule of composition that was used."""
    bends = list(dict.fromkeys(o.bend for o in operands))
    kind = "convex" if region.sign > 0 else "concave"
    if region.of_logarithm:
        return "the logarithm of a function whose logarithm is convex"
    if bends in ([AFFINE], []):
        return "of an affine function"
    slope = next((s for s in region.slopes if s), 0)
    goes = {1: "rising", -1: "falling"}.get(slope, "monotone")
    inner = " and ".join(bends)
    return f"{node.name} is {kind} and {goes} there, of {_a(inner)} function"


def _words_of_sum(bend: str, terms: Sequence[Known]) -> str:
    rest = " and affine ones" if any(t.bend == AFFINE for t in terms) else ""
    return f"a sum of {bend} terms{rest}"


def _words_of_scaling(factor: Known, weight: int) -> str:
    if factor.squares and weight > 0:
        return "a sum of squares of affine functions"
    return f"weights {'≥' if weight > 0 else '≤'} 0 on {_a(factor.bend)} function"


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


__all__ = ["AFFINE", "CONCAVE", "CONSTANT", "CONVEX", "UNKNOWN", "Calculus", "Known", "joined"]
