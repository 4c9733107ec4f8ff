"""How declarations say where an operation is convex or concave, and which way it goes.

Sources: Boyd and Vandenberghe, Convex Optimization (2004), sections 3.1, 3.2 and 3.5; Grant, Boyd
and Ye, Disciplined convex programming (2006), for the rules of composition.
"""

from __future__ import annotations

from math import exp, inf

from wengert.expr import Expr
from wengert.operations.structure import exponent_of
from wengert.primitive import Curved

Regions = tuple[Curved, ...]

RISING, FALLING = 1, -1


def convex(
    slope: int = 0, low: float = -inf, high: float = inf, *, domain: bool = False,
    second: tuple[float, float] = (0.0, inf), logarithm: bool = False,
) -> Regions:  # fmt: skip
    """Of one operand, convex between two numbers, and so is its logarithm if that is said."""
    return (Curved(1, (slope,), (low,), (high,), domain, second=second, logarithm=logarithm),)


def exponential() -> Regions:
    """Rising, with a logarithm that is affine."""
    return (*convex(RISING, logarithm=True), *log_concave(RISING))


def log_concave(slope: int = 0, low: float = -inf, high: float = inf) -> Regions:
    """Positive, with a concave logarithm."""
    return (Curved(-1, (slope,), (low,), (high,), logarithm=True),)


def logarithm(least: float = 0.0) -> Regions:
    """Rising and concave from a number on; convex in the logarithm of its operand."""
    return (
        Curved(1, (RISING,), (0.0,), of_logarithm=True),
        *concave(RISING, least, domain=True),
        *(() if least else (Curved(-1, (RISING,), (0.0,), of_logarithm=True),)),
    )


def concave(
    slope: int = 0, low: float = -inf, high: float = inf, *, domain: bool = False,
    second: tuple[float, float] = (-inf, 0.0),
) -> Regions:  # fmt: skip
    """Of one operand, concave between two numbers."""
    return (Curved(-1, (slope,), (low,), (high,), domain, second=second),)


def valley(second: tuple[float, float] = (0.0, inf), *, logarithm: bool = False) -> Regions:
    """Convex, falling to 0 and rising from there."""
    return (
        *convex(RISING, 0.0, second=second, logarithm=logarithm),
        *convex(FALLING, high=0.0, second=second, logarithm=logarithm),
        *convex(second=second, logarithm=logarithm),
    )


def rising_bend(low: float = -inf, high: float = inf, at: float = 0.0) -> Regions:
    """Rising: concave up to a number, convex from there on, as x³ is."""
    return (*convex(RISING, at, high), *concave(RISING, low, at))


def rising_saturation(low: float = -inf, high: float = inf, at: float = 0.0) -> Regions:
    """Rising: convex up to a number, concave from there on, as sigmoids are."""
    return (*concave(RISING, at, high), *convex(RISING, low, at))


def norm() -> Regions:
    """Convex, rising with the size of every entry."""
    return (Curved(1, (1,), (0.0,)), Curved(1, (-1,), (), (0.0,)), Curved(1, (0,)))


def of_power(node: Expr) -> Regions:
    """xᵖ with a constant p: real powers that are not whole are of numbers from 0 on."""
    p = exponent_of(node)
    if p.denominator > 1:
        slope = RISING if p > 0 else FALLING
        if 0 < p < 1:
            return concave(slope, 0.0, domain=True)
        return convex(slope, 0.0, domain=True, logarithm=p < 0)
    if p == 2:
        return valley((2.0, 2.0))
    if p > 0:
        return valley() if p % 2 == 0 else rising_bend()
    if p % 2 == 0:
        return (
            *convex(FALLING, 0.0, logarithm=True),
            *convex(RISING, high=0.0, logarithm=True),
        )
    return (*convex(FALLING, 0.0, logarithm=True), *concave(FALLING, high=0.0))


def both(sign: int, slope: int, second: tuple[float, float] | None = None) -> Regions:
    """Of two operands that move together, with the same slope."""
    bounds = second or ((0.0, inf) if sign > 0 else (-inf, 0.0))
    return (Curved(sign, (slope, slope), second=bounds),)


def in_one_of_two(sign: int, slope: int, second: tuple[float, float]) -> Regions:
    """Of two operands of which one moves: what is said of the second derivative is sharper."""
    return tuple(Curved(sign, (slope, slope), moving=(k,), second=second) for k in (0, 1))


def norm_of_two() -> Regions:
    """√(x² + z²)."""
    return (
        Curved(1, (1, 1), (0.0, 0.0)),
        Curved(1, (-1, -1), (), (0.0, 0.0)),
        Curved(1, (0, 0)),
    )


def loss_with_scale() -> Regions:
    """Of a scale that is constant, and a residual: convex, of curvature up to 1."""
    second = (0.0, 1.0)
    return (
        Curved(1, (0, 1), (0.0, 0.0), moving=(1,), second=second),
        Curved(1, (0, -1), (0.0,), (inf, 0.0), moving=(1,), second=second),
        Curved(1, (0, 0), (0.0,), moving=(1,), second=second),
    )


def times_logarithm(least: float) -> Regions:
    """x · log z with a constant x; the logarithm's domain begins at a number."""
    return (
        Curved(-1, (0, 1), (0.0, least), domain=True, moving=(1,)),
        Curved(1, (0, -1), (-inf, least), (0.0,), domain=True, moving=(1,)),
    )


def power_of_two_operands() -> Regions:
    """xᶻ in the base or in the exponent, for x ≥ 0."""
    return (
        Curved(1, (1, 0), (0.0, 1.0), moving=(0,)),
        Curved(-1, (1, 0), (0.0, 0.0), (inf, 1.0), moving=(0,)),
        Curved(1, (-1, 0), (0.0,), (inf, 0.0), moving=(0,)),
        Curved(1, (0, 1), (1.0,), moving=(1,)),
        Curved(1, (0, -1), (0.0,), (1.0,), moving=(1,)),
    )


def power_less_one() -> Regions:
    """(xᶻ − 1)/z in x."""
    return (
        Curved(-1, (1, 0), (0.0,), (inf, 1.0), domain=True, moving=(0,)),
        Curved(1, (1, 0), (0.0, 1.0), domain=True, moving=(0,)),
    )


def of_branch(node: Expr) -> Regions:
    """Lambert's W: its branch 0 is concave."""
    return concave(RISING, -exp(-1.0), domain=True) if node.param("branch") == 0 else ()


def of_polygamma(node: Expr) -> Regions:
    """Of order n, for x > 0: (−1)ⁿ⁺¹ times an integral of exp(−xt)."""
    return convex(FALLING, 0.0) if node.param("order") % 2 else concave(RISING, 0.0)


def of_pnorm(node: Expr) -> Regions:
    """Convex for p ≥ 1; for p < 1 concave, of entries from 0 on."""
    return norm() if node.param("order") >= 1 else concave(RISING, 0.0)


def together(node: Expr) -> Regions:
    """Linear in all operands at once, with weights that are not negative: arrays joined."""
    slopes = (1,) * len(node.operands)
    return (Curved(1, slopes, second=(0.0, 0.0)), Curved(-1, slopes, second=(0.0, 0.0)))


CHOICE = tuple(Curved(s, (0, 1, 1), moving=(1, 2), second=(0.0, 0.0)) for s in (1, -1))
"""Of one operand or the other, by a mask that is constant."""
