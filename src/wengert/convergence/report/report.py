"""The report: why a method works on a problem, and how long it takes."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from wengert.convergence.constants.reference import Reference
from wengert.convergence.facts import Constants, Convexity
from wengert.convergence.report.advice import Advice
from wengert.convergence.report.comparison import Crossing
from wengert.convergence.report.ladder import Ladder
from wengert.convergence.report.measured import curve_dict
from wengert.convergence.report.outlook import Outlook
from wengert.convergence.report.text import text_of


@dataclass(frozen=True, eq=False)
class Report:
    """What is known of the convergence of methods on a problem; prints as an answer.

    Attributes
    ----------
    problem : str
        What is minimised, in words.
    eps : float
        The gap f(θ) − f* that is asked for; the squared norm of the gradient, if ``quantity`` says
        so.
    quantity : str
        "gap", or "squared gradient" for functions that are not convex.
    first : float
        The gap (the squared gradient) at θ₀.
    loss : float
        f(θ₀).
    constants : Constants
        What theorems ask for.
    convexity : Convexity
        The verdict, with its proof.
    reference : Reference or None
        What gaps are measured from.
    outlooks : tuple of Outlook
        A method each.
    crossings : tuple of Crossing
        Where two methods change places.
    ladder : Ladder or None
        Forecasts of several methods at other gaps.
    advice : tuple of Advice
        What follows.
    notes : tuple of str
        What is worth knowing besides.
    status : str
        "done"; "forecast" (nothing was run in full); "interrupted" (what was known then); "no
        minimum".
    seconds : float
        That the report took.
    """

    problem: str
    eps: float
    quantity: str
    first: float
    loss: float
    constants: Constants
    convexity: Convexity
    reference: Reference | None = None
    outlooks: tuple[Outlook, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    ladder: Ladder | None = None
    advice: tuple[Advice, ...] = ()
    notes: tuple[str, ...] = ()
    status: str = "done"
    seconds: float = field(default=float("nan"))

    def __getitem__(self, name: str) -> Outlook:
        """The method with this name or label.

        Raises
        ------
        KeyError
            With the names that there are.
        """
        for outlook in self.outlooks:
            if name in (outlook.choice.name, outlook.label):
                return outlook
        known = ", ".join(outlook.choice.name for outlook in self.outlooks)
        raise KeyError(f"no method {name!r}; there are: {known}")

    def __str__(self) -> str:
        return text_of(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Numbers, lists and text, as JSON takes them; what is infinite or unknown is None."""
        r = self.reference
        return {
            "problem": self.problem,
            "eps": self.eps,
            "quantity": self.quantity,
            "first": finite(self.first),
            "loss": finite(self.loss),
            "status": self.status,
            "constants": [
                {**one.to_dict(), "value": finite(one.value)} for one in self.constants.found
            ],
            "convexity": {
                "verdict": self.convexity.verdict,
                "proof": list(self.convexity.proof),
                "modulus": self.convexity.modulus and finite(self.convexity.modulus.value),
            },
            "reference": r
            and {
                "value": finite(r.value),
                "error": finite(r.error),
                "kind": r.kind,
                "how": r.how,
                "missing": r.missing,
            },
            "methods": [method_dict(outlook) for outlook in self.outlooks],
            "crossings": [crossing.to_dict() for crossing in self.crossings],
            "ladder": self.ladder and self.ladder.to_dict(),
            "advice": [one.to_dict() for one in self.advice],
            "notes": list(self.notes),
            "seconds": finite(self.seconds),
        }

    def plot(self, path: str | None = None) -> Any:
        """Guarantee, forecast and measurement by step and, of several methods, by seconds.

        Parameters
        ----------
        path : str, optional
            A file to write the figure to; its ending says the format.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from wengert.convergence.report.plots import plot_report  # noqa: PLC0415 (an optional package)

        return plot_report(self, path)


def finite(value: float | None) -> float | None:
    """The number; None where it is infinite or NaN."""
    return float(value) if value is not None and isfinite(value) else None


def method_dict(outlook: Outlook) -> dict[str, Any]:
    """A method's part, as JSON takes it."""
    foreseen = outlook.foreseen
    forecast = outlook.forecast
    return {
        "name": outlook.choice.name,
        "label": outlook.label,
        "method": repr(outlook.choice.method),
        "why": outlook.choice.why,
        "guaranteed_steps": finite(outlook.guaranteed),
        "theorems": [
            {**one.to_dict(), "steps": finite(one.steps_to(outlook.eps))}
            for one in outlook.theorems
        ],
        "forecast": None
        if forecast is None or foreseen is None
        else {
            "steps": finite(foreseen.value),
            "low": finite(foreseen.low),
            "high": finite(foreseen.high),
            "floor": finite(forecast.floor),
            "cost": finite(forecast.cost),
            "confidence": forecast.confidence,
            "how": list(forecast.how),
            "curve": curve_dict(forecast.curve),
        },
        "unforeseen": outlook.unforeseen,
        "measured": None if outlook.measured is None else outlook.measured.to_dict(),
        "rate": None
        if outlook.rate is None
        else {
            "kind": outlook.rate.kind,
            "slope": finite(outlook.rate.slope),
            "interval": [finite(v) for v in outlook.rate.interval],
        },
        "steps": finite(outlook.steps),
        "samples_per_step": finite(outlook.samples_per_step),
        "seconds_per_step": finite(outlook.seconds_per_step),
    }
