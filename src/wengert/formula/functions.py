"""The words that are called: reductions, matrix functions, constructors, einsum.

Axes count from 0, as in NumPy, and what an axis is removed from is a column again. ``max`` and
``min`` take their axis by name only, because ``max(x, 0)`` would be read as a maximum of two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, cast

import numpy as np
from scipy import special

from wengert import operations as ops
from wengert.expr import Expr
from wengert.formula import dense
from wengert.formula.operators import PI, integer_power
from wengert.formula.types import SCALAR, Type, type_of_shape
from wengert.formula.words import Array, Evaluation, Node, Parameter, Site, Word
from wengert.operations.gamma_functions import polygamma
from wengert.shapes import Size

_X = Parameter("x")
_A = Parameter("A")
_AXIS = Parameter("axis", "axis", optional=True)
_AXIS_BY_NAME = Parameter("axis", "axis", optional=True, by_name=True)
_NAMED_SIZE = (Parameter("m", "size", optional=True), Parameter("n", "size", optional=True))


def _axis(node: Node) -> int | None:
    axis = node.params[0] if node.params else None
    return axis if isinstance(axis, int) else None


# ---------------------------------------------------------------- reductions


def _read_axis(site: Site) -> int | None:
    """The axis, counted from 0, or None for all."""
    given = site.params[0] if site.params else None
    if not isinstance(given, int):
        return None
    rank = site.types[0].rank
    if not -rank <= given < rank:
        has = f"its axes are 0 to {rank - 1}" if rank > 1 else "its only axis is 0"
        has = has if rank else "a scalar has no axes"
        raise site.fail(f"there is no axis {given} in {site.source(0)}: {has}")
    site.params = (given % rank,)
    return given % rank


def _infer_reduction(site: Site) -> Type:
    axis = _read_axis(site)
    if axis is None:
        return SCALAR
    shape = site.types[0].shape
    return type_of_shape(shape[:axis] + shape[axis + 1 :])


def _reduction(
    name: str,
    evaluate: Callable[[Array, int | None], Array],
    build: Callable[[Expr, int | None], Expr],
    doc: str,
    axis: Parameter = _AXIS,
) -> Word:
    """A function of all entries, or along one axis."""
    return Word(
        name,
        (_X, axis),
        _infer_reduction,
        lambda e: evaluate(e.x, _axis(e.node)),
        lambda node, operands: build(operands[0], _axis(node)),
        doc,
    )


def _logsumexp(x: Array, axis: int | None) -> Array:
    if np.iscomplexobj(x):
        return np.log(np.sum(np.exp(x), axis=axis))
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    return np.log(np.sum(np.exp(x - top), axis=axis)) + np.squeeze(top, axis=axis)


def _softmax(x: Array, axis: int | None) -> Array:
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / np.sum(powers, axis=axis, keepdims=True)


def _infer_softmax(site: Site) -> Type:
    operand = site.types[0]
    if not operand.shape:
        raise site.clash("softmax is of a vector, or along an axis of an array")
    if not isinstance(site.params[0], int):
        site.params = (operand.rank - 1,)
    _read_axis(site)
    return operand


def _mask(name: str, extremum: Callable[..., Array], build: Callable[..., Expr]) -> Word:
    """Where an extremum is taken, over all entries or along one axis."""

    def evaluate(e: Evaluation) -> Array:
        mask = e.x == extremum(e.x, axis=_axis(e.node), keepdims=True)
        return mask / np.sum(mask, axis=_axis(e.node), keepdims=True)

    def infer(site: Site) -> Type:
        _read_axis(site)
        return site.types[0]

    return Word(
        name,
        (_X, _AXIS_BY_NAME),
        infer,
        evaluate,
        lambda node, operands: build(operands[0], _axis(node)),
        f"1 where {name[:3]} is taken (shared equally at ties), 0 elsewhere: its derivative.",
    )


def _infer_exclusion(site: Site) -> Type:
    operand = site.types[0]
    order = site.params[0] if isinstance(site.params[0], int) else 1
    if not operand.shape or (operand.rank > 1 and order > 1) or order < 1:
        raise site.clash("prodexcept is of a vector, order 1 or more")
    site.params = (order,)
    return type_of_shape(operand.shape[:-1] + operand.shape[-1:] * order)


def _exclusion(e: Evaluation) -> Array:
    """Each product anew: O(nᵏ⁺¹), with no recurrence to get wrong."""
    order, n = cast(int, e.node.params[0]), e.x.shape[-1]
    result = np.zeros(e.x.shape[:-1] + (n,) * order, dtype=e.x.dtype)
    for index in np.ndindex((n,) * order):
        if len(set(index)) == order:
            rest = [k for k in range(n) if k not in index]
            result[(..., *index)] = np.prod(e.x[..., rest], axis=-1)
    return result


REDUCTIONS = (
    _mask("maxmask", np.max, ops.maxmask),
    _mask("minmask", np.min, ops.minmask),
    Word(
        "prodexcept",
        (_X, Parameter("order", "axis", optional=True)),
        _infer_exclusion,
        _exclusion,
        lambda node, operands: ops.prodexcept(operands[0], cast(int, node.params[0])),
        "For each entry of a vector (or each pair, with order 2) the product of the others.",
    ),
    _reduction(
        "sum", lambda x, k: np.sum(x, axis=k), ops.sum_, "The sum of entries."
    ),
    _reduction(
        "mean", lambda x, k: np.mean(x, axis=k), ops.mean, "The mean of entries."
    ),
    _reduction(
        "prod", lambda x, k: np.prod(x, axis=k), lambda x, k: ops.prod(x, k) if x.ndim else x,
        "The product of entries.",
    ),
    _reduction(
        "max", lambda x, k: np.max(x, axis=k), lambda x, k: ops.max_(x, k) if x.ndim else x,
        "The largest entry; of two arrays, entry by entry, write maximum.", _AXIS_BY_NAME,
    ),
    _reduction(
        "min", lambda x, k: np.min(x, axis=k), lambda x, k: ops.min_(x, k) if x.ndim else x,
        "The smallest entry; of two arrays, entry by entry, write minimum.", _AXIS_BY_NAME,
    ),
    _reduction(
        "norm1", lambda x, k: np.sum(np.abs(x), axis=k),
        lambda x, k: ops.norm1(x, k) if x.ndim else ops.elementwise("abs", x),
        "The sum of absolute values of entries.",
    ),
    _reduction(
        "norm2", lambda x, k: np.sqrt(np.sum(x * x, axis=k)),
        lambda x, k: ops.norm2(x, k) if x.ndim else ops.elementwise("abs", x),
        "The Euclidean norm of entries; the Frobenius norm of a matrix.",
    ),
    _reduction(
        "norminf", lambda x, k: np.max(np.abs(x), axis=k),
        lambda x, k: ops.norminf(x, k) if x.ndim else ops.elementwise("abs", x),
        "The largest absolute value of entries.",
    ),
    _reduction(
        "logsumexp", _logsumexp, lambda x, k: ops.logsumexp(x, k) if x.ndim else x,
        "log(sum(exp(x))), never overflowing.",
    ),
    Word(
        "softmax",
        (_X, _AXIS),
        _infer_softmax,
        lambda e: _softmax(e.x, _axis(e.node)),
        lambda node, operands: ops.softmax(operands[0], _axis(node)),
        "exp(x)/sum(exp(x)) of a vector; of a matrix along an axis, by default the last.",
    ),
)  # fmt: skip

# ---------------------------------------------------------------- square matrices


def _squared(site: Site, *, scalars: bool = True) -> Type:
    """The operand's type, a square matrix (or a scalar, which is 1 by 1)."""
    operand = site.types[0]
    name = _called(site)
    if scalars and not operand.shape:
        return operand
    if operand.orientation != "matrix":
        raise site.clash(f"{name} is of a square matrix")
    site.equal((0, 0), (0, 1), f"{name} needs a square matrix")
    return operand


