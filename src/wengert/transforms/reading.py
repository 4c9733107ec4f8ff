"""A Python function as one expression of named variables."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from wengert.errors import TracingError
from wengert.expr import Expr, rebuild
from wengert.operations import int_array, variable
from wengert.operations.rebuild import with_operands
from wengert.tracing import Trace, TracedArray, new_trace
from wengert.transforms.evaluation import evaluate_known
from wengert.transforms.recording import describe, output_of


@dataclass(frozen=True)
class Traced:
    """What a traced expression came from.

    Attributes
    ----------
    function : callable
        The Python function.
    arguments : tuple
        What it was run on, flattened.
    names : tuple of (str or None)
        The variables' names, None for what is no variable.
    structure : optree.PyTreeSpec
        How the arguments were nested.
    captured : mapping of str to array
        The arrays that it captured, by variable.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    names: tuple[str | None, ...]
    structure: Any
    captured: Mapping[str, Any]

    def call(self, arrays: Mapping[str, Any]) -> Any:
        """The function's own value (captured arrays stay as they are)."""
        flat = [
            a if name is None else arrays[name]
            for a, name in zip(self.arguments, self.names, strict=True)
        ]
        return self.function(*optree.tree_unflatten(self.structure, flat))


def trace_function(f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Expr, list[Expr], Traced]:
    """The expression, its variables, and what it came from."""
    flat, structure = optree.tree_flatten(args)
    real = [_is_real(a) for a in flat]
    names = _names(f, args, real)
    with new_trace(evaluate_known) as run:
        leaves = [
            run.leaf(np.shape(a), "real", a) if r else None for a, r in zip(flat, real, strict=True)
        ]
        given = [
            a if leaf is None else TracedArray(leaf, run, np.asarray(a).dtype)
            for a, leaf in zip(flat, leaves, strict=True)
        ]
        outputs, _ = optree.tree_flatten(f(*optree.tree_unflatten(structure, given)))
        if len(outputs) != 1:
            raise TracingError(
                f"trace: {describe(f)} gives {len(outputs)} arrays; an expression is one array"
            )
        expr, _ = output_of(run, outputs[0], f)
    named = {
        leaf: variable(name, leaf.shape)
        for leaf, name in zip(leaves, names, strict=True)
        if leaf is not None and name is not None
    }
    literals, captured, outside = _captured(run, {n for n in names if n})
    expr = rebuild(expr, with_operands, {**named, **literals, **outside})
    variables = [*named.values(), *outside.values()]
    return expr, variables, Traced(f, tuple(flat), tuple(names), structure, captured)


def _is_real(value: Any) -> bool:
    if isinstance(value, bool | int):
        return False
    return isinstance(value, float) or (
        isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f"
    )


def _captured(
    run: Trace, taken: set[str]
) -> tuple[dict[Expr, Expr], dict[str, Any], dict[Expr, Expr]]:
    """Indices and masks as literals; real arrays as variables with their values."""
    literals: dict[Expr, Expr] = {}
    values: dict[str, Any] = {}
    outside: dict[Expr, Expr] = {}
    for _, leaf in run.captured.values():
        if leaf.dtype != "real":
            literals[leaf] = int_array(run.values[leaf])
            continue
        name = _free("c", taken, len(values))
        taken.add(name)
        values[name] = run.values[leaf]
        outside[leaf] = variable(name, leaf.shape)
    return literals, values, outside


def _free(stem: str, taken: set[str], number: int) -> str:
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"


def _names(f: Callable[..., Any], args: tuple[Any, ...], real: list[bool]) -> list[str | None]:
    """Parameter names; for what is inside a parameter, its key, made unique where needed."""
    try:
        parameters = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        parameters = []
    found: list[str | None] = []
    for path, is_real in zip(optree.tree_paths(args), real, strict=True):
        if not is_real:
            found.append(None)
            continue
        k, *inner = path
        head = parameters[k] if k < len(parameters) else f"x{k}"
        keys = [str(p) for p in inner]
        short = keys[-1] if keys and keys[-1].isidentifier() else "_".join([head, *keys])
        long = "_".join([head, *keys])
        name = short if short not in found else long
        found.append(name if name.isidentifier() else _free("x", {n for n in found if n}, k))
    return found
