"""Remainders: bounds hold against mpmath and are tight; what is no bound says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import special

import wengert as wg
from wengert.errors import ShapeError, UnsupportedFunctionError
from wengert.taylor import remainder

# ------------------------------------------------------------------ one variable, at a point

# name: (NumPy, mpmath, x0, x)
FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], float, float]] = {
    "exp": (np.exp, mp.exp, 0.0, 0.7),
    "exp, far": (np.exp, mp.exp, 1.0, -2.5),
    "expm1": (np.expm1, mp.expm1, 0.2, -0.4),
    "exp2": (np.exp2, lambda x: mp.mpf(2) ** x, 0.5, 1.5),
    "log": (np.log, mp.log, 1.0, 1.6),
    "log, left": (np.log, mp.log, 1.0, 0.4),
    "log1p": (np.log1p, mp.log1p, 0.0, 0.5),
    "log10": (np.log10, mp.log10, 2.0, 2.5),
    "sqrt": (np.sqrt, mp.sqrt, 1.0, 0.3),
    "cbrt": (np.cbrt, mp.cbrt, 1.0, 1.4),
    "reciprocal": (lambda x: 1 / x, lambda x: 1 / x, 1.0, 1.7),
    "geometric": (lambda x: 1 / (1 - x), lambda x: 1 / (1 - x), 0.0, 0.5),
    "runge": (lambda x: 1 / (1 + x**2), lambda x: 1 / (1 + x**2), 0.3, 0.8),
    "power": (lambda x: x**2.5, lambda x: x ** mp.mpf("2.5"), 1.0, 1.5),
    "negative power": (lambda x: x**-3, lambda x: x**-3, -1.0, -1.3),
    "sin": (np.sin, mp.sin, 0.0, 1.0),
    "cos": (np.cos, mp.cos, 0.4, -0.6),
    "sin, long": (np.sin, mp.sin, 1.0, 6.0),
    "tan": (np.tan, mp.tan, 0.1, 0.9),
    "arcsin": (np.arcsin, mp.asin, 0.1, 0.5),
    "arccos": (np.arccos, mp.acos, 0.1, -0.4),
    "arctan": (np.arctan, mp.atan, 0.2, 0.9),
    "sinh": (np.sinh, mp.sinh, 0.0, 1.2),
    "cosh": (np.cosh, mp.cosh, 0.3, 1.2),
    "tanh": (np.tanh, mp.tanh, 0.2, 0.7),
    "arcsinh": (np.arcsinh, mp.asinh, 0.5, 1.0),
    "arccosh": (np.arccosh, mp.acosh, 2.0, 2.5),
    "arctanh": (np.arctanh, mp.atanh, 0.1, 0.4),
    "sigmoid": (special.expit, lambda x: 1 / (1 + mp.exp(-x)), 0.3, 1.3),
    "softplus": (lambda x: np.logaddexp(x, 0), lambda x: mp.log1p(mp.exp(x)), 0.3, 1.3),
    "normcdf": (special.ndtr, mp.ncdf, 0.2, 1.0),
    "erf": (special.erf, mp.erf, 0.1, 0.6),
    "erfc": (special.erfc, mp.erfc, 0.1, -0.6),
    "erfi": (special.erfi, mp.erfi, 0.1, 0.6),
    "gamma": (special.gamma, mp.gamma, 2.0, 2.6),
    "gammaln": (special.gammaln, mp.loggamma, 2.0, 2.6),
    "digamma": (special.digamma, mp.digamma, 2.0, 2.6),
    "j0": (special.j0, lambda x: mp.besselj(0, x), 0.5, 1.4),
    "j1": (special.j1, lambda x: mp.besselj(1, x), 0.5, 1.4),
    "i0": (special.i0, lambda x: mp.besseli(0, x), 0.5, 1.4),
    "expi": (special.expi, mp.ei, 1.0, 1.4),
    "exp1": (special.exp1, mp.e1, 1.0, 1.4),
    "sinc": (np.sinc, mp.sincpi, 0.1, 0.5),
    "dawsn": (
        special.dawsn,
        lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x),
        0.1,
        0.5,
    ),
    "lambertw": (lambda x: special.lambertw(x).real, mp.lambertw, 1.0, 1.5),
    "sum": (lambda x: np.sin(x) + 3 * x**2 - x, lambda x: mp.sin(x) + 3 * x**2 - x, 0.5, 1.1),
    "product": (lambda x: x * np.exp(-x), lambda x: x * mp.exp(-x), 0.5, 1.1),
    "gaussian": (lambda x: np.exp(-(x**2) / 2), lambda x: mp.exp(-(x**2) / 2), 0.1, 0.9),
    "quotient": (lambda x: np.sin(x) / (2 + x), lambda x: mp.sin(x) / (2 + x), 0.1, 0.7),
    "nested": (lambda x: np.exp(np.sin(x)), lambda x: mp.exp(mp.sin(x)), 0.1, 0.7),
    "log of a sum": (
        lambda x: np.log(1 + np.exp(x) + np.exp(-2 * x)),
        lambda x: mp.log(1 + mp.exp(x) + mp.exp(-2 * x)),
        0.1,
        0.7,
    ),
    "abs, away from its kink": (lambda x: np.abs(x) ** 3, lambda x: abs(x) ** 3, -1.0, -0.2),
    "maximum, away": (lambda x: np.maximum(x, 0.5) ** 2, lambda x: x**2, 1.0, 2.0),
    "chosen": (
        lambda x: np.where(x > 0, np.exp(x), x),
        mp.exp,
        0.5,
        1.0,
    ),
}
TINY = 1e-12


def exact_remainder(f: Callable[..., Any], x0: float, x: float, order: int) -> Any:
    with mp.workdps(60):
        delta = mp.mpf(x) - mp.mpf(x0)
        series = mp.taylor(f, mp.mpf(x0), order)
        return f(mp.mpf(x)) - mp.polyval(series[::-1], delta)


@pytest.mark.parametrize("order", [0, 1, 2, 4])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_bound_at_a_point_holds_and_is_tight(name: str, order: int) -> None:
    f, exact, x0, x = FUNCTIONS[name]
    found = remainder(f, x0, x, order=order)
    assert found.is_bound, str(found)
    truth = exact_remainder(exact, x0, x, order)
    low, high = found.interval  # type: ignore[misc]
    assert low <= truth <= high
    assert float(found) >= abs(truth)
    loose = 1e-8 if name in ("j0", "j1", "dawsn", "sinc") else TINY
    assert float(found) <= 1.3 * abs(truth) + loose


@pytest.mark.parametrize("order", [8, 12])
@pytest.mark.parametrize("name", ["exp", "sin", "geometric", "sqrt", "log", "sinh", "runge"])
def test_bounds_of_high_order(name: str, order: int) -> None:
    f, exact, x0, x = FUNCTIONS[name]
    found = remainder(f, x0, x, order=order)
    truth = exact_remainder(exact, x0, x, order)
    assert found.is_bound
    assert abs(truth) <= float(found) <= 1.5 * abs(truth) + TINY


# ------------------------------------------------------------------ balls and boxes, one variable


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize(
    "name", ["exp", "sin", "log1p", "tanh", "geometric", "erf", "sigmoid", "cosh", "gaussian"]
)
def test_bound_on_a_ball_holds_and_is_tight(name: str, order: int) -> None:
    f, exact, x0, _ = FUNCTIONS[name]
    found = remainder(f, x0, ball=0.3, order=order)
    assert found.is_bound, str(found)
    errors = [abs(exact_remainder(exact, x0, x0 + t, order)) for t in np.linspace(-0.3, 0.3, 21)]
    assert max(errors) <= float(found) <= 1.25 * max(errors)
    low, high = found.interval  # type: ignore[misc]
    assert low <= high


def test_a_box_need_not_be_around_its_centre() -> None:
    found = remainder(np.exp, 0.0, box=(0.5, 1.0), order=2)
    errors = [exact_remainder(mp.exp, 0.0, x, 2) for x in np.linspace(0.5, 1.0, 11)]
    low, high = found.interval  # type: ignore[misc]
    assert found.is_bound
    assert low <= min(errors)
    assert max(errors) <= high <= 1.1 * max(errors)
    assert low > 0  # the box does not hold the centre, where it is 0


# ------------------------------------------------------------------ several variables

RNG = np.random.default_rng(5)
WEIGHTS, OUTER = RNG.standard_normal((5, 3)) / 2, RNG.standard_normal(5)


def network(x: Any) -> Any:
    return OUTER @ np.tanh(WEIGHTS @ x + 0.1)


def logsumexp(x: Any) -> Any:
    return np.log(np.sum(np.exp(x)))


SEVERAL: dict[str, Callable[..., Any]] = {
    "network": network,
    "logsumexp": logsumexp,
    "softmax": lambda x: np.exp(x) / np.sum(np.exp(x)),
    "norm": lambda x: np.linalg.norm(x + 2),
    "product": lambda x: np.exp(x[0]) * np.cos(x[1]) * (1 + x[2]),
    "rational": lambda x: x[0] / (3 + x[1] ** 2 + x[2]),
    "vector": lambda x: np.stack([np.sin(x @ x), np.prod(x + 1)]),
    "prod": lambda x: np.prod(np.exp(x) + 1),
    "cumulative": lambda x: np.cumsum(x**3) * x,
}


def errors_on(f: Callable[..., Any], x0: Any, points: list[Any], order: int) -> list[Any]:
    found = []
    for x in points:
        series = np.asarray(wg.jet(f, x0, x - x0, order=order + 14 if f is None else order))
        found.append(np.asarray(f(x)) - series.sum(axis=0))
    return found


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", SEVERAL)
def test_bounds_in_several_variables(name: str, order: int) -> None:
    f, x0 = SEVERAL[name], np.array([0.1, -0.2, 0.15])
    rng = np.random.default_rng(0)
    x = x0 + 0.3 * rng.standard_normal(3)
    found = remainder(f, x0, x, order=order)
    assert found.is_bound, str(found)
    (truth,) = errors_on(f, x0, [x], order)
    low, high = found.interval  # type: ignore[misc]
    assert np.all(low - 1e-14 <= truth)
    assert np.all(truth <= high + 1e-14)
    assert np.all(found.value <= 1.2 * np.abs(truth) + 0.02 * np.max(np.abs(truth)) + 1e-13)


@pytest.mark.parametrize("name", ["network", "logsumexp", "softmax", "vector", "rational"])
def test_bounds_on_balls_and_boxes_in_several_variables(name: str) -> None:
    f, x0, order, radius = SEVERAL[name], np.array([0.1, -0.2, 0.15]), 2, 0.2
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((200, 3))
    sphere = [x0 + radius * d / np.linalg.norm(d) for d in drawn]
    box = [x0 + radius * np.sign(d) for d in drawn]
    for points, found in (
        (sphere, remainder(f, x0, ball=radius, order=order)),
        (box, remainder(f, x0, box=(x0 - radius, x0 + radius), order=order)),
    ):
        assert found.is_bound, str(found)
        largest = np.max(np.abs(errors_on(f, x0, points, order)), axis=0)
        assert np.all(largest <= found.value)
        assert np.max(found.value) <= 8 * np.max(largest)


def test_a_formula_with_other_values() -> None:
    found = remainder("exp(a*x)*cos(y)", {"x": 0, "y": 0}, {"x": 0.5, "y": 0.2}, order=2,
                      given={"a": 2.0})  # fmt: skip
    with mp.workdps(40):
        t = mp.taylor(lambda s: mp.exp(s) * mp.cos(mp.mpf("0.2") * s), 0, 2)
        truth = mp.exp(1) * mp.cos(mp.mpf("0.2")) - sum(t)
    assert found.is_bound
    assert abs(truth) == pytest.approx(float(found), rel=0.02)


def test_trees_keep_their_nesting() -> None:
    found = remainder(
        lambda p: {"a": np.exp(p["x"]), "b": (p["y"] ** 3, p["x"] * p["y"])},
        {"x": np.zeros(2), "y": 1.0},
        {"x": np.full(2, 0.1), "y": 1.5},
        order=1,
    )
    assert found.is_bound
    assert found.value["a"].shape == (2,)
    cubic, mixed = found.value["b"]
    assert cubic == pytest.approx(1.5**3 - 1 - 1.5, rel=1e-2)
    assert mixed == pytest.approx(0.05 * np.ones(2), rel=1e-2)


# ------------------------------------------------------------------ exactly zero


@pytest.mark.parametrize("order", [2, 3])
def test_a_quadratic_has_no_remainder(order: int) -> None:
    A = RNG.standard_normal((4, 4))

    def f(x: Any) -> Any:
        return x @ A @ x + x.sum() + 3

    found = remainder(f, np.ones(4), ball=10.0, order=order)
    assert found.is_bound
    assert float(found) == 0
    assert "0" in found.reason


def test_a_polynomial_of_the_order() -> None:
    assert float(remainder(lambda x: x**5 - x, 1.0, ball=3.0, order=5)) == 0
    found = remainder(lambda x: x**5 - x, 1.0, 2.0, order=4)
    assert float(found) == pytest.approx(1.0, rel=1e-9)


# ------------------------------------------------------------------ no bound

NO_BOUND: dict[str, tuple[Callable[..., Any], Any, Any, str]] = {
    "pole between": (lambda x: 1 / (1 - x), 0.0, 1.5, "unbounded"),
    "outside the domain": (np.log, 1.0, -0.5, "domain"),
    "kink between": (np.abs, 0.3, -0.8, "abs"),
    "jump between": (np.floor, 0.5, 1.5, "floor"),
    "choice between": (lambda x: np.where(x > 0, x**2, x**3), 1.0, -1.0, "greater"),
    "ends at a root's branch point": (np.sqrt, 1.0, 0.0, "power"),
    "the cut of the angle": (lambda x: np.arctan2(x, -1.0), 0.5, -0.5, "arctan2"),
    "ties": (np.max, np.array([1.0, 2.0]), np.array([2.0, 1.0]), "max"),
    "sorted": (lambda x: np.sort(x)[0], np.array([1.0, 2.0]), np.array([2.0, 1.0]), "argsort"),
    "stopped": (lambda x: wg.stop_gradient(x) * x, 1.0, 2.0, "stop_gradient"),
    "asked for": (lambda x: x**3 if x > 0 else x, 1.0, 2.0, "values"),
    "kink in a loop": (
        lambda x: wg.fori_loop(0, 3, lambda i, c: np.abs(c) * 0.5 + x, x), 1.0, -1.0, "abs",
    ),
    "a function of the user's": (
        wg.custom_derivative(lambda x: x**3, jacobian=lambda x: 3 * x**2), 1.0, 2.0, "call",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_BOUND)
def test_what_has_no_bound_is_an_estimate_that_says_why(name: str) -> None:
    f, x0, x, said = NO_BOUND[name]
    found = remainder(f, x0, x, order=1)
    assert found.kind == "estimate"
    assert found.interval is None
    assert said in found.reason
    assert "≈" in str(found)
    assert "estimate" in str(found)


def test_an_estimate_is_not_below_what_is_found() -> None:
    found = remainder(np.abs, 0.3, -0.8, order=2)
    assert float(found) == pytest.approx(1.6)


def test_estimates_look_at_two_terms() -> None:
    """Of an even function the next term is 0; a function of one's own has no bound."""
    even = wg.custom_derivative(np.cos, jacobian=lambda x: -np.sin(x))
    found = remainder(even, 0.0, 0.5, order=2)
    assert found.kind == "estimate"
    assert float(found) == pytest.approx(0.5**4 / 24, rel=1e-12)


