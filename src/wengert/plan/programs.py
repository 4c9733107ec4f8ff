"""Loops and branches as instructions: of a program, only what is asked for is run."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol

from wengert.expr import Expr
from wengert.operations.control.programs import RUN_LENGTH, Program, group_of
from wengert.operations.control.runs import Run, run_of
from wengert.plan.instructions import Body, Branch, Instruction, Loop, Result
from wengert.primitive import Kind
from wengert.shapes import concrete, substitute, symbols_of

Parts = tuple[int, ...]
Fields = tuple[type[Instruction], tuple[Any, ...]]


class Planning(Protocol):
    """What a plan in the making offers."""

    @property
    def slot_of(self) -> Mapping[Expr, int]:
        """Where values are."""
        ...

    @property
    def sizes(self) -> Mapping[str, int]:
        """The real sizes of the symbols."""
        ...

    def shape(self, node: Expr) -> tuple[int, ...]:
        """A node's shape at the real sizes."""
        ...

    def body(self, roots: Sequence[Expr], leaves: Sequence[Expr]) -> Body:
        """The plan of a program."""
        ...


def live_nodes(
    roots: Sequence[Expr], order: Sequence[Expr]
) -> tuple[list[Expr], dict[Hashable, Parts]]:
    """The nodes that are needed, in order, and for each run of a program the needed results.

    A loop whose record nobody reads needs no record, nor what only the record depends on.
    """
    firsts = _firsts(order)
    live = set(roots)
    asked: dict[Hashable, set[int]] = {}
    for node in reversed(order):
        if node.primitive.kind not in _NEEDED:
            if node in live:
                live.update(node.operands)
            continue
        key = group_of(node)
        if node in live:
            asked.setdefault(key, set()).add(node.param("part"))
        if firsts[key] is node and key in asked:
            needed = _NEEDED[node.primitive.kind](node, asked[key])
            live.update(needed)
    parts = {key: tuple(sorted(found)) for key, found in asked.items()}
    return [node for node in order if node in live], parts


def _firsts(order: Sequence[Expr]) -> dict[Hashable, Expr]:
    found: dict[Hashable, Expr] = {}
    for node in order:
        if node.primitive.kind in _NEEDED:
            found.setdefault(group_of(node), node)
    return found


# ---------------------------------------------------------------- loops


class _Slice:
    """The part of a loop that some of its results need: numbers of carries, outputs, leaves."""

    def __init__(self, run: Run, parts: Sequence[int]) -> None:
        n = len(run.inits)
        paths = run.program.paths(discrete=True)
        kinds = [run.kind_of(part) for part in parts]
        self.outputs = [] if run.looks else sorted({j for k, j in kinds if k == "output"})
        self.roots = [n + j for j in self.outputs]
        if run.looks:
            self.roots.append(n)
        carried = {index for kind, index in kinds if kind != "output"}
        carried |= {k for r in self.roots for k in paths[r] if k < n}
        while more := {k for c in carried for k in paths[c] if k < n} - carried:
            carried |= more
        self.carries = sorted(carried)
        used = frozenset(k for r in (*self.carries, *self.roots) for k in paths[r])
        stop = n + len(run.sequences)
        self.sequences = [k for k in range(n, stop) if k in used]
        self.constants = [k for k in range(stop, len(run.program.leaves)) if k in used]


def _needed_by_loop(node: Expr, asked: set[int]) -> list[Expr]:
    run = run_of(node)
    part = _Slice(run, sorted(asked))
    operands = (*run.inits, *run.sequences, *run.constants)
    first = [] if run.count is None else [run.count]
    return first + [operands[k] for k in (*part.carries, *part.sequences, *part.constants)]


def loop_fields(node: Expr, parts: Parts, planning: Planning) -> Fields:
    """The instruction that gives these results of a loop, without its target and shape."""
    run = run_of(node)
    part = _Slice(run, parts)
    program, slots = run.program, planning.slot_of
    operands = (*run.inits, *run.sequences, *run.constants)
    leaves = [program.leaves[k] for k in (*part.carries, *part.sequences, *part.constants)]
    roots = [program.roots[k] for k in part.carries]
    decide = None
    if run.looks:
        own = [program.leaves[k] for k in (*part.carries, *part.constants)]
        decide = planning.body([program.roots[-1]], own)
    else:
        roots += [program.roots[k] for k in part.roots]
    results = tuple(_result(run, part, planning, p) for p in parts)
    return Loop, (
        planning.body(roots, leaves),
        decide,
        tuple(slots[operands[k]] for k in part.carries),
        tuple(slots[operands[k]] for k in part.sequences),
        tuple(slots[operands[k]] for k in part.constants),
        None if run.count is None else slots[run.count],
        _length(run, planning),
        run.reverse,
        results,
    )


def _length(run: Run, planning: Planning) -> int | None:
    """The number of steps as the plan has it; None if only the running loop knows."""
    if run.length is None or RUN_LENGTH in symbols_of((run.length,)):
        return None
    return concrete(substitute((run.length,), planning.sizes))[0]


def _result(run: Run, part: _Slice, planning: Planning, number: int) -> Result:
    kind, index = run.kind_of(number)
    if run.looks and kind == "output":
        return Result("steps", 0, (), "int")
    if kind == "output":
        root = run.program.roots[len(run.inits) + index]
        return Result(kind, part.outputs.index(index), planning.shape(root), root.dtype)
    leaf = run.program.leaves[index]
    return Result(kind, part.carries.index(index), planning.shape(leaf), leaf.dtype)


# ---------------------------------------------------------------- branches


def _used_by_branch(node: Expr, asked: Sequence[int]) -> list[int]:
    programs: tuple[Program, ...] = node.param("programs")
    return sorted({k for p in programs for r in asked for k in p.paths(discrete=True)[r]})


def _needed_by_branch(node: Expr, asked: set[int]) -> list[Expr]:
    used = _used_by_branch(node, sorted(asked))
    return [node.operands[0], *(node.operands[k + 1] for k in used)]


def branch_fields(node: Expr, parts: Parts, planning: Planning) -> Fields:
    """The instruction that gives these results of a branch, without its target and shape."""
    used = _used_by_branch(node, parts)
    programs: tuple[Program, ...] = node.param("programs")
    bodies = tuple(
        planning.body([p.roots[r] for r in parts], [p.leaves[k] for k in used]) for p in programs
    )
    slots = planning.slot_of
    operands = tuple(slots[node.operands[k + 1]] for k in used)
    return Branch, (slots[node.operands[0]], bodies, operands)


_NEEDED = {
    Kind.SCAN: _needed_by_loop,
    Kind.WHILE: _needed_by_loop,
    Kind.BRANCH: _needed_by_branch,
}
