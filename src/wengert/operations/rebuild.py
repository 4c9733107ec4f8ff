"""A node again, with other operands: every pass over expressions ends here."""

from __future__ import annotations

from wengert.expr import Expr
from wengert.operations.algebra import (
    add,
    contract,
    power,
)
from wengert.operations.apply import apply
from wengert.operations.structural import (
    ADD,
    CONTRACT,
    POWER,
)
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    exponent_of,
)


def with_operands(node: Expr, operands: tuple[Expr, ...], *, deep: bool = False) -> Expr:
    """The node's operation on other operands of the same shapes, through its constructor."""
    if node.primitive is CONTRACT:
        if operands == node.operands and not deep:
            return node
        labels, out, coefficient = contraction_params(node)
        sizes = dict(zip(out, node.shape, strict=True))
        return contract(operands, labels, out, sizes=sizes, coefficient=coefficient, deep=deep)
    if operands == node.operands:
        return node
    if node.primitive is ADD:
        return add(operands, coefficients_of(node))
    if node.primitive is POWER:
        return power(operands[0], exponent_of(node))
    params = dict(zip(node.primitive.parameters, node.params, strict=True))
    return apply(node.primitive, *operands, **params)
