"""The dozen instructions that a plan consists of; back ends know these and nothing else.

Values live in numbered slots. Labels are integers, one an axis, as in a contraction.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

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
    def flops(self) -> int:
        """Floating-point operations, counting a multiply-add as two."""
        return 0

    @property
    def size(self) -> int:
        """Entries written."""
        return prod(self.shape)


@dataclass(frozen=True)
class Input(Instruction):
    """Read a variable."""

    name: str


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
    """The contraction of two arrays: BLAS where it is a product."""

    left: int
    right: int
    left_labels: Labels
    right_labels: Labels
    out: Labels
    volume: int

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.left, self.right)

    @property
    def flops(self) -> int:
        summed = (set(self.left_labels) | set(self.right_labels)) - set(self.out)
        return 2 * self.volume if summed else self.volume


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
class Combine(Instruction):
    """A linear combination; patterned terms are added through diagonal views, never densified."""

    terms: tuple[Term, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        return tuple(t.source for t in self.terms)

    @property
    def flops(self) -> int:
        return self.size * max(1, 2 * len(self.terms) - 1)


@dataclass(frozen=True)
class Reshape(Instruction):
    """The same entries in another shape."""

    source: int

    @property
    def sources(self) -> tuple[int, ...]:
        return (self.source,)


@dataclass(frozen=True)
class Apply(Instruction):
    """An operation evaluated by its declaration."""

    node: Expr
    operands: tuple[int, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        return self.operands

    @property
    def flops(self) -> int:
        return self.size
