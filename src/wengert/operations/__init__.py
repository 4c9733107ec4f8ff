"""The operations, each declared in one place, and the functions that build expressions.

``algebra`` has the contraction and the sum, which everything else is made of; the other modules
hold declarations only; ``build`` gives the everyday products their names.
"""

from __future__ import annotations

from wengert.expr import Expr
from wengert.operations.algebra import (
    add,
    contract,
    power,
    scale,
    size_scalar,
    transpose,
    variable,
)
from wengert.operations.apply import apply, elementwise
from wengert.operations.build import (
    broadcast,
    constant,
    diag,
    diagonal,
    divide,
    einsum,
    identity,
    matmul,
    mean,
    mul,
    neg,
    normalize_axes,
    outer,
    plus,
    sub,
    sum_,
    trace,
)
from wengert.operations.build import (
    matpow as _positive_matpow,
)
from wengert.operations.constants import pi
from wengert.operations.linalg import ADJ, DET, INV, LOGDET, PINV
from wengert.operations.reductions import (
    LOGSUMEXP,
    MAX,
    MAXMASK,
    MIN,
    MINMASK,
    NORM1,
    NORM2,
    PROD,
    PRODEXCEPT,
    SOFTMAX,
)
from wengert.operations.reshaping import kron, reshape, vec
from wengert.operations.scalar_functions import ABS, power_general
from wengert.operations.structure import (
    leaf_of,
    ones,
    zeros,
)
from wengert.primitive import Primitive
from wengert.shapes import total_size

size = size_scalar


def _to_end(x: Expr, axis: int | None) -> tuple[Expr, int, tuple[int, ...]]:
    """The array with one axis last, how many axes to reduce, and the order to undo."""
    if axis is None:
        return x, x.ndim, tuple(range(x.ndim))
    (axis,) = normalize_axes(x, axis)
    order = (*(k for k in range(x.ndim) if k != axis), axis)
    return contract([x], [tuple(range(x.ndim))], order), 1, order


def _reduce(primitive: Primitive, x: Expr, axis: int | None) -> Expr:
    if x.ndim == 0:
        x = reshape(x, (1,))
    moved, rank, _ = _to_end(x, axis)
    return apply(primitive, moved, rank=rank)


def max_(x: Expr, axis: int | None = None) -> Expr:
    """The largest entry, over all or along one axis; ties share the derivative equally."""
    return _reduce(MAX, x, axis)


def min_(x: Expr, axis: int | None = None) -> Expr:
    """The smallest entry, over all or along one axis; ties share the derivative equally."""
    return _reduce(MIN, x, axis)


def maxmask(x: Expr, axis: int | None = None) -> Expr:
    """One where the maximum is taken, shared equally at ties: its derivative."""
    return _shaped(MAXMASK, x, axis)


def minmask(x: Expr, axis: int | None = None) -> Expr:
    """One where the minimum is taken, shared equally at ties: its derivative."""
    return _shaped(MINMASK, x, axis)


def _shaped(primitive: Primitive, x: Expr, axis: int | None) -> Expr:
    moved, rank, order = _to_end(x, axis)
    return contract([apply(primitive, moved, rank=rank)], [order], tuple(range(x.ndim)))


def logsumexp(x: Expr, axis: int | None = None) -> Expr:
    """log Σ exp, over all or along one axis."""
    return _reduce(LOGSUMEXP, x, axis)


def norm2(x: Expr, axis: int | None = None) -> Expr:
    """The Euclidean (Frobenius) norm of all entries, or along one axis."""
    return _reduce(NORM2, x, axis)


def norm1(x: Expr, axis: int | None = None) -> Expr:
    """The sum of absolute values."""
    return _reduce(NORM1, x, axis)


def norminf(x: Expr, axis: int | None = None) -> Expr:
    """The largest absolute value."""
    return max_(apply(ABS, x), axis)


def softmax(x: Expr, axis: int | None = None) -> Expr:
    """exp(x) / Σ exp(x), over all entries or along one axis."""
    return _shaped(SOFTMAX, x, axis)


def prod(x: Expr, axis: int | None = None) -> Expr:
    """The product of all entries, or along one axis."""
    if axis is None:
        return apply(PROD, x if x.ndim == 1 else reshape(x, (total_size(x.shape),)))
    return apply(PROD, _to_end(x, axis)[0])


def prodexcept(x: Expr, order: int = 1) -> Expr:
    """For each index (or ``order`` distinct indices) of a vector, the product of the others."""
    return apply(PRODEXCEPT, x, order=order)


def inv(matrix: Expr) -> Expr:
    """The inverse of a square matrix."""
    return apply(INV, matrix)


def pinv(matrix: Expr) -> Expr:
    """The Moore-Penrose pseudo-inverse."""
    return apply(PINV, matrix)


def adj(matrix: Expr) -> Expr:
    """The adjugate of a square matrix."""
    return apply(ADJ, matrix)


def det(matrix: Expr) -> Expr:
    """The determinant of a square matrix."""
    return apply(DET, matrix)


def logdet(matrix: Expr) -> Expr:
    """The logarithm of the determinant of a square matrix."""
    return apply(LOGDET, matrix)


def matpow(matrix: Expr, exponent: int) -> Expr:
    """An integer power of a square matrix."""
    base = inv(matrix) if exponent < 0 else matrix
    return _positive_matpow(base, abs(exponent))


__all__ = [
    "add",
    "adj",
    "apply",
    "broadcast",
    "constant",
    "contract",
    "det",
    "diag",
    "diagonal",
    "divide",
    "einsum",
    "elementwise",
    "identity",
    "inv",
    "kron",
    "leaf_of",
    "logdet",
    "logsumexp",
    "matmul",
    "matpow",
    "max_",
    "maxmask",
    "mean",
    "min_",
    "minmask",
    "mul",
    "neg",
    "norm1",
    "norm2",
    "norminf",
    "ones",
    "outer",
    "pi",
    "pinv",
    "plus",
    "power",
    "power_general",
    "prod",
    "prodexcept",
    "reshape",
    "scale",
    "size",
    "softmax",
    "sub",
    "sum_",
    "trace",
    "transpose",
    "variable",
    "vec",
    "zeros",
]
