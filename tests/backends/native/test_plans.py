"""Plans as native code: the same results as NumPy's, whatever the instructions and the arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from operations.support import BATCHED, ELEMENTWISE, SMALL, Call, calls, rng_for
from wengert.backends import compile_plan, compile_with
from wengert.expr import Expr
from wengert.operations import variable
from wengert.plan import Plan, make_plan
from wengert.primitive import Primitive
from wengert.rewrite import lower

ROUNDING = {"float64": 2e-14, "float32": 1e-5}  # relative to the largest entry


def plan_of(roots: Sequence[Expr]) -> Plan:
    return make_plan([lower(root) for root in roots], {})


def both(plan: Plan, values: Mapping[str, Any], dtype: Any = np.float64) -> tuple[Any, Any, Any]:
    """What NumPy and native code give, and the native program."""
    expected = compile_plan(plan, np.dtype(dtype))(values)
    program: Any = compile_with(plan, np.dtype(dtype), "native")
    return expected, program(values), program


def same(one: Any, other: Any, tolerance: float) -> bool:
    """Equal shapes and dtypes, NaN and infinities in the same places, the rest nearly equal."""
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return False
    return bool(np.allclose(one[finite], other[finite], rtol=tolerance, atol=0))


# ---------------------------------------------------------------- the registry


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(), (1,), (19,), (3, 5)])
def test_every_elementwise_operation(shape: tuple[int, ...], dtype: str):
    rng = np.random.default_rng(1)
    found = [c for p in ELEMENTWISE for c in calls(p, [shape]) if not p.samples or c.shapes[0] == shape]
    roots, values = [], {}
    for k, call in enumerate(found):
        names = [f"v{k}_{n}" for n in call.names]
        leaves = [variable(n, s, (), d) for n, s, d in zip(names, call.shapes, call.dtypes, strict=True)]
        roots.append(call.on(*leaves))
        drawn = call.draw(rng)
        values.update({n: _typed(drawn[m], dtype) for n, m in zip(names, call.names, strict=True)})
    plan = plan_of(roots)
    expected, got, _ = both(plan, values, dtype)
    wrong = [c.id for c, e, g in zip(found, expected, got, strict=True) if not same(e, g, ROUNDING[dtype])]
    assert not wrong


def _typed(value: Any, dtype: str) -> Any:
    array = np.asarray(value)
    return array.astype(dtype) if array.dtype.kind == "f" else array
