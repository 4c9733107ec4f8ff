"""The line on the terminal that says what a report is busy with, and how much time is left."""

from __future__ import annotations

import sys
import time
from math import isfinite
from typing import Any

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
        self._goal = float("inf")
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

    def stage(self, text: str, goal: float = float("inf")) -> None:
        """What is begun now, and after about how many steps it ends."""
        self._stage, self._goal, self._start = text, goal, time.perf_counter()
        if self._status is not None:
            self._status.update(text)

    def watch(self, step: int, value: float) -> None:
        """A step of the run, and its gap."""
        now = time.perf_counter()
        if self._status is None or now < self._next:
            return
        self._next = now + _SECONDS
        text = f"{self._stage}: step {count(step)}, gap {value:.2g}"
        if isfinite(self._goal) and step:
            left = max(self._goal - step, 0.0) * (now - self._start) / step
            text += f", about {span(left)} left"
        self._status.update(text)
