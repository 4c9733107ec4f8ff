"""What native code reads of a plan, and which instructions it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from wengert.plan.instructions import Apply, Combine, Fill, Instruction, Pair, Prepare, Scale

_STEPS = 8  # from a matrix to what it is computed from


def is_known(i: Instruction) -> TypeGuard[Apply]:
    """Is it a constant that an operation gives?"""
    return isinstance(i, Apply) and not i.operands


def sources_of(i: Instruction, *, native: bool = True) -> tuple[int, ...]:
    """The slots that are read: work that others would share is part of native code."""
    return i.operands if native and isinstance(i, Apply) else i.sources


def without_preparations(
    instructions: Sequence[Instruction], native: Mapping[int, bool]
) -> list[Instruction]:
    """Work that only native instructions would begin with is part of their code."""
    needed = {
        i.prepared
        for i in instructions
        if isinstance(i, Apply) and i.prepared is not None and not native[i.target]
    }
    return [i for i in instructions if not isinstance(i, Prepare) or i.target in needed]


def scaled(
    instructions: Sequence[Instruction], gives: Sequence[int]
) -> dict[int, tuple[int, float]]:
    """Products of which only one multiple is used: by target, its slot and the factor."""
    uses = Counter(s for i in instructions for s in sources_of(i))
    uses.update(gives)
    pairs = {i.target for i in instructions if isinstance(i, Pair) and set(_summed(i))}
    return {
        i.source: (i.target, i.factor)
        for i in instructions
        if isinstance(i, Scale) and i.source in pairs and uses[i.source] == 1
    }


def partners(
    instructions: Sequence[Instruction], gives: Sequence[int]
) -> dict[int, list[tuple[int, tuple[int, ...]]]]:
    """For matrices that are multiplied entry by entry with others, these, without results.

    After each one come those that it is computed from entry by entry. With each there are the
    axes of it that the matrix's axes are.
    """
    found: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
    made = {i.target: i for i in instructions}
    for i in instructions:
        if not isinstance(i, Pair) or len(i.out) != 2:
            continue
        both = ((i.left, i.left_labels), (i.right, i.right_labels))
        for (slot, own), (other, labels) in (both, both[::-1]):
            if set(own) == set(labels) == set(i.out) and slot not in gives:
                axes = tuple(labels.index(x) for x in own)
                found.setdefault(slot, []).extend((o, axes) for o in _origins(other, made))
    return found


def _origins(slot: int, made: Mapping[int, Instruction]) -> Iterator[int]:
    """A slot, and what it is computed from entry by entry."""
    for _ in range(_STEPS):
        yield slot
        i = made.get(slot)
        read: tuple[int, ...] = ()
        if isinstance(i, Scale) or (isinstance(i, Apply) and i.node.primitive.elementwise):
            read = sources_of(i)
        elif isinstance(i, Combine):
            read = tuple(t.source for t in i.terms if t.plain)
        same = [s for s in read if i and s in made and made[s].shape == i.shape]
        same = [s for s in same if not isinstance(made[s], Fill)]
        if not same:
            return
        slot = same[0]


def _summed(i: Pair) -> set[int]:
    return (set(i.left_labels) | set(i.right_labels)) - set(i.out)
