"""What is random: a function of its random variables, run at their means, and their groups.

Variables of one group depend on each other; groups are independent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import optree

from wengert.errors import DomainError, NameClashError
from wengert.expectation.covariance import Covariance
from wengert.expectation.distributions import (
    Distribution,
    Normal,
    as_distribution,
    is_distribution,
)
from wengert.formulas import Formula
from wengert.shapes import concrete
from wengert.taylor.kinks import record_for_all
from wengert.taylor.subject import Source, function_of
from wengert.transforms.recording import Recorded


@dataclass(frozen=True, eq=False)
class Group:
    """A distribution, and which of the function's arguments it is of.

    Attributes
    ----------
    distribution : Distribution
        Of the variables, flattened one after the other.
    leaves : tuple of int
        The arguments' places, in the order in which the distribution has them.
    """

    distribution: Distribution
    leaves: tuple[int, ...]

    @property
    def covariance(self) -> Covariance:
        """Of the group's entries."""
        return self.distribution.covariance


@dataclass(frozen=True, eq=False)
class Subject:
    """A function's run at the means, with the groups of its arguments.

    Attributes
    ----------
    recorded : Recorded
        Its traced arguments are the random variables.
    groups : tuple of Group
        Each argument is in one.
    names : tuple of str
        What the arguments are called in messages and tables.
    function : callable
        What was run.
    whole : bool
        Does the run hold for all values? A function that decides by values in Python's own words
        (``if x > 0``) is known on the side of the mean only.
    """

    recorded: Recorded
    groups: tuple[Group, ...]
    names: tuple[str, ...]
    function: Callable[[Any], Any]
    whole: bool

    @property
    def sizes(self) -> list[int]:
        """The number of entries of each argument."""
        return [prod(concrete(leaf.shape)) for leaf in self.recorded.leaves]

    @property
    def size(self) -> int:
        """The number of entries of all arguments."""
        return sum(self.sizes)

    def columns(self, group: Group) -> Any:
        """Where the entries of a group stand among those of all arguments."""
        starts = np.concatenate([[0], np.cumsum(self.sizes)])
        ranges = [np.arange(starts[k], starts[k + 1]) for k in group.leaves]
        return np.concatenate([*ranges, np.zeros(0, int)]).astype(int)

    def split(self, flat: Any) -> tuple[Any, ...]:
        """Rows over all entries as one array an argument, in the arguments' precision."""
        cuts = np.cumsum(self.sizes)[:-1]
        parts = np.split(flat, cuts, axis=1)
        return tuple(
            part.reshape(len(flat), *concrete(leaf.shape)).astype(dtype, copy=False)
            for part, leaf, dtype in zip(
                parts, self.recorded.leaves, self.recorded.leaf_dtypes, strict=True
            )
        )


def subject_of(
    f: Source, dist: Any, given: Mapping[str, Any] | None, name: str = "expectation"
) -> Subject:
    """A function run at the means of its random variables.

    Parameters
    ----------
    f : str, Formula or callable
        A callable takes one argument, nested as ``dist`` is.
    dist : tree of distributions and arrays
        By name for formulas. What is no distribution is a constant.
    given : mapping, optional
        Values of a formula's other variables.
    name : str
        Of the transform, for messages.

    Raises
    ------
    DomainError
        If nothing is random, or the function is not finite at the means.
    """
    if is_distribution(dist):
        return _of_one(f, as_distribution(dist), given, name)
    flat, structure = optree.tree_flatten(dist, is_leaf=is_distribution)  # pyright: ignore
    paths = optree.tree_paths(dist, is_leaf=is_distribution)  # pyright: ignore
    random = [k for k, leaf in enumerate(flat) if is_distribution(leaf)]
    if not random:
        raise DomainError(f"{name}: nothing is random; give wg.Normal(mean, cov) for a variable")
    names = tuple(".".join(map(str, paths[k])) for k in random)
    found = [as_distribution(flat[k], n) for k, n in zip(random, names, strict=True)]
    for d in found:
        if isinstance(d.mean, Mapping):
            raise DomainError(
                f"{name}: a Normal over several variables stands alone, not in a tree"
            )
    groups = tuple(Group(d, (k,)) for k, d in enumerate(found))
    if isinstance(f, str | Formula):
        if not isinstance(dist, Mapping) or any(len(p) != 1 for p in paths):
            raise NameClashError(f"{name}: a formula's distributions are given by name, in a dict")
        constants = {
            str(p[0]): v for p, v in zip(paths, flat, strict=True) if not is_distribution(v)
        }
        means = {n: d.mean for n, d in zip(names, found, strict=True)}
        function, point = function_of(f, means, {**constants, **dict(given or {})})
    else:
        alone = _placed(f, flat, structure, random)
        function, point = function_of(alone, [d.mean for d in found], given)
    recorded, whole = record_for_all(function, point, name)
    return Subject(recorded, groups, names, function, whole)


def _placed(
    f: Callable[..., Any], flat: list[Any], structure: Any, random: list[int]
) -> Callable[..., Any]:
    """A function of the random variables alone."""

    def function(values: Any) -> Any:
        full = list(flat)
        for k, value in zip(random, values, strict=True):
            full[k] = value
        return f(optree.tree_unflatten(structure, full))

    return function


def _of_one(
    f: Source, distribution: Distribution, given: Mapping[str, Any] | None, name: str
) -> Subject:
    mean = distribution.mean
    function, point = function_of(f, mean, given)
    recorded, whole = record_for_all(function, point, name)
    if not isinstance(mean, Mapping):
        return Subject(recorded, (Group(distribution, (0,)),), ("x",), function, whole)
    assert isinstance(distribution, Normal)
    names = tuple(str(path[0]) for path in optree.tree_paths(mean))  # pyright: ignore
    places = tuple(names.index(str(n)) for n in mean)
    return Subject(recorded, (Group(distribution, places),), names, function, whole)
