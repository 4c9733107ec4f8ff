"""Writes docs/theorems.md: every convergence theorem, as it is declared.

Run as ``python docs/make_theorems.py``.
"""

# ruff: noqa: E402, E501

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE / "theorems.md"
sys.path[:0] = [str(HERE.parent / "src")]

from wengert.convergence.theorems import SILENCES, accelerated, gradient, newton, stochastic
from wengert.convergence.theorems.theorem import Theorem

INTRODUCTION = """# Convergence theorems

Written by `python docs/make_theorems.py` from the declarations; a test fails when it is out of date.

"Why does my training algorithm work, and how long will it take?" A theorem answers both for a whole class of functions: it
bounds what is left to gain after T steps, for the user's own step α, and it holds where its assumptions do. Each assumption
is judged by what is known of the problem:

| verdict | the assumption |
|---|---|
| proven | follows from the form of the function, or from constants that are exact or proven bounds |
| estimated | holds if the constants do that were measured at some points |
| violated | does not hold: the theorem says nothing, and the reason is given |
| unknown | is neither known to hold nor known not to |

`wengert.convergence.theorems_for` gives those on a method, the ones first that are proven to apply; each has its `statement`,
its `latex`, its `source`, the bound as a `curve` and its inverse, `steps_to`.

```python
>>> import numpy as np
>>> import wengert as wg
>>> from wengert.convergence import Constant, Constants, Convexity, Facts, theorems_for
>>> def exact(symbol, value):
...     return Constant(symbol, symbol, value, "exact", "given")
>>> constants = Constants((exact("L", 2.0), exact("mu", 0.1), exact("R", 3.0)))
>>> method = wg.GradientDescent(0.5)
>>> facts = Facts(method, constants, Convexity("strongly convex"), step=0.5)
>>> best = theorems_for(facts, eps=1e-6)[0]
>>> print(best)
gradient descent, strongly convex: gap by the distance [proven]: f(θ_T) − f* ≤ LR²/2 · max(μ/(μ + L((1 − αμ)^(−2T) − 1)), (1 − αL)^(2T))
  f is strongly convex with μ > 0: proven (mu = 0.1, exact: given)
  ∇f is Lipschitz with L: proven (L = 2, exact: given)
  α < 2/L: proven (αL = 1)
  the step stays the same: proven (α is a number)
  R is known: proven (R = 3, exact: given)
  conjectured by Taylor, Hendrickx and Glineur, Smooth strongly convex interpolation (2017); proven by Kim, A proof of the exact convergence rate of gradient descent (2024)
>>> best.steps_to(1e-6)
127.0
>>> best.curve([0, 10, 100]).value.round(6)
array([9.0000e+00, 2.4463e-01, 1.6000e-05])

```

A step that is too long is not covered, and a model that is not convex has the theorems for smooth functions only:

```python
>>> long = Facts(wg.GradientDescent(1.5), constants, Convexity("strongly convex"), step=1.5)
>>> theorems_for(long)[0].reason
'α < 2/L: violated (αL = 3, with α = 1.5; at most 1 would do)'
>>> start = Constants((exact("L", 2.0), exact("R", 3.0), exact("gap0", 4.0)))
>>> network = Facts(method, start, Convexity("nonconvex"), step=0.5)
>>> [(one.status, one.theorem.quantity) for one in theorems_for(network)][:2]
[('proven', 'squared gradient'), ('proven', 'squared gradient')]
>>> next(one.reason for one in theorems_for(network) if one.status == "violated")
'f is convex: violated (refuted)'

```

## Symbols

| symbol | meaning |
|---|---|
| θ_T, θ\\*, f\\* | the parameters after T steps, the minimiser nearest to θ₀, the minimum |
| α, αₜ, β | the step, that of step t = 0, 1, ..., and the momentum |
| L, Lmax, L_b | smoothness: the Lipschitz constant of ∇f; the largest of a row's; (1 − 1/b)L + Lmax/b for batches of b rows |
| μ, PL | strong convexity; the Polyak-Łojasiewicz constant, which is at least μ |
| R, D | ‖θ₀ − θ\\*‖; the largest distance from θ\\* where f ≤ f(θ₀) |
| G, σ², σ\\*² | E‖g‖² ≤ G² for the gradients g of batches; their variance, everywhere and at θ\\* |
| M, κ | the Lipschitz constant of ∇²f; that of self-concordance |
| E | the mean over the draws of batches |

A bound is **exact** if some function of the class meets it, for every T and every step that is allowed: no smaller one holds.
Tests hold each bound against measured runs, the exact ones against functions that meet them
(`wengert.convergence.theorems.worst_cases`), and those of gradient descent and of Nesterov's method against the semidefinite programs
of PEPit.

"""
RATES = """## Measured rates

`measured_rate` says how fast the gap of a run falls: as a power of T (the slope of a line through the logarithms of both), by
a constant factor a step, or quadratically (the slope of log eₜ₊₁ against log eₜ: by what the number of digits is multiplied).
The interval allows for residuals that follow each other, as those of an optimiser do: n residuals with the correlation r
between neighbours count as n(1 − r)/(1 + r).

```python
>>> from wengert.convergence import measured_rate
>>> from wengert.convergence.theorems.worst_cases import spread_quadratic
>>> hard = spread_quadratic()  # eigenvalues over six decades, evenly
>>> run = wg.minimize(hard.function, hard.theta0, method=wg.GradientDescent(1.0), stop=wg.Stop(steps=1000))
>>> rate = measured_rate(run.history.step, run.history.loss - hard.minimum)
>>> rate.kind, round(rate.slope, 2)
('power', -1.0)
>>> start = np.array([0.5])
>>> run = wg.minimize(lambda x: np.sum(np.cosh(x - 1) + x**2), start, method=wg.Newton(1.0), stop=wg.Stop(steps=5))
>>> gap = run.history.gradient_norm**2  # as good as the gap, near the minimum
>>> measured_rate(run.history.step, gap, floor=1e-28).kind
'quadratic'

```

"""
PARTS = (
    ("Gradient descent", gradient),
    ("Acceleration", accelerated),
    ("Stochastic gradient descent", stochastic),
    ("Newton's method", newton),
)


