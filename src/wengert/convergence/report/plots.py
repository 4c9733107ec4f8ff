"""Figures of convergence: guarantee, forecast and measurement of one method or several."""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from wengert.convergence.facts import Curve
from wengert.convergence.report.words import steps as count_steps
from wengert.errors import WengertError
from wengert.figures import COLOURS, INK, STYLE

if TYPE_CHECKING:
    from wengert.convergence.report.outlook import Outlook
    from wengert.convergence.report.report import Report

_MARKS = ("o", "s", "^", "D", "v", "P")  # which tell curves apart in black and white
_DOTTED, _DASHED = (0, (1, 1.6)), (0, (5, 2.2))
_PAPER = {"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 1.0}  # behind words
_LATE = 0.75  # share of the axis after which a word stands on the left of its place
_DECADES_BELOW = 0.6  # of eps, that are shown
_MOST_ABOVE = 3.0  # decades above the first gap
_NEAR = 4.0  # the same, where steps are not on a logarithm
_BEYOND = 100.0  # how much further than the run the axis goes to show where a guarantee crosses


def plot_report(report: Report, path: str | None = None) -> Figure:
    """The gap by step and, of several methods, by seconds.

    Parameters
    ----------
    report : Report
        With its methods.
    path : str, optional
        A file to write the figure to; its ending says the format.

    Returns
    -------
    matplotlib.figure.Figure
        Not attached to a window.

    Raises
    ------
    WengertError
        If there is nothing to be done, or no minimum.
    """
    if not report.outlooks or not report.eps < report.first < inf:
        raise WengertError(
            "there is no curve to draw: " + str(report).partition("\n\n")[0].replace("\n", " ")
        )
    several = len(report.outlooks) > 1
    with mpl.rc_context(STYLE), np.errstate(all="ignore"):  # pyright: ignore[reportUnknownMemberType]
        figure: Any = Figure(figsize=(9.6, 4.4) if several else (6.4, 4.4), layout="constrained")
        if several:
            left, right = figure.subplots(1, 2, sharey=True)
            _panel(left, report, seconds=False)
            _panel(right, report, seconds=True)
            right.set_ylabel("")
        else:
            _single(figure.subplots(), report)
        figure.legend(
            handles=_legend(report), loc="outside lower center", ncols=3 if several else 2,
            fontsize=9, handlelength=2.6, columnspacing=1.6,
        )  # fmt: skip
        if path is not None:
            figure.savefig(path, dpi=200)
    return figure


def _single(axes: Any, report: Report) -> None:
    """One method: linear steps where it converges linearly, which makes straight lines."""
    outlook = report.outlooks[0]
    kind = getattr(outlook.rate, "kind", None)
    linear = kind in ("linear", "quadratic") or (kind is None and outlook.shown_until() <= 60)
    _panel(axes, report, seconds=False, linear=linear)
    if 0 < outlook.steps < inf:
        _name_crossing(axes, outlook)


def _name_crossing(axes: Any, outlook: Outlook) -> None:
    """The steps to eps beside the ring: above the falling curve, or below it at the right edge."""
    place = axes.transData.transform((outlook.steps, outlook.eps))
    late = axes.transAxes.inverted().transform(place)[0] > _LATE
    axes.annotate(
        count_steps(outlook.steps), (outlook.steps, outlook.eps), xytext=(-8, -14) if late
        else (8, 6), ha="right" if late else "left", textcoords="offset points", fontsize=9,
        bbox=_PAPER, zorder=8,
    )  # fmt: skip


def _panel(axes: Any, report: Report, *, seconds: bool, linear: bool = False) -> None:
    ends: list[float] = []
    for k, outlook in enumerate(report.outlooks):
        scale = outlook.seconds_per_step if seconds else 1.0
        if not isfinite(scale):
            continue
        end = outlook.shown_until()
        _method(axes, outlook, k, scale, end, with_bound=not seconds, zero=linear)
        ends.append(end * scale)
    _eps_line(axes, report)
    axes.set_yscale("log")
    first = min((_first_place(o, seconds) for o in report.outlooks), default=1.0)
    last = max(ends, default=10.0)
    if linear:
        far = 1.06 * report.outlooks[0].guaranteed
        axes.set_xlim(0, far if last < far < _NEAR * last else last)
    else:
        if not seconds and len(report.outlooks) == 1:
            far = report.outlooks[0].guaranteed
            last = max(last, min(1.3 * far, _BEYOND * last)) if isfinite(far) else last
        axes.set_xscale("log")
        axes.set_xlim(first, last)
    _heights(axes, report)
    axes.set_xlabel("seconds" if seconds else "steps")
    axes.set_ylabel(_quantity(report))
    axes.yaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_minor_formatter(NullFormatter())
    if not linear:
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="major", color="#e4e7eb", lw=0.6)
    axes.set_axisbelow(True)


