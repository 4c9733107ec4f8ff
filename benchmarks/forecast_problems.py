"""Real problems for forecasts: data that scikit-learn ships, standardised; convex losses."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg


def linear(theta: Any, x: Any) -> Any:
    return x @ theta["w"] + theta["b"]


def standard(X: Any) -> Any:
    X = np.asarray(X, float)
    size = X.std(0)
    return ((X - X.mean(0)) / np.where(size > 0, size, 1.0))[:, size > 0]


def risk(loss: str, X: Any, y: Any, penalty: float, outputs: int = 0) -> tuple[Any, Any]:
    X = standard(X)
    shape = (X.shape[1], outputs) if outputs else (X.shape[1],)
    theta0 = {"w": np.zeros(shape), "b": np.zeros(outputs) if outputs else 0.0}
    return wg.EmpiricalRisk(loss, linear, (X, y), penalty), theta0


def problems() -> dict[str, tuple[Any, Any]]:
    """Risks and starts by name."""
    import sklearn.datasets as data

    diabetes, cancer, digits = data.load_diabetes(), data.load_breast_cancer(), data.load_digits()
    wine, iris, linnerud = data.load_wine(), data.load_iris(), data.load_linnerud()
    two = iris.target > 0
    return {
        "diabetes, ridge": risk("squared", diabetes.data, standard(diabetes.target[:, None])[:, 0], 1e-2),
        "diabetes, Huber": risk("huber", diabetes.data, standard(diabetes.target[:, None])[:, 0] * 3, 1e-2),
        "diabetes, Poisson": risk("poisson", diabetes.data, np.round(diabetes.target / 50), 1e-2),
        "breast cancer, logistic": risk("logistic", cancer.data, cancer.target, 1e-2),
        "breast cancer, logistic, little penalty": risk("logistic", cancer.data, cancer.target, 1e-3),
        "breast cancer, ridge": risk("squared", cancer.data, 2.0 * cancer.target - 1, 1e-2),
        "digits, softmax": risk("softmax", digits.data, digits.target, 1e-2, 10),
        "digits, odd or even, logistic": risk("logistic", digits.data, digits.target % 2, 1e-2),
        "wine, softmax": risk("softmax", wine.data, wine.target, 1e-2, 3),
        "wine, alcohol, ridge": risk("squared", wine.data[:, 1:], standard(wine.data[:, :1])[:, 0], 1e-2),
        "iris, softmax": risk("softmax", iris.data, iris.target, 1e-2, 3),
        "iris, logistic": risk("logistic", iris.data[two], iris.target[two] - 1, 1e-2),
        "linnerud, ridge": risk("squared", linnerud.data, standard(linnerud.target), 1e-2, 3),
    }
