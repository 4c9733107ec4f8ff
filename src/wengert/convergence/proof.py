"""Proofs of convexity as lines of text, a rule each."""

from __future__ import annotations

from wengert.convergence.curvature import Calculus
from wengert.convergence.known import AFFINE, CONSTANT, UNKNOWN
from wengert.errors import WengertError
from wengert.expr import Expr, rebuild, topological
from wengert.operations import variable
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import is_contraction, is_sum, is_variable
from wengert.printing import index_notation, matrix_notation

_LONG = 76  # characters of an expression that are shown
_NAMES = ("z", "u", "v", "q", "r", "s")


def proof_lines(calculus: Calculus) -> tuple[str, ...]:
    """Each part of a function that is convex, concave or affine, and by which rule."""
    writer = _Writer(calculus)
    lines = [*writer.definitions()]
    hidden = _told_with_others(calculus)
    for node in topological(calculus.root):
        known = calculus.known[node]
        if known.bend in (CONSTANT, AFFINE, UNKNOWN) or node in hidden:
            continue
        lines.append(f"{writer.text(node)}: {known.bend}, {known.why}")
    if calculus.known[calculus.root].bend in (CONSTANT, AFFINE):
        lines.append(f"{writer.text(calculus.root)}: {calculus.known[calculus.root].bend}")
    return tuple(dict.fromkeys(lines))


def _told_with_others(calculus: Calculus) -> set[Expr]:
    """Squares that a sum of squares is made of."""
    users: dict[Expr, list[Expr]] = {}
    for node in topological(calculus.root):
        for operand in node.operands:
            users.setdefault(operand, []).append(node)
    return {
        node
        for node, above in users.items()
        if calculus.known[node].squares
        and node.ndim
        and all(is_contraction(u) and calculus.known[u].squares for u in above)
    }


def obstacle(calculus: Calculus) -> tuple[str, ...]:
    """The parts, as small as they can be, of which nothing is known, and why."""
    writer = _Writer(calculus)
    lines: list[str] = []
    for node in topological(calculus.root):
        known = calculus.known[node]
        if node.dtype != "real":
            continue
        if known.bend == UNKNOWN and not any(
            calculus.known[o].bend == UNKNOWN and o.dtype == "real" for o in node.operands
        ):
            lines.append(f"{writer.text(node)}: unknown, {known.why}")
    root = calculus.known[calculus.root]
    if root.bend != UNKNOWN:
        lines.append(f"{writer.text(calculus.root)}: {root.bend}, {root.why}")
    return tuple(dict.fromkeys(lines))


class _Writer:
    """Expressions in words, with names for affine parts that curved operations are of."""

    def __init__(self, calculus: Calculus) -> None:
        self.calculus = calculus
        self.names: dict[Expr, Expr] = {}
        taken = {str(n.params[0]) for n in topological(calculus.root) if is_variable(n)}
        free = [n for n in _NAMES if n not in taken]
        for node in topological(calculus.root):
            if self.calculus.known[node].bend in (CONSTANT, AFFINE) or is_sum(node):
                continue
            for operand in node.operands:
                known = calculus.known[operand]
                named = known.bend == AFFINE and operand.operands and operand not in self.names
                if named and not is_contraction(node) and free:
                    self.names[operand] = variable(free.pop(0), operand.shape)

    def definitions(self) -> list[str]:
        """Of the names."""
        parameters = set(self.calculus.leaves)
        lines: list[str] = []
        for node, name in self.names.items():
            below = [str(n.params[0]) for n in topological(node) if n in parameters]
            others = {k: v for k, v in self.names.items() if k is not node}
            inner = " and ".join(sorted(below))
            lines.append(f"{name.params[0]} = {self._written(node, others)}: affine in {inner}")
        return lines

    def text(self, node: Expr) -> str:
        """The expression, shortened in its middle if it is long."""
        return self._written(node, self.names)

    def _written(self, node: Expr, names: dict[Expr, Expr]) -> str:
        placed = rebuild(node, with_operands, dict(names))
        try:
            written = matrix_notation(placed) or index_notation(placed)
        except WengertError:
            return f"its {node.name}"
        if len(written) > _LONG:
            return f"{written[: _LONG // 2]} ... {written[-_LONG // 2 :]}"
        return written
