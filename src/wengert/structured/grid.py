"""StructuredBlocks: a structured array for each pair of parts of a pytree, as one linear map."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from math import prod
from typing import Any, final

import numpy as np
import optree
from scipy import sparse

from wengert.errors import ShapeError, SingularMatrixError
from wengert.expr import Expr
from wengert.operations.discrete import int_array
from wengert.operations.structure import ONE
from wengert.primitive import Place
from wengert.rewrite.piece import Piece
from wengert.rewrite.pieces import products_of
from wengert.structured.array import StructuredArray, computed
from wengert.structured.elimination import Elimination, matrix_form, part_to_eliminate
from wengert.structured.factors.base import Factorization
from wengert.structured.layout import Layout, laid_out, named_pieces
from wengert.structured.pytrees import as_pytree

Shape = tuple[int, ...]


@final
class StructuredBlocks:
    """The derivative by several parameters: a grid of structured arrays that acts on pytrees.

    ``H["U"]["V"]`` is the block with the rows of U and the columns of V. Products, solutions and
    diagonals are pytrees like the parameters; matrices have all parameters in one row order, those
    of the pytree's leaves one after the other.

    Attributes
    ----------
    grid : tuple of tuple of StructuredArray
        By row part and column part.
    rows, columns : optree.PyTreeSpec
        How the parts are nested.

    Examples
    --------
    >>> import wengert as wg
    >>> f = lambda p: np.sum(p["x"] ** 4) + p["b"] ** 2 * np.sum(p["x"])
    >>> H = wg.hessian(f, structured=True)({"x": np.ones(3), "b": 2.0})
    >>> H["x"]["x"].kind
    'diagonal'
    >>> {name: part.round(6) for name, part in H.solve({"x": np.full(3, 4 / 3), "b": 1.0}).items()}
    {'x': array([0.166667, 0.166667, 0.166667]), 'b': np.float64(-0.166667)}
    """

    __array_priority__ = 1000
    __array_ufunc__ = None

    def __init__(self, grid: Sequence[Sequence[StructuredArray]], rows: Any, columns: Any) -> None:
        self.grid = tuple(map(tuple, grid))
        self.rows = rows
        self.columns = columns

    # ------------------------------------------------------------ what it is

    @property
    def row_shapes(self) -> tuple[Shape, ...]:
        """The shapes of the row parts."""
        return tuple(line[0].layout.row_shape for line in self.grid)

    @property
    def column_shapes(self) -> tuple[Shape, ...]:
        """The shapes of the column parts."""
        return tuple(block.layout.column_shape for block in self.grid[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the matrix."""
        return sum(map(prod, self.row_shapes)), sum(map(prod, self.column_shapes))

    @property
    def nbytes(self) -> int:
        """Bytes of the stored arrays."""
        return sum(block.nbytes for line in self.grid for block in line)

    @property
    def dtype(self) -> Any:
        """float64 or float32."""
        return np.result_type(*(block.dtype for line in self.grid for block in line))

    def tree(self) -> Any:
        """The blocks as a pytree of pytrees."""
        lines = [optree.tree_unflatten(self.columns, line) for line in self.grid]
        return optree.tree_unflatten(self.rows, lines)

    def __getitem__(self, key: Any) -> Any:
        return self.tree()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tree())

    def __str__(self) -> str:
        r, c = self.shape
        names = [list(map(str, spec.paths())) for spec in (self.rows, self.columns)]
        lines = [f"{r}×{c} in {len(self.grid)}×{len(self.grid[0])} blocks, {self.nbytes:,} bytes"]
        for name, line in zip(names[0], self.grid, strict=True):
            for other, block in zip(names[1], line, strict=True):
                lines.append(f"{name} {other}: {block}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        r, c = self.shape
        return f"<StructuredBlocks {r}×{c} in {len(self.grid)}×{len(self.grid[0])} blocks>"

    # ------------------------------------------------------------ as one array

    @cached_property
    def flat(self) -> StructuredArray:
        """All blocks as one structured matrix."""
        layouts = tuple(tuple(block.layout for block in line) for line in self.grid)
        blocks = [block for line in self.grid for block in line]
        return computed(_layout_of_grid(layouts), blocks)

    def to_dense(self) -> Any:
        """The matrix as a NumPy array."""
        lines = [np.concatenate([matrix_form(b) for b in line], axis=1) for line in self.grid]
        return np.concatenate(lines)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.to_dense().astype(dtype or self.dtype, copy=False)

    def to_scipy_sparse(self) -> Any:
        """The matrix as a ``scipy.sparse`` array in CSR form."""
        grid = [[block.to_scipy_sparse() for block in line] for line in self.grid]
        return sparse.block_array(grid, format="csr")

    def as_linear_operator(self) -> Any:
        """The matrix as a ``scipy.sparse.linalg.LinearOperator``."""
        return self.flat.as_linear_operator()

    def _vector(self, tree: Any, shapes: Sequence[Shape], spec: Any, name: str) -> tuple[Any, bool]:
        """A pytree as one vector, and whether it was one already (or a matrix of several)."""
        total = sum(map(prod, shapes))
        given_tree: Any = tree
        leaves, found = optree.tree_flatten(given_tree)
        given = [np.shape(leaf) for leaf in leaves]
        alike = found == spec and given == list(shapes)
        if (
            not alike
            and isinstance(tree, np.ndarray)
            and tree.ndim in (1, 2)
            and len(tree) == total
        ):
            return tree, True
        if not alike:
            raise ShapeError(
                f"{name}: a pytree {spec} with arrays of shapes {list(shapes)} is needed, or a "
                f"vector of {total} entries (or a matrix with so many rows); this is {found} with "
                f"shapes {given}"
            )
        return np.concatenate([np.ravel(leaf) for leaf in leaves]), False

    def _tree(self, vector: Any, shapes: Sequence[Shape], spec: Any) -> Any:
        ends = np.cumsum([prod(s) for s in shapes])[:-1]
        parts = [p.reshape(s)[()] for p, s in zip(np.split(vector, ends), shapes, strict=True)]
        return optree.tree_unflatten(spec, parts)

    # ------------------------------------------------------------ algebra

    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, StructuredBlocks):
            if self.column_shapes != other.row_shapes:
                raise ShapeError(
                    f"columns of shapes {self.column_shapes} do not meet rows of shapes "
                    f"{other.row_shapes}"
                )
            columns = list(zip(*other.grid, strict=True))
            grid = [[_dot(line, column) for column in columns] for line in self.grid]
            return StructuredBlocks(grid, self.rows, other.columns)
        vector, flat = self._vector(other, self.column_shapes, self.columns, "@")
        found = self.flat @ vector
        return found if flat else self._tree(found, self.row_shapes, self.rows)

    @property
    def T(self) -> StructuredBlocks:  # noqa: N802
        """Rows and columns exchanged."""
        grid = [[block.T for block in column] for column in zip(*self.grid, strict=True)]
        return StructuredBlocks(grid, self.columns, self.rows)

    def _zipped(self, other: Any, function: Any) -> StructuredBlocks:
        if not isinstance(other, StructuredBlocks):
            raise TypeError(f"a grid of blocks and a {type(other).__name__} cannot be combined")
        grid = [
            [function(a, b) for a, b in zip(line, others, strict=True)]
            for line, others in zip(self.grid, other.grid, strict=True)
        ]
        return StructuredBlocks(grid, self.rows, self.columns)

    def __add__(self, other: Any) -> StructuredBlocks:
        return self._zipped(other, lambda a, b: a + b)

    def __sub__(self, other: Any) -> StructuredBlocks:
        return self._zipped(other, lambda a, b: a - b)

    def __mul__(self, number: Any) -> StructuredBlocks:
        grid = [[block * number for block in line] for line in self.grid]
        return StructuredBlocks(grid, self.rows, self.columns)

    __rmul__ = __mul__

    def __neg__(self) -> StructuredBlocks:
        return self * -1.0

    def add_diagonal(self, entries: Any) -> StructuredBlocks:
        """The matrix plus a diagonal one (damping).

        Parameters
        ----------
        entries : float or pytree
            A multiple of the identity; or the diagonal, a pytree like the parameters.
        """
        self._check_square("add_diagonal")
        leaves: list[Any] = [entries] * len(self.grid)
        if not optree.tree_is_leaf(entries):
            leaves, found = optree.tree_flatten(entries)
            if found != self.rows:
                raise ShapeError(f"add_diagonal: a pytree {self.rows} is needed, not {found}")
        grid = [
            [b.add_diagonal(leaves[i]) if i == j else b for j, b in enumerate(line)]
            for i, line in enumerate(self.grid)
        ]
        return StructuredBlocks(grid, self.rows, self.columns)

    def _check_square(self, name: str) -> None:
        if self.row_shapes != self.column_shapes:
            raise ShapeError(f"{name} needs a square grid; this one is {self!r}")

    def diagonal(self) -> Any:
        """The diagonal, a pytree like the parameters."""
        self._check_square("diagonal")
        parts = [self.grid[k][k].diagonal()[()] for k in range(len(self.grid))]
        return optree.tree_unflatten(self.rows, parts)

    def trace(self) -> Any:
        """The sum of the diagonal."""
        self._check_square("trace")
        return sum(self.grid[k][k].trace() for k in range(len(self.grid)))

    def norm(self) -> Any:
        """The Frobenius norm."""
        return np.sqrt(sum(block.inner(block) for line in self.grid for block in line))

    def quadratic(self, tree: Any) -> Any:
        """vᵀ A v of a pytree v."""
        self._check_square("quadratic")
        vector, _ = self._vector(tree, self.column_shapes, self.columns, "quadratic")
        return self.flat.quadratic(vector)

    # ------------------------------------------------------------ solving

    @cached_property
    def factors(self) -> Factorization:
        """The factorisation that :meth:`solve` uses, made once.

        Where one part's own block falls into small blocks (the points of bundle adjustment, the
        factors of a factorisation), that part is eliminated first (Schur complement).
        """
        self._check_square("solve")
        part = part_to_eliminate(self.grid)
        if part is not None:
            try:
                found = Elimination(self.grid, part, lambda x: self.flat @ x)
            except SingularMatrixError:
                pass  # that part alone may be singular
            else:
                if found.accurate:
                    return found
        try:
            return self.flat.factors
        except SingularMatrixError as error:
            raise self._named(error) from None

    def _named(self, error: SingularMatrixError) -> SingularMatrixError:
        """An error about an index of the whole matrix with the part's name instead."""
        if error.index is None:
            return error
        (entry,) = error.index
        starts = np.cumsum([0, *map(prod, self.row_shapes)])
        part = int(np.searchsorted(starts, entry, "right")) - 1
        inner = np.unravel_index(entry - starts[part], self.row_shapes[part])
        path = "".join(f"[{key!r}]" for key in self.rows.paths()[part])
        return SingularMatrixError(
            f"the array is singular: its null direction is largest in {path or 'the array'} at "
            f"index {tuple(map(int, inner))}; add a multiple of the identity, or fix what the "
            "function does not depend on"
        )

    def solve(self, b: Any, *, method: str = "direct", tolerance: float = 1e-10) -> Any:
        """x with ``self @ x = b``, given as b is.

        Parameters
        ----------
        b : pytree or array_like
            Like the rows; or all of them as one vector, or as a matrix with a column for each of
            several right-hand sides.
        method, tolerance
            As in :meth:`StructuredArray.solve`.

        Raises
        ------
        SingularMatrixError
            Naming where the null direction lies.
        """
        vector, flat = self._vector(b, self.row_shapes, self.rows, "solve")
        if method == "direct":
            found = self.factors.solve(vector.reshape(len(vector), prod(vector.shape[1:])))
            found = found.reshape(vector.shape)
        else:
            found = self.flat.solve(vector, method=method, tolerance=tolerance)
        return found if flat else self._tree(found, self.column_shapes, self.columns)

    def slogdet(self) -> tuple[float, float]:
        """The sign of the determinant, and the logarithm of its absolute value."""
        return self.factors.slogdet()

    def logdet(self) -> float:
        """The logarithm of the determinant; an error if that is negative."""
        return self.factors.logdet()

    def eigvalsh(self, k: int | None = None, *, largest: bool = True) -> Any:
        """Eigenvalues of a symmetric matrix in ascending order; see StructuredArray."""
        self._check_square("eigvalsh")
        return self.flat.eigvalsh(k, largest=largest)


