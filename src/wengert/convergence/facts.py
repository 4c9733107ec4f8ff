"""What is known about a problem and a run, each with how it was found and how sure it is.

The words of all parts of a convergence report: constants, the verdict on convexity, curves of the
gap by step. Symbols: ``L`` smoothness, ``mu`` strong convexity, ``R`` = ‖θ₀ − θ*‖, ``gap0`` =
f(θ₀) − f*, ``G`` bound on gradients, ``sigma2`` and ``sigma2_star`` gradient noise at θ₀ and θ*,
``M`` Lipschitz constant of the Hessian, ``PL`` the Polyak-Łojasiewicz constant. Of single rows:
``Lmax`` the largest smoothness, ``Gstoch`` the root of a bound on E‖gᵢ‖². ``mu_star`` is the
smallest curvature at θ*, ``D`` the distance of all θ with f(θ) ≤ f(θ₀) from a minimiser, ``SC`` the
constant of self-concordance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Sureness = Literal["exact", "bound", "estimate"]
"""Exact: within rounding. Bound: proven, on the safe side. Estimate: neither, from samples."""


@dataclass(frozen=True)
class Constant:
    """A number that theorems ask for.

    Attributes
    ----------
    symbol : str
        As in :mod:`wengert.convergence.facts`.
    name : str
        In words.
    value : float
        The number; an upper bound of what theorems want small (L, R, G, ...), a lower one of what
        they want large (μ), where ``kind`` is "bound".
    kind : str
        "exact", "bound" or "estimate".
    how : str
        How it was found, a clause.
    interval : tuple of float, optional
        Where the true number probably lies (95 % where it comes from samples).
    within : str
        Where it holds, if not everywhere: "within distance R of θ*".

    Examples
    --------
    >>> print(Constant("L", "smoothness", 2.5, "bound", "‖X‖²/4n + λ"))
    L = 2.5 (bound: ‖X‖²/4n + λ)
    """

    symbol: str
    name: str
    value: float
    kind: Sureness
    how: str
    interval: tuple[float, float] | None = None
    within: str = ""

    @property
    def proven(self) -> bool:
        """Whether theorems may rest on it."""
        return self.kind != "estimate"

    def __str__(self) -> str:
        between = "" if self.interval is None else " [{:.4g}, {:.4g}]".format(*self.interval)
        return f"{self.symbol} = {self.value:.6g}{between} ({self.kind}: {self.how})"

    def to_dict(self) -> dict[str, Any]:
        """Numbers and text, as JSON takes them."""
        return {
            "symbol": self.symbol,
            "name": self.name,
            "value": float(self.value),
            "kind": self.kind,
            "how": self.how,
            "interval": None if self.interval is None else [float(v) for v in self.interval],
            "within": self.within,
        }


@dataclass(frozen=True)
class Constants(Mapping[str, Constant]):
    """Constants by symbol, in the order in which a report lists them; what is unknown is absent."""

    found: tuple[Constant, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, symbol: str) -> Constant:
        for one in self.found:
            if one.symbol == symbol:
                return one
        raise KeyError(symbol)

    def __iter__(self) -> Iterator[str]:
        return (one.symbol for one in self.found)

    def __len__(self) -> int:
        return len(self.found)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.found), *self.notes])


@dataclass(frozen=True)
class Convexity:
    """Whether a function is convex in its parameters, and why.

    Attributes
    ----------
    verdict : str
        "affine", "convex", "strongly convex", "nonconvex" or "undecided".
    proof : tuple of str
        The steps of the proof, a line each; why it is undecided, if it is.
    modulus : Constant, optional
        μ, if strong convexity is proven.
    certificate : object, optional
        What refutes convexity: a point, a direction and the curvature along it.
    smoothness : Constant, optional
        An upper bound of the Hessian's eigenvalues that holds everywhere, if one is proven.
    where : str
        Of which points the verdict is, if not of all that the function is defined at.
    """

    verdict: str
    proof: tuple[str, ...] = ()
    modulus: Constant | None = None
    certificate: Any = None
    smoothness: Constant | None = None
    where: str = ""

    @property
    def convex(self) -> bool | None:
        """Proven, refuted, or unknown (None)."""
        known = {"undecided": None, "nonconvex": False}
        return known.get(self.verdict, True)

    def __str__(self) -> str:
        head = f"{self.verdict} {self.where}".rstrip()
        found = [str(c) for c in (self.modulus, self.smoothness, self.certificate) if c is not None]
        return "\n".join([head, *(f"  {line}" for line in self.proof), *found])


@dataclass(frozen=True)
class StepsTo:
    """How many steps a run needs until the gap is at most eps; infinite where it never is.

    Attributes
    ----------
    eps : float
        The gap.
    value : float
        The best guess.
    low, high : float
        The interval.
    """

    eps: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Curve:
    """A quantity by step, with a band.

    Attributes
    ----------
    steps : ndarray
        From 0, ascending.
    value : ndarray
        The gap f(θₜ) − f* unless ``quantity`` says otherwise; its mean, if runs are random.
    low, high : ndarray or None
        The band.
    quantity : str
        "gap", "squared gradient" or "squared distance".
    label : str
        For a legend, in words.
    """

    steps: Any
    value: Any
    low: Any = None
    high: Any = None
    quantity: str = "gap"
    label: str = field(default="")

    def first_below(self, eps: float) -> float:
        """The first step from which on the value stays at most eps, between records interpolated.

        Infinite where the curve ends above it.
        """
        return first_below(self.steps, self.value, eps)


def first_below(steps: Any, value: Any, eps: float) -> float:
    """The first step from which on a curve stays at most eps; infinite if it ends above it.

    Between two records the logarithm is interpolated.

    Examples
    --------
    >>> float(first_below([0, 1, 2], [1.0, 0.1, 0.01], 0.1))
    1.0
    """
    steps, value = np.asarray(steps, float), np.asarray(value, float)
    above = np.flatnonzero(~(value <= eps))
    if not len(above):
        return float(steps[0])
    last = int(above[-1])
    if last == len(value) - 1:
        return float("inf")
    before, after = value[last], value[last + 1]
    if not (0 < after < before < np.inf) or eps <= 0:
        return float(steps[last + 1])
    share = (np.log(before) - np.log(eps)) / (np.log(before) - np.log(after))
    return float(steps[last] + share * (steps[last + 1] - steps[last]))
