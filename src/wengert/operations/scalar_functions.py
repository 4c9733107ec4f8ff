"""Elementwise functions: value, partial derivatives (which may use the result), notation, domain.

Sources: Abramowitz and Stegun, Handbook of Mathematical Functions (sections given as AS); the
stable forms of sigmoid, softplus and friends are the usual ones (no overflow for any input).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import special

from wengert.expr import Expr
from wengert.operations.algebra import (
    add,
    power,
    scale,
)
from wengert.operations.apply import apply, same_shape
from wengert.operations.build import mul, neg, ones_like, sub
from wengert.operations.constants import pi
from wengert.operations.structural import (
    ADD,
)
from wengert.operations.structure import (
    coefficients_of,
    constant_like,
    constant_value,
    content_of,
    is_positive,
    strip_coefficient,
)
from wengert.primitive import Constant, Domain, Notation, Partials, Primitive, register

Partial = Callable[..., Expr]
HALF = Fraction(1, 2)


def _declare(
    name: str,
    evaluate: Callable[..., Any],
    *partials: Partial,
    latex: str | None = None,
    numpy: str | None = None,
    notation: Notation | None = None,
    domains: tuple[Domain, ...] = (Domain(),),
    at_zero: Fraction | int | None = None,
    values: dict[Fraction, Fraction] | None = None,
    rewrite: Callable[[Expr], Expr | None] | None = None,
    positive: bool = False,
    smooth: bool = True,
    power_rule: Callable[[Expr, Fraction], Expr | None] | None = None,
    as_power: Callable[[Expr], tuple[Expr, Fraction]] | None = None,
    source: str = "",
) -> Primitive:
    arity = len(domains)
    known = dict(values or {})
    if at_zero is not None:
        known[Fraction(0)] = Fraction(at_zero)

    def rewriting(operands: tuple[Expr, ...], params: object) -> Expr | None:
        value = constant_value(operands[0]) if arity == 1 else None
        if value is not None and value in known:
            return constant_like(known[value], operands[0].shape)
        return rewrite(operands[0]) if rewrite is not None and arity == 1 else None

    return register(
        Primitive(
            name,
            arity,
            same_shape,
            lambda node, *arrays: evaluate(*arrays),
            Partials(partials) if partials else Constant("piecewise constant"),
            notation or Notation.function(name, latex=latex, numpy=numpy, arity=arity),
            elementwise=True,
            zero_at_zero=at_zero == 0,
            rewrite=rewriting,
            positive=(lambda node: True) if positive else None,
            domains=domains,
            smooth=smooth,
            power_rule=power_rule,
            as_power=as_power,
            source=source,
        )
    )


def _one_minus_square(y: Expr) -> Expr:
    return sub(ones_like(y), power(y, 2))


def _one_plus_square(y: Expr) -> Expr:
    return add([ones_like(y), power(y, 2)])


# ---------------------------------------------------------------- exponential and logarithm


def _power_of_exp(node: Expr, exponent: Fraction) -> Expr | None:
    return apply(EXP, scale(exponent, node.operands[0]))


def _exp_as_power(node: Expr) -> tuple[Expr, Fraction]:
    """exp(c x) = exp(x) ** c, with x free of rational factors."""
    x = node.operands[0]
    content = content_of(coefficients_of(x)) if x.primitive is ADD else strip_coefficient(x)[0]
    return (
        (node, Fraction(1)) if content in (0, 1) else (apply(EXP, scale(1 / content, x)), content)
    )


EXP = _declare(
    "exp", np.exp, lambda y, x: y, latex=r"\exp", at_zero=1, positive=True,
    rewrite=lambda x: x.operands[0] if x.primitive is LOG and is_positive(x.operands[0]) else None,
    power_rule=_power_of_exp, as_power=_exp_as_power, source="AS 4.2",
)  # fmt: skip
LOG = _declare(
    "log", np.log, lambda y, x: power(x, -1), latex=r"\log",
    domains=(Domain(0.2, 3.0),), values={Fraction(1): Fraction(0)},
    rewrite=lambda x: x.operands[0] if x.primitive is EXP else None, source="AS 4.1",
)  # fmt: skip
LOG1P = _declare(
    "log1p", np.log1p, lambda y, x: power(add([ones_like(x), x]), -1),
    domains=(Domain(-0.7, 3.0, boundary=(0.0, 1e-12)),), at_zero=0,
)  # fmt: skip
EXPM1 = _declare(
    "expm1", np.expm1, lambda y, x: apply(EXP, x), at_zero=0,
    domains=(Domain(boundary=(0.0, 1e-12)),),
)  # fmt: skip
ABS = _declare(
    "abs", np.abs, lambda y, x: apply(SIGN, x), at_zero=0, smooth=False,
    notation=Notation("abs({0})", "|{0}|", r"\left|{0}\right|", "np.abs({0})"),
    rewrite=lambda x: x if is_positive(x) else None,
    domains=(Domain(boundary=(0.0,)),), source="subgradient 0 at 0",
)  # fmt: skip
SIGN = _declare("sign", np.sign, at_zero=0, smooth=False,
    rewrite=lambda x: constant_like(1, x.shape) if is_positive(x) else None)  # fmt: skip
STEP = _declare(
    "step", lambda x: np.heaviside(x, np.zeros_like(x)), at_zero=0, smooth=False,
    numpy="(lambda t: np.heaviside(t, 0.0))", source="derivative of relu; 0 at 0",
)  # fmt: skip

# ---------------------------------------------------------------- trigonometric and hyperbolic

SIN = _declare("sin", np.sin, lambda y, x: apply(COS, x), latex=r"\sin", at_zero=0, source="AS 4.3")
COS = _declare(
    "cos", np.cos, lambda y, x: neg(apply(SIN, x)), latex=r"\cos", at_zero=1, source="AS 4.3"
)
TAN = _declare(
    "tan", np.tan, lambda y, x: _one_plus_square(y), latex=r"\tan", at_zero=0,
    domains=(Domain(-1.2, 1.2),),
)  # fmt: skip
ARCSIN = _declare(
    "arcsin", np.arcsin, lambda y, x: power(_one_minus_square(x), -HALF), latex=r"\arcsin",
    at_zero=0, domains=(Domain(-0.8, 0.8),), source="AS 4.4",
)  # fmt: skip
ARCCOS = _declare(
    "arccos", np.arccos, lambda y, x: neg(power(_one_minus_square(x), -HALF)), latex=r"\arccos",
    domains=(Domain(-0.8, 0.8),), values={Fraction(1): Fraction(0)}, source="AS 4.4",
)  # fmt: skip
ARCTAN = _declare(
    "arctan", np.arctan, lambda y, x: power(_one_plus_square(x), -1), latex=r"\arctan", at_zero=0,
    source="AS 4.4",
)  # fmt: skip
SINH = _declare("sinh", np.sinh, lambda y, x: apply(COSH, x), latex=r"\sinh", at_zero=0)
COSH = _declare(
    "cosh", np.cosh, lambda y, x: apply(SINH, x), latex=r"\cosh", at_zero=1, positive=True
)
TANH = _declare(
    "tanh", np.tanh, lambda y, x: _one_minus_square(y), latex=r"\tanh", at_zero=0, source="AS 4.5"
)
ARCSINH = _declare("arcsinh", np.arcsinh, lambda y, x: power(_one_plus_square(x), -HALF), at_zero=0)
ARCCOSH = _declare(
    "arccosh", np.arccosh, lambda y, x: power(sub(power(x, 2), ones_like(x)), -HALF),
    domains=(Domain(1.2, 3.0),), values={Fraction(1): Fraction(0)},
)  # fmt: skip
ARCTANH = _declare(
    "arctanh", np.arctanh, lambda y, x: power(_one_minus_square(x), -1), at_zero=0,
    domains=(Domain(-0.8, 0.8),),
)  # fmt: skip

# ---------------------------------------------------------------- machine learning

SIGMOID = _declare(
    "sigmoid", special.expit, lambda y, x: mul(y, sub(ones_like(y), y)),
    notation=Notation("sigmoid({0})", "σ({0})", r"\sigma\left({0}\right)", "special.expit({0})"),
    positive=True, values={Fraction(0): HALF}, domains=(Domain(boundary=(0.0, 800.0, -800.0)),),
)  # fmt: skip
SOFTPLUS = _declare(
    "softplus", lambda x: np.logaddexp(x, 0), lambda y, x: apply(SIGMOID, x), positive=True,
    numpy="(lambda t: np.logaddexp(t, 0.0))", domains=(Domain(boundary=(0.0, 800.0, -800.0)),),
    source="log(1 + exp(x)), never overflowing",
)  # fmt: skip
RELU = _declare(
    "relu", lambda x: np.maximum(x, 0), lambda y, x: apply(STEP, x), at_zero=0, smooth=False,
    numpy="(lambda t: np.maximum(t, 0.0))", domains=(Domain(boundary=(0.0,)),),
    source="subgradient 0 at 0",
)  # fmt: skip
NORMCDF = _declare(
    "normcdf", special.ndtr, lambda y, x: apply(NORMPDF, x), positive=True,
    notation=Notation("normcdf({0})", "Φ({0})", r"\Phi\left({0}\right)", "special.ndtr({0})"),
    values={Fraction(0): HALF}, source="AS 26.2",
)  # fmt: skip
NORMPDF = _declare(
    "normpdf", lambda x: np.exp(-x * x / 2) * x.dtype.type(0.3989422804014327),
    lambda y, x: neg(mul(x, y)), positive=True,
    notation=Notation(
        "normpdf({0})", "φ({0})", r"\varphi\left({0}\right)",
        "(lambda t: np.exp(-t * t / 2) * 0.3989422804014327)({0})",
    ), source="AS 26.2",
)  # fmt: skip
GELU = _declare(
    "gelu", lambda x: x * special.ndtr(x),
    lambda y, x: add([apply(NORMCDF, x), mul(x, apply(NORMPDF, x))]), at_zero=0,
    numpy="(lambda t: t * special.ndtr(t))", source="Hendrycks and Gimpel 2016: x Φ(x)",
)  # fmt: skip

# ---------------------------------------------------------------- special functions


def _gaussian(x: Expr, factor: int) -> Expr:
    """factor · exp(−x²)/√π."""
    return scale(factor, mul(apply(EXP, neg(power(x, 2))), power(pi(), -HALF)))


ERF = _declare(
    "erf",
    special.erf,
    lambda y, x: _gaussian(x, 2),
    numpy="special.erf",
    at_zero=0,
    source="AS 7.1",
)
ERFC = _declare(
    "erfc", special.erfc, lambda y, x: _gaussian(x, -2), numpy="special.erfc", at_zero=1,
    source="AS 7.1",
)  # fmt: skip
GAMMALN = _declare(
    "gammaln", special.gammaln, lambda y, x: apply(DIGAMMA, x), numpy="special.gammaln",
    latex=r"\log\Gamma", domains=(Domain(0.4, 4.0),), source="AS 6.1; log |Γ(x)|",
)  # fmt: skip
DIGAMMA = _declare(
    "digamma", special.digamma, lambda y, x: polygamma(1, x), numpy="special.digamma",
    latex=r"\psi", domains=(Domain(0.4, 4.0),), source="AS 6.3",
)  # fmt: skip
POLYGAMMA = register(
    Primitive(
        "polygamma",
        1,
        same_shape,
        lambda node, x: special.polygamma(node.params[0], x).astype(x.dtype),
        Partials((lambda y, x: polygamma(y.params[0] + 1, x),)),
        Notation(
            "polygamma({order}, {0})",
            "ψ({order}, {0})",
            r"\psi^{{({order})}}\left({0}\right)",
            "special.polygamma({order}, {0})",
        ),
        parameters=("order",),
        elementwise=True,
        domains=(Domain(0.5, 4.0),),
        source="AS 6.4",
    )
)


def polygamma(order: int, x: Expr) -> Expr:
    """The derivative of order ``order`` of digamma."""
    return apply(POLYGAMMA, x, order=order) if order else apply(DIGAMMA, x)


# ---------------------------------------------------------------- of two operands


def _pick(y: Expr, x: Expr, other: Expr) -> Expr:
    """1 where x is the larger, 1/2 at ties, 0 elsewhere: (1 + sign(x − other))/2."""
    return add([ones_like(x), apply(SIGN, sub(x, other))], [HALF, HALF])


MAXIMUM = _declare(
    "maximum", np.maximum, _pick, lambda y, x, z: _pick(y, z, x), latex=r"\max", smooth=False,
    domains=(Domain(), Domain()), source="at ties each operand gets half",
)  # fmt: skip
MINIMUM = _declare(
    "minimum", np.minimum, lambda y, x, z: _pick(y, z, x), _pick, latex=r"\min", smooth=False,
    domains=(Domain(), Domain()), source="at ties each operand gets half",
)  # fmt: skip
XLOGY = _declare(
    "xlogy", special.xlogy, lambda y, x, z: apply(LOG, z), lambda y, x, z: mul(x, power(z, -1)),
    numpy="special.xlogy", domains=(Domain(0.2, 2.0), Domain(0.2, 2.0)),
    source="x log z, 0 where x = 0",
)  # fmt: skip
POW = _declare(
    "pow", np.power,
    lambda y, x, z: mul(z, power_general(x, sub(z, ones_like(z)))),
    lambda y, x, z: apply(XLOGY, y, x),
    notation=Notation("{0:a} .^ {1:a}", "{0:a}^{1:a}", "{0:a}^{{{1}}}", "{0:a} ** {1:a}", "power"),
    domains=(Domain(0.3, 2.0), Domain(-2.0, 2.0)),
    source="x^z; the partial in z is 0 where x = 0 < z",
)  # fmt: skip


def power_general(x: Expr, z: Expr) -> Expr:
    """x ** z entry by entry, for an exponent that may be an expression."""
    value = constant_value(z)
    if value is not None:
        return power(x, value)
    return apply(POW, x, z)
