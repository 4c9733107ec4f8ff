"""Reductions of the trailing axes that are not contractions: extrema and norms.

The parameter ``rank`` is the number of trailing axes that are reduced; leading axes are a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

import numpy as np

from wengert.errors import DomainError
from wengert.expr import Expr, Params
from wengert.operations.algebra import (
    contract,
    power,
    scale,
)
from wengert.operations.apply import apply
from wengert.operations.build import sum_
from wengert.operations.curving import RISING, norm
from wengert.operations.enclosing import always, by_magnitude, moved
from wengert.operations.intervals import Interval
from wengert.operations.kinks import at_zero, at_zero_of_itself
from wengert.operations.reshaping import reshape
from wengert.operations.scalar_functions import SIGN
from wengert.operations.selection import at_extreme_tie
from wengert.operations.structural import (
    ADD,
)
from wengert.operations.structure import (
    coefficients_of,
    is_positive,
    safe_power,
    strip_coefficient,
)
from wengert.operations.written import Lanes, Rows, called
from wengert.primitive import (
    Constant,
    Curved,
    Domain,
    Kink,
    Notation,
    Primitive,
    Pushforward,
    register,
    registry,
)
from wengert.shapes import Shape, total_size


def leading_shape(operands: tuple[Expr, ...], params: Params) -> Shape:
    """Type rule of what reduces the trailing axes."""
    x = operands[0]
    return x.shape[: x.ndim - params[0]]


def whole_shape(operands: tuple[Expr, ...], params: Params) -> Shape:
    """Type rule of what has the operand's own shape."""
    return operands[0].shape


def reduced_axes(node: Expr) -> tuple[int, ...]:
    """The trailing axes, from the end."""
    return tuple(range(-node.params[0], 0))


def weighted_sum(weights: Expr, tangent: Expr, rank: int) -> Expr:
    """Σ weights ⊙ tangent over the trailing ``rank`` axes; the tangent may have more in front."""
    extra = tangent.ndim - weights.ndim
    all_axes = tuple(range(tangent.ndim))
    return contract(
        [weights, tangent], [all_axes[extra:], all_axes], all_axes[: tangent.ndim - rank]
    )


def spread(values: Expr, array: Expr, rank: int) -> Expr:
    """values ⊙ array with the values constant along the array's ``rank`` trailing axes."""
    extra = values.ndim - (array.ndim - rank)
    labels = tuple(range(extra + array.ndim))
    return contract([values, array], [labels[: values.ndim], labels[extra:]], labels)


def named_notation(
    name: str, unicode: str = "", latex: str = "", numpy: str = ""
) -> Callable[..., Any]:
    """Notation as a function by name, with the axes it reduces if these are not all."""

    def notation(node: Expr) -> Notation:
        whole = node.operands[0].ndim == node.params[0]
        axis = "" if whole or node.params[0] != 1 else f", axis={node.operands[0].ndim - 1}"
        axes = "" if whole else f", axis={tuple(range(-node.params[0], 0))}"
        head = latex or rf"\operatorname{{{{{name}}}}}"
        body = rf"{head}\left({{0}}\right)"
        return Notation(
            text=f"{name}({{0}}{axis})",
            unicode=f"{unicode or name}({{0}}{axis})",
            latex=body if whole else rf"{head}_{{{{{node.operands[0].ndim}}}}}\left({{0}}\right)",
            numpy=f"{numpy or 'np.' + name}({{0}}{axes})",
        )

    return notation


# ---------------------------------------------------------------- maxima and minima


def _extremum_mask(node: Expr, x: Any) -> Any:
    if x.size == 0:
        return x
    extremum = np.max if node.name == "maxmask" else np.min
    mask = x == extremum(x, axis=reduced_axes(node), keepdims=True)
    return (mask / np.sum(mask, axis=reduced_axes(node), keepdims=True)).astype(x.dtype)


def _mask_by_rows(name: str, rows: Rows, node: Expr, x: Any) -> Any:
    extremum = rows.reduce(name, x)
    count = rows.reduce("sum", rows.map(_one_where_equal, x, extremum))
    return rows.map(_share_where_equal, x, extremum, rows.map(_reciprocal, count))


def _one_where_equal(lanes: Lanes, x: Any, y: Any) -> Any:
    return lanes.real(x.equals(y))


def _share_where_equal(lanes: Lanes, x: Any, y: Any, share: Any) -> Any:
    """The share, or zero; NaN where nothing equals, as there are NaN, and the share is infinite."""
    return _one_where_equal(lanes, x, y) * share


