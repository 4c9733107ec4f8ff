"""What is computed over which entries: between a plan's instructions and loops.

A statement goes over a *space*, the shape of a nest of loops, reads entries of arrays at places
given by strides, and writes one entry of its target for each of the space's, or adds several up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

from wengert.backends.native.builder import Builder, Value
from wengert.backends.native.types import Type

Shape = tuple[int, ...]
Strides = tuple[int, ...]


@lru_cache(maxsize=4096)
def row_major(shape: Shape) -> Strides:
    """Entries from one index to the next, of an array without gaps."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def without_gaps(shape: Shape, strides: Strides) -> bool:
    """Do the entries of an array follow each other in its order?"""
    if not shape:
        return True
    expected = row_major(shape)
    return strides == expected or all(
        n == 1 or s == e for n, s, e in zip(shape, strides, expected, strict=True)
    )


# ---------------------------------------------------------------- what statements write


def itself(lanes: Any, x: Any) -> Any:
    """x."""
    return x


def product(lanes: Any, x: Any, y: Any) -> Any:
    """x y."""
    return x * y


def multiple(factor: float) -> Callable[..., Any]:
    """A number times x."""

    def write(lanes: Any, x: Any) -> Any:
        return -x if factor == -1 else x * factor

    return write


def number(value: float, type_: Type) -> Callable[..., Any]:
    """A number."""

    def write(lanes: Any) -> Any:
        return lanes.constant(value, type_)

    return write


# ---------------------------------------------------------------- statements


@dataclass(frozen=True)
class Layout:
    """Where a value's entries are: in the memory of a slot, from an entry on, with strides."""

    slot: int
    strides: Strides
    offset: int = 0


@dataclass(frozen=True)
class Access:
    """How a statement reads a slot: from an entry on, with a step for each axis of the space.

    The step is 0 along axes on which what is read is the same.
    """

    slot: int
    strides: Strides
    offset: int = 0


@dataclass(frozen=True)
class Statement:
    """``target[places] = write(entries read)`` over the space.

    Attributes
    ----------
    target : int
        The slot that is written.
    space : tuple of int
        Sizes of the loops.
    reads : tuple of Access
        The entries that ``write(lanes, *entries)`` is given.
    places : tuple of int
        Strides of the target for each axis of the space; 0 where entries are put together.
    reduction : str or None
        How: ``"sum"``, ``"maximum"``, ``"minimum"`` or ``"product"``.
    into : int or None
        The slot that the target continues: entries are added to it where it is, and the target is
        the same memory afterwards.
    offset : int
        Where the places begin.
    partial : bool
        Whether this is one of the statements that write a target in parts: instead of being
        added, entries are written, to places that nothing else writes.
    """

    target: int
    space: Shape
    reads: tuple[Access, ...]
    write: Callable[..., Any]
    places: Strides
    reduction: str | None = None
    into: int | None = None
    offset: int = 0
    partial: bool = False

    @property
    def maps(self) -> bool:
        """Is the target's entry of the same place that of the space?"""
        return self.reduction is None and self.into is None and not self.partial

    @property
    def adds(self) -> bool:
        """Are entries added to what is there?"""
        return self.into is not None and not self.partial


@dataclass(frozen=True)
class Product:
    """``target = factor · left · right``, of matrices or of a matrix and a vector, by BLAS.

    ``rows`` and ``columns`` are the product's, ``columns`` is 1 for a vector; ``turned`` says of
    each factor if its transpose is what is multiplied, ``offsets`` where it begins. Of a
    ``symmetric`` product one half is computed and the other copied. ``ahead`` is the number of
    entries from one row of the left factor's memory to the next, if it is a part of a wider one.
    """

    target: int
    left: int
    right: int
    rows: int
    columns: int
    summed: int
    turned: tuple[bool, bool]
    factor: float = 1.0
    vector: bool = False
    offsets: tuple[int, int] = (0, 0)
    symmetric: bool = False
    ahead: int | None = None

    @property
    def volume(self) -> int:
        """Multiplications."""
        return self.rows * self.columns * self.summed


@dataclass(frozen=True)
class Contraction:
    """``target[places] = factor · Σ left · right`` over a space, where its entries are used again.

    The target's strides are 0 along the axes that are summed over.
    """

    target: int
    space: Shape
    left: Access
    right: Access
    places: Strides
    factor: float = 1.0


