"""The radius of convergence: exact where it can be had, estimated elsewhere, saying which."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from wengert.expr import Expr
from wengert.taylor.univariate.closed_form import Binomial, Powers
from wengert.taylor.univariate.estimate import Estimated, estimate
from wengert.taylor.univariate.general_term import GeneralTerm, limit_of_ratio
from wengert.taylor.univariate.numbers import (
    UNIT,
    Exact,
    Number,
    expr_of,
    number_of,
    raised,
    symbols_in,
)
from wengert.taylor.univariate.singularities import Singularity, kind_at, survey
from wengert.taylor.univariate.style import Style

_AGREES = 0.03  # relative
_ROUGHLY = 0.15  # of essential singularities the coefficients tell slowly
_CLOSE = 1e-12
_SHARP = 1e-7  # an estimate by which a singularity is told from ones that are not known
_DENOMINATORS = 60


@dataclass(frozen=True)
class Radius:
    """The radius of convergence of a power series.

    Attributes
    ----------
    value : float
        The radius, infinite for entire functions; NaN if it depends on a symbol.
    kind : str
        ``"exact"`` (of the general term, or the distance of a singularity that was located), or
        ``"estimated"``.
    why : str
        How it was found.
    error : float
        Of an estimate: what it may be off by.
    text : str
        The value as it is written: ``π/2``.
    """

    value: float
    kind: Literal["exact", "estimated"]
    why: str
    error: float = 0.0
    text: str = ""

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        return f"{self.written(Style())} ({self.kind}: {self.why})"

    def written(self, style: Style) -> str:
        """The value."""
        if math.isinf(self.value):
            return r"\infty" if style.latex else "∞"
        if self.kind == "estimated" and not self.text:
            digits = 12
            if self.error > 0:
                digits = max(2, min(12, 1 - math.floor(math.log10(self.error / self.value))))
            return f"{self.value:.{digits}g}"
        if not self.text:
            return f"{self.value:.15g}"
        return _in_latex(self.text) if style.latex else self.text


def _in_latex(text: str) -> str:
    above, _, below = text.partition("/")
    above = above.replace("π", r"\pi ").strip()
    head, root, under = above.partition("√")
    if root:
        above = rf"{head}\sqrt{{{under.strip('()')}}}"
    return rf"\frac{{{above}}}{{{below}}}" if below else above


def radius_of(
    general: GeneralTerm | None,
    function: tuple[Expr, Expr, float] | None,
    floats: Callable[[], Sequence[float]],
) -> Radius:
    """The radius of convergence.

    Parameters
    ----------
    general : GeneralTerm or None
        The general term, if it is known.
    function : tuple of (Expr, Expr, float) or None
        The function, its variable and the point, if it is an expression without symbols.
    floats : callable
        The first coefficients.
    """
    if general is not None:
        found = _by_general_term(general)
        if found is not None and (general.proven or function is None):
            return found
    coefficients = floats()
    if function is not None:
        found = _by_singularities(*function, coefficients)
        if found is not None:
            return found
    guess = estimate(coefficients)
    if guess is None:
        if not any(coefficients[len(coefficients) // 3 :]):
            return Radius(math.inf, "estimated", "the coefficients seem to end", math.inf)
        return Radius(math.nan, "estimated", "too few coefficients", math.inf)
    return Radius(
        guess.value,
        "estimated",
        f"by {len(coefficients)} coefficients: {guess.method}",
        guess.error,
    )


def _by_general_term(general: GeneralTerm) -> Radius | None:
    if general.finite:
        return Radius(math.inf, "exact", "a polynomial") if general.proven else None
    radii: list[tuple[Number, int]] = []
    for c in general.components:
        if isinstance(c.closed, Binomial):
            radii.append((c.closed.ratio, c.step))
            continue
        if isinstance(c.closed, Powers):
            limit: Fraction | None = max(abs(r) for r, _ in c.closed.terms)
        elif c.recurrence is not None and c.recurrence.order == 1:
            limit = limit_of_ratio(c)
        else:
            return None
        if limit is None:
            return None
        growth: Number = Exact({c.growth: Fraction(1)}) if c.growth is not UNIT else Fraction(1)
        radii.append((growth * limit, c.step))
    limits = {(str(g), s): (g, s) for g, s in radii if g != 0}
    kind: Literal["exact", "estimated"] = "exact" if general.proven else "estimated"
    error = 0.0 if general.proven else math.nan
    source = "by the ratio of successive terms"
    source += "" if general.proven else " of the rule that was found"
    if not limits:
        return Radius(math.inf, kind, f"{source}, which tends to 0", error)
    known = [(g, s) for g, s in limits.values() if not symbols_in(g)]
    if len(known) < len(limits):
        if len(limits) > 1:
            return None
        ((growth, step),) = limits.values()
        inverse = raised(growth, Fraction(-1))
        body = f"|{inverse}|" + (f"^(1/{step})" if step > 1 else "")
        return Radius(math.nan, kind, source, error, body)
    growth, step = min(known, key=lambda g: abs(float(g[0])) ** (-1 / g[1]))
    value = abs(float(growth)) ** (-1 / step)
    text = _exact_text(growth, step) or closed_value(value)
    return Radius(value, kind, source, error, text)


def _exact_text(growth: Number, step: int) -> str:
    """|growth|^(−1/step) in writing."""
    if isinstance(growth, float):
        return ""
    positive = growth if float(growth) > 0 else -growth
    found = raised(positive, Fraction(-1, step))
    return "" if isinstance(found, float) else str(number_of(expr_of(found)))


def _by_singularities(
    expr: Expr, leaf: Expr, point: float, coefficients: Sequence[float]
) -> Radius | None:
    """The distance of the nearest singularity, if the coefficients agree that it is one."""
    known = survey(expr, leaf, point)
    guess = estimate(coefficients)
    if not known.found and known.exhaustive:
        return Radius(math.inf, "exact", "an entire function: made of entire ones")
    for s in known.found:
        kind = kind_at(expr, leaf, point, s, known.found)
        if kind == "removable":
            continue
        if _agrees(s.distance, guess, complete=known.complete, isolated=kind == "isolated"):
            return Radius(s.distance, "exact", _located(s, point), text=closed_value(s.distance))
        return None
    if known.exhaustive:
        return Radius(math.inf, "exact", "an entire function: its singularities are removable")
    return None


def _agrees(distance: float, guess: Estimated | None, *, complete: bool, isolated: bool) -> bool:
    """Do the coefficients agree with a radius? Where parts are not understood, sharply."""
    if guess is None:
        return complete and isolated
    gap, error = abs(distance / guess.value - 1), 3 * guess.error / guess.value
    if complete:
        return gap <= max(_ROUGHLY if isolated else _AGREES, error)
    return gap <= max(_SHARP, error) and error < _SHARP


def _located(s: Singularity, point: float) -> str:
    real, imaginary = s.at.real + point, abs(s.at.imag)
    if imaginary < _CLOSE * abs(s.at):
        place = _signed_value(real)
    else:
        near = abs(real) < _CLOSE * max(1.0, abs(s.at))
        top, _, bottom = closed_value(imaginary).partition("/")
        part = ("" if top == "1" else top) + "i" + (f"/{bottom}" if bottom else "")
        place = f"±{part}" if near else f"{_signed_value(real)} ± {part}"
    return f"the distance of the {s.why} at {place}"


def _signed_value(value: float) -> str:
    return ("−" if value < 0 and abs(value) > _CLOSE else "") + closed_value(abs(value))


def closed_value(value: float) -> str:
    """A positive number in closed form, if it is one of the common ones; else in decimals.

    >>> closed_value(1.5707963267948966), closed_value(2**0.5), closed_value(0.7390851332151607)
    ('π/2', '√2', '0.739085133215161')
    """
    for unit, name in ((1.0, ""), (math.pi, "π")):
        found = _simple(value / unit, _DENOMINATORS)
        if found is not None:
            top, bottom = found.numerator, found.denominator
            if not name or not top:
                return str(found)
            head = name if top == 1 else f"{top}{name}"
            return head if bottom == 1 else f"{head}/{bottom}"
    square = _simple(value * value, 10_000)
    if square is None:
        return f"{value:.15g}"
    number = square.numerator * square.denominator
    outside = max(d for d in range(1, math.isqrt(number) + 1) if number % (d * d) == 0)
    inside = number // (outside * outside)
    factor = Fraction(outside, square.denominator)
    root = f"√{inside}" if inside < 10 else f"√({inside})"
    above = (str(factor.numerator) if factor.numerator > 1 else "") + root
    return above if factor.denominator == 1 else f"{above}/{factor.denominator}"


def _simple(value: float, largest: int) -> Fraction | None:
    found = Fraction(value).limit_denominator(largest)
    return found if abs(value - float(found)) <= _CLOSE * max(1.0, abs(value)) else None