def _method(
    axes: Any, outlook: Outlook, k: int, scale: float, end: float, *, with_bound: bool, zero: bool
) -> None:
    """The three curves of a method; without step 0 on a logarithmic axis."""
    colour = COLOURS[k % len(COLOURS)]
    if with_bound:
        steps = np.unique(np.geomspace(1, max(_BEYOND * end, 2), 400).astype(int))
        bound = outlook.bound(np.concatenate([[0], steps]) if zero else steps)
        if bound is not None and _falls(bound, end):
            axes.plot(bound.steps, bound.value, color=colour, lw=1.3, ls=_DOTTED, zorder=3)
    if outlook.forecast is not None:
        _band(axes, outlook.forecast.curve, colour, scale, 0.14, end, zero)
        x, y = _until(outlook.forecast.curve, end, zero)
        known = outlook.measured is not None
        axes.plot(
            x * scale, y, color=INK if known else colour, lw=1.0 if known else 1.6, ls=_DASHED,
            zorder=6, marker="" if known else _MARKS[k % len(_MARKS)], ms=4.2, mec="white",
            mew=0.5, markevery=_places(x, y >= outlook.eps, linear=zero),
        )  # fmt: skip
    if outlook.measured is not None:
        curve = outlook.measured.curve
        _band(axes, curve, colour, scale, 0.28, inf, zero)
        x, y = _until(curve, inf, zero)
        x = x * scale
        axes.plot(
            x, y, color=colour, lw=1.9, zorder=5, solid_capstyle="round",
            marker=_MARKS[k % len(_MARKS)], ms=4.2, mec="white", mew=0.5,
            markevery=_places(x, y >= outlook.eps, linear=zero),
        )  # fmt: skip
    _crossing(axes, outlook, colour, scale)


def _falls(bound: Curve, end: float) -> bool:
    """Whether a bound says more within the figure than that the gap does not grow."""
    value, steps = np.asarray(bound.value, float), np.asarray(bound.steps, float)
    near = value[steps <= end]
    return len(near) < 2 or not near[-1] > 0.9 * near[0]


def _until(curve: Curve, end: float, zero: bool) -> tuple[Any, Any]:
    steps, value = np.asarray(curve.steps, float), _positive(curve.value)
    near = (steps <= 1.02 * end) & (zero | (steps > 0))
    return steps[near], value[near]


def _positive(value: Any) -> Any:
    """Without what a logarithmic axis cannot show."""
    value = np.array(value, float)
    value[~(value > 0)] = np.nan
    return value


def _band(
    axes: Any, curve: Curve, colour: str, scale: float, alpha: float, end: float, zero: bool
) -> None:
    if curve.low is None or curve.high is None:
        return
    steps = np.asarray(curve.steps, float)
    near = (steps <= 1.02 * end) & (zero | (steps > 0))
    low = np.maximum(np.asarray(curve.low, float), 1e-300)
    axes.fill_between(
        steps[near] * scale, low[near], np.asarray(curve.high, float)[near], color=colour,
        alpha=alpha, lw=0, zorder=2,
    )  # fmt: skip


def _places(x: Any, above: Any, *, linear: bool) -> list[int]:
    """Records with marks: about eight above eps, evenly on the axis."""
    shown = np.flatnonzero((x > 0) & above)
    if not len(shown):
        return []
    spread: Any = np.linspace if linear else np.geomspace
    wanted: Any = spread(x[shown[0]], x[shown[-1]], 8)
    return sorted({int(shown[np.argmin(np.abs(x[shown] - w))]) for w in wanted})


