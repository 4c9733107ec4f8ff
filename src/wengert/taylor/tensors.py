"""Derivative tensors by their distinct entries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import comb, prod
from typing import Any, final
from warnings import warn

import numpy as np
import optree

from wengert.backends import plan_of
from wengert.derive import derivative, highest, representatives
from wengert.derive.series import series_along
from wengert.errors import ShapeError, TracingError
from wengert.expr import Expr
from wengert.operations import variable
from wengert.rewrite import recognise
from wengert.shapes import concrete
from wengert.taylor.interpolation import amplification, directions, entries_from
from wengert.taylor.monomials import (
    count,
    monomials,
    multiplicities,
    of_dense,
    ranks,
    with_one_more,
)
from wengert.taylor.subject import Source, function_of
from wengert.tracing import TracedArray
from wengert.transforms.recording import Recorded, Tree, record

Shape = tuple[int, ...]
METHODS = ("auto", "collapsed", "interpolation", "mixed", "repeated")
_MOST = 2 * 10**8  # entries of one array
_CHUNK = 2**18  # entries of an intermediate array for one batch of directions
_SAFE = 1e6  # the amplification of rounding up to which interpolation is chosen unasked
_REPEATED = 10  # the order up to which repeated derivatives are worth a try
_DIGITS = 1e-6  # the relative error from which an entry is interpolated once more
_NOISE = 8 * np.finfo(float).eps  # of the sum that an entry was made of: no number of its own
_STEP = 3000  # nanoseconds for starting an instruction
_PARTITIONED = 5  # the order up to which partitions are faster than recurrences
_CACHED = 256


@final
@dataclass(frozen=True, eq=False)
class SymmetricTensor:
    """A tensor that does not change when its arguments are exchanged, by its distinct entries.

    Attributes
    ----------
    entries : array
        Of shape ``(*outputs, C(d + k − 1, k))``: the entries with i₁ ≤ ... ≤ iₖ, in lexicographic
        order.
    point : tuple of int
        The shape of one argument, of d entries.
    order : int
        k.

    Examples
    --------
    >>> T = SymmetricTensor.from_dense(np.array([[1.0, 2.0], [2.0, 5.0]]), (2,), 2)
    >>> T.entries
    array([1., 2., 5.])
    >>> float(T[1, 0]), float(T.contract(np.array([1.0, 1.0]), np.array([1.0, 0.0])))
    (2.0, 3.0)
    """

    entries: Any
    point: Shape
    order: int

    def __post_init__(self) -> None:
        needed = count(self.dimension, self.order)
        if np.ndim(self.entries) == 0 or np.shape(self.entries)[-1] != needed:
            raise ShapeError(
                f"a symmetric tensor of order {self.order} in {self.dimension} dimensions has "
                f"{needed} distinct entries; these have shape {np.shape(self.entries)}"
            )

    @staticmethod
    def from_dense(tensor: Any, point: Shape, order: int) -> SymmetricTensor:
        """The symmetric part of an array of shape ``outputs + point * order``.

        Raises
        ------
        ShapeError
            If the array has another shape.
        """
        array = np.asarray(tensor)
        outputs = array.shape[: max(array.ndim - order * len(point), 0)]
        if array.shape != (*outputs, *point * order):
            raise ShapeError(
                f"a tensor of order {order} over arguments of shape {point} ends with the axes "
                f"{point * order}; this one has shape {array.shape}"
            )
        d = prod(point)
        flat = array.reshape(prod(outputs), d**order)
        flat = flat if flat.dtype.kind == "f" else flat.astype(float)
        return SymmetricTensor(
            _folded(flat, d, order).reshape(*outputs, count(d, order)), point, order
        )

    @property
    def dimension(self) -> int:
        """d, the number of entries of one argument."""
        return prod(self.point)

    @property
    def outputs(self) -> Shape:
        """The shape of one entry, that of the function."""
        return self.entries.shape[:-1]

    @property
    def shape(self) -> Shape:
        """The shape of the dense tensor."""
        return self.outputs + self.point * self.order

    def to_dense(self) -> Any:
        """All entries, an array of shape ``outputs + point * order``.

        Raises
        ------
        ShapeError
            If they are too many to be held.
        """
        _check_size(prod(self.shape), "the dense tensor", "use its distinct entries, .entries")
        table = of_dense(self.dimension, self.order)
        return np.take(self.entries, table, axis=-1).reshape(self.shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.to_dense().astype(dtype or self.entries.dtype, copy=False)

    def __getitem__(self, index: Any) -> Any:
        """The entry T[i, j, ...], of the shape of the outputs: one index an argument.

        An index is a number in row order, or a tuple of numbers for an argument of several axes.
        """
        single = self.order == 1 or not isinstance(index, tuple)
        given: list[Any] = [index] if single else list(index)  # pyright: ignore[reportUnknownArgumentType]
        if len(given) != self.order:
            raise IndexError(
                f"a tensor of order {self.order} has {self.order} indices; {len(given)} are given"
            )
        flat = np.array([self._flat(i) for i in given], np.intp)
        return self.entries[..., ranks(flat, self.dimension)]

    def _flat(self, index: Any) -> int:
        place: Any = index
        if isinstance(index, tuple):
            place = np.ravel_multi_index(index, self.point)  # pyright: ignore[reportUnknownArgumentType]
        d = self.dimension
        if not -d <= place < d:
            raise IndexError(f"index {index} is out of range: an argument has {d} entries")
        return int(place) % d

    def contract(self, *vectors: Any) -> Any:
        """T with vectors in some or all of its arguments.

        Parameters
        ----------
        *vectors : array
            Up to k of them, of the shape of an argument.

        Returns
        -------
        array or SymmetricTensor
            Of the outputs' shape if all arguments are given.
        """
        if len(vectors) > self.order:
            raise ShapeError(f"a tensor of order {self.order} takes no {len(vectors)} vectors")
        entries, d = self.entries, self.dimension
        for n, given in enumerate(vectors):
            v = np.asarray(given)
            if v.shape != self.point:
                raise ShapeError(f"a vector of shape {v.shape} where {self.point} is needed")
            table = with_one_more(d, self.order - n - 1)
            entries = entries[..., table] @ v.ravel()
        left = self.order - len(vectors)
        return SymmetricTensor(entries, self.point, left) if left else entries[..., 0]

    def inner(self, other: SymmetricTensor) -> Any:
        """Σ T[i₁...iₖ] other[i₁...iₖ] over all indices, of the outputs' shapes together."""
        if (self.point, self.order) != (other.point, other.order):
            raise ShapeError(
                f"tensors over {self.order} arguments of shape {self.point} and {other.order} of "
                f"shape {other.point} have no inner product"
            )
        times = multiplicities(self.dimension, self.order)
        return np.tensordot(self.entries * times, other.entries, (-1, -1))

    def norm(self) -> Any:
        """The Frobenius norm over all arguments, of the outputs' shape."""
        times = multiplicities(self.dimension, self.order)
        return np.sqrt(np.sum(times * self.entries**2, axis=-1))

    def __repr__(self) -> str:
        d, k = self.dimension, self.order
        return (
            f"SymmetricTensor(outputs {self.outputs}, order {k} in {d} dimensions: "
            f"{count(d, k):,} distinct of {d**k:,} entries)"
        )


