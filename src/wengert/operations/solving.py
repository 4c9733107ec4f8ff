"""Linear systems: A x = b for general, triangular and positive definite A.

The unknowns are on the trailing axis, so the columns of a matrix b are leading axes, which come in
front of those that b shares with A. That is how LAPACK stores them, and one factorisation serves
all of them.

Source: Giles 2008, section 2.2.3 (dx = A⁻¹(db − dA x)).
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from scipy import linalg as scipy_linalg

from wengert.errors import DomainError, ShapeError, SingularMatrixError
from wengert.expr import Expr, Params
from wengert.operations.algebra import contract, power
from wengert.operations.apply import apply
from wengert.operations.build import neg
from wengert.operations.coefficients import Of, added, leading
from wengert.operations.linalg import INV, PINV
from wengert.operations.lu import factorise, is_numerically_singular, shared_factors
from wengert.operations.matrix_enclosures import enclosed_solution
from wengert.operations.matrix_parts import (
    behind_extra_axes,
    moved_out,
    product,
    swapped,
    symmetric_part,
    tril,
    triu,
)
from wengert.operations.structure import contraction_params, fits, is_contraction
from wengert.operations.written_matrices import solution
from wengert.primitive import (
    ByCoefficient,
    Domain,
    Notation,
    PartlyLinear,
    Primitive,
    Sample,
    Shared,
    register,
)
from wengert.shapes import Shape, format_shape

_TURNED = {
    "general": "general",
    "positive": "positive",
    "lower": "upper",
    "upper": "lower",
    "unit lower": "unit upper",
    "unit upper": "unit lower",
}

# ---------------------------------------------------------------- builders


def solve(a: Expr, b: Expr, kind: str = "general", *, turned: bool = False) -> Expr:
    """The solution x of A x = b.

    Parameters
    ----------
    a : Expr
        Shape ``(..., n, n)``.
    b : Expr
        Shape ``(n,)``, or ``(..., n, k)`` for the columns of a matrix; more leading axes than
        those of ``a`` are systems with one matrix.
    kind : str
        What is known of A: ``"general"``, ``"lower"``, ``"upper"``, ``"unit lower"``, ``"unit
        upper"`` (triangular; the other entries are not read) or ``"positive"`` (symmetric positive
        definite; the entries above the diagonal are not read, and derivatives are those among the
        symmetric matrices).
    turned : bool
        Solve Aᵀ x = b.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    SingularMatrixError
        On evaluation: A is singular, or within rounding of a singular matrix.
    """
    if turned:
        a, kind = swapped(a), _TURNED[kind]
    if b.ndim == 1:
        return solve_vectors(a, contract([b], [(a.ndim,)], (*range(a.ndim - 2), a.ndim),
                                         sizes=dict(enumerate(a.shape[:-2]))), kind)  # fmt: skip
    missing = range(a.ndim - b.ndim)
    axes = tuple(range(len(missing), len(missing) + b.ndim))
    lead = (*missing, *axes[:-2])
    extra = len(lead) - (a.ndim - 2)
    order = (*lead[:extra], axes[-1], *lead[extra:], axes[-2])
    moved = contract([b], [axes], order, sizes=dict(zip(missing, a.shape, strict=False)))
    x = solve_vectors(a, moved, kind)
    return contract([x], [order], (*lead, *axes[-2:]))


def solve_vectors(a: Expr, b: Expr, kind: str = "general") -> Expr:
    """The solution x of A x = b, vectors on the trailing axis of b behind the axes of A's batch."""
    return apply(SOLVE, a, b, kind=kind)


def solve_right(b: Expr, a: Expr, kind: str = "general") -> Expr:
    """B A⁻¹: the solution X of X A = B."""
    return swapped(solve(a, swapped(b), kind, turned=True))


def lstsq(a: Expr, b: Expr) -> Expr:
    """The least-squares solution of A x = b, the shortest one if there are many: A⁺ b.

    Parameters
    ----------
    a : Expr
        Shape ``(..., m, n)``, of any rank that stays the same nearby.
    b : Expr
        Shape ``(m,)`` or ``(..., m, k)``.
    """
    inverse = apply(PINV, a)
    if b.ndim > 1:
        return product(inverse, b)
    lead = tuple(range(a.ndim - 2))
    return contract([inverse, b], [(*lead, a.ndim, a.ndim + 1), (a.ndim + 1,)], (*lead, a.ndim))


