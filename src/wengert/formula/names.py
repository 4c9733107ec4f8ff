"""What the text of a formula says of its names, before shapes are known."""

from __future__ import annotations

from collections.abc import Iterator

from wengert.formula.parser import parse
from wengert.formula.syntax import Call, Name, Operation, Program, Sum, Syntax
from wengert.formula.vocabulary import reserved


def variable_names(text: str) -> list[str]:
    """The names that a formula leaves open, in order of appearance.

    Raises
    ------
    FormulaError
        For anything that is not a formula.

    Examples
    --------
    >>> variable_names("r = x - y; exp(r) + pi*z")
    ['x', 'y', 'z']
    """
    program = parse(text)
    defined = {s.name for s in program.definitions}
    names = (node.name for node in _parts_of(program) if isinstance(node, Name))
    return list(dict.fromkeys(n for n in names if n not in defined and reserved(n) is None))


def transposed_names(program: Program) -> frozenset[str]:
    """The names that stand transposed somewhere: ``a`` in ``a'*x``."""
    return frozenset(
        node.operands[0].name
        for node in _parts_of(program)
        if isinstance(node, Operation)
        and node.operator == "'"
        and isinstance(node.operands[0], Name)
    )


def _parts_of(program: Program) -> Iterator[Syntax]:
    """All parts of a program, in the order in which they are written."""
    bodies = [s.body for s in (*program.definitions, program.result)]
    stack: list[Syntax] = bodies[::-1]
    while stack:
        node = stack.pop()
        yield node
        stack += _parts(node)[::-1]


def _parts(node: Syntax) -> tuple[Syntax, ...]:
    if isinstance(node, Sum):
        return node.terms
    if isinstance(node, Operation):
        return node.operands
    if isinstance(node, Call):
        return (*node.arguments, *(value for _, value in node.keywords))
    return ()
