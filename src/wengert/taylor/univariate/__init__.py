"""Power series in one variable, with all their terms: exact, lazy, with radius of convergence."""

from wengert.taylor.univariate.series import Series, series

__all__ = ["Series", "series"]
