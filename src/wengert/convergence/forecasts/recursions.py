"""Methods that are linear on a quadratic, one eigenvalue at a time.

At an eigenvalue λ a method keeps a vector z of p numbers, of which ``read`` tells where it takes
the gradient. A step is z ← F z − b (λ read·z + r), where r is what the gradient has beside λ times
the displacement: its curvature's change, or noise. Many steps of constant F and b are a power of a
matrix; coefficients that change with the step are constant over blocks whose lengths grow with it.
Averages of iterates are sums that z keeps besides.

Sources: Polyak, Some methods of speeding up the convergence of iteration methods (1964);
Flammarion and Bach, From averaging to acceleration (2015).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from math import log1p, sqrt
from typing import Any

import numpy as np

from wengert.optimize.descent import GradientDescent, Momentum, Nesterov
from wengert.optimize.steps import Fixed, factor
from wengert.optimize.stochastic import SGD

SINGLE = 32  # steps at the start that are taken one by one
OSCILLATING = 2000  # the same for methods whose gap may rise and fall
RAISED = 1.01  # what "1/L" multiplies an eigenvalue by
GROWTH = 0.03  # of the blocks after them


@dataclass(frozen=True, eq=False)
class Linear:
    """A method as a linear recursion.

    Attributes
    ----------
    coefficients : callable
        F of shape (p, p) and b of shape (p,) of a step, counted from 0.
    read : ndarray of shape (p,)
        Where the gradient is taken, as a function of z.
    last : ndarray of shape (p,)
        The last iterate, as a function of z.
    keeps : tuple of str
        What z consists of: "x", and entries of a state's ``own``.
    constant : bool
        Whether F and b are the same at all steps.
    average : None, "all", "tail" or "weighted"
        What it answers with; the last entries of z are then sums of iterates.
    unit : int
        Steps of which a whole number goes by before a new sum begins: an epoch, or 1.
    """

    coefficients: Callable[[float], tuple[Any, Any]]
    read: Any
    last: Any
    keeps: tuple[str, ...]
    constant: bool
    average: str | None = None
    unit: int = 1

    @property
    def single(self) -> int:
        """Steps at the start that are to be taken one by one."""
        return SINGLE if len(self.keeps) == 1 else OSCILLATING

    def out(self, step: int) -> Any:
        """The answer after a step, as a function of z."""
        if self.average is None or step == 0:
            return self.last
        found = np.zeros(len(self.last))
        terms = step - self._opened(step)[0] + 1 if self.average == "tail" else step
        if self.average == "weighted":
            terms = step * (step + 1) / 2
        found[len(self.keeps)] = 1 / terms
        return found

    def answers(self, states: Any, at: Any) -> Any:
        """The answers of shape (m, k), of states of shape (m, k, p)."""
        return np.einsum("mkp,mp->mk", states, np.array([self.out(int(t)) for t in at]))

    def edges(self, last: int) -> list[int]:
        """Steps up to a last one at which a new sum begins: before powers of 2."""
        if self.average != "tail":
            return []
        powers = range(last.bit_length() + 1)
        return [e for k in powers if (e := round((2**k - 1) / self.unit) * self.unit) < last]

    def reset(self, step: int) -> Any | None:
        """What is done to z before a step, if anything: a matrix."""
        times = self.edges(step + 1).count(step)
        if not times:
            return None
        k = len(self.keeps)
        turn = np.eye(k + 2)
        turn[k:, k:] = [[0.0, 1.0], [0.0, 0.0]]
        return np.linalg.matrix_power(turn, times)

    def _opened(self, step: int) -> tuple[int, int]:
        """The first steps of the two sums of tail averages."""
        edges = [0, 0, *self.edges(step)]
        return edges[-2] + 1, edges[-1] + 1

    def summed(self, trail: Any, z: Any) -> Any:
        """z with its sums, after the iterates of shape (t, k) that ``trail`` has."""
        if self.average is None:
            return z
        starts = self._opened(len(trail)) if self.average == "tail" else (1,)
        if self.average == "weighted":
            trail = np.arange(1, len(trail) + 1)[:, None] * trail
        sums = [np.sum(trail[s - 1 :], axis=0) for s in starts]
        return np.concatenate([z, np.array(sums).T], 1)


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
    >>> found.coefficients(0)
    (array([[1.]]), array([0.5]))
    """
    if isinstance(method, GradientDescent) and isinstance(method.step, int | float | str):
        return _plain(lambda t: length, 0.0, True)
    if isinstance(method, Momentum):
        return _plain(lambda t: length, float(method.momentum), True)
    if isinstance(method, Nesterov):
        return _nesterov(method, length)
    if isinstance(method, SGD):
        rule = method.step
        constant = isinstance(rule, int | float | Fixed)
        found = _plain(lambda t: _between(rule, t), float(method.momentum), constant)
        return _averaged(found, method.average) if method.average else found
    return None


def _plain(length: Callable[[float], float], beta: float, constant: bool) -> Linear:
    """Gradient descent, or the heavy ball."""
    if not beta:
        one = np.ones(1)
        eye = np.eye(1)
        return Linear(lambda t: (eye, np.array([length(t)])), one, one, ("x",), constant)
    F = np.array([[1.0, beta], [0.0, beta]])
    x = np.array([1.0, 0.0])
    return Linear(lambda t: (F, np.full(2, length(t))), x, x, ("x", "velocity"), constant)


