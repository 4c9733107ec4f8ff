"""Numerically stable forms, chosen by rewrite rules with their conditions.

``recognise`` runs before derivation: the stable functions are atomic, so that their derivatives
use their results. ``lower`` runs before evaluation only, so that formulas print as people write
them. Every rule holds for all real inputs at which the left side is defined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from wengert.expr import Expr, rebuild
from wengert.operations.algebra import (
    add,
    contract,
    power,
    scale,
    transpose,
)
from wengert.operations.apply import apply
from wengert.operations.build import broadcast, constant, neg, sub
from wengert.operations.control import Program, map_programs
from wengert.operations.linalg import ADJ, DET, INV, LOGDET
from wengert.operations.rebuild import with_operands
from wengert.operations.reductions import NORM2
from wengert.operations.scalar_functions import EXP, EXPM1, LOG, LOG1P, SIGMOID, SOFTPLUS
from wengert.operations.softmax import LOGSUMEXP, SOFTMAX
from wengert.operations.structural import (
    ADD,
    CONTRACT,
    POWER,
)
from wengert.operations.structure import (
    coefficients_of,
    constant_value,
    contraction_params,
    exponent_of,
    is_zero,
)
from wengert.primitive import Joint

Rule = Callable[[Expr], Expr | None]


def recognise(root: Expr) -> Expr:
    """The expression with its stable functions recognised.

    Examples
    --------
    >>> from wengert.operations import variable, elementwise, plus, constant
    >>> x = variable("x", (3,))
    >>> recognise(elementwise("log", plus(constant(1), elementwise("exp", x)))).name
    'softplus'
    """
    return _rewrite_all((root,), _RECOGNITION)[0]


def recognise_all(roots: Sequence[Expr]) -> tuple[Expr, ...]:
    """Several expressions; what they share is looked at once."""
    return _rewrite_all(roots, _RECOGNITION)


def lower(root: Expr) -> Expr:
    """The expression in the form in which it is evaluated."""
    return _rewrite_all((root,), _LOWERING)[0]


def lower_all(roots: Sequence[Expr]) -> tuple[Expr, ...]:
    """Several expressions; what they share is looked at once."""
    return _rewrite_all(roots, _LOWERING)


def _rewrite_all(roots: Sequence[Expr], rules: dict[object, tuple[Rule, ...]]) -> tuple[Expr, ...]:
    programs: dict[Program, Program] = {}

    def inside(program: Program) -> Program:
        if program not in programs:
            roots = _rewrite_all(program.roots, rules)
            programs[program] = (
                program if roots == program.roots else replace(program, roots=roots, facts={})
            )
        return programs[program]

    def transform(node: Expr, operands: tuple[Expr, ...]) -> Expr:
        fresh = with_operands(node, operands)
        if isinstance(fresh.primitive.derivative, Joint):
            fresh = map_programs(fresh, inside)
        while (found := _first_found(rules.get(fresh.primitive, ()), fresh)) is not None:
            fresh = found
        return fresh

    memo: dict[Expr, Expr] = {}
    return tuple(rebuild(root, transform, memo) for root in roots)


def _first_found(rules: tuple[Rule, ...], node: Expr) -> Expr | None:
    return next((found for rule in rules if (found := rule(node)) is not None), None)


# ---------------------------------------------------------------- recognition


def _one_plus_exp(node: Expr) -> Expr | None:
    """x, if the node is 1 + exp(x)."""
    if node.primitive is not ADD or len(node.operands) != 2 or coefficients_of(node) != (1, 1):
        return None
    for one, other in (node.operands, node.operands[::-1]):
        if constant_value(one) == 1 and other.primitive is EXP:
            return other.operands[0]
        if constant_value(one) == 1 and other.primitive is CONTRACT and other.ndim == 2:
            turned = transpose(other)
            if turned.primitive is EXP:
                return transpose(turned.operands[0])
    return None


def _log_of_one_plus_exp(node: Expr) -> Expr | None:
    """log(1 + exp(x)) = softplus(x)."""
    inner = _one_plus_exp(node.operands[0])
    return None if inner is None else apply(SOFTPLUS, inner)


def _log1p_of_exp(node: Expr) -> Expr | None:
    """log1p(exp(x)) = softplus(x)."""
    inner = node.operands[0]
    return apply(SOFTPLUS, inner.operands[0]) if inner.primitive is EXP else None


def _log_of_sum_of_exp(node: Expr) -> Expr | None:
    """log Σ exp(x) = logsumexp(x), along the summed axes."""
    total = node.operands[0]
    found = _sum_of_exp(total)
    if found is None:
        return None
    moved, rank = found
    return apply(LOGSUMEXP, moved, rank=rank)


def _sum_of_exp(total: Expr) -> tuple[Expr, int] | None:
    """(x with the summed axes last, their number), if the node is Σ exp(x)."""
    if total.primitive is not CONTRACT or len(total.operands) != 1:
        return None
    labels, out, coefficient = contraction_params(total)
    if coefficient != 1 or total.operands[0].primitive is not EXP:
        return None
    axes = labels[0]
    summed = tuple(x for x in axes if x not in out)
    if not summed or len(set(axes)) != len(axes) or sorted((*out, *summed)) != sorted(axes):
        return None
    x = total.operands[0].operands[0]
    return contract([x], [axes], (*out, *summed)), len(summed)


def _log_of_softmax(node: Expr) -> Expr | None:
    """log softmax(x) = x − logsumexp(x)."""
    inner = node.operands[0]
    if inner.primitive is not SOFTMAX:
        return None
    x, rank = inner.operands[0], inner.params[0]
    total = apply(LOGSUMEXP, x, rank=rank)
    labels = tuple(range(x.ndim))
    spread = contract([total], [labels[: total.ndim]], labels, sizes=dict(enumerate(x.shape)))
    return sub(x, spread)


def _log_of_sigmoid(node: Expr) -> Expr | None:
    """log σ(x) = −softplus(−x)."""
    inner = node.operands[0]
    if inner.primitive is not SIGMOID:
        return None
    return neg(apply(SOFTPLUS, neg(inner.operands[0])))


def _log_of_det(node: Expr) -> Expr | None:
    """log det(A) = logdet(A), which does not overflow."""
    inner = node.operands[0]
    return apply(LOGDET, inner.operands[0]) if inner.primitive is DET else None


def _reciprocal_of_one_plus_exp(node: Expr) -> Expr | None:
    """(1 + exp(x))⁻ᵏ = σ(−x)ᵏ."""
    inner = _one_plus_exp(node.operands[0]) if exponent_of(node) < 0 else None
    return None if inner is None else power(apply(SIGMOID, neg(inner)), -exponent_of(node))


def _shift_back(node: Expr) -> Expr | None:
    """t + logsumexp(x − t) = logsumexp(x), for a t that is constant along the summed axes.

    Only where t goes: logsumexp(x − t) by itself has more digits than logsumexp(x) − t.
    """
    terms = dict(zip(node.operands, coefficients_of(node), strict=True))
    for term, c in terms.items():
        if term.primitive is not LOGSUMEXP:
            continue
        parts = _split_shift(term.operands[0], term.params[0])
        if parts is None:
            continue
        inner = apply(LOGSUMEXP, parts[0], rank=term.params[0])
        rest = {t: v for t, v in terms.items() if t is not term}
        shifted = add([parts[1], *rest], [c, *rest.values()])
        if _term_count(shifted) < len(terms):
            return add([inner, shifted], [c, 1])
    return None


def _term_count(node: Expr) -> int:
    if node.primitive is ADD:
        return len(node.operands)
    return 0 if is_zero(node) else 1


def _shift_out_of_softmax(node: Expr) -> Expr | None:
    """softmax(x + t) = softmax(x), for a t that is constant along the summed axes."""
    parts = _split_shift(node.operands[0], node.params[0])
    return None if parts is None else apply(SOFTMAX, parts[0], rank=node.params[0])


def _split_shift(x: Expr, rank: int) -> tuple[Expr, Expr] | None:
    """A sum as x + t, with t constant along the last axes and given without them."""
    if x.primitive is not ADD:
        return None
    kept = x.ndim - rank
    rest: dict[Expr, Fraction] = {}
    shifts: list[Expr] = []
    for term, c in zip(x.operands, coefficients_of(x), strict=True):
        shift = _without_last_axes(term, kept)
        if shift is None:
            rest[term] = c
        else:
            shifts.append(scale(c, shift))
    if not rest or not shifts:
        return None
    return add(list(rest), list(rest.values())), add(shifts)


def _without_last_axes(node: Expr, kept: int) -> Expr | None:
    """The node without the axes behind the first ``kept``, if it is constant along them."""
    if node.primitive is not CONTRACT:
        return None
    labels, out, coefficient = contraction_params(node)
    used = {x for axes in labels for x in axes}
    if used & set(out[kept:]) or len(set(out)) < len(out):
        return None
    sizes = dict(zip(out[:kept], node.shape, strict=False))
    return contract(node.operands, labels, out[:kept], sizes=sizes, coefficient=coefficient)


def _root_of_squares(node: Expr) -> Expr | None:
    """sqrt(Σ x²) = ‖x‖, whose derivative at 0 is the subgradient 0."""
    total = node.operands[0]
    if exponent_of(node).denominator != 2 or total.primitive is not CONTRACT or total.ndim:
        return None
    labels, _, coefficient = contraction_params(total)
    if coefficient != 1 or len(total.operands) != 1 or len(set(labels[0])) != len(labels[0]):
        return None
    inner = total.operands[0]
    if inner.primitive is not POWER or exponent_of(inner) != 2 or not inner.ndim:
        return None
    norm = apply(NORM2, inner.operands[0], rank=inner.ndim)
    return power(norm, 2 * exponent_of(node))


def _product_of_exp(node: Expr) -> Expr | None:
    """exp(x) σ(−x) = σ(x), and exp(x) / Σ exp(x) = softmax(x)."""
    labels, out, coefficient = contraction_params(node)
    factors = list(zip(node.operands, labels, strict=True))
    for k, (expr, axes) in enumerate(factors):
        if expr.primitive is not EXP or len(set(axes)) != len(axes):
            continue
        x = expr.operands[0]
        for j, (other, other_axes) in enumerate(factors):
            merged = _merge_exp(x, axes, other, other_axes)
            if merged is not None:
                rest = [f for i, f in enumerate(factors) if i not in (j, k)]
                return contract(
                    [merged, *(e for e, _ in rest)],
                    [axes, *(a for _, a in rest)],
                    out,
                    sizes=dict(zip(out, node.shape, strict=True)),
                    coefficient=coefficient,
                )
    return None


def _merge_exp(
    x: Expr, axes: tuple[int, ...], other: Expr, other_axes: tuple[int, ...]
) -> Expr | None:
    if other.primitive is SIGMOID and other_axes == axes and other.operands[0] is neg(x):
        return apply(SIGMOID, x)
    if other.primitive is POWER and exponent_of(other) == -1:
        found = _sum_of_exp(other.operands[0])
        if found is None:
            return None
        moved, rank = found
        kept = moved.ndim - rank
        order = (*other_axes, *(a for a in axes if a not in other_axes))
        if len(order) != len(axes) or contract([x], [axes], order) is not moved or kept < 0:
            return None
        return contract([apply(SOFTMAX, moved, rank=rank)], [order], axes)
    return None


_RECOGNITION: dict[object, tuple[Rule, ...]] = {
    LOG: (
        _log_of_one_plus_exp,
        _log_of_sum_of_exp,
        _log_of_softmax,
        _log_of_sigmoid,
        _log_of_det,
    ),
    LOG1P: (_log1p_of_exp,),
    POWER: (_reciprocal_of_one_plus_exp, _root_of_squares),
    CONTRACT: (_product_of_exp,),
    ADD: (_shift_back,),
    SOFTMAX: (_shift_out_of_softmax,),
}

# ---------------------------------------------------------------- lowering


def _log_to_log1p(node: Expr) -> Expr | None:
    """log(1 + x) = log1p(x), exact for small x."""
    inner = node.operands[0]
    if inner.primitive is not ADD:
        return None
    for term, c in zip(inner.operands, coefficients_of(inner), strict=True):
        value = constant_value(term)
        if value is not None and value * c == 1:
            return apply(LOG1P, sub(inner, broadcast(constant(1), inner.shape)))
    return None


def _sum_with_cancellation(node: Expr) -> Expr | None:
    """c exp(x) − c = c expm1(x) and c − c σ(x) = c σ(−x), without cancellation."""
    terms = dict(zip(node.operands, coefficients_of(node), strict=True))
    ones = [t for t in terms if constant_value(t) == 1]
    if not ones:
        return None
    (one,) = ones
    for term, c in terms.items():
        if c != -terms[one] or term.primitive not in (EXP, SIGMOID):
            continue
        x = term.operands[0]
        fresh = apply(EXPM1, x) if term.primitive is EXP else apply(SIGMOID, neg(x))
        factor = c if term.primitive is EXP else -c
        rest = {t: v for t, v in terms.items() if t not in (one, term)}
        return add([fresh, *rest], [factor, *rest.values()])
    return None


def _adjugate(node: Expr) -> Expr | None:
    """det(A) A⁻¹ = adj(A), which singular matrices have too."""
    labels, out, coefficient = contraction_params(node)
    factors = list(zip(node.operands, labels, strict=True))
    for k, (expr, axes) in enumerate(factors):
        if expr.primitive is not INV or expr.ndim != 2:
            continue
        det = apply(DET, expr.operands[0])
        for j, (other, _) in enumerate(factors):
            if other is det:
                rest = [f for i, f in enumerate(factors) if i not in (j, k)]
                return contract(
                    [apply(ADJ, expr.operands[0]), *(e for e, _ in rest)],
                    [axes, *(a for _, a in rest)],
                    out,
                    sizes=dict(zip(out, node.shape, strict=True)),
                    coefficient=coefficient,
                )
    return None


_LOWERING: dict[object, tuple[Rule, ...]] = {
    LOG: (_log_to_log1p,),
    ADD: (_sum_with_cancellation,),
    CONTRACT: (_adjugate,),
}

__all__ = ["lower", "recognise"]
