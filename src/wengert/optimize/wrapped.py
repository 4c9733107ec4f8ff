"""SciPy's minimisers, with exact derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy

from wengert.optimize.methods import Ending, State
from wengert.optimize.newton import NewtonCG
from wengert.optimize.problem import Problem
from wengert.optimize.space import Vector

_PLAIN = ("Nelder-Mead", "Powell", "COBYLA", "COBYQA")
_SLOPES = ("CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP")
_PRODUCTS = ("Newton-CG", "trust-ncg", "trust-krylov", "trust-constr")
_HESSIANS = ("dogleg", "trust-exact")
_LIMITED = {"CG", "BFGS", "L-BFGS-B", "Newton-CG", "trust-ncg", "trust-krylov", *_HESSIANS}
METHODS = (*_PLAIN, *_SLOPES, *_PRODUCTS, *_HESSIANS)

# Their own criteria are turned off: those of Stop decide.
_NEVER: dict[str, dict[str, Any]] = {
    "Nelder-Mead": {"xatol": 0.0, "fatol": 0.0, "maxiter": 10**9, "maxfev": 10**9},
    "Powell": {"xtol": 0.0, "ftol": 0.0, "maxiter": 10**9, "maxfev": 10**9},
    "COBYLA": {"maxiter": 10**6},
    "COBYQA": {"maxiter": 10**6, "maxfev": 10**6},
    "CG": {"gtol": 0.0, "maxiter": 10**9},
    "BFGS": {"gtol": 0.0, "maxiter": 10**9},
    "L-BFGS-B": {"ftol": 0.0, "gtol": 0.0, "maxiter": 10**9, "maxfun": 10**9},
    "TNC": {"ftol": 0.0, "gtol": 0.0, "xtol": 0.0, "maxfun": 10**9},
    "SLSQP": {"ftol": 0.0, "maxiter": 10**9},
    "Newton-CG": {"xtol": 0.0, "maxiter": 10**9},
    "trust-ncg": {"gtol": 0.0, "maxiter": 10**9},
    "trust-krylov": {"gtol": 0.0, "maxiter": 10**9},
    "trust-constr": {"gtol": 0.0, "xtol": 1e-15, "maxiter": 10**6},
    "dogleg": {"gtol": 0.0, "maxiter": 10**9},
    "trust-exact": {"gtol": 0.0, "maxiter": 10**9},
}

Report = Callable[[State], None]


@dataclass(frozen=True)
class Scipy:
    """A method of ``scipy.optimize.minimize``, with exact gradients, Hessians and products.

    Attributes
    ----------
    name : str
        Of the method, as SciPy spells it: ``"BFGS"``, ``"trust-exact"``, ...
    options : mapping
        SciPy's options. Its own tolerances are 0 unless they are given here: :class:`Stop` decides.
    bounds : sequence or scipy.optimize.Bounds, optional
        Of the flat parameters, for methods that take them.
    constraints : object, optional
        As SciPy takes them, of the flat parameters.

    Notes
    -----
    SciPy holds the state: a resumed run starts afresh from the saved point.

    Examples
    --------
    >>> import wengert as wg
    >>> rosenbrock = lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    >>> found = wg.minimize(rosenbrock, np.array([-1.2, 1.0]), method=wg.Scipy("trust-exact"))
    >>> found.theta.round(6)
    array([1., 1.])
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    bounds: Any = None
    constraints: Any = ()

    def __post_init__(self) -> None:
        if self.name not in METHODS:
            raise ValueError(
                f"scipy.optimize.minimize has no method {self.name!r}; the methods are "
                f"{', '.join(METHODS)}"
            )

    @property
    def has_gradient(self) -> bool:
        """Whether the method asks for gradients."""
        return self.name not in _PLAIN

    def init(self, problem: Problem, x: Vector) -> State:
        """The state before the first step."""
        value, gradient = problem.value_and_gradient(x)
        return State(x, value, gradient)

    def run(self, problem: Problem, state: State, report: Report) -> Ending:
        """Run until SciPy ends, or ``report`` raises.

        Parameters
        ----------
        problem : Problem
            What is minimised.
        state : State
            Where it begins.
        report : callable
            Called with the state after each iteration.
        """
        seen = _Evaluations(problem, self.has_gradient)
        steps = state.step

        def after(x: Vector, *_: Any) -> None:
            nonlocal steps
            steps += 1
            value, gradient = seen.at(np.array(x, problem.space.dtype))
            report(State(np.array(x, problem.space.dtype), value, gradient, steps, 1.0))

        given: dict[str, Any] = {"jac": self.has_gradient}
        if self.name in _PRODUCTS:
            given["hessp"] = lambda x, p: problem.product(_as(problem, x))(p)
        if self.name in _HESSIANS:
            given["hess"] = lambda x: np.asarray(problem.hessian(_as(problem, x)), float)
        if self.bounds is not None:
            given["bounds"] = self.bounds
        run: Any = scipy.optimize.minimize
        found = run(
            seen.function,
            np.asarray(state.x, float),
            method=self.name,
            callback=after,
            constraints=self.constraints,
            options={**_NEVER[self.name], **self.options},
            **given,
        )
        ended = str(found.message)
        x = _as(problem, found.x)
        value, gradient = seen.at(x)
        report(State(x, value, gradient, max(steps, state.step), 1.0))
        limit = found.status == 1 and self.name in _LIMITED
        return Ending("steps" if limit else "stalled", f"scipy's {self.name} ended: {ended}")


