"""Collapsed derivatives of every declared operation, against repeated differentiation."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import wengert as wg
from derive.test_series import FIRST, MOVING, run
from operations.support import Call, by_id, rng_for
from wengert.derive import collapsed, contracted, deltas, derivative, highest, representatives
from wengert.derive.series import directional_terms
from wengert.expr import Expr
from wengert.operations import variable, zeros


def symmetric_part(tensor: Any, leaf: Expr, order: int) -> Any:
    """The mean over the orders of the last arguments."""
    lead, n = tensor.ndim - leaf.ndim * order, leaf.ndim
    groups = [tuple(range(lead + j * n, lead + j * n + n)) for j in range(order)]
    turned = [
        np.transpose(tensor, (*range(lead), *itertools.chain(*p)))
        for p in itertools.permutations(groups)
    ]
    return sum(turned) / len(turned)


def close(got: Any, expected: Any, tolerance: float = 1e-9) -> None:
    assert got.shape == expected.shape
    size = max(float(np.max(np.abs(expected), initial=0.0)), 1e-6)
    assert np.max(np.abs(got - expected), initial=0.0) <= tolerance * size


@by_id(MOVING)
def test_weighted_sums_along_directions(call: Call) -> None:
    """Three directions of weights 1, −2 and 0."""
    node, leaves, rng = call.node(), call.leaves(), rng_for(call)
    moves = call.projections()
    values = call.draw(rng)
    several = {x: variable(f"{x.param('name')}.all", (3, *x.shape)) for x in leaves}
    one = {x: variable(f"{x.param('name')}.one", x.shape) for x in leaves}
    weights = variable("weights", (3,))
    drawn = {
        x: np.array([moves.get(x, lambda d: d)(0.3 * rng.normal(size=x.shape)) for _ in range(3)])
        for x in leaves
    }
    own = {several[x].param("name"): d for x, d in drawn.items()}
    w = np.array([1.0, -2.0, 0.0])
    for k in (1, 2, 3) if call in FIRST else (2,):
        (expr,) = collapsed([node], several, weights, k)
        (got,) = run([expr], {**values, **own, "weights": w})
        term = directional_terms(node, one, k)[k]
        along = [
            run([term], {**values, **{one[x].param("name"): d[r] for x, d in drawn.items()}})[0]
            for r in range(3)
        ]
        close(got, math.factorial(k) * np.tensordot(w, np.array(along), 1))
        (every,) = run(highest([node], several, k), {**values, **own})
        close(every, np.array(along))


@by_id(FIRST)
def test_representatives_have_the_symmetric_part_of_the_derivative(call: Call) -> None:
    node, values = call.node(), call.draw(rng_for(call))
    for leaf in call.leaves():
        for k in (1, 2, 3):
            if node.ndim + k * leaf.ndim > 10:
                continue
            (whole,) = run([derivative(node, [leaf] * k)], values)
            (found,) = run([representatives(node, leaf, k)], values)
            close(symmetric_part(found, leaf, k), symmetric_part(whole, leaf, k))


@by_id(FIRST)
def test_contraction_with_a_whole_tensor(call: Call) -> None:
    node, rng = call.node(), rng_for(call)
    values = call.draw(rng)
    for leaf in call.leaves():
        weight = variable("weight", leaf.shape * 2)
        drawn = rng.normal(size=weight.shape)
        drawn = drawn + np.transpose(drawn, (*range(leaf.ndim, 2 * leaf.ndim), *range(leaf.ndim)))
        (whole,) = run([derivative(node, [leaf] * 2)], values)
        (got,) = run(contracted([node], leaf, weight, 2), {**values, "weight": drawn})
        close(got, np.tensordot(whole, drawn, 2 * leaf.ndim))


def test_what_does_not_depend_on_the_leaf() -> None:
    x, y = variable("x", (2,)), variable("y", (3,))
    assert collapsed([y], {x: deltas(x)}, None, 2) == [zeros((3,))]
    assert representatives(y, x, 2) == zeros((3, 2, 2))
    assert highest([y], {x: variable("d", (4, 2))}, 2) == [zeros((4, 3))]


@pytest.mark.parametrize("k", [2, 3])
def test_branches_and_loops(k: int) -> None:
    def f(x: Any) -> Any:
        x = wg.fori_loop(0, 3, lambda _, v: np.sin(v) + v[::-1] * v, x)
        x = wg.cond(np.sum(x) > 0, np.exp, lambda v: v**3, x)
        _, ys = wg.scan(lambda c, v: (c * v, c + v**2), np.sum(x), x)
        return ys

    x = np.array([0.3, -0.2, 0.7])
    whole = wg.derivative(f, order=k)(x)
    weight = symmetric_part(np.random.default_rng(0).normal(size=(3,) * k), variable("x", (3,)), k)
    got = wg.contract_derivative(f, x, k, weight)
    assert np.allclose(got, np.tensordot(whole, weight, k), rtol=1e-10)
    assert np.allclose(wg.derivative_tensor(f, x, k, method="collapsed").to_dense(), whole)
