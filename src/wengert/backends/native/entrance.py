"""The code between Python and a kernel: it looks at the arguments, makes the results, calls.

It is compiled once, for every kernel: what a kernel takes and gives is a table of numbers, which
the function that Python calls has with it. Records are written by :func:`words` and read by the
code of :func:`entrance`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.backends.native import layout
from wengert.backends.native.builder import Builder, Module, Value
from wengert.backends.native.layout import AXES, BODY, DATA, DTYPE, DTYPES, FLAGS, SHAPE
from wengert.backends.native.types import I32, I64, PTR, VOID, Type

if TYPE_CHECKING:
    from wengert.backends.native.engine import Engine, Library

_STOPPED = 2  # a kernel's status if the user has interrupted it
FOREVER = -1  # calls after which nothing happens
_LEAST = 16  # arguments and results that every entrance has room for
_TYPE = layout.TYPE

# What the table begins with, in words.
KERNEL, SLOW, RENEWAL, CALLS_LEFT = range(4)
_ARGUMENTS, _RESULTS, _TUPLED, _RECORDS = range(4, 8)
# What a record of an argument or a result is, in words.
_RECORD = 5
_SHAPE_AT, _RANK, _DTYPE_AT, _NUMBER, _OTHER = range(_RECORD)


@dataclass(frozen=True)
class Array:
    """An argument or a result.

    Attributes
    ----------
    type : Type
        Of its entries: ``F64``, ``F32``, ``I64``, or ``I8`` for booleans.
    shape : tuple of int
        Its shape. A number may be given where an argument has the shape ``()``, and is what a
        result of that shape is returned as.
    """

    type: Type
    shape: tuple[int, ...] = ()


def words(
    arguments: Sequence[Array],
    results: Sequence[Array],
    slow: object,
    renewal: object,
    *,
    calls: int,
    tupled: bool,
) -> Any:
    """The table of a function.

    Parameters
    ----------
    slow : callable
        What is called, with the function's arguments, where these are others.
    renewal : callable
        What is called, without arguments, before the last of ``calls`` calls. These objects are
        to be kept.
    calls : int
        Or ``FOREVER``.
    tupled : bool
        Whether results come as a tuple.
    """
    every = [*arguments, *results]
    begin = _RECORDS + _RECORD * len(every)
    table = np.zeros(begin + sum(len(a.shape) for a in every), np.int64)
    table[SLOW], table[RENEWAL], table[CALLS_LEFT] = id(slow), id(renewal), calls
    table[_ARGUMENTS], table[_RESULTS], table[_TUPLED] = len(arguments), len(results), tupled
    for k, array in enumerate(every):
        rank, dtype = len(array.shape), np.dtype(DTYPES[array.type])
        number = other = 0
        if k >= len(arguments):
            number = dtype.num
        elif not rank:
            number = id(dtype.type)
            other = {np.float64: id(float), np.int64: id(int)}.get(dtype.type, number)
        at = _RECORDS + _RECORD * k
        place = table.ctypes.data + 8 * begin
        table[at : at + _RECORD] = place, rank, id(dtype), number, other
        table[begin : begin + rank] = array.shape
        begin += rank
    return table


def entrance(engine: Engine, count: int) -> Library:
    """The code that has room for so many arguments and results; its symbol is ``entrance``."""
    room = max(_LEAST, 1 << (count - 1).bit_length())
    name = f"entrance_{room}"
    with engine.lock:
        found = engine.routines.get(name)
        if found is None:
            module = Module(engine.host.written_for)
            b = module.function("entrance", [PTR, PTR, I64, PTR], PTR)
            _Entrance(b, room).write()
            text = module.text()
            found = engine.routines[name] = engine.load(text, ["entrance"], layout.symbols())
        return found


class _Entrance:
    """Writes the function that Python calls: checks, results, the kernel, and the slow way.

    The slow way is also that of a kernel that is called while one runs: within a warning of
    SciPy's, by its own thread or another one. Where SciPy's functions raise, the slow way does too.
    """

    def __init__(self, b: Builder, room: int) -> None:
        self.b = b
        self.places, self.made, self.numbers = (b.slot(8 * room) for _ in range(3))
        self.overflow = b.slot(4)

    def symbol(self, name: str) -> Value:
        return self.b.module.external(self.b, name)

    def word(self, table: Value, k: int, type_: Type = I64) -> Value:
        return self.b.load(type_, self.b.offset(table, 8 * k))

    def table(self) -> Value:
        """It is an array, the first thing that the function's object holds."""
        b = self.b
        array = b.load(PTR, b.offset(b.parameters[0], layout.TUPLE_ITEMS))
        return b.load(PTR, b.offset(array, DATA))

    def each(self, count: Value, body: Callable[[Value], None]) -> None:
        self.b.each(0, count, 1, body)

    def at(self, items: Value, index: Value) -> Value:
        return self.b.offset(items, index, 8)

    def record(self, table: Value, index: Value) -> Value:
        return self.b.offset(self.b.offset(table, 8 * _RECORDS), index, 8 * _RECORD)

    # ------------------------------------------------ the function

    def write(self) -> None:
        b = self.b
        _, arguments, count, names = b.parameters
        table = self.table()
        expected, given = self.word(table, _ARGUMENTS), self.word(table, _RESULTS)
        b.leave_if(count.differs(expected) | names.differs(0), "slow")
        running = self.symbol("kernel_runs")
        b.leave_if(b.load(I64, running).differs(0), "slow")
        self.each(expected, lambda k: self._argument(arguments, table, k))
        self._count(table)
        self.each(given, lambda k: b.store(b.constant(0, PTR), self.at(self.made, k)))
        self.each(given, lambda k: self._result(table, expected, k))
        b.store(b.constant(1, I64), running)
        status = b.call_address(self.word(table, KERNEL, PTR), I64, self.places)
        b.store(b.constant(0, I64), running)
        b.leave_if(status.differs(0), "stopped")
        b.leave_if(b.call("python_occurred", PTR).differs(0), "told")
        self.each(given, lambda k: self._number(table, expected, k))
        b.leave_if(self.word(table, _TUPLED).equals(0), "single")
        tuple_ = b.call("python_tuple", PTR, given)
        b.leave_if(tuple_.equals(0), "failed")
        items = b.offset(tuple_, layout.TUPLE_ITEMS)
        self.each(
            given, lambda k: b.store(b.load(PTR, self.at(self.made, k)), self.at(items, k))
        )  # fmt: skip
        b.give(tuple_)
        b.land("single")
        b.give(b.load(PTR, self.made))
        b.land("stopped")
        self._forget()
        b.leave_if(status < 0, "raised")
        b.call("python_clear", VOID)
        b.leave_if(status.differs(_STOPPED), "slow")
        # The handler of the signal raises, if it likes. The kernel itself must not run handlers:
        # they may run kernels, in the same memory.
        b.call("python_interrupt", VOID)
        b.leave_if(b.call("python_signals", I32).differs(0), "raised")
        b.go("slow")
        b.land("told")
        self._forget()
        exception = self.symbol("python_exception")
        b.leave_if(b.call("python_matches", I32, exception).equals(0), "raised")
        b.call("python_clear", VOID)
        b.go("slow")
        b.land("slow")
        slow = self.word(self.table(), SLOW, PTR)
        b.give(b.call("python_call", PTR, slow, arguments, count, names))
        b.land("failed")
        self._forget()
        b.go("raised")
        b.land("raised")
        b.give(b.constant(0, PTR))

    def _forget(self) -> None:
        b = self.b

        def drop(k: Value) -> None:
            b.call("python_drop", VOID, b.load(PTR, self.at(self.made, k)))

        self.each(self.word(self.table(), _RESULTS), drop)

    def _count(self, table: Value) -> None:
        """One call less; the last but one is followed by the renewal of the code."""
        b = self.b
        place = b.offset(table, 8 * CALLS_LEFT)
        left = b.load(I64, place) - 1
        b.store(left, place)

        def renew() -> tuple[Value, ...]:
            done = b.call("python_call_alone", PTR, self.word(table, RENEWAL, PTR))
            b.leave_if(done.equals(0), "raised")
            b.call("python_drop", VOID, done)
            return ()

        b.branch(left.equals(0), renew)

    # ------------------------------------------------ arguments

    def _argument(self, arguments: Value, table: Value, k: Value) -> None:
        """Write down where an argument's entries are, if it is what is expected."""
        b = self.b
        argument, record = b.load(PTR, self.at(arguments, k)), self.record(table, k)
        of = b.load(PTR, b.offset(argument, _TYPE))
        (place,) = b.branch(
            of.equals(self.symbol("numpy_array")),
            lambda: [self._entries(argument, record)],
            lambda: [self._given_number(argument, of, record, k)],
        )
        b.store(place, self.at(self.places, k))

    def _entries(self, argument: Value, record: Value) -> Value:
        b = self.b
        rank = self.word(record, _RANK)
        axes = b.load(I32, b.offset(argument, AXES))
        flags = b.load(I32, b.offset(argument, FLAGS))
        dtype = b.load(PTR, b.offset(argument, DTYPE))
        good = (
            b.cast("sext", axes, I64).equals(rank)
            & dtype.equals(self.word(record, _DTYPE_AT, PTR))
            & (flags & layout.IN_A_ROW).equals(layout.IN_A_ROW)
        )
        b.leave_if(~good, "slow")
        sizes = b.load(PTR, b.offset(argument, SHAPE))
        expected = self.word(record, _SHAPE_AT, PTR)

        def compare(axis: Value) -> None:
            one, other = (b.load(I64, self.at(s, axis)) for s in (sizes, expected))
            b.leave_if(one.differs(other), "slow")

        self.each(rank, compare)
        return b.load(PTR, b.offset(argument, DATA))

    def _given_number(self, argument: Value, of: Value, record: Value, k: Value) -> Value:
        """NumPy's and Python's numbers; integers of Python are the ones that do not lie there."""
        b = self.b
        other = self.word(record, _OTHER, PTR)
        known = of.equals(self.word(record, _NUMBER, PTR)) | of.equals(other)
        b.leave_if(~known, "slow")
        whole = of.equals(self.symbol("python_int"))

        def convert() -> list[Value]:
            value = b.call("python_whole", I64, argument, self.overflow)
            b.leave_if(b.load(I32, self.overflow).differs(0), "slow")
            place = self.at(self.numbers, k)
            b.store(value, place)
            return [place]

        (place,) = b.branch(whole, convert, lambda: [b.offset(argument, BODY)])
        return place

    # ------------------------------------------------ results

    def _result(self, table: Value, arguments: Value, k: Value) -> None:
        """A new array, or room for a number."""
        b = self.b
        number = arguments + k
        record = self.record(table, number)
        rank = self.word(record, _RANK)
        null, none = b.constant(0, PTR), b.constant(0, I32)

        def array() -> list[Value]:
            made = b.call(
                "numpy_new", PTR, self.symbol("numpy_array"), b.cast("trunc", rank, I32),
                self.word(record, _SHAPE_AT, PTR),
                b.cast("trunc", self.word(record, _NUMBER), I32), null, null, none, none, null,
            )  # fmt: skip
            b.leave_if(made.equals(0), "failed")
            b.store(made, self.at(self.made, k))
            return [b.load(PTR, b.offset(made, DATA))]

        (place,) = b.branch(rank.differs(0), array, lambda: [self.at(self.numbers, number)])
        b.store(place, self.at(self.places, number))

    def _number(self, table: Value, arguments: Value, k: Value) -> None:
        """The object of a number that was computed."""
        b = self.b
        number = arguments + k
        record = self.record(table, number)

        def make() -> tuple[Value, ...]:
            place, dtype = self.at(self.numbers, number), self.word(record, _DTYPE_AT, PTR)
            made = b.call("numpy_scalar", PTR, place, dtype, b.constant(0, PTR))
            b.leave_if(made.equals(0), "failed")
            b.store(made, self.at(self.made, k))
            return ()

        b.branch(self.word(record, _RANK).equals(0), make)
