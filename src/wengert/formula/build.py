"""Typed tree to expression."""

from __future__ import annotations

from wengert import operations as ops
from wengert.expr import Expr
from wengert.formula.infer import Elaborated
from wengert.formula.words import Node


def build(elaborated: Elaborated) -> Expr:
    """The expression of a formula.

    Rows and columns become arrays of rank 1, and scalars are spread where sums and functions
    need it; constants are exact.

    Parameters
    ----------
    elaborated : Elaborated
        From :func:`wengert.formula.elaborate`.

    Returns
    -------
    Expr
        Of the formula's shape.
    """
    return build_all(elaborated)[elaborated.root]


def build_all(elaborated: Elaborated) -> dict[Node, Expr]:
    """The expression of every node of the typed tree, for what shows the parts of a formula."""
    made: dict[Node, Expr] = {}
    for node in elaborated.nodes:
        if node.value is not None:
            made[node] = ops.constant(node.value)
        else:
            made[node] = node.word.build(node, [made[operand] for operand in node.operands])
    return made
