"""What a method of minimisation is: a frozen object with init, advance and terminate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector


@dataclass(frozen=True, eq=False)
class State:
    """Where a method is; all that its next step depends on.

    Attributes
    ----------
    x : ndarray
        The point.
    value : float
        The loss at x; a method that draws batches leaves it as it was at the start.
    gradient : ndarray
        Its gradient, or that of the last batch.
    step : int
        How many steps were taken.
    length : float
        The last step's factor α; the radius of a trust region.
    own : mapping of str to array, float, int or str
        What else the method remembers.
    """

    x: Vector
    value: float
    gradient: Vector
    step: int = 0
    length: float = 0.0
    own: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Ending:
    """Why a method ends by itself.

    Attributes
    ----------
    status : str
        A word, as in :class:`Result`.
    message : str
        The reason, and the remedy if one is needed.
    """

    status: str
    message: str


@dataclass(frozen=True)
class Method:
    """A method of minimisation: :meth:`init`, :meth:`advance` until :meth:`terminate`.

    All are pure: a state in, a new state out.

    Attributes
    ----------
    stochastic : bool
        Whether steps see a batch only: the loss of all data is then recorded once an epoch.
    exact : bool
        Whether a state's loss and gradient are those of the point that :meth:`output` gives.
    """

    stochastic: ClassVar[bool] = False
    exact: ClassVar[bool] = True

    def init(self, problem: Problem, x: Vector) -> State:
        """The state before the first step."""
        value, gradient = problem.value_and_gradient(x)
        return State(x, value, gradient)

    def advance(self, problem: Problem, state: State) -> State:
        """The state after one more step."""
        raise NotImplementedError

    def terminate(self, problem: Problem, state: State) -> Ending | None:
        """Why there is no next step, if there is none."""
        found = state.own.get("ending")
        return found and Ending("stalled" if found == NO_DESCENT else "failed", found)

    def output(self, problem: Problem, state: State) -> Vector:
        """The point that the method answers with."""
        return state.x

    def interval(self, problem: Problem) -> int:
        """After how many steps the loss is recorded."""
        return 1

    def stable_step(self, largest: float) -> float | None:
        """The largest step that is stable on a quadratic whose largest eigenvalue is given."""
        return None


def moved(
    state: State, x: Vector, value: float, gradient: Vector, length: float, **own: Any
) -> State:
    """The state after a step, with some of what it remembers changed."""
    changed = {**state.own, **own} if own else state.own
    return State(x, value, gradient, state.step + 1, length, changed)


NO_DESCENT = (
    "no step lowers the loss any more, within rounding: this is as far as the arithmetic goes"
)


def stuck(state: State, reason: str = NO_DESCENT) -> State:
    """The same point, where the method ends."""
    return replace(state, own={**state.own, "ending": reason})
