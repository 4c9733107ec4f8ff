"""Derivatives of order k whose highest coefficients are collapsed before they are propagated.

Along a curve x(t) = Σ xⱼ tʲ the coefficient of tᵏ of a node y = φ(x) is

    yₖ = Dφ·xₖ + Σ D^m φ[x_{λ₁}, ..., x_{λₘ}] / Π mult(λ)!

over the partitions λ of k into m ≥ 2 parts (Faà di Bruno). It is linear in xₖ, so that a weighted
sum over many curves needs the lower coefficients of each but only one highest one (*collapsed
Taylor mode*: Dangel et al. 2025; for the Laplacian: the forward Laplacian of Li et al. 2024), and a
function of few outputs needs no highest ones at all: what arises at each node is contracted with
the node's cotangent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import factorial, prod

from wengert.derive.linearize import accumulate, pullback_through, push_all, pushforward
from wengert.derive.modes import deltas, derivative
from wengert.expr import Expr, depending, make, rebuild, topological
from wengert.operations import contract, ones, scale, variable, zeros
from wengert.operations.batching import batch_dependent
from wengert.operations.rebuild import with_operands
from wengert.primitive import Linear, Partials

Coefficients = dict[int, Expr]  # by their power of t, from 1 on; what is missing is zero
Slot = Mapping[int, Expr]  # what stands in one argument of D^m φ: tangents by operand
_CACHED = 4096


def collapsed(
    roots: Sequence[Expr],
    directions: Mapping[Expr, Expr],
    weights: Expr | None,
    order: int,
) -> list[Expr]:
    """The sums Σᵣ wᵣ D^k f[δᵣ, ..., δᵣ] over many directions, of each function.

    Parameters
    ----------
    roots : sequence of Expr
        The functions.
    directions : mapping of Expr to Expr
        All δᵣ by leaf: of the leaf's shape behind the axes of r, the same for all leaves.
    weights : Expr or None
        All wᵣ, of the shape of r; None for ones.
    order : int
        k, from 1 on.

    Returns
    -------
    list of Expr
        Of the functions' shapes.
    """
    lead = _lead(directions)

    def collapse(x: Expr) -> Expr:
        axes = tuple(range(x.ndim))
        if weights is None:
            return contract([x], [axes], axes[lead:])
        return contract([weights, x], [axes[:lead], axes], axes[lead:])

    return _propagated(roots, directions, order, lead, collapse)


def contracted(roots: Sequence[Expr], leaf: Expr, weight: Expr, order: int) -> list[Expr]:
    """The contraction of D^k f with a symmetric tensor, of each function.

    Parameters
    ----------
    roots : sequence of Expr
        The functions.
    leaf : Expr
        Their argument.
    weight : Expr
        The tensor, of shape ``leaf.shape * k``: the deltas in it are not written out.
    order : int
        k, from 1 on.

    Returns
    -------
    list of Expr
        Of the functions' shapes.
    """

    def collapse(x: Expr) -> Expr:
        axes = tuple(range(x.ndim))
        return contract([weight, x], [axes[: weight.ndim], axes], axes[weight.ndim :])

    return _propagated(roots, {leaf: deltas(leaf)}, order, None, collapse)


def _propagated(
    roots: Sequence[Expr],
    directions: Mapping[Expr, Expr],
    order: int,
    lead: int | None,
    collapse: Callable[[Expr], Expr],
) -> list[Expr]:
    """k! times the collapsed highest coefficients."""
    nodes = topological(*roots)
    active = depending(nodes, set(directions))
    found: dict[Expr, Coefficients] = {leaf: {1: d} for leaf, d in directions.items()}
    tops: dict[Expr, Expr] = {}
    if order == 1:
        tops.update({leaf: collapse(d) for leaf, d in directions.items()})
    for node in nodes:
        if node not in active or node in directions:
            continue
        arriving = {k: found[o] for k, o in enumerate(node.operands) if o in found}
        found[node] = _lower(node, arriving, order, lead)
        terms = [collapse(t) for t in _arising(node, arriving, order, lead)]
        above = {k: tops[o] for k, o in enumerate(node.operands) if o in tops}
        pushed = push_all(node, above) if above else None
        terms += [] if pushed is None else [pushed]
        if terms:
            tops[node] = accumulate(terms)
    factor = Fraction(factorial(order))
    return [scale(factor, tops[r]) if r in tops else zeros(r.shape) for r in roots]


def highest(roots: Sequence[Expr], directions: Mapping[Expr, Expr], order: int) -> list[Expr]:
    """The derivatives D^k f[δᵣ, ..., δᵣ] / k! along many directions, behind the axes of r."""
    lead = _lead(directions)
    nodes = topological(*roots)
    active = depending(nodes, set(directions))
    found: dict[Expr, Coefficients] = {leaf: {1: d} for leaf, d in directions.items()}
    for node in nodes:
        if node in active and node not in directions:
            arriving = {k: found[o] for k, o in enumerate(node.operands) if o in found}
            found[node] = _lower(node, arriving, order + 1, lead)
    over = next((d.shape[:lead] for d in directions.values()), ())
    return [
        found[r][order] if order in found.get(r, {}) else zeros((*over, *r.shape)) for r in roots
    ]


def representatives(root: Expr, leaf: Expr, order: int) -> Expr:
    """A tensor with the same symmetric part as D^k f, cheaper to compute than D^k f itself.

    Of the terms of D^k f that differ by a permutation of its k arguments there is one, with the
    sum of their coefficients.

    Parameters
    ----------
    root, leaf : Expr
        f and its argument.
    order : int
        k, from 1 on.

    Returns
    -------
    Expr
        Of shape ``root.shape + leaf.shape * k``.
    """
    if order == 1:
        return derivative(root, [leaf])
    order_ = topological(root)
    active = depending(order_, {leaf})
    shape = root.shape + leaf.shape * order
    if root not in active:
        return zeros(shape)
    found: dict[Expr, Coefficients] = {leaf: {1: deltas(leaf)}}
    arising: dict[Expr, list[Expr]] = {}
    for node in order_:
        if node not in active or node is leaf:
            continue
        arriving = {k: found[o] for k, o in enumerate(node.operands) if o in found}
        found[node] = _lower(node, arriving, order, None)
        terms = _arising(node, arriving, order, None)
        if terms:
            arising[node] = terms
    totals = pullback_through(root, deltas(root), leaf)
    outputs, inputs = range(root.ndim), leaf.ndim * order
    terms: list[Expr] = []
    for node, own in arising.items():
        if node in totals:
            inner = range(root.ndim, root.ndim + node.ndim)
            free = range(inner.stop, inner.stop + inputs)
            labels = [(*outputs, *inner), (*free, *inner)]
            terms += [contract([totals[node], t], labels, (*outputs, *free)) for t in own]
    return scale(Fraction(factorial(order)), accumulate(terms)) if terms else zeros(shape)


# ---------------------------------------------------------------- coefficients of one node


def _lower(
    node: Expr, arriving: Mapping[int, Coefficients], order: int, lead: int | None
) -> Coefficients:
    """The node's coefficients below the highest; of k-fold axes if ``lead`` is None."""
    own: Coefficients = {}
    for j in range(1, order):
        straight = {k: c[j] for k, c in arriving.items() if j in c}
        pushed = push_all(node, straight) if straight else None
        terms = [] if pushed is None else [pushed]
        terms += _arising(node, arriving, j, lead)
        if terms:
            own[j] = accumulate(terms)
    return own


