"""Products along the last axis, and the products of all entries but some."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.expr import Expr, Params
from wengert.operations.algebra import (
    add,
    contract,
)
from wengert.operations.apply import apply
from wengert.operations.build import sub
from wengert.operations.curves import Curve, degree_of, extended, multiply
from wengert.operations.enclosing import whole_of
from wengert.operations.indexing import slice_
from wengert.operations.intervals import Interval, multiplied
from wengert.operations.joining import concatenate
from wengert.operations.written_lines import other_factors
from wengert.primitive import (
    Domain,
    Notation,
    Primitive,
    Pushforward,
    WholeCurve,
    register,
)
from wengert.shapes import Shape


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
