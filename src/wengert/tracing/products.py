"""NumPy's products and linear algebra on traced arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import opt_einsum

from wengert.errors import ShapeError
from wengert.expr import Expr
from wengert.operations import (
    apply,
    cholesky,
    contract,
    eig,
    eigh,
    eigvals,
    eigvalsh,
    lstsq,
    matrix_norm,
    matrix_power,
    qr,
    reshape,
    slogdet,
    solve,
    svd,
    svdvals,
    vector_norm,
)
from wengert.primitive import registry
from wengert.tracing.array import TracedArray
from wengert.tracing.dispatch import entrywise, implements, unsupported
from wengert.tracing.lifting import labels_in, lift, trace_of
from wengert.tracing.reducing import axes_of, float_dtype, real_of, restored, traced
from wengert.tracing.trace import where as place


def _operands(*values: Any) -> tuple[Any, list[Expr], Any]:
    trace = trace_of(*values)
    dtypes = [v.dtype if hasattr(v, "dtype") else np.asarray(v).dtype for v in values]
    dtype = np.result_type(*dtypes)
    return (
        trace,
        [lift(trace, v, "real") for v in values],
        (dtype if dtype.kind == "f" else np.dtype(float)),
    )


@implements(np.matmul, np.linalg.matmul)
def _matmul(a: Any, b: Any, **kwargs: Any) -> Any:
    trace, (x, y), dtype = _operands(a, b)
    if not x.ndim or not y.ndim:
        raise ShapeError(f"{place()}: @ takes no scalars; use *")
    if x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        raise ShapeError(f"{place()}: cannot multiply shapes {x.shape} and {y.shape}")
    batch: Any = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])  # pyright: ignore
    n = len(batch)
    fresh = n + 3
    left, fresh = labels_in(x.shape[:-2], batch, fresh)  # pyright: ignore
    right, fresh = labels_in(y.shape[:-2], batch, fresh)  # pyright: ignore
    left += (n, n + 1) if x.ndim > 1 else (n + 1,)
    right += (n + 1, n + 2) if y.ndim > 1 else (n + 1,)
    out = (*range(n), *((n,) if x.ndim > 1 else ()), *((n + 2,) if y.ndim > 1 else ()))
    sizes = dict(enumerate(batch))
    return TracedArray(contract([x, y], [left, right], out, sizes=sizes), trace, dtype)


entrywise.add(np.matmul)


@implements(np.matvec)
def _matvec(a: Any, b: Any, **kwargs: Any) -> Any:
    return np.matmul(a, b[..., None])[..., 0]


@implements(np.vecmat)
def _vecmat(a: Any, b: Any, **kwargs: Any) -> Any:
    return np.matmul(a[..., None, :], b)[..., 0, :]


@implements(np.dot)
def _dot(a: Any, b: Any, out: Any = None) -> Any:
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b)
    return np.tensordot(a, b, axes=([-1], [-2 if np.ndim(b) > 1 else 0]))


@implements(np.inner)
def _inner(a: Any, b: Any, /) -> Any:
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b)
    return np.tensordot(a, b, axes=([-1], [-1]))


@implements(np.vdot)
def _vdot(a: Any, b: Any, /) -> Any:
    return np.dot(np.ravel(a), np.ravel(b))


@implements(np.linalg.vecdot, np.vecdot)
def _vecdot(a: Any, b: Any, /, *, axis: int = -1, **kwargs: Any) -> Any:
    return np.sum(a * b, axis=axis)


@implements(np.outer, np.linalg.outer)
def _outer(a: Any, b: Any, /, out: Any = None) -> Any:
    return np.ravel(a)[:, None] * np.ravel(b)[None, :]


@implements(np.tensordot, np.linalg.tensordot)
def _tensordot(a: Any, b: Any, /, axes: Any = 2) -> Any:
    trace, (x, y), dtype = _operands(a, b)
    if isinstance(axes, int | np.integer):
        k = int(axes)
        first, second = list(range(x.ndim - k, x.ndim)), list(range(k))
    else:
        first = [int(i) % x.ndim for i in np.atleast_1d(axes[0])]
        second = [int(i) % y.ndim for i in np.atleast_1d(axes[1])]
    if [x.shape[i] for i in first] != [y.shape[j] for j in second]:
        raise ShapeError(f"{place()}: shapes {x.shape} and {y.shape} do not fit for axes {axes}")
    left = list(range(x.ndim))
    right = [x.ndim + j for j in range(y.ndim)]
    for i, j in zip(first, second, strict=True):
        right[j] = left[i]
    out = [i for k, i in enumerate(left) if k not in first]
    out += [j for k, j in enumerate(right) if k not in second]
    return TracedArray(contract([x, y], [left, right], out), trace, dtype)


@implements(np.einsum)
def _einsum(*operands: Any, out: Any = None, optimize: Any = False, **kwargs: Any) -> Any:
    given = list(operands)
    shapes = [np.broadcast_to(0, np.shape(o)) if not isinstance(o, str | list | tuple) else o
              for o in given]  # fmt: skip
    # this parser knows ellipses, lists and implicit outputs
    inputs, output, _ = opt_einsum.parser.parse_einsum_input(shapes)
    arrays = given[1:] if isinstance(given[0], str) else given[: 2 * (len(given) // 2) : 2]
    trace, exprs, dtype = _operands(*arrays)
    terms = inputs.split(",")
    known: dict[str, int] = {}
    for term, e in zip(terms, exprs, strict=True):
        for letter, size in zip(term, e.shape, strict=True):
            if size != 1 or letter not in known:  # size 1 is stretched, also to 0
                known[letter] = int(size)  # pyright: ignore
    letters = {c: k for k, c in enumerate(dict.fromkeys("".join(terms)))}
    fresh = len(letters)
    labels: list[tuple[int, ...]] = []
    for term, e in zip(terms, exprs, strict=True):
        axes: list[int] = []
        for c, size in zip(term, e.shape, strict=True):
            if size == known[c]:
                axes.append(letters[c])
            else:
                axes.append(fresh)
                fresh += 1
        labels.append(tuple(axes))
    sizes = {letters[c]: s for c, s in known.items()}
    found = contract(exprs, labels, [letters[c] for c in output], sizes=sizes)
    wanted = kwargs.get("dtype")
    if wanted is not None and np.dtype(wanted).kind != "f":
        raise unsupported(np.einsum, f"dtype={wanted} has no derivative")
    return TracedArray(found, trace, dtype if wanted is None else np.dtype(wanted))


@implements(np.kron)
def _kron(a: Any, b: Any) -> Any:
    trace, (x, y), dtype = _operands(a, b)
    n = max(x.ndim, y.ndim)
    x = reshape(x, (1,) * (n - x.ndim) + x.shape) if x.ndim < n else x
    y = reshape(y, (1,) * (n - y.ndim) + y.shape) if y.ndim < n else y
    pairs = contract([x, y], [range(0, 2 * n, 2), range(1, 2 * n, 2)], range(2 * n))
    shape: Any = tuple(p * q for p, q in zip(x.shape, y.shape, strict=True))
    return TracedArray(reshape(pairs, shape), trace, dtype)


@implements(np.linalg.trace)
def _trace_of_matrix(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return np.trace(x, offset, -2, -1)


@implements(np.trace)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None,
           out: Any = None) -> Any:  # fmt: skip
    x = traced(a)
    if offset or x.shape[axis1] != x.shape[axis2]:
        return np.sum(np.diagonal(x, offset, axis1, axis2), axis=-1)
    moved = np.moveaxis(x, (axis1, axis2), (-2, -1))
    lead = tuple(range(x.ndim - 2))
    total = contract([moved.expr], [(*lead, x.ndim, x.ndim)], lead)
    return TracedArray(total, x.run, float_dtype(x))


@implements(np.cross, np.linalg.cross)
def _cross(
    a: Any, b: Any, /, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(a, axisa, -1), np.moveaxis(b, axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ShapeError(
            f"{place()}: np.cross takes vectors with 3 entries; with 2 entries it is "
            "a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]"
        )
    i, j = np.array([1, 2, 0]), np.array([2, 0, 1])
    return np.moveaxis(a[..., i] * b[..., j] - a[..., j] * b[..., i], -1, axisc)


# ---------------------------------------------------------------- linear algebra


def _square(x: TracedArray, name: str) -> TracedArray:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{place()}: {name} takes square matrices; this array has shape {x.shape}")
    return x


def _of_matrix(name: str, a: Any) -> Any:
    x = _square(traced(a), name)
    return TracedArray(apply(registry[name], x.expr), x.run, float_dtype(x))


@implements(np.linalg.inv)
def _inv(a: Any) -> Any:
    return _of_matrix("inv", a)


@implements(np.linalg.det)
def _det(a: Any) -> Any:
    return _of_matrix("det", a)


@implements(np.linalg.pinv)
def _pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    x = traced(a)
    return TracedArray(apply(registry["pinv"], x.expr), x.run, float_dtype(x))


@implements(np.linalg.slogdet)
def _slogdet(a: Any) -> Any:
    x = _square(traced(a), "slogdet")
    kind = type(np.linalg.slogdet(np.eye(1)))
    return kind(*(TracedArray(e, x.run, float_dtype(x)) for e in slogdet(x.expr)))


@implements(np.linalg.solve)
def _solve(a: Any, b: Any) -> Any:
    trace, (x, y), dtype = _operands(a, b)
    return TracedArray(solve(x, y), trace, dtype)


@implements(np.linalg.lstsq)
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    trace, (x, y), dtype = _operands(a, b)
    found = TracedArray(lstsq(x, y), trace, dtype)
    m, n = x.shape
    gap = TracedArray(y, trace, dtype) - TracedArray(x, trace, dtype) @ found
    residuals = np.atleast_1d(np.sum(gap**2, axis=0)) if m > n else np.zeros(0)  # pyright: ignore
    return found, residuals, min(m, n), np.linalg.svd(a, compute_uv=False)  # pyright: ignore


@implements(np.linalg.cholesky)
def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    x = _square(traced(a), "cholesky")
    low = TracedArray(cholesky(x.expr), x.run, float_dtype(x))
    return np.swapaxes(low, -1, -2) if upper else low


@implements(np.linalg.qr)
def _qr(a: Any, mode: str = "reduced") -> Any:
    x = traced(a)
    if mode not in ("reduced", "r"):
        raise unsupported(np.linalg.qr, f"mode={mode!r} is not supported; use 'reduced'")
    q, r = (TracedArray(e, x.run, float_dtype(x)) for e in qr(x.expr))
    return r if mode == "r" else type(np.linalg.qr(np.eye(1)))(q, r)


def _symmetric(a: Any, name: str, lower: bool) -> TracedArray:
    """The matrix whose other triangle is not read, made symmetric from the one that is."""
    x = _square(traced(a), name)
    half = np.tril(x, -1) if lower else np.triu(x, 1)
    diagonal = x - np.tril(x, -1) - np.triu(x, 1)
    return half + np.swapaxes(half, -1, -2) + diagonal


def _is_lower(triangle: str) -> bool:
    if triangle.upper() not in ("L", "U"):
        raise ValueError(f"{place()}: UPLO must be 'L' or 'U', not {triangle!r}")
    return triangle.upper() == "L"


@implements(np.linalg.eigh)
def _eigh(a: Any, UPLO: str = "L") -> Any:
    lower = _is_lower(UPLO)
    x = _symmetric(a, "eigh", lower)
    parts = (TracedArray(e, x.run, float_dtype(x)) for e in eigh(x.expr, upper=not lower))
    return type(np.linalg.eigh(np.eye(1)))(*parts)


@implements(np.linalg.eigvalsh)
def _eigvalsh(a: Any, UPLO: str = "L") -> Any:
    x = _symmetric(a, "eigvalsh", _is_lower(UPLO))
    return TracedArray(eigvalsh(x.expr), x.run, float_dtype(x))


@implements(np.linalg.eig)
def _eig(a: Any) -> Any:
    x = _square(traced(a), "eig")
    parts = (TracedArray(e, x.run, float_dtype(x)) for e in eig(real_of(x)))
    return type(np.linalg.eig(np.eye(1)))(*parts)


@implements(np.linalg.eigvals)
def _eigvals(a: Any) -> Any:
    x = _square(traced(a), "eigvals")
    return TracedArray(eigvals(real_of(x)), x.run, float_dtype(x))


@implements(np.linalg.svd)
def _svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    x = traced(a)
    if not compute_uv:
        return TracedArray(svdvals(x.expr), x.run, float_dtype(x))
    if full_matrices and x.shape[-1] != x.shape[-2]:
        raise unsupported(np.linalg.svd, "use full_matrices=False: the other columns are arbitrary")
    parts = (TracedArray(e, x.run, float_dtype(x)) for e in svd(x.expr))
    return type(np.linalg.svd(np.eye(1)))(*parts)


@implements(np.linalg.svdvals)
def _svdvals(x: Any, /) -> Any:
    return np.linalg.svd(x, compute_uv=False)


@implements(np.linalg.matrix_power)
def _matrix_power(a: Any, n: int) -> Any:
    x = _square(traced(a), "matrix_power")
    return TracedArray(matrix_power(x.expr, int(n)), x.run, float_dtype(x))


@implements(np.linalg.multi_dot)
def _multi_dot(arrays: Any, *, out: Any = None) -> Any:
    found, *rest = arrays
    for a in rest:
        found = np.dot(found, a)
    return found


@implements(np.linalg.tensorsolve)
def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    x, right = traced(a), traced(b)
    if axes is not None:
        last = [int(k) % x.ndim for k in axes]
        x = np.transpose(x, [*(k for k in range(x.ndim) if k not in last), *last])
    shape = x.shape[right.ndim :]
    matrix = np.reshape(x, (right.size, int(np.prod(shape))))
    return np.reshape(np.linalg.solve(matrix, np.ravel(right)), shape)


@implements(np.linalg.tensorinv)
def _tensorinv(a: Any, ind: int = 2) -> Any:
    x = traced(a)
    rows = int(np.prod(x.shape[:ind]))
    inverse = np.linalg.inv(np.reshape(x, (rows, -1)))
    return np.reshape(inverse, x.shape[ind:] + x.shape[:ind])


@implements(np.linalg.matrix_rank)
def _matrix_rank(A: Any, *args: Any, **kwargs: Any) -> Any:
    """A whole number, by the values."""
    return np.linalg.matrix_rank(traced(A).value, *args, **kwargs)


@implements(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    a = traced(x)
    if axis is None and ord is None:
        flat = vector_norm(reshape(a.expr, (a.size,)) if a.ndim != 1 else a.expr, 2)
        found = restored(flat, tuple(range(a.ndim)), a.ndim, keepdims)
        return TracedArray(found, a.run, float_dtype(a))
    axes = (
        tuple(range(a.ndim))
        if axis is None
        else (
            tuple(int(k) % a.ndim for k in axis)
            if isinstance(axis, tuple | list)
            else axes_of(a, axis)
        )
    )
    rest = [k for k in range(a.ndim) if k not in axes]
    moved = np.transpose(a, (*rest, *axes)).expr
    if len(axes) == 1:
        found = vector_norm(moved, 2 if ord is None else ord)
    elif len(axes) == 2:
        found = matrix_norm(moved, "fro" if ord is None else ord)
    else:
        raise ShapeError(f"{place()}: np.linalg.norm takes one or two axes, not {axes}")
    return TracedArray(restored(found, axes, a.ndim, keepdims), a.run, float_dtype(a))


@implements(np.linalg.vector_norm)
def _vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    a = traced(x)
    axes = axes_of(a, axis)
    rest = [k for k in range(a.ndim) if k not in axes]
    count = int(np.prod([a.shape[k] for k in axes]))
    flat = np.reshape(np.transpose(a, (*rest, *axes)), (*(a.shape[k] for k in rest), count))
    found = np.linalg.norm(flat, ord=ord, axis=-1)
    return TracedArray(restored(found.expr, axes, a.ndim, keepdims), a.run, found.dtype)


@implements(np.linalg.matrix_norm)
def _matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return np.linalg.norm(x, ord=ord, axis=(-2, -1), keepdims=keepdims)


@implements(np.linalg.cond)
def _cond(x: Any, p: Any = None) -> Any:
    if p in (None, 2):
        s = np.linalg.svd(x, compute_uv=False)
        return s[..., 0] / s[..., -1]
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, axis=(-2, -1))
