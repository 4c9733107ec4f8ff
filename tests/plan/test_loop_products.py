"""Products around loops, and values that loops keep: fewer products inside, the same results."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest

from wengert.backends import compile_plan
from wengert.derive.linearize import pullback
from wengert.expr import Expr
from wengert.operations import add, elementwise, matmul, mul, ones, sum_, variable
from wengert.operations.control import scan
from wengert.plan import Plan, make_plan, remembered, stacked_products
from wengert.plan.instructions import Apply, Input, Loop, Pair

RNG = np.random.default_rng(3)
N, M, STEPS, ROWS = 12, 9, 7, 5


def network(rows: int | None) -> tuple[list[Expr], dict[str, Any]]:
    """Loss of a recurrent network, its gradients, and values; of single items or of rows."""
    lead = () if rows is None else (rows,)
    shape = (N, M) if rows is None else (M, N)
    W, U = variable("W", (N, N)), variable("U", shape)
    h, u = variable("h", (*lead, N)), variable("u", (STEPS, *lead, M))

    def times(A: Expr, x: Expr) -> Expr:
        return matmul(A, x) if rows is None else matmul(x, A)

    def step(c: list[Expr], i: list[Expr]) -> tuple[list[Expr], list[Expr]]:
        new = elementwise("tanh", add([times(W, c[0]), times(U, i[0])]))
        return [new], [mul(new, new)]

    (last,), (ys,) = scan(step, [h], [u])
    loss = add([sum_(last), sum_(ys)])
    gradients = pullback([loss], [ones(())], [W, U, h, u])
    values = {
        "W": 0.3 * RNG.normal(size=(N, N)),
        "U": RNG.normal(size=shape),
        "h": RNG.normal(size=(*lead, N)),
        "u": RNG.normal(size=(STEPS, *lead, M)),
    }
    return [loss, *(g for g in gradients if g is not None)], values


def inside(plan: Plan, kind: type) -> list[Any]:
    """The instructions of a kind in the programs of loops."""
    loops = [i for i in plan.instructions if isinstance(i, Loop)]
    return [j for i in loops for j in i.body.plan.instructions if isinstance(j, kind)]


def products(plan: Plan) -> int:
    """Products of matrices in the programs of loops."""
    return sum(i.volume > max(prod(i.shape), 50) for i in inside(plan, Pair))


@pytest.mark.parametrize("rows", [None, 1, ROWS])
def test_one_product_a_step_is_left_in_each_direction(rows: int | None) -> None:
    roots, values = network(rows)
    plan = make_plan(roots, {})
    changed = stacked_products(remembered(plan))
    assert products(plan) >= 6
    assert products(changed) == 2
    read = {s for i in changed.instructions for s in i.sources} | set(changed.outputs)
    assert {i.target for i in changed.instructions if not isinstance(i, Input)} <= read
    tanhs = [i for i in inside(changed, Apply) if i.node.name == "tanh"]
    assert len(tanhs) == 1
    expected = compile_plan(plan, np.dtype(float))(values)
    found = compile_plan(changed, np.dtype(float))(values)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-12)


def test_plans_without_such_products_are_left_alone() -> None:
    x, u = variable("x", (3,)), variable("u", (4, 3))
    (last,), _ = scan(lambda c, i: ([mul(c[0], i[0])], []), [x], [u])
    for plan in (make_plan([last], {}), make_plan([mul(x, x)], {})):
        assert stacked_products(plan) is plan
        assert remembered(plan) is plan
