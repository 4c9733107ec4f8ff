"""Moments of the linear and the quadratic model of a function, over its flattened outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from wengert.errors import DomainError
from wengert.expectation.distributions import Draws
from wengert.expectation.expansion import Expansion
from wengert.expectation.inputs import Inputs
from wengert.expectation.quadratic_moments import quadratic_covariance, quadratic_cumulant

_NOT_KNOWN = (float("nan"), float("nan"))


@dataclass(frozen=True, eq=False)
class ModelMoments:
    """Moments of m outputs.

    Attributes
    ----------
    mean : ndarray of shape (m,)
        E of the outputs.
    covariance : ndarray of shape (m, m)
        Between them.
    shape : callable
        Skewness and kurtosis of the output of a number; found when asked for, NaN for what does
        not vary or is not known.
    """

    mean: Any
    covariance: Any
    shape: Callable[[int], tuple[float, float]]


def moments_of_model(expansion: Expansion, inputs: Inputs) -> ModelMoments:
    """Exact moments of f(μ) + gᵀδ + ½ δᵀHδ, or of its linear part.

    Raises
    ------
    DomainError
        If the distributions do not determine those of the quadratic part.
    """
    sigma, J, H = inputs.covariance, expansion.jacobian, expansion.hessian
    if H is not None:
        inputs.refuse_dependent()
    known = inputs.cumulants(4 if H is None else 8)
    mean = expansion.value + (0.0 if H is None else 0.5 * np.einsum("aij,ij->a", H, sigma))
    covariance = quadratic_covariance(J, H, sigma, known)

    @cache
    def shape(k: int) -> tuple[float, float]:
        h = None if H is None else H[k]
        third, fourth = (quadratic_cumulant(J[k], h, sigma, known, r) for r in (3, 4))
        return _standardised(covariance[k, k], third, fourth)

    return ModelMoments(mean, covariance, shape)


def _standardised(variance: float, third: float, fourth: float) -> tuple[float, float]:
    """Skewness and kurtosis from cumulants."""
    if not variance > 0:
        return _NOT_KNOWN
    return float(third / variance**1.5), float(3.0 + fourth / variance**2)


def moments_of_draws(expansion: Expansion, draws: Draws) -> ModelMoments:
    """Moments of the model over a sample: the model's values at the draws."""
    rows = draws.deviations.reshape(len(draws.draws), -1)
    values = rows @ expansion.jacobian.T
    if expansion.hessian is not None:
        values += 0.5 * np.einsum("si,aij,sj->sa", rows, expansion.hessian, rows, optimize=True)
    shift = values.mean(axis=0)
    centred = values - shift
    second, third, fourth = ((centred**k).mean(axis=0) for k in (2, 3, 4))

    def shape(k: int) -> tuple[float, float]:
        return _standardised(second[k], third[k], fourth[k] - 3 * second[k] ** 2)

    return ModelMoments(expansion.value + shift, centred.T @ centred / len(centred), shape)


def moments_of_gum(expansion: Expansion, inputs: Inputs) -> ModelMoments:
    """GUM 5.1.2, note, for several outputs and correlated Gaussians: the same terms with Σ.

    Raises
    ------
    DomainError
        If a variance comes out negative.
    """
    sigma, J = inputs.covariance, expansion.jacobian
    turned = expansion.hessian @ sigma
    cubic = J @ sigma @ expansion.traced.T  # traced: ∇ tr(HΣ)
    covariance = J @ sigma @ J.T + 0.5 * np.einsum("aij,bji->ab", turned, turned, optimize=True)
    covariance = covariance + 0.5 * (cubic + cubic.T)
    if np.any(np.diag(covariance) < 0):
        raise DomainError(
            "the variance of GUM 5.1.2 is negative here: its terms with third derivatives outweigh "
            "the others, and the Taylor series is cut off too early; use convention='model'"
        )
    return ModelMoments(expansion.value, covariance, lambda k: _NOT_KNOWN)
