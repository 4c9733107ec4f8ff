"""Patterns through loops and branches: the body's own pattern, step after step.

A loop whose number of steps is known is followed through its steps; the pattern of one that decides
as it runs is that of any number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from wengert.backends import run as evaluate
from wengert.expr import Expr, rebuild, topological
from wengert.operations.control.programs import Program
from wengert.operations.control.runs import Run, run_of
from wengert.operations.discrete import int_array, known_values
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import is_variable
from wengert.primitive import Kind
from wengert.structured.dependence import (
    DensePatternError,
    Pattern,
    Support,
    empty,
    identity,
    size_of,
    united,
)

if TYPE_CHECKING:
    from wengert.structured.sparsity import Sweep

_STEPS = 2000  # steps of which each has a pattern of its own


@dataclass(frozen=True)
class RunPattern:
    """What a run does to the patterns of its operands.

    Attributes
    ----------
    result : callable
        The pattern of a result, by its number; None if it depends on nothing.
    pairs : callable
        The columns that meet within the run.
    """

    result: Callable[[int], Pattern | None]
    pairs: Callable[[], Pattern]


@dataclass(frozen=True)
class _Body:
    """The pattern of a program in its real leaves: of its roots, and of the pairs that meet."""

    jacobians: tuple[Pattern | None, ...]
    pairs: Callable[[], Pattern]


def run_pattern(node: Expr, sweep: Sweep) -> RunPattern:
    """The pattern of the run that a node is a result of."""
    if node.primitive.kind is Kind.BRANCH:
        return _branch(node, sweep)
    run = run_of(node)
    if run.looks or not isinstance(run.length, int):
        return _any_steps(run, sweep)
    return _steps(run, sweep)


def _body(program: Program, supports: Sequence[Support], sweep: Sweep) -> _Body:
    real = [x for x in program.leaves if x.dtype == "real"]
    given = {x: s for x, s in zip(program.leaves, supports, strict=True) if s is not None}
    inner = sweep.over_leaves(program.roots, real, given, sweep.limit)
    wanted = [r for r in program.roots if r.dtype == "real"]
    return _Body(
        tuple(inner.pattern(r) if r.dtype == "real" else None for r in program.roots),
        cache(lambda: inner.interactions(wanted)),
    )


def _folded(program: Program, values: Mapping[int, Any]) -> Program:
    """The program with integers and truth values in the place of some leaves."""
    if not values:
        return program
    arguments = [int_array(values[k]) if k in values else x for k, x in enumerate(program.leaves)]
    return Program(_constants_folded(program(*arguments)), program.leaves)


def _constants_folded(roots: Sequence[Expr]) -> tuple[Expr, ...]:
    """Expressions in which integers and truth values of no variables are written out."""
    order = topological(*roots)
    closed: set[Expr] = set()
    for node in order:
        if not is_variable(node) and all(o in closed for o in node.operands):
            closed.add(node)
    computed = {n for n in closed if n.dtype != "real" and known_values(n) is None}
    taken = {o for n in order if n not in computed for o in n.operands}.union(roots)
    used = [n for n in order if n in computed & taken]
    if not used:
        return tuple(roots)
    arrays = evaluate(tuple(used), {})
    memo = {n: int_array(a) for n, a in zip(used, arrays, strict=True)}
    return tuple(rebuild(root, with_operands, memo) for root in roots)


def _known(operands: Sequence[Expr], first: int = 0) -> dict[int, Any]:
    found = {first + k: known_values(o) for k, o in enumerate(operands)}
    return {k: v for k, v in found.items() if v is not None}


def _stacked(parts: Sequence[Pattern], columns: int) -> Pattern:
    return sparse.vstack(parts, format="csr") if parts else empty(0, columns)


def _meeting(body: _Body, state: Pattern) -> Pattern:
    return state.T @ (body.pairs() @ state)


# ---------------------------------------------------------------- branches


def _branch(node: Expr, sweep: Sweep) -> RunPattern:
    programs: tuple[Program, ...] = node.param("programs")
    index, *operands = node.operands
    chosen = known_values(index)
    if chosen is not None:
        programs = (programs[int(np.clip(int(chosen), 0, len(programs) - 1))],)
    supports = [sweep.supports.get(o) for o in operands]
    known = _known(operands)
    bodies = [_body(_folded(p, known), supports, sweep) for p in programs]
    state = _stacked([sweep.pattern(o) for o in operands if o.dtype == "real"], sweep.columns)

    def result(part: int) -> Pattern | None:
        total: Pattern | None = None
        for body in bodies:
            found = body.jacobians[part]
            if found is not None:
                total = found @ state if total is None else total + found @ state
        return total

    def pairs() -> Pattern:
        return united([_meeting(body, state) for body in bodies], sweep.columns)

    return RunPattern(result, pairs)


# ---------------------------------------------------------------- loops


class _Loop:
    """A loop's real operands, and its body's pattern cut into what carries and outputs take."""

    def __init__(self, run: Run, sweep: Sweep) -> None:
        self.run, self.sweep = run, sweep
        self.n, self.m = len(run.inits), len(run.sequences)
        self.carries = [k for k, x in enumerate(run.inits) if x.dtype == "real"]
        self.start = _stacked([sweep.pattern(run.inits[k]) for k in self.carries], sweep.columns)
        self.constants = [sweep.pattern(x) for x in run.constants if x.dtype == "real"]
        self.known = _known(run.constants, self.n + self.m)
        self.supports = [
            *(None for _ in run.inits),
            *(self._of_sequence(x) for x in run.sequences),
            *(sweep.supports.get(x) for x in run.constants),
        ]

    def _of_sequence(self, x: Expr) -> Support:
        support = self.sweep.supports.get(x)
        return None if support is None else support.any(axis=0)

    def body(self, items: Mapping[int, Any]) -> _Body:
        """The pattern of a step at which some items are known integers."""
        program = _folded(self.run.program, {**self.known, **items})
        return _body(program, self.supports, self.sweep)

    def carried(self, body: _Body) -> Pattern:
        """The pattern of the next carries."""
        width = sum(size_of(x) for x in self.run.program.leaves if x.dtype == "real")
        parts = [j for k in self.carries if (j := body.jacobians[k]) is not None]
        return _stacked(parts, width)

    def offsets(self) -> list[int]:
        """Where each real carry begins."""
        sizes = [size_of(self.run.inits[k]) for k in self.carries]
        return [0, *np.cumsum(sizes).tolist()]

    def carry(self, state: Pattern, k: int) -> Pattern | None:
        """One part of the carry; None if it is not real."""
        if k not in self.carries:
            return None
        cut = self.offsets()
        j = self.carries.index(k)
        return state[cut[j] : cut[j + 1]]


def _steps(run: Run, sweep: Sweep) -> RunPattern:
    """Step after step."""
    loop = _Loop(run, sweep)
    assert isinstance(run.length, int)
    length = run.length
    places = [t if not run.reverse else length - 1 - t for t in range(length)]
    bodies = _bodies(loop, length)
    sequences = [sweep.pattern(x) for x in run.sequences if x.dtype == "real"]
    starts: list[Pattern] = []  # the carry at the start of each step, in the order of the steps
    states: list[Pattern] = []
    carry, held = loop.start, 0
    for t in places:
        starts.append(carry)
        items = [s[t * (m := s.shape[0] // length) : (t + 1) * m] for s in sequences]
        state = _stacked([carry, *items, *loop.constants], sweep.columns)
        states.append(state)
        carry = loop.carried(bodies[t]) @ state
        held += carry.nnz
        sweep.check(held)

    def result(part: int) -> Pattern | None:
        kind, index = run.kind_of(part)
        if kind == "final":
            ends = [carry] if run.count is None else [*starts, carry]
            return loop.carry(_union(ends), index)
        rows: list[Any] = [None] * length
        for t, start, state in zip(places, starts, states, strict=True):
            if kind == "record":
                rows[t] = loop.carry(start, index)
            else:
                own = bodies[t].jacobians[loop.n + index]
                rows[t] = None if own is None else own @ state
        return None if any(r is None for r in rows) else _stacked(rows, sweep.columns)

    def pairs() -> Pattern:
        found = [_meeting(bodies[t], s) for t, s in zip(places, states, strict=True)]
        return united(found, sweep.columns)

    return RunPattern(result, pairs)


def _bodies(loop: _Loop, length: int) -> list[_Body]:
    """The pattern of the body at each step; one for all if no item is a known integer."""
    items = _known(loop.run.sequences, loop.n)
    if not items or length > _STEPS:
        return [loop.body({})] * length
    return [loop.body({k: v[t] for k, v in items.items()}) for t in range(length)]


def _union(patterns: Sequence[Pattern]) -> Pattern:
    total = patterns[0]
    for p in patterns[1:]:
        total = total + p
    return total


def _any_steps(run: Run, sweep: Sweep) -> RunPattern:
    """The union over any number of steps: the closure of the body's pattern."""
    if run.sequences:
        raise DensePatternError("a loop runs over a sequence whose length is not known")
    loop = _Loop(run, sweep)
    body = loop.body({})
    whole = loop.carried(body)
    count = loop.start.shape[0]
    step, rest = whole[:, :count], whole[:, count:]
    outside = rest @ _stacked(loop.constants, sweep.columns)
    closure = identity(count) + step
    while True:
        wider = closure @ closure
        sweep.check(wider.nnz)
        if wider.nnz == closure.nnz:
            break
        closure = wider
    carry = closure @ (loop.start + outside)
    state = _stacked([carry, *loop.constants], sweep.columns)

    def result(part: int) -> Pattern | None:
        kind, index = run.kind_of(part)
        if kind == "output":
            own = body.jacobians[loop.n + index]  # none of the number of steps, an integer
            found = None if own is None else own @ state
        else:
            found = loop.carry(carry, index)
        if kind == "final" or found is None:
            return found
        assert isinstance(run.length, int)  # others have no size
        return _stacked([found] * run.length, sweep.columns)

    return RunPattern(result, lambda: _meeting(body, state))