def _arising(
    node: Expr, arriving: Mapping[int, Coefficients], j: int, lead: int | None
) -> list[Expr]:
    """What the coefficients below tʲ contribute to that of tʲ, by partition of j."""
    if isinstance(node.primitive.derivative, Linear):
        return []
    found: list[Expr] = []
    for parts in _partitions(j):
        slots = [{k: c[p] for k, c in arriving.items() if p in c} for p in parts]
        term = differential(node, slots, lead) if all(slots) else None
        if term is not None:
            repeats = prod(factorial(n) for n in Counter(parts).values())
            found.append(scale(Fraction(1, repeats), term))
    return found


def _partitions(j: int, most: int | None = None) -> Iterator[tuple[int, ...]]:
    """The partitions of j into two parts or more, each in falling order; all, below a bound.

    Examples
    --------
    >>> list(_partitions(4))
    [(3, 1), (2, 2), (2, 1, 1), (1, 1, 1, 1)]
    """
    if j == 0 and most is not None:
        yield ()
    for first in range(min(j, j - 1 if most is None else most), 0, -1):
        for rest in _partitions(j - first, first):
            yield (first, *rest)


def differential(node: Expr, slots: Sequence[Slot], lead: int | None) -> Expr | None:
    """D^m φ[a₁, ..., aₘ] of one operation φ; None for zero.

    Parameters
    ----------
    node : Expr
        φ at its operands.
    slots : sequence of mapping of int to Expr
        a₁, ..., aₘ: each a tangent for some of the operands, behind leading axes.
    lead : int or None
        How many leading axes the slots share, one direction for each of their indices; None if
        each slot has its own: the result has them all, those of the last slot first.
    """
    around, memo = _alone(node, {k for slot in slots for k in slot})
    shapes = tuple(tuple((k, a.shape) for k, a in sorted(slot.items())) for slot in slots)
    found = _form(around, shapes, lead)
    if found is None:
        return None
    expr, marks = found
    memo |= {marks[s, k]: a for s, slot in enumerate(slots) for k, a in slot.items()}
    return rebuild(expr, with_operands, memo)


