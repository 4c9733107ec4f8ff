"""Elementwise functions: value, partial derivatives (which may use the result), notation, domain.

Sources: Abramowitz and Stegun, Handbook of Mathematical Functions (sections given as AS); the
stable forms of sigmoid, softplus and friends are the usual ones (no overflow for any input).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np
from scipy import special

from wengert.errors import DomainError
from wengert.expr import Expr
from wengert.operations.algebra import add, power, scale
from wengert.operations.apply import apply
from wengert.operations.build import mul, neg, ones_like, sub
from wengert.operations.coefficients import root_coefficient
from wengert.operations.constants import multiple_of_pi, pi
from wengert.operations.curving import (
    FALLING,
    RISING,
    concave,
    convex,
    exponential,
    log_concave,
    logarithm,
    rising_bend,
    rising_saturation,
    valley,
)
from wengert.operations.declare import (
    HALF,
    declare,
    one_minus_square,
    one_plus_square,
    plus_one,
)
from wengert.operations.enclosing import (
    EXACT,
    MONOTONE,
    SPECIAL,
    Branches,
    Extremes,
    Periodic,
    always,
    unchanged,
)
from wengert.operations.intervals import EPS
from wengert.operations.kinks import at_sign_change, at_sign_of_rectifier, at_zero, nowhere
from wengert.operations.structural import ADD
from wengert.operations.structure import (
    coefficients_of,
    constant_like,
    constant_value,
    is_positive,
    is_zero,
    strip_coefficient,
)
from wengert.operations.written import Lanes
from wengert.primitive import ByCoefficient, Domain, Notation, Sample, Shared

POSITIVE = Extremes(within=(0.0, inf))
HALF_PI = math.pi / 2

# ---------------------------------------------------------------- exponential and logarithm


def _power_of_exp(node: Expr, exponent: Fraction) -> Expr | None:
    return apply(EXP, scale(exponent, node.operands[0]))


def _exp_as_power(node: Expr) -> tuple[Expr, Fraction]:
    """exp(c x) = exp(x) ** c, with x free of rational factors."""
    x = node.operands[0]
    content = coefficients_of(x).content if x.primitive is ADD else strip_coefficient(x)[0]
    return (
        (node, Fraction(1)) if content in (0, 1) else (apply(EXP, scale(1 / content, x)), content)
    )


EXP = declare(
    "exp", np.exp, lambda y, x: y, latex=r"\exp", at_zero=1, positive=True,
    rewrite=lambda x: x.operands[0] if x.primitive is LOG and is_positive(x.operands[0]) else None,
    power_rule=_power_of_exp, as_power=_exp_as_power, source="AS 4.2",
    enclosure=POSITIVE,
    curvature=exponential(),
)  # fmt: skip
LOG = declare(
    "log", np.log, lambda y, x: power(x, -1), latex=r"\log",
    domains=(Domain(0.2, 3.0),), values={Fraction(1): Fraction(0)},
    rewrite=lambda x: x.operands[0] if x.primitive is EXP else None, source="AS 4.1",
    enclosure=MONOTONE.on(0.0),
    curvature=logarithm(),
)  # fmt: skip
LOG1P = declare(
    "log1p", np.log1p, lambda y, x: power(plus_one(x), -1), ufuncs=(np.log1p, special.log1p),
    domains=(Domain(-0.7, 3.0, boundary=(0.0, 1e-12)),), at_zero=0,
    enclosure=MONOTONE.on(-1.0),
    curvature=logarithm(-1.0),
)  # fmt: skip


def _log(number: int) -> Expr:
    return apply(LOG, constant_like(number, ()))


LOG2 = declare(
    "log2", np.log2, lambda y, x: power(mul(_log(2), x), -1), latex=r"\log_2",
    domains=(Domain(0.2, 3.0),), values={Fraction(1): Fraction(0), Fraction(2): Fraction(1)},
    enclosure=MONOTONE.on(0.0),
    curvature=logarithm(),
)  # fmt: skip
LOG10 = declare(
    "log10", np.log10, lambda y, x: power(mul(_log(10), x), -1), latex=r"\log_{10}",
    domains=(Domain(0.2, 3.0),), values={Fraction(1): Fraction(0), Fraction(10): Fraction(1)},
    enclosure=MONOTONE.on(0.0),
    curvature=logarithm(),
)  # fmt: skip
EXP2 = declare(
    "exp2", np.exp2, lambda y, x: mul(_log(2), y), at_zero=1, positive=True,
    ufuncs=(np.exp2, special.exp2),
    enclosure=POSITIVE,
    curvature=exponential(),
)  # fmt: skip
EXP10 = declare(
    "exp10",
    special.exp10,
    lambda y, x: mul(_log(10), y),
    at_zero=1,
    positive=True,
    enclosure=POSITIVE,
    curvature=exponential(),
)
EXPM1 = declare(
    "expm1", np.expm1, lambda y, x: apply(EXP, x), at_zero=0, ufuncs=(np.expm1, special.expm1),
    domains=(Domain(boundary=(0.0, 1e-12)),),
    enclosure=MONOTONE,
    curvature=convex(RISING),
)  # fmt: skip
CBRT = declare(
    "cbrt", np.cbrt, lambda y, x: scale(Fraction(1, 3), power(y, -2)), at_zero=0,
    values={Fraction(1): Fraction(1)}, ufuncs=(np.cbrt, special.cbrt),
    series=ByCoefficient(
        lambda node, k, of, own: root_coefficient(node, Fraction(1, 3), k, of, own)
    ),
    source="the real cube root, of negative numbers too; its tangent at 0 is vertical",
    enclosure=MONOTONE,
    kinks=at_zero(),
    curvature=rising_saturation(),
)  # fmt: skip


def _size_of_constant(x: Expr) -> Expr | None:
    value = constant_value(x)
    return None if value is None else constant_like(abs(value), x.shape)


ABS = declare(
    "abs", np.abs, lambda y, x: apply(SIGN, x), at_zero=0, smooth=False,
    ufuncs=(np.absolute, np.fabs),
    notation=Notation("abs({0})", "|{0}|", r"\left|{0}\right|", "np.abs({0})"),
    rewrite=lambda x: x if is_positive(x) else _size_of_constant(x),
    domains=(Domain(boundary=(0.0,)),), source="subgradient 0 at 0",
    enclosure=EXACT.turning(0.0),
    kinks=at_sign_change,
    curvature=valley(),
)  # fmt: skip
SIGN = declare("sign", np.sign, at_zero=0, smooth=False,
    rewrite=lambda x: constant_like(1, x.shape) if is_positive(x) else None,
    enclosure=EXACT, kinks=at_zero())  # fmt: skip
STEP = declare(
    "step", lambda x: np.heaviside(x, np.zeros_like(x)), at_zero=0, smooth=False,
    numpy="(lambda t: np.heaviside(t, 0.0))", source="derivative of relu; 0 at 0",
    enclosure=EXACT,
    kinks=at_zero(),
)  # fmt: skip

# ---------------------------------------------------------------- numbers that are none

FINITE = declare(
    "finite", lambda x: np.isfinite(x).astype(x.dtype), smooth=False,
    numpy="(lambda t: np.isfinite(t) * 1.0)", reason="piecewise constant: where x is finite",
    rewrite=lambda x: ones_like(x) if constant_value(x) is not None else None,
    enclosure=always(1.0, 1.0),
    kinks=nowhere,
)  # fmt: skip


def _written_numbers(lanes: Lanes, node: Expr, x: Any) -> Any:
    nan, above, below = node.params
    largest = lanes.largest(x)
    found = lanes.select(x.equals(inf), largest if above is None else above, x)
    found = lanes.select(x.equals(-inf), -largest if below is None else below, found)
    return lanes.select(x.is_nan(), nan, found)


NAN_TO_NUM = declare(
    "nan_to_num",
    lambda nan, posinf, neginf, x: np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
    lambda y, x: apply(FINITE, x), parameters=("nan", "posinf", "neginf"),
    notation=Notation(
        "nan_to_num({0})", "nan_to_num({0})", r"\operatorname{{nan\_to\_num}}\left({0}\right)",
        "np.nan_to_num({0}, nan={nan}, posinf={posinf}, neginf={neginf})",
    ), smooth=False, written=_written_numbers,
    samples=tuple(Sample((shape,), (0.0, None, None)) for shape in ((), (2,))),
    source="the derivative is 1 where x is finite, 0 where a constant takes its place",
    enclosure=unchanged,
    kinks=nowhere,
)  # fmt: skip

# ---------------------------------------------------------------- trigonometric and hyperbolic

_SINES: dict[Fraction, Fraction | int] = {
    Fraction(k): value for k, value in ((0, 0), (1, HALF), (3, 1))
}  # of kπ/6


def _sine_at(turn: Fraction | None) -> Expr | None:
    """sin(turn · π), for twelfths of a turn and odd eighths."""
    if turn is None or turn.denominator not in (1, 2, 3, 4, 6):
        return None
    turn %= 2
    sign = 1 if turn <= 1 else -1
    turn %= 1
    turn = min(turn, 1 - turn)
    known = _SINES.get(turn * 6) if (turn * 6).denominator == 1 else None
    if known is not None:
        return constant_like(sign * known, ())
    square = 2 if turn.denominator == 4 else 3
    return scale(sign * HALF, power(constant_like(square, ()), HALF))


def _sine(x: Expr) -> Expr | None:
    return _sine_at(multiple_of_pi(x))


def _cosine(x: Expr) -> Expr | None:
    turn = multiple_of_pi(x)
    return None if turn is None else _sine_at(turn + HALF)


def _tangent(x: Expr) -> Expr | None:
    above, below = _sine(x), _cosine(x)
    if above is None or below is None:
        return None
    if is_zero(below):
        raise DomainError("tan has a pole at odd multiples of π/2")
    return mul(above, power(below, -1))


def _angle(turns: dict[Fraction, Fraction]) -> Callable[[Expr], Expr | None]:
    """The rewriting of an inverse function to q π, by its operand."""

    def rewrite(x: Expr) -> Expr | None:
        value = constant_value(x)
        if x.shape or value is None or value not in turns:
            return None
        return scale(turns[value], pi())

    return rewrite


_ONE = Fraction(1)
_ARCSINES = {_ONE: HALF, -_ONE: -HALF, HALF: Fraction(1, 6), -HALF: -Fraction(1, 6)}
_ARCCOSINES = {x: HALF - q for x, q in {**_ARCSINES, Fraction(0): Fraction(0)}.items()}

SIN = declare(
    "sin", np.sin, lambda y, x: apply(COS, x), latex=r"\sin", at_zero=0, rewrite=_sine,
    source="AS 4.3", enclosure=Periodic(HALF_PI),
    curvature=(*concave(0, 0.0, math.pi), *convex(0, -math.pi, 0.0)),
)  # fmt: skip
COS = declare(
    "cos", np.cos, lambda y, x: neg(apply(SIN, x)), latex=r"\cos", at_zero=1, rewrite=_cosine,
    source="AS 4.3", enclosure=Periodic(0.0),
    curvature=concave(0, -HALF_PI, HALF_PI),
)  # fmt: skip
TAN = declare(
    "tan", np.tan, lambda y, x: one_plus_square(y), latex=r"\tan", at_zero=0, rewrite=_tangent,
    domains=(Domain(-1.2, 1.2),),
    enclosure=Branches(HALF_PI, math.pi),
    curvature=rising_bend(-HALF_PI, HALF_PI),
)  # fmt: skip
ARCSIN = declare(
    "arcsin", np.arcsin, lambda y, x: power(one_minus_square(x), -HALF), latex=r"\arcsin",
    at_zero=0, domains=(Domain(-0.8, 0.8),), rewrite=_angle(_ARCSINES), source="AS 4.4",
    enclosure=MONOTONE.on(-1.0, 1.0),
    curvature=rising_bend(-1.0, 1.0),
)  # fmt: skip
ARCCOS = declare(
    "arccos", np.arccos, lambda y, x: neg(power(one_minus_square(x), -HALF)), latex=r"\arccos",
    domains=(Domain(-0.8, 0.8),), values={Fraction(1): Fraction(0)},
    rewrite=_angle(_ARCCOSINES), source="AS 4.4",
    enclosure=MONOTONE.on(-1.0, 1.0),
    curvature=(*concave(FALLING, 0.0, 1.0), *convex(FALLING, -1.0, 0.0)),
)  # fmt: skip
ARCTAN = declare(
    "arctan", np.arctan, lambda y, x: power(one_plus_square(x), -1), latex=r"\arctan", at_zero=0,
    rewrite=_angle({_ONE: Fraction(1, 4), -_ONE: Fraction(-1, 4)}), source="AS 4.4",
    enclosure=MONOTONE,
    curvature=rising_saturation(),
)  # fmt: skip
SINH = declare(
    "sinh",
    np.sinh,
    lambda y, x: apply(COSH, x),
    latex=r"\sinh",
    at_zero=0,
    enclosure=MONOTONE,
    curvature=rising_bend(),
)
COSH = declare(
    "cosh",
    np.cosh,
    lambda y, x: apply(SINH, x),
    latex=r"\cosh",
    at_zero=1,
    positive=True,
    enclosure=MONOTONE.turning(0.0),
    curvature=valley((1.0, inf), logarithm=True),
)
TANH = declare(
    "tanh",
    np.tanh,
    lambda y, x: one_minus_square(y),
    latex=r"\tanh",
    at_zero=0,
    source="AS 4.5",
    enclosure=Extremes(within=(-1.0, 1.0)),
    curvature=rising_saturation(),
)
ARCSINH = declare(
    "arcsinh",
    np.arcsinh,
    lambda y, x: power(one_plus_square(x), -HALF),
    at_zero=0,
    enclosure=MONOTONE,
    curvature=rising_saturation(),
)
ARCCOSH = declare(
    "arccosh", np.arccosh, lambda y, x: power(sub(power(x, 2), ones_like(x)), -HALF),
    domains=(Domain(1.2, 3.0),), values={Fraction(1): Fraction(0)},
    enclosure=MONOTONE.on(1.0),
    curvature=concave(RISING, 1.0, domain=True),
)  # fmt: skip
ARCTANH = declare(
    "arctanh", np.arctanh, lambda y, x: power(one_minus_square(x), -1), at_zero=0,
    domains=(Domain(-0.8, 0.8),),
    enclosure=MONOTONE.on(-1.0, 1.0),
    curvature=rising_bend(-1.0, 1.0),
)  # fmt: skip

# ---------------------------------------------------------------- machine learning


def _exp_of_size(x: Any) -> tuple[Any, Any]:
    """e = exp(−|x|) and 1/(1 + e), of which the sigmoids and softplus of x and −x are made."""
    e = np.abs(x)
    if not e.ndim:
        e = np.exp(-e)
        return e, 1 / (1 + e)
    np.negative(e, out=e)
    np.exp(e, out=e)
    larger = np.add(e, 1)
    return e, np.divide(1, larger, out=larger)


def _from_exp_of_size(evaluate: Callable[..., Any]) -> Callable[[Expr], Shared]:
    def shared(node: Expr) -> Shared:
        x = node.operands[0]
        factor = coefficients_of(x).content if x.primitive is ADD else strip_coefficient(x)[0]
        return Shared(_exp_of_size, (), x, evaluate, neg(x) if factor < 0 else x)

    return shared


def _sigmoid_from_exp(node: Expr, done: Any, out: Any, x: Any) -> Any:
    e, larger = done
    return np.multiply(np.maximum(e, x >= 0, out=out), larger, out=out)


def _softplus_from_exp(node: Expr, done: Any, out: Any, x: Any) -> Any:
    return np.add(np.log1p(done[0], out=out), np.maximum(x, 0), out=out)


SIGMOID = declare(
    "sigmoid", special.expit, lambda y, x: mul(y, sub(ones_like(y), y)),
    notation=Notation("sigmoid({0})", "σ({0})", r"\sigma\left({0}\right)", "special.expit({0})"),
    positive=True, values={Fraction(0): HALF}, domains=(Domain(boundary=(0.0, 800.0, -800.0)),),
    shared=_from_exp_of_size(_sigmoid_from_exp),
    enclosure=Extremes(within=(0.0, 1.0), relative=16 * EPS),
    curvature=(*rising_saturation(), *log_concave(RISING)),
    complement=lambda y: apply(SIGMOID, neg(y.operands[0])),
)  # fmt: skip
SOFTPLUS = declare(
    "softplus", lambda x: np.logaddexp(x, 0), lambda y, x: apply(SIGMOID, x), positive=True,
    numpy="(lambda t: np.logaddexp(t, 0.0))", domains=(Domain(boundary=(0.0, 800.0, -800.0)),),
    shared=_from_exp_of_size(_softplus_from_exp),
    defined=lambda y: apply(LOG, plus_one(apply(EXP, *y.operands))),
    source="log(1 + exp(x)), never overflowing",
    enclosure=POSITIVE,
    curvature=convex(RISING, second=(0.0, 0.25)),
)  # fmt: skip
RELU = declare(
    "relu", lambda x: np.maximum(x, 0), lambda y, x: apply(STEP, x), at_zero=0, smooth=False,
    into=lambda out, x: np.maximum(x, 0, out=out),
    numpy="(lambda t: np.maximum(t, 0.0))", domains=(Domain(boundary=(0.0,)),),
    source="subgradient 0 at 0",
    enclosure=EXACT,
    kinks=at_sign_of_rectifier,
    curvature=convex(RISING),
)  # fmt: skip
NORMCDF = declare(
    "normcdf", special.ndtr, lambda y, x: apply(NORMPDF, x), positive=True,
    notation=Notation("normcdf({0})", "Φ({0})", r"\Phi\left({0}\right)", "special.ndtr({0})"),
    values={Fraction(0): HALF}, source="AS 26.2",
    enclosure=Extremes(within=(0.0, 1.0), relative=1e-12),
    curvature=(*rising_saturation(), *log_concave(RISING)),
    complement=lambda y: apply(NORMCDF, neg(y.operands[0])),
)  # fmt: skip
NORMPDF = declare(
    "normpdf", lambda x: np.exp(-x * x / 2) * x.dtype.type(0.3989422804014327),
    lambda y, x: neg(mul(x, y)), positive=True,
    notation=Notation(
        "normpdf({0})", "φ({0})", r"\varphi\left({0}\right)",
        "(lambda t: np.exp(-t * t / 2) * 0.3989422804014327)({0})",
    ), source="AS 26.2",
    defined=lambda y: mul(
        apply(EXP, scale(-HALF, power(y.operands[0], 2))), power(scale(2, pi()), -HALF)
    ),
    enclosure=SPECIAL.turning(0.0),
    curvature=(*convex(FALLING, 1.0), *convex(RISING, high=-1.0), *concave(0, -1.0, 1.0),
        *log_concave(FALLING, 0.0), *log_concave(RISING, high=0.0), *log_concave(0)),
)  # fmt: skip
GELU = declare(
    "gelu", lambda x: x * special.ndtr(x),
    lambda y, x: add([apply(NORMCDF, x), mul(x, apply(NORMPDF, x))]), at_zero=0,
    numpy="(lambda t: t * special.ndtr(t))", source="Hendrycks and Gimpel 2016: x Φ(x)",
    enclosure=SPECIAL.turning(-0.7517915246935645),
)  # fmt: skip
