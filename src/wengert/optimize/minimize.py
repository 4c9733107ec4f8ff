"""minimize: one function for every method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wengert.errors import DomainError, WengertError
from wengert.optimize.checkpoint import Checkpoint, Saved, load, save
from wengert.optimize.history import Recorder
from wengert.optimize.krylov import gap_estimate
from wengert.optimize.methods import NO_DESCENT, Ending, Method, State
from wengert.optimize.newton import modified
from wengert.optimize.problem import Derivatives, Problem
from wengert.optimize.progress import Bar, Clock
from wengert.optimize.result import Result
from wengert.optimize.separation import SEPARATED, is_separated
from wengert.optimize.sources import Stream
from wengert.optimize.space import Tree, Vector
from wengert.optimize.stop import USUAL, Judge, Stop
from wengert.optimize.wrapped import LBFGS
from wengert.taylor.subject import function_of

_RISE = 1e8  # of the loss above the first one, that is called divergence
_FALL = 1e15
_NOTHING = 1e-7  # of the first gradient: as good as zero
_DIGITS = 1e5  # times rounding: a gap that the loss cannot show

Callback = Callable[["Moment"], Any]


@dataclass(frozen=True, eq=False)
class Moment:
    """What a callback is told.

    Attributes
    ----------
    step : int
        How many steps were taken.
    loss, gradient_norm : float
        Of all data.
    seconds : float
        Since the start.
    """

    step: int
    loss: float
    gradient_norm: float
    seconds: float
    _space: Any
    _x: Vector

    @property
    def theta(self) -> Tree:
        """The parameters, a copy."""
        return self._space.tree(self._x)


def minimize(
    objective: Any,
    theta0: Tree,
    *,
    method: Any = None,
    stop: Stop | None = None,
    given: Mapping[str, Any] | None = None,
    callback: Callback | None = None,
    seed: int = 0,
    record: int | None = None,
    progress: bool | Clock | None = None,
    checkpoint: str | Path | Checkpoint | None = None,
    resume: str | Path | None = None,
) -> Result:
    """Minimise a risk, a sum of squares, a function or a formula over its parameters.

    Parameters
    ----------
    objective : EmpiricalRisk, LeastSquares, callable, Formula or str
        A callable takes the parameters and gives one number, written with NumPy.
    theta0 : pytree
        Where to begin; of a formula: values by name, or the value of its one variable.
    method : Method
        :class:`LBFGS` by default.
    stop : Stop, optional
        The criteria; by default ``Stop(relative=1e-8, steps=10_000)``.
    given : mapping, optional
        Values of a formula's other variables.
    callback : callable, optional
        Called with a :class:`Moment` at every record; the run ends if it returns True.
    seed : int
        Of batches and of everything else that is random.
    record : int, optional
        After how many steps the loss and the gradient of all data are recorded, and goals tested:
        every step, by default; every epoch, for methods that draw batches.
    progress : bool or Forecaster, optional
        Whether a line on the terminal shows how it goes; by default if there is a terminal. A
        forecast's forecaster tells the time left until ``stop.gap``.
    checkpoint : path or Checkpoint, optional
        Where to save the run, every 30 seconds and at its end.
    resume : path, optional
        A checkpoint to go on from, of a run with the same inputs.

    Returns
    -------
    Result
        With the best parameters, the reason why it ended, and the history.

    Raises
    ------
    DomainError
        If the loss at ``theta0`` is not finite.

    Examples
    --------
    >>> import wengert as wg
    >>> found = wg.minimize(lambda p: (p["a"] - 3) ** 2 + p["b"] ** 2, {"a": 0.0, "b": 1.0})
    >>> round(float(found.theta["a"]), 6), found.status
    (3.0, 'converged')
    """
    method = LBFGS() if method is None else method
    stop = USUAL if stop is None else stop
    _check(method, stop, seed, record)
    problem, x = posed(objective, theta0, given, seed)
    inputs = {
        "objective": objective,
        "theta0": theta0,
        "method": method,
        "stop": stop,
        "given": given,
        "callback": callback,
        "seed": seed,
        "record": record,
        "progress": progress,
        "checkpoint": checkpoint,
        "resume": resume,
    }
    run = _Run(problem, method, stop, inputs)
    with Bar(progress, stop) as bar, np.errstate(all="ignore"):
        run.bar = bar
        return run.result(run.go(x))


def problem_of(
    objective: Any, theta0: Tree, given: Mapping[str, Any] | None = None, seed: int = 0
) -> Problem:
    """What is minimised, as a function of vectors.

    Parameters
    ----------
    objective, theta0, given, seed
        As in :func:`minimize`.
    """
    make = getattr(objective, "problem", None)
    if make is not None:
        if given:
            raise WengertError("given= is for formulas")
        return make(theta0, seed)
    if not callable(objective) and not isinstance(objective, str):
        raise WengertError(
            f"minimize takes a wg.EmpiricalRisk, a wg.LeastSquares, a function or a formula; this "
            f"is a {type(objective).__name__}"
        )
    function, point = function_of(objective, theta0, given)
    return Problem(Derivatives(function), point, None, seed, objective)


def vector_of(
    problem: Problem, objective: Any, theta: Tree, given: Mapping[str, Any] | None = None
) -> Vector:
    """Parameters as a vector of a problem: a formula's one variable needs no name.

    Parameters
    ----------
    problem : Problem
        Of the objective.
    objective, theta, given
        As in :func:`minimize`.

    Raises
    ------
    ShapeError
        If the parameters are not nested as the problem's are.

    Examples
    --------
    >>> vector_of(problem_of("norm2(w)^2", np.zeros(2)), "norm2(w)^2", np.ones(2))
    array([1., 1.])
    """
    own = hasattr(objective, "problem")
    return problem.space.vector(theta if own else function_of(objective, theta, given)[1])


def posed(
    objective: Any, theta0: Tree, given: Mapping[str, Any] | None = None, seed: int = 0
) -> tuple[Problem, Vector]:
    """The problem of an objective, and the vector to start at; as :func:`problem_of`."""
    problem = problem_of(objective, theta0, given, seed)
    return problem, vector_of(problem, objective, theta0, given)


def _check(method: Any, stop: Any, seed: Any, record: Any) -> None:
    if isinstance(method, type) or not hasattr(method, "init"):
        raise WengertError(
            f"method must be a method such as wg.LBFGS() or wg.Newton(); got {method!r}"
        )
    if not isinstance(stop, Stop):
        raise WengertError(f"stop must be wg.Stop(...); got {stop!r}")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed must be an integer from 0 on; got {seed!r}")
    if record is not None and (not isinstance(record, int) or record < 1):
        raise ValueError(f"record must be a number of steps, 1 or more; got {record!r}")


def is_finite(state: State) -> bool:
    """Are the loss and the gradient numbers, and no NaN or infinity?"""
    return math.isfinite(state.value) and math.isfinite(state.gradient @ state.gradient)


class _EndedError(Exception):
    """Leaves SciPy's loop."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


