"""The terms of a Taylor polynomial one by one, as a course on multivariate calculus writes them."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

from wengert.explanation import Writer
from wengert.formulas import Formula
from wengert.printing import matrix_notation
from wengert.printing.names import superscript, unicode_name
from wengert.shapes import format_space

if TYPE_CHECKING:
    from wengert.taylor.symbolic import SymbolicPolynomial

_MOST_MIXED = 6
_INDICES = "ijklpqrst"
_SUBSCRIPTS = str.maketrans("ijklprst", "ᵢⱼₖₗₚᵣₛₜ")


def explanation(T: SymbolicPolynomial) -> str:
    """Each D^k with its space, the ways to write its term, and the term itself.

    Parameters
    ----------
    T : SymbolicPolynomial
        The polynomial.
    """
    lines = [_heading(T)]
    for k in range(T.order + 1):
        lines += ["", *_term(T, k)]
    return "\n".join(lines)


def _heading(T: SymbolicPolynomial) -> str:
    """The series, and what δ is."""
    moved: list[str] = []
    spaces: list[str] = []
    shapes = {v.name: v.shape for v in T.function.variables}
    for x, name, d in zip(T.sources, T.names, T.increments, strict=True):
        about_itself = name == x and name not in T.points
        moved.append(f"{unicode_name(x)} + {unicode_name(d)}" if about_itself else unicode_name(x))
        point = _point(T, name)
        difference = "" if point == "0" else f" − {_bracketed(point)}"
        gap = "" if about_itself else f" = {unicode_name(x)}{difference}"
        spaces.append(f"{unicode_name(d)}{gap} ∈ {format_space(shapes[name])}")
    return f"f({', '.join(moved)}) = Σₖ Dᵏf({_points(T)}) δᵏ/k!      {', '.join(spaces)}"


def _point(T: SymbolicPolynomial, name: str) -> str:
    """The point of a variable: a name, a number or an expression."""
    if name not in T.points:
        return unicode_name(name)
    return matrix_notation(T.points[name]) or name


def _points(T: SymbolicPolynomial) -> str:
    return ", ".join(_point(T, name) for name in T.names)


def _bracketed(text: str) -> str:
    return f"({text})" if " " in text or text[:1] == "−" else text


def _term(T: SymbolicPolynomial, k: int) -> list[str]:
    point = _points(T)
    mark = superscript(k)
    over = "" if k < 2 else f"/{k}!"
    ways = [f"D{mark}f({point}) δ{mark}{over}", *_ways(T, k, point, over)]
    lines = [f"k = {k}   {' = '.join(ways)} = {T.term(k)}"]
    if k:
        lines += [f"        {name} = {d} ∈ {d.space}" for name, d in _derivatives(T, k, point)]
    return lines


def _derivatives(T: SymbolicPolynomial, k: int, point: str) -> list[tuple[str, Formula]]:
    """The k-th derivatives with their names: one tensor, or the mixed ones of few variables."""
    nested: Any = T.tensor(k, Fraction(1))
    if len(T.names) == 1:
        return [(_derivative_name(T, k, point), nested)]
    choices = list(combinations_with_replacement(range(len(T.names)), k))
    found: list[tuple[str, Formula]] = []
    for choice in choices if len(choices) <= _MOST_MIXED else []:
        one = nested
        for j in choice:
            one = one[T.sources[j]]
        found.append((Writer().partial("f", [T.sources[j] for j in choice]), one))
    return found


def _ranks(T: SymbolicPolynomial) -> list[int]:
    return [len(v.shape) for v in T.function.variables if v.name in T.names]


def _is_vector(T: SymbolicPolynomial) -> bool:
    """Is it a function of one vector?"""
    return _ranks(T) == [1]


def _primes(k: int) -> str:
    """A derivative of a function of one number: f′, f′′, f⁽³⁾."""
    return {1: "′", 2: "′′"}.get(k, f"⁽{superscript(k)}⁾")


def _ways(T: SymbolicPolynomial, k: int, point: str, over: str) -> list[str]:
    """Other ways to write a term: tr(Hδδᵀ) = δᵀHδ."""
    if k == 0:
        return [f"f({point})"]
    if _ranks(T) == [0] and not T.function.shape:
        return [f"f{_primes(k)}({point}) δ{superscript(k) if k > 1 else ''}{over}"]
    if not _is_vector(T):
        return []
    if k == 1:
        return [f"∇f({point}) δ"]
    if k == 2 and not T.function.shape:
        return [f"tr(H δδᵀ){over}", f"δᵀHδ{over}"]
    if k > len(_INDICES):
        return []
    letters = [a for a in _INDICES if a != "q"][:k]
    sums = " ".join(f"Σ{a.translate(_SUBSCRIPTS)}" for a in letters)
    entries = " ".join(f"δ[{a}]" for a in letters)
    outputs = ":, " * len(T.function.shape)
    return [f"{sums} D{superscript(k)}f({point})[{outputs}{', '.join(letters)}] {entries}{over}"]


def _derivative_name(T: SymbolicPolynomial, k: int, point: str) -> str:
    if _ranks(T) == [0] and not T.function.shape:
        return f"f{_primes(k)}({point})"
    if not _is_vector(T):
        return f"D{superscript(k)}f({point})"
    if k == 1:
        return f"∇f({point})"
    if k == 2 and not T.function.shape:
        return f"H = ∇²f({point})"
    return f"D{superscript(k)}f({point})"
