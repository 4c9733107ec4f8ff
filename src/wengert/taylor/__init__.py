"""Taylor polynomials and series in any number of variables."""

from wengert.taylor.models import LinearModel, QuadraticModel, linear_model, quadratic_model
from wengert.taylor.outer import outer_power
from wengert.taylor.polynomial import TaylorPolynomial, taylor
from wengert.taylor.kinks import AtKink, NearKink, at_kink, check_kinks, kinks_within
from wengert.taylor.remainder import Remainder, remainder
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
from wengert.taylor.operators import biharmonic, contract_derivative
from wengert.taylor.subject import Source, function_of
from wengert.taylor.tensors import SymmetricTensor, derivative_tensor
from wengert.taylor.weights import RankOneTerms, rank_one_terms

__all__ = [
    "RankOneTerms",
    "Source",
    "SymmetricTensor",
    "biharmonic",
    "contract_derivative",
    "derivative_tensor",
    "function_of",
    "rank_one_terms",
    "AtKink",
    "NearKink",
    "Remainder",
    "Source",
    "at_kink",
    "check_kinks",
    "function_of",
    "kinks_within",
    "remainder",
]
