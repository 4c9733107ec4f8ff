"""``convergence``: all parts of a report, one after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from wengert.convergence.constants.finding import constants_of
from wengert.convergence.constants.reference import Reference, reference_of, rounding
from wengert.convergence.constants.rows import affine_model
from wengert.convergence.convexity.verdict import convexity_of
from wengert.convergence.facts import Constants, Convexity
from wengert.convergence.forecasts.forecast import Forecast, forecast_of
from wengert.convergence.forecasts.metered import Metered
from wengert.convergence.report.advice import Situation, advice_for
from wengert.convergence.report.choices import Choice, choose
from wengert.convergence.report.comparison import crossings_of
from wengert.convergence.report.ladder import Ladder, ladder_of
from wengert.convergence.report.measured import Budget, measure
from wengert.convergence.report.outlook import Outlook
from wengert.convergence.report.plans import NO_PROMISE, Known
from wengert.convergence.report.rates import measured_rate
from wengert.convergence.report.report import Report
from wengert.convergence.report.stages import Stages
from wengert.convergence.report.words import count, joined
from wengert.convergence.theorems.applying import first_step, silences_for, theorems_for
from wengert.convergence.theorems.theorem import Facts
from wengert.errors import DomainError, WengertError
from wengert.optimize import EmpiricalRisk, LeastSquares, Problem, posed
from wengert.optimize.methods import Method
from wengert.optimize.sources import Nothing
from wengert.optimize.space import Tree, Vector
from wengert.optimize.steps import factor

_SEARCH = 0.5  # share of the budget in seconds that finding the minimum may take
_LADDER = 0.25  # the same for forecasts at other gaps
_FEWEST = 6  # records from which a rate is measured


def convergence(
    objective: Any,
    theta0: Tree,
    method: Any = "gd",
    eps: float = 1e-3,
    *,
    given: Mapping[str, Any] | None = None,
    seeds: int = 5,
    seconds: float = 60.0,
    steps: int | None = None,
    run: bool = True,
    seed: int = 0,
    progress: bool | None = None,
) -> Report:
    """Why a method works on a problem, and how long it takes: theorem, forecast, measurement.

    Parameters
    ----------
    objective, theta0, given
        As for :func:`wengert.minimize`: a risk, a sum of squares, a function or a formula.
    method : str, Method, or a list of them
        By name ("gd", "sgd", "newton", "nesterov", "momentum", "adam", "lbfgs", ...), with steps
        and batches that follow from the problem's constants; or a method such as ``wg.SGD(...)``.
    eps : float
        The gap f(θ) − f* that is asked for. Of a function that is not convex: the squared norm of
        the gradient.
    seeds : int
        Runs of methods that draw batches.
    seconds : float
        What the runs may take at most, all together; those of the slower methods end early.
    steps : int, optional
        What a run may take at most.
    run : bool
        Whether the methods are run until eps. Without it the report has the theorems, and the
        forecasts from short pilots.
    seed : int
        Of everything random.
    progress : bool, optional
        Whether a line on the terminal shows what is done; by default if there is a terminal.

    Returns
    -------
    Report
        To be printed, plotted, or read as data. Ctrl-C ends it with what is known.

    Raises
    ------
    DomainError
        If the loss or the gradient at ``theta0`` is not finite.
    WengertError
        For an unknown method, or one that draws batches where there are no rows.

    Examples
    --------
    >>> import wengert as wg
    >>> a = np.array([1.0, 10.0])
    >>> report = convergence(lambda x: np.sum(a * x**2) / 2, np.ones(2), "gd", 1e-6)
    >>> report.convexity.verdict, int(np.ceil(report["gd"].steps))
    ('strongly convex', 63)
    """
    _check(eps, seeds, seconds, steps)
    methods: list[Any] = [method]
    if isinstance(method, list | tuple):
        methods = [*method]
    if not methods:
        raise WengertError("name a method, or several: method='gd', method=['gd', 'sgd']")
    problem, x0 = posed(objective, theta0, given, seed)
    study = Study(problem, x0, float(eps))
    budget = Budget(float(seconds), inf if steps is None else steps)
    with Stages(progress) as stages, np.errstate(all="ignore"):
        study.stages = stages
        try:
            study.look(_SEARCH * seconds)
            study.choose(methods)
            if study.worth_it:
                study.foresee()
                if run:
                    study.measure(budget, seeds)
                study.climb(_LADDER * seconds)
        except KeyboardInterrupt:
            study.interrupted = True
        return study.report(run)


def _check(eps: Any, seeds: Any, seconds: Any, steps: Any) -> None:
    if isinstance(eps, bool) or not isinstance(eps, int | float | np.number) or not 0 < eps < inf:
        raise ValueError(f"eps is a gap, a positive number; got {eps!r}")
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ValueError(f"seeds is a number of runs, 1 or more; got {seeds!r}")
    if not seconds > 0:
        raise ValueError(f"seconds must be positive; got {seconds!r}")
    if steps is not None and (isinstance(steps, bool) or steps != int(steps) or steps < 1):
        raise ValueError(f"steps must be a whole number, 1 or more; got {steps!r}")


class Study:
    """The parts of a report as they are found, so that an interrupted one has what there is."""

    stages: Stages

    def __init__(self, problem: Problem, x0: Vector, eps: float) -> None:
        self.problem = problem
        self.x0 = x0
        self.eps = eps
        self.begun = time.perf_counter()
        self.loss, self.gradient = problem.value_and_gradient(x0)
        if not isfinite(self.loss):
            raise DomainError(f"the loss at theta0 is {self.loss}: start where it is finite")
        if not np.all(np.isfinite(self.gradient)):
            raise DomainError("the gradient at theta0 is not finite: start elsewhere")
        self.convexity = Convexity("undecided", ("not looked at",))
        self.constants = Constants()
        self.reference: Reference | None = None
        self.outlooks: list[Outlook] = []
        self.ladder: Ladder | None = None
        # by method and gap; the method is kept: ids are reused
        self._made: dict[tuple[int, float], tuple[Any, Forecast]] = {}
        self.interrupted = False

    # ------------------------------------------------------------ the problem

    def look(self, seconds: float) -> None:
        """Convexity, the minimum, the constants."""
        self.stages.stage("convexity")
        self.convexity = convexity_of(self.problem, self.x0)
        self.stages.stage("the minimum, by a trusted method")
        self.reference = reference_of(self.problem, self.x0, self.convexity, seconds)
        self.stages.stage("the constants of theorems")
        self.constants = constants_of(
            self.problem, self.x0, convexity=self.convexity, optimum=self.reference.x
        )
        if self.reference.missing is not None:
            self.constants = _without_minimum(self.constants)

    @property
    def nonconvex(self) -> bool:
        """Whether the gradient is measured, as there may be many minima."""
        return self.convexity.convex is False

    @property
    def quantity(self) -> str:
        """What eps is of."""
        return "squared gradient" if self.nonconvex else "gap"

    @property
    def first(self) -> float:
        """The gap, or the squared gradient, at the start."""
        if self.reference is not None and not isfinite(self.reference.value):
            return inf
        if self.nonconvex:
            return float(self.gradient @ self.gradient)
        if self.reference is None:
            return nan
        return max(self.loss - self.reference.value, 0.0)

    @property
    def worth_it(self) -> bool:
        """Whether there is anything to run for: a minimum below the start."""
        return self.reference is not None and self.eps < self.first < inf

    def choose(self, methods: Sequence[Any]) -> None:
        """Methods, and the theorems about them."""
        for given in methods:
            choice = self._settled(choose(given, self._known(self.eps)))
            rows = getattr(choice.method, "batch_size", None) or self.problem.source.length
            outlook = Outlook(
                self._alone(choice), self.eps, quantity=self.quantity, samples_per_step=float(rows)
            )
            theorems = theorems_for(self._facts(choice.method), self.eps)
            silence = tuple(silences_for(choice.method))
            self.outlooks.append(replace(outlook, theorems=theorems, silences=silence))

    def _known(self, eps: float) -> Known:
        return Known(self.problem, self.constants, eps, self.convexity.convex)

    def _settled(self, choices: tuple[Choice, ...]) -> Choice:
        """Of several, the one that the forecast says is the fastest with a theorem that gets to ε.

        Proven theorems come before those that rest on estimates.
        """
        if len(choices) == 1:
            return choices[0]
        self.stages.stage("steps for SGD")
        for status in ("proven", "estimated"):
            promised = [self._promised(one, status) for one in choices]
            kept = [k for k, one in enumerate(choices) if one.kind != NO_PROMISE]
            kept = [k for k in kept if isfinite(promised[k])]
            best = [k for k in kept if not any(_better(choices, promised, m, k) for m in kept)]
            if not best:
                continue
            foreseen = dict.fromkeys(best, inf)
            if len(best) > 1 and self.worth_it:
                foreseen = {k: self._sooner(choices[k]) for k in best}
            return self._beside(_reasoned(choices, promised, kept, foreseen), choices[-1])
        return choices[-1]

    def _beside(self, chosen: Choice, unpromised: Choice) -> Choice:
        """The choice, which says what the step without a promise would do if that is faster."""
        if unpromised.kind != NO_PROMISE or not self.worth_it:
            return chosen
        steps, own = self._sooner(unpromised), self._sooner(chosen)
        if not steps < own:
            return chosen
        method = unpromised.method
        more = (
            f"; without a promise, by the forecast, the last iterate with α = {method.step:.3g} "
            f"takes {count(steps)} steps (method=wg.SGD({method.batch_size}, {method.step:.3g}, "
            f"replacement={method.replacement}))"
        )
        return replace(chosen, why=chosen.why + more)

    def _promised(self, choice: Choice, status: str) -> float:
        """Steps to ε by theorems of a status; infinite if there are none."""
        found = theorems_for(self._facts(choice.method), self.eps)
        fitting = [t for t in found if t.status == status and self._speaks(t.theorem.quantity)]
        return min(filter(isfinite, (t.steps_to(self.eps) for t in fitting)), default=inf)

    def _speaks(self, quantity: str) -> bool:
        return (quantity == "squared gradient") == self.nonconvex

    def _sooner(self, choice: Choice) -> float:
        """Steps to ε by the forecast, kept; infinite if there is none that is worth a choice."""
        try:
            found = self._foreseen(choice.method, self.eps)
        except WengertError:
            return inf
        return inf if found.confidence.startswith(("low", "none")) else found.steps_to().value

    def _facts(self, method: Any) -> Facts:
        risk = self.problem.origin
        affine = isinstance(risk, EmpiricalRisk) and affine_model(self.problem, self.x0) is not None
        modulus = getattr(risk, "regularizer", None)
        return Facts(
            method,
            self.constants,
            self.convexity,
            step=first_step(method, self.problem, self.x0),
            rows=None if isinstance(self.problem.source, Nothing) else self.problem.source.length,
            rows_convex=True if affine and self.convexity.convex else None,
            rows_modulus=float(modulus) if affine and isinstance(modulus, int | float) else None,
        )

    def _alone(self, choice: Choice) -> Choice:
        """With a label that no other method has."""
        labels = {outlook.label for outlook in self.outlooks}
        label, number = choice.label, 2
        while label in labels:
            label, number = f"{choice.label} ({number})", number + 1
        return replace(choice, label=label)

    # ------------------------------------------------------------ the methods

    def foresee(self) -> None:
        """Forecasts, from pilots that know nothing of the minimum."""
        for k, outlook in enumerate(self.outlooks):
            self.stages.stage(f"{outlook.label}: pilot and forecast")
            try:
                found = self._foreseen(outlook.choice.method, self.eps)
            except WengertError as error:
                self.outlooks[k] = replace(outlook, unforeseen=str(error))
                continue
            if not _falls(found.curve):
                why = (
                    "the gap of the model that it rests on grows: the step is too large, or the "
                    "model of the minimum does not hold on the way"
                )
                self.outlooks[k] = replace(outlook, unforeseen=why)
                continue
            if found.curve.quantity != self.quantity:
                why = f"forecasts are of the {found.curve.quantity}, and f is not convex"
                self.outlooks[k] = replace(outlook, unforeseen=why)
                continue
            self.outlooks[k] = replace(outlook, forecast=found)

    def measure(self, budget: Budget, seeds: int) -> None:
        """Runs until eps, as far as the budget goes."""
        assert self.reference is not None
        left = budget.seconds
        order = sorted(range(len(self.outlooks)), key=self._expected)  # the slow ones get the rest
        for number, k in enumerate(order):
            outlook = self.outlooks[k]
            clock = None if outlook.forecast is None else outlook.forecast.forecaster()
            self.stages.stage(f"{outlook.label}, {self.quantity} by step", clock, self.eps)
            share = left / (len(order) - number)
            found = measure(
                self.problem,
                self.x0,
                outlook.choice.method,
                self.reference,
                self.eps,
                seeds=seeds,
                budget=Budget(share, budget.steps),
                nonconvex=self.nonconvex,
                watch=self.stages.watch,
            )
            left = max(left - found.seconds, 0.1 * left)
            if found.status == "diverged":
                found = replace(found, message=found.message + self._stable(outlook.choice.method))
            self.outlooks[k] = replace(
                outlook,
                measured=found,
                rate=_rate(found.curve, rounding(self.problem, self.reference.value)),
                samples_per_step=found.samples_per_step,
            )
            if found.status == "interrupted":
                self.interrupted = True
                raise KeyboardInterrupt

    def _expected(self, number: int) -> float:
        """Seconds that a method's run will take, by its forecast; infinite if none is known."""
        seconds = self.outlooks[number].steps * self.outlooks[number].seconds_per_step
        return seconds if isfinite(seconds) else inf

    def _stable(self, method: Any) -> str:
        """The remedy for a step that is too large."""
        L = self.constants.get("L")
        if L is None or not 0 < L.value < inf or not isinstance(method, Method):
            return ""
        most = method.stable_step(L.value)
        if most is None:
            return ""
        return f": the largest stable step is {most:.3g}, 1/L is {1 / L.value:.3g}"

    def climb(self, seconds: float) -> None:
        """Forecasts at other gaps, if several methods are compared, until the time is spent."""
        if len(self.outlooks) < 2 or self.nonconvex or self.reference is None:
            return
        self.stages.stage("forecasts at other gaps")
        least = 100 * rounding(self.problem, self.reference.value)
        end = time.perf_counter() + seconds
        self.ladder = ladder_of(
            self.outlooks, self.eps, self.first, least, self._steps_to,
            lambda: time.perf_counter() < end,
        )  # fmt: skip

    def _steps_to(self, outlook: Outlook, gap: float) -> float:
        """Of a method with the step for this gap, if it was chosen by name."""
        choice = outlook.choice
        if choice.why and getattr(choice.method, "stochastic", False) and gap != self.eps:
            same = choose(choice.name, self._known(gap))
            method = next((one for one in same if one.kind == choice.kind), same[-1]).method
            return self._forecast(method, gap).steps_to(gap).value
        if gap >= self.eps and outlook.forecast is not None:
            return outlook.forecast.steps_to(gap).value
        return self._foreseen(choice.method, self.eps / 100).steps_to(gap).value

    def _foreseen(self, method: Any, eps: float) -> Forecast:
        """The forecast to a gap, made once."""
        key = id(method), eps
        kept = self._made.get(key)
        if kept is None:
            kept = self._made[key] = method, self._forecast(method, eps)
        return kept[1]

    def _forecast(self, method: Any, eps: float) -> Forecast:
        metered = Metered(self.problem)
        return forecast_of(metered, self.x0, method, eps, reference=self.reference)

    # ------------------------------------------------------------ the report

    def report(self, run: bool) -> Report:
        """All that was found."""
        outlooks = tuple(self.outlooks)
        reference = self.reference
        advice = ()
        if reference is not None and reference.missing is None and not self.nonconvex:
            try:
                advice = advice_for(self._situation())
            except KeyboardInterrupt:
                self.interrupted = True
        status = "done" if run else "forecast"
        if reference is not None and reference.missing is not None:
            status = "no minimum"
        if self.interrupted:
            status = "interrupted"
        return Report(
            problem=described(self.problem),
            eps=self.eps,
            quantity=self.quantity,
            first=self.first,
            loss=self.loss,
            constants=self.constants,
            convexity=self.convexity,
            reference=reference,
            outlooks=outlooks,
            crossings=tuple(crossings_of(outlooks, self.eps / 100)),
            ladder=self.ladder,
            advice=advice,
            notes=self._notes(),
            status=status,
            seconds=time.perf_counter() - self.begun,
        )

    def _situation(self) -> Situation:
        return Situation(
            self.problem,
            self.x0,
            self.eps,
            self.first,
            self.constants,
            self.reference,
            self.outlooks,
            self.convexity.convex,
        )

    def _notes(self) -> tuple[str, ...]:
        notes = list(self.constants.notes)
        for outlook in self.outlooks:
            notes += filter(None, (self._below(outlook), above_bound(outlook)))
        return tuple(notes)

    def _below(self, outlook: Outlook) -> str:
        measured, reference = outlook.measured, self.reference
        if measured is None or reference is None or self.nonconvex:
            return ""
        below = reference.value - measured.lowest[1]
        if not below > (reference.error if isfinite(reference.error) else 0.0):
            return ""
        return (
            f"{outlook.label} came {below:.2g} below f*: the minimum that gaps are measured from "
            "is not the lowest one"
        )


