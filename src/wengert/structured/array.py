"""StructuredArray: an array that keeps its diagonals, Kronecker products, low ranks and gaps."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from math import prod
from numbers import Real
from typing import Any, final

import numpy as np
from scipy.sparse.linalg import LinearOperator

from wengert.backends import common_dtype, owned, program_of
from wengert.errors import ShapeError, TracingError
from wengert.expr import Expr, rebuild
from wengert.operations import variable
from wengert.operations.places import given_specs
from wengert.operations.rebuild import with_operands
from wengert.rewrite.pieces import NotInPiecesError
from wengert.structured import assembly
from wengert.structured.describe import describe, kind_of
from wengert.structured.factorize import factorize
from wengert.structured.factors.base import Factorization
from wengert.structured.factors.sparse import conjugate_gradients
from wengert.structured.layout import (
    Layout,
    closed_layout,
    diagonal_layout,
    layout_of_product,
    layout_of_slice,
    layout_of_sum,
    name_of,
    written_out,
)
from wengert.structured.pytrees import as_pytree
from wengert.structured.spectra import cholesky, eigenvalues, inverse, mapped
from wengert.tracing import TracedArray, lift, where

_SMALL = 10**6  # entries up to which a norm is taken of all of them

Shape = tuple[int, ...]
Labels = tuple[int, ...]


@final
class StructuredArray:
    """A real array stored as a few small ones, with the places of their entries.

    Derivatives give it (``wg.hessian(f, structured=True)``). It is also the linear map from arrays
    of the shape of its last ``columns`` axes to arrays of the shape of the others: ``H @ v``.

    Attributes
    ----------
    shape : tuple of int
        Of the whole array, outputs first.
    columns : int
        The number of trailing axes that are columns.
    dtype : numpy.dtype
        float64 or float32.

    Notes
    -----
    Products, sums, slices and transposes are structured again, and cost what the stored arrays
    cost. ``np.asarray(H)`` and :meth:`to_dense` write all entries.

    Examples
    --------
    >>> import wengert as wg
    >>> U, V, T = np.ones((4, 2)), np.ones((3, 2)), np.zeros((4, 3))
    >>> H = wg.hessian(lambda U: np.sum((T - U @ V.T) ** 2), structured=True)(U)
    >>> H.shape, H.nbytes
    ((4, 2, 4, 2), 32)
    >>> H.diagonal()
    array([[6., 6.],
           [6., 6.],
           [6., 6.],
           [6., 6.]])
    """

    __array_priority__ = 1000
    __array_ufunc__ = None  # array + H asks H

    def __init__(self, layout: Layout, values: Sequence[Any], dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.layout, self.values = layout, tuple(values)
        if layout.is_open and not any(isinstance(v, TracedArray) for v in values):
            self.layout, self.values = _closed(layout, self.values, self.dtype)

    # ------------------------------------------------------------ what it is

    @property
    def shape(self) -> Shape:
        """Of the whole array."""
        return self.layout.shape

    @property
    def columns(self) -> int:
        """The number of trailing axes that are columns."""
        return self.layout.columns

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries, those that are not stored included."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the stored arrays."""
        return sum(int(np.asarray(v).nbytes) for v in self.values)

    @property
    def kind(self) -> str:
        """The kinds of its terms in words: "diagonal plus low rank"."""
        return kind_of(self.layout)

    def __str__(self) -> str:
        return describe(self.layout, self.nbytes, self.dtype)

    def __repr__(self) -> str:
        return f"<StructuredArray {'×'.join(map(str, self.shape))}: {self.kind}>"

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a structured array without axes has no length")
        return self.shape[0]

    # ------------------------------------------------------------ conversions

    def to_dense(self, out: Any = None) -> Any:
        """All entries as a NumPy array of the same shape.

        Parameters
        ----------
        out : ndarray, optional
            A C-contiguous array of this shape and dtype to write into: large new arrays cost more
            than what is written.
        """
        if out is not None and (
            out.shape != self.shape or out.dtype != self.dtype or not out.flags.c_contiguous
        ):
            raise ShapeError(
                f"out must be a C-contiguous {self.dtype} array of shape {self.shape}; this is "
                f"{out.dtype} of shape {out.shape}"
            )
        traced = next((v for v in self.values if isinstance(v, TracedArray)), None)
        if traced is not None:
            stored = [lift(traced.run, v, "real") for v in self.values]
            return TracedArray(written_out(self.layout, stored), traced.run, self.dtype)
        return assembly.dense(self.shape, self.layout.terms, self.values, self.dtype, out)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        self._check_numbers("np.asarray")
        return self.to_dense().astype(dtype or self.dtype, copy=False)

    def to_scipy_sparse(self) -> Any:
        """The matrix of rows times columns as a ``scipy.sparse`` array in CSR form."""
        self._check_numbers("to_scipy_sparse")
        return assembly.sparse_matrix(self.layout, self.layout.terms, self.values, self.dtype)

    # ------------------------------------------------------------ contraction

    def contract(
        self,
        labels: Labels,
        others: Sequence[tuple[Any, Labels]],
        out: Labels,
        columns: int = 0,
    ) -> StructuredArray:
        """The contraction with other arrays, structured or not, in structured form.

        Parameters
        ----------
        labels : tuple of int
            One an axis of this array.
        others : sequence of (array, labels)
            What it is multiplied by.
        out : tuple of int
            The labels of the result; the others are summed over.
        columns : int
            How many of the result's axes are columns.
        """
        operands = [self, *(a if isinstance(a, StructuredArray) else _plain(a) for a, _ in others)]
        axes = (labels, *(own for _, own in others))
        try:
            found = layout_of_product(tuple(map(_layout, operands)), axes, out, columns)
        except NotInPiecesError:
            operands = [_plain(a) for a in operands]
            found = layout_of_product(tuple(map(_layout, operands)), axes, out, columns)
        return computed(found, operands)

    def __matmul__(self, other: Any) -> Any:
        """The linear map of a vector, of several (more axes behind), or after another map."""
        cut = self.ndim - self.columns
        rows, inner = tuple(range(cut)), tuple(range(cut, self.ndim))
        if isinstance(other, StructuredArray):
            if other.layout.row_shape != self.layout.column_shape:
                raise ShapeError(
                    f"columns of shape {self.layout.column_shape} do not meet rows of shape "
                    f"{other.layout.row_shape}"
                )
            rest = tuple(range(self.ndim, self.ndim + other.columns))
            return self.contract(
                (*rows, *inner), [(other, (*inner, *rest))], (*rows, *rest), other.columns
            )
        v, flat = self._as_column(other, "@")
        rest = tuple(range(self.ndim, self.ndim + v.ndim - self.columns))
        found = self.contract((*rows, *inner), [(v, (*inner, *rest))], (*rows, *rest)).to_dense()
        return found.reshape(-1) if flat else found[()]

    def __rmatmul__(self, other: Any) -> Any:
        other = _plain(other)
        return self.T @ other if other.ndim <= self.ndim - self.columns else (
            np.tensordot(other, self.to_dense(), self.ndim - self.columns)
        )  # fmt: skip

    def _as_column(self, given: Any, name: str) -> tuple[Any, bool]:
        """A vector of the columns' shape, and whether it came as one flat axis."""
        v = _plain(given)
        shape = self.layout.column_shape
        if v.dtype.kind not in "fiub":
            raise ShapeError(f"{name}: an array of dtype {v.dtype} is no vector of real numbers")
        v = v if v.dtype.kind == "f" else v.astype(self.dtype)
        if v.shape[: len(shape)] == shape:
            return v, False
        if len(shape) != 1 and v.shape == (prod(shape),):
            return v.reshape(shape), True
        raise ShapeError(
            f"{name}: the array of shape {self.shape} takes vectors of shape {shape}, or flat ones "
            f"of {prod(shape)} entries; this one has shape {v.shape}"
        )

    @property
    def T(self) -> StructuredArray:  # noqa: N802
        """Rows and columns exchanged."""
        cut = self.ndim - self.columns
        axes = tuple(range(self.ndim))
        return self.contract(axes, [], (*axes[cut:], *axes[:cut]), cut)

    def diagonal(self) -> Any:
        """The entries whose row is their column, an array of the rows' shape."""
        rows = self._square("diagonal")
        return self.contract((*rows, *rows), [], rows).to_dense()

    def trace(self) -> Any:
        """The sum of the diagonal."""
        rows = self._square("trace")
        return self.contract((*rows, *rows), [], ()).to_dense()[()]

    def inner(self, other: Any) -> Any:
        """Σ self · other over all entries: tr(AᵀB), for a Hessian and a covariance tr(HΣ)."""
        axes = tuple(range(self.ndim))
        self._same_shape(other, "inner")
        return self.contract(axes, [(other, axes)], ()).to_dense()[()]

    def norm(self) -> Any:
        """The Frobenius norm.

        Notes
        -----
        Where the terms of a large array cancel, half of its digits are lost.
        """
        if self.size <= _SMALL and not any(isinstance(v, TracedArray) for v in self.values):
            return np.linalg.norm(self.to_dense())
        return np.sqrt(np.maximum(self.inner(self), 0))

    def quadratic(self, v: Any) -> Any:
        """vᵀ A v."""
        rows = self._square("quadratic")
        v, _ = self._as_column(v, "quadratic")
        if v.ndim != len(rows):
            raise ShapeError(f"quadratic takes one vector; this array has shape {v.shape}")
        inner = tuple(range(len(rows), self.ndim))
        return self.contract((*rows, *inner), [(v, rows), (v, inner)], ()).to_dense()[()]

    def _square(self, name: str) -> Labels:
        if self.layout.row_shape != self.layout.column_shape:
            raise ShapeError(
                f"{name} is of square arrays; this one has rows of shape {self.layout.row_shape} "
                f"and columns of shape {self.layout.column_shape}"
            )
        return tuple(range(self.ndim - self.columns))

    def _same_shape(self, other: Any, name: str) -> None:
        if np.shape(other) != self.shape:
            raise ShapeError(f"{name}: shapes {self.shape} and {np.shape(other)} differ")

    # ------------------------------------------------------------ sums, multiples, products

    def _combined(self, other: Any, factor: int, name: str) -> Any:
        if isinstance(other, StructuredArray):
            self._same_shape(other, name)
            found = layout_of_sum(
                (self.layout, other.layout), (Fraction(1), Fraction(factor)), self.columns
            )
            return computed(found, [self, other])
        try:
            np.broadcast_shapes(self.shape, np.shape(other))
        except ValueError:
            self._same_shape(other, name)
        return self.to_dense() + factor * _plain(other)

    def __add__(self, other: Any) -> Any:
        return self._combined(other, 1, "+")

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._combined(other, -1, "-")

    def __rsub__(self, other: Any) -> Any:
        return (-self)._combined(other, 1, "-")

    def __neg__(self) -> StructuredArray:
        found = layout_of_sum((self.layout,), (Fraction(-1),), self.columns)
        return computed(found, [self])

    def __mul__(self, other: Any) -> StructuredArray:
        """Entry by entry, with a number or an array of the same shape."""
        axes = tuple(range(self.ndim))
        if isinstance(other, Real) or np.ndim(other) == 0:
            return self.contract(axes, [(_plain(other, self.dtype), ())], axes, self.columns)
        self._same_shape(other, "*")
        return self.contract(axes, [(other, axes)], axes, self.columns)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> StructuredArray:
        if np.ndim(other):
            raise ShapeError("a structured array is divided by numbers only; see solve")
        return self * (1 / _plain(other, self.dtype))

    def add_diagonal(self, entries: Any) -> StructuredArray:
        """The square array plus a diagonal one (damping).

        Parameters
        ----------
        entries : float or array_like
            A multiple of the identity; or the diagonal, of the rows' shape.
        """
        rows = self._square("add_diagonal")
        given = _plain(entries, self.dtype)
        if given.ndim and given.shape != self.layout.row_shape:
            raise ShapeError(
                f"add_diagonal takes a number or an array of the rows' shape "
                f"{self.layout.row_shape}, not of shape {given.shape}"
            )
        layout = diagonal_layout(self.layout.row_shape, bool(given.ndim) and bool(rows))
        return self + StructuredArray(layout, (given,), self.dtype)

    # ------------------------------------------------------------ slices

    def __getitem__(self, index: Any) -> Any:
        """Integers and slices, one an axis: a structured array; a number if no axis is left."""
        entries = list(index) if isinstance(index, tuple) else [index]
        if Ellipsis in [e for e in entries if e is Ellipsis]:
            at = next(k for k, e in enumerate(entries) if e is Ellipsis)
            entries[at : at + 1] = [slice(None)] * (self.ndim - len(entries) + 1)
        if not all(
            isinstance(e, slice | int | np.integer) and not isinstance(e, bool) for e in entries
        ):
            raise IndexError(
                "a structured array is indexed by integers and slices; "
                "for other indices take .to_dense() first"
            )
        entries += [slice(None)] * (self.ndim - len(entries))
        specs = given_specs(entries, self.shape)
        cut = self.ndim - self.columns
        left = sum(not isinstance(s, int) for s in specs[cut:])
        result = computed(layout_of_slice(self.layout, specs, left), [self])
        return result if result.ndim else result.to_dense()[()]

    # ------------------------------------------------------------ solving

    @cached_property
    def factors(self) -> Factorization:
        """The factorisation that :meth:`solve` and :meth:`logdet` use, made once."""
        self._check_numbers("a factorisation")
        return factorize(self.layout, self.values, self.dtype, self._product)

    def _product(self, x: Any) -> Any:
        """The matrix times a matrix."""
        vectors = x.reshape((*self.layout.column_shape, x.shape[1]))
        return (self @ vectors).reshape(prod(self.layout.row_shape), x.shape[1])

    def solve(self, b: Any, *, method: str = "direct", tolerance: float = 1e-10) -> Any:
        """x with ``self @ x = b``.

        Parameters
        ----------
        b : array_like
            Of the rows' shape (flat, if you like), or with more axes behind it: several at once.
        method : str
            ``"direct"``: blocks, Kronecker factors, Woodbury's identity, a sparse or a dense
            factorisation, by structure (``self.factors.method`` says which). ``"cg"``: conjugate
            gradients, for positive definite arrays of which only products are cheap.
        tolerance : float
            Of ``"cg"``: the residual's norm over that of b.

        Returns
        -------
        ndarray
            Of the columns' shape, shaped as b was.

        Raises
        ------
        SingularMatrixError
            Naming where the null direction lies.
        ShapeError
            If the array is not square or b does not fit.
        """
        if method not in ("direct", "cg"):
            raise ValueError(f'unknown method {method!r}; the methods are "direct" and "cg"')
        self._square_sizes("solve")
        self._check_numbers("solve", b)
        right, flat = self.T._as_column(b, "solve")
        n = prod(self.layout.row_shape)
        behind = right.shape[len(self.layout.row_shape) :]
        matrix = right.reshape(n, prod(behind)).astype(np.result_type(self.dtype, right.dtype))
        if method == "cg":
            solved = conjugate_gradients(self.as_linear_operator(), matrix, tolerance)
        else:
            solved = self.factors.solve(matrix)
        return solved.reshape(-1) if flat else solved.reshape((*self.layout.column_shape, *behind))

    def slogdet(self) -> tuple[float, float]:
        """The sign of the determinant, and the logarithm of its absolute value."""
        self._square_sizes("slogdet")
        return self.factors.slogdet()

    def logdet(self) -> float:
        """The logarithm of the determinant.

        Raises
        ------
        DomainError
            If the determinant is negative.
        """
        self._square_sizes("logdet")
        return self.factors.logdet()

    def inverse(self) -> StructuredArray:
        """The inverse, with blocks and Kronecker factors of its own.

        Raises
        ------
        SingularMatrixError
            Naming where the null direction lies.
        """
        self._square("inverse")
        assert self.factors.method  # an error if there is none
        return self._mapped(inverse, "inverse")

    def cholesky(self) -> StructuredArray:
        """The lower factor L with L Lᵀ the array, of the same blocks or Kronecker factors."""
        return self._mapped(cholesky, "cholesky")

    def _mapped(self, function: Any, name: str) -> StructuredArray:
        self._square(name)
        self._check_numbers(name)
        layout, values = mapped(self.layout, self.values, self.dtype, function)
        return StructuredArray(layout, values, self.dtype)

    def eigvalsh(self, k: int | None = None, *, largest: bool = True) -> Any:
        """Eigenvalues of a symmetric array in ascending order.

        Parameters
        ----------
        k : int, optional
            How many; all by default. A few of a large array are found by Lanczos' method.
        largest : bool
            The k largest, or the k smallest ones.
        """
        self._square("eigvalsh")
        self._check_numbers("eigvalsh")
        operator = self.as_linear_operator()
        return eigenvalues(self.layout, self.values, self.dtype, operator, k, largest)

    def _square_sizes(self, name: str) -> None:
        rows, columns = prod(self.layout.row_shape), prod(self.layout.column_shape)
        if rows != columns:
            raise ShapeError(f"{name} needs a square array; this one is {rows} by {columns}")

    def _check_numbers(self, name: str, *given: Any) -> None:
        if any(isinstance(v, TracedArray) for v in (*self.values, *given)):
            raise TracingError(
                f"{where()}: {name} of a structured array goes by its numbers, which traced code "
                "does not have; call it outside of compile and of derivatives, or use to_dense() "
                "and the function of numpy.linalg"
            )

    # ------------------------------------------------------------ as an operator

    def as_linear_operator(self) -> Any:
        """The linear map as a ``scipy.sparse.linalg.LinearOperator`` of flat vectors."""
        shape = (prod(self.layout.row_shape), prod(self.layout.column_shape))
        back = self.T
        inner = self.layout.column_shape
        outer = self.layout.row_shape

        def several(A: StructuredArray, into: Shape, rows: int) -> Any:
            return lambda V: (A @ V.reshape(*into, V.shape[-1])).reshape(rows, V.shape[-1])

        def one(A: StructuredArray, into: Shape) -> Any:
            return lambda v: (A @ v.reshape(into)).reshape(-1)

        make: Any = LinearOperator
        return make(
            shape,
            matvec=one(self, inner),
            rmatvec=one(back, outer),
            matmat=several(self, inner, shape[0]),
            rmatmat=several(back, outer, shape[1]),
            dtype=self.dtype,
        )