# ---------------------------------------------------------------- linear systems


def _shape_of_solution(operands: tuple[Expr, ...], params: Params) -> Shape:
    a, b = operands
    if params[0] not in _TURNED:
        raise ShapeError(f"no kind of matrix {params[0]!r}; known are {', '.join(_TURNED)}")
    own = a.shape[:-1]
    square = a.ndim >= 2 and fits(a.shape[-1:], a.shape[-2:-1])
    if not square or b.ndim < len(own) or not fits(b.shape[b.ndim - len(own) :], own):
        raise ShapeError(
            f"cannot solve with a matrix {format_shape(a.shape)} and vectors "
            f"{format_shape(b.shape)}: a square matrix and as many entries as it has rows are "
            "needed"
        )
    return b.shape


def _read(kind: str, a: Expr) -> Expr:
    """The part of a change of A that counts."""
    if kind == "general":
        return a
    if kind == "positive":
        return symmetric_part(a)
    diagonal = -1 if kind.startswith("unit") else 0
    return tril(a, diagonal) if kind.endswith("lower") else triu(a, -diagonal)


def _push_solution(x: Expr, k: int, tangent: Expr) -> Expr:
    """A⁻¹ db and −A⁻¹ dA x."""
    a, kind = x.operands[0], x.params[0]
    if k == 1:
        return solve_vectors(a, tangent, kind)
    return neg(solve_vectors(a, _times_vectors(_read(kind, tangent), x, a.ndim - 2), kind))


def _solution_coefficient(x: Expr, k: int, of: Of, own: dict[Any, Any]) -> Expr | None:
    """xₖ = A₀⁻¹ (bₖ − Σ Aⱼ xₖ₋ⱼ)."""
    a, b = x.operands
    kind = x.params[0]
    n = x.ndim
    row = tuple(range(n - a.ndim + 1, n))  # the batch's axes and A's rows, behind the extra axes
    moved = [
        leading([neg(_read(kind, da)), before], [(*row, n), (*range(n - 1), n)], tuple(range(n)))
        for j in range(1, k + 1)
        if (da := of(a, j)) is not None and (before := of(x, k - j)) is not None
    ]
    right = added([of(b, k), *moved])
    return None if right is None else solve_vectors(a, right, kind)


def _times_vectors(da: Expr, x: Expr, batch: int) -> Expr:
    """dA x with the extra axes of dA in front of those of x, and the batch axes shared."""
    extra, own = da.ndim - 2 - batch, x.ndim - 1 - batch
    lead = tuple(range(extra + own + batch))
    shared = lead[extra + own :]
    i, j = len(lead), len(lead) + 1
    left = (*lead[:extra], *shared, i, j)
    return contract([da, x], [left, (*lead[extra:], j)], (*lead, i))


def _pull_solution(x: Expr, k: int, cotangent: Expr) -> Expr:
    a, kind = x.operands[0], x.params[0]
    return solve_vectors(swapped(a), cotangent, _TURNED[kind])


