"""Taylor polynomials and series in any number of variables."""

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
]
