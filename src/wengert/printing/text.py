"""The formula language: ``2*(X*w - y)'*X``, which parses back to the same expression."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from wengert.errors import WengertError
from wengert.printing import tree as t
from wengert.printing.render import ATOM, POWER, PRODUCT, Piece, Renderer, factor_texts
from wengert.shapes import Shape

_INDEX_LETTERS = "ijklmnopqrstuvwxyzabcdefghABCDEFGHIJKLMNOPQRSTUVWXYZ"


def subscripts(labels: Sequence[Sequence[int]], out: Sequence[int]) -> str:
    """Labels as einsum writes them; the letters follow the order of first appearance.

    >>> subscripts([(4, 2), (2,)], (4,))
    'ij,j->i'
    """
    letters: dict[int, str] = {}
    for label in [a for own in (out, *labels) for a in own]:
        letters.setdefault(label, _INDEX_LETTERS[len(letters)])
    inputs = ",".join("".join(letters[a] for a in own) for own in labels)
    return f"{inputs}->{''.join(letters[a] for a in out)}"


class TextRenderer(Renderer):
    """The formula language. Products bind alike and to the left, so operands get brackets."""

    # ------------------------------------------------------------ leaves

    def _on_symbol(self, node: t.Symbol, parts: list[Piece]) -> Piece:
        return Piece(node.name)

    def _on_number(self, node: t.Number, parts: list[Piece]) -> Piece:
        text = str(abs(node.value))
        return self.signed(node.value, text, ATOM if node.value.denominator == 1 else PRODUCT)

    def _on_extent(self, node: t.Extent, parts: list[Piece]) -> Piece:
        if not _plain(node.extent):
            return self._no_text("a size that is not one letter's")
        return Piece(f"sum(vector(1, {node.extent}))")

    def _no_text(self, what: str) -> Piece:
        raise WengertError(
            f"the formula language has no word for {what}; "
            "print the expression in matrix or index notation instead"
        )

    def _on_zero(self, node: t.Zero, parts: list[Piece]) -> Piece:
        return Piece({"column": "vector(0)", "row": "vector(0)'"}.get(node.kind, "matrix(0)"))

    def _on_ones(self, node: t.Ones, parts: list[Piece]) -> Piece:
        return self._constant(node, "1")

    def _constant(self, node: t.Ones, value: str) -> Piece:
        if node.kind == "tensor":
            return self._tensor_of(node, value)
        word = "matrix" if node.kind == "matrix" else "vector"
        return self._sized(f"{word}({value}", node.shape)

    def _tensor_of(self, node: t.Ones, value: str) -> Piece:
        """Equal entries as an outer product of vectors of ones."""
        if not node.shape:
            return self._no_text("a tensor of equal entries")
        axes = tuple(range(len(node.shape)))
        ones = ", ".join(self._sized("vector(1", (size,)).text for size in node.shape)
        einsum = f'einsum("{subscripts([(k,) for k in axes], axes)}", {ones})'
        return Piece(einsum) if value == "1" else Piece(f"{value}*{einsum}", PRODUCT)

    def _sized(self, opening: str, shape: Shape) -> Piece:
        """A call with sizes, and its short form for places that determine the sizes."""
        short = f"{opening})" if "(" in opening else opening
        if not shape or not all(isinstance(s, int) or _plain(s) for s in shape):
            return Piece(short)
        comma = ", " if "(" in opening else "("
        return Piece(f"{opening}{comma}{', '.join(str(s) for s in shape)})", ATOM, (), short)

    def _on_identity(self, node: t.Identity, parts: list[Piece]) -> Piece:
        return self._sized("eye", (node.extent,))

    def _on_sum(self, node: t.Sum, parts: list[Piece]) -> Piece:
        known = any(not p.short for p in parts)
        return super()._on_sum(node, [_shortened(p) for p in parts] if known else parts)

    # ------------------------------------------------------------ products

    def _on_scaled(self, node: t.Scaled, parts: list[Piece]) -> Piece:
        if isinstance(node.body, t.Ones) and node.above == node.below == 0:
            inner = self._constant(node.body, str(abs(node.coefficient)))
            if node.coefficient < 0:
                return self.signed(node.coefficient, inner.text, ATOM)
            return inner
        texts, below = factor_texts(self, node, parts)
        if isinstance(node.body, t.Ones) and node.body.plain:
            texts.append(parts[-1].text)
        top, bottom = abs(node.coefficient.numerator), node.coefficient.denominator
        above = [str(top), *texts] if top != 1 or not texts else texts
        text = "*".join(above)
        for divisor in [str(bottom), *below] if bottom != 1 else below:
            text += f"/{divisor}"
        short = ""
        if parts and parts[-1].short and node.body is not None:
            short = text.replace(parts[-1].text, parts[-1].short)
        if node.coefficient < 0:
            return self.signed(node.coefficient, text, PRODUCT)
        return Piece(text, PRODUCT, (), short)

    def _on_product(self, node: t.Product, parts: list[Piece]) -> Piece:
        known = any(not p.short for p in parts)
        first, last = 0, len(parts) - 1
        pieces = list(parts)
        if known and node.children[first].kind == "row" and node.children[1].kind == "matrix":
            pieces[first] = _shortened(parts[first])
        if known and node.children[last].kind == "column" and node.children[-2].kind == "matrix":
            pieces[last] = _shortened(parts[last])
        return Piece("*".join(self.at_least(p, POWER) for p in pieces), PRODUCT)

    def _on_hadamard(self, node: t.Hadamard, parts: list[Piece]) -> Piece:
        return Piece(" .* ".join(self.at_least(p, POWER) for p in parts), PRODUCT)

    def _on_hadamard_divide(self, node: t.HadamardDivide, parts: list[Piece]) -> Piece:
        above, below = parts
        return Piece(f"{self.at_least(above, PRODUCT)} ./ {self.at_least(below, POWER)}", PRODUCT)

    def _on_kron(self, node: t.Kron, parts: list[Piece]) -> Piece:
        text = parts[0].text
        for part in parts[1:]:
            text = f"kron({text}, {part.text})"
        return Piece(text)

    # ------------------------------------------------------------ superscripts

    def _on_transpose(self, node: t.Transpose, parts: list[Piece]) -> Piece:
        short = parts[0].short + "'" if parts[0].short else ""
        return Piece(self.at_least(parts[0], ATOM) + "'", POWER, (), short)

    def _on_power(self, node: t.Power, parts: list[Piece]) -> Piece:
        (part,) = parts
        if node.exponent == Fraction(1, 2):
            return Piece(f"sqrt({part.text})")
        operator = "^" if node.kind == "scalar" else ".^"
        return Piece(self.at_least(part, ATOM) + operator + _exponent(node.exponent), POWER)

    def _on_norm(self, node: t.Norm, parts: list[Piece]) -> Piece:
        text = f"norm2({parts[0].text})"
        if node.exponent == 1:
            return Piece(text)
        return Piece(f"{text}^{_exponent(node.exponent)}", POWER)

    # ------------------------------------------------------------ functions

    def _on_unvec(self, node: t.Unvec, parts: list[Piece]) -> Piece:
        return self._no_text("the inverse of vec")

    def _on_reshape(self, node: t.Reshape, parts: list[Piece]) -> Piece:
        return self._no_text("a reshape")

    def _on_einsum(self, node: t.Einsum, parts: list[Piece]) -> Piece:
        operands = ", ".join(p.text for p in parts)
        return Piece(f'einsum("{subscripts(node.labels, node.out)}", {operands})')


def _shortened(piece: Piece) -> Piece:
    return Piece(piece.short, piece.level) if piece.short else piece


def _exponent(exponent: Fraction) -> str:
    return str(exponent) if exponent.denominator == 1 else f"({exponent})"


def _plain(size: object) -> bool:
    return str(size).isidentifier()
