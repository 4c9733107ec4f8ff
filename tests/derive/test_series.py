"""Power series along curves: of every declared operation against repeated differentiation, of
functions of one variable against mpmath."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import wengert as wg
from corpus.oracle import cauchy_coefficients
from operations.support import (
    BATCHED,
    GENERAL,
    SMALL,
    Call,
    by_id,
    calls,
    differentiable,
    rng_for,
    small_shapes,
)
from wengert.backends import compile_plan
from wengert.derive.series import directional_terms, series_along, series_of_curves
from wengert.errors import MissingRuleError, ShapeError
from wengert.expr import Expr, make, rebuild, topological
from wengert.operations import add, contract, scale, stack, variable
from wengert.operations.coefficients import entries_product
from wengert.operations.rebuild import with_operands
from wengert.plan import make_plan
from wengert.primitive import ByCoefficient, registry
from wengert.rewrite import lower

# ------------------------------------------------------------------ the oracle


def run(roots: list[Expr], values: Mapping[str, Any], dtype: Any = np.float64) -> list[Any]:
    """The values of expressions, as they are."""
    given = {k: np.asarray(v) for k, v in values.items()}
    arrays = {k: v if v.dtype.kind in "ib" else v.astype(dtype) for k, v in given.items()}
    return _program(tuple(roots), np.dtype(dtype))(arrays)


@lru_cache(maxsize=4)  # the same expressions at other values
def _program(roots: tuple[Expr, ...], dtype: Any) -> Any:
    return compile_plan(make_plan([lower(r) for r in roots], {}), dtype)


def repeated(node: Expr, curves: Mapping[Expr, list[Expr]], order: int) -> list[Expr]:
    """The coefficients at t = 0 of the node on x + x₁ t + x₂ t² + ..., derived ``order`` times."""
    if all(len(parts) == 1 for parts in curves.values()):
        return directional_terms(node, {x: parts[0] for x, parts in curves.items()}, order)
    t, one = variable("t", ()), variable("one", ())
    memo = {
        x: add([x, *(_times_power(part, t, k) for k, part in enumerate(parts, 1))])
        for x, parts in curves.items()
    }
    return directional_terms(rebuild(node, with_operands, memo), {t: one}, order)


def _times_power(part: Expr, t: Expr, k: int) -> Expr:
    axes = tuple(range(part.ndim))
    return contract([part, *[t] * k], [axes, *[()] * k], axes)


def check_series(
    node: Expr,
    leaves: list[Expr],
    values: Mapping[str, Any],
    order: int,
    *,
    degree: int = 1,
    moves: Mapping[Expr, Any] | None = None,
    tolerance: float = 1e-9,
) -> None:
    """A node's series along a line, or a curve, against repeated differentiation.

    Two curves at once, of which one stands still, must give the same and zeros.
    """
    rng = np.random.default_rng(3)
    curves: dict[Expr, list[Expr]] = {}
    given: dict[str, Any] = {**values, "t": 0.0, "one": 1.0}
    for x in leaves:
        curves[x] = [variable(f"{x.param('name')}.{k}", x.shape) for k in range(degree)]
        for part in curves[x]:
            drawn = 0.3 * rng.standard_normal(x.shape)
            given[part.param("name")] = (moves or {}).get(x, lambda d: d)(drawn)
    tails = {x: stack(parts) for x, parts in curves.items()}
    (found,) = series_of_curves([node], tails, order)
    (got,) = run([found], given)
    expected = np.stack(run(repeated(node, curves, order), given))
    assert got.shape == (order + 1, *node.shape) == expected.shape
    _assert_each_close(got, expected, tolerance)
    doubled = {
        x: stack([stack([part, scale(0, part)]) for part in parts]) for x, parts in curves.items()
    }
    (both,) = run(series_of_curves([node], doubled, order), given)
    _assert_each_close(both[:, 0], expected, tolerance)
    assert not np.any(both[1:, 1])


def _assert_each_close(got: Any, expected: Any, tolerance: float) -> None:
    """Every coefficient relative to its own largest entry."""
    for k, (own, other) in enumerate(zip(got, expected, strict=True)):
        size = np.max(np.abs(other), initial=1e-6)
        assert np.max(np.abs(own - other), initial=0.0) <= tolerance * size, (
            f"coefficient {k}\n{own}\nexpected\n{other}"
        )


# ------------------------------------------------------------------ every operation

MOVING = [c for c in SMALL if differentiable(c) and c.leaves()]
FIRST = list({c.primitive: c for c in reversed(MOVING)}.values())


@by_id(MOVING)
def test_series_along_a_line(call: Call) -> None:
    order = 6 if call in FIRST else 3
    check_series(
        call.node(), call.leaves(), call.draw(rng_for(call)), order, moves=call.projections()
    )


@by_id(FIRST)
def test_series_along_a_curve(call: Call) -> None:
    check_series(
        call.node(),
        call.leaves(),
        call.draw(rng_for(call)),
        3,
        degree=2,
        moves=call.projections(),
    )


@by_id([c for c in BATCHED if differentiable(c) and not c.primitive.elementwise])
def test_series_of_batches(call: Call) -> None:
    try:
        node = call.node()
    except ShapeError:
        pytest.skip("takes no batches")
    check_series(node, call.leaves(), call.draw(rng_for(call)), 3, moves=call.projections())


@by_id([c for c in FIRST if len(c.leaves()) > 1])
def test_series_in_one_operand(call: Call) -> None:
    """The other operands stand still."""
    for leaf in call.leaves():
        check_series(call.node(), [leaf], call.draw(rng_for(call)), 3, moves=call.projections())


@by_id(FIRST)
def test_cost_is_polynomial(call: Call) -> None:
    """Twice the order, at most eight times the expressions and some: no rule multiplies itself."""
    directions = {x: variable(f"d{k}", x.shape) for k, x in enumerate(call.leaves())}
    counts = [len(topological(*series_along([call.node()], directions, order))) for order in (4, 8)]
    assert counts[1] <= 9 * counts[0]


@by_id([c for c in FIRST if all(d == "real" for d in c.dtypes)])
def test_float32_stays_float32(call: Call) -> None:
    directions = {x: variable(f"d{k}", x.shape) for k, x in enumerate(call.leaves())}
    values = call.draw(rng_for(call))
    moves = call.projections()
    for k, x in enumerate(call.leaves()):
        values[f"d{k}"] = moves.get(x, lambda d: d)(np.full(x.shape, 0.1))
    roots = series_along([call.node()], directions, 3)
    (single,) = run(roots, values, np.float32)
    (double,) = run(roots, values)
    assert single.dtype == np.float32
    assert np.max(np.abs(single - double), initial=0.0) <= 1e-3 * np.max(
        np.abs(double), initial=1e-3
    )


# ------------------------------------------------------------------ ends of domains

POINTS = (0.0, 1.0, -1.0)


def _at_special_points() -> list[tuple[Call, float]]:
    found = []
    for primitive in GENERAL:
        if any(d.matrix or d.dtype != "real" for d in primitive.domains):
            continue
        for call in calls(primitive, small_shapes(primitive)[-1:]):
            if differentiable(call) and call.leaves() and np.prod(call.leaves()[0].shape):
                points = dict.fromkeys((*primitive.domains[0].boundary, *POINTS))
                found += [(call, point) for point in points]
    return found


@pytest.mark.parametrize(
    ("call", "point"), [pytest.param(c, p, id=f"{c.id}-{p}") for c, p in _at_special_points()]
)
def test_special_points(call: Call, point: float) -> None:
    """What is finite is right; where a derivative is infinite or undefined no number is made up."""
    values = call.draw(rng_for(call))
    leaf = call.leaves()[0]
    array = np.array(values[leaf.param("name")], dtype=float)
    array[(0,) * array.ndim] = point
    values = {**values, leaf.param("name"): array, "d": np.full(leaf.shape, 0.5)}
    directions = {leaf: variable("d", leaf.shape)}
    with np.errstate(all="ignore"):
        expected = np.stack(run(directional_terms(call.node(), directions, 4), values))
        (got,) = run(series_along([call.node()], directions, 4), values)
    both = np.isfinite(expected) & np.isfinite(got)
    size = np.max(np.abs(expected[both]), initial=1e-6)
    assert np.all(np.abs(got[both] - expected[both]) <= 1e-7 * size)
    assert not np.any(np.isfinite(got) & ~np.isfinite(expected) & (got != 0) & (abs(point) < 1e100))
    assert np.all(np.isfinite(got[np.isfinite(expected)]))


# ------------------------------------------------------------------ against mpmath

FUNCTIONS: dict[str, tuple[Any, Any, float]] = {
    "exp": (np.exp, mp.exp, 0.3),
    "exp sin": (lambda x: np.exp(np.sin(x)), lambda x: mp.exp(mp.sin(x)), 0.3),
    "reciprocal": (lambda x: 1 / (1 + x * x), lambda x: 1 / (1 + x * x), 0.3),
    "log": (np.log, mp.log, 0.7),
    "log1p": (np.log1p, mp.log1p, 0.3),
    "sin": (np.sin, mp.sin, 0.3),
    "tan": (np.tan, mp.tan, 0.3),
    "tanh": (np.tanh, mp.tanh, 0.3),
    "sqrt": (np.sqrt, mp.sqrt, 0.3),
    "power": (lambda x: x**-2.5, lambda x: x**-2.5, 0.7),
    "whole power": (lambda x: x**7, lambda x: x**7, 0.7),
    "arcsin": (np.arcsin, mp.asin, 0.3),
    "arctan": (np.arctan, mp.atan, 0.3),
    "sinh": (np.sinh, mp.sinh, 0.3),
    "arcsinh": (np.arcsinh, mp.asinh, 0.3),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x: 1 / (1 + mp.exp(-x)), 0.3),
    "cube root": (np.cbrt, mp.cbrt, 0.7),
    "product": (lambda x: x * np.exp(-x), lambda x: x * mp.exp(-x), 0.3),
}


def mpmath_series(f: Any, x: float, order: int) -> Any:
    """The coefficients, rounded once."""
    with mp.workdps(60 + 2 * order):
        return np.array([float(c) for c in mp.taylor(f, mp.mpf(x), order)])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_order_16_against_mpmath(name: str) -> None:
    f, exact, x = FUNCTIONS[name]
    got = wg.jet(f, x, 1.0, order=16)
    np.testing.assert_allclose(got, mpmath_series(exact, x, 16), rtol=2e-13, atol=1e-300)


@pytest.mark.parametrize("name", ["erf", "gammaln", "j0", "expi", "polygamma"])
def test_special_functions_against_mpmath(name: str) -> None:
    from scipy import special

    f, exact, x = {
        "erf": (special.erf, mp.erf, 0.3),
        "gammaln": (special.gammaln, mp.loggamma, 2.3),
        "j0": (special.j0, lambda x: mp.besselj(0, x), 1.3),
        "expi": (special.expi, mp.ei, 1.3),
        "polygamma": (lambda x: special.polygamma(1, x), lambda x: mp.polygamma(1, x), 2.3),
    }[name]
    got = wg.jet(f, x, 1.0, order=12)
    expected = cauchy_coefficients(exact, x, 12, radius=1.0, count=256, digits=40)
    np.testing.assert_allclose(got, expected, rtol=1e-11)


# ------------------------------------------------------------------ what is refused


def _wrong(node: Expr, k: int, of: Any, own: Any) -> Expr | None:
    """exp with the weights of the derivative forgotten."""
    x = node.operands[0]
    terms = [
        entries_product(xj, before, x.ndim, Fraction(1, k))
        for j in range(1, k + 1)
        if (xj := of(x, j)) is not None and (before := of(node, k - j)) is not None
    ]
    return add(terms)


def test_the_check_finds_a_wrong_rule() -> None:
    wrong = replace(registry["exp"], series=ByCoefficient(_wrong))
    x = variable("x", (2,))
    node = make(wrong, (x,), (), x.shape)
    values = {"x": np.array([0.3, -0.7])}
    check_series(node, [x], values, 4)  # on a line x has one coefficient: the weight is 1
    with pytest.raises(AssertionError, match="coefficient 2"):
        check_series(node, [x], values, 4, degree=2)


@pytest.mark.parametrize("call", [c for c in SMALL if c.undefined], ids=lambda c: c.id)
def test_undefined_derivatives_are_errors(call: Call) -> None:
    for k in call.undefined:
        leaf = call.node().operands[k]
        with pytest.raises(MissingRuleError, match=call.primitive.name):
            series_along([call.node()], {leaf: variable("d", leaf.shape)}, 2)


def test_order_0_and_constants() -> None:
    x, d = variable("x", (2,)), variable("d", (2,))
    values = {"x": np.array([1.0, 2.0]), "d": np.ones(2)}
    (got,) = run(series_along([registry_exp(x)], {x: d}, 0), values)
    np.testing.assert_array_equal(got, np.exp([[1.0, 2.0]]))
    (got,) = run(series_along([variable("y", (2,))], {x: d}, 2), {**values, "y": np.ones(2)})
    np.testing.assert_array_equal(got, [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])


def registry_exp(x: Expr) -> Expr:
    return make(registry["exp"], (x,), (), x.shape)


def test_straight_lines_do_not_grow_zeros() -> None:
    """A linear map of a line has one coefficient, a product of two lines has two."""
    A, x, d = variable("A", (3, 3)), variable("x", (3,)), variable("d", (3,))
    linear = contract([A, x], [(0, 1), (1,)], (0,))
    square = contract([A, x, x], [(0, 1), (0,), (1,)], ())
    count = lambda root, order: len(topological(*series_along([root], {x: d}, order)))  # noqa: E731
    assert count(linear, 4) == count(linear, 8)
    assert count(square, 4) == count(square, 8)
    assert math.isclose(count(linear, 4), count(linear, 40))
