"""The sparsity of derivatives of Python functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from math import prod
from typing import Any

import numpy as np
from scipy import sparse

from wengert.errors import TracingError
from wengert.expr import Expr, rebuild, topological
from wengert.operations.discrete import Table, int_array, known_values
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import is_variable
from wengert.rewrite import recognise
from wengert.shapes import concrete
from wengert.structured.dependence import DensePatternError, Pattern
from wengert.structured.sparsity import hessian_pattern, jacobian_pattern
from wengert.transforms.evaluation import evaluate_known
from wengert.transforms.recording import Recorded, record

Argnums = int | tuple[int, ...]
Function = Callable[..., Any]
Exprs = tuple[Expr, ...]
Supports = tuple[tuple[Expr, Table], ...]

_CACHED = 128  # patterns that are kept
_LARGE = 4 * 10**6  # entries of an array from outside whose zeros are not looked at


def sparsity(f: Function, argnums: Argnums = 0, *, order: int = 1) -> Function:
    """Which entries of a derivative can differ from zero, without computing it.

    Parameters
    ----------
    f : callable
        Written with NumPy; returns an array or a pytree of arrays.
    argnums : int or tuple of int
        The arguments to differentiate by, real arrays or pytrees of them.
    order : int
        1 for the Jacobian, 2 for the Hessian of a function that gives one number.

    Returns
    -------
    callable
        With the arguments of ``f``; gives a ``scipy.sparse.csr_array`` of truth values. Rows are
        the entries of the results (of the arguments for ``order=2``), columns those of the
        arguments, in row order and one array after the other.

    Raises
    ------
    TracingError
        For another order, or a Hessian of something else than one number.
    DensePatternError
        If there are more than 2·10⁸ entries to hold, or a loop has no known size.

    Notes
    -----
    The pattern is found from the expression, not from values: it holds for all arguments of the
    same shapes with which ``f`` runs the same operations, and never misses an entry. It may have
    an entry that always cancels. Zeros of arrays that ``f`` takes from outside are used.

    Examples
    --------
    >>> sparsity(np.diff)(np.ones(4)).toarray().astype(int)
    array([[1, 1, 0, 0],
           [0, 1, 1, 0],
           [0, 0, 1, 1]])
    >>> sparsity(lambda x: np.sum(x[1:] * x[:-1]), order=2)(np.ones(3)).toarray().astype(int)
    array([[0, 1, 0],
           [1, 0, 1],
           [0, 1, 0]])
    """
    if order not in (1, 2):
        raise TracingError(f"sparsity: the order is 1 (Jacobian) or 2 (Hessian); got {order!r}")

    @wraps(f)
    def function(*args: Any, **kwargs: Any) -> Pattern:
        recorded = record(f, args, kwargs, argnums, name="sparsity")
        if order == 2 and [r.shape for r in recorded.roots] != [()]:
            shapes = ", ".join(str(r.shape) for r in recorded.roots)
            raise TracingError(
                f"sparsity: order=2 is for a function that gives one number; the shapes are "
                f"{shapes or 'none'}; sum the results, or call it for each of them"
            )
        roots, supports = with_outside_known(recorded)
        given = {leaf: table.array for leaf, table in supports}
        if order == 2:
            return hessian_pattern(roots, recorded.leaves, given)
        patterns = jacobian_pattern(roots, recorded.leaves, given)
        return sparse.vstack(patterns, format="csr")

    return function


def with_outside_known(recorded: Recorded) -> tuple[Exprs, Supports]:
    """The results with integers and truth values from outside in them, and where zeros stand.

    Within an outer run nothing is taken for known: its results hold for other values, too.

    Returns
    -------
    tuple of roots, and of (leaf, table of truth values)
        Of real arrays from outside that have zeros: where they differ from zero.
    """
    roots = tuple(map(recognise, recorded.roots))
    trace = recorded.trace
    if trace.parent is not None:
        return roots, ()
    values = {leaf: trace.values[leaf] for _, leaf in trace.captured.values()}
    order = topological(*roots)
    known: dict[Expr, Any] = {}
    outside: set[Expr] = set()
    for node in order:
        if node in values or (not is_variable(node) and all(o in outside for o in node.operands)):
            outside.add(node)
    folded = {n for n in outside if n.dtype != "real" and known_values(n) is None}
    used = {o for n in order if n not in folded for o in n.operands if o in folded}
    memo = {n: int_array(evaluate_known(n, values, known)) for n in used}
    if memo:
        roots = tuple(rebuild(root, with_operands, memo) for root in roots)
    supports = tuple(
        (leaf, Table(value != 0))
        for leaf, value in values.items()
        if leaf in outside and leaf.dtype == "real" and 0 < value.size <= _LARGE
        and not np.all(value)
    )  # fmt: skip
    return roots, supports


@lru_cache(maxsize=_CACHED)
def first_order(
    roots: Exprs, leaves: Exprs, supports: Supports, limit: int, most: int
) -> tuple[Pattern, ...] | None:
    """The patterns of functions; None beyond the limit."""
    given = {leaf: table.array for leaf, table in supports}
    try:
        return tuple(jacobian_pattern(roots, leaves, given, limit, most))
    except DensePatternError:
        return None


@lru_cache(maxsize=_CACHED)
def second_order(
    root: Expr, leaves: Exprs, supports: Supports, limit: int, most: int
) -> Pattern | None:
    """The pattern of a scalar function's Hessian; None beyond the limit."""
    given = {leaf: table.array for leaf, table in supports}
    try:
        return hessian_pattern([root], leaves, given, limit, most)
    except DensePatternError:
        return None


def entries_of(nodes: Exprs) -> list[int]:
    """Where each one's entries begin, one after the other, and the end."""
    sizes = [prod(concrete(n.shape)) for n in nodes]
    return [0, *np.cumsum(sizes).tolist()]
