"""How series and their terms are written: Unicode for the terminal, LaTeX for papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.printing import latex as expr_latex
from wengert.printing import matrix_notation
from wengert.printing.names import latex_name, superscript, unicode_name
from wengert.printing.unicode import juxtapose
from wengert.taylor.univariate.numbers import Exact, Number


@dataclass(frozen=True)
class Style:
    """Unicode, or LaTeX.

    Attributes
    ----------
    latex : bool
        Which of the two.
    """

    latex: bool = False

    @property
    def minus(self) -> str:
        """The minus sign."""
        return "-" if self.latex else "−"

    def name(self, name: str) -> str:
        """A variable."""
        return latex_name(name) if self.latex else unicode_name(name)

    def power(self, base: str, exponent: str) -> str:
        """base ** exponent; whole numbers are written as superscripts in Unicode."""
        if exponent == "1":
            return base
        if self.latex:
            return f"{base}^{{{exponent}}}"
        if exponent.lstrip("-").isdigit():
            return base + superscript(int(exponent))
        return f"{base}^{exponent}" if len(exponent) == 1 else f"{base}^{{{exponent}}}"

    def bracket(self, text: str) -> str:
        """The text in brackets."""
        return rf"\left({text}\right)" if self.latex else f"({text})"

    def quotient(self, above: Sequence[str], below: Sequence[str]) -> str:
        """Factors over factors."""
        top = self._product(above) or "1"
        if not below:
            return top
        bottom = self._product(below)
        if self.latex:
            return rf"\frac{{{top}}}{{{bottom}}}"
        single = len(below) == 1 and " " not in bottom
        return f"{top}/{bottom}" if single else f"{top}/({bottom})"

    def _product(self, factors: Sequence[str]) -> str:
        if not self.latex:
            return juxtapose(tuple(factors))
        text = ""
        for factor in factors:
            joint = r"\cdot " if factor[0].isdigit() else " "
            text += (joint if text else "") + factor
        return text

    def number(self, value: Number) -> tuple[int, list[str], list[str]]:
        """A number as sign, factors above and factors below the fraction line."""
        if isinstance(value, float):
            if abs(value) == 1:
                return int(value), [], []
            text = f"{abs(value):.10g}"
            if "e" in text:
                mantissa, exponent = text.split("e")
                text = (
                    mantissa
                    + ("\\cdot " if self.latex else "·")
                    + self.power("10", str(int(exponent)))
                )
            return (-1 if value < 0 else 1), [text], []
        if isinstance(value, Exact):
            return self._exact(value)
        top, bottom = abs(value.numerator), value.denominator
        above = [str(top)] if top != 1 else []
        return (-1 if value < 0 else 1), above, [str(bottom)] if bottom != 1 else []

    def _exact(self, value: Exact) -> tuple[int, list[str], list[str]]:
        if len(value.terms) > 1:
            return 1, [self.bracket(self.constant(value))], []
        ((m, q),) = value.terms.items()
        sign, above, below = self.number(q)
        text = self.constant(Exact({m: type(q)(1)}))
        under = _reciprocal_of(text, latex=self.latex)
        if under:
            return sign, above, [*below, under]
        return sign, [*above, text], below

    def constant(self, value: Exact) -> str:
        """An exact number as the library writes expressions."""
        if self.latex:
            return expr_latex(value.expr)
        return matrix_notation(value.expr) or repr(value.expr)

    def atom(self, text: str) -> str:
        """The text, in brackets if it is not one symbol, number or call."""
        return text if text.isalnum() or text.endswith(")") else self.bracket(text)

    def factorial(self, argument: str) -> str:
        """argument!."""
        return f"{argument}!" if argument.isdigit() or argument.isalpha() else f"({argument})!"

    def binomial(self, above: str, below: str) -> str:
        """The binomial coefficient."""
        return rf"\binom{{{above}}}{{{below}}}" if self.latex else f"binom({above}, {below})"

    def indexed(self, name: str, index: str) -> str:
        """A number of a sequence: Bₙ."""
        if self.latex:
            return f"{name}_{{{index}}}"
        return f"{name}_{index}" if index.isalnum() and len(index) == 1 else f"{name}_{{{index}}}"

    def sum(self, start: int, body: str) -> str:
        """Σ over k."""
        if self.latex:
            return rf"\sum_{{k=0}}^{{\infty}} {body}".replace("k=0", f"k={start}", 1)
        return f"Σ_{{k≥{start}}} {body}"

    @property
    def dots(self) -> str:
        """What goes on."""
        return r"\cdots" if self.latex else "..."


def _reciprocal_of(text: str, *, latex: bool) -> str:
    """The text below the fraction line of a reciprocal."""
    head, tail = (r"\frac{1}{", "}") if latex else ("1/", "")
    found = text.removeprefix(head).removesuffix(tail) if text.startswith(head) else ""
    return "" if found.count("{") != found.count("}") or found.startswith("(") else found


def linear(p: int, q: int, style: Style, name: str = "k") -> str:
    """``2k + 1``, without spaces: ``2k+1``."""
    if not p:
        return str(q)
    head = (
        name if p == 1 else (f"{style.minus if p < 0 else ''}{abs(p) if abs(p) != 1 else ''}{name}")
    )
    if not q:
        return head
    return f"{head}+{q}" if q > 0 else f"{head}{style.minus}{-q}"
