"""The uncertainty of a calibration standard: cadmium weighed and dissolved in a volumetric flask.

Example A1 of EURACHEM/CITAC's guide "Quantifying Uncertainty in Analytical Measurement": the
concentration c = 1000 m P / V in mg/L. Shows a budget with
rectangular and triangular distributions, the expanded uncertainty, and the comparison with Monte
Carlo and quadrature; then the same flask for a dilution by 1 : 1000, whose pipette has so large an
uncertainty that the first order is not enough.
"""

from __future__ import annotations

from typing import Any

from scipy import stats

import wengert as wg


def rectangular(half_width: float) -> Any:
    """Between −a and a."""
    return stats.uniform(-half_width, 2 * half_width)


def triangular(half_width: float) -> Any:
    """Between −a and a, the middle most likely."""
    return stats.triang(0.5, -half_width, 2 * half_width)


FLASK = {
    "calibration": triangular(0.1),  # mL, from the manufacturer
    "filling": wg.Normal(0.0, 0.02**2),  # mL, ten fillings weighed
    "temperature": rectangular(100 * 2.1e-4 * 4),  # mL: ±4 °C, expansion of water
}
STANDARD = {
    "mass": wg.Normal(100.28, 0.05**2),  # mg
    "purity": stats.uniform(0.9998, 0.0002),  # 0.9999 ± 0.0001
    **FLASK,
}
DILUTION = {"pipette": (0.10, 0.02), **FLASK}  # mL


def volume(x: Any) -> Any:
    """Of the 100 mL flask, in mL."""
    return 100.0 + x["calibration"] + x["filling"] + x["temperature"]


def concentration(x: Any) -> Any:
    """mg/L."""
    return 1000.0 * x["mass"] * x["purity"] / volume(x)


def dilution_factor(x: Any) -> Any:
    """How much of the flask there is for each part that was pipetted."""
    return volume(x) / x["pipette"]


def main(samples: int = 50_000) -> tuple[float, float]:
    """Print the budgets; give the standard uncertainties of both quantities."""
    standard = wg.propagate(concentration, STANDARD)
    U = standard.expanded(k=2)
    print(f"c = {standard.mean:.1f} ± {U.uncertainty:.1f} mg/L (k = 2)")
    print(standard.budget())
    print(wg.compare_expectation(concentration, STANDARD, samples=samples))
    factor = wg.compare_expectation(dilution_factor, DILUTION, samples=samples)
    print("\ndilution, by a pipette that is off by a fifth of what it delivers")
    print(factor)
    return float(standard.std), float(factor.propagation.std)


if __name__ == "__main__":
    main()
