"""Formulas as text: read, typed, evaluated directly, and turned into expressions.

The language is a superset of matrixcalculus.org's: MATLAB's operators and precedence, vectors
are columns, and a shape for every name by its first letter unless declared.

>>> formula = elaborate("norm2(X*w - y)^2")
>>> formula.orientation, [v.name for v in formula.variables]
('scalar', ['X', 'w', 'y'])
"""

from wengert.formula.build import build, build_all
from wengert.formula.declarations import AssumptionLike, ShapeLike, Variable
from wengert.formula.direct import evaluate_directly
from wengert.formula.infer import Elaborated, elaborate
from wengert.formula.lexer import MAX_LENGTH, MAX_NESTING
from wengert.formula.names import variable_names
from wengert.formula.parser import parse
from wengert.formula.types import FormulaShapeError, Orientation, Type
from wengert.formula.vocabulary import function_names, lookup
from wengert.formula.words import Node, Word

__all__ = [
    "MAX_LENGTH",
    "MAX_NESTING",
    "AssumptionLike",
    "Elaborated",
    "FormulaShapeError",
    "Node",
    "Orientation",
    "ShapeLike",
    "Type",
    "Variable",
    "Word",
    "build",
    "build_all",
    "elaborate",
    "evaluate_directly",
    "function_names",
    "lookup",
    "parse",
    "variable_names",
]
