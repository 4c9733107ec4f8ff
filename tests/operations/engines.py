"""What NumPy evaluates is evaluated natively too: many expressions as one program, a bit later.

Each would take longer to compile than the test that asks for it. Differences are errors after the
last test of a file; they name the test that asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from wengert.backends import compile_plan, compile_with
from wengert.expr import Expr, rebuild, topological
from wengert.operations import variable
from wengert.operations.rebuild import with_operands
from wengert.plan import make_plan

TOGETHER = 40  # expressions of one program
MOST = 2  # different expressions of one test: random ones are as many as hypothesis likes
ROUNDING = {"float64": 1e-10, "float32": 1e-4}  # of the largest entry, derivatives included


@dataclass(frozen=True)
class _Evaluation:
    """An expression as it is lowered, its arrays, and the test."""

    root: Expr
    values: Mapping[str, Any]
    asked_by: str


@dataclass
class _Pending:
    """What is still to be evaluated natively, by precision, and what went wrong so far."""

    waiting: dict[str, list[_Evaluation]] = field(default_factory=dict[str, list[_Evaluation]])
    seen: set[Any] = field(default_factory=set[Any])
    asked: dict[str, set[Expr]] = field(default_factory=dict[str, set[Expr]])
    wrong: list[str] = field(default_factory=list[str])


_PENDING = _Pending()


def evaluate_by_both(
    root: Expr, values: Mapping[str, Any], dtype: Any, sizes: Mapping[str, int]
) -> Any:
    """NumPy's value of a lowered expression; the native one is compared with it later.

    Errors are compared at once.
    """
    dtype = np.dtype(dtype)
    plan, program = by_numpy(root, dtype, tuple(sizes.items()))
    try:
        expected = program(values)[0]
    except Exception as error:
        _same_error(plan, values, dtype, error)
        raise
    asked_by = os.environ.get("PYTEST_CURRENT_TEST", "")
    if sizes:
        found = compile_with(plan, dtype, "native")(values)
        _compare(found, [expected], dtype, [asked_by])
        return expected
    asked = _PENDING.asked.setdefault(asked_by, set())
    if root in asked or len(asked) >= MOST:
        return expected
    asked.add(root)
    key = root, dtype.name, tuple((k, v.tobytes()) for k, v in values.items())
    if key not in _PENDING.seen:
        _PENDING.seen.add(key)
        waiting = _PENDING.waiting.setdefault(dtype.name, [])
        kept = {k: v.copy() for k, v in values.items()}
        waiting.append(_Evaluation(root, kept, asked_by))
        if len(waiting) >= TOGETHER:
            _run(dtype.name)
    return expected


@lru_cache(maxsize=16)  # the same expression at other values
def by_numpy(root: Expr, dtype: Any, sizes: tuple[tuple[str, int], ...]) -> tuple[Any, Any]:
    """The plan of an expression, and NumPy's program."""
    plan = make_plan([root], dict(sizes))
    return plan, compile_plan(plan, dtype)


def run_what_waits() -> None:
    """Evaluate natively what is left.

    Raises
    ------
    AssertionError
        If anything differed so far.
    """
    for precision in list(_PENDING.waiting):
        _run(precision)
    wrong = _PENDING.wrong.copy()
    _PENDING.wrong.clear()
    _PENDING.asked.clear()
    assert not wrong, "\n\n".join(wrong)


def _run(precision: str) -> None:
    waiting = _PENDING.waiting.pop(precision)
    roots: list[Expr] = []
    values: dict[str, Any] = {}
    for k, one in enumerate(waiting):
        memo: dict[Expr, Expr] = {}
        for leaf in topological(one.root):
            if leaf.primitive.name == "variable":
                name = f"v{k}_{leaf.param('name')}"
                memo[leaf] = variable(name, leaf.shape, frozenset(), leaf.dtype)
                given = str(leaf.param("name"))
                if given in one.values:  # what a program does not need has no value
                    values[name] = one.values[given]
        roots.append(rebuild(one.root, with_operands, memo))
    dtype = np.dtype(precision)
    plan = make_plan(roots, {})  # other names may mean another order of terms: one plan for both
    found, expected = (compile_with(plan, dtype, e)(values) for e in ("native", "numpy"))
    _compare(found, expected, dtype, [w.asked_by for w in waiting])


def _compare(found: Any, expected: Any, dtype: Any, asked_by: list[str]) -> None:
    _PENDING.wrong += [
        f"{name}: native code gives\n{got}\nand NumPy\n{one}"
        for got, one, name in zip(found, expected, asked_by, strict=True)
        if not agree(np.asarray(one), np.asarray(got), ROUNDING[dtype.name])
    ]


def agree(expected: Any, found: Any, tolerance: float) -> bool:
    """Equal shapes and dtypes, NaN and infinities in the same places, the rest nearly equal."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if expected.dtype.kind != "f":
        return bool(np.array_equal(found, expected))
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], found[~finite], equal_nan=True):
        return False
    scale = np.abs(expected[finite]).max(initial=0.0)
    within = tolerance * scale + 0.01 * tolerance  # sums that cancel
    return bool(np.all(np.abs(found[finite] - expected[finite]) <= within))


def _same_error(plan: Any, values: Mapping[str, Any], dtype: Any, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        compile_with(plan, dtype, "native")(values)
    assert str(raised.value) == str(error)
