"""Figures of spectra: where eigenvalues lie, and where the gradient does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from wengert.figures import COLOURS, STYLE

if TYPE_CHECKING:
    from wengert.convergence.forecasts.spectrum import Spectrum

_OF_ALL, _OF_GRADIENT = COLOURS[:2]
_BINS = 40
_DECADES = 3  # below the largest eigenvalue: what the axis calls zero, if there are negative ones


def plot_spectrum(spectrum: Spectrum, path: str | None = None) -> Figure:
    """The shares of the eigenvalues and of ‖∇f‖², by eigenvalue.

    Parameters
    ----------
    spectrum : Spectrum
        Of a Hessian.
    path : str, optional
        A file to write the figure to; its ending says the format.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to a window.
    """
    low, high = spectrum.smallest, spectrum.largest
    zero = 10.0 ** np.floor(np.log10(max(abs(low), abs(high), 1e-300)) - _DECADES)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        axes = figure.add_subplot()
        edges = _edges(low, high, zero)
        axes.stairs(
            _shares(spectrum.density, edges),
            edges,
            fill=True,
            color=_OF_ALL,
            alpha=0.55,
            label=f"of the {spectrum.size:,} eigenvalues",
        )
        if np.any(spectrum.gradient.weights):
            axes.stairs(
                _shares(spectrum.gradient, edges),
                edges,
                color=_OF_GRADIENT,
                linewidth=1.6,
                label="of the gradient's square",
            )
        if low > 0:
            axes.set_xscale("log")
        else:
            axes.set_xscale("symlog", linthresh=zero)
            axes.tick_params(axis="x", labelsize=8)  # signs take room
            if high > 0:
                axes.axvline(0.0, color="0.6", linewidth=0.8, zorder=0)
        axes.set_xlabel("eigenvalue of the Hessian")
        axes.set_ylabel("share")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_ylim(bottom=0)
        axes.legend()
        if path is not None:
            figure.savefig(path, dpi=200)
    return figure


def _edges(low: float, high: float, zero: float) -> Any:
    """Of bins that are equally wide on the axis, and a little beyond both ends."""
    if low > 0:
        return np.geomspace(low * 0.9, high * 1.1, _BINS + 1)
    bent: Any = np.arcsinh(np.array([low, high]) / zero)
    reach = max(0.02 * (bent[1] - bent[0]), 0.1)
    return zero * np.sinh(np.linspace(bent[0] - reach, bent[1] + reach, _BINS + 1))


def _shares(measure: Any, edges: Any) -> Any:
    """Of a measure's weight, in each bin; what lies beyond is in the outer ones."""
    nodes = np.clip(measure.nodes, edges[0], edges[-1])
    found, _ = np.histogram(nodes, edges, weights=measure.weights)
    return found / np.sum(measure.weights)
