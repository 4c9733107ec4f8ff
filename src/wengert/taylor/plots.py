"""Figures of Taylor polynomials: curves in one variable, contours in two."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.mathtext import MathTextParser

from wengert.errors import ShapeError, WengertError
from wengert.figures import INK, STYLE
from wengert.taylor.trees import flattened, leaves_of, unflattened
from wengert.transforms import vmap
from wengert.transforms.jets import jets_along

if TYPE_CHECKING:
    from wengert.taylor.polynomial import TaylorPolynomial

_POINTS = 801
_CONTOUR_POINTS = 161
_MOST_CURVES = 8
_LEVELS = 12
_LONGEST_TITLE = 90


def plot_polynomial(
    T: TaylorPolynomial,
    path: str | None = None,
    *,
    width: float | None = None,
    degrees: Sequence[int] | None = None,
    radius: float | None = None,
) -> Figure:
    """Plot a scalar function and its Taylor polynomials around the point.

    Parameters
    ----------
    T : TaylorPolynomial
        In one real variable: the curves of f and of T₀, ..., Tₙ. In two: contours of f, of its
        linear and of its quadratic model.
    path : str, optional
        A file to write the figure to; its ending says the format.
    width : float, optional
        How far the axes go from the point to either side; 3, or 1.5 times the radius.
    degrees : sequence of int, optional
        The polynomials to draw; by default all, or every other one where there are many.
    radius : float, optional
        The radius of convergence, if it is known: shaded, in one variable.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to a window: ``figure.savefig(path)`` writes it.

    Raises
    ------
    ShapeError
        If there are more variables than two, or the function is no scalar.
    """
    entries = flattened(T.point).size
    result = leaves_of(T.function(T.point))
    if len(result) != 1 or np.size(result[0]) != 1:
        raise ShapeError("a plot shows one number: choose an entry of the function's result")
    if entries not in (1, 2):
        raise ShapeError(f"a plot has one or two variables; the point has {entries} entries")
    if width is not None and not width > 0:
        raise ValueError(f"width must be positive; got {width!r}")
    reach = width or (1.5 * radius if radius and np.isfinite(radius) else 3.0)
    with _style(), np.errstate(all="ignore"):
        one = entries == 1
        figure: Any = _curves(T, reach, degrees, radius) if one else _contours(T, reach)
        if path is not None:
            figure.savefig(path, dpi=200, bbox_inches="tight")
    return figure


def _style() -> AbstractContextManager[None]:
    return mpl.rc_context(STYLE)  # pyright: ignore[reportUnknownMemberType]


# ---------------------------------------------------------------- one variable


def _curves(
    T: TaylorPolynomial, reach: float, degrees: Sequence[int] | None, radius: float | None
) -> Figure:
    centre = float(flattened(T.point)[0])
    steps = np.linspace(-reach, reach, _POINTS)
    actual = _values(T, steps[:, None])
    sums = np.cumsum(_series(T, steps[:, None]), axis=0)
    chosen = _degrees(_series_differ(sums), degrees)

    figure: Any = Figure(figsize=(6.2, 3.9), layout="constrained")
    axes: Any = figure.subplots()
    low, high = _limits(actual, steps, reach)
    if radius is not None and np.isfinite(radius):
        axes.axvspan(centre - radius, centre + radius, color="#eef2f7", lw=0, zorder=0)
        for edge in (centre - radius, centre + radius):
            axes.axvline(edge, color="#9aa7b5", lw=0.8, ls=(0, (4, 3)), zorder=1)
    colours = mpl.colormaps["viridis_r"](np.linspace(0.12, 0.88, max(len(chosen), 2)))
    for k, colour in zip(chosen, colours, strict=False):
        axes.plot(centre + steps, sums[k], color=colour, lw=1.3, label=f"$T_{{{k}}}$", zorder=3)
    axes.plot(
        centre + steps, _unbroken(actual, high - low), color=INK, lw=2.2, label="$f$", zorder=2.5
    )
    axes.plot([centre], [float(actual[_POINTS // 2])], "o", color=INK, ms=5, zorder=4)
    axes.set_xlim(centre - reach, centre + reach)
    axes.set_ylim(low, high)
    axes.set_xlabel(f"${_symbol(T, 0)}$")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        [handles[-1], *handles[:-1]],
        [labels[-1], *labels[:-1]],
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        handlelength=1.4,
    )
    axes.set_title(_title(T, f"{centre:.4g}"), fontsize=11, pad=10)
    return figure


def _unbroken(values: Any, height: float) -> Any:
    """The curve with gaps where it jumps further than the figure is high: poles."""
    jump = np.abs(np.diff(values, append=values[-1:])) > 3 * height
    return np.where(jump, np.nan, values)


def _limits(actual: Any, steps: Any, reach: float) -> tuple[float, float]:
    """The function's own range, poles aside, with room for the polynomials to leave it."""
    known = actual[np.isfinite(actual)]
    near = actual[(np.abs(steps) < reach / 2) & np.isfinite(actual)]
    low, high = float(near.min()), float(near.max())
    spread = max(high - low, 1e-9, 1e-3 * abs(high))
    low = max(low - spread, float(known.min()))
    high = min(high + spread, float(known.max()))
    room = 0.25 * max(high - low, spread)
    return low - room, high + room


