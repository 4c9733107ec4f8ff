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
    ONE,
    diag,
    dot,
    factor_key,
    hadamard,
    kron,
    product,
    scale,
    sum_all,
    transpose,
    unscaled,
)
from wengert.printing.functions import diag_part, trace, vec
from wengert.printing.tree import Hadamard, HadamardDivide, Ones, Product, Tree
from wengert.shapes import Shape, Size


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
    """Columns at labels, edges between labels, and scalars; labels in ``order`` stay."""

    sizes: dict[int, Size]
    order: tuple[int, ...]
    columns: dict[int, list[Tree]] = field(default_factory=dict[int, list[Tree]])
    edges: list[Edge] = field(default_factory=list[Edge])
    scalars: list[Tree] = field(default_factory=list[Tree])

    @property
    def kept(self) -> frozenset[int]:
        """The labels that stay."""
        return frozenset(self.order)

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
        merged = hadamard(sorted(columns, key=factor_key))
        return _shaped(merged, (self.sizes[label],))


def _shaped(tree: Tree, shape: Shape) -> Tree:
    """Ones that are left of factors that cancel, with their shape."""
    if tree.kind == "scalar":
        return tree
    scalar, body = unscaled(tree)
    return scale(ONE, [scalar], Ones(body.kind, (), shape)) if isinstance(body, Ones) else tree


# ---------------------------------------------------------------- rules


def _upright(tree: Tree) -> Tree:
    """The matrix or its transpose, whichever comes first in display order."""
    return min(tree, transpose(tree), key=lambda x: (x.cost, factor_key(x)))


def _loops(net: Network) -> bool:
    loops = [e for e in net.edges if e.row == e.column]
    loops.sort(key=lambda e: factor_key(_upright(e.tree)))
    for edge in loops:
        net.edges.remove(edge)
        label = edge.row
        alone = label not in net.kept and not net.edges_at(label)
        weight = net.column(label)
        if alone and weight is None:
            net.scalars.append(trace(edge.tree))
        elif alone and weight is not None and isinstance(edge.tree, Product):
            del net.columns[label]
            net.scalars.append(trace(product([diag(weight), edge.tree])))
        else:
            net.put(diag_part(edge.tree), (label,))
    return bool(loops)


def _points(net: Network) -> bool:
    """Labels that no edge touches: inner products and sums."""
    points = [a for a in net.summed() if not net.edges_at(a)]
    for label in points:
        columns = sorted(net.columns.pop(label), key=factor_key)
        net.scalars.append(_summed_product(columns, (net.sizes[label],)))
    return bool(points)


def _summed_product(columns: list[Tree], shape: Shape) -> Tree:
    if len(columns) == 1:
        return sum_all(columns[0])
    scalar, merged = unscaled(_shaped(hadamard(columns), shape))
    parts = _parts(merged)
    chains = [p for p in parts if isinstance(p, Product)]
    rest = [p for p in parts if p not in chains]
    if len(parts) == 1:
        core = sum_all(parts[0])
    elif len(chains) >= 2 and len(parts) > 2:
        weight = diag(hadamard([*rest, *chains[2:]]))
        core = product([transpose(chains[0]), weight, chains[1]])
    elif len(chains) == 1:
        core = dot(hadamard(rest), chains[0])
    else:
        core = dot(parts[0], hadamard(parts[1:]))
    return scale(ONE, [scalar, core])


def _parts(tree: Tree) -> list[Tree]:
    """The factors of an entrywise product; a division goes to the last factors."""
    if isinstance(tree, Hadamard):
        return list(tree.children)
    if isinstance(tree, HadamardDivide) and isinstance(tree.children[0], Hadamard):
        first, *rest = tree.children[0].children
        return [first, HadamardDivide(tree.kind, (hadamard(rest), tree.children[1]))]
    return [tree]


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
        first, second = sorted(edges, key=lambda e: factor_key(e.oriented(label)))
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
        net.edges.append(_merged(net, edges, row, column))
    return bool(several)


def _merged(net: Network, edges: list[Edge], row: int, column: int) -> Edge:
    """One edge for parallel ones: along the output's axes, or with fewer transposes."""
    choices: list[Edge] = []
    for start, end in ((row, column), (column, row)):
        factors = sorted((e.oriented(start) for e in edges), key=factor_key)
        shape = (net.sizes[start], net.sizes[end])
        choices.append(Edge(start, end, _shaped(hadamard(factors), shape)))
    places = {label: k for k, label in enumerate(net.order)}

    def key(edge: Edge) -> tuple[object, ...]:
        return (places.get(edge.row, len(places)), edge.tree.cost, factor_key(edge.tree))

    return min(choices, key=key)


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


