"""The power series of an expression, read off its operations and their declared derivatives.

Sums, products and powers have recurrences of their own. Every other operation y = f(x, ...) has
declared partial derivatives, which are expressions of y and its operands again: y' = Σ fₖ xₖ'
gives the coefficient of tⁿ in y from those before it. Quotients are divided as power series, so
that a removable singularity has its right value; what is left with a pole is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.backends import run
from wengert.errors import DomainError, MissingRuleError
from wengert.expr import Expr, rebuild, topological
from wengert.operations.rebuild import with_operands
from wengert.operations.structural import ADD, CONTRACT
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    exponent_of,
    is_power,
    is_safe_power,
)
from wengert.primitive import Constant, Partials, Undefined
from wengert.printing import matrix_notation
from wengert.taylor.univariate.lazy import (
    VALUATION_LIMIT,
    Combination,
    Derivative,
    Integral,
    Lazy,
    Power,
    Product,
    constant,
    without_pole,
)
from wengert.taylor.univariate.numbers import Exact, Number, expr_of, number_of, symbols_in

_MULTIPLIED = 4  # up to here a power of a series is a product
_NEARBY = 1e-7
_SHAKE = 2.0**-51


class NotScalarError(MissingRuleError):
    """A part of an expression for which there is no recurrence: an array, a loop, a branch."""


class Expansion:
    """Series of expressions around one point of one variable.

    Parameters
    ----------
    leaf : Expr
        The variable.
    curve : Lazy
        What stands in its place: x₀ + t.
    values : mapping of Expr to float, optional
        Numbers for the other variables, with which coefficients are floats; without them all
        constants are exact, and other variables are symbols.
    shaken : bool
        Move floating-point values by a few units in the last place, to see what comes of it.
    """

    def __init__(
        self,
        leaf: Expr,
        curve: Lazy,
        values: Mapping[Expr, Any] | None = None,
        *,
        shaken: bool = False,
    ) -> None:
        self.values = values
        self._shake = _SHAKE if shaken else 0.0
        self._made: dict[Expr, Lazy] = {leaf: curve}
        self._moving = {leaf}

    def series(self, expr: Expr) -> Lazy:
        """The series of a scalar expression.

        Raises
        ------
        DomainError
            If the expression is not analytic at the point, or not defined there.
        NotScalarError
            If a part of it has no recurrence.
        """
        for node in topological(expr):
            if node in self._made or not any(o in self._moving for o in node.operands):
                continue
            self._moving.add(node)
            self._made[node] = self._of(node)
        return self._operand(expr)

    def _operand(self, node: Expr) -> Lazy:
        if node not in self._made:
            self._made[node] = constant(self._constant(node))
        return self._made[node]

    # ------------------------------------------------------------ constants

    def _constant(self, node: Expr) -> Number:
        if node.shape or node.dtype != "real":
            raise NotScalarError(f"{written(node)} is not one real number")
        if self.values is not None:
            (value,) = run((node,), self.values)
            return _finite(float(value), node)
        return _checked(number_of(node))

    def _at_point(self, node: Expr, values: Sequence[Number]) -> Number:
        """The operation's value, of numbers."""
        if self.values is not None:
            self._shake = -self._shake
            return _finite(_evaluated(node, values), node) * (1 + self._shake)
        exact = [expr_of(v) for v in values if not isinstance(v, float)]
        return _checked(number_of(with_operands(node, tuple(exact))))

    # ------------------------------------------------------------ operations

    def _of(self, node: Expr) -> Lazy:
        if node.shape:
            raise NotScalarError(f"{written(node)} is an array")
        if node.primitive is ADD:
            parts = [self._operand(o) for o in node.operands]
            return Combination(list(zip(coefficients_of(node), parts, strict=True)))
        if node.primitive is CONTRACT:
            return self._product(node)
        if is_power(node) or is_safe_power(node):
            return self._power(node)
        if node.primitive.defined is not None:
            return self.series(node.primitive.defined(node))
        if not node.primitive.elementwise or node.dtype != "real":
            raise NotScalarError(f"{node.name} is no function of numbers alone")
        return self._function(node)

    def _product(self, node: Expr) -> Lazy:
        coefficient = contraction_params(node)[2]
        parts = [self._operand(o) for o in node.operands]
        result = parts[0]
        for part in parts[1:]:
            result = Product(result, part)
        return result if coefficient == 1 else Combination([(coefficient, result)])

    def _power(self, node: Expr) -> Lazy:
        base, exponent = self._operand(node.operands[0]), exponent_of(node)
        whole = exponent.denominator == 1
        if whole and 0 < exponent <= _MULTIPLIED:
            result = base
            for _ in range(int(exponent) - 1):
                result = Product(result, base)
            return result
        valuation = base.valuation()
        if valuation is None:
            raise DomainError(
                f"{written(node.operands[0])} vanishes at the point to order {VALUATION_LIMIT} at "
                f"least: there is no power {exponent} of it"
            )
        if valuation and not whole:
            self._check_branch(node, base, valuation)
        if valuation and is_safe_power(node):
            raise DomainError(f"{written(node)} has no derivative at the point")
        return Power(base, exponent, valuation)

    def _check_branch(self, node: Expr, base: Lazy, valuation: int) -> None:
        """(tᵛ u)ʳ is a power series for even v and even v·r: otherwise |t|, or a branch point."""
        start = valuation * exponent_of(node)
        if start.denominator != 1 or valuation % 2:
            raise DomainError(f"{written(node)} has a branch point there")
        if int(start) % 2:
            raise DomainError(f"{written(node)} has a kink there: it behaves as |t|^{int(start)}")

    def _function(self, node: Expr) -> Lazy:
        rule = node.primitive.derivative
        if not isinstance(rule, Partials | Constant):
            raise NotScalarError(f"{node.name} has no declared partial derivatives")
        operands: list[Lazy] = []
        for operand in node.operands:
            series = without_pole(self._operand(operand))
            if series is None:
                raise DomainError(f"{written(operand)} in {written(node)} has a pole there")
            operands.append(series)
        values = [series[0] for series in operands]
        if isinstance(rule, Constant):
            return constant(self._level(node, values))
        return Integral(self._at_point(node, values), lambda: self._slope(node, rule, operands))

    def _level(self, node: Expr, values: Sequence[Number]) -> Number:
        """The value of a piecewise constant function, which is constant around the point."""
        here = _finite(_evaluated(node, values), node)
        _check_no_jump(node, values, here)
        return here if self.values is not None else Fraction(here)

    def _slope(self, node: Expr, rule: Partials, operands: Sequence[Lazy]) -> Lazy:
        """Σ fₖ xₖ'."""
        terms: list[Lazy] = []
        for operand, series, partial in zip(node.operands, operands, rule.partials, strict=True):
            if operand not in self._moving or isinstance(partial, Constant):
                continue
            if isinstance(partial, Undefined):
                raise MissingRuleError(f"{node.name}: {partial.reason}")
            terms.append(Product(self.series(partial(node, *node.operands)), Derivative(series)))
        if not terms:
            return constant(0 * operands[0][0])
        return terms[0] if len(terms) == 1 else Combination([(1, t) for t in terms])


