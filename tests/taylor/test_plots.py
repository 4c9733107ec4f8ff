"""Figures: what is drawn, and files that are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg


def labels(axes: Any) -> list[str]:
    return [t.get_text() for t in axes.get_legend().get_texts()]


def test_curves_are_those_of_the_polynomials(tmp_path: Path) -> None:
    T = wg.taylor("sin(x)", 0, order=5)
    path = tmp_path / "sin.png"
    figure = T.plot(str(path), width=2.0)
    assert path.read_bytes()[:4] == b"\x89PNG"
    (axes,) = figure.axes
    assert labels(axes) == ["$f$", "$T_{0}$", "$T_{1}$", "$T_{3}$", "$T_{5}$"]
    curves = {line.get_label(): line for line in axes.get_lines()}
    for degree in (1, 3, 5):
        x, y = curves[f"$T_{{{degree}}}$"].get_data()
        expected = [float(wg.taylor("sin(x)", 0, order=degree)(v)) for v in x[::100]]
        np.testing.assert_allclose(y[::100], expected, atol=1e-12)
    x, y = curves["$f$"].get_data()
    np.testing.assert_allclose(y, np.sin(x), atol=1e-12)


def test_the_radius_is_shaded_and_poles_are_gaps() -> None:
    figure = wg.taylor("1/(1-x)", 0, order=4).plot(radius=1.0)
    (axes,) = figure.axes
    (shade,) = axes.patches
    assert shade.get_x() == -1.0
    assert shade.get_width() == 2.0
    curves = {line.get_label(): line for line in axes.get_lines()}
    assert np.isnan(curves["$f$"].get_ydata()).any()


def test_contours_in_two_variables(tmp_path: Path) -> None:
    path = tmp_path / "contours.svg"
    figure = wg.taylor(lambda p: np.exp(p[0]) * np.cos(p[1]), np.zeros(2), order=3).plot(str(path))
    assert "<svg" in path.read_text()
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["$f$", "linear model $T_1$", "quadratic model $T_2$", "$T_{3}$"]


def test_functions_that_branch_on_values_are_drawn() -> None:
    def f(x: Any) -> Any:
        return np.exp(x) if x < 5 else np.exp(5.0) + 0 * x

    figure = wg.taylor(f, 0.0, order=2).plot()
    (axes,) = figure.axes
    assert len(axes.get_lines()) == 5


def test_many_degrees_are_thinned_and_chosen_ones_kept() -> None:
    T = wg.taylor("exp(x)", 0, order=30)
    assert len(labels(T.plot().axes[0])) <= 9
    assert labels(T.plot(degrees=[1, 7]).axes[0]) == ["$f$", "$T_{1}$", "$T_{7}$"]


@pytest.mark.parametrize(
    ("T", "options", "error", "words"),
    [
        (lambda: wg.taylor(np.sum, np.zeros(3)), {}, wg.ShapeError, "3 entries"),
        (lambda: wg.taylor(lambda x: x, np.zeros(2)), {}, wg.ShapeError, "one number"),
        (lambda: wg.taylor("sin(x)", 0), {"degrees": [4]}, ValueError, "degree 4"),
        (lambda: wg.taylor("sin(x)", 0), {"width": -1.0}, ValueError, "width"),
    ],
)
def test_mistakes_are_explained(
    T: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        T().plot(**options)
