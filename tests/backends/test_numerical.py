"""The numerical derivatives of the package: accurate, and merciless with wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import wengert as wg
from wengert.backends.numerical import directional_derivative, largest_relative_error


def whole(direction: Any) -> Any:
    return direction


FUNCTIONS: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
    (np.sin, np.cos),
    (np.exp, np.exp),
    (special.expit, lambda x: special.expit(x) * (1 - special.expit(x))),
    (lambda x: x**5, lambda x: 5 * x**4),
    (np.log, lambda x: 1 / x),
    (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    (lambda x: 1e8 * np.sin(x), lambda x: 1e8 * np.cos(x)),
    (lambda x: np.sin(30 * x), lambda x: 30 * np.cos(30 * x)),
]


@pytest.mark.parametrize(("function", "slope"), FUNCTIONS)
@pytest.mark.parametrize("x", [0.02, 0.7, 3.0])
def test_directional_derivatives_are_accurate(function: Any, slope: Any, x: float) -> None:
    got = directional_derivative(function, np.array([x]), np.array([1.0]))
    assert got == pytest.approx(slope(np.array([x])), rel=1e-9)


def test_shapes_of_directional_derivatives() -> None:
    for shape in [(), (1,), (2, 3), (2, 1, 2)]:
        A = np.random.default_rng(0).random((*shape, 3))
        got = directional_derivative(
            lambda x, A=A: np.sin(A @ x), np.ones(3), np.array([1.0, -2.0, 0.5])
        )
        expected = np.cos(A @ np.ones(3)) * (A @ np.array([1.0, -2.0, 0.5]))
        np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_right_derivatives_pass_and_wrong_ones_fail() -> None:
    x = np.array([0.3, -1.2, 2.0])
    right = np.diag(np.cos(x))
    assert largest_relative_error(np.sin, x, right, whole) < 1e-9
    for wrong in (-right, 1.001 * right, right + 1e-3, np.zeros((3, 3)), right[::-1]):
        assert largest_relative_error(np.sin, x, wrong, whole) > 9e-4


def test_large_arrays_are_checked_in_random_directions() -> None:
    x = np.linspace(-1, 1, 200)
    right = np.diag(np.cos(x))
    assert largest_relative_error(np.sin, x, right, whole) < 1e-9
    wrong = right.copy()
    wrong[17, 3] = 0.5
    assert largest_relative_error(np.sin, x, wrong, whole) > 1e-4


def test_zero_derivatives() -> None:
    x = np.ones(3)
    assert largest_relative_error(lambda v: np.ones(2), x, np.zeros((2, 3)), whole) == 0.0
    assert largest_relative_error(lambda v: np.ones(2), x, np.full((2, 3), 1e-3), whole) > 1e-4


def test_functions_that_are_not_finite_give_nan() -> None:
    with np.errstate(all="ignore"):
        error = largest_relative_error(np.log, np.array([-1.0]), np.array([[-1.0]]), whole)
    assert np.isnan(error)


def test_derivatives_that_are_not_finite_give_nan() -> None:
    assert np.isnan(largest_relative_error(np.sin, np.ones(1), np.array([[np.nan]]), whole))


def test_steps_stay_in_the_domain() -> None:
    """log near 0: steps of 0.1 leave the domain and are shrunk away."""
    x = np.array([0.005])
    assert largest_relative_error(np.log, x, np.array([[200.0]]), whole) < 1e-8


@pytest.mark.parametrize(
    "text",
    [
        "norm2(X*w - y)^2",
        "sum(log(1 + exp(-y.*(X*w))))",
        "logsumexp(X*w)",
        "norm2(X*w - y)",
        "tanh(X*w)",
    ],
)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_formulas_check_themselves(text: str, order: int) -> None:
    rng = np.random.default_rng(0)
    values = {"X": rng.standard_normal((4, 3)), "w": rng.standard_normal(3)}
    if "y" in text:
        values["y"] = rng.standard_normal(4)
    assert wg.formula(text).derivative("w", order=order).check(**values) < 1e-7


def test_check_finds_a_wrong_derivative() -> None:
    import dataclasses

    right = wg.formula("norm2(x)^2").derivative("x")
    wrong = dataclasses.replace(right, expr=wg.formula("3*x", {"x": ("n",)}).expr, _programs={})
    values = {"x": np.array([1.0, -2.0, 0.5])}
    assert right.check(**values) < 1e-9
    assert wrong.check(**values) > 0.1
