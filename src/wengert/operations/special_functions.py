"""Special functions: errors, the normal distribution, integrals, quantiles, degrees.

Every partial derivative is made of declared functions, so that derivatives of any order exist; a
family of derivatives has its order as a parameter. Sources: Abramowitz and Stegun (AS), the
Digital Library of Mathematical Functions (DLMF).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import gamma, inf
from typing import Any, cast

import numpy as np
from scipy import special

from wengert.errors import DomainError
from wengert.expr import Expr
from wengert.operations.algebra import add, power, scale
from wengert.operations.apply import apply
from wengert.operations.binary_functions import XLOGY
from wengert.operations.build import divide, mul, neg, ones_like, sub
from wengert.operations.constants import pi
from wengert.operations.curving import (
    FALLING,
    RISING,
    concave,
    convex,
    log_concave,
    of_branch,
    power_less_one,
    rising_bend,
    rising_saturation,
)
from wengert.operations.declare import HALF, declare, in_double, one_minus, ordered, plus_one
from wengert.operations.enclosing import (
    CROSSING,
    MONOTONE,
    SPECIAL,
    Branches,
    Extremes,
    Periodic,
    always,
)
from wengert.operations.intervals import Interval
from wengert.operations.quotients import EXPREL, SINC, exprel_slope
from wengert.operations.scalar_functions import (
    COS,
    EXP,
    LOG,
    NORMPDF,
    SIGMOID,
    SIN,
)
from wengert.operations.structure import constant_like, is_zero
from wengert.operations.written import Lanes, Written
from wengert.primitive import Domain, Notation, Sample

Array = Any

# ---------------------------------------------------------------- error functions


def _root_pi(x: Expr, factor: Fraction | int, exponent: Fraction = -HALF) -> Expr:
    """factor · x · π ** exponent."""
    return scale(factor, mul(x, power(pi(), exponent)))


def _gaussian(x: Expr, factor: int) -> Expr:
    """factor · exp(−x²)/√π."""
    return _root_pi(apply(EXP, neg(power(x, 2))), factor)


ERF = declare(
    "erf",
    special.erf,
    lambda y, x: _gaussian(x, 2),
    at_zero=0,
    source="AS 7.1",
    enclosure=replace(SPECIAL, within=(-1.0, 1.0)),
    curvature=rising_saturation(),
)
ERFC = declare(
    "erfc",
    special.erfc,
    lambda y, x: _gaussian(x, -2),
    at_zero=1,
    source="AS 7.1",
    enclosure=replace(SPECIAL, within=(0.0, 2.0)),
    curvature=(*convex(FALLING, 0.0), *concave(FALLING, high=0.0), *log_concave(FALLING)),
)
ERFI = declare(
    "erfi", special.erfi, lambda y, x: _root_pi(apply(EXP, power(x, 2)), 2), at_zero=0,
    source="DLMF 7.2: −i erf(ix)",
    enclosure=SPECIAL,
    curvature=rising_bend(),
)  # fmt: skip
ERFINV = declare(
    "erfinv", special.erfinv, lambda y, x: _root_pi(apply(EXP, power(y, 2)), HALF, HALF),
    at_zero=0, latex=r"\operatorname{erf}^{-1}", domains=(Domain(-0.8, 0.8),), source="DLMF 7.17",
    enclosure=SPECIAL.on(-1.0, 1.0),
    curvature=rising_bend(-1.0, 1.0),
)  # fmt: skip
ERFCINV = declare(
    "erfcinv", special.erfcinv, lambda y, x: _root_pi(apply(EXP, power(y, 2)), -HALF, HALF),
    latex=r"\operatorname{erfc}^{-1}", domains=(Domain(0.2, 1.8),),
    values={Fraction(1): Fraction(0)}, source="DLMF 7.17",
    enclosure=CROSSING.on(0.0, 2.0),
    curvature=(*convex(FALLING, 0.0, 1.0), *concave(FALLING, 1.0, 2.0)),
)  # fmt: skip


def _repeated_ratio(order: int, x: Array) -> Array:
    """iⁿerfc(x) / iⁿ⁻¹erfc(x) for x ≥ 1, by its continued fraction 1/(2x + 2(n + 1) r_{n+1})."""
    steps = int((15 + order**0.5) ** 2)  # the error falls like exp(−2x √(2 steps))
    ratio = np.zeros_like(x)
    for k in range(steps, order - 1, -1):
        ratio = 1 / (2 * x + 2 * (k + 1) * ratio)
    return ratio


def _repeated(order: int, x: Array) -> Array:
    """exp(x²) iⁿerfc(x): upwards where that is stable, else by ratios, all positive."""
    before, value = np.full_like(x, 2 / np.pi**0.5), special.erfcx(x)
    ratios, large = value, np.maximum(x, 1)
    for n in range(1, order + 1):
        before, value = value, (before - 2 * x * value) / (2 * n)
        ratios = ratios * _repeated_ratio(n, large)
    return cast(Array, np.where(x < 1, value, ratios))


IERFCX = declare(
    "ierfcx", in_double(_repeated),
    lambda y, x: scale(-2 * (y.param("order") + 1), _ierfcx(y.param("order") + 1, x)),
    parameters=("order",), positive=True,
    notation=ordered(
        "ierfcx", "(np.exp({0:a} ** 2 / 2) / np.sqrt(2 ** ({order} - 1) * np.pi)"
        " * special.pbdv(-{order} - 1, np.sqrt(2) * {0:a})[0])",
    ), domains=(Domain(boundary=(0.0, 1.0, 3.0, 100.0, -2.0)),),
    source="DLMF 7.18: exp(x²) iⁿerfc(x), the scaled repeated integral",
    enclosure=SPECIAL,
    curvature=convex(FALLING, logarithm=True),
)  # fmt: skip


def _ierfcx(order: int, x: Expr) -> Expr:
    return apply(IERFCX, x, order=order)


ERFCX = declare(
    "erfcx", special.erfcx, lambda y, x: scale(-2, _ierfcx(1, x)), at_zero=1, positive=True,
    domains=(Domain(boundary=(0.0, 3.0, 100.0, -2.0)),), source="DLMF 7.18.5: exp(x²) erfc(x)",
    enclosure=SPECIAL,
    curvature=convex(FALLING, logarithm=True),
)  # fmt: skip


def _dawson(order: int, x: Array) -> Array:
    """F_{n+1} = −2x F_n − 2n F_{n−1} (DLMF 7.10), and far out the series in 1/x."""
    before, value = special.dawsn(x), 1 - 2 * x * special.dawsn(x)
    for n in range(1, order):
        before, value = value, -2 * x * value - 2 * n * before
    far = np.where(np.abs(x) > 6.5, x, 1e3)
    coefficient, total = 0.5, np.zeros_like(far)
    for j in range(30):
        total += coefficient * special.poch(2 * j + 1, order) / far ** (2 * j + 1 + order)
        coefficient *= j + 0.5
    return cast(Array, np.where(np.abs(x) > 6.5, (-1) ** order * total, value))


def _bounded_dawson(node: Expr, x: Interval) -> Interval:
    """F⁽ⁿ⁾ is ∫₀^∞ exp(−t²) (2t)ⁿ sin⁽ⁿ⁾(2xt) dt: at most 2ⁿ⁻¹ Γ((n + 1)/2)."""
    (order,) = node.params
    bound = 1.001 * 2.0 ** (order - 1) * gamma((order + 1) / 2)
    return always(-bound, bound)(node, x)


DDAWSN = declare(
    "ddawsn", in_double(_dawson), lambda y, x: apply(DDAWSN, x, order=y.param("order") + 1),
    parameters=("order",),
    notation=ordered(
        "ddawsn", "(lambda t, n: [f := [special.dawsn(t), 1 - 2 * t * special.dawsn(t)],"
        " [f.append(-2 * t * f[-1] - 2 * k * f[-2]) for k in range(1, n)], f[n]][-1])"
        "({0}, {order})",
    ), source="DLMF 7.10, derivatives of Dawson's integral",
    bounds=_bounded_dawson,
)  # fmt: skip
DAWSN = declare(
    "dawsn", special.dawsn, lambda y, x: apply(DDAWSN, x, order=1), at_zero=0,
    domains=(Domain(boundary=(0.0, 100.0)),), source="DLMF 7.2: Dawson's integral",
    enclosure=SPECIAL.turning(-0.924138873004592, 0.924138873004592),
)  # fmt: skip

# ---------------------------------------------------------------- the normal distribution


def _hazard(x: Array) -> Array:
    below = (2 / np.pi) ** 0.5 / special.erfcx(-np.minimum(x, 0) / 2**0.5)
    above = np.exp(-x * x / 2) / ((2 * np.pi) ** 0.5 * special.ndtr(np.maximum(x, 0)))
    return cast(Array, np.where(x < 0, below, above))


def _excess(x: Array) -> Array:
    u = -x / 2**0.5
    return cast(
        Array, np.where(u > 1, 2**0.5 * _repeated_ratio(1, np.maximum(u, 1)), x + _hazard(x))
    )


def _written_hazard(lanes: Lanes, node: Expr, x: Any) -> Any:
    below = lanes.select(x < 0.0, x, 0.0) * -(0.5**0.5)
    above = lanes.select(x < 0.0, 0.0, x)
    density = lanes.call("exp", x * x * -0.5)
    return lanes.select(
        x < 0.0,
        lanes.number((2 / np.pi) ** 0.5, x) / lanes.call(special.erfcx, below),
        density / (lanes.call(special.ndtr, above) * (2 * np.pi) ** 0.5),
    )


INVMILLS = declare(
    "invmills", in_double(_hazard), lambda y, x: neg(mul(y, apply(INVMILLSEXCESS, x))),
    written=_written_hazard, positive=True,
    numpy="(lambda t: np.sqrt(2 / np.pi) / special.erfcx(-t / np.sqrt(2)))",
    domains=(Domain(boundary=(0.0, 30.0, -30.0)),),
    source="φ(x)/Φ(x), the inverse Mills ratio; AS 26.2",
    enclosure=SPECIAL,
)  # fmt: skip
INVMILLSEXCESS = declare(
    "invmillsexcess", in_double(_excess),
    lambda y, x: one_minus(mul(apply(INVMILLS, x), y)), positive=True,
    numpy="(lambda t: t + np.sqrt(2 / np.pi) / special.erfcx(-t / np.sqrt(2)))",
    source="x + φ(x)/Φ(x), without cancellation for x → −∞",
    enclosure=CROSSING,
)  # fmt: skip
LOG_NDTR = declare(
    "log_ndtr", special.log_ndtr, lambda y, x: apply(INVMILLS, x), latex=r"\log\Phi",
    domains=(Domain(boundary=(0.0, 30.0, -30.0, -1e4)),), source="AS 26.2",
    enclosure=SPECIAL,
    curvature=concave(RISING, second=(-1.0, 0.0)),
)  # fmt: skip
NDTRI = declare(
    "ndtri", special.ndtri, lambda y, x: power(apply(NORMPDF, y), -1), latex=r"\Phi^{-1}",
    domains=(Domain(0.1, 0.9),), values={HALF: Fraction(0)}, source="AS 26.2",
    enclosure=CROSSING.on(0.0, 1.0),
    curvature=rising_bend(0.0, 1.0, 0.5),
)  # fmt: skip
NDTRI_EXP = declare(
    "ndtri_exp", special.ndtri_exp, lambda y, x: power(apply(INVMILLS, y), -1),
    domains=(Domain(-4.0, -0.1),), source="the inverse of log Φ",
    enclosure=CROSSING.on(high=0.0),
)  # fmt: skip
OWENS_T = declare(
    "owens_t", special.owens_t,
    lambda y, h, a: scale(-HALF, mul(
        apply(NORMPDF, h), apply(ERF, mul(power(constant_like(2, ()), -HALF), a, h)))),
    lambda y, h, a: scale(HALF, mul(
        apply(EXP, scale(-HALF, mul(power(h, 2), plus_one(power(a, 2))))),
        power(mul(pi(), plus_one(power(a, 2))), -1))),
    domains=(Domain(), Domain()), latex="T",
    source="Owen 1956: (1/2π) ∫₀ᵃ exp(−h²(1 + t²)/2)/(1 + t²) dt",
    enclosure=Extremes(turns=((0.0,),), relative=1e-12),
)  # fmt: skip

# ---------------------------------------------------------------- logistic

LOGIT = declare(
    "logit", special.logit, lambda y, x: power(mul(x, one_minus(x)), -1),
    domains=(Domain(0.1, 0.9),), values={HALF: Fraction(0)}, source="log(x/(1 − x))",
    enclosure=CROSSING.on(0.0, 1.0),
    curvature=rising_bend(0.0, 1.0, 0.5),
)  # fmt: skip
LOG_EXPIT = declare(
    "log_expit", special.log_expit, lambda y, x: apply(SIGMOID, neg(x)),
    latex=r"\log\sigma", domains=(Domain(boundary=(0.0, 800.0, -800.0)),),
    source="−log(1 + exp(−x)), never overflowing",
    enclosure=MONOTONE,
    curvature=concave(RISING, second=(-0.25, 0.0)),
)  # fmt: skip


def _written_entropy(lanes: Lanes, node: Expr, x: Any) -> Any:
    found = -x * lanes.call("log", x)
    return lanes.select(x < 0.0, -inf, lanes.select(x.equals(0.0), 0.0, found))


ENTR = declare(
    "entr", special.entr, lambda y, x: neg(plus_one(apply(LOG, x))), domains=(Domain(0.2, 2.0),),
    at_zero=0, written=_written_entropy, source="−x log x, 0 at 0, where its tangent is vertical",
    enclosure=MONOTONE.turning(0.36787944117144233).on(0.0),
    curvature=concave(0, 0.0, domain=True),
)  # fmt: skip
BOXCOX = declare(
    "boxcox", special.boxcox, lambda y, x, z: apply(EXP, apply(XLOGY, sub(z, ones_like(z)), x)),
    lambda y, x, z: mul(power(apply(LOG, x), 2), exprel_slope(mul(z, apply(LOG, x)))),
    domains=(Domain(0.3, 2.0), Domain()), source="(xᶻ − 1)/z, log x where z = 0",
    enclosure=Extremes(low=(0.0,), relative=1e-12),
    curvature=power_less_one(),
)  # fmt: skip
WRIGHTOMEGA = declare(
    "wrightomega", special.wrightomega, lambda y, x: mul(y, power(plus_one(y), -1)),
    latex=r"\omega", positive=True, source="Corless and Jeffrey 2002: ω + log ω = x",
    enclosure=SPECIAL,
    curvature=convex(RISING),
)  # fmt: skip


def _lambertw(branch: int, x: Array) -> Array:
    """NaN where the branch is not real; at −1/e both are −1."""
    real = x >= -np.exp(-1.0) if branch == 0 else (x >= -np.exp(-1.0)) & (x <= 0)
    end = x == -np.exp(-1.0)
    found = np.real(special.lambertw(np.where(end, 0, x), branch))
    return np.where(end, -1, np.where(real, found, np.nan))


LAMBERTW = declare(
    "lambertw", in_double(_lambertw),
    lambda y, x: mul(apply(EXP, neg(y)), power(plus_one(y), -1)), parameters=("branch",),
    notation=Notation(
        "lambertw({branch}, {0})", "W({branch}, {0})", r"W_{{{branch}}}\left({0}\right)",
        "special.lambertw({0}, {branch}).real",
    ), domains=(Domain(-0.2, 2.0),), samples=(Sample(((),), (0,)), Sample(((2,),), (0,))),
    rewrite=lambda x, branch: x if branch == 0 and is_zero(x) else None,
    source="DLMF 4.13: the real branches 0 and −1",
    enclosure=SPECIAL.on(-0.36787944117144233),
    curvature=of_branch,
)  # fmt: skip

# ---------------------------------------------------------------- integrals of elementary functions

EXPI = declare(
    "expi", special.expi, lambda y, x: divide(apply(EXP, x), x), latex=r"\operatorname{Ei}",
    domains=(Domain(0.3, 2.0),), source="AS 5.1",
    enclosure=CROSSING.on(0.0),
)  # fmt: skip


def _expn_0(x: Expr) -> Expr:
    return divide(apply(EXP, neg(x)), x)


EXP1 = declare(
    "exp1", special.exp1, lambda y, x: neg(_expn_0(x)), latex="E_1",
    domains=(Domain(0.3, 2.0),), source="AS 5.1",
    enclosure=SPECIAL.on(0.0),
    curvature=convex(FALLING, 0.0, logarithm=True),
)  # fmt: skip
EXPN = declare(
    "expn", lambda order, x: special.expn(order, x).astype(x.dtype),
    lambda y, x: neg(expn(y.param("order") - 1, x)), parameters=("order",),
    notation=ordered("expn", "special.expn({order}, {0})", "E"), domains=(Domain(0.3, 2.0),),
    ufuncs=(special.expn,), source="AS 5.1: ∫₁^∞ exp(−xt) t⁻ⁿ dt",
    enclosure=SPECIAL.on(0.0),
    curvature=convex(FALLING, 0.0, logarithm=True),
)  # fmt: skip


def expn(order: int, x: Expr) -> Expr:
    """The exponential integral E_n(x) of a whole order n ≥ 0."""
    if order == 0:
        return _expn_0(x)
    return apply(EXP1, x) if order == 1 else apply(EXPN, x, order=order)


def _one_of(ufunc: Any, part: int) -> Written:
    """One of a ufunc's results."""
    return lambda lanes, node, x: lanes.call(ufunc, x)[part]


