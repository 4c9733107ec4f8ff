"""Checks of structured arrays against NumPy on the dense ones, operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.structured import StructuredArray

# ------------------------------------------------------------------ comparing


def assert_close(found: Any, expected: Any, what: str = "", tolerance: float = 1e-9) -> None:
    """Equal shapes, and entries that agree relative to the largest."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"{what}: shapes {found.shape} and {expected.shape}"
    scale = max(float(np.max(np.abs(expected), initial=0.0)), 1e-300)
    error = float(np.max(np.abs(found - expected), initial=0.0)) / scale
    assert error <= tolerance or scale < 1e-250, (
        f"{what}: error {error:.2g}\n{found}\nexpected\n{expected}"
    )


@dataclass(frozen=True)
class Problem:
    """A function whose derivative has a known structure.

    ``most`` is how many numbers the structure has to store at most, by hand: more means that the
    structure was lost. ``kind`` are words that the printed kind must contain. Forward and reverse
    mode find the same unless ``same_in_modes`` is false: long sums may be collected otherwise.
    """

    function: Callable[[Any], Any]
    x: Any
    order: int = 1
    most: int | None = None
    kind: tuple[str, ...] = ()
    same_in_modes: bool = True

    def dense(self, mode: str = "auto") -> Any:
        """The derivative with all its entries."""
        return np.asarray(wg.derivative(self.function, order=self.order, mode=mode)(self.x))

    def structured(self, mode: str = "auto") -> StructuredArray:
        """The derivative with its structure."""
        return wg.derivative(self.function, order=self.order, mode=mode, structured=True)(self.x)


def check(problem: Problem, seed: int = 0) -> StructuredArray:
    """Everything that a structured array can do, on one derivative."""
    rng = np.random.default_rng(seed)
    D = problem.dense()
    H = problem.structured()
    assert isinstance(H, StructuredArray)
    assert H.columns == np.ndim(problem.x)
    check_found(H, problem)
    if _is_rounding(H, D):
        assert_close(H.to_dense() + 1, D + 1, "to_dense")
        return H
    assert_close(H.to_dense(), D, "to_dense")
    check_array(H, D)
    check_products(H, D, rng)
    check_sums(H, D, rng)
    check_slices(H, D, rng)
    if H.layout.row_shape == H.layout.column_shape:
        check_square(H, D, rng)
    return H


def _is_rounding(H: StructuredArray, D: Any) -> bool:
    """Do the terms cancel altogether (d(x/|x|)/dx), so that what is left are rounding errors?"""
    stored = max((float(np.max(np.abs(v), initial=0.0)) for v in H.values), default=0.0)
    return 0 < float(np.max(np.abs(D), initial=0.0)) < 1e-13 * stored


def check_found(H: StructuredArray, problem: Problem) -> None:
    """The structure that mathematics promises, in forward and reverse mode alike."""
    if problem.most is not None:
        assert H.nbytes <= problem.most * 8, f"{H.nbytes} bytes for {problem.most} numbers:\n{H}"
    for word in problem.kind:
        assert word in H.kind, f"{word!r} is not in {H.kind!r}:\n{H}"
    for mode in ("forward", "reverse"):
        other = problem.structured(mode)
        assert_close(other.to_dense(), H.to_dense(), mode)
        if not problem.same_in_modes:
            continue
        assert other.kind == H.kind, f"{mode}: {other}\nnot\n{H}"
        assert other.nbytes == H.nbytes, f"{mode}: {other}\nnot\n{H}"


# ------------------------------------------------------------------ as an array


def check_array(H: StructuredArray, D: Any) -> None:
    assert H.shape == D.shape
    assert H.ndim == D.ndim
    assert H.size == D.size
    assert H.dtype == D.dtype == H.to_dense().dtype
    assert H.nbytes == sum(v.nbytes for v in H.values)
    assert_close(np.asarray(H), D, "asarray")
    assert np.asarray(H, np.float32).dtype == np.float32
    cut = D.ndim - H.columns
    matrix = D.reshape(prod(D.shape[:cut]), prod(D.shape[cut:]))
    sparse = H.to_scipy_sparse()
    assert sparse.format == "csr"
    assert_close(sparse.toarray(), matrix, "to_scipy_sparse")
    assert_close(H.norm(), np.sqrt(np.sum(D**2)), "norm")
    assert H.layout.shape == H.shape
    assert str(H)
    assert repr(H).startswith("<StructuredArray")
    if D.ndim:
        assert len(H) == len(D)


