"""Reshapes of the trailing axes, and what is made of them: vec and the Kronecker product."""

from __future__ import annotations

from itertools import permutations
from math import prod
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.expr import Expr, Params
from wengert.operations.algebra import (
    add,
    contract,
    transpose,
)
from wengert.operations.apply import apply
from wengert.operations.build import mul
from wengert.operations.discrete import int_array
from wengert.operations.intervals import Interval
from wengert.operations.structural import (
    ADD,
    CONTRACT,
)
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    strip_coefficient,
)
from wengert.primitive import Linear, Notation, Place, Primitive, Route, register
from wengert.shapes import Shape, concrete, format_shape, total_size


def reshape(x: Expr, target: Shape, axes: int | None = None) -> Expr:
    """The trailing ``axes`` axes (all by default) reshaped row by row to ``target``.

    Raises
    ------
    ShapeError
        If the numbers of entries differ.
    """
    taken = x.ndim if axes is None else axes
    tail = x.shape[x.ndim - taken :]
    return apply(RESHAPE, x, tail=tail, target=tuple(target))


def vec(x: Expr) -> Expr:
    """The columns of a matrix, one below the other (the usual vec)."""
    return reshape(transpose(x), (total_size(x.shape),)) if x.ndim else reshape(x, (1,))


def kron(a: Expr, b: Expr) -> Expr:
    """The Kronecker product of two matrices (or of two vectors)."""
    if a.ndim == b.ndim == 1:
        pairs = contract([a, b], [(0,), (1,)], (0, 1))
        return reshape(pairs, (a.shape[0] * b.shape[0],))
    pairs = contract([a, b], [(0, 2), (1, 3)], (0, 1, 2, 3))
    return reshape(pairs, (a.shape[0] * b.shape[0], a.shape[1] * b.shape[1]))


def _infer(operands: tuple[Expr, ...], params: Params) -> Shape:
    tail, target = params
    x = operands[0]
    if total_size(tail) != total_size(target):
        raise ShapeError(
            f"cannot reshape {format_shape(tail)} to {format_shape(target)}: "
            "the numbers of entries differ"
        )
    return x.shape[: x.ndim - len(tail)] + target


def _groups(tail: Shape, target: Shape) -> list[Shape] | None:
    """For each target axis the run of tail axes that it merges, if it is a plain merging."""
    found: list[Shape] = []
    start = 0
    for size in target:
        stop = start + 1
        while stop < len(tail) and total_size(tail[start:stop]) != size:
            stop += 1
        if total_size(tail[start:stop]) != size:
            return None
        found.append(tail[start:stop])
        start = stop
    return found if start == len(tail) else None


def _merged(node: Expr, axis: int) -> Shape | None:
    tail, target = node.params
    groups = _groups(tail, target)
    at = axis - (node.ndim - len(target))
    if groups is None or at < 0 or len(groups[at]) < 2:
        return None
    return groups[at]


def _unmerge(node: Expr, axis: int) -> Expr:
    tail, target = node.params
    group = _merged(node, axis)
    assert group is not None
    at = axis - (node.ndim - len(target))
    wider = (*target[:at], *group, *target[at + 1 :])
    return apply(RESHAPE, node.operands[0], tail=tail, target=wider)


def _with_batch_leading(x: Expr, groups: list[Shape], target: Shape) -> Expr:
    """The axes that stay as they are come in front, so that only the others are acted on."""
    lead = x.ndim - sum(len(g) for g in groups)
    order = list(range(lead))
    acted: list[int] = []
    kept: list[int] = []
    axis = lead
    for group in groups:
        axes = list(range(axis, axis + len(group)))
        axis += len(group)
        (kept if len(group) == 1 else acted).extend(axes)
    order += kept
    merged = [k for k, g in enumerate(groups) if len(g) > 1]
    moved = contract([x], [range(x.ndim)], [*order, *acted])
    tail = tuple(s for k in merged for s in groups[k])
    shaped = apply(RESHAPE, moved, tail=tail, target=tuple(target[k] for k in merged))
    stay = [k for k in range(len(groups)) if k not in merged]
    produced = [*range(lead), *(lead + k for k in (*stay, *merged))]
    return contract([shaped], [produced], range(lead + len(groups)))


def _with_lead_in_order(x: Expr, tail: Shape, target: Shape) -> Expr | None:
    """The axes that are not acted on, in the order that makes the operand canonical."""
    lead = x.ndim - len(tail)
    if x.primitive is not CONTRACT or not 2 <= lead <= 3 or not x.operands:
        return None
    rest = tuple(range(lead, x.ndim))
    orders = [(*order, *rest) for order in permutations(range(lead))]
    best = min(orders, key=lambda order: contract([x], [range(x.ndim)], order).digest)
    if best == (*range(lead), *rest):
        return None
    shaped = apply(RESHAPE, contract([x], [range(x.ndim)], best), tail=tail, target=target)
    produced = (*best[:lead], *range(lead, lead + len(target)))
    return contract([shaped], [produced], range(lead + len(target)))


