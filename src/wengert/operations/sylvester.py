"""Sylvester's equation A X + X B = C, by Bartels and Stewart 1972."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from scipy import linalg as scipy_linalg

from wengert.errors import ShapeError, SingularMatrixError
from wengert.expr import Expr, Params
from wengert.operations.algebra import contract
from wengert.operations.apply import apply
from wengert.operations.build import broadcast, neg
from wengert.operations.coefficients import Of, added, leading
from wengert.operations.matrix_parts import behind_extra_axes, moved_out, swapped
from wengert.operations.structure import fits
from wengert.primitive import (
    ByCoefficient,
    Domain,
    Notation,
    PartlyLinear,
    Primitive,
    Sample,
    register,
)
from wengert.shapes import Shape, format_shape


def solve_sylvester(a: Expr, b: Expr, c: Expr) -> Expr:
    """The solution X of A X + X B = C.

    Parameters
    ----------
    a, b, c : Expr
        Shapes ``(..., m, m)``, ``(..., n, n)`` and ``(..., m, n)``.

    Raises
    ------
    SingularMatrixError
        On evaluation: A and −B share an eigenvalue.
    """
    return apply(SYLVESTER, a, b, c)


def _shape_of_sylvester(operands: tuple[Expr, ...], params: Params) -> Shape:
    a, b, c = operands
    batch = a.ndim - 2
    matrices = batch >= 0 and a.ndim == b.ndim <= c.ndim
    lead = c.shape[c.ndim - a.ndim : -2]
    m, n = c.shape[-2:] if matrices else (0, 0)
    if not matrices or not fits(a.shape, (*lead, m, m)) or not fits(b.shape, (*lead, n, n)):
        shapes = ", ".join(format_shape(o.shape) for o in operands)
        raise ShapeError(f"AX + XB = C needs matrices m×m, n×n and m×n; the shapes are {shapes}")
    return c.shape


def _evaluate_sylvester(node: Expr, a: Any, b: Any, c: Any) -> Any:
    """By the real Schur forms of A and Bᵀ, each made once for all extra axes of C."""
    result = np.empty_like(c)
    if c.size:
        for index in np.ndindex(a.shape[:-2]):
            own = (..., *index, slice(None), slice(None))
            result[own] = _bartels_stewart(a[index], b[index], c[own])
    return result


def _bartels_stewart(a: Any, b: Any, c: Any) -> Any:
    schur = cast("Any", scipy_linalg.schur)
    r, u = schur(a, output="real")
    s, v = schur(b.T, output="real")
    (trsyl,) = cast("Any", scipy_linalg.get_lapack_funcs)(("trsyl",), (r, s, c))
    right = u.T @ c @ v
    flat = right.reshape(-1, *c.shape[-2:])
    for k, part in enumerate(flat):
        found, factor, info = trsyl(r, s, part, tranb="C")
        if info:
            raise SingularMatrixError(
                "AX + XB = C has no single solution: A and −B share an eigenvalue"
            )
        flat[k] = found / factor
    return u @ flat.reshape(right.shape) @ v.T


def _push_sylvester(x: Expr, k: int, tangent: Expr) -> Expr:
    """dX solves A dX + dX B = dC − dA X − X dB."""
    a, b, _ = x.operands
    if k == 2:
        return solve_sylvester(a, b, tangent)
    batch = a.ndim - 2
    extra = tangent.ndim - a.ndim
    axes = tuple(range(extra + x.ndim - 2))
    own = (*axes[:extra], *axes[len(axes) - batch :])
    i, j, r = range(len(axes), len(axes) + 3)
    if k == 0:
        labels, out = [(*own, i, r), (*axes[extra:], r, j)], (*axes, i, j)
    else:
        labels, out = [(*own, r, j), (*axes[extra:], i, r)], (*axes, i, j)
    return neg(solve_sylvester(a, b, contract([tangent, x], labels, out)))


def _sylvester_coefficient(x: Expr, k: int, of: Of, own: dict[Any, Any]) -> Expr | None:
    """A₀ Xₖ + Xₖ B₀ = Cₖ − Σ (Aⱼ Xₖ₋ⱼ + Xₖ₋ⱼ Bⱼ)."""
    a, b, c = x.operands
    *axes, i, j = range(x.ndim)
    batch, r = axes[len(axes) - a.ndim + 2 :], x.ndim
    moved: list[Expr] = []
    for m in range(1, k + 1):
        da, db, before = of(a, m), of(b, m), of(x, k - m)
        if before is None:
            continue
        if da is not None:
            labels = [(*batch, i, r), (*axes, r, j)]
            moved.append(leading([neg(da), before], labels, (*axes, i, j)))
        if db is not None:
            labels = [(*axes, i, r), (*batch, r, j)]
            moved.append(leading([before, neg(db)], labels, (*axes, i, j)))
    right = added([of(c, k), *moved])
    return None if right is None else solve_sylvester(a, b, right)


def _pull_sylvester(x: Expr, k: int, cotangent: Expr) -> Expr:
    a, b, _ = x.operands
    return solve_sylvester(swapped(a), swapped(b), cotangent)


def _rewrite_sylvester(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    a, b, c = operands
    return moved_out(c, 2, lambda part: solve_sylvester(a, b, part), a.ndim - 2)


def _spread_sylvester(node: Expr, operands: tuple[Expr, ...], batched: tuple[bool, ...]) -> Expr:
    """A new axis of A's or B's stands behind the extra axes of C."""
    if not (batched[0] or batched[1]):
        return apply(SYLVESTER, *operands)
    size = operands[0 if batched[0] else 1].shape[0]
    a, b = (
        o if new else broadcast(o, (size, *o.shape))
        for o, new in zip(operands[:2], batched[:2], strict=True)
    )
    moved, order = behind_extra_axes(operands[2], batched[2], size, node.ndim - a.ndim + 1)
    return contract([solve_sylvester(a, b, moved)], [order], range(node.ndim + 1))


SYLVESTER = register(
    Primitive(
        "solve_sylvester",
        3,
        _shape_of_sylvester,
        _evaluate_sylvester,
        PartlyLinear(_push_sylvester, _pull_sylvester, lambda k: k == 2),
        Notation(
            "solve_sylvester({0}, {1}, {2})",
            "solve_sylvester({0}, {1}, {2})",
            r"\operatorname{{sylvester}}\left({0}, {1}, {2}\right)",
            "(lambda a, b, c: np.linalg.solve(np.kron(a, np.eye(len(b))) + "
            "np.kron(np.eye(len(a)), b.T), c.ravel()).reshape(c.shape))({0}, {1}, {2})",
        ),
        series=ByCoefficient(_sylvester_coefficient),
        rewrite=_rewrite_sylvester,
        domains=(Domain(matrix="near the identity"),) * 2 + (Domain(),),
        samples=(
            Sample(((2, 2), (1, 1), (2, 1))),
            Sample(((1, 1), (1, 1), (1, 1))),
            Sample(((2, 1, 1), (2, 2, 2), (2, 1, 2))),
            Sample(((1, 1), (1, 1), (2, 1, 1))),
        ),
        batch=_spread_sylvester,
        source="Bartels and Stewart 1972; dX solves A dX + dX B = dC − dA X − X dB",
        rule="Sylvester equation: A dX + dX B = dC − dA X − X dB",
    )
)
