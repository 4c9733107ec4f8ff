"""The inputs of a propagation: distributions by name, correlations and constants, as one vector."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from wengert.errors import DomainError, NameClashError, ShapeError
from wengert.expectation.covariance import covariance_of
from wengert.expectation.distributions import Distribution, Draws, Normal, as_distribution
from wengert.expectation.report import entry_labels, listed
from wengert.formulas import Formula
from wengert.taylor.subject import Source, function_of
from wengert.transforms.recording import check_callable

_LEAST, _LARGEST = 1e-150, 1e150  # standard uncertainties whose squares keep their digits

Correlations = Mapping[tuple[str, str], float] | Any


@dataclass(frozen=True, eq=False)
class Group:
    """Entries that depend on no others: one distribution, over the entries at some places.

    Attributes
    ----------
    places : ndarray of int
        Where its entries stand in the vector of all.
    distribution : Distribution
        Of these entries.
    """

    places: Any
    distribution: Distribution


@dataclass(frozen=True, eq=False)
class Inputs:
    """The entries of all inputs as one vector of n, and the function of that vector.

    Attributes
    ----------
    labels : tuple of str
        Of the entries: ``"x"`` for a scalar, ``"x[0]"`` for an entry of an array.
    names : tuple of str
        The input that each entry belongs to.
    groups : tuple of Group
        Independent of each other; together all entries.
    function : callable
        Of the vector; the result is that of the function that was given.
    unknown : str
        Why more than the first two moments is not known; empty if it is.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[Group, ...]
    function: Callable[[Any], Any]
    unknown: str = ""

    @property
    def size(self) -> int:
        """The number n of entries."""
        return len(self.labels)

    @cached_property
    def mean(self) -> Any:
        """Of the entries, of shape ``(n,)``."""
        found = np.zeros(self.size)
        for group in self.groups:
            found[group.places] = np.ravel(group.distribution.mean)
        return found

    @cached_property
    def covariance(self) -> Any:
        """Of the entries, of shape ``(n, n)``."""
        found = np.zeros((self.size, self.size))
        for group in self.groups:
            found[np.ix_(group.places, group.places)] = group.distribution.covariance.dense()
        return found

    @property
    def std(self) -> Any:
        """Standard deviations of the entries."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def independent(self) -> bool:
        """Are all entries independent of each other?"""
        return all(g.distribution.independent for g in self.groups)

    @property
    def draws(self) -> Draws | None:
        """The sample, if all entries are those of one sample."""
        only = self.groups[0].distribution if len(self.groups) == 1 else None
        return only if isinstance(only, Draws) else None

    def cumulants(self, order: int) -> Any:
        """The cumulants of the entries from the third on, of shape ``(order + 1, n)``.

        Rows 0 to 2 are zero, as are those of Gaussian entries. What does not exist or does not say
        all, as of entries that depend on each other and are not Gaussian, is NaN.
        """
        found = np.zeros((order + 1, self.size))
        for group in self.groups:
            if not isinstance(group.distribution, Normal):
                found[:, group.places] = _cumulants(group.distribution, order)
        if self.unknown:
            found[3:] = np.nan
        return found

    def refuse_dependent(self) -> None:
        """An error if entries depend on each other and are not Gaussian.

        Raises
        ------
        DomainError
            With the remedy.
        """
        self.refuse_unknown()
        for group in self.groups:
            if not isinstance(group.distribution, Normal) and not group.distribution.independent:
                names = listed(sorted({self.names[k] for k in group.places}))
                raise DomainError(
                    f"the entries of {names} depend on each other and are not Gaussian, so the "
                    "second order needs more than their covariance: use order=1, or give a sample "
                    "of all inputs together (wg.Draws)"
                )

    def of_groups(self, values: Sequence[Any]) -> Any:
        """The function of one array a group, each of the shape of its distribution's mean."""
        order = np.concatenate([g.places for g in self.groups])
        vector = np.concatenate([np.reshape(v, (-1,)) for v in values])
        in_order = np.array_equal(order, np.arange(self.size))
        return self.function(vector if in_order else vector[np.argsort(order)])

    def named(self, text: str) -> str:
        """A sentence about the vector's entries x[0], x[1], ... with their own names."""
        return re.sub(r"\bx\[(\d+)\]", lambda m: self.labels[int(m[1])], text)

    def sample(self, generator: np.random.Generator, size: int) -> Any:
        """Draws of the vector, of shape ``(size, n)``."""
        self.refuse_unknown()
        found = np.empty((size, self.size))
        for group in self.groups:
            found[:, group.places] = group.distribution.sample(generator, size).reshape(size, -1)
        return found

    def refuse_unknown(self) -> None:
        """An error if more than two moments are needed and not known.

        Raises
        ------
        DomainError
            With the remedy.
        """
        if self.unknown:
            raise DomainError(self.unknown)


