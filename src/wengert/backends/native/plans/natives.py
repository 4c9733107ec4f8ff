"""Which instructions of a plan have native code: loops and branches if all that is in them has."""

from __future__ import annotations

from collections.abc import Mapping

from wengert.backends.native.plans.lowering import can_be_lowered, kinds_of
from wengert.backends.native.plans.sources import is_known
from wengert.plan.instructions import Body, Branch, Input, Instruction, Item, Loop, Plan, Prepare


def native_of(plan: Plan, kinds: Mapping[int, str | None]) -> dict[int, bool]:
    """By target, whether there is native code for an instruction."""
    shapes = {i.target: i.shape for i in plan.instructions}
    found: dict[int, bool] = {}
    for i in plan.instructions:
        if isinstance(i, Loop):
            found[i.target] = _is_native_loop(i, kinds)
        elif isinstance(i, Branch):
            found[i.target] = _are_known(i, kinds) and all(map(_is_native, i.programs))
        elif isinstance(i, Item):
            found[i.target] = found[i.source]
        else:
            found[i.target] = can_be_lowered(i, kinds, shapes)
    return found


def _is_native_loop(i: Loop, kinds: Mapping[int, str | None]) -> bool:
    """Stacks whose length only the running loop knows are NumPy's."""
    stacked = i.sequences or any(r.kind in {"output", "record"} for r in i.results)
    if i.length is None and stacked:
        return False
    return _are_known(i, kinds) and all(map(_is_native, i.bodies))


def _are_known(i: Instruction, kinds: Mapping[int, str | None]) -> bool:
    return all(kinds[s] is not None for s in i.sources)


def _is_native(body: Body) -> bool:
    plan = body.plan
    native = native_of(plan, kinds_of(plan))
    return all(
        native[i.target] or is_known(i) or isinstance(i, Input | Prepare) for i in plan.instructions
    )
