"""A function to be minimised, by vectors of its parameters: values and derivatives, compiled once.

With data, all of these are sums over chunks of rows, of which one is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from wengert.errors import ShapeError, UnknownValueError, WengertError
from wengert.optimize.batches import Batches
from wengert.optimize.krylov import Extremes, extremes
from wengert.optimize.matrices import Dense, Matrix, Structured
from wengert.optimize.sources import Nothing, Rows, Source, count_of
from wengert.optimize.space import Space, Tree, Vector
from wengert.transforms import compile, grad, hessian, hvp, value_and_grad

Function = Callable[..., Any]

_SMALL = 256  # parameters below which a dense Hessian is always the faster one
_MOST_BYTES = 4 * 10**9  # of a dense Hessian


class Compiling:
    """A function that is compiled, or traced at every call if its Python branches need values."""

    def __init__(self, function: Function) -> None:
        self._plain = function
        self._function: Function = compile(function)

    def __call__(self, *args: Any) -> Any:
        """The value."""
        try:
            return self._function(*args)
        except UnknownValueError:
            if self._function is self._plain:
                raise
            self._function = self._plain
            return self._plain(*args)


class Derivatives:
    """The derivatives of ``function(theta, *rows)`` by theta, compiled when first asked for.

    Parameters
    ----------
    function : callable
        Gives a number: the mean over the rows, if there are any.
    square : callable, optional
        The Gauss-Newton matrix: ``square(structured)`` is a function with the same arguments.
    """

    def __init__(
        self, function: Function, square: Callable[[bool], Function] | None = None
    ) -> None:
        self.function = function
        self._square = square
        self.kept: dict[Any, bool] = {}  # which Hessians are stored by their structure

    @cached_property
    def value(self) -> Function:
        """The number."""
        return Compiling(self.function)

    @cached_property
    def both(self) -> Function:
        """``(value, gradient)``."""
        return Compiling(value_and_grad(self.function))

    @cached_property
    def gradient(self) -> Function:
        """The gradient alone."""
        return Compiling(grad(self.function))

    @cached_property
    def product(self) -> Function:
        """``(theta, v, *rows)``: the Hessian times v."""

        def run(theta: Tree, v: Tree, *rows: Any) -> Tree:
            return hvp(lambda t: self.function(t, *rows), (theta,), (v,))

        return Compiling(run)

    @cached_property
    def hessian(self) -> Function:
        """The Hessian's blocks."""
        return Compiling(hessian(self.function))

    @cached_property
    def structured(self) -> Function:
        """The Hessian as a structured array."""
        return Compiling(hessian(self.function, structured=True))

    @cached_property
    def square(self) -> Function | None:
        """The Gauss-Newton matrix's blocks."""
        return self._square and Compiling(self._square(False))

    @cached_property
    def structured_square(self) -> Function | None:
        """The Gauss-Newton matrix as a structured array."""
        return self._square and Compiling(self._square(True))


@dataclass
class Counts:
    """What a run has asked of its problem so far.

    Attributes
    ----------
    samples : int
        Rows that went through the function or one of its derivatives (runs, without data).
    """

    samples: int = 0


