"""Values of expressions: programs for whole results, and single nodes while tracing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

import numpy as np

from wengert.backends import compile_plan
from wengert.expr import Expr, Params, make, topological
from wengert.operations import variable
from wengert.plan import Plan, make_plan
from wengert.primitive import Kind, Primitive
from wengert.rewrite import lower
from wengert.shapes import Shape

Program = Callable[[Mapping[str, Any]], tuple[Any, ...]]

_CACHED = 1024  # programs that are kept


@lru_cache(maxsize=_CACHED)
def plan_of(roots: tuple[Expr, ...]) -> Plan:
    """The plan that computes expressions together."""
    return make_plan([lower(root) for root in roots], {})


@lru_cache(maxsize=_CACHED)
def program_of(roots: tuple[Expr, ...], dtype: Any) -> Program:
    """The program that computes expressions together; the same ones are compiled once."""
    return compile_plan(plan_of(roots), dtype)


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


# ---------------------------------------------------------------- node by node


def evaluate_known(root: Expr, values: Mapping[Expr, Any], known: MutableMapping[Expr, Any]) -> Any:
    """The array of an expression, where every node's is remembered for the next question."""
    for node in topological(root):
        if node in known:
            continue
        if node in values:
            value = values[node]
            known[node] = np.asarray(value() if callable(value) else value)
            continue
        operands = [known[o] for o in node.operands]
        known[node] = _evaluate_node(node, operands)
    return known[root]


def _evaluate_node(node: Expr, operands: list[Any]) -> Any:
    with np.errstate(all="ignore"):
        if node.primitive.kind is Kind.FUNCTION and node.operands and not _is_reshape(node):
            return node.primitive.evaluate(node, *operands)
        shapes = tuple((o.shape, o.dtype) for o in node.operands)
        dtype = common_dtype(operands)
        program = _single(node.primitive, node.params, node.shape, node.dtype, shapes, dtype)
        return program({f"·{k}": a for k, a in enumerate(operands)})[0]


def _is_reshape(node: Expr) -> bool:
    return node.primitive.merged is not None


@lru_cache(maxsize=_CACHED)
def _single(
    primitive: Primitive,
    params: Params,
    shape: Shape,
    dtype: str,
    operands: tuple[tuple[Shape, str], ...],
    precision: Any,
) -> Program:
    leaves = [variable(f"·{k}", s, dtype=d) for k, (s, d) in enumerate(operands)]
    node = make(primitive, tuple(leaves), params, shape, dtype)
    return compile_plan(make_plan([node], {}), precision)
