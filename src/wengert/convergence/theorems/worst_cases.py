"""Functions on which methods are as slow as theorems allow, with all constants known.

Sources: Drori and Teboulle, Performance of first-order methods (2014), for Huber's function;
Taylor, Hendrickx and Glineur (2017) for its strongly convex relative; Nesterov, Lectures on convex
optimization (2018), section 2.1.2, for the chain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.convergence.facts import Constant, Constants
from wengert.convergence.theorems.accelerated import travelled


@dataclass(frozen=True, eq=False)
class WorstCase:
    """A function with a starting point, its minimum and its constants.

    Attributes
    ----------
    function : callable
        Of the parameters, a vector.
    theta0, minimizer : ndarray
        Where to begin, and the θ* that is nearest to there.
    minimum : float
        f*.
    smoothness, modulus : float
        L and μ.
    """

    function: Callable[[Any], Any]
    theta0: Any
    minimizer: Any
    minimum: float
    smoothness: float
    modulus: float = 0.0

    @property
    def constants(self) -> Constants:
        """L, μ, R and gap0, all exact."""
        distance = float(np.linalg.norm(self.theta0 - self.minimizer))
        gap = float(self.function(self.theta0)) - self.minimum
        exact = (
            ("L", "smoothness", self.smoothness),
            ("mu", "strong convexity", self.modulus),
            ("R", "distance to the minimum", distance),
            ("gap0", "gap at the start", gap),
        )
        return Constants(tuple(Constant(s, n, float(v), "exact", "known") for s, n, v in exact))


def huber(
    steps: int,
    *,
    smoothness: float = 1.0,
    modulus: float = 0.0,
    distance: float = 1.0,
    alpha: float | None = None,
) -> WorstCase:
    """The function of one variable on which gradient descent is slowest after so many steps.

    A parabola with the curvature L up to a distance δ from 0, and one with the curvature μ beyond;
    δ is such that the steps α, 1/L by default, come just to its edge.

    Parameters
    ----------
    steps : int
        After how many.
    smoothness, modulus : float
        L and μ.
    distance : float
        R.
    alpha : float, optional
        The step, at most 1/L.

    Examples
    --------
    >>> worst = huber(10)
    >>> x = worst.theta0
    >>> for _ in range(10):
    ...     x = x - np.clip(x, -1 / 21, 1 / 21)
    >>> round(float(worst.function(x)) * (4 * 10 + 2), 12)  # LR²/(4T + 2) is met
    1.0
    """
    alpha = 1 / smoothness if alpha is None else alpha
    keep = (1 - alpha * modulus) ** steps
    rest = smoothness - modulus
    far = distance * keep
    # After T steps θ is far − moved·δ, with the same formula up to the edge of the inner parabola.
    moved = rest * (alpha * steps if modulus == 0 else (1 - keep) / modulus)
    edge = far * (rest - modulus * moved) / (rest * (1 + 2 * moved) - modulus * moved**2)
    return WorstCase(
        _Huber(smoothness, modulus, edge),
        np.array([distance]),
        np.zeros(1),
        0.0,
        smoothness,
        modulus,
    )


def huber_for_nesterov(
    steps: int, *, smoothness: float = 1.0, distance: float = 1.0, alpha: float | None = None
) -> WorstCase:
    """Huber's function whose edge Nesterov's method just comes to, from the start to the end.

    The slowest that is known: semidefinite programs find no slower one for the few steps for which
    they can be solved.
    """
    alpha = 1 / smoothness if alpha is None else alpha
    edge = distance / (2 * alpha * smoothness * travelled(steps) + 1)
    return WorstCase(
        _Huber(smoothness, 0.0, edge), np.array([distance]), np.zeros(1), 0.0, smoothness
    )


@dataclass(frozen=True)
class _Huber:
    """L/2 x² for |x| ≤ δ, and continued with the curvature μ."""

    smoothness: float
    modulus: float
    edge: float

    def __call__(self, theta: Any) -> Any:
        far = np.maximum(np.abs(theta) - self.edge, 0.0)
        inner = np.abs(theta) - far
        parabola = self.smoothness / 2 * inner**2 + self.smoothness * self.edge * far
        return np.sum(parabola + self.modulus / 2 * far**2)


def quadratic(eigenvalues: Any, theta0: Any) -> WorstCase:
    """½ Σ λᵢ θᵢ²: with λ of μ and L, the slowest strongly convex functions.

    Parameters
    ----------
    eigenvalues, theta0 : array_like
        λ and θ₀, vectors of the same length.
    """
    values = np.asarray(eigenvalues, float)
    start = np.asarray(theta0, float)
    return WorstCase(
        lambda theta: 0.5 * np.sum(values * theta**2),
        start,
        np.zeros(len(values)),
        0.0,
        float(np.max(values)),
        float(np.min(values)),
    )


def spread_quadratic(decades: float = 6.0, size: int = 121, smoothness: float = 1.0) -> WorstCase:
    """A quadratic on which gradient descent has the rate 1/T for that many decades of T.

    Its eigenvalues are spread evenly over the decades below L, and the error at the start is the
    same in all of them; the gap ½ Σ λ(1 − αλ)^(2T) c² is then about 1/T, while T is between 1/L and
    1/μ: all of it is one fixed function, unlike Huber's, which is another one for each T.
    """
    values = smoothness * np.logspace(-decades, 0, size)
    return quadratic(values, np.full(size, size**-0.5))


def chain(size: int, smoothness: float = 1.0) -> WorstCase:
    """Nesterov's chain: each step of any method that moves along gradients reaches one more entry.

    L/4 (½(θ₁² + Σ(θᵢ − θᵢ₊₁)² + θₙ²) − θ₁), from 0. No such method has a gap below
    3LR²/(32(T + 1)²) after T = (n − 1)/2 steps, or before.
    """
    scale = smoothness / 4

    def function(theta: Any) -> Any:
        inside = np.sum((theta[1:] - theta[:-1]) ** 2)
        return scale * (0.5 * (theta[0] ** 2 + inside + theta[-1] ** 2) - theta[0])

    best = 1 - np.arange(1, size + 1) / (size + 1)
    modulus = smoothness / 2 * (1 - np.cos(np.pi / (size + 1)))
    largest = smoothness / 2 * (1 + np.cos(np.pi / (size + 1)))
    return WorstCase(
        function, np.zeros(size), best, float(function(best)), float(largest), float(modulus)
    )
