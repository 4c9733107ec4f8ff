"""Expressions by their everyday names: products, transposes, traces, means, outer products.

All of them are contractions and sums (:mod:`wengert.operations.algebra`); nothing here is a new
operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from wengert.errors import ShapeError
from wengert.expr import Expr
from wengert.operations.algebra import (
    add,
    contract,
    power,
    scale,
    size_scalar,
)
from wengert.operations.structure import (
    constant_like,
    ones,
)
from wengert.shapes import Shape, Size, format_shape, total_size


def constant(value: Fraction | int) -> Expr:
    """A rational scalar."""
    return constant_like(value, ())


def sub(x: Expr, y: Expr) -> Expr:
    """x − y."""
    return add([x, y], [1, -1])


def neg(x: Expr) -> Expr:
    """−x."""
    return scale(-1, x)


def mul(*factors: Expr) -> Expr:
    """The elementwise product; scalars scale."""
    array = next((f for f in factors if f.ndim), factors[0])
    axes = tuple(range(array.ndim))
    labels = [axes if f.ndim else () for f in factors]
    return contract(factors, labels, axes, sizes=dict(enumerate(array.shape)))


def divide(x: Expr, y: Expr) -> Expr:
    """The elementwise quotient; scalars allowed on either side."""
    return mul(x, power(y, -1))


def broadcast(x: Expr, shape: Shape) -> Expr:
    """An array with extra leading axes on which it does not depend."""
    out = tuple(range(len(shape)))
    labels = out[len(shape) - x.ndim :]
    return contract([x], [labels], out, sizes=dict(enumerate(shape)))


def plus(x: Expr, y: Expr) -> Expr:
    """The sum; a scalar is added to every entry."""
    if x.ndim < y.ndim:
        x = broadcast(x, y.shape)
    elif y.ndim < x.ndim:
        y = broadcast(y, x.shape)
    return add([x, y])


def matmul(a: Expr, b: Expr) -> Expr:
    """The matrix product of vectors and matrices (``np.matmul`` on ranks 1 and 2)."""
    left = (0,) if a.ndim == 1 else (1, 0)
    right = (0,) if b.ndim == 1 else (0, 2)
    if a.shape[-1] != b.shape[0]:
        raise ShapeError(f"cannot multiply {format_shape(a.shape)} and {format_shape(b.shape)}")
    return contract([a, b], [left, right], (*left[:-1], *right[1:]))


def outer(u: Expr, v: Expr) -> Expr:
    """The outer product, of any ranks."""
    left = tuple(range(u.ndim))
    right = tuple(range(u.ndim, u.ndim + v.ndim))
    return contract([u, v], [left, right], left + right)


def trace(matrix: Expr) -> Expr:
    """The sum of the diagonal."""
    return contract([matrix], [(0, 0)], ())


def diagonal(matrix: Expr) -> Expr:
    """The diagonal of a matrix as a vector."""
    return contract([matrix], [(0, 0)], (0,))


def diag(vector: Expr) -> Expr:
    """The diagonal matrix of a vector."""
    return contract([vector], [(0,)], (0, 0))


def identity(size: Size) -> Expr:
    """The identity matrix."""
    return contract([], [], (0, 0), sizes={0: size})


def sum_(x: Expr, axes: Sequence[int] | int | None = None) -> Expr:
    """The sum over axes (all of them by default)."""
    dropped = normalize_axes(x, axes)
    labels = tuple(range(x.ndim))
    return contract([x], [labels], tuple(k for k in labels if k not in dropped))


def mean(x: Expr, axes: Sequence[int] | int | None = None) -> Expr:
    """The mean over axes (all of them by default)."""
    dropped = normalize_axes(x, axes)
    number = total_size(tuple(x.shape[k] for k in dropped))
    return mul(sum_(x, axes), power(size_scalar(number), -1))


def normalize_axes(x: Expr, axes: Sequence[int] | int | None) -> tuple[int, ...]:
    """Axes as non-negative integers.

    Raises
    ------
    ShapeError
        For an axis that the array does not have.
    """
    if axes is None:
        return tuple(range(x.ndim))
    listed = (axes,) if isinstance(axes, int) else tuple(axes)
    for axis in listed:
        if not -x.ndim <= axis < x.ndim:
            raise ShapeError(
                f"there is no axis {axis} in an array of shape {format_shape(x.shape)}; "
                f"its axes are 0 to {x.ndim - 1}"
            )
    return tuple(axis % x.ndim for axis in listed)


def einsum(subscripts: str, *operands: Expr) -> Expr:
    """Einstein summation as ``np.einsum`` writes it (explicit output, no ellipsis)."""
    inputs, _, out = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise ShapeError(f"{subscripts!r} names {len(terms)} operands; {len(operands)} are given")
    for term, operand in zip(terms, operands, strict=True):
        if len(term) != operand.ndim:
            raise ShapeError(
                f"{term!r} in {subscripts!r} has {len(term)} indices; its operand has shape "
                f"{format_shape(operand.shape)}"
            )
    return contract(operands, [[ord(c) for c in t] for t in terms], [ord(c) for c in out])


def matrix_product(*factors: Expr) -> Expr:
    """The product of matrices over their two trailing axes, with shared leading batch axes."""
    batch = factors[0].ndim - 2
    lead = tuple(range(batch))
    labels = [(*lead, batch + k, batch + k + 1) for k in range(len(factors))]
    return contract(factors, labels, (*lead, batch, batch + len(factors)))


def matpow(matrix: Expr, exponent: int) -> Expr:
    """An integer power of a square matrix, by repeated squaring; negative ones are refused here."""
    if exponent == 0:
        return identity(matrix.shape[0])
    half = matpow(matrix, exponent // 2) if exponent > 1 else None
    if half is None:
        return matrix
    square = matrix_product(half, half)
    return matrix_product(square, matrix) if exponent % 2 else square


def ones_like(x: Expr) -> Expr:
    """Ones in the shape of x."""
    return ones(x.shape)
