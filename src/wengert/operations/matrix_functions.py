"""Functions of square matrices: exponential, logarithm, square root, powers; the p-norms.

The k-th Fréchet derivative L⁽ᵏ⁾(A; E₁, ..., E_k) of an analytic function is a block of the function
of a larger matrix, so one operation with any number of directions holds the exponential (or the
logarithm) and its derivatives of every order. It is linear in each direction. With ⟨C, X⟩ =
tr(CᵀX) the form ⟨C, L⁽ᵏ⁾(A; E₁, ..., E_k)⟩ = ⟨E₁, L⁽ᵏ⁾(Aᵀ; C, E₂ᵀ, ..., E_kᵀ)⟩, because
tr(E₀ L⁽ᵏ⁾(A; E₁, ..., E_k)) is the derivative of order k + 1 of the trace of the antiderivative,
hence symmetric in E₀, ..., E_k.

Sources: Mathias 1996; Higham and Relton 2014, Higher order Fréchet derivatives of matrix
functions; Higham 2008, Functions of Matrices (square root, section 6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, cast

import numpy as np
from scipy import linalg as scipy_linalg

from wengert.errors import DomainError, ShapeError
from wengert.expr import Expr, Params
from wengert.operations.algebra import contract, is_symmetric
from wengert.operations.apply import apply
from wengert.operations.build import broadcast
from wengert.operations.curves import coefficient_of
from wengert.operations.factorisations import square
from wengert.operations.indexing import slice_
from wengert.operations.joining import concatenate, stack
from wengert.operations.linalg import INV
from wengert.operations.matrix_parts import (
    behind_extra_axes,
    identities,
    moved_out,
    product,
    swapped,
)
from wengert.operations.structure import (
    contraction_params,
    fits,
    is_contraction,
    is_zero,
    zeros,
)
from wengert.operations.sylvester import solve_sylvester
from wengert.primitive import (
    Domain,
    Notation,
    PartlyLinear,
    Primitive,
    Pushforward,
    Sample,
    WholeCurve,
    register,
)
from wengert.shapes import Shape, format_shape

# ---------------------------------------------------------------- builders


def expm(a: Expr) -> Expr:
    """The exponential of a square matrix."""
    return apply(EXPM, a)


def logm(a: Expr) -> Expr:
    """The principal logarithm of a square matrix.

    Raises
    ------
    DomainError
        On evaluation: an eigenvalue is 0 or negative, so that no real principal logarithm exists.
    """
    return apply(LOGM, a)


def sqrtm(a: Expr) -> Expr:
    """The principal square root of a square matrix.

    Raises
    ------
    DomainError
        On evaluation: an eigenvalue is negative, so that no real principal root exists.
    """
    return apply(SQRTM, a)


def matrix_power(a: Expr, exponent: int) -> Expr:
    """An integer power of square matrices, by repeated squaring; negative ones by the inverse."""
    square((a,), ())
    if exponent < 0:
        return matrix_power(apply(INV, a), -exponent)
    if exponent == 0:
        return identities(a)
    half = matrix_power(a, exponent // 2)
    if exponent == 1:
        return a
    whole = product(half, half)
    return product(whole, a) if exponent % 2 else whole


# ---------------------------------------------------------------- Fréchet derivatives


def _frechet(primitive: Primitive, a: Expr, *directions: Expr) -> Expr:
    """L⁽ᵏ⁾(A; E₁, ..., E_k), all directions spread along the leading axes of the longest."""
    longest = max(directions, key=lambda e: e.ndim, default=a)
    wide = [broadcast(e, (*longest.shape[: longest.ndim - e.ndim], *e.shape)) for e in directions]
    return apply(primitive, a, *wide)


def _moved_out_of(primitive: Primitive, a: Expr, directions: Sequence[Expr], k: int) -> Expr | None:
    """What does not touch the matrices of a direction comes out, where the others are constant.

    Without this the derivatives of higher order would be evaluated for dense arrays of deltas.
    """
    others = [*directions[:k], *directions[k + 1 :]]
    free = min(map(_constant_axes, others), default=inf)
    extra = int(min(free, directions[k].ndim - a.ndim))
    left = [_without_axes(e, extra) for e in others]
    return moved_out(
        directions[k],
        2,
        lambda part: _frechet(primitive, a, *left, part),
        directions[k].ndim - 2 - extra,
    )


def _constant_axes(e: Expr) -> int:
    """How many leading axes there are along which nothing changes."""
    if not is_contraction(e):
        return 0
    labels, out, _ = contraction_params(e)
    used = {x for axes in labels for x in axes}
    changing = (k for k, x in enumerate(out) if x in used or out.count(x) > 1)
    return next(changing, e.ndim)


def _without_axes(e: Expr, count: int) -> Expr:
    """One entry along leading axes along which nothing changes."""
    if not count:
        return e
    labels, out, coefficient = contraction_params(e)
    sizes = dict(zip(out[count:], e.shape[count:], strict=True))
    return contract(e.operands, labels, out[count:], sizes=sizes, coefficient=coefficient)


def _tail_of_frechet(node: Expr, tails: dict[int, Expr], order: int) -> Expr | None:
    """The first row of blocks of the function at block Toeplitz matrices of coefficients.

    A(t) + O(tᵏ⁺¹) and the block matrices (Aⱼ₋ᵢ) add and multiply alike, so f does too.
    """
    a, *directions = node.operands
    n, rank = a.shape[-1], a.ndim
    (extra,) = {t.ndim - 1 - node.operands[k].ndim for k, t in tails.items()}
    own = node.ndim - rank if directions else 0
    lead = next(iter(tails.values())).shape[1 : 1 + extra]
    whole = _toeplitz(a, tails.get(0), lead, order)
    wide = [_toeplitz(e, tails.get(k), lead, order) for k, e in enumerate(directions, 1)]
    axes = tuple(range(extra + node.ndim))
    behind = (*axes[extra : extra + own], *axes[:extra], *axes[extra + own :])
    moved = [contract([e], [axes], behind) for e in wide]
    found = apply(node.primitive, whole, *moved)
    back = contract([found], [behind], axes)
    return stack([
        slice_(back, [slice(0, n), slice(k * n, (k + 1) * n)]) for k in range(1, order + 1)
    ])  # fmt: skip


def _toeplitz(value: Expr, tail: Expr | None, lead: Shape, order: int) -> Expr:
    """The block matrix with coefficient j − i in place (i, j)."""
    first = broadcast(value, (*lead, *value.shape))
    blocks = [first]
    for k in range(1, order + 1):
        found = None if tail is None else coefficient_of(tail, k)
        blocks.append(zeros(first.shape) if found is None else found)
    nothing = zeros(first.shape)
    rows = [concatenate([*[nothing] * i, *blocks[: order + 1 - i]], -1) for i in range(order + 1)]
    return concatenate(rows, -2)


def _shape_of_frechet(operands: tuple[Expr, ...], params: Params) -> Shape:
    shape = square(operands, params)
    directions = operands[1:]
    for e in directions:
        if not fits(e.shape, directions[0].shape) or not fits(e.shape[-len(shape) :], shape):
            raise ShapeError(
                f"a direction {format_shape(e.shape)} does not fit a matrix {format_shape(shape)}"
            )
    return directions[-1].shape if directions else shape


def _evaluate_frechet(function: Callable[[Any], Any]) -> Callable[..., Any]:
    """The last block of the first row of f of the matrix with the directions above its diagonal.

    X₀ = A, Xₖ = I₂ ⊗ Xₖ₋₁ + (e₁e₂ᵀ) ⊗ I ⊗ Eₖ (Higham and Relton 2014, theorem 3.5).
    """

    def evaluate(node: Expr, a: Any, *directions: Any) -> Any:
        n = a.shape[-1]
        whole = np.broadcast_to(a, directions[0].shape) if directions else a
        if whole.size == 0:
            return np.zeros(whole.shape, a.dtype)
        for e in directions:
            blocks = whole.shape[-1] // n
            larger = np.zeros((*e.shape[:-2], 2 * blocks * n, 2 * blocks * n), a.dtype)
            half = blocks * n
            larger[..., :half, :half] = whole
            larger[..., half:, half:] = whole
            for k in range(0, half, n):
                larger[..., k : k + n, half + k : half + k + n] = e
            whole = larger
        return np.asarray(function(whole)[..., :n, whole.shape[-1] - n :], dtype=a.dtype)

    return evaluate


def _real(function: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    """A function of matrices whose result must be real."""

    def evaluate(a: Any) -> Any:
        result = np.asarray(function(a))
        if result.dtype.kind == "c":
            scale = np.max(np.abs(result), initial=0.0)
            if np.any(np.abs(result.imag) > 1e3 * np.finfo(a.dtype).eps * scale):
                raise DomainError(
                    f"a matrix of which {name} is taken has a negative eigenvalue, so the "
                    "principal value is not real"
                )
            result = result.real
        if not np.isfinite(result).all() and np.isfinite(a).all():
            raise DomainError(f"a matrix of which {name} is taken is singular")
        return result.astype(a.dtype, copy=False)

    return evaluate


def _declare_function(
    name: str,
    function: Callable[[Any], Any],
    matrix: str,
    numpy: str,
    rule: str,
) -> Primitive:
    """An analytic function of square matrices with all its Fréchet derivatives."""

    def push(node: Expr, k: int, tangent: Expr) -> Expr:
        a, *directions = node.operands
        if k == 0:
            # the tangent's extra axes come in front of the directions' own
            if directions:
                extra = tangent.ndim - a.ndim
                axes = tuple(range(extra + node.ndim))
                labels = (*axes[:extra], *axes[len(axes) - a.ndim :])
                sizes = dict(enumerate(node.shape, extra))
                tangent = contract([tangent], [labels], axes, sizes=sizes)
            return _frechet(primitive, a, *directions, tangent)
        directions[k - 1] = tangent
        return _frechet(primitive, a, *directions)

    def pull(node: Expr, k: int, cotangent: Expr) -> Expr:
        a, *directions = node.operands
        turned = [swapped(e) for e in directions]
        turned[k - 1] = cotangent
        return _frechet(primitive, swapped(a), *turned)

    def rewrite(operands: tuple[Expr, ...], params: Params) -> Expr | None:
        a, *directions = operands
        if any(map(is_zero, directions)):
            return zeros(directions[0].shape)
        for k in range(len(directions)):
            moved = _moved_out_of(primitive, a, directions, k)
            if moved is not None:
                return moved
        ordered = sorted(directions, key=lambda e: e.digest)
        return None if ordered == directions else apply(primitive, a, *ordered)

    def spread(node: Expr, operands: tuple[Expr, ...], batched: tuple[bool, ...]) -> Expr:
        """A new axis of A's stands behind the extra axes of the directions."""
        a, *directions = operands
        size = operands[batched.index(True)].shape[0]
        if not batched[0]:
            wide = [
                e if new else broadcast(e, (size, *e.shape))
                for e, new in zip(directions, batched[1:], strict=True)
            ]
            return apply(primitive, a, *wide)
        extra = node.ndim - node.operands[0].ndim
        moved = [
            behind_extra_axes(e, new, size, extra)[0]
            for e, new in zip(directions, batched[1:], strict=True)
        ]
        axes = tuple(range(node.ndim + 1))
        order = (*axes[1 : extra + 1], 0, *axes[extra + 1 :])
        return contract([apply(primitive, a, *moved)], [order], axes)

    def notation(node: Expr) -> Notation:
        count = len(node.operands) - 1
        arguments = ", ".join(f"{{{k}}}" for k in range(count + 1))
        plain = f"{name}({arguments})"
        head = r"\operatorname{{" + name + "}}"
        latex = rf"{head}\left({arguments}\right)"
        return Notation(plain, plain, latex, f"{_numpy_code(numpy, count)}({arguments})")

    primitive = register(
        Primitive(
            name,
            None,
            _shape_of_frechet,
            _evaluate_frechet(function),
            PartlyLinear(push, pull, lambda k: k > 0),
            notation,
            series=WholeCurve(_tail_of_frechet),
            rewrite=rewrite,
            symmetric=lambda node: all(map(is_symmetric, node.operands)),
            domains=(Domain(-0.8, 0.8, matrix=matrix), Domain(-1.0, 1.0)),
            samples=(
                Sample(((2, 2),)),
                Sample(((1, 1),)),
                Sample(((2, 1, 1),)),
                Sample(((0, 0),)),
                Sample(((1, 1), (2, 1, 1), (2, 1, 1))),
                Sample(((2, 1, 1), (2, 1, 1))),
            ),
            batch=spread,
            source="Higham and Relton 2014, theorem 3.5",
            rule=rule,
        )
    )
    return primitive


