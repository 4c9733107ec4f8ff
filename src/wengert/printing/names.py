"""Names as they are written: subscripts from trailing digits, Greek letters in LaTeX."""

from __future__ import annotations

import re

_SPELT = """
    α alpha β beta γ gamma δ delta ε epsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu ν nu
    ξ xi ο omicron π pi ρ rho σ sigma τ tau υ upsilon φ phi χ chi ψ psi ω omega Γ Gamma Δ Delta
    Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega
""".split()  # noqa: SIM905
_LETTERS: dict[str, str] = dict(zip(_SPELT[::2], _SPELT[1::2], strict=True))
_GREEK = frozenset(_LETTERS.values())
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_INDEXED = re.compile(r"^(?P<base>[^\W\d_]+)(?P<under>_?)(?P<index>\w*)$")


def superscript(number: int) -> str:
    """An integer in superscript digits."""
    return str(number).translate(_SUPERSCRIPTS)


def unicode_name(name: str) -> str:
    """A name in Unicode: x₁ for x1; names with several letters stay as they are.

    >>> unicode_name("x12"), unicode_name("alpha"), unicode_name("w_new")
    ('x₁₂', 'alpha', 'w_new')
    """
    match = re.fullmatch(r"([^\W\d_]+)(\d+)", name)
    return match[1] + match[2].translate(_SUBSCRIPTS) if match else name


def latex_name(name: str) -> str:
    r"""A name in LaTeX.

    >>> print(latex_name("x1"), latex_name("alpha"), latex_name("w_new"), latex_name("loss"))
    x_{1} \alpha w_{\mathrm{new}} \mathrm{loss}
    """
    match = _INDEXED.match(name)
    if not match:
        return rf"\mathrm{{{_escaped(name)}}}"
    base, index = match["base"], match["index"]
    if not index:
        return _latex_word(base)
    wide = _escaped(index) if index.isdigit() or len(index) == 1 else _roman(index)
    return f"{_latex_word(base)}_{{{wide}}}"


def _roman(text: str) -> str:
    return rf"\mathrm{{{_escaped(text)}}}"


def _escaped(text: str) -> str:
    return text.replace("_", r"\_")


def _latex_word(word: str) -> str:
    word = _LETTERS.get(word, word)
    if word == "omicron":
        return "o"
    if word in _GREEK:
        return "\\" + word
    return word if len(word) == 1 else _roman(word)
