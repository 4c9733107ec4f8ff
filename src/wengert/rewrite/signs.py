"""Sums with the signs with which people wrote them: (x − As)ᵀW rather than −(As − x)ᵀW.

A sum that is a factor has a canonical sign, so that S and −S are found to be the same; which one
that is, is chance. For printing, those of the formula get their own sign back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from wengert.expr import Expr, make, rebuild, topological
from wengert.operations.algebra import (
    orient,
    scale,
)
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
from wengert.primitive import Partials
from wengert.shapes import Shape

Signs = Mapping[Expr, int]


def written_signs(sums: Iterable[Expr], roots: Iterable[Expr]) -> dict[Expr, int]:
    """The sign of each canonical sum, as written and as local derivatives have it (1 − t²).

    Parameters
    ----------
    sums : iterable of Expr
        Sums as the user wrote them.
    roots : iterable of Expr
        Expressions whose nodes' local derivatives count too.
    """
    signs: dict[Expr, int] = {}
    local: list[Expr] = []
    for node in topological(*roots):
        rule = node.primitive.derivative
        if isinstance(rule, Partials) and node.primitive is not POWER:
            local += [partial(node, *node.operands) for partial in rule.functions]
    for node in (*sums, *topological(*local)):
        if node.primitive is ADD:
            core = orient(node)[0]
            content = coefficients_of(core).content
            signs.setdefault(scale(1 / content, core), 1 if content > 0 else -1)
    return signs


def with_written_signs(root: Expr, signs: Signs) -> Expr:
    """The expression with the signs of its factors that are sums turned to what was written."""
    written = sorted((s for s in signs), key=lambda s: (-len(s.operands), s.digest))

    def transform(node: Expr, operands: tuple[Expr, ...]) -> Expr:
        if node.primitive is ADD:
            return _with_groups(node, operands, written, signs)
        turned = [signs.get(o) == -1 for o in node.operands]
        if node.primitive is CONTRACT:
            labels, out, coefficient = contraction_params(node)
            sign = -1 if sum(turned) % 2 else 1
            free = [k for k, o in enumerate(node.operands) if o not in signs and _is_mixed(o)]
            if sign * coefficient < 0 and free:
                turned[free[0]], sign = True, -sign
            if not any(turned) and operands == node.operands:
                return node
            operands = tuple(map(_negated_if, operands, turned))
            return make(CONTRACT, operands, (labels, out, sign * coefficient), node.shape)
        if any(turned) and _is_even(node):
            operands = tuple(map(_negated_if, operands, turned))
        if operands == node.operands:
            return node
        return make(node.primitive, operands, node.params, node.shape, node.dtype)

    return rebuild(root, transform, {})


def _with_groups(node: Expr, operands: tuple[Expr, ...], written: list[Expr], signs: Signs) -> Expr:
    """The sum with multiples of written sums as such: 2(z − y) + x, not 2z − 2y + x."""
    left = dict(zip(node.operands, coefficients_of(node), strict=True))
    shown = dict(zip(node.operands, operands, strict=True))
    groups: list[tuple[Expr, Fraction]] = []
    for total in written:
        if total.shape != node.shape or not all(t in left for t in total.operands):
            continue
        ratios = {left[t] / c for t, c in zip(total.operands, coefficients_of(total), strict=True)}
        ratio = ratios.pop() * signs[total]
        if ratios or abs(ratio) == 1:
            continue
        coefficients = tuple(c * signs[total] for c in coefficients_of(total))
        inner = make(ADD, tuple(shown[t] for t in total.operands), (coefficients,), node.shape)
        groups.append((inner, ratio))
        for t in total.operands:
            del left[t]
    if not groups:
        return node if operands == node.operands else _raw_sum(list(zip(
            operands, coefficients_of(node), strict=True)), node.shape)  # fmt: skip
    terms = [*groups, *((shown[t], c) for t, c in left.items())]
    if len(terms) > 1:
        return _raw_sum(terms, node.shape)
    axes = tuple(range(node.ndim))
    return make(CONTRACT, (groups[0][0],), ((axes,), axes, groups[0][1]), node.shape)


def _raw_sum(terms: list[tuple[Expr, Fraction]], shape: Shape) -> Expr:
    return make(ADD, tuple(t for t, _ in terms), (tuple(c for _, c in terms),), shape)


def _is_mixed(node: Expr) -> bool:
    """Whether the node is a sum that reads as well with the other sign."""
    return node.primitive is ADD and len({c > 0 for c in coefficients_of(node)}) == 2


def _negated_if(node: Expr, negate: bool) -> Expr:
    if not negate:
        return node
    negative = tuple(-c for c in coefficients_of(node))
    return make(ADD, node.operands, (negative,), node.shape)


def _is_even(node: Expr) -> bool:
    if node.primitive is POWER:
        return exponent_of(node).denominator == 1 and exponent_of(node) % 2 == 0
    return node.primitive.square is not None
