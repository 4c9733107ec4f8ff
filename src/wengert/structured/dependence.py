"""On which entries of its operands each entry of one node depends, and which pairs interact.

There is one rule for each kind of declaration, never for a name: elementwise operations depend
entry by entry, contractions through their labels, routes where their tables say, masks where they
let pass; what says nothing of this depends on all entries behind its batch axes. A rule may name
too many entries, never too few.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from scipy import sparse

from wengert.derive import pushforward
from wengert.derive.linearize import push
from wengert.errors import MissingRuleError, WengertError
from wengert.expr import Expr, make
from wengert.operations import variable
from wengert.operations.discrete import known_values
from wengert.operations.structure import (
    contraction_params,
    has_delta,
    is_contraction,
    is_sum,
    is_zero,
)
from wengert.operations.tables import over
from wengert.primitive import Constant, Linear, Partials, Place, Route, Undefined
from wengert.shapes import concrete

Pattern = Any
"""A ``scipy.sparse.csr_array`` of truth values."""
Links = tuple[Pattern, ...]
"""Patterns whose boolean product, the last one first, is a node's dependence on an operand."""
Labels = tuple[int, ...]
Support = Any
"""A bool array: which entries of a node may differ from zero; None if all may."""

_PROBED = 4 * 10**6  # entries of a linear operation's matrix that is written out
_GRID = 10**8  # entries of a pattern between labels
_SUPPORT = 10**7  # entries of a support
_CACHED = 1024  # answers about nodes that are kept


class DensePatternError(WengertError):
    """A pattern has more entries than it may have."""


# ---------------------------------------------------------------- patterns


def size_of(node: Expr) -> int:
    """The number of entries.

    Raises
    ------
    DensePatternError
        If it is not known.
    """
    if not all(isinstance(s, int) for s in node.shape):
        raise DensePatternError(f"a {node.name} has an axis whose size is known as it runs only")
    return prod(concrete(node.shape))


def pattern_of(rows: Any, columns: Any, shape: tuple[int, int]) -> Pattern:
    """The pattern of pairs of places."""
    data = np.ones(len(rows), bool)
    found = sparse.coo_array((data, (rows, columns)), shape=shape).tocsr()
    found.sum_duplicates()
    return found


def empty(rows: int, columns: int) -> Pattern:
    """No entries."""
    return sparse.csr_array((rows, columns), dtype=bool)


def united(patterns: Sequence[Pattern], count: int) -> Pattern:
    """The union of square patterns."""
    if not patterns:
        return empty(count, count)
    found = [p.tocoo() for p in patterns]
    rows = np.concatenate([p.coords[0] for p in found])
    return pattern_of(rows, np.concatenate([p.coords[1] for p in found]), (count, count))


def identity(count: int) -> Pattern:
    """Each entry on itself."""
    return sparse.csr_array(
        (np.ones(count, bool), np.arange(count), np.arange(count + 1)), shape=(count, count)
    )


def rows_where(pattern: Pattern, mask: Any) -> Pattern:
    """The pattern without the rows that a mask (None: keep all) leaves out."""
    if mask is None:
        return pattern
    kept = np.repeat(mask.ravel(), np.diff(pattern.indptr))
    counts = np.diff(pattern.indptr) * mask.ravel()
    pointers = np.concatenate([[0], np.cumsum(counts)])
    return sparse.csr_array(
        (pattern.data[kept], pattern.indices[kept], pointers), shape=pattern.shape
    )


def products_in(link: Pattern, pattern: Pattern) -> int:
    """How many products of entries their product takes."""
    return int(np.diff(pattern.indptr)[link.indices].sum())


def back_through(links: Links, reached: Any) -> Any:
    """Which entries of the operand any of the node's reached entries depends on."""
    for link in links:
        reached = link.T @ reached
    return reached


# ---------------------------------------------------------------- labels


def _flat(labels: Labels, coordinates: Mapping[int, Any], sizes: Mapping[int, int]) -> Any:
    """The row-order index over labels."""
    total: Any = 0
    for x in labels:
        total = total * sizes[x] + coordinates[x]
    return total


