"""Contractions of ordinary factors, which need no more than an order and canonical labels.

Most contractions are products of a few different arrays, none of which meets an inverse, a delta,
a mask or a power of itself. For these the passes of :mod:`wengert.operations.algebra` change
nothing, so they are not made: what a factor needs is found out once a node, and the labels once a
pattern of labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from fractions import Fraction

from wengert.expr import Expr, make
from wengert.operations.labelling import Labels, recipe
from wengert.operations.structure import (
    INLINED_FACTORS,
    ONE,
    base_and_exponent,
    contraction_params,
    coprime,
    exact,
    has_delta,
    hides_delta,
    is_contraction,
    is_sum,
    strip_coefficient,
    times,
)
from wengert.primitive import Linear, registry
from wengert.shapes import Size


class Role(Enum):
    """What an operand is to a contraction."""

    FACTOR = auto()  # stays as it is
    COMPANION = auto()  # stays as it is beside other factors
    SCALED = auto()  # a multiple of such a companion
    INLINED = auto()  # a contraction that sums nothing, of factors
    SPECIAL = auto()  # the passes may change it


def ordinary(
    operands: Sequence[Expr],
    labels: Sequence[Sequence[int]],
    out: Sequence[int],
    sizes: Mapping[int, Size],
    coefficient: Fraction | int,
    is_upright: Callable[[Expr], bool],
) -> Expr | None:
    """The contraction of operands, if all are ordinary; None for the general way, and errors.

    Parameters
    ----------
    operands, labels, out, sizes, coefficient
        As of :func:`wengert.operations.algebra.contract`.
    is_upright : callable
        Is a matrix neither symmetric nor the one that is written as the transpose of another?
    """
    size_of = dict(sizes)
    number = exact(coefficient)
    factors: list[tuple[Expr, Labels]] = []
    bases: set[Expr] = set()
    for operand, given in zip(operands, labels, strict=True):
        axes, shape = tuple(given), operand.shape
        if len(axes) != len(shape):
            return None
        for label, size in zip(axes, shape, strict=True):
            if size_of.setdefault(label, size) != size:
                return None
        role = role_of(operand, is_upright)
        if role is Role.SPECIAL:
            return None
        if role is Role.INLINED:
            inner, inner_out, inner_coefficient = contraction_params(operand)
            number = times(number, inner_coefficient)
            outer = dict(zip(inner_out, axes, strict=True))
            for part, places in zip(operand.operands, inner, strict=True):
                factors.append((part, tuple([outer[x] for x in places])))
                bases.add(_base(part))
            continue
        stays, factor = operand.facts["companion"] if role is Role.SCALED else (operand, ONE)
        number = times(number, factor)
        factors.append((stays, axes))
        bases.add(_base(stays))
    if len(bases) < len(factors) or not number:
        return None
    if len(factors) == 1 and role_of(factors[0][0], is_upright) is Role.COMPANION:
        return None
    return _labelled(factors, tuple(out), size_of, number)


def _labelled(
    factors: list[tuple[Expr, Labels]], out: Labels, size_of: dict[int, Size], number: Fraction
) -> Expr | None:
    if len(factors) > 1:
        factors.sort(key=lambda factor: factor[0].digest)
    places = tuple([axes for _, axes in factors])
    if not all(x in out or any(x in axes for axes in places) for x in size_of):
        return None  # a label is lost: its size is a coefficient
    found = recipe(places, out)
    if found is None:
        return None
    numbered, numbered_out = found
    alone = len(factors) == 1 and number == 1 and numbered[0] == numbered_out
    if alone and len(set(numbered_out)) == len(numbered_out):
        return factors[0][0]
    return make(
        registry["contract"],
        tuple([e for e, _ in factors]),
        (numbered, numbered_out, number),
        tuple([size_of[x] for x in out]),
    )


def role_of(node: Expr, is_upright: Callable[[Expr], bool]) -> Role:
    """What the node is to contractions that it is an operand of."""
    role = node.facts.get("role")
    if role is None:
        node.facts["role"] = role = _role(node, is_upright)
    return role


def _base(node: Expr) -> Expr:
    return node.facts.get("base", node)


def _role(node: Expr, is_upright: Callable[[Expr], bool]) -> Role:
    if is_contraction(node):
        return _role_of_contraction(node, is_upright)
    if node.ndim == 2 and not is_upright(node):
        return Role.SPECIAL
    if is_sum(node):
        if any(map(hides_delta, node.operands)):
            return Role.SPECIAL
        return Role.COMPANION if coprime(node)[1] is node else Role.SCALED
    base = base_and_exponent(node)[0]
    if base is not node:
        node.facts["base"] = base  # not the node itself: it would never be freed by counting
    meets = _acts_on_pattern(node) or _is_merged(node) or _cancels(node)
    special = meets or node.primitive.masking or base.primitive.square is not None
    return Role.SPECIAL if special else Role.FACTOR


def _role_of_contraction(node: Expr, is_upright: Callable[[Expr], bool]) -> Role:
    labels, out, coefficient = contraction_params(node)
    used = {x for axes in labels for x in axes}
    if len(set(out)) < len(out):
        return Role.SPECIAL
    if used <= set(out):
        if len(labels) > INLINED_FACTORS:
            return Role.SPECIAL
        stay = (Role.FACTOR, Role.COMPANION)
        plain = all(role_of(o, is_upright) in stay for o in node.operands)
        return Role.INLINED if plain else Role.SPECIAL
    core = strip_coefficient(node)[1]
    if not used >= set(out) or coefficient == 0 or (node.ndim == 2 and not is_upright(core)):
        return Role.SPECIAL
    if coefficient == 1:
        return Role.COMPANION
    node.facts["companion"] = core, coefficient
    return Role.SCALED


def _acts_on_pattern(node: Expr) -> bool:
    if not isinstance(node.primitive.derivative, Linear):
        return False
    moved = node.operands[0]
    return is_contraction(moved) and (has_delta(moved) or not moved.operands)


def _is_merged(node: Expr) -> bool:
    merged = node.primitive.merged
    return merged is not None and any(merged(node, k) is not None for k in range(node.ndim))


def _cancels(node: Expr) -> bool:
    inverse = node.primitive.inverse
    return inverse is not None and node.ndim == 2 and inverse(node)[0] is not None
