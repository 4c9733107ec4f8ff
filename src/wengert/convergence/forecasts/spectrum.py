"""How the eigenvalues of a Hessian are spread, and how a gradient is spread over them.

Sources: Golub and Meurant, Matrices, Moments and Quadrature (2010); Ubaru, Chen and Saad, Fast
estimation of tr(f(A)) via stochastic Lanczos quadrature (2017); Ghorbani, Krishnan and Xiao, An
investigation into neural net optimization via Hessian eigenvalue density (2019).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from wengert.optimize.krylov import Ritz, Vector, lanczos
from wengert.optimize.minimize import posed
from wengert.optimize.problem import Problem
from wengert.optimize.space import Tree

DENSE = 128  # parameters up to which all eigenvalues are computed
_BARS = 12  # of a printed spectrum
_WIDTH = 32


@dataclass(frozen=True, eq=False)
class Measure:
    """Weights at eigenvalues.

    Attributes
    ----------
    nodes : ndarray of shape (k,)
        Eigenvalues, or Ritz values, ascending.
    weights : ndarray of shape (k,)
        From 0 on.
    """

    nodes: Any
    weights: Any

    def integrate(self, function: Callable[[Any], Any]) -> float:
        """The sum of the weights times a function of the nodes."""
        return float(np.sum(self.weights * function(self.nodes)))

    def below(self, value: float) -> float:
        """The weight at or below a value."""
        return float(np.sum(self.weights[self.nodes <= value]))


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The spectrum of a Hessian at a point.

    Attributes
    ----------
    density : Measure
        Of the eigenvalues, of weight 1 in all.
    gradient : Measure
        Of ‖∇f‖², by the eigenvalue in whose direction it lies.
    size : int
        The number of parameters.
    exact : bool
        Whether the nodes are all eigenvalues; otherwise they are Ritz values.
    probes : int
        Random starts that the density is an average over.
    error : float
        The standard error of the mean eigenvalue, from the spread of the probes; of any smooth
        function's mean it is of this order relative to the function's range.
    products : int
        Products with the Hessian that were taken, or columns of it.
    """

    density: Measure
    gradient: Measure
    size: int
    exact: bool
    probes: int
    error: float
    products: int

    @property
    def nodes(self) -> Any:
        """Of the density."""
        return self.density.nodes

    @property
    def weights(self) -> Any:
        """Of the density."""
        return self.density.weights

    @property
    def smallest(self) -> float:
        """The smallest node: never below the smallest eigenvalue."""
        return float(self.nodes[0])

    @property
    def largest(self) -> float:
        """The largest node: never above the largest eigenvalue."""
        return float(self.nodes[-1])

    @property
    def trace(self) -> float:
        """The sum of all eigenvalues."""
        return self.size * self.density.integrate(lambda v: v)

    def gap(self) -> float:
        """½ ∇f·H⁻¹∇f, the gap of the quadratic model; infinite unless all nodes are positive."""
        if self.gradient.nodes[0] <= 0:
            return np.inf
        return 0.5 * self.gradient.integrate(lambda v: 1 / v)

    def plot(self, path: str | None = None) -> Any:
        """The shares of the eigenvalues and of ‖∇f‖², by eigenvalue.

        Parameters
        ----------
        path : str, optional
            A file to write the figure to; its ending says the format.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from wengert.convergence.forecasts.plots import plot_spectrum  # noqa: PLC0415 (optional)

        return plot_spectrum(self, path)

    def __str__(self) -> str:
        how = "all eigenvalues" if self.exact else f"Lanczos quadrature, {self.probes} probes"
        lines = [
            f"{self.size} eigenvalues from {self.smallest:.4g} to {self.largest:.4g} ({how})",
            f"{'eigenvalue':>21s}  {'of all':>7s}  {'of ‖∇f‖²':>8s}",
        ]
        whole = float(np.sum(self.gradient.weights)) or 1.0
        for low, high in _bins(self.smallest, self.largest):
            share = self.density.below(high) - self.density.below(low)
            part = (self.gradient.below(high) - self.gradient.below(low)) / whole
            bar = "█" * round(_WIDTH * share)
            lines.append(f"{low:10.3g} {high:10.3g}  {share:7.1%}  {part:8.1%}  {bar}".rstrip())
        return "\n".join(lines)


def _bins(low: float, high: float) -> list[tuple[float, float]]:
    """Intervals, open below, of the same ratio where all values are positive."""
    if high <= low:
        return [(np.nextafter(low, -np.inf), high)]
    if low > 0 and high / low > 10:
        edges = np.geomspace(low, high, _BARS + 1)
    else:
        edges = np.linspace(low, high, _BARS + 1)
    edges[0] = np.nextafter(low, -np.inf)
    edges[-1] = high
    return [(float(a), float(b)) for a, b in pairwise(edges)]


def spectral_density(
    objective: Any,
    theta: Tree,
    *,
    given: Mapping[str, Any] | None = None,
    probes: int = 8,
    products: int = 60,
    dense: int = DENSE,
    seed: int = 0,
) -> Spectrum:
    """The spectrum of a Hessian, and how the gradient is spread over it.

    Parameters
    ----------
    objective, theta, given
        What is minimised, as for :func:`wengert.minimize`, and the point.
    probes : int
        Random starts for the density of large problems.
    products : int
        Products with the Hessian for each start.
    dense : int
        Up to so many parameters all eigenvalues are computed.
    seed : int
        Of the starts.

    Raises
    ------
    ValueError
        For less than one probe or product.

    Examples
    --------
    >>> a = np.array([1.0, 10.0, 100.0])
    >>> found = spectral_density(lambda x: np.sum(a * x**2) / 2, np.ones(3))
    >>> found.nodes.round(6), found.gradient.weights.round(6)
    (array([  1.,  10., 100.]), array([1.e+00, 1.e+02, 1.e+04]))
    """
    if probes < 1 or products < 1:
        raise ValueError("probes and products must be 1 or more")
    problem, x = posed(objective, theta, given, seed)
    return spectrum_at(problem, x, probes, products, dense)


def spectrum_at(
    problem: Problem, x: Vector, probes: int = 8, products: int = 60, dense: int = DENSE
) -> Spectrum:
    """The spectrum at a vector; the rest as in :func:`spectral_density`."""
    size = problem.space.size
    _, gradient = problem.value_and_gradient(x)
    if size <= dense:
        values, vectors = np.linalg.eigh(np.asarray(problem.hessian(x), float))
        own = Measure(values, (vectors.T @ gradient) ** 2)
        return Spectrum(Measure(values, np.full(size, 1 / size)), own, size, True, 0, 0.0, size)
    multiply = problem.product(x)
    rng = np.random.default_rng([problem.seed, 4])
    found = [lanczos(multiply, rng.normal(size=size), products) for _ in range(probes)]
    means = [float(np.sum(_shares(one) * one.values)) for one in found]
    error = float(np.std(means, ddof=1) / np.sqrt(probes)) if probes > 1 else np.inf
    nodes = np.concatenate([one.values for one in found])
    weights = np.concatenate([_shares(one) / probes for one in found])
    order = np.argsort(nodes)
    taken = sum(one.products for one in found)
    own = Measure(np.zeros(1), np.zeros(1))
    if gradient.any():
        ritz = lanczos(multiply, gradient, products)
        own, taken = Measure(ritz.values, ritz.coordinates**2), taken + ritz.products
    density = Measure(nodes[order], weights[order])
    return Spectrum(density, own, size, False, probes, error, taken)


def _shares(ritz: Ritz) -> Any:
    """Weights of sum 1."""
    return ritz.coordinates**2 / np.sum(ritz.coordinates**2)
