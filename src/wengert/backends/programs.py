"""Programs of expressions, compiled once and kept, and their arrays at given values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from wengert.backends.cores import threads_named
from wengert.backends.engines import Program, compile_with, engine_named
from wengert.expr import Expr
from wengert.plan import Plan, make_plan
from wengert.rewrite import lower_all

_CACHED = 1024  # programs that are kept


@lru_cache(maxsize=_CACHED)
def plan_of(roots: tuple[Expr, ...]) -> Plan:
    """The plan that computes expressions together."""
    return make_plan(lower_all(roots), {})


def program_of(
    roots: tuple[Expr, ...], dtype: Any, engine: str | None = None, threads: int | None = None
) -> Program:
    """The program that computes expressions together; the same ones are compiled once."""
    return _program_of(roots, dtype, engine_named(engine), threads_named(threads))


@lru_cache(maxsize=_CACHED)
def _program_of(roots: tuple[Expr, ...], dtype: Any, engine: str, threads: int) -> Program:
    return compile_with(plan_of(roots), dtype, engine, threads)


def run(roots: tuple[Expr, ...], values: Mapping[Expr, Any]) -> tuple[Any, ...]:
    """The arrays of expressions at values of their leaves (those that they depend on, at least)."""
    named = {str(leaf.params[0]): value for leaf, value in values.items()}
    dtype = common_dtype(named.values())
    return program_of(roots, dtype)(bound(named, dtype))


def common_dtype(values: Any) -> Any:
    """float32 if all real arrays are; Python's floats go along with either."""
    found = {v.dtype for v in values if not isinstance(v, float) and v.dtype.kind == "f"}
    return np.dtype(np.float32 if found == {np.dtype(np.float32)} else np.float64)


def bound(named: Mapping[str, Any], dtype: Any) -> dict[str, Any]:
    """Python's floats in the program's precision."""
    return {k: dtype.type(v) if isinstance(v, float) else v for k, v in named.items()}


def owned(array: Any, dtype: Any, values: Iterable[Any]) -> Any:
    """A result in its dtype, not an array of the user's; a number if it has no axes."""
    result = np.asarray(array).astype(dtype, copy=False)
    if result.ndim == 0:
        return result[()]
    if result.base is not None or any(result is v for v in values):
        return result.copy()
    return result
