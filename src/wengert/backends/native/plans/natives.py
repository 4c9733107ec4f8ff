"""Which instructions of a plan have native code: loops and branches if all that is in them has."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from wengert.backends.native.plans.loop_lowering import STACKED
from wengert.backends.native.plans.lowerable import can_be_lowered, kinds_of
from wengert.backends.native.plans.sources import is_known
from wengert.plan.instructions import Body, Branch, Input, Instruction, Item, Loop, Plan, Prepare


def native_of(plan: Plan, kinds: Mapping[int, str | None]) -> dict[int, bool]:
    """By target, whether there is native code for an instruction."""
    shapes = {i.target: i.shape for i in plan.instructions}
    found: dict[int, bool] = {}
    for i in plan.instructions:
        if isinstance(i, Loop | Branch):
            found[i.target] = _are_known(i, kinds) and all(map(_is_native, i.bodies))
        elif isinstance(i, Item):
            found[i.target] = found[i.source]
        else:
            found[i.target] = can_be_lowered(i, kinds, shapes)
    _without_unknown(plan, found)
    return found


def without_loops(plan: Plan, native: dict[int, bool], loops: Collection[int]) -> None:
    """Leave loops to NumPy, with those that share a tape with them."""
    native.update(dict.fromkeys(loops, False))
    _without_unknown(plan, native)


def tapes_of(plan: Plan) -> dict[int, int]:
    """The results whose length only the running loop knows, by slot: which loop gives them."""
    loops = {i.target: i for i in plan.instructions if isinstance(i, Loop) and i.length is None}
    return {
        i.target: i.source
        for i in plan.instructions
        if isinstance(i, Item)
        and i.source in loops
        and loops[i.source].results[i.index].kind in STACKED
    }


def _without_unknown(plan: Plan, native: dict[int, bool]) -> None:
    """Stacks of unknown length are native only between loops, all native."""
    loops = [i for i in plan.instructions if isinstance(i, Loop)]
    if not loops:
        return
    tapes = tapes_of(plan)
    kept = set(plan.outputs)
    bad = {tapes[s] for s in kept & tapes.keys()}
    for i in plan.instructions:
        taped = {s for s in i.sources if s in tapes}
        if isinstance(i, Loop) and i.length is None:
            read = i.count is not None and tapes.keys() >= set(i.sequences)
            if (read or not i.sequences) and tapes.keys().isdisjoint((*i.inits, *i.constants)):
                continue
            bad.add(i.target)
        bad.update(tapes[s] for s in taped)
    bad.update(i.target for i in loops if not native[i.target])
    before = -1
    while before != len(bad):
        before = len(bad)
        for i in loops:
            makers = {tapes[s] for s in i.sequences if s in tapes}
            if makers and ({i.target} | makers) & bad:
                bad.update(makers, (i.target,))
    for i in plan.instructions:
        if i.target in bad or (isinstance(i, Item) and i.source in bad):
            native[i.target] = False


def _are_known(i: Instruction, kinds: Mapping[int, str | None]) -> bool:
    return all(kinds[s] is not None for s in i.sources)


def _is_native(body: Body) -> bool:
    plan = body.plan
    native = native_of(plan, kinds_of(plan))
    return all(
        native[i.target] or is_known(i) or isinstance(i, Input | Prepare) for i in plan.instructions
    )
