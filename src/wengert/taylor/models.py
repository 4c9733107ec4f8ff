"""Local models of functions for optimisers: linear and quadratic ones, and their minimisers.

A quadratic model is held as its gradient and products with its Hessian: the matrix is made only
when it is asked for. Steps are trees like the point.

Sources: Conn, Gould and Toint, Trust-Region Methods (2000), sections 6.3 and 7.3 to 7.5; Steihaug,
The conjugate gradient method and trust regions in large scale optimization (1983); Moré and
Sorensen, Computing a trust region step (1983).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optree

from wengert.errors import ShapeError, WengertError
from wengert.taylor.subject import Source, function_of
from wengert.taylor.trees import flattened, leaves_of, unflattened
from wengert.taylor.trust_region import cauchy_step, exact_step, steihaug_step
from wengert.transforms import grad, linearize, value_and_grad, vjp

Flat = Any
_DENSE = 200  # variables up to which the exact minimiser is taken

_HESSIANS = ("exact", "gauss-newton")


@dataclass(frozen=True, eq=False)
class LinearModel:
    """f(x₀) + ∇f(x₀)·s, a model of f(x₀ + s).

    Attributes
    ----------
    function : callable
        f, of one argument.
    point : tree of array
        x₀.
    value : float
        f(x₀).
    gradient : tree of array
        Like the point.
    """

    function: Callable[[Any], Any]
    point: Any
    value: Any
    gradient: Any

    def __call__(self, step: Any) -> Any:
        """The model's value at x₀ + step."""
        return self.value - self.predicted_decrease(step)

    def predicted_decrease(self, step: Any) -> Any:
        """model(0) − model(step), without a difference of the two values."""
        return -(self._slope @ self._flat(step))

    def actual_decrease(self, step: Any) -> Any:
        """f(x₀) − f(x₀ + step)."""
        moved = self._tree(flattened(self.point) + self._flat(step))
        return self.value - self.function(moved)

    def ratio(self, step: Any) -> float:
        """The decrease of f over the decrease that the model predicts; near 1 for a good model.

        Where neither moves it is 1; where only the model is still, 0 or minus infinity.
        """
        actual, predicted = float(self.actual_decrease(step)), float(self.predicted_decrease(step))
        if predicted == 0:
            return 1.0 if actual == 0 else (0.0 if actual > 0 else -np.inf)
        return actual / predicted

    def cauchy_point(self, radius: float) -> Any:
        """The step along −∇f to where the model is smallest within the radius."""
        return self._tree(cauchy_step(self._slope, self._multiply, _checked(radius)))

    def minimizer(self, radius: float) -> Any:
        """The step of length at most ``radius`` to where the model is smallest."""
        return self.cauchy_point(radius)

    @cached_property
    def _slope(self) -> Flat:
        return flattened(self.gradient)

    def _multiply(self, v: Flat) -> Flat:
        return np.zeros_like(v)

    def _flat(self, step: Any) -> Flat:
        flat, structure = optree.tree_flatten(step)
        own_flat, own = optree.tree_flatten(self.point)
        shapes = [np.shape(a) for a in flat]
        needed = [np.shape(a) for a in own_flat]
        if structure != own or shapes != needed:
            raise ShapeError(
                f"a step must be like the point, of shapes {needed}; got shapes {shapes}"
            )
        return flattened(step)

    def _tree(self, flat: Flat) -> Any:
        return unflattened(flat, self.point)


