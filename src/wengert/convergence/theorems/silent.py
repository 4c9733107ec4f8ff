"""Methods that no bound is known for which would say when they are done, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wengert.optimize import (
    LBFGS,
    SGD,
    Adam,
    GaussNewton,
    LevenbergMarquardt,
    Momentum,
    NewtonCG,
    Scipy,
    TrustRegion,
)


@dataclass(frozen=True)
class Silence:
    """Why there is no theorem with constants for a method.

    Attributes
    ----------
    methods : tuple of type
        Classes of methods.
    missing : str
        What a theorem would have to assume, or lacks.
    known : str
        What is known instead.
    source : str
        Where.
    variant : callable, optional
        Whether it is about a method with these options.
    """

    methods: tuple[type[Any], ...]
    missing: str
    known: str
    source: str
    variant: Callable[[Any], bool] = field(default=lambda method: True, repr=False)

    def about(self, method: Any) -> bool:
        """Whether it is about this method, with its options."""
        return isinstance(method, self.methods) and self.variant(method)

    def __str__(self) -> str:
        return f"no theorem with constants: {self.missing}. Known: {self.known} ({self.source})"


SILENCES = (
    Silence(
        (Adam,),
        "steps are scaled by past gradients, so that neither L nor μ bounds a step's gain; there "
        "are convex functions on which Adam with fixed β₁ and β₂ does not converge",
        "with bounded gradients, for the mean of ‖∇f‖² over the steps: O(log T/√T) if α and 1 − β₂ "
        "are chosen by T, with constants that grow with the dimension",
        "Reddi, Kale and Kumar (2018); Défossez, Bottou, Bach and Usunier (2022)",
    ),
    Silence(
        (LBFGS,),
        "the bounds hold with factors that depend on the conditioning of the memory and are far "
        "worse than gradient descent's",
        "R-linear convergence for smooth, strongly convex functions; none better than linear with "
        "a memory of fixed size",
        "Liu and Nocedal (1989); Nocedal and Wright (2006), section 7.2",
    ),
    Silence(
        (TrustRegion,),
        "the bounds count steps to a small gradient, with constants of the worst case only",
        "O(ε⁻²) steps to ‖∇f‖ ≤ ε for smooth functions, and superlinear convergence near a minimum "
        "with a positive definite Hessian",
        "Conn, Gould and Toint, Trust-region methods (2000); Cartis, Gould and Toint (2010)",
    ),
    Silence(
        (NewtonCG,),
        "directions are inexact, and how much they are depends on the spectrum",
        "superlinear convergence near a minimum, as the residual's share is at most √‖∇f‖",
        "Dembo, Eisenstat and Steihaug (1982); Nocedal and Wright (2006), theorem 7.2",
    ),
    Silence(
        (GaussNewton, LevenbergMarquardt),
        "the part of the Hessian that is left out, Σ rᵢ∇²rᵢ, is not bounded",
        "quadratic convergence near a minimum without residuals, linear with small ones",
        "Nocedal and Wright (2006), section 10.3; Dennis and Schnabel (1983), theorem 10.2.1",
    ),
    Silence(
        (Momentum,),
        "beyond quadratics the heavy ball may cycle, whatever is done with quadratics in mind",
        "for convex functions the mean of the iterates has O(1/T) with other parameters; for "
        "α ≤ 1/L and β = √((1 − αμ)(1 − αL)) linear convergence with the factor 1 − αμ",
        "Lessard, Recht and Packard (2016); Ghadimi, Feyzmahdavian and Johansson (2015)",
    ),
    Silence(
        (SGD,),
        "with momentum the iterates are no longer those that the theorems follow",
        "the mean of ‖∇f‖² falls as without momentum, up to a factor 1/(1 − β)",
        "Yan, Yang, Li, Lin and Yang (2018); Garrigos and Gower (2023), section 7",
        variant=lambda method: bool(method.momentum),
    ),
    Silence(
        (Scipy,),
        "SciPy's methods keep their own state and line searches",
        "what holds for the method in general, without constants",
        "Nocedal and Wright (2006)",
    ),
)