def _link(
    out: Labels, inner: Labels, sizes: Mapping[int, int], mask: tuple[Any, Labels] | None = None
) -> Pattern:
    """Entries over ``out`` on entries over ``inner``, where all labels (and the mask) agree."""
    labels = tuple(dict.fromkeys((*out, *inner)))
    shape = tuple(sizes[x] for x in labels)
    if prod(shape) > _GRID and mask is None:
        raise DensePatternError("a product has too many entries to follow them one by one")
    if mask is None:
        found = np.indices(shape, sparse=True)
        coordinates = dict(zip(labels, found, strict=True))
        rows = np.broadcast_to(_flat(out, coordinates, sizes), shape).ravel()
        columns = np.broadcast_to(_flat(inner, coordinates, sizes), shape).ravel()
    else:
        table = np.broadcast_to(over(mask[0], mask[1], labels), shape)
        found = np.nonzero(table.reshape(shape or (1,)))  # one truth value has no axis to count
        coordinates = dict(zip(labels, found, strict=False))
        count = len(found[0])
        rows = np.broadcast_to(_flat(out, coordinates, sizes), (count,))
        columns = np.broadcast_to(_flat(inner, coordinates, sizes), (count,))
    return pattern_of(rows, columns, (_count(out, sizes), _count(inner, sizes)))


def _count(labels: Labels, sizes: Mapping[int, int]) -> int:
    return prod(sizes[x] for x in labels)


def _sizes(node: Expr) -> dict[int, int]:
    labels, out, _ = contraction_params(node)
    found = dict(zip(out, node.shape, strict=True))
    for operand, own in zip(node.operands, labels, strict=True):
        found.update(zip(own, operand.shape, strict=True))
    return found  # pyright: ignore[reportReturnType]


def _mask_of(
    factors: Iterable[tuple[Support, Labels]], kept: Iterable[int]
) -> tuple[Any, Labels] | None:
    """Where the product of supports, summed over the labels that are not kept, is not zero."""
    known = [(s, own) for s, own in factors if s is not None]
    if not known:
        return None
    labels = tuple(dict.fromkeys(x for _, own in known for x in own if x in set(kept)))
    number = {x: n for n, x in enumerate(dict.fromkeys(x for _, own in known for x in own))}
    arguments: list[Any] = []
    for support, own in known:
        arguments += [np.asarray(support, np.float32), [number[x] for x in own]]
    total = np.einsum(*arguments, [number[x] for x in labels], optimize="greedy")
    return total > 0, labels


def _contraction(node: Expr, k: int, supports: Sequence[Support]) -> Links:
    labels, out, _ = contraction_params(node)
    sizes, own = _sizes(node), labels[k]
    mask = _mask_of(
        [(s, x) for j, (s, x) in enumerate(zip(supports, labels, strict=True)) if j != k],
        (*out, *own),
    )
    masked = set(mask[1]) if mask else set[int]()
    summed = tuple(x for x in dict.fromkeys(own) if x in out or x in masked)
    spread = tuple(x for x in dict.fromkeys(out) if x in own or x in masked)
    links: list[Pattern] = []
    if spread != out:
        links.append(_link(out, spread, sizes))
    if mask is not None or spread != summed:
        links.append(_link(spread, summed, sizes, mask))
    if summed != own:
        links.append(_link(summed, own, sizes))
    return tuple(links)


# ---------------------------------------------------------------- entries that move


def _known_route(node: Expr, k: int) -> Route | None:
    """How the entries of an operand move, if that is known before anything is computed."""
    route = node.primitive.route and node.primitive.route(node, k)
    if route is None:
        return None
    tables = [place.at for place in (*route.result, *route.operand) if place.at is not None]
    return None if any(known_values(table) is None for table in tables) else route


def _moved(node: Expr, operand: Expr, route: Route) -> Pattern:
    cut = operand.ndim - len(route.operand)
    sizes = concrete(route.sizes)
    shape, given = concrete(node.shape[cut:]), concrete(operand.shape[cut:])
    rows = _places(route.result, sizes, shape)
    columns = _places(route.operand, sizes, given)
    copies, out, inner = prod(concrete(operand.shape[:cut])), prod(shape), prod(given)
    first = np.arange(copies)[:, None]
    return pattern_of(
        (first * out + rows).ravel(),
        (first * inner + columns).ravel(),
        (copies * out, copies * inner),
    )


def _places(places: Sequence[Place], sizes: tuple[int, ...], shape: Any) -> Any:
    labels = tuple(range(len(sizes)))
    total: Any = np.zeros((1,) * len(sizes), np.intp)
    for place, size in zip(places, shape, strict=True):
        inner = tuple(sizes[x] for x in place.labels)
        table = (
            np.arange(prod(inner)).reshape(inner) if place.at is None else known_values(place.at)
        )
        total = total * size + over(table, place.labels, labels)
    return np.broadcast_to(total, sizes).ravel()


# ---------------------------------------------------------------- all entries of a batch


def _blocks(node: Expr, operand: Expr, lead: int) -> Links:
    """Behind the leading axes, everything on everything."""
    return _to_blocks(node, lead), _to_blocks(operand, lead).T.tocsr()


