"""Routines that operations write themselves, over whole arrays: loops, calls of LAPACK, of ufuncs.

What a routine cannot do (a matrix is singular, an index is outside) it refuses: the function is
left, and NumPy does it all again, with the result or the error that the reference has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

from wengert.backends.native import blas
from wengert.backends.native.builder import Builder, Value
from wengert.backends.native.mathematics import routines
from wengert.backends.native.plans.statements import Access, Shape, Whole, Writer, row_major
from wengert.backends.native.small import Small, small_routine
from wengert.backends.native.types import F32, F64, I32, I64, VOID, Type
from wengert.backends.native.ufuncs import call_lanes, call_loop, converted, loop_of

_WEIGHT = 10  # how long the code of a routine is, in statements
REFUSED = 1  # the status of a function that gives up
_PREFIX = {F64: "d", F32: "s"}


class Cells:
    """An array in memory (:class:`wengert.operations.written.Cells`)."""

    __slots__ = ("_b", "pointer", "shape", "strides", "type")

    def __init__(
        self,
        b: Builder,
        pointer: Value,
        type_: Type,
        shape: Shape,
        strides: Sequence[int] | None = None,
    ) -> None:
        self._b, self.pointer, self.type, self.shape = b, pointer, type_, shape
        self.strides = row_major(shape) if strides is None else tuple(strides)

    @property
    def size(self) -> int:
        """The number of entries."""
        return prod(self.shape)

    @property
    def epsilon(self) -> float:
        """The distance from 1 to the next number of its type."""
        return 2.0**-52 if self.type is F64 else 2.0**-23

    def flat(self) -> Cells:
        """The same entries, without gaps, as one axis."""
        return Cells(self._b, self.pointer, self.type, (self.size,))

    def at(self, *index: Value | int) -> Cells:
        """What is at an index of the first axes."""
        pointer = self.pointer
        for i, stride in zip(index, self.strides, strict=False):
            if isinstance(i, int):
                pointer = self._b.offset(pointer, i * stride, self.type.size)
            elif stride:
                pointer = self._b.offset(pointer, i, stride * self.type.size)
        count = len(index)
        return Cells(self._b, pointer, self.type, self.shape[count:], self.strides[count:])

    def __getitem__(self, index: Any) -> Value:
        place = self.at(*_as_tuple(index)).pointer
        return self._b.load(self.type, place).as_mask()

    def __setitem__(self, index: Any, value: Value | float) -> None:
        b = self._b
        place = self.at(*_as_tuple(index)).pointer
        entry = value if isinstance(value, Value) else b.constant(value, self.type)
        if entry.type.kind == "i1":
            entry = b.cast("zext", entry, self.type)
        b.store(entry, place)


def _as_tuple(index: Any) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", index) if isinstance(index, tuple) else (index,)


class Code:
    """What routines are written with (:class:`wengert.operations.written.Code`)."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._b = writer.b
        self._real = writer.graph.real

    @property
    def builder(self) -> Builder:
        """The function that is written, for code of the back end's own."""
        return self._b

    @property
    def width(self) -> int:
        """Bytes of a vector."""
        return self._writer.width

    # ------------------------------------------------ control

    def loop(
        self,
        stop: Value | int,
        body: Callable[..., Sequence[Value] | None],
        *carried: Any,
        start: Value | int = 0,
    ) -> tuple[Value, ...]:
        """``body(index, *carried)`` gives the next carried values, for an index below ``stop``."""

        def inside(index: Value, values: tuple[Value, ...]) -> Sequence[Value]:
            return body(index, *values) or ()

        return self._b.loop(start, stop, 1, inside, carried)

    def when(
        self,
        condition: Value,
        yes: Callable[[], Sequence[Value] | None],
        no: Callable[[], Sequence[Value] | None] = tuple,
    ) -> tuple[Value, ...]:
        """One of two pieces of code."""
        return self._b.branch(condition, lambda: yes() or (), lambda: no() or ())

    def refuse(self, condition: Value) -> None:
        """Give up if the condition holds."""
        self._writer.leave(condition, REFUSED)

    # ------------------------------------------------ values

    def index(self, number: int) -> Value:
        """An integer."""
        return self._b.constant(number, I64)

    def number(self, value: float, like: Cells | Value | None = None) -> Value:
        """A number, real if nothing else is said."""
        return self._b.constant(value, self._real if like is None else like.type)

    def select(self, mask: Value, yes: Any, no: Any) -> Value:
        """One of two values by a mask."""
        return self._b.select(mask, yes, no)

    def call(self, routine: Any, *values: Any) -> Any:
        """A function by name, or a ufunc."""
        if isinstance(routine, str):
            return routines.call(routine, *values)
        found = call_lanes(routine, values)
        return found[0] if len(found) == 1 else found

    def real(self, value: Value, like: Cells | None = None) -> Value:
        """An integer, or another precision, as a real number."""
        return converted(value, self._real if like is None else like.type)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """``x y + z``."""
        return self._b.fma(x, y, z)

    def integer(self, value: Value) -> Value:
        """A truth value, or a real number without its fraction, as an integer."""
        kind = value.type.kind
        name = "zext" if kind == "i1" else "sext" if kind == "i32" else "fptosi"
        return self._b.cast(name, value, I64)

    def integer_quotient(self, x: Value, y: Value) -> Value:
        """An integer by another one, rounded towards 0."""
        return self._b.pure(I64, f"sdiv i64 {x.text}, {y.text}")

    # ------------------------------------------------ other people's code

    def lapack(self, name: str, *arguments: Any, info: bool = True) -> Value | None:
        """A routine of BLAS or LAPACK by its name without the letter of the precision.

        Of matrices with few rows, code of our own that gives the same.

        Letters, integers, numbers and arrays; ``info`` is added and given, if there is one.
        """
        b = self._b
        type_ = next(a.type for a in arguments if isinstance(a, Cells) and a.type in _PREFIX)
        small = small_routine(name, type_, arguments)
        if small is not None:
            return self._small(small)
        symbol = _PREFIX[type_] + name
        b.module.addresses.update(blas.addresses([symbol]))
        given = [self._argument(a, type_) for a in arguments]
        if not info:
            b.call(symbol, VOID, *given)
            return None
        place = b.slot(4)
        b.call(symbol, VOID, *given, place)
        return b.load(I32, place)

    def _small(self, small: Small) -> Value | None:
        b = self._b
        b.module.shared[small.symbol] = small.write
        given = [a.pointer if isinstance(a, Cells) else self.index(a) for a in small.taken]
        found = b.call(small.symbol, I32 if small.info else VOID, *given)
        return found if small.info else None

    def _argument(self, value: Any, type_: Type) -> Value:
        b = self._b
        if isinstance(value, Cells):
            return value.pointer
        if isinstance(value, str):
            return blas.letter(b, value)
        if isinstance(value, int):
            return blas.integer(b, value)
        given = value if isinstance(value, Value) else b.constant(value, type_)
        place = b.slot(given.type.size)
        b.store(given, place)
        return place

    def over(self, ufunc: Any, cores: Sequence[int], *arrays: Cells) -> None:
        """A generalised ufunc, over all entries in front of its core axes.

        ``cores`` are the sizes that its signature names, in their order; arrays are operands, then
        results, and their core axes the last ones.
        """
        given = tuple(a.type for a in arrays)
        loop = loop_of(ufunc, given[: ufunc.nin])
        assert loop is not None
        assert loop.kinds == given
        ranks = [part.count(",") + 1 if part else 0 for part in _signature(ufunc)]
        lead = next(a.shape[: len(a.shape) - r] for a, r in zip(arrays, ranks, strict=True))
        steps = [prod(a.shape[len(a.shape) - r :]) * a.type.size
                 for a, r in zip(arrays, ranks, strict=True)]  # fmt: skip
        for a, rank in zip(arrays, ranks, strict=True):
            steps += [s * a.type.size for s in a.strides[len(a.strides) - rank :]]
        call_loop(loop, [a.pointer for a in arrays], [prod(lead), *cores], steps)

    def slot(self, like: Cells, count: int = 1) -> Cells:
        """A few entries of the routine's own, of an array's type."""
        return Cells(self._b, self._b.slot(count * like.type.size), like.type, (count,))


