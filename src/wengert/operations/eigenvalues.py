"""Eigenvalues and eigenvectors of square matrices whose eigenvalues are real.

Source: Giles 2008, An extended collection of matrix derivative results, section 3.1; the vectors
are normalised as LAPACK's are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import DomainError, SingularMatrixError
from wengert.expr import Expr, Params
from wengert.operations.apply import apply
from wengert.operations.build import sub
from wengert.operations.factorisations import GAPS, square
from wengert.operations.matrix_parts import (
    columns_scaled,
    diagonal_of,
    entrywise,
    product,
    swapped,
)
from wengert.operations.solving import solve
from wengert.operations.written_matrices import eigenvalues, eigenvectors
from wengert.primitive import Domain, Notation, Primitive, Pushforward, Sample, register
from wengert.shapes import Shape


def eigvals(a: Expr) -> Expr:
    """The eigenvalues of a square matrix, in LAPACK's order.

    Raises
    ------
    DomainError
        On evaluation: an eigenvalue is complex.
    """
    return apply(GENERAL_VALUES, a)


def eig(a: Expr) -> tuple[Expr, Expr]:
    """The eigenvalues of a square matrix in LAPACK's order, and its eigenvectors as columns.

    The vectors have length 1 and LAPACK's signs.

    For derivatives of the vectors the eigenvalues must be distinct: what the vectors of equal ones
    would turn among themselves is taken as 0, as in :func:`eigh`.

    Raises
    ------
    DomainError
        On evaluation: an eigenvalue is complex.
    SingularMatrixError
        On evaluation: the eigenvectors do not span the space; they have no derivative then, nor
        have the eigenvalues.
    """
    return apply(GENERAL_VALUES, a), apply(GENERAL_VECTORS, a)


def _values(operands: tuple[Expr, ...], params: Params) -> Shape:
    return square(operands, params)[:-1]


def _real(found: Any) -> Any:
    if np.iscomplexobj(found):
        raise DomainError(
            "eig: the matrix has complex eigenvalues, and wengert computes with real numbers; "
            "functions of all eigenvalues are there without them (trace, det, slogdet, "
            "matrix_power, expm), and eigh for symmetric matrices"
        )
    return found


def _vectors(a: Any) -> Any:
    v = _real(np.linalg.eig(a)[1])
    if v.size and np.any(np.linalg.cond(v) * v.shape[-1] * np.finfo(v.dtype).eps > 1):
        raise SingularMatrixError(
            "eig: the eigenvectors do not span the space (within rounding), so that neither they "
            "nor the eigenvalues have a derivative"
        )
    return v


def _within_vectors(v: Expr, da: Expr) -> Expr:
    """V⁻¹ dA V."""
    return product(solve(v, da), v)


def _push_values(w: Expr, k: int, da: Expr) -> Expr:
    """dw = diag(V⁻¹ dA V)."""
    return diagonal_of(_within_vectors(apply(GENERAL_VECTORS, w.operands[0]), da))


def _push_vectors(v: Expr, k: int, da: Expr) -> Expr:
    """dV = W − V diag(VᵀW) with W = V (F ⊙ V⁻¹ dA V), so that lengths stay 1."""
    gaps = apply(GAPS, apply(GENERAL_VALUES, v.operands[0]), sums=False)
    turned = product(v, entrywise(gaps, _within_vectors(v, da)))
    return sub(turned, columns_scaled(v, diagonal_of(product(swapped(v), turned))))


_SAMPLES = tuple(map(Sample, (((2, 2),), ((3, 3),), ((1, 1),), ((2, 1, 1),), ((0, 0),))))
GENERAL_VALUES = register(
    Primitive(
        "eigvals",
        1,
        _values,
        lambda node, a: _real(np.linalg.eigvals(a)),
        Pushforward(_push_values),
        Notation.function("eigvals", numpy="np.linalg.eigvals"),
        by_arrays=eigenvalues,
        domains=(Domain(matrix="real eigenvalues"),),
        samples=_SAMPLES,
        source="Giles 2008, section 3.1; complex eigenvalues are an error",
        rule="eigenvalues (Giles 2008): dw = diag(V⁻¹ dA V)",
    )
)
GENERAL_VECTORS = register(
    Primitive(
        "righteigenvectors",
        1,
        square,
        lambda node, a: _vectors(a),
        Pushforward(_push_vectors),
        Notation.function("righteigenvectors", numpy="(lambda a: np.linalg.eig(a)[1])"),
        by_arrays=eigenvectors,
        domains=(Domain(matrix="real eigenvalues"),),
        samples=_SAMPLES,
        source="Giles 2008, section 3.1; columns of length 1, complex eigenvalues are an error",
        rule="eigenvectors of length 1 (Giles 2008): dV = W − V diag(VᵀW), W = V (F ⊙ V⁻¹ dA V)",
    )
)

__all__ = ["GENERAL_VALUES", "GENERAL_VECTORS", "eig", "eigvals"]
