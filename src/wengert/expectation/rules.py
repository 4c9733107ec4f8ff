"""Rules that turn a product measure's moments of a degree into weights of directions.

With X = μ + Σ_r z_r d_r and independent z_r, the k-th term of the series of E f(X) is the mean of
a homogeneous polynomial φ_k of degree k in z, which a jet along z gives at any z. A rule has nodes
z_b and weights w_kb with E φ_k(z) = Σ_b w_kb φ_k(z_b) for every such polynomial.

As E z_r = 0, a monomial with a mean has at least the power 2 in each of its variables: no more
than k/2 of them. So the rule goes over the supports S of s = 1, ..., k/2 variables, and takes from
the nodes within S the monomials that have all of S: the moment tensor is never formed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, count, permutations, product
from math import comb, gcd
from typing import Any

import numpy as np

UNBOUNDED = 10**9  # directions: more than anyone waits for
_MOST_MONOMIALS = 130  # in one support
_TOLERANCE = 1e-9  # of the equations that weights solve


Node = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Rule:
    """Nodes and weights.

    Attributes
    ----------
    nodes : ndarray of shape (B, R)
        Coordinates z_b of the directions.
    weights : ndarray of shape (order + 1, B)
        By degree.
    """

    nodes: Any
    weights: Any


@dataclass(frozen=True)
class Pattern:
    """The nodes within one support of s variables, and what they give of each degree.

    Attributes
    ----------
    own : tuple of tuple of int
        The nodes with all s variables; none, if floats cannot tell so many monomials apart.
    every : tuple of tuple of int
        These, and those of fewer variables, zero elsewhere: the places of the weights.
    """

    own: tuple[Node, ...]
    every: tuple[Node, ...]


def number_of_nodes(variables: int, order: int, *, even: bool, shared: bool) -> int:
    """How many directions the rule takes.

    Parameters
    ----------
    variables : int
        R.
    order : int
        The highest degree.
    even : bool
        Are all odd moments zero?
    shared : bool
        Do all variables have the same moments?
    """
    most = min(variables, order // 2)
    power = order // 2 if even else order
    if most and comb(most + power - 1, power) > _MOST_MONOMIALS:
        return UNBOUNDED
    if comb(variables, most) << max(most - 1, 0) >= UNBOUNDED:
        return UNBOUNDED
    total = 0
    for s in range(1, most + 1):
        own = _pattern(s, order, even, shared).own
        if not own:
            return UNBOUNDED
        total += comb(variables, s) * len(own)
    return min(total, UNBOUNDED)


def product_rule(moments: Any, order: int, *, even: bool, shared: bool) -> Rule:
    """The rule of independent variables with zero means.

    Parameters
    ----------
    moments : ndarray of shape (R, order + 1)
        E z_r^k.
    order, even, shared
        As for :func:`number_of_nodes`.
    """
    variables = len(moments)
    most = min(variables, order // 2)
    nodes: list[Any] = []
    starts: dict[int, int] = {}
    total = 0
    for s in range(1, most + 1):
        own = np.array(_pattern(s, order, even, shared).own, float)
        supports = _supports(variables, s)
        starts[s] = total
        placed = np.zeros((len(supports), len(own), variables))
        placed[np.arange(len(supports))[:, None, None], np.arange(len(own))[:, None],
               supports[:, None, :]] = own  # fmt: skip
        nodes.append(placed.reshape(-1, variables))
        total += len(nodes[-1])
    weights = np.zeros((order + 1, total))
    for s in range(1, most + 1):
        supports = _supports(variables, s)
        pattern = _pattern(s, order, even, shared)
        where = _places(pattern, supports, variables, starts, order, even, shared)
        for k in range(2 * s, order + 1):
            if even and k % 2:
                continue
            exponents, solution = _solution(s, k, order, even, shared)
            picked = moments[supports[:, None, :], np.array(exponents)]
            own = np.prod(picked, axis=-1)
            np.add.at(weights[k], where, own @ solution)
    rows = np.concatenate(nodes) if nodes else np.zeros((0, variables))
    return Rule(rows, weights)


def _supports(variables: int, s: int) -> Any:
    return np.array(list(combinations(range(variables), s)), int).reshape(-1, s)


def _places(
    pattern: Pattern, supports: Any, variables: int, starts: dict[int, int], order: int,
    even: bool, shared: bool,
) -> Any:  # fmt: skip
    """Where the nodes of each support stand among all nodes, of shape (supports, every)."""
    columns: list[Any] = []
    for node in pattern.every:
        kept = [j for j, entry in enumerate(node) if entry]
        size = len(kept)
        own = _pattern(size, order, even, shared).own
        within = own.index(tuple(node[j] for j in kept))
        rank = _rank(supports[:, kept], variables)
        columns.append(starts[size] + rank * len(own) + within)
    return np.stack(columns, axis=1)


def _rank(chosen: Any, variables: int) -> Any:
    """The places of increasing tuples among all combinations, in their order."""
    size = chosen.shape[1]
    table = np.array([[comb(n, r) for r in range(size + 1)] for n in range(variables + 1)])
    after = sum(table[variables - 1 - chosen[:, j], size - j] for j in range(size))
    return comb(variables, size) - 1 - after


# ---------------------------------------------------------------- one support


@lru_cache(maxsize=256)
def _pattern(s: int, order: int, even: bool, shared: bool) -> Pattern:
    """Few nodes of s variables that give what is needed of every degree up to the order."""
    below = _embedded(s, order, even, shared)
    degrees = [k for k in range(order, 2 * s - 1, -1) if not (even and k % 2)]
    every = list(_exponents(s, degrees[0], 2 if even else 1))
    least = len(_wanted(every, shared))  # equations: nodes, or sets of nodes that differ in signs
    most = 2 * len(every) + 4 << s - 1
    own: list[Node] = []
    for added, magnitudes in enumerate(_magnitudes(s), 1):
        own += _signed(magnitudes)
        enough = added if shared else len(own) if not even else len(own) >> s - 1
        nodes = (*own, *below)
        if enough >= least and all(_solve(s, k, nodes, even, shared) is not None for k in degrees):
            return Pattern(tuple(own), nodes)
        if len(own) > most:
            break
    return Pattern((), ())


@lru_cache(maxsize=256)
def _embedded(s: int, order: int, even: bool, shared: bool) -> tuple[Node, ...]:
    found: list[Node] = []
    for size in range(1, s):
        for kept in combinations(range(s), size):
            for node in _pattern(size, order, even, shared).own:
                placed = [0.0] * s
                for j, entry in zip(kept, node, strict=True):
                    placed[j] = entry
                found.append(tuple(placed))
    return tuple(found)


def _magnitudes(s: int) -> Iterator[Node]:
    """The nodes up to signs and orders, those with few different entries first.

    Of two variables, angles that halve the largest gaps: polynomials of high degrees stay apart.
    """
    if s == 2:
        yield (1.0, 1.0)
        for halvings in count(3):
            for k in range(1, 2 ** (halvings - 2), 2):
                angle = np.pi * k / 2**halvings
                yield (float(np.cos(angle)), float(np.sin(angle)))
    for largest in count(1):
        for rest in product(range(1, largest + 1), repeat=s):
            if rest[0] == largest and list(rest) == sorted(rest)[::-1] and gcd(*rest) == 1:
                yield tuple(map(float, rest))


def _signed(magnitudes: Node) -> list[Node]:
    """All orders and signs of the entries, one of z and −z."""
    return [
        (node[0], *(e * sign for e, sign in zip(node[1:], signs, strict=True)))
        for node in sorted(set(permutations(magnitudes)), reverse=True)
        for signs in product((1, -1), repeat=len(node) - 1)
    ]


@lru_cache(maxsize=1024)
def _solution(s: int, k: int, order: int, even: bool, shared: bool) -> Any:
    """The monomials that are wanted, and each one's weights on the nodes."""
    found = _solve(s, k, _pattern(s, order, even, shared).every, even, shared)
    assert found is not None
    return found


