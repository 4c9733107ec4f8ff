"""Quotients in flat products: Σⱼ Aᵢⱼ xⱼ · (Ax)ᵢ⁻¹ is 1, though no factor is Ax any more."""

from __future__ import annotations

from wengert.expr import Expr
from wengert.operations.algebra import (
    contract,
    power,
)
from wengert.operations.labelling import Factor, Labels
from wengert.operations.structural import (
    CONTRACT,
)
from wengert.operations.structure import (
    base_and_exponent,
    contraction_params,
)
from wengert.shapes import Size


def cancel_quotients(node: Expr) -> Expr:
    """The product without factors that make up the base of one of its negative powers."""
    while node.primitive is CONTRACT:
        labels, out, coefficient = contraction_params(node)
        factors = list(zip(node.operands, labels, strict=True))
        found = _reduced(factors, out)
        if found is None:
            return node
        reduced, sizes = found
        node = contract(
            [e for e, _ in reduced],
            [axes for _, axes in reduced],
            out,
            sizes={**sizes, **dict(zip(out, node.shape, strict=True))},
            coefficient=coefficient,
            deep=True,
        )
    return node


def _reduced(factors: list[Factor], out: Labels) -> tuple[list[Factor], dict[int, Size]] | None:
    """What is left after one cancellation, and the sizes of the quotient's own axes."""
    for k, (expr, axes) in enumerate(factors):
        base, exponent = base_and_exponent(expr)
        if exponent >= 0 or base.primitive is not CONTRACT:
            continue
        inner_labels, inner_out, coefficient = contraction_params(base)
        if coefficient != 1 or len(set(inner_out)) != len(inner_out):
            continue
        parts = list(zip(base.operands, inner_labels, strict=True))
        rest = factors[:k] + factors[k + 1 :]
        chosen = _match(parts, rest, dict(zip(inner_out, axes, strict=True)), ())
        summed = {x for inner in inner_labels for x in inner} - set(inner_out)
        if chosen is not None and _closed(chosen, rest, {*axes, *out}, len(summed)):
            left = [f for j, f in enumerate(rest) if j not in chosen]
            kept = left if exponent == -1 else [*left, (power(base, exponent + 1), axes)]
            return kept, dict(zip(axes, base.shape, strict=True))
    return None


def _match(
    parts: list[Factor], rest: list[Factor], mapping: dict[int, int], chosen: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Which factors are the parts, with one renaming of labels for all."""
    if not parts:
        return chosen
    (expr, axes), *others = parts
    for j, (candidate, found) in enumerate(rest):
        if candidate is not expr or j in chosen:
            continue
        extended = dict(mapping)
        if all(extended.setdefault(x, y) == y for x, y in zip(axes, found, strict=True)):
            result = _match(others, rest, extended, (*chosen, j))
            if result is not None:
                return result
    return None


def _closed(chosen: tuple[int, ...], rest: list[Factor], outer: set[int], summed: int) -> bool:
    """Are as many labels of the chosen factors summed as should be, and on no other factor?"""
    inner = {x for j in chosen for x in rest[j][1]} - outer
    return len(inner) == summed and not any(
        x in inner for j, (_, a) in enumerate(rest) if j not in chosen for x in a
    )
