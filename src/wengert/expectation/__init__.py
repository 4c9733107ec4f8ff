"""Expectations and other moments by Taylor series."""

from wengert.expectation.budget import Budget
from wengert.expectation.comparison import Comparison, compare_expectation, expectation_of
from wengert.expectation.covariance import (
    BlockCovariance,
    Covariance,
    DenseCovariance,
    DiagonalCovariance,
    KroneckerCovariance,
    LowRankCovariance,
    covariance_of,
)
from wengert.expectation.distributions import (
    Distribution,
    Draws,
    Independent,
    Normal,
    as_distribution,
)
from wengert.expectation.estimate import ApproximationWarning, Cost, Estimate
from wengert.expectation.expected import expectation
from wengert.expectation.inputs import Inputs, inputs_of
from wengert.expectation.propagation import Expanded, Propagation, covariance, propagate, variance
from wengert.expectation.symbolic import SymbolicEstimate

__all__ = [
    "ApproximationWarning",
    "BlockCovariance",
    "Budget",
    "Comparison",
    "Cost",
    "Covariance",
    "DenseCovariance",
    "DiagonalCovariance",
    "Distribution",
    "Draws",
    "Estimate",
    "Expanded",
    "Independent",
    "Inputs",
    "KroneckerCovariance",
    "LowRankCovariance",
    "Normal",
    "Propagation",
    "SymbolicEstimate",
    "as_distribution",
    "compare_expectation",
    "covariance",
    "covariance_of",
    "expectation",
    "expectation_of",
    "inputs_of",
    "propagate",
    "variance",
]
