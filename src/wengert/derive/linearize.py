"""The derivative of one node: its pushforward, and the pullback as the pushforward's transpose.

Tangents and cotangents may carry extra axes; they come first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

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
    PartlyLinear,
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
        return _scale_entries(node, rule, k, tangent)
    if isinstance(rule, Multilinear | Pushforward | PartlyLinear):
        return rule.push(node, k, tangent)
    if isinstance(rule, Linear):
        return rule.apply(node, tangent)
    if isinstance(rule, Joint):
        return rule.push(node, {k: tangent}, SWEEPS)
    return _without_derivative(node, rule)


def push_all(node: Expr, tangents: dict[int, Expr]) -> Expr | None:
    """The node's tangent, from those of its operands; None for zero."""
    rule = node.primitive.derivative
    if isinstance(rule, Joint):
        return rule.push(node, tangents, SWEEPS)
    if isinstance(rule, Multilinear) and rule.together is not None:
        found = rule.together(node, tangents)
        if found is not None:
            return found
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
        return _scale_entries(node, rule, k, cotangent)
    if isinstance(rule, Multilinear) or (isinstance(rule, PartlyLinear) and rule.linear(k)):
        return rule.pull(node, k, cotangent)
    if isinstance(rule, Linear):
        return rule.transpose(node, cotangent)
    if isinstance(rule, Pushforward | PartlyLinear):
        placeholder = variable(_PLACEHOLDER, node.operands[k].shape)
        return transpose_linear(rule.push(node, k, placeholder), placeholder, cotangent)
    if isinstance(rule, Joint):
        return rule.pull({node: cotangent}, (k,), SWEEPS).get(k)
    return _without_derivative(node, rule)


def _without_derivative(node: Expr, rule: Constant | Undefined, where: str = "") -> None:
    if isinstance(rule, Undefined):
        raise MissingRuleError(f"{node.name} has no derivative{where}: {rule.reason}")


def _scale_entries(node: Expr, rule: Partials, k: int, tangent: Expr) -> Expr | None:
    declared = rule.partials[k]
    if isinstance(declared, Constant | Undefined):
        return _without_derivative(node, declared, f" in its operand {k + 1}")
    partial = declared(node, *node.operands)
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
    arrived: dict[Expr, list[Expr]] = {linear: [cotangent]}
    _sweep_back(order, active, {placeholder}, arrived, _pull_linear)
    arrived_last = arrived.get(placeholder)
    return accumulate(arrived_last) if arrived_last else None


def _pull_linear(node: Expr, k: int, cotangent: Expr) -> Expr | None:
    if not _is_linear(node, k):
        raise MissingRuleError(f"the rule of {node.name} is not linear in its tangent")
    return pull(node, k, cotangent)


def _is_linear(node: Expr, k: int) -> bool:
    rule = node.primitive.derivative
    if isinstance(rule, PartlyLinear):
        return rule.linear(k)
    return isinstance(rule, Multilinear | Linear | Joint)


def accumulate(contributions: list[Expr]) -> Expr:
    """The sum of what arrived at a node."""
    return contributions[0] if len(contributions) == 1 else add(contributions)


# ---------------------------------------------------------------- sweeps


def pushforward(roots: Sequence[Expr], tangents: Mapping[Expr, Expr]) -> list[Expr | None]:
    """The tangents of functions from those of their leaves, in one forward sweep.

    Parameters
    ----------
    roots : sequence of Expr
        The functions.
    tangents : mapping of Expr to Expr
        By leaf, of the leaf's shape behind any extra leading axes, the same for all leaves.

    Returns
    -------
    list of (Expr or None)
        One a root, with the same extra axes in front; None for zero.
    """
    order = topological(*roots)
    active = depending(order, set(tangents))
    found: dict[Expr, Expr] = dict(tangents)
    for node in order:
        if node not in active or node in tangents:
            continue
        arriving = {k: found[o] for k, o in enumerate(node.operands) if o in found}
        pushed = push_all(node, arriving) if arriving else None
        if pushed is not None:
            found[node] = pushed
    return [found.get(root) for root in roots]


def pullback(
    roots: Sequence[Expr], cotangents: Sequence[Expr], leaves: Sequence[Expr]
) -> list[Expr | None]:
    """The cotangents of leaves from those of functions, in one reverse sweep.

    Parameters
    ----------
    roots : sequence of Expr
        The functions.
    cotangents : sequence of Expr
        One a root, of its shape behind any extra leading axes, the same for all roots.
    leaves : sequence of Expr
        Variable leaves.

    Returns
    -------
    list of (Expr or None)
        One a leaf, with the same extra axes in front; None for zero.
    """
    order = topological(*roots)
    active = depending(order, set(leaves))
    arrived: dict[Expr, list[Expr]] = {}
    for root, cotangent in zip(roots, cotangents, strict=True):
        arrived.setdefault(root, []).append(cotangent)
    _sweep_back(order, active, set(leaves), arrived, pull)
    return [accumulate(arrived[leaf]) if leaf in arrived else None for leaf in leaves]


def pullback_through(root: Expr, cotangent: Expr, leaf: Expr) -> dict[Expr, Expr]:
    """The cotangents of all nodes between a leaf and a function, those of zero left out."""
    order = topological(root)
    totals: dict[Expr, Expr] = {}
    arrived = {root: [cotangent]}
    _sweep_back(order, depending(order, {leaf}), {leaf}, arrived, pull, totals)
    return totals


def _sweep_back(
    order: Sequence[Expr],
    active: set[Expr],
    ends: set[Expr],
    arrived: dict[Expr, list[Expr]],
    pull_one: Callable[[Expr, int, Expr], Expr | None],
    totals: dict[Expr, Expr] | None = None,
) -> None:
    """Carry what has arrived back to the ends, users before operands; keep it, if asked to.

    The results of one run of a program are pulled back together, once: at the first of them in
    the order, when the cotangents of all have arrived and no operand has been visited.
    """
    kept: dict[Expr, Expr] = {} if totals is None else totals
    runs = _runs(node for node in order if node in active)
    for node in reversed(order):
        if node not in active or node in ends:
            continue
        rule = node.primitive.derivative
        if isinstance(rule, Joint):
            results = [v for v in runs.get(node, ()) if v in arrived]
            together = {v: accumulate(arrived.pop(v)) for v in results}
            kept.update(together)
            wanted = [k for k, operand in enumerate(node.operands) if operand in active]
            pulled = rule.pull(together, wanted, SWEEPS) if together else {}
            for k, contribution in pulled.items():
                arrived.setdefault(node.operands[k], []).append(contribution)
        elif node in arrived:
            kept[node] = total = accumulate(arrived.pop(node))
            for k, operand in enumerate(node.operands):
                contribution = pull_one(node, k, total) if operand in active else None
                if contribution is not None:
                    arrived.setdefault(operand, []).append(contribution)


def _runs(order: Iterable[Expr]) -> dict[Expr, list[Expr]]:
    """The results of each run of a program, by the first of them in the order."""
    runs: dict[Hashable, list[Expr]] = {}
    for node in order:
        rule = node.primitive.derivative
        if isinstance(rule, Joint):
            runs.setdefault(rule.group(node), []).append(node)
    return {results[0]: results for results in runs.values()}


@dataclass(frozen=True)
class _Sweeps:
    """What rules of operations that hold a program are given."""

    pushforward: Callable[[Sequence[Expr], Mapping[Expr, Expr]], list[Expr | None]]
    pullback: Callable[[Sequence[Expr], Sequence[Expr], Sequence[Expr]], list[Expr | None]]


SWEEPS = _Sweeps(pushforward, pullback)
