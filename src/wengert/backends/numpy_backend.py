"""The reference back end: a plan run by NumPy, products by BLAS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from wengert.backends.numpy_programs import branch_step, item_step, loop_step
from wengert.plan.instructions import (
    Apply,
    Branch,
    Combine,
    Fill,
    Input,
    Instruction,
    Item,
    Labels,
    Loop,
    Pair,
    Plan,
    Reshape,
    Scale,
    Single,
    Term,
)

Step = Callable[[list[Any]], Any]
Program = Callable[[Mapping[str, Any]], tuple[Any, ...]]


def compile_plan(plan: Plan, dtype: Any) -> Program:
    """A function from named arrays to the plan's outputs.

    Parameters
    ----------
    plan : Plan
        What to run.
    dtype : numpy dtype
        Of constants (float64 or float32).
    """
    inputs = [(i.target, i.name) for i in plan.instructions if isinstance(i, Input)]
    steps = [(i.target, _STEPS[type(i)](i, dtype)) for i in plan.instructions
             if not isinstance(i, Input)]  # fmt: skip
    doomed = _last_reads(plan)
    schedule = [(target, step, doomed.get(target, ())) for target, step in steps]
    total, outputs = plan.slots, plan.outputs

    def run(values: Mapping[str, Any]) -> tuple[Any, ...]:
        slots: list[Any] = [None] * total
        for slot, name in inputs:
            slots[slot] = values[name]
        with np.errstate(all="ignore"):
            for target, step, finished in schedule:
                slots[target] = step(slots)
                for slot in finished:
                    slots[slot] = None
        return tuple(slots[o] for o in outputs)

    return run


def _last_reads(plan: Plan) -> dict[int, tuple[int, ...]]:
    """For each target, the slots that nobody reads after it was written."""
    seen = set(plan.outputs)
    doomed: dict[int, tuple[int, ...]] = {}
    for instruction in reversed(plan.instructions):
        fresh = tuple(s for s in dict.fromkeys(instruction.sources) if s not in seen)
        seen.update(fresh)
        doomed[instruction.target] = fresh
    return doomed


# ---------------------------------------------------------------- instructions


def _fill(i: Fill, dtype: Any) -> Step:
    value = dtype.type(i.value)
    if not i.shape:
        return lambda slots: value
    if len(set(i.out)) == len(i.out):
        return lambda slots: np.full(i.shape, value, dtype)

    def run(slots: list[Any]) -> Any:
        result = np.zeros(i.shape, dtype)
        diagonal_view(result, i.out)[...] = value
        return result

    return run


def diagonal_view(array: Any, labels: Labels) -> Any:
    """The entries whose indices agree on equal labels, one axis a distinct label (a view)."""
    strides: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for label, stride, size in zip(labels, array.strides, array.shape, strict=True):
        strides[label] = strides.get(label, 0) + stride
        sizes[label] = size
    return as_strided(array, tuple(sizes.values()), tuple(strides.values()), writeable=True)


def _single(i: Single, dtype: Any) -> Step:
    source, labels, out = i.source, i.labels, i.out
    if sorted(labels) == sorted(out):
        if labels == out[::-1]:
            return lambda slots: slots[source].T
        order = tuple(labels.index(x) for x in out)
        return lambda slots: slots[source].transpose(order)
    if len(set(labels)) == len(labels):
        left = tuple(x for x in labels if x in out)
        axes = tuple(k for k, x in enumerate(labels) if x not in out)
        order = tuple(left.index(x) for x in out)
        if order == tuple(range(len(order))):
            return lambda slots: slots[source].sum(axis=axes)
        return lambda slots: slots[source].sum(axis=axes).transpose(order)
    small = {x: k for k, x in enumerate(dict.fromkeys(labels))}  # einsum takes labels below 52
    inner, outer = [small[x] for x in labels], [small[x] for x in out]
    return lambda slots: np.einsum(slots[source], inner, outer)


def _pair(i: Pair, dtype: Any) -> Step:
    a, b = i.left, i.right
    left, right, out = i.left_labels, i.right_labels, i.out
    if not left or not right:
        order = tuple((left + right).index(x) for x in out)
        if order == tuple(range(len(order))):
            return lambda slots: slots[a] * slots[b]
        return lambda slots: (slots[a] * slots[b]).transpose(order)
    summed = [x for x in left if x in right and x not in out]
    if not summed:
        return _hadamard(a, b, left, right, out)
    small = len(left) <= 2 and len(right) <= 2 and len(summed) == 1
    if small and not set(left) & set(right) & set(out):
        return _product(a, b, left, right, out, summed[0])
    return _batched_product(a, b, left, right, out, tuple(summed))


def _product(a: int, b: int, left: Labels, right: Labels, out: Labels, summed: int) -> Step:
    """Vector and matrix products: ``np.dot`` on views."""
    turn_a = len(left) == 2 and left[0] == summed
    turn_b = len(right) == 2 and right[1] == summed
    swapped = tuple(x for x in (*left, *right) if x != summed) != out
    if swapped:
        a, b, turn_a, turn_b = b, a, not turn_b, not turn_a
        turn_a = turn_a and len(right) == 2
        turn_b = turn_b and len(left) == 2
    if turn_a and turn_b:
        return lambda slots: np.dot(slots[a].T, slots[b].T)
    if turn_a:
        return lambda slots: np.dot(slots[a].T, slots[b])
    if turn_b:
        return lambda slots: np.dot(slots[a], slots[b].T)
    return lambda slots: np.dot(slots[a], slots[b])


def _aligned(labels: Labels, out: Labels) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """Permutation and index that line an array up with ``out`` for broadcasting."""
    order = tuple(labels.index(x) for x in out if x in labels)
    index = tuple(slice(None) if x in labels else None for x in out)
    return order, index


def _hadamard(a: int, b: int, left: Labels, right: Labels, out: Labels) -> Step:
    if left == right == out:
        return lambda slots: slots[a] * slots[b]
    order_a, index_a = _aligned(left, out)
    order_b, index_b = _aligned(right, out)
    return lambda slots: slots[a].transpose(order_a)[index_a] * slots[b].transpose(order_b)[index_b]


def _batched_product(
    a: int, b: int, left: Labels, right: Labels, out: Labels, summed: Labels
) -> Step:
    batch = tuple(x for x in out if x in left and x in right)
    rows = tuple(x for x in out if x in left and x not in right)
    columns = tuple(x for x in out if x in right and x not in left)
    order_a = tuple(left.index(x) for x in (*batch, *rows, *summed))
    order_b = tuple(right.index(x) for x in (*batch, *summed, *columns))
    produced = (*batch, *rows, *columns)
    order = tuple(produced.index(x) for x in out)
    n, r, s = len(batch), len(rows), len(summed)

    def run(slots: list[Any]) -> Any:
        x: Any = slots[a].transpose(order_a)
        y: Any = slots[b].transpose(order_b)
        lead, inner = x.shape[:n], prod(x.shape[n + r :])
        high, wide = x.shape[n : n + r], y.shape[n + s :]
        flat: Any = np.matmul(
            x.reshape((*lead, prod(high), inner)), y.reshape((*lead, inner, prod(wide)))
        )
        return flat.reshape((*lead, *high, *wide)).transpose(order)

    return run


def _combine(i: Combine, dtype: Any) -> Step:
    plain = [t for t in i.terms if t.plain]
    patterned = [t for t in i.terms if not t.plain]
    shape = i.shape
    if not patterned:
        return _linear_combination(plain)
    spread = [t for t in patterned if len(set(t.out)) == len(t.out)]
    diagonal = [t for t in patterned if len(set(t.out)) < len(t.out)]
    base = _linear_combination(plain) if plain else None
    parts = [_broadcast(t) for t in spread]

    def run(slots: list[Any]) -> Any:
        total: Any = None if base is None else base(slots)
        for part in parts:
            total = part(slots) if total is None else total + part(slots)
        if not diagonal and total.shape == shape and total.dtype == dtype:
            return total
        result = np.zeros(shape, dtype) if total is None else np.empty(shape, dtype)
        if total is not None:
            result[...] = total
        for term in diagonal:
            _add_through_pattern(result, slots[term.source], term)
        return result

    return run


def _broadcast(term: Term) -> Step:
    """A term with axes of length 1 where its pattern is constant."""
    source, factor = term.source, term.factor
    order, index = _aligned(term.labels, term.out)
    if not order:
        return lambda slots: slots[source] * factor
    if factor == 1:
        return lambda slots: slots[source].transpose(order)[index]
    return lambda slots: slots[source].transpose(order)[index] * factor


def _add_through_pattern(result: Any, core: Any, term: Term) -> None:
    view = diagonal_view(result, term.out)
    order, index = _aligned(term.labels, tuple(dict.fromkeys(term.out)))
    if term.labels:
        core = core.transpose(order)[index]
    view += core if term.factor == 1 else term.factor * core


def _linear_combination(terms: list[Term]) -> Step:
    first, *rest = terms
    source, factor = first.source, first.factor
    if len(rest) == 1:
        other, weight = rest[0].source, rest[0].factor
        if factor == 1 and weight == 1:
            return lambda slots: slots[source] + slots[other]
        if factor == 1 and weight == -1:
            return lambda slots: slots[source] - slots[other]
        if factor == -1 and weight == 1:
            return lambda slots: slots[other] - slots[source]

    def run(slots: list[Any]) -> Any:
        total = slots[source] * factor if factor != 1 else slots[source]
        for t in rest:
            if t.factor == 1:
                total = total + slots[t.source]
            elif t.factor == -1:
                total = total - slots[t.source]
            else:
                total = total + t.factor * slots[t.source]
        return total

    return run


def _scale(i: Scale, dtype: Any) -> Step:
    source, factor = i.source, i.factor
    return lambda slots: factor * slots[source]


def _reshape(i: Reshape, dtype: Any) -> Step:
    source, shape = i.source, i.shape
    return lambda slots: np.reshape(slots[source], shape)


def _apply(i: Apply, dtype: Any) -> Step:
    node, operands = i.node, i.operands
    evaluate = node.primitive.evaluate
    if not operands:
        value = evaluate(node)
        if node.dtype == "real":
            value = dtype.type(value) if not node.shape else np.asarray(value, dtype)
        return lambda slots: value
    if node.dtype == "real" and all(o.dtype != "real" for o in node.operands):
        return lambda slots: np.asarray(evaluate(node, *(slots[o] for o in operands)), dtype)
    if len(operands) == 1:
        (only,) = operands
        return lambda slots: evaluate(node, slots[only])
    return lambda slots: evaluate(node, *(slots[o] for o in operands))


def _step_of(i: Instruction, dtype: Any) -> Step:
    return _STEPS[type(i)](i, dtype)


_STEPS: dict[type[Instruction], Callable[[Any, Any], Step]] = {
    Fill: _fill,
    Single: _single,
    Pair: _pair,
    Combine: _combine,
    Scale: _scale,
    Reshape: _reshape,
    Apply: _apply,
    Item: lambda i, dtype: item_step(i),
    Loop: lambda i, dtype: loop_step(i, dtype, _step_of),
    Branch: lambda i, dtype: branch_step(i, dtype, _step_of),
}
