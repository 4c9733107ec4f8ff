"""What a forecast looks at before a run: some steps of the method."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.optimize.methods import Method, State
from wengert.optimize.minimize import is_finite
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector

_GROWTH = 0.1  # of the steps between two records of the loss, where it costs more than a step


@dataclass(frozen=True, eq=False)
class Pilot:
    """The first steps of a run.

    Attributes
    ----------
    state : State
        After the last step.
    steps, loss : ndarray
        The records, of the points that the method answers with.
    seconds_per_step : float
        The median but for the first step, which compiles.
    ended : str
        Why the method ended by itself; empty otherwise.
    scale : float
        ‖∇f‖ at the start.
    """

    state: State
    steps: Any
    loss: Any
    seconds_per_step: float
    ended: str = ""
    scale: float = 0.0


def run_pilot(problem: Problem, method: Any, x: Vector, steps: int, record: bool = False) -> Pilot:
    """The first steps of a method.

    Parameters
    ----------
    problem : Problem
        What is minimised.
    method : Method
        Any.
    x : ndarray
        The start.
    steps : int
        How many at most.
    record : bool
        Whether a method that draws batches records the loss, at steps that lie the wider apart the
        later they are; otherwise at the first and the last.
    """
    diary = _Diary(problem, method, steps, record)
    state = method.init(problem, x)
    diary.note(state)
    if not isinstance(method, Method):
        try:
            ended = method.run(problem, state, diary.note).message
        except _EnoughError:
            ended = ""
        return diary.pilot(ended)
    for _ in range(steps):
        after = method.advance(problem, diary.state)
        stop = method.terminate(problem, after)
        if stop is not None:
            return diary.pilot(stop.message)
        if not is_finite(after):
            break
        diary.note(after, enough=False)
    return diary.pilot("")


def _marks(most: int) -> set[int]:
    """Steps at which the loss is recorded.

    >>> sorted(_marks(20))
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]
    >>> len(_marks(1000))
    65
    """
    found = {0, most}
    at = 0
    while at < most:
        at += max(1, int(_GROWTH * at))
        found.add(min(at, most))
    return found


class _EnoughError(Exception):
    """Leaves SciPy's loop."""


class _Diary:
    """What a pilot writes down."""

    def __init__(self, problem: Problem, method: Any, most: int, record: bool) -> None:
        self.problem, self.method, self.most = problem, method, most
        self.exact = getattr(method, "exact", True)
        noisy = getattr(method, "stochastic", False)
        self.wanted = _marks(most) if record else {0, most}
        self.wanted |= set() if noisy else set(range(most + 1))
        self.state: Any = None
        self.scale = 0.0
        self.at: list[int] = []
        self.loss: list[float] = []
        self.paused = time.perf_counter()
        self.pauses: list[float] = []

    def note(self, state: State, enough: bool = True) -> None:
        """A state; ``enough``: an exception after the last one."""
        if self.at and state.step == self.state.step:
            return
        if not self.at:
            self.scale = float(np.linalg.norm(state.gradient))
        else:
            self.pauses.append(time.perf_counter() - self.paused)
        self.state = state
        if state.step in self.wanted or state.step > self.most:
            value = state.value
            if not self.exact:
                value = self.problem.value(self.method.output(self.problem, state))
            self.at.append(state.step)
            self.loss.append(float(value))
        self.paused = time.perf_counter()
        if enough and state.step >= self.most:
            raise _EnoughError

    def pilot(self, ended: str) -> Pilot:
        """All of it."""
        pauses = self.pauses
        pace = float(np.median(pauses[1:] if len(pauses) > 1 else pauses)) if len(pauses) else 0.0
        steps, loss = np.array(self.at), np.array(self.loss)
        return Pilot(self.state, steps, loss, pace, ended, self.scale)