# ------------------------------------------------------------------ arguments


def test_one_region_is_needed() -> None:
    with pytest.raises(ValueError, match="give one"):
        remainder(np.exp, 0.0, order=1)
    with pytest.raises(ValueError, match="give one"):
        remainder(np.exp, 0.0, 1.0, ball=1.0, order=1)


@pytest.mark.parametrize("ball", [-1.0, float("inf"), float("nan")])
def test_a_ball_has_a_radius(ball: float) -> None:
    with pytest.raises(ValueError, match="radius"):
        remainder(np.exp, 0.0, ball=ball, order=1)


def test_points_must_fit() -> None:
    with pytest.raises(ShapeError, match="does not fit"):
        remainder(np.exp, np.zeros(2), np.zeros(3), order=1)
    with pytest.raises(ShapeError, match="nested"):
        remainder(lambda p: p[0] * p[1], (1.0, 2.0), [1.0, 2.0], order=1)
    with pytest.raises(ValueError, match="in that order"):
        remainder(np.exp, 0.0, box=(1.0, -1.0), order=1)


def test_not_in_traced_code() -> None:
    with pytest.raises(UnsupportedFunctionError, match="traced"):
        wg.grad(lambda x: float(remainder(np.exp, 0.0, 0.1, order=1)) * x)(1.0)


