"""The line that shows how a run goes, and how much time is left."""

from __future__ import annotations

import sys
from typing import Any, Protocol

import numpy as np

from wengert.optimize.stop import Stop

_SECONDS = 0.1  # between two looks at the terminal
_RECENT = 200  # records that the extrapolation looks at


class Clock(Protocol):
    """What knows better than an extrapolation when a gap will be reached: a forecast."""

    def observe(self, step: int, loss: float, gradient_norm: float, seconds: float) -> None:
        """A record of the run."""
        ...

    def seconds_left(self, eps: float) -> float | None:
        """Until the gap is eps; None if it is not known."""
        ...


def time_left(
    rows: list[tuple[float, ...]], stop: Stop, clock: Clock | None = None, gap: float = np.inf
) -> float | None:
    """Seconds until the first criterion is met; None if nothing is known.

    Until a gap as the clock says, if there is one. Otherwise, and until a gradient, by
    extrapolation: the logarithm of the gap, or of the norm, goes on as in the later half of the
    records. Where f* is not known the gap goes as the norm's square.

    Parameters
    ----------
    rows : list of tuple
        Of a history so far.
    stop : Stop
        The criteria.
    clock : Clock, optional
        That has seen these records.
    gap : float
        As it was estimated last; infinite if it is not known.
    """
    if len(rows) < 3:
        return None
    table = np.array(rows[-_RECENT:], float)
    later = table[len(table) // 2 :]
    step, loss, norm, seconds = later[:, 0], later[:, 1], later[:, 2], later[:, 4]
    pace = (seconds[-1] - seconds[0]) / max(step[-1] - step[0], 1)
    found: list[float] = []
    if stop.seconds is not None:
        found.append(stop.seconds - seconds[-1])
    if stop.steps is not None:
        found.append((stop.steps - step[-1]) * pace)
    if stop.gap is not None and clock is not None:
        left = clock.seconds_left(stop.gap)
        found += [] if left is None else [left]
    goals = [stop.gradient, stop.relative and stop.relative * rows[0][2]]
    ways = [(norm, max((g for g in goals if g), default=0.0))]
    if stop.gap is not None and clock is None:
        if stop.minimum is not None:
            ways.append((loss - stop.minimum, stop.gap))
        elif 0 < gap < np.inf:
            ways.append((norm, norm[-1] * np.sqrt(stop.gap / gap)))
    found += [
        left * pace for values, goal in ways if (left := _left(step, values, goal)) is not None
    ]
    return max(0.0, min(found)) if found else None


def _left(steps: Any, values: Any, goal: float) -> float | None:
    """Steps until a falling quantity is at its goal."""
    if not goal > 0 or len(values) < 3 or not np.all((values > 0) & np.isfinite(values)):
        return None
    slope = np.polyfit(steps, np.log(values), 1)[0]
    return max(0.0, float(np.log(goal / values[-1]) / slope)) if slope < 0 else None


class Bar:
    """A progress bar on a terminal; nothing elsewhere.

    Parameters
    ----------
    wanted : bool, Clock or None
        None, or a clock: only if the standard error stream is a terminal.
    stop : Stop
        The criteria.
    """

    def __init__(self, wanted: bool | Clock | None, stop: Stop) -> None:
        self.on = wanted if isinstance(wanted, bool) else sys.stderr.isatty()
        self.clock = None if isinstance(wanted, bool) else wanted
        self.stop = stop
        self._progress: Any = None
        self._next = 0.0

    def __enter__(self) -> Bar:
        if self.on:
            self._progress = _rich_bar()
            self._progress.start()
            self._task = self._progress.add_task("", total=None, text="", left="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, rows: list[tuple[float, ...]], gap: float) -> None:
        """The last record."""
        step, loss, norm, _, seconds, _ = rows[-1]
        if self.clock is not None:
            self.clock.observe(int(step), loss, norm, seconds)
        if self._progress is None:
            return
        if seconds < self._next:
            return
        self._next = seconds + _SECONDS
        left = time_left(rows, self.stop, self.clock, gap)
        text = f"step {step:.0f}  loss {loss:.6g}  ‖∇f‖ {norm:.2g}"
        if np.isfinite(gap):
            text += f"  gap {gap:.2g}"
        self._progress.update(
            self._task,
            text=text,
            left="" if left is None else f"about {_spoken(left)} left",
            total=None if left is None else seconds + left,
            completed=seconds,
        )


def _rich_bar() -> Any:
    from rich.console import Console  # noqa: PLC0415  (loaded by those who see a bar)
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

    return Progress(
        TextColumn("{task.fields[text]}"),
        BarColumn(),
        TextColumn("{task.fields[left]}"),
        console=Console(stderr=True),
        transient=True,
    )


def _spoken(seconds: float) -> str:
    """A time in its natural unit.

    >>> _spoken(3.2), _spoken(200), _spoken(9000)
    ('3 s', '3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
