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
from wengert.convergence.convexity.hessians import constant_hessians, is_never_negative, signs_of
from wengert.convergence.convexity.known import (
    AFFINE,
    CONCAVE,
    CONSTANT,
    CONVEX,
    FLAT,
    NEGATED,
    UNKNOWN,
    Known,
    all_squares,
    base_of,
    is_inside,
    is_nonnegative,
    is_unbounded,
    joined,
    largest_degree,
    scaled_bend,
    sign_of,
    sign_of_weights,
    suits_order,
    the_one_source,
    total_degree,
    with_article,
    within,
    words_of_rule,
    words_of_scaling,
    words_of_sum,
)
from wengert.convergence.convexity.one_argument import one_argument
from wengert.derive import derivative
from wengert.expr import Expr, make, rebuild, topological
from wengert.operations import contract, variable
from wengert.operations.enclosing import ends_of
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
from wengert.primitive import Curved, Kind, Linear, Multilinear, PartlyLinear
from wengert.shapes import concrete
from wengert.structured import run

_MONOMIAL = {
    1: "a product of powers of positive functions, one of them rising, of degree 1 or more",
    -1: "a geometric mean of positive functions, or a power of one",
}
_MOST_WEIGHTS = 10**6  # of sums of entries in order


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
        found = replace(found, partial=self._is_partial(node))
        if found.squares or found.logarithm or found.log_concave or is_positive(node):
            bounds = found.interval
            found = replace(found, interval=Interval(np.maximum(bounds.lower, 0.0), bounds.upper))
        if found.bend in (AFFINE, CONCAVE) and is_nonnegative(found.interval):
            found = replace(found, log_concave=True)
        return found

    def _is_partial(self, node: Expr) -> bool:
        """May an operand be outside of the domain?"""
        if any(self.known[o].partial for o in node.operands):
            return True
        regions = [r for r in node.primitive.curvature_of(node) if r.domain]
        places = [*ends_of(node), *((k, e) for r in regions for k, e in enumerate(r.low + r.high))]
        return any(self.known[o].moves for o in node.operands) and bool(places)

    def _constant(self, interval: Interval) -> Known:
        nonnegative = is_nonnegative(interval)
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
            flat = all(self.known[node.operands[k]].bend in FLAT for k in moving if k == 0)
            why = "entries in order"
            found = replace(found, bend=UNKNOWN, why=why, ordered=node if flat else None)
        return found if found.why else replace(found, why=f"there is no rule for {node.name}")

    # ------------------------------------------------------------ intervals

    def _interval(self, node: Expr, moving: Sequence[int]) -> Interval:
        """Around the value, where operands are in the domain of the operation."""
        operands = [self.known[o].interval for o in node.operands]
        shape = concrete(node.shape)
        if is_contraction(node) and any(is_unbounded(operands[k]) for k in moving):
            return self._interval_of_product(node, shape)
        for region in node.primitive.curvature_of(node):
            if region.domain:
                free = set(moving) & set(region.moving or moving)
                operands = [
                    within(region, k, x) if k in free else x for k, x in enumerate(operands)
                ]
                break
        leaves = [variable(f"·{k}", o.shape, dtype=o.dtype) for k, o in enumerate(node.operands)]
        alone = make(node.primitive, tuple(leaves), node.params, node.shape, node.dtype)
        with np.errstate(all="ignore"):
            return enclose([alone], dict(zip(leaves, operands, strict=True))).intervals[0]

    def _interval_of_product(self, node: Expr, shape: tuple[int, ...]) -> Interval:
        """Its sign, where the factors have signs."""
        signs = [sign_of(self.known[o].interval) for o in node.operands]
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
        degree = largest_degree([t.degree for t in terms])
        rising = all(c > 0 for c in coefficients)
        bend = joined(scaled_bend(t.bend, c) for t, c in zip(terms, coefficients, strict=True))
        why = "a sum" if bend in FLAT else words_of_sum(bend, terms)
        if bend == UNKNOWN:
            bend, why = self._with_quadratics(node)
        return replace(
            unknown,
            bend=bend,
            why=why,
            degree=degree,
            squares=all_squares(terms, coefficients),
            logarithm=rising and all(t.logarithm for t in terms),
            ordered=the_one_source([t for t in terms if t.bend not in FLAT]),
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
        whole_bend = joined(scaled_bend(self.known[o].bend, c) for o, c in rest)
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
            scaled_bend(self.known[o].bend, c)
            for o, c in zip(node.operands, coefficients_of(node), strict=True)
        }
        if UNKNOWN in bends:
            return "a sum with a term of which nothing is known"
        return "a sum of a convex and a concave term"

    # ------------------------------------------------------------ products

    def _product(self, node: Expr, moving: list[int], unknown: Known) -> Known:
        factors = [self.known[o] for o in node.operands]
        weight = self.weight(node, moving)
        degree = total_degree([factors[k].degree for k in moving])
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
        sign = weight and self._monomial(node, moving, Fraction(1))
        if sign:
            bend = CONVEX if sign * weight > 0 else CONCAVE
            return replace(unknown, bend=bend, why=_MONOMIAL[sign], degree=degree)
        inner = self._entries(node, moving)
        if inner is not None:
            entries = self[inner]
            found = self._scaled(entries, weight, unknown, degree)
            if found.bend != UNKNOWN:
                why = f"{entries.why}, summed"
                return replace(found, why=why, argument=entries.argument)
        product = "a product of functions of the parameters"
        return replace(unknown, degree=degree, why=product)

    def weight(self, node: Expr, moving: Sequence[int]) -> int:
        """The sign of what a contraction multiplies the factors that move with; 0 for both."""
        sign = 1 if contraction_params(node)[2] > 0 else -1
        for k, o in enumerate(node.operands):
            sign *= 1 if k in moving else sign_of(self.known[o].interval)
        return sign

    def _scaled(
        self,
        factor: Known,
        weight: int,
        unknown: Known,
        degree: int | None,
        one_term: bool = False,
    ) -> Known:
        if factor.bend in FLAT:
            why = "a linear map of an affine function"
            return replace(unknown, bend=AFFINE, why=why, degree=degree)
        found = replace(unknown, degree=degree)
        if not weight:
            return replace(
                found, why=f"weights of both signs on {with_article(factor.bend)} function"
            )
        bend = factor.bend if weight > 0 else NEGATED.get(factor.bend, UNKNOWN)
        return replace(
            found,
            bend=bend,
            why=words_of_scaling(factor, weight),
            squares=weight > 0 and factor.squares,
            logarithm=weight > 0 and factor.logarithm,
            log_concave=weight > 0 and factor.log_concave and one_term,
        )

    def _monomial(self, node: Expr, moving: Sequence[int], power: Fraction) -> int:
        """1 if the power of a product of powers of positive parts is convex, −1 if concave.

        Π xᵢ^aᵢ is convex if one exponent is positive and they add up to 1 or more, and concave
        if none is negative and they add up to 1 at most (Boyd and Vandenberghe 2004, section 3.1).
        """
        exponents: dict[Any, Fraction] = {}
        for k in moving:
            base, exponent = base_of(node.operands[k])
            known = self.known[base]
            if known.bend not in (AFFINE, CONCAVE) or not is_nonnegative(known.interval):
                return 0
            key = base, contraction_params(node)[0][k]
            exponents[key] = exponents.get(key, Fraction(0)) + exponent * power
        total = sum(exponents.values())
        if total <= 1 and all(e >= 0 for e in exponents.values()):
            return -1
        flat = all(self.known[base].bend == AFFINE for base, _ in exponents)
        return int(flat and total >= 1 and sum(e > 0 for e in exponents.values()) == 1)

    def _over(self, node: Expr, moving: Sequence[int]) -> str:
        """Squares of affine functions, alone or over an affine function that is positive."""
        labels = contraction_params(node)[0]
        count: dict[Any, int] = {}
        for k in moving:
            key = (node.operands[k], labels[k])
            count[key] = count.get(key, 0) + 1
        squares, divisors = 0, 0
        for (factor, _), times in count.items():
            if times == 1 and self.known[factor].squares:
                squares += 1
                continue
            base, exponent = base_of(factor)
            exponent *= times
            known = self.known[base]
            if known.bend not in FLAT:
                return ""
            if exponent == 2:
                squares += 1
            elif exponent == -1 and is_nonnegative(known.interval):
                divisors += 1
            else:
                return ""
        if squares != 1 or divisors > 1:
            return ""
        return "squares of affine functions" + (" over a positive affine one" if divisors else "")

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
        from_norm = is_power(node) and exponent_of(node) >= Fraction(1, 2)
        if from_norm and self._is_squares(node.operands[0]):
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
        if is_power(node) and self._is_geometric(node):
            return replace(unknown, bend=CONCAVE, why=_MONOMIAL[-1], log_concave=True)
        found: dict[int, Curved] = {}
        for region in node.primitive.curvature_of(node):
            if region.sign < 0 and region.logarithm:
                holds = unknown.log_concave or self._holds(region, node, moving)
                unknown = replace(unknown, log_concave=holds)
            elif region.sign not in found and self._holds(region, node, moving):
                found[region.sign] = region
        degree = self._degree(node, moving)
        flat = all(operands[k].bend in FLAT for k in moving)
        if len(found) == 2:
            return replace(unknown, bend=AFFINE, why="of affine functions", degree=degree)
        if not found:
            return replace(unknown, degree=degree, why=self._obstacle(node, moving))
        (region,) = found.values()
        return replace(
            unknown,
            bend=CONVEX if region.sign > 0 else CONCAVE,
            why=words_of_rule(node, region, [operands[k] for k in moving]),
            degree=degree,
            squares=flat and degree == 2,
            logarithm=region.sign > 0 and region.logarithm,
            second=region.second if flat else None,
        )

    def _is_squares(self, node: Expr) -> bool:
        """Is it a sum of squares of affine functions, by its form or by its coefficients?"""
        known = self.known[node]
        if known.squares or known.bend != CONVEX or known.degree != 2 or node.shape:
            return known.squares
        hessians = constant_hessians(node, self.leaves, self.values)
        if hessians is None:
            return False
        return is_never_negative(node, hessians[0], self.leaves, self.values)

    def _is_geometric(self, node: Expr) -> bool:
        """Is it a root of a product of positive parts, as a geometric mean is?"""
        product = node.operands[0]
        if not is_contraction(product) or not self._is_one_term(product):
            return False
        moving = [k for k, o in enumerate(product.operands) if self.known[o].moves]
        if self.weight(product, moving) <= 0 or exponent_of(node) <= 0:
            return False
        return self._monomial(product, moving, exponent_of(node)) < 0

    def _holds(self, region: Curved, node: Expr, moving: Sequence[int]) -> bool:
        if region.moving is not None and not set(moving) <= set(region.moving):
            return False
        if region.definite:
            return self._is_definite(node.operands[0])
        for k, operand in enumerate(node.operands):
            known = self.known[operand]
            if not is_inside(region, k, known):
                return False
            if known.ordered is operand and suits_order(region, node, operand):
                continue
            slope = region.sign * (region.slopes[k] if k < len(region.slopes) else 0)
            convex_enough = known.bend == CONVEX and slope == 1
            if region.of_logarithm and known.moves:
                if not (known.logarithm if region.sign > 0 else known.log_concave):
                    return False
            elif not (
                known.bend in FLAT or convex_enough or (known.bend == CONCAVE and slope == -1)
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
        return f"no rule for {node.name} of {with_article(inner)} function there"

    def _degree(self, node: Expr, moving: Sequence[int]) -> int | None:
        if is_power(node):
            exponent = exponent_of(node)
            degree = self.known[node.operands[0]].degree
            total = None if degree is None else degree * exponent
            return int(total) if total in (1, 2) and exponent > 0 else None
        if node.primitive.curvature_of(node)[:1] and all(
            r.second == (0.0, 0.0) for r in node.primitive.curvature_of(node)
        ):
            return largest_degree([self.known[node.operands[k]].degree for k in moving])
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
        sign = sign_of_weights(np.asarray(weights), order)
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
            return replace(found, bend=bend, why=why, alone=True)
        why = f"of degree 2, eigenvalues of the Hessian from {least:.4g} to {largest:.4g}"
        return replace(found, why=why)

    def _by_argument(self, node: Expr, found: Known) -> Known:
        """As a function of one number, entry by entry, by its second derivative."""
        one = one_argument(node, self.known, self.values)
        if one is None:
            return found
        bend = CONVEX if one.sign > 0 else CONCAVE
        return replace(found, bend=bend, why=one.why, second=one.second, argument=one.argument)
