"""Expressions in matrix notation, in LaTeX and in the formula language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wengert.errors import WengertError
from wengert.expr import Expr
from wengert.printing.definitions import LIMIT, shared_parts
from wengert.printing.index import index_latex
from wengert.printing.latex import LatexRenderer
from wengert.printing.matrix import Conversion, Converter, Orientation, to_matrix
from wengert.printing.render import Renderer
from wengert.printing.text import TextRenderer
from wengert.printing.tree import Tree
from wengert.printing.unicode import UnicodeRenderer

Joined = Callable[[str, list[tuple[str, str]]], str]


def matrix_notation(
    expr: Expr, orientation: Orientation | None = None, *, rows: int | None = None
) -> str | None:
    """The expression in matrix notation, in Unicode; None if it has none.

    Parameters
    ----------
    expr : Expr
        An expression in display form.
    orientation : str, optional
        ``"row"`` prints a rank-1 result as a row.
    rows : int, optional
        How many leading axes of a rank-3 or rank-4 result are rows of a flattened matrix.

    Returns
    -------
    str or None
        A result of more than about 2000 characters names its shared parts: ``... where h1 = ...``.
    """
    return _rendered(expr, orientation, rows, UnicodeRenderer(), Conversion(), _where)


def matrix_latex(
    expr: Expr, orientation: Orientation | None = None, *, rows: int | None = None
) -> str | None:
    """The expression in matrix notation, in LaTeX; None if it has none."""
    return _rendered(expr, orientation, rows, LatexRenderer(), Conversion(), _where_latex)


def latex(expr: Expr, orientation: Orientation | None = None, *, rows: int | None = None) -> str:
    """The expression in LaTeX: matrix notation if it has one, else index notation."""
    return matrix_latex(expr, orientation, rows=rows) or index_latex(expr)


def text(expr: Expr, orientation: Orientation | None = None) -> str:
    """The expression in the formula language; contractions without matrix form as einsum.

    Raises
    ------
    WengertError
        If the language has no word for a part (the inverse of vec, tensors of ones).
    """
    settings = Conversion(einsum=True)
    result = _rendered(expr, orientation, None, TextRenderer(), settings, _definitions)
    if result is None:
        raise WengertError("the formula language cannot say this expression")
    return result


def _rendered(
    expr: Expr,
    orientation: Orientation | None,
    rows: int | None,
    renderer: Renderer,
    settings: Conversion,
    join: Joined,
) -> str | None:
    converter = Converter(settings)
    tree = converter.convert(expr, rows)
    if tree is None:
        return None
    parts = shared_parts(expr, converter.trees) if tree.size > LIMIT else []
    if not parts:
        oriented = to_matrix(expr, orientation, rows=rows, settings=settings)
        return None if oriented is None else renderer.render(oriented)
    cuts: dict[Expr, Tree] = {}
    definitions: list[tuple[str, str]] = []
    for node, symbol in parts:
        body = to_matrix(node, settings=replace(settings, cuts=dict(cuts)))
        if body is not None:
            definitions.append((renderer.render(symbol), renderer.render(body)))
            cuts[node] = symbol
    whole = to_matrix(expr, orientation, rows=rows, settings=replace(settings, cuts=cuts))
    return None if whole is None else join(renderer.render(whole), definitions)


def _where(whole: str, definitions: list[tuple[str, str]]) -> str:
    return f"{whole} where " + ", ".join(f"{name} = {body}" for name, body in definitions)


def _where_latex(whole: str, definitions: list[tuple[str, str]]) -> str:
    parts = r",\; ".join(f"{name}={body}" for name, body in definitions)
    return rf"{whole}\quad\mathrm{{where}}\quad {parts}"


def _definitions(whole: str, definitions: list[tuple[str, str]]) -> str:
    return "; ".join([*(f"{name} = {body}" for name, body in definitions), whole])
