"""Loops of a plan being changed: what goes in and out, and the instructions around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from wengert.plan.instructions import Body, Input, Instruction, Item, Loop, Plan, Result

_FEWEST = 4  # steps of a loop that is worth changing


def fits(i: Loop) -> bool:
    """Is it a loop that can be changed?"""
    named = len(set(i.body.arguments)) == len(i.body.arguments)
    fixed = i.decide is None and i.count is None and i.length is not None
    return named and fixed and (i.length or 0) >= _FEWEST


def needed(instructions: Sequence[Instruction], wanted: Iterable[int]) -> list[Instruction]:
    """Those that the wanted slots need, in order."""
    read = set(wanted)
    found: list[Instruction] = []
    for i in reversed(instructions):
        if i.target in read:
            read.update(i.sources)
            found.append(i)
    return found[::-1]


def items_of(plan: Plan) -> dict[int, dict[int, int]]:
    """For each loop and branch of a plan, the slots of its results, by their number."""
    found: dict[int, dict[int, int]] = {}
    for i in plan.instructions:
        if isinstance(i, Item):
            found.setdefault(i.source, {})[i.index] = i.target
    return found


@dataclass
class Kept:
    """A result of the loop, and the slot outside where it is; None if nobody reads it."""

    result: Result
    slot: int | None


class Editor:
    """A loop of a known number of steps.

    Parameters
    ----------
    loop : Loop
        As it is.
    shapes : dict of int to tuple of int
        Of the slots outside.
    numbers : dict of int to float
        The slots outside that are one number.
    items : dict of int to int
        The slots outside of the loop's results.
    slots : int
        The first free slot outside.
    known : dict
        Instructions that were added outside, with their slots.
    """

    def __init__(
        self,
        loop: Loop,
        shapes: dict[int, tuple[int, ...]],
        numbers: dict[int, float],
        items: dict[int, int],
        slots: int,
        known: dict[Hashable, int],
    ) -> None:
        assert loop.length is not None
        self.loop, self.length = loop, loop.length
        self.shapes, self.numbers, self.slots, self.known = shapes, numbers, slots, known
        plan = loop.body.plan
        self.body = {i.target: i for i in plan.instructions}
        self.outputs = list(plan.outputs)
        n, m = len(loop.inits), len(loop.sequences)
        names = loop.body.arguments
        self.carries = list(names[:n])
        self.inits = list(loop.inits)
        self.sequences = dict(zip(names[n : n + m], loop.sequences, strict=True))
        self.constants = dict(zip(names[n + m :], loop.constants, strict=True))
        self.results = [Kept(r, items.get(k)) for k, r in enumerate(loop.results)]
        self.before: list[Instruction] = []
        self.after: list[Instruction] = []
        self.fixed: set[int] = set()
        for i in plan.instructions:
            if (
                i.name in self.constants
                if isinstance(i, Input)
                else self.fixed.issuperset(i.sources)
            ):
                self.fixed.add(i.target)

    def stack(self, slot: int) -> int:
        """The outer slot of all the values of a slot inside."""
        i = self.body[slot]
        if isinstance(i, Input) and i.name in self.sequences:
            return self.sequences[i.name]
        if isinstance(i, Input):
            kind, index = "record", self.carries.index(i.name)
        else:
            n = len(self.carries)
            kind = "output"
            if slot not in self.outputs[n:]:
                self.outputs.append(slot)
            index = self.outputs.index(slot, n) - n
        for kept in self.results:
            if (kept.result.kind, kept.result.index) == (kind, index):
                return self.slot_of(kept)
        self.results.append(Kept(Result(kind, index, i.shape, "real"), None))
        return self.slot_of(self.results[-1])

    # ------------------------------------------------ instructions

    def slot_of(self, kept: Kept) -> int:
        """The slot outside of a result."""
        if kept.slot is None:
            kept.slot = self.new((self.length, *kept.result.shape))
        return kept.slot

    def new(self, shape: tuple[int, ...]) -> int:
        """A further slot outside."""
        self.slots += 1
        self.shapes[self.slots - 1] = shape
        return self.slots - 1

    def emit(
        self, where: list[Instruction], kind: Any, shape: tuple[int, ...], *fields: Any
    ) -> int:
        """The slot of an instruction, perhaps of the same one around an earlier loop."""
        key = kind, shape, fields
        if key not in self.known:
            self.known[key] = self.new(shape)
            where.append(kind(self.known[key], shape, *fields))
        return self.known[key]

    def live(self) -> list[Instruction]:
        """The instructions of the body that something needs, in order."""
        return needed(tuple(self.body.values()), self.outputs)

    def uses(self) -> Counter[int]:
        """How often each slot of the body is read."""
        return Counter((*self.outputs, *(s for i in self.live() for s in i.sources)))

    def instructions(self) -> Iterator[Instruction]:
        """The loop with what is before and after it."""
        loop = self.loop
        plan = replace(loop.body.plan, instructions=tuple(self.live()), outputs=tuple(self.outputs))
        yield from self.before
        yield replace(
            loop,
            body=Body(plan, (*self.carries, *self.sequences, *self.constants)),
            inits=tuple(self.inits),
            sequences=tuple(self.sequences.values()),
            results=tuple(kept.result for kept in self.results),
        )
        for k, kept in enumerate(self.results):
            if kept.slot is not None:
                yield Item(kept.slot, self.shapes[kept.slot], loop.target, k)
        yield from self.after
