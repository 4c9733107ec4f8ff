"""A quadratic of few eigenvalues as a problem, on which any method can be run at no cost.

Methods that know no directions but gradients and products with the Hessian do on it what they do on
the quadratic model of the function: the basis does not matter to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.optimize.methods import Method, State
from wengert.optimize.minimize import is_finite
from wengert.optimize.problem import Derivatives, Problem
from wengert.optimize.space import Vector


class Diagonal(Problem):
    """½ Σ λᵢ zᵢ².

    Parameters
    ----------
    values : ndarray of shape (k,)
        λ.
    """

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values, float)
        derivatives = Derivatives(lambda z: 0.5 * np.sum(self.values * z * z))
        super().__init__(derivatives, np.zeros(len(self.values)))

    def value(self, x: Vector) -> float:
        """The number."""
        return 0.5 * float(self.values @ x**2)

    def value_and_gradient(self, x: Vector) -> tuple[float, Vector]:
        """The number and λ z."""
        gradient = self.values * x
        return 0.5 * float(gradient @ x), gradient

    def product(self, x: Vector) -> Callable[[Vector], Vector]:
        """λ v."""
        return lambda v: self.values * v

    def hessian(self, x: Vector) -> Any:
        """The diagonal matrix."""
        return np.diag(self.values)


def simulated(method: Method, values: Any, state: State, eps: float, most: int) -> tuple[Any, Any]:
    """Steps, and the gap at each, of a method on a quadratic, until it stays below eps or ends.

    Parameters
    ----------
    method : Method
        What is run.
    values : ndarray of shape (k,)
        Eigenvalues.
    state : State
        Where it is, in coordinates.
    eps : float
        The gap.
    most : int
        Steps at most.

    Examples
    --------
    >>> from wengert import Exact, GradientDescent
    >>> start = State(np.ones(2), 2.5, np.array([1.0, 4.0]))
    >>> steps, gap = simulated(GradientDescent(Exact()), [1.0, 4.0], start, 1e-3, 100)
    >>> bool(gap[-1] <= 1e-3)
    True
    """
    problem = Diagonal(values)
    value, gradient = problem.value_and_gradient(state.x)
    state = State(state.x, value, gradient, state.step, state.length, state.own)
    steps, gap = [state.step], [value]
    for _ in range(most):
        if method.terminate(problem, state) is not None or gap[-1] <= eps:
            break
        state = method.advance(problem, state)
        if not is_finite(state):
            break
        steps.append(state.step)
        gap.append(problem.value(method.output(problem, state)))
    return np.array(steps), np.array(gap)
