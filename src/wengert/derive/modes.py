"""Derivatives of any order in forward, reverse and cross-country mode, outputs first.

A whole Jacobian is one sweep seeded with deltas, which vanish by relabelling: no basis vectors,
no zeros. The modes differ in the side that is seeded and in the order in which local Jacobians
are multiplied; they give equal values and one printed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod

from wengert.assumptions import Assumption
from wengert.derive.linearize import accumulate, pull, pullback, pushforward
from wengert.expr import Expr, depending, topological
from wengert.operations.algebra import (
    add,
    contract,
)
from wengert.operations.control.programs import unknown_length
from wengert.operations.structural import (
    VARIABLE,
)
from wengert.operations.structure import (
    zeros,
)

MODES = ("auto", "forward", "reverse", "cross-country")


def derivative(root: Expr, wrt: Sequence[Expr], mode: str = "auto") -> Expr:
    """The derivative of an expression with respect to variables, one after the other.

    Parameters
    ----------
    root : Expr
        The function.
    wrt : sequence of Expr
        Variable leaves; the axes of the first come right after the function's own.
    mode : str
        ``"auto"``, ``"forward"``, ``"reverse"`` (also ``"backward"``) or ``"cross-country"``.

    Returns
    -------
    Expr
        Of shape ``root.shape + wrt[0].shape + wrt[1].shape + ...``.

    Raises
    ------
    ValueError
        For an unknown mode.
    MissingRuleError
        If an operation on the way has no derivative.
    """
    sweep = _SWEEPS[resolve_mode(mode)]
    for leaf in wrt:
        chosen = sweep if mode != "auto" else _SWEEPS[cheapest_mode(root, leaf)]
        root = chosen(root, leaf)
    return root


def resolve_mode(mode: str) -> str:
    """The mode's own name; "backward" is accepted for "reverse".

    Raises
    ------
    ValueError
        For an unknown mode; the message lists the known ones.
    """
    name = "reverse" if mode == "backward" else mode
    if name not in MODES:
        raise ValueError(f"unknown mode {mode!r}; the modes are {', '.join(MODES)}")
    return name


def cheapest_mode(root: Expr, leaf: Expr) -> str:
    """Reverse unless the function has more entries than the variable."""
    outputs, inputs = root.shape, leaf.shape
    known = [s for s in (*outputs, *inputs) if isinstance(s, int)]
    if len(known) == len(outputs) + len(inputs):
        more = prod(known[: len(outputs)]) > prod(known[len(outputs) :])
    else:
        more = len(outputs) > len(inputs)
    return "forward" if more else "reverse"


def jacobians(roots: Sequence[Expr], leaves: Sequence[Expr], mode: str) -> list[list[Expr]]:
    """The derivatives of several functions in several variables, with as few sweeps as can be.

    Parameters
    ----------
    roots, leaves : sequence of Expr
        The functions and the variable leaves.
    mode : str
        As in :func:`derivative`; ``"auto"`` compares all outputs with all inputs.

    Returns
    -------
    list of list of Expr
        ``[root][leaf]``, of shape ``root.shape + leaf.shape``.
    """
    mode = resolve_mode(mode)
    if mode == "auto":
        more = _entries(roots) > _entries(leaves)
        mode = "forward" if more else "reverse"
    if mode == "cross-country":
        return [[cross_country(root, leaf) for leaf in leaves] for root in roots]
    if mode == "forward":
        columns = [pushforward(roots, {leaf: seed(leaf)}) for leaf in leaves]
        return [
            [_outputs_first(columns[j][i], root, leaf) for j, leaf in enumerate(leaves)]
            for i, root in enumerate(roots)
        ]
    return [
        [
            zeros(root.shape + leaf.shape) if g is None else _project(g, leaf)
            for g, leaf in zip(pullback([root], [deltas(root)], leaves), leaves, strict=True)
        ]
        for root in roots
    ]


def _entries(nodes: Sequence[Expr]) -> int:
    return sum(prod(s for s in node.shape if isinstance(s, int)) for node in nodes)


def _outputs_first(tangent: Expr | None, root: Expr, leaf: Expr) -> Expr:
    if tangent is None:
        return zeros(root.shape + leaf.shape)
    n = leaf.ndim
    axes = tuple(range(n + root.ndim))
    return contract([tangent], [axes], axes[n:] + axes[:n])


def forward(root: Expr, leaf: Expr) -> Expr:
    """Forward mode: ∂vᵢ/∂x for every node, operands first.

    Examples
    --------
    >>> from wengert.operations import variable
    >>> x = variable("x", (3,))
    >>> forward(x, x).shape
    (3, 3)
    """
    (tangent,) = pushforward([root], {leaf: seed(leaf)})
    return _outputs_first(tangent, root, leaf)


def reverse(root: Expr, leaf: Expr) -> Expr:
    """Reverse mode: ∂y/∂vᵢ for every node, summed over the nodes that vᵢ feeds."""
    (gradient,) = pullback([root], [deltas(root)], [leaf])
    return zeros(root.shape + leaf.shape) if gradient is None else _project(gradient, leaf)


def cross_country(root: Expr, leaf: Expr) -> Expr:
    """Cross-country mode: local Jacobians, intermediate nodes eliminated cheapest first.

    The cheapest is the node with the fewest products to make (Markowitz; Griewank and Walther,
    Evaluating Derivatives, chapter 9).
    """
    order = [v for v in topological(root) if v in depending(topological(root), {leaf})]
    if root not in order:
        return zeros(root.shape + leaf.shape)
    if any(unknown_length(v) for v in order):
        return reverse(root, leaf)  # the record of a loop has no Jacobian of known size
    into: dict[Expr, dict[Expr, Expr]] = {v: _local_jacobians(v, order, leaf) for v in order}
    users: dict[Expr, set[Expr]] = {v: set() for v in order}
    for v, edges in into.items():
        for u in edges:
            users[u].add(v)
    remaining = [v for v in reversed(order) if v is not root and v is not leaf]
    while remaining:
        v = min(remaining, key=lambda u: len(into[u]) * len(users[u]))
        remaining.remove(v)
        _eliminate(v, into, users)
    if root is leaf:
        return seed(leaf)
    if leaf not in into[root]:
        return zeros(root.shape + leaf.shape)
    return _project(into[root][leaf], leaf)


def _local_jacobians(node: Expr, order: list[Expr], leaf: Expr) -> dict[Expr, Expr]:
    if node is leaf:
        return {}
    active = set(order)
    found: dict[Expr, list[Expr]] = {}
    for k, operand in enumerate(node.operands):
        if operand in active:
            jacobian = pull(node, k, deltas(node))
            if jacobian is not None:
                found.setdefault(operand, []).append(jacobian)
    return {operand: accumulate(parts) for operand, parts in found.items()}


def _eliminate(v: Expr, into: dict[Expr, dict[Expr, Expr]], users: dict[Expr, set[Expr]]) -> None:
    inner = into.pop(v)
    for w in users.pop(v):
        outer = into[w].pop(v)
        n, m = w.ndim, v.ndim
        for u, jacobian in inner.items():
            left = tuple(range(n + m))
            right = (*left[n:], *range(n + m, n + m + u.ndim))
            product = contract([outer, jacobian], [left, right], left[:n] + right[m:])
            known = into[w].get(u)
            into[w][u] = product if known is None else add([known, product])
            users[u].add(w)
    for u in inner:
        users[u].discard(v)


_SWEEPS = {
    "auto": reverse,
    "forward": forward,
    "reverse": reverse,
    "cross-country": cross_country,
}


# ---------------------------------------------------------------- seeds


def deltas(node: Expr) -> Expr:
    """∂v/∂v: one delta an axis, shape ``v.shape + v.shape``."""
    axes = tuple(range(node.ndim))
    return contract([], [], axes + axes, sizes=dict(enumerate(node.shape)))


def seed(leaf: Expr) -> Expr:
    """The derivative of a variable in itself, projected on what is assumed of it."""
    return _project(deltas(leaf), leaf)


def _project(gradient: Expr, leaf: Expr) -> Expr:
    """The part within the space that the variable may move in.

    For a symmetric matrix that is (G + Gᵀ)/2: its entries are not independent, and only the
    projection does not depend on how the function is written off the symmetric matrices.
    """
    symmetric = leaf.primitive is VARIABLE and Assumption.SYMMETRIC in leaf.param("assumptions")
    if not symmetric or leaf.ndim != 2:
        return gradient
    axes = tuple(range(gradient.ndim))
    turned = contract([gradient], [axes], (*axes[:-2], axes[-1], axes[-2]))
    return add([gradient, turned], [Fraction(1, 2), Fraction(1, 2)])
