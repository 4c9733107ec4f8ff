"""The names of the rules that the derivative of one part uses."""

from __future__ import annotations

from functools import lru_cache

from wengert.explanation.identities import identity_of
from wengert.explanation.parts import Part
from wengert.expr import Expr, Params, depending, topological
from wengert.operations import apply, variable
from wengert.operations.structural import (
    CONTRACT,
    POWER,
)
from wengert.operations.structure import (
    contraction_params,
    exponent_of,
)
from wengert.primitive import Constant, Partials, Primitive, Undefined
from wengert.printing import matrix_notation
from wengert.rewrite import display

_MOST = 3  # rules named for one part


def rule_of(part: Part, symbol: Expr) -> str:
    """The rule for the derivative of a part with respect to one of its inputs.

    A numbered identity if the part is one; else the rules of the operations on the way.
    """
    identity = identity_of(part.shown, symbol)
    if identity is not None:
        return identity.statement()
    order = topological(part.step)
    found: list[str] = []
    on_the_way = depending(order, {symbol})
    moving = depending(order, set(part.inputs))
    quotient = False
    for node in reversed(order):
        if node not in on_the_way or node is symbol:
            continue
        name = _structural(node, symbol, on_the_way, moving)
        quotient = quotient or name == "quotient rule"
        if quotient and node.primitive is POWER and exponent_of(node) == -1:
            continue
        if name and name not in found:
            found.append(name)
    if part.step is symbol:
        return "a variable by itself"
    return "; ".join(found[:_MOST])


def _structural(node: Expr, symbol: Expr, on_the_way: set[Expr], moving: set[Expr]) -> str:
    if node.primitive is not CONTRACT:
        return operation_rule(node, [o in on_the_way for o in node.operands])
    factors = [o for o in node.operands if o in moving]
    if len(factors) > 1:
        divides = any(o.primitive is POWER and exponent_of(o) < 0 for o in factors)
        return "quotient rule" if divides else CONTRACT.rule
    labels, out, coefficient = contraction_params(node)
    own = next(a for a, o in zip(labels, node.operands, strict=True) if o in factors)
    if len(node.operands) > 1:
        scalars = all(o.ndim == 0 for o in node.operands if o not in factors)
        return "constant factor" if scalars and not set(own) - set(out) else "linear map"
    if set(own) - set(out):
        return "a sum of entries is linear"
    return "constant factor" if coefficient != 1 else ""


def operation_rule(node: Expr, on_the_way: list[bool]) -> str:
    """The rule of an operation, as it is declared or written from its partial derivatives."""
    primitive = node.primitive
    if primitive.rule:
        return primitive.rule
    if isinstance(primitive.derivative, Constant):
        return primitive.derivative.reason
    if not isinstance(primitive.derivative, Partials):
        return f"derivative of {primitive.name}"
    rules = [_partial_rule(primitive, node.params, k) for k, on in enumerate(on_the_way) if on]
    return "; ".join(rules) + (", entry by entry" if node.ndim else "")


@lru_cache(maxsize=1024)
def _partial_rule(primitive: Primitive, params: Params, k: int) -> str:
    """``tanh(t)′ = 1 − tanh²(t)``, from the declared partial derivative."""
    derivative = primitive.derivative
    if not isinstance(derivative, Partials):
        return ""
    partial_of = derivative.partials[k]
    if isinstance(partial_of, Constant | Undefined):
        return partial_of.reason
    names = "t" if primitive.arity == 1 else "stuvw"[: primitive.arity]
    operands = [variable(name, ()) for name in names]
    value = apply(primitive, *operands, **dict(zip(primitive.parameters, params, strict=True)))
    partial = display(partial_of(value, *operands), [value])
    left, right = matrix_notation(value), matrix_notation(partial)
    if primitive.arity == 1:
        return f"{left}′ = {right}"
    return f"∂{left}/∂{names[k]} = {right}"
