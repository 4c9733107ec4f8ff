"""Propagation of uncertainty to first and second order, as laboratories do it (GUM)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import special

from wengert.errors import DomainError, NameClashError
from wengert.expectation.budget import Budget, make_budget
from wengert.expectation.expansion import Expansion, expand
from wengert.expectation.inputs import Correlations, Inputs, inputs_of
from wengert.expectation.model_moments import (
    ModelMoments,
    moments_of_draws,
    moments_of_gum,
    moments_of_model,
)
from wengert.expectation.report import Table, number
from wengert.taylor.subject import Source

_MODEL, _GUM = "model", "gum"
_MOST_SHOWN = 12  # outputs in a table


@dataclass(frozen=True)
class Expanded:
    """An expanded uncertainty U = k u.

    Attributes
    ----------
    factor : float
        The coverage factor k.
    uncertainty : array_like
        U, of the output's shape.
    interval : tuple of array_like
        Mean − U and mean + U.
    degrees_of_freedom : float
        That k is for; infinite for the Gaussian's.
    """

    factor: Any
    uncertainty: Any
    interval: tuple[Any, Any]
    degrees_of_freedom: Any


@dataclass(frozen=True, eq=False)
class Propagation:
    """The moments of a function of random inputs, to first or second order.

    Attributes
    ----------
    order : int
        1 or 2.
    convention : str
        ``"model"`` or ``"gum"``.
    inputs : Inputs
        What was propagated.
    expansion : Expansion
        Value and derivatives at the mean.
    moments : ModelMoments
        What was found, over the flattened outputs.
    dof : dict of str to float
        Degrees of freedom of the inputs' standard uncertainties, as given.
    """

    order: int
    convention: str
    inputs: Inputs
    expansion: Expansion
    moments: ModelMoments
    dof: Mapping[str, float]

    @property
    def mean(self) -> Any:
        """E of the outputs."""
        return self._shaped(self.flat_mean)

    @property
    def variance(self) -> Any:
        """Of the outputs."""
        return self._shaped(np.diag(self.covariance))

    @property
    def std(self) -> Any:
        """Standard uncertainties of the outputs."""
        return self._shaped(self.flat_std)

    @property
    def skewness(self) -> Any:
        """E[(Y − E Y)³] / σ³; NaN where moments of the inputs that it needs are not known."""
        return self._shaped(self._shapes[:, 0])

    @property
    def kurtosis(self) -> Any:
        """E[(Y − E Y)⁴] / σ⁴, 3 for a Gaussian; NaN like the skewness."""
        return self._shaped(self._shapes[:, 1])

    @cached_property
    def _shapes(self) -> Any:
        return np.array([self.moments.shape(k) for k in range(len(self.flat_mean))]).reshape(-1, 2)

    @property
    def covariance(self) -> Any:
        """Between the entries of the outputs, one output after the other, of shape ``(m, m)``."""
        return self.moments.covariance

    @property
    def flat_mean(self) -> Any:
        """Means of the m entries of the outputs."""
        return self.moments.mean

    @property
    def correlation(self) -> Any:
        """Correlations between the entries of the outputs, of shape ``(m, m)``."""
        with np.errstate(invalid="ignore"):
            return self.covariance / np.outer(self.flat_std, self.flat_std)

    @property
    def sensitivities(self) -> Any:
        """cᵢ = ∂f/∂xᵢ at the mean, of shape ``(m, n)`` for n entries of the inputs."""
        return self.expansion.jacobian

    @cached_property
    def flat_std(self) -> Any:
        """Standard uncertainties of the m entries of the outputs."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def _shaped(self, flat: Any) -> Any:
        return self.expansion.shaped(flat)

    # ------------------------------------------------------------ expanded uncertainty

    @property
    def degrees_of_freedom(self) -> Any:
        """Effective degrees of freedom by Welch and Satterthwaite (GUM G.4.1).

        ν = u⁴ / Σᵢ (cᵢ uᵢ)⁴/νᵢ, with the first-order u; inputs without degrees of freedom have
        infinitely many.

        Raises
        ------
        DomainError
            If inputs with degrees of freedom are correlated: the formula is not for them.
        """
        return self._shaped(self._dof)

    @cached_property
    def _dof(self) -> Any:
        given = np.array([self.dof.get(name, np.inf) for name in self.inputs.names])
        sigma = self.inputs.covariance
        limited = np.isfinite(given)
        crossed = np.count_nonzero(sigma[limited] - np.diag(np.diag(sigma))[limited])
        if crossed:
            raise DomainError(
                "the formula of Welch and Satterthwaite is for independent inputs; some with "
                "degrees of freedom are correlated: give the coverage factor, expanded(k=2)"
            )
        J = self.sensitivities
        linear = np.einsum("ai,ij,aj->a", J, sigma, J)
        with np.errstate(divide="ignore", invalid="ignore"):
            below = np.sum((J * self.inputs.std) ** 4 / given, axis=1)
            return np.where(below > 0, linear**2 / below, np.inf)

    def expanded(self, probability: float = 0.95, *, k: float | None = None) -> Expanded:
        """The expanded uncertainty.

        Parameters
        ----------
        probability : float
            Of the coverage interval, for a Gaussian output or, where degrees of freedom were
            given, Student's t with the effective ones, rounded down (GUM G.4.1).
        k : float, optional
            The coverage factor itself, instead of the probability.
        """
        if not 0 < probability < 1:
            raise ValueError(f"a coverage probability is between 0 and 1; got {probability}")
        if k is not None and not k > 0:
            raise ValueError(f"a coverage factor is positive; got {k}")
        if k is None:
            dof = np.maximum(np.floor(self._dof), 1.0)
            tail = (1 + probability) / 2
            factor = np.where(np.isinf(dof), special.ndtri(tail), special.stdtrit(dof, tail))
        else:
            dof = np.full(len(self.flat_std), np.inf)
            factor = np.full(len(self.flat_std), float(k))
        U = factor * self.flat_std
        ends = (self._shaped(self.flat_mean - U), self._shaped(self.flat_mean + U))
        return Expanded(self._shaped(factor), self._shaped(U), ends, self._shaped(dof))

    # ------------------------------------------------------------ budget

    def budget(self, output: int = 0) -> Budget:
        """Which input contributes how much of the variance of an output.

        To first order an input's share is (cᵢuᵢ)² of the variance; with correlations it is
        cᵢ Σⱼ cⱼ u(xᵢ, xⱼ), which sums to all of it and may be negative. To second order, for
        independent inputs, it is the variance of all terms in that input alone, and what products
        of inputs contribute is a row of its own; for correlated inputs and the convention "gum",
        the linear terms are shared out and the second-order ones are a row of their own.

        Parameters
        ----------
        output : int
            Which entry of the outputs, counted through.
        """
        m = len(self.flat_std)
        if not -m <= output < m:
            raise IndexError(f"there is no output {output}: the function has {m}")
        i = self.inputs
        own = None
        if self.order == 2 and self.convention == _MODEL and i.independent:
            own = self._own(output)
        return make_budget(
            i.labels, i.mean, i.covariance, self.sensitivities[output], own,
            float(self.flat_mean[output]), float(self.covariance[output, output]),
        )  # fmt: skip

    def _own(self, output: int) -> Any:
        """Var[gᵢδᵢ + ½Hᵢᵢδᵢ²] for every i."""
        g = self.sensitivities[output]
        h = np.diag(self.expansion.hessian[output])
        sigma2 = np.diag(self.inputs.covariance)
        third, fourth = self.inputs.cumulants(4)[3:]
        return g**2 * sigma2 + g * h * third + 0.25 * h**2 * (fourth + 2 * sigma2**2)

    # ------------------------------------------------------------ reading

    @property
    def table(self) -> Table:
        """The moments of the outputs."""
        columns = ("output", "mean", "std", "skewness", "kurtosis")
        rows: list[tuple[str, ...]] = []
        for k, label in enumerate(self.expansion.labels[:_MOST_SHOWN]):
            row = (self.flat_mean[k], self.flat_std[k], *self.moments.shape(k))
            rows.append((label, *(number(x, 8) for x in row)))
        if len(self.flat_mean) > len(rows):
            rows.append((f"... ({len(self.flat_mean)} in all)", "", "", "", ""))
        return Table(columns, tuple(rows))

    def report(self) -> str:
        """The moments and the budgets, as text."""
        parts = [str(self)]
        for k, label in enumerate(self.expansion.labels[:_MOST_SHOWN]):
            heading = f"budget of {label}\n" if len(self.flat_std) > 1 else ""
            parts.append(f"{heading}{self.budget(k)}")
        return "\n\n".join(parts)

    def __str__(self) -> str:
        how = f"to order {self.order}"
        if self.convention == _GUM:
            how += ", by the formula of GUM 5.1.2"
        n, m = self.inputs.size, len(self.flat_std)
        return f"{n} input{'s'[: n != 1]}, {m} output{'s'[: m != 1]}, {how}\n{self.table}"