class Problem:
    """A function of a vector, with its derivatives.

    Parameters
    ----------
    derivatives : Derivatives
        Of the function of a pytree and of rows.
    theta0 : pytree
        Parameters, for their nesting, shapes and precision.
    source : Source
        The rows.
    seed : int
        Of everything random.
    origin : object
        What the problem was made from: a risk, or a function.

    Attributes
    ----------
    space : Space
        Of the vectors.
    counts : Counts
        What was asked so far.
    """

    def __init__(
        self,
        derivatives: Derivatives,
        theta0: Tree,
        source: Source | None = None,
        seed: int = 0,
        origin: Any = None,
    ) -> None:
        self.derivatives = derivatives
        self.space = Space.of(theta0)
        self.source: Source = Nothing() if source is None else source
        self.seed = seed
        self.origin = origin
        self.counts = Counts()
        self._batches: dict[Any, Batches] = {}

    # ------------------------------------------------------------ values

    def _weighted(self) -> Iterator[tuple[float, Rows]]:
        """Chunks, with the share of the rows that they have."""
        total = self.source.length
        for size, rows in zip(self.source.sizes, self.source.chunks(), strict=False):
            self.counts.samples += size
            yield size / total, rows

    def _sum(self, evaluate: Callable[[Rows], Any]) -> Any:
        found: Any = None
        for weight, rows in self._weighted():
            part = evaluate(rows)
            if weight == 1.0:
                found = part
            elif found is None:
                found = weight * part
            else:
                found = found + weight * part
        return found

    def value(self, x: Vector) -> float:
        """f(x)."""
        theta = self.space.views(x)
        return float(self._sum(lambda rows: self.derivatives.value(theta, *rows)))

    def value_and_gradient(self, x: Vector) -> tuple[float, Vector]:
        """f(x) and ∇f(x)."""
        theta = self.space.views(x)
        value, gradient = 0.0, None
        for weight, rows in self._weighted():
            part, tree = self.derivatives.both(theta, *rows)
            leaves = self.space.joined(tree)
            if weight == 1.0:
                return float(part), leaves
            value += weight * float(part)
            gradient = weight * leaves if gradient is None else gradient + weight * leaves
        return value, gradient

    def product(self, x: Vector) -> Callable[[Vector], Vector]:
        """The function from v to ∇²f(x) v."""
        theta = self.space.views(x)

        def multiply(v: Vector) -> Vector:
            tree = self.space.views(np.asarray(v, self.space.dtype))
            return self._sum(
                lambda rows: self.space.joined(self.derivatives.product(theta, tree, *rows))
            )

        return multiply

    def hessian(self, x: Vector) -> Any:
        """∇²f(x) as a matrix."""
        return self._dense(self.derivatives.hessian, x)

    def curvature(self, x: Vector, structured: bool) -> Matrix:
        """∇²f(x), to solve with."""
        if structured:
            return self._kept(self.derivatives.structured, x, self.product(x))
        return Dense(self.hessian(x))

    def gauss_newton(self, x: Vector, structured: bool) -> Matrix:
        """The Gauss-Newton matrix at x, to solve with.

        Raises
        ------
        WengertError
            If the problem has no residuals or predictions.
        """
        chosen = self.derivatives.structured_square if structured else self.derivatives.square
        if chosen is None:
            raise WengertError(
                "Gauss-Newton needs residuals: minimise wg.LeastSquares(residuals) or a "
                "wg.EmpiricalRisk instead of a function that gives one number"
            )
        return self._kept(chosen, x) if structured else Dense(self._dense(chosen, x))

    def keeps_structure(self, x: Vector, square: bool = False) -> bool:
        """Whether the Hessian (or the Gauss-Newton matrix) is stored by less than half of it."""
        d = self.derivatives
        chosen = d.structured_square if square else d.structured
        if chosen is None or self.space.size < _SMALL:
            return False
        key = self.space.shapes, square
        if key not in d.kept:
            rows = next(iter(self.source.chunks()))
            found = chosen(self.space.views(x), *rows)
            d.kept[key] = 2 * found.nbytes < self.space.size**2 * self.space.dtype.itemsize
        return d.kept[key]

    def _dense(self, function: Function, x: Vector) -> Any:
        size = self.space.size
        if size**2 * 8 > _MOST_BYTES:
            raise ShapeError(
                f"the Hessian by {size:,} parameters has {size**2:,} entries, too many to write "
                "out; use NewtonCG() or LBFGS(), or structured=True"
            )
        theta = self.space.views(x)
        return self._sum(lambda rows: self.space.matrix(function(theta, *rows)))

    def _kept(self, function: Function, x: Vector, product: Function | None = None) -> Structured:
        theta = self.space.views(x)
        return Structured(self._sum(lambda rows: function(theta, *rows)), self.space, product)

    # ------------------------------------------------------------ batches

    def batches(self, size: int, replacement: bool) -> Batches:
        """The batches of the data in the order of this seed, the same object every time."""
        key = size, replacement
        if key not in self._batches:
            self._batches[key] = Batches(self.source, size, replacement, self.seed)
        return self._batches[key]

    def batch_gradient(self, x: Vector, rows: Rows) -> Vector:
        """The gradient of the function of some rows."""
        self.counts.samples += count_of(rows)
        return self.space.joined(self.derivatives.gradient(self.space.views(x), *rows))

    # ------------------------------------------------------------ curvature

    def spectrum(self, x: Vector, most: int = 60, tolerance: float = 1e-3) -> Extremes:
        """The ends of the Hessian's spectrum at x, by Lanczos' method."""
        return extremes(self.product(x), self.space.size, self.seed, most, tolerance)
