"""Branches: one of several programs is run, chosen by a truth value or an integer.

The derivative of a branch is a branch of the programs' derivatives: of the branch that is not
chosen nothing is computed, neither value nor derivative. At the border between two branches the
derivative is that of the chosen one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wengert.errors import MissingRuleError, ShapeError
from wengert.expr import Expr, Params
from wengert.operations.apply import apply
from wengert.operations.batching import spread
from wengert.operations.control.programs import Program, check_count, check_same, group_of
from wengert.operations.discrete import COMPARISONS, int_array
from wengert.operations.selection import where
from wengert.operations.structure import is_zero, zeros
from wengert.operations.trailing import rearrange
from wengert.primitive import Joint, Kind, Notation, Primitive, Sweeps, register
from wengert.shapes import Shape

Programs = tuple[Program, ...]


def branch(index: Expr, programs: Programs, operands: Sequence[Expr]) -> list[Expr]:
    """The results of the program that ``index`` chooses.

    Parameters
    ----------
    index : Expr
        A truth value (the second program is that of true) or an integer; one beyond the programs
        chooses the nearest.
    programs : tuple of Program
        Of the same leaves and the same shapes of roots.
    operands : sequence of Expr
        The arguments of all.
    """
    return [
        apply(BRANCH, index, *operands, programs=programs, part=k)
        for k in range(len(programs[0].roots))
    ]


def _shape_of_branch(operands: tuple[Expr, ...], params: Params) -> Shape:
    programs, part = params
    index, *arguments = operands
    if index.dtype == "real" or index.ndim:
        raise ShapeError(
            f"a branch is chosen by one truth value or integer, not by {index.dtype} values of "
            f"shape {index.shape}"
        )
    first = programs[0]
    for number, program in enumerate(programs):
        check_count(f"results of branch {number}", len(program.roots), len(first.roots))
        check_count("operands of a branch", len(arguments), len(program.leaves))
        for k, (root, expected) in enumerate(zip(program.roots, first.roots, strict=True)):
            check_same(f"result {k} of branch {number}", root, expected, "of branch 0 it is")
        for k, (given, taken) in enumerate(zip(arguments, program.leaves, strict=True)):
            check_same(f"operand {k} of a branch", given, taken, "the branch takes")
    return first.roots[part].shape


def _dtype_of_branch(operands: tuple[Expr, ...], params: Params) -> str:
    return params[0][0].roots[params[1]].dtype


# ---------------------------------------------------------------- derivatives


def _push(node: Expr, tangents: dict[int, Expr], sweeps: Sweeps) -> Expr | None:
    tangents = {k: t for k, t in tangents.items() if not is_zero(t)}
    if not tangents:
        return None
    programs, part = node.params
    k, first = next(iter(tangents.items()))
    lead = first.shape[: first.ndim - node.operands[k].ndim]
    seeds = tuple(sorted(k - 1 for k in tangents))
    asked = tuple(range(len(programs[0].roots)))
    try:
        pushed = [_pushed(p, asked, seeds, lead, sweeps) for p in programs]
    except MissingRuleError:  # of a result that is not asked for, perhaps
        asked = (part,)
        pushed = [_pushed(p, asked, seeds, lead, sweeps) for p in programs]
    places = [j for j in range(len(asked)) if any(p[1][j] for p in pushed)]
    active = [asked[j] for j in places]
    if part not in active:
        return None
    chosen = tuple(Program(tuple(p[0].roots[j] for j in places), p[0].leaves) for p in pushed)
    operands = (*node.operands, *(tangents[k + 1] for k in seeds))
    return apply(BRANCH, *operands, programs=chosen, part=active.index(part))


def _pushed(
    program: Program,
    asked: tuple[int, ...],
    seeds: tuple[int, ...],
    lead: Shape,
    sweeps: Sweeps,
) -> tuple[Program, tuple[bool, ...]]:
    """The tangents of roots, zeros where there are none, and which there are."""

    def compute() -> tuple[Program, tuple[bool, ...]]:
        fresh = program.fresh(lead + program.leaves[k].shape for k in seeds)
        tangents = {program.leaves[k]: t for k, t in zip(seeds, fresh, strict=True)}
        own = [program.roots[k] for k in asked]
        pushed = sweeps.pushforward(own, tangents)
        roots = tuple(
            zeros(lead + r.shape) if t is None else t for r, t in zip(own, pushed, strict=True)
        )
        return Program(roots, (*program.leaves, *fresh)), tuple(t is not None for t in pushed)

    return program.memo(("tangents", asked, seeds, lead, sweeps), compute)


def _pull(
    cotangents: Mapping[Expr, Expr], wanted: Sequence[int], sweeps: Sweeps
) -> dict[int, Expr]:
    cotangents = {node: ct for node, ct in cotangents.items() if not is_zero(ct)}
    if not cotangents:
        return {}
    node, first = next(iter(cotangents.items()))
    lead = first.shape[: first.ndim - node.ndim]
    arrived = {n.param("part"): ct for n, ct in cotangents.items()}
    parts = tuple(sorted(arrived))
    targets = tuple(k - 1 for k in wanted if k)
    pulled = [_pulled(p, parts, targets, lead, sweeps) for p in node.param("programs")]
    active = [j for j in range(len(targets)) if any(p[1][j] for p in pulled)]
    chosen = tuple(Program(tuple(p[0].roots[j] for j in active), p[0].leaves) for p in pulled)
    if not active:
        return {}
    results = branch(node.operands[0], chosen, [*node.operands[1:], *(arrived[k] for k in parts)])
    return {targets[j] + 1: r for j, r in zip(active, results, strict=True)}


def _pulled(
    program: Program,
    parts: tuple[int, ...],
    targets: tuple[int, ...],
    lead: Shape,
    sweeps: Sweeps,
) -> tuple[Program, tuple[bool, ...]]:
    """The cotangents of the targets, zeros where there are none, and which there are."""

    def compute() -> tuple[Program, tuple[bool, ...]]:
        fresh = program.fresh(lead + program.roots[k].shape for k in parts)
        leaves = [program.leaves[k] for k in targets]
        pulled = sweeps.pullback([program.roots[k] for k in parts], fresh, leaves)
        roots = tuple(
            zeros(lead + x.shape) if ct is None else ct
            for x, ct in zip(leaves, pulled, strict=True)
        )
        return Program(roots, (*program.leaves, *fresh)), tuple(t is not None for t in pulled)

    return program.memo(("cotangents", parts, targets, lead, sweeps), compute)


# ---------------------------------------------------------------- batches


def _batch(node: Expr, operands: tuple[Expr, ...], batched: tuple[bool, ...]) -> Expr:
    """One choice for the whole batch stays a branch; else all branches run and entries select."""
    programs, part = node.params
    size = next(o.shape[0] for o, b in zip(operands, batched, strict=True) if b)
    found = [p.batched(batched[1:], size) for p in programs]
    roots = [p.roots[part] if flags[part] else spread(p.roots[part], size) for p, flags in found]
    wide = tuple(Program((r,), p.leaves) for r, (p, _) in zip(roots, found, strict=True))
    if not batched[0]:
        return branch(operands[0], wide, operands[1:])[0]
    (result,) = wide[-1](*operands[1:])
    for k in reversed(range(len(wide) - 1)):
        (other,) = wide[k](*operands[1:])
        result = where(_chooses(operands[0], k, other.shape), other, result)
    return result


def _chooses(index: Expr, k: int, shape: Shape) -> Expr:
    """Does the entry's index choose program k or one before it?"""
    bound = int_array(bool(k)) if index.dtype == "bool" else int_array(k)
    mask = apply(COMPARISONS["less_equal"], index, spread(bound, index.shape[0]))
    return rearrange(mask, (0,), range(len(shape)), dict(enumerate(shape)))


def _not_alone(*_: object) -> Any:
    raise NotImplementedError("the plan runs programs itself")


def _notation(node: Expr) -> Notation:
    inputs = ", ".join(f"{{{k}}}" for k in range(len(node.operands)))
    text = f"branch({inputs})[{node.param('part')}]"
    latex = rf"\operatorname{{{{branch}}}}\left({inputs}\right)_{{{{{node.param('part')}}}}}"
    return Notation(text, text, latex, text)


BRANCH = register(
    Primitive(
        "branch",
        None,
        _shape_of_branch,
        _not_alone,
        Joint(_push, _pull, group_of),
        _notation,
        parameters=("programs", "part"),
        domains=(),
        batch=_batch,
        source="the derivative of the branch that is taken",
        kind=Kind.BRANCH,
        dtype=_dtype_of_branch,
        rule="derivative of the branch that is taken",
    )
)
