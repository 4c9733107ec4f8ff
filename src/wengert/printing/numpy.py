"""NumPy code for notation trees; rows and columns are one-dimensional arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar

from wengert.errors import WengertError
from wengert.printing import tree as t
from wengert.printing.build import transpose
from wengert.printing.render import ATOM, POWER, PRODUCT, SUM, Piece, Renderer, is_call
from wengert.printing.text import subscripts
from wengert.shapes import Shape, Size


class NumpyRenderer(Renderer):
    """Python expressions in which ``np`` is NumPy.

    Parameters
    ----------
    sizes : mapping of str to str
        Python names of the size symbols.
    """

    template: ClassVar[str] = "numpy"

    def __init__(self, sizes: Mapping[str, str]) -> None:
        self.sizes = sizes
        self.used_sizes: set[str] = set()

    def result(self, tree: t.Tree, shape: Shape) -> str:
        """The text of a whole result, which must have its full shape."""
        if isinstance(tree, t.Zero):
            return f"np.zeros({self._shape(shape)}, dtype)"
        return self.render(tree)

    def _size(self, size: Size) -> str:
        return re.sub(r"[^\W\d]\w*", lambda match: self._named(match[0]), str(size))

    def _named(self, symbol: str) -> str:
        self.used_sizes.add(symbol)
        return self.sizes.get(symbol, symbol)

    def _shape(self, shape: Shape) -> str:
        comma = "," if len(shape) == 1 else ""
        return f"({', '.join(self._size(s) for s in shape)}{comma})"

    # ------------------------------------------------------------ leaves

    def _on_symbol(self, node: t.Symbol, parts: list[Piece]) -> Piece:
        return Piece("np.pi" if node.constant and node.name == "pi" else node.name)

    def _on_number(self, node: t.Number, parts: list[Piece]) -> Piece:
        return _number(node.value)

    def _on_extent(self, node: t.Extent, parts: list[Piece]) -> Piece:
        text = self._size(node.extent)
        return Piece(text, ATOM if text.isidentifier() else SUM)

    def _on_zero(self, node: t.Zero, parts: list[Piece]) -> Piece:
        return Piece(f"np.zeros({self._shape(node.shape)}, dtype)" if node.shape else "0")

    def _on_ones(self, node: t.Ones, parts: list[Piece]) -> Piece:
        if node.plain or not node.shape:
            return Piece("1")
        return Piece(f"np.ones({self._shape(node.shape)}, dtype)")

    def _on_identity(self, node: t.Identity, parts: list[Piece]) -> Piece:
        return Piece(f"np.eye({self._size(node.extent)}, dtype=dtype)")

    # ------------------------------------------------------------ products

    def _on_scaled(self, node: t.Scaled, parts: list[Piece]) -> Piece:
        above = list(parts[: node.above])
        below = parts[node.above : node.above + node.below]
        if not (isinstance(node.body, t.Ones) and node.body.plain):
            above += parts[node.above + node.below :]
        number = abs(node.coefficient)
        texts = [self.at_least(p, POWER) for p in above]
        if number != 1 or not texts:
            texts.insert(0, self.at_least(_number(number), POWER))
        text = " * ".join(texts)
        for divisor in below:
            text += f" / {self.at_least(divisor, POWER)}"
        return self.signed(node.coefficient, text, PRODUCT)

    def _on_call(self, node: t.Call, parts: list[Piece]) -> Piece:
        notation = node.node.primitive.notation_of(node.node)
        if not notation.numpy:
            raise WengertError(f"there is no code for the operation {node.node.name!r}")
        template = re.sub(r"\{(\d+)\}(?!\s*[,)])", r"{\1:a}", notation.numpy)
        return self.filled(node, template, parts)

    def _on_product(self, node: t.Product, parts: list[Piece]) -> Piece:
        factors = list(zip(node.children, parts, strict=True))
        split = next((k for k in range(1, len(factors)) if factors[k][0].kind == "row"), None)
        if split is not None and factors[split - 1][0].kind == "column":
            left, right = self._leftwards(factors[:split]), self._rightwards(factors[split:])
            return Piece(f"np.outer({left.text}, {right.text})")
        if factors[0][0].kind == "row":
            return self._rightwards(factors)
        if factors[-1][0].kind == "column":
            return self._leftwards(factors)
        return self._rightwards(factors)

    def _leftwards(self, factors: list[tuple[t.Tree, Piece]]) -> Piece:
        """A chain that ends in a column, from the end."""
        last, result = factors[-1]
        ones = isinstance(last, t.Ones)
        for tree, piece in reversed(factors[:-1]):
            if ones:
                result = Piece(f"np.sum({piece.text}, axis=1)")
            elif isinstance(tree, t.Diag):
                result = Piece(f"{_inner(piece)} * {self.at_least(result, POWER)}", PRODUCT)
            else:
                left = self.at_least(piece, POWER)
                result = Piece(f"{left} @ {self.at_least(result, POWER)}", PRODUCT)
            ones = False
        return result

    def _rightwards(self, factors: list[tuple[t.Tree, Piece]]) -> Piece:
        """A chain from its front."""
        first, result = factors[0]
        ones = isinstance(first, t.Transpose) and isinstance(first.children[0], t.Ones)
        scaled_rows = isinstance(first, t.Diag) and len(factors) > 1
        for k, (tree, piece) in enumerate(factors[1:], 1):
            if ones and k == 1:
                result = Piece(f"np.sum({piece.text}, axis=0)")
            elif scaled_rows and k == 1 and not isinstance(tree, t.Diag):
                left = f"{_inner(factors[0][1])}[:, None]"
                result = Piece(f"{left} * {self.at_least(piece, POWER)}", PRODUCT)
            elif isinstance(tree, t.Diag):
                result = Piece(f"{self._head(result)} * {_inner(piece)}", PRODUCT)
            else:
                result = Piece(f"{self._head(result)} @ {self.at_least(piece, POWER)}", PRODUCT)
        return result

    def _head(self, piece: Piece) -> str:
        return self.at_least(piece, PRODUCT)

    def _on_hadamard(self, node: t.Hadamard, parts: list[Piece]) -> Piece:
        return Piece(" * ".join(self.at_least(p, POWER) for p in parts), PRODUCT)

    def _on_hadamard_divide(self, node: t.HadamardDivide, parts: list[Piece]) -> Piece:
        above, below = parts
        return Piece(f"{self.at_least(above, PRODUCT)} / {self.at_least(below, POWER)}", PRODUCT)

    def _on_kron(self, node: t.Kron, parts: list[Piece]) -> Piece:
        flat = node.kind in ("column", "row")
        marks: dict[str, str] = {"column": "[:, None]", "row": "[None, :]"}
        texts = [
            p.text if flat or c.kind == "matrix" else self.at_least(p, ATOM) + marks[c.kind]
            for c, p in zip(node.children, parts, strict=True)
        ]
        text = texts[0]
        for factor in texts[1:]:
            text = f"np.kron({text}, {factor})"
        return Piece(text)

    # ------------------------------------------------------------ superscripts

    def _on_transpose(self, node: t.Transpose, parts: list[Piece]) -> Piece:
        if node.kind != "matrix":
            return parts[0]
        return Piece(self.at_least(parts[0], ATOM) + ".T")

    def _on_power(self, node: t.Power, parts: list[Piece]) -> Piece:
        (part,) = parts
        if node.exponent == Fraction(1, 2):
            return Piece(f"np.sqrt({part.text})")
        exponent = _number(node.exponent)
        return Piece(f"{self.at_least(part, ATOM)} ** {self.at_least(exponent, POWER)}", POWER)

    def _on_norm(self, node: t.Norm, parts: list[Piece]) -> Piece:
        body = parts[0].text
        if node.exponent == 2:
            return Piece(f"np.sum(np.square({body}))")
        norm = f"np.linalg.norm({body})"
        if node.exponent == 1:
            return Piece(norm)
        return Piece(f"{norm} ** {self.at_least(_number(node.exponent), POWER)}", POWER)

    # ------------------------------------------------------------ functions

    def _on_diag(self, node: t.Diag, parts: list[Piece]) -> Piece:
        return Piece(f"np.diag({parts[0].text})")

    _on_diag_part = _on_diag

    def _on_trace(self, node: t.Trace, parts: list[Piece]) -> Piece:
        body = node.children[0]
        if isinstance(body, t.Product) and len(body.children) == 2:
            first, second = body.children
            left, right = self.piece(transpose(first)), self.piece(second)
            return Piece(f"np.sum({self.at_least(left, POWER)} * {self.at_least(right, POWER)})")
        return Piece(f"np.trace({parts[0].text})")

    def _on_sum_all(self, node: t.SumAll, parts: list[Piece]) -> Piece:
        return Piece(f"np.sum({parts[0].text})")

    def _on_vec(self, node: t.Vec, parts: list[Piece]) -> Piece:
        body = self.piece(transpose(node.children[0]))
        return Piece(f"np.reshape({body.text}, -1)")

    def _on_unvec(self, node: t.Unvec, parts: list[Piece]) -> Piece:
        return Piece(f"np.reshape({parts[0].text}, {self._shape(node.shape[::-1])}).T")

    def _on_reshape(self, node: t.Reshape, parts: list[Piece]) -> Piece:
        return Piece(f"np.reshape({parts[0].text}, {self._shape(node.shape)})")

    def _on_einsum(self, node: t.Einsum, parts: list[Piece]) -> Piece:
        operands = ", ".join(p.text for p in parts)
        path = ", optimize=True" if len(parts) > 2 else ""
        return Piece(f'np.einsum("{subscripts(node.labels, node.out)}", {operands}{path})')


def _inner(piece: Piece) -> str:
    """The vector inside ``np.diag(...)``, bracketed where it is a sum or product."""
    text = piece.text.removeprefix("np.diag(")[:-1]
    return text if is_call(text) or re.fullmatch(r"\w+", text) else f"({text})"


def _number(value: Fraction) -> Piece:
    """A Python number: an integer, a short decimal, or a quotient."""
    if value.denominator == 1:
        return Piece(str(value), ATOM if value >= 0 else SUM)
    decimal = str(float(value))
    if Fraction(decimal) == value:
        return Piece(decimal, ATOM if value > 0 else SUM)
    return Piece(str(value).replace("/", " / "), PRODUCT if value > 0 else SUM)
