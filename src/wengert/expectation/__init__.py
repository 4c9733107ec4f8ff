"""Expectations and other moments by Taylor series."""

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
from wengert.expectation.symbolic import SymbolicEstimate

__all__ = [
    "ApproximationWarning",
    "BlockCovariance",
    "Cost",
    "Covariance",
    "DenseCovariance",
    "DiagonalCovariance",
    "Distribution",
    "Draws",
    "Estimate",
    "Independent",
    "KroneckerCovariance",
    "LowRankCovariance",
    "Normal",
    "SymbolicEstimate",
    "as_distribution",
    "covariance_of",
    "expectation",
]
