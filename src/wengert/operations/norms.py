"""The p-norms of vectors, and the norms of matrices."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, inf
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.expr import Expr, Params
from wengert.operations.algebra import contract, power
from wengert.operations.apply import apply
from wengert.operations.build import sum_
from wengert.operations.curving import of_pnorm
from wengert.operations.enclosing import by_magnitude
from wengert.operations.reductions import (
    MAX,
    MIN,
    NORM1,
    NORM2,
    mul_batch,
    weighted_sum,
)
from wengert.operations.scalar_functions import ABS, SIGN
from wengert.operations.singular_values import svdvals
from wengert.operations.structure import safe_power
from wengert.operations.written import Lanes, Rows, called
from wengert.primitive import Domain, Kink, Notation, Primitive, Pushforward, Sample, register
from wengert.shapes import Shape, format_shape

# ---------------------------------------------------------------- builders


def vector_norm(x: Expr, order: float | Fraction = 2) -> Expr:
    """(Σ |xᵢ|ᵖ)^(1/p) along the last axis, for any real p.

    Parameters
    ----------
    x : Expr
        Shape ``(..., n)``.
    order : float
        ``inf`` and ``-inf`` are the largest and the least absolute value, 0 the number of entries
        that are not 0, as ``np.linalg.norm`` has them.

    Notes
    -----
    An entry that is 0 takes no part in the derivative: 0 is a subgradient for p ≥ 1. Ties of
    largest or least values share it equally.

    Raises
    ------
    ShapeError
        For a scalar.
    """
    if x.ndim == 0:
        raise ShapeError("a norm is taken along an axis; the operand is a scalar")
    if order == 2:
        return apply(NORM2, x, rank=1)
    if order == 1:
        return apply(NORM1, x, rank=1)
    if order == inf:
        return apply(MAX, apply(ABS, x), rank=1)
    if order == -inf:
        return apply(MIN, apply(ABS, x), rank=1)
    if order == 0:
        return sum_(power(apply(SIGN, x), 2), x.ndim - 1)
    return apply(PNORM, x, order=Fraction(order))


def matrix_norm(a: Expr, kind: str | float = "fro") -> Expr:
    """A norm of the matrices on the two trailing axes.

    Parameters
    ----------
    a : Expr
        Shape ``(..., m, n)``.
    kind : {"fro", "nuc", 2, -2, 1, -1, inf, -inf}
        Frobenius, nuclear, largest and least singular value, largest and least sum of a column's
        absolute values, and of a row's, as ``np.linalg.norm`` has them.

    Raises
    ------
    ValueError
        For another kind.
    """
    if a.ndim < 2:
        raise ShapeError(f"a matrix is needed; the shape is {format_shape(a.shape)}")
    if kind not in _NORMS:
        raise ValueError(f"no matrix norm {kind!r}; there are {', '.join(map(repr, _NORMS))}")
    return _NORMS[kind](a)


def _sums(extremum: Primitive, axis: int) -> Callable[[Expr], Expr]:
    return lambda a: apply(extremum, sum_(apply(ABS, a), a.ndim + axis), rank=1)


_NORMS: dict[str | float, Callable[[Expr], Expr]] = {
    "fro": lambda a: apply(NORM2, a, rank=2),
    "nuc": lambda a: sum_(svdvals(a), a.ndim - 2),
    2: lambda a: apply(MAX, svdvals(a), rank=1),
    -2: lambda a: apply(MIN, svdvals(a), rank=1),
    1: _sums(MAX, -2),
    -1: _sums(MIN, -2),
    inf: _sums(MAX, -1),
    -inf: _sums(MIN, -1),
}

# ---------------------------------------------------------------- the general p


def _evaluate_pnorm(node: Expr, x: Any) -> Any:
    """Scaled by the largest entry (the least one for p < 0), so that no power overflows."""
    p = float(node.params[0])
    sizes = np.abs(x)
    if x.shape[-1] == 0:
        return np.zeros(x.shape[:-1], x.dtype)
    scale = np.max(sizes, axis=-1) if p > 0 else np.min(sizes, axis=-1)
    usable = (scale > 0) & np.isfinite(scale)
    safe = np.where(usable, scale, 1).astype(x.dtype)
    found = safe * np.sum((sizes / safe[..., None]) ** p, axis=-1) ** (1 / p)
    return np.where(usable, found, scale).astype(x.dtype)


def _pnorm_by_rows(rows: Rows, node: Expr, x: Any) -> Any:
    p = float(node.params[0])
    sizes = rows.map(called("abs"), x)
    scale = rows.reduce("maximum" if p > 0 else "minimum", sizes)
    safe = rows.map(_usable_or_one, scale)

    def raised(lanes: Lanes, size: Any, unit: Any) -> Any:
        return lanes.call("power", size / unit, lanes.number(p, size))

    def root(lanes: Lanes, total: Any, unit: Any, largest: Any) -> Any:
        found = unit * lanes.call("power", total, lanes.number(1 / p, total))
        return lanes.select((largest > 0.0) & (largest < inf), found, largest)

    return rows.map(root, rows.reduce("sum", rows.map(raised, sizes, safe)), safe, scale)


def _usable_or_one(lanes: Lanes, scale: Any) -> Any:
    return lanes.select((scale > 0.0) & (scale < inf), scale, 1.0)


def _push_pnorm(y: Expr, k: int, dx: Expr) -> Expr:
    """Σ sign(xᵢ) |xᵢ|ᵖ⁻¹ dxᵢ / yᵖ⁻¹."""
    x, (p,) = y.operands[0], y.params
    raised = power if p > 1 else safe_power
    axes = tuple(range(x.ndim))
    weights = contract([apply(SIGN, x), raised(apply(ABS, x), p - 1)], [axes, axes], axes)
    total = weighted_sum(weights, dx, 1)
    return mul_batch((safe_power if p > 1 else power)(y, 1 - p), total, y)


def _shape_of_pnorm(operands: tuple[Expr, ...], params: Params) -> Shape:
    return operands[0].shape[:-1]


def _at_zeros(node: Expr) -> tuple[Kink, ...]:
    """At zero vectors, and at zero entries unless the power is even."""
    (order,) = node.params
    if order.denominator == 1 and order.numerator > 0 and order.numerator % 2 == 0:
        return (Kink(node),)
    return (Kink(node.operands[0], order=max(ceil(order), 1)), Kink(node))


PNORM = register(
    Primitive(
        "pnorm",
        1,
        _shape_of_pnorm,
        _evaluate_pnorm,
        Pushforward(_push_pnorm),
        lambda node: Notation(
            "pnorm({0}, {order})",
            "‖{0}‖_{order}",
            r"\left\|{0}\right\|_{{{order}}}",
            "np.sum(np.abs({0}) ** ({order}), axis=-1) ** (1 / ({order}))",
        ),
        by_rows=_pnorm_by_rows,
        parameters=("order",),
        enclosure=by_magnitude,
        curvature=of_pnorm,
        kinks=_at_zeros,
        domains=(Domain(boundary=(0.0,)),),
        samples=(
            *(Sample(((3,),), (Fraction(p),)) for p in (3, -1, Fraction(3, 2), Fraction(1, 2))),
            Sample(((2, 2),), (Fraction(3),)),
            Sample(((1,),), (Fraction(5, 2),)),
        ),
        source="(Σ |xᵢ|ᵖ)^(1/p); at 0 the subgradient 0",
        rule="p-norm: sign(xᵢ) (|xᵢ|/‖x‖)ᵖ⁻¹",
    )
)
