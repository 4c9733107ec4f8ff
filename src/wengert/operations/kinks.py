"""Where operations are not smooth, said by expressions that are zero there.

A declaration names its kinks by these, in the operands' terms; see :class:`wengert.primitive.Kink`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from wengert.expr import Expr
from wengert.operations.algebra import add, power
from wengert.operations.apply import apply
from wengert.operations.build import divide, mul, neg, sub
from wengert.operations.constants import pi
from wengert.operations.structure import constant_like, zeros
from wengert.primitive import Kink, registry

Kinks = Callable[[Expr], tuple[Kink, ...]]


def nowhere(node: Expr) -> tuple[Kink, ...]:
    """Smooth wherever its value is a number, or constant there."""
    return ()


def at_zero(operand: int = 0, order: int = 1) -> Kinks:
    """Where an operand is zero."""
    return lambda node: (Kink(node.operands[operand], order=order),)


def at_zero_of_itself(node: Expr) -> tuple[Kink, ...]:
    """Where the value is zero: norms."""
    return (Kink(node),)


def at_sign_change(node: Expr) -> tuple[Kink, ...]:
    """|x|: −x on one side of 0, x on the other."""
    x = node.operands[0]
    return (Kink(x, (x, neg(x))),)


def at_sign_of_rectifier(node: Expr) -> tuple[Kink, ...]:
    """max(x, 0)."""
    x = node.operands[0]
    return (Kink(x, (x, zeros(x.shape))),)


def between_operands(node: Expr) -> tuple[Kink, ...]:
    """One operand on one side of where both are equal, the other on the other."""
    x, z = node.operands
    return (Kink(sub(x, z), (x, z)),)


def at_bounds(node: Expr) -> tuple[Kink, ...]:
    """Where x meets one of two bounds."""
    x, low, high = node.operands
    return (Kink(sub(x, low), (x, low)), Kink(sub(x, high), (x, high)))


def at_whole_numbers(node: Expr) -> tuple[Kink, ...]:
    """Where the operand is a whole number."""
    return (Kink(_to_nearest(node.operands[0]), said="{0} is a whole number"),)


def at_halves(node: Expr) -> tuple[Kink, ...]:
    """Where the operand lies half-way between two whole numbers."""
    x = node.operands[0]
    shifted = add([x, constant_like(Fraction(1, 2), x.shape)])
    return (Kink(_to_nearest(shifted), said="{0} is half-way between whole numbers"),)


def at_whole_quotients(node: Expr) -> tuple[Kink, ...]:
    """Where one operand is a whole multiple of the other."""
    return (Kink(_to_nearest(divide(*node.operands)), said="{0} is a whole multiple of {1}"),)


def _to_nearest(x: Expr) -> Expr:
    """The distance to the nearest whole number, but for its sign: continuous, of slope ±1."""
    wave = apply(registry["arcsin"], apply(registry["sin"], mul(pi(), x)))
    return mul(power(pi(), -1), wave)