def _called(site: Site) -> str:
    return str(getattr(site.syntax, "function", "this"))


def _scalar_of_square(site: Site) -> Type:
    _squared(site)
    return SCALAR


def _infer_adj(site: Site) -> Type:
    return _squared(site, scalars=False)


def _infer_matpow(site: Site) -> Type:
    exponent = site.params[0]
    value = Fraction(exponent) if isinstance(exponent, int) else None
    site.params = (integer_power(site, value, f"{site.source(0)}.^k"),)
    return _squared(site)


def _infer_pinv(site: Site) -> Type:
    if site.types[0].orientation != "matrix":
        raise site.clash("pinv is of a matrix")
    return Type("matrix", site.types[0].shape[::-1])


def _infer_solve(site: Site) -> Type:
    matrix, right = site.types
    if matrix.orientation != "matrix" or right.orientation not in ("column", "matrix"):
        raise site.clash("solve(A, b) takes a square matrix and a column or a matrix")
    site.equal((0, 0), (0, 1), "solve needs a square matrix")
    site.equal((0, 1), (1, 0), "solve needs as many equations as right-hand sides")
    return right


def _or_scalar(
    matrix: Callable[..., Any], scalar: Callable[..., Any]
) -> Callable[[Evaluation], Array]:
    return lambda e: matrix(e.x) if np.ndim(e.x) else scalar(e.x)


