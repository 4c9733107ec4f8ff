"""The constructor of every node that is neither a sum nor a contraction."""

from __future__ import annotations

from collections.abc import Hashable

from wengert.errors import ShapeError
from wengert.expr import Expr, Params, make
from wengert.operations.algebra import (
    contract,
    orient,
    transpose,
)
from wengert.operations.structural import (
    CONTRACT,
)
from wengert.operations.structure import (
    contraction_params,
    fits,
    has_delta,
)
from wengert.primitive import Primitive, registry
from wengert.shapes import Shape, format_shape


def apply(primitive: Primitive, *operands: Expr, **params: Hashable) -> Expr:
    """A node of a primitive, after its own simplifications and with patterns floated outwards.

    Raises
    ------
    ShapeError
        If the operands do not fit the primitive's type rule.
    """
    if primitive.arity is not None and len(operands) != primitive.arity:
        raise ShapeError(f"{primitive.name} takes {primitive.arity} operands, not {len(operands)}")
    values = tuple(params[name] for name in primitive.parameters)
    shape = primitive.infer(operands, values)
    if primitive.rewrite is not None:
        rewritten = primitive.rewrite(operands, values)
        if rewritten is not None:
            return rewritten
    real = primitive.dtype_of(operands, values) == "real"  # patterns are products of real factors
    if primitive.elementwise and len(operands) == 1 and real:
        floated = _float_pattern(primitive, operands[0], params)
        if floated is not None:
            return floated
    return make(primitive, operands, values, shape, primitive.dtype_of(operands, values))


def elementwise(name: str, *operands: Expr) -> Expr:
    """An elementwise operation by name, operands of one shape."""
    return apply(registry[name], *operands)


def same_shape(operands: tuple[Expr, ...], params: Params) -> Shape:
    """Type rule of elementwise operations."""
    first = operands[0]
    for other in operands[1:]:
        if not fits(other.shape, first.shape):
            raise ShapeError(
                f"shapes {format_shape(first.shape)} and {format_shape(other.shape)} differ"
            )
    return first.shape


def _float_pattern(primitive: Primitive, operand: Expr, params: dict[str, Hashable]) -> Expr | None:
    """f(broadcast(s)) = broadcast(f(s)), f(Aᵀ) = f(A)ᵀ; f(diag(v)) = diag(f(v)) if f(0) = 0."""
    if operand.primitive is CONTRACT and operand.operands:
        labels, out, coefficient = contraction_params(operand)
        used = {x for axes in labels for x in axes}
        distinct = tuple(x for x in dict.fromkeys(out) if x in used)
        if distinct != out and (primitive.zero_at_zero or not has_delta(operand)):
            core = contract(operand.operands, labels, distinct, coefficient=coefficient)
            sizes = dict(zip(out, operand.shape, strict=True))
            return contract([apply(primitive, core, **params)], [distinct], out, sizes=sizes)
    elif operand.primitive is CONTRACT and operand.ndim and not has_delta(operand):
        value = contract([], [], (), coefficient=contraction_params(operand)[2])
        out = tuple(range(operand.ndim))
        sizes = dict(enumerate(operand.shape))
        return contract([apply(primitive, value, **params)], [()], out, sizes=sizes)
    core, turned = orient(operand)
    return transpose(apply(primitive, core, **params)) if turned else None
