"""Figures of power series: the function, partial sums, and the disc of convergence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from wengert.errors import DomainError
from wengert.figures import INK, STYLE
from wengert.taylor.univariate.style import Style
from wengert.taylor.univariate.writing import base_text

if TYPE_CHECKING:
    from wengert.taylor.univariate.series import Series

_POINTS = 601
_CURVES = 4
_LOOKED = 40
_AROUND = 1.6  # radii to either side
_ENTIRE = 6.0


def plot_series(
    series: Series,
    path: str | None = None,
    *,
    degrees: Sequence[int] | None = None,
    width: float | None = None,
) -> Figure:
    """Plot a function, partial sums of its series, and where the series converges.

    Parameters
    ----------
    series : Series
        With coefficients that are numbers.
    path : str, optional
        A file to write the figure to; its ending says the format.
    degrees : sequence of int, optional
        Of the partial sums.
    width : float, optional
        How far the axis goes to either side of the point; 1.6 radii, or 6 for an entire function.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to a window: ``figure.savefig(path)`` writes it.
    """
    radius, centre = series.radius.value, float(series.point)
    bounded = math.isfinite(radius)
    reach = width or (_AROUND * radius if bounded else _ENTIRE)
    x = np.linspace(centre - reach, centre + reach, _POINTS)
    style: Any = mpl.rc_context(STYLE)  # pyright: ignore[reportUnknownMemberType]
    with style, np.errstate(all="ignore"):
        figure: Any = Figure(figsize=(6.0, 3.6), layout="constrained")
        axes: Any = figure.add_subplot()
        shown = [np.asarray(series.partial_sum(n)(x)) for n in degrees or _degrees(series)]
        values = _values(series, x)
        if bounded:
            _mark_disc(axes, series, centre, radius)
        colours = mpl.colormaps["viridis"](np.linspace(0.85, 0.15, len(shown)))
        for n, y, colour in zip(degrees or _degrees(series), shown, colours, strict=True):
            axes.plot(x, y, color=colour, linewidth=1.1, label=f"$T_{{{n}}}$")
        if values is not None:
            axes.plot(x, values, color=INK, linewidth=1.8, label="$f$", zorder=3)
        inside = np.abs(x - centre) <= 0.9 * radius if bounded else np.abs(x - centre) <= reach
        axes.set_ylim(*_limits(values if values is not None else shown[-1], inside))
        axes.set_xlim(x[0], x[-1])
        axes.set_xlabel(f"${Style(latex=True).name(series.name)}$")
        axes.plot([centre], [float(series[0])], "o", color=INK, markersize=4, zorder=4)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        if path is not None:
            figure.savefig(path, dpi=200, bbox_inches="tight")
    return figure


def _degrees(series: Series) -> list[int]:
    """The exponents of the first terms that are not zero, and a later one."""
    support = [n for n in range(1, _LOOKED) if series[n] != 0]
    first = support[: _CURVES - 1]
    return [*first, *[n for n in support if n > 2 * (first[-1] if first else 0)][:1]] or [0]


def _values(series: Series, x: np.ndarray) -> np.ndarray | None:
    """The function, with gaps where it jumps from one infinity to the other."""
    try:
        values = np.array(series.function(x), dtype=float)
    except DomainError:
        return None
    large = np.abs(values) > 20 * np.nanmedian(np.abs(values)) + 20
    values[large] = np.nan
    return values


def _mark_disc(axes: Any, series: Series, centre: float, radius: float) -> None:
    style = Style(latex=True)
    inner = base_text(series.name, series.point, style)
    inner = inner.removeprefix(r"\left(").removesuffix(r"\right)")
    label = f"$|{inner}| < {series.radius.written(style)}$"
    axes.axvspan(centre - radius, centre + radius, color="#e8eef7", zorder=0, label=label)
    for edge in (centre - radius, centre + radius):
        axes.axvline(edge, color="#8fa3c0", linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)


def _limits(values: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """The range of the function within the disc, with a margin."""
    finite = values[inside & np.isfinite(values)]
    if not finite.size:
        return -1.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    margin = 0.35 * (high - low) or 1.0
    return low - margin, high + margin
