"""Products of derivatives with vectors: jvp, vjp, hvp, linearize."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import optree

from wengert.derive import pullback, pushforward
from wengert.errors import ShapeError, TracingError, UnsupportedFunctionError
from wengert.expr import Expr
from wengert.operations import ones, variable, zeros
from wengert.rewrite import recognise
from wengert.tracing import TracedArray
from wengert.transforms.differentiate import check_scalar
from wengert.transforms.recording import Recorded, Tree, check_callable, plain_array, record, shown

Function = Callable[..., Any]
_CACHED = 512


def _run(f: Function, primals: Sequence[Any], name: str) -> Recorded:
    check_callable(f, name)
    if not isinstance(primals, tuple | list):
        raise TracingError(f"{name}: primals must be a tuple of the function's arguments")
    return record(f, tuple(primals), {}, tuple(range(len(primals))), name=name)


def matching(given: Tree, structure: Any, leaves: Sequence[Any], what: str) -> list[Any]:
    """A tangent's or cotangent's arrays, checked against the structure and shapes needed.

    Raises
    ------
    ShapeError
        If they do not fit.
    """
    flat, own = optree.tree_flatten(given)
    if own != structure:
        raise ShapeError(f"{what} must be nested as {shown(structure)}; got {shown(own)}")
    for value, leaf in zip(flat, leaves, strict=True):
        if np.shape(value) != leaf.shape:
            raise ShapeError(f"{what} of shape {np.shape(value)} where {leaf.shape} is needed")
    return [float(v) if isinstance(v, int) else _real(v, what) for v in flat]


def _real(value: Any, what: str) -> Any:
    array = plain_array(value, what)
    if isinstance(array, float | TracedArray) or array.dtype.kind == "f":
        return array
    if array.dtype.kind not in "iub":
        raise UnsupportedFunctionError(f"{what} of dtype {array.dtype} is not real")
    return array.astype(float)


def _seeds(name: str, leaves: Sequence[Expr]) -> tuple[Expr, ...]:
    return tuple(variable(f"·{name}{k}", leaf.shape) for k, leaf in enumerate(leaves))


@lru_cache(maxsize=_CACHED)
def _pushed(
    roots: tuple[Expr, ...], leaves: tuple[Expr, ...], seeds: tuple[Expr, ...]
) -> tuple[Expr, ...]:
    found = pushforward(list(map(recognise, roots)), dict(zip(leaves, seeds, strict=True)))
    return tuple(zeros(r.shape) if t is None else t for t, r in zip(found, roots, strict=True))


@lru_cache(maxsize=_CACHED)
def _pulled(
    roots: tuple[Expr, ...], seeds: tuple[Expr, ...], leaves: tuple[Expr, ...]
) -> tuple[Expr, ...]:
    found = pullback(list(map(recognise, roots)), seeds, leaves)
    return tuple(zeros(v.shape) if c is None else c for c, v in zip(found, leaves, strict=True))


def jvp(f: Function, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """The value and the directional derivative (Jacobian-vector product, forward mode).

    Parameters
    ----------
    f : callable
        Written with NumPy.
    primals, tangents : tuple
        The arguments, and a direction of the same structure and shapes.

    Returns
    -------
    tuple
        ``(f(*primals), Df·tangents)``.

    Examples
    --------
    >>> value, slope = jvp(np.sin, (0.0,), (2.0,))
    >>> float(value), float(slope)
    (0.0, 2.0)
    """
    recorded = _run(f, primals, "jvp")
    given = matching(tuple(tangents), recorded.structure, recorded.leaves, "a tangent")
    seeds = _seeds("tangent", recorded.leaves)
    exprs = [*recorded.roots, *_pushed(recorded.roots, recorded.leaves, seeds)]
    extra = dict(zip(seeds, given, strict=True))
    flat = recorded.finish(exprs, recorded.dtypes * 2, extra)
    n = len(recorded.roots)
    return recorded.unflatten(flat[:n]), recorded.unflatten(flat[n:])


def vjp(f: Function, *primals: Any) -> tuple[Any, Function]:
    """The value, and the function from cotangents to those of the arguments (reverse mode).

    Parameters
    ----------
    f : callable
        Written with NumPy.
    *primals
        The arguments.

    Returns
    -------
    tuple
        ``(f(*primals), pull)``; ``pull(cotangent)`` is a tuple, one an argument.

    Examples
    --------
    >>> value, pull = vjp(lambda x: x**2, 3.0)
    >>> float(pull(1.0)[0])
    6.0
    """
    recorded = _run(f, primals, "vjp")
    value = recorded.unflatten(recorded.finish(recorded.roots, recorded.dtypes))
    seeds = _seeds("cotangent", recorded.roots)  # "·c0" is a captured array
    exprs = _pulled(recorded.roots, seeds, recorded.leaves)

    def pull(cotangent: Any) -> Any:
        given = matching(cotangent, recorded.output, recorded.roots, "a cotangent")
        extra = dict(zip(seeds, given, strict=True))
        flat = recorded.finish(exprs, recorded.leaf_dtypes, extra)
        return optree.tree_unflatten(recorded.structure, flat)

    return value, pull


def linearize(f: Function, *primals: Any) -> tuple[Any, Function]:
    """The value, and the linear function of tangents that approximates f there.

    Examples
    --------
    >>> value, linear = linearize(np.exp, 0.0)
    >>> float(linear(3.0))
    3.0
    """
    recorded = _run(f, primals, "linearize")
    value = recorded.unflatten(recorded.finish(recorded.roots, recorded.dtypes))
    seeds = _seeds("tangent", recorded.leaves)
    exprs = _pushed(recorded.roots, recorded.leaves, seeds)

    def linear(*tangents: Any) -> Any:
        given = matching(tangents, recorded.structure, recorded.leaves, "a tangent")
        extra = dict(zip(seeds, given, strict=True))
        return recorded.unflatten(recorded.finish(exprs, recorded.dtypes, extra))

    return value, linear


def hvp(f: Function, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
    """The Hessian of a scalar function times a vector, without the Hessian.

    Parameters
    ----------
    f : callable
        Scalar.
    primals, tangents : tuple
        The arguments, and a direction of the same structure.

    Returns
    -------
    tree
        Like the arguments: one tree for one argument, a tuple for several.

    Examples
    --------
    >>> hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    array([ 6., 12.])
    """
    recorded = _run(f, primals, "hvp")
    check_scalar(recorded, f)
    given = matching(tuple(tangents), recorded.structure, recorded.leaves, "a tangent")
    seeds = _seeds("tangent", recorded.leaves)
    gradient = _pulled(recorded.roots, (ones(()),), recorded.leaves)
    exprs = _pushed(gradient, recorded.leaves, seeds)
    extra = dict(zip(seeds, given, strict=True))
    flat = recorded.finish(exprs, recorded.leaf_dtypes, extra)
    found = optree.tree_unflatten(recorded.structure, flat)
    return found[0] if len(primals) == 1 else found