def _to_blocks(node: Expr, lead: int) -> Pattern:
    shape: Any = node.shape
    copies, inner = prod(shape[:lead]), prod(shape[lead:])
    rows = np.arange(copies * inner)
    return pattern_of(rows, np.repeat(np.arange(copies), inner), (copies * inner, copies))


def _batch_axes(node: Expr, operand: Expr) -> int:
    """How many leading axes only say which of many equal problems it is."""
    if "rank" in node.primitive.parameters:
        lead = operand.ndim - int(node.param("rank"))
        return lead if node.shape[:lead] == operand.shape[:lead] else 0
    found, operands = 0, node.operands
    while all(o.ndim and node.ndim > found and o.shape[0] == node.shape[found] for o in operands):
        operands = tuple(variable(f"·p{k}", o.shape[1:], dtype=o.dtype)
                         for k, o in enumerate(operands))  # fmt: skip
        try:
            shape = node.primitive.infer(operands, node.params)
        except (WengertError, IndexError):  # too few axes
            break
        if shape != node.shape[found + 1 :]:
            break
        found += 1
    return found


def _linear(node: Expr, rule: Linear) -> Links:
    """A linear operation on trailing axes: its matrix if it is small, else all of these axes."""
    operand = node.operands[0]
    lead = operand.ndim - rule.rank(node)
    acted: Any = operand.shape[lead:]
    given: Any = node.shape[lead:]
    others = [known_values(o) for o in node.operands[1:]]
    if prod(acted) * prod(given) > _PROBED or any(o is None for o in others):
        return _blocks(node, operand, lead)
    units = np.eye(prod(acted)).reshape(prod(acted), *acted)
    matrix = node.primitive.evaluate(node, units, *others)
    own = sparse.csr_array(np.asarray(matrix).reshape(prod(acted), prod(given)).T != 0)
    copies: Any = prod(operand.shape[:lead])  # pyright: ignore
    return (sparse.kron(identity(copies), own, format="csr").astype(bool),)


# ---------------------------------------------------------------- one node


def links_of(node: Expr, k: int, supports: Sequence[Support]) -> Links | None:
    """On which entries of operand ``k`` the node's entries depend; None if on none.

    Parameters
    ----------
    node : Expr
        Of known sizes; no loop and no branch.
    k : int
        A real operand.
    supports : sequence of (bool array or None)
        Of the operands.
    """
    rule, operand = node.primitive.derivative, node.operands[k]
    if isinstance(rule, Constant):
        return None
    if isinstance(rule, Partials) and isinstance(rule.partials[k], Constant):
        return None
    if is_contraction(node):
        return None if is_zero(node) else _contraction(node, k, supports)
    if is_sum(node):
        return ()
    if (route := _known_route(node, k)) is not None:
        return (_moved(node, operand, route),)
    if node.primitive.elementwise:
        return _chosen(node, k)
    if node.primitive.masking:
        mask = known_values(node.operands[-1])
        return () if mask is None else (_diagonal(np.broadcast_to(mask, concrete(node.shape))),)
    if isinstance(rule, Linear):
        return _linear(node, rule) if k == 0 else None
    return _blocks(node, operand, _batch_axes(node, operand))


def _diagonal(mask: Any) -> Pattern:
    return rows_where(identity(mask.size), mask)


def _chosen(node: Expr, k: int) -> Links:
    """Entry by entry; where what a linear operation lets pass is known, only there."""
    if isinstance(node.primitive.derivative, Partials | Undefined):
        return ()
    passed = push(node, k, variable("·p0", node.operands[k].shape))
    if passed is None or not passed.primitive.masking or passed.shape != node.shape:
        return ()
    mask = known_values(passed.operands[-1])
    return () if mask is None else (_diagonal(np.broadcast_to(mask, concrete(node.shape))),)


# ---------------------------------------------------------------- supports


def support_of(node: Expr, supports: Sequence[Support]) -> Support:
    """Which entries of a node may differ from zero, from its operands; None if all may."""
    shape: Any = node.shape
    if prod(shape) > _SUPPORT or node.dtype != "real":
        return None
    found = _support(node, supports, shape)
    return None if found is None or found.all() else found


