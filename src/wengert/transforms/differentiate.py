"""Gradients, Jacobians, Hessians and derivatives of any order of Python functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

import numpy as np
import optree

from wengert.derive import collapsed, deltas, jacobians, pullback
from wengert.errors import TracingError
from wengert.expr import Expr
from wengert.operations import add, contract, ones, zeros
from wengert.rewrite import recognise, recognise_all
from wengert.transforms.keeping import check_columns, structured_derivative
from wengert.transforms.recording import Recorded, Tree, check_callable, describe, record

Argnums = int | tuple[int, ...]
Function = Callable[..., Any]

_CACHED = 512  # derivations that are kept


# ---------------------------------------------------------------- gradients


def grad(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """The gradient of a scalar function.

    Parameters
    ----------
    f : callable
        Written with NumPy; returns one number (and extra results, with ``has_aux``).
    argnums : int or tuple of int
        The positional arguments to differentiate by; they may be pytrees of real arrays.
    has_aux : bool
        ``f`` returns ``(value, aux)``, and the gradient function ``(gradient, aux)``.

    Returns
    -------
    callable
        With the arguments of ``f``; gives a pytree like the chosen argument (a tuple of them
        for a tuple), arrays of the same shapes.

    Raises
    ------
    TracingError
        If ``f`` does not return one number.
    UnsupportedFunctionError
        For integer arguments and functions without a derivative, with the remedy.

    Examples
    --------
    >>> float(grad(np.sin)(0.0))
    1.0
    >>> grad(lambda p: p["w"] @ p["w"] + p["b"])({"w": np.array([1.0, 2.0]), "b": 3.0})
    {'w': array([2., 4.]), 'b': np.float64(1.0)}
    """
    check_callable(f, "grad")
    both = value_and_grad(f, argnums, has_aux=has_aux)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def value_and_grad(f: Function, argnums: Argnums = 0, *, has_aux: bool = False) -> Function:
    """The value and the gradient of a scalar function together.

    Parameters
    ----------
    f, argnums, has_aux
        As in :func:`grad`.

    Returns
    -------
    callable
        Gives ``(value, gradient)``, or ``((value, aux), gradient)`` with ``has_aux``.

    Examples
    --------
    >>> value, gradient = value_and_grad(lambda x: x**3)(2.0)
    >>> float(value), float(gradient)
    (8.0, 12.0)
    """
    check_callable(f, "value_and_grad")

    @wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        recorded = record(f, args, kwargs, argnums, has_aux=has_aux, name="grad")
        check_scalar(recorded, f)
        value, gradient = _gradient(recorded)
        return ((value, recorded.finish_aux()) if has_aux else value), gradient

    return both


def _gradient(recorded: Recorded) -> tuple[Any, Tree]:
    recorded = recorded.in_place()
    (root,) = recorded.roots
    exprs = _gradient_exprs(root, recorded.leaves)
    results = recorded.finish([root, *exprs], [*recorded.dtypes, *recorded.leaf_dtypes])
    return results[0], optree.tree_unflatten(recorded.structure, results[1:])


@lru_cache(maxsize=_CACHED)
def _gradient_exprs(root: Expr, leaves: tuple[Expr, ...]) -> tuple[Expr, ...]:
    found = pullback([recognise(root)], [ones(())], leaves)
    return tuple(
        zeros(leaf.shape) if g is None else g for g, leaf in zip(found, leaves, strict=True)
    )


def check_scalar(recorded: Recorded, f: Function) -> None:
    """An error with a remedy, unless the function gave one real number."""
    shapes = [r.shape for r in recorded.roots]
    if len(shapes) == 1 and shapes[0] == () and recorded.roots[0].dtype == "real":
        return
    if len(shapes) != 1:
        given = f"{len(shapes)} arrays" if shapes else "nothing (None)"
        remedy = "return one number, and extra results with has_aux=True"
    elif shapes[0]:
        given = f"an array of shape {shapes[0]}"
        remedy = "sum it, or use wg.jacobian"
    else:
        given = f"a number of kind {recorded.roots[0].dtype}, which has no derivative"
        remedy = "return a real number"
    raise TracingError(
        f"grad: {describe(f)} must return one real number; it gave {given}; {remedy}"
    )


# ---------------------------------------------------------------- Jacobians


def jacobian(
    f: Function,
    argnums: Argnums = 0,
    *,
    mode: str = "auto",
    has_aux: bool = False,
    structured: bool = False,
) -> Function:
    """The Jacobian, outputs first: ``f.shape + x.shape``.

    Parameters
    ----------
    f : callable
        Written with NumPy; returns an array or a pytree of arrays.
    argnums : int or tuple of int
        The arguments to differentiate by.
    mode : str
        ``"auto"`` (forward if there are more outputs than inputs), ``"forward"``, ``"reverse"`` or
        ``"cross-country"``: equal results, found in another order.
    has_aux : bool
        ``f`` returns ``(result, aux)``, and so does the Jacobian function.
    structured : bool
        Give :class:`~wengert.structured.StructuredArray` instead of arrays with all entries
        (:class:`~wengert.structured.StructuredBlocks` for pytrees).

    Returns
    -------
    callable
        Gives a pytree like the result of ``f``, in which each array is a pytree like the chosen
        argument.

    Examples
    --------
    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    check_callable(f, "jacobian")
    return derivative(f, argnums, order=1, mode=mode, has_aux=has_aux, structured=structured)


