"""What native code reads of a plan, and which instructions it needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from wengert.plan.instructions import Apply, Instruction, Pair, Prepare, Scale


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


def _summed(i: Pair) -> set[int]:
    return (set(i.left_labels) | set(i.right_labels)) - set(i.out)
