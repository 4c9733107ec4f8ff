"""Expressions as notation trees: :func:`to_matrix` and the settings of a conversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from wengert.assumptions import Assumption
from wengert.expr import Expr
from wengert.operations.constants import CONSTANT
from wengert.operations.reshaping import RESHAPE
from wengert.operations.structural import ADD, CONTRACT, POWER, SIZE, VARIABLE
from wengert.operations.structure import is_contraction, is_sum
from wengert.primitive import Primitive
from wengert.printing.build import (
    add,
    extent,
    factor_key,
    is_symmetric,
    number,
    power,
    scale,
    transpose,
    transpose_terms,
)
from wengert.printing.contraction import Contraction, flattened
from wengert.printing.functions import vec
from wengert.printing.network import Network, assemble, assemble_flat, reduce_network
from wengert.printing.tree import (
    Call,
    Einsum,
    Identity,
    Kind,
    Ones,
    Reshape,
    Symbol,
    Tree,
    Unvec,
    Zero,
)
from wengert.shapes import Shape, total_size

Orientation = Literal["scalar", "column", "row", "matrix", "tensor"]

_KINDS: tuple[Kind, ...] = ("scalar", "column", "matrix")
_SYMMETRIC = {Assumption.SYMMETRIC, Assumption.POSITIVE_DEFINITE, Assumption.DIAGONAL}


@dataclass(frozen=True)
class Conversion:
    """Settings of a conversion.

    Attributes
    ----------
    cuts : mapping of Expr to Tree
        Nodes that are printed as a given tree, usually a name defined elsewhere.
    einsum : bool
        Write contractions without a matrix form as einsum instead of giving up.
    flatten : bool
        Merge contractions of contractions first.
    """

    cuts: Mapping[Expr, Tree] = field(default_factory=dict[Expr, Tree])
    einsum: bool = False
    flatten: bool = True


def kind_of(shape: Shape) -> Kind:
    """The kind of an array with this shape; rank 1 is a column."""
    return _KINDS[len(shape)] if len(shape) < len(_KINDS) else "tensor"


def to_matrix(
    expr: Expr,
    orientation: Orientation | None = None,
    *,
    rows: int | None = None,
    settings: Conversion | None = None,
) -> Tree | None:
    """The expression in matrix notation, or None if it has none.

    Parameters
    ----------
    expr : Expr
        An expression in display form.
    orientation : str, optional
        ``"row"`` prints a rank-1 result as a row.
    rows : int, optional
        For results of rank 3 and 4: how many leading axes are rows when the array is read as a
        matrix, flattened in row-major order. Without it such results have no matrix form unless
        they are made of tensors entry by entry.
    settings : Conversion, optional
        Names for subexpressions, and what to do about contractions without matrix form.
    """
    tree = Converter(settings or Conversion()).convert(expr, rows)
    if tree is not None and orientation == "row" and tree.kind == "column":
        return transpose_terms(tree)
    return tree


class Converter:
    """Converts nodes in topological order; ``trees`` keeps the result for every node."""

    def __init__(self, settings: Conversion) -> None:
        self.settings = settings
        self.trees: dict[Expr, Tree | None] = {}
        self.contractions: dict[Expr, Contraction] = {}

    def convert(self, expr: Expr, rows: int | None) -> Tree | None:
        """The tree of an expression, flattened to a matrix if ``rows`` says how."""
        if rows is not None and expr.ndim > 2:
            flat = self._flat(expr, rows)
            if flat is not None:
                return flat
        return self.tree(expr)

    def tree(self, expr: Expr) -> Tree | None:
        """The tree of a node and of all nodes below it."""
        for node in self._pending(expr):
            self.trees[node] = self._node(node)
        return self.trees[expr]

    def _pending(self, expr: Expr) -> list[Expr]:
        """Nodes still to convert, operands first; nothing below a cut or merged contraction."""
        order: list[Expr] = []
        stack = [expr]
        while stack:
            node = stack[-1]
            if node in self.trees:
                stack.pop()
                continue
            missing = [o for o in self._needed(node) if o not in self.trees]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            self.trees[node] = None
            order.append(node)
        return order

    def _needed(self, node: Expr) -> tuple[Expr, ...]:
        if node in self.settings.cuts:
            return ()
        if is_contraction(node):
            return self._contraction(node).operands
        if node.primitive is RESHAPE:
            product = self._kronecker_operand(node)
            if product is not None:
                return self._contraction(product).operands
        return node.operands

    def _contraction(self, node: Expr) -> Contraction:
        found = self.contractions.get(node)
        if found is None:
            merge = self.settings.flatten
            found = flattened(node, self.settings.cuts) if merge else Contraction.of(node)
            self.contractions[node] = found
        return found

    # ------------------------------------------------------------ nodes

    def _node(self, node: Expr) -> Tree | None:
        if node in self.settings.cuts:
            return self.settings.cuts[node]
        special: dict[Primitive, Callable[[Expr], Tree | None]] = {
            VARIABLE: _variable,
            CONSTANT: _variable,
            SIZE: _size,
            CONTRACT: self._contract,
            ADD: self._add,
            POWER: self._power,
            RESHAPE: self._reshape,
        }
        return special.get(node.primitive, self._call)(node)

    def _operands(self, node: Expr) -> list[Tree] | None:
        trees = [self.trees[o] for o in node.operands]
        found = [t for t in trees if t is not None]
        return found if len(found) == len(trees) else None

    def _call(self, node: Expr) -> Tree | None:
        operands = self._operands(node)
        if operands is None:
            return None
        test = node.primitive.symmetric
        symmetric = node.ndim == 2 and (
            (test is not None and test(node))
            or (node.primitive.elementwise and all(is_symmetric(o) for o in operands))
        )
        return Call(kind_of(node.shape), tuple(operands), node, symmetric)

    def _add(self, node: Expr) -> Tree | None:
        operands = self._operands(node)
        if operands is None:
            return None
        return add(zip(node.param("coefficients"), operands, strict=True))

    def _power(self, node: Expr) -> Tree | None:
        operands = self._operands(node)
        return power(operands[0], node.param("exponent")) if operands else None

    def _contract(self, node: Expr) -> Tree | None:
        whole = self._contraction(node)
        trees = [self.trees[o] for o in whole.operands]
        if whole.coefficient == 0:
            return Zero(kind_of(node.shape), (), node.shape) if node.shape else number(0)
        if any(t is None for t in trees):
            return None
        operands = [t for t in trees if t is not None]
        scalars = [extent(s) for s in whole.extents]
        if len(whole.out) > 2:
            return self._tensor(whole, operands, scalars, node)
        net = _network(whole, operands)
        if net is not None and reduce_network(net):
            body = assemble(net, whole.out)
            return scale(whole.coefficient, [*net.scalars, *scalars], body)
        return self._einsum(whole, operands, scalars, node)

    def _tensor(
        self, whole: Contraction, operands: list[Tree], scalars: list[Tree], node: Expr
    ) -> Tree | None:
        """A tensor times scalars, or einsum."""
        tensors = [k for k, own in enumerate(whole.labels) if own]
        distinct = len(set(whole.out)) == len(whole.out)
        if len(tensors) == 1 and whole.labels[tensors[0]] == whole.out and distinct:
            above = [t for k, t in enumerate(operands) if k != tensors[0]]
            return scale(whole.coefficient, [*above, *scalars], operands[tensors[0]])
        if not tensors and distinct and self.settings.einsum:
            ones = Ones("tensor", (), node.shape)
            return scale(whole.coefficient, [*operands, *scalars], ones)
        return self._einsum(whole, operands, scalars, node)

    def _einsum(
        self, whole: Contraction, operands: list[Tree], scalars: list[Tree], node: Expr
    ) -> Tree | None:
        if not self.settings.einsum:
            return None
        above = [t for t, own in zip(operands, whole.labels, strict=True) if not own]
        pairs = [(t, own) for t, own in zip(operands, whole.labels, strict=True) if own]
        places = {a: k for k, a in reversed(list(enumerate(whole.out)))}
        end = len(places)
        pairs.sort(key=lambda p: (-len(p[1]), factor_key(p[0]), [places.get(a, end) for a in p[1]]))
        trees, labels, out = _explicit(pairs, whole)
        body = Einsum(kind_of(node.shape), trees, labels, out, node.shape)
        return scale(whole.coefficient, [*above, *scalars], body)

    # ------------------------------------------------------------ reshapes

    def _kronecker_operand(self, node: Expr) -> Expr | None:
        """The rank-4 contraction below a reshape that may be a Kronecker product."""
        operand = node.operands[0]
        tail: Shape = node.param("tail")
        target: Shape = node.param("target")
        if not is_contraction(operand) or operand in self.settings.cuts:
            return None
        if operand.ndim != 4 or len(tail) != 4 or len(target) != 2:
            return None
        fits = total_size(tail[:2]) == target[0] and total_size(tail[2:]) == target[1]
        return operand if fits else None

    def _reshape(self, node: Expr) -> Tree | None:
        operand = node.operands[0]
        tail: Shape = node.param("tail")
        target: Shape = node.param("target")
        contraction = self._kronecker_operand(node)
        if contraction is not None:
            flat = self._flat_contract(contraction, 2)
            if flat is not None:
                return flat
        tree = self.tree(operand)
        if tree is None:
            return None
        if len(tail) == operand.ndim == 2 and len(target) == 1:
            return vec(transpose(tree))
        if len(tail) == operand.ndim == 1 and len(target) == 2:
            return transpose(Unvec("matrix", (tree,), target[::-1]))
        if self.settings.einsum:
            return Reshape(kind_of(node.shape), (tree,), node.shape)
        return None

    # ------------------------------------------------------------ rank 3 and 4

    def _flat(self, expr: Expr, rows: int) -> Tree | None:
        """A rank-3 or rank-4 contraction, or a sum of such, as a flattened matrix."""
        if expr.ndim > 4:
            return None
        if is_contraction(expr):
            return self._flat_contract(expr, rows)
        if not is_sum(expr):
            return None
        terms = [self._flat(o, rows) for o in expr.operands]
        found = [t for t in terms if t is not None]
        if len(found) < len(terms):
            return None
        return add(zip(expr.param("coefficients"), found, strict=True))

    def _flat_contract(self, node: Expr, rows: int) -> Tree | None:
        whole = self._contraction(node)
        trees = [self.tree(o) for o in whole.operands]
        operands = [t for t in trees if t is not None]
        if len(operands) < len(trees) or whole.coefficient == 0:
            return None
        net = _network(whole, operands)
        if net is None or not reduce_network(net):
            return None
        body = assemble_flat(net, whole.out[:rows], whole.out[rows:])
        if body is None:
            return None
        scalars = [extent(s) for s in whole.extents]
        return scale(whole.coefficient, [*net.scalars, *scalars], body)


def _variable(node: Expr) -> Tree:
    name: str = node.param("name")
    constant = node.primitive is CONSTANT
    assumed: set[Assumption] = set() if constant else set(node.param("assumptions"))
    symmetric = node.ndim == 2 and bool(_SYMMETRIC & assumed)
    diagonal = node.ndim == 2 and Assumption.DIAGONAL in assumed
    return Symbol(kind_of(node.shape), (), name, symmetric, constant, diagonal)


def _size(node: Expr) -> Tree:
    return extent(node.param("size"))


def _network(whole: Contraction, operands: list[Tree]) -> Network | None:
    net = Network(whole.sizes, whole.out)
    for tree, labels in zip(operands, whole.labels, strict=True):
        if not net.put(tree, labels):
            return None
    return net


def _explicit(
    pairs: list[tuple[Tree, tuple[int, ...]]], whole: Contraction
) -> tuple[tuple[Tree, ...], tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """Operands and labels with deltas and ones of the output as operands of their own."""
    carried = {a for _, own in pairs for a in own}
    trees = [t for t, _ in pairs]
    labels = [own for _, own in pairs]
    fresh = 1 + max([*whole.sizes, 0])
    out: list[int] = []
    for label in whole.out:
        if label not in out:
            out.append(label)
            continue
        trees.append(Identity("matrix", (), whole.sizes[label]))
        labels.append((label, fresh))
        carried.add(label)
        out.append(fresh)
        carried.add(fresh)
        fresh += 1
    for label in out:
        if label not in carried:
            trees.append(Ones("column", (), (whole.sizes[label],)))
            labels.append((label,))
    return tuple(trees), tuple(labels), tuple(out)
