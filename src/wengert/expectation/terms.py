"""The terms of an expectation's series: by jets along weighted directions, or by contractions.

Jets: E of the k-th term is Σ_b w_kb jet_k(v_b) over directions v_b (:mod:`.rules`), in batches of
bounded memory. Contractions: of derivatives' expressions with the covariance (:mod:`.coupling`),
which cost little where the derivatives are structured.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from wengert.backends import plan_of
from wengert.errors import DomainError, WengertError
from wengert.expectation.coupling import Couplings, couplings_of
from wengert.expectation.distributions import Draws, Normal
from wengert.expectation.estimate import Cost
from wengert.expectation.rules import UNBOUNDED, number_of_nodes, product_rule
from wengert.expectation.subject import Group, Subject
from wengert.expr import Expr, topological
from wengert.rewrite import recognise
from wengert.transforms.jets import jets_along

MOST_JETS = 300_000  # beyond it nobody waits
_BATCH = 2**23  # numbers that a batch of jets may hold
_MOST_ENTRIES = 2**28  # of all directions together
_FEW_JETS = 32  # up to which contractions are not even tried
_MOST_NODES = 150  # of an expression whose higher derivatives are contracted

Flat = list[Any]


@dataclass(frozen=True, eq=False)
class Terms:
    """E of the terms of orders 0, 1, ..., each as one array a result; and what they cost."""

    by_order: list[Flat]
    cost: Cost


@dataclass(frozen=True, eq=False)
class Directions:
    """Directions over all entries, and their weights by order."""

    rows: Any
    weights: Any


@dataclass(frozen=True, eq=False)
class Atoms:
    """Independent scalars with mean 0 and variance 1, and the directions that they move along."""

    rows: Any
    moments: Any

    @property
    def even(self) -> bool:
        """Are all odd moments zero?"""
        return not np.any(self.moments[:, 1::2])

    @property
    def shared(self) -> bool:
        """Are they distributed alike?"""
        return bool(np.all(self.moments == self.moments[:1]))


# ---------------------------------------------------------------- what is random, as directions


def is_atomic(group: Group) -> bool:
    """Is a group made of independent scalars along directions?"""
    return isinstance(group.distribution, Normal) or group.distribution.independent


def is_gaussian(subject: Subject) -> bool:
    """Are all variables Gaussian?"""
    return all(isinstance(g.distribution, Normal) for g in subject.groups)


def is_even(subject: Subject, order: int) -> bool:
    """Are all odd central moments zero, up to an order?"""
    for group in subject.groups:
        if isinstance(group.distribution, Normal):
            continue
        if not group.distribution.independent:
            return False
        if np.any(group.distribution.central_moments(order)[1::2]):
            return False
    return True


def number_of_jets(subject: Subject, order: int) -> int:
    """How many directions an order takes; at least as many as anyone waits for, if too many."""
    total = 0
    atomic = [g for g in subject.groups if is_atomic(g)]
    together = sum(_rank(g) for g in atomic)
    if together and order >= 2:
        if order < 4:
            total += together
        else:
            _check_entries(together, subject.size)
            atoms = _atoms(subject, order)
            total += number_of_nodes(together, order, even=atoms.even, shared=atoms.shared)
    for group in subject.groups:
        if not is_atomic(group):
            size = group.covariance.size
            draws = len(group.distribution.draws) if isinstance(group.distribution, Draws) else 0
            total += min(size, draws) if order == 2 else draws
    return min(total, UNBOUNDED)


def _rank(group: Group) -> int:
    if group.covariance.diagonal:
        return int(np.count_nonzero(group.covariance.variances()))
    return len(group.covariance.directions())


def _check_entries(rows: int, size: int) -> None:
    if rows * size > _MOST_ENTRIES:
        raise WengertError(
            f"{rows:,} directions in a space of {size:,} dimensions do not fit in memory; give a "
            "covariance of low rank (wg.LowRankCovariance), or take order 2"
        )


def directions_of(subject: Subject, order: int) -> list[Directions]:
    """Directions with weights whose jets give the terms up to an order.

    Raises
    ------
    WengertError
        If there are too many, with the remedy.
    DomainError
        If a moment does not exist.
    """
    found: list[Directions] = []
    separate = [g for g in subject.groups if not is_atomic(g)]
    if separate and order >= 4 and len(subject.groups) > 1:
        raise WengertError(
            "orders from 4 on mix the moments of the variables; a sample of several entries beside "
            "other random variables goes up to order 3: draw from the others too, and give all as "
            "one wg.Draws"
        )
    number = number_of_jets(subject, order)
    if number > MOST_JETS:
        shown = f"{number:,}" if number < UNBOUNDED else "millions of"
        raise WengertError(
            f"order {order} in {subject.size} random entries takes {shown} jets; take a lower "
            "order, a covariance of low rank (wg.LowRankCovariance), or Monte Carlo"
        )
    atoms = _atoms(subject, order)
    if len(atoms.rows):
        if order < 4:
            weights = np.zeros((order + 1, len(atoms.rows)))
            weights[2:] = atoms.moments.T[2:]
            found.append(Directions(atoms.rows, weights))
        else:
            rule = product_rule(atoms.moments, order, even=atoms.even, shared=atoms.shared)
            found.append(Directions(rule.nodes @ atoms.rows, rule.weights))
    return [*found, *(_of_sample(subject, g, order) for g in separate)]


def _of_sample(subject: Subject, group: Group, order: int) -> Directions:
    """A sample's own deviations, or its covariance where only that matters and is smaller."""
    assert isinstance(group.distribution, Draws)
    deviations = group.distribution.deviations.reshape(len(group.distribution.draws), -1)
    if order < 3 and len(deviations) > deviations.shape[1]:
        rows = group.covariance.directions()
        weights = np.ones((order + 1, len(rows)))
    else:
        rows = deviations
        weights = np.full((order + 1, len(rows)), 1 / len(rows))
    weights[:2] = 0.0
    placed = np.zeros((len(rows), subject.size))
    placed[:, subject.columns(group)] = rows
    return Directions(placed, weights)


