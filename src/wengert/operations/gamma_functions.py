"""Γ and its kin: its logarithm, the polygamma functions, beta functions, binomials, zeta.

Sources: Abramowitz and Stegun (AS), the Digital Library of Mathematical Functions (DLMF).
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial, gamma
from typing import Any

import numpy as np
from scipy import special

from wengert.expr import Expr
from wengert.operations.algebra import add
from wengert.operations.apply import apply
from wengert.operations.build import mul, neg, ones_like, sub
from wengert.operations.constants import pi
from wengert.operations.curving import (
    RISING,
    concave,
    convex,
    of_polygamma,
)
from wengert.operations.declare import declare, in_double, ordered, plus_one
from wengert.operations.enclosing import (
    CROSSING,
    EXACT,
    SPECIAL,
    Extremes,
)
from wengert.operations.kinks import nowhere
from wengert.operations.scalar_functions import (
    LOG,
)
from wengert.operations.structure import constant_like
from wengert.operations.written import Lanes
from wengert.primitive import Domain, Notation, Undefined

Array = Any
_LEAST_GAMMA = 1.4616321449683623  # where Γ is least, on the positive numbers

GAMMALN = declare(
    "gammaln", special.gammaln, lambda y, x: apply(DIGAMMA, x), latex=r"\log\Gamma",
    domains=(Domain(0.4, 4.0),), source="AS 6.1; log |Γ(x)|",
    enclosure=CROSSING.turning(_LEAST_GAMMA).on(0.0),
    curvature=convex(0, 0.0),
)  # fmt: skip
LOGGAMMA = declare(
    "loggamma", special.loggamma, lambda y, x: apply(DIGAMMA, x), latex=r"\log\Gamma",
    domains=(Domain(0.4, 4.0),), source="AS 6.1; log Γ(x), x > 0",
    enclosure=CROSSING.turning(_LEAST_GAMMA).on(0.0),
    curvature=convex(0, 0.0, domain=True),
)  # fmt: skip
DIGAMMA = declare(
    "digamma", special.digamma, lambda y, x: polygamma(1, x), latex=r"\psi",
    domains=(Domain(0.4, 4.0),), source="AS 6.3",
    enclosure=CROSSING.on(0.0),
    curvature=concave(RISING, 0.0),
)  # fmt: skip
# SciPy's function of two operands is not a ufunc, and calls one that is.
_HURWITZ = getattr(vars(special)["_ufuncs"], "_zeta", None)


def _written_polygamma(lanes: Lanes, node: Expr, x: Any) -> Any:
    """(−1)ⁿ⁺¹ n! ζ(n + 1, x)."""
    (order,) = node.params
    sign = 1.0 if order % 2 else -1.0
    return lanes.call(_HURWITZ, float(order + 1), x) * (sign * gamma(order + 1))


POLYGAMMA = declare(
    "polygamma", lambda order, x: special.polygamma(order, x).astype(x.dtype),
    lambda y, x: polygamma(y.param("order") + 1, x), parameters=("order",),
    notation=Notation(
        "polygamma({order}, {0})", "ψ({order}, {0})", r"\psi^{{({order})}}\left({0}\right)",
        "special.polygamma({order}, {0})",
    ), domains=(Domain(0.5, 4.0),), ufuncs=(special.polygamma,), source="AS 6.4",
    written=_HURWITZ and _written_polygamma,
    enclosure=SPECIAL.on(0.0),
    curvature=of_polygamma,
)  # fmt: skip


def polygamma(order: int, x: Expr) -> Expr:
    """The derivative of order ``order`` of digamma."""
    return apply(POLYGAMMA, x, order=order) if order else apply(DIGAMMA, x)


GAMMA = declare(
    "gamma", special.gamma, lambda y, x: mul(y, apply(DIGAMMA, x)), latex=r"\Gamma",
    domains=(Domain(0.4, 4.0),), values={Fraction(1): Fraction(1), Fraction(2): Fraction(1)},
    source="AS 6.1",
    enclosure=SPECIAL.turning(_LEAST_GAMMA).on(0.0),
    curvature=convex(0, 0.0, logarithm=True),
)  # fmt: skip
GAMMASGN = declare(
    "gammasgn", special.gammasgn, reason="piecewise constant: the sign of Γ", smooth=False,
    domains=(Domain(-1.9, -1.1),),
    enclosure=EXACT.on(0.0),
    kinks=nowhere,
)  # fmt: skip


def _reciprocal_gamma(order: int, x: Array) -> Array:
    """Cauchy's formula on a circle around x: 1/Γ is entire."""
    count, radius = 32 + 2 * order, 0.5
    turns = np.exp(2j * np.pi * np.arange(count) / count).reshape(-1, *[1] * np.ndim(x))
    values = special.rgamma(x + radius * turns) * turns**-order
    return factorial(order) / radius**order * values.real.mean(axis=0)


