"""Solving and determinants, each by the cheapest method that the structure allows.

In this order: low rank added to something cheap by Woodbury's identity; Kronecker products factor
by factor; equal or small blocks; a sparse LU; one dense block.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from scipy import linalg
from scipy.sparse import diags_array, eye_array
from scipy.sparse.linalg import cg, splu

from wengert.errors import ConvergenceError, DomainError, ShapeError, SingularMatrixError
from wengert.structured import assembly
from wengert.structured.blocks import Blocks, block_entries, blocks_of
from wengert.structured.describe import is_low_rank, term_rank
from wengert.structured.layout import Layout, Term

SPARSE_SHARE = 8  # a sparse factorisation if fewer than one in so many entries is stored
_SMALL = 64  # rows up to which everything is dense
_ALIKE = 1e3  # how many times larger rows may be than others without being scaled
LOST = 1e-6  # the share of a solution that rounding may take: beyond it, another method
_LARGEST = 30_000  # rows up to which a matrix is factorised densely


Product = Callable[[Any], Any]


class Factorization(ABC):
    """A square array, ready to be solved with.

    Right-hand sides and solutions are matrices with one row for each row of the array.
    """

    method: str

    @abstractmethod
    def solve(self, b: Any) -> Any:
        """x with A x = b, both of shape ``(rows, m)``."""

    @abstractmethod
    def slogdet(self) -> tuple[float, float]:
        """The sign of the determinant, and the logarithm of its absolute value."""

    def logdet(self) -> float:
        """The logarithm of the determinant.

        Raises
        ------
        DomainError
            If it is negative.
        """
        sign, log = self.slogdet()
        if sign < 0:
            raise DomainError("the determinant is negative; slogdet gives its sign and size")
        return log


def factorize(layout: Layout, values: Sequence[Any], dtype: Any, product: Product) -> Factorization:
    """The factorisation of a square structured array.

    Parameters
    ----------
    layout, values, dtype
        Of the array.
    product : callable
        The array times a matrix of one row for each of its columns.

    Raises
    ------
    ShapeError
        If it is not square, or too large for the methods that it allows.
    SingularMatrixError
        If it has no inverse; the message names where its null direction lies.
    """
    n = prod(layout.row_shape)
    if n != prod(layout.column_shape):
        raise ShapeError(
            f"solve needs a square array; this one has {n} rows (shape {layout.row_shape}) and "
            f"{prod(layout.column_shape)} columns (shape {layout.column_shape})"
        )
    terms = layout.terms
    if not n:
        return DenseFactors(np.zeros((0, 0), dtype), lambda entry=None: "the array")
    if not terms:
        raise SingularMatrixError("the array is zero, so it has no inverse")
    cut = len(layout.row_shape)
    low = [t for t in terms if is_low_rank(t, cut)]
    rest = [t for t in terms if not is_low_rank(t, cut)]
    if low and rest and 2 * sum(map(term_rank, low)) < n:
        try:
            base = _without_low_rank(layout, rest, values, dtype)
        except SingularMatrixError:
            pass  # the rest alone may be singular
        else:
            found = Woodbury(base, layout, low, values, product)
            if found.accurate:
                return found
    return _without_low_rank(layout, terms, values, dtype)


def _without_low_rank(
    layout: Layout, terms: Sequence[Term], values: Sequence[Any], dtype: Any
) -> Factorization:
    n = prod(layout.row_shape)
    if len(terms) == 1 and (parts := kronecker_parts(terms[0], len(layout.row_shape))):
        return Kronecker(layout, terms[0], parts, values)
    dense = block_entries(layout, terms) if layout.row_shape == layout.column_shape else n * n
    stored = sum(t.count for t in terms)
    if n > _SMALL and dense > SPARSE_SHARE * stored:
        return Sparse(layout, terms, values, dtype)
    if layout.row_shape != layout.column_shape:
        flat = assembly.dense(layout.shape, terms, values, dtype).reshape(n, n)
        return BlockFactors(Blocks(flat, (), (0,), (n,)))
    if dense > _LARGEST**2:
        raise ShapeError(
            f"the array is dense in blocks of {dense:,} entries in all, too many to factorise; use "
            'solve(b, method="cg") for a positive definite one'
        )
    return BlockFactors(blocks_of(layout, terms, values, dtype))


# ---------------------------------------------------------------- dense


class DenseFactors(Factorization):
    """One matrix: Cholesky if it is symmetric positive definite, else LU.

    Rows and columns are scaled first, so that units do not decide what is singular.
    """

    def __init__(self, matrix: Any, where: Any, index: Any = None) -> None:
        self.method = "LU"
        self.lower: Any = None
        if not np.all(np.isfinite(matrix)):
            raise SingularMatrixError(
                f"the {_size(matrix)} matrix has entries that are not finite, so that it cannot be "
                "solved with; check the values at which it was taken"
            )
        self.rows, self.columns = _scales(matrix)
        alike = bool(np.all(self.rows == 1) and np.all(self.columns == 1))
        scaled = matrix if alike else self.rows[:, None] * matrix * self.columns
        if is_symmetric(scaled):
            try:
                self.lower = np.linalg.cholesky(scaled)
                self.method = "Cholesky"
            except np.linalg.LinAlgError:
                self.lower = None
        if self.lower is None:
            getrf = linalg.lapack.get_lapack_funcs(("getrf",), (matrix,))[0]
            self.lu, self.swaps = getrf(scaled)[:2]
            if np.any(np.diag(self.lu) == 0):
                raise _singular(matrix, where, index)
        norm = float(np.max(np.sum(np.abs(scaled), axis=0), initial=0.0))
        if is_singular(self._solve_scaled, norm, matrix)[0]:
            raise _singular(matrix, where, index)

    def _solve_scaled(self, b: Any, transposed: int = 0) -> Any:
        if self.lower is not None:
            return linalg.cho_solve((self.lower, True), b, check_finite=False)
        return linalg.lu_solve((self.lu, self.swaps), b, transposed, check_finite=False)

    def solve(self, b: Any) -> Any:
        if not b.size:
            return b.copy()
        return self.columns[:, None] * self._solve_scaled(self.rows[:, None] * b)

    def slogdet(self) -> tuple[float, float]:
        scales = float(np.sum(np.log(self.rows)) + np.sum(np.log(self.columns)))
        if self.lower is not None:
            return 1.0, 2 * float(np.sum(np.log(np.diag(self.lower)))) - scales
        pivots = np.diag(self.lu)
        swapped = np.count_nonzero(self.swaps != np.arange(len(self.swaps)))
        sign = float(np.prod(np.sign(pivots))) * (-1.0) ** swapped
        return sign, float(np.sum(np.log(np.abs(pivots)))) - scales


def _scales(matrix: Any) -> tuple[Any, Any]:
    """Powers of 2 by which the rows and the columns of a matrix, sparse or not, have size 1."""

    def largest(array: Any, axis: int) -> Any:
        if not array.shape[0]:
            return np.zeros(0, array.dtype)
        found = abs(array).max(axis=axis)
        return np.ravel(found.toarray() if hasattr(found, "toarray") else found)

    def power(size: Any) -> Any:
        if size.size and np.max(size) <= _ALIKE * np.min(size):
            return np.ones_like(size)
        exponent = np.where(size > 0, -np.round(np.log2(np.where(size > 0, size, 1))), 0)
        return np.ldexp(np.ones((), matrix.dtype), exponent.astype(int))

    diagonal = matrix.diagonal()
    if np.all(diagonal > 0):
        both = power(np.sqrt(diagonal))
        if np.all(both == 1) or _nearly_symmetric(matrix):
            return both, both
    rows = power(largest(matrix, 1))
    scaled = matrix * rows[:, None] if isinstance(matrix, np.ndarray) else (
        diags_array(rows) @ matrix
    )  # fmt: skip
    return rows, power(largest(scaled, 0))


def _nearly_symmetric(matrix: Any) -> bool:
    return abs(matrix - matrix.T).max() <= 1e-10 * abs(matrix).max()


def is_singular(solve: Any, norm: float, matrix: Any) -> tuple[bool, Any]:
    """Is a factorised matrix singular within rounding, and its nearly null direction.

    Parameters
    ----------
    solve : callable
        ``solve(b, transposed)`` of a vector, transposed being 0 or 1.
    norm : float
        The 1-norm of the matrix.
    matrix : array
        Of its size and dtype.

    Notes
    -----
    The 1-norm of the inverse is estimated from a few solutions (Hager, "Condition estimates",
    1984), as LAPACK's condition numbers are.
    """
    n = matrix.shape[0]
    if not n:
        return False, None
    x = np.full(n, 1 / n, matrix.dtype)
    y = solve(x, 0)
    for _ in range(4):
        z = solve(np.where(y < 0, -1, 1).astype(matrix.dtype), 1)
        at = int(np.argmax(np.abs(z)))
        if not np.abs(z[at]) > z @ x:
            break
        x = np.zeros(n, matrix.dtype)
        x[at] = 1
        other = solve(x, 0)
        if not np.sum(np.abs(other)) > np.sum(np.abs(y)):
            break
        y = other
    inverse = float(np.sum(np.abs(y)))
    return not inverse * norm * _tiny(matrix) < 1, y


def _tiny(matrix: Any) -> float:
    """The share of a matrix that rounding may be."""
    return 8 * float(np.finfo(matrix.dtype).eps)


def is_symmetric(matrix: Any) -> bool:
    """Is the matrix (are all of several) symmetric, up to rounding?"""
    tiny = 64 * np.finfo(matrix.dtype).eps * np.max(np.abs(matrix), initial=0.0)
    return bool(np.max(np.abs(matrix - np.swapaxes(matrix, -1, -2)), initial=0.0) <= tiny)


def _size(matrix: Any) -> str:
    return "×".join(map(str, matrix.shape))


def _at(index: tuple[int, ...] | None, message: str) -> SingularMatrixError:
    error = SingularMatrixError(message)
    error.index = index
    return error


def _singular(matrix: Any, where: Any, index: Any = None) -> SingularMatrixError:
    """Names the entry on which the null direction is largest."""
    _, _, right = np.linalg.svd(matrix)
    direction = right[-1]
    entry = int(np.argmax(np.abs(direction)))
    spread = int(np.sum(np.abs(direction) > 0.1 * np.max(np.abs(direction))))
    return _at(
        index and index(entry),
        f"the array is singular: its null direction lies on {spread} of {len(direction)} entries "
        f"of {where()}, mostly on {where(entry)}; add a multiple of the identity, or fix what the "
        "function does not depend on",
    )


def _equilibrated(matrices: Any) -> Any:
    """Rows, then columns, over their largest entries: units do not make an array singular."""
    rows = np.max(np.abs(matrices), axis=-1, keepdims=True)
    scaled = matrices / np.where(rows > 0, rows, 1)
    columns = np.max(np.abs(scaled), axis=-2, keepdims=True)
    return scaled / np.where(columns > 0, columns, 1)


def _condition(matrices: Any) -> Any:
    """Condition numbers in the Frobenius norm; infinite for singular matrices."""
    try:
        inverses = np.linalg.inv(matrices)
    except np.linalg.LinAlgError:
        values = np.linalg.svd(matrices, compute_uv=False)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(values[..., -1] > 0, values[..., 0] / values[..., -1], np.inf)
    norms = [np.sqrt(np.sum(m * m, axis=(-1, -2))) for m in (matrices, inverses)]
    return norms[0] * norms[1]


class BlockFactors(Factorization):
    """Small blocks along batched axes; equal ones are factorised once."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        array = blocks.array
        self.method = "diagonal" if blocks.size == 1 else "blocks"
        self.single: DenseFactors | None = None
        if blocks.size == 1:
            self._check_diagonal(array[..., 0, 0])
        elif prod(array.shape[:-2]) == 1:
            matrix = array.reshape(array.shape[-2:])
            self.single = DenseFactors(matrix, self._namer(()), self._index(()))
            self.method = self.single.method
        else:
            self._check_blocks(array)

    def _namer(self, block: Sequence[Any]) -> Any:
        def where(entry: int | None = None) -> str:
            if entry is None:
                return f"block {tuple(map(int, block))}" if block else "the array"
            return f"index {self._index(block)(entry)}"

        return where

    def _index(self, block: Sequence[Any]) -> Any:
        return lambda entry: self.blocks.where(block or (0,) * len(self.blocks.batch), entry)

    def _check_diagonal(self, diagonal: Any) -> None:
        bad = ~np.isfinite(diagonal) | (diagonal == 0)
        if np.any(bad):
            first = np.unravel_index(int(np.argmax(bad)), diagonal.shape)
            index = self.blocks.where([int(i) for i in first], 0)
            raise _at(
                index,
                f"the array is singular: its diagonal is {float(diagonal[first])} at index {index} "
                f"({int(np.sum(bad))} such of {bad.size}); add a multiple of the identity",
            )

    def _check_blocks(self, array: Any) -> None:
        if not array.size:
            return
        finite = np.all(np.isfinite(array), axis=(-1, -2))
        if not np.all(finite):
            block = self._first(~finite)
            raise SingularMatrixError(f"block {block} has entries that are not finite")
        bad = ~(_condition(_equilibrated(array)) * _tiny(array) < 1)
        if np.any(bad):
            block = self._first(bad)
            raise _singular(array[block], self._namer(block), self._index(block))

    @staticmethod
    def _first(bad: Any) -> tuple[int, ...]:
        return tuple(int(k) for k in np.unravel_index(int(np.argmax(bad)), bad.shape))

    def solve(self, b: Any) -> Any:
        blocks, m = self.blocks, b.shape[1]
        stored = blocks.array.shape[:-2]
        full = b.reshape((*blocks.shape, m))
        own = [k for k, n in zip(blocks.batch, stored, strict=True) if n != 1]
        shared = [k for k in blocks.batch if k not in own]
        order = (*own, *blocks.rest, *shared, len(blocks.shape))
        moved = np.transpose(full, order)
        lead = tuple(blocks.shape[k] for k in own)
        n = blocks.size
        sides = moved.reshape((*lead, n, -1)) if b.size else moved.reshape((*lead, n, 0))
        array = blocks.array.reshape((*lead, n, n))
        if n == 1:
            solved = sides / array
        elif self.single is not None:
            solved = self.single.solve(sides.reshape(n, -1)).reshape(sides.shape)
        else:
            solved = _solved_blocks(array, sides)
        back = np.argsort(order)
        return np.transpose(solved.reshape(moved.shape), back).reshape(b.shape)

    def slogdet(self) -> tuple[float, float]:
        if self.single is not None:
            sign, log = self.single.slogdet()
        else:
            signs, logs = np.linalg.slogdet(self.blocks.array)
            sign, log = float(np.prod(signs)), float(np.sum(logs))
        copies = self.blocks.copies
        return sign**copies, log * copies