def hessian(
    f: Function, argnums: Argnums = 0, *, has_aux: bool = False, structured: bool = False
) -> Function:
    """The second derivative, ``f.shape + x.shape + x.shape``; blocks for pytrees.

    Parameters
    ----------
    f, argnums, has_aux, structured
        As in :func:`jacobian`; ``f`` need not be scalar.

    Returns
    -------
    callable
        Gives, for a dict of parameters, a dict of dicts of blocks.

    Examples
    --------
    >>> hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    check_callable(f, "hessian")
    return derivative(f, argnums, order=2, has_aux=has_aux, structured=structured)


def derivative(
    f: Function,
    argnums: Argnums = 0,
    *,
    order: int = 1,
    mode: str = "auto",
    has_aux: bool = False,
    structured: bool = False,
) -> Function:
    """The derivative of any order, outputs first: ``f.shape + x.shape * order``.

    Parameters
    ----------
    f, argnums, mode, has_aux, structured
        As in :func:`jacobian`.
    order : int
        How many times to differentiate; 0 gives ``f`` itself.

    Returns
    -------
    callable
        Gives a pytree like the result of ``f``, nested ``order`` times in one like the argument.

    Examples
    --------
    >>> float(derivative(np.sin, order=3)(0.0))
    -1.0
    """
    check_callable(f, "derivative")
    if type(order) is not int or order < 0:
        raise ValueError(f"order must be an integer from 0 on; got {order!r}")
    if structured:
        check_columns(order)

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        recorded = record(f, args, kwargs, argnums, has_aux=has_aux, name="derivative")
        placed = recorded.in_place()
        exprs = derivative_exprs(placed.roots, placed.leaves, order, mode)
        nested = structured_derivative if structured else _tensors
        result = nested(placed, exprs, order)
        return (result, recorded.finish_aux()) if has_aux else result

    return function


def _tensors(recorded: Recorded, exprs: tuple[Expr, ...], order: int) -> Tree:
    dtypes = list(recorded.dtypes)
    for _ in range(order):
        dtypes = [np.result_type(d, leaf) for d in dtypes for leaf in recorded.leaf_dtypes]
    flat = recorded.finish(exprs, dtypes)
    width = len(recorded.leaves)
    for depth in range(order):
        groups = len(recorded.roots) * width ** (order - 1 - depth)
        flat = [
            optree.tree_unflatten(recorded.structure, flat[k * width : (k + 1) * width])
            for k in range(groups)
        ]
    return optree.tree_unflatten(recorded.output, flat)


@lru_cache(maxsize=_CACHED)
def derivative_exprs(
    roots: tuple[Expr, ...], leaves: tuple[Expr, ...], order: int, mode: str
) -> tuple[Expr, ...]:
    """The derivatives of expressions, by root, first leaf, second leaf and so on."""
    found = list(recognise_all(roots))
    for _ in range(order):
        found = [block for row in jacobians(found, leaves, mode) for block in row]
    return tuple(found)


# ---------------------------------------------------------------- traces of derivatives


def laplacian(f: Function, argnums: int = 0) -> Function:
    """The Laplacian: the trace of the Hessian, of the shape of ``f``.

    Parameters
    ----------
    f : callable
        Of an array of any shape (all its entries are coordinates), or a pytree of arrays.
    argnums : int
        The argument.

    Notes
    -----
    The Jacobians of all intermediate results and one second derivative are propagated forward, in
    which deltas vanish (the forward Laplacian of Li et al. 2024): no Hessian is formed.

    Examples
    --------
    >>> float(laplacian(lambda x: np.sum(x**2))(np.ones(3)))
    6.0
    """
    check_callable(f, "laplacian")

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        recorded = record(f, args, kwargs, argnums, name="laplacian")
        exprs = _laplacians(recorded.roots, recorded.leaves)
        dtypes = [np.result_type(d, *recorded.leaf_dtypes) for d in recorded.dtypes]
        return optree.tree_unflatten(recorded.output, recorded.finish(exprs, dtypes))

    return function


@lru_cache(maxsize=_CACHED)
def _laplacians(roots: tuple[Expr, ...], leaves: tuple[Expr, ...]) -> tuple[Expr, ...]:
    known = list(recognise_all(roots))
    parts = [collapsed(known, {leaf: deltas(leaf)}, None, 2) for leaf in leaves]
    return tuple(
        add([part[k] for part in parts]) if parts else zeros(root.shape)
        for k, root in enumerate(known)
    )


def _diagonal_sum(x: Expr, kept: int, repeated: int) -> Expr:
    """The sum over equal indices of the last two groups of axes."""
    lead = tuple(range(kept))
    axes = tuple(range(kept, kept + repeated))
    return contract([x], [lead + axes + axes], lead)


def divergence(f: Function, argnums: int = 0) -> Function:
    """The divergence of a vector field: the trace of its Jacobian.

    Parameters
    ----------
    f : callable
        Gives an array of the argument's shape (more axes in front are kept).
    argnums : int
        The argument, one array.

    Raises
    ------
    TracingError
        If the shapes do not fit.

    Examples
    --------
    >>> float(divergence(lambda x: x**2)(np.array([1.0, 2.0])))
    6.0
    """
    check_callable(f, "divergence")

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Any:
        recorded = record(f, args, kwargs, argnums, name="divergence")
        if len(recorded.roots) != 1 or len(recorded.leaves) != 1:
            raise TracingError("divergence: the function takes one array and gives one")
        (root,), (leaf,) = recorded.roots, recorded.leaves
        if root.shape[root.ndim - leaf.ndim :] != leaf.shape or root.ndim < leaf.ndim:
            raise TracingError(
                f"divergence: {describe(f)} takes an array of shape {leaf.shape} but gives one of "
                f"shape {root.shape}; the last axes must be those of the argument"
            )
        (jacobian,) = derivative_exprs((root,), (leaf,), 1, "auto")
        expr = _diagonal_sum(jacobian, root.ndim - leaf.ndim, leaf.ndim)
        return recorded.finish([expr], [np.result_type(*recorded.dtypes, *recorded.leaf_dtypes)])[0]

    return function
