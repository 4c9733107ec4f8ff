"""The examples run, improve what they optimise, and have the derivatives that differences show."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy import optimize
from scipy.cluster.vq import kmeans2
from scipy.sparse.linalg import lsqr
from scipy.spatial.transform import Rotation
from scipy.stats import multivariate_normal

import wengert as wg

FOLDER = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def as_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples find each other, as they do when one is run."""
    monkeypatch.syspath_prepend(FOLDER)


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # as an import does
    spec.loader.exec_module(module)
    return module


def rng() -> Any:
    return np.random.default_rng(7)


def test_neural_net(capsys: Any) -> None:
    example = load("neural_net")
    assert example.main(count=60, pixels=8, hidden=6, steps=80) > 0.8
    assert "accuracy" in capsys.readouterr().out
    inputs, targets = example.patterns(rng(), 7, 4, 3)
    params = example.init_params(rng(), [4, 3, 3])
    assert wg.check_derivatives(lambda p: example.loss(p, inputs, targets), (params,))


def test_why_and_how_long() -> None:
    example = load("why_and_how_long")
    found = example.report(eps=3e-3, seconds=10.0)
    assert all(outlook.measured.reached for outlook in found.outlooks)
    X, y = example.patients()
    best = np.linalg.solve(X.T @ X / len(y) + 0.01 * np.eye(10), X.T @ y / len(y))
    np.testing.assert_allclose(found.reference.x, best, atol=1e-10)


def test_gaussian_process(capsys: Any) -> None:
    example = load("gaussian_process")
    x, y = example.load(12, 2)
    start = np.array([0.0, -0.5, 0.1, 0.3])
    assert example.main(rows=12, features=2, steps=10) > -example.negative_log_likelihood(
        np.array([0.0, -0.5, 0.0, 0.0]), x, y
    )
    assert "noise" in capsys.readouterr().out
    assert wg.check_derivatives(lambda p: example.negative_log_likelihood(p, x, y), (start,))


def test_mixture_model(capsys: Any) -> None:
    example = load("mixture_model")
    assert example.main(count=60, groups=3, steps=20) > -3.5
    assert "centres" in capsys.readouterr().out
    data = example.clusters(rng(), 9, 2)
    params = example.init_params(rng(), 2)
    assert wg.check_derivatives(lambda p: example.log_likelihood(p, data) / 9, (params,))


def test_fluid_simulation(capsys: Any) -> None:
    example = load("fluid_simulation")
    assert example.main(size=6, steps=20, iterations=10) < 0.1
    assert "distance" in capsys.readouterr().out
    smoke, target = example.pictures(4)
    velocities = 0.1 * rng().normal(size=(2, 4, 4))
    assert wg.check_derivatives(
        lambda v: example.distance(v, smoke, target, 3), (velocities,), order=1
    )


def test_ode_net(capsys: Any) -> None:
    example = load("ode_net")
    assert example.main(steps=10, iterations=30) < 0.3
    assert "loss" in capsys.readouterr().out
    start = np.array([1.0, 0.5])
    observed = example.spiral(start, 0.1, 4)
    params = example.init_params(rng())
    assert wg.check_derivatives(lambda p: example.loss(p, start, observed, 0.1), (params,), order=1)


def flat(tree: Any) -> Any:
    """The leaves of a dict one after the other, by name as optree has them."""
    return np.concatenate([np.ravel(tree[name]) for name in sorted(tree)])


def differences(f: Any, x: Any, step: float = 1e-5) -> Any:
    """The Jacobian of a function of a vector by central differences."""
    units = step * np.eye(len(x))
    return np.stack([(f(x + u) - f(x - u)) / (2 * step) for u in units], axis=-1)


# ---------------------------------------------------------------- matrix factorisation


def ridge_rows(stars: Any, mask: Any, V: Any) -> Any:
    """The best U for a V, one ridge regression a row."""
    rows = [np.linalg.solve((V.T * m) @ V + np.eye(V.shape[1]), V.T @ (m * t))
            for t, m in zip(stars, mask, strict=True)]  # fmt: skip
    return np.stack(rows)


def test_alternating_newton_is_alternating_least_squares() -> None:
    example = load("matrix_factorization")
    stars, mask = example.ratings(rng(), 9, 7, 2)
    start = {"U": rng().normal(size=(9, 2)), "V": rng().normal(size=(7, 2))}
    found = example.alternate(start, stars, mask, 2)
    U, V = start["U"], start["V"]
    for _ in range(2):
        U = ridge_rows(stars, mask, V)
        V = ridge_rows(stars.T, mask.T, U)
    np.testing.assert_allclose(found["U"], U, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found["V"], V, rtol=1e-10, atol=1e-12)


