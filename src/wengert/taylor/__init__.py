"""Taylor polynomials and series in any number of variables."""

from wengert.taylor.subject import Source, function_of

__all__ = ["Source", "function_of"]
