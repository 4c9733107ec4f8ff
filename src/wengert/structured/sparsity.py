"""Which entries of derivatives can differ from zero, found from the expression of the function.

One sweep carries along, for each node, on which entries of the leaves each of its entries depends
(abstract interpretation; Griewank and Walther, Evaluating Derivatives, chapter 7). For second
derivatives a sweep back says which entries reach the result, and the pairs of entries that meet
nonlinearly there are collected (Walther, Computing sparse Hessians with automatic differentiation,
2008; Gower and Mello, 2012). Both are exact but for cancellation, and never miss an entry.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.expr import Expr, topological
from wengert.operations.structure import is_contraction
from wengert.primitive import Joint
from wengert.structured.dependence import (
    DensePatternError,
    Links,
    Pattern,
    Support,
    back_through,
    empty,
    interacts,
    is_linear,
    links_of,
    pairs_in_product,
    pattern_of,
    products_in,
    rows_where,
    size_of,
    support_of,
    united,
)
from wengert.structured.run_patterns import RunPattern, run_pattern

_ENTRIES = 2 * 10**8  # of patterns that are held at once
_WORK = 20  # products of entries to make, for each that may be held


def jacobian_pattern(
    roots: Sequence[Expr],
    leaves: Sequence[Expr],
    supports: Mapping[Expr, Support] | None = None,
    limit: int = _ENTRIES,
    most: int = _ENTRIES,
) -> list[Pattern]:
    """On which entries of the leaves each entry of functions depends.

    Parameters
    ----------
    roots, leaves : sequence of Expr
        Functions with known sizes, and variables.
    supports : mapping of Expr to bool array, optional
        Where other variables may differ from zero, if not everywhere.
    limit : int
        Entries of the patterns that are held, of all nodes.
    most : int
        Entries of one node's pattern.

    Returns
    -------
    list of csr_array of bool
        One a root: its entries in row order by those of all leaves, one leaf after the other.

    Raises
    ------
    DensePatternError
        Beyond the limit, or where a size is not known.
    """
    sweep = Sweep.over_leaves(roots, leaves, supports, limit, most)
    return [sweep.pattern(root) for root in roots]


def hessian_pattern(
    roots: Sequence[Expr],
    leaves: Sequence[Expr],
    supports: Mapping[Expr, Support] | None = None,
    limit: int = _ENTRIES,
    most: int = _ENTRIES,
) -> Pattern:
    """Which pairs of the leaves' entries have a second derivative in any entry of the functions.

    Parameters
    ----------
    roots, leaves, supports, limit
        As in :func:`jacobian_pattern`.
    most : int
        Pairs that meet in one entry of a node.

    Returns
    -------
    csr_array of bool
        Symmetric.
    """
    sweep = Sweep.over_leaves(roots, leaves, supports, limit)
    sweep.most = most  # of pairs, from here on
    return sweep.interactions(roots)


class Sweep:
    """A sweep over expressions, operands first.

    Attributes
    ----------
    found : dict of Expr to csr_array
        What is known of the nodes that depend on the leaves.
    """

    def __init__(
        self,
        roots: Sequence[Expr],
        given: Mapping[Expr, Pattern],
        columns: int,
        supports: Mapping[Expr, Support] | None,
        limit: int,
        most: int,
    ) -> None:
        self.order = topological(*roots)
        self.columns = columns
        self.limit, self.most = limit, most
        self.found: dict[Expr, Pattern] = dict(given)
        self.supports: dict[Expr, Support] = dict(supports or {})
        self._links: dict[tuple[Expr, int], Links | None] = {}
        self._runs: dict[Hashable, RunPattern] = {}
        self._held = self._work = 0
        for node in self.order:
            self._visit(node)

    @staticmethod
    def over_leaves(
        roots: Sequence[Expr],
        leaves: Sequence[Expr],
        supports: Mapping[Expr, Support] | None,
        limit: int,
        most: int = _ENTRIES,
    ) -> Sweep:
        """With one column an entry of the leaves."""
        counts = [size_of(leaf) for leaf in leaves]
        total = sum(counts)
        given: dict[Expr, Pattern] = {}
        start = 0
        for leaf, count in zip(leaves, counts, strict=True):
            rows = np.arange(count)
            given[leaf] = pattern_of(rows, start + rows, (count, total))
            start += count
        return Sweep(roots, given, total, supports, limit, most)

    def pattern(self, node: Expr) -> Pattern:
        """The node's dependence, one row an entry."""
        found = self.found.get(node)
        return empty(size_of(node), self.columns) if found is None else found

    def supports_of(self, node: Expr) -> list[Support]:
        """Of its operands."""
        return [self.supports.get(o) for o in node.operands]

    # ------------------------------------------------------------ first order

    def _visit(self, node: Expr) -> None:
        if node not in self.supports:
            support = support_of(node, self.supports_of(node))
            if support is not None:
                self.supports[node] = support
        if node in self.found or node.dtype != "real":
            return
        if not any(o in self.found for o in node.operands):
            return
        size_of(node)
        if isinstance(node.primitive.derivative, Joint):
            found = self.run(node).result(node.param("part"))
        else:
            found = self._of_node(node)
        if found is not None and found.nnz:
            if found.nnz > self.most:
                raise DensePatternError("the pattern of a node has too many entries")
            self._held += found.nnz
            self.check(self._held)
            self.found[node] = found

    def check(self, entries: int, work: int = 0) -> None:
        """An error beyond the limits."""
        self._work += work
        if entries > self.limit or self._work > _WORK * self.limit:
            raise DensePatternError("the pattern of a derivative has too many entries")

    def _through(self, links: Links, pattern: Pattern) -> Pattern:
        for link in reversed(links):
            self.check(0, products_in(link, pattern))
            pattern = link @ pattern
        return pattern

    def links(self, node: Expr, k: int) -> Links | None:
        """On which entries of an operand a node depends; None if on none."""
        key = (node, k)
        if key not in self._links:
            self._links[key] = links_of(node, k, self.supports_of(node))
        return self._links[key]

    def _of_node(self, node: Expr) -> Pattern | None:
        total: Pattern | None = None
        for k, operand in enumerate(node.operands):
            if operand in self.found and (links := self.links(node, k)) is not None:
                arrived = self._through(links, self.found[operand])
                total = arrived if total is None else total + arrived
        return total

    def run(self, node: Expr) -> RunPattern:
        """What a run of a program, of which the node is a result, does to the patterns."""
        assert isinstance(node.primitive.derivative, Joint)
        key = node.primitive.derivative.group(node)
        if key not in self._runs:
            self._runs[key] = run_pattern(node, self)
        return self._runs[key]

    # ------------------------------------------------------------ second order

    def interactions(self, roots: Sequence[Expr]) -> Pattern:
        """The pairs of columns that meet nonlinearly on the way to the roots."""
        parts: list[Pattern] = []
        held = 0
        reached: dict[Expr, Any] = {r: np.ones(size_of(r), bool) for r in roots if r in self.found}
        seen: set[Hashable] = set()
        for node in reversed(self.order):
            mask = reached.get(node)
            if mask is None or not mask.any():
                continue
            rule = node.primitive.derivative
            if isinstance(rule, Joint):
                for operand in node.operands:
                    if operand in self.found:
                        reached[operand] = np.ones(size_of(operand), bool)
                key = rule.group(node)
                more = [] if key in seen else [self.run(node).pairs()]
                seen.add(key)
            else:
                more = self._pairs(node, mask)
                self._reach_back(node, mask, reached)
            parts += more
            held += sum(p.nnz for p in more)
            if held > self.limit:
                parts = [united(parts, self.columns)]
                held = 2 * parts[0].nnz
                self.check(held)
        found = united(parts, self.columns)
        return united([found, found.T], self.columns)

    def _reach_back(self, node: Expr, mask: Any, reached: dict[Expr, Any]) -> None:
        for k, operand in enumerate(node.operands):
            if operand in self.found and (links := self.links(node, k)) is not None:
                arrived = back_through(links, mask)
                before = reached.get(operand)
                reached[operand] = arrived if before is None else before | arrived

    def _pairs(self, node: Expr, mask: Any) -> list[Pattern]:
        if is_linear(node):
            return []
        product = is_contraction(node)
        active = [
            k for k, o in enumerate(node.operands)
            if o in self.found and self.links(node, k) is not None
        ]  # fmt: skip
        found: list[Pattern] = []
        for n, k in enumerate(active):
            for j in active[n + product :]:
                if product:
                    found.append(self._pairs_in_product(node, k, j, mask))
                elif interacts(node, k, j):
                    found.append(self._pairs_in_function(node, k, j, mask))
        return found

    def _pairs_in_product(self, node: Expr, k: int, j: int, mask: Any) -> Pattern:
        reached = None if mask.all() else mask
        supports = self.supports_of(node)
        first, meeting, second = pairs_in_product(node, k, j, supports, reached)
        left = self._through(first, self.found[node.operands[k]])
        right = self._through(second, self.found[node.operands[j]])
        return self._meeting(left, self._through((meeting,), right))

    def _pairs_in_function(self, node: Expr, k: int, j: int, mask: Any) -> Pattern:
        """Pairs within an entry, or within the block that a function of several entries takes."""
        one, other = self.links(node, k), self.links(node, j)
        assert one is not None
        assert other is not None
        if len(one) == 2:  # from entries to blocks, and to entries again
            mask = one[0].T @ mask
            one, other = one[1:], other[1:]
        left = rows_where(self._through(one, self.found[node.operands[k]]), mask)
        return self._meeting(left, self._through(other, self.found[node.operands[j]]))

    def _meeting(self, left: Pattern, right: Pattern) -> Pattern:
        """The columns that have an entry in one row."""
        pairs = np.diff(left.indptr).astype(np.int64) * np.diff(right.indptr)
        if pairs.max(initial=0) > self.most:
            raise DensePatternError("too many entries meet in one entry of a function")
        self.check(0, int(pairs.sum()))
        return left.T @ right