DRGAMMA = declare(
    "drgamma", in_double(_reciprocal_gamma),
    lambda y, x: apply(DRGAMMA, x, order=y.param("order") + 1), parameters=("order",),
    notation=ordered(
        "drgamma", "(lambda t, n: special.gamma(n + 1) * 2.0**n * np.mean([(special.rgamma("
        "t + 0.5 * u) * u**-n).real for u in np.exp(2j * np.pi * np.arange(64) / 64)], axis=0))"
        "({0}, {order})",
    ), source="derivatives of 1/Γ by Cauchy's formula",
)  # fmt: skip
RGAMMA = declare(
    "rgamma", special.rgamma, lambda y, x: apply(DRGAMMA, x, order=1), at_zero=0,
    notation=Notation(
        "rgamma({0})", "rgamma({0})", r"\frac{{1}}{{\Gamma\left({0}\right)}}", "special.rgamma({0})"
    ), domains=(Domain(boundary=(0.0, -1.0, -3.0, 2.0)),),
    source="AS 6.1: 1/Γ(x), entire",
    enclosure=SPECIAL.turning(_LEAST_GAMMA).on(0.0),
)  # fmt: skip


def _digamma_gap(x: Expr, z: Expr) -> Expr:
    """ψ(x) − ψ(z)."""
    return sub(apply(DIGAMMA, x), apply(DIGAMMA, z))


def _sum_of(x: Expr, z: Expr) -> Expr:
    return add([x, z])


BETA = declare(
    "beta", special.beta, lambda y, a, b: mul(y, _digamma_gap(a, _sum_of(a, b))),
    lambda y, a, b: mul(y, _digamma_gap(b, _sum_of(a, b))), latex=r"\mathrm{B}",
    domains=(Domain(0.5, 3.0), Domain(0.5, 3.0)), source="AS 6.2",
    enclosure=Extremes(low=(0.0, 0.0), relative=1e-12),
)  # fmt: skip
BETALN = declare(
    "betaln", special.betaln, lambda y, a, b: _digamma_gap(a, _sum_of(a, b)),
    lambda y, a, b: _digamma_gap(b, _sum_of(a, b)), latex=r"\log\mathrm{B}",
    domains=(Domain(0.5, 3.0), Domain(0.5, 3.0)), source="AS 6.2",
    enclosure=Extremes(low=(0.0, 0.0), relative=1e-12, absolute=1e-13),
)  # fmt: skip
BINOM = declare(
    "binom", special.binom,
    lambda y, n, k: mul(y, _digamma_gap(plus_one(n), plus_one(sub(n, k)))),
    lambda y, n, k: mul(y, _digamma_gap(plus_one(sub(n, k)), plus_one(k))),
    notation=Notation(
        "binom({0}, {1})", "binom({0}, {1})", r"\binom{{{0}}}{{{1}}}", "special.binom({0}, {1})"
    ), domains=(Domain(3.0, 5.0), Domain(0.5, 2.0)), source="Γ(n+1)/(Γ(k+1) Γ(n−k+1))",
)  # fmt: skip
POCH = declare(
    "poch", special.poch, lambda y, x, m: mul(y, _digamma_gap(_sum_of(x, m), x)),
    lambda y, x, m: mul(y, apply(DIGAMMA, _sum_of(x, m))),
    domains=(Domain(0.5, 3.0), Domain(0.3, 2.0)), source="AS 6.1.22: Γ(x + m)/Γ(x)",
)  # fmt: skip
ZETA = declare(
    "zeta", special.zeta, Undefined("the derivative of ζ(x, q) in x has no closed form"),
    lambda y, x, q: neg(mul(x, apply(ZETA, plus_one(x), q))), numpy="special.zeta",
    latex=r"\zeta", domains=(Domain(1.5, 4.0), Domain(0.5, 3.0)), ufuncs=(special.zeta,),
    written=_HURWITZ and (lambda lanes, node, x, q: lanes.call(_HURWITZ, x, q)),
    source="DLMF 25.11: Hurwitz's Σ (k + q)⁻ˣ",
    enclosure=Extremes(low=(1.0, 0.0), relative=1e-12),
)  # fmt: skip


def multigammaln(a: Expr, dimension: int) -> Expr:
    """The logarithm of the multivariate gamma function, log Γ_d(a).

    Source: log Γ_d(a) = d(d−1)/4 · log π + Σ_j log Γ(a − j/2), j from 0 to d − 1.
    """
    shifted = [sub(a, constant_like(Fraction(j, 2), a.shape)) for j in range(dimension)]
    logs = [apply(GAMMALN, x) for x in shifted]
    level = mul(apply(LOG, pi()), ones_like(a))
    return add([*logs, level], [*[1] * dimension, Fraction(dimension * (dimension - 1), 4)])


def zeta(x: Expr, q: Expr | None = None) -> Expr:
    """Hurwitz's zeta function Σ (k + q)⁻ˣ, Riemann's by default (q = 1)."""
    return apply(ZETA, x, ones_like(x) if q is None else q)
