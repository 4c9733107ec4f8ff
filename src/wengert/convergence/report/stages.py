"""The line on the terminal that says what a report is busy with, and how much time is left."""

from __future__ import annotations

import sys
import time
from typing import Any

from wengert.convergence.forecasts.forecaster import Forecaster
from wengert.convergence.report.words import count, span

_SECONDS = 0.1  # between two looks at the terminal


class Stages:
    """A line on the terminal; nothing elsewhere.

    Parameters
    ----------
    wanted : bool or None
        None: only if the standard error stream is a terminal.
    """

    def __init__(self, wanted: bool | None) -> None:
        self.on = sys.stderr.isatty() if wanted is None else wanted
        self._status: Any = None
        self._next = 0.0
        self._stage = ""
        self._clock: Forecaster | None = None
        self._eps = 0.0
        self._start = 0.0

    def __enter__(self) -> Stages:
        if self.on:
            from rich.console import Console  # noqa: PLC0415  (loaded by those who see a line)

            self._status = Console(stderr=True).status("")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def stage(self, text: str, clock: Forecaster | None = None, eps: float = 0.0) -> None:
        """What is begun now; of a run, the forecast that follows it until the gap is eps."""
        self._stage, self._clock, self._eps = text, clock, eps
        self._start = time.perf_counter()
        if self._status is not None:
            self._status.update(text)

    def watch(self, step: int, value: float) -> None:
        """A step of the run, and its gap."""
        if self._status is None:
            return
        now = time.perf_counter()
        if self._clock is not None:
            self._clock.observe(step, self._clock.minimum + value, 0.0, now - self._start)
        if now < self._next:
            return
        self._next = now + _SECONDS
        self._status.update(self.words(step, value))

    def words(self, step: int, value: float) -> str:
        """The line."""
        text = f"{self._stage}: step {count(step)}, {value:.2g}"
        left = None if self._clock is None else self._clock.seconds_left(self._eps)
        return text if left is None else f"{text}, about {span(left)} left"
