"""Series in writing: the first terms, the general term or the recurrence, where they converge."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from wengert.taylor.univariate.closed_form import Factored, Numbered
from wengert.taylor.univariate.general_term import Component, GeneralTerm
from wengert.taylor.univariate.numbers import UNIT, Exact, Number, number_of
from wengert.taylor.univariate.sequences import Polynomial, Recurrence
from wengert.taylor.univariate.style import Style, linear

if TYPE_CHECKING:
    from wengert.taylor.univariate.radius import Radius

_LOOKED = 40  # coefficients, for the first terms


def base_text(name: str, point: Number, style: Style) -> str:
    """x − x₀ in brackets, x if x₀ is 0."""
    letter = style.name(name)
    if point == 0:
        return letter
    sign, above, below = style.number(point)
    size = style.quotient(above, below)
    return style.bracket(f"{letter} {style.minus if sign > 0 else '+'} {size}")


def term_text(value: Number, base: str, exponent: int, style: Style) -> tuple[int, str]:
    """The sign of a term, and the rest of it."""
    sign, above, below = style.number(value)
    if exponent:
        above = [*above, style.power(base, str(exponent))]
    return sign, style.quotient(above, below)


def polynomial_text(
    coefficient: Callable[[int], Number],
    base: str,
    style: Style,
    *,
    degree: int,
    terms: int | None = None,
) -> str:
    """The terms up to a degree, the first few of them if so asked, with dots for the rest."""
    text = ""
    count = 0
    for n in range(degree + 1):
        value = coefficient(n)
        if value == 0:
            continue
        if terms is not None and count == terms:
            return f"{text} + {style.dots}" if count else style.dots
        sign, body = term_text(value, base, n, style)
        joint = f" {style.minus if sign < 0 else '+'} " if text else style.minus if sign < 0 else ""
        text += joint + body
        count += 1
    return text or "0"


def general_text(general: GeneralTerm, base: str, style: Style) -> str | None:
    """Σ of the closed forms, with the terms that stand alone; None if one has no closed form."""
    if not general.closed or general.finite:
        return None
    alone = sorted(general.single)
    text = ""
    if alone:
        text = polynomial_text(
            lambda n: general.single.get(n, Fraction(0)), base, style, degree=alone[-1]
        )
    for component in general.components:
        sign, body = _sum_text(component, base, style)
        joint = f" {style.minus if sign < 0 else '+'} " if text else style.minus if sign < 0 else ""
        text += joint + body
    return text


def _sum_text(component: Component, base: str, style: Style) -> tuple[int, str]:
    closed = component.closed
    assert closed is not None
    start, first, step = 0, component.first, component.step
    if isinstance(closed, Numbered) and closed.movable and component.growth is UNIT:
        start = closed.index[1] // closed.index[0]
        closed, first = closed.moved(start), first - step * start
    elif closed.movable and first % step == 0 and first > 0 and component.growth is UNIT:
        moved = closed.moved(first // step)
        if not isinstance(closed, Factored) or _is_simpler(moved, closed):
            closed, start, first = moved, first // step, 0
    sign, front = 1, ""
    if component.prefactor is not UNIT:
        if isinstance(closed, Factored):
            number: Number = Exact({component.prefactor: abs(closed.constant)})
            sign = -1 if closed.constant < 0 else 1
            closed = Factored(
                Fraction(1), closed.ratio, closed.linear, closed.factorials, closed.rising,
                closed.binomial,
            )  # fmt: skip
        else:
            number = Exact({component.prefactor: Fraction(1)})
        _, above, below = style.number(number)
        front = style.quotient(above, below) + " "
    parts = closed.parts(style)
    above, below = list(parts.above), list(parts.below)
    if component.growth is not UNIT:
        _, g, h = style.number(number_of(component.growth))
        for side, factors in ((above, g), (below, h)):
            side += [style.power(style.atom(f), "k") for f in factors]
    exponent = linear(step, first, style)
    if component.step or first:
        above.append(style.power(base, exponent))
    body = style.quotient(above, below)
    if parts.sign:
        sign = -sign
    return sign, front + style.sum(start, body)


def _is_simpler(one: object, other: Factored) -> bool:
    """Fewer shifts."""
    if not isinstance(one, Factored):
        return False

    def shifts(form: Factored) -> int:
        return sum(abs(q) for _, q in (*form.linear, *form.factorials))

    return not any(q < 0 for _, q in one.factorials) and shifts(one) < shifts(other)


# ---------------------------------------------------------------- recurrences


def recurrence_text(general: GeneralTerm, style: Style) -> str | None:
    """The recurrence of the coefficients: ``aₙ₊₂ = aₙ₊₁ + aₙ``; None if there is none to write."""
    found = [c for c in general.components if c.recurrence is not None]
    if len(general.components) != 1 or not found or general.single:
        return None
    component = found[0]
    assert component.recurrence is not None
    name, body = _recurrence(component.recurrence, component, style)
    return f"{name} = {body}"


def _recurrence(recurrence: Recurrence, component: Component, style: Style) -> tuple[str, str]:
    step, first = component.step, component.first
    plain = step == 1 and first == 0
    letter = "n" if plain else "k"

    def term(j: int) -> str:
        index = linear(1, j, style, letter) if plain else linear(step, first + step * j, style)
        return style.indexed("a", index)

    top = recurrence.polynomials[-1]
    pieces: list[str] = []
    for j in range(recurrence.order - 1, -1, -1):
        p = recurrence.polynomials[j]
        if any(p):
            sign, text = _coefficient(tuple(-c for c in p), letter, style)
            joint = (
                f" {style.minus if sign < 0 else '+'} "
                if pieces
                else style.minus
                if sign < 0
                else ""
            )
            pieces.append(joint + (f"{text} " if text else "") + term(j))
    body = "".join(pieces)
    _, divisor = _coefficient(top, letter, style)
    if divisor and style.latex:
        body = rf"\frac{{{body}}}{{{divisor.removeprefix('(').removesuffix(')')}}}"
    elif divisor:
        body = (f"({body})" if len(pieces) > 1 else body) + f"/{divisor}"
    return term(recurrence.order), body


def _coefficient(polynomial: Polynomial, letter: str, style: Style) -> tuple[int, str]:
    """Sign and size of a polynomial factor; the factor one is empty."""
    sign = -1 if polynomial[-1] < 0 else 1
    values = [c * sign for c in polynomial]
    if len(values) == 1:
        return sign, "" if values[0] == 1 else str(values[0])
    text = ""
    for power in range(len(values) - 1, -1, -1):
        c = values[power]
        if not c:
            continue
        _, above, below = style.number(abs(c))
        factors = [*above, *([style.power(letter, str(power))] if power else [])]
        body = style.quotient(factors, below)
        text += (f" {style.minus if c < 0 else '+'} " if text else "") + body
    return sign, text if text == letter else f"({text})"


# ---------------------------------------------------------------- the whole


def region_text(name: str, point: Number, radius: Radius, style: Style) -> str:
    """``|x − 1| < 2 (exact)``."""
    inner = base_text(name, point, style)
    if point != 0:
        inner = (
            inner.removeprefix(r"\left").removeprefix("(").removesuffix(")").removesuffix(r"\right")
        )
    return f"|{inner}| < {radius.written(style)}"


def series_text(
    coefficient: Callable[[int], Number],
    name: str,
    point: Number,
    general: GeneralTerm | None,
    radius: Radius,
    terms: int,
    style: Style,
) -> str:
    """The series in one line."""
    base = base_text(name, point, style)
    finite = general is not None and general.finite
    degree = max(general.single, default=0) if finite and general is not None else _LOOKED
    head = polynomial_text(coefficient, base, style, degree=degree, terms=None if finite else terms)
    if not finite and not head.endswith(style.dots):
        head += f" + {style.dots}"
    parts = [head]
    if general is not None and not finite:
        whole = general_text(general, base, style)
        doubt = (
            "" if general.proven else r"\;\text{(not proven)}" if style.latex else " (not proven)"
        )
        if whole is not None:
            parts[0] += f" = {whole}{doubt}"
        else:
            rule = recurrence_text(general, style)
            if rule is not None:
                parts.append(rule + doubt)
    kind = rf"\;\text{{({radius.kind})}}" if style.latex else f" ({radius.kind})"
    if not math.isnan(radius.value) or radius.text:
        parts.append(region_text(name, point, radius, style) + kind)
    return (r",\quad " if style.latex else ",  ").join(parts)