def _signature(ufunc: Any) -> list[str]:
    """The core axes of the operands and results: ``["m,n", "p"]``."""
    text = ufunc.signature.replace(" ", "").replace("->", ",")
    return text[1:-1].split("),(")


@dataclass(frozen=True)
class Routine(Whole):
    """Code of an operation's own, which reads whole arrays and fills others.

    Attributes
    ----------
    targets : tuple of int
        The slots that are filled: results, and memory to work with.
    sources : tuple of Access
        The arrays that ``code(code, targets, sources)`` is given, with the strides of their axes.
    shapes : tuple of tuple of int
        Their shapes.
    code : callable
        Writes the code, of :class:`wengert.operations.written.Code`.
    into : int or None
        The slot that the first target continues, as that of a statement.
    """

    targets: tuple[int, ...]
    sources: tuple[Access, ...]
    shapes: tuple[Shape, ...]
    code: Callable[[Code, Sequence[Cells], Sequence[Cells]], None]
    into: int | None = None

    @property
    def reads(self) -> tuple[int, ...]:
        """The arrays, and what the first target continues."""
        begun = () if self.into is None else (self.into,)
        return (*(a.slot for a in self.sources), *begun)

    @property
    def writes(self) -> tuple[int, ...]:
        """The targets."""
        return self.targets

    @property
    def continues(self) -> int | None:
        """What the first target continues."""
        return self.into

    @property
    def weight(self) -> int:
        """The same for all: most have a few loops."""
        return _WEIGHT

    def write(self, writer: Writer) -> None:
        """Write the code."""
        b, memory, types = writer.b, writer.memory, writer.graph.types
        targets = [Cells(b, memory[t], types[t], writer.graph.shapes[t]) for t in self.targets]
        sources = [
            Cells(b, b.offset(memory[a.slot], a.offset, types[a.slot].size), types[a.slot], shape,
                  a.strides)
            for a, shape in zip(self.sources, self.shapes, strict=True)
        ]  # fmt: skip
        self.code(Code(writer), targets, sources)
