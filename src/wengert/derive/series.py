"""Taylor mode: the truncated power series of functions along curves, in one forward sweep.

A curve x(t) = x₀ + x₁ t + x₂ t² + ... is one array of its coefficients, order first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from wengert.derive.curves import tails_along
from wengert.derive.linearize import pushforward
from wengert.expr import Expr
from wengert.operations import broadcast, concatenate, scale, stack, zeros
from wengert.operations.curves import degree_of
from wengert.shapes import Shape


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
    """The series of f(x + tδ) of each function.

    Parameters
    ----------
    roots : sequence of Expr
        The functions.
    directions : mapping of Expr to Expr
        δ by leaf, of the leaf's shape behind any extra axes, the same for all leaves.
    order : int
        The highest power of t.

    Returns
    -------
    list of Expr
        Of shape ``(order + 1, *extra, *f.shape)``.
    """
    return series_of_curves(roots, {x: stack([d]) for x, d in directions.items()}, order)


def series_of_curves(roots: Sequence[Expr], tails: Mapping[Expr, Expr], order: int) -> list[Expr]:
    """The series of f(x(t)) of each function along a curve x(t) = x + x₁ t + x₂ t² + ...

    Parameters
    ----------
    roots : sequence of Expr
        The functions.
    tails : mapping of Expr to Expr
        x₁, x₂, ... by leaf, of shape ``(any, *extra, *leaf.shape)``; those beyond are 0.
    order : int
        The highest power of t.

    Returns
    -------
    list of Expr
        Of shape ``(order + 1, *extra, *f.shape)``.
    """
    leads = [tail.shape[1 : tail.ndim - leaf.ndim] for leaf, tail in tails.items()]
    lead = leads[0] if leads else ()
    return [
        _whole(root, tail, lead, order)
        for root, tail in zip(roots, tails_along(roots, tails, order), strict=True)
    ]


def _whole(root: Expr, tail: Expr | None, lead: Shape, order: int) -> Expr:
    """The value in front of the tail, with zeros to the end."""
    value = broadcast(root, (1, *lead, *root.shape))
    parts = [value] if tail is None else [value, tail]
    left = order + 1 - sum(degree_of(p) for p in parts)
    if left:
        parts.append(zeros((left, *value.shape[1:])))
    return concatenate(parts)