class Writer(Protocol):
    """What writes a function, as a piece of work that writes itself sees it."""

    @property
    def b(self) -> Builder:
        """The function."""
        ...

    @property
    def memory(self) -> Mapping[int, Value]:
        """Where slots are."""
        ...

    @property
    def graph(self) -> Graph:
        """What the slots hold."""
        ...

    @property
    def width(self) -> int:
        """Bytes of a vector."""
        ...

    @property
    def routines(self) -> set[str]:
        """Routines of BLAS and LAPACK that are called."""
        ...

    def leave(self, condition: Value, status: int) -> None:
        """Return a status from the whole kernel if a condition holds."""
        ...

    def inner(
        self,
        graph: Graph,
        parts: Sequence[Any],
        memory: Mapping[int, Value],
        registers: Any = None,
    ) -> None:
        """Write parts of another graph here, some of whose slots are held in registers."""
        ...


class Whole(ABC):
    """Work that writes itself, neither put together with other work nor cut into blocks of rows."""

    @property
    @abstractmethod
    def reads(self) -> tuple[int, ...]:
        """The slots that it reads from memory."""

    @property
    @abstractmethod
    def writes(self) -> tuple[int, ...]:
        """The slots that it writes, with those that it only works in."""

    @property
    def continues(self) -> int | None:
        """The slot whose memory the first slot that it writes is, with what is there."""
        return None

    @property
    def weight(self) -> int:
        """How long its code is, in statements."""
        return 1

    @abstractmethod
    def write(self, writer: Writer) -> None:
        """Write the code."""


Work = Statement | Product | Contraction | Whole


@dataclass
class Graph:
    """Statements in an order in which they may run, and what their slots hold.

    Attributes
    ----------
    real : Type
        Of real numbers.
    constants : dict
        Slots that hold one number everywhere, and are not in memory.
    tables : dict
        Slots that hold arrays that are known.
    name : str
        Tells the graph from the others of a kernel.
    inner : list of Graph
        Those of loops and branches within it, and of what is within these.
    cut : set of int
        Slots that are written in pieces, by several threads.
    seat : int or None
        Bytes that each of these threads needs for itself; None if there are none.
    """

    real: Type
    shapes: dict[int, Shape] = field(default_factory=dict[int, Shape])
    types: dict[int, Type] = field(default_factory=dict[int, Type])
    layouts: dict[int, Layout] = field(default_factory=dict[int, Layout])
    constants: dict[int, float] = field(default_factory=dict[int, float])
    tables: dict[int, Any] = field(default_factory=dict[int, Any])
    works: list[Work] = field(default_factory=list[Work])
    fresh: int = 0
    name: str = ""
    inner: list[Graph] = field(default_factory=list["Graph"])
    cut: set[int] = field(default_factory=set[int])
    seat: int | None = None

    def enter(self, slot: int, shape: Shape, type_: Type) -> None:
        """A slot with memory of its own."""
        self.shapes[slot], self.types[slot] = shape, type_
        self.layouts[slot] = Layout(slot, row_major(shape))
        self.fresh = max(self.fresh, slot + 1)

    def new(self, shape: Shape, type_: Type) -> int:
        """A slot that no instruction has."""
        slot = self.fresh
        self.enter(slot, shape, type_)
        return slot

    def view(self, slot: int, shape: Shape, of: Layout, type_: Type) -> None:
        """A slot whose entries are those of another one."""
        self.shapes[slot], self.types[slot], self.layouts[slot] = shape, type_, of
        self.fresh = max(self.fresh, slot + 1)

    def in_a_row(self, slot: int) -> bool:
        """Does the slot lie in its memory as an array without gaps?"""
        return without_gaps(self.shapes[slot], self.layouts[slot].strides)

    def access(self, slot: int, axes: Sequence[int], rank: int) -> Access:
        """A slot's entries over a space of ``rank`` axes; ``axes[k]`` is that of its axis k."""
        layout = self.layouts[slot]
        steps = [0] * rank
        for axis, stride in zip(axes, layout.strides, strict=True):
            steps[axis] += stride
        return Access(layout.slot, tuple(steps), layout.offset)

    def statement(
        self,
        target: int,
        space: Shape,
        reads: Sequence[Access],
        write: Callable[..., Any],
        places: Strides | None = None,
        reduction: str | None = None,
        into: int | None = None,
        offset: int = 0,
        partial: bool = False,
    ) -> None:
        """Add a statement; by default an entry of the target for each of the space's."""
        where = row_major(space) if places is None else places
        self.works.append(
            Statement(target, space, tuple(reads), write, where, reduction, into, offset, partial)
        )

    def copy(self, slot: int) -> int:
        """The same entries in memory of their own."""
        shape = self.shapes[slot]
        made = self.new(shape, self.types[slot])
        if slot in self.constants:
            self.constant(made, self.constants[slot])
            return made
        axes = range(len(shape))
        self.statement(made, shape, [self.access(slot, axes, len(shape))], itself)
        return made

    def constant(self, slot: int, value: float) -> None:
        """Write one number into all of a slot."""
        self.statement(slot, self.shapes[slot], [], number(value, self.types[slot]))
