"""Moments of a function of random inputs by Monte Carlo, with their standard errors."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from wengert.expectation.batches import Batches
from wengert.expectation.inputs import Inputs

_KEPT = 100_000  # numbers of the draws that are kept for figures


@dataclass(frozen=True, eq=False)
class MonteCarlo:
    """What a simulation found, for m outputs.

    Attributes
    ----------
    mean, variance : ndarray of shape (m,)
        Of the draws with finite values.
    mean_error, variance_error : ndarray of shape (m,)
        Their standard errors.
    samples : int
        Draws that were made.
    undefined : int
        Of these, the draws with an output that is not finite.
    interrupted : bool
        Were fewer made than asked for?
    batched : bool
        Did the function run on many draws at once?
    seconds : float
        What it took.
    draws : ndarray of shape (kept, m)
        The first outputs, for figures.
    """

    mean: Any
    variance: Any
    mean_error: Any
    variance_error: Any
    samples: int
    undefined: int
    interrupted: bool
    batched: bool
    seconds: float
    draws: Any


def simulate(
    inputs: Inputs, samples: int, seed: int | None = 0, *, progress: bool | None = None
) -> MonteCarlo:
    """Draw inputs, and average over the function's values.

    Parameters
    ----------
    inputs : Inputs
        With the function.
    samples : int
        How many; at least 2.
    seed : int, optional
        Of NumPy's generator; None for another one at each call.
    progress : bool, optional
        Show a bar; by default on a terminal. An interrupt (Ctrl-C) ends the simulation, and what
        was done is kept.
    """
    if type(samples) is not int or samples < 2:
        raise ValueError(f"samples must be an integer from 2 on; got {samples!r}")
    generator = np.random.default_rng(seed)
    evaluate = Batches(inputs)
    sums: _Sums | None = None
    done = 0
    start = perf_counter()
    try:
        with _bar(samples, progress) as advance:
            while done < samples:
                size = min(evaluate.rows, samples - done)
                values = evaluate.chunk(inputs.sample(generator, size))
                sums = _Sums(values) if sums is None else sums
                sums.add(values)
                done += size
                advance(size)
    except KeyboardInterrupt:
        if sums is None:
            raise
    assert sums is not None
    seconds = perf_counter() - start
    return sums.result(done, samples, evaluate.batched, seconds)


class _Sums:
    """Sums of powers about the first chunk's mean, on its scale: no draws need be kept."""

    def __init__(self, first: Any) -> None:
        finite = first[np.all(np.isfinite(first), axis=1)]
        m = first.shape[1]
        self.shift = finite.mean(axis=0) if len(finite) else np.zeros(m)
        scale = finite.std(axis=0) if len(finite) else np.ones(m)
        self.scale = np.where(scale > 0, scale, 1.0)
        self.powers = np.zeros((5, m))
        self.undefined = 0
        self.most = max(1, _KEPT // m)
        self.kept: list[Any] = []

    def add(self, values: Any) -> None:
        finite = values[np.all(np.isfinite(values), axis=1)]
        self.undefined += len(values) - len(finite)
        scaled = (finite - self.shift) / self.scale
        power = np.ones_like(scaled)
        for k in range(5):
            self.powers[k] += power.sum(axis=0)
            power *= scaled
        room = self.most - sum(map(len, self.kept))
        if room > 0:
            self.kept.append(finite[:room])

    def result(self, done: int, samples: int, batched: bool, seconds: float) -> MonteCarlo:
        count = self.powers[0]
        with np.errstate(all="ignore"):
            one, two, three, four = self.powers[1:] / count
            second = two - one**2
            fourth = four - 4 * one * three + 6 * one**2 * two - 3 * one**4
            variance = second * count / (count - 1)
            error = np.sqrt(np.maximum(fourth - second**2, 0.0) / count)
            return MonteCarlo(
                self.shift + self.scale * one,
                variance * self.scale**2,
                np.sqrt(variance / count) * self.scale,
                error * self.scale**2,
                done, self.undefined, done < samples, batched, seconds, np.concatenate(self.kept),
            )  # fmt: skip


@contextmanager
def _bar(samples: int, wanted: bool | None) -> Generator[Any]:
    """A progress bar on the standard error stream, or nothing; gives what moves it on."""
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield lambda size: None
        return
    from rich.console import Console  # noqa: PLC0415  (loaded by those who see a bar)
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Monte Carlo", total=samples)
        yield lambda size: bar.advance(task, size)
