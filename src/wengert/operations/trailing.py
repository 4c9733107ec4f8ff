"""What operations on trailing axes share: moved axes, and patterns that stay outside.

A linear operation that is no contraction must not make deltas dense: what does not touch the axes
it acts on is taken out of it, coefficients always.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.expr import Expr, Params
from wengert.operations.algebra import add, contract, scale
from wengert.operations.apply import apply
from wengert.operations.enclosing import moved
from wengert.operations.labelling import Labels
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    has_delta,
    is_contraction,
    is_sum,
)
from wengert.operations.written import Arrays
from wengert.primitive import Constant, Domain, Notation, Primitive, Sample, register
from wengert.shapes import Shape, Size, format_shape

_DISTRIBUTION_CAP = 8  # terms of a sum with deltas that is mapped term by term
_ORDER_CAP = 3  # leading axes whose orders are all tried

Operation = Callable[[Expr], Expr]

# ---------------------------------------------------------------- axes of any dtype


def _shape_of_arrangement(operands: tuple[Expr, ...], params: Params) -> Shape:
    x = operands[0]
    labels, out, sizes = params
    if len(labels) > x.ndim:
        raise ShapeError(f"{len(labels)} axes to move in an array of shape {format_shape(x.shape)}")
    cut = x.ndim - len(labels)
    size = {**dict(sizes), **dict(zip(labels, x.shape[cut:], strict=True))}
    return (*x.shape[:cut], *(size[a] for a in out))


def _arrange(node: Expr, x: Any) -> Any:
    labels, out, sizes = node.params
    cut = x.ndim - len(labels)
    kept = [a for a in out if a in labels]
    order = (*range(cut), *(cut + labels.index(a) for a in kept))
    index = (..., *(slice(None) if a in labels else None for a in out))
    size = {**dict(sizes), **dict(zip(labels, x.shape[cut:], strict=True))}
    moved = np.transpose(x, order)[index]
    return np.broadcast_to(moved, (*x.shape[:cut], *(size[a] for a in out)))


def _arranged_by_arrays(arrays: Arrays, node: Expr, x: Any) -> Any:
    labels, out, sizes = node.params
    cut = len(arrays.shape(x)) - len(labels)
    known = dict(sizes)
    axes = [cut + labels.index(a) if a in labels else None for a in out]
    return arrays.arranged(x, [*range(cut), *axes], [0] * cut + [known.get(a, 0) for a in out])


def _rewrite_arrangement(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    return operands[0] if params[0] == params[1] else None


ARRANGE = register(
    Primitive(
        "arrange",
        1,
        _shape_of_arrangement,
        _arrange,
        Constant("indices and masks are discrete"),
        Notation(
            "arrange({0}, {labels}, {out})",
            "arrange({0}, {labels}, {out})",
            r"\operatorname{{arrange}}\left({0}\right)",
            "np.einsum({0}, [..., *{labels}], [..., *{out}])",
        ),
        by_arrays=_arranged_by_arrays,
        parameters=("labels", "out", "sizes"),
        rewrite=_rewrite_arrangement,
        domains=(Domain(0, 5, dtype="int"),),
        samples=(
            Sample(((2, 3),), ((0, 1), (1, 0), ())),
            Sample(((2, 3),), ((0,), (1, 0), ((1, 2),))),
        ),
        smooth=False,
        source="permutation and broadcast, for what is not real",
        dtype="same",
        enclosure=moved,
        kinks=lambda node: (),
    )
)


def rearrange(
    x: Expr,
    labels: Sequence[int],
    out: Sequence[int],
    sizes: Mapping[int, Size] | None = None,
) -> Expr:
    """An array of any dtype with its axes permuted, and repeated along labels that are new.

    Parameters
    ----------
    x : Expr
        The array.
    labels : sequence of int
        One an axis, all distinct.
    out : sequence of int
        The same labels in another order, and new ones.
    sizes : mapping of int to Size, optional
        Sizes of the new labels.
    """
    sizes = dict(sizes or {})
    if x.dtype == "real":
        live = {a: s for a, s in sizes.items() if a in out}
        return contract([x], [tuple(labels)], tuple(out), sizes=live)
    fresh = tuple((a, sizes[a]) for a in out if a not in labels)
    return apply(ARRANGE, x, labels=tuple(labels), out=tuple(out), sizes=fresh)


def move_axis(x: Expr, source: int, target: int) -> Expr:
    """An array of any dtype with one axis moved (``np.moveaxis``)."""
    axes = list(range(x.ndim))
    axis = axes.pop(source)
    axes.insert(target % x.ndim, axis)
    return rearrange(x, range(x.ndim), axes)


# ---------------------------------------------------------------- what stays outside


def float_out(x: Expr, rank: int, operation: Operation, *, factors: bool = True) -> Expr | None:
    """A linear operation on the trailing axes, with what these do not depend on outside.

    Parameters
    ----------
    x : Expr
        The operand.
    rank : int
        How many of its trailing axes the operation acts on.
    operation : callable
        ``operation(operand)``; leading axes may be other ones than x has.
    factors : bool
        Whether factors come out too, and not only coefficients, deltas and ones. They must not
        where the operation makes zeros, as 0 · inf is none.

    Returns
    -------
    Expr or None
        None if there is nothing to take out.
    """
    if is_sum(x):
        return _through_sum(x, operation)
    if not is_contraction(x):
        return None
    labels, out, coefficient = contraction_params(x)
    cut = x.ndim - rank
    lead, last = out[:cut], out[cut:]
    pairs = list(zip(x.operands, labels, strict=True))
    inside = tied_factors(labels, out, set(last)) if factors else set(range(len(pairs)))
    inner = [pairs[k] for k in sorted(inside)]
    outer = [pair for k, pair in enumerate(pairs) if k not in inside]
    used = {a for _, axes in inner for a in axes} | set(last)
    kept = tuple(a for a in dict.fromkeys(lead) if a in used)
    if not outer and coefficient == 1 and kept == lead:
        return _with_lead_in_order(x, rank, operation)
    size = dict(zip(out, x.shape, strict=True))
    core_out = (*kept, *last)
    core = contract(
        [e for e, _ in inner], [a for _, a in inner], core_out, sizes={a: size[a] for a in core_out}
    )
    result = operation(core)
    top = max((a for axes in (*labels, out) for a in axes), default=-1) + 1
    fresh = tuple(range(top, top + result.ndim - len(kept)))
    return contract(
        [result, *(e for e, _ in outer)],
        [(*kept, *fresh), *(a for _, a in outer)],
        (*lead, *fresh),
        sizes={a: size[a] for a in lead},
        coefficient=coefficient,
    )


def _through_sum(x: Expr, operation: Operation) -> Expr | None:
    coefficients = coefficients_of(x)
    content = coefficients.content
    if content != 1:
        return scale(content, operation(scale(1 / content, x)))
    if len(x.operands) <= _DISTRIBUTION_CAP and any(has_delta(t) for t in x.operands):
        return add([operation(t) for t in x.operands], coefficients)
    return None


def tied_factors(labels: Sequence[Labels], out: Labels, last: set[int]) -> set[int]:
    """The factors on the given labels, and those that summed labels tie to these."""
    reached = set(last)
    found: set[int] = set()
    while True:
        more = {k for k, axes in enumerate(labels) if k not in found and reached & set(axes)}
        if not more:
            return found
        found |= more
        reached |= {a for k in more for a in labels[k] if a not in out}


def _with_lead_in_order(x: Expr, rank: int, operation: Operation) -> Expr | None:
    """Leading axes in the order that makes the operand canonical, so that modes agree."""
    lead = x.ndim - rank
    if not 2 <= lead <= _ORDER_CAP or not x.operands:
        return None
    rest = tuple(range(lead, x.ndim))
    orders = [(*order, *rest) for order in permutations(range(lead))]
    best = min(orders, key=lambda order: contract([x], [range(x.ndim)], order).digest)
    if best[:lead] == tuple(range(lead)):
        return None
    result = operation(contract([x], [range(x.ndim)], best))
    tail = tuple(range(lead, result.ndim))
    return contract([result], [(*best[:lead], *tail)], range(result.ndim))


def separable(x: Expr, acted: Sequence[int], passive: Sequence[int]) -> bool:
    """Does a passive axis of a product not depend on what the axes acted on depend on?"""
    if not is_contraction(x) or not passive:
        return False
    labels, out, _ = contraction_params(x)
    inside = tied_factors(labels, out, {out[k] for k in acted})
    reached = {a for k in inside for a in labels[k]} | {out[k] for k in acted}
    return any(out[k] not in reached for k in passive)


def with_axes_leading(x: Expr, axes: Sequence[int], operation: Operation, places: Labels) -> Expr:
    """An operation on x with some axes moved before all that it acts on.

    ``places`` says where these axes stand in the result, in the order of ``axes``.
    """
    rest = [k for k in range(x.ndim) if k not in axes]
    result = operation(rearrange(x, range(x.ndim), [*axes, *rest]))
    others = [k for k in range(result.ndim) if k not in places]
    return rearrange(result, [*places, *others], range(result.ndim))
