"""Power series whose coefficients are computed when they are asked for, each one once.

A series is the list of its coefficients from an exponent ``start`` on. A coefficient is computed
from those of other series, or from the series' own earlier ones: ``needs`` says which, and
:func:`ensure` computes them in the right order without recursion, so that any coefficient can be
asked for. Coefficients are fractions, exact numbers or floats: the recurrences are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from wengert.errors import ConvergenceError, DomainError
from wengert.taylor.univariate.numbers import Number, raised

Need = tuple["Lazy", int]
_BEFORE = 3  # coefficients before, with which an error is compared: single ones may be zero
_LOST = 1e-3
VALUATION_LIMIT = 128  # a denominator that vanishes to this order is taken for zero
ZERO = Fraction(0)


class Lazy:
    """A series Σ cₙ tⁿ from n = ``start`` on.

    Attributes
    ----------
    start : int
        Coefficients before it are zero.
    known : list of Number
        The coefficients that were computed, from ``start`` on.
    support : list of int
        The positions in ``known`` that are not zero.
    """

    def __init__(self, start: int = 0, known: Sequence[Number] = ()) -> None:
        self.start = start
        self.known: list[Number] = []
        self.support: list[int] = []
        for value in known:
            self.append(value)

    def append(self, value: Number) -> None:
        """Note the next coefficient."""
        if value != 0:
            self.support.append(len(self.known))
        self.known.append(value)

    def needs(self, k: int) -> Sequence[Need]:
        """The series, and the exponents up to which they must be known, for position k."""
        return ()

    def step(self, k: int) -> Number:
        """The coefficient at position k, all before it and all needs being known."""
        return ZERO

    def __getitem__(self, exponent: int) -> Number:
        if exponent < self.start:
            return ZERO
        ensure(self, exponent)
        return self.known[exponent - self.start]

    def known_to(self, count: int) -> None:
        """Compute the coefficients up to an exponent."""
        ensure(self, count - 1)

    def at(self, exponent: int) -> Number:
        """A coefficient that is known already."""
        return self.known[exponent - self.start] if exponent >= self.start else ZERO

    def valuation(self, limit: int = VALUATION_LIMIT) -> int | None:
        """The exponent of the first term that is not zero; None if there is none up to a limit."""
        for exponent in range(self.start, limit + 1):
            if self[exponent] != 0:
                return exponent
        return None


def ensure(series: Lazy, exponent: int) -> None:
    """Compute the coefficients of a series up to an exponent.

    Raises
    ------
    DomainError
        If a coefficient depends on itself: a differential equation that is singular at the point.
    """
    stack = [(series, exponent)]
    active = {series}
    while stack:
        top, wanted = stack[-1]
        position = len(top.known)
        if top.start + position > wanted:
            active.discard(top)
            stack.pop()
            continue
        missing = next(
            ((s, e) for s, e in top.needs(position) if s.start + len(s.known) <= e), None
        )
        if missing is None:
            top.append(top.step(position))
            continue
        if missing[0] in active:
            raise DomainError("the differential equation of the function is singular at the point")
        active.add(missing[0])
        stack.append(missing)


def constant(value: Number) -> Lazy:
    """The series of a constant."""
    return Lazy(0, [value])


class Combination(Lazy):
    """Σ q s."""

    def __init__(self, terms: Sequence[tuple[Number, Lazy]]) -> None:
        super().__init__(min(s.start for _, s in terms))
        self.terms = terms

    def needs(self, k: int) -> Sequence[Need]:
        return [(s, self.start + k) for _, s in self.terms]

    def step(self, k: int) -> Number:
        total: Number = ZERO
        for q, s in self.terms:
            value = s.at(self.start + k)
            if value != 0:
                total = total + value * q
        return total


class Product(Lazy):
    """The product of two series."""

    def __init__(self, one: Lazy, other: Lazy) -> None:
        super().__init__(one.start + other.start)
        self.one = one
        self.other = other

    def needs(self, k: int) -> Sequence[Need]:
        return ((self.one, self.one.start + k), (self.other, self.other.start + k))

    def step(self, k: int) -> Number:
        one, other = self.one, self.other
        if len(one.support) > len(other.support):
            one, other = other, one
        total: Number = ZERO
        for i in one.support:
            if i > k:
                break
            value = other.known[k - i]
            if value != 0:
                total = total + one.known[i] * value
        return total


class Power(Lazy):
    """bʳ by Miller's recurrence n b₀ yₙ = Σ (i r − (n − i)) bᵢ yₙ₋ᵢ, b₀ the first that is not zero.

    Sources: Knuth, The Art of Computer Programming 2, 4.7; Griewank and Walther 2008, table 13.2.
    """

    def __init__(self, base: Lazy, exponent: Fraction, valuation: int) -> None:
        start = valuation * exponent
        super().__init__(int(start))
        self.base = base
        self.exponent = exponent
        self.shift = valuation - base.start
        self.leading = base[valuation]

    def needs(self, k: int) -> Sequence[Need]:
        return ((self.base, self.base.start + self.shift + k),)

    def step(self, k: int) -> Number:
        if k == 0:
            return raised(self.leading, self.exponent)
        total: Number = ZERO
        for place in self.base.support:
            i = place - self.shift
            if i > k:
                break
            if i > 0 and self.known[k - i] != 0:
                total = total + self.base.known[place] * self.known[k - i] * (
                    i * self.exponent - (k - i)
                )
        return total / (self.leading * k) if total != 0 else ZERO


class Derivative(Lazy):
    """The derivative of a series."""

    def __init__(self, of: Lazy) -> None:
        super().__init__(of.start - 1 if of.start else 0)
        self.of = of

    def needs(self, k: int) -> Sequence[Need]:
        return ((self.of, self.start + k + 1),)

    def step(self, k: int) -> Number:
        exponent = self.start + k + 1
        return self.of.at(exponent) * Fraction(exponent)


class Regular(Lazy):
    """A series of which the terms with negative exponents are known to be zero."""

    def __init__(self, of: Lazy) -> None:
        super().__init__(0)
        self.of = of

    def needs(self, k: int) -> Sequence[Need]:
        return ((self.of, k),)

    def step(self, k: int) -> Number:
        return self.of.at(k)


def without_pole(series: Lazy) -> Lazy | None:
    """The series from exponent 0 on; None if it has terms before."""
    if series.start >= 0:
        return series
    if any(series[k] != 0 for k in range(series.start, 0)):
        return None
    return Regular(series)


class Integral(Lazy):
    """The series with a constant term whose derivative is given, when it is first needed.

    It may depend on the integral itself: so a differential equation y' = p(y, x) is solved.
    """

    def __init__(self, first: Number, integrand: Callable[[], Lazy]) -> None:
        super().__init__(0, [first])
        self._make = integrand
        self._integrand: Lazy | None = None

    @property
    def integrand(self) -> Lazy:
        """The derivative."""
        if self._integrand is None:
            self._integrand = without_pole(self._make())
            if self._integrand is None:
                raise DomainError("the derivative has a pole at the point")
        return self._integrand

    def needs(self, k: int) -> Sequence[Need]:
        return ((self.integrand, k - 1),)

    def step(self, k: int) -> Number:
        return self.integrand.at(k - 1) * Fraction(1, k)


class Checked(Lazy):
    """Floating-point coefficients, beside those of slightly other constants.

    What the two differ by is what rounding errors have grown to: near a removable singularity,
    for one, as fast as the coefficients of a pole.
    """

    def __init__(self, of: Lazy, shadow: Lazy) -> None:
        super().__init__(0)
        self.of = of
        self.shadow = shadow
        self.noise: list[float] = []

    def needs(self, k: int) -> Sequence[Need]:
        return ((self.of, k), (self.shadow, k))

    def step(self, k: int) -> Number:
        value, other = float(self.of.at(k)), float(self.shadow.at(k))
        size = max(abs(float(self.of.at(j))) for j in range(max(0, k - _BEFORE), k + 1))
        noise = abs(value - other) / size if size else 0.0
        if not noise < _LOST:
            raise ConvergenceError(
                f"coefficient {k} is lost to rounding errors: near the point there is a removable "
                "singularity, or other cancellation; expand there, or ask for fewer terms"
            )
        self.noise.append(noise)
        return value


class Computed(Lazy):
    """A series whose coefficients come from outside, all up to an order at a time."""

    def __init__(self, up_to: Callable[[int], Sequence[Number]]) -> None:
        super().__init__(0)
        self._up_to = up_to
        self._found: Sequence[Number] = ()

    def step(self, k: int) -> Number:
        if k >= len(self._found):
            self._found = self._up_to(max(8, 2 * k))
        return self._found[k]
