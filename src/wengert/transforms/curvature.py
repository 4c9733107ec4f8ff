"""Curvature without the whole Hessian: diagonals, traces, Gauss-Newton and Fisher matrices.

Each is a contraction of the derivative's expression, in which the deltas vanish before anything is
computed: no Hessian is formed whose entries are not asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from itertools import pairwise
from typing import Any

import numpy as np
import optree

from wengert.derive import collapsed, deltas, jacobians
from wengert.errors import ShapeError, TracingError
from wengert.expr import Expr
from wengert.operations import add, contract, variable
from wengert.rewrite import recognise, recognise_all
from wengert.structured import StructuredArray
from wengert.transforms.differentiate import (
    Argnums,
    Function,
    check_scalar,
    derivative_exprs,
    hessian,
)
from wengert.transforms.keeping import as_grid, structured_arrays
from wengert.transforms.recording import Recorded, Tree, describe, record

_CACHED = 512


# ---------------------------------------------------------------- diagonals and traces


def hessian_diagonal(f: Function, argnums: Argnums = 0) -> Function:
    """The diagonal of a scalar function's Hessian, without the Hessian.

    Parameters
    ----------
    f : callable
        As for :func:`grad`.
    argnums : int or tuple of int
        The arguments to differentiate by; pytrees of real arrays.

    Returns
    -------
    callable
        Gives ``∂²f/∂xᵢ²``, a pytree like the argument.

    Examples
    --------
    >>> hessian_diagonal(lambda x: np.sum(x**3) * np.sum(x))(np.array([1.0, 2.0]))
    array([24., 60.])
    """

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        recorded = record(f, args, kwargs, argnums, name="hessian_diagonal")
        check_scalar(recorded, f)
        exprs = _diagonals(recorded.roots[0], recorded.leaves)
        return optree.tree_unflatten(
            recorded.structure, recorded.finish(exprs, recorded.leaf_dtypes)
        )

    return function


@lru_cache(maxsize=_CACHED)
def _diagonals(root: Expr, leaves: tuple[Expr, ...]) -> tuple[Expr, ...]:
    found: list[Expr] = []
    for leaf, row in zip(leaves, jacobians([recognise(root)], leaves, "auto")[0], strict=True):
        ((second,),) = jacobians([row], [leaf], "auto")
        axes = tuple(range(leaf.ndim))
        found.append(contract([second], [axes + axes], axes))
    return tuple(found)


def hessian_trace(f: Function, argnums: int = 0) -> Function:
    """tr(W ∇²f) of a scalar function of one array, without the Hessian.

    Parameters
    ----------
    f : callable
        As for :func:`grad`.
    argnums : int
        The argument x, one array.

    Returns
    -------
    callable
        ``g(weight, *args)``: the sum over ``weight * Hessian`` (a covariance, say), or the trace
        itself for ``weight=None``. The weight has shape ``x.shape + x.shape``.

    Raises
    ------
    ShapeError
        If the weight's shape does not fit.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> f = lambda x: x[0] ** 2 * x[1]
    >>> float(hessian_trace(f)(None, x))
    4.0
    >>> float(hessian_trace(f)(np.array([[0.0, 1.0], [1.0, 0.0]]), x))
    4.0
    """

    @wraps(f)
    def function(weight: Any, *args: Any, **kwargs: Any) -> Any:
        recorded = record(f, args, kwargs, argnums, name="hessian_trace")
        check_scalar(recorded, f)
        if len(recorded.leaves) != 1:
            raise TracingError("hessian_trace: the argument must be one array")
        (leaf,) = recorded.leaves
        dtype = [recorded.leaf_dtypes[0]]
        if weight is None:
            return recorded.finish([_weighted_trace(recorded.roots[0], leaf, None)], dtype)[0]
        if np.shape(weight) != leaf.shape * 2:
            raise ShapeError(
                f"hessian_trace: the weight must have the Hessian's shape {leaf.shape * 2}, not "
                f"{np.shape(weight)}"
            )
        given = variable("·weight", leaf.shape * 2)
        expr = _weighted_trace(recorded.roots[0], leaf, given)
        return recorded.finish([expr], dtype, {given: np.asarray(weight, dtype[0])})[0]

    return function


@lru_cache(maxsize=_CACHED)
def _weighted_trace(root: Expr, leaf: Expr, weight: Expr | None) -> Expr:
    if weight is None:
        return collapsed([recognise(root)], {leaf: deltas(leaf)}, None, 2)[0]
    (hessian,) = derivative_exprs((root,), (leaf,), 2, "auto")
    both = tuple(range(2 * leaf.ndim))
    return contract([hessian, weight], [both, both], ())


# ---------------------------------------------------------------- Gauss-Newton and Fisher


def gauss_newton(
    f: Function,
    argnums: Argnums = 0,
    *,
    loss: Callable[[Any], Any] | None = None,
    structured: bool = True,
) -> Function:
    """The Gauss-Newton matrix JᵀJ of residuals, or Jᵀ ∇²loss J of a model under a loss.

    Parameters
    ----------
    f : callable
        Gives residuals r of any shape (for ½‖r‖²), or a model's outputs.
    argnums : int or tuple of int
        The parameters.
    loss : callable, optional
        A scalar function of the outputs, whose Hessian stands in the middle (the generalized
        Gauss-Newton matrix, which for a log-likelihood of an exponential family is the Fisher
        matrix).
    structured : bool
        A :class:`StructuredArray` (:class:`StructuredBlocks` for a pytree); otherwise dense arrays
        nested as those of :func:`hessian`.

    Returns
    -------
    callable
        With the arguments of ``f``.

    Examples
    --------
    >>> A = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> gauss_newton(lambda x: A @ x)(np.zeros(2)).to_dense()
    array([[10., 14.],
           [14., 20.]])
    """

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        run = f if loss is None else _with_loss_hessian(f, loss)
        recorded = record(run, args, kwargs, argnums, name="gauss_newton")
        weight = None if loss is None else recorded.roots[1]
        roots = recorded.roots if loss is None else recorded.roots[:1]
        if structured:
            return _kept_square(recorded, roots, weight)
        return _square(recorded, _gram(roots, recorded.leaves, weight))

    return function


def fisher(log_density: Function, argnums: Argnums = 0, *, structured: bool = True) -> Function:
    """The empirical Fisher matrix Σᵢ gᵢ gᵢᵀ of the observations' log-densities.

    Parameters
    ----------
    log_density : callable
        Gives one log-density an observation, an array.
    argnums, structured
        As in :func:`gauss_newton`.

    Notes
    -----
    The second moment of the per-example gradients, summed; divide by their number for the mean.

    Examples
    --------
    >>> y = np.array([1.0, 3.0])
    >>> fisher(lambda mean: -0.5 * (y - mean) ** 2)(0.0).to_dense()
    array(10.)
    """
    return gauss_newton(log_density, argnums, structured=structured)


def gradient_moments(f: Function, argnums: Argnums = 0) -> Function:
    """The sum of per-example gradients and of their squares, without forming these gradients.

    Parameters
    ----------
    f : callable
        Gives one number an example, an array.
    argnums : int or tuple of int
        The parameters.

    Returns
    -------
    callable
        Gives ``(Σ gᵢ, Σ gᵢ²)``, each a pytree like the parameters.

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> first, second = gradient_moments(lambda w: w * x)(1.0)
    >>> float(first), float(second)
    (6.0, 14.0)
    """

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        recorded = record(f, args, kwargs, argnums, name="gradient_moments")
        exprs = _moments(recorded.roots, recorded.leaves)
        found = recorded.finish(exprs, recorded.leaf_dtypes * 2)
        n = len(recorded.leaves)
        return tuple(
            optree.tree_unflatten(recorded.structure, part) for part in (found[:n], found[n:])
        )

    return function


def _with_loss_hessian(f: Function, loss: Callable[[Any], Any]) -> Function:
    """The model's output, and the loss's Hessian there."""

    def both(*args: Any, **kwargs: Any) -> Any:
        output = f(*args, **kwargs)
        if len(optree.tree_leaves(output)) != 1:
            raise TracingError(f"gauss_newton: with a loss, {describe(f)} must give one array")
        return output, hessian(loss)(output)

    return both


def _square(recorded: Recorded, exprs: tuple[Expr, ...]) -> Tree:
    n = len(recorded.leaves)
    dtypes = [np.result_type(a, b) for a in recorded.leaf_dtypes for b in recorded.leaf_dtypes]
    flat = recorded.finish(exprs, dtypes)
    lines = [optree.tree_unflatten(recorded.structure, flat[k : k + n]) for k in range(0, n * n, n)]
    return optree.tree_unflatten(recorded.structure, lines)


def _kept_square(recorded: Recorded, roots: tuple[Expr, ...], weight: Expr | None) -> Tree:
    """The same of Jacobians in structured form: each is computed once, then multiplied."""
    n = len(recorded.leaves)
    exprs = [e for row in _rows(roots, recorded.leaves) for e in row]
    columns = [leaf.ndim for leaf in recorded.leaves] * len(roots)
    if weight is not None:
        exprs, columns = [*exprs, recognise(weight)], [*columns, roots[0].ndim]
    arrays = structured_arrays(recorded, exprs, columns)
    middle = None if weight is None else arrays.pop()
    rows = [arrays[k : k + n] for k in range(0, len(arrays), n)]
    found: dict[tuple[int, int], StructuredArray] = {}
    for a in range(n):
        for b in range(a, n):
            first, *rest = [_kept_product(row[a], row[b], middle) for row in rows]
            found[a, b] = sum(rest, first)
            found[b, a] = found[a, b].T if a != b else found[a, b]
    blocks = [found[a, b] for a in range(n) for b in range(n)]
    return as_grid(blocks, recorded.structure, recorded.structure)


def _kept_product(
    one: StructuredArray, other: StructuredArray, middle: StructuredArray | None
) -> StructuredArray:
    near, rows, columns, far = _labels(one.ndim - one.columns, one.columns, other.columns)
    if middle is None:
        factors = [(other, near + columns)]
    else:
        factors = [(middle, near + far), (other, far + columns)]
    return one.contract(near + rows, factors, rows + columns, len(columns))


@lru_cache(maxsize=_CACHED)
def _gram(
    roots: tuple[Expr, ...], leaves: tuple[Expr, ...], weight: Expr | None
) -> tuple[Expr, ...]:
    """Σ JᵀJ over the roots, or JᵀWJ of the one root, by pairs of leaves."""
    rows = _rows(roots, leaves)
    found: list[Expr] = []
    for a, one in enumerate(leaves):
        for b, other in enumerate(leaves):
            terms = [
                _product(root.ndim, one.ndim, other.ndim, row[a], row[b], weight)
                for root, row in zip(roots, rows, strict=True)
            ]
            found.append(add(terms))
    return tuple(found)


def _product(
    outputs: int, left: int, right: int, one: Expr, other: Expr, weight: Expr | None
) -> Expr:
    near, rows, columns, far = _labels(outputs, left, right)
    if weight is None:
        return contract([one, other], [near + rows, near + columns], rows + columns)
    labels = [near + rows, near + far, far + columns]
    return contract([one, recognise(weight), other], labels, rows + columns)


def _labels(outputs: int, left: int, right: int) -> list[tuple[int, ...]]:
    """Of the outputs, the result's rows and columns, and the outputs beyond a weight."""
    ends = [0, outputs, outputs + left, outputs + left + right, 2 * outputs + left + right]
    return [tuple(range(a, b)) for a, b in pairwise(ends)]


@lru_cache(maxsize=_CACHED)
def _rows(roots: tuple[Expr, ...], leaves: tuple[Expr, ...]) -> list[list[Expr]]:
    return jacobians(recognise_all(roots), leaves, "auto")


@lru_cache(maxsize=_CACHED)
def _moments(roots: tuple[Expr, ...], leaves: tuple[Expr, ...]) -> tuple[Expr, ...]:
    rows = _rows(roots, leaves)
    firsts: list[Expr] = []
    seconds: list[Expr] = []
    for k, leaf in enumerate(leaves):
        sums: list[tuple[Expr, Expr]] = []
        for root, row in zip(roots, rows, strict=True):
            axes = tuple(range(root.ndim + leaf.ndim))
            kept = axes[root.ndim :]
            sums.append(
                (contract([row[k]], [axes], kept), contract([row[k]] * 2, [axes] * 2, kept))
            )
        firsts.append(add([first for first, _ in sums]))
        seconds.append(add([second for _, second in sums]))
    return (*firsts, *seconds)
