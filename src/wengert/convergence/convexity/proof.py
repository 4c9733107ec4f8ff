"""Proofs of convexity as lines of text, a rule each."""

from __future__ import annotations

from wengert.convergence.convexity.curvature import Calculus
from wengert.convergence.convexity.known import AFFINE, CONCAVE, CONSTANT, CONVEX, UNKNOWN
from wengert.errors import WengertError
from wengert.expr import Expr, rebuild, topological
from wengert.operations import variable
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import is_contraction, is_sum, is_variable
from wengert.printing import index_notation, matrix_notation

_LONG = 76  # characters of an expression that are shown
_SHORT = 5  # characters of an affine part that needs no name
_NAMES = ("z", "u", "v", "q", "r", "s")


def proof_lines(calculus: Calculus) -> tuple[str, ...]:
    """Each part of a function that is convex, concave or affine, and by which rule."""
    writer = _Writer(calculus)
    hidden, used = _told_with_others(calculus), _used(calculus)
    lines: list[str] = []
    for node in topological(calculus.root):
        known = calculus.known[node]
        if known.bend in (CONVEX, CONCAVE) and node in used and node not in hidden:
            lines.append(f"{writer.text(node)}: {known.bend}, {known.why}")
    root = calculus.known[calculus.root]
    if root.bend in (CONSTANT, AFFINE):
        lines.append(f"{writer.text(calculus.root)}: {root.bend}")
    return (*writer.definitions(), *dict.fromkeys(lines))


def _used(calculus: Calculus) -> set[Expr]:
    """The parts that the proof of the whole rests on."""
    found: set[Expr] = set()
    stack = [calculus.root]
    while stack:
        node = stack.pop()
        if node in found:
            continue
        found.add(node)
        known = calculus[node]
        if known.argument is not None:
            stack.append(known.argument)
        elif not known.alone:
            stack.extend(node.operands)
    return found


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
    return (*writer.definitions(), *dict.fromkeys(lines))


class _Writer:
    """Expressions in words, with names for long affine parts that curved operations are of."""

    def __init__(self, calculus: Calculus) -> None:
        self.calculus = calculus
        self.names: dict[Expr, Expr] = {}
        self._said: dict[Expr, str] = {}
        self._used: set[Expr] = set()
        taken = {str(n.params[0]) for n in topological(calculus.root) if is_variable(n)}
        free = [n for n in _NAMES if n not in taken]
        for node in topological(calculus.root):
            known = calculus.known[node]
            if known.bend in (CONSTANT, AFFINE) or is_sum(node) or is_contraction(node):
                continue
            for operand in node.operands:
                if operand in self.names or calculus.known[operand].bend != AFFINE:
                    continue
                written = self._written(operand, {})
                if free and len(written) > _SHORT:
                    self.names[operand] = variable(free.pop(0), operand.shape)
                    self._said[operand] = written

    def definitions(self) -> list[str]:
        """Of the names that texts so far have."""
        parameters = set(self.calculus.leaves)
        lines: list[str] = []
        for node, name in self.names.items():
            if node in self._used:
                below = sorted(str(n.params[0]) for n in topological(node) if n in parameters)
                inner = " and ".join(below)
                lines.append(f"{name.params[0]} = {self._said[node]}: affine in {inner}")
        return lines

    def text(self, node: Expr) -> str:
        """The expression, shortened in its middle if it is long."""
        self._used.update(n for n in topological(node) if n in self.names)
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
