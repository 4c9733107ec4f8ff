"""How the steps of an explanation are written: names, spaces, derivatives, aligned lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from wengert import printing
from wengert.expr import Expr
from wengert.formula import Orientation
from wengert.printing.index import free_indices
from wengert.printing.names import latex_name, superscript, unicode_name
from wengert.shapes import Shape, format_space, total_size

_LONGEST = 400  # characters of one formula
_WIDEST = 66  # columns that are aligned
_GAP = 6


@dataclass(frozen=True)
class Quantity:
    """An array with how it is to be written.

    ``rows`` is the number of axes of the function that it is a derivative of; ``orientation`` is
    ``"row"`` for a gradient.
    """

    expr: Expr
    orientation: Orientation
    rows: int

    @staticmethod
    def derivative(expr: Expr, function: Orientation, added: int) -> Quantity:
        """A derivative of a function of this orientation; ``added`` axes are the variable's."""
        rank = expr.ndim
        rows = rank - added
        if rank > 1:
            return Quantity(expr, "matrix" if rank == 2 else "tensor", rows)
        if rank == 0:
            return Quantity(expr, "scalar", rows)
        return Quantity(expr, "row" if added else function, rows)

    @property
    def shape(self) -> Shape:
        """The shape in which it is written: a row has two axes."""
        return (1, *self.expr.shape) if self.orientation == "row" else self.expr.shape


@dataclass(frozen=True)
class Row:
    """One line: a formula, its space, why; or a sentence alone."""

    what: str
    where: str = ""
    why: str = ""
    sentence: bool = False


class Writer:
    """Unicode text."""

    dot = " · "
    plus = " + "
    equals = " = "
    gap = ""

    def name(self, name: str) -> str:
        """A name."""
        return unicode_name(name)

    def plain(self, name: str) -> str:
        """A name within a sentence."""
        return unicode_name(name)

    def space(self, shape: Shape) -> str:
        """Membership in a space: ``∈ ℝᵐˣⁿ``."""
        return f"∈ {format_space(shape)}"

    def sizes(self, shape: Shape) -> str:
        """The sizes of a factor in a product: ``(m×n)``."""
        return f"({'×'.join(str(s).replace('*', '·') for s in shape) or '1'})"

    def partial(self, function: str, names: Sequence[str]) -> str:
        """``∂f/∂w``, ``∂²f/∂w²``, ``∂²f/∂w∂X``; names are as they come."""
        if not names:
            return self.name(function)
        order = superscript(len(names)) if len(names) > 1 else ""
        return f"∂{order}{self.name(function)}/{self._below(names)}"

    def total(self, function: str, name: str) -> str:
        """``df/dw``."""
        return f"d{self.name(function)}/d{self.name(name)}"

    def chain_rule(self, mode: str, function: str, name: str) -> str:
        """The chain rule in general: ``df/dvᵢ = Σⱼ df/dvⱼ · ∂vⱼ/∂vᵢ`` in reverse mode."""
        f, x = self.name(function), self.name(name)
        if mode == "forward":
            return f"dvᵢ/d{x} = Σⱼ ∂vᵢ/∂vⱼ · dvⱼ/d{x}"
        if mode == "reverse":
            return f"d{f}/dvᵢ = Σⱼ d{f}/dvⱼ · ∂vⱼ/∂vᵢ"
        return "∂vⱼ/∂vᵢ + ∂vⱼ/∂v · ∂v/∂vᵢ"

    def _below(self, names: Sequence[str]) -> str:
        below = ""
        for name, group in groupby(names):
            number = len(list(group))
            below += f"∂{self.name(name)}" + (superscript(number) if number > 1 else "")
        return below

    def matrix(self, quantity: Quantity, *, flat: bool) -> str | None:
        """Matrix notation, if there is one; with ``flat`` also of a higher rank, flattened."""
        rows = quantity.rows if flat else None
        return printing.matrix_notation(quantity.expr, quantity.orientation, rows=rows)

    def indexed(self, left: str, rank: int) -> str:
        """A name or derivative with its free indices: ``(∂f/∂X)_ijk``."""
        bare = left if len(left) == 1 else f"({left})"
        return f"{bare}_{''.join(free_indices(rank))}"

    def index(self, quantity: Quantity) -> str:
        """Index notation."""
        return printing.index_notation(quantity.expr)

    def equation(
        self,
        left: str,
        middle: str,
        quantity: Quantity,
        *,
        flat: bool = False,
        longest: int | None = _LONGEST,
    ) -> str:
        """``left = middle = value`` in matrix notation, or with indices where there is none."""
        value = self.matrix(quantity, flat=flat) if flat or quantity.expr.ndim < 3 else None
        if value is None:
            left = self.indexed(left, quantity.expr.ndim)
            value = self.index(quantity)
        if longest is not None and len(value) > longest:
            value = self.words(f"… ({len(value)} characters, too long to write here)")
        parts = [left, middle, value] if middle else [left, value]
        return self.equals.join(parts)

    def words(self, text: str) -> str:
        """Words within a formula."""
        return text

    def formula(self, text: str) -> str:
        """A formula within words."""
        return text

    def heading(self, text: str) -> list[str]:
        """The lines of a heading."""
        return [text]

    def lines(self, rows: Sequence[Row], indent: str = "   ") -> list[str]:
        """Rows as lines with aligned columns."""
        first = _column([r.what for r in rows if r.where or r.why])
        second = _column([r.where for r in rows if r.why])
        return [indent + self._line(row, first, second) for row in rows]

    def _line(self, row: Row, first: int, second: int) -> str:
        text = row.what
        if row.sentence:
            return text
        if row.where or row.why:
            text = text.ljust(first) + " " * _GAP + row.where.ljust(second if row.why else 0)
        if row.why:
            text += " " * 4 + row.why
        return text.rstrip()


