"""Multivariate calculus for machine learning: formulas in, derivatives of any order out."""

from wengert.api import Formula, formula
from wengert.errors import (
    AssumptionError,
    DomainError,
    FormulaError,
    MissingRuleError,
    NameClashError,
    ShapeError,
    SingularMatrixError,
    WengertError,
)

__version__ = "0.1.0"

__all__ = [
    "AssumptionError",
    "DomainError",
    "Formula",
    "FormulaError",
    "MissingRuleError",
    "NameClashError",
    "ShapeError",
    "SingularMatrixError",
    "WengertError",
    "formula",
]
