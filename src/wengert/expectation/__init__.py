"""Expectations and other moments by Taylor series."""

from wengert.expectation.budget import Budget
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
from wengert.expectation.propagation import Expanded, Propagation, covariance, propagate, variance

__all__ = [
    "ApproximationWarning",
    "BlockCovariance",
    "Cost",
    "Budget",
    "Covariance",
    "DenseCovariance",
    "DiagonalCovariance",
    "Distribution",
    "Draws",
    "Estimate",
    "Expanded",
    "Independent",
    "KroneckerCovariance",
    "LowRankCovariance",
    "Normal",
    "SymbolicEstimate",
    "Propagation",
    "as_distribution",
    "covariance",
    "covariance_of",
    "expectation",
    "propagate",
    "variance",
]
