"""Loops, declared: the scan, which steps through sequences, and the while loop."""

from __future__ import annotations

from typing import Any

from wengert.errors import ShapeError
from wengert.expr import Expr, Params
from wengert.operations.control.loop_batching import batch_loop
from wengert.operations.control.loop_rules import pull_loop, push_loop
from wengert.operations.control.programs import (
    Program,
    check_count,
    check_same,
    group_of,
    length_of,
    run_length,
)
from wengert.primitive import Joint, Kind, Notation, Primitive, register
from wengert.shapes import Shape, Size


def _check_carries(program: Program, inits: tuple[Expr, ...]) -> None:
    for k, init in enumerate(inits):
        check_same(f"part {k} of the carry after a step", program.roots[k], init, "it started as")
        check_same(f"part {k} of the initial carry", init, program.leaves[k], "the body takes")


def _check_constants(program: Program, start: int, constants: tuple[Expr, ...]) -> None:
    leaves = program.leaves[start:]
    check_count("values from outside the loop", len(constants), len(leaves))
    for constant, taken in zip(constants, leaves, strict=True):
        check_same("a value from outside", constant, taken, "the body takes")


def _part(program: Program, carries: int, length: Size, part: int) -> tuple[Expr, Shape]:
    """What a result is made of, and the axis in front of it, if there is one."""
    if part < carries:
        return program.roots[part], ()
    if part < len(program.roots):
        return program.roots[part], (length,)
    return program.leaves[part - len(program.roots)], (length,)


# ---------------------------------------------------------------- scan


def _shape_of_scan(operands: tuple[Expr, ...], params: Params) -> Shape:
    program, carries, sequences, length, _, counted, part = params
    if counted and (operands[0].dtype != "int" or operands[0].ndim):
        raise ShapeError("the number of steps of a loop must be one integer")
    inputs = operands[int(counted) :]
    stop = carries + sequences
    _check_carries(program, inputs[:carries])
    length_of(inputs[carries:stop], length)
    for k, (x, item) in enumerate(
        zip(inputs[carries:stop], program.leaves[carries:stop], strict=True)
    ):
        if x.dtype != item.dtype or len(x.shape) != item.ndim + 1:
            raise ShapeError(f"sequence {k} of the loop does not fit what the body takes")
    _check_constants(program, stop, inputs[stop:])
    root, lead = _part(program, carries, length, part)
    return lead + root.shape


def _dtype_of_scan(operands: tuple[Expr, ...], params: Params) -> str:
    return _part(params[0], params[1], 0, params[-1])[0].dtype


def _not_alone(*_: object) -> Any:
    raise NotImplementedError("the plan runs programs itself")


def _notation(name: str) -> Any:
    def notation(node: Expr) -> Notation:
        inputs = ", ".join(f"{{{k}}}" for k in range(len(node.operands)))
        text = f"{name}({inputs})[{node.param('part')}]"
        latex = rf"\operatorname{{{{{name}}}}}\left({inputs}\right)_{{{{{node.param('part')}}}}}"
        return Notation(text, text, latex, text)

    return notation


SCAN = register(
    Primitive(
        "scan",
        None,
        _shape_of_scan,
        _not_alone,
        Joint(push_loop, pull_loop, group_of),
        _notation("scan"),
        parameters=(
            "program", "carries", "sequences", "length", "reverse", "counted", "part",
        ),
        domains=(),
        batch=batch_loop,
        source="Griewank and Walther, Evaluating Derivatives, chapters 3 and 12",
        kind=Kind.SCAN,
        dtype=_dtype_of_scan,
        rule="chain rule, step by step",
    )
)  # fmt: skip

# ---------------------------------------------------------------- while


def _shape_of_while(operands: tuple[Expr, ...], params: Params) -> Shape:
    program, carries, limit, part = params
    check = program.roots[carries]
    if check.dtype != "bool" or check.ndim:
        raise ShapeError(
            f"the condition of a while loop must be one truth value, not {check.dtype} "
            f"of shape {check.shape}"
        )
    _check_carries(program, operands[:carries])
    _check_constants(program, carries, operands[carries:])
    if part == carries:
        return ()
    root, lead = _part(program, carries, run_length() if limit is None else limit, part)
    return lead + root.shape


def _dtype_of_while(operands: tuple[Expr, ...], params: Params) -> str:
    program, carries, _, part = params
    return "int" if part == carries else _part(program, carries, 0, part)[0].dtype


WHILE = register(
    Primitive(
        "while",
        None,
        _shape_of_while,
        _not_alone,
        Joint(push_loop, pull_loop, group_of),
        _notation("while"),
        parameters=("program", "carries", "limit", "part"),
        domains=(),
        batch=batch_loop,
        source="Griewank and Walther, Evaluating Derivatives, chapters 3 and 12",
        kind=Kind.WHILE,
        dtype=_dtype_of_while,
        rule="chain rule, step by step",
    )
)
