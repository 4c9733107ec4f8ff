"""Spectra against eigenvalues."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from optimize.support import quadratic
from wengert.optimize.krylov import Ritz, lanczos


def test_a_small_spectrum_is_exact():
    f, A, _, x = quadratic([1.0, 2.0, 5.0, 100.0])
    found = wg.spectral_density(f, x)
    assert found.exact
    assert found.nodes == pytest.approx([1, 2, 5, 100])
    assert found.trace == pytest.approx(np.trace(A))
    assert found.gap() == pytest.approx(f(x))


def test_lanczos_quadrature_is_within_its_error():
    spectrum = np.geomspace(0.01, 10, 60)
    f, _, _, x = quadratic(spectrum)
    found = wg.spectral_density(f, x, dense=0, products=30)
    assert not found.exact
    assert abs(found.trace / 60 - spectrum.mean()) < 4 * found.error
    assert found.smallest > 0.0099
    assert found.largest == pytest.approx(10)
    assert found.weights.sum() == pytest.approx(1)
    assert found.density.below(1.0) == pytest.approx(np.mean(spectrum <= 1.0), abs=0.1)


def test_the_gradients_measure_has_its_moments():
    f, A, c, x = quadratic(np.geomspace(0.01, 10, 60))
    g = A @ (x - c)
    found = wg.spectral_density(f, x, dense=0, products=20).gradient
    for power in range(6):
        assert found.integrate(lambda v, p=power: v**p) == pytest.approx(
            g @ np.linalg.matrix_power(A, power) @ g
        )


def test_lanczos_ends_where_products_stay():
    values = np.array([3.0, 3.0, 1.0, 1.0, 2.0])
    found = lanczos(lambda v: values * v, np.array([1.0, 2.0, 0.0, 1.0, 0.0]), 10)
    assert found.complete
    assert found.values == pytest.approx([1, 3])
    assert found.vectors @ found.coordinates == pytest.approx([1, 2, 0, 1, 0])


def test_a_printed_spectrum_has_all_shares():
    f, _, _, x = quadratic([-1.0, 1.0, 1.0, 4.0])
    found = wg.spectral_density(f, x)
    assert found.gap() == np.inf
    lines = str(found).splitlines()
    assert "4 eigenvalues from -1 to 4 (all eigenvalues)" in lines[0]
    assert sum(float(line.split()[2].rstrip("%")) for line in lines[2:]) == pytest.approx(100)


def test_products_end_when_they_are_told_to():
    asked: list[int] = []

    def settled(found: Ritz) -> bool:
        asked.append(found.products)
        assert found.vectors.shape == (200, found.products)
        return len(asked) == 3

    values = np.geomspace(0.01, 1.0, 200)
    found = lanczos(lambda v: values * v, np.ones(200), 60, settled)
    assert asked == sorted(set(asked))
    assert found.products == asked[-1] < 60
    assert not found.complete


@pytest.mark.parametrize("spectrum", [[1.0, 2.0, 300.0], [-1.0, 0.0, 4.0], [-3.0, -1.0], [2.0]])
def test_a_spectrum_is_drawn(spectrum: list[float], tmp_path: Path):
    pytest.importorskip("matplotlib")
    f, _, _, x = quadratic(spectrum)
    found = wg.spectral_density(f, x)
    figure = found.plot(str(tmp_path / "spectrum.png"))
    assert (tmp_path / "spectrum.png").stat().st_size > 5000
    (axes,) = figure.axes
    shares = [patch.get_data() for patch in axes.patches]
    assert [float(np.sum(s.values)) for s in shares] == pytest.approx([1.0, 1.0])
    for value in spectrum:
        bin = np.searchsorted(shares[0].edges, value) - 1
        assert shares[0].values[bin] > 0


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="1 or more"):
        wg.spectral_density(lambda x: np.sum(x**2), np.ones(2), probes=0)
