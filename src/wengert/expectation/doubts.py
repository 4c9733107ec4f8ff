"""Reasons not to trust a Taylor approximation of moments, in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import WengertError
from wengert.expectation.inputs import Inputs
from wengert.expectation.monte_carlo import MonteCarlo
from wengert.expectation.quadrature import Latents
from wengert.expectation.report import number
from wengert.taylor.kinks import kinks_within
from wengert.transforms.jets import jets_along
from wengert.transforms.recording import record

AXIS_ORDER = 8  # of the series that are looked at
_MOST_AXES = 64
_DISAGREEMENT = 4.0  # standard errors
_SMALL = 0.1  # of the standard deviation: what a next term may move the mean
_STEPS = 2  # of growth, from one even term to the next, that count
_NEGLIGIBLE = 1e-9  # of the standard deviation: terms whose growth does not matter


@dataclass(frozen=True, eq=False)
class AxisSeries:
    """The Taylor series of E f along each latent variable alone, the others at their means.

    Attributes
    ----------
    labels : tuple of str
        Of the variables.
    terms : ndarray of shape (order + 1, variables, m)
        E[D^k f(μ)·(z d)^k] / k! for each k, variable and output.
    """

    labels: tuple[str, ...]
    terms: Any


def series_along_axes(
    inputs: Inputs, latents: Latents, order: int = AXIS_ORDER
) -> AxisSeries | None:
    """The series along the latent variables; None if there are too many, or no derivatives."""
    if not 0 < len(latents) <= _MOST_AXES:
        return None
    try:
        recorded = record(inputs.function, (inputs.mean,), {}, 0, name="expectation")
        arrays = jets_along(recorded, (latents.directions,), order)
        rules = [rule(order // 2 + 1) for rule in latents.rules]  # exact to degree order + 1
    except WengertError:
        return None
    terms = np.concatenate([np.reshape(a, (order + 1, len(latents), -1)) for a in arrays], axis=-1)
    moments = np.array([[r.weights @ r.nodes**k for r in rules] for k in range(order + 1)])
    return AxisSeries(latents.labels, terms * moments[:, :, None])


def doubts_of_series(series: AxisSeries, order: int, std: Any, outputs: Any) -> list[str]:
    """Terms that grow with the order, and next terms that are not small."""
    found: list[str] = []
    sizes = np.abs(series.terms)
    for a, label in enumerate(series.labels):
        for m, output in enumerate(outputs):
            growth = _growing(sizes[:, a, m], _NEGLIGIBLE * std[m])
            if growth is not None:
                found.append(_of_growth(growth, f"{_of(output, outputs)} along {label}"))
    following = series.terms[order + 1 : order + 3].sum(axis=(0, 1))
    for m, output in enumerate(outputs):
        if not abs(following[m]) <= _SMALL * std[m]:
            share = 100 * abs(following[m]) / std[m] if std[m] > 0 else np.inf
            found.append(
                f"the next terms (orders {order + 1} and {order + 2}, of single inputs) move the "
                f"mean{_of(output, outputs)} by {number(following[m], 3)}, {share:.0f} % of the "
                "standard deviation"
            )
    return found


@dataclass(frozen=True)
class _Growth:
    """Even terms that grow to the last one."""

    start: int
    end: int
    first: float
    last: float
    faster: bool  # the ratio of one to the next grows, too


def _growing(sizes: Any, floor: float) -> _Growth | None:
    """How the even terms grow from some order to the last; None if they do not."""
    even = sizes[2::2]
    start = len(even) - 1
    while start > 0 and even[start] >= even[start - 1] and even[start] > floor:
        start -= 1
    if len(even) - 1 - start < _STEPS:
        return None
    faster = even[-1] * even[-3] >= even[-2] ** 2
    return _Growth(2 * start + 2, 2 * len(even), float(even[start]), float(even[-1]), bool(faster))


def _of_growth(growth: _Growth, where: str) -> str:
    sizes = f"from {number(growth.first, 3)} to {number(growth.last, 3)} at order {growth.end}"
    if growth.faster:
        return (
            f"the Taylor series{where} diverges: from order {growth.start} on its terms grow "
            f"faster and faster, {sizes}; a higher order will not help"
        )
    return (
        f"the terms of the Taylor series{where} still grow at order {growth.end}, {sizes}: it "
        "diverges, or converges at much higher orders only"
    )


def doubts_of_kinks(inputs: Inputs) -> list[str]:
    """Places within the mass of the distribution where the function is not smooth."""
    found = kinks_within(inputs.function, inputs.mean, inputs.covariance)
    return [
        f"the function is not smooth within the mass: {inputs.named(str(kink))}" for kink in found
    ]


def doubts_of_simulation(
    found: MonteCarlo, mean: Any, std: Any, outputs: Any, order: int
) -> list[str]:
    """Differences from a simulation that chance does not explain, and values not defined."""
    doubts: list[str] = []
    if found.undefined:
        doubts.append(
            f"{found.undefined} of {found.samples} draws gave no finite value: the function is not "
            "defined everywhere within the mass of the distribution"
        )
    simulated_std = np.sqrt(found.variance)
    with np.errstate(invalid="ignore"):
        std_error = np.nan_to_num(found.variance_error / (2 * simulated_std))
    for what, value, simulated, error in (
        ("mean", mean, found.mean, found.mean_error),
        ("standard deviation", std, simulated_std, std_error),
    ):
        gaps = np.abs(value - simulated)
        limits = np.maximum(_DISAGREEMENT * error, _NEGLIGIBLE * np.abs(simulated))
        for m in np.flatnonzero(gaps > limits):
            apart = f": {gaps[m] / error[m]:.0f} standard errors apart" if error[m] > 0 else ""
            doubts.append(
                f"the {what}{_of(outputs[m], outputs)} of order {order} is {number(value[m])}, by "
                f"Monte Carlo {number(simulated[m])} ± {number(error[m], 2)}{apart}"
            )
    return doubts


def _of(output: str, outputs: Any) -> str:
    return f" of {output}" if len(outputs) > 1 else ""
