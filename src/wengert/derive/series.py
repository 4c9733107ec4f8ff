"""Taylor mode: the truncated power series of functions along curves, in one forward sweep.

A curve x(t) = x₀ + x₁ t + x₂ t² + ... is held as one array of its coefficients, order first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from wengert.derive.linearize import pushforward
from wengert.expr import Expr
from wengert.operations import scale, stack, zeros


def directional_terms(root: Expr, directions: Mapping[Expr, Expr], order: int) -> list[Expr]:
    """The terms D^k f·δ^k / k! for k = 0, 1, ..., order, each as an expression.

    Parameters
    ----------
    root : Expr
        The function f.
    directions : mapping of Expr to Expr
        δ by leaf, of the leaf's shape.
    order : int
        The highest k.
    """
    terms = [root]
    for k in range(1, order + 1):
        (pushed,) = pushforward([terms[-1]], directions)
        terms.append(zeros(root.shape) if pushed is None else scale(Fraction(1, k), pushed))
    return terms


def series_along(roots: Sequence[Expr], directions: Mapping[Expr, Expr], order: int) -> list[Expr]:
    """The series of f(x + tδ) of each function, of shape ``(order + 1, *f.shape)``."""
    return [stack(directional_terms(root, directions, order)) for root in roots]
