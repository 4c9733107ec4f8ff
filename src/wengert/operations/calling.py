"""Functions from outside: what a user computes and differentiates by rules of their own."""

from __future__ import annotations

from itertools import product
from typing import Any, Protocol

import numpy as np

from wengert.expr import Expr, Params
from wengert.operations.apply import same_shape
from wengert.operations.enclosing import unchanged
from wengert.operations.written import of_values
from wengert.primitive import (
    Constant,
    Multilinear,
    Notation,
    Primitive,
    register,
)
from wengert.shapes import Shape


class External(Protocol):
    """A function from outside with its rules, as a parameter of the call."""

    @property
    def name(self) -> str:
        """How it is written."""
        ...

    @property
    def ranks(self) -> tuple[int, ...]:
        """The numbers of axes of its arguments; more in front are a batch."""
        ...

    @property
    def shape(self) -> Shape:
        """Of the result of one call."""
        ...

    def evaluate(self, *arrays: Any) -> Any:
        """One call."""
        ...

    def push(self, node: Expr, k: int, tangent: Expr) -> Expr | None:
        """The tangent of the result from that of operand k, with its extra axes in front."""
        ...

    def pull(self, node: Expr, k: int, cotangent: Expr) -> Expr | None:
        """The cotangent of operand k from that of the result."""
        ...


def _lead(external: External, operand: Expr, k: int) -> Shape:
    return operand.shape[: operand.ndim - external.ranks[k]]


def _infer(operands: tuple[Expr, ...], params: Params) -> Shape:
    (external,) = params
    lead = _lead(external, operands[0], 0) if operands else ()
    return lead + external.shape


def _evaluate(node: Expr, *arrays: Any) -> Any:
    (external,) = node.params
    lead = arrays[0].shape[: arrays[0].ndim - external.ranks[0]] if arrays else ()
    dtype = np.result_type(*arrays) if arrays else np.dtype(float)
    if not lead:
        return np.asarray(external.evaluate(*arrays), dtype).reshape(external.shape)
    result = np.empty(lead + external.shape, dtype)
    for place in product(*map(range, lead)):
        result[place] = external.evaluate(*(a[place] for a in arrays))
    return result


CALL = register(
    Primitive(
        "call",
        None,
        _infer,
        _evaluate,
        Multilinear(
            lambda node, k, tangent: node.params[0].push(node, k, tangent),
            lambda node, k, cotangent: node.params[0].pull(node, k, cotangent),
        ),
        lambda node: Notation(
            *[f"{node.params[0].name}({', '.join(f'{{{k}}}' for k in range(len(node.operands)))})"]
            * 4
        ),
        parameters=("function",),
        foreign=True,
        rule="the function's own derivative",
    )
)

STOP = register(
    Primitive(
        "stop_gradient",
        1,
        same_shape,
        lambda node, x: x,
        Constant("taken as a constant"),
        Notation(
            "stop_gradient({0})",
            "stop_gradient({0})",
            r"\operatorname{{stop\_gradient}}\left({0}\right)",
            "{0:a}",
        ),
        elementwise=True,
        written=of_values(lambda x: x),
        smooth=False,
        enclosure=unchanged,
    )
)
