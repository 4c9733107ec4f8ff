"""Rendering of notation trees: what Unicode, LaTeX, text and code have in common.

A renderer turns every tree into a :class:`Piece`, text with a binding level, from the pieces of
its children; brackets follow from levels. Trees are walked without recursion and shared parts are
rendered once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from wengert.primitive import Notation
from wengert.printing import tree as t
from wengert.printing.tree import Tree

SUM, ENTRYWISE, PRODUCT, POWER, ATOM = range(5)
_LEVELS = {"atom": ATOM, "power": POWER, "product": PRODUCT, "sum": SUM}


@dataclass(frozen=True)
class Piece:
    """Rendered text and how tightly it binds.

    ``factors`` are the factors of a product apart; ``short`` is a shorter text for places that
    determine the sizes.
    """

    text: str
    level: int = ATOM
    factors: tuple[str, ...] = ()
    short: str = ""

    @property
    def negative(self) -> bool:
        """Whether it begins with a minus sign."""
        return self.text[:1] in "-−" and self.level < POWER


def closing(text: str, start: int) -> int:
    """Where the bracket that opens at ``start`` closes."""
    depth = 0
    for k in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[k], 0)
        if depth == 0:
            return k
    return len(text)


def is_call(text: str) -> bool:
    """Whether the text is a name and one bracket."""
    match = re.match(r"[^\W\d][\w.]*\(", text)
    return match is not None and closing(text, match.end() - 1) == len(text) - 1


class Argument:
    """An operand in a notation template: ``{0}`` as it stands, ``{0:a}`` bracketed."""

    def __init__(self, plain: str, atomic: str) -> None:
        self.plain = plain
        self.atomic = atomic

    def __format__(self, spec: str) -> str:
        return self.atomic if spec == "a" else self.plain


class Renderer:
    """The base of all renderers; one method for each kind of tree."""

    template: ClassVar[str] = "text"
    plus: ClassVar[str] = " + "
    minus: ClassVar[str] = " - "
    sign: ClassVar[str] = "-"
    left: ClassVar[str] = "("
    right: ClassVar[str] = ")"

    def render(self, tree: Tree) -> str:
        """The text of a tree."""
        return self.piece(tree).text

    def piece(self, tree: Tree) -> Piece:
        """The piece of a tree, children first."""
        done: dict[Tree, Piece] = {}
        stack = [tree]
        while stack:
            node = stack[-1]
            if node in done:
                stack.pop()
                continue
            children = self.children(node)
            missing = [c for c in children if c not in done]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            done[node] = self._dispatch(node, [done[c] for c in children])
        return done[tree]

    def children(self, node: Tree) -> tuple[Tree, ...]:
        """The trees to render before this one."""
        return node.children

    def _dispatch(self, node: Tree, parts: list[Piece]) -> Piece:
        name = re.sub(r"(?<!^)([A-Z])", r"_\1", type(node).__name__).lower()
        method: Callable[[Any, list[Piece]], Piece] = getattr(self, f"_on_{name}")
        return method(node, parts)

    # ------------------------------------------------------------ brackets

    def bracket(self, piece: Piece) -> str:
        """The text in brackets."""
        return f"{self.left}{piece.text}{self.right}"

    def at_least(self, piece: Piece, level: int) -> str:
        """The text, in brackets if it binds less tightly than ``level``."""
        return piece.text if piece.level >= level else self.bracket(piece)

    # ------------------------------------------------------------ common cases

    def _on_call(self, node: t.Call, parts: list[Piece]) -> Piece:
        notation: Notation = node.node.primitive.notation_of(node.node)
        return self.filled(node, getattr(notation, self.template), parts)

    def filled(self, node: t.Call, template: str, parts: list[Piece]) -> Piece:
        """A notation template with operands and parameters filled in."""
        notation: Notation = node.node.primitive.notation_of(node.node)
        arguments = [Argument(p.text, self.at_least(p, ATOM)) for p in parts]
        named = dict(zip(node.node.primitive.parameters, node.node.params, strict=False))
        text = template.format(*arguments, **named)
        level = _LEVELS[notation.level]
        return Piece(text, ATOM if level == ATOM or is_call(text) else level)

    def _on_sum(self, node: t.Sum, parts: list[Piece]) -> Piece:
        text = ""
        for sign, part in zip(node.signs, parts, strict=True):
            own = self.bracket(part) if part.negative or part.level == SUM else part.text
            if not text:
                text = own if sign > 0 else self.sign + own
            else:
                text += (self.plus if sign > 0 else self.minus) + own
        return Piece(text, SUM)

    def signed(self, coefficient: Fraction, text: str, level: int) -> Piece:
        """The text with a minus sign in front if the coefficient is negative."""
        return Piece(self.sign + text, SUM) if coefficient < 0 else Piece(text, level)

    # ------------------------------------------------------------ functions

    def _function(self, name: str, parts: list[Piece]) -> Piece:
        return Piece(f"{name}({', '.join(p.text for p in parts)})")

    def _on_diag(self, node: t.Diag, parts: list[Piece]) -> Piece:
        return self._function("diag", parts)

    _on_diag_part = _on_diag

    def _on_trace(self, node: t.Trace, parts: list[Piece]) -> Piece:
        return self._function("tr", parts)

    def _on_sum_all(self, node: t.SumAll, parts: list[Piece]) -> Piece:
        return self._function("sum", parts)

    def _on_vec(self, node: t.Vec, parts: list[Piece]) -> Piece:
        return self._function("vec", parts)


def factor_texts(
    renderer: Renderer, node: t.Scaled, parts: Sequence[Piece]
) -> tuple[list[str], list[str]]:
    """Texts of the factors of a scaled tree (numbers aside) and of its denominators."""
    above = list(parts[: node.above])
    below = parts[node.above : node.above + node.below]
    rest = list(parts[node.above + node.below :])
    if isinstance(node.body, t.Ones) and node.body.plain:
        rest = []
    texts: list[str] = []
    for k, (tree, piece) in enumerate(zip(node.numerators, above, strict=True)):
        last = k == len(above) - 1 and not rest
        if isinstance(tree, t.Product) and not last:
            texts.append(renderer.bracket(piece))
        else:
            texts += _as_factors(renderer, piece)
    for piece in rest:
        texts += _as_factors(renderer, piece)
    return texts, [renderer.at_least(piece, POWER) for piece in below]


def _as_factors(renderer: Renderer, piece: Piece) -> tuple[str, ...]:
    if piece.factors and piece.level == PRODUCT:
        return piece.factors
    return (renderer.at_least(piece, PRODUCT),)
