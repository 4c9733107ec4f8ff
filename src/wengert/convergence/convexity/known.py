"""What the rules of curvature know of a part, and how they put it together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.expr import Expr
from wengert.operations.intervals import Interval
from wengert.operations.structure import exponent_of, is_power
from wengert.primitive import Curved, Ordered

CONSTANT, AFFINE, CONVEX, CONCAVE, UNKNOWN = "constant", "affine", "convex", "concave", "unknown"
FLAT = (CONSTANT, AFFINE)
NEGATED = {CONVEX: CONCAVE, CONCAVE: CONVEX}


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
        What it was judged as a function of; by default its operands.
    partial : bool
        May there be parameters for which it is no number? Comparisons would hide that.
    alone : bool
        Was it judged without what is known of its operands?
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
    partial: bool = False
    alone: bool = False

    @property
    def moves(self) -> bool:
        """Does it depend on the parameters?"""
        return self.bend != CONSTANT


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


def the_one_source(terms: Sequence[Known]) -> Expr | None:
    """The entries in order of which all these are linear maps."""
    sources = {t.ordered for t in terms}
    return sources.pop() if len(sources) == 1 else None


def suits_order(region: Curved, node: Expr, operand: Expr) -> bool:
    """Is it a reduction of entries that are in order, for which order does not matter?"""
    order = operand.primitive.ordered and operand.primitive.ordered(operand)
    if node.primitive.elementwise or not order or node.ndim != operand.ndim - 1:
        return False
    return not order.sizes or (region.sign > 0 and region.slopes == (1,))


def sign_of_weights(weights: Any, order: Ordered) -> int:
    """1 if the sum with these weights is convex, −1 if it is concave, 0 if it may be neither."""
    steps = order.sign * np.diff(weights, axis=-1)
    for sign in (1, -1):
        if np.all(sign * steps >= 0) and (not order.sizes or np.all(sign * weights >= 0)):
            return sign
    return 0


def scaled_bend(bend: str, coefficient: Fraction) -> str:
    """What a multiple of such a term is."""
    return bend if coefficient > 0 else NEGATED.get(bend, bend)


def is_nonnegative(x: Interval) -> bool:
    """Is no entry negative?"""
    return bool(np.all(x.lower >= 0))


def is_unbounded(x: Interval) -> bool:
    """Is nothing known of any entry?"""
    return not (np.any(np.isfinite(x.lower)) or np.any(np.isfinite(x.upper)))


def sign_of(x: Interval) -> int:
    """1 if no entry is negative, −1 if none is positive, 0 if neither is known."""
    if is_nonnegative(x):
        return 1
    return -1 if np.all(x.upper <= 0) else 0


def largest_degree(degrees: Sequence[int | None]) -> int | None:
    """The degree of a sum of polynomials; None if one of them is none."""
    found = [d for d in degrees if d is not None]
    return max(found) if len(found) == len(degrees) else None


def total_degree(degrees: Sequence[int | None]) -> int | None:
    """The degree of a product of polynomials; None beyond 2."""
    found = [d for d in degrees if d is not None]
    total = sum(found)
    return total if len(found) == len(degrees) and total <= 2 else None


def all_squares(terms: Sequence[Known], coefficients: Sequence[Fraction]) -> bool:
    """Squares with positive coefficients; of constants the sign counts."""
    for term, c in zip(terms, coefficients, strict=True):
        if term.moves:
            if c < 0 or not term.squares:
                return False
        elif not np.all((term.interval.lower if c > 0 else -term.interval.upper) >= 0):
            return False
    return True


def base_of(factor: Expr) -> tuple[Expr, Fraction]:
    """A factor as base and exponent."""
    return (factor.operands[0], exponent_of(factor)) if is_power(factor) else (factor, Fraction(1))


def within(region: Curved, k: int, x: Interval) -> Interval:
    """The part of an operand's interval in the domain."""
    low, high = ends(region, k)
    lower, upper = np.clip(x.lower, low, high), np.clip(x.upper, low, high)
    return Interval(lower, upper) if np.asarray(x.lower).dtype.kind == "f" else x


def ends(region: Curved, k: int) -> tuple[float, float]:
    """Between which numbers an operand has to be."""
    low = region.low[k] if k < len(region.low) else -np.inf
    return low, region.high[k] if k < len(region.high) else np.inf


def is_inside(region: Curved, k: int, known: Known) -> bool:
    """In the region; or moving so that where it is in there is a convex set."""
    low, high = ends(region, k)
    free = region.domain and known.moves
    below = np.all(known.interval.lower >= low) or (free and known.bend in (AFFINE, CONCAVE))
    above = np.all(known.interval.upper <= high) or (free and known.bend in (AFFINE, CONVEX))
    return bool(below and above)


def words_of_rule(node: Expr, region: Curved, operands: Sequence[Known]) -> str:
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
    return f"{node.name} is {kind} and {goes} there, of {with_article(inner)} function"


def words_of_sum(bend: str, terms: Sequence[Known]) -> str:
    """Why a sum is convex or concave."""
    rest = " and affine ones" if any(t.bend == AFFINE for t in terms) else ""
    return f"a sum of {bend} terms{rest}"


def words_of_scaling(factor: Known, weight: int) -> str:
    """Why a multiple, or a sum with weights, is convex or concave."""
    if factor.squares and weight > 0:
        return "a sum of squares of affine functions"
    return f"weights {'≥' if weight > 0 else '≤'} 0 on {with_article(factor.bend)} function"


def with_article(word: str) -> str:
    """A word behind its article."""
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
