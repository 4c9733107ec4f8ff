"""Running sums along the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.expr import Expr, Params
from wengert.operations.algebra import contract
from wengert.operations.apply import apply
from wengert.operations.enclosing import added_up
from wengert.operations.structure import contraction_params, is_contraction, is_zero, zeros
from wengert.operations.trailing import float_out, move_axis
from wengert.operations.written_lines import cumulative_sum
from wengert.primitive import Linear, Notation, Primitive, Sample, register
from wengert.shapes import Shape, format_shape


def cumsum(x: Expr, axis: int = -1, *, reverse: bool = False) -> Expr:
    """Running sums along an axis; from its end if ``reverse``.

    Raises
    ------
    ShapeError
        For an axis that the array does not have.
    """
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(
            f"there is no axis {axis} to sum along in an array of shape {format_shape(x.shape)}"
        )
    return move_axis(apply(CUMSUM, move_axis(x, axis, -1), reverse=reverse), -1, axis)


def _kept(operands: tuple[Expr, ...], params: Params) -> Shape:
    if not operands[0].ndim:
        raise ShapeError("a scalar has no axis to sum along")
    return operands[0].shape


def _evaluate(node: Expr, x: Any) -> Any:
    if node.params[0]:
        return np.cumsum(x[..., ::-1], axis=-1)[..., ::-1]
    return np.cumsum(x, axis=-1)


def _rewrite(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    x, (reverse,) = operands[0], params
    if x.shape[-1] == 1:
        return x
    if is_zero(x):
        return zeros(x.shape)
    if reverse and is_contraction(x) and not x.operands:
        _, out, coefficient = contraction_params(x)
        if coefficient == 1 and len(out) == 2 and out[0] == out[1]:
            # Σ_{j ≥ i} δ is the transpose of Σ_{j ≤ i} δ: one form for both.
            return contract([apply(CUMSUM, x, reverse=False)], [(0, 1)], (1, 0))
    return float_out(x, 1, lambda t: apply(CUMSUM, t, reverse=reverse))


def _notation(node: Expr) -> Notation:
    reverse = node.params[0]
    name = "cumsum({0}, reverse)" if reverse else "cumsum({0})"
    head = r"\operatorname{{cumsum}}" + (r"_{{\leftarrow}}" if reverse else "")
    code = "np.cumsum({0}, axis=-1)"
    if reverse:
        code = "np.cumsum({0:a}[..., ::-1], axis=-1)[..., ::-1]"
    return Notation(name, name, rf"{head}\left({{0}}\right)", code)


CUMSUM = register(
    Primitive(
        "cumsum",
        1,
        _kept,
        _evaluate,
        Linear(
            lambda node, dx: apply(CUMSUM, dx, reverse=node.params[0]),
            lambda node, ct: apply(CUMSUM, ct, reverse=not node.params[0]),
            lambda node: 1,
        ),
        _notation,
        by_arrays=cumulative_sum,
        parameters=("reverse",),
        rewrite=_rewrite,
        samples=(
            Sample(((3,),), (False,)),
            Sample(((3,),), (True,)),
            Sample(((2, 2),), (False,)),
            Sample(((0,),), (True,)),
            Sample(((1,),), (False,)),
        ),
        source="y_i = Σ_{j ≤ i} x_j: a linear map, whose transpose sums from the other end",
        rule="cumulative sum: the derivatives are summed as the entries are",
        enclosure=added_up,
    )
)
