"""Closed forms of sequences of rational numbers, as textbooks write them.

A sequence whose successive terms have a rational ratio c Π(k + αᵢ)/Π(k + βⱼ) is
b₀ cᵏ Π(αᵢ)ₖ/Π(βⱼ)ₖ with rising factorials (α)ₖ; those are turned into factorials, binomial
coefficients and linear factors. A linear recurrence with constant coefficients and rational
roots gives sums of powers; numbers of Bernoulli and Euler are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import comb, factorial, gcd, prod

from wengert.taylor.univariate.numbers import Exact, Number
from wengert.taylor.univariate.sequences import (
    Polynomial,
    Rationals,
    Recurrence,
    constant_recurrence,
    evaluate,
    hypergeometric,
    null_vector,
    rational_roots,
    translated,
)
from wengert.taylor.univariate.style import Style, linear

HALF = Fraction(1, 2)
_LONGEST = 12  # shifts of rising factorials that are written as linear factors


@dataclass(frozen=True)
class Parts:
    """The factors of a term above and below the fraction line, signs apart."""

    sign: str
    above: list[str]
    below: list[str]


@dataclass(frozen=True)
class Factored:
    """A product: constant · ratioᵏ · linear factors · factorials · rising factorials · binomial.

    Attributes
    ----------
    constant, ratio : Fraction
        The factors of no and of every k.
    linear : dict
        Exponents of the factors p k + q, by ``(p, q)``.
    factorials : dict
        Exponents of (p k + q)!, by ``(p, q)``.
    rising : dict
        Exponents of (α)ₖ = α (α + 1) ··· (α + k − 1), by α.
    binomial : Fraction or None
        The a of a factor binom(a, k).
    """

    constant: Fraction
    ratio: Fraction
    linear: dict[tuple[int, int], int]
    factorials: dict[tuple[int, int], int]
    rising: dict[Fraction, int]
    binomial: Fraction | None = None

    def value(self, k: int) -> Fraction:
        """The term."""
        total = self.constant * self.ratio**k
        for (p, q), e in self.linear.items():
            total *= Fraction(p * k + q) ** e
        for (p, q), e in self.factorials.items():
            total *= Fraction(factorial(p * k + q)) ** e
        for alpha, e in self.rising.items():
            total *= prod((alpha + i for i in range(k)), start=Fraction(1)) ** e
        if self.binomial is not None:
            total *= prod(((self.binomial - i) / (i + 1) for i in range(k)), start=Fraction(1))
        return total

    def moved(self, by: int) -> Factored:
        """The same terms, counted from k = ``by``."""
        return Factored(
            self.constant / self.ratio**by,
            self.ratio,
            {(p, q - p * by): e for (p, q), e in self.linear.items()},
            {(p, q - p * by): e for (p, q), e in self.factorials.items()},
            self.rising,
            self.binomial,
        )

    @property
    def movable(self) -> bool:
        """May k begin elsewhere?"""
        return not self.rising and self.binomial is None

    def parts(self, style: Style) -> Parts:
        """The factors."""
        above: list[str] = []
        below: list[str] = []
        constant, ratio = self.constant, self.ratio
        sign = style.minus if constant < 0 else ""
        if ratio < 0 and ratio.numerator == -1:
            above.append(style.power(f"({style.minus}1)", "k+1" if sign else "k"))
            sign, ratio = "", -ratio
        self._numbers(abs(constant), ratio, above, below, style)
        for (p, q), e in sorted(self.linear.items()):
            text = linear(p, q, style)
            text = text if text.isalnum() and abs(e) == 1 else f"({text})"
            (above if e > 0 else below).append(style.power(text, str(abs(e))))
        if self.binomial is not None:
            above.append(style.binomial(str(self.binomial), "k"))
        for alpha, e in sorted(self.rising.items()):
            text = f"({alpha})_k"
            (above if e > 0 else below).append(
                text if abs(e) == 1 else style.power(f"({text})", str(abs(e)))
            )
        for (p, q), e in sorted(self.factorials.items()):
            text = style.factorial(linear(p, q, style))
            text = text if abs(e) == 1 else style.power(f"({text})", str(abs(e)))
            (above if e > 0 else below).append(text)
        return Parts(sign, above, below)

    @staticmethod
    def _numbers(
        constant: Fraction, ratio: Fraction, above: list[str], below: list[str], style: Style
    ) -> None:
        for side, number, base in (
            (above, constant.numerator, ratio.numerator),
            (below, constant.denominator, ratio.denominator),
        ):
            if base != 1 and number == base:
                side.append(style.power(str(base), "k+1"))
                continue
            if number != 1:
                side.insert(0, str(number))
            if base != 1:
                written = f"({style.minus}{-base})" if base < 0 else str(base)
                side.append(style.power(written, "k"))


@dataclass(frozen=True)
class Powers:
    """Σ p(k) ρᵏ, with polynomials p."""

    terms: tuple[tuple[Fraction, Polynomial], ...]

    movable = True

    def moved(self, by: int) -> Powers:
        """The same terms, counted from k = ``by``."""
        return Powers(
            tuple((r, tuple(c / r**by for c in translated(p, -by))) for r, p in self.terms)
        )

    def value(self, k: int) -> Fraction:
        """The term."""
        return sum((evaluate(p, k) * r**k for r, p in self.terms), Fraction(0))

    def parts(self, style: Style) -> Parts:
        """The factors: one bracket."""
        text = ""
        for ratio, polynomial in sorted(self.terms, key=lambda t: (t[1][-1] < 0, -abs(t[0]))):
            for power in range(len(polynomial) - 1, -1, -1):
                c = polynomial[power]
                if c:
                    text += _signed(c, ratio, power, style, first=not text)
        return Parts("", [f"({text})"], [])


def _signed(c: Fraction, ratio: Fraction, power: int, style: Style, *, first: bool) -> str:
    linear_part = {(1, 0): power} if power else {}
    parts = Factored(abs(c), ratio, linear_part, {}, {}).parts(style)
    text = style.quotient(parts.above, parts.below)
    if first:
        return (style.minus if c < 0 else "") + text
    return f" {style.minus if c < 0 else '+'} {text}"


@dataclass(frozen=True)
class Numbered:
    """A closed form times Bₙ/n!, with n = pk + q for the index (p, q); B is Bernoulli's or Euler's.

    It may be over a further linear factor.
    """

    name: str
    index: tuple[int, int]
    factor: Factored | Powers
    over: tuple[int, int] | None = None

    @property
    def movable(self) -> bool:
        """May k begin elsewhere?"""
        return self.factor.movable

    def moved(self, by: int) -> Numbered:
        """The same terms, counted from k = ``by``."""
        p, q = self.index
        over = None if self.over is None else (self.over[0], self.over[1] - self.over[0] * by)
        return Numbered(self.name, (p, q - p * by), self.factor.moved(by), over)

    def value(self, k: int) -> Fraction:
        """The term."""
        n = self.index[0] * k + self.index[1]
        value = self.factor.value(k) * _NUMBERS[self.name](n) / factorial(n)
        return value if self.over is None else value / (self.over[0] * k + self.over[1])

    def parts(self, style: Style) -> Parts:
        """The factors."""
        parts = self.factor.parts(style)
        index = linear(*self.index, style)
        number = style.indexed(self.name, index)
        below = [style.factorial(index)]
        if self.over is not None:
            below.insert(0, f"({linear(*self.over, style)})")
        return Parts(parts.sign, [*parts.above, number], [*parts.below, *below])


@dataclass(frozen=True)
class Binomial:
    """constant · binom(top, k) ratioᵏ, with symbols in the top and the ratio."""

    constant: Fraction
    top: Number
    ratio: Number

    movable = False

    def moved(self, by: int) -> Binomial:
        """Not to be moved."""
        raise ValueError("a binomial series begins at k = 0")

    def value(self, k: int) -> Number:
        """The term."""
        total: Number = self.constant
        for i in range(k):
            total = total * self.ratio * (self.top - i) / Fraction(i + 1)
        return total

    def parts(self, style: Style) -> Parts:
        """The factors."""
        sign, above, below = style.number(self.constant)
        signed, *factors = style.number(self.ratio)
        if signed < 0:
            above.append(style.power(f"({style.minus}1)", "k"))
        for side, texts in zip((above, below), factors, strict=True):
            side += [style.power(style.atom(t), "k") for t in texts]
        top = style.constant(self.top) if isinstance(self.top, Exact) else str(self.top)
        return Parts(style.minus if sign < 0 else "", [*above, style.binomial(top, "k")], below)


Closed = Factored | Powers | Numbered | Binomial

# ---------------------------------------------------------------- from recurrences


def closed_form(terms: Rationals, recurrence: Recurrence | None) -> Closed | None:
    """A closed form of a sequence, which gives every one of its known terms; None if none is known.

    Parameters
    ----------
    terms : sequence of Fraction
        The terms from k = 0 on.
    recurrence : Recurrence or None
        What they satisfy.
    """
    found: Closed | None = None
    if recurrence is not None and recurrence.order == 1:
        found = _factored(terms[0], *recurrence.polynomials)
    elif recurrence is not None and recurrence.constant:
        found = _powers(terms, recurrence)
    if found is not None and all(found.value(k) == t for k, t in enumerate(terms)):
        return found
    return None


def _factored(first: Fraction, lower: Polynomial, upper: Polynomial) -> Factored | None:
    """b₀ Π of ratios −lower/upper."""
    above, below = rational_roots(lower), rational_roots(upper)
    if above is None or below is None:
        return None
    ratio = -lower[-1] / upper[-1]
    alphas, betas = [-r for r in above], [-r for r in below]
    special = [a for a in alphas if a.denominator > 1 and a != HALF]
    if betas == [1] and len(alphas) == 1 and special:
        return Factored(first, -ratio, {}, {}, {}, -alphas[0])
    return _Reduction(first, ratio).run(alphas, betas)


class _Reduction:
    """Rising factorials as factorials and linear factors."""

    def __init__(self, constant: Fraction, ratio: Fraction) -> None:
        self.constant = constant
        self.ratio = ratio
        self.linear: dict[tuple[int, int], int] = {}
        self.factorials: dict[tuple[int, int], int] = {}
        self.rising: dict[Fraction, int] = {}

    def run(self, alphas: Sequence[Fraction], betas: Sequence[Fraction]) -> Factored | None:
        classes: dict[Fraction, dict[Fraction, int]] = {}
        for values, sign in ((alphas, 1), (betas, -1)):
            for value in values:
                own = classes.setdefault(value % 1, {})
                own[value] = own.get(value, 0) + sign
        whole = half = 0
        for residue, own in classes.items():
            if residue == 0 and any(a <= 0 for a in own):
                return None  # the sequence ends, or the recurrence does not determine it
            base = min(own) if residue.denominator > 4 else residue or Fraction(1)
            if any(abs(a - base) > _LONGEST for a in own):
                return None
            for alpha, exponent in own.items():
                self._shift(alpha, base, exponent)
            net = sum(own.values())
            if residue == 0:
                whole = net
            elif residue == HALF:
                half = net
            elif net:
                self.rising[base] = net
        self.ratio /= Fraction(4) ** half
        self._count(self.factorials, (2, 0), half)
        self._count(self.factorials, (1, 0), whole - half)
        self._multiplied(3, 27, 1)
        self._multiplied(4, 64, 2)
        self._absorb()
        return Factored(self.constant, self.ratio, self.linear, self.factorials, self.rising)

    def _shift(self, alpha: Fraction, base: Fraction, exponent: int) -> None:
        """(α)ₖ = (base)ₖ Π (k + i)/i, i from base up to α."""
        steps = int(alpha - base)
        low, sign = (base, exponent) if steps > 0 else (alpha, -exponent)
        for i in range(abs(steps)):
            value = low + i
            self.constant /= value**sign
            self._multiply(value, sign)

    def _multiply(self, value: Fraction, exponent: int) -> None:
        """A factor (k + value)^exponent."""
        self.constant /= Fraction(value.denominator) ** exponent
        self._count(self.linear, (value.denominator, value.numerator), exponent)

    def _multiplied(self, p: int, ratio: int, less: int) -> None:
        """(1/p)ₖ (1 − 1/p)ₖ is (pk)!/(ratioᵏ (less·k)!)."""
        low, high = Fraction(1, p), Fraction(p - 1, p)
        e = self.rising.get(low, 0)
        if e and e == self.rising.get(high, 0):
            del self.rising[low], self.rising[high]
            self.ratio /= Fraction(ratio) ** e
            self._count(self.factorials, (p, 0), e)
            self._count(self.factorials, (less, 0), -e)

    @staticmethod
    def _count(counts: dict[tuple[int, int], int], key: tuple[int, int], by: int) -> None:
        total = counts.get(key, 0) + by
        if total:
            counts[key] = total
        else:
            counts.pop(key, None)

    def _absorb(self) -> None:
        """(2k)! (2k + 1) is (2k + 1)!."""
        changed = True
        while changed:
            changed = False
            for (p, q), e in list(self.factorials.items()):
                sign = 1 if e > 0 else -1
                content = gcd(p, q + 1)
                following = (p // content, (q + 1) // content)
                if self.linear.get(following, 0) * sign > 0:
                    self._count(self.linear, following, -sign)
                    self._count(self.factorials, (p, q), -sign)
                    self._count(self.factorials, (p, q + 1), sign)
                    self.constant /= Fraction(content) ** sign
                    changed = True
                    break


def _powers(terms: Rationals, recurrence: Recurrence) -> Powers | None:
    roots = rational_roots(tuple(p[0] for p in recurrence.polynomials))
    if roots is None or 0 in roots:
        return None
    basis = [(r, i) for r in dict.fromkeys(roots) for i in range(roots.count(r))]
    rows = [
        [*(Fraction(k) ** i * r**k for r, i in basis), -terms[k]] for k in range(len(basis) + 1)
    ]
    found = null_vector(rows)
    if found is None or not found[-1]:
        return None
    weights = {b: w / found[-1] for b, w in zip(basis, found, strict=False)}
    return Powers(
        tuple(
            (r, tuple(weights[r, i] for i in range(roots.count(r)))) for r in dict.fromkeys(roots)
        )
    )


# ---------------------------------------------------------------- Bernoulli and Euler


@cache
def bernoulli(n: int) -> Fraction:
    """The number Bₙ of Bernoulli, B₁ = −1/2."""
    if n > 1 and n % 2:
        return Fraction(0)
    if n == 0:
        return Fraction(1)
    for m in range(0, n, 2 if n > 1 else 1):  # in order, so that the recursion stays flat
        bernoulli(m)
    return -sum((comb(n + 1, j) * bernoulli(j) for j in range(n)), Fraction(0)) / (n + 1)


@cache
def euler(n: int) -> Fraction:
    """The number Eₙ of Euler, the coefficients of 1/cosh."""
    if n % 2:
        return Fraction(0)
    if n == 0:
        return Fraction(1)
    for m in range(0, n, 2):
        euler(m)
    return -sum((comb(n, j) * euler(j) for j in range(0, n, 2)), Fraction(0))


_NUMBERS = {"B": bernoulli, "E": euler}


def numbered(terms: Rationals, first: int, step: int) -> Numbered | None:
    """Terms at the exponents first + step·k, by the numbers of Bernoulli or Euler."""
    for name, numbers in _NUMBERS.items():
        for shift in (0, 1):
            n = [first + shift + step * k for k in range(len(terms))]
            values = [numbers(i) for i in n]
            if not all(values) or not all(terms):
                continue
            rest = [t * factorial(i) / v for t, i, v in zip(terms, n, values, strict=True)]
            recurrence = hypergeometric(rest)
            factor = closed_form(rest, recurrence)
            if isinstance(factor, Factored):
                return Numbered(name, (step, first + shift), factor)
            for over in (None, (step, first)):
                weighted = (
                    rest if over is None else [r * (step * k + first) for k, r in enumerate(rest)]
                )
                factor = closed_form(weighted, constant_recurrence(weighted))
                if isinstance(factor, Powers):
                    return Numbered(name, (step, first + shift), factor, over)
    return None
