"""Recurrences that sequences of rational numbers satisfy: fitted exactly, then checked further on.

Polynomials are tuples of coefficients, the constant one first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm

Polynomial = tuple[Fraction, ...]
Rationals = Sequence[Fraction]

SPARE = 8  # further equations that a fit must satisfy
_PRIME = 2**61 - 1
_RATIO_DEGREE = 5
_ORDER = 4
_UNKNOWNS = 20


@dataclass(frozen=True)
class Recurrence:
    """Σⱼ pⱼ(k) bₖ₊ⱼ = 0 for all k.

    Attributes
    ----------
    polynomials : tuple of Polynomial
        p₀, p₁, ..., with coprime integer coefficients; the last one is not zero at any k in the
        range that was checked.
    """

    polynomials: tuple[Polynomial, ...]

    @property
    def order(self) -> int:
        """How far back it reaches."""
        return len(self.polynomials) - 1

    @property
    def constant(self) -> bool:
        """Are the coefficients numbers, which do not depend on k?"""
        return all(len(p) == 1 for p in self.polynomials)

    def next(self, k: int, before: Rationals) -> Fraction | None:
        """b at k + order, from the ones before it; None where the recurrence does not tell."""
        *lower, top = (evaluate(p, k) for p in self.polynomials)
        if not top:
            return None
        return -sum((p * b for p, b in zip(lower, before, strict=True)), Fraction(0)) / top


def evaluate(polynomial: Polynomial, k: Fraction | int) -> Fraction:
    """The polynomial's value."""
    total = Fraction(0)
    for c in reversed(polynomial):
        total = total * k + c
    return total


def translated(polynomial: Polynomial, by: int) -> Polynomial:
    """p(n + by), by Horner's scheme."""
    result: list[Fraction] = []
    for c in reversed(polynomial):
        shifted = [Fraction(0), *result]
        for k, value in enumerate(result):
            shifted[k] += by * value
        shifted[0] += c
        result = shifted
    return tuple(result)


def hypergeometric(terms: Rationals) -> Recurrence | None:
    """The recurrence of order 1, if the ratio of successive terms is a rational function of k."""
    if any(not t for t in terms) or len(terms) < SPARE + 2:
        return None
    ratios = [b / a for a, b in pairwise(terms)]
    for above, below in _degrees(len(ratios)):
        count = above + below + 2
        rows = [
            [
                *(Fraction(k) ** i for i in range(above + 1)),
                *(r * Fraction(k) ** i for i in range(below + 1)),
            ]
            for k, r in enumerate(ratios[: count + SPARE])
        ]
        found = null_vector(rows) if _dependent(rows, count) else None
        if found is not None:
            fitted = Recurrence(_primitive(found[: above + 1], found[above + 1 :]))
            if holds(fitted, terms):
                return fitted
    return None


def _degrees(ratios: int) -> Iterator[tuple[int, int]]:
    for total in range(2 * _RATIO_DEGREE + 1):
        for below in range(total + 1):
            above = total - below
            if max(above, below) <= _RATIO_DEGREE and total + 2 + SPARE <= ratios:
                yield above, below


def holonomic(terms: Rationals) -> Recurrence | None:
    """The recurrence with polynomial coefficients that has the fewest coefficients."""
    return _fitted(terms, [(r, d) for r in range(1, 2 * _ORDER + 1) for d in range(2 * _ORDER + 1)])


def constant_recurrence(terms: Rationals) -> Recurrence | None:
    """The shortest recurrence whose coefficients are numbers."""
    return _fitted(terms, [(r, 0) for r in range(1, _ORDER + 1)])


def _fitted(terms: Rationals, allowed: Sequence[tuple[int, int]]) -> Recurrence | None:
    shapes = sorted(((r + 1) * (d + 1), r, d) for r, d in allowed)
    for count, order, degree in shapes:
        if count > _UNKNOWNS or count + SPARE + order > len(terms):
            continue
        rows = [
            [terms[k + j] * k**i for j in range(order + 1) for i in range(degree + 1)]
            for k in range(count + SPARE)
        ]
        if not _dependent(rows, count):
            continue
        found = null_vector(rows)
        if found is None:
            continue
        width = degree + 1
        parts = [found[j * width : (j + 1) * width] for j in range(order + 1)]
        if not any(parts[-1]):
            continue
        fitted = Recurrence(_primitive(*parts))
        if holds(fitted, terms):
            return fitted
    return None