def entry(theorem: Theorem) -> Iterable[str]:
    """A theorem as a section."""
    name = theorem.name[0].upper() + theorem.name[1:]
    yield f"### {name}\n\n"
    yield f"{escaped(theorem.statement)}\n\n"
    assumptions = "; ".join(escaped(one.text) for one in theorem.assumptions)
    yield f"- Rate: {theorem.rate}{', exact' if theorem.tight else ''}\n"
    yield f"- Assumes: {assumptions}\n"
    yield f"- Needs: {', '.join(theorem.needs)}\n"
    if theorem.remark:
        yield f"- Remark: {escaped(theorem.remark)}\n"
    yield f"- Source: {escaped(theorem.source)}\n\n"


def escaped(text: str) -> str:
    """Text that Markdown leaves as it is."""
    for mark in "|*_<":
        text = text.replace(mark, f"\\{mark}")
    return text


def silences() -> Iterable[str]:
    """A row for each method without a theorem."""
    yield "## Methods without a theorem\n\n"
    yield "| method | what is missing | what is known | source |\n|---|---|---|---|\n"
    for one in SILENCES:
        names = ", ".join(f"`{method.__name__}`" for method in one.methods)
        cells = (escaped(one.missing), escaped(one.known), escaped(one.source))
        yield f"| {names} | {' | '.join(cells)} |\n"


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for title, module in PARTS:
        parts.append(f"## {title}\n\n")
        if title.startswith("Stochastic"):
            parts.append(f"{(stochastic.__doc__ or '').split(chr(10) * 2)[1].strip()}\n\n")
        for theorem in module.THEOREMS:
            parts.extend(entry(theorem))
    return "".join([*parts, RATES, *silences()])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