def _rewrite_solution(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    a, b = operands
    (kind,) = params
    diagonal = _diagonal_of_pattern(a) if kind in ("general", "positive") else None
    if diagonal is not None:
        axes = tuple(range(b.ndim))
        return contract([b, power(diagonal, -1)], [axes, axes[-1:]], axes)
    return _of_deltas(a, b, kind) or moved_out(
        b, 1, lambda part: solve_vectors(a, part, kind), a.ndim - 2
    )


def _diagonal_of_pattern(a: Expr) -> Expr | None:
    """v, if the node is diag(v)."""
    if a.ndim != 2 or not is_contraction(a):
        return None
    labels, out, coefficient = contraction_params(a)
    if out[0] != out[1]:
        return None
    sizes = {out[0]: a.shape[0]}
    return contract(a.operands, labels, out[:1], sizes=sizes, coefficient=coefficient)


def _of_deltas(a: Expr, b: Expr, kind: str) -> Expr | None:
    """A⁻¹ diag(v) is A⁻¹ with scaled columns, not a system with a dense diagonal matrix."""
    if not is_contraction(b):
        return None
    labels, out, coefficient = contraction_params(b)
    batch = a.ndim - 2
    own = out[b.ndim - batch - 1 :]
    extra, row = out[: b.ndim - batch - 1], own[-1]
    if row not in extra or row in own[:-1]:
        return None
    if kind == "general":
        inverse, turned = apply(INV, a), False
    else:
        plain = not b.operands and coefficient == 1 and extra == (row,)
        if plain and len(set(own)) == len(own):
            return None
        sizes = dict(enumerate(a.shape[:-1]))
        axes = tuple(range(batch))
        unit = contract([], [], (batch, *axes, batch), sizes=sizes)
        inverse, turned = solve_vectors(a, unit, kind), True
    fresh = max((x for axes in (*labels, out) for x in axes), default=-1) + 1
    around = (row, *own[:-1], fresh) if turned else (*own[:-1], fresh, row)
    return contract(
        [inverse, *b.operands],
        [around, *labels],
        (*extra, *own[:-1], fresh),
        sizes=dict(zip(out, b.shape, strict=True)),
        coefficient=coefficient,
    )


def _spread_batch(node: Expr, operands: tuple[Expr, ...], batched: tuple[bool, ...]) -> Expr:
    """A new axis of A's stands behind the extra axes of b."""
    a, b = operands
    kind = node.params[0]
    if not batched[0]:
        return solve_vectors(a, b, kind)
    extra = node.ndim - (node.operands[0].ndim - 1)
    moved, order = behind_extra_axes(b, batched[1], a.shape[0], extra)
    return contract([solve_vectors(a, moved, kind)], [order], range(node.ndim + 1))


def _evaluate_solution(node: Expr, a: Any, b: Any) -> Any:
    batch = a.ndim - 2
    extra = b.shape[: b.ndim - 1 - batch]
    columns = np.moveaxis(b.reshape(prod(extra), *b.shape[len(extra) :]), 0, -1)
    if columns.size == 0:
        return b
    x = _SOLVERS[node.params[0]](node.params[0], a, columns)
    return np.moveaxis(x, -1, 0).reshape(b.shape)


def _solution_from_factors(node: Expr, factors: Any, turned: bool, a: Any, b: Any) -> Any:
    if factors is None or b.size == 0 or b.dtype != a.dtype:
        return node.primitive.evaluate(node, a, b)
    if factors.lost:
        raise _singular(a)
    return factors.solve(b.reshape(-1, b.shape[-1]).T, turned=turned).T.reshape(b.shape)


def _shared_factors(node: Expr) -> Shared | None:
    return shared_factors(node, _solution_from_factors) if node.params[0] == "general" else None


def _solve_general(kind: str, a: Any, b: Any) -> Any:
    """By LU. One more column, no eigenvector of any usual matrix, tells how large A⁻¹ is."""
    factors = factorise(a) if a.ndim == 2 and a.dtype == b.dtype else None
    if factors is not None:
        if factors.lost:
            raise _singular(a)
        return factors.solve(b)
    n = a.shape[-1]
    probe = (-1.0) ** np.arange(n) * (1 + np.arange(n) / n)  # as LAPACK's estimator has it
    probes = np.broadcast_to(probe.astype(a.dtype)[:, None], (*a.shape[:-1], 1))
    try:
        solved = np.linalg.solve(a, np.concatenate([b, probes], axis=-1))
    except np.linalg.LinAlgError:
        raise _singular(a) from None
    size = np.max(np.abs(a), axis=(-2, -1)) * np.max(np.abs(solved[..., -1]), axis=-1)
    if np.any(size * n * n * np.finfo(a.dtype).eps > 0.01) and _loses_all_digits(a):
        raise _singular(a)
    return solved[..., :-1]


def _loses_all_digits(a: Any) -> bool:
    try:
        return is_numerically_singular(a, np.linalg.inv(a))
    except np.linalg.LinAlgError:
        return True


def _singular(a: Any) -> SingularMatrixError:
    return SingularMatrixError(
        f"the {a.shape[-1]}×{a.shape[-1]} matrix of a linear system is singular; "
        "use lstsq for the least-squares solution, or add a ridge"
    )


def _solve_triangular(kind: str, a: Any, b: Any) -> Any:
    unit = kind.startswith("unit")
    if not unit and np.any(np.diagonal(a, axis1=-2, axis2=-1) == 0):
        raise _singular(a)
    return scipy_linalg.solve_triangular(
        a, b, lower=kind.endswith("lower"), unit_diagonal=unit, check_finite=False
    )


def _solve_positive(kind: str, a: Any, b: Any) -> Any:
    try:
        factor = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        raise not_positive(a) from None
    half = scipy_linalg.solve_triangular(factor, b, lower=True, check_finite=False)
    turned = np.swapaxes(factor, -1, -2)
    return scipy_linalg.solve_triangular(turned, half, lower=False, check_finite=False)


def not_positive(a: Any) -> DomainError:
    """The error for a matrix that has no Cholesky factor."""
    whole: Any = np.tril(a) + np.swapaxes(np.tril(a, -1), -1, -2)
    least = float(np.min(np.linalg.eigvalsh(whole))) if np.isfinite(whole).all() else np.nan
    return DomainError(
        f"a {a.shape[-1]}×{a.shape[-1]} matrix is not positive definite: its least eigenvalue is "
        f"{least:.3g}; add a ridge"
    )


_SOLVERS = {
    "general": _solve_general,
    "positive": _solve_positive,
    "lower": _solve_triangular,
    "upper": _solve_triangular,
    "unit lower": _solve_triangular,
    "unit upper": _solve_triangular,
}
_NUMPY = {
    "general": "{0}",
    "positive": "np.tril({0}) + np.swapaxes(np.tril({0}, -1), -1, -2)",
    "lower": "np.tril({0})",
    "upper": "np.triu({0})",
    "unit lower": "np.tril({0}, -1) + np.eye({0:a}.shape[-1])",
    "unit upper": "np.triu({0}, 1) + np.eye({0:a}.shape[-1])",
}


def _notation_of_solution(node: Expr) -> Notation:
    kind = node.params[0]
    more = "" if kind == "general" else f", {kind}"
    matrix, vector = _NUMPY[kind], node.ndim == 1
    code = f"np.linalg.solve({matrix}, {{1}})"
    if not vector:
        code = f"np.linalg.solve({matrix}, {{1:a}}[..., None])[..., 0]"
    plain = f"solve({{0}}, {{1}}{more})"
    if node.ndim == 2 and node.operands[0].ndim == 2:
        plain = f"solve({{0}}, {{1:a}}'{more})'"
    pretty = plain.replace("'", "ᵀ")
    head = r"\operatorname{{solve}}\left("
    turned = r"^\top" if "'" in plain else ""
    level = "power" if turned else "atom"
    second = r"{1:a}^\top" if turned else "{1}"
    return Notation(plain, pretty, head + "{0}, " + second + rf"\right){turned}", code, level)


SOLVE = register(
    Primitive(
        "solve",
        2,
        _shape_of_solution,
        _evaluate_solution,
        PartlyLinear(_push_solution, _pull_solution, lambda k: k == 1),
        _notation_of_solution,
        parameters=("kind",),
        shared=_shared_factors,
        by_arrays=solution,
        series=ByCoefficient(_solution_coefficient),
        rewrite=_rewrite_solution,
        domains=(Domain(matrix="invertible"), Domain()),
        samples=(
            *(Sample(((2, 2), (2,)), (kind,)) for kind in _TURNED if kind != "positive"),
            Sample(((2, 2), (3, 2)), ("general",)),
            Sample(((2, 2), (2, 2)), ("lower",)),
            Sample(((2, 2, 2), (2, 2)), ("general",)),
            Sample(((2, 2, 2), (2, 2)), ("unit upper",)),
            Sample(((1, 2, 2), (2, 1, 2)), ("lower",)),
            Sample(((1, 1), (1,)), ("general",)),
            Sample(((0, 0), (0,)), ("general",)),
            Sample(((0, 0), (2, 0)), ("lower",)),
            Sample(((2, 2), (0, 2)), ("general",)),
        ),
        batch=_spread_batch,
        source="Giles 2008, section 2.2.3",
        rule="linear system (Giles 2008): dx = A⁻¹(db − dA x)",
        enclosure=enclosed_solution,
    )
)

__all__ = [
    "SOLVE",
    "lstsq",
    "not_positive",
    "solve",
    "solve_right",
    "solve_vectors",
]
