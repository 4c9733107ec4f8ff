"""Which instructions have native code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

from wengert.backends.native.mathematics.routines import FUNCTIONS
from wengert.backends.native.plans.moving import moves_of, moving_operands
from wengert.backends.native.plans.statements import Shape, row_major
from wengert.backends.native.plans.transfers import transfers_of
from wengert.backends.native.types import F32, F64
from wengert.backends.native.ufuncs import loop_of
from wengert.expr import Expr
from wengert.plan.instructions import (
    Apply,
    Branch,
    Combine,
    Fill,
    Input,
    Instruction,
    Item,
    Loop,
    Pair,
    Plan,
    Reshape,
    Scale,
    Single,
)

Kinds = Mapping[int, str | None]


def kinds_of(plan: Plan) -> dict[int, str | None]:
    """What each slot holds, "real", "int" or "bool"; None if that is not known or no array."""
    kinds: dict[int, str | None] = {}
    of_tuples: dict[int, list[str | None]] = {}
    for i in plan.instructions:
        if isinstance(i, Input):
            kinds[i.target] = i.dtype
        elif isinstance(i, Apply):
            kinds[i.target] = i.node.dtype
        elif isinstance(i, Reshape | Single):
            kinds[i.target] = kinds[i.source]
        elif isinstance(i, Item):
            kinds[i.target] = of_tuples[i.source][i.index]
        elif isinstance(i, Fill | Pair | Scale | Combine):
            kinds[i.target] = "real"
        else:
            kinds[i.target] = None
        if isinstance(i, Loop):
            of_tuples[i.target] = [r.dtype for r in i.results]
        elif isinstance(i, Branch):
            program = i.programs[0].plan
            inner = kinds_of(program)
            of_tuples[i.target] = [inner[o] for o in program.outputs]
    return kinds


def writer_of(node: Expr) -> Callable[..., Any] | None:
    """``write(lanes, *entries)`` of an elementwise operation, if it has such a form."""
    primitive = node.primitive
    form = primitive.written or primitive.name
    if not isinstance(form, str):
        return partial(_by_form, form, node)
    if not primitive.elementwise:
        return None
    if form in FUNCTIONS and FUNCTIONS[form].arity == len(node.operands):
        return partial(_by_routine, form)
    return _by_ufunc(node)


def _by_ufunc(node: Expr) -> Callable[..., Any] | None:
    """The first of the ufuncs that the operation equals which has loops of real numbers."""
    numbers = tuple(map(type, node.params))
    count = len(node.operands)
    if node.dtype != "real" or any(o.dtype != "real" for o in node.operands):
        return None
    for ufunc in node.primitive.ufuncs:
        if all(loop_of(ufunc, (*numbers, *(t,) * count)) for t in (F64, F32)):
            return partial(_call_ufunc, ufunc, node.params)
    return None


def _call_ufunc(ufunc: Any, params: tuple[Any, ...], lanes: Any, *entries: Any) -> Any:
    return lanes.call(ufunc, *params, *entries)


def _by_form(form: Callable[..., Any], node: Expr, lanes: Any, *entries: Any) -> Any:
    return form(lanes, node, *entries)


def _by_routine(routine: str, lanes: Any, *entries: Any) -> Any:
    return lanes.call(routine, *entries)


def can_be_lowered(i: Instruction, kinds: Kinds, shapes: Mapping[int, Shape]) -> bool:
    """Is there native code for the instruction?"""
    if isinstance(i, Apply):
        return bool(i.operands) and _is_written(i, [kinds[o] for o in i.operands], shapes)
    if isinstance(i, Single):
        return kinds[i.source] is not None and (
            kinds[i.source] == "real" or set(i.labels) == set(i.out)
        )
    if isinstance(i, Reshape):
        return kinds[i.source] is not None
    if isinstance(i, Combine):
        placed = all(_is_moved(p.node, p.operands, kinds, shapes, i.shape) for p in i.placed)
        terms = [t.source for t in i.terms]
        return placed and all(kinds[s] == "real" for s in terms)
    if isinstance(i, Scale | Pair):
        return all(kinds[s] == "real" for s in i.sources)
    return isinstance(i, Fill)


def _is_written(i: Apply, kinds: Sequence[str | None], shapes: Mapping[int, Shape]) -> bool:
    primitive = i.node.primitive
    if primitive.route is not None:
        return _is_moved(
            i.node, i.operands, dict(zip(i.operands, kinds, strict=True)), shapes, i.shape
        )
    expected = [d.dtype for d in primitive.domains]
    expected += expected[-1:] * (len(kinds) - len(expected))
    if primitive.dtype == "same":
        expected[0] = kinds[0] or expected[0]
    if primitive.by_rows is not None or primitive.by_arrays is not None:
        entries = all(prod(shapes[o]) for o in i.operands) or not i.size
        return kinds == expected and entries
    comparison = i.node.dtype == "bool" and len(kinds) == 2 and set(expected) == {"real"}
    conversion = i.node.dtype == "real" and expected == ["bool"]
    fits = kinds == expected or (set(kinds) == {"int"} and (comparison or conversion))
    return fits and writer_of(i.node) is not None


def _is_moved(
    node: Expr, operands: Sequence[int], kinds: Kinds, shapes: Mapping[int, Shape], result: Shape
) -> bool:
    moving = [operands[k] for k in moving_operands(node)]
    if any(kinds[o] != (node.dtype if o in moving else "int") for o in operands):
        return False
    given = [shapes[o] for o in moving]
    if moves_of(node, given, result) is not None:
        return True
    return transfers_of(node, [(s, row_major(s)) for s in given], result) is not None