def _folded(flat: Any, d: int, k: int) -> Any:
    """The distinct entries of the symmetric part: the mean over the orders of the indices."""
    table, times = of_dense(d, k), multiplicities(d, k)
    rows = [np.bincount(table, weights=row, minlength=count(d, k)) / times for row in flat]
    return np.array(rows).reshape(len(flat), count(d, k)).astype(flat.dtype, copy=False)


def nested_blocks(tensor: SymmetricTensor, point: Tree, factor: float) -> Tree:
    """A multiple of a tensor, dense: of a tree of arrays its blocks, nested as the tree k times.

    Parameters
    ----------
    tensor : SymmetricTensor
        Over the point's entries as one vector, if it is a tree of several.
    point : tree of arrays
        The point.
    factor : float
        What the entries are multiplied by.
    """
    flat, structure = optree.tree_flatten(point)
    shapes = [np.shape(v) for v in flat]
    outputs, cut = tensor.outputs, np.cumsum([0, *map(prod, shapes)])

    def block(array: Any, shape: Shape, left: int) -> Tree:
        if not left:
            return array.reshape(outputs + shape)[()]
        axis = array.ndim - left
        parts = [
            block(np.take(array, range(a, b), axis), shape + own, left - 1)
            for a, b, own in zip(cut, cut[1:], shapes, strict=False)
        ]
        return optree.tree_unflatten(structure, parts)

    d, k = tensor.dimension, tensor.order
    dense = tensor.to_dense().reshape(*outputs, *(d,) * k) * factor
    return block(dense, (), k)


