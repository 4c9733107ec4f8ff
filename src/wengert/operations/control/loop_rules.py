"""Derivatives of loops, which are loops again: of the program and its derivative.

Forwards, a step carries the tangents beside the values. Backwards, the steps are taken in the
opposite order on the recorded carries; a step of the program is pulled back at the carry with
which it started, the cotangents of the constants add up (Griewank and Walther, Evaluating
Derivatives, chapters 3 and 12). What is recorded is a result of the loop itself, so that one run
gives values and record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wengert.errors import MissingRuleError
from wengert.expr import Expr
from wengert.operations.algebra import add
from wengert.operations.control.programs import Program, used_leaves
from wengert.operations.control.runs import Run, run_of, scan_run
from wengert.operations.structure import is_zero, zeros
from wengert.operations.trailing import rearrange
from wengert.primitive import Sweeps
from wengert.shapes import Shape

Picked = tuple[int, ...]


def stepped_first(x: Expr, lead: int) -> Expr:
    """The axis that is stepped through before the extra axes."""
    rest = range(lead + 1, x.ndim)
    return rearrange(x, range(x.ndim), (lead, *range(lead), *rest)) if lead else x


def stepped_last(x: Expr, lead: int) -> Expr:
    """The extra axes before the axis that is stepped through."""
    rest = range(lead + 1, x.ndim)
    return rearrange(x, range(x.ndim), (*range(1, lead + 1), 0, *rest)) if lead else x


# ---------------------------------------------------------------- forward


@dataclass(frozen=True)
class _Widened:
    """A program with its tangents: which leaves and outputs have one."""

    program: Program
    leaves: Picked
    carries: Picked
    outputs: Picked


def push_loop(node: Expr, tangents: dict[int, Expr], sweeps: Sweeps) -> Expr | None:
    """The tangent of a result of a loop."""
    tangents = {k: t for k, t in tangents.items() if not is_zero(t)}
    if not tangents:
        return None
    run = run_of(node)
    n, m = len(run.inits), len(run.sequences)
    given = {k - run.first: t for k, t in tangents.items()}  # by the number of the leaf
    k, first = next(iter(given.items()))
    operands = (*run.inits, *run.sequences, *run.constants)
    lead = first.shape[: first.ndim - operands[k].ndim]
    extra = len(lead)
    seeds = frozenset(given)
    part = node.param("part")
    try:
        wide = _widened(run, seeds, _all_roots(run), lead, sweeps)
    except MissingRuleError:  # of a result that is not asked for, perhaps
        wide = _widened(run, seeds, _roots_behind(run, part), lead, sweeps)
    kind, index = run.kind_of(part)
    active = wide.outputs if kind == "output" else wide.carries
    if index not in active:
        return None
    widened = run.on(
        wide.program,
        (*run.inits, *(given.get(k, zeros(lead + operands[k].shape)) for k in wide.carries)),
        (
            *run.sequences,
            *(stepped_first(given[k], extra) for k in wide.leaves if n <= k < n + m),
        ),
        (*run.constants, *(given[k] for k in wide.leaves if k >= n + m)),
    )
    if kind == "final":
        return widened.final(n + active.index(index))
    stacked = (
        widened.output(run.outputs + active.index(index))
        if kind == "output"
        else widened.record(n + active.index(index))
    )
    return stepped_last(stacked, extra)


def _all_roots(run: Run) -> frozenset[int]:
    return frozenset(range(len(run.program.roots)))


def _roots_behind(run: Run, part: int) -> frozenset[int]:
    """The numbers of the roots that a result of the loop depends on."""
    n = len(run.inits)
    kind, index = run.kind_of(part)
    paths = run.program.paths()
    found = {part if kind != "record" else index}
    while more := {k for root in found for k in paths[root] if k < n} - found:
        found |= more
    return frozenset(found)


def _widened(
    run: Run, seeds: frozenset[int], needed: frozenset[int], lead: Shape, sweeps: Sweeps
) -> _Widened:
    key = ("push", len(run.inits), len(run.sequences), seeds, needed, lead, sweeps)
    return run.program.memo(key, lambda: _widen(run, seeds, needed, lead, sweeps))


def _widen(
    run: Run, seeds: frozenset[int], needed: frozenset[int], lead: Shape, sweeps: Sweeps
) -> _Widened:
    """The program with the tangents of the needed roots beside its own."""
    program = run.program
    n, m = len(run.inits), len(run.sequences)
    paths = program.paths()
    active = {k for k in seeds if k >= n or k in needed}
    while more := {k for k in needed if k < n and k not in active and paths[k] & active}:
        active |= more
    leaves = tuple(sorted(active))
    carries = tuple(k for k in leaves if k < n)
    fresh = program.fresh(lead + program.leaves[k].shape for k in leaves)
    tangent = {program.leaves[k]: t for k, t in zip(leaves, fresh, strict=True)}
    asked = sorted(needed)
    found = sweeps.pushforward([program.roots[k] for k in asked], tangent)
    pushed: list[Expr | None] = [None] * len(program.roots)
    for k, t in zip(asked, found, strict=True):
        pushed[k] = t
    outputs = tuple(j for j in range(run.outputs) if pushed[n + j] is not None)
    roots = (
        *program.roots[:n],
        *(_or_zeros(pushed[k], lead + program.leaves[k].shape) for k in carries),
        *program.roots[n:],
        *(t for t in pushed[n:] if t is not None),
    )
    split = [t for k, t in zip(leaves, fresh, strict=True) if k < n]
    items = [t for k, t in zip(leaves, fresh, strict=True) if n <= k < n + m]
    rest = [t for k, t in zip(leaves, fresh, strict=True) if k >= n + m]
    own = program.leaves
    ordered = (*own[:n], *split, *own[n : n + m], *items, *own[n + m :], *rest)
    return _Widened(Program(roots, ordered), leaves, carries, outputs)


def _or_zeros(x: Expr | None, shape: Shape) -> Expr:
    return zeros(shape) if x is None else x


# ---------------------------------------------------------------- reverse


@dataclass(frozen=True)
class _Given:
    """Which results have cotangents, and which operands want theirs (numbers of leaves)."""

    finals: frozenset[int]
    outputs: frozenset[int]
    records: frozenset[int]
    wanted: frozenset[int]
    lead: Shape


@dataclass(frozen=True)
class _Reversed:
    """The program that pulls one step back, and what its leaves stand for."""

    program: Program
    carries: Picked  # carries with a cotangent
    sums: Picked  # constants whose cotangents add up
    items: Picked  # sequences that get cotangents
    recorded: Picked  # carries whose record is read
    read: Picked  # sequences that are read
    outputs: Picked
    records: Picked
    constants: Picked


def pull_loop(
    cotangents: Mapping[Expr, Expr], wanted: Sequence[int], sweeps: Sweeps
) -> dict[int, Expr]:
    """The cotangents of a loop's operands, all from one loop backwards."""
    cotangents = {node: ct for node, ct in cotangents.items() if not is_zero(ct)}
    if not cotangents:
        return {}
    node, cotangent = next(iter(cotangents.items()))
    run = run_of(node)
    n, m = len(run.inits), len(run.sequences)
    lead = cotangent.shape[: cotangent.ndim - node.ndim]
    arrived: dict[str, dict[int, Expr]] = {"final": {}, "output": {}, "record": {}}
    for result, ct in cotangents.items():
        kind, index = run.kind_of(result.param("part"))
        arrived[kind][index] = ct
    given = _Given(
        frozenset(arrived["final"]),
        frozenset(arrived["output"]),
        frozenset(arrived["record"]),
        frozenset(k - run.first for k in wanted if k >= run.first),
        lead,
    )
    back = run.program.memo(("pull", n, m, given, sweeps), lambda: _reverse(run, given, sweeps))
    extra = len(lead)
    reverse = scan_run(
        back.program,
        (
            *(arrived["final"].get(k, zeros(lead + run.inits[k].shape)) for k in back.carries),
            *(zeros(lead + run.constants[k - n - m].shape) for k in back.sums),
        ),
        (
            *(run.record(k) for k in back.recorded),
            *(run.sequences[k - n] for k in back.read),
            *(stepped_first(arrived["output"][j], extra) for j in back.outputs),
            *(stepped_first(arrived["record"][k], extra) for k in back.records),
        ),
        tuple(run.constants[k - n - m] for k in back.constants),
        run.axis,
        reverse=not run.reverse,
        count=run.steps(),
    )
    found: dict[int, Expr] = {}
    for j, k in enumerate(back.carries):
        if k in given.wanted:
            found[run.first + k] = reverse.final(j)
    for j, k in enumerate(back.sums):
        found[run.first + k] = reverse.final(len(back.carries) + j)
    for j, k in enumerate(back.items):
        found[run.first + k] = stepped_last(reverse.output(j), extra)
    return found


