"""The variables of a formula by its text alone, before shapes are known."""

from __future__ import annotations

from wengert.formula.parser import parse
from wengert.formula.syntax import Call, Name, Operation, Sum, Syntax
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
    bodies = [s.body for s in (*program.definitions, program.result)]
    found: dict[str, None] = {}
    stack: list[Syntax] = bodies[::-1]
    while stack:
        node = stack.pop()
        if isinstance(node, Name) and node.name not in defined and reserved(node.name) is None:
            found[node.name] = None
        stack += _parts(node)[::-1]
    return list(found)


def _parts(node: Syntax) -> tuple[Syntax, ...]:
    if isinstance(node, Sum):
        return node.terms
    if isinstance(node, Operation):
        return node.operands
    if isinstance(node, Call):
        return (*node.arguments, *(value for _, value in node.keywords))
    return ()
