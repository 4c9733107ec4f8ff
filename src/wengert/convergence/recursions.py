"""Methods that are linear on a quadratic, one eigenvalue at a time.

At an eigenvalue λ a method keeps a vector z of p numbers, of which ``read`` tells where it takes
the gradient and ``out`` what it answers with. A step is z ← F z − b (λ read·z + r), where r is what
the gradient has beside λ times the displacement: its curvature's change, or noise. Many steps of
constant F and b are a power of a matrix; coefficients that change with the step are constant over
blocks whose lengths grow with the step.

Sources: Polyak (1964); Flammarion and Bach, From averaging to acceleration (2015), for averages as
part of the state; Bach and Moulines (2013) for the second moments of SGD.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from wengert.optimize.descent import GradientDescent, Momentum, Nesterov
from wengert.optimize.methods import State
from wengert.optimize.steps import factor
from wengert.optimize.stochastic import SGD

Coefficients = Callable[[float], tuple[Any, Any]]
"""Of a step, counted from 0: F of shape (p, p) and b of shape (p,)."""

SINGLE = 32  # steps at the start that are taken one by one
GROWTH = 0.03  # of the blocks after them


@dataclass(frozen=True, eq=False)
class Linear:
    """A method as a linear recursion.

    Attributes
    ----------
    coefficients : callable
        F and b of a step.
    read, out : ndarray of shape (p,)
        Where the gradient is taken, and the answer, as functions of z.
    start : callable
        z, of shape (k, p), from a state whose vectors are in coordinates of the eigenvectors, and
        the minimum there.
    constant : bool
        Whether F and b are the same at all steps.
    """

    coefficients: Coefficients
    read: Any
    out: Any
    start: Callable[[State], Any]
    constant: bool


def linear(method: Any, length: float) -> Linear | None:
    """A method's recursion, if it is linear.

    Parameters
    ----------
    method : Method
        Any.
    length : float
        The factor α of a method whose step is fixed by the run.

    Examples
    --------
    >>> found = linear(GradientDescent(0.5), 0.5)
    >>> F, b = found.coefficients(0)
    >>> F, b
    (array([[1.]]), array([0.5]))
    """
    one = np.ones(1)
    if isinstance(method, GradientDescent) and isinstance(method.step, int | float | str):
        fixed = np.eye(1), np.array([length])
        return Linear(lambda t: fixed, one, one, lambda s: s.x[:, None], True)
    if isinstance(method, Momentum):
        pair = _heavy_ball(method.momentum, length)
        read = np.array([1.0, 0.0])
        return Linear(lambda t: pair, read, read, _with_velocity, True)
    if isinstance(method, Nesterov):
        return _nesterov(method, length)
    if isinstance(method, SGD):
        return _sgd(method)
    return None


def _heavy_ball(beta: float, length: float) -> tuple[Any, Any]:
    return np.array([[1.0, beta], [0.0, beta]]), np.array([length, length])


def _with_velocity(state: State) -> Any:
    return np.stack([state.x, state.own["velocity"]], 1)


def _nesterov(method: Nesterov, length: float) -> Linear:
    def coefficients(t: float) -> tuple[Any, Any]:
        beta = momentum(t)
        return np.array([[1 + beta, -beta], [1.0, 0.0]]), length * np.array([1 + beta, 1.0])

    def momentum(t: float) -> float:
        if method.momentum is not None:
            return float(method.momentum)
        if method.strong_convexity is not None:
            root = sqrt(min(1.0, length * method.strong_convexity))
            return (1 - root) / (1 + root)
        tk = _growing(t)
        return (tk - 1) / ((1 + sqrt(1 + 4 * tk * tk)) / 2)

    constant = method.momentum is not None or method.strong_convexity is not None
    return Linear(
        coefficients,
        np.array([1.0, 0.0]),
        np.array([0.0, 1.0]),
        lambda s: np.stack([s.x, s.own["theta"]], 1),
        constant,
    )


def _growing(step: float) -> float:
    """tₖ of Nesterov's method: 1, and then (1 + √(1 + 4t²))/2 again and again."""
    t = 1.0
    for _ in range(min(int(step), 100)):
        t = (1 + sqrt(1 + 4 * t * t)) / 2
    rest = max(0.0, step - 100) / 2
    return t + rest + np.log1p(rest / t) / 4


def _sgd(method: SGD) -> Linear:
    beta = float(method.momentum)

    def coefficients(t: float) -> tuple[Any, Any]:
        length = _between(method.step, t)
        if beta:
            return _heavy_ball(beta, length)
        return np.eye(1), np.array([length])

    read = np.array([1.0, 0.0]) if beta else np.ones(1)
    start = _with_velocity if beta else (lambda s: s.x[:, None])
    fixed = isinstance(method.step, int | float) or factor(method.step, 9) == factor(method.step, 0)
    return Linear(coefficients, read, read, start, fixed)


def _between(step: Any, t: float) -> float:
    """The factor of a step that need not be a whole number."""
    low = int(t)
    here = factor(step, low)
    return here if t == low else here + (t - low) * (factor(step, low + 1) - here)


# ---------------------------------------------------------------- many steps


def blocks(first: int, last: int, growth: float = GROWTH) -> Any:
    """Steps at which blocks begin and end: one by one at first, then longer and longer.

    >>> blocks(0, 40, 0.5)[-4:]
    array([31, 32, 38, 40])
    """
    at = [first]
    while at[-1] < last:
        done = at[-1] - first
        size = 1 if done < SINGLE else max(1, int(growth * done))
        at.append(min(last, at[-1] + size))
    return np.array(at)


def middle(begin: int, end: int) -> float:
    """The step whose coefficients stand for those of a block."""
    return (begin + end - 1) / 2


def step_matrices(values: Any, F: Any, b: Any, read: Any) -> Any:
    """F − λ b readᵀ for each eigenvalue, of shape (k, p, p)."""
    return F - np.asarray(values)[:, None, None] * np.outer(b, read)


def mean_path(method: Linear, values: Any, z: Any, at: Any, forcing: Any | None = None) -> Any:
    """z at the ends of blocks, of shape (m, k, p).

    Parameters
    ----------
    method : Linear
        The recursion.
    values : ndarray of shape (k,)
        Eigenvalues.
    z : ndarray of shape (k, p)
        At the first step.
    at : ndarray of shape (m,)
        Steps, ascending.
    forcing : ndarray of shape (m - 1, k), optional
        r in each block.
    """
    k, p = z.shape
    found = [z]
    one = np.zeros((k, p + 1, p + 1))
    one[:, p, p] = 1.0
    whole = np.concatenate([z, np.ones((k, 1))], 1)
    for j, (begin, end) in enumerate(zip(at[:-1], at[1:], strict=True)):
        F, b = method.coefficients(middle(begin, end))
        one[:, :p, :p] = step_matrices(values, F, b, method.read)
        if forcing is not None:
            one[:, :p, p] = -forcing[j][:, None] * b
        whole = np.einsum("kij,kj->ki", np.linalg.matrix_power(one, int(end - begin)), whole)
        found.append(whole[:, :p])
    return np.array(found)