def _alone(node: Expr, moving: set[int]) -> tuple[Expr, dict[Expr, Expr]]:
    """The node over variables in place of its operands, and what all of these stand for."""
    operands = tuple(
        variable(f"·operand{k}", o.shape, dtype=o.dtype) if k in moving or o.operands else o
        for k, o in enumerate(node.operands)
    )
    around = make(node.primitive, operands, node.params, node.shape, node.dtype)
    return around, {around: node, **dict(zip(operands, node.operands, strict=True))}


@lru_cache(maxsize=_CACHED)
def _form(
    node: Expr, shapes: tuple[tuple[tuple[int, tuple[int, ...]], ...], ...], lead: int | None
) -> tuple[Expr, dict[tuple[int, int], Expr]] | None:
    """The form over variables for its arguments, which it comes with by slot and operand."""
    cut = lead or 0
    marks = {
        (s, k): variable(f"·slot{s}.{k}", shape[cut:])
        for s, slot in enumerate(shapes)
        for k, shape in slot
    }
    if isinstance(node.primitive.derivative, Partials):
        current = _of_entries(
            node, [[(k, marks[s, k]) for k, _ in slot] for s, slot in enumerate(shapes)]
        )
    else:
        current = _of_operation(
            node, [{k: marks[s, k] for k, _ in slot} for s, slot in enumerate(shapes)]
        )
    if current is None:
        return None
    for n in range(cut):  # the last of the shared axes first
        wider = {
            (s, k): variable(f"·slot{s}.{k}", shape[cut - 1 - n :])
            for s, slot in enumerate(shapes)
            for k, shape in slot
        }
        (current,) = batch_dependent([current], {marks[key]: wide for key, wide in wider.items()})
        assert current is not None
        marks = wider
    return current, marks


def _of_operation(node: Expr, slots: Sequence[Slot]) -> Expr | None:
    """By pushing forward again and again."""
    current = push_all(node, dict(slots[0]))
    for slot in slots[1:]:
        if current is None:
            return None
        (current,) = pushforward([current], {node.operands[k]: a for k, a in slot.items()})
    return current


def _of_entries(node: Expr, slots: Sequence[Sequence[tuple[int, Expr]]]) -> Expr | None:
    """Entry by entry: mixed partial derivatives times the slots, not expanded."""
    terms: list[Expr] = []
    for chosen in product(*slots):
        partial = _partial(node, tuple(sorted(k for k, _ in chosen)))
        if partial is not None:
            terms.append(_scaled(partial, [a for _, a in chosen]))
    return accumulate(terms) if terms else None


@lru_cache(maxsize=_CACHED)
def _partial(node: Expr, by: tuple[int, ...]) -> Expr | None:
    """The mixed partial derivative of an elementwise operation, of its shape; None for zero."""
    *rest, last = by
    inner = _partial(node, tuple(rest)) if rest else node
    one = ones(node.shape)
    if inner is None:
        return None
    if inner is node:
        return push_all(node, {last: one})
    return pushforward([inner], {node.operands[last]: one})[0]


def _scaled(partial: Expr, slots: Sequence[Expr]) -> Expr:
    """Times slots that have leading axes of their own; those of the last slot first."""
    entries = tuple(range(partial.ndim))
    labels, out, fresh = [entries], entries, partial.ndim
    for slot in slots:
        own = tuple(range(fresh, fresh + slot.ndim - partial.ndim))
        fresh += len(own)
        labels.append((*own, *entries))
        out = (*own, *out)
    return contract([partial, *slots], labels, out)


def _lead(directions: Mapping[Expr, Expr]) -> int:
    return next(d.ndim - leaf.ndim for leaf, d in directions.items())
