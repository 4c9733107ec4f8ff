"""Which expressions are polynomials in their leaves, and of which degree."""

from __future__ import annotations

from collections.abc import Sequence

from wengert.expr import Expr, topological
from wengert.operations.structure import exponent_of, is_power, is_sum
from wengert.primitive import Linear, Multilinear

_LARGEST = 64  # degrees beyond it are no help


def degree_of(roots: Sequence[Expr], leaves: Sequence[Expr]) -> int | None:
    """The degree of polynomials in some leaves; None if one is no polynomial, as far as it shows.

    Sums, products and natural powers of polynomials are polynomials; so is what moves their
    entries.
    """
    degrees = degrees_of(roots, leaves)
    found = [degrees[root] for root in roots]
    known = [d for d in found if d is not None]
    return max(known, default=0) if len(known) == len(found) else None


def degrees_of(roots: Sequence[Expr], leaves: Sequence[Expr]) -> dict[Expr, int | None]:
    """The degree of each node below the roots; None for what does not show as a polynomial."""
    degrees: dict[Expr, int | None] = {}
    for node in topological(*roots):
        degrees[node] = 1 if node in leaves else _degree(node, [degrees[o] for o in node.operands])
    return degrees


def _degree(node: Expr, below: Sequence[int | None]) -> int | None:
    known = [d for d in below if d is not None]
    if len(known) < len(below):
        return None
    if not any(known):
        return 0
    if is_power(node):
        exponent = exponent_of(node)
        natural = exponent.denominator == 1 and exponent > 0
        return _small(known[0] * exponent.numerator) if natural else None
    if node.primitive.foreign:
        return None  # a function of one's own, whatever its rule is
    rule = node.primitive.derivative
    if isinstance(rule, Linear):
        return known[0] if not any(known[1:]) else None
    if isinstance(rule, Multilinear):
        joins = is_sum(node) or rule.together is not None  # each entry is of one operand, or a sum
        return max(known) if joins else _small(sum(known))
    return None


def _small(degree: int) -> int | None:
    return degree if degree <= _LARGEST else None
