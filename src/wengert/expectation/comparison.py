"""Taylor approximations of moments beside Monte Carlo, Gauss rules, sparse grids, sigma points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import optree

from wengert.errors import DomainError, WengertError
from wengert.expectation.batches import Batches
from wengert.expectation.distributions import Draws
from wengert.expectation.doubts import (
    AxisSeries,
    doubts_of_kinks,
    doubts_of_series,
    doubts_of_simulation,
    series_along_axes,
)
from wengert.expectation.estimate import ApproximationWarning, Estimate
from wengert.expectation.expected import expectation
from wengert.expectation.inputs import Correlations, Inputs
from wengert.expectation.monte_carlo import MonteCarlo, simulate
from wengert.expectation.propagation import Propagation, check_propagated, propagate
from wengert.expectation.quadrature import (
    Latents,
    Rule,
    latents_of,
    sigma_points,
    sparse_rule,
    sparse_size,
    tensor_rule,
)
from wengert.expectation.report import Table, number
from wengert.expectation.trust import BY_VALUES
from wengert.taylor.kinks import record_for_all
from wengert.taylor.subject import Source

_MOST_EVALUATIONS = 20_000
_MOST_NODES = 9  # of a Gauss rule in one variable
_FEWEST_NODES = 3
_HIGHEST_LEVEL = 4
_MOST_SHOWN = 4  # outputs
_MOST_SERIES = 12  # outputs whose series are looked at
_HIGHER = (4, 6)  # orders of the mean beside the one asked for
_MOST_OF_HIGHER = 8  # entries of the inputs


@dataclass(frozen=True, eq=False)
class Method:
    """Moments by one method, for m outputs.

    Attributes
    ----------
    name : str
        Of the method.
    mean, std : ndarray of shape (m,)
        The moments.
    mean_error : ndarray of shape (m,)
        The standard error of the mean; NaN for methods without chance.
    evaluations : int
        Of the function; 0 for Taylor approximations, which evaluate derivatives at one point.
    seconds : float
        What it took, with tracing and compiling.
    """

    name: str
    mean: Any
    std: Any
    mean_error: Any
    evaluations: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several methods for the same moments, and what speaks against the Taylor approximation.

    Attributes
    ----------
    methods : tuple of Method
        Taylor approximations first.
    doubts : tuple of str
        Reasons not to trust the Taylor approximation; empty if none was found.
    notes : tuple of str
        Methods that were left out, and why.
    simulation : MonteCarlo
        The draws, among them some for figures.
    series : AxisSeries or None
        The Taylor series along each input alone.
    propagation : Propagation
        The Taylor approximation of the order that was asked for.
    """

    methods: tuple[Method, ...]
    doubts: tuple[str, ...]
    notes: tuple[str, ...]
    simulation: MonteCarlo
    series: AxisSeries | None
    propagation: Propagation

    @property
    def trusted(self) -> bool:
        """Was nothing found that speaks against the Taylor approximation?"""
        return not self.doubts

    def __getitem__(self, name: str) -> Method:
        """The method whose name begins so."""
        for method in self.methods:
            if method.name.startswith(name):
                return method
        raise KeyError(f"no method {name!r}; there are: {', '.join(m.name for m in self.methods)}")

    @property
    def tables(self) -> list[Table]:
        """A table for each of the first outputs."""
        columns = ("method", "mean", "±", "std", "evaluations", "seconds")
        return [
            Table(columns, tuple(_cells(method, k) for method in self.methods))
            for k in range(min(len(self._outputs), _MOST_SHOWN))
        ]

    @property
    def _outputs(self) -> tuple[str, ...]:
        return self.propagation.expansion.labels

    def __str__(self) -> str:
        parts: list[str] = []
        for label, table in zip(self._outputs, self.tables, strict=False):
            parts.append(f"{label}\n{table}" if len(self._outputs) > 1 else str(table))
        if len(self._outputs) > len(parts):
            parts.append(f"({len(self._outputs)} outputs in all)")
        parts += [f"note: {note}" for note in self.notes]
        if self.trusted:
            parts.append("nothing was found that speaks against the Taylor approximation")
        else:
            parts.append("the Taylor approximation should not be trusted here:")
            parts += [f"- {doubt}" for doubt in self.doubts]
        return "\n".join(parts)

    def plot(self, path: str | None = None, output: int = 0) -> Any:
        """Draws with the Gaussian of the Taylor approximation, and the budget's bars.

        Parameters
        ----------
        path : str, optional
            A file to write the figure to; its ending says the format.
        output : int
            Which entry of the outputs.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from wengert.expectation.plots import plot_comparison  # noqa: PLC0415 (an optional package)

        return plot_comparison(self, path, output)


def _cells(method: Method, k: int) -> tuple[str, ...]:
    error = method.mean_error[k]
    return (
        method.name,
        number(method.mean[k], 8),
        "" if np.isnan(error) else number(error, 2),
        number(method.std[k], 7),
        str(method.evaluations or ""),
        f"{method.seconds:.3f}",
    )


def compare_expectation(
    f: Source,
    dist: Any,
    order: int = 2,
    *,
    samples: int = 100_000,
    seed: int | None = 0,
    progress: bool | None = None,
    correlations: Correlations = None,
    constants: Mapping[str, Any] = {},
) -> Comparison:
    """The mean and standard deviation of a function of random inputs by several methods.

    Parameters
    ----------
    f, dist, correlations, constants
        As for :func:`propagate`.
    order : int
        1 or 2, of the Taylor approximation that is judged; those below are shown with it and, for
        few inputs, the mean to orders 4 and 6 (:func:`expectation`).
    samples : int
        Draws of Monte Carlo.
    seed : int, optional
        Of NumPy's generator; None for another one at each call.
    progress : bool, optional
        Show a bar of Monte Carlo; by default on a terminal. An interrupt (Ctrl-C) ends it, and what
        was done is kept.

    Returns
    -------
    Comparison
        Prints as a table, with the reasons not to trust the Taylor approximation.

    Notes
    -----
    Gauss rules are products over the inputs (over principal axes of correlated Gaussians), sparse
    grids are Smolyak's, sigma points those of the unscented transform, each where no more than
    20 000 evaluations are needed.

    Examples
    --------
    >>> found = compare_expectation("exp(a)", {"a": (0.0, 0.1)}, samples=10_000)
    >>> found.trusted
    True
    >>> [m.name for m in found.methods]
    ['Taylor, order 1', 'Taylor, order 2', 'Taylor, order 4', 'Taylor, order 6', 'Monte Carlo',
    'Gauss rule, 9 nodes', 'unscented']
    """
    check_propagated(order)
    methods: list[Method] = []
    propagations: list[Propagation] = []
    for k in range(1, order + 1):
        start = perf_counter()
        p = propagate(f, dist, k, correlations=correlations, constants=constants)
        propagations.append(p)
        seconds = perf_counter() - start
        methods.append(_exact(f"Taylor, order {k}", p.flat_mean, p.flat_std, 0, seconds))
    last = propagations[-1]
    inputs, outputs = last.inputs, last.expansion.labels
    methods += _higher(inputs, order)
    found = simulate(inputs, samples, seed, progress=progress)
    name = "Monte Carlo" if found.batched else "Monte Carlo, one by one"
    methods.append(
        Method(name, found.mean, np.sqrt(found.variance), found.mean_error, found.samples,
               found.seconds)
    )  # fmt: skip
    notes: list[str] = []
    if found.interrupted:
        notes.append(f"Monte Carlo was interrupted after {found.samples} of {samples} draws")
    if not record_for_all(inputs.function, inputs.mean, "expectation")[1]:
        notes.append(BY_VALUES)
    series = None
    try:
        latents = latents_of(inputs)
    except DomainError as error:
        notes.append(str(error))
        if inputs.draws is not None:
            methods.append(_of_sample(inputs, inputs.draws))
    else:
        methods += _rules(inputs, latents, notes)
        if len(outputs) <= _MOST_SERIES:
            series = series_along_axes(inputs, latents)
    doubts = [] if series is None else doubts_of_series(series, order, last.flat_std, outputs)
    doubts += doubts_of_kinks(inputs)
    doubts += doubts_of_simulation(found, last.flat_mean, last.flat_std, outputs, order)
    return Comparison(tuple(methods), tuple(doubts), tuple(notes), found, series, last)


def expectation_of(inputs: Inputs, order: int) -> Estimate:
    """The mean of a function of inputs to any order, as :func:`expectation` has it."""
    inputs.refuse_unknown()
    found = expectation(inputs.of_groups, [g.distribution for g in inputs.groups], order)
    assert isinstance(found, Estimate)  # no names among the distributions
    return found


def _higher(inputs: Inputs, order: int) -> list[Method]:
    """The mean to higher orders, for few inputs; standard deviations are left to the others."""
    if order < 2 or inputs.unknown or inputs.size > _MOST_OF_HIGHER:
        return []
    start = perf_counter()
    try:
        with catch_warnings():  # what they say is among the doubts
            simplefilter("ignore", ApproximationWarning)
            found = expectation_of(inputs, _HIGHER[-1])
    except WengertError:  # no moments, or no derivatives, of that order
        return []
    sums = [
        np.concatenate([np.ravel(a) for a in optree.tree_leaves(part)])
        for part in found.partial_sums
    ]
    seconds = perf_counter() - start
    return [
        _exact(f"Taylor, order {k}", sums[k], np.full(len(sums[k]), np.nan), 0, seconds)
        for k in _HIGHER
        if k < len(sums)
    ]


def _exact(name: str, mean: Any, std: Any, evaluations: int, seconds: float) -> Method:
    return Method(name, mean, std, np.full(len(mean), np.nan), evaluations, seconds)


def _rules(inputs: Inputs, latents: Latents, notes: list[str]) -> list[Method]:
    """What rules find, where the dimension allows."""
    d = len(latents)
    found: list[Method] = []
    counts = [k for k in range(_FEWEST_NODES, _MOST_NODES + 1) if k**d <= _MOST_EVALUATIONS]
    if counts:
        name = f"Gauss rule, {counts[-1]} nodes" + (" each" if d > 1 else "")
        _add_rule(found, notes, name, inputs, latents, lambda: tensor_rule(latents, counts[-1]))
    else:
        notes.append(f"a product of Gauss rules in {d} variables is too large")
    levels = [k for k in range(1, _HIGHEST_LEVEL + 1) if sparse_size(d, k) <= _MOST_EVALUATIONS]
    if d > 1 and levels:
        name = f"sparse grid, level {levels[-1]}"
        _add_rule(found, notes, name, inputs, latents, lambda: sparse_rule(latents, levels[-1]))
    elif d > 1:
        notes.append(f"a sparse grid in {d} variables is too large")
    if 2 * d + 1 <= _MOST_EVALUATIONS:
        found.append(_unscented(inputs, latents))
    return found


def _add_rule(
    found: list[Method],
    notes: list[str],
    name: str,
    inputs: Inputs,
    latents: Latents,
    make: Callable[[], Rule],
) -> None:
    start = perf_counter()
    try:
        rule = make()
    except DomainError as error:
        notes.append(f"no {name}: {error}")
        return
    values = Batches(inputs)(latents.points(rule))
    found.append(_weighted(name, values, rule.weights, rule.weights, start))


def _unscented(inputs: Inputs, latents: Latents) -> Method:
    start = perf_counter()
    scales = np.array([np.sqrt(r.weights @ r.nodes**2) for r in (g(2) for g in latents.rules)])
    points, weights, around = sigma_points(inputs.mean, scales[:, None] * latents.directions)
    return _weighted("unscented", Batches(inputs)(points), weights, around, start)


def _of_sample(inputs: Inputs, sample: Draws) -> Method:
    """The function at every draw of a sample: no approximation at all."""
    start = perf_counter()
    values = Batches(inputs)(sample.draws.reshape(len(sample.draws), -1))
    weights = np.full(len(values), 1 / len(values))
    return _weighted("the whole sample", values, weights, weights, start)


def _weighted(name: str, values: Any, weights: Any, around: Any, start: float) -> Method:
    mean = values[0] + weights @ (values - values[0])  # exactly the value of a constant
    with np.errstate(invalid="ignore"):
        std = np.sqrt(around @ (values - mean) ** 2)
    return _exact(name, mean, std, len(values), perf_counter() - start)
