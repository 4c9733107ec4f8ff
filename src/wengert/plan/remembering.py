"""What a loop computes and a later loop over the same steps computes again is kept.

Reverse mode makes a loop that computes the values of each step again, from the carry that it
started with. Where that takes an expensive function or a product, the first loop stacks the value
and the other one reads it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from wengert.plan.editing import Editor, fits, items_of
from wengert.plan.instructions import (
    Apply,
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
    Single,
)

_EXPENSIVE = 8  # multiplications for an entry
_LARGEST = 1 << 23  # entries of a stack


def remembered(plan: Plan) -> Plan:
    """The plan whose loops keep what later ones need; programs within are left as they are."""
    loops = [i for i in plan.instructions if isinstance(i, Loop) and fits(i)]
    if len(loops) < 2:
        return plan
    shapes = {i.target: i.shape for i in plan.instructions}
    numbers = {i.target: i.value for i in plan.instructions if isinstance(i, Fill)}
    known: dict[Hashable, int] = {}
    slots = plan.slots
    editors: dict[int, Editor] = {}
    items = items_of(plan)
    results = {i.target: (i.source, i.index) for i in plan.instructions if isinstance(i, Item)}
    changed: set[int] = set()
    for loop in loops:
        editor = Editor(loop, shapes, numbers, items.get(loop.target, {}), slots, known)
        for first in list(editors.values()):
            if first.length == loop.length:
                first.slots = editor.slots
                if _reuse(first, editor, results):
                    changed |= {first.loop.target, loop.target}
                editor.slots = first.slots
        editors[loop.target] = editor
        slots = editor.slots
    if not changed:
        return plan
    instructions: list[Instruction] = []
    for i in plan.instructions:
        if i.target in changed:
            instructions += editors[i.target].instructions()
        elif not isinstance(i, Item) or i.source not in changed:
            instructions.append(i)
    return replace(plan, instructions=tuple(instructions), slots=slots)


def _reuse(first: Editor, second: Editor, results: Mapping[int, tuple[int, int]]) -> bool:
    """Let the second loop read what the first one has computed; whether there is such a thing."""
    equal = _equal(first, second, results)
    wanted = [s for s in second.outputs if s in equal]
    for i in second.live():
        if i.target not in equal:
            wanted += [s for s in i.sources if s in equal]
    found = False
    seen: set[int] = set()
    while wanted:
        slot = wanted.pop()
        i = second.body[slot]
        if slot in seen or isinstance(i, Input):
            continue
        seen.add(slot)
        large = i.size * second.length > _LARGEST
        if slot in second.fixed or large or not _is_expensive(i):
            wanted += [s for s in i.sources if s in equal]
            continue
        stack = first.stack(equal[slot])
        name = f"·k{slot}"
        second.sequences[name] = stack
        second.body[slot] = Input(slot, i.shape, name)
        found = True
    return found


def _is_expensive(i: Instruction) -> bool:
    if isinstance(i, Pair):
        return i.volume >= _EXPENSIVE * max(i.size, 1)
    if not isinstance(i, Apply) or i.node.dtype != "real":
        return False
    return i.node.primitive.elementwise and not i.node.params


def _equal(first: Editor, second: Editor, results: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    """For slots of the second program, those of the first that hold the same in each step."""
    inputs = {i.name: i.target for i in first.body.values() if isinstance(i, Input)}
    carries = {k: inputs[n] for k, n in enumerate(first.carries) if n in inputs}
    of_sequences = {slot: inputs[n] for n, slot in first.sequences.items() if n in inputs}
    of_constants = {slot: inputs[n] for n, slot in first.constants.items() if n in inputs}
    table: dict[Hashable, int] = {}
    for i in first.live():
        key = _key(i, {s: s for s in i.sources})
        if key is not None:
            table.setdefault(key, i.target)
    equal: dict[int, int] = {}
    for i in second.live():
        found: int | None = None
        if isinstance(i, Input) and i.name in second.sequences:
            stack = second.sequences[i.name]
            source, number = results.get(stack, (-1, 0))
            found = of_sequences.get(stack)
            if source == first.loop.target:
                found = _meaning(first, number, carries)
        elif isinstance(i, Input) and i.name in second.constants:
            found = of_constants.get(second.constants[i.name])
        elif not isinstance(i, Input) and all(s in equal for s in i.sources):
            found = table.get(_key(i, equal))
        if found is not None:
            equal[i.target] = found
    return equal


def _meaning(first: Editor, number: int, carries: Mapping[int, int]) -> int | None:
    """The slot of which a result is the stack."""
    result = first.loop.results[number]
    if result.kind == "record":
        return carries.get(result.index)
    if result.kind == "output":
        return first.loop.body.plan.outputs[len(first.loop.inits) + result.index]
    return None


def _key(i: Instruction, names: Mapping[int, int]) -> Hashable:
    """What an instruction computes, of slots by other names; None of what is not compared."""
    if isinstance(i, Fill):
        return Fill, i.shape, i.value, _plain(i.out)
    if isinstance(i, Scale):
        return Scale, names[i.source], i.factor
    if isinstance(i, Reshape):
        return Reshape, i.shape, names[i.source]
    if isinstance(i, Single):
        return Single, names[i.source], *_plain(i.labels, i.out)
    if isinstance(i, Pair):
        sides = [(names[i.left], i.left_labels), (names[i.right], i.right_labels)]
        (one, labels), (other, others) = sorted(sides)
        return Pair, one, other, *_plain(labels, others, i.out)
    if isinstance(i, Combine) and not i.placed:
        terms = ((names[t.source], t.factor, _plain(t.labels, t.out)) for t in i.terms)
        return Combine, i.shape, tuple(sorted(terms))
    if isinstance(i, Apply) and i.operands:
        node = i.node
        operands = tuple(names[o] for o in i.operands)
        return Apply, node.primitive, node.params, node.dtype, i.shape, operands
    return None


def _plain(*labels: Sequence[int]) -> tuple[Labels, ...]:
    """Labels numbered in the order in which they come."""
    order = {x: k for k, x in enumerate(dict.fromkeys(x for own in labels for x in own))}
    return tuple(tuple(order[x] for x in own) for own in labels)
