"""Derivatives of the incomplete gamma and beta functions in their shapes, over the whole domain."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from wengert.primitive import registry

GAMMA_SHAPES = (0.03, 0.3, 1.0, 4.5, 60.0, 3000.0)
BETA_SHAPES = (0.02, 0.6, 1.0, 7.0, 900.0)
DIGITS = 120  # the differences of functions that are almost 0 or 1 lose most of them


def _value(name: str, *at: float, **orders: int) -> float:
    return float(registry[name].evaluate(_Node(orders), *map(np.float64, at)))


class _Node:
    def __init__(self, orders: dict[str, int]) -> None:
        self.params = tuple(orders.values())


def _slope(function: Any, at: Any, order: int) -> Any:
    return mp.diff(function, at, order, h=mp.mpf(10) ** -25) if order else function(at)


def _close(found: float, expected: Any, scale: float) -> None:
    """To 1e-10, relative to the value or to what the derivative of this order is nearby."""
    assert abs(found - float(expected)) <= 1e-10 * max(abs(float(expected)), scale)


def _gammainc(x: float) -> Any:
    return lambda a: mp.gammainc(a, 0, x, regularized=True)


def _betainc_by(a: float, b: float, x: float, first: int, second: int) -> Any:
    inner = lambda p: _slope(lambda q: _betainc(p, q, x), mp.mpf(b), second)  # noqa: E731
    return _slope(inner, mp.mpf(a), first)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("a", GAMMA_SHAPES)
def test_gammainc_by_its_shape(a: float, order: int) -> None:
    for q in (1e-3, 0.3, 0.95, 1.0, 1.05, 2.0, 8.0):
        x = q * max(a, 0.5) if a < 100 else a + (q - 1) * 4 * a**0.5
        with mp.workdps(DIGITS):
            expected = _slope(_gammainc(x), mp.mpf(a), order)
            density = float(mp.exp((a - 1) * mp.log(x) - x - mp.loggamma(a)))
        nearby = density * max(a, 1.0) ** ((1 - order) / 2)
        _close(_value("dgammainc", a, x, order=order), expected, nearby)


@pytest.mark.parametrize("orders", [(1, 0), (0, 1), (1, 1), (2, 0), (0, 2)])
@pytest.mark.parametrize("a", BETA_SHAPES)
def test_betainc_by_its_shapes(a: float, orders: tuple[int, int]) -> None:
    first, second = orders
    for b, share in itertools.product(BETA_SHAPES, (0.1, 0.6, 0.999, 1.001, 1.3)):
        x = share * a / (a + b)
        if x >= 1:
            continue
        with mp.workdps(DIGITS):
            expected = _betainc_by(a, b, x, first, second)
            mass = float(min(_betainc(a, b, x), 1 - _betainc(a, b, x)))
        nearby = mass / max(a, b, 1.0) ** (first + second)
        _close(_value("dbetainc", a, b, x, first=first, second=second), expected, nearby)


@functools.cache  # the differences of several orders share points
def _betainc(a: Any, b: Any, x: float) -> Any:
    return mp.betainc(a, b, 0, x, regularized=True)


@pytest.mark.parametrize(
    ("name", "edges"),
    [("dgammainc", [(2.0, 0.0), (2.0, np.inf)]), ("dbetainc", [(2.0, 3.0, 0.0), (2.0, 3.0, 1.0)])],
)
def test_on_the_edge_nothing_changes_and_outside_is_no_number(name: str, edges: Any) -> None:
    orders = {"order": 1} if name == "dgammainc" else {"first": 1, "second": 0}
    for at in edges:
        assert _value(name, *at, **orders) == 0.0
    outside = (-1.0, *edges[0][1:])
    assert np.isnan(_value(name, *outside, **orders))
    assert np.isnan(_value(name, *edges[0][:-1], -0.5, **orders))
