"""Constructors of traces, diagonals, Kronecker products and stacked columns."""

from __future__ import annotations

from collections.abc import Sequence

from wengert.printing.build import (
    Factors,
    chain_key,
    chain_product,
    extent,
    norm_squared,
    product,
    sum_all,
    transpose,
    untransposed,
)
from wengert.printing.tree import (
    Diag,
    DiagPart,
    Identity,
    Ones,
    Product,
    Scaled,
    Trace,
    Tree,
    Vec,
)


def trace(tree: Tree) -> Tree:
    """The trace, in the rotation that reads best."""
    factors = Factors()
    body = factors.strip(tree)
    if body is None:
        return tree
    if isinstance(body, Identity):
        return factors.around(extent(body.extent))
    if isinstance(body, Diag):
        return factors.around(sum_all(body.children[0]))
    if isinstance(body, Product):
        return factors.around(_trace_of_chain(body.children))
    return factors.around(Trace("scalar", (untransposed(body),)))


def _trace_of_chain(chain: tuple[Tree, ...]) -> Tree:
    rotations = [chain[k:] + chain[:k] for k in range(len(chain))]
    for rotation in rotations:
        if rotation[0].kind == "row":
            return chain_product(list(rotation))
    mirrored = [transpose(f) for f in reversed(chain)]
    if all(not isinstance(f, Scaled) for f in mirrored):
        flipped = tuple(mirrored)
        rotations += [flipped[k:] + flipped[:k] for k in range(len(chain))]
    half = len(chain) // 2
    for rotation in sorted(rotations, key=chain_key):
        right = product(rotation[half:])
        if len(chain) % 2 == 0 and product(rotation[:half]) == transpose(right):
            return norm_squared(right)
    best = min(rotations, key=_trace_key)
    return Trace("scalar", (Product("matrix", best),))


def _trace_key(chain: Sequence[Tree]) -> tuple[object, ...]:
    """Fewest transposes, a transpose in front, then the alphabet."""
    return (sum(f.cost for f in chain), *chain_key(chain)[2:])


def diag_part(tree: Tree) -> Tree:
    """The diagonal of a matrix, as a column."""
    factors = Factors()
    body = factors.strip(tree)
    assert body is not None
    if isinstance(body, Diag):
        return factors.around(body.children[0])
    if isinstance(body, Identity):
        return factors.around(Ones("column", (), (body.extent,)))
    if isinstance(body, Ones):
        return factors.around(Ones("column", (), body.shape[:1]))
    return factors.around(DiagPart("column", (untransposed(body),)))


def vec(tree: Tree) -> Tree:
    """The columns of a matrix stacked."""
    factors = Factors()
    body = factors.strip(tree)
    assert body is not None
    return factors.around(Vec("column", (body,)))
