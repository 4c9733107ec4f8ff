"""Why does training work, and how long will it take?"""

from wengert.convergence.applying import first_step, silences_for, theorems_for
from wengert.convergence.constants import constants
from wengert.convergence.convexity import convexity, convexity_of
from wengert.convergence.facts import Constant, Constants, Convexity, Curve, StepsTo
from wengert.convergence.negative_curvature import NegativeCurvature
from wengert.convergence.rates import Rate, measured_rate
from wengert.convergence.theorem import Applied, Assumption, Facts, Judged, Theorem

__all__ = [
    "Applied",
    "Assumption",
    "Constant",
    "Constants",
    "Convexity",
    "Curve",
    "Facts",
    "Judged",
    "NegativeCurvature",
    "Rate",
    "StepsTo",
    "Theorem",
    "constants",
    "convexity",
    "convexity_of",
    "first_step",
    "measured_rate",
    "silences_for",
    "theorems_for",
]
