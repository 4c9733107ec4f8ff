"""The terms of an expectation's series: by jets along weighted directions, or by contractions.

Jets: E of the k-th term is Σ_b w_kb jet_k(v_b) over directions v_b (:mod:`.rules`), in batches of
bounded memory. Contractions: of derivatives' expressions with the covariance (:mod:`.coupling`),
which cost little where the derivatives are structured.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from wengert.backends import plan_of
from wengert.errors import WengertError
from wengert.expectation.coupling import Coupling, Couplings, couplings_of
from wengert.expectation.distributions import Draws, Normal
from wengert.expectation.estimate import Cost
from wengert.expectation.rules import UNBOUNDED, number_of_nodes, product_rule
from wengert.expectation.subject import Group, Subject
from wengert.expr import Expr, topological
from wengert.operations import scale
from wengert.rewrite import recognise
from wengert.shapes import concrete
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
    """How many directions an order takes; UNBOUNDED if too many to tell."""
    if order < 2:
        return 0
    total = 0
    atomic = [g for g in subject.groups if is_atomic(g)]
    together = sum(map(_rank, atomic))
    if order < 4 or not together:
        total += together
    else:
        atoms = Atoms(None, np.concatenate([_moments_of(g, order, 1) for g in atomic]))
        total += number_of_nodes(together, order, even=atoms.even, shared=atoms.shared)
    for group in subject.groups:
        if not is_atomic(group):
            draws = len(group.distribution.draws) if isinstance(group.distribution, Draws) else 0
            total += min(group.covariance.size, draws) if order == 2 else draws
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
        shown = f"{number:,}" if number < UNBOUNDED else "too many"
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
        _check_entries(_rank(group), subject.size)
        own = group.covariance.directions()
        placed = np.zeros((len(own), subject.size))
        placed[:, subject.columns(group)] = own
        rows.append(placed)
        moments.append(_moments_of(group, order, len(own)))
    return Atoms(np.concatenate(rows), np.concatenate(moments))


def _moments_of(group: Group, order: int, repeated: int) -> Any:
    """Moments of the scalars along a group's directions, by row: those of Gaussians repeated."""
    if isinstance(group.distribution, Normal):
        return np.tile(Normal(0.0).central_moments(order), (repeated, 1))
    variances = group.covariance.variances()
    central = group.distribution.central_moments(order).reshape(order + 1, -1)[:, variances > 0]
    roots = np.sqrt(variances[variances > 0])
    return (central / roots ** np.arange(order + 1)[:, None]).T


# ---------------------------------------------------------------- terms


@dataclass(frozen=True, eq=False)
class Way:
    """How the terms up to an order are found.

    Attributes
    ----------
    jets : int
        Along how many directions; 0 for contractions.
    contractions : tuple of Expr
        The terms of even orders, one a result, order after order; empty for jets.
    values : dict
        Of the arrays that the covariance is made of.
    work : float
        Operations that it takes, about.
    """

    order: int
    jets: int
    contractions: tuple[Expr, ...]
    values: dict[Expr, Any]
    work: float


def way_of(subject: Subject, order: int) -> Way:
    """The cheaper way to the terms up to an order, by jets or by contractions."""
    recorded = subject.recorded
    number = number_of_jets(subject, order)
    own = plan_of(recorded.roots).flops + _entries(recorded.roots)
    by_jets = Way(order, number, (), {}, number * own * (order + 1) * (order + 2) / 2)
    if number <= _FEW_JETS or order < 2 or not (order == 2 or is_gaussian(subject)):
        return by_jets
    couplings = couplings_of(subject)
    exprs = _contractions(recorded.roots, couplings.terms, order)
    if exprs is None:
        return by_jets
    work = plan_of(exprs).flops + _entries(exprs)
    return by_jets if work > by_jets.work else Way(order, 0, exprs, couplings.values, work)


@lru_cache(maxsize=128)
def _contractions(
    roots: tuple[Expr, ...], terms: tuple[Coupling, ...], order: int
) -> tuple[Expr, ...] | None:
    """The terms of even orders as contractions; None if their expressions grow too long."""
    if order > 2 and len(topological(*roots)) > _MOST_NODES:
        return None
    couplings = Couplings(terms)
    last = list(map(recognise, roots))
    found = list(last)
    for m in range(1, order // 2 + 1):
        last = [scale(Fraction(1, 2 * m), couplings.trace(e)) for e in last]
        if m > 1 and len(topological(*last)) > _MOST_NODES:
            return None
        found += last
    return tuple(found)


def _entries(roots: tuple[Expr, ...]) -> int:
    return sum(prod(concrete(n.shape)) for n in topological(*roots))


def terms_of(subject: Subject, way: Way) -> Terms:
    """The terms up to an order.

    Raises
    ------
    WengertError
        If it takes too long, with the remedy.
    """
    recorded, order = subject.recorded, way.order
    if way.contractions:
        real = [np.dtype(float)] * len(way.contractions)
        arrays = recorded.finish(way.contractions, real, way.values)
        zeros = [np.zeros(concrete(r.shape)) for r in recorded.roots]
        even = [arrays[k : k + len(zeros)] for k in range(0, len(arrays), len(zeros))]
        by_order = [zeros if k % 2 else even[k // 2] for k in range(order + 1)]
        return Terms(by_order, Cost(0, 0, order // 2))
    means = [np.asarray(v, float) for v in recorded.finish(recorded.roots, recorded.dtypes)]
    by_order = [means, *([np.zeros_like(m) for m in means] for _ in range(order))]
    for directions in directions_of(subject, order) if order > 1 else []:
        _add_jets(subject, directions, order, by_order)
    return Terms(by_order, Cost(way.jets, order if way.jets else 0))


def _add_jets(subject: Subject, directions: Directions, order: int, by_order: list[Flat]) -> None:
    entries = _entries(subject.recorded.roots)
    batch = max(1, int(_BATCH // ((order + 1) * max(entries, 1))))
    for start in range(0, len(directions.rows), batch):
        rows = directions.rows[start : start + batch]
        weights = directions.weights[:, start : start + batch]
        results = jets_along(subject.recorded, subject.split(rows), order)
        for j, series in enumerate(results):
            for k in range(2, order + 1):
                by_order[k][j] = by_order[k][j] + np.tensordot(weights[k], series[k], 1)
