"""Polynomials in the entries of arrays: coefficients from tensors, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np

from wengert.expr import Expr
from wengert.taylor.exact import Polynomial
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


def term_of(
    blocks: Sequence[Any], results: Sequence[Place], shapes: Sequence[Place], k: int
) -> Entries:
    """The terms of degree k from coefficient tensors; equal monomials are added up.

    Parameters
    ----------
    blocks : sequence of array
        By result, first leaf of the point, second leaf and so on.
    results, shapes : sequence of tuple of int
        Shapes of the results, and of the point's leaves.
    k : int
        The degree.
    """
    width = sum(map(prod, shapes))
    numbers = iter(range(width))
    entries = [[next(numbers) for _ in range(prod(s))] for s in shapes]
    choices = list(product(range(len(shapes)), repeat=k))
    found: Entries = {}
    for r, shape in enumerate(results):
        for entry in np.ndindex(*shape):
            own: Polynomial = {}
            for choice, block in zip(choices, blocks[r * len(choices) :], strict=False):
                places_of = product(*(entries[leaf] for leaf in choice))
                values: list[float] = np.ravel(np.asarray(block)[entry]).tolist()
                for places, c in zip(places_of, values, strict=True):
                    monomial = tuple(places.count(i) for i in range(width))
                    own[monomial] = own.get(monomial, 0.0) + c
            found[(r, *entry)] = own
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
