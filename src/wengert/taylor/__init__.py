"""Taylor polynomials and series in any number of variables."""

from wengert.taylor.kinks import (
    AtKink,
    NearKink,
    at_kink,
    check_kinks,
    kinks_within,
)
from wengert.taylor.models import (
    LinearModel,
    QuadraticModel,
    linear_model,
    quadratic_model,
)
from wengert.taylor.operators import (
    biharmonic,
    contract_derivative,
)
from wengert.taylor.outer import (
    outer_power,
)
from wengert.taylor.polynomial import (
    TaylorPolynomial,
    taylor,
)
from wengert.taylor.remainder import (
    Remainder,
    remainder,
)
from wengert.taylor.subject import (
    Source,
    function_of,
)
from wengert.taylor.symbolic import (
    SymbolicPolynomial,
)
from wengert.taylor.tensors import (
    SymmetricTensor,
    derivative_tensor,
)
from wengert.taylor.univariate import (
    Series,
    series,
)
from wengert.taylor.weights import (
    RankOneTerms,
    rank_one_terms,
)

__all__ = [
    "AtKink",
    "LinearModel",
    "NearKink",
    "QuadraticModel",
    "RankOneTerms",
    "Remainder",
    "Series",
    "Source",
    "SymbolicPolynomial",
    "SymmetricTensor",
    "TaylorPolynomial",
    "at_kink",
    "biharmonic",
    "check_kinks",
    "contract_derivative",
    "derivative_tensor",
    "function_of",
    "kinks_within",
    "linear_model",
    "outer_power",
    "quadratic_model",
    "rank_one_terms",
    "remainder",
    "series",
    "taylor",
]