# ---------------------------------------------------------------- derivatives


def derivative_tensor(
    f: Source, x0: Tree, k: int, *, method: str = "auto", given: Any = None
) -> Any:
    """The derivative D^k f(x₀) as a symmetric tensor, of which only distinct entries are computed.

    Parameters
    ----------
    f : str, Formula or callable
        Of one argument; with results of any shape.
    x0 : tree of arrays
        The argument. Several arrays are taken as one flat vector.
    k : int
        The order, from 1 on.
    method : str
        ``"collapsed"``: one term of those that differ by a permutation of the arguments, from a
        forward sweep below order k and a reverse one at order k. ``"interpolation"``: from power
        series along C(d + k − 1, k) directions. ``"mixed"``: the same for the derivative of f of
        order 1 or 2, along fewer. ``"repeated"``: from all entries of the repeated derivative.
        ``"auto"``: the one of the least estimated cost.
    given : mapping of str to array, optional
        Values of a formula's other variables.

    Returns
    -------
    SymmetricTensor, or tree of SymmetricTensor
        Nested as the result of ``f``.

    Raises
    ------
    ValueError
        For an order that is no number from 1 on, and for an unknown method.
    ShapeError
        If even the distinct entries are too many to be held.

    Notes
    -----
    The cost is that of the plan at the real sizes: a tenth of a nanosecond a FLOP, one for each
    entry written, 3 µs an instruction. For interpolation it is that of one point times the number
    of directions times (k + 1)(k + 2)/2, the products of two series of order k. Repeated
    derivatives are looked at if their cost at order 2, times 2d for each further order, is less
    than that of the others. Interpolation computes in float64 always; where it would amplify
    rounding errors more than 10⁶ times it gives way to repeated derivatives, or warns if it was
    asked for.

    Examples
    --------
    >>> T = derivative_tensor(lambda x: x[0] ** 2 * x[1] + x[1] ** 3, np.array([1.0, 2.0]), 3)
    >>> T.entries
    array([0., 2., 0., 6.])
    >>> float(T[1, 0, 0])
    2.0
    """
    check_positive(k)
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; the methods are {', '.join(METHODS)}")
    recorded = recorded_at_point(*function_of(f, x0, given), "derivative_tensor")
    if recorded.trace.parent is not None:
        raise TracingError(
            "derivative_tensor gives numbers, and cannot be used within a transformed function; "
            "use wg.derivative there"
        )
    (leaf,) = recorded.leaves
    point = concrete(leaf.shape)
    dtypes = [np.result_type(d, *recorded.leaf_dtypes) for d in recorded.dtypes]
    found: list[SymmetricTensor] = []
    for root, dtype in zip(recorded.roots, dtypes, strict=True):
        _check_size(
            _size(root) * count(prod(point), k),
            f"the derivative of order {k}",
            "contract it instead: wg.contract_derivative, wg.jet",
        )
        one = replace(recorded, roots=(root,), dtypes=(dtype,))
        entries = _entries(one, int(k), method)
        found.append(SymmetricTensor(entries.astype(dtype, copy=False), point, int(k)))
    return recorded.unflatten(found)


def check_positive(order: object) -> None:
    """An error unless this is a whole number from 1 on.

    Raises
    ------
    ValueError
        Saying what it is.
    """
    if not isinstance(order, int | np.integer) or isinstance(order, bool) or order < 1:
        raise ValueError(f"order must be an integer from 1 on; got {order!r}")


