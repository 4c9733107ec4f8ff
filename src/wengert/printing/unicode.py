"""Matrix notation in Unicode: ``2(Xw − y)ᵀX``."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import ClassVar

from wengert.printing import tree as t
from wengert.printing.names import superscript, unicode_name
from wengert.printing.render import ATOM, ENTRYWISE, POWER, PRODUCT, Piece, Renderer, factor_texts

_COMPACT = re.compile(
    r"([^\W\d_][₀₁₂₃₄₅₆₇₈₉]*|\(.*\))(ᵀ|⁻ᵀ|[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?", re.DOTALL
)
_HEAD = re.compile(r"([^\W\d]+)\(\{0\}\)")


def compact(text: str) -> bool:
    """One letter or one bracket, with its superscript: needs no space beside another."""
    if not _COMPACT.fullmatch(text):
        return False
    return text[0] != "(" or closing(text, 0) == text.rfind(")")


def closing(text: str, start: int) -> int:
    """Where the bracket that opens at ``start`` closes."""
    depth = 0
    for k in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[k], 0)
        if depth == 0:
            return k
    return len(text)


def juxtapose(texts: list[str]) -> str:
    """Factors side by side: ``2Xw``, ``2 diag(p)``, ``alpha x``, ``2·11ᵀ``."""
    result = ""
    previous = ""
    for text in texts:
        result += _separator(previous, text) + text
        previous = text
    return result


def _separator(left: str, right: str) -> str:
    if not left:
        return ""
    if right[0].isdigit():
        return "·"
    first = _first_factor(right)
    if left.isdigit():
        return "" if first else " "
    if compact(_last_factor(left)) and first:
        return ""
    return " "


def _first_factor(text: str) -> bool:
    """Whether a product starts with a single letter or a bracket."""
    if text[0] in "(‖|√":
        return True
    return re.match(r"[^\W\d_]([^\w(_]|[₀-₉ᵀ]|[^\W\d_]?$|[^\W\d_](?![\w]*\())", text) is not None
    

def _last_factor(text: str) -> str:
    return text


class UnicodeRenderer(Renderer):
    """Matrix notation in Unicode."""

    template: ClassVar[str] = "unicode"
    minus: ClassVar[str] = " − "
    sign: ClassVar[str] = "−"
