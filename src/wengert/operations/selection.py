"""Choosing between entries: where, masks, places of extrema, orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import DomainError, ShapeError
from wengert.expr import Expr, Params
from wengert.operations.algebra import contract, scale
from wengert.operations.apply import apply
from wengert.operations.build import sub
from wengert.operations.curving import CHOICE
from wengert.operations.discrete import LOGICAL_NOT, known_values
from wengert.operations.gathering import broadcast_shape
from wengert.operations.gathering_along import batch_along, take_along
from wengert.operations.indexing import slice_
from wengert.operations.intervals import Interval, point
from wengert.operations.kinks import Kinks, nowhere
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    fits,
    is_contraction,
    is_sum,
    is_zero,
    zeros,
)
from wengert.operations.trailing import move_axis, rearrange
from wengert.operations.written_lines import ascending_order, place_of_extremum
from wengert.primitive import (
    Constant,
    Domain,
    Kink,
    Linear,
    Multilinear,
    Notation,
    Primitive,
    Sample,
    register,
)
from wengert.shapes import Shape, concrete, format_shape

_MASK = Domain(dtype="bool")

# ---------------------------------------------------------------- builders


def broadcast_to(x: Expr, shape: Shape) -> Expr:
    """An array of any dtype repeated to a shape, as NumPy broadcasts.

    Raises
    ------
    ShapeError
        If the shape cannot be reached.
    """
    if x.shape == shape:
        return x
    if broadcast_shape([x.shape, shape]) != shape:
        raise ShapeError(
            f"shape {format_shape(x.shape)} cannot be broadcast to {format_shape(shape)}"
        )
    lead = len(shape) - x.ndim
    stretched = [k for k, n in enumerate(x.shape) if n == 1 and shape[lead + k] != 1]
    x = slice_(x, [0 if k in stretched else None for k in range(x.ndim)])
    labels = [k for k in range(lead, len(shape)) if k - lead not in stretched]
    return rearrange(x, labels, range(len(shape)), dict(enumerate(shape)))


def where(condition: Expr, a: Expr, b: Expr) -> Expr:
    """a where the condition holds, else b, entry by entry; shapes broadcast.

    The derivative of what is not chosen is 0, even where it is infinite or NaN, as long as
    only entry by entry functions and products stand between.
    """
    shape = broadcast_shape([condition.shape, a.shape, b.shape])
    return apply(_where_of(a), *(broadcast_to(x, shape) for x in (condition, a, b)))


def keep(x: Expr, mask: Expr) -> Expr:
    """x where the mask holds, else 0; the mask stands for the trailing axes of x."""
    return apply(KEEP, x, mask)


def argmax(x: Expr, axis: int = -1) -> Expr:
    """The place of the largest entry along an axis, the first one at ties."""
    return apply(ARGMAX, move_axis(x, axis, -1))


def argmin(x: Expr, axis: int = -1) -> Expr:
    """The place of the smallest entry along an axis, the first one at ties."""
    return apply(ARGMIN, move_axis(x, axis, -1))


def argsort(x: Expr, axis: int = -1) -> Expr:
    """The places of the entries along an axis in ascending order; ties keep their order."""
    return move_axis(apply(ARGSORT, move_axis(x, axis, -1)), -1, axis)


def sort(x: Expr, axis: int = -1) -> Expr:
    """The entries along an axis in ascending order; at ties the derivative follows places."""
    return take_along(x, argsort(x, axis), axis)


# ---------------------------------------------------------------- masks


def _shape_of_kept(operands: tuple[Expr, ...], params: Params) -> Shape:
    x, mask = operands
    lead = x.ndim - mask.ndim
    if mask.dtype != "bool":
        raise ShapeError(f"a mask must be of truth values; this one is {mask.dtype}")
    if lead < 0 or not fits(x.shape[lead:], mask.shape):
        raise ShapeError(
            f"a mask of shape {format_shape(mask.shape)} does not go with an array of shape "
            f"{format_shape(x.shape)}"
        )
    return x.shape


def _evaluate_keep(node: Expr, x: Any, mask: Any) -> Any:
    return np.where(mask, x, np.zeros((), np.asarray(x).dtype))


def _rewrite_keep(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    x, mask = operands
    values = known_values(mask)
    if is_zero(x) or (values is not None and not values.any()):
        return zeros(x.shape)
    if (values is not None and values.all()) or (x.primitive is KEEP and x.operands[1] is mask):
        return x
    if x.primitive is KEEP and _opposite(x.operands[1], mask):
        return zeros(x.shape)
    if x.primitive is WHERE and x.operands[0] is mask:
        return apply(KEEP, x.operands[1], mask)
    if is_sum(x):
        content = coefficients_of(x).content
        return None if content == 1 else scale(content, apply(KEEP, scale(1 / content, x), mask))
    return _without_pattern(x, mask) if is_contraction(x) else None


def _opposite(one: Expr, other: Expr) -> bool:
    negations = [(a, b) for a, b in ((one, other), (other, one)) if a.primitive is LOGICAL_NOT]
    return any(a.operands[0] is b for a, b in negations)


def _without_pattern(x: Expr, mask: Expr) -> Expr | None:
    """Coefficients, deltas and ones come out; factors stay, as 0 · ∞ is none."""
    labels, out, coefficient = contraction_params(x)
    cut = x.ndim - mask.ndim
    last = out[cut:]
    used = {a for axes in labels for a in axes}
    lead = tuple(a for a in dict.fromkeys(out[:cut]) if a in used and a not in last)
    if len(set(last)) < len(last):
        lead = out[:cut]  # a delta among the mask's own axes stays with it
    if coefficient == 1 and lead == out[:cut]:
        return None
    size = dict(zip(out, x.shape, strict=True))
    inner = (*lead, *last)
    kept = apply(KEEP, contract(x.operands, labels, inner, sizes={a: size[a] for a in inner}), mask)
    if lead == out[:cut]:
        return scale(coefficient, kept)
    return contract([kept], [inner], out, sizes=size, coefficient=coefficient)


def _enclosed_keep(node: Expr, x: Interval, mask: Interval) -> Interval:
    """Where the mask is not known, with 0."""
    off, on = ~mask.upper, mask.lower
    return Interval(
        np.where(off, 0.0, np.where(on, x.lower, np.minimum(x.lower, 0))),
        np.where(off, 0.0, np.where(on, x.upper, np.maximum(x.upper, 0))),
    )


KEEP = register(
    Primitive(
        "keep",
        2,
        _shape_of_kept,
        _evaluate_keep,
        Linear(
            lambda node, dx: apply(KEEP, dx, node.operands[1]),
            lambda node, ct: apply(KEEP, ct, node.operands[1]),
            lambda node: node.operands[1].ndim,
        ),
        Notation(
            "where({1}, {0}, 0)",
            "[{1}] {0:a}",
            r"\left[{1}\right] {0:a}",
            "np.where({1}, {0}, 0.0)",
            "power",
        ),
        rewrite=_rewrite_keep,
        domains=(Domain(), _MASK),
        samples=(
            Sample(((), ())),
            Sample(((3,), (3,))),
            Sample(((2, 2), (2,))),
            Sample(((0,), (0,))),
        ),
        batch=batch_along,
        written=lambda lanes, node, x, mask: lanes.select(mask, x, 0.0),
        masking=True,
        enclosure=_enclosed_keep,
        source="0 where the mask is false, whatever stands there",
        rule="mask: the derivative where the mask holds, else 0",
    )
)

# ---------------------------------------------------------------- where


def _shape_of_where(operands: tuple[Expr, ...], params: Params) -> Shape:
    condition, a, b = operands
    if condition.dtype != "bool":
        raise ShapeError(f"a condition must be of truth values; this one is {condition.dtype}")
    if a.dtype != b.dtype:
        raise ShapeError(f"one array is to be of {a.dtype} and {b.dtype} entries")
    if not fits(a.shape, condition.shape) or not fits(b.shape, condition.shape):
        shapes = ", ".join(format_shape(x.shape) for x in operands)
        raise ShapeError(f"shapes {shapes} differ; where() broadcasts them")
    return condition.shape


def _chosen(node: Expr, k: int, x: Expr) -> Expr:
    """Where operand k is chosen, x; else 0."""
    condition = node.operands[0]
    return apply(KEEP, x, condition if k == 1 else apply(LOGICAL_NOT, condition))


def _rewrite_where(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    condition, a, b = operands
    if a is b:
        return a
    values = known_values(condition)
    if values is not None and (values.all() or not values.any()):
        return a if values.all() else b
    if condition.primitive is LOGICAL_NOT:
        return apply(_where_of(a), condition.operands[0], b, a)
    if a.dtype == "real":
        if is_zero(b):
            return apply(KEEP, a, condition)
        if is_zero(a):
            return apply(KEEP, b, apply(LOGICAL_NOT, condition))
    return None


def _where_of(like: Expr) -> Primitive:
    return {"real": WHERE, "int": WHERE_INT, "bool": WHERE_BOOL}[like.dtype]


def _enclosed_where(node: Expr, condition: Interval, a: Interval, b: Interval) -> Interval:
    """Where the condition is not known, both."""
    off, on = ~condition.upper, condition.lower
    return Interval(
        np.where(off, b.lower, np.where(on, a.lower, np.minimum(a.lower, b.lower))),
        np.where(off, b.upper, np.where(on, a.upper, np.maximum(a.upper, b.upper))),
    )


def _declare_where(name: str, domain: Domain, dtype: str) -> Primitive:
    real = dtype == "real"
    return register(
        Primitive(
            name,
            3,
            _shape_of_where,
            lambda node, condition, a, b: np.where(condition, a, b),
            Multilinear(_chosen, _chosen) if real else Constant("indices and masks are discrete"),
            Notation.function("where", arity=3),
            elementwise=True,
            written=lambda lanes, node, condition, a, b: lanes.select(condition, a, b),
            rewrite=_rewrite_where,
            domains=(_MASK, domain, domain),
            smooth=real,
            enclosure=_enclosed_where,
            curvature=CHOICE if real else (),
            kinks=nowhere,
            source="entry by entry one of two",
            rule="where: the derivative of the entry that is chosen" if real else "",
            dtype=dtype,
        )
    )


WHERE = _declare_where("where", Domain(), "real")
WHERE_INT = _declare_where("where_int", Domain(0, 5, dtype="int"), "int")
WHERE_BOOL = _declare_where("where_bool", _MASK, "bool")

# ---------------------------------------------------------------- places and orders


def at_ties(node: Expr) -> tuple[Kink, ...]:
    """Where two entries along the last axis of the operand are equal."""
    ranked = sort(node.operands[0])
    if ranked.shape[-1] == 1:
        return ()
    gaps = sub(slice_(ranked, [slice(1, None)]), slice_(ranked, [slice(None, -1)]))
    return (Kink(gaps, said="two entries of {0} are equal"),)


def at_extreme_tie(x: Expr, *, largest: bool) -> tuple[Kink, ...]:
    """Where the two largest (or least) entries along the last axis are equal."""
    ranked = sort(x)
    if ranked.shape[-1] == 1:
        return ()
    first, second = (-1, -2) if largest else (0, 1)
    which = "largest" if largest else "least"
    gap = sub(slice_(ranked, [first]), slice_(ranked, [second]))
    return (Kink(gap, said=f"the two {which} entries of {{0}} are equal"),)


def at_close_values(node: Expr) -> tuple[Kink, ...]:
    """Where two of the values, which are in order, are equal."""
    if node.shape[-1] == 1:
        return ()
    later, earlier = (slice_(node, [part]) for part in (slice(1, None), slice(None, -1)))
    return (Kink(sub(later, earlier), said="two values of {0} are equal"),)


def at_close_or_zero_values(node: Expr) -> tuple[Kink, ...]:
    """Where two of the values are equal, or one is zero."""
    return (*at_close_values(node), Kink(node, said="a value of {0} is 0"))


def _enclosed_place(node: Expr, x: Interval) -> Interval:
    """Any place, unless the entries are known."""
    if x.certain:
        return point(np.asarray(node.primitive.evaluate(node, x.lower)))
    shape, last = concrete(node.shape), x.lower.shape[-1] - 1
    return Interval(np.zeros(shape, np.int64), np.full(shape, last, np.int64))


def _declare_order(
    name: str,
    evaluate: Callable[..., Any],
    infer: Callable[..., Shape],
    kinks: Kinks,
    source: str,
    by_arrays: Callable[..., Any],
) -> Primitive:
    more = ", kind='stable'" if name == "argsort" else ""
    return register(
        Primitive(
            name,
            1,
            infer,
            lambda node, x: evaluate(x),
            Constant("places are discrete"),
            Notation(
                f"{name}({{0}})",
                f"{name}({{0}})",
                rf"\operatorname{{{{{name}}}}}\left({{0}}\right)",
                f"np.{name}({{0}}, axis=-1{more})",
            ),
            by_arrays=by_arrays,
            samples=(Sample(((3,),)), Sample(((2, 3),)), Sample(((1,),))),
            smooth=False,
            enclosure=_enclosed_place,
            kinks=kinks,
            source=source,
            dtype="int",
            ranking=name == "argsort",
        )
    )


def _place(name: str, function: Callable[..., Any]) -> Callable[[Any], Any]:
    def evaluate(x: Any) -> Any:
        if not x.shape[-1]:
            raise DomainError(f"the {name} of no entries is undefined; the shape is {x.shape}")
        return function(x, axis=-1)

    return evaluate


def _line(operands: tuple[Expr, ...], params: Params) -> Shape:
    if not operands[0].ndim:
        raise ShapeError("a scalar has no axis along which entries have places")
    return operands[0].shape


def _without_last(operands: tuple[Expr, ...], params: Params) -> Shape:
    return _line(operands, params)[:-1]


ARGMAX = _declare_order(
    "argmax",
    _place("argmax", np.argmax),
    _without_last,
    lambda node: at_extreme_tie(node.operands[0], largest=True),
    "the first place at ties",
    place_of_extremum(largest=True),
)
ARGMIN = _declare_order(
    "argmin",
    _place("argmin", np.argmin),
    _without_last,
    lambda node: at_extreme_tie(node.operands[0], largest=False),
    "the first place at ties",
    place_of_extremum(largest=False),
)
ARGSORT = _declare_order(
    "argsort",
    lambda x: np.argsort(x, axis=-1, kind="stable"),
    _line,
    at_ties,
    "ascending, NaN last; ties keep their order",
    ascending_order,
)