def _vector_at(net: Network, label: int) -> Tree:
    return net.column(label) or Ones("column", (), (net.sizes[label],))


def _matrix_at(net: Network, row: int, column: int) -> Tree:
    if row == column:
        return diag(_vector_at(net, row))
    left, right = net.column(row), net.column(column)
    if not net.edges:
        if left is None and right is None:
            return Ones("matrix", (), (net.sizes[row], net.sizes[column]))
        return product([_vector_at(net, row), transpose(_vector_at(net, column))])
    chain = [diag(left)] if left else []
    chain.append(net.edges[0].oriented(row))
    chain += [diag(right)] if right else []
    return product(chain)


def assemble(net: Network, out: tuple[int, ...]) -> Tree | None:
    """The array with these output labels (at most two) of a reduced network, without scalars."""
    if not out:
        return None
    return _vector_at(net, out[0]) if len(out) == 1 else _matrix_at(net, *out)


def _part(net: Network, labels: set[int]) -> Network | None:
    """The part of a reduced network at these labels; None if an edge leaves it."""
    touching = [e for e in net.edges if labels & {e.row, e.column}]
    if any({e.row, e.column} - labels for e in touching):
        return None
    columns = {a: c for a, c in net.columns.items() if a in labels}
    return Network(net.sizes, net.order, columns, touching)


def _factor(net: Network, rows: tuple[int, ...], columns: tuple[int, ...]) -> Tree | None:
    """A Kronecker factor with these rows and columns."""
    part = _part(net, {*rows, *columns})
    if part is None:
        return None
    if len(rows) == 1 and len(columns) == 1:
        return _matrix_at(part, rows[0], columns[0])
    vector = _vector_at(part, (rows or columns)[0])
    return vector if rows else transpose(vector)


def assemble_flat(net: Network, rows: tuple[int, ...], columns: tuple[int, ...]) -> Tree | None:
    """A rank-3 or rank-4 result as a matrix: rows and columns flattened in row-major order.

    ``A_ik B_jl`` with rows (i, j) and columns (k, l) is A ⊗ B; ``M_ij N_kl`` is
    vec(Mᵀ)vec(Nᵀ)ᵀ; ``M_ij δ_ik δ_jl`` is diag(vec(Mᵀ)).
    """
    if not rows or not columns or max(len(rows), len(columns)) > 2:
        return None
    return _kronecker(net, rows, columns) or _outer(net, rows, columns)


def _pairings(
    rows: tuple[int, ...], columns: tuple[int, ...]
) -> list[tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]]:
    """Ways to give rows and columns to two Kronecker factors, in order."""
    if len(rows) == 2 and len(columns) == 2:
        return [((rows[:1], columns[:1]), (rows[1:], columns[1:]))]
    if len(columns) == 2:
        return [((rows, columns[:1]), ((), columns[1:])), (((), columns[:1]), (rows, columns[1:]))]
    return [((rows[:1], columns), (rows[1:], ())), ((rows[:1], ()), (rows[1:], columns))]


def _kronecker(net: Network, rows: tuple[int, ...], columns: tuple[int, ...]) -> Tree | None:
    for (r0, c0), (r1, c1) in _pairings(rows, columns):
        if {*r0, *c0} & {*r1, *c1}:
            continue
        left, right = _factor(net, r0, c0), _factor(net, r1, c1)
        if left is not None and right is not None:
            return kron([left, right])
    return None


def _flat_column(net: Network, labels: tuple[int, ...]) -> Tree | None:
    part = _part(net, set(labels))
    if part is None:
        return None
    if len(labels) == 1:
        return _vector_at(part, labels[0])
    return vec(transpose(_matrix_at(part, *labels)))


def _outer(net: Network, rows: tuple[int, ...], columns: tuple[int, ...]) -> Tree | None:
    if rows == columns:
        column = _flat_column(net, rows)
        return None if column is None else diag(column)
    if set(rows) & set(columns):
        return None
    left, right = _flat_column(net, rows), _flat_column(net, columns)
    if left is None or right is None:
        return None
    return product([left, transpose(right)])
