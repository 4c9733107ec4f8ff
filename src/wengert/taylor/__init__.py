"""Taylor polynomials and series in any number of variables."""

from wengert.taylor.models import LinearModel, QuadraticModel, linear_model, quadratic_model
from wengert.taylor.outer import outer_power
from wengert.taylor.polynomial import TaylorPolynomial, taylor
from wengert.taylor.subject import Source, function_of
from wengert.taylor.symbolic import SymbolicPolynomial

__all__ = [
    "LinearModel",
    "QuadraticModel",
    "Source",
    "SymbolicPolynomial",
    "TaylorPolynomial",
    "function_of",
    "linear_model",
    "outer_power",
    "quadratic_model",
    "taylor",
]
