"""Minimisers of functions and of empirical risks, with one interface."""

from wengert.optimize.checkpoint import Checkpoint
from wengert.optimize.descent import GradientDescent, Momentum, Nesterov
from wengert.optimize.history import History
from wengert.optimize.minimize import Moment, minimize, posed, problem_of, vector_of
from wengert.optimize.newton import GaussNewton, LevenbergMarquardt, Newton, NewtonCG, TrustRegion
from wengert.optimize.problem import Problem
from wengert.optimize.result import Result
from wengert.optimize.risk import EmpiricalRisk, LeastSquares
from wengert.optimize.steps import Backtracking, Exact, Fixed, Inverse, InverseSqrt
from wengert.optimize.stochastic import SGD, Adam
from wengert.optimize.stop import Stop
from wengert.optimize.wrapped import LBFGS, Scipy

__all__ = [
    "LBFGS",
    "SGD",
    "Adam",
    "Backtracking",
    "Checkpoint",
    "EmpiricalRisk",
    "Exact",
    "Fixed",
    "GaussNewton",
    "GradientDescent",
    "History",
    "Inverse",
    "InverseSqrt",
    "LeastSquares",
    "LevenbergMarquardt",
    "Moment",
    "Momentum",
    "Nesterov",
    "Newton",
    "NewtonCG",
    "Problem",
    "Result",
    "Scipy",
    "Stop",
    "TrustRegion",
    "minimize",
    "posed",
    "problem_of",
    "vector_of",
]
