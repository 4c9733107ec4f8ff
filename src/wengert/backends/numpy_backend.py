"""The reference back end: a plan run by NumPy, products by BLAS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from wengert.backends.numpy_programs import large_last_reads
from wengert.backends.numpy_steps import step_of
from wengert.backends.workspaces import BufferedProgram, large_writers
from wengert.plan.instructions import Fill, Input, Plan

Program = Callable[[Mapping[str, Any]], tuple[Any, ...]]


def compile_plan(plan: Plan, dtype: Any) -> Program:
    """A function from named arrays to the plan's outputs.

    From the second call on, large intermediate values are written into buffers that are kept from
    call to call; results never are.

    Parameters
    ----------
    plan : Plan
        What to run.
    dtype : numpy dtype
        Of constants (float64 or float32).
    """
    template: list[Any] = [None] * plan.slots
    doomed = large_last_reads(plan)
    schedule: list[tuple[int, Callable[[list[Any]], Any], tuple[int, ...]]] = []
    for i in plan.instructions:
        if isinstance(i, Fill) and not i.shape:
            template[i.target] = dtype.type(i.value)
        elif not isinstance(i, Input):
            schedule.append((i.target, step_of(i, dtype), doomed[i.target]))
    writers = large_writers(plan, dtype)
    if writers:
        return BufferedProgram(plan, dtype, schedule, template, writers)
    inputs = [(i.target, i.name) for i in plan.instructions if isinstance(i, Input)]
    outputs = plan.outputs

    def run(values: Mapping[str, Any]) -> tuple[Any, ...]:
        slots = template.copy()
        for slot, name in inputs:
            slots[slot] = values[name]
        with np.errstate(all="ignore"):
            for target, step, finished in schedule:
                slots[target] = step(slots)
                for slot in finished:
                    slots[slot] = None
        return tuple([slots[o] for o in outputs])

    return run
