"""Polynomials in the entries of arrays: coefficients from tensors, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.expr import Expr
from wengert.taylor.exact import Polynomial
from wengert.taylor.monomials import monomials
from wengert.taylor.points import whole_number
from wengert.taylor.writing import Increment, Style, polynomial_text

Place = tuple[int, ...]
Entries = dict[Place, Polynomial]  # by the number of a result and the entry in it


def increments_of(
    names: Sequence[str], values: Sequence[Any], exact: Mapping[str, Fraction | Expr]
) -> list[Increment]:
    """x − x₀ for every entry of a point, in order."""
    found: list[Increment] = []
    for name, value in zip(names, values, strict=True):
        for entry in np.ndindex(np.shape(value)):
            number = float(np.asarray(value)[entry])
            whole = whole_number(number)
            centre = number if whole is None else whole
            found.append(Increment(name, entry, exact.get(name, centre)))
    return found


def terms_of(results: Sequence[Any], width: int, k: int) -> Entries:
    """The terms of degree k from their coefficients.

    Parameters
    ----------
    results : sequence of array
        By result: the coefficients of all monomials, in the order of the entries of a symmetric
        tensor, on the last axis.
    width : int
        The number of the point's entries.
    k : int
        The degree.
    """
    exponents = [
        tuple(np.bincount(m, minlength=width).tolist())  # pyright: ignore[reportUnknownMemberType]
        for m in monomials(width, k)
    ]
    return {
        (r, *entry): dict(zip(exponents, rows[entry].tolist(), strict=True))
        for r, rows in enumerate(results)
        for entry in np.ndindex(*rows.shape[:-1])
    }


def entries_text(
    terms: Sequence[Entries],
    increments: Sequence[Increment],
    results: Sequence[Place],
    style: Style,
    degree: int | None = None,
) -> str:
    """The polynomial of every entry of the results; arrays in square brackets.

    ``degree`` is the one term that is written; all by default.
    """
    texts: dict[Place, str] = {}
    for key in terms[0]:
        own = [t[key] for t in terms]
        chosen = own if degree is None else [own[degree]]
        texts[key] = polynomial_text(chosen, increments, style, own)
    written = [_array_text(shape, (r,), texts) for r, shape in enumerate(results)]
    return written[0] if len(written) == 1 else f"({', '.join(written)})"


def _array_text(shape: Place, place: Place, texts: Mapping[Place, str]) -> str:
    if not shape:
        return texts[place]
    inner = [_array_text(shape[1:], (*place, i), texts) for i in range(shape[0])]
    return f"[{', '.join(inner)}]"
