"""Rules for expectations: Gauss rules of any distribution, products, sparse grids, sigma points.

Random inputs are an affine image of independent latent variables of mean 0: the principal axes of
Gaussian groups, and the other entries themselves. Every rule is nodes for the latent variables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import comb
from typing import Any

import numpy as np

from wengert.errors import DomainError
from wengert.expectation.distributions import Independent, Normal
from wengert.expectation.inputs import Inputs
from wengert.expectation.moments import central_moments, points_of
from wengert.expectation.report import listed

_FOR_THE_VARIANCE = 2  # nodes


@dataclass(frozen=True, eq=False)
class Rule:
    """Nodes with weights.

    Attributes
    ----------
    nodes : ndarray of shape (nodes,) or (nodes, variables)
        Where.
    weights : ndarray of shape (nodes,)
        They sum to 1; some of a sparse grid's are negative.
    """

    nodes: Any
    weights: Any

    def __len__(self) -> int:
        return len(self.weights)


Univariate = Callable[[int], Rule]


@dataclass(frozen=True, eq=False)
class Latents:
    """Independent latent variables of mean 0, and the inputs as their affine image.

    Attributes
    ----------
    rules : tuple of callable
        One a variable: its Gauss rule of so many nodes.
    directions : ndarray of shape (variables, n)
        What a unit of each adds to the inputs.
    mean : ndarray of shape (n,)
        Of the inputs.
    labels : tuple of str
        Of the variables.
    """

    rules: tuple[Univariate, ...]
    directions: Any
    mean: Any
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rules)

    def points(self, rule: Rule) -> Any:
        """The nodes as values of the inputs, of shape ``(nodes, n)``."""
        return self.mean + rule.nodes @ self.directions


# ---------------------------------------------------------------- one variable


@lru_cache(maxsize=64)
def gauss_normal(count: int) -> Rule:
    """The Gauss rule of the standard normal distribution, exact to degree 2 count − 1.

    >>> rule = gauss_normal(3)
    >>> round(float(rule.weights @ rule.nodes**4), 12)
    3.0
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return Rule(nodes, weights / weights.sum())


def gauss_of(component: Any) -> Univariate:
    """The Gauss rules of a frozen scalar distribution of scipy.stats, minus its mean.

    By Lanczos' algorithm on a fine discretisation by quantiles (Golub and Welsch 1969; Gautschi
    2004); of a discrete distribution, on its values. More than two nodes are an error where a
    moment that the rule is to be exact for does not exist.
    """

    @lru_cache(maxsize=64)
    def rule(count: int) -> Rule:
        if count > _FOR_THE_VARIANCE:
            central_moments(component, 2 * count - 1)  # an error if one does not exist
        deviations, weights = points_of(component, 2 * count)
        kept = weights > 0
        return _gauss_of_points(Rule(deviations[kept], weights[kept] / weights.sum()), count)

    return rule


def _gauss_of_points(fine: Rule, count: int) -> Rule:
    """The Gauss rule of a discrete measure; all of it if it has no more points."""
    if len(fine) <= count:
        return fine
    x, w = fine.nodes, fine.weights
    basis = np.empty((count, len(x)))  # orthonormal for the measure, with √w multiplied in
    basis[0] = np.sqrt(w)
    diagonal, beside = np.empty(count), np.empty(count)
    for k in range(count):
        diagonal[k] = basis[k] @ (x * basis[k])
        if k + 1 == count:
            break
        following = x * basis[k]
        for _ in range(2):  # orthogonalised against all, twice: Lanczos forgets them
            following = following - basis[: k + 1].T @ (basis[: k + 1] @ following)
        beside[k] = np.linalg.norm(following)
        basis[k + 1] = following / beside[k]
    jacobi = np.diag(diagonal) + np.diag(beside[: count - 1], 1) + np.diag(beside[: count - 1], -1)
    nodes, vectors = np.linalg.eigh(jacobi)
    return Rule(nodes, vectors[0] ** 2)


# ---------------------------------------------------------------- latent variables


def latents_of(inputs: Inputs) -> Latents:
    """The latent variables of inputs.

    Raises
    ------
    DomainError
        If there are entries that depend on each other and are not Gaussian.
    """
    inputs.refuse_unknown()
    rules: list[Univariate] = []
    rows: list[Any] = []
    labels: list[str] = []
    for group in inputs.groups:
        names = [inputs.labels[int(k)] for k in group.places]
        if isinstance(group.distribution, Normal):
            own = group.distribution.covariance.directions()
            rules += [gauss_normal] * len(own)
            labels += [_label(row, names) for row in own]
        elif isinstance(group.distribution, Independent):
            components = scalar_components(group.distribution)
            moving = [k for k, c in enumerate(components) if c.var() > 0]
            own = np.eye(len(components))[moving]
            rules += [gauss_of(components[k]) for k in moving]
            labels += [names[k] for k in moving]
        else:
            raise DomainError(
                f"there is no rule for {', '.join(names)}: rules are for Gaussians and for "
                "independent distributions of scipy.stats; use Monte Carlo"
            )
        wide = np.zeros((len(own), inputs.size))
        wide[:, group.places] = own
        rows.append(wide)
    return Latents(tuple(rules), np.concatenate(rows), inputs.mean, tuple(labels))


def _label(row: Any, names: Sequence[str]) -> str:
    moving = [name for name, entry in zip(names, row, strict=True) if entry]
    return moving[0] if len(moving) == 1 else f"an axis of {listed(moving, 2)}"