def test_a_newton_step_in_both_factors_is_the_dense_one() -> None:
    example = load("matrix_factorization")
    stars, mask = example.ratings(rng(), 30, 21, 3)
    factors = {"U": rng().normal(size=(30, 3)), "V": rng().normal(size=(21, 3))}
    H = wg.hessian(example.of_both, structured=True)(factors, stars, mask).add_diagonal(40.0)
    step = H.solve(wg.grad(example.of_both)(factors, stars, mask))
    assert H.factors.method == "Schur complement"

    def gradient(x: Any) -> Any:  # by hand
        U, V = x[:90].reshape(30, 3), x[90:].reshape(21, 3)
        errors = mask * (U @ V.T - stars)
        return np.concatenate([(errors @ V + U).ravel(), (errors.T @ U + V).ravel()])

    x = flat(factors)
    dense = differences(gradient, x) + 40 * np.eye(len(x))
    np.testing.assert_allclose(flat(step), np.linalg.solve(dense, gradient(x)), rtol=1e-6)
    assert wg.check_derivatives(lambda f: example.of_both(f, stars, mask), (factors,))


def test_matrix_factorization(capsys: Any) -> None:
    example = load("matrix_factorization")
    newton, alternating = example.main(users=40, items=25, rank=2)
    assert newton == pytest.approx(alternating, rel=1e-9)
    assert "structured" in capsys.readouterr().out


# ---------------------------------------------------------------- bundle adjustment


def test_bundle_adjustment(capsys: Any, tmp_path: Path) -> None:
    example = load("bundle_adjustment")
    problem = example.synthetic(rng(), 5, 30, share=0.8)
    file = tmp_path / "problem.txt"
    example.write(file, problem)
    again = example.read(file)
    for name in ("camera", "point", "pixels"):
        np.testing.assert_array_equal(getattr(again, name), getattr(problem, name))
    for name, array in problem.params.items():
        np.testing.assert_array_equal(again.params[name], array)
    assert 0.3 < example.main(str(file)) < 0.55  # noise of half a pixel, less what is fitted
    assert "observations" in capsys.readouterr().out


def test_the_camera_of_bundle_adjustment() -> None:
    example = load("bundle_adjustment")
    turns, points = rng().normal(size=(2, 6, 3))
    expected = Rotation.from_rotvec(turns).apply(points)
    np.testing.assert_allclose(example.rotated(turns, points), expected, rtol=1e-12)
    np.testing.assert_array_equal(example.rotated(0 * turns, points), points)


