"""Derivations explained: the parts of a formula, their derivatives, and the chain rule."""

from wengert.explanation.naming import (
    Explained,
    derivative_row,
    derived_by,
    function_name,
    function_row,
    quantity_of,
)
from wengert.explanation.steps import explain
from wengert.explanation.writing import Row, Writer

__all__ = [
    "Explained",
    "Row",
    "Writer",
    "derivative_row",
    "derived_by",
    "explain",
    "function_name",
    "function_row",
    "quantity_of",
]
