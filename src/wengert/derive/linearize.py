"""The derivative of one node: its pushforward, and the pullback as the pushforward's transpose.

Tangents and cotangents may carry extra axes; they come first.
"""

from __future__ import annotations

from wengert.errors import MissingRuleError
from wengert.expr import Expr, depending, topological
from wengert.operations.algebra import (
    add,
    contract,
    variable,
)
from wengert.primitive import (
    Constant,
    Joint,
    Linear,
    Multilinear,
    Partials,
    Pushforward,
    Undefined,
)

_PLACEHOLDER = "·tangent"  # no formula or traced program can have this name


def push(node: Expr, k: int, tangent: Expr) -> Expr | None:
    """What a tangent of operand ``k`` contributes to the node's tangent; None for zero.

    Raises
    ------
    MissingRuleError
        If the operation declares no derivative: never silently zero.
    """
    rule = node.primitive.derivative
    if isinstance(rule, Partials):
        return _scale_entries(rule.partials[k](node, *node.operands), tangent)
    if isinstance(rule, Multilinear | Pushforward):
        return rule.push(node, k, tangent)
    if isinstance(rule, Linear):
        return rule.apply(node, tangent)
    if isinstance(rule, Joint):
        return rule.push(node, {k: tangent})
    return _without_derivative(node, rule)


def push_all(node: Expr, tangents: dict[int, Expr]) -> Expr | None:
    """The node's tangent, from those of its operands; None for zero."""
    rule = node.primitive.derivative
    if isinstance(rule, Joint):
        return rule.push(node, tangents)
    pushed = [push(node, k, tangent) for k, tangent in tangents.items()]
    found = [p for p in pushed if p is not None]
    return accumulate(found) if found else None


def pull(node: Expr, k: int, cotangent: Expr) -> Expr | None:
    """What the node's cotangent contributes to that of operand ``k``; None for zero.

    Raises
    ------
    MissingRuleError
        If the operation declares no derivative.
    """
    rule = node.primitive.derivative
    if isinstance(rule, Partials):
        return _scale_entries(rule.partials[k](node, *node.operands), cotangent)
    if isinstance(rule, Multilinear):
        return rule.pull(node, k, cotangent)
    if isinstance(rule, Linear):
        return rule.transpose(node, cotangent)
    if isinstance(rule, Pushforward):
        placeholder = variable(_PLACEHOLDER, node.operands[k].shape)
        return transpose_linear(rule.push(node, k, placeholder), placeholder, cotangent)
    if isinstance(rule, Joint):
        return rule.pull(node, cotangent).get(k)
    return _without_derivative(node, rule)


def _without_derivative(node: Expr, rule: Constant | Undefined) -> None:
    if isinstance(rule, Undefined):
        raise MissingRuleError(f"{node.name} has no derivative: {rule.reason}")


def _scale_entries(partial: Expr, tangent: Expr) -> Expr:
    extra = tangent.ndim - partial.ndim
    labels = tuple(range(tangent.ndim))
    return contract([partial, tangent], [labels[extra:], labels], labels)


def transpose_linear(linear: Expr, placeholder: Expr, cotangent: Expr) -> Expr | None:
    """The transpose of an expression that is linear in a placeholder, applied to a cotangent.

    Only sums, contractions and operations declared linear may stand between the two.
    """
    order = topological(linear)
    active = depending(order, {placeholder})
    if linear not in active:
        return None
    cotangents: dict[Expr, list[Expr]] = {linear: [cotangent]}
    for node in reversed(order):
        if node not in active or node is placeholder or node not in cotangents:
            continue
        arrived = accumulate(cotangents.pop(node))
        for k, operand in enumerate(node.operands):
            if operand in active:
                if not isinstance(node.primitive.derivative, Multilinear | Linear | Joint):
                    raise MissingRuleError(f"the rule of {node.name} is not linear in its tangent")
                contribution = pull(node, k, arrived)
                if contribution is not None:
                    cotangents.setdefault(operand, []).append(contribution)
    arrived_last = cotangents.get(placeholder)
    return accumulate(arrived_last) if arrived_last else None


def accumulate(contributions: list[Expr]) -> Expr:
    """The sum of what arrived at a node."""
    return contributions[0] if len(contributions) == 1 else add(contributions)
