"""What a convergence theorem is: a bound by step, the assumptions it rests on, and its source."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from wengert.convergence.facts import Constant, Constants, Convexity, Curve

Verdict = Literal["proven", "estimated", "violated", "unknown"]
Quantity = Literal["gap", "squared distance", "squared gradient"]
_USABLE = ("proven", "estimated")
_FARTHEST = 1 << 60  # steps; a bound that is above eps there is taken to stay above


class MissingError(LookupError):
    """A bound needs a number that is not known."""


@dataclass(frozen=True)
class Facts:
    """What theorems may ask about a problem and a method.

    Attributes
    ----------
    method : Method
        An instance of a class of :mod:`wengert.optimize`.
    constants : Constants
        By symbol, as in :mod:`wengert.convergence.facts`.
    convexity : Convexity
        Of the whole risk.
    step : float, optional
        The first step α as the method takes it: :func:`first_step`.
    rows : int, optional
        How many rows the data have.
    quadratic : bool, optional
        Whether the Hessian does not depend on θ. By default so where M is exactly 0.
    shuffled : bool, optional
        Whether an epoch without replacement orders all rows anew; data that are read in chunks are
        shuffled within each chunk only.
    rows_convex : bool, optional
        Whether each row's loss is convex, regulariser included.
    rows_modulus : float, optional
        A μ with which each row's loss is strongly convex.
    interpolation : bool, optional
        Whether θ* minimises each row's loss. By default it is asked whether ``sigma2_star`` is 0.

    Examples
    --------
    >>> import wengert as wg
    >>> L = Constant("L", "smoothness", 2.0, "exact", "given")
    >>> facts = Facts(wg.GradientDescent(0.25), Constants((L,)), Convexity("convex"), step=0.25)
    >>> float(facts["L"] * facts.alpha)
    0.5
    """

    method: Any
    constants: Constants
    convexity: Convexity
    step: float | None = None
    rows: int | None = None
    shuffled: bool | None = None
    quadratic: bool | None = None
    rows_convex: bool | None = None
    rows_modulus: float | None = None
    interpolation: bool | None = None

    def __getitem__(self, symbol: str) -> float:
        """The value of a constant.

        Raises
        ------
        MissingError
            If it is not known.
        """
        found = self.constant(symbol)
        if found is None or math.isnan(found.value):
            raise MissingError(f"{symbol} is not known")
        return np.float64(found.value)  # whose quotient by zero is infinite, and no error

    def constant(self, symbol: str) -> Constant | None:
        """A constant, or what is known instead: L and μ by the proof of convexity, PL by μ."""
        found = self.constants.get(symbol)
        if found is None and symbol in ("L", "mu"):
            return self.convexity.smoothness if symbol == "L" else self.convexity.modulus
        return self._domination(found) if symbol == "PL" else found

    def _domination(self, found: Constant | None) -> Constant | None:
        """PL, or μ; an estimate of PL is not above the curvature at θ*, which limits it."""
        if found is None:
            modulus = self.constant("mu")
            return modulus if modulus is not None and modulus.value > 0 else None
        least = self.constants.get("mu_star")
        if found.proven or least is None or not 0 < least.value < found.value:
            return found
        return replace(found, value=least.value, how="the least curvature at θ*, which limits it")

    @property
    def alpha(self) -> float:
        """The first step.

        Raises
        ------
        MissingError
            If it is not known.
        """
        if self.step is None:
            raise MissingError("the first step is not known")
        return np.float64(self.step)

    @property
    def batch(self) -> int:
        """Rows of a batch."""
        size = int(self.method.batch_size)
        return size if self.rows is None else min(size, self.rows)

    @property
    def is_quadratic(self) -> bool | None:
        """Whether the Hessian does not depend on θ, if that is known."""
        third = self.constants.get("M")
        if self.quadratic is None and third is not None and third.proven:
            return True if third.value == 0 else None
        return self.quadratic


@dataclass(frozen=True)
class Judged:
    """What became of an assumption, and why."""

    verdict: Verdict
    why: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.text}: {self.verdict} ({self.why})"


@dataclass(frozen=True)
class Assumption:
    """What a theorem asks for, how it is judged, and the numbers that are judged with it."""

    text: str
    judge: Callable[[Facts], Judged] = field(repr=False)
    symbols: tuple[str, ...] = ()

    def of(self, facts: Facts) -> Judged:
        """The judgement."""
        found = self.judge(facts)
        return Judged(found.verdict, found.why, self.text)


Bound = Callable[[Any, Facts], Any]


@dataclass(frozen=True)
class Theorem:
    """A theorem on the convergence of a method.

    Attributes
    ----------
    name : str
        A short title.
    methods : tuple of type
        Classes of methods that it is about.
    rate : str
        In words, "O(1/T)".
    statement, latex : str
        The bound after T steps.
    quantity : str
        What is bounded: "gap", "squared distance" or "squared gradient" (the smallest so far).
        Where steps are random, its mean.
    assumptions : tuple of Assumption
        All that it rests on, but the numbers it needs.
    needs : tuple of str
        Symbols of these numbers.
    bound : callable
        An array of steps and facts to an array of bounds.
    source : str
        Where it is proven.
    variant : callable, optional
        Whether it is about a method with these options.
    tight : bool
        Whether some function in the class meets the bound.
    tight_if : callable, optional
        The facts for which it does, if not for all.
    attained : callable, optional
        What the worst known function of the class reaches, if the bound is not tight.
    closed : callable, optional
        Facts and eps to the real number of steps at which the bound is eps.
    remark : str
        What is worth knowing besides.
    """

    name: str
    methods: tuple[type[Any], ...]
    rate: str
    statement: str
    latex: str
    quantity: Quantity
    assumptions: tuple[Assumption, ...]
    needs: tuple[str, ...]
    bound: Bound = field(repr=False)
    source: str
    variant: Callable[[Any], bool] = field(default=lambda method: True, repr=False)
    tight: bool = False
    tight_if: Callable[[Facts], bool] = field(default=lambda facts: True, repr=False)
    attained: Bound | None = field(default=None, repr=False)
    closed: Callable[[Facts, float], float] | None = field(default=None, repr=False)
    remark: str = ""

    def about(self, method: Any) -> bool:
        """Whether it is about this method, with its options."""
        return isinstance(method, self.methods) and self.variant(method)

    def at(self, steps: Any, facts: Facts) -> Any:
        """The bound after each number of steps, an array.

        Raises
        ------
        MissingError
            If it needs a number that is not known.
        """
        t = np.asarray(steps, float)
        with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
            return np.broadcast_to(self.bound(t, facts), t.shape) + 0.0

    def steps_to(self, eps: float, facts: Facts) -> float:
        """After how many steps the bound is at most eps; infinite where it never is.

        Parameters
        ----------
        eps : float
            In units of ``quantity``.
        facts : Facts
            With the constants that the theorem needs.
        """
        if not eps > 0:
            return math.inf
        if self.closed is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                steps = self.closed(facts, eps) * (1 - 1e-12)
            return float(max(0, math.ceil(steps))) if math.isfinite(steps) else math.inf
        return first_step_below(lambda t: float(self.at(t, facts)), eps)


def first_step_below(bound: Callable[[int], float], eps: float) -> float:
    """The first step at which a falling bound is at most eps; infinite if there is none.

    >>> first_step_below(lambda t: 1 / (t + 1), 0.1)
    9.0
    """
    if bound(0) <= eps:
        return 0.0
    low, high = 0, 1
    while not bound(high) <= eps:
        low, high = high, 2 * high
        if high > _FARTHEST:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if bound(middle) <= eps else (middle, high)
    return float(high)


@dataclass(frozen=True)
class Applied:
    """A theorem held against the facts of a problem.

    Attributes
    ----------
    theorem : Theorem
        The theorem.
    judged : tuple of Judged
        Its assumptions, and the numbers that it needs.
    status : str
        "proven": all of it is; "estimated": it would hold if the estimates did; "violated": it does
        not apply; "unknown": something is not known.
    facts : Facts
        The facts.
    """

    theorem: Theorem
    judged: tuple[Judged, ...]
    status: Verdict
    facts: Facts = field(repr=False)

    @property
    def applies(self) -> bool:
        """Whether its bound may be spoken of."""
        return self.status in _USABLE

    @property
    def tight(self) -> bool:
        """Whether some function with these constants meets the bound."""
        return self.applies and self.theorem.tight and bool(self.theorem.tight_if(self.facts))

    @property
    def reason(self) -> str:
        """Why it does not apply; empty where it does."""
        return "; ".join(str(one) for one in self.judged if one.verdict not in _USABLE)

    def curve(self, steps: Any) -> Curve:
        """The bound, in the theorem's own quantity.

        Raises
        ------
        ValueError
            If the theorem does not apply, or it is not known whether it does.
        """
        if not self.applies:
            raise ValueError(f"{self.theorem.name}: {self.reason}")
        t = np.asarray(steps, float)
        label = f"bound: {self.theorem.name}"
        return Curve(t, self.theorem.at(t, self.facts), None, None, self.theorem.quantity, label)

    def gap_curve(self, steps: Any) -> Curve | None:
        """The bound on the gap; by L/2 times a bound on the squared distance.

        None where the theorem says nothing of the gap.
        """
        own = self.curve(steps)
        scale = self._scale()
        if scale is None:
            return None
        return Curve(own.steps, scale * own.value, None, None, "gap", own.label)

    def _scale(self) -> float | None:
        """The gap over the theorem's quantity, at most."""
        if self.theorem.quantity == "squared distance":
            smooth = self.facts.constant("L")
            return None if smooth is None else smooth.value / 2
        return 1.0 if self.theorem.quantity == "gap" else None

    def steps_to(self, eps: float) -> float:
        """After how many steps the gap is at most eps for certain, if the assumptions hold.

        Of a bound on the squared gradient: until that is at most eps. Infinite where the bound
        stays above, and NaN where the theorem does not apply or says nothing of the gap.
        """
        scale = self._scale()
        if not self.applies or (scale is None and self.theorem.quantity == "squared distance"):
            return math.nan
        return self.theorem.steps_to(eps / (scale or 1.0), self.facts)

    def __str__(self) -> str:
        head = f"{self.theorem.name} [{self.status}]: {self.theorem.statement}"
        return "\n".join([head, *(f"  {one}" for one in self.judged), f"  {self.theorem.source}"])

    def to_dict(self) -> dict[str, Any]:
        """Text and numbers, as JSON takes them."""
        return {
            "name": self.theorem.name,
            "rate": self.theorem.rate,
            "statement": self.theorem.statement,
            "quantity": self.theorem.quantity,
            "status": self.status,
            "tight": self.tight,
            "source": self.theorem.source,
            "remark": self.theorem.remark,
            "assumptions": [
                {"text": one.text, "verdict": one.verdict, "why": one.why} for one in self.judged
            ],
        }
