"""Sizes and shapes: integers, or polynomials in named symbols (``m``, ``n``, ``m*n + 1``).

A size is an ``int`` or a :class:`SymbolicSize`; the helpers below keep integers as integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Union

Monomial = tuple[str, ...]
Size = Union[int, "SymbolicSize"]
Shape = tuple[Size, ...]

_SUPERSCRIPTS = str.maketrans(
    "0123456789abcdefghijklmnoprstuvwxyz+·", "⁰¹²³⁴⁵⁶⁷⁸⁹ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ⁺·"
)


@dataclass(frozen=True, slots=True)
class SymbolicSize:
    """A polynomial with integer coefficients in size symbols.

    ``terms`` maps sorted monomials to coefficients, as a sorted tuple of pairs, so that equal
    sizes are equal objects.

    Examples
    --------
    >>> m, n = symbol("m"), symbol("n")
    >>> str(m * n + 1)
    'm*n + 1'
    >>> (m * n).substitute({"m": 2, "n": 3})
    6
    """

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Size) -> Size:
        return _polynomial([*self.terms, *_terms(other)])

    __radd__ = __add__

    def __mul__(self, other: Size) -> Size:
        products = [(tuple(sorted(a + b)), x * y) for a, x in self.terms for b, y in _terms(other)]
        return _polynomial(products)

    __rmul__ = __mul__

    def __str__(self) -> str:
        parts: list[str] = []
        for monomial, coefficient in sorted(self.terms, key=lambda t: (-len(t[0]), t[0])):
            factors = list(monomial)
            if coefficient != 1 or not factors:
                factors.insert(0, str(coefficient))
            parts.append("*".join(factors))
        return " + ".join(parts)

    __repr__ = __str__

    def symbols(self) -> frozenset[str]:
        """The names of the symbols in the size."""
        return frozenset(name for monomial, _ in self.terms for name in monomial)

    def substitute(self, values: Mapping[str, Size]) -> Size:
        """The size with symbols replaced; unknown symbols stay."""
        total: Size = 0
        for monomial, coefficient in self.terms:
            product: Size = coefficient
            for name in monomial:
                value = values.get(name)
                product = product * (symbol(name) if value is None else value)
            total = total + product
        return total


def symbol(name: str) -> SymbolicSize:
    """A size that is known only by name."""
    return SymbolicSize((((name,), 1),))


def _terms(size: Size) -> Iterable[tuple[Monomial, int]]:
    return [((), size)] if isinstance(size, int) else size.terms


def _polynomial(terms: Iterable[tuple[Monomial, int]]) -> Size:
    gathered: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        gathered[monomial] = gathered.get(monomial, 0) + coefficient
    left = tuple(sorted((m, c) for m, c in gathered.items() if c))
    if not left:
        return 0
    if len(left) == 1 and left[0][0] == ():
        return left[0][1]
    return SymbolicSize(left)


def total_size(shape: Shape) -> Size:
    """The number of entries of an array of this shape."""
    result: Size = 1
    for size in shape:
        result = result * size
    return result


def substitute(shape: Shape, values: Mapping[str, Size]) -> Shape:
    """The shape with size symbols replaced."""
    return tuple([s if isinstance(s, int) else s.substitute(values) for s in shape])


def symbols_of(shape: Shape) -> frozenset[str]:
    """The size symbols that a shape mentions."""
    return frozenset[str]().union(*(s.symbols() for s in shape if not isinstance(s, int)))


def concrete(shape: Shape) -> tuple[int, ...]:
    """The shape as integers; every symbol must have been replaced."""
    found = tuple([s for s in shape if isinstance(s, int)])
    if len(found) < len(shape):
        raise TypeError(f"shape {format_shape(shape)} still has symbols")
    return found


def format_shape(shape: Shape) -> str:
    """A shape as people write it in messages: ``scalar``, ``n``, ``m×n``."""
    return "×".join(f"({s})" if "+" in str(s) else str(s) for s in shape) or "scalar"


def format_space(shape: Shape) -> str:
    """The real space of a shape, in Unicode: ``ℝ``, ``ℝⁿ``, ``ℝᵐˣⁿ``.

    >>> format_space((symbol("m"), 3))
    'ℝᵐˣ³'
    """
    text = "x".join(str(s).replace("*", "·").replace(" ", "") for s in shape)
    if any(c.isupper() or c in {"q", "_"} for c in text):
        return f"ℝ^({'×'.join(str(s) for s in shape)})"
    return "ℝ" + text.translate(_SUPERSCRIPTS)
