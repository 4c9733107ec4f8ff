"""Coefficients of polynomials in increments: exact ones, as far as the expression has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from wengert.expr import Expr, topological
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    exponent_of,
    is_contraction,
    is_power,
    is_sum,
)
from wengert.transforms.evaluation import evaluate_known

Number = Fraction | float
Monomial = tuple[int, ...]
Polynomial = dict[Monomial, Number]


def polynomial_of(
    root: Expr, increments: Sequence[Expr], values: Mapping[Expr, Any] | None = None
) -> Polynomial | None:
    """An expression of scalars as a polynomial in variables.

    Parameters
    ----------
    root : Expr
        Sums, products and powers of the increments and of constants.
    increments : sequence of Expr
        The variables, in the order of the exponents in the result.
    values : mapping of Expr to array, optional
        Of other variables.

    Returns
    -------
    dict or None
        Coefficients by exponents; Fractions where everything that they are made of is one. None
        for what is no such expression: an array takes part, or a function of an increment.

    Examples
    --------
    >>> from wengert.operations import add, power, scale, variable
    >>> x, y = variable("x", ()), variable("y", ())
    >>> polynomial_of(add([power(x, 2), scale(3, y)]), [x, y])
    {(2, 0): Fraction(1, 1), (0, 1): Fraction(3, 1)}
    """
    width = len(increments)
    unit: Monomial = (0,) * width
    found: dict[Expr, Polynomial] = {
        d: {tuple(int(j == k) for j in range(width)): Fraction(1)} for k, d in enumerate(increments)
    }
    moving: set[Expr] = set(increments)
    for node in topological(root):
        if node in found:
            continue
        moves = any(o in moving for o in node.operands)
        result = _of_node(node, found)
        if result is None and moves:
            return None
        if moves:
            moving.add(node)
        elif result is None and not node.ndim:
            constant: Polynomial = {unit: float(evaluate_known(node, values or {}, {}))}
            found[node] = constant
        if result is not None:
            found[node] = result
    return found.get(root)


def _of_node(node: Expr, found: Mapping[Expr, Polynomial]) -> Polynomial | None:
    if node.ndim or any(o not in found for o in node.operands):
        return None
    parts = [found[o] for o in node.operands]
    if is_sum(node):
        return _added(parts, coefficients_of(node))
    if is_contraction(node):
        result: Polynomial = {(0,) * _width(found): contraction_params(node)[2]}
        for part in parts:
            result = multiplied(result, part)
        return result
    exponent = exponent_of(node) if is_power(node) else None
    if exponent is not None and exponent >= 0 and exponent.denominator == 1:
        result = {(0,) * _width(found): Fraction(1)}
        for _ in range(int(exponent)):
            result = multiplied(result, parts[0])
        return result
    return None


def _width(found: Mapping[Expr, Polynomial]) -> int:
    return len(next(iter(next(iter(found.values())))))


def _added(parts: Sequence[Polynomial], coefficients: Sequence[Fraction]) -> Polynomial:
    total: Polynomial = {}
    for part, factor in zip(parts, coefficients, strict=True):
        for monomial, c in part.items():
            total[monomial] = total.get(monomial, Fraction(0)) + factor * c
    return {m: c for m, c in total.items() if c}


def multiplied(one: Polynomial, other: Polynomial) -> Polynomial:
    """The product of two polynomials."""
    total: Polynomial = {}
    for m, a in one.items():
        for n, b in other.items():
            key = tuple(i + j for i, j in zip(m, n, strict=True))
            total[key] = total.get(key, Fraction(0)) + a * b
    return {m: c for m, c in total.items() if c}
