"""SciPy's special functions and linear algebra that are written in Python, on traced arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.special

from wengert.errors import ShapeError
from wengert.operations import (
    block_diag,
    expm,
    lambertw,
    logm,
    multigammaln,
    polygamma,
    solve,
    solve_sylvester,
    sqrtm,
    zeta,
)
from wengert.tracing.array import TracedArray
from wengert.tracing.dispatch import unsupported
from wengert.tracing.lifting import holds_traced, lift, spread, trace_of
from wengert.tracing.reducing import float_dtype, log_soft_max, log_sum_exp, soft_max, traced
from wengert.tracing.replacing import version_of, versions
from wengert.tracing.trace import where as place


def _real(*values: Any) -> tuple[Any, list[Any], Any]:
    """The trace, the expressions and the dtype of real operands."""
    trace = trace_of(*values, *(v for u in values if isinstance(u, list | tuple) for v in u))
    arrays = [traced(v) if holds_traced(v) else np.asarray(v) for v in values]
    dtype = np.result_type(*(a.dtype for a in arrays))
    return (
        trace,
        [lift(trace, a, "real") for a in arrays],
        (dtype if dtype.kind == "f" else np.dtype(float)),
    )


# ---------------------------------------------------------------- scipy.special

versions["scipy.special"].update(logsumexp=log_sum_exp, softmax=soft_max, log_softmax=log_soft_max)


@version_of("scipy.special", "multigammaln")
def _multigammaln(a: Any, d: Any) -> Any:
    x = traced(a)
    return TracedArray(multigammaln(lift(x.run, x, "real"), int(d)), x.run, float_dtype(x))


@version_of("scipy.special", "polygamma")
def _polygamma(n: Any, x: Any) -> Any:
    at = traced(x)
    if holds_traced(n) or np.ndim(n):
        raise unsupported(scipy.special.polygamma, "the order must be one integer")
    return TracedArray(polygamma(int(n), lift(at.run, at, "real")), at.run, float_dtype(at))


@version_of("scipy.special", "zeta")
def _zeta(x: Any, q: Any = None, out: Any = None) -> Any:
    trace, operands, dtype = _real(x, 1.0 if q is None else q)
    return TracedArray(zeta(*spread(*operands)), trace, dtype)


@version_of("scipy.special", "lambertw")
def _lambertw(z: Any, k: Any = 0, tol: float = 1e-8) -> Any:
    """The real branches, as real numbers (SciPy gives complex ones)."""
    x = traced(z)
    return TracedArray(lambertw(lift(x.run, x, "real"), int(k)), x.run, float_dtype(x))


@version_of("scipy.special", "comb")
def _comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:
    return scipy.special.binom(N + k - 1 if repetition else N, k)


@version_of("scipy.special", "factorial")
def _factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    return scipy.special.gamma(n + 1.0)


@version_of("scipy.special", "softplus")
def _softplus(x: Any, **kwargs: Any) -> Any:
    return np.logaddexp(0.0, x)


# ---------------------------------------------------------------- scipy.linalg


def _through_numpy(name: str, function: Any, *options: str) -> None:
    """A function that NumPy has too; what SciPy lets one choose besides must be left alone."""

    def implementation(a: Any, *args: Any, **kwargs: Any) -> Any:
        for key in ("overwrite_a", "overwrite_b", "check_finite"):
            kwargs.pop(key, None)
        unknown = [k for k in kwargs if k not in options]
        if unknown:
            raise unsupported(getattr(scipy.linalg, name), f"{unknown[0]}= is not supported")
        return function(a, *args, **kwargs)

    versions["scipy.linalg"][name] = implementation


_through_numpy("inv", lambda a: np.linalg.inv(traced(a)))
_through_numpy("det", lambda a: np.linalg.det(traced(a)))
_through_numpy("pinv", lambda a: np.linalg.pinv(traced(a)))
_through_numpy("svdvals", lambda a: np.linalg.svd(traced(a), compute_uv=False))
_through_numpy("lstsq", np.linalg.lstsq)
_through_numpy(
    "norm",
    lambda a, ord=None, axis=None, keepdims=False: np.linalg.norm(traced(a), ord, axis, keepdims),
    "ord",
    "axis",
    "keepdims",
)
_through_numpy(
    "svd",
    lambda a, full_matrices=True, compute_uv=True: np.linalg.svd(
        traced(a), full_matrices, compute_uv
    ),
    "full_matrices",
    "compute_uv",
)


@version_of("scipy.linalg", "eigh")
def _eigh(a: Any, b: Any = None, *, lower: bool = True, eigvals_only: bool = False,
          overwrite_a: Any = False, overwrite_b: Any = False, type: int = 1,
          check_finite: bool = True, subset_by_index: Any = None, subset_by_value: Any = None,
          driver: Any = None) -> Any:  # fmt: skip
    if b is not None or subset_by_value is not None:
        raise unsupported(scipy.linalg.eigh, "b= and subset_by_value= are not supported; for "
                          "A v = λ B v use L⁻¹ A L⁻ᵀ with L = cholesky(B)")  # fmt: skip
    triangle = "L" if lower else "U"
    first, last = (0, None) if subset_by_index is None else map(int, subset_by_index)
    chosen = slice(first, None if last is None else last + 1)
    if eigvals_only:
        return np.linalg.eigvalsh(a, triangle)[..., chosen]
    w, v = np.linalg.eigh(a, triangle)
    return w[..., chosen], v[..., chosen]


@version_of("scipy.linalg", "eigvalsh")
def _eigvalsh(a: Any, b: Any = None, **kwargs: Any) -> Any:
    return _eigh(a, b, eigvals_only=True, **kwargs)


@version_of("scipy.linalg", "cholesky")
def _cholesky(
    a: Any, lower: bool = False, overwrite_a: Any = False, check_finite: Any = True
) -> Any:
    """SciPy reads the triangle that it gives."""
    x = traced(a)
    if lower:
        return np.linalg.cholesky(x)
    return np.swapaxes(np.linalg.cholesky(np.swapaxes(x, -1, -2)), -1, -2)


@version_of("scipy.linalg", "cho_factor")
def _cho_factor(
    a: Any, lower: bool = False, overwrite_a: Any = False, check_finite: Any = True
) -> Any:
    """With zeros in the other triangle, which SciPy leaves undefined."""
    return _cholesky(a, lower), lower


@version_of("scipy.linalg", "cho_solve")
def _cho_solve(c_and_lower: Any, b: Any, overwrite_b: Any = False, check_finite: Any = True) -> Any:
    c, lower = c_and_lower
    first = _solve_triangular(c, b, trans=0 if lower else 1, lower=lower)
    return _solve_triangular(c, first, trans=1 if lower else 0, lower=lower)


@version_of("scipy.linalg", "solve_triangular")
def _solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False,
                      unit_diagonal: bool = False, overwrite_b: Any = False,
                      check_finite: Any = True) -> Any:  # fmt: skip
    trace, (x, y), dtype = _real(a, b)
    kind = ("unit " if unit_diagonal else "") + ("lower" if lower else "upper")
    return TracedArray(solve(x, y, kind, turned=trans in (1, 2, "T", "C")), trace, dtype)


@version_of("scipy.linalg", "solve")
def _solve(a: Any, b: Any, lower: bool = False, overwrite_a: Any = False, overwrite_b: Any = False,
           check_finite: Any = True, assume_a: Any = None,
           transposed: bool = False) -> Any:  # fmt: skip
    trace, (x, y), dtype = _real(a, b)
    turned = bool(transposed)
    if assume_a in ("pos", "positive definite"):
        full = traced(TracedArray(x, trace, dtype))
        x = (full if lower else np.swapaxes(full, -1, -2)).expr
        return TracedArray(solve(x, y, "positive"), trace, dtype)
    if assume_a in ("lower triangular", "upper triangular"):
        return TracedArray(solve(x, y, assume_a.split()[0], turned=turned), trace, dtype)
    return TracedArray(solve(x, y, turned=turned), trace, dtype)


@version_of("scipy.linalg", "solve_banded")
def _solve_banded(l_and_u: Any, ab: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
    """Through the full matrix: entry (i, j) is in row u + i - j of the bands."""
    low, up = map(int, l_and_u)
    bands = traced(ab) if holds_traced(ab) else np.asarray(ab)
    n = bands.shape[-1]
    rows = up + np.arange(n)[:, None] - np.arange(n)[None, :]
    inside = (rows >= 0) & (rows <= low + up)
    picked = bands[np.clip(rows, 0, low + up), np.arange(n)[None, :]]
    return np.linalg.solve(np.where(inside, picked, 0.0), b)


@version_of("scipy.linalg", "qr")
def _qr(a: Any, overwrite_a: Any = False, lwork: Any = None, mode: str = "full",
        pivoting: bool = False, check_finite: Any = True) -> Any:  # fmt: skip
    x = traced(a)
    if pivoting or mode == "raw" or (mode == "full" and x.shape[-2] > x.shape[-1]):
        raise unsupported(scipy.linalg.qr, "use mode='economic' without pivoting")
    if mode == "r":
        return (np.linalg.qr(x, mode="r"),)
    return tuple(np.linalg.qr(x))


def _of_square(name: str, operation: Callable[[Any], Any]) -> None:
    def implementation(A: Any, *args: Any, **kwargs: Any) -> Any:
        x = traced(A)
        if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
            raise ShapeError(f"{place()}: {name} takes square matrices; the shape is {x.shape}")
        return TracedArray(operation(lift(x.run, x, "real")), x.run, float_dtype(x))

    versions["scipy.linalg"][name] = implementation


_of_square("expm", expm)
_of_square("logm", logm)
_of_square("sqrtm", sqrtm)


@version_of("scipy.linalg", "block_diag")
def _block_diag(*arrs: Any) -> Any:
    trace, blocks, dtype = _real(*(np.atleast_2d(a) for a in arrs))
    return TracedArray(block_diag(*blocks), trace, dtype)


@version_of("scipy.linalg", "solve_sylvester")
def _solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    trace, operands, dtype = _real(a, b, q)
    return TracedArray(solve_sylvester(*operands), trace, dtype)


@version_of("scipy.linalg", "toeplitz")
def _toeplitz(c: Any, r: Any = None) -> Any:
    column = np.ravel(c)
    row = column if r is None else np.ravel(r)
    m, n = np.size(column), np.size(row)
    joined = np.concatenate([column[::-1], row[1:]])
    return joined[m - 1 - np.arange(m)[:, None] + np.arange(n)[None, :]]


@version_of("scipy.linalg", "circulant")
def _circulant(c: Any) -> Any:
    n = np.size(c)
    return np.ravel(c)[(np.arange(n)[:, None] - np.arange(n)[None, :]) % n]