def _same(x: Array) -> Array:
    return x


def _reciprocal(x: Array) -> Array:
    return 1.0 / x


def _matrix_power(evaluation: Evaluation) -> Array:
    x, exponent = evaluation.x, evaluation.param
    return dense.matrix_power(x, exponent) if np.ndim(x) else x**exponent


def _build_solve(node: Node, operands: Sequence[Expr]) -> Expr:
    return ops.matmul(ops.inv(operands[0]), operands[1])


def _build_matpow(node: Node, operands: Sequence[Expr]) -> Expr:
    exponent = int(str(node.params[0]))
    x = operands[0]
    return ops.matpow(x, exponent) if x.ndim else ops.power(x, Fraction(exponent))


MATRIX_FUNCTIONS = (
    Word(
        "tr", (_A,), _scalar_of_square, _or_scalar(np.trace, _same),
        lambda node, xs: ops.trace(xs[0]) if xs[0].ndim else xs[0],
        "The trace of a square matrix.",
    ),
    Word(
        "det", (_A,), _scalar_of_square, _or_scalar(dense.determinant, _same),
        lambda node, xs: ops.det(xs[0]) if xs[0].ndim else xs[0],
        "The determinant of a square matrix.",
    ),
    Word(
        "logdet", (_A,), _scalar_of_square, _or_scalar(dense.log_determinant, np.log),
        lambda node, xs: ops.logdet(xs[0]) if xs[0].ndim else ops.elementwise("log", xs[0]),
        "The logarithm of the determinant of a square matrix.",
    ),
    Word(
        "inv", (_A,), _squared, _or_scalar(dense.inverse, _reciprocal),
        lambda node, xs: ops.inv(xs[0]) if xs[0].ndim else ops.power(xs[0], Fraction(-1)),
        "The inverse of a square matrix.",
    ),
    Word(
        "pinv", (_A,), _infer_pinv, lambda e: dense.pseudo_inverse(e.x),
        lambda node, xs: ops.pinv(xs[0]),
        "The Moore-Penrose pseudo-inverse of a matrix.",
    ),
    Word(
        "adj", (_A,), _infer_adj, lambda e: dense.adjugate(e.x), lambda node, xs: ops.adj(xs[0]),
        "The adjugate of a square matrix.",
    ),
    Word(
        "matpow", (_A, Parameter("k", "integer")), _infer_matpow,
        _matrix_power,
        _build_matpow,
        "An integer power of a square matrix, also written A^k.",
    ),
    Word(
        "solve", (_A, Parameter("b")), _infer_solve,
        lambda e: dense.solve(e.x, e.y), _build_solve,
        "The x with A*x = b, that is inv(A)*b.",
    ),
)  # fmt: skip