def without_definitions(expr: Expr) -> Expr:
    """The expression in terms of what its operations are defined by, where they are."""

    def transform(node: Expr, operands: tuple[Expr, ...]) -> Expr:
        again = with_operands(node, operands)
        defined = again.primitive.defined
        return again if defined is None else without_definitions(defined(again))

    return rebuild(expr, transform, {})


def written(node: Expr) -> str:
    """An expression in messages."""
    text = matrix_notation(node) or node.name
    return text if len(text) <= 60 else f"a {node.name} of {len(text)} characters"


def _checked(number: Number) -> Number:
    """The number, if it is one (or a symbol)."""
    if isinstance(number, Exact) and not symbols_in(number):
        float(number)
    return number


def _finite(value: float, node: Expr) -> float:
    if not np.isfinite(value):
        reason = "too large there" if np.isinf(value) else "not defined at the point"
        raise DomainError(f"{written(node)} is {reason}: its value is {value}")
    return value


def _evaluated(node: Expr, values: Sequence[Number]) -> float:
    with np.errstate(all="ignore"):
        arrays = [np.float64(float(v)) for v in values]
        return float(node.primitive.evaluate(node, *arrays))


def _check_no_jump(node: Expr, values: Sequence[Number], here: float) -> None:
    """An error unless a piecewise constant function is one constant around the point."""
    floats = [float(v) for v in values]
    for k, value in enumerate(floats):
        for step in (-_NEARBY, _NEARBY):
            moved = [*floats]
            moved[k] = value + step * max(1.0, abs(value))
            if _evaluated(node, moved) != here:
                raise DomainError(
                    f"{written(node)} jumps there: the function has a kink or a jump at the point"
                )