def _better(choices: Sequence[Choice], promised: Sequence[float], one: int, other: int) -> bool:
    """Whether it takes longer steps, and has fewer guaranteed ones."""
    first, second = (factor(choices[k].method.step, 0) for k in (one, other))
    return first >= second and promised[one] < promised[other]


def _reasoned(
    choices: Sequence[Choice],
    promised: Sequence[float],
    kept: Sequence[int],
    foreseen: Mapping[int, float],
) -> Choice:
    """The fastest by its forecast, or by its guarantee without one; and the others' steps."""
    chosen = min(foreseen, key=lambda k: (foreseen[k], promised[k]))
    if isfinite(foreseen[chosen]):
        words, steps = "of what has a finite guarantee it is the fastest by the forecast", foreseen
    else:
        words = f"it has the fewest guaranteed steps, {count(promised[chosen])}"
        steps = {k: promised[k] for k in kept}
    others = [f"{choices[k].kind}: {count(n)}" for k, n in steps.items() if k != chosen]
    more = f" ({joined(others)})" if others else ""
    return replace(choices[chosen], why=f"{choices[chosen].why}; {words}{more}")


def above_bound(outlook: Outlook) -> str:
    """What is said if a run does not keep a bound; empty if it keeps all of them."""
    for applied in outlook.bounds:
        at = outlook.broken_at(applied)
        if at is None:
            continue
        name = f"the bound of “{applied.theorem.name}”"
        if applied.status == "proven" and outlook.measured and outlook.measured.seeds == 1:
            return (
                f"{outlook.label} lies above {name} at step {at}, though its assumptions are "
                "proven: please report this"
            )
        return (
            f"{outlook.label} lies above {name} from step {at} on, so that it is not relied on: "
            "the constants that are only estimated do not hold on the way (or, of few random "
            "runs, their mean is not the expectation)"
        )
    return ""


