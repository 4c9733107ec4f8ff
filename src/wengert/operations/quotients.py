"""Quotients that are smooth where their denominator is 0: sinc, exprel, log(x)/(x − 1).

Each is an integral over [0, 1], q(z) = ∫ f(z t) dt, and z q(z) = F(z) with a plain F. So its
derivatives q_k satisfy z q_k + k q_{k−1} = F_k (Leibniz), a recursion that is stable away from
z = 0; close to it the integral q_k = ∫ tᵏ f⁽ᵏ⁾(z t) dt is taken by Gauss and Legendre's rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import factorial, inf
from typing import Any, cast

import numpy as np
from scipy import special

from wengert.expr import Expr
from wengert.operations.algebra import power
from wengert.operations.apply import apply
from wengert.operations.build import mul, neg, ones_like, sub
from wengert.operations.constants import pi
from wengert.operations.curving import RISING, convex
from wengert.operations.declare import declare, in_double, ordered
from wengert.operations.enclosing import CROSSING, SPECIAL, Enclosure, always
from wengert.operations.intervals import Interval
from wengert.operations.scalar_functions import EXP, LOG, SIN
from wengert.operations.written import Lanes
from wengert.primitive import Domain

Array = Any
OfOrder = Callable[[int, Array], Array]
_POLYNOMIAL_NODES = 40  # enough for the functions below on the intervals below


@cache
def _rule(count: int) -> tuple[Array, Array]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def _derivative(
    order: int, z: Array, near: Array, nodes: int, function: OfOrder, product: OfOrder
) -> Array:
    """q_order at z: the integral where ``near``, the recursion elsewhere.

    ``function(k, s)`` is f⁽ᵏ⁾(s) and ``product(k, z)`` is F_k(z).
    """
    z, near = np.atleast_1d(z), np.atleast_1d(near)
    found: Array = product(0, z) / z
    for k in range(1, order + 1):
        forced = product(k, z)
        found = cast(Array, np.where(np.isposinf(forced), forced, (forced - k * found) / z))
    t, weights = _rule(nodes)
    inside = z[near]
    values = t[:, None] ** order * function(order, t[:, None] * inside)
    found[near] = weights @ values
    return found


def _family(name: str, evaluate: Callable[[int, Array], Array], numpy: str, latex: str,
            domain: Domain, source: str, enclosure: Enclosure | None = None,
            bounds: Enclosure | None = None) -> Callable[[int, Expr], Expr]:  # fmt: skip
    """Declare the derivatives of a quotient; returns the node of one order (at least 1)."""

    def derivative(order: int, x: Expr) -> Expr:
        return apply(primitive, x, order=order)

    primitive = declare(
        f"d{name}",
        in_double(lambda order, x: evaluate(order, x).reshape(x.shape)),
        lambda y, x: derivative(y.param("order") + 1, x),
        parameters=("order",),
        notation=ordered(f"d{name}", numpy, latex),
        domains=(domain,),
        source=source,
        enclosure=enclosure,
        bounds=bounds,
    )
    return derivative


def _over(above: Expr, below: Expr) -> Expr:
    return mul(above, power(below, -1))


# ---------------------------------------------------------------- sin(πx)/(πx)


def _cosine(k: int, s: Array) -> Array:
    """The k-th derivative of cos, whose zeros are exact."""
    return (np.cos(s), -np.sin(s), -np.cos(s), np.sin(s))[k % 4]


def _sinc(order: int, x: Array) -> Array:
    z = np.pi * x
    reach = 2 * order + 8
    near = np.abs(z) <= reach
    slope = _derivative(order, z, near, 24 + reach, _cosine, lambda k, s: -_cosine(k + 1, s))
    return np.pi**order * slope


def _bounded_sinc(node: Expr, x: Interval) -> Interval:
    """|∫₀¹ (πt)ᵏ cos(...) dt| ≤ πᵏ/(k + 1)."""
    (order,) = node.params
    bound = 1.001 * np.pi**order / (order + 1)
    return always(-bound, bound)(node, x)


_dsinc = _family(
    "sinc", _sinc,
    "(np.pi**{order} * (1j**{order} * special.hyp1f1({order} + 1, {order} + 2,"
    " 1j * np.pi * {0})).real / ({order} + 1))",
    r"\operatorname{dsinc}", Domain(boundary=(0.0,)), "∫₀¹ (πt)ᵏ cos(πxt + kπ/2) dt",
    bounds=_bounded_sinc,
)  # fmt: skip


def _written_sinc(lanes: Lanes, node: Expr, x: Any) -> Any:
    z = lanes.select(x.equals(0.0), 1e-20, x) * np.pi
    return lanes.call("sin", z) / z


SINC = declare(
    "sinc", lambda x: np.asarray(np.sinc(x)).astype(x.dtype)[()], lambda y, x: _dsinc(1, x),
    at_zero=1, ufuncs=(np.sinc,), written=_written_sinc,
    domains=(Domain(boundary=(0.0, 1e-12, 0.9)),),
    defined=lambda y: _over(apply(SIN, mul(pi(), y.operands[0])), mul(pi(), y.operands[0])),
    source="sin(πx)/(πx), 1 at 0",
    bounds=always(-0.2172337, 1.0),
)  # fmt: skip

# ---------------------------------------------------------------- (exp(x) − 1)/x


def _exprel(order: int, x: Array) -> Array:
    reach = 2 * order + 8
    near = np.abs(x) <= reach
    return _derivative(
        order, x, near, 24 + reach, lambda k, s: np.exp(s),
        lambda k, s: np.exp(s) if k else np.expm1(s),
    )  # fmt: skip


_dexprel = _family(
    "exprel", _exprel, "(special.hyp1f1({order} + 1, {order} + 2, {0}) / ({order} + 1))",
    r"\operatorname{dexprel}", Domain(boundary=(0.0, 20.0, -20.0)), "∫₀¹ tᵏ exp(xt) dt",
    enclosure=SPECIAL,
)  # fmt: skip
EXPREL = declare(
    "exprel", special.exprel, lambda y, x: _dexprel(1, x), at_zero=1, positive=True,
    domains=(Domain(boundary=(0.0, 1e-12, 20.0, -20.0)),), source="(exp(x) − 1)/x, 1 at 0",
    defined=lambda y: _over(sub(apply(EXP, *y.operands), ones_like(y)), y.operands[0]),
    enclosure=replace(SPECIAL, within=(0.0, inf)),
    curvature=convex(RISING, logarithm=True),
)  # fmt: skip


def exprel_slope(x: Expr) -> Expr:
    """The derivative of exprel."""
    return _dexprel(1, x)


# ---------------------------------------------------------------- log(x)/(x − 1)


def _logratio(order: int, x: Array) -> Array:
    near = (x >= 0.25) & (x <= 4)

    def reciprocal(k: int, s: Array) -> Array:
        return (-1) ** k * factorial(k) / (1 + s) ** (k + 1)

    def logarithm(k: int, u: Array) -> Array:
        if not k:
            return np.log(np.atleast_1d(x))
        return (-1) ** (k - 1) * factorial(k - 1) / np.atleast_1d(x) ** k

    return _derivative(order, x - 1, near, _POLYNOMIAL_NODES + 2 * order, reciprocal, logarithm)


_dlogratio = _family(
    "logratio", _logratio,
    "((-1)**{order} * special.gamma({order} + 1) / ({order} + 1)"
    " * special.hyp2f1({order} + 1, {order} + 1, {order} + 2, 1 - {0}))",
    r"\operatorname{dlogratio}", Domain(0.3, 3.0, boundary=(1.0,)),
    "(−1)ᵏ k! ∫₀¹ tᵏ (1 + (x − 1)t)⁻ᵏ⁻¹ dt", enclosure=SPECIAL.on(0.0),
)  # fmt: skip
LOGRATIO = declare(
    "logratio", in_double(lambda x: _logratio(0, x).reshape(x.shape)),
    lambda y, x: _dlogratio(1, x), positive=True,
    domains=(Domain(0.3, 3.0, boundary=(1.0, 0.1, 5.0)),),
    defined=lambda y: _over(apply(LOG, *y.operands), sub(y.operands[0], ones_like(y))),
    numpy="(lambda t: np.where(t == 1, 1.0, np.log(t) / np.where(t == 1, 1, t - 1)))",
    source="log(x)/(x − 1), 1 at 1",
    enclosure=SPECIAL.on(0.0),
)  # fmt: skip
SPENCE = declare(
    "spence", special.spence, lambda y, x: neg(apply(LOGRATIO, x)),
    domains=(Domain(0.3, 3.0, boundary=(1.0,)),),
    source="AS 27.7: the dilogarithm ∫₁ˣ log(t)/(1 − t) dt",
    enclosure=CROSSING.on(0.0),
)  # fmt: skip
