"""Values of single nodes while tracing."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

import numpy as np

from wengert.backends import Program, common_dtype, compile_plan
from wengert.expr import Expr, Params, make, topological
from wengert.operations import variable
from wengert.plan import make_plan
from wengert.primitive import Kind, Primitive
from wengert.shapes import Shape

_CACHED = 1024  # programs that are kept


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
