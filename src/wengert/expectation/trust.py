"""Whether a function is smooth where its Gaussian arguments have their mass.

A logarithm or a root ends where its argument is zero, a quotient has a pole there: the series
around the mean knows nothing of it. What is looked for are such zeros within a few standard
deviations of the mean, in the direction in which they are likeliest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from wengert.expectation.polynomials import degrees_of
from wengert.expectation.subject import Subject
from wengert.expectation.terms import directions_of, is_gaussian, number_of_jets
from wengert.expr import Expr, topological
from wengert.operations import add, ones
from wengert.operations.scalar_functions import LOG, LOG1P
from wengert.operations.structure import exponent_of, is_positive, is_power
from wengert.primitive import Primitive
from wengert.rewrite import recognise
from wengert.shapes import concrete
from wengert.transforms.jets import jets_along
from wengert.transforms.recording import Recorded

_DEVIATIONS = 4.0  # beyond it lies a ten-thousandth of the mass
_MOST = 10**7  # numbers that one look may take

_EDGES: Mapping[Primitive, Callable[[Expr], Expr]] = MappingProxyType(
    {LOG: lambda x: x, LOG1P: lambda x: add([ones(x.shape), x])}
)


def edges_within(subject: Subject) -> list[str]:
    """Where the function ends or has a pole within the mass of Gaussian arguments, in sentences."""
    if not is_gaussian(subject):
        return []
    roots = [recognise(r) for r in subject.recorded.roots]
    degrees = degrees_of(roots, subject.recorded.leaves)
    found: dict[str, None] = {}
    for node in topological(*roots):
        edge = None if degrees[node] is not None else _edge(node)
        if edge is None or degrees_of([edge], subject.recorded.leaves)[edge] == 0:
            continue
        deviations = _deviations(subject, edge)
        if deviations is not None:
            found[_sentence(node, deviations)] = None
    return list(found)


def _edge(node: Expr) -> Expr | None:
    """The expression whose zero is the end of a node's domain or a pole; None if there is none."""
    if is_power(node):
        exponent = exponent_of(node)
        smooth = exponent.denominator == 1 and exponent > 0
        edge = None if smooth else node.operands[0]
    else:
        edge = _EDGES[node.primitive](node.operands[0]) if node.primitive in _EDGES else None
    return None if edge is None or is_positive(edge) else edge


def _sentence(node: Expr, deviations: float) -> str:
    pole = is_power(node) and exponent_of(node).denominator == 1
    name = "a root" if is_power(node) else node.name
    what = "a quotient has a pole" if pole else f"{name} ends"
    return (
        f"{what} {deviations:.2g} standard deviations from the mean, within the mass of the "
        "distribution: the expectation may not exist, and the series does not know"
    )


def _deviations(subject: Subject, edge: Expr) -> float | None:
    """How many standard deviations away an expression is zero; None if that is far."""
    if number_of_jets(subject, 2) * (prod(concrete(edge.shape)) + subject.size) > _MOST:
        return None
    rows = np.concatenate(
        [np.zeros((0, subject.size)), *(d.rows for d in directions_of(subject, 2))]
    )
    if not len(rows):
        return None
    recorded = replace(subject.recorded, roots=(edge,), dtypes=(np.dtype(float),))
    (series,) = jets_along(recorded, subject.split(rows), 1)
    values, slopes = series[0][0].reshape(-1), series[1].reshape(len(rows), -1)
    spread = np.sqrt(np.sum(slopes**2, axis=0))
    ratios = np.divide(np.abs(values), spread, out=np.full(len(values), np.inf), where=spread > 0)
    nearest = int(np.argmin(ratios)) if len(ratios) else 0
    if not len(ratios) or ratios[nearest] > _DEVIATIONS:
        return None
    towards = -np.sign(values[nearest]) * slopes[:, nearest] @ rows / spread[nearest]
    beyond = _moved(subject, recorded, _DEVIATIONS * towards).reshape(-1)[nearest]
    changes = not beyond * values[nearest] > 0
    return float(ratios[nearest]) if changes else None


def _moved(subject: Subject, recorded: Recorded, by: Any) -> Any:
    """The value at the mean plus a step."""
    steps = subject.split(by[None, :])
    arguments = tuple(a + s[0] for a, s in zip(recorded.arguments, steps, strict=True))
    moved = replace(recorded, arguments=arguments)
    return np.asarray(moved.finish(moved.roots, moved.dtypes)[0])