def _reciprocal(lanes: Lanes, x: Any) -> Any:
    return 1.0 / x


def _extremum(name: str, reduce: Callable[..., Any], x: Any, axes: tuple[int, ...]) -> Any:
    if any(x.shape[k] == 0 for k in axes):
        raise DomainError(f"the {name} of no entries is undefined; the operand has shape {x.shape}")
    return reduce(x, axis=axes)


def _enclosed_mask(node: Expr, x: Interval, *, largest: bool) -> Interval:
    """1 where an entry is beyond all others, 0 where it is not, and something between else."""
    if x.certain:
        return moved(node, x)
    lead = x.lower.shape[: x.lower.ndim - node.params[0]]
    low, high = (a.reshape(*lead, -1) for a in (x.lower, x.upper))
    if not largest:
        low, high = -high, -low
    if low.shape[-1] == 1:
        return always(1.0, 1.0)(node)
    sure, out = low > _largest_of_others(high), high < _largest_of_others(low)
    found = np.where(sure, 1.0, 0.0), np.where(out, 0.0, 1.0)
    return Interval(*(a.reshape(x.lower.shape) for a in found))


def _largest_of_others(x: Any) -> Any:
    """For each entry along the last axis the largest of the others."""
    ranked = np.sort(x, axis=-1)
    first, second = ranked[..., -1:], ranked[..., -2:-1]
    once = (x == first).sum(axis=-1, keepdims=True) == 1
    return np.where((x == first) & once, second, first)


def _declare_extremum(name: str, reduce: Callable[..., Any]) -> tuple[Primitive, Primitive]:
    def kinks(node: Expr) -> tuple[Kink, ...]:
        x = node.operands[0]
        lead = x.shape[: x.ndim - node.params[0]]
        flat = reshape(x, (*lead, total_size(x.shape[len(lead) :])))
        return at_extreme_tie(flat, largest=name == "max")

    mask = register(
        Primitive(
            f"{name}mask",
            1,
            whole_shape,
            _extremum_mask,
            Constant("piecewise constant: where the extremum is taken"),
            named_notation(
                f"{name}mask",
                numpy=f"(lambda t, axis=None: (lambda m: m / np.sum(m, axis=axis, keepdims=True))"
                f"(t == np.{name}(t, axis=axis, keepdims=True)))",
            ),
            parameters=("rank",),
            by_rows=partial(_mask_by_rows, f"{name}imum"),
            smooth=False,
            enclosure=partial(_enclosed_mask, largest=name == "max"),
            kinks=kinks,
            source="one at the extremum, shared equally at ties",
        )
    )
    value = register(
        Primitive(
            name,
            1,
            leading_shape,
            lambda node, x: _extremum(name, reduce, x, reduced_axes(node)),
            Pushforward(
                lambda y, k, dx: weighted_sum(
                    apply(mask, y.operands[0], rank=y.params[0]), dx, y.params[0]
                )
            ),
            named_notation(name, latex=rf"\{name}"),
            parameters=("rank",),
            by_rows=lambda rows, node, x: rows.reduce(f"{name}imum", x),
            positive=lambda node: is_positive(node.operands[0]),
            smooth=False,
            enclosure=moved,
            curvature=(Curved(1 if name == "max" else -1, (RISING,)),),
            kinks=kinks,
            source="subgradient: equal shares at ties",
            rule=f"{name}: 1 at the entry that is taken, shared equally at ties",
        )
    )
    return value, mask


MAX, MAXMASK = _declare_extremum("max", np.max)
MIN, MINMASK = _declare_extremum("min", np.min)

# ---------------------------------------------------------------- norms


def square_of_norm(x: Expr, rank: int) -> Expr:
    """Σ xᵢ² over the trailing axes."""
    return sum_(power(x, 2), tuple(range(x.ndim - rank, x.ndim)))


def _power_of_norm(node: Expr, exponent: Any) -> Expr | None:
    if exponent.denominator == 1 and exponent.numerator % 2 == 0:
        return power(square_of_norm(node.operands[0], node.params[0]), exponent / 2)
    return None


def _scaling_out(name: str) -> Callable[[tuple[Expr, ...], Params], Expr | None]:
    """‖c x‖ = |c| ‖x‖ for a rational c, for the norm of that name."""

    def rewrite(operands: tuple[Expr, ...], params: Params) -> Expr | None:
        x = operands[0]
        content = coefficients_of(x).content if x.primitive is ADD else strip_coefficient(x)[0]
        if content in (0, 1):
            return None
        inner = apply(registry[name], scale(1 / content, x), rank=params[0])
        return scale(abs(content), inner)

    return rewrite