# ---------------------------------------------------------------- vectors and matrices


def _infer_diag(site: Site) -> Type:
    operand = site.types[0]
    if operand.is_vector:
        return Type("matrix", operand.shape * 2)
    if operand.orientation != "matrix":
        raise site.clash("diag is of a vector or a square matrix")
    site.equal((0, 0), (0, 1), "diag needs a vector or a square matrix")
    return Type("column", operand.shape[:1])


def _infer_vec(site: Site) -> Type:
    operand = site.types[0]
    if operand.is_vector:
        return Type("column", operand.shape)
    if operand.orientation != "matrix":
        raise site.clash("vec is of a matrix")
    return Type("column", (operand.shape[0] * operand.shape[1],))


def _infer_kron(site: Site) -> Type:
    left, right = site.types
    if left.orientation != right.orientation or left.rank not in (1, 2):
        raise site.clash("kron is of two matrices, two columns or two rows")
    pairs = zip(left.shape, right.shape, strict=True)
    return Type(left.orientation, tuple(m * p for m, p in pairs))


def _kronecker(evaluation: Evaluation) -> Array:
    return cast(Any, np).kron(evaluation.x, evaluation.y)


def _infer_dot(site: Site) -> Type:
    if not all(t.is_vector for t in site.types):
        raise site.clash("dot is of two vectors", "For matrices write A*B or sum(A.*B)")
    site.equal((0, 0), (1, 0), "dot needs equal sizes")
    return SCALAR


def _infer_outer(site: Site) -> Type:
    left, right = site.types
    if not (left.is_vector and right.is_vector):
        raise site.clash("outer is of two vectors", "For matrices write kron(A, B)")
    return Type("matrix", left.shape + right.shape)


SHAPERS = (
    Word(
        "diag", (_X,), _infer_diag, lambda e: np.diag(e.x),
        lambda node, xs: ops.diag(xs[0]) if xs[0].ndim == 1 else ops.diagonal(xs[0]),
        "The diagonal matrix of a vector, or the diagonal of a square matrix.",
    ),
    Word(
        "vec", (_A,), _infer_vec, lambda e: e.x.reshape(-1, order="F"),
        lambda node, xs: ops.vec(xs[0]) if xs[0].ndim == 2 else xs[0],
        "The columns of a matrix, one below the other.",
    ),
    Word(
        "kron", (_A, Parameter("B")), _infer_kron, _kronecker,
        lambda node, xs: ops.kron(xs[0], xs[1]),
        "The Kronecker product of two matrices, or of two vectors.",
    ),
    Word(
        "dot", (_X, Parameter("y")), _infer_dot, lambda e: e.x @ e.y,
        lambda node, xs: ops.matmul(xs[0], xs[1]),
        "The inner product of two vectors.",
    ),
    Word(
        "outer", (_X, Parameter("y")), _infer_outer, lambda e: np.outer(e.x, e.y),
        lambda node, xs: ops.outer(xs[0], xs[1]),
        "The outer product of two vectors.",
    ),
)  # fmt: skip

# ---------------------------------------------------------------- arrays of one value


def _sizes(site: Site, rank: int) -> tuple[Size, ...]:
    """The sizes given as arguments, and unknown ones for the rest."""
    given = [site.sized(p) for p in site.params if isinstance(p, int | str)]
    site.params = ()
    if given and len(given) < rank:
        raise site.fail(f"{_called(site)} takes all sizes or none")
    return tuple(given) or tuple(site.solver.fresh() for _ in range(rank))


def _infer_filled(rank: int) -> Callable[[Site], Type]:
    def infer(site: Site) -> Type:
        if site.types[0].shape:
            raise site.clash(f"{_called(site)} fills with a scalar")
        return type_of_shape(_sizes(site, rank))

    return infer


def _infer_eye(site: Site) -> Type:
    (size,) = _sizes(site, 1)
    return Type("matrix", (size, size))


def _build_filled(node: Node, operands: Sequence[Expr]) -> Expr:
    return ops.broadcast(operands[0], node.shape)


