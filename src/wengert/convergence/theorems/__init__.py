"""The theorems, declared."""

from wengert.convergence.theorems import accelerated, gradient, newton, stochastic
from wengert.convergence.theorems.silent import SILENCES, Silence

THEOREMS = (
    *gradient.THEOREMS,
    *accelerated.THEOREMS,
    *stochastic.THEOREMS,
    *newton.THEOREMS,
)

__all__ = ["SILENCES", "THEOREMS", "Silence"]