@dataclass(frozen=True, eq=False)
class _Best:
    """The record with the smallest loss; of those within rounding, with the smallest gradient."""

    loss: float = np.inf
    norm: float = np.inf
    x: Any = None

    def better(self, loss: float, norm: float, x: Vector) -> _Best:
        """The same, or another one if that is better."""
        if self.x is None:
            return _Best(loss, norm, x)
        rounding = 32 * float(np.finfo(x.dtype).eps) * abs(self.loss)
        smaller = norm < self.norm if abs(loss - self.loss) <= rounding else loss < self.loss
        return _Best(loss, norm, x) if smaller or (np.isnan(norm) and loss < self.loss) else self


class _Run:
    """One run: the loop, and what is kept along it."""

    bar: Bar

    def __init__(self, problem: Problem, method: Any, stop: Stop, inputs: dict[str, Any]) -> None:
        self.problem = problem
        self.method = method
        self.inputs = inputs
        self.judge = Judge(stop, np.inf)
        self.recorder = Recorder()
        self.best = _Best()
        self.met: _Best | None = None  # the point at which a goal was met
        self.state: Any = None
        self.start = time.perf_counter()
        self.checkpoint = inputs["checkpoint"]
        if isinstance(self.checkpoint, str | Path):
            self.checkpoint = Checkpoint(self.checkpoint)
        self.saved_at = 0.0

    # ------------------------------------------------------------ the loop

    def go(self, x: Vector) -> Ending:
        """Run to an end."""
        ending = self._begin(x)
        try:
            if ending is None:
                if isinstance(self.method, Method):
                    ending = self._steps()
                else:
                    ending = self.method.run(self.problem, self.state, self._report)
        except _EndedError as ended:
            ending = ended.ending
        except KeyboardInterrupt:
            ending = Ending("interrupted", "stopped by the keyboard; theta is the best so far")
        self._save()
        return self._judged(ending) if ending.status == "stalled" else ending

    def _judged(self, ending: Ending) -> Ending:
        """A run is stalled only where rounding explains it; at a kink, for one, it has failed."""
        state = self.state
        norm = float(np.linalg.norm(state.gradient))
        if math.isnan(norm) or norm <= _NOTHING * self.judge.first:
            return ending
        gap, _ = gap_estimate(self.problem.product(state.x), state.gradient)
        if gap <= _DIGITS * float(np.finfo(state.x.dtype).eps) * abs(state.value):
            return ending
        more = "" if ending.message == NO_DESCENT else f"; {ending.message}"
        return Ending(
            "failed",
            f"no step along the search direction lowers the loss, though ‖∇f‖ = {norm:.3g}: the "
            "function may have kinks, as hinge losses and absolute values do (use SGD or Adam "
            f"with decreasing steps, or a smooth loss), or very different scales{more}",
        )

    def _begin(self, x: Vector) -> Ending | None:
        problem = self.problem
        if self.inputs["resume"] is not None:
            return self._resume(self.inputs["resume"])
        self.state = self.method.init(problem, x)
        first = self.state.value
        if not math.isfinite(first):
            raise DomainError(f"the loss at theta0 is {first}: start where it is finite")
        if np.all(np.isnan(self.state.gradient)):
            self.judge.first = 0.0
        elif not np.all(np.isfinite(self.state.gradient)):
            raise DomainError("the gradient at theta0 is not finite: start elsewhere")
        else:
            self.judge.first = float(np.linalg.norm(self.state.gradient))
        return self._record()

    def _steps(self) -> Ending:
        method, problem = self.method, self.problem
        every = self.inputs["record"] or method.interval(problem)
        ending: Ending | None = None
        while ending is None:
            state = self.state
            ending = method.terminate(problem, state) or self.judge.at_limit(
                state.step, self.seconds
            )
            if ending is not None:
                break
            self.state = state = method.advance(problem, state)
            if state.step % every == 0 or not is_finite(state):
                ending = self._record()
        if self.recorder.rows[-1][0] != self.state.step:
            ending = self._record() or ending
        return ending

    def _report(self, state: State) -> None:
        """What SciPy's callbacks come to."""
        if self.recorder.rows and self.recorder.rows[-1][0] == state.step:
            return
        self.state = state
        ending = self._record() or self.judge.at_limit(state.step, self.seconds)
        if ending is not None:
            raise _EndedError(ending)

    # ------------------------------------------------------------ records

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self.start

    def _record(self) -> Ending | None:
        """Note the loss; the reason to end, if there is one."""
        problem, state = self.problem, self.state
        x, value, gradient = self._measured()
        norm = float(np.linalg.norm(gradient))
        samples = problem.counts.samples
        self.recorder.add(state.step, value, norm, state.length, self.seconds, samples)
        self.best = self.best.better(value, norm, x)
        self.met = None
        ending = self._diverged(value, norm) or self.judge.at_goal(problem, x, value, gradient)
        if ending is not None and ending.status == "converged":
            self.met = _Best(value, norm, x)
        self.bar.show(self.recorder.rows, self.judge.gap)
        callback = self.inputs["callback"]
        if callback is not None:
            moment = Moment(state.step, value, norm, self.seconds, problem.space, x)
            if callback(moment) is True and ending is None:
                ending = Ending("stopped", "the callback returned True")
        if self.checkpoint is not None and self.seconds - self.saved_at > self.checkpoint.every:
            self._save()
        return ending

    def _measured(self) -> tuple[Vector, float, Vector]:
        """The method's answer at present, with its loss and gradient of all data."""
        state = self.state
        if not isinstance(self.method, Method) or self.method.exact:
            return state.x, state.value, state.gradient
        x = self.method.output(self.problem, state)
        return x, *self.problem.value_and_gradient(x)

    def _diverged(self, value: float, norm: float) -> Ending | None:
        first = self.recorder.rows[0][1]
        if value < -_FALL * (1 + abs(first)):
            return Ending(
                "unbounded",
                f"the loss falls without bound (to {value:.3g}): it has no minimum; constrain the "
                "parameters, or add a regulariser",
            )
        own = isinstance(self.method, Method)  # SciPy's search their steps and may go far
        limit = first + _RISE * (1 + abs(first)) if own else np.inf
        if value <= limit and math.isfinite(value):
            if is_finite(self.state) and math.isfinite(norm):
                return None
            if not getattr(self.method, "has_gradient", True):
                return None
            return Ending(
                "diverged",
                f"the gradient is not finite at step {self.state.step}, where the loss "
                f"is {value:.6g}; theta is the best so far",
            )
        return Ending("diverged", self._advice(value))

    def _advice(self, value: float) -> str:
        """Why a run diverged, and what step would have been stable."""
        length = self.state.length
        what = f"the loss became {value:.3g} at step {self.state.step}"
        passes = 10 if isinstance(self.problem.source, Stream) else 60
        largest = self.problem.spectrum(self.best.x, most=passes).largest
        stable = None
        if isinstance(self.method, Method) and math.isfinite(largest):
            stable = self.method.stable_step(largest)
        if stable is None:
            return f"{what}; take a smaller step, or a method with a line search (LBFGS())"
        found = f"(L = {largest:.3g}, by Lanczos' method at the best point)"
        if length > stable:
            return (
                f"{what}: the step α = {length:.3g} is larger than {stable:.3g}, the largest "
                f"stable one {found}; use step={1 / largest:.2g}, which is 1/L, or a line search"
            )
        return (
            f"{what}, though α = {length:.3g} is below the largest stable step there, {stable:.3g} "
            f"{found}: the curvature is larger elsewhere, or in single batches; take a smaller "
            "step, or a line search"
        )

    # ------------------------------------------------------------ files

    @property
    def _identity(self) -> dict[str, Any]:
        """What a run must share with the one that it goes on from."""
        space = self.problem.space
        return {
            "method": repr(self.method),
            "seed": self.inputs["seed"],
            "shapes": [list(s) for s in space.shapes],
            "dtype": str(space.dtype),
            "rows": self.problem.source.length,
        }

    def _save(self) -> None:
        if self.checkpoint is None or self.state is None or self.best.x is None:
            return
        numbers = {
            "best": self.best.loss,
            "best_norm": self.best.norm,
            "first": self.judge.first,
            "trigger": self.judge.trigger,
            "gap": self.judge.gap,
            "samples": self.problem.counts.samples,
            "seconds": self.seconds,
        }
        saved = Saved(self.state, self.best.x, self.recorder.rows, numbers)
        save(self.checkpoint.path, saved, self._identity)
        self.saved_at = self.seconds

    def _resume(self, path: str | Path) -> Ending | None:
        saved = load(path, self._identity)
        numbers = saved.numbers
        self.state = saved.state
        self.recorder = Recorder(saved.rows)
        self.best = _Best(numbers["best"], numbers["best_norm"], saved.best)
        self.judge = Judge(self.judge.stop, numbers["first"], numbers["trigger"], numbers["gap"])
        self.problem.counts.samples = numbers["samples"]
        self.start = time.perf_counter() - numbers["seconds"]
        self.saved_at = numbers["seconds"]
        if self.recorder.rows[-1][0] != self.state.step:
            return None
        x, value, gradient = self._measured()  # a goal may have been met already
        self.problem.counts.samples = numbers["samples"]
        ending = self.judge.at_goal(self.problem, x, value, gradient)
        if ending is not None:
            self.met = _Best(value, float(np.linalg.norm(gradient)), x)
        return ending

    # ------------------------------------------------------------ the result

    def result(self, ending: Ending) -> Result:
        """All of it as data."""
        problem, state = self.problem, self.state
        best = self.met if self.met is not None else self.best
        x = best.x
        notes = [note for note in (modified(state),) if note]
        status, message = ending.status, ending.message
        if is_separated(problem, x):
            if status in ("converged", "stalled") and self.judge.stop.target is None:
                status, message = "unbounded", SEPARATED
            else:
                notes.append(SEPARATED)
        last = state.x
        if isinstance(self.method, Method):
            last = self.method.output(problem, state)
        return Result(
            theta=problem.space.tree(x),
            loss=best.loss,
            last=problem.space.tree(last),
            status=status,
            message=message,
            history=self.recorder.history(),
            steps=state.step,
            seconds=self.seconds,
            samples=problem.counts.samples,
            inputs=self.inputs,
            again=minimize,
            notes=tuple(notes),
        )