def holds(recurrence: Recurrence, terms: Rationals) -> bool:
    """Do all the terms satisfy it, and does it determine each one that is known?"""
    r = recurrence.order
    return all(recurrence.next(k, terms[k : k + r]) == terms[k + r] for k in range(len(terms) - r))


# ---------------------------------------------------------------- linear algebra


def _dependent(rows: Sequence[Sequence[Fraction]], columns: int) -> bool:
    """Are the columns dependent modulo a prime? (They may still not be over the rationals.)"""
    reduced: list[list[int]] = []
    for row in rows:
        common = lcm(*(x.denominator for x in row))
        reduced.append([int(x * common) % _PRIME for x in row])
    for rank in range(columns):  # which is the column too, as long as all have a pivot
        pivot = next((i for i in range(rank, len(reduced)) if reduced[i][rank]), None)
        if pivot is None:
            return True
        reduced[rank], reduced[pivot] = reduced[pivot], reduced[rank]
        inverse = pow(reduced[rank][rank], -1, _PRIME)
        for i in range(rank + 1, len(reduced)):
            if reduced[i][rank]:
                factor = reduced[i][rank] * inverse
                head = reduced[rank]
                reduced[i] = [
                    (a - factor * b) % _PRIME for a, b in zip(reduced[i], head, strict=True)
                ]
    return False


def null_vector(rows: Sequence[Sequence[Fraction]]) -> list[Fraction] | None:
    """A vector that all rows are orthogonal to; None if there is just zero."""
    work = [list(row) for row in rows]
    columns = len(work[0])
    pivots: list[int] = []
    for column in range(columns):
        rank = len(pivots)
        pivot = next((i for i in range(rank, len(work)) if work[i][column]), None)
        if pivot is None:
            return _back(work, pivots, column, columns)
        work[rank], work[pivot] = work[pivot], work[rank]
        head = [x / work[rank][column] for x in work[rank]]
        work[rank] = head
        for i, row in enumerate(work):
            if i != rank and row[column]:
                factor = row[column]
                work[i] = [a - factor * b for a, b in zip(row, head, strict=True)]
        pivots.append(column)
    return None


def _back(
    work: Sequence[Sequence[Fraction]], pivots: Sequence[int], free: int, columns: int
) -> list[Fraction]:
    found = [Fraction(0)] * columns
    found[free] = Fraction(1)
    for rank, column in enumerate(pivots):
        found[column] = -work[rank][free]
    return found


def _primitive(*parts: Sequence[Fraction]) -> tuple[Polynomial, ...]:
    """Polynomials with their common factor taken out, without leading zeros."""
    everything = [x for part in parts for x in part if x]
    common = lcm(*(x.denominator for x in everything))
    factor = Fraction(gcd(*(int(x * common) for x in everything)), common)
    if next(x for x in reversed(parts[-1]) if x) < 0:
        factor = -factor
    trimmed: list[Polynomial] = []
    for part in parts:
        values = [x / factor for x in part]
        while len(values) > 1 and not values[-1]:
            values.pop()
        trimmed.append(tuple(values))
    return tuple(trimmed)


# ---------------------------------------------------------------- roots


def rational_roots(polynomial: Polynomial) -> list[Fraction] | None:
    """All roots, with their multiplicities, if all are rational; else None."""
    rest = list(polynomial)
    roots: list[Fraction] = []
    while len(rest) > 1:
        root = _rational_root(rest)
        if root is None:
            return None
        roots.append(root)
        quotient = [Fraction(0)] * (len(rest) - 1)
        carry = Fraction(0)
        for i in range(len(rest) - 1, 0, -1):
            carry = rest[i] + carry * root
            quotient[i - 1] = carry
        rest = quotient
    return roots


def _rational_root(polynomial: Sequence[Fraction]) -> Fraction | None:
    if not polynomial[0]:
        return Fraction(0)
    common = lcm(*(c.denominator for c in polynomial))
    first, last = int(polynomial[0] * common), int(polynomial[-1] * common)
    for below in _divisors(last):
        for above in _divisors(first):
            for candidate in (Fraction(above, below), Fraction(-above, below)):
                if not evaluate(tuple(polynomial), candidate):
                    return candidate
    return None


def _divisors(number: int) -> list[int]:
    number = abs(number)
    if number > 10**9:
        return []
    small = [d for d in range(1, min(int(number**0.5), 40000) + 1) if number % d == 0]
    return [*small, *(number // d for d in reversed(small))]
