"""Power series in one variable, with all their terms: exact, lazy, with radius of convergence."""

from wengert.taylor.univariate.making import series
from wengert.taylor.univariate.series import Series

__all__ = ["Series", "series"]