def _reverse(run: Run, given: _Given, sweeps: Sweeps) -> _Reversed:
    program, lead = run.program, given.lead
    own = program.leaves
    n, m = len(run.inits), len(run.sequences)
    outputs, records = tuple(sorted(given.outputs)), tuple(sorted(given.records))
    carries = _with_cotangents(run, given)
    sums = tuple(sorted(k for k in given.wanted if k >= n + m))
    fresh = program.fresh(
        lead + shape
        for shape in (
            *(own[k].shape for k in (*carries, *sums)),
            *(program.roots[n + j].shape for j in outputs),
            *(own[k].shape for k in records),
        )
    )
    here, fresh = fresh[: len(carries)], fresh[len(carries) :]
    totals, fresh = dict(zip(sums, fresh, strict=False)), fresh[len(sums) :]
    arriving, stacked = fresh[: len(outputs)], fresh[len(outputs) :]
    targets = (*carries, *sorted(k for k in given.wanted if k >= n))
    roots = [*(program.roots[k] for k in carries), *(program.roots[n + j] for j in outputs)]
    pulled = sweeps.pullback(roots, (*here, *arriving), [own[k] for k in targets])
    got = {k: ct for k, ct in zip(targets, pulled, strict=True) if ct is not None}
    from_record = dict(zip(records, stacked, strict=True))
    before = [_added(got.get(k), from_record.get(k), lead + own[k].shape) for k in carries]
    sums = tuple(k for k in sums if k in got)
    items = tuple(k for k in sorted(got) if n <= k < n + m)
    new = (*before, *(add([totals[k], got[k]]) for k in sums), *(got[k] for k in items))
    used = used_leaves(new)
    recorded = tuple(k for k in range(n) if own[k] in used)
    read = tuple(k for k in range(n, n + m) if own[k] in used)
    constants = tuple(k for k in range(n + m, len(own)) if own[k] in used)
    leaves = (
        *here,
        *(totals[k] for k in sums),
        *(own[k] for k in (*recorded, *read)),
        *arriving,
        *stacked,
        *(own[k] for k in constants),
    )
    return _Reversed(
        Program(new, leaves), carries, sums, items, recorded, read, outputs, records, constants
    )


def _added(one: Expr | None, other: Expr | None, shape: Shape) -> Expr:
    found = [x for x in (one, other) if x is not None]
    return add(found) if found else zeros(shape)


def _with_cotangents(run: Run, given: _Given) -> Picked:
    """The real carries to which a cotangent comes."""
    n = len(run.inits)
    paths = run.program.paths()
    found = {*given.finals, *given.records}
    found |= {k for j in given.outputs for k in paths[n + j] if k < n}
    while more := {i for k in found for i in paths[k] if i < n} - found:
        found |= more
    return tuple(sorted(found))
