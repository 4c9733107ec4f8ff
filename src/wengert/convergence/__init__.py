"""Why does training work, and how long will it take?"""

from wengert.convergence.constants import constants
from wengert.convergence.facts import Constant, Constants, Convexity, Curve, StepsTo

__all__ = ["Constant", "Constants", "Convexity", "Curve", "StepsTo", "constants"]
