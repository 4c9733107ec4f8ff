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
from wengert.operations.binary_functions import power_general
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
from wengert.operations.calling import CALL
from wengert.operations.composed import clip, nan_to_num, operation_of
from wengert.operations.constants import pi
from wengert.operations.cumulative import cumsum
from wengert.operations.discrete import arange, as_int, as_real, int_array
from wengert.operations.eigenvalues import eig, eigvals
from wengert.operations.factorisations import cholesky, eigh, eigvalsh, qr
from wengert.operations.gamma_functions import multigammaln, polygamma, zeta
from wengert.operations.gathering import broadcast_shape, take
from wengert.operations.gathering_along import take_along
from wengert.operations.indexing import embed, slice_
from wengert.operations.joining import concatenate, stack
from wengert.operations.linalg import ADJ, DET, INV, LOGABSDET, LOGDET, PINV, SIGNDET
from wengert.operations.matrix_functions import expm, logm, matrix_power, sqrtm
from wengert.operations.matrix_parts import block_diag, tril, triu
from wengert.operations.norms import matrix_norm, vector_norm
from wengert.operations.products import PROD, PRODEXCEPT
from wengert.operations.reductions import MAX, MAXMASK, MIN, MINMASK, NORM1, NORM2
from wengert.operations.reshaping import kron, reshape, vec
from wengert.operations.scalar_functions import ABS
from wengert.operations.selection import (
    argmax,
    argmin,
    argsort,
    broadcast_to,
    keep,
    sort,
    where,
)
from wengert.operations.singular_values import svd, svdvals
from wengert.operations.softmax import LOGSUMEXP, SOFTMAX
from wengert.operations.solving import lstsq, solve
from wengert.operations.special_functions import expn, lambertw
from wengert.operations.structure import (
    leaf_of,
    ones,
    zeros,
)
from wengert.operations.sylvester import solve_sylvester
from wengert.operations.trailing import move_axis, rearrange
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


def slogdet(matrix: Expr) -> tuple[Expr, Expr]:
    """The sign of the determinant of a square matrix, and the logarithm of its absolute value."""
    return apply(SIGNDET, matrix), apply(LOGABSDET, matrix)


def matpow(matrix: Expr, exponent: int) -> Expr:
    """An integer power of a square matrix."""
    base = inv(matrix) if exponent < 0 else matrix
    return _positive_matpow(base, abs(exponent))


__all__ = [
    "CALL",
    "add",
    "adj",
    "apply",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "as_int",
    "as_real",
    "block_diag",
    "broadcast",
    "broadcast_shape",
    "broadcast_to",
    "cholesky",
    "clip",
    "concatenate",
    "constant",
    "contract",
    "cumsum",
    "det",
    "diag",
    "diagonal",
    "divide",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "einsum",
    "elementwise",
    "embed",
    "expm",
    "expn",
    "identity",
    "int_array",
    "inv",
    "keep",
    "kron",
    "lambertw",
    "leaf_of",
    "logdet",
    "logm",
    "logsumexp",
    "lstsq",
    "matmul",
    "matpow",
    "matrix_norm",
    "matrix_power",
    "max_",
    "maxmask",
    "mean",
    "min_",
    "minmask",
    "move_axis",
    "mul",
    "multigammaln",
    "nan_to_num",
    "neg",
    "norm1",
    "norm2",
    "norminf",
    "ones",
    "operation_of",
    "outer",
    "pi",
    "pinv",
    "plus",
    "polygamma",
    "power",
    "power_general",
    "prod",
    "prodexcept",
    "qr",
    "rearrange",
    "reshape",
    "scale",
    "size",
    "slice_",
    "slogdet",
    "softmax",
    "solve",
    "solve_sylvester",
    "sort",
    "sqrtm",
    "stack",
    "sub",
    "sum_",
    "svd",
    "svdvals",
    "take",
    "take_along",
    "trace",
    "transpose",
    "tril",
    "triu",
    "variable",
    "vec",
    "vector_norm",
    "where",
    "zeros",
    "zeta",
]