def _solved_blocks(array: Any, sides: Any) -> Any:
    """Solutions block by block: for many right-hand sides by inverses and one refinement.

    Products of small matrices are much faster than small solves with many right-hand sides.
    """
    if sides.shape[-1] <= array.shape[-1]:
        return np.linalg.solve(array, sides)
    inverse = np.linalg.inv(array)
    found = inverse @ sides
    found += inverse @ (sides - array @ found)
    return found


# ---------------------------------------------------------------- Kronecker products


Part = tuple[int, tuple[int, ...], tuple[int, ...]]  # a stored array, its row and column axes


def kronecker_parts(term: Term, cut: int) -> list[Part] | None:
    """Each stored array with the row and column axes it maps between; None if it is no product."""
    if len(term.cores) < 2 or not all(place.plain for place in term.places):
        return None
    axis_of: dict[int, list[int]] = {}
    for axis, place in enumerate(term.places):
        axis_of.setdefault(place.labels[0], []).append(axis)
    parts: list[Part] = []
    for k, labels in term.cores:
        if any(x not in axis_of or len(axis_of[x]) != 1 for x in labels):
            return None
        axes = [axis_of[x][0] for x in labels]
        rows, columns = tuple(a for a in axes if a < cut), tuple(a for a in axes if a >= cut)
        if prod(term.shape[a] for a in rows) != prod(term.shape[a] for a in columns):
            return None
        parts.append((k, rows, columns))
    loose = [axes for x, axes in axis_of.items() if not any(x in own for _, own in term.cores)]
    if any(len(axes) != 2 or axes[0] >= cut or axes[1] < cut for axes in loose):
        return None
    return parts


