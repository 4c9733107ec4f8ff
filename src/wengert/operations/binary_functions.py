"""Elementwise functions of two and three operands: maxima, powers, remainders, angles.

At ties and jumps the derivative is the one that each declaration's source states.
"""

from __future__ import annotations

from functools import reduce
from math import e, inf, log, pi
from typing import Any

import numpy as np
from scipy import special

from wengert.expr import Expr
from wengert.operations.algebra import add, power
from wengert.operations.apply import apply
from wengert.operations.build import mul, neg, ones_like, sub
from wengert.operations.curving import (
    FALLING,
    RISING,
    both,
    in_one_of_two,
    loss_with_scale,
    norm_of_two,
    power_of_two_operands,
    times_logarithm,
)
from wengert.operations.declare import HALF, declare, one_minus, one_minus_square, plus_one
from wengert.operations.enclosing import (
    EXACT,
    MONOTONE,
    Extremes,
    blanked,
    cancelling,
)
from wengert.operations.intervals import (
    EPS,
    Interval,
    clipped,
    hull,
    minus,
    point,
    times,
    widened,
)
from wengert.operations.kinks import (
    at_bounds,
    at_whole_quotients,
    at_zero,
    at_zero_of_itself,
    between_operands,
)
from wengert.operations.scalar_functions import ABS, EXP, LOG, LOG1P, RELU, SIGMOID, SIGN, STEP
from wengert.operations.structure import constant_like, constant_value, safe_power
from wengert.operations.written import Lanes
from wengert.primitive import Constant, Curved, Domain, Kink, Notation

_PLAIN = (Domain(), Domain())

# ---------------------------------------------------------------- maxima and minima


def _pick(y: Expr, x: Expr, other: Expr) -> Expr:
    """1 where x is the larger, 1/2 at ties, 0 elsewhere: (1 + sign(x − other))/2."""
    return add([ones_like(x), apply(SIGN, sub(x, other))], [HALF, HALF])


