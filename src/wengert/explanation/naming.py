"""What functions and derivatives are called: f, ∂f/∂w, ∂²f/∂w∂X; and what is said of variables."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Protocol

from wengert.assumptions import Assumption
from wengert.explanation.writing import Quantity, Row, Writer, flattened
from wengert.expr import Expr
from wengert.formula import Elaborated, Orientation, Variable
from wengert.printing import to_matrix

_FUNCTIONS = ("f", "g", "F", "G", "y", "L", "φ", "ψ", "function")
_MOST_VARIABLES = 12
_IMPLIED = {Assumption.POSITIVE_DEFINITE, Assumption.DIAGONAL}


class Explained(Protocol):
    """A formula, or a derivative of one, as :class:`wengert.Formula` has it."""

    @property
    def expr(self) -> Expr:
        """The expression."""
        ...

    @cached_property
    def shown(self) -> Expr:
        """The expression as a person would write it."""
        ...

    @cached_property
    def printed(self) -> Expr:
        """As shown, with the signs of sums as the user wrote them."""
        ...

    @property
    def orientation(self) -> Orientation:
        """How the value is written."""
        ...

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The formula's variables."""
        ...

    @property
    def origin(self) -> Elaborated:
        """The formula as it was read."""
        ...

    @property
    def source(self) -> Explained | None:
        """What this is the derivative of."""
        ...

    @property
    def wrt(self) -> str:
        """With respect to which variable."""
        ...

    @property
    def mode(self) -> str:
        """The mode of differentiation."""
        ...


def derived_by(formula: Explained) -> list[str]:
    """The variables that it was derived by, in order."""
    names: list[str] = []
    while formula.source is not None:
        names.append(formula.wrt)
        formula = formula.source
    return names[::-1]


def primal_of(formula: Explained) -> Explained:
    """The formula that all the deriving began with."""
    while formula.source is not None:
        formula = formula.source
    return formula


def names_taken(formula: Explained) -> set[str]:
    """The names of variables and definitions."""
    return {v.name for v in formula.variables} | {name for name, _ in formula.origin.definitions}


def function_name(formula: Explained, besides: Iterable[str] = ()) -> str:
    """What the function is called: the name it was given, or f, or the next free letter."""
    given = [name for name, node in formula.origin.definitions if node is formula.origin.root]
    if given and given[0] not in besides:
        return given[0]
    taken = names_taken(formula) | set(besides)
    return next((name for name in _FUNCTIONS if name not in taken), "result")


def quantity_of(formula: Explained) -> Quantity:
    """The formula's value, as it is to be written."""
    rows = len(primal_of(formula).expr.shape)
    return Quantity(formula.printed, formula.orientation, rows)


def variables_text(formula: Explained, writer: Writer) -> str:
    """``X ∈ ℝᵐˣⁿ, w ∈ ℝⁿ``, with what is assumed."""
    parts: list[str] = []
    number = len(formula.variables)
    for v in formula.variables[: _MOST_VARIABLES if number > _MOST_VARIABLES + 1 else number]:
        said = sorted(v.assumptions)
        if _IMPLIED & v.assumptions:
            said = [a for a in said if a is not Assumption.SYMMETRIC]
        words = writer.words(f" {' and '.join(said)}") if said else ""
        parts.append(f"{writer.name(v.name)} {writer.space(v.shape)}{words}")
    if len(parts) < number:
        parts.append(writer.words(f"… ({number} variables)"))
    return ", ".join(parts)


def function_row(formula: Explained, writer: Writer, longest: int | None = None) -> Row:
    """``f = ‖Xw − y‖²``, and its variables; a longer text is not written."""
    primal = primal_of(formula)
    quantity = quantity_of(primal)
    left = writer.partial(function_name(formula), [])
    where = variables_text(formula, writer)
    if quantity.shape:
        where = writer.space(quantity.shape) + (f"; {where}" if where else "")
    return Row(writer.equation(left, "", quantity, longest=longest), where)


def derivative_row(formula: Explained, writer: Writer, longest: int | None = None) -> Row:
    """``∂f/∂w = 2(Xw − y)ᵀX``, and its space; a longer text is not written."""
    quantity = quantity_of(formula)
    left = writer.partial(function_name(formula), derived_by(formula))
    where = writer.space(quantity.shape)
    if len(quantity.shape) > 2 and is_flattened(quantity):
        where += writer.words(" as ") + writer.space(flattened(quantity)).removeprefix("∈ ")
    return Row(writer.equation(left, "", quantity, flat=True, longest=longest), where)


def is_flattened(quantity: Quantity) -> bool:
    """Whether its matrix notation is that of a flattened matrix."""
    tree = to_matrix(quantity.expr, quantity.orientation, rows=quantity.rows)
    return tree is not None and tree.kind not in ("tensor", "scalar")
