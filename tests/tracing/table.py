"""Every NumPy function that has a traced version, in use."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracing.support import Row

V, M, N, T = (3,), (2, 3), (3, 2), (2, 1, 2)
SPD, SQUARE, POSITIVE = ("spd", 2, 2), ("square", 2, 2), ("positive", 3)
MASK = np.array([[True, False, True], [False, True, True]])


def row(key: Any, call: Any, *operands: tuple[Any, ...]) -> Row:
    """A row on vectors of size 3, if nothing else is said."""
    return Row(key, call, operands or (V,))


def same(key: Any, *operands: tuple[Any, ...]) -> Row:
    """The function itself."""
    return Row(key, key, operands or (V,))


BASIC = [
    *(same(u, *o) for u in (np.add, np.subtract, np.multiply, np.divide)
      for o in ((V, V), (M, V), ((), M), (T, N))),
    *(same(u) for u in (np.negative, np.positive, np.square, np.reciprocal, np.conjugate)),
    same(np.sqrt, POSITIVE),
    same(np.power, POSITIVE, V),
    row(np.power, lambda x: x**3 + x**-1),
    same(np.float_power, POSITIVE, V),
    row(np.where, lambda a, b: np.where(MASK, a, b), M, V),
    row(np.where, lambda a: np.where(a > 0, a * a, 0.0), M),
    row(np.clip, lambda x: np.clip(x, -0.9, 0.8), M),
    row(np.clip, lambda x: np.clip(x, None, 0.8)),
    same(np.nan_to_num),
    same(np.real),
    same(np.real_if_close),
    same(np.imag),
    same(np.angle),
    same(np.sinc),
    same(np.i0),
    row("astype", lambda x: (x * x).astype(np.float32).astype(float).shape[0] * x),
    row("astype", lambda x: x * (3 * x).astype(int)),
    row("astype", lambda x: x * x.astype(bool)),
    row(np.zeros_like, lambda x: np.zeros_like(x) + x),
    row(np.empty_like, lambda x: np.empty_like(x).shape[0] * x),
    row(np.ones_like, lambda x: np.ones_like(x) + x),
    row(np.full_like, lambda x: np.full_like(x, 2.5) * x),
    row(np.shape, lambda x: np.shape(x)[1] * x, M),
    row(np.ndim, lambda x: np.ndim(x) * x, M),
    row(np.size, lambda x: np.size(x) * np.size(x, 0) * x, M),
    row(np.iscomplexobj, lambda x: np.iscomplexobj(x) * x),
    row(np.isrealobj, lambda x: np.isrealobj(x) * x),
    row(np.isreal, lambda x: np.isreal(x) * x),
    row(np.iscomplex, lambda x: np.iscomplex(x) * x),
    row(np.isclose, lambda x: np.isclose(x, x + 1e-12) * x),
    row(np.allclose, lambda x: np.allclose(x, x + 1.0) * x + x),
    row(np.array_equal, lambda x: np.array_equal(x, 1.0 * x) * x),
    row(np.result_type, lambda x: x * np.ones(3, np.result_type(x, np.float32))),
    row(np.logical_not, lambda x: np.logical_not(x > 0) * x),
    row(np.bitwise_and, lambda x: ((x > 0) & (x < 1)) * x),
    row(np.bitwise_or, lambda x: ((x < 0.5) | (x > 1)) * x),
    row(np.bitwise_xor, lambda x: ((x > 0) ^ (x > 1)) * x),
    row(np.invert, lambda x: ~(x > 0.5) * x),
]  # fmt: skip

INDEXING = [
    row("getitem", lambda x: x[1], M),
    row("getitem", lambda x: x[:, ::-1] * x[..., :1], M),
    row("getitem", lambda x: x[[1, 0, 1]] * x[-1, None], M),
    row("getitem", lambda x: x[np.array([0, 1]), np.array([2, 0])], M),
    row("getitem", lambda x: x[MASK], M),
    row("getitem", lambda x: x[x > 0] ** 2, M),
    row("getitem", lambda x: x[:, None, [0, 1]], M),
    row(np.take_along_axis, lambda x: np.take_along_axis(x, np.argsort(x, axis=1), 1), M),
    row(np.take, lambda x: np.take(x, [[2, 0], [1, 1]], axis=1), M),
    row(np.take, lambda x: np.take(x, [5, 0]), M),
    row(np.compress, lambda x: np.compress([True, False, True], x, axis=1), M),
    row(np.extract, lambda x: np.extract(MASK, x), M),
    row(np.delete, lambda x: np.delete(x, 1, axis=1), M),
    row(np.insert, lambda x, v: np.insert(x, 1, v, axis=1), M, (2, 1)),
    row(np.select, lambda x: np.select([x > 0.5, x > 0], [x * x, np.sin(x)], 0.5 * x), M),
    row(np.insert, lambda x, v: np.insert(x, [0, 2], v), V, (2,)),
    row(np.insert, lambda x: np.insert(x, 1, 0.5, axis=0), M),
    row(np.trim_zeros, lambda x: np.trim_zeros(x * np.array([0.0, 0.0, 1.0, 0.0, 1.0])), (5,)),
    same(np.trim_zeros),
]

REDUCTIONS = [
    *(row(f, lambda x, f=f, kw=kw: f(x, **kw), o)
      for f in (np.sum, np.mean, np.var, np.std, np.prod, np.max, np.amax, np.min, np.amin, np.ptp)
      for o, kw in ((V, {}), (M, {"axis": 1}), (M, {"axis": 0, "keepdims": True}),
                    (M, {"axis": (0, 1)}))
      if f is not np.ptp or kw.get("axis") != (0, 1)),
    row(np.sum, lambda x: np.sum(x, axis=0, where=MASK, initial=2.0), M),
    row(np.var, lambda x: np.var(x, ddof=1)),
    row(np.std, lambda x: np.std(x, axis=1, ddof=1, keepdims=True), M),
    row(np.average, lambda x, w: np.average(x, axis=1, weights=w), M, POSITIVE),
    row(np.average, np.average, M),
    row(np.argmax, lambda x: x[0] * np.argmax(x, axis=1)[1], M),
    row(np.argmin, lambda x: x[0] * np.argmin(x), M),
    row(np.all, lambda x: x * np.all(x > -1.0, axis=0), M),
    row(np.any, lambda x: x * np.any(x > 0.5, axis=1, keepdims=True), M),
    row(np.count_nonzero, lambda x: x * np.count_nonzero(x > 0, axis=0), M),
    row(np.cumsum, lambda x: np.cumsum(x, axis=1), M),
    row(np.cumsum, np.cumsum, M),
    row(np.cumprod, lambda x: np.cumprod(x, axis=1), M),
    row(np.cumprod, np.cumprod, (5,)),
    row(np.diff, lambda x: np.diff(x, n=2) ** 2, (2, 4)),
    row(np.diff, lambda x: np.diff(x, axis=0, prepend=0.0, append=1.0), M),
    row(np.ediff1d, lambda x: np.ediff1d(x, to_begin=0.5, to_end=[1.0, 2.0]), M),
    row(np.trapezoid, np.trapezoid, M, V),
    row(np.trapezoid, lambda y: np.trapezoid(y, dx=0.5, axis=0), M),
    row(np.gradient, lambda x: np.gradient(x, 0.5)[0] ** 2, (3, 3)),
    row(np.gradient, np.gradient, (4,)),
    row(np.sort, lambda x: np.sort(x, axis=0), N),
    row(np.sort, lambda x: np.sort(x, axis=None), M),
    row(np.partition, lambda x: np.sum(np.partition(x, 1)[:2] ** 2)),
    row(np.argsort, lambda x: x * np.argsort(x, axis=1), M),
    row(np.argpartition, lambda x: x[np.argpartition(x, 0)[0]]),
    row(np.quantile, lambda x: np.quantile(x, 0.3, axis=1), M),
    row(np.quantile, lambda x: np.quantile(x, [0.2, 0.7], axis=0, keepdims=True), M),
    row(np.percentile, lambda x: np.percentile(x, 40), M),
    row(np.median, lambda x: np.median(x, axis=0), M),
]  # fmt: skip

PRODUCTS = [
    *(
        same(np.matmul, *o)
        for o in ((M, N), (V, N), (M, V), (V, V), (T, (2, 2)), ((2, 2), (2, 2, 1)))
    ),
    same(np.matvec, M, V),
    same(np.vecmat, V, N),
    *(same(np.dot, *o) for o in ((M, N), (V, V), ((), V), (M, V), (M, (2, 3, 1)))),
    same(np.inner, M, M),
    same(np.inner, (), V),
    same(np.vdot, M, M),
    same(np.linalg.vecdot, M, V),
    same(np.vecdot, M, V),
    same(np.outer, V, (2,)),
    same(np.linalg.outer, V, (2,)),
    row(np.tensordot, lambda a, b: np.tensordot(a, b, axes=([0, 1], [1, 0])), M, N),
    row(np.tensordot, lambda a, b: np.tensordot(a, b, 0), (2,), (2,)),
    row(np.linalg.tensordot, lambda a, b: np.linalg.tensordot(a, b, axes=1), M, N),
    row(np.einsum, lambda a, b: np.einsum("ij,jk->ki", a, b), M, N),
    row(np.einsum, lambda a: np.einsum("ii->i", a) * np.einsum("ii", a), SQUARE),
    row(np.einsum, lambda a, b: np.einsum("...i,i", a, b), M, V),
    row(np.einsum, lambda a, b: np.einsum(a, [0, 1], b, [1], [0]), M, V),
    same(np.kron, (2, 1), M),
    same(np.kron, V, (2,)),
    same(np.trace, (3, 3)),
    row(np.trace, lambda x: np.trace(x, 1), M),
    same(np.linalg.trace, (3, 2, 2)),
    same(np.cross, V, V),
    same(np.linalg.cross, M, M),
    *(same(f, SQUARE) for f in (np.linalg.inv, np.linalg.det, np.linalg.slogdet, np.linalg.cond)),
    same(np.linalg.pinv, SQUARE),
    row(np.linalg.solve, np.linalg.solve, SQUARE, (2,)),
    row(np.linalg.solve, np.linalg.solve, SQUARE, (2, 3)),
    row(np.linalg.lstsq, lambda a, b: np.linalg.lstsq(a @ a.T, b)[0], SQUARE, (2,)),
    row(np.linalg.cholesky, lambda a: np.linalg.cholesky(a + a.T), SPD),
    row(np.linalg.cholesky, lambda a: np.linalg.cholesky(a + a.T, upper=True), SPD),
    row(np.linalg.qr, lambda a: tuple(np.linalg.qr(a)), SQUARE),
    row(np.linalg.qr, lambda a: np.linalg.qr(a, mode="r"), SQUARE),
    row(np.linalg.eigh, lambda a: np.linalg.eigh(a + a.T)[0], SPD),
    row(np.linalg.eigh, lambda a: np.linalg.eigh(a)[1] ** 2, SPD),
    row(np.linalg.eigh, lambda a: np.linalg.eigh(a, "U")[1], ("spd", 3, 3)),
    row(np.linalg.eig, lambda a: tuple(np.linalg.eig(a)), SQUARE),
    same(np.linalg.eigvals, ("square", 2, 2)),
    same(np.linalg.eigvalsh, SPD),
    row(np.linalg.eigvalsh, lambda a: np.linalg.eigvalsh(a, "U"), SPD),
    row(np.linalg.svd, lambda a: tuple(np.linalg.svd(a, full_matrices=False)), SQUARE),
    same(np.linalg.svdvals, SQUARE),
    row(np.linalg.matrix_power, lambda a: np.linalg.matrix_power(a, 3), SQUARE),
    row(np.linalg.multi_dot, lambda a, b: np.linalg.multi_dot([a, b, a]), M, N),
    row(np.linalg.norm, np.linalg.norm, M),
    row(np.linalg.norm, lambda x: np.linalg.norm(x, 3, axis=1, keepdims=True), M),
    row(np.linalg.norm, lambda x: np.linalg.norm(x, "nuc"), SQUARE),
    row(np.linalg.vector_norm, lambda x: np.linalg.vector_norm(x, axis=0), M),
    same(np.linalg.matrix_norm, M),
]

SHAPES = [
    row(np.reshape, lambda x: np.reshape(3.0 * x, (1, 3))),
    row(np.reshape, lambda x: np.reshape(2.0 * x, (1, 1)), ()),
    row(np.reshape, lambda x: np.reshape(x, (-1, 2), order="F"), M),
    row(np.ravel, lambda x: np.ravel(x, order="F"), M),
    row(np.transpose, lambda x: np.transpose(x, (2, 0, 1)), T),
    same(np.matrix_transpose, T),
    same(np.linalg.matrix_transpose, T),
    row(np.swapaxes, lambda x: np.swapaxes(x, 0, -1), T),
    row(np.moveaxis, lambda x: np.moveaxis(x, 0, -1), T),
    row(np.rollaxis, lambda x: np.rollaxis(x, 2, 0), T),
    row(np.expand_dims, lambda x: np.expand_dims(x, (0, 2)), M),
    row(np.squeeze, lambda x: np.squeeze(x, 1), T),
    row(np.broadcast_to, lambda x: np.broadcast_to(x, (2, 2, 3)), V),
    row(np.broadcast_arrays, lambda x, y: tuple(np.broadcast_arrays(x, y)), M, V),
    *(same(f, V) for f in (np.atleast_1d, np.atleast_2d, np.atleast_3d)),
    row(np.concatenate, lambda x, y: np.concatenate([x, y, [[1.0, 2.0, 3.0]]]), M, M),
    row(np.concatenate, lambda x, y: np.concatenate([x, y], axis=None), M, V),
    row(np.stack, lambda x, y: np.stack([x, y, np.ones(3)], axis=1), V, V),
    row(np.vstack, lambda x, y: np.vstack([x, y]), M, V),
    row(np.hstack, lambda x, y: np.hstack([x, y]), M, M),
    row(np.dstack, lambda x, y: np.dstack([x, y]), M, M),
    row(np.column_stack, lambda x, y: np.column_stack([x, y]), (2,), M),
    row(np.append, np.append, M, V),
    row(np.array_split, lambda x: tuple(np.array_split(x, 2)), (5,)),
    row(np.split, lambda x: tuple(np.split(x, [1], axis=1)), M),
    row(np.vsplit, lambda x: tuple(np.vsplit(x, 2)), M),
    row(np.hsplit, lambda x: tuple(np.hsplit(x, 3)), M),
    row(np.dsplit, lambda x: tuple(np.dsplit(x, 2)), T),
    row(np.tile, lambda x: np.tile(x, (2, 1)), M),
    row(np.repeat, lambda x: np.repeat(x, [1, 2, 0], axis=1), M),
    row(np.lib.stride_tricks.sliding_window_view,
        lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, axis=1) ** 2, M),
    row(np.rot90, lambda x: np.rot90(x, 3), M),
    row(np.resize, lambda x: np.resize(x, (2, 2)), V),
    row(np.flip, lambda x: np.flip(x, 1), M),
    same(np.fliplr, M),
    same(np.flipud, M),
    row(np.roll, lambda x: np.roll(x, 1), M),
    row(np.roll, lambda x: np.roll(x, (1, -1), axis=(0, 1)), M),
    same(np.fft.fftshift, (2, 3)),
    same(np.fft.ifftshift, (2, 3)),
    row(np.pad, lambda x: np.pad(x, ((1, 0), (0, 2)), constant_values=2.0), M),
    *(row(np.pad, lambda x, m=m: np.pad(x, 1, mode=m), M)
      for m in ("edge", "reflect", "symmetric", "wrap")),
    row(np.diagonal, lambda x: np.diagonal(x, 1), M),
    row(np.linalg.diagonal, lambda x: np.linalg.diagonal(x, offset=1), (2, 2, 3)),
    row(np.diag, lambda x: np.diag(x, 1)),
    row(np.diag, np.diag, M),
    same(np.diagflat, (2, 1)),
    row(np.tril, lambda x: np.tril(x, -1), (3, 3)),
    row(np.triu, lambda x: np.triu(x, 1), M),
    same(np.copy),
    row(np.astype, lambda x: np.astype(x * x, np.float64)),
    row(np.meshgrid, lambda x, y: tuple(np.meshgrid(x, y)), V, (2,)),
    row(np.meshgrid, lambda x, y: tuple(np.meshgrid(x, y, indexing="ij", sparse=True)), V, (2,)),
    row(np.linspace, lambda a, b: np.linspace(a, b, 3), (), V),
    row(np.interp, lambda x, y: np.interp(x, [-1.0, 0.07, 2.0], y), (4,), V),
    *(row(f, lambda a, v, f=f, m=m: f(a, v, m), (4,), (2,))
      for f in (np.convolve, np.correlate) for m in ("full", "same", "valid")),
]  # fmt: skip


OPTIONS = [
    *(row(f, lambda x, f=f, kw=kw: f(x, **kw), M)
      for f in (np.sum, np.prod, np.max, np.min, np.mean, np.var, np.std)
      for kw in ({"axis": 1, "where": MASK, "initial": 0.3}, {"axis": (-1,), "keepdims": True},
                 {"axis": 0, "where": MASK[:, :1], "keepdims": True, "initial": 0.3}, {"axis": ()})
      for kw in [{k: v for k, v in kw.items() if k != "initial"}
                 if f in (np.mean, np.var, np.std) else kw]),
    *(row(f, lambda x, f=f: f(x, initial=0.4), M) for f in (np.sum, np.prod, np.max, np.min)),
    row(np.max, lambda x: np.max(x, axis=1, initial=0.4), (2, 0)),
    *(row(f, lambda x, f=f: f(x, dtype=np.float32).shape[0] * x if np.ndim(f(x)) else
          x * (f(x, dtype=np.float32).dtype == np.float32), M)
      for f in (np.sum, np.prod, np.mean, np.var, np.std, np.cumsum, np.cumprod)),
    *(row(f, lambda x, f=f: f(x, axis=0, mean=np.mean(x, axis=0, keepdims=True), correction=1), M)
      for f in (np.var, np.std)),
    row(np.sum, lambda x: x * np.sum(x > 0, axis=0, dtype=np.int32), M),
    row("reduce", lambda x: np.add.reduce(x, axis=0, initial=0.5, where=MASK), M),
    row("reduce", lambda x: np.multiply.reduce(x, axis=(0, 1), initial=0.5, keepdims=True), M),
    *(row("reduce", lambda x, u=u: u.reduce(x, axis=1, keepdims=True), M)
      for u in (np.logaddexp, np.logaddexp2, np.hypot, np.fmax, np.fmin)),
    row("reduce", lambda x: np.logaddexp.reduce(x, axis=(0, -1)), (2, 1, 3)),
    row(np.average, lambda x, w: np.average(x, axis=1, weights=w, returned=True), M, POSITIVE),
    row(np.average, lambda x: np.average(x, axis=0, returned=True), M),
    *(row(np.quantile, lambda x, m=m: np.quantile(x, [0.05, 0.33, 0.5, 0.97], axis=1, method=m),
          (2, 5))
      for m in ("linear", "lower", "higher", "midpoint", "nearest", "weibull", "hazen",
                "median_unbiased", "normal_unbiased", "interpolated_inverted_cdf")),
    row(np.quantile, np.quantile, V, ("unit",)),
    row(np.quantile, lambda x: np.quantile(x, [[0.1, 0.2], [0.3, 0.4]], axis=0), M),
    row(np.quantile, lambda x: np.quantile(x, 0.3), (1,)),
    row(np.percentile, lambda x, q: np.percentile(x, 100 * q), V, ("unit", 2)),
    row(np.take_along_axis, lambda x: np.take_along_axis(x, np.array([[2, 0]]), 1), M),
    row(np.gradient, lambda x: np.gradient(x, np.array([0.0, 1.0, 3.0, 3.5])), (4,)),
    row(np.gradient, lambda x: np.gradient(x, 0.5, edge_order=2, axis=(-1, 0)), (3, 4)),
    row(np.gradient, lambda x, t: np.gradient(x, np.cumsum(t), edge_order=2),
        (4,), ("positive", 4)),
    row(np.linspace, lambda a: np.linspace(a, 1.0, 5, retstep=True), ()),
    row(np.interp, lambda x: np.interp(x, [0.1], [2.0]) * x),
    row(np.pad, lambda x: np.pad(x, {-1: (1, 2)}), M),
    row(np.pad, lambda x: np.pad(x, 1, constant_values=x[0, 0] ** 2), M),
    *(row(f, f, V) for f in (np.tril, np.triu)),
    row(np.linalg.vector_norm, lambda x: np.linalg.vector_norm(x, axis=(0, 2), ord=3), (2, 3, 2)),
    row(np.linalg.vector_norm, lambda x: np.linalg.vector_norm(x, keepdims=True), M),
    row(np.einsum, lambda x: np.einsum("ij->i", x, dtype=np.float64), M),
    row("getitem", lambda x: x[True], M),
    row("getitem", lambda x: (x[False], x.flat[3], x.compress([True, False, True], axis=1)), M),
] + [
    row(f, lambda x, f=f, kw=kw: f(np.where(MASK, x, np.nan), **kw), M)
    for f in (np.nansum, np.nanprod, np.nanmax, np.nanmin, np.nanmean, np.nanvar, np.nanstd)
    for kw in ({}, {"axis": 1}, {"axis": 0, "keepdims": True})
]  # fmt: skip

MORE = [
    *(row(f, lambda x, f=f: f(np.where(MASK, x, np.nan), axis=1), M)
      for f in (np.nancumsum, np.nancumprod)),
    *(row(f, lambda x, f=f, s=s: f(x, axis=1, include_initial=s), M)
      for f in (np.cumulative_sum, np.cumulative_prod) for s in (False, True)),
    row(np.cumulative_sum, np.cumulative_sum),
    row(np.modf, np.modf, M),
    row(np.fix, lambda x: x * np.fix(3 * x), M),
    row(np.ldexp, lambda x: np.ldexp(x, np.array([1, -2, 3])), M),
    row(np.block, lambda a, b: np.block([[a, b], [np.ones((1, 4))]]), M, (2, 1)),
    row(np.block, lambda a: np.block([a, 2.0 * a])),
    row(np.unstack, lambda a: np.unstack(a, axis=1), M),
    row(np.choose, lambda a, b: np.choose([0, 1, 0], [a, b]), V, M),
    row(np.logspace, lambda a: np.logspace(a, 1.0, 4, base=2.0), ()),
    row(np.geomspace, lambda a, b: np.geomspace(a, b, 4), ("positive", 2), ("positive", 2)),
    same(np.linalg.matmul, M, N),
    row(np.linalg.tensorsolve, lambda a, b: np.linalg.tensorsolve(np.reshape(a, (2, 1, 2)), b),
        SQUARE, (2, 1)),
    row(np.linalg.tensorinv, lambda a: np.linalg.tensorinv(np.reshape(a, (2, 1, 2)), ind=2),
        SQUARE),
    row(np.linalg.matrix_rank, lambda a: a * np.linalg.matrix_rank(a), SQUARE),
    row(np.cov, np.cov, M),
    row(np.cov, lambda a, b: np.cov(a, b, rowvar=False, bias=True), N, N),
    row(np.cov, lambda a: np.cov(a, ddof=0)),
    row(np.corrcoef, np.corrcoef, (2, 4)),
    row(np.bincount, lambda w: np.bincount([0, 2, 0], weights=w, minlength=4)),
    row(np.searchsorted, lambda x: x * np.searchsorted([-1.0, 0.0, 1.0], x), M),
    row(np.digitize, lambda x: x * np.digitize(x, [-1.0, 0.0, 1.0]), M),
    row(np.isin, lambda x: x * np.isin(x, [0.5]), M),
    row(np.lexsort, lambda x: x[np.lexsort((x, x > 0))]),
    row(np.nanargmax, lambda x: x * np.nanargmax(x, axis=0), M),
    row(np.nanargmin, lambda x: x * np.nanargmin(x), M),
    row(np.polyval, np.polyval, V, (2,)),
    row(np.vander, lambda x: (np.vander(x), np.vander(x, 2, increasing=True))),
    *(row(f, f, V, (2,)) for f in (np.polyadd, np.polysub, np.polymul)),
    row(np.polyder, lambda p: np.polyder(p, 2), (4,)),
    row(np.polyint, lambda p: np.polyint(p, 2, k=[1.0, 2.0])),
    row(np.polyfit, lambda x, y, w: np.polyfit(np.cumsum(x), y, 1, w=w), ("positive", 4), (4,),
        ("positive", 4)),
]  # fmt: skip

LISTS = [
    row(f"{f.__name__} of a list", lambda x, f=f, kw=kw: f([x[0], 2.0 * x[1] * x[2], 0.5], **kw))
    for f in (np.sum, np.mean, np.var, np.std, np.prod, np.max, np.median, np.linalg.norm)
    for kw in ({}, {"axis": 0})
] + [
    row("mean of lists of arrays", lambda x: np.mean([x, x**2], axis=0)),
    row("var of an array of entries", lambda x: np.var(np.array([x[0], x[1] * x[2]]), ddof=1)),
]


def _in_place(x: Any) -> Any:
    total = np.zeros(3)
    total += x
    total *= x
    return total


METHODS = [
    row("reduce", lambda x: np.add.reduce(x, axis=1) * np.maximum.reduce(x, axis=1), M),
    row("reduce", lambda x: np.multiply.reduce(x) * np.minimum.reduce(x), M),
    row("accumulate", lambda x: np.add.accumulate(x) * np.maximum.accumulate(x)),
    row("accumulate", lambda x: np.multiply.accumulate(x, axis=1), M),
    row("outer", lambda x, y: np.multiply.outer(x, y) + np.hypot.outer(x, y), V, (2,)),
    row("in place", _in_place),
    row("methods", lambda x: x.sum(0) * x.T.dot(x[:, 0]).reshape(3) * x.mean(), M),
]

TABLE = [
    *BASIC,
    *INDEXING,
    *REDUCTIONS,
    *OPTIONS,
    *PRODUCTS,
    *SHAPES,
    *MORE,
    *LISTS,
    *METHODS,
]