class _Evaluations:
    """The function as SciPy calls it; the last values are kept."""

    def __init__(self, problem: Problem, gradient: bool) -> None:
        self.problem = problem
        self.gradient = gradient
        self._kept: dict[bytes, tuple[float, Vector]] = {}

    def at(self, x: Vector) -> tuple[float, Vector]:
        key = x.tobytes()
        if key not in self._kept:
            if self.gradient:
                found = self.problem.value_and_gradient(x)
            else:
                found = self.problem.value(x), np.full(x.shape, np.nan)
            while len(self._kept) >= 4:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = found
        return self._kept[key]

    def function(self, x: Vector) -> Any:
        value, gradient = self.at(_as(self.problem, x))
        return (value, np.asarray(gradient, float)) if self.gradient else value


def _as(problem: Problem, x: Vector) -> Vector:
    return np.array(x, problem.space.dtype)


@dataclass(frozen=True)
class LBFGS:
    """SciPy's L-BFGS-B: steps by the curvature that the last gradients show.

    Attributes
    ----------
    memory : int
        How many gradients it remembers.
    polish : int
        How many steps of :class:`NewtonCG` follow at most where SciPy's line search ends before a
        goal is met, as the loss falls no more within rounding: they go by the gradient.
    bounds : sequence or scipy.optimize.Bounds, optional
        Of the flat parameters.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.minimize(lambda x: np.sum(np.cosh(x - 1)), np.zeros(2), method=wg.LBFGS()).theta.round(6)
    array([1., 1.])
    """

    memory: int = 10
    polish: int = 10
    bounds: Any = None

    def __post_init__(self) -> None:
        if isinstance(self.memory, bool) or not isinstance(self.memory, int) or self.memory < 1:
            raise ValueError(f"memory must be 1 or more; got {self.memory!r}")

    @property
    def inner(self) -> Scipy:
        """The same, as SciPy's method."""
        return Scipy("L-BFGS-B", {"maxcor": self.memory, "maxls": 50}, self.bounds)

    def init(self, problem: Problem, x: Vector) -> State:
        """The state before the first step."""
        return self.inner.init(problem, x)

    def run(self, problem: Problem, state: State, report: Report) -> Ending:
        """As :meth:`Scipy.run`."""
        last = state

        def noted(found: State) -> None:
            nonlocal last
            last = found
            report(found)

        ending = self.inner.run(problem, state, noted)
        if self.bounds is not None or not np.any(last.gradient):
            return ending
        newton = NewtonCG()
        own = {"size": float(np.linalg.norm(last.gradient)), "indefinite": 0}
        last = replace(last, own=own)
        for _ in range(self.polish):
            last = newton.advance(problem, last)
            if newton.terminate(problem, last) is not None:
                break
            report(replace(last, own={}))
        return ending
