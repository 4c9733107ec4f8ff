"""Loops and branches from Python functions of expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isqrt
from uuid import uuid4

from wengert.errors import ShapeError
from wengert.expr import Expr, rebuild
from wengert.operations.algebra import variable
from wengert.operations.apply import apply
from wengert.operations.control.branches import branch
from wengert.operations.control.loops import SCAN, WHILE
from wengert.operations.control.programs import (
    Program,
    check_count,
    check_same,
    close_over,
    leaf,
    length_of,
    run_length,
)
from wengert.operations.control.runs import Run
from wengert.operations.discrete import ARITHMETIC, COMPARISONS, LOGIC, arange, int_array
from wengert.operations.indexing import slice_
from wengert.operations.joining import concatenate
from wengert.operations.rebuild import with_operands
from wengert.operations.reshaping import reshape
from wengert.shapes import Size

Values = Sequence[Expr]
Body = Callable[[list[Expr], list[Expr]], tuple[Values, Values]]
Step = Callable[[list[Expr]], Values]

_BLOCK = 64  # steps between checkpoints of a loop of unknown length


def _own(shape: tuple[Size, ...], dtype: str) -> Expr:
    """A variable that nobody else has; closing gives it its number as a name."""
    return variable(f"·{uuid4().hex}", shape, dtype=dtype)


def _like(values: Values) -> list[Expr]:
    return [_own(x.shape, x.dtype) for x in values]


# ---------------------------------------------------------------- scan


def scan(
    body: Body,
    init: Values,
    xs: Values = (),
    length: Size | None = None,
    *,
    reverse: bool = False,
    checkpoint: bool | int = False,
) -> tuple[list[Expr], list[Expr]]:
    """Step through sequences with a carry.

    Parameters
    ----------
    body : callable
        ``body(carry, items) -> (carry, outputs)``, lists of expressions. What it uses from
        outside is taken in by itself.
    init : sequence of Expr
        The parts of the carry at first; a step keeps their shapes and dtypes.
    xs : sequence of Expr
        The body gets their entries along the first axis.
    length : Size, optional
        Number of steps; needed without sequences.
    reverse : bool
        From the last entries to the first. Outputs keep the entries' places.
    checkpoint : bool or int
        For the derivative in reverse mode keep the carry at the start of every so many steps only
        (the square root of the length if True), and take the steps between again.

    Returns
    -------
    carry : list of Expr
        After the last step.
    outputs : list of Expr
        Stacked along a first axis.

    Raises
    ------
    ShapeError
        If a step changes the shape or dtype of a part of the carry, or lengths differ.

    Examples
    --------
    >>> from wengert.operations import constant, mul, plus
    >>> x = variable("x", (5,))
    >>> carry, sums = scan(lambda c, i: ([plus(c[0], i[0])], [mul(c[0], i[0])]), [constant(0)], [x])
    >>> carry[0].shape, sums[0].shape
    ((), (5,))
    """
    steps = length_of(xs, length)
    carry, items = _like(init), [_own(x.shape[1:], x.dtype) for x in xs]
    after, outputs = body(list(carry), list(items))
    _check_step(after, init)
    program, outside = close_over([*after, *outputs], [*carry, *items])
    run = Run(SCAN, program, tuple(init), tuple(xs), outside, steps, reverse)
    block = _block(checkpoint, steps)
    return _results(run) if block is None else _in_blocks(run, block)


def _check_step(after: Values, init: Values) -> None:
    check_count("parts of the carry after a step", len(after), len(init))
    for k, (new, old) in enumerate(zip(after, init, strict=True)):
        check_same(f"part {k} of the carry after a step", new, old, "it started as")


def _results(run: Run) -> tuple[list[Expr], list[Expr]]:
    finals = [run.final(k) for k in range(len(run.inits))]
    return finals, [run.output(j) for j in range(run.outputs)]


def _block(checkpoint: bool | int, steps: Size) -> int | None:
    if checkpoint is False or steps in (0, 1):
        return None
    if not isinstance(steps, int):
        raise ShapeError(f"a loop of {steps} steps cannot be split: give the length as a number")
    if checkpoint is not True and checkpoint < 1:
        raise ShapeError(f"checkpoints are {checkpoint} steps apart; they must be 1 or more")
    return isqrt(steps - 1) + 1 if checkpoint is True else min(checkpoint, steps)


def _in_blocks(run: Run, block: int) -> tuple[list[Expr], list[Expr]]:
    """A scan of scans: outside, only the carries between blocks are recorded."""
    assert isinstance(run.length, int)
    blocks, rest = divmod(run.length, block)
    if not rest:
        return _blocks(run, blocks, block)
    if run.reverse:
        near, far = slice(rest, run.length), slice(0, rest)
    else:
        near, far = slice(0, blocks * block), slice(blocks * block, run.length)
    carry, first = _blocks(_cut(run, near, run.inits), blocks, block)
    carry, last = _results(_cut(run, far, carry))
    pairs = zip(last, first, strict=True) if run.reverse else zip(first, last, strict=True)
    return carry, [concatenate(pair) for pair in pairs]


def _cut(run: Run, steps: slice, inits: Values) -> Run:
    xs = tuple(slice_(x, [steps, *[None] * (x.ndim - 1)]) for x in run.sequences)
    length = steps.stop - steps.start
    return Run(SCAN, run.program, tuple(inits), xs, run.constants, length, run.reverse)


def _blocks(run: Run, blocks: int, block: int) -> tuple[list[Expr], list[Expr]]:
    program = run.program
    n, m = len(run.inits), len(run.sequences)
    own, items = program.leaves, program.leaves[n : n + m]
    wide = program.fresh(((block, *x.shape) for x in items), (x.dtype for x in items))
    inner = Run(SCAN, program, own[:n], tuple(wide), own[n + m :], block, run.reverse)
    finals, outputs = _results(inner)
    outer = Program((*finals, *outputs), (*own[:n], *wide, *own[n + m :]))
    xs = tuple(reshape(x, (blocks, block, *x.shape[1:])) for x in run.sequences)
    whole = Run(SCAN, outer, run.inits, xs, run.constants, blocks, run.reverse)
    carry, stacked = _results(whole)
    return carry, [reshape(y, (blocks * block, *y.shape[2:])) for y in stacked]


# ---------------------------------------------------------------- counting loops


def fori_loop(
    lower: int | Expr,
    upper: int | Expr,
    body: Callable[[Expr, list[Expr]], Values],
    init: Values,
    *,
    checkpoint: bool | int = False,
) -> list[Expr]:
    """The carry after ``body(i, carry)`` for i from ``lower`` up to but without ``upper``.

    The bounds may be expressions of dtype "int": then only the running loop knows how many steps
    it makes, and it cannot be split by checkpoints.
    """
    if isinstance(lower, int) and isinstance(upper, int):
        places = arange(max(upper - lower, 0))
        if lower:
            places = int_array([*range(lower, max(lower, upper))])
        return scan(lambda c, i: (body(i[0], c), []), init, [places], checkpoint=checkpoint)[0]
    if checkpoint is not False:
        raise ShapeError("a loop with bounds that are not known has no checkpoints")
    start, stop = (int_array(b) if isinstance(b, int) else b for b in (lower, upper))
    count = apply(ARITHMETIC["int_sub"], stop, start)
    carry = _like([start, *init])
    after = body(carry[0], list(carry[1:]))
    _check_step(after, init)
    place = apply(ARITHMETIC["int_add"], carry[0], int_array(1))
    program, outside = close_over([place, *after], carry)
    run = Run(SCAN, program, (start, *init), (), outside, run_length(), count=count)
    return [run.final(k + 1) for k in range(len(init))]


# ---------------------------------------------------------------- while


def while_loop(
    condition: Callable[[list[Expr]], Expr],
    body: Step,
    init: Values,
    max_steps: int | None = None,
    *,
    checkpoint: bool | int = False,
) -> list[Expr]:
    """The carry after as many steps as the condition holds.

    The number of steps counts as constant in derivatives, as it is between its jumps. In reverse
    mode the carries of all steps are kept.

    Parameters
    ----------
    condition : callable
        ``condition(carry)``, one truth value.
    body : callable
        ``body(carry) -> carry``.
    init : sequence of Expr
        The parts of the carry at first; a step keeps their shapes and dtypes.
    max_steps : int, optional
        The loop ends after so many steps at the latest.
    checkpoint : bool or int
        Keep only every so many steps' carry, and take the steps between again (True: the square
        root of ``max_steps``, or 64).

    Raises
    ------
    ShapeError
        If a step changes the shape or dtype of a part, or the condition is no truth value.
    """
    if max_steps is not None and max_steps < 0:
        raise ShapeError(f"a loop cannot make {max_steps} steps; the limit must be 0 or more")
    if checkpoint is not False and checkpoint is not True and checkpoint < 1:
        raise ShapeError(f"checkpoints are {checkpoint} steps apart; they must be 1 or more")
    if checkpoint is False or max_steps == 0:
        return _while(condition, body, init, max_steps)
    if max_steps is not None:
        return _limited(condition, body, init, max_steps, checkpoint)
    block = _BLOCK if checkpoint is True else checkpoint
    return _while(condition, lambda c: _while(condition, body, c, block), init, None)


def _while(
    condition: Callable[[list[Expr]], Expr], body: Step, init: Values, limit: int | None
) -> list[Expr]:
    carry = _like(init)
    after = body(list(carry))
    _check_step(after, init)
    program, outside = close_over([*after, condition(list(carry))], carry)
    run = Run(WHILE, program, tuple(init), (), outside, limit)
    return [run.final(k) for k in range(len(init))]


def _limited(
    condition: Callable[[list[Expr]], Expr],
    body: Step,
    init: Values,
    limit: int,
    checkpoint: bool | int,
) -> list[Expr]:
    """Blocks of a loop with a limit: the carry counts the steps of all blocks."""
    block = isqrt(limit - 1) + 1 if checkpoint is True else min(checkpoint, limit)
    blocks = -(-limit // block)

    def goes_on(carry: list[Expr]) -> Expr:
        below = apply(COMPARISONS["less"], carry[0], int_array(limit))
        return apply(LOGIC["logical_and"], below, condition(carry[1:]))

    def step(carry: list[Expr]) -> Values:
        return [apply(ARITHMETIC["int_add"], carry[0], int_array(1)), *body(carry[1:])]

    first = [int_array(0), *init]
    return _while(goes_on, lambda c: _while(goes_on, step, c, block), first, blocks)[1:]


# ---------------------------------------------------------------- branches


def cond(predicate: Expr, true: Step, false: Step, operands: Values) -> list[Expr]:
    """``true(operands)`` if the predicate holds, else ``false(operands)``; one of them is run.

    What is to be computed before, whichever branch is taken, must be among the operands: of what
    the branches use from elsewhere only the variables are taken in.

    Raises
    ------
    ShapeError
        If the branches' results differ in number, shape or dtype.
    """
    return switch(predicate, [false, true], operands)


def switch(index: Expr, branches: Sequence[Step], operands: Values) -> list[Expr]:
    """The results of the branch with that number; the nearest for a number beyond them."""
    if not branches:
        raise ShapeError("there is no branch to choose; give at least one function")
    own = _like(operands)
    found = [close_over(list(b(list(own))), own, hoist=False) for b in branches]
    outside = sorted({e for _, taken in found for e in taken}, key=lambda e: e.digest)
    fresh = [leaf(k, e.shape, e.dtype) for k, e in enumerate((*operands, *outside))]
    programs = tuple(_aligned(program, taken, fresh, outside) for program, taken in found)
    return branch(index, programs, (*operands, *outside))


def _aligned(program: Program, taken: Values, fresh: Values, outside: Values) -> Program:
    """The program with leaves for all that any branch takes in."""
    count = len(program.leaves) - len(taken)
    places = [*range(count), *(count + outside.index(e) for e in taken)]
    memo = {x: fresh[k] for x, k in zip(program.leaves, places, strict=True)}
    return Program(tuple(rebuild(r, with_operands, memo) for r in program.roots), tuple(fresh))
