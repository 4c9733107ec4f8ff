"""Polynomials in the entries of arrays: coefficients from tensors, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import factorial
from typing import Any

import numpy as np

from wengert.expr import Expr
from wengert.taylor.exact import Polynomial
from wengert.taylor.monomials import monomials, multiplicities
from wengert.taylor.writing import Increment, Style, largest_of, polynomial_text

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
            centre = Fraction(number) if number.is_integer() else number
            found.append(Increment(name, entry, exact.get(name, centre)))
    return found


def term_of(results: Sequence[Any], width: int, k: int) -> Entries:
    """The terms of degree k from the derivatives of order k; equal monomials are added up.

    Parameters
    ----------
    results : sequence of SymmetricTensor or array
        By result: its derivative by all entries of the point; for k = 0 the value.
    width : int
        The number of the point's entries.
    k : int
        The degree.
    """
    exponents = [
        tuple(np.bincount(m, minlength=width).tolist())  # pyright: ignore[reportUnknownMemberType]
        for m in monomials(width, k)
    ]
    times = multiplicities(width, k) / factorial(k)
    found: Entries = {}
    for r, result in enumerate(results):
        rows = result.entries if k else np.asarray(result)[..., None]
        for entry in np.ndindex(*rows.shape[:-1]):
            values = (rows[entry] * times).tolist()
            found[(r, *entry)] = dict(zip(exponents, values, strict=True))
    return found


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
        texts[key] = polynomial_text(chosen, increments, style, largest_of(own))
    written = [_array_text(shape, (r,), texts) for r, shape in enumerate(results)]
    return written[0] if len(written) == 1 else f"({', '.join(written)})"


def _array_text(shape: Place, place: Place, texts: Mapping[Place, str]) -> str:
    if not shape:
        return texts[place]
    inner = [_array_text(shape[1:], (*place, i), texts) for i in range(shape[0])]
    return f"[{', '.join(inner)}]"