def inputs_of(
    f: Source, dist: Any, correlations: Correlations = None, constants: Mapping[str, Any] = {}
) -> Inputs:
    """The inputs as users give them.

    Parameters
    ----------
    f : str, Formula or callable
        The function, of one distribution's variable or of a dict of them.
    dist : object
        One distribution, or a mapping from names to distributions, pairs ``(value, standard
        uncertainty)`` and constants.
    correlations : mapping of pairs of names to float, or matrix
        Coefficients between scalar inputs; a matrix has a row for each scalar random input, in
        the order of ``dist``.
    constants : mapping of str to array_like
        More constants by name.

    Raises
    ------
    TypeError, ShapeError, NameClashError, DomainError
        For what cannot be read, with the remedy.
    """
    together, given = _variables(dist)
    named = "" not in given
    twice = sorted(set(given) & set(constants))
    if twice:
        raise NameClashError(f"{twice[0]} is an input and a constant; give it once")
    random = {k: _distribution(v, k) for k, v in given.items() if not named or is_random(v)}
    if not random:
        raise DomainError("none of the inputs is a distribution: there is no uncertainty to follow")
    held = {**{k: v for k, v in given.items() if k not in random}, **constants}
    means = {k: np.asarray(d.mean, float) for k, d in random.items()}
    if isinstance(f, str | Formula):
        function, point = function_of(f, means if named else means[""], held)
        layout = _Layout(dict(zip(point, (m.shape for m in means.values()), strict=True)), True)
    else:
        function = _with_constants(f, held, named)
        layout = _Layout({k: m.shape for k, m in means.items()}, named)
    if not any(map(prod, layout.shapes.values())):
        raise DomainError("the random inputs have no entries")
    labels, owners = layout.labels()

    def of_vector(vector: Any) -> Any:
        return function(layout.tree(vector))

    if together is not None:
        if correlations is not None:
            raise DomainError("a joint distribution of all inputs has their correlations already")
        groups = [Group(np.arange(len(labels)), together)]
        return Inputs(labels, owners, tuple(groups), of_vector)
    places = [np.arange(s.start, s.stop) for s in layout.slices.values()]
    groups = [Group(p, d) for p, d in zip(places, random.values(), strict=True)]
    found = Inputs(labels, owners, tuple(groups), of_vector)
    if correlations is None:
        return found
    return _correlated(found, dict(zip(layout.shapes, groups, strict=True)), correlations)