MAXIMUM = declare(
    "maximum", np.maximum, _pick, lambda y, x, z: _pick(y, z, x), latex=r"\max", smooth=False,
    domains=_PLAIN, source="at ties each operand gets half",
    enclosure=EXACT,
    kinks=between_operands,
    curvature=both(1, RISING),
)  # fmt: skip
MINIMUM = declare(
    "minimum", np.minimum, lambda y, x, z: _pick(y, z, x), _pick, latex=r"\min", smooth=False,
    domains=_PLAIN, source="at ties each operand gets half",
    enclosure=EXACT,
    kinks=between_operands,
    curvature=both(-1, RISING),
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


def _at_meeting(node: Expr) -> tuple[Kink, ...]:
    return (Kink(sub(*node.operands)),)


def _written_share(lanes: Lanes, node: Expr, x: Any, z: Any) -> Any:
    half = 0.5 + 0.5 * lanes.call("sign", x - z)
    passed = lanes.select(x.is_nan(), lanes.select(z.is_nan(), x, 0.0), half)
    found = lanes.select(z.is_nan() & ~x.is_nan(), 1.0, passed)
    return lanes.select(x.equals(z), 0.5, found)


FMAXSHARE = declare(
    "fmaxshare", _share, domains=_PLAIN, smooth=False, written=_written_share,
    numpy="(lambda s, t: np.where(np.isnan(t), 1.0, np.where(np.isnan(s), 0.0,"
    " (1 + np.sign(s - t)) / 2)))",
    reason="piecewise constant: which operand the maximum takes",
    enclosure=EXACT,
    kinks=_at_meeting,
)  # fmt: skip
FMAX = declare(
    "fmax", np.fmax, lambda y, x, z: apply(FMAXSHARE, x, z),
    lambda y, x, z: apply(FMAXSHARE, z, x), domains=_PLAIN, smooth=False,
    source="a NaN is passed over and gets nothing; at ties each operand gets half",
    enclosure=EXACT,
    kinks=between_operands,
)  # fmt: skip
FMIN = declare(
    "fmin", np.fmin, lambda y, x, z: apply(FMAXSHARE, neg(x), neg(z)),
    lambda y, x, z: apply(FMAXSHARE, neg(z), neg(x)), domains=_PLAIN, smooth=False,
    source="a NaN is passed over and gets nothing; at ties each operand gets half",
    enclosure=EXACT,
    kinks=between_operands,
)  # fmt: skip


def _at_least(x: Expr, z: Expr) -> Expr:
    """1 where x >= z, else 0."""
    return one_minus(apply(STEP, sub(z, x)))


def _written_clip(lanes: Lanes, node: Expr, x: Any, low: Any, high: Any) -> Any:
    return lanes.call("minimum", lanes.call("maximum", x, low), high)


CLIP = declare(
    "clip", lambda x, low, high: np.minimum(np.maximum(x, low), high),
    lambda y, x, low, high: mul(_at_least(x, low), _at_least(high, x)),
    lambda y, x, low, high: mul(apply(STEP, sub(low, x)), _at_least(high, low)),
    lambda y, x, low, high: apply(STEP, sub(apply(MAXIMUM, x, low), high)),
    domains=(Domain(), Domain(-1.5, 0.0), Domain(0.0, 1.5)), smooth=False, ufuncs=(np.clip,),
    written=_written_clip,
    source="min(max(x, low), high); on a bound the derivative is x's: 1 in x, 0 in the bound",
    enclosure=EXACT,
    kinks=at_bounds,
)  # fmt: skip

# ---------------------------------------------------------------- logarithms of sums, powers


def _written_log_add(lanes: Lanes, node: Expr, x: Any, z: Any) -> Any:
    """max + log(1 + exp(−|x − z|)); infinities that are equal have no difference."""
    gap = lanes.call("log1p", lanes.call("exp", -lanes.call("abs", x - z)))
    return lanes.select(x.equals(z), x + log(2), lanes.call("maximum", x, z) + gap)


LOGADDEXP = declare(
    "logaddexp", np.logaddexp, lambda y, x, z: apply(SIGMOID, sub(x, z)),
    lambda y, x, z: apply(SIGMOID, sub(z, x)), domains=_PLAIN,
    written=_written_log_add,
    source="log(exp x + exp z), never overflowing; the partials are softmax of two",
    enclosure=cancelling(MONOTONE),
    curvature=(*in_one_of_two(1, RISING, (0.0, 0.25)), *both(1, RISING, (0.0, 0.5))),
)  # fmt: skip


def _log2() -> Expr:
    return apply(LOG, constant_like(2, ()))


LOGADDEXP2 = declare(
    "logaddexp2", np.logaddexp2, lambda y, x, z: apply(SIGMOID, mul(_log2(), sub(x, z))),
    lambda y, x, z: apply(SIGMOID, mul(_log2(), sub(z, x))),
    domains=_PLAIN, source="log₂(2ˣ + 2ᶻ), never overflowing",
    enclosure=cancelling(MONOTONE),
    curvature=(*in_one_of_two(1, RISING, (0.0, 0.1733)), *both(1, RISING, (0.0, 0.3466))),
)  # fmt: skip
XLOGY = declare(
    "xlogy", special.xlogy, lambda y, x, z: apply(LOG, z), lambda y, x, z: mul(x, power(z, -1)),
    domains=(Domain(0.2, 2.0), Domain(0.2, 2.0)),
    rewrite=lambda x, z: (
        power_log(1, *x.operands) if x.primitive is POW and x.operands[0] == z else None
    ),
    defined=lambda y: mul(y.operands[0], apply(LOG, y.operands[1])),
    source="x log z, 0 where x = 0",
    enclosure=Extremes(low=(-inf, 0.0)),
    curvature=times_logarithm(0.0),
)  # fmt: skip


def _power_log(order: int, x: Any, z: Any) -> Any:
    found = np.power(x, z)
    for _ in range(order):
        found = special.xlogy(found, x)
    return found


def _written_power_log(lanes: Lanes, node: Expr, x: Any, z: Any) -> Any:
    found = lanes.call("power", x, z)
    for _ in range(node.param("order")):
        found = lanes.call("xlogy", found, x)
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


_POSITIVE_BASE = Extremes(low=(0.0,))


def _enclosed_power(node: Expr, x: Interval, z: Interval) -> Interval:
    """Monotone in each operand for x ≥ 0; for x < 0 whole exponents only."""
    found = _POSITIVE_BASE(node, x, z)
    whole = (z.lower == z.upper) & (z.lower == np.floor(z.lower))
    pole = whole & (z.lower < 0) & (x.lower <= 0) & (x.upper >= 0)
    with np.errstate(all="ignore"):
        least = np.clip(0.0, x.lower, x.upper)
        ends = [np.power(a, z.lower) for a in (x.lower, x.upper, least)]
    negative = widened(reduce(np.minimum, ends), reduce(np.maximum, ends), 4 * EPS)
    use = whole & (x.lower < 0)
    both = Interval(
        np.where(use, negative.lower, found.lower), np.where(use, negative.upper, found.upper)
    )
    return blanked(both, pole & use)


def _enclosed_power_log(node: Expr, x: Interval, z: Interval) -> Interval:
    """xᶻ times a power of log x, each enclosed apart."""
    order = node.param("order")
    with np.errstate(all="ignore"):
        ends = [np.power(a, b) for a in (x.lower, x.upper) for b in (z.lower, z.upper)]
        logs = widened(np.log(x.lower), np.log(x.upper), 4 * EPS)
    powers = widened(reduce(np.minimum, ends), reduce(np.maximum, ends), 4 * EPS)
    return blanked(reduce(times, [logs] * order, powers), ~(x.lower > 0))


POWLOG = declare(
    "powlog", _power_log, _power_log_slope,
    lambda y, x, z: power_log(y.param("order") + 1, x, z), parameters=("order",),
    written=_written_power_log,
    notation=_power_log_notation, domains=(Domain(0.3, 2.0), Domain(-2.0, 2.0)),
    defined=lambda y: mul(
        apply(POW, *y.operands), power(apply(LOG, y.operands[0]), y.param("order"))
    ),
    source="xᶻ logⁿ x, the n-th derivative of xᶻ in z; 0 where x = 0 < z",
    enclosure=_enclosed_power_log,
)  # fmt: skip
POW = declare(
    "pow", np.power,
    lambda y, x, z: mul(z, power_general(x, sub(z, ones_like(z)))),
    lambda y, x, z: power_log(1, x, z),
    notation=Notation("{0:a} .^ {1:a}", "{0:a}^{1:a}", "{0:a}^{{{1}}}", "{0:a} ** {1:a}", "power"),
    domains=(Domain(0.3, 2.0), Domain(-2.0, 2.0)), ufuncs=(np.power, np.float_power),
    defined=lambda y: apply(EXP, mul(y.operands[1], apply(LOG, y.operands[0]))),
    written="power", source="x^z; its derivatives in z are 0 where x = 0 < z",
    enclosure=_enclosed_power,
    curvature=power_of_two_operands(),
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


def _enclosed_angle(node: Expr, x: Interval, z: Interval) -> Interval:
    """Monotone in each operand off the half-line x = 0, z ≤ 0, at which the angle jumps."""
    found = MONOTONE(node, x, z)
    cut = (x.lower <= 0) & (x.upper >= 0) & (z.lower <= 0)
    return clipped(
        Interval(np.where(cut, -4.0, found.lower), np.where(cut, 4.0, found.upper)), -_PI, _PI
    )


def _at_cut(node: Expr) -> tuple[Kink, ...]:
    """On the half-line x = 0, z ≤ 0: |x| + max(z, 0) is 0 nowhere else."""
    x, z = node.operands
    return (Kink(add([apply(ABS, x), apply(RELU, z)]), said="{0} = 0 and {1} ≤ 0"),)


_PI = float(np.nextafter(pi, 4))
ARCTAN2 = declare(
    "arctan2", np.arctan2, lambda y, x, z: _over_square(z, x, z),
    lambda y, x, z: _over_square(neg(x), x, z), domains=_PLAIN,
    source="the angle of (z, x); not differentiable at the origin (NaN)",
    enclosure=_enclosed_angle,
    kinks=_at_cut,
)  # fmt: skip
HYPOT = declare(
    "hypot", np.hypot, lambda y, x, z: mul(x, safe_power(y, -1)),
    lambda y, x, z: mul(z, safe_power(y, -1)), domains=_PLAIN,
    source="√(x² + z²) without overflow; subgradient 0 at the origin",
    enclosure=Extremes(turns=((0.0,), (0.0,))),
    kinks=at_zero_of_itself,
    curvature=norm_of_two(),
)  # fmt: skip

# ---------------------------------------------------------------- signs and remainders


def _enclosed_quotient(node: Expr, x: Interval, z: Interval) -> Interval:
    """The whole numbers between those at the corners; unbounded if z may be 0."""
    return blanked(EXACT(node, x, z), (z.lower <= 0) & (z.upper >= 0))


def _enclosed_remainder(node: Expr, x: Interval, z: Interval) -> Interval:
    """x − q z where the whole number q is certain, else all that a remainder can be."""
    same_sign_as_x = node.primitive is FMOD
    crossing = (z.lower <= 0) & (z.upper >= 0)
    divisor = Interval(np.where(crossing, 1.0, z.lower), np.where(crossing, 1.0, z.upper))
    cut = np.trunc if same_sign_as_x else np.floor
    with np.errstate(all="ignore"):
        ends = [a / b for a in (x.lower, x.upper) for b in (divisor.lower, divisor.upper)]
        loose = widened(reduce(np.minimum, ends), reduce(np.maximum, ends), 4 * EPS)
        low, high = cut(loose.lower), cut(loose.upper)
    certain = (low == high) & np.isfinite(low)
    exact = minus(x, times(point(np.where(certain, low, 0.0)), z))
    size, leads = z.magnitude, x if same_sign_as_x else z
    lower, upper = np.where(leads.lower < 0, -size, 0.0), np.where(leads.upper > 0, size, 0.0)
    found = Interval(np.where(certain, exact.lower, lower), np.where(certain, exact.upper, upper))
    return clipped(blanked(found, crossing), lower, upper)


def _at_either_zero(node: Expr) -> tuple[Kink, ...]:
    return tuple(Kink(x) for x in node.operands)


COPYSIGN = declare(
    "copysign", np.copysign,
    lambda y, x, z: mul(apply(SIGN, x), apply(COPYSIGN, ones_like(z), z)),
    Constant("the sign is piecewise constant"),
    domains=_PLAIN, smooth=False,
    source="|x| with the sign of z; subgradient 0 where x = 0",
    enclosure=Extremes(turns=((0.0,),), relative=0),
    kinks=_at_either_zero,
)  # fmt: skip
HEAVISIDE = declare(
    "heaviside", np.heaviside, Constant("a step is flat on both sides"),
    lambda y, x, z: one_minus_square(apply(SIGN, x)),
    domains=_PLAIN, smooth=False, source="0, z or 1 as x is negative, 0 or positive",
    enclosure=Extremes(turns=((0.0,),), relative=0),
    kinks=at_zero(),
)  # fmt: skip
FLOOR_DIVIDE = declare(
    "floor_divide", np.floor_divide, domains=(Domain(0.4, 2.0), Domain(0.4, 2.0)),
    smooth=False, reason="piecewise constant: a whole number",
    enclosure=_enclosed_quotient,
    kinks=at_whole_quotients,
)  # fmt: skip
REMAINDER = declare(
    "remainder", np.remainder, lambda y, x, z: ones_like(x),
    lambda y, x, z: neg(apply(FLOOR_DIVIDE, x, z)),
    domains=(Domain(0.4, 2.0), Domain(0.4, 2.0)), smooth=False,
    source="x − ⌊x/z⌋ z, with the sign of z; at a jump the derivative to its right in x",
    enclosure=_enclosed_remainder,
    kinks=at_whole_quotients,
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
    enclosure=_enclosed_remainder,
    kinks=at_whole_quotients,
)  # fmt: skip

# ---------------------------------------------------------------- entropies and robust losses


def _written_log1p_times(lanes: Lanes, node: Expr, x: Any, z: Any) -> Any:
    nothing = x.equals(0.0) & ~z.is_nan()
    return lanes.select(nothing, 0.0, x * lanes.call("log1p", z))


XLOG1PY = declare(
    "xlog1py", special.xlog1py, lambda y, x, z: apply(LOG1P, z),
    lambda y, x, z: mul(x, power(plus_one(z), -1)),
    domains=(Domain(0.2, 2.0), Domain(-0.7, 2.0)),
    written=_written_log1p_times, source="x log(1 + z), 0 where x = 0",
    enclosure=Extremes(low=(-inf, -1.0)),
    curvature=times_logarithm(-1.0),
)  # fmt: skip


def _enclosed_entropy(node: Expr, x: Interval, z: Interval) -> Interval:
    """Decreasing in z; in x it is least, −z/e, where x = z/e."""
    found = _FROM_ZERO(node, x, z)
    turning = (x.lower <= z.upper / e * 1.0001) & (x.upper >= z.lower / e * 0.9999)
    least = Interval(-z.upper * (1 + 4 * EPS) / e, found.upper)
    return hull([found, Interval(np.where(turning, least.lower, found.lower), found.upper)])


def _enclosed_divergence(node: Expr, x: Interval, z: Interval) -> Interval:
    """Least, 0, where x = z, and monotone on either side in each operand."""
    found = _FROM_ZERO(node, x, z)
    with np.errstate(all="ignore"):
        found = widened(found.lower, found.upper, 0.0, 8 * EPS * (x.magnitude + z.magnitude))
    meeting = (x.lower <= z.upper) & (x.upper >= z.lower)
    return Interval(np.where(meeting, 0.0, np.maximum(found.lower, 0.0)), found.upper)


_FROM_ZERO = Extremes(low=(0.0, 0.0), relative=16 * EPS)
REL_ENTR = declare(
    "rel_entr", special.rel_entr,
    lambda y, x, z: plus_one(apply(LOG, mul(x, power(z, -1)))),
    lambda y, x, z: neg(mul(x, power(z, -1))),
    domains=(Domain(0.2, 2.0), Domain(0.2, 2.0)),
    source="x log(x/z), 0 where x = 0; its slope in x there is −∞",
    enclosure=_enclosed_entropy,
    curvature=(Curved(1, (0, FALLING), (0.0, 0.0), domain=True, second=(0.0, inf)),),
)  # fmt: skip
KL_DIV = declare(
    "kl_div", special.kl_div, lambda y, x, z: apply(LOG, mul(x, power(z, -1))),
    lambda y, x, z: one_minus(mul(x, power(z, -1))),
    domains=(Domain(0.2, 2.0), Domain(0.2, 2.0)),
    source="x log(x/z) − x + z; its slope in x at x = 0 is −∞",
    enclosure=_enclosed_divergence,
    curvature=(Curved(1, (0, 0), (0.0, 0.0), domain=True, second=(0.0, inf)),),
)  # fmt: skip


def _at_threshold(node: Expr) -> tuple[Kink, ...]:
    """Where |r| = d: the curvature jumps."""
    d, r = node.operands
    return (Kink(sub(apply(ABS, r), d), order=2),)


def _written_huber(lanes: Lanes, node: Expr, d: Any, r: Any) -> Any:
    size = lanes.call("abs", r)
    found = lanes.select(size <= d, 0.5 * r * r, d * (size - 0.5 * d))
    return lanes.select(d < 0.0, inf, found)


HUBER = declare(
    "huber", special.huber, lambda y, d, r: apply(RELU, sub(apply(ABS, r), d)),
    lambda y, d, r: apply(CLIP, r, neg(d), d),
    domains=(Domain(0.6, 1.4), Domain()), smooth=False,
    written=_written_huber, source="Huber 1964: r²/2 to |r| = d, then the tangent",
    enclosure=Extremes(turns=((), (0.0,)), low=(0.0,), relative=16 * EPS),
    kinks=_at_threshold,
    curvature=loss_with_scale(),
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
    enclosure=cancelling(Extremes(turns=((), (0.0,)), low=(0.0,)), 2),
    curvature=loss_with_scale(),
)  # fmt: skip
