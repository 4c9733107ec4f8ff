"""Bessel functions, hypergeometric functions and elliptic integrals.

An order is an operand, so that arrays of orders broadcast as in SciPy; no derivative in an order is
declared. Sources: the Digital Library of Mathematical Functions (DLMF).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np
from scipy import special

from wengert.expr import Expr
from wengert.operations.algebra import add, power, scale
from wengert.operations.apply import apply
from wengert.operations.build import divide, mul, neg, ones_like, sub
from wengert.operations.constants import pi
from wengert.operations.curving import FALLING, convex, rising_bend, valley
from wengert.operations.declare import HALF, declare, one_minus, plus_one
from wengert.operations.enclosing import SPECIAL, Enclosure, Extremes, always
from wengert.operations.intervals import Interval
from wengert.operations.kinks import at_zero
from wengert.operations.scalar_functions import HALF_PI, SIGN, SIN
from wengert.operations.structure import constant_like, constant_value, is_zero
from wengert.primitive import Domain, Notation, Primitive, Undefined

_ORDER = Undefined("the derivative of a Bessel function in its order has no closed form")
_PARAMETER = Undefined("the derivative in this parameter has no closed form")
_REAL = (Domain(0.3, 2.5), Domain(0.5, 4.0))


def _neighbours(of: Callable[[], Primitive], v: Expr, x: Expr, sign: int) -> Expr:
    """(f_{v−1} + sign · f_{v+1})/2, by DLMF 10.6.1 and 10.29.1."""
    below, above = sub(v, ones_like(v)), plus_one(v)
    return add([apply(of(), below, x), apply(of(), above, x)], [HALF, HALF * sign])


def _whole(
    zero: Callable[[], Primitive],
    one: Callable[[], Primitive],
    reflected: int,
    *,
    vanishing: bool = False,
) -> Callable[[Expr, Expr], Expr | None]:
    """Orders 0, 1 and −1 have functions of their own; others may vanish at 0."""

    def rewrite(v: Expr, x: Expr) -> Expr | None:
        order = constant_value(v)
        if order == 0:
            return apply(zero(), x)
        if order == 1:
            return apply(one(), x)
        if order == -1:
            return scale(reflected, apply(one(), x))
        whole = vanishing and order is not None and order.denominator == 1
        return x if whole and is_zero(x) else None

    return rewrite


def _second(x: Expr) -> Expr:
    return constant_like(2, x.shape)


def _notation(name: str, letter: str) -> Notation:
    """``jv(v, x)``; in LaTeX the order is an index."""
    text = f"{name}({{0}}, {{1}})"
    return Notation(text, text, rf"{letter}_{{{{{{0}}}}}}\left({{1}}\right)", f"special.{text}")


def _modulus(order: float | None = None) -> Enclosure:
    """|J_v(x)|, |Y_v(x)| ≤ √(J_v² + Y_v²), which is even in v, rises with |v| and falls with x > 0.

    Source: Nicholson's integral, DLMF 10.9.30. The order is the first operand if none is given.
    """

    def bounds(node: Expr, *operands: Interval) -> Interval:
        x = operands[-1]
        v = operands[0].magnitude if order is None else np.float64(order)
        with np.errstate(all="ignore"):
            at = np.where(x.lower > 0, x.lower, np.nan)
            bound = 1.001 * np.hypot(special.jv(v, at), special.yv(v, at))
        bound = np.where(np.isnan(bound), inf, bound)
        return Interval(-bound, bound)

    return bounds


# ---------------------------------------------------------------- J, Y

_POSITIVE = (Domain(0.5, 4.0),)
_SMOOTH_AT_ZERO = (Domain(boundary=(0.0,)),)

J0 = declare(
    "j0", special.j0, lambda y, x: neg(apply(J1, x)), latex="J_0", at_zero=1,
    domains=_SMOOTH_AT_ZERO, source="DLMF 10.6",
    bounds=always(-0.4027594, 1.0),
)  # fmt: skip
J1 = declare(
    "j1", special.j1,
    lambda y, x: add([apply(J0, x), apply(JV, _second(x), x)], [HALF, -HALF]), latex="J_1",
    at_zero=0, domains=_SMOOTH_AT_ZERO, source="DLMF 10.6",
    bounds=always(-0.5818653, 0.5818653),
)  # fmt: skip
JV = declare(
    "jv", special.jv, _ORDER, lambda y, v, x: _neighbours(lambda: JV, v, x, -1),
    notation=_notation("jv", "J"), domains=_REAL,
    rewrite=_whole(lambda: J0, lambda: J1, -1, vanishing=True), source="DLMF 10.6",
    bounds=_modulus(),
)  # fmt: skip
Y0 = declare(
    "y0", special.y0, lambda y, x: neg(apply(Y1, x)), latex="Y_0", domains=_POSITIVE,
    source="DLMF 10.6",
    bounds=_modulus(0.0),
)  # fmt: skip
Y1 = declare(
    "y1", special.y1,
    lambda y, x: add([apply(Y0, x), apply(YV, _second(x), x)], [HALF, -HALF]), latex="Y_1",
    domains=_POSITIVE, source="DLMF 10.6",
    bounds=_modulus(1.0),
)  # fmt: skip
YV = declare(
    "yv", special.yv, _ORDER, lambda y, v, x: _neighbours(lambda: YV, v, x, -1),
    notation=_notation("yv", "Y"), domains=_REAL,
    rewrite=_whole(lambda: Y0, lambda: Y1, -1), source="DLMF 10.6",
    bounds=_modulus(),
)  # fmt: skip

# ---------------------------------------------------------------- I, K

I0 = declare(
    "i0", special.i0, lambda y, x: apply(I1, x), latex="I_0", at_zero=1, positive=True,
    domains=_SMOOTH_AT_ZERO, source="DLMF 10.29",
    enclosure=SPECIAL.turning(0.0),
    curvature=valley(logarithm=True),
)  # fmt: skip
I1 = declare(
    "i1", special.i1,
    lambda y, x: add([apply(I0, x), apply(IV, _second(x), x)], [HALF, HALF]), latex="I_1",
    at_zero=0, domains=_SMOOTH_AT_ZERO, source="DLMF 10.29",
    enclosure=SPECIAL,
    curvature=rising_bend(),
)  # fmt: skip
IV = declare(
    "iv", special.iv, _ORDER, lambda y, v, x: _neighbours(lambda: IV, v, x, 1),
    notation=_notation("iv", "I"), domains=_REAL,
    rewrite=_whole(lambda: I0, lambda: I1, 1, vanishing=True), source="DLMF 10.29",
    enclosure=Extremes(low=(0.0, 0.0), relative=1e-12),
)  # fmt: skip
K0 = declare(
    "k0", special.k0, lambda y, x: neg(apply(K1, x)), latex="K_0", domains=_POSITIVE,
    source="DLMF 10.29",
    enclosure=SPECIAL.on(0.0),
    curvature=convex(FALLING, 0.0, logarithm=True),
)  # fmt: skip
K1 = declare(
    "k1", special.k1,
    lambda y, x: add([apply(K0, x), apply(KV, _second(x), x)], [-HALF, -HALF]), latex="K_1",
    domains=_POSITIVE, source="DLMF 10.29",
    enclosure=SPECIAL.on(0.0),
    curvature=convex(FALLING, 0.0, logarithm=True),
)  # fmt: skip
KV = declare(
    "kv", special.kv, _ORDER, lambda y, v, x: neg(_neighbours(lambda: KV, v, x, 1)),
    notation=_notation("kv", "K"), domains=_REAL,
    rewrite=_whole(lambda: K0, lambda: K1, 1), source="DLMF 10.29",
    enclosure=Extremes(turns=((0.0,),), low=(-inf, 0.0), relative=1e-12),
)  # fmt: skip

# ---------------------------------------------------------------- scaled I, K


def _damped(slope: Expr, y: Expr, x: Expr) -> Expr:
    """The derivative of exp(−|x|) f(x), from that of f, scaled alike."""
    return sub(slope, mul(apply(SIGN, x), y))


I0E = declare(
    "i0e", special.i0e, lambda y, x: _damped(apply(I1E, x), y, x), at_zero=1, positive=True,
    domains=(Domain(boundary=(0.0,)),), smooth=False,
    source="exp(−|x|) I₀(x); a kink at 0 with subgradient 0",
    enclosure=SPECIAL.turning(0.0),
    kinks=at_zero(),
)  # fmt: skip
I1E = declare(
    "i1e", special.i1e,
    lambda y, x: _damped(add([apply(I0E, x), apply(IVE, _second(x), x)], [HALF, HALF]), y, x),
    at_zero=0, smooth=False, source="exp(−|x|) I₁(x); its curvature jumps at 0",
    enclosure=SPECIAL.turning(-1.5451272579925428, 1.5451272579925428),
    kinks=at_zero(order=2),
)  # fmt: skip
IVE = declare(
    "ive", special.ive, _ORDER,
    lambda y, v, x: _damped(_neighbours(lambda: IVE, v, x, 1), y, x), domains=_REAL, smooth=False,
    rewrite=_whole(lambda: I0E, lambda: I1E, 1, vanishing=True), source="exp(−|x|) I_v(x)",
    kinks=at_zero(1),
)  # fmt: skip
K0E = declare(
    "k0e", special.k0e, lambda y, x: sub(y, apply(K1E, x)), domains=_POSITIVE,
    source="exp(x) K₀(x)",
    enclosure=SPECIAL.on(0.0),
)  # fmt: skip
K1E = declare(
    "k1e", special.k1e,
    lambda y, x: add([y, apply(K0E, x), apply(KVE, _second(x), x)], [1, -HALF, -HALF]),
    domains=_POSITIVE, source="exp(x) K₁(x)",
    enclosure=SPECIAL.on(0.0),
)  # fmt: skip
KVE = declare(
    "kve", special.kve, _ORDER, lambda y, v, x: sub(y, _neighbours(lambda: KVE, v, x, 1)),
    domains=_REAL, rewrite=_whole(lambda: K0E, lambda: K1E, 1), source="exp(x) K_v(x)",
    enclosure=Extremes(turns=((0.0,),), low=(-inf, 0.0), relative=1e-12),
)  # fmt: skip

# ---------------------------------------------------------------- hypergeometric functions

# All coefficients of the series are positive, so that it is monotone in every operand.
_SERIES = Extremes(low=(0.0,) * 4, relative=1e-10)
_INCOMPLETE = Extremes(low=(-HALF_PI,), high=(HALF_PI, 1.0), relative=1e-12)

HYP0F1 = declare(
    "hyp0f1", special.hyp0f1, _PARAMETER,
    lambda y, b, x: divide(apply(HYP0F1, plus_one(b), x), b), latex=r"{}_0F_1",
    domains=(Domain(0.5, 2.0), Domain()), source="DLMF 16.3.1",
    enclosure=_SERIES,
)  # fmt: skip
HYP1F1 = declare(
    "hyp1f1", special.hyp1f1, _PARAMETER, _PARAMETER,
    lambda y, a, b, x: mul(a, power(b, -1), apply(HYP1F1, plus_one(a), plus_one(b), x)),
    latex=r"{}_1F_1", domains=(Domain(0.5, 2.0), Domain(0.5, 2.0), Domain()),
    source="DLMF 13.3.15",
    enclosure=_SERIES,
)  # fmt: skip
HYP2F1 = declare(
    "hyp2f1", special.hyp2f1, _PARAMETER, _PARAMETER, _PARAMETER,
    lambda y, a, b, c, x: mul(
        a, b, power(c, -1), apply(HYP2F1, plus_one(a), plus_one(b), plus_one(c), x)
    ), latex=r"{}_2F_1",
    domains=(Domain(0.5, 2.0), Domain(0.5, 2.0), Domain(0.5, 2.0), Domain(-0.7, 0.7)),
    source="DLMF 15.5.1",
    enclosure=replace(_SERIES, high=(inf, inf, inf, 1.0)),
)  # fmt: skip

# ---------------------------------------------------------------- elliptic integrals


def _hypergeometric(factor: Any, a: Any, b: Any, c: Any, m: Expr) -> Expr:
    """π · factor · ₂F₁(a, b; c; m)."""
    parameters = [constant_like(Fraction(p), m.shape) for p in (a, b, c)]
    return scale(Fraction(factor), mul(pi(), apply(HYP2F1, *parameters, m)))


_MODULUS = (Domain(-0.8, 0.8, boundary=(0.0,)),)
ELLIPK = declare(
    "ellipk", special.ellipk, lambda y, m: _hypergeometric("1/8", "3/2", "3/2", 2, m),
    latex="K", domains=_MODULUS, positive=True, source="DLMF 19.5.1: (π/2) ₂F₁(1/2, 1/2; 1; m)",
    enclosure=SPECIAL.on(high=1.0),
)  # fmt: skip
ELLIPE = declare(
    "ellipe", special.ellipe, lambda y, m: _hypergeometric("-1/8", "1/2", "3/2", 2, m),
    latex="E", domains=_MODULUS, positive=True, source="DLMF 19.5.2: (π/2) ₂F₁(−1/2, 1/2; 1; m)",
    enclosure=SPECIAL.on(high=1.0),
)  # fmt: skip


def _delta(phi: Expr, m: Expr, exponent: Fraction) -> Expr:
    """(1 − m sin²φ) ** exponent."""
    return power(one_minus(mul(m, power(apply(SIN, phi), 2))), exponent)


ELLIPKINC = declare(
    "ellipkinc", special.ellipkinc, lambda y, phi, m: _delta(phi, m, -HALF), _PARAMETER,
    latex="F", domains=(Domain(-1.2, 1.2), Domain(-1.0, 0.8)), source="DLMF 19.2.4: F(φ | m)",
    enclosure=_INCOMPLETE,
)  # fmt: skip
ELLIPEINC = declare(
    "ellipeinc", special.ellipeinc, lambda y, phi, m: _delta(phi, m, HALF), _PARAMETER,
    latex="E", domains=(Domain(-1.2, 1.2), Domain(-1.0, 0.8)), source="DLMF 19.2.5: E(φ | m)",
    enclosure=_INCOMPLETE,
)  # fmt: skip