SININT = declare(
    "sinint", lambda x: special.sici(x)[0], lambda y, x: apply(SINC, mul(power(pi(), -1), x)),
    at_zero=0, latex=r"\operatorname{Si}", numpy="(lambda t: special.sici(t)[0])",
    domains=(Domain(boundary=(0.0,)),), source="AS 5.2: ∫₀ˣ sin(t)/t dt",
    written=_one_of(special.sici, 0),
    bounds=always(-1.8519371, 1.8519371),
)  # fmt: skip
COSINT = declare(
    "cosint", lambda x: special.sici(x)[1], lambda y, x: divide(apply(COS, x), x),
    latex=r"\operatorname{Ci}", numpy="(lambda t: special.sici(t)[1])",
    domains=(Domain(0.3, 2.0),), source="AS 5.2", written=_one_of(special.sici, 1),
)  # fmt: skip
SINHINT = declare(
    "sinhint", lambda x: special.shichi(x)[0],
    lambda y, x: add([apply(EXPREL, x), apply(EXPREL, neg(x))], [HALF, HALF]), at_zero=0,
    latex=r"\operatorname{Shi}", numpy="(lambda t: special.shichi(t)[0])",
    domains=(Domain(boundary=(0.0,)),), source="AS 5.2: ∫₀ˣ sinh(t)/t dt",
    written=_one_of(special.shichi, 0),
    enclosure=SPECIAL,
    curvature=rising_bend(),
)  # fmt: skip