def _support(node: Expr, supports: Sequence[Support], shape: tuple[int, ...]) -> Support:
    if is_zero(node):
        return np.zeros(shape, bool)
    if is_contraction(node):
        return _support_of_contraction(node, supports, shape)
    if node.operands and (values := _folded(node)) is not None:
        return values != 0
    primitive = node.primitive
    if is_sum(node):
        return None if any(s is None for s in supports) else np.logical_or.reduce(supports)
    if primitive.route is not None:
        total = np.zeros(prod(shape), bool)
        for k, operand in enumerate(node.operands):
            if operand.dtype == "real":
                route = _known_route(node, k)
                if route is None:
                    return None
                own = supports[k]
                full = np.ones(operand.shape, bool) if own is None else own  # pyright: ignore
                total |= _moved(node, operand, route) @ full.ravel()
        return total.reshape(shape)
    if primitive.masking and (mask := known_values(node.operands[-1])) is not None:
        mask = np.broadcast_to(mask, shape)
        return mask if supports[0] is None else mask & supports[0]
    if primitive.elementwise and primitive.zero_at_zero and len(node.operands) == 1:
        return supports[0]
    return None


def _support_of_contraction(
    node: Expr, supports: Sequence[Support], shape: tuple[int, ...]
) -> Support:
    labels, out, _ = contraction_params(node)
    mask = _mask_of(zip(supports, labels, strict=True), out)
    if mask is None and not has_delta(node):
        return None
    own = tuple(dict.fromkeys(out))
    sizes = _sizes(node)
    extent = tuple(sizes[x] for x in own)
    coordinates = dict(zip(own, np.indices(extent, sparse=True), strict=True))
    flat = np.broadcast_to(_flat(out, coordinates, sizes), extent)
    found = np.zeros(prod(shape), bool)
    found[flat.ravel()] = True if mask is None else (
        np.broadcast_to(over(mask[0], mask[1], own), extent).ravel()
    )  # fmt: skip
    return found.reshape(shape)


def _folded(node: Expr) -> Any:
    """The value of a real function of known integers or truth values."""
    known = [known_values(o) for o in node.operands]
    if any(v is None for v in known) or node.primitive.route is not None:
        return None
    return np.asarray(node.primitive.evaluate(node, *known))


# ---------------------------------------------------------------- second order


def is_linear(node: Expr) -> bool:
    """Is the node declared linear in all its operands together?"""
    primitive = node.primitive
    return is_sum(node) or primitive.route is not None or isinstance(primitive.derivative, Linear)


def interacts(node: Expr, k: int, j: int) -> bool:
    """Can the second derivative in operands ``k`` and ``j`` be other than zero?

    Asked of the declared derivative itself, on leaves in the operands' places.
    """
    scalar = node.primitive.elementwise and all(known_values(o) is None for o in node.operands)
    leaves = tuple(
        o if known_values(o) is not None
        else variable(f"·p{i}", () if scalar else o.shape, dtype=o.dtype)
        for i, o in enumerate(node.operands)
    )  # fmt: skip
    if {leaves[k].dtype, leaves[j].dtype} != {"real"}:
        return False
    shape = () if scalar else node.shape
    return _interacts(make(node.primitive, leaves, node.params, shape, node.dtype), k, j)


@lru_cache(maxsize=_CACHED)
def _interacts(node: Expr, k: int, j: int) -> bool:
    one, other = node.operands[k], node.operands[j]
    try:
        first = push(node, k, variable("·p", one.shape))
        if first is None:
            return False
        (second,) = pushforward([first], {other: variable("·q", other.shape)})
    except MissingRuleError:
        return True
    return second is not None and not is_zero(second)


def pairs_in_product(
    node: Expr, k: int, j: int, supports: Sequence[Support], reached: Any
) -> tuple[Links, Pattern, Links]:
    """Which entries of two factors of a contraction meet in an entry that is reached.

    Returns
    -------
    tuple of (links, pattern, links)
        The first factor's entries summed up, which of the sums meet, and the second one's.
    """
    labels, out, _ = contraction_params(node)
    sizes = _sizes(node)
    one, other = labels[k], labels[j]
    factors = [
        (s, own) for i, (s, own) in enumerate(zip(supports, labels, strict=True)) if i not in (k, j)
    ]
    if reached is not None:
        unique = tuple(dict.fromkeys(out))
        extent = tuple(sizes[x] for x in unique)
        coordinates = dict(zip(unique, np.indices(extent, sparse=True), strict=True))
        flat = np.broadcast_to(_flat(out, coordinates, sizes), extent)
        factors.append((reached.ravel()[flat], unique))
    mask = _mask_of(factors, (*one, *other))
    masked = set(mask[1]) if mask else set[int]()
    left = tuple(x for x in dict.fromkeys(one) if x in other or x in masked)
    right = tuple(x for x in dict.fromkeys(other) if x in one or x in masked)
    first = () if left == one else (_link(left, one, sizes),)
    second = () if right == other else (_link(right, other, sizes),)
    return first, _link(left, right, sizes, mask), second
