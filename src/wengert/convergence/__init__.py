"""Why does training work, and how long will it take?"""

from wengert.convergence.applying import first_step, silences_for, theorems_for
from wengert.convergence.constants import constants
from wengert.convergence.convexity import convexity, convexity_of
from wengert.convergence.facts import Constant, Constants, Convexity, Curve, StepsTo
from wengert.convergence.forecast import Forecast, forecast
from wengert.convergence.forecaster import Forecaster
from wengert.convergence.negative_curvature import NegativeCurvature
from wengert.convergence.rates import Rate, measured_rate
from wengert.convergence.report import Report
from wengert.convergence.spectrum import Spectrum, spectral_density
from wengert.convergence.study import convergence
from wengert.convergence.theorem import Applied, Assumption, Facts, Judged, Theorem

__all__ = [
    "Applied",
    "Assumption",
    "Constant",
    "Constants",
    "Convexity",
    "Curve",
    "Facts",
    "Forecast",
    "Forecaster",
    "Judged",
    "NegativeCurvature",
    "Rate",
    "Report",
    "Spectrum",
    "StepsTo",
    "Theorem",
    "constants",
    "convergence",
    "convexity",
    "convexity_of",
    "first_step",
    "forecast",
    "measured_rate",
    "silences_for",
    "spectral_density",
    "theorems_for",
]
