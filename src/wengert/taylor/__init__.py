"""Taylor polynomials and series in any number of variables."""

from wengert.taylor.outer import outer_power
from wengert.taylor.polynomial import TaylorPolynomial, taylor
from wengert.taylor.subject import Source, function_of
from wengert.taylor.symbolic import SymbolicPolynomial

__all__ = [
    "Source",
    "SymbolicPolynomial",
    "TaylorPolynomial",
    "function_of",
    "outer_power",
    "taylor",
]
