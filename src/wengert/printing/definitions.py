"""Names for shared subexpressions, for results that would be too long without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from wengert.expr import Expr, topological
from wengert.operations.constants import CONSTANT
from wengert.operations.structural import SIZE, VARIABLE
from wengert.printing.matrix import kind_of
from wengert.printing.tree import Symbol, Tree

LIMIT = 2000
_LEAVES = (VARIABLE, CONSTANT, SIZE)


def uses(root: Expr) -> Counter[Expr]:
    """How many operands of nodes below the root each node is."""
    return Counter(operand for node in topological(root) for operand in node.operands)


def fresh_names(root: Expr, prefix: str) -> _Names:
    """Names with a prefix that no variable below the root has."""
    taken = {str(n.params[0]) for n in topological(root) if n.primitive in _LEAVES}
    return _Names(prefix, taken)


class _Names:
    def __init__(self, prefix: str, taken: set[str]) -> None:
        self.prefix = prefix
        self.taken = taken
        self.count = 0

    def next(self) -> str:
        """The next free name."""
        while True:
            self.count += 1
            name = f"{self.prefix}{self.count}"
            if name not in self.taken:
                return name


def shared_parts(root: Expr, sizes: Mapping[Expr, Tree | None]) -> list[tuple[Expr, Symbol]]:
    """Subexpressions that occur several times and are worth a name, inner ones first."""
    count = uses(root)
    names = fresh_names(root, "h")
    found: list[tuple[Expr, Symbol]] = []
    for node in topological(root):
        tree = sizes.get(node)
        if node is root or count[node] < 2 or tree is None or tree.size < 20 or node.ndim > 2:
            continue
        found.append((node, Symbol(kind_of(node.shape), (), names.next())))
    return found


def written_sizes(root: Expr) -> dict[Expr, int]:
    """How many nodes every subexpression has when shared parts are written out."""
    sizes: dict[Expr, int] = {}
    for node in topological(root):
        sizes[node] = 1 + sum(sizes[o] for o in node.operands)
    return sizes


def shared_nodes(root: Expr) -> list[tuple[Expr, Symbol]]:
    """Names for shared subexpressions, if writing them out would be too long."""
    sizes = written_sizes(root)
    if sizes[root] < LIMIT // 4:
        return []
    count = uses(root)
    names = fresh_names(root, "h")
    return [
        (node, Symbol(kind_of(node.shape), (), names.next()))
        for node in topological(root)
        if node is not root and count[node] > 1 and sizes[node] > 3
    ]