def _crossing(axes: Any, outlook: Outlook, colour: str, scale: float) -> None:
    """A ring where the method reaches eps, and a line down to the axis."""
    steps = outlook.steps
    if not 0 < steps < inf:
        return
    axes.plot([steps * scale], [outlook.eps], "o", mfc="white", mec=colour, mew=1.6, ms=7, zorder=7)
    axes.plot(
        [steps * scale] * 2, [outlook.eps, 1e-300], color=colour, lw=0.8, ls=(0, (2, 2)), zorder=2
    )


def _first_place(outlook: Outlook, seconds: bool) -> float:
    scale = outlook.seconds_per_step if seconds else 1.0
    return scale if isfinite(scale) and scale > 0 else inf


def _eps_line(axes: Any, report: Report) -> None:
    axes.axhline(report.eps, color=INK, lw=0.8, zorder=1.5)
    axes.annotate(
        f"ε = {report.eps:g}", (0.0, report.eps), xycoords=("axes fraction", "data"),
        xytext=(4, 3), textcoords="offset points", ha="left", va="bottom", fontsize=9,
        bbox=_PAPER, zorder=8,
    )  # fmt: skip


def _heights(axes: Any, report: Report) -> None:
    """From below eps to above the first gap; guarantees may begin higher."""
    first = report.first
    lows, highs = [report.eps * 10**-_DECADES_BELOW], [first, report.eps]
    for outlook in report.outlooks:
        bound = outlook.bound(np.array([1]))
        if bound is not None and np.isfinite(bound.value[0]):
            highs.append(min(float(bound.value[0]), first * 10**_MOST_ABOVE))
    axes.set_ylim(min(lows), 1.6 * max(h for h in highs if isfinite(h)))


def _quantity(report: Report) -> str:
    if report.quantity == "gap":
        return r"gap  $f(\theta_t) - f^*$"
    return r"smallest squared gradient  $\min\ \|\nabla f(\theta_s)\|^2$"


def _short(outlook: Outlook) -> str:
    """A theorem's name without the method's: "strongly convex"."""
    assert outlook.theorem is not None
    name = outlook.theorem.theorem.name
    return name.partition(", ")[2].partition(":")[0] or name


def _legend(report: Report) -> list[Any]:
    several = len(report.outlooks) > 1
    handles: list[Any] = []
    grey = "#555555" if several else COLOURS[0]
    if several:
        for k, outlook in enumerate(report.outlooks):
            handles.append(
                Line2D([], [], color=COLOURS[k % len(COLOURS)], lw=1.9, marker=_MARKS[k % 6],
                       ms=5, mec="white", mew=0.5, label=outlook.label)
            )  # fmt: skip
    outlooks = report.outlooks
    runs = max((o.measured.seeds for o in outlooks if o.measured is not None), default=0)
    if any(o.theorem is not None for o in outlooks):
        label = "guarantee of the theorem"
        if not several:
            label = f"guarantee ({_short(report.outlooks[0])})"
        handles.append(Line2D([], [], color=grey, lw=1.3, ls=_DOTTED, label=label))
    if any(o.forecast is not None for o in outlooks):
        handles.append(
            Line2D(
                [],
                [],
                color=INK if runs else grey,
                lw=1.2,
                ls=_DASHED,
                label="forecast, before the run",
            )
        )
    if runs:
        label = "measured" if runs == 1 else f"measured, mean of {runs} runs and their range"
        mark = None if several else _MARKS[0]
        handles.append(Line2D([], [], color=grey, lw=1.9, marker=mark, ms=5, label=label))
    if any(o.forecast is not None and o.forecast.curve.low is not None for o in outlooks):
        handles.append(Patch(color=grey, alpha=0.2, lw=0, label="interval of the forecast"))
    handles.append(
        Line2D([], [], color=grey, ls="", marker="o", mfc="white", mec=grey, mew=1.6, ms=7,
               label="ε is reached")
    )  # fmt: skip
    return handles