def _column(texts: Sequence[str]) -> int:
    """The width of a column; texts beyond the limit stand out."""
    return max((len(t) for t in texts if len(t) <= _WIDEST), default=0)


class LatexWriter(Writer):
    """Markdown, with the formulas in LaTeX between dollar signs."""

    dot = r"\cdot "
    gap = r"\qquad"

    def name(self, name: str) -> str:
        """A name."""
        return latex_name(name)

    def plain(self, name: str) -> str:
        """A name within a sentence."""
        return f"${latex_name(name)}$"

    def space(self, shape: Shape) -> str:
        """Membership in a space."""
        sizes = self._times(shape)
        return r"\in\mathbb{R}" + (f"^{{{sizes}}}" if sizes else "")

    def _times(self, shape: Shape) -> str:
        return r"\times ".join(str(s).replace("*", r"\,") for s in shape)

    def sizes(self, shape: Shape) -> str:
        """The sizes of a factor in a product."""
        return f"({self._times(shape) or 1})"

    def partial(self, function: str, names: Sequence[str]) -> str:
        """A partial derivative."""
        if not names:
            return self.name(function)
        order = f"^{{{len(names)}}}" if len(names) > 1 else ""
        return rf"\frac{{\partial{order} {self.name(function)}}}{{{self._below(names)}}}"

    def total(self, function: str, name: str) -> str:
        """A total derivative."""
        return rf"\frac{{d {self.name(function)}}}{{d {self.name(name)}}}"

    def chain_rule(self, mode: str, function: str, name: str) -> str:
        """The chain rule in general."""
        f, x = self.name(function), self.name(name)
        inner = r"\frac{\partial v_{j}}{\partial v_{i}}"
        if mode == "forward":
            total, local = (
                rf"\frac{{d v_{{%s}}}}{{d {x}}}",
                r"\frac{\partial v_{i}}{\partial v_{j}}",
            )
            rule = rf"{total % 'i'} = \sum_{{j}} {local}\cdot {total % 'j'}"
        elif mode == "reverse":
            total = rf"\frac{{d {f}}}{{d v_{{%s}}}}"
            rule = rf"{total % 'i'} = \sum_{{j}} {total % 'j'}\cdot {inner}"
        else:
            first, second = (
                r"\frac{\partial v_{j}}{\partial v}",
                r"\frac{\partial v}{\partial v_{i}}",
            )
            rule = rf"{inner}+{first}\cdot {second}"
        return f"${rule}$"

    def _below(self, names: Sequence[str]) -> str:
        below = ""
        for name, group in groupby(names):
            number = len(list(group))
            below += rf"\partial {self.name(name)}" + (f"^{{{number}}}" if number > 1 else "")
        return below

    def matrix(self, quantity: Quantity, *, flat: bool) -> str | None:
        """Matrix notation in LaTeX."""
        rows = quantity.rows if flat else None
        return printing.matrix_latex(quantity.expr, quantity.orientation, rows=rows)

    def indexed(self, left: str, rank: int) -> str:
        """A name or derivative with its free indices."""
        return rf"\left({left}\right)_{{{''.join(free_indices(rank))}}}"

    def index(self, quantity: Quantity) -> str:
        """Index notation in LaTeX."""
        return printing.index_latex(quantity.expr)

    def words(self, text: str) -> str:
        """Words within a formula."""
        return rf"\text{{{text}}}"

    def formula(self, text: str) -> str:
        """A formula within words."""
        return f"${text}$"

    def heading(self, text: str) -> list[str]:
        """The lines of a heading."""
        return [f"**{text}**", ""]

    def lines(self, rows: Sequence[Row], indent: str = "- ") -> list[str]:
        """Rows as items of a list."""
        return [indent + self._item(row) for row in rows]

    def _item(self, row: Row) -> str:
        if row.sentence:
            return row.what
        gap = self.gap if not row.where.startswith(r"\in") else ""
        formula = " ".join(t for t in (row.what, gap, row.where) if t)
        return f"${formula}$" + (f": {row.why}" if row.why else "")


def flattened(quantity: Quantity) -> Shape:
    """The shape of the matrix that a derivative of higher rank is written as."""
    shape = quantity.expr.shape
    return (total_size(shape[: quantity.rows]), total_size(shape[quantity.rows :]))
