"""The recurrence of an elementwise function's power series, from its declared derivative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from wengert.derive.linearize import pushforward
from wengert.expr import Expr, make
from wengert.operations.algebra import variable
from wengert.operations.control.programs import Program, leaf
from wengert.operations.recurrences import (
    Fixed,
    Function,
    Given,
    Part,
    Power,
    Product,
    Recurrence,
    Scaled,
    Slope,
    Sum,
)
from wengert.operations.structure import (
    coefficients_of,
    constant_value,
    contraction_params,
    exponent_of,
    is_contraction,
    is_power,
    is_safe_power,
    is_sum,
    zeros,
)
from wengert.primitive import Partials, Primitive
from wengert.shapes import Shape

_CACHED = 1024
_PARTS = 1000  # beyond which a recurrence is not made

SeriesOf = Callable[[Expr, dict[Expr, Expr], int], Expr]
"""``(node, tails, order)`` to the node's tail of that length, as an expression."""


@lru_cache(maxsize=_CACHED)
def recurrence_of(
    primitive: Primitive,
    params: tuple[object, ...],
    degrees: tuple[int, ...],
    order: int,
    series_of: SeriesOf,
) -> Recurrence | None:
    """The recurrence of an elementwise function.

    Parameters
    ----------
    primitive, params
        The function.
    degrees : tuple of int
        Of the curves of its operands; 0 for one that does not move.
    order : int
        Of the highest coefficient.
    series_of : callable
        The series as an expression, of which derivatives are made.

    Returns
    -------
    Recurrence or None
        None if the derivative is not made of elementwise functions, sums and products alone.
    """
    operands = tuple(variable(f"·{k}", ()) for k in range(len(degrees)))
    node = make(primitive, operands, params, ())
    found = _Parts(operands, degrees, order)
    try:
        found.ask(node, order)
        result = found.part(node)
    except _NotElementwiseError:
        return None
    moving = tuple(k for k, d in enumerate(degrees) if d)
    label = f"{primitive.name}{params}, {degrees} to {order}"
    rules = _ByExpression(primitive, params, moving, order, series_of)
    return Recurrence(label, tuple(found.parts), result, moving, rules)


class _NotElementwiseError(Exception):
    """A derivative has parts that recurrences do not know."""