def propagate(
    f: Source,
    dist: Any,
    order: int = 1,
    *,
    convention: str = _MODEL,
    correlations: Correlations = None,
    constants: Mapping[str, Any] = {},
    dof: Mapping[str, float] = {},
) -> Propagation:
    """Moments of a function of random inputs, by its Taylor polynomial of order 1 or 2.

    Parameters
    ----------
    f : str, Formula or callable
        A formula, or a function of one argument, written with NumPy, that gives an array or a
        tree of arrays; the argument is like ``dist``.
    dist : object
        A mapping from names to distributions (:class:`Normal`, frozen ones of ``scipy.stats``,
        :class:`Draws`), pairs ``(value, standard uncertainty)`` of Gaussians, and constants; or
        one distribution.
    order : int
        1: f is taken as linear. 2: the moments are those of the quadratic model
        f(μ) + gᵀδ + ½ δᵀHδ, exactly, by the inputs' moments up to the eighth.
    convention : str
        ``"model"``, or ``"gum"`` for the variance of GUM 5.1.2 at order 2, which has the third
        derivatives too: Σᵢ cᵢ²uᵢ² + Σᵢⱼ (½ cᵢⱼ² + cᵢ cᵢⱼⱼ) uᵢ²uⱼ², for Gaussian inputs; the mean
        is then f(μ), and skewness and kurtosis are NaN.
    correlations : mapping or matrix, optional
        ``{("x", "y"): 0.5}``, or a matrix with a row for each scalar random input.
    constants : mapping, optional
        Further variables of the formula, by name.
    dof : mapping, optional
        Degrees of freedom of inputs' standard uncertainties, by name.

    Returns
    -------
    Propagation
        With the moments, :meth:`~Propagation.budget` and :meth:`~Propagation.expanded`.

    Raises
    ------
    DomainError
        If f or its derivatives are not finite at the mean, or the distributions do not determine
        what the order needs.
    ValueError
        For an order other than 1 and 2, or another convention.

    Notes
    -----
    JCGM 100:2008 (GUM); the quadratic model is that of Cox (1979), "An extension of the method of
    propagation of uncertainty".

    Examples
    --------
    >>> p = propagate("a*b", {"a": (2.0, 0.1), "b": (3.0, 0.2)})
    >>> float(p.mean), float(p.std)
    (6.0, 0.5)
    >>> print(p.budget())
    input    estimate     u   sensitivity   contribution   share %
    ──────────────────────────────────────────────────────────────
    b               3   0.2             2            0.4     64.00
    a               2   0.1             3            0.3     36.00
    ──────────────────────────────────────────────────────────────
    output          6   0.5                                    100
    shares: (cᵢ u(xᵢ))² of the variance
    """
    check_propagated(order)
    if convention not in (_MODEL, _GUM):
        raise ValueError(f"convention is 'model' or 'gum'; got {convention!r}")
    inputs = inputs_of(f, dist, correlations, constants)
    _check_dof(dof, inputs)
    if order == 2:
        inputs.refuse_unknown()
    third = order == 2 and convention == _GUM
    expansion = expand(inputs, order, inputs.covariance if third else None)
    if third:
        found = moments_of_gum(expansion, inputs)
    elif inputs.draws is not None:
        found = moments_of_draws(expansion, inputs.draws)
    else:
        found = moments_of_model(expansion, inputs)
    return Propagation(order, convention, inputs, expansion, found, dict(dof))