def check_products(H: StructuredArray, D: Any, rng: np.random.Generator) -> None:
    cut = D.ndim - H.columns
    rows, columns = D.shape[:cut], D.shape[cut:]
    v, several = rng.standard_normal(columns), rng.standard_normal((*columns, 3))
    w = rng.standard_normal(rows)
    assert_close(H @ v, np.tensordot(D, v, H.columns), "@ vector")
    assert_close(H @ several, np.tensordot(D, several, H.columns), "@ several")
    none = rng.standard_normal((*columns, 0))
    assert (H @ none).shape == (*rows, 0)
    if len(columns) > 1:
        assert_close(H @ v.ravel(), np.tensordot(D, v, H.columns).ravel(), "@ flat")
    assert_close(w @ H, np.tensordot(w, D, cut), "vector @")
    T = H.T
    turned = np.transpose(D, (*range(cut, D.ndim), *range(cut)))
    assert isinstance(T, StructuredArray)
    assert T.columns == cut
    assert_close(T.to_dense(), turned, "T")
    assert_close(T.T.to_dense(), D, "T.T")
    assert_close(T @ w, np.tensordot(turned, w, cut), "T @ vector")
    gram = T @ H
    assert isinstance(gram, StructuredArray)
    assert_close(gram.to_dense(), np.tensordot(turned, D, cut), "T @ structured")
    assert_close((H @ T).to_dense(), np.tensordot(D, turned, H.columns), "structured @ T")
    operator = H.as_linear_operator()
    matrix = D.reshape(prod(rows), prod(columns))
    assert operator.shape == matrix.shape
    if matrix.size:
        flat = v.ravel()
        assert_close(operator.matvec(flat), matrix @ flat, "operator")
        assert_close(operator.rmatvec(w.ravel()), matrix.T @ w.ravel(), "operator, transposed")
        wide = several.reshape(-1, 3)
        assert_close(operator.matmat(wide), matrix @ wide, "operator, several")


def check_sums(H: StructuredArray, D: Any, rng: np.random.Generator) -> None:
    other = rng.standard_normal(D.shape)
    for result, expected, what in (
        (H + H, 2 * D, "+ structured"),
        (H - H, 0 * D, "- structured"),
        (-H, -D, "negated"),
        (H * 2.5, 2.5 * D, "* number"),
        (2 * H, 2 * D, "number *"),
        (np.float64(3.0) * H, 3 * D, "NumPy number *"),
        (H / 4, D / 4, "/ number"),
        (H * H, D * D, "* structured"),
        (H * other, D * other, "* array"),
        (other * H, D * other, "array *"),
        (H + 3 * H - 0.5 * H, 3.5 * D, "a combination"),
    ):
        assert isinstance(result, StructuredArray), what
        assert result.columns == H.columns
        assert_close(result.to_dense(), expected, what)
    assert_close(np.asarray(H + other), D + other, "+ array")
    assert_close(np.asarray(other + H), D + other, "array +")
    assert_close(np.asarray(H - other), D - other, "- array")
    assert_close(np.asarray(other - H), other - D, "array -")
    assert_close(H.inner(other), np.sum(D * other), "inner")
    assert_close(H.inner(H), np.sum(D * D), "inner structured")