def _nesterov(method: Nesterov, length: float) -> Linear:
    def momentum(t: float) -> float:
        if method.momentum is not None:
            return float(method.momentum)
        if method.strong_convexity is not None:
            root = sqrt(min(1.0, length * method.strong_convexity))
            return (1 - root) / (1 + root)
        tk = _growing(t)
        return (tk - 1) / ((1 + sqrt(1 + 4 * tk * tk)) / 2)

    def coefficients(t: float) -> tuple[Any, Any]:
        beta = momentum(t)
        return np.array([[1 + beta, -beta], [1.0, 0.0]]), length * np.array([1 + beta, 1.0])

    constant = method.momentum is not None or method.strong_convexity is not None
    y, theta = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    return Linear(coefficients, y, theta, ("x", "theta"), constant)


_COUNTED = 100  # steps after which an expansion is exact enough


@cache
def _counted() -> list[float]:
    t = [1.0]
    for _ in range(_COUNTED):
        t.append((1 + sqrt(1 + 4 * t[-1] ** 2)) / 2)
    return t


def _growing(step: float) -> float:
    """tₖ of Nesterov's method: 1, and then (1 + √(1 + 4t²))/2 again and again."""
    t = _counted()[min(int(step), _COUNTED)]
    rest = max(0.0, step - _COUNTED) / 2
    return t + rest + log1p(rest / t) / 4


def _between(rule: Any, t: float) -> float:
    """The factor of a step that need not be a whole number."""
    low = int(t)
    here = factor(rule, low)
    return here if t == low else here + (t - low) * (factor(rule, low + 1) - here)


def _averaged(method: Linear, average: str) -> Linear:
    """The same with sums of the iterates."""
    k = len(method.keeps)
    sums = 2 if average == "tail" else 1

    def coefficients(t: float) -> tuple[Any, Any]:
        F, b = method.coefficients(t)
        weight = t + 1 if average == "weighted" else 1.0
        whole = np.zeros((k + sums, k + sums))
        whole[:k, :k] = F
        whole[k:, :k] = weight * method.last @ F
        whole[k:, k:] = np.eye(sums)
        return whole, np.concatenate([b, np.full(sums, weight * method.last @ b)])

    none = np.zeros(sums)
    return replace(
        method,
        coefficients=coefficients,
        read=np.concatenate([method.read, none]),
        last=np.concatenate([method.last, none]),
        constant=method.constant and average != "weighted",
        average=average,
    )


# ---------------------------------------------------------------- many steps


def blocks(method: Linear, first: int, last: int, unit: int = 1, growth: float = GROWTH) -> Any:
    """Steps at which blocks begin and end: one by one at first, then longer and longer.

    Parameters
    ----------
    method : Linear
        Tells where blocks must begin.
    first, last : int
        The ends.
    unit : int
        Steps that are not divided: an epoch.
    growth : float
        The length of a block, relative to the steps before it.

    Examples
    --------
    >>> blocks(linear(GradientDescent(0.5), 0.5), 0, 40, growth=0.2)[-4:]
    array([31, 32, 38, 40])
    """
    at = [first]
    while at[-1] < last:
        done = (at[-1] - first) // unit
        size = 1 if done < method.single else max(1, int(growth * done))
        at.append(min(last, at[-1] + size * unit))
    return np.unique([*at, *(e for e in method.edges(last) if e > first)])


def middle(begin: int, end: int) -> float:
    """The step whose coefficients stand for those of a block."""
    return (begin + end - 1) / 2


def step_matrices(method: Linear, values: Any, step: float) -> tuple[Any, Any]:
    """F − λ b readᵀ for each eigenvalue, of shape (k, p, p), and b."""
    F, b = method.coefficients(step)
    return F - np.asarray(values)[:, None, None] * np.outer(b, method.read), b


Powers = dict[tuple[int, int], tuple[Any, Any]]
"""What blocks of steps do to z, by their first step and length, for paths that share blocks."""


def mean_path(
    method: Linear,
    values: Any,
    z: Any,
    at: Any,
    forcing: Any | None = None,
    powers: Powers | None = None,
) -> Any:
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
    powers : dict, optional
        Of other paths of the same method and eigenvalues.
    """
    found: list[Any] = [z]
    powers = {} if powers is None else powers
    for j, (begin, end) in enumerate(pairwise(map(int, at))):
        turn = method.reset(begin)
        z = z if turn is None else z @ turn.T
        key = (0 if method.constant else begin), end - begin
        if key not in powers:
            powers[key] = _power(method, values, begin, end)
        whole, pushed = powers[key]
        z = (whole @ z[:, :, None])[:, :, 0]
        if forcing is not None:
            z = z - forcing[j][:, None] * pushed
        found.append(z)
    return np.array(found)


def _power(method: Linear, values: Any, begin: int, end: int) -> tuple[Any, Any]:
    """What a block of steps multiplies z by, (k, p, p), and what r = 1 takes from it, (k, p)."""
    matrices, b = step_matrices(method, values, middle(begin, end))
    k, p, _ = matrices.shape
    if end - begin == 1:
        return matrices, np.broadcast_to(b, (k, p))
    one: Any = np.zeros((k, p + 1, p + 1))
    one[:, :p, :p], one[:, :p, p], one[:, p, p] = matrices, b, 1.0
    many = np.linalg.matrix_power(one, end - begin)
    return many[:, :p, :p], many[:, :p, p]


def radius(method: Linear, values: Any, step: float) -> float:
    """The largest factor by which a step multiplies what is left of an eigenvector's part."""
    k = len(method.keeps)
    matrices: Any
    matrices, _ = step_matrices(method, values, step)
    return float(np.max(np.abs(np.linalg.eigvals(matrices[:, :k, :k]))))
