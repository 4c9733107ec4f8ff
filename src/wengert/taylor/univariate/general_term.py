"""The general term of a power series, found from its coefficients and proven where that succeeds.

The coefficients are split by the constants in them (sin 1, cos 1) into sequences of rational
numbers; each sequence is searched for a recurrence, and the recurrence is turned into a closed
form if it has one. What is found holds for all coefficients that were computed; that it holds
for all of them is proven by the function's differential equation, or said to be unproven.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd

from wengert.errors import WengertError
from wengert.expr import Expr
from wengert.operations import mul
from wengert.taylor.univariate.closed_form import Binomial, Closed, closed_form, numbered
from wengert.taylor.univariate.numbers import UNIT, Exact, Number, raised, terms_of
from wengert.taylor.univariate.sequences import (
    Polynomial,
    Recurrence,
    holonomic,
    hypergeometric,
)

COUNT = 64  # coefficients to begin with
_FIRST_LOOK = 12
_BASIS = 4  # constants whose rational combinations the coefficients are
_DROPPED = 3  # first terms that may not follow the rule
_LONGEST = 192
_ENOUGH = 20
_BINOMIAL = 16


@dataclass(frozen=True)
class Component:
    """One part of the general term: constant · Σ bₖ growthᵏ t^{first + step·k}.

    Attributes
    ----------
    prefactor : Expr
        A constant, one for rational coefficients.
    growth : Expr
        A constant whose powers the coefficients hold, one for none: log 2 in 2ˣ.
    first, step : int
        The exponents.
    recurrence : Recurrence or None
        Of the bₖ.
    closed : Closed or None
        Their closed form.
    initial : tuple of Fraction
        The first few bₖ.
    """

    prefactor: Expr
    growth: Expr
    first: int
    step: int
    recurrence: Recurrence | None
    closed: Closed | None
    initial: tuple[Fraction, ...]

    def coefficients(self, count: int) -> dict[int, Number]:
        """The coefficients by exponent, for the first ``count`` values of k."""
        found: dict[int, Number] = {}
        values = list(self.initial)
        for k in range(count):
            if self.closed is not None:
                value: Number = self.closed.value(k)
            elif k < len(values):
                value = values[k]
            else:
                assert self.recurrence is not None
                r = self.recurrence.order
                following = self.recurrence.next(k - r, values[k - r : k])
                assert following is not None
                value = following
                values.append(value)
            number = value
            if self.prefactor is not UNIT:
                number = Exact({self.prefactor: Fraction(1)}) * number
            if self.growth is not UNIT and k:
                number = raised(Exact({self.growth: Fraction(1)}), Fraction(k)) * number
            found[self.first + self.step * k] = number
        return found


@dataclass(frozen=True)
class GeneralTerm:
    """All coefficients of a series by a rule.

    Attributes
    ----------
    components : tuple of Component
        Their sum is the series, with ``single``.
    single : dict of int to Number
        Terms that stand alone, by exponent.
    proven : bool
        Is it proven for all terms? Otherwise it was found from, and holds for, those checked.
    checked : int
        How many coefficients were compared.
    why : str
        How it is known.
    """

    components: tuple[Component, ...]
    single: Mapping[int, Number]
    proven: bool
    checked: int
    why: str

    @property
    def closed(self) -> bool:
        """Has each component a closed form, rather than a recurrence?"""
        return all(c.closed is not None for c in self.components)

    @property
    def finite(self) -> bool:
        """Is the series a polynomial?"""
        return not self.components


Prover = Callable[[Sequence[Polynomial], int, int, Mapping[int, Number], Expr], bool]


PowerProver = Callable[[int, int, Number, Number], bool]


def find(
    coefficient: Callable[[int], Number],
    prove: Prover | None,
    prove_power: PowerProver | None = None,
) -> GeneralTerm | None:
    """The general term of a series; None if no rule was found.

    Parameters
    ----------
    coefficient : callable
        n to the exact coefficient aₙ.
    prove : callable or None
        ``prove(polynomials of n, step, first, single terms, growth)``: is the recurrence proven?
    prove_power : callable or None
        ``prove_power(step, first, ratio, top)``: is the function c tˢ (1 + ratio·tᵐ) ** top?
    """
    look = [coefficient(n) for n in range(_FIRST_LOOK)]
    if any(isinstance(a, float) for a in look):
        return None
    basis = {m for a in look for m in terms_of(a)}  # type: ignore[arg-type]
    geometric = len(basis) > _BASIS
    if geometric and any(isinstance(a, Exact) and len(a.terms) > 1 for a in look):
        return _binomial(coefficient, prove_power)
    count = COUNT if not geometric else COUNT // 2
    values = [coefficient(n) for n in range(count)]
    support = [n for n, a in enumerate(values) if a != 0]
    step = gcd(*(n - support[0] for n in support)) if support else 0
    if step > 2 and not geometric:
        values = [coefficient(n) for n in range(min(_LONGEST, _ENOUGH * step + support[0]))]
    parts = [_geometric(values)] if geometric else _split(values)
    if any(p is None for p in parts):
        return None
    components: list[Component] = []
    single: dict[int, Number] = {}
    for part in parts:
        assert part is not None
        found = _component(*part)
        if found is None:
            return None
        component, alone = found
        for n, value in alone.items():
            single[n] = single.get(n, Fraction(0)) + value
        if component is not None:
            components.append(component)
    return _judged(components, single, values, prove)


def _binomial(
    coefficient: Callable[[int], Number], prove: PowerProver | None
) -> GeneralTerm | None:
    """Coefficients c binom(top, k) ratioᵏ with symbols: those of (1 + ratio·t) ** top."""
    values = [coefficient(n) for n in range(_BINOMIAL)]
    support = [n for n, a in enumerate(values) if a != 0]
    steps = {b - a for a, b in pairwise(support)}
    if len(steps) != 1 or len(support) < 6:
        return None
    (step,), first = steps, support[0]
    b = [values[n] for n in support]
    try:
        slope = b[1] / b[0]
        ratio = slope - b[2] / b[1] * Fraction(2)
        top = slope / ratio
    except WengertError:
        return None
    front = b[0]
    if isinstance(front, float) or len(terms_of(front)) != 1:
        return None
    ((prefactor, constant),) = terms_of(front).items()
    if any(
        after * Fraction(k + 1) != before * ratio * (top - k)
        for k, (before, after) in enumerate(pairwise(b))
    ):
        return None
    component = Component(prefactor, UNIT, first, step, None, Binomial(constant, top, ratio), ())
    proven = prove is not None and prove(step, first, ratio, top)
    return GeneralTerm((component,), {}, proven, len(values), _why(proven, len(values)))


Part = tuple[Expr, Expr, dict[int, Fraction], int]


def _split(values: Sequence[Number]) -> list[Part | None]:
    found: dict[Expr, dict[int, Fraction]] = {}
    for n, value in enumerate(values):
        assert not isinstance(value, float)
        for m, q in terms_of(value).items():
            found.setdefault(m, {})[n] = q
    if len(found) > _BASIS:
        return [None]
    return [(m, UNIT, own, len(values)) for m, own in found.items()]


def _geometric(values: Sequence[Number]) -> Part | None:
    """aₙ = qₙ · prefactor · growthᵏ."""
    support = [n for n, a in enumerate(values) if a != 0]
    monomials: list[Expr] = []
    rational: dict[int, Fraction] = {}
    for n in support:
        value = values[n]
        assert not isinstance(value, float)
        terms = terms_of(value)
        if len(terms) > 1:
            return None
        ((m, q),) = terms.items()
        monomials.append(m)
        rational[n] = q
    try:
        growth = Exact({monomials[1]: Fraction(1)}) / Exact({monomials[0]: Fraction(1)})
    except WengertError:
        return None
    if not isinstance(growth, Exact) or list(growth.terms.values()) != [1]:
        return None
    (g,) = growth.terms
    for before, after in pairwise(monomials):
        if mul(before, g) is not after:
            return None
    steps = {b - a for a, b in pairwise(support)}
    return (monomials[0], g, rational, len(values)) if len(steps) == 1 else None


def _component(
    prefactor: Expr, growth: Expr, own: Mapping[int, Fraction], count: int
) -> tuple[Component | None, dict[int, Number]] | None:
    """The rule of one sequence of rational numbers, and its terms that stand alone."""
    support = sorted(own)
    last = support[-1]
    if 3 * last < count and growth is UNIT:
        return None if len(support) > count // 3 else (None, _scaled(own, support, prefactor))
    for dropped in range(_DROPPED + 1):
        rest = support[dropped:]
        steps = {b - a for a, b in pairwise(rest)}
        if len(steps) != 1 or len(rest) < _ENOUGH // 2 + dropped:
            continue
        (step,) = steps
        terms = [own[n] for n in rest]
        recurrence = hypergeometric(terms)
        closed = closed_form(terms, recurrence)
        closed = closed or (numbered(terms, rest[0], step) if recurrence is None else None)
        if closed is not None or recurrence is not None:
            if growth is not UNIT and dropped:
                return None
            found = Component(
                prefactor, growth, rest[0], step, recurrence, closed, tuple(terms[:8])
            )
            return found, _scaled(own, support[:dropped], prefactor)
    return _by_recurrence(prefactor, growth, own, count)


def _scaled(own: Mapping[int, Fraction], exponents: Sequence[int], m: Expr) -> dict[int, Number]:
    return {n: own[n] if m is UNIT else Exact({m: own[n]}) for n in exponents}


def _by_recurrence(
    prefactor: Expr, growth: Expr, own: Mapping[int, Fraction], count: int
) -> tuple[Component, dict[int, Number]] | None:
    first = min(own)
    step = gcd(*(n - first for n in own)) or 1
    terms = [own.get(n, Fraction(0)) for n in range(first, count, step)]
    recurrence = holonomic(terms)
    if recurrence is None:
        return None
    closed = closed_form(terms, recurrence)
    return (
        Component(prefactor, growth, first, step, recurrence, closed, tuple(terms[:12])),
        {},
    )


# ---------------------------------------------------------------- proof


def _judged(
    components: list[Component],
    single: dict[int, Number],
    values: Sequence[Number],
    prove: Prover | None,
) -> GeneralTerm:
    polynomials = {_in_exponent(c) for c in components}
    proven = False
    if prove is not None and len(polynomials) == 1 and None not in polynomials:
        (agreed,) = polynomials
        assert agreed is not None
        first = min(c.first for c in components)
        proven = prove(agreed, components[0].step, first, single, components[0].growth)
    if not components:
        degree = max(single, default=0)
        zero: tuple[Polynomial, ...] = ((Fraction(1),),)
        proven = prove is not None and prove(zero, 1, degree + 1, single, UNIT)
    count = len(values)
    return GeneralTerm(tuple(components), single, proven, count, _why(proven, count))


def _why(proven: bool, count: int) -> str:
    if proven:
        return "proven: the function satisfies the differential equation of the recurrence"
    return f"found from the coefficients and checked on {count} of them, not proven"


def _in_exponent(component: Component) -> tuple[Polynomial, ...] | None:
    """The recurrence's polynomials as functions of the exponent n = first + step·k."""
    if component.recurrence is None:
        return None
    found: list[list[Fraction]] = []
    for p in component.recurrence.polynomials:
        total = [Fraction(0)]
        for c in reversed(p):  # Horner, with k = (n − first)/step
            shifted = [Fraction(0), *(t / component.step for t in total)]
            for i, t in enumerate(total):
                shifted[i] -= t * Fraction(component.first, component.step)
            shifted[0] += c
            total = shifted
        while len(total) > 1 and not total[-1]:
            total.pop()
        found.append(total)
    leading = found[-1][-1]
    return tuple(tuple(x / leading for x in p) for p in found)


def limit_of_ratio(component: Component) -> Fraction | None:
    """lim |bₖ₊₁/bₖ| of a recurrence of order 1: 0 for entire series, None for divergent ones."""
    assert component.recurrence is not None
    lower, upper = component.recurrence.polynomials
    if len(lower) > len(upper):
        return None
    return abs(lower[-1] / upper[-1]) if len(lower) == len(upper) else Fraction(0)
