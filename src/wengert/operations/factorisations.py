"""Cholesky, QR and the eigenvalues and eigenvectors of symmetric matrices.

The factors of one factorisation are operations of their own, so that a formula computes and
derives only those that it uses.

Sources: Giles 2008 (eigenvalues, section 3.1); Murray 2016 (Cholesky); Walter and Lehmann 2010
(QR).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.expr import Expr, Params
from wengert.operations import written_matrices
from wengert.operations.algebra import add, contract, power
from wengert.operations.apply import apply
from wengert.operations.build import neg, sub
from wengert.operations.indexing import slice_
from wengert.operations.matrix_enclosures import enclosed_eigenvalues
from wengert.operations.matrix_parts import (
    diagonal_of,
    entrywise,
    product,
    swapped,
    symmetric_part,
    tril,
    triu,
)
from wengert.operations.selection import at_close_values
from wengert.operations.solving import not_positive, solve, solve_right
from wengert.operations.structure import fits
from wengert.primitive import Domain, Notation, Ordered, Primitive, Pushforward, Sample, register
from wengert.shapes import Shape, format_shape

_HALF = Fraction(1, 2)

# ---------------------------------------------------------------- builders


def cholesky(a: Expr) -> Expr:
    """The lower triangular L with positive diagonal and L Lᵀ = A.

    The entries of A above the diagonal are not read; the derivative is that among the symmetric
    matrices.

    Raises
    ------
    DomainError
        On evaluation: A is not positive definite.
    """
    return apply(CHOLESKY, a)


def eigvalsh(a: Expr) -> Expr:
    """The eigenvalues of a symmetric matrix, ascending.

    The entries above the diagonal are not read; the derivative is that among the symmetric
    matrices. Where eigenvalues are equal, the first derivative of what does not depend on their
    order (their sum, the sum of their squares) is right; derivatives of higher order need distinct
    eigenvalues, see :func:`eigh`.
    """
    return apply(EIGENVALUES, a)


def eigh(a: Expr, *, upper: bool = False) -> tuple[Expr, Expr]:
    """The eigenvalues (ascending) of a symmetric matrix, and its eigenvectors as columns.

    The vectors have LAPACK's signs, which depend on the triangle that it reads: the lower one, or
    the upper one. The derivative is that among the symmetric matrices either way.

    The vectors of equal eigenvalues (within rounding) have no derivative: they may be any basis
    of their space. What they would turn among themselves is taken as 0, so derivatives are right
    for what depends on other eigenvectors or on the spaces as wholes (the projection on the first
    k, say), and not for what tells the equal eigenvalues' vectors apart. A function f(A) of
    matrices is such: use :func:`expm`, :func:`logm`, :func:`sqrtm`.
    """
    return apply(EIGENVALUES, a), apply(EIGENVECTORS, a, upper=upper)


def qr(a: Expr) -> tuple[Expr, Expr]:
    """Q with orthonormal columns and upper triangular R with Q R = A, in LAPACK's signs.

    Parameters
    ----------
    a : Expr
        Shape ``(..., m, n)``; the first k = min(m, n) columns are of rank k. Q is ``(..., m, k)``
        and R ``(..., k, n)``.
    """
    m, n = square_or_known(a)
    if m < n:
        q = apply(QR_ORTHOGONAL, slice_(a, [None, slice(0, m)]))
        return q, triu(product(swapped(q), a))
    return apply(QR_ORTHOGONAL, a), apply(QR_TRIANGLE, a)


# ---------------------------------------------------------------- shapes


def square_or_known(a: Expr) -> tuple[int, int]:
    """The numbers of rows and columns; of sizes that are symbols only whether they are equal.

    Raises
    ------
    ShapeError
        If it cannot be told whether there are more rows or columns.
    """
    m, n = a.shape[-2:] if a.ndim >= 2 else (None, None)
    if m == n and m is not None:
        return (0, 0)
    if not (isinstance(m, int) and isinstance(n, int)):
        raise ShapeError(
            f"a matrix whose sizes are known in numbers, or equal, is needed; the shape is "
            f"{format_shape(a.shape)}"
        )
    return m, n


def square(operands: tuple[Expr, ...], params: Params) -> Shape:
    """The type rule of functions from square matrices to square matrices."""
    a = operands[0]
    if a.ndim < 2 or not fits(a.shape[-1:], a.shape[-2:-1]):
        raise ShapeError(f"a square matrix is needed; the shape is {format_shape(a.shape)}")
    return a.shape


def _values(operands: tuple[Expr, ...], params: Params) -> Shape:
    return square(operands, params)[:-1]


def _tall(operands: tuple[Expr, ...], params: Params) -> Shape:
    a = operands[0]
    m, n = square_or_known(a)
    if m < n:
        raise ShapeError(
            f"QR needs a matrix with at least as many rows as columns; the shape is "
            f"{format_shape(a.shape)}"
        )
    return a.shape


def _triangle(operands: tuple[Expr, ...], params: Params) -> Shape:
    shape = _tall(operands, params)
    return (*shape[:-2], shape[-1], shape[-1])


_MATRICES = (Sample(((2, 2),)), Sample(((1, 1),)), Sample(((2, 1, 1),)), Sample(((0, 0),)))

# ---------------------------------------------------------------- Cholesky


def _evaluate_cholesky(node: Expr, a: Any) -> Any:
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        raise not_positive(a) from None


def _push_cholesky(factor: Expr, k: int, da: Expr) -> Expr:
    """dL = L Φ(L⁻¹ dA L⁻ᵀ); Φ takes the lower triangle with the diagonal halved."""
    inner = solve(factor, symmetric_part(da), "lower")
    inner = solve_right(inner, swapped(factor), "upper")
    return product(factor, add([tril(inner), tril(inner, -1)], [_HALF, _HALF]))


CHOLESKY = register(
    Primitive(
        "cholesky",
        1,
        square,
        _evaluate_cholesky,
        Pushforward(_push_cholesky),
        Notation.function("cholesky", numpy="np.linalg.cholesky"),
        by_arrays=written_matrices.cholesky,
        domains=(Domain(matrix="positive"),),
        samples=(*_MATRICES, Sample(((3, 3),))),
        source="Murray 2016, Differentiation of the Cholesky decomposition, equation 10",
        rule="Cholesky factor (Murray 2016): dL = L Φ(L⁻¹ dA L⁻ᵀ)",
    )
)

# ---------------------------------------------------------------- eigenvalues


def _pair_axes(v: Expr) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    lead = tuple(range(v.ndim - 1))
    i, j = len(lead), len(lead) + 1
    return lead, (*lead, i), (*lead, j)


def _push_gaps(gaps: Expr, k: int, dw: Expr) -> Expr:
    """−F² ⊙ (dwⱼ ∓ dwᵢ)."""
    _, rows, columns = _pair_axes(dw)
    n = dw.shape[-1]
    out = (*rows, columns[-1])
    sign = 1 if gaps.param("sums") else -1
    change = add(
        [
            contract([dw], [columns], out, sizes={rows[-1]: n}),
            contract([dw], [rows], out, sizes={columns[-1]: n}),
        ],
        [1, sign],
    )
    return neg(entrywise(power(gaps, 2), change))


def _evaluate_gaps(node: Expr, w: Any) -> Any:
    n = w.shape[-1]
    if n == 0:
        return np.zeros((*w.shape, 0), w.dtype)
    other = w[..., :, None] if node.param("sums") else -w[..., :, None]
    differences = w[..., None, :] + other
    largest = np.max(np.abs(w), axis=-1)[..., None, None]
    near = np.abs(differences) <= n * np.finfo(w.dtype).eps * largest
    near |= np.eye(n, dtype=bool)
    return np.where(near, 0, 1 / np.where(near, 1, differences)).astype(w.dtype)


GAPS = register(
    Primitive(
        "gaps",
        1,
        lambda operands, params: (*operands[0].shape, operands[0].shape[-1]),
        _evaluate_gaps,
        Pushforward(_push_gaps),
        lambda node: Notation.function(
            "sumgaps" if node.param("sums") else "gaps",
            numpy="(lambda w: (lambda d: np.where(d == 0, 0, 1 / np.where(d == 0, 1, d)))"
            "((w[..., None, :] {} w[..., :, None]) * (1 - np.eye(w.shape[-1]))))".format(
                "+" if node.param("sums") else "-"
            ),
        ),
        by_arrays=written_matrices.gaps,
        parameters=("sums",),
        samples=(Sample(((3,),), (False,)), Sample(((3,),), (True,)), Sample(((2, 2),), (False,))),
        source="1/(wⱼ ∓ wᵢ) for i ≠ j; 0 on the diagonal and for what is equal within rounding",
        rule="reciprocal gaps: dF = −F² ⊙ (dwⱼ ∓ dwᵢ)",
    )
)


def _push_eigenvalues(w: Expr, k: int, da: Expr) -> Expr:
    """dw = diag(Vᵀ dA V)."""
    v = apply(EIGENVECTORS, w.operands[0], upper=False)
    return diagonal_of(product(swapped(v), symmetric_part(da), v))


def _push_eigenvectors(v: Expr, k: int, da: Expr) -> Expr:
    """dV = V (F ⊙ Vᵀ dA V), Fᵢⱼ = 1/(wⱼ − wᵢ)."""
    gaps = apply(GAPS, apply(EIGENVALUES, v.operands[0]), sums=False)
    inner = product(swapped(v), symmetric_part(da), v)
    return product(v, entrywise(gaps, inner))


EIGENVALUES = register(
    Primitive(
        "eigvalsh",
        1,
        _values,
        lambda node, a: np.linalg.eigvalsh(a),
        Pushforward(_push_eigenvalues),
        Notation.function("eigvalsh", numpy="np.linalg.eigvalsh"),
        by_arrays=written_matrices.by_numpy(["eigvalsh_lo"], 0, lambda m, n: [(n,)]),
        domains=(Domain(matrix="symmetric"),),
        samples=(*_MATRICES, Sample(((3, 3),))),
        source="Giles 2008, section 3.1, for symmetric matrices",
        rule="eigenvalues (Giles 2008): dw = diag(Vᵀ dA V)",
        enclosure=enclosed_eigenvalues,
        ordered=lambda node: Ordered(1),
        kinks=at_close_values,
    )
)


def _eigenvectors_notation(node: Expr) -> Notation:
    triangle = ", 'U'" if node.param("upper") else ""
    return Notation(
        "eigenvectors({0})",
        "eigenvectors({0})",
        r"\operatorname{{eigenvectors}}\left({0}\right)",
        f"np.linalg.eigh({{0}}{triangle})[1]",
    )


EIGENVECTORS = register(
    Primitive(
        "eigenvectors",
        1,
        square,
        lambda node, a: np.linalg.eigh(a, "U" if node.param("upper") else "L")[1],
        Pushforward(_push_eigenvectors),
        _eigenvectors_notation,
        by_arrays=written_matrices.by_numpy(["eigh_lo", "eigh_up"], 1, lambda m, n: [(n,), (n, n)]),
        parameters=("upper",),
        inverse=lambda node: (node, True),
        domains=(Domain(matrix="symmetric"),),
        samples=(
            *(Sample(s.shapes, (False,)) for s in (*_MATRICES, Sample(((3, 3),)))),
            Sample(((3, 3),), (True,)),
        ),
        source="Giles 2008, section 3.1, for symmetric matrices",
        rule="eigenvectors (Giles 2008): dV = V (F ⊙ Vᵀ dA V), Fᵢⱼ = 1/(wⱼ − wᵢ)",
    )
)

# ---------------------------------------------------------------- QR


def _parts_of_qr(q: Expr, r: Expr, da: Expr) -> tuple[Expr, Expr, Expr]:
    """dC = dA R⁻¹, M = Qᵀ dC and the skew Ω = Qᵀ dQ with M − Ω upper triangular."""
    dc = solve_right(da, r, "upper")
    m = product(swapped(q), dc)
    lower = tril(m, -1)
    return dc, m, sub(lower, swapped(lower))


def _push_orthogonal(q: Expr, k: int, da: Expr) -> Expr:
    """dQ = Q Ω + dC − Q M."""
    dc, m, omega = _parts_of_qr(q, apply(QR_TRIANGLE, q.operands[0]), da)
    return add([product(q, omega), dc, product(q, m)], [1, 1, -1])


def _push_triangle(r: Expr, k: int, da: Expr) -> Expr:
    """dR = (M − Ω) R."""
    _, m, omega = _parts_of_qr(apply(QR_ORTHOGONAL, r.operands[0]), r, da)
    return product(sub(m, omega), r)


def _evaluate_triangle(node: Expr, a: Any) -> Any:
    r = np.linalg.qr(a, mode="r")
    return r if a.shape[-2] else np.zeros((*a.shape[:-2], a.shape[-1], a.shape[-1]), a.dtype)


_TALL = (
    Sample(((3, 2),)),
    Sample(((2, 2),)),
    Sample(((1, 1),)),
    Sample(((2, 2, 1),)),
    Sample(((2, 1),)),
    Sample(((2, 0),)),
)
QR_ORTHOGONAL = register(
    Primitive(
        "qrorthogonal",
        1,
        _tall,
        lambda node, a: np.linalg.qr(a)[0],
        Pushforward(_push_orthogonal),
        Notation(
            "qrorthogonal({0})",
            "Q({0})",
            r"\operatorname{{Q}}\left({0}\right)",
            "np.linalg.qr({0})[0]",
        ),
        by_arrays=written_matrices.qr_orthogonal,
        domains=(Domain(matrix="tall"),),
        samples=_TALL,
        source="Walter and Lehmann 2010, Algorithmic differentiation of linear algebra functions",
        rule="QR (Walter and Lehmann 2010): dQ = QΩ + (I − QQᵀ) dA R⁻¹, Ω skew",
    )
)
QR_TRIANGLE = register(
    Primitive(
        "qrtriangle",
        1,
        _triangle,
        _evaluate_triangle,
        Pushforward(_push_triangle),
        Notation(
            "qrtriangle({0})",
            "R({0})",
            r"\operatorname{{R}}\left({0}\right)",
            "np.linalg.qr({0}, mode='r')",
        ),
        by_arrays=written_matrices.qr_triangle,
        domains=(Domain(matrix="tall"),),
        samples=_TALL,
        source="Walter and Lehmann 2010, Algorithmic differentiation of linear algebra functions",
        rule="QR (Walter and Lehmann 2010): dR = (QᵀdA R⁻¹ − Ω) R, Ω skew",
    )
)

__all__ = [
    "CHOLESKY",
    "EIGENVALUES",
    "EIGENVECTORS",
    "GAPS",
    "QR_ORTHOGONAL",
    "QR_TRIANGLE",
    "cholesky",
    "eigh",
    "eigvalsh",
    "qr",
    "square",
]
