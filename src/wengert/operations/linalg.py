"""Matrix functions on the two trailing axes: inverse, determinant, their relatives.

Sources: lecture identities 5.101 to 5.103; Golub and Pereyra 1973 for the pseudo-inverse.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Any, cast

import numpy as np

from wengert.assumptions import Assumption
from wengert.errors import ShapeError, SingularMatrixError
from wengert.expr import Expr, Params
from wengert.operations.algebra import (
    contract,
    is_symmetric,
    orient,
    power,
    scale,
    transpose,
)
from wengert.operations.apply import apply
from wengert.operations.build import mul, neg, sub, sum_
from wengert.operations.lu import Factors, is_numerically_singular, shared_factors
from wengert.operations.matrix_enclosures import (
    by_determinant,
    enclosed_adjugate,
    enclosed_determinant,
    enclosed_inverse,
    log_of_positive,
    log_of_size,
    sign_of,
)
from wengert.operations.matrix_parts import identities, product, swapped
from wengert.operations.products import PROD
from wengert.operations.scalar_functions import LOG
from wengert.operations.structural import (
    CONTRACT,
    VARIABLE,
)
from wengert.operations.structure import (
    contraction_params,
)
from wengert.operations.written_matrices import inverse, sign_and_log
from wengert.primitive import (
    Constant,
    Curved,
    Domain,
    Kink,
    Notation,
    Primitive,
    Pushforward,
    Shared,
    register,
)
from wengert.shapes import Shape, format_shape

_INVERTIBLE = (Domain(matrix="invertible"),)


def _square(operands: tuple[Expr, ...], params: Params) -> Shape:
    a = operands[0]
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ShapeError(f"a square matrix is needed; the shape is {format_shape(a.shape)}")
    return a.shape


def _square_to_scalar(operands: tuple[Expr, ...], params: Params) -> Shape:
    return _square(operands, params)[:-2]


def _turned(operands: tuple[Expr, ...], params: Params) -> Shape:
    a = operands[0]
    if a.ndim < 2:
        raise ShapeError(f"a matrix is needed; the shape is {format_shape(a.shape)}")
    return (*a.shape[:-2], a.shape[-1], a.shape[-2])


def _sandwich(left: Expr, tangent: Expr, right: Expr, *, turned: bool = False) -> Expr:
    """left · tangent · right over the two trailing axes; the tangent has extra axes in front."""
    batch = left.ndim - 2
    extra = tangent.ndim - batch - 2
    lead = tuple(range(extra + batch))
    own = lead[extra:]
    i, j, k, m = range(extra + batch, extra + batch + 4)
    middle = (*lead, k, j) if turned else (*lead, j, k)
    return contract([left, tangent, right], [(*own, i, j), middle, (*own, k, m)], (*lead, i, m))


def _pairing(weights: Expr, tangent: Expr) -> Expr:
    """tr(weights · tangent) over the two trailing axes; the tangent has extra axes in front."""
    batch = weights.ndim - 2
    extra = tangent.ndim - batch - 2
    lead = tuple(range(extra + batch))
    i, j = extra + batch, extra + batch + 1
    return contract([weights, tangent], [(*lead[extra:], j, i), (*lead, i, j)], lead)


# ---------------------------------------------------------------- simplifications


def _diagonal_of(node: Expr) -> Expr | None:
    """v, if the node is diag(v)."""
    if node.ndim == 2 and node.primitive is CONTRACT:
        labels, out, coefficient = contraction_params(node)
        if out[0] == out[1]:
            sizes = {out[0]: node.shape[0]}
            return contract(node.operands, labels, out[:1], sizes=sizes, coefficient=coefficient)
    return None


def _scalar_and_matrix(node: Expr) -> tuple[Expr, Expr] | None:
    """(s, A), if the node is a scalar s ≠ 1 times a matrix A without scalar factors."""
    if node.primitive is not CONTRACT or node.ndim != 2:
        return None
    labels, out, coefficient = contraction_params(node)
    scalars = [o for o in node.operands if o.ndim == 0]
    if not scalars and coefficient == 1:
        return None
    rest = [(o, axes) for o, axes in zip(node.operands, labels, strict=True) if o.ndim]
    if not rest:
        return None
    sizes = dict(zip(out, node.shape, strict=True))
    matrix = contract([o for o, _ in rest], [axes for _, axes in rest], out, sizes=sizes)
    return contract(scalars, [()] * len(scalars), (), coefficient=coefficient), matrix


def _rewrite_inverse(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    a = operands[0]
    if a.primitive is INV:
        return a.operands[0]
    if a.primitive is VARIABLE and Assumption.ORTHOGONAL in a.params[1]:
        return transpose(a)
    diagonal = _diagonal_of(a)
    if diagonal is not None:
        return contract([power(diagonal, -1)], [(0,)], (0, 0))
    parts = _scalar_and_matrix(a)
    if parts is not None:
        return mul(power(parts[0], -1), apply(INV, parts[1]))
    core, turned = orient(a)
    return transpose(apply(INV, core)) if turned else None


def _rewrite_det(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    a = operands[0]
    if a.primitive is INV:
        return power(apply(DET, a.operands[0]), -1)
    diagonal = _diagonal_of(a)
    if diagonal is not None:
        return apply(PROD, diagonal)
    core, turned = orient(a)
    return apply(DET, core) if turned else None


def _rewrite_logdet(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    a = operands[0]
    if a.primitive is INV:
        return neg(apply(LOGDET, a.operands[0]))
    diagonal = _diagonal_of(a)
    if diagonal is not None:
        return sum_(apply(LOG, diagonal))
    core, turned = orient(a)
    return apply(LOGDET, core) if turned else None


# ---------------------------------------------------------------- evaluation


def _evaluate_inverse(node: Expr, a: Any) -> Any:
    """The inverse; an error if the matrix is singular, or within rounding of a singular one."""
    with suppress(np.linalg.LinAlgError):
        inverse = cast("Any", np.linalg.inv(a))
        if not is_numerically_singular(a, inverse):
            return inverse
    raise _not_invertible(a)


def _not_invertible(a: Any) -> SingularMatrixError:
    return SingularMatrixError(
        f"the {a.shape[-1]}×{a.shape[-1]} matrix to be inverted is singular "
        f"(rank {np.linalg.matrix_rank(a)}); use pinv for a pseudo-inverse, or add a ridge"
    )


def _inverse_from_factors(node: Expr, factors: Any, turned: bool, a: Any) -> Any:
    if factors is None:
        return a
    if factors.lost:
        raise _not_invertible(a)
    return factors.inverse().T if turned else factors.inverse()


def _from_factors(read: Callable[[Factors], Any]) -> Callable[[Expr], Shared | None]:
    """The shared work of a function of the determinant."""

    def evaluate(node: Expr, factors: Any, turned: bool, a: Any) -> Any:
        if factors is None:
            return node.primitive.evaluate(node, a)
        return np.asarray(read(factors), dtype=a.dtype)

    return lambda node: shared_factors(node, evaluate)


def _by_factors(write: Callable[..., Any]) -> Callable[..., Any]:
    """The same where code is generated: ``write(lanes, sign, log)``."""
    return lambda arrays, node, a: arrays.map(write, *sign_and_log(arrays, a))


def _evaluate_logdet(node: Expr, a: Any) -> Any:
    sign, value = np.linalg.slogdet(a)
    result: Any = np.where(sign < 0, np.nan, value)
    return result.astype(a.dtype)


def _evaluate_logabsdet(node: Expr, a: Any) -> Any:
    return np.asarray(np.linalg.slogdet(a)[1], dtype=a.dtype)


def _evaluate_signdet(node: Expr, a: Any) -> Any:
    return np.asarray(np.linalg.slogdet(a)[0], dtype=a.dtype)


def _evaluate_adjugate(node: Expr, a: Any) -> Any:
    """det(A) A⁻¹ through the singular values, so that singular matrices are right too."""
    n = a.shape[-1]
    if n == 0:
        return a
    u, s, vt = np.linalg.svd(a)
    others = np.stack([np.prod(np.delete(s, i, axis=-1), axis=-1) for i in range(n)], axis=-1)
    sign: Any = np.linalg.det(u) * np.linalg.det(vt)
    cofactors: Any = np.swapaxes(vt, -1, -2) * others[..., None, :] @ np.swapaxes(u, -1, -2)
    return cast(Any, np.round(sign))[..., None, None] * cofactors.astype(a.dtype)


# ---------------------------------------------------------------- derivatives


def _push_inverse(y: Expr, k: int, da: Expr) -> Expr:
    return neg(_sandwich(y, da, y))


def _push_adjugate(y: Expr, k: int, da: Expr) -> Expr:
    """d adj(A) = tr(A⁻¹dA) adj(A) − A⁻¹ dA adj(A), for invertible A."""
    inverse = apply(INV, y.operands[0])
    paired = _pairing(inverse, da)
    batch = y.ndim - 2
    extra = da.ndim - y.ndim
    lead = tuple(range(extra + batch))
    i, j = extra + batch, extra + batch + 1
    scaled = contract([paired, y], [lead, (*lead[extra:], i, j)], (*lead, i, j))
    return sub(scaled, _sandwich(inverse, da, y))


def _push_pseudo_inverse(p: Expr, k: int, da: Expr) -> Expr:
    """−P dA P + P Pᵀ dAᵀ (I − A P) + (I − P A) dAᵀ Pᵀ P, for locally constant rank."""
    a = p.operands[0]
    pt = swapped(p)
    left = product(p, pt)
    right = product(pt, p)
    onto_rows = sub(identities(p), product(p, a))
    onto_columns = sub(identities(a), product(a, p))
    first = neg(_sandwich(p, da, p))
    second = _sandwich(left, da, onto_columns, turned=True)
    third = _sandwich(onto_rows, da, right, turned=True)
    return add_all(first, second, third)


def add_all(first: Expr, *rest: Expr) -> Expr:
    """The sum of several arrays."""
    total = first
    for term in rest:
        total = sub(total, scale(Fraction(-1), term))
    return total


def _push_det(y: Expr, k: int, da: Expr) -> Expr:
    inverse = apply(INV, y.operands[0])
    paired = _pairing(inverse, da)
    lead = tuple(range(paired.ndim))
    return contract([y, paired], [lead[paired.ndim - y.ndim :], lead], lead)


# ---------------------------------------------------------------- declarations

INV = register(
    Primitive(
        "inv",
        1,
        _square,
        _evaluate_inverse,
        Pushforward(_push_inverse),
        Notation("inv({0})", "{0:a}⁻¹", "{0:a}^{{-1}}", "np.linalg.inv({0})", "power"),
        shared=lambda node: shared_factors(node, _inverse_from_factors),
        by_arrays=inverse,
        rewrite=_rewrite_inverse,
        symmetric=lambda node: is_symmetric(node.operands[0]),
        inverse=lambda node: (node.operands[0], False),
        domains=_INVERTIBLE,
        source="lecture (5.102)",
        rule="inverse (5.102): d(X⁻¹) = −X⁻¹ dX X⁻¹",
        enclosure=enclosed_inverse,
    )
)
DET = register(
    Primitive(
        "det",
        1,
        _square_to_scalar,
        lambda node, a: np.linalg.det(a),
        Pushforward(_push_det),
        Notation.function("det", latex=r"\det", numpy="np.linalg.det"),
        shared=_from_factors(lambda f: f.sign() * np.exp(f.log())),
        by_arrays=_by_factors(lambda lanes, sign, log: sign * lanes.call("exp", log)),
        rewrite=_rewrite_det,
        domains=_INVERTIBLE,
        source="lecture (5.101), Jacobi's formula",
        rule="determinant (5.101): d det(X) = det(X) tr(X⁻¹ dX)",
        enclosure=enclosed_determinant,
    )
)
LOGDET = register(
    Primitive(
        "logdet",
        1,
        _square_to_scalar,
        _evaluate_logdet,
        Pushforward(lambda y, k, da: _pairing(apply(INV, y.operands[0]), da)),
        Notation(
            "logdet({0})", "log det({0})", r"\log\det\left({0}\right)", "np.linalg.slogdet({0})[1]"
        ),
        shared=_from_factors(lambda f: np.nan if f.sign() < 0 else f.log()),
        by_arrays=_by_factors(lambda lanes, sign, log: lanes.select(sign < 0.0, np.nan, log)),
        rewrite=_rewrite_logdet,
        domains=(Domain(matrix="spd"),),
        source="Matrix Cookbook (57); through LU, NaN for a negative determinant",
        rule="log-determinant, Matrix Cookbook (57): d log det(X) = tr(X⁻¹ dX)",
        enclosure=by_determinant(log_of_positive),
        curvature=(Curved(-1, definite=True),),
    )
)
LOGABSDET = register(
    Primitive(
        "logabsdet",
        1,
        _square_to_scalar,
        _evaluate_logabsdet,
        Pushforward(lambda y, k, da: _pairing(apply(INV, y.operands[0]), da)),
        Notation(
            "logabsdet({0})",
            "log |det({0})|",
            r"\log\left|\det\left({0}\right)\right|",
            "np.linalg.slogdet({0})[1]",
        ),
        shared=_from_factors(lambda f: f.log()),
        by_arrays=lambda arrays, node, a: sign_and_log(arrays, a)[1],
        domains=_INVERTIBLE,
        source="Matrix Cookbook (57); through LU, for either sign; −∞ for a singular matrix",
        rule="log-determinant, Matrix Cookbook (57): d log |det(X)| = tr(X⁻¹ dX)",
        enclosure=by_determinant(log_of_size),
        curvature=(Curved(-1, definite=True),),
    )
)
SIGNDET = register(
    Primitive(
        "signdet",
        1,
        _square_to_scalar,
        _evaluate_signdet,
        Constant("the sign of a determinant is constant wherever it is not 0"),
        Notation(
            "signdet({0})",
            "sign(det({0}))",
            r"\operatorname{{sign}}\det\left({0}\right)",
            "np.linalg.slogdet({0})[0]",
        ),
        shared=_from_factors(lambda f: f.sign()),
        by_arrays=lambda arrays, node, a: sign_and_log(arrays, a)[0],
        domains=_INVERTIBLE,
        smooth=False,
        kinks=lambda node: (Kink(apply(DET, node.operands[0])),),
        source="through LU",
        enclosure=by_determinant(sign_of),
    )
)
ADJ = register(
    Primitive(
        "adj",
        1,
        _square,
        _evaluate_adjugate,
        Pushforward(_push_adjugate),
        Notation.function("adj", numpy="(lambda t: np.linalg.det(t) * np.linalg.inv(t))"),
        symmetric=lambda node: is_symmetric(node.operands[0]),
        domains=_INVERTIBLE,
        source="adj(A) = det(A) A⁻¹; its derivative needs A invertible",
        rule="adjugate: d adj(X) = tr(X⁻¹ dX) adj(X) − X⁻¹ dX adj(X)",
        enclosure=enclosed_adjugate,
    )
)
PINV = register(
    Primitive(
        "pinv",
        1,
        _turned,
        lambda node, a: np.linalg.pinv(a),
        Pushforward(_push_pseudo_inverse),
        Notation("pinv({0})", "{0:a}⁺", "{0:a}^{{+}}", "np.linalg.pinv({0})", "power"),
        symmetric=lambda node: is_symmetric(node.operands[0]),
        domains=(Domain(matrix="tall"),),
        source="Golub and Pereyra 1973, locally constant rank",
        rule="pseudo-inverse (Golub and Pereyra 1973)",
    )
)
