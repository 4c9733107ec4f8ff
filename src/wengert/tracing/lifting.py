"""Arrays of all kinds as expressions of one trace: constants, dtypes, broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Number
from typing import Any

import numpy as np

from wengert.errors import ShapeError, UnsupportedFunctionError
from wengert.expr import Expr
from wengert.operations import (
    as_int,
    as_real,
    contract,
    int_array,
)
from wengert.operations import (
    broadcast_to as broadcast_any,
)
from wengert.tracing.array import TracedArray
from wengert.tracing.numbers import plain_number
from wengert.tracing.trace import Trace, current_trace, kind_of, where


def trace_of(*values: Any) -> Trace:
    """The innermost trace among traced arrays."""
    found: Trace | None = None
    for v in values:
        if isinstance(v, TracedArray):
            v.run.check_open()
            if found is None or v.run.level > found.level:
                found = v.run
    trace = found if found is not None else current_trace()
    assert trace is not None
    return trace


def lift(trace: Trace, value: Any, kind: str | None = None) -> Expr:
    """The expression of a traced array, an array or a number.

    Parameters
    ----------
    trace : Trace
        Where arrays from outside become constants.
    value : TracedArray or array_like
        Nested lists and object arrays of traced arrays are stacked.
    kind : str, optional
        "real", "int" or "bool"; by default the value's own.
    """
    if not isinstance(value, TracedArray):
        value = stacked(value)
    if isinstance(value, TracedArray):
        value.run.check_open()
        return converted(value.expr, kind or value.expr.dtype)
    if isinstance(value, Number) and not isinstance(value, np.generic):
        return _number(trace, value, kind)
    refuse_subclass(value)
    array = np.asarray(value)
    own = kind_of(array.dtype)
    if own is None:
        raise UnsupportedFunctionError(
            f"{where()}: arrays of dtype {array.dtype} are not supported; wengert computes with "
            "real numbers (float64 or float32), integers and booleans"
        )
    if kind == "real" and own != "real":
        if array.ndim == 0:
            return _number(trace, array.item(), kind)
        return trace.constant(value, "real")
    return converted(trace.constant(value, own), kind or own)


def refuse_subclass(value: Any, what: str = "") -> None:
    """An error for arrays that compute in other ways than NumPy's own.

    Raises
    ------
    UnsupportedFunctionError
        For masked arrays, whose mask would be lost, and matrices, whose product is another.
    """
    if type(value) is np.ndarray or not isinstance(value, np.ma.MaskedArray | np.matrix):
        return
    masked = isinstance(value, np.ma.MaskedArray)
    remedy = "np.where(mask, 0.0, x.data), or x.filled(value)" if masked else "np.asarray(x), and @"
    raise UnsupportedFunctionError(
        f"{where()}: {what}{': ' if what else ''}{'masked arrays' if masked else 'np.matrix'} "
        f"are not supported; use {remedy}"
    )


def _number(trace: Trace, value: Any, kind: str | None) -> Expr:
    if isinstance(value, complex):
        raise UnsupportedFunctionError(
            f"{where()}: complex numbers are not supported; use real and imaginary parts apart"
        )
    own = "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "real"
    if kind != "real" and own != "real":
        return int_array(np.asarray(value))
    plain = plain_number(value)
    return trace.constant(float(value), "real") if plain is None else plain


def converted(expr: Expr, kind: str) -> Expr:
    """The expression in a wider dtype: masks as integers, both as real numbers."""
    if kind == "real":
        return as_real(expr)
    return as_int(expr) if kind == "int" and expr.dtype == "bool" else expr


def stacked(value: Any) -> Any:
    """Nested sequences and object arrays that hold traced arrays, as one traced array."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        flat: list[Any] = list(value.ravel())
        if any(isinstance(v, TracedArray) for v in flat):
            return np.stack(flat).reshape(value.shape)  # pyright: ignore[reportUnknownVariableType]
        if flat and all(isinstance(v, float | int | np.number) for v in flat):
            return np.array(flat).reshape(value.shape)  # NumPy chose among traced and plain numbers
    elif isinstance(value, list | tuple) and holds_traced(value):
        return np.stack([_part(v) for v in value])  # pyright: ignore
    return value


def _part(value: Any) -> Any:
    value = stacked(value)
    return value if isinstance(value, TracedArray) else np.asarray(value)


def holds_traced(value: Any) -> bool:
    """Is a traced array in this, or in its nested lists?"""
    if isinstance(value, list | tuple):
        return any(map(holds_traced, value))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return any(isinstance(v, TracedArray) for v in value.ravel())
    return isinstance(value, TracedArray)


# ---------------------------------------------------------------- broadcasting


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """NumPy's broadcasting.

    Raises
    ------
    ShapeError
        Naming the shapes and the line.
    """
    if all(s == shapes[0] for s in shapes):
        return shapes[0] if shapes else ()
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(str(s) for s in shapes)
        raise ShapeError(f"{where()}: shapes {listed} cannot be broadcast together") from None


def labels_in(
    shape: tuple[int, ...], target: tuple[int, ...], fresh: int
) -> tuple[tuple[int, ...], int]:
    """Labels of an operand in a broadcast result labelled 0, 1, ...: stretched axes are summed."""
    lead = len(target) - len(shape)
    labels: list[int] = []
    for k, size in enumerate(shape):
        if size == target[lead + k]:
            labels.append(lead + k)
        else:
            labels.append(fresh)
            fresh += 1
    return tuple(labels), fresh


def broadcast_to(x: Expr, target: tuple[int, ...]) -> Expr:
    """An expression spread over a shape that it broadcasts to."""
    return x if x.shape == target else broadcast_any(x, target)


def product(factors: Sequence[Expr], target: tuple[int, ...] | None = None) -> Expr:
    """The entrywise product under broadcasting."""
    shapes: list[Any] = [f.shape for f in factors]
    shape = broadcast_shapes(*shapes) if target is None else target
    fresh = len(shape)
    labels: list[tuple[int, ...]] = []
    for own in shapes:
        axes, fresh = labels_in(own, shape, fresh)
        labels.append(axes)
    return contract(factors, labels, range(len(shape)), sizes=dict(enumerate(shape)))


def spread(*operands: Expr) -> list[Expr]:
    """The operands, all of their common shape."""
    shapes: list[Any] = [o.shape for o in operands]
    shape = broadcast_shapes(*shapes)
    return [broadcast_to(o, shape) for o in operands]
