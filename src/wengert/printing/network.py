"""A tensor network as matrix notation: series-parallel reduction on labels.

A column is a factor at its label, a matrix an edge between two labels. Labels that are summed are
eliminated by the first rule that applies, always in whole rounds so that the result does not
depend on the order of operands:

1. a loop ``M_ii`` is a trace, or the column diag(M);
2. a leaf ``Σ_j M_ij v_j`` is the column Mv (``M1`` where no v stands);
3. a chain ``Σ_j A_ij B_jk`` is AB;
4. parallel edges ``A_ij B_ij`` are A ⊙ B;
5. a chain with a weight ``Σ_j A_ij v_j B_jk`` is A diag(v) B.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wengert.printing.build import (
    add,
    diag,
    diag_part,
    dot,
    factor_key,
    hadamard,
    kron,
    product,
    scale,
    sum_all,
    trace,
    transpose,
    vec,
)
from wengert.printing.tree import Identity, Kind, Ones, Product, Tree
from wengert.shapes import Size


@dataclass(frozen=True)
class Edge:
    """A matrix from label ``row`` to label ``column``."""

    row: int
    column: int
    tree: Tree

    def oriented(self, row: int) -> Tree:
        """The matrix whose rows are at this label."""
        return self.tree if self.row == row else transpose(self.tree)

    def other(self, label: int) -> int:
        """The label at the far end."""
        return self.column if self.row == label else self.row


@dataclass
class Network:
    """Columns at labels, edges between labels, and scalars; labels in ``kept`` stay."""

    sizes: dict[int, Size]
    kept: frozenset[int]
    columns: dict[int, list[Tree]] = field(default_factory=dict[int, list[Tree]])
    edges: list[Edge] = field(default_factory=list[Edge])
    scalars: list[Tree] = field(default_factory=list[Tree])

    def put(self, tree: Tree, labels: Sequence[int]) -> bool:
        """Add an operand; False for a tensor, which has no place here."""
        if len(labels) == 0:
            self.scalars.append(tree)
        elif len(labels) == 1:
            self.columns.setdefault(labels[0], []).append(tree)
        elif len(labels) == 2:
            self.edges.append(Edge(labels[0], labels[1], tree))
        else:
            return False
        return True

    def edges_at(self, label: int) -> list[Edge]:
        """The edges that touch a label."""
        return [e for e in self.edges if label in (e.row, e.column)]

    def summed(self) -> list[int]:
        """The labels still to be eliminated."""
        found = {e.row for e in self.edges} | {e.column for e in self.edges} | set(self.columns)
        return sorted(found - self.kept)

    def column(self, label: int) -> Tree | None:
        """The product of all columns at a label."""
        columns = self.columns.get(label)
        if not columns:
            return None
        return hadamard(sorted(columns, key=factor_key))


# ---------------------------------------------------------------- rules


def _loops(net: Network) -> bool:
    loops = [e for e in net.edges if e.row == e.column]
    for edge in loops:
        net.edges.remove(edge)
        label = edge.row
        alone = not net.columns.get(label) and not net.edges_at(label)
        if alone and label not in net.kept:
            net.scalars.append(trace(edge.tree))
        else:
            net.put(diag_part(edge.tree), (label,))
    return bool(loops)


def _points(net: Network) -> bool:
    """Labels that no edge touches: inner products and sums."""
    points = [a for a in net.summed() if not net.edges_at(a)]
    for label in points:
        columns = sorted(net.columns.pop(label), key=factor_key)
        net.scalars.append(_summed_product(columns))
    return bool(points)


def _summed_product(columns: list[Tree]) -> Tree:
    if len(columns) == 1:
        return sum_all(columns[0])
    merged = hadamard(columns)
    parts = list(_hadamard_parts(merged))
    scalars = scale_of(merged)
    if len(parts) == 1:
        return scale_like(scalars, sum_all(parts[0]))
    chains = [p for p in parts if isinstance(p, Product)]
    rest = [p for p in parts if p not in chains]
    if len(chains) >= 2 and (rest or len(chains) > 2):
        weight = diag(hadamard([*rest, *chains[2:]]))
        return scale_like(scalars, product([transpose(chains[0]), weight, chains[1]]))
    if len(chains) == 1:
        return scale_like(scalars, dot(hadamard(rest), chains[0]))
    return scale_like(scalars, dot(parts[0], hadamard(parts[1:])))


def _ends(net: Network) -> bool:
    """Leaves: summed labels with one edge."""
    leaves = [a for a in net.summed() if len(net.edges_at(a)) == 1]
    done = False
    for label in _display_order(net, leaves):
        edges = net.edges_at(label)
        if len(edges) != 1:
            continue
        done = True
        _eliminate_leaf(net, label, edges[0])
    return done


def _display_order(net: Network, labels: list[int]) -> list[int]:
    def key(label: int) -> tuple[object, ...]:
        column = net.column(label)
        edge = net.edges_at(label)[0]
        own = factor_key(column) if column else ()
        return (*factor_key(edge.oriented(label)), bool(own), *own)

    return sorted(labels, key=key)


def _eliminate_leaf(net: Network, label: int, edge: Edge) -> None:
    other = edge.other(label)
    net.edges.remove(edge)
    column = net.column(label)
    net.columns.pop(label, None)
    free = other not in net.kept and not net.columns.get(other) and not net.edges_at(other)
    if column is None and free:
        net.scalars.append(sum_all(edge.tree))
        return
    vector = column or Ones("column", (), (net.sizes[label],))
    net.put(product([edge.oriented(other), vector]), (other,))


def _series(net: Network, weighted: bool) -> bool:
    done = False
    for label in net.summed():
        edges = net.edges_at(label)
        weight = net.column(label)
        if len(edges) != 2 or (weight is not None) != weighted:
            continue
        if any(e.row == e.column for e in edges):
            continue
        first, second = edges
        start, end = first.other(label), second.other(label)
        middle = [diag(weight)] if weight else []
        chain = [first.oriented(start), *middle, second.oriented(label)]
        net.columns.pop(label, None)
        net.edges = [e for e in net.edges if e is not first and e is not second]
        net.edges.append(Edge(start, end, product(chain)))
        done = True
    return done


def _parallel(net: Network) -> bool:
    groups: dict[tuple[int, int], list[Edge]] = {}
    for edge in net.edges:
        pair = (min(edge.row, edge.column), max(edge.row, edge.column))
        groups.setdefault(pair, []).append(edge)
    several = {pair: edges for pair, edges in groups.items() if len(edges) > 1}
    for (row, column), edges in several.items():
        net.edges = [e for e in net.edges if e not in edges]
        merged = hadamard(sorted((e.oriented(row) for e in edges), key=factor_key))
        net.edges.append(Edge(row, column, merged))
    return bool(several)


_RULES: tuple[Callable[[Network], bool], ...] = (
    _loops,
    _points,
    _ends,
    lambda net: _series(net, weighted=False),
    _parallel,
    lambda net: _series(net, weighted=True),
)


def reduce_network(net: Network) -> bool:
    """Eliminate every summed label, and parallel edges; False if that is impossible."""
    while any(rule(net) for rule in _RULES):
        pass
    return not net.summed()


# ---------------------------------------------------------------- results


def scale_of(tree: Tree) -> tuple[Tree, Tree]:
    """A scaled tree apart: its scalar part as a scalar tree, and its body."""
    return _scalar_and_body(tree)


def _scalar_and_body(tree: Tree) -> tuple[Tree, Tree]:
    from_split = split_tree(tree)
    return from_split


def split_tree(tree: Tree) -> tuple[Tree, Tree]:
    raise NotImplementedError


def scale_like(scalars: tuple[Tree, Tree], tree: Tree) -> Tree:
    raise NotImplementedError
