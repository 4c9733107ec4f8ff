"""How operations say what they compute to back ends that generate code.

An elementwise operation names a routine of the back end, or writes itself in terms of
:class:`Lanes`; an operation on trailing axes does so in terms of :class:`Rows`. Values have the
operators ``+ - * /``, the comparisons ``< <= > >=`` and ``equals``, which give masks, and masks
have ``& | ^ ~``.
"""

from __future__ import annotations

from collections.abc import Callable
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

    def real(self, value: Any) -> Any:
        """Integers or masks as real numbers."""
        ...


class Rows(Protocol):
    """What operations on trailing axes are written with; a value is an array or one entry a row."""

    def map(self, write: Callable[..., Any], *values: Any) -> Any:
        """``write(lanes, *entries)`` entry by entry; what has one entry a row is spread."""
        ...

    def reduce(self, name: str, value: Any) -> Any:
        """``"sum"``, ``"maximum"``, ``"minimum"`` or ``"product"`` of each row."""
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
