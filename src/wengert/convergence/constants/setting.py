"""What constants are found from: a problem, its structure, its minimum, and points on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from wengert.convergence.constants.bends import Composite, composite_of
from wengert.convergence.constants.degrees import is_polynomial
from wengert.convergence.constants.ends import DENSE, Ends, ends_of
from wengert.convergence.constants.reference import reference_of
from wengert.convergence.constants.rows import AffineModel, affine_model
from wengert.convergence.facts import Constant, Convexity
from wengert.errors import WengertError
from wengert.optimize.problem import Derivatives, Problem
from wengert.optimize.risk import EmpiricalRisk, LeastSquares
from wengert.optimize.separation import SEPARATED
from wengert.optimize.sources import Nothing
from wengert.optimize.space import Vector
from wengert.taylor.kinks import kinks_of, record_for_all

Found = Constant | str
"""A constant, or why there is none."""

_POINTS = 5  # of a path, that are looked at
_WAY = (0.1, 0.3, 0.6)  # shares of the way from θ₀ to θ*; most changes at its beginning
_DENSE_ANY = 600  # parameters up to which the Hessian of any function is written out
_REACHED = 1e-6  # of the first gradient: that of a minimum


@dataclass(frozen=True, eq=False)
class Minimum:
    """The point that distances and gaps are measured from.

    Attributes
    ----------
    x : ndarray
        The point.
    value, norm : float
        f and ‖∇f‖ there.
    how : str
        A clause.
    exact : bool
        It is the minimiser nearest to θ₀, but for rounding.
    """

    x: Vector
    value: float
    norm: float
    how: str
    exact: bool = False


@dataclass(frozen=True, eq=False)
class Penalty:
    """The ends of the spectrum of a regulariser's Hessian, which does not depend on θ."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Setting:
    """A problem with a start, and what is found of it on demand, once.

    Attributes
    ----------
    problem : Problem
        What is minimised.
    x0 : ndarray
        θ₀.
    convexity : Convexity, optional
        What is proven of the function.
    optimum : ndarray, optional
        A trusted minimiser; by default it is found.
    path : tuple of ndarray
        Points of a run; by default points between θ₀ and the minimiser.
    """

    problem: Problem
    x0: Vector
    convexity: Convexity | None = None
    optimum: Vector | None = None
    path: tuple[Vector, ...] = ()
    kept: dict[Any, Any] = field(default_factory=dict[Any, Any], repr=False)

    # ------------------------------------------------------------ structure

    @property
    def size(self) -> int:
        """The number of parameters."""
        return self.problem.space.size

    @property
    def eps(self) -> float:
        """The spacing of numbers at 1."""
        return float(np.finfo(self.problem.space.dtype).eps)

    @property
    def risk(self) -> EmpiricalRisk | None:
        """The risk, if the problem is one."""
        origin = self.problem.origin
        return origin if isinstance(origin, EmpiricalRisk) else None

    @property
    def has_rows(self) -> bool:
        """Is the function a mean over rows of data?"""
        return not isinstance(self.problem.source, Nothing) and self.risk is not None

    @cached_property
    def model(self) -> AffineModel | None:
        """The model, if it is affine in its parameters, under a named loss."""
        return affine_model(self.problem, self.x0)

    @cached_property
    def quadratic(self) -> bool:
        """Does the Hessian not depend on the parameters?"""
        function = self.problem.derivatives.function
        theta = self.problem.space.tree(self.x0)
        return all(
            is_polynomial(lambda t, rows=rows: function(t, *rows), theta, 2)
            for rows in self.problem.source.chunks()
        )

    @cached_property
    def composite(self) -> Composite | None:
        """Bounds by the curves that the function is made of, where no named loss gives any."""
        if self.quadratic or self.model is not None:
            return None
        return composite_of(self.problem, self.x0)

    @cached_property
    def penalty(self) -> Penalty | None:
        """Bounds on the regulariser's curvature, if they are proven."""
        risk = self.risk
        if risk is None or risk.regularizer is None:
            return Penalty(0.0, 0.0)
        if not callable(risk.regularizer):
            return Penalty(float(risk.regularizer), float(risk.regularizer))
        theta = self.problem.space.tree(self.x0)
        if not is_polynomial(risk.penalty, theta, 2):
            return None
        ends = ends_of(Problem(Derivatives(risk.penalty), theta), self.x0)
        if not ends.dense or not ends.finite:
            return None
        low = 0.0 if abs(ends.low) <= ends.error else ends.low - ends.error
        return Penalty(low, ends.high + ends.error)

    @property
    def lowest(self) -> float | None:
        """A bound on the function from below."""
        risk = self.risk
        if isinstance(self.problem.origin, LeastSquares):
            return 0.0
        if risk is None or risk.named is None or callable(risk.regularizer):
            return None
        return risk.named.lowest

    @cached_property
    def convex(self) -> bool | None:
        """Proven, refuted, or unknown (None)."""
        if self.quadratic:
            ends = self.ends(self.x0)
            if ends.dense:
                return ends.low >= -ends.error
            if isinstance(self.problem.origin, LeastSquares):
                return True
        penalty = self.penalty
        if self.model is not None and penalty is not None and penalty.low >= 0:
            return True
        if self.composite is not None and self.composite.low >= 0:
            return True
        return None if self.convexity is None else self.convexity.convex

    @cached_property
    def kinks(self) -> tuple[str, ...]:
        """Operations because of which the gradient may jump; the losses by name have none but one.

        A softmax takes the largest logit off, and a Huber loss is put together of two pieces.
        """
        rows = next(iter(self.problem.source.chunks()))
        risk = self.risk

        def function(theta: Any) -> Any:
            if risk is None or risk.named is None:
                return self.problem.derivatives.function(theta, *rows)
            return risk.predictions_of(theta, rows[0]), risk.penalty(theta)

        try:
            recorded, _ = record_for_all(function, self.problem.space.tree(self.x0), "constants")
        except WengertError:
            return ()
        declared = kinks_of(recorded.roots, recorded.leaves)
        return tuple(dict.fromkeys(node.name for node, _, kink in declared if kink.order == 1))

    # ------------------------------------------------------------ at points

    @cached_property
    def start(self) -> tuple[float, Vector]:
        """f and ∇f at θ₀."""
        return self.problem.value_and_gradient(self.x0)

    def gradient(self, x: Vector) -> tuple[float, Vector]:
        """f and ∇f at a point, kept."""
        key = "gradient", x.tobytes()
        if key not in self.kept:
            self.kept[key] = self.problem.value_and_gradient(x)
        return self.kept[key]

    def ends(self, x: Vector) -> Ends:
        """The ends of the Hessian's spectrum at a point, kept; one for all of a quadratic."""
        key = "ends", b"" if self.quadratic else x.tobytes()
        if key not in self.kept:
            limit = DENSE if self.model is not None or self.quadratic else _DENSE_ANY
            self.kept[key] = ends_of(self.problem, x, limit)
        return self.kept[key]

    @cached_property
    def points(self) -> tuple[tuple[str, Vector], ...]:
        """θ₀, points on the way and the minimiser, each with its name."""
        found = [("θ₀", self.x0)]
        minimum = self.minimum
        inner = [x for x in self.path if np.all(np.isfinite(x))]
        if inner:
            where = np.unique(np.linspace(0, len(inner) - 1, _POINTS).round().astype(int))
            found += [("the path", inner[k]) for k in where]
        elif isinstance(minimum, Minimum):
            way = minimum.x - self.x0
            found += [("the way to θ*", self.x0 + t * way) for t in _WAY]
        if isinstance(minimum, Minimum):
            found.append(("θ*", minimum.x))
        return tuple(found)

    # ------------------------------------------------------------ the minimum

    @cached_property
    def minimum(self) -> Minimum | str:
        """The minimiser, or why there is none."""
        if self.quadratic and self.size <= DENSE:
            return self._of_quadratic()
        if self.optimum is not None:
            value, gradient = self.gradient(self.optimum)
            return Minimum(self.optimum, value, float(np.linalg.norm(gradient)), "as it was given")
        return self._by_search()

    def _of_quadratic(self) -> Minimum | str:
        """The nearest minimiser, θ₀ − H⁺∇f(θ₀), refined once."""
        matrix = np.asarray(self.problem.hessian(self.x0), float)
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        cut = self.ends(self.x0).error
        if values[0] < -cut:
            return f"the quadratic is not bounded from below: it has the curvature {values[0]:.3g}"
        kept = values > cut
        inverse = np.where(kept, 1 / np.where(kept, values, 1.0), 0.0)
        x = np.asarray(self.x0, float)
        for _ in range(2):
            gradient = vectors.T @ self.gradient(x)[1]
            x = x - vectors @ (inverse * gradient)
        value, gradient = self.gradient(x)
        norm = float(np.linalg.norm(gradient))
        if not self._is_stationary(x, norm):
            return "the quadratic is not bounded from below: it falls along a line"
        return Minimum(x, value, norm, "by the linear system ∇f = 0", exact=True)

    def scale(self, x: Vector) -> float:
        """Of the terms of which a gradient is the sum, to know its rounding."""
        return float(np.linalg.norm(self.start[1])) + self.ends(x).high * float(np.linalg.norm(x))

    def _is_stationary(self, x: Vector, norm: float) -> bool:
        if norm <= _REACHED * float(np.linalg.norm(self.start[1])):
            return True
        return norm <= 1e3 * self.eps * self.scale(x)

    def _by_search(self) -> Minimum | str:
        risk = self.risk
        if risk is not None and risk.named is not None and risk.named.kinked:
            return f"a {risk.named.name} loss mostly has its minimum at a kink: none was sought"
        found = reference_of(self.problem, self.x0, self.convexity)
        if found.x is None:
            return str(found.missing)
        value, gradient = self.gradient(found.x)
        norm = float(np.linalg.norm(gradient))
        run = found.run
        if self._is_stationary(found.x, norm):
            by = "search" if run is None else type(run.inputs["method"]).__name__
            return Minimum(found.x, value, norm, f"by {by}")
        return f"no minimum was found: {'' if run is None else run.message}"

    @property
    def separated(self) -> bool:
        """Is there an infimum, 0, that no θ attains?"""
        return self.minimum == SEPARATED


def constant(
    symbol: str,
    name: str,
    value: float,
    kind: Any,
    how: str,
    interval: tuple[float, float] | None = None,
    within: str = "",
) -> Constant:
    """A constant of plain numbers."""
    pair = None if interval is None else (float(interval[0]), float(interval[1]))
    return Constant(symbol, name, float(value), kind, how, pair, within)
