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

__all__ = [
    "BlockCovariance",
    "Covariance",
    "DenseCovariance",
    "DiagonalCovariance",
    "Distribution",
    "Draws",
    "Independent",
    "KroneckerCovariance",
    "LowRankCovariance",
    "Normal",
    "as_distribution",
    "covariance_of",
]
