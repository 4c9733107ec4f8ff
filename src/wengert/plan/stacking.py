"""Products that a loop need not make step by step.

A constant matrix times an item of a sequence is computed for all steps before the loop. A sum of
products over the steps, and a product with a constant matrix that only an output is made of, are
computed after it, from the stacked factors. One large product is much faster than many small ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import replace
from math import prod

from wengert.plan.editing import Editor, Kept, fits, items_of, needed
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
    Scale,
    Term,
)

_LEAST = 64  # multiplications of a step from which on it is worth while


def stacked_products(plan: Plan) -> Plan:
    """The plan with such products before and after its loops, also within programs.

    Parameters
    ----------
    plan : Plan
        Any plan. Sums over steps are added up in another order.
    """
    if not any(isinstance(i, Loop | Branch) for i in plan.instructions):
        return plan
    instructions: list[Instruction] = []
    edited: set[int] = set()
    known: dict[Hashable, int] = {}
    following = plan.slots
    changed = False
    shapes = {i.target: i.shape for i in plan.instructions}
    numbers = {i.target: i.value for i in plan.instructions if isinstance(i, Fill)}
    results = items_of(plan)
    for i in plan.instructions:
        if isinstance(i, Item) and i.source in edited:
            continue
        current = _with_inner(i)
        if isinstance(current, Loop) and fits(current):
            items = results.get(i.target, {})
            editor = _Stacking(current, shapes, numbers, items, following, known)
            if editor.edit():
                instructions += editor.instructions()
                following = editor.slots
                edited.add(i.target)
                changed = True
                continue
        changed = changed or current is not i
        instructions.append(current)
    if not changed:
        return plan
    inputs = [i.target for i in plan.instructions if isinstance(i, Input)]
    left = needed(instructions, (*inputs, *plan.outputs))  # a sum does without its first value
    return replace(plan, instructions=tuple(left), slots=following)


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


# ---------------------------------------------------------------- one loop


class _Stacking(Editor):
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
        target = self.emit(
            where, Pair, (rows, columns), flat, matrix, (step, summed), own, (step, row),
            rows * shape[-1] * columns,
        )  # fmt: skip
        if len(shape) > 2:
            target = self.emit(where, Reshape, (*shape[:-1], columns), target)
        return target

    # ------------------------------------------------ after

    def _take_output(self, kept: Kept) -> None:
        """An output that is a constant matrix times something."""
        n = len(self.carries)
        slot = self.outputs[n + kept.result.index]
        i, uses, factor = self.body[slot], self.uses(), 1.0
        if isinstance(i, Scale) and uses[slot] == 1:
            i, factor = self.body[i.source], i.factor
        if not isinstance(i, Pair) or uses[i.target] > 1:
            return
        found = self._of_matrix(i)
        if found is None:
            return
        matrix, varying = found
        position, target = kept.result.index, kept.slot
        self.outputs[n + position] = varying
        kept.result = replace(kept.result, shape=self.body[varying].shape)
        kept.slot = None
        value = self._product(i, matrix, varying, self.slot_of(kept), self.after)
        if factor != 1:
            value = self.emit(self.after, Scale, self.shapes[value], value, factor)
        self._name(target, value)

    def _take_sum(self, k: int) -> None:
        """A carry that products are added to in every step."""
        slot = self.outputs[k]
        i, uses = self.body[slot], self.uses()
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
            total = self.emit(self.after, Combine, i.shape, tuple(terms), ())
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
        stacks = [self.stack(s) for s in (i.left, i.right)]
        fresh = max(*i.left_labels, *i.right_labels) + 1
        labels = [(fresh, own[-1]) for own in (i.left_labels, i.right_labels)]
        flat = [self._as_matrix(stack, self.after) for stack in stacks]
        volume = i.volume * self.length
        return self.emit(self.after, Pair, i.shape, *flat, *labels, i.out, volume)

    def _as_matrix(self, stack: int, where: list[Instruction]) -> int:
        shape = self.shapes[stack]
        if len(shape) == 2:
            return stack
        return self.emit(where, Reshape, (prod(shape[:-1]), shape[-1]), stack)

    def _name(self, slot: int | None, value: int) -> None:
        """What others read as a slot is a value of the same shape."""
        assert slot is not None
        self.after.append(Reshape(slot, self.shapes[slot], value))
