"""Sums that are contracted term by term, where that is cheaper.

``Σₙ (rₙ tₙ L + rₙ tₙ d)`` has a product with a matrix for each n; ``(Σₙ rₙ tₙ) L + (Σₙ rₙ tₙ) d``
has one. This is done only to sums whose terms are products: these are rounded before they are
added, so that nothing exact is lost. A sum of differences of given numbers, ``Σₙ (xₙ − μ)``, stays
as it is: what cancels in each difference would be left to cancel in the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import prod

from wengert.expr import Expr
from wengert.operations.structural import ADD, CONTRACT
from wengert.operations.structure import contraction_params, has_pattern
from wengert.plan.instructions import Labels

_CHEAPER = 2  # times at least
_MOST = 8  # terms

Network = list[tuple[Expr, Labels]]
Path = Callable[
    [tuple[Labels, ...], Labels, tuple[tuple[int, int], ...]], tuple[tuple[int, ...], ...]
]


def network_of(
    node: Expr, inside: Callable[[Expr], bool], instead: Mapping[Expr, Expr] | None = None
) -> Network:
    """The operands of a contraction with their axes; contractions ``inside`` it are taken apart.

    Some operands may have others ``instead``.
    """
    others = instead or {}
    found: Network = []
    labels, out, _ = contraction_params(node)
    fresh = max((x for axes in (*labels, out) for x in axes), default=-1) + 1
    stack = list(zip(node.operands, labels, strict=True))
    while stack:
        operand, axes = stack.pop()
        operand = others.get(operand, operand)
        if not inside(operand):
            found.append((operand, axes))
            continue
        inner_labels, inner_out, _ = contraction_params(operand)
        mapping = dict(zip(inner_out, axes, strict=True))
        for inner, inner_axes in zip(operand.operands, inner_labels, strict=True):
            for x in inner_axes:
                if x not in mapping:
                    mapping[x] = fresh
                    fresh += 1
            stack.append((inner, tuple(mapping[x] for x in inner_axes)))
    return found


def spread_sum(
    node: Expr,
    uses: Mapping[Expr, int],
    merged: Collection[Expr],
    shape: Callable[[Expr], tuple[int, ...]],
    path: Path,
) -> Expr | None:
    """The operand of a contraction that is better contracted term by term, if there is one.

    Parameters
    ----------
    uses : mapping of Expr to int
        How often nodes are read.
    merged : collection of Expr
        Contractions that are computed inside their only user.
    shape : callable
        Of a node at the real sizes.
    path : callable
        The order in which the operands of a contraction are multiplied.
    """
    labels, out, _ = contraction_params(node)
    sums = [
        total
        for total, axes in zip(node.operands, labels, strict=True)
        if total.primitive is ADD and uses[total] == 1 and set(axes) - set(out)
    ]
    if len(sums) != 1 or has_pattern(node):
        return None
    (total,) = sums
    if len(total.operands) > _MOST or not all(map(_is_product, total.operands)):
        return None
    own = {t for t in total.operands if uses[t] == 1}

    def volume(network: Network, kept: Labels) -> int:
        return _volume(network, kept, shape, path)

    before = prod(shape(total)) * len(total.operands)
    before += volume(network_of(node, lambda o: o in merged), out)
    after = 0
    for term in total.operands:
        if term in own:
            before += volume(network_of(term, lambda o: o in merged), contraction_params(term)[1])
        after += volume(network_of(node, lambda o: o in merged or o in own, {total: term}), out)
    return total if _CHEAPER * after < before else None


def _is_product(term: Expr) -> bool:
    return term.primitive is CONTRACT and len(term.operands) > 1 and not has_pattern(term)


def _volume(
    network: Network, out: Labels, shape: Callable[[Expr], tuple[int, ...]], path: Path
) -> int:
    """Multiplications of a contraction."""
    sizes: dict[int, int] = {}
    for operand, axes in network:
        sizes.update(zip(axes, shape(operand), strict=True))
    labels: Sequence[Labels] = [axes for _, axes in network]
    left = list(labels)
    total = 0
    for pick in path(tuple(labels), out, tuple(sorted(sizes.items()))):
        chosen = [left.pop(k) for k in sorted(pick, reverse=True)]
        both = {x for axes in chosen for x in axes}
        alive = {x for axes in left for x in axes} | set(out)
        left.append(tuple(sorted(both & alive)))
        total += prod(sizes[x] for x in both)
    return total