class _Parts:
    """The parts of a recurrence: first how much is needed of each expression, then the parts."""

    def __init__(self, operands: Sequence[Expr], degrees: Sequence[int], order: int) -> None:
        self.order = order
        self.operands = {x: k for k, x in enumerate(operands)}
        self.degrees = degrees
        self.need: dict[Expr, int] = {}
        self.parts: list[Part] = []
        self.known: dict[object, int] = {}
        self._moving: dict[Expr, bool] = {x: d > 0 for x, d in zip(operands, degrees, strict=True)}
        self._slopes: dict[Expr, list[tuple[Expr, float, float, Expr | None]]] = {}

    # ------------------------------------------------------------ what is needed

    def ask(self, node: Expr, need: int) -> None:
        """Coefficients of an expression up to ``need``, and of all that they are made of."""
        asked = [(node, need)]
        while asked:
            expr, count = asked.pop()
            if self.need.get(expr, -1) >= count:
                continue
            self.need[expr] = count
            if len(self.need) > _PARTS:
                raise _NotElementwiseError
            if expr in self.operands:
                continue
            asked += [(o, count if self.moves(o) else 0) for o in expr.operands]
            if count and self.moves(expr) and self._is_function(expr):
                for _, _, _, part in self.slopes(expr):
                    if part is not None:
                        asked.append((part, count - 1 if self.moves(part) else 0))

    def moves(self, node: Expr) -> bool:
        """Does the node depend on the operands that move, as far as derivatives can tell?"""
        if node not in self._moving:
            real = node.dtype == "real" and not _is_constant(node)
            self._moving[node] = real and any(map(self.moves, node.operands))
        return self._moving[node]

    def _is_function(self, node: Expr) -> bool:
        if is_contraction(node) or is_sum(node) or is_power(node) or is_safe_power(node):
            return False
        if not isinstance(node.primitive.derivative, Partials) or node.primitive.series is not None:
            raise _NotElementwiseError
        return True

    def slopes(self, node: Expr) -> list[tuple[Expr, float, float, Expr | None]]:
        """The partial derivatives in the operands that move: constant + weight · expression."""
        if node not in self._slopes:
            rule = node.primitive.derivative
            assert isinstance(rule, Partials)
            found: list[tuple[Expr, float, float, Expr | None]] = []
            for partial, operand in zip(rule.partials, node.operands, strict=True):
                if self.moves(operand):
                    if not callable(partial):
                        raise _NotElementwiseError  # zero, or undefined
                    found.append((operand, *self._affine(partial(node, *node.operands))))
            self._slopes[node] = found
        return self._slopes[node]

    def _affine(self, node: Expr) -> tuple[float, float, Expr | None]:
        constant = constant_value(node)
        if constant is not None:
            return float(constant), 0.0, None
        if is_contraction(node) and len(node.operands) == 1:
            return 0.0, float(contraction_params(node)[2]), node.operands[0]
        if is_sum(node):
            terms = list(zip(node.operands, coefficients_of(node), strict=True))
            numbers = [(constant_value(o), w) for o, w in terms]
            others = [
                (o, w) for (o, w), (value, _) in zip(terms, numbers, strict=True) if value is None
            ]
            if len(others) == 1:
                total = sum(float(value * w) for value, w in numbers if value is not None)
                return total, float(others[0][1]), others[0][0]
        return 0.0, 1.0, node

    # ------------------------------------------------------------ parts

    def part(self, node: Expr) -> int:
        """The number of an expression's part, made if it is not there."""
        if node not in self.known:
            self.known[node] = self._make(node)
        return self.known[node]

    def _add(self, part: Part) -> int:
        self.parts.append(part)
        return len(self.parts) - 1

    def _degree(self, number: int) -> int:
        return self.parts[number].degree

    def _make(self, node: Expr) -> int:
        need = self.need[node]
        if node in self.operands:
            k = self.operands[node]
            return self._add(Given((), need, min(self.degrees[k], self.order), k))
        if not node.primitive.elementwise and not is_contraction(node) and not is_sum(node):
            raise _NotElementwiseError
        if self.moves(node) and _is_whole(node):
            return self._whole_power(node.operands[0], int(exponent_of(node)), need)
        sources = tuple(map(self.part, node.operands))
        if not self.moves(node):
            return self._add(Fixed(sources, 0, 0, node))
        if is_sum(node):
            degree = max(map(self._degree, sources))
            weights = tuple(map(float, coefficients_of(node)))
            return self._add(Sum(sources, need, degree, weights))
        if is_contraction(node):
            return self._product(node, sources, need)
        if is_power(node) or is_safe_power(node):
            return self._add(Power(sources, need, self.order, node, exponent_of(node)))
        return self._function(node, sources, need)

    def _function(self, node: Expr, sources: tuple[int, ...], need: int) -> int:
        """The part is entered before those of its partial derivatives, which may lead to it."""
        number = self._add(Function(sources, need, self.order, node, ()))
        self.known[node] = number
        if need:
            slopes = tuple(
                Slope(self.part(x), constant, weight, -1 if p is None else self.part(p))
                for x, constant, weight, p in self.slopes(node)
            )
            self.parts[number] = Function(sources, need, self.order, node, slopes)
        return number

    def _product(self, node: Expr, sources: tuple[int, ...], need: int) -> int:
        labels, out, coefficient = contraction_params(node)
        if out or any(labels):
            raise _NotElementwiseError
        pairs = list(zip(sources, node.operands, strict=True))
        moving = [s for s, o in pairs if self.moves(o)]
        fixed = tuple(s for s, o in pairs if not self.moves(o))
        if len(moving) == 1 and not fixed:
            return self._add(
                Sum(tuple(moving), need, self._degree(moving[0]), (float(coefficient),))
            )
        if len(moving) == 1:
            degree = self._degree(moving[0])
            return self._add(Scaled((moving[0], *fixed), need, degree, float(coefficient)))
        first, *rest = moving
        for s in rest[:-1]:
            first = self._times(first, s, need)
        degree = min(self.order, self._degree(first) + self._degree(rest[-1]))
        return self._add(Product((first, rest[-1], *fixed), need, degree, float(coefficient)))

    def _times(self, a: int, b: int, need: int) -> int:
        degree = min(self.order, self._degree(a) + self._degree(b))
        return self._add(Product((a, b), need, degree, 1.0))

    def _whole_power(self, x: Expr, n: int, need: int) -> int:
        key = "power", x, n
        if n == 1:
            return self.part(x)
        if key not in self.known:
            rest = n // 2 if n % 2 == 0 else 1
            left, right = (self._whole_power(x, m, need) for m in (n - rest, rest))
            self.known[key] = self._times(left, right, need)
        return self.known[key]


