"""Loops and branches run by NumPy: the steps of a program are compiled once.

What a step computes from constants only is computed once a run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.plan.instructions import Body, Branch, Input, Instruction, Item, Loop, Plan, Result

Step = Callable[[list[Any]], Any]
StepOf = Callable[[Instruction, Any], Step]
Bound = Callable[[Sequence[Any]], list[Any]]

_LARGE = 1024  # entries from which on a value is dropped after its last reader


def item_step(i: Item) -> Step:
    """One of a tuple of results."""
    source, index = i.source, i.index
    return lambda slots: slots[source][index]


def branch_step(i: Branch, dtype: Any, step_of: StepOf) -> Step:
    """Run the program that is chosen, and no other."""
    programs = [compile_body(body, 0, dtype, step_of) for body in i.programs]
    last = len(programs) - 1
    index, operands = i.index, i.operands

    def run(slots: list[Any]) -> Any:
        chosen = min(max(int(slots[index]), 0), last)
        return programs[chosen]([slots[o] for o in operands])(())

    return run


def compile_body(
    body: Body, varying: int, dtype: Any, step_of: StepOf
) -> Callable[[Sequence[Any]], Bound]:
    """A program to be run often: constants first, then the arguments that vary.

    Parameters
    ----------
    body : Body
        The program.
    varying : int
        So many of its first arguments vary; the others are constants.
    dtype : numpy dtype
        Of real constants.
    step_of : callable
        Compiles one instruction.
    """
    plan = body.plan
    slot = {i.name: i.target for i in plan.instructions if isinstance(i, Input)}
    inputs = [(k, slot[n]) for k, n in enumerate(body.arguments[:varying]) if n in slot]
    held = [(k, slot[n]) for k, n in enumerate(body.arguments[varying:]) if n in slot]
    fixed = {s for _, s in held}
    once: list[tuple[int, Step]] = []
    often: list[tuple[int, Step, tuple[int, ...]]] = []
    doomed = large_last_reads(plan)
    for i in plan.instructions:
        if isinstance(i, Input):
            continue
        if all(s in fixed for s in i.sources):
            fixed.add(i.target)
            once.append((i.target, step_of(i, dtype)))
        else:
            often.append((i.target, step_of(i, dtype), doomed[i.target]))
    total, outputs = plan.slots, plan.outputs

    def bind(constants: Sequence[Any]) -> Bound:
        template: list[Any] = [None] * total
        for k, s in held:
            template[s] = constants[k]
        for target, step in once:
            template[target] = step(template)

        def run(arguments: Sequence[Any]) -> list[Any]:
            slots = template.copy()
            for k, s in inputs:
                slots[s] = arguments[k]
            for target, step, finished in often:
                slots[target] = step(slots)
                for s in finished:
                    slots[s] = None
            return [slots[o] for o in outputs]

        return run

    return bind


def large_last_reads(plan: Plan) -> dict[int, tuple[int, ...]]:
    """For each target, the large values that nobody reads after it was written."""
    large = {i.target for i in plan.instructions if i.size >= _LARGE}
    seen = set(plan.outputs)
    doomed: dict[int, tuple[int, ...]] = {}
    for i in reversed(plan.instructions):
        fresh = [s for s in dict.fromkeys(i.sources) if s not in seen]
        seen.update(fresh)
        doomed[i.target] = tuple(s for s in fresh if s in large)
    return doomed


# ---------------------------------------------------------------- loops


def loop_step(i: Loop, dtype: Any, step_of: StepOf) -> Step:
    """Run a loop and give the tuple of its results."""
    n = len(i.inits)
    body = compile_body(i.body, n + len(i.sequences), dtype, step_of)
    if i.decide is not None:
        decide = compile_body(i.decide, n, dtype, step_of)
        return _while(i, body, decide, dtype)
    outputs = [(r, k) for k, r in enumerate(i.results) if r.kind == "output"]
    records = [(r, k) for k, r in enumerate(i.results) if r.kind == "record"]
    finals = [(r.index, k) for k, r in enumerate(i.results) if r.kind == "final"]

    def run(slots: list[Any]) -> Any:
        carry: list[Any] = [slots[s] for s in i.inits]
        sequences: list[Any] = [slots[s] for s in i.sequences]
        count = i.length if i.count is None else max(int(slots[i.count]), 0)
        assert count is not None
        length = count if i.length is None else i.length
        count = min(count, length)
        results: list[Any] = [None] * len(i.results)
        for r, k in (*outputs, *records):
            results[k] = _buffer(r, length, count, dtype)
        written = [(results[k], n + r.index) for r, k in outputs]
        recorded = [(results[k], r.index) for r, k in records]
        step = body([slots[s] for s in i.constants])
        for t in range(count - 1, -1, -1) if i.reverse else range(count):
            for array, k in recorded:
                array[t] = carry[k]
            values = step([*carry, *[x[t] for x in sequences]])
            for array, k in written:
                array[t] = values[k]
            carry = values[:n]
        for index, k in finals:
            results[k] = carry[index]
        return tuple(results)

    return run


def _buffer(result: Result, length: int, count: int, dtype: Any) -> Any:
    """Room for one value a step; zeros where no step is made."""
    make = np.empty if count == length else np.zeros
    return make((length, *result.shape), _numpy_dtype(result, dtype))


def _numpy_dtype(result: Result, dtype: Any) -> Any:
    return {"real": dtype, "int": np.int64, "bool": np.bool_}[result.dtype]


def _while(
    i: Loop,
    body: Callable[[Sequence[Any]], Bound],
    decide: Callable[[Sequence[Any]], Bound],
    dtype: Any,
) -> Step:
    records = [r for r in i.results if r.kind == "record"]

    def run(slots: list[Any]) -> Any:
        carry: list[Any] = [slots[s] for s in i.inits]
        constants = [slots[s] for s in i.constants]
        step, goes_on = body(constants), decide(constants)
        kept: dict[int, list[Any]] = {r.index: [] for r in records}
        count, limit = 0, i.length
        while (limit is None or count < limit) and goes_on(carry)[0]:
            for index, values in kept.items():
                values.append(carry[index])
            carry = step(carry)
            count += 1
        results: list[Any] = []
        for r in i.results:
            if r.kind == "record":
                stacked = _buffer(r, count if limit is None else limit, count, dtype)
                for t, value in enumerate(kept[r.index]):
                    stacked[t] = value
                results.append(stacked)
            else:
                results.append(np.int64(count) if r.kind == "steps" else carry[r.index])
        return tuple(results)

    return run