@dataclass(frozen=True)
class _Layout:
    """How the random variables lie in the vector, one after the other."""

    shapes: Mapping[str, tuple[int, ...]]
    named: bool

    @cached_property
    def slices(self) -> dict[str, slice]:
        ends = np.cumsum([prod(s) for s in self.shapes.values()]).tolist()
        starts = [0, *ends[:-1]]
        return {k: slice(a, b) for k, a, b in zip(self.shapes, starts, ends, strict=True)}

    def tree(self, vector: Any) -> Any:
        """The function's argument."""
        parts = {
            k: np.reshape(vector[s], shape) if (shape := self.shapes[k]) else vector[s.start]
            for k, s in self.slices.items()
        }
        return parts if self.named else parts[""]

    def labels(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of the entries, and of the variables that they belong to."""
        entries = {k or "x": entry_labels(k or "x", shape) for k, shape in self.shapes.items()}
        owners = tuple(k for k, own in entries.items() for _ in own)
        return tuple(label for own in entries.values() for label in own), owners


def _variables(dist: Any) -> tuple[Normal | None, dict[str, Any]]:
    """What is given by name, and the joint distribution of all, if it is one.

    A distribution that stands alone has no name.
    """
    if isinstance(dist, Normal) and isinstance(dist.mean, Mapping):
        means: dict[str, Any] = dict(dist.mean)
        vector = np.concatenate([np.ravel(m) for m in means.values()])
        return Normal(vector, dist.covariance), {k: Normal(m, 0.0) for k, m in means.items()}
    return None, dict(dist) if isinstance(dist, Mapping) else {"": dist}


def is_random(given: Any) -> bool:
    """Is this a distribution or a pair (value, standard uncertainty), not a constant?"""
    if is_pair(given):
        return True
    if isinstance(given, list | tuple):
        return bool(given) and any(is_random(g) for g in given)  # pyright: ignore
    return isinstance(given, Normal | Distribution) or hasattr(given, "rvs")


def is_pair(given: Any) -> bool:
    """Is this (value, standard uncertainty)?"""
    return isinstance(given, tuple) and len(given) == 2 and all(map(_is_number, given))  # pyright: ignore


def _is_number(given: Any) -> bool:
    return np.ndim(given) == 0 and np.asarray(given).dtype.kind in "iuf"


def _distribution(given: Any, name: str) -> Distribution:
    if is_pair(given):
        value, std = map(float, given)
        if not 0 <= std < np.inf:
            raise DomainError(f"{name}: a standard uncertainty is a number from 0 on; got {std:g}")
        if std and not _LEAST < std < _LARGEST:
            raise DomainError(f"{name}: the square of {std:g} is no float; choose another unit")
        return Normal(value, std**2)
    if isinstance(given, Normal) and given.symbolic:
        raise DomainError(
            f"{name}: propagation is of numbers; give the values of {given.mean} and {given.cov} "
            "(wg.expectation takes names)"
        )
    return as_distribution(given, name)


def _with_constants(
    f: Callable[[Any], Any], held: Mapping[str, Any], named: bool
) -> Callable[[Any], Any]:
    check_callable(f, "propagate")
    if held and not named:
        raise NameClashError(
            "constants by name go with a dict of distributions: {'x': wg.Normal(...)}"
        )
    arrays = {k: np.asarray(v) for k, v in held.items()}
    return (lambda tree: f({**tree, **arrays})) if arrays else f


def _cumulants(distribution: Distribution, order: int) -> Any:
    """κ_k from central moments: κ_k = μ_k − Σ_j C(k−1, j−1) κ_j μ_(k−j), for k from 3 on.

    NaN beyond the last moment that exists, and for entries that depend on each other.
    """
    if not distribution.independent:
        found = np.full((order + 1, np.size(distribution.mean)), np.nan)
        found[:3] = 0.0
        return found
    for highest in range(order, 1, -1):
        try:
            moments = np.asarray(distribution.central_moments(highest))
            break
        except DomainError:
            continue
    else:
        moments = np.ones((2, *np.shape(distribution.mean)))
    moments = moments.reshape(len(moments), -1)
    found = np.full((order + 1, moments.shape[1]), np.nan)
    found[:3] = 0.0
    cumulants = [*np.zeros_like(moments[:2]), *moments[2:3]]
    for k in range(3, len(moments)):
        binomial = 1.0
        total = moments[k].copy()
        for j in range(2, k - 1):
            binomial = float(prod(range(k - j + 1, k)) / prod(range(1, j)))
            total -= binomial * cumulants[j] * moments[k - j]
        cumulants.append(total)
        found[k] = total
    return found


# ---------------------------------------------------------------- correlations


def _correlated(found: Inputs, groups: Mapping[str, Group], correlations: Correlations) -> Inputs:
    """The inputs with correlations between scalars: these become one group."""
    matrix, names = _matrix(groups, correlations)
    chosen = [groups[name] for name in names]
    if not chosen:
        return found
    places = np.concatenate([g.places for g in chosen])
    std = found.std[places]
    joint = Normal(found.mean[places], covariance_of(matrix * np.outer(std, std), (len(std),)))
    others = tuple(g for g in found.groups if all(g is not c for c in chosen))
    odd = [n for n, g in zip(names, chosen, strict=True) if not isinstance(g.distribution, Normal)]
    unknown = (
        f"{', '.join(odd)} {'is' if len(odd) == 1 else 'are'} correlated and not Gaussian: a "
        "correlation does not determine a joint distribution, only first-order propagation "
        "(order=1); else give a sample of all inputs together (wg.Draws)"
        if odd
        else ""
    )
    return Inputs(found.labels, found.names, (*others, Group(places, joint)), found.function,
                  unknown)  # fmt: skip


def _matrix(groups: Mapping[str, Group], correlations: Correlations) -> tuple[Any, list[str]]:
    """A correlation matrix, and the names of its rows: those that are correlated."""
    scalars = [name for name, g in groups.items() if np.ndim(g.distribution.mean) == 0]
    if isinstance(correlations, Mapping):
        matrix = np.eye(len(scalars))
        seen: set[frozenset[str]] = set()
        for pair, coefficient in correlations.items():
            i, j = _pair(pair, scalars)
            if frozenset(pair) in seen:
                raise NameClashError(f"the correlation of {pair[0]} and {pair[1]} is given twice")
            seen.add(frozenset(pair))
            matrix[i, j] = matrix[j, i] = float(coefficient)
    else:
        matrix = np.asarray(correlations, float)
        if matrix.shape != (len(scalars),) * 2:
            raise ShapeError(
                f"the correlation matrix has shape {matrix.shape}; it needs a row for each scalar "
                f"random input: {', '.join(scalars) or 'there is none'}"
            )
    if np.any(np.diag(matrix) != 1.0):
        raise DomainError("a correlation matrix has ones on its diagonal")
    if np.any(np.abs(matrix) > 1.0):
        raise DomainError("a correlation is between -1 and 1")
    covariance_of(matrix, (len(scalars),), "the correlation matrix")
    kept = np.flatnonzero(np.sum(matrix != 0.0, axis=0) > 1)
    return matrix[np.ix_(kept, kept)], [scalars[k] for k in kept]


def _pair(pair: Any, scalars: Sequence[str]) -> tuple[int, int]:
    if not isinstance(pair, tuple) or len(pair) != 2:  # pyright: ignore
        raise TypeError(f"a correlation is given as {{('x', 'y'): 0.5}}; got the key {pair!r}")
    for name in pair:  # pyright: ignore[reportUnknownVariableType]
        if name not in scalars:
            raise NameClashError(
                f"correlations are between scalar random inputs; there is no {name!r} among: "
                f"{', '.join(scalars) or 'none'}"
            )
    if pair[0] == pair[1]:
        raise NameClashError(f"a correlation is between two inputs; got {pair[0]} twice")
    return scalars.index(pair[0]), scalars.index(pair[1])
