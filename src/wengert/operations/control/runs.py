"""The loop behind a node: what it runs on what, and the nodes of its results.

Results are numbered: the final carries, then the outputs, then for each carry the record of its
values at the start of every step. A ``while`` has one output, the number of its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wengert.expr import Expr
from wengert.operations.apply import apply
from wengert.operations.control.programs import Program, run_length
from wengert.primitive import Kind, Primitive, registry
from wengert.shapes import Size


@dataclass(frozen=True)
class Run:
    """A scan or a while loop with its operands.

    Attributes
    ----------
    primitive : Primitive
        Of the scan or the while loop.
    program : Program
        Leaves: carries, items of the sequences, constants. Roots: the next carries, then the
        outputs of the step (of a while loop: whether to take the step).
    inits, sequences, constants : tuple of Expr
        The operands. Sequences have the axis that is stepped through in front.
    length : Size or None
        Number of steps, or the most there are; None if there is no limit.
    reverse : bool
        From the last items to the first; what is stacked keeps the items' places.
    count : Expr or None
        The number of steps of a scan that may stop before ``length``; what is stacked is zero
        from there on.
    """

    primitive: Primitive
    program: Program
    inits: tuple[Expr, ...]
    sequences: tuple[Expr, ...]
    constants: tuple[Expr, ...]
    length: Size | None
    reverse: bool = False
    count: Expr | None = None

    @property
    def looks(self) -> bool:
        """Does it decide before each step whether to take it?"""
        return self.primitive.kind is Kind.WHILE

    @property
    def outputs(self) -> int:
        """How many outputs a step has."""
        return len(self.program.roots) - len(self.inits)

    @property
    def axis(self) -> Size:
        """The size of the axis of what is stacked."""
        return run_length() if self.length is None else self.length

    @property
    def first(self) -> int:
        """The number of the operand that is the first of the initial carries."""
        return 0 if self.count is None else 1

    @property
    def carried(self) -> tuple[Expr, ...]:
        """The program's leaves that are carries."""
        return self.program.leaves[: len(self.inits)]

    def final(self, k: int) -> Expr:
        """The last value of carry k."""
        return self.result(k)

    def output(self, j: int) -> Expr:
        """Output j, stacked; the number of steps of a while loop."""
        return self.result(len(self.inits) + j)

    def record(self, k: int) -> Expr:
        """The values of carry k at the starts of the steps, stacked."""
        return self.result(len(self.inits) + self.outputs + k)

    def kind_of(self, part: int) -> tuple[str, int]:
        """``"final"``, ``"output"`` or ``"record"``, and the number among these."""
        n, p = len(self.inits), self.outputs
        if part < n:
            return "final", part
        return ("output", part - n) if part < n + p else ("record", part - n - p)

    def result(self, part: int) -> Expr:
        """The node of one result."""
        operands = (*self.inits, *self.sequences, *self.constants)
        if self.looks:
            return apply(
                self.primitive,
                *operands,
                program=self.program,
                carries=len(self.inits),
                limit=self.length,
                part=part,
            )
        return apply(
            self.primitive,
            *(() if self.count is None else (self.count,)),
            *operands,
            program=self.program,
            carries=len(self.inits),
            sequences=len(self.sequences),
            length=self.length,
            reverse=self.reverse,
            counted=self.count is not None,
            part=part,
        )

    def on(
        self,
        program: Program,
        inits: Sequence[Expr],
        sequences: Sequence[Expr],
        constants: Sequence[Expr],
    ) -> Run:
        """The same loop of another program."""
        return replace(
            self,
            program=program,
            inits=tuple(inits),
            sequences=tuple(sequences),
            constants=tuple(constants),
        )

    def steps(self) -> Expr | None:
        """The number of steps if it is known only as the loop runs."""
        return self.output(0) if self.looks else self.count


def scan_run(
    program: Program,
    inits: Sequence[Expr],
    sequences: Sequence[Expr],
    constants: Sequence[Expr],
    length: Size,
    *,
    reverse: bool = False,
    count: Expr | None = None,
) -> Run:
    """The scan of a program."""
    return Run(
        registry["scan"], program, tuple(inits), tuple(sequences), tuple(constants),
        length, reverse, count,
    )  # fmt: skip


def while_run(
    program: Program, inits: Sequence[Expr], constants: Sequence[Expr], limit: int | None
) -> Run:
    """The while loop of a program whose last root decides."""
    return Run(registry["while"], program, tuple(inits), (), tuple(constants), limit)


def run_of(node: Expr) -> Run:
    """The loop whose result a node is."""
    if node.primitive.kind is Kind.WHILE:
        program, carries, limit, _ = node.params
        operands = node.operands
        return Run(node.primitive, program, operands[:carries], (), operands[carries:], limit)
    program, carries, sequences, length, reverse, counted, _ = node.params
    count, operands = (node.operands[0], node.operands[1:]) if counted else (None, node.operands)
    return Run(
        node.primitive,
        program,
        operands[:carries],
        operands[carries : carries + sequences],
        operands[carries + sequences :],
        length,
        reverse,
        count,
    )
