"""The operations that everything is made of, declared: contraction, sum, power and the leaves."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from wengert.assumptions import Assumption
from wengert.expr import Expr, Params
from wengert.operations.algebra import contract, power, scale
from wengert.operations.coefficients import power_coefficient
from wengert.operations.curving import of_power
from wengert.operations.intervals import Interval, raised
from wengert.operations.labelling import Labels
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    exponent_of,
)
from wengert.operations.written import Lanes
from wengert.primitive import (
    ByCoefficient,
    Constant,
    Domain,
    Kind,
    Kink,
    Multilinear,
    Notation,
    Partials,
    Primitive,
    register,
)
from wengert.shapes import Shape, Size


def _shape_of_contraction(operands: tuple[Expr, ...], params: Params) -> Shape:
    labels, out, _ = params
    sizes: dict[int, Size] = {}
    for operand, axes in zip(operands, labels, strict=True):
        sizes.update(zip(axes, operand.shape, strict=True))
    return tuple(sizes[x] for x in out)


def _push_contraction(node: Expr, k: int, tangent: Expr) -> Expr:
    labels, out, coefficient = contraction_params(node)
    extra = tangent.ndim - node.operands[k].ndim
    lead = tuple(range(-extra, 0))
    operands = list(node.operands)
    operands[k] = tangent
    axes = [lead + a if j == k else a for j, a in enumerate(labels)]
    sizes = dict(zip(out, node.shape, strict=True))
    return _shifted_contract(operands, axes, lead + out, sizes, coefficient, extra)


def _pull_contraction(node: Expr, k: int, cotangent: Expr) -> Expr:
    labels, out, coefficient = contraction_params(node)
    extra = cotangent.ndim - node.ndim
    lead = tuple(range(-extra, 0))
    operands = [cotangent, *node.operands[:k], *node.operands[k + 1 :]]
    axes = [lead + out, *labels[:k], *labels[k + 1 :]]
    sizes = dict(zip(labels[k], node.operands[k].shape, strict=True))
    return _shifted_contract(operands, axes, lead + labels[k], sizes, coefficient, extra)


def _shifted_contract(
    operands: Sequence[Expr],
    labels: Sequence[Labels],
    out: Labels,
    sizes: dict[int, Size],
    coefficient: Fraction,
    extra: int,
) -> Expr:
    if not extra:
        return contract(operands, labels, out, sizes=sizes, coefficient=coefficient)
    return contract(
        operands,
        [tuple(x + extra for x in axes) for axes in labels],
        tuple(x + extra for x in out),
        sizes={x + extra: s for x, s in sizes.items()},
        coefficient=coefficient,
    )


def _push_sum(node: Expr, k: int, tangent: Expr) -> Expr:
    return scale(coefficients_of(node)[k], tangent)


def _structural(*_: object) -> object:
    raise NotImplementedError("the plan evaluates sums and contractions itself")


_MULTIPLIED = 4  # the largest power that is made of products: pow takes as long as thirty of them


def _number_of(node: Expr) -> float | int:
    """The exponent as a number, found once: arithmetic of fractions takes longer than a power."""
    number = node.facts.get("number")
    if number is None:
        exponent = exponent_of(node)
        number = float(exponent) if exponent.denominator > 1 else int(exponent)
        node.facts["number"] = number
    return number


def _evaluate_power(node: Expr, x: Any) -> Any:
    exponent = _number_of(node)
    if exponent == 0.5:
        return np.sqrt(x)
    if isinstance(exponent, float) or abs(exponent) > _MULTIPLIED:
        return x**exponent
    base = x if exponent > 0 else 1 / x
    square = base * base if abs(exponent) > 1 else base
    if abs(exponent) == 3:
        return square * base
    return square * square if abs(exponent) == 4 else square


def _power_into(node: Expr, out: Any, x: Any) -> Any:
    exponent = _number_of(node)
    if exponent == 0.5:
        return np.sqrt(x, out=out)
    if isinstance(exponent, float) or abs(exponent) > _MULTIPLIED:
        return np.power(x, exponent, out=out)
    base = x if exponent > 0 else np.divide(1, x, out=out)
    if abs(exponent) == 3:
        return np.multiply(base * base, base, out=out)
    if abs(exponent) == 1:
        return base
    square = np.multiply(base, base, out=out)
    return square if abs(exponent) == 2 else np.multiply(square, square, out=out)


def _written_power(lanes: Lanes, node: Expr, x: Any) -> Any:
    exponent = _number_of(node)
    if exponent == 0.5:
        return lanes.call("sqrt", x)
    if isinstance(exponent, float) or abs(exponent) > _MULTIPLIED:
        return lanes.call("power", x, lanes.number(exponent, x))
    base = x if exponent > 0 else lanes.call("reciprocal", x)
    square = base * base if abs(exponent) > 1 else base
    if abs(exponent) == 3:
        return square * base
    return square * square if abs(exponent) == 4 else square


def _written_safe_power(lanes: Lanes, node: Expr, x: Any) -> Any:
    exponent = float(exponent_of(node))
    root = exponent == 0.5
    found = lanes.call("sqrt", x) if root else lanes.call("power", x, lanes.number(exponent, x))
    return lanes.select(x.equals(0.0), 0.0, found)


def _evaluate_safe_power(node: Expr, x: Any) -> Any:
    safe = np.where(x == 0, 1, x)
    return np.where(x == 0, 0, safe ** float(exponent_of(node))).astype(np.asarray(x).dtype)


def _plain(name: str) -> Notation:
    return Notation(text=name, unicode=name, latex=name, numpy=name)


CONTRACT = register(
    Primitive(
        "contract",
        None,
        _shape_of_contraction,
        _structural,
        Multilinear(_push_contraction, _pull_contraction),
        _plain("contract"),
        parameters=("labels", "out", "coefficient"),
        source="lecture §1, product rule and matrix products",
        rule="product rule",
        kind=Kind.CONTRACTION,
    )
)


ADD = register(
    Primitive(
        "add",
        None,
        lambda operands, params: operands[0].shape,
        _structural,
        Multilinear(_push_sum, _push_sum),
        _plain("add"),
        parameters=("coefficients",),
        source="lecture §1, sum rule",
        rule="sum rule",
        kind=Kind.SUM,
    )
)


def _at_zero_of_power(node: Expr) -> tuple[Kink, ...]:
    """xᵖ at 0: derivatives below p exist, unless p is whole."""
    exponent = exponent_of(node)
    if exponent.denominator == 1:
        return ()
    return (Kink(node.operands[0], order=max(ceil(exponent), 1)),)


POWER = register(
    Primitive(
        "power",
        1,
        lambda operands, params: operands[0].shape,
        _evaluate_power,
        Partials((lambda y, x: scale(exponent_of(y), power(x, exponent_of(y) - 1)),)),
        _plain("power"),
        parameters=("exponent",),
        into=_power_into,
        written=_written_power,
        series=ByCoefficient(power_coefficient),
        elementwise=True,
        domains=(Domain(0.3, 2.0),),
        source="lecture §1, example f(x) = xⁿ",
        rule="power rule",
        kind=Kind.POWER,
        enclosure=lambda node, x: raised(x, exponent_of(node)),
        curvature=of_power,
        kinks=_at_zero_of_power,
    )
)


def _enclosed_safe_power(node: Expr, x: Interval) -> Interval:
    """That of the power, and 0 where the operand may be 0."""
    zero = (x.lower <= 0) & (x.upper >= 0)
    found = raised(x, exponent_of(node))
    nothing = (x.lower == 0) & (x.upper == 0)
    lower = np.where(zero, np.minimum(found.lower, 0), found.lower)
    upper = np.where(zero, np.maximum(found.upper, 0), found.upper)
    return Interval(np.where(nothing, 0.0, lower), np.where(nothing, 0.0, upper))


SAFE_POWER = register(
    Primitive(
        "safepower",
        1,
        lambda operands, params: operands[0].shape,
        _evaluate_safe_power,
        Partials((lambda y, x: scale(exponent_of(y), power(x, exponent_of(y) - 1)),)),
        lambda node: Notation(
            "{0:a}^({exponent})",
            "{0:a}^({exponent})",
            "{0:a}^{{{exponent}}}",
            "np.where({0} == 0, 0, {0:a} ** ({exponent}))",
            "power",
        ),
        parameters=("exponent",),
        written=_written_safe_power,
        series=ByCoefficient(power_coefficient),
        elementwise=True,
        domains=(Domain(0.3, 2.0),),
        source="x ** p for p < 0, and 0 where x = 0: the least subgradient of ‖x‖ at 0",
        kind=Kind.SAFE_POWER,
        enclosure=_enclosed_safe_power,
        kinks=lambda node: (Kink(node.operands[0]),),
    )
)


VARIABLE = register(
    Primitive(
        "variable",
        0,
        lambda operands, params: (),
        _structural,
        Constant("a variable does not depend on the others"),
        lambda node: _plain(node.params[0]),
        parameters=("name", "assumptions"),
        symmetric=lambda node: Assumption.SYMMETRIC in node.params[1],
        positive=lambda node: Assumption.POSITIVE in node.params[1],
        inverse=lambda node: (
            node if Assumption.ORTHOGONAL in node.params[1] else None,
            True,
        ),
        kind=Kind.VARIABLE,
    )
)


SIZE = register(
    Primitive(
        "size",
        0,
        lambda operands, params: (),
        _structural,
        Constant("a size is a constant"),
        lambda node: _plain(node.params[0]),
        parameters=("size",),
        positive=lambda node: True,
        kind=Kind.SIZE,
    )
)
