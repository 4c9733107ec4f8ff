"""Log-sum-exp and softmax of the trailing axes."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from wengert.expr import Expr
from wengert.operations.algebra import (
    contract,
)
from wengert.operations.apply import apply
from wengert.operations.build import sub
from wengert.operations.curving import RISING, convex
from wengert.operations.enclosing import moved
from wengert.operations.intervals import EPS, Interval, clipped, widened
from wengert.operations.reductions import (
    leading_shape,
    named_notation,
    reduced_axes,
    spread,
    weighted_sum,
    whole_shape,
)
from wengert.operations.short_axes import largest_along, sums_along
from wengert.operations.written import Lanes, Rows
from wengert.primitive import (
    Curved,
    Domain,
    Primitive,
    Pushforward,
    Shared,
    register,
)


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
    axes = reduced_axes(node)
    n = x.lower.size
    with np.errstate(all="ignore"):
        size = np.max(x.magnitude, axis=axes, initial=0.0) + np.log(n + 1.0)
    return widened(found.lower, found.upper, 0.0, (8 + n) * EPS * size)


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
        whole_shape,
        lambda node, x: _softmax_from_exp(node, _shifted_exp(x, *node.params), None, x),
        Pushforward(_push_softmax),
        named_notation("softmax", numpy="special.softmax"),
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
        leading_shape,
        lambda node, x: _logsumexp_from_exp(node, _shifted_exp(x, *node.params), None, x),
        Pushforward(
            lambda y, k, dx: weighted_sum(
                apply(SOFTMAX, y.operands[0], rank=y.params[0]), dx, y.params[0]
            )
        ),
        named_notation("logsumexp", numpy="special.logsumexp"),
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
