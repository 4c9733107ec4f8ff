"""What is said about variables: shapes by letter or by declaration, and assumptions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import SupportsIndex
from unicodedata import normalize

from wengert.assumptions import Assumption, parse_assumptions
from wengert.errors import NameClashError, ShapeError
from wengert.formula.lexer import clip
from wengert.formula.types import Orientation, Solver, Type, is_unknown, type_of_shape
from wengert.shapes import Shape, Size, symbol, symbols_of

SizeLike = SupportsIndex | str | Size
ShapeLike = str | SizeLike | Sequence[SizeLike]
AssumptionLike = str | Iterable[str]

_MAX_RANK = 32
_RANKS = {"scalar": 0, "vector": 1, "column": 1, "matrix": 2}
_TENSOR = re.compile(r"tensor([0-9]{1,2})")
_BY_LETTER: dict[int, str] = {
    0: "a scalar by its letter",
    1: "a vector by its letter",
    2: "a matrix by its capital letter",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """A variable's type as declared or by letter; ``origin`` says which, for messages."""

    type: Type
    origin: str
    assumptions: frozenset[Assumption]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a formula.

    Attributes
    ----------
    name : str
        The name, as a keyword argument would have it.
    shape : tuple of Size
        Integers, or polynomials in size symbols.
    assumptions : frozenset of Assumption
        All that is promised, implied promises included.
    orientation : str
        ``"scalar"``, ``"column"``, ``"matrix"`` or ``"tensor"``.
    """

    name: str
    shape: Shape
    assumptions: frozenset[Assumption]
    orientation: Orientation


class Declarations:
    """The declared shapes and assumptions of one formula, read once.

    A name that is ``transposed`` somewhere is no scalar: nobody transposes a scalar.
    """

    def __init__(
        self,
        solver: Solver,
        shapes: Mapping[str, ShapeLike] | None,
        assume: Mapping[str, AssumptionLike] | None,
        transposed: frozenset[str] = frozenset(),
    ) -> None:
        self._solver = solver
        self._transposed = transposed
        self._types = {
            _plain(name): self._type(name, shape) for name, shape in (shapes or {}).items()
        }
        self._assumptions = {
            _plain(name): _assumptions(name, value) for name, value in (assume or {}).items()
        }
        self.symbols: frozenset[str] = frozenset(
            s for t in self._types.values() for s in symbols_of(t.shape) if not is_unknown(s)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that something is said about."""
        return tuple(dict.fromkeys((*self._types, *self._assumptions)))

    def of(self, name: str) -> Declared:
        """What is known about a variable."""
        declared = self._types.get(name)
        assumptions = self._assumptions.get(name, frozenset[Assumption]())
        if declared is not None:
            return Declared(declared, "declared", assumptions)
        rank = rank_by_letter(name)
        if rank == 0 and name in self._transposed:
            return Declared(self._fresh(1), "a vector, since it is transposed", assumptions)
        return Declared(self._fresh(rank), _BY_LETTER[rank], assumptions)

    def _fresh(self, rank: int) -> Type:
        return type_of_shape(tuple(self._solver.fresh() for _ in range(rank)))

    def _type(self, name: str, given: ShapeLike) -> Type:
        if isinstance(given, str):
            word = given.strip().lower()
            if word in _RANKS:
                return self._fresh(_RANKS[word])
            tensor = _TENSOR.fullmatch(word)
            if tensor is not None and int(tensor[1]) <= _MAX_RANK:
                return self._fresh(int(tensor[1]))
            given = [part for part in re.split(r"[,×]", given.strip().strip("()")) if part.strip()]
        elif not isinstance(given, Sequence):
            given = [given]
        if len(given) > _MAX_RANK:
            raise ShapeError(f"{clip(name)} has {len(given)} axes; the limit is {_MAX_RANK}")
        return type_of_shape(tuple(read_size(name, size) for size in given))


def _plain(name: str) -> str:
    return name if name.isascii() else normalize("NFKC", name)


def _assumptions(name: str, value: AssumptionLike) -> frozenset[Assumption]:
    try:
        return parse_assumptions(value)
    except ValueError as error:
        raise NameClashError(f"{clip(name)}: {error}") from None


def read_size(name: str, size: SizeLike) -> Size:
    """A declared size: a positive integer, a name, or a sum of products of both.

    >>> read_size("y", "m*n + 1")
    m*n + 1

    Raises
    ------
    ShapeError
        For anything else.
    """
    if isinstance(size, str):
        total: Size = 0
        for term in size.split("+"):
            product: Size = 1
            for factor in term.split("*"):
                product = product * _factor(name, size, factor.strip())
            total = total + product
        return total
    if hasattr(size, "terms"):
        return size  # type: ignore[return-value]
    try:
        number = index(size)  # type: ignore[arg-type]
    except TypeError:
        raise _bad_size(name, size) from None
    if number < 1 or isinstance(size, bool):
        raise _bad_size(name, size)
    return number


def _factor(name: str, size: str, factor: str) -> Size:
    if factor.isascii() and factor.isdigit() and len(factor) < 19 and int(factor) > 0:
        return int(factor)
    plain = _plain(factor)
    if not plain.isidentifier():
        raise _bad_size(name, size)
    return symbol(plain)


def _bad_size(name: str, size: object) -> ShapeError:
    return ShapeError(
        f"the shape of {clip(name)} has the size {clip(repr(size))}; a size is a positive integer "
        "or a name such as 'n'"
    )


def rank_by_letter(name: str) -> int:
    """The rank that a name stands for: a to g scalars, h to z vectors, capitals matrices.

    Lower-case Greek letters, and other letters that are not Latin, are scalars.

    >>> [rank_by_letter(n) for n in ("a", "x1", "W_2", "α", "Σ")]
    [0, 1, 2, 0, 2]
    """
    letter = next((c for c in normalize("NFD", name) if c.isalpha()), "a")
    if letter.isupper():
        return 2
    return 1 if "h" <= letter <= "z" else 0