def _quarter_square(x: Expr) -> Expr:
    """πx²/2."""
    return scale(HALF, mul(pi(), power(x, 2)))


FRESNELS = declare(
    "fresnels", lambda x: special.fresnel(x)[0], lambda y, x: apply(SIN, _quarter_square(x)),
    at_zero=0, latex="S", numpy="(lambda t: special.fresnel(t)[0])", source="AS 7.3",
    written=_one_of(special.fresnel, 0),
    bounds=always(-0.7139723, 0.7139723),
)  # fmt: skip
FRESNELC = declare(
    "fresnelc", lambda x: special.fresnel(x)[1], lambda y, x: apply(COS, _quarter_square(x)),
    at_zero=0, latex="C", numpy="(lambda t: special.fresnel(t)[1])", source="AS 7.3",
    written=_one_of(special.fresnel, 1),
    bounds=always(-0.7798935, 0.7798935),
)  # fmt: skip

# ---------------------------------------------------------------- exact at zeros, degrees


def _degree(x: Expr) -> Expr:
    return scale(Fraction(1, 180), mul(pi(), x))


COSM1 = declare(
    "cosm1",
    special.cosm1,
    lambda y, x: neg(apply(SIN, x)),
    at_zero=0,
    enclosure=Periodic(0.0, within=(-2.0, 0.0)),
    curvature=concave(0, -1.57, 1.57),
)
SINDG = declare(
    "sindg",
    special.sindg,
    lambda y, x: _degree(apply(COSDG, x)),
    at_zero=0,
    enclosure=Periodic(90.0, 180.0, slope=0.0174533),
)
COSDG = declare(
    "cosdg",
    special.cosdg,
    lambda y, x: neg(_degree(apply(SINDG, x))),
    at_zero=1,
    enclosure=Periodic(0.0, 180.0, slope=0.0174533),
)
TANDG = declare(
    "tandg", special.tandg, lambda y, x: _degree(plus_one(power(y, 2))), at_zero=0,
    enclosure=Branches(90.0, 180.0),
)  # fmt: skip


def lambertw(x: Expr, branch: int = 0) -> Expr:
    """Lambert's W, the inverse of w exp(w), on its real branch 0 or −1."""
    if branch not in (0, -1):
        raise DomainError(f"branch {branch} of lambertw is not real; the real ones are 0 and -1")
    return apply(LAMBERTW, x, branch=branch)
