"""Products that a loop need not make step by step.

A constant matrix times an item of a sequence is computed for all steps before the loop. A sum of
products over the steps, and a product with a constant matrix that only an output is made of, are
computed after it, from the stacked factors. One large product is much faster than many small ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from wengert.plan.instructions import (
    Body,
    Branch,
    Combine,
    Fill,
    Input,
    Instruction,
    Item,
    Labels,
    Loop,
    Pair,
    Plan,
    Reshape,
    Result,
    Term,
)

_LEAST = 64  # multiplications of a step from which on it is worth while
_FEWEST = 4  # steps


def stacked_products(plan: Plan) -> Plan:
    """The plan with such products before and after its loops, also within programs.

    Parameters
    ----------
    plan : Plan
        Any plan. Sums over steps are added up in another order.
    """
    instructions: list[Instruction] = []
    edited: set[int] = set()
    known: dict[Hashable, int] = {}
    following = plan.slots
    changed = False
    shapes = {i.target: i.shape for i in plan.instructions}
    numbers = {i.target: i.value for i in plan.instructions if isinstance(i, Fill)}
    for i in plan.instructions:
        if isinstance(i, Item) and i.source in edited:
            continue
        current = _with_inner(i)
        if isinstance(current, Loop) and _fits(current):
            items = {
                j.index: j.target
                for j in plan.instructions
                if isinstance(j, Item) and j.source == i.target
            }
            editor = _Editor(current, shapes, numbers, items, following, known)
            if editor.edit():
                instructions += editor.instructions()
                following = editor.slots
                edited.add(i.target)
                changed = True
                continue
        changed = changed or current is not i
        instructions.append(current)
    return replace(plan, instructions=tuple(instructions), slots=following) if changed else plan


def _with_inner(i: Instruction) -> Instruction:
    """The same for the programs of loops and branches."""
    if isinstance(i, Loop):
        body = _inner(i.body)
        return i if body is i.body else replace(i, body=body)
    if isinstance(i, Branch):
        bodies = tuple(map(_inner, i.programs))
        same = all(a is b for a, b in zip(bodies, i.programs, strict=True))
        return i if same else replace(i, programs=bodies)
    return i


def _inner(body: Body) -> Body:
    plan = stacked_products(body.plan)
    return body if plan is body.plan else Body(plan, body.arguments)


def _fits(i: Loop) -> bool:
    named = len(set(i.body.arguments)) == len(i.body.arguments)
    fixed = i.decide is None and i.count is None and i.length is not None
    return named and fixed and (i.length or 0) >= _FEWEST


# ---------------------------------------------------------------- one loop


@dataclass
class _Kept:
    """A result of the loop, and the slot outside where it is; None if nobody reads it."""

    result: Result
    slot: int | None


class _Editor:
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
        self.results = [_Kept(r, items.get(k)) for k, r in enumerate(loop.results)]
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

    def edit(self) -> bool:
        """Whether anything has changed."""
        for i in list(self.body.values()):
            if isinstance(i, Pair):
                self._take_before(i)
        for k in range(len(self.carries) - 1, -1, -1):
            self._take_sum(k)
        for kept in list(self.results):
            if kept.result.kind == "output" and kept.slot is not None:
                self._take_output(kept)
        return bool(self.before or self.after)

    # ------------------------------------------------ before

    def _take_before(self, i: Pair) -> None:
        """A constant matrix times an item."""
        found = self._of_matrix(i)
        if found is None:
            return
        matrix, varying = found
        item = self.body[varying]
        if not isinstance(item, Input) or item.name not in self.sequences:
            return
        sequence = self.sequences[item.name]
        target = self._product(i, matrix, varying, sequence, self.before)
        name = f"·p{i.target}"
        self.sequences[name] = target
        self.body[i.target] = Input(i.target, i.shape, name)

    def _of_matrix(self, i: Pair) -> tuple[int, int] | None:
        """The outer slot of a constant matrix, and the slot that it multiplies."""
        if i.symmetric or i.volume < _LEAST:
            return None
        for one, other in ((i.left, i.right), (i.right, i.left)):
            own, labels = self._labels(i, one), self._labels(i, other)
            matrix = self.body[one]
            if not isinstance(matrix, Input) or matrix.name not in self.constants:
                continue
            if other in self.fixed or len(own) != 2 or len(labels) not in (1, 2):
                continue
            if len(set(own)) < 2 or labels[-1] not in own or labels[-1] in i.out:
                continue
            (row,) = (x for x in own if x != labels[-1])
            if i.out == (*labels[:-1], row):
                return self.constants[matrix.name], other
        return None

    def _labels(self, i: Pair, slot: int) -> Labels:
        return i.left_labels if slot == i.left else i.right_labels

    def _product(
        self, i: Pair, matrix: int, varying: int, stack: int, where: list[Instruction]
    ) -> int:
        """The product for all steps: of a constant matrix and what is stacked."""
        inside = self._labels(i, varying)
        own = self._labels(i, i.right if varying == i.left else i.left)
        summed, (row,) = inside[-1], [x for x in own if x != inside[-1]]
        shape = self.shapes[stack]
        rows = prod(shape[:-1])
        flat = self._as_matrix(stack, where)
        step = max(own) + 1
        columns = i.shape[-1]
        target = self._emit(
            where, Pair, (rows, columns), flat, matrix, (step, summed), own, (step, row),
            rows * shape[-1] * columns,
        )  # fmt: skip
        if len(shape) > 2:
            target = self._emit(where, Reshape, (*shape[:-1], columns), target)
        return target

    # ------------------------------------------------ after

    def _take_output(self, kept: _Kept) -> None:
        """An output that is a constant matrix times something."""
        n = len(self.carries)
        slot = self.outputs[n + kept.result.index]
        i = self.body[slot]
        if not isinstance(i, Pair) or self._uses()[slot] > 1:
            return
        found = self._of_matrix(i)
        if found is None:
            return
        matrix, varying = found
        position, target = kept.result.index, kept.slot
        self.outputs[n + position] = varying
        kept.result = replace(kept.result, shape=self.body[varying].shape)
        kept.slot = None
        self._name(target, self._product(i, matrix, varying, self._slot_of(kept), self.after))

    def _take_sum(self, k: int) -> None:
        """A carry that products are added to in every step."""
        slot = self.outputs[k]
        i, uses = self.body[slot], self._uses()
        begin = next(
            (j for j in self.body.values() if isinstance(j, Input) and j.name == self.carries[k]),
            None,
        )
        mine = [
            r for r in self.results if r.result.kind in {"final", "record"} and r.result.index == k
        ]
        if len(mine) != 1 or mine[0].result.kind != "final" or mine[0].slot is None:
            return
        if begin is None or not isinstance(i, Combine) or i.placed or uses[slot] > 1:
            return
        if uses[begin.target] > 1 or not all(t.plain for t in i.terms):
            return
        own = [t for t in i.terms if t.source == begin.target and t.factor == 1]
        others = [t for t in i.terms if t.source != begin.target]
        if len(own) != 1 or not others or not all(self._is_sum(t, uses) for t in others):
            return
        pairs = [self.body[t.source] for t in others]
        totals = [self._total(pair) for pair in pairs if isinstance(pair, Pair)]
        axes = tuple(range(len(i.shape)))
        terms = [Term(s, t.factor, axes, axes) for s, t in zip(totals, others, strict=True)]
        if self.numbers.get(self.inits[k]) != 0:
            terms.insert(0, Term(self.inits[k], 1.0, axes, axes))
        total = terms[0].source
        if len(terms) > 1 or terms[0].factor != 1:
            total = self._emit(self.after, Combine, i.shape, tuple(terms), ())
        self._name(mine[0].slot, total)
        self.results.remove(mine[0])
        del self.outputs[k], self.carries[k], self.inits[k]
        for kept in self.results:
            if kept.result.kind in {"final", "record"} and kept.result.index > k:
                kept.result = replace(kept.result, index=kept.result.index - 1)

    def _is_sum(self, term: Term, uses: Counter[int]) -> bool:
        """Is it a product, needed for nothing else, whose factors vary and can be stacked?"""
        i = self.body[term.source]
        if not isinstance(i, Pair) or i.symmetric or uses[i.target] > 1 or i.volume < _LEAST:
            return False
        left, right = i.left_labels, i.right_labels
        if len(set(left)) < len(left) or len(set(right)) < len(right) or i.left == i.right:
            return False
        if i.left in self.fixed or i.right in self.fixed:
            return False
        if len(left) == len(right) == 1:
            return left != right
        shared = set(left) & set(right)
        return (
            len(left) == len(right) == 2
            and shared == {left[0]} == {right[0]}
            and left[0] not in i.out
        )

    def _total(self, i: Pair) -> int:
        """The sum of products over all steps."""
        stacks = [self._stack(s) for s in (i.left, i.right)]
        fresh = max(*i.left_labels, *i.right_labels) + 1
        labels = [(fresh, own[-1]) for own in (i.left_labels, i.right_labels)]
        flat = [self._as_matrix(stack, self.after) for stack in stacks]
        volume = i.volume * self.length
        return self._emit(self.after, Pair, i.shape, *flat, *labels, i.out, volume)

    def _stack(self, slot: int) -> int:
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
                return self._slot_of(kept)
        self.results.append(_Kept(Result(kind, index, i.shape, "real"), None))
        return self._slot_of(self.results[-1])

    # ------------------------------------------------ instructions

    def _slot_of(self, kept: _Kept) -> int:
        """The slot outside of a result."""
        if kept.slot is None:
            kept.slot = self._new((self.length, *kept.result.shape))
        return kept.slot

    def _as_matrix(self, stack: int, where: list[Instruction]) -> int:
        shape = self.shapes[stack]
        if len(shape) == 2:
            return stack
        return self._emit(where, Reshape, (prod(shape[:-1]), shape[-1]), stack)

    def _new(self, shape: tuple[int, ...]) -> int:
        self.slots += 1
        self.shapes[self.slots - 1] = shape
        return self.slots - 1

    def _emit(
        self, where: list[Instruction], kind: Any, shape: tuple[int, ...], *fields: Any
    ) -> int:
        """The slot of an instruction, perhaps of the same one around an earlier loop."""
        key = kind, shape, fields
        if key not in self.known:
            self.known[key] = self._new(shape)
            where.append(kind(self.known[key], shape, *fields))
        return self.known[key]

    def _name(self, slot: int | None, value: int) -> None:
        """What others read as a slot is a value of the same shape."""
        assert slot is not None
        self.after.append(Reshape(slot, self.shapes[slot], value))

    def _live(self) -> list[Instruction]:
        """The instructions of the body that something needs, in order."""
        needed = set(self.outputs)
        found: list[Instruction] = []
        for i in reversed(self.body.values()):
            if i.target in needed:
                needed.update(i.sources)
                found.append(i)
        return found[::-1]

    def _uses(self) -> Counter[int]:
        return Counter((*self.outputs, *(s for i in self._live() for s in i.sources)))

    def instructions(self) -> Iterator[Instruction]:
        """The loop with what is before and after it."""
        loop = self.loop
        plan = replace(
            loop.body.plan, instructions=tuple(self._live()), outputs=tuple(self.outputs)
        )
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
