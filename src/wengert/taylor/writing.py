"""Polynomials as people write them: 1 + x + (x² − y²)/2, in ascending degree."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, lcm, log

from wengert.expr import Expr
from wengert.operations import sub, variable
from wengert.operations.structure import constant_value
from wengert.printing import matrix_latex, matrix_notation
from wengert.printing.names import latex_name, superscript, unicode_name
from wengert.taylor.exact import Monomial, Number, Polynomial

_DIGITS = 6
_PLACEHOLDER = "ξ"
_NOISE = 1e-14  # of a larger coefficient: what is left of a zero that was not computed exactly
_SUBSCRIPTS = str.maketrans("0123456789,", "₀₁₂₃₄₅₆₇₈₉‚")


@dataclass(frozen=True)
class Style:
    """What Unicode and LaTeX write differently."""

    latex: bool = False

    @property
    def minus(self) -> str:
        """The sign."""
        return "-" if self.latex else "−"

    def name(self, name: str, entry: tuple[int, ...] = ()) -> str:
        """A variable's name, or that of one entry, counted from 1."""
        separator = "," if any(i > 8 for i in entry) else ""
        index = separator.join(str(i + 1) for i in entry)
        if self.latex:
            base = latex_name(name)
            if not index:
                return base
            return f"{{{base}}}_{{{index}}}" if "_" in base else f"{base}_{{{index}}}"
        if not index:
            return unicode_name(name)
        return f"{name}[{index}]" if name[-1].isdigit() else name + index.translate(_SUBSCRIPTS)

    def power(self, base: str, exponent: int) -> str:
        """A power of a variable or of a bracket."""
        if exponent == 1:
            return base
        return f"{base}^{{{exponent}}}" if self.latex else base + superscript(exponent)

    def bracketed(self, text: str) -> str:
        """The text in round brackets."""
        return rf"\left({text}\right)" if self.latex else f"({text})"

    def number(self, value: Number) -> str:
        """A positive number: a fraction, or a decimal of six digits."""
        if isinstance(value, Fraction):
            if value.denominator == 1:
                return str(value.numerator)
            if self.latex:
                return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
            return f"{value.numerator}/{value.denominator}"
        text = f"{value:.{_DIGITS}g}"
        mantissa, _, exponent = text.partition("e")
        if not exponent:
            return text
        if self.latex:
            return rf"{mantissa}\cdot 10^{{{int(exponent)}}}"
        return f"{mantissa}·10{superscript(int(exponent))}"

    def quotient(self, above: str, below: int, *, long: bool) -> str:
        """A fraction; ``long`` numerators are put in brackets, on one line."""
        if below == 1:
            return above
        if self.latex:
            return rf"\frac{{{above}}}{{{below}}}"
        return f"({above})/{below}" if long else f"{above}/{below}"


class Printed:
    """What is written in Unicode and in LaTeX by one method."""

    def written(self, style: Style) -> str:
        """The text in a style."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.written(Style())

    def latex(self) -> str:
        """LaTeX, in matrix notation if there is one, else with indices."""
        return self.written(Style(latex=True))


def signed_sum(parts: Sequence[str], style: Style) -> str:
    """Texts added up: a sign in front of one is the sum's."""
    total = ""
    for part in parts:
        negative = part[:1] in ("−", "-")
        body = part[1:] if negative else part
        if not total:
            total = part
        elif style.latex:
            total += ("-" if negative else "+") + body
        else:
            total += (" − " if negative else " + ") + body
    return total or "0"


@dataclass(frozen=True)
class Increment:
    """x − x₀ for one scalar, as it is written: a name, or a bracket."""

    name: str
    entry: tuple[int, ...] = ()
    centre: Number | Expr = Fraction(0)

    def text(self, style: Style) -> str:
        """``x``, or ``(x − 1)``."""
        name = style.name(self.name, self.entry)
        centre = self.centre
        if isinstance(centre, Expr):
            exact = constant_value(centre)
            centre = centre if exact is None else exact
        if isinstance(centre, Expr):
            write = matrix_latex if style.latex else matrix_notation
            moved = sub(variable(_PLACEHOLDER, ()), centre)
            return style.bracketed((write(moved) or "").replace(style.name(_PLACEHOLDER), name))
        if centre == 0:
            return name
        sign = style.minus if centre > 0 else ""
        return style.bracketed(signed_sum([name, sign + style.number(abs(centre))], style))