def computed(found: tuple[Layout, tuple[Expr, ...]], operands: Sequence[Any]) -> StructuredArray:
    """The array of a layout whose stored arrays are expressions over those of operands."""
    layout, cores = found
    named: dict[str, Any] = {}
    for k, operand in enumerate(operands):
        stored = operand.values if isinstance(operand, StructuredArray) else (operand,)
        named.update((name_of(k, j), v) for j, v in enumerate(stored))
    if any(isinstance(v, TracedArray) for v in named.values()):
        return _traced(layout, cores, named)
    dtype = common_dtype([np.empty(0, operand.dtype) for operand in operands])
    given = {name: _real(v, dtype) for name, v in named.items()}
    arrays = program_of(cores, dtype)(given)
    return StructuredArray(layout, [owned(a, dtype, given.values()) for a in arrays], dtype)


def _closed(layout: Layout, values: tuple[Any, ...], dtype: Any) -> tuple[Layout, tuple[Any, ...]]:
    """The layout with the places that are known now, and what it stores."""
    places = tuple(piece.places for piece in layout.with_tables(values))
    closed, cores = closed_layout(layout, places)
    given = {name_of(0, j): v for j, v in enumerate(values)}
    arrays = program_of(cores, dtype)(given)
    return closed, tuple(owned(a, dtype, given.values()) for a in arrays)


