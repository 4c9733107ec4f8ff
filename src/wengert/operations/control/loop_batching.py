"""Loops on many operands at once.

If only the carries differ, the program is batched. If the loops stop at different steps, they run
as long as the longest; one that has stopped keeps its carries.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wengert.expr import Expr
from wengert.operations.apply import apply
from wengert.operations.batching import spread
from wengert.operations.control.programs import Program
from wengert.operations.control.runs import Run, run_of
from wengert.operations.discrete import ANY, ARITHMETIC, COMPARISONS, as_int, int_array
from wengert.operations.gathering import take
from wengert.operations.selection import argmax, where
from wengert.operations.structure import zeros
from wengert.operations.trailing import move_axis, rearrange
from wengert.shapes import Shape, Size

Flags = tuple[bool, ...]


@dataclass(frozen=True)
class _Batch:
    """A loop of which some operands have one more axis, by the program's leaves."""

    run: Run
    flags: Flags
    size: Size
    carried: Flags  # carries that come to have the axis


def batch_loop(node: Expr, operands: tuple[Expr, ...], batched: Flags) -> Expr:
    """A result of the loop with one more axis in front."""
    old = run_of(node)
    n, m, first = len(old.inits), len(old.sequences), old.first
    size = next(o.shape[0] for o, b in zip(operands, batched, strict=True) if b)
    given, flags = operands[first:], batched[first:]
    run = replace(
        old,
        inits=given[:n],
        sequences=tuple(
            move_axis(x, 0, 1) if b else x
            for x, b in zip(given[n : n + m], flags[n : n + m], strict=True)
        ),
        constants=given[n + m :],
        count=operands[0] if first else None,
    )
    uneven = bool(first and batched[0])
    carried = _carried(run, flags)
    if run.looks:
        decides = run.program.paths(discrete=True)[-1]
        uneven = any(carried[k] if k < n else flags[k] for k in decides)
    if uneven:
        carried = (True,) * n
    together = _Batch(run, flags, size, carried)
    if uneven:
        return _masked(together, node) if run.looks else _counted(together, node)
    program, roots = _program(together)
    wide = run.on(program, _inits(together), run.sequences, run.constants)
    kind, index = old.kind_of(node.param("part"))
    has_axis = roots[n + index] if kind == "output" else carried[index]
    result = wide.result(node.param("part"))
    if not has_axis:
        return spread(result, size)
    return result if kind == "final" else move_axis(result, 1, 0)


def _carried(run: Run, flags: Flags) -> Flags:
    n = len(run.inits)
    paths = run.program.paths(discrete=True)
    found = {k for k, b in enumerate(flags) if b}
    while more := {k for k in range(n) if k not in found and paths[k] & found}:
        found |= more
    return tuple(k in found for k in range(n))


def _inits(b: _Batch) -> tuple[Expr, ...]:
    return tuple(
        spread(x, b.size) if wide and not has else x
        for x, wide, has in zip(b.run.inits, b.carried, b.flags, strict=False)
    )


def _program(b: _Batch) -> tuple[Program, Flags]:
    """The batched program; carries that have the axis have it in the roots too."""
    n = len(b.run.inits)
    program, roots = b.run.program.batched((*b.carried, *b.flags[n:]), b.size)
    new = (
        spread(r, b.size) if k < n and b.carried[k] and not has else r
        for k, (r, has) in enumerate(zip(program.roots, roots, strict=True))
    )
    return Program(tuple(new), program.leaves), roots


def _chosen(mask: Expr, new: Expr, old: Expr) -> Expr:
    axes = range(new.ndim)
    return where(rearrange(mask, (0,), axes, dict(enumerate(new.shape))), new, old)


def _masked(b: _Batch, node: Expr) -> Expr:
    """A while loop whose parts stop at different steps; each counts its own."""
    run = b.run
    n = len(run.inits)
    program, roots = _program(b)
    going = program.roots[n] if roots[n] else spread(program.roots[n], b.size)
    (steps,) = program.fresh([(b.size,)], ["int"])
    old = program.leaves[:n]
    kept = (_chosen(going, new, x) for new, x in zip(program.roots[:n], old, strict=True))
    counted = apply(ARITHMETIC["int_add"], steps, as_int(going))
    masked = Program(
        (*kept, counted, apply(ANY, going, rank=1)), (*old, steps, *program.leaves[n:])
    )
    start = spread(int_array(0), b.size)
    wide = run.on(masked, (*_inits(b), start), run.sequences, run.constants)
    kind, index = b.run.kind_of(node.param("part"))
    if kind == "final":
        return wide.final(index)
    return wide.final(n) if kind == "output" else move_axis(wide.record(index), 1, 0)


def _counted(b: _Batch, node: Expr) -> Expr:
    """A scan whose parts make different numbers of steps."""
    run = b.run
    n = len(run.inits)
    assert run.count is not None
    program, roots = _program(b)
    (place,) = program.fresh([()], ["int"])
    wider = Program(program.roots, (*program.leaves, place))
    (counts,) = wider.fresh([(b.size,)], ["int"])
    old = program.leaves
    going = apply(COMPARISONS["less"], spread(place, b.size), counts)
    kept = (_chosen(going, new, x) for new, x in zip(program.roots[:n], old, strict=False))
    outputs = (r if has else spread(r, b.size)
               for r, has in zip(program.roots[n:], roots[n:], strict=True))  # fmt: skip
    moved = apply(ARITHMETIC["int_add"], place, int_array(-1 if run.reverse else 1))
    masked = Program(
        (*kept, moved, *(_chosen(going, y, _zeros_of(y.shape, y.dtype)) for y in outputs)),
        (*old[:n], place, *old[n:], counts),
    )
    longest = take(run.count, [argmax(run.count)], rank=1)
    last = apply(ARITHMETIC["int_add"], longest, int_array(-1))
    start = last if run.reverse else int_array(0)
    wide = replace(
        run.on(masked, (*_inits(b), start), run.sequences, (*run.constants, run.count)),
        count=longest,
    )
    kind, index = run.kind_of(node.param("part"))
    if kind == "final":
        return wide.final(index)
    return move_axis(wide.output(index) if kind == "output" else wide.record(index), 1, 0)


def _zeros_of(shape: Shape, dtype: str) -> Expr:
    if dtype == "real":
        return zeros(shape)
    zero = int_array(0) if dtype == "int" else int_array(False)
    return rearrange(zero, (), range(len(shape)), dict(enumerate(shape)))
