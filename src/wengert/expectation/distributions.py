"""Distributions as the expectations see them: mean, covariance, central moments, draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, Protocol, runtime_checkable

import numpy as np

from wengert.errors import DomainError, NameClashError, ShapeError
from wengert.expectation.covariance import (
    BlockCovariance,
    Covariance,
    DenseCovariance,
    DiagonalCovariance,
    covariance_of,
)
from wengert.expectation.moments import central_moments


@runtime_checkable
class Distribution(Protocol):
    """The distribution of one array-valued variable."""

    @property
    def mean(self) -> Any:
        """E[X], of the variable's shape."""
        ...

    @property
    def covariance(self) -> Covariance:
        """Cov[X], of the flattened variable."""
        ...

    @property
    def independent(self) -> bool:
        """Are the entries independent of each other?"""
        ...

    def central_moments(self, order: int) -> Any:
        """E[(Xᵢ − E Xᵢ)^k] for k = 0, ..., order, of shape ``(order + 1, *shape)``."""
        ...

    def sample(self, generator: np.random.Generator, size: int) -> Any:
        """Draws, of shape ``(size, *shape)``."""
        ...


@dataclass(frozen=True, eq=False)
class Normal:
    """The Gaussian distribution of an array of any shape.

    Parameters
    ----------
    mean : array_like, mapping or str
        Of the variable's shape. A dict of means by name is one vector of several variables, one
        after the other as in the dict, with a joint covariance. A name for symbolic expectations
        of formulas.
    cov : object or str
        The covariance, never the standard deviation: a number (times the identity), variances of
        the mean's shape, the matrix of shape ``(n, n)`` or ``shape + shape``, a tuple of one
        matrix an axis (``Cov[Xᵢⱼ, Xₖₗ] = Rᵢₖ Cⱼₗ``), a list of diagonal blocks, or a
        :class:`LowRankCovariance`; a name if the mean is one. A dict of covariances by name, of
        variables that are independent of each other, for a dict of means.

    Raises
    ------
    ShapeError
        If the sizes do not fit.
    DomainError
        If the covariance is not symmetric or not positive semidefinite.

    Examples
    --------
    >>> Normal([1.0, 2.0], 0.5).covariance.variances()
    array([0.5, 0.5])
    >>> Normal(np.zeros((2, 3)), (np.eye(2), np.eye(3))).covariance.size
    6
    """

    mean: Any
    cov: Any = 1.0

    def __post_init__(self) -> None:
        if self.symbolic:
            names = self.cov if isinstance(self.cov, tuple) else (self.cov,)
            if not (isinstance(self.mean, str) and all(isinstance(n, str) for n in names)):  # pyright: ignore
                raise DomainError(
                    "a Normal with a name for its mean has a name for its covariance, and the "
                    f"other way round; got mean {self.mean!r} and cov {self.cov!r}"
                )
            return
        if isinstance(self.mean, Mapping):
            means = {k: _real(v, f"the mean of {k}") for k, v in self.mean.items()}  # pyright: ignore
            object.__setattr__(self, "mean", means)
        else:
            object.__setattr__(self, "mean", _real(self.mean, "the mean"))
        _ = self.covariance

    @property
    def symbolic(self) -> bool:
        """Are mean and covariance names?"""
        names = self.cov if isinstance(self.cov, tuple) else (self.cov,)
        return isinstance(self.mean, str) or any(isinstance(n, str) for n in names)  # pyright: ignore

    @property
    def covariance(self) -> Covariance:
        """Cov[X], of the flattened variable."""
        return self._covariance

    @property
    def shape(self) -> tuple[int, ...]:
        """The mean's shape; of a dict of means, that of the vector of all."""
        if isinstance(self.mean, Mapping):
            return (sum(np.size(m) for m in self.mean.values()),)  # pyright: ignore
        return self.mean.shape

    @cached_property
    def _covariance(self) -> Covariance:
        if not (isinstance(self.mean, Mapping) and isinstance(self.cov, Mapping)):
            return covariance_of(self.cov, self.shape)
        if set(self.mean) != set(self.cov):  # pyright: ignore
            raise NameClashError(
                f"means are of {', '.join(map(str, self.mean))}; covariances of "  # pyright: ignore
                f"{', '.join(map(str, self.cov))}"  # pyright: ignore
            )
        blocks = [
            covariance_of(self.cov[name], np.shape(mean), f"cov of {name}")
            for name, mean in self.mean.items()  # pyright: ignore
        ]
        return BlockCovariance(tuple(blocks))

    @property
    def independent(self) -> bool:
        """Uncorrelated Gaussians are independent."""
        return self.covariance.diagonal

    def central_moments(self, order: int) -> Any:
        """0 for odd k, (k − 1)!! σᵢ^k for even ones."""
        variances = self.covariance.variances().reshape(self.shape)
        moments = np.zeros((order + 1, *self.shape))
        moments[0] = 1.0
        for k in range(2, order + 1, 2):
            moments[k] = (k - 1) * variances * moments[k - 2]
        return moments

    def sample(self, generator: np.random.Generator, size: int) -> Any:
        """Draws, of shape ``(size, *shape)``; a dict of them for a dict of means."""
        directions = self.covariance.directions()
        deviations = generator.standard_normal((size, len(directions))) @ directions
        if not isinstance(self.mean, Mapping):
            return self.mean + deviations.reshape(size, *self.mean.shape)
        cuts = np.cumsum([np.size(m) for m in self.mean.values()])[:-1]  # pyright: ignore
        return {
            name: mean + part.reshape(size, *np.shape(mean))
            for (name, mean), part in zip(
                self.mean.items(),
                np.split(deviations, cuts, axis=1),
                strict=True,  # pyright: ignore
            )
        }


