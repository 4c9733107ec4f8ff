"""The dozen instructions that a plan consists of; back ends know these and nothing else.

Values live in numbered slots. Labels are integers, one an axis, as in a contraction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from wengert.expr import Expr

Labels = tuple[int, ...]


@dataclass(frozen=True)
class Instruction:
    """One step: writes the value of ``shape`` into ``target``."""

    target: int
    shape: tuple[int, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        """The slots that are read."""
        return ()

    @property
    def bodies(self) -> tuple[Body, ...]:
        """The programs that it runs."""
        return ()

    @property
    def flops(self) -> int:
        """Floating-point operations, counting a multiply-add as two."""
        return 0

    @property
    def size(self) -> int:
        """Entries written."""
        return prod(self.shape)


@dataclass(frozen=True)
class Input(Instruction):
    """Read a variable of ``dtype`` "real", "int" or "bool"."""

    name: str
    dtype: str = "real"


@dataclass(frozen=True)
class Fill(Instruction):
    """A constant spread over ones and deltas."""

    value: float
    out: Labels


@dataclass(frozen=True)
class Single(Instruction):
    """Diagonals, sums over axes and permutations of one array."""

    source: int
    labels: Labels
    out: Labels
    entries: int

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.source,)

    @property
    def flops(self) -> int:
        return self.entries if set(self.labels) - set(self.out) else 0


@dataclass(frozen=True)
class Pair(Instruction):
    """The contraction of two arrays: BLAS where it is a product.

    Of a ``symmetric`` matrix one half is computed and the other copied.
    """

    left: int
    right: int
    left_labels: Labels
    right_labels: Labels
    out: Labels
    volume: int
    symmetric: bool = False

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.left, self.right)

    @property
    def flops(self) -> int:
        summed = (set(self.left_labels) | set(self.right_labels)) - set(self.out)
        return 2 * self.volume if summed and not self.symmetric else self.volume


@dataclass(frozen=True)
class Scale(Instruction):
    """A rational multiple."""

    source: int
    factor: float

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.source,)

    @property
    def flops(self) -> int:
        return self.size


@dataclass(frozen=True)
class Term:
    """A term of a combination: factor · source, written through its pattern of deltas and ones.

    ``labels`` are the source's own, ``out`` the result's; equal when there is no pattern.
    """

    source: int
    factor: float
    labels: Labels
    out: Labels

    @property
    def plain(self) -> bool:
        """Is there no pattern?"""
        return self.labels == self.out


@dataclass(frozen=True)
class Placed:
    """A term of a combination that an operation adds where it is not zero: factor · node."""

    node: Expr
    operands: tuple[int, ...]
    factor: float
    entries: int


@dataclass(frozen=True)
class Combine(Instruction):
    """A linear combination; patterned terms are added through diagonal views, never densified."""

    terms: tuple[Term, ...]
    placed: tuple[Placed, ...] = ()

    @property
    def sources(self) -> tuple[int, ...]:
        return (*(t.source for t in self.terms), *(s for p in self.placed for s in p.operands))

    @property
    def flops(self) -> int:
        whole = self.size * max(0 if self.placed else 1, 2 * len(self.terms) - 1)
        return whole + sum(2 * p.entries for p in self.placed)


@dataclass(frozen=True)
class Reshape(Instruction):
    """The same entries in another shape."""

    source: int

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.source,)


@dataclass(frozen=True)
class Prepare(Instruction):
    """Work on one array with which several operations begin."""

    source: int
    work: Callable[..., Any]
    params: tuple[Any, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.source,)

    @property
    def flops(self) -> int:
        return self.size


@dataclass(frozen=True)
class Apply(Instruction):
    """An operation evaluated by its declaration, from prepared work if there is any."""

    node: Expr
    operands: tuple[int, ...]
    prepared: int | None = None
    evaluate: Callable[..., Any] | None = None

    @property
    def sources(self) -> tuple[int, ...]:
        return self.operands if self.prepared is None else (*self.operands, self.prepared)

    @property
    def flops(self) -> int:
        return self.size


# ---------------------------------------------------------------- programs


@dataclass(frozen=True)
class Plan:
    """Instructions in order, the slots of the outputs, and what each slot's last reader is.

    Printing a plan shows its instructions with FLOPs, bytes and the largest intermediate. What
    is in ``native``, the targets of the instructions that run as native code, is told apart from
    what NumPy runs; None of a plan that NumPy runs as a whole. What is in ``divided`` is cut into
    pieces, which several threads work on.
    """

    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]
    slots: int
    native: frozenset[int] | None = None
    divided: frozenset[int] = frozenset()

    @property
    def flops(self) -> int:
        """Floating-point operations in all."""
        return sum(i.flops for i in self.instructions)

    @property
    def largest(self) -> int:
        """Entries of the largest value that is computed."""
        computed = [i for i in self.instructions if not isinstance(i, Input)]
        inner = (b.plan.largest for i in computed for b in i.bodies)
        return max((*(i.size for i in computed), *inner), default=0)

    def __str__(self) -> str:
        lines = [*self._lines("", "")]
        lines.append(f"total {self.flops:,} FLOPs, largest intermediate {8 * self.largest:,} bytes")
        return "\n".join(lines)

    def _lines(self, indent: str, outside: str) -> Iterator[str]:
        """A line each; ``outside`` says what runs the loop or branch that the plan is of."""
        for i in self.instructions:
            by = outside
            if self.native is not None:
                by = "  native" if i.target in self.native else "  NumPy"
                by += ", in pieces" if i.target in self.divided else ""
            yield (
                f"{indent}{type(i).__name__:8} {'×'.join(map(str, i.shape)) or 'scalar':>16} "
                f"{i.flops:>14,} FLOPs {8 * i.size:>14,} bytes"
                f"{'' if isinstance(i, Input) else by}"
            )
            for body in i.bodies:
                yield from body.plan._lines(indent + "  ", by)


@dataclass(frozen=True)
class Body:
    """The plan of a program and the names of its arguments, in order."""

    plan: Plan
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """One of the values that a loop gives: ``kind`` is "final", "output", "record" or "steps".

    ``index`` counts carries or outputs; ``shape`` is that of one step.
    """

    kind: str
    index: int
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Loop(Instruction):
    """Steps of a program; the target is the tuple of its results.

    ``body`` takes carries, items of the sequences and constants to the next carries and outputs;
    ``decide`` takes carries and constants to whether to make the step. The steps are ``length``,
    or those of ``count``, or as long as ``decide`` says, at most ``length``. What is stacked has
    ``length`` entries, zeros after the last step, or one a step if there is no length.
    """

    body: Body
    decide: Body | None
    inits: tuple[int, ...]
    sequences: tuple[int, ...]
    constants: tuple[int, ...]
    count: int | None
    length: int | None
    reverse: bool
    results: tuple[Result, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        first = () if self.count is None else (self.count,)
        return (*first, *self.inits, *self.sequences, *self.constants)

    @property
    def bodies(self) -> tuple[Body, ...]:
        return (self.body,) if self.decide is None else (self.decide, self.body)

    @property
    def flops(self) -> int:
        steps = 1 if self.length is None else self.length
        return steps * sum(b.plan.flops for b in self.bodies)

    @property
    def size(self) -> int:
        steps = 1 if self.length is None else self.length
        return sum(
            prod(r.shape) * (steps if r.kind in {"output", "record"} else 1) for r in self.results
        )


@dataclass(frozen=True)
class Branch(Instruction):
    """The program that an index chooses; the target is the tuple of its results."""

    index: int
    programs: tuple[Body, ...]
    operands: tuple[int, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.index, *self.operands)

    @property
    def bodies(self) -> tuple[Body, ...]:
        return self.programs

    @property
    def flops(self) -> int:
        return max(b.plan.flops for b in self.programs)


@dataclass(frozen=True)
class Item(Instruction):
    """One of the results of a loop or branch."""

    source: int
    index: int

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.source,)
