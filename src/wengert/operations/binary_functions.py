"""Elementwise functions of two and three operands: maxima, powers, remainders, angles.

At ties and jumps the derivative is the one that each declaration's source states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from wengert.expr import Expr
from wengert.operations.algebra import add, power
from wengert.operations.apply import apply
from wengert.operations.build import mul, neg, ones_like, sub
from wengert.operations.declare import HALF, declare, one_minus, one_minus_square, plus_one
from wengert.operations.scalar_functions import ABS, EXP, LOG, LOG1P, RELU, SIGMOID, SIGN, STEP
from wengert.operations.structure import constant_like, constant_value, safe_power
from wengert.primitive import Constant, Domain, Notation

_PLAIN = (Domain(), Domain())

# ---------------------------------------------------------------- maxima and minima


def _pick(y: Expr, x: Expr, other: Expr) -> Expr:
    """1 where x is the larger, 1/2 at ties, 0 elsewhere: (1 + sign(x − other))/2."""
    return add([ones_like(x), apply(SIGN, sub(x, other))], [HALF, HALF])


MAXIMUM = declare(
    "maximum", np.maximum, _pick, lambda y, x, z: _pick(y, z, x), latex=r"\max", smooth=False,
    domains=_PLAIN, source="at ties each operand gets half",
)  # fmt: skip
MINIMUM = declare(
    "minimum", np.minimum, lambda y, x, z: _pick(y, z, x), _pick, latex=r"\min", smooth=False,
    domains=_PLAIN, source="at ties each operand gets half",
)  # fmt: skip


def _share(x: Any, z: Any) -> Any:
    """The weight of x in fmax(x, z)."""
    dtype = np.result_type(x, z)
    halves = np.asarray((1 + np.sign(x - z)) / 2)
    found = np.where(
        np.isnan(z), np.where(np.isnan(x), np.nan, 1), np.where(np.isnan(x), 0, halves)
    )
    equal = np.where(x == z, 0.5, found)  # infinities too, whose difference is no number
    return equal.astype(dtype)[()]


FMAXSHARE = declare(
    "fmaxshare", _share, domains=_PLAIN, smooth=False,
    numpy="(lambda s, t: np.where(np.isnan(t), 1.0, np.where(np.isnan(s), 0.0,"
    " (1 + np.sign(s - t)) / 2)))",
    reason="piecewise constant: which operand the maximum takes",
)  # fmt: skip
FMAX = declare(
    "fmax", np.fmax, lambda y, x, z: apply(FMAXSHARE, x, z),
    lambda y, x, z: apply(FMAXSHARE, z, x), domains=_PLAIN, smooth=False,
    source="a NaN is passed over and gets nothing; at ties each operand gets half",
)  # fmt: skip
FMIN = declare(
    "fmin", np.fmin, lambda y, x, z: apply(FMAXSHARE, neg(x), neg(z)),
    lambda y, x, z: apply(FMAXSHARE, neg(z), neg(x)), domains=_PLAIN, smooth=False,
    source="a NaN is passed over and gets nothing; at ties each operand gets half",
)  # fmt: skip


def _at_least(x: Expr, z: Expr) -> Expr:
    """1 where x >= z, else 0."""
    return one_minus(apply(STEP, sub(z, x)))


CLIP = declare(
    "clip", lambda x, low, high: np.minimum(np.maximum(x, low), high),
    lambda y, x, low, high: mul(_at_least(x, low), _at_least(high, x)),
    lambda y, x, low, high: mul(apply(STEP, sub(low, x)), _at_least(high, low)),
    lambda y, x, low, high: apply(STEP, sub(apply(MAXIMUM, x, low), high)),
    domains=(Domain(), Domain(-1.5, 0.0), Domain(0.0, 1.5)), smooth=False, ufuncs=(np.clip,),
    source="min(max(x, low), high); on a bound the derivative is x's: 1 in x, 0 in the bound",
)  # fmt: skip

# ---------------------------------------------------------------- logarithms of sums, powers

LOGADDEXP = declare(
    "logaddexp", np.logaddexp, lambda y, x, z: apply(SIGMOID, sub(x, z)),
    lambda y, x, z: apply(SIGMOID, sub(z, x)), domains=_PLAIN,
    source="log(exp x + exp z), never overflowing; the partials are softmax of two",
)  # fmt: skip


def _log2() -> Expr:
    return apply(LOG, constant_like(2, ()))


LOGADDEXP2 = declare(
    "logaddexp2", np.logaddexp2, lambda y, x, z: apply(SIGMOID, mul(_log2(), sub(x, z))),
    lambda y, x, z: apply(SIGMOID, mul(_log2(), sub(z, x))),
    domains=_PLAIN, source="log₂(2ˣ + 2ᶻ), never overflowing",
)  # fmt: skip
XLOGY = declare(
    "xlogy", special.xlogy, lambda y, x, z: apply(LOG, z), lambda y, x, z: mul(x, power(z, -1)),
    domains=(Domain(0.2, 2.0), Domain(0.2, 2.0)),
    rewrite=lambda x, z: (
        power_log(1, *x.operands) if x.primitive is POW and x.operands[0] == z else None
    ),
    defined=lambda y: mul(y.operands[0], apply(LOG, y.operands[1])),
    source="x log z, 0 where x = 0",
)  # fmt: skip


def _power_log(order: int, x: Any, z: Any) -> Any:
    found = np.power(x, z)
    for _ in range(order):
        found = special.xlogy(found, x)
    return found


def _power_log_notation(node: Expr) -> Notation:
    order = node.param("order")
    if order == 1:
        inner = "{0:a} .^ {1:a}", "{0:a}^{1:a}", "{0:a}^{{{1}}}", "{0:a} ** {1:a}"
        heads = "xlogy", "xlogy", r"\operatorname{{xlogy}}", "special.xlogy"
        latex = rf"{heads[2]}\left({inner[2]}, {{0}}\right)"
        text, unicode, code = (f"{heads[k]}({inner[k]}, {{0}})" for k in (0, 1, 3))
        return Notation(text, unicode, latex, code)
    nested = "special.xlogy(" * order + "{0:a} ** {1:a}" + ", {0})" * order
    return Notation(
        "powlog({order}, {0}, {1})", "powlog({order}, {0}, {1})",
        r"\operatorname{{powlog}}_{{{order}}}\left({0}, {1}\right)", nested,
    )  # fmt: skip


def power_log(order: int, x: Expr, z: Expr) -> Expr:
    """x ** z (log x) ** order: the derivative of that order of x ** z in z."""
    return apply(POWLOG, x, z, order=order) if order else power_general(x, z)


def _power_log_slope(y: Expr, x: Expr, z: Expr) -> Expr:
    """In x: (z logⁿ x + n logⁿ⁻¹ x) xᶻ⁻¹."""
    order, lower = y.param("order"), sub(z, ones_like(z))
    first = mul(z, power_log(order, x, lower))
    return add([first, power_log(order - 1, x, lower)], [1, order])


POWLOG = declare(
    "powlog", _power_log, _power_log_slope,
    lambda y, x, z: power_log(y.param("order") + 1, x, z), parameters=("order",),
    notation=_power_log_notation, domains=(Domain(0.3, 2.0), Domain(-2.0, 2.0)),
    defined=lambda y: mul(
        apply(POW, *y.operands), power(apply(LOG, y.operands[0]), y.param("order"))
    ),
    source="xᶻ logⁿ x, the n-th derivative of xᶻ in z; 0 where x = 0 < z",
)  # fmt: skip
POW = declare(
    "pow", np.power,
    lambda y, x, z: mul(z, power_general(x, sub(z, ones_like(z)))),
    lambda y, x, z: power_log(1, x, z),
    notation=Notation("{0:a} .^ {1:a}", "{0:a}^{1:a}", "{0:a}^{{{1}}}", "{0:a} ** {1:a}", "power"),
    domains=(Domain(0.3, 2.0), Domain(-2.0, 2.0)), ufuncs=(np.power, np.float_power),
    defined=lambda y: apply(EXP, mul(y.operands[1], apply(LOG, y.operands[0]))),
    source="x^z; its derivatives in z are 0 where x = 0 < z",
)  # fmt: skip


def power_general(x: Expr, z: Expr) -> Expr:
    """x ** z entry by entry, for an exponent that may be an expression."""
    value = constant_value(z)
    if value is not None:
        return power(x, value)
    return apply(POW, x, z)


# ---------------------------------------------------------------- the plane


def _over_square(y: Expr, x: Expr, z: Expr) -> Expr:
    """y / (x² + z²)."""
    return mul(y, power(add([power(x, 2), power(z, 2)]), -1))


ARCTAN2 = declare(
    "arctan2", np.arctan2, lambda y, x, z: _over_square(z, x, z),
    lambda y, x, z: _over_square(neg(x), x, z), domains=_PLAIN,
    source="the angle of (z, x); not differentiable at the origin (NaN)",
)  # fmt: skip
HYPOT = declare(
    "hypot", np.hypot, lambda y, x, z: mul(x, safe_power(y, -1)),
    lambda y, x, z: mul(z, safe_power(y, -1)), domains=_PLAIN,
    source="√(x² + z²) without overflow; subgradient 0 at the origin",
)  # fmt: skip

# ---------------------------------------------------------------- signs and remainders

COPYSIGN = declare(
    "copysign", np.copysign,
    lambda y, x, z: mul(apply(SIGN, x), apply(COPYSIGN, ones_like(z), z)),
    Constant("the sign is piecewise constant"),
    domains=_PLAIN, smooth=False,
    source="|x| with the sign of z; subgradient 0 where x = 0",
)  # fmt: skip
HEAVISIDE = declare(
    "heaviside", np.heaviside, Constant("a step is flat on both sides"),
    lambda y, x, z: one_minus_square(apply(SIGN, x)),
    domains=_PLAIN, smooth=False, source="0, z or 1 as x is negative, 0 or positive",
)  # fmt: skip
FLOOR_DIVIDE = declare(
    "floor_divide", np.floor_divide, domains=(Domain(0.4, 2.0), Domain(0.4, 2.0)),
    smooth=False, reason="piecewise constant: a whole number",
)  # fmt: skip
REMAINDER = declare(
    "remainder", np.remainder, lambda y, x, z: ones_like(x),
    lambda y, x, z: neg(apply(FLOOR_DIVIDE, x, z)),
    domains=(Domain(0.4, 2.0), Domain(0.4, 2.0)), smooth=False,
    source="x − ⌊x/z⌋ z, with the sign of z; at a jump the derivative to its right in x",
)  # fmt: skip


def _truncated_quotient(x: Expr, z: Expr) -> Expr:
    """x/z without its fraction, consistent with ``fmod``."""
    sign = mul(apply(SIGN, x), apply(SIGN, z))
    return mul(sign, apply(FLOOR_DIVIDE, apply(ABS, x), apply(ABS, z)))


FMOD = declare(
    "fmod", np.fmod, lambda y, x, z: ones_like(x),
    lambda y, x, z: neg(_truncated_quotient(x, z)),
    domains=(Domain(0.4, 2.0), Domain(0.4, 2.0)), smooth=False,
    source="x − trunc(x/z) z, with the sign of x",
)  # fmt: skip

# ---------------------------------------------------------------- entropies and robust losses

XLOG1PY = declare(
    "xlog1py", special.xlog1py, lambda y, x, z: apply(LOG1P, z),
    lambda y, x, z: mul(x, power(plus_one(z), -1)),
    domains=(Domain(0.2, 2.0), Domain(-0.7, 2.0)),
    source="x log(1 + z), 0 where x = 0",
)  # fmt: skip
REL_ENTR = declare(
    "rel_entr", special.rel_entr,
    lambda y, x, z: plus_one(apply(LOG, mul(x, power(z, -1)))),
    lambda y, x, z: neg(mul(x, power(z, -1))),
    domains=(Domain(0.2, 2.0), Domain(0.2, 2.0)),
    source="x log(x/z), 0 where x = 0; its slope in x there is −∞",
)  # fmt: skip
KL_DIV = declare(
    "kl_div", special.kl_div, lambda y, x, z: apply(LOG, mul(x, power(z, -1))),
    lambda y, x, z: one_minus(mul(x, power(z, -1))),
    domains=(Domain(0.2, 2.0), Domain(0.2, 2.0)),
    source="x log(x/z) − x + z; its slope in x at x = 0 is −∞",
)  # fmt: skip
HUBER = declare(
    "huber", special.huber, lambda y, d, r: apply(RELU, sub(apply(ABS, r), d)),
    lambda y, d, r: apply(CLIP, r, neg(d), d),
    domains=(Domain(0.6, 1.4), Domain()), smooth=False,
    source="Huber 1964: r²/2 to |r| = d, then the tangent",
)  # fmt: skip


def _squared_ratio(d: Expr, r: Expr) -> Expr:
    return mul(power(r, 2), power(d, -2))


def _pseudo_huber_in_scale(y: Expr, d: Expr, r: Expr) -> Expr:
    """2d(s − 1) − r²/(d s) with t = (r/d)², s = √(1 + t), without its cancellation at t = 0."""
    t = _squared_ratio(d, r)
    s = power(plus_one(t), HALF)
    return mul(d, power(t, 2), power(s, -1), power(plus_one(s), -2))


PSEUDO_HUBER = declare(
    "pseudo_huber", special.pseudo_huber, _pseudo_huber_in_scale,
    lambda y, d, r: mul(r, power(plus_one(_squared_ratio(d, r)), -HALF)),
    domains=(Domain(0.5, 2.0), Domain()), source="d²(√(1 + (r/d)²) − 1), d > 0",
)  # fmt: skip
