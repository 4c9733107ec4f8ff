"""Matrix notation in Unicode: ``2(Xw − y)ᵀX``."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import ClassVar

from wengert.printing import tree as t
from wengert.printing.names import superscript, unicode_name
from wengert.printing.render import (
    ATOM,
    ENTRYWISE,
    POWER,
    PRODUCT,
    Piece,
    Renderer,
    closing,
    factor_texts,
)

_COMPACT = re.compile(r"([^\W\d_][₀₁₂₃₄₅₆₇₈₉]*|\(.*\)|‖[^‖]*‖)(ᵀ|⁻ᵀ|[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?", re.DOTALL)
_HEAD = re.compile(r"([^\W\d]+)\(\{0\}\)")


def compact(text: str) -> bool:
    """One letter or one bracket, with its superscript: needs no space beside another."""
    if not _COMPACT.fullmatch(text):
        return False
    return text[0] != "(" or closing(text, 0) == text.rfind(")")


def juxtapose(texts: list[str] | tuple[str, ...]) -> str:
    """Factors side by side: ``2Xw``, ``2 diag(p)``, ``alpha x``, ``2·11ᵀ``."""
    result = ""
    for k, text in enumerate(texts):
        result += (_separator(texts[k - 1], text) if k else "") + text
    return result


def _separator(left: str, right: str) -> str:
    if right[0].isdigit():
        return "·"
    if left.isdigit():
        return "" if compact(right) or right[0] in "(√" else " "
    return "" if compact(left) and compact(right) else " "


class UnicodeRenderer(Renderer):
    """Matrix notation in Unicode."""

    template: ClassVar[str] = "unicode"
    minus: ClassVar[str] = " − "
    sign: ClassVar[str] = "−"

    # ------------------------------------------------------------ leaves

    def _on_symbol(self, node: t.Symbol, parts: list[Piece]) -> Piece:
        if node.constant and node.name == "pi":
            return Piece("π")
        return Piece(unicode_name(node.name))

    def _on_number(self, node: t.Number, parts: list[Piece]) -> Piece:
        text = str(abs(node.value))
        return self.signed(node.value, text, ATOM if node.value.denominator == 1 else PRODUCT)

    def _on_extent(self, node: t.Extent, parts: list[Piece]) -> Piece:
        text = str(node.extent)
        return Piece(unicode_name(text)) if text.isidentifier() else Piece(f"({text})")

    def _on_zero(self, node: t.Zero, parts: list[Piece]) -> Piece:
        return Piece("0")

    def _on_ones(self, node: t.Ones, parts: list[Piece]) -> Piece:
        return Piece("1") if node.plain or node.kind != "matrix" else Piece("11ᵀ", POWER)

    def _on_identity(self, node: t.Identity, parts: list[Piece]) -> Piece:
        return Piece("I")

    # ------------------------------------------------------------ products

    def _on_scaled(self, node: t.Scaled, parts: list[Piece]) -> Piece:
        above, below = factor_texts(self, node, parts)
        top, bottom = abs(node.coefficient.numerator), node.coefficient.denominator
        above = [str(top), *above] if top != 1 or not above else above
        below = [str(bottom), *below] if bottom != 1 else below
        text = juxtapose(above)
        if below:
            divisor = juxtapose(below)
            text += f"/({divisor})" if len(below) > 1 else f"/{divisor}"
        factors = () if below else tuple(above)
        if node.coefficient < 0:
            return self.signed(node.coefficient, text, PRODUCT)
        return Piece(text, PRODUCT, factors)

    def _on_product(self, node: t.Product, parts: list[Piece]) -> Piece:
        texts = tuple(self.at_least(p, PRODUCT) for p in parts)
        return Piece(juxtapose(texts), PRODUCT, texts)

    def _on_hadamard(self, node: t.Hadamard, parts: list[Piece]) -> Piece:
        return Piece(" ⊙ ".join(self.at_least(p, PRODUCT) for p in parts), ENTRYWISE)

    def _on_hadamard_divide(self, node: t.HadamardDivide, parts: list[Piece]) -> Piece:
        above, below = parts
        chain = isinstance(node.children[0], t.Hadamard)
        top = above.text if chain else self.at_least(above, PRODUCT)
        return Piece(f"{top} ⊘ {self.at_least(below, PRODUCT)}", ENTRYWISE)

    def _on_kron(self, node: t.Kron, parts: list[Piece]) -> Piece:
        return Piece(" ⊗ ".join(self.at_least(p, PRODUCT) for p in parts), ENTRYWISE)

    # ------------------------------------------------------------ superscripts

    def _on_transpose(self, node: t.Transpose, parts: list[Piece]) -> Piece:
        (part,) = parts
        if part.level == POWER and part.text.endswith("⁻¹"):
            return Piece(part.text[:-2] + "⁻ᵀ", POWER)
        return Piece(self.at_least(part, ATOM) + "ᵀ", POWER)

    def _on_power(self, node: t.Power, parts: list[Piece]) -> Piece:
        (part,) = parts
        exponent = node.exponent
        if exponent == Fraction(1, 2):
            return self._root(part)
        applied = _applied_power(node.children[0], part, exponent)
        if applied:
            return Piece(applied)
        raised = self._exponent(exponent, "" if node.kind == "scalar" else "⊙")
        return Piece(self.at_least(part, ATOM) + raised, POWER)

    def _root(self, part: Piece) -> Piece:
        if compact(part.text):
            return Piece("√" + part.text, POWER)
        return Piece(f"√({part.text})")

    def _exponent(self, exponent: Fraction, mark: str) -> str:
        whole = exponent.denominator == 1
        if mark:
            return f"^{mark}{exponent}" if whole else f"^{mark}({exponent})"
        return superscript(int(exponent)) if whole else f"^({exponent})"

    def _on_norm(self, node: t.Norm, parts: list[Piece]) -> Piece:
        text = f"‖{parts[0].text}‖"
        if node.exponent == 1:
            return Piece(text)
        return Piece(text + self._exponent(node.exponent, ""), POWER)

    # ------------------------------------------------------------ functions

    def _on_unvec(self, node: t.Unvec, parts: list[Piece]) -> Piece:
        return Piece(f"vec⁻¹({parts[0].text})")


def _applied_power(base: t.Tree, part: Piece, exponent: Fraction) -> str | None:
    """tanh²(x) for the square of an elementwise function of plain notation."""
    if not isinstance(base, t.Call) or exponent.denominator != 1:
        return None
    if not base.node.primitive.elementwise:
        return None
    match = _HEAD.fullmatch(base.node.primitive.notation_of(base.node).unicode)
    if not match:
        return None
    head = match[1]
    return head + superscript(int(exponent)) + part.text[len(head) :]