def _real(value: Any, dtype: Any) -> Any:
    return np.asarray(value) if np.asarray(value).dtype.kind == "f" else np.asarray(value, dtype)


def _traced(layout: Layout, cores: tuple[Expr, ...], named: dict[str, Any]) -> StructuredArray:
    trace = next(v.run for v in named.values() if isinstance(v, TracedArray))
    dtype = np.result_type(*(v.dtype for v in named.values()))
    memo = {variable(name, np.shape(v)): lift(trace, v, "real") for name, v in named.items()}
    placed = [rebuild(core, with_operands, dict(memo)) for core in cores]
    return StructuredArray(layout, [TracedArray(e, trace, dtype) for e in placed], dtype)


def _plain(given: Any, dtype: Any = None) -> Any:
    """An array of all entries; what is traced stays so."""
    if isinstance(given, StructuredArray):
        return given.to_dense()
    return given if isinstance(given, TracedArray) else np.asarray(given, dtype)


def _layout(operand: Any) -> Layout | Shape:
    return operand.layout if isinstance(operand, StructuredArray) else operand.shape


def _flattened(array: Any) -> Any:
    return array.values, (array.layout, array.dtype)


def _restored(kept: Any, values: Any) -> Any:
    for leaf, value in zip(kept[0].leaves, values, strict=True):
        shape = getattr(value, "shape", leaf.shape)
        if shape != leaf.shape:
            raise ShapeError(
                f"a structured array stores an array of shape {leaf.shape}, not {shape}: vmap "
                "gives no structured arrays; return .to_dense(), or what is computed from it"
            )
    return StructuredArray(kept[0], values, kept[1])


as_pytree(StructuredArray, _flattened, _restored)
