"""vmap: a function of one example as a function of many, without a loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import optree

from wengert.errors import ShapeError
from wengert.expr import Expr
from wengert.operations import move_axis, variable
from wengert.operations.batching import batch_dependent, spread
from wengert.tracing import TracedArray, kind_of, new_trace
from wengert.transforms.evaluation import evaluate_known
from wengert.transforms.recording import Recorded, check_callable, output_of, plain_array, shown

Axes = Any


def vmap(f: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0) -> Callable[..., Any]:
    """The function applied to every entry along an axis of its arguments, at once.

    Parameters
    ----------
    f : callable
        Written with NumPy for one example.
    in_axes : int, None, or a tuple (a pytree prefix of the arguments)
        The axis of the examples; None for what is the same for all.
    out_axes : int or pytree prefix of the result
        Where the examples' axis goes; None for results that are the same for all.

    Raises
    ------
    ShapeError
        If the axes have different lengths, or there is none.

    Examples
    --------
    >>> vmap(np.dot)(np.ones((3, 2)), np.ones((3, 2)))
    array([2., 2., 2.])
    """
    check_callable(f, "vmap")

    @wraps(f)
    def batched(*args: Any, **kwargs: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ShapeError(f"in_axes has {len(axes)} entries for {len(args)} arguments")
        flat, structure = optree.tree_flatten(args)
        places = [p for a, x in zip(axes, args, strict=True) for p in _prefix(a, x)]
        size = _common_size(flat, places)
        return _apply(f, flat, structure, places, size, out_axes, kwargs)

    return batched


def _prefix(axes: Axes, tree: Any) -> list[Any]:
    count = len(optree.tree_leaves(tree))
    if axes is None or isinstance(axes, int):
        return [axes] * count
    try:
        return optree.broadcast_prefix(axes, tree, none_is_leaf=True)
    except (TypeError, ValueError):
        raise ShapeError(
            f"vmap: the axes {axes!r} do not fit {shown(optree.tree_structure(tree))}: give an "
            "axis or None for the whole, or for each of its parts"
        ) from None


def _common_size(flat: list[Any], places: list[Any]) -> int:
    sizes: set[int] = set()
    for value, axis in zip(flat, places, strict=True):
        if axis is None:
            continue
        if not isinstance(axis, int | np.integer) or isinstance(axis, bool):
            raise TypeError(f"vmap: an axis is an integer or None; got {axis!r}")
        if not -np.ndim(value) <= axis < np.ndim(value):
            raise ShapeError(
                f"vmap: there is no axis {axis} in an argument of shape {np.shape(value)}; "
                "use in_axes=None for arguments that are the same for all"
            )
        sizes.add(np.shape(value)[axis])
    if len(sizes) != 1:
        raise ShapeError(
            f"vmap: the arguments have {sorted(sizes)} examples; one number is needed"
            if sizes
            else "vmap: no argument has an axis of examples (all in_axes are None)"
        )
    return sizes.pop()


def _apply(
    f: Any,
    flat: list[Any],
    structure: Any,
    places: list[Any],
    size: int,
    out_axes: Axes,
    kwargs: Any,
) -> Any:
    with new_trace(evaluate_known) as trace:
        given: list[Any] = []
        wide: dict[Expr, Expr] = {}
        meant: dict[Expr, Any] = {}
        for k, (value, axis) in enumerate(zip(flat, places, strict=True)):
            if axis is None:
                given.append(value)
                continue
            array = plain_array(value, "vmap")
            kind = kind_of(array.dtype) or "real"
            place = axis % array.ndim
            one = tuple(s for j, s in enumerate(array.shape) if j != place)
            leaf = trace.leaf(one, kind)
            whole = variable(f"·{trace.level}.all{k}", array.shape, dtype=kind)
            wide[leaf] = move_axis(whole, place, 0) if place else whole
            meant[whole] = array
            given.append(TracedArray(leaf, trace, array.dtype))
        result = f(*optree.tree_unflatten(structure, given), **kwargs)
        outputs, output = optree.tree_flatten(result)
        lifted = [output_of(trace, o, f) for o in outputs]
    roots = [e for e, _ in lifted]
    outs = _prefix(out_axes, result)
    exprs: list[Expr] = []
    for root, own, axis in zip(roots, batch_dependent(roots, wide), outs, strict=True):
        if axis is None:
            if own is not None:
                raise ShapeError("vmap: a result with out_axes=None depends on the examples")
            exprs.append(root)
        else:
            every = spread(root, size) if own is None else own
            if not -every.ndim <= axis < every.ndim:
                raise ShapeError(
                    f"vmap: out_axes={axis}, but the results together have shape {every.shape}"
                )
            place = axis % every.ndim
            exprs.append(move_axis(every, 0, place) if place else every)
    recorded = Recorded(trace, (), (), structure, tuple(roots), tuple(d for _, d in lifted), output)
    return recorded.unflatten(recorded.finish(exprs, recorded.dtypes, meant))
