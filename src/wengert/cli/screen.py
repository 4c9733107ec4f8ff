"""What is written on the terminal: aligned lines, in ASCII where Unicode cannot be shown."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TextIO

from rich.console import Console
from rich.text import Text

from wengert.explanation import Row, Writer

_SAMPLE = "∂²f/∂w ‖·‖ − ∈ ℝᵐˣⁿ ᵀ ₁ ⊙ ⊗ δ …"
_PLAIN = {
    "∂": "d", "‖": "||", "−": "-", "·": "*", "×": "x", "∈": "in", "ℝ": "R", "⊙": ".*",
    "⊗": "(x)", "…": "...", "′": "'", "√": "sqrt", "→": "->", "≥": ">=", "≤": "<=", "≠": "!=",
    "Σ": "sum", "ᵀ": "'", "–": "-", "—": "-",
    "─": "-", "±": "+/-",
}  # fmt: skip


def shows_unicode(encoding: str | None) -> bool:
    """Whether a stream with this encoding can show mathematics.

    >>> shows_unicode("utf-8"), shows_unicode("ascii")
    (True, False)
    """
    try:
        _SAMPLE.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def to_ascii(text: str) -> str:
    """Mathematics in ASCII.

    >>> to_ascii("∂²f/∂w² = 2(Xw₁ − y)ᵀX⁻¹ ∈ ℝᵐˣⁿ")
    "d^2f/dw^2 = 2(Xw1 - y)'X^-1 in R^mxn"
    """
    parts = re.split(r"(ᵀ)", text.replace("⁻ᵀ", "^-T"))
    return "".join(_PLAIN["ᵀ"] if p == "ᵀ" else _without_superscripts(p) for p in parts)


def _without_superscripts(text: str) -> str:
    result = ""
    raised = False
    for character in text:
        if character.isascii():
            result, raised = result + character, False
            continue
        place = unicodedata.decomposition(character)
        above = place.startswith("<super>")
        plain = _ascii_character(character)
        below = place.startswith("<sub>") and plain.isalpha()
        result += ("^" if above and not raised else "_" if below else "") + plain
        raised = above
    return result


def _ascii_character(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    name = unicodedata.name(character, "")
    if name.startswith("GREEK "):
        word = name.split(" LETTER ")[-1].split()[0].lower()
        return word.capitalize() if "CAPITAL" in name else word
    folded = unicodedata.normalize("NFKD", character).replace("−", "-")
    return folded.encode("ascii", "ignore").decode() or "?"


def prepare(stream: TextIO) -> None:
    """Make a stream that never fails for a character that it cannot show."""
    if isinstance(stream, TextIOWrapper) and not shows_unicode(stream.encoding):
        stream.reconfigure(errors="wengert-ascii")


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain = to_ascii(error.object[error.start : error.end])
    return plain.encode("ascii", "replace").decode(), error.end


codecs.register_error("wengert-ascii", _replaced)


class Screen:
    """Writes lines to a stream; colours on a terminal only.

    Parameters
    ----------
    stream : TextIO
        Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unicode = shows_unicode(getattr(stream, "encoding", None))
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)

    def line(self, text: str = "", style: str = "") -> None:
        """One line, or several, as they are."""
        self._console.print(
            Text(self.plain(text), style=style), soft_wrap=True, no_wrap=True, crop=False
        )

    def plain(self, text: str) -> str:
        """The text, in ASCII if the stream needs it."""
        return text if self.unicode else to_ascii(text)

    def rows(self, rows: Sequence[Row], indent: str = "") -> None:
        """Rows with aligned columns."""
        shown = [Row(self.plain(r.what), self.plain(r.where), self.plain(r.why)) for r in rows]
        for text in Writer().lines(shown, indent):
            self.line(text)
