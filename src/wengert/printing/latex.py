r"""Matrix notation in LaTeX: ``2\left(Xw-y\right)^{\top}X``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import ClassVar

from wengert.printing import tree as t
from wengert.printing.names import latex_name
from wengert.printing.render import (
    ATOM,
    ENTRYWISE,
    POWER,
    PRODUCT,
    Piece,
    Renderer,
    factor_texts,
)

_HEAD = re.compile(r"(\\[A-Za-z]+(?:\{\{\w+\}\})?)\\left\(\{0\}\\right\)")
_WORD = re.compile(
    r"\\(operatorname|mathrm|log|exp|sin|cos|tan|sinh|cosh|tanh|arcsin|arccos|arctan|det|max|min)\b"
)


def joined(texts: Sequence[str]) -> str:
    """Factors side by side, with the spaces that LaTeX and the reader need."""
    result = ""
    for k, text in enumerate(texts):
        result += (_separator(result, texts[k - 1], text) if k else "") + text
    return result


def _separator(before: str, left: str, right: str) -> str:
    if right[0].isdigit():
        return r"\cdot "
    if _WORD.match(right) or (_WORD.match(left) and right[0] not in "("):
        return r"\,"
    return " " if re.search(r"\\[A-Za-z]+$", before) and right[0].isalpha() else ""


class LatexRenderer(Renderer):
    """Matrix notation in LaTeX."""

    template: ClassVar[str] = "latex"
    plus: ClassVar[str] = "+"
    minus: ClassVar[str] = "-"
    left: ClassVar[str] = r"\left("
    right: ClassVar[str] = r"\right)"

    # ------------------------------------------------------------ leaves

    def _on_symbol(self, node: t.Symbol, parts: list[Piece]) -> Piece:
        return Piece(latex_name(node.name))

    def _on_number(self, node: t.Number, parts: list[Piece]) -> Piece:
        value = abs(node.value)
        text = str(value) if value.denominator == 1 else self._fraction(value)
        return self.signed(node.value, text, ATOM if value.denominator == 1 else PRODUCT)

    def _fraction(self, value: Fraction) -> str:
        return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"

    def _on_extent(self, node: t.Extent, parts: list[Piece]) -> Piece:
        text = str(node.extent)
        if text.isidentifier():
            return Piece(latex_name(text))
        return Piece(rf"\left({text.replace('*', ' ')}\right)")

    def _on_zero(self, node: t.Zero, parts: list[Piece]) -> Piece:
        return Piece("0")

    def _on_ones(self, node: t.Ones, parts: list[Piece]) -> Piece:
        if node.plain:
            return Piece("1")
        one = r"\mathbf{1}"
        return Piece(one + one + r"^{\top}", POWER) if node.kind == "matrix" else Piece(one)

    def _on_identity(self, node: t.Identity, parts: list[Piece]) -> Piece:
        return Piece("I")

    # ------------------------------------------------------------ products

    def _on_scaled(self, node: t.Scaled, parts: list[Piece]) -> Piece:
        texts, below = factor_texts(self, node, parts)
        top, bottom = abs(node.coefficient.numerator), node.coefficient.denominator
        below = [str(bottom), *below] if bottom != 1 else below
        number = [str(top)] if top != 1 else []
        if not below:
            above = [*number, *texts] or ["1"]
            return self._signed_product(node.coefficient, above)
        inside, outside = self._numerator(node, parts)
        above = joined([*number, *inside] or ["1"])
        fraction = rf"\frac{{{above}}}{{{joined(below)}}}"
        return self._signed_product(node.coefficient, [fraction, *outside])

    def _numerator(self, node: t.Scaled, parts: list[Piece]) -> tuple[list[str], list[str]]:
        """Scalars go into the fraction, a long last product or the body stands behind it."""
        scalars = [self.at_least(p, PRODUCT) for p in parts[: node.above]]
        rest = [self.at_least(p, PRODUCT) for p in parts[node.above + node.below :]]
        if isinstance(node.body, t.Ones) and node.body.plain:
            rest = []
        if node.above > 1:
            scalars = [
                self.bracket(p) if isinstance(tree, t.Product) else text
                for tree, p, text in zip(node.numerators, parts[: node.above], scalars, strict=True)
            ]
        if not rest and scalars and not node.below:
            return scalars[:-1], scalars[-1:]
        return scalars, rest

    def _signed_product(self, coefficient: Fraction, texts: list[str]) -> Piece:
        text = joined(texts)
        if coefficient < 0:
            return self.signed(coefficient, text, PRODUCT)
        return Piece(text, PRODUCT, tuple(texts))

    def _on_product(self, node: t.Product, parts: list[Piece]) -> Piece:
        texts = tuple(self.at_least(p, PRODUCT) for p in parts)
        return Piece(joined(texts), PRODUCT, texts)

    def _on_hadamard(self, node: t.Hadamard, parts: list[Piece]) -> Piece:
        return Piece(r" \odot ".join(self.at_least(p, PRODUCT) for p in parts), ENTRYWISE)

    def _on_hadamard_divide(self, node: t.HadamardDivide, parts: list[Piece]) -> Piece:
        above, below = parts
        chain = isinstance(node.children[0], t.Hadamard)
        top = above.text if chain else self.at_least(above, PRODUCT)
        return Piece(rf"{top} \oslash {self.at_least(below, PRODUCT)}", ENTRYWISE)

    def _on_kron(self, node: t.Kron, parts: list[Piece]) -> Piece:
        return Piece(r" \otimes ".join(self.at_least(p, PRODUCT) for p in parts), ENTRYWISE)

    # ------------------------------------------------------------ superscripts

    def _on_transpose(self, node: t.Transpose, parts: list[Piece]) -> Piece:
        (part,) = parts
        if part.level == POWER and part.text.endswith("^{-1}"):
            return Piece(part.text[: -len("^{-1}")] + r"^{-\top}", POWER)
        return Piece(self.at_least(part, ATOM) + r"^{\top}", POWER)

    def _on_power(self, node: t.Power, parts: list[Piece]) -> Piece:
        (part,) = parts
        exponent = node.exponent
        if exponent == Fraction(1, 2):
            return Piece(rf"\sqrt{{{part.text}}}")
        applied = _applied_power(node.children[0], part, exponent)
        if applied:
            return Piece(applied)
        mark = "" if node.kind == "scalar" else r"\odot "
        return Piece(f"{self.at_least(part, ATOM)}^{{{mark}{exponent}}}", POWER)

    def _on_norm(self, node: t.Norm, parts: list[Piece]) -> Piece:
        text = rf"\left\|{parts[0].text}\right\|"
        if node.exponent == 1:
            return Piece(text)
        return Piece(f"{text}^{{{node.exponent}}}", POWER)

    # ------------------------------------------------------------ functions

    def _function(self, name: str, parts: list[Piece]) -> Piece:
        return Piece(rf"\operatorname{{{name}}}\left({parts[0].text}\right)")

    def _on_sum_all(self, node: t.SumAll, parts: list[Piece]) -> Piece:
        body = self.at_least(parts[0], PRODUCT)
        end = r"\mathbf{1}" if node.children[0].kind == "matrix" else ""
        return Piece(rf"\mathbf{{1}}^{{\top}}{body}{end}", PRODUCT)

    def _on_unvec(self, node: t.Unvec, parts: list[Piece]) -> Piece:
        return Piece(rf"\operatorname{{vec}}^{{-1}}\left({parts[0].text}\right)")


def _applied_power(base: t.Tree, part: Piece, exponent: Fraction) -> str | None:
    r"""``\tanh^{2}\left(x\right)`` for the square of an elementwise function."""
    if not isinstance(base, t.Call) or exponent.denominator != 1:
        return None
    if not base.node.primitive.elementwise:
        return None
    match = _HEAD.fullmatch(base.node.primitive.notation_of(base.node).latex)
    if not match:
        return None
    head = match[1].replace("{{", "{").replace("}}", "}")
    return f"{head}^{{{exponent}}}{part.text[len(head) :]}"
