"""The expected gap of stochastic gradient descent: the mean's path, and the scatter around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.convergence.forecasts.batch_noise import BatchNoise, batch_noise
from wengert.convergence.forecasts.local import Local, Path, followed
from wengert.convergence.forecasts.metered import Metered
from wengert.convergence.forecasts.moments import second_moments
from wengert.convergence.forecasts.recursions import Linear, blocks, mean_path
from wengert.optimize.space import Vector
from wengert.optimize.stochastic import SGD

_KNOTS = 6  # points of the mean's path where the noise is estimated
_LONGEST = 2_000_000  # steps that are looked ahead
_COARSE = 0.1  # growth of blocks, for the look ahead


@dataclass(frozen=True, eq=False)
class Expected:
    """The expected gap.

    Attributes
    ----------
    at : ndarray
        Steps; ends of epochs, for batches without replacement.
    mean : ndarray
        The gap of the mean.
    scatter : ndarray
        What the scatter adds to it.
    floor : float
        The scatter at the end, if the step is fixed: it stays.
    path : Path
        Of the mean.
    """

    at: Any
    mean: Any
    scatter: Any
    floor: float
    path: Path


@dataclass(frozen=True, eq=False)
class Companion:
    """The first steps of the method with all rows in each batch: the mean's first steps.

    Attributes
    ----------
    trail : ndarray of shape (t + 1, d)
        The iterates.
    state : State
        The last one.
    """

    trail: Any
    state: Any


def companion(problem: Metered, method: SGD, x: Vector, steps: int) -> Companion:
    """Steps of a method with all rows in each batch."""
    whole = replace(method, batch_size=problem.source.length, average=None, replacement=False)
    state = whole.init(problem, x)
    trail = [state.x]
    for _ in range(steps):
        after = whole.advance(problem, state)
        if not np.all(np.isfinite(after.x)):
            break
        state = after
        trail.append(state.x)
    return Companion(np.array(trail), state)


def expected(
    problem: Metered, local: Local, method: SGD, recursion: Linear, begun: Companion, eps: float
) -> Expected:
    """The expected gap by step.

    Parameters
    ----------
    problem : Metered
        An empirical risk's.
    local : Local
        Its model at the minimum.
    method : SGD
        With batches.
    recursion : Linear
        Of the method.
    begun : Companion
        The mean's first steps.
    eps : float
        The gap of interest.
    """
    n = problem.source.length
    size = min(method.batch_size, n)
    noise = batch_noise(problem, local)
    source = problem.source
    parts = [n] if hasattr(source, "part") else source.sizes
    sizes = None if method.replacement else _sizes(parts, size)
    epoch = 1 if sizes is None else len(sizes)
    factor = 1 / size if sizes is None else 1.0
    recursion = replace(recursion, unit=epoch)
    first = len(begun.trail) - 1
    trail = np.array([local.coordinates(x) for x in begun.trail])
    z = recursion.summed(trail[1:], local.start(recursion, begun.state))
    course = _Course(problem, local, recursion, noise, factor, sizes, trail, z)
    last = course.horizon(eps)
    at = blocks(recursion, 0, last, epoch)
    fine = np.unique([*blocks(recursion, first, last), *at[at >= first]])
    path = followed(problem, local, recursion, z, fine, eps)
    mean = course.early(at[at < first])
    mean = np.concatenate([mean, path.gap[np.searchsorted(fine, at[at >= first])]])
    scatter = course.scatter(at, course.variances(path))
    floor = float(scatter[-1]) if recursion.constant and method.average is None else 0.0
    return Expected(at, mean, scatter, floor, path)


def _sizes(parts: Sequence[int], size: int) -> Any:
    """Of an epoch's batches, of parts that share none.

    >>> _sizes([10], 4)
    array([4, 4, 2])
    """
    return np.array([min(size, n - begin) for n in parts for begin in range(0, n, size)])


@dataclass(frozen=True, eq=False)
class _Course:
    """What the parts of a forecast share."""

    problem: Metered
    local: Local
    recursion: Linear
    noise: BatchNoise
    factor: float
    sizes: Any
    trail: Any
    z: Any

    def horizon(self, eps: float) -> int:
        """The step at which the gap is well below eps, or does not fall any more."""
        unit = self.recursion.unit
        first = len(self.trail) - 1
        last = _LONGEST // unit * unit
        at = blocks(self.recursion, 0, last, unit, _COARSE)
        after = np.unique([first, *at[at > first]])
        states = mean_path(self.recursion, self.local.values, self.z, after)
        means = self.local.gap(self.recursion.answers(states, after))[after > first]
        at = at[at > first]
        scatter = self.scatter(np.array([0, *at]), lambda step: self.noise.least)[1:]
        low = np.flatnonzero(means + scatter >= 0.3 * eps)
        end = int(at[min(low[-1] + 1, len(at) - 1)]) if len(low) else int(at[0])
        if self.recursion.constant and self.recursion.average is None:
            settled = (means < 0.01 * scatter) & (np.abs(scatter - scatter[-1]) < 0.01 * scatter)
            if np.any(settled):
                end = min(end, int(at[np.argmax(settled)]))
        return max(end, -(-(first + 1) // unit) * unit)

    def scatter(self, at: Any, variances: Any) -> Any:
        """What the scatter adds to the gap, by step."""

        def noise(step: float, moments: Any) -> Any:
            return self.factor * (variances(step) + self.noise.growth @ np.maximum(moments, 0.0))

        moments = second_moments(self.recursion, self.noise.values, at, noise, self.sizes)
        outs = np.array([self.recursion.out(int(t)) for t in at])
        squares = np.einsum("mkij,mi,mj->mk", moments, outs, outs)
        return 0.5 * squares @ np.maximum(self.noise.values, 0.0)

    def variances(self, path: Path) -> Any:
        """The noise along the mean's path, by step."""
        local = self.local
        first = len(self.trail) - 1
        points = path.states @ self.recursion.last
        steps = np.array(
            [0, *path.at[np.unique(np.linspace(0, len(path.at) - 1, _KNOTS, dtype=int))]]
        )
        steps = np.unique(steps)
        found = []
        for step in steps:
            z = self.trail[step] if step < first else points[np.searchsorted(path.at, step)]
            far = float(local.gap(z)) > 1e-3 * float(local.gap(self.trail[0]))
            x = local.minimum.x + local.vectors @ z
            found.append(self.noise.at(x) if far else self.noise.least)
        table, places = np.array(found), np.log1p(steps)

        def variances(step: float) -> Any:
            where = np.log1p(step)
            k = int(np.clip(np.searchsorted(places, where) - 1, 0, len(places) - 2))
            share = np.clip((where - places[k]) / (places[k + 1] - places[k]), 0.0, 1.0)
            return (1 - share) * table[k] + share * table[k + 1]

        return variances

    def early(self, at: Any) -> Any:
        """The gap of the mean's first steps."""
        if not len(at):
            return np.zeros(0)
        local = self.local
        answers = [self._answer(int(t)) for t in at]
        asked = np.unique(np.linspace(0, len(at) - 1, _KNOTS, dtype=int))
        ratios = []
        for j in asked:
            model = float(local.gap(answers[j]))
            value = self.problem.value(local.minimum.x + local.vectors @ answers[j])
            ratios.append(max(value - local.minimum.value, 1e-300) / model if model > 0 else 1.0)
        logs = np.interp(np.arange(len(at)), asked, np.log(ratios))
        return local.gap(np.array(answers)) * np.exp(logs)

    def _answer(self, step: int) -> Any:
        if step == 0 or self.recursion.average is None:
            return self.trail[step]
        sums = self.recursion.summed(self.trail[1 : step + 1], np.zeros((self.trail.shape[1], 1)))
        sums = sums[:, 1]
        weight = self.recursion.out(step)[len(self.recursion.keeps)]
        return weight * sums