def _falls(curve: Any) -> bool:
    """Whether a forecast ends below its start."""
    value = np.asarray(curve.value, float)
    return bool(value[-1] <= value[0])


def _without_minimum(constants: Constants) -> Constants:
    """Without the estimates that looked for curvature near a minimum."""
    kept = (c for c in constants.found if c.proven or c.symbol not in ("mu", "mu_star", "PL"))
    return Constants(tuple(kept), constants.notes)


def _rate(curve: Any, floor: float) -> Any:
    steps, value = np.asarray(curve.steps, float), np.asarray(curve.value, float)
    good = np.isfinite(value) & (value > 0) & (steps > 0)
    if np.count_nonzero(good) < _FEWEST:
        return None
    try:
        return measured_rate(steps[good], value[good], floor=floor)
    except (WengertError, ValueError):
        return None


def described(problem: Problem) -> str:
    """What is minimised, in words.

    >>> described(posed(lambda x: x @ x, np.ones(3))[0])
    'a function of 3 parameters'
    """
    size = problem.space.size
    parameters = f"{size:,} parameter{'s' if size != 1 else ''}"
    origin = problem.origin
    if isinstance(origin, EmpiricalRisk):
        rows = f"{origin.samples:,} row{'s' if origin.samples != 1 else ''}"
        name = origin.named.name if origin.named is not None else "mean"
        more = ""
        if isinstance(origin.regularizer, int | float) and origin.regularizer:
            more = f" + {origin.regularizer:g}/2·‖θ‖²"
        elif origin.regularizer is not None:
            more = " + a regulariser"
        return f"the {name} loss of {rows}{more}, {parameters}"
    if isinstance(origin, LeastSquares):
        return f"a sum of squares of {parameters}"
    if isinstance(origin, str):
        return f"{origin}, {parameters}"
    what = "function" if isinstance(problem.source, Nothing) else "risk"
    return f"a {what} of {parameters}"
