"""How operations say what they compute to back ends that generate code.

An elementwise operation names a routine of the back end, or writes itself in terms of
:class:`Lanes`; an operation on trailing axes does so in terms of :class:`Rows`, and one that has
loops of its own, or calls LAPACK, in terms of :class:`Arrays`. Values have the
operators ``+ - * /``, the comparisons ``< <= > >=`` and ``equals``, which give masks, and masks
have ``& | ^ ~``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from wengert.expr import Expr


class Lanes(Protocol):
    """What elementwise operations are written with; a value stands for some entries of an array."""

    def call(self, routine: Any, *values: Any) -> Any:
        """A routine by name, or a ufunc of NumPy or SciPy; several results as a tuple.

        A ufunc may be given numbers of Python among the values.
        """
        ...

    def select(self, mask: Any, yes: Any, no: Any) -> Any:
        """One of two values, or numbers, by a mask."""
        ...

    def number(self, value: float, like: Any) -> Any:
        """A number, of the type of a value."""
        ...

    def largest(self, like: Any) -> float:
        """The largest finite number of a value's type."""
        ...

    def real(self, value: Any) -> Any:
        """Integers or masks as real numbers."""
        ...

    def integer(self, mask: Any) -> Any:
        """1 where the mask holds, else 0."""
        ...


class Rows(Protocol):
    """What operations on trailing axes are written with; a value is an array or one entry a row."""

    def map(self, write: Callable[..., Any], *values: Any, kind: str = "real") -> Any:
        """``write(lanes, *entries)`` entry by entry; what has one entry a row is spread.

        ``kind`` is what it gives: ``"real"``, ``"int"`` or ``"bool"``.
        """
        ...

    def reduce(self, name: str, value: Any) -> Any:
        """``"sum"``, ``"maximum"``, ``"minimum"`` or ``"product"`` of each row."""
        ...


class Cells(Protocol):
    """An array in memory, its entries in row order; ``cells[i, j]`` reads and writes one.

    Attributes
    ----------
    shape : tuple of int
        Its shape.
    """

    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """The number of entries."""
        ...

    @property
    def epsilon(self) -> float:
        """The distance from 1 to the next number of its type."""
        ...

    def flat(self) -> Cells:
        """The entries as one axis."""
        ...

    def at(self, *index: Any) -> Cells:
        """What is at an index of the first axes."""
        ...

    def __getitem__(self, index: Any) -> Any: ...

    def __setitem__(self, index: Any, value: Any) -> None: ...


class Code(Protocol):
    """What routines are written with: code that runs entry after entry.

    Values stand for numbers that the code has when it runs; integers of Python may stand for
    indices that are known.
    """

    def loop(
        self, stop: Any, body: Callable[..., Any], *carried: Any, start: Any = 0
    ) -> tuple[Any, ...]:
        """``body(index, *carried)`` gives the next carried values, for an index below ``stop``."""
        ...

    def when(
        self, condition: Any, yes: Callable[[], Any], no: Callable[[], Any] = tuple
    ) -> tuple[Any, ...]:
        """One of two pieces of code; gives the values that it gives."""
        ...

    def refuse(self, condition: Any) -> None:
        """Where the condition holds, the reference has the result, or the error."""
        ...

    def index(self, number: int) -> Any:
        """An integer."""
        ...

    def number(self, value: float, like: Any = None) -> Any:
        """A number, real if nothing else is said."""
        ...

    def select(self, mask: Any, yes: Any, no: Any) -> Any:
        """One of two values by a mask."""
        ...

    def call(self, routine: Any, *values: Any) -> Any:
        """A function by name, or a ufunc."""
        ...

    def real(self, value: Any, like: Any = None) -> Any:
        """An integer, or another precision, as a real number."""
        ...

    def integer(self, value: Any) -> Any:
        """A truth value, or a real number without its fraction, as an integer."""
        ...

    def integer_quotient(self, x: Any, y: Any) -> Any:
        """An integer by another one, rounded towards 0."""
        ...

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """``x y + z``."""
        ...

    def lapack(self, name: str, *arguments: Any, info: bool = True) -> Any:
        """A routine of BLAS or LAPACK by its name without the letter of the precision.

        Arguments are letters, integers, numbers and arrays. What LAPACK says at the end is added
        and given, unless there is no ``info``. Matrices are stored by columns there.
        """
        ...

    def over(self, ufunc: Any, cores: Sequence[int], *arrays: Any) -> None:
        """A generalised ufunc of NumPy on operands and results, whose core axes are the last.

        ``cores`` are the sizes that its signature names, in their order.
        """
        ...

    def slot(self, like: Cells, count: int = 1) -> Any:
        """A few entries to work with, of an array's type."""
        ...


class Arrays(Protocol):
    """What operations on whole arrays are written with; a value stands for an array."""

    def shape(self, x: Any) -> tuple[int, ...]:
        """Its shape."""
        ...

    def run(
        self,
        write: Callable[..., None],
        results: Sequence[Any],
        *operands: Any,
        **params: Any,
    ) -> tuple[Any, ...]:
        """New arrays from ``write(code, results, operands, **params)``, in terms of :class:`Code`.

        ``results`` are shapes and kinds: ``"real"``, ``"double"``, ``"int"``, ``"int32"`` or
        ``"bool"``; some may be memory to work with only. The first may be an array: it begins as a
        copy of it. The same routine on the same arrays runs once.
        """
        ...

    def swapped(self, x: Any) -> Any:
        """The same entries with the two last axes swapped."""
        ...

    def core(self, x: Any) -> tuple[Any, bool]:
        """A matrix as it lies in memory, and whether it is its transpose that is meant."""
        ...

    def double(self, x: Any) -> Any:
        """An array of real numbers in double precision, as NumPy's decompositions work."""
        ...

    def real(self, x: Any) -> Any:
        """An array in double precision in that of real numbers."""
        ...

    def map(self, write: Callable[..., Any], *values: Any, last: bool = False) -> Any:
        """``write(lanes, *entries)`` entry by entry.

        Arrays with fewer axes have the first ones, or the ``last``.
        """
        ...

    def table(self, values: Any) -> Any:
        """An array that is known."""
        ...

    def arranged(self, x: Any, axes: Sequence[int | None], sizes: Sequence[int]) -> Any:
        """The same entries with other axes: each one of x's, or a new one of a size."""
        ...


Written = Callable[..., Any]


def of_values(function: Callable[..., Any]) -> Written:
    """The form of an operation that is a function of values, an operator say."""
    return lambda lanes, node, *values: function(*values)


def called(routine: str) -> Callable[..., Any]:
    """``write`` for :meth:`Rows.map`: a routine."""
    return lambda lanes, *values: lanes.call(routine, *values)


def unchanged(lanes: Lanes, node: Expr, x: Any) -> Any:
    """The operand itself."""
    return x


def over_batch(code: Code, lead: Sequence[int], body: Callable[[tuple[Any, ...]], None]) -> None:
    """``body(index)`` for every index of some leading axes."""

    def level(axis: int, index: tuple[Any, ...]) -> None:
        if axis == len(lead):
            body(index)
        elif lead[axis] == 1:
            level(axis + 1, (*index, 0))
        else:
            code.loop(lead[axis], lambda i: level(axis + 1, (*index, i)))

    level(0, ())
