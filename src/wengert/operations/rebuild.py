"""A node again, with other operands: every pass over expressions ends here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wengert.expr import Expr, make, rebuild
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
    SIZE,
)
from wengert.operations.structure import (
    coefficients_of,
    constant_like,
    contraction_params,
    exponent_of,
)
from wengert.shapes import SymbolicSize, substitute


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


def of_sizes(root: Expr, sizes: Mapping[str, int]) -> Expr:
    """The expression for arrays of one size: numbers for the symbols in shapes and parameters."""

    def sized(node: Expr, operands: tuple[Expr, ...]) -> Expr:
        params = _of_sizes(node.params, sizes)
        if node.primitive is SIZE and isinstance(params[0], int):
            return constant_like(params[0], ())
        return make(node.primitive, operands, params, substitute(node.shape, sizes), node.dtype)

    return rebuild(root, sized, {})


def _of_sizes(parameter: Any, sizes: Mapping[str, int]) -> Any:
    if isinstance(parameter, SymbolicSize):
        return parameter.substitute(sizes)
    if type(parameter) is tuple:
        return tuple(_of_sizes(p, sizes) for p in parameter)
    return parameter