def _norm2_by_rows(rows: Rows, node: Expr, x: Any) -> Any:
    """Rows whose squares would over- or underflow are divided by their largest entry."""
    unit = rows.map(_unit_of, rows.reduce("maximum", rows.map(called("abs"), x)))
    total = rows.reduce("sum", rows.map(_squared_quotient, x, unit))
    return rows.map(lambda lanes, s, u: lanes.call("sqrt", s) * u, total, unit)


def _unit_of(lanes: Lanes, largest: Any) -> Any:
    safe = (largest > 1 / _SQUARED) & (largest < _SQUARED)
    scaled = (largest > 0.0) & (largest < inf) & ~safe
    return lanes.select(scaled, largest, 1.0)


def _squared_quotient(lanes: Lanes, x: Any, unit: Any) -> Any:
    quotient = x / unit
    return quotient * quotient


_SQUARED = 1e14  # numbers up to which, and from whose inverse on, are squared as they are


def _evaluate_norm2(node: Expr, x: Any) -> Any:
    """√Σx², scaled by the largest entry where squares would over- or underflow."""
    axes = reduced_axes(node)
    largest = np.max(np.abs(x), axis=axes, initial=0.0)
    bound = np.sqrt(np.finfo(x.dtype).max) / 1e5
    if np.all((largest > 1 / bound) & (largest < bound)):
        return np.sqrt(np.sum(x * x, axis=axes))
    safe = np.where((largest > 0) & np.isfinite(largest), largest, 1).astype(x.dtype)
    shape = safe.shape + (1,) * len(axes)
    return np.sqrt(np.sum((x / safe.reshape(shape)) ** 2, axis=axes)) * safe


def _sum_over(body: str, node: Expr) -> str:
    whole = node.operands[0].ndim == node.params[0]
    return f"np.sum({body})" if whole else f"np.sum({body}, axis={reduced_axes(node)})"


def _notation_norm2(node: Expr) -> Notation:
    code = f"np.sqrt({_sum_over('{0} ** 2', node)})"
    return Notation("norm2({0})", "‖{0}‖", r"\left\|{0}\right\|", code)


def _notation_norm1(node: Expr) -> Notation:
    code = _sum_over("np.abs({0})", node)
    return Notation("norm1({0})", "‖{0}‖₁", r"\left\|{0}\right\|_1", code)


NORM2 = register(
    Primitive(
        "norm2",
        1,
        leading_shape,
        _evaluate_norm2,
        Pushforward(
            lambda y, k, dx: mul_batch(
                safe_power(y, -1), weighted_sum(y.operands[0], dx, y.params[0]), y
            )
        ),
        _notation_norm2,
        parameters=("rank",),
        by_rows=_norm2_by_rows,
        rewrite=_scaling_out("norm2"),
        power_rule=_power_of_norm,
        domains=(Domain(boundary=(0.0, 1e-200, 1e200)),),
        square=lambda node: square_of_norm(node.operands[0], node.params[0]),
        enclosure=by_magnitude,
        curvature=norm(),
        kinks=at_zero_of_itself,
        source="x/‖x‖; at 0 the subgradient 0",
        rule="norm, Matrix Cookbook (129): xᵀ/‖x‖",
    )
)
NORM1 = register(
    Primitive(
        "norm1",
        1,
        leading_shape,
        lambda node, x: np.sum(np.abs(x), axis=reduced_axes(node)),
        Pushforward(lambda y, k, dx: weighted_sum(apply(SIGN, y.operands[0]), dx, y.params[0])),
        _notation_norm1,
        parameters=("rank",),
        by_rows=lambda rows, node, x: rows.reduce("sum", rows.map(called("abs"), x)),
        rewrite=_scaling_out("norm1"),
        smooth=False,
        enclosure=by_magnitude,
        curvature=norm(),
        kinks=at_zero(),
        source="sign(x); at 0 the subgradient 0",
        rule="1-norm: sign(x)ᵀ",
    )
)


def mul_batch(values: Expr, tangent: Expr, like: Expr) -> Expr:
    """values ⊙ tangent, where the tangent has extra axes in front of the values' axes."""
    extra = tangent.ndim - like.ndim
    labels = tuple(range(tangent.ndim))
    return contract([values, tangent], [labels[extra:], labels], labels)
