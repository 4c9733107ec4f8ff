"""Common factors taken out of a sum: xᵀB + xᵀBᵀ = xᵀ(B + Bᵀ).

A factor may be taken out of several terms if it stands in the same place in all of them: attached
to the same output axes and, through its summed axes, to remainders of one shape. Scalar and
Hadamard factors that are plain variables stay inside (x² + x is not x(x + 1)).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wengert.expr import Expr
from wengert.operations.algebra import (
    add,
    contract,
)
from wengert.operations.labelling import Labels
from wengert.operations.structural import (
    ADD,
    CONTRACT,
)
from wengert.operations.structure import (
    base_and_exponent,
    coefficients_of,
    contraction_params,
)
from wengert.shapes import Size

_TERM_CAP = 48


@dataclass(frozen=True)
class _Split:
    """A term as factor × remainder: the remainder's operands and its output labels."""

    term: int
    factor: int
    operands: tuple[Expr, ...]
    labels: tuple[Labels, ...]
    out: Labels
    sizes: tuple[tuple[int, Size], ...]


# where a factor stands: the factor, its slots (output axes or summed), the remainder's axes
_Place = tuple[int, tuple[int, ...], tuple[tuple[int, int], ...]]


def collect(node: Expr) -> Expr:
    """The sum with common factors taken out, most profitable first."""
    while node.primitive is ADD and 1 < len(node.operands) <= _TERM_CAP:
        best = _best_place(node)
        if best is None:
            return node
        node = _factored(node, best)
    return node


def _best_place(node: Expr) -> list[_Split] | None:
    places: dict[_Place, list[_Split]] = {}
    weights: dict[_Place, int] = {}
    for number, term in enumerate(node.operands):
        operands, labels, out = as_product(term)
        mine: set[_Place] = set()
        for k in range(len(operands)):
            found = _split(number, operands, labels, out, k)
            if found is not None and found[0] not in mine:
                mine.add(found[0])
                places.setdefault(found[0], []).append(found[1])
                weights[found[0]] = _weight(operands[k])
    shared = [p for p, splits in places.items() if len(splits) > 1]
    if not shared:
        return None
    chosen = max(shared, key=lambda p: ((len(places[p]) - 1) * weights[p], p[0], p[1], p[2]))
    return places[chosen]


def _weight(factor: Expr) -> int:
    return 1 + sum(1 + len(o.operands) for o in factor.operands)


def _is_monomial(factor: Expr) -> bool:
    """Is the factor a variable or a positive power of one?"""
    base, exponent = base_and_exponent(factor)
    return not base.operands and exponent > 0


def as_product(term: Expr) -> tuple[tuple[Expr, ...], tuple[Labels, ...], Labels]:
    """The term as operands, labels and output labels; what is no product is one factor."""
    if term.primitive is CONTRACT:
        labels, out, _ = contraction_params(term)
        return term.operands, labels, out
    axes = tuple(range(term.ndim))
    return (term,), (axes,), axes


def _split(
    number: int, operands: tuple[Expr, ...], labels: tuple[Labels, ...], out: Labels, k: int
) -> tuple[_Place, _Split] | None:
    factor, axes = operands[k], labels[k]
    rest = [(o, a) for j, (o, a) in enumerate(zip(operands, labels, strict=True)) if j != k]
    if len(set(axes)) != len(axes):
        return None
    touched = {x for _, a in rest for x in a}
    summed = [x for x in axes if x not in out]
    if any(x not in touched for x in summed):
        return None  # a sum over the factor alone
    if len(set(out)) < len(out):
        return None  # a delta: diag(p) − ppᵀ stays
    own = {x for x in axes if x in out and x not in touched}
    inside = factor.ndim or not out  # α(A + Aᵀ), but x² + x and u ⊙ u + u
    if inside and not summed and not own and _is_monomial(factor):
        return None
    kept = [(0, p) for p, x in enumerate(out) if x not in own]
    slots = tuple(out.index(x) if x in out else -1 for x in axes)
    shared_outputs = tuple(p for p, x in enumerate(out) if x in axes and x in touched)
    remainder = tuple(out[p] for _, p in kept) + tuple(summed)
    if any(x not in touched for x in remainder):
        return None  # ones in the remainder
    if len(remainder) > max(2, len(out)):
        return None  # the remainder would have no matrix notation
    size = {
        x: s for o, a in zip(operands, labels, strict=True) for x, s in zip(a, o.shape, strict=True)
    }
    place = (factor.digest, slots, (*((0, p) for p in shared_outputs), (1, len(summed))))
    split = _Split(
        number,
        k,
        tuple(o for o, _ in rest),
        tuple(a for _, a in rest),
        remainder,
        tuple((x, size[x]) for x in remainder),
    )
    return place, split


def _factored(node: Expr, splits: list[_Split]) -> Expr:
    coefficients = coefficients_of(node)
    taken = {s.term for s in splits}
    remainders = [
        contract(s.operands, s.labels, s.out, sizes=dict(s.sizes), deep=True) for s in splits
    ]
    inner = collect(add(remainders, [coefficients[s.term] for s in splits]))
    sample = node.operands[splits[0].term]
    operands, labels, out = as_product(sample)
    k = splits[0].factor
    product = contract(
        [operands[k], inner],
        [labels[k], splits[0].out],
        out,
        sizes=dict(zip(out, node.shape, strict=True)),
    )
    rest = [(t, c) for j, (t, c) in enumerate(zip(node.operands, coefficients, strict=True))
            if j not in taken]  # fmt: skip
    return add([product, *(t for t, _ in rest)], [Fraction(1), *(c for _, c in rest)])