def _numpy_code(function: str, count: int) -> str:
    """NumPy code of f, or of its Fréchet derivative of some order."""
    if not count:
        return function
    names = ", ".join(f"e{k}" for k in range(count))
    body = "a"
    for k in range(count):
        blocks = f"np.kron(np.eye({2**k}), e{k})"
        body = f"(lambda x, y: np.block([[x, y], [0 * x, x]]))({body}, {blocks})"
    return f"(lambda a, {names}: {function}({body})[..., : a.shape[-1], -a.shape[-1] :])"


EXPM = _declare_function(
    "expm",
    cast("Callable[[Any], Any]", scipy_linalg.expm),
    "square",
    "linalg.expm",
    "matrix exponential (Higham and Relton 2014): the next Fréchet derivative, L(X; dX)",
)


def _logarithm(a: Any) -> Any:
    """log A by inverse scaling and squaring, with the quadrature form of the Padé approximant.

    SciPy's own loses half the digits at the blocks that derivatives are read from, which have
    multiple eigenvalues (Higham 2008, section 11.5; the form is its equation 11.18).
    """
    values = np.linalg.eigvals(a)
    if np.any((values.imag == 0) & (values.real <= 0)):
        raise DomainError(
            "a matrix of which the logarithm is taken has an eigenvalue that is 0 or negative, so "
            "there is no real principal value"
        )
    unit = np.eye(a.shape[-1])
    root, scale = a.astype(np.float64), 1.0
    while np.max(np.sum(np.abs(root - unit), axis=-1)) > 0.25:
        root, scale = _principal_root(root), 2 * scale
    nodes, weights = np.polynomial.legendre.leggauss(8)
    rest = root - unit
    parts = (w * np.linalg.solve(unit + (x + 1) / 2 * rest, rest)
             for x, w in zip(nodes, weights, strict=True))  # fmt: skip
    return scale / 2 * sum(parts)


