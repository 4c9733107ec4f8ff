"""Taylor polynomials and series in any number of variables."""

from wengert.taylor.subject import Source, function_of
from wengert.taylor.univariate import Series, series

__all__ = ["Series", "Source", "function_of", "series"]