def _is_whole(node: Expr) -> bool:
    if not is_power(node) and not is_safe_power(node):
        return False
    exponent: Fraction = exponent_of(node)
    return exponent.denominator == 1 and exponent > 0


def _is_constant(node: Expr) -> bool:
    rule = node.primitive.derivative
    return not isinstance(rule, Partials) and node.primitive.elementwise


# ---------------------------------------------------------------- derivatives


@dataclass(frozen=True)
class _ByExpression:
    """The rules of a recurrence, from the series as an expression of operands and tails."""

    primitive: Primitive
    params: tuple[object, ...]
    moving: tuple[int, ...]
    order: int
    series_of: SeriesOf

    def push(self, node: Expr, k: int, tangent: Expr) -> Expr:
        """The tangent of the series; the value, operand 0, is no argument of its own."""
        if k == 0:
            return zeros((*tangent.shape[: tangent.ndim - node.operands[0].ndim], *node.shape))
        program = self._program(node)
        extra = tangent.shape[: tangent.ndim - node.operands[k].ndim]

        def compute() -> Program:
            (seed,) = program.fresh([tangent.shape])
            (pushed,) = pushforward(program.roots, {program.leaves[k - 1]: seed})
            root = zeros((*extra, *node.shape)) if pushed is None else pushed
            return Program((root,), (*program.leaves, seed))

        pushed = program.memo(("push", k, extra), compute)
        return pushed(*node.operands[1:], tangent)[0]

    def tail(self, node: Expr, tails: dict[int, Expr], order: int) -> Expr | None:
        """The series of the series."""
        program = self._program(node)
        given = {k: t for k, t in tails.items() if k}
        if not given:
            return None
        fresh = program.fresh(t.shape for t in given.values())
        curves = {program.leaves[k - 1]: x for k, x in zip(given, fresh, strict=True)}
        found = self.series_of(program.roots[0], curves, order)
        return Program((found,), (*program.leaves, *fresh))(*node.operands[1:], *given.values())[0]

    def _program(self, node: Expr) -> Program:
        operands = node.operands[1:]
        return _program(self, tuple(o.shape for o in operands), node.shape[0])


@lru_cache(maxsize=_CACHED)
def _program(rules: _ByExpression, shapes: tuple[Shape, ...], count: int) -> Program:
    leaves = [leaf(k, shape) for k, shape in enumerate(shapes)]
    operands = leaves[: len(leaves) - len(rules.moving)]
    curves = dict(zip((operands[k] for k in rules.moving), leaves[len(operands) :], strict=True))
    node = make(rules.primitive, tuple(operands), rules.params, operands[0].shape)
    return Program((rules.series_of(node, curves, count),), tuple(leaves))