def _of_deltas(x: Expr, tail: Shape, target: Shape) -> Expr | None:
    """The one form of a reshaped δ: leading axes in order, axes merged rather than split."""
    r, t = len(tail), len(target)
    _, out, coefficient = contraction_params(x)
    lead, last = out[: x.ndim - r], out[x.ndim - r :]
    if coefficient != 1 or len(lead) != r or len(set(last)) != r or set(lead) != set(last):
        return None
    if r < t:
        wide = contract([], [], (*range(t), *range(t)), sizes=dict(enumerate(target)))
        merged = apply(RESHAPE, wide, tail=target, target=tail)
        turned = (*range(t, t + r), *range(t))
        fresh = contract([merged], [range(t + r)], turned)
    elif lead != last:
        plain = contract([], [], (*range(r), *range(r)), sizes=dict(enumerate(tail)))
        fresh = apply(RESHAPE, plain, tail=tail, target=target)
    else:
        return None
    order = (*(last.index(a) for a in lead), *range(r, r + t))
    return contract([fresh], [range(r + t)], order)


def _rewrite(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    x = operands[0]
    tail, target = params
    if tail == target:
        return x
    if x.primitive is RESHAPE:
        inner_tail, inner_target = x.params
        if inner_target == tail:
            return apply(RESHAPE, x.operands[0], tail=inner_tail, target=target)
    if x.dtype != "real":
        return None  # products are of real numbers
    if x.primitive is ADD:
        parts = [apply(RESHAPE, t, tail=tail, target=target) for t in x.operands]
        return add(parts, coefficients_of(x))
    groups = _groups(tail, target)
    if groups is not None and any(len(g) == 1 for g in groups):
        return _with_batch_leading(x, groups, target)
    if x.primitive is CONTRACT and x.operands:
        labels, out, _ = contraction_params(x)
        coefficient = strip_coefficient(x)[0]
        scalars = [o for o in x.operands if o.ndim == 0]
        if scalars or coefficient != 1:
            arrays = [(o, a) for o, a in zip(x.operands, labels, strict=True) if o.ndim]
            sizes = dict(zip(out, x.shape, strict=True))
            core = contract([o for o, _ in arrays], [a for _, a in arrays], out, sizes=sizes)
            scalar = contract(scalars, [()] * len(scalars), (), coefficient=coefficient)
            return mul(scalar, apply(RESHAPE, core, tail=tail, target=target))
    turned = _with_lead_in_order(x, tail, target)
    if turned is not None:
        return turned
    if x.primitive is CONTRACT and not x.operands:
        return _of_deltas(x, tail, target)
    return None


def _route(node: Expr, k: int) -> Route | None:
    """Runs of axes that hold the same entries before and after share the labels of the longer."""
    tail, target = node.params
    if not all(isinstance(s, int) and s for s in (*tail, *target)):
        return None
    runs = _runs(concrete(tail), concrete(target))
    sizes: list[int] = []
    before: list[Place] = []
    after: list[Place] = []
    for old, new in runs:
        finer, coarser = (old, new) if len(old) >= len(new) else (new, old)
        labels = tuple(range(len(sizes), len(sizes) + len(finer)))
        sizes += finer
        split = [Place((x,)) for x in labels]
        if len(coarser) == 1:
            merged = [Place(labels)]
        elif not coarser:  # axes of size 1 that come or go
            merged = []
        else:
            places = np.indices(coarser).reshape((len(coarser), *finer))
            merged = [Place(labels, int_array(p)) for p in places]
        before += split if finer is old else merged
        after += merged if finer is old else split
    return Route(tuple(sizes), tuple(after), tuple(before))


def _runs(
    tail: tuple[int, ...], target: tuple[int, ...]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The shortest runs of axes with equal numbers of entries."""
    runs: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    i = j = 0
    while i < len(tail) or j < len(target):
        a, b = min(i + 1, len(tail)), min(j + 1, len(target))
        while prod(tail[i:a]) != prod(target[j:b]):
            if prod(tail[i:a]) < prod(target[j:b]):
                a += 1
            else:
                b += 1
        runs.append((tail[i:a], target[j:b]))
        i, j = a, b
    return runs


def _enclosed(node: Expr, x: Interval) -> Interval:
    shape = concrete(node.shape)
    return Interval(x.lower.reshape(shape), x.upper.reshape(shape))


def _evaluate(node: Expr, x: Any) -> Any:
    raise NotImplementedError("the plan reshapes with the real sizes")


RESHAPE = register(
    Primitive(
        "reshape",
        1,
        _infer,
        _evaluate,
        Linear(
            lambda node, dx: apply(RESHAPE, dx, tail=node.params[0], target=node.params[1]),
            lambda node, ct: apply(RESHAPE, ct, tail=node.params[1], target=node.params[0]),
            lambda node: len(node.params[0]),
        ),
        Notation.function("reshape"),
        parameters=("tail", "target"),
        merged=_merged,
        unmerge=_unmerge,
        rewrite=_rewrite,
        source="vec isomorphism, lecture §1",
        route=_route,
        rule="vec isomorphism: the entries move, and their derivatives with them",
        dtype="same",
        enclosure=_enclosed,
    )
)