def _dot(line: Sequence[StructuredArray], column: Sequence[StructuredArray]) -> StructuredArray:
    first, *rest = [a @ b for a, b in zip(line, column, strict=True)]
    for product in rest:
        first = first + product
    return first


@lru_cache(maxsize=128)
def _layout_of_grid(layouts: tuple[tuple[Layout, ...], ...]) -> tuple[Layout, tuple[Expr, ...]]:
    """The layout of all blocks in one matrix."""
    heights = [prod(line[0].row_shape) for line in layouts]
    widths = [prod(layout.column_shape) for layout in layouts[0]]
    found: list[Piece] = []
    number = 0
    for i, line in enumerate(layouts):
        for j, layout in enumerate(line):
            rows = _merging(layout.row_shape, sum(heights[:i]), sum(heights))
            columns = _merging(layout.column_shape, sum(widths[:j]), sum(widths))
            cut = len(layout.row_shape)
            axes = tuple(range(2, 2 + len(layout.shape)))
            found += products_of(
                [(rows,), (columns,), named_pieces(layout, number)],
                [(0, *axes[:cut]), (1, *axes[cut:]), axes],
                (0, 1),
            )
            number += 1
    return laid_out(found, (sum(heights), sum(widths)), 1)


def _merging(shape: Shape, start: int, total: int) -> Piece:
    """From axes to their part of one long axis."""
    labels = tuple(range(len(shape)))
    own = tuple(Place((x,)) for x in labels)
    n = prod(shape)
    at = None if n == total else int_array(start + np.arange(n).reshape(shape))
    return Piece(ONE, (), (Place(labels, at), *own), dict(enumerate(shape)))


def _flattened(blocks: Any) -> Any:
    flat = tuple(block for line in blocks.grid for block in line)
    return flat, (len(blocks.grid[0]), blocks.rows, blocks.columns)


def _restored(kept: Any, flat: Any) -> Any:
    width, rows, columns = kept
    return StructuredBlocks(
        [flat[k : k + width] for k in range(0, len(flat), width)], rows, columns
    )


as_pytree(StructuredBlocks, _flattened, _restored)
