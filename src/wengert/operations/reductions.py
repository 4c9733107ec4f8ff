"""Reductions of the trailing axes that are not contractions: extrema, products, norms, softmax.

The parameter ``rank`` is the number of trailing axes that are reduced; leading axes are a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import combinations, permutations
from math import inf
from typing import Any

import numpy as np

from wengert.errors import DomainError, ShapeError
from wengert.expr import Expr, Params
from wengert.operations.algebra import (
    add,
    contract,
    power,
    scale,
)
from wengert.operations.apply import apply
from wengert.operations.build import sub, sum_
from wengert.operations.curves import Curve, degree_of, extended, multiply
from wengert.operations.curving import RISING, convex, norm
from wengert.operations.enclosing import always, by_magnitude, moved, whole_of
from wengert.operations.indexing import slice_
from wengert.operations.intervals import EPS, Interval, clipped, multiplied, widened
from wengert.operations.joining import concatenate
from wengert.operations.kinks import at_zero, at_zero_of_itself
from wengert.operations.reshaping import reshape
from wengert.operations.scalar_functions import SIGN
from wengert.operations.selection import at_extreme_tie
from wengert.operations.short_axes import largest_along, sums_along
from wengert.operations.structural import (
    ADD,
)
from wengert.operations.structure import (
    coefficients_of,
    content_of,
    is_positive,
    safe_power,
    strip_coefficient,
)
from wengert.operations.written import Lanes, Rows, called
from wengert.operations.written_lines import other_factors
from wengert.primitive import (
    Constant,
    Curved,
    Domain,
    Kink,
    Notation,
    Primitive,
    Pushforward,
    Shared,
    WholeCurve,
    register,
    registry,
)
from wengert.shapes import Shape, total_size


def _batch(operands: tuple[Expr, ...], params: Params) -> Shape:
    x = operands[0]
    return x.shape[: x.ndim - params[0]]


def _kept(operands: tuple[Expr, ...], params: Params) -> Shape:
    return operands[0].shape


def _axes(node: Expr) -> tuple[int, ...]:
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


def _named(name: str, unicode: str = "", latex: str = "", numpy: str = "") -> Callable[..., Any]:
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


# ---------------------------------------------------------------- enclosures


def _enclosed_softmax(node: Expr, x: Interval) -> Interval:
    """pᵢ = 1/(1 + Σ exp(xⱼ − xᵢ)): increasing in xᵢ, decreasing in the others."""
    rank = node.params[0]
    lead = x.lower.shape[: x.lower.ndim - rank]
    low, high = x.lower.reshape(*lead, -1), x.upper.reshape(*lead, -1)
    n = low.shape[-1]
    own = np.eye(n, dtype=bool)
    with np.errstate(all="ignore"):
        worst = _share_of_first(low, np.where(own, low[..., :, None], high[..., None, :]))
        best = _share_of_first(high, np.where(own, high[..., :, None], low[..., None, :]))
    found = widened(worst, best, (16 + n) * EPS)
    found = clipped(found, 0.0, 1.0)
    return Interval(found.lower.reshape(x.lower.shape), found.upper.reshape(x.lower.shape))


def _share_of_first(own: Any, entries: Any) -> Any:
    return 1 / np.exp(entries - own[..., None]).sum(axis=-1)


def _enclosed_logsumexp(node: Expr, x: Interval) -> Interval:
    """Increasing in every entry; the largest and the logarithm may cancel."""
    found = moved(node, x)
    axes = _axes(node)
    n = x.lower.size
    with np.errstate(all="ignore"):
        size = np.max(x.magnitude, axis=axes, initial=0.0) + np.log(n + 1.0)
    return widened(found.lower, found.upper, 0.0, (8 + n) * EPS * size)


def _enclosed_product(node: Expr, x: Interval) -> Interval:
    return multiplied(x, x.lower.ndim - 1)


def _enclosed_exclusion(node: Expr, x: Interval) -> Interval:
    """The products of the others, one after the other, for few of them."""
    (order,) = node.params
    n, lead = x.lower.shape[-1], x.lower.shape[:-1]
    if n**order > _FEW_EXCLUSIONS:
        return whole_of(node)
    shape = (*lead, *(n,) * order)
    lower, upper = np.zeros(shape), np.zeros(shape)
    for without in permutations(range(n), order):
        rest = [np.delete(a, without, axis=-1) for a in (x.lower, x.upper)]
        part = multiplied(Interval(*rest), len(lead))
        lower[(..., *without)], upper[(..., *without)] = part.lower, part.upper
    return Interval(lower, upper)


_FEW_EXCLUSIONS = 512

# ---------------------------------------------------------------- maxima and minima


def _extremum_mask(node: Expr, x: Any) -> Any:
    if x.size == 0:
        return x
    extremum = np.max if node.name == "maxmask" else np.min
    mask = x == extremum(x, axis=_axes(node), keepdims=True)
    return (mask / np.sum(mask, axis=_axes(node), keepdims=True)).astype(x.dtype)


def _mask_by_rows(name: str, rows: Rows, node: Expr, x: Any) -> Any:
    there = rows.map(_one_where_equal, x, rows.reduce(name, x))
    return rows.map(_quotient, there, rows.reduce("sum", there))


def _one_where_equal(lanes: Lanes, x: Any, y: Any) -> Any:
    return lanes.real(x.equals(y))


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
            _kept,
            _extremum_mask,
            Constant("piecewise constant: where the extremum is taken"),
            _named(
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
            _batch,
            lambda node, x: _extremum(name, reduce, x, _axes(node)),
            Pushforward(
                lambda y, k, dx: weighted_sum(
                    apply(mask, y.operands[0], rank=y.params[0]), dx, y.params[0]
                )
            ),
            _named(name, latex=rf"\{name}"),
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

# ---------------------------------------------------------------- log-sum-exp and softmax


def _push_softmax(p: Expr, k: int, dx: Expr) -> Expr:
    rank = p.params[0]
    extra = dx.ndim - p.ndim
    labels = tuple(range(dx.ndim))
    scaled = contract([p, dx], [labels[extra:], labels], labels)
    return sub(scaled, spread(weighted_sum(p, dx, rank), p, rank))


def _finite_or_zero(lanes: Lanes, x: Any) -> Any:
    return lanes.select(lanes.call("abs", x) < inf, x, 0.0)


def _exp_of_difference(lanes: Lanes, x: Any, y: Any) -> Any:
    return lanes.call("exp", x - y)


def _softmax_by_rows(rows: Rows, node: Expr, x: Any) -> Any:
    shift = rows.map(_finite_or_zero, rows.reduce("maximum", x))
    exps = rows.map(_exp_of_difference, x, shift)
    return rows.map(_quotient, exps, rows.reduce("sum", exps))


def _quotient(lanes: Lanes, x: Any, y: Any) -> Any:
    return x / y


def _logsumexp_by_rows(rows: Rows, node: Expr, x: Any) -> Any:
    """The logarithm of the sum, or of one and the others, as the reference has it."""
    shift = rows.map(_finite_or_zero, rows.reduce("maximum", x))
    exps = rows.map(_exp_of_difference, x, shift)
    others = rows.reduce("sum", rows.map(_nothing_for_one, exps))
    return rows.map(_log_of_sum, shift, rows.reduce("sum", exps), others)


def _nothing_for_one(lanes: Lanes, x: Any) -> Any:
    return lanes.select(x.equals(1.0), 0.0, x)


def _log_of_sum(lanes: Lanes, shift: Any, total: Any, others: Any) -> Any:
    near = (total >= 1.0) & (total < _NEAR_ONE)
    rest = lanes.select(near, others, total - 1.0)
    return shift + lanes.select(total < 1.0, lanes.call("log", total), lanes.call("log1p", rest))


def _shifted_exp(x: Any, rank: int) -> tuple[Any, Any, Any] | None:
    """The largest entry, exp of x less that, and the sum, over the trailing axes as one."""
    if not x.size:
        return None
    flat = x.reshape((*x.shape[: x.ndim - rank], -1))
    largest = largest_along(flat)[..., None]
    if not np.isfinite(largest).all():
        largest = np.where(np.isfinite(largest), largest, 0).astype(x.dtype)
    exps = np.subtract(flat, largest)
    np.exp(exps, out=exps)
    return largest, exps, sums_along(exps)[..., None]


def _shared_exp(evaluate: Callable[..., Any]) -> Callable[[Expr], Shared]:
    return lambda node: Shared(_shifted_exp, node.params, node.operands[0], evaluate)


def _softmax_from_exp(node: Expr, done: Any, out: Any, x: Any) -> Any:
    if done is None:
        return x
    _, exps, total = done
    flat = None if out is None else out.reshape(exps.shape)
    return np.divide(exps, total, out=flat).reshape(x.shape)


SOFTMAX = register(
    Primitive(
        "softmax",
        1,
        _kept,
        lambda node, x: _softmax_from_exp(node, _shifted_exp(x, *node.params), None, x),
        Pushforward(_push_softmax),
        _named("softmax", numpy="special.softmax"),
        parameters=("rank",),
        shared=_shared_exp(_softmax_from_exp),
        by_rows=_softmax_by_rows,
        positive=lambda node: True,
        enclosure=_enclosed_softmax,
        curvature=(Curved(-1, logarithm=True),),
        domains=(Domain(boundary=(800.0, -800.0)),),
        source="diag(p) − ppᵀ, through the result",
        rule="softmax: diag(p) − ppᵀ with p = softmax(x)",
    )
)


def _logsumexp_from_exp(node: Expr, done: Any, out: Any, x: Any) -> Any:
    """log Σ exp, shifted by the maximum; −∞ for no entries, where the sum is 0."""
    if done is None:
        return np.full(x.shape[: x.ndim - node.params[0]], -np.inf, dtype=x.dtype)
    largest, exps, total = done
    largest, total = largest[..., 0], total[..., 0]
    logs = np.log(total)
    near = (total >= 1) & (total < _NEAR_ONE)  # 1 + the others, whose digits the sum has lost
    if near.any():
        logs = np.where(near, _log_of_one_and_others(exps, near), logs).astype(x.dtype)
    return np.add(largest, logs, out=out)


_NEAR_ONE = 1.125


def _log_of_one_and_others(exps: Any, near: Any) -> Any:
    """log Σ where one of the terms is 1, and all else is small; anything elsewhere."""
    others = exps[near]
    first = np.argmax(others, axis=-1)[..., None]
    np.put_along_axis(others, first, 0, axis=-1)
    logs = np.zeros(near.shape, exps.dtype)
    logs[near] = np.log1p(others.sum(axis=-1))
    return logs


LOGSUMEXP = register(
    Primitive(
        "logsumexp",
        1,
        _batch,
        lambda node, x: _logsumexp_from_exp(node, _shifted_exp(x, *node.params), None, x),
        Pushforward(
            lambda y, k, dx: weighted_sum(
                apply(SOFTMAX, y.operands[0], rank=y.params[0]), dx, y.params[0]
            )
        ),
        _named("logsumexp", numpy="special.logsumexp"),
        parameters=("rank",),
        shared=_shared_exp(_logsumexp_from_exp),
        by_rows=_logsumexp_by_rows,
        enclosure=_enclosed_logsumexp,
        curvature=convex(RISING, second=(0.0, 0.5)),
        domains=(Domain(boundary=(800.0, -800.0)),),
        source="shifted by the maximum; derivative softmax",
        rule="logsumexp: softmax(x)ᵀ",
    )
)

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
        content = content_of(coefficients_of(x)) if x.primitive is ADD else strip_coefficient(x)[0]
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
    axes = _axes(node)
    largest = np.max(np.abs(x), axis=axes, initial=0.0)
    bound = np.sqrt(np.finfo(x.dtype).max) / 1e5
    if np.all((largest > 1 / bound) & (largest < bound)):
        return np.sqrt(np.sum(x * x, axis=axes))
    safe = np.where((largest > 0) & np.isfinite(largest), largest, 1).astype(x.dtype)
    shape = safe.shape + (1,) * len(axes)
    return np.sqrt(np.sum((x / safe.reshape(shape)) ** 2, axis=axes)) * safe


def _sum_over(body: str, node: Expr) -> str:
    whole = node.operands[0].ndim == node.params[0]
    return f"np.sum({body})" if whole else f"np.sum({body}, axis={_axes(node)})"


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
        _batch,
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
        _batch,
        lambda node, x: np.sum(np.abs(x), axis=_axes(node)),
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


# ---------------------------------------------------------------- products


def _exclude(x: Any, order: int) -> Any:
    """Products of all entries but those of ``order`` distinct indices, 0 at repeated ones."""
    n = x.shape[-1]
    if order == 0:
        return np.prod(x, axis=-1)
    if order == 1:
        left = np.ones_like(x)
        right = np.ones_like(x)
        if n > 1:
            left[..., 1:] = np.cumprod(x[..., :-1], axis=-1)
            right[..., :-1] = np.cumprod(x[..., :0:-1], axis=-1)[..., ::-1]
        return left * right
    result = np.zeros(x.shape[:-1] + (n,) * order, dtype=x.dtype)
    for i in range(n):
        without = x.copy()
        without[..., i] = 1
        inner = _exclude(without, order - 1)
        for axis in range(order - 1):
            index: list[Any] = [slice(None)] * (order - 1)
            index[axis] = i
            inner[(..., *index)] = 0
        result[(..., i, *([slice(None)] * (order - 1)))] = inner
    return result


def _shape_of_exclusion(operands: tuple[Expr, ...], params: Params) -> Shape:
    x = operands[0]
    return x.shape[:-1] + (x.shape[-1],) * params[0]


def _push_exclusion(y: Expr, k: int, dx: Expr) -> Expr:
    order = y.params[0] if y.primitive is PRODEXCEPT else 0
    wider = apply(PRODEXCEPT, y.operands[0], order=order + 1)
    batch = y.operands[0].ndim - 1
    extra = dx.ndim - y.operands[0].ndim
    lead = tuple(range(extra))
    kept = tuple(range(extra, extra + wider.ndim - 1))
    last = extra + wider.ndim
    return contract([wider, dx], [(*kept, last), (*lead, *kept[:batch], last)], lead + kept)


def _product_tail(node: Expr, tails: dict[int, Expr], order: int) -> Expr | None:
    """Of the product along the last axis, by halves."""
    return _product_of_halves(node.operands[0], tails[0], order)


def _product_of_halves(x: Expr, tail: Expr, order: int) -> Expr | None:
    n = x.shape[-1]
    if not isinstance(n, int):
        raise ShapeError(f"the power series of a product of {n} factors needs {n} in numbers")
    if n == 0:
        return None
    axes = tuple(range(x.ndim))
    while n > 1:
        half = n // 2
        parts = [slice(0, half), slice(half, 2 * half), slice(2 * half, n)]
        first, second, rest = ((slice_(x, [p]), slice_(tail, [p])) for p in parts)
        curves = [Curve(value, axes, own) for value, own in (first, second)]
        found = multiply(curves, axes, order)
        assert found is not None
        x, tail = contract([first[0], second[0]], [axes, axes], axes), found
        if n % 2:
            x = concatenate([x, rest[0]], -1)
            tail = concatenate([tail, extended(rest[1], degree_of(tail))], -1)
        n = half + n % 2
    return slice_(tail, [0])


def _exclusion_tail(node: Expr, tails: dict[int, Expr], order: int) -> Expr | None:
    """A product again, with 1 in the place of what is excluded."""
    x, count = node.operands[0], node.params[0]
    n = x.shape[-1]
    excluded = tuple(range(x.ndim - 1, x.ndim - 1 + count))
    last = excluded[-1] + 1
    every = (*excluded, last)
    one = contract([], [], every, sizes=dict.fromkeys(every, n))
    kept = one
    for k in excluded:
        tied = tuple(last if a == k else a for a in every)
        there = contract([], [], tied, sizes=dict.fromkeys(tied, n))
        axes = tuple(range(count + 1))
        kept = contract([kept, sub(one, there)], [axes, axes], axes)
    batch = tuple(range(x.ndim - 1))
    wide = (*batch, *every)
    masked = contract([kept, x], [every, (*batch, last)], wide)
    sizes = dict(enumerate(x.shape[:-1]))
    filled = add([masked, contract([sub(one, kept)], [every], wide, sizes=sizes)])
    lead = tuple(range(last + 1, last + 1 + tails[0].ndim - x.ndim))
    moved = contract([kept, tails[0]], [every, (*lead, *batch, last)], (*lead, *wide))
    found = _product_of_halves(filled, moved, order)
    if found is None:
        return None
    for a, b in combinations(excluded, 2):
        pair = contract([], [], (0, 1), sizes={0: n, 1: n})
        apart = sub(pair, contract([], [], (0, 0), sizes={0: n}))
        axes = tuple(range(found.ndim))
        places = (found.ndim - count + a - excluded[0], found.ndim - count + b - excluded[0])
        found = contract([found, apart], [axes, places], axes)
    return found


def _notation_exclusion(node: Expr) -> Notation:
    """Its NumPy code multiplies what is left after masking the excluded entries."""
    order = node.params[0]
    more = f", {order}" if order != 1 else ""
    axes = [", ".join(["None"] * k + [":"] + ["None"] * (order - 1 - k)) for k in range(order)]
    masks = [f"e[{a}]" for a in axes]
    apart = "".join(f" * ~({a} & {b}).any(-1)" for a, b in combinations(masks, 2))
    excluded = " | ".join(masks)
    entries = f"t[(..., *(None,) * {order}, slice(None))]"
    code = (
        f"(lambda t, e: np.prod(np.where({excluded}, 1, {entries}), -1)"
        f"{apart})({{0}}, np.eye({{0:a}}.shape[-1], dtype=bool))"
    )
    name = f"prodexcept({{0}}{more})"
    head = r"\operatorname{{prodexcept}}" + (f"_{{{{{order}}}}}" if order != 1 else "")
    return Notation(name, name, rf"{head}\left({{0}}\right)", code)


PRODEXCEPT = register(
    Primitive(
        "prodexcept",
        1,
        _shape_of_exclusion,
        lambda node, x: _exclude(x, node.params[0]),
        Pushforward(_push_exclusion),
        _notation_exclusion,
        by_arrays=other_factors,
        parameters=("order",),
        series=WholeCurve(_exclusion_tail),
        symmetric=lambda node: node.params[0] == 2 and node.ndim == 2,
        enclosure=_enclosed_exclusion,
        domains=(Domain(boundary=(0.0,)),),
        source="∂Πx/∂xᵢ = Π_{j≠i} xⱼ, right at zeros too",
        rule="product rule: the product of the other factors",
    )
)
PROD = register(
    Primitive(
        "prod",
        1,
        lambda operands, params: operands[0].shape[:-1],
        lambda node, x: np.prod(x, axis=-1),
        Pushforward(_push_exclusion),
        lambda node: Notation("prod({0})", "prod({0})", r"\prod {0:a}", "np.prod({0}, axis=-1)"),
        series=WholeCurve(_product_tail),
        by_rows=lambda rows, node, x: rows.reduce("product", x),
        enclosure=_enclosed_product,
        domains=(Domain(boundary=(0.0,)),),
        source="product rule",
        rule="product rule: the product of the other factors",
    )
)
