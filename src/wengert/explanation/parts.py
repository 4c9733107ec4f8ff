"""A formula taken apart: intermediate values v₁, v₂, … as a person would name them.

The light form of an expression has a node for every small operation. Here nodes that a reader
takes in at one glance are merged again: Xw − y is one part, and so is ‖v₁‖². A part begins where a
value is used more than once, at a function and below it, and at a sum that is multiplied. What the
formula defines by name is a part under that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from wengert.expr import Expr, depending, rebuild, topological
from wengert.formula import Elaborated, Node, Orientation
from wengert.operations import constant, transpose, variable
from wengert.operations.rebuild import with_operands
from wengert.operations.structural import (
    ADD,
    CONTRACT,
    POWER,
)
from wengert.operations.structure import (
    contraction_params,
)
from wengert.printing import matrix_notation
from wengert.rewrite import display, recognise

_FACTORS = 8  # of a merged product
_KINDS: tuple[Orientation, ...] = ("scalar", "column", "matrix")
_PREFIXES = ("v", "u", "r", "s", "t", "p", "q", "vv", "uu", "part")


@dataclass(frozen=True)
class Root:
    """An expression that is a part of its own, under a name; the last one is the function."""

    name: str
    expr: Expr
    orientation: Orientation


@dataclass(frozen=True, eq=False)
class Part:
    """One intermediate value.

    Attributes
    ----------
    symbol : Expr
        The variable that stands for it in other parts.
    step : Expr
        Its value in terms of variables and the symbols of earlier parts.
    inputs : tuple of Expr
        Symbols and variables in ``step`` that depend on what is derived by, each once.
    orientation : str
        How it is written.
    """

    symbol: Expr
    step: Expr
    inputs: tuple[Expr, ...]
    orientation: Orientation

    @property
    def name(self) -> str:
        """The name of the symbol."""
        return str(self.symbol.params[0])

    @cached_property
    def shown(self) -> Expr:
        """The step as a person would write it."""
        return display(self.step, [self.step])


def roots_of(origin: Elaborated, names: set[str], name: str) -> list[Root]:
    """The definitions of a formula that depend on variables, and the formula itself, as roots.

    Parameters
    ----------
    origin : Elaborated
        The formula.
    names : set of str
        The variables.
    name : str
        The name of the last root.
    """
    defined: dict[Node, str] = {}
    for given, node in origin.definitions:
        defined.setdefault(node, given)
    roots: list[Root] = []
    symbols: dict[Expr, Expr] = {}
    made: dict[Node, Expr] = {}
    active: set[Node] = set()
    for node in origin.nodes:
        leaf = not node.operands and node.params[:1] and node.params[0] in names
        if leaf or any(operand in active for operand in node.operands):
            active.add(node)
        if node.value is not None:
            made[node] = constant(node.value)
            continue
        expr = node.word.build(node, [made[operand] for operand in node.operands])
        if node in defined and node in active and node.operands and node is not origin.root:
            expr = recognise(expr)
            if expr not in symbols:
                roots.append(Root(defined[node], expr, node.type.orientation))
                symbols[expr] = variable(defined[node], node.shape)
            expr = symbols[expr]
        made[node] = expr
    roots.append(Root(name, recognise(made[origin.root]), origin.orientation))
    return roots


def take_apart(
    roots: Sequence[Root], leaves: Iterable[Expr], taken: set[str], *, bilinear: bool = False
) -> list[Part]:
    """The parts of some roots, in the order in which they are computed; the function is last.

    Parameters
    ----------
    roots : sequence of Root
        In order; the names of earlier ones may occur as variables in later ones.
    leaves : iterable of Expr
        Variables that the parts are to depend on.
    taken : set of str
        Names that parts must not have.
    bilinear : bool
        Keep products of variables within sums, as ``A*x + b`` if both depend.
    """
    return _Builder(roots, set(leaves), _fresh_names(taken), bilinear).parts


class _Builder:
    """Makes the parts of some roots; see :func:`take_apart`."""

    def __init__(
        self, roots: Sequence[Root], leaves: set[Expr], names: Iterator[str], bilinear: bool
    ) -> None:
        order = topological(*(r.expr for r in roots))
        self.symbols = leaves | {variable(r.name, r.expr.shape) for r in roots[:-1]}
        self.active = depending(order, self.symbols)
        self.names = names
        self.memo = {n: n for n in order if n not in self.active or n in self.symbols}
        self.numbers: dict[Expr, int] = {}
        self.parts: list[Part] = []
        ends = {r.expr for r in roots}
        cuts = _Cuts(order, self.active, set(self.symbols), ends, bilinear).find()
        named = {root.expr: root for root in reversed(roots[:-1])}
        for node in [node for node in order if node in cuts and node is not roots[-1].expr]:
            if node in named:
                self._add_root(named[node])
            elif node not in self.memo:
                self._add_inner(node)
        self._add_root(roots[-1])

    def _add_root(self, root: Root) -> None:
        known = self.memo.get(root.expr)
        step = known if known is not None else rebuild(root.expr, with_operands, self.memo)
        symbol = variable(root.name, root.expr.shape)
        self._add(symbol, step, root.orientation)
        if root.expr in self.active and root.expr not in self.symbols:
            self.memo[root.expr] = symbol

    def _add_inner(self, node: Expr) -> None:
        """The part that begins at a node, turned if its transpose is shorter to write."""
        step = rebuild(node, with_operands, self.memo)
        turned = node.ndim == 2 and _is_turned(step)
        if turned:
            step = transpose(step)
        symbol = variable(next(self.names), step.shape)
        self._add(symbol, step, _KINDS[node.ndim] if node.ndim < len(_KINDS) else "tensor")
        self.memo[node] = transpose(symbol) if turned else symbol

    def _add(self, symbol: Expr, step: Expr, orientation: Orientation) -> None:
        found = [node for node in topological(step) if node in self.symbols]
        last = len(self.parts)
        inputs = tuple(sorted(found, key=lambda node: self.numbers.get(node, last)))
        self.parts.append(Part(symbol, step, inputs, orientation))
        self.symbols.add(symbol)
        self.numbers[symbol] = last


def _is_turned(step: Expr) -> bool:
    """Whether the transpose has fewer transposes in it."""
    if step.primitive not in (CONTRACT, ADD):
        return False
    texts = [matrix_notation(display(s, [s])) for s in (step, transpose(step))]
    here, there = (text.count("ᵀ") if text else 0 for text in texts)
    return there < here


def _fresh_names(taken: set[str]) -> Iterator[str]:
    """``v1``, ``v2``, …, or with another letter if one of them is taken."""

    def clashes(prefix: str) -> bool:
        return any(n.startswith(prefix) and n[len(prefix) :].isdigit() for n in taken)

    prefix = next((p for p in _PREFIXES if not clashes(p)), "".join(sorted(taken)) + "v")
    number = 0
    while True:
        number += 1
        yield f"{prefix}{number}"


class _Cuts:
    """Which nodes are parts of their own."""

    def __init__(
        self,
        order: list[Expr],
        active: set[Expr],
        leaves: set[Expr],
        roots: set[Expr],
        bilinear: bool,
    ) -> None:
        self.order = order
        self.active = active
        self.leaves = leaves
        self.roots = roots
        self.bilinear = bilinear
        self.users: dict[Expr, list[Expr]] = {}
        self.weight: dict[Expr, int] = {}
        self.linear: dict[Expr, bool] = {}

    def find(self) -> set[Expr]:
        """The nodes, without leaves."""
        inner = [n for n in self.order if n in self.active and n not in self.leaves]
        for node in inner:
            if _is_transparent(node) and node not in self.roots:
                continue
            for operand in node.operands:
                below = self._below(operand)
                if below in self.active and below not in self.leaves:
                    self.users.setdefault(below, []).append(node)
        cuts: set[Expr] = set()
        for node in inner:
            inside = node not in self.roots
            if not inside or (not _is_transparent(node) and self._is_cut(node, cuts)):
                cuts.add(node)
            if node.primitive is ADD:
                self._cut_alike(node, cuts)
        return cuts

    def _cut_alike(self, total: Expr, cuts: set[Expr]) -> None:
        """If one product in a sum is a part, all are."""
        terms = [self._below(o) for o in total.operands]
        products = [t for t in terms if t in self.weight and _is_algebra(t)]
        if any(t in cuts for t in products):
            cuts.update(products)

    def _below(self, node: Expr) -> Expr:
        while _is_transparent(node) and node not in self.roots:
            node = node.operands[0]
        return node

    def _is_cut(self, node: Expr, cuts: set[Expr]) -> bool:
        self._weigh(node, cuts)
        users = self.users.get(node, [])
        if len(users) != 1 or not _is_algebra(node) or not _is_algebra(users[0]):
            return True
        user = users[0].primitive
        if user is POWER:
            return True
        if user is ADD:
            return node.primitive is not ADD and not self.linear[node]
        if node.primitive is ADD:
            return True
        return node.primitive is CONTRACT and self.weight[node] > _FACTORS

    def _weigh(self, node: Expr, cuts: set[Expr]) -> None:
        """Number of factors, and whether it is linear in one active value, with merged operands."""
        count, moving, straight = 0, 0, True
        for operand in node.operands:
            below = self._below(operand)
            merged = below in self.active and below not in self.leaves and below not in cuts
            count += self.weight.get(below, 1) if merged else 1
            if below in self.active:
                moving += not (self.bilinear and below in self.leaves)
                straight = straight and (not merged or self.linear.get(below, True))
        self.weight[node] = count
        several = node.primitive is not ADD and moving > 1
        self.linear[node] = straight and not several and node.primitive in (CONTRACT, ADD)


def _is_algebra(node: Expr) -> bool:
    return node.primitive in (CONTRACT, ADD, POWER)


def _is_transparent(node: Expr) -> bool:
    """Whether it is its only operand, with axes exchanged, repeated or added."""
    if node.primitive is not CONTRACT or len(node.operands) != 1:
        return False
    (labels,), out, coefficient = contraction_params(node)
    return coefficient == 1 and len(set(labels)) == len(labels) and set(labels) <= set(out)
