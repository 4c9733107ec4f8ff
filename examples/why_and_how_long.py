"""Why does gradient descent work, and how long does it take? Answered for a real regression.

The diabetes data (442 patients, ten measurements): ridge regression by gradient descent, Nesterov's
method and stochastic gradient descent. The report has, for each, the theorem that applies with its
assumptions judged, a forecast made before the run, and the run itself.

Usage: python why_and_how_long.py [FIGURE]
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg

FOLDER = Path(__file__).parent / "diabetes"


def patients() -> tuple[Any, Any]:
    """Measurements and the progression of the disease, with mean 0 and deviation 1."""
    X = np.loadtxt(FOLDER / "X.csv", delimiter=",", skiprows=1)
    y = np.loadtxt(FOLDER / "y.csv", skiprows=1)
    return (X - X.mean(axis=0)) / X.std(axis=0), (y - y.mean()) / y.std()


def report(eps: float = 1e-3, seconds: float = 20.0) -> Any:
    """The convergence report of three methods."""
    risk = wg.EmpiricalRisk("squared", lambda w, x: x @ w, patients(), regularizer=0.01)
    return wg.convergence(risk, np.zeros(10), ["gd", "nesterov", "sgd"], eps, seconds=seconds)


def main(figure: str | None = None) -> None:
    """Print the report; draw it, if a file is given."""
    found = report()
    print(found)
    if figure is not None:
        found.plot(figure)


if __name__ == "__main__":
    main(*sys.argv[1:2])
