"""Expressions on many operands at once: one more axis in front of everything that depends on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wengert.expr import Expr, topological
from wengert.operations.algebra import add, contract, power
from wengert.operations.apply import apply
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    exponent_of,
    is_contraction,
    is_power,
    is_sum,
)
from wengert.operations.trailing import rearrange
from wengert.shapes import Size


def batch(roots: Sequence[Expr], leaves: Mapping[Expr, Expr]) -> list[Expr]:
    """Expressions with one more leading axis, from leaves that have it.

    Parameters
    ----------
    roots : sequence of Expr
        The expressions.
    leaves : mapping of Expr to Expr
        By leaf, an expression of its shape and dtype behind one more axis of the same size.

    Returns
    -------
    list of Expr
        Of the roots' shapes behind that axis. What does not depend on the leaves is repeated
        along it; inside, it stays as it is and is computed once.

    Examples
    --------
    >>> from wengert.operations import matmul, variable
    >>> A, x = variable("A", (2, 3)), variable("x", (3,))
    >>> batch([matmul(A, x)], {x: variable("xs", (5, 3))})[0].shape
    (5, 2)
    """
    found = batch_dependent(roots, leaves)
    size = next((x.shape[0] for x in leaves.values()), 1)
    return [
        spread(root, size) if new is None else new for root, new in zip(roots, found, strict=True)
    ]


def batch_dependent(roots: Sequence[Expr], leaves: Mapping[Expr, Expr]) -> list[Expr | None]:
    """As :func:`batch`, with None for roots that do not depend on the leaves."""
    found: dict[Expr, Expr] = dict(leaves)
    for node in topological(*roots):
        if node not in found and any(o in found for o in node.operands):
            batched = tuple(o in found for o in node.operands)
            operands = tuple(found.get(o, o) for o in node.operands)
            found[node] = batch_node(node, operands, batched)
    return [found.get(root) for root in roots]


def spread(x: Expr, size: Size) -> Expr:
    """The same entries along a new axis in front, for any dtype."""
    axes = range(1, x.ndim + 1)
    return rearrange(x, axes, (0, *axes), {0: size})


def batch_node(node: Expr, operands: tuple[Expr, ...], batched: tuple[bool, ...]) -> Expr:
    """The node's operation on operands of which the marked ones have one more leading axis."""
    size = next(o.shape[0] for o, b in zip(operands, batched, strict=True) if b)
    if is_contraction(node):
        return _contraction(node, operands, batched, size)
    if node.primitive.batch is not None:
        return node.primitive.batch(node, operands, batched)
    level = [o if b else spread(o, size) for o, b in zip(operands, batched, strict=True)]
    if is_sum(node):
        return add(level, coefficients_of(node))
    if is_power(node):
        return power(level[0], exponent_of(node))
    params = dict(zip(node.primitive.parameters, node.params, strict=True))
    return apply(node.primitive, *level, **params)


def _contraction(
    node: Expr, operands: tuple[Expr, ...], batched: tuple[bool, ...], size: Size
) -> Expr:
    labels, out, coefficient = contraction_params(node)
    fresh = max((x for axes in (*labels, out) for x in axes), default=-1) + 1
    return contract(
        operands,
        [(fresh, *axes) if b else axes for axes, b in zip(labels, batched, strict=True)],
        (fresh, *out),
        sizes={**dict(zip(out, node.shape, strict=True)), fresh: size},
        coefficient=coefficient,
    )
