"""Figures of propagated uncertainty: draws with their Gaussian, and bars of the budget."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from wengert.figures import INK, STYLE

if TYPE_CHECKING:
    from wengert.expectation.budget import Budget
    from wengert.expectation.comparison import Comparison

_BARS, _SHADE = "#3b6ea5", "#c9d7e6"
_MOST_BARS = 12
_MOST_BINS = 120
_TAILS = 0.001  # of the draws on each side that are outside of the axis
_DEVIATIONS = 4.0


def plot_comparison(found: Comparison, path: str | None = None, output: int = 0) -> Figure:
    """Draws of a simulation with the Gaussian of the Taylor approximation, and its budget.

    Parameters
    ----------
    found : Comparison
        With the draws.
    path : str, optional
        A file to write the figure to; its ending says the format.
    output : int
        Which entry of the outputs.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to a window.
    """
    p = found.propagation
    budget = p.budget(output)
    label = p.expansion.labels[output]
    with _style():
        figure: Any = Figure(figsize=(9.2, 3.7), layout="constrained")
        left, right = figure.subplots(1, 2)
        mean, std = float(p.flat_mean[output]), float(p.flat_std[output])
        draws = found.simulation.draws[:, output]
        _histogram(left, draws, mean, std, p.order, label)
        _bars(right, budget)
        _write(figure, path)
    return figure


def plot_budget(budget: Budget, path: str | None = None) -> Figure:
    """The shares of a budget as bars, the largest on top.

    Parameters
    ----------
    budget : Budget
        What is shown; beyond the first twelve inputs, the sum of the others.
    path : str, optional
        A file to write the figure to; its ending says the format.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to a window.
    """
    with _style():
        figure: Any = Figure(figsize=(5.6, 3.7), layout="constrained")
        _bars(figure.subplots(), budget)
        _write(figure, path)
    return figure


def _style() -> AbstractContextManager[None]:
    return mpl.rc_context(STYLE)  # pyright: ignore[reportUnknownMemberType]


def _write(figure: Any, path: str | None) -> None:
    if path is not None:
        figure.savefig(path, dpi=200)


def _histogram(axes: Any, draws: Any, mean: float, std: float, order: int, label: str) -> None:
    low, high = _range(draws, mean, std)
    inside = draws[(draws >= low) & (draws <= high)]
    if len(inside) and high > low:
        bins = int(np.clip(np.sqrt(len(inside)), 10, _MOST_BINS))
        counts, edges = np.histogram(inside, bins, range=(low, high))
        heights = counts / (len(draws) * np.diff(edges))
        name = f"Monte Carlo, {len(draws)} draws"
        axes.stairs(heights, edges, fill=True, color=_SHADE, label=name)
    if std > 0:
        x = np.linspace(low, high, 400)
        density = np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))
        axes.plot(x, density, color=INK, lw=1.6, label=f"Gaussian of order {order}")
    axes.axvline(mean, ymax=0.8, color=INK, lw=0.8, ls=(0, (4, 3)))
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(label)
    axes.set_ylabel("density")
    top = axes.get_ylim()[1]
    axes.set_ylim(0, 1.25 * top)  # room for the legend
    axes.legend(loc="upper right")


def _range(draws: Any, mean: float, std: float) -> tuple[float, float]:
    """The axis: nearly all draws, and the Gaussian; never empty."""
    ends = [mean - _DEVIATIONS * std, mean + _DEVIATIONS * std]
    if len(draws):
        ends += [float(q) for q in np.quantile(draws, [_TAILS, 1 - _TAILS])]
    low, high = min(ends), max(ends)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _bars(axes: Any, budget: Budget) -> None:
    rows = [(row.name, 100 * row.share) for row in (*budget.rows, *budget.rest)]
    if len(rows) > _MOST_BARS:
        others = sum(share for _, share in rows[_MOST_BARS:])
        rows = [*rows[:_MOST_BARS], (f"{len(rows) - _MOST_BARS} others", others)]
    names, shares = zip(*rows[::-1], strict=True) if rows else ((), ())
    places = np.arange(len(rows))
    axes.barh(places, shares, color=_BARS, height=0.62)
    for place, share in zip(places, shares, strict=True):
        axes.annotate(
            f"{share:.1f}", (max(share, 0.0), place), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=9,
        )  # fmt: skip
    axes.set_yticks(places, names)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0.0, color=INK, lw=0.8)
    axes.set_xlim(min(0.0, *shares, 0.0) * 1.1, max(*shares, 1.0, 0.0) * 1.15)
    axes.set_xlabel("share of the variance, %")
