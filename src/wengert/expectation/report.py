"""Tables for people: on the terminal, in Markdown and in LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table as RichTable

_WIDTH = 200  # of the console that a table is written on; tables are as wide as they need
_MISSING = "–"
_LINES = "    \n    \n ── \n    \n ── \n    \n    \n    \n"  # of a box of rich


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; the first column is of words, the others are of numbers.

    Attributes
    ----------
    columns : tuple of str
        The headings.
    rows : tuple of tuple of str
        As many cells each.
    totals : int
        How many of the last rows stand apart, under a line.
    words : frozenset of int
        Columns with words in them, aligned on the left.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    totals: int = 0
    words: frozenset[int] = frozenset({0})

    def __rich__(self) -> RichTable:
        from rich.box import Box  # noqa: PLC0415  (loaded by those who print a table)
        from rich.table import Table as RichTable  # noqa: PLC0415

        table = RichTable(box=Box(_LINES), pad_edge=False, show_edge=False)
        for k, column in enumerate(self.columns):
            table.add_column(column, justify="left" if k in self.words else "right", no_wrap=True)
        last = len(self.rows) - self.totals - 1
        for k, row in enumerate(self.rows):
            table.add_row(*row, end_section=self.totals > 0 and k == last)
        return table

    def __str__(self) -> str:
        from rich.console import Console  # noqa: PLC0415

        text = StringIO()
        Console(file=text, width=_WIDTH, color_system=None).print(self.__rich__())
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines()).strip("\n")

    def to_markdown(self) -> str:
        """A table of Markdown."""
        rule = tuple(":--" if k in self.words else "--:" for k in range(len(self.columns)))
        lines = [" | ".join(row) for row in (self.columns, rule, *self.rows)]
        return "\n".join(f"| {line} |" for line in lines)

    def to_latex(self) -> str:
        """A tabular environment of LaTeX (with the rules of booktabs)."""
        align = "".join("l" if k in self.words else "r" for k in range(len(self.columns)))
        lines = [" & ".join(map(_escaped, row)) + r" \\" for row in self.rows]
        if self.totals:
            lines.insert(len(lines) - self.totals, r"\midrule")
        head = " & ".join(map(_escaped, self.columns)) + r" \\"
        parts = [rf"\begin{{tabular}}{{{align}}}", r"\toprule", head, r"\midrule", *lines]
        return "\n".join([*parts, r"\bottomrule", r"\end{tabular}"])


_LATEX = {
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$",
    "{": r"\{", "}": r"\}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "±": r"$\pm$", "−": "$-$", "–": "--", "×": r"$\times$", "²": "$^2$", "∂": r"$\partial$",
    "σ": r"$\sigma$", "≤": r"$\le$", "|": r"$|$",
}  # fmt: skip


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)


def number(value: float, digits: int = 6) -> str:
    """A number with so many digits; a dash for NaN.

    >>> number(1176.451234), number(float("nan"))
    ('1176.45', '–')
    """
    if np.isnan(value):
        return _MISSING
    return f"{value + 0.0:.{digits}g}"  # + 0.0: no negative zero


def entry_labels(name: str, shape: tuple[int, ...]) -> list[str]:
    """The names of an array's entries.

    >>> entry_labels("x", ()), entry_labels("x", (2,))
    (['x'], ['x[0]', 'x[1]'])
    """
    return [f"{name}[{', '.join(map(str, i))}]" if i else name for i in np.ndindex(*shape)]


def listed(words: Sequence[str], most: int = 6) -> str:
    """Words with commas, the first few of many."""
    shown = ", ".join(words[:most])
    return shown if len(words) <= most else f"{shown}, ... ({len(words)} in all)"
