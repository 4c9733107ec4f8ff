"""Power series of Python functions: along lines and curves, through control flow, nested."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import wengert as wg
from corpus.oracle import cauchy_coefficients
from wengert.errors import ShapeError
from wengert.transforms.jets import jets_along
from wengert.transforms.recording import record

RNG = np.random.default_rng(5)
W = RNG.normal(size=(3, 3))
X = np.array([0.4, -0.7, 1.1])
D = np.array([0.3, 0.8, -0.5])
ORDER = 4


def repeated(f: Callable[[Any], Any], x: Any, d: Any, order: int) -> Any:
    """The coefficients by differentiating t ↦ f(x + td) again and again."""
    return np.stack([np.asarray(row) for row in _rows(f, x, d, order)])


def _rows(f: Callable[[Any], Any], x: Any, d: Any, order: int) -> Iterator[Any]:
    h: Any = lambda t: f(x + t * d)  # noqa: E731
    for k in range(order + 1):
        yield h(0.0) / math.factorial(k)
        h = _derived(h)


def _derived(h: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda t: wg.jvp(h, (t,), (1.0,))[1]


def _spd(x: Any) -> Any:
    return np.outer(x, x) + np.diag([1.0, 2.0, 4.0])


_opaque_exp = wg.custom_derivative(np.exp, jvp=lambda p, t: np.exp(p[0]) * t[0])
_root = wg.implicit(np.sqrt, lambda x, a: x * x - a)

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda x: W @ x,
    "quadratic": lambda x: x @ W @ x,
    "cubic": lambda x: (x @ W @ x) * np.sum(x),
    "network": lambda x: W @ np.tanh(W @ x),
    "softmax": lambda x: np.exp(x) / np.sum(np.exp(x)),
    "elementwise": lambda x: np.sqrt(1 + x * x) + np.arctan(x) * (2 + np.sin(x)) ** -1.5,
    "inverse": lambda x: np.linalg.inv(_spd(x)),
    "solve": lambda x: np.linalg.solve(_spd(x), x),
    "cholesky": lambda x: np.linalg.cholesky(_spd(x)),
    "eigenvectors": lambda x: np.linalg.eigh(_spd(x))[1],
    "log-determinant": lambda x: np.linalg.slogdet(_spd(x))[1],
    "norm": np.linalg.norm,
    "product": lambda x: np.prod(x) * x,
    "indices": lambda x: np.sort(x)[::-1] * x[np.array([0, 2, 2])],
    "choice": lambda x: np.where(x > 0, x**3, np.exp(x)),
    "maximum": lambda x: np.maximum(x, 0.2) * np.max(x) * np.abs(x),
    "cumulative": lambda x: np.cumsum(x) ** 2,
    "scan": lambda x: wg.scan(lambda c, y: (np.sin(c) * y + c, c * y), x[0], x)[1],
    "final carry": lambda x: wg.scan(lambda c, y: (np.sin(c) * y + c, c), 1.0, x)[0],
    "fori": lambda x: wg.fori_loop(0, 3, lambda i, c: np.sin(c) * x, x),
    "while": lambda x: wg.while_loop(
        lambda c: np.sum(c * c) < 50.0, lambda c: 1.5 * c + np.sin(c), x, max_steps=20
    ),
    "cond": lambda x: wg.cond(x[0] > 0, np.exp, lambda x: x * x[0], x),
    "gradient": wg.grad(lambda x: np.sum(np.tanh(W @ x) ** 2)),
    "hessian": wg.hessian(lambda x: np.sum(np.tanh(W @ x) ** 2)),
    "jet": lambda x: wg.jet(lambda y: np.tanh(W @ y), x, x, order=3),
    "custom": lambda x: _opaque_exp(x) * x,
    "implicit": lambda x: _root(x[0] * x[0] + 1),
}
functions = pytest.mark.parametrize("name", FUNCTIONS)


def _close(got: Any, expected: Any, tolerance: float = 1e-11) -> None:
    assert np.shape(got) == np.shape(expected)
    size = max(1.0, float(np.max(np.abs(expected))))
    assert np.max(np.abs(got - expected)) <= tolerance * size


@functions
def test_along_a_line(name: str) -> None:
    f = FUNCTIONS[name]
    _close(wg.jet(f, X, D, order=ORDER), repeated(f, X, D, ORDER))


@functions
def test_along_a_curve(name: str) -> None:
    """The curve of t² is that of t with every other coefficient."""
    f = FUNCTIONS[name]
    got = wg.jet(f, X, curve=[0 * D, D], order=2 * ORDER)
    _close(got[::2], wg.jet(f, X, D, order=ORDER))
    assert not np.any(got[1::2])


@functions
def test_many_directions_in_one_sweep(name: str) -> None:
    f = FUNCTIONS[name]
    recorded = record(f, (X,), {}, 0)
    (got,) = jets_along(recorded, (np.stack([D, 0 * D, 2 * D]),), ORDER)
    one = wg.jet(f, X, D, order=ORDER)
    powers = (2.0 ** np.arange(ORDER + 1)).reshape(-1, *[1] * (one.ndim - 1))
    _close(got[:, 0], one)
    _close(got[0, 1], one[0])
    assert not np.any(got[1:, 1])
    _close(got[:, 2], one * powers)


@functions
def test_compiled_and_batched(name: str) -> None:
    f = FUNCTIONS[name]
    along = lambda x: wg.jet(f, x, D, order=ORDER)  # noqa: E731
    _close(wg.compile(along)(X), along(X))
    points = np.stack([X, 0.9 * X])
    _close(wg.vmap(along)(points), np.stack([along(x) for x in points]))


@functions
def test_derivatives_of_series(name: str) -> None:
    """The gradient of a sum of coefficients, against that of repeated differentiation."""
    f, order = FUNCTIONS[name], 2
    weigh = lambda rows: sum((k + 1.0) * np.sum(r * r) for k, r in enumerate(rows))  # noqa: E731
    got = wg.grad(lambda x: weigh(wg.jet(f, x, D, order=order)))(X)
    _close(got, wg.grad(lambda x: weigh(list(_rows(f, x, D, order))))(X), 1e-10)


def test_derivative_by_the_direction() -> None:
    f = FUNCTIONS["network"]
    got = wg.jacobian(lambda d: wg.jet(f, X, d, order=3)[3])(D)
    step = 1e-5
    columns = [
        (wg.jet(f, X, D + step * e, order=3)[3] - wg.jet(f, X, D - step * e, order=3)[3])
        / (2 * step)
        for e in np.eye(3)
    ]
    _close(got, np.stack(columns, axis=1), 1e-8)


def test_python_branches_are_those_at_the_point() -> None:
    f = lambda x: np.exp(x) if x[0] > 0 else np.sin(x)  # noqa: E731
    _close(wg.jet(f, X, D, order=3), wg.jet(np.exp, X, D, order=3))
    _close(wg.jet(f, -X, D, order=3), wg.jet(np.sin, -X, D, order=3))


def test_trees_and_standing_leaves() -> None:
    f = lambda p: {"y": np.exp(p["a"]) * p["b"], "z": p["b"]}  # noqa: E731
    x = {"a": 0.3, "b": np.ones(2)}
    got = wg.jet(f, x, {"a": 1.0, "b": np.zeros(2)}, order=2)
    _close(got["y"], np.exp(0.3) * np.array([[1.0, 1.0], [1.0, 1.0], [0.5, 0.5]]))
    _close(got["z"], np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]))
    recorded = record(f, (x,), {}, 0)
    y, z = jets_along(recorded, (np.ones(4), np.zeros((4, 2))), 2)
    _close(y, np.repeat(got["y"][:, None], 4, axis=1))
    assert not np.any(z[1:])


def test_curves_that_stand_still() -> None:
    for still in (wg.jet(np.exp, X, 0 * D, order=2), wg.jet(np.exp, X, curve=[], order=2)):
        _close(still, np.stack([np.exp(X), 0 * X, 0 * X]))


@pytest.mark.parametrize("order", [0, 1])
def test_low_orders(order: int) -> None:
    f = FUNCTIONS["network"]
    _close(wg.jet(f, X, D, order=order), repeated(f, X, D, order))


def test_float32() -> None:
    f = lambda x: np.tanh(x @ W.astype(np.float32)) * np.exp(x)  # noqa: E731
    got = wg.jet(f, X.astype(np.float32), D.astype(np.float32), order=6)
    assert got.dtype == np.float32
    expected = wg.jet(lambda x: np.tanh(x @ W) * np.exp(x), X, D, order=6)
    _close(got, expected, 1e-5)


def test_large_arrays_in_blocks() -> None:
    x = np.linspace(-1, 1, 10_001)
    got = wg.jet(np.tanh, x, np.ones_like(x), order=5)
    some = np.array([0, 4095, 4096, 8191, 8192, 10_000])
    _close(got[:, some], wg.jet(np.tanh, x[some], np.ones(6), order=5), 1e-15)
    assert wg.jet(np.tanh, np.zeros(0), np.zeros(0), order=2).shape == (3, 0)


@pytest.mark.parametrize(
    ("f", "exact", "tolerance"),
    [
        (lambda x: np.exp(np.sin(x)), lambda x: mp.exp(mp.sin(x)), 1e-12),
        (lambda x: 1 / (1 + x * x), lambda x: 1 / (1 + x * x), 1e-12),
        (np.log1p, mp.log1p, 1e-13),
        (np.tanh, mp.tanh, 1e-12),
        (np.sqrt, mp.sqrt, 1e-13),
    ],
    ids=["exp sin", "reciprocal", "log1p", "tanh", "sqrt"],
)
def test_order_100_of_analytic_functions(f: Any, exact: Any, tolerance: float) -> None:
    got = wg.jet(f, 0.3, 1.0, order=100)
    expected = cauchy_coefficients(exact, 0.3, 100, radius=0.25, count=512, digits=150)
    assert np.max(np.abs(got / expected - 1)) < tolerance


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="either a direction or curve"):
        wg.jet(np.exp, 1.0)
    with pytest.raises(TypeError, match="either a direction or curve"):
        wg.jet(np.exp, 1.0, 1.0, curve=[1.0])
    with pytest.raises(ShapeError, match="coefficient of the curve"):
        wg.jet(np.exp, X, curve=[D, D[:2]])
    with pytest.raises(ValueError, match="order"):
        wg.jet(np.exp, 1.0, 1.0, order=-1)