def test_a_step_of_bundle_adjustment_is_damped_least_squares() -> None:
    example = load("bundle_adjustment")
    problem = example.synthetic(rng(), 4, 12, share=0.8)
    residuals = example.residuals_of(problem)
    start = problem.params

    def of_vector(x: Any) -> Any:
        cameras, points = x[:36].reshape(4, 9), x[36:].reshape(12, 3)
        return residuals({"cameras": cameras, "points": points}).ravel()

    J = differences(of_vector, flat(start), 1e-6)
    matrix = wg.gauss_newton(residuals)(start)
    scale = np.max(np.abs(J), axis=0)
    np.testing.assert_allclose(
        matrix.to_dense() / np.outer(scale, scale), (J / scale).T @ (J / scale), atol=1e-5
    )
    seen = np.zeros((4, 12), bool)
    seen[problem.camera, problem.point] = True
    block = matrix["cameras"]["points"].to_scipy_sparse()
    assert block.nnz <= 27 * seen.sum()

    damping = {"cameras": 1e-2 * scale[:36].reshape(4, 9) ** 2,
               "points": 1e-2 * scale[36:].reshape(12, 3) ** 2}  # fmt: skip
    damped = matrix.add_diagonal(damping)
    step = damped.solve(wg.grad(lambda p: 0.5 * np.sum(residuals(p) ** 2))(start))
    assert damped.factors.method == "Schur complement"
    found = lsqr(J / scale, of_vector(flat(start)), damp=0.1, atol=1e-13, btol=1e-13)[0] / scale
    np.testing.assert_allclose(flat(step) * scale, found * scale, rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- Laplace's approximation


def test_laplace_network(capsys: Any) -> None:
    example = load("laplace_network")
    assert -90 < example.main(rows=90, features=3, hidden=2) < -40
    assert "best prior precision" in capsys.readouterr().out


def test_the_evidence_of_a_network() -> None:
    example = load("laplace_network")
    x, y = example.load(30, 2)
    shapes = {"W": (2, 2), "b": (2,), "c": (), "v": (2,)}

    def tree(vector: Any) -> Any:
        parts = np.split(vector, [4, 6, 7])
        return {k: np.reshape(p, s) for (k, s), p in zip(shapes.items(), parts, strict=True)}

    def cost(vector: Any) -> float:
        return float(example.penalised(tree(vector), x, y, 2.0, 3.0))

    params = example.fit(example.init_params(rng(), 2, 2), x, y, 2.0, 3.0)
    best = optimize.minimize(cost, flat(params), tol=1e-9)
    assert example.penalised(params, x, y, 2.0, 3.0) <= best.fun + 1e-7
    J = differences(lambda v: example.network(tree(v), x), flat(params))
    H = 2.0 * J.T @ J + 3.0 * np.eye(9)
    evidence = (
        15 * np.log(2.0 / (2 * np.pi)) + 4.5 * np.log(3.0)
        - cost(flat(params)) - 0.5 * np.linalg.slogdet(H)[1]
    )  # fmt: skip
    assert example.log_evidence(params, x, y, 2.0, 3.0) == pytest.approx(evidence, rel=1e-7)
    new = x[:5] + 0.5
    J = differences(lambda v: example.network(tree(v), new), flat(params))
    expected = np.diag(J @ np.linalg.solve(H, J.T)) + 0.5
    found = example.predictive_variance(params, x, new, 2.0, 3.0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


# ---------------------------------------------------------------- Gaussian process


def test_gp_hyperparameters(capsys: Any) -> None:
    example = load("gp_hyperparameters")
    x, y = example.load(25, 2)

    def independent(theta: Any) -> float:
        squares = sum(((x[:, k, None] - x[None, :, k]) / np.exp(theta[2 + k])) ** 2 for k in (0, 1))
        noise = np.exp(2 * theta[1]) + 1e-8
        covariance = np.exp(2 * theta[0] - 0.5 * squares) + noise * np.eye(25)
        return -multivariate_normal(np.zeros(25), covariance).logpdf(y) + theta @ theta / 4.5

    start = np.array([0.0, -0.5, 0.2, -0.1])
    assert example.objective(start, x, y) == pytest.approx(independent(start))
    by_differences = differences(lambda t: differences(independent, t, 1e-4), start, 1e-4)
    hessian = wg.hessian(example.objective)(start, x, y)
    np.testing.assert_allclose(hessian, by_differences, rtol=1e-4, atol=1e-4)
    params, _, norms = example.newton(start, x, y)
    assert norms[-1] < 1e-8
    assert norms[-1] < 10 * norms[-2] ** 1.5  # quadratic convergence
    np.testing.assert_allclose(params, optimize.minimize(independent, start).x, atol=1e-4)
    example.main(rows=20, features=2)
    assert "log evidence" in capsys.readouterr().out


# ---------------------------------------------------------------- k-means


def test_kmeans_newton(capsys: Any) -> None:
    example = load("kmeans_newton")
    points = example.blobs(rng(), 80, 4)
    start = points[:4]
    nearest = np.argmin(np.linalg.norm(points[:, None] - start, axis=2), axis=1)
    lloyd = np.stack([points[nearest == k].mean(axis=0) for k in range(4)])
    np.testing.assert_allclose(example.newton_step(start, points), lloyd, rtol=1e-12)
    found, steps = example.fit(start, points)
    np.testing.assert_allclose(found, kmeans2(points, start, iter=100, minit="matrix")[0])
    assert steps < 100
    far = np.vstack([start, [[1e3, 1e3]]])
    np.testing.assert_array_equal(example.newton_step(far, points)[4], far[4])
    assert example.main(count=60, groups=3) < 4
    assert "diagonal" in capsys.readouterr().out


# ---------------------------------------------------------------- a laboratory's budget


def test_calibration_standard(capsys: Any) -> None:
    example = load("calibration_standard")
    standard, dilution = example.main(samples=5000)
    u = [0.05 / 100.28, 5.7735e-5 / 0.9999, *(x / 100 for x in (0.1 / 6**0.5, 0.02, 0.0484974))]
    assert standard == pytest.approx(1002.69972 * np.linalg.norm(u), rel=1e-5)
    relative = np.sqrt(0.2**2 + 2 * 0.2**4)  # of 1/pipette, to second order
    assert dilution == pytest.approx(1000 * relative, rel=1e-4)
    out = capsys.readouterr().out
    assert "c = 1002.7 ± 1.7 mg/L (k = 2)" in out
    assert "nothing was found that speaks against the Taylor approximation" in out
    assert "the Taylor approximation should not be trusted here" in out
