"""Taylor polynomials and series in any number of variables."""

from wengert.taylor.models import LinearModel, QuadraticModel, linear_model, quadratic_model
from wengert.taylor.operators import biharmonic, contract_derivative
from wengert.taylor.outer import outer_power
from wengert.taylor.polynomial import TaylorPolynomial, taylor
from wengert.taylor.subject import Source, function_of
from wengert.taylor.symbolic import SymbolicPolynomial
from wengert.taylor.tensors import SymmetricTensor, derivative_tensor
from wengert.taylor.weights import RankOneTerms, rank_one_terms

__all__ = [
    "LinearModel",
    "QuadraticModel",
    "RankOneTerms",
    "Source",
    "SymbolicPolynomial",
    "SymmetricTensor",
    "TaylorPolynomial",
    "biharmonic",
    "contract_derivative",
    "derivative_tensor",
    "function_of",
    "linear_model",
    "outer_power",
    "quadratic_model",
    "rank_one_terms",
    "taylor",
]
