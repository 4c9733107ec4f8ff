"""Why does training work, and how long will it take?"""

from wengert.convergence.constants.finding import constants
from wengert.convergence.convexity.negative_curvature import NegativeCurvature
from wengert.convergence.convexity.verdict import convexity, convexity_of
from wengert.convergence.facts import Constant, Constants, Convexity, Curve, StepsTo
from wengert.convergence.forecasts.forecast import Forecast, forecast
from wengert.convergence.forecasts.forecaster import Forecaster
from wengert.convergence.forecasts.spectrum import Spectrum, spectral_density
from wengert.convergence.report.rates import Rate, measured_rate
from wengert.convergence.report.report import Report
from wengert.convergence.report.study import convergence
from wengert.convergence.theorems.applying import first_step, silences_for, theorems_for
from wengert.convergence.theorems.theorem import Applied, Assumption, Facts, Judged, Theorem

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