def _series_differ(sums: Any) -> list[bool]:
    """By degree: does the curve differ from the one before? Every other term of sin is zero."""
    apart = np.nanmax(np.abs(np.diff(sums, axis=0)), axis=1, initial=0.0)
    return [True, *(apart > 1e-12 * np.nanmax(np.abs(sums), initial=0.0))]


def _degrees(differ: Sequence[bool], degrees: Sequence[int] | None) -> list[int]:
    if degrees is None:
        found = [k for k, new in enumerate(differ) if new]
        stride = -(-len(found) // _MOST_CURVES)
        return found[::-1][::stride][::-1]
    wrong = [k for k in degrees if not 0 <= k < len(differ)]
    if wrong:
        raise ValueError(f"there is no T of degree {wrong[0]}; the order is {len(differ) - 1}")
    return list(degrees)


# ---------------------------------------------------------------- two variables


def _contours(T: TaylorPolynomial, reach: float) -> Figure:
    centre = flattened(T.point)
    line = np.linspace(-reach, reach, _CONTOUR_POINTS)
    across, up = np.meshgrid(line, line)
    steps = np.stack([across.ravel(), up.ravel()], axis=1)
    actual = _values(T, steps).reshape(across.shape)
    top = max(T.order, 2)
    sums = np.cumsum(_series(T, steps, top), axis=0).reshape(top + 1, *across.shape)
    shown = [("$f$", actual), ("linear model $T_1$", sums[1]), ("quadratic model $T_2$", sums[2])]
    if T.order > 2:
        shown.append((f"$T_{{{T.order}}}$", sums[T.order]))
    known = actual[np.isfinite(actual)]
    levels = _contour_levels(known)
    shades = list(mpl.colormaps["Blues"](np.linspace(0.02, 0.6, levels.size + 1)))
    figure: Any = Figure(figsize=(2.75 * len(shown) + 0.6, 3.1), layout="constrained")
    grid = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (title, values) in zip(grid, shown, strict=True):
        axes.contourf(
            centre[0] + across, centre[1] + up, values, levels, colors=shades, extend="both"
        )
        axes.contour(
            centre[0] + across,
            centre[1] + up,
            values,
            levels,
            colors=INK,
            linewidths=0.7,
            linestyles="solid",
        )
        axes.plot(*centre, "o", color="#c2410c", ms=5)
        axes.set_title(title, fontsize=11)
        axes.set_aspect("equal")
        axes.set_xlabel(f"${_symbol(T, 0)}$")
    grid[0].set_ylabel(f"${_symbol(T, 1)}$", rotation=0, labelpad=8)
    figure.suptitle(_title(T, ", ".join(f"{c:.4g}" for c in centre)), fontsize=11)
    return figure


def _contour_levels(values: Any) -> Any:
    """Levels with equally many of the values between them."""
    levels: Any = np.unique(np.quantile(values, np.linspace(0.02, 0.98, _LEVELS)))
    if len(levels) < 2:
        levels = float(values.min()) + np.linspace(-1.0, 1.0, _LEVELS)
    return levels


# ---------------------------------------------------------------- values


def _series(T: TaylorPolynomial, steps: Any, order: int | None = None) -> Any:
    """The terms along many steps, degree first; steps are rows of the point's entries."""
    directions = tuple(leaves_of(unflattened(steps, T.point)))
    (found,) = jets_along(T.recorded, directions, T.order if order is None else order)
    return found.reshape(found.shape[0], len(steps))


def _values(T: TaylorPolynomial, steps: Any) -> Any:
    """The function at many points, all at once where it allows that."""
    moved = flattened(T.point) + steps
    try:
        result = vmap(T.function)(unflattened(moved, T.point))
        return np.ravel(leaves_of(result)[0]).astype(float)
    except WengertError:  # it branches on values
        results = [leaves_of(T.function(unflattened(row, T.point)))[0] for row in moved]
        return np.array(results, dtype=float).reshape(len(steps))


def _symbol(T: TaylorPolynomial, k: int) -> str:
    return T.entry_names()[k]


def _title(T: TaylorPolynomial, centre: str) -> str:
    """The function, if it has a formula that fits, and the point."""
    names = ", ".join(T.entry_names())
    about = rf"about $({names}) = ({centre})$" if "," in names else f"about ${names} = {centre}$"
    if T.origin is None:
        return f"Taylor polynomials {about}"
    body = T.origin.formula.latex()
    for long, plain in ((r"\left", ""), (r"\right", ""), (r"\frac", r"\dfrac"), (r"\,", " ")):
        body = body.replace(long, plain)
    text = f"$f({names}) = {body}$"
    try:
        MathTextParser("path").parse(text)
    except ValueError:  # what matplotlib's own mathematics cannot set
        return f"Taylor polynomials {about}"
    return f"{text}, {about}" if len(body) < _LONGEST_TITLE else f"Taylor polynomials {about}"
