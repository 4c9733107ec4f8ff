"""Minimisers against scikit-learn's and SciPy's, on the data that ship with scikit-learn."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize

import wengert as wg

from .support import linear, rng

datasets: Any = pytest.importorskip("sklearn.datasets")
models: Any = pytest.importorskip("sklearn.linear_model")
networks: Any = pytest.importorskip("sklearn.neural_network")

EXACT = [wg.Newton(), wg.NewtonCG(), wg.GaussNewton(), wg.LBFGS(), wg.LevenbergMarquardt()]
STOP = wg.Stop(gradient=1e-11, steps=3000)


def scaled(X: Any) -> Any:
    X = X[:, np.std(X, axis=0) > 0]
    return (X - X.mean(axis=0)) / X.std(axis=0)


@pytest.mark.parametrize("method", EXACT, ids=repr)
def test_ridge(method: Any) -> None:
    X, y = datasets.load_diabetes(return_X_y=True)
    X, y = scaled(X), (y - y.mean()) / y.std()
    reference = models.Ridge(alpha=2.0, fit_intercept=False, tol=1e-14).fit(X, y)
    risk = wg.EmpiricalRisk("squared", lambda w, x: x @ w, (X, y), regularizer=2.0 / len(y))
    found = wg.minimize(risk, np.zeros(X.shape[1]), method=method, stop=STOP)
    np.testing.assert_allclose(found.theta, reference.coef_, rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", EXACT, ids=repr)
def test_logistic_regression(method: Any) -> None:
    X, y = datasets.load_breast_cancer(return_X_y=True)
    X = scaled(X)
    reference = models.LogisticRegression(
        C=1.0, solver="newton-cholesky", tol=1e-13, max_iter=200
    ).fit(X, y)
    risk = wg.EmpiricalRisk(
        "logistic", linear, (X, y), lambda theta: theta["w"] @ theta["w"] / (2 * len(y))
    )
    theta0 = {"w": np.zeros(X.shape[1]), "b": 0.0}
    found = wg.minimize(risk, theta0, method=method, stop=STOP)
    np.testing.assert_allclose(found.theta["w"], reference.coef_[0], rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.theta["b"], reference.intercept_[0], rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", [wg.Newton(), wg.NewtonCG(), wg.LBFGS()], ids=repr)
def test_softmax_regression(method: Any) -> None:
    X, y = datasets.load_iris(return_X_y=True)
    X = scaled(X)
    reference = models.LogisticRegression(
        C=1.0, solver="newton-cg", tol=1e-13, max_iter=500, fit_intercept=False
    ).fit(X, y)
    risk = wg.EmpiricalRisk("softmax", lambda W, x: x @ W, (X, y), regularizer=1 / len(y))
    found = wg.minimize(risk, np.zeros((4, 3)), method=method, stop=STOP)
    np.testing.assert_allclose(found.theta, reference.coef_.T, rtol=0, atol=1e-8)


def test_poisson_and_huber_regression_against_scipy() -> None:
    X, y = datasets.load_diabetes(return_X_y=True)
    X = scaled(X)
    for loss, target, function in (
        ("poisson", np.round(y / 50), lambda z, t: np.exp(z) - t * z),
        ("huber", (y - y.mean()) / 20, lambda z, t: np.where(
            np.abs(z - t) < 1, (z - t) ** 2 / 2, np.abs(z - t) - 0.5)),
    ):  # fmt: skip
        risk = wg.EmpiricalRisk(loss, lambda w, x: x @ w, (X, target), regularizer=0.1)

        def value(w: Any, f: Any = function, t: Any = target) -> Any:
            return np.mean(f(X @ w, t)) + 0.05 * w @ w

        reference = scipy_minimize(value, np.zeros(10), method="BFGS", options={"gtol": 1e-7})
        for method in (wg.Newton(), wg.LBFGS()):
            found = wg.minimize(risk, np.zeros(10), method=method, stop=wg.Stop(gradient=1e-9))
            assert found.loss <= reference.fun + 1e-12
            np.testing.assert_allclose(found.theta, reference.x, atol=2e-5)


def test_a_network_reaches_the_accuracy_of_scikit_learn() -> None:
    X, y = datasets.load_digits(return_X_y=True)
    X = X / 16
    order = rng(0).permutation(len(y))
    train, test = order[:1200], order[1200:]
    reference = networks.MLPClassifier(
        (32,), activation="relu", max_iter=40, random_state=0, learning_rate_init=3e-3
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that it has not converged
        reference.fit(X[train], y[train])

    def predict(p: Any, x: Any) -> Any:
        return np.maximum(x @ p["A"] + p["a"], 0) @ p["B"] + p["b"]

    theta0 = {
        "A": rng(1).normal(size=(64, 32)) * np.sqrt(2 / 64),
        "a": np.zeros(32),
        "B": rng(2).normal(size=(32, 10)) * np.sqrt(1 / 32),
        "b": np.zeros(10),
    }
    risk = wg.EmpiricalRisk("softmax", predict, (X[train], y[train]), regularizer=1e-4)
    found = wg.minimize(
        risk, theta0, method=wg.Adam(3e-3, batch_size=64), stop=wg.Stop(steps=40 * 19)
    )
    accuracy = np.mean(np.argmax(risk.predictions(found.theta, X[test]), axis=1) == y[test])
    assert accuracy >= reference.score(X[test], y[test]) - 0.01
    assert accuracy > 0.95