class Kronecker(Factorization):
    """A product of matrices on axes of their own, and of identities: one solve for each."""

    def __init__(
        self, layout: Layout, term: Term, parts: list[Part], values: Sequence[Any]
    ) -> None:
        self.method = "Kronecker"
        self.layout = layout
        self.cut = len(layout.row_shape)
        self.parts: list[tuple[DenseFactors, tuple[int, ...], tuple[int, ...]]] = []
        labels_of = dict(term.cores)
        self.paired = {
            axes[0]: axes[1]
            for x in term.labels
            if len(axes := [a for a, p in enumerate(term.places) if p.labels == (x,)]) == 2
        }
        for k, rows, columns in parts:
            matrix = matrix_of(term, labels_of[k], rows, columns, values[k])
            self.parts.append((DenseFactors(matrix, _axes_namer(rows)), rows, columns))

    def solve(self, b: Any) -> Any:
        m = b.shape[1]
        axes: list[int] = [*range(self.cut), -1]  # what each axis of x stands for
        x = b.reshape((*self.layout.row_shape, m))
        for factors, rows, columns in self.parts:
            at = [axes.index(a) for a in rows]
            others = [k for k in range(x.ndim) if k not in at]
            moved = np.transpose(x, (*at, *others))
            rest = moved.shape[len(at) :]
            n = prod(moved.shape[: len(at)])
            solved = factors.solve(moved.reshape(n, -1))
            x = solved.reshape((*(self.layout.shape[a] for a in columns), *rest))
            axes = [*columns, *(axes[k] for k in others)]
        axes = [self.paired.get(a, a) for a in axes]
        order = [axes.index(a) for a in (*range(self.cut, len(self.layout.shape)), -1)]
        return np.transpose(x, order).reshape(len(b), m)

    def slogdet(self) -> tuple[float, float]:
        n = prod(self.layout.row_shape)
        sign, log = _sign_of_permutation(self._permutation()), 0.0
        for factors, rows, _ in self.parts:
            own = prod(self.layout.shape[a] for a in rows)
            s, part = factors.slogdet()
            sign *= s ** (n // own)
            log += part * (n // own)
        return sign, log

    def _permutation(self) -> Any:
        """Where the entries go if all matrices are identities."""
        axes: list[int] = list(range(self.cut))
        index = np.arange(prod(self.layout.row_shape)).reshape(self.layout.row_shape)
        for _, rows, columns in self.parts:
            at = [axes.index(a) for a in rows]
            others = [k for k in range(index.ndim) if k not in at]
            moved = np.transpose(index, (*at, *others))
            index = moved.reshape(
                (*(self.layout.shape[a] for a in columns), *moved.shape[len(at) :])
            )
            axes = [*columns, *(axes[k] for k in others)]
        axes = [self.paired.get(a, a) for a in axes]
        order = [axes.index(a) for a in range(self.cut, len(self.layout.shape))]
        return np.transpose(index, order).ravel()


def matrix_of(
    term: Term, labels: Sequence[int], rows: Sequence[int], columns: Sequence[int], array: Any
) -> Any:
    """A stored array as the matrix from its column axes to its row axes."""
    axis_of = {p.labels[0]: a for a, p in enumerate(term.places)}
    own = [axis_of[x] for x in labels]
    order = [own.index(a) for a in (*rows, *columns)]
    n = prod(term.shape[a] for a in rows)
    return np.transpose(array, order).reshape(n, n)


def _axes_namer(rows: Sequence[int]) -> Any:
    def where(entry: int | None = None) -> str:
        if entry is None:
            return f"the factor on axes {tuple(rows)}"
        return f"place {entry} of it"

    return where


def _sign_of_permutation(permutation: Any) -> float:
    seen = np.zeros(len(permutation), bool)
    sign = 1.0
    for start in range(len(permutation)):
        length, k = 0, start
        while not seen[k]:
            seen[k] = True
            k = int(permutation[k])
            length += 1
        if length and length % 2 == 0:
            sign = -sign
    return sign


# ---------------------------------------------------------------- low rank


def refined(solve: Product, product: Product, b: Any, lost: float) -> Any:
    """Solutions corrected by those of their residuals until the share ``lost`` is made good."""
    x = solve(b)
    share = lost
    while share > 10 * np.finfo(b.dtype).eps:
        x = x + solve(b - product(x))
        share *= lost
    return x


class Woodbury(Factorization):
    """D + U Vᵀ: (D + UVᵀ)⁻¹ = D⁻¹ − D⁻¹U (I + VᵀD⁻¹U)⁻¹ VᵀD⁻¹, and the determinant lemma."""

    def __init__(
        self,
        base: Factorization,
        layout: Layout,
        terms: Sequence[Term],
        values: Sequence[Any],
        product: Product,
    ) -> None:
        self.method = f"Woodbury on {base.method}"
        self.base = base
        self.product = product
        pairs = [_sides(layout, t, values) for t in terms]
        self.left = np.concatenate([u for u, _ in pairs], axis=1)
        self.right = np.concatenate([v for _, v in pairs], axis=1)
        self.solved = base.solve(self.left)
        added = self.right.T @ self.solved
        small = np.eye(len(added), dtype=added.dtype) + added
        size = 1.0 + float(np.max(np.abs(added), initial=0.0))
        self.lost = float(np.finfo(added.dtype).eps) * size
        if not self.accurate:
            return
        self._check(small, size, layout)
        self.small = DenseFactors(small, lambda entry=None: "the low-rank part")

    @property
    def accurate(self) -> bool:
        """Is what the two parts of a solution leave of each other more than rounding?"""
        return not self.lost > LOST

    def _check(self, small: Any, size: float, layout: Layout) -> None:
        """If I + VᵀD⁻¹U has the null vector z, the array has D⁻¹Uz."""
        if not np.all(np.isfinite(small)):
            return  # DenseFactors says so
        _, values, right = np.linalg.svd(small)
        if len(values) and values[-1] <= _tiny(small) * size:
            entry = int(np.argmax(np.abs(self.solved @ right[-1])))
            index = tuple(int(i) for i in np.unravel_index(entry, layout.column_shape))
            raise _at(
                index,
                "the array is singular: the low-rank part takes away what the rest has; its null "
                f"direction is largest at index {index}; add a multiple of the identity",
            )

    def solve(self, b: Any) -> Any:
        return refined(self._solve_once, self.product, b, self.lost)

    def _solve_once(self, b: Any) -> Any:
        first = self.base.solve(b)
        return first - self.solved @ self.small.solve(self.right.T @ first)

    def slogdet(self) -> tuple[float, float]:
        (s, one), (t, other) = self.base.slogdet(), self.small.slogdet()
        return s * t, one + other


def _sides(layout: Layout, term: Term, values: Sequence[Any]) -> tuple[Any, Any]:
    """A low-rank term as U and V of shapes (rows, r) and (columns, r)."""
    cut = len(layout.row_shape)
    rank = term.rank_labels
    row_labels = {x for p in term.places[:cut] for x in p.labels}

    def side(start: int, stop: int, cores: list[tuple[int, Any]]) -> Any:
        places, tables = term.places[start:stop], term.tables[start:stop]
        labels = tuple(dict.fromkeys([*(x for p in places for x in p.labels), *rank]))
        ranks = tuple(type(places[0])((x,)) for x in rank)
        sizes = tuple(term.sizes[x] for x in rank)
        inner = Term(
            tuple(cores), term.sizes, labels, (*places, *ranks), (*tables, *(None for _ in rank)),
            (*term.shape[start:stop], *sizes),
        )  # fmt: skip
        return assembly.dense(inner.shape, (inner,), values, np.result_type(*values)).reshape(
            prod(term.shape[start:stop]), prod(sizes)
        )

    left = [(k, axes) for k, axes in term.cores if set(axes) & row_labels]
    right = [(k, axes) for k, axes in term.cores if not set(axes) & row_labels]
    return side(0, cut, left), side(cut, len(layout.shape), right)


# ---------------------------------------------------------------- sparse


class Sparse(Factorization):
    """A sparse LU with a fill-reducing order (SuperLU)."""

    def __init__(
        self, layout: Layout, terms: Sequence[Term], values: Sequence[Any], dtype: Any
    ) -> None:
        self.method = "sparse LU"
        self.layout = layout
        matrix = assembly.sparse_matrix(layout, terms, values, dtype).tocsc()
        if not np.all(np.isfinite(matrix.data)):
            raise SingularMatrixError("the array has entries that are not finite")
        self.rows, self.columns = _scales(matrix)
        scaled = (diags_array(self.rows) @ matrix @ diags_array(self.columns)).tocsc()
        try:
            self.lu = splu(scaled)
        except RuntimeError:
            raise self._singular(matrix) from None
        norm = float(np.max(abs(scaled).sum(axis=0), initial=0.0))
        singular, direction = is_singular(
            lambda b, transposed: self.lu.solve(b, "T" if transposed else "N"), norm, matrix
        )
        if singular:
            raise self._singular(matrix, self.columns * direction)

    def _singular(self, matrix: Any, direction: Any = None) -> SingularMatrixError:
        empty = np.flatnonzero(abs(matrix).sum(axis=0) == 0)
        if len(empty):
            index = self._index(empty[0])
            where = f"nothing depends on index {index} ({len(empty)} such)"
        else:
            if direction is None:
                unit = eye_array(matrix.shape[0], dtype=matrix.dtype)
                shifted = matrix + 1e-10 * abs(matrix).max() * unit
                direction = splu(shifted.tocsc()).solve(np.ones(matrix.shape[0], matrix.dtype))
            index = self._index(np.argmax(np.abs(direction)))
            where = f"its null direction is largest at index {index}"
        return _at(
            index,
            f"the array is singular: {where}; add a multiple of the identity, or fix what the "
            "function does not depend on",
        )

    def _index(self, flat: Any) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(flat, self.layout.column_shape))

    def solve(self, b: Any) -> Any:
        if not b.size:
            return b.copy()
        scaled = np.ascontiguousarray(self.rows[:, None] * b)
        return self.columns[:, None] * self.lu.solve(scaled)

    def slogdet(self) -> tuple[float, float]:
        pivots = self.lu.U.diagonal()
        sign = float(np.prod(np.sign(pivots)))
        sign *= _sign_of_permutation(self.lu.perm_r) * _sign_of_permutation(self.lu.perm_c)
        scales = float(np.sum(np.log(self.rows)) + np.sum(np.log(self.columns)))
        return sign, float(np.sum(np.log(np.abs(pivots)))) - scales


# ---------------------------------------------------------------- conjugate gradients


def conjugate_gradients(operator: Any, b: Any, tolerance: float) -> Any:
    """Solutions for the columns of b by products only.

    Raises
    ------
    ConvergenceError
        If the tolerance is not reached in ten times as many steps as there are rows.
    """
    found = np.empty_like(b)
    for k in range(b.shape[1]):
        with np.errstate(all="ignore"):
            found[:, k], steps = cg(operator, b[:, k], rtol=tolerance, atol=0.0)
        if steps or not np.all(np.isfinite(found[:, k])):
            raise ConvergenceError(
                f"conjugate gradients did not reach {tolerance:g} in {steps} steps: the array may "
                'be indefinite or badly conditioned; use method="direct", or add a multiple of the '
                "identity"
            )
    return found