def random_index(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[Any, ...]:
    """Integers and slices of all sorts, an Ellipsis perhaps."""
    found: list[Any] = []
    for n in shape:
        choice = rng.integers(0, 6)
        if choice == 0 and n:
            found.append(int(rng.integers(-n, n)))
        elif choice == 1 and n:
            found.append(np.int64(rng.integers(-n, n)))
        elif choice == 2:
            found.append(slice(None))
        else:
            a, b = (int(i) for i in rng.integers(-n - 1, n + 2, 2))
            step = int(rng.choice([1, 2, 3, -1, -2]))
            found.append(slice(a if choice != 3 else None, b if choice != 4 else None, step))
    if rng.random() < 0.3:
        at, drop = int(rng.integers(0, len(found) + 1)), int(rng.integers(0, 2))
        found[at : at + drop] = [Ellipsis]
    elif rng.random() < 0.3 and found:
        found.pop()
    return tuple(found)


def check_slices(H: StructuredArray, D: Any, rng: np.random.Generator) -> None:
    for _ in range(4):
        index = random_index(D.shape, rng)
        found = H[index]
        assert_close(np.asarray(found), D[index], f"[{index}]")
        if np.ndim(D[index]):
            assert isinstance(found, StructuredArray)
    if D.ndim and len(D):
        assert_close(np.asarray(H[-1]), D[-1], "[-1]")


# ------------------------------------------------------------------ square ones


def check_square(H: StructuredArray, D: Any, rng: np.random.Generator) -> None:
    shape = H.layout.row_shape
    n = prod(shape)
    matrix = D.reshape(n, n)
    v = rng.standard_normal(shape)
    assert_close(H.diagonal(), np.diag(matrix).reshape(shape), "diagonal")
    assert_close(H.trace(), np.trace(matrix), "trace", 1e-8)
    assert_close(H.quadratic(v), v.ravel() @ matrix @ v.ravel(), "quadratic", 1e-8)
    if len(shape) > 1:
        assert_close(H.quadratic(v.ravel()), H.quadratic(v), "quadratic, flat")
    damped = H.add_diagonal(1.5)
    assert isinstance(damped, StructuredArray)
    assert_close(damped.to_dense(), D + 1.5 * np.eye(n).reshape(D.shape), "add_diagonal")
    check_solving(H, D, rng)
    big = float(np.abs(matrix).sum()) + 1.0
    regular = H.add_diagonal(big)  # diagonally dominant, whatever H is
    check_solving(regular, D + big * np.eye(n).reshape(D.shape), rng)
    if np.array_equal(matrix, matrix.T):
        check_symmetric(H, D, regular)


def check_solving(H: StructuredArray, D: Any, rng: np.random.Generator) -> None:
    """Solutions and determinants where there are any, an error where there are none."""
    shape = H.layout.row_shape
    n = prod(shape)
    matrix = D.reshape(n, n)
    values = np.linalg.svd(matrix, compute_uv=False)
    smallest = float(np.min(values, initial=np.inf)) / float(np.max(values, initial=1e-300))
    if smallest < 1e-14:
        with pytest.raises((wg.SingularMatrixError, wg.DomainError)):
            H.solve(np.ones(shape))
        return
    if smallest < 1e-7:
        return
    tolerance = 1e-12 / smallest + 1e-9
    b, several = rng.standard_normal(shape), rng.standard_normal((*shape, 2, 1))
    expected = np.linalg.solve(matrix, b.ravel()).reshape(shape)
    assert_close(H.solve(b), expected, f"solve by {H.factors.method}", tolerance)
    wide = np.linalg.solve(matrix, several.reshape(n, 2)).reshape(several.shape)
    assert_close(H.solve(several), wide, f"solve several by {H.factors.method}", tolerance)
    assert_close(H.solve(b.ravel()), expected.ravel(), "flat",
                 tolerance)  # fmt: skip
    assert H.solve(several[..., :0, :]).shape == (*shape, 0, 1)
    sign, log = H.slogdet()
    s, g = np.linalg.slogdet(matrix)
    assert sign == s, f"sign by {H.factors.method}"
    assert abs(log - g) <= tolerance * max(1.0, abs(g)) * max(n, 1), "slogdet"
    if s > 0:
        assert H.logdet() == log
    else:
        with pytest.raises(wg.DomainError, match="negative"):
            H.logdet()
    found = H.inverse()
    assert isinstance(found, StructuredArray)
    assert_close(found.to_dense(), np.linalg.inv(matrix).reshape(D.shape), "inverse", tolerance)


def check_symmetric(H: StructuredArray, D: Any, positive: StructuredArray) -> None:
    shape = H.layout.row_shape
    n = prod(shape)
    expected = np.linalg.eigvalsh(D.reshape(n, n)) if n else np.zeros(0)
    assert_close(H.eigvalsh(), expected, "eigvalsh", 1e-8)
    size = float(np.max(np.abs(expected), initial=0.0))  # errors are relative to the largest
    for k in {1, n} if n else ():
        assert_close(H.eigvalsh(k), expected[-k:], "largest", 1e-8) if _safe(expected) else None
        least = H.eigvalsh(k, largest=False)
        assert_close(least + size, expected[:k] + size, "smallest", 1e-8) if size else None
    lower = positive.cholesky()
    matrix = positive.to_dense().reshape(n, n)
    factor = lower.to_dense().reshape(n, n)
    assert_close(factor @ factor.T, matrix, "cholesky")
    assert_close((lower @ lower.T).to_dense().reshape(n, n), matrix, "cholesky, product")
    assert_close(np.triu(factor, 1), np.zeros((n, n)), "cholesky is lower")
    b = np.arange(1.0, n + 1).reshape(shape)
    solved = positive.solve(b, method="cg", tolerance=1e-13)
    assert_close(solved, positive.solve(b), "cg", 1e-6)


def _safe(values: Any) -> bool:
    return bool(np.max(np.abs(values), initial=0.0) > 1e-8)
