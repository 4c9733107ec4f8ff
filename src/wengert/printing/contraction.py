"""A contraction node taken apart, and contractions of contractions merged."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace
from fractions import Fraction

from wengert.expr import Expr
from wengert.operations.labelling import Labels, canonical_order
from wengert.operations.structure import is_contraction
from wengert.shapes import Size

_OPERAND_LIMIT = 64


@dataclass(frozen=True)
class Contraction:
    """Operands with labels, output labels, coefficient, size of every label.

    ``extents`` are dimensions that multiply the value (sums over ones).
    """

    operands: tuple[Expr, ...]
    labels: tuple[Labels, ...]
    out: Labels
    coefficient: Fraction
    sizes: dict[int, Size]
    extents: tuple[Size, ...] = ()

    @staticmethod
    def of(node: Expr) -> Contraction:
        """The parts of a contraction node."""
        labels: tuple[Labels, ...] = node.param("labels")
        out: Labels = node.param("out")
        sizes: dict[int, Size] = dict(zip(out, node.shape, strict=True))
        for operand, own in zip(node.operands, labels, strict=True):
            sizes |= dict(zip(own, operand.shape, strict=True))
        return Contraction(node.operands, labels, out, Fraction(node.param("coefficient")), sizes)


def flattened(node: Expr, keep: Container[Expr]) -> Contraction:
    """A contraction with the contractions among its operands merged into it, within a limit."""
    whole = Contraction.of(node)
    while len(whole.operands) < _OPERAND_LIMIT:
        inner = [k for k, o in enumerate(whole.operands) if is_contraction(o) and o not in keep]
        if not inner:
            break
        whole = _merged(whole, inner[0])
    return _in_order(whole)


def _in_order(whole: Contraction) -> Contraction:
    """The same with operands and labels in canonical order, so that equal ones print alike."""
    factors = list(zip(whole.operands, whole.labels, strict=True))
    ordered, out = canonical_order(factors, whole.out, [False] * len(factors))
    sizes = {new: whole.sizes[old] for new, old in zip(out, whole.out, strict=True)}
    for operand, own in ordered:
        sizes |= dict(zip(own, operand.shape, strict=True))
    operands, labels = tuple(o for o, _ in ordered), tuple(own for _, own in ordered)
    return replace(whole, operands=operands, labels=labels, out=out, sizes=sizes)


def _merged(whole: Contraction, place: int) -> Contraction:
    """The operand at ``place``, itself a contraction, replaced by its operands."""
    inner = Contraction.of(whole.operands[place])
    shift = 1 + max([*whole.sizes, 0])
    alias: dict[int, int] = {}

    def root(label: int) -> int:
        while label in alias:
            label = alias[label]
        return label

    for own, outer in zip(inner.out, whole.labels[place], strict=True):
        first, second = root(own + shift), root(outer)
        if first != second:
            alias[max(first, second)] = min(first, second)
    shifted = tuple(tuple(a + shift for a in own) for own in inner.labels)
    labels = (*whole.labels[:place], *shifted, *whole.labels[place + 1 :])
    new_labels = tuple(tuple(root(a) for a in own) for own in labels)
    out = tuple(root(a) for a in whole.out)
    sizes = {root(a + shift): s for a, s in inner.sizes.items()}
    sizes |= {root(a): s for a, s in whole.sizes.items()}
    carried = {a for own in new_labels for a in own} | set(out)
    return Contraction(
        (*whole.operands[:place], *inner.operands, *whole.operands[place + 1 :]),
        new_labels,
        out,
        whole.coefficient * inner.coefficient,
        {a: s for a, s in sizes.items() if a in carried},
        (*whole.extents, *inner.extents, *(s for a, s in sizes.items() if a not in carried)),
    )


def label_colours(whole: Contraction) -> dict[int, int]:
    """A number for every label that does not depend on how labels and operands are ordered.

    Output labels come first, in their order; summed labels follow, told apart by the operands
    that carry them (colour refinement).
    """
    places = {label: k for k, label in reversed(list(enumerate(whole.out)))}
    colours = {label: places.get(label, len(whole.out)) for label in whole.sizes}
    for _ in range(4):
        signs: dict[int, tuple[int, tuple[tuple[int, int, Labels], ...]]] = {}
        for label, colour in colours.items():
            seen = sorted(
                (operand.digest, axis, tuple(colours[a] for a in own))
                for operand, own in zip(whole.operands, whole.labels, strict=True)
                for axis, other in enumerate(own)
                if other == label
            )
            signs[label] = (colour, tuple(seen))
        ranks = {sign: k for k, sign in enumerate(sorted(set(signs.values())))}
        colours = {label: ranks[sign] for label, sign in signs.items()}
    return colours
