"""The singular value decomposition A = U diag(s) Vᵀ, reduced.

Sources: Giles 2008, section 3.2; Townsend 2016, Differentiating the singular value decomposition.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.expr import Expr, Params
from wengert.operations.algebra import add
from wengert.operations.apply import apply
from wengert.operations.build import sub
from wengert.operations.factorisations import GAPS, square_or_known
from wengert.operations.matrix_enclosures import enclosed_singular_values
from wengert.operations.matrix_parts import (
    columns_scaled,
    diagonal_of,
    entrywise,
    product,
    swapped,
)
from wengert.operations.selection import at_close_or_zero_values
from wengert.operations.structure import safe_power
from wengert.operations.written_matrices import by_numpy
from wengert.primitive import Domain, Notation, Ordered, Primitive, Pushforward, Sample, register
from wengert.shapes import Shape, Size

_HALF = Fraction(1, 2)

# ---------------------------------------------------------------- builders


def svd(a: Expr) -> tuple[Expr, Expr, Expr]:
    """U, the singular values s (descending) and Vᵀ with U diag(s) Vᵀ = A, reduced.

    Parameters
    ----------
    a : Expr
        Shape ``(..., m, n)``, known in numbers unless m = n; with k = min(m, n) the results are
        ``(..., m, k)``, ``(..., k)`` and ``(..., k, n)``.

    Notes
    -----
    Signs are LAPACK's. The vectors of equal singular values (within rounding) have no derivative;
    as in :func:`eigh`, what they would turn among themselves is taken as 0.
    """
    return apply(LEFT_VECTORS, a), apply(SINGULAR_VALUES, a), swapped(apply(RIGHT_VECTORS, a))


def svdvals(a: Expr) -> Expr:
    """The singular values, descending."""
    return apply(SINGULAR_VALUES, a)


# ---------------------------------------------------------------- shapes


def _smaller(a: Expr) -> Size:
    """The number of singular values."""
    m, n = square_or_known(a)
    return a.shape[-1] if m >= n else a.shape[-2]


def _shape_of_values(operands: tuple[Expr, ...], params: Params) -> Shape:
    a = operands[0]
    return (*a.shape[:-2], _smaller(a))


def _shape_of_left(operands: tuple[Expr, ...], params: Params) -> Shape:
    a = operands[0]
    return (*a.shape[:-1], _smaller(a))


def _shape_of_right(operands: tuple[Expr, ...], params: Params) -> Shape:
    a = operands[0]
    return (*a.shape[:-2], a.shape[-1], _smaller(a))


# ---------------------------------------------------------------- derivatives


def _push_values(s: Expr, k: int, da: Expr) -> Expr:
    """ds = diag(Uᵀ dA V)."""
    a = s.operands[0]
    u, v = apply(LEFT_VECTORS, a), apply(RIGHT_VECTORS, a)
    return diagonal_of(product(swapped(u), da, v))


def _push_left(u: Expr, k: int, da: Expr) -> Expr:
    return _push_vectors(u, apply(RIGHT_VECTORS, u.operands[0]), da, u.operands[0])


def _push_right(v: Expr, k: int, da: Expr) -> Expr:
    return _push_vectors(v, apply(LEFT_VECTORS, v.operands[0]), swapped(da), v.operands[0])


def _push_vectors(u: Expr, v: Expr, da: Expr, a: Expr) -> Expr:
    """dU = U Ω + (I − UUᵀ) dA V S⁻¹ for the reduced decomposition of A (or, by turns, of Aᵀ).

    With P = Uᵀ dA V, (s²ⱼ − s²ᵢ) Ωᵢⱼ = sⱼ Pᵢⱼ + sᵢ Pⱼᵢ, which is solved through the symmetric and
    the skew part of P, without squares: Ω = ½ (P + Pᵀ)/(sⱼ − sᵢ) + ½ (P − Pᵀ)/(sⱼ + sᵢ).
    """
    s = apply(SINGULAR_VALUES, a)
    moved = product(da, v)
    p = product(swapped(u), moved)
    turned = swapped(p)
    omega = add(
        [
            entrywise(apply(GAPS, s, sums=False), add([p, turned])),
            entrywise(apply(GAPS, s, sums=True), sub(p, turned)),
        ],
        [_HALF, _HALF],
    )
    inside = product(u, omega)
    if u.shape[-2] == u.shape[-1]:
        return inside
    outside = columns_scaled(sub(moved, product(u, p)), safe_power(s, -1))
    return add([inside, outside])


# ---------------------------------------------------------------- declarations

_RECTANGLES = (
    Sample(((3, 2),)),
    Sample(((2, 3),)),
    Sample(((2, 2),)),
    Sample(((1, 1),)),
    Sample(((1, 2),)),
    Sample(((2, 1, 2),)),
    Sample(((0, 0),)),
    Sample(((2, 0),)),
)
_FULL_RANK = (Domain(matrix="full rank"),)


def _vectors(part: int) -> Callable[..., Any]:
    def evaluate(node: Expr, a: Any) -> Any:
        found = np.linalg.svd(a, full_matrices=False)[part]
        return np.swapaxes(found, -1, -2) if part == 2 else found

    return evaluate


def _shapes_of_parts(m: int, n: int) -> list[tuple[int, ...]]:
    p = min(m, n)
    return [(m, p), (p,), (p, n)]


SINGULAR_VALUES = register(
    Primitive(
        "svdvals",
        1,
        _shape_of_values,
        lambda node, a: np.linalg.svd(a, compute_uv=False),
        Pushforward(_push_values),
        Notation(
            "svdvals({0})",
            "svdvals({0})",
            r"\operatorname{{svdvals}}\left({0}\right)",
            "np.linalg.svd({0}, compute_uv=False)",
        ),
        by_arrays=by_numpy(["svd"], 0, lambda m, n: [(min(m, n),)]),
        domains=_FULL_RANK,
        samples=_RECTANGLES,
        source="Giles 2008, section 3.2",
        rule="singular values (Giles 2008): ds = diag(Uᵀ dA V)",
        enclosure=enclosed_singular_values,
        ordered=lambda node: Ordered(-1, sizes=True),
        kinks=at_close_or_zero_values,
    )
)
LEFT_VECTORS = register(
    Primitive(
        "svdleft",
        1,
        _shape_of_left,
        _vectors(0),
        Pushforward(_push_left),
        Notation(
            "svdleft({0})",
            "svdleft({0})",
            r"\operatorname{{svdleft}}\left({0}\right)",
            "np.linalg.svd({0}, full_matrices=False)[0]",
        ),
        by_arrays=by_numpy(["svd_s"], 0, _shapes_of_parts),
        domains=_FULL_RANK,
        samples=_RECTANGLES,
        source="Townsend 2016, equation 16",
        rule="left singular vectors (Townsend 2016): dU = UΩ + (I − UUᵀ) dA V S⁻¹",
    )
)
RIGHT_VECTORS = register(
    Primitive(
        "svdright",
        1,
        _shape_of_right,
        _vectors(2),
        Pushforward(_push_right),
        Notation(
            "svdright({0})",
            "svdright({0})",
            r"\operatorname{{svdright}}\left({0}\right)",
            "np.swapaxes(np.linalg.svd({0}, full_matrices=False)[2], -1, -2)",
        ),
        by_arrays=by_numpy(["svd_s"], 2, _shapes_of_parts, turned=True),
        domains=_FULL_RANK,
        samples=_RECTANGLES,
        source="Townsend 2016, equation 17",
        rule="right singular vectors (Townsend 2016): dV = VΩ + (I − VVᵀ) dAᵀ U S⁻¹",
    )
)