@dataclass(frozen=True, eq=False)
class QuadraticModel(LinearModel):
    """f(x₀) + ∇f(x₀)·s + sᵀHs/2, a model of f(x₀ + s).

    Attributes
    ----------
    product : callable
        H times a step, both trees like the point.
    """

    product: Callable[[Any], Any]

    def hvp(self, step: Any) -> Any:
        """H·step, without H."""
        self._flat(step)
        return self.product(step)

    def predicted_decrease(self, step: Any) -> Any:
        """model(0) − model(step), without a difference of the two values."""
        flat = self._flat(step)
        return -(self._slope @ flat) - flat @ self._multiply(flat) / 2

    def _multiply(self, v: Flat) -> Flat:
        return flattened(self.product(self._tree(v)))

    @cached_property
    def matrix(self) -> Any:
        """H as a matrix, rows and columns in the order of the point's leaves: n products."""
        size = self._slope.size
        columns = [self._multiply(e) for e in np.eye(size, dtype=self._slope.dtype)]
        full = np.array(columns).reshape(size, size)
        return (full + full.T) / 2

    def minimizer(self, radius: float = np.inf, *, method: str = "auto") -> Any:
        """The step of length at most ``radius`` to where the model is smallest.

        Parameters
        ----------
        radius : float
            The trust region's. Without one, H must be positive definite: Newton's step.
        method : str
            ``"exact"``: by the eigenvalues of H, for small problems; ``"steihaug"``: conjugate
            gradients on products with H, which stop at the boundary and at negative curvature;
            ``"auto"``: exact up to 200 variables.

        Returns
        -------
        tree of array
            The step, like the point.

        Raises
        ------
        WengertError
            If the model has no minimum: no radius, and H is not positive definite.

        Examples
        --------
        >>> model = quadratic_model(
        ...     lambda x: (x[0] - 3) ** 2 + 10 * x[1] ** 2, np.array([0.0, 1.0])
        ... )
        >>> model.minimizer()
        array([ 3., -1.])
        >>> step = model.minimizer(radius=1.0)
        >>> round(float(np.linalg.norm(step)), 6)
        1.0
        """
        radius = _checked(radius)
        if method not in ("auto", "exact", "steihaug"):
            raise ValueError(f"method must be 'auto', 'exact' or 'steihaug'; got {method!r}")
        dense = method == "exact" or (method == "auto" and self._slope.size <= _DENSE)
        if dense:
            return self._tree(exact_step(self._slope, self.matrix, radius))
        return self._tree(steihaug_step(self._slope, self._multiply, radius))


def linear_model(f: Source, x0: Any, *, given: dict[str, Any] | None = None) -> LinearModel:
    """The linear model of a scalar function at a point.

    Parameters
    ----------
    f : str, Formula or callable
        Scalar; as in :func:`wengert.taylor`.
    x0 : tree of array_like
        The point.
    given : dict, optional
        Values of a formula's other variables.

    Examples
    --------
    >>> model = linear_model(lambda x: np.sum(x**2), np.array([1.0, 2.0]))
    >>> float(model(np.array([0.1, 0.0]))), float(model.actual_decrease(np.array([0.1, 0.0])))
    (5.2, -0.20999999999999996)
    """
    function, point = function_of(f, x0, given)
    value, gradient = value_and_grad(function)(point)
    return LinearModel(function, point, value, gradient)


def quadratic_model(
    f: Source,
    x0: Any,
    *,
    hessian: str | Callable[[Any], Any] = "exact",
    given: dict[str, Any] | None = None,
) -> QuadraticModel:
    """The quadratic model of a scalar function at a point.

    Parameters
    ----------
    f : str, Formula or callable
        Scalar; as in :func:`wengert.taylor`. With ``hessian="gauss-newton"``: the residuals r, an
        array, and the model is one of ‖r‖²/2.
    x0 : tree of array_like
        The point.
    hessian : str or callable
        ``"exact"``; ``"gauss-newton"`` for JᵀJ, which is never indefinite; or a function that
        multiplies a step by a matrix of one's own.
    given : dict, optional
        Values of a formula's other variables.

    Examples
    --------
    >>> model = quadratic_model(lambda x: np.sum(np.cos(x)), np.array([0.5, 1.0]))
    >>> model.hvp(np.array([1.0, 0.0])).round(4)
    array([-0.8776, -0.    ])
    >>> fit = quadratic_model(lambda x: x**2 - 2.0, np.array([1.0, 2.0]), hessian="gauss-newton")
    >>> fit.minimizer()
    array([ 0.5, -0.5])
    """
    function, point = function_of(f, x0, given)
    if hessian == "gauss-newton":
        return _gauss_newton_model(function, point)
    value, gradient = value_and_grad(function)(point)
    if callable(hessian):
        return QuadraticModel(function, point, value, gradient, hessian)
    if hessian != "exact":
        raise ValueError(
            f"hessian must be one of {', '.join(map(repr, _HESSIANS))}, or a function of a step; "
            f"got {hessian!r}"
        )
    _, product = linearize(grad(function), point)
    return QuadraticModel(function, point, value, gradient, product)


def _gauss_newton_model(residuals: Callable[[Any], Any], point: Any) -> QuadraticModel:
    """The model of ‖r‖²/2 with the Hessian JᵀJ."""

    def halved_square(x: Any) -> Any:
        leaves = leaves_of(residuals(x))
        return sum(np.sum(r * r) for r in leaves) / 2

    r, pull = vjp(residuals, point)
    _, push = linearize(residuals, point)
    (gradient,) = pull(r)

    def product(step: Any) -> Any:
        return pull(push(step))[0]

    return QuadraticModel(halved_square, point, halved_square(point), gradient, product)


def _checked(radius: float) -> float:
    if not radius > 0:
        raise WengertError(f"the radius of a trust region must be positive; got {radius!r}")
    return float(radius)
