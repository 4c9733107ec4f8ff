"""Kinks at a point, up to the order at which they matter, and within the mass of a distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import AssumptionError, DomainError, KinkError, ShapeError
from wengert.primitive import registry
from wengert.taylor import at_kink, check_kinks, kinks_within

# (function, point, the lowest derivative that does not exist, None if all do up to 4)
AT: dict[str, tuple[Any, Any, int | None]] = {
    "abs": (np.abs, 0.0, 1),
    "abs, beside": (np.abs, 1e-9, None),
    "x|x|": (lambda x: x * np.abs(x), 0.0, 2),
    "|x|³": (lambda x: np.abs(x) ** 3, 0.0, 3),
    "x³|x|": (lambda x: x**3 * np.abs(x), 0.0, 4),
    "x⁴|x|": (lambda x: x**4 * np.abs(x), 0.0, None),
    "x²": (lambda x: np.abs(x) ** 2, 0.0, None),
    "relu": (lambda x: np.maximum(x, 0), 0.0, 1),
    "relu²": (lambda x: np.maximum(x, 0) ** 2, 0.0, 2),
    "relu, where x − 0.3 rounds": (lambda x: np.maximum(x - 0.3, 0), 0.1 * 3, 1),
    "minimum": (lambda x: np.minimum(x[0], x[1]), np.array([1.0, 1.0]), 1),
    "minimum, apart": (lambda x: np.minimum(x[0], x[1]), np.array([1.0, 1.1]), None),
    "one of many": (lambda x: np.abs(x).sum(), np.array([0.0, 1.0, -1.0]), 1),
    "two that cancel with one sign": (
        lambda x: np.abs(x[0]) * np.abs(x[1]), np.zeros(2), 2,
    ),
    "sides that agree singly": (
        lambda x: (np.abs(x[0]) - x[0]) * (np.abs(x[1]) - x[1]), np.zeros(2), 2,
    ),
    "nothing left": (lambda x: np.abs(x) * 0.0 + x, 0.0, None),
    "sign": (np.sign, 0.0, 1),
    "floor": (np.floor, 2.0, 1),
    "floor, between": (np.floor, 2.5, None),
    "ceil": (np.ceil, -3.0, 1),
    "rint": (np.rint, 2.5, 1),
    "rint, at a whole number": (np.rint, 2.0, None),
    "remainder": (lambda x: x % 2.0, 4.0, 1),
    "clip, low": (lambda x: np.clip(x, 0, 1), 0.0, 1),
    "clip, high": (lambda x: np.clip(x, 0, 1), 1.0, 1),
    "clip, inside": (lambda x: np.clip(x, 0, 1), 0.5, None),
    "where": (lambda x: np.where(x < 0, -x, x), 0.0, 1),
    "where, smooth to 1": (lambda x: np.where(x < 0, 0, x**2), 0.0, 2),
    "where, smooth to 3": (lambda x: np.where(x <= 0, x**4, -2 * x**4), 0.0, 4),
    "where, both": (lambda x: np.where((x > 0) & (x < 2), x, 0), 0.0, 1),
    "where, neither": (lambda x: np.where(~(x > 0) | (x > 2), -x, x), -1.0, None),
    "where, either": (lambda x: np.where(~(x > 0) | (x > 2), -x, x), 0.0, 1),
    "equal whole numbers": (lambda x: np.where(np.floor(x) == 2, x, -x), 2.5, None),
    "where, not here": (lambda x: np.where((x > 0) & (x < 2), x, 0), 1.0, None),
    "max": (np.max, np.array([1.0, 3.0, 3.0]), 1),
    "max, apart": (np.max, np.array([1.0, 1.0, 3.0]), None),
    "min of rows": (lambda x: np.min(x, axis=1), np.array([[1.0, 2.0], [3.0, 3.0]]), 1),
    "sort": (np.sort, np.array([1.0, 3.0, 1.0]), 1),
    "norm": (np.linalg.norm, np.zeros(3), 1),
    "norm, apart": (np.linalg.norm, np.ones(3), None),
    "norm²": (lambda x: np.linalg.norm(x) ** 2, np.zeros(3), None),
    "1-norm": (lambda x: np.linalg.norm(x, 1), np.array([1.0, 0.0]), 1),
    "3-norm": (lambda x: np.linalg.norm(x, 3), np.array([1.0, 0.0]), 3),
    "hypot": (lambda x: np.hypot(x[0], x[1]), np.zeros(2), 1),
    "sqrt": (np.sqrt, 0.0, 1),
    "x^2.5": (lambda x: x**2.5, 0.0, 3),
    "cbrt": (np.cbrt, 0.0, 1),
    "cut": (lambda x: np.arctan2(x, -1.0), 0.0, 1),
    "beside the cut": (lambda x: np.arctan2(x, 1.0), 0.0, None),
    "loop": (lambda x: wg.fori_loop(0, 3, lambda i, c: np.abs(c) + x, x), 0.0, 1),
    "loop, away": (lambda x: wg.fori_loop(0, 3, lambda i, c: np.abs(c) + x, x), 1.0, None),
    "cond": (lambda x: wg.cond(x > 0, lambda t: t, lambda t: -t, x), 0.0, 1),
    "cond, the same": (lambda x: wg.cond(x > 0, lambda t: t * t, lambda t: t**2, x), 0.0, None),
    "smooth": (lambda x: np.tanh(np.exp(x)), 0.0, None),
    "a constant's kink": (lambda x: np.abs(np.zeros(1)) + x, 1.0, None),
}  # fmt: skip


@pytest.mark.parametrize("name", AT)
def test_the_lowest_derivative_that_does_not_exist(name: str) -> None:
    f, x0, lowest = AT[name]
    for order in range(5):
        found = at_kink(f, x0, order=order)
        assert bool(found) == (lowest is not None and order >= lowest), (order, found)
        if found:
            assert min(k.order for k in found) == lowest


def test_it_says_where() -> None:
    (found,) = at_kink("maximum(x, 2*y)", {"x": 2, "y": 1})
    assert str(found) == "maximum has a kink where x − 2y = 0"
    (found,) = at_kink("a*abs(x - 1)", {"x": 1}, given={"a": 3.0})
    assert found.condition == "x − 1 = 0"
    (found,) = at_kink(np.floor, 1.0)
    assert found.condition == "x is a whole number"


def test_the_error() -> None:

    def f(x: Any) -> Any:
        return x * np.abs(x)

    check_kinks(f, 0.0, 1)
    with pytest.raises(KinkError, match=r"order 3 is above .* abs has a kink where x = 0.*order=1"):
        check_kinks(f, 0.0, 3)
    assert issubclass(KinkError, DomainError)


def test_in_traced_code_the_point_is_not_known() -> None:
    seen: list[Any] = []

    def outer(x: Any) -> Any:
        check_kinks(np.abs, x, 2)
        seen.append(x)
        return x

    wg.grad(outer)(0.0)
    assert seen


def test_every_operation_that_is_not_smooth_says_where() -> None:
    """Or passes no derivative on purpose, and has no bound."""
    silent = [p.name for p in registry.values() if not p.smooth and p.kinks is None]
    assert silent == ["stop_gradient"]


# ------------------------------------------------------------------ near a mean


def names(found: list[Any]) -> list[str]:
    return [k.operation for k in found]


def test_distances_are_in_standard_deviations() -> None:
    found = kinks_within(lambda x: np.maximum(x - 1, 0) + np.abs(x + 2), 0.0, std=0.5)
    assert names(found) == ["maximum"]
    assert found[0].deviations == pytest.approx(2.0)
    assert names(kinks_within(lambda x: np.abs(x + 2), 0.0, std=0.5)) == []
    assert names(kinks_within(lambda x: np.abs(x + 2), 0.0, std=0.5, deviations=5)) == ["abs"]


def test_the_covariance_counts() -> None:
    def f(x: Any) -> Any:
        return np.abs(x[0] + x[1] - 1)

    together = np.array([[1.0, 0.99], [0.99, 1.0]])
    against = np.array([[1.0, -0.99], [-0.99, 1.0]])
    (near,) = kinks_within(f, np.zeros(2), together)
    assert near.deviations == pytest.approx(1 / np.sqrt(3.98))
    assert kinks_within(f, np.zeros(2), against) == []


def test_floors_are_as_far_as_the_next_whole_number() -> None:
    (found,) = kinks_within(np.floor, 2.4, std=0.2)
    assert found.deviations == pytest.approx(2.0)
    assert kinks_within(np.floor, 2.4, std=0.1) == []


@pytest.mark.parametrize(
    ("f", "operation"),
    [
        (lambda x: np.where(x @ x < 1, 1.0, x[0]), "less"),
        (lambda x: np.sort(x)[0], "argsort"),
        (np.max, "max"),
        (lambda x: np.clip(x, -1, 0.5).sum(), "clip"),
        (lambda x: np.linalg.norm(x, 1), "norm1"),
    ],
)
def test_kinds_of_kinks(f: Callable[..., Any], operation: str) -> None:
    assert operation in names(kinks_within(f, np.array([0.9, 0.2]), std=0.5))


def test_distances_are_those_of_sampling() -> None:
    """The kink is crossed by the share of draws that its distance says."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((3, 3)) / 3
    mean, cov = np.array([1.0, 0.5, -0.2]), A @ A.T
    w = np.array([1.0, -0.5, 0.3])
    (found,) = kinks_within(lambda x: np.maximum(w @ x, 0), mean, cov, deviations=10)
    draws = rng.multivariate_normal(mean, cov, 100_000) @ w
    from scipy.stats import norm

    assert norm.sf(found.deviations) == pytest.approx(np.mean(draws < 0), abs=4e-3)


def test_trees_and_formulas() -> None:
    (found,) = kinks_within("abs(x)*y", {"x": 0.1, "y": 1.0}, std={"x": 0.1, "y": 1.0})
    assert str(found) == "abs has a kink where x = 0, 1 standard deviations from the mean"


def test_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match="covariance of shape"):
        kinks_within(np.abs, np.zeros(2), np.eye(3))
    with pytest.raises(ShapeError, match="nested and shaped"):
        kinks_within(np.abs, np.zeros(2), std=np.ones(3))
    with pytest.raises(ValueError, match="covariance or the standard"):
        kinks_within(np.abs, 0.0)
    with pytest.raises(AssumptionError, match="negative"):
        kinks_within(np.abs, 0.0, std=-1.0)
    with pytest.raises(AssumptionError, match="negative"):
        kinks_within(np.abs, 0.0, np.array([[-1.0]]))