def scalar_components(distribution: Independent) -> list[Any]:
    """One frozen scalar distribution an entry; those with array parameters are taken apart."""
    found: list[Any] = []
    for component in np.array(distribution.components, dtype=object).ravel():
        shape = np.shape(component.mean())
        if not shape:
            found.append(component)
            continue
        args = [np.broadcast_to(a, shape) for a in component.args]
        named = {k: np.broadcast_to(v, shape) for k, v in component.kwds.items()}
        found += [
            component.dist(*(a[i] for a in args), **{k: v[i] for k, v in named.items()})
            for i in np.ndindex(*shape)
        ]
    return found


# ---------------------------------------------------------------- several variables


def tensor_rule(latents: Latents, count: int) -> Rule:
    """The product of Gauss rules of ``count`` nodes, exact to degree 2 count − 1 in each."""
    return _product([rule(count) for rule in latents.rules])


def _product(rules: Sequence[Rule]) -> Rule:
    if not rules:
        return Rule(np.zeros((1, 0)), np.ones(1))
    grids = np.meshgrid(*(r.nodes for r in rules), indexing="ij")
    weights = np.ones(())
    for r in rules:
        weights = np.multiply.outer(weights, r.weights)
    return Rule(np.stack([g.ravel() for g in grids], axis=-1), weights.ravel())


def sparse_size(variables: int, level: int) -> int:
    """No fewer than the nodes of the sparse grid before equal ones are merged."""
    return sum(
        int(np.prod([1 + a for a in active])) * comb(variables, len(active))
        for active in _active(level, variables)
    )


def sparse_rule(latents: Latents, level: int) -> Rule:
    """Smolyak's sparse grid of Gauss rules of 1, 2, 3, ... nodes.

    Exact to total degree 2 level + 1 (Novak and Ritter 1999); by the combination of products,
    Σ (−1)^(level−|a|) C(d−1, level−|a|) ⊗ U_(1+a_i) over |a| from level − d + 1 to level.
    """
    d = len(latents)
    nodes: list[Any] = []
    weights: list[Any] = []
    centres = [float(rule(1).nodes[0]) for rule in latents.rules]
    for total in range(max(0, level - d + 1), level + 1):
        sign = (-1.0) ** (level - total) * comb(d - 1, level - total)
        for places, extra in _compositions(total, d):
            part = _product([latents.rules[p](1 + a) for p, a in zip(places, extra, strict=True)])
            full = np.tile(centres, (len(part), 1))
            full[:, list(places)] = part.nodes
            nodes.append(full)
            weights.append(sign * part.weights)
    return _merged(np.concatenate(nodes), np.concatenate(weights))


def _merged(nodes: Any, weights: Any) -> Rule:
    """Equal nodes once (up to rounding), with the sums of their weights."""
    scale = np.max(np.abs(nodes), axis=0, initial=0.0) + (np.max(np.abs(nodes), axis=0) == 0)
    keys = np.round(nodes / scale, 12) + 0.0
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    sums = np.bincount(inverse.ravel(), weights, minlength=len(first))
    kept = np.abs(sums) > 1e-15
    return Rule(nodes[first[kept]], sums[kept])


def _active(total: int, variables: int) -> Iterator[tuple[int, ...]]:
    """The positive parts of compositions of numbers up to a total, by variables that are active."""
    for length in range(min(total, variables) + 1):
        yield from (c for c in product(range(1, total + 1), repeat=length) if sum(c) <= total)


def _compositions(total: int, d: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The ways to write a total as a sum over d places: places that are not 0, and parts."""
    if total == 0:
        yield (), ()
        return

    def extend(places: tuple[int, ...], parts: tuple[int, ...], left: int) -> Any:
        if left == 0:
            yield places, parts
            return
        for place in range(places[-1] + 1 if places else 0, d):
            for part in range(1, left + 1):
                yield from extend((*places, place), (*parts, part), left - part)

    yield from extend((), (), total)


def sigma_points(
    mean: Any, directions: Any, alpha: float = 1.0, beta: float = 0.0, kappa: float | None = None
) -> tuple[Any, Any, Any]:
    """The scaled unscented transform (Julier and Uhlmann 1997; Julier 2002).

    Parameters
    ----------
    mean : ndarray of shape (n,)
        Of the inputs.
    directions : ndarray of shape (d, n)
        With the covariance Σ = Σ_r d_r d_rᵀ.
    alpha, beta : float
        The spread of the points, and what is added to the centre's weight for the covariance.
    kappa : float, optional
        By default 3 − d, which has a Gaussian's fourth moments along the axes, but no less than 0.

    Returns
    -------
    tuple of ndarray
        The 2d + 1 points, their weights for the mean and those for the covariance.
    """
    d = len(directions)
    own = max(3 - d, 0) if kappa is None else kappa
    spread = alpha**2 * (d + own)
    if d and not spread > 0:
        raise ValueError(f"alpha² (d + kappa) must be positive; it is {spread:g}")
    steps = np.sqrt(spread) * directions
    points = np.concatenate([[mean], mean + steps, mean - steps])
    weights = np.full(2 * d + 1, 0.5 / spread if d else 0.0)
    weights[0] = 1 - d / spread if d else 1.0
    around = weights.copy()
    around[0] += 1 - alpha**2 + beta
    return points, weights, around