def _solve(
    s: int, k: int, nodes: tuple[Node, ...], even: bool, shared: bool
) -> tuple[list[tuple[int, ...]], Any] | None:
    """Weights by which the nodes give the wanted monomials of degree k; None if they do not.

    If the variables share their moments, only sums over the orders of a monomial's exponents are
    wanted.
    """
    every = list(_exponents(s, k, 2 if even else 1))
    wanted = _wanted(every, shared)
    place = {e: j for j, e in enumerate(every)}
    target = np.zeros((len(wanted), len(every)))
    for row, members in zip(target, wanted, strict=True):
        row[[place[e] for e in members]] = 1.0
    table, spread = _by_magnitude(nodes) if even else (np.array(nodes, float), None)
    scale = np.max(np.abs(table), axis=1, keepdims=True)
    values = np.prod((table / scale)[:, None, :] ** np.array(every), axis=-1)
    found = np.linalg.lstsq(values.T, target.T, rcond=1e-13)[0]
    if np.max(np.abs(values.T @ found - target.T), initial=0.0) > _TOLERANCE:
        return None
    weights = (found / scale**k).T
    return [members[0] for members in wanted], weights if spread is None else weights @ spread


def _exponents(s: int, k: int, step: int) -> Iterator[tuple[int, ...]]:
    """The monomials of degree k in s variables, by their exponents (even ones, for step 2)."""
    if s == 1:
        yield (k,)
        return
    for first in range(0, k + 1, step):
        for rest in _exponents(s - 1, k - first, step):
            yield (first, *rest)


def _wanted(every: list[tuple[int, ...]], shared: bool) -> list[list[tuple[int, ...]]]:
    """The monomials whose means are not zero; in classes of one mean, if moments are shared."""
    classes: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for e in every:
        if min(e) >= 2:
            classes.setdefault(tuple(sorted(e)) if shared else e, []).append(e)
    return list(classes.values())


def _by_magnitude(nodes: tuple[Node, ...]) -> tuple[Any, Any]:
    """The nodes without their signs, and how a weight is spread over the signs."""
    sizes, where = np.unique(np.abs(np.array(nodes, float)), axis=0, return_inverse=True)
    spread = np.zeros((len(sizes), len(nodes)))
    spread[where.reshape(-1), np.arange(len(nodes))] = 1.0
    return sizes, spread / spread.sum(axis=1, keepdims=True)