def _principal_root(a: Any) -> Any:
    """The square root by the product form of Denman and Beavers' iteration (Higham 2008, 6.29)."""
    unit = np.eye(a.shape[-1])
    residual, root = a, a
    for _ in range(60):
        inverse = np.linalg.inv(residual)
        root = root @ (unit + inverse) / 2
        residual = (unit + (residual + inverse) / 2) / 2
        if np.max(np.abs(residual - unit)) <= 4 * a.shape[-1] * np.finfo(np.float64).eps:
            break
    return root


LOGM = _declare_function(
    "logm",
    _logarithm,
    "near the identity",
    "linalg.logm",
    "matrix logarithm (Higham and Relton 2014): the next Fréchet derivative, L(X; dX)",
)


def _evaluate_root(node: Expr, a: Any) -> Any:
    return _ROOT(a) if a.size else a


_ROOT = _real(cast("Callable[[Any], Any]", scipy_linalg.sqrtm), "the square root")

SQRTM = register(
    Primitive(
        "sqrtm",
        1,
        square,
        _evaluate_root,
        Pushforward(lambda y, k, da: solve_sylvester(y, y, da)),
        Notation.function("sqrtm", numpy="linalg.sqrtm"),
        symmetric=lambda node: is_symmetric(node.operands[0]),
        domains=(Domain(-0.8, 0.8, matrix="near the identity"),),
        samples=(
            Sample(((2, 2),)),
            Sample(((1, 1),)),
            Sample(((2, 2, 2),)),
            Sample(((0, 0),)),
        ),
        source="Higham 2008, section 6; the derivative of X X = A",
        rule="matrix square root: X dX + dX X = dA",
    )
)

__all__ = ["EXPM", "LOGM", "SQRTM", "expm", "logm", "matrix_power", "sqrtm"]
