"""Each kind of instruction as calls of NumPy, products by BLAS.

A step takes the slots and gives the value. Where the value can be written into an array that is
there already, a writer does so by the same operations in the same order, so that both give the
same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from wengert.backends.numpy_programs import Step, branch_step, item_step, loop_step
from wengert.backends.numpy_sums import Slots, combine_step, combine_writer
from wengert.backends.numpy_views import diagonal_view, reader
from wengert.operations.short_axes import is_short, sums_along
from wengert.plan.instructions import (
    Apply,
    Branch,
    Combine,
    Fill,
    Instruction,
    Item,
    Loop,
    Pair,
    Prepare,
    Reshape,
    Scale,
    Single,
)


@dataclass(frozen=True)
class Writer:
    """``write(slots, out, scratch)`` gives the value, in an array of the same bits.

    Attributes
    ----------
    write : callable
        The step.
    shape : tuple of int or None
        Of ``out``, C-contiguous; None if it must have the strides that the step gives by itself.
    over : tuple of int
        The sources that may be ``out`` itself.
    scratch : bool
        Is a second array like ``out`` needed?
    """

    write: Callable[[Slots, Any, Any], Any]
    shape: tuple[int, ...] | None = None
    over: tuple[int, ...] = ()
    scratch: bool = False


def step_of(i: Instruction, dtype: Any) -> Step:
    """What runs an instruction; ``dtype`` is that of real constants."""
    return _STEPS[type(i)](i, dtype)


def writer_of(i: Instruction) -> Writer | None:
    """What runs an instruction into an array, if there is such a way."""
    make = _WRITERS.get(type(i))
    return None if make is None else make(i)


# ---------------------------------------------------------------- one array


def _fill(i: Fill, dtype: Any) -> Step:
    value = dtype.type(i.value)
    if not i.shape:
        return lambda slots: value
    if len(set(i.out)) == len(i.out):
        return lambda slots: np.full(i.shape, value, dtype)

    def run(slots: Slots) -> Any:
        result = np.zeros(i.shape, dtype)
        diagonal_view(result, i.out)[...] = value
        return result

    return run


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
        plain = order == tuple(range(len(order)))
        if axes == (len(labels) - 1,):
            if plain:
                return lambda slots: sums_along(slots[source])
            return lambda slots: sums_along(slots[source]).transpose(order)
        if plain:
            return lambda slots: slots[source].sum(axis=axes)
        return lambda slots: slots[source].sum(axis=axes).transpose(order)
    small = {x: k for k, x in enumerate(dict.fromkeys(labels))}  # einsum takes labels below 52
    inner, outer = [small[x] for x in labels], [small[x] for x in out]
    return lambda slots: np.einsum(slots[source], inner, outer)


def _scale(i: Scale, dtype: Any) -> Step:
    source, factor = i.source, i.factor
    return lambda slots: factor * slots[source]


def _scale_writer(i: Scale) -> Writer:
    source, factor = i.source, i.factor
    return Writer(
        lambda slots, out, scratch: np.multiply(factor, slots[source], out=out), over=(source,)
    )


def _reshape(i: Reshape, dtype: Any) -> Step:
    source, shape = i.source, i.shape
    return lambda slots: np.reshape(slots[source], shape)


# ---------------------------------------------------------------- products of two


def _is_hadamard(i: Pair) -> bool:
    return bool(i.left_labels and i.right_labels) and not _summed(i)


def _summed(i: Pair) -> tuple[int, ...]:
    return tuple(x for x in i.left_labels if x in i.right_labels and x not in i.out)


def _pair(i: Pair, dtype: Any) -> Step:
    a, b = i.left, i.right
    left, right, out = i.left_labels, i.right_labels, i.out
    if not left or not right:
        order = tuple((left + right).index(x) for x in out)
        if order == tuple(range(len(order))):
            return lambda slots: slots[a] * slots[b]
        return lambda slots: (slots[a] * slots[b]).transpose(order)
    if _is_hadamard(i):
        if left == right == out:
            return lambda slots: slots[a] * slots[b]
        read_a, read_b = reader(a, left, out), reader(b, right, out)
        return lambda slots: read_a(slots) * read_b(slots)
    if is_product(i):
        x, turn_x, y, turn_y = factors(i)
        if _halves(i):
            return lambda slots: symmetric_product(
                slots[x].T if turn_x else slots[x], slots[y].T if turn_y else slots[y], None
            )
        return _dot(x, turn_x, y, turn_y)
    if left == right and set(out) < set(left):
        return _inner_products(i)
    multiply = _Batched(i)
    return lambda slots: multiply(slots[a], slots[b], None)


def _pair_writer(i: Pair) -> Writer | None:
    a, b = i.left, i.right
    left, right, out = i.left_labels, i.right_labels, i.out
    if not left or not right:
        if left + right != out:
            return None
        return Writer(
            lambda slots, out, scratch: np.multiply(slots[a], slots[b], out=out),
            over=(a,) if left else (b,),
        )
    if _is_hadamard(i):
        read_a, read_b = reader(a, left, out), reader(b, right, out)

        def write(slots: Slots, out: Any, scratch: Any) -> Any:
            return np.multiply(read_a(slots), read_b(slots), out=out)

        return Writer(write, over=tuple(
            s for s, labels in ((a, left), (b, right)) if labels == out
        ))  # fmt: skip
    if is_product(i):
        return _dot_writer(i)
    if left == right and set(out) < set(left):
        return None
    multiply = _Batched(i)
    return Writer(lambda slots, out, scratch: multiply(slots[a], slots[b], out), multiply.shape(i))


def is_product(i: Pair) -> bool:
    """A product of vectors and matrices with one summed index: what BLAS does in one call."""
    left, right = i.left_labels, i.right_labels
    small = len(left) <= 2 and len(right) <= 2 and len(_summed(i)) == 1
    return small and not set(left) & set(right) & set(i.out)


def factors(i: Pair) -> tuple[int, bool, int, bool]:
    """The factors in the order of the product, and whether each is transposed."""
    a, b, left, right = i.left, i.right, i.left_labels, i.right_labels
    (summed,) = _summed(i)
    turn_a = len(left) == 2 and left[0] == summed
    turn_b = len(right) == 2 and right[1] == summed
    if tuple(x for x in (*left, *right) if x != summed) == i.out:
        return a, turn_a, b, turn_b
    return b, not turn_b and len(right) == 2, a, not turn_a and len(left) == 2


def _dot(a: int, turn_a: bool, b: int, turn_b: bool) -> Step:
    if turn_a and turn_b:
        return lambda slots: np.dot(slots[a].T, slots[b].T)
    if turn_a:
        return lambda slots: np.dot(slots[a].T, slots[b])
    if turn_b:
        return lambda slots: np.dot(slots[a], slots[b].T)
    return lambda slots: np.dot(slots[a], slots[b])


def _dot_writer(i: Pair) -> Writer:
    a, turn_a, b, turn_b = factors(i)
    if _halves(i):
        return Writer(
            lambda slots, out, scratch: symmetric_product(
                slots[a].T if turn_a else slots[a], slots[b].T if turn_b else slots[b], out
            ),
            i.shape,
        )

    def write(slots: Slots, out: Any, scratch: Any) -> Any:
        x, y = slots[a], slots[b]
        return np.dot(x.T if turn_a else x, y.T if turn_b else y, out)

    return Writer(write, i.shape)


_HALVED = 128  # rows from which on half of a symmetric product is cheaper than all of it
_STRIPS = 8  # that the half is computed in


def _halves(i: Pair) -> bool:
    return i.symmetric and len(i.shape) == 2 and i.shape[0] >= _HALVED


def symmetric_product(x: Any, y: Any, out: Any) -> Any:
    """The product of two matrices that is known to be symmetric, from its lower half."""
    n = x.shape[0]
    total = np.empty((n, n), np.result_type(x, y)) if out is None else out
    step = -(-n // _STRIPS)
    for start in range(0, n, step):
        stop = min(start + step, n)
        np.matmul(x[start:], y[:, start:stop], out=total[start:, start:stop])
        total[start:stop, stop:] = total[stop:, start:stop].T
    return total


def _inner_products(i: Pair) -> Step:
    """Σ a ⊙ b over some axes of two arrays with the same ones."""
    a, b, labels, out = i.left, i.right, i.left_labels, i.out
    small = {x: k for k, x in enumerate(labels)}
    inner, outer = [small[x] for x in labels], [small[x] for x in out]
    if labels[-1] in out:
        return lambda slots: np.einsum(slots[a], inner, slots[b], inner, outer)
    if out == labels[:-1] and is_short((*i.shape, i.volume // max(prod(i.shape), 1))):
        return lambda slots: sums_along(slots[a] * slots[b])
    multiply = _Batched(i)
    return lambda slots: multiply(slots[a], slots[b], None)


class _Batched:
    """The product of two arrays over any summed axes, with any shared ones, as one matmul."""

    def __init__(self, i: Pair) -> None:
        left, right, out, summed = i.left_labels, i.right_labels, i.out, _summed(i)
        batch = tuple(x for x in out if x in left and x in right)
        rows = tuple(x for x in out if x in left and x not in right)
        columns = tuple(x for x in out if x in right and x not in left)
        self.order_a = tuple(left.index(x) for x in (*batch, *rows, *summed))
        self.order_b = tuple(right.index(x) for x in (*batch, *summed, *columns))
        produced = (*batch, *rows, *columns)
        self.order = tuple(produced.index(x) for x in out)
        self.inverse = tuple(out.index(x) for x in produced)
        self.lead, self.rows, self.summed = len(batch), len(rows), len(summed)

    def shape(self, i: Pair) -> tuple[int, ...]:
        """Of the product before its axes are put in order."""
        return tuple(i.shape[k] for k in self.inverse)

    def __call__(self, a: Any, b: Any, out: Any) -> Any:
        x, y = a.transpose(self.order_a), b.transpose(self.order_b)
        n, r, s = self.lead, self.rows, self.summed
        lead, inner = x.shape[:n], prod(x.shape[n + r :])
        high, wide = x.shape[n : n + r], y.shape[n + s :]
        flat: Any = np.matmul(
            x.reshape((*lead, prod(high), inner)),
            y.reshape((*lead, inner, prod(wide))),
            out=None if out is None else out.reshape((*lead, prod(high), prod(wide))),
        )
        return flat.reshape((*lead, *high, *wide)).transpose(self.order)


# ---------------------------------------------------------------- operations


def _prepare(i: Prepare, dtype: Any) -> Step:
    source, work, params = i.source, i.work, i.params
    return lambda slots: work(slots[source], *params)


def _apply(i: Apply, dtype: Any) -> Step:
    node, operands, prepared = i.node, i.operands, i.prepared
    if prepared is not None and i.evaluate is not None:
        finish = i.evaluate
        return lambda slots: finish(node, slots[prepared], None, *(slots[o] for o in operands))
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


def _apply_writer(i: Apply) -> Writer | None:
    node, operands, prepared = i.node, i.operands, i.prepared
    if prepared is not None and i.evaluate is not None:
        finish = i.evaluate
        return Writer(
            lambda slots, out, scratch: finish(
                node, slots[prepared], out, *(slots[o] for o in operands)
            )
        )
    into = node.primitive.into
    if into is None or not operands or any(o.dtype != "real" for o in (node, *node.operands)):
        return None
    over = operands if node.primitive.elementwise else ()
    return Writer(
        lambda slots, out, scratch: into(node, out, *(slots[o] for o in operands)), over=over
    )


_STEPS: dict[type[Instruction], Callable[[Any, Any], Step]] = {
    Fill: _fill,
    Single: _single,
    Pair: _pair,
    Combine: combine_step,
    Scale: _scale,
    Reshape: _reshape,
    Prepare: _prepare,
    Apply: _apply,
    Item: lambda i, dtype: item_step(i),
    Loop: lambda i, dtype: loop_step(i, dtype, step_of),
    Branch: lambda i, dtype: branch_step(i, dtype, step_of),
}
_WRITERS: dict[type[Instruction], Callable[[Any], Writer | None]] = {
    Pair: _pair_writer,
    Combine: lambda i: Writer(combine_writer(i)[0], None, *combine_writer(i)[1:]),
    Scale: _scale_writer,
    Apply: _apply_writer,
}
