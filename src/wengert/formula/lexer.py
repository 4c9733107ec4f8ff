"""Text to tokens: spellings, numbers, and whether a quote is a transpose.

A quote after a name, a number, a closing bracket or another transpose is a transpose; where an
operand is due it opens a text. ``2.*x`` is ``2 .* x``. A line break ends a statement unless a
bracket is open or an operator precedes it.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple
from unicodedata import normalize

from wengert.errors import FormulaError

MAX_LENGTH = 100_000
MAX_NESTING = 200
MAX_DIGITS = 400

_SUPERSCRIPT_DIGITS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_POSTFIX = _SUPERSCRIPT_DIGITS + "ᵀ"
_TO_DIGITS = str.maketrans(_SUPERSCRIPT_DIGITS + "⁻", "0123456789-")

_TOKEN = re.compile(
    rf"""
      (?P<space>[^\S\n]+)
    | (?P<number>
        (?:[0-9]*\.[0-9]+ | [0-9]+\.(?![*/^'.\w⊙⊘]) | [0-9]+\.(?=[eE][+-]?[0-9]) | [0-9]+)
        (?:[eE][+-]?[0-9]+)?)
    | (?P<name>[^\W\d{_POSTFIX}](?:[^\W{_POSTFIX}]|[\u0300-\u036f])*)
    | (?P<transpose>\.T(?!\w)|\.'|['ᵀ⊤′’])
    | (?P<operator>\*\*|\.[*/^]|==|[-+*/^@()\[\],=·⋅∙∗×÷−⊙⊘])
    | (?P<power>⁻?[{_SUPERSCRIPT_DIGITS}]+)
    | (?P<text>"[^"\n]*")
    | (?P<end>[;\n])
    """,
    re.VERBOSE,
)
_QUOTED = re.compile(r"'[^'\n]*'")

_SPELLINGS = {
    "**": "^",
    "@": "*",
    "·": "*",
    "⋅": "*",
    "∙": "*",
    "∗": "*",
    "×": "*",
    "÷": "/",
    "−": "-",
    "⊙": ".*",
    "⊘": "./",
}

_HINTS = {
    "|": "for an absolute value write abs(x), for a determinant det(A)",
    "‖": "for a norm write norm2(x)",
    "√": "for a root write sqrt(x)",
    "∑": "for a sum write sum(x)",
    "∏": "for a product write prod(x)",
    "∘": "for a product entry by entry write x.*y",
    "⊗": "for a Kronecker product write kron(A, B)",
    "\\": "to solve A*x = b write solve(A, b)",
    "{": "group with round brackets",
    "}": "group with round brackets",
    "==": "a definition has one =",
    "<": "comparisons are not part of the language; for max(x, 0) write relu(x)",
    ">": "comparisons are not part of the language; for max(x, 0) write relu(x)",
    "%": "comments are not part of the language",
    "#": "comments are not part of the language",
    ":": "definitions have =, ranges and slices are not part of the language",
    "!": "for a factorial write exp(gammaln(x + 1))",
    "∂": "name the function only; what to differentiate by is said apart",
    "∇": "name the function only; what to differentiate by is said apart",
    '"': "a text has to be closed on its line",
    ".": "numbers are written as 0.5, products entry by entry as x.*y",
}


class Token(NamedTuple):
    """``kind`` is ``number``, ``name``, ``text``, ``power`` or an operator's plain spelling."""

    kind: str
    value: str
    start: int
    end: int


def clip(text: str, width: int = 40) -> str:
    """The text on one line, shortened in the middle."""
    line = " ".join(text.split()) if len(text) < 10 * width else text[: 10 * width]
    return line if len(line) <= width else f"{line[: width // 2]}…{line[1 - width // 2 :]}"


def number(token: Token, text: str) -> Fraction:
    """The exact value of a number token."""
    mantissa, _, exponent = token.value.lower().partition("e")
    if len(mantissa) > MAX_DIGITS or len(exponent) > 4 or abs(int(exponent or 0)) > MAX_DIGITS:
        message = f"a number can have {MAX_DIGITS} digits and an exponent up to {MAX_DIGITS}"
        raise FormulaError(message, text, token.start, token.end)
    return Fraction(token.value)


def superscript(token: Token) -> int:
    """The exponent that a superscript token means."""
    return int(token.value.translate(_TO_DIGITS))


def tokenize(text: str) -> list[Token]:
    """The tokens of a formula, with ``;`` for every end of a statement and ``$`` at the end.

    Raises
    ------
    FormulaError
        For a character outside the language, unbalanced or too deep brackets, or a formula of
        more than ``MAX_LENGTH`` characters.
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(
            f"the formula has {len(text)} characters; the limit is {MAX_LENGTH}. "
            "Split it into several formulas"
        )
    return _Lexer(text).tokens()


class _Lexer:
    """One pass over the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Token] = []
        self.open: list[Token] = []
        self.after_operand = False

    def tokens(self) -> list[Token]:
        text, position, length, match_at = self.text, 0, len(self.text), _TOKEN.match
        while position < length:
            match = match_at(text, position)
            if match is None:
                raise self._stray(position)
            kind = str(match.lastgroup)
            start, position = position, match.end()
            if kind != "space":
                position = self._take(kind, match.group(), start, position)
        if self.open:
            raise self._unclosed()
        self.found.append(Token("$", "", length, length))
        return self.found

    def _take(self, kind: str, value: str, start: int, end: int) -> int:
        """Enter one token; gives the position after it."""
        if kind == "operator":
            self._operator(_SPELLINGS.get(value, value), value, start, end)
        elif kind == "name":
            self._push(kind, self._plain_name(value, start, end), start, end, operand=True)
        elif kind == "transpose":
            return self._quote(value, start, end)
        elif kind == "end":
            self._end(value, start, end)
        elif kind == "text":
            self._push(kind, value[1:-1], start, end, operand=True)
        else:
            self._push(kind, value, start, end, operand=True)
        return end

    def _push(self, kind: str, value: str, start: int, end: int, *, operand: bool) -> None:
        self.found.append(Token(kind, value, start, end))
        self.after_operand = operand

    def _operator(self, kind: str, value: str, start: int, end: int) -> None:
        if kind == "==":
            raise self._stray(start, "==")
        self._push(kind, value, start, end, operand=kind in ")]")
        if kind in "([":
            self.open.append(self.found[-1])
            if len(self.open) > MAX_NESTING:
                message = f"brackets are nested deeper than {MAX_NESTING}; name the inner parts"
                raise FormulaError(message, self.text, start, end)
        elif kind in ")]":
            self._close(kind, start, end)

    def _close(self, kind: str, start: int, end: int) -> None:
        if not self.open:
            raise FormulaError(f"{kind} closes nothing; remove it", self.text, start, end)
        opener = self.open.pop()
        wanted = ")" if opener.kind == "(" else "]"
        if kind != wanted:
            message = f"{opener.kind} is closed by {kind}; write {wanted}"
            raise FormulaError(message, self.text, start, end)

    def _unclosed(self) -> FormulaError:
        opener = self.open[-1]
        message = f"{opener.kind} is never closed; add {')' if opener.kind == '(' else ']'}"
        return FormulaError(message, self.text, opener.start, opener.end)

    def _quote(self, value: str, start: int, end: int) -> int:
        if self.after_operand:
            self._push("'", value, start, end, operand=True)
            return end
        quoted = _QUOTED.match(self.text, start)
        if quoted is None:
            message = f"there is nothing to transpose before {value}; write it after an operand: x'"
            raise FormulaError(message, self.text, start, end)
        self._push("text", quoted.group()[1:-1], start, quoted.end(), operand=True)
        return quoted.end()

    def _end(self, value: str, start: int, end: int) -> None:
        if value == "\n":
            if self.open or not self.after_operand:
                return
        elif self.open:
            raise self._unclosed()
        self._push(";", value, start, end, operand=False)

    def _plain_name(self, value: str, start: int, end: int) -> str:
        """The name as Python spells keyword arguments: x₁ is x1."""
        if value.isascii():
            return value
        plain = normalize("NFKC", value)
        if not plain.isidentifier():
            message = f"{clip(value)} is not a name; names have letters, digits and underscores"
            raise FormulaError(message, self.text, start, end)
        return plain

    def _stray(self, start: int, value: str | None = None) -> FormulaError:
        stray = value or self.text[start]
        shown = stray if stray.isprintable() else f"character U+{ord(stray):04X}"
        hint = _HINTS.get(stray, "remove it")
        message = f"{shown} is not part of the language; {hint}"
        return FormulaError(message, self.text, start, start + len(stray))