CONSTRUCTORS = (
    PI,
    Word(
        "vector", (Parameter("c"), _NAMED_SIZE[1]), _infer_filled(1),
        lambda e: np.full(e.shape, e.x), _build_filled,
        "A column whose entries are all c; its size comes from use unless given.",
    ),
    Word(
        "matrix", (Parameter("c"), *_NAMED_SIZE), _infer_filled(2),
        lambda e: np.full(e.shape, e.x), _build_filled,
        "A matrix whose entries are all c; its sizes come from use unless given.",
    ),
    Word(
        "eye", (_NAMED_SIZE[1],), _infer_eye, lambda e: np.eye(e.shape[0], dtype=e.dtype),
        lambda node, operands: ops.identity(node.shape[0]),
        "The identity matrix; its size comes from use unless given.", bare=True,
    ),
)  # fmt: skip

# ---------------------------------------------------------------- einsum


def _infer_einsum(site: Site) -> Type:
    text = str(site.params[0])
    inputs, arrow, out = text.replace(" ", "").partition("->")
    terms = inputs.split(",")
    letters = "".join(terms)
    if not (letters + out).isascii() or not all(t.isalpha() or not t for t in (*terms, out)):
        raise site.fail('the subscripts of einsum are letters, as in "ijk,k->ij"')
    if len(terms) != len(site.types):
        raise site.fail(
            f'"{text}" has subscripts for {len(terms)} operands; einsum gets {len(site.types)}'
        )
    if not arrow:
        out = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    _check_output(site, letters, out)
    sizes = _einsum_sizes(site, terms)
    site.params = (f"{inputs}->{out}",)
    return type_of_shape(tuple(sizes[c] for c in out))


def _check_output(site: Site, letters: str, out: str) -> None:
    for letter in out:
        if letter not in letters:
            raise site.fail(f"the output's subscript {letter} is in no operand of einsum")
        if out.count(letter) > 1:
            raise site.fail(
                f"the output's subscript {letter} is there twice; for a diagonal matrix write diag"
            )


def _einsum_sizes(site: Site, terms: Sequence[str]) -> dict[str, Size]:
    """Each subscript's size, after unification."""
    first: dict[str, tuple[int, int]] = {}
    for k, (term, operand) in enumerate(zip(terms, site.types, strict=True)):
        if len(term) != operand.rank:
            raise site.clash(
                f'"{term}" has {len(term)} subscripts for {site.source(k)} of rank {operand.rank}'
            )
        for axis, letter in enumerate(term):
            rule = f"einsum needs one size for the subscript {letter}"
            site.equal(first.setdefault(letter, (k, axis)), (k, axis), rule)
    return {letter: site.types[k].shape[axis] for letter, (k, axis) in first.items()}


def _build_einsum(node: Node, operands: Sequence[Expr]) -> Expr:
    return ops.einsum(str(node.params[0]), *operands)


EINSUM = Word(
    "einsum",
    (Parameter("subscripts", "text"), Parameter("x", many=True)),
    _infer_einsum,
    lambda e: np.einsum(e.param, *e.arrays),
    _build_einsum,
    "Einstein summation over arrays of any rank, with subscripts as in NumPy.",
)

# ---------------------------------------------------------------- polygamma


def _infer_polygamma(site: Site) -> Type:
    order = site.params[0]
    if not isinstance(order, int) or order < 0:
        raise site.fail("the order of polygamma is 0 or a positive integer")
    return site.types[0]


def _polygamma(evaluation: Evaluation) -> Array:
    return cast(Any, special).polygamma(evaluation.param, evaluation.x)


POLYGAMMA = Word(
    "polygamma",
    (Parameter("k", "integer"), _X),
    _infer_polygamma,
    _polygamma,
    lambda node, operands: polygamma(int(str(node.params[0])), operands[0]),
    "The derivative of order k of digamma.",
)

FUNCTIONS = (*REDUCTIONS, *MATRIX_FUNCTIONS, *SHAPERS, *CONSTRUCTORS, EINSUM, POLYGAMMA)
