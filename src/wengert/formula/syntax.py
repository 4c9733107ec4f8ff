"""The syntax tree of a formula: what was written, with the character range of every part.

Nodes compare by identity and print flat, so that a deep tree never recurses.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Syntax:
    """A part of a formula, written in ``text[start:end]`` (brackets around it included)."""

    start: int
    end: int

    @property
    def span(self) -> Span:
        """The character range."""
        return self.start, self.end


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Number(Syntax):
    """A number, exactly as written: ``0.1`` is 1/10."""

    value: Fraction


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Text(Syntax):
    """A quoted text, the subscripts of ``einsum``."""

    value: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Name(Syntax):
    """A variable, a constant, or the name of a definition."""

    name: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sum(Syntax):
    """Terms joined by ``+`` and ``-`` on one level; ``signs`` are 1 and -1."""

    terms: tuple[Syntax, ...]
    signs: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Operation(Syntax):
    """An operator other than ``+`` and binary ``-``, by its plain spelling.

    ``*  /  ^  .*  ./  .^`` have two operands; ``'`` and ``neg`` have one.
    """

    operator: str
    operands: tuple[Syntax, ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Syntax):
    """A function call; ``keywords`` are the arguments written as ``name=value``."""

    function: str
    function_end: int
    arguments: tuple[Syntax, ...]
    keywords: tuple[tuple[str, Syntax], ...]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Statement(Syntax):
    """``name = body``, or the body alone (name None); the range is that of the name."""

    name: str | None
    body: Syntax


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Program:
    """Definitions and the last expression."""

    text: str
    definitions: tuple[Statement, ...]
    result: Statement
