"""A function's value and derivatives at the mean of its inputs, in one run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import optree

from wengert.errors import DomainError, KinkError, TracingError
from wengert.expectation.inputs import Inputs
from wengert.expectation.report import entry_labels
from wengert.expr import Expr
from wengert.operations import contract, variable
from wengert.shapes import concrete
from wengert.taylor.domain import check_point
from wengert.taylor.kinks import at_kink
from wengert.transforms.differentiate import derivative_exprs
from wengert.transforms.recording import record

_NAMES = {1: "first derivative", 2: "second derivative", 3: "third derivative"}


@dataclass(frozen=True, eq=False)
class Expansion:
    """What a Taylor polynomial of order 1 or 2 is made of, over flattened outputs.

    Attributes
    ----------
    value : ndarray of shape (m,)
        f(μ).
    jacobian : ndarray of shape (m, n)
        ∂f/∂x.
    hessian : ndarray of shape (m, n, n), or None
        ∂²f/∂x².
    traced : ndarray of shape (m, n), or None
        ∇ tr(HΣ), the third derivative contracted with the covariance.
    shapes : tuple of tuple of int
        Of the arrays of the outputs.
    structure : optree.PyTreeSpec
        How they were nested.
    labels : tuple of str
        Of the m entries.
    """

    value: Any
    jacobian: Any
    hessian: Any
    traced: Any
    shapes: tuple[tuple[int, ...], ...]
    structure: Any
    labels: tuple[str, ...]

    def shaped(self, flat: Any) -> Any:
        """Numbers of the m entries, nested and shaped as the function's result."""
        sizes = [int(np.prod(s)) for s in self.shapes]
        parts = np.split(np.asarray(flat), np.cumsum(sizes)[:-1])
        leaves = [p.reshape(s)[()] for p, s in zip(parts, self.shapes, strict=True)]
        return optree.tree_unflatten(self.structure, leaves)


def expand(inputs: Inputs, order: int, covariance: Any | None = None) -> Expansion:
    """Value and derivatives of the function of inputs at their mean.

    Parameters
    ----------
    inputs : Inputs
        Of n entries, with the function.
    order : int
        1 or 2.
    covariance : ndarray of shape (n, n), optional
        To contract the third derivative with.

    Raises
    ------
    DomainError
        If something is not finite there.
    KinkError
        If a derivative of that order does not exist there.
    """
    function, point = inputs.function, inputs.mean
    kinks = at_kink(function, point, order=order)
    if kinks:
        raise KinkError(
            f"the function has no expansion of order {order} at the mean: "
            f"{inputs.named(str(kinks[0]))}; average it over draws instead (np.mean over a sample "
            "of the inputs)"
        )
    recorded = record(function, (point,), {}, 0, name="propagate")
    if not recorded.roots:
        raise TracingError("the function gives no array: there is nothing to propagate to")
    try:
        check_point(recorded, order, ("x",))
    except DomainError as error:
        raise DomainError(inputs.named(str(error))) from None
    roots, leaves = recorded.roots, recorded.leaves
    kinds = [(0, roots)]
    kinds += [(k, derivative_exprs(roots, leaves, k, "auto")) for k in range(1, order + 1)]
    extra: dict[Expr, Any] = {}
    if covariance is not None:
        weights = variable("·covariance", covariance.shape)
        extra[weights] = covariance
        kinds.append((3, _traced_gradients(kinds[-1][1], leaves, weights)))
    exprs = [e for _, group in kinds for e in group]
    arrays = iter(recorded.finish(exprs, [np.dtype(float)] * len(exprs), extra))
    n = len(point)
    found: dict[int, Any] = {}
    for k, group in kinds:
        axes = (n,) * (1 if k == 3 else k)
        found[k] = np.concatenate([np.reshape(next(arrays), (-1, *axes)) for _ in group])
        if not np.all(np.isfinite(found[k])):
            what = f"its {_NAMES[k]}" if k else "its value"
            raise DomainError(f"the function has no expansion at the mean: {what} is not finite")
    shapes = tuple(concrete(r.shape) for r in roots)
    names = [".".join(map(str, path)) or "f" for path in optree.treespec_paths(recorded.output)]
    labels = [x for pair in zip(names, shapes, strict=True) for x in entry_labels(*pair)]
    return Expansion(
        found[0], found[1], found.get(2), found.get(3), shapes, recorded.output, tuple(labels)
    )


@lru_cache(maxsize=64)
def _traced_gradients(
    hessians: tuple[Expr, ...], leaves: tuple[Expr, ...], weights: Expr
) -> tuple[Expr, ...]:
    """∇ tr(HΣ) of each Hessian: the third derivative is never formed."""
    traces: list[Expr] = []
    for h in hessians:
        lead = tuple(range(h.ndim - 2))
        pair = (h.ndim - 2, h.ndim - 1)
        traces.append(contract([h, weights], [lead + pair, pair], lead))
    return derivative_exprs(tuple(traces), leaves, 1, "auto")