def check_propagated(order: object) -> None:
    """An error unless this is 1 or 2."""
    if type(order) is not int or order not in (1, 2):
        raise ValueError(
            f"propagation is of order 1 or 2; got {order!r} (wg.expectation has higher orders)"
        )


def variance(f: Source, dist: Any, order: int = 1, **options: Any) -> Any:
    """The variance of a function of random inputs, like the function's result.

    Parameters
    ----------
    f, dist, order, **options
        As for :func:`propagate`.

    Examples
    --------
    >>> float(variance("a^2", {"a": (0.0, 1.0)}, order=2))
    2.0
    """
    return propagate(f, dist, order, **options).variance


def covariance(f: Source, dist: Any, order: int = 1, **options: Any) -> Any:
    """The covariance between the entries of a function's result.

    Parameters
    ----------
    f, dist, order, **options
        As for :func:`propagate`.

    Returns
    -------
    ndarray
        Of shape ``out.shape * 2`` if the result is one array; of a tree, a matrix over all entries,
        one array after the other.

    Examples
    --------
    >>> covariance(lambda x: x * np.array([1.0, 2.0]), (1.0, 0.5))
    array([[0.25, 0.5 ],
           [0.5 , 1.  ]])
    """
    found = propagate(f, dist, order, **options)
    shapes = found.expansion.shapes
    return found.covariance.reshape(shapes[0] * 2) if len(shapes) == 1 else found.covariance


def _check_dof(dof: Mapping[str, float], inputs: Inputs) -> None:
    for name, degrees in dof.items():
        if name not in inputs.names:
            listed = ", ".join(dict.fromkeys(inputs.names))
            raise NameClashError(f"dof: there is no random input {name!r}; they are: {listed}")
        if not degrees > 0:
            raise DomainError(f"dof: degrees of freedom are positive; {name} has {degrees}")
