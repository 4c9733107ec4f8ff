"""Types of formulas: orientation and sizes; and the unification of sizes.

The orientation and rank of every part follow from its operands alone; only sizes are found by
unification. An unknown size is a size symbol that begins with ``?``; symbols from declarations
are names like any other and equal themselves only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from math import gcd
from typing import Literal

from wengert.errors import FormulaError, ShapeError
from wengert.formula.syntax import Span
from wengert.shapes import (
    Shape,
    Size,
    SymbolicSize,
    format_shape,
    substitute,
    symbol,
    symbols_of,
)

Orientation = Literal["scalar", "column", "row", "matrix", "tensor"]
ORIENTATIONS: tuple[Orientation, ...] = ("scalar", "column", "matrix")


class FormulaShapeError(FormulaError, ShapeError):
    """Shapes in a formula that do not fit; says where each came from."""


@dataclass(frozen=True, slots=True)
class Type:
    """Orientation and shape; a row's array has rank 1, as a column's.

    Examples
    --------
    >>> str(Type("row", (symbol("n"),)))
    'a row of size n'
    """

    orientation: Orientation
    shape: Shape

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def is_vector(self) -> bool:
        """Whether it is a column or a row."""
        return len(self.shape) == 1

    def __str__(self) -> str:
        return describe(self.orientation, self.shape)


def type_of_shape(shape: Shape) -> Type:
    """The type of an array of this shape; vectors are columns."""
    rank = len(shape)
    return Type(ORIENTATIONS[rank] if rank < 3 else "tensor", shape)


def describe(orientation: Orientation, shape: Shape) -> str:
    """A type in words."""
    match orientation:
        case "scalar":
            return "a scalar"
        case "column":
            return f"a vector of size {format_shape(shape)}"
        case "row":
            return f"a row of size {format_shape(shape)}"
        case "matrix":
            return f"a matrix of size {format_shape(shape)}"
        case "tensor":
            return f"a tensor of size {format_shape(shape)}"


SCALAR = Type("scalar", ())


# ---------------------------------------------------------------- sizes


def only_symbol(size: Size) -> str | None:
    """The name of a size that is one symbol and nothing else."""
    if isinstance(size, int) or len(size.terms) != 1:
        return None
    monomial, coefficient = size.terms[0]
    return monomial[0] if coefficient == 1 and len(monomial) == 1 else None


def is_unknown(name: str) -> bool:
    """Whether unification may replace the symbol."""
    return name[0] == "?"


def unknowns(sizes: Iterable[Size]) -> Iterator[str]:
    """The unknown symbols of the sizes, in order."""
    for size in sizes:
        if not isinstance(size, int):
            yield from (n for monomial, _ in size.terms for n in monomial if is_unknown(n))


class Solver:
    """Unknown sizes and what they have turned out to be.

    Equations that have no unique solution yet (``m*n = 12``) wait until :meth:`settle`; there,
    products of as many unknown factors on both sides are taken as equal factor by factor, because
    ``vec(X) + vec(Y)`` is read as two matrices of one shape.
    """

    def __init__(self) -> None:
        self._bindings: dict[str, Size] = {}
        self._reasons: dict[str, Span] = {}
        self._waiting: list[tuple[Size, Size, Span]] = []
        self._count = 0

    def fresh(self) -> SymbolicSize:
        """A new unknown size."""
        self._count += 1
        return symbol(f"?{self._count}")

    def all(self) -> Shape:
        """Every size that was unknown at first, as far as it is known, in order."""
        return tuple(self.resolve(symbol(f"?{k + 1}")) for k in range(self._count))

    def resolve(self, size: Size) -> Size:
        """The size as far as it is known."""
        while not isinstance(size, int):
            name = only_symbol(size)
            if name is not None:
                bound = self._bindings.get(name)
                if bound is None:
                    return size
                self._shorten(name, bound)
                size = bound
                continue
            known = {n: self._bindings[n] for n in size.symbols() if n in self._bindings}
            if not known:
                return size
            size = size.substitute(known)
        return size

    def _shorten(self, name: str, bound: Size) -> None:
        """Skip a link of a chain, so that chains stay short."""
        following = only_symbol(bound)
        if following is not None and following in self._bindings:
            self._bindings[name] = self._bindings[following]

    def resolve_shape(self, shape: Shape) -> Shape:
        """The shape as far as it is known."""
        return tuple(map(self.resolve, shape))

    def reason(self, size: Size) -> Span | None:
        """The place that gave an unknown size its value."""
        name = only_symbol(size)
        return None if name is None else self._reasons.get(name)

    def unify(self, first: Size, second: Size, place: Span) -> bool:
        """Make two sizes equal; False if they cannot be."""
        first, second = self.resolve(first), self.resolve(second)
        if first == second or self._bind(second, first, place) or self._bind(first, second, place):
            return True
        if next(unknowns((first, second)), None) is None:
            return False
        self._waiting.append((first, second, place))
        return True

    def _bind(self, unknown: Size, value: Size, place: Span) -> bool:
        name = only_symbol(unknown)
        if name is None or not is_unknown(name) or name in symbols_of((value,)):
            return False
        self._bindings[name] = value
        self._reasons[name] = place
        return True

    def settle(self) -> tuple[Size, Size, Span] | None:
        """Solve what waits; gives an equation that cannot be solved, or None."""
        guess = False
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            for first, second, place in waiting:
                one, other = _cancel(self.resolve(first), self.resolve(second))
                solved = self._factors(one, other, place) if guess else None
                guess = guess and not solved
                if not solved and not self.unify(one, other, place):
                    return self.resolve(first), self.resolve(second), place
            if len(self._waiting) == len(waiting):
                if guess:
                    first, second, place = waiting[0]
                    return self.resolve(first), self.resolve(second), place
                guess = True
        return None

    def _factors(self, first: Size, second: Size, place: Span) -> bool:
        """Take two products as equal factor by factor, if both have as many."""
        if isinstance(first, int) or isinstance(second, int):
            return False
        if len(first.terms) != 1 or len(second.terms) != 1:
            return False
        (left, c), (right, d) = first.terms[0], second.terms[0]
        if c != d or len(left) != len(right) or not all(map(is_unknown, left + right)):
            return False
        pairs = zip(sorted(left, key=_age), sorted(right, key=_age), strict=True)
        for one, other in pairs:
            self.unify(symbol(one), symbol(other), place)
        return True


def _age(unknown: str) -> int:
    return int(unknown[1:])


def _cancel(first: Size, second: Size) -> tuple[Size, Size]:
    """Two products without their common factors."""
    one, other = _monomial(first), _monomial(second)
    if one is None or other is None:
        return first, second
    (left, c), (right, d) = one, other
    common = gcd(c, d)
    left, right = list(left), list(right)
    for name in list(left):
        if name in right:
            left.remove(name)
            right.remove(name)
    return _product(left, c // common), _product(right, d // common)


def _monomial(size: Size) -> tuple[tuple[str, ...], int] | None:
    if isinstance(size, int):
        return ((), size)
    return size.terms[0] if len(size.terms) == 1 else None


def _product(names: Iterable[str], coefficient: int) -> Size:
    size: Size = coefficient
    for name in names:
        size = size * symbol(name)
    return size


# ---------------------------------------------------------------- names for sizes

_LETTERS = "mnpkqrstuvlhij"


def name_sizes(shapes: Iterable[Shape], taken: frozenset[str]) -> dict[str, Size]:
    """Names for the unknown sizes of resolved shapes, in order: m, n, p, k, ...; one alone is n.

    >>> name_sizes([(symbol("?1"), symbol("?2")), (symbol("?2"),)], frozenset({"n"}))
    {'?1': m, '?2': p}
    """
    order = list(dict.fromkeys(unknowns(size for shape in shapes for size in shape)))
    letters = (name for name in _size_names() if name not in taken)
    if len(order) == 1 and "n" not in taken:
        return {order[0]: symbol("n")}
    return {name: symbol(letter) for name, letter in zip(order, letters, strict=False)}


def _size_names() -> Iterator[str]:
    yield from _LETTERS
    for number in count(1):
        yield f"n{number}"


def named(shape: Shape, names: dict[str, Size]) -> Shape:
    """The shape with names for its unknown sizes."""
    if all(isinstance(size, int) or only_symbol(size) not in (None, *names) for size in shape):
        return shape
    return substitute(shape, names)