def recorded_at_point(function: Callable[[Any], Any], point: Tree, name: str) -> Recorded:
    """A run by one array: the argument, or all arrays of a tree as one vector."""
    flat, structure = optree.tree_flatten(point)
    if len(flat) == 1:
        return record(function, (point,), {}, 0, name=name)
    if not flat:
        raise TracingError(f"{name}: there is nothing to differentiate by")
    shapes = [np.shape(v) for v in flat]
    cut = np.cumsum([0, *map(prod, shapes)])

    def of_vector(v: Any) -> Any:
        parts = [v[a:b].reshape(s) for a, b, s in zip(cut, cut[1:], shapes, strict=False)]
        return function(optree.tree_unflatten(structure, parts))

    if any(isinstance(v, TracedArray) for v in flat):
        raise TracingError(f"{name}: within a transformed function, the point must be one array")
    dtype = np.result_type(*flat)
    joined = np.concatenate([np.ravel(np.asarray(v, dtype)) for v in flat])
    return record(of_vector, (joined,), {}, 0, name=name)


def _check_size(entries: int, what: str, remedy: str) -> None:
    if entries > _MOST:
        raise ShapeError(f"{what} has {entries:,} entries, too many to be held; {remedy}")


# ---------------------------------------------------------------- methods


def _entries(recorded: Recorded, k: int, method: str) -> Any:
    """The distinct entries of one result's derivative, on the last axis."""
    (root,), (leaf,) = recorded.roots, recorded.leaves
    root = recognise(root)
    name, below = _cheapest(root, leaf, k) if method == "auto" else (method, 0)
    if name == "mixed" and not below:
        below = _cheapest_below(root, leaf, k)[1]
    if name in {"interpolation", "mixed"}:
        entries, spread = _interpolated(recorded, root, k, below)
        if spread < _SAFE:
            return entries
        if method != "auto" or k > _REPEATED:
            warn(
                f"derivative_tensor: interpolation amplifies rounding errors {spread:.1e} times; "
                "use method='repeated'",
                RuntimeWarning,
                stacklevel=4,
            )
            return entries
        name = "repeated"
    expr = _collapsed(root, leaf, k) if name == "collapsed" else _derived(root, leaf, k)
    (tensor,) = recorded.finish([expr], recorded.dtypes)
    d, outputs = _size(leaf), concrete(root.shape)
    flat: Any = np.reshape(tensor, (prod(outputs), d**k))
    if name == "repeated":
        return flat[:, monomials(d, k) @ _strides(d, k)].reshape(*outputs, count(d, k))
    return _folded(flat, d, k).reshape(*outputs, count(d, k))


@lru_cache(maxsize=_CACHED)
def _cheapest(root: Expr, leaf: Expr, k: int) -> tuple[str, int]:
    """The method of the least cost, and after how many derivatives it interpolates."""
    d, outputs = _size(leaf), _size(root)
    least, below = _cheapest_below(root, leaf, k)
    best = ("mixed" if below else "interpolation", below)
    dense = outputs * d**k  # entries of the tensors that the other two write
    if dense < min(_MOST, least):
        collapsed = 3 * dense + _cost(_collapsed(root, leaf, k))
        if collapsed < least:
            least, best = collapsed, ("collapsed", 0)
        known = min(k, 2)
        if _cost(_derived(root, leaf, known)) * (2 * d) ** (k - known) < least:
            repeated = dense + _cost(_derived(root, leaf, k))
            best = ("repeated", 0) if repeated < least else best
    return best


