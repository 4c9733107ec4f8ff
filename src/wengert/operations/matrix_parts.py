"""Parts and products of matrices on the two trailing axes, with any leading axes.

The triangles are linear operations; the rest are contractions that rules of matrix operations are
made of. An array with more leading axes than another has them in front: the shared ones, nearest
to the matrix, are the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.expr import Expr, Params
from wengert.operations.algebra import add, contract
from wengert.operations.apply import apply
from wengert.operations.enclosing import moved
from wengert.operations.indexing import embed
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    has_delta,
    is_contraction,
    is_sum,
    is_zero,
    ones,
    zeros,
)
from wengert.operations.trailing import tied_factors
from wengert.operations.written import Arrays, Lanes
from wengert.primitive import Linear, Notation, Primitive, Sample, register
from wengert.shapes import Shape, Size, format_shape

_DISTRIBUTION_CAP = 8  # terms; beyond it a sum with deltas stays an operand

# ---------------------------------------------------------------- products and parts


def swapped(a: Expr) -> Expr:
    """The transposes of the matrices on the two trailing axes."""
    axes = tuple(range(a.ndim))
    return contract([a], [axes], (*axes[:-2], axes[-1], axes[-2]))


def product(*factors: Expr) -> Expr:
    """The product of matrices; leading axes are aligned at the matrices."""
    lead = max(f.ndim for f in factors) - 2
    labels = [
        (*range(lead + 2 - f.ndim, lead), lead + k, lead + k + 1) for k, f in enumerate(factors)
    ]
    return contract(factors, labels, (*range(lead), lead, lead + len(factors)))


def entrywise(a: Expr, b: Expr) -> Expr:
    """The entrywise product; leading axes are aligned at the end."""
    rank = max(a.ndim, b.ndim)
    axes = tuple(range(rank))
    return contract([a, b], [axes[rank - a.ndim :], axes[rank - b.ndim :]], axes)


def columns_scaled(a: Expr, v: Expr) -> Expr:
    """A diag(v)."""
    rank = max(a.ndim, v.ndim + 1)
    axes = tuple(range(rank))
    own = (*axes[rank - v.ndim - 1 : rank - 2], rank - 1)
    return contract([a, v], [axes[rank - a.ndim :], own], axes)


def diagonal_of(a: Expr) -> Expr:
    """The diagonals of the matrices on the two trailing axes."""
    lead = tuple(range(a.ndim - 2))
    return contract([a], [(*lead, a.ndim, a.ndim)], (*lead, a.ndim))


def symmetric_part(a: Expr) -> Expr:
    """(A + Aᵀ)/2."""
    return add([a, swapped(a)], [Fraction(1, 2), Fraction(1, 2)])


def identities(a: Expr) -> Expr:
    """The identity of as many rows as each matrix of an array has."""
    axes = tuple(range(a.ndim - 1))
    return contract([], [], (*axes, axes[-1]), sizes=dict(enumerate(a.shape[:-1])))


def block_diag(*blocks: Expr) -> Expr:
    """The matrix with the given matrices along its diagonal and zeros elsewhere.

    Raises
    ------
    ShapeError
        Without blocks, if one is no matrix, or for sizes that are only symbols.
    """
    shapes = [b.shape for b in blocks]
    known = [(m, n) for m, n in (s for s in shapes if len(s) == 2)
             if isinstance(m, int) and isinstance(n, int)]  # fmt: skip
    if not blocks or len(known) < len(shapes):
        found = ", ".join(map(format_shape, shapes)) or "none"
        raise ShapeError(f"block_diag needs matrices of known sizes; the shapes are {found}")
    whole = (sum(m for m, _ in known), sum(n for _, n in known))
    parts: list[Expr] = []
    row = column = 0
    for block, (m, n) in zip(blocks, known, strict=True):
        parts.append(embed(block, [slice(row, row + m), slice(column, column + n)], whole))
        row, column = row + m, column + n
    return add(parts)


# ---------------------------------------------------------------- linear operations


def moved_out(x: Expr, rank: int, operation: Callable[[Expr], Expr], batch: int = 0) -> Expr | None:
    """A linear operation on what touches the axes it acts on, the other factors outside.

    Parameters
    ----------
    x : Expr
        The operand: extra axes, then ``batch`` axes that the operation is not uniform along, then
        the ``rank`` axes that it acts on and whose sizes it keeps.
    operation : callable
        The operation on an array with other extra axes.

    Returns
    -------
    Expr or None
        None if nothing moves.
    """
    if is_zero(x):
        return zeros(x.shape)
    if is_sum(x):
        if len(x.operands) > _DISTRIBUTION_CAP or not any(map(has_delta, x.operands)):
            return None
        return add([operation(t) for t in x.operands], coefficients_of(x))
    if not is_contraction(x):
        return None
    labels, out, coefficient = contraction_params(x)
    own = out[x.ndim - batch - rank :]
    extra = out[: len(out) - len(own)]
    acted = own[batch:]
    inside = sorted(tied_factors(labels, out, set(acted)))
    used = {a for k in inside for a in labels[k]} | set(acted)
    kept = tuple(dict.fromkeys(a for a in extra if a in used and a not in own[:batch]))
    rest = [k for k in range(len(labels)) if k not in inside]
    if not rest and coefficient == 1 and kept == extra:
        return None
    sizes = dict(zip(out, x.shape, strict=True))
    live = {a: sizes[a] for a in (*kept, *own)}  # any other would be summed over
    inner = contract(
        [x.operands[k] for k in inside], [labels[k] for k in inside], (*kept, *own), sizes=live
    )
    start = max((a for axes in (*labels, out) for a in axes), default=-1) + 1
    fresh = tuple(range(start, start + rank))
    result = (*kept, *own[:batch], *fresh)
    return contract(
        [operation(inner), *(x.operands[k] for k in rest)],
        [result, *(labels[k] for k in rest)],
        (*extra, *own[:batch], *fresh),
        sizes={a: s for a, s in sizes.items() if a in extra or a in own[:batch]},
        coefficient=coefficient,
    )


def behind_extra_axes(x: Expr, leads: bool, size: Size, extra: int) -> tuple[Expr, tuple[int, ...]]:
    """The array with a new axis behind its extra axes, and the labels that bring it to the front.

    The axis is the leading one if ``leads``; otherwise the array is spread along it.
    """
    rank = x.ndim + (not leads)
    axes = tuple(range(rank))
    order = (*axes[1 : extra + 1], 0, *axes[extra + 1 :])
    return contract([x], [axes if leads else axes[1:]], order, sizes={0: size}), order


def _same(operands: tuple[Expr, ...], params: Params) -> Shape:
    x = operands[0]
    if x.ndim < 2:
        raise ShapeError(f"a matrix is needed; the shape is {format_shape(x.shape)}")
    return x.shape


def _masked_deltas(primitive: Primitive, x: Expr, k: int) -> Expr | None:
    """A part of δ ⊗ δ is the mask of that part times them, with no dense array of zeros."""
    if not is_contraction(x) or is_zero(x):
        return None
    labels, out, coefficient = contraction_params(x)
    if len(set(out[-2:]) - set(out[:-2])) == 2:
        return None
    mask = apply(primitive, ones(x.shape[-2:]), k=k)
    return contract(
        [mask, *x.operands],
        [out[-2:], *labels],
        out,
        sizes=dict(zip(out, x.shape, strict=True)),
        coefficient=coefficient,
    )


def _declare_triangle(name: str, keep: Callable[..., Any], sense: Callable[..., int]) -> Primitive:
    def rewrite(operands: tuple[Expr, ...], params: Params) -> Expr | None:
        x, (k,) = operands[0], params
        if x.name == name:
            return apply(primitive, x.operands[0], k=sense(k, x.params[0]))
        return _masked_deltas(primitive, x, k) or moved_out(
            x, 2, lambda part: apply(primitive, part, k=k)
        )

    def notation(node: Expr) -> Notation:
        k = node.params[0]
        return Notation.function(name) if not k else _with_offset(name, k)

    def kept(arrays: Arrays, node: Expr, x: Any) -> Any:
        mask = arrays.table(keep(np.ones(arrays.shape(x)[-2:], bool), node.params[0]))
        return arrays.map(_where, x, mask, last=True)

    primitive = register(
        Primitive(
            name,
            1,
            _same,
            lambda node, x: keep(x, node.params[0]),
            Linear(
                lambda node, dx: apply(primitive, dx, k=node.params[0]),
                lambda node, ct: apply(primitive, ct, k=node.params[0]),
                lambda node: 2,
            ),
            notation,
            by_arrays=kept,
            parameters=("k",),
            rewrite=rewrite,
            samples=(
                Sample(((2, 2),), (0,)),
                Sample(((2, 3),), (-1,)),
                Sample(((3, 2),), (1,)),
                Sample(((2, 2, 2),), (0,)),
                Sample(((1, 1),), (0,)),
                Sample(((0, 2),), (0,)),
            ),
            source="a projection on the matrices that are zero elsewhere, hence its own transpose",
            rule="a part of the entries is linear: the same part of their derivatives",
            enclosure=moved,
        )
    )
    return primitive


def _where(lanes: Lanes, x: Any, mask: Any) -> Any:
    return lanes.select(mask, x, 0.0)


def _with_offset(name: str, k: int) -> Notation:
    plain = f"{name}({{0}}, {k})"
    return Notation(plain, plain, rf"\operatorname{{{{{name}}}}}_{{{{{k}}}}}\left({{0}}\right)",
                    f"np.{plain}")  # fmt: skip


TRIL = _declare_triangle("tril", np.tril, min)
TRIU = _declare_triangle("triu", np.triu, max)


def tril(a: Expr, k: int = 0) -> Expr:
    """The entries on and below diagonal ``k``, zeros elsewhere."""
    return apply(TRIL, a, k=k)


def triu(a: Expr, k: int = 0) -> Expr:
    """The entries on and above diagonal ``k``, zeros elsewhere."""
    return apply(TRIU, a, k=k)