@dataclass(frozen=True, eq=False)
class Independent:
    """Entries with distributions of their own, independent of each other.

    Parameters
    ----------
    components : frozen scipy.stats distribution, or nested lists of them
        The nesting is the variable's shape; a single one is a scalar. One frozen distribution
        with array parameters is an array of independent entries.

    Raises
    ------
    DomainError
        If a mean or a variance is not finite.

    Examples
    --------
    >>> from scipy import stats
    >>> X = Independent([stats.uniform(0, 1), stats.expon()])
    >>> X.mean
    array([0.5, 1. ])
    """

    components: Any

    def __post_init__(self) -> None:
        if not (np.all(np.isfinite(self.mean)) and np.all(np.isfinite(self._variances))):
            raise DomainError(
                "a Taylor approximation needs a finite mean and variance; the distribution has "
                f"mean {self.mean} and variance {self._variances}"
            )

    @cached_property
    def _entries(self) -> Any:
        return np.array(self.components, dtype=object)

    def _each(self, statistic: Any) -> Any:
        """A statistic of each component, in the variable's shape."""
        return _stacked(self._entries, lambda c: np.asarray(statistic(c), float))

    @property
    def mean(self) -> Any:
        """E[X]."""
        return self._mean

    @cached_property
    def _mean(self) -> Any:
        return self._each(lambda c: c.mean())

    @cached_property
    def _variances(self) -> Any:
        return self._each(lambda c: c.var())

    @property
    def covariance(self) -> Covariance:
        """The variances on the diagonal."""
        return DiagonalCovariance(self._variances.reshape(-1))

    @property
    def independent(self) -> bool:
        """Always."""
        return True

    def support(self) -> tuple[Any, Any]:
        """The least and the largest value of each entry, in the variable's shape."""
        return (
            self._each(lambda c: np.broadcast_to(c.support()[0], np.shape(c.mean()))),
            self._each(lambda c: np.broadcast_to(c.support()[1], np.shape(c.mean()))),
        )

    def central_moments(self, order: int) -> Any:
        """Of each entry, by its quantiles or its support.

        Raises
        ------
        DomainError
            If a moment of that order does not exist.
        """
        return _stacked(self._entries, lambda c: central_moments(c, order), lead=1)

    def sample(self, generator: np.random.Generator, size: int) -> Any:
        """Draws, of shape ``(size, *shape)``."""

        def draws(component: Any) -> Any:
            own = np.shape(component.mean())
            return component.rvs(size=(size, *own), random_state=generator)

        return _stacked(self._entries, draws, lead=1)