@lru_cache(maxsize=_CACHED)
def _cheapest_below(root: Expr, leaf: Expr, k: int) -> tuple[float, int]:
    """The least cost of interpolation, and after how many derivatives it is."""
    d, outputs = _size(leaf), _size(root)
    found: list[tuple[float, int]] = []
    for below in range(min(k, 3)):
        left = k - below
        many = count(d, left)
        each = _cost(_derived(root, leaf, below), 0) * comb(left + 2, 2)
        gamma = many * outputs * d**below * min(many, 4**left // 4)
        found.append((many * each + gamma + _STEP * 20, below))
    return min(found)


def _cost(expr: Expr, step: int = _STEP) -> float:
    """Nanoseconds, nominally: of FLOPs, of entries written, and of starting each instruction."""
    plan = plan_of((expr,))
    instructions = plan.instructions
    return plan.flops / 10 + sum(i.size for i in instructions) + step * len(instructions)


@lru_cache(maxsize=_CACHED)
def _collapsed(root: Expr, leaf: Expr, k: int) -> Expr:
    return representatives(root, leaf, k)


@lru_cache(maxsize=_CACHED)
def _derived(root: Expr, leaf: Expr, k: int) -> Expr:
    return derivative(root, [leaf] * k)


def _interpolated(recorded: Recorded, root: Expr, k: int, below: int) -> tuple[Any, float]:
    """The entries by power series of the derivative of order ``below``, and the amplification."""
    (leaf,) = recorded.leaves
    d, left = _size(leaf), k - below
    base = _derived(root, leaf, below)
    found, summed = _along_scaled(recorded, base, left, np.ones(d))
    scales = _scales(recorded.arguments[0])
    if np.any(_NOISE * summed > _DIGITS * np.abs(found)) and np.any(scales != 1):
        other, other_summed = _along_scaled(recorded, base, left, scales)
        better = other_summed < summed
        found[better], summed[better] = other[better], other_summed[better]
    found[np.abs(found) <= _NOISE * summed] = 0.0
    spread = amplification(found, summed)
    found = found.reshape(len(found), _size(root), d**below)
    table = monomials(d, k)
    chosen = found[ranks(table[:, below:], d), :, table[:, :below] @ _strides(d, below)]
    return chosen.T.reshape(*concrete(root.shape), len(table)), spread


def _scales(x: Any) -> Any:
    """The powers of two near the sizes of a point's entries; 1 for zeros."""
    exponents: Any = np.frexp(np.array(x, float).ravel())[1]
    return np.ldexp(1.0, exponents)  # that of 0 is 0


def _along_scaled(recorded: Recorded, base: Expr, k: int, scales: Any) -> tuple[Any, Any]:
    """The entries of D^k in units of one's own for each variable, and the sums that made them."""
    (leaf,) = recorded.leaves
    d = _size(leaf)
    along = directions(d, k)
    size = max(1, min(len(along), _CHUNK // max(plan_of((base,)).largest, 1)))
    seeds = variable("·directions", (size, *concrete(leaf.shape)))
    expr = _highest(base, leaf, seeds, k)
    whole = k > _PARTITIONED  # the whole series
    wide = replace(recorded, arguments=tuple(np.asarray(a, float) for a in recorded.arguments))
    rows: list[Any] = []
    for start in range(0, len(along), size):
        part: Any = np.zeros((size, d))
        own = along[start : start + size]
        part[: len(own)] = own * scales
        extra = {seeds: part.reshape(concrete(seeds.shape))}
        (found,) = wide.finish([expr], [np.dtype(float)], extra)
        rows.append((found[k] if whole else found)[: len(own)])
    values: Any = np.concatenate(rows) if rows else np.zeros((0, *concrete(base.shape)))
    units = np.prod(scales[monomials(d, k)], axis=1).reshape(-1, *[1] * (values.ndim - 1))
    with np.errstate(all="ignore"):  # units that are no numbers: the other ones are taken
        found, summed = entries_from(values, d, k)
        return found / units, summed / units


def _size(node: Expr) -> int:
    return prod(concrete(node.shape))


def _strides(d: int, k: int) -> Any:
    """By which k indices in d dimensions become one."""
    return d ** np.arange(k - 1, -1, -1)


@lru_cache(maxsize=_CACHED)
def _highest(base: Expr, leaf: Expr, seeds: Expr, k: int) -> Expr:
    """D^k f / k! along many directions: by partitions of k while these are few."""
    if k <= _PARTITIONED:
        return highest([base], {leaf: seeds}, k)[0]
    return series_along([base], {leaf: seeds}, k)[0]