def test_a_point_at_the_centre_has_none() -> None:
    found = remainder(np.exp, 0.5, 0.5, order=1)
    assert found.is_bound
    assert float(found) <= 1e-300


def test_a_polynomial_knows_its_remainder() -> None:
    T = wg.taylor("exp(x)*cos(y)", {"x": 0, "y": 0}, order=4)
    at = T.remainder(x=0.5, y=0.5)
    assert at.is_bound
    assert abs(float(T.error(x=0.5, y=0.5))) <= float(at)
    assert T.remainder(ball=0.1).is_bound
    assert T.remainder(box=({"x": 0, "y": 0}, {"x": 0.1, "y": 0.1})).is_bound
    of_function = wg.taylor(np.sin, 0.3, order=2)
    assert float(of_function.remainder(0.5)) < 0.002


def test_a_polynomial_at_a_kink() -> None:
    with pytest.raises(wg.KinkError, match="order 1 is above what is defined"):
        wg.taylor("abs(x)", {"x": 0}, order=1)
    assert float(wg.taylor("abs(x)", {"x": 0}, order=0)(1.0)) == 0
    assert float(wg.taylor("abs(x)", {"x": 0}, order=1, check=False)(1.0)) == 0
    assert float(wg.taylor("x*abs(x)", {"x": 0}, order=1)(1.0)) == 0
