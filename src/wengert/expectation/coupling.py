"""Covariances within expressions: contractions with Σ that keep its structure.

For a function f, Σ_ij Σ_ij ∂ᵢ∂ⱼ f is a contraction of the second derivative's expression with the
few arrays that Σ is made of; deltas vanish before anything is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from wengert.derive import jacobians
from wengert.expectation.covariance import (
    Covariance,
    DiagonalCovariance,
    KroneckerCovariance,
    LowRankCovariance,
)
from wengert.expectation.subject import Group, Subject
from wengert.expr import Expr
from wengert.operations import add, contract, variable, zeros
from wengert.shapes import concrete

Labels = tuple[int, ...]


@dataclass(frozen=True)
class Coupling:
    """One term of the covariance between two arguments: a product of arrays with labels.

    Labels 0, 1, ... are the axes of the first argument, then those of the second, then sums.
    """

    first: Expr
    second: Expr
    arrays: tuple[tuple[Expr, Labels], ...]
    tied: bool = False  # the second argument's labels are the first's: a diagonal

    def labels(self) -> tuple[Labels, Labels]:
        """Of the axes of the first and the second argument."""
        rows = tuple(range(self.first.ndim))
        if self.tied:
            return rows, rows
        return rows, tuple(range(self.first.ndim, self.first.ndim + self.second.ndim))


@dataclass(frozen=True, eq=False)
class Couplings:
    """All of a covariance, with the values of its arrays."""

    terms: tuple[Coupling, ...]
    values: dict[Expr, Any] = field(default_factory=dict[Expr, Any])

    def trace(self, root: Expr) -> Expr:
        """Σ_ij Σ_ij ∂ᵢ∂ⱼ f, of the shape of f."""
        parts: list[Expr] = []
        for term in self.terms:
            ((first,),) = jacobians([root], [term.first], "auto")
            ((second,),) = jacobians([first], [term.second], "auto")
            rows, columns = term.labels()
            parts.append(_contracted([second], [rows + columns], root.ndim, term))
        return add(parts) if parts else zeros(root.shape)

    def pair(self, one: Expr, other: Expr) -> Expr:
        """Σ_ij ∂ᵢf Σ_ij ∂ⱼg of two functions of one shape, entry by entry."""
        parts: list[Expr] = []
        for term in self.terms:
            ((left,),) = jacobians([one], [term.first], "auto")
            ((right,),) = jacobians([other], [term.second], "auto")
            rows, columns = term.labels()
            parts.append(_contracted([left, right], [rows, columns], one.ndim, term))
        return add(parts) if parts else zeros(one.shape)


def _contracted(
    derivatives: Sequence[Expr], labels: Sequence[Labels], lead: int, term: Coupling
) -> Expr:
    """A contraction that keeps the function's own axes, which lead in each derivative."""
    out = tuple(range(lead))
    operands = [*derivatives, *(array for array, _ in term.arrays)]
    axes = [out + tuple(x + lead for x in own) for own in labels]
    axes += [tuple(x + lead for x in own) for _, own in term.arrays]
    return contract(operands, axes, out)


# ---------------------------------------------------------------- from covariances


def couplings_of(subject: Subject) -> Couplings:
    """The covariance of a function's arguments."""
    terms: list[Coupling] = []
    values: dict[Expr, Any] = {}
    for number, group in enumerate(subject.groups):
        for term, arrays in _of_group(subject, group, f"·cov{number}"):
            terms.append(term)
            values.update(arrays)
    return Couplings(tuple(terms), values)


def _of_group(subject: Subject, group: Group, name: str) -> list[tuple[Coupling, dict[Expr, Any]]]:
    leaves = [subject.recorded.leaves[k] for k in group.leaves]
    if len(leaves) > 1:
        return _joint(leaves, group.covariance.dense(), name)
    return _of_leaf(leaves[0], group.covariance, name)


def _of_leaf(
    leaf: Expr, covariance: Covariance, name: str
) -> list[tuple[Coupling, dict[Expr, Any]]]:
    rank = leaf.ndim
    if covariance.diagonal and not isinstance(covariance, LowRankCovariance):
        return [_diagonal(leaf, covariance.variances(), name)]
    if isinstance(covariance, LowRankCovariance):
        factor = variable(f"{name}.factor", (*leaf.shape, np.shape(covariance.factor)[1]))
        rows, columns = tuple(range(rank)), tuple(range(rank, 2 * rank))
        arrays = ((factor, (*rows, 2 * rank)), (factor, (*columns, 2 * rank)))
        value = np.asarray(covariance.factor, float).reshape(concrete(factor.shape))
        own = DiagonalCovariance(covariance.variances() - np.sum(np.square(covariance.factor), 1))
        found = [(Coupling(leaf, leaf, arrays), {factor: value})]
        return (
            [*found, _diagonal(leaf, own.entries, f"{name}.own")] if np.any(own.entries) else found
        )
    if isinstance(covariance, KroneckerCovariance):
        factors = [variable(f"{name}.{k}", (n, n)) for k, n in enumerate(leaf.shape)]
        arrays = tuple((f, (k, rank + k)) for k, f in enumerate(factors))
        values = {f: np.asarray(a, float) for f, a in zip(factors, covariance.factors, strict=True)}
        return [(Coupling(leaf, leaf, arrays), values)]
    return _joint([leaf], covariance.dense(), name)


def _diagonal(leaf: Expr, variances: Any, name: str) -> tuple[Coupling, dict[Expr, Any]]:
    entries = variable(f"{name}.variances", leaf.shape)
    rows = tuple(range(leaf.ndim))
    values = {entries: np.asarray(variances, float).reshape(concrete(leaf.shape))}
    return Coupling(leaf, leaf, ((entries, rows),), tied=True), values


def _joint(leaves: Sequence[Expr], dense: Any, name: str) -> list[tuple[Coupling, dict[Expr, Any]]]:
    """A dense covariance, block by block of its variables."""
    cuts = np.concatenate([[0], np.cumsum([prod(concrete(leaf.shape)) for leaf in leaves])])
    found: list[tuple[Coupling, dict[Expr, Any]]] = []
    for i, one in enumerate(leaves):
        for j, other in enumerate(leaves):
            block = dense[cuts[i] : cuts[i + 1], cuts[j] : cuts[j + 1]]
            if not np.any(block):
                continue
            weight = variable(f"{name}.{i}.{j}", (*one.shape, *other.shape))
            labels = tuple(range(one.ndim + other.ndim))
            values = {weight: block.reshape(concrete(weight.shape))}
            found.append((Coupling(one, other, ((weight, labels),)), values))
    return found
