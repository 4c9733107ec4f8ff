"""Coefficients of power series along a curve x(t) = x₀ + x₁ t + x₂ t² + ..., one by one.

Coefficients of order 1 and more may have extra axes in front (many curves through one x₀).

Source: Griewank and Walther, Evaluating Derivatives, chapter 13.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from wengert.expr import Expr, make
from wengert.operations.algebra import add, contract, power, scale
from wengert.operations.labelling import Labels
from wengert.operations.structure import safe_power
from wengert.primitive import registry
from wengert.shapes import Size

Of = Callable[[Expr, int], Expr | None]
"""``of(node, k)``: coefficient k of an expression along the curve; None for zero."""

# ---------------------------------------------------------------- single coefficients


def leading(
    factors: Sequence[Expr],
    labels: Sequence[Labels],
    out: Labels,
    *,
    sizes: Mapping[int, Size] | None = None,
    coefficient: Fraction | int = 1,
) -> Expr:
    """The contraction of factors of which some have extra axes in front, the same ones.

    Parameters
    ----------
    factors : sequence of Expr
        Each of as many axes as it has labels, or with the extra axes before them.
    labels, out, sizes, coefficient
        As of :func:`wengert.operations.algebra.contract`, without the extra axes.
    """
    extra = max((f.ndim - len(a) for f, a in zip(factors, labels, strict=True)), default=0)
    if not extra:
        return contract(factors, labels, out, sizes=sizes, coefficient=coefficient)
    moved = [
        (*range(extra + len(a) - f.ndim, extra), *(x + extra for x in a))
        for f, a in zip(factors, labels, strict=True)
    ]
    return contract(
        factors,
        moved,
        (*range(extra), *(x + extra for x in out)),
        sizes={x + extra: s for x, s in (sizes or {}).items()},
        coefficient=coefficient,
    )


def entries_product(a: Expr, b: Expr, rank: int, coefficient: Fraction | int = 1) -> Expr:
    """The entrywise product of coefficients of arrays of that rank."""
    axes = tuple(range(rank))
    return leading([a, b], [axes, axes], axes, coefficient=coefficient)


def added(terms: Iterable[Expr | None]) -> Expr | None:
    """The sum of coefficients, those without extra axes spread along them; None for zero."""
    found = [t for t in terms if t is not None]
    if not found:
        return None
    widest = max(found, key=lambda t: t.ndim)
    return add([_as_wide(t, widest) for t in found])


def _as_wide(x: Expr, other: Expr) -> Expr:
    extra = other.ndim - x.ndim
    if not extra:
        return x
    axes = tuple(range(other.ndim))
    return contract([x], [axes[extra:]], axes, sizes=dict(enumerate(other.shape[:extra])))


# ---------------------------------------------------------------- powers


def power_coefficient(node: Expr, k: int, of: Of, own: dict[Any, Any]) -> Expr | None:
    """Coefficient k of y = xᵃ with the exponent as the node's parameter."""
    return root_coefficient(node, node.params[0], k, of, own)


def root_coefficient(
    node: Expr, exponent: Fraction, k: int, of: Of, own: dict[Any, Any]
) -> Expr | None:
    """Coefficient k of y = xᵃ: from x y' = a x' y, for a whole a > 0 by products.

    Where x₀ = 0 the most singular term C(a, k) x₀ᵃ⁻ᵏ x₁ᵏ is left of the others.
    """
    x = node.operands[0]
    if exponent.denominator == 1 and exponent > 0:
        return _whole_power(x, int(exponent), k, of, own)
    own.setdefault(0, safe_power(x, exponent) if exponent < 0 else node)
    total = added(
        entries_product(xj, own[k - j], x.ndim, Fraction(exponent * j - (k - j)) / k)
        for j in range(1, k + 1)
        if (xj := of(x, j)) is not None and own.get(k - j) is not None
    )
    regular = None if total is None else entries_product(safe_power(x, -1), total, x.ndim)
    own[k] = regular
    return added([regular, _at_zero(x, exponent, k, of(x, 1))])


def _at_zero(x: Expr, exponent: Fraction, k: int, first: Expr | None) -> Expr | None:
    """C(a, k) x₀ᵃ⁻ᵏ x₁ᵏ where x₀ = 0; 0 elsewhere, where powers of x₀ itself may overflow."""
    if first is None or k <= exponent:
        return None
    somewhere = power(make(registry["sign"], (x,), (), x.shape), 2)
    binomial = Fraction(1)
    for j in range(k):
        binomial *= (exponent - j) / (j + 1)
    pole = add([power(somewhere, exponent - k), somewhere], [binomial, -binomial])
    return entries_product(pole, power(first, k), x.ndim)


def _whole_power(x: Expr, n: int, k: int, of: Of, own: dict[Any, Any]) -> Expr | None:
    """By repeated squaring: no division, so right at x₀ = 0 too."""
    if k == 0:
        return power(x, n)
    if n == 1:
        return of(x, k)
    if (n, k) not in own:
        half, rest = (n // 2, n // 2) if n % 2 == 0 else (n - 1, 1)
        own[n, k] = product_coefficient(
            lambda j: _whole_power(x, half, j, of, own),
            lambda j: _whole_power(x, rest, j, of, own),
            k,
            lambda a, b: entries_product(a, b, x.ndim),
            square=half == rest,
        )
    return own[n, k]


def product_coefficient(
    a: Callable[[int], Expr | None],
    b: Callable[[int], Expr | None],
    k: int,
    multiply: Callable[[Expr, Expr], Expr],
    *,
    square: bool = False,
) -> Expr | None:
    """Coefficient k of a product: Σ aⱼ bₖ₋ⱼ; of a commuting square from half of the products."""
    if not square:
        pairs = ((a(j), b(k - j)) for j in range(k + 1))
        return added(multiply(x, y) for x, y in pairs if x is not None and y is not None)
    pairs = ((a(j), a(k - j)) for j in range((k + 1) // 2))
    twice = added(multiply(x, y) for x, y in pairs if x is not None and y is not None)
    middle = a(k // 2) if k % 2 == 0 else None
    return added(
        [
            None if twice is None else scale(2, twice),
            None if middle is None else multiply(middle, middle),
        ]
    )