def _stacked(entries: Any, statistic: Any, lead: int = 0) -> Any:
    """A statistic of all entries of an object array: the axes after the statistic's lead ones."""
    parts = [statistic(c) for c in entries.ravel()]
    table = np.stack([np.asarray(p, float) for p in parts], axis=lead)
    return table.reshape((*table.shape[:lead], *entries.shape, *table.shape[lead + 1 :]))


@dataclass(frozen=True, eq=False)
class Draws:
    """The empirical distribution of a sample.

    Parameters
    ----------
    draws : array_like of shape (draws, *shape)
        One row a draw, as scikit-learn has them; all count the same.

    Examples
    --------
    >>> Draws([[0.0, 1.0], [2.0, 3.0]]).mean
    array([1., 2.])
    """

    draws: Any

    def __post_init__(self) -> None:
        array = _real(self.draws, "the draws")
        if not array.ndim or not len(array):
            raise ShapeError(f"draws must have at least one row; their shape is {array.shape}")
        object.__setattr__(self, "draws", array)

    @property
    def mean(self) -> Any:
        """The sample's mean."""
        return self._mean

    @cached_property
    def _mean(self) -> Any:
        return self.draws.mean(axis=0)

    @cached_property
    def deviations(self) -> Any:
        """The draws minus their mean."""
        return self.draws - self.mean

    @property
    def covariance(self) -> Covariance:
        """The empirical covariance (divided by the number of draws)."""
        flat = self.deviations.reshape(len(self.draws), -1)
        return DenseCovariance(flat.T @ flat / len(flat))

    @property
    def independent(self) -> bool:
        """A scalar is; entries of a sample are taken as they were drawn, together."""
        return prod(self.mean.shape) == 1

    def central_moments(self, order: int) -> Any:
        """Of each entry."""
        return np.stack([(self.deviations**k).mean(axis=0) for k in range(order + 1)])

    def sample(self, generator: np.random.Generator, size: int) -> Any:
        """Draws with replacement (bootstrap)."""
        return self.draws[generator.integers(len(self.draws), size=size)]


def as_distribution(given: Any, name: str = "") -> Distribution:
    """A distribution as users write it: one of ours, or frozen ones of scipy.stats.

    Raises
    ------
    TypeError
        For anything else, saying what is accepted.
    """
    if isinstance(given, Normal | Distribution):
        return given
    if _is_frozen(given) or (isinstance(given, list | tuple) and _all_frozen(given)):
        return Independent(given)
    if hasattr(given, "cov") and hasattr(given, "mean") and hasattr(given, "rvs"):
        return Normal(given.mean, given.cov)  # a frozen multivariate normal
    what = f"{name}: " if name else ""
    raise TypeError(
        f"{what}a distribution is wg.Normal(mean, cov), wg.Draws(array), or a frozen distribution "
        f"of scipy.stats (or a list of them, independent); got {type(given).__name__}"
    )


def is_distribution(given: Any) -> bool:
    """Is this what :func:`as_distribution` reads?"""
    return (
        isinstance(given, Normal | Distribution)
        or _is_frozen(given)
        or (isinstance(given, list | tuple) and _all_frozen(given))
        or (hasattr(given, "cov") and hasattr(given, "mean") and hasattr(given, "rvs"))
    )


def _is_frozen(given: Any) -> bool:
    return hasattr(given, "dist") and hasattr(given, "expect")


def _all_frozen(given: Any) -> bool:
    if isinstance(given, list | tuple):
        return bool(given) and all(map(_all_frozen, given))  # pyright: ignore
    return _is_frozen(given)


def _real(value: Any, what: str) -> Any:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise DomainError(f"{what} must be of real numbers; the dtype is {array.dtype}")
    if array.dtype.kind != "f":
        array = array.astype(float)
    if not np.all(np.isfinite(array)):
        raise DomainError(f"{what} is not finite")
    return array