def _atoms(subject: Subject, order: int) -> Atoms:
    rows: list[Any] = [np.zeros((0, subject.size))]
    moments: list[Any] = [np.zeros((0, order + 1))]
    for group in filter(is_atomic, subject.groups):
        own, its = _atoms_of(group, order)
        _check_entries(len(own), subject.size)
        placed = np.zeros((len(own), subject.size))
        placed[:, subject.columns(group)] = own
        rows.append(placed)
        moments.append(its)
    return Atoms(np.concatenate(rows), np.concatenate(moments))


def _atoms_of(group: Group, order: int) -> tuple[Any, Any]:
    """Directions, and the moments of the scalars along them by row."""
    rows = group.covariance.directions()
    if isinstance(group.distribution, Normal):
        normal = Normal(0.0).central_moments(order)
        return rows, np.broadcast_to(normal, (len(rows), order + 1))
    variances = group.covariance.variances()
    central = group.distribution.central_moments(order).reshape(order + 1, -1)[:, variances > 0]
    roots = np.sqrt(variances[variances > 0])
    return rows, (central / roots ** np.arange(order + 1)[:, None]).T


# ---------------------------------------------------------------- terms


def terms_of(subject: Subject, order: int) -> Terms:
    """The terms up to an order, found the cheaper way.

    Raises
    ------
    WengertError
        If both ways take too long, with the remedy.
    """
    contracted = _by_contractions(subject, order)
    if contracted is not None:
        return contracted
    recorded = subject.recorded
    means = [np.asarray(v, float) for v in recorded.finish(recorded.roots, recorded.dtypes)]
    by_order = [means] + [[np.zeros_like(m) for m in means] for _ in range(order)]
    number = 0
    for directions in directions_of(subject, order) if order > 1 else []:
        _add_jets(subject, directions, order, by_order)
        number += len(directions.rows)
    return Terms(by_order, Cost(number, order if number else 0))


def _add_jets(
    subject: Subject, directions: Directions, order: int, by_order: list[Flat]
) -> None:
    entries = sum(prod(n.shape) for n in topological(*subject.recorded.roots))  # pyright: ignore
    batch = max(1, int(_BATCH // ((order + 1) * max(entries, 1))))
    for start in range(0, len(directions.rows), batch):
        rows = directions.rows[start : start + batch]
        weights = directions.weights[:, start : start + batch]
        results = jets_along(subject.recorded, subject.split(rows), order)
        for j, series in enumerate(results):
            for k in range(2, order + 1):
                by_order[k][j] = by_order[k][j] + np.tensordot(weights[k], series[k], 1)


def _by_contractions(subject: Subject, order: int) -> Terms | None:
    """The terms by contractions, if the derivatives' structure makes them cheaper than jets."""
    if order < 2 or not (order == 2 or is_gaussian(subject)):
        return None
    jets = _jets_or_many(subject, order)
    if jets <= _FEW_JETS:
        return None
    recorded = subject.recorded
    size = len(topological(*recorded.roots))
    if order >= 4 and size > _MOST_NODES:
        return None
    couplings = couplings_of(subject)
    exprs = _contractions(recorded.roots, couplings.terms, order)
    own = plan_of(recorded.roots).flops + 1
    if plan_of(exprs).flops > jets * own * (order + 1) * (order + 2) / 2:
        return None
    arrays = recorded.finish(exprs, [np.dtype(float)] * len(exprs), couplings.values)
    zeros = [np.zeros(r.shape) for r in recorded.roots]
    width = len(recorded.roots)
    even = [arrays[k : k + width] for k in range(0, len(arrays), width)]
    by_order = [even[k // 2] if k % 2 == 0 else zeros for k in range(order + 1)]
    return Terms(by_order, Cost(0, 0, order // 2))


def _jets_or_many(subject: Subject, order: int) -> int:
    try:
        return number_of_jets(subject, order)
    except WengertError as error:
        if isinstance(error, DomainError):
            raise
        return UNBOUNDED


@lru_cache(maxsize=128)
def _contractions(roots: tuple[Expr, ...], terms: Any, order: int) -> tuple[Expr, ...]:
    couplings = Couplings(terms)
    series = [couplings.series(recognise(root), order) for root in roots]
    return tuple(expr for same in zip(*series, strict=True) for expr in same)

