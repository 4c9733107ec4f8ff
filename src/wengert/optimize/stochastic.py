"""Methods that see a batch of rows at a time: stochastic gradient descent, and Adam.

Sources: Robbins and Monro (1951); Polyak and Juditsky, Acceleration of stochastic approximation by
averaging (1992); Kingma and Ba, Adam (2015); Loshchilov and Hutter, Decoupled weight decay (2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from wengert.optimize.descent import check_momentum
from wengert.optimize.methods import Method, State, moved
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector
from wengert.optimize.steps import Schedule, check_schedule, checked_step, factor


@dataclass(frozen=True)
class SGD(Method):
    """Stochastic gradient descent: θ ← θ − αₜ ∇f_batch(θ).

    Attributes
    ----------
    batch_size : int
        Rows of a batch.
    step : float, Fixed, InverseSqrt or Inverse
        αₜ.
    replacement : bool
        Whether batches are drawn from all rows, independent of each other; otherwise each epoch
        goes through all rows once, in a new order.
    average : None, "all", "tail" or "weighted"
        What it answers with: the last iterate, the mean of all, the mean of the last ones (half to
        three quarters of all steps), or the mean of all where that after step t has the weight t.
    momentum : float
        β of the heavy ball.

    Examples
    --------
    >>> import wengert as wg
    >>> x, y = np.arange(100.0)[:, None] / 100, np.arange(100.0) / 50
    >>> risk = wg.EmpiricalRisk("squared", lambda theta, x: x @ theta, (x, y))
    >>> found = wg.minimize(risk, np.zeros(1), method=wg.SGD(10, step=1.0), stop=wg.Stop(steps=200))
    >>> found.theta.round(3)
    array([2.])
    """

    stochastic: ClassVar[bool] = True
    exact: ClassVar[bool] = False

    batch_size: int = 32
    step: float | Schedule = 0.01
    replacement: bool = False
    average: str | None = None
    momentum: float = 0.0

    def __post_init__(self) -> None:
        check_batch_size(self.batch_size)
        check_schedule(self.step, "step")
        check_momentum(self.momentum)
        if self.average not in (None, "all", "tail", "weighted"):
            raise ValueError(f"average is None, 'all', 'tail' or 'weighted'; got {self.average!r}")

    def init(self, problem: Problem, x: Vector) -> State:
        """Before the first batch."""
        start = super().init(problem, x)
        own: dict[str, Any] = {"velocity": np.zeros_like(x)} if self.momentum else {}
        if self.average in ("all", "weighted"):
            own["mean"] = x
        if self.average == "tail":
            own |= {"mean": x, "count": 0, "next": x, "next_count": 0}
        return replace(start, own=own)

    def advance(self, problem: Problem, state: State) -> State:
        """One batch."""
        rows = problem.batches(self.batch_size, self.replacement).rows(state.step)
        gradient = problem.batch_gradient(state.x, rows)
        length = factor(self.step, state.step)
        own: dict[str, Any] = {}
        if self.momentum:
            v = float(self.momentum) * state.own["velocity"] - length * gradient
            own["velocity"] = v
            x = state.x + v
        else:
            x = state.x - length * gradient
        if self.average == "all":
            own["mean"] = state.own["mean"] + (x - state.own["mean"]) / (state.step + 1)
        if self.average == "weighted":
            own["mean"] = state.own["mean"] + (x - state.own["mean"]) * 2 / (state.step + 2)
        if self.average == "tail":
            own |= _tail(state, x)
        return moved(state, x, state.value, gradient, length, **own)

    def output(self, problem: Problem, state: State) -> Vector:
        """The last iterate, or the mean."""
        return state.own["mean"] if self.average and state.step else state.x

    def interval(self, problem: Problem) -> int:
        """An epoch."""
        return problem.batches(self.batch_size, self.replacement).per_epoch

    def stable_step(self, largest: float) -> float | None:
        """2(1 + β)/L, for the whole risk; batches may need less."""
        return 2 * (1 + self.momentum) / largest if largest > 0 else None


def _tail(state: State, x: Vector) -> dict[str, Any]:
    """Two running means; at every power of 2 the later one becomes the earlier one.

    After t steps, with 2ᵏ ≤ t < 2ᵏ⁺¹, the mean is over the steps from 2ᵏ⁻¹ on.
    """
    own = state.own
    step = state.step + 1
    mean, count, later, more = own["mean"], own["count"], own["next"], own["next_count"]
    if step & (step - 1) == 0:
        mean, count, later, more = later, more, x, 0
    return {
        "mean": mean + (x - mean) / (count + 1),
        "count": count + 1,
        "next": later + (x - later) / (more + 1),
        "next_count": more + 1,
    }


@dataclass(frozen=True)
class Adam(Method):
    """Steps along running means of the gradient, over the root of running means of its square.

    Attributes
    ----------
    step : float or schedule
        αₜ.
    batch_size : int or None
        Rows of a batch; all with None.
    decay : tuple of float
        β₁ and β₂ of the running means.
    epsilon : float
        Added to the root.
    weight_decay : float
        λ of AdamW: θ ← θ − αₜ λ θ besides.
    replacement : bool
        As in :class:`SGD`.
    """

    step: float | Schedule = 1e-3
    batch_size: int | None = 32
    decay: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    replacement: bool = False

    def __post_init__(self) -> None:
        check_schedule(self.step, "step")
        if self.batch_size is not None:
            check_batch_size(self.batch_size)
        for beta in self.decay:
            check_momentum(beta)
        checked_step(self.epsilon, "epsilon")
        if not 0 <= self.weight_decay < np.inf:
            raise ValueError(f"weight_decay must be 0 or more; got {self.weight_decay!r}")

    @property
    def stochastic(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether it draws batches."""
        return self.batch_size is not None

    @property
    def exact(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether a state's loss is that of all rows."""
        return self.batch_size is None

    def init(self, problem: Problem, x: Vector) -> State:
        """With means of zero."""
        zero = np.zeros_like(x)
        return replace(super().init(problem, x), own={"first": zero, "second": zero})

    def advance(self, problem: Problem, state: State) -> State:
        """One batch, or one pass."""
        value, gradient = state.value, state.gradient
        if self.batch_size is not None:
            rows = problem.batches(self.batch_size, self.replacement).rows(state.step)
            gradient = problem.batch_gradient(state.x, rows)
        t = state.step + 1
        length = factor(self.step, state.step)
        one, two = map(float, self.decay)
        m = one * state.own["first"] + (1 - one) * gradient
        v = two * state.own["second"] + (1 - two) * (gradient * gradient)
        scale = length * math.sqrt(1 - two**t) / (1 - one**t)
        x = state.x - scale * m / (np.sqrt(v) + float(self.epsilon) * math.sqrt(1 - two**t))
        if self.weight_decay:
            x = x - length * float(self.weight_decay) * state.x
        if self.batch_size is None:
            value, gradient = problem.value_and_gradient(x)
        return moved(state, x, value, gradient, length, first=m, second=v)

    def interval(self, problem: Problem) -> int:
        """An epoch."""
        if self.batch_size is None:
            return 1
        return problem.batches(self.batch_size, self.replacement).per_epoch


def check_batch_size(size: Any) -> None:
    """An error unless this is a number of rows."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"batch_size must be a number of rows, 1 or more; got {size!r}")