def polynomial_text(
    terms: Sequence[Polynomial],
    increments: Sequence[Increment],
    style: Style,
    beside: Sequence[Polynomial] | None = None,
) -> str:
    """A polynomial, from its homogeneous terms in ascending degree.

    What is rounding beside the terms of ``beside``, by default the polynomial's own, is not
    written.
    """
    bases = [i.text(style) for i in increments]
    own = terms if beside is None else beside
    ones = [0.0] * len(increments)
    bounds = [_rounding(own, units) for units in (ones, [_unit(i.centre) for i in increments])]
    parts: list[str] = []
    for term in terms:
        kept = {m: c for m, c in term.items() if c and any(b(m, c) for b in bounds)}
        parts += _term_texts(kept, bases, style)
    return signed_sum(parts, style)


def _unit(centre: Number | Expr) -> float:
    """The logarithm of the size of a variable; 0 where it is not known."""
    return log(abs(centre)) if not isinstance(centre, Expr) and centre else 0.0


def _rounding(
    terms: Sequence[Polynomial], units: Sequence[float]
) -> Callable[[Monomial, Number], bool]:
    """Is a coefficient more than rounding of the others, for variables of some sizes?

    The others are those of monomials with at least its variables: what is small beside c·x may
    still be all there is of y.
    """

    def size(monomial: Monomial, value: Number) -> float:
        return log(abs(value)) + sum(e * u for e, u in zip(monomial, units, strict=True))

    largest: dict[frozenset[int], float] = {}
    for monomial, value in (pair for term in terms for pair in term.items()):
        if value:
            own = _support(monomial)
            largest[own] = max(size(monomial, value), largest.get(own, -inf))
    beside = {
        own: log(_NOISE) + max(v for other, v in largest.items() if own <= other) for own in largest
    }

    def counts(monomial: Monomial, value: Number) -> bool:
        exact = isinstance(value, Fraction)
        return exact or size(monomial, value) > beside[_support(monomial)]

    return counts


def _support(monomial: Monomial) -> frozenset[int]:
    return frozenset(k for k, e in enumerate(monomial) if e)


def _term_texts(term: Polynomial, bases: Sequence[str], style: Style) -> list[str]:
    """The monomials of one degree; over their common denominator if there are several."""
    ordered = sorted(term.items(), key=lambda item: tuple(-e for e in item[0]))
    exact = [c for _, c in ordered if isinstance(c, Fraction)]
    below = lcm(*(c.denominator for c in exact)) if exact else 1
    if len(ordered) < 2 or below == 1 or len(exact) < len(ordered):
        return [_monomial_text(m, c, bases, style) for m, c in ordered]
    sign = -1 if exact[0] < 0 else 1
    above = [(m, sign * below * c) for m, c in ordered]
    text = signed_sum([_monomial_text(m, c, bases, style) for m, c in above], style)
    quotient = style.quotient(text, below, long=True)
    return [style.minus + quotient if sign < 0 else quotient]


def _monomial_text(monomial: Monomial, value: Number, bases: Sequence[str], style: Style) -> str:
    sign = style.minus if value < 0 else ""
    size = abs(value)
    factors = [style.power(b, e) for b, e in zip(bases, monomial, strict=True) if e]
    if not factors:
        return sign + style.number(size)
    body = _side_by_side(factors, style)
    if not isinstance(size, Fraction):
        gap = r"\," if style.latex else " "
        return sign + (body if size == 1 else style.number(size) + gap + body)
    number = [str(size.numerator)] if size.numerator != 1 else []
    above = _side_by_side([*number, *factors], style)
    return sign + style.quotient(above, size.denominator, long=False)


def _side_by_side(factors: Sequence[str], style: Style) -> str:
    """Factors without anything between them, but for names of several letters."""
    plain = all(re.fullmatch(r"[^\W\d_](?:[₀-₉‚]*)[⁰-⁹²³¹]*|\(.*|\d+", f) for f in factors)
    if style.latex:
        return " ".join(factors)
    return ("" if plain else " ").join(factors)
