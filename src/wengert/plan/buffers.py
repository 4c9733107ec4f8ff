"""Which buffer each large value of a plan is written into: a memory plan, made before running.

Buffers are kept between calls and shared within one: a value's buffer is free for another one as
soon as nobody reads the value, and an elementwise instruction may write over an operand that dies
with it. What a plan gives out, what may be part of it, and what code from outside sees, is never
in a buffer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wengert.plan.instructions import Apply, Input, Instruction, Pair, Plan, Scale, Single


@dataclass(frozen=True)
class Request:
    """An instruction that can write into a buffer.

    ``geometry`` (anything that can be compared) is the buffer's dtype, shape and strides;
    ``over`` are the sources that may be written over if their geometry is the same; ``scratch``
    asks for a second buffer while the instruction runs.
    """

    size: int
    geometry: object
    over: tuple[int, ...] = ()
    scratch: bool = False


@dataclass(frozen=True)
class Buffers:
    """The buffers of a plan: their sizes in bytes, and which one each target and scratch has."""

    sizes: tuple[int, ...]
    of: Mapping[int, int]
    scratch: Mapping[int, int]


def assign_buffers(plan: Plan, requests: Mapping[int, Request]) -> Buffers:
    """Buffers for the requests of a plan that can be served, by target.

    Parameters
    ----------
    plan : Plan
        What will be run.
    requests : mapping of int to Request
        By target.

    Examples
    --------
    >>> plan = Plan(
    ...     (
    ...         Input(0, (9,), "x"),
    ...         Scale(1, (9,), 0, 2.0),
    ...         Scale(2, (9,), 1, 3.0),
    ...         Scale(3, (9,), 2, 4.0),
    ...     ),
    ...     (3,),
    ...     4,
    ... )
    >>> request = {k: Request(72, "nine", (k - 1,)) for k in (1, 2, 3)}
    >>> assign_buffers(plan, request).of
    {1: 0, 2: 0}
    """
    held = _held(plan, requests)
    given = {b for o in plan.outputs for b in held[o]}
    given |= {b for i in plan.instructions if _escapes(i) for s in i.sources for b in held[s]}
    served = {t: r for t, r in requests.items() if t not in given}
    held = _held(plan, served)
    last = {b: k for k, i in enumerate(plan.instructions) for s in i.sources for b in held[s]}
    return _scan(plan, served, held, last)


def _held(plan: Plan, requests: Mapping[int, Request]) -> dict[int, frozenset[int]]:
    """For each slot, the buffers that its value may lie in."""
    held: dict[int, frozenset[int]] = {}
    for i in plan.instructions:
        if i.target in requests:
            held[i.target] = frozenset((i.target,))
        elif _may_share(i):
            held[i.target] = frozenset(b for s in i.sources for b in held[s])
        else:
            held[i.target] = frozenset()
    return held


def _may_share(i: Instruction) -> bool:
    """May the result be a view of an operand, or the operand itself?"""
    if isinstance(i, Single):
        return sorted(i.labels) == sorted(i.out) or len(set(i.labels)) < len(i.labels)
    return not isinstance(i, Input | Pair | Scale)


def _escapes(i: Instruction) -> bool:
    """Does code from outside see the operands?"""
    if isinstance(i, Apply):
        return i.node.primitive.foreign
    return any(_escapes(inner) for body in i.bodies for inner in body.plan.instructions)


def _scan(
    plan: Plan,
    requests: Mapping[int, Request],
    held: Mapping[int, frozenset[int]],
    last: Mapping[int, int],
) -> Buffers:
    sizes: list[int] = []
    free: list[int] = []
    of: dict[int, int] = {}
    scratch: dict[int, int] = {}
    ends: dict[int, list[int]] = {}
    for k, i in enumerate(plan.instructions):
        if i.target in requests:
            ends.setdefault(last.get(i.target, k), []).append(i.target)
    for k, i in enumerate(plan.instructions):
        dying = [b for b in ends.get(k, ()) if b != i.target]
        request = requests.get(i.target)
        if request is not None:
            over = [
                s
                for s in request.over
                if s in dying
                and requests[s].geometry == request.geometry
                and not any(s in held[other] for other in i.sources if other != s)
            ]
            if over:
                of[i.target] = of[over[0]]
                dying.remove(over[0])
            else:
                of[i.target] = _take(free, sizes, request.size)
            if request.scratch:
                scratch[i.target] = _take(free, sizes, request.size)
                free.append(scratch[i.target])
        free.extend(of[b] for b in dying)
        if i.target in of and last.get(i.target, k) == k:
            free.append(of[i.target])
    return Buffers(tuple(sizes), of, scratch)


def _take(free: list[int], sizes: list[int], size: int) -> int:
    """The smallest free buffer that is large enough, else the largest one enlarged, else a new one.

    Of equal ones the one that was used last: it is still in the cache.
    """
    fitting = [b for b in reversed(free) if sizes[b] >= size]
    if fitting:
        chosen = min(fitting, key=lambda b: sizes[b])
    elif free:
        chosen = max(free, key=lambda b: sizes[b])
        sizes[chosen] = size
    else:
        sizes.append(size)
        return len(sizes) - 1
    free.remove(chosen)
    return chosen
